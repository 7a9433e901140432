"""Checkpoint: the parameters of the best epoch, or of all that nothing dominates."""

from __future__ import annotations

import json
import math
import os
import pathlib
import warnings
from typing import Any

from mxfair._compat import import_mxnet
from mxfair._validation import InputError, one_of, to_numpy
from mxfair.training._choice import best_entry, check_bound, column, larger_is_better, unmet
from mxfair.training.callbacks import Callback, TrainingState
from mxfair.training.selection import pareto_epochs

mx: Any = import_mxnet()

__all__ = ["Checkpoint"]


class Checkpoint(Callback):
    """Keep the parameters of the epoch with the best figure whose gap is within a bound.

    List it after the callback that writes the columns it reads, `EvaluateGaps`, which measures on a validation split:
    an epoch that was chosen on the test set looks better there than it is.

    Parameters
    ----------
    max_gap : float, default=inf
        The largest gap that is accepted. NaN, a gap that could not be measured, never is.
    x : str, default="val_accuracy"
        Column of the figure.
    y : str, default="val_gap"
        Column of the gap.
    mode : {"max", "min"}, default="max"
        Whether a larger `x` is better; "min" for a loss.
    keep : {"best", "pareto"}, default="best"
        "pareto" keeps the parameters of every epoch that no other dominates as well.
    directory : str or Path, optional
        Where to write them too: ``epoch-0007.params`` for each epoch that is kept, readable by
        ``net.load_parameters``, and ``checkpoint.json``, which names them. Files appear whole or not at all. Default:
        only in memory.
    restore : bool, default=False
        Put the best epoch's parameters back into the net when training ends. The trainer's states stay those of the
        last step.

    Attributes
    ----------
    best : dict or None
        The history's entry of the best epoch so far.
    epochs : list of int
        The epochs whose parameters are kept.

    Raises
    ------
    InputError
        When an epoch ends without one of the columns.

    Warns
    -----
    UserWarning
        When training ends and no epoch's gap was within the bound: then the epoch with the smallest gap is kept.

    Examples
    --------
    >>> import mxfair, numpy as np
    >>> from mxnet import gluon
    >>> X, y, z = np.eye(8, dtype="float32"), np.tile(np.float32([0, 1]), 4), np.repeat([0, 1], 4)
    >>> net = gluon.nn.Dense(1); net.initialize()
    >>> trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.1})
    >>> loader = mxfair.data.DataLoader(gluon.data.ArrayDataset(X, y), 4, shuffle=True, seed=0)
    >>> checkpoint = Checkpoint(max_gap=1.0, restore=True)
    >>> callbacks = [mxfair.training.EvaluateGaps(gluon.data.ArrayDataset(X, y, z)), checkpoint]
    >>> loss = gluon.loss.SigmoidBinaryCrossEntropyLoss()
    >>> history = mxfair.training.fit(net, loader, loss, trainer, 5, callbacks=callbacks, progress=False)
    >>> checkpoint.best["val_accuracy"] == max(history["val_accuracy"])
    True
    """

    def __init__(
        self,
        max_gap: float = math.inf,
        *,
        x: str = "val_accuracy",
        y: str = "val_gap",
        mode: str = "max",
        keep: str = "best",
        directory: str | os.PathLike[str] | None = None,
        restore: bool = False,
    ) -> None:
        self.max_gap = check_bound(max_gap)
        self.x, self.y, self.mode, self._restore = x, y, mode, restore
        larger_is_better(mode)
        self.keep = one_of(keep, ("best", "pareto"), "keep")
        self.directory = None if directory is None else pathlib.Path(directory)
        if self.directory is not None:
            self.directory.mkdir(parents=True, exist_ok=True)
        self._forget()

    def _forget(self) -> None:
        self.best: dict[str, Any] | None = None
        self._entries: list[dict[str, Any]] = []
        self._kept: dict[int, dict[str, Any]] = {}

    @property
    def epochs(self) -> list[int]:
        """The epochs whose parameters are kept, in the order of training."""
        return sorted(self._kept)

    def load(self, net: Any, epoch: int | None = None) -> None:
        """Put an epoch's parameters into a net, bit by bit.

        Parameters
        ----------
        net : gluon.Block
            The net that was trained, or one of the same structure.
        epoch : int, optional
            One of `epochs`. Default: the best.

        Raises
        ------
        InputError
            If that epoch is not kept, or the net has other parameters.
        """
        epoch = self.best["epoch"] if epoch is None and self.best else epoch
        if epoch not in self._kept:
            raise InputError(f"'epoch' must be one that is kept; got {epoch}. Kept are: {self.epochs}.")
        kept, params = self._kept[epoch], net._collect_params_with_prefix()
        if {name: array.shape for name, array in kept.items()} != {name: p.shape for name, p in params.items()}:
            raise InputError("'net' must have the parameters of the net that was trained; got another structure.")
        for name, parameter in params.items():
            parameter.set_data(kept[name])

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
        entry = dict(state.history.epochs[-1])
        for name in (self.x, self.y):
            column(entry, name, "Checkpoint")
        self._entries.append(entry)
        # Both choices are orders: what an epoch is dominated by today dominates it tomorrow, so only the newest enters.
        self.best = best_entry(self._entries, self.max_gap, self.x, self.y, self.mode)
        wanted = {self.best["epoch"]}
        if self.keep == "pareto":
            wanted |= set(pareto_epochs(self._entries, self.x, self.y, mode=self.mode))
        dropped = [epoch for epoch in self._kept if epoch not in wanted]
        if entry["epoch"] in wanted:
            self._kept[entry["epoch"]] = {
                name: parameter.data(parameter.list_ctx()[0]).copy()
                for name, parameter in state.net._collect_params_with_prefix().items()
            }
        for epoch in dropped:
            del self._kept[epoch]
        if self.directory is not None and entry["epoch"] in wanted:
            self._write(self.directory, state.net, dropped)

    def _write(self, directory: pathlib.Path, net: Any, dropped: list[int]) -> None:
        """Write the newest epoch, then the index, then remove what the index no longer names."""
        epoch = self._entries[-1]["epoch"]
        _replace(directory / _file(epoch), lambda part: net.save_parameters(str(part)))
        kept = [entry for entry in self._entries if entry["epoch"] in self._kept]
        index = {
            "best": _file(self.best["epoch"]) if self.best else None,
            "max_gap": self.max_gap if math.isfinite(self.max_gap) else None,
            "within": bool(self.best and self.best[self.y] <= self.max_gap),
            "epochs": [{"file": _file(entry["epoch"]), **_plain(entry)} for entry in kept],
        }
        text = json.dumps(index, indent=1, allow_nan=False)
        _replace(directory / "checkpoint.json", lambda part: part.write_text(text, encoding="utf-8"))
        for old in dropped:
            (directory / _file(old)).unlink(missing_ok=True)

    def on_train_end(self, state: TrainingState) -> None:
        """See `Callback.on_train_end`.

        Parameters
        ----------
        state : TrainingState
        """
        if self.best is None:
            return
        if not self.best[self.y] <= self.max_gap:
            warnings.warn(unmet(self.best, self.max_gap, self.y), UserWarning, stacklevel=2)
        if self._restore:
            self.load(state.net)

    def state_dict(self) -> dict[str, Any]:
        """See `Callback.state_dict`.

        Returns
        -------
        dict
        """
        kept = {
            epoch: {name: to_numpy(array) for name, array in arrays.items()} for epoch, arrays in self._kept.items()
        }
        return {"best": self.best, "entries": self._entries, "kept": kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Callback.load_state_dict`.

        Parameters
        ----------
        state : dict
        """
        self.best, self._entries = state["best"], list(state["entries"])
        self._kept = {
            int(epoch): {name: mx.nd.array(array, dtype=array.dtype) for name, array in arrays.items()}
            for epoch, arrays in state["kept"].items()
        }

    def __repr__(self) -> str:
        bound = f", {self.y} <= {self.max_gap:g}" if math.isfinite(self.max_gap) else ""
        figures = [f"{name} {self.best[name]:.4g}" for name in (self.x, self.y)] if self.best else []
        kept = ", ".join([f"epoch {self.best['epoch']}", *figures]) if self.best else "no epoch yet"
        return f"Checkpoint({self.mode} {self.x}{bound}: {kept})"


def _file(epoch: int) -> str:
    return f"epoch-{epoch:04d}.params"


def _plain(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry with None for NaN, which JSON has not."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in entry.items()}


def _replace(path: pathlib.Path, write: Any) -> None:
    """Write a file beside its place and move it there whole."""
    part = path.with_name(f".{path.name}.part")
    try:
        write(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
