"""Loaders: Gluon's DataLoader with whole-batch gathering, and the same with FairBatch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._inference import ZERO_COPY, arrays_of
from mxfair._validation import InputError, InputTypeError, generator, one_of, positive_integer, same_length
from mxfair.criterion import Criterion, LossCriterion, criterion_named
from mxfair.data._blocks import BlockSampler, Epoch
from mxfair.data._columns import column_of, with_column
from mxfair.data.controller import Controller
from mxfair.data.measure import FullPass, ProbeSet
from mxfair.data.sampler import FairBatchSampler
from mxfair.data.selection import CellSelector
from mxfair.data.signal import Signal
from mxfair.groups import Groups

mx: Any = import_mxnet()

__all__ = ["DataLoader", "FairDataLoader"]

#: Batches gathered at once, and the most bytes of one such block.
BLOCK_BATCHES = 64
BLOCK_BYTES = 32 * 2**20


class _PlainBatches(BlockSampler):
    """Gluon's BatchSampler, shuffled or not, with random numbers of its own and in blocks."""

    _seekable = True

    def __init__(self, length: int, batch_size: int, *, shuffle: bool, seed: Any) -> None:
        super().__init__()
        self._length, self._batch_size = length, positive_integer(batch_size, "batch_size")
        self._shuffle, self._rng = shuffle, generator(seed)

    def _begin(self) -> Epoch:
        epoch = _Order()
        epoch.rows = self._rng.permutation(self._length) if self._shuffle else np.arange(self._length)
        return epoch

    def _next(self, epoch: Epoch) -> np.ndarray | None:
        rows, size = cast(_Order, epoch).rows, self._batch_size
        full = self._length // size
        if epoch.drawn < full:
            return rows[epoch.drawn * size : full * size].reshape(-1, size)
        return rows[None, full * size :] if epoch.drawn < len(self) else None

    def _epoch_state(self, epoch: Epoch) -> dict[str, Any]:
        return {"rows": cast(_Order, epoch).rows.astype(np.int32 if self._length < 2**31 else np.int64)}

    def _resumed_epoch(self, opened: dict[str, Any]) -> Epoch:
        epoch = _Order()
        epoch.rows = np.asarray(opened["rows"], dtype=np.int64)
        if len(epoch.rows) != self._length:
            raise InputError(f"The state must be of {self._length} samples; got {len(epoch.rows)}. Use the same data.")
        return epoch

    def __len__(self) -> int:
        return -(-self._length // self._batch_size)


class _Order(Epoch):
    """An epoch of all samples in one order."""

    rows: np.ndarray


class _Shuffled(mx.gluon.data.Sampler):
    """Gluon's RandomSampler, with random numbers of its own."""

    def __init__(self, length: int, seed: Any) -> None:
        self._length, self._rng = length, generator(seed)

    def __iter__(self) -> Iterator[int]:
        return iter(self._rng.permutation(self._length).tolist())

    def __len__(self) -> int:
        return self._length


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
    _batch_sampler: Any
    _running: object | None = None  # what tells the newest iterator from older ones
    _used = 0

    def __init__(
        self, dataset: Any, batch_size: int | None = None, shuffle: bool = False, *, seed: Any = None, **kwargs: Any
    ) -> None:
        if len(dataset) == 0:
            raise InputError("'dataset' must hold at least one sample; got none.")
        _check_first(dataset)
        if batch_size is not None and kwargs.get("sampler") is kwargs.get("batch_sampler") is None:
            if kwargs.get("last_batch") in (None, "keep"):
                batches = _PlainBatches(len(dataset), batch_size, shuffle=bool(shuffle), seed=seed)
                kwargs.update(batch_sampler=batches, last_batch=None)
                batch_size = None
            elif shuffle:
                kwargs["sampler"] = _Shuffled(len(dataset), seed)
            shuffle = False
        super().__init__(dataset, batch_size, shuffle, **kwargs)
        in_process = not kwargs.get("num_workers") and not kwargs.get("pin_memory")
        self._arrays = arrays_of(dataset) if in_process and kwargs.get("batchify_fn") is None else None

    def __iter__(self) -> Iterator[Any]:
        """Return the batches of an epoch, or, after `load_state_dict`, the rest of one."""
        sampler = self._batch_sampler
        self._used = getattr(sampler, "begins_at", 0)
        token = self._running = object()
        for batch in self._batches():
            if self._running is token:
                self._used += 1
            yield batch
        if self._running is token:
            self._running = None

    def _batches(self) -> Iterator[Any]:
        if self._arrays is not None:
            return self._gathered(self._arrays)
        if self._num_workers and getattr(self._batch_sampler, "update_every", None) is not None:
            return self._block_by_block()
        return super().__iter__()

    def _block_by_block(self) -> Iterator[Any]:
        """Let workers run ahead inside a block only: the next one depends on what training makes of this one."""
        whole = self._batch_sampler
        for block in whole.blocks():
            self._batch_sampler = block.tolist()
            try:
                batches = self._prefetch_iter()
            finally:
                self._batch_sampler = whole
            yield from batches

    def state_dict(self) -> dict[str, Any]:
        """Return what a later run needs to go on after the last batch that was handed out.

        Returns
        -------
        dict
            Plain values, and, inside an epoch, the rows still to come as an array.

        Raises
        ------
        InputError
            If the loader's sampler cannot go on from inside an epoch.
        """
        return {"sampler": self._resumable().state_dict(used=None if self._running is None else self._used)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken: iterating yields the rest of that epoch first.

        Parameters
        ----------
        state : dict
            From a loader built with the same arguments.
        """
        self._running = None
        self._resumable().load_state_dict(state["sampler"])

    def _resumable(self) -> BlockSampler:
        if not isinstance(self._batch_sampler, BlockSampler):
            raise InputError(
                f"The loader must choose its batches itself to go on from inside an epoch; got "
                f"{type(self._batch_sampler).__name__}. Pass batch_size and shuffle, or use FairDataLoader."
            )
        return self._batch_sampler

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
    controller, positive, min_per_batch, label_bins, target, within, update_every, warm_up, seed
        As for `FairBatchSampler`.
    signal : {"full", "probe"}, Signal or callable, default="full"
        "full" is a `FullPass` of the net over the dataset, "probe" a `ProbeSet` of it; else as for `FairBatchSampler`.
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
        signal: str | Signal | Callable[[], Any] = "full",
        positive: Any = None,
        min_per_batch: float | None = None,
        label_bins: Any = None,
        target: Any = None,
        within: str | CellSelector = "shuffled",
        update_every: int | None = None,
        warm_up: int = 0,
        seed: int | np.random.Generator | None = None,
        **kwargs: Any,
    ) -> None:
        for key in self._REFUSED:
            if kwargs.pop(key, None):
                raise InputError(f"'{key}' must not be given: FairBatch selects the samples. Leave it out.")
        arrays = arrays_of(dataset) or []
        if labels is None:
            labels = column_of(dataset, 1, "labels")
        if groups is None:
            groups = Groups(column_of(dataset, 2, "groups"))
        else:
            groups = groups if isinstance(groups, Groups) else Groups(groups)
            same_length(dataset=dataset, groups=groups)
            dataset = with_column(dataset, arrays, groups.codes.astype(np.float32))
        same_length(dataset=dataset, labels=labels, groups=groups)
        rng = generator(seed)
        if label_bins is None and isinstance(criterion_named(criterion, losses=True), LossCriterion):
            label_bins = 1
        if isinstance(signal, str):
            measure: type[FullPass] = {"full": FullPass, "probe": ProbeSet}[one_of(signal, ("full", "probe"), "signal")]
            source = arrays[0] if arrays else dataset
            options = {key: kwargs[key] for key in ("num_workers", "thread_pool") if kwargs.get(key)}
            if measure is ProbeSet:
                options["seed"] = rng
            signal = measure(
                net, source, labels, groups, loss=loss, label_bins=label_bins, positive=positive, **options
            )
        sampler = FairBatchSampler(
            labels,
            groups,
            batch_size,
            criterion,
            signal=signal,
            controller=controller,
            positive=positive,
            min_per_batch=min_per_batch,
            label_bins=label_bins,
            target=target,
            within=within,
            update_every=update_every,
            warm_up=warm_up,
            seed=rng,
        )
        super().__init__(dataset, batch_sampler=sampler, **kwargs)
        self.batch_sampler = sampler


def _check_first(dataset: Any) -> None:
    """Refuse arrays of text, which neither this loader nor Gluon's can put into a batch."""
    for column in getattr(dataset, "_data", ()) if type(dataset) is mx.gluon.data.ArrayDataset else ():
        if not isinstance(column, (np.ndarray, list, tuple)) and not hasattr(column, "iloc"):
            continue
        item = next(iter(column))
        if item is None or isinstance(item, (str, bytes)):
            raise InputTypeError(
                f"'dataset' must hold numbers, since a batch is an array; got {item!r}. Give the codes of a group: "
                "mxfair.Groups(values).codes.astype('float32')."
            )


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
