"""Before and after on the same samples."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mxfair._validation import InputError
from mxfair.explain import Attribution, gap_decomposition

RNG = np.random.default_rng(3)
GROUPS = np.repeat(["a", "b"], [60, 90])
X = RNG.normal(size=(150, 2)) + (GROUPS == "a")[:, None]


def decomposed(weights, **keywords):
    """Return the decomposition of a linear model."""
    weights = np.asarray(weights)
    known = Attribution((X - X.mean(0)) * weights, X.mean(0) @ weights, X @ weights, X, "by hand")
    return gap_decomposition(None, X, GROUPS, attribution=known, **keywords)


def test_the_difference_is_after_minus_before():
    """Each row holds both contributions and their difference; the gap too."""
    before, after = decomposed([1.0, 2.0]), decomposed([0.5, 1.9])
    frame = before.beside(after, names=("plain", "fair")).to_frame().set_index("column")
    assert frame.loc["x0", "difference"] == pytest.approx(after.part.values[0] - before.part.values[0])
    assert frame.loc["(gap)", "fair"] == pytest.approx(after.part.gap)
    assert frame.loc["(gap)", "difference"] == pytest.approx(after.part.gap - before.part.gap)


def test_the_error_of_the_difference_is_that_of_pairs():
    """Models that move together differ with little error, far less than the two errors say."""
    before, after = decomposed([1.0, 2.0]), decomposed([0.95, 2.0])
    frame = before.beside(after).to_frame().set_index("column")
    moved = -0.05 * X[:, 0]
    sides = moved[GROUPS == "a"], moved[GROUPS == "b"]
    assert frame.loc["x0", "standard_error"] == pytest.approx(math.sqrt(sum(v.var(ddof=1) / len(v) for v in sides)))
    assert frame.loc["x0", "standard_error"] < 0.1 * frame.loc["x0", "before_error"]


def test_a_gap_that_turned_is_seen_from_the_same_side():
    """Where the mitigation makes the other group's mean the larger one, the difference keeps its sign."""
    both = decomposed([1.0, 2.0]).beside(decomposed([-0.2, 0.0]))
    _, after, moved = both.parts[0]
    assert (after.group, after.against) == ("a", "b")
    assert after.gap == pytest.approx(-0.2 * (X[GROUPS == "a", 0].mean() - X[GROUPS == "b", 0].mean()))
    assert moved.values.sum() == pytest.approx(moved.gap)


def test_other_samples_are_no_after():
    """Decompositions of other groups or columns cannot be compared."""
    other = gap_decomposition(
        None, X, GROUPS[::-1], attribution=Attribution(X, 0.0, X.sum(axis=1), X, "by hand"), pair=("a", "b")
    )
    with pytest.raises(InputError, match="must have the same groups"):
        decomposed([1.0, 2.0]).beside(other)
    with pytest.raises(InputError, match="must have the same columns"):
        decomposed([1.0, 2.0]).beside(decomposed([1.0, 2.0], columns={"both": [0, 1]}))


def test_names_differ():
    """Two columns of one name would hide one."""
    with pytest.raises(InputError, match="'names' must be two different names"):
        decomposed([1.0, 2.0]).beside(decomposed([1.0, 1.0]), names=("x", "x"))


def test_both_are_shown():
    """The text has both headlines and a row per column."""
    text = repr(decomposed([1.0, 2.0]).beside(decomposed([0.5, 1.0]), names=("plain", "fair")))
    assert "plain: a (60) minus b (90)" in text
    assert "fair: a (60) minus b (90)" in text
    assert "\nx1 " in text
