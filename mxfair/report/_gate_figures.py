"""The figure of a gate with its interval, from what a report holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._encoding import group_text
from mxfair._validation import InputError, generator, one_of
from mxfair.criterion import ALL_CRITERIA, Criterion
from mxfair.metric._convention import comparison
from mxfair.metric._inputs import Figure, Inputs
from mxfair.metric.intervals import intervals_of
from mxfair.rate import RATES
from mxfair.report import gates
from mxfair.report._certainty import auc_counts, draws_of, reason_for_none
from mxfair.report._format import joined, one_line
from mxfair.report._settings import Settings
from mxfair.resampling import multinomial_resamples
from mxfair.residuals import GroupResiduals
from mxfair.scores._figures import auc_by_group
from mxfair.uncertainty import bias_corrected_interval, gap_interval

if TYPE_CHECKING:
    from mxfair.report._report import FairnessReport

_NOTHING = float("nan"), float("nan")
#: Level of the intervals that a report shows.
_SHOWN_LEVEL = 0.95


@dataclass(frozen=True)
class Measured:
    """A figure with its interval.

    Parameters
    ----------
    value, low, high : float
    trouble : str
        Why it cannot be judged; nothing if it can.
    note : str
        What it does not cover.
    """

    value: float
    low: float
    high: float
    trouble: str = ""
    note: str = ""


@dataclass(frozen=True)
class Case:
    """One model, and how its gaps are taken.

    Parameters
    ----------
    evaluation : Evaluation or RegressionEvaluation
    settings : Settings
    level : float
    shown : mapping of str to CriterionGap
        By criterion, the gaps that the report shows, with intervals of 95 %.
    """

    evaluation: Any
    settings: Settings
    level: float
    shown: Mapping[str, Any]

    def options(self, size: int) -> dict[str, Any]:
        """Return the options of intervals from a table of so many cells."""
        draws = {"n_resamples": draws_of(size), "seed": 0}
        return {"level": self.level, "min_support": self.settings.min_support, **draws}


def measure(gate: gates.Gate, report: FairnessReport, place: int, level: float) -> Measured:
    """Return a gate's figure for one model."""
    shown = {name: row[place] for name, row in report.gap_rows.items()}
    case = Case(report.evaluations[place], report.settings, level, shown)
    if report.task == "regression":
        return _of_numbers(gate, case)
    if gate.name == gates._AUC:
        return _of_auc(gate, case)
    if gate.name not in ALL_CRITERIA and gate.name not in RATES:
        raise InputError(f"A gate on {gate.name} must be for a regression; the report is on classes. Leave it out.")
    rates = _rates_of(gate, case.evaluation)
    return _overall(gate, rates, case) if gate.kind == "overall" else _gap(gate, rates, case)


def _rates_of(gate: gates.Gate, evaluation: Any) -> Criterion:
    """Return the gate's rates as a criterion for the positive class."""
    criterion = ALL_CRITERIA.get(gate.name) if gate.kind != "overall" else None
    criterion = criterion or Criterion(gate.name, RATES[gate.name])
    if gate.label is None:
        return evaluation.adapt(criterion)
    classes = evaluation.table.classes.tolist()
    texts = [group_text(value) for value in classes]
    return criterion.with_positive(classes[texts.index(one_of(gate.label, texts, "class of a gate"))])


def _overall(gate: gates.Gate, rates: Criterion, case: Case) -> Measured:
    table = case.evaluation.table
    pairs = rates.rate_classes(table.classes)
    if len(pairs) > 1:
        raise InputError(
            f"A gate on {gate.name} must name a class, since there are {len(table.classes)}; write "
            f"{gate.name}[{table.classes[-1]}], or {gate.name}_difference for the largest gap of any."
        )
    if trouble := reason_for_none(case.evaluation):
        return Measured(float("nan"), *_NOTHING, trouble)
    rate, place = pairs[0]
    figure = Figure(gate.name, "rate", rate, place)
    frame = intervals_of([figure], Inputs.of_counts(table, None), **case.options(table.counts.size))
    row = frame.loc[gate.name, "overall", ""]
    few = f"it rests on {row['support']:,g} samples" if row["support"] < gates.FEWEST else ""
    return _measured(row, few)


def _measured(row: Any, trouble: str = "", note: str = "", sign: int = 1) -> Measured:
    value, low, high = (float(row[key]) for key in ("value", "low", "high"))
    if sign < 0:
        value, low, high = -value, -high, -low
    return Measured(value, low, high, trouble or str(row["note"]), note)


