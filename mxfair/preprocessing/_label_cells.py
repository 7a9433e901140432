"""The (label, group) cell of every row, how many rows each should have, and even draws from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mxfair._encoding import group_text
from mxfair._validation import (
    InputError,
    InputTypeError,
    one_of,
    positive_integer,
    same_length,
    to_numpy,
)
from mxfair.groups import Groups
from mxfair.preprocessing._labels import classes_of

#: So many cells are named in one message.
_SHOWN = 4
STRATEGIES = ("equal", "labels within groups", "base rates")


class LabelCells:
    """Which (label, group) cell every row lies in; labels may be numbers or text."""

    def __init__(self, labels: Any, groups: Any) -> None:
        self.groups = groups if isinstance(groups, Groups) else Groups(groups)
        self.classes, places = classes_of(labels)
        self.n = same_length(labels=places, groups=self.groups)
        self.known = self.groups.known
        self.shape = (len(self.classes), self.groups.n_groups)
        self.codes = places * self.groups.n_groups + self.groups.codes
        size = self.shape[0] * self.shape[1]
        self.counts = np.bincount(self.codes, minlength=size).reshape(self.shape)
        self._order = np.argsort(self.codes, kind="stable")
        self._starts = np.concatenate([[0], np.cumsum(self.counts.ravel())])

    def members(self, cell: int) -> np.ndarray:
        """Return the rows of a cell, by its place in the flattened counts."""
        return self._order[self._starts[cell] : self._starts[cell + 1]]

    def name(self, cell: int) -> str:
        """Return a cell's name for messages."""
        label, group = divmod(int(cell), self.shape[1])
        return f"label {group_text(self.classes[label])} in group '{self.groups.names[group]}'"

    def names(self, cells: np.ndarray) -> str:
        """Return the names of some cells for messages."""
        more = f"; and {len(cells) - _SHOWN} more" if len(cells) > _SHOWN else ""
        return "; ".join(self.name(cell) for cell in cells[:_SHOWN]) + more

    def wanted(self, strategy: Any) -> np.ndarray:
        """Return how many rows each cell should have, at least as many as it has; an empty cell is an error."""
        counts, known = self.counts, self.known
        wanted = counts.copy()
        if isinstance(strategy, Mapping):
            wanted = self._asked(strategy)
        elif not known.any():
            raise InputError("'groups' must hold at least one known group; got only missing values. Check the column.")
        elif one_of(strategy, STRATEGIES, "sampling_strategy") == "equal":
            wanted[:, known] = counts[:, known].max()
        elif strategy == "labels within groups":
            wanted[:, known] = counts[:, known].max(axis=0)
        else:
            # n'_gy = s_g p_y with the smallest s_g that takes no row away: P(y | g) = p_y in every group.
            share = counts[:, known].sum(axis=1) / counts[:, known].sum()
            ratio = np.divide(
                counts[:, known], share[:, None], where=share[:, None] > 0, out=np.zeros((len(share), int(known.sum())))
            )
            size = np.rint(share[:, None] * ratio.max(axis=0)).astype(counts.dtype)
            wanted[:, known] = np.maximum(size, counts[:, known])
        empty = np.flatnonzero((wanted > 0) & (counts == 0))
        if len(empty):
            raise InputError(
                f"Every (label, group) cell that is to be filled must have rows; got none with {self.names(empty)}. "
                "Merge small groups or give counts for the other cells only."
            )
        return wanted

    def cell_of(self, key: Any) -> int:
        """Return the place, in the flattened counts, of the cell that a pair (label, group) names."""
        if not isinstance(key, tuple) or len(key) != 2:
            raise InputTypeError(f"The keys of a mapping must be pairs (label, group); got {key!r}.")
        labels = [group_text(value) for value in self.classes]
        groups = [name for name, known in zip(self.groups.names, self.known) if known]
        label, group = map(group_text, key)
        if label not in labels or group not in groups:
            raise InputError(
                f"The keys of a mapping must be cells of the data, of the labels {', '.join(labels)} and the groups "
                f"{', '.join(groups)}; got {key!r}."
            )
        return labels.index(label) * self.shape[1] + self.groups.names.index(group)

    def _asked(self, strategy: Mapping[Any, Any]) -> np.ndarray:
        """Return the counts that a mapping of (label, group) asks for; other cells stay as they are."""
        wanted = self.counts.copy()
        for key, count in strategy.items():
            cell, present = self.cell_of(key), self.counts.flat[self.cell_of(key)]
            wanted.flat[cell] = positive_integer(count, f"count of {key!r}", minimum=0)
            if wanted.flat[cell] < present:
                raise InputError(
                    f"The count of {key!r} must be at least the {present} rows that are there; got {count}. "
                    "Oversampling takes no rows away."
                )
        return wanted


def evenly(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `count` of the rows, each as often as any other or once more; which ones once more is by chance."""
    times, rest = divmod(int(count), len(rows))
    return np.concatenate([np.tile(rows, times), rng.choice(rows, rest, replace=False)])


def take_rows(values: Any, rows: np.ndarray) -> Any:
    """Return some rows of a frame, series, categorical, mapping of columns, Groups or array, in the type it has."""
    if isinstance(values, Groups):
        return values.take(rows)
    if isinstance(values, Mapping):
        return {key: take_rows(column, rows) for key, column in values.items()}
    if hasattr(values, "iloc"):
        return values.iloc[rows].reset_index(drop=True)
    if hasattr(values, "categories") and hasattr(values, "codes"):
        return values.take(rows)
    return to_numpy(values)[rows]
