"""Signals: what the net does to each (label, group) cell now, as a controller needs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._inference import decisions, forward, is_probability
from mxfair._validation import InputError, numeric_labels, same_length, to_numpy
from mxfair.confusion import GroupConfusion
from mxfair.groups import Groups

mx: Any = import_mxnet()

__all__ = ["CellStats", "FullPass", "Signal"]

#: What a controller may ask for.
NEEDS = ("rates", "loss", "positive_loss")


@dataclass(frozen=True)
class CellStats:
    """What a signal measured; the parts that were not asked for are None.

    Parameters
    ----------
    rates : GroupConfusion, optional
        Decisions on the training samples.
    loss : ndarray of shape (n_labels, n_groups), optional
        Mean loss of each (label, group) cell.
    positive_loss : ndarray of shape (n_labels, n_groups), optional
        Loss against the positive label, summed over a cell and divided by the size of its group.
    """

    rates: GroupConfusion | None = None
    loss: np.ndarray | None = None
    positive_loss: np.ndarray | None = None


@runtime_checkable
class Signal(Protocol):
    """Measures the net; a sampler calls it when an epoch starts."""

    def measure(self, need: str) -> CellStats:
        """Return what a controller needs.

        Parameters
        ----------
        need : {"rates", "loss", "positive_loss"}

        Returns
        -------
        CellStats
        """
        ...


class FullPass:
    """One pass of the net over all samples, in predict mode, without gradients and in chunks.

    Parameters
    ----------
    net : gluon.Block
        The net being trained. One output per sample is read as a binary score, several as one score per class.
    data : array of shape (n_samples, ...) or gluon.data.Dataset
        The training samples, in the order of `labels`.
    labels : array of shape (n_samples,)
        Class labels, numeric, as the loss takes them.
    groups : array-like or Groups
        Sensitive attribute of each sample.
    loss : gluon.loss.Loss, optional
        The training loss; needed by controllers that compare losses. A loss built with ``from_sigmoid=True`` says that
        outputs are probabilities.
    chunk : int, optional
        Samples per piece. Default: 16,384, fewer for large samples.

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
        self, net: Any, data: Any, labels: Any, groups: Any, *, loss: Any = None, chunk: int | None = None
    ) -> None:
        self.net, self.data, self.loss, self.chunk = net, data, loss, chunk
        self.labels = numeric_labels(labels)
        self.groups = groups if isinstance(groups, Groups) else Groups(groups)
        self.classes = np.unique(self.labels)
        same_length(data=data, labels=self.labels, groups=self.groups)
        if _has_nan(data):
            raise InputError("'data' must not hold NaN: a net may turn it into 0 unseen. Impute or drop these samples.")

    def measure(self, need: str) -> CellStats:
        """Return what a controller needs; see `Signal`.

        Parameters
        ----------
        need : {"rates", "loss", "positive_loss"}

        Returns
        -------
        CellStats
        """
        if need == "rates":
            return CellStats(rates=self._rates())
        if self.loss is None:
            raise InputError("This controller compares losses: pass loss= to the signal.")
        labels = self.labels if need == "loss" else np.full_like(self.labels, self.classes[-1])
        return cell_losses(self._losses(labels), self.labels, self.groups, need)

    def _rates(self) -> GroupConfusion:
        probability = is_probability(self.loss)
        parts = [
            decisions(to_numpy(out), self.classes, probability=probability)
            for out in forward(self.net, self.data, chunk=self.chunk)
        ]
        return _table(self.labels, np.concatenate(parts), self.groups, self.classes)

    def _losses(self, labels: np.ndarray) -> np.ndarray:
        parts, start = [], 0
        targets = mx.nd.array(labels, dtype="float32")
        for out in forward(self.net, self.data, chunk=self.chunk):
            stop = start + len(out)
            with mx.autograd.pause(train_mode=False):
                value = self.loss(out, targets[start:stop].as_in_context(out.context))
            if value.shape != (stop - start,):
                raise InputError(
                    f"'loss' must return one value per sample, shape ({stop - start},); got {value.shape}. "
                    "Do not average over the batch: Trainer.step divides by its size."
                )
            parts.append(to_numpy(value))
            start = stop
        return np.concatenate(parts)


class CallableSignal:
    """A user's own function of no arguments as a signal."""

    def __init__(self, function: Callable[[], Any], labels: np.ndarray, groups: Groups) -> None:
        self.function, self.labels, self.groups = function, labels, groups

    def measure(self, need: str) -> CellStats:
        """Read the function's result as decisions (rates) or as losses per sample."""
        value = self.function()
        if isinstance(value, CellStats):
            return value
        values = to_numpy(value).reshape(-1)
        if len(values) != len(self.labels):
            raise InputError(
                f"'signal' must return one {'decision' if need == 'rates' else 'loss'} per training sample "
                f"({len(self.labels)}); got {len(values)}."
            )
        if need == "rates":
            return CellStats(rates=_table(self.labels, values, self.groups, np.unique(self.labels)))
        return cell_losses(values, self.labels, self.groups, need)


def _has_nan(data: Any) -> bool:
    """Tell whether an array holds NaN; datasets are not read."""
    if not isinstance(data, (np.ndarray, mx.nd.NDArray)) or np.dtype(data.dtype).kind != "f" or not data.size:
        return False
    return bool(np.isnan(to_numpy(data.min())).any())


def _table(labels: np.ndarray, preds: np.ndarray, groups: Groups, classes: np.ndarray) -> GroupConfusion:
    found = np.union1d(classes, np.unique(preds)) if len(classes) > 2 else classes
    return GroupConfusion.of(labels, preds, groups, classes=found)


def cell_losses(losses: np.ndarray, labels: np.ndarray, groups: Groups, need: str) -> CellStats:
    """Return mean losses by cell, or, for demographic parity, sums divided by the group's size."""
    if not np.isfinite(losses).all():
        raise InputError("The loss of a training sample is not finite: training has diverged. Lower the learning rate.")
    places, n_groups = np.searchsorted(np.unique(labels), labels), groups.n_groups
    cells = places * n_groups + groups.codes
    n_labels = int(places.max()) + 1
    sums = np.bincount(cells, losses, minlength=n_labels * n_groups).reshape(n_labels, n_groups)
    counts = np.bincount(cells, minlength=n_labels * n_groups).reshape(n_labels, n_groups)
    if need == "loss":
        return CellStats(loss=sums / np.maximum(counts, 1))
    return CellStats(positive_loss=sums / np.maximum(counts.sum(axis=0), 1))
