"""Deterministic thresholds: one point of each group's curve, so that the rates lie in common windows."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field

import numpy as np

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
    """

    def __init__(
        self, rates: list[np.ndarray], budget: float, *, joint: bool, max_nodes: int, tolerance: float
    ) -> None:
        self._rates, self._joint = rates, joint
        self._live = [np.flatnonzero(~np.isnan(values).any(axis=1)) for values in rates]
        largest = max((np.abs(v[p]).max(initial=1.0) for v, p in zip(rates, self._live)), default=1.0)
        self._budget, self._slack = budget, ROUNDING * max(1.0, float(largest))
        self._max_nodes, self._tolerance = max_nodes, tolerance
        self.proven = True

    def solve(self, gains: list[np.ndarray]) -> np.ndarray | None:
        """Return the chosen point of each group; None where no points agree as far as asked."""
        self._gains, self._numbers = gains, itertools.count()
        width = np.full(self._rates[0].shape[1], self._budget)
        best, found = -np.inf, None
        heap: list[_Node] = []
        self._push(heap, self._live, width, np.zeros_like(width))
        for count in itertools.count():
            if not heap or -heap[0].rank <= best + self._tolerance:
                return found
            node = heapq.heappop(heap)
            gaps = self._gaps(node.picks)
            if self._allowed(gaps, node.most):
                return node.picks
            if count >= self._max_nodes:
                self.proven = False
                return found
            for live, most, least in self._split(node, gaps):
                self._push(heap, live, most, least)
            value, picks = self._inside(node)
            if value > best:
                best, found = value, picks
        return found

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
        if self._joint:
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

    def _inside(self, node: _Node) -> tuple[float, np.ndarray | None]:
        """Return a solution near the node's choice, in windows around its middle."""
        rates = self._at(node.picks)
        share = self._budget / rates.shape[1] if self._joint else node.most
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
