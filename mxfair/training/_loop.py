"""fit: the Trainer loop."""

from __future__ import annotations

import contextlib
import sys
import time
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from mxfair import _step
from mxfair._compat import import_mxnet
from mxfair._inference import context_of
from mxfair._validation import InputError, InputTypeError, positive_integer
from mxfair.loss import GroupLoss
from mxfair.training._regularizers import check_regularizers, hooks_for, regularized
from mxfair.training.callbacks import Callback, ProgressBar, SamplerHistory, TrainingState, UpdateWeights
from mxfair.training.history import History
from mxfair.training.snapshot import Snapshot

mx: Any = import_mxnet()

__all__ = ["fit"]

#: Batches that may be queued before the loop waits for an early one, so that memory does not grow with the epoch.
QUEUE = 256
DIVERGED = (
    "{what} of epoch {epoch} is {value}: training has diverged. Lower the learning rate, or look for missing or "
    "unscaled features."
)


def fit(
    net: Any,
    loader: Iterable[Any],
    loss: Any,
    trainer: Any,
    epochs: int,
    *,
    callbacks: Sequence[Callback] = (),
    regularizers: Sequence[Any] = (),
    progress: bool | str | None = None,
    hybridize: bool = True,
    snapshot: Snapshot | None = None,
) -> History:
    """Train a net: the plain Gluon loop, with progress, history and callbacks.

    Each batch does what a hand-written loop does: record ``loss(net(data), label)``, ``backward()``,
    ``trainer.step(batch_size)``.

    Parameters
    ----------
    net : gluon.Block
        The net, initialized.
    loader : iterable of (data, label, ...)
        A data loader; a third item of a batch, such as the group, is given to a `GroupLoss` only.
    loss : gluon.loss.Loss
        Returns one value per sample, shape (batch_size,). The weights of a `WeightedLoss` are updated when epochs
        begin.
    trainer : gluon.Trainer
        Holds the net's parameters and the optimizer.
    epochs : int
        Passes over the loader.
    callbacks : sequence of Callback, optional
        Run in this order, after `SamplerHistory`.
    regularizers : sequence of Regularizer, optional
        Added to the loss, and to the history's column ``loss``; those with ``step="proximal"`` take their step after
        each batch instead. Strengths with a schedule, the loss's penalties' too, are set before each batch.
    progress : bool or str, optional
        Show a progress bar; text is shown before it. Default: in a terminal or notebook only.
    hybridize : bool, default=True
        Run net and loss as one cached graph and update all parameters at once, where both are HybridBlocks and the
        optimizer allows it. The numbers are those of the plain loop; the net's own hybridization is left alone. An
        attribute of net or loss that a callback changes takes effect when the next epoch starts. Pass False for a net
        whose ``hybrid_forward`` must run as Python in every step.
    snapshot : Snapshot, optional
        Write everything to a file every so often, and go on from it where it exists: a run that was killed ends as if
        it had not been.

    Returns
    -------
    History

    Raises
    ------
    InputError
        If an argument cannot be used, or a batch does not hold data and label.
    FloatingPointError
        At the end of an epoch whose mean loss, or a trained parameter after it, is not finite.

    Warns
    -----
    UserWarning
        If the loader selects batches by the gaps of another net.

    Notes
    -----
    The loss is read once an epoch: nothing waits for the engine in between.

    Examples
    --------
    >>> import mxfair, numpy as np
    >>> from mxnet import gluon
    >>> X, y = np.eye(8, dtype="float32"), np.tile(np.float32([0, 1]), 4)
    >>> net = gluon.nn.Dense(1); net.initialize()
    >>> trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.1})
    >>> loader = mxfair.data.DataLoader(gluon.data.ArrayDataset(X, y), 4, shuffle=True, seed=0)
    >>> history = fit(net, loader, gluon.loss.SigmoidBinaryCrossEntropyLoss(), trainer, 5, progress=False)
    >>> history["loss"][-1] < history["loss"][0]
    True
    """
    positive_integer(epochs, "epochs")
    if not isinstance(callbacks, Iterable):
        raise InputTypeError(f"'callbacks' must be a list of Callback objects; got {callbacks!r}.")
    callbacks = list(callbacks)
    for callback in callbacks:
        if not isinstance(callback, Callback):
            raise InputTypeError(f"'callbacks' must hold Callback objects; got {callback!r}.")
    signal = getattr(getattr(loader, "_batch_sampler", None), "signal", None)
    if getattr(signal, "net", net) is not net:
        warnings.warn(
            "The loader measures another net than the one being trained, so that one net's gaps choose the other's "
            "batches. Make the FairDataLoader with this net.",
            UserWarning,
            stacklevel=2,
        )
    regularizers = check_regularizers(regularizers, net, trainer)
    state = TrainingState(net, loader, loss, trainer, epochs, regularizers=regularizers)
    hooks: list[Callback] = [*hooks_for(loss, regularizers), SamplerHistory(), *callbacks]
    if getattr(loss, "source", None) is not None:
        hooks.insert(0, UpdateWeights())
    if progress or (progress is None and _someone_watches()):
        hooks.append(ProgressBar(progress if isinstance(progress, str) else "training"))
    loop = Loop(state, hooks, hybridize, snapshot)
    for hook in hooks:
        hook.on_train_begin(state)
    with contextlib.ExitStack() as endings:
        for hook in reversed(hooks):  # last in, first out: they end in order, each of them even where one raises
            endings.callback(hook.on_train_end, state)
        losses = snapshot.resume(state, hooks) if snapshot is not None else None
        for epoch in range(state.epoch, epochs):
            if state.stop:
                break
            state.epoch = epoch
            loop.epoch(losses)
            losses = None
    return state.history


