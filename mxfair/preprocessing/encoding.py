"""Categories as numbers: levels that training did not see are never silent."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mxfair._validation import InputError, InputTypeError, one_of, positive_integer
from mxfair.preprocessing._base import Step
from mxfair.preprocessing._levels import columns_of, encoded_block, levels_of, places_among
from mxfair.preprocessing._matrix import feature_names

__all__ = ["OneHotEncoder", "OrdinalEncoder"]

_Formula = tuple[Callable[..., Any], Mapping[str, np.ndarray]]


class _CategoryStep(Step):
    """What both encoders share: the levels of each column, as text; None, the last one, is the missing value's.

    Text, because a column of 0 and 1 read from a file, with a gap say, comes as 0.0 and 1.0.
    """

    handle_unknown: str
    max_levels: int
    _choices: tuple[str, ...]
    categories_: list[np.ndarray]

    def fit(self, X: Any, y: Any = None) -> Any:
        """Learn the levels of each column.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            Training rows only. Every column is read as categories, numbers too.
        y : ignored

        Returns
        -------
        Step
            Itself.

        Raises
        ------
        InputError
            If X has no rows or columns, or a column holds dates, infinite numbers or too many levels.
        """
        one_of(self.handle_unknown, self._choices, "handle_unknown")
        maximum = positive_integer(self.max_levels, "max_levels")
        frame = columns_of(X)
        found = [levels_of(frame.iloc[:, place], maximum) for place in range(frame.shape[1])]
        self._learn_features(frame.shape[1], feature_names(X))
        self.categories_ = [levels for levels, _, _ in found]
        self.counts_ = [counts for _, counts, _ in found]
        self.numeric_ = np.array([numeric for _, _, numeric in found])
        return self

    def _places(self, X: Any) -> np.ndarray:
        """Return the place of each value among its column's levels, -1 where it is none of them."""
        self._check_fitted()
        names = feature_names(X)
        frame = columns_of(X)
        self._check_features(frame.shape[1], names)
        places = np.empty(frame.shape, dtype=np.int64)
        unknown = []
        for column, (name, levels) in enumerate(zip(self._names_in(), self.categories_)):
            places[:, column], new = places_among(frame.iloc[:, column], levels)
            unknown += [f"'{name}' ({', '.join(new[:5])})"] if new else []
        if unknown and self.handle_unknown == "error":
            raise InputError(
                f"'X' must hold levels that were fitted; got others in {', '.join(unknown[:10])}. Fit with all levels, "
                "or choose another handle_unknown."
            )
        if unknown and self.handle_unknown == "warn":
            warnings.warn(
                f"Levels that were not fitted are encoded as {self._unknown_text()}: {', '.join(unknown[:10])}.",
                stacklevel=4,  # scikit-learn wraps transform
            )
        return places

    def _unknown_text(self) -> str:
        raise NotImplementedError  # a subclass gives it

    def _table(self) -> tuple[np.ndarray, np.ndarray]:
        """Return weights (column, level, output) and offsets (output,): what encodes a one-hot level."""
        raise NotImplementedError  # a subclass gives it

    def _formula(self) -> _Formula:
        if not self.numeric_.all():
            text = self._names_in()[~self.numeric_][0]
            raise InputTypeError(
                f"{type(self).__name__} must be of numbers to have a block; got text in '{text}'. Apply OrdinalEncoder "
                "before training, and give its codes to the block of a OneHotEncoder."
            )
        table, offset = self._table()
        levels = np.full(table.shape[:2], np.nan)
        for column, own in enumerate(self.categories_):
            values = [np.nan if level is None else float(level) for level in own]
            levels[column, : len(values)] = values
            self._check_distinct(column, np.array(values))
        missing = np.isnan(levels) & (np.arange(levels.shape[1]) < np.array([[len(c)] for c in self.categories_]))
        formula = functools.partial(encoded_block, n_out=table.shape[2])
        constants = {"levels": levels, "missing": missing.astype(np.float64), "table": table, "offset": offset}
        return formula, {name: value[None] for name, value in constants.items()}

    def _check_distinct(self, column: int, values: np.ndarray) -> None:
        """Refuse levels that are one number in single precision: the block could not tell them apart."""
        with np.errstate(over="ignore"):
            same = np.flatnonzero(np.diff(values.astype(np.float32)) == 0)  # in ascending order
        if len(same):
            a, b = self.categories_[column][same[0] : same[0] + 2]
            raise InputTypeError(
                f"The levels of '{self._names_in()[column]}' must differ in single precision to have a block; got {a} "
                f"and {b}. Apply OrdinalEncoder before training, and give its codes to the block of a OneHotEncoder."
            )


