"""The report as terminal output, plain text and Markdown."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mxfair.report._format import SMALL, one_line
from mxfair.report._tables import Band, Cell, Table, gap_table, rate_tables, summary_table
from mxfair.report._words import criterion_meaning, definitions, no_better

if TYPE_CHECKING:
    from mxfair.report._report import FairnessReport

#: Classes with a table of their own in text; all of them are in `rates` and in the JSON.
MAX_CLASSES = 6
FEW_NOTE = f"too few samples to trust (fewer than {SMALL})"

_SHORT = {
    "Base rate": "Base",
    "Selection rate": "Selected",
    "True positive rate": "TPR",
    "False positive rate": "FPR",
    "Precision (PPV)": "PPV",
}
_NARROW = {**_SHORT, "Accuracy": "Acc.", "Mean label": "Label", "Mean prediction": "Pred."}
_LEGEND = "TPR and FPR: true and false positive rate. PPV: precision."


def tables(report: FairnessReport) -> list[Table]:
    """Return the report's tables in reading order; a terminal of eighty columns holds a row per model."""
    return [
        summary_table(report),
        gap_table(report, stacked=len(report.names) > 1),
        *rate_tables(report, max_classes=MAX_CLASSES),
    ]


def to_rich(report: FairnessReport, *, plain: bool = False) -> Any:
    """Return a rich renderable: the sentence, the tables, footnotes."""
    from rich.console import Group
    from rich.text import Text

    shown = tables(report)
    parts: list[Any] = [Text(one_line(report.title), style="bold"), Text(report.sentence)]
    parts += [Text(poor)] if (poor := no_better(report)) else []
    for table in shown:
        parts += [Text(""), _rich_table(table, plain=plain)]
    parts.append(Text(""))
    if any(table.has_few for table in shown):
        parts.append(Text(f"* {FEW_NOTE}"))
    parts += [Text(note) for note in [*_positive(report), *_footnotes(report)]]
    return Group(*parts)


def _positive(report: FairnessReport) -> list[str]:
    """Return which class counts as positive, where one does: rates of the other one would read alike."""
    positive = getattr(report.baseline, "positive", None)
    return [] if positive is None else [f"Positive is the class {one_line(positive, 60)}."]


def _footnotes(report: FairnessReport) -> list[str]:
    """Return the notes that belong to this report; those that hold for any report are left to the page."""
    return [note for note in report.not_known if note.startswith(("Unknown", "Undefined", "Groups without"))]


def _rich_table(table: Table, *, plain: bool) -> Any:
    from rich import box
    from rich import table as rich_table
    from rich.text import Text

    ascii_lines = box.Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
    names, rows = _stacked(table)
    grid = rich_table.Table(
        title=Text(table.title, style="bold"),
        title_justify="left",
        box=ascii_lines if plain else box.SIMPLE_HEAD,
        padding=(0, 1 if len(names) < 8 else 0, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    short = _NARROW if len(names) > 7 else _SHORT
    longest = max(len(line) for row in rows for line in [*row[0].text.splitlines(), ""])
    for place, (name, cell) in enumerate(zip(names, rows[-1])):
        whole = not place and longest <= 20
        width = 0 if place or whole else 20
        justify: Any = "right" if cell.numeric else "left"
        grid.add_column(Text(short.get(name, name)), justify=justify, overflow="fold", min_width=width, no_wrap=whole)
    for row in rows:
        grid.add_row(*(Text(_mark(cell, "*"), style="dim" if cell.undefined else "") for cell in row))
    if any(name in _SHORT for name in names):
        grid.caption, grid.caption_justify = Text(_LEGEND), "left"
    return grid


def _stacked(table: Table) -> tuple[list[str], list[tuple[Cell, ...]]]:
    """Return column names and rows; models stand below their group, indented: eighty columns hold no more."""
    if table.columns[0] != "Model":
        return [*table.head, *table.columns], list(_flat(table.bands))
    rows: list[tuple[Cell, ...]] = []
    for band in table.bands:
        rows.append((*band.head, *(Cell("") for _ in table.columns[1:])))
        blank = tuple(Cell("") for _ in band.head[1:])
        rows += [(Cell("  " + name.text, numeric=False), *blank, *cells) for name, *cells in band.rows]
    return [*table.head, *table.columns[1:]], rows


def _flat(bands: tuple[Band, ...], *, repeat: bool = False) -> Iterator[tuple[Cell, ...]]:
    """Yield rows; a band's leading cells stand in its first row, or in each."""
    for band in bands:
        for place, row in enumerate(band.rows):
            blank = tuple(Cell("", numeric=cell.numeric) for cell in band.head)
            yield (*(band.head if place == 0 or repeat else blank), *row)


def _mark(cell: Cell, mark: str, before_note: str = "\n") -> str:
    text = cell.text + mark if cell.few else cell.text
    if not cell.note:
        return text
    return f"{text}\n{cell.note}" if before_note == "\n" else f"{text} ({cell.note})"


def to_text(report: FairnessReport, *, columns: int = 110) -> str:
    """Return the report as plain text, without colours or escape codes."""
    from rich.console import Console

    console = Console(file=io.StringIO(), width=columns, color_system=None, force_terminal=False, legacy_windows=False)
    console.print(to_rich(report, plain=True))
    text = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    return "\n".join(line.rstrip() for line in text.rstrip().splitlines())


def to_markdown(report: FairnessReport) -> str:
    """Return the report as Markdown: GitHub's tables, every name escaped."""
    shown = tables(report)
    parts = [f"# {escape(report.title)}", escape(f"{report.sentence} {no_better(report)}".rstrip())]
    for table in shown:
        parts += [f"## {escape(table.title)}", markdown_table(table)]
    if any(table.has_few for table in shown):
        parts.append(f"† {FEW_NOTE}")
    parts += [escape(line) for line in _positive(report)]
    parts += ["## What is not known", "\n".join(f"- {escape(note)}" for note in report.not_known)]
    if report.context:
        rows = tuple(Band((Cell(one_line(k), numeric=False),), ((_text(v),),)) for k, v in report.context.items())
        parts += ["## Where the numbers come from", markdown_table(Table("", ("What",), ("Value",), rows))]
    meanings = {**definitions(report), **criterion_meaning(report)}
    parts += ["## What the words mean", "\n".join(f"- **{escape(k)}**: {escape(v)}" for k, v in meanings.items())]
    return "\n\n".join(parts) + "\n"


def _text(value: object) -> Cell:
    return Cell(one_line(value), numeric=False)


def markdown_table(table: Table) -> str:
    """Return a table in GitHub's Markdown, a note in brackets after its figure."""
    rows = list(_flat(table.bands, repeat=True))
    names = (*table.head, *table.columns)
    lines = [[escape(name) for name in names], ["--:" if cell.numeric else ":--" for cell in rows[0]]]
    lines += [[escape(_mark(cell, "†", "").replace("\n", "; ")) for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def escape(text: str) -> str:
    """Return a text that Markdown shows as it is: one line, no markup, no HTML, no cell border."""
    text = one_line(text) if text else ""
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(character, entity)
    return "".join("\\" + c if c in "\\`*_{}[]#|~$!" else c for c in text)
