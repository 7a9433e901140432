"""The right interval for each figure, the same for the same seed, and a note where there is none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mxfair import Criterion, metric
from mxfair._validation import InputError
from mxfair.metric import _draws, _rate_draws
from mxfair.metric._inputs import Inputs, figures
from mxfair.rate import RATES, Rate, each_against_rest
from mxfair.uncertainty import wilson_interval

RNG = np.random.default_rng(0)
N = 400
pytestmark = pytest.mark.filterwarnings("ignore:indexing past lexsort depth")  # rows are looked up by (metric, kind)
LABELS, PREDS = RNG.integers(0, 2, N), RNG.integers(0, 2, N)
GROUPS = np.array(["a", "b", "c"])[RNG.integers(0, 3, N)]
SCORES = np.clip(RNG.normal(0.4 + 0.2 * LABELS, 0.2), 0.01, 0.99)
WEIGHT = RNG.exponential(size=N)


def intervals(**options):
    """Return the table of the sample above, of few resamples."""
    given = {
        "labels": LABELS,
        "preds": PREDS,
        "groups": GROUPS,
        "seed": 0,
        "n_resamples": 200,
        "criteria": [],
        **options,
    }
    return metric.confidence_intervals(given.pop("labels"), given.pop("preds"), given.pop("groups"), **given)


def test_the_table_has_a_row_for_each_group_overall_and_gap():
    """Rows are (metric, kind, group); columns are of one kind, whatever the metric."""
    table = intervals(metrics=["selection_rate", "f1_score"], criteria="equalized_odds")
    kinds = [("group", "a"), ("group", "b"), ("group", "c"), ("overall", ""), ("difference", ""), ("ratio", "")]
    expected = [(name, *kind) for name in ("selection_rate", "f1_score") for kind in kinds]
    expected += [("equalized_odds", kind, "") for kind in ("difference", "ratio")]
    assert table.index.tolist() == expected
    assert table.columns.tolist() == ["value", "low", "high", "support", "method", "note"]


def test_values_are_those_of_evaluate():
    """The column value holds the figures and gaps that evaluate gives."""
    table, figures_ = intervals(), metric.evaluate(LABELS, PREDS, GROUPS)
    for name in figures_:
        np.testing.assert_array_equal(table.loc[(name, "group"), "value"], figures_[name].values)
        assert table.loc[(name, "difference", ""), "value"] == figures_[name].difference()
        assert table.loc[(name, "ratio", ""), "value"] == figures_[name].ratio()


@pytest.mark.parametrize("seed", [3, np.random.default_rng(3)], ids=["number", "generator"])
def test_the_same_seed_gives_the_same_intervals(seed):
    """All kinds of figures are drawn from one generator."""
    options = {"metrics": ["f1_score", "roc_auc", "brier_score", lambda y, p: (y == p).mean()], "scores": SCORES}
    first = intervals(**options, criteria=None, seed=3)
    pd.testing.assert_frame_equal(first, intervals(**options, criteria=None, seed=seed))


def test_other_seeds_give_other_intervals():
    """A seed is used; without one, intervals differ from call to call."""
    low = [intervals(metrics="f1_score", seed=seed)["low"].iloc[0] for seed in (0, 1, None, None)]
    assert len(set(low)) == 4


@pytest.mark.parametrize("rate", [name for name, rate in RATES.items() if isinstance(rate, Rate) and rate.share])
def test_shares_have_wilsons_interval(rate):
    """By group and over all samples, from the rate's own numerator and denominator."""
    table, figure = intervals(metrics=rate, level=0.9), metric.evaluate(LABELS, PREDS, GROUPS, metrics=rate)[rate]
    low, high = wilson_interval(figure.numerator, figure.denominator, level=0.9)
    np.testing.assert_allclose(
        table.loc[(rate, "group")][["low", "high"]].to_numpy(float), np.column_stack([low, high])
    )
    ends = wilson_interval(figure.numerator.sum(), figure.denominator.sum(), level=0.9)
    np.testing.assert_allclose(table.loc[(rate, "overall", ""), ["low", "high"]].to_numpy(float), ends)
    assert (table.loc[rate].loc[["group", "overall"], "method"] == "Wilson").all()


