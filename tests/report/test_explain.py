"""`mxfair.report.explain` puts together what `mxfair.explain` measures, and says it plainly."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
from mxnet import autograd, gluon, init, nd
from sklearn.linear_model import LogisticRegression

import mxfair
from mxfair import report
from mxfair._validation import InputError
from mxfair.explain import GradientMonitor, gap_decomposition


def people(n=400, seed=0):
    """Return rows of which the first column tells the group, labels that follow it, and groups."""
    rng = np.random.default_rng(seed)
    groups = rng.choice(["f", "m"], n)
    X = np.column_stack([rng.normal(size=n) + 2 * (groups == "m"), rng.normal(size=n)])
    labels = (X.sum(axis=1) + rng.normal(size=n) > 1).astype(int)
    return X.astype("float32"), labels, groups


@pytest.fixture(scope="module")
def found():
    """Explain two linear functions, of which the second one uses the second column alone."""
    X, labels, groups = people()
    models = {"plain": lambda X: X.sum(axis=1) - 1, "blind": lambda X: X[:, 1]}
    return report.explain(models, X, labels, groups, returns="logit", feature_names=["skill", "luck"], top=2)


def test_contributions_are_weights_times_differences_of_means(found):
    """For a linear model a column's part of the gap is its weight times the difference of the groups' means."""
    X, _, groups = people()
    table = found.gaps["plain"].part.to_frame()
    difference = X[groups == "m"].mean(axis=0) - X[groups == "f"].mean(axis=0)
    np.testing.assert_allclose(table.loc[["skill", "luck"], "contribution"], difference, rtol=1e-4)
    assert found.comparisons[0].to_frame().set_index("column").loc["skill", "blind"] == pytest.approx(0, abs=1e-6)


def test_sentences_name_what_makes_the_gap_and_what_changed(found):
    """The first sentence names the leading column; a finding says how much the other model moved it."""
    start = r"plain: skill makes (\d+%|more than all) of the gap of \d\.\d+ in the output, m minus f\."
    assert re.match(start, found.sentence)
    change = next(text for text in found.findings if text.startswith("With blind instead of plain"))
    assert re.search(r"Most moved skill \(\+\d\.\d+ to 0\.000\)", change)
    assert any(re.search(r"its proxies: skill \(AUC 0\.[89]", text) for text in found.findings)


def test_a_gap_within_its_error_is_called_chance():
    """Groups that were drawn have no gap; the sentence does not name columns that make it."""
    X, labels, _ = people()
    groups = np.random.default_rng(8).choice(["f", "m"], len(X))
    sentence = report.explain(lambda X: X[:, 1], X, labels, groups, returns="logit").sentence
    assert sentence.endswith("may be chance.")


def test_the_json_has_all_figures_and_no_nan(found):
    """to_json is strict JSON with a schema; undefined numbers are null."""
    state = json.loads(found.to_json(), parse_constant=lambda text: pytest.fail(text))
    assert state["schema"] == "mxfair.explanation/1"
    assert [model["name"] for model in state["models"]] == ["plain", "blind"]
    assert state["rows"] == 400
    assert {row["column"] for row in state["proxies"]} == {"skill", "luck"}


def test_tables_agree_with_the_objects(found):
    """A row of the table of importances is that of the object, for each model."""
    table = found.tables["importance"].set_index(["model", "metric", "column"])["importance"]
    for name, importance in found.importances.items():
        assert table[name, "accuracy", "skill"] == importance["accuracy"].loc["skill", "importance"]
    assert set(found.tables["dependence"]["column"]) == {"skill", "luck"}


def test_save_writes_a_page_a_json_or_a_folder(found, tmp_path):
    """The suffix says which; a folder gets page, JSON and tables, another suffix is refused."""
    assert json.loads(found.save(tmp_path / "why.json").read_text(encoding="utf-8")) == found.to_dict()
    folder = found.save(tmp_path / "why")
    assert {f"{name}.csv" for name in found.tables} < {path.name for path in folder.iterdir()}
    assert (folder / "explain.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert len(pd.read_csv(folder / "gap.csv")) == len(found.tables["gap"])
    with pytest.raises(InputError, match="must end in"):
        found.save(tmp_path / "why.pdf")
    with pytest.raises(InputError, match="must lie in an existing folder"):
        found.save(tmp_path / "absent" / "why")


def test_names_on_the_page_are_text():
    """Groups, columns, models and the title cannot bring markup onto the page."""
    X, labels, groups = people()
    hostile = '<img src=x onerror=alert(1)>" $x$ \u202e'
    found = report.explain(
        {hostile: lambda X: X[:, 0], "b": lambda X: X[:, 1]}, X, labels, np.where(groups == "f", hostile, "m"),
        returns="logit", feature_names=[hostile, "luck"], title=hostile, context={hostile: hostile},
    )  # fmt: skip
    page = found.to_html()
    assert "<img" not in page
    assert "&lt;img" in page


def test_a_net_an_estimator_and_a_function_give_the_same_gap():
    """The same linear model as a net, as a scikit-learn estimator and as a function."""
    X, labels, groups = people()
    estimator = LogisticRegression().fit(X, labels)
    net = gluon.nn.Dense(1, in_units=2)
    net.initialize(init.Zero())
    net.weight.set_data(nd.array(estimator.coef_))
    net.bias.set_data(nd.array(estimator.intercept_))
    logit = estimator.decision_function
    gaps = [
        report.explain(model, X, labels, groups, background=X[:50], scale=scale, returns=returns).gaps["model"].part
        for model, scale, returns in ((net, "logit", None), (estimator, "logit", None), (logit, None, "logit"))
    ]
    for part in gaps[1:]:
        np.testing.assert_allclose(part.values[:2], gaps[0].values[:2], rtol=1e-3)
        assert part.rates == gaps[0].rates


def test_a_criterion_adds_the_gaps_among_people_of_one_label(found):
    """equalized_odds gives a part for each label, the same as gap_decomposition's, and its own importance."""
    X, labels, groups = people()
    model = LogisticRegression().fit(X, labels)
    one = report.explain(model, X, labels, groups, background=X[:50], scale="logit", criterion="equalized_odds").models[
        0
    ]
    own = gap_decomposition(
        model, X, groups, X[:50], labels=labels, criterion="equalized_odds", scale="logit", pair=("m", "f"), seed=0
    )
    assert [part.condition for part in one.conditional.parts] == ["label 1", "label 0"]
    for part, expected in zip(one.conditional.parts, own.parts):
        assert part.gap == pytest.approx(expected.gap)
    assert one.importance.metrics == ["accuracy", "demographic_parity", "equalized_odds"]
    assert found.models[0].conditional is None


