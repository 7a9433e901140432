"""TabularEncoder: a data frame of numbers and categories in, a float32 matrix out."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import InputError, InputTypeError
from mxfair.preprocessing._base import Step

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TabularEncoder"]

_SCHEMA = "mxfair.tabular_encoder/1"


class TabularEncoder(Step):
    """Standardise numbers and one-hot encode categories; what was fitted is plain JSON.

    Numbers get mean 0 and standard deviation 1 on the fitted rows. Where a number is missing it becomes the median,
    and a column ``NAME missing`` says so; it exists if the fitted rows lack a value. A category gets a column per
    level, and a missing one a level of its own.

    Parameters
    ----------
    max_levels : int, default=1000
        A text column with more levels than this is refused: it is an identifier or free text, not a category.

    Attributes
    ----------
    columns_ : list of dict
        What was fitted, per column of the data frame.

    Notes
    -----
    Built from scikit-learn's base classes so that it works in pipelines. scikit-learn's own ColumnTransformer can only
    be stored as a pickle, and nothing here is unpickled from disk.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"age": [20.0, 40.0, None], "job": ["a", "b", "a"]})
    >>> encoder = TabularEncoder().fit(frame)
    >>> list(encoder.get_feature_names_out())
    ['age', 'age missing', 'job=a', 'job=b']
    >>> encoder.transform(frame).shape
    (3, 4)
    """

    def __init__(self, max_levels: int = 1000) -> None:
        self.max_levels = max_levels

    def fit(self, X: pd.DataFrame, y: Any = None) -> TabularEncoder:
        """Learn means, deviations and levels.

        Parameters
        ----------
        X : pandas.DataFrame
            Training rows only.
        y : ignored

        Returns
        -------
        TabularEncoder
            Itself.

        Raises
        ------
        InputError
            If there are no rows or columns, if a column name is repeated, or if a column cannot be encoded.
        """
        _check_frame(X)
        if not len(X):
            raise InputError("The data frame must hold at least one row; got none.")
        self.columns_ = [self._fit_column(X[name], str(name)) for name in X.columns]
        if not self.get_feature_names_out().size:
            raise InputError("The data frame must have at least one feature column that is not constant; got none.")
        return self

    def _fit_column(self, column: pd.Series, name: str) -> dict[str, Any]:
        import pandas as pd

        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            values = column.to_numpy(dtype=float, na_value=np.nan)
            if np.isinf(values).any():
                raise InputError(f"Column '{name}' must be finite; got an infinite value. Replace or remove it.")
            present = values[~np.isnan(values)]
            if not len(present):
                raise InputError(f"Column '{name}' must hold values; all are missing. Leave the column out.")
            median = float(np.median(present))
            filled = np.where(np.isnan(values), median, values)
            if np.abs(filled).max() > 1e150:  # squares overflow
                raise InputError(
                    f"Column '{name}' must be below 1e150; got {np.abs(filled).max():g}. Rescale or remove it."
                )
            deviation = float(filled.std())
            # a constant's deviation may be a rounding error instead of 0, and that of tiny numbers be lost
            constant = filled.min() == filled.max() or not deviation
            return {
                "name": name,
                "kind": "number",
                "median": median,
                "mean": float(filled.mean()),
                "std": 1.0 if constant else deviation,
                "indicator": len(present) < len(values),
            }
        if _is_date(column):
            raise InputError(
                f"Column '{name}' must be a number or a category; got dates. Turn them into numbers first."
            )
        levels = sorted({_text(v) for v in column.dropna().unique()})
        if not levels:
            raise InputError(f"Column '{name}' must hold values; all are missing. Leave the column out.")
        if len(levels) > self.max_levels:
            raise InputError(
                f"Column '{name}' must be a category; got {len(levels):,} different texts, more than "
                f"{self.max_levels:,}. Leave identifiers and free text out."
            )
        if len(levels) > max(20, len(column) // 2):
            warnings.warn(
                f"Column '{name}' has {len(levels):,} different texts in {len(column):,} rows, like an identifier: a "
                "net can learn rows by heart from it. Leave it out unless it is a category.",
                stacklevel=4,
            )
        return {"name": name, "kind": "category", "levels": levels, "indicator": bool(column.isna().any())}

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        """Return the matrix.

        Parameters
        ----------
        X : pandas.DataFrame
            Rows with the fitted columns, in any order; further columns are not read.

        Returns
        -------
        ndarray of float32, shape (n_rows, n_features)

        Raises
        ------
        InputError
            If a column is missing or holds text where numbers were fitted.

        Warns
        -----
        UserWarning
            If a category has levels that were not fitted (their columns are all 0), or a value is missing in a number
            column that had none missing (the median is used).
        """
        _check_frame(X)
        self._check_fitted()
        present = set(map(str, X.columns))
        absent = [c["name"] for c in self.columns_ if c["name"] not in present]
        if absent:
            raise InputError(
                f"The data frame must have the column{'s' if len(absent) > 1 else ''} {', '.join(map(repr, absent))}; "
                f"got {', '.join(map(repr, list(X.columns)[:30]))}. The model was trained with them."
            )
        frame = X.rename(columns=str)
        blocks = [
            _numbers(frame[c["name"]], c) if c["kind"] == "number" else _levels(frame[c["name"]], c)
            for c in self.columns_
        ]
        return np.ascontiguousarray(np.concatenate(blocks, axis=1), dtype=np.float32)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the matrix's columns.

        Parameters
        ----------
        input_features : ignored

        Returns
        -------
        ndarray of str
        """
        self._check_fitted()
        names = []
        for column in self.columns_:
            base = column["name"]
            names += [base] if column["kind"] == "number" else [f"{base}={level}" for level in column["levels"]]
            names += [f"{base} missing"] if column["indicator"] else []
        return np.array(names, dtype=object)

    def to_dict(self) -> dict[str, Any]:
        """Return what was fitted as plain values that JSON can hold.

        Returns
        -------
        dict
        """
        self._check_fitted()
        return {"schema": _SCHEMA, "max_levels": self.max_levels, "columns": self.columns_}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> TabularEncoder:
        """Return the encoder that `to_dict` described.

        Parameters
        ----------
        state : dict
            What `to_dict` returned.

        Returns
        -------
        TabularEncoder
        """
        if state.get("schema") != _SCHEMA:
            raise InputError(f"The encoder's schema must be {_SCHEMA!r}; got {state.get('schema')!r}.")
        self = cls(max_levels=state["max_levels"])
        self.columns_ = [dict(column) for column in state["columns"]]
        return self

    def _check_fitted(self) -> None:
        if not hasattr(self, "columns_"):
            raise InputError("The encoder must be fitted before it is used. Call fit(frame) with the training rows.")


