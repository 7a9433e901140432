"""Tables from files, and their columns by name: what every command reads."""

from __future__ import annotations

import contextlib
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import InputError, one_of, plural

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CSV_CURE", "CUT", "MAX_CLASSES", "Cut", "column", "column_names", "cut_of", "group_columns", "read_table"]

#: A numeric label column with more distinct values than this is taken for a regression target.
MAX_CLASSES = 100
#: What to do about a text file that cannot be read.
CSV_CURE = "Check that it is complete, UTF-8 encoded, separated by commas and has a header line."
#: A column of numbers cut in two: income>50000.
CUT = re.compile(r"\s*(.+?)\s*(>=|<=|>|<)\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*")
_COMPARE = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_OPPOSITE = {">": "<=", ">=": "<", "<": ">=", "<=": ">"}


def read_table(path: str, *, text: Sequence[str] = ()) -> pd.DataFrame:
    """Read a CSV or Parquet file as a data frame with unique text column names.

    A CSV column is numeric if all of its values are, and text as it stands otherwise. Which it was in training must not
    depend on the rows of a later file: the columns in `text` are always read as text.
    """
    import pandas as pd

    file = Path(path)
    if file.suffix.lower() not in (".csv", ".parquet"):
        from mxfair import datasets

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
            + ("Check that it is complete." if file.suffix.lower() == ".parquet" else CSV_CURE)
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


def column_names(frame: Any) -> str:
    """Return the names of the columns, for an error: the first 30, without characters that cannot be seen."""
    names = ["".join(c if c.isprintable() else "?" for c in str(name))[:60] for name in list(frame)[:31]]
    return ", ".join(names[:30]) + (", ..." if len(names) > 30 else "")


def column(columns: Any, name: str, option: str) -> Any:
    """Return a column by its name, which an option gave."""
    if name not in columns:
        try:
            one_of(name, [str(c) for c in columns], option)
        except InputError as error:
            cure = str(error).rsplit("; got ", 1)[1]
            raise InputError(f"'{option}' must name one of the columns {column_names(columns)}; got {cure}") from None
    return columns[name]


@dataclass(frozen=True)
class Cut:
    """A column of numbers cut in two.

    Parameters
    ----------
    source : str
        Name of the column.
    sign : {">", ">=", "<", "<="}
    bound : str
        Where it is cut.
    """

    source: str
    sign: str
    bound: str

    @property
    def name(self) -> str:
        """The name of the attribute: 'age > 40'."""
        return f"{self.source} {self.sign} {self.bound}"

    @property
    def texts(self) -> tuple[str, str]:
        """The names of the groups inside and outside."""
        return self.name, f"{self.source} {_OPPOSITE[self.sign]} {self.bound}"

    def inside(self, values: np.ndarray) -> np.ndarray:
        """Return which numbers are on the side that was named."""
        result: np.ndarray = _COMPARE[self.sign](values, float(self.bound))
        return result


def cut_of(option: str) -> Cut:
    """Return what a text such as ``income>50000`` says."""
    source, sign, bound = CUT.fullmatch(option).groups()  # type: ignore[union-attr]  # the caller has looked
    try:
        float(bound)
    except ValueError:
        raise InputError(f"--group must cut at a number; got '{option}'. Write, e.g., income>50000.") from None
    return Cut(source, sign, bound)


def group_columns(columns: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return the sensitive columns that ``--group`` names: each as it is, or cut in two as in ``income>50000``."""
    import pandas as pd

    chosen: dict[str, Any] = {}
    for name in names:
        if name in columns or not CUT.fullmatch(name):
            chosen[name] = column(columns, name, "--group")
            continue
        cut = cut_of(name)
        values = column(columns, cut.source, "--group")
        if not pd.api.types.is_numeric_dtype(values):
            raise InputError(f"--group can cut only columns of numbers; '{cut.source}' holds text. Name it as it is.")
        texts = np.where(cut.inside(values.to_numpy(dtype=float)), *cut.texts).astype(object)
        texts[values.isna().to_numpy()] = None
        chosen[cut.name] = pd.Series(texts, index=values.index)
    return chosen
