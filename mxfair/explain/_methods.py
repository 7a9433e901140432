"""Attributions by the name of their method, and backgrounds drawn from rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair import explain
from mxfair._validation import InputError, InputTypeError
from mxfair.explain._model import explained_model
from mxfair.explain.attribution import Attribution

#: Background rows that are drawn where none are given.
N_BACKGROUND = 100


def background_rows(X: Any, rows: np.ndarray, rng: np.random.Generator, count: int = N_BACKGROUND) -> Any:
    """Return some of the given rows, drawn without replacement; all of them where there are no more."""
    if not len(rows):
        raise InputError("'background' must name a group with samples; got one without.")
    chosen = np.sort(rng.choice(rows, min(count, len(rows)), replace=False))
    return X.iloc[chosen] if hasattr(X, "iloc") else X[chosen]


def attributed(model: Any, X: Any, background: Any, method: Any, keywords: dict[str, Any]) -> Attribution:
    """Return the attribution of a method given by name, as a function, or by default what the model allows."""
    if method is None:
        explained = explained_model(model, output=keywords.get("output"), scale=keywords.get("scale"))
        method = "expected_gradients" if explained.differentiable else "permutation_shap"
    if method != "permutation_shap" and isinstance(method, str):  # points are spread better than draws are
        keywords = {**keywords, "seed": None}
    if isinstance(method, str):
        method = _named(method)
    found = method(model, X, background, **{name: value for name, value in keywords.items() if value is not None})
    if not isinstance(found, Attribution):
        raise InputTypeError(f"'method' must return an Attribution; got {type(found).__name__}.")
    return found


def _named(method: str) -> Any:
    known = ("expected_gradients", "permutation_shap", "exact_shap", "deep_shap")
    found = getattr(explain, method, None) if method in known else None
    if found is None:
        raise InputError(f"'method' must be one of {', '.join(known)}, or a function; got {method!r}.")
    return found
