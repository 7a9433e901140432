"""JSON by its schema, CSV that no spreadsheet runs, model cards, explanations and fronts."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pandas as pd
import pytest

from mxfair._validation import InputError, InputTypeError
from mxfair.report import FairnessReport, evaluate, evaluate_predictions, plots
from mxfair.report._json import schema

DECOMPOSITION = {
    "schema": "mxfair.gap_decomposition/1",
    "output": "score",
    "method": "gradients",
    "attribute": "sex",
    "parts": [
        {
            "group": "m",
            "against": "f",
            "condition": "all",
            "gap": 0.2,
            "gap_error": 0.01,
            "rows": [
                {"column": "age", "contribution": 0.15, "standard_error": 0.01, "low": 0.13, "high": 0.17},
                {"column": "=job", "contribution": 0.05, "standard_error": 0.01, "low": 0.03, "high": 0.07},
                {"column": "(remainder)", "contribution": 0.0, "standard_error": None, "low": None, "high": None},
                {"column": "(gap)", "contribution": 0.2, "standard_error": 0.01, "low": 0.18, "high": 0.22},
            ],
        }
    ],
}


@pytest.fixture(scope="module")
def full():
    """Return a report with everything: two models, scores, a control, crossings, explanations, a front."""
    random = np.random.default_rng(0)
    labels, scores = random.integers(0, 2, 400), random.uniform(size=400)
    frame = pd.DataFrame(
        {"sex": random.choice(["f", "m"], 400), "age": random.choice(["old", None], 400, p=[0.9, 0.1])}
    )
    level = random.choice(["x", "y"], 400)
    reports = [
        evaluate_predictions(labels, (scores > cut).astype(int), frame, scores=scores, name=name, control=level)
        for name, cut in (("a", 0.5), ("b", 0.6))
    ]
    importance = pd.DataFrame({"importance": [0.1, 0.3]}, index=pd.Index(["age", "job"], name="column"))
    return FairnessReport(
        [r.baseline for r in reports],
        explanations=[DECOMPOSITION, importance],
        front=pd.DataFrame({"gap": [0.1, 0.2], "accuracy": [0.5, 0.6]}),
        min_support=5,
    )


@pytest.mark.parametrize("name", ["full", "hostile", "undefined", "regression", "classes"])
def test_json_follows_its_schema(name, request, full, undefined):
    """Every kind of report is valid by the schema that is shipped."""
    jsonschema = pytest.importorskip("jsonschema")
    random = np.random.default_rng(1)
    made = {
        "full": lambda: full,
        "hostile": lambda: request.getfixturevalue("hostile"),
        "undefined": lambda: undefined,
        "regression": lambda: evaluate_predictions(
            random.normal(size=90), random.normal(size=90), ["a", "b", "c"] * 30
        ),
        "classes": lambda: evaluate_predictions([0, 1, 2] * 10, [0, 1, 1] * 10, ["a", "b"] * 15),
    }[name]()
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(json.loads(made.to_json()), schema())


def test_the_schema_refuses_another_version(full):
    """A reader sees by the schema that a file is of another version."""
    jsonschema = pytest.importorskip("jsonschema")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**full.to_dict(), "schema": "mxfair.report/1"}, schema())


def test_csv_holds_every_rate_and_gap(full):
    """Read back, values and intervals are those of the report."""
    frame = pd.read_csv(io.StringIO(full.to_csv()), keep_default_na=False, na_values=[""], float_precision="round_trip")
    row = frame[(frame["model"] == "b") & (frame["figure"] == "accuracy") & (frame["kind"] == "overall")].iloc[0]
    assert row["value"] == full.evaluations[1].accuracy
    assert (row["low"], row["high"]) == pytest.approx(full.certainties[1].rates["accuracy", 0])
    gap = frame[(frame["model"] == "a") & (frame["kind"] == "gap") & (frame["figure"] == "equalized_odds")].iloc[0]
    assert gap["value"] == full.gaps.loc["equalized_odds", "a"]
    assert gap["high"] == full.gaps.loc["equalized_odds", "interval_high[a]"]


@pytest.mark.parametrize("name", ["=cmd()", "+1", "-1+2", "@SUM(A1)", "\t=1", "  =1", "\uff1d1+1", "\r=1"])
def test_no_cell_of_the_csv_is_a_formula(name):
    """Text that a spreadsheet would run gets an apostrophe before it, in names of models and groups."""
    report = evaluate_predictions([0, 1, 0, 1], [0, 1, 1, 1], [name, name, "b", "b"], name=name)
    rows = list(csv.reader(io.StringIO(report.to_csv(), newline="")))
    cells = [cell for row in rows for cell in row if cell and not cell.replace(".", "").replace("e-", "").isdigit()]
    assert any(cell.startswith("'") for cell in cells)
    assert not any(cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\uff1d")) for cell in cells)


def test_a_card_has_the_sections_of_the_paper_and_invents_nothing(full):
    """Sections come in the paper's order; what nobody stated is marked, what was stated stands word for word."""
    card = full.model_card(
        intended_use="Help a *person* decide.", limits=["Not for others."], data={"source": "survey"}
    )
    titles = [part.title for part in card.parts if part.level == 2]
    assert titles == [
        "Model details",
        "Intended use",
        "Factors",
        "Metrics",
        "Evaluation data",
        "Training data",
        "Quantitative analyses",
        "Ethical considerations",
        "Caveats and recommendations",
    ]
    text = card.to_markdown()
    assert "Help a \\*person\\* decide." in text
    assert "- Not for others." in text
    assert "- source: survey" in text
    stated = {part.title: part.texts for part in card.parts}
    assert stated["Training data"] == stated["Ethical considerations"] == stated["Mitigation used"] == ("Not stated.",)
    low = full.gaps.loc["equalized_odds", "interval_low[b]"]
    assert f"({low:.3f} to " in text


