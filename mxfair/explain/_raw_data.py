"""The values of raw columns, read back from the features that stand for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import InputError, to_numpy
from mxfair.explain._columns import Columns

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["chosen_data", "raw_data"]


def raw_data(data: Any, columns: Columns) -> pd.DataFrame:
    """Return a column of values for each raw column; NaN or None where its features do not tell.

    A single feature is its column. Of several, one of which is 1 in a row while the others are 0, that one's name is
    the value, without what it shares with the column's; a feature called "NAME missing" means a missing value. A number
    with such a feature beside it is the number.
    """
    import pandas as pd

    out: dict[str, Any] = {}
    for name, indices in zip(columns.names, columns.indices):
        if len(indices) == 1:
            j = int(indices[0])
            out[name] = data.iloc[:, j].array if hasattr(data, "iloc") else to_numpy(data)[:, j]
        else:
            block = data.iloc[:, indices] if hasattr(data, "iloc") else to_numpy(data)[:, indices]
            out[name] = _of_several(to_numpy(block), name, [columns.feature_names[j] for j in indices])
    return pd.DataFrame(out)


def chosen_data(frame: Any, names: tuple[str, ...], n_rows: int) -> pd.DataFrame:
    """Return the raw columns of a data frame, checked."""
    absent = [name for name in names if name not in getattr(frame, "columns", ())]
    if absent or len(frame) != n_rows:
        raise InputError(
            f"'data' must be a data frame of the {n_rows} rows with the raw columns; "
            + (f"column {absent[0]!r} is missing." if absent else f"got {len(frame)} rows.")
            + " Pass the rows as they were before encoding."
        )
    return frame[list(names)].reset_index(drop=True)


def _of_several(block: np.ndarray, name: str, features: list[str]) -> np.ndarray:
    """Return the value that several features stand for, in each row."""
    none = np.full(len(block), None, dtype=object)
    if block.dtype.kind not in "biuf":
        return none
    absent = features[-1] == f"{name} missing"
    if features == [name, f"{name} missing"]:
        return np.where(block[:, 1] > 0, np.nan, block[:, 0])
    if not np.isin(block, (0, 1)).all():
        return none
    levels = np.array([_level(feature, name) for feature in features], dtype=object)
    if absent:
        levels[-1] = None
    return np.where(block.sum(axis=1) == 1, levels[block.argmax(axis=1)], none)


def _level(feature: str, name: str) -> str:
    rest = feature[len(name) + 1 :] if feature.startswith(name) and len(feature) > len(name) + 1 else ""
    return rest if rest and not feature[len(name)].isalnum() else feature
