"""Tables of figures by group, and scikit-learn's report and confusion matrix by group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import InputError, InputTypeError, one_of, same_length
from mxfair.confusion import GroupConfusion
from mxfair.metric._inputs import Inputs, figures
from mxfair.metric._strata import control_groups
from mxfair.metric.table import ConditionalTable, GroupTable, with_overall

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["classification_report", "confusion_matrix", "evaluate", "evaluate_by", "evaluate_counts"]


def evaluate(
    labels: Any,
    preds: Any,
    groups: Any,
    *,
    metrics: Any = None,
    scores: Any = None,
    sample_weight: Any = None,
    positive: Any = None,
    classes: Any = None,
    task: str | None = None,
) -> GroupTable:
    """Return a table of figures by group: two classes, several classes and regression alike.

    Parameters
    ----------
    labels : array of shape (n_samples,)
        True classes (numbers or text), or true values.
    preds : array of shape (n_samples,) or (n_samples, n_classes)
        Decisions in the values of `labels`, one column of probabilities per class (soft rates), or predicted values.
    groups : array-like or Groups
        Sensitive attribute of each sample; several columns are crossed.
    metrics : str, Rate, function, list of these, or mapping of name to one, optional
        Names: those of `mxfair.rate.RATES`, of scores ("roc_auc", "brier_score", "log_loss",
        "expected_calibration_error", "balance_positive_class", "balance_negative_class") or of numbers
        ("mean_absolute_error", "mean_squared_error", "root_mean_squared_error", "r2_score", "mean_error",
        "mean_prediction", "mean_label", "correlation"). A function is called with the labels and predictions (and
        `sample_weight`) of each group and returns a number, as scikit-learn's metrics do. Default: the task's usual
        figures.
    scores : array of shape (n_samples,) or (n_samples, n_classes), optional
        Scores of the positive class, or of every class, for the figures that need them.
    sample_weight : array of shape (n_samples,), optional
        Weight of each sample. Default: 1.
    positive : optional
        The class that counts as positive. Default: the last of two classes; one column for each of more than two.
    classes : array of shape (n_classes,), optional
        All classes in sorted order, where the samples may lack some.
    task : {"classification", "regression"}, optional
        Default: regression where `labels` hold more than 20 different decimal numbers.

    Returns
    -------
    GroupTable

    Raises
    ------
    InputError
        If lengths differ, values are missing, decisions are continuous, or a name is not known.

    Examples
    --------
    >>> from mxfair import metric
    >>> table = metric.evaluate([1, 0, 1, 0], [1, 0, 0, 0], ["a", "a", "b", "b"], metrics=["accuracy", "base_rate"])
    >>> table.overall["accuracy"]
    0.75
    >>> table["accuracy"].gap().low
    'b'
    """
    inputs = Inputs.of(
        labels,
        preds,
        groups,
        scores=scores,
        sample_weight=sample_weight,
        positive=positive,
        classes=classes,
        task=task,
    )
    return GroupTable._of(figures(metrics, inputs), inputs)


def evaluate_counts(table: GroupConfusion, *, metrics: Any = None, positive: Any = None) -> GroupTable:
    """Return a table of figures from counts: of batches, files or workers that were added, or read from JSON.

    Parameters
    ----------
    table : GroupConfusion
        The counts.
    metrics : str, Rate, list of these, or mapping of name to one, optional
        Names of rates, see `evaluate`; what needs scores or the samples themselves cannot be had from counts.
    positive : optional
        The class that counts as positive. Default: the last of two classes; one column for each of more than two.

    Returns
    -------
    GroupTable
        Its ``confidence_intervals`` work too, unless the counts are weighted.

    Raises
    ------
    InputError
        If a name is not known or needs more than counts.

    Examples
    --------
    >>> from mxfair import GroupConfusion, metric
    >>> parts = [([1, 0], [1, 0], ["a", "b"]), ([1, 0], [0, 0], ["b", "a"])]
    >>> table = sum(GroupConfusion.of(*part, classes=[0, 1]) for part in parts)
    >>> metric.evaluate_counts(table, metrics="accuracy")["accuracy"]
    GroupMetric(accuracy: a 1, b 0.5; overall 0.75)
    """
    if not isinstance(table, GroupConfusion):
        raise InputTypeError(
            f"'table' must be a GroupConfusion; got {type(table).__name__}. For arrays use evaluate()."
        )
    inputs = Inputs.of_counts(table, positive)
    found = figures(metrics, inputs)
    other = next((figure.name for figure in found if figure.kind != "rate"), None)
    if other is not None:
        raise InputError(f"'metrics' must be rates, since a table holds counts only; got {other!r}. Use evaluate().")
    return GroupTable._of(found, inputs)


def evaluate_by(
    labels: Any,
    preds: Any,
    groups: Any,
    control: Any,
    *,
    metrics: Any = None,
    scores: Any = None,
    sample_weight: Any = None,
    positive: Any = None,
    classes: Any = None,
    task: str | None = None,
) -> ConditionalTable:
    """Return tables of figures by group within each level of a control attribute.

    Parameters
    ----------
    labels, preds, groups
        As for `evaluate`.
    control : array-like or Groups
        The attribute that is held fixed: a legitimate reason for differences, such as the kind of job.
    metrics, scores, sample_weight, positive, classes, task
        As for `evaluate`.

    Returns
    -------
    ConditionalTable

    Raises
    ------
    InputError
        As for `evaluate`.

    Examples
    --------
    >>> from mxfair import metric
    >>> table = metric.evaluate_by([1, 0, 1, 0], [1, 1, 0, 1], list("fmfm"), list("xxyy"), metrics="selection_rate")
    >>> table.strata["y"].difference()["selection_rate"]
    1.0
    """
    levels = control_groups(control)
    inputs = Inputs.of(
        labels,
        preds,
        groups,
        scores=scores,
        sample_weight=sample_weight,
        positive=positive,
        classes=classes,
        task=task,
    )
    same_length(groups=inputs.groups, control=levels)
    columns = figures(metrics, inputs)
    strata, support = {}, {}
    weight = np.ones(len(levels)) if inputs.sample_weight is None else inputs.sample_weight
    for place, name in enumerate(levels.names):
        rows = np.flatnonzero(levels.codes == place)
        if len(rows):
            strata[name] = GroupTable._of(columns, inputs.take(rows))
            support[name] = float(weight[rows].sum())
    return ConditionalTable(strata, support, name=levels.name)


def classification_report(
    labels: Any, preds: Any, groups: Any, *, sample_weight: Any = None, classes: Any = None
) -> pd.DataFrame:
    """Return precision, recall, F1 and support of every class by group, with accuracy and averages.

    Parameters
    ----------
    labels, preds : array of shape (n_samples,)
        True classes and decisions; numbers or text.
    groups : array-like or Groups
        Sensitive attribute of each sample.
    sample_weight : array of shape (n_samples,), optional
        Weight of each sample. Default: 1.
    classes : array of shape (n_classes,), optional
        All classes in sorted order, where the samples may lack some.

    Returns
    -------
    pandas.DataFrame
        Rows by group ("overall" first) and class, then "accuracy" (in the column f1_score, as scikit-learn prints it),
        "macro avg" and "weighted avg". What a group has no samples for is NaN, where scikit-learn puts 0.

    Raises
    ------
    InputError
        If lengths differ, values are missing, or `preds` are continuous.

    Examples
    --------
    >>> from mxfair import metric
    >>> report = metric.classification_report([1, 0, 1, 0], [1, 0, 0, 0], ["a", "a", "b", "b"])
    >>> report.loc[("b", 1), "recall"]
    0.0
    """
    import pandas as pd

    from mxfair.metric.rates import averaged
    from mxfair.rate import RATES

    table = GroupConfusion.of(labels, preds, groups, classes=classes, sample_weight=sample_weight)
    counts = np.concatenate([table.overall[None], table.counts])
    columns = {"precision": "positive_predictive_value", "recall": "true_positive_rate", "f1_score": "f1_score"}
    names = table.classes.tolist()
    blocks = {}
    for column, name in columns.items():
        rate = RATES[name]
        values = np.moveaxis(rate.each(counts), -1, 0)
        accuracy = RATES["accuracy"].values(counts, 0) if column == "f1_score" else np.full(len(counts), np.nan)
        blocks[column] = [*values, accuracy, *(averaged(rate, counts, how) for how in ("macro", "weighted"))]
    total = counts.sum(axis=(1, 2))
    blocks["support"] = [*np.moveaxis(counts.sum(axis=2), 1, 0), total, total, total]
    rows = [*names, "accuracy", "macro avg", "weighted avg"]
    index = pd.MultiIndex.from_product([with_overall(table.groups), rows], names=[table.name, "class"])
    return pd.DataFrame({name: np.transpose(block).reshape(-1) for name, block in blocks.items()}, index=index)


def confusion_matrix(
    labels: Any,
    preds: Any,
    groups: Any,
    *,
    sample_weight: Any = None,
    classes: Any = None,
    normalize: str | None = None,
) -> pd.DataFrame:
    """Return the confusion matrix by group.

    Parameters
    ----------
    labels, preds, groups, sample_weight, classes
        As for `classification_report`.
    normalize : {"true", "pred", "all"}, optional
        Divide by the group's samples of the label, of the prediction, or by all of the group. Default: counts.

    Returns
    -------
    pandas.DataFrame
        Rows by group ("overall" first) and label, a column for each prediction; NaN where it would be 0 / 0.

    Raises
    ------
    InputError
        If lengths differ, values are missing, or `preds` are continuous.

    Examples
    --------
    >>> from mxfair import metric
    >>> metric.confusion_matrix([1, 0, 1, 0], [1, 0, 0, 0], ["a", "a", "b", "b"]).loc["b"]
    pred     0    1
    label
    0      1.0  0.0
    1      1.0  0.0
    """
    import pandas as pd

    table = GroupConfusion.of(labels, preds, groups, classes=classes, sample_weight=sample_weight)
    counts = np.concatenate([table.overall[None], table.counts])
    if normalize is not None:
        axes: Any = {"true": 2, "pred": 1, "all": (1, 2)}[one_of(normalize, ("true", "pred", "all"), "normalize")]
        with np.errstate(invalid="ignore", divide="ignore"):
            counts = counts / counts.sum(axis=axes, keepdims=True)
    classes = table.classes.tolist()
    index = pd.MultiIndex.from_product([with_overall(table.groups), classes], names=[table.name, "label"])
    columns = pd.Index(classes, name="pred")
    return pd.DataFrame(counts.reshape(-1, len(classes)), index=index, columns=columns)