def test_what_cannot_be_measured_is_a_note():
    """Groups too small for proxies leave the rest of the report as it is, and a note says so."""
    X, labels, _ = people(60)
    groups = np.array(["f"] * 4 + ["m"] * 56)
    found = report.explain(lambda X: X[:, 0], X, labels, groups, returns="logit")
    assert found.proxies is None
    assert any(note.startswith("Proxies were not judged") for note in found.notes)


def test_input_is_checked_before_anything_is_measured():
    """Several classes need a positive one, a regression has none, lengths agree."""
    X, labels, groups = people(90)
    with pytest.raises(InputError, match="'positive' must say which class"):
        report.explain(lambda X: X, X, np.arange(90) % 3, groups, returns="logit")
    with pytest.raises(InputError, match="'positive' is for classes"):
        report.explain(lambda X: X[:, 0], X, labels + 0.5, groups, task="regression", positive=1)
    with pytest.raises(InputError, match="same length"):
        report.explain(lambda X: X[:, 0], X, labels[1:], groups, returns="logit")
    with pytest.raises(InputError, match="one model or more"):
        report.explain({}, X, labels, groups)


def test_a_report_on_rates_names_the_models_of_its_explanations(found):
    """A mapping of decompositions says whose they are, in the sentences and over the figures."""
    _, labels, groups = people()
    X = people()[0]
    plain = report.evaluate_predictions(labels, (X.sum(axis=1) > 1).astype(int), groups, explanations=found.gaps)
    assert [shown["model"] for shown in plain.explanations] == ["plain", "blind"]
    page = plain.to_html()
    assert "plain: m minus f" in page
    assert "blind: m minus f" in page


def test_a_report_says_what_a_monitor_of_gradients_found():
    """In the context stands each sentence of its findings, or that there was nothing."""
    X, labels, groups = people(64)
    net = gluon.nn.Dense(1)
    net.initialize(init.Xavier())
    monitor = GradientMonitor(X, labels.astype("float32"), groups)
    loader = mxfair.data.DataLoader(gluon.data.ArrayDataset(X, labels.astype("float32")), 32, shuffle=True, seed=0)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    loss = gluon.loss.SigmoidBinaryCrossEntropyLoss()
    mxfair.training.fit(net, loader, loss, trainer, 1, callbacks=[monitor], progress=False)
    with autograd.pause():
        decided = (net(nd.array(X)).asnumpy()[:, 0] > 0).astype(int)
    context = report.evaluate_predictions(labels, decided, groups, context={"gradients": monitor}).context
    expected = " ".join(monitor.findings()["sentence"])
    assert context["gradients"] == (expected or "nothing: no gradient vanished or exploded, no group pulled apart")
