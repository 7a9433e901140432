"""Files of any size, chunk by chunk: CSV and TSV through pyarrow or pandas, Parquet through pyarrow."""

from __future__ import annotations

import csv
import glob
import importlib.util
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable
from urllib.parse import unquote

import numpy as np

from mxfair._audit._columns import MISSING, Category, NotNumbersError, category_of_arrow
from mxfair._table_file import CSV_CURE, column
from mxfair._validation import InputError

#: Rows of a chunk, and bytes of a piece of text, of which pyarrow reads up to 32 ahead; a longer row is refused.
ROWS, BYTES = 131_072, 4_194_304
SUFFIXES = (".csv", ".tsv", ".parquet")
#: The longest header line that is read.
_HEADER = 4_194_304

Chunk = dict[str, Any]  # by column: a Category, or numbers as float64


@dataclass(frozen=True)
class Source:
    """One file.

    Parameters
    ----------
    path : Path
    constants : mapping of str to str
        Columns that the names of its folders give, as in ``region=north/part.parquet``.
    """

    path: Path
    constants: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The suffix without its dot."""
        return self.path.suffix.lower()[1:]


def sources_of(names: Sequence[str]) -> list[Source]:
    """Return the files that paths, patterns and folders of Parquet files name."""
    found: list[Source] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            found += _in_folder(path)
        elif not path.exists() and glob.has_magic(name):
            inside = [Path(match) for match in sorted(glob.glob(name, recursive=True))]
            if not inside:
                raise InputError(f"'{name}' must match files; it matches none. Check the pattern and the folder.")
            found += [source for match in inside for source in (_in_folder(match) if match.is_dir() else [_one(match)])]
        else:
            found.append(_one(path))
    seen: set[Path] = set()
    for source in found:
        real = source.path.resolve()
        if real in seen:
            raise InputError(f"Each file must be given once, or its rows count twice; got '{source.path}' again.")
        seen.add(real)
    return found


def _one(path: Path) -> Source:
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"Files must end in {', '.join(SUFFIXES)}; got '{path}'. Convert it first.")
    if not path.is_file():
        raise InputError(f"'{path}' must be a file; there is none at this path. Check the spelling and the folder.")
    return Source(path)


def _in_folder(folder: Path) -> list[Source]:
    inside = [path for path in sorted(folder.rglob("*.parquet")) if path.is_file() and path.name[0] not in "._"]
    if not inside:
        raise InputError(f"The folder '{folder}' must hold .parquet files; it holds none. Name files instead.")
    found = []
    for path in inside:
        parts = [part.split("=", 1) for part in path.relative_to(folder).parts[:-1] if "=" in part]
        empty = "__HIVE_DEFAULT_PARTITION__"
        found.append(Source(path, {key: "" if value == empty else unquote(value) for key, value in parts}))
    return found


def read_chunks(
    sources: Sequence[Source],
    wanted: Mapping[str, tuple[str, str]],
    *,
    rows: int = ROWS,
    size: int = BYTES,
    progress: Callable[[float], None] | None = None,
) -> Iterator[tuple[Chunk, int]]:
    """Read columns, each as a "category" or as a "number"; `wanted` says which, with the option that named it.

    Chunks come with their number of rows. `progress` is called with the share of all bytes that were read.
    """
    sizes = [max(source.path.stat().st_size, 1) for source in sources]
    total, before = sum(sizes), 0
    for source, size_of_file in zip(sources, sizes):
        for chunk, count, share in _chunks_of(source, wanted, rows, size):
            if count:
                yield chunk, count
            if progress is not None:
                progress((before + share * size_of_file) / total)
        before += size_of_file


def _chunks_of(source: Source, wanted: Mapping[str, tuple[str, str]], rows: int, size: int) -> Iterator[Any]:
    """Read one file; what its parser says becomes one sentence."""
    read = _parquet if source.kind == "parquet" else _csv_arrow if has_pyarrow() else _csv_pandas
    try:
        yield from read(source, wanted, rows, size)
    except InputError:
        raise
    except ImportError as error:
        raise InputError("Reading Parquet files needs pyarrow. Install it: pip install 'mxfair[parquet]'.") from error
    except (ValueError, OSError, KeyError, NotImplementedError, OverflowError, csv.Error, Warning) as error:
        raise _unreadable(source, error) from error  # pyarrow's and pandas' errors derive from these


def _unreadable(source: Source, error: BaseException) -> InputError:
    lines = str(error).strip().splitlines()
    reason = lines[0][:200].rstrip(". ") if lines else type(error).__name__
    reason = "".join(c if c.isprintable() else "?" for c in reason)
    cure = "Check that it is complete." if source.kind == "parquet" else CSV_CURE
    if "straddling object" in reason:
        reason, cure = f"a row is longer than {BYTES:,} bytes", "Check its quotes."
    return InputError(f"'{source.path}' must be a readable {source.kind} file; got an error: {reason}. {cure}")


def has_pyarrow() -> bool:
    """Return whether pyarrow is installed."""
    return importlib.util.find_spec("pyarrow") is not None


def _header(source: Source) -> list[str]:
    """Return the names in the first line of a text file, as they stand."""
    separator = "\t" if source.kind == "tsv" else ","
    with source.path.open(encoding="utf-8-sig", newline="") as text:
        start = text.read(_HEADER)
    if not start.strip():
        raise InputError(f"'{source.path}' must hold a header line and rows; got an empty file. Check the file.")
    names = next((row for row in csv.reader(start.splitlines(keepends=True), delimiter=separator) if row), [])
    if len(names) == 1:
        other = next((s for s in (";", "\t", "|", ",") if s != separator and s in names[0]), None)
        if other is not None:
            expected = "tabs" if separator == "\t" else "commas"
            raise InputError(
                f"'{source.path}' must be separated by {expected}; its header is separated by {other!r}. Save it so."
            )
    return names


def _places(source: Source, names: Sequence[str], wanted: Mapping[str, tuple[str, str]]) -> dict[str, int]:
    """Return where each wanted column is; names are compared without the spaces around them."""
    bare = [str(name).strip() for name in names]
    repeated = next((name for name in bare if bare.count(name) > 1), None) if len(set(bare)) < len(bare) else None
    if repeated is not None:
        raise InputError(
            f"Column names must be unique; '{source.path}' has '{repeated[:60]}' more than once. Rename one."
        )
    inside = [name for name in wanted if name not in source.constants]
    for name in inside:
        column(dict.fromkeys(bare), name, wanted[name][1])
    return {name: bare.index(name) for name in inside}


def _with_constants(source: Source, chunk: Chunk, wanted: Mapping[str, Any], count: int) -> Chunk:
    for name, value in source.constants.items():
        if name in wanted:
            constant = Category(np.zeros(count, dtype=np.int64), [value], False)
            chunk[name] = constant.numbers(name) if wanted[name][0] == "number" else constant
    return chunk


def _csv_arrow(source: Source, wanted: Mapping[str, tuple[str, str]], rows: int, size: int) -> Iterator[Any]:
    import pyarrow as pa
    from pyarrow import csv as reader

    names = _header(source)
    places = _places(source, names, wanted)
    text = pa.dictionary(pa.int32(), pa.string())
    types = {names[places[name]]: pa.float64() if wanted[name][0] == "number" else text for name in places}
    options = reader.ConvertOptions(
        include_columns=list(types),
        column_types=types,
        null_values=sorted(MISSING),
        strings_can_be_null=False,
    )
    parsing = reader.ParseOptions(delimiter="\t" if source.kind == "tsv" else ",", newlines_in_values=True)
    length = max(source.path.stat().st_size, 1)
    with pa.OSFile(str(source.path)) as file:
        try:
            stream = reader.open_csv(file, reader.ReadOptions(block_size=size), parsing, options)
            for batch in stream:
                chunk: Chunk = {}
                for name, place in places.items():
                    array = batch.column(batch.schema.names.index(names[place]))
                    chunk[name] = (
                        _numbers(array, name) if wanted[name][0] == "number" else category_of_arrow(array, typed=False)
                    )
                yield chunk, batch.num_rows, min(file.tell() / length, 1.0)
        except pa.ArrowInvalid as error:
            found = re.search(r"column #(\d+):.*CSV conversion error to double: invalid value '(.*?)'", str(error))
            if found is not None:
                raise NotNumbersError(names[int(found[1])].strip(), found[2]) from error
            raise


def _numbers(array: Any, name: str) -> np.ndarray:
    """Return an Arrow array of numbers as float64, or float32 where it is that, NaN where missing."""
    import pyarrow as pa

    kind = array.type
    if pa.types.is_dictionary(kind):
        return category_of_arrow(array, typed=True).numbers(name)
    if pa.types.is_null(kind):
        return np.full(len(array), np.nan)
    types = pa.types
    if not any(fits(kind) for fits in (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean)):
        raise NotNumbersError(name)
    if pa.types.is_boolean(kind):
        array = array.cast(pa.uint8())
    wide = kind if pa.types.is_float32(kind) else pa.float64()  # 0.7 in float32 is less than 0.7 in float64
    values: np.ndarray = array.cast(wide, safe=False).to_numpy(zero_copy_only=False)
    return values


def _csv_pandas(source: Source, wanted: Mapping[str, tuple[str, str]], rows: int, size: int) -> Iterator[Any]:
    """Read text in chunks of rows; all columns, since pandas checks the length of rows only then."""
    import pandas as pd

    names = _header(source)
    places = _places(source, names, wanted)
    reader = pd.read_csv(
        source.path,
        sep="\t" if source.kind == "tsv" else ",",
        dtype=str,
        keep_default_na=False,
        skipinitialspace=True,
        encoding="utf-8-sig",
        index_col=False,
        chunksize=rows,
        header=0,
        names=range(len(names)),
    )
    with reader, warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        done = 0
        for frame in reader:
            if frame[len(names) - 1].isna().any():  # an empty cell is text: only what is not there is missing
                row = done + int(np.flatnonzero(frame[len(names) - 1].isna())[0]) + 1
                raise ValueError(f"row {row:,} has fewer than {len(names)} values")
            chunk: Chunk = {}
            for name, place in places.items():
                codes, values = pd.factorize(frame[place])
                category = Category(codes, list(values), False)
                chunk[name] = category.numbers(name) if wanted[name][0] == "number" else category
            done += len(frame)
            yield chunk, len(frame), 1.0


def _parquet(source: Source, wanted: Mapping[str, tuple[str, str]], rows: int, size: int) -> Iterator[Any]:
    import pyarrow as pa
    from pyarrow import parquet

    with parquet.ParquetFile(source.path) as file:
        schema = file.schema_arrow
        places = _places(source, schema.names, wanted)
        for name, place in places.items():
            if pa.types.is_nested(schema.field(place).type):
                raise InputError(
                    f"The column '{name}' of '{source.path}' must hold one value a row; it holds "
                    f"{str(schema.field(place).type)[:60]}. Choose another column."
                )
        count = file.metadata.num_rows
    texts = [
        schema.names[place]
        for name, place in places.items()
        if wanted[name][0] == "category" and _is_text(schema.field(place).type)
    ]
    with parquet.ParquetFile(source.path, read_dictionary=texts) as file:
        done = 0
        chosen = [schema.names[place] for place in places.values()]
        for batch in file.iter_batches(batch_size=rows, columns=chosen) if count else ():
            chunk: Chunk = {}
            for name, place in places.items():
                array = batch.column(batch.schema.names.index(schema.names[place]))
                number = wanted[name][0] == "number"
                chunk[name] = _numbers(array, name) if number else category_of_arrow(array, typed=True)
            done += batch.num_rows
            yield _with_constants(source, chunk, wanted, batch.num_rows), batch.num_rows, done / count


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def column_names_of(source: Source) -> list[str]:
    """Return the names of a file's columns."""
    try:
        if source.kind != "parquet":
            names = _header(source)
        else:
            from pyarrow import parquet

            names = parquet.read_schema(source.path).names
    except InputError:
        raise
    except ImportError as error:
        raise InputError("Reading Parquet files needs pyarrow. Install it: pip install 'mxfair[parquet]'.") from error
    except (ValueError, OSError, KeyError, NotImplementedError, OverflowError, csv.Error) as error:
        raise _unreadable(source, error) from error
    return [*dict.fromkeys([*(str(name).strip() for name in names), *source.constants])]