def _check_frame(frame: Any) -> None:
    if not hasattr(frame, "columns") or not hasattr(frame, "iloc"):
        raise InputTypeError(f"'X' must be a pandas DataFrame; got {type(frame).__name__}.")
    counts = Counter(map(str, frame.columns))
    repeated = next((name for name, count in counts.items() if count > 1), None)
    if repeated is not None:
        raise InputError(f"Column names must be unique; got '{repeated}' more than once. Rename one.")


def _is_date(column: pd.Series) -> bool:
    """Tell whether a column holds points or spans of time."""
    return column.dtype.kind in "mM" or type(column.dtype).__name__ == "PeriodDtype"


def _numbers(column: pd.Series, fitted: dict[str, Any]) -> np.ndarray:
    import pandas as pd

    try:
        if _is_date(column):
            raise TypeError("dates")
        values = pd.to_numeric(column).to_numpy(dtype=float, na_value=np.nan)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"Column '{fitted['name']}' must hold numbers, as in training; got others ({error}). Clean it first."
        ) from error
    if np.isinf(values).any():
        raise InputError(f"Column '{fitted['name']}' must be finite; got an infinite value. Replace or remove it.")
    absent = np.isnan(values)
    if absent.any() and not fitted["indicator"]:
        warnings.warn(
            f"Column '{fitted['name']}' has {int(absent.sum())} missing values and had none in training; the training "
            "median is used.",
            stacklevel=3,
        )
    scaled = (np.where(absent, fitted["median"], values) - fitted["mean"]) / fitted["std"]
    return np.stack([scaled, absent], axis=1) if fitted["indicator"] else scaled[:, None]


def _levels(column: pd.Series, fitted: dict[str, Any]) -> np.ndarray:
    import pandas as pd

    codes, found = pd.factorize(column)
    places = {level: i for i, level in enumerate(fitted["levels"])}
    width = len(places) + fitted["indicator"]
    lookup = np.array([places.get(_text(value), -1) for value in found] + [-1], dtype=np.int64)
    absent = codes < 0
    place = lookup[codes]
    if fitted["indicator"]:
        place = np.where(absent, len(places), place)
    unseen = sorted({_text(value) for value in found} - set(places))
    if unseen or (absent.any() and not fitted["indicator"]):
        what = f"levels that training did not see ({', '.join(unseen[:5])})" if unseen else "missing values"
        warnings.warn(f"Column '{fitted['name']}' has {what}; they are encoded as none of the levels.", stacklevel=3)
    matrix = np.zeros((len(place), width), dtype=np.float32)
    rows = np.flatnonzero(place >= 0)
    matrix[rows, place[rows]] = 1.0
    return matrix


def _text(value: Any) -> str:
    """Return a level as text; True and 1.0 read alike before and after a CSV file."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)
