"""One number for a criterion: differences (0 is parity) and ratios (1 is parity).

Each named function is `difference` or `ratio` for one criterion, in fairlearn's spelling.
"""

from __future__ import annotations

import inspect
import warnings
from typing import Any, Callable

import numpy as np

from mxfair.confusion import GroupConfusion
from mxfair.criterion import ALL_CRITERIA, Criterion, criterion_named
from mxfair.metric._convention import Comparison, comparison
from mxfair.metric._strata import outside, strata_of, weighted_mean

__all__ = [
    "accuracy_parity_difference",
    "accuracy_parity_ratio",
    "average_odds_difference",
    "average_odds_ratio",
    "conditional_acceptance_difference",
    "conditional_acceptance_ratio",
    "conditional_rejection_difference",
    "conditional_rejection_ratio",
    "conditional_use_accuracy_difference",
    "conditional_use_accuracy_ratio",
    "demographic_parity_difference",
    "demographic_parity_ratio",
    "difference",
    "equal_opportunity_difference",
    "equal_opportunity_ratio",
    "equalized_odds_difference",
    "equalized_odds_ratio",
    "predictive_equality_difference",
    "predictive_equality_ratio",
    "predictive_parity_difference",
    "predictive_parity_ratio",
    "ratio",
    "treatment_equality_difference",
    "treatment_equality_ratio",
]

#: So many of the figures that a number does not cover are named in a warning.
SHOWN = 5

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
    control : array-like or Groups, optional
        A legitimate attribute to condition on: the figure is computed within each of its levels, and their mean,
        weighted by the samples, is returned. A level with fewer than two groups to compare is left out, with a warning.
    compare : {{"max_min", "to_overall", "to_reference", "pairwise_mean"}}, default="max_min"
        Which rates are compared; see `mxfair.Criterion.gaps`.
    reference : str, optional
        A group: each other one is compared with it (``compare="to_reference"``).
    agg : {{"max", "mean", "sum", "signed"}}, optional
        How several rates become one number. Default: the criterion's own, the worst case unless it says otherwise.
    compat : {{"fairlearn", "aif360", "clarify", "aequitas", "oxonfair", "holisticai", "fairbatch"}}, optional
        Compare as that toolkit does; `reference` is then its privileged (advantaged, reference) group. Where it returns
        a stand-in for an undefined value, ours stays NaN. Of several other groups the furthest one counts.
        OxonFair's predictive equality (false negative rates) and treatment equality (FP / FN) are other rates than
        ours: with "oxonfair" they are its.
    positive : optional
        The class that counts as positive. Default: the last of two classes; each class in turn for more than two.
    classes : array of shape (n_classes,), optional
        All classes in sorted order, where the samples may lack some.

    Returns
    -------
    float
        NaN where fewer than two groups have a defined rate: what could not be measured is never reported as fair.

    Raises
    ------
    InputError
        If lengths differ, values are missing, or `preds` are continuous.

    Warns
    -----
    UserWarning
        If a group's rate is undefined: the figure does not cover that group, and a number cannot say so.
"""


def difference(
    criterion: str | Criterion,
    labels: Any,
    preds: Any,
    groups: Any,
    *,
    sample_weight: Any = None,
    control: Any = None,
    compare: str = "max_min",
    reference: Any = None,
    agg: str | None = None,
    compat: str | None = None,
    positive: Any = None,
    classes: Any = None,
) -> float:
    """Return a criterion's largest difference between groups: 0 is parity."""
    chosen = comparison(
        criterion_named(criterion), compare=compare, reference=reference, agg=agg, compat=compat, positive=positive
    )
    return _figure(chosen, labels, preds, groups, sample_weight=sample_weight, control=control, classes=classes)


