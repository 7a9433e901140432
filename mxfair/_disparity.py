"""How values of several groups become one number: the conventions, in one place.

All functions take values of shape (..., n_groups), NaN where a group is undefined or left out, and work on the last
axis, so that a thousand bootstrap resamples are compared at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._encoding import group_text
from mxfair._validation import InputError, one_of

__all__ = ["AGG", "COMPARE"]

#: Which values a gap is taken between.
COMPARE = ("max_min", "to_overall", "to_reference", "pairwise_mean")
#: How the gaps of several rates become one number.
AGG = ("max", "mean", "sum", "signed")


def settle(compare: str, reference: Any, groups: tuple[str, ...], *, signed: bool = False) -> tuple[str, int | None]:
    """Return how to compare and the reference group's place, or None; a reference alone means `to_reference`."""
    one_of(compare, COMPARE, "compare")
    if reference is not None:
        reference = group_text(reference)
        compare = "to_reference" if compare == "max_min" else compare
    if (reference is not None) != (compare == "to_reference"):
        raise InputError(
            f"'reference' and compare='to_reference' must be given together; got compare={compare!r} and "
            f"reference={reference!r}. Name a group as reference, or leave both out."
        )
    if signed and compare not in ("to_overall", "to_reference"):
        raise InputError(
            f"A signed gap must have a side to be measured from; got compare={compare!r}. "
            "Use compare='to_reference' with a reference group, or 'to_overall'."
        )
    if reference is None:
        return compare, None
    return compare, groups.index(one_of(reference, [group for group in groups if group != "unknown"], "reference"))


def difference(
    values: np.ndarray, overall: Any = np.nan, *, compare: str = "max_min", reference: Any = None, signed: bool = False
) -> np.ndarray:
    r"""Return the difference between groups: 0 is parity.

    With values :math:`v_g`: ``max_min`` is :math:`\max_g v_g - \min_g v_g`; ``to_overall`` is
    :math:`\max_g |v_g - v|`; ``to_reference`` is :math:`\max_g |v_g - v_r|`; ``pairwise_mean`` is the mean of
    :math:`|v_a - v_b|` over all pairs. With `signed`, the distance largest in size keeps its sign.
    """
    values = np.asarray(values, dtype=float)
    if compare == "max_min":
        result = _max(values) - _min(values)
    elif compare == "pairwise_mean":
        result = _pairwise_mean(values)
    else:
        base = np.asarray(overall) if compare == "to_overall" else values[..., reference]
        distances = values - base[..., None]
        result = _largest(distances) if signed else _max(np.abs(distances))
        result = np.where(np.isnan(base), np.nan, result)
    return np.where(_defined(values) < 2, np.nan, result)


def ratio(
    values: np.ndarray, overall: Any = np.nan, *, compare: str = "max_min", reference: Any = None, signed: bool = False
) -> np.ndarray:
    """Return the ratio between groups: 1 is parity, and smaller is further from it.

    ``max_min`` is the smallest value divided by the largest; ``to_overall`` and ``to_reference`` are the smallest of
    v / base and base / v; ``pairwise_mean`` is the mean over pairs of the smaller divided by the larger. With `signed`,
    v / base furthest from 1 keeps its side, so that it may exceed 1. Where it would be 0 / 0, where signs differ, and
    with `signed` where the base is 0, a ratio is NaN. A reference is not compared with itself.
    """
    values = np.asarray(values, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        if compare == "max_min":
            low, high = _min(values), _max(values)
            result = _quotient(low, high)
        elif compare == "pairwise_mean":
            result = _pairwise_ratio(values)
        else:
            base = np.asarray(overall) if compare == "to_overall" else values[..., reference]
            folded = _folded(values, base[..., None])
            lost = np.isnan(folded) & ~np.isnan(values)  # 0 / 0, or values of different signs
            if compare == "to_reference":
                folded[..., reference], lost[..., reference] = np.nan, False
            result = _min(folded)
            if signed:
                furthest = np.take_along_axis(values, _argbest(folded)[..., None], axis=-1)[..., 0]
                result = np.where(base == 0, np.nan, furthest / base)
            result = np.where(np.isnan(base) | lost.any(axis=-1), np.nan, result)
    return np.where(_defined(values) < 2, np.nan, result)


def aggregate(gaps: np.ndarray, agg: str, *, worst: str = "max") -> np.ndarray:
    """Return one number from the gaps of several rates, on the last axis; NaN where one of them is NaN."""
    if agg == "max":
        return gaps.max(axis=-1) if worst == "max" else gaps.min(axis=-1)
    return gaps.sum(axis=-1) if agg == "sum" else gaps.mean(axis=-1)


def _defined(values: np.ndarray) -> np.ndarray:
    return (~np.isnan(values)).sum(axis=-1)


def _max(values: np.ndarray) -> np.ndarray:
    return np.fmax.reduce(values, axis=-1, initial=np.nan)


def _min(values: np.ndarray) -> np.ndarray:
    return np.fmin.reduce(values, axis=-1, initial=np.nan)


def _argbest(folded: np.ndarray) -> np.ndarray:
    """Return where the smallest value is; NaN counts as the largest."""
    return np.where(np.isnan(folded), np.inf, folded).argmin(axis=-1)


def _largest(distances: np.ndarray) -> np.ndarray:
    """Return the distance that is largest in size, with its sign."""
    size = np.where(np.isnan(distances), -1.0, np.abs(distances))
    return np.take_along_axis(distances, size.argmax(axis=-1)[..., None], axis=-1)[..., 0]


def _folded(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the ratio of two values, the smaller size on top."""
    return _quotient(np.minimum(a, b), np.maximum(a, b))


def _quotient(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return low / high, NaN for 0 / 0 and where the two have different signs."""
    negative = (low < 0) & (high <= 0)  # -4 is closer to -2 than -8 is: the smaller size goes on top
    quotient = np.where(negative, np.abs(high / low), low / high)
    return np.where((low < 0) & (high > 0), np.nan, quotient)


def _pairwise_mean(values: np.ndarray) -> np.ndarray:
    # sum over pairs of v_(j) - v_(i) = sum_i (2 i - m + 1) v_(i), the values sorted and counted from 0; NaN sorts last
    ordered = np.sort(values, axis=-1)
    count = _defined(values)[..., None]
    weights = 2 * np.arange(values.shape[-1]) - count + 1
    total = np.where(np.isnan(ordered), 0.0, ordered * weights).sum(axis=-1)
    return total / np.maximum(count[..., 0] * (count[..., 0] - 1) / 2, 1)


def _pairwise_ratio(values: np.ndarray) -> np.ndarray:
    first, second = np.triu_indices(values.shape[-1], 1)
    a, b = values[..., first], values[..., second]
    pairs = _folded(a, b)
    lost = (np.isnan(pairs) & ~np.isnan(a) & ~np.isnan(b)).any(axis=-1)
    there = ~np.isnan(pairs)
    mean = np.where(there, pairs, 0.0).sum(axis=-1) / np.maximum(there.sum(axis=-1), 1)
    return np.where(lost, np.nan, mean)
