"""What a report on regression takes from sums and histograms where the rows are not at hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import generator
from mxfair.residuals import GroupResiduals
from mxfair.residuals._moments import ABS, EE, UU, VV, WEIGHT, E, U, V
from mxfair.uncertainty import gap_interval

if TYPE_CHECKING:
    import pandas as pd

#: Draws from the normal distribution for the interval of a difference.
_DRAWS = 2000
_LEVEL, _PLACE = 0.95, 1.959963984540054
#: By figure, the place of its sum and of the sum of its squares; the moments are about a shift of the group.
_MEANS = {"mean_label": (U, UU), "mean_prediction": (V, VV), "mean_error": (E, EE), "mean_absolute_error": (ABS, EE)}


def has_histograms(table: GroupResiduals) -> bool:
    """Return whether a state has a range to count distributions in."""
    return table._histograms is not None


def bin_edges(table: GroupResiduals, of: str = "predictions") -> tuple[np.ndarray, np.ndarray]:
    """Return the edges of the bins, shape (bins + 1,), and the counts, shape (n_groups, bins + 2), outer ones first."""
    counted = table._counted()
    counts, width = counted.of(of)
    start = counted.low if of == "predictions" else counted.low - counted.high
    return start + width * np.arange(counted.bins + 1), counts


def distribution_function(evaluation: Any, place: int) -> tuple[np.ndarray, np.ndarray]:
    """Return sorted predictions of a group, or upper edges of bins, and the shares of the group at most there."""
    if evaluation.has_rows:
        values = np.sort(evaluation.preds[evaluation.groups.codes == place])
        return values, np.arange(1, len(values) + 1) / max(len(values), 1)
    edges, counts = bin_edges(evaluation.table)
    total = counts[place].sum()
    if not total > 0:
        return edges[:0], edges[:0]
    return edges, np.cumsum(counts[place])[:-1] / total


def of_predictions(evaluation: Any, places: Sequence[float]) -> np.ndarray:
    """Return quantiles of the predictions over all samples."""
    if evaluation.has_rows:
        return np.quantile(evaluation.preds, places)
    edges, counts = bin_edges(evaluation.table)
    return quantiles(edges, counts.sum(axis=0), places)


def of_residuals(evaluation: Any, place: int, places: Sequence[float]) -> np.ndarray:
    """Return quantiles of a group's residuals; NaN for a group without samples."""
    if evaluation.has_rows:
        part = (evaluation.preds - evaluation.labels)[evaluation.groups.codes == place]
        return np.quantile(part, places) if len(part) else np.full(len(places), np.nan)
    edges, counts = bin_edges(evaluation.table, "errors")
    return quantiles(edges, counts[place], places)


def size_of_labels(table: GroupResiduals) -> tuple[float, float]:
    """Return about the largest size of a label, and the labels' standard deviation."""
    sums, shift = table._moments.pooled(table.sums)
    n, mean = sums[WEIGHT], shift[0] + sums[U] / sums[WEIGHT]
    spread = math.sqrt(max(0.0, float(sums[UU] / n - (sums[U] / n) ** 2)))
    return abs(float(mean)) + 2 * spread, spread


def quantiles(edges: np.ndarray, counts: np.ndarray, places: Sequence[float]) -> np.ndarray:
    """Return quantiles of one group's histogram, linear inside a bin; what lies outside counts as at the ends."""
    inside = counts[1:-1].copy()
    inside[0] += counts[0]
    inside[-1] += counts[-1]
    heaped = np.concatenate([[0.0], np.cumsum(inside)])
    if not heaped[-1] > 0:
        return np.full(len(places), np.nan)
    rising = np.concatenate([[True], np.diff(heaped) > 0])
    return np.interp(np.asarray(places) * heaped[-1], heaped[rising], edges[rising])


