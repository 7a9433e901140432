"""Each convention equals its definition written out with loops, for one row of values or many at once."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from mxfair import _disparity
from mxfair._validation import InputError

NAN, INF = math.nan, math.inf


def random_values(seed, *, low=0.0):
    """Return values of two to six groups, some equal, some 0 and some NaN, with a value over all and a reference."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(2, 7))
    values = np.round(rng.uniform(low, 1, size), 1)
    values[rng.random(size) < 0.2] = 0
    values[rng.random(size) < 0.2] = NAN
    return values, round(float(rng.uniform(low, 1)), 1), int(rng.integers(size))


def pairs_of(values, overall, compare, reference):
    """Return the (value, base) pairs that a convention looks at."""
    there = [v for v in values if not math.isnan(v)]
    if len(there) < 2:
        return []
    if compare == "max_min":
        return [(min(there), max(there))]
    if compare == "pairwise_mean":
        return list(itertools.combinations(there, 2))
    if compare == "to_overall":
        return [(v, overall) for v in there]
    others = [v for place, v in enumerate(values) if place != reference and not math.isnan(v)]
    return [] if math.isnan(values[reference]) else [(v, values[reference]) for v in others]


def folded(a, b):
    """Return the ratio of two values, the one of smaller size on top; NaN for 0 / 0 and for different signs."""
    if a * b < 0 or (a == 0 and b == 0):
        return NAN
    return min(abs(a), abs(b)) / max(abs(a), abs(b))


def expected_difference(values, overall, compare, reference, signed):
    """Return the difference by its definition."""
    gaps = [a - b for a, b in pairs_of(values, overall, compare, reference)]
    if not gaps:
        return NAN
    if compare == "pairwise_mean":
        return sum(map(abs, gaps)) / len(gaps)
    largest = max(gaps, key=abs)
    return largest if signed else abs(largest)


def expected_ratio(values, overall, compare, reference, signed):
    """Return the ratio by its definition."""
    pairs = pairs_of(values, overall, compare, reference)
    ratios = [folded(a, b) for a, b in pairs]
    if not pairs or any(map(math.isnan, ratios)):
        return NAN
    if compare == "pairwise_mean":
        return sum(ratios) / len(ratios)
    if not signed:
        return min(ratios)
    value, base = pairs[ratios.index(min(ratios))]
    return value / base if base else NAN


CONVENTIONS = [(compare, False) for compare in _disparity.COMPARE] + [("to_overall", True), ("to_reference", True)]


@pytest.mark.parametrize(("compare", "signed"), CONVENTIONS)
@pytest.mark.parametrize("low", [0.0, -1.0])
def test_differences_equal_their_definition(compare, signed, low):
    """The difference of any values, negative ones included, is the one that its definition gives."""
    for seed in range(400):
        values, overall, reference = random_values(seed, low=low)
        ours = _disparity.difference(values, overall, compare=compare, reference=reference, signed=signed)
        expected = expected_difference(values, overall, compare, reference, signed)
        assert float(abs(ours) if signed else ours) == pytest.approx(
            abs(expected) if signed else expected, abs=1e-12, nan_ok=True
        )


@pytest.mark.parametrize(("compare", "signed"), CONVENTIONS)
@pytest.mark.parametrize("low", [0.0, -1.0])
def test_ratios_equal_their_definition(compare, signed, low):
    """The ratio of any values, zeros and negative ones included, is the one that its definition gives."""
    defined = 0
    for seed in range(400):
        values, overall, reference = random_values(seed, low=low)
        ours = float(_disparity.ratio(values, overall, compare=compare, reference=reference, signed=signed))
        expected = expected_ratio(values, overall, compare, reference, signed)
        if signed:  # of two that are equally far from 1, either side may be named
            ours, expected = (min(x, 1 / x) if x > 0 else x for x in (ours, expected))
        assert ours == pytest.approx(expected, abs=1e-12, nan_ok=True)
        defined += not math.isnan(expected)
    assert defined > 20


@pytest.mark.parametrize(
    ("values", "signed"), [([0.5, 0.2, 0.6], -0.3), ([0.5, 0.9, 0.4], 0.4), ([0.5, 0.5, 0.5], 0.0)]
)
def test_a_signed_difference_keeps_the_side_of_the_furthest_group(values, signed):
    """The group furthest from the reference says whether the number is negative."""
    assert _disparity.difference(values, compare="to_reference", reference=0, signed=True) == pytest.approx(signed)


@pytest.mark.parametrize(
    ("values", "signed"), [([0.5, 0.2, 0.6], 0.4), ([0.5, 1.0, 0.4], 2.0), ([-0.5, -1.0, -0.4], 2.0)]
)
def test_a_signed_ratio_may_exceed_one(values, signed):
    """The group furthest from the reference is divided by it as it stands."""
    assert _disparity.ratio(values, compare="to_reference", reference=0, signed=True) == pytest.approx(signed)


