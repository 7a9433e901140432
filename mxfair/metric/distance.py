"""Distances between the groups' distributions of numeric predictions, exact on all points, with their noise floors."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from mxfair._validation import InputError
from mxfair.group_metric import PairMetric
from mxfair.metric._samples import GroupSamples
from mxfair.scores._figures import KOLMOGOROV_MEAN, kolmogorov_mean

__all__ = ["cramer_von_mises_distance", "ks_distance", "statistical_parity_auc", "wasserstein_distance"]


def ks_distance(preds: Any, groups: Any, *, sample_weight: Any = None) -> PairMetric:
    r"""Return the Kolmogorov-Smirnov distance between the groups' distributions of predictions.

    .. math:: KS(a, b) = \sup_v |F_a(v) - F_b(v)|

    0 where no threshold on the predictions selects different shares of the two groups, at most 1; the largest value
    over pairs is the worst demographic parity difference that any threshold can cause. It does not change when the
    predictions are scaled, so it cannot be improved by shrinking them.

    Parameters
    ----------
    preds : array of float, shape (n_samples,)
        Predicted values.
    groups : array-like or Groups
        Sensitive attribute of each sample.
    sample_weight : array of shape (n_samples,), optional
        Weight of each sample. Default: 1.

    Returns
    -------
    PairMetric
        Its floor is the mean distance between two samples of one distribution, for a continuous one
        :math:`\sqrt{\pi/2} \ln 2 \sqrt{1/n_a + 1/n_b} \approx .8687 \sqrt{1/n_a + 1/n_b}`, with Kish's effective
        numbers of samples where there are weights.

    Raises
    ------
    InputError
        If lengths differ or a prediction is missing or infinite.

    Notes
    -----
    The predictions are sorted once for all pairs, then each group costs one pass over them.

    Ties make the distance smaller by chance: decisions of 0 and 1 have one threshold. With values that many samples
    share the floor's constant is the mean of the largest :math:`|B(F(v))|` over the values, B a Brownian bridge and F
    the distribution of all predictions, from 1,000 draws with a fixed seed.

    References
    ----------
    Agarwal, Dudik and Wu, Fair regression: quantitative definitions and reduction-based algorithms, ICML 2019,
    definition 1.

    Examples
    --------
    >>> from mxfair.metric.distance import ks_distance
    >>> ks_distance([1, 2, 3, 4], list("abab"))
    PairMetric(ks_distance: at most 0.5 between a and b)
    """
    samples = GroupSamples(preds, groups, sample_weight)

    def largest(gap: np.ndarray, weight: np.ndarray, starts: np.ndarray) -> np.ndarray:
        return np.maximum.reduceat(np.abs(gap, out=gap), starts)

    values = _over_own_points(samples, samples.upto, largest)
    constant = KOLMOGOROV_MEAN if samples.tied is None else kolmogorov_mean(samples.tied)
    return _metric("ks_distance", samples, np.maximum(values, values.T), constant * samples.root_of_sizes())


def cramer_von_mises_distance(preds: Any, groups: Any, *, sample_weight: Any = None) -> PairMetric:
    r"""Return the mean squared distance between the groups' distribution functions.

    .. math:: \omega^2(a, b) = \int (F_a(v) - F_b(v))^2 dF_{ab}(v)

    where F_ab is the distribution of the two groups together. Scale-free, and smoother than the largest distance.

    Parameters
    ----------
    preds, groups, sample_weight
        As for `ks_distance`.

    Returns
    -------
    PairMetric
        Its floor is the mean between two samples of one distribution, for a continuous one
        :math:`(1/n_a + 1/n_b) (1 + 1/N) / 6` with :math:`N = n_a + n_b`, and with ties
        :math:`(1/n_a + 1/n_b) N/(N - 1) \int F (1 - F) dF`, F the distribution of all predictions.

    References
    ----------
    Anderson, On the distribution of the two-sample Cramer-von Mises criterion, Annals of Mathematical Statistics 33
    (1962).

    Examples
    --------
    >>> from mxfair.metric.distance import cramer_von_mises_distance
    >>> cramer_von_mises_distance([1, 2, 3, 4], list("aabb")).max()
    0.375
    """
    samples = GroupSamples(preds, groups, sample_weight)
    values = _over_own_points(samples, samples.upto, lambda gap, w, starts: np.add.reduceat(gap * gap * w, starts))
    size = samples.effective[:, None] + samples.effective
    with np.errstate(divide="ignore", invalid="ignore"):
        if samples.tied is None:
            constant = (1 + 1 / size) / 6
        else:
            function = np.cumsum(samples.tied)
            constant = float(samples.tied @ (function * (1 - function))) * size / (size - 1)
    floor = samples.root_of_sizes() ** 2 * constant
    return _metric("cramer_von_mises_distance", samples, _pair_mean(samples, values), floor)


def statistical_parity_auc(preds: Any, groups: Any, *, sample_weight: Any = None) -> PairMetric:
    r"""Return the demographic parity difference averaged over all thresholds.

    .. math:: \int_0^1 |P(\hat y \ge Q_{ab}(u) \mid a) - P(\hat y \ge Q_{ab}(u) \mid b)| \, du

    where Q_ab is the quantile function of the two groups together: the area between the groups' selection rates, the
    threshold moving through the predictions at an even pace. Scale-free.

    Parameters
    ----------
    preds, groups, sample_weight
        As for `ks_distance`.

    Returns
    -------
    PairMetric
        Its floor is the mean between two samples of one distribution,
        :math:`\sqrt{2/\pi} \sqrt{1/n_a + 1/n_b} \int \sqrt{G (1 - G)} dF`, F the distribution of all predictions and
        G(v) the share strictly below v; for a continuous one the integral is :math:`\pi/8`.

    Notes
    -----
    With thresholds spread evenly over the unit of the predictions instead, the area is the Wasserstein-1 distance.

    Examples
    --------
    >>> from mxfair.metric.distance import statistical_parity_auc
    >>> statistical_parity_auc([1, 2, 3, 4], list("aabb")).max()
    0.5
    """
    samples = GroupSamples(preds, groups, sample_weight)
    # the share that reaches v is 1 minus the share strictly below v
    values = _over_own_points(samples, samples.below, lambda gap, w, starts: np.add.reduceat(np.abs(gap) * w, starts))
    # E|B(u)| = sqrt(2 u (1 - u) / pi) of a Brownian bridge, and the integral of sqrt(u (1 - u)) is pi / 8
    integral = np.pi / 8
    if samples.tied is not None:
        below = np.cumsum(samples.tied) - samples.tied
        integral = float(samples.tied @ np.sqrt(np.clip(below * (1 - below), 0, None)))
    floor = np.sqrt(2 / np.pi) * integral * samples.root_of_sizes()
    return _metric("statistical_parity_auc", samples, _pair_mean(samples, values), floor)


def wasserstein_distance(
    preds: Any, groups: Any, *, order: int = 1, scale: str | None = None, sample_weight: Any = None
) -> PairMetric:
    r"""Return the Wasserstein distance between the groups' distributions of predictions.

    .. math:: W_p(a, b) = \left( \int_0^1 |Q_a(u) - Q_b(u)|^p du \right)^{1/p}

    Parameters
    ----------
    preds, groups, sample_weight
        As for `ks_distance`.
    order : {1, 2}, default=1
        The p above. Of order 1 it is also the area between the distribution functions.
    scale : {None, "sd"}, default=None
        The unit of the predictions, or standard deviations of all predictions: then it is scale-free.

    Returns
    -------
    PairMetric
        Its floor is what to expect between samples of these sizes from the distribution of all predictions together:
        the mean for order 1, the root of the mean square for order 2.

    Notes
    -----
    The floor of order 1 is :math:`\sqrt{2/\pi} \sqrt{1/n_a + 1/n_b} \int \sqrt{F (1 - F)} dv`, by the normal
    approximation at each point. The square of that of order 2 is
    :math:`(1/n_a + 1/n_b) \int_0^1 u (1 - u) q(u)^2 du`, where q is the slope of the quantile function, taken over a
    width of :math:`\sqrt{\pi/2}` standard errors of u, so that it holds for distributions with ties too.

    Each pair of groups is integrated by itself, so that time goes with samples times groups: about 9 s for 100,000
    samples in 500 groups.

    References
    ----------
    Chzhen, Denis, Hebiri, Oneto and Pontil, Fair regression with Wasserstein barycenters, NeurIPS 2020.

    Examples
    --------
    >>> from mxfair.metric.distance import wasserstein_distance
    >>> wasserstein_distance([1, 2, 3, 4], list("abab")).max()
    1.0
    """
    if order not in (1, 2) or isinstance(order, bool):
        raise InputError(f"'order' must be 1 or 2; got {order!r}. Use 1 for the area between distribution functions.")
    samples = GroupSamples(preds, groups, sample_weight)
    unit = samples.unit(scale)
    values = np.full((len(samples.names), len(samples.names)), np.nan)
    groups_of = {place: samples.group(place) for place in samples.present}
    for a, first in groups_of.items():
        for b, second in groups_of.items():
            if a <= b:
                values[a, b] = values[b, a] = 0.0 if a == b else _transport(*first, *second, order)
    root = samples.root_of_sizes()
    floor = _floor_of_one(samples) * root if order == 1 else _floor_of_two(samples, root)
    return _metric("wasserstein_distance", samples, values / unit, floor / unit)


def _metric(name: str, samples: GroupSamples, values: np.ndarray, floor: np.ndarray) -> PairMetric:
    return PairMetric(name, samples.names, values, samples.known, samples.support, floor)


def _over_own_points(
    samples: GroupSamples, ranks: np.ndarray, reduce: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return, for groups a (rows) and b (columns), F_a - F_b reduced over the points of a; NaN where one is empty.

    `ranks` tells at each point how many of all samples the distribution functions count there.
    """
    n_groups, present = len(samples.names), samples.present
    result = np.full((n_groups, n_groups), np.nan)
    if not len(present):
        return result
    rows, starts = samples.by_group, samples.starts[present]
    points, weight = ranks[rows], samples.weight[rows]
    own = np.empty(len(rows))
    for place in present:
        part = slice(samples.starts[place], samples.starts[place + 1])
        counted = np.concatenate([[0.0], np.cumsum(weight[part])])
        own[part] = counted[np.searchsorted(rows[part], points[part])] / samples.support[place]
    for place in present:
        gap = _counted(samples, place)[points] / samples.support[place]
        np.subtract(own, gap, out=gap)
        result[present, place] = reduce(gap, weight, starts)
    return result