def test_a_card_is_a_page_and_a_file(full, tmp_path):
    """A card is saved as Markdown or as a page whose texts are text."""
    card = full.model_card(intended_use="<script>alert(1)</script>")
    page = card.save(tmp_path / "card.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "&lt;script" in card.save(tmp_path / "card.md").read_text(encoding="utf-8")
    with pytest.raises(InputError, match=r"must end in \.md, \.html"):
        card.save(tmp_path / "card.pdf")


def test_a_card_refuses_what_is_no_text(full):
    """Something that is no text, list or mapping is an error."""
    with pytest.raises(InputTypeError, match="'data' must be text"):
        full.model_card(data=3)


def test_explanations_stand_on_the_page_and_in_the_json(full):
    """The gap's parts are shown largest first, the whole gap in the title only; importances have a panel too."""
    page, state = full.to_html(), full.to_dict()
    assert "m minus f, gap (score) 0.200: most comes from age (+0.150) and =job (+0.050)." in page
    rows = state["explanations"][0]["parts"][0]["rows"]
    assert [row["column"] for row in rows] == ["age", "=job", "(remainder)"]
    assert state["explanations"][1]["parts"][0]["rows"][0]["column"] == "job"
    figure = plots.plot_decomposition(full.explanations[0])
    assert any("age" in text.get_text() for text in figure.axes[0].texts)


def test_what_is_no_explanation_is_refused(full):
    """A frame without importances and anything else are errors."""
    with pytest.raises(InputTypeError, match="'explanations' must hold"):
        FairnessReport(full.baseline, explanations=[3])
    with pytest.raises(InputError, match="a column 'importance'"):
        FairnessReport(full.baseline, explanations=[pd.DataFrame({"x": [1]})])
    with pytest.raises(InputError, match="'front' must have the columns"):
        FairnessReport(full.baseline, front=[{"gap": 1}])


def test_the_page_answers_its_questions_in_order(full):
    """Is there a gap, how sure, who, what drives it, what changed, what is not known."""
    page = full.to_html()
    order = ["gap", "sure", "affected", "drivers", "changed", "unknown"]
    places = [page.index(f'<h2 id="mxfair-{name}">') for name in order]
    assert places == sorted(places)


def test_the_page_says_what_was_not_measured(plain):
    """Without explanations, a baseline or several attributes the page says so instead of leaving it out."""
    page = plain.to_html()
    assert "Not measured: no explanation was given" in page
    assert "no baseline beside it" in page
    assert "One attribute was given" in page


def test_plots_of_scores_are_those_of_the_states(full):
    """ROC curves end at (1, 1) and have the AUC in their label; calibration shows bins that hold samples."""
    evaluation = full.baseline
    axes = plots.plot_roc(full, models=["a"]).axes[0]
    curves = [line for line in axes.lines if len(line.get_xdata()) > 2]
    assert len(curves) == int((evaluation.table.support > 0).sum())
    for line, auc in zip(curves, evaluation.auc_by_group):
        x, y = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
        assert (x[-1], y[-1]) == (1, 1)
        assert np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2) == pytest.approx(auc, abs=0.01)
    assert plots.plot_calibration(full).axes[0].lines
    assert len(plots.plot_scores(full).axes) == 2


