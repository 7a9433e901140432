"""The report on numbers: figures by group, distances beside chance, and the same forms as for decisions."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics

from mxfair.metric import confidence_intervals, ks_distance, wasserstein_distance
from mxfair.report import Evaluation, FairnessReport, RegressionEvaluation, evaluate_predictions, plots
from mxfair.report._text import to_text


@pytest.fixture(scope="module")
def data():
    """Two groups of 150 and 100, whose labels and predictions differ."""
    rng = np.random.default_rng(0)
    groups = np.array(["a"] * 150 + ["b"] * 100)
    labels = 1000 + 300 * rng.normal(size=250) + 200 * (groups == "b")
    preds = labels + rng.normal(0, 100, 250) + 30 * (groups == "b")
    return labels, preds, groups


@pytest.fixture(scope="module")
def both(data):
    """Two models."""
    labels, preds, groups = data
    plain = evaluate_predictions(labels, preds, groups, name="plain")
    shifted = preds - np.where(groups == "b", 200, 0)
    return plain.beside(evaluate_predictions(labels, shifted, groups, name="shifted"))


def test_figures_by_group_are_those_of_scikit_learn(data, both):
    """RMSE, MAE, R2, bias and means agree with scikit-learn and NumPy in each group and overall."""
    labels, preds, groups = data
    for name, rows in (("overall", groups != ""), ("a", groups == "a"), ("b", groups == "b")):
        y, p = labels[rows], preds[rows]
        row = both.rates.loc[("plain", name)]
        assert row["root_mean_squared_error"] == pytest.approx(metrics.mean_squared_error(y, p) ** 0.5)
        assert row["mean_absolute_error"] == pytest.approx(metrics.mean_absolute_error(y, p))
        assert row["r2_score"] == pytest.approx(metrics.r2_score(y, p))
        assert row["mean_error"] == pytest.approx((p - y).mean())
        assert row["support"] == rows.sum()


def test_distances_are_those_of_scipy_and_stand_beside_chance(data, both):
    """KS and W1 agree with scipy, and the floor of KS is that of two samples of one distribution."""
    _, preds, groups = data
    a, b = preds[groups == "a"], preds[groups == "b"]
    gaps = both.gaps
    assert gaps.loc["ks_distance", "plain"] == pytest.approx(stats.ks_2samp(a, b).statistic)
    assert gaps.loc["wasserstein_distance", "plain"] == pytest.approx(stats.wasserstein_distance(a, b))
    floor = np.sqrt(np.pi / 2) * np.log(2) * np.sqrt(1 / 150 + 1 / 100)
    assert gaps.loc["ks_distance", "noise_floor[plain]"] == pytest.approx(floor)
    assert np.isnan(gaps.loc["ks_distance", "interval_low[plain]"])


def test_differences_have_the_intervals_of_the_metrics(data, both):
    """A gap's interval is that of `confidence_intervals`, and has no noise floor."""
    labels, preds, groups = data
    names = list(both.rates.columns[1:])
    table = confidence_intervals(labels, preds, groups, metrics=names, task="regression", seed=0)
    row = table.loc[("root_mean_squared_error", "difference", "")]
    found = both.gaps.loc["root_mean_squared_error"]
    assert found[["interval_low[plain]", "interval_high[plain]"]].tolist() == pytest.approx([row["low"], row["high"]])
    assert found["plain"] == pytest.approx(row["value"])
    assert np.isnan(found["noise_floor[plain]"])


def test_the_sentence_names_what_was_asked_for(both):
    """The first sentence has the chosen gap, chance beside a distance, and the error."""
    assert "KS distance of the predictions" in both.sentence
    assert "chance alone gives" in both.sentence
    assert "RMSE went from" in both.sentence
    errors = FairnessReport(both.evaluations, criterion="bounded_group_loss")
    assert errors.sentence.startswith("With shifted the largest RMSE among groups rose from")
    worst = both.rates["root_mean_squared_error"]["plain"][["a", "b"]].max()
    assert errors.gaps.loc["bounded_group_loss", "plain"] == worst
    assert errors.gaps.loc["bounded_group_loss", "high[plain]"] == "b"
    single = FairnessReport(both.evaluations[0], criterion="mean_prediction")
    assert "95 % interval" in single.sentence