def _counted(samples: GroupSamples, place: int) -> np.ndarray:
    """Return the weight of a group among the first 0, 1, ... n samples."""
    inside = samples.codes == place
    result = np.zeros(len(inside) + 1, dtype=float if samples.weighted else np.intp)
    np.cumsum(np.where(inside, samples.weight, 0.0) if samples.weighted else inside, out=result[1:])
    return result


def _pair_mean(samples: GroupSamples, sums: np.ndarray) -> np.ndarray:
    """Return means over the points of both groups, from sums over each one's."""
    total = samples.support[:, None] + samples.support
    with np.errstate(invalid="ignore"):
        return (sums + sums.T) / total


def _transport(
    values_a: np.ndarray, shares_a: np.ndarray, values_b: np.ndarray, shares_b: np.ndarray, order: int
) -> float:
    """Return the distance from two quantile functions, each constant up to the next of its cumulative shares."""
    shares = np.concatenate([shares_a, shares_b])
    merged = np.argsort(shares, kind="stable")  # two sorted runs: linear time
    steps = np.diff(shares[merged], prepend=0.0)
    passed: np.ndarray = np.cumsum(merged < len(shares_a)) - (merged < len(shares_a))  # shares of a before this one
    other = np.arange(len(shares)) - passed
    gap = np.abs(values_a[np.minimum(passed, len(values_a) - 1)] - values_b[np.minimum(other, len(values_b) - 1)])
    return float(steps @ gap) if order == 1 else float(np.sqrt(steps @ (gap * gap)))


def _floor_of_one(samples: GroupSamples) -> float:
    function = samples.shares[:-1]
    return float(np.sqrt(2 / np.pi) * (np.sqrt(np.clip(function * (1 - function), 0, None)) @ np.diff(samples.values)))


def _floor_of_two(samples: GroupSamples, root: np.ndarray, points: int = 512) -> np.ndarray:
    u = (np.arange(points) + 0.5) / points
    slope = samples.quantile_slope(u, root)
    return root * np.sqrt((u * (1 - u) * slope**2).mean(axis=-1))