def test_equal_weights_are_no_weights():
    """A constant weight leaves Wilson's interval as it is."""
    plain = intervals(metrics="true_positive_rate")
    heavy = intervals(metrics="true_positive_rate", sample_weight=np.full(N, 7.0))
    for kind in ("group", "overall"):
        columns = ["value", "low", "high"]
        left, right = (t.loc[("true_positive_rate", kind), columns].to_numpy(float) for t in (plain, heavy))
        np.testing.assert_allclose(left, right, rtol=1e-9)


def test_uneven_weights_make_intervals_wider():
    """The effective size is smaller than the number of samples: about half, for exponential weights."""
    plain, uneven = intervals(metrics="selection_rate"), intervals(metrics="selection_rate", sample_weight=WEIGHT)
    width = [(t["high"] - t["low"]).loc[("selection_rate", "overall", "")] for t in (plain, uneven)]
    assert width[1] / width[0] == pytest.approx(np.sqrt(2), rel=0.15)


def test_weighted_shares_agree_with_a_bootstrap_over_rows():
    """Wilson's interval of the effective size is about as wide as the rows' bootstrap."""
    weight = np.where(PREDS == 1, 3, 1) * WEIGHT  # weights that go with the outcome
    table = intervals(metrics="selection_rate", sample_weight=weight)
    places = np.random.default_rng(1).integers(0, N, (4000, N))
    drawn = (weight * PREDS)[places].sum(axis=1) / weight[places].sum(axis=1)
    ours = table.loc[("selection_rate", "overall", ""), ["low", "high"]].to_numpy(float)
    np.testing.assert_allclose(ours, np.quantile(drawn, [0.025, 0.975]), atol=0.012)


def rows_bootstrap(function, n_resamples=3000, seed=1):
    """Return figures of resampled rows, shape (n_resamples, n_groups)."""
    rng = np.random.default_rng(seed)
    codes = np.unique(GROUPS, return_inverse=True)[1]
    places = rng.integers(0, N, (n_resamples, N))
    return np.array([[function(rows[codes[rows] == g]) for g in range(3)] for rows in places])


def same_distribution(ours, rows):
    """Compare means, deviations and the whole distribution within simulation error."""
    assert (np.abs(ours.mean(axis=0) - rows.mean(axis=0)) < 5 * rows.std(axis=0) * np.sqrt(2 / len(rows))).all()
    np.testing.assert_allclose(ours.std(axis=0), rows.std(axis=0), rtol=0.08)
    assert min(stats.ks_2samp(ours[:, g], rows[:, g]).pvalue for g in range(ours.shape[1])) > 1e-3


def test_rates_from_counts_are_a_bootstrap_over_rows():
    """F1, which is not smoothed, has the same distribution from resampled tables as from resampled rows."""

    def f1(rows):
        y, p = LABELS[rows], PREDS[rows]
        return 2 * (y & p).sum() / (y.sum() + p.sum())

    inputs = Inputs.of(LABELS, PREDS, GROUPS)
    squares, rng = _rate_draws.squared_counts(inputs), np.random.default_rng(0)
    ((draws,), _) = _rate_draws.of_rates(figures("f1_score", inputs), [], inputs, squares, 3000, rng)
    same_distribution(draws.values, rows_bootstrap(f1))


def test_smoothed_shares_are_close_to_a_bootstrap_over_rows():
    """The smoothing of a share of some hundred samples hardly shows: the deviation within 8 %, the mean within .005."""
    inputs = Inputs.of(LABELS, PREDS, GROUPS)
    squares, rng = _rate_draws.squared_counts(inputs), np.random.default_rng(0)
    ((draws,), _) = _rate_draws.of_rates(figures("selection_rate", inputs), [], inputs, squares, 3000, rng)
    rows = rows_bootstrap(lambda rows: PREDS[rows].mean())
    np.testing.assert_allclose(draws.values.mean(axis=0), rows.mean(axis=0), atol=0.005)
    np.testing.assert_allclose(draws.values.std(axis=0), rows.std(axis=0), rtol=0.08)


@pytest.mark.parametrize(("count", "n"), [(0, 30), (1, 30), (15, 30), (30, 30), (4, 400)])
def test_draws_of_a_share_have_the_quantiles_of_jeffreys_interval(count, n):
    """Both bounds lie within .02 of those of Beta(x + 1/2, n - x + 1/2)."""
    preds = (np.arange(2 * n) % n < count).astype(int)
    inputs = Inputs.of(preds, preds, np.repeat(["a", "b"], n), classes=[0, 1])
    squares, rng = _rate_draws.squared_counts(inputs), np.random.default_rng(0)
    ((draws,), _) = _rate_draws.of_rates(figures("selection_rate", inputs), [], inputs, squares, 20_000, rng)
    expected = stats.beta(count + 0.5, n - count + 0.5).ppf([0.025, 0.975])
    # tables of both groups share 2 n samples, so that a group's size varies too
    np.testing.assert_allclose(np.quantile(draws.values[:, 0], [0.025, 0.975]), expected, atol=0.02)


