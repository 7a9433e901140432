"""`mxfair audit` on files of any size: one reading whatever the chunks, gates, and everything it writes."""

from __future__ import annotations

import io
import json
import pathlib
import subprocess
import sys
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from mxfair import Groups, metric
from mxfair._audit import _passes, _progress, _sources
from mxfair._audit._passes import Request, read
from mxfair._audit._sources import sources_of
from mxfair.cli import main
from mxfair.report import evaluate_predictions

COMMON = ("--label", "y", "--prediction", "p", "--group", "g")


def invoke(*arguments: object) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


def people(n: int = 600, seed: int = 0) -> pd.DataFrame:
    """Return labels, decisions, scores and groups, some of them unknown."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"g": rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2]), "h": rng.choice(["x", "y"], n)})
    frame["s"] = np.clip(rng.normal(0.5 + 0.1 * (frame["g"] == "a"), 0.2), 0, 1).round(4)
    frame["y"] = (rng.random(n) < frame["s"]).astype(int)
    frame["p"] = (frame["s"] > 0.5).astype(int)
    frame["q"] = (frame["s"] > 0.6).astype(int)
    frame["v"] = rng.normal(size=n).round(3)
    frame["w"] = (frame["v"] + rng.normal(0.2 * (frame["g"] == "a"), 0.5)).round(3)
    frame.loc[::37, "g"] = None
    return frame


@pytest.fixture(params=["pyarrow", "pandas"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Read text files with and without pyarrow."""
    if request.param == "pyarrow":
        pytest.importorskip("pyarrow")
    monkeypatch.setattr(_sources, "has_pyarrow", lambda: request.param == "pyarrow")
    return str(request.param)


def request_for(*files: pathlib.Path, **options: Any) -> Request:
    """Return what is to be read from files."""
    settings: dict[str, Any] = {"label": "y", "predictions": ("p",), "groups": ("g",), **options}
    return Request(sources_of([str(file) for file in files]), **settings)


def as_text(audited: Any) -> str:
    """Return everything that was read, as text."""
    return json.dumps([e.table.to_dict() for e in audited.evaluations])


