"""What `mxfair train` trains on: a table by name or from a file, with its label and its groups."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair import datasets
from mxfair._validation import InputError, one_of, plural
from mxfair.datasets._bunch import random_split
from mxfair.groups import Groups

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Part", "Task", "load_task", "read_table"]

_CSV_CURE = "Check that it is complete, UTF-8 encoded, separated by commas and has a header line."
#: A numeric label column with more distinct values than this is taken for a regression target.
MAX_CLASSES = 100


@dataclass(frozen=True)
class Part:
    """The training or the test rows."""

    frame: pd.DataFrame
    labels: np.ndarray  # places among the task's classes
    groups: Groups
    rows: np.ndarray  # row numbers in the source, from 0


@dataclass(frozen=True)
class Task:
    """A classification task split into training and test rows."""

    name: str
    label: str
    classes: list[Any]  # label values; the last of two is the positive one
    positive: str  # what the positive one means; empty for more than two
    train: Part
    test: Part
    split: str

    @property
    def n_outputs(self) -> int:
        """Outputs of a net for this task: one for two classes."""
        return 1 if len(self.classes) == 2 else len(self.classes)


def load_task(
    data: str,
    *,
    label: str | None,
    groups: Sequence[str],
    positive: str | None,
    exclude: Sequence[str],
    test_size: float,
    seed: int,
) -> Task:
    """Return the task for a data set's name or a file's path."""
    if data in datasets.LOADERS:
        if label is not None or positive is not None:
            raise InputError(f"--label and --positive are for files; '{data}' comes with its own. Leave them out.")
        bunch = datasets.load(data)
        if bunch.task != "binary":
            raise InputError(
                f"'{data}' is a regression task, and mxfair train handles classification for now. "
                "Choose adult, german_credit or zafar, or a file with classes as its label."
            )
        label, frame, target = str(bunch.target.name or "target"), bunch.data, bunch.target
        meaning = f"1 ({bunch.positive})"
        tables = [table for table in (bunch.meta, frame, bunch.groups) if table is not None]  # readable names win
        columns, split = {c: table[c] for table in tables for c in table.columns}, bunch.split
        groups = list(groups) or [str(bunch.groups.columns[0])]
    else:
        frame = read_table(data)
        if label is None:
            raise InputError(f"--label must name the column to predict; the file has {_names(frame)}.")
        if not groups:
            raise InputError(f"--group must name a sensitive column; the file has {_names(frame)}.")
        target = _column(frame, label, "--label")
        columns, split, meaning = {c: frame[c] for c in frame.columns}, None, ""
    chosen = {name: _column(columns, name, "--group") for name in groups}
    for name in exclude:
        _column(frame, name, "--exclude")
    classes, labels = _encode_label(target, label, positive)
    encoded = Groups(chosen)
    features = frame.drop(columns=[c for c in {label, *exclude} if c in frame.columns])
    train, test, how = _split(len(frame), split, test_size, seed)
    parts = [Part(features.iloc[r].reset_index(drop=True), labels[r], encoded.take(r), r) for r in (train, test)]
    _check_test(parts[1], classes)
    if not meaning and len(classes) == 2:
        meaning = str(classes[-1])
    return Task(Path(data).name, label, classes, meaning, parts[0], parts[1], how)


def read_table(path: str, *, text: Sequence[str] = ()) -> pd.DataFrame:
    """Read a CSV or Parquet file as a data frame with unique text column names.

    A CSV column is numeric if all of its values are, and text as it stands otherwise. Which it was in training must not
    depend on the rows of a later file: the columns in `text` are always read as text.
    """
    import pandas as pd

    file = Path(path)
    if file.suffix.lower() not in (".csv", ".parquet"):
        known = ", ".join(datasets.names())
        near = "" if file.suffix else f" It is none of the data sets {known}."
        raise InputError(f"The data must be a .csv or .parquet file or a known data set; got '{path}'.{near}")
    if not file.is_file():
        raise InputError(f"'{path}' must be a file; there is none at this path. Check the spelling and the folder.")
    try:
        frame = pd.read_parquet(file) if file.suffix.lower() == ".parquet" else _read_csv(file, text)
    except ImportError as error:
        raise InputError("Reading Parquet files needs pyarrow. Install it: pip install 'mxfair[parquet]'.") from error
    except InputError:
        raise
    except (ValueError, OSError) as error:  # pandas' and pyarrow's parser errors derive from these
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"'{path}' must be a readable {file.suffix[1:]} file; got an error: {reason.rstrip('.')}. "
            + ("Check that it is complete." if file.suffix.lower() == ".parquet" else _CSV_CURE)
        ) from error
    if not len(frame) or not len(frame.columns):
        raise InputError(f"'{path}' must hold a header and rows; got {plural(len(frame), 'row')}. Check the file.")
    frame.columns = [str(c).strip() for c in frame.columns]
    repeated = frame.columns[frame.columns.duplicated()]
    if len(repeated):
        raise InputError(f"Column names must be unique; '{path}' has '{repeated[0]}' more than once. Rename one.")
    return frame


def _read_csv(file: Path, text_columns: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    with file.open(encoding="utf-8-sig", newline="") as text:
        header = text.readline()
    if not header.strip():
        raise InputError(f"'{file}' must hold a header line and rows; got an empty file. Check the file.")
    names = next(iter(pd.read_csv(file, header=None, nrows=1, dtype=str, encoding="utf-8-sig").to_numpy().tolist()))
    names = [str(name).strip() for name in names]
    separator = next((s for s in (";", "\t", "|") if len(names) == 1 and s in names[0]), None)
    if separator is not None:
        raise InputError(f"'{file}' must be separated by commas; its header is separated by {separator!r}. Save it so.")
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:  # pandas would rename the second one silently
        raise InputError(f"Column names must be unique; '{file}' has '{repeated}' more than once. Rename one.")
    frame = pd.read_csv(file, dtype=str, skipinitialspace=True, encoding="utf-8-sig", index_col=False)
    frame.columns = pd.Index(names)
    for name in set(names) - set(text_columns):
        with contextlib.suppress(ValueError, TypeError):
            frame[name] = pd.to_numeric(frame[name])
    for name in frame.columns:
        if frame[name].dtype.kind == "O":
            frame[name] = frame[name].str.strip()
    return frame


def _names(frame: Any) -> str:
    names = list(frame)
    return ", ".join(map(str, names[:30])) + (", ..." if len(names) > 30 else "")


def _column(columns: Any, name: str, option: str) -> Any:
    if name not in columns:
        try:
            one_of(name, [str(c) for c in columns], option)
        except InputError as error:
            raise InputError(str(error).replace(" must be one of ", " must name one of the columns ")) from None
    return columns[name]


def _encode_label(target: Any, name: str, positive: str | None) -> tuple[list[Any], np.ndarray]:
    """Return the classes, the positive one of two last, and each row's place among them."""
    import pandas as pd

    absent = int(target.isna().sum())
    if absent:
        raise InputError(
            f"The label column '{name}' must not have missing values; got {absent:,}. Label or remove these rows."
        )
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
            f"The label column '{name}' must hold classes; got {len(classes):,} different numbers, which is a "
            "regression task. mxfair train handles classification for now: cut the column into classes first."
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
