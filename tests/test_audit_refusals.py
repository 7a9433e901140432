"""What `mxfair audit` must not do: merge groups, misread numbers, write over what it reads, obey what a file holds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from mxfair._audit._passes import Request, read
from mxfair._audit._sources import sources_of
from mxfair._validation import InputError
from mxfair.cli import main
from mxfair.report import _files


@pytest.fixture(name="rows")
def _rows():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"y": rng.integers(0, 2, 400), "p": rng.integers(0, 2, 400)})
    return frame.assign(s=rng.random(400), g=rng.choice(["a", "b"], 400))


def _read(path, **options):
    given = {"predictions": ("p",), "groups": ("g",), **options}
    return read(Request(sources_of([str(path)]), "y", **given)).evaluations[0]


def _run(*arguments):
    return CliRunner().invoke(main, ["audit", *map(str, arguments)])


@pytest.mark.parametrize(("kind", "values"), [("int8", [-100, 100]), ("int16", [-20_000, 20_000])])
def test_small_integers_far_apart_are_groups(rows, tmp_path, kind, values):
    """Integers whose difference their own type cannot hold are counted as pandas counts them."""
    rows["g"] = np.resize(values, len(rows)).astype(kind)
    rows.to_parquet(tmp_path / "a.parquet")
    found = _read(tmp_path / "a.parquet")
    assert dict(zip(found.table.groups, found.support)) == dict.fromkeys(map(str, values), 200.0)


@pytest.mark.parametrize("names", [["01", "1"], ["12345678901234567890", "12345678901234567891"]])
def test_names_made_of_digits_are_not_merged(rows, tmp_path, names):
    """Leading zeros and digits that no number keeps tell groups apart."""
    rows["g"] = np.resize(names, len(rows))
    rows.to_csv(tmp_path / "a.csv", index=False)
    assert _read(tmp_path / "a.csv").table.groups == tuple(names)


def test_threshold_in_single_precision(rows, tmp_path):
    """A score of 0.7 in float32 reaches a threshold of 0.7, as it does in pandas."""
    rows["s"] = (np.arange(400) % 11 / 10).astype(np.float32)
    rows.to_parquet(tmp_path / "a.parquet")
    found = _read(tmp_path / "a.parquet", predictions=(), scores=("s",), threshold=0.7)
    assert found.table.counts.sum(axis=(0, 1)).tolist() == [(rows.s < 0.7).sum(), (rows.s >= 0.7).sum()]


@pytest.mark.parametrize(("score", "good"), [([5.0], True), ([-1.7e308, 1.7e308], False)])
def test_streamed_scores_of_no_or_no_finite_range(rows, tmp_path, score, good):
    """Equal scores outside of 0 to 1 have an AUC of a half, and a range beyond the largest number is refused."""
    rows["s"] = np.resize(score, len(rows))
    rows.to_csv(tmp_path / "a.csv", index=False)
    if good:
        assert _read(tmp_path / "a.csv", scores=("s",), keep=100).auc == 0.5
    else:
        for keep in (100, 1000):
            with pytest.raises(InputError, match="finite range"):
                _read(tmp_path / "a.csv", scores=("s",), keep=keep)


@pytest.mark.parametrize("threshold", ["nan", "inf"])
def test_threshold_must_be_finite(rows, tmp_path, threshold):
    """No score reaches nan: this would read as a model that selects nobody."""
    rows.to_csv(tmp_path / "a.csv", index=False)
    found = _run(tmp_path / "a.csv", "--label", "y", "--score", "s", "--group", "g", "--threshold", threshold)
    assert found.exit_code == 2
    assert "--threshold must be a finite number" in found.output


@pytest.mark.parametrize(("name", "out"), [("a.csv", "a.csv"), ("rates.csv", ".")])
def test_what_is_read_is_not_replaced(rows, tmp_path, name, out):
    """--overwrite spares the predictions themselves."""
    path = tmp_path / name
    rows.to_csv(path, index=False)
    before = path.read_bytes()
    given = ["--label", "y", "--pred", "p", "--group", "g", "--overwrite", "--out", tmp_path / out]
    found = _run(path, *given)
    assert found.exit_code == 2
    assert "must not replace what is read" in found.output
    assert path.read_bytes() == before


def test_no_file_of_a_folder_is_replaced_where_one_cannot_be(tmp_path, monkeypatch):
    """A disk that is full at the second file leaves the first one as it was, and nothing else."""
    (tmp_path / "a").write_text("old")
    done = []

    def sync(_):
        done.append(1)
        if len(done) == 2:
            raise OSError("full")

    monkeypatch.setattr(_files.os, "fsync", sync)
    with pytest.raises(OSError, match="full"):
        _files.write_all({tmp_path / "a": "new", tmp_path / "b": "new"})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "old"}


def test_a_disk_error_is_no_failed_gate(rows, tmp_path, monkeypatch):
    """Code 1 is for gates; what cannot be written ends with 2."""
    rows.to_csv(tmp_path / "a.csv", index=False)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_files.os, "fsync", full)
    found = _run(tmp_path / "a.csv", "--label", "y", "--pred", "p", "--group", "g", "--out", tmp_path / "a.html")
    assert found.exit_code == 2
    assert "No space left" in found.output
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_errors_hold_nothing_that_a_terminal_obeys(rows, tmp_path):
    """Escape sequences in names of groups and files are shown and not sent."""
    rows["g"] = np.resize(["\x1b[31ma", "\x9bb"], len(rows))
    rows.to_csv(tmp_path / "a.csv", index=False)
    given = [tmp_path / "a.csv", "--label", "y", "--pred", "p", "--group", "g"]
    for found in (_run(*given, "--reference", "c"), _run(*given, "--out", tmp_path / "\x1b[31m.csv")):
        assert not set("\x1b\x9b") & set(found.output)
    assert found.exit_code == 0
    assert not set("\x1b\x9b") & set((tmp_path / "\x1b[31m.csv").read_text(encoding="utf-8"))


def test_nul_is_refused(rows, tmp_path):
    """Text with NUL would be cut there by the tables of groups, and two groups become one."""
    rows["g"] = np.resize(["\0a", "b"], len(rows))
    rows.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match="NUL"):
        _read(tmp_path / "a.parquet")


def test_predictions_in_other_words_are_refused(rows, tmp_path):
    """'Yes' is no 'yes': all gaps would be 0, and read as fair."""
    frame = rows.assign(y=np.where(rows.y, "yes", "no"), p=np.where(rows.p, "Yes", "No"))
    frame.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(InputError, match="must hold classes of 'y', 'no' and 'yes'; got 'No' and 'Yes'"):
        _read(tmp_path / "a.csv", positive="yes")


def test_a_class_that_only_predictions_have_is_named(rows, tmp_path):
    """One prediction in other words than the labels' makes a third class, which the terminal and the report tell."""
    rows.loc[0, "p"] = 7
    rows.to_csv(tmp_path / "a.csv", index=False)
    found = _run(tmp_path / "a.csv", "--label", "y", "--pred", "p", "--group", "g", "--out", tmp_path / "a.md")
    assert "Classes: only predictions are 7; no label is." in found.stdout
    assert "only predictions are 7" in (tmp_path / "a.md").read_text(encoding="utf-8")
