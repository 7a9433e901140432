"""What is explained, as one number per row: the one place that reads nets, estimators and functions for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mxfair._validation import InputError, InputTypeError, one_of, to_numpy

__all__ = ["Explained", "explained_model"]

SCALES = ("logit", "probability")
#: Rows that a function is called with at once; nets and estimators choose by the size of a row.
CHUNK_ROWS = 65_536


class Explained:
    """One number per row of a net, an estimator or a function.

    Parameters
    ----------
    predict : callable
        From rows to numbers, shape (n,).
    name : str
        What the number is, for titles: "logit", "probability of 1", "output".
    net : gluon.Block, optional
        The net whose gradient can be taken, where there is one; else explanations call `predict` only.
    read : callable, optional
        With a net: from the net's output (an NDArray, recorded) to the explained number, shape (n,), as NDArray.
    takes_frame : bool, default=False
        Whether rows may be a data frame as well as an array.
    features : sequence of str, optional
        Columns of the data frame that an estimator was fitted on.
    """

    def __init__(
        self,
        predict: Callable[[Any], np.ndarray],
        name: str,
        *,
        net: Any = None,
        read: Callable[[Any], Any] | None = None,
        takes_frame: bool = False,
        features: Any = None,
    ) -> None:
        self._predict, self.name, self.net, self.read, self.takes_frame = predict, name, net, read, takes_frame
        self.features = features

    @property
    def differentiable(self) -> bool:
        """Whether gradients by the data exist."""
        return self.net is not None

    def __call__(self, X: Any) -> np.ndarray:
        """Return the explained number of each row as float64, shape (n,)."""
        parts = [np.asarray(self._predict(part), dtype=np.float64) for part in pieces(X, CHUNK_ROWS)]
        values = np.concatenate(parts) if parts else np.empty(0)
        if values.shape != (len(X),):
            raise InputError(
                f"The model must return one number per row; got shape {values.shape} for {len(X)} rows. Choose one "
                "with output=."
            )
        if not np.isfinite(values).all():
            raise InputError(
                "The model must return finite numbers; got NaN or infinity. Look for missing and huge values in X."
            )
        return values


def pieces(X: Any, size: int) -> Iterator[Any]:
    """Yield rows of an array or a data frame in order."""
    at = X.iloc if hasattr(X, "iloc") else X
    for start in range(0, len(X), size):
        yield at[start : start + size]


def explained_model(model: Any, *, output: Any = None, scale: str | None = None) -> Explained:
    """Return what is to be explained of a model.

    Parameters
    ----------
    model : gluon.Block, scikit-learn estimator, or callable
        An `Explained` is returned as it is.
    output : optional
        Which of several outputs: a class of an estimator, else an index. Default: the only one; the positive (second)
        of two classes. Of more it must be said.
    scale : {"logit", "probability"}, optional
        What classifiers are explained by. Default: the logit of nets (of a net by itself the raw output; of two outputs
        the second minus the first; of a classifier's several classes log p / (1 - p)), the probability of other
        classifiers; where they have none, their decision function, or whether they decide for the class. Functions are
        explained as they are.

    Returns
    -------
    Explained
    """
    if isinstance(model, Explained):
        return model
    if scale is not None:
        one_of(scale, SCALES, "scale")
    if hasattr(model, "postprocessor_") and getattr(model, "sensitive", None) is None:
        raise InputError(
            "'model' must decide by the columns of 'X' alone; this one also needs groups. Explain model.scores, and "
            "where decisions are asked for give preds=model.predict(X, groups=groups)."
        )
    if hasattr(model, "collect_params") or hasattr(model, "net_"):
        from mxfair.explain._net import explained_net

        return explained_net(model, output=output, scale=scale)
    if hasattr(model, "predict_proba") or hasattr(model, "classes_"):
        return _classifier(model, output, scale)
    if hasattr(model, "predict"):
        _no_scale(scale, "a regression")
        return Explained(lambda X: _column(model.predict(X), output), "prediction", takes_frame=True)
    if callable(model):
        _no_scale(scale, "a function")
        return Explained(lambda X: _column(model(X), output), "output", takes_frame=True)
    raise InputTypeError(
        f"'model' must be a gluon.Block, an estimator or a function of rows; got {type(model).__name__}. "
        "Pass the net itself or a function."
    )


def _no_scale(scale: str | None, what: str) -> None:
    if scale is not None:
        raise InputError(f"'scale' must be left out for {what}; got {scale!r}. Its outputs are explained as they are.")


def _column(values: Any, output: Any) -> np.ndarray:
    """Return one column of outputs; nothing is chosen silently among several."""
    values = to_numpy(values)
    if values.size == len(values):
        no_output(output)
        return values.reshape(-1)
    if values.ndim != 2:
        raise InputError(f"The model must return one number per row or per class; got shape {values.shape}.")
    if output is None:
        raise InputError(f"'output' must say which of the model's {values.shape[1]} outputs is explained; got none.")
    return values[:, output_index(output, values.shape[1])]


def no_output(output: Any) -> None:
    """Refuse the choice of an output where there is one."""
    if output is not None:
        raise InputError(f"'output' must be left out for a model with one number per row; got {output!r}.")


def output_index(output: Any, width: int) -> int:
    """Return a checked index among `width` outputs."""
    if isinstance(output, bool) or not isinstance(output, (int, np.integer)) or not 0 <= output < width:
        raise InputError(f"'output' must be an index from 0 to {width - 1}; got {output!r}.")
    return int(output)


def class_place(classes: Any, output: Any) -> int:
    """Return the place of a class among an estimator's; the second of two by default."""
    known = list(np.asarray(classes).tolist())
    if output is None:
        if len(known) == 2:
            return 1
        raise InputError(f"'output' must say which class is explained; got none. The classes are {known[:10]}.")
    if output not in known:
        raise InputError(f"'output' must be one of the classes {known[:10]}; got {output!r}.")
    return known.index(output)


def log_odds(probability: np.ndarray) -> np.ndarray:
    """Return log(p / (1 - p)); an error where it is infinite."""
    if ((probability <= 0) | (probability >= 1)).any():
        raise InputError(
            "The model's probabilities must lie between 0 and 1 for scale='logit'; some are 0 or 1 exactly, and their "
            "logit is infinite. Use scale='probability'."
        )
    return np.log(probability) - np.log1p(-probability)


def _classifier(model: Any, output: Any, scale: str | None) -> Explained:
    if not hasattr(model, "classes_"):
        raise InputError("'model' must be fitted; this classifier has no classes_. Call fit first.")
    place = class_place(model.classes_, output)
    label = np.asarray(model.classes_).tolist()[place]
    if not hasattr(model, "predict_proba"):
        return _decider(model, place, label, scale)

    def predict(X: Any) -> np.ndarray:
        probability = np.asarray(model.predict_proba(X))[:, place]
        return log_odds(probability) if scale == "logit" else probability

    return Explained(predict, f"{scale or 'probability'} of {label}", takes_frame=True)


def _decider(model: Any, place: int, label: Any, scale: str | None) -> Explained:
    """Return a classifier without probabilities: its decision function, else whether it decides for the class."""
    _no_scale(scale, "a classifier without predict_proba")
    if not hasattr(model, "decision_function"):
        return Explained(lambda X: to_numpy(model.predict(X)) == label, f"decision for {label}", takes_frame=True)
    return Explained(decision_of(model, place), f"decision function of {label}", takes_frame=True)


def decision_of(model: Any, place: int) -> Callable[[Any], np.ndarray]:
    """Return the decision function of one class, larger where the model is for it."""

    def decision(X: Any) -> np.ndarray:
        values = np.asarray(model.decision_function(X))
        if values.ndim == 2:
            return values[:, place]
        return values if place == 1 else -values

    return decision
