"""The report's tables, before they become text, Markdown, terminal output or HTML."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mxfair.report._affected import shown_subgroups
from mxfair.report._change import NOTHING
from mxfair.report._drivers import decimals, explanation_title, largest_rows
from mxfair.report._evaluation import RATE_NAMES
from mxfair.report._format import (
    NOT_ENOUGH,
    UNDEFINED,
    count,
    few,
    heading,
    interval_text,
    joined,
    number,
    one_line,
    signed,
    signed_interval,
    split_key,
)
from mxfair.report._regression import ERRORS, FIGURE_NAMES

if TYPE_CHECKING:
    from mxfair.metric.subgroup_table import Subgroup
    from mxfair.report._gaps import CriterionGap
    from mxfair.report._report import FairnessReport


@dataclass(frozen=True)
class Cell:
    """One cell: its text, whether too few samples stand behind it, whether it is undefined, whether it is a number."""

    text: str
    few: bool = False
    undefined: bool = False
    numeric: bool = True
    known: bool = True
    note: str = ""  # what stands below it, such as an interval
    key: str = ""  # the figure that it holds


@dataclass(frozen=True)
class Band:
    """Rows that share their leading cells: a group, with a row per model."""

    head: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Table:
    """A table: `head` names the leading columns of a band, `columns` those of its rows."""

    title: str
    head: tuple[str, ...]
    columns: tuple[str, ...]
    bands: tuple[Band, ...]

    @property
    def has_few(self) -> bool:
        """Whether some cell rests on too few samples."""
        return any(c.few for band in self.bands for c in (*band.head, *(c for row in band.rows for c in row)))


def text_cell(text: object, limit: int | None = None, *, known: bool = True) -> Cell:
    """Return a cell with a name."""
    return Cell(one_line(text, limit), numeric=False, known=known)


def rate_cell(value: float, denominator: float, *, digits: int = 3) -> Cell:
    """Return a cell with a rate: marked if few samples stand behind it, 'n/a' if none do."""
    return Cell(
        number(value, digits=digits), few=few(denominator) and not math.isnan(value), undefined=math.isnan(value)
    )


def summary_table(report: FairnessReport) -> Table:
    """Return accuracy and AUC by model, or the errors of a regression."""
    keys = list(ERRORS) if report.task == "regression" else ["accuracy", *(["auc"] if has_auc(report) else [])]
    bands = []
    for evaluation in report.evaluations:
        cells = [_figure_cell(evaluation, key, 0) for key in keys]
        row = (Cell(count(evaluation.n_samples)), *cells)
        bands.append(Band((text_cell(evaluation.name),), (row,)))
    if len(bands) == 2:
        bands.append(_change_band(report, keys))
    title = "Errors over all samples" if report.task == "regression" else "Accuracy over all samples"
    return Table(title, ("Model",), ("Samples", *map(heading, keys)), tuple(bands))


def _change_band(report: FairnessReport, keys: list[str]) -> Band:
    before, after = report.evaluations
    changes = [after.columns[key][0][0] - before.columns[key][0][0] for key in keys]
    ends = [report.changes[0].overall.get(key, NOTHING) for key in keys]
    cells = [_change_cell(c, e, after.digits(key)) for key, c, e in zip(keys, changes, ends)]
    return Band((text_cell("Change"),), ((Cell(""), *cells),))


def _change_cell(change: float, interval: tuple[float, float], digits: int) -> Cell:
    """Return a cell with a change and its interval."""
    note = "" if math.isnan(change) else signed_interval(interval, digits)
    return Cell(signed(change, digits=digits), undefined=math.isnan(change), note=note)


def _figure_cell(evaluation: Any, key: str, place: int, interval: tuple[float, float] = NOTHING) -> Cell:
    values, given = evaluation.columns[key]
    digits = evaluation.digits(key)
    cell = rate_cell(values[place], given[place], digits=digits)
    return cell if cell.undefined else replace(cell, note=interval_text(interval, digits))


def gap_table(report: FairnessReport, *, stacked: bool = False) -> Table:
    """Return the gap of each criterion by model, the change, and the groups that set it; stacked, a row per model."""
    several = len(report.names) > 1
    if stacked or (several and report.task == "regression") or len(report.names) > 2:
        return _figure_gap_table(report)
    changed = report.names[1:]
    changes = tuple("Change" if len(report.names) == 2 else f"Change, {name}" for name in changed)
    bands = []
    for name, gaps in report.gap_rows.items():
        cells = [
            Cell(number(g.value, NOT_ENOUGH, digits=g.digits), g.few, undefined=math.isnan(g.value), note=g.note)
            for g in gaps
        ]
        for gap, change in zip(gaps[1 : 1 + len(changed)], report.changes):
            cells.append(_change_cell(gap.value - gaps[0].value, change.gaps.get(name, NOTHING), gaps[0].digits))
        shown = heading(name) if report.task == "regression" else name
        bands.append(Band((text_cell(shown),), ((*cells, _pair_cell(report, gaps)),)))
    names = report.names if several else ["Gap"]
    columns = (*(one_line(name) for name in names), *changes, "Highest / lowest group")
    return Table("Gaps between groups", ("Criterion",), columns, tuple(bands))


def _figure_gap_table(report: FairnessReport) -> Table:
    """Return the gaps of several models with a row per model: intervals leave no room for columns."""
    bands = []
    for name, gaps in report.gap_rows.items():
        rows = []
        ends = [NOTHING] * len(gaps)
        if len(gaps) == 2:  # names of more models leave no room
            ends[1] = report.changes[0].gaps.get(name, NOTHING)
        for place, gap in enumerate(gaps):
            value = Cell(number(gap.value, NOT_ENOUGH, digits=gap.digits), few=gap.few, undefined=math.isnan(gap.value))
            change = gap.value - gaps[0].value
            moved = _change_cell(change, ends[place], gap.digits) if place else Cell("")
            rows.append((text_cell(report.names[place]), value, moved, Cell(gap.note), _pair_cell(report, [gap])))
        shown = heading(name) if report.task == "regression" else name
        bands.append(Band((text_cell(shown),), tuple(rows)))
    beside = "Chance or interval" if report.task == "regression" else "95 % interval"
    columns = ("Model", "Gap", "Change", beside, "Highest / lowest group")
    return Table("Gaps between groups", ("Criterion",), columns, tuple(bands))


def change_table(report: FairnessReport) -> Table:
    """Return what changed against the baseline: each criterion's gap and the figures over all samples."""
    several = len(report.names) > 2
    bands = []
    for name, gaps in report.gap_rows.items():
        shown = heading(name) if report.task == "regression" else name
        rows = []
        for model, gap, change in zip(report.names[1:], gaps[1:], report.changes):
            cells = [
                Cell(number(g.value, NOT_ENOUGH, digits=g.digits), undefined=math.isnan(g.value))
                for g in (gaps[0], gap)
            ]
            ends = change.gaps.get(name, NOTHING)
            moved = _change_cell(gap.value - gaps[0].value, NOTHING, gap.digits)
            interval = Cell(signed_interval(ends, gap.digits) or UNDEFINED, undefined=math.isnan(ends[0]))
            rows.append((*([text_cell(model)] if several else []), *cells, moved, interval))
        bands.append(Band((text_cell(shown),), tuple(rows)))
    names = ("Baseline", "After") if several else tuple(one_line(name) for name in report.names)
    columns = (*(["Model"] if several else []), *names, "Change", "95 % interval")
    return Table("What changed in the gaps", ("Gap",), columns, tuple(bands))


