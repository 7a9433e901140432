"""Confidence intervals of figures by group and of their gaps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair import _disparity
from mxfair._validation import InputError, generator, positive_integer
from mxfair.criterion import CRITERIA, Criterion, criterion_named
from mxfair.group_metric import GroupMetric
from mxfair.metric import _draws, _rate_draws
from mxfair.metric._inputs import Figure, Inputs, figures
from mxfair.metric._rate_draws import Draws, squared_counts, with_all
from mxfair.rate import Rate
from mxfair.uncertainty import (
    bias_corrected_interval,
    check_level,
    gap_interval,
    mean_gap_interval,
    percentile_interval,
    wilson_interval,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["confidence_intervals"]

_COLUMNS = ["value", "low", "high", "support", "method", "note"]
#: A figure that more than this share of the resamples leaves undefined has no interval.
MAX_UNDEFINED = 0.05
#: Weighted shares with fewer effective samples than this on one side have Kish's effective size at most.
FEW = 10


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

    Shares of decisions have Wilson's interval, with weights that of the effective sample size. All others come from a
    bootstrap over the rows: decisions from multinomial draws over the counts, which is the same bootstrap without the
    rows; weighted samples, regression and scores from Poisson draws. Intervals of gaps may reach parity, see
    `mxfair.uncertainty.gap_interval` and `mean_gap_interval`.

    Parameters
    ----------
    labels, preds, groups, metrics, scores, sample_weight, positive, classes, task
        As for `evaluate`.
    criteria : str, Criterion or list of these, optional
        Criteria whose difference and ratio are given too. Default: all of ``mxfair.criterion.CRITERIA`` for a
        classification where no `metrics` are named, else none. A `Criterion` of your own may have another `agg`.
    level : float, default=0.95
        Confidence level of each interval by itself.
    n_resamples : int, default=1000
        Bootstrap resamples.
    min_support : float, default=0
        Groups with fewer samples behind a figure are shown, with a note, and left out of its gaps. With weights it is
        the effective number of samples, (sum w)^2 / sum w^2.
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
    A metric that is a function is computed anew for each resample. The expected calibration error has no interval: it
    is biased upwards, and resamples of it once more, so that no interval of them would hold the truth.

    The effective size of weighted samples is p (1 - p) / V, with V the linearised variance of the share p, so that
    weights that go with the outcome are allowed for. Shares that hang on fewer than about ten samples of uneven weights
    cover less than they say, about 91 % instead of 95 %, although the effective size is at most Kish's there.

    In the bootstrap, shares of decisions are smoothed as by Jeffreys' prior: 0 of 30 in both groups is no proof of
    parity. Figures that are no shares (F1, a mean error) are not: where all resamples are alike the note says so.

    Percentile intervals of a largest gap never contain parity; these do, and where two groups or more are alike they
    are somewhat too wide (94 to 99 % coverage for a level of 95 %). Intervals are not corrected for their number.

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
        criteria=_usual(inputs) if criteria is None and metrics is None else criteria,
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
    compare, place = _disparity.settle(compare, reference, inputs.groups.names)
    chosen = _criteria(criteria, inputs)
    rng = generator(seed)
    rates = [figure for figure in found if figure.kind == "rate"]
    moments = [figure for figure in found if figure.kind == "moment"]
    drawn: dict[str, Draws] = {}
    of_criteria: list[list[Draws]] = []
    squares = squared_counts(inputs) if rates or chosen else None
    rows = _Rows(inputs, squares, level, min_support, compare, place)
    if rates or chosen:
        of_rates, of_criteria = _rate_draws.of_rates(rates, chosen, inputs, squares, n_resamples, rng)
        drawn.update(zip((figure.name for figure in rates), of_rates))
    if moments:
        of_moments = _draws.of_moments(moments, inputs, n_resamples, rng)
        drawn.update(zip((figure.name for figure in moments), of_moments))
    for figure in found:
        if figure.kind in ("score", "function"):
            draw = _draws.of_score if figure.kind == "score" else _draws.of_rows
            drawn[figure.name] = draw(figure, inputs, n_resamples, rng)
        rows.add_figure(figure, figure.of(inputs), drawn[figure.name])
    for criterion, draws_of_rates in zip(chosen, of_criteria):
        rows.add_criterion(criterion, list(criterion.tables(inputs.counts).values()), draws_of_rates)
    index = pd.MultiIndex.from_tuples(rows.index, names=["metric", "kind", "group"])
    return pd.DataFrame(rows.rows, index=index, columns=_COLUMNS)


def _usual(inputs: Inputs) -> list[Criterion]:
    return list(CRITERIA.values()) if inputs.task == "classification" else []


def _criteria(criteria: Any, inputs: Inputs) -> list[Criterion]:
    if criteria is None:
        criteria = []
    elif inputs.task == "regression" and len(criteria):
        raise InputError("'criteria' must be left out for regression: they compare decisions. Name 'metrics' instead.")
    named = [criterion_named(c) for c in ([criteria] if isinstance(criteria, (str, Criterion)) else criteria)]
    return [c if c.positive is not None or inputs.positive is None else c.with_positive(inputs.positive) for c in named]


def _wilson(rate: Rate, place: int, inputs: Inputs, squares: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return Wilson's interval of a rate in each group and over all samples, with weights of the effective size."""
    numerator, n = rate.parts(with_all(inputs.counts.counts), place)
    if inputs.sample_weight is None:
        return wilson_interval(numerator, n, level=level)
    inside, square = rate.parts(squares, place)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = numerator / n
        # V = sum w^2 (x - p)^2 / (sum w)^2, and sizes of p (1 - p) / V; a few samples say little about V
        variance = ((1 - share) ** 2 * inside + share**2 * (square - inside)) / n**2
        fewest = np.fmin(numerator**2 / inside, (n - numerator) ** 2 / (square - inside))
        size, kish = share * (1 - share) / variance, n**2 / square  # 0 / 0 for shares of 0 and 1
        size = np.where((variance > 0) & (fewest >= FEW), size, np.fmin(size, kish))
    return wilson_interval(share * size, size, level=level)