def test_scores_are_a_bootstrap_over_rows():
    """The AUC and the Brier score have the distribution of those of resampled rows."""

    def auc_of(rows):  # the share of pairs in order, ties half
        positive, negative = (np.sort(SCORES[rows[LABELS[rows] == k]]) for k in (1, 0))
        below = [np.searchsorted(negative, positive, side=side).sum() for side in ("left", "right")]
        return sum(below) / 2 / len(positive) / len(negative)

    inputs, rng = Inputs.of(LABELS, PREDS, GROUPS, scores=SCORES), np.random.default_rng(0)
    auc, brier = (_draws.of_score(f, inputs, 3000, rng).values for f in figures(["roc_auc", "brier_score"], inputs))
    same_distribution(auc, rows_bootstrap(auc_of, 2000))
    same_distribution(brier, rows_bootstrap(lambda rows: ((SCORES[rows] - LABELS[rows]) ** 2).mean()))


def test_many_distinct_scores_are_binned_without_a_visible_change(monkeypatch):
    """Bins of equal counts keep the spread of the AUC."""
    inputs = Inputs.of(LABELS, PREDS, GROUPS, scores=SCORES)
    (figure,) = figures("roc_auc", inputs)
    exact = _draws.of_score(figure, inputs, 2000, np.random.default_rng(0)).values
    monkeypatch.setattr(_draws, "MAX_SCORES", 100)
    binned = _draws.of_score(figure, inputs, 2000, np.random.default_rng(1)).values
    np.testing.assert_allclose(binned.std(axis=0), exact.std(axis=0), rtol=0.08)
    np.testing.assert_allclose(binned.mean(axis=0), exact.mean(axis=0), atol=0.01)


def test_log_loss_of_certain_and_wrong_scores_is_clipped_as_the_figure_is():
    """A score of 1 for a negative gives a finite interval around the value."""
    table = intervals(metrics="log_loss", scores=np.where(np.arange(N) < 5, 1.0 - LABELS, SCORES))
    row = table.loc[("log_loss", "overall", "")]
    assert np.isfinite([row["low"], row["high"]]).all()
    assert row["low"] < row["value"] < row["high"]


def test_each_figure_of_scores_has_its_own_gap():
    """Differences of several figures of scores are those of each alone, not of one another."""
    names = ["roc_auc", "brier_score", "log_loss", "balance_positive_class", "balance_negative_class"]
    together = intervals(metrics=names, scores=SCORES)
    for name in names:
        row = together.loc[(name, "difference", "")]
        assert row["low"] <= row["value"] <= row["high"]
        alone = intervals(metrics=name, scores=SCORES, seed=9).loc[(name, "difference", "")]
        assert row["high"] == pytest.approx(alone["high"], rel=0.25)


def test_two_columns_of_scores_are_the_positive_one():
    """Scores of both classes give the intervals of the second column."""
    both = intervals(metrics="roc_auc", scores=np.column_stack([1 - SCORES, SCORES]))
    pd.testing.assert_frame_equal(both, intervals(metrics="roc_auc", scores=SCORES))


def test_regression_has_a_bootstrap_of_rows():
    """The interval of a mean absolute error is about that of resampled rows."""
    labels = RNG.normal(size=N)
    preds = labels + RNG.normal(size=N)
    table = intervals(labels=labels, preds=preds, metrics="mean_absolute_error", criteria=None)
    rows = rows_bootstrap(lambda rows: np.abs(preds[rows] - labels[rows]).mean(), 2000)
    ours = table.loc[("mean_absolute_error", "group")][["low", "high"]].to_numpy(float)
    np.testing.assert_allclose(ours, np.quantile(rows, [0.025, 0.975], axis=0).T, atol=0.05)


