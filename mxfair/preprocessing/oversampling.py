"""Oversampling within (label, group) cells: rows drawn again, or SMOTE's rows between neighbours."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from mxfair._validation import InputError, generator, plural, positive_integer, same_length
from mxfair.preprocessing._label_cells import LabelCells, evenly, take_rows
from mxfair.preprocessing._matrix import dense_array, feature_names
from mxfair.preprocessing._mixed_columns import assembled, categorical_places, levels_of, numbers_of
from mxfair.preprocessing._smote import NeighbourSpace, majority, neighbours

__all__ = ["CellSMOTE", "oversample_indices"]

#: Rows whose neighbours are handled at once.
_CHUNK = 65_536


def oversample_indices(
    labels: Any, groups: Any, sampling_strategy: Any = "equal", *, seed: int | np.random.Generator | None = None
) -> np.ndarray:
    """Return the training rows with those of small (label, group) cells repeated: indices, not a gathered matrix.

    Every row is kept. A cell's rows are repeated as evenly as it goes: each as often as any other or once more.

    Parameters
    ----------
    labels : array of shape (n_samples,)
        Class labels of the training rows, numbers or text.
    groups : array-like or Groups
        Sensitive attribute of each training row. Rows of which it is missing are kept and not repeated, with a warning.
    sampling_strategy : str or mapping, default="equal"
        As for `CellSMOTE`.
    seed : int or numpy.random.Generator, optional
        Seed of the choice.

    Returns
    -------
    ndarray of int64, shape (n_rows_wanted,)
        All rows in their order, then the repeats, cell by cell: permute them before they become a loader's ``sampler``.

    Raises
    ------
    InputError
        If a cell that is to be filled is empty, or a count is below what is there.

    Notes
    -----
    Give the rows of the training split only: a row that is repeated before the split is in both parts.

    Examples
    --------
    >>> oversample_indices([0, 0, 1, 0, 1, 1], ["a", "a", "a", "b", "b", "b"], seed=0).tolist()[:6]
    [0, 1, 2, 3, 4, 5]
    >>> len(oversample_indices([0, 0, 1, 0, 1, 1], ["a", "a", "a", "b", "b", "b"], seed=0))
    8
    """
    cells = LabelCells(labels, groups)
    _say_unknown(cells)
    return np.concatenate([np.arange(cells.n), _seeds(cells, cells.wanted(sampling_strategy), generator(seed))])


class CellSMOTE(BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    r"""Add synthetic training rows to small (label, group) cells: SMOTE inside each cell.

    .. math:: x' = x + u \, (x_{nn} - x), \quad u \sim U(0, 1)

    where :math:`x_{nn}` is one of the k nearest neighbours of x in its own cell. Each row of a cell is the start of as
    many synthetic rows as any other, or of one more.

    Parameters
    ----------
    sampling_strategy : {"equal", "labels within groups", "base rates"} or mapping, default="equal"
        How many rows the cells shall have; no row is taken away. "equal": each cell as many as the largest.
        "labels within groups": in each group, each label as many as the group's largest, so that all base rates are
        1 / K. "base rates": in each group the labels in the proportions of the whole data (as independence of label and
        group would have it), with the fewest new rows. A mapping of (label, group) to a number of rows fills these
        cells only.
    k_neighbors : int, default=5
        Neighbours among which one is drawn. A cell with fewer other rows uses those that it has, with a warning; the
        row of a cell of one is repeated as it is.
    categorical_features : list of str or int, optional
        Columns of categories, by name or place: a synthetic row takes the level that most of the k neighbours have (the
        nearest one's where levels tie). Columns of a data frame that are not numeric, and of bool, are so anyway.
    standardize : bool, default=False
        Whether to seek neighbours in units of each numeric column's standard deviation over all training rows. The
        published method does not: columns of large numbers then decide alone.
    max_candidates : int or None, default=20000
        In a cell with more rows than this, neighbours are sought among so many of its rows, chosen at random: time is
        proportional to rows times candidates. None seeks among all, as published.
    seed : int or numpy.random.Generator, optional
        Seed of all choices.

    Attributes
    ----------
    synthetic_ : ndarray of bool, shape (n_rows_out,)
        True for the rows that were added.
    sample_indices_ : ndarray of int64, shape (n_rows_out,)
        The row given that each row is, or starts from.
    counts_ : pandas.DataFrame
        Rows by label and group (and which cells are known), before and after.

    Notes
    -----
    Resample the rows of the training split only, after the split: a synthetic row before it carries test rows into
    training. That is why this is no transformer and has no place in a scikit-learn pipeline (imbalanced-learn's does
    not pass groups). Encode categories as one-hot columns *after* it. Numeric columns must have no missing values; a
    missing category is a level. Whole-number columns are interpolated and rounded.

    Chawla et al. draw u for each column in their pseudo-code and a point on the line in their text; here it is the
    line. The distance of categories is that of their section 6.1: each differing category adds the squared median of
    the numeric columns' standard deviations in the cell. Where that median is 0 (most columns are constant in the
    cell), the categories do not count in the distance.

    References
    ----------
    Chawla, Bowyer, Hall and Kegelmeyer, "SMOTE: Synthetic Minority Over-sampling Technique", JAIR 16, 2002, sections
    4.2 and 6.1.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(60, 2))
    >>> y, group = np.arange(60) % 2, np.repeat(["a", "b"], [40, 20])
    >>> smote = CellSMOTE(k_neighbors=3, seed=0)
    >>> X_new, y_new, group_new = smote.fit_resample(X, y, group)
    >>> X_new.shape, int(smote.synthetic_.sum())
    ((80, 2), 20)
    """

    def __init__(
        self,
        sampling_strategy: Any = "equal",
        *,
        k_neighbors: int = 5,
        categorical_features: Any = None,
        standardize: bool = False,
        max_candidates: int | None = 20_000,
        seed: int | np.random.Generator | None = None,
    ) -> None:
        self.sampling_strategy = sampling_strategy
        self.k_neighbors = k_neighbors
        self.categorical_features = categorical_features
        self.standardize = standardize
        self.max_candidates = max_candidates
        self.seed = seed

    def fit_resample(self, X: Any, labels: Any, groups: Any) -> tuple[Any, Any, Any]:
        """Return the training rows and the synthetic ones, with the labels and groups of both.

        Parameters
        ----------
        X : data frame or array of shape (n_samples, n_features)
            Training rows.
        labels : array of shape (n_samples,)
            Class labels, numbers or text.
        groups : array-like or Groups
            Sensitive attribute of each row. Rows of which it is missing are left as they are, with a warning.

        Returns
        -------
        X, labels, groups
            In the types that were given (arrays of lists and NDArrays); frames keep their columns' types and get a new
            index. The rows given come first, in their order; the others follow cell by cell: shuffle before training.

        Raises
        ------
        InputError
            If a cell that is to be filled is empty, a count is below what is there, a number is missing, or no column
            is numeric.
        """
        k = positive_integer(self.k_neighbors, "k_neighbors")
        most = (
            None if self.max_candidates is None else positive_integer(self.max_candidates, "max_candidates", minimum=2)
        )
        rng = generator(self.seed)
        cells = LabelCells(labels, groups)
        X = X if hasattr(X, "iloc") else dense_array(X)
        same_length(X=X, labels=cells.codes)
        categorical = categorical_places(X, self.categorical_features)
        numeric = [place for place in range(X.shape[1]) if place not in categorical]
        if not numeric:
            raise InputError(
                "'X' must have at least one numeric column, which SMOTE moves along; got categories only. Use "
                "oversample_indices."
            )
        space = NeighbourSpace(numbers_of(X, numeric), levels_of(X, categorical), standardize=self.standardize)
        _warn_of_columns(X, numeric, space)
        wanted = cells.wanted(self.sampling_strategy)
        _say_unknown(cells)
        _warn_of_small(cells, wanted, k)
        starts = _seeds(cells, wanted, rng)
        donors, numbers = self._donors(cells, starts, space, k, most, rng)
        self.sample_indices_ = np.concatenate([np.arange(cells.n), starts])
        self.synthetic_ = np.arange(len(self.sample_indices_)) >= cells.n
        self.counts_ = _table(cells, wanted)
        rows = assembled(X, numeric, categorical, starts, numbers, donors)
        return rows, take_rows(labels, self.sample_indices_), take_rows(groups, self.sample_indices_)

    def _donors(
        self,
        cells: LabelCells,
        starts: np.ndarray,
        space: NeighbourSpace,
        k: int,
        most: int | None,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return, for each synthetic row, the rows that its categories are from, and its numbers."""
        donors = np.tile(starts[:, None], (1, space.levels.shape[1]))
        numbers = space.numbers[starts]
        own = cells.codes[starts]
        for cell in np.unique(own):
            members, places = cells.members(cell), np.flatnonzero(own == cell)
            if len(members) == 1:
                continue
            near, distinct = neighbours(space, members, starts[places], min(k, len(members) - 1), most, rng)
            for begin in range(0, len(places), _CHUNK):
                part = places[begin : begin + _CHUNK]
                found = near[distinct[begin : begin + _CHUNK]]
                chosen = found[np.arange(len(part)), rng.integers(found.shape[1], size=len(part))]
                # x' = x + u (x_nn - x)
                numbers[part] += rng.random((len(part), 1)) * (space.numbers[chosen] - numbers[part])
                donors[part] = majority(space.levels, found)
        return donors, numbers


