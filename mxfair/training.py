"""The Trainer loop with progress, history and callbacks."""

from __future__ import annotations

import contextlib
import sys
import time
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair import _step
from mxfair._compat import import_mxnet
from mxfair._inference import context_of
from mxfair._validation import InputError, InputTypeError, positive_integer

if TYPE_CHECKING:
    import pandas as pd

mx: Any = import_mxnet()

__all__ = ["Callback", "History", "ProgressBar", "SamplerHistory", "TrainingState", "fit"]

#: Batches that may be queued before the loop waits for an early one, so that memory does not grow with the epoch.
QUEUE = 256
_DIVERGED = (
    "{what} of epoch {epoch} is {value}: training has diverged. Lower the learning rate, or look for missing or "
    "unscaled features."
)


class History:
    """What happened in each epoch.

    Attributes
    ----------
    epochs : list of dict
        One entry per epoch: ``epoch``, ``loss`` (mean over the samples), ``seconds``, and what callbacks added.

    Examples
    --------
    >>> history = History()
    >>> history.epochs.append({"epoch": 0, "loss": 0.5})
    >>> history["loss"]
    [0.5]
    """

    def __init__(self) -> None:
        self.epochs: list[dict[str, Any]] = []

    def __getitem__(self, key: str) -> list[Any]:
        return [entry.get(key) for entry in self.epochs]

    def __len__(self) -> int:
        return len(self.epochs)

    def to_frame(self) -> pd.DataFrame:
        """Return a data frame with one row per epoch.

        Returns
        -------
        pandas.DataFrame
        """
        import pandas as pd

        return pd.DataFrame(self.epochs)

    def __repr__(self) -> str:
        last = f", loss {self.epochs[-1]['loss']:.4f}" if self.epochs else ""
        return f"History({len(self.epochs)} epochs{last})"


@dataclass
class TrainingState:
    """What callbacks see and may change.

    Parameters
    ----------
    net, loader, loss, trainer
        The arguments of `fit`.
    epochs : int
        Number of epochs asked for.
    history : History
        Filled as epochs end; ``history.epochs[-1]`` is the epoch that has just ended.
    epoch, batch : int
        The current ones, from 0.
    stop : bool
        Set it to end training after this epoch.
    """

    net: Any
    loader: Any
    loss: Any
    trainer: Any
    epochs: int
    history: History = field(default_factory=History)
    epoch: int = 0
    batch: int = 0
    stop: bool = False


class Callback:
    """Base of all callbacks: override what you need; every method gets the `TrainingState`.

    Examples
    --------
    >>> class StopEarly(Callback):
    ...     def on_epoch_end(self, state):
    ...         state.stop = state.history["loss"][-1] < 0.3
    """

    def on_train_begin(self, state: TrainingState) -> None:
        """Run before the first epoch.

        Parameters
        ----------
        state : TrainingState
        """

    def on_epoch_begin(self, state: TrainingState) -> None:
        """Run before an epoch, and before a fair sampler measures the net.

        Parameters
        ----------
        state : TrainingState
        """

    def on_batch_end(self, state: TrainingState) -> None:
        """Run after a batch; reading an array here makes every batch wait for the engine.

        Parameters
        ----------
        state : TrainingState
        """

    def on_epoch_end(self, state: TrainingState) -> None:
        """Run after an epoch; its entry is the last of the history and may be added to.

        Parameters
        ----------
        state : TrainingState
        """

    def on_train_end(self, state: TrainingState) -> None:
        """Run after the last epoch, also when training ends by an error.

        Parameters
        ----------
        state : TrainingState
        """


class SamplerHistory(Callback):
    """Copy a fair sampler's gap and shares into the history; `fit` adds it by itself.

    Columns are ``gap`` (the criterion's difference on the training data before the epoch) and ``share[label, group]``.
    """

    def on_epoch_end(self, state: TrainingState) -> None:
        """See `Callback.on_epoch_end`.

        Parameters
        ----------
        state : TrainingState
        """
        sampler: Any = getattr(state.loader, "_batch_sampler", None)
        if not getattr(sampler, "history", None):
            return
        latest, entry = sampler.history[-1], state.history.epochs[-1]
        if latest["gap"] is not None:
            entry["gap"] = latest["gap"]
        for label, row in zip(sampler.classes, latest["shares"]):
            for group, share in zip(sampler.groups.names, row):
                entry[f"share[{_label(label)}, {group}]"] = share


def _label(value: Any) -> str:
    """Return a label as text: 1.0 reads '1'."""
    return str(int(value)) if float(value).is_integer() else str(value)


class ProgressBar(Callback):
    """A progress bar with the loss and, with FairBatch, the gap.

    Parameters
    ----------
    description : str, default="training"
        Text before the bar.
    """

    def __init__(self, description: str = "training") -> None:
        self.description = description
        self._next = 0.0

    def on_train_begin(self, state: TrainingState) -> None:
        """See `Callback.on_train_begin`.

        Parameters
        ----------
        state : TrainingState
        """
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
        )
        self._task = self._bar.add_task(self.description, total=state.epochs, note="")
        self._bar.start()

    def on_epoch_end(self, state: TrainingState) -> None:
        """See `Callback.on_epoch_end`.

        Parameters
        ----------
        state : TrainingState
        """
        entry = state.history.epochs[-1]
        note = f"loss {entry['loss']:.4f}" + (f"  gap {entry['gap']:.3f}" if "gap" in entry else "")
        self._bar.update(self._task, completed=state.epoch + 1, note=note)

    def on_train_end(self, state: TrainingState) -> None:
        """See `Callback.on_train_end`.

        Parameters
        ----------
        state : TrainingState
        """
        self._bar.stop()


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
    signal = getattr(getattr(loader, "_batch_sampler", None), "_signal", None)
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
