"""Which epochs of a history to keep: the best one under a bound on the gap, or all that nothing dominates.

Choose on a validation split. A test set that helps to choose no longer says what new data would say.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from mxfair._validation import InputError
from mxfair.training._choice import best_entry, check_bound, larger_is_better, unmet

__all__ = ["best_epoch", "pareto_epochs"]


def best_epoch(
    history: Any, *, max_gap: float = math.inf, x: str = "val_accuracy", y: str = "val_gap", mode: str = "max"
) -> int:
    r"""Return the epoch with the best figure among those whose gap is within a bound.

    .. math:: \arg\max_e x_e \quad \text{subject to} \quad y_e \le \text{max_gap}

    Ties go to the smaller gap, then to the earlier epoch.

    Parameters
    ----------
    history : History, list of dict or DataFrame
        Entries by epoch; those that lack one of the two columns are passed over.
    max_gap : float, default=inf
        The largest gap that is accepted. NaN, a gap that could not be measured, never is.
    x : str, default="val_accuracy"
        Column of the figure.
    y : str, default="val_gap"
        Column of the gap.
    mode : {"max", "min"}, default="max"
        Whether a larger `x` is better; "min" for a loss.

    Returns
    -------
    int
        The epoch's number in the column "epoch", or its place where there is no such column.

    Raises
    ------
    InputError
        If no epoch has both columns.

    Warns
    -----
    UserWarning
        If no epoch's gap is within the bound: then it is the epoch with the smallest gap.

    Examples
    --------
    >>> history = [{"val_accuracy": a, "val_gap": g} for a, g in [(0.70, 0.02), (0.80, 0.04), (0.85, 0.12)]]
    >>> best_epoch(history, max_gap=0.05)
    1
    """
    check_bound(max_gap)
    larger_is_better(mode)
    entries = _entries(history, x, y)
    if not entries:
        raise InputError(f"'history' must have an epoch with the columns {x!r} and {y!r}; got none.")
    chosen = best_entry(entries, max_gap, x, y, mode)
    if not float(chosen[y]) <= max_gap:
        warnings.warn(unmet(chosen, max_gap, y), UserWarning, stacklevel=2)
    return int(chosen["epoch"])


def pareto_epochs(history: Any, x: str = "val_accuracy", y: str = "val_gap", *, mode: str = "max") -> list[int]:
    """Return the epochs that no other dominates: none has a figure and a gap at least as good, one of them better.

    Parameters
    ----------
    history, x, y, mode
        As for `best_epoch`. Epochs where either is NaN are left out.

    Returns
    -------
    list of int
        In the order of training; epochs with equal figures and gaps are all in it.

    Examples
    --------
    >>> history = [{"val_accuracy": a, "val_gap": g} for a, g in [(0.70, 0.02), (0.80, 0.04), (0.75, 0.05)]]
    >>> pareto_epochs(history)
    [0, 1]
    """
    sign = 1.0 if larger_is_better(mode) else -1.0
    entries = _entries(history, x, y)
    values = np.array([[-sign * float(entry[x]), float(entry[y])] for entry in entries]).reshape(-1, 2)
    no_worse = (values[:, None] <= values).all(axis=2)  # [a, b]: a is at least as good as b; False with NaN
    dominated = (no_worse & (values[:, None] < values).any(axis=2)).any(axis=0)
    front = ~dominated & ~np.isnan(values).any(axis=1)
    return [int(entry["epoch"]) for entry, kept in zip(entries, front) if kept]


def _entries(history: Any, x: str, y: str) -> list[dict[str, Any]]:
    """Return the entries that have both columns, each with its epoch."""
    rows = getattr(history, "epochs", history)
    rows = rows.to_dict("records") if hasattr(rows, "columns") else rows
    return [
        {"epoch": place, **row} for place, row in enumerate(rows) if row.get(x) is not None and row.get(y) is not None
    ]
