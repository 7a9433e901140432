"""What is counted while files are read: decisions and scores by group and label, errors by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from mxfair._audit._cells import Combinations, GroupColumn, Table
from mxfair._audit._columns import Category, Levels, TooManyError
from mxfair._table_file import MAX_CLASSES
from mxfair._validation import InputError, plural
from mxfair.groups import Groups
from mxfair.report._crossed import attributes_of
from mxfair.residuals import GroupResiduals
from mxfair.scores._table import ROUNDING

#: Up to so many rows are kept, so that figures that no table holds are exact.
KEEP = 1_000_000
#: Bins of scores beyond that, and of predicted numbers.
SCORE_BINS, VALUE_BINS = 1000, 1024


@dataclass(frozen=True)
class Columns:
    """The columns of an audit.

    Parameters
    ----------
    label : str
    predictions, scores : tuple of str
        A score for each prediction, or none; with a threshold, scores alone.
    groups, control : sequence of GroupColumn
    threshold : float, optional
        Scores from here on are positive decisions.
    limit : int
        Classes that are counted.
    values_differ : bool
        Whether labels with fractions, or too many numbers, are to be read as values, which the caller finds out.
    joint : bool
        Whether decisions of each further model are counted together with the first one's.
    keep : int
        Rows that are kept.
    score_range : tuple of (float, float)
        Where scores are counted once there are too many rows to keep.
    """

    label: str
    predictions: tuple[str, ...]
    scores: tuple[str, ...]
    groups: Sequence[GroupColumn]
    control: Sequence[GroupColumn] = ()
    threshold: float | None = None
    limit: int = MAX_CLASSES
    values_differ: bool = True
    joint: bool = False
    keep: int = KEEP
    score_range: tuple[float, float] = (0.0, 1.0)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models."""
        return self.predictions or self.scores

    def wanted(self, *, numbers: bool) -> dict[str, tuple[str, str]]:
        """Return how each column is read, and which option names it; labels and predictions are read as numbers."""
        kind = "number" if numbers else "category"
        pairs = [(self.label, kind, "--label"), *((name, kind, "--prediction") for name in self.predictions)]
        if not numbers:
            pairs += [(name, "number", "--score") for name in self.scores]
        pairs += [(column.source, column.kind, "--group") for column in self.groups]
        pairs += [(column.source, column.kind, "--control") for column in self.control]
        wanted: dict[str, tuple[str, str]] = {}
        for name, how, option in pairs:  # a category can be read as numbers, not the other way round
            if name not in wanted or how == "category":
                wanted[name] = how, wanted.get(name, ("", option))[1]
        return wanted


class UndecidedError(Exception):
    """Labels or predictions look like values and not like classes, or are too many."""


class GroupCells:
    """The combinations of group and control columns, numbered as they are met."""

    def __init__(self, columns: Columns) -> None:
        self._columns = [*columns.groups, *columns.control]
        self._n_groups = len(columns.groups)
        self._combinations = Combinations()

    @property
    def size(self) -> int:
        """Combinations so far."""
        return self._combinations.size

    def encode(self, chunk: dict[str, Any]) -> np.ndarray:
        """Return each row's combination."""
        codes = [column.encode(chunk[column.source]) for column in self._columns]
        return self._combinations.encode(codes, [column.size for column in self._columns])

    def groups(self) -> Groups:
        """Return the group of each combination."""
        return self._of(slice(self._n_groups))

    def control(self) -> Groups | None:
        """Return the level of the control attribute of each combination."""
        return self._of(slice(self._n_groups, None)) if len(self._columns) > self._n_groups else None

    def attributes(self) -> Mapping[str, Sequence[str]] | None:
        """Return the level of each attribute in each group, where several are crossed."""
        return attributes_of(self._values(slice(self._n_groups)), self.groups())

    def _of(self, part: slice) -> Groups:
        return Groups(self._values(part))

    def _values(self, part: slice) -> dict[str, list[Any]]:
        columns = list(enumerate(self._columns))[part]
        values = {column.name: column.values() for _, column in columns}
        found = self._combinations.found
        return {column.name: [values[column.name][f[place]] for f in found] for place, column in columns}


