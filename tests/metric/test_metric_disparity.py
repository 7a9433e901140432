"""The named functions are one criterion each, of all samples or within the levels of a control attribute."""

from __future__ import annotations

import inspect
import math
import warnings

import numpy as np
import pandas as pd
import pytest

from mxfair import Criterion, GroupConfusion, Groups, Rate, metric
from mxfair._validation import InputError
from mxfair.criterion import ALL_CRITERIA
from mxfair.metric import disparity

NAN = math.nan
KINDS = ("difference", "ratio")
NAMED = [(name, kind) for name in ALL_CRITERIA for kind in KINDS]


def random_case(seed, n=200):
    """Return labels, preds, groups and weights; some groups are missing."""
    rng = np.random.default_rng(seed)
    groups = rng.choice(np.array(["a", "b", "c", None], dtype=object), n)
    return rng.integers(0, 2, n), rng.integers(0, 2, n), groups, rng.random(n)


# Group a: 4 true positives, 1 false negative, 2 false positives, 3 true negatives; group b: 1, 2, 3, 4.
LABELS = [1] * 5 + [0] * 5 + [1] * 3 + [0] * 7
PREDS = [*(1, 1, 1, 1, 0, 1, 1, 0, 0, 0), *(1, 0, 0, 1, 1, 1, 0, 0, 0, 0)]
GROUPS = ["a"] * 10 + ["b"] * 10


@pytest.mark.parametrize(
    ("name", "a", "b"),
    [
        ("demographic_parity", [6 / 10], [4 / 10]),
        ("equal_opportunity", [4 / 5], [1 / 3]),
        ("predictive_equality", [2 / 5], [3 / 7]),
        ("equalized_odds", [4 / 5, 2 / 5], [1 / 3, 3 / 7]),
        ("predictive_parity", [4 / 6], [1 / 4]),
        ("conditional_use_accuracy", [4 / 6, 3 / 4], [1 / 4, 4 / 6]),
        ("accuracy_parity", [7 / 10], [5 / 10]),
        ("treatment_equality", [1 / 2], [2 / 3]),
        ("conditional_acceptance", [5 / 6], [3 / 4]),
        ("conditional_rejection", [5 / 4], [7 / 6]),
    ],
)
def test_named_functions_compare_the_rates_of_the_literature(name, a, b):
    """The worst difference and the worst ratio of the rates that a criterion is about."""
    difference = getattr(metric, f"{name}_difference")(LABELS, PREDS, GROUPS)
    ratio = getattr(metric, f"{name}_ratio")(LABELS, PREDS, GROUPS)
    assert difference == pytest.approx(max(abs(x - y) for x, y in zip(a, b)))
    assert ratio == pytest.approx(min(min(x, y) / max(x, y) for x, y in zip(a, b)))


def test_average_odds_is_the_mean_of_both_rates():
    """Neither gap hides the other, and neither cancels it."""
    assert metric.average_odds_difference(LABELS, PREDS, GROUPS) == pytest.approx((4 / 5 - 1 / 3 + 3 / 7 - 2 / 5) / 2)
    assert metric.average_odds_ratio(LABELS, PREDS, GROUPS) == pytest.approx((5 / 12 + 14 / 15) / 2)


@pytest.mark.parametrize(("name", "kind"), NAMED)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compare": "to_overall"},
        {"compare": "to_reference", "reference": "b"},
        {"compare": "pairwise_mean", "agg": "mean"},
        {"compare": "to_reference", "reference": "c", "agg": "signed"},
        {"agg": "sum", "positive": 0},
    ],
    ids=str,
)
def test_named_functions_are_the_general_ones(name, kind, options):
    """A named function is difference() or ratio() of its criterion, with the same arguments."""
    labels, preds, groups, weight = random_case(1)
    named, general = getattr(metric, f"{name}_{kind}"), getattr(metric, kind)
    value = named(labels, preds, groups, sample_weight=weight, **options)
    assert value == general(name, labels, preds, groups, sample_weight=weight, **options)
    assert type(value) is float


