"""A criterion compares known groups whose rates are defined, and never reports as fair what it could not measure."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from mxfair import Criterion, GroupConfusion, Rate
from mxfair._validation import InputError, InputTypeError
from mxfair.criterion import CRITERIA, criterion_named


def selection_table(rates, *, unknown=None, size=20):
    """Return a table of groups a, b, c... whose selection rates are given, and of an unknown group."""
    groups = [chr(ord("a") + i) for i in range(len(rates))]
    rates = [*rates, *([] if unknown is None else [unknown])]
    counts = [[[0, 0], [size * (1 - r), size * r]] if not math.isnan(r) else np.zeros((2, 2)) for r in rates]
    known = np.arange(len(rates)) < len(groups)
    return GroupConfusion([*groups, *(["unknown"] * (unknown is not None))], [0, 1], np.array(counts), known=known)


# tpr a 4/5, b 1/3; fpr a 2/5, b 3/7
ODDS = GroupConfusion(["a", "b"], [0, 1], [[[3, 2], [1, 4]], [[4, 3], [2, 1]]])
# b has no positive label: its true positive rate is undefined
NO_POSITIVE = GroupConfusion(["a", "b"], [0, 1], [[[3, 2], [1, 4]], [[4, 3], [0, 0]]])
NAN = float("nan")


@pytest.mark.parametrize(
    ("name", "difference", "ratio"),
    [
        ("demographic_parity", 6 / 10 - 4 / 10, 4 / 6),
        ("equal_opportunity", 4 / 5 - 1 / 3, 5 / 12),
        ("predictive_equality", 3 / 7 - 2 / 5, 14 / 15),
        ("equalized_odds", 4 / 5 - 1 / 3, 5 / 12),
        ("predictive_parity", 4 / 6 - 1 / 4, 3 / 8),
        ("accuracy_parity", 7 / 10 - 5 / 10, 5 / 7),
    ],
)
def test_criteria_by_hand(name, difference, ratio):
    """Each named criterion is the gap of the rates that its literature names."""
    assert CRITERIA[name].difference(ODDS) == pytest.approx(difference)
    assert CRITERIA[name].ratio(ODDS) == pytest.approx(ratio)


@pytest.mark.parametrize(
    ("rate", "value"),
    [
        ("selection_rate", 4 / 7 - 2 / 5),
        ("true_positive_rate", 2 / 3),
        ("true_negative_rate", 1 / 6),
        ("positive_predictive_value", 1 / 2),
        ("negative_predictive_value", 1 / 3),
        ("accuracy", 13 / 35),
    ],
)
def test_clarifys_published_differences(rate, value):
    """The differences that Clarify publishes for its twelve people, without their sign."""
    labels, preds = [0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0, 1, 1, 0, 1, 0, 0]
    table = GroupConfusion.of(labels, preds, list("MFFMFMFFMMFF"))
    assert Criterion("clarify", rate).difference(table) == pytest.approx(value)


def test_clarifys_published_disparate_impact():
    """Clarify's disparate impact of 10/7 is our ratio of 7/10: the smaller rate is always on top."""
    preds = [1, 1, 1, 0, 0, 0, 1, 1, 0, 1, 0, 0]
    table = GroupConfusion.of([1] * 12, preds, list("MFFMFMFFMMFF"))
    assert CRITERIA["demographic_parity"].ratio(table) == pytest.approx(7 / 10)


@pytest.mark.parametrize(
    ("compare", "reference", "value"),
    [
        ("max_min", None, 0.8 - 0.2),
        ("to_overall", None, 0.8 - 0.5),
        ("to_reference", "a", 0.6),
        ("to_reference", "b", 0.3),
        ("pairwise_mean", None, (0.3 + 0.6 + 0.3) / 3),
    ],
)
def test_ways_to_compare(compare, reference, value):
    """Each way to compare gives its own number for selection rates .2, .5 and .8."""
    table = selection_table([0.2, 0.5, 0.8])
    gap = CRITERIA["demographic_parity"].difference(table, compare=compare, reference=reference)
    assert gap == pytest.approx(value)


def test_to_overall_weighs_groups_by_their_samples():
    """The overall rate is over samples, so a large group is close to it."""
    table = GroupConfusion.of([1] * 10, [1] * 8 + [0] * 2, ["a"] * 8 + ["b"] * 2)
    assert CRITERIA["demographic_parity"].difference(table, compare="to_overall") == pytest.approx(0.8)


