"""Class labels as places among their sorted classes, without a sort of the samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import InputError, labels_vector

__all__ = ["by_remainder", "by_running_total", "classes_of", "places_in"]

#: Whole numbers within this range are looked up in a table.
_MAX_TABLE = 65_536
#: More distinct decimal labels than this are taken for a regression target.
_MAX_FLOAT_LABELS = 20


def classes_of(labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the sorted classes and each sample's place among them."""
    array = labels_vector(labels)
    distinct, codes = _factorized(array)
    decimal = array.dtype.kind == "f" and len(distinct) > _MAX_FLOAT_LABELS
    if decimal and not np.array_equal(distinct, np.round(distinct)):
        raise InputError(
            f"'labels' must be classes; got {len(distinct)} different decimal numbers, which look like a regression "
            "target. Cut them into bins first, with numpy.digitize say."
        )
    order = np.argsort(distinct, kind="stable")
    if np.array_equal(order, np.arange(len(order))):
        return distinct, codes
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return distinct[order], rank[codes]


def places_in(labels: Any, classes: np.ndarray) -> np.ndarray:
    """Return each label's place among fitted classes; another label is an error."""
    distinct, codes = _factorized(labels_vector(labels))
    known = {value: place for place, value in enumerate(classes.tolist())}
    table = [known.get(value, -1) for value in distinct.tolist()]
    if -1 in table:
        shown = ", ".join(map(str, classes.tolist()[:20]))
        raise InputError(
            f"'labels' must be among the fitted classes, {shown}; got {distinct.tolist()[table.index(-1)]!r}. Fit with "
            "rows of every class."
        )
    return codes if table == list(range(len(table))) else np.array(table, dtype=np.int64)[codes]


def _factorized(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the values that occur, in any order, and each sample's place among them."""
    if array.dtype.kind == "b":
        array, kind = array.view(np.uint8), np.dtype(bool)
    else:
        kind = array.dtype
    if array.dtype.kind in "iu":
        low, high = int(array.min()), int(array.max())
        if high - low < _MAX_TABLE:
            codes = array if low == 0 else array - array.dtype.type(low)
            found = np.flatnonzero(np.bincount(codes.astype(np.int64, copy=False)))
            if len(found) <= high - low:
                table = np.zeros(high - low + 1, dtype=np.int64)
                table[found] = np.arange(len(found))
                codes = table[codes]
            return (found + low).astype(kind), codes.astype(np.int64, copy=False)
    import pandas as pd

    codes, distinct = pd.factorize(array)
    return np.asarray(distinct, dtype=kind), codes


def by_remainder(shares: np.ndarray, total: int) -> np.ndarray:
    """Return whole numbers near `shares` that sum to `total`: the largest remainders are rounded up."""
    whole = np.floor(shares + 1e-9).astype(np.int64)
    short = total - int(whole.sum())
    order = np.argsort(-(shares - whole), kind="stable")
    whole[order[: max(short, 0)]] += 1
    return whole


def by_running_total(shares: np.ndarray) -> np.ndarray:
    """Return each share rounded up or down so that no running total is off by more than a half.

    With many small shares the largest remainders may all lie in one label or group, whose total is then far off.
    """
    totals = np.rint(np.round(np.cumsum(shares), 9))
    return np.diff(totals, prepend=0.0).astype(np.int64)
