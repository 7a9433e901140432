"""Mitigations that change the training rows: their labels, their number or their weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import clone

from mxfair._validation import InputError
from mxfair.estimator._job import TrainingData
from mxfair.estimator._plan import Plan

__all__ = ["mitigated"]


def mitigated(estimator: Any, data: TrainingData, plan: Plan, rng: np.random.Generator) -> TrainingData:
    """Apply the mitigations that change labels, rows or weights."""
    from mxfair.preprocessing import massage

    flat = data.X.reshape(len(data), -1)
    of_classes = [part for part in (plan.massaging, plan.oversampler, plan.reweighing) if part is not None]
    if of_classes and not data.n_classes:
        raise InputError(
            f"'mitigation' must be one for numbers as targets; got {of_classes[0]!r}, which changes the shares of "
            "classes. Use FairBatch(), which takes label_bins."
        )
    if plan.massaging is not None:
        positive = estimator._positive_code()
        done = massage(data.target, data.groups, features=flat, ranker=plan.massaging.ranker, positive=positive)
        data = replace(data, target=done.labels.astype(np.float32))
    if plan.oversampler is not None:
        if data.weight is not None:
            raise InputError("'sample_weight' must not be given with CellSMOTE: new rows have none. Use reweighing.")
        step = clone(plan.oversampler)
        if step.seed is None:
            step.set_params(seed=rng)
        X, target, groups = step.fit_resample(flat, data.target, data.groups)
        X = np.ascontiguousarray(X, dtype=np.float32).reshape(-1, *data.X.shape[1:])
        data = replace(data, X=X, target=np.asarray(target, dtype=np.float32), groups=groups)
    if plan.reweighing is not None:
        estimator.reweighing_ = clone(plan.reweighing).fit(data.target, data.groups, sample_weight=data.weight)
        own = estimator.reweighing_.weights(data.target, data.groups)
        data = replace(data, weight=own if data.weight is None else own * data.weight)
    return data