class _Rows:
    """The rows of the table of intervals."""

    def __init__(
        self,
        inputs: Inputs,
        squares: np.ndarray | None,
        level: float,
        min_support: float,
        compare: str,
        reference: int | None,
    ) -> None:
        self._inputs, self._squares, self._level, self._min_support = inputs, squares, level, min_support
        self._compare, self._reference = compare, reference
        weight, codes = inputs.sample_weight, inputs.groups.codes
        self._unit: Any = 1.0  # size of a weight by group: (sum w)^2 / sum w^2 samples are as good as sum w / unit
        if weight is not None:
            squared, total = (np.bincount(codes, w, minlength=inputs.groups.n_groups) for w in (weight**2, weight))
            self._unit = np.divide(squared, total, out=np.ones_like(total), where=total > 0)
        self.index: list[tuple[str, str, str]] = []
        self.rows: list[list[Any]] = []
        self._known: dict[Any, tuple[float, float]] = {}

    def add_figure(self, figure: Figure, metric: GroupMetric, draws: Draws) -> None:
        """Add the rows of one figure: groups, overall, difference and ratio."""
        scarce = self._sizes(metric) < self._min_support
        values, support = np.append(metric.values, metric.overall), np.append(metric.support, metric.support.sum())
        drawn = np.column_stack([draws.values, draws.overall])
        if self._squares is not None and figure.kind == "rate" and isinstance(figure.what, Rate) and figure.what.share:
            low, high = _wilson(figure.what, figure.place, self._inputs, self._squares, self._level)
            method, trouble = "Wilson", [""] * len(values)
        else:
            low, high = bias_corrected_interval(drawn, values, level=self._level)
            method, trouble = "bootstrap", [_trouble(column) for column in drawn.T]
        for place, group in enumerate((*metric.groups, "")):
            note = metric.undefined.get(group, "") if group else ""
            few = f"fewer than {self._min_support:g} samples" if group and scarce[place] else ""
            note = note or draws.without or few
            if np.isnan(values[place]) or trouble[place].startswith("undefined"):
                low[place] = high[place] = np.nan
            kind = "group" if place < len(metric.groups) else "overall"
            note = note or trouble[place]
            self._add(metric.name, kind, group, values[place], low[place], high[place], support[place], method, note)
        self._add_gaps(metric.name, "max", [metric], [draws])

    def _sizes(self, metric: GroupMetric) -> np.ndarray:
        """Return the number of samples behind each group's value: of weights, the effective number."""
        return metric.support / self._unit

    def add_criterion(self, criterion: Criterion, metrics: list[GroupMetric], draws: list[Draws]) -> None:
        """Add the two rows of a criterion."""
        self._add_gaps(criterion.name, criterion.agg, metrics, draws)

    def _add_gaps(self, name: str, agg: str, metrics: list[GroupMetric], draws: list[Draws]) -> None:
        values = np.array([np.where(self._sizes(m) < self._min_support, np.nan, m.compared) for m in metrics])
        drawn = np.stack([d.values for d in draws], axis=1)
        overall = np.array([m.overall for m in metrics]), np.stack([d.overall for d in draws], axis=1)
        there = ~np.isnan(values)
        support = min((float(m.support[ok].min()) for m, ok in zip(metrics, there) if ok.any()), default=0.0)
        lacking = (np.isnan(drawn) & there).any(axis=(1, 2))
        for kind in ("difference", "ratio"):
            value = float(self._gap(kind, agg, values, overall[0]))
            note = self._note(kind, values, overall[0], value) or draws[0].without
            key = (
                kind,
                agg,
                *map(id, draws),
            )  # a criterion of one rate has that rate's interval; the caller keeps them
            if key not in self._known:
                known = not note and lacking.mean() <= MAX_UNDEFINED
                nothing = float("nan"), float("nan")
                self._known[key] = self._bounds(kind, agg, values, drawn, overall) if known else nothing
            low, high = self._known[key]
            if not note and lacking.mean() > MAX_UNDEFINED:
                note = f"a group is undefined in {lacking.mean():.0%} of the resamples; raise min_support"
            elif not note and low == high:
                note = "all resamples are alike"
            self._add(name, kind, "", value, low, high, support, "bootstrap", note)

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
        values: np.ndarray,
        drawn: np.ndarray,
        overall: tuple[np.ndarray, np.ndarray],
    ) -> tuple[float, float]:
        drawn = np.where(np.isnan(values), np.nan, drawn)
        if agg == "signed":  # parity lies inside already
            low, high = percentile_interval(self._gap(kind, agg, drawn, overall[1]), level=self._level)
            return float(low), float(high)
        base, drawn_base = None, None
        if self._compare == "to_overall":
            base, drawn_base = overall
        elif self._compare == "to_reference":
            base, drawn_base = values[:, self._reference], drawn[..., self._reference]
        ratio, pairwise = kind == "ratio", self._compare == "pairwise_mean"
        agg = "max" if ratio and agg == "sum" else agg
        if agg == "max" and not pairwise:
            return gap_interval(drawn, values, drawn_base, base, ratio=ratio, level=self._level)
        return mean_gap_interval(
            drawn, values, drawn_base, base, pairwise=pairwise, agg=agg, ratio=ratio, level=self._level
        )

    def _note(self, kind: str, values: np.ndarray, overall: np.ndarray, value: float) -> str:
        """Return why a gap has no interval."""
        there = ~np.isnan(values)
        if there.sum(axis=1).min() < 2:
            return "fewer than two groups to compare"
        if self._compare == "to_reference" and not there[:, self._reference].all():
            return "the reference group has no value, or too few samples"
        base = overall if self._compare == "to_overall" else np.ones(1)
        if kind == "ratio" and (np.isnan(value) or (values[there] <= 0).any() or (base <= 0).any()):
            return "ratio of a value <= 0"
        return "" if not np.isnan(value) else "undefined"

    def _add(self, name: str, kind: str, group: str, *row: Any) -> None:
        self.index.append((name, kind, group))
        self.rows.append(list(row))


def _trouble(drawn: np.ndarray) -> str:
    """Return what keeps the resamples of a figure from telling its interval."""
    lost = np.isnan(drawn)
    if lost.mean() > MAX_UNDEFINED:
        return f"undefined in {lost.mean():.0%} of the resamples"
    there = drawn[~lost]
    return "all resamples are alike" if there.min() == there.max() else ""
