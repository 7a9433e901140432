"""The thresholds of one fit: the objective and the criterion on the curves, solved in one of two ways."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair._validation import InputError
from mxfair.confusion import GroupConfusion
from mxfair.postprocessing._curves import Curve, Histograms
from mxfair.postprocessing._goals import Objective, Rates
from mxfair.postprocessing._mixtures import Mixture, MixtureSearch
from mxfair.postprocessing._windows import WindowSearch

#: Parts of the search for deterministic thresholds before it stops without a proof.
MAX_NODES = 10_000
#: What another solution must gain, in units of the objective, to be looked for.
TOLERANCE = 1e-9
#: How often a quotient is improved by its own value (Dinkelbach), or the price of a selection is halved.
_STEPS = 40
#: Where more bins than this must be opened, all rows are sorted instead.
_MANY = 0.3


@dataclass(frozen=True)
class Choice:
    """Thresholds of each group with their shares, and what they give on the fitted rows.

    Parameters
    ----------
    thresholds, shares : ndarray of shape (n_groups, n_mixed)
    counts : ndarray of shape (n_groups, 2, 2)
        By label and decision, negatives first; expected ones of mixtures.
    objective, gap : float
    """

    thresholds: np.ndarray
    shares: np.ndarray
    counts: np.ndarray
    objective: float
    gap: float


@dataclass
class _Solved:
    """What a solver found: chosen points of each group, their shares, and their means, shape (n_groups, 3)."""

    curves: list[Curve]
    shares: list[np.ndarray]
    means: np.ndarray


class Chooser:
    """Chooses thresholds for given rows, for any bound of the gap.

    Parameters
    ----------
    objective : Objective
    rates : Rates
    sources : list of Curve, or Histograms
    names : list of str
    randomized : bool
    selection_rate : float or None
        The largest share of all that may be selected.
    """

    def __init__(
        self,
        objective: Objective,
        rates: Rates,
        sources: Any,
        *,
        names: list[str],
        randomized: bool,
        selection_rate: float | None,
    ) -> None:
        self._objective, self._rates, self._randomized, self._limit = objective, rates, randomized, selection_rate
        self._names, self._histograms = names, sources if isinstance(sources, Histograms) else None
        self.curves = [sources.curve(g) for g in range(len(names))] if self._histograms else sources
        self._totals = np.array([[c.positives, c.negatives] for c in self.curves])
        if len(names) == 1:  # nothing to compare
            self._values = [np.zeros((len(curve.hits), 1)) for curve in self.curves]
        elif not randomized:
            self._values = [rates.values(curve) for curve in self.curves]

    @property
    def sign(self) -> float:
        """1 where a larger objective is better, else -1."""
        return self._objective.sign

    def choose(self, max_gap: float) -> Choice:
        """Return the best thresholds with a gap of at most this.

        Raises
        ------
        InputError
            If there are none.
        """
        budget = self._rates.budget(max_gap) if len(self._names) > 1 else np.inf
        solver = self._mixed(budget) if self._randomized else self._single(budget)
        numerator, denominator = self._objective.coefficients(*self._totals.sum(axis=0))
        solved = _largest(solver, numerator, denominator, self._totals)
        if solved is None:
            raise InputError(
                f"Some thresholds must meet {self._rates.criterion.name} within max_gap={max_gap:g}"
                f"{'' if self._limit is None else ' and the selection rate'}; none were found. Allow a larger max_gap"
                f"{'' if self._randomized else ', or use randomized=True'}."
            )
        return self._choice(solved, numerator, denominator)

    def _single(self, budget: float) -> Callable[[np.ndarray], _Solved | None]:
        """Return the solver of deterministic thresholds."""
        budget = min(budget, 1e300)
        search = WindowSearch(self._values, budget, joint=self._rates.joint, max_nodes=MAX_NODES, tolerance=TOLERANCE)
        designs = [curve.design for curve in self.curves]

        def solve(gains: np.ndarray, caps: np.ndarray | None = None) -> _Solved | None:
            among = None if caps is None else [d[:, 1:].sum(axis=1) <= cap for d, cap in zip(designs, caps)]
            picks = search.solve([design @ gain for design, gain in zip(designs, gains)], among)
            if search.unproven > 0:
                best = "none was found" if picks is None else f"others may be better by up to {search.unproven:.2g}"
                warnings.warn(
                    f"The search for thresholds ended before its proof: {best}. Allow another max_gap, or use "
                    "randomized=True.",
                    stacklevel=2,
                )
            if picks is None:
                return None
            chosen = [curve.take(np.array([pick])) for curve, pick in zip(self.curves, picks)]
            return _Solved(chosen, [np.ones(1)] * len(chosen), np.concatenate([c.design for c in chosen]))

        return solve if self._limit is None else self._priced(solve, self._limit)

    def _priced(self, solve: Callable[..., _Solved | None], limit: float) -> Callable[..., _Solved | None]:
        """Return a solver that keeps a selection rate, by a price of each selection that is as low as it can be."""
        total = self._totals.sum()
        price_of_one = np.array([0.0, 1.0, 1.0]) / total

        def keeps(solved: _Solved) -> bool:
            return bool(solved.means[:, 1:].sum() <= limit * total * (1 + 1e-12))

        def priced(gains: np.ndarray) -> _Solved | None:
            best = solve(gains)
            if best is None or keeps(best):
                return best
            low, high, best, value = 0.0, 1.0, None, -np.inf
            for _ in range(_STEPS):
                price = high if best is None else (low + high) / 2
                solved = solve(gains - price * price_of_one)
                if solved is None or not keeps(solved):
                    low, high = price, max(high, price * 4 if best is None else high)
                    continue
                high, gain = price, float((solved.means * gains).sum())
                if gain > value:
                    best, value = solved, gain
            return self._capped(solve, gains, best, limit * total * (1 + 1e-12))

        return priced

    def _capped(self, solve: Callable[..., _Solved | None], gains: np.ndarray, best: Any, room: float) -> Any:
        """Return what is better than the best that a price gives, by shares of the selections for each group."""
        sizes = self._totals.sum(axis=1)
        value = -np.inf if best is None else float((best.means * gains).sum())
        starts = [sizes * room / sizes.sum()]
        for known in [best, solve(gains)]:
            used = None if known is None else known.means[:, 1:].sum(axis=1)
            if used is not None and used.sum() > 0:
                starts.append(used * room / used.sum())
                shares = np.eye(len(sizes)) if used.sum() < room else np.empty((0, len(sizes)))
                starts.extend(used + (room - used.sum()) * share for share in shares)
        for start in starts:
            caps = start
            for _ in range(_STEPS):
                solved = solve(gains, caps)
                gain = -np.inf if solved is None else float((solved.means * gains).sum())
                if solved is None or gain <= value + TOLERANCE:
                    break
                best, value, used = solved, gain, solved.means[:, 1:].sum(axis=1)
                caps = used + (room - used.sum()) * sizes / sizes.sum()
        return best

    def _mixed(self, budget: float) -> Callable[[np.ndarray], _Solved | None]:
        """Return the solver of randomized thresholds."""
        rates = np.array([self._rates.coefficients(curve) for curve in self.curves])
        limit = None
        if self._limit is not None:
            total = self._totals.sum()
            limit = np.tile(np.array([0.0, 1.0, 1.0]) / total, (len(self._names), 1)), self._limit
        search = MixtureSearch(rates, min(budget, 1e6), joint=self._rates.joint, limit=limit)

        def solve(gains: np.ndarray) -> _Solved | None:
            while True:
                corners = [curve.take(curve.hull()) for curve in self.curves]
                mixture = search.solve([corner.design for corner in corners], gains)
                if mixture is None or not self._refined(mixture, corners):
                    break
            if mixture is None:
                return None
            used = [np.flatnonzero(share > 0) for share in mixture.shares]
            chosen = [corner.take(places) for corner, places in zip(corners, used)]
            shares = [share[places] for share, places in zip(mixture.shares, used)]
            return _Solved(chosen, shares, np.array([s @ c.design for s, c in zip(shares, chosen)]))

        return solve

    def _refined(self, mixture: Mixture, corners: list[Curve]) -> bool:
        """Open the bins inside which a point may still gain; return whether there were any: column generation."""
        if self._histograms is None:
            return False
        wanted = []
        for group, (price, corner) in enumerate(zip(mixture.prices, corners)):
            known = (corner.design @ price).max()
            sums = [np.maximum(p * c[1:], p * c[:-1]) for p, c in zip(price[1:], self._histograms.boxes(group))]
            wanted.append((price[0] + sums[0] + sums[1] > known + TOLERANCE)[::-1])
        if np.mean(wanted) > _MANY:
            self.curves, self._histograms = self._histograms.sorted(), None
            return True
        if not self._histograms.open(np.array(wanted)):
            return False
        self.curves = [self._histograms.curve(group) for group in range(len(wanted))]
        return True

    def _choice(self, solved: _Solved, numerator: np.ndarray, denominator: np.ndarray) -> Choice:
        width = max(map(len, solved.shares))
        thresholds, shares = np.full((len(solved.shares), width), np.inf), np.zeros((len(solved.shares), width))
        for group, (curve, share) in enumerate(zip(solved.curves, solved.shares)):
            levels = curve.thresholds.copy()
            for place in np.flatnonzero(np.isnan(levels)):
                if self._histograms is not None:
                    levels[place] = self._histograms.edge(group, curve.hits[place] + curve.false[place])
            order = np.argsort(levels)
            thresholds[group, : len(share)], shares[group, : len(share)] = levels[order], share[order]
        hits, false = solved.means[:, 1], solved.means[:, 2]
        positives, negatives = self._totals.T
        counts = np.stack([negatives - false, false, positives - hits, hits], axis=1).reshape(-1, 2, 2)
        counts = np.maximum(counts, 0.0)
        value = self._objective.sign * _quotient(solved.means, numerator, denominator)
        return Choice(thresholds, shares, counts, value, self.gap(counts))

    def gap(self, counts: np.ndarray) -> float:
        """Return the criterion's gap of expected counts."""
        ordered = counts if self._rates.place else counts[:, ::-1, ::-1]
        table = GroupConfusion(self._names, [0, 1], ordered)
        return self._rates.criterion.with_positive(self._rates.place).difference(table)


