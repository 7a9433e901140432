"""Numeric and categorical columns of a frame or an array, apart and together again."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import InputError
from mxfair.preprocessing._levels import factorized
from mxfair.preprocessing._matrix import feature_names, numeric_matrix


def categorical_places(X: Any, given: Any) -> list[int]:
    """Return the places of the categorical columns."""
    names = feature_names(X)
    width = X.shape[1] if X.ndim == 2 else 0
    if X.ndim != 2 or not width:
        raise InputError(f"'X' must have shape (n_samples, n_features); got {X.shape}. Use X.reshape(-1, 1).")
    places = _not_numeric(X)
    given = [] if given is None else given
    for item in [given] if isinstance(given, (str, int, np.integer)) else list(given):
        if isinstance(item, str) and names is not None and item in names:
            places.append(list(names).index(item))
        elif isinstance(item, (int, np.integer)) and not isinstance(item, bool) and 0 <= item < width:
            places.append(int(item))
        else:
            got = f"places below {width}" if names is None else ", ".join(map(str, names[:30]))
            raise InputError(f"'categorical_features' must be among the columns of X ({got}); got {item!r}.")
    return sorted(set(places))


def _not_numeric(X: Any) -> list[int]:
    """Return the places of a frame's columns that are not numeric or are bool; none of an array of numbers."""
    import pandas as pd

    if not hasattr(X, "iloc"):
        return list(range(X.shape[1])) if X.dtype.kind == "b" else []
    types = [X.dtypes.iloc[place] for place in range(X.shape[1])]
    is_bool, is_number = pd.api.types.is_bool_dtype, pd.api.types.is_numeric_dtype
    return [place for place, kind in enumerate(types) if is_bool(kind) or not is_number(kind)]


def numbers_of(X: Any, numeric: list[int]) -> np.ndarray:
    return numeric_matrix(X.iloc[:, numeric] if hasattr(X, "iloc") else X[:, numeric])


def levels_of(X: Any, categorical: list[int]) -> np.ndarray:
    """Return the categories as codes, shape (n_samples, n_categorical); a missing one is a level of its own."""
    columns = [X.iloc[:, place] if hasattr(X, "iloc") else X[:, place] for place in categorical]
    codes = [factorized(column)[0] for column in columns]
    return np.stack(codes, axis=1).astype(np.int32) if codes else np.empty((len(X), 0), dtype=np.int32)


def assembled(
    X: Any, numeric: list[int], categorical: list[int], starts: np.ndarray, numbers: np.ndarray, donors: np.ndarray
) -> Any:
    """Return the rows of X and the synthetic ones, in the types of X."""
    import pandas as pd

    every = np.arange(len(X))
    if not hasattr(X, "iloc"):
        added = X[starts].copy()
        added[:, numeric] = np.rint(numbers) if X.dtype.kind in "iu" else numbers
        if X.dtype.kind == "O":
            for place, column in enumerate(numeric):
                if pd.api.types.infer_dtype(X[:, column]) == "integer":
                    added[:, column] = np.rint(numbers[:, place]).astype(np.int64)
        for place, column in enumerate(categorical):
            added[:, column] = X[donors[:, place], column]
        return np.concatenate([X, added])
    columns: dict[int, Any] = {}
    for place, column in enumerate(numeric):
        old = X.iloc[:, column]
        whole = pd.api.types.is_integer_dtype(old.dtype)
        new = pd.Series(np.rint(numbers[:, place]) if whole else numbers[:, place]).astype(old.dtype)
        columns[column] = pd.concat([old, new], ignore_index=True)
    for place, column in enumerate(categorical):
        columns[column] = X.iloc[np.concatenate([every, donors[:, place]]), column].reset_index(drop=True)
    frame = pd.concat([columns[place] for place in range(X.shape[1])], axis=1)
    frame.columns = X.columns
    return frame
