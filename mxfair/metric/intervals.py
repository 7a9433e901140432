"""Confidence intervals of figures by group and of their gaps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair import _disparity
from mxfair._validation import InputError, generator, positive_integer
from mxfair.criterion import CRITERIA, Criterion, criterion_named
from mxfair.group_metric import GroupMetric
from mxfair.metric import _draws
from mxfair.metric._draws import Draws
from mxfair.metric._inputs import Figure, Inputs, figures
from mxfair.rate import Rate
from mxfair.uncertainty import bias_corrected_interval, check_level, gap_interval, wilson_interval

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["confidence_intervals"]

_COLUMNS = ["value", "low", "high", "support", "method", "note"]
#: A figure that more than this share of the resamples leaves undefined has no interval.
MAX_UNDEFINED = 0.05


def confidence_intervals(
    labels: Any,
    preds: Any,
    groups: Any,
    *,
    metrics: Any = None,
    criteria: Any = None,
    scores: Any = None,
    sample_weight: Any = None,
    positive: Any = None,
    classes: Any = None,
    task: str | None = None,
    level: float = 0.95,
    n_resamples: int = 1000,
    min_support: float = 0,
    compare: str = "max_min",
    reference: Any = None,
    seed: Any = None,
) -> pd.DataFrame:
    """Return confidence intervals of figures by group, of their differences and ratios, and of criteria.

    Shares of unweighted samples have Wilson's interval. All others come from a bootstrap over the rows: decisions from
    multinomial draws over the counts, which is the same bootstrap without the rows; weighted samples, regression and
    scores from Poisson draws. Intervals of gaps may reach parity, see `mxfair.uncertainty.gap_interval`.

    Parameters
    ----------
    labels, preds, groups, metrics, scores, sample_weight, positive, classes, task
        As for `evaluate`.
    criteria : str, Criterion or list of these, optional
        Criteria whose difference and ratio are given too. Default for classification: all of
        ``mxfair.criterion.CRITERIA``; for regression there are none.
    level : float, default=0.95
        Confidence level of each interval by itself.
    n_resamples : int, default=1000
        Bootstrap resamples.
    min_support : float, default=0
        Groups with fewer samples behind a figure are shown, with a note, and left out of its gaps.
    compare : {"max_min", "to_overall", "to_reference", "pairwise_mean"}, default="max_min"
        Which values a gap is taken between.
    reference : str, optional
        The group for ``compare="to_reference"``.
    seed : int or numpy.random.Generator, optional
        Default: fresh entropy, so that intervals differ a little from call to call.

    Returns
    -------
    pandas.DataFrame
        Index (metric, kind, group), kind being "group", "overall", "difference" or "ratio"; columns value, low, high,
        support, method and note. An interval that cannot be given is NaN, and the note says why.

    Raises
    ------
    InputError
        If an argument cannot be used.

    Notes
    -----
    Where a metric is a function, or the expected calibration error, it is computed anew for each resample. Percentile
    intervals of a largest gap never contain parity; these do, and where two groups or more are alike they are somewhat
    too wide (up to 98 % coverage for a level of 95 %).

    Examples
    --------
    >>> from mxfair import metric
    >>> labels, preds, groups = [1, 0] * 50, [1, 0, 1, 1] * 25, ["a"] * 48 + ["b"] * 52
    >>> table = metric.confidence_intervals(labels, preds, groups, metrics="selection_rate", criteria=[], seed=0)
    >>> table.loc[("selection_rate", "group", "a"), ["value", "low", "high"]].round(2).tolist()
    [0.75, 0.61, 0.85]
    >>> bool(table.loc[("selection_rate", "difference", ""), "low"] == 0)
    True
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
    return intervals_of(
        figures(metrics, inputs),
        inputs,
        criteria=criteria,
        level=level,
        n_resamples=n_resamples,
        min_support=min_support,
        compare=compare,
        reference=reference,
        seed=seed,
    )


