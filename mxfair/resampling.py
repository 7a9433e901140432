"""Drawing states anew: what a table could have been, without going back to the rows.

Counts of samples are all that a bootstrap over rows needs: drawing n rows with replacement and counting them is one
multinomial draw over the cells. Where rows carry weights or values, each row is counted a Poisson(1) number of times.
A permutation of the rows' groups is a hypergeometric draw.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mxfair._validation import InputError

__all__ = ["multinomial_resamples", "permuted_tables", "poisson_resamples"]

#: Numbers of one part of the resamples: they are drawn and evaluated part by part, so that memory is bounded.
PART = 4_000_000


def multinomial_resamples(counts: np.ndarray, n_resamples: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Draw tables as a bootstrap over rows would count them, exactly, in parts of bounded memory.

    Parameters
    ----------
    counts : array of shape (...)
        Whole numbers: samples in each cell.
    n_resamples : int
    rng : numpy.random.Generator

    Yields
    ------
    ndarray of shape (part, ...)
        The parts add up to `n_resamples`.

    Raises
    ------
    InputError
        If the counts are not whole numbers: weighted rows need `poisson_resamples`.

    References
    ----------
    Efron: Bootstrap methods: another look at the jackknife. Annals of Statistics 7, 1979, section 3.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> [part.sum(axis=1).tolist() for part in multinomial_resamples(np.array([3, 7]), 2, rng)]
    [[10.0, 10.0]]
    """
    flat = np.asarray(counts, dtype=float).reshape(-1)
    if not np.array_equal(flat, np.round(flat)):
        raise InputError(
            "'counts' must be whole numbers for a multinomial bootstrap; got weighted ones. "
            "Weighted samples need their rows: pass labels, preds and sample_weight."
        )
    total, there = int(flat.sum()), np.flatnonzero(flat)
    for part in _parts(n_resamples, flat.size):
        tables = np.zeros((part, flat.size))
        if total:
            tables[:, there] = rng.multinomial(total, flat[there] / flat[there].sum(), size=part)
        yield tables.reshape(part, *np.shape(counts))


def poisson_resamples(
    cells: np.ndarray, features: np.ndarray, n_cells: int, n_resamples: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Draw sums over cells, each row counted a Poisson(1) number of times, in parts of bounded memory.

    Rows that are alike are drawn together: the sum of m Poisson(1) numbers is Poisson(m).

    Parameters
    ----------
    cells : array of int, shape (n_samples,)
        The cell of each row.
    features : array of shape (n_samples, n_features)
        What is summed; a row's weight is already multiplied in.
    n_cells : int
    n_resamples : int
    rng : numpy.random.Generator

    Yields
    ------
    ndarray of shape (part, n_cells, n_features)
        The parts add up to `n_resamples`.

    References
    ----------
    Chamandy, Muralidharan, Najmi, Naidu: Estimating uncertainty for massive data streams. Google, 2012, section 3.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> (part,) = poisson_resamples(np.array([0, 1, 1]), np.ones((3, 1)), 2, 4, rng)
    >>> part.shape
    (4, 2, 1)
    """
    cells, features, times = _alike(cells, features)
    starts = np.flatnonzero(np.diff(cells, prepend=-1))
    for part in _parts(n_resamples, len(cells)):
        sums = np.zeros((part, n_cells, features.shape[1]))
        if len(cells):
            drawn = rng.poisson(times, size=(part, len(cells)))
            for place in range(features.shape[1]):
                sums[:, cells[starts], place] = np.add.reduceat(drawn * features[:, place], starts, axis=1)
        yield sums


def _alike(cells: np.ndarray, features: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the distinct rows, sorted by cell, and how often each occurs."""
    order = np.lexsort((*features.T[::-1], cells))
    cells, features = cells[order], features[order]
    new = np.ones(len(cells), dtype=bool)
    new[1:] = (cells[1:] != cells[:-1]) | (features[1:] != features[:-1]).any(axis=1)
    starts = np.flatnonzero(new)
    return cells[starts], features[starts], np.diff(starts, append=len(cells))


def _parts(n_resamples: int, size: int) -> Iterator[int]:
    step = max(1, PART // max(size, 1))
    return (min(step, n_resamples - start) for start in range(0, n_resamples, step))


def permuted_tables(
    counts: np.ndarray, n_permutations: int, rng: np.random.Generator, *, within: str | None = None
) -> Iterator[np.ndarray]:
    """Draw tables as a permutation of the rows' groups would count them, exactly, in parts of bounded memory.

    Parameters
    ----------
    counts : array of shape (n_groups, n_classes, n_classes)
        Whole numbers by group, label and prediction.
    n_permutations : int
    rng : numpy.random.Generator
    within : {"label", "pred"}, optional
        Permute among samples of the same label, or of the same prediction, only.

    Yields
    ------
    ndarray of shape (part, n_groups, n_classes, n_classes)
        The parts add up to `n_permutations`.

    Raises
    ------
    InputError
        If the counts are not whole numbers.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> (part,) = permuted_tables(np.array([[[3, 0], [0, 2]], [[0, 4], [1, 0]]]), 5, rng)
    >>> part.sum(axis=(2, 3)).tolist()[0]
    [5.0, 5.0]
    """
    cells = np.asarray(counts).astype(np.int64)
    if not np.array_equal(cells, counts):
        raise InputError(
            "'counts' must be whole numbers for a permutation test; got those of probabilities or weighted samples. "
            "Pass decisions, and leave the weights out."
        )
    axis = {"label": 1, "pred": 2}.get(within or "")
    # (strata, groups, cells of a stratum)
    strata = cells.reshape(1, len(cells), -1) if axis is None else np.moveaxis(cells, axis, 0)
    for part in _parts(n_permutations, cells.size):
        drawn = np.stack([_permuted(stratum, part, rng) for stratum in strata], axis=1)  # (part, strata, groups, cells)
        yield drawn.reshape(part, *cells.shape) if axis is None else np.moveaxis(drawn, 1, axis + 1)


def _permuted(stratum: np.ndarray, n_permutations: int, rng: np.random.Generator) -> np.ndarray:
    """Deal the columns' samples out to the groups: multivariate hypergeometric draws, one group after the other."""
    sizes = stratum.sum(axis=1)
    columns, groups = np.flatnonzero(stratum.sum(axis=0)), np.flatnonzero(sizes)
    drawn = np.zeros((n_permutations, *stratum.shape))
    left = np.repeat(stratum.sum(axis=0)[None, columns], n_permutations, axis=0)
    for group in groups[:-1]:
        wanted = np.full(n_permutations, sizes[group])
        others = left.sum(axis=1)
        for place, column in enumerate(columns[:-1]):
            others = others - left[:, place]
            dealt = rng.hypergeometric(left[:, place], others, wanted)
            drawn[:, group, column] = dealt
            wanted = wanted - dealt
            left[:, place] -= dealt
        drawn[:, group, columns[-1]] = wanted
        left[:, -1] -= wanted
    if len(groups):
        drawn[:, groups[-1], columns] = left
    return drawn
