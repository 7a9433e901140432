"""Intervals of rates, gaps, changes, strata and subgroups are those of mxfair.metric, or of scikit-learn's figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mxfair import GroupConfusion, metric
from mxfair._validation import InputError
from mxfair.criterion import CRITERIA
from mxfair.report import Evaluation, FairnessReport, RegressionEvaluation, evaluate_predictions
from mxfair.report._change import change, joint_counts
from mxfair.report._settings import Settings


@pytest.fixture(scope="module")
def people():
    """Return labels, decisions of two models, scores, groups and a control attribute of 4,000 samples."""
    random = np.random.default_rng(0)
    groups, level = random.choice(["a", "b", "c"], 4000), random.choice(["x", "y"], 4000)
    labels = random.integers(0, 2, 4000)
    scores = np.clip(random.normal(0.4 + 0.2 * labels + 0.1 * (groups == "b"), 0.2), 0, 1)
    return labels, (scores > 0.5).astype(int), (scores > 0.55).astype(int), scores, groups, level


@pytest.fixture(scope="module")
def both(people):
    """Return the report of both models."""
    labels, first, second, scores, groups, level = people
    reports = [
        evaluate_predictions(labels, preds, groups, scores=scores, name=name, control=pd.Series(level, name="level"))
        for name, preds in (("first", first), ("second", second))
    ]
    return reports[0].beside(reports[1])


def test_intervals_of_gaps_are_those_of_the_metrics(people, both):
    """Each criterion's interval is that of confidence_intervals with the same resamples."""
    labels, first, _, _, groups, _ = people
    table = metric.confidence_intervals(labels, first, groups, n_resamples=1000, seed=1)
    for criterion in both.gaps.index:
        row = table.loc[(criterion, "difference", "")]
        assert both.gaps.loc[criterion, "interval_low[first]"] == pytest.approx(row["low"], abs=0.01)
        assert both.gaps.loc[criterion, "interval_high[first]"] == pytest.approx(row["high"], abs=0.01)


def test_intervals_of_rates_are_wilsons(both):
    """A group's true positive rate has Wilson's interval."""
    from mxfair.uncertainty import wilson_interval

    evaluation = both.baseline
    values, given = evaluation.columns["true_positive_rate"]
    low, high = wilson_interval(values * given, given)
    for place in range(4):
        assert both.certainties[0].rates["true_positive_rate", place] == pytest.approx((low[place], high[place]))


def test_the_error_of_an_auc_is_delongs():
    """The binned standard error equals DeLong's with every score its own bin, computed pair by pair."""
    from mxfair.report._certainty import auc_errors

    random = np.random.default_rng(2)
    negative, positive = random.integers(0, 50, 40), random.integers(10, 60, 30)
    counts = np.stack([np.bincount(side, minlength=60) for side in (negative, positive)])[None].astype(float)
    pairs = (positive[:, None] > negative) + (positive[:, None] == negative) / 2
    variance = pairs.mean(axis=1).var(ddof=1) / 30 + pairs.mean(axis=0).var(ddof=1) / 40
    value, error = auc_errors(counts)
    assert value[0] == pytest.approx(pairs.mean())
    assert error[0] == pytest.approx(np.sqrt(variance))


def test_the_interval_of_a_change_is_that_of_paired_rows(people):
    """Of two groups a bootstrap of both models' rows gives the same interval, far narrower than one of apart rows."""
    labels, first, second, _, groups, _ = (column[people[4] != "c"] for column in people)
    random, n = np.random.default_rng(3), len(labels)
    draws = []
    for _ in range(300):
        rows = random.integers(0, n, n)
        gaps = [metric.demographic_parity_difference(labels[rows], p[rows], groups[rows]) for p in (first, second)]
        draws.append(gaps[1] - gaps[0])
    made = [evaluate_predictions(labels, p, groups, name=n).baseline for n, p in (("1", first), ("2", second))]
    row = FairnessReport(made).gaps.loc["demographic_parity"]
    length = row["change_high"] - row["change_low"]
    assert row["change_low"] <= row["change"] <= row["change_high"]
    assert length == pytest.approx(np.subtract(*np.quantile(draws, [0.975, 0.025])), rel=0.15)
    apart = FairnessReport([Evaluation(e.name, e.table) for e in made])
    assert apart.changes[0].paired is False
    wide = apart.gaps.loc["demographic_parity"]
    assert wide["change_high"] - wide["change_low"] > 1.5 * length
    assert any("not at hand together" in note for note in apart.not_known)


