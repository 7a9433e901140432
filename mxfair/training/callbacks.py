"""Callbacks: what runs at the moments of training, around the Trainer loop of `fit` or Gluon's Estimator."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from mxfair._validation import InputError, InputTypeError, one_of, positive_integer
from mxfair.training._choice import column
from mxfair.training.history import History

__all__ = ["Callback", "EarlyStopping", "ProgressBar", "SamplerHistory", "TrainingState", "UpdateWeights"]


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
    regularizers : list of Regularizer
        Those that `fit` was given.
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
    regularizers: list[Any] = field(default_factory=list)


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

    def state_dict(self) -> dict[str, Any]:
        """Return what a later run needs to go on from here: plain values and NumPy arrays; see `Snapshot`.

        Returns
        -------
        dict
        """
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken; runs after `on_train_begin`.

        Parameters
        ----------
        state : dict
        """


class UpdateWeights(Callback):
    """Update the weights of a `WeightedLoss` when an epoch begins, and every `update_every` batches of its source.

    `fit` adds it by itself where the loss has such weights.
    """

    def on_epoch_begin(self, state: TrainingState) -> None:
        """See `Callback.on_epoch_begin`.

        Parameters
        ----------
        state : TrainingState
        """
        state.loss.source.update()

    def on_batch_end(self, state: TrainingState) -> None:
        """See `Callback.on_batch_end`.

        Parameters
        ----------
        state : TrainingState
        """
        source, done = state.loss.source, state.batch + 1
        if source.update_every and done % source.update_every == 0 and done < len(state.loader):
            source.update(done)


class SamplerHistory(Callback):
    """Copy the gap and the shares of a fair sampler, or of weights, into the history; `fit` adds it by itself.

    Columns are ``gap`` (the criterion's difference on the training data before the epoch's last update) and
    ``share[label, group]``.
    """

    def on_epoch_end(self, state: TrainingState) -> None:
        """See `Callback.on_epoch_end`.

        Parameters
        ----------
        state : TrainingState
        """
        source = getattr(state.loss, "source", None)
        sampler: Any = getattr(state.loader, "_batch_sampler", None) if source is None else source
        if not getattr(sampler, "history", None):
            return
        latest, entry = sampler.history[-1], state.history.epochs[-1]
        if latest["gap"] is not None:
            entry["gap"] = latest["gap"]
        for label, row in zip(sampler.label_names, latest["shares"]):
            for group, share in zip(sampler.groups.names, row):
                entry[f"share[{label}, {group}]"] = share


class ProgressBar(Callback):
    """A progress bar with the loss and the gap: on the training data with FairBatch, and on validation data.

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
        gaps = "".join(f"  {name} {entry[name]:.3f}" for name in ("gap", "val_gap") if name in entry)
        note = f"loss {entry['loss']:.4f}{gaps}"
        self._bar.update(self._task, completed=state.epoch + 1, note=note)

    def on_train_end(self, state: TrainingState) -> None:
        """See `Callback.on_train_end`.

        Parameters
        ----------
        state : TrainingState
        """
        self._bar.stop()


class EarlyStopping(Callback):
    """End training when a column of the history no longer gets better.

    Parameters
    ----------
    monitor : str, default="val_gap"
        The column: what `EvaluateGaps`, listed before, writes; or "loss", or "gap", a fair sampler's own.
    mode : {"min", "max"}, default="min"
        Which way is better: "min" for gaps and losses, "max" for accuracy.
    patience : int, default=5
        Epochs in a row without improvement after which training ends.
    min_delta : float, default=0.0
        A change of no more than this is no improvement, in the unit of the column.

    Attributes
    ----------
    best : float
        The best value so far; NaN before there is one.
    stopped_epoch : int or None
        The epoch after which training was ended.

    Raises
    ------
    InputError
        When an epoch ends without the column.

    Notes
    -----
    NaN, a gap that could not be measured, is no improvement. The weights stay those of the last epoch: `Checkpoint`
    keeps the best ones.

    Examples
    --------
    >>> stopping = EarlyStopping("loss", patience=2)
    >>> state = TrainingState(None, None, None, None, epochs=9)
    >>> for epoch, loss in enumerate([0.7, 0.6, 0.65, 0.61]):
    ...     state.epoch = epoch
    ...     state.history.epochs.append({"epoch": epoch, "loss": loss})
    ...     stopping.on_epoch_end(state)
    >>> state.stop, stopping.stopped_epoch, stopping.best
    (True, 3, 0.6)
    """

    def __init__(
        self, monitor: str = "val_gap", mode: str = "min", *, patience: int = 5, min_delta: float = 0.0
    ) -> None:
        self.monitor = monitor
        self.mode = one_of(mode, ("min", "max"), "mode")
        self.patience = positive_integer(patience, "patience")
        if isinstance(min_delta, bool) or not isinstance(min_delta, (int, float)):
            raise InputTypeError(f"'min_delta' must be a number; got {min_delta!r}.")
        if not (math.isfinite(min_delta) and min_delta >= 0):
            raise InputError(f"'min_delta' must be 0 or more; got {min_delta}. Which way is better is said by 'mode'.")
        self.min_delta = min_delta
        self._forget()

    def _forget(self) -> None:
        self.best, self._waited = math.nan, 0
        self.stopped_epoch: int | None = None

    def on_train_begin(self, state: TrainingState) -> None:
        """See `Callback.on_train_begin`.

        Parameters
        ----------
        state : TrainingState
        """
        self._forget()

    def on_epoch_end(self, state: TrainingState) -> None:
        """See `Callback.on_epoch_end`.

        Parameters
        ----------
        state : TrainingState
        """
        value = column(state.history.epochs[-1], self.monitor, "EarlyStopping")
        gain = self.best - value if self.mode == "min" else value - self.best
        if gain > self.min_delta or (math.isnan(self.best) and not math.isnan(value)):
            self.best, self._waited = value, 0
            return
        self._waited += 1
        if self._waited >= self.patience:
            self.stopped_epoch, state.stop = state.epoch, True

    def state_dict(self) -> dict[str, Any]:
        """See `Callback.state_dict`.

        Returns
        -------
        dict
        """
        return {"best": self.best, "waited": self._waited, "stopped_epoch": self.stopped_epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Callback.load_state_dict`.

        Parameters
        ----------
        state : dict
        """
        self.best, self._waited, self.stopped_epoch = state["best"], state["waited"], state["stopped_epoch"]

    def __repr__(self) -> str:
        end = "" if self.stopped_epoch is None else f", stopped after epoch {self.stopped_epoch}"
        return f"EarlyStopping({self.mode} {self.monitor}, patience {self.patience}: best {self.best:.4g}{end})"
