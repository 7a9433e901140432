"""What a training history holds: columns epoch, loss, gap and share[LABEL, GROUP]."""

from __future__ import annotations

import re
from typing import Any

import numpy as np


def share_columns(history: Any) -> dict[tuple[str, str], str]:
    """Return the column of each (label, group) cell's share."""
    cells = {}
    for column in history.columns:
        match = re.fullmatch(r"share\[(.*?), (.*)\]", str(column), flags=re.DOTALL)
        if match:
            cells[match[1], match[2]] = column
    return cells


def line_columns(history: Any, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Return epochs and values of a column; without a column 'epoch', rows are counted from 1."""
    values = np.asarray(history[column], dtype=float)
    epochs = np.asarray(history["epoch"], dtype=float) if "epoch" in history else np.arange(1.0, len(values) + 1)
    return epochs, values