def intervals_of(
    found: Sequence[Figure],
    inputs: Inputs,
    *,
    criteria: Any = None,
    level: float = 0.95,
    n_resamples: int = 1000,
    min_support: float = 0,
    compare: str = "max_min",
    reference: Any = None,
    seed: Any = None,
) -> pd.DataFrame:
    """Return the intervals of figures that were asked for already."""
    import pandas as pd

    check_level(level)
    positive_integer(n_resamples, "n_resamples", minimum=20, hint="Draw 1,000 for a 95 % interval")
    reference = None if reference is None else str(reference)
    place = _disparity.check(compare, reference, inputs.groups.names)
    chosen = _criteria(criteria, inputs)
    rows = _Rows(level, min_support, compare, place, inputs.sample_weight is None and inputs.preds.ndim == 1)
    rng = generator(seed)
    rates = [figure for figure in found if figure.kind == "rate"]
    moments = [figure for figure in found if figure.kind == "moment"]
    of_rates, of_criteria = _draws.of_rates(rates, chosen, inputs, n_resamples, rng) if rates or chosen else ([], [])
    of_moments = _draws.of_moments(moments, inputs, n_resamples, rng) if moments else []
    for figure in found:
        if figure.kind == "rate":
            draws = of_rates[rates.index(figure)]
        elif figure.kind == "moment":
            draws = of_moments[moments.index(figure)]
        elif figure.kind == "score":
            draws = _draws.of_score(figure, inputs, n_resamples, rng)
        else:
            draws = _draws.of_rows(figure, inputs, n_resamples, rng)
        rows.add_figure(figure, figure.of(inputs), draws)
    for criterion, draws_of_rates in zip(chosen, of_criteria):
        rows.add_criterion(criterion, list(criterion.tables(inputs.counts).values()), draws_of_rates)
    index = pd.MultiIndex.from_tuples(rows.index, names=["metric", "kind", "group"])
    return pd.DataFrame(rows.rows, index=index, columns=_COLUMNS)


def _criteria(criteria: Any, inputs: Inputs) -> list[Criterion]:
    if criteria is None:
        criteria = CRITERIA.values() if inputs.task == "classification" else []
    elif inputs.task == "regression" and len(criteria):
        raise InputError("'criteria' must be left out for regression: they compare decisions. Name 'metrics' instead.")
    named = [criterion_named(c) for c in ([criteria] if isinstance(criteria, (str, Criterion)) else criteria)]
    return [c if c.positive is not None or inputs.positive is None else c.with_positive(inputs.positive) for c in named]


