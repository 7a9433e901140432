"""What a post-processor is given by a model: its scores, whatever kind of model it is."""

from __future__ import annotations

import inspect
import sys
from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_regressor

from mxfair._validation import InputError, InputTypeError, one_of

#: How a model is asked for scores.
METHODS = ("auto", "predict_proba", "decision_function", "predict")


def is_net(model: Any) -> bool:
    """Tell whether a model is a Gluon block; the engine is not loaded to ask."""
    return "mxnet" in sys.modules and isinstance(model, sys.modules["mxnet"].gluon.Block)


def kind_of(model: Any, post: Any) -> str:
    """Return "classifier" or "regressor"; of a net, the post-processor says it."""
    if is_net(model):
        return "classifier" if hasattr(post, "predict") else "regressor"
    if is_classifier(model):
        return "classifier"
    if is_regressor(model):
        return "regressor"
    raise InputTypeError(
        f"'estimator' must be a classifier or regressor of scikit-learn's kind, or a Gluon net; got {model!r}."
    )


def method_of(model: Any, asked: str, post: Any, kind: str) -> str:
    """Return the name of the method that gives the scores."""
    one_of(asked, METHODS, "predict_method")
    if kind == "regressor":
        if asked not in ("auto", "predict"):
            raise InputError(f"'predict_method' must be 'auto' or 'predict' for a regressor; got {asked!r}.")
        return "predict"
    if asked == "predict" and post._method != "predict":
        raise InputError(
            f"'predict_method' must give scores for {type(post).__name__}; got 'predict': decisions. Use "
            "EqualizedOddsMixing for these."
        )
    wanted = post._method if asked == "auto" else asked
    if wanted != "predict" and post._method == "predict":
        raise InputError(f"'predict_method' must be 'predict' for {type(post).__name__}; got {asked!r}.")
    if is_net(model) and wanted == "predict":
        return "decide"
    if wanted == "any":
        wanted = "predict_proba" if is_net(model) or hasattr(model, "predict_proba") else "decision_function"
    if not is_net(model) and not hasattr(model, wanted):
        raise InputTypeError(f"'estimator' must have {wanted} for its scores; {type(model).__name__} has not.")
    return wanted


def takes(method: Any, name: str) -> bool:
    """Tell whether a method has a parameter of this name."""
    try:
        return name in inspect.signature(method).parameters
    except (TypeError, ValueError):
        return False


def takes_groups(method: Any, model: Any) -> bool:
    """Tell whether a method of a model takes our groups: what others call so are often groups of folds."""
    ours = any(kind.__module__.split(".")[0] == "mxfair" for kind in type(model).__mro__)
    return ours and takes(method, "groups")


def raw_scores(model: Any, method: str, X: Any, groups: Any) -> np.ndarray:
    """Return what the model says of each row: a vector, or a matrix with a column for each class."""
    if is_net(model):
        return _net_scores(model, method, X)
    call = getattr(model, method)
    extra = {"groups": groups} if groups is not None and takes_groups(call, model) else {}
    return np.asarray(call(X, **extra))


def net_outputs(net: Any, X: Any) -> np.ndarray:
    """Return a net's outputs, shape (n_samples, n_outputs)."""
    from mxfair._inference import forward
    from mxfair._validation import to_numpy

    rows = X if hasattr(X, "asnumpy") else np.ascontiguousarray(to_numpy(X), dtype=np.float32)
    output = np.concatenate([to_numpy(part) for part in forward(net, rows)]).astype(np.float64)
    return output.reshape(len(output), -1)


def _net_scores(net: Any, method: str, X: Any) -> np.ndarray:
    from mxfair._inference import scores

    output = net_outputs(net, X)
    if method == "predict_proba":
        values = scores(output)
        return np.column_stack([1 - values, values]) if values.ndim == 1 else values
    if method == "decide":
        if not np.isfinite(output).all():
            raise InputError("'estimator' must return finite outputs; the net returned NaN or infinity. Look at it.")
        return (output[:, 0] > 0).astype(int) if output.shape[1] == 1 else output.argmax(axis=1)
    if output.shape[1] == 1:
        return np.asarray(output[:, 0])
    return output[:, 1] - output[:, 0] if output.shape[1] == 2 and method == "decision_function" else output


def read(raw: np.ndarray, classes: np.ndarray | None, post: Any, method: str) -> np.ndarray:
    """Return the scores that the post-processor takes: of the positive class, or all columns."""
    if classes is None or method in ("predict", "decide"):
        return raw if raw.ndim == 1 else _column(raw)
    if post._takes_matrix(len(classes)):
        return raw if raw.ndim == 2 else np.column_stack([-raw / 2, raw / 2])
    check_classes(classes, post)
    place = positive_place(classes, post)
    if raw.ndim == 2:
        return np.asarray(raw[:, place])
    return raw if place else -raw


def check_classes(classes: np.ndarray, post: Any) -> None:
    """Refuse classes that a post-processor cannot take."""
    if post._takes_matrix(len(classes)):
        return
    if len(classes) != 2:
        raise InputError(
            f"'y' must have two classes for {type(post).__name__}; got {len(classes)}. Use ClassOffsets, or "
            "GroupCalibration with method='temperature'."
        )
    positive_place(classes, post)


def positive_place(classes: np.ndarray, post: Any) -> int:
    """Return the place of the class that the post-processor's scores speak for."""
    positive, values = getattr(post, "positive", None), classes.tolist()
    if positive is None:
        return len(values) - 1
    if positive not in values:
        raise InputError(f"'positive' must be one of the classes {values[:10]}; got {positive!r}.")
    return int(values.index(positive))


def _column(raw: np.ndarray) -> np.ndarray:
    if raw.ndim != 2 or raw.shape[1] != 1:
        raise InputError(f"'estimator' must predict one number a row; got shape {raw.shape}. Take one target.")
    return np.asarray(raw[:, 0])
