"""`evaluate`: a net on a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import InputError

if TYPE_CHECKING:
    from mxfair.report._report import FairnessReport

__all__ = ["evaluate"]


def evaluate(
    net: Any,
    dataset: Any,
    *,
    labels: Any | None = None,
    groups: Any | None = None,
    name: str = "model",
    positive: Any | None = None,
    classes: Any | None = None,
    criteria: Any | None = None,
    probability: bool | None = None,
    chunk: int | None = None,
    task: str | None = None,
) -> FairnessReport:
    """Report the rates, or the predictions and errors, by group of a net on a dataset.

    Parameters
    ----------
    net : gluon.Block
        The net; it is left in the mode it was in.
    dataset : gluon.data.Dataset or array
        Samples (data, label, group), or (data, label) with `groups` given beside it.
    labels, groups : array-like, optional
        Label and group of each sample, where the dataset does not hold them.
    name, positive, classes, criteria
        As for `evaluate_predictions`.
    probability : bool, optional
        Whether the net returns probabilities rather than raw scores. Default: raw scores, and an error where one output
        per sample lies between 0 and 1 throughout, so that either could be meant.
    chunk : int, optional
        Samples per pass. Default: 16,384, fewer for large samples.
    task : {"classification", "regression"}, optional
        Default: regression where the labels hold more than 20 different decimal numbers. A net of a regression has one
        output, in the unit of the labels.

    Returns
    -------
    FairnessReport
    """
    from mxfair._inference import outputs, read_outputs
    from mxfair.metric._inputs import task_of
    from mxfair.report._evaluation import evaluate_predictions

    raw, labels, groups = outputs(net, dataset, labels=labels, groups=groups, chunk=chunk)
    if task_of(labels, task, classes) == "regression":
        if raw.size != len(raw):
            raise InputError(f"'net' must return one value per sample for a regression; got shape {raw.shape}.")
        values = raw.reshape(-1)
        return evaluate_predictions(
            labels, values, groups, name=name, positive=positive, classes=classes, criteria=criteria, task="regression"
        )
    scored = read_outputs(raw, labels, groups, classes=classes, probability=probability)
    scores = scored.scores
    if scores.ndim == 1:  # probability of the last class; `positive` may be the first one
        scores = np.column_stack([1.0 - scores, scores])
    elif classes is None:  # the samples may lack a class that the net has an output for
        classes = np.arange(scores.shape[1])
    return evaluate_predictions(
        scored.labels,
        scored.preds,
        scored.groups,
        scores=scores,
        name=name,
        positive=positive,
        classes=classes,
        criteria=criteria,
        task="classification",
    )
