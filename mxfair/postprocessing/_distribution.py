"""Quantile functions of groups, their barycenter, and the piecewise-linear maps from one to the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair._validation import InputError, InputTypeError
from mxfair.residuals import GroupResiduals
from mxfair.scores import GroupScores


@dataclass(frozen=True)
class Distribution:
    """A group's quantile function: a line through (first, low), (last, high) of each value, in increasing order.

    Rows are ranked in their middle: of n rows the i-th has the level (i - 1/2) / n. A value that several rows share is
    flat from the level of its first row to that of its last; a bin of a histogram rises from `low` to `high` between.
    """

    low: np.ndarray
    high: np.ndarray
    mass: np.ndarray
    first: np.ndarray
    last: np.ndarray
    below: np.ndarray

    @property
    def shared(self) -> np.ndarray:
        """True for values that more than one row has."""
        return (self.low == self.high) & (self.last > self.first)

    @property
    def levels(self) -> np.ndarray:
        """Where the quantile function bends."""
        return np.unique(np.concatenate([self.first, self.last]))

    def quantile(self, levels: np.ndarray) -> np.ndarray:
        """Return the quantiles: those of the ends beyond the first and the last row."""
        at = np.column_stack([self.first, self.last]).ravel()
        values = np.column_stack([self.low, self.high]).ravel()
        kept = np.append(True, np.diff(at) > 0)
        return np.interp(levels, at[kept], values[kept])

    def thinned(self, most: int) -> Distribution:
        """Return about `most` of the values, among them those of a larger share than 1 / most and their neighbours."""
        size = len(self.mass)
        if size <= most:
            return self
        share = self.mass / self.mass.sum()
        chosen = np.searchsorted(self.below + share, (np.arange(most) + 0.5) / most)
        large = np.flatnonzero(share > 1 / most)
        chosen = np.concatenate([chosen, large - 1, large + 1, [0, size - 1]])
        chosen = np.unique(np.clip(chosen, 0, size - 1))
        return Distribution(*(value[chosen] for value in vars(self).values()))


def of_rows(values: np.ndarray, weight: np.ndarray | None) -> Distribution:
    """Return the distribution of rows; the weight of one row is Kish's, sum w^2 / sum w."""
    if weight is not None:
        values, weight = values[weight > 0], weight[weight > 0]
    distinct, place = np.unique(values, return_inverse=True)
    mass = np.bincount(place, weight).astype(float)
    unit = 1.0 if weight is None else float((weight**2).sum() / weight.sum())
    return _ranked(distinct, distinct, mass, unit)


def of_bins(low: np.ndarray, high: np.ndarray, mass: np.ndarray, unit: float) -> Distribution:
    """Return the distribution of a histogram, the rows of a bin spread evenly over it; `unit` is a row's weight."""
    there = mass > 0
    low, high, mass = low[there], high[there], mass[there]
    margin = (high - low) * np.minimum(unit / mass, 1) / 2
    middle = (low + high) / 2
    return _ranked(np.minimum(low + margin, middle), np.maximum(high - margin, middle), mass, unit)


def _ranked(low: np.ndarray, high: np.ndarray, mass: np.ndarray, unit: float) -> Distribution:
    total = mass.sum()
    above = np.cumsum(mass) / total
    below = np.append(0.0, above[:-1])
    middle, half = (below + above) / 2, unit / total / 2
    several = mass > unit * (1 + 1e-9)
    first = np.where(several, np.minimum(below + half, middle), middle)
    last = np.where(several, np.maximum(above - half, middle), middle)
    return Distribution(low, high, mass, first, last, below)


class Barycenter:
    r"""The quantile function :math:`\bar Q(u) = \sum_b p_b Q_b(u)`, linear between `levels`."""

    def __init__(self, groups: list[Distribution], shares: np.ndarray) -> None:
        self.levels = np.unique(np.concatenate([group.levels for group in groups]))
        self.values = np.zeros(len(self.levels))
        for group, share in zip(groups, shares):
            self.values += share * group.quantile(self.levels)
        area = np.diff(self.levels) * (self.values[1:] + self.values[:-1]) / 2
        self._area = np.append(0.0, np.cumsum(area))

    def __call__(self, levels: np.ndarray) -> np.ndarray:
        return np.interp(levels, self.levels, self.values)

    def mean(self, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        """Return the mean of the quantiles from one level to another."""
        return (self._until(last) - self._until(first)) / (last - first)

    def _until(self, levels: np.ndarray) -> np.ndarray:
        place = np.clip(np.searchsorted(self.levels, levels, side="right") - 1, 0, len(self.levels) - 1)
        rest = levels - self.levels[place]
        return self._area[place] + rest * (self.values[place] + self(levels)) / 2


def map_of(group: Distribution, target: Barycenter, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return values of a group, in increasing order, and what `target` has at their levels.

    A value that several rows share goes to the mean of what it covers. The map bends at the group's own values and
    where the other groups' quantiles bend, at `most` of these.
    """
    shared = group.shared
    low, high = target(group.first), target(group.last)
    if shared.any():
        low[shared] = high[shared] = target.mean(group.first[shared], group.last[shared])
    bends = target.levels[(target.levels > group.first[0]) & (target.levels < group.last[-1])]
    place = np.searchsorted(group.first, bends, side="right") - 1
    bends = bends[~(shared[place] & (bends <= group.last[place]))]
    if len(bends) > most:
        bends = bends[np.linspace(0, len(bends) - 1, most).round().astype(int)]
    knots = np.concatenate([group.low, group.high, group.quantile(bends)])
    targets = np.concatenate([low, high, target(bends)])
    knots, first = np.unique(knots, return_index=True)  # the group's own values come first, and win
    return knots, np.maximum.accumulate(targets[first])


def moved(values: np.ndarray, knots: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Return the mapped values: linear between knots, beyond them shifted as the nearest one is."""
    return values + np.interp(values, knots, shifts)


def composed(first: tuple[np.ndarray, np.ndarray], then: tuple[np.ndarray, np.ndarray]) -> Any:
    """Return knots and shifts of a map followed by another, both as knots and shifts."""
    reached = first[0] + first[1]
    back = then[0] - np.interp(then[0], reached, first[1])
    knots = np.unique(np.concatenate([first[0], back]))
    return knots, moved(moved(knots, *first), *then) - knots


def padded(maps: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Return knots and shifts of all groups as two arrays; the last knot is repeated."""
    longest = max(len(knots) for knots, _ in maps)
    filled = [[np.pad(part, (0, longest - len(part)), mode="edge") for part in one] for one in maps]
    return np.array([knots for knots, _ in filled]), np.array([shifts for _, shifts in filled])


def counted(state: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return a state's lower and upper ends of bins, counts by group and bin, and numbers of rows by group."""
    if isinstance(state, GroupScores):
        counts, squares = state.counts.sum(axis=1), state.squares.sum(axis=1)
        rows = np.divide(state.support**2, squares, out=state.support.copy(), where=squares > 0)
        return state.edges[:-1], state.edges[1:], counts, rows
    if not isinstance(state, GroupResiduals):
        raise InputTypeError(f"'state' must be GroupResiduals or GroupScores; got {type(state).__name__}. Count rows.")
    if (state.outside > 0).any():
        raise InputError(
            f"The predictions must lie within the range of the bins; got a weight of {state.outside.sum():g} outside. "
            "Give a wider 'low' and 'high' when counting starts."
        )
    counts, width = state._counted().of("predictions")
    low = state._counted().low + width * np.arange(counts.shape[1] - 2)
    return low, low + width, counts[:, 1:-1], state.effective
