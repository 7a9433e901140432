"""Decisions and scores of nets, estimators and functions: what figures of a model's quality and fairness are of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair._validation import InputError, InputTypeError, labels_vector, one_of, to_numpy
from mxfair.confusion import _classes
from mxfair.metric._inputs import task_of

__all__ = ["Predictions", "Predictor", "as_rows", "piece_rows", "predictor_of"]

#: What a net or a function may return for classes.
RETURNS = ("decisions", "probability", "logit")
#: Numbers of the rows that a model is given at once, and the most of these rows.
PIECE, PIECE_ROWS = 2**23, 65_536


@dataclass(frozen=True)
class Predictions:
    """What a model says of rows.

    Parameters
    ----------
    preds : ndarray of shape (..., n)
        Decisions in the values of the labels, or predicted numbers.
    scores : ndarray of shape (..., n) or (..., n, n_classes), optional
        Probability of the last of two classes, or of each class.
    """

    preds: np.ndarray
    scores: np.ndarray | None = None

    def repeated(self, n_repeats: int) -> Predictions:
        """Return predictions of shape (n_repeats * n,) as ones of shape (n_repeats, n)."""
        split = [None if v is None else v.reshape(n_repeats, -1, *v.shape[1:]) for v in (self.preds, self.scores)]
        return Predictions(split[0], split[1])  # type: ignore[arg-type]  # there are preds


@dataclass
class Predictor:
    """A model as a function of rows (and their groups, where it needs these).

    Parameters
    ----------
    task : {"classification", "regression"}
    classes : ndarray or None
        The labels that decisions may take.
    call : callable
        From rows and groups to `Predictions`.
    takes_groups : bool, default=False
        Whether the model decides by the group.
    probabilistic : bool, default=True
        Whether it gives scores.
    """

    task: str
    classes: np.ndarray | None
    call: Callable[[Any, Any], Predictions]
    takes_groups: bool = False
    probabilistic: bool = True

    def __call__(self, pieces: Iterator[tuple[Any, Any]], n: int) -> Predictions:
        """Return the predictions of n rows that come as pieces of (rows, groups)."""
        parts = []
        for rows, groups in pieces:
            part = self.call(rows, groups)
            for values, what in ((part.preds, "prediction"), (part.scores, "score")):
                if values is not None and len(values) != len(rows):
                    raise InputError(f"The model must return one {what} per row; got {len(values)} for {len(rows)}.")
            parts.append(part)
        preds = np.concatenate([part.preds for part in parts])
        scores = None if parts[0].scores is None else np.concatenate([part.scores for part in parts])  # type: ignore[misc]  # all or none
        for values in (preds, scores):
            if values is not None and values.dtype.kind == "f" and np.isnan(values).any():
                raise InputError("The model must return numbers; got NaN. Look for missing values in the data.")
        return Predictions(preds, scores)


def as_rows(X: Any) -> Any:
    """Return a data frame as it is, anything else as an array of shape (n_samples, n_features)."""
    if hasattr(X, "iloc"):
        return X
    array = to_numpy(X)
    if array.ndim != 2:
        raise InputError(f"'X' must have the shape (n_samples, n_features); got {array.shape}. Flatten it first.")
    return array


def piece_rows(X: Any) -> int:
    """Return how many rows of this width a model is given at once: memory does not grow with the number of rows."""
    return int(max(1, min(PIECE_ROWS, PIECE // max(1, int(np.shape(X)[1])))))


def predictor_of(
    model: Any, labels: Any, *, task: str | None = None, returns: str | None = None, needs_scores: bool = False
) -> Predictor:
    """Return a model as a `Predictor`.

    Parameters
    ----------
    model : gluon.Block, scikit-learn estimator, or callable
    labels : array of shape (n_samples,)
    task : {"classification", "regression"}, optional
        Default: what an estimator is, else what the labels make plain.
    returns : {"decisions", "probability", "logit"}, optional
        What a net (default: logits) or a function (must be said for classes) returns.
    needs_scores : bool, default=False
        Whether to ask an estimator for probabilities too.

    Returns
    -------
    Predictor
    """
    if returns is not None:
        one_of(returns, RETURNS, "returns")
    if hasattr(model, "predict") and not hasattr(model, "collect_params"):
        if returns is not None:
            raise InputError(f"'returns' must be left out for an estimator; got {returns!r}. It says it itself.")
        return _of_estimator(model, needs_scores)
    if not callable(model):
        raise InputTypeError(
            f"'model' must be a gluon.Block, a fitted estimator or a function of rows; got {type(model).__name__}."
        )
    task = task_of(labels, task)
    outputs = _net_outputs(model) if hasattr(model, "collect_params") else lambda X: to_numpy(model(X))
    if task == "regression":
        if returns is not None:
            raise InputError(f"'returns' must be left out for a regression; got {returns!r}.")
        return Predictor(task, None, lambda X, groups: Predictions(_numbers(outputs(X))), probabilistic=False)
    labels = labels_vector(labels)
    classes = _classes(labels, labels)
    if returns is None:
        if not hasattr(model, "collect_params"):
            raise InputError(
                "'returns' must say what the function returns for classes; got none. Pass returns='decisions', "
                "'probability' or 'logit'."
            )
        call = _Reader(outputs, classes, None)
    elif returns == "decisions":
        return Predictor(
            task, classes, lambda X, groups: Predictions(_decided(outputs(X), classes)), probabilistic=False
        )
    else:
        call = _Reader(outputs, classes, returns == "probability")
    return Predictor(task, classes, call)


class _Reader:
    """Outputs of a net or a function as decisions and probabilities.

    Parameters
    ----------
    outputs : callable
        From rows to logits or probabilities, one column or one per class.
    classes : ndarray of shape (n_classes,)
    probability : bool or None
        None means logits, unless they look like probabilities, which is an error that asks.
    """

    def __init__(self, outputs: Callable[[Any], np.ndarray], classes: np.ndarray, probability: bool | None) -> None:
        self._outputs, self._classes, self._probability = outputs, classes, probability

    def __call__(self, X: Any, groups: Any) -> Predictions:
        raw = self._outputs(X).astype(np.float64, copy=False)
        if self._probability is None:
            if len(raw) > 1 and raw.min() >= 0 and raw.max() <= 1:
                raise InputError(
                    "The net's outputs all lie between 0 and 1, so they may be probabilities or raw scores. Pass "
                    "returns='probability' for a net that ends in a sigmoid, returns='logit' for raw scores."
                )
            self._probability = False  # decided by the first rows, for all that follow
        flat = raw.reshape(-1) if raw.size == len(raw) else raw
        n = len(self._classes)
        if flat.ndim == 1 and n != 2:
            raise InputError(f"A model with one output decides between two classes; the labels have {n}.")
        if flat.ndim > 1 and flat.shape[1:] != (n,):
            raise InputError(
                f"The model must return one number per row, or one per class ({n}); got shape {raw.shape}. The labels "
                "must hold every class that it decides between."
            )
        probability = flat if self._probability else _probabilities(flat)
        place = (flat > (0.5 if self._probability else 0.0)).astype(np.int64) if flat.ndim == 1 else flat.argmax(axis=1)
        return Predictions(self._classes[place], probability)


def _probabilities(raw: np.ndarray) -> np.ndarray:
    from scipy.special import expit, softmax

    return np.asarray(expit(raw) if raw.ndim == 1 else softmax(raw, axis=1))


def _net_outputs(net: Any) -> Callable[[Any], np.ndarray]:
    from mxfair._inference import PredictGraph
    from mxfair.explain._net import net_input, net_outputs

    graph = PredictGraph(net)
    return lambda X: np.concatenate([to_numpy(part) for part in net_outputs(net, net_input(net, X), graph)])


def _numbers(values: np.ndarray) -> np.ndarray:
    if values.size != len(values):
        raise InputError(f"The model must return one number per row; got shape {values.shape}.")
    return values.reshape(-1).astype(np.float64)


def _decided(values: np.ndarray, classes: np.ndarray) -> np.ndarray:
    values = values.reshape(-1) if values.size == len(values) else values
    known = values.ndim == 1 and (values.dtype.kind == "U") == (classes.dtype.kind == "U")
    if not known or not np.isin(values, classes).all():
        raise InputError(
            f"The function must return decisions in the values of the labels, {classes[:10].tolist()}; got "
            f"{values.ravel()[:3].tolist()}. Pass returns='probability' or 'logit' where it returns scores."
        )
    return values


def _of_estimator(model: Any, needs_scores: bool) -> Predictor:
    classes = getattr(model, "classes_", None)
    grouped = hasattr(model, "postprocessor_") or bool(getattr(model, "steps_", None))
    takes_groups = grouped and getattr(model, "sensitive", None) is None
    if classes is None and not hasattr(model, "predict_proba"):
        task, scored = "regression", False
    else:
        task, scored = "classification", hasattr(model, "predict_proba")
        classes = np.asarray(classes)
        classes = classes.astype(str) if classes.dtype.kind == "O" else classes

    def call(X: Any, groups: Any) -> Predictions:
        extra = {"groups": groups} if takes_groups and groups is not None else {}
        preds = to_numpy(model.predict(X, **extra))
        if task == "regression":
            return Predictions(_numbers(preds))
        preds = preds.astype(str) if preds.dtype.kind == "O" else preds
        if not needs_scores:
            return Predictions(preds)
        scores = to_numpy(model.predict_proba(X, **extra)).astype(np.float64)
        return Predictions(preds, scores[:, 1] if scores.shape[1] == 2 else scores)

    return Predictor(task, classes, call, takes_groups, scored)