def test_counts_of_pairs_give_the_change_of_streamed_models(both):
    """paired= takes what a stream has counted, and the interval is that of the rows."""
    joint = joint_counts(*both.evaluations)
    bare = [Evaluation(e.name, e.table) for e in both.evaluations]
    report = FairnessReport(bare, paired={"second": joint})
    assert report.gaps.loc["equalized_odds", "change_low"] == both.gaps.loc["equalized_odds", "change_low"]
    with pytest.raises(InputError, match="'paired' must add up"):
        FairnessReport(bare, paired={"second": joint[..., ::-1]})
    with pytest.raises(InputError, match="'paired' must have shape"):
        FairnessReport(bare, paired={"second": joint[0]})
    with pytest.raises(InputError, match="'paired' must be keyed"):
        FairnessReport(bare, paired={"first": joint})


def test_the_interval_of_a_change_covers_the_truth():
    """At a level of 95 % at least 92 % of 100 samples' intervals hold the true change, at parity and away from it."""
    random, criterion = np.random.default_rng(4), CRITERIA["demographic_parity"]
    for shift in (0.0, 0.12):
        held = 0
        for _ in range(100):
            groups, labels = np.repeat(["a", "b"], 400), random.integers(0, 2, 800)
            score = random.uniform(size=800) + shift * (groups == "b")
            # the shift moves both cuts alike, so that the true change is 0
            first, second = (evaluate_predictions(labels, (score > cut) * 1, groups).baseline for cut in (0.5, 0.9))
            found = change(first, second, [criterion], Settings(), joint_counts(first, second))
            low, high = found.gaps["demographic_parity"]
            held += low <= 0.0 <= high
        assert held >= 92, (shift, held)


def test_weighted_counts_have_no_intervals_and_the_report_says_so():
    """Counts that are no whole numbers cannot be drawn anew."""
    table = GroupConfusion.of([1, 0, 1, 0], [1, 0, 0, 0], list("aabb"), sample_weight=[1.5, 1, 1, 1])
    report = FairnessReport(Evaluation("m", table))
    assert np.isnan(report.gaps.loc["demographic_parity", "interval_low[m]"])
    assert any("weighted samples" in note for note in report.not_known)
    assert "has no interval" in report.to_html()


def test_gaps_within_strata_are_those_of_the_metrics(people, both):
    """The mean gap within the levels of a control attribute is that of mxfair.metric, inside its interval."""
    labels, first, _, _, groups, level = people
    found = both.conditionals["equalized_odds"][0]
    assert found.mean == pytest.approx(metric.equalized_odds_difference(labels, first, groups, control=level))
    assert found.interval[0] <= found.mean <= found.interval[1]
    assert found.levels == ("x", "y")
    assert "Gaps within levels of level" in both.to_html()


def test_subgroups_of_crossed_attributes_are_those_of_the_metrics(people):
    """From the table of crossings alone, every subgroup's rate, support and corrected p-value is that of the rows."""
    labels, first, _, _, groups, level = people
    frame = pd.DataFrame({"sex": groups, "age": level})
    report = evaluate_predictions(labels, first, frame, criteria="equal_opportunity")
    (ours,) = report.subgroups[0]
    theirs = metric.subgroups(labels, first, frame, metric="true_positive_rate", max_order=3)
    assert [row.name for row in ours.rows] == [row.name for row in theirs.rows]
    for field in ("support", "value", "difference", "lower", "corrected_p_value"):
        of_both = [[getattr(row, field) for row in table.rows] for table in (ours, theirs)]
        assert of_both[0] == pytest.approx(of_both[1], nan_ok=True)
    assert any("sex=b" in row.name for row in ours.significant)