def ratio(
    criterion: str | Criterion,
    labels: Any,
    preds: Any,
    groups: Any,
    *,
    sample_weight: Any = None,
    control: Any = None,
    compare: str = "max_min",
    reference: Any = None,
    agg: str | None = None,
    compat: str | None = None,
    positive: Any = None,
    classes: Any = None,
) -> float:
    """Return a criterion's smallest ratio between groups: 1 is parity, smaller is further from it."""
    chosen = comparison(
        criterion_named(criterion),
        ratio=True,
        compare=compare,
        reference=reference,
        agg=agg,
        compat=compat,
        positive=positive,
    )
    return _figure(chosen, labels, preds, groups, sample_weight=sample_weight, control=control, classes=classes)


def _figure(
    chosen: Comparison, labels: Any, preds: Any, groups: Any, *, sample_weight: Any, control: Any, classes: Any
) -> float:
    if control is None:
        table = GroupConfusion.of(labels, preds, groups, classes=classes, sample_weight=sample_weight)
        _tell_undefined(chosen, table)
        return float(chosen.of(table, table.counts))
    table, counts, strata = strata_of(labels, preds, groups, control, sample_weight=sample_weight, classes=classes)
    return weighted_mean(chosen.of(table, counts), counts.sum(axis=(1, 2, 3)), strata, what=chosen.criterion.name)


def _tell_undefined(chosen: Comparison, table: GroupConfusion) -> None:
    """Warn of groups that a gap does not cover: a number alone cannot say so."""
    pairs, count = chosen.criterion.rate_classes(table.classes), 0
    told: list[str] = []
    several = len(pairs) > len(chosen.criterion.rates)
    each = {rate: rate.each(table.counts) for rate in chosen.criterion.rates if several and rate.per_class}
    for rate, place in pairs:
        values = each[rate][:, place] if rate in each else rate.values(table.counts, place)
        lost = np.flatnonzero(np.isnan(values) & table.known)
        count += len(lost)
        if len(lost) and len(told) < SHOWN:
            name = f"{rate.name}[{table.classes[place]}]" if rate in each else rate.name
            reasons = rate(table, positive=place).undefined
            told += [f"{name} of {table.groups[group]} ({reasons[table.groups[group]]})" for group in lost]
    if table.known.sum() < 2:
        told.insert(0, f"everything: there are fewer than two known groups ({', '.join(table.groups)})")
        count += 1
    if told:
        more = f" and {count - SHOWN} more" if count > SHOWN else ""
        warnings.warn(
            f"{chosen.criterion.name} leaves out what is undefined: {', '.join(told[:SHOWN])}{more}.",
            UserWarning,
            stacklevel=outside(),
        )


def _document(function: Any, summary: str, first: str, example: str) -> None:
    function.__doc__ = f"{summary}\n" + _PARAMETERS.format(first=first) + (f"\n{example}" if example else "")


_CRITERION = """    criterion : str or Criterion
        Name of a criterion (see `mxfair.criterion.ALL_CRITERIA`), or one of your own.
"""
_document(
    difference,
    "Return a criterion's difference between groups: 0 is parity.",
    _CRITERION,
    """    Examples
    --------
    >>> from mxfair import metric
    >>> metric.difference("equal_opportunity", [1, 1, 1, 1], [1, 0, 1, 1], ["a", "a", "b", "b"])
    0.5
    """,
)
_document(
    ratio,
    "Return a criterion's ratio between groups: 1 is parity, and smaller is further from it.",
    _CRITERION,
    """    Examples
    --------
    >>> from mxfair import metric
    >>> metric.ratio("equal_opportunity", [1, 1, 1, 1], [1, 0, 1, 1], ["a", "a", "b", "b"])
    0.5
    """,
)


def _pair(name: str, equation: str, source: str) -> tuple[Callable[..., float], Callable[..., float]]:
    """Return `difference` and `ratio` of one criterion, each with a name, a signature and a docstring of its own."""
    rates = " and ".join(rate.name for rate in ALL_CRITERIA[name].rates)
    return (
        _named(
            name,
            difference,
            f"Return the {name} difference, between groups, of {rates}: 0 is parity.",
            equation,
            source,
        ),
        _named(name, ratio, f"Return the {name} ratio, between groups, of {rates}: 1 is parity.", equation, source),
    )


