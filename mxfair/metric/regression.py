"""Errors and means of numeric predictions, by group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mxfair._validation import InputError, one_of, same_length, to_numpy, weights
from mxfair.group_metric import GroupMetric
from mxfair.groups import Groups
from mxfair.residuals import GroupResiduals
from mxfair.residuals._moments import finite

__all__ = [
    "bounded_group_loss",
    "correlation",
    "jain_index",
    "mean_absolute_error",
    "mean_error",
    "mean_label",
    "mean_prediction",
    "mean_squared_error",
    "r2_score",
    "root_mean_squared_error",
]

_LOSSES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "squared": lambda labels, preds: (preds - labels) ** 2,
    "absolute": lambda labels, preds: np.abs(preds - labels),
}


def _metric(name: str, labels: Any, preds: Any, groups: Any, sample_weight: Any) -> GroupMetric:
    groups = groups if isinstance(groups, Groups) else Groups(groups)
    state = GroupResiduals(groups.names, known=groups.known, name=groups.name)
    return state.update(labels, preds, groups, sample_weight=sample_weight).metric(name)


def mean_absolute_error(labels: Any, preds: Any, groups: Any, *, sample_weight: Any = None) -> GroupMetric:
    r"""Return the mean absolute error by group.

    .. math:: E[\,|\hat y - y| \mid a\,]

    Parameters
    ----------
    labels, preds : array of float, shape (n_samples,)
        True and predicted values, in the same unit.
    groups : array-like or Groups
        Sensitive attribute of each sample.
    sample_weight : array of shape (n_samples,), optional
        Weight of each sample. Default: 1.

    Returns
    -------
    GroupMetric

    Raises
    ------
    InputError
        If lengths differ or a value is missing or infinite.

    Examples
    --------
    >>> from mxfair.metric.regression import mean_absolute_error
    >>> mean_absolute_error([1, 2, 3], [1, 3, 5], ["a", "a", "b"])
    GroupMetric(mean_absolute_error: a 0.5, b 2; overall 1)
    """
    return _metric("mean_absolute_error", labels, preds, groups, sample_weight)


def mean_squared_error(labels: Any, preds: Any, groups: Any, *, sample_weight: Any = None) -> GroupMetric:
    r"""Return the mean squared error by group.

    .. math:: E[(\hat y - y)^2 \mid a]

    Parameters
    ----------
    labels, preds, groups, sample_weight
        As for `mean_absolute_error`.

    Returns
    -------
    GroupMetric
        In the square of the labels' unit.

    Examples
    --------
    >>> from mxfair.metric.regression import mean_squared_error
    >>> mean_squared_error([1, 2, 3], [1, 3, 5], ["a", "a", "b"])
    GroupMetric(mean_squared_error: a 0.5, b 4; overall 1.667)
    """
    return _metric("mean_squared_error", labels, preds, groups, sample_weight)


def root_mean_squared_error(labels: Any, preds: Any, groups: Any, *, sample_weight: Any = None) -> GroupMetric:
    r"""Return the root of the mean squared error by group.

    .. math:: \sqrt{E[(\hat y - y)^2 \mid a]}

    Parameters
    ----------
    labels, preds, groups, sample_weight
        As for `mean_absolute_error`.

    Returns
    -------
    GroupMetric

    Examples
    --------
    >>> from mxfair.metric.regression import root_mean_squared_error
    >>> root_mean_squared_error([1, 2, 3], [2, 3, 5], ["a", "a", "b"])
    GroupMetric(root_mean_squared_error: a 1, b 2; overall 1.414)
    """
    return _metric("root_mean_squared_error", labels, preds, groups, sample_weight)


def r2_score(labels: Any, preds: Any, groups: Any, *, sample_weight: Any = None) -> GroupMetric:
    r"""Return the coefficient of determination by group.

    .. math:: R^2_a = 1 - \frac{E[(y - \hat y)^2 \mid a]}{E[(y - E[y \mid a])^2 \mid a]}

    Parameters
    ----------
    labels, preds, groups, sample_weight
        As for `mean_absolute_error`.

    Returns
    -------
    GroupMetric
        At most 1; NaN for a group whose labels are all equal.

    Notes
    -----
    The predictions are compared with the group's own mean label: a model that explains the differences between groups
    and nothing inside one has a high overall R2 and values near or below 0 by group. A negative value is no error.

    Examples
    --------
    >>> from mxfair.metric.regression import r2_score
    >>> r2_score([1, 2, 5, 6], [1, 2, 6, 5], list("aabb"))
    GroupMetric(r2_score: a 1, b -3; overall 0.8824)
    """
    return _metric("r2_score", labels, preds, groups, sample_weight)


def mean_error(labels: Any, preds: Any, groups: Any, *, sample_weight: Any = None) -> GroupMetric:
    r"""Return the mean error, or bias, by group: above 0 where predictions are too high.

    .. math:: E[\hat y - y \mid a]

    Parameters
    ----------
    labels, preds, groups, sample_weight
        As for `mean_absolute_error`.

    Returns
    -------
    GroupMetric

    Examples
    --------
    >>> from mxfair.metric.regression import mean_error
    >>> mean_error([1, 2, 3], [1, 3, 1], ["a", "a", "b"])
    GroupMetric(mean_error: a 0.5, b -2; overall -0.3333)
    """
    return _metric("mean_error", labels, preds, groups, sample_weight)


def mean_prediction(labels: Any, preds: Any, groups: Any, *, sample_weight: Any = None) -> GroupMetric:
    r"""Return the mean prediction by group; its difference and ratio are demographic parity for numbers.

    .. math:: E[\hat y \mid a]

    Parameters
    ----------
    labels : array or None
        Not used; here so that all figures are called alike.
    preds, groups, sample_weight
        As for `mean_absolute_error`.

    Returns
    -------
    GroupMetric

    Notes
    -----
    A difference of means shrinks with the predictions. Give a scale-free distance beside it, such as `ks_distance`.

    Examples
    --------
    >>> from mxfair.metric.regression import mean_prediction
    >>> mean_prediction(None, [1, 3, 4], ["a", "a", "b"]).difference()
    2.0
    """
    return _metric("mean_prediction", preds, preds, groups, sample_weight)


def mean_label(labels: Any, preds: Any, groups: Any, *, sample_weight: Any = None) -> GroupMetric:
    r"""Return the mean label by group: the difference that the data themselves have.

    .. math:: E[y \mid a]

    Parameters
    ----------
    labels, groups, sample_weight
        As for `mean_absolute_error`.
    preds : array or None
        Not used; here so that all figures are called alike.

    Returns
    -------
    GroupMetric

    Examples
    --------
    >>> from mxfair.metric.regression import mean_label
    >>> mean_label([1, 3, 4], None, ["a", "a", "b"])
    GroupMetric(mean_label: a 2, b 4; overall 2.667)
    """
    return _metric("mean_label", labels, labels, groups, sample_weight)


def correlation(labels: Any, preds: Any, groups: Any, *, sample_weight: Any = None) -> GroupMetric:
    r"""Return Pearson's correlation of label and prediction by group.

    .. math:: \frac{Cov[y, \hat y \mid a]}{\sqrt{Var[y \mid a] \, Var[\hat y \mid a]}}

    Parameters
    ----------
    labels, preds, groups, sample_weight
        As for `mean_absolute_error`.

    Returns
    -------
    GroupMetric
        NaN for a group whose labels or predictions are all equal.

    Examples
    --------
    >>> from mxfair.metric.regression import correlation
    >>> correlation([1, 2, 5, 6], [1, 3, 6, 5], list("aabb"))
    GroupMetric(correlation: a 1, b -1; overall 0.9157)
    """
    return _metric("correlation", labels, preds, groups, sample_weight)


def bounded_group_loss(
    labels: Any,
    preds: Any,
    groups: Any,
    *,
    loss: str | Callable[[np.ndarray, np.ndarray], Any] = "squared",
    sample_weight: Any = None,
) -> GroupMetric:
    r"""Return the mean loss by group, of which the largest (``group_max()``) is to stay below a bound.

    .. math:: \max_a E[\ell(y, \hat y) \mid a]

    Parameters
    ----------
    labels, preds, groups, sample_weight
        As for `mean_absolute_error`.
    loss : {"squared", "absolute"} or callable, default="squared"
        Loss of a sample; a function takes labels and predictions, both of shape (n_samples,), and returns losses of
        that shape.

    Returns
    -------
    GroupMetric

    Raises
    ------
    InputError
        If a loss is missing or infinite, or if there is not one per sample.

    References
    ----------
    Agarwal, Dudik and Wu, Fair regression: quantitative definitions and reduction-based algorithms, ICML 2019,
    definition 2.

    Examples
    --------
    >>> from mxfair.metric.regression import bounded_group_loss
    >>> bounded_group_loss([1, 2, 3], [1, 3, 5], ["a", "a", "b"]).group_max()
    4.0
    """
    groups = groups if isinstance(groups, Groups) else Groups(groups)
    true, predicted, weight = finite(labels, "labels"), finite(preds, "preds"), weights(sample_weight)
    n = same_length(labels=true, preds=predicted, groups=groups, sample_weight=weight)
    function = loss if callable(loss) else _LOSSES[one_of(loss, _LOSSES, "loss")]
    losses = finite(function(true, predicted), "loss")
    if len(losses) != n:
        raise InputError(f"'loss' must return one loss per sample; got {len(losses)} for {n}. Do not average them.")
    support = np.bincount(groups.codes, weight, minlength=groups.n_groups).astype(float)
    total = np.bincount(groups.codes, losses if weight is None else losses * weight, minlength=groups.n_groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.where(support > 0, total / support, np.nan)
        overall = total.sum() / support.sum() if support.sum() > 0 else np.nan
    name = "bounded_group_loss"
    return GroupMetric(name, groups.names, values, float(overall), groups.known, support, attribute=groups.name)


def jain_index(values: Any) -> float:
    r"""Return Jain's index of how evenly something is shared out: 1 is even, 1/n is all to one.

    .. math:: J(x) = \frac{(\sum_i x_i)^2}{n \sum_i x_i^2}

    Parameters
    ----------
    values : array of float, shape (n,)
        What each one has, at least 0: predictions, absolute errors, or a figure by group such as
        ``mean_absolute_error(...).values``.

    Returns
    -------
    float
        NaN where all have 0.

    Raises
    ------
    InputError
        If a value is negative, missing or infinite.

    References
    ----------
    Jain, Chiu and Hawe, A quantitative measure of fairness and discrimination for resource allocation in shared
    computer systems, DEC technical report 301, 1984.

    Examples
    --------
    >>> from mxfair.metric.regression import jain_index
    >>> jain_index([1, 1, 1, 1]), jain_index([1, 0, 0, 0])
    (1.0, 0.25)
    """
    shares = finite(to_numpy(values), "values")
    if (shares < 0).any():
        raise InputError(f"'values' must not be negative; got {shares.min():g}. Pass sizes, such as absolute errors.")
    if not shares.any():
        return float("nan")
    shares = shares / shares.max()  # squares of large values do not overflow
    return float(shares.sum() ** 2 / (len(shares) * (shares**2).sum()))
