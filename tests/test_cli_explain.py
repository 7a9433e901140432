"""`mxfair explain` says what drives the gap of a folder's nets, about the rows that were tested."""

from __future__ import annotations

import json
import pathlib
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from mxfair.cli import main

HOSTILE = "<script>alert(1)</script>"


def invoke(*arguments: object) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


def make_frame(n: int = 500, seed: int = 0) -> pd.DataFrame:
    """Return a table in which the outcome differs by group because of `skill`, and `job` is noise."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["f", "m"], n)
    skill = rng.normal(size=n) + 1.5 * (sex == "m")
    return pd.DataFrame(
        {
            "skill": skill.round(3),
            "job": rng.choice(["baker", "smith", HOSTILE], n),
            "sex": np.where(sex == "f", "=f()", sex),
            "hired": (skill + 0.5 * rng.normal(size=n) > 0.8).astype(int),
            "level": rng.choice(["low", "mid", "high"], n),
            "pay": (2000 + 300 * skill + 50 * rng.normal(size=n)).round(2),
        }
    )


def train(folder: pathlib.Path, label: str, *more: object) -> pathlib.Path:
    """Train on people.csv in a folder; return the folder that was written."""
    others = {"hired", "level", "pay"} - {label}
    done = invoke(
        "train", "--data", folder / "people.csv", "--label", label, "--group", "sex", "--epochs", 5, "--batch-size", 32,
        "--learning-rate", 0.02, *(x for name in sorted(others) for x in ("--exclude", name)), "--exclude", "sex",
        *more, "--out", folder / label,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return folder / label


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Train a classification and explain it."""
    where = tmp_path_factory.mktemp("explain")
    make_frame().to_csv(where / "people.csv", index=False)
    train(where, "hired")
    done = invoke("explain", where / "hired", "--top", 2)
    assert done.exit_code == 0, done.output
    (where / "printed.txt").write_text(done.output, encoding="utf-8")
    return where


@pytest.fixture(scope="module")
def found(folder: pathlib.Path) -> dict:
    """Return explain.json."""
    return json.loads((folder / "hired" / "explain" / "explain.json").read_text(encoding="utf-8"))


def test_explain_writes_the_page_the_json_and_all_tables(folder: pathlib.Path) -> None:
    """The folder `explain` holds one page, one JSON file and a table for each kind of figure."""
    written = {path.name for path in (folder / "hired" / "explain").iterdir()}
    assert written == {
        "explain.html", "explain.json", "gap.csv", "gap_change.csv", "gap_by_label.csv", "gap_from_other_group.csv",
        "importance.csv", "dependence.csv", "contributions_by_group.csv", "proxies.csv",
    }  # fmt: skip


def test_the_gap_is_that_of_the_recorded_test_rows(folder: pathlib.Path, found: dict) -> None:
    """The decomposed gap of the logit and of the decisions is what predictions.csv gives for both nets."""
    table = pd.read_csv(folder / "hired" / "predictions.csv")
    for place, model in enumerate(("plain", "fairbatch")):
        (part,) = found["models"][place]["gap"]["parts"]
        score = table[f"{model}_score"].clip(1e-12, 1 - 1e-12)
        logit = np.log(score / (1 - score)).groupby(table["group"]).mean()
        assert part["gap"] == pytest.approx(logit[part["group"]] - logit[part["against"]], abs=1e-4)
        rate = table.groupby("group")[f"{model}_prediction"].mean()
        assert part["rate_gap"] == pytest.approx(rate[part["group"]] - rate[part["against"]])
        assert part["counts"] == [(table["group"] == part[side]).sum() for side in ("group", "against")]


def test_contributions_of_a_logistic_net_are_its_weights(folder: pathlib.Path, found: dict) -> None:
    """`skill` contributes its weight times the difference of the groups' means, to the plain net's gap."""
    from mxfair import _model_dir

    net, encoder, _, _ = _model_dir.load_model(folder / "hired", "plain")
    weight = next(iter(net.collect_params(".*weight").values())).data().asnumpy()[0]
    table = pd.read_csv(folder / "hired" / "predictions.csv")
    people = pd.read_csv(folder / "people.csv").iloc[table["row"]]
    (part,) = found["models"][0]["gap"]["parts"]
    X = encoder.transform(people)
    place = list(encoder.get_feature_names_out()).index("skill")
    means = [X[(people["sex"] == part[side]).to_numpy(), place].mean() for side in ("group", "against")]
    row = next(row for row in part["rows"] if row["column"] == "skill")
    assert row["contribution"] == pytest.approx(weight[place] * (means[0] - means[1]), rel=1e-3)