def test_numbers_are_shown_in_the_unit_of_the_labels(data):
    """Three digits of the labels' spread, whatever their size."""
    labels, preds, groups = data
    for scale, digits in ((1, 0), (0.001, 3), (1000, 0)):
        evaluation = RegressionEvaluation("m", labels * scale, preds * scale, groups)
        assert evaluation.digits("root_mean_squared_error") == digits
        assert evaluation.digits("r2_score") == 3
    text = str(FairnessReport(RegressionEvaluation("m", labels * 1000, preds * 1000, groups)))
    assert f"{labels.mean() * 1000:,.0f}" in text


def test_every_form_has_the_figures(both):
    """Text, Markdown, page and JSON show the worst group's RMSE; the JSON has floors and intervals."""
    worst = f"{both.rates['root_mean_squared_error'].loc['plain', 'b']:.0f}"
    for text in (str(both), both.to_markdown(), both.to_html()):
        assert worst in text
        assert "nan" not in text.lower().replace("mxfair", "")
    state = json.loads(both.to_json())
    assert state["task"] == "regression"
    rows = {row["criterion"]: row["models"][0] for row in state["gaps"]}
    assert rows["ks_distance"]["noise_floor"] > 0
    assert len(rows["r2_score"]["interval"]) == 2
    assert both.to_html() == both.to_html()


def test_the_plots_show_distributions_residuals_and_chance(both, data):
    """A line ends at 1, the bar is as long as the KS distance, and the grey one as chance."""
    figure = plots.plot_predictions(both)
    assert len(figure.axes) == 2
    axes = figure.axes[0]
    lines = [line for line in axes.lines if line.get_label() in ("a", "b")]
    assert all(line.get_ydata()[-1] == 1 for line in lines)
    (bar,) = axes.collections
    ((_, low), (_, high)) = bar.get_segments()[0]
    assert high - low == pytest.approx(both.gaps.loc["ks_distance", "plain"])
    assert len(plots.plot_residuals(both).axes) == 2
    distances = plots.plot_distances(both).axes[0]
    grey = [part.get_segments()[0][1][0] for part in distances.collections]
    assert grey == pytest.approx([both.gaps.loc["ks_distance", f"noise_floor[{name}]"] for name in both.names])


def test_plots_of_numbers_refuse_decisions(plain):
    """A report on decisions has no residuals."""
    with pytest.raises(ValueError, match="of a regression"):
        plots.plot_residuals(plain)


def test_unknown_and_small_groups_are_said_and_left_out(data):
    """Rows without a group count overall and in no gap; a group of three is marked."""
    labels, preds, groups = data
    groups = groups.astype(object)
    groups[:3], groups[3:10] = "c", None
    report = evaluate_predictions(labels, preds, groups)
    assert report.rates.loc[("model", "unknown"), "support"] == 7
    assert report.rates.loc[("model", "overall"), "support"] == 250
    assert not report.gaps.filter(like="high").isin(["unknown"]).any(axis=None)
    assert any("c (3 samples)" in note for note in report.not_known)
    assert "†" in report.to_html()


def test_a_single_group_has_no_gap(data):
    """One group gives figures and a largest error, but 'not enough data' for every gap."""
    labels, preds, _ = data
    report = evaluate_predictions(labels, preds, ["a"] * 250)
    assert report.gaps["model"].dropna().index.tolist() == ["bounded_group_loss"]
    assert "not enough data" in str(report)
    assert report.to_html()


def test_the_task_is_seen_or_stated(data):
    """Fractions are values; whole numbers of many kinds must be named; classes' arguments are refused."""
    labels, preds, groups = data
    assert evaluate_predictions(labels, preds, groups).task == "regression"
    whole = np.arange(250)
    with pytest.raises(ValueError, match="'task' must be given"):
        evaluate_predictions(whole, whole, groups)
    assert evaluate_predictions(whole, whole, groups, task="regression").task == "regression"
    with pytest.raises(ValueError, match="left out for regression"):
        evaluate_predictions(labels, preds, groups, positive=1)
    with pytest.raises(ValueError, match="criterion"):
        evaluate_predictions(labels, preds, groups, criteria="equalized_odds")


def test_models_of_one_report_share_samples_and_task(data, both, plain):
    """Other labels, other groups or another task do not join."""
    labels, preds, groups = data
    for other in (
        evaluate_predictions(labels + 1, preds, groups, name="x"),
        evaluate_predictions(labels, preds, groups[::-1], name="x"),
        FairnessReport(Evaluation("x", plain.baseline.table)),
    ):
        with pytest.raises(ValueError, match=r"same (samples|task)"):
            both.beside(other)