def test_plots_of_gaps_show_values_and_intervals(full):
    """The dot of a gap stands at its value, its bar from end to end; changes against the baseline likewise."""
    gap = full.gaps.loc["equal_opportunity"]
    axes = plots.plot_gap_intervals(full, criteria=["equal_opportunity"]).axes[0]
    drawn = [float(x) for line in axes.lines for x in np.ravel(line.get_xdata())]
    for value in (gap["a"], gap["interval_low[b]"], gap["interval_high[b]"]):
        assert any(x == pytest.approx(value) for x in drawn)
    axes = plots.plot_changes(full, criteria=["equal_opportunity"]).axes[0]
    assert any(x == pytest.approx(gap["change"]) for line in axes.lines for x in np.ravel(line.get_xdata()))
    assert len(plots.plot_front(full).axes[0].lines) >= 3


def test_plots_refuse_reports_that_lack_what_they_show(plain, fair):
    """No scores, no second model, another task: an error that says so."""
    with pytest.raises(InputError, match="must have scores"):
        plots.plot_roc(fair)
    with pytest.raises(InputError, match="two models or more"):
        plots.plot_changes(plain)
    numbers = evaluate_predictions([1.0, 2.0], [1.0, 2.0], ["a", "b"], task="regression")
    with pytest.raises(InputError, match="different units"):
        plots.plot_gap_intervals(numbers)


def test_what_explain_returns_is_taken_as_it_is():
    """A gap decomposition and permutation importances stand on the page without any conversion."""
    from sklearn.linear_model import LogisticRegression

    from mxfair.explain import gap_decomposition, permutation_importance

    random = np.random.default_rng(0)
    groups = random.choice(["f", "m"], 300)
    X = pd.DataFrame({"pay": random.normal(size=300) + (groups == "m"), "noise": random.normal(size=300)})
    y = (X["pay"] + random.normal(size=300) > 0.5).astype(int)
    model = LogisticRegression().fit(X.to_numpy(), y)
    columns = {"feature_names": list(X)}
    gap = gap_decomposition(model, X.to_numpy(), groups, **columns)
    importance = permutation_importance(model, X.to_numpy(), y, n_repeats=2, n_bootstrap=20, seed=0, **columns)
    report = evaluate(model, X.to_numpy(), y, groups=groups, explanations=[gap, importance])
    first, second = report.explanations
    frame = gap.parts[0].to_frame()
    rows = {row["column"]: row["contribution"] for row in first["parts"][0]["rows"]}
    assert rows["pay"] == pytest.approx(frame.loc["pay", "contribution"])
    assert [row["column"] for row in second["parts"][0]["rows"]] == ["pay", "noise"]
    assert "most comes from pay" in report.to_html()
