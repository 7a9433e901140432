"""`mxfair compare`: two audits, two files, or two columns of a file."""

from __future__ import annotations

import json
import pathlib
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from mxfair.cli import main
from mxfair.report import evaluate_predictions
from mxfair.report.comparison import compare


def invoke(*arguments: object) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Return labels, groups, and two models' decisions and numbers."""
    rng = np.random.default_rng(0)
    n = 2000
    made = pd.DataFrame({"id": [f"r{i}" for i in range(n)], "g": rng.choice(["a", "b"], n)})
    made["y"] = rng.integers(0, 2, n)
    made["p"] = np.where(rng.random(n) < 0.2, 1 - made["y"], made["y"])
    made["q"] = np.where((rng.random(n) < 0.4) & (made["g"] == "a"), 1, made["p"])
    made["v"] = rng.normal(size=n).round(3)
    made["w"], made["z"] = made["v"] + 0.1, made["v"] + rng.normal(0.2, 0.1, n).round(3) * (made["g"] == "a")
    return made


@pytest.fixture
def folder(frame: pd.DataFrame, tmp_path: pathlib.Path) -> pathlib.Path:
    """Write one file of both models, and one of each with its rows in another order."""
    frame.to_csv(tmp_path / "both.csv", index=False)
    frame.drop(columns="q").to_csv(tmp_path / "old.csv", index=False)
    frame.drop(columns="p").rename(columns={"q": "p"}).sample(frac=1, random_state=1).to_csv(
        tmp_path / "new.csv", index=False
    )
    return tmp_path


COMMON = ("--label", "y", "--group", "g")


def rows_of(path: pathlib.Path) -> pd.DataFrame:
    """Return what was written."""
    return pd.DataFrame(json.loads(path.read_text(encoding="utf-8"))["rows"]).set_index("figure")


