"""Figures from moments: sums of features of (label y, prediction p), on the last axis, for any leading axes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mxfair._validation import InputError, numbers, vector

#: Places of the sums, about the shift (s, t) of a group: u = y - s, v = p - t, e = p - y, each times the weight.
WEIGHT, U, V, UU, VV, UV, E, EE, ABS = range(9)
N_FEATURES = 9

#: A spread below this share of the second moment is rounding: it is 0.
_ROUNDING = 64 * np.finfo(float).eps

#: Takes sums of shape (..., n_features) and shifts of shape (..., 2), returns figures of shape (...).
Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]


def finite(values: object, name: str) -> np.ndarray:
    """Return numbers as a 1-D array of float64, all finite."""
    array = vector(values, name)
    array = array.astype(float, copy=False) if array.dtype.kind in "biuf" else numbers(array, name)
    if len(array) == 0:
        raise InputError(f"'{name}' must hold at least one sample; got none. Check the file or the filter before it.")
    if not np.isfinite(array).all():
        place = int(np.flatnonzero(~np.isfinite(array))[0])
        raise InputError(
            f"'{name}' must be finite numbers; got {array[place]:g} at row {place}. Remove these samples first."
        )
    return array


class Moments:
    """Sums of the features by group, each group about a shift (s, t) of its own, and of the squares of the weights."""

    def __init__(self, n_groups: int) -> None:
        self.sums = np.zeros((n_groups, N_FEATURES))
        self.shift = np.zeros((n_groups, 2))
        self.squares = np.zeros(n_groups)

    def add(self, labels: np.ndarray, preds: np.ndarray, codes: np.ndarray, weight: np.ndarray | None) -> None:
        """Add samples."""
        self._start(labels, preds, codes, weight)
        n_groups = len(self.sums)
        counts = np.bincount(codes, weight, minlength=n_groups)
        self.sums[:, WEIGHT] += counts
        self.squares += counts if weight is None else np.bincount(codes, weight * weight, minlength=n_groups)
        for place, column in enumerate(columns(labels, preds, self.shift, codes), start=1):
            terms = column if weight is None else column * weight
            self.sums[:, place] += np.bincount(codes, terms, minlength=n_groups)
        self.sums, self.shift = recentre(self.sums, self.shift)

    def _start(self, labels: np.ndarray, preds: np.ndarray, codes: np.ndarray, weight: np.ndarray | None) -> None:
        """Take the first value of each group that had none as its shift: equal values then have sums of exactly 0."""
        empty = self.sums[:, WEIGHT] == 0
        if empty[codes].any():
            rows = np.arange(len(codes)) if weight is None else np.flatnonzero(weight)
            first = np.full(len(empty), -1)
            first[codes[rows[::-1]]] = rows[::-1]
            fresh = empty & (first >= 0)
            self.shift[fresh] = np.column_stack([labels, preds])[first[fresh]]

    def __add__(self, other: Moments) -> Moments:
        result = Moments(len(self.sums))
        larger = (self.sums[:, WEIGHT] >= other.sums[:, WEIGHT])[:, None]
        shift = np.where(larger, self.shift, other.shift)
        sums = translate(self.sums, shift - self.shift) + translate(other.sums, shift - other.shift)
        result.sums, result.shift = recentre(sums, shift)
        result.squares = self.squares + other.squares
        return result

    def pooled(self, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return sums over all groups and their shift, of sums of shape (..., n_groups, n_features)."""
        # groups have shifts of their own: sums about that of the largest group add
        centre = self.shift[self.sums[:, WEIGHT].argmax()]
        return recentre(translate(sums, centre - self.shift).sum(axis=-2), centre)


