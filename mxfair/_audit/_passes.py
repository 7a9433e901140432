"""How files become evaluations: one pass for classes, two for values, and nothing but counts is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair._audit import _build
from mxfair._audit._cells import GroupColumn
from mxfair._audit._columns import NotNumbersError
from mxfair._audit._count import (
    KEEP,
    SCORE_BINS,
    VALUE_BINS,
    Columns,
    DecisionCounts,
    GroupCells,
    Survey,
    UndecidedError,
    ValueCounts,
    check_complete,
    numbers_in,
)
from mxfair._audit._progress import Progress
from mxfair._audit._sources import BYTES, ROWS, Source, column_names_of, read_chunks
from mxfair._table_file import MAX_CLASSES
from mxfair._validation import InputError

#: Classes that are counted where --task classification says that they are classes.
MANY_CLASSES = 1000


@dataclass(frozen=True)
class Request:
    """What is read from files.

    Parameters
    ----------
    sources : sequence of Source
    label, predictions, scores, groups, control, threshold, positive, task, joint, keep
        As the options say.
    rows, size : int
        Rows, or bytes of text, of a chunk.
    """

    sources: Sequence[Source]
    label: str
    predictions: tuple[str, ...]
    groups: tuple[str, ...]
    scores: tuple[str, ...] = ()
    control: tuple[str, ...] = ()
    threshold: float | None = None
    positive: str | None = None
    task: str | None = None
    joint: bool = False
    keep: int = KEEP
    rows: int = ROWS
    size: int = BYTES

    def columns(self, **changes: Any) -> Columns:
        """Return the columns, with group columns that have seen nothing yet."""
        names = column_names_of(self.sources[0])
        groups, control = ([GroupColumn(name, names) for name in some] for some in (self.groups, self.control))
        return Columns(
            self.label,
            self.predictions,
            self.scores,
            groups,
            control,
            threshold=self.threshold,
            joint=self.joint,
            keep=self.keep,
            **changes,
        )

    def chunks(self, wanted: Any, what: str) -> Any:
        """Read columns, with a progress bar where files are large and somebody watches."""
        with Progress(self.sources, what) as progress:
            yield from read_chunks(self.sources, wanted, rows=self.rows, size=self.size, progress=progress.update)


@dataclass(frozen=True)
class Audited:
    """What was read.

    Parameters
    ----------
    evaluations : list
        One for each model.
    rows : int
    notes : dict of str to str
        What the reader must know about how it was read.
    joint : list of ndarray
        Joint counts of the first and each further model.
    """

    evaluations: list[Any]
    rows: int
    notes: dict[str, str]
    joint: list[np.ndarray]


def read(request: Request) -> Audited:
    """Read files and return the evaluations of their predictions."""
    if request.task == "regression":
        return _values(request)
    limit = MAX_CLASSES if request.task is None else MANY_CLASSES
    try:
        counts = _count(request, request.columns(limit=limit, values_differ=request.task is None))
    except UndecidedError:
        decided = _decided(request, limit)
        if decided is None:
            return _values(request)
        counts = decided
    return _classes(request, counts)


def _count(request: Request, columns: Columns) -> DecisionCounts:
    """Count decisions, once more if scores turn out to lie in another range."""
    counts = DecisionCounts(columns)
    for chunk, rows in request.chunks(columns.wanted(numbers=False), "Counting"):
        counts.add(chunk, rows)
    _check_rows(request, counts.rows)
    counts.check_complete()
    if any(state.outside for state in counts.scores):
        low, high = min(s.low for s in counts.scores), max(s.high for s in counts.scores)
        if not np.isfinite(high - low):
            raise InputError(f"The columns of --score must span a finite range; got {low:g} to {high:g}. Check them.")
        low, high = (low, high) if low < high else (low - max(abs(low), 1.0) / 2, high + max(abs(high), 1.0) / 2)
        changes = {"limit": columns.limit, "values_differ": columns.values_differ, "score_range": (low, high)}
        return _count(request, request.columns(**changes))
    return counts


def _decided(request: Request, limit: int) -> DecisionCounts | None:
    """Return the counts of classes after all, or None if labels are values; raise if predictions are no decisions."""
    survey, numeric = Survey(request.label), True
    wanted = {request.label: ("number", "--label")}
    try:
        for chunk, _ in request.chunks(wanted, "Looking at labels"):
            survey.add(numbers_in(chunk, request.label))
    except NotNumbersError:
        numeric = False
    if numeric and survey.is_value and request.task is None:
        return None
    try:
        return _count(request, request.columns(limit=limit, values_differ=False))
    except UndecidedError as error:
        column = str(error)
        if column != request.label and numeric:
            raise _build.not_decisions(column, request.label) from error
        what = "--label" if column == request.label else "--prediction"
        raise InputError(f"The column '{column}' must hold at most {limit} classes; got more. Check {what}.") from error


def _check_rows(request: Request, rows: int) -> None:
    if not rows:
        names = ", ".join(str(source.path) for source in request.sources[:3])
        raise InputError(f"'{names}' must hold a header and rows; got 0 rows. Check the file.")


def _classes(request: Request, counts: DecisionCounts) -> Audited:
    classes = _build.classes_of(counts, request.positive, task=request.task)
    made = _build.evaluations(counts, classes)
    predicted = _build.predicted_only(counts, classes)
    notes = {"classes": predicted} if predicted else {}
    if counts.scores and not counts.scores[0].exact:
        low, high = counts.scores[0].range
        error = max(float(e.scores.auc_error().overall) for e in made if e.scores is not None)
        notes["scores"] = (
            f"counted in {SCORE_BINS:,} bins from {low:g} to {high:g}, since there are more than {request.keep:,} "
            f"rows: the AUC over all samples is within {error:.1g} of that of the scores themselves"
        )
    return Audited(made, counts.rows, notes, _build.joint_tables(counts, classes))


def _values(request: Request) -> Audited:
    """Read a regression: once for ranges and groups, once to count."""
    if request.positive is not None or request.scores or request.control:
        raise InputError("--positive, --score and --control are for classes; the labels are values. Leave them out.")
    columns = request.columns()
    wanted = columns.wanted(numbers=True)
    surveys = [Survey(name) for name in (request.label, *request.predictions)]
    cells, rows = GroupCells(columns), 0
    for chunk, count in request.chunks(wanted, "Looking at values"):
        rows += count
        cells.encode(chunk)
        for survey in surveys:
            survey.add(numbers_in(chunk, survey.name))
    _check_rows(request, rows)
    check_complete({survey.name: survey.missing for survey in surveys})
    for survey in surveys:
        if survey.infinite:
            raise InputError(f"The column '{survey.name}' must be finite; got infinity. Correct or remove these rows.")
    low, high = min(s.low for s in surveys), max(s.high for s in surveys)
    if not np.isfinite(high - low):
        raise InputError(
            f"The columns of labels and predictions must span a finite range; got {low:g} to {high:g}. Check them."
        )
    counts = ValueCounts(columns, cells, rows, low, high)
    for chunk, count in request.chunks(wanted, "Counting"):
        counts.add(chunk, count)
    notes = {}
    if not counts.exact:
        notes["values"] = (
            f"counted in sums and {VALUE_BINS:,} bins from {low:g} to {high:g}, since there are more than "
            f"{request.keep:,} rows: errors are exact, distances those of the bins, intervals from the normal "
            "distribution"
        )
    return Audited(_build.value_evaluations(counts), rows, notes, [])
