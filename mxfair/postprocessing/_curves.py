"""What each threshold makes of a group: true and false positives, from sorted rows or from histograms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.isotonic import isotonic_regression

from mxfair.scores import GroupScores

#: Rows whose bins are found at once: the buffers then stay in the processor's cache.
_CHUNK = 131_072


@dataclass(frozen=True)
class Curve:
    """A group's decisions at each threshold: positive where the score is above it.

    Parameters
    ----------
    thresholds : ndarray of shape (n_points,)
        Falling from infinity (nobody is selected) to minus infinity (everybody is).
    hits, false : ndarray of shape (n_points,)
        Weight of the true and of the false positives, both rising from 0.
    """

    thresholds: np.ndarray
    hits: np.ndarray
    false: np.ndarray

    @property
    def positives(self) -> float:
        """Weight of the samples that are positive."""
        return float(self.hits[-1])

    @property
    def negatives(self) -> float:
        """Weight of the samples that are not."""
        return float(self.false[-1])

    @property
    def design(self) -> np.ndarray:
        """1, true positives and false positives of each point, shape (n_points, 3): rates are quotients of these."""
        return np.stack([np.ones(len(self.hits)), self.hits, self.false], axis=1)

    def tables(self) -> np.ndarray:
        """Return counts by label and decision, negatives first, shape (n_points, 2, 2)."""
        negatives, positives = self.false[-1] - self.false, self.hits[-1] - self.hits
        return np.stack([negatives, self.false, positives, self.hits], axis=1).reshape(-1, 2, 2)

    def take(self, places: np.ndarray) -> Curve:
        """Return some of the points."""
        return Curve(self.thresholds[places], self.hits[places], self.false[places])

    def hull(self) -> np.ndarray:
        """Return the places of the corners of the points' convex hull.

        The two chains of the hull are the points at which the isotonic fits of the labels to the order of the scores
        change: rising for one chain, falling for the other (Fawcett and Niculescu-Mizil, "PAV and the ROC convex hull",
        Machine Learning 68, 2007).
        """
        hits, weight = np.diff(self.hits), np.diff(self.hits + self.false)
        share = np.divide(hits, weight, out=np.zeros_like(weight), where=weight > 0)
        corners = [np.array([0, len(weight)])]
        for increasing in (False, True):
            fitted = isotonic_regression(share, sample_weight=np.maximum(weight, 1e-300), increasing=increasing)
            corners.append(np.flatnonzero(np.diff(fitted)) + 1)
        return np.unique(np.concatenate(corners))


def between(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Return thresholds that the upper scores pass and the lower ones do not, in single precision where that works."""
    middle = np.clip(lower / 2 + upper / 2, lower, upper)
    middle = np.where(middle < upper, middle, lower)
    with np.errstate(over="ignore"):
        single = middle.astype(np.float32).astype(float)
    return np.where((lower <= single) & (single < upper), single, middle)


def sorted_curve(scores: np.ndarray, positive: np.ndarray, weight: np.ndarray | None) -> Curve:
    """Return the curve of a group's rows, a point for each different score."""
    order = np.argsort(scores)[::-1]
    ordered, hit = scores[order], positive[order]
    mass = np.ones(len(ordered)) if weight is None else weight[order]
    ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)
    true, false = (np.append(0.0, np.cumsum(mass * part)[ends]) for part in (hit, ~hit))
    levels = ordered[ends]
    return Curve(np.concatenate([[np.inf], between(levels[:-1], levels[1:]), [-np.inf]]), true, false)


def curves_of(
    scores: np.ndarray, positive: np.ndarray, codes: np.ndarray, *, weight: np.ndarray | None, n_groups: int
) -> list[Curve]:
    """Return the curve of each group."""
    order = np.argsort(codes.astype(np.int16) if n_groups < 2**15 else codes, kind="stable")
    starts = np.append(0, np.cumsum(np.bincount(codes, minlength=n_groups)))
    parts = [order[start:stop] for start, stop in zip(starts, starts[1:])]
    return [sorted_curve(scores[p], positive[p], None if weight is None else weight[p]) for p in parts]


def table_curves(table: GroupScores, places: list[int]) -> list[Curve]:
    """Return the curves of a table's groups: the edges of its bins are the thresholds."""
    inner = table.edges[1:-1][::-1]
    curves = []
    for place in places:
        false, hits = (np.append(0.0, np.cumsum(part[::-1])) for part in table.counts[place])
        kept = np.append(True, np.diff(hits + false) > 0)
        kept[-1] = True  # everybody
        curve = Curve(np.concatenate([[np.inf], inner, [-np.inf]]), hits, false)
        curves.append(curve.take(np.flatnonzero(kept)))
    return curves