def _pair_cell(report: FairnessReport, gaps: list[CriterionGap]) -> Cell:
    """Return the groups that set the gap, a line per model where they differ."""
    rates = {gap.largest.rate for gap in gaps if gap.largest}
    with_rate = len(rates) > 1 or any("[" in rate for rate in rates) or any(g.one_of_several for g in gaps)
    pairs = [(name, gap.pair(with_rate=with_rate)) for name, gap in zip(report.names, gaps) if gap.largest]
    if len({pair for _, pair in pairs}) > 1:
        lines = [f"{one_line(name, 24)}: {pair}" for name, pair in pairs]
    else:
        lines = [pair for _, pair in pairs[:1]]
    left_out = list(dict.fromkeys(one_line(group, 40) for gap in gaps for _, group in gap.undefined))
    if lines and left_out:
        lines.append(f"undefined, left out: {joined(left_out, 4)}")
    return Cell("\n".join(lines) or UNDEFINED, numeric=False, undefined=not lines)


def has_auc(report: FairnessReport) -> bool:
    """Return whether some model's AUC is known."""
    return report.task != "regression" and any(not math.isnan(evaluation.auc) for evaluation in report.evaluations)


def rate_tables(report: FairnessReport, *, max_classes: int | None = None, intervals: bool = False) -> list[Table]:
    """Return the rates by group: one table, or, for several classes, one of accuracy and one per class."""
    found = _rate_tables(report, max_classes)
    return [_with_intervals(report, table) for table in found] if intervals else found