def _quotient(means: np.ndarray, numerator: np.ndarray, denominator: np.ndarray) -> float:
    """Return the value of a quotient of sums over all groups."""
    sums = np.append(1.0, means[:, 1:].sum(axis=0))
    below = float(sums @ denominator)
    return float(sums @ numerator) / below if below > 0 else np.nan


def _largest(
    solver: Callable[[np.ndarray], _Solved | None], numerator: np.ndarray, denominator: np.ndarray, totals: np.ndarray
) -> _Solved | None:
    """Return the solution with the largest quotient, by Dinkelbach's method where the denominator moves.

    The best of numerator - value * denominator is worth nothing where the value is the largest quotient.

    References
    ----------
    Dinkelbach, "On Nonlinear Fractional Programming", Management Science 13, 1967.
    """
    start = np.append(0.0, numerator[1:])
    if not np.abs(denominator[1:]).any():
        if not denominator[0] > 0:
            raise InputError("'objective' must be defined on the rows; a label that it needs is absent. Add rows.")
        return solver(np.tile(start / denominator[0], (len(totals), 1)))
    every = np.append(1.0, totals.sum(axis=0))
    scale = max(float(every @ denominator), 1e-300)
    best, value, current = None, -np.inf, float(every @ numerator) / scale  # everybody's value is a start
    for _ in range(_STEPS):
        gains = (numerator - current * denominator) * np.array([0.0, 1.0, 1.0]) / scale
        solved = solver(np.tile(gains, (len(totals), 1)))
        found = np.nan if solved is None else _quotient(solved.means, numerator, denominator)
        if (
            np.isnan(found) and best is None and solved is not None
        ):  # nobody is selected: a selection is to be worth more
            current -= max(1.0, abs(current))
            continue
        if np.isnan(found) or (best is not None and found <= value + 1e-12):
            break
        best, value, current = solved, found, found
    return best