class Histograms:
    """The rows of all groups in bins of equal width: the edges are points of the curves, and bins open on demand.

    Parameters
    ----------
    scores, positive, codes, weight : ndarray of shape (n_rows,)
    n_groups, bins : int
    """

    def __init__(
        self,
        scores: np.ndarray,
        positive: np.ndarray,
        codes: np.ndarray,
        *,
        weight: np.ndarray | None,
        n_groups: int,
        bins: int,
    ) -> None:
        self._scores, self._positive, self._weight, self._bins = scores, positive, weight, bins
        low, high = scores.min(), scores.max()
        half = high / 2 - low / 2
        self._cells: np.ndarray = np.empty(len(scores), dtype=np.int32 if n_groups * bins < 2**30 else np.int64)
        counts = np.zeros(2 * n_groups * bins)
        for start in range(0, len(scores), _CHUNK):
            part = slice(start, start + _CHUNK)
            # a bin's number rises with the score: each of these operations keeps the order
            share = (scores[part] / 2 - low / 2) / half if half > 0 else np.zeros(len(scores[part]))
            cell = np.minimum((share * bins).astype(np.int64), bins - 1) + codes[part] * bins
            self._cells[part] = cell
            mass = None if weight is None else weight[part]
            counts += np.bincount(cell * 2 + positive[part], mass, minlength=len(counts))
        self._counts = counts.reshape(n_groups, bins, 2)
        self._opened = np.zeros((n_groups, bins), dtype=bool)
        self._rows = np.zeros(0, dtype=np.int64)

    def open(self, wanted: np.ndarray) -> bool:
        """Take the rows of some bins, shape (n_groups, bins), one by one; return whether some were not so before."""
        new = wanted & ~self._opened & (self._counts.sum(axis=2) > 0)
        if not new.any():
            return False
        self._opened |= new
        self._rows = np.flatnonzero(self._opened.reshape(-1)[self._cells])
        return True

    def boxes(self, group: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the true and the false positives above each bin and with it, shapes (bins + 1,), the bins falling."""
        false, hits = (np.append(0.0, np.cumsum(part[::-1])) for part in self._counts[group].T)
        return hits, false

    def curve(self, group: int) -> Curve:
        """Return a group's curve: the edges of its bins and what is inside those opened; edges' thresholds are NaN."""
        hits, false = self.boxes(group)
        edges = Curve(np.full(len(hits), np.nan), hits, false)
        cells = self._cells[self._rows]
        rows = self._rows[(cells >= group * self._bins) & (cells < (group + 1) * self._bins)]
        if not len(rows):
            return edges
        rows = rows[np.argsort(self._scores[rows])[::-1]]
        cells, scores, hit = self._cells[rows] - group * self._bins, self._scores[rows], self._positive[rows]
        mass = np.ones(len(rows)) if self._weight is None else self._weight[rows]
        first = np.searchsorted(-cells, -cells)  # the first row of the same bin
        above, inner = self._bins - 1 - cells, np.flatnonzero((scores[1:] != scores[:-1]) & (cells[1:] == cells[:-1]))
        points = []
        for part, start in ((hit, hits), (~hit, false)):
            sums = np.append(0.0, np.cumsum(mass * part))
            points.append((start[above] + sums[1:] - sums[first])[inner])
        every = zip((between(scores[inner], scores[inner + 1]), *points), (edges.thresholds, hits, false))
        joined = [np.concatenate(pair) for pair in every]
        order = np.argsort(joined[1] + joined[2], kind="stable")
        return Curve(*(values[order] for values in joined))

    def edge(self, group: int, selected: float) -> float:
        """Return the threshold of an edge, found by the weight of what is above it: between the rows around it."""
        total = np.sum(self.boxes(group), axis=0)
        place = int(np.searchsorted(total, selected * (1 - 1e-12)))
        if total[place] <= 0:
            return np.inf
        if total[place] >= total[-1] * (1 - 1e-12):
            return -np.inf
        filled = self._bins - 1 - np.flatnonzero(np.diff(total) > 0)  # falling
        first = self._bins - place  # the first bin above the edge
        upper, lower = filled[filled >= first].min(), filled[filled < first].max()
        above, below = (np.flatnonzero(self._cells == group * self._bins + cell) for cell in (upper, lower))
        return float(between(self._scores[above].min(keepdims=True), self._scores[below].max(keepdims=True))[0])

    def sorted(self) -> list[Curve]:
        """Return the curves of all rows."""
        return curves_of(
            self._scores,
            self._positive,
            self._cells // self._bins,
            weight=self._weight,
            n_groups=len(self._counts),
        )
