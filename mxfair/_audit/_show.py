"""An audit or a comparison on the terminal."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mxfair.report._format import interval_text, number, one_line, signed
from mxfair.report._tables import conditional_table
from mxfair.report._text import _rich_table

if TYPE_CHECKING:
    from mxfair._audit._compare import CompareResult
    from mxfair._audit._run import AuditResult
    from mxfair.report.gates import GateResult

__all__ = ["show", "show_comparison"]


#: What the reader must know about how files were read.
NOTES = ("classes", "scores", "values")


def show(result: AuditResult, out: Path | None) -> None:
    """Print the report, what stands beside it, and what the gates say."""
    console = _console()
    console.print(result.report)
    within = conditional_table(result.report)
    if within is not None:
        console.print("", _rich_table(within, plain=False))
    for name in NOTES:
        if name in result.report.context:
            console.print(
                f"{name.capitalize()}: {one_line(result.report.context[name])}.", highlight=False, markup=False
            )
    show_gates(console, result.gates)
    if out is not None:
        console.print(f"Wrote {one_line(out)}.", highlight=False, markup=False)


def show_comparison(result: CompareResult, out: Path | None) -> None:
    """Print a table of changes, what it rests on, and what the gates say."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    console, found = _console(), result.comparison
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, heading in enumerate(("Gap between groups", *found.names, "Change", "95 % interval")):
        table.add_column(Text(one_line(heading, 24)), justify="right" if place else "left", overflow="fold")
    for name, row in zip(found.frame.index, found.frame.to_numpy()):
        *values, change, low, high = (float(value) for value in row)
        texts = [one_line(name), *(number(value) for value in values), signed(change)]
        table.add_row(*map(Text, texts), interval_text((low, high), 3) or "none")
    console.print(table)
    for note in (found.note, *result.notes):
        console.print(note, highlight=False, markup=False)
    show_gates(console, result.gates)
    if out is not None:
        console.print(f"Wrote {one_line(out)}.", highlight=False, markup=False)


def _console() -> Any:
    """Return a console that shows what its encoding lacks as question marks."""
    from rich.console import Console

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    return Console()


def show_gates(console: Any, gates: Sequence[GateResult]) -> None:
    """Print a line for each gate and model."""
    for gate in gates:
        model = one_line(gate.model, 60)
        word = {"passed": "passed", "failed": "FAILED", "not judged": "NOT JUDGED"}[gate.status]
        text = f"{word}: {model}, fail if {one_line(gate.gate)}: {one_line(gate.reason)}"
        console.print(text, highlight=False, markup=False, soft_wrap=True)