def _gap(gate: gates.Gate, rates: Criterion, case: Case) -> Measured:
    table, settings = case.evaluation.table, case.settings
    if trouble := reason_for_none(case.evaluation):
        return Measured(float("nan"), *_NOTHING, trouble)
    chosen = comparison(rates, ratio=gate.kind == "ratio", reference=settings.reference, compat=settings.compat)
    sizes = {
        name: dict(zip(metric.groups, np.where(metric.known, metric.support, np.nan)))
        for name, metric in chosen.criterion.tables(table).items()
    }
    trouble, note = _scarce(sizes, settings)
    gap = case.shown.get(gate.name) if gate.kind == "difference" and gate.label is None else None
    if gap is not None and case.level == _SHOWN_LEVEL and not np.isnan(gap.interval).any():
        low, high = gap.interval
        return Measured(gap.value, low, high, trouble, note)
    options = {**case.options(table.counts.size), "compare": chosen.compare, "reference": chosen.reference}
    frame = intervals_of([], Inputs.of_counts(table, None), criteria=[chosen.criterion], **options)
    return _measured(frame.loc[chosen.criterion.name, gate.kind, ""], trouble, note, chosen.sign)


def _scarce(sizes: dict[str, dict[str, float]], settings: Settings) -> tuple[str, str]:
    """Return which groups are too small for a gap to be judged, and which were left out of it; by figure and group."""
    least = settings.min_support
    out: dict[str, float] = {}
    small: dict[str, tuple[str, float]] = {}
    for name, groups in sizes.items():
        for group, n in groups.items():
            if n < least:
                out[group] = min(n, out.get(group, n))
            elif n < gates.FEWEST:  # NaN: not known
                small.setdefault(group, (name, n))
    note = f"left out with fewer than {least:g} samples: {joined([one_line(g, 40) for g in out])}" if out else ""
    if not small:
        return "", note
    each = [f"{one_line(group, 40)} has {n:,g} behind its {name}" for group, (name, n) in small.items()]
    return f"{joined(each, 4)}; a minimum support of {gates.FEWEST} leaves such groups out", note


def _of_auc(gate: gates.Gate, case: Case) -> Measured:
    evaluation, settings = case.evaluation, case.settings
    state = evaluation.scores
    if state is None:
        raise InputError("A gate on roc_auc must have scores of one positive class; the report has none. Give them.")
    if settings.compat is not None:
        raise InputError(f"A gate on roc_auc must not have 'compat'; got {settings.compat!r}. Leave it out.")
    overall, counts, lost = auc_counts(evaluation)
    if gate.kind == "overall":
        drawn, shift = _drawn_auc(overall[None], np.array([evaluation.auc]))
        ends = bias_corrected_interval(drawn + shift, np.array([evaluation.auc]), level=case.level)
        lesser = float(state.counts.sum(axis=(0, 2)).min())
        few = f"one of the labels has {lesser:,g} samples" if lesser < gates.FEWEST else ""
        return Measured(evaluation.auc, max(float(ends[0][0]) - lost[0], 0), min(float(ends[1][0]) + lost[0], 1), few)
    sides = state.counts.sum(axis=-1).min(axis=-1)
    known = dict(zip(state.groups, np.where(state.known, sides, np.nan)))
    trouble, note = _scarce({"roc_auc": known}, settings)
    there = state.known & (sides >= max(settings.min_support, 1))
    values = np.where(there, evaluation.auc_by_group, np.nan)[None]
    drawn, shift = _drawn_auc(counts, evaluation.auc_by_group)
    drawn = np.where(there, drawn + shift, np.nan)[:, None]
    base: tuple[Any, Any] = (None, None)
    if settings.reference is not None:
        place = state.groups.index(one_of(group_text(settings.reference), state.groups, "reference"))
        base = drawn[..., place], values[:, place]
    low, high = gap_interval(drawn, values, *base, ratio=gate.kind == "ratio", level=case.level)
    off = float(np.sort(lost[1:][there])[-2:].sum())
    off = off / float(np.nanmin(values)) if gate.kind == "ratio" and off else off
    low, high = max(low - off, 0.0), min(high + off, 1.0)
    return Measured(_largest(gate, values[0], base[1]), float(low), float(high), trouble, note)


