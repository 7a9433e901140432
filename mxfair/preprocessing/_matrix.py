"""Features as one matrix of numbers: checked here, never coerced from text, never silently cut."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import InputError, to_numpy


def is_frame(X: Any) -> bool:
    """Tell whether X is a data frame."""
    return hasattr(X, "columns") and hasattr(X, "iloc")


def feature_names(X: Any) -> np.ndarray | None:
    """Return the column names of a data frame as text, None for an array."""
    if not is_frame(X):
        return None
    names = np.array([str(name) for name in X.columns], dtype=object)
    seen: set[str] = set()
    repeated = next((name for name in names if name in seen or seen.add(name)), None)  # type: ignore[func-returns-value]
    if repeated is not None:
        raise InputError(f"Column names must be unique; got '{repeated}' more than once. Rename one.")
    return names


def numeric_matrix(X: Any, name: str = "X", *, missing: bool = False, keep_float32: bool = False) -> np.ndarray:
    """Return a data frame or array as a C-contiguous float64 matrix, finite, or with NaN where `missing` is allowed.

    With `keep_float32`, a float32 array stays one. The result may share memory with X: do not write to it.
    """
    array = _of_frame(X, name) if is_frame(X) else _of_array(X, name)
    dtype = np.float32 if keep_float32 and array.dtype == np.float32 else np.float64
    array = np.asarray(array, dtype=dtype)
    if array.ndim != 2:
        raise InputError(f"'{name}' must have shape (n_samples, n_features); got {array.shape}. Use X.reshape(-1, 1).")
    if not len(array):
        raise InputError(f"'{name}' must hold at least one row; got none.")
    array = np.ascontiguousarray(array)
    _check_finite(array, name, missing)
    return array


def _of_frame(X: Any, name: str) -> np.ndarray:
    import pandas as pd

    types = list(X.dtypes)
    bad = [str(X.columns[i]) for i, kind in enumerate(types) if not _is_real(kind, pd)]
    if bad:
        raise InputError(
            f"'{name}' must hold numbers; got text or others in {', '.join(bad[:10])}"
            f"{f' and {len(bad) - 10} more' if len(bad) > 10 else ''}. Convert numbers with astype(float), encode "
            "categories with mxfair.preprocessing.TabularEncoder."
        )
    if all(isinstance(kind, np.dtype) for kind in types):
        return X.to_numpy(dtype=np.float32 if types and all(kind == np.float32 for kind in types) else np.float64)
    return X.to_numpy(dtype=np.float64, na_value=np.nan)


def _is_real(kind: Any, pd: Any) -> bool:
    return pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_complex_dtype(kind)


def dense_array(X: Any, name: str = "X") -> np.ndarray:
    """Return X as an array of any type; a sparse matrix is refused."""
    if hasattr(X, "tocsr"):
        raise InputError(f"'{name}' must be dense; got a sparse {type(X).__name__}. Use X.toarray().")
    return to_numpy(X)


def _of_array(X: Any, name: str) -> np.ndarray:
    array = dense_array(X, name)
    try:
        if array.dtype.kind not in "biufO":
            raise TypeError(array.dtype)
        if array.dtype.kind == "O":
            kinds = set(map(type, array.ravel().tolist()))
            texts = [kind.__name__ for kind in kinds if issubclass(kind, (str, bytes, complex))]
            if texts:
                raise TypeError(texts[0])
            return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"'{name}' must hold numbers; got something else ({error}). Encode it first.") from error
    return array


def _check_finite(array: np.ndarray, name: str, missing: bool) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(array.sum()):  # one pass, no mask: what all but the rarest matrices need
            return
    bad = np.isinf(array) if missing else ~np.isfinite(array)
    if bad.any():
        row, column = (int(place) for place in np.unravel_index(int(bad.argmax()), array.shape))
        cure = "Replace it" if missing else "Impute or remove it, with mxfair.preprocessing.SimpleImputer say"
        raise InputError(f"'{name}' must be finite; got {array[row, column]} at row {row}, column {column}. {cure}.")


def two_parts(values: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers in single precision and what that leaves out: blocks take off one after the other."""
    exact = np.asarray(values, dtype=np.float64)
    with np.errstate(over="ignore"):
        high = exact.astype(np.float32)
    return high, exact - high


def in_row_blocks(array: np.ndarray, work: Any, *, size: int = 0) -> np.ndarray:
    """Return what `work(rows, out)` writes for each block of `size` rows; by default they fit into the cache."""
    n_samples, n_features = array.shape
    result = np.empty_like(array)
    size = size or max(1, 16_384 // n_features)
    for start in range(0, n_samples, size):
        work(array[start : start + size], result[start : start + size])
    return result
