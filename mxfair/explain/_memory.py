"""How much memory a batch may take."""

from __future__ import annotations

from typing import Any

from mxfair._validation import InputError

__all__ = ["megabytes"]


def megabytes(max_memory: Any) -> float:
    """Return a checked number of megabytes."""
    if isinstance(max_memory, bool) or not isinstance(max_memory, (int, float)) or not max_memory > 0:
        raise InputError(f"'max_memory' must be a number of megabytes above 0; got {max_memory!r}. Leave it out.")
    return float(max_memory)
