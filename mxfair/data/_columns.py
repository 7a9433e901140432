"""Columns beside a dataset: labels and groups out of it, a third item into it."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._validation import InputError, to_numpy

mx: Any = import_mxnet()

__all__ = ["column_of", "with_column"]


class _WithColumn(mx.gluon.data.Dataset):
    """A dataset of (data, label) with a third item."""

    def __init__(self, dataset: Any, column: np.ndarray) -> None:
        self._dataset, self._column = dataset, column

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        return (*self._dataset[index][:2], self._column[index])


def with_column(dataset: Any, arrays: list[Any], column: np.ndarray) -> Any:
    """Return a dataset of (data, label, column)."""
    if len(arrays) >= 2:
        return mx.gluon.data.ArrayDataset(*arrays[:2], column)
    sample = dataset[0]
    if not isinstance(sample, (tuple, list)) or len(sample) < 2:
        raise InputError(
            f"'dataset' must yield (data, label); got one {type(sample).__name__} per sample. "
            "Zip them: gluon.data.ArrayDataset(dataset, labels)."
        )
    return _WithColumn(dataset, column)


def column_of(dataset: Any, place: int, name: str) -> np.ndarray:
    """Return an ArrayDataset's labels or groups."""
    arrays = getattr(dataset, "_data", ()) if type(dataset) is mx.gluon.data.ArrayDataset else ()
    if len(arrays) <= place:
        raise InputError(
            f"'{name}' must be given: only an ArrayDataset(data, labels, groups) shows them without reading every "
            f"sample. Pass {name}=array, one per sample and in the order of the dataset."
        )
    column = to_numpy(arrays[place])
    if column.dtype.kind not in "biuf":
        raise InputError(
            f"The {name} in an ArrayDataset must be numbers, since Gluon puts them into batches; got {column[0]!r}. "
            f"Leave them out of the dataset and pass {name}=, or encode them."
        )
    return column
