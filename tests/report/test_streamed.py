"""Evaluations from states that were counted chunk by chunk equal those of the rows."""

from __future__ import annotations

import numpy as np
import pytest

from mxfair import GroupConfusion, GroupResiduals, Groups, GroupScores
from mxfair._validation import InputError, InputTypeError
from mxfair.report import Evaluation, FairnessReport, RegressionEvaluation, evaluate_predictions


@pytest.fixture(scope="module")
def rows():
    """Return labels, scores and groups of 3,000 samples."""
    random = np.random.default_rng(0)
    groups, labels = random.choice(["a", "b", "c"], 3000), random.integers(0, 2, 3000)
    return labels, np.clip(random.normal(0.4 + 0.2 * labels + 0.1 * (groups == "b"), 0.2), 0, 1), groups


@pytest.fixture(scope="module")
def values():
    """Return labels, predictions and groups of a regression of 4,000 samples."""
    random = np.random.default_rng(1)
    groups, labels = random.choice(["a", "b", "c"], 4000), random.normal(5, 2, 4000)
    return labels, labels + random.normal(0.3 * (groups == "b"), 1 + 0.5 * (groups == "c")), groups


def streamed(rows, table, **options):
    """Count rows in chunks of 700."""
    for start in range(0, len(rows[0]), 700):
        table.update(*(column[start : start + 700] for column in rows), **options)
    return table


def test_an_evaluation_takes_its_auc_from_a_state_of_scores(rows):
    """Counted in chunks, the AUC by group is that of all rows at once, within the bound that the state gives."""
    labels, scores, groups = rows
    exact = evaluate_predictions(labels, (scores > 0.5).astype(int), groups, scores=scores).baseline
    table = streamed((labels, (scores > 0.5).astype(int), groups), GroupConfusion("abc", [0, 1]))
    state = streamed(rows, GroupScores("abc"))
    evaluation = Evaluation("m", table, scores=state)
    assert np.all(np.abs(evaluation.auc_by_group - exact.auc_by_group) <= state.auc_error().values)
    assert evaluation.auc == pytest.approx(exact.auc, abs=state.auc_error().overall)
    assert np.array_equal(evaluation.scores.counts, exact.scores.counts)


def test_an_exact_auc_given_beside_the_state_is_kept(rows):
    """evaluate_predictions ranks the scores themselves."""
    from sklearn.metrics import roc_auc_score

    labels, scores, groups = rows
    evaluation = evaluate_predictions(labels, labels, groups, scores=scores).baseline
    assert evaluation.auc == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_scores_outside_0_and_1_keep_their_range(rows):
    """Logits are counted over their own range; the AUC does not change."""
    labels, scores, groups = rows
    evaluation = evaluate_predictions(labels, labels, groups, scores=20 * scores - 10).baseline
    assert evaluation.scores.low == pytest.approx(20 * scores.min() - 10)
    assert evaluation.auc == pytest.approx(evaluate_predictions(labels, labels, groups, scores=scores).baseline.auc)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (GroupScores.of([0, 1], [0.1, 0.9], ["a", "b"]), "'scores' must be of the samples of 'table'"),
        (GroupScores.of([0, 1, 1], [0.1, 0.9, 0.9], ["x", "y", "y"]), "'scores' must have the groups and classes"),
        (GroupScores.of([0, 1, 1], [0.1, 0.9, 0.9], ["a", "b", "b"], positive=0), "must speak for the class 1"),
    ],
)
def test_scores_of_something_else_are_refused(scores, message):
    """Other samples, groups or another positive class are an error."""
    table = GroupConfusion.of([0, 1, 1], [0, 1, 0], ["a", "b", "b"])
    with pytest.raises(InputError, match=message):
        Evaluation("m", table, scores=scores)
    with pytest.raises(InputTypeError, match="'scores' must be a GroupScores"):
        Evaluation("m", table, scores=[0.1, 0.9, 0.9])


def test_a_streamed_regression_has_the_figures_of_the_rows(values):
    """Figures by group agree to rounding, distances to a bin, intervals to a tenth of their length."""
    labels, preds, groups = values
    exact = RegressionEvaluation("m", labels, preds, groups)
    state = streamed(values, GroupResiduals("abc", low=-6, high=16))
    evaluation = RegressionEvaluation.of_state("m", state)
    np.testing.assert_allclose(evaluation.rates.to_numpy(float), exact.rates.to_numpy(float), rtol=1e-10)
    for name in ("ks_distance", "wasserstein_distance"):
        assert evaluation.distances[name].max() == pytest.approx(exact.distances[name].max(), abs=0.022)
    for name in ("mean_error", "mean_absolute_error", "root_mean_squared_error", "mean_prediction"):
        for kind, group in (("difference", ""), ("group", "c"), ("overall", "")):
            ours, theirs = (np.array(e.interval(name, kind=kind, group=group)) for e in (evaluation, exact))
            assert np.abs(ours - theirs).max() < 0.15 * (theirs[1] - theirs[0]), (name, kind)
    assert np.isnan(evaluation.interval("r2_score")).all()
    assert evaluation.digits("mean_error") == exact.digits("mean_error")


def test_a_streamed_regression_makes_a_whole_report(values):
    """Page and text are made without the rows, and say what is missing."""
    state = streamed(values, GroupResiduals("abc", low=-6, high=16))
    report = FairnessReport(RegressionEvaluation.of_state("m", state))
    assert "Predictions, m" in report.to_html()
    assert any("without keeping the rows" in note for note in report.not_known)
    assert report.gaps.loc["ks_distance", "m"] > 0


def test_a_regression_without_a_range_has_no_distances(values):
    """Figures are there, distances are not measured rather than 0, and the report says so."""
    state = streamed(values, GroupResiduals("abc"))
    report = FairnessReport(RegressionEvaluation.of_state("m", state))
    assert np.isnan(report.gaps.loc["ks_distance", "m"])
    assert report.gaps.loc["mean_error", "m"] > 0.2
    assert any("no range was given" in note for note in report.not_known)
    assert "<svg" in report.to_html()


def test_models_of_states_must_be_of_the_same_samples(values):
    """Two states whose labels differ are refused; the same ones join."""
    labels, preds, groups = values
    first = RegressionEvaluation.of_state("a", streamed(values, GroupResiduals("abc", low=-6, high=16)))
    second = RegressionEvaluation("b", labels, preds + 1, Groups(groups))
    other = RegressionEvaluation.of_state(
        "c", streamed((labels + 1, preds, groups), GroupResiduals("abc", low=-6, high=16))
    )
    assert FairnessReport([first, second]).gaps.loc["ks_distance", "change"] == pytest.approx(0, abs=0.01)
    with pytest.raises(InputError, match="same samples"):
        FairnessReport([first, other])


def test_a_state_of_nothing_is_refused():
    """An empty state and something else are no evaluation."""
    with pytest.raises(InputError, match="must have counted samples"):
        RegressionEvaluation.of_state("m", GroupResiduals("ab"))
    with pytest.raises(InputTypeError, match="'table' must be a GroupResiduals"):
        RegressionEvaluation.of_state("m", [1, 2])