class DecisionCounts:
    """Decisions and scores by group, label and model.

    Parameters
    ----------
    columns : Columns
    """

    def __init__(self, columns: Columns) -> None:
        self.columns, self.rows = columns, 0
        self.label = Levels(columns.label, columns.limit)
        self.preds = [Levels(name, columns.limit) for name in columns.predictions]
        self.cells = GroupCells(columns)
        self.tables = [Table(3) for _ in columns.models]
        self.joint = [Table(4) for _ in columns.models[1:]] if columns.joint else []
        self.scores = [ScoreCounts(name, columns) for name in columns.scores]

    def add(self, chunk: dict[str, Any], count: int) -> None:
        """Count a chunk's rows."""
        self.rows += count
        cells = self.cells.encode(chunk)
        try:
            labels = self.label.encode(chunk[self.columns.label])
            decided = [levels.encode(chunk[levels.name]) for levels in self.preds]
        except TooManyError as error:
            raise UndecidedError(error.column) from error
        if self.columns.values_differ and self.label.fraction and not self.label.text:
            raise UndecidedError(self.columns.label)
        sizes = [levels.size for levels in self.preds]
        scores = [numbers_in(chunk, name) for name in self.columns.scores]
        if self.columns.threshold is not None:
            decided = [self._decided(chunk, name) for name in self.columns.scores]
            sizes = [3] * len(decided)
        for table, codes, size in zip(self.tables, decided, sizes):
            table.add(table.keys([cells, labels, codes], [self.cells.size, self.label.size, size]))
        for table, codes, size in zip(self.joint, decided[1:], sizes[1:]):
            room = [self.cells.size, self.label.size, sizes[0], size]
            table.add(table.keys([cells, labels, decided[0], codes], room))
        if scores:
            places = cells.astype(np.int32), labels.astype(np.int16)
            for state, values in zip(self.scores, scores):
                state.add(*places, values, (self.cells.size, self.label.size))

    def _decided(self, chunk: dict[str, Any], name: str) -> np.ndarray:
        """Return 2 for scores from the threshold on, 1 below and 0 where missing, compared in the file's precision."""
        values = chunk[name].numbers(name) if isinstance(chunk[name], Category) else chunk[name]
        return np.where(np.isnan(values), 0, 1 + (values >= values.dtype.type(self.columns.threshold)))

    def check_complete(self) -> None:
        """Raise if a label, a prediction or a score is missing."""
        lost = {self.columns.label: self.tables[0].array[:, :1].sum()}
        for name, table in zip(self.columns.predictions, self.tables):
            lost[name] = table.array[:, :, :1].sum()
        for state in self.scores:
            lost[state.name] = state.missing
        check_complete(lost)


def check_complete(lost: dict[str, float]) -> None:
    """Raise if values of a column are missing; `lost` says how many."""
    for name, absent in lost.items():
        if absent:
            raise InputError(
                f"The column '{name}' must not have missing values; got {plural(int(absent), 'row')} without. "
                "Remove these rows."
            )


def numbers_in(chunk: dict[str, Any], name: str) -> np.ndarray:
    """Return a column of a chunk as float64, NaN where missing."""
    column = chunk[name]
    return column.numbers(name) if isinstance(column, Category) else column.astype(np.float64, copy=False)


