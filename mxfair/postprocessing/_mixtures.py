"""Randomized thresholds: a mixture of each group's thresholds, so that the expected rates agree; a linear program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from mxfair._validation import InputError

#: Shares of a threshold below this are rounding.
_NOTHING = 1e-12
#: How many values of a rate whose denominator moves are tried at once, and how often the best one's surroundings are.
_GRID, _ROUNDS = {1: 33, 2: 9}, 4


@dataclass
class Mixture:
    """The solution: shares of each group's points, its gain, and the price of a unit of each group's coefficients.

    Parameters
    ----------
    shares : list of ndarray of shape (n_points,)
    gain : float
    prices : ndarray of shape (n_groups, 3)
        A point with a larger product of these and (1, true positives, false positives) than all known ones would gain.
    """

    shares: list[np.ndarray]
    gain: float
    prices: np.ndarray


class MixtureSearch:
    r"""The mixtures with the largest gain whose expected rates differ by no more than allowed.

    .. math:: \max_{\lambda \ge 0} \sum_{g,j} \lambda_{gj} u_{gj} \quad \text{where} \quad \sum_j \lambda_{gj} = 1,
              l_d \le \sum_j \lambda_{gj} r_{dgj} \le h_d, \quad h_d - l_d \le \varepsilon

    A rate whose denominator depends on the decisions is linear where its window is given: windows are searched for on a
    grid that is refined around the best one.

    Parameters
    ----------
    rates : ndarray of shape (n_groups, n_rates, 2, 3)
        Numerators' and denominators' coefficients of (1, true positives, false positives).
    budget : float
    joint : bool
        Whether the sum of the gaps is bounded instead of each.
    limit : tuple of (ndarray of shape (n_groups, 3), float), optional
        A sum over the groups, and what it may be at most.
    """

    def __init__(self, rates: np.ndarray, budget: float, *, joint: bool, limit: Any = None) -> None:
        self._rates, self._budget, self._joint, self._limit = rates, budget, joint, limit
        moving = (np.abs(rates[:, :, 1, 1:]) > 0).any(axis=(0, 2))
        self._fixed, self._moving = np.flatnonzero(~moving), np.flatnonzero(moving)
        if len(self._moving) and (joint or len(self._moving) > 2):
            raise InputError(
                "A criterion of randomized thresholds must have at most two rates whose denominators depend on the "
                "decisions, and agg='max'. Use randomized=False."
            )

    def solve(self, designs: list[np.ndarray], gains: np.ndarray) -> Mixture | None:
        """Return the best mixture of points (n_points, 3) under gains of their coefficients, shape (n_groups, 3)."""
        self._designs, self._gains = designs, gains
        if len(designs) < 2 or not len(self._moving):
            return self._program(np.zeros(0))
        return self._windows()

    def _windows(self) -> Mixture | None:
        """Search for the windows of the rates whose denominators move."""
        values = [self._values(d) for d in self._moving]
        levels, best, found = [np.array([0.0, 1.0])] * len(values), None, np.zeros(len(values))
        count, low, high = _GRID[len(values)], np.zeros(len(values)), np.ones(len(values))
        for _ in range(_ROUNDS):
            levels = [np.linspace(a, b, count) for a, b in zip(low, high)]
            for place in np.stack(np.meshgrid(*levels), axis=-1).reshape(-1, len(values)):
                lower = np.array([np.quantile(v, share) for v, share in zip(values, place)])
                mixture = self._program(lower)
                if mixture is not None and (best is None or mixture.gain > best.gain):
                    best, found = mixture, place
            step = (high - low) / (count - 1)
            low, high = np.maximum(found - step, 0), np.minimum(found + step, 1)
        return best

    def _values(self, d: int) -> np.ndarray:
        """Return the values of a rate at the points, less what a window may be wide: where its lower end may be."""
        values = []
        for design, rate in zip(self._designs, self._rates[:, d]):
            numerator, denominator = rate @ design.T
            values.append(numerator[denominator > 0] / denominator[denominator > 0])
        low, high = max(v.min() for v in values) - self._budget, min(v.max() for v in values)
        every = np.concatenate(values)
        return np.unique(np.clip(np.concatenate([every, every - self._budget]), min(low, high), high))

    def _rows(self, lower: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, float]]:
        """Return what is bounded above: coefficients by group, factors of the windows' ends, and the bound."""
        rows, n, n_ends = [], len(self._designs), 2 * len(self._fixed)

        def bound(group: int | None, part: Any, bound: float, ends: dict[int, float]) -> None:
            row, factors = np.zeros((n, 3)), np.zeros(n_ends)
            row[slice(None) if group is None else group] = part
            factors[list(ends)] = list(ends.values())
            rows.append((row, factors, bound))

        for k, d in enumerate(self._fixed):
            for g in range(n if n > 1 else 0):
                rate = self._rates[g, d, 0] / self._rates[g, d, 1, 0]
                bound(g, -rate, 0.0, {2 * k: 1.0})  # low <= rate
                bound(g, rate, 0.0, {2 * k + 1: -1.0})  # rate <= high
        widths = [{2 * k: -1.0, 2 * k + 1: 1.0} for k in range(len(self._fixed))]
        for ends in [{k: v for width in widths for k, v in width.items()}] if self._joint else widths:
            bound(None, 0.0, self._budget, ends)
        for low, d in zip(lower, self._moving):
            for g in range(n):
                numerator, denominator = self._rates[g, d]
                sizes = self._designs[g] @ denominator
                scale = sizes.max()
                bound(g, (low * denominator - numerator) / scale, 0.0, {})
                bound(g, (numerator - (low + self._budget) * denominator) / scale, 0.0, {})
                # as large as one point's, so that the rate is defined
                bound(g, -denominator / scale, -float(sizes[sizes > 0].min() / scale), {})
        if self._limit is not None:
            bound(None, self._limit[0], self._limit[1], {})
        return rows

    def _program(self, lower: np.ndarray) -> Mixture | None:
        """Return the best mixture where the windows of the moving rates start at given values."""
        sizes, n_ends = [len(design) for design in self._designs], 2 * len(self._fixed)
        rows, tails, bounds = (np.array(part) for part in zip(*self._rows(lower)))
        blocks = [rows[:, g] @ design.T for g, design in enumerate(self._designs)]
        total = sparse.block_diag([np.ones((1, size)) for size in sizes])
        equal = sparse.hstack([total, sparse.csr_matrix((len(sizes), n_ends))]) if n_ends else total
        solved = linprog(
            -np.concatenate([*(d @ gain for d, gain in zip(self._designs, self._gains)), np.zeros(n_ends)]),
            A_ub=sparse.csc_matrix(np.concatenate([*blocks, tails], axis=1)),
            b_ub=bounds,
            A_eq=equal.tocsc(),
            b_eq=np.ones(len(sizes)),
            bounds=[(0, None)] * sum(sizes) + [(None, None)] * n_ends,
            method="highs",
            options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
        )
        if solved.x is None or solved.status not in (0, 1):
            return None
        weights = np.where(solved.x[: sum(sizes)] > _NOTHING, solved.x[: sum(sizes)], 0.0)
        shares = [part / part.sum() for part in np.split(weights, np.cumsum(sizes)[:-1])]
        prices = self._gains + np.tensordot(solved.ineqlin.marginals, rows, 1)
        return Mixture(shares, float(-solved.fun), prices)
