"""The search for class offsets by group: exact line searches, one offset after the other, from several starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair import _disparity
from mxfair.criterion import Criterion

#: Values of one offset that are looked at in a line search, at most.
_CANDIDATES = 512
#: Of more rows than twice this in a group, every second, third, ... is sorted for these values.
_SORTED = 20_000
#: What a unit of the gap above the bound costs, from stage to stage; an objective that is a rate is at most 1.
_PRICES = (0.3, 1.0, 3.0, 10.0, 100.0)
#: Rounds over all offsets in a stage, at most.
_ROUNDS = 8
#: What counts as an improvement.
_TOLERANCE = 1e-12


@dataclass(frozen=True)
class Found:
    """Offsets, and what they give on the fitted rows.

    Parameters
    ----------
    offsets : ndarray of shape (n_groups, n_classes)
    counts : ndarray of shape (n_groups, n_classes, n_classes)
    value, gap : float
    """

    offsets: np.ndarray
    counts: np.ndarray
    value: float
    gap: float

    def beats(self, other: Found, max_gap: float) -> bool:
        """Tell whether it is better: first within the bound or closer to it, then in the value."""
        mine, theirs = max(self.gap, max_gap), max(other.gap, max_gap)
        if abs(mine - theirs) > _TOLERANCE:
            return mine < theirs
        return self.value > other.value + _TOLERANCE


class OffsetSearch:
    """Rows, and what their decisions are worth.

    Parameters
    ----------
    logs : ndarray of shape (n_rows, n_classes)
        Log-probabilities.
    places, codes, weight : ndarray of shape (n_rows,)
        Label, group and weight.
    criterion : Criterion
    worth : ndarray of shape (n_classes, n_classes)
        What a unit of weight is worth, by label and decision.
    max_gap : float
    """

    def __init__(
        self,
        logs: np.ndarray,
        places: np.ndarray,
        codes: np.ndarray,
        *,
        weight: np.ndarray,
        criterion: Criterion,
        worth: np.ndarray,
        max_gap: float,
    ) -> None:
        self._n_groups, self._n_classes = int(codes.max()) + 1, logs.shape[1]
        rows = [np.flatnonzero(codes == group) for group in range(self._n_groups)]
        self._logs, self._places = [logs[r] for r in rows], [places[r] for r in rows]
        self._weight = [weight[r] for r in rows]
        self._criterion, self._worth, self._max_gap = criterion, worth, max_gap
        self._pairs = criterion.rate_classes(np.arange(self._n_classes))

    def best(self, starts: list[np.ndarray]) -> tuple[Found, Found]:
        """Return what no offsets give, and the best of what was found: never worse than that."""
        none = self.of(np.zeros((self._n_groups, self._n_classes)))
        best = none
        for start in starts:
            current = self.of(start)
            for price in _PRICES:
                current = self._ascend(current, price)
                best = current if current.beats(best, self._max_gap) else best
        return none, self._ascend(best, None)

    def of(self, offsets: np.ndarray) -> Found:
        """Return what offsets give."""
        counts = np.stack([self._table(group, offsets[group]) for group in range(self._n_groups)])
        value, gap = self._measured(counts[None])
        return Found(offsets, counts, float(value[0]), float(gap[0]))

    def gaps(self, counts: np.ndarray) -> np.ndarray:
        """Return the gap of tables of shape (..., n_groups, n_classes, n_classes), infinite where undefined."""
        found = []
        for rate in self._criterion.rates:
            places = [place for other, place in self._pairs if other is rate]
            values = rate.each(counts)[..., places] if len(places) > 1 else rate.values(counts, places[0])[..., None]
            found.append(values.max(axis=-2) - values.min(axis=-2))  # NaN where a group has none
        together = np.concatenate(found, axis=-1)
        gap = _disparity.aggregate(together, self._criterion.agg)
        return np.where(np.isnan(together).any(axis=-1), np.inf, gap)

    def _measured(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        gap = self.gaps(counts) if self._n_groups > 1 else np.zeros(len(counts))
        return (counts * self._worth).sum(axis=(1, 2, 3)), gap

    def _table(self, group: int, offsets: np.ndarray) -> np.ndarray:
        chosen, k = (self._logs[group] + offsets).argmax(axis=1), self._n_classes
        return np.bincount(self._places[group] * k + chosen, self._weight[group], minlength=k * k).reshape(k, k)

    def _ascend(self, found: Found, price: float | None) -> Found:
        """Move one offset after the other to its best value, until none moves; without a price, by `Found.beats`."""
        for _ in range(_ROUNDS):
            before = found
            for group in range(self._n_groups):
                for place in range(self._n_classes):
                    found = self._line(found, group, place, price)
            if found is before:
                return found
        return found

    def _line(self, found: Found, group: int, place: int, price: float | None) -> Found:
        """Return the best of all values of one offset, the others as they are; the same object where it is best."""
        values, tables = self._along(found.offsets[group], group, place)
        counts = np.repeat(found.counts[None], len(values), axis=0)
        counts[:, group] = tables
        value, gap = self._measured(counts)
        if price is None:
            pick = int(np.lexsort((-value, np.maximum(gap, self._max_gap)))[0])
        else:
            pick = int(np.argmax(value - price * np.minimum(np.maximum(gap - self._max_gap, 0), 1e6)))
        offsets = found.offsets.copy()
        offsets[group, place] = values[pick]
        counts = found.counts.copy()
        counts[group] = self._table(group, offsets[group])
        value, gap = self._measured(counts[None])
        moved = Found(offsets, counts, float(value[0]), float(gap[0]))
        return moved if self._improves(moved, found, price) else found

    def _improves(self, moved: Found, found: Found, price: float | None) -> bool:
        if price is None:
            return moved.beats(found, self._max_gap)
        new, old = (one.value - price * min(max(one.gap - self._max_gap, 0), 1e6) for one in (moved, found))
        return new > old + _TOLERANCE

    def _along(self, offsets: np.ndarray, group: int, place: int) -> tuple[np.ndarray, np.ndarray]:
        """Return values of an offset, between which the fitted decisions change, and the group's table at each.

        A row is decided for the class where its offset is above what the best other class leads by.
        """
        k, moved = self._n_classes, self._logs[group] + offsets
        own = self._logs[group][:, place]
        moved[:, place] = -np.inf
        other = moved.argmax(axis=1)
        leads = moved[np.arange(len(own)), other] - own
        levels = np.unique(leads[:: max(1, len(leads) // _SORTED)])
        if len(levels) > _CANDIDATES:
            levels = np.unique(levels[np.linspace(0, len(levels) - 1, _CANDIDATES).astype(int)])
        values = np.concatenate([[leads.min() - 1], (levels[1:] + levels[:-1]) / 2, [leads.max() + 1]])
        first = np.searchsorted(values, leads, side="right")  # the first value that is above the lead
        cells = np.zeros((len(values), k * k))
        flat = self._places[group] * k
        leaves = np.bincount(first * k * k + flat + other, self._weight[group], minlength=cells.size)
        enters = np.bincount(first * k * k + flat + place, self._weight[group], minlength=cells.size)
        base = np.bincount(flat + other, self._weight[group], minlength=k * k)
        cells = base + np.cumsum((enters - leaves).reshape(len(values), k * k), axis=0)
        return values, cells.reshape(-1, k, k)


def starts_of(search: OffsetSearch, counts: np.ndarray, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return starts: none, offsets towards equal shares of decisions, and random ones."""
    decided = counts.sum(axis=1) + 1.0
    shares: Any = decided / decided.sum(axis=1, keepdims=True)
    overall = decided.sum(axis=0) / decided.sum()
    even = np.log(overall) - np.log(shares)
    noise = [rng.normal(size=shares.shape) for _ in range(count)]
    return [np.zeros_like(shares), even, *noise][: count + 2]