def test_a_function_is_computed_anew_for_each_resample():
    """A function of one's own has the interval of the built-in figure it repeats."""

    def mine(labels, preds):
        return (labels == preds).mean()

    ours = intervals(metrics=mine, n_resamples=400).loc[("mine", "overall", "")]
    theirs = intervals(metrics="accuracy").loc[("accuracy", "overall", "")]
    assert ours["low"] == pytest.approx(theirs["low"], abs=0.02)
    assert ours["high"] == pytest.approx(theirs["high"], abs=0.02)


def test_soft_predictions_vary_less_than_decisions():
    """Probabilities have a bootstrap interval; it is narrower than that of decisions at random."""
    soft = intervals(preds=np.column_stack([1 - SCORES, SCORES]), metrics="selection_rate")
    row, hard = soft.loc[("selection_rate", "overall", "")], intervals(metrics="selection_rate")
    assert row["method"] == "bootstrap"
    assert row["high"] - row["low"] < np.diff(hard.loc[("selection_rate", "overall", ""), ["low", "high"]])[0]
    expected = SCORES.mean() + np.array([-1.96, 1.96]) * SCORES.std() / np.sqrt(N)
    np.testing.assert_allclose(row[["low", "high"]].to_numpy(float), expected, atol=0.006)


def test_a_criterion_of_one_rate_has_the_rates_interval():
    """Demographic parity is the difference of selection rates, interval included."""
    table = intervals(metrics="selection_rate", criteria="demographic_parity")
    for kind in ("difference", "ratio"):
        left, right = table.loc[("selection_rate", kind, "")], table.loc[("demographic_parity", kind, "")]
        assert left.tolist() == right.tolist()


def test_several_classes_are_read_off_the_margins_exactly():
    """One class against the rest gives the rates that the whole plane gives."""
    rng, rate = np.random.default_rng(0), RATES["false_positive_rate"]
    tables = rng.integers(0, 9, (5, 2, 4, 4)).astype(float)
    rest = rate.values(each_against_rest(tables), 1)
    np.testing.assert_allclose(rest, np.stack([rate.values(tables, place) for place in range(4)], axis=-1))


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (RATES["true_positive_rate"], True),
        (RATES["f1_score"], True),
        (Rate("at_least", lambda y, p, c: p >= c, lambda y, p, c: y >= c), False),
        (Rate("third", lambda y, p, c: p == 2, lambda y, p, c: y >= 0), False),
        (RATES["matthews_correlation"], False),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_only_rates_of_a_class_against_the_rest_take_the_margins(rate, expected):
    """A rate that compares classes in another way is summed over the whole plane."""
    assert _rate_draws._together(rate, (0, 1, 2, 3), 4) is expected


def test_rates_of_several_classes_have_gaps_for_each():
    """Every class has rows of its own, and a criterion takes the worst."""
    labels, preds = RNG.integers(0, 3, N), RNG.integers(0, 3, N)
    table = intervals(labels=labels, preds=preds, metrics="true_positive_rate", criteria="equal_opportunity")
    values = [table.loc[(f"true_positive_rate[{k}]", "difference", ""), "value"] for k in range(3)]
    row = table.loc[("equal_opportunity", "difference", "")]
    assert row["value"] == max(values)
    assert row["low"] <= row["value"] <= row["high"]


def test_a_positive_class_that_is_named_is_used():
    """positive= turns the rate round."""
    first = intervals(metrics="selection_rate", positive=1).loc[("selection_rate", "overall", "")]
    other = intervals(metrics="selection_rate", positive=0).loc[("selection_rate", "overall", "")]
    assert other["low"] == pytest.approx(1 - first["high"])


@pytest.mark.parametrize("compare", ["max_min", "to_overall", "to_reference", "pairwise_mean"])
@pytest.mark.parametrize("agg", ["max", "mean", "sum"])
@pytest.mark.parametrize("kind", ["difference", "ratio"])
def test_every_convention_has_an_interval_around_its_value(compare, agg, kind):
    """However gaps are taken and put together, the value lies inside its interval."""
    criterion = Criterion("mine", ["true_positive_rate", "false_positive_rate"], agg=agg)
    reference = "b" if compare == "to_reference" else None
    row = intervals(metrics="accuracy", criteria=criterion, compare=compare, reference=reference).loc[
        ("mine", kind, "")
    ]
    assert row["low"] <= row["value"] <= row["high"]
    assert row["low"] < row["high"]
    assert row["note"] == ""


