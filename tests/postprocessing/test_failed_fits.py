"""A fit that fails decides nothing: neither a first one, nor one after another that did not fail."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from mxfair._validation import InputError
from mxfair.postprocessing import (
    CalibratedCostMixing,
    ClassOffsets,
    EqualizedOddsMixing,
    GroupCalibration,
    GroupThresholds,
    RejectOption,
    WassersteinBarycenter,
)

pytestmark = pytest.mark.filterwarnings("ignore:Fewer than", "ignore:The smallest gap")

ALL = [
    GroupThresholds("equal_opportunity", max_gap=0.05),
    GroupThresholds("equal_opportunity", randomized=True),
    RejectOption("equal_opportunity"),
    EqualizedOddsMixing("equal_opportunity"),
    CalibratedCostMixing(),
    ClassOffsets("equal_opportunity", n_restarts=0),
    GroupCalibration(),
    WassersteinBarycenter(),
]


def rows(post):
    """Return what the post-processor takes, labels and groups; and labels and groups that it cannot be fitted with."""
    rng = np.random.default_rng(0)
    groups, labels = rng.choice(["a", "b"], 300), rng.integers(0, 2, 300)
    scores = np.clip(0.3 * labels + 0.7 * rng.random(300), 0, 1)
    if isinstance(post, EqualizedOddsMixing):
        scores = (scores > 0.5).astype(int)
    if isinstance(post, ClassOffsets):
        scores = np.stack([1 - scores, scores], axis=1)
    others = np.where(groups == "a", "c", "d")
    lacking = np.where(others == "c", 0, labels)  # no rate of positives in group c
    if isinstance(post, GroupCalibration):
        lacking = np.zeros_like(labels)
    return scores, (labels, groups), (lacking, others)


@pytest.mark.parametrize("post", ALL, ids=lambda post: type(post).__name__)
@pytest.mark.parametrize("before", [False, True], ids=["first", "again"])
def test_a_failed_fit_leaves_nothing_that_decides(post, before):
    """No row of the new groups or the old ones is served by what an earlier fit found."""
    post = clone(post)
    scores, good, bad = rows(post)
    if before:
        post.fit(scores, *good)
    failing = scores * np.nan if isinstance(post, WassersteinBarycenter) else scores
    with pytest.raises(InputError):
        post.fit(failing, *bad)
    for groups in (good[1], bad[1]):
        with pytest.raises(InputError, match="must be fitted first"):
            post.transform(scores, groups)
    with pytest.raises(InputError, match="must be fitted first"):
        post.group_codes(good[1])
