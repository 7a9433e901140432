"""`evaluate`: arrays, data frames, nets, estimators or a file of predictions."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import InputError, InputTypeError, one_of, same_length, to_numpy

if TYPE_CHECKING:
    from mxfair.report._report import FairnessReport

__all__ = ["evaluate"]


def evaluate(
    model: Any,
    dataset: Any = None,
    labels: Any | None = None,
    *,
    groups: Any | None = None,
    label: str | None = None,
    prediction: str | None = None,
    group: Any | None = None,
    score: str | None = None,
    scores: Any | None = None,
    control: Any | None = None,
    name: str | None = None,
    positive: Any | None = None,
    classes: Any | None = None,
    criteria: Any | None = None,
    probability: bool | None = None,
    chunk: int | None = None,
    task: str | None = None,
    **settings: Any,
) -> FairnessReport:
    """Report the rates, or the predictions and errors, by group: of a net, an estimator, arrays, a frame or a file.

    What is evaluated is told by the first arguments:

    - ``evaluate(net, dataset)``: a Gluon net on a dataset of (data, label, group), or with `groups` beside it;
    - ``evaluate(estimator, X, y, groups=...)``: anything with a ``predict`` as in scikit-learn;
    - ``evaluate(frame, label="hired", prediction="model_a", group="sex")``: columns of a data frame;
    - ``evaluate("predictions.csv", label=..., prediction=..., group=...)``: those of a .csv or .parquet file;
    - ``evaluate(y_true, y_pred, groups=...)``: arrays, as for `evaluate_predictions`.

    Parameters
    ----------
    model : gluon.Block, estimator, data frame, path or array
        See above. A net is left in the mode it was in.
    dataset : gluon.data.Dataset or array, optional
        Samples (data, label, group) of a net; rows of an estimator; predictions, where `model` holds labels.
    labels : array-like, optional
        Label of each sample of a net or an estimator, where the dataset does not hold them.
    groups : array-like or Groups, optional
        Group of each sample, where a dataset, a frame or a file does not hold them.
    label, prediction, score : str, optional
        Columns of a frame or a file.
    group : str or sequence of str, optional
        Columns of the sensitive attributes; several are crossed.
    scores : array-like, optional
        As for `evaluate_predictions`, with arrays. Estimators give theirs by ``predict_proba``.
    control : str or array-like, optional
        A legitimate attribute to condition on: a column, or a value for each sample.
    name : str, optional
        Name of the model. Default: "model"; the name of the column of predictions.
    positive, classes, criteria
        As for `evaluate_predictions`.
    probability : bool, optional
        Whether the net returns probabilities rather than raw scores. Default: raw scores, and an error where one output
        per sample lies between 0 and 1 throughout, so that either could be meant.
    chunk : int, optional
        Samples per pass of a net. Default: 16,384, fewer for large samples.
    task : {"classification", "regression"}, optional
        Default: regression where the labels hold more than 20 different decimal numbers. A net of a regression has one
        output, in the unit of the labels.
    **settings
        Passed on to `FairnessReport`: `reference`, `compat`, `min_support`, `explanations`, `title`, `context` and
        others.

    Returns
    -------
    FairnessReport

    Raises
    ------
    InputError
        If a column or a file is not there, lengths differ, or labels and groups are missing.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"hired": [1, 1, 0, 0], "model": [1, 0, 0, 1], "sex": ["f", "m", "f", "m"]})
    >>> report = evaluate(frame, label="hired", prediction="model", group="sex")
    >>> report.gaps.loc["accuracy_parity", "model"]
    1.0
    """
    from mxfair.report._evaluation import evaluate_predictions

    options: dict[str, Any] = {"positive": positive, "classes": classes, "criteria": criteria, "task": task, **settings}
    columns: dict[str, Any] = {"label": label, "prediction": prediction, "group": group, "score": score}
    if isinstance(model, (str, os.PathLike)) or (hasattr(model, "columns") and not callable(model)):
        frame = _frame(model)
        found = _from_columns(frame, columns, dataset=dataset, labels=labels, groups=groups, scores=scores)
        control = frame[_column(frame, control, "control")] if isinstance(control, str) else control
        return evaluate_predictions(**found, control=control, name=name or str(prediction), **options)
    named = [key for key, value in columns.items() if value is not None]
    if named:
        raise InputError(f"'{named[0]}' must name a column of a data frame or a file; got {type(model).__name__}.")
    if not callable(model) and not hasattr(model, "predict"):
        if dataset is None or groups is None or labels is not None:
            raise InputTypeError(
                "'model' must be a net, an estimator, a data frame, a path, or labels followed by predictions and "
                f"groups=; got {type(model).__name__}. Call evaluate(labels, predictions, groups=groups)."
            )
        return evaluate_predictions(
            model, dataset, groups, scores=scores, control=control, name=name or "model", **options
        )
    if scores is not None:
        raise InputError("'scores' must be left out where a model gives its own; got some. Leave them out.")
    options.update(control=control, name=name or "model")
    if hasattr(model, "predict"):
        return _of_estimator(model, dataset, labels, groups, options)
    return _of_net(model, dataset, labels, groups, probability=probability, chunk=chunk, options=options)


def _frame(model: Any) -> Any:
    """Return a data frame, or that of a file."""
    if hasattr(model, "columns"):
        return model
    import pandas as pd

    path = os.fspath(model)
    if not os.path.isfile(path):
        raise InputError(f"'{path}' must be a file; there is none at this path. Check the spelling and the folder.")
    readers = {".csv": pd.read_csv, ".parquet": pd.read_parquet}
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in readers:
        raise InputError(f"'{path}' must be a .csv or .parquet file; got {suffix or 'no suffix'!r}. Save it as one.")
    try:
        return readers[suffix](path)
    except (ValueError, OSError, ImportError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"'{path}' must be a readable {suffix[1:]} file; got: {reason}. Check that it is complete."
        ) from error


def _column(frame: Any, name: Any, option: str) -> Any:
    known = {str(column): column for column in frame.columns}
    return known[one_of(str(name), known, option)]


def _from_columns(
    frame: Any, columns: dict[str, Any], *, dataset: Any, labels: Any, groups: Any, scores: Any
) -> dict[str, Any]:
    """Return the arguments of `evaluate_predictions` from columns of a data frame."""
    if dataset is not None or labels is not None or scores is not None:
        raise InputError("A data frame must be told by column names; got arrays beside it. Use label= and prediction=.")
    for option in ("label", "prediction"):
        if columns[option] is None:
            names = ", ".join(str(column) for column in list(frame.columns)[:20])
            raise InputError(f"'{option}' must name a column of the data frame; got none. It has {names}.")
    if (columns["group"] is None) == (groups is None):
        raise InputError("'group' must name columns, or 'groups' give a group for each row; give one of the two.")
    if groups is None:
        given = columns["group"]
        wanted: list[Any] = [given] if isinstance(given, str) else list(given)
        chosen = [_column(frame, name, "group") for name in wanted]
        groups = frame[chosen[0]] if len(chosen) == 1 else frame[chosen]
    found = {"labels": frame[_column(frame, columns["label"], "label")].to_numpy(), "groups": groups}
    found["preds"] = frame[_column(frame, columns["prediction"], "prediction")].to_numpy()
    if columns["score"] is not None:
        found["scores"] = frame[_column(frame, columns["score"], "score")].to_numpy()
    return found


def _of_estimator(model: Any, data: Any, labels: Any, groups: Any, options: dict[str, Any]) -> FairnessReport:
    """Return the report of anything with a predict, on rows with labels and groups."""
    from mxfair.metric._inputs import task_of
    from mxfair.report._evaluation import evaluate_predictions

    if data is None or labels is None or groups is None:
        raise InputError(
            "An estimator must have rows, labels and groups. Call evaluate(estimator, X, y, groups=groups)."
        )
    task = options["task"] = task_of(labels, options["task"], options["classes"])
    preds = to_numpy(model.predict(data))
    same_length(labels=to_numpy(labels), preds=preds)
    scores = None
    known = getattr(model, "classes_", None)
    if task == "classification" and known is not None and len(known) > 1:
        known = np.asarray(known)
        if hasattr(model, "predict_proba"):
            scores = to_numpy(model.predict_proba(data))
        elif hasattr(model, "decision_function") and len(known) == 2:
            values = to_numpy(model.decision_function(data)).reshape(-1)
            scores = np.column_stack([-values, values])
        unseen = set(np.unique(to_numpy(labels)).tolist()) - set(known.tolist())
        if unseen or options["classes"] is not None:
            scores = None  # its columns are not those of all classes
        else:
            options["classes"] = known
    return evaluate_predictions(labels, preds, groups, scores=scores, **options)


def _of_net(
    net: Any,
    dataset: Any,
    labels: Any,
    groups: Any,
    *,
    probability: bool | None,
    chunk: int | None,
    options: dict[str, Any],
) -> FairnessReport:
    """Return the report of a net on a dataset."""
    from mxfair._inference import outputs, read_outputs
    from mxfair.metric._inputs import task_of
    from mxfair.report._evaluation import evaluate_predictions

    raw, labels, groups = outputs(net, dataset, labels=labels, groups=groups, chunk=chunk)
    classes = options["classes"]
    if task_of(labels, options["task"], classes) == "regression":
        if raw.size != len(raw):
            raise InputError(f"'net' must return one value per sample for a regression; got shape {raw.shape}.")
        return evaluate_predictions(labels, raw.reshape(-1), groups, **{**options, "task": "regression"})
    scored = read_outputs(raw, labels, groups, classes=classes, probability=probability)
    scores = scored.scores
    if scores.ndim == 1:  # probability of the last class; `positive` may be the first one
        scores = np.column_stack([1.0 - scores, scores])
    elif classes is None:  # the samples may lack a class that the net has an output for
        classes = np.arange(scores.shape[1])
    options = {**options, "classes": classes, "task": "classification"}
    return evaluate_predictions(scored.labels, scored.preds, scored.groups, scores=scores, **options)
