"""An explanation as terminal output and plain text."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from mxfair.report import _explain_tables as tables
from mxfair.report._explain_words import main_findings
from mxfair.report._format import one_line
from mxfair.report._text import _rich_table

if TYPE_CHECKING:
    from mxfair.report._explanation import ExplanationReport


def to_rich(report: ExplanationReport, *, plain: bool = False) -> Any:
    """Return a rich renderable: the sentence, the table of contributions, the findings."""
    from rich.console import Group
    from rich.text import Text

    parts: list[Any] = [Text(one_line(report.title), style="bold"), Text(report.sentence), Text("")]
    parts += [_rich_table(tables.gap_table(report), plain=plain), Text("")]
    parts += [Text(f"- {text}") for text in main_findings(report)]
    parts += [Text(f"Note: {one_line(note)}", style="dim") for note in report.notes]
    return Group(*parts)


def to_text(report: ExplanationReport, *, columns: int = 110) -> str:
    """Return the explanation as plain text, without colours or escape codes."""
    from rich.console import Console

    console = Console(file=io.StringIO(), width=columns, color_system=None, force_terminal=False, legacy_windows=False)
    console.print(to_rich(report, plain=True))
    text = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    return "\n".join(line.rstrip() for line in text.rstrip().splitlines())
