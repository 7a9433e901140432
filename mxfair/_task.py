"""What `mxfair train` trains on: a table by name or from a file, with its label and its groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair import datasets
from mxfair._table_file import CUT, MAX_CLASSES, column, column_names, cut_of, group_columns, read_table
from mxfair._validation import InputError, plural
from mxfair.datasets._bunch import random_split
from mxfair.groups import Groups

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Part", "Task", "is_value", "load_rows", "load_task"]


@dataclass(frozen=True)
class Part:
    """The training or the test rows."""

    frame: pd.DataFrame
    labels: np.ndarray  # places among the task's classes, or values
    groups: Groups
    rows: np.ndarray  # row numbers in the source, from 0

    def take(self, places: np.ndarray) -> Part:
        """Return some of the rows."""
        frame = self.frame.iloc[places].reset_index(drop=True)
        return Part(frame, self.labels[places], self.groups.take(places), self.rows[places])


@dataclass(frozen=True)
class Task:
    """A task split into training and test rows."""

    name: str
    label: str
    classes: list[Any]  # label values; the last of two is the positive one; empty for regression
    positive: str  # what the positive one means; empty for more than two
    train: Part
    test: Part
    split: str
    group_names: tuple[str, ...] = ()  # the columns, or cuts of columns, that the groups come from

    @property
    def regression(self) -> bool:
        """Whether labels are values rather than classes."""
        return not self.classes

    @property
    def scale(self) -> tuple[float, float]:
        """Mean and standard deviation of the training rows' target: what a net of a regression is trained in."""
        return float(self.train.labels.mean()), float(self.train.labels.std()) or 1.0

    @property
    def n_outputs(self) -> int:
        """Outputs of a net for this task: one for two classes, and for regression."""
        return len(self.classes) if len(self.classes) > 2 else 1


def load_task(
    data: str,
    *,
    label: str | None,
    groups: Sequence[str],
    positive: str | None,
    exclude: Sequence[str],
    test_size: float,
    seed: int,
    kind: str | None = None,
) -> Task:
    """Return the task for a data set's name or a file's path."""
    if data in datasets.LOADERS:
        if label is not None or positive is not None or kind is not None:
            raise InputError(
                f"--label, --positive and --task are for files; '{data}' comes with its own. Leave them out."
            )
        frame, columns, bunch = _of_name(data)
        kind = "regression" if bunch.task == "regression" else "classification"
        label, target, split = str(bunch.target.name or "target"), bunch.target, bunch.split
        meaning = bunch.positive if kind == "regression" else f"1 ({bunch.positive})"
        groups = list(groups) or [str(bunch.groups.columns[0])]
    else:
        frame = read_table(data)
        if label is None:
            raise InputError(f"--label must name the column to predict; the file has {column_names(frame)}.")
        if not groups:
            raise InputError(f"--group must name a sensitive column; the file has {column_names(frame)}.")
        target = column(frame, label, "--label")
        columns, split, meaning = {c: frame[c] for c in frame.columns}, None, ""
    chosen = group_columns(columns, groups)
    for name in exclude:
        column(frame, name, "--exclude")
    _check_present(target, label)
    classes: list[Any] = []
    if kind == "regression" or (kind is None and is_value(target)):
        if positive is not None:
            raise InputError(f"--positive is for two classes; '{label}' holds values to regress on. Leave it out.")
        labels = _values(target, label)
    else:
        classes, labels = _encode_label(target, label, positive)
    encoded = Groups(chosen)
    features = frame.drop(columns=[c for c in {label, *exclude} if c in frame.columns])
    train, test, how = _split(len(frame), split, test_size, seed)
    parts = [Part(features.iloc[r].reset_index(drop=True), labels[r], encoded.take(r), r) for r in (train, test)]
    if classes:
        _check_test(parts[1], classes)
    if not meaning and len(classes) == 2:
        meaning = str(classes[-1])
    return Task(Path(data).name, label, classes, meaning, parts[0], parts[1], how, tuple(groups))


def _of_name(data: str) -> tuple[pd.DataFrame, dict[str, Any], Any]:
    """Return the features of a data set, the columns that groups may come from, and the whole of it."""
    bunch = datasets.load(data)
    tables = [table for table in (bunch.meta, bunch.data, bunch.groups) if table is not None]  # readable names win
    return bunch.data, {name: table[name] for table in tables for name in table.columns}, bunch


def load_rows(
    data: str,
    *,
    label: str,
    groups: Sequence[str],
    classes: Sequence[Any],
    features: Sequence[str],
    text: Sequence[str],
) -> Part:
    """Return all rows of a data set or a file that a trained net is to be applied to, with their labels.

    Parameters
    ----------
    data : str
        Name of a data set, or path of a file.
    label, groups, classes
        As the `Task` of the training has them.
    features : sequence of str
        Columns that the net takes.
    text : sequence of str
        Columns to be read as text, whatever they hold.
    """
    if data in datasets.LOADERS:
        frame, columns, bunch = _of_name(data)
        columns = {**columns, str(bunch.target.name or "target"): bunch.target}
    else:
        frame = read_table(data, text=text)
        columns = {name: frame[name] for name in frame.columns}
    sources = [name if name in columns or not CUT.fullmatch(name) else cut_of(name).source for name in groups]
    absent = [name for name in dict.fromkeys([label, *sources, *features]) if name not in columns]
    if absent:
        raise InputError(
            f"'{data}' must have the columns of the training; it lacks {column_names(absent)}. Choose other data."
        )
    target = columns[label]
    _check_present(target, label)
    values = _places(target, label, classes) if classes else _values(target, label)
    return Part(frame[list(features)], values, Groups(group_columns(columns, groups)), np.arange(len(frame)))


