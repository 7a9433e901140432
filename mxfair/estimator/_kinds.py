"""Labels in and labels out, numbers in and numbers out: what the estimators of a kind share, ensembles too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from mxfair._inference import is_probability, scores
from mxfair._validation import InputError, labels_vector
from mxfair.estimator._base import names_of
from mxfair.estimator._job import TrainingData

__all__ = ["Classifying", "Regressing"]


class Classifying(ClassifierMixin):  # type: ignore[misc]  # scikit-learn is untyped
    """Labels in, labels and probabilities out: what classifiers and ensembles of them share."""

    classes_: np.ndarray
    positive: Any
    loss_: Any
    _outputs: Callable[..., np.ndarray]

    def _target(self, y: Any, *, reset: bool) -> tuple[np.ndarray, int]:
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        y = labels_vector(y, "y")
        if reset:
            self.classes_ = np.unique(y)
            if len(self.classes_) < 2:
                raise InputError(f"'y' must hold two classes or more; got one class: {self.classes_[0]}.")
        places = np.searchsorted(self.classes_, y)
        wrong = self.classes_[np.minimum(places, len(self.classes_) - 1)] != y
        if np.any(wrong):
            raise InputError(
                f"'y' must hold the fitted classes {names_of(self.classes_)}; got {names_of(np.unique(y[wrong]))}."
            )
        self._positive_code()
        return places.astype(np.float32), len(self.classes_)

    def _positive_code(self) -> int | None:
        positive = getattr(self, "positive", None)
        if positive is None:
            return None
        found = np.flatnonzero(self.classes_ == positive)
        if len(found) != 1:
            raise InputError(f"'positive' must be one of the classes {names_of(self.classes_)}; got {positive!r}.")
        return int(found[0])

    def _declare(self, classes: Any) -> None:
        if classes is not None:
            self.classes_ = np.unique(labels_vector(classes, "classes"))
            if len(self.classes_) < 2:
                raise InputError(f"'classes' must hold two classes or more; got {names_of(self.classes_)}.")
            self._declared = True

    def _n_outputs(self, data: TrainingData) -> int:
        return 1 if data.n_classes == 2 else data.n_classes

    def _check_width(self, width: int, data: TrainingData) -> None:
        if width not in {self._n_outputs(data), data.n_classes}:
            raise InputError(
                f"'net' must have one output per class ({data.n_classes}){', or one' if data.n_classes == 2 else ''}; "
                f"got {width}. Change its last layer."
            )

    def decision_function(self, X: Any, groups: Any = None) -> np.ndarray:
        """Return the net's scores: above 0 means the second of two classes; the largest wins among more.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
        groups : array of shape (n_samples,), column, columns or Groups, optional
            For preprocessing steps that need the group of a sample; nothing else uses it.

        Returns
        -------
        ndarray of float, shape (n_samples,) for two classes, else (n_samples, n_classes)
        """
        return self._decision_of(self._outputs(X, groups))

    def _decision_of(self, output: np.ndarray) -> np.ndarray:
        output = output.astype(np.float64)
        if output.size == len(output):
            flat = output.reshape(-1)
            return _log_odds(flat) if is_probability(self.loss_) else flat
        if len(self.classes_) > 2:
            return output
        return np.diff(np.log(output) if is_probability(self.loss_) else output, axis=1)[:, 0]

    def predict_proba(self, X: Any, groups: Any = None) -> np.ndarray:
        """Return the probability of each class.

        Parameters
        ----------
        X, groups
            As for `decision_function`.

        Returns
        -------
        ndarray of float, shape (n_samples, n_classes)
        """
        return self._probabilities_of(self._outputs(X, groups))

    def _probabilities_of(self, output: np.ndarray) -> np.ndarray:
        values = scores(output, probability=is_probability(self.loss_))
        return np.column_stack([1 - values, values]) if values.ndim == 1 else values

    def predict_log_proba(self, X: Any, groups: Any = None) -> np.ndarray:
        """Return the logarithm of the probability of each class.

        Parameters
        ----------
        X, groups
            As for `decision_function`.

        Returns
        -------
        ndarray of float, shape (n_samples, n_classes)
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X, groups))

    def predict(self, X: Any, groups: Any = None) -> np.ndarray:
        """Return the class of each sample.

        Parameters
        ----------
        X, groups
            As for `decision_function`.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return self._labels_of(self.decision_function(X, groups))

    def _labels_of(self, decision: np.ndarray) -> np.ndarray:
        return self.classes_[(decision > 0).astype(int) if decision.ndim == 1 else decision.argmax(axis=1)]


def _log_odds(probability: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(probability) - np.log1p(-probability)


class Regressing(RegressorMixin):  # type: ignore[misc]  # scikit-learn is untyped
    """Numbers in, numbers out: what regressors and ensembles of them share."""

    _outputs: Any
    _flat: bool

    def _target(self, y: Any, *, reset: bool) -> tuple[np.ndarray, int]:
        values = np.asarray(y)
        if values.dtype.kind not in "biuf":
            try:
                values = values.astype(np.float64)
            except (TypeError, ValueError) as error:
                raise InputError(f"'y' must be numbers; got something else ({error}). Convert them first.") from error
        if values.ndim != 2 or values.shape[1] == 1:
            values = column_or_1d(y, warn=True).astype(np.float64)
        if not np.isfinite(values).all():
            raise InputError("'y' must be finite; got NaN or infinity. Remove these samples.")
        if reset:
            self._columns = values.shape[1] if values.ndim == 2 else 0
        elif (values.shape[1] if values.ndim == 2 else 0) != self._columns:
            raise InputError("'y' must have as many columns as when the estimator was fitted.")
        return values.astype(np.float32), 0

    def _n_outputs(self, data: TrainingData) -> int:
        return data.target.shape[1] if data.target.ndim == 2 else 1

    def _check_width(self, width: int, data: TrainingData) -> None:
        if width != self._n_outputs(data):
            raise InputError(
                f"'net' must have one output per column of y ({self._n_outputs(data)}); got {width}. Change its last "
                "layer."
            )

    def predict(self, X: Any, groups: Any = None) -> np.ndarray:
        """Return the prediction for each sample.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
        groups : array of shape (n_samples,), column, columns or Groups, optional
            For preprocessing steps that need the group of a sample; nothing else uses it.

        Returns
        -------
        ndarray of float, shape (n_samples,) or (n_samples, n_columns)
        """
        return self._values_of(self._outputs(X, groups))

    def _values_of(self, output: np.ndarray) -> np.ndarray:
        output = output.astype(np.float64)
        return output.reshape(len(output), -1) if self._columns else output.reshape(-1)
