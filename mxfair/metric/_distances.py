"""Distance covariance of two variables, exact in n log n time and linear memory."""

from __future__ import annotations

import numpy as np

from mxfair.metric._dominance import dense_ranks, earlier, levels


class Distances:
    """Sums of products of distances |x_i - x_j| |z_i - z_j|, for any pairing of x with z."""

    def __init__(self, x: np.ndarray, z: np.ndarray) -> None:
        order = np.argsort(x)
        self.n, self.order = len(x), order
        self.x, self.z = _standardized(x[order]), _standardized(z)
        self.ranks = dense_ranks(self.z)
        self.rows_x, self.rows_z = _row_sums(self.x), _row_sums(self.z)

    def products(self, pairing: np.ndarray) -> float:
        """Return the sum over all i and j, given the pairing of the x in order with the z."""
        x, z, ranks = self.x, self.z[pairing], self.ranks[pairing]
        # sum_{j before i} (x_i - x_j) |z_i - z_j| = 2 * (its part with z_j < z_i) - the same without | |
        agreeing = 0.0
        for order, ones, starts in levels(ranks):
            u, v = x[order], z[order]
            one, other, both = (earlier(w, ones, starts) for w in (u, v, u * v))
            count = earlier(np.ones(len(u)), ones, starts)
            u, v = u[ones], v[ones]
            agreeing += float((u * v) @ count - u @ other - v @ one + both.sum())
        signed = self.n * float(x @ z) - float(x.sum() * z.sum())
        return 2 * (2 * agreeing - signed)

    def correlation(self, pairing: np.ndarray) -> float:
        """Return the distance correlation."""
        paired = pairing[self.order]
        covariance = self._centred(self.products(paired), self.rows_x, self.rows_z[paired])
        size = self.size()
        return float(np.sqrt(max(covariance, 0.0) / size)) if size > 0 else float("nan")

    def size(self) -> float:
        """Return the root of the product of the two distance variances."""
        variances = [self._centred(_squares(s), r, r) for s, r in ((self.x, self.rows_x), (self.z, self.rows_z))]
        return float(np.sqrt(max(variances[0], 0.0) * max(variances[1], 0.0)))

    def formula(self, value: float) -> tuple[float, float]:
        """Return the floor, from E[dCov^2] = E|x - x'| E|z - z'| / n, and the p-value of the chi-square test."""
        from scipy.stats import chi2

        n = self.n
        means = [float(rows.sum()) / n**2 for rows in (self.rows_x, self.rows_z)]
        floor = float(np.sqrt(means[0] * means[1] / n / self.size()))
        if n < 4:
            return floor, float("nan")
        # back from dCov^2 to the sum over pairs, to take the unbiased estimate of each
        joint = self._unbiased(self.products(self.order), self.rows_x, self.rows_z[self.order])
        own = [self._unbiased(_squares(s), r, r) for s, r in ((self.x, self.rows_x), (self.z, self.rows_z))]
        if min(own) <= 0:
            return floor, float("nan")
        return floor, float(chi2.sf(n * joint / np.sqrt(own[0] * own[1]) + 1, 1))

    def _centred(self, products: float, rows: np.ndarray, columns: np.ndarray) -> float:
        n = float(self.n)
        return products / n**2 - 2 * float(rows @ columns) / n**3 + float(rows.sum()) * float(columns.sum()) / n**4

    def _unbiased(self, products: float, rows: np.ndarray, columns: np.ndarray) -> float:
        n = float(self.n)
        total = float(rows.sum()) * float(columns.sum()) / ((n - 1) * (n - 2))
        return (products - 2 * float(rows @ columns) / (n - 2) + total) / (n * (n - 3))


def _standardized(values: np.ndarray) -> np.ndarray:
    """Return values about their mean in standard deviations: distances keep their ratios."""
    if len(values) == 0 or values.min() == values.max():
        return np.zeros(len(values))
    centred = values - values.mean()
    return centred / centred.std()


def _row_sums(values: np.ndarray) -> np.ndarray:
    """Return sum_j |v_i - v_j| for each i."""
    # with i counted from 0 in sorted order: (2 i - n) v_i + (sum of all) - 2 (sum of those before i)
    n, order = len(values), np.argsort(values)
    ordered = values[order]
    result = np.empty(n)
    smaller = np.cumsum(ordered) - ordered
    result[order] = (2 * np.arange(n) - n) * ordered + ordered.sum() - 2 * smaller
    return result


def _squares(values: np.ndarray) -> float:
    """Return the sum of (v_i - v_j)^2 over all i and j."""
    return 2 * len(values) * float(values @ values) - 2 * float(values.sum()) ** 2