def test_a_signed_gap_may_lie_on_either_side():
    """With agg="signed" an interval of near parity holds both signs."""
    criterion = Criterion("mine", "selection_rate", agg="signed")
    keep = GROUPS != "c"
    table = intervals(
        labels=LABELS[keep], preds=PREDS[keep], groups=GROUPS[keep], metrics="accuracy", criteria=criterion,
        compare="to_reference", reference="a",
    )  # fmt: skip
    row = table.loc[("mine", "difference", "")]
    assert row["low"] < 0 < row["high"]


def test_no_decision_in_any_group_is_no_proof_of_parity():
    """0 of 30 in each group: the difference may be anything up to about a tenth."""
    groups = np.repeat(["a", "b"], 30)
    table = metric.confidence_intervals(
        np.arange(60) % 2, np.zeros(60, dtype=int), groups, metrics="selection_rate", criteria=[], seed=0
    )
    row = table.loc[("selection_rate", "difference", "")]
    assert row["low"] == 0
    assert 0.05 < row["high"] < 0.15


def test_bounds_of_a_difference_of_shares_stay_below_1():
    """Groups at 1 of 20 and 19 of 20 may differ by less than 1 only."""
    preds = np.concatenate([np.arange(20) < 1, np.arange(20) < 19]).astype(int)
    table = metric.confidence_intervals(
        preds, preds, np.repeat(["a", "b"], 20), metrics="selection_rate", criteria=[], seed=0
    )
    row = table.loc[("selection_rate", "difference", "")]
    assert row["low"] < 0.9 < row["high"] < 1


def test_unknown_groups_are_shown_and_not_compared():
    """Samples without a group have a row, count overall, and leave gaps alone."""
    groups = np.where(np.arange(N) % 10 == 0, None, GROUPS)
    preds = np.where(np.arange(N) % 10 == 0, 1, PREDS)
    table = intervals(groups=groups, preds=preds, metrics="selection_rate")
    assert table.loc[("selection_rate", "group", "unknown"), "value"] == 1
    keep = np.arange(N) % 10 != 0
    known = intervals(labels=LABELS[keep], preds=PREDS[keep], groups=GROUPS[keep], metrics="selection_rate")
    row, without = table.loc[("selection_rate", "difference", "")], known.loc[("selection_rate", "difference", "")]
    assert row["value"] == without["value"]
    assert row["high"] == pytest.approx(without["high"], abs=0.02)
    assert table.loc[("selection_rate", "overall", ""), "support"] == N


def test_groups_of_little_support_are_shown_with_a_note_and_not_compared():
    """min_support leaves a group out of gaps; its row stays."""
    groups = np.where(np.arange(N) < 3, "tiny", GROUPS)
    table = intervals(groups=groups, metrics="selection_rate", min_support=10)
    row = table.loc[("selection_rate", "group", "tiny")]
    assert row["note"] == "fewer than 10 samples"
    assert row["low"] < row["value"] < row["high"] or row["value"] in (0, 1)
    assert table.loc[("selection_rate", "difference", ""), "support"] >= 10


def test_a_reference_of_little_support_leaves_no_gap_and_says_so():
    """Nothing is compared with a group that is left out."""
    groups = np.where(np.arange(N) < 3, "tiny", GROUPS)
    table = intervals(groups=groups, metrics="selection_rate", min_support=10, compare="to_reference", reference="tiny")
    row = table.loc[("selection_rate", "difference", "")]
    assert np.isnan([row["value"], row["low"], row["high"]]).all()
    assert "reference" in row["note"]


def test_one_group_has_no_gap_and_says_so():
    """With a single group the gaps are NaN."""
    table = intervals(groups=["all"] * N, metrics=["selection_rate", "f1_score"], criteria="equalized_odds")
    rows = table.loc[table.index.get_level_values("kind").isin(["difference", "ratio"])]
    assert rows[["value", "low", "high"]].isna().all(axis=None)
    assert (rows["note"] == "fewer than two groups to compare").all()


def test_an_undefined_rate_says_why():
    """A group without positives has no true positive rate, no interval and a reason."""
    labels = np.where(GROUPS == "a", 0, LABELS)
    row = intervals(labels=labels, metrics="true_positive_rate").loc[("true_positive_rate", "group", "a")]
    assert np.isnan([row["value"], row["low"], row["high"]]).all()
    assert row["note"] == "no samples with label 1"


