"""Several sensitive attributes in another order than fitted are told, not taken for other groups."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

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