def test_hostile_names_stay_text(data):
    """Names of groups and models are shown, never interpreted."""
    labels, preds, groups = data
    names = pd.Series(np.where(groups == "a", "<script>x</script>", "{{ $y$ }} | [red]"), name="<b>z</b>")
    report = evaluate_predictions(labels, preds, names, name="{0} <i>m</i>")
    page = report.to_html()
    assert "<script" not in page
    assert "<i>m" not in page
    assert "{{ $y$ }} | [red]" in page
    assert "[red]" in str(report)


def test_a_net_is_reported_in_the_unit_of_its_labels():
    """`evaluate` runs a net of a regression on a dataset."""
    from mxfair._compat import import_mxnet
    from mxfair.report import evaluate

    mx = import_mxnet()
    X = np.random.default_rng(0).normal(size=(200, 2)).astype("float32")
    net = mx.gluon.nn.Dense(1, in_units=2)
    net.initialize()
    net.weight.set_data(mx.nd.array([[1.0, 2.0]]))
    labels = (X @ [1.0, 2.0] + 0.5).astype("float32")
    dataset = mx.gluon.data.ArrayDataset(X, labels, (X[:, 0] > 0).astype("float32"))
    report = evaluate(net, dataset, name="net")
    assert report.task == "regression"
    assert report.rates["mean_error"].to_numpy() == pytest.approx(-0.5, abs=1e-5)
    assert report.rates.loc[("net", "overall"), "root_mean_squared_error"] == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize("tied", [False, True])
def test_chance_of_the_largest_distance_is_that_of_shuffled_groups(tied):
    """Of six groups the largest distance is held against the mean of the largest after permutations of the groups."""
    rng = np.random.default_rng(0)
    preds, groups = rng.normal(size=400) ** 3, rng.choice(list("abcdef"), 400, p=[0.3, 0.3, 0.1, 0.1, 0.1, 0.1])
    preds = np.round(preds) if tied else preds
    gaps = evaluate_predictions(preds, preds, groups, task="regression").gaps
    for function in (ks_distance, wasserstein_distance):
        chance = np.mean([function(preds, rng.permutation(groups)).max() for _ in range(150)])
        assert gaps.loc[function.__name__, "noise_floor[model]"] == pytest.approx(chance, rel=0.1)


def test_chance_never_exceeds_the_largest_possible_distance():
    """Of groups of single rows a KS distance is 1 by chance, whatever the formula for large groups says."""
    gaps = evaluate_predictions(np.arange(6.0), np.arange(6.0), list("abcdef"), task="regression").gaps
    assert gaps.loc["ks_distance", "noise_floor[model]"] == 1


def test_three_models_stand_below_each_gap_in_eighty_columns(data, both):
    """Each model's gap has its change and its interval in one line."""
    labels, preds, groups = data
    report = both.beside(evaluate_predictions(labels, preds * 1.5, groups, name="steep"))
    lines = to_text(report, columns=80).splitlines()
    part = lines[lines.index("Gaps between groups") : lines.index("Figures by group")]
    row = part[next(i for i, line in enumerate(part) if line.startswith("MAE")) + 3]
    gaps = report.gaps.loc["mean_absolute_error"]
    assert row.split()[:3] == ["steep", f"{gaps['steep']:.0f}", f"{gaps['change[steep]']:+.0f}"]
    assert row.endswith("a / b") or row.endswith("b / a")
    assert len(part) < 8 * 4 + 6


def test_equal_labels_are_shown_with_few_digits():
    """The deviation of equal labels is a rounding error, and no unit."""
    assert RegressionEvaluation("m", [3.7] * 401, np.arange(401.0), ["a"] * 401).digits("mean_error") == 2


def test_models_no_better_than_one_answer_for_all_are_named(data, both):
    """A gap that falls says little where everybody could as well be given the mean, or the commonest class."""
    labels, _, groups = data
    assert "no better" not in str(both)
    flat = evaluate_predictions(labels, np.full(250, labels.mean() + 9), groups, name="flat")
    for text in (str(flat), flat.to_html(), flat.to_markdown()):
        assert "flat is no better than predicting the mean label" in text
    classes = np.array([0] * 150 + [1] * 100)
    report = evaluate_predictions(classes, np.zeros(250, int), groups, name="same", classes=[0, 1])
    assert "same is no better than deciding the commonest class for everybody (60.0%)" in str(report)
