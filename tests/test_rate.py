"""Rates are the shares that their definitions name, and undefined where there is nothing to divide by."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mxfair import GroupConfusion, Rate
from mxfair._validation import InputError
from mxfair.rate import RATES, class_index, rate_named

# Amazon SageMaker Clarify tests its metrics on these twelve people.
SEX = list("MFFMFMFFMMFF")
LABELS = [0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0]
PREDS = [1, 1, 1, 0, 0, 0, 1, 1, 0, 1, 0, 0]

# Group a: 4 true positives, 1 false negative, 2 false positives, 3 true negatives; group b: 1, 2, 3, 4.
CELLS = {"a": {"tp": 4, "fn": 1, "fp": 2, "tn": 3}, "b": {"tp": 1, "fn": 2, "fp": 3, "tn": 4}}
EXPECTED = {
    "selection_rate": [6 / 10, 4 / 10],
    "base_rate": [5 / 10, 3 / 10],
    "true_positive_rate": [4 / 5, 1 / 3],
    "false_negative_rate": [1 / 5, 2 / 3],
    "false_positive_rate": [2 / 5, 3 / 7],
    "true_negative_rate": [3 / 5, 4 / 7],
    "positive_predictive_value": [4 / 6, 1 / 4],
    "false_discovery_rate": [2 / 6, 3 / 4],
    "negative_predictive_value": [3 / 4, 4 / 6],
    "false_omission_rate": [1 / 4, 2 / 6],
    "accuracy": [7 / 10, 5 / 10],
    "error_rate": [3 / 10, 5 / 10],
    "f1_score": [8 / 11, 2 / 7],
    "treatment_equality": [1 / 2, 2 / 3],
    "conditional_acceptance": [5 / 6, 3 / 4],
    "conditional_rejection": [5 / 4, 7 / 6],
    "balanced_accuracy": [(4 / 5 + 3 / 5) / 2, (1 / 3 + 4 / 7) / 2],
    "matthews_correlation": [(12 - 2) / math.sqrt(6 * 5 * 5 * 4), (4 - 6) / math.sqrt(4 * 3 * 7 * 6)],
}
COMPLEMENTS = [
    ("accuracy", "error_rate"),
    ("true_positive_rate", "false_negative_rate"),
    ("false_positive_rate", "true_negative_rate"),
    ("positive_predictive_value", "false_discovery_rate"),
    ("negative_predictive_value", "false_omission_rate"),
]


def table_of(cells):
    """Return the table of named cells, [[tn, fp], [fn, tp]] for each group."""
    return GroupConfusion(cells, [0, 1], [[[c["tn"], c["fp"]], [c["fn"], c["tp"]]] for c in cells.values()])


def test_every_rate_has_an_expected_value():
    """A rate that is added needs its line in the table above."""
    assert set(EXPECTED) == set(RATES)


@pytest.mark.parametrize("name", EXPECTED)
def test_rates_by_hand(name):
    """Each rate is the share that its name says, for each group."""
    np.testing.assert_allclose(RATES[name](table_of(CELLS)).values, EXPECTED[name])


@pytest.mark.parametrize("name", EXPECTED)
def test_the_overall_rate_is_over_all_samples(name):
    """The overall rate divides sums, and is no mean of the groups' rates."""
    total = {key: CELLS["a"][key] + CELLS["b"][key] for key in CELLS["a"]}
    expected = RATES[name](table_of({"all": total})).values[0]
    assert RATES[name](table_of(CELLS)).overall == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "women", "men"),
    [
        ("selection_rate", 4 / 7, 2 / 5),
        ("true_positive_rate", 2 / 3, 0),
        ("true_negative_rate", 1 / 2, 1 / 3),
        ("positive_predictive_value", 1 / 2, 0),
        ("negative_predictive_value", 2 / 3, 1 / 3),
        ("accuracy", 4 / 7, 1 / 5),
    ],
)
def test_rates_of_clarifys_twelve_people(name, women, men):
    """The rates behind Clarify's published differences are ours."""
    rates = RATES[name](GroupConfusion.of(LABELS, PREDS, SEX))
    assert rates.groups == ("F", "M")
    np.testing.assert_allclose(rates.values, [women, men])


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("true_positive_rate", {"tp": 0, "fn": 0, "fp": 1, "tn": 1}),
        ("false_negative_rate", {"tp": 0, "fn": 0, "fp": 1, "tn": 1}),
        ("false_positive_rate", {"tp": 1, "fn": 1, "fp": 0, "tn": 0}),
        ("true_negative_rate", {"tp": 1, "fn": 1, "fp": 0, "tn": 0}),
        ("positive_predictive_value", {"tp": 0, "fn": 1, "fp": 0, "tn": 1}),
        ("false_discovery_rate", {"tp": 0, "fn": 1, "fp": 0, "tn": 1}),
        ("negative_predictive_value", {"tp": 1, "fn": 0, "fp": 1, "tn": 0}),
        ("false_omission_rate", {"tp": 1, "fn": 0, "fp": 1, "tn": 0}),
        *((name, {"tp": 0, "fn": 0, "fp": 0, "tn": 0}) for name in ("selection_rate", "base_rate", "accuracy")),
    ],
)
def test_a_rate_of_nobody_is_undefined(name, cells):
    """A denominator of 0 gives NaN with its sums kept, never 0 or 1, and no warning."""
    rates = RATES[name](table_of({"a": CELLS["a"], "empty": cells}))
    assert math.isnan(rates.values[1])
    assert (rates.numerator[1], rates.denominator[1]) == (0, 0)
    assert rates.defined.tolist() == [True, False]


