"""The batches of several loaders side by side."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._validation import InputError
from mxfair.data.loader import BLOCK_BATCHES, _blocks, _bytes_per_row, _PlainBatches, _take

mx: Any = import_mxnet()

__all__ = ["Batch", "Gathered", "Iterated"]

#: The most bytes of what is gathered at once: larger pieces of memory cost more to get than to fill.
STACKED_BYTES = 2 * 2**20
NAMES = ("data", "label", "third")


class Batch:
    """A batch for each net.

    Attributes
    ----------
    size : int
        Rows of each net.
    columns : dict of str to NDArray
        Items: rows that all nets share, or the nets' rows one below the other.
    shared : collection of str
        The items that all nets share.
    """

    def __init__(self, size: int, columns: dict[str, Any], *, shared: Collection[str]) -> None:
        self.size, self.columns, self.shared = size, columns, shared

    def part(self, name: str, start: int, stop: int) -> Any:
        """Return an item of the nets from `start` to `stop`."""
        array = self.columns[name]
        whole = name in self.shared or (stop - start) * self.size == len(array)
        return array if whole else array._slice(start * self.size, stop * self.size)

    def of(self, place: int) -> tuple[Any, ...]:
        """Return the items of one net."""
        return tuple(self.part(name, place, place + 1) for name in self.columns)


class Apart:
    """A batch for each net, of loaders whose batches cannot be gathered side by side."""

    def __init__(self, batches: list[Any]) -> None:
        self.batches, self.size = batches, len(batches[0][0])

    def of(self, place: int) -> tuple[Any, ...]:
        """Return the items of one net."""
        return self.batches[place]


class Gathered:
    """Batches of loaders of arrays in memory, gathered many at a time for all nets.

    Parameters
    ----------
    loaders : list of DataLoader
        One, or one for each net.
    n_nets, n_items : int
    weights : ndarray of shape (n_nets, n_samples), optional
        Weights of the rows for each net, as third item.
    as_float : bool
        Whether what follows the data is made float32.
    """

    def __init__(
        self, loaders: Sequence[Any], n_nets: int, n_items: int, *, weights: np.ndarray | None, as_float: bool
    ) -> None:
        self._loaders, self._n, self._n_items = loaders, n_nets, n_items
        self._weights, self._as_float = weights, as_float
        self._shared = NAMES[:n_items] if len(loaders) == 1 < n_nets else ()
        arrays = [loader._arrays[:n_items] for loader in loaders]
        #: With the same arrays in all datasets, one gather does.
        self._one = all(a is b for other in arrays[1:] for a, b in zip(arrays[0], other))
        self._arrays = arrays[:1] if self._one else arrays

    def first_rows(self, n: int = 2) -> Batch:
        """Return a batch of the datasets' first rows; no loader is asked for one."""
        return self._batch(np.tile(np.arange(n)[None, None], (1, len(self._loaders), 1)))[0]

    def epoch(self, before_drawing: Callable[[], None]) -> Iterator[Batch]:
        """Yield the batches of an epoch; the call is made before a sampler may look at its net again."""
        for rows in self._rows(before_drawing):
            size = rows.shape[1] * rows.shape[2]
            step = max(1, min(BLOCK_BATCHES, STACKED_BYTES // max(1, size * self._bytes())))
            for start in range(0, len(rows), step):
                yield from self._batch(rows[start : start + step])

    def _bytes(self) -> int:
        return sum(_bytes_per_row(array) for array in self._arrays[0])

    def _rows(self, before_drawing: Callable[[], None]) -> Iterator[np.ndarray]:
        """Yield rows, shape (n_batches, n_loaders, batch_size), drawing a block when the last one is used up."""
        samplers = [loader._batch_sampler for loader in self._loaders]
        blocks = [_blocks(sampler) for sampler in samplers]
        held = [np.empty((0, 0), dtype=np.int64)] * len(blocks)
        begun = False
        while True:
            for place, sampler in enumerate(samplers):
                if len(held[place]):
                    continue
                if begun and not isinstance(sampler, _PlainBatches):
                    before_drawing()
                held[place] = next(blocks[place], np.empty((0, 0), dtype=np.int64))
            begun = True
            count = min(map(len, held))
            if count == 0:
                if any(map(len, held)):
                    raise InputError(
                        f"'loaders' must have equal numbers of batches; got {[len(s) for s in samplers]}. Give all the "
                        "same number of samples and the same batch_size."
                    )
                return
            sizes = sorted({block.shape[1] for block in held})
            if len(sizes) > 1:
                raise InputError(
                    f"'loaders' must have equal batch sizes; got batches of {sizes[0]} and {sizes[-1]} rows side by "
                    "side. Give all the same number of samples and the same batch_size."
                )
            yield np.stack([block[:count] for block in held], axis=1)
            held = [block[count:] for block in held]

    def _batch(self, rows: np.ndarray) -> list[Batch]:
        """Gather batches: rows have shape (n_batches, n_loaders, batch_size)."""
        n_batches, n_loaders, size = rows.shape
        columns = {name: self._column(place, rows) for place, name in enumerate(NAMES[: self._n_items])}
        if self._weights is not None:
            taken = [self._weights[k, rows[:, 0 if n_loaders == 1 else k]] for k in range(self._n)]
            columns["third"] = mx.nd.from_numpy(np.stack(taken, axis=1).reshape(-1))
        lengths = {name: len(column) // n_batches for name, column in columns.items()}
        return [
            Batch(
                size,
                {name: column._slice(i * lengths[name], (i + 1) * lengths[name]) for name, column in columns.items()},
                shared=self._shared,
            )
            for i in range(n_batches)
        ]

    def _column(self, place: int, rows: np.ndarray) -> Any:
        if self._one:
            column = _take(self._arrays[0][place], rows.reshape(-1))
        else:
            n_batches, _, size = rows.shape
            parts = [_take(arrays[place], rows[:, k].reshape(-1)) for k, arrays in enumerate(self._arrays)]
            inner = parts[0].shape[1:]
            parts = [part.reshape((n_batches, 1, size, *inner)) for part in parts]
            column = mx.nd.concat(*parts, dim=1).reshape((-1, *inner))
        return column.astype("float32") if place and self._as_float and column.dtype is not np.float32 else column


class Iterated:
    """Batches of any loaders, or of one that all nets share."""

    def __init__(self, loaders: Sequence[Any], n_nets: int) -> None:
        self._loaders, self._n = loaders, n_nets

    def epoch(self, before_drawing: Callable[[], None]) -> Iterator[Apart]:
        """Yield the batches of an epoch."""
        iterators = list(map(iter, self._loaders))
        while True:
            batches = [next(iterator, None) for iterator in iterators]
            if all(batch is None for batch in batches):
                return
            if any(batch is None for batch in batches):
                raise InputError("'loaders' must have equal numbers of batches; one ended before another.")
            yield Apart(batches * (self._n if len(batches) == 1 else 1))
