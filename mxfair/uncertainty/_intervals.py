"""Intervals of shares and of resampled figures."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import InputError


def wilson_interval(numerator: Any, denominator: Any, *, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    r"""Return the Wilson score interval of shares.

    .. math:: \frac{\hat p + z^2 / 2n \pm z \sqrt{\hat p (1 - \hat p) / n + z^2 / 4n^2}}{1 + z^2 / n}

    Parameters
    ----------
    numerator, denominator : array of float
        Successes and trials.
    level : float, default=0.95
        Confidence level.

    Returns
    -------
    low, high : ndarray of float
        NaN where the denominator is 0.

    References
    ----------
    Wilson: Probable inference, the law of succession, and statistical inference. JASA 22, 1927, equation 6.

    Examples
    --------
    >>> low, high = wilson_interval(0, 10)
    >>> round(float(low), 3), round(float(high), 3)
    (0.0, 0.278)
    """
    from statistics import NormalDist  # SciPy's takes longer to import than all of this to compute

    n = np.asarray(denominator, dtype=float)
    square = NormalDist().inv_cdf((1 + check_level(level)) / 2) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.asarray(numerator, dtype=float) / n
        middle = share + square / (2 * n)
        half = np.sqrt(square * (share * (1 - share) / n + square / (4 * n**2)))
        bounds = (middle - half) / (1 + square / n), (middle + half) / (1 + square / n)
    return np.where(share == 0, 0.0, np.maximum(bounds[0], 0.0)), np.where(share == 1, 1.0, np.minimum(bounds[1], 1.0))


def percentile_interval(resampled: np.ndarray, *, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return the percentile interval of each figure.

    Parameters
    ----------
    resampled : array of shape (n_resamples, ...)
        Figures of the resamples; NaN where a resample leaves one undefined.
    level : float, default=0.95
        Confidence level.

    Returns
    -------
    low, high : ndarray of shape (...)
        NaN where no resample defines the figure.

    References
    ----------
    Efron, Tibshirani: An introduction to the bootstrap. 1993, equation 13.5.

    Examples
    --------
    >>> low, high = percentile_interval(np.linspace(0, 1, 1001))
    >>> round(float(low), 3), round(float(high), 3)
    (0.025, 0.975)
    """
    tail = (1 - check_level(level)) / 2
    shape = np.shape(resampled)[1:]
    return _quantiles(resampled, np.full(shape, tail)), _quantiles(resampled, np.full(shape, 1 - tail))


def bias_corrected_interval(
    resampled: np.ndarray, estimate: np.ndarray, *, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    r"""Return the bias-corrected percentile interval of each figure.

    The percentiles are taken at :math:`\Phi(2 z_0 + z)`, where z_0 is the normal quantile of the share of resamples
    below the estimate.

    Parameters
    ----------
    resampled : array of shape (n_resamples, ...)
        Figures of the resamples; NaN where a resample leaves one undefined.
    estimate : array of shape (...)
        The figures themselves.
    level : float, default=0.95
        Confidence level.

    Returns
    -------
    low, high : ndarray of shape (...)
        NaN where the estimate is, or where no resample defines the figure.

    References
    ----------
    Efron: Better bootstrap confidence intervals. JASA 82, 1987, equation 2.3.

    Examples
    --------
    >>> low, high = bias_corrected_interval(np.linspace(0, 1, 1001), np.array(0.5))
    >>> round(float(low), 3), round(float(high), 3)
    (0.025, 0.975)
    """
    from scipy.special import ndtr, ndtri

    tail = (1 - check_level(level)) / 2
    estimate = np.asarray(estimate, dtype=float)
    defined = (~np.isnan(resampled)).sum(axis=0)
    below = (resampled < estimate).sum(axis=0) + 0.5 * (resampled == estimate).sum(axis=0)
    share = np.clip(below / np.maximum(defined, 1), 0.5 / np.maximum(defined, 1), 1 - 0.5 / np.maximum(defined, 1))
    bias = np.where(np.isnan(estimate), np.nan, ndtri(share))
    places = [ndtr(2 * bias + ndtri(tail)), ndtr(2 * bias + ndtri(1 - tail))]
    return _quantiles(resampled, places[0]), _quantiles(resampled, places[1])


def check_level(level: float) -> float:
    """Return a confidence level after checking it."""
    if isinstance(level, bool) or not isinstance(level, (int, float, np.number)) or not 0 < level < 1:
        raise InputError(f"'level' must lie between 0 and 1; got {level!r}. Give 0.95 for a 95 % interval.")
    return float(level)


def _quantiles(resampled: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return each figure's quantile at its own place, with linear interpolation; NaN counts as not drawn."""
    ordered = np.sort(resampled, axis=0)  # NaN is last
    last = np.maximum((~np.isnan(ordered)).sum(axis=0) - 1, 0)
    position = np.where(np.isnan(places), 0.0, places) * last
    low = np.floor(position).astype(np.int64)
    below = np.take_along_axis(ordered, low[None], axis=0)[0]
    above = np.take_along_axis(ordered, np.minimum(low + 1, last)[None], axis=0)[0]
    with np.errstate(invalid="ignore"):  # between two infinite figures
        between = np.where(below == above, below, below + (above - below) * (position - low))
    return np.where(np.isnan(places), np.nan, between)
