"""X as it goes in: checked as scikit-learn does, or a table of anything that preprocessing steps make numbers of."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from mxfair._validation import InputError, to_numpy
from mxfair.estimator import _nets

try:
    from sklearn.utils.validation import validate_data
except ImportError:  # scikit-learn below 1.6
    validate_data = None

__all__ = ["checked", "table", "through_steps"]


def table(estimator: Any, X: Any, *, reset: bool) -> Any:
    """Return what the steps take, a table of anything; its columns are learnt, or checked."""
    if hasattr(X, "columns") and hasattr(X, "iloc"):
        if not len(X) or not X.shape[1]:
            raise InputError(f"Found array with 0 sample(s) or feature(s) (shape={X.shape}). Pass a row and a column.")
        if hasattr(estimator, "_check_feature_names"):  # scikit-learn below 1.6
            estimator._check_feature_names(X, reset=reset)
            estimator._check_n_features(X, reset=reset)
        else:
            validate_data(estimator, X, reset=reset, skip_check_array=True)
        return X
    finite = "ensure_all_finite" if validate_data is not None else "force_all_finite"
    return _validated(estimator, X, dtype=None, reset=reset, **{finite: False})


def through_steps(estimator: Any, X: Any, target: Any, groups: Any, weight: Any, *, reset: bool) -> np.ndarray:
    """Return the features that come out of the steps; `reset` fits them, with all that they take."""
    for step in estimator.steps_:
        if reset:
            given = {"groups": groups} if _takes_groups(step, "fit") else {}
            if weight is not None and "sample_weight" in inspect.signature(step.fit).parameters:
                given["sample_weight"] = weight
            step.fit(X, target, **given)
        given = {"groups": groups} if _takes_groups(step, "transform") else {}
        X = step.transform(X, **given)
    matrix = np.ascontiguousarray(to_numpy(X), dtype=np.float32)
    if not np.isfinite(matrix).all():
        raise InputError("'X' must be finite after the preprocessing steps; got NaN or infinity. Impute first.")
    return matrix


def checked(estimator: Any, X: Any, y: Any = None, *, reset: bool) -> Any:
    """Return X as float32, and y where it is given, checked as scikit-learn does."""
    if y is None and not reset:
        plain = _plain(estimator, X)
        if plain is not None:
            return plain
    options: dict[str, Any] = {
        "dtype": np.float32,
        "order": "C",
        "reset": reset,
        "allow_nd": not _nets.is_named(estimator.net),
    }
    if y is not None:
        options.update(y=y, multi_output=True)
    return _validated(estimator, X, **options)


def _plain(estimator: Any, X: Any) -> np.ndarray | None:
    """Return an array of which a look tells that it passes scikit-learn's checks; they take longer than a small net."""
    if type(X) is not np.ndarray or X.dtype not in (np.float32, np.float64) or hasattr(estimator, "feature_names_in_"):
        return None
    if X.ndim != 2 or not len(X) or X.shape[1] != estimator.n_features_in_:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        single = np.ascontiguousarray(X, dtype=np.float32)
        return single if np.isfinite(single.sum()) else None


def _validated(estimator: Any, X: Any, **options: Any) -> Any:
    if validate_data is None:
        return estimator._validate_data(X, **options)
    return validate_data(estimator, X, **options)


def _takes_groups(step: Any, method: str) -> bool:
    """Tell whether a step's method is to be given groups: it takes them, and no column of X holds them."""
    return getattr(step, "sensitive", None) is None and "groups" in inspect.signature(getattr(step, method)).parameters
