"""`mxfair train` and `mxfair predict` on numbers, and `mxfair audit` on any predictions."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from sklearn.metrics import mean_squared_error, r2_score

from mxfair.cli import main


def invoke(*arguments: object) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


def make_frame(n: int = 600, seed: int = 0) -> pd.DataFrame:
    """Return a small table whose target, in thousands, differs by sex."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["f", "m"], n)
    skill = rng.normal(size=n) + 0.8 * (sex == "m")
    age = rng.integers(18, 70, n)
    income = 50_000 + 8_000 * skill + 100 * age + rng.normal(0, 4_000, n)
    return pd.DataFrame({"skill": skill.round(3), "age": age, "sex": sex, "income": income.round(2)})


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, Result]:
    """Train once, with a barycenter; tests read what was written."""
    folder = tmp_path_factory.mktemp("regression")
    make_frame().to_csv(folder / "people.csv", index=False)
    done = invoke(
        "train", "--data", folder / "people.csv", "--label", "income", "--group", "sex", "--epochs", 20,
        "--batch-size", 32, "--learning-rate", 0.02, "--postprocess", "barycenter", "--out", folder / "out",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return folder, done


def test_a_numeric_target_is_a_regression_in_its_own_unit(trained: tuple[pathlib.Path, Result]) -> None:
    """The figures in metrics.json are scikit-learn's of predictions.csv, and the nets have learned."""
    folder, done = trained
    table = pd.read_csv(folder / "out" / "predictions.csv")
    metrics = json.loads((folder / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["task"] == "regression"
    for model, name in zip(metrics["models"], ("plain", "fairbatch", "barycenter")):
        error = mean_squared_error(table["label"], table[f"{name}_prediction"]) ** 0.5
        assert model["overall"]["root_mean_squared_error"] == pytest.approx(error)
    assert r2_score(table["label"], table["plain_prediction"]) > 0.7
    assert "RMSE" in done.output
    assert metrics["criterion"] == "bounded_group_loss"


def test_the_barycenter_brings_the_predictions_of_the_groups_together(trained: tuple[pathlib.Path, Result]) -> None:
    """Its KS distance is near chance where the plain net's is far from it."""
    metrics = json.loads((trained[0] / "out" / "metrics.json").read_text(encoding="utf-8"))
    (row,) = [gap for gap in metrics["gaps"] if gap["criterion"] == "ks_distance"]
    plain, _, barycenter = row["models"]
    assert plain["value"] > 3 * plain["noise_floor"]
    assert barycenter["value"] < 2 * barycenter["noise_floor"]


@pytest.mark.parametrize("model", ["plain", "fairbatch", "barycenter"])
def test_predict_gives_the_same_values_again(trained: tuple[pathlib.Path, Result], model: str) -> None:
    """Predicting the training file again gives, for the test rows, what training wrote."""
    folder, _ = trained
    expected = pd.read_csv(folder / "out" / "predictions.csv")
    done = invoke("predict", folder / "out", folder / "people.csv", "--model", model, "--out", folder / "new.csv")
    assert done.exit_code == 0, done.output
    again = pd.read_csv(folder / "new.csv").set_index("row").loc[expected["row"]]
    np.testing.assert_allclose(again["prediction"], expected[f"{model}_prediction"], rtol=1e-6)
    assert list(again.columns) == ["prediction"]
    (folder / "new.csv").unlink()


def test_predict_by_the_barycenter_needs_known_groups(
    trained: tuple[pathlib.Path, Result], tmp_path: pathlib.Path
) -> None:
    """A file without the sensitive column, or with a group that was not there, is refused in one sentence."""
    folder, _ = trained
    frame = pd.read_csv(folder / "people.csv").head(5)
    frame.assign(sex=["f", "m", "x", "m", "f"]).to_csv(tmp_path / "other.csv", index=False)
    done = invoke("predict", folder / "out", tmp_path / "other.csv")
    assert done.exit_code == 2
    assert "fitted groups" in done.output


def test_parity_of_predictions_and_a_group_cut_from_numbers(tmp_path: pathlib.Path) -> None:
    """Batches are selected over bins of the target, and a column of numbers is cut in two groups."""
    make_frame().to_csv(tmp_path / "people.csv", index=False)
    done = invoke(
        "train", "--data", tmp_path / "people.csv", "--label", "income", "--group", "age>40", "--epochs", 3,
        "--batch-size", 64, "--criterion", "demographic_parity", "--signal", "probe", "--update-every", 2,
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "out" / "predictions.csv")
    frame = make_frame().loc[table["row"]]
    assert (table["group"] == np.where(frame["age"] > 40, "age > 40", "age <= 40")).all()
    assert "KS distance of the predictions" in done.output


def test_whole_numbers_are_a_regression_if_asked_for(tmp_path: pathlib.Path) -> None:
    """``--task regression`` takes few whole numbers for values."""
    frame = make_frame()
    frame["income"] = (frame["income"] / 10_000).round().astype(int)
    frame.to_csv(tmp_path / "people.csv", index=False)
    done = invoke(
        "train", "--data", tmp_path / "people.csv", "--label", "income", "--group", "sex", "--epochs", 2,
        "--batch-size", 64, "--task", "regression", "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "out" / "model.json").read_text(encoding="utf-8"))["task"] == "regression"


def test_a_missing_group_cannot_be_postprocessed(tmp_path: pathlib.Path) -> None:
    """Rows without a group are named before anything is trained."""
    frame = make_frame()
    frame.loc[::50, "sex"] = None
    frame.to_csv(tmp_path / "people.csv", index=False)
    common = ("train", "--data", tmp_path / "people.csv", "--label", "income", "--group", "sex", "--epochs", 1)
    done = invoke(*common, "--batch-size", 32, "--postprocess", "barycenter", "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "lack it" in done.output
    assert not (tmp_path / "out").exists()


def test_the_built_in_regression_trains(tmp_path: pathlib.Path) -> None:
    """communities_crime needs no option but its name."""
    done = invoke("train", "--data", "communities_crime", "--epochs", 2, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "higher Black share" in done.output


@pytest.fixture
def decisions(tmp_path: pathlib.Path) -> pathlib.Path:
    """Write a file of decisions: group a has TPR 1/2, group b 1; one of 16 pairs is in the wrong order."""
    frame = pd.DataFrame(
        {"y": ["yes", "yes", "no", "no"] * 2, "p": ["yes", "no", "no", "no", "yes", "yes", "no", "yes"],
         "s": [0.9, 0.4, 0.3, 0.1, 0.8, 0.7, 0.2, 0.6], "g": list("aaaabbbb")}
    )  # fmt: skip
    frame.to_csv(tmp_path / "decisions.csv", index=False)
    return tmp_path / "decisions.csv"


def test_audit_reports_decisions(decisions: pathlib.Path) -> None:
    """The report on a file has the rates that can be counted by hand."""
    out = decisions.with_name("audit.json")
    done = invoke(
        "audit", decisions, "--label", "y", "--prediction", "p", "--score", "s", "--group", "g", "--positive", "yes",
        "--out", out,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    (model,) = json.loads(out.read_text(encoding="utf-8"))["models"]
    assert [group["rates"]["true_positive_rate"] for group in model["by_group"]] == [0.5, 1]
    assert model["overall"]["auc"] == 15 / 16


def test_audit_compares_the_columns_of_a_regression(trained: tuple[pathlib.Path, Result]) -> None:
    """What training wrote can be audited, and gives the figures that training gave."""
    folder, _ = trained
    done = invoke(
        "audit", folder / "out" / "predictions.csv", "--label", "label", "--group", "group",
        "--prediction", "plain_prediction", "--prediction", "barycenter_prediction", "--out", folder / "audit.json",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    audited = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
    metrics = json.loads((folder / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert audited["models"][1]["overall"] == pytest.approx(metrics["models"][2]["overall"])
    (folder / "audit.json").unlink()


BAD = [
    ({"--positive": None}, "--positive must say"),
    ({"--positive": "maybe"}, "--positive"),
    ({"--label": "yy"}, "--label"),
    ({"--prediction": "q"}, "--prediction"),
    ({"--prediction": None}, "must each name"),
    ({"--prediction": "s"}, "one kind"),
    ({"--group": None}, "must each name"),
    ({"--task": "regression", "--positive": None}, "must hold numbers"),
    ({"--task": "regression"}, "are for classes"),
    ({"--task": "ranking"}, "--task"),
    ({"--criterion": "equalised_odds"}, "Did you mean 'equalized_odds'"),
    ({"--out": "report.pdf"}, ".html"),
    ({"--out": "nowhere/report.html"}, "existing folder"),
]


@pytest.mark.parametrize(("options", "words"), BAD, ids=[str(options) for options, _ in BAD])
def test_audit_says_what_is_wrong(decisions: pathlib.Path, options: dict[str, object], words: str) -> None:
    """Wrong input is one sentence and exit code 2."""
    chosen = {"--label": "y", "--prediction": "p", "--group": "g", "--positive": "yes", **options}
    done = invoke("audit", decisions, *(x for pair in chosen.items() if pair[1] is not None for x in pair))
    assert done.exit_code == 2, done.output
    assert words in done.output
    assert len(done.output.strip().splitlines()) == 1


def test_audit_keeps_a_file_unasked(decisions: pathlib.Path) -> None:
    """A file that is there is replaced only with ``--overwrite``."""
    common = ("audit", decisions, "--label", "y", "--prediction", "p", "--group", "g", "--positive", "yes", "--out")
    out = decisions.with_name("audit.md")
    out.write_text("mine")
    assert invoke(*common, out).exit_code == 2
    assert out.read_text() == "mine"
    assert invoke(*common, out, "--overwrite").exit_code == 0
    assert "true positive rate" in out.read_text(encoding="utf-8").lower()


def test_audit_loads_no_engine(decisions: pathlib.Path) -> None:
    """A file of predictions is audited without mxnet."""
    code = (
        "import sys\nfrom mxfair.cli import main\n"
        f"main(['audit', {str(decisions)!r}, '--label', 'y', '--prediction', 'p', '--group', 'g', '--positive', 'yes'],"
        " standalone_mode=False)\nassert 'mxnet' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("key", "value"),
    [("scale", None), ("scale", [1.0]), ("scale", [1.0, "a"]), ("scale", [0.0, 0.0]), ("group_columns", None),
     ("classes", ["a", "b"]), ("models", []), ("models", ["barycenter"])],
)  # fmt: skip
def test_a_damaged_description_gives_no_predictions(
    trained: tuple[pathlib.Path, Result], tmp_path: pathlib.Path, key: str, value: object
) -> None:
    """Without its scale a net would predict in standard deviations: one sentence instead."""
    folder, _ = trained
    shutil.copytree(folder / "out", tmp_path / "bad")
    file = tmp_path / "bad" / "model.json"
    state = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**state, key: value}), encoding="utf-8")
    done = invoke("predict", tmp_path / "bad", folder / "people.csv")
    assert done.exit_code == 2, done.output
    assert "is damaged" in done.output


@pytest.mark.parametrize("content", [None, b"x"])
def test_a_damaged_barycenter_gives_no_predictions(
    trained: tuple[pathlib.Path, Result], tmp_path: pathlib.Path, content: bytes | None
) -> None:
    """A missing or broken file of the post-processor is one sentence that says what to do."""
    folder, _ = trained
    shutil.copytree(folder / "out", tmp_path / "bad")
    file = tmp_path / "bad" / "barycenter.npz"
    file.unlink() if content is None else file.write_bytes(content)
    done = invoke("predict", tmp_path / "bad", folder / "people.csv")
    assert done.exit_code == 2, done.output
    assert "missing or damaged. Train the model again." in done.output


@pytest.mark.parametrize(
    ("label", "prediction", "words"),
    [("y", "prob", "must hold decisions"), ("stars", "guess", "--task regression"), ("name", "name2", "100 classes")],
)
def test_audit_does_not_take_numbers_for_classes(
    tmp_path: pathlib.Path, label: str, prediction: str, words: str
) -> None:
    """Probabilities, predicted values beside whole labels, and names are no decisions, each number a class."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"y": rng.integers(0, 2, 200), "prob": rng.random(200), "stars": rng.integers(1, 6, 200)})
    table["guess"], table["g"] = table["stars"] + rng.normal(size=200), rng.choice(["a", "b"], 200)
    table["name"] = table["name2"] = [f"n{i}" for i in range(200)]
    table.to_csv(tmp_path / "p.csv", index=False)
    done = invoke("audit", tmp_path / "p.csv", "--label", label, "--prediction", prediction, "--group", "g")
    assert done.exit_code == 2, done.output
    assert words in done.output
    as_values = ("--label", "stars", "--prediction", "guess", "--group", "g", "--task", "regression")
    assert invoke("audit", tmp_path / "p.csv", *as_values).exit_code == 0


def test_audit_refuses_a_prediction_twice(tmp_path: pathlib.Path) -> None:
    """The message names the option, not an argument of Python."""
    pd.DataFrame({"y": [0.5, 1.5], "p": [0.5, 1.5], "g": ["a", "b"]}).to_csv(tmp_path / "p.csv", index=False)
    done = invoke("audit", tmp_path / "p.csv", "--label", "y", "--prediction", "p", "--prediction", "p", "--group", "g")
    assert done.exit_code == 2
    assert "--prediction must name each column once" in done.output


def test_training_says_its_task_and_needs_no_batch_size_for_few_rows(tmp_path: pathlib.Path) -> None:
    """What the label was taken for is printed; the usual batch is as large as the rows allow."""
    make_frame(120).to_csv(tmp_path / "few.csv", index=False)
    start = ("train", "--data", tmp_path / "few.csv", "--group", "sex", "--epochs", 1)
    done = invoke(*start, "--label", "income", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "regression of income" in done.output
    assert "is no better than predicting the mean" in done.output or "are no better than predicting" in done.output
