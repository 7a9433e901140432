"""Early stopping: rows that are held out of training, and what watches them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._inference import context_of, forward
from mxfair._validation import InputError, plural
from mxfair.criterion import LossCriterion
from mxfair.estimator._job import Job, TrainingData
from mxfair.loss import GroupLoss
from mxfair.training import Callback, Checkpoint, EarlyStopping, EvaluateGaps, TrainingState

mx: Any = import_mxnet()

__all__ = ["hold_out", "split", "watch"]


class ValidationLoss(Callback):
    """Write the mean loss over held-out rows as ``val_loss``."""

    def __init__(self, X: np.ndarray, target: np.ndarray, loss: Any, weight: np.ndarray | None = None) -> None:
        self._X, self._target, self._loss, self._weight = X, target, loss, weight

    def __repr__(self) -> str:
        return f"ValidationLoss({len(self._X):,} rows)"

    def on_epoch_end(self, state: TrainingState) -> None:
        """See `Callback.on_epoch_end`."""
        ctx, start, parts = context_of(state.net), 0, []
        for output in forward(state.net, self._X):
            label = mx.nd.array(self._target[start : start + len(output)], ctx=ctx)
            parts.append(self._loss(output, label).reshape((-1,)))
            start += len(output)
        losses = mx.nd.concat(*parts, dim=0).asnumpy()
        state.history.epochs[-1]["val_loss"] = float(np.average(losses, weights=self._weight))


def split(estimator: Any, data: TrainingData, rng: np.random.Generator) -> tuple[Any, Any]:
    """Return the rows to train on and those held out, the same share of each (label, group) cell; None for all."""
    if not estimator.early_stopping and getattr(estimator, "max_gap", None) is None:
        return None, None
    return hold_out(data, estimator.validation_fraction, rng)


def hold_out(data: TrainingData, share: Any, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that stay and a share that is held out, the same of each (label, group) cell."""
    if isinstance(share, bool) or not (isinstance(share, (int, float, np.number)) and 0 < share < 1):
        raise InputError(f"'validation_fraction' must lie between 0 and 1; got {share!r}.")
    cells = data.cells
    order = rng.permutation(len(data))
    order = order[np.argsort(cells[order], kind="stable")]
    first = np.r_[True, np.diff(cells[order]) != 0]  # the first row of each cell stays in training
    eligible = order[~first] if data.weight is None else order[~first & (data.weight[order] > 0)]
    ticks = np.floor((np.arange(len(eligible) + 1) + rng.random()) * share)
    held = np.sort(eligible[np.diff(ticks) > 0])
    if not len(held):
        raise InputError(
            f"'validation_fraction' must leave a row for validation; got {share} of {plural(len(data), 'sample')}. "
            "Give a larger one, or early_stopping=False."
        )
    rows = np.setdiff1d(np.arange(len(data)), held)
    return rows, held


def watch(estimator: Any, job: Job, held: TrainingData, base: Any) -> None:
    """Add the callbacks that measure held-out rows, stop, and put the best epoch's parameters back."""
    hooks: list[Callback] = []
    while isinstance(base, GroupLoss) and getattr(base, "base", None) is not None:
        base = base.base
    if not isinstance(base, GroupLoss):
        hooks.append(ValidationLoss(held.X, held.target, base, held.weight))
    elif estimator.early_stopping:
        raise InputError(
            f"'early_stopping' must be False with {type(base).__name__} as 'loss': held-out rows are measured by a "
            "loss of (pred, label). Give that as 'loss', and the other as mitigation."
        )
    max_gap = getattr(estimator, "max_gap", None)
    criterion: Any = estimator._coded(estimator.criterion) if held.n_classes else None
    of_losses = isinstance(criterion, LossCriterion)
    if max_gap is not None and held.groups is None:
        raise InputError("'groups' must be given for max_gap: gaps are between groups. Pass fit(X, y, groups=...).")
    if max_gap is not None and of_losses:
        raise InputError(f"'criterion' must be one of decisions for max_gap; got {criterion.name!r}.")
    if held.n_classes and held.groups is not None and not of_losses:
        dataset = mx.gluon.data.ArrayDataset(held.X, held.target)
        hooks.append(
            EvaluateGaps(
                dataset,
                criterion,
                labels=held.target,
                groups=held.groups,
                classes=range(held.n_classes),
                positive=criterion.positive,
            )
        )
    if estimator.early_stopping:
        hooks.append(
            EarlyStopping("val_loss", "min", patience=estimator.n_iter_no_change, min_delta=float(estimator.tol))
        )
    if max_gap is not None:
        hooks.append(Checkpoint(max_gap, restore=True))
    else:
        hooks.append(Checkpoint(x="val_loss", y="val_loss", mode="min", restore=True))
    job.callbacks = [*hooks, *job.callbacks]
