"""Signed distances between groups, their errors over resamples, and which of them may be the largest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

#: A distance is a contender for the largest if it lies within this many standard errors of it.
CONTENDERS = 2.0
#: It is none if it exceeds the largest one in fewer resamples than this share.
RARELY = 0.01
#: In a mean over pairs, the sign of a pair's distance is open within this many: each is a largest gap of its own.
OPEN_SIGN = 2.5
#: More contenders than this are replaced by all pairs of the groups on either side of them, which need no list.
MAX_CONTENDERS = 20_000
#: Upper bounds are looked up for so many contenders, those whose bound is highest by the normal distribution.
MAX_BOUNDS = 32
#: Numbers held at once.
CHUNK = 1_000_000


@dataclass(frozen=True)
class GapErrors:
    """A gap and what it may be wrong by, in each resample.

    Parameters
    ----------
    gap : float
    shortfall : ndarray of shape (n_resamples,)
        How far the truth may lie below, the contenders for the largest distance considered.
    error : ndarray of shape (n_resamples,)
        How far the resampled gap lies above the gap, each distance with the sign that it has in the data.
    """

    gap: float
    shortfall: np.ndarray
    error: np.ndarray


class SignedDistances:
    r"""Distances :math:`d_j = v_{ra} - v_{rb}` of each rate r and each ordered pair of columns a, b.

    Columns are groups, or groups and the base that they are compared with. With :math:`e_j = d_j^* - d_j`, a distance j
    is a contender if :math:`\max d - d_j \le c \, \mathrm{sd}(e_{top} - e_j)` and it is the larger one of the two in a
    hundredth of the resamples: the logarithm of a rare rate has a long tail, and by its standard deviation alone a
    group might be thought to lie on either side of another.

    Parameters
    ----------
    resampled, values, resampled_base, base : array
        As for `gap_interval`, of at least two groups.
    logarithms : bool
        Take distances of logarithms: of ratios.
    """

    def __init__(
        self, resampled: np.ndarray, values: np.ndarray, resampled_base: Any, base: Any, *, logarithms: bool
    ) -> None:
        self.first, self.second = _pairs(values.shape[1], base is not None)
        if base is not None:
            values = np.concatenate([values, np.asarray(base)[:, None]], axis=1)
            resampled = np.concatenate([resampled, np.asarray(resampled_base)[..., None]], axis=2)
        if logarithms:
            values, resampled = np.log(values), np.log(np.maximum(resampled, 1e-300))  # 0: far, and not infinitely so
        drawn = np.ascontiguousarray(
            np.moveaxis(resampled, 0, -1)
        )  # resamples side by side: every step runs along them
        lacking = np.isnan(drawn) & ~np.isnan(values)[..., None]
        self.drawn = drawn[..., ~lacking.any(axis=(0, 1))] if lacking.any() else drawn
        self.n_resamples, self.logarithms = self.drawn.shape[-1], logarithms
        self.values = values
        self.largest = float("nan")
        if self.n_resamples:
            self._find_contenders(values[:, self.first] - values[:, self.second])

    def _find_contenders(self, distances: np.ndarray) -> None:
        """Find the contenders, the one with the highest upper bound first; `top` is the place of the largest."""
        rate, pair = np.unravel_index(np.nanargmax(distances), distances.shape)
        self.largest = float(distances[rate, pair])
        centred = self.drawn - self.drawn.mean(axis=-1, keepdims=True)
        centred[np.isnan(self.values)] = 0.0
        covariance = centred @ centred.transpose(0, 2, 1) / self.n_resamples
        own = np.diagonal(covariance, axis1=1, axis2=2)
        variance = own[:, self.first] + own[:, self.second] - 2 * covariance[:, self.first, self.second]
        top = centred[rate, self.first[pair]] - centred[rate, self.second[pair]]
        joint = centred @ top / self.n_resamples
        apart = variance[rate, pair] + variance - 2 * (joint[:, self.first] - joint[:, self.second])
        near = self.largest - distances <= CONTENDERS * np.sqrt(np.maximum(apart, 0))
        near[rate, pair] = True
        rates, pairs = np.nonzero(near)
        if len(rates) <= MAX_CONTENDERS:
            likely = self._share_above(rates, pairs, (rate, pair)) >= RARELY
            rates, pairs = rates[likely], pairs[likely]
        bounds = distances[rates, pairs] + 2 * np.sqrt(np.maximum(variance[rates, pairs], 0))
        order = np.argsort(-bounds, kind="stable")
        self._rates, self._first = rates[order], self.first[pairs[order]]
        self._second, self._gaps = self.second[pairs[order]], distances[rates, pairs][order]
        self._top = int(self._gaps.argmax())

    def _share_above(self, rates: np.ndarray, pairs: np.ndarray, top: tuple[Any, Any]) -> np.ndarray:
        """Return the share of resamples in which each distance is at least the top one."""
        highest = self.drawn[top[0], self.first[top[1]]] - self.drawn[top[0], self.second[top[1]]]
        share = np.empty(len(rates))
        step = max(1, CHUNK // self.n_resamples)
        for start in range(0, len(rates), step):
            part = slice(start, start + step)
            first, second = self.first[pairs[part]], self.second[pairs[part]]
            drawn = self.drawn[rates[part], first] - self.drawn[rates[part], second]
            share[part] = (drawn >= highest).mean(axis=-1)
        return share

    def _drawn(self, part: slice | int) -> np.ndarray:
        """Return some contenders' distances in each resample."""
        return self.drawn[self._rates[part], self._first[part]] - self.drawn[self._rates[part], self._second[part]]

    def shortfall(self) -> np.ndarray:
        """Return the largest of the contenders' -e in each resample."""
        if len(self._gaps) > MAX_CONTENDERS:
            return self._shortfall_of_groups()
        largest = np.full(self.n_resamples, -np.inf)
        step = max(1, CHUNK // self.n_resamples)
        for start in range(0, len(self._gaps), step):
            part = slice(start, start + step)
            np.maximum(largest, (self._gaps[part, None] - self._drawn(part)).max(axis=0), out=largest)
        return largest

    def _shortfall_of_groups(self) -> np.ndarray:
        """Return the same for all pairs of a first and a second column of some contender: max -e_a + max e_b."""
        largest = np.full(self.n_resamples, -np.inf)
        for rate in np.unique(self._rates):
            error = self.drawn[rate] - self.values[rate][:, None]
            first, second = (np.unique(side[self._rates == rate]) for side in (self._first, self._second))
            np.maximum(largest, (-error[first]).max(axis=0) + error[second].max(axis=0), out=largest)
        return largest

    def upper(self, place: float) -> float:
        """Return the largest of the contenders' quantiles."""
        return float(np.quantile(self._drawn(slice(MAX_BOUNDS)), place, axis=-1, overwrite_input=True).max())

    def of_largest(self) -> GapErrors:
        """Return the errors of the largest distance; for logarithms, of the smallest ratio's negative."""
        if not self.logarithms:
            return GapErrors(self.largest, self.shortfall(), self._drawn(0) - self._gaps[0])
        ratio = np.exp(-self.largest)
        shortfall = np.exp(np.minimum(self.shortfall() - self.largest, _LARGE)) - ratio
        return GapErrors(-ratio, shortfall, np.exp(-self._gaps[0]) - np.exp(-self._drawn(0)))

    def mean_of_pairs(self) -> GapErrors:
        """Return the errors of the mean distance over pairs; for logarithms, of the mean ratio's negative; one rate."""
        there = np.flatnonzero(~np.isnan(self.values[0]))
        order = there[np.argsort(-self.values[0, there], kind="stable")]
        first, second = (order[side] for side in np.triu_indices(len(order), 1))  # the larger value first
        gap, shortfall, error = 0.0, np.zeros(self.n_resamples), np.zeros(self.n_resamples)
        step = max(1, CHUNK // self.n_resamples)
        for start in range(0, len(first), step):
            a, b = first[start : start + step], second[start : start + step]
            distance = (self.values[0, a] - self.values[0, b])[:, None]
            drawn = self.drawn[0, a] - self.drawn[0, b]
            tied = distance[:, 0] <= OPEN_SIGN * drawn.std(axis=-1)
            if self.logarithms:
                other = np.exp(np.minimum(drawn[tied], _LARGE)) - np.exp(distance[tied])
                distance, drawn = -np.exp(-distance), -np.exp(-np.maximum(drawn, -_LARGE))
            else:
                other = drawn[tied] - distance[tied]
            above = drawn - distance
            below = -above
            below[tied] = np.maximum(below[tied], other)
            gap += float(distance.sum())
            shortfall += below.sum(axis=0)
            error += above.sum(axis=0)
        return GapErrors(gap / len(first), shortfall / len(first), error / len(first))


#: Logarithms of ratios beyond which a ratio is as good as infinite.
_LARGE = 50.0


def _pairs(n_groups: int, with_base: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and the second column of each signed distance; a base is the last column."""
    if not with_base:
        first, second = np.nonzero(~np.eye(n_groups, dtype=bool))
        return first, second
    groups, last = np.arange(n_groups), np.full(n_groups, n_groups)
    return np.concatenate([groups, last]), np.concatenate([last, groups])