def _with_intervals(report: FairnessReport, table: Table) -> Table:
    """Return a table of rates with each rate's interval below it."""
    bands = []
    for place, band in enumerate(table.bands):
        rows = []
        for row, found, evaluation in zip(band.rows, report.certainties, report.evaluations):
            cells = [
                replace(
                    cell, note=interval_text(found.rates.get((cell.key, place), NOTHING), evaluation.digits(cell.key))
                )
                if cell.key and not cell.undefined
                else cell
                for cell in row
            ]
            rows.append(tuple(cells))
        bands.append(replace(band, rows=tuple(rows)))
    return replace(table, bands=tuple(bands))


def _rate_tables(report: FairnessReport, max_classes: int | None) -> list[Table]:
    if report.task == "regression":
        return [_rate_table(report, "Figures by group", FIGURE_NAMES[0], list(FIGURE_NAMES[1:]))]
    tail = ["accuracy", *(["auc"] if has_auc(report) else [])]
    if report.baseline.positive is not None:
        return [_rate_table(report, "Rates by group", "base_rate", [*RATE_NAMES[1:], *tail])]
    tables = [_rate_table(report, "Accuracy by group", None, tail)]
    for label in shown_classes(report, max_classes):
        keys = [f"{name}[{label}]" for name in RATE_NAMES]
        title = f"Rates by group: class {one_line(label, 60)} against the rest"
        tables.append(_rate_table(report, title, keys[0], keys[1:]))
    return tables


def shown_classes(report: FairnessReport, limit: int | None = None) -> list[str]:
    """Return the classes, or the `limit` ones whose true positive rates differ most between groups."""
    evaluation = report.baseline
    labels = [str(label) for label in evaluation.table.classes]
    if limit is None or len(labels) <= limit:
        return labels

    def spread(label: str) -> float:
        values = [
            v
            for v, known in zip(evaluation.columns[f"true_positive_rate[{label}]"][0][1:], evaluation.table.known)
            if known and not math.isnan(v)
        ]
        return max(values) - min(values) if values else -1.0

    chosen = set(sorted(labels, key=spread, reverse=True)[:limit])
    return [label for label in labels if label in chosen]


def _rate_table(report: FairnessReport, title: str, base: str | None, keys: list[str]) -> Table:
    baseline = report.baseline
    groups = [("Overall", True), *zip(baseline.table.groups, baseline.table.known)]
    bands = []
    for place, (group, known) in enumerate(groups):
        support = baseline.n_samples if place == 0 else baseline.support[place - 1]
        head = [text_cell(group, known=bool(known)), Cell(count(support), few=few(support))]
        if base is not None:
            head.append(_figure_cell(baseline, base, place))
        bands.append(Band(tuple(head), tuple(_row(e, place, keys, report) for e in report.evaluations)))
    first = "Group" if report.attribute == "group" else f"Group ({one_line(report.attribute, 60)})"
    columns = [heading(split_key(key)[0]) for key in keys]
    models = ["Model"] if len(report.evaluations) > 1 else []
    return Table(
        title, (first, "Samples", *([heading(split_key(base)[0])] if base else [])), (*models, *columns), tuple(bands)
    )


def _row(evaluation: Any, place: int, keys: list[str], report: FairnessReport) -> tuple[Cell, ...]:
    name = [text_cell(evaluation.name)] if len(report.evaluations) > 1 else []
    return (*name, *(replace(_figure_cell(evaluation, key, place), key=key) for key in keys))


