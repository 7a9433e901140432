"""`evaluate`: a net on a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

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
) -> FairnessReport:
    """Report the rates by group of a net on a dataset.

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

    Returns
    -------
    FairnessReport
    """
    from mxfair._inference import score
    from mxfair.report._evaluation import evaluate_predictions

    scored = score(net, dataset, labels=labels, groups=groups, classes=classes, probability=probability, chunk=chunk)
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
    )