@pytest.mark.parametrize(("name", "kind"), NAMED)
def test_functions_have_a_signature_of_their_own(name, kind):
    """Help shows the arguments, and not **options."""
    function = getattr(metric, f"{name}_{kind}")
    assert list(inspect.signature(function).parameters) == list(inspect.signature(getattr(metric, kind)).parameters)[1:]
    assert function.__name__ == f"{name}_{kind}"


def test_every_criterion_has_its_two_functions():
    """No criterion is only there by name."""
    assert set(disparity.__all__) == {*(f"{name}_{kind}" for name, kind in NAMED), *KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_a_criterion_of_ones_own(kind):
    """An object works like a name."""
    own = Criterion("mine", Rate("mine", lambda y, p, c: p == c, given=lambda y, p, c: True))
    labels, preds, groups, _ = random_case(2)
    value = getattr(metric, kind)(own, labels, preds, groups)
    assert value == getattr(metric, f"demographic_parity_{kind}")(labels, preds, groups)


def test_a_reference_alone_says_what_to_compare_with():
    """With a reference the comparison need not be named."""
    labels, preds, groups, _ = random_case(3)
    short, full = ({"reference": "b"}, {"reference": "b", "compare": "to_reference"})
    values = [metric.demographic_parity_difference(labels, preds, groups, **options) for options in (short, full)]
    assert values[0] == values[1]


@pytest.mark.parametrize("reference", [1, 1.0, "1", np.int64(1), np.float32(1)])
def test_a_reference_may_be_the_value_of_the_group(reference):
    """A number stands for the group that it is read as."""
    value = metric.demographic_parity_difference([1] * 4, [1, 0, 1, 1], [0, 0, 1, 1], reference=reference, agg="signed")
    assert value == -0.5


def test_parity_is_zero_and_one():
    """Equal groups give exactly 0 and 1."""
    labels, preds, groups = LABELS[:10] * 2, PREDS[:10] * 2, GROUPS
    for name in ALL_CRITERIA:
        assert getattr(metric, f"{name}_difference")(labels, preds, groups) == 0
        assert getattr(metric, f"{name}_ratio")(labels, preds, groups) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("labels", "preds", "groups"),
    [
        ([1, 0, 1], [1, 0, 0], ["a", "a", "a"]),
        ([1, 0, 1], [1, 0, 0], ["a", "a", None]),
        ([1, 1, 0], [1, 0, 0], ["a", "a", "b"]),  # b has no positive label
    ],
)
def test_what_cannot_be_compared_is_undefined(kind, labels, preds, groups):
    """Fewer than two groups with a defined rate give NaN, never 0 or 1."""
    assert math.isnan(getattr(metric, f"equal_opportunity_{kind}")(labels, preds, groups))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["demographic_parity", "equalized_odds", "accuracy_parity"])
def test_samples_without_a_group_change_nothing(kind, name):
    """Only known groups are compared."""
    labels, preds, groups, weight = random_case(4)
    known = pd.notna(groups)
    function = getattr(metric, f"{name}_{kind}")
    everyone = function(labels, preds, groups, sample_weight=weight)
    assert everyone == pytest.approx(
        function(labels[known], preds[known], groups[known], sample_weight=weight[known]), abs=1e-14
    )


def test_soft_predictions_give_soft_disparities():
    """Probabilities are compared without a threshold."""
    soft = [[0.25, 0.75], [0.5, 0.5], [0.9, 0.1], [0.7, 0.3]]
    assert metric.demographic_parity_difference([1, 0, 1, 0], soft, list("aabb")) == pytest.approx(0.625 - 0.2)


