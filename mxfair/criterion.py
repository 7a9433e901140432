"""Criterion: the rates that should be equal between groups, and how their gaps become one number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mxfair import _disparity
from mxfair._validation import InputError, InputTypeError, one_of
from mxfair.confusion import GroupConfusion
from mxfair.group_metric import Gap, GroupMetric
from mxfair.rate import CompositeRate, Rate, class_index, rate_named

__all__ = ["ALL_CRITERIA", "CRITERIA", "Criterion", "LossCriterion", "criterion_named"]


class Criterion:
    """Rates that should be equal between groups.

    Parameters
    ----------
    name : str
        Name in tables, in the field's spelling.
    rates : Rate, CompositeRate, str or list of these
        The rates to equalise.
    agg : {"max", "mean", "sum", "signed"}, default="max"
        How the rates' gaps become one number; the worst case by default. "signed" is the mean of signed distances, in
        which errors cancel: it is given for comparison with published figures, and 0 does not mean parity.
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
        names = [rate.name for rate in self.rates]
        if len(set(names)) < len(names):
            raise InputError(f"'rates' must have different names; got {', '.join(names)}. Rename one of them.")
        self.agg = one_of(agg, _disparity.AGG, "agg")
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

    def rate_classes(self, classes: np.ndarray) -> list[tuple[Rate | CompositeRate, int]]:
        """Return each rate with the index of the class that counts as positive in it.

        Parameters
        ----------
        classes : ndarray of shape (n_classes,)

        Returns
        -------
        list of (Rate or CompositeRate, int)
        """
        if not any(rate.per_class for rate in self.rates):
            places = [0]
        elif self.positive is not None or len(classes) <= 2:
            places = [class_index(classes, self.positive)]
        else:
            places = list(range(len(classes)))
        return [(rate, place) for rate in self.rates for place in (places if rate.per_class else places[:1])]

    def tables(self, table: GroupConfusion) -> dict[str, GroupMetric]:
        """Return the criterion's rates by group.

        Parameters
        ----------
        table : GroupConfusion

        Returns
        -------
        dict of str to GroupMetric
            With more than two classes and no stated positive one, a rate appears once per class.
        """
        pairs = self.rate_classes(table.classes)
        several = len({place for rate, place in pairs if rate.per_class}) > 1
        metrics = {}
        for rate, place in pairs:
            name = f"{rate.name}[{table.classes[place]}]" if several and rate.per_class else rate.name
            metrics[name] = replace(rate(table, positive=place), name=name)
        return metrics

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
        signed = self.agg == "signed"
        return [rates.gap(compare=compare, reference=reference, signed=signed) for rates in self.tables(table).values()]

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
        return float(self.differences(table, table.counts, compare=compare, reference=reference))

    def ratio(self, table: GroupConfusion, *, compare: str = "max_min", reference: str | None = None) -> float:
        """Return the smallest rate divided by the largest, the worst over the rates: 1 is parity.

        Parameters
        ----------
        table : GroupConfusion
        compare, reference
            As for `gaps`. Towards a base it is the smaller of rate / base and base / rate; with ``agg="signed"`` it is
            rate / base.

        Returns
        -------
        float
            NaN where a rate is 0 in every group or defined for fewer than two groups. With ``agg="mean"`` or
            ``"signed"`` the mean over the rates.
        """
        return float(self.ratios(table, table.counts, compare=compare, reference=reference))

    def differences(
        self, table: GroupConfusion, counts: np.ndarray, *, compare: str = "max_min", reference: str | None = None
    ) -> np.ndarray:
        """Return the disparity of many tables at once, bootstrap resamples say.

        Parameters
        ----------
        table : GroupConfusion
            The table whose groups and classes the counts have.
        counts : array of shape (..., n_groups, n_classes, n_classes)
        compare, reference
            As for `gaps`.

        Returns
        -------
        ndarray of shape (...)
        """
        gaps = self._compared(_disparity.difference, table, counts, compare, reference)
        return _disparity.aggregate(gaps, self.agg)

    def ratios(
        self, table: GroupConfusion, counts: np.ndarray, *, compare: str = "max_min", reference: str | None = None
    ) -> np.ndarray:
        """Return the ratio of many tables at once, bootstrap resamples say.

        Parameters
        ----------
        table : GroupConfusion
            The table whose groups and classes the counts have.
        counts : array of shape (..., n_groups, n_classes, n_classes)
        compare, reference
            As for `gaps`.

        Returns
        -------
        ndarray of shape (...)
        """
        ratios = self._compared(_disparity.ratio, table, counts, compare, reference)
        return _disparity.aggregate(ratios, "max" if self.agg == "sum" else self.agg, worst="min")

    def _compared(
        self, method: Any, table: GroupConfusion, counts: np.ndarray, compare: str, reference: str | None
    ) -> np.ndarray:
        """Return the gap of each rate, on the last axis."""
        signed = self.agg == "signed"
        compare, place = _disparity.settle(compare, reference, table.groups, signed=signed)
        options: dict[str, Any] = {"compare": compare, "reference": place, "signed": signed}
        overall, gaps = counts.sum(axis=-3), []
        pairs = self.rate_classes(table.classes)
        for rate in self.rates:
            places = [positive for other, positive in pairs if other is rate]
            values, base = (
                rate.each(of)[..., places] if len(places) > 1 else rate.values(of, places[0])[..., None]
                for of in (counts, overall)
            )
            values = np.where(table.known, np.moveaxis(values, -1, -2), np.nan)
            gaps.append(method(values, base if compare == "to_overall" else np.full(base.shape, np.nan), **options))
        return np.concatenate(gaps, axis=-1)

    def __repr__(self) -> str:
        return f"Criterion({self.name}: {', '.join(rate.name for rate in self.rates)})"


