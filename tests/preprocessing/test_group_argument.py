"""Groups beside the rows: their order, their way through fit_transform, and one code a row for blocks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from mxfair import Groups
from mxfair._validation import InputError
from mxfair.preprocessing import (
    ByGroup,
    CorrelationRemover,
    DisparateImpactRemover,
    Reweighing,
    StandardScaler,
    load_step,
)


def sample(n=200):
    """Return features, labels and two attributes with the same levels."""
    rng = np.random.default_rng(0)
    groups = pd.DataFrame({"a": rng.integers(0, 2, n), "b": rng.integers(0, 2, n)})
    return rng.normal(0, 1, (n, 2)), rng.integers(0, 2, n), groups


STEPS = [ByGroup(StandardScaler()), CorrelationRemover(), DisparateImpactRemover()]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_a_step_refuses_attributes_in_another_order(step, tmp_path):
    """The group "0 & 1" of (b, a) is the group "1 & 0" of (a, b)."""
    X, _, groups = sample()
    step.fit(X, groups=groups)
    step.save(tmp_path / "step.npz")
    for one in (step, load_step(tmp_path / "step.npz")):
        with pytest.raises(InputError, match="must be in the order a x b, as fitted; got b x a"):
            one.transform(X, groups=groups[["b", "a"]])
    expected = step.transform(X, groups=groups)
    for same in (groups.to_numpy(), groups.rename(columns={"a": "sex"}), dict(groups)):
        np.testing.assert_array_equal(step.transform(X, groups=same), expected)


def test_codes_and_weights_refuse_them_too():
    """What goes beside a block, and the weights of cells."""
    X, y, groups = sample()
    swapped = Groups(groups[["b", "a"]])
    with pytest.raises(InputError, match="in the order a x b"):
        ByGroup(StandardScaler()).fit(X, groups=groups).group_codes(swapped)
    step = Reweighing().fit(y, groups)
    with pytest.raises(InputError, match="in the order a x b"):
        step.weights(y, swapped)
    with pytest.raises(InputError, match="in the order a x b"):
        step.resample(y, swapped, seed=0)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_groups_reach_both_halves_of_fit_transform(step):
    """fit_transform(X, groups=...) is fit and transform with these groups, in a pipeline with routing too."""
    X, y, groups = sample()
    expected = clone(step).fit(X, groups=groups).transform(X, groups=groups)
    np.testing.assert_array_equal(clone(step).fit_transform(X, groups=groups), expected)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = clone(step).set_fit_request(groups=True).set_transform_request(groups=True)
        chain = make_pipeline(routed, LogisticRegression()).fit(X, y, groups=groups)
        found = chain.predict_proba(X, groups=groups)
    np.testing.assert_array_equal(found, LogisticRegression().fit(expected, y).predict_proba(expected))


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
@pytest.mark.parametrize("codes", [[], [np.zeros(1)], [np.zeros(5)], [np.zeros(200), np.zeros(200)]])
def test_a_block_takes_one_group_code_a_row(step, codes):
    """A single code was taken for all rows."""
    X, _, groups = sample()
    block = clone(step).fit(X, groups=groups["a"].to_numpy()).as_block()
    with pytest.raises(InputError, match="must get a group code for each row"):
        block(X, *codes)
    assert block(X[0], np.zeros(1)).shape == (2,)
    with pytest.raises(InputError, match="must get rows alone"):
        StandardScaler().fit(X).as_block()(X, np.zeros(200))