@pytest.mark.parametrize("n_groups", [2, 3, 6])
def test_pairwise_mean_is_the_mean_over_pairs(n_groups):
    """Every pair counts once."""
    rates = np.random.default_rng(n_groups).random(n_groups)
    expected = np.mean([abs(a - b) for a, b in itertools.combinations(rates, 2)])
    gap = CRITERIA["demographic_parity"].difference(selection_table(rates), compare="pairwise_mean")
    assert gap == pytest.approx(expected)


@pytest.mark.parametrize(
    ("agg", "value"), [("max", 4 / 5 - 1 / 3), ("mean", (4 / 5 - 1 / 3 + 1 / 35) / 2), ("sum", 4 / 5 - 1 / 3 + 1 / 35)]
)
def test_ways_to_aggregate(agg, value):
    """The gaps of several rates become one number as asked."""
    criterion = Criterion("odds", ["true_positive_rate", "false_positive_rate"], agg=agg)
    assert criterion.difference(ODDS) == pytest.approx(value)


def test_the_ratio_is_the_worst_over_the_rates():
    """One rate at parity does not hide the other."""
    assert CRITERIA["equalized_odds"].ratio(ODDS) == min(
        CRITERIA["equal_opportunity"].ratio(ODDS), CRITERIA["predictive_equality"].ratio(ODDS)
    )


def test_parity_is_zero_and_one():
    """Equal rates give a difference of exactly 0 and a ratio of exactly 1."""
    table = selection_table([0.25, 0.25, 0.25])
    for compare in ("max_min", "to_overall", "pairwise_mean"):
        assert CRITERIA["demographic_parity"].difference(table, compare=compare) == 0
    assert CRITERIA["demographic_parity"].ratio(table) == 1


def test_a_gap_names_its_groups():
    """A gap says which groups make it, and which it could not see."""
    (gap,) = CRITERIA["demographic_parity"].gaps(selection_table([0.5, 0.2, NAN, 0.9]))
    assert (gap.rate, gap.high, gap.low, gap.undefined) == ("selection_rate", "d", "b", ("c",))
    assert gap.value == pytest.approx(0.7)


# What cannot be measured


@pytest.mark.parametrize("compare", ["max_min", "to_overall", "to_reference", "pairwise_mean"])
@pytest.mark.parametrize("rates", [[0.5], [0.5, NAN], [NAN, NAN]])
def test_fewer_than_two_defined_groups_have_no_gap(rates, compare):
    """One group cannot be unequal, so its gap is NaN and never 0."""
    table = selection_table(rates)
    reference = "a" if compare == "to_reference" else None
    assert math.isnan(CRITERIA["demographic_parity"].difference(table, compare=compare, reference=reference))
    (gap,) = CRITERIA["demographic_parity"].gaps(table, compare=compare, reference=reference)
    assert (gap.high, gap.low) == (None, None)


def test_fewer_than_two_defined_groups_have_no_ratio():
    """One group's ratio is NaN and never 1."""
    assert math.isnan(CRITERIA["demographic_parity"].ratio(selection_table([0.5, NAN])))


@pytest.mark.parametrize("agg", ["max", "mean", "sum"])
def test_one_undefined_gap_makes_the_criterion_undefined(agg):
    """Equalized odds is NaN if the true positive rate of a group of two is undefined, however it is aggregated."""
    criterion = Criterion("odds", ["true_positive_rate", "false_positive_rate"], agg=agg)
    assert math.isnan(criterion.difference(NO_POSITIVE))
    assert not math.isnan(criterion.gaps(NO_POSITIVE)[1].value)


def test_one_undefined_ratio_makes_the_criterion_undefined():
    """The worst ratio over rates of which one is undefined is NaN."""
    assert math.isnan(CRITERIA["equalized_odds"].ratio(NO_POSITIVE))


def test_undefined_groups_are_left_out_of_the_others_gap():
    """Two defined groups of three are compared, and the third is named."""
    table = GroupConfusion(["a", "b", "c"], [0, 1], [*ODDS.counts, [[5, 5], [0, 0]]])
    (gap,) = CRITERIA["equal_opportunity"].gaps(table)
    assert gap.value == pytest.approx(4 / 5 - 1 / 3)
    assert gap.undefined == ("c",)


def test_a_rate_that_is_zero_everywhere_has_no_ratio():
    """0 divided by 0 is NaN and never 1, and gives no warning."""
    assert math.isnan(CRITERIA["demographic_parity"].ratio(selection_table([0.0, 0.0])))


def test_a_rate_that_is_zero_in_one_group_has_ratio_zero():
    """A group that is never selected is the worst case."""
    assert CRITERIA["demographic_parity"].ratio(selection_table([0.0, 0.5])) == 0