class LossCriterion(Criterion):
    """The mean loss of each group should be equal, or the largest small: a criterion of losses, not of decisions.

    Batch selection takes it; reports and metrics of decisions do not.

    Parameters
    ----------
    name : str, default="bounded_group_loss"
        Name in tables.

    References
    ----------
    Agarwal, Dudik and Wu, "Fair Regression: Quantitative Definitions and Reduction-Based Algorithms", ICML 2019,
    definition 2.

    Examples
    --------
    >>> import numpy as np
    >>> LossCriterion().loss_difference(np.array([[0.5, 0.2]]), np.array([[10, 30]]))
    0.3
    """

    def __init__(self, name: str = "bounded_group_loss") -> None:
        if not isinstance(name, str):
            raise InputTypeError(f"'name' must be text; got {name!r}.")
        self.name, self.rates, self.agg, self.positive = name, (), "max", None

    def with_positive(self, positive: Any) -> Criterion:
        """Return the criterion itself: no class counts as positive in it.

        Parameters
        ----------
        positive : label value

        Returns
        -------
        Criterion
        """
        return self

    def tables(self, table: GroupConfusion) -> dict[str, GroupMetric]:
        """Raise, since decisions have no losses.

        Parameters
        ----------
        table : GroupConfusion

        Returns
        -------
        dict of str to GroupMetric
            Never.
        """
        raise InputError(
            f"{self.name} must be measured by losses; got decisions. Use mxfair.metric.bounded_group_loss."
        )

    def loss_difference(self, loss: np.ndarray, counts: np.ndarray) -> float:
        """Return the largest minus the smallest mean loss of a group: 0 is parity.

        Parameters
        ----------
        loss : ndarray of shape (n_labels, n_groups)
            Mean loss of each cell; NaN where it has no samples.
        counts : ndarray of shape (n_labels, n_groups)
            Samples of each cell.

        Returns
        -------
        float
        """
        total = counts.sum(axis=0)
        by_group = np.nansum(np.where(counts > 0, loss, 0.0) * counts, axis=0)[total > 0] / total[total > 0]
        return float(by_group.max() - by_group.min()) if len(by_group) > 1 else float("nan")


#: The criteria that reports show by default, by name.
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

#: All criteria by name: those of the reports, and those that only the metric functions use.
ALL_CRITERIA: dict[str, Criterion] = {
    **CRITERIA,
    **{
        criterion.name: criterion
        for criterion in (
            Criterion("average_odds", ["true_positive_rate", "false_positive_rate"], agg="mean"),
            Criterion("conditional_use_accuracy", ["positive_predictive_value", "negative_predictive_value"]),
            Criterion("treatment_equality", "treatment_equality"),
            Criterion("conditional_acceptance", "conditional_acceptance"),
            Criterion("conditional_rejection", "conditional_rejection"),
        )
    },
}


#: Other names of the criteria, for the hint in an error.
_SYNONYMS = {
    **dict.fromkeys(("statistical_parity", "disparate_impact", "independence"), "demographic_parity"),
    **dict.fromkeys(("equalised_odds", "separation"), "equalized_odds"),
    **dict.fromkeys(("predictive_rate_parity", "sufficiency"), "predictive_parity"),
    **dict.fromkeys(("overall_accuracy_equality", "accuracy_equality"), "accuracy_parity"),
}


def criterion_named(criterion: str | Criterion, *, losses: bool = False) -> Criterion:
    """Return a criterion given by name or as it is.

    Parameters
    ----------
    criterion : str or Criterion
    losses : bool, default=False
        Whether criteria of losses ("bounded_group_loss") are among the names.

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
    names = {**ALL_CRITERIA, "bounded_group_loss": LossCriterion()} if losses else ALL_CRITERIA
    return names[one_of(criterion, names, "criterion", _SYNONYMS)]