@pytest.mark.parametrize(("positive", "value"), [(None, 1.0), ("x", 2 / 3), ("y", 1.0)])
def test_several_classes_are_compared_each_or_the_stated_one(positive, value):
    """Without a positive class the worst class counts."""
    labels, preds = list("xyzxyz"), list("xxzyyy")
    groups = list("aaabbb")  # selected: a x 2/3, z 1/3; b y 3/3
    found = metric.demographic_parity_difference(labels, preds, groups, positive=positive)
    assert found == pytest.approx(value)


# Control


def by_hand(name, kind, labels, preds, groups, control, weight):
    """Return the mean over the levels of a control attribute, by their weight, of each level's figure."""
    values, mass = [], []
    for level in dict.fromkeys(control):
        rows = control == level
        function = getattr(metric, f"{name}_{kind}")
        values.append(function(labels[rows], preds[rows], groups[rows], sample_weight=weight[rows]))
        mass.append(weight[rows].sum())
    return np.average(values, weights=mass)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["demographic_parity", "equalized_odds", "average_odds"])
def test_a_control_attribute_is_held_fixed(name, kind):
    """The figure is the mean over levels, weighted by their samples, of the figure within each."""
    labels, preds, groups, weight = random_case(5, n=600)
    control = np.random.default_rng(105).choice(["x", "y", "z"], 600)
    value = getattr(metric, f"{name}_{kind}")(labels, preds, groups, control=control, sample_weight=weight)
    assert value == pytest.approx(by_hand(name, kind, labels, preds, groups, control, weight), abs=1e-12)


def test_a_difference_that_the_control_explains_vanishes():
    """Two groups that apply for different jobs, each job fair, differ overall and not within the jobs."""
    job = np.array(["easy"] * 12 + ["hard"] * 12)
    groups = np.array(["f"] * 4 + ["m"] * 8 + ["f"] * 8 + ["m"] * 4)
    preds = np.concatenate([np.tile([1, 1, 1, 0], 3), np.tile([1, 0, 0, 0], 3)])
    labels = preds.copy()
    assert metric.demographic_parity_difference(labels, preds, groups) == pytest.approx(1 / 6)
    assert metric.demographic_parity_difference(labels, preds, groups, control=job) == 0


def test_several_control_attributes_are_crossed():
    """Levels of several columns are their combinations."""
    labels, preds, groups, _ = random_case(6, n=800)
    rng = np.random.default_rng(106)
    first, second = rng.choice(["x", "y"], 800), rng.choice([0, 1], 800)
    crossed = np.array([f"{a} & {b}" for a, b in zip(first, second)])
    found = metric.demographic_parity_difference(labels, preds, groups, control={"job": first, "year": second})
    assert found == metric.demographic_parity_difference(labels, preds, groups, control=crossed)


LOPSIDED = ([1] * 6, [1, 0, 1, 0, 1, 0], list("abaabb"))


def test_levels_without_two_groups_are_left_out_with_a_warning():
    """The warning names the levels and their share of the samples, at the caller's line."""
    with pytest.warns(UserWarning, match=r"demographic_parity .* 2 of 3 strata \(y, z; 66\.7%") as caught:
        value = metric.demographic_parity_difference(*LOPSIDED, control=list("xxyyzz"))
    assert value == 1.0
    assert caught[0].filename == __file__


def test_no_comparable_level_gives_nothing():
    """Where no level holds two groups, the figure is undefined."""
    assert math.isnan(metric.demographic_parity_difference(*LOPSIDED, control=list("uvwxyz")))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("weight", [None, [1, 1, 1, 1, 0, 0]])
def test_levels_without_samples_are_nothing_to_warn_of(weight):
    """A level that no sample, or no weight, is in changes nothing."""
    control = Groups(list("xxyyzz"))
    if weight is None:
        control = control.take([0, 1, 2, 3])
    size = len(control)
    groups = list("ababab")[:size]
    value = metric.demographic_parity_difference(
        [1] * size, [1, 0, 1, 1, 0, 1][:size], groups, control=control, sample_weight=weight
    )
    assert value == 0.5