def _named(name: str, general: Callable[..., float], summary: str, equation: str, source: str) -> Callable[..., float]:
    def function(labels: Any, preds: Any, groups: Any, **options: Any) -> float:
        return general(name, labels, preds, groups, **options)

    signature = inspect.signature(general)
    named: Any = function
    named.__name__ = named.__qualname__ = f"{name}_{general.__name__}"
    named.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])
    named.__annotations__ = {key: value for key, value in general.__annotations__.items() if key != "criterion"}
    notes = f"    Notes\n    -----\n    Parity is {equation}.\n\n    References\n    ----------\n    {source}\n"
    example = (
        "\n    Examples\n    --------\n    >>> from mxfair import metric\n"
        f"    >>> value = metric.{named.__name__}([1, 1, 0, 0] * 2, [1, 0, 1, 0] * 2, list('aaaabbbb'))\n    "
    )
    _document(function, summary, "", notes + example)
    return function


_HARDT = "Hardt, Price, Srebro: Equality of opportunity in supervised learning. NeurIPS 2016."
_BERK = "Berk, Heidari, Jabbari, Kearns, Roth: Fairness in criminal justice risk assessments. 2018."
_CLARIFY = "Das et al.: Fairness measures for machine learning in finance. 2020 (Amazon SageMaker Clarify)."

demographic_parity_difference, demographic_parity_ratio = _pair(
    "demographic_parity",
    "P(pred = 1 | group) equal for all groups; the ratio is also called disparate impact",
    "Calders, Kamiran, Pechenizkiy: Building classifiers with independency constraints. ICDM workshops 2009.",
)
equal_opportunity_difference, equal_opportunity_ratio = _pair(
    "equal_opportunity", "P(pred = 1 | label = 1, group) equal for all groups", _HARDT
)
predictive_equality_difference, predictive_equality_ratio = _pair(
    "predictive_equality",
    "P(pred = 1 | label = 0, group) equal for all groups",
    "Corbett-Davies, Pierson, Feller, Goel, Huq: Algorithmic decision making and the cost of fairness. KDD 2017.",
)
equalized_odds_difference, equalized_odds_ratio = _pair(
    "equalized_odds",
    "P(pred = 1 | label = y, group) equal for all groups, for y = 0 and y = 1; the worse one counts",
    _HARDT,
)
average_odds_difference, average_odds_ratio = _pair(
    "average_odds",
    "that of equalized odds, with the mean over both rates in place of the worse one",
    "Bellamy et al.: AI Fairness 360. 2018; there the mean is signed (compat='aif360').",
)
predictive_parity_difference, predictive_parity_ratio = _pair(
    "predictive_parity",
    "P(label = 1 | pred = 1, group) equal for all groups (predictive rate parity)",
    "Chouldechova: Fair prediction with disparate impact. Big Data 5(2), 2017.",
)
conditional_use_accuracy_difference, conditional_use_accuracy_ratio = _pair(
    "conditional_use_accuracy", "P(label = y | pred = y, group) equal for all groups, for y = 0 and y = 1", _BERK
)
accuracy_parity_difference, accuracy_parity_ratio = _pair(
    "accuracy_parity", "P(pred = label | group) equal for all groups (overall accuracy equality)", _BERK
)
treatment_equality_difference, treatment_equality_ratio = _pair(
    "treatment_equality", "FN / FP, the false negatives by the false positives, equal for all groups", _BERK
)
conditional_acceptance_difference, conditional_acceptance_ratio = _pair(
    "conditional_acceptance", "n(label = 1) / n(pred = 1) equal for all groups", _CLARIFY
)
conditional_rejection_difference, conditional_rejection_ratio = _pair(
    "conditional_rejection", "n(label = 0) / n(pred = 0) equal for all groups", _CLARIFY
)
