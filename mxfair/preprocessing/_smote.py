"""Neighbours among mixed columns, and the level that most neighbours have."""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import NearestNeighbors

#: Rows whose neighbours' levels are compared at once.
_CHUNK = 65_536


class NeighbourSpace:
    """Numbers and levels of all rows, and the matrix in which Euclidean distance is SMOTE-NC's."""

    def __init__(self, numbers: np.ndarray, levels: np.ndarray, *, standardize: bool) -> None:
        self.numbers, self.levels, self.standardized = numbers, levels, bool(standardize)
        self.deviation = numbers.std(axis=0)
        low, high = numbers.min(axis=0), numbers.max(axis=0)
        candidates = np.flatnonzero((low == 0) & (high == 1))
        self.binary = np.zeros(numbers.shape[1], dtype=bool)
        self.binary[candidates] = ((numbers[:, candidates] == 0) | (numbers[:, candidates] == 1)).all(axis=0)

    def matrix(self, rows: np.ndarray) -> np.ndarray:
        """Return the numbers of some rows, in the units of the distance."""
        unit = np.where(self.deviation > 0, self.deviation, 1.0) if self.standardized else 1.0
        return self.numbers[rows] / unit

    def one_hot(self, rows: np.ndarray, weight: float) -> np.ndarray:
        """Return indicators of the levels of some rows; two rows that differ in one are `weight` apart."""
        blocks = []
        for column in self.levels.T:
            found, codes = np.unique(column[rows], return_inverse=True)
            block = np.zeros((len(rows), len(found)))
            # a differing category moves two indicators: 2 (m / sqrt 2)^2 = m^2
            block[np.arange(len(rows)), codes] = weight / np.sqrt(2)
            blocks.append(block)
        return np.concatenate(blocks, axis=1) if blocks else np.empty((len(rows), 0))


def neighbours(
    space: NeighbourSpace, members: np.ndarray, starts: np.ndarray, k: int, most: int | None, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the k nearest other members of the distinct starts, nearest first, and each start's place among them."""
    distinct, places = np.unique(starts, return_inverse=True)
    points = space.matrix(members)
    # Chawla et al., section 6.1: the median of the standard deviations of the cell's numeric columns
    weight = float(np.median(points.std(axis=0)))
    points = np.concatenate([points, space.one_hot(members, weight)], axis=1)
    asked = np.flatnonzero(np.isin(members, distinct))  # members are sorted by row, as distinct is
    among = np.arange(len(members))
    if most is not None and len(members) > most:
        among = np.sort(rng.choice(len(members), max(most, k + 1), replace=False))
    search = NearestNeighbors(n_neighbors=k + 1).fit(points[among])
    found = among[search.kneighbors(points[asked], return_distance=False)]
    # a row is no neighbour of itself; where it is not found (equal rows, or no candidate) the farthest goes
    itself = found == asked[:, None]
    itself[~itself.any(axis=1), -1] = True
    return members[found[~itself].reshape(-1, k)], places


def majority(levels: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Return, by start and categorical column, a neighbour that has the level of most neighbours; ties: the nearest."""
    donors = np.empty((len(found), levels.shape[1]), dtype=np.int64)
    for column in range(levels.shape[1]):
        for begin in range(0, len(found), _CHUNK):
            part = found[begin : begin + _CHUNK]
            near = levels[part, column]
            votes = (near[:, :, None] == near[:, None, :]).sum(axis=2)
            donors[begin : begin + _CHUNK, column] = part[np.arange(len(part)), votes.argmax(axis=1)]
    return donors
