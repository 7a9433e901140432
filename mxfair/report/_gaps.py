"""The gap of a criterion with what stands behind it: which rate, which pair of groups, how many samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair import _disparity
from mxfair.criterion import Criterion
from mxfair.group_metric import Gap, GroupMetric
from mxfair.report._evaluation import Evaluation
from mxfair.report._format import few, interval_text, lower, number, one_line
from mxfair.report._settings import Settings


@dataclass(frozen=True)
class CriterionGap:
    """The gap of one criterion for one model.

    Parameters
    ----------
    value : float
        The criterion's difference; NaN where it could not be measured.
    largest : Gap or None
        The rate with the largest gap; None where none is defined.
    values : tuple of float
        That rate in the two groups that set the gap, the higher one first.
    few : bool
        Whether a group that sets it has too few samples to trust its rate.
    one_of_several : bool
        Whether the criterion compares several rates, so that the rate must be named.
    undefined : tuple of (str, str)
        Rates and known groups that the gap does not cover.
    digits : int, default=3
        Decimals that it is shown with.
    interval : tuple of float
        Its 95 % interval; NaN where there is none.
    scarce : tuple of (str, str)
        Rates and groups left out because fewer samples than asked for stand behind them.
    """

    value: float
    largest: Gap | None
    values: tuple[float, float]
    few: bool
    one_of_several: bool
    undefined: tuple[tuple[str, str], ...]
    digits: int = 3
    interval: tuple[float, float] = (math.nan, math.nan)
    scarce: tuple[tuple[str, str], ...] = ()

    @property
    def note(self) -> str:
        """What to read the gap beside: its interval, '0.21 to 0.29'."""
        return interval_text(self.interval, self.digits)

    def in_words(self) -> str:
        """Return 'true positive rate: Male 0.575, Female 0.488', or an empty text."""
        if self.largest is None:
            return ""
        if self.largest.high is None:
            return f"{lower(self.largest.rate)}: mean over all pairs of groups"
        if self.values[0] == self.values[1]:
            return f"{lower(self.largest.rate)}: equal in all groups"
        names = one_line(self.largest.high, 40), one_line(self.largest.low, 40)
        return f"{lower(self.largest.rate)}: " + ", ".join(f"{n} {number(v)}" for n, v in zip(names, self.values))

    def pair(self, *, with_rate: bool) -> str:
        """Return 'Male / Female (true positive rate)', or an empty text."""
        if self.largest is None:
            return ""
        if self.largest.high is None:
            return "mean over pairs"
        if self.values[0] == self.values[1]:
            return "all equal"
        pair = f"{one_line(self.largest.high, 40)} / {one_line(self.largest.low, 40)}"
        return f"{pair} ({lower(self.largest.rate)})" if with_rate else pair


def criterion_gap(
    criterion: Criterion, evaluation: Evaluation, settings: Settings, interval: tuple[float, float]
) -> CriterionGap:
    """Return the gap of a criterion for one model, as the settings have it, with its interval."""
    chosen = settings.comparison(evaluation.adapt(criterion))
    tables = chosen.criterion.tables(evaluation.table)
    scarce = tuple((name, g) for name, t in tables.items() for g, few_ in zip(t.groups, settings.scarce(t)) if few_)
    tables = {name: settings.enough(table) for name, table in tables.items()}
    options: dict[str, Any] = {"compare": chosen.compare, "reference": chosen.reference}
    gaps = [table.gap(signed=chosen.criterion.agg == "signed", **options) for table in tables.values()]
    undefined = tuple((gap.rate, g) for gap in gaps for g in gap.undefined if (gap.rate, g) not in scarce)
    value = chosen.sign * float(_disparity.aggregate(np.array([gap.value for gap in gaps]), chosen.criterion.agg))
    rest: dict[str, Any] = {"one_of_several": len(gaps) > 1, "undefined": undefined, "scarce": scarce}
    defined = [gap for gap in gaps if not np.isnan(gap.value)]
    if not defined or np.isnan(value):
        return CriterionGap(value, None, (math.nan, math.nan), False, **rest)
    largest = max(defined, key=lambda gap: abs(gap.value))
    ends = [_value_of(tables[largest.rate], group) for group in (largest.high, largest.low)]
    few_behind = any(few(given) for _, given in ends)
    return CriterionGap(value, largest, (ends[0][0], ends[1][0]), few_behind, interval=interval, **rest)


def _value_of(metric: GroupMetric, group: str | None) -> tuple[float, float]:
    """Return the figure and the support of a group, or of all samples."""
    if group in metric.groups:
        place = metric.groups.index(group)
        return float(metric.values[place]), float(metric.support[place])
    return (math.nan if group is None else metric.overall), float(metric.support.sum())
