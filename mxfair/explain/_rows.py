"""Rows and backgrounds as a net takes them, checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import InputError
from mxfair.explain._model import Explained, explained_model

__all__ = ["net_background", "net_rows"]


def net_rows(model: Any, X: Any, output: Any, scale: str | None) -> tuple[Explained, np.ndarray]:
    """Return what is explained, and the rows as its net takes them."""
    from mxfair.explain._net import net_input

    explained = explained_model(model, output=output, scale=scale)
    if not explained.differentiable:
        raise InputError(
            "'model' must be a net, or an estimator of mxfair whose net takes the rows as they are, for gradients; "
            f"got {type(model).__name__}. Use permutation_shap."
        )
    rows = net_input(explained.net, X)
    if rows.ndim < 2 or rows.size == 0:
        raise InputError(f"'X' must hold at least one row with at least one feature; got shape {rows.shape}.")
    return explained, rows


def net_background(explained: Explained, background: Any, rows: np.ndarray) -> np.ndarray:
    from mxfair.explain._net import net_input

    origins = net_input(explained.net, background)
    if len(origins) == 0 or origins.shape[1:] != rows.shape[1:]:
        raise InputError(
            f"'background' must hold rows like those of 'X', of shape {rows.shape[1:]}; got shape {origins.shape}. "
            "Pass a hundred rows of the training data."
        )
    return origins
