"""How far a gap can have moved is bounded by the decisions that two models take otherwise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from mxfair.report import evaluate_predictions


def _samples(n=600, groups=("a", "b"), seed=0):
    rng = np.random.default_rng(seed)
    chosen = rng.choice(list(groups), n)
    labels = (rng.random(n) < 0.4).astype(int)
    return labels, (rng.random(n) < 0.2 + 0.5 * labels).astype(int), chosen


def _change(labels, before, after, groups, criterion):
    first, second = (evaluate_predictions(labels, p, groups, name=n) for p, n in ((before, "plain"), (after, "other")))
    return tuple(first.beside(second).gaps.loc[criterion, ["change_low", "change_high"]])


def test_a_copy_has_moved_no_further_than_chance_between_equal_decisions():
    """Of two equal models the interval is Bonett and Price's for no discordant pair, not that of two samples."""
    labels, preds, groups = _samples()
    sizes = np.array([(groups == name).sum() for name in "ab"]) + 2
    limit = norm.ppf(1 - 0.05 / 4) * np.sqrt((2 / sizes / sizes).sum())
    assert _change(labels, preds, preds.copy(), groups, "demographic_parity") == pytest.approx((-limit, limit))


@pytest.mark.slow
def test_small_moves_are_covered():
    """In 100 samples a planted change of one group's true positive rate lies within the interval 93 times."""
    hits = 0
    for seed in range(100):
        labels, preds, groups = _samples(1500, "abbbcccc", seed)
        lost = (groups == "a") & (labels == 1) & (np.random.default_rng(seed).random(1500) < 0.1)
        low, high = _change(labels, preds, np.where(lost, 0, preds), groups, "equal_opportunity")
        hits += low <= 0.07 <= high
    assert hits >= 93
