r"""Minimise a convex loss of weights on the simplex under a bound on a gap of linear rates.

.. math:: \min_w L(w) \quad \text{subject to} \quad w \ge 0, \; \sum_k w_k = 1, \;
    \mathrm{agg}_r (\max_g R_{rg} w - \min_g R_{rg} w) \le \varepsilon

An interior-point method (logarithmic barrier, Newton steps): K + 2 R variables, whatever the number of samples, and a
bound on how far the result is from the optimum, m / t for m inequalities at the last t (Boyd and Vandenberghe, Convex
Optimization, 2004, sections 11.2 and 11.3). The logarithm of a linear function is self-concordant, for which the number
of Newton steps is bounded without assumptions on the data.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["LogLoss", "Problem", "SquaredLoss"]

#: The distance to the optimum that is accepted, in nats or as a share of the members' mean squared error.
TOLERANCE = 1e-7
#: Newton steps for one t; a handful suffices.
MAX_STEPS = 60
#: Weights below it are 0: what a barrier leaves of a weight that should be.
LEAST_WEIGHT = 1e-7


class LogLoss:
    """Mean log loss of weighted mean probabilities, from what each member gives to the true class."""

    def __init__(self, chances: np.ndarray) -> None:
        self.chances = chances  # (n_samples, K), above 0

    def value(self, weight: np.ndarray) -> float:
        """Return the loss."""
        with np.errstate(divide="ignore", invalid="ignore"):
            value = -float(np.log(self.chances @ weight).mean())
        return value if np.isfinite(value) else np.inf

    def derivatives(self, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return gradient and Hessian."""
        ratio = self.chances / (self.chances @ weight)[:, None]
        return -ratio.mean(axis=0), ratio.T @ ratio / len(ratio)