class ScoreCounts:
    """Scores by group and label: the rows themselves while there are few, then histograms.

    Parameters
    ----------
    name : str
    columns : Columns
    """

    def __init__(self, name: str, columns: Columns) -> None:
        self.name, self.missing = name, 0
        self.low, self.high = np.inf, -np.inf
        self.range = columns.score_range
        self._keep, self._n = columns.keep, 0
        self._rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]] | None = []
        self.counts, self.sums = Table(3), Table(3)
        self._sizes = (0, 0)

    @property
    def exact(self) -> bool:
        """Whether all rows are at hand."""
        return self._rows is not None

    @property
    def outside(self) -> bool:
        """Whether scores lie outside of the range in which they were counted."""
        return not self.exact and not (self.range[0] <= self.low and self.high <= self.range[1])

    def add(self, cells: np.ndarray, labels: np.ndarray, values: np.ndarray, sizes: tuple[int, int]) -> None:
        """Add a chunk's rows."""
        lost = np.isnan(values)
        if lost.any():
            self.missing += int(lost.sum())
            cells, labels, values = cells[~lost], labels[~lost], values[~lost]
        if not len(values):
            return
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        if not np.isfinite([self.low, self.high]).all():
            raise InputError(f"The column '{self.name}' must hold finite scores; got infinity. Check the scores.")
        self._n, self._sizes = self._n + len(values), sizes
        if self._rows is not None:
            self._rows.append((cells, labels, values))
            if self._n <= self._keep:
                return
            kept, self._rows = self._rows, None
            for part in kept:
                self._count(*part)
        else:
            self._count(cells, labels, values)

    def _count(self, cells: np.ndarray, labels: np.ndarray, values: np.ndarray) -> None:
        low, high = self.range
        with np.errstate(over="ignore"):  # what lies outside of the range is counted once more
            places = np.ceil((values - low) * (SCORE_BINS / (high - low)) - ROUNDING)
        places = np.clip(places, 1, SCORE_BINS).astype(np.int64) - 1
        sizes = [*self._sizes, SCORE_BINS]
        codes = [cells.astype(np.int64), labels, places]
        self.counts.add(self.counts.keys(codes, sizes))
        self.sums.add(self.sums.keys(codes, sizes), values)

    @cached_property
    def rows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The combination, the code of the label and the score of each row, where all were kept."""
        first, second, third = zip(*(self._rows or []))
        return np.concatenate(first).astype(np.int64), np.concatenate(second), np.concatenate(third)


@dataclass
class Survey:
    """What a column of numbers holds.

    Parameters
    ----------
    name : str
    """

    name: str
    missing: int = 0
    fraction: bool = False
    infinite: bool = False
    low: float = np.inf
    high: float = -np.inf
    found: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def add(self, values: np.ndarray) -> None:
        """Take in a chunk."""
        lost = np.isnan(values)
        self.missing += int(lost.sum())
        values = values[~lost] if lost.any() else values
        if not len(values):
            return
        if len(self.found) <= MAX_CLASSES:
            self.found = np.unique(np.concatenate([self.found, values]))[: MAX_CLASSES + 1]
        self.fraction |= bool((values != np.round(values)).any())
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        self.infinite |= not np.isfinite([self.low, self.high]).all()

    @property
    def is_value(self) -> bool:
        """Whether it looks like values: fractions, or many numbers."""
        return self.fraction or len(self.found) > MAX_CLASSES


class ValueCounts:
    """Labels and predicted numbers by group: the rows while there are few, else sums and histograms.

    Parameters
    ----------
    columns : Columns
    cells : GroupCells
        Those of an earlier pass over the files, so that all groups are known.
    rows : int
        Rows in all files.
    low, high : float
        Range of labels and predictions.
    """

    def __init__(self, columns: Columns, cells: GroupCells, rows: int, low: float, high: float) -> None:
        self.columns, self.rows = columns, rows
        self._cells, self._groups = cells, cells.groups()
        self.exact = rows <= columns.keep
        if not low < high:
            low, high = low - max(abs(low), 1.0) / 2, high + max(abs(high), 1.0) / 2
        options: dict[str, Any] = {"low": low, "high": high, "bins": VALUE_BINS, "known": self._groups.known}
        options["name"] = self._groups.name
        self.states = [GroupResiduals(self._groups.names, **options) for _ in columns.predictions]
        self._parts: list[list[np.ndarray]] = []

    def add(self, chunk: dict[str, Any], count: int) -> None:
        """Count a chunk's rows."""
        codes = self._groups.codes[self._cells.encode(chunk)]
        values = [numbers_in(chunk, name) for name in (self.columns.label, *self.columns.predictions)]
        if self.exact:
            self._parts.append([codes, *values])
            return
        groups = self._of(codes)
        for state, preds in zip(self.states, values[1:]):
            state.update(values[0], preds, groups)

    def kept(self) -> tuple[Groups, list[np.ndarray]]:
        """Return the groups, and labels and predictions of each model, where the rows were kept."""
        codes, *values = [np.concatenate(column) for column in zip(*self._parts)]
        return self._of(codes), values

    def _of(self, codes: np.ndarray) -> Groups:
        names = self._groups.names
        return Groups.from_codes(codes, names, unknown=not self._groups.known.all(), name=self._groups.name)
