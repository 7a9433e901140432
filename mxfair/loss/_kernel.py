"""Checks and kernels of the penalties of distributions."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import InputError, InputTypeError

#: Kernels of two scores.
KERNELS = ("gaussian", "laplace")


def kernel_matrix(kernel: str, length: float, knots: int) -> np.ndarray:
    """Return a kernel between knots of the unit interval."""
    points = np.linspace(0, 1, knots)
    apart = np.abs(points[:, None] - points) / length
    return np.exp(-(apart**2) if kernel == "gaussian" else -apart)


def check_length(length: Any, default: float) -> float:
    """Return the length of a kernel."""
    if length is None:
        return default
    if isinstance(length, bool) or not isinstance(length, (int, float)) or not 0 < length < np.inf:
        raise InputError(f"'length' must be a number above 0; got {length!r}. Leave it out for the default.")
    return float(length)


def check_groups(n_groups: Any, other: str) -> Any:
    """Return a number of groups, not None."""
    if n_groups is None:
        raise InputTypeError(f"'n_groups' must be a whole number or Groups; got None. Use {other} for attributes.")
    return n_groups


def check_flag(value: Any, name: str) -> bool:
    """Return True or False."""
    if not isinstance(value, bool):
        raise InputTypeError(f"'{name}' must be True or False; got {value!r}. Give one of them.")
    return value
