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
from mxfair.training.callbacks import Callback, ProgressBar, SamplerHistory, TrainingState
from mxfair.training.history import History

mx: Any = import_mxnet()

__all__ = ["fit"]

#: Batches that may be queued before the loop waits for an early one, so that memory does not grow with the epoch.
QUEUE = 256
_DIVERGED = (
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
    progress: bool | str | None = None,
    hybridize: bool = True,
) -> History:
    """Train a net: the plain Gluon loop, with progress, history and callbacks.

    Each batch does what a hand-written loop does: record ``loss(net(data), label)``, ``backward()``,
    ``trainer.step(batch_size)``.

    Parameters
    ----------
    net : gluon.Block
        The net, initialized.
    loader : iterable of (data, label, ...)
        A data loader; further items of a batch, such as the group, are not used by the loss.
    loss : gluon.loss.Loss
        Returns one value per sample, shape (batch_size,).
    trainer : gluon.Trainer
        Holds the net's parameters and the optimizer.
    epochs : int
        Passes over the loader.
    callbacks : sequence of Callback, optional
        Run in this order, after `SamplerHistory`.
    progress : bool or str, optional
        Show a progress bar; text is shown before it. Default: in a terminal or notebook only.
    hybridize : bool, default=True
        Run net and loss as one cached graph and update all parameters at once, where both are HybridBlocks and the
        optimizer allows it. The numbers are those of the plain loop; the net's own hybridization is left alone. An
        attribute of net or loss that a callback changes takes effect when the next epoch starts. Pass False for a net
        whose ``hybrid_forward`` must run as Python in every step.

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
    state = TrainingState(net, loader, loss, trainer, epochs)
    hooks: list[Callback] = [SamplerHistory(), *callbacks]
    if progress or (progress is None and _someone_watches()):
        hooks.append(ProgressBar(progress if isinstance(progress, str) else "training"))
    loop = _Loop(state, hooks, hybridize)
    for hook in hooks:
        hook.on_train_begin(state)
    with contextlib.ExitStack() as endings:
        for hook in reversed(hooks):  # last in, first out: they end in order, each of them even where one raises
            endings.callback(hook.on_train_end, state)
        for epoch in range(epochs):
            state.epoch = epoch
            loop.epoch()
            if state.stop:
                break
    return state.history


class _Loop:
    """The batches of an epoch."""

    def __init__(self, state: TrainingState, hooks: list[Callback], hybridize: bool) -> None:
        self.state, self.hooks, self._hybridize = state, hooks, hybridize
        self._ctx = context_of(state.net)
        self._step: Any = None
        self._per_batch = [hook for hook in hooks if type(hook).on_batch_end is not Callback.on_batch_end]

    def epoch(self) -> None:
        state, begin = self.state, time.perf_counter()
        for hook in self.hooks:
            hook.on_epoch_begin(state)
        losses: list[Any] = []
        for number, batch in enumerate(state.loader):
            state.batch = number
            losses.append(self._train_on(batch))
            if len(losses) > QUEUE:
                losses[-QUEUE].wait_to_read()
            for hook in self._per_batch:
                hook.on_batch_end(state)
        entry = {"epoch": state.epoch, "loss": self._mean(losses), "seconds": time.perf_counter() - begin}
        self._check_weights()
        state.history.epochs.append(entry)
        for hook in self.hooks:
            hook.on_epoch_end(state)

    def _train_on(self, batch: Any) -> Any:
        if not isinstance(batch, (tuple, list)) or len(batch) < 2:
            raise InputError("'loader' must yield (data, label) or (data, label, group); got a batch without a label.")
        for item in batch[:2]:
            if not isinstance(item, mx.nd.NDArray):
                raise InputTypeError(
                    f"'loader' must yield data and label as NDArrays; got {type(item).__name__}. "
                    "Use mxfair.data.DataLoader, or a hand-written loop for a net with several inputs."
                )
        data, label = batch[0].as_in_context(self._ctx), batch[1].as_in_context(self._ctx)
        state = self.state
        first = state.batch == 0
        hooks_ran = first or self._per_batch  # and may have frozen a layer, or loaded states
        retrace = first and len(self.hooks) > 1
        if self._step is None or (hooks_ran and not self._step.current(retrace=retrace)):
            with mx.autograd.pause(train_mode=False):
                shape = state.loss(state.net(data), label).shape
            if shape != (data.shape[0],):
                raise InputError(
                    f"'loss' must return one value per sample, shape ({data.shape[0]},); got {shape}. "
                    "Do not average over the batch: Trainer.step divides by its size."
                )
            self._step, reason = _step.make_step(
                state.net, state.loss, state.trainer, (data, label), hybridize=self._hybridize
            )
            if reason.startswith("tracing failed"):
                warnings.warn(f"fit runs the plain, slower loop: {reason}", RuntimeWarning, stacklevel=5)
        return self._step(data, label, data.shape[0])

    def _mean(self, losses: list[Any]) -> float:
        """Return the mean loss over the samples, waiting for the epoch's computations and raising their errors."""
        if not losses:
            raise InputError("'loader' must yield at least one batch; got none.")
        parts = [mx.nd.concat(*losses[i : i + QUEUE], dim=0).asnumpy() for i in range(0, len(losses), QUEUE)]
        mean = float(np.concatenate(parts).mean(dtype=np.float64))
        if not np.isfinite(mean):
            raise FloatingPointError(_DIVERGED.format(what="The loss", epoch=self.state.epoch, value=mean))
        return mean

    def _check_weights(self) -> None:
        """Raise where a trained weight is not finite: Gluon's relu turns NaN into 0, and the loss looks well."""
        for parameter in self.state.trainer._params:
            if parameter.grad_req != "null" and parameter._stype == "default":
                value = float((parameter.data(self._ctx) * 0).sum().asscalar())  # inf * 0 is NaN
                if value != 0:
                    what = f"Parameter {parameter.name}"
                    raise FloatingPointError(_DIVERGED.format(what=what, epoch=self.state.epoch, value=value))


def _someone_watches() -> bool:
    shell = sys.modules.get("IPython")
    return sys.stderr.isatty() or (shell is not None and shell.get_ipython() is not None)
