"""Levels of a control attribute: their tables, and the mean of what is found in each."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np

from mxfair._validation import same_length
from mxfair.confusion import GroupConfusion
from mxfair.groups import Groups


def control_groups(control: Any) -> Groups:
    """Return the levels of a control attribute; what has no name is called "control"."""
    levels = Groups(control)
    return Groups(levels, name="control") if levels.name == "group" else levels


def strata_of(
    labels: Any, preds: Any, groups: Any, control: Any, *, sample_weight: Any, classes: Any
) -> tuple[GroupConfusion, np.ndarray, tuple[str, ...]]:
    """Return the table over all samples, the counts of each stratum (n_strata, n_groups, K, K) and its name."""
    groups, control = Groups(groups), control_groups(control)
    same_length(groups=groups, control=control)
    cells = [str(cell) for cell in range(control.n_groups * groups.n_groups)]
    crossed = Groups.from_codes(control.codes * groups.n_groups + groups.codes, cells)
    both = GroupConfusion.of(labels, preds, crossed, classes=classes, sample_weight=sample_weight)
    counts = both.counts.reshape(control.n_groups, groups.n_groups, *both.counts.shape[1:])
    table = GroupConfusion(groups.names, both.classes, counts.sum(axis=0), known=groups.known, name=groups.name)
    return table, counts, control.names


def weighted_mean(values: np.ndarray, support: np.ndarray, strata: tuple[str, ...], *, what: str) -> float:
    """Return the mean over strata by their weight; strata without a value are named in a warning."""
    lost = np.isnan(values)
    if lost.all():
        return float("nan")
    lost &= support > 0  # an empty stratum is nothing to warn of
    if lost.any():
        names = ", ".join(name for name, gone in zip(strata, lost) if gone)
        warnings.warn(
            f"{what} cannot be compared in {lost.sum()} of {len(strata)} strata ({names}; "
            f"{support[lost].sum() / support.sum():.1%} of the samples): fewer than two of their groups have a defined "
            "value. They are left out of the mean.",
            UserWarning,
            stacklevel=outside(),
        )
    there = ~np.isnan(values)
    return float(np.average(values[there], weights=support[there]))


def outside() -> int:
    """Return the stack level of the first caller that is not this package, as seen from the calling function."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("mxfair."):
        frame, level = frame.f_back, level + 1
    return level