def columns(labels: np.ndarray, preds: np.ndarray, shift: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the features of each row after the first one, given each group's shift, shape (n_groups, 2)."""
    # one column at a time: taking rows of two costs ten times as much
    u, v, e = labels - shift[:, 0].take(codes), preds - shift[:, 1].take(codes), preds - labels
    return u, v, u * u, v * v, u * v, e, e * e, np.abs(e)


def translate(sums: np.ndarray, step: np.ndarray) -> np.ndarray:
    r"""Return the sums about a shift that is larger by `step`, shape (..., 2).

    .. math:: \sum (u - d)^2 = \sum u^2 - 2 d \sum u + d^2 n
    """
    result = sums.copy()
    n = sums[..., WEIGHT]
    for place, square, d in ((U, UU, step[..., 0]), (V, VV, step[..., 1])):
        result[..., place] -= d * n
        moved = sums[..., square] - 2 * d * sums[..., place] + d * d * n
        result[..., square] = np.where(moved <= _ROUNDING * sums[..., square], 0.0, moved)
    result[..., UV] += -step[..., 1] * sums[..., U] - step[..., 0] * sums[..., V] + step[..., 0] * step[..., 1] * n
    return result


def recentre(sums: np.ndarray, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return sums and shifts, moved to the mean where the mean has left the shift by more than a standard deviation."""
    off = quotient(sums[..., [U, V]], sums[..., [WEIGHT]])
    far = 2 * off * off * sums[..., [WEIGHT]] > sums[..., [UU, VV]]  # n d^2 > S2 - n d^2
    if not far.any():
        return sums, shift
    moved = np.where(far, shift + off, shift)
    return translate(sums, moved - shift), moved


def quotient(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return the quotient, NaN where the denominator is not positive."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)


def _spread(sums: np.ndarray, first: int, square: int) -> np.ndarray:
    r"""Return :math:`\sum w (x - \bar x)^2`, exactly 0 where rounding is all that is left of it."""
    n, second = sums[..., WEIGHT], sums[..., square]
    spread = second - np.nan_to_num(quotient(sums[..., first] ** 2, n))
    return np.where(spread <= _ROUNDING * second, 0.0, spread)


def _mean(place: int) -> Statistic:
    return lambda sums, shift: quotient(sums[..., place], sums[..., WEIGHT])


def _root_mean_squared_error(sums: np.ndarray, shift: np.ndarray) -> np.ndarray:
    return np.sqrt(quotient(sums[..., EE], sums[..., WEIGHT]))


def _mean_label(sums: np.ndarray, shift: np.ndarray) -> np.ndarray:
    return shift[..., 0] + quotient(sums[..., U], sums[..., WEIGHT])


def _mean_prediction(sums: np.ndarray, shift: np.ndarray) -> np.ndarray:
    return shift[..., 1] + quotient(sums[..., V], sums[..., WEIGHT])


def _r2_score(sums: np.ndarray, shift: np.ndarray) -> np.ndarray:
    # R2 = 1 - sum e^2 / sum (y - mean y)^2
    return 1 - quotient(sums[..., EE], _spread(sums, U, UU))


def _correlation(sums: np.ndarray, shift: np.ndarray) -> np.ndarray:
    joint = sums[..., UV] - quotient(sums[..., U] * sums[..., V], sums[..., WEIGHT])
    # the roots apart: the product of two tiny spreads would be 0
    size = np.sqrt(_spread(sums, U, UU)) * np.sqrt(_spread(sums, V, VV))
    return np.clip(quotient(joint, size), -1.0, 1.0)


#: The figures by name.
STATISTICS: dict[str, Statistic] = {
    "mean_absolute_error": _mean(ABS),
    "mean_squared_error": _mean(EE),
    "root_mean_squared_error": _root_mean_squared_error,
    "r2_score": _r2_score,
    "mean_error": _mean(E),
    "mean_prediction": _mean_prediction,
    "mean_label": _mean_label,
    "correlation": _correlation,
}
#: Why a figure is undefined for a group that has samples.
REASONS = {"r2_score": "all labels are equal", "correlation": "labels or predictions are all equal"}
