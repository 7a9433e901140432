"""Confidence intervals from resamples."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import InputError

__all__ = ["bias_corrected_interval", "gap_interval", "percentile_interval", "wilson_interval"]

#: A pair of groups counts as a contender for the largest gap if it lies within this many standard errors of it.
CONTENDERS = 2.0


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
    from scipy.special import ndtri

    n = np.asarray(denominator, dtype=float)
    square = ndtri((1 + check_level(level)) / 2) ** 2
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
        NaN where no resample defines the figure.

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
    bias = ndtri(share)
    places = [ndtr(2 * bias + ndtri(tail)), ndtr(2 * bias + ndtri(1 - tail))]
    return _quantiles(resampled, places[0]), _quantiles(resampled, places[1])


def gap_interval(
    resampled: np.ndarray,
    values: np.ndarray,
    resampled_base: Any = None,
    base: Any = None,
    *,
    ratio: bool = False,
    level: float = 0.95,
) -> tuple[float, float]:
    r"""Return the interval of a largest difference, or a smallest ratio, between groups; parity may lie in it.

    A largest gap is the maximum of signed distances :math:`d_j`, one for each ordered pair of groups and each rate. A
    percentile interval of it never reaches 0, even where parity holds: noise only makes gaps. Here the distances that
    lie within 2 standard errors of the largest one are its contenders J, and with :math:`e_j = d_j^* - d_j` over the
    resamples the interval is

    .. math:: \bigl[\max(0, \hat d - q_{1-\alpha/2}(\max_{j \in J} e_j)),\;
              \max_{j \in J}(d_j - q_{\alpha/2}(e_j))\bigr].

    Its coverage is near the level where one pair stands out, and at least about the level where several are alike.

    Parameters
    ----------
    resampled : array of shape (n_resamples, n_rates, n_groups)
        Values of the groups in each resample; NaN where undefined.
    values : array of shape (n_rates, n_groups)
        The values themselves; NaN for groups that are not compared.
    resampled_base, base : array of shape (n_resamples, n_rates) and (n_rates,), optional
        What groups are compared with: the value over all samples, or that of a reference group. Default: each other.
    ratio : bool, default=False
        The interval of the smallest ratio, from differences of logarithms.
    level : float, default=0.95
        Confidence level.

    Returns
    -------
    low, high : float
        NaN where fewer than two groups are compared, and for a ratio of a value of 0.

    References
    ----------
    Chernozhukov, Lee, Rosen: Intersection bounds: estimation and inference. Econometrica 81, 2013, section 3, whose
    selection of contenders this simplifies; coverage was simulated.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> low, high = gap_interval(rng.normal(0.5, 0.1, (1000, 1, 2)), np.array([[0.5, 0.5]]))
    >>> low, round(high, 1)
    (0.0, 0.3)
    """
    tail = (1 - check_level(level)) / 2
    if ratio:
        if not (values[~np.isnan(values)] > 0).all() or (base is not None and not (np.asarray(base) > 0).all()):
            return float("nan"), float("nan")
        resampled, values = _log(resampled), _log(values)
        if base is not None:
            resampled_base, base = _log(resampled_base), _log(base)
    if (~np.isnan(values)).sum(axis=-1).min() < 2:
        return float("nan"), float("nan")
    rates, first, second = _pairs(values, base)
    if base is not None:  # the base is one more column, and all pairs have it on one side
        values = np.concatenate([values, np.asarray(base)[:, None]], axis=-1)
        resampled = np.concatenate([resampled, np.asarray(resampled_base)[..., None]], axis=-1)
    distances = values[rates, first] - values[rates, second]
    there = ~np.isnan(distances)
    if not there.any():
        return float("nan"), float("nan")
    drawn = np.moveaxis(resampled, 0, -1).copy()  # resamples side by side: every step below runs along them
    drawn = drawn[..., ~(np.isnan(drawn) & ~np.isnan(values)[..., None]).any(axis=(0, 1))]
    if drawn.shape[-1] < 2:  # a resample that lacks a group says nothing about it
        return float("nan"), float("nan")
    largest = int(np.nanargmax(distances))
    behind = distances[largest] - distances
    # sd(x - y) <= sd(x) + sd(y): only distances that may be contenders are looked at in every resample
    spreads = drawn.std(axis=-1)
    bounds = spreads[rates, first] + spreads[rates, second]
    near = np.flatnonzero(there & (behind <= CONTENDERS * (bounds + bounds[largest])))
    errors = drawn[rates[near], first[near]] - drawn[rates[near], second[near]]
    top = errors[np.flatnonzero(near == largest)[0]]
    contenders = behind[near] <= CONTENDERS * (top - errors).std(axis=-1)
    distances, errors = distances[near][contenders], errors[contenders]
    errors -= distances[:, None]
    low = max(0.0, distances.max() - np.quantile(errors.max(axis=0), 1 - tail))
    high = max(0.0, (distances - np.quantile(errors, tail, axis=-1, overwrite_input=True)).max())
    return (float(np.exp(-high)), float(np.exp(-low))) if ratio else (float(low), float(high))


def _log(values: Any) -> np.ndarray:
    return np.log(np.maximum(values, 1e-300))  # a resample in which a rate is 0: a very large distance, and no infinity


def _pairs(values: np.ndarray, base: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rate, the first and the second column of each signed distance."""
    n_rates, n_groups = values.shape
    if base is None:
        first, second = np.nonzero(~np.eye(n_groups, dtype=bool))
    else:
        groups, last = np.arange(n_groups), np.full(n_groups, n_groups)
        first, second = np.concatenate([groups, last]), np.concatenate([last, groups])
    return np.repeat(np.arange(n_rates), len(first)), np.tile(first, n_rates), np.tile(second, n_rates)


def check_level(level: float) -> float:
    """Return a confidence level after checking it."""
    if isinstance(level, bool) or not isinstance(level, (int, float, np.number)) or not 0 < level < 1:
        raise InputError(f"'level' must lie between 0 and 1; got {level!r}. Give 0.95 for a 95 % interval.")
    return float(level)


def _quantiles(resampled: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return each figure's quantile at its own place, with linear interpolation; NaN counts as not drawn."""
    ordered = np.sort(resampled, axis=0)  # NaN is last
    defined = (~np.isnan(ordered)).sum(axis=0)
    position = places * np.maximum(defined - 1, 0)
    low = np.floor(position).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(defined - 1, 0))
    below = np.take_along_axis(ordered, low[None], axis=0)[0]
    above = np.take_along_axis(ordered, high[None], axis=0)[0]
    return below + (above - below) * (position - low)
