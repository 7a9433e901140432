"""Bootstrap resamples of rows, the same for every figure: how often each row is drawn, and sums with these counts."""

from __future__ import annotations

import numpy as np

__all__ = ["RowDraws"]

#: Numbers of a piece of the counts that is cast and multiplied at once.
PIECE = 2**22


class RowDraws:
    """How often each row occurs in each resample of as many rows.

    Parameters
    ----------
    n : int
        Number of rows.
    n_resamples : int
    rng : numpy.random.Generator

    Notes
    -----
    A byte for each row and resample is all that is kept: 20 MB for 100,000 rows and 200 resamples.
    """

    def __init__(self, n: int, n_resamples: int, rng: np.random.Generator) -> None:
        self.counts = np.empty((n, n_resamples), dtype=np.uint8)
        for place in range(n_resamples):
            self.counts[:, place] = np.bincount(rng.integers(0, n, n), minlength=n)
        self.n_resamples = n_resamples
        self._step = max(1, PIECE // max(1, n_resamples))

    def tally(self, rows: np.ndarray, cells: np.ndarray, size: int, values: np.ndarray | None = None) -> np.ndarray:
        """Return what rows add to cells in each resample, shape (n_resamples, size).

        Parameters
        ----------
        rows, cells : ndarray of int, shape (n_entries,)
            A row may have several entries.
        size : int
            Number of cells.
        values : ndarray of float, shape (n_entries,), optional
            What one occurrence of the row adds. Default: 1.
        """
        from scipy.sparse import csr_matrix

        order = np.argsort(rows, kind="stable")
        rows, cells = rows[order], cells[order]
        values = np.ones(len(rows), dtype=np.float32) if values is None else values[order].astype(np.float32)
        kept, local = np.unique(rows, return_inverse=True)
        total = np.zeros((size, self.n_resamples))
        for start in range(0, len(kept), self._step):
            part = kept[start : start + self._step]
            low, high = np.searchsorted(local, [start, start + len(part)])
            entries = (values[low:high], (cells[low:high], local[low:high] - start))
            total += csr_matrix(entries, shape=(size, len(part))) @ self.counts[part].astype(np.float32)
        return total.T

    def sums(self, codes: np.ndarray, features: np.ndarray, n_groups: int) -> np.ndarray:
        """Return the sums of features by group in each resample, shape (n_resamples, n_groups, n_features).

        Parameters
        ----------
        codes : ndarray of int, shape (n,)
        features : ndarray of float, shape (n, n_features)
        n_groups : int
        """
        total = np.zeros((n_groups, self.n_resamples, features.shape[1]))
        for group in range(n_groups):
            rows = np.flatnonzero(codes == group)
            for start in range(0, len(rows), self._step):
                part = rows[start : start + self._step]
                total[group] += self.counts[part].T.astype(np.float64) @ features[part]
        return np.moveaxis(total, 0, 1)
