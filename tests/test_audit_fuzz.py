"""500 malformed files: each is one sentence and exit code 2, or a correct result; never a traceback."""

from __future__ import annotations

import csv
import io
import pathlib
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from mxfair._audit import _sources
from mxfair.cli import main

#: Files in all, half of them without pyarrow.
FILES = 500


def table(rng: np.random.Generator) -> pd.DataFrame:
    """Return a small table of labels, predictions, scores and groups."""
    n = int(rng.integers(2, 60))
    frame = pd.DataFrame({"y": rng.integers(0, 2, n), "p": rng.integers(0, 2, n), "s": rng.random(n).round(3)})
    frame["g"] = rng.choice(["a", "b", "c d", "é", "=cmd()", "<b>", "unknown"], n)
    return frame


def text_of(rng: np.random.Generator) -> str:
    """Return it as CSV text."""
    return str(table(rng).to_csv(index=False))


def cut(rng: np.random.Generator) -> bytes:
    """Cut a file anywhere."""
    text = text_of(rng).encode()
    return text[: int(rng.integers(0, len(text)))]


def damaged(rng: np.random.Generator) -> bytes:
    """Change some bytes."""
    text = bytearray(text_of(rng).encode())
    for place in rng.integers(0, len(text), int(rng.integers(1, 9))):
        text[place] = int(rng.integers(0, 256))
    return bytes(text)


def inserted(rng: np.random.Generator) -> bytes:
    """Put hostile pieces of text anywhere."""
    pieces = [
        '"',
        '""',
        ",",
        "\n",
        "\r",
        "\r\n",
        "\x00",
        "\ufeff",
        ";",
        "\t",
        "1e999",
        "-inf",
        "nan",
        "x" * 3000,
        "'",
        "\\",
    ]
    text = text_of(rng)
    for _ in range(int(rng.integers(1, 6))):
        place = int(rng.integers(0, len(text) + 1))
        text = text[:place] + str(rng.choice(pieces)) + text[place:]
    return text.encode()


def cells(rng: np.random.Generator) -> bytes:
    """Replace cells by values of other types."""
    values = [
        "",
        "NA",
        "nan",
        "inf",
        "-inf",
        "1e400",
        "9" * 40,
        "0x10",
        "yes",
        "0.5",
        "1,5",
        "true",
        " 1",
        "1 ",
        '"1"',
        "٣",
        "1_0",
    ]
    frame = table(rng).astype(object)
    for _ in range(int(rng.integers(1, 5))):
        frame.iloc[int(rng.integers(0, len(frame))), int(rng.integers(0, 4))] = str(rng.choice(values))
    return str(frame.to_csv(index=False)).encode()


def header(rng: np.random.Generator) -> bytes:
    """Change the header: duplicate, missing, empty, spaced or quoted names."""
    body = text_of(rng).split("\n", 1)[1]
    first = str(
        rng.choice(
            [
                "y,p,s,s",
                "y,p,g,g",
                "",
                "y,p,s",
                "y,p,s,g,h",
                " y , p , s , g ",
                '"y","p","s","g"',
                "Y,P,S,G",
                ",,,",
                "y;p;s;g",
            ]
        )
    )
    return f"{first}\n{body}".encode()


def ragged(rng: np.random.Generator) -> bytes:
    """Give some rows more or fewer cells."""
    lines = text_of(rng).splitlines()
    for _ in range(int(rng.integers(1, 4))):
        place = int(rng.integers(1, len(lines)))
        lines[place] = lines[place] + ",1" if rng.random() < 0.5 else lines[place].rsplit(",", 1)[0]
    return "\n".join(lines).encode()


def encoded(rng: np.random.Generator) -> bytes:
    """Write another encoding, a byte order mark or other ends of lines."""
    text = text_of(rng)
    how = str(rng.choice(["utf-16", "utf-32", "latin-1", "utf-8-sig", "cp1252", "utf-16-le", "crlf", "cr"]))
    if how in ("crlf", "cr"):
        return text.replace("\n", "\r\n" if how == "crlf" else "\r").encode()
    return text.encode(how)


def nothing(rng: np.random.Generator) -> bytes:
    """Write files without content, or without rows."""
    contents = [
        b"",
        b"\n",
        b"\n\n\n",
        b" ",
        b"\xef\xbb\xbf",
        b"y,p,s,g",
        b"y,p,s,g\n",
        b"\x00" * 50,
        bytes(range(256)) * 4,
        b"PAR1",
    ]
    return contents[int(rng.integers(0, len(contents)))]


