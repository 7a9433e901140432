"""Columns of sensitive attributes as integer codes, and several columns as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mxfair._validation import InputError, InputTypeError, to_numpy, vector

#: A float column with more distinct values than this is taken for a continuous attribute.
MAX_FLOAT_GROUPS = 20
#: Up to this many possible values or combinations are counted in a table; more are sorted.
MAX_TABLE = 65_536


def columns_of(values: Any) -> dict[Any, Any]:
    """Return the attribute columns by name."""
    if isinstance(values, (str, bytes)):
        raise InputTypeError(
            f"'groups' must hold one group per sample; got the text {values!r}. Pass the column itself."
        )
    if isinstance(values, Mapping):
        columns = dict(values)
    elif hasattr(values, "columns") and hasattr(values, "iloc"):  # a data frame
        columns = {key: values.iloc[:, i] for i, key in enumerate(values.columns)}
        if len(columns) < len(values.columns):
            raise InputError(f"'groups' must have columns of different names; got {list(values.columns)}. Rename one.")
    elif hasattr(values, "categories") and hasattr(values, "codes"):  # a pandas Categorical
        columns = {"group": values}
    elif hasattr(values, "iloc"):
        columns = {"group" if values.name is None else values.name: values}
    else:
        array = to_numpy(values)
        if array.ndim == 2 and array.shape[1] > 1:
            columns = {f"group {i}": array[:, i] for i in range(array.shape[1])}
        else:
            columns = {"group": vector(array, "groups", hint="Pass one group per sample, or one column per attribute")}
    if not columns:
        raise InputError("'groups' must have at least one column; got none. Name a sensitive attribute.")
    return columns


def encode(column: Any, name: str) -> tuple[np.ndarray, list[str]]:
    """Return codes, -1 where missing, and the sorted names of the levels; some levels may not occur."""
    import pandas as pd

    categories = getattr(column, "cat", column)
    if hasattr(categories, "categories") and hasattr(categories, "codes"):  # categorical: encoded already
        return _named(np.asarray(categories.codes), [group_text(v) for v in np.asarray(categories.categories)])
    array = vector(column, name, hint="Pass one group per sample")
    if array.dtype.kind in "iu" and len(array):
        low, high = int(array.min()), int(array.max())
        if high - low < min(MAX_TABLE, len(array)):
            return _named(_shifted(array, low), [str(value) for value in range(low, high + 1)])
    codes, levels = pd.factorize(array)
    decimals = sum(isinstance(v, (float, np.floating)) for v in levels)
    if decimals > MAX_FLOAT_GROUPS:
        raise InputError(
            f"Group column '{name}' must hold categories; got {decimals} different decimal numbers. "
            "Cut a continuous attribute into bins first; in Python: Groups.binned(values, bins=4)."
        )
    try:
        order = np.argsort(levels, kind="stable")
    except TypeError:  # values of several types have no order, but their texts have
        order = np.argsort([group_text(v) for v in levels], kind="stable")
    rank = np.empty(len(order) + 1, dtype=np.int64)
    rank[order], rank[-1] = np.arange(len(order)), -1
    return _named(rank[codes], [group_text(levels[place]) for place in order])


def cross(encoded: Sequence[tuple[np.ndarray, list[str]]]) -> tuple[np.ndarray, list[str], bool]:
    """Return codes and names of the combinations that occur, and whether some are missing: these have the last code.

    A sample of which one column is missing is missing.
    """
    codes, levels = encoded[0]
    if len(encoded) == 1:
        codes = np.array(codes, dtype=np.int64)  # a copy: it may be the user's array
        cells, codes, has_unknown = occurring(codes, len(levels))
        levels = [levels[cell] for cell in cells]
    for other, names in encoded[1:]:  # one column at a time: the product of all could exceed an integer
        size = len(levels) * len(names)
        product, counts = _product(codes, other, len(names), size)
        cells, codes, has_unknown = occurring(product, size, counts)
        levels = [f"{levels[cell // len(names)]} & {names[cell % len(names)]}" for cell in cells]
    return (np.where(codes < 0, len(levels), codes) if has_unknown else codes), levels, has_unknown


def _shifted(array: np.ndarray, low: int) -> np.ndarray:
    """Return whole numbers, counted from the smallest one, which is `low`."""
    if low == 0:
        return array
    if array.dtype.kind == "u":  # may only fit into int64 after the subtraction
        return (array - array.dtype.type(low)).astype(np.int64)
    return array.astype(np.int64) - low


def _product(codes: np.ndarray, other: np.ndarray, width: int, size: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Return one code for each pair of codes, -1 where one of them is, and how often -1, 0, 1, ... below `size` occur.

    It goes part by part, which stay in the cache; where there are too many codes for a table they are not counted.
    """
    product = np.empty(len(codes), dtype=np.int64)
    counts = np.zeros(size + 1, dtype=np.int64) if size <= MAX_TABLE else None
    for start in range(0, len(codes), MAX_TABLE):
        part = slice(start, start + MAX_TABLE)
        cell, first, second = product[part], codes[part], other[part]
        np.multiply(first, width, out=cell, casting="unsafe")
        np.add(cell, second, out=cell, casting="unsafe")
        if first.min() < 0 or second.min() < 0:
            cell[(first < 0) | (second < 0)] = -1
        if counts is not None:
            counts += _counts(cell, size)
    return product, counts


def _counts(codes: np.ndarray, size: int) -> np.ndarray:
    """Return how often -1, 0, 1, ... below `size` occur."""
    try:
        return np.concatenate([[0], np.bincount(codes, minlength=size)])
    except ValueError:  # some are -1
        return np.bincount(codes + 1, minlength=size + 1)


def occurring(codes: np.ndarray, size: int, counts: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return the codes that occur, sorted, each sample's place among them, and whether some are -1, which stays."""
    if size > MAX_TABLE:
        cells, places = np.unique(codes, return_inverse=True)
        lost = len(cells) > 0 and cells[0] < 0
        return (cells[1:], places - 1, True) if lost else (cells, places, False)
    counts = _counts(codes, size) if counts is None else counts
    lost, counts = bool(counts[0] > 0), counts[1:]
    cells = np.flatnonzero(counts)
    if len(cells) == size:
        return cells, codes, lost
    places = np.full(size + 1, -1, dtype=np.int64)
    places[cells] = np.arange(len(cells))
    return cells, places[codes], lost  # code -1 is the last place, which is -1


def _named(codes: np.ndarray, texts: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Return codes and names: levels that read alike are one, and "unknown" is none."""
    names = [text for text in dict.fromkeys(texts) if text != "unknown"]
    if len(names) == len(texts):
        return codes, names
    places = {name: i for i, name in enumerate(names)}
    return np.array([*(places.get(text, -1) for text in texts), -1])[codes], names


def group_text(value: Any) -> str:
    """Return a level as text: 1.0 reads '1'."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
