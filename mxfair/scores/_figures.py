"""Figures of binned scores: AUC, ABROCA, distances between distributions, calibration.

A distribution is an array of weights whose last axis runs over bins in increasing order of the score; leading axes,
such as bootstrap resamples, go through at once. With every distinct score as a bin of its own the figures are exact.
Counts by group have the shape (..., n_groups, 2, n_bins): negatives, then positives.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

#: Mean of Kolmogorov's distribution, sqrt(pi / 2) ln 2.
KOLMOGOROV_MEAN = float(np.sqrt(np.pi / 2) * np.log(2))
#: Points of the distribution function at which bridges are drawn: between so many their largest value loses 3 %.
MAX_POINTS = 512


def auc(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """Return P(s+ > s-) + P(s+ = s-) / 2; NaN where one of the two is empty."""
    below = np.cumsum(negative, axis=-1) - negative / 2
    return _quotient((positive * below).sum(axis=-1), positive.sum(axis=-1) * negative.sum(axis=-1))


def auc_by_group(counts: np.ndarray) -> np.ndarray:
    """Return the AUC by group, shape (..., n_groups)."""
    return auc(counts[..., 1, :], counts[..., 0, :])


def auc_error(counts: np.ndarray) -> np.ndarray:
    """Return how far the AUC may be from that of the scores themselves, sum_k P+(k) P-(k) / 2, by group.

    Nothing is lost of a pair of samples in different bins; a pair in one bin counts half, and may be worth 0 or 1.
    """
    pairs = (counts[..., 0, :] * counts[..., 1, :]).sum(axis=-1)
    return _quotient(pairs / 2, counts.sum(axis=-1).prod(axis=-1))


def xauc(counts: np.ndarray) -> np.ndarray:
    """Return P(a positive of group a > a negative of group b), ties half, shape (..., n_groups, n_groups)."""
    negative, positive = counts[..., 0, :], counts[..., 1, :]
    below = np.cumsum(negative, axis=-1) - negative / 2
    sizes = positive.sum(axis=-1)[..., :, None] * negative.sum(axis=-1)[..., None, :]
    return _quotient(positive @ np.swapaxes(below, -1, -2), sizes)


def abroca(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the area between the ROC curves of two groups with counts of shape (..., 2, n_bins)."""
    (x, y), (other_x, other_y) = _roc(first), _roc(second)
    size = x.shape[-1]
    joint = np.concatenate([x, other_x], axis=-1)
    order = np.argsort(joint, axis=-1, kind="stable")
    grid = np.take_along_axis(joint, order, axis=-1)
    left, right = grid[..., :-1], grid[..., 1:]
    gaps = []
    for at in (left, right):
        mine = _line(x, y, np.cumsum(order < size, axis=-1)[..., :-1] - 1, at)
        gaps.append(mine - _line(other_x, other_y, np.cumsum(order >= size, axis=-1)[..., :-1] - 1, at))
    height, drop = np.abs(gaps[0]), np.abs(gaps[1])
    # Between neighbouring points both curves are straight, and so is their difference d. With one sign its area is a
    # trapezium; where it crosses 0 it is two triangles: (d0^2 + d1^2) / (2 (|d0| + |d1|)).
    crosses = gaps[0] * gaps[1] < 0
    total = height + drop
    mean = np.where(crosses, (height**2 + drop**2) / np.where(total > 0, total, 1), total) / 2
    width = right - left
    return np.where(width > 0, mean * width, 0 * width).sum(axis=-1)


def _roc(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the ROC curve's points from (0, 0) to (1, 1); after the first, NaN where a label is absent."""
    falling = np.cumsum(counts[..., ::-1], axis=-1)
    rates = _quotient(falling, falling[..., -1:])
    rates = np.concatenate([np.zeros_like(rates[..., :1]), rates], axis=-1)
    return rates[..., 0, :], rates[..., 1, :]


def _line(x: np.ndarray, y: np.ndarray, place: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the height at `at` of the segment that starts at the point number `place`."""
    place = np.clip(place, 0, x.shape[-1] - 2)
    x0, y0 = np.take_along_axis(x, place, axis=-1), np.take_along_axis(y, place, axis=-1)
    x1, y1 = np.take_along_axis(x, place + 1, axis=-1), np.take_along_axis(y, place + 1, axis=-1)
    run = x1 - x0
    return y0 + (at - x0) * (y1 - y0) / np.where(run == 0, 1, run)


def ks(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return sup |F - G|, Kolmogorov and Smirnov's distance."""
    return np.abs(_cdf(first) - _cdf(second)).max(axis=-1)


def ks_floor(pooled: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the distance to expect between samples of sizes `first` and `second` from the pooled distribution."""
    return kolmogorov_mean(pooled) * np.sqrt(_reciprocal(first) + _reciprocal(second))


def kolmogorov_mean(weights: np.ndarray) -> float:
    """Return E max |B(F_k)|, B a Brownian bridge and F the distribution function of these weights of distinct values.

    Where no value is shared by many it is the mean of Kolmogorov's distribution, else the mean of bridges drawn with a
    fixed seed; values of small weight that follow each other are taken as one.
    """
    total = weights.sum()
    if not total > 0 or weights.max() * MAX_POINTS <= total:
        return KOLMOGOROV_MEAN
    function = _cdf(weights)
    function = function[np.searchsorted(function, np.arange(1, MAX_POINTS) / MAX_POINTS)]
    return _bridges_mean(np.unique(function[function < 1]).tobytes())


@lru_cache(maxsize=16)  # permutations of the groups leave the pooled distribution as it is
def _bridges_mean(points: bytes, draws: int = 1000) -> float:
    function = np.frombuffer(points)
    steps = np.diff(function, prepend=0.0, append=1.0)
    motion = np.cumsum(np.random.default_rng(0).normal(size=(draws, len(steps))) * np.sqrt(steps), axis=1)
    bridges = motion[:, :-1] - function * motion[:, -1:]
    return float(np.abs(bridges).max(axis=1, initial=0.0).mean())


def wasserstein(first: np.ndarray, second: np.ndarray, steps: np.ndarray | float) -> np.ndarray:
    """Return the integral of |F - G|; `steps` are the distances from each bin to the next."""
    return (np.abs(_cdf(first) - _cdf(second)) * steps).sum(axis=-1)


def wasserstein_floor(
    pooled: np.ndarray, first: np.ndarray, second: np.ndarray, steps: np.ndarray | float
) -> np.ndarray:
    """Return the distance to expect between samples of sizes `first` and `second` from the pooled distribution F.

    At each score F_a - F_b is about normal with variance F (1 - F) (1 / n_a + 1 / n_b), whose mean size is
    sqrt(2 / pi) times its standard deviation.
    """
    cdf = _cdf(pooled)
    spread = (np.sqrt(np.clip(cdf * (1 - cdf), 0, None)) * steps).sum(axis=-1)
    return np.sqrt(2 / np.pi * (_reciprocal(first) + _reciprocal(second))) * spread


def calibration_error(support: np.ndarray, positive: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return sum_b |sum of the scores - positives| / n, the expected calibration error; bins on the last axis."""
    return _quotient(np.abs(scores - positive).sum(axis=-1), support.sum(axis=-1))


def _cdf(weights: np.ndarray) -> np.ndarray:
    heaped = np.cumsum(weights, axis=-1)
    return _quotient(heaped, heaped[..., -1:])


def _reciprocal(size: np.ndarray) -> np.ndarray:
    return _quotient(np.ones_like(size, dtype=float), size)


def _quotient(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return numerator / denominator, NaN where the denominator is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)