class OrdinalEncoder(_CategoryStep):
    """Give each level of a column its place among the sorted levels: 0, 1, ...; a missing value is the last level.

    As scikit-learn's, but for levels that were not fitted: they get -1 and a warning. It has a block if all columns are
    numbers.

    Parameters
    ----------
    handle_unknown : {'warn', 'error'}, default='warn'
        What happens to levels that were not fitted.
    max_levels : int, default=1000
        A column with more levels is refused: it is an identifier or free text.

    Attributes
    ----------
    categories_ : list of ndarray
        The levels of each column as text, None for a missing value.

    Examples
    --------
    >>> from mxfair.preprocessing import OrdinalEncoder
    >>> OrdinalEncoder().fit([["b"], ["a"]]).transform([["a"], ["b"]]).ravel().tolist()
    [0.0, 1.0]
    """

    _choices = ("warn", "error")

    def __init__(self, *, handle_unknown: str = "warn", max_levels: int = 1000) -> None:
        self.handle_unknown = handle_unknown
        self.max_levels = max_levels

    def transform(self, X: Any) -> np.ndarray:
        """Return the codes.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            The fitted columns.

        Returns
        -------
        ndarray of float64, shape (n_samples, n_features)

        Raises
        ------
        InputError
            If the step is not fitted, or X lacks the fitted columns; with ``handle_unknown="error"``, for new levels.

        Warns
        -----
        UserWarning
            If levels occur that were not fitted.
        """
        return self._places(X).astype(np.float64)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns, which stay.

        Parameters
        ----------
        input_features : array of str, optional
            Names to check against those that were fitted.

        Returns
        -------
        ndarray of str
        """
        return self._names_in(input_features)

    def _unknown_text(self) -> str:
        return "-1"

    def _table(self) -> tuple[np.ndarray, np.ndarray]:
        n_features, width = len(self.categories_), max(map(len, self.categories_))
        table = np.arange(1.0, width + 1)[None, :, None] * np.eye(n_features)[:, None, :]
        return table, np.full(n_features, -1.0)


class OneHotEncoder(_CategoryStep):
    """Give each level of a column a column of 0 and 1; a missing value is a level of its own.

    As scikit-learn's with dense output, but for levels that were not fitted: they are 0 in all columns, with a warning,
    or have a column. It has a block if all columns are numbers, codes of an `OrdinalEncoder` say.

    Parameters
    ----------
    handle_unknown : {'warn', 'column', 'error'}, default='warn'
        Levels that were not fitted: "warn" gives 0 in all columns (1 in ``NAME_other``, where there is one) and a
        warning, "column" adds a column ``NAME_other``.
    min_frequency : int, default=1
        Levels with fewer rows when fitted share the column ``NAME_other``.
    max_levels : int, default=1000
        A column with more levels is refused: it is an identifier or free text.

    Attributes
    ----------
    categories_ : list of ndarray
        The levels of each column as text, None for a missing value.
    counts_ : list of ndarray of int
        Their rows when fitted.

    Examples
    --------
    >>> from mxfair.preprocessing import OneHotEncoder
    >>> step = OneHotEncoder(handle_unknown="column").fit([["a"], ["b"]])
    >>> step.get_feature_names_out().tolist()
    ['x0_a', 'x0_b', 'x0_other']
    >>> step.transform([["a"], ["z"]])
    array([[1., 0., 0.],
           [0., 0., 1.]])
    """

    _choices = ("warn", "column", "error")

    def __init__(self, *, handle_unknown: str = "warn", min_frequency: int = 1, max_levels: int = 1000) -> None:
        self.handle_unknown = handle_unknown
        self.min_frequency = min_frequency
        self.max_levels = max_levels

    def transform(self, X: Any) -> np.ndarray:
        """Return the columns of 0 and 1.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            The fitted columns.

        Returns
        -------
        ndarray of float64, shape (n_samples, n_features_out)

        Raises
        ------
        InputError
            If the step is not fitted, or X lacks the fitted columns; with ``handle_unknown="error"``, for new levels.

        Warns
        -----
        UserWarning
            If levels occur that were not fitted.
        """
        places = self._places(X)
        rows = np.arange(len(places))
        blocks = []
        for column, layout in enumerate(self._layout()):
            matrix = np.zeros((len(places), layout.max() + 1))
            target = layout[places[:, column]]  # place -1 reads the last one, that of unknown levels
            matrix[rows[target >= 0], target[target >= 0]] = 1.0
            blocks.append(matrix)
        return np.concatenate(blocks, axis=1)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return ``NAME_LEVEL`` for each level, ``NAME_missing`` for missing values and ``NAME_other``.

        Parameters
        ----------
        input_features : array of str, optional
            Names to check against those that were fitted.

        Returns
        -------
        ndarray of str
        """
        names: list[str] = []
        for name, levels, layout in zip(self._names_in(input_features), self.categories_, self._layout()):
            own = [""] * (layout.max() + 1)
            for level, place in zip([*levels, "other"], layout):
                if place >= 0:
                    own[place] = f"{name}_{'missing' if level is None else level}"
            if layout[-1] >= 0:
                own[-1] = f"{name}_other"
            for place in range(max(len(own) - 2, 0), len(own)):  # a level may be called "other" or "missing"
                own[place] += " (not the level)" if own[place] in own[:place] else ""
            names += own
        return np.array(names, dtype=object)

    def _layout(self) -> list[np.ndarray]:
        """Return each level's output column, and that of unknown levels behind them, -1 for none; by column of X."""
        minimum = positive_integer(self.min_frequency, "min_frequency")
        layouts = []
        for counts in self.counts_:
            frequent = counts >= minimum
            other = int(frequent.sum()) if self.handle_unknown == "column" or not frequent.all() else -1
            layouts.append(np.append(np.where(frequent, np.cumsum(frequent) - 1, other), other))
        return layouts

    def _unknown_text(self) -> str:
        return "none of the fitted levels"

    def _table(self) -> tuple[np.ndarray, np.ndarray]:
        layouts = self._layout()
        sizes = [int(layout.max()) + 1 for layout in layouts]
        starts = np.cumsum([0, *sizes])
        table = np.zeros((len(layouts), max(map(len, layouts)) - 1, starts[-1]))
        offset = np.zeros(starts[-1])
        for column, layout in enumerate(layouts):
            last = layout[-1]
            kept = np.flatnonzero(layout[:-1] != last) if last >= 0 else np.arange(len(layout) - 1)
            table[column, kept, starts[column] + layout[kept]] = 1
            if last >= 0:  # 1 less all levels with a column of their own
                table[column, kept, starts[column] + last] = -1
                offset[starts[column] + last] = 1
        return table, offset