def large(rng: np.random.Generator) -> bytes:
    """Write huge cells, long quoted lines, and very many columns."""
    kind = int(rng.integers(0, 4))
    text = text_of(rng)
    if kind == 0:
        return (text + f"0,1,0.5,{'x' * int(rng.integers(10_000, 200_000))}\n").encode()
    if kind == 1:
        return (text + '0,1,0.5,"' + "line\n" * int(rng.integers(10, 5000)) + '"\n').encode()
    if kind == 2:
        names = ",".join(f"c{i}" for i in range(2000))
        return (f"y,p,s,g,{names}\n" + ("0,1,0.5,a" + ",1" * 2000 + "\n") * 2 + "1,1,.1,b" + ",1" * 2000).encode()
    return (text + '0,1,0.5,"never closed\n' * 3).encode()


def parquet(rng: np.random.Generator) -> bytes:
    """Write Parquet files that are cut, damaged, nested, of odd types, or empty."""
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet as writer

    frame = table(rng)
    n = len(frame)
    kind = int(rng.integers(0, 11))
    columns = {name: pa.array(frame[name]) for name in frame}
    if kind == 0:
        columns["g"] = pa.array([[1, 2]] * n)
    elif kind == 1:
        columns["y"] = pa.array([{"a": 1}] * n)
    elif kind == 2:
        columns["s"] = pa.array(frame["s"].astype(str))
    elif kind == 3:
        columns["p"] = pa.array(frame["p"].astype(str))
    elif kind == 4:
        columns["g"] = pa.nulls(n)
    elif kind == 5:
        columns["y"] = pa.array([None, *frame["y"][1:].tolist()], type=pa.int64())
    elif kind == 6:
        columns["s"] = pa.array([np.inf, *frame["s"][1:]])
    elif kind == 7:
        columns["g"] = pa.array([b"\xff\xfe"] * n)
    elif kind == 8:
        columns["g"] = pa.array(pd.date_range("2020", periods=n))
    made = pa.table(columns)
    if kind == 9:
        made = made.slice(0, 0)
    buffer = io.BytesIO()
    writer.write_table(made, buffer)
    content = bytearray(buffer.getvalue())
    if kind == 10:
        return bytes(content[: int(rng.integers(0, len(content)))])
    if rng.random() < 0.4:
        for place in rng.integers(0, len(content), int(rng.integers(1, 30))):
            content[place] = int(rng.integers(0, 256))
    return bytes(content)


MAKERS: list[tuple[Callable[[np.random.Generator], bytes], str]] = [
    *((make, ".csv") for make in (cut, damaged, inserted, cells, header, ragged, encoded, nothing, large)),
    (parquet, ".parquet"),
    (nothing, ".parquet"),
    (inserted, ".tsv"),
]


def rows_of(path: pathlib.Path) -> int:
    """Return how many rows that are not blank a file holds, read another way."""
    if path.suffix == ".parquet":
        from pyarrow import parquet as reader

        return int(reader.read_metadata(path).num_rows)
    text = path.read_bytes().decode("utf-8-sig")
    before = csv.field_size_limit(10_000_000)
    try:
        rows = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
        return sum(any(cell.strip() for cell in row) for row in rows) - 1
    finally:
        csv.field_size_limit(before)


@pytest.mark.parametrize("arrow", [True, False], ids=["pyarrow", "pandas"])
def test_malformed_files_are_one_sentence_or_a_correct_result(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, arrow: bool
) -> None:
    """No file leads to a traceback; what is accepted has all rows of the file in its report."""
    if arrow:
        pytest.importorskip("pyarrow")
    monkeypatch.setattr(_sources, "has_pyarrow", lambda: arrow)
    codes = {0: 0, 2: 0}
    for seed in range(FILES // 2):
        rng = np.random.default_rng([int(arrow), seed])
        make, suffix = MAKERS[seed % len(MAKERS)]
        path = tmp_path / f"f{seed}{suffix}"
        path.write_bytes(make(rng))
        arguments = ["audit", str(path), "--label", "y", "--prediction", "p", "--group", "g"]
        arguments += ["--score", "s"] if rng.random() < 0.5 else []
        done = CliRunner().invoke(main, arguments)
        told = f"{make.__name__}, seed {seed}: {done.output[-600:]} {done.exception!r}"
        assert done.exit_code in codes, told
        codes[done.exit_code] += 1
        if done.exit_code == 2:
            assert isinstance(done.exception, SystemExit), told
            assert done.output.startswith("Error: "), told
            assert len(done.output.strip().splitlines()) == 1, told
            assert done.output.strip()[-1] in ".?", told
            assert all(c.isprintable() for c in done.output.strip()), told
        else:
            assert f"{rows_of(path):,} sample" in " ".join(done.output.split()), told
        path.unlink()
    assert min(codes.values()) > 40  # both happen often
