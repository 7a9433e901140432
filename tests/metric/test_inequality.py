"""Generalized entropy is what its equation says, at its limits too, and splits into two parts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mxfair._validation import InputError
from mxfair.metric.inequality import (
    coefficient_of_variation,
    entropy_decomposition,
    generalized_entropy_index,
    theil_index,
)

# Amazon SageMaker Clarify tests its metrics on these twelve people.
SEX = list("MFFMFMFFMMFF")
LABELS = [0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0]
PREDS = [1, 1, 1, 0, 0, 0, 1, 1, 0, 1, 0, 0]
ALPHAS = [-1, 0, 1e-7, 0.3, 0.5, 1, 1 + 1e-7, 2, 3]


def of_benefits(benefits, **options):
    """Return the index of given benefits."""
    return generalized_entropy_index(np.zeros(len(benefits)), benefits, benefit=lambda y, p: p, **options)


def parts_of(benefits, groups, **options):
    """Return the decomposition for given benefits."""
    return entropy_decomposition(np.zeros(len(benefits)), benefits, groups, benefit=lambda y, p: p, **options)


def equation(benefits, alpha):
    """Return the index by the equation as it is printed."""
    ratios = np.asarray(benefits, dtype=float) / np.mean(benefits)
    if alpha == 0:
        return -np.log(ratios).mean()
    if alpha == 1:
        return (ratios * np.log(ratios)).mean()
    return (ratios**alpha - 1).mean() / (alpha * (alpha - 1))


def test_clarifys_published_value():
    """Clarify publishes .2455621301 for its twelve people."""
    assert generalized_entropy_index(LABELS, PREDS) == pytest.approx(0.2455621301, abs=1e-10)


def test_benefits_by_hand():
    """A false negative is worth 0, a correct decision 1, a false positive 2."""
    # benefits 0, 1, 1, 2, 2: mean 6/5, sum of squares 10
    assert generalized_entropy_index([1, 1, 0, 0, 0], [0, 1, 0, 1, 1]) == pytest.approx((2 / 1.44 - 1) / 2)


@pytest.mark.parametrize("alpha", [-1, 0, 0.3, 0.5, 1, 2, 3])
def test_the_index_equals_its_equation(alpha):
    """Positive benefits give the printed equation for every alpha."""
    benefits = np.random.default_rng(0).gamma(2, size=200)
    assert of_benefits(benefits, alpha=alpha) == pytest.approx(equation(benefits, alpha), rel=1e-10)


@pytest.mark.parametrize("limit", [0, 1])
@pytest.mark.parametrize("step", [1e-3, 1e-6, 1e-9, 1e-12])
def test_the_index_is_continuous_at_its_limits(limit, step):
    """Alpha close to 0 and to 1 loses no digits to cancellation."""
    benefits = np.random.default_rng(1).gamma(2, size=200)
    at_limit = of_benefits(benefits, alpha=limit)
    assert of_benefits(benefits, alpha=limit + step) == pytest.approx(at_limit, rel=3 * step + 1e-12)
    assert of_benefits(benefits, alpha=limit - step) == pytest.approx(at_limit, rel=3 * step + 1e-12)


def test_a_benefit_of_zero_is_infinite_inequality_up_to_alpha_zero():
    """The mean log deviation with a false negative is infinite, and Theil's index is not."""
    assert generalized_entropy_index([1, 0], [0, 1], alpha=0) == math.inf
    assert generalized_entropy_index([1, 0], [0, 1], alpha=-1) == math.inf
    assert generalized_entropy_index([1, 0], [0, 1], alpha=1) == pytest.approx(math.log(2))
    assert generalized_entropy_index([1, 0], [0, 1], alpha=0.5) == pytest.approx((1 / math.sqrt(2) - 1) / -0.25)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_equal_benefits_have_no_inequality(alpha):
    """All correct: 0 for every alpha."""
    assert generalized_entropy_index([1, 0, 1], [1, 0, 1], alpha=alpha) == 0


@pytest.mark.parametrize("alpha", ALPHAS)
def test_no_benefit_at_all_is_undefined(alpha):
    """Only false negatives: there is nothing to share, and no 0 is given."""
    assert math.isnan(generalized_entropy_index([1, 1], [0, 0], alpha=alpha, positive=1))


@pytest.mark.parametrize("alpha", ALPHAS)
def test_the_unit_of_benefits_does_not_matter(alpha):
    """Benefits in cents have the inequality of benefits in euros."""
    benefits = np.random.default_rng(2).gamma(2, size=50)
    assert of_benefits(100 * benefits, alpha=alpha) == pytest.approx(of_benefits(benefits, alpha=alpha))


