"""`mxfair audit`: from options to a report, its gates, and what is written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from mxfair._audit._options import AuditOptions, check_not_read, is_folder
from mxfair._audit._passes import Audited, Request, read
from mxfair._audit._sources import column_names_of, sources_of
from mxfair._validation import InputError, plural
from mxfair.report import FairnessReport
from mxfair.report._files import write_all, write_text
from mxfair.report._format import joined, one_line
from mxfair.report._junit import to_junit
from mxfair.report.gates import GateResult, check_gates

__all__ = ["AuditResult", "run_audit"]


@dataclass(frozen=True)
class AuditResult:
    """What an audit found.

    Parameters
    ----------
    report : FairnessReport
    gates : list of GateResult
    """

    report: FairnessReport
    gates: list[GateResult]

    @property
    def passed(self) -> bool:
        """Whether all gates passed."""
        return all(gate.passed for gate in self.gates)


def run_audit(options: AuditOptions) -> AuditResult:
    """Return the report on the predictions in files and what the gates say, written to ``--out`` if that is given."""
    gates = options.check()
    sources = sources_of(options.files)
    check_not_read(options.out, [source.path for source in sources])
    if not (options.predictions or options.threshold is not None) or not options.groups:
        names = column_names_of(sources[0])
        shown = ", ".join(names[:30]) + (", ..." if len(names) > 30 else "")
        raise InputError(
            f"--prediction and --group must each name a column; the file has {shown}. Name at least one of each."
        )
    audited = read(
        Request(
            sources,
            options.label,
            options.predictions,
            options.groups,
            options.scores,
            options.control,
            threshold=options.threshold,
            positive=options.positive,
            task=options.task,
            joint=len(options.predictions) > 1,
        )
    )
    context = _context(options, [source.path for source in sources], audited)
    settings: dict[str, Any] = {
        "reference": options.reference,
        "compat": options.compat,
        "min_support": options.min_support,
    }
    paired = dict(zip([e.name for e in audited.evaluations[1:]], audited.joint)) or None
    report = FairnessReport(
        audited.evaluations, criterion=options.criterion, context=context, paired=paired, **settings
    )
    results = check_gates(report, gates)
    if results:
        report.context["gates"] = "; ".join(f"{gate.model}: {gate.reason} ({gate.status})" for gate in results)
    result = AuditResult(report, results)
    if options.out is not None:
        _write(options.out, result, f"mxfair audit {one_line(sources[0].path.name, 80)}")
    return result


def _context(options: AuditOptions, paths: list[Path], audited: Audited) -> dict[str, Any]:
    context: dict[str, Any] = {
        "file": paths[0].name if len(paths) == 1 else f"{paths[0].name} and {plural(len(paths) - 1, 'other file')}",
        "rows": audited.rows,
        "label": options.label,
        "groups": audited.evaluations[0].table.name,
    }
    if options.threshold is not None:
        context["decisions"] = f"positive from a score of {options.threshold:g} on"
    if options.control:
        context["control"] = joined([one_line(name, 60) for name in options.control])
    return {**context, **audited.notes}


def _metrics(result: AuditResult) -> str:
    """Return the report as JSON, with what the gates say."""
    state = {**result.report.to_dict(), "gates": [gate.to_dict() for gate in result.gates]}
    return json.dumps(state, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _write(out: Path, result: AuditResult, name: str) -> None:
    """Write one file, or a folder of all formats."""
    report = result.report
    writers: dict[str, Callable[[], str]] = {
        ".html": report.to_html,
        ".json": lambda: _metrics(result),
        ".md": report.to_markdown,
        ".csv": report.to_csv,
        ".xml": lambda: to_junit(result.gates, name=name),
    }
    if not is_folder(out):
        write_text(out, writers[out.suffix.lower()]())
        return
    texts = {"report.html": writers[".html"], "metrics.json": writers[".json"], "report.md": writers[".md"]}
    texts.update({"rates.csv": writers[".csv"], "junit.xml": writers[".xml"]})
    texts["model_card.md"] = lambda: report.model_card().to_markdown()
    made = {out / file: text() for file, text in texts.items()}  # all of it before anything is written
    out.mkdir(exist_ok=True)
    write_all(made)