def intervals(table: GroupResiduals, names: Sequence[str], min_support: float = 0) -> pd.DataFrame:
    """Return intervals in the form of `mxfair.metric.confidence_intervals`, from the normal distribution of means.

    The variance of a mean comes from sums of squares; that of a mean square from the histogram of errors. With weights
    the number of samples is Kish's effective one, which takes weights not to go with the values.
    """
    import pandas as pd

    rng = generator(0)
    index, rows = [], []
    for name in names:
        metric = table.metric(name)
        values = np.append(metric.values, metric.overall)
        error = np.append(_errors(table, name), _overall_error(table, name))
        low, high = values - _PLACE * error, values + _PLACE * error
        drawn = metric.values + rng.normal(size=(_DRAWS, len(metric.values))) * error[:-1]
        compared = np.where(table.support < min_support, np.nan, metric.compared)
        ends = gap_interval(drawn[:, None, :], compared[None, :], level=_LEVEL)
        if np.isnan(error[:-1][~np.isnan(compared)]).any():
            ends = math.nan, math.nan
        for place, group in enumerate(metric.groups):
            index.append((name, "group", group))
            rows.append((values[place], low[place], high[place]))
        index += [(name, "overall", ""), (name, "difference", "")]
        rows += [
            (values[-1], low[-1], high[-1]),
            (float(np.nanmax(compared) - np.nanmin(compared)) if (~np.isnan(compared)).any() else math.nan, *ends),
        ]
    keys = pd.MultiIndex.from_tuples(index, names=["metric", "kind", "group"])
    return pd.DataFrame(rows, index=keys, columns=["value", "low", "high"])


def interval_of_largest(values: np.ndarray, ends: np.ndarray) -> tuple[float, float]:
    """Return the interval of the largest of some values, from the interval of each; NaN where one has none."""
    if not len(values) or np.isnan(ends).any() or np.isnan(values).any():
        return math.nan, math.nan
    error = (ends[:, 1] - ends[:, 0]) / (2 * _PLACE)
    drawn = values + generator(0).normal(size=(_DRAWS, len(values))) * error
    padded = np.append(values, values[0]) if len(values) == 1 else values  # a distance to 0 of the group itself
    drawn = np.column_stack([drawn, drawn[:, 0]]) if len(values) == 1 else drawn
    return gap_interval(drawn[:, None, :], padded[None, :], np.zeros((_DRAWS, 1)), np.zeros(1), level=_LEVEL)


def _errors(table: GroupResiduals, name: str) -> np.ndarray:
    """Return the standard error of a figure in each group; NaN where the state does not tell it."""
    sums, n = table.sums, table.effective
    with np.errstate(invalid="ignore", divide="ignore"):
        if name in _MEANS:
            return _of_mean(sums[:, _MEANS[name][0]], sums[:, _MEANS[name][1]], sums[:, WEIGHT], n)
        if name == "root_mean_squared_error" and has_histograms(table):
            return _of_root(table, sums[:, EE] / sums[:, WEIGHT], n)
    return np.full(len(sums), np.nan)


def _overall_error(table: GroupResiduals, name: str) -> float:
    """Return the standard error of a figure over all samples."""
    sums, _ = table._moments.pooled(table.sums)
    squares = table._moments.squares.sum()
    n = float(sums[WEIGHT] ** 2 / squares) if squares > 0 else 0.0
    if name in _MEANS:
        first, second = _MEANS[name]
        return float(_of_mean(sums[first], sums[second], sums[WEIGHT], n))
    if name == "root_mean_squared_error" and has_histograms(table):
        parts, weight = (
            _of_root(table, table.values("mean_squared_error"), table.effective),
            table.support / sums[WEIGHT],
        )
        # the mean square is a mean of the groups': d root = d mean square / (2 root)
        roots = table.values("root_mean_squared_error")
        whole = float(table.overall("root_mean_squared_error"))
        variance = np.nansum((weight * 2 * roots * parts) ** 2)
        return math.sqrt(variance) / (2 * whole) if whole > 0 else math.nan
    return math.nan


def _of_mean(first: np.ndarray, second: np.ndarray, weight: np.ndarray, n: np.ndarray | float) -> np.ndarray:
    """Return sqrt(variance / n) from the sums of values and of their squares; NaN for fewer than two samples."""
    variance = np.maximum(second / weight - (first / weight) ** 2, 0)
    return np.where(np.asarray(n) > 1.5, np.sqrt(variance / np.maximum(np.asarray(n) - 1, 1)), np.nan)


def _of_root(table: GroupResiduals, mean_square: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return the standard error of the root of a mean square, by the delta method."""
    edges, counts = bin_edges(table, "errors")
    middle = np.concatenate([[edges[0]], (edges[1:] + edges[:-1]) / 2, [edges[-1]]])
    fourth = (counts * middle**4).sum(axis=1) / counts.sum(axis=1)
    variance = np.maximum(fourth - mean_square**2, 0)
    return np.where(n > 1.5, np.sqrt(variance / np.maximum(n - 1, 1)) / (2 * np.sqrt(mean_square)), np.nan)