def subgroup_table(report: FairnessReport, place: int) -> Table | None:
    """Return the subgroups furthest from the rest in a rate, with a row per model; None where none is tested."""
    of_models = [tables[place] for tables in report.subgroups]
    shown = shown_subgroups(of_models[-1])
    if not shown:
        return None
    several = len(of_models) > 1
    bands = []
    for subgroup in shown:
        rows = []
        for name, table in zip(report.names, of_models):
            row = next((r for r in table.rows if r.name == subgroup.name), None)
            cells = (
                _subgroup_cells(row) if row is not None else tuple(Cell(UNDEFINED, undefined=True) for _ in range(5))
            )
            rows.append((*([text_cell(name)] if several else []), *cells))
        bands.append(Band((text_cell(subgroup.name, 120),), tuple(rows)))
    columns = ("Samples", "Rate", "All others", "Difference", "p, corrected")
    title = f"{heading(of_models[-1].rate)} in subgroups"
    return Table(title, ("Subgroup",), (*(["Model"] if several else []), *columns), tuple(bands))


def _subgroup_cells(row: Subgroup) -> tuple[Cell, ...]:
    if row.untested:
        rest = tuple(Cell("not tested", undefined=True) for _ in range(2))
        return (
            Cell(count(row.support), few=few(row.support)),
            rate_cell(row.value, row.support),
            rate_cell(row.rest, 99),
            *rest,
        )
    p = row.corrected_p_value
    text = "below 0.001" if p < 0.001 else number(p)
    difference = Cell(signed(row.difference), note=signed_interval((row.lower, row.upper)))
    return Cell(count(row.support)), rate_cell(row.value, row.support), rate_cell(row.rest, 99), difference, Cell(text)


def explanation_table(explanation: dict[str, Any], part: dict[str, Any], top: int = 10) -> Table:
    """Return what each column contributes to a gap, or its importance."""
    digits = decimals([row["contribution"] for row in part["rows"]])
    bands = []
    for row in largest_rows(part["rows"], top, sums=explanation["kind"] == "decomposition"):
        cell = Cell(signed(row["contribution"], digits=digits), undefined=math.isnan(row["contribution"]))
        ends = signed_interval((row["low"], row["high"]), digits)
        bands.append(Band((text_cell(row["column"], 120),), ((cell, Cell(ends or UNDEFINED, undefined=not ends)),)))
    what, right = explanation_title(explanation, part)
    value = "Contribution" if explanation["kind"] == "decomposition" else "Importance"
    return Table(f"{what}{': ' + right if right else ''}", ("Column",), (value, "Interval"), tuple(bands))


def conditional_table(report: FairnessReport) -> Table | None:
    """Return the gaps within the levels of a control attribute; None without one."""
    if not report.conditionals:
        return None
    several, bands = len(report.names) > 1, []
    for criterion, found in report.conditionals.items():
        rows = []
        for place, (name, one) in enumerate(zip(report.names, found)):
            overall = report.gap_rows[criterion][place].value
            lost = [one_line(level, 30) for level, gap in zip(one.levels, one.gaps) if math.isnan(gap)]
            within = Cell(
                number(one.mean, NOT_ENOUGH), undefined=math.isnan(one.mean), note=interval_text(one.interval)
            )
            worst = max(((g, level) for g, level in zip(one.gaps, one.levels) if not math.isnan(g)), default=None)
            text = "" if worst is None else f"{one_line(worst[1], 30)} {number(worst[0])}"
            tail = Cell(text or UNDEFINED, numeric=False, note=f"no gap in {joined(lost, 4)}" if lost else "")
            rows.append((*([text_cell(name)] if several else []), Cell(number(overall, NOT_ENOUGH)), within, tail))
        bands.append(Band((text_cell(criterion),), tuple(rows)))
    columns = ("Gap over all", "Mean gap within", "Largest within")
    title = f"Gaps within levels of {one_line(report.baseline.control, 60)}"
    return Table(title, ("Criterion",), (*(["Model"] if several else []), *columns), tuple(bands))
