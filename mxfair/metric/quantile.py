"""Quantiles of numeric predictions by group, and the gaps between them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair.group_metric import GroupMetric, PairMetric
from mxfair.metric._samples import GroupSamples, quantile_levels

__all__ = ["quantile_gap", "quantile_prediction"]


def quantile_prediction(
    labels: Any, preds: Any, groups: Any, *, q: float = 0.5, sample_weight: Any = None
) -> GroupMetric:
    r"""Return a quantile of the predictions by group: the smallest value that a share q does not exceed.

    .. math:: Q_a(q) = \min \{v : P(\hat y \le v \mid a) \ge q\}

    Parameters
    ----------
    labels : array or None
        Not used; here so that all figures are called alike.
    preds : array of float, shape (n_samples,)
        Predicted values.
    groups : array-like or Groups
        Sensitive attribute of each sample.
    sample_weight : array of shape (n_samples,), optional
        Weight of each sample. Default: 1.
    q : float, default=0.5
        Share from 0 to 1; the default is the median.

    Returns
    -------
    GroupMetric

    Examples
    --------
    >>> from mxfair.metric.quantile import quantile_prediction
    >>> quantile_prediction(None, [1, 2, 9, 4], ["a", "a", "a", "b"])
    GroupMetric(quantile_prediction: a 2, b 4; overall 2)
    """
    level = quantile_levels([q])
    samples = GroupSamples(preds, groups, sample_weight)
    values, overall = samples.quantiles(level)[:, 0], samples.pooled_quantiles(level)[0]
    return GroupMetric(
        "quantile_prediction",
        samples.names,
        values,
        float(overall),
        samples.known,
        samples.support,
        attribute=samples.attribute,
    )


def quantile_gap(
    preds: Any,
    groups: Any,
    *,
    q: Any = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    scale: str | None = None,
    sample_weight: Any = None,
) -> PairMetric:
    r"""Return the largest difference between the groups' quantiles, over a grid of shares.

    .. math:: \max_{q} |Q_a(q) - Q_b(q)|

    Parameters
    ----------
    preds, groups, sample_weight
        As for `quantile_prediction`.
    q : float or array of float, default=(0.1, 0.2, ..., 0.9)
        Shares from 0 to 1.
    scale : {None, "sd"}, default=None
        The unit of the predictions, or standard deviations of all predictions: then it is scale-free.

    Returns
    -------
    PairMetric
        Its floor is the mean between samples of these sizes from the distribution of all predictions together, by the
        normal approximation: the largest of :math:`|B(q)| Q'(q) \sqrt{1/n_a + 1/n_b}` over the grid, B a Brownian
        bridge, as the mean of 2,000 draws with a fixed seed.

    Examples
    --------
    >>> from mxfair.metric.quantile import quantile_gap
    >>> quantile_gap([1, 2, 3, 4, 5, 9], list("aaabbb"), q=[0.5, 0.9]).max()
    6.0
    """
    levels = quantile_levels(q)
    samples = GroupSamples(preds, groups, sample_weight)
    quantiles = samples.quantiles(levels)
    values = np.abs(quantiles[:, None] - quantiles).max(axis=-1)
    unit = samples.unit(scale)
    floor = _floor(samples, levels)
    return PairMetric("quantile_gap", samples.names, values / unit, samples.known, samples.support, floor / unit)


def _floor(samples: GroupSamples, levels: np.ndarray, draws: int = 2000) -> np.ndarray:
    root = samples.root_of_sizes()
    covariance = np.minimum.outer(levels, levels) - np.outer(levels, levels)  # of a Brownian bridge
    bridges = np.random.default_rng(0).multivariate_normal(np.zeros(len(levels)), covariance, draws, method="eigh")
    slopes = samples.quantile_slope(levels, root)
    result = np.full(root.shape, np.nan)
    for a, b in zip(*np.nonzero(~np.isnan(root))):
        result[a, b] = root[a, b] * np.abs(bridges * slopes[a, b]).max(axis=1).mean()
    return result