def test_groups_with_too_few_samples_are_left_out_of_gaps():
    """min_support leaves a small group out of gap and interval, and says so."""
    labels, preds = np.tile([0, 1], 205), np.tile([0, 1], 205)
    groups = np.array(["a"] * 200 + ["b"] * 200 + ["c"] * 10)
    preds[400:] = 0
    plain = evaluate_predictions(labels, preds, groups)
    large = evaluate_predictions(labels, preds, groups, min_support=20)
    assert plain.gaps.loc["equal_opportunity", "model"] == 1
    assert large.gaps.loc["equal_opportunity", "model"] == 0
    assert large.gaps.loc["equal_opportunity", "interval_high[model]"] < 0.1
    assert any(note.startswith("Left out of gaps") and "c" in note for note in large.not_known)


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ({"reference": "a"}, {"reference": "a"}),
        ({"compat": "fairbatch"}, {"compat": "fairbatch"}),
        ({"compat": "oxonfair"}, {"compat": "oxonfair"}),
        ({"compat": "aif360", "reference": "a"}, {"compat": "aif360", "reference": "a"}),
        ({"compat": "clarify", "reference": "b"}, {"compat": "clarify", "reference": "b"}),
    ],
)
def test_gaps_follow_the_convention_that_is_asked_for(people, settings, options):
    """A reference group and other toolkits' conventions give the number of mxfair.metric, within its interval."""
    labels, first, second, _, groups, _ = people
    names = ["demographic_parity", "equalized_odds", "predictive_equality"]
    reports = [
        evaluate_predictions(labels, p, groups, criteria=names, name=n, **settings)
        for n, p in (("1", first), ("2", second))
    ]
    gaps = reports[0].beside(reports[1]).gaps
    for criterion in names:
        expected = metric.difference(criterion, labels, first, groups, **options)
        row = gaps.loc[criterion]
        assert row["1"] == pytest.approx(expected)
        assert row["interval_low[1]"] <= expected <= row["interval_high[1]"]
        assert row["change_low"] <= row["change"] <= row["change_high"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"reference": "z"}, "'reference' must be one of"),
        ({"compat": "aif360"}, "'reference' must name the group"),
        ({"compat": "aequitas", "reference": "a"}, "'compat' must be a toolkit that has the difference"),
        ({"compat": "none"}, "'compat' must be one of"),
        ({"min_support": -1}, "'min_support' must be a number"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(people, settings, message):
    """A wrong setting is an error before anything is measured."""
    labels, first, _, _, groups, _ = people
    with pytest.raises(InputError, match=message):
        evaluate_predictions(labels, first, groups, **settings)


def test_changes_of_a_regression_are_those_of_paired_rows():
    """The interval of the change in RMSE's gap is about that of a bootstrap over the rows; distances have none."""
    random = np.random.default_rng(5)
    groups, labels = random.choice(["a", "b"], 2000), random.normal(size=2000)
    first = labels + random.normal(size=2000) * np.where(groups == "a", 1, 1.5)
    second = labels + (first - labels) * np.where(groups == "a", 1, 0.8)
    report = FairnessReport([RegressionEvaluation(n, labels, p, groups) for n, p in (("1", first), ("2", second))])
    draws = []
    for _ in range(300):
        rows = random.integers(0, 2000, 2000)
        gaps = []
        for preds in (first, second):
            error = (preds - labels)[rows] ** 2
            roots = [np.sqrt(error[groups[rows] == g].mean()) for g in "ab"]
            gaps.append(abs(roots[1] - roots[0]))
        draws.append(gaps[1] - gaps[0])
    row = report.gaps.loc["root_mean_squared_error"]
    assert (row["change_low"], row["change_high"]) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])), abs=0.02)
    assert np.isnan(report.gaps.loc["ks_distance", "change_low"])
    worst = report.gaps.loc["bounded_group_loss"]
    assert worst["interval_low[1]"] < worst["1"] < worst["interval_high[1]"]
