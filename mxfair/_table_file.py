"""Tables from files, and their columns by name: what every command reads."""

from __future__ import annotations

import contextlib
import operator
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair import datasets
from mxfair._validation import InputError, one_of, plural

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["column", "column_names", "group_columns", "read_table"]

_CSV_CURE = "Check that it is complete, UTF-8 encoded, separated by commas and has a header line."
#: A column of numbers cut in two: income>50000.
_CUT = re.compile(r"\s*(.+?)\s*(>=|<=|>|<)\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*")
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


def column_names(frame: Any) -> str:
    """Return the names of the columns, for an error."""
    names = list(frame)
    return ", ".join(map(str, names[:30])) + (", ..." if len(names) > 30 else "")


def column(columns: Any, name: str, option: str) -> Any:
    """Return a column by its name, which an option gave."""
    if name not in columns:
        try:
            one_of(name, [str(c) for c in columns], option)
        except InputError as error:
            raise InputError(str(error).replace(" must be one of ", " must name one of the columns ")) from None
    return columns[name]


def group_columns(columns: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return the sensitive columns that ``--group`` names: each as it is, or cut in two as in ``income>50000``."""
    import pandas as pd

    chosen: dict[str, Any] = {}
    for name in names:
        cut = None if name in columns else _CUT.fullmatch(name)
        if cut is None:
            chosen[name] = column(columns, name, "--group")
            continue
        source, sign, bound = cut.groups()
        try:
            number = float(bound)
        except ValueError:
            raise InputError(f"--group must cut at a number; got '{name}'. Write, e.g., income>50000.") from None
        values = column(columns, source, "--group")
        if not pd.api.types.is_numeric_dtype(values):
            raise InputError(f"--group can cut only columns of numbers; '{source}' holds text. Name it as it is.")
        inside = _COMPARE[sign](values.to_numpy(dtype=float), number)
        texts = np.where(inside, f"{source} {sign} {bound}", f"{source} {_OPPOSITE[sign]} {bound}").astype(object)
        texts[values.isna().to_numpy()] = None
        chosen[f"{source} {sign} {bound}"] = pd.Series(texts, index=values.index)
    return chosen