def test_a_group_that_is_not_covered_is_told():
    """A number alone would hide that a group has no positives to compute its rate from."""
    labels, preds, groups = [1, 1, 1, 1, 0], [1, 0, 1, 1, 1], list("aabbc")
    with pytest.warns(UserWarning, match=r"true_positive_rate of c \(no samples with label 1\)") as caught:
        assert metric.equal_opportunity_difference(labels, preds, groups) == 0.5
    assert caught[0].filename == __file__


def test_of_many_figures_that_are_not_covered_some_are_told():
    """With several classes each is named, five of them, and the rest are counted."""
    labels, groups = [*range(9), 0], ["a"] * 9 + ["b"]
    message = r"true_positive_rate\[1\] of b \(no samples with label 1\).*and 3 more"
    with pytest.warns(UserWarning, match=message):
        metric.equal_opportunity_difference(labels, labels, groups)


@pytest.mark.filterwarnings("error")
def test_a_missing_attribute_is_nothing_to_warn_of():
    """The unknown group is left out by definition."""
    assert metric.equal_opportunity_difference([1, 1, 0], [1, 0, 1], ["a", "b", None]) == 1.0


def test_names_of_levels_and_groups_may_contain_anything():
    """Levels and groups whose names together read alike stay apart."""
    groups, control = ["c", "b: c", "c", "b: c"], ["a: b", "a", "a", "a: b"]
    assert metric.demographic_parity_difference([1] * 4, [1, 0, 1, 0], groups, control=control) == 1.0


def test_samples_without_a_group_are_left_out_of_every_level():
    """The unknown group is compared in no level."""
    value = metric.demographic_parity_difference(
        [1] * 6, [1, 1, 0, 0, 0, 1], ["a", "b", None, "a", "b", None], control=list("xxxyyy")
    )
    assert value == 0


# Errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"compare": "maxmin"}, "Did you mean 'max_min'"),
        ({"compare": "to_reference"}, "must be given together"),
        ({"reference": "z"}, "'reference' must be one of a, b; got 'z'"),
        ({"reference": "a", "compare": "to_overall"}, "must be given together"),
        ({"agg": "median"}, "'agg' must be one of max, mean, sum, signed; got 'median'"),
        ({"agg": "signed"}, "must have a side"),
        ({"positive": 2}, r"one of the classes \[0, 1\]; got 2"),
        ({"control": ["x"]}, "'groups' and 'control' must have the same length; got 20 and 1"),
        ({"sample_weight": [-1] * 20}, "'sample_weight' must be finite and not negative"),
        ({"classes": [0, 2]}, "among the classes 0, 2; got 1"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_wrong_arguments_are_refused(kind, options, message):
    """Errors name the argument, its value and the way out."""
    with pytest.raises(InputError, match=message):
        getattr(metric, f"equalized_odds_{kind}")(LABELS, PREDS, GROUPS, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_no_decisions(kind):
    """Scores in place of decisions are refused, whatever the criterion."""
    with pytest.raises(InputError, match="must be decisions"):
        getattr(metric, f"demographic_parity_{kind}")([1, 0], [0.7, 0.2], ["a", "b"])


def test_a_misspelt_criterion_is_refused():
    """The nearest name is given."""
    with pytest.raises(InputError, match="Did you mean 'equalized_odds'"):
        metric.difference("equalised_odds", LABELS, PREDS, GROUPS)


def test_the_functions_equal_the_criteria_of_the_table():
    """Arrays and a table counted before give the same figures."""
    labels, preds, groups, weight = random_case(8)
    table = GroupConfusion.of(labels, preds, groups, sample_weight=weight)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, criterion in ALL_CRITERIA.items():
            ours = metric.difference(name, labels, preds, groups, sample_weight=weight)
            assert ours == criterion.difference(table)
