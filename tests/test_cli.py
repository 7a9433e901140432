"""The command line does the main job, and says in one sentence what is wrong with its input."""

from __future__ import annotations

import io
import json
import pathlib
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from mxfair.cli import main


def invoke(*arguments: object) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


def make_frame(n: int = 400, seed: int = 0) -> pd.DataFrame:
    """Return a small table with text, numbers and missing values, and an outcome that differs by group."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["f", "m"], n)
    skill = rng.normal(size=n) + 0.8 * (sex == "m")
    frame = pd.DataFrame(
        {
            "skill": skill.round(3),
            "age": rng.integers(18, 70, n),
            "job": rng.choice(["baker", "smith", None], n),
            "sex": sex,
            "region": rng.choice(["north", "south"], n),
            "hired": (skill + rng.normal(size=n) > 0.4).astype(int),
        }
    )
    frame.loc[::17, "skill"] = np.nan
    return frame


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, Result]:
    """Train once on a small file; tests read what was written."""
    folder = tmp_path_factory.mktemp("job")
    make_frame().to_csv(folder / "people.csv", index=False)
    done = invoke(
        "train", "--data", folder / "people.csv", "--label", "hired", "--group", "sex", "--epochs", 4,
        "--batch-size", 32, "--out", folder / "out",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return folder, done


def test_train_writes_the_whole_folder(result: tuple[pathlib.Path, Result]) -> None:
    """The folder holds the report, the metrics, the predictions and both nets, and nothing else."""
    folder, _ = result
    written = sorted(p.name for p in (folder / "out").iterdir())
    assert written == [
        "fairbatch.params",
        "metrics.json",
        "model.json",
        "plain.params",
        "predictions.csv",
        "report.html",
    ]
    assert sorted(p.name for p in folder.iterdir()) == ["out", "people.csv"]


def test_train_prints_rates_by_group_and_gaps(result: tuple[pathlib.Path, Result]) -> None:
    """The terminal shows accuracy, AUC, support by group and the gaps of every criterion."""
    _, done = result
    for word in (
        "accuracy",
        "AUC",
        "demographic_parity",
        "equal_opportunity",
        "equalized_odds",
        "TPR",
        "FPR",
        "FairBatch",
    ):
        assert word.lower() in done.output.lower()


def test_metrics_agree_with_predictions(result: tuple[pathlib.Path, Result]) -> None:
    """The gaps in metrics.json can be computed again from predictions.csv."""
    from mxfair import GroupConfusion
    from mxfair.criterion import CRITERIA

    folder, _ = result
    metrics = json.loads((folder / "out" / "metrics.json").read_text(encoding="utf-8"))
    table = pd.read_csv(folder / "out" / "predictions.csv")
    text = json.dumps(metrics)
    for model in ("plain", "fairbatch"):
        counts = GroupConfusion.of(table["label"], table[f"{model}_prediction"], table["group"])
        value = CRITERIA["equalized_odds"].difference(counts)
        assert f"{value:.10f}"[:9] in text


def test_predict_gives_the_same_scores_again(result: tuple[pathlib.Path, Result]) -> None:
    """Scoring the training file again gives, for the test rows, the scores that training wrote."""
    folder, _ = result
    expected = pd.read_csv(folder / "out" / "predictions.csv")
    for model in ("plain", "fairbatch"):
        scored = folder / f"{model}.csv"
        done = invoke("predict", folder / "out", folder / "people.csv", "--model", model, "--out", scored)
        assert done.exit_code == 0, done.output
        again = pd.read_csv(scored).set_index("row").loc[expected["row"]]
        np.testing.assert_allclose(again["score"], expected[f"{model}_score"], rtol=0, atol=1e-6)
        assert (again["prediction"].to_numpy() == expected[f"{model}_prediction"].to_numpy()).all()
        scored.unlink()


def test_predict_needs_no_label_and_no_order_of_columns(
    result: tuple[pathlib.Path, Result], tmp_path: pathlib.Path
) -> None:
    """A file without the label and with its columns in another order gets the same scores."""
    folder, _ = result
    frame = pd.read_csv(folder / "people.csv")
    frame[["sex", "region", "job", "age", "skill"]].to_csv(tmp_path / "new.csv", index=False)
    one, other = (invoke("predict", folder / "out", f).output for f in (folder / "people.csv", tmp_path / "new.csv"))
    assert one == other


def test_the_fair_net_starts_where_the_plain_one_does(tmp_path: pathlib.Path) -> None:
    """After one epoch with a vanishing learning rate both nets still have the same weights."""
    make_frame().to_csv(tmp_path / "people.csv", index=False)
    done = invoke(
        "train", "--data", tmp_path / "people.csv", "--label", "hired", "--group", "sex", "--epochs", 1,
        "--batch-size", 32, "--learning-rate", 1e-30, "--net", "mlp", "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "out" / "predictions.csv")
    np.testing.assert_array_equal(table["plain_score"], table["fairbatch_score"])
    assert table["plain_score"].std() > 0


def test_training_is_reproducible(result: tuple[pathlib.Path, Result], tmp_path: pathlib.Path) -> None:
    """The same command with the same seed writes the same predictions."""
    folder, _ = result
    invoke(
        "train", "--data", folder / "people.csv", "--label", "hired", "--group", "sex", "--epochs", 4,
        "--batch-size", 32, "--out", tmp_path / "again",
    )  # fmt: skip
    names = ("predictions.csv", "plain.params", "fairbatch.params")
    assert all((folder / "out" / n).read_bytes() == (tmp_path / "again" / n).read_bytes() for n in names)


def test_crossed_groups_and_parquet(tmp_path: pathlib.Path) -> None:
    """Two --group options cross the columns, and a Parquet file works like a CSV file."""
    pytest.importorskip("pyarrow")
    make_frame().to_parquet(tmp_path / "people.parquet")
    done = invoke(
        "train", "--data", tmp_path / "people.parquet", "--label", "hired", "--group", "sex", "--group", "region",
        "--epochs", 1, "--batch-size", 32, "--out", tmp_path / "out", "--criterion", "demographic_parity",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    groups = set(pd.read_csv(tmp_path / "out" / "predictions.csv")["group"])
    assert groups == {"f & north", "f & south", "m & north", "m & south"}


def test_text_labels_keep_their_values(tmp_path: pathlib.Path) -> None:
    """--positive names the positive outcome of a text label, and predictions are in the label's own values."""
    frame = make_frame()
    frame["hired"] = np.where(frame["hired"] == 1, "accepted", "rejected")
    frame.to_csv(tmp_path / "people.csv", index=False)
    done = invoke(
        "train", "--data", tmp_path / "people.csv", "--label", "hired", "--group", "sex", "--positive", "accepted",
        "--epochs", 3, "--batch-size", 32, "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "out" / "predictions.csv")
    assert set(table["plain_prediction"]) == {"accepted", "rejected"}
    assert table.groupby("plain_prediction")["plain_score"].mean()["accepted"] > 0.5


def test_three_classes(tmp_path: pathlib.Path) -> None:
    """A label with three classes trains a softmax net, with one score per class."""
    frame = make_frame(600)
    frame["hired"] = np.where(frame["hired"] == 1, "yes", np.where(frame["age"] > 45, "later", "no"))
    frame.to_csv(tmp_path / "people.csv", index=False)
    done = invoke(
        "train", "--data", tmp_path / "people.csv", "--label", "hired", "--group", "sex",
        "--epochs", 2, "--batch-size", 32, "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "out" / "predictions.csv")
    np.testing.assert_allclose(table[[f"plain_score[{c}]" for c in ("later", "no", "yes")]].sum(axis=1), 1, atol=1e-6)


def test_a_missing_sensitive_value_is_a_group_of_its_own(tmp_path: pathlib.Path) -> None:
    """Rows whose sensitive attribute is missing are trained on, and shown as 'unknown'."""
    frame = make_frame()
    frame.loc[::9, "sex"] = None
    frame.to_csv(tmp_path / "people.csv", index=False)
    done = invoke(
        "train", "--data", tmp_path / "people.csv", "--label", "hired", "--group", "sex",
        "--epochs", 1, "--batch-size", 32, "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "unknown" in done.output
    assert "unknown" in set(pd.read_csv(tmp_path / "out" / "predictions.csv")["group"])


def _files(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Write one file per kind of bad input."""
    frame = make_frame()
    changed = {
        "good": frame,
        "nan_label": frame.assign(hired=frame["hired"].where(frame.index != 3)),
        "text_label": frame.assign(hired=np.where(frame["hired"] == 1, "y", "n")),
        "one_group": frame.assign(sex="f"),
        "one_label": frame.assign(hired=1),
        "empty_cell": frame.assign(hired=np.where(frame["sex"] == "f", 0, frame["hired"])),
        "regression": frame.assign(hired=np.linspace(0, 1, len(frame))),
        "infinite": frame.assign(skill=np.inf),
        "header_only": frame.iloc[:0],
    }
    paths = {}
    for name, content in changed.items():
        paths[name] = folder / f"{name}.csv"
        content.to_csv(paths[name], index=False)
    raw = {
        "empty": b"",
        "malformed": b'a,b,sex,hired\n1,2,f,0\n1,2,3,4,5,6\n"1,2',
        "binary": bytes(range(256)) * 20,
        "twice": b"sex,hired,hired\nf,0,1\nm,1,0\n",
    }
    for name, content in raw.items():
        paths[name] = folder / f"{name}.csv"
        paths[name].write_bytes(content)
    paths["bad_parquet"] = folder / "bad.parquet"
    paths["bad_parquet"].write_bytes(b"PAR1 not really")
    paths["absent"] = folder / "absent.csv"
    paths["no_suffix"] = folder / "adlut"
    return paths


BAD = [
    ("nan_label", {}, "missing values"),
    ("text_label", {}, "--positive"),
    ("one_group", {}, "at least two groups"),
    ("one_label", {}, "two classes"),
    ("empty_cell", {}, "Every (label, group) cell must have samples"),
    ("regression", {"--criterion": "equalized_odds"}, "--criterion"),
    ("regression", {"--positive": 1}, "--positive"),
    ("regression", {"--eps": 0.5}, "--postprocess barycenter"),
    ("regression", {"--task": "classification"}, "at most 100 whole numbers"),
    ("good", {"--task": "regresion"}, "Did you mean 'regression'"),
    ("good", {"--postprocess": "barycenter"}, "--postprocess is for regression"),
    ("good", {"--postprocess": "barycentre"}, "Did you mean 'barycenter'"),
    ("good", {"--signal": "prob"}, "Did you mean 'probe'"),
    ("good", {"--criterion": "bounded_group_loss"}, "criterion"),
    ("good", {"--group": "age>forty"}, "--group"),
    ("good", {"--group": "sex>1"}, "holds text"),
    ("good", {"--group": "agee>30"}, "Did you mean 'age'"),
    ("infinite", {}, "finite"),
    ("header_only", {}, "rows"),
    ("empty", {}, "empty file"),
    ("malformed", {}, "readable csv file"),
    ("binary", {}, "UTF-8"),
    ("twice", {}, "more than once"),
    ("bad_parquet", {}, "readable parquet file"),
    ("absent", {}, "there is none"),
    ("no_suffix", {}, "data set"),
    ("good", {"--label": "hird"}, "Did you mean 'hired'"),
    ("good", {"--group": "gender"}, "--group"),
    ("good", {"--exclude": "nothing"}, "--exclude"),
    ("good", {"--criterion": "equalised_odds"}, "Did you mean 'equalized_odds'"),
    ("good", {"--controller": "papr"}, "Did you mean 'paper'"),
    ("good", {"--net": "mpl"}, "Did you mean 'mlp'"),
    ("good", {"--batch-size": 5000}, "'batch_size' must be at most 280"),
    ("good", {"--test-size": 1.5}, "--test-size"),
    ("good", {"--group": "age"}, "cell"),
]


@pytest.mark.parametrize(("name", "options", "words"), BAD, ids=[f"{n}{''.join(o)}" for n, o, _ in BAD])
def test_bad_input_is_one_sentence_and_exit_code_2(
    name: str, options: dict[str, object], words: str, tmp_path: pathlib.Path
) -> None:
    """Bad input ends with exit code 2 and what to do, without a traceback, and writes nothing."""
    path = _files(tmp_path)[name]
    before = sorted(tmp_path.iterdir())
    chosen = {"--data": path, "--label": "hired", "--group": "sex", "--epochs": 1, "--batch-size": 32, **options}
    done = invoke("train", *(x for pair in chosen.items() for x in pair), "--out", tmp_path / "out")
    assert done.exit_code == 2, done.output
    assert words in done.output
    assert "Traceback" not in done.output
    assert len(done.output.strip().splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == before


def test_an_existing_folder_is_kept(result: tuple[pathlib.Path, Result], tmp_path: pathlib.Path) -> None:
    """A folder with files is not replaced without --overwrite, and never if mxfair did not write it."""
    folder, _ = result
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    common = ("train", "--data", folder / "people.csv", "--label", "hired", "--group", "sex", "--epochs", 1)
    assert invoke(*common, "--out", folder / "out").exit_code == 2
    assert invoke(*common, "--out", tmp_path / "mine", "--overwrite").exit_code == 2
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    (folder / "out" / "notes.txt").write_text("mine, beside the result")
    assert invoke(*common, "--out", folder / "out", "--overwrite").exit_code == 2
    (folder / "out" / "notes.txt").unlink()
    assert invoke(*common, "--out", ".", "--overwrite").exit_code == 2


def test_a_link_to_a_folder_is_followed(result: tuple[pathlib.Path, Result], tmp_path: pathlib.Path) -> None:
    """--out may be a symbolic link: the result is in the folder that it points to."""
    folder, _ = result
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    done = invoke(
        "train", "--data", folder / "people.csv", "--label", "hired", "--group", "sex", "--epochs", 1,
        "--batch-size", 32, "--out", tmp_path / "link",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert (tmp_path / "real" / "report.html").is_file()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "real"]


def test_a_row_scores_the_same_alone_as_in_its_file(tmp_path: pathlib.Path) -> None:
    """Text that looks like a number or a truth value in one row is still the text of training."""
    frame = make_frame()
    rng = np.random.default_rng(1)
    frame["zip"] = rng.choice(["012", "034", "A1", "056"], len(frame))
    frame["flag"] = rng.choice(["TRUE", "no"], len(frame))
    frame.to_csv(tmp_path / "people.csv", index=False)
    done = invoke(
        "train", "--data", tmp_path / "people.csv", "--label", "hired", "--group", "sex",
        "--epochs", 2, "--batch-size", 32, "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    whole = io.StringIO(invoke("predict", tmp_path / "out", tmp_path / "people.csv").output)
    scores = pd.read_csv(whole)["score"]
    for row in np.flatnonzero((frame["zip"] != "A1") & (frame["flag"] == "TRUE"))[:3]:
        frame.iloc[[row]].to_csv(tmp_path / "one.csv", index=False)
        alone = invoke("predict", tmp_path / "out", tmp_path / "one.csv").output
        assert "Note" not in alone
        assert pd.read_csv(io.StringIO(alone))["score"][0] == pytest.approx(scores[row], abs=1e-6)


@pytest.mark.parametrize("out", ["missing/x.csv", "."])
def test_predict_checks_where_to_write(result: tuple[pathlib.Path, Result], out: str) -> None:
    """A path for predict --out in a missing folder, or on a folder, is refused with exit code 2."""
    folder, _ = result
    done = invoke("predict", folder / "out", folder / "people.csv", "--out", folder / out)
    assert done.exit_code == 2
    assert "--out" in done.output


def test_a_failure_while_writing_leaves_the_old_result(
    result: tuple[pathlib.Path, Result], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If writing fails, the earlier folder is as it was and no temporary folder stays."""
    import shutil

    from mxfair import _model_dir

    folder, _ = result
    shutil.copytree(folder / "out", tmp_path / "out")
    before = (tmp_path / "out" / "metrics.json").read_bytes()

    def full_disk(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(_model_dir, "save_model", full_disk)
    done = invoke(
        "train", "--data", folder / "people.csv", "--label", "hired", "--group", "sex", "--epochs", 1,
        "--batch-size", 32, "--out", tmp_path / "out", "--overwrite",
    )  # fmt: skip
    assert done.exit_code == 1
    assert "no space left" in done.output
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "metrics.json").read_bytes() == before


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda d: (d / "model.json").unlink(), "no model.json"),
        (lambda d: (d / "model.json").write_text("{"), "damaged"),
        (lambda d: (d / "model.json").write_text('{"schema": "other/9"}'), "schema"),
        (lambda d: (d / "fairbatch.params").write_bytes(b"x"), "damaged"),
        (lambda d: (d / "fairbatch.params").unlink(), "missing"),
    ],
)
def test_a_damaged_model_folder_is_explained(
    damage: object, words: str, result: tuple[pathlib.Path, Result], tmp_path: pathlib.Path
) -> None:
    """Predict says what is wrong with a damaged folder, with exit code 2."""
    import shutil

    folder, _ = result
    shutil.copytree(folder / "out", tmp_path / "out")
    damage(tmp_path / "out")  # type: ignore[operator]
    done = invoke("predict", tmp_path / "out", folder / "people.csv")
    assert done.exit_code == 2, done.output
    assert words in done.output


def test_predict_names_a_missing_column(result: tuple[pathlib.Path, Result], tmp_path: pathlib.Path) -> None:
    """A file without a column that the net needs is refused by the column's name."""
    folder, _ = result
    pd.read_csv(folder / "people.csv").drop(columns="age").to_csv(tmp_path / "new.csv", index=False)
    done = invoke("predict", folder / "out", tmp_path / "new.csv")
    assert done.exit_code == 2
    assert "'age'" in done.output


def test_the_report_needs_no_network(result: tuple[pathlib.Path, Result]) -> None:
    """report.html asks for nothing from outside."""
    folder, _ = result
    html = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", html)
    assert "@import" not in html


def test_help_works_from_any_folder_and_starts_without_mxnet(tmp_path: pathlib.Path) -> None:
    """`mxfair --help` lists the commands from any folder and does not load the engine."""
    code = (
        "import sys; from mxfair.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "assert 'mxnet' not in sys.modules and 'pandas' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "train" in done.stdout
    assert "predict" in done.stdout


@pytest.mark.slow
def test_the_demo_narrows_the_gap_on_adult(tmp_path: pathlib.Path) -> None:
    """On Adult with the defaults, FairBatch cuts the equalized odds gap to .07 or less at .84 accuracy or more."""
    done = invoke("train", "--data", "adult", "--group", "sex", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "out" / "predictions.csv")
    from mxfair import GroupConfusion
    from mxfair.criterion import CRITERIA

    gap = {}
    for model in ("plain", "fairbatch"):
        counts = GroupConfusion.of(table["label"], table[f"{model}_prediction"], table["group"])
        gap[model] = CRITERIA["equalized_odds"].difference(counts)
    assert gap["plain"] > 0.09
    assert gap["fairbatch"] <= 0.07
    assert (table["fairbatch_prediction"] == table["label"]).mean() >= 0.84


MESSY = [
    ("a;b;hired\n1;f;0\n", "separated by"),
    ("skill,sex,hired\n" + "1e300,f,0\n2e300,m,1\n3e300,f,1\n4e300,m,0\n" * 30, "below 1e150"),
]


@pytest.mark.parametrize(("content", "words"), MESSY)
def test_messy_files_get_the_cure(content: str, words: str, tmp_path: pathlib.Path) -> None:
    """Another separator, or numbers whose squares overflow, are named in the error."""
    (tmp_path / "messy.csv").write_text(content)
    done = invoke(
        "train", "--data", tmp_path / "messy.csv", "--label", "hired", "--group", "sex", "--batch-size", 8,
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.exit_code == 2
    assert words in done.output


def test_spaces_around_text_make_no_new_classes(tmp_path: pathlib.Path) -> None:
    """'yes', ' yes' and 'yes ' are one label, and lower-case true is the positive one of true and false."""
    frame = make_frame()
    for values in (["yes", " yes", "yes "], ["true"]):
        other = "no" if "yes" in values else "false"
        labels = np.resize(np.array(values, dtype=object), len(frame))
        frame.assign(hired=np.where(frame["hired"] == 1, labels, other)).to_csv(tmp_path / "people.csv", index=False)
        positive = ("--positive", "yes") if other == "no" else ()
        done = invoke(
            "train", "--data", tmp_path / "people.csv", "--label", "hired", "--group", "sex", "--epochs", 1,
            "--batch-size", 32, "--out", tmp_path / "out", "--overwrite", *positive,
        )  # fmt: skip
        assert done.exit_code == 0, done.output
        state = json.loads((tmp_path / "out" / "model.json").read_text(encoding="utf-8"))
        assert state["classes"] == [other, values[0]]


def test_predict_does_not_replace_a_file_unasked(result: tuple[pathlib.Path, Result], tmp_path: pathlib.Path) -> None:
    """An existing file is replaced with --overwrite only, and the file being scored never."""
    folder, _ = result
    source = tmp_path / "people.csv"
    source.write_bytes((folder / "people.csv").read_bytes())
    (tmp_path / "scores.csv").write_text("mine")
    assert invoke("predict", folder / "out", source, "--out", tmp_path / "scores.csv").exit_code == 2
    assert invoke("predict", folder / "out", source, "--out", source, "--overwrite").exit_code == 2
    assert (tmp_path / "scores.csv").read_text() == "mine"
    assert invoke("predict", folder / "out", source, "--out", tmp_path / "scores.csv", "--overwrite").exit_code == 0


def test_a_column_like_an_identifier_is_noted(tmp_path: pathlib.Path) -> None:
    """A text column with a new value in most rows trains, with a note that says to leave it out."""
    frame = make_frame()
    frame["name"] = [f"person {i}" for i in range(len(frame))]
    frame.to_csv(tmp_path / "people.csv", index=False)
    command = (
        "train", "--data", tmp_path / "people.csv", "--label", "hired", "--group", "sex", "--epochs", 1,
        "--batch-size", 32, "--out", tmp_path / "out", "--overwrite",
    )  # fmt: skip
    assert "like an identifier" in invoke(*command).output
    assert "like an identifier" not in invoke(*command, "--exclude", "name").output


def test_the_package_runs_as_a_module():
    """``python -m mxfair`` is the command line."""
    command = [sys.executable, "-m", "mxfair", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: mxfair [OPTIONS] COMMAND")
