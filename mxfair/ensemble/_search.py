"""A search for weights where no convex problem says what to look for: random draws, then moves of single weights."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["search"]

#: Shares of the whole weight that a move gives to a member or takes from it.
MOVES = (0.3, 0.1, 0.03, 0.01)
#: Rounds of moves of one size, each of which takes the best of 2 K.
ROUNDS = 20


def search(figures: Any, size: int, *, n_points: int, n_draws: int, rng: np.random.Generator) -> np.ndarray:
    """Return weights that were the best found under each of a row of bounds on the gap.

    Half of the draws are uniform on the simplex, half close to its faces, so that few members count. For each bound
    from the smallest gap drawn to that of the smallest cost, the best draw is improved by moves of single weights.

    Parameters
    ----------
    figures : callable
        From weights (m, K) to costs and gaps, each (m,).
    """
    drawn = np.concatenate(
        [
            np.eye(size),
            rng.dirichlet(np.ones(size), n_draws - n_draws // 2),
            rng.dirichlet(np.full(size, 1.0 / size), n_draws // 2),
        ]
    )
    drawn = drawn[np.isfinite(drawn).all(axis=1)]
    costs, gaps = figures(drawn)
    if np.isnan(gaps).all():
        return drawn[:0]
    largest = gaps[np.lexsort((gaps, np.where(np.isnan(gaps), np.inf, costs)))[0]]
    bounds = np.linspace(np.nanmin(gaps), largest, n_points)
    return np.stack([_improved(figures, drawn, _penalised(costs, gaps, bound), bound) for bound in bounds])


def _penalised(costs: np.ndarray, gaps: np.ndarray, bound: float) -> np.ndarray:
    """Return one number to make small: within the bound the cost, outside of it what is too much."""
    high = np.where(np.isfinite(costs), costs, np.inf)
    worst = 1.0 + np.abs(high[np.isfinite(high)]).max(initial=0.0)
    excess = gaps - bound
    outside = worst * 1e6 * (1.0 + excess)
    return np.where(np.isnan(gaps), np.inf, np.where(excess <= 1e-12, high, outside))


def _improved(figures: Any, drawn: np.ndarray, values: np.ndarray, bound: float) -> np.ndarray:
    place = int(values.argmin())
    weight, value = drawn[place], values[place]
    for share in MOVES:
        for _ in range(ROUNDS):
            moved = _moved(weight, share)
            costs, gaps = figures(moved)
            found = _penalised(costs, gaps, bound)
            best = int(found.argmin())
            if not found[best] < value:
                break
            weight, value = moved[best], found[best]
    return weight


def _moved(weight: np.ndarray, share: float) -> np.ndarray:
    """Return the weights with a share given to each member, and taken from each."""
    given = (1.0 - share) * weight + share * np.eye(len(weight))
    taken = np.maximum(weight - share * np.eye(len(weight)), 0.0)
    total = taken.sum(axis=1, keepdims=True)
    return np.concatenate([given, (taken / np.where(total > 0, total, 1.0))[total[:, 0] > 0]])
