"""A repr of results with few digits."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np


def short_repr(self: Any) -> str:
    """Return a dataclass as it is constructed, numbers with four digits, and without arrays."""
    shown = ((field.name, getattr(self, field.name)) for field in dataclasses.fields(self) if field.repr)
    inner = ", ".join(f"{name}={_text(value)}" for name, value in shown if not isinstance(value, np.ndarray))
    return f"{type(self).__name__}({inner})"


def _text(value: Any) -> str:
    if isinstance(value, (float, np.floating)):
        return f"{value:,g}" if float(value).is_integer() and abs(float(value)) < 1e6 else f"{value:.4g}"
    if isinstance(value, tuple) and all(isinstance(part, (float, np.floating)) for part in value):
        return f"({', '.join(map(_text, value))})"
    return repr(value)
