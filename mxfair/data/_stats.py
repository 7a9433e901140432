"""From values of samples to CellStats, and functions of a user's own as signals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mxfair._validation import InputError, to_numpy
from mxfair.confusion import GroupConfusion
from mxfair.data._cells import Cells
from mxfair.data.signal import CellStats

__all__ = ["CallableSignal", "cell_losses", "check_finite", "mean_loss", "to_table"]


class CallableSignal:
    """A user's own function of no arguments as a signal."""

    def __init__(self, function: Callable[[], Any], cells: Cells) -> None:
        self.function, self.cells = function, cells

    def measure(self, *needs: str) -> CellStats:
        """Read the function's result as decisions (rates) or as losses per sample."""
        value = self.function()
        if isinstance(value, CellStats):
            return value
        values = to_numpy(value).reshape(-1)
        rates = "rates" in needs
        if rates and len(needs) > 1:
            raise InputError(
                f"A function can measure one thing, decisions or losses; {' and '.join(needs)} are needed. Return a "
                "CellStats with both, or use mxfair.data.FullPass."
            )
        if len(values) != self.cells.n:
            raise InputError(
                f"'signal' must return one {'decision' if rates else 'loss'} per training sample "
                f"({self.cells.n}); got {len(values)}."
            )
        return CellStats(rates=self._table(values)) if rates else cell_losses(values, self.cells, *needs)

    def _table(self, preds: np.ndarray) -> GroupConfusion:
        cells = self.cells
        if cells.cuts is not None:  # predictions of a regression
            places = np.searchsorted(cells.cuts, preds, side="left")
            joint = cells.codes.astype(np.int64) * len(cells.classes) + places
            counts = np.bincount(joint, minlength=cells.size * len(cells.classes))
            return to_table(counts.reshape(*cells.shape, -1), cells, cells.classes)
        labels = cells.classes[cells.codes // cells.groups.n_groups]
        found = np.union1d(cells.classes, np.unique(preds)) if len(cells.classes) > 2 else cells.classes
        return GroupConfusion.of(labels, preds, cells.groups, classes=found)


def to_table(counts: np.ndarray, cells: Cells, values: np.ndarray) -> GroupConfusion:
    """Return counts[label, group, decision] as a table; its classes are the labels and what was predicted."""
    kept = (counts.sum(axis=(0, 1)) > 0) | np.isin(values, cells.classes)
    found = np.union1d(cells.classes, values[kept])
    if len(found) > len(cells.classes) == 2:
        strange = found[~np.isin(found, cells.classes)][0]
        raise InputError(
            f"Decisions must be among the classes {', '.join(map(str, cells.classes.tolist()))}; got {strange:g}. Give "
            "the net one output, or two."
        )
    table = np.zeros((cells.groups.n_groups, len(found), len(found)))
    rows, columns = np.searchsorted(found, cells.classes), np.searchsorted(found, values[kept])
    table[:, rows[:, None], columns] = np.moveaxis(counts[:, :, kept], 1, 0)
    return GroupConfusion(cells.groups.names, found, table, known=cells.known, name=cells.groups.name)


def cell_losses(losses: np.ndarray, cells: Cells, *needs: str) -> CellStats:
    """Return mean losses by cell, or, for demographic parity, sums divided by the group's size."""
    check_finite(losses)
    sums = np.bincount(cells.codes, losses, minlength=cells.size).reshape(cells.shape)
    return CellStats(
        loss=mean_loss(sums, cells.counts) if "loss" in needs else None,
        positive_loss=sums / np.maximum(cells.counts.sum(axis=0), 1) if "positive_loss" in needs else None,
        sample_loss=losses if "sample_loss" in needs else None,
    )


def mean_loss(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the mean of each cell; NaN where it has no samples."""
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)


def check_finite(losses: np.ndarray) -> None:
    """Raise where a loss is infinite or NaN."""
    if not np.isfinite(losses).all():
        raise InputError("The loss of a training sample is not finite: training has diverged. Lower the learning rate.")
