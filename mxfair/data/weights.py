"""SampleWeights: the shares of a controller as weights of samples, where the sampler cannot be changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._inference import arrays_of, context_of
from mxfair._validation import positive_integer, same_length
from mxfair.criterion import Criterion
from mxfair.data._columns import with_column
from mxfair.data._steering import Steered, Steering, bounded
from mxfair.data.controller import Controller
from mxfair.data.signal import Signal
from mxfair.loss import WeightedLoss

mx: Any = import_mxnet()

__all__ = ["SampleWeights"]


class SampleWeights(Steered):
    r"""Weigh samples as `FairBatchSampler` would draw them, and leave loader and sampler as they are.

    .. math:: w_{yz} = \frac{\text{part of cell } (y, z) \text{ in FairBatch's batches}}{\text{its part of the data}}

    The mean weight over the data is 1. In expectation the gradient is that of FairBatch; a batch has more noise, since
    rare cells get large weights in the place of more rows.

    Parameters
    ----------
    labels, groups, criterion, signal, controller, positive, label_bins, target, warm_up
        As for `FairBatchSampler`.
    min_weight : float, default=0.01
        A weight never falls below this, or below 1 where a target asks for less: no group vanishes from training.
    update_every : int, optional
        Batches between two updates inside an epoch, for `mxfair.training.fit`. Default: only when an epoch starts.

    Attributes
    ----------
    weights : ndarray of shape (n_labels, n_groups)
        The weight of each cell now; 0 where it has no samples.
    sample_weight : ndarray of shape (n_samples,)
        The weight of each sample now, for scikit-learn's ``sample_weight=``, say.
    shares, data_shares, counts, classes, groups, history, findings
        As for `FairBatchSampler`.

    Raises
    ------
    InputError
        At construction, as for `FairBatchSampler`.

    Examples
    --------
    >>> import mxfair, numpy as np
    >>> from mxnet import autograd, gluon
    >>> X, y, z = np.random.default_rng(0).random((60, 2), "float32"), np.tile([0.0, 1.0], 30), np.repeat([0, 1, 1], 20)
    >>> net, bce = gluon.nn.Dense(1), gluon.loss.SigmoidBinaryCrossEntropyLoss()
    >>> net.initialize()
    >>> trainer = gluon.Trainer(net.collect_params(), "adam")
    >>> signal = mxfair.data.FullPass(net, X, y, z)
    >>> weights = mxfair.data.SampleWeights(y, z, "equalized_odds", signal=signal)
    >>> dataset = weights.attach(gluon.data.ArrayDataset(X, y.astype("float32")))
    >>> loss, loader = weights.loss(bce), gluon.data.DataLoader(dataset, 20, shuffle=True)
    >>> for epoch in range(2):
    ...     weights.update()
    ...     for data, label, cell in loader:
    ...         with autograd.record():
    ...             l = loss(net(data), label, cell)
    ...         l.backward()
    ...         trainer.step(len(data))
    >>> weights.weights.shape, float(weights.sample_weight.mean().round(6))
    ((2, 2), 1.0)
    """

    def __init__(
        self,
        labels: Any,
        groups: Any,
        criterion: str | Criterion = "equalized_odds",
        *,
        signal: Signal | Callable[[], Any] | None = None,
        controller: str | Controller = "proportional",
        positive: Any = None,
        min_weight: float = 0.01,
        label_bins: Any = None,
        target: Any = None,
        update_every: int | None = None,
        warm_up: int = 0,
    ) -> None:
        self._steering = steering = Steering(
            labels,
            groups,
            criterion,
            signal=signal,
            controller=controller,
            positive=positive,
            label_bins=label_bins,
            target=target,
            warm_up=warm_up,
        )
        self.min_weight = bounded(min_weight, "min_weight", 1.0)
        steering.floor = np.minimum(steering.start, self.min_weight * steering.cells.mix)
        self.update_every = None if update_every is None else positive_integer(update_every, "update_every")
        self._losses: list[WeightedLoss] = []

    @property
    def weights(self) -> np.ndarray:
        """The weight of each cell now."""
        data = self._steering.cells.mix
        return np.divide(self._steering.mix, data, out=np.zeros(data.shape), where=data > 0)

    @property
    def sample_weight(self) -> np.ndarray:
        """The weight of each sample now."""
        return self.weights.ravel()[self._steering.cells.codes]

    def attach(self, dataset: Any) -> Any:
        """Return the dataset with the number of each sample's cell as third item, in the place of any other.

        Parameters
        ----------
        dataset : gluon.data.Dataset
            Samples (data, label, ...) in the order of `labels`.

        Returns
        -------
        gluon.data.Dataset
        """
        codes = self._steering.cells.codes.astype(np.float32)
        same_length(dataset=dataset, labels=codes)
        return with_column(dataset, arrays_of(dataset) or [], codes)

    def loss(self, base: Any, *, ctx: Any = None) -> WeightedLoss:
        """Return a loss in which samples have the weights; it follows every update.

        Parameters
        ----------
        base : gluon.loss.Loss
            Returns one loss per sample.
        ctx : mxnet.Context, optional
            The device of the net. Default: that of the net that the signal measures, if it has one.

        Returns
        -------
        WeightedLoss
            To be called as ``loss(pred, label, cell)``.
        """
        net = getattr(self.signal, "net", None)
        ctx = context_of(net) if ctx is None and net is not None else ctx
        loss = WeightedLoss(base, self._steering.cells.size, self, ctx=ctx)
        loss.set_weights(self.weights.ravel())
        self._losses.append(loss)
        return loss

    def update(self, batch: int = 0) -> None:
        """Measure the net and move the weights: when an epoch starts, and inside one where wanted.

        Parameters
        ----------
        batch : int, default=0
            Batches of this epoch so far; 0 when it starts.
        """
        steering = self._steering
        if batch == 0:
            steering.refresh(steering.epoch)
            steering.epoch += 1
        else:
            steering.refresh(steering.epoch - 1, batch)
        steering.diagnose()
        self._set()

    def _set(self) -> None:
        for loss in self._losses:
            loss.set_weights(self.weights.ravel())

    def state_dict(self) -> dict[str, Any]:
        """Return what a later run needs to go on from here, as plain values.

        Returns
        -------
        dict
        """
        return self._steering.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken.

        Parameters
        ----------
        state : dict
        """
        self._steering.load_state_dict(state)
        self._set()

    def __repr__(self) -> str:
        return f"SampleWeights({self._steering.cells.n:,} samples, {self.criterion.name}, {self.controller!r})"
