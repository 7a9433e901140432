"""Rates by group: each function is one rate of `mxfair.rate.RATES`, and returns a `GroupMetric`."""

from __future__ import annotations

import inspect
from typing import Any, Callable

import numpy as np

from mxfair._validation import InputError, one_of
from mxfair.confusion import GroupConfusion
from mxfair.group_metric import GroupMetric
from mxfair.rate import RATES, CompositeRate, Rate, class_index, each_against_rest, rate_named

__all__ = [
    "accuracy",
    "balanced_accuracy",
    "base_rate",
    "conditional_acceptance",
    "conditional_rejection",
    "error_rate",
    "f1_score",
    "false_discovery_rate",
    "false_negative_rate",
    "false_omission_rate",
    "false_positive_rate",
    "matthews_correlation",
    "negative_predictive_value",
    "positive_predictive_value",
    "rate_by_group",
    "selection_rate",
    "treatment_equality",
    "true_negative_rate",
    "true_positive_rate",
]

AVERAGE = ("macro", "weighted", "worst")


def rate_by_group(
    rate: str | Rate | CompositeRate,
    labels: Any,
    preds: Any,
    groups: Any,
    *,
    sample_weight: Any = None,
    positive: Any = None,
    average: str | None = None,
    classes: Any = None,
) -> GroupMetric:
    """Return a rate by group."""
    table = GroupConfusion.of(labels, preds, groups, classes=classes, sample_weight=sample_weight)
    return rate_of(rate_named(rate), table, positive=positive, average=average)


def rate_of(
    rate: Rate | CompositeRate, table: GroupConfusion, *, positive: Any = None, average: str | None = None
) -> GroupMetric:
    """Return a rate of a table: of one class, or the average over classes."""
    n_classes = len(table.classes)
    if average is not None:
        one_of(average, AVERAGE, "average")
        if positive is not None:
            raise InputError("'positive' and 'average' must not be given together. Give one of them.")
        return _averaged(rate, table, average) if rate.per_class else rate(table)
    if positive is None and n_classes > 2 and rate.per_class:
        raise InputError(
            f"'positive' or 'average' must be given for {rate.name} of {n_classes} classes; got neither. "
            "Name the class that counts as positive, or average over them: 'macro', 'weighted' or 'worst'."
        )
    if positive is None and not rate.per_class:
        return rate(table)
    return rate(table, positive=class_index(table.classes, positive))


def averaged(rate: Rate | CompositeRate, counts: np.ndarray, average: str) -> np.ndarray:
    """Return the average over the classes of a one-against-the-rest rate; NaN where one class lacks it."""
    values = rate.each(counts)
    if average == "macro":
        return values.mean(axis=-1)
    if average == "worst":
        return values.max(axis=-1) if rate.larger_is_worse else values.min(axis=-1)
    labelled = counts.sum(axis=-1)
    with np.errstate(invalid="ignore"):
        return np.where(labelled > 0, values * labelled, 0).sum(axis=-1) / labelled.sum(axis=-1)


def _averaged(rate: Rate | CompositeRate, table: GroupConfusion, average: str) -> GroupMetric:
    values, each = averaged(rate, table.counts, average), rate.each(table.counts)
    lacking = {
        group: int(np.isnan(of).argmax()) for group, of, value in zip(table.groups, each, values) if np.isnan(value)
    }
    empty = dict(zip(table.groups, table.support == 0))
    reasons = {
        group: "no samples" if empty[group] else rate.needs(table.classes[place]) for group, place in lacking.items()
    }
    if isinstance(rate, Rate) and rate.versus_rest:
        support = rate.parts(each_against_rest(table.counts), 1)[1].min(axis=-1)
    else:
        support = np.min([rate.parts(table.counts, place)[1] for place in range(len(table.classes))], axis=0)
    overall = float(averaged(rate, table.overall, average))
    name = f"{rate.name} ({average})"
    return GroupMetric(name, table.groups, values, overall, table.known, support, reasons=reasons, attribute=table.name)


