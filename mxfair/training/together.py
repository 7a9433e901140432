"""Training several nets side by side: in one graph where that computes the same, else one step after another."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._graph import UnsupportedError
from mxfair._inference import context_of
from mxfair._validation import InputError, positive_integer
from mxfair.training import _loop
from mxfair.training._fused import Fused, Graph
from mxfair.training._plan import Plan
from mxfair.training.callbacks import Callback, ProgressBar, TrainingState
from mxfair.training.history import History

mx: Any = import_mxnet()

__all__ = ["fit_together"]


def fit_together(
    nets: Sequence[Any],
    loaders: Any,
    loss: Any,
    epochs: int,
    *,
    optimizer: Any = "adam",
    optimizer_params: dict[str, Any] | None = None,
    regularizers: Sequence[Sequence[Any]] = (),
    sample_weight: Any = None,
    workers: int | None = None,
    progress: bool | str | None = None,
) -> list[History]:
    """Train several nets side by side: the same as `fit` for each, several times as fast for small nets.

    Net k is trained as by ``fit(nets[k], loaders[k], loss, Trainer(nets[k].collect_params(), optimizer,
    optimizer_params), epochs)``, to rounding.

    Parameters
    ----------
    nets : sequence of gluon.Block
        The nets, initialized; members of an ensemble, seeds, folds.
    loaders : DataLoader or sequence of DataLoader
        One for each net, of equally many batches of the same sizes, or one whose batches all nets see.
    loss : gluon.loss.Loss or sequence of gluon.loss.Loss
        One for all nets, or one for each: what keeps states, such as running rates or the weights of cells, must be a
        net's own.
    epochs : int
        Passes over the loaders.
    optimizer : str or Optimizer, default="adam"
        As for ``gluon.Trainer``; each net has its own states.
    optimizer_params : dict, optional
        As for ``gluon.Trainer``.
    regularizers : sequence of sequences of Regularizer, optional
        Those of each net.
    sample_weight : array of shape (n_samples, n_nets), optional
        Factor of each row's loss for each net, such as how often a bootstrap sample holds the row. The mean is still
        over the rows of a batch. Not with a `GroupLoss`.
    workers : int, optional
        Threads that compute nets at the same time; the numbers do not depend on it. Default: 2, where there are two
        cores and OMP_NUM_THREADS is 1, else 1.
    progress : bool or str, optional
        As for `fit`; the loss shown is the mean over the nets.

    Returns
    -------
    list of History
        One for each net. ``seconds`` are those of all nets together.

    Raises
    ------
    InputError, InputTypeError
        If an argument cannot be used, or the loaders' batches differ in number or size.
    FloatingPointError
        At the end of an epoch after which a net's mean loss, or a trained parameter of it, is not finite. It names the
        net; all stop.

    Warns
    -----
    UserWarning
        If a loader selects batches by the gaps of a net that does not get them.

    Notes
    -----
    Nets, losses and the update of all weights are one graph where the nets and losses are HybridBlocks without
    convolutions, the optimizer treats each weight by itself, and the data are arrays in memory. Anything else (a loss
    that combines gradients, strengths with a schedule, proximal steps, weights that change inside an epoch) trains the
    nets step by step one after another, at the speed of `fit`.

    A net with Dropout draws other random numbers than alone. While an epoch runs, the nets' parameters are those of
    its beginning, or of the last time that a sampler measured its net.

    Examples
    --------
    >>> import mxfair, numpy as np
    >>> from mxnet import gluon
    >>> X, y = np.eye(8, dtype="float32"), np.tile(np.float32([0, 1]), 4)
    >>> nets = [gluon.nn.Dense(1) for _ in range(3)]
    >>> for net in nets:
    ...     net.initialize()
    >>> dataset, loss = gluon.data.ArrayDataset(X, y), gluon.loss.SigmoidBinaryCrossEntropyLoss()
    >>> loaders = [mxfair.data.DataLoader(dataset, 4, shuffle=True, seed=k) for k in range(3)]
    >>> histories = fit_together(nets, loaders, loss, 5, optimizer_params={"learning_rate": 0.1}, progress=False)
    >>> [history["loss"][-1] < history["loss"][0] for history in histories]
    [True, True, True]
    """
    positive_integer(epochs, "epochs")
    plan = Plan(nets, loaders, loss, optimizer, optimizer_params, regularizers, sample_weight, epochs)
    workers = _default_workers() if workers is None else positive_integer(workers, "workers")
    bar: list[Callback] = []
    if progress or (progress is None and _loop._someone_watches()):
        bar.append(ProgressBar(progress if isinstance(progress, str) else "training"))
    return _Run(plan, epochs, workers, bar).train()


def _can_fuse(
    nets: Sequence[Any],
    loaders: Any,
    loss: Any,
    *,
    optimizer: Any = "adam",
    optimizer_params: dict[str, Any] | None = None,
    regularizers: Sequence[Sequence[Any]] = (),
    sample_weight: Any = None,
) -> str:
    """Return why `fit_together` would train the nets one step after another; empty where they are one graph."""
    plan = Plan(nets, loaders, loss, optimizer, optimizer_params, regularizers, sample_weight)
    if plan.reason:
        return plan.reason
    rows = plan.batches.first_rows()
    try:
        plan.trained()
        Graph(plan.nets, [loop.loss for loop in plan.loops], list(range(len(plan.nets))), rows)
    except UnsupportedError as reason:
        return str(reason)
    return ""


class _Run:
    """Epochs of all nets."""

    def __init__(self, plan: Plan, epochs: int, workers: int, bar: list[Callback]) -> None:
        self.plan, self._epochs, self._workers, self._bar = plan, epochs, workers, bar
        self._fused: Fused | None = None
        self._begun = False
        # What a progress bar looks at: the mean over the nets.
        self._all = TrainingState(plan.nets, plan.loaders, None, None, epochs)

    def train(self) -> list[History]:
        loops = self.plan.loops
        with contextlib.ExitStack() as endings:
            for loop in loops:
                for hook in loop.hooks:
                    hook.on_train_begin(loop.state)
                    endings.callback(hook.on_train_end, loop.state)
            for hook in self._bar:
                hook.on_train_begin(self._all)
                endings.callback(hook.on_train_end, self._all)
            endings.callback(self._write)  # before all else, also where a net has diverged or the user has had enough
            for epoch in range(self._epochs):
                self._epoch(epoch)
        return [loop.state.history for loop in loops]

    def _epoch(self, epoch: int) -> None:
        begin, loops = time.perf_counter(), self.plan.loops
        for loop in loops:
            loop.state.epoch = epoch
            for hook in loop.hooks:
                hook.on_epoch_begin(loop.state)
        if self._fused is not None:
            self._fused.read()
        losses: list[list[Any]] = []
        sizes: list[int] = []
        for number, batch in enumerate(self.plan.batches.epoch(self._write)):
            if not self._begun:
                self._begin(batch)
            losses.append(self._step(batch, number))
            sizes.append(batch.size)
            if len(losses) > _loop.QUEUE:
                losses[-_loop.QUEUE][-1].wait_to_read()
        if not losses:
            raise InputError("'loaders' must yield at least one batch; got none.")
        self._write()
        means = self._means(losses, sizes)
        self._check(means, epoch)
        seconds = time.perf_counter() - begin
        for loop, mean in zip(loops, means):
            loop.state.history.epochs.append({"epoch": epoch, "loss": mean, "seconds": seconds})
            for hook in loop.hooks:
                hook.on_epoch_end(loop.state)
        self._all.epoch = epoch
        self._all.history.epochs.append({"epoch": epoch, "loss": float(np.mean(means)), "seconds": seconds})
        for hook in self._bar:
            hook.on_epoch_end(self._all)

    def _begin(self, batch: Any) -> None:
        """At the first batch: let the losses look at it, and make the graph where that can be."""
        self._begun, plan = True, self.plan
        if plan.reason:
            return
        for place, loop in enumerate(plan.loops):
            loop.check_loss(loop.inputs(batch.of(place)), anew=True)
        with contextlib.suppress(UnsupportedError):
            trained, trainer = plan.trained(), plan.trainers[0]
            self._fused = Fused(
                plan.nets,
                [loop.loss for loop in plan.loops],
                trainer.optimizer,
                index=trainer._param2idx[trained[0][0].name],
                scale=trainer._scale,
                trained=trained,
                batch=batch,
                workers=self._workers if context_of(plan.nets[0]) == mx.cpu(0) else 1,
            )

    def _step(self, batch: Any, number: int) -> list[Any]:
        """Return the losses of each row, net by net, as one vector or as several in a row."""
        if self._fused is not None:
            return self._fused(batch)
        found = []
        for place, loop in enumerate(self.plan.loops):
            loop.state.batch = number
            found.append(loop.train_on(batch.of(place)))
            for hook in loop.per_batch:
                hook.on_batch_end(loop.state)
        return found

    def _write(self) -> None:
        if self._fused is not None:
            self._fused.write()

    def _means(self, losses: list[list[Any]], sizes: list[int]) -> list[float]:
        """Return each net's mean loss over its rows, waiting for the epoch's computations."""
        n_nets, count = len(self.plan.nets), _loop.QUEUE
        columns = []
        for parts in zip(*losses):  # of nets that are on a device together, batch by batch
            pieces = [mx.nd.concat(*parts[i : i + count], dim=0).asnumpy() for i in range(0, len(parts), count)]
            rows = np.split(np.concatenate(pieces), np.cumsum([len(part) for part in parts])[:-1])
            columns.append(np.concatenate([row.reshape(-1, size) for row, size in zip(rows, sizes)], axis=1))
        table = np.concatenate(columns, axis=0)
        return [float(row.mean(dtype=np.float64)) for row in table[:n_nets]]

    def _check(self, means: list[float], epoch: int) -> None:
        """Raise where a net has diverged, and say which."""
        of = f"of {len(means)} (counted from 0)"
        for place, mean in enumerate(means):
            if not np.isfinite(mean):
                what = f"Net {place} {of}: the loss"
                raise FloatingPointError(_loop.DIVERGED.format(what=what, epoch=epoch, value=mean))
        if self._fused is not None and self._fused.finite().all():
            return
        for place, loop in enumerate(self.plan.loops):
            loop.check_weights(f"Net {place} {of}: parameter")


def _default_workers() -> int:
    """Return 2 where a second thread has a core to itself: not where each operator takes several threads."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return 2 if cores > 1 and os.environ.get("OMP_NUM_THREADS") == "1" else 1