class Loop:
    """The batches of an epoch."""

    def __init__(self, state: TrainingState, hooks: list[Callback], hybridize: bool, snapshot: Snapshot | None) -> None:
        self.state, self.hooks, self._hybridize, self._snapshot = state, hooks, hybridize, snapshot
        self.loss = regularized(state.loss, state.regularizers)
        self.n_items = 3 if isinstance(state.loss, GroupLoss) else 2
        self._read: list[np.ndarray] = []  # losses of this epoch that are on the host already
        self._ctx = context_of(state.net)
        self._step: Any = None
        self.per_batch = [hook for hook in hooks if type(hook).on_batch_end is not Callback.on_batch_end]

    def epoch(self, resumed: list[np.ndarray] | None = None) -> None:
        """Run an epoch, or the rest of one whose first losses are known."""
        state, begin = self.state, time.perf_counter()
        if resumed is None:
            for hook in self.hooks:
                hook.on_epoch_begin(state)
        self._read, first = (resumed, state.batch + 1) if resumed is not None else ([], 0)
        losses: list[Any] = []
        for number, batch in enumerate(state.loader, start=first):
            state.batch = number
            losses.append(self.train_on(batch))
            if len(losses) > QUEUE:
                losses[-QUEUE].wait_to_read()
            for hook in self.per_batch:
                hook.on_batch_end(state)
            if self._snapshot is not None and (number + 1) % self._snapshot.every == 0:
                self._snapshot.save(state, self.hooks, self._on_host(losses))
        entry = {"epoch": state.epoch, "loss": self.mean(losses), "seconds": time.perf_counter() - begin}
        self.check_weights()
        state.history.epochs.append(entry)
        for hook in self.hooks:
            hook.on_epoch_end(state)
        if self._snapshot is not None:
            self._snapshot.save(state, self.hooks, None)

    def train_on(self, batch: Any) -> Any:
        """Take a step; return the losses of the samples."""
        inputs = self.inputs(batch)
        first = self.state.batch == 0
        hooks_ran = first or self.per_batch  # and may have frozen a layer, or loaded states
        retrace = first and len(self.hooks) > 1
        if self._step is None or (hooks_ran and not self._step.current(retrace=retrace)):
            self.check_loss(inputs, anew=self._step is None)
            state = self.state
            self._step, reason = _step.make_step(state.net, self.loss, state.trainer, inputs, hybridize=self._hybridize)
            if reason.startswith("tracing failed"):
                warnings.warn(f"fit runs the plain, slower loop: {reason}", RuntimeWarning, stacklevel=5)
        return self._step(inputs, inputs[0].shape[0])

    def inputs(self, batch: Any) -> tuple[Any, ...]:
        """Return what a step takes of a batch, on the net's device."""
        if not isinstance(batch, (tuple, list)) or len(batch) < 2:
            raise InputError("'loader' must yield (data, label) or (data, label, group); got a batch without a label.")
        if len(batch) < self.n_items:
            raise InputError(
                f"'loader' must yield (data, label, group) for {type(self.state.loss).__name__}; got a batch without a "
                "third item. Put the groups into the dataset, or use weights.attach(dataset)."
            )
        for item in batch[: self.n_items]:
            if not isinstance(item, mx.nd.NDArray):
                raise InputTypeError(
                    f"'loader' must yield data and label as NDArrays; got {type(item).__name__}. "
                    "Use mxfair.data.DataLoader, or a hand-written loop for a net with several inputs."
                )
        return tuple(item.as_in_context(self._ctx) for item in batch[: self.n_items])

    def check_loss(self, inputs: tuple[Any, ...], *, anew: bool) -> None:
        """Call the loss once, before anything is trained: losses look at their first batch, and at its shapes."""
        if anew and hasattr(self.loss, "_start_anew"):
            self.loss._start_anew()  # it may have been used with another net, other data or on another device
        n_rows = inputs[0].shape[0]
        with mx.autograd.pause(train_mode=False):
            shape = self.loss(self.state.net(inputs[0]), *inputs[1:]).shape
        if shape != (n_rows,):
            raise InputError(
                f"'loss' must return one value per sample, shape ({n_rows},); got {shape}. "
                "Do not average over the batch: Trainer.step divides by its size."
            )

    def _on_host(self, losses: list[Any]) -> np.ndarray:
        """Return this epoch's losses as one array; those that were given are read, and need not be given again."""
        parts = [mx.nd.concat(*losses[i : i + QUEUE], dim=0).asnumpy() for i in range(0, len(losses), QUEUE)]
        losses.clear()
        self._read = [np.concatenate([*self._read, *parts])]
        return self._read[0]

    def mean(self, losses: list[Any]) -> float:
        """Return the mean loss over the samples, waiting for the epoch's computations and raising their errors."""
        if not losses and not self._read:
            raise InputError("'loader' must yield at least one batch; got none.")
        mean = float(self._on_host(losses).mean(dtype=np.float64))
        if not np.isfinite(mean):
            raise FloatingPointError(DIVERGED.format(what="The loss", epoch=self.state.epoch, value=mean))
        return mean

    def check_weights(self, what: str = "Parameter") -> None:
        """Raise where a trained weight is not finite: Gluon's relu turns NaN into 0, and the loss looks well."""
        for parameter in self.state.trainer._params:
            if parameter.grad_req != "null" and parameter._stype == "default":
                value = float((parameter.data(self._ctx) * 0).sum().asscalar())  # inf * 0 is NaN
                if value != 0:
                    what = f"{what} {parameter.name}"
                    raise FloatingPointError(DIVERGED.format(what=what, epoch=self.state.epoch, value=value))


def _someone_watches() -> bool:
    shell = sys.modules.get("IPython")
    return sys.stderr.isatty() or (shell is not None and shell.get_ipython() is not None)
