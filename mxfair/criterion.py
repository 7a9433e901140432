"""Criterion: the rates that should be equal between groups, and how their gaps become one number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair._validation import InputError, InputTypeError, one_of
from mxfair.confusion import GroupConfusion
from mxfair.rate import Rate, RateTable, class_index, rate_named

__all__ = ["CRITERIA", "Criterion", "Gap", "criterion_named"]

_COMPARE = ("max_min", "to_overall", "to_reference", "pairwise_mean")
_AGG = ("max", "mean", "sum")


@dataclass(frozen=True)
class Gap:
    """The disparity of one rate between groups.

    Parameters
    ----------
    rate : str
        Name of the rate; with more than two classes, followed by the class.
    value : float
        The disparity; NaN with fewer than two groups whose rate is defined.
    high, low : str or None
        Groups with the largest and smallest rate.
    undefined : tuple of str
        Known groups whose rate is undefined (no samples to compute it from); the gap does not cover them.
    """

    rate: str
    value: float
    high: str | None
    low: str | None
    undefined: tuple[str, ...]


class Criterion:
    """Rates that should be equal between groups.

    Parameters
    ----------
    name : str
        Name in tables, in the field's spelling.
    rates : Rate, str or list of these
        The rates to equalise.
    agg : {"max", "mean", "sum"}, default="max"
        How the rates' gaps become one number; the worst case by default.
    positive : optional
        The class that counts as positive. Default: the last of two classes; each class in turn for more than two.

    Notes
    -----
    0 is parity for `difference`, 1 for `ratio`. A gap between fewer than two groups with defined rates is NaN, and so
    is a criterion one of whose gaps is NaN: what could not be measured is never reported as fair.

    Examples
    --------
    >>> from mxfair import Criterion, GroupConfusion
    >>> table = GroupConfusion.of([1, 1, 1, 1], [1, 1, 1, 0], ["a", "a", "b", "b"])
    >>> Criterion("sensitivity_parity", "true_positive_rate").difference(table)
    0.5
    """

    def __init__(self, name: str, rates: Any, *, agg: str = "max", positive: Any = None) -> None:
        if not isinstance(name, str):
            raise InputTypeError(f"'name' must be text; got {name!r}.")
        self.name = name
        self.rates = tuple(rate_named(r) for r in (rates if isinstance(rates, (list, tuple)) else [rates]))
        if not self.rates:
            raise InputError("'rates' must name at least one rate; got none.")
        self.agg = one_of(agg, _AGG, "agg")
        self.positive = positive

    def with_positive(self, positive: Any) -> Criterion:
        """Return the criterion for a stated positive class.

        Parameters
        ----------
        positive : label value

        Returns
        -------
        Criterion
        """
        return Criterion(self.name, self.rates, agg=self.agg, positive=positive)

    def rate_classes(self, classes: np.ndarray) -> list[tuple[Rate, int]]:
        """Return each rate with the index of the class that counts as positive in it.

        Parameters
        ----------
        classes : ndarray of shape (n_classes,)

        Returns
        -------
        list of (Rate, int)
        """
        if self.positive is not None or len(classes) <= 2:
            places = [class_index(classes, self.positive)]
        else:
            places = list(range(len(classes)))
        return [(rate, place) for rate in self.rates for place in (places if rate.per_class else places[:1])]

    def tables(self, table: GroupConfusion) -> dict[str, RateTable]:
        """Return the criterion's rates by group.

        Parameters
        ----------
        table : GroupConfusion

        Returns
        -------
        dict of str to RateTable
            With more than two classes and no stated positive one, a rate appears once per class.
        """
        pairs = self.rate_classes(table.classes)
        several = len({place for rate, place in pairs if rate.per_class}) > 1
        return {
            f"{rate.name}[{table.classes[place]}]" if several and rate.per_class else rate.name: rate(
                table, positive=place
            )
            for rate, place in pairs
        }

    def gaps(self, table: GroupConfusion, *, compare: str = "max_min", reference: str | None = None) -> list[Gap]:
        """Return the gap of each rate.

        Parameters
        ----------
        table : GroupConfusion
        compare : {"max_min", "to_overall", "to_reference", "pairwise_mean"}, default="max_min"
            Largest minus smallest rate; largest distance to the rate over all samples (the FairBatch paper's
            disparity); largest distance to the reference group's rate; mean distance over all pairs.
        reference : str, optional
            The group for ``compare="to_reference"``.

        Returns
        -------
        list of Gap
        """
        compare = one_of(compare, _COMPARE, "compare")
        if (reference is not None) != (compare == "to_reference"):
            raise InputError("'reference' and compare='to_reference' must be given together.")
        if reference is not None:
            one_of(reference, table.groups, "reference")
        return [_gap(name, rates, compare, reference) for name, rates in self.tables(table).items()]

    def difference(self, table: GroupConfusion, *, compare: str = "max_min", reference: str | None = None) -> float:
        """Return the disparity: 0 is parity.

        Parameters
        ----------
        table : GroupConfusion
        compare, reference
            As for `gaps`.

        Returns
        -------
        float
        """
        values = [gap.value for gap in self.gaps(table, compare=compare, reference=reference)]
        return float(getattr(np, self.agg)(values))

    def ratio(self, table: GroupConfusion) -> float:
        """Return the smallest rate divided by the largest, the worst over the rates: 1 is parity.

        Parameters
        ----------
        table : GroupConfusion

        Returns
        -------
        float
            NaN where a rate is 0 in every group or defined for fewer than two groups.
        """
        ratios = []
        for rates in self.tables(table).values():
            values = rates.values[rates.defined]
            ratios.append(values.min() / values.max() if len(values) > 1 and values.max() > 0 else np.nan)
        return float(np.min(ratios))

    def __repr__(self) -> str:
        return f"Criterion({self.name}: {', '.join(rate.name for rate in self.rates)})"


def _gap(name: str, rates: RateTable, compare: str, reference: str | None) -> Gap:
    places = np.flatnonzero(rates.defined)
    values = rates.values[places]
    undefined = tuple(g for g, ok, known in zip(rates.groups, rates.defined, rates.known) if known and not ok)
    if len(values) < 2:
        return Gap(name, float("nan"), None, None, undefined)
    if compare == "max_min":
        value = values.max() - values.min()
    elif compare == "to_overall":
        value = np.abs(values - rates.overall).max()
    elif compare == "to_reference":
        value = np.abs(values - rates.values[rates.groups.index(str(reference))]).max()
    else:
        value = np.abs(values[:, None] - values)[np.triu_indices(len(values), 1)].mean()
    high, low = rates.groups[places[values.argmax()]], rates.groups[places[values.argmin()]]
    return Gap(name, float(value), high, low, undefined)


#: The criteria by name.
CRITERIA: dict[str, Criterion] = {
    criterion.name: criterion
    for criterion in (
        Criterion("demographic_parity", "selection_rate"),
        Criterion("equal_opportunity", "true_positive_rate"),
        Criterion("predictive_equality", "false_positive_rate"),
        Criterion("equalized_odds", ["true_positive_rate", "false_positive_rate"]),
        Criterion("predictive_parity", "positive_predictive_value"),
        Criterion("accuracy_parity", "accuracy"),
    )
}


def criterion_named(criterion: str | Criterion) -> Criterion:
    """Return a criterion given by name or as it is.

    Parameters
    ----------
    criterion : str or Criterion

    Returns
    -------
    Criterion

    Raises
    ------
    InputError
        If the name is not known; the message gives the nearest one.
    """
    if isinstance(criterion, Criterion):
        return criterion
    if not isinstance(criterion, str):
        raise InputTypeError(f"'criterion' must be a name or a Criterion; got {criterion!r}.")
    return CRITERIA[one_of(criterion, CRITERIA, "criterion")]