def test_the_leading_column_is_named_in_the_terminal(folder: pathlib.Path) -> None:
    """The first sentence names the column that makes the gap, and the proxies are named."""
    text = " ".join((folder / "printed.txt").read_text(encoding="utf-8").split())
    assert re.search(r"plain: skill makes (\d+%|more than all) of the gap", text)
    assert "its proxies: skill (AUC" in text


def test_the_page_shows_hostile_names_as_text_and_asks_for_nothing(folder: pathlib.Path) -> None:
    """No script, no address of anything outside, and no level's name as markup."""
    page = (folder / "hired" / "explain" / "explain.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert HOSTILE.replace("<", "&lt;").replace(">", "&gt;") in page
    assert not re.search(r"(src|href)=\"(?!#)|url\((?!#)|@import", page)


def test_a_name_in_the_tables_is_no_formula(folder: pathlib.Path) -> None:
    """A group called =f() begins with an apostrophe in the CSV files, and as it is in the JSON."""
    table = pd.read_csv(folder / "hired" / "explain" / "gap.csv")
    assert set(table["against"]) == {"'=f()"}
    text = (folder / "hired" / "explain" / "gap.csv").read_text(encoding="utf-8")
    assert not re.search(r"(^|,)\"?=", text, flags=re.M)


def test_the_report_of_the_training_says_what_drives_the_gap(folder: pathlib.Path) -> None:
    """metrics.json has the decomposed gap of each net, and the page names the column."""
    metrics = json.loads((folder / "hired" / "metrics.json").read_text(encoding="utf-8"))
    assert [found["model"] for found in metrics["explanations"]] == ["plain", "FairBatch"]
    rows = metrics["explanations"][0]["parts"][0]["rows"]
    assert max(rows, key=lambda row: row["contribution"])["column"] == "skill"
    page = (folder / "hired" / "report.html").read_text(encoding="utf-8")
    assert "plain: m minus =f(), gap (logit of hired = 1)" in page


def test_an_earlier_explanation_is_kept_unless_asked(folder: pathlib.Path) -> None:
    """A second run needs --overwrite; with it, training may replace the folder with the explanation in it."""
    done = invoke("explain", folder / "hired")
    assert done.exit_code == 2
    assert "--overwrite" in done.output


def test_one_file_and_one_model_can_be_chosen(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """--out FILE.json writes that file alone; --model leaves the other net out."""
    done = invoke("explain", folder / "hired", "--model", "fairbatch", "--rows", 60, "--out", tmp_path / "why.json")
    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "why.json").read_text(encoding="utf-8"))
    assert [model["name"] for model in result["models"]] == ["FairBatch"]
    assert result["rows"] == 60
    assert [path.name for path in tmp_path.iterdir()] == ["why.json"]


def test_other_data_are_explained_with_all_their_rows(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """--data FILE with other labels explains each row of that file."""
    make_frame(90, seed=5).to_csv(tmp_path / "new.csv", index=False)
    done = invoke("explain", folder / "hired", "--data", tmp_path / "new.csv", "--out", tmp_path / "why.json")
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "why.json").read_text(encoding="utf-8"))["rows"] == 90


