"""The gap of a criterion with what stands behind it: which rate, which pair of groups, how many samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mxfair.criterion import Criterion
from mxfair.group_metric import Gap
from mxfair.report._evaluation import Evaluation
from mxfair.report._format import few, lower, number, one_line


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
    """

    value: float
    largest: Gap | None
    values: tuple[float, float]
    few: bool
    one_of_several: bool
    undefined: tuple[tuple[str, str], ...]
    digits: int = 3

    @property
    def note(self) -> str:
        """What to read the gap beside; nothing for decisions."""
        return ""

    def in_words(self) -> str:
        """Return 'true positive rate: Male 0.575, Female 0.488', or an empty text."""
        if self.largest is None:
            return ""
        if self.values[0] == self.values[1]:
            return f"{lower(self.largest.rate)}: equal in all groups"
        names = one_line(self.largest.high, 40), one_line(self.largest.low, 40)
        return f"{lower(self.largest.rate)}: " + ", ".join(f"{n} {number(v)}" for n, v in zip(names, self.values))

    def pair(self, *, with_rate: bool) -> str:
        """Return 'Male / Female (true positive rate)', or an empty text."""
        if self.largest is None:
            return ""
        if self.values[0] == self.values[1]:
            return "all equal"
        pair = f"{one_line(self.largest.high, 40)} / {one_line(self.largest.low, 40)}"
        return f"{pair} ({lower(self.largest.rate)})" if with_rate else pair


def criterion_gap(criterion: Criterion, evaluation: Evaluation) -> CriterionGap:
    """Return the gap of a criterion for one model."""
    criterion = evaluation.adapt(criterion)
    gaps, tables = criterion.gaps(evaluation.table), criterion.tables(evaluation.table)
    undefined = tuple((gap.rate, group) for gap in gaps for group in gap.undefined)
    value = criterion.difference(evaluation.table)
    defined = [gap for gap in gaps if not np.isnan(gap.value)]
    if not defined or np.isnan(value):
        return CriterionGap(value, None, (float("nan"), float("nan")), False, len(gaps) > 1, undefined)
    largest = max(defined, key=lambda gap: gap.value)
    rates = tables[largest.rate]
    places = [rates.groups.index(str(group)) for group in (largest.high, largest.low)]
    high, low = (float(rates.values[place]) for place in places)
    scarce = any(few(rates.denominator[place]) for place in places)
    return CriterionGap(value, largest, (high, low), scarce, len(gaps) > 1, undefined)
