"""Mann and Whitney's U of columns of scores, over all samples and by group: what every AUC here is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: A column with at least this many samples per positive is narrowed by bins before it is sorted.
SPARSE = 64
#: 2**BITS bins narrow a column: their table stays in the processor's second cache.
BITS = 14


@dataclass(frozen=True)
class Positives:
    """The positives of a column in the order of their scores.

    Parameters
    ----------
    scores, mass : ndarray of float, shape (n_positives,)
        Their scores and weights.
    below, below_own : ndarray of float, shape (n_positives,)
        Weight of all samples, and of those of the same group, that are scored below each, ties half.
    codes : ndarray of int, shape (n_positives,)
        Their groups.
    """

    scores: np.ndarray
    mass: np.ndarray
    below: np.ndarray
    below_own: np.ndarray
    codes: np.ndarray

    def u(self, n_groups: int) -> np.ndarray:
        """Return U over all samples and by group, shape (1 + n_groups,)."""
        total = self.mass @ self.below - self.mass.sum() ** 2 / 2
        sums = np.bincount(self.codes, self.mass * self.below_own, minlength=n_groups)
        own = np.bincount(self.codes, self.mass, minlength=n_groups)
        return np.concatenate([[total], sums - own**2 / 2])

    def components(self, negatives: float) -> tuple[float, float]:
        """Return DeLong's S10 and S01, the variances of the placements of positives and of negatives.

        A positive's placement is the share of the negatives below it; a negative's the share of the positives above it,
        which is the same for all negatives between two positives. `negatives` is the negatives' weight.
        """
        size, squares = self.mass.sum(), (self.mass**2).sum()
        effective = size**2 / squares if squares else 0.0
        if effective <= 1 or not negatives:
            return float("nan"), float("nan")
        heaped = np.concatenate([[0.0], np.cumsum(self.mass)])
        ties = np.searchsorted(self.scores, self.scores), np.searchsorted(self.scores, self.scores, side="right")
        passed = self.below - (heaped[ties[0]] + heaped[ties[1]]) / 2
        auc = self.mass @ passed / (size * negatives)
        s10 = self.mass @ (passed / negatives - auc) ** 2 / size * effective / (effective - 1)
        between = np.diff(passed, prepend=0, append=negatives)
        return float(s10), float(between @ (1 - heaped / size - auc) ** 2 / negatives)


class MannWhitney:
    r"""Looks up the positives of columns that share their rows.

    With B(i) the weight of all samples scored below sample i, ties counting half,

    .. math:: U = \sum_{i: y_i = 1} w_i B(i) - W_+^2 / 2

    since any weights give :math:`\sum_{ij} w_i w_j (1[s_j < s_i] + 1[s_j = s_i] / 2) = W_+^2 / 2` among the positives.
    So only the positives are looked up, and among all samples: a column is never split by label.

    Sorting a column of 50,000 for the sake of 50 positives is a waste. Bins are cut by a function that never decreases,
    so the samples of bins without a positive are surely below or above each positive, and only the others are sorted.

    Buffers are kept from column to column: fresh memory costs more than the arithmetic.

    Parameters
    ----------
    n_samples : int
    codes : ndarray of int, optional
        Group of each sample.
    n_groups : int
    weight : ndarray of float64, optional
    """

    def __init__(
        self, n_samples: int, codes: np.ndarray | None = None, n_groups: int = 1, weight: np.ndarray | None = None
    ) -> None:
        self.codes = codes if n_groups > 1 else None
        self.n_groups, self.weight = n_groups, weight
        self._place, self._interval = np.empty((2, n_samples), dtype=np.intp)
        self._cells = np.empty(n_samples if self.codes is not None else 0, dtype=np.intp)
        self._near = np.empty(n_samples, dtype=bool)
        self._keys: dict[np.dtype, tuple[np.ndarray, np.ndarray]] = {}

    def __call__(self, scores: np.ndarray, positives: np.ndarray) -> Positives:
        """Return the positives in the order of their scores, with the weight of what lies below each.

        Parameters
        ----------
        scores : ndarray of float32 or float64, shape (n_samples,), contiguous, finite
        positives : ndarray of int
            Rows of the positive samples.
        """
        positives = positives[np.argsort(scores[positives])]
        points = scores[positives]
        near, lower = self._narrow(scores, positives)
        weight = None if self.weight is None else self.weight[near]
        mass = np.ones(len(points)) if self.weight is None else self.weight[positives]
        if self.codes is None and weight is None:
            order, ranked = None, np.sort(scores[near])
        else:
            order = np.argsort(scores[near])
            ranked = scores[near][order]
        left, right = np.searchsorted(ranked, points), np.searchsorted(ranked, points, side="right")
        below = lower.sum(axis=0) + _before(weight, order, left, right)
        if self.codes is None or order is None:
            return Positives(points, mass, below, below, np.zeros(len(points), dtype=np.intp))
        own = self.codes[positives]
        keys, ranks = _sorted_by_group(self.codes[near][order], self.n_groups)
        within, start = None if weight is None else order[ranks], own * (len(order) + 1)
        below_own = lower[own, np.arange(len(own))]
        below_own += _before(weight, within, *(np.searchsorted(keys, start + place) for place in (left, right)))
        below_own -= _before(weight, within, *2 * (np.searchsorted(keys, start),))
        return Positives(points, mass, below, below_own, own)

    def _narrow(self, scores: np.ndarray, positives: np.ndarray) -> tuple[np.ndarray | slice, np.ndarray]:
        """Return the rows that share a bin with a positive, and for each positive the others' weight below, by group.

        The P bins with a positive and the P + 1 intervals between these are numbered in order, so that the odd numbers
        are the positives' bins.
        """
        rows = 1 if self.codes is None else self.n_groups
        bins = self._bins(scores) if 0 < len(positives) * SPARSE <= len(scores) else None
        if bins is None:
            return slice(None), np.zeros((rows, len(positives)))
        taken = np.unique(bins[positives])
        marks = np.zeros(2**BITS + 1, dtype=np.intp)
        marks[taken] += 1
        marks[taken + 1] += 1
        numbers = np.cumsum(marks)
        cells = interval = numbers.take(bins, out=self._interval, mode="clip")  # clip spares a check of each index
        width = 2 * len(taken) + 1
        if self.codes is not None:
            cells = np.multiply(self.codes, width, out=self._cells)
            cells += interval
        counts = np.bincount(cells, self.weight, minlength=rows * width).reshape(rows, width)
        lower = np.cumsum(counts[:, ::2], axis=1, dtype=float)[:, interval[positives] >> 1]
        is_near = (numbers & 1).astype(bool).take(bins, out=self._near, mode="clip")
        return np.flatnonzero(is_near), lower

    def _bins(self, scores: np.ndarray) -> np.ndarray | None:
        """Return a bin below 2**BITS for each score, never decreasing in the score; None where bins cannot be cut.

        Scores that may be negative, such as logits, are cut evenly. Others, such as probabilities, are cut by their
        leading bits, hence about evenly in their logarithm: a thousand classes crowd near 0.
        """
        if scores.dtype not in self._keys:
            shape = len(scores)
            self._keys[scores.dtype] = np.empty(shape, scores.dtype), np.empty(shape, f"i{scores.itemsize}")
        floats, integers = self._keys[scores.dtype]
        low, high = scores.min(), scores.max()
        if low >= 0:
            np.add(scores, 0, out=floats)  # a negative zero equals zero
            bits = floats.view(integers.dtype)
            least, most = int(bits.min()), int(bits.max())
            np.subtract(bits, least, out=integers)
            np.right_shift(integers, max((most - least).bit_length() - BITS, 0), out=integers)
            np.copyto(self._place, integers)
            return self._place
        with np.errstate(over="ignore", divide="ignore"):
            scale = scores.dtype.type(2**BITS - 1) / (high - low)
        if not 0 < scale < np.inf:
            return None
        np.subtract(scores, low, out=floats)
        np.multiply(floats, scale, out=floats)
        np.copyto(integers, floats, casting="unsafe")
        np.copyto(self._place, integers)
        return self._place


def _before(weight: np.ndarray | None, order: np.ndarray | None, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the weight of an order's samples before the places `left` and `right`, averaged."""
    if weight is None:
        return (left + right) / 2
    heaped = np.concatenate([[0.0], np.cumsum(weight[order])])
    return (heaped[left] + heaped[right]) / 2


def _sorted_by_group(codes: np.ndarray, n_groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Return sorted keys group * (n + 1) + rank of samples given in the order of their rank, and the ranks."""
    ranks = np.argsort(codes.astype(np.min_scalar_type(n_groups)), kind="stable")  # small integers: a radix sort
    return codes[ranks] * (len(codes) + 1) + ranks, ranks
