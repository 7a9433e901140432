"""Deterministic thresholds: one point of each group's curve, so that the rates lie in common windows."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field

import numpy as np

#: Points of a group inside a window, about, below which points of other groups are compared before the search.
_FEW = 10.0
#: Into how many pairs of widths a budget of two rates is divided before it is searched as a whole.
_DIVISIONS = 9
#: What rates may differ by beside the gap allowed: rounding.
ROUNDING = 1e-12


@dataclass(order=True)
class _Node:
    """A part of the search: points of each group that are still possible, and how wide the windows may be."""

    rank: float
    number: int
    live: list[np.ndarray] = field(compare=False)
    most: np.ndarray = field(compare=False)
    least: np.ndarray = field(compare=False)
    picks: np.ndarray = field(compare=False)


class WindowSearch:
    r"""Best-first branch and bound for the best sum of gains under a bound of the rates' gaps.

    .. math:: \max_{j_1, \dots, j_K} \sum_g u_g(j_g) \quad \text{where} \quad
              \max_g r_d(j_g) - \min_g r_d(j_g) \le \varepsilon_d

    Each group's best point bounds the gain. Where those points differ too much in a rate, the common window's lower end
    is above some value between them or not, and each of the two cases loses one of the points. The first solution that
    is met in the order of the bounds is the best.

    Parameters
    ----------
    rates : list of ndarray of shape (n_points, n_rates)
        NaN where a rate is undefined: such points are not chosen.
    budget : float
        The largest gap, of each rate or of all together.
    joint : bool
        Whether the sum of the gaps is bounded instead of each.
    max_nodes : int
        Where the search gives up proving that what it found is best.
    tolerance : float
        What another solution must gain to matter.

    Attributes
    ----------
    unproven : float
        What a solution that was not found might gain more than the last one; 0 where it is proven to be the best.
    """

    def __init__(
        self, rates: list[np.ndarray], budget: float, *, joint: bool, max_nodes: int, tolerance: float
    ) -> None:
        self._rates, self._joint = rates, joint
        self._live = [np.flatnonzero(~np.isnan(values).any(axis=1)) for values in rates]
        largest = max((np.abs(v[p]).max(initial=1.0) for v, p in zip(rates, self._live)), default=1.0)
        self._budget, self._slack = budget, ROUNDING * max(1.0, float(largest))
        self._max_nodes, self._tolerance = max_nodes, tolerance
        self.unproven = 0.0
        smallest = min(map(len, self._live), default=0)
        if budget * smallest < _FEW:  # few points of one group lie near a point of another
            self._drop_lonely()

    def _drop_lonely(self) -> None:
        """Drop points near whose rates another group has none: equal rates are then few from the start."""
        for d in range(self._rates[0].shape[1]):
            levels = [np.sort(values[points, d]) for values, points in zip(self._rates, self._live)]
            for g, (values, points) in enumerate(zip(self._rates, self._live)):
                own, kept = values[points, d], np.ones(len(points), dtype=bool)
                for other in levels[:g] + levels[g + 1 :]:
                    first = np.searchsorted(other, own - self._budget - self._slack)
                    near = np.append(other, np.inf)[first]
                    kept &= near <= own + self._budget + self._slack
                self._live[g] = points[kept]

    def solve(self, gains: list[np.ndarray], among: list[np.ndarray] | None = None) -> np.ndarray | None:
        """Return the chosen point of each group, of those that `among` marks; None where none agree as far as asked."""
        self._start = [p if among is None else p[among[g][p]] for g, p in enumerate(self._live)]
        self._gains, self._numbers, self.unproven = gains, itertools.count(), 0.0
        best, found, n_rates = -np.inf, None, self._rates[0].shape[1]
        if self._joint and n_rates == 2:  # divided in several ways first, for a solution that the others must beat
            self._together = False
            for share in np.linspace(0, 1, _DIVISIONS):
                best, found = self._search(np.array([share, 1 - share]) * self._budget, best, found)
        self._together, self.unproven = self._joint, 0.0
        return self._search(np.full(n_rates, self._budget), best, found)[1]

    def _search(self, width: np.ndarray, best: float, found: np.ndarray | None) -> tuple[float, np.ndarray | None]:
        """Return the best sum of gains and its points, if they are better than those known; else these."""
        heap: list[_Node] = []
        most_nodes = self._max_nodes // 10 if self._together else self._max_nodes
        self._push(heap, self._start, width, np.zeros_like(width))
        for count in itertools.count():
            if not heap or -heap[0].rank <= best + self._tolerance:
                break
            node = heapq.heappop(heap)
            gaps = self._gaps(node.picks)
            if self._allowed(gaps, node.most):
                return -node.rank, node.picks
            if count >= most_nodes:
                self.unproven = -node.rank - best
                break
            for live, most, least in self._split(node, gaps):
                self._push(heap, live, most, least)
            for share in self._shares(node, gaps):
                value, picks = self._inside(node, share)
                if value > best:
                    best, found = value, picks
        return best, found

    def _push(self, heap: list[_Node], live: list[np.ndarray], most: np.ndarray, least: np.ndarray) -> None:
        if all(len(points) for points in live):
            picks = self._best(live)
            heapq.heappush(heap, _Node(-self._sum(picks), next(self._numbers), live, most, least, picks))

    def _best(self, live: list[np.ndarray]) -> np.ndarray:
        return np.array([points[gain[points].argmax()] for points, gain in zip(live, self._gains)])

    def _sum(self, picks: np.ndarray) -> float:
        return float(sum(gain[pick] for gain, pick in zip(self._gains, picks)))

    def _at(self, picks: np.ndarray) -> np.ndarray:
        return np.array([values[pick] for values, pick in zip(self._rates, picks)])

    def _gaps(self, picks: np.ndarray) -> np.ndarray:
        rates = self._at(picks)
        return np.asarray(rates.max(axis=0) - rates.min(axis=0))

    def _allowed(self, gaps: np.ndarray, most: np.ndarray) -> bool:
        if self._together:
            return bool(gaps.sum() <= self._budget + self._slack)
        return bool((gaps <= most + self._slack).all())

    def _split(self, node: _Node, gaps: np.ndarray) -> list[tuple[list[np.ndarray], np.ndarray, np.ndarray]]:
        """Return two parts that hold each solution of the node's, without the node's own choice."""
        excess = gaps - node.most
        d = int(excess.argmax())
        if excess[d] > self._slack:
            rates = self._at(node.picks)[:, d]
            lower = (rates.min() + (rates.max() - node.most[d])) / 2
            upper = lower + node.most[d]
            below = [p[v[p, d] <= upper + self._slack / 4] for v, p in zip(self._rates, node.live)]
            above = [p[v[p, d] >= lower - self._slack / 4] for v, p in zip(self._rates, node.live)]
            return [(below, node.most, node.least), (above, node.most, node.least)]
        d = int(gaps.argmax())  # each is within its width, all together are not: one is narrower, or the others are
        width = gaps[d] * self._budget / gaps.sum()
        narrow, wide = node.most.copy(), node.least.copy()
        narrow[d], wide[d] = width, max(width, node.least[d])
        rest = np.minimum(node.most, self._budget - (wide.sum() - wide))
        parts = [(node.live, narrow, node.least)]
        return parts if (rest < wide - self._slack).any() else [*parts, (node.live, rest, wide)]

    def _shares(self, node: _Node, gaps: np.ndarray) -> list[np.ndarray]:
        """Return widths of windows to try: of one budget for all rates, in equal parts, and as the gaps are."""
        if not self._together:
            return [node.most]
        return [np.full(len(gaps), self._budget / len(gaps)), gaps * self._budget / max(gaps.sum(), self._slack)]

    def _inside(self, node: _Node, share: np.ndarray) -> tuple[float, np.ndarray | None]:
        """Return a solution near the node's choice, in windows around its middle."""
        rates = self._at(node.picks)
        lower = (rates.max(axis=0) + rates.min(axis=0) - share) / 2
        live = []
        for values, points in zip(self._rates, node.live):
            inside = np.ones(len(points), dtype=bool)
            for d in range(rates.shape[1]):
                inside &= (values[points, d] >= lower[d]) & (values[points, d] <= (lower + share)[d])
            live.append(points[inside])
        if not all(len(points) for points in live):
            return -np.inf, None
        picks = self._best(live)
        return self._sum(picks), picks
