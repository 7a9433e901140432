"""The report's figures as CSV: one row per figure, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import math
import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mxfair.report._certainty import NOTHING

if TYPE_CHECKING:
    from mxfair.report._report import FairnessReport

_HEAD = ("model", "kind", "group", "figure", "value", "low", "high", "support", "high_group", "low_group")
#: A spreadsheet takes a cell that begins with one of these for a formula, spaces before it or not.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def to_csv(report: FairnessReport) -> str:
    """Return a row for each figure of each group, and for each gap."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(_HEAD)
    writer.writerows([cell(value) for value in row] for row in _rows(report))
    return buffer.getvalue()


def _rows(report: FairnessReport) -> Iterator[tuple[Any, ...]]:
    groups = ["", *report.baseline.table.groups]
    for evaluation, found in zip(report.evaluations, report.certainties):
        for key, (values, given) in evaluation.columns.items():
            for place, group in enumerate(groups):
                kind = "group" if place else "overall"
                ends = found.rates.get((key, place), NOTHING)
                yield (evaluation.name, kind, group, key, values[place], *ends, given[place], "", "")
    for criterion, gaps in report.gap_rows.items():
        for name, gap in zip(report.names, gaps):
            pair = ("", "") if gap.largest is None else (gap.largest.high or "", gap.largest.low or "")
            yield (name, "gap", "", criterion, gap.value, *gap.interval, "", *pair)


def cell(value: Any) -> str:
    """Return a cell: numbers as they are, nothing for NaN, and text that a spreadsheet does not take for a formula.

    Text that begins as a formula would gets an apostrophe before it, which spreadsheets take for "this is text".
    Characters that a terminal would obey are replaced.
    """
    if not isinstance(value, str):
        number = float(value)
        return "" if math.isnan(number) else repr(int(number)) if number.is_integer() else repr(number)
    text = "".join(c if c in "\t\r\n" or unicodedata.category(c) not in ("Cc", "Cs") else "\ufffd" for c in value)
    return "'" + text if text.lstrip(" ").startswith(_FORMULA) else text
