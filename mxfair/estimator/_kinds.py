"""Labels in and labels out, numbers in and numbers out: what the estimators of a kind share, ensembles too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit, log_expit, log_softmax, logit
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from mxfair._inference import is_probability, scores
from mxfair._validation import InputError, labels_vector
from mxfair.estimator._base import names_of, on_host
from mxfair.estimator._job import TrainingData

__all__ = ["Classifying", "Regressing"]


class Classifying(ClassifierMixin):  # type: ignore[misc]  # scikit-learn is untyped
    """Labels in, labels and probabilities out: what classifiers and ensembles of them share."""

    #: With metadata routing, groups that are passed are for `fit`; `set_score_request(groups=True)` for steps too.
    __metadata_request__score: ClassVar[dict[str, Any]] = {"groups": False}
    classes_: np.ndarray
    positive: Any
    loss_: Any
    _outputs: Callable[..., np.ndarray]

    def _target(self, y: Any, *, reset: bool) -> tuple[np.ndarray, int]:
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        given, y = y.dtype, labels_vector(y, "y")
        found, places = np.unique(y, return_inverse=True)
        if reset:
            self.classes_ = found.astype(given) if given.kind == "O" else found
            if len(found) < 2:
                raise InputError(f"'y' must hold two classes or more; got one class: {found[0]}.")
        else:
            codes = {label: code for code, label in enumerate(self.classes_.tolist())}
            new = [label for label in found.tolist() if label not in codes]
            if new:
                raise InputError(f"'y' must hold the fitted classes {names_of(self.classes_)}; got {names_of(new)}.")
            places = np.array([codes[label] for label in found.tolist()])[places]
        self._positive_code()
        return places.astype(np.float32), len(self.classes_)

    def _positive_code(self) -> int | None:
        positive = getattr(self, "positive", None)
        return None if positive is None else self._code_of(positive)

    def _code_of(self, label: Any) -> int | None:
        codes = [code for code, known in enumerate(self.classes_.tolist()) if known == label]
        if not codes:
            raise InputError(f"'positive' must be one of the classes {names_of(self.classes_)}; got {label!r}.")
        return codes[0]

    def _declare(self, classes: Any, *, first: bool) -> bool:
        """Take over the classes that `partial_fit` was given; tell whether they are known now."""
        if classes is None:
            return not first
        declared = np.unique(labels_vector(classes, "classes"))
        if len(declared) < 2:
            raise InputError(f"'classes' must hold two classes or more; got {names_of(declared)}.")
        if first:
            self.classes_ = declared
        elif declared.tolist() != self.classes_.tolist():
            raise InputError(
                f"'classes' must be those of the first call, {names_of(self.classes_)}; got {names_of(declared)}."
            )
        return True

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
        if is_probability(self.loss_):
            output = np.log(np.maximum(output, np.finfo(np.float32).tiny))
        return output[:, 1] - output[:, 0]

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
        probability = is_probability(self.loss_)
        values = scores(output, probability=probability)
        if values.ndim == 2:
            return values
        others = 1 - values if probability else expit(-output.astype(np.float64).reshape(-1))  # exact near 0
        return np.column_stack([others, values])

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
        output = self._outputs(X, groups)
        if is_probability(self.loss_):
            with np.errstate(divide="ignore"):
                return np.log(self._probabilities_of(output))
        output = output.astype(np.float64)
        if output.size == len(output):
            flat = output.reshape(-1)
            return np.column_stack([log_expit(-flat), log_expit(flat)])
        return log_softmax(output, axis=1)

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

    def score(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> float:
        """Return the accuracy.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
        y : array of shape (n_samples,)
            The true labels.
        sample_weight : array of float, shape (n_samples,), optional
        groups : array of shape (n_samples,), column, columns or Groups, optional
            As for `decision_function`.

        Returns
        -------
        float
        """
        return float(accuracy_score(on_host(y), self.predict(X, groups), sample_weight=sample_weight))

    def _labels_of(self, decision: np.ndarray) -> np.ndarray:
        return self.classes_[(decision > 0).astype(int) if decision.ndim == 1 else decision.argmax(axis=1)]


def _log_odds(probability: np.ndarray) -> np.ndarray:
    """Return finite log-odds: a probability of float32 that is 0 or 1 is one rounded to it."""
    near = np.finfo(np.float32)
    return logit(np.clip(probability, near.tiny, 1 - near.epsneg / 2))


class Regressing(RegressorMixin):  # type: ignore[misc]  # scikit-learn is untyped
    """Numbers in, numbers out: what regressors and ensembles of them share."""

    __metadata_request__score: ClassVar[dict[str, Any]] = {"groups": False}
    _outputs: Any

    def _target(self, y: Any, *, reset: bool) -> tuple[np.ndarray, int]:
        values = np.asarray(y)
        if values.dtype.kind not in "biuf":
            try:
                values = values.astype(np.float64)
            except (TypeError, ValueError) as error:
                raise InputError(f"'y' must be numbers; got something else ({error}). Convert them first.") from error
        if values.ndim != 2 or values.shape[1] == 1:
            values = column_or_1d(y, warn=True).astype(np.float64)
        with np.errstate(over="ignore"):
            single = values.astype(np.float32)
        if not np.isfinite(single).all():
            raise InputError(
                "'y' must be finite in float32; got NaN, infinity or a larger number. Remove or scale them."
            )
        if reset:
            self._columns = values.shape[1] if values.ndim == 2 else 0
        elif (values.shape[1] if values.ndim == 2 else 0) != self._columns:
            raise InputError("'y' must have as many columns as when the estimator was fitted.")
        return single, 0

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

    def score(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> float:
        """Return the coefficient of determination, R squared.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
        y : array of shape (n_samples,) or (n_samples, n_columns)
            The true values.
        sample_weight : array of float, shape (n_samples,), optional
        groups : array of shape (n_samples,), column, columns or Groups, optional
            As for `predict`.

        Returns
        -------
        float
        """
        return float(r2_score(on_host(y), self.predict(X, groups), sample_weight=sample_weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _more_tags(self) -> dict[str, Any]:
        return {"multioutput": True}  # scikit-learn below 1.6

    def _values_of(self, output: np.ndarray) -> np.ndarray:
        output = output.astype(np.float64)
        return output.reshape(len(output), -1) if self._columns else output.reshape(-1)
