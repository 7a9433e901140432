"""`diagnose`: all signs for which the inputs are there."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import generator
from mxfair.diagnosis._signs import groups_of
from mxfair.diagnosis.anchoring import anchoring_signs
from mxfair.diagnosis.availability import availability_signs
from mxfair.diagnosis.confirmation import confirmation_signs
from mxfair.diagnosis.finding import Diagnosis
from mxfair.diagnosis.selection import selection_signs

__all__ = ["diagnose"]


def diagnose(
    X: Any = None,
    labels: Any = None,
    groups: Any = None,
    *,
    reference: Any = None,
    reference_X: Any = None,
    reference_groups: Any = None,
    selected: Any = None,
    prior: Any = None,
    annotators: Any = None,
    annotations: Any = None,
    preds: Any = None,
    predictions: Any = None,
    starts: Any = None,
    spread: Any = None,
    order: Any = None,
    session: Any = None,
    shown: Any = None,
    time: Any = None,
    source: Any = None,
    learner: Any = None,
    level: float = 0.95,
    seed: int | np.random.Generator | None = 0,
) -> Diagnosis:
    """Measure the signs of selection, confirmation, anchoring and availability for which the inputs are there.

    What was not checked is listed with the input it needs. P-values are corrected for all tests together. Rows without
    a label count as such for the selection, and are left out where labels are looked at.

    Parameters
    ----------
    X : data frame or array of shape (n_samples, n_features), optional
        Columns, without the group itself.
    labels : array of shape (n_samples,), optional
        Two classes, or numbers; missing ones are a sign of their own.
    groups : array of shape (n_samples,), columns or Groups
        The sensitive attribute.
    reference, reference_X, reference_groups, selected
        See `selection_signs`.
    prior, annotators, annotations, preds
        See `confirmation_signs`.
    predictions, starts, spread, order, session, shown
        See `anchoring_signs`.
    time, source
        See `availability_signs`.
    learner, level, seed
        See `selection_signs`.

    Returns
    -------
    Diagnosis

    Raises
    ------
    InputError
        If there are no groups, or lengths do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> groups, X = rng.choice(["a", "b"], 600), rng.normal(size=(600, 2))
    >>> labels = (X[:, 0] > 0).astype(float)
    >>> labels[(groups == "b") & (rng.random(600) < 0.3)] = np.nan
    >>> diagnosis = diagnose(X, labels, groups)
    >>> [finding.sign for finding in diagnosis.found]
    ['missing labels at equal columns', 'missing labels']
    >>> diagnosis.not_checked["availability: recency"]
    'time'
    """
    from mxfair._validation import missing, same_length, to_numpy, vector

    encoded, rng = groups_of(groups), generator(seed)
    shared: dict[str, Any] = {"level": level, "seed": rng}
    by_row = {
        "X": X, "labels": labels, "prior": prior, "annotators": annotators, "annotations": annotations,
        "preds": preds, "order": order, "session": session, "shown": shown,
    }  # fmt: skip
    same_length(groups=encoded, time=time, source=source, selected=selected, **by_row)
    absent = np.zeros(len(encoded), dtype=bool) if labels is None else missing(vector(labels, "labels"))
    kept = np.flatnonzero(~absent)
    part = {name: _rows(value, kept if absent.any() else None) for name, value in by_row.items()}
    labelled = encoded.take(kept) if absent.any() else encoded
    if absent.any():
        part["predictions"] = None if predictions is None else to_numpy(predictions)[:, kept]
    else:
        part["predictions"] = predictions
    confirmation = ("labels", "X", "prior", "annotators", "annotations", "preds")
    anchoring = ("predictions", "labels", "order", "session", "shown", "X")
    return (
        selection_signs(
            X,
            encoded,
            reference=reference,
            reference_X=reference_X,
            reference_groups=reference_groups,
            selected=selected,
            labels=labels,
            learner=learner,
            **shared,
        )
        + confirmation_signs(groups=labelled, learner=learner, **{k: part[k] for k in confirmation}, **shared)
        + anchoring_signs(
            labelled, starts=starts, spread=spread, learner=learner, **{k: part[k] for k in anchoring}, **shared
        )
        + availability_signs(X, encoded, time=time, source=source, **shared)
    )


def _rows(values: Any, kept: np.ndarray | None) -> Any:
    if values is None or kept is None:
        return values
    if hasattr(values, "iloc"):
        return values.iloc[kept]
    from mxfair._validation import to_numpy

    return to_numpy(values)[kept]
