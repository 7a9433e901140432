"""Sums over pairs of samples of which one is larger in two ways, in n log n time and linear memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def levels(ranks: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield, for each binary digit of the ranks from the highest on, which pairs it decides.

    Two samples with rank_j < rank_i agree in their leading digits up to one where j has 0 and i has 1. At that level
    both lie in one block, in the order in which they came: so over all levels, each pair (i, j) with j before i and
    rank_j < rank_i is met exactly once, as a sample with digit 1 and an earlier one with digit 0 of the same block.

    Parameters
    ----------
    ranks : ndarray of int, shape (n,)
        From 0, equal for ties.

    Yields
    ------
    order : ndarray of int, shape (n,)
        Samples, block after block.
    ones : ndarray of int
        Places in `order` of the samples with digit 1.
    starts : ndarray of int, shape of `ones`
        Where the block of each of them starts in `order`.
    """
    small = np.int32 if len(ranks) < 2**30 else np.int64  # half the memory to move
    below = np.concatenate([[0], np.cumsum(np.bincount(ranks))]).astype(small)  # number of samples of a smaller rank
    order: np.ndarray = np.arange(len(ranks), dtype=small)
    current: np.ndarray = ranks.astype(small)
    place = order
    for digit in reversed(range((len(below) - 2).bit_length())):
        bit = (current >> digit) & 1 == 1
        block = (current >> (digit + 1)) << (digit + 1)
        start = below[block]
        ones = np.flatnonzero(bit)
        yield order, ones, start[ones]
        # a stable partition of each block by the digit
        passed = np.cumsum(~bit, dtype=small) - ~bit
        passed -= passed[start]
        after = below[np.minimum(block + (1 << digit), len(below) - 1)] + place - start - passed
        target = np.where(bit, after, start + passed)
        moved, ranked = np.empty_like(order), np.empty_like(current)
        moved[target], ranked[target] = order, current
        order, current = moved, ranked


def earlier(weight: np.ndarray, ones: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return the sum of the weights of the samples with digit 0 before each one with digit 1, in its block."""
    total = np.zeros(len(weight) + 1, dtype=weight.dtype)
    zeros = weight.copy()
    zeros[ones] = 0
    np.cumsum(zeros, out=total[1:])
    return total[ones] - total[starts]


def dense_ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks from 0, equal for ties and without gaps."""
    order = np.argsort(values)
    ordered = values[order]
    ranks = np.empty(len(values), dtype=np.int64)
    ranks[order] = np.cumsum(np.concatenate([[False], ordered[1:] != ordered[:-1]]))
    return ranks