def expected(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the comparison of the rows."""
    reports = [evaluate_predictions(frame["y"], frame[name], frame["g"], name=name) for name in ("p", "q")]
    return compare(*reports).frame


def test_two_columns_of_a_file_are_paired(frame: pd.DataFrame, folder: pathlib.Path) -> None:
    """The intervals are those of the rows."""
    out = folder / "c.json"
    done = invoke("compare", folder / "both.csv", *COMMON, "--pred", "p", "--pred", "q", "--out", out)
    assert done.exit_code == 0, done.output
    assert "Paired" in done.output
    found = rows_of(out)
    np.testing.assert_allclose(found.to_numpy(float), expected(frame).to_numpy(float))


def test_two_files_are_paired_by_an_id(frame: pd.DataFrame, folder: pathlib.Path) -> None:
    """Whatever the order of the rows; rows of one file alone are counted and left out."""
    out = folder / "c.json"
    run = ("compare", folder / "old.csv", folder / "new.csv", *COMMON, "--pred", "p", "--id", "id", "--out", out)
    done = invoke(*run)
    assert done.exit_code == 0, done.output
    np.testing.assert_allclose(rows_of(out).to_numpy(float), expected(frame).to_numpy(float))
    state = json.loads(out.read_text(encoding="utf-8"))
    assert (state["first"], state["second"], state["paired"]) == ("old", "new", True)
    frame[:1990].rename(columns={"q": "r"}).to_csv(folder / "new.csv", index=False)
    done = invoke(*run, "--overwrite")
    assert "left out 10 only in the first and 0 only in the second" in " ".join(done.output.split())


def test_two_files_without_an_id_are_unpaired(folder: pathlib.Path) -> None:
    """The same figures, with an interval of the accuracy that is wider, and the output says why."""
    out, paired = folder / "c.json", folder / "d.json"
    done = invoke("compare", folder / "old.csv", folder / "new.csv", *COMMON, "--pred", "p", "--out", out)
    assert done.exit_code == 0, done.output
    assert "Unpaired" in done.output
    invoke("compare", folder / "both.csv", *COMMON, "--pred", "p", "--pred", "q", "--out", paired)
    one, two = rows_of(out), rows_of(paired)
    np.testing.assert_allclose(one["change"], two["change"])
    width = [(rows["high"] - rows["low"])["overall accuracy"] for rows in (one, two)]
    assert width[0] > 1.2 * width[1]


def test_two_audits_are_compared_from_their_counts(folder: pathlib.Path) -> None:
    """metrics.json or the folder that holds it gives what the files give."""
    for name in ("old", "new"):
        done = invoke("audit", folder / f"{name}.csv", *COMMON, "--pred", "p", "--out", folder / name)
        assert done.exit_code == 0, done.output
    one, two = folder / "c.json", folder / "d.json"
    done = invoke("compare", folder / "old", folder / "new" / "metrics.json", "--out", one)
    assert done.exit_code == 0, done.output
    invoke("compare", folder / "old.csv", folder / "new.csv", *COMMON, "--pred", "p", "--out", two)
    pd.testing.assert_frame_equal(rows_of(one), rows_of(two))


def test_two_models_of_one_audit_are_compared(folder: pathlib.Path) -> None:
    """--model names them, where there are more than two."""
    out = folder / "a.json"
    invoke("audit", folder / "both.csv", *COMMON, "--pred", "p", "--pred", "q", "--pred", "y", "--out", out)
    assert invoke("compare", out).exit_code == 2
    done = invoke("compare", out, "--model", "q", "--model", "p")
    assert done.exit_code == 0, done.output
    assert "Unpaired" in done.output


def test_regressions_are_compared(folder: pathlib.Path) -> None:
    """Numbers in one file are paired; their audits are not."""
    done = invoke("compare", folder / "both.csv", "--label", "v", "--group", "g", "--pred", "w", "--pred", "z")
    assert done.exit_code == 0, done.output
    assert "Paired" in done.output
    for name in ("w", "z"):
        invoke("audit", folder / "both.csv", "--label", "v", "--group", "g", "--pred", name, "--out", folder / name)
    done = invoke("compare", folder / "w", folder / "z", "--fail-if", "mean_error_difference>0.1")
    assert done.exit_code == 1, done.output
    assert "FAILED" in done.output


def test_gates_set_the_exit_code_and_are_written(folder: pathlib.Path) -> None:
    """A gap that has grown fails; JUnit says so."""
    out = folder / "junit.xml"
    run = ("compare", folder / "both.csv", *COMMON, "--pred", "p", "--pred", "q", "--out", out)
    done = invoke(*run, "--fail-if", "demographic_parity_difference>0.05", "--fail-if", "accuracy<-0.9")
    assert done.exit_code == 1
    suite = ElementTree.parse(out).getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")


BAD = [
    (["both.csv", "--pred", "p"], "--label, --prediction and --group"),
    (["both.csv", *COMMON, "--pred", "p"], "two columns of one file"),
    (["both.csv", *COMMON, "--pred", "p", "--pred", "q", "--id", "id"], "--id joins two files"),
    (["old.csv", "new.csv", *COMMON, "--pred", "p", "--id", "g"], "missing or repeated values"),
    (["old.csv", "new.csv", "both.csv", *COMMON, "--pred", "p"], "One or two files"),
    (["old.csv", "bad.json"], "of one kind"),
    (["bad.json", "bad.json"], "must be what mxfair audit --out wrote"),
    (["damaged.json", "damaged.json"], "damaged"),
    (["bad.json", "bad.json", "--label", "y"], "--label must be left out"),
    (["both.csv", *COMMON, "--pred", "p", "--pred", "q", "--fail-if", "auc>0.1"], "A gate on a comparison"),
    (["both.csv", *COMMON, "--pred", "p", "--pred", "q", "--out", "c.html"], ".json, .xml"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=[words for _, words in BAD])
def test_what_is_wrong_is_said_in_one_sentence(
    folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    """Wrong input is exit code 2."""
    monkeypatch.chdir(folder)
    (folder / "bad.json").write_text('{"a": [}')
    damaged = {"schema": "mxfair.report/2", "task": "classification", "models": [{"name": "m", "confusion": {}}]}
    (folder / "damaged.json").write_text(json.dumps(damaged))
    done = invoke("compare", *arguments)
    assert done.exit_code == 2, done.output
    assert words in done.output
    assert len(done.output.strip().splitlines()) == 1


def test_labels_must_agree(frame: pd.DataFrame, folder: pathlib.Path) -> None:
    """Files that are joined must speak of the same truth."""
    frame.assign(y=frame["y"].where(frame.index > 4, 1 - frame["y"])).to_csv(folder / "new.csv", index=False)
    done = invoke("compare", folder / "old.csv", folder / "new.csv", *COMMON, "--pred", "p", "--id", "id")
    assert done.exit_code == 2
    assert "differs in 5 rows" in done.output