_PARAMETERS = """
    Parameters
    ----------
{first}    labels : array of shape (n_samples,)
        True classes; numbers or text.
    preds : array of shape (n_samples,) or (n_samples, n_classes)
        Decisions in the values of `labels`, or one column of probabilities per class (soft rates).
    groups : array-like or Groups
        Sensitive attribute of each sample; several columns are crossed.
    sample_weight : array of shape (n_samples,), optional
        Weight of each sample. Default: 1.
    positive : optional
        The class that counts as positive. Default: the last of two classes.
    average : {{"macro", "weighted", "worst"}}, optional
        For more than two classes, each against the rest: their mean, their mean weighted by the group's labels, or the
        worst one. Default: one class, named by `positive`.
    classes : array of shape (n_classes,), optional
        All classes in sorted order, where the samples may lack some.

    Returns
    -------
    GroupMetric
        The rate by group and over all samples, with ``difference()``, ``ratio()``, ``group_min()``, ``group_max()``.

    Raises
    ------
    InputError
        If lengths differ, values are missing, `preds` are continuous, or more than two classes are left without
        `positive` and `average`.

    Examples
    --------
    >>> from mxfair import metric
    >>> metric.{call}[1, 1, 0, 0], [1, 0, 1, 0], ["a", "b", "a", "b"]).{result}
    """


def _document(function: Any, summary: str, call: str, result: str, first: str = "") -> None:
    function.__doc__ = f"{summary}\n" + _PARAMETERS.format(first=first, call=call, result=result)


_document(
    rate_by_group,
    "Return a rate, by name or of your own, by group.",
    'rate_by_group("accuracy", ',
    "overall\n    0.5",
    "    rate : str, Rate or CompositeRate\n        A name in `mxfair.rate.RATES`, or a rate of your own.\n",
)


def _rate(name: str, meaning: str) -> Callable[..., GroupMetric]:
    """Return `rate_by_group` for one rate, with a name, a signature and a docstring of its own."""

    def function(labels: Any, preds: Any, groups: Any, **options: Any) -> GroupMetric:
        return rate_by_group(RATES[name], labels, preds, groups, **options)

    signature = inspect.signature(rate_by_group)
    named: Any = function
    named.__name__ = named.__qualname__ = name
    named.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])
    named.__annotations__ = {key: value for key, value in rate_by_group.__annotations__.items() if key != "rate"}
    _document(function, f"Return {meaning}, by group.", f"{name}(", "groups\n    ('a', 'b')")
    return function


selection_rate = _rate("selection_rate", "P(pred = 1)")
base_rate = _rate("base_rate", "P(label = 1)")
true_positive_rate = _rate("true_positive_rate", "P(pred = 1 | label = 1), also called recall or sensitivity")
false_negative_rate = _rate("false_negative_rate", "P(pred = 0 | label = 1)")
false_positive_rate = _rate("false_positive_rate", "P(pred = 1 | label = 0)")
true_negative_rate = _rate("true_negative_rate", "P(pred = 0 | label = 0), also called specificity")
positive_predictive_value = _rate("positive_predictive_value", "P(label = 1 | pred = 1), also called precision")
false_discovery_rate = _rate("false_discovery_rate", "P(label = 0 | pred = 1)")
negative_predictive_value = _rate("negative_predictive_value", "P(label = 0 | pred = 0)")
false_omission_rate = _rate("false_omission_rate", "P(label = 1 | pred = 0)")
accuracy = _rate("accuracy", "P(pred = label)")
error_rate = _rate("error_rate", "P(pred != label)")
f1_score = _rate("f1_score", "2 TP / (2 TP + FP + FN)")
balanced_accuracy = _rate("balanced_accuracy", "the mean over classes of P(pred = y | label = y)")
matthews_correlation = _rate("matthews_correlation", "the correlation of label and decision (MCC)")
treatment_equality = _rate("treatment_equality", "FN / FP, false negatives by false positives")
conditional_acceptance = _rate("conditional_acceptance", "n(label = 1) / n(pred = 1)")
conditional_rejection = _rate("conditional_rejection", "n(label = 0) / n(pred = 0)")
