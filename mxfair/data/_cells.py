"""Cells: the (label, group) cell of every sample, encoded once for samplers, weights and signals."""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import Any

import numpy as np

from mxfair._validation import InputError, numbers, numeric_labels, positive_integer, same_length
from mxfair.groups import Groups

__all__ = ["MAX_FLOAT_LABELS", "Cells"]

#: More distinct decimal labels than this are taken for a regression target.
MAX_FLOAT_LABELS = 20
#: So many empty cells are named in one warning.
SHOWN = 4


class Cells:
    """Which (label, group) cell every sample lies in.

    A regression target is cut into bins; a bin is then what a class is otherwise. With one bin, cells are groups.
    """

    def __init__(self, labels: Any, groups: Any, *, bins: Any = None) -> None:
        self.groups = groups if isinstance(groups, Groups) else Groups(groups)
        labels = numeric_labels(labels)
        self.n = same_length(labels=labels, groups=self.groups)
        self.cuts = None if bins is None else _cuts(labels, bins)
        self.classes, places = _classes(labels) if self.cuts is None else _binned(labels, self.cuts)
        self.known = self.groups.known
        self.shape = (len(self.classes), self.groups.n_groups)
        codes = places * self.groups.n_groups + self.groups.codes
        self.codes = codes.astype(np.int16 if self.size <= np.iinfo(np.int16).max else np.int64)
        self.counts = np.bincount(self.codes, minlength=self.size).reshape(self.shape)

    @property
    def size(self) -> int:
        """Number of cells."""
        return int(np.prod(self.shape))

    @cached_property
    def members(self) -> np.ndarray:
        """Rows in the order of their cells."""
        return np.argsort(self.codes, kind="stable")

    @cached_property
    def mix(self) -> np.ndarray:
        """Share of each cell among all samples."""
        return self.counts / self.n

    def name(self, label: int, group: int) -> str:
        """Return a cell's name for messages."""
        return f"label {self.label_name(label)} in group '{self.groups.names[group]}'"

    def label_name(self, label: int) -> str:
        """Return a class as text: 1.0 reads '1', a bin its range."""
        if self.cuts is not None:
            if not len(self.cuts):
                return "any"
            ends = [f"{cut:.6g}" for cut in self.cuts]
            low, high = ["", *ends][label], [*ends, ""][label]
            return f"<= {high}" if not low else f"> {low}" if not high else f"{low} to {high}"
        value = self.classes[label]
        return str(int(value)) if float(value).is_integer() else str(value)

    def check(self) -> None:
        """Raise where there is nothing to compare, warn of cells that cannot be drawn."""
        names, known = self.groups.names, self.known
        if known.sum() < 2:
            raise InputError(
                f"'groups' must hold at least two groups; got {int(known.sum())} ({', '.join(names)}). "
                "Check the column: without a second group there is nothing to compare."
            )
        if len(self.classes) < 2 and self.cuts is None:
            raise InputError(
                f"'labels' must hold at least two classes; got only {self.classes[0]:g}. Check the label column."
            )
        empty = np.argwhere((self.counts == 0) & known)
        for label, group in empty:
            if len(self.classes) <= 2:
                raise InputError(
                    f"Every (label, group) cell must have samples; got none with {self.name(label, group)}. Merge "
                    "small groups or leave this one out."
                )
            if (self.counts[label, known] > 0).sum() < 2:
                raise InputError(
                    f"Every label must have samples in two groups or more; got none with {self.name(label, group)}. "
                    "Merge small groups or leave this one out."
                )
        if len(empty):
            shown = "; ".join(self.name(y, z) for y, z in empty[:SHOWN])
            more = f"; and {len(empty) - SHOWN} more" if len(empty) > SHOWN else ""
            warnings.warn(
                f"{len(empty)} of {self.size} (label, group) cells are empty: {shown}{more}. They cannot be "
                "drawn, and the gaps of these labels say nothing about these groups. Merge small groups.",
                UserWarning,
                stacklevel=4,
            )


def _classes(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    classes, places = np.unique(labels, return_inverse=True)
    if labels.dtype.kind == "f" and len(classes) > MAX_FLOAT_LABELS and not np.array_equal(classes, classes.round()):
        raise InputError(
            f"'labels' must be classes; got {len(classes)} different decimal numbers, which look like a regression "
            "target. Pass criterion='bounded_group_loss', or label_bins=4 with criterion='demographic_parity'."
        )
    return classes, places


def _cuts(labels: np.ndarray, bins: Any) -> np.ndarray:
    """Return the cut points between the bins of a regression target; a value at a cut belongs to the bin below."""
    if not np.isfinite(labels).all():
        raise InputError("'labels' must be finite; got infinity. Remove these samples.")
    if isinstance(bins, (int, np.integer)) and not isinstance(bins, bool):
        count = positive_integer(bins, "label_bins")
        cuts = np.unique(np.quantile(labels.astype(float), np.arange(1, count) / count)) if count > 1 else np.empty(0)
        return cuts[cuts < labels.max()]
    cuts = numbers(bins, "label_bins")
    if not np.isfinite(cuts).all() or np.any(np.diff(cuts) <= 0):
        raise InputError(f"'label_bins' must be a number of bins or increasing cut points; got {list(cuts)}.")
    if len(cuts) and not labels.min() <= cuts[0] <= cuts[-1] < labels.max():
        raise InputError(
            f"'label_bins' must lie among the labels, {labels.min():g} to {labels.max():g}; got {list(cuts)}. "
            "Each bin needs samples."
        )
    return cuts


def _binned(labels: np.ndarray, cuts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(len(cuts) + 1), np.searchsorted(cuts, labels, side="left")