@pytest.mark.parametrize("size", [120, 250, 1000, 10_000_000])
def test_a_text_file_is_read_alike_in_any_chunks(tmp_path: pathlib.Path, backend: str, size: int) -> None:
    """Counts, classes and groups do not depend on where chunks end, although types look different in each."""
    frame = people(150)
    texts = frame["y"].map({0: "0", 1: "1"}).where(np.arange(150) % 7 > 0, frame["y"].map({0: "0.0", 1: " 1.0"}))
    frame.assign(y=texts, h=["7"] * 149 + ["seven"]).to_csv(tmp_path / "f.csv", index=False)
    asked = request_for(tmp_path / "f.csv", groups=("g", "h"), scores=("s",), rows=max(size // 100, 1), size=size)
    (found,) = read(asked).evaluations
    groups = Groups({"g": frame["g"], "h": ["7"] * 149 + ["seven"]})
    expected = evaluate_predictions(frame["y"], frame["p"], groups, scores=frame["s"]).baseline
    assert found.table.to_dict() == expected.table.to_dict()
    np.testing.assert_array_equal(found.auc_by_group, expected.auc_by_group)
    np.testing.assert_array_equal(found.scores.counts, expected.scores.counts)


@pytest.mark.parametrize("rows", [1, 7, 64, 1_000_000])
def test_parquet_is_read_alike_in_any_chunks(tmp_path: pathlib.Path, rows: int) -> None:
    """Whole numbers, dictionaries, booleans and missing values give the counts of the whole table."""
    pytest.importorskip("pyarrow")
    frame = people(150).assign(y=lambda f: f["y"].astype(bool), g=lambda f: f["g"].astype("category"))
    frame.assign(h=np.where(np.arange(150) % 2, 10_000_000_000, -5)).to_parquet(tmp_path / "f.parquet")
    (found,) = read(request_for(tmp_path / "f.parquet", groups=("g", "h"), rows=rows)).evaluations
    groups = Groups({"g": frame["g"], "h": np.where(np.arange(150) % 2, 10_000_000_000, -5)})
    expected = evaluate_predictions(frame["y"].astype(int), frame["p"], groups).baseline
    assert found.table.to_dict() == expected.table.to_dict()


@pytest.mark.parametrize("rows", [7, 50, 1000])
def test_a_regression_is_read_alike_in_any_chunks(tmp_path: pathlib.Path, backend: str, rows: int) -> None:
    """Beyond the rows that are kept, sums and histograms give the figures of the rows."""
    frame = people(200)
    frame.to_csv(tmp_path / "f.csv", index=False)
    expected = evaluate_predictions(frame["v"], frame["w"], Groups(frame["g"]), task="regression").baseline
    for keep in (10, 1000):
        asked = request_for(
            tmp_path / "f.csv", label="v", predictions=("w",), keep=keep, rows=rows, size=max(rows * 60, 120)
        )
        (found,) = read(asked).evaluations
        assert found.has_rows is (keep == 1000)
        pd.testing.assert_frame_equal(found.rates, expected.rates, rtol=1e-9)


def test_scores_beyond_the_rows_that_are_kept_are_counted_in_bins(tmp_path: pathlib.Path, backend: str) -> None:
    """The AUC is within the error that the notes state, for scores in any range."""
    frame = people(400).assign(s=lambda f: 20 * f["s"] - 7)
    frame.to_csv(tmp_path / "f.csv", index=False)
    audited = read(request_for(tmp_path / "f.csv", scores=("s",), keep=100, size=2000))
    (found,) = audited.evaluations
    exact = metric.roc_auc(frame["y"], frame["s"], Groups(frame["g"]))
    error = found.scores.auc_error()
    assert (np.abs(found.auc_by_group - exact.values) <= error.values + 1e-12).all()
    assert "1,000 bins" in audited.notes["scores"]
    assert f"within {error.overall:.1g}" in audited.notes["scores"]


def test_several_files_a_pattern_and_a_folder_are_one_table(tmp_path: pathlib.Path) -> None:
    """Parts of a table give its counts, whatever they are: CSV and Parquet, and folders that name a column."""
    pytest.importorskip("pyarrow")
    frame = people(300)
    whole = tmp_path / "whole.csv"
    frame.to_csv(whole, index=False)
    (tmp_path / "parts").mkdir()
    frame[:100].to_csv(tmp_path / "parts" / "1.csv", index=False)
    frame[100:180].to_csv(tmp_path / "parts" / "2.tsv", index=False, sep="\t")
    frame[180:].to_parquet(tmp_path / "parts" / "3.parquet")
    for value in ("x", "y"):
        (tmp_path / "by" / f"h={value}").mkdir(parents=True)
        frame[frame["h"] == value].drop(columns="h").to_parquet(tmp_path / "by" / f"h={value}" / "part.parquet")
    expected = as_text(read(request_for(whole, groups=("g", "h"))))
    parts = request_for(tmp_path / "parts" / "*", groups=("g", "h"))
    assert len(parts.sources) == 3
    assert as_text(read(parts)) == expected
    assert as_text(read(request_for(tmp_path / "by", groups=("g", "h")))) == expected


def test_a_file_is_not_counted_twice(tmp_path: pathlib.Path) -> None:
    """The same file by name and by pattern is refused."""
    people(20).to_csv(tmp_path / "f.csv", index=False)
    done = invoke("audit", tmp_path / "f.csv", tmp_path / "*.csv", *COMMON)
    assert done.exit_code == 2
    assert "must be given once" in done.output


def test_files_that_disagree_about_a_type_are_refused(tmp_path: pathlib.Path) -> None:
    """A column of numbers in one file and of text in the next is no column."""
    pytest.importorskip("pyarrow")
    frame = people(40)
    frame.to_parquet(tmp_path / "a.parquet")
    frame.assign(y=frame["y"].map({0: "no", 1: "yes"})).to_parquet(tmp_path / "b.parquet")
    done = invoke("audit", tmp_path / "a.parquet", tmp_path / "b.parquet", *COMMON)
    assert done.exit_code == 2
    assert "'y' must be of one type in all files" in done.output


@pytest.mark.parametrize("column", ["y", "p", "s"])
def test_missing_labels_predictions_and_scores_are_counted_and_refused(
    tmp_path: pathlib.Path, backend: str, column: str
) -> None:
    """Nothing is dropped: the message says how many rows are affected, over all chunks."""
    frame = people(300).astype({"y": object, "p": object})
    frame.loc[frame.index % 50 == 3, column] = None
    frame.to_csv(tmp_path / "f.csv", index=False)
    done = invoke("audit", tmp_path / "f.csv", *COMMON, "--score", "s")
    assert done.exit_code == 2
    assert f"'{column}' must not have missing values; got 6 rows" in done.output


def test_text_that_becomes_numbers_too_many_is_decided_by_the_whole_file(tmp_path: pathlib.Path) -> None:
    """A label of fractions in most rows is text if one row, however late, holds text."""
    values = [f"{i % 9}.5" for i in range(300)] + ["none of these"]
    frame = pd.DataFrame({"y": values, "p": values, "g": ["a", "b", "c"] * 100 + ["a"]})
    frame.to_csv(tmp_path / "f.csv", index=False)
    (found,) = read(request_for(tmp_path / "f.csv", size=500)).evaluations
    assert found.task == "classification"
    assert found.table.classes.tolist() == sorted(set(values))


def test_a_threshold_decides_from_scores(tmp_path: pathlib.Path) -> None:
    """A score at the threshold is a positive decision."""
    frame = people(200)
    frame.to_csv(tmp_path / "f.csv", index=False)
    asked = request_for(tmp_path / "f.csv", predictions=(), scores=("s",), threshold=0.5)
    (found,) = read(asked).evaluations
    expected = evaluate_predictions(frame["y"], (frame["s"] >= 0.5).astype(int), Groups(frame["g"])).baseline
    assert found.table.to_dict() == expected.table.to_dict()


def test_a_column_cut_in_two_is_cut_in_every_chunk(tmp_path: pathlib.Path, backend: str) -> None:
    """``--group 'v>0'`` is what comparing the column gives."""
    frame = people(200)
    frame.loc[::11, "v"] = None
    frame.to_csv(tmp_path / "f.csv", index=False)
    (found,) = read(request_for(tmp_path / "f.csv", groups=("v>0",), size=800, rows=10)).evaluations
    assert dict(zip(found.table.groups, found.support)) == {
        "v > 0": (frame["v"] > 0).sum(), "v <= 0": (frame["v"] <= 0).sum(), "unknown": frame["v"].isna().sum()
    }  # fmt: skip


def test_gaps_within_levels_and_by_other_conventions_are_shown(tmp_path: pathlib.Path) -> None:
    """What is printed is what `mxfair.metric` computes from the rows."""
    frame = people(500)
    frame.to_csv(tmp_path / "f.csv", index=False)
    options = {"reference": "a", "compat": "aif360"}
    run = ("audit", tmp_path / "f.csv", *COMMON, "--criterion", "demographic_parity", "--control", "h")
    done = invoke(
        *run, *(x for key, value in options.items() for x in (f"--{key}", value)), "--out", tmp_path / "o.json"
    )
    assert done.exit_code == 0, done.output
    arguments = frame["y"], frame["p"], Groups(frame["g"])
    found = json.loads((tmp_path / "o.json").read_text(encoding="utf-8"))
    (gap,) = [row for row in found["gaps"] if row["criterion"] == "demographic_parity"]
    assert gap["models"][0]["value"] == pytest.approx(metric.demographic_parity_difference(*arguments, **options))
    expected = evaluate_predictions(*arguments, control=frame["h"], name="p", **options).to_dict()
    assert found["control"] == json.loads(json.dumps(expected["control"]))
    assert "Gaps within levels of h" in done.output


def test_two_columns_are_compared_row_by_row(tmp_path: pathlib.Path) -> None:
    """The interval of a change comes from both decisions on the same rows, as from arrays."""
    frame = people(400)
    frame.to_csv(tmp_path / "f.csv", index=False)
    out = tmp_path / "o.json"
    done = invoke("audit", tmp_path / "f.csv", *COMMON, "--prediction", "q", "--group", "h", "--out", out)
    assert done.exit_code == 0, done.output
    groups = frame[["g", "h"]]
    reports = [evaluate_predictions(frame["y"], frame[name], groups, name=name) for name in ("p", "q")]
    expected = json.loads(reports[0].beside(reports[1]).to_json())
    found = json.loads(out.read_text(encoding="utf-8"))
    for key in ("models", "gaps", "changes", "subgroups"):
        assert found[key] == expected[key], key


GATES = [
    (["demographic_parity_difference>0.05"], 1, "FAILED"),
    (["demographic_parity_difference>0.9", "accuracy<0.2"], 0, "passed"),
    (["demographic_parity_difference>0.9", "demographic_parity_ratio<0.99"], 1, "FAILED"),
]


@pytest.mark.parametrize(("gates", "code", "word"), GATES)
def test_gates_set_the_exit_code(tmp_path: pathlib.Path, gates: list[str], code: int, word: str) -> None:
    """One gate that fails is enough for exit code 1, and its reason is printed."""
    people(3000).to_csv(tmp_path / "f.csv", index=False)
    done = invoke("audit", tmp_path / "f.csv", *COMMON, *(x for gate in gates for x in ("--fail-if", gate)))
    assert done.exit_code == code, done.output
    assert word in done.output
    assert "95% interval" in done.output


def test_too_few_samples_never_pass(tmp_path: pathlib.Path) -> None:
    """A group of three keeps a gate from being judged, unless a minimum support leaves it out."""
    frame = people(3000)
    frame.loc[:2, "g"] = "tiny"
    frame.to_csv(tmp_path / "f.csv", index=False)
    gate = ("audit", tmp_path / "f.csv", *COMMON, "--fail-if", "demographic_parity_difference>0.9")
    done = invoke(*gate)
    assert done.exit_code == 1
    assert "NOT JUDGED" in done.output
    assert "tiny has 3" in done.output
    done = invoke(*gate, "--min-support", 10)
    assert done.exit_code == 0, done.output
    assert "left out with fewer than 10 samples: tiny" in done.output


@pytest.mark.parametrize("gate", ["equalised_odds>0.1", "equalized_odds", "mean_error>1", "q: accuracy<1", "auc<0.5"])
def test_a_gate_that_cannot_be_read_is_a_usage_error(tmp_path: pathlib.Path, gate: str) -> None:
    """A wrong name, form, task or model, or a score that is not there, is exit code 2 and not 1."""
    people(100).to_csv(tmp_path / "f.csv", index=False)
    done = invoke("audit", tmp_path / "f.csv", *COMMON, "--fail-if", gate)
    assert done.exit_code == 2, done.output
    assert len(done.output.strip().splitlines()) == 1


def test_a_folder_holds_every_format(tmp_path: pathlib.Path) -> None:
    """``--out DIR`` writes all formats at once, and replaces only what it wrote."""
    people().to_csv(tmp_path / "f.csv", index=False)
    run = ("audit", tmp_path / "f.csv", *COMMON, "--score", "s", "--fail-if", "accuracy<0.1", "--out", tmp_path / "out")
    assert invoke(*run).exit_code == 0
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"report.html", "metrics.json", "report.md", "rates.csv", "model_card.md", "junit.xml"}
    suite = ElementTree.parse(tmp_path / "out" / "junit.xml").getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("1", "0", "0")
    (gate,) = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))["gates"]
    assert (gate["gate"], gate["status"]) == ("accuracy < 0.1", "passed")
    assert invoke(*run).exit_code == 2
    assert invoke(*run, "--overwrite").exit_code == 0
    (tmp_path / "out" / "mine.txt").write_text("mine")
    assert invoke(*run, "--overwrite").exit_code == 2


