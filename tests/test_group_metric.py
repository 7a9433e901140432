"""GroupMetric and PairMetric summarise known groups, and say why a value is undefined."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from mxfair._validation import InputError
from mxfair.group_metric import Gap, GroupMetric, PairMetric

NAN = math.nan


def metric(values=(0.2, 0.5, 0.8), *, overall=0.4, unknown=None, **options):
    """Return a figure of groups a, b, c... and perhaps of an unknown group."""
    names = [chr(ord("a") + i) for i in range(len(values))]
    everything = np.array([*values, *([] if unknown is None else [unknown])], dtype=float)
    known = np.arange(len(everything)) < len(values)
    groups = (*names, *(["unknown"] if unknown is not None else []))
    support = np.where(np.isnan(everything), 0, 10)
    return GroupMetric("rate", groups, everything, overall, known, support, **options)


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ({}, 0.6),
        ({"compare": "to_overall"}, 0.4),
        ({"compare": "to_reference", "reference": "b"}, 0.3),
        ({"compare": "to_reference", "reference": "c", "signed": True}, -0.6),
        ({"compare": "pairwise_mean"}, 0.4),
    ],
)
def test_differences(options, value):
    """Each way to compare is passed on."""
    assert metric().difference(**options) == pytest.approx(value)


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ({}, 0.25),
        ({"compare": "to_overall"}, 0.5),
        ({"compare": "to_reference", "reference": "b"}, 0.4),
        ({"compare": "to_reference", "reference": "a", "signed": True}, 4.0),
        ({"compare": "pairwise_mean"}, (0.4 + 0.25 + 0.625) / 3),
    ],
)
def test_ratios(options, value):
    """Each way to compare is passed on."""
    assert metric().ratio(**options) == pytest.approx(value)


@pytest.mark.parametrize("name", ["difference", "ratio", "group_min", "group_max"])
def test_summaries_are_python_floats(name):
    """A number comes back as a float, which JSON can hold."""
    assert type(getattr(metric(), name)()) is float


@pytest.mark.parametrize("compare", ["max_min", "to_overall", "pairwise_mean"])
@pytest.mark.parametrize("name", ["difference", "ratio"])
def test_the_unknown_group_changes_no_gap(name, compare):
    """A group of samples without a sensitive value is left out, however extreme."""
    with_unknown, without = metric(unknown=0.01), metric()
    assert getattr(with_unknown, name)(compare=compare) == getattr(without, name)(compare=compare)


def test_the_unknown_group_is_no_extreme():
    """The smallest and largest values are those of known groups."""
    assert (metric(unknown=0.01).group_min(), metric(unknown=0.99).group_max()) == (0.2, 0.8)


def test_extremes_pass_over_undefined_groups():
    """NaN is neither the smallest nor the largest value."""
    assert (metric((NAN, 0.5, 0.8)).group_min(), metric((0.2, NAN)).group_max()) == (0.5, 0.2)


def test_extremes_of_nothing_are_undefined():
    """Without a defined value of a known group there is no extreme."""
    figure = metric((NAN, NAN), unknown=0.5)
    assert math.isnan(figure.group_min())
    assert math.isnan(figure.group_max())


def test_by_group_shows_the_unknown_group():
    """All groups are in the column, under the attribute's name."""
    expected = pd.Series([0.2, 0.5, 0.8, 0.1], pd.Index(["a", "b", "c", "unknown"], name="sex"), name="rate")
    pd.testing.assert_series_equal(metric(unknown=0.1, attribute="sex").by_group, expected)


def test_defined_groups_are_known_and_have_a_value():
    """What a gap compares is said."""
    assert metric((0.2, NAN), unknown=0.5).defined.tolist() == [True, False, False]


def test_the_denominator_is_the_support():
    """Both names mean what a value was computed from."""
    figure = metric()
    assert figure.denominator is figure.support


def test_a_reason_stands_beside_every_undefined_value():
    """A stated reason is given, an empty group says so, and what has neither is only undefined."""
    figure = GroupMetric(
        "rate",
        ("a", "b", "c", "d"),
        np.array([NAN, NAN, NAN, 0.5]),
        0.5,
        np.ones(4, dtype=bool),
        np.array([3, 0, 3, 3]),
        reasons={"a": "no positives"},
    )
    assert figure.undefined == {"a": "no positives", "b": "no samples", "c": "undefined"}


def test_a_gap_names_the_extreme_groups_and_those_it_cannot_see():
    """Known groups without a value are named; the unknown group never is."""
    gap = metric((0.2, NAN, 0.8), unknown=NAN).gap()
    assert gap == Gap("rate", pytest.approx(0.6), "c", "a", ("b",))


def test_an_undefined_gap_names_no_groups():
    """Of one group there is no highest and no lowest."""
    gap = metric((0.2, NAN)).gap()
    assert math.isnan(gap.value)
    assert (gap.high, gap.low, gap.undefined) == (None, None, ("b",))


