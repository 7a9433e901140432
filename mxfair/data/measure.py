"""Signals that run the net: over all samples, or over a stratified probe of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._inference import PredictGraph, decision_places, forward, is_probability, loader_of, scores
from mxfair._validation import InputError, generator, numeric_labels, positive_integer, same_length, to_numpy
from mxfair.data._blocks import plain_state
from mxfair.data._cells import Cells
from mxfair.data._stats import check_finite, mean_loss, to_table
from mxfair.data.signal import SAMPLE_NEEDS, CellStats
from mxfair.groups import Groups

mx: Any = import_mxnet()

__all__ = ["FullPass", "ProbeSet"]


class FullPass:
    """One pass of the net over all samples, in predict mode, without gradients and in chunks.

    Parameters
    ----------
    net : gluon.Block
        The net being trained. One output per sample is read as a binary score, several as one score per class.
    data : array of shape (n_samples, ...) or gluon.data.Dataset
        The training samples, in the order of `labels`; or a held-out set with the same labels and groups.
    labels : array of shape (n_samples,)
        Class labels, numeric, as the loss takes them; or a regression target, with `label_bins`.
    groups : array-like or Groups
        Sensitive attribute of each sample.
    loss : gluon.loss.Loss, optional
        The training loss; needed by controllers that compare losses. A loss built with ``from_sigmoid=True`` says that
        outputs are probabilities.
    chunk : int, optional
        Samples per piece. Default: 16,384, fewer for large samples.
    soft : bool, default=False
        Count probabilities in the place of decisions: smoother, and free of the threshold, but a net that grows
        confident moves it without a decision changing.
    label_bins : int or sequence of float, optional
        Bins of a regression target, as for `FairBatchSampler`; a held-out set needs the sampler's cut points.
    positive : label value, optional
        The class that losses against the positive label are taken of. Default: the largest.
    num_workers, thread_pool : int and bool, default=0 and False
        As for ``gluon.data.DataLoader``, where the data are a dataset.

    Notes
    -----
    The pass costs one forward computation of the data and one synchronisation per chunk, when an epoch starts; none
    happens inside the epoch.

    Examples
    --------
    >>> import mxfair, numpy as np
    >>> from mxnet import gluon
    >>> net = gluon.nn.Dense(1); net.initialize()
    >>> signal = mxfair.data.FullPass(net, np.zeros((4, 2), "float32"), [0, 0, 1, 1], ["a", "b", "a", "b"])
    >>> signal.measure("rates").rates.support
    array([2., 2.])
    """

    def __init__(
        self,
        net: Any,
        data: Any,
        labels: Any,
        groups: Any,
        *,
        loss: Any = None,
        chunk: int | None = None,
        soft: bool = False,
        label_bins: Any = None,
        positive: Any = None,
        num_workers: int = 0,
        thread_pool: bool = False,
    ) -> None:
        self.net, self.loss, self.chunk, self.soft = net, loss, chunk, bool(soft)
        self.labels = numeric_labels(labels)
        self.groups = groups if isinstance(groups, Groups) else Groups(groups)
        same_length(data=data, labels=self.labels, groups=self.groups)
        self.cells = Cells(self.labels, self.groups, bins=label_bins)
        self.classes = self.cells.classes
        if self.soft and self.cells.cuts is not None:
            raise InputError("'soft' must be False for a regression target: its predictions are no probabilities.")
        self.positive = self.classes[-1] if positive is None else positive
        if self.positive not in self.classes:
            raise InputError(f"'positive' must be one of the labels {self.classes.tolist()}; got {positive!r}.")
        if _has_nan(data):
            raise InputError("'data' must not hold NaN: a net may turn it into 0 unseen. Impute or drop these samples.")
        self.data = self._prepared(data, num_workers, thread_pool)
        self._graph = PredictGraph(net)

    def _prepared(self, data: Any, num_workers: int, thread_pool: bool) -> Any:
        """Return what `forward` goes over; a dataset gets one loader, since making one is slow."""
        return _batches(data, self.chunk, num_workers, thread_pool)

    def measure(self, *needs: str) -> CellStats:
        """Return what a controller needs; see `Signal`.

        Parameters
        ----------
        *needs : {"rates", "loss", "positive_loss", "sample_loss", "sample_gradient"}

        Returns
        -------
        CellStats
        """
        return self._measure(needs, self.data, self.labels, self.cells.codes)

    def _measure(self, needs: tuple[str, ...], data: Any, labels: np.ndarray, codes: np.ndarray) -> CellStats:
        if self.loss is None and set(needs) - {"rates"}:
            raise InputError("This controller compares losses: pass loss= to the signal.")
        tally = _Tally(self, needs, len(codes))
        start = 0
        for output in forward(self.net, data, chunk=self.chunk, graph=self._graph):
            stop = start + len(output)
            tally.add(output, labels[start:stop], codes[start:stop], slice(start, stop))
            start = stop
        return tally.stats(np.bincount(codes, minlength=self.cells.size).reshape(self.cells.shape))


class ProbeSet(FullPass):
    """A pass over a stratified part of the samples: as many of each (label, group) cell, whatever its size.

    Rates and losses of a cell are those of its part; figures over several cells weigh them by the sizes of the cells.

    Parameters
    ----------
    net, data, labels, groups, loss, chunk, soft, label_bins, positive, num_workers, thread_pool
        As for `FullPass`. The probe's samples are copied where the data are an array.
    per_cell : int, default=256
        Samples of each cell; all of them where there are fewer. A rate among 256 samples has a standard error of .03
        or less.
    redraw : bool, default=False
        Choose new samples at each measurement, so that errors even out over many updates, as the rates of single
        batches do.
    seed : int or numpy.random.Generator, optional
        Seed of the choice.

    Notes
    -----
    The cost of an update does not depend on the number of samples. The choice of per_cell trades that cost against
    noise in the shares, which moves the net: see docs/fairbatch.md.

    Examples
    --------
    >>> import mxfair, numpy as np
    >>> from mxnet import gluon
    >>> net = gluon.nn.Dense(1); net.initialize()
    >>> labels, groups = np.tile([0, 1], 500), np.repeat(["a", "b"], 500)
    >>> probe = mxfair.data.ProbeSet(net, np.zeros((1000, 2), "float32"), labels, groups, per_cell=20, seed=0)
    >>> len(probe.rows), probe.measure("rates").rates.support
    (80, array([500., 500.]))
    """

    def __init__(
        self,
        net: Any,
        data: Any,
        labels: Any,
        groups: Any,
        *,
        per_cell: int = 256,
        redraw: bool = False,
        seed: int | np.random.Generator | None = None,
        loss: Any = None,
        chunk: int | None = None,
        soft: bool = False,
        label_bins: Any = None,
        positive: Any = None,
        num_workers: int = 0,
        thread_pool: bool = False,
    ) -> None:
        self.per_cell, self.redraw = positive_integer(per_cell, "per_cell"), bool(redraw)
        self._rng = generator(seed)
        super().__init__(
            net,
            data,
            labels,
            groups,
            loss=loss,
            chunk=chunk,
            soft=soft,
            label_bins=label_bins,
            positive=positive,
            num_workers=num_workers,
            thread_pool=thread_pool,
        )

    def _prepared(self, data: Any, num_workers: int, thread_pool: bool) -> Any:
        self._source, self._loading = data, (num_workers, thread_pool)
        return self._choose()

    def _choose(self) -> Any:
        """Choose rows, and return what `forward` goes over."""
        cells, rows, start = self.cells, [], 0
        for size in cells.counts.ravel():
            members = cells.members[start : start + size]
            few = size <= self.per_cell
            rows.append(members if few else self._rng.choice(members, self.per_cell, replace=False, shuffle=False))
            start += size
        self.rows = np.concatenate(rows)
        source = self._source
        if isinstance(source, np.ndarray):
            return np.take(source, self.rows, axis=0)
        if isinstance(source, mx.nd.NDArray):
            return mx.nd.take(source, mx.nd.array(self.rows, dtype="int64", ctx=source.context))
        return _batches(_Part(source, self.rows), self.chunk, *self._loading)

    def measure(self, *needs: str) -> CellStats:
        """Return what a controller needs; see `Signal`.

        Parameters
        ----------
        *needs : {"rates", "loss", "positive_loss"}

        Returns
        -------
        CellStats
        """
        if set(needs) & set(SAMPLE_NEEDS):
            raise InputError("Selection inside the cells needs the loss of every sample: use a FullPass as the signal.")
        if self.redraw:
            self.data = self._choose()
        return self._measure(needs, self.data, self.labels[self.rows], self.cells.codes[self.rows])

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the random choice, as plain values.

        Returns
        -------
        dict
        """
        return {"rng": plain_state(self._rng), "rows": [] if self.redraw else self.rows.tolist()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken.

        Parameters
        ----------
        state : dict
        """
        if not self.redraw and state["rows"] != self.rows.tolist():
            raise InputError("The state must be of a probe of the same samples. Build it with the same data and seed.")
        self._rng.bit_generator.state = state["rng"]


class _Tally:
    """Sums over the pieces of one pass."""

    def __init__(self, signal: FullPass, needs: tuple[str, ...], n: int) -> None:
        self.signal, self.needs, self.cells = signal, needs, signal.cells
        self.counts: np.ndarray | None = None
        self.values: np.ndarray = np.arange(0)
        self.sums = {need: np.zeros(self.cells.size) for need in ("loss", "positive_loss") if need in needs}
        self.samples = {need: np.empty(n, np.float32) for need in SAMPLE_NEEDS if need in needs}

    def add(self, output: Any, labels: np.ndarray, codes: np.ndarray, place: slice) -> None:
        """Count one piece."""
        if {"loss", *SAMPLE_NEEDS} & set(self.needs):
            losses = self._losses(output, labels, place)
            if "loss" in self.sums:
                self.sums["loss"] += np.bincount(codes, losses, minlength=self.cells.size)
            if "sample_loss" in self.samples:
                self.samples["sample_loss"][place] = losses
        if "positive_loss" in self.sums:
            losses = self._losses(output, np.full(len(labels), self.signal.positive), None)
            self.sums["positive_loss"] += np.bincount(codes, losses, minlength=self.cells.size)
        if "rates" in self.needs:
            self._count(to_numpy(output), codes)

    def _losses(self, output: Any, labels: np.ndarray, place: slice | None) -> np.ndarray:
        gradient = place is not None and "sample_gradient" in self.samples
        target = mx.nd.array(labels, dtype="float32", ctx=output.context)
        if gradient:
            output = output.detach()
            output.attach_grad()
        with mx.autograd.record(train_mode=False) if gradient else mx.autograd.pause(train_mode=False):
            value = self.signal.loss(output, target)
        if value.shape != (len(labels),):
            raise InputError(
                f"'loss' must return one value per sample, shape ({len(labels)},); got {value.shape}. "
                "Do not average over the batch: Trainer.step divides by its size."
            )
        if gradient:
            value.backward()
            rows = to_numpy(output.grad).reshape(len(labels), -1)
            self.samples["sample_gradient"][place] = np.linalg.norm(rows, axis=1)
        losses = to_numpy(value)
        check_finite(losses)
        return losses

    def _count(self, output: np.ndarray, codes: np.ndarray) -> None:
        cells, probability = self.cells, is_probability(self.signal.loss)
        size = cells.size
        if cells.cuts is not None:
            places, values = _bin_places(output, cells.cuts), cells.classes
        else:
            places, values = decision_places(output, cells.classes, probability=probability)
        width = len(values)
        if self.signal.soft:
            part = _soft_counts(scores(output, probability=probability), codes, size)
        elif width == 2:  # the lower class is what is left of the cells: see stats
            upper = np.bincount(codes[places > 0], minlength=size)
            part = np.stack([np.zeros_like(upper), upper], axis=1)
        else:
            joint = codes.astype(np.int64) * width + places
            part = np.bincount(joint, minlength=size * width).reshape(size, width)
        self.counts, self.values = part if self.counts is None else self.counts + part, values

    def stats(self, seen: np.ndarray) -> CellStats:
        """Return what was asked for, as it would be for cells of their own sizes."""
        counts, table = self.cells.counts, None
        per_seen = np.divide(counts, seen, out=np.zeros(seen.shape), where=seen > 0)
        if self.counts is not None:
            if len(self.values) == 2 and not self.signal.soft:
                self.counts[:, 0] = seen.ravel() - self.counts[:, 1]
            table = to_table(self.counts.reshape(*self.cells.shape, -1) * per_seen[:, :, None], self.cells, self.values)
        sums = {need: values.reshape(self.cells.shape) for need, values in self.sums.items()}
        of_group = np.maximum(counts.sum(axis=0), 1)
        return CellStats(
            rates=table,
            loss=mean_loss(sums["loss"], seen) if "loss" in sums else None,
            positive_loss=sums["positive_loss"] * per_seen / of_group if "positive_loss" in sums else None,
            sample_loss=self.samples.get("sample_loss"),
            sample_gradient=self.samples.get("sample_gradient"),
        )


class _Part(mx.gluon.data.Dataset):
    """Some samples of a dataset."""

    def __init__(self, dataset: Any, rows: np.ndarray) -> None:
        self._dataset, self._rows = dataset, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Any:
        return self._dataset[int(self._rows[index])]


def _batches(data: Any, chunk: int | None, num_workers: int, thread_pool: bool) -> Any:
    if isinstance(data, (np.ndarray, mx.nd.NDArray)):
        return data
    return loader_of(data, chunk, num_workers=num_workers, thread_pool=thread_pool)


def _bin_places(output: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    if int(np.prod(output.shape[1:])) != 1:
        raise InputError(f"A net for a regression target must return one number a sample; got shape {output.shape}.")
    if np.isnan(output).any():
        raise InputError("'net' must return numbers; got NaN: training has diverged. Lower the learning rate.")
    return np.searchsorted(cuts, output.reshape(-1), side="left")


def _soft_counts(probabilities: np.ndarray, codes: np.ndarray, size: int) -> np.ndarray:
    """Return the sum of each class's probability over each cell."""
    columns = [1.0 - probabilities, probabilities] if probabilities.ndim == 1 else probabilities.T
    return np.stack([np.bincount(codes, column, minlength=size) for column in columns], axis=1)


def _has_nan(data: Any) -> bool:
    """Tell whether an array holds NaN; datasets are not read."""
    if not isinstance(data, (np.ndarray, mx.nd.NDArray)) or np.dtype(data.dtype).kind != "f" or not data.size:
        return False
    return bool(np.isnan(to_numpy(data.min())).any())