def test_theil_is_alpha_one_and_variation_is_alpha_two():
    """The named indices are the standard deviation over the mean, and the entropy form."""
    benefits = 1 + np.array(PREDS) - np.array(LABELS)
    assert coefficient_of_variation(LABELS, PREDS) == pytest.approx(benefits.std() / benefits.mean())
    assert theil_index(LABELS, PREDS) == generalized_entropy_index(LABELS, PREDS, alpha=1)


def test_weights_are_repeated_samples():
    """A whole weight counts a sample that often, and 0 leaves out even an infinite term."""
    rng = np.random.default_rng(3)
    labels, preds, weight = rng.integers(0, 2, 40), rng.integers(0, 2, 40), rng.integers(0, 4, 40)
    for alpha in (0.3, 1, 2):
        repeated = generalized_entropy_index(np.repeat(labels, weight), np.repeat(preds, weight), alpha=alpha)
        assert generalized_entropy_index(labels, preds, alpha=alpha, sample_weight=weight) == pytest.approx(repeated)
    right_or_false_positive = (preds >= labels).astype(int)
    kept = right_or_false_positive == 1
    assert generalized_entropy_index(labels, preds, alpha=0, sample_weight=right_or_false_positive) == pytest.approx(
        generalized_entropy_index(labels[kept], preds[kept], alpha=0)
    )


def test_text_decisions_and_the_positive_class():
    """Text gives what its codes give, and naming the other class positive turns benefits round."""
    text = np.array(["no", "yes"])
    labels, preds = text[LABELS], text[PREDS]
    assert generalized_entropy_index(labels, preds) == generalized_entropy_index(LABELS, PREDS)
    turned = generalized_entropy_index(1 - np.array(LABELS), 1 - np.array(PREDS))
    assert generalized_entropy_index(labels, preds, positive="no") == pytest.approx(turned)


@pytest.mark.parametrize("alpha", [0.3, 1, 1 + 1e-7, 2, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_within_and_between_add_up(alpha, weighted):
    """The two parts sum to the index, zeros and unknown groups included."""
    rng = np.random.default_rng(4)
    labels, preds = rng.integers(0, 2, 300), rng.integers(0, 2, 300)
    groups = rng.choice(np.array(["a", "b", "c", None], dtype=object), 300)
    weight = rng.random(300) if weighted else None
    parts = entropy_decomposition(labels, preds, groups, alpha=alpha, sample_weight=weight)
    total = generalized_entropy_index(labels, preds, alpha=alpha, sample_weight=weight)
    assert parts.total == pytest.approx(total, rel=1e-12)
    assert parts.within + parts.between == pytest.approx(total, rel=1e-10)
    assert parts.by_group.groups == ("a", "b", "c", "unknown")


@pytest.mark.parametrize("alpha", [-1, 0, 0.5, 1, 2])
def test_between_is_the_index_of_the_group_means(alpha):
    """Between is what is left when everybody has the mean of their group; inside each group is its own index."""
    rng = np.random.default_rng(5)
    benefits, groups = rng.gamma(2, size=120), np.arange(120) % 3
    parts = parts_of(benefits, groups, alpha=alpha)
    means = np.array([benefits[groups == g].mean() for g in range(3)])
    assert parts.between == pytest.approx(equation(means[groups], alpha), abs=1e-12)
    assert parts.by_group.values == pytest.approx([equation(benefits[groups == g], alpha) for g in range(3)])
    assert parts.within + parts.between == pytest.approx(parts.total, rel=1e-10)


def test_a_group_without_benefit_is_undefined_inside_and_counts_between():
    """Everybody at 0: NaN with a reason for the group, and the identity still holds."""
    parts = parts_of([0.0, 0.0, 1.0, 3.0], ["a", "a", "b", "b"])
    assert math.isnan(parts.by_group.values[0])
    assert parts.by_group.undefined == {"a": "everybody's benefit is 0"}
    assert parts.within + parts.between == pytest.approx(parts.total)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"alpha": math.nan}, "alpha"),
        ({"preds": [0.5, 1, 0]}, "decisions"),
        ({"preds": [0, 1]}, "same length"),
        ({"labels": [0, 1, 2]}, "positive"),
        ({"labels": ["a", "b", "a"]}, "same values"),
        ({"benefit": lambda y, p: p - y}, "at least 0"),
        ({"benefit": lambda y, p: p[:2]}, "same length"),
        ({"sample_weight": [1, 1, math.nan]}, "finite"),
        ({"positive": "yes"}, "yes"),
    ],
)
def test_what_has_no_inequality_is_an_error(options, text):
    """Scores, negative benefits and wrong lengths say what is wrong."""
    arguments = {"labels": [0, 1, 1], "preds": [0, 0, 1], **options}
    with pytest.raises(InputError, match=text):
        generalized_entropy_index(**arguments)