class _Rows:
    """The rows of the table of intervals."""

    def __init__(self, level: float, min_support: float, compare: str, reference: int | None, exact: bool) -> None:
        self._level, self._min_support, self._exact = level, min_support, exact
        self._compare, self._reference = compare, reference
        self.index: list[tuple[str, str, str]] = []
        self.rows: list[list[Any]] = []
        self._known: dict[Any, tuple[float, float]] = {}

    def add_figure(self, figure: Figure, metric: GroupMetric, draws: Draws) -> None:
        """Add the rows of one figure: groups, overall, difference and ratio."""
        wilson = self._exact and figure.kind == "rate" and isinstance(figure.what, Rate) and figure.what.share
        scarce = metric.support < self._min_support
        values, support = np.append(metric.values, metric.overall), np.append(metric.support, metric.support.sum())
        drawn = np.column_stack([draws.values, draws.overall])
        if wilson and metric.numerator is not None:
            bounds = wilson_interval(np.append(metric.numerator, metric.numerator.sum()), support, level=self._level)
            method = "Wilson"
        else:
            bounds = bias_corrected_interval(drawn, values, level=self._level)
            method = "bootstrap"
        lost = np.isnan(drawn).mean(axis=0)
        for place, group in enumerate((*metric.groups, "")):
            note = metric.undefined.get(group, "") if group else ""
            note = note or (f"fewer than {self._min_support:g} samples" if group and scarce[place] else "")
            low, high = bounds[0][place], bounds[1][place]
            if np.isnan(values[place]) or (method == "bootstrap" and lost[place] > MAX_UNDEFINED):
                low, high = np.nan, np.nan
                note = note or f"undefined in {lost[place]:.0%} of the resamples"
            kind = "group" if place < len(metric.groups) else "overall"
            self._add(metric.name, kind, group, values[place], low, high, support[place], method, note)
        self._add_gaps(metric.name, None, [metric], [draws])

    def add_criterion(self, criterion: Criterion, metrics: list[GroupMetric], draws: list[Draws]) -> None:
        """Add the two rows of a criterion."""
        self._add_gaps(criterion.name, criterion, metrics, draws)

    def _add_gaps(self, name: str, criterion: Criterion | None, metrics: list[GroupMetric], draws: list[Draws]) -> None:
        values = np.array([np.where(m.support < self._min_support, np.nan, m.compared) for m in metrics])
        drawn = np.stack([np.where(np.isnan(v), np.nan, d.values) for v, d in zip(values, draws)], axis=1)
        overall = np.array([m.overall for m in metrics]), np.stack([d.overall for d in draws], axis=1)
        there = ~np.isnan(values)
        support = min((float(m.support[ok].min()) for m, ok in zip(metrics, there) if ok.any()), default=0.0)
        agg = "max" if criterion is None else criterion.agg
        for kind in ("difference", "ratio"):
            value, resampled = (self._gap(kind, agg, v, o) for v, o in ((values, overall[0]), (drawn, overall[1])))
            key = (kind, agg, *map(id, draws))  # a criterion of one rate has that rate's interval
            if key not in self._known:
                self._known[key] = self._bounds(kind, agg, value, resampled, values, drawn, overall)
            low, high = self._known[key]
            note = self._note(kind, values, float(value))
            if not note and np.isnan(low):
                note = f"undefined in {np.isnan(resampled).mean():.0%} of the resamples"
            self._add(name, kind, "", float(value), low, high, support, "bootstrap", note)

    def _gap(self, kind: str, agg: str, values: np.ndarray, overall: np.ndarray) -> np.ndarray:
        function = _disparity.difference if kind == "difference" else _disparity.ratio
        gaps = function(values, overall, compare=self._compare, reference=self._reference, signed=agg == "signed")
        if kind == "ratio":
            return _disparity.aggregate(gaps, "max" if agg == "sum" else agg, worst="min")
        return _disparity.aggregate(gaps, agg)

    def _bounds(
        self,
        kind: str,
        agg: str,
        value: np.ndarray,
        resampled: np.ndarray,
        values: np.ndarray,
        drawn: np.ndarray,
        overall: tuple[np.ndarray, np.ndarray],
    ) -> tuple[float, float]:
        if np.isnan(value) or np.isnan(resampled).mean() > MAX_UNDEFINED:
            return float("nan"), float("nan")
        if agg != "max" or self._compare == "pairwise_mean":  # a mean of gaps: no single largest one
            low, high = bias_corrected_interval(resampled, value, level=self._level)
            return float(low), float(high)
        base, drawn_base = None, None
        if self._compare == "to_overall":
            base, drawn_base = overall
        elif self._compare == "to_reference":
            base, drawn_base = values[:, self._reference], drawn[..., self._reference]
        return gap_interval(drawn, values, drawn_base, base, ratio=kind == "ratio", level=self._level)

    def _note(self, kind: str, values: np.ndarray, value: float) -> str:
        if (~np.isnan(values)).sum(axis=1).min() < 2:
            return "fewer than two groups to compare"
        if kind == "ratio" and (np.isnan(value) or value <= 0):
            return "a value is 0 or negative: its ratio has no interval"
        return ""

    def _add(self, name: str, kind: str, group: str, *row: Any) -> None:
        self.index.append((name, kind, group))
        self.rows.append(list(row))