@pytest.mark.parametrize("share", [0, 1])
def test_ratios_of_0_have_no_interval_and_say_so(share):
    """A ratio of a rate that is 0 in a group, or in all, is noted."""
    preds = np.where(GROUPS == "a", 0, PREDS * share)
    row = intervals(preds=preds, metrics="selection_rate").loc[("selection_rate", "ratio", "")]
    assert np.isnan([row["low"], row["high"]]).all()
    assert "<= 0" in row["note"]


def test_negative_values_have_a_difference_and_no_ratio():
    """Mean errors below 0 in every group: the difference has an interval, the ratio a note."""
    labels = RNG.normal(size=N)
    table = intervals(labels=labels, preds=labels - 1 + RNG.normal(size=N) / 9, metrics="mean_error", criteria=None)
    assert table.loc[("mean_error", "difference", ""), "high"] > 0
    row = table.loc[("mean_error", "ratio", "")]
    assert np.isnan(row["low"])
    assert "<= 0" in row["note"]


def test_a_group_that_many_resamples_lack_has_no_gap_and_says_so():
    """Two samples are absent from one resample in seven: the gap of a figure that is not smoothed is not told."""
    labels = RNG.normal(size=N)
    groups = np.where(np.arange(N) < 2, "tiny", GROUPS)
    table = intervals(labels=labels, preds=labels + 1, groups=groups, metrics="mean_absolute_error", criteria=None)
    row = table.loc[("mean_absolute_error", "difference", "")]
    assert np.isnan(row["low"])
    assert "raise min_support" in row["note"]
    assert "undefined in" in table.loc[("mean_absolute_error", "group", "tiny"), "note"]


def test_resamples_that_are_all_alike_are_noted():
    """An error that is the same for everyone has an interval of no width, and the note says what that is worth."""
    labels = RNG.integers(0, 100, N).astype(float)
    table = intervals(labels=labels, preds=labels + 1, metrics="mean_absolute_error", task="regression", criteria=None)
    assert (table.loc[("mean_absolute_error", "group"), "note"] == "all resamples are alike").all()


def test_classes_that_the_data_lack_do_not_matter():
    """classes= adds empty cells: the intervals of accuracy are the same."""
    with_three = intervals(metrics="accuracy", classes=[0, 1, 2])
    plain = intervals(metrics="accuracy")
    pd.testing.assert_frame_equal(with_three.loc[("accuracy", "group")], plain.loc[("accuracy", "group")])


def test_a_table_of_evaluate_gives_the_same_intervals():
    """GroupTable.confidence_intervals is the function on the table's samples."""
    table = metric.evaluate(LABELS, PREDS, GROUPS, metrics="f1_score")
    ours = table.confidence_intervals(seed=0, n_resamples=200, criteria=[])
    pd.testing.assert_frame_equal(ours, intervals(metrics="f1_score"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": 95}, "'level'"),
        ({"n_resamples": 5}, "'n_resamples' must be at least 20"),
        ({"compare": "to_reference"}, "'reference'"),
        ({"compare": "to_reference", "reference": "nobody"}, "nobody"),
        ({"compare": "worst"}, "'compare'"),
        ({"seed": -1}, "'seed'"),
        ({"criteria": "fairness"}, "'criterion'"),
        ({"sample_weight": -WEIGHT}, "'sample_weight'"),
    ],
    ids=lambda value: None if isinstance(value, str) else next(iter(value)),
)
def test_options_that_cannot_be_used_are_named(options, message):
    """The error names the argument."""
    with pytest.raises(InputError, match=message):
        intervals(metrics="accuracy", **options)


def test_criteria_of_a_regression_are_refused():
    """Criteria compare decisions."""
    labels = RNG.normal(size=N)
    with pytest.raises(InputError, match="'criteria' must be left out for regression"):
        intervals(labels=labels, preds=labels, criteria="equalized_odds")


def test_the_calibration_error_has_no_interval_and_says_why():
    """It is biased upwards, in resamples once more: their percentiles would miss the truth."""
    rng = np.random.default_rng(0)
    scores = rng.random(400)
    labels, groups = (rng.random(400) < scores).astype(int), rng.integers(0, 2, 400)
    table = metric.confidence_intervals(
        labels, labels, groups, scores=scores, metrics="expected_calibration_error", seed=0, n_resamples=50
    )
    assert table[["low", "high"]].isna().all(axis=None)
    assert (table["note"] == "biased upwards: no interval").all()
    assert table["value"].notna().all()
