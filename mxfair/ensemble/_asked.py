"""What each member of a fitted estimator predicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from mxfair._validation import InputError, InputTypeError
from mxfair.ensemble._members import Combination
from mxfair.ensemble.block import Ensemble
from mxfair.estimator import GluonEstimator

__all__ = ["member_predictions"]


def member_predictions(model: Any, X: Any, groups: Any) -> tuple[list[np.ndarray], np.ndarray | None, Any]:
    """Return the members' predictions, those of the ensemble, and the label that counts as positive."""
    if isinstance(model, Sequence) and not isinstance(model, str):
        for one in model:
            if not callable(getattr(one, "predict", None)):
                raise InputTypeError(f"'model' must hold fitted estimators; got {type(one).__name__}.")
        kinds = [np.asarray(getattr(one, "classes_", ())).tolist() for one in model]
        if any(kind != kinds[0] for kind in kinds[1:]):
            raise InputError("'model' must hold estimators of the same classes; got others. Fit them to equal labels.")
        return [_predicted(one, X, groups) for one in model], None, None
    if not isinstance(model, GluonEstimator):
        raise InputTypeError(
            f"'model' must be an ensemble of mxfair.ensemble, or a list of fitted estimators; got "
            f"{type(model).__name__}. Put several trainings into a list."
        )
    check_is_fitted(model, "net_")
    net = model.net_
    if not isinstance(net, Combination) or getattr(net, "combine", "") == "sum":
        raise InputError(
            f"'model' must have members that can be asked one by one; got a {type(model).__name__} whose net is a "
            f"{type(net).__name__}. A sum has no such members, and a file stores one graph: pickle the ensemble."
        )
    scores = net.member_scores(model._features(X, groups))  # (K, n, outputs)
    preds = [_decided(model, one, isinstance(net, Ensemble) and net.probability) for one in scores]
    return preds, _predicted(model, X, groups), getattr(model, "positive", None)


def _predicted(model: Any, X: Any, groups: Any) -> np.ndarray:
    steps = isinstance(model, GluonEstimator) and getattr(model, "steps_", None)
    return np.asarray(model.predict(X, groups) if steps else model.predict(X))


def _decided(model: Any, scores: np.ndarray, probability: bool) -> np.ndarray:
    """Return what one member predicts, from its outputs of shape (n_samples, n_outputs)."""
    flat = scores.reshape(len(scores), -1)
    if not hasattr(model, "classes_"):
        if flat.shape[1] > 1:
            raise InputError(f"'model' must predict one number per sample; got {flat.shape[1]} columns.")
        return flat[:, 0].astype(float)
    single = flat.shape[1] == 1
    places = (flat[:, 0] > (0.5 if probability else 0.0)).astype(int) if single else flat.argmax(axis=1)
    return np.asarray(model.classes_[places])