def test_the_command_starts_without_engine_and_heavy_libraries(tmp_path: pathlib.Path) -> None:
    """Neither help nor a small audit loads mxnet, scikit-learn, scipy or matplotlib: these take longer than both."""
    people(50).to_csv(tmp_path / "f.csv", index=False)
    for arguments in (["--help"], [str(tmp_path / "f.csv"), *COMMON]):
        code = (
            "import sys\nfrom mxfair.cli import main\n"
            f"main(['audit', *{arguments!r}], standalone_mode=False)\n"
            "heavy = {'mxnet', 'sklearn', 'scipy', 'matplotlib'} & set(sys.modules)\n"
            "assert not heavy, heavy\n"
        )
        done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_a_bar_shows_how_much_of_large_files_was_read(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal; where nobody watches, and for small files, nothing is written to standard error."""
    people(200).to_csv(tmp_path / "f.csv", index=False)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    asked = request_for(tmp_path / "f.csv")
    for large, terminal, shown in ((0, Terminal(), True), (0, io.StringIO(), False), (10**9, Terminal(), False)):
        monkeypatch.setattr(_progress, "LARGE", large)
        monkeypatch.setattr(sys, "stderr", terminal)
        read(asked)
        assert ("100%" in terminal.getvalue()) is shown


def test_pred_is_short_for_prediction(tmp_path: pathlib.Path) -> None:
    """Both spellings are one option."""
    people(50).to_csv(tmp_path / "f.csv", index=False)
    long, short = (
        invoke("audit", tmp_path / "f.csv", "--label", "y", option, "p", "--group", "g")
        for option in ("--prediction", "--pred")
    )
    assert long.exit_code == 0
    assert long.output == short.output


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message is one sentence with the command."""
    (tmp_path / "f.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = invoke("audit", tmp_path / "f.parquet", *COMMON)
    assert done.exit_code == 2
    assert "pip install 'mxfair[parquet]'" in done.output


def test_too_many_groups_are_refused(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A column of names is no sensitive attribute; it must not fill the memory."""
    from mxfair._audit import _cells

    monkeypatch.setattr(_cells, "MAX_GROUPS", 100)
    people(300).assign(g=[f"n{i}" for i in range(300)]).to_csv(tmp_path / "f.csv", index=False)
    done = invoke("audit", tmp_path / "f.csv", *COMMON)
    assert done.exit_code == 2
    assert "100 different values" in " ".join(done.output.split())


def test_classes_that_are_stated_may_be_more(tmp_path: pathlib.Path) -> None:
    """``--task classification`` counts more than 100 classes, up to a limit that is named."""
    frame = pd.DataFrame({"y": np.arange(400) % 150, "p": np.arange(400) % 150, "g": ["a", "b"] * 200})
    frame.to_csv(tmp_path / "f.csv", index=False)
    (found,) = read(request_for(tmp_path / "f.csv", task="classification")).evaluations
    assert len(found.table.classes) == 150
    frame = pd.DataFrame({"y": np.arange(3000), "p": np.arange(3000), "g": ["a", "b"] * 1500})
    frame.to_csv(tmp_path / "f.csv", index=False)
    done = invoke("audit", tmp_path / "f.csv", *COMMON, "--task", "classification")
    assert done.exit_code == 2
    assert f"at most {_passes.MANY_CLASSES} classes" in done.output
