"""The levels of columns of categories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import InputError
from mxfair.preprocessing._matrix import dense_array, is_frame
from mxfair.preprocessing.tabular import _is_date, _text

if TYPE_CHECKING:
    import pandas as pd


def columns_of(X: Any) -> pd.DataFrame:
    """Return X as a data frame of categories."""
    import pandas as pd

    if is_frame(X):
        frame = X
    else:
        array = dense_array(X)
        if array.ndim != 2:
            raise InputError(f"'X' must have shape (n_samples, n_features); got {array.shape}. Use X.reshape(-1, 1).")
        frame = pd.DataFrame(array).infer_objects()
    if not len(frame) or not frame.shape[1]:
        raise InputError(f"'X' must have at least one row and one column; got shape {frame.shape}.")
    for name, column in zip(frame.columns, (frame.iloc[:, i] for i in range(frame.shape[1]))):
        if _is_date(column):
            raise InputError(f"Column '{name}' must hold categories; got dates. Turn them into numbers first.")
        if column.dtype.kind == "f" and np.isinf(column.to_numpy(dtype=float, na_value=np.nan)).any():
            raise InputError(f"Column '{name}' must be finite; got an infinite value. Replace or remove it.")
    return frame


def factorized(column: Any, *, use_na_sentinel: bool = True) -> tuple[np.ndarray, Any]:
    """Return pandas' codes and levels of a column; what cannot be a level is an input error."""
    import pandas as pd

    try:
        if getattr(column.dtype, "kind", "O") == "c":
            raise TypeError("complex numbers")
        return pd.factorize(column, use_na_sentinel=use_na_sentinel)
    except TypeError as error:
        name = getattr(column, "name", None)
        which = "A column" if name is None else f"Column '{name}'"
        raise InputError(
            f"{which} must hold texts or numbers; got others ({error}). Leave it out, or encode it."
        ) from error


def levels_of(column: pd.Series, maximum: int) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return a column's levels as text, numbers in their order, None last; their counts; whether they are numbers."""
    import pandas as pd

    codes, found = factorized(column)
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    values = sorted(found) if numeric else sorted({_text(value) for value in found})
    if len(values) > maximum:
        raise InputError(
            f"Column '{column.name}' must be a category; got {len(values):,} levels, more than {maximum:,}. Leave "
            "identifiers and free text out, or raise max_levels."
        )
    texts = [_text(value) for value in values]
    place = {text: i for i, text in enumerate(texts)}
    lookup = np.array([place[_text(value)] for value in found] + [len(texts)], dtype=np.int64)
    counts = np.bincount(lookup[codes], minlength=len(texts) + 1)
    levels = np.array([*texts, None], dtype=object)
    return (levels, counts, numeric) if counts[-1] else (levels[:-1], counts[:-1], numeric)


def places_among(column: pd.Series, levels: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return the place of each value among the levels, -1 for none, and the texts of the unknown ones."""
    codes, found = factorized(column)
    place = {level: i for i, level in enumerate(levels)}
    texts = [_text(value) for value in found]
    lookup = np.array([place.get(text, -1) for text in texts] + [place.get(None, -1)], dtype=np.int64)
    new = sorted({text for text in texts if text not in place})
    if None not in place and (codes < 0).any():
        new.append("missing")
    return lookup[codes], new


def encoded_block(F: Any, x: Any, levels: Any, missing: Any, table: Any, offset: Any, *, n_out: int) -> Any:
    own = F.expand_dims(x, axis=2)
    # padding is NaN, which equals nothing
    equal = F.broadcast_equal(own, levels) + F.broadcast_mul(own != own, missing)
    flat = F.reshape(equal, shape=(0, -1))
    return F.broadcast_add(F.dot(flat, F.reshape(table, shape=(-1, n_out))), offset)
