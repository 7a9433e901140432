"""Numbers of a history's entries, and the rule that chooses between epochs: one place for callbacks and functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mxfair._validation import InputError, one_of

__all__ = ["best_entry", "check_bound", "column", "larger_is_better", "unmet"]


def column(entry: dict[str, Any], name: str, reader: str) -> float:
    """Return a number of an epoch's entry."""
    value = entry.get(name)
    if value is None:
        raise InputError(
            f"{reader} must find the column {name!r} when an epoch ends; got {', '.join(entry)}. "
            "List the callback that writes it before this one, for instance EvaluateGaps."
        )
    return float(value)


def best_entry(entries: list[dict[str, Any]], max_gap: float, x: str, y: str, mode: str) -> dict[str, Any]:
    """Return the entry that is kept: within the bound the best figure; without such an epoch the smallest gap."""
    sign = 1.0 if larger_is_better(mode) else -1.0

    def key(entry: dict[str, Any]) -> tuple[int, float, float]:
        value, gap = sign * float(entry[x]), float(entry[y])
        value = -math.inf if math.isnan(value) else value
        if gap <= max_gap:
            return 2, value, -gap
        return (0, value, 0.0) if math.isnan(gap) else (1, -gap, value)

    return max(entries, key=key)  # the first of equals


def unmet(entry: dict[str, Any], max_gap: float, y: str) -> str:
    """Return the warning that no epoch was within the bound."""
    if math.isnan(float(entry[y])):
        return f"No epoch's {y!r} could be measured: epoch {entry['epoch']} is kept for its figure alone."
    return (
        f"No epoch's {y!r} is at most {max_gap:g}: epoch {entry['epoch']} is kept, whose {float(entry[y]):.4g} is the "
        "smallest."
    )


def larger_is_better(mode: str) -> bool:
    """Return what a mode says."""
    return one_of(mode, ("max", "min"), "mode") == "max"


def check_bound(max_gap: Any) -> float:
    """Return a bound on gaps: 0 or more."""
    if isinstance(max_gap, bool) or not isinstance(max_gap, (int, float, np.number)) or not max_gap >= 0:
        raise InputError(f"'max_gap' must be a number, 0 or more; got {max_gap!r}. Pass, e.g., 0.05.")
    return float(max_gap)