def _places(target: Any, name: str, classes: Sequence[Any]) -> np.ndarray:
    """Return the place of each label among the classes of the training."""
    import pandas as pd

    places = pd.Index(list(classes), dtype=object).get_indexer(target.astype(object))
    if (places < 0).any():  # a number that was text, or the other way round
        places = pd.Index([str(value) for value in classes]).get_indexer(target.astype(str))
    if (places < 0).any():
        strange = column_names([target.iloc[int(np.argmax(places < 0))]])
        raise InputError(
            f"The label column '{name}' must hold the classes of the training, {column_names(classes)}; got {strange}. "
            "Correct or remove these rows."
        )
    return np.asarray(places, dtype=np.int64)


def _check_present(target: Any, name: str) -> None:
    absent = int(target.isna().sum())
    if absent:
        raise InputError(
            f"The label column '{name}' must not have missing values; got {absent:,}. Label or remove these rows."
        )


def is_value(target: Any) -> bool:
    """Return whether a column of numbers looks like a regression target: many numbers, or fractions."""
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(target) or pd.api.types.is_bool_dtype(target):
        return False
    found = np.unique(target.to_numpy(dtype=float))
    return len(found) > MAX_CLASSES or bool((found != np.round(found)).any())


def _values(target: Any, name: str) -> np.ndarray:
    """Return the target of a regression."""
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(target):
        raise InputError(f"The label column '{name}' must hold numbers for a regression; it holds text. Check --label.")
    values: np.ndarray = target.to_numpy(dtype=np.float64)
    if not np.isfinite(values).all():
        raise InputError(f"The label column '{name}' must be finite; got infinity. Correct or remove these rows.")
    if len(np.unique(values)) < 2:
        raise InputError(f"The label column '{name}' must hold two values or more; got only {values[0]:g}.")
    return values


def _encode_label(target: Any, name: str, positive: str | None) -> tuple[list[Any], np.ndarray]:
    """Return the classes, the positive one of two last, and each row's place among them."""
    import pandas as pd

    codes, values = pd.factorize(target, sort=True)
    classes = [value.item() if hasattr(value, "item") else value for value in values]
    strange = next((c for c in classes if not isinstance(c, (str, bool, int, float))), None)
    if strange is not None:
        raise InputError(f"The label column '{name}' must hold text or numbers; got {strange!r}. Convert it first.")
    if len(classes) < 2:
        raise InputError(f"The label column '{name}' must hold two classes or more; got only {classes}.")
    number = pd.api.types.is_numeric_dtype(target)
    if number and (len(classes) > MAX_CLASSES or any(float(c) != round(float(c)) for c in classes)):
        raise InputError(
            f"The label column '{name}' must hold at most {MAX_CLASSES} whole numbers as classes; got {len(classes):,} "
            "different numbers, which is a regression task. Leave out --task, or cut the column into classes."
        )
    if len(classes) > MAX_CLASSES:
        raise InputError(
            f"The label column '{name}' must hold at most {MAX_CLASSES} classes; got {len(classes):,}. Check --label."
        )
    if len(classes) > 2:
        if positive is not None:
            raise InputError(f"--positive is for two classes; '{name}' has {len(classes)}. Leave it out.")
        return classes, codes
    if positive is None and {str(c).lower() for c in classes} == {"true", "false"}:
        positive = next(str(c) for c in classes if str(c).lower() == "true")
    if positive is None and not number:
        raise InputError(
            f"--positive must say which outcome of '{name}' counts as positive, {classes[0]!r} or {classes[1]!r}."
        )
    texts = [str(c) for c in classes]
    if positive is not None and positive not in texts:
        raise InputError(
            f"--positive must be one of {texts[0]!r} and {texts[1]!r}, the values of '{name}'; got {positive!r}."
        )
    if positive is not None and texts.index(positive) == 0:
        return classes[::-1], 1 - codes
    return classes, codes


def _split(n: int, split: Any, test_size: float, seed: int) -> tuple[np.ndarray, np.ndarray, str]:
    if split is not None:
        return np.flatnonzero(split == "train"), np.flatnonzero(split == "test"), "as published"
    if not 0 < test_size < 1 or not 0 < round((1 - test_size) * n) < n:
        raise InputError(
            f"--test-size must leave rows on both sides of the split; got {test_size:g} for {plural(n, 'row')}."
        )
    train, test = random_split(n, test_size, seed)
    return np.sort(train), np.sort(test), f"random {1 - test_size:.0%} / {test_size:.0%}, seed {seed}"


def _check_test(test: Part, classes: list[Any]) -> None:
    if len(np.unique(test.labels)) < 2:
        raise InputError(
            f"The test rows must hold two classes or more; all have the label {classes[test.labels[0]]}. "
            "Use more data or a larger --test-size."
        )
