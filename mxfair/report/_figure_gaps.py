"""What a report on regression compares between groups: distances of predictions, and differences of figures."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import one_of
from mxfair.group_metric import Gap, GroupMetric, PairMetric
from mxfair.report._chance import chance_of_largest
from mxfair.report._format import few, joined, lower, number, one_line
from mxfair.report._gaps import CriterionGap

if TYPE_CHECKING:
    from mxfair.report._regression import RegressionEvaluation


@dataclass(frozen=True)
class FigureCriterion:
    """A row of the table of gaps of a regression.

    Parameters
    ----------
    name : str
        Name of the figure or distance, as in `mxfair.metric`.
    phrase : str
        What it is, for the middle of a sentence.
    meaning : str, default=""
        What it is, in a sentence, where its column in the table of figures does not say so.
    """

    name: str
    phrase: str
    meaning: str = ""


#: Distances between the groups' distributions of predictions: their noise floor takes the place of an interval.
DISTANCES = ("ks_distance", "wasserstein_distance")
#: The largest error itself, rather than a difference.
WORST = "bounded_group_loss"
FIGURE_CRITERIA = {
    criterion.name: criterion
    for criterion in (
        FigureCriterion(
            "ks_distance",
            "KS distance of the predictions",
            "Parity of predictions: the largest difference, over all thresholds, between the shares of two groups "
            "that are predicted above it. From 0 to 1, and not made smaller by shrinking all predictions.",
        ),
        FigureCriterion(
            "wasserstein_distance",
            "W1 distance of the predictions",
            "Parity of predictions: the mean distance between the predictions of two groups at the same rank, "
            "in the unit of the label.",
        ),
        FigureCriterion("mean_prediction", "difference in mean prediction"),
        FigureCriterion(
            WORST,
            "largest RMSE",
            "Parity of errors: the RMSE of the group that is served worst, which bounded group loss lowers. A smaller "
            "difference in RMSE is none where both groups only get worse.",
        ),
        FigureCriterion("root_mean_squared_error", "difference in RMSE"),
        FigureCriterion("mean_absolute_error", "difference in MAE"),
        FigureCriterion("mean_error", "difference in bias"),
        FigureCriterion("r2_score", "difference in R2"),
    )
}
#: Criteria of the training by the figure that shows what they did.
_SYNONYMS = {"demographic_parity": "ks_distance"}


def figure_criterion(criterion: Any) -> FigureCriterion:
    """Return a row by its name, or by the name of the criterion that a net was trained for."""
    if isinstance(criterion, FigureCriterion):
        return criterion
    criterion = getattr(criterion, "name", criterion)
    criterion = _SYNONYMS.get(criterion, criterion) if isinstance(criterion, str) else criterion
    return FIGURE_CRITERIA[one_of(criterion, FIGURE_CRITERIA, "criterion")]


@dataclass(frozen=True)
class FigureGap(CriterionGap):
    """A gap of a regression, with an interval or, for distances, with what chance alone gives."""

    floor: float = math.nan
    is_distance: bool = False

    @property
    def note(self) -> str:
        """What to read the gap beside: 'chance 0.071', or the interval."""
        if self.is_distance:
            return "" if math.isnan(self.floor) else f"chance {number(self.floor, digits=self.digits)}"
        return super().note

    def pair(self, *, with_rate: bool) -> str:
        """Return 'men / women', or the worst group alone."""
        alone = self.largest is not None and self.largest.low is None
        return one_line(self.largest.high, 40) if alone and self.largest else super().pair(with_rate=with_rate)

    def in_words(self) -> str:
        """Return 'men and women; chance alone gives 0.071', or 'RMSE: men 0.2, women 0.1; 0.05 to 0.15'."""
        if self.largest is None:
            return ""
        if self.largest.low is None:
            return one_line(self.largest.high, 40)
        if self.is_distance:
            both = joined([one_line(self.largest.high, 40), one_line(self.largest.low, 40)])
            return f"{both}; chance alone gives {number(self.floor, digits=self.digits)}"
        names = [one_line(name, 40) for name in (self.largest.high, self.largest.low)]
        values = ", ".join(f"{n} {number(v, digits=self.digits)}" for n, v in zip(names, self.values))
        interval = f"; 95 % interval of the difference {self.note}" if self.note else ""
        return f"{lower(self.largest.rate)}: {values}{interval}"


def figure_gap(criterion: FigureCriterion, evaluation: RegressionEvaluation, min_support: float = 0) -> FigureGap:
    """Return a gap of one model; groups with fewer samples than asked for are left out."""
    digits = evaluation.digits(criterion.name)
    few_behind = evaluation.support < min_support
    scarce = tuple((criterion.name, g) for g, left_out in zip(evaluation.table.groups, few_behind) if left_out)
    if criterion.name in DISTANCES:
        pairs = evaluation.distances.get(criterion.name)
        if pairs is None:  # a state without histograms
            nothing, groups = math.nan, tuple((criterion.name, group) for group in evaluation.table.groups)
            return FigureGap(nothing, None, (nothing, nothing), False, False, groups, digits=digits, is_distance=True)
        pairs = replace(pairs, known=pairs.known & ~few_behind)
        gap = _distance(pairs, chance_of_largest(pairs, *evaluation.distribution), digits)
    else:
        metric = evaluation.table.metric("root_mean_squared_error" if criterion.name == WORST else criterion.name)
        metric = replace(metric, known=metric.known & ~few_behind)
        of = _worst if criterion.name == WORST else _of_figure
        gap = of(metric, evaluation, digits, min_support)
    return replace(gap, scarce=scarce)


def _distance(metric: PairMetric, floor: float, digits: int) -> FigureGap:
    pair, value = metric.pair(), metric.max()
    undefined = tuple((metric.name, g) for g, n, k in zip(metric.groups, metric.support, metric.known) if k and not n)
    nothing = math.nan, math.nan
    if pair is None:
        return FigureGap(value, None, nothing, False, False, undefined, digits=digits, is_distance=True)
    a, b = (metric.groups.index(group) for group in pair)
    scarce = any(few(metric.support[place]) for place in (a, b))
    gap = Gap(metric.name, value, *pair, undefined=tuple(group for _, group in undefined))
    return FigureGap(value, gap, nothing, scarce, False, undefined, digits=digits, floor=floor, is_distance=True)


def _worst(metric: GroupMetric, evaluation: RegressionEvaluation, digits: int, min_support: float) -> FigureGap:
    value, nothing = metric.group_max(), (math.nan, math.nan)
    undefined = tuple((metric.name, group) for group in metric.gap().undefined)
    if math.isnan(value):
        return FigureGap(value, None, nothing, False, False, undefined, digits=digits)
    place = int(np.nanargmax(metric.compared))
    gap = Gap(metric.name, value, metric.groups[place], None, undefined=tuple(group for _, group in undefined))
    scarce = few(metric.support[place])
    interval = evaluation.interval_of_worst(metric.name, min_support=min_support)
    return FigureGap(value, gap, (value, math.nan), scarce, False, undefined, digits=digits, interval=interval)


def _of_figure(metric: GroupMetric, evaluation: RegressionEvaluation, digits: int, min_support: float) -> FigureGap:
    gap = metric.gap()
    undefined = tuple((metric.name, group) for group in gap.undefined)
    if np.isnan(gap.value) or gap.high is None or gap.low is None:
        return FigureGap(gap.value, None, (math.nan, math.nan), False, False, undefined, digits=digits)
    places = [metric.groups.index(group) for group in (gap.high, gap.low)]
    high, low = (float(metric.values[place]) for place in places)
    scarce = any(few(metric.support[place]) for place in places)
    interval = evaluation.interval(metric.name, min_support=min_support)
    return FigureGap(gap.value, gap, (high, low), scarce, False, undefined, digits=digits, interval=interval)