def test_an_undefined_reference_gives_no_gap():
    """A reference group without a rate is nothing to compare with."""
    table = selection_table([0.2, 0.5, NAN])
    assert math.isnan(CRITERIA["demographic_parity"].difference(table, compare="to_reference", reference="c"))


@pytest.mark.parametrize("compare", ["max_min", "pairwise_mean", "to_reference"])
def test_unknown_samples_are_left_out_of_gaps(compare):
    """Samples without a group change no gap between the known ones."""
    reference = "a" if compare == "to_reference" else None
    without, with_unknown = selection_table([0.4, 0.6]), selection_table([0.4, 0.6], unknown=1.0)
    criterion = CRITERIA["demographic_parity"]
    expected = criterion.difference(without, compare=compare, reference=reference)
    assert criterion.difference(with_unknown, compare=compare, reference=reference) == expected


def test_unknown_samples_are_left_out_of_ratios():
    """The ratio looks at known groups only."""
    criterion = CRITERIA["demographic_parity"]
    assert criterion.ratio(selection_table([0.4, 0.6], unknown=0.0)) == criterion.ratio(selection_table([0.4, 0.6]))


def test_unknown_samples_alone_beside_one_group_give_no_gap():
    """One known group and the unknown one are fewer than two groups."""
    assert math.isnan(CRITERIA["demographic_parity"].difference(selection_table([0.4], unknown=1.0)))


def test_the_unknown_group_is_never_called_undefined():
    """An unknown group without samples is no finding."""
    (gap,) = CRITERIA["demographic_parity"].gaps(selection_table([0.4, 0.6], unknown=NAN))
    assert gap.undefined == ()


# Classes


def test_several_classes_are_compared_one_by_one():
    """Without a positive class, each class has its gap, named after it."""
    rng = np.random.default_rng(0)
    labels, preds, groups = (rng.integers(0, k, 300) for k in (3, 3, 2))
    table = GroupConfusion.of(labels, preds, groups)
    gaps = CRITERIA["demographic_parity"].gaps(table)
    assert [gap.rate for gap in gaps] == ["selection_rate[0]", "selection_rate[1]", "selection_rate[2]"]
    for value, gap in enumerate(gaps):
        expected = abs((preds == value)[groups == 0].mean() - (preds == value)[groups == 1].mean())
        assert gap.value == pytest.approx(expected)
    assert CRITERIA["demographic_parity"].difference(table) == max(gap.value for gap in gaps)


def test_accuracy_of_several_classes_is_one_rate():
    """A rate that no class owns appears once."""
    table = GroupConfusion.of([0, 1, 2, 2], [0, 1, 1, 2], ["a", "a", "b", "b"])
    assert [gap.rate for gap in CRITERIA["accuracy_parity"].gaps(table)] == ["accuracy"]
    assert CRITERIA["accuracy_parity"].difference(table) == 0.5


@pytest.mark.parametrize(("n_classes", "places"), [(2, [1]), (3, [0, 1, 2])])
def test_rates_are_paired_with_their_classes(n_classes, places):
    """The sampler asks which class each rate is about: the last of two, each of several, one for accuracy."""
    pairs = Criterion("x", ["selection_rate", "accuracy"]).rate_classes(np.arange(n_classes))
    assert [place for rate, place in pairs if rate.name == "selection_rate"] == places
    assert len([rate for rate, _ in pairs if rate.name == "accuracy"]) == 1


def test_a_stated_positive_class_is_the_only_one():
    """With a positive class, several classes give one gap under the rate's own name."""
    table = GroupConfusion.of(["x", "y", "z", "y"], ["x", "y", "y", "y"], ["a", "a", "b", "b"])
    criterion = CRITERIA["demographic_parity"].with_positive("y")
    assert [gap.rate for gap in criterion.gaps(table)] == ["selection_rate"]
    assert criterion.difference(table) == 0.5


@pytest.mark.parametrize(("positive", "value"), [(None, 4 / 5 - 1 / 3), (1, 4 / 5 - 1 / 3), (0, 4 / 7 - 3 / 5)])
def test_the_positive_class_of_a_binary_task(positive, value):
    """The last of two classes is positive unless the other is stated."""
    assert Criterion("x", "true_positive_rate", positive=positive).difference(ODDS) == pytest.approx(abs(value))


def test_with_positive_keeps_the_rest():
    """Name, rates and aggregation stay, and the original does not change."""
    original = Criterion("odds", ["true_positive_rate", "false_positive_rate"], agg="sum")
    changed = original.with_positive(0)
    assert (changed.name, changed.rates, changed.agg, changed.positive) == ("odds", original.rates, "sum", 0)
    assert original.positive is None


