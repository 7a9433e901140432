"""Differential fairness and mutual information are what their equations say."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import mutual_info_score, normalized_mutual_info_score

from mxfair import GroupConfusion, Groups
from mxfair._validation import InputError
from mxfair.metric.information import (
    DifferentialFairness,
    _epsilons,
    _probabilities,
    differential_fairness,
    mutual_information,
)


def case(seed=0, n=400, classes=3):
    """Return labels, decisions that depend on the group, and groups."""
    rng = np.random.default_rng(seed)
    groups = rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
    labels = rng.integers(0, classes, n)
    preds = np.where((rng.random(n) < 0.3) & (groups == "c"), 0, rng.integers(0, classes, n))
    return labels, preds, groups


def epsilon_by_pairs(values, groups, n_classes, concentration):
    """Return max |ln ratio| by going through outcomes and ordered pairs of groups."""
    shares = {}
    for group in sorted(set(groups)):
        own = values[groups == group]
        for k in range(n_classes):
            shares[group, k] = ((own == k).sum() + concentration / n_classes) / (len(own) + concentration)
    return max(
        (abs(math.log(shares[a, k] / shares[b, k])), k, a, b)
        for k in range(n_classes)
        for a, b in itertools.permutations(sorted(set(groups)), 2)
        if shares[a, k] >= shares[b, k]
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("concentration", [0, 1, 2.5])
def test_epsilon_is_the_largest_ratio_over_outcomes_and_pairs(seed, concentration):
    """Value, outcome and pair of brute force, of the decisions and of the labels."""
    labels, preds, groups = case(seed)
    found = differential_fairness(preds, groups, labels=labels, concentration=concentration)
    epsilon, outcome, high, low = epsilon_by_pairs(preds, groups, 3, concentration)
    assert found.epsilon == pytest.approx(epsilon)
    assert (found.outcome, found.high, found.low) == (outcome, high, low)
    of_labels = epsilon_by_pairs(labels, groups, 3, concentration)[0]
    assert found.labels_epsilon == pytest.approx(of_labels)
    assert found.amplification == pytest.approx(epsilon - of_labels)


def test_without_labels_there_is_no_amplification():
    """NaN, and the rest is as with labels."""
    labels, preds, groups = case()
    alone, both = differential_fairness(preds, groups), differential_fairness(preds, groups, labels=labels)
    assert math.isnan(alone.amplification)
    assert alone.epsilon == both.epsilon
    np.testing.assert_array_equal(alone.probabilities, both.probabilities)


def test_rejections_count_like_acceptances():
    """90 % against 99 % accepted is a ratio of 10 of the rejected."""
    preds = [1] * 90 + [0] * 10 + [1] * 99 + [0]
    found = differential_fairness(preds, ["a"] * 100 + ["b"] * 100, concentration=0)
    assert found.epsilon == pytest.approx(math.log(10))
    assert (found.outcome, found.high, found.low) == (0, "a", "b")


def test_an_outcome_that_one_group_lacks_is_infinite_without_a_prior_and_finite_with():
    """0 against a half: inf; with concentration 1 the shares are .5 / 3 and 1.5 / 3."""
    plain = differential_fairness([0, 0, 0, 1], ["a", "a", "b", "b"], concentration=0)
    assert (plain.epsilon, plain.outcome, plain.low) == (math.inf, 1, "a")
    smoothed = differential_fairness([0, 0, 0, 1], ["a", "a", "b", "b"])
    assert smoothed.epsilon == pytest.approx(math.log(1.5 / 0.5))


def test_infinity_minus_infinity_is_undefined():
    """A model as infinitely unfair as its data has no amplification."""
    found = differential_fairness([0, 0, 0, 1], ["a", "a", "b", "b"], labels=[0, 0, 1, 1], concentration=0)
    assert found.labels_epsilon == math.inf
    assert math.isnan(found.amplification)


def test_an_outcome_that_nobody_has_constrains_nothing():
    """0 against 0 is allowed by every epsilon."""
    assert differential_fairness([0, 0, 0, 0], ["a", "a", "b", "b"], concentration=0).epsilon == 0


def test_unknown_and_empty_groups_are_left_out():
    """They are shown among the probabilities, and set no epsilon."""
    groups = Groups.from_codes([0, 0, 2, 2, 3], ["a", "empty", "b", "unknown"], unknown=True)
    found = differential_fairness([0, 1, 1, 0, 1], groups, concentration=0)
    assert found.epsilon == 0
    assert np.isnan(found.probabilities[1]).all()
    np.testing.assert_array_equal(found.probabilities[3], [0, 1])


@pytest.mark.parametrize("concentration", [0, 1])
def test_one_group_has_no_epsilon(concentration):
    """Fewer than two groups: NaN, never 0."""
    found = differential_fairness([0, 1], ["a", "a"], concentration=concentration)
    assert math.isnan(found.epsilon)
    assert found.outcome is None


def test_tables_that_add_give_the_figure_of_all():
    """The figure of a merged table is that of all samples."""
    labels, preds, groups = case()
    encoded = Groups(groups)
    parts = [GroupConfusion.of(labels[i::3], preds[i::3], encoded.take(np.arange(400)[i::3])) for i in range(3)]
    merged = DifferentialFairness.of_table(parts[0] + parts[1] + parts[2])
    whole = differential_fairness(preds, groups, labels=labels)
    assert merged.epsilon == pytest.approx(whole.epsilon)
    assert merged.amplification == pytest.approx(whole.amplification)
    assert repr(merged) == repr(whole)


def test_a_thousand_resamples_go_through_at_once():
    """Leading axes are resamples, each with its own epsilon."""
    counts = np.random.default_rng(0).integers(0, 20, (50, 4, 3))
    together = _epsilons(_probabilities(counts, 1.0))
    assert together.shape == (50, 3)
    for one, part in zip(together, counts):
        np.testing.assert_allclose(one, _epsilons(_probabilities(part, 1.0)))


def test_weights_and_probabilities_are_soft_counts():
    """A weight counts a sample that often; columns of probabilities are shares of a sample."""
    _, preds, groups = case(classes=2)
    weight = np.random.default_rng(1).integers(0, 3, 400)
    weighted = differential_fairness(preds, groups, sample_weight=weight)
    repeated = differential_fairness(np.repeat(preds, weight), np.repeat(groups, weight))
    assert weighted.epsilon == pytest.approx(repeated.epsilon)
    soft = differential_fairness(np.eye(2)[preds], groups)
    assert soft.epsilon == pytest.approx(differential_fairness(preds, groups).epsilon)


@pytest.mark.parametrize("seed", range(4))
def test_mutual_information_equals_scikit_learn_and_scipy(seed):
    """Value, normalized value and the p-value of the G test."""
    _, preds, groups = case(seed)
    found = mutual_information(preds, groups)
    assert found.value == pytest.approx(mutual_info_score(preds, groups), rel=1e-9)
    assert found.normalized == pytest.approx(normalized_mutual_info_score(preds, groups), rel=1e-9)
    cells = [[((preds == k) & (groups == g)).sum() for k in range(3)] for g in "abc"]
    test = stats.chi2_contingency(cells, correction=False, lambda_="log-likelihood")
    assert found.p_value == pytest.approx(test[1], rel=1e-6)
    assert found.floor == pytest.approx(test[2] / 800)


def test_conditional_mutual_information_is_the_mean_over_labels():
    """Given the label it is 0 where decisions depend on the group through the label alone."""
    labels, preds, groups = case()
    expected = sum((labels == y).mean() * mutual_info_score(preds[labels == y], groups[labels == y]) for y in range(3))
    assert mutual_information(preds, groups, labels=labels).value == pytest.approx(expected, rel=1e-9)
    through = np.repeat([0, 1, 0, 1], [30, 10, 10, 30])
    sex = np.repeat(["f", "m"], 40)
    assert mutual_information(through, sex).value > 0.1
    assert mutual_information(through, sex, labels=through).value == 0


def test_the_floor_is_what_chance_gives():
    """The mean over independent data is near the floor (300 draws, 10 %)."""
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 4, 500)
    draws = [mutual_information(rng.integers(0, 3, 500), groups) for _ in range(300)]
    assert np.mean([draw.value for draw in draws]) == pytest.approx(draws[0].floor, rel=0.1)
    assert np.mean([draw.p_value <= 0.05 for draw in draws]) == pytest.approx(0.05, abs=0.03)


def test_unknown_groups_tell_nothing():
    """Samples without the attribute are left out."""
    groups = np.array(["a", "b", "a", "b", None, None], dtype=object)
    preds = [1, 0, 1, 0, 1, 1]
    assert mutual_information(preds, groups).value == pytest.approx(math.log(2))


def test_nothing_to_tell_is_zero_without_a_test():
    """One decision or one group: the value is 0, the p-value NaN, and of nobody all is NaN."""
    found = mutual_information([1, 1, 1], ["a", "b", "b"])
    assert found.value == 0
    assert math.isnan(found.p_value)
    assert math.isnan(mutual_information([1, 0], [None, None]).value)


def test_weights_shrink_the_sample_to_its_effective_size():
    """Equal weights give the plain p-value."""
    _, preds, groups = case()
    plain = mutual_information(preds, groups)
    equal = mutual_information(preds, groups, sample_weight=np.full(400, 7.0))
    assert (equal.value, equal.p_value, equal.floor) == pytest.approx((plain.value, plain.p_value, plain.floor))


@pytest.mark.parametrize("function", [differential_fairness, mutual_information])
@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"preds": [0.2, 1, 0]}, "decisions"),
        ({"preds": [[0.5, 0.6], [0.1, 0.9], [1, 0]]}, "sum to 1"),
        ({"groups": ["a", "b"]}, "same length"),
        ({"labels": [0, 1]}, "same length"),
        ({"sample_weight": [1, 1, math.inf]}, "finite"),
    ],
)
def test_what_has_no_distribution_is_an_error(function, options, text):
    """Scores, probabilities that do not sum to 1 and wrong lengths say what is wrong."""
    arguments = {"preds": [0, 0, 1], "groups": ["a", "b", "b"], **options}
    with pytest.raises(InputError, match=text):
        function(**arguments)


@pytest.mark.parametrize("concentration", [-1, math.nan, math.inf])
def test_a_prior_must_be_one(concentration):
    """A negative or infinite concentration is told."""
    with pytest.raises(InputError, match="concentration"):
        differential_fairness([0, 1], ["a", "b"], concentration=concentration)
