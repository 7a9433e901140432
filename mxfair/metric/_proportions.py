"""Two shares side by side: tests, intervals, and what many tests at once ask for."""

from __future__ import annotations

import numpy as np

from mxfair.uncertainty import wilson_interval

#: A normal approximation is good enough where every cell of a 2 x 2 table is expected to hold this many.
MIN_EXPECTED = 5


def difference_test(x: np.ndarray, n: np.ndarray, rest_x: np.ndarray, rest_n: np.ndarray, exact: bool) -> np.ndarray:
    """Return two-sided p-values of x / n == rest_x / rest_n; NaN where one side is empty.

    The score test (Pearson's chi-square of the 2 x 2 table, without a continuity correction). With `exact`, Fisher's
    exact test stands in where a cell's expected count is below 5; it needs whole counts.
    """
    from scipy.special import ndtr

    with np.errstate(invalid="ignore", divide="ignore"):
        pooled = (x + rest_x) / (n + rest_n)
        variance = pooled * (1 - pooled) * (1 / n + 1 / rest_n)
        z = np.where(variance > 0, np.abs(x / n - rest_x / rest_n) / np.sqrt(variance), 0.0)
        p_values = np.where((n > 0) & (rest_n > 0), 2 * ndtr(-z), np.nan)
        expected = np.minimum(n, rest_n) * np.minimum(pooled, 1 - pooled)
    rare = np.flatnonzero((expected < MIN_EXPECTED) & (variance > 0)) if exact else ()
    if len(rare):
        from scipy import stats  # takes as long to import as everything else here

        for i in rare:
            cells = np.rint([[x[i], n[i] - x[i]], [rest_x[i], rest_n[i] - rest_x[i]]]).astype(int)
            p_values[i] = stats.fisher_exact(cells)[1]
    return p_values


def difference_interval(
    share: np.ndarray, n: np.ndarray, rest: np.ndarray, rest_n: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the bounds of share - rest from both Wilson intervals (Newcombe 1998, method 10)."""
    low, high = wilson_interval(share * n, n, level=level)
    rest_low, rest_high = wilson_interval(rest * rest_n, rest_n, level=level)
    difference = share - rest
    lower = difference - np.hypot(share - low, rest_high - rest)
    return lower, difference + np.hypot(high - share, rest - rest_low)


def corrected(p_values: np.ndarray, correction: str | None) -> np.ndarray:
    """Return p-values corrected for their number, in the order given."""
    count = len(p_values)
    if correction is None or not count:
        return p_values.copy()
    if correction == "bonferroni":
        return np.minimum(p_values * count, 1)
    order = np.argsort(p_values, kind="stable")
    result, rank = np.empty(count), np.arange(count)
    if correction == "holm":  # step down: the i-th smallest is multiplied by the number not yet rejected
        result[order] = np.maximum.accumulate(p_values[order] * (count - rank))
    else:  # Benjamini and Hochberg, step up: min over j >= i of p_(j) m / j
        result[order] = np.minimum.accumulate((p_values[order] * count / (rank + 1))[::-1])[::-1]
    return np.minimum(result, 1)
