"""Callbacks that set the strengths of schedules, and take the proximal steps of regularizers."""

from __future__ import annotations

from typing import Any

from mxfair._strength import scheduled
from mxfair.training.callbacks import Callback, TrainingState

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
