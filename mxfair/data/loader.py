"""Loaders: Gluon's DataLoader with whole-batch gathering, and the same with FairBatch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._inference import ZERO_COPY, arrays_of
from mxfair._validation import InputError, generator, positive_integer, same_length, to_numpy
from mxfair.criterion import Criterion
from mxfair.data.controller import Controller
from mxfair.data.sampler import FairBatchSampler
from mxfair.data.signal import FullPass, Signal
from mxfair.groups import Groups

mx: Any = import_mxnet()

__all__ = ["DataLoader", "FairDataLoader"]

#: Batches gathered at once, and the most bytes of one such block.
BLOCK_BATCHES = 64
BLOCK_BYTES = 32 * 2**20


class _ShuffledBatches(mx.gluon.data.Sampler):
    """Gluon's shuffled BatchSampler, with random numbers of its own and in blocks."""

    def __init__(self, length: int, batch_size: int, seed: Any) -> None:
        self._length, self._batch_size = length, positive_integer(batch_size, "batch_size")
        self._rng = generator(seed)

    def blocks(self) -> Iterator[np.ndarray]:
        order = self._rng.permutation(self._length)
        full = self._length - self._length % self._batch_size
        if full:
            yield order[:full].reshape(-1, self._batch_size)
        if full < self._length:
            yield order[None, full:]

    def __iter__(self) -> Iterator[list[int]]:
        for block in self.blocks():
            yield from block.tolist()

    def __len__(self) -> int:
        return -(-self._length // self._batch_size)


class _Shuffled(mx.gluon.data.Sampler):
    """Gluon's RandomSampler, with random numbers of its own."""

    def __init__(self, length: int, seed: Any) -> None:
        self._length, self._rng = length, generator(seed)

    def __iter__(self) -> Iterator[int]:
        return iter(self._rng.permutation(self._length).tolist())

    def __len__(self) -> int:
        return self._length


class _WithGroups(mx.gluon.data.Dataset):
    """A dataset of (data, label) with the group as third item."""

    def __init__(self, dataset: Any, codes: np.ndarray) -> None:
        self._dataset, self._codes = dataset, codes

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        return (*self._dataset[index][:2], self._codes[index])


class DataLoader(mx.gluon.data.DataLoader):
    """Gluon's DataLoader, many times faster for arrays in memory.

    Where the dataset is a ``gluon.data.ArrayDataset`` of NumPy arrays or NDArrays, whole batches are gathered at once
    and no Python runs per sample. Anything else (transforms, image folders, ``num_workers``, ``batchify_fn``) goes
    through Gluon's own loader. Batches have the same contents, shapes and types either way.

    Parameters
    ----------
    dataset : gluon.data.Dataset
        Source of the samples.
    batch_size : int, optional
        Rows in a batch; the last batch of an epoch may be smaller.
    shuffle : bool, default=False
        Whether to visit the samples in a new random order each epoch.
    seed : int or numpy.random.Generator, optional
        Seed of the order, if the loader shuffles. Unlike Gluon's, the order does not use NumPy's global random state.
    **kwargs
        Further arguments of ``gluon.data.DataLoader``: ``sampler``, ``last_batch``, ``batch_sampler``,
        ``batchify_fn``, ``num_workers``, ``pin_memory``, ``prefetch``, ``thread_pool``, ``timeout``.

    Notes
    -----
    NumPy arrays are not copied when the loader is made; they must not be resized while it is in use.

    Examples
    --------
    >>> import mxfair, numpy as np
    >>> from mxnet import gluon
    >>> dataset = gluon.data.ArrayDataset(np.arange(10, dtype="float32").reshape(5, 2), np.arange(5))
    >>> [data.shape for data, label in mxfair.data.DataLoader(dataset, 2, shuffle=True, seed=0)]
    [(2, 2), (2, 2), (1, 2)]
    """

    _worker_pool = None  # Gluon's __del__ reads it, also where __init__ has raised

    def __init__(
        self, dataset: Any, batch_size: int | None = None, shuffle: bool = False, *, seed: Any = None, **kwargs: Any
    ) -> None:
        if len(dataset) == 0:
            raise InputError("'dataset' must hold at least one sample; got none.")
        if shuffle and batch_size is not None and kwargs.get("sampler") is kwargs.get("batch_sampler") is None:
            if kwargs.get("last_batch") in (None, "keep"):
                kwargs.update(batch_sampler=_ShuffledBatches(len(dataset), batch_size, seed), last_batch=None)
                batch_size = None
            else:
                kwargs["sampler"] = _Shuffled(len(dataset), seed)
            shuffle = False
        super().__init__(dataset, batch_size, shuffle, **kwargs)
        in_process = not kwargs.get("num_workers") and not kwargs.get("pin_memory")
        self._arrays = arrays_of(dataset) if in_process and kwargs.get("batchify_fn") is None else None

    def __iter__(self) -> Iterator[Any]:
        if self._arrays is None:
            return super().__iter__()
        return self._gathered(self._arrays)

    def _gathered(self, arrays: list[Any]) -> Iterator[list[Any]]:
        bytes_per_row = sum(_bytes_per_row(array) for array in arrays)
        for block in _blocks(self._batch_sampler):
            size = block.shape[1]
            step = max(1, min(BLOCK_BATCHES, BLOCK_BYTES // max(1, size * bytes_per_row)))
            for start in range(0, len(block), step):
                rows = block[start : start + step].reshape(-1)
                columns = [_take(array, rows) for array in arrays]
                for stop in range(size, len(rows) + 1, size):
                    # _slice is what NDArray.__getitem__ ends in; it skips 8 us of index parsing a column.
                    yield [column._slice(stop - size, stop) for column in columns]


class FairDataLoader(DataLoader):
    """Gluon's DataLoader with FairBatch batch selection: the one changed line of a Trainer loop.

    Parameters
    ----------
    dataset : gluon.data.Dataset
        Training samples: (data, label, group), or (data, label) with `groups` beside it.
    batch_size : int
        Rows in every batch; each batch has exactly this many.
    net : gluon.Block
        The net being trained; it is measured on the training data when an epoch starts.
    loss : gluon.loss.Loss
        The training loss.
    criterion : str or Criterion, default="equalized_odds"
        What should be equal between the groups.
    labels, groups : array of shape (n_samples,), optional
        Labels and sensitive attribute, where the dataset is not an ``ArrayDataset`` that holds them as second and third
        array. `groups` also takes columns or Groups; it is then the third item of every batch, as float32 codes.
    controller, positive, min_per_batch, seed
        As for `FairBatchSampler`.
    signal : Signal or callable, optional
        As for `FairBatchSampler`. Default: a `FullPass` of the net over the dataset.
    **kwargs
        Further arguments of ``gluon.data.DataLoader``: ``batchify_fn``, ``num_workers``, ``pin_memory``, ``prefetch``,
        ``thread_pool``, ``timeout``. Those that choose samples (``shuffle``, ``sampler``, ``batch_sampler``,
        ``last_batch``) are refused, and so is ``auto_reload``, which would select an epoch's batches before the last
        epoch has been trained on.

    Attributes
    ----------
    batch_sampler : FairBatchSampler
        The sampler, with its shares and history.

    Raises
    ------
    InputError
        At construction, as for `FairBatchSampler`.

    Examples
    --------
    >>> import mxfair, numpy as np
    >>> from mxnet import autograd, gluon
    >>> X, y, z = np.random.default_rng(0).random((60, 2), "float32"), np.tile([0.0, 1.0], 30), np.repeat([0, 1, 1], 20)
    >>> dataset = gluon.data.ArrayDataset(X, y.astype("float32"), z)
    >>> net = gluon.nn.Dense(1); net.initialize()
    >>> loss = gluon.loss.SigmoidBinaryCrossEntropyLoss()
    >>> trainer = gluon.Trainer(net.collect_params(), "adam")
    >>> loader = mxfair.data.FairDataLoader(dataset, 20, net=net, loss=loss, criterion="equalized_odds", seed=0)
    >>> for data, label, group in loader:
    ...     with autograd.record():
    ...         l = loss(net(data), label)
    ...     l.backward()
    ...     trainer.step(len(data))
    >>> loader.batch_sampler.shares.shape
    (2, 2)
    """

    _REFUSED = ("shuffle", "sampler", "batch_sampler", "last_batch", "auto_reload")

    def __init__(
        self,
        dataset: Any,
        batch_size: int,
        *,
        net: Any,
        loss: Any,
        criterion: str | Criterion = "equalized_odds",
        labels: Any = None,
        groups: Any = None,
        controller: str | Controller = "proportional",
        signal: Signal | Callable[[], Any] | None = None,
        positive: Any = None,
        min_per_batch: float | None = None,
        seed: int | np.random.Generator | None = None,
        **kwargs: Any,
    ) -> None:
        for key in self._REFUSED:
            if kwargs.pop(key, None):
                raise InputError(f"'{key}' must not be given: FairBatch selects the samples. Leave it out.")
        arrays = arrays_of(dataset) or []
        if labels is None:
            labels = _column(dataset, 1, "labels")
        dataset, groups = self._with_groups(dataset, arrays, groups)
        same_length(dataset=dataset, labels=labels, groups=groups)
        if signal is None:
            signal = FullPass(net, arrays[0] if arrays else dataset, labels, groups, loss=loss)
        sampler = FairBatchSampler(
            labels,
            groups,
            batch_size,
            criterion,
            signal=signal,
            controller=controller,
            positive=positive,
            min_per_batch=min_per_batch,
            seed=seed,
        )
        super().__init__(dataset, batch_sampler=sampler, **kwargs)
        self.batch_sampler = sampler

    @staticmethod
    def _with_groups(dataset: Any, arrays: list[Any], groups: Any) -> tuple[Any, Groups]:
        """Return a dataset of (data, label, group), and the groups."""
        if groups is None:
            return dataset, Groups(_column(dataset, 2, "groups"))
        groups = groups if isinstance(groups, Groups) else Groups(groups)
        same_length(dataset=dataset, groups=groups)
        codes = groups.codes.astype(np.float32)
        if len(arrays) >= 2:
            return mx.gluon.data.ArrayDataset(*arrays[:2], codes), groups
        sample = dataset[0]
        if not isinstance(sample, (tuple, list)) or len(sample) < 2:
            raise InputError(
                f"'dataset' must yield (data, label); got one {type(sample).__name__} per sample. "
                "Zip them: gluon.data.ArrayDataset(dataset, labels)."
            )
        return _WithGroups(dataset, codes), groups


def _column(dataset: Any, place: int, name: str) -> np.ndarray:
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


def _bytes_per_row(array: Any) -> int:
    return int(np.prod(array.shape[1:])) * np.dtype(array.dtype).itemsize


def _blocks(batch_sampler: Any) -> Iterator[np.ndarray]:
    """Return batches in blocks of equal size: the sampler's own, or each of its batches by itself."""
    if hasattr(batch_sampler, "blocks"):
        return batch_sampler.blocks()
    return (np.asarray(batch, dtype=np.int64)[None] for batch in batch_sampler)


def _take(array: Any, rows: np.ndarray) -> Any:
    """Gather rows as a new NDArray."""
    if isinstance(array, np.ndarray):
        taken = np.take(array, rows, axis=0)
        return mx.nd.from_numpy(taken) if taken.dtype.name in ZERO_COPY else mx.nd.array(taken, dtype=taken.dtype)
    rows = np.arange(len(array))[rows]  # Python's rules for negative and too large indices: take clips them
    index = mx.nd.array(rows, dtype="int64", ctx=array.context)
    return mx.nd.take(array, index)
