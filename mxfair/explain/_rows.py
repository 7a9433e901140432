"""Rows and backgrounds as a net takes them, checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import InputError
from mxfair.explain._model import Explained, explained_model

__all__ = ["net_background", "net_rows", "same_columns"]


def same_columns(X: Any, background: Any) -> None:
    """Raise where two data frames do not have the same columns in the same order."""
    if hasattr(X, "columns") and hasattr(background, "columns") and list(X.columns) != list(background.columns):
        raise InputError("'background' must have the columns of 'X', in the same order. Use background[X.columns].")


def net_rows(model: Any, X: Any, output: Any, scale: str | None) -> tuple[Explained, np.ndarray]:
    """Return what is explained, and the rows as its net takes them."""
    from mxfair.explain._net import net_input

    explained = explained_model(model, output=output, scale=scale)
    if not explained.differentiable:
        raise InputError(
            "'model' must be a net, or an estimator of mxfair whose net takes the rows as they are, for gradients; "
            f"got {type(model).__name__}. Use permutation_shap."
        )
    rows = net_input(explained.net, X, explained.features)
    if rows.ndim < 2 or rows.size == 0:
        raise InputError(f"'X' must hold at least one row with at least one feature; got shape {rows.shape}.")
    explained(rows[:1])  # rows that do not fit the net are told of before any work
    return explained, rows


def net_background(explained: Explained, X: Any, background: Any, rows: np.ndarray) -> np.ndarray:
    """Return the background as the net takes it, checked against the rows, as given and as the net takes them."""
    from mxfair.explain._net import net_input

    same_columns(X, background)
    origins = net_input(explained.net, background)
    if len(origins) == 0 or origins.shape[1:] != rows.shape[1:]:
        raise InputError(
            f"'background' must hold rows like those of 'X', of shape {rows.shape[1:]}; got shape {origins.shape}. "
            "Pass a hundred rows of the training data."
        )
    return origins
