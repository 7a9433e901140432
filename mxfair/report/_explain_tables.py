"""The tables of an explanation, before they become terminal output or HTML."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mxfair.report._drivers import decimals
from mxfair.report._format import UNDEFINED, number, one_line, signed, signed_interval
from mxfair.report._tables import Band, Cell, Table, text_cell

if TYPE_CHECKING:
    from mxfair.explain.gap_part import GapPart
    from mxfair.report._explanation import ExplanationReport, ModelExplanation

#: Columns with a row of their own in a table; all of them are in the JSON and in the CSV files.
SHOWN = 10


def gap_table(report: ExplanationReport, top: int = SHOWN) -> Table:
    """Return the contributions of each column, a model beside the other; of two models also their difference."""
    parts = [model.gap.part for model in report.models]
    added = [column for part in parts for column in part.columns if column not in parts[0].columns]
    if len(parts) == 2 and not added:
        return _comparison_table(report, top)
    kept = [*parts[0].top(top), *dict.fromkeys(added)]
    names = dict.fromkeys(one_line(model.name, 40) for model in report.models)
    return _side_by_side(f"Contributions to the gap: {_of(parts[0])}", list(names), parts, kept)


def _of(part: GapPart) -> str:
    where = "" if part.condition == "all" else f", {one_line(part.condition, 40)}"
    return f"{one_line(part.group, 40)} minus {one_line(part.against, 40)}{where}"


def _side_by_side(title: str, names: list[str], parts: Sequence[GapPart], kept: list[str]) -> Table:
    """Return parts of the same groups as columns; a column that a model does not have is left open."""
    frames = [part._table([c for c in kept if c in part.columns], labels=False) for part in parts]
    rows = list(dict.fromkeys(row for frame in frames for row in frame.index))
    rows = [*(row for row in rows if not row.startswith("(")), *(row for row in rows if row.startswith("("))]
    rows.sort(key=lambda row: row == "(gap)")
    digits = decimals([float(v) for frame in frames for v in frame["contribution"]])
    bands = []
    for row in rows:
        cells = [_cell(frame.loc[row], digits) if row in frame.index else _open() for frame in frames]
        bands.append(Band((text_cell(row, 60),), (tuple(cells),)))
    return Table(title, ("Column",), tuple(names), tuple(bands))


def _open() -> Cell:
    return Cell(UNDEFINED, undefined=True)


def _cell(row: Any, digits: int) -> Cell:
    """Return a contribution with its interval below it."""
    value = float(row["contribution"])
    ends = signed_interval((float(row["low"]), float(row["high"])), digits)
    return Cell(signed(value, digits=digits), undefined=math.isnan(value), note=ends)


def _comparison_table(report: ExplanationReport, top: int) -> Table:
    comparison = report.comparisons[0]
    first, second, moved = comparison.parts[0]
    frames = [part._table(first.top(top), labels=False) for part in (first, second, moved)]
    digits = decimals([float(v) for v in frames[0]["contribution"]])
    bands = [
        Band((text_cell(row, 60),), (tuple(_cell(frame.loc[row], digits) for frame in frames),))
        for row in frames[0].index
    ]
    names = (*(one_line(name, 40) for name in comparison.names), "Difference")
    return Table(f"Contributions to the gap: {_of(first)}", ("Column",), names, tuple(bands))


def label_tables(report: ExplanationReport, top: int = SHOWN) -> list[Table]:
    """Return the gaps among samples of one label, a table for each label."""
    kept = [(one_line(m.name, 40), m.conditional.parts) for m in report.models if m.conditional is not None]
    tables = []
    for parts in zip(*(parts for _, parts in kept)):
        tables.append(_side_by_side(_of(parts[0]), [name for name, _ in kept], list(parts), parts[0].top(top)))
    return tables


def seen_table(model: ModelExplanation, top: int = SHOWN) -> Table | None:
    """Return the gap against all rows beside the same gap against one group's."""
    if model.seen is None:
        return None
    parts = [model.gap.part, model.seen.part]
    names = ["Compared with everybody", f"Compared with {one_line(parts[0].group, 40)}"]
    return _side_by_side(f"{one_line(model.name, 40)}: {_of(parts[0])}", names, parts, parts[0].top(top))


def proxy_table(report: ExplanationReport, top: int = SHOWN) -> Table | None:
    """Return how well columns reveal the group beside what they contribute."""
    table = report.proxies
    if table is None:
        return None
    digits, bands = decimals([float(v) for v in table["contribution"]]), []
    for column, row in table.head(top).iterrows():
        auc = Cell(number(float(row["auc"]), digits=2), note=f"chance {number(float(row['auc_floor']), digits=2)}")
        word = Cell("yes" if row["proxy"] else "no", numeric=False)
        bands.append(Band((text_cell(column, 60),), ((_cell(row, digits), auc, word),)))
    names = ("Contribution", "AUC of telling the group", "Proxy")
    return Table(f"Columns that stand for the group: {one_line(report.names[0], 40)}", ("Column",), names, tuple(bands))


def importance_table(model: ModelExplanation, top: int = SHOWN) -> Table:
    """Return the importances of each column for each figure."""
    importance = model.importance
    frames = {metric: importance.to_frame(metric) for metric in importance.metrics}
    last = frames[importance.metrics[min(1, len(frames) - 1)]]
    kept = last["importance"].abs().sort_values(ascending=False, kind="stable").index[:top]
    bands = []
    for column in last.index[last.index.isin(kept)]:
        cells = []
        for frame in frames.values():
            value = float(frame.loc[column, "importance"])
            ends = signed_interval((float(frame.loc[column, "low"]), float(frame.loc[column, "high"])))
            cells.append(Cell(signed(value), undefined=math.isnan(value), note=ends))
        bands.append(Band((text_cell(column, 60),), (tuple(cells),)))
    names = tuple(f"{one_line(m, 40).replace('_', ' ').capitalize()}, {number(_base(f))}" for m, f in frames.items())
    return Table(f"Importance: {one_line(model.name, 40)}", ("Column",), names, tuple(bands))


def _base(frame: Any) -> float:
    return float(frame["baseline"].iloc[0])
