"""One group seen from another's place."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mxfair._validation import InputError
from mxfair.explain import Attribution, contrast

RNG = np.random.default_rng(7)
X = RNG.normal(size=(90, 2))
GROUPS = np.array(["a", "b", "c"])[np.arange(90) % 3]


def linear(model, X, background, **keywords):
    """Return the exact contributions of the sum of two features."""
    rows, origins = np.asarray(X), np.asarray(background)
    return Attribution(rows - origins.mean(axis=0), origins.sum(axis=1).mean(), rows.sum(axis=1), rows, "by hand")


def test_contributions_sum_to_the_distance_from_the_other_groups_mean():
    """Against all rows of b, a sample's contributions are x - mean_b of a sum."""
    why = contrast(None, X, GROUPS, of="a", against="b", method=linear)
    assert why.values == pytest.approx(X[GROUPS == "a"] - X[GROUPS == "b"].mean(axis=0))
    assert why.base_values == pytest.approx(np.full(30, X[GROUPS == "b"].sum(axis=1).mean()))


def test_the_rest_is_everyone_else():
    """Against the rest, the background is drawn from all other known groups."""
    why = contrast(None, X, GROUPS, of="a", against="rest", method=linear)
    assert why.base_values[0] == pytest.approx(X[GROUPS != "a"].sum(axis=1).mean())


def test_a_frames_rows_are_taken_by_their_place():
    """The index of a data frame plays no part."""
    frame = pd.DataFrame(X, columns=["u", "v"], index=np.arange(90)[::-1])
    why = contrast(None, frame, GROUPS, of="c", against="b", method=linear)
    assert why.data == pytest.approx(X[GROUPS == "c"])


def test_the_background_is_drawn_without_replacement():
    """n_background rows of the other group are drawn, by the seed."""
    seen = []

    def method(model, X, background, **keywords):
        seen.append(background)
        return linear(model, X, background)

    for seed in (1, 1, 2):
        contrast(None, X, GROUPS, of="a", against="b", method=method, n_background=10, seed=seed)
    assert len(np.unique(seen[0], axis=0)) == 10
    assert np.isin(seen[0][:, 0], X[GROUPS == "b", 0]).all()
    assert np.array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[0], seen[2])


@pytest.mark.parametrize("names", [{"of": "z", "against": "b"}, {"of": "a", "against": "z"}])
def test_groups_are_known(names):
    """A group that does not occur cannot be contrasted."""
    with pytest.raises(InputError, match="Groups must be among a, b, c; got 'z'"):
        contrast(None, X, GROUPS, method=linear, **names)