def test_the_frame_holds_values_support_and_reasons():
    """A row for each group tells why a value is missing."""
    frame = metric((0.2, NAN)).to_frame()
    assert frame.columns.tolist() == ["rate", "support", "undefined because"]
    assert frame.loc["b", "undefined because"] == "no samples"
    assert frame.loc["a"].tolist() == [0.2, 10, ""]


def test_the_text_form_shows_groups_and_overall():
    """A figure reads in one line."""
    assert repr(metric((0.25, NAN), overall=0.5)) == "GroupMetric(rate: a 0.25, b nan; overall 0.5)"


def test_figures_cannot_be_changed():
    """A result stays what it was computed as."""
    with pytest.raises(AttributeError):
        metric().overall = 1.0


def test_figures_compare_and_hash_without_an_error():
    """A figure equals itself and may be a key, although it holds arrays."""
    figure = metric()
    assert figure == figure
    assert figure != metric()
    assert len({figure, metric()}) == 2


@pytest.mark.parametrize("name", ["difference", "ratio", "gap"])
@pytest.mark.parametrize("reference", ["z", "unknown"])
def test_a_wrong_reference_is_refused(name, reference):
    """A reference is the name of a known group."""
    with pytest.raises(InputError, match=f"'reference' must be one of a, b, c; got '{reference}'"):
        getattr(metric(unknown=0.5), name)(compare="to_reference", reference=reference)


def pairs(values, *, unknown=False, symmetric=True, floor=None):
    """Return a figure for pairs of groups a, b, c..., of which the last one may be unknown."""
    values = np.array(values, dtype=float)
    names = tuple(chr(ord("a") + i) for i in range(len(values)))
    known = np.arange(len(values)) < len(values) - unknown
    return PairMetric("ks", names, values, known, np.full(len(values), 10.0), floor, symmetric)


THREE = [[0.0, 0.1, 0.9], [0.1, 0.0, 0.4], [0.9, 0.4, 0.0]]


def test_pairs_are_summarised_once_each():
    """Of a symmetric figure each pair counts once, and no group with itself."""
    figure = pairs(THREE)
    assert (figure.max(), figure.min(), figure.pair()) == (0.9, 0.1, ("a", "c"))
    assert figure.mean() == pytest.approx((0.1 + 0.9 + 0.4) / 3)


def test_both_directions_count_where_they_differ():
    """Of a figure that is not symmetric, each ordered pair counts."""
    figure = pairs([[0, 0.2], [0.6, 0]], symmetric=False)
    assert (figure.max(), figure.min(), figure.mean(), figure.pair()) == (0.6, 0.2, pytest.approx(0.4), ("b", "a"))
    assert len(figure.to_frame()) == 2


def test_the_unknown_group_is_in_no_pair():
    """Distances to samples without a group are left out."""
    figure = pairs(THREE, unknown=True)
    assert (figure.max(), figure.mean(), figure.pair()) == (0.1, 0.1, ("a", "b"))
    assert figure.to_frame()[["group", "other"]].to_numpy().tolist() == [["a", "b"]]


def test_undefined_pairs_are_passed_over():
    """A pair without a value is neither the largest nor in the mean."""
    figure = pairs([[0, NAN, 0.2], [NAN, 0, 0.4], [0.2, 0.4, 0]])
    assert (figure.max(), figure.mean(), figure.pair()) == (0.4, pytest.approx(0.3), ("b", "c"))


@pytest.mark.parametrize("values", [[[0.0]], [[0, NAN], [NAN, 0]]])
def test_no_pairs_give_no_summary(values):
    """One group, or no defined pair, has NaN and no pair of names."""
    figure = pairs(values)
    assert all(math.isnan(value) for value in (figure.max(), figure.min(), figure.mean()))
    assert figure.pair() is None


def test_negative_values_have_a_largest_and_a_smallest():
    """A figure may be negative in every pair."""
    figure = pairs([[0, -0.5], [-0.5, 0]])
    assert (figure.max(), figure.min()) == (-0.5, -0.5)


def test_the_noise_floor_is_shown_where_it_is_known():
    """The frame has the column only with a floor."""
    assert "noise floor" not in pairs(THREE).to_frame()
    frame = pairs(THREE, floor=np.full((3, 3), 0.05)).to_frame()
    assert frame["noise floor"].tolist() == [0.05] * 3
    assert frame["ks"].tolist() == [0.1, 0.9, 0.4]


def test_the_text_form_names_the_largest_pair():
    """A figure of pairs reads in one line, with or without a pair."""
    assert repr(pairs(THREE)) == "PairMetric(ks: at most 0.9 between a and c)"
    assert repr(pairs([[0.0]])) == "PairMetric(ks: at most nan)"


def test_pair_figures_compare_without_an_error():
    """A figure of pairs equals itself, although it holds arrays."""
    figure = pairs(THREE)
    assert figure == figure
    assert figure != pairs(THREE)