def _seeds(cells: LabelCells, wanted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the rows to repeat or to start from, cell by cell."""
    missing = (wanted - cells.counts).ravel()
    drawn = [evenly(cells.members(cell), missing[cell], rng) for cell in np.flatnonzero(missing)]
    return np.concatenate([np.empty(0, dtype=np.int64), *drawn])


def _say_unknown(cells: LabelCells) -> None:
    count = int(cells.counts[:, ~cells.known].sum())
    if count:
        warnings.warn(
            f"The sensitive attribute of {plural(count, 'row')} is missing: kept as they are, none is added.",
            UserWarning,
            stacklevel=3,
        )


def _warn_of_small(cells: LabelCells, wanted: np.ndarray, k: int) -> None:
    grown, counts = (wanted > cells.counts).ravel(), cells.counts.ravel()
    single, few = np.flatnonzero(grown & (counts == 1)), np.flatnonzero(grown & (counts > 1) & (counts <= k))
    if len(single):
        warnings.warn(
            f"{plural(len(single), 'cell')} of one row, repeated as it is: {cells.names(single)}.",
            UserWarning,
            stacklevel=3,
        )
    if len(few):
        warnings.warn(
            f"{plural(len(few), 'cell')} with fewer than {k + 1} rows, whose neighbours are all its other rows: "
            f"{cells.names(few)}.",
            UserWarning,
            stacklevel=3,
        )


def _table(cells: LabelCells, wanted: np.ndarray) -> Any:
    import pandas as pd

    index = pd.MultiIndex.from_product([cells.classes.tolist(), cells.groups.names], names=["label", "group"])
    known = np.tile(cells.known, len(cells.classes))
    return pd.DataFrame({"before": cells.counts.ravel(), "after": wanted.ravel(), "known": known}, index=index)


def _warn_of_columns(X: Any, numeric: list[int], space: NeighbourSpace) -> None:
    """Warn of one column that decides all distances, and of 0/1 columns that would be interpolated."""
    names = feature_names(X)
    names = np.array([f"column {i}" for i in range(X.shape[1])]) if names is None else names
    spread = np.where(space.deviation > 0, space.deviation, np.nan)
    if not space.standardized and np.isfinite(spread).any() and np.nanmax(spread) > 100 * np.nanmedian(spread):
        warnings.warn(
            f"'{names[numeric[int(np.nanargmax(spread))]]}' varies over 100 times as much as the median column and "
            "decides who is a neighbour of whom. Scale the columns first, or pass standardize=True.",
            UserWarning,
            stacklevel=3,
        )
    binary = [str(names[place]) for place, two in zip(numeric, space.binary) if two]
    if binary:
        warnings.warn(
            f"{plural(len(binary), 'column')} of 0 and 1 only ({', '.join(binary[:4])}): synthetic rows lie "
            "between, or are rounded. Name them in categorical_features if they are categories.",
            UserWarning,
            stacklevel=3,
        )