def test_data_that_changed_since_the_training_are_refused(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """A file whose labels are no longer those of predictions.csv is not explained unless it is named."""
    shutil.copytree(folder / "hired", tmp_path / "hired")
    make_frame(500, seed=3).to_csv(tmp_path / "people.csv", index=False)
    done = invoke("explain", tmp_path / "hired", "--out", tmp_path / "why")
    assert done.exit_code == 2
    assert "must be as it was in the training" in done.output
    (tmp_path / "people.csv").unlink()
    assert "is gone" in invoke("explain", tmp_path / "hired", "--out", tmp_path / "why").output
    assert not (tmp_path / "why").exists()


def test_a_folder_of_an_older_version_asks_for_the_data(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """Without the source of the data an error asks for --data; with it, the test rows are found again."""
    shutil.copytree(folder / "hired", tmp_path / "hired")
    state = json.loads((tmp_path / "hired" / "model.json").read_text(encoding="utf-8"))
    del state["source"]
    state["schema"] = "mxfair.model/1"
    (tmp_path / "hired" / "model.json").write_text(json.dumps(state), encoding="utf-8")
    done = invoke("explain", tmp_path / "hired", "--out", tmp_path / "why.json")
    assert done.exit_code == 2
    assert "with --data" in done.output
    data = folder / "people.csv"
    done = invoke("explain", tmp_path / "hired", "--data", data, "--out", tmp_path / "why.json")
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "why.json").read_text(encoding="utf-8"))["rows"] == 150


def test_several_classes_need_one_that_is_explained(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """--output names the class; its selection rates are those of predictions.csv."""
    result = train(folder, "level")
    done = invoke("explain", result)
    assert done.exit_code == 2
    assert "--output must say which class is explained; the classes are high, low, mid" in " ".join(done.output.split())
    done = invoke("explain", result, "--output", "mid", "--out", tmp_path / "why.json")
    assert done.exit_code == 0, done.output
    (part,) = json.loads((tmp_path / "why.json").read_text(encoding="utf-8"))["models"][0]["gap"]["parts"]
    table = pd.read_csv(result / "predictions.csv")
    rate = (table["plain_prediction"] == "mid").groupby(table["group"]).mean()
    assert part["rate_gap"] == pytest.approx(rate[part["group"]] - rate[part["against"]])


def test_a_barycenter_is_the_net_and_what_it_adds(folder: pathlib.Path) -> None:
    """Its column carries the whole change of the gap, which is that of predictions.csv in the label's unit."""
    result = train(folder, "pay", "--postprocess", "barycenter")
    done = invoke("explain", result)
    assert done.exit_code == 0, done.output
    models = json.loads((result / "explain" / "explain.json").read_text(encoding="utf-8"))["models"]
    table = pd.read_csv(result / "predictions.csv")
    gaps = {}
    for name, model in zip(("plain", "fairbatch", "barycenter"), models):
        (part,) = model["gap"]["parts"]
        mean = table.groupby("group")[f"{name}_prediction"].mean()
        gaps[name] = mean[part["group"]] - mean[part["against"]]
        assert part["gap"] == pytest.approx(gaps[name], rel=1e-3, abs=0.5)
    rows = {row["column"]: row["contribution"] for row in models[2]["gap"]["parts"][0]["rows"]}
    assert rows["barycenter"] == pytest.approx(gaps["barycenter"] - gaps["plain"], abs=0.5)
    changes = pd.read_csv(result / "explain" / "gap_change.csv")
    moved = changes[(changes["model"] == "barycenter") & (changes["column"] == "skill")]["difference"]
    assert moved.abs().max() < 1e-6


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--model", "best"], "'--model' must be one of plain, fairbatch"),
        (["--method", "magic"], "'--method' must be one of"),
        (["--scale", "odds"], "'--scale' must be one of"),
        (["--output", "0"], "--output must be the positive class, '1', of two"),
        (["--out", "why.txt"], "--out must be a folder, or a file .html or .json"),
        (["--data", "nothing.csv"], "there is none at this path"),
    ],
)
def test_wrong_options_are_one_sentence(folder: pathlib.Path, arguments: list[str], sentence: str) -> None:
    """What cannot be meant ends with exit code 2 before anything is measured."""
    done = invoke("explain", folder / "hired", "--overwrite", *arguments)
    assert done.exit_code == 2
    assert sentence in " ".join(done.output.split())
    assert len(done.output.strip().splitlines()) == 1


def test_data_without_a_column_of_the_training_are_refused(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """The missing column is named."""
    make_frame(50).drop(columns="skill").to_csv(tmp_path / "new.csv", index=False)
    done = invoke("explain", folder / "hired", "--data", tmp_path / "new.csv", "--out", tmp_path / "why.json")
    assert done.exit_code == 2
    assert "it lacks skill" in done.output
