"""What a table of metrics is computed from, and the figures by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Callable

import numpy as np

from mxfair._validation import (
    InputError,
    InputTypeError,
    labels_vector,
    numbers,
    one_of,
    same_length,
    to_numpy,
    weights,
)
from mxfair.confusion import MAX_FRACTIONS, GroupConfusion, _classes, _fractions, _predictions
from mxfair.group_metric import GroupMetric
from mxfair.groups import Groups
from mxfair.metric import calibration, ranking
from mxfair.metric.multiclass_auc import roc_auc_ovr
from mxfair.rate import RATES, SYNONYMS, CompositeRate, Rate, class_index
from mxfair.residuals import GroupResiduals
from mxfair.residuals._moments import STATISTICS

#: Figures of scores, by name.
SCORES: dict[str, Callable[..., GroupMetric]] = {
    "roc_auc": ranking.roc_auc,
    "brier_score": calibration.brier_score,
    "log_loss": calibration.log_loss,
    "expected_calibration_error": calibration.expected_calibration_error,
    "balance_positive_class": calibration.balance_positive_class,
    "balance_negative_class": calibration.balance_negative_class,
}
#: What a table holds if nothing is asked for.
DEFAULTS = {
    "classification": (
        "accuracy",
        "base_rate",
        "selection_rate",
        "true_positive_rate",
        "false_positive_rate",
        "positive_predictive_value",
        "negative_predictive_value",
    ),
    "regression": (
        "mean_label",
        "mean_prediction",
        "mean_error",
        "mean_absolute_error",
        "root_mean_squared_error",
        "r2_score",
    ),
}


#: Numeric labels with more different values may be classes or a target: the caller says which.
MAX_CLASSES = 100


def _many_numbers(labels: np.ndarray) -> bool:
    """Return whether there are more than `MAX_CLASSES` different numbers."""
    if labels.dtype.kind not in "iuf" or len(labels) <= MAX_CLASSES:
        return False
    if labels.dtype.kind in "iu" and 0 <= np.bitwise_or.reduce(labels) <= MAX_CLASSES:
        return False  # no label is larger than all of them joined bit by bit
    return len(np.unique(labels[:10_000])) > MAX_CLASSES


def task_of(labels: Any, task: str | None, classes: Any = None) -> str:
    """Return the task that was named, or that the labels make plain."""
    if task is not None:
        return one_of(task, DEFAULTS, "task")
    labels = labels_vector(labels)
    if len(np.unique(_fractions(labels)[:1000])) > MAX_FRACTIONS:
        return "regression"
    if classes is None and _many_numbers(labels):
        raise InputError(
            f"'task' must be given where labels hold more than {MAX_CLASSES} different numbers: they may be "
            "classes or values. Pass task='regression' or task='classification'."
        )
    return "classification"


@dataclass(frozen=True)
class Inputs:
    """Checked arguments of `evaluate`.

    Parameters
    ----------
    labels, preds : ndarray
    groups : Groups
    scores : ndarray or None
    sample_weight : ndarray or None
    positive, classes
        As given.
    task : {"classification", "regression"}
    part : bool, default=False
        Whether the samples are some of those that were checked: they may lack a class.
    """

    labels: np.ndarray
    preds: np.ndarray
    groups: Groups
    scores: np.ndarray | None
    sample_weight: np.ndarray | None
    positive: Any
    classes: Any
    task: str
    part: bool = False

    @classmethod
    def of(
        cls,
        labels: Any,
        preds: Any,
        groups: Any,
        *,
        scores: Any = None,
        sample_weight: Any = None,
        positive: Any = None,
        classes: Any = None,
        task: str | None = None,
    ) -> Inputs:
        """Check arguments that belong together."""
        labels, groups = labels_vector(labels), groups if isinstance(groups, Groups) else Groups(groups)
        task = task_of(labels, task, classes)
        preds = numbers(preds, "preds") if task == "regression" else _predictions(preds)
        weight = weights(sample_weight)
        scores = None if scores is None else to_numpy(scores)
        same_length(labels=labels, preds=preds, groups=groups, scores=scores, sample_weight=weight)
        return cls(labels, preds, groups, scores, weight, positive, classes, task)

    @classmethod
    def of_counts(cls, table: GroupConfusion, positive: Any) -> Inputs:
        """Return inputs of which only the counts are known."""
        nothing = np.zeros(0, dtype=np.int64)
        groups = Groups.from_codes(nothing, table.groups, unknown=not table.known.all(), name=table.name)
        self = cls(nothing, nothing, groups, None, None, positive, table.classes, "classification")
        self.__dict__["counts"] = table  # what the cached property would count
        return self

    @cached_property
    def counts(self) -> GroupConfusion:
        """counts[group, label, prediction]."""
        if self.classes is None and self.preds.ndim == 1:
            fractions = _fractions(self.preds[:1000])
            scores = np.setdiff1d(fractions, _fractions(self.labels)) if len(fractions) else fractions
            if len(scores):
                raise InputError(
                    f"'preds' must be decisions in the values of the labels; got {scores[0]:g}. Compare scores with a "
                    "threshold first, or pass one column of probabilities per class; for a regression, pass "
                    "task='regression'."
                )
        return GroupConfusion.of(
            self.labels, self.preds, self.groups, classes=self.classes, sample_weight=self.sample_weight
        )

    @cached_property
    def residuals(self) -> GroupResiduals:
        """Moments of labels and predictions by group."""
        state = GroupResiduals(self.groups.names, known=self.groups.known, name=self.groups.name)
        return state.update(self.labels, self.preds, self.groups, sample_weight=self.sample_weight)

    def regrouped(self, groups: Groups) -> Inputs:
        """Return the same samples in other groups."""
        return replace(self, groups=groups)

    @cached_property
    def stated(self) -> Any:
        """The positive class: the one that was given, or the last of two that one column of scores is about."""
        if self.positive is not None or self.scores is None or self.task == "regression":
            return self.positive
        classes = _classes(self.labels, self.labels) if self.classes is None else to_numpy(self.classes)
        return classes.tolist()[-1] if len(classes) == 2 else None

    def take(self, rows: np.ndarray) -> Inputs:
        """Return some of the samples, of the same groups and classes, which they may lack."""
        counted = "counts" in vars(self)  # nothing is counted only to find out the classes
        return replace(
            self,
            labels=self.labels[rows],
            preds=self.preds[rows],
            groups=self.groups.take(rows),
            scores=None if self.scores is None else self.scores[rows],
            sample_weight=None if self.sample_weight is None else self.sample_weight[rows],
            positive=self.stated,
            classes=self.counts.classes if counted else self.classes,
            part=True,
        )


@dataclass(frozen=True)
class Figure:
    """One column of a table.

    Parameters
    ----------
    name : str
    kind : {"rate", "score", "moment", "function"}
        Which state it comes from.
    what : Rate, CompositeRate, callable or None
    place : int, default=0
        Place of the positive class, of a rate and of a column of scores; -1 for the mean over all.
    """

    name: str
    kind: str
    what: Any = None
    place: int = 0

    def of(self, inputs: Inputs) -> GroupMetric:
        """Return the figure by group."""
        if self.kind == "rate":
            return replace(self.what(inputs.counts, positive=self.place), name=self.name)
        if self.kind == "moment":
            return replace(inputs.residuals.metric(self.what), name=self.name)
        if self.kind == "score":
            return replace(_score_figure(self.what, self.place, inputs), name=self.name)
        return _by_function(self.name, self.what, inputs)


def figures(metrics: Any, inputs: Inputs) -> list[Figure]:
    """Return the columns that were asked for: names, rates, functions, or a mapping of names to these."""
    if metrics is None:
        metrics = list(DEFAULTS[inputs.task])
        metrics += ["roc_auc"] if inputs.scores is not None and inputs.task == "classification" else []
    if isinstance(metrics, (str, Rate, CompositeRate)) or callable(metrics):
        metrics = [metrics]
    pairs = list(metrics.items()) if isinstance(metrics, Mapping) else [(None, metric) for metric in metrics]
    if not pairs:
        raise InputError("'metrics' must name at least one figure; got none.")
    found = [figure for name, metric in pairs for figure in _figures(name, metric, inputs)]
    names = [figure.name for figure in found]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise InputError(
            f"'metrics' must have different names; got {repeated!r} twice. Pass a mapping of your own names."
        )
    return found


def _figures(name: str | None, metric: Any, inputs: Inputs) -> list[Figure]:
    if callable(metric) and str(getattr(metric, "__module__", "")).startswith("mxfair.metric."):
        known = metric.__name__ in {*RATES, *SCORES, *STATISTICS}
        if not known:
            raise InputTypeError(
                f"'metrics' must hold names, rates or functions of (labels, preds); got mxfair's {metric.__name__}, "
                "which takes groups itself. Call it on its own."
            )
        metric = metric.__name__
    if isinstance(metric, str):
        if inputs.task == "regression" or metric in STATISTICS:
            return [Figure(name or metric, "moment", one_of(metric, STATISTICS, "metrics"))]
        if metric in SCORES:
            return [Figure(name or metric, "score", SCORES[metric], _score_column(metric, inputs))]
        one_of(metric, [*RATES, *SCORES, *STATISTICS], "metrics", SYNONYMS)
        metric, name = RATES[metric], name or metric
    if isinstance(metric, (Rate, CompositeRate)):
        classes = inputs.counts.classes
        name = name or metric.name
        if not metric.per_class:
            return [Figure(name, "rate", metric)]
        if inputs.positive is not None or len(classes) <= 2:
            return [Figure(name, "rate", metric, class_index(classes, inputs.positive))]
        return [Figure(f"{name}[{label}]", "rate", metric, place) for place, label in enumerate(classes)]
    if callable(metric):
        return [Figure(name or str(getattr(metric, "__name__", type(metric).__name__)), "function", metric)]
    raise InputTypeError(f"'metrics' must hold names, rates or functions; got {metric!r}.")


def _several(scores: np.ndarray) -> bool:
    return scores.ndim == 2 and scores.shape[1] > 1


def _score_column(name: str, inputs: Inputs) -> int:
    """Return which column of scores a figure is of, after checking that it can be known; -1 for all of them."""
    if inputs.scores is None:
        raise InputError(f"'scores' must be given for {name}; got none. Pass the scores of the positive class.")
    if not _several(inputs.scores):
        return 0 if inputs.classes is None else class_index(to_numpy(inputs.classes), inputs.stated)
    classes = inputs.counts.classes
    if inputs.scores.shape[1] != len(classes):
        raise InputError(
            f"'scores' must have one column per class ({len(classes)}); got {inputs.scores.shape[1]}. "
            "Name all classes with 'classes', or pass the scores of the positive class."
        )
    if inputs.positive is not None or len(classes) == 2:
        return class_index(classes, inputs.positive)
    if name != "roc_auc":
        raise InputError(f"'positive' must name a class for {name} of {len(classes)} classes; got none. Name one.")
    return -1


def _score_figure(function: Callable[..., GroupMetric], column: int, inputs: Inputs) -> GroupMetric:
    if column < 0:
        classes, weight = inputs.counts.classes, inputs.sample_weight
        result = roc_auc_ovr(inputs.labels, inputs.scores, inputs.groups, classes=classes, sample_weight=weight)
        return result.macro_by_group()
    labels, scores, positive = score_arguments(column, inputs)
    return function(labels, scores, inputs.groups, positive=positive, sample_weight=inputs.sample_weight)


def score_arguments(column: int, inputs: Inputs) -> tuple[Any, Any, Any]:
    """Return the labels, the scores of one class and the positive label that figures of scores take."""
    labels, scores, positive = inputs.labels, inputs.scores, inputs.stated
    if scores is not None and _several(scores):
        scores, positive = scores[:, column], inputs.counts.classes[column]
    if positive is not None and (inputs.part or inputs.classes is not None):  # the samples may lack the class
        labels, positive = (labels == positive).astype(np.int64), 1
    return labels, scores, positive


def _by_function(name: str, function: Callable[..., Any], inputs: Inputs) -> GroupMetric:
    """Call a function of (labels, preds) and perhaps sample_weight for each group."""
    weighted = inputs.sample_weight is not None
    if weighted and "sample_weight" not in inspect.signature(function).parameters:
        raise InputError(f"{name} must take 'sample_weight', since weights are given; it does not. Leave them out.")
    values, groups = np.full(inputs.groups.n_groups, np.nan), inputs.groups
    order = np.argsort(groups.codes, kind="stable")
    for place, rows in enumerate(np.split(order, np.cumsum(groups.counts)[:-1])):
        if len(rows):
            values[place] = _call(name, function, inputs, rows)
    support = np.bincount(groups.codes, inputs.sample_weight, minlength=groups.n_groups).astype(float)
    overall = _call(name, function, inputs, slice(None))
    return GroupMetric(name, groups.names, values, overall, groups.known, support, attribute=groups.name)


def _call(name: str, function: Callable[..., Any], inputs: Inputs, rows: Any) -> float:
    options = {} if inputs.sample_weight is None else {"sample_weight": inputs.sample_weight[rows]}
    value = function(inputs.labels[rows], inputs.preds[rows], **options)
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise InputTypeError(
            f"{name} must return one number for each group; got {type(value).__name__}. Wrap it in one that does."
        ) from error