@pytest.mark.parametrize(
    ("values", "compare", "ratio"),
    [
        ([0.0, 0.5], "to_reference", 0.0),  # the reference has 0: the other is as far away as can be
        ([0.0, -0.5], "max_min", 0.0),
        ([-0.5, 0.0], "max_min", 0.0),
        ([0.0, -4.0], "to_overall", NAN),  # against an overall of 0: 0 / 0
        ([-4.0, -2.0], "max_min", 0.5),
        ([-4.0, 2.0], "max_min", NAN),
        ([0.0, 0.0], "max_min", NAN),
        ([0.0, 0.0, 0.5], "pairwise_mean", NAN),
        ([0.0, 0.0], "to_reference", NAN),
    ],
)
def test_ratios_at_the_edges(values, compare, ratio):
    """Zeros and negative values give 0 or NaN, never infinity and never a negative ratio."""
    ours = _disparity.ratio(values, 0.0, compare=compare, reference=0)
    assert ours == pytest.approx(ratio, nan_ok=True)
    assert np.isnan(ours) or not np.signbit(ours)  # -0.0 would print as negative


def test_a_signed_ratio_to_zero_is_undefined():
    """A quotient by 0 is NaN and never infinity."""
    assert np.isnan(_disparity.ratio([0.0, 0.5], compare="to_reference", reference=0, signed=True))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("method", [_disparity.difference, _disparity.ratio])
@pytest.mark.parametrize(("compare", "signed"), CONVENTIONS)
def test_many_rows_at_once_are_each_row_by_itself(method, compare, signed):
    """Leading axes are kept, whatever NaN and zeros the rows hold, and nothing warns."""
    rng = np.random.default_rng(3)
    values = np.round(rng.uniform(-0.2, 1, (4, 50, 5)), 1)
    values[rng.random(values.shape) < 0.3] = NAN
    overall = np.round(rng.random((4, 50)), 1)
    options = {"compare": compare, "reference": 2 if compare == "to_reference" else None, "signed": signed}
    together = method(values, overall, **options)
    assert together.shape == (4, 50)
    for place in np.ndindex(4, 50):
        np.testing.assert_allclose(together[place], method(values[place], overall[place], **options), rtol=1e-14)


@pytest.mark.parametrize("method", [_disparity.difference, _disparity.ratio])
@pytest.mark.parametrize("compare", _disparity.COMPARE)
def test_values_are_left_alone(method, compare):
    """The caller's array does not change."""
    values = np.array([0.2, NAN, -0.4])
    before = values.copy()
    method(values, 0.1, compare=compare, reference=0)
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize("method", [_disparity.difference, _disparity.ratio])
@pytest.mark.parametrize("compare", _disparity.COMPARE)
@pytest.mark.parametrize("values", [[0.5], [0.5, NAN], [NAN, NAN], [NAN, 0.5, 0.4]])
def test_too_few_values_have_no_gap(method, compare, values):
    """Fewer than two defined values, or a reference without one, give NaN."""
    expected_nan = sum(not math.isnan(v) for v in values) < 2 or compare == "to_reference"
    reference = int(np.flatnonzero(np.isnan(values))[0]) if np.isnan(values).any() else 0
    assert np.isnan(method(values, 0.5, compare=compare, reference=reference)) == expected_nan


def test_an_undefined_overall_value_gives_no_gap():
    """Without a value over all samples there is nothing to measure from."""
    assert np.isnan(_disparity.difference([0.2, 0.4], NAN, compare="to_overall"))


@pytest.mark.parametrize(("agg", "value"), [("max", 0.5), ("mean", 0.2), ("signed", 0.2), ("sum", 0.4)])
def test_gaps_become_one_number(agg, value):
    """The worst, the mean or the sum of two gaps; a signed mean lets them cancel."""
    assert _disparity.aggregate(np.array([0.5, -0.1]), agg) == pytest.approx(value)


def test_the_worst_ratio_is_the_smallest():
    """Of ratios the worst one is the smallest."""
    assert _disparity.aggregate(np.array([0.5, 0.9]), "max", worst="min") == 0.5


@pytest.mark.parametrize("agg", _disparity.AGG)
def test_one_undefined_gap_makes_the_number_undefined(agg):
    """A gap that could not be measured is not covered by the others."""
    assert np.isnan(_disparity.aggregate(np.array([0.5, NAN]), agg))


@pytest.mark.parametrize(
    ("compare", "reference", "signed", "message"),
    [
        ("max-min", None, False, "Did you mean 'max_min'"),
        ("to_reference", None, False, "must be given together.*Name a group"),
        ("to_overall", "a", False, "must be given together.*leave both out"),
        ("to_reference", "z", False, "'reference' must be one of a, b; got 'z'"),
        ("to_reference", "unknown", False, "'reference' must be one of a, b; got 'unknown'"),
        ("max_min", None, True, "must have a side"),
        ("pairwise_mean", None, True, "must have a side"),
    ],
)
def test_what_does_not_go_together_is_refused(compare, reference, signed, message):
    """The message says what to change; samples without a group are no reference."""
    with pytest.raises(InputError, match=message):
        _disparity.settle(compare, reference, ("a", "b", "unknown"), signed=signed)


def test_the_references_place_is_returned():
    """A reference stands for its place among all groups."""
    assert _disparity.settle("to_reference", "b", ("unknown", "a", "b")) == ("to_reference", 2)
    assert _disparity.settle("max_min", None, ("a", "b")) == ("max_min", None)
