"""Who is affected: each subgroup against the rest, and gaps within the levels of a control attribute."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import generator
from mxfair.metric._crossing import Crossing
from mxfair.metric.subgroup import _table_of
from mxfair.metric.subgroup_table import Subgroup, SubgroupTable
from mxfair.rate import RATES, Rate, class_index
from mxfair.report._certainty import NOTHING, draws_of, reason_for_none
from mxfair.report._change import errors_of
from mxfair.report._evaluation import Evaluation
from mxfair.report._gaps import criterion_gap
from mxfair.report._settings import Settings
from mxfair.resampling import multinomial_resamples

if TYPE_CHECKING:
    from mxfair.criterion import Criterion
    from mxfair.report._report import FairnessReport

#: Attributes crossed with each other, samples that a subgroup needs to be tested, and subgroups shown for each rate.
MAX_ORDER, MIN_SUPPORT, SHOWN = 3, 30, 6


def subgroup_tables(evaluation: Evaluation, criterion: Criterion) -> list[SubgroupTable]:
    """Return each rate of a criterion in every subgroup against the rest; accuracy for several classes."""
    table = evaluation.table
    if reason_for_none(evaluation):
        return []
    crossing, cells = _crossing(evaluation)
    found = []
    for rate in _rates(evaluation, criterion):
        place = class_index(table.classes, evaluation.positive) if rate.per_class else 0
        numerator, given = rate.masks(len(table.classes), place)
        counts = table.counts[cells]
        parts = (counts[:, mask].sum(axis=1) for mask in (numerator, given, given))
        sums = np.stack([counts.sum(axis=(1, 2)), *parts], axis=1)
        options: dict[str, Any] = {"max_order": MAX_ORDER, "min_support": MIN_SUPPORT, "correction": "holm"}
        found.append(_table_of(rate, crossing, sums, level=0.95, exact=True, **options))
    return found


def _rates(evaluation: Evaluation, criterion: Criterion) -> list[Rate]:
    """Return the shares of a criterion; accuracy where every class counts as positive in turn."""
    rates = [rate for rate in criterion.rates if isinstance(rate, Rate) and rate.share]
    if evaluation.positive is None:
        rates = [rate for rate in rates if not rate.per_class]
    accuracy = RATES["accuracy"]
    return rates or ([accuracy] if isinstance(accuracy, Rate) else [])


def _crossing(evaluation: Evaluation) -> tuple[Crossing, np.ndarray]:
    """Return the attributes that groups are crossings of, or the groups as one attribute, and the cells' groups."""
    table = evaluation.table
    columns = evaluation.attributes or {table.name: table.groups}
    cells = np.flatnonzero(table.support > 0)
    levels, places = [], []
    for values in columns.values():
        known = (
            [v for v, k in zip(values, table.known) if k and v != "unknown"]
            if evaluation.attributes
            else [v for v, k in zip(values, table.known) if k]
        )
        names = tuple(dict.fromkeys(known))
        where = {name: place for place, name in enumerate(names)}
        levels.append(names)
        places.append([where.get(values[cell], -1) if table.known[cell] else -1 for cell in cells])
    codes = np.zeros(0, dtype=np.int64)
    return Crossing(
        tuple(columns), tuple(levels), codes, np.array(places, dtype=np.int64).T.reshape(len(cells), -1)
    ), cells


def shown_subgroups(table: SubgroupTable) -> list[Subgroup]:
    """Return the tested subgroups that differ most from the rest, the furthest first."""
    tested = [row for row in table.tested if not math.isnan(row.difference)]
    kept = tested[:1] if len(tested) == 2 else tested  # of two, one is the others of the other
    return sorted(kept, key=lambda row: -abs(row.difference))[:SHOWN]


@dataclass(frozen=True)
class Conditional:
    """A criterion's gap within each level of a control attribute.

    Parameters
    ----------
    levels : tuple of str
    support : tuple of float
        Samples of each level.
    gaps : tuple of float
        NaN where a level has fewer than two groups to compare.
    mean : float
        Their mean, weighted by the samples; levels without a gap are left out.
    interval : tuple of float
        The mean's 95 % interval.
    """

    levels: tuple[str, ...]
    support: tuple[float, ...]
    gaps: tuple[float, ...]
    mean: float
    interval: tuple[float, float]


def conditional(report: FairnessReport, evaluation: Evaluation, criterion: Criterion) -> Conditional:
    """Return a criterion's gap within the levels of the control attribute."""
    settings: Settings = report.settings
    levels = list(evaluation.strata)
    parts = [_stratum(evaluation, level) for level in levels]
    gaps = [criterion_gap(criterion, part, settings, NOTHING).value for part in parts]
    support = [part.n_samples for part in parts]
    there = [i for i, gap in enumerate(gaps) if not math.isnan(gap)]
    if not there:
        return Conditional(tuple(levels), tuple(support), tuple(gaps), math.nan, NOTHING)
    weights = np.array([support[i] for i in there])
    weights = weights / weights.sum()
    mean = float(sum(w * gaps[i] for w, i in zip(weights, there)))
    interval = _interval([parts[i] for i in there], weights, mean, criterion, settings)
    return Conditional(tuple(levels), tuple(support), tuple(gaps), mean, interval)


def _stratum(evaluation: Evaluation, level: str) -> Evaluation:
    return Evaluation(level, evaluation.strata[level], positive=evaluation.positive)


def _interval(
    parts: list[Evaluation], weights: np.ndarray, mean: float, criterion: Criterion, settings: Settings
) -> tuple[float, float]:
    """Return the interval of a weighted mean of gaps, each level drawn apart."""
    if any(reason_for_none(part) for part in parts):
        return NOTHING
    rng = generator(0)
    shortfall, error = np.zeros(1), np.zeros(1)
    size = draws_of(max(part.table.counts.size for part in parts))
    for part, weight in zip(parts, weights):
        drawn = np.concatenate(list(multinomial_resamples(part.table.counts, size, rng)))
        found = errors_of(part, criterion, settings, drawn, rng)
        if found is None:
            return NOTHING
        shortfall, error = shortfall + weight * found.shortfall, error + weight * found.error
    low, high = mean - float(np.quantile(shortfall, 0.975)), mean + float(np.quantile(error, 0.975))
    low, high = min(low, mean), max(high, mean)  # draws of tiny groups are smoothed
    signed = settings.comparison(criterion).criterion.agg == "signed"
    return (float(low), float(high)) if signed else (max(0.0, float(low)), max(0.0, float(high)))