def test_a_positive_class_that_does_not_exist_is_refused():
    """A misspelt class is an error."""
    with pytest.raises(InputError, match="'positive' must be one of the classes"):
        Criterion("x", "selection_rate", positive="yes").difference(ODDS)


# Definitions by users


def test_a_users_criterion_in_three_lines():
    """A criterion of a user's own rate works like the named ones."""
    missed = Rate("missed", lambda y, p, c: p != c, given=lambda y, p, c: y == c)
    criterion = Criterion("missed_parity", missed)
    assert criterion.difference(ODDS) == pytest.approx(2 / 3 - 1 / 5)
    assert criterion.ratio(ODDS) == pytest.approx(3 / 10)


def test_rates_may_be_given_as_names_and_objects():
    """A list may mix both."""
    own = Rate("own", lambda y, p, c: p == c, given=lambda y, p, c: True)
    assert [rate.name for rate in Criterion("x", ["accuracy", own]).rates] == ["accuracy", "own"]


def test_repr_names_the_rates():
    """The text form says what is compared."""
    assert repr(CRITERIA["equalized_odds"]) == "Criterion(equalized_odds: true_positive_rate, false_positive_rate)"


@pytest.mark.parametrize("name", CRITERIA)
def test_criteria_are_found_by_name(name):
    """A name stands for its criterion, and a criterion for itself."""
    assert criterion_named(name) is CRITERIA[name]
    assert criterion_named(CRITERIA[name]) is CRITERIA[name]


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("equalised_odds", "equalized_odds"),
        ("demographic-parity", "demographic_parity"),
        ("EqualOpportunity", "equal_opportunity"),
    ],
)
def test_a_wrong_name_suggests_the_nearest(wrong, right):
    """A misspelt criterion is an error that gives the right spelling."""
    with pytest.raises(InputError, match=f"Did you mean '{right}'"):
        criterion_named(wrong)


def test_a_name_near_to_nothing_lists_them_all():
    """Without a near name the message still shows the choice."""
    with pytest.raises(InputError, match=r"demographic_parity, .*got 'xyz'\. Choose one of these\."):
        criterion_named("xyz")


@pytest.mark.parametrize("criterion", [None, 3, ["equalized_odds"]])
def test_what_is_neither_name_nor_criterion_is_refused(criterion):
    """Other types are an error."""
    with pytest.raises(InputTypeError, match="must be a name or a Criterion"):
        criterion_named(criterion)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"name": "x", "rates": []}, InputError, "at least one rate"),
        ({"name": "x", "rates": "recal"}, InputError, "'rate' must be one of"),
        ({"name": "x", "rates": [None]}, InputError, "'rate' must be one of"),
        ({"name": "x", "rates": "accuracy", "agg": "median"}, InputError, "'agg' must be one of"),
        ({"name": ["x"], "rates": "accuracy"}, InputTypeError, "'name' must be text"),
    ],
)
def test_a_bad_definition_is_refused_at_once(arguments, error, message):
    """Errors come from the constructor and not from the first use."""
    with pytest.raises(error, match=message):
        Criterion(**arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"compare": "max-min"}, "Did you mean 'max_min'"),
        ({"compare": "to_reference"}, "must be given together"),
        ({"reference": "a", "compare": "to_overall"}, "must be given together"),
        ({"compare": "to_reference", "reference": "c"}, "'reference' must be one of a, b; got 'c'"),
    ],
)
def test_a_bad_comparison_is_refused(options, message):
    """Ways to compare that do not exist, and references that are missing or not needed, are errors."""
    with pytest.raises(InputError, match=message):
        CRITERIA["demographic_parity"].difference(ODDS, **options)


@pytest.mark.parametrize("name", CRITERIA)
@pytest.mark.parametrize("seed", range(10))
def test_order_and_names_of_groups_do_not_matter(name, seed):
    """Renaming and reordering groups changes no difference and no ratio."""
    rng = np.random.default_rng(seed)
    labels, preds, groups = rng.integers(0, 2, 90), rng.integers(0, 2, 90), rng.integers(0, 3, 90)
    rows = rng.permutation(90)
    one = GroupConfusion.of(labels, preds, groups)
    other = GroupConfusion.of(labels[rows], preds[rows], np.array(["z", "m", "k"])[groups[rows]])
    for compare in ("max_min", "to_overall", "pairwise_mean"):
        expected = CRITERIA[name].difference(one, compare=compare)
        assert CRITERIA[name].difference(other, compare=compare) == pytest.approx(expected, nan_ok=True)
    assert CRITERIA[name].ratio(other) == pytest.approx(CRITERIA[name].ratio(one), nan_ok=True)