def _drawn_auc(counts: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return AUCs of resamples of counts, and how far those of the scores themselves are from the counts'."""
    parts = multinomial_resamples(counts, draws_of(counts.size), generator(0))
    return np.concatenate([auc_by_group(part) for part in parts]), values - auc_by_group(counts)


def _largest(gate: gates.Gate, values: np.ndarray, base: Any) -> float:
    there = values[~np.isnan(values)]
    if len(there) < 2:
        return float("nan")
    if gate.kind == "difference":
        return float(there.max() - there.min()) if base is None else float(np.abs(there - base).max())
    return float(there.min() / there.max()) if base is None else float(np.minimum(there / base, base / there).min())


def _of_numbers(gate: gates.Gate, case: Case) -> Measured:
    evaluation, settings = case.evaluation, case.settings
    if gate.name in ALL_CRITERIA or gate.name in RATES or gate.name == gates._AUC:
        raise InputError(f"A gate on {gate.name} must be for classes; the report is on a regression. Leave it out.")
    if gate.label is not None or gate.kind == "ratio":
        raise InputError(
            f"A gate on the numbers of a regression must be a difference or a value, without class; got "
            f"{gate}. Write, e.g., {gate.name}>1."
        )
    if case.level != _SHOWN_LEVEL:
        raise InputError(f"'level' must be {_SHOWN_LEVEL} for a regression; got {case.level}. Leave it out.")
    table: GroupResiduals = evaluation.table
    sizes = dict(zip(table.groups, np.where(table.known, table.support, np.nan)))
    trouble, note = _scarce({"figure": sizes}, settings)
    trouble = trouble.replace(" behind its figure", " samples")
    there = table.known & (table.support >= max(settings.min_support, 1))
    if gate.kind == "overall" and gate.name not in (gates._WORST, gates._KS):
        few = "" if table.support.sum() >= gates.FEWEST else f"there are {table.support.sum():,g} samples"
        low, high = evaluation.interval(gate.name, kind="overall")
        return Measured(float(table.overall(gate.name)), low, high, few)
    if there.sum() < (1 if gate.name == gates._WORST else 2):
        return Measured(float("nan"), *_NOTHING, trouble or "fewer than two groups to compare", note)
    if gate.name == gates._WORST:
        low, high = evaluation.interval_of_worst("root_mean_squared_error", min_support=settings.min_support)
        value = table.values("root_mean_squared_error")[there].max()
        return Measured(float(value), float(low), float(high), trouble, note)
    if gate.name == gates._KS:
        return _distance(case, there, trouble, note)
    return _difference(gate, case, there, trouble, note)


def _distance(case: Case, there: np.ndarray, trouble: str, note: str) -> Measured:
    """Bound the largest distance: P(sup |F_n - F| > e) <= 2 exp(-2 n e^2) for each group (Massart 1990)."""
    metric = case.evaluation.distances.get("ks_distance")
    if metric is None:
        return Measured(float("nan"), *_NOTHING, "there are no histograms of the predictions", note)
    values, support = metric.values[np.ix_(there, there)], metric.support[there]
    error = np.sqrt(np.log(2 * len(support) / ((1 - case.level) / 2)) / (2 * support))
    reach = error[:, None] + error
    np.fill_diagonal(reach, 0)
    low, high = max(0.0, float(np.max(values - reach))), min(1.0, float(np.max(values + reach)))
    return Measured(float(values.max()), low, high, trouble, note)


def _difference(gate: gates.Gate, case: Case, there: np.ndarray, trouble: str, note: str) -> Measured:
    """Return the difference of a figure of numbers: from the rows if they are there, else from the sums."""
    from mxfair.metric import confidence_intervals

    evaluation = case.evaluation
    if evaluation.labels is not None:
        frame = confidence_intervals(
            evaluation.labels,
            evaluation.preds,
            evaluation.groups,
            metrics=[gate.name],
            task="regression",
            **case.options(len(evaluation.labels)),
        )
        return _measured(frame.loc[gate.name, "difference", ""], trouble, note)
    compared = evaluation if there.all() else type(evaluation).of_state(evaluation.name, _part(evaluation.table, there))
    gap = compared.table.metric(gate.name).gap().value
    low, high = compared.interval(gate.name)
    return Measured(float(gap), low, high, trouble, note)


def _part(table: GroupResiduals, there: np.ndarray) -> GroupResiduals:
    """Return the state of some of the groups."""
    state = table.to_dict()
    for key in ("groups", "known", "sums", "shift", "squares"):
        state[key] = [item for item, ok in zip(state[key], there) if ok]
    if state["histograms"] is not None:
        counts = np.array(state["histograms"]["counts"])[:, there]
        state["histograms"] = {**state["histograms"], "counts": counts.tolist()}
    return GroupResiduals.from_dict(state)
