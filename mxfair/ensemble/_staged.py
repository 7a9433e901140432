"""What boosting says after each of its rounds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from mxfair._inference import decision_places
from mxfair._validation import InputError
from mxfair.ensemble._combine import SHARE
from mxfair.ensemble._estimator import EnsembleClassifying, EnsembleEstimator, EnsembleRegressing
from mxfair.ensemble.block import Ensemble

__all__ = ["StagedClassifying", "StagedRegressing", "decided", "votes_as_scores"]


def decided(output: np.ndarray, n_classes: int, *, probability: bool = False) -> np.ndarray:
    """Return the place of the class that each of a member's outputs stands for, shape (n_samples,)."""
    return decision_places(output, np.arange(n_classes), probability=probability)[0]


def votes_as_scores(votes: np.ndarray, n_outputs: int) -> np.ndarray:
    """Return weights of votes, shape (n_samples, n_classes), as the scores that `Ensemble` returns."""
    logs = np.log(np.maximum(votes / votes.sum(axis=1, keepdims=True), SHARE))
    return logs if n_outputs > 1 else logs[:, 1:] - logs[:, :1]


class _Staged(EnsembleEstimator):
    """Outputs of the first members, one member more at a time."""

    def _stages(self, X: Any, groups: Any) -> Iterator[np.ndarray]:
        check_is_fitted(self, "net_")
        if not isinstance(self.net_, Ensemble):
            raise InputError(
                "The members must be known for what they say one after another; got an estimator read from a file, "
                "which holds one graph. Fit it again, or keep it with joblib."
            )
        net = self.net_
        scores, weights = net.member_scores(self._features(X, groups)), net.weights
        if net.combine == "sum":
            total = np.zeros(scores.shape[1:]) + net.bias.data().asnumpy()
            for member, weight in zip(scores, weights):
                total += weight * member
                yield total.copy()
            return
        n_outputs = scores.shape[2]
        n_classes = max(2, n_outputs)
        votes = np.zeros((scores.shape[1], n_classes))
        for member, weight in zip(scores, weights):
            places = decided(member, n_classes, probability=net.probability)
            votes[np.arange(len(votes)), places] += weight
            yield votes_as_scores(votes, n_outputs)


class StagedClassifying(_Staged, EnsembleClassifying):
    """Base of boosted classifiers."""

    def staged_decision_function(self, X: Any, groups: Any = None) -> Iterator[np.ndarray]:
        """Yield the scores of the first member, of the first two, and so on.

        Parameters
        ----------
        X, groups
            As for `decision_function`.

        Yields
        ------
        ndarray of float, shape (n_samples,) for two classes, else (n_samples, n_classes)

        Raises
        ------
        InputError
            If the estimator was read from a file: that holds the whole as one graph.
        """
        for output in self._stages(X, groups):
            yield self._decision_of(output)

    def staged_predict_proba(self, X: Any, groups: Any = None) -> Iterator[np.ndarray]:
        """Yield the probabilities of the first member, of the first two, and so on.

        Parameters
        ----------
        X, groups
            As for `decision_function`.

        Yields
        ------
        ndarray of float, shape (n_samples, n_classes)

        Raises
        ------
        InputError
            As for `staged_decision_function`.
        """
        for output in self._stages(X, groups):
            yield self._probabilities_of(output)

    def staged_predict(self, X: Any, groups: Any = None) -> Iterator[np.ndarray]:
        """Yield the classes that the first member decides for, the first two, and so on.

        Parameters
        ----------
        X, groups
            As for `decision_function`.

        Yields
        ------
        ndarray of shape (n_samples,)

        Raises
        ------
        InputError
            As for `staged_decision_function`.
        """
        for output in self._stages(X, groups):
            yield self._labels_of(self._decision_of(output))


class StagedRegressing(_Staged, EnsembleRegressing):
    """Base of boosted regressors."""

    def staged_predict(self, X: Any, groups: Any = None) -> Iterator[np.ndarray]:
        """Yield the predictions of the first member, of the first two, and so on.

        Parameters
        ----------
        X, groups
            As for `predict`.

        Yields
        ------
        ndarray of float, shape (n_samples,) or (n_samples, n_columns)

        Raises
        ------
        InputError
            If the estimator was read from a file: that holds the whole as one graph.
        """
        for output in self._stages(X, groups):
            yield self._values_of(output)