class SquaredLoss:
    """Mean squared distance of the weighted mean of predictions to the target, as a share of the members' own."""

    def __init__(self, preds: np.ndarray, target: np.ndarray) -> None:
        # with weights of sum 1 the error is the weighted mean of errors
        errors = (preds - target[..., None]).reshape(-1, preds.shape[-1])  # (n_samples * n_outputs, K)
        moments = errors.T @ errors / len(preds)
        self.moments = moments / (np.trace(moments) / len(moments) or 1.0)  # without a unit

    def value(self, weight: np.ndarray) -> float:
        """Return the loss."""
        return float(weight @ self.moments @ weight)

    def derivatives(self, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return gradient and Hessian."""
        return 2 * self.moments @ weight, 2 * self.moments


class Problem:
    """A loss, and rates that are linear in the weights.

    Parameters
    ----------
    loss : LogLoss or SquaredLoss
    rates : ndarray of shape (n_rates, n_groups, K)
        Rate of each member.
    agg : {"max", "mean", "sum"}
        How the gaps of rates become one number.
    """

    def __init__(self, loss: Any, rates: np.ndarray, agg: str) -> None:
        self.loss, self.rates, self.agg = loss, rates, agg
        n_rates, n_groups, self.size = rates.shape
        flat = rates.reshape(-1, self.size)
        spread = np.kron(np.eye(n_rates), np.ones((n_groups, 1)))  # which rate a row is of
        empty = np.zeros_like(spread)
        positive = np.hstack([-np.eye(self.size), np.zeros((self.size, 2 * n_rates))])
        below_high, above_low = np.hstack([flat, -spread, empty]), np.hstack([-flat, empty, spread])
        gaps = np.hstack([np.zeros((n_rates, self.size)), np.eye(n_rates), -np.eye(n_rates)])
        if agg != "max":
            gaps = gaps.sum(axis=0, keepdims=True) / (n_rates if agg == "mean" else 1)
        self._gap_rows = gaps
        self._rows = np.vstack([positive, below_high, above_low, gaps])
        self._bound = np.zeros(len(self._rows))

    def gap(self, weight: np.ndarray) -> float:
        """Return the gap of linear rates."""
        values = self.rates @ weight
        gaps = values.max(axis=1) - values.min(axis=1)
        return float({"max": gaps.max, "mean": gaps.mean, "sum": gaps.sum}[self.agg]())

    def smallest_gap(self) -> tuple[float, np.ndarray]:
        """Return the smallest gap that weights reach, and such weights: a linear program."""
        from scipy.optimize import linprog

        n_variables, n_gaps = self._rows.shape[1], len(self._gap_rows)
        rows = np.hstack([self._rows, np.zeros((len(self._rows), 1))])
        rows[-n_gaps:, -1] = -1.0
        total = np.concatenate([np.ones(self.size), np.zeros(n_variables - self.size + 1)])[None]
        bounds = [(0, 1)] * self.size + [(None, None)] * (n_variables - self.size + 1)
        cost = np.concatenate([np.zeros(n_variables), [1.0]])
        found = linprog(cost, rows, self._bound, total, [1.0], bounds=bounds, method="highs")
        weight = _on_simplex(found.x[: self.size])
        return self.gap(weight), weight

    def sweep(self, n_points: int) -> list[np.ndarray]:
        """Return the weights of the smallest loss for bounds from the smallest gap to where the bound is idle."""
        equal = np.full(self.size, 1.0 / self.size)
        best = self.solve(2.0 * self.gap(equal) + 1.0, equal)
        least, start = self.smallest_gap()
        room = self.gap(best) - least
        if room < 1e-9:
            return [best]
        bounds = least + room * np.linspace(1e-3, 1.0, n_points)[:-1]  # at the smallest gap nothing is left to choose
        return [*(self.solve(bound, start) for bound in bounds), best]

    def solve(self, gap: float, start: np.ndarray) -> np.ndarray:
        """Return the weights of the smallest loss whose gap is within a bound; `start` has one strictly within."""
        bound = self._bound.copy()
        bound[-len(self._gap_rows) :] = gap
        inner = self._inner(start, gap)
        t = 1.0 * len(bound)
        while True:
            inner = self._centre(inner, t, bound)
            if len(bound) / t < TOLERANCE:
                return _on_simplex(inner[: self.size])
            t *= 20.0

    def _inner(self, start: np.ndarray, gap: float) -> np.ndarray:
        """Return variables strictly within all bounds."""
        equal = np.full(self.size, 1.0 / self.size)
        slack, rise = gap - self.gap(start), max(self.gap(equal) - self.gap(start), 0.0)
        share = 0.5 if rise <= 0 else min(0.5, 0.5 * slack / rise)
        weight = (1 - share) * start + share * equal
        values = self.rates @ weight
        room = (gap - self.gap(weight)) / (4.0 * (len(values) if self.agg == "sum" else 1))
        return np.concatenate([weight, values.max(axis=1) + room, values.min(axis=1) - room])

    def _centre(self, z: np.ndarray, t: float, bound: np.ndarray) -> np.ndarray:
        """Return the minimum of t L(z) - sum log(bound - rows z) on the plane of weights that sum to 1."""
        size, rows = self.size, self._rows
        for _ in range(MAX_STEPS):
            slack = bound - rows @ z
            slope, curve = self.loss.derivatives(z[:size])
            gradient = rows.T @ (1.0 / slack)
            gradient[:size] += t * slope
            scaled = rows / slack[:, None]
            hessian = scaled.T @ scaled
            hessian[:size, :size] += t * curve
            step = _newton(hessian, gradient, size)
            decrement = -float(gradient @ step)
            if not decrement > 1e-6:  # half of it is the distance to the minimum, in units of 1 / t
                break
            moved = self._line_search(z, step, t, bound, decrement)
            if moved is None:
                break
            z = moved
        return z

    def _line_search(
        self, z: np.ndarray, step: np.ndarray, t: float, bound: np.ndarray, decrement: float
    ) -> np.ndarray | None:
        """Return a point along the step that is lower by a share of what the slope promises; None: rounding."""
        before, length = self._barrier(z, t, bound), 1.0
        for _ in range(50):
            moved = z + length * step
            if self._barrier(moved, t, bound) <= before - 0.1 * length * decrement:
                return moved
            length *= 0.5
        return None

    def _barrier(self, z: np.ndarray, t: float, bound: np.ndarray) -> float:
        slack = bound - self._rows @ z
        return np.inf if (slack <= 0).any() else t * self.loss.value(z[: self.size]) - float(np.log(slack).sum())


def _newton(hessian: np.ndarray, gradient: np.ndarray, size: int) -> np.ndarray:
    """Return the Newton step that leaves the sum of the first `size` variables as it is.

    Variables are scaled to a diagonal of 1: near a bound of 0 a weight's curvature is the square of its inverse.
    """
    scale = 1.0 / np.sqrt(np.diag(hessian))
    system = hessian * scale * scale[:, None] + 1e-13 * np.eye(len(scale))
    total = scale * (np.arange(len(scale)) < size)
    free, along = np.linalg.solve(system, np.column_stack([-gradient * scale, total])).T
    return scale * (free - along * (total @ free) / (total @ along))


def _on_simplex(weight: np.ndarray) -> np.ndarray:
    weight = np.where(weight < LEAST_WEIGHT, 0.0, weight)
    return weight / weight.sum()
