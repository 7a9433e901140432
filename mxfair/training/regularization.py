"""What `fit` does with regularizers and schedules: a loss with their penalties, callbacks for their steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mxfair._compat import import_mxnet
from mxfair._strength import scheduled
from mxfair._validation import InputError, InputTypeError
from mxfair.loss import RegularizedLoss
from mxfair.regularizer import Regularizer
from mxfair.regularizer._metric import check_optimizer
from mxfair.training.callbacks import Callback, TrainingState

mx: Any = import_mxnet()

__all__ = ["ProximalSteps", "UpdateStrengths"]


class UpdateStrengths(Callback):
    """Set the strengths that schedules give, before each batch: those of the loss's penalties, and of regularizers.

    `fit` adds it by itself where something has a schedule.

    Parameters
    ----------
    *blocks : HybridBlock
        Regularizers and others with a schedule, besides the loss and its parts.

    Notes
    -----
    A schedule is called with the number of updates that the trainer's optimizer has done: 0 before the first batch.
    """

    def __init__(self, *blocks: Any) -> None:
        self._given = blocks
        self._scheduled: list[Any] = []

    def on_train_begin(self, state: TrainingState) -> None:
        """See `Callback.on_train_begin`.

        Parameters
        ----------
        state : TrainingState
        """
        self._scheduled = [one for block in (state.loss, *self._given) for one in scheduled(block)]

    def on_epoch_begin(self, state: TrainingState) -> None:
        """See `Callback.on_epoch_begin`.

        Parameters
        ----------
        state : TrainingState
        """
        self.on_batch_end(state)

    def on_batch_end(self, state: TrainingState) -> None:
        """See `Callback.on_batch_end`.

        Parameters
        ----------
        state : TrainingState
        """
        done = state.trainer.optimizer.num_update
        for one in self._scheduled:
            one.update_strength(done)


class ProximalSteps(Callback):
    """Take the proximal steps of regularizers after each batch, without waiting for the engine.

    `fit` adds it by itself for its ``regularizers`` with ``step="proximal"``.

    Parameters
    ----------
    *regularizers : Regularizer
    """

    def __init__(self, *regularizers: Any) -> None:
        self.regularizers = regularizers

    def on_batch_end(self, state: TrainingState) -> None:
        """See `Callback.on_batch_end`.

        Parameters
        ----------
        state : TrainingState
        """
        for regularizer in self.regularizers:
            regularizer.proximal(state.trainer)


def check_regularizers(regularizers: Any, net: Any, trainer: Any) -> list[Any]:
    """Return regularizers as a list, after checking that training moves what they penalise."""
    if not isinstance(regularizers, Iterable):
        raise InputTypeError(f"'regularizers' must be a list of Regularizer objects; got {regularizers!r}.")
    regularizers = list(regularizers)
    if not regularizers:
        return []
    own = {id(parameter) for parameter in net.collect_params().values()}
    trained = {id(parameter) for parameter in trainer._params}
    for regularizer in regularizers:
        if not isinstance(regularizer, Regularizer):
            raise InputTypeError(f"'regularizers' must hold Regularizer objects; got {regularizer!r}. Give an L2.")
        chosen = set(map(id, regularizer.parameters))
        if not chosen <= own:
            raise InputError(
                f"'regularizers' must be those of the net being trained; got {regularizer!r} of another. Make it with "
                "this net."
            )
        if not chosen & trained:
            raise InputError(
                f"'regularizers' must have parameters that the trainer holds; {regularizer!r} has none. Choose others "
                "with select=, or give them to the trainer."
            )
        if regularizer.step == "proximal":
            check_optimizer(trainer, projects=regularizer.projects)
    return regularizers


def regularized(loss: Any, regularizers: list[Any]) -> Any:
    """Return a loss with the penalties of those regularizers that are part of a loss."""
    penalties = [regularizer for regularizer in regularizers if regularizer.step == "gradient"]
    if not penalties:
        return loss
    if isinstance(loss, mx.gluon.HybridBlock):
        return RegularizedLoss(loss, *penalties)

    def penalized(*items: Any) -> Any:
        value = loss(*items)
        for penalty in penalties:
            value = value + penalty(value.context)
        return value

    return penalized


def hooks_for(loss: Any, regularizers: list[Any]) -> list[Callback]:
    """Return the callbacks that regularizers and schedules need; none where there is nothing to do."""
    hooks: list[Callback] = []
    proximal = [regularizer for regularizer in regularizers if regularizer.step == "proximal"]
    if proximal:
        hooks.append(ProximalSteps(*proximal))
    if any(scheduled(block) for block in (loss, *regularizers)):
        hooks.append(UpdateStrengths(*regularizers))
    return hooks
