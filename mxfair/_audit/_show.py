"""An audit or a comparison on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mxfair.report._format import one_line

if TYPE_CHECKING:
    from mxfair._audit._run import AuditResult
    from mxfair.report.gates import GateResult

__all__ = ["show"]


def show(result: AuditResult, out: Path | None) -> None:
    """Print the report, what stands beside it, and what the gates say."""
    from rich.console import Console

    console = Console()
    console.print(result.report)
    for rows in result.beside:
        console.print(table_of(rows))
    show_gates(console, result.gates)
    if out is not None:
        console.print(f"Wrote {out}.", highlight=False, markup=False)


def table_of(rows: Sequence[Sequence[str]]) -> Any:
    """Return rows of text as a table, the first one as its heading."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for place, heading in enumerate(rows[0]):
        table.add_column(Text(heading), justify="left" if place == 0 else "right")
    for row in rows[1:]:
        table.add_row(*(Text(cell) for cell in row))
    return table


def show_gates(console: Any, gates: Sequence[GateResult]) -> None:
    """Print a line for each gate and model."""
    for gate in gates:
        model = one_line(gate.model, 60)
        word = {"passed": "passed", "failed": "FAILED", "not judged": "NOT JUDGED"}[gate.status]
        text = f"{word}: {model}, fail if {one_line(gate.gate)}: {one_line(gate.reason)}"
        console.print(text, highlight=False, markup=False, soft_wrap=True)
