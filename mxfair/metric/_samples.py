"""The predictions of every group, sorted once."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from mxfair._validation import InputError, numbers, one_of, same_length, to_numpy, weights
from mxfair.groups import Groups
from mxfair.residuals._histogram import root_of_sizes
from mxfair.residuals._moments import finite


class GroupSamples:
    """Sorted values with their groups and weights: what distribution functions and quantiles are read from.

    Samples of weight 0 are left out.

    Parameters
    ----------
    preds : array of float, shape (n_samples,)
    groups : array-like or Groups
    sample_weight : array of shape (n_samples,), optional

    Attributes
    ----------
    values, codes, weight : ndarray of shape (n,)
        In the order of the values.
    starts : ndarray of int, shape (n_groups + 1,)
        Where each group starts among `by_group`.
    support, effective : ndarray of float, shape (n_groups,)
        Weight and effective number of each group's samples.
    """

    def __init__(self, preds: Any, groups: Any, sample_weight: Any = None) -> None:
        groups = groups if isinstance(groups, Groups) else Groups(groups)
        values, codes, weight = finite(preds, "preds"), groups.codes, weights(sample_weight)
        same_length(preds=values, groups=groups, sample_weight=weight)
        self.names, self.known, self.attribute = groups.names, groups.known, groups.name
        if weight is not None and not weight.all():
            kept = weight > 0
            values, codes, weight = values[kept], codes[kept], weight[kept]
        order = np.argsort(values)
        small = np.int16 if len(self.names) < 2**15 else np.int64  # sorted by radix, compared in a register
        self.values, self.codes = values[order], codes.astype(small)[order]
        self.weighted = weight is not None
        self.weight = np.ones(len(order)) if weight is None else weight[order]
        count = np.bincount(codes, minlength=len(self.names))
        self.starts = np.concatenate([[0], np.cumsum(count)])
        self.support = np.bincount(self.codes, self.weight, minlength=len(self.names))
        squares = np.bincount(self.codes, self.weight**2, minlength=len(self.names))
        self.effective = self.support**2 / np.where(squares > 0, squares, 1.0)

    @property
    def present(self) -> np.ndarray:
        """Places of the groups that have samples."""
        return np.flatnonzero(self.support > 0)

    @cached_property
    def by_group(self) -> np.ndarray:
        """Places of the samples, group after group, sorted inside each."""
        return np.argsort(self.codes, kind="stable")

    def group(self, place: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a group's sorted values and their cumulative share, which ends with exactly 1."""
        rows = self.by_group[self.starts[place] : self.starts[place + 1]]
        return self.values[rows], _shares(self.weight[rows])

    @cached_property
    def shares(self) -> np.ndarray:
        """Cumulative share of all samples."""
        return _shares(self.weight)

    @cached_property
    def tied(self) -> np.ndarray | None:
        """Share of all samples at each distinct value; None without ties."""
        new = np.concatenate([[True], self.values[1:] != self.values[:-1]])
        if not len(self.values) or new.all():
            return None
        return np.add.reduceat(self.weight, np.flatnonzero(new)) / self.weight.sum()

    @cached_property
    def below(self) -> np.ndarray:
        """Number of samples smaller than each sample."""
        new = np.concatenate([[True], self.values[1:] != self.values[:-1]])
        return np.maximum.accumulate(np.where(new, np.arange(len(new)), 0))

    @cached_property
    def upto(self) -> np.ndarray:
        """Number of samples as large as each sample or smaller."""
        last = np.concatenate([self.values[1:] != self.values[:-1], [True]])
        ends = np.where(last, np.arange(1, len(last) + 1), len(last))
        return np.minimum.accumulate(ends[::-1])[::-1]

    def quantiles(self, levels: np.ndarray) -> np.ndarray:
        """Return quantiles by group, shape (n_groups, n_levels); NaN for a group without samples."""
        result = np.full((len(self.names), len(levels)), np.nan)
        for place in self.present:
            result[place] = _inverse(*self.group(place), levels)
        return result

    def pooled_quantiles(self, levels: np.ndarray) -> np.ndarray:
        """Return quantiles of all samples, in the shape of `levels`."""
        return _inverse(self.values, self.shares, levels) if len(self.values) else np.full(np.shape(levels), np.nan)

    @cached_property
    def deviation(self) -> float:
        """Standard deviation of all samples; 0 where all are equal."""
        if not len(self.values) or self.values[0] == self.values[-1]:
            return 0.0
        centred = self.values - self.values[len(self.values) // 2]
        mean = np.average(centred, weights=self.weight)
        return float(np.sqrt(np.average((centred - mean) ** 2, weights=self.weight)))

    def root_of_sizes(self) -> np.ndarray:
        """Return sqrt(1 / n_a + 1 / n_b) for each pair, from the effective numbers."""
        return root_of_sizes(self.effective)

    def unit(self, scale: str | None) -> float:
        """Return what distances are divided by: 1, or with ``scale="sd"`` the standard deviation (NaN if it is 0)."""
        if scale is None:
            return 1.0
        one_of(scale, ("sd",), "scale")
        return self.deviation or float("nan")

    def quantile_slope(self, levels: np.ndarray, root: np.ndarray) -> np.ndarray:
        """Return the slope of the pooled quantile function, shape (n_groups, n_groups, n_levels), for each pair.

        It is taken over a width h that goes to 0 with the standard error of a level, s = sqrt(u (1 - u)) root. With
        h = sqrt(pi / 2) s a jump of size J adds J^2 s^2 / h = J^2 E|u_a - u_b| to the mean square, as it should.
        """
        root = np.nan_to_num(root)[..., None]
        half = np.maximum(np.sqrt(np.pi / 8) * np.sqrt(levels * (1 - levels)) * root, 1e-9)
        low, high = np.clip(levels - half, 0, 1), np.clip(levels + half, 0, 1)
        return (self.pooled_quantiles(high) - self.pooled_quantiles(low)) / (high - low)


def _shares(weight: np.ndarray) -> np.ndarray:
    cumulative = np.cumsum(weight)
    return cumulative / cumulative[-1] if len(cumulative) else cumulative


def _inverse(values: np.ndarray, shares: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return the smallest value whose cumulative share reaches each level."""
    place = np.searchsorted(shares, levels * (1 - 1e-12))  # a share summed up may fall short of a level it equals
    return values[np.minimum(place, len(values) - 1)]


def sample_quantiles(values: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return the smallest values that shares of the samples do not exceed, without weights."""
    return _inverse(np.sort(values), np.arange(1, len(values) + 1) / len(values), levels)


def quantile_levels(q: Any) -> np.ndarray:
    """Return shares from 0 to 1."""
    levels = numbers(np.atleast_1d(to_numpy(q)), "q")
    if len(levels) == 0 or not ((levels >= 0) & (levels <= 1)).all():
        raise InputError(f"'q' must be shares from 0 to 1; got {levels.tolist()}. Give 0.5 for the median.")
    return levels
