"""Signals: what the net does to each (label, group) cell now, as a controller needs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from mxfair.confusion import GroupConfusion

__all__ = ["CellStats", "Signal"]

#: What a controller may ask for, and what a selector inside the cells may ask for beside it.
NEEDS = ("rates", "loss", "positive_loss", "nothing")
SAMPLE_NEEDS = ("sample_loss", "sample_gradient")


@dataclass(frozen=True)
class CellStats:
    """What a signal measured; the parts that were not asked for are None.

    Parameters
    ----------
    rates : GroupConfusion, optional
        Decisions on the measured samples.
    loss : ndarray of shape (n_labels, n_groups), optional
        Mean loss of each (label, group) cell; NaN where it has no samples.
    positive_loss : ndarray of shape (n_labels, n_groups), optional
        Loss against the positive label, summed over a cell and divided by the size of its group.
    counts : ndarray of shape (n_labels, n_groups), optional
        Samples of each cell; filled in by whoever hands the stats to a controller.
    sample_loss : ndarray of shape (n_samples,), optional
        Loss of each sample.
    sample_gradient : ndarray of shape (n_samples,), optional
        Norm of the gradient of each sample's loss with respect to the net's output.
    """

    rates: GroupConfusion | None = None
    loss: np.ndarray | None = None
    positive_loss: np.ndarray | None = None
    counts: np.ndarray | None = None
    sample_loss: np.ndarray | None = None
    sample_gradient: np.ndarray | None = None


@runtime_checkable
class Signal(Protocol):
    """Measures the net; a sampler calls it when an epoch starts, and every `update_every` batches if told so.

    A signal that keeps state of its own has ``state_dict`` and ``load_state_dict`` too.
    """

    def measure(self, *needs: str) -> CellStats:
        """Return what a controller, and a selector inside the cells, need.

        Parameters
        ----------
        *needs : {"rates", "loss", "positive_loss", "sample_loss", "sample_gradient"}
            One, or several to be measured in one pass.

        Returns
        -------
        CellStats
        """
        ...