def test_the_overall_rate_of_nobody_is_undefined():
    """No sample at all leaves NaN overall."""
    assert math.isnan(RATES["accuracy"](GroupConfusion(["a"], [0, 1])).overall)


def test_the_sums_are_kept_beside_the_rate():
    """A table of a rate says what it was computed from."""
    rates = RATES["true_positive_rate"](table_of(CELLS))
    assert rates.numerator.tolist() == [4, 1]
    assert rates.denominator.tolist() == [5, 3]
    assert rates.name == "true_positive_rate"


def test_the_unknown_group_has_a_rate_and_is_not_compared():
    """Samples without a group are shown, counted overall, and marked as not defined for gaps."""
    rates = RATES["selection_rate"](GroupConfusion.of([1, 1, 1, 1], [1, 0, 1, 1], ["a", "a", None, None]))
    assert rates.values.tolist() == [0.5, 1.0]
    assert rates.overall == 0.75
    assert rates.defined.tolist() == [True, False]


@pytest.mark.parametrize(("name", "complement"), COMPLEMENTS)
@pytest.mark.parametrize("seed", range(5))
def test_complements_sum_to_one(name, complement, seed):
    """A rate and its complement sum to 1 wherever they are defined, for any class."""
    rng = np.random.default_rng(seed)
    table = GroupConfusion.of(rng.integers(0, 4, 40), rng.integers(0, 4, 40), rng.integers(0, 3, 40))
    for positive in range(len(table.classes)):
        first = RATES[name](table, positive=positive).values
        second = RATES[complement](table, positive=positive).values
        np.testing.assert_allclose(first + second, np.where(np.isnan(first), np.nan, 1.0))


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("positive", [0, 1, 2, 3])
def test_several_classes_are_one_against_the_rest(name, positive):
    """A rate of K classes is the binary rate of "this class or not"; accuracy looks at all classes."""
    rng = np.random.default_rng(positive)
    labels, preds, groups = rng.integers(0, 4, 200), rng.integers(0, 4, 200), rng.integers(0, 3, 200)
    rates = RATES[name](GroupConfusion.of(labels, preds, groups), positive=positive)
    right = [(labels == preds)[groups == g] for g in range(3)]
    if name == "balanced_accuracy":
        expected = [np.mean([hit[labels[groups == g] == c].mean() for c in range(4)]) for g, hit in enumerate(right)]
    elif name in ("accuracy", "error_rate"):
        expected = [hit.mean() if name == "accuracy" else 1 - hit.mean() for hit in right]
    else:
        expected = RATES[name](GroupConfusion.of(labels == positive, preds == positive, groups)).values
    np.testing.assert_allclose(rates.values, expected)


