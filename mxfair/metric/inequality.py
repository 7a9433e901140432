"""Inequality of benefits between individuals: generalized entropy, Theil, and what groups contribute to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable

import numpy as np

from mxfair._short_repr import short_repr
from mxfair._validation import InputError, labels_vector, numbers, same_length, weights
from mxfair.confusion import _classes
from mxfair.group_metric import GroupMetric
from mxfair.metric._decisions import as_groups, decisions, positive_class

__all__ = [
    "EntropyDecomposition",
    "coefficient_of_variation",
    "entropy_decomposition",
    "generalized_entropy_index",
    "theil_index",
]

#: Takes labels and preds, returns each sample's benefit.
_Benefit = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class EntropyDecomposition:
    """Inequality of benefits, split into what lies within groups and what lies between them.

    Parameters
    ----------
    alpha : float
        Which generalized entropy index it is.
    total, within, between : float
        The index over all samples and its two parts: ``total == within + between``.
    by_group : GroupMetric
        The index inside each group; NaN where everybody's benefit is 0. Its `overall` is `total`.
    """

    alpha: float
    total: float
    within: float
    between: float
    by_group: GroupMetric

    __repr__ = short_repr


def generalized_entropy_index(
    labels: Any,
    preds: Any,
    *,
    alpha: float = 2.0,
    benefit: _Benefit | None = None,
    positive: Any = None,
    sample_weight: Any = None,
) -> float:
    r"""Return the generalized entropy index of the benefits: 0 where all individuals benefit alike.

    .. math:: GE(\alpha) = \frac{1}{n \alpha (\alpha - 1)} \sum_i \left[ \left( \frac{b_i}{\mu} \right)^\alpha - 1
        \right], \qquad b_i = \hat y_i - y_i + 1

    with the limits :math:`-\frac{1}{n} \sum_i \ln \frac{b_i}{\mu}` at alpha 0 (mean log deviation) and
    :math:`\frac{1}{n} \sum_i \frac{b_i}{\mu} \ln \frac{b_i}{\mu}` at alpha 1 (Theil).

    Parameters
    ----------
    labels : array of shape (n_samples,)
        True classes; numbers or text.
    preds : array of shape (n_samples,)
        Decisions in the values of `labels`.
    alpha : float, default=2.0
        The larger, the more weight large benefits have. At 2 it is half the squared coefficient of variation.
    benefit : callable, optional
        ``benefit(labels, preds)`` returns another benefit per sample, at least 0; it gets both as arrays, as they are
        (continuous ones too). Default: pred - label + 1 with 1 for the positive class, so that a false negative is
        worth 0, a correct decision 1 and a false positive 2.
    positive : label value, optional
        The class that counts as positive. Default: the larger of two.
    sample_weight : array of shape (n_samples,), optional
        Weight of each sample. Default: 1.

    Returns
    -------
    float
        In 0 to infinity. Infinite for alpha <= 0 where somebody's benefit is 0; NaN where everybody's is.

    Raises
    ------
    InputError
        If lengths differ, decisions are not decisions, or a benefit is negative or not finite.

    Notes
    -----
    The index asks how equally individuals benefit, not how equally groups do: a classifier that errs at random in all
    groups alike has a high index. `entropy_decomposition` gives the part between groups.

    References
    ----------
    Speicher et al., "A Unified Approach to Quantifying Algorithmic Unfairness: Measuring Individual & Group Unfairness
    via Inequality Indices", KDD 2018.

    Examples
    --------
    >>> from mxfair.metric.inequality import generalized_entropy_index
    >>> generalized_entropy_index([1, 1, 0, 0], [1, 0, 0, 1])
    0.25
    >>> generalized_entropy_index([1, 1, 0, 0], [1, 0, 0, 1], alpha=0)  # one benefit is 0
    inf
    """
    exponent, ratios, weight = _ratios(labels, preds, alpha, benefit, positive, sample_weight)
    return _mean(_terms(ratios, exponent), weight)


def theil_index(
    labels: Any, preds: Any, *, benefit: _Benefit | None = None, positive: Any = None, sample_weight: Any = None
) -> float:
    r"""Return the Theil index of the benefits, the generalized entropy index with alpha 1.

    .. math:: T = \frac{1}{n} \sum_i \frac{b_i}{\mu} \ln \frac{b_i}{\mu}, \qquad 0 \ln 0 = 0

    Parameters
    ----------
    labels, preds, benefit, positive, sample_weight
        As for `generalized_entropy_index`.

    Returns
    -------
    float
        0 where all individuals benefit alike; at most ln n; NaN where everybody's benefit is 0.

    Examples
    --------
    >>> from mxfair.metric.inequality import theil_index
    >>> round(theil_index([1, 1, 0, 0], [1, 0, 0, 1]), 4)
    0.3466
    """
    return generalized_entropy_index(
        labels, preds, alpha=1.0, benefit=benefit, positive=positive, sample_weight=sample_weight
    )


def coefficient_of_variation(
    labels: Any, preds: Any, *, benefit: _Benefit | None = None, positive: Any = None, sample_weight: Any = None
) -> float:
    r"""Return the coefficient of variation of the benefits: their standard deviation divided by their mean.

    .. math:: CV = \frac{\sigma}{\mu} = \sqrt{2 \, GE(2)}

    Parameters
    ----------
    labels, preds, benefit, positive, sample_weight
        As for `generalized_entropy_index`.

    Returns
    -------
    float
        0 where all individuals benefit alike; NaN where everybody's benefit is 0.

    Notes
    -----
    Versions of AIF360 return 2 sqrt(GE(2)) under this name, which is sqrt(2) times as large.

    Examples
    --------
    >>> from mxfair.metric.inequality import coefficient_of_variation
    >>> round(coefficient_of_variation([1, 1, 0, 0], [1, 0, 0, 1]), 4)
    0.7071
    """
    index = generalized_entropy_index(labels, preds, benefit=benefit, positive=positive, sample_weight=sample_weight)
    return float(np.sqrt(2 * index))


def entropy_decomposition(
    labels: Any,
    preds: Any,
    groups: Any,
    *,
    alpha: float = 2.0,
    benefit: _Benefit | None = None,
    positive: Any = None,
    sample_weight: Any = None,
) -> EntropyDecomposition:
    r"""Split the generalized entropy index into inequality within groups and inequality between groups.

    .. math:: GE(\alpha) = \sum_g \frac{n_g}{n} \left( \frac{\mu_g}{\mu} \right)^\alpha GE_g(\alpha)
        + \frac{1}{\alpha (\alpha - 1)} \sum_g \frac{n_g}{n} \left[ \left( \frac{\mu_g}{\mu} \right)^\alpha - 1 \right]

    The second sum is the index that would be left if everybody had the mean benefit of their group.

    Parameters
    ----------
    labels, preds
        As for `generalized_entropy_index`.
    groups : array-like or Groups
        Sensitive attribute of each sample.
    alpha, benefit, positive, sample_weight
        As for `generalized_entropy_index`.

    Returns
    -------
    EntropyDecomposition

    Notes
    -----
    Samples whose sensitive attribute is missing are a part of their own in both sums, or the two would not add up.

    References
    ----------
    Shorrocks, "The Class of Additively Decomposable Inequality Measures", Econometrica 1980; Speicher et al., KDD 2018.

    Examples
    --------
    >>> from mxfair.metric.inequality import entropy_decomposition
    >>> parts = entropy_decomposition([1, 1, 0, 0], [1, 0, 0, 1], ["a", "a", "b", "b"])
    >>> parts.total, round(parts.within, 4), round(parts.between, 4)
    (0.25, 0.125, 0.125)
    """
    exponent, ratios, weight = _ratios(labels, preds, alpha, benefit, positive, sample_weight)
    encoded = as_groups(groups, len(ratios))
    same_length(preds=ratios, groups=encoded)
    weight = np.ones(len(ratios)) if weight is None else weight
    support = np.bincount(encoded.codes, weight, minlength=encoded.n_groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.bincount(encoded.codes, weight * ratios, minlength=encoded.n_groups) / support
        inner = _terms(ratios / means[encoded.codes], exponent)
        inner = np.where(weight > 0, weight * inner, 0.0)
        values = np.bincount(encoded.codes, inner, minlength=encoded.n_groups) / support
        share = support / support.sum()
        parts = share * means**exponent * values
    there = support > 0
    # A group without any benefit has no inequality inside: its distance to the others is all between.
    within = parts[there & (means > 0)].sum() if not np.isnan(means[there]).any() else np.nan
    between = _mean(_terms(means[there], exponent), share[there])
    reasons = {name: "everybody's benefit is 0" for name, zero in zip(encoded.names, there & (means == 0)) if zero}
    total = _mean(_terms(ratios, exponent), weight)
    by_group = GroupMetric(
        "generalized_entropy_index",
        encoded.names,
        values,
        total,
        encoded.known,
        support,
        reasons=reasons,
        attribute=encoded.name,
    )
    return EntropyDecomposition(exponent, total, float(within), between, by_group)


def _ratios(
    labels: Any, preds: Any, alpha: Any, benefit: _Benefit | None, positive: Any, sample_weight: Any
) -> tuple[float, np.ndarray, np.ndarray | None]:
    """Return alpha, each benefit divided by their mean (NaN where the mean is 0), and the weights."""
    exponent = float(alpha)
    if not np.isfinite(exponent):
        raise InputError(f"'alpha' must be finite; got {alpha}. Use 0, 1 or 2.")
    amounts, weight = _benefits(labels, preds, benefit, positive), weights(sample_weight)
    same_length(labels=amounts, sample_weight=weight)
    mean = _mean(amounts, weight)
    return exponent, amounts / mean if mean > 0 else np.full(len(amounts), np.nan), weight


def _benefits(labels: Any, preds: Any, benefit: _Benefit | None, positive: Any) -> np.ndarray:
    if benefit is None:
        true, decided = labels_vector(labels), decisions(preds)
        same_length(labels=true, preds=decided)
        value = positive_class(_classes(true, decided), positive, "labels' and 'preds")
        return 1.0 + (decided == value) - (true == value)
    true, decided = labels_vector(labels), labels_vector(preds, "preds")
    same_length(labels=true, preds=decided)
    amounts = numbers(benefit(true, decided), "benefit")
    same_length(labels=true, benefit=amounts)
    bad = ~(np.isfinite(amounts) & (amounts >= 0))
    if bad.any():
        raise InputError(
            f"'benefit' must be finite and at least 0; got {amounts[bad][0]:g}. Shift or clip the benefits."
        )
    return amounts


def _terms(ratios: np.ndarray, alpha: float) -> np.ndarray:
    """Return each sample's term: ratios have mean 1, so terms may be written about 0 or about 1, where they are exact.

    ((b/mu)^alpha - 1) / (alpha (alpha - 1)) has the same mean as ((b/mu)^alpha - b/mu) / (alpha (alpha - 1)).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(ratios)
        if alpha == 0:
            return -logs
        if alpha < 0.5:
            return np.expm1(alpha * logs) / (alpha * (alpha - 1))
        about_one = logs if alpha == 1 else np.expm1((alpha - 1) * logs) / (alpha * (alpha - 1))
        return np.where(ratios == 0, 0.0, ratios * about_one)


def _mean(values: np.ndarray, weight: np.ndarray | None) -> float:
    if weight is None:
        return float(values.mean())
    counted = weight > 0  # a weight of 0 leaves an infinite term out
    return float(np.average(values[counted], weights=weight[counted])) if counted.any() else float("nan")