def test_the_last_class_is_positive_by_default():
    """Text classes in sorted order: "yes" is positive."""
    table = GroupConfusion.of(["no", "yes"], ["yes", "yes"], ["a", "a"])
    assert RATES["selection_rate"](table).values.tolist() == [1.0]
    assert RATES["selection_rate"](table, positive=0).values.tolist() == [0.0]


@pytest.mark.parametrize("name", ["selection_rate", "true_positive_rate", "accuracy"])
def test_weights_weigh(name):
    """A weight of 3 is three samples."""
    labels, preds, groups = [1, 1, 0], [1, 0, 1], ["a", "a", "a"]
    once = GroupConfusion.of(np.repeat(labels, [3, 1, 2]), np.repeat(preds, [3, 1, 2]), ["a"] * 6)
    weighted = GroupConfusion.of(labels, preds, groups, sample_weight=[3, 1, 2])
    np.testing.assert_allclose(RATES[name](weighted).values, RATES[name](once).values)


def test_soft_rates_are_expected_rates():
    """With probabilities the selection rate is their mean."""
    table = GroupConfusion.of([0, 1, 1], [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]], ["a", "a", "b"])
    np.testing.assert_allclose(RATES["selection_rate"](table).values, [0.35, 0.8])
    np.testing.assert_allclose(RATES["true_positive_rate"](table).values, [0.6, 0.8])


def test_the_numerator_counts_only_inside_the_denominator():
    """A numerator wider than the condition never gives a share above 1."""
    rate = Rate("share", lambda y, p, c: np.ones_like(y), given=lambda y, p, c: y == c)
    assert rate(table_of(CELLS)).values.tolist() == [1.0, 1.0]


def test_a_users_rate_follows_its_masks():
    """A rate is three lines: a name, a numerator and a condition."""
    off_by_one = Rate("off_by_one", lambda y, p, c: abs(y - p) == 1, given=lambda y, p, c: y >= 0, per_class=False)
    table = GroupConfusion.of([0, 1, 2, 2], [1, 1, 0, 1], ["a"] * 4)
    assert off_by_one(table).values.tolist() == [0.5]


def test_a_mask_may_be_a_constant():
    """``given=True`` stands for everybody."""
    rate = Rate("share", lambda y, p, c: p == c, given=lambda y, p, c: True)
    np.testing.assert_allclose(rate(table_of(CELLS)).values, EXPECTED["selection_rate"])


def test_masks_are_boolean_squares():
    """Masks lie over the label x prediction plane, label first."""
    numerator, given = RATES["false_positive_rate"].masks(3, 2)
    assert numerator.tolist() == [[False, False, True], [False, False, True], [False, False, False]]
    assert given.tolist() == [[True] * 3, [True] * 3, [False] * 3]


def test_a_wrong_name_suggests_the_nearest():
    """A misspelt rate is an error that gives the right spelling."""
    with pytest.raises(InputError, match="Did you mean 'true_positive_rate'"):
        rate_named("true_positiv_rate")


def test_a_rate_is_its_own_name():
    """A Rate passes through where a name is expected."""
    assert rate_named(RATES["accuracy"]) is RATES["accuracy"]


@pytest.mark.parametrize(
    ("classes", "positive", "place"),
    [
        ([0, 1], None, 1),
        ([0, 1], 0, 0),
        ([0, 1], True, 1),
        ([0, 1], 1.0, 1),
        (["no", "yes"], "no", 0),
        ([3, 5, 9], 5, 1),
    ],
)
def test_the_place_of_the_positive_class(classes, positive, place):
    """The positive class is given by its value; the last by default."""
    assert class_index(np.array(classes), positive) == place


@pytest.mark.parametrize(
    ("classes", "positive"), [([0, 1], 2), ([0, 1], "1"), (["no", "yes"], "maybe"), (["0", "1"], 1)]
)
def test_a_positive_class_that_does_not_exist_is_refused(classes, positive):
    """The message shows the classes; text and numbers are different."""
    with pytest.raises(InputError, match="'positive' must be one of the classes"):
        class_index(np.array(classes), positive)
