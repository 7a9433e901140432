"""Calibration within groups is what scikit-learn, a table by hand and a general optimiser say it is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, special, stats
from sklearn import metrics
from sklearn.calibration import calibration_curve

from mxfair._validation import InputError
from mxfair.metric import calibration, confidence_intervals, recalibration
from mxfair.metric.calibration import (
    balance_negative_class,
    balance_positive_class,
    brier_score,
    expected_calibration_error,
    log_loss,
    reliability_curve,
)
from mxfair.metric.recalibration import calibration_intercept, calibration_slope


def case(seed, n=600):
    """Return labels, probabilities that are too certain, groups and weights."""
    rng = np.random.default_rng(seed)
    groups, truth = rng.integers(0, 3, n), rng.normal(size=n)
    labels = (rng.random(n) < special.expit(truth)).astype(int)
    scores = special.expit(truth * (1 + groups) + groups / 3)
    return labels, np.round(scores, 2) if seed % 2 else scores, groups, rng.random(n)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_reliability_equals_scikit_learns_calibration_curve(seed, strategy):
    """Mean score and share of positives of each bin are scikit-learn's on the group's samples."""
    labels, scores, groups, _ = case(seed)
    table = reliability_curve(labels, scores, groups, bins=8, strategy=strategy)
    for g in range(3):
        rows = groups == g
        share, mean = calibration_curve(labels[rows], scores[rows], n_bins=8, strategy=strategy)
        own = table[table["group"] == str(g)]
        np.testing.assert_allclose(own["share positive"], share, atol=1e-12)
        np.testing.assert_allclose(own["mean score"], mean, atol=1e-12)


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_the_expected_error_is_the_mean_distance_of_the_bins(strategy):
    """The error follows from the reliability table, by group, and overall from that of everyone."""
    labels, scores, groups, weight = case(1)
    options = {"bins": 7, "strategy": strategy, "sample_weight": weight}
    figure = expected_calibration_error(labels, scores, groups, **options)
    for name, given in (("0", groups), ("1", groups), (None, np.zeros(len(labels)))):
        table = reliability_curve(labels, scores, given, **options)
        own = table if name is None else table[table["group"] == name]
        expected = np.average((own["mean score"] - own["share positive"]).abs(), weights=own["support"])
        assert (figure.overall if name is None else figure.by_group[name]) == pytest.approx(expected, abs=1e-12)


def test_a_bin_holds_its_high_end():
    """A score on a cut belongs to the bin below it, 0 to the first and 1 to the last."""
    table = reliability_curve([0, 1] * 6, [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1], ["a"] * 12)
    assert table["support"].tolist() == [2, 1, 1, 1, 1, 1, 1, 1, 1, 2]
    assert table["bin high"].tolist() == [k / 10 for k in range(1, 11)]


def test_the_interval_is_wilsons():
    """The bounds of a bin's share are SciPy's."""
    labels, scores, groups, _ = case(0)
    row = reliability_curve(labels, scores, groups, level=0.9).iloc[4]
    count, n = round(row["share positive"] * row["support"]), int(row["support"])
    expected = stats.binomtest(count, n).proportion_ci(0.9, method="wilson")
    assert (row["interval low"], row["interval high"]) == pytest.approx((expected.low, expected.high))


def clipped_log_loss(labels, scores, weight):
    """Return the log loss of scores clipped at their type's eps; old versions of scikit-learn clip at 1e-15."""
    eps = np.finfo(scores.dtype).eps
    wide = np.clip(scores, eps, 1 - eps).astype(float)
    return np.average(-np.log(np.where(labels == 1, wide, 1 - wide)), weights=weight)


def test_the_log_loss_of_uncertain_scores_equals_scikit_learn():
    """Away from 0 and 1, where nothing is clipped, it is scikit-learn's."""
    labels, scores, groups, weight = case(1)
    scores = np.clip(scores, 1e-6, 1 - 1e-6)
    loss = log_loss(labels, scores, groups, sample_weight=weight)
    assert loss.overall == pytest.approx(metrics.log_loss(labels, scores, sample_weight=weight), rel=1e-12)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_proper_scores_of_certain_scores(seed, dtype):
    """Brier score and log loss with weights and scores of exactly 0 and 1."""
    labels, scores, groups, weight = case(seed)
    scores = scores.astype(dtype)
    scores[:6] = [0, 1, 0, 1, 0, 1]
    brier = brier_score(labels, scores, groups, sample_weight=weight)
    loss = log_loss(labels, scores, groups, sample_weight=weight)
    for g in range(3):
        rows = groups == g
        given = labels[rows], scores[rows]
        assert brier.values[g] == pytest.approx(metrics.brier_score_loss(*given, sample_weight=weight[rows]), rel=1e-6)
        assert loss.values[g] == pytest.approx(clipped_log_loss(*given, weight[rows]), rel=1e-5)
    assert brier.overall == pytest.approx(metrics.brier_score_loss(labels, scores, sample_weight=weight), rel=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_balance_is_the_mean_score_of_a_label(weighted):
    """Means of the positives and of the negatives by group, with their number."""
    labels, scores, groups, weight = case(2)
    given = weight if weighted else None
    for figure, label in ((balance_positive_class, 1), (balance_negative_class, 0)):
        result = figure(labels, scores, groups, sample_weight=given)
        rows = (groups == 1) & (labels == label)
        expected = np.average(scores[rows], weights=weight[rows] if weighted else None)
        assert result.values[1] == pytest.approx(expected)
        assert result.support[1] == pytest.approx(weight[rows].sum() if weighted else rows.sum())


def test_balance_takes_any_finite_scores():
    """Logits have means too."""
    assert balance_positive_class([1, 1], [-3.0, 5.0], ["a", "a"]).overall == 1


def test_balance_of_a_label_that_a_group_lacks_says_so():
    """NaN, with the reason."""
    assert balance_positive_class([0, 1], [0.1, 0.2], ["a", "b"]).undefined == {"a": "no positive samples"}


# Recalibration


def fitted(labels, scores, weight, free_slope):
    """Return intercept and slope from a general optimiser."""
    logits = special.logit(scores)

    def loss(place):
        value = place[0] + (place[1] if free_slope else 1) * logits
        return weight @ (np.logaddexp(0, value) - labels * value)

    return optimize.minimize(loss, [0.1, 1.1][: 1 + free_slope], method="BFGS", options={"gtol": 1e-9}).x


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("weighted", [False, True])
def test_slope_and_intercepts_maximise_the_likelihood(seed, weighted):
    """A general optimiser finds the same coefficients, with and without a free slope."""
    labels, scores, groups, weight = case(2 * seed)
    given = weight if weighted else None
    slope = calibration_slope(labels, scores, groups, sample_weight=given)
    joint = calibration_intercept(labels, scores, groups, free_slope=True, sample_weight=given)
    alone = calibration_intercept(labels, scores, groups, sample_weight=given)
    for g in range(3):
        rows = groups == g
        mass = weight[rows] if weighted else np.ones(rows.sum())
        both = fitted(labels[rows], scores[rows], mass, True)
        assert (joint.values[g], slope.values[g]) == pytest.approx(tuple(both), abs=1e-5)
        assert alone.values[g] == pytest.approx(fitted(labels[rows], scores[rows], mass, False)[0], abs=1e-5)


def test_overconfident_scores_have_a_slope_below_one():
    """Logits that are twice and three times too large have slopes near 1/2 and 1/3."""
    labels, scores, groups, _ = case(0, n=60_000)
    np.testing.assert_allclose(calibration_slope(labels, scores, groups).values, [1, 1 / 2, 1 / 3], atol=0.03)


def test_a_constant_score_has_the_intercept_of_its_odds():
    """Of scores of 1/2 with 3 positives in 4, the intercept is ln 3, and no slope exists."""
    labels, scores = [0, 1, 1, 1], [0.5] * 4
    assert calibration_intercept(labels, scores, ["a"] * 4).values[0] == pytest.approx(np.log(3), abs=1e-12)
    assert "infinite or any" in calibration_slope(labels, scores, ["a"] * 4).undefined["a"]


def test_certain_scores_that_agree_do_not_matter():
    """A 0 of a negative and a 1 of a positive leave the fit as it is."""
    labels, scores, groups, _ = case(0)
    more = np.append(labels, [0, 1]), np.append(scores, [0, 1]), np.append(groups, [0, 0])
    for figure in (calibration_slope, calibration_intercept):
        np.testing.assert_array_equal(figure(*more).values, figure(labels, scores, groups).values)


def test_a_certain_score_that_is_wrong_leaves_no_fit():
    """One positive scored 0 has an infinite logit of the wrong sign: NaN, and the reason counts it."""
    labels, scores, groups, _ = case(0)
    more = np.append(labels, 1), np.append(scores, 0), np.append(groups, 1)
    figure = calibration_slope(*more)
    assert figure.undefined == {"1": "1 scores of exactly 0 or 1 contradict the label"}
    assert np.isnan(figure.overall)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [([0, 0, 1, 1], "separate"), ([1, 1, 0, 0], "separate"), ([1] * 4, "no negative"), ([0] * 4, "no positive")],
)
def test_labels_that_are_separated_or_absent_have_no_slope(labels, reason):
    """The slope would be infinite, or nothing is there to fit."""
    assert reason in calibration_slope(labels, [0.1, 0.2, 0.3, 0.4], ["a"] * 4).undefined["a"]


def test_weights_of_zero_are_absent_samples():
    """A sample without weight cannot contradict anything."""
    labels, scores, weight = [0, 1, 1, 0, 1], [0.2, 0.1, 0.6, 0.5, 0.0], [1, 1, 1, 1, 0]
    expected = calibration_slope(labels[:4], scores[:4], ["a"] * 4).overall
    assert calibration_slope(labels, scores, ["a"] * 5, sample_weight=weight).overall == pytest.approx(expected)


@pytest.mark.parametrize("logit", [-30, -700, 30])
def test_scores_far_from_the_labels_are_fitted(logit):
    """The step is shortened where the likelihood is flat: an intercept of 30 or 700 is found."""
    scores = special.expit(np.full(8, float(logit)))
    found = calibration_intercept([0, 1] * 4, scores, ["a"] * 8).overall
    assert found == pytest.approx(-special.logit(scores[0]), rel=1e-6)


PROBABILITIES = [expected_calibration_error, reliability_curve, brier_score, log_loss, calibration_slope]


@pytest.mark.parametrize("figure", [*PROBABILITIES, calibration_intercept])
@pytest.mark.parametrize("score", [-0.1, 1.5, np.nan])
def test_what_is_no_probability_is_refused(figure, score):
    """Logits and NaN are errors."""
    with pytest.raises(InputError, match=r"'scores' must be (between 0 and 1|finite)"):
        figure([0, 1], [0.5, score], ["a", "b"])


@pytest.mark.parametrize(
    ("options", "message"), [({"bins": 0}, "'bins'"), ({"strategy": "even"}, "strategy"), ({"level": 1.0}, "'level'")]
)
def test_bad_options_are_refused(options, message):
    """Bins, strategy and level are checked."""
    with pytest.raises(InputError, match=message):
        reliability_curve([0, 1], [0.5, 0.6], ["a", "b"], **options)


def test_every_public_name_is_tested_here():
    """The lists of names of the two modules are those imported above."""
    assert {*calibration.__all__, *recalibration.__all__} <= set(globals())


def test_the_expected_calibration_error_has_no_bootstrap_interval():
    """It is biased upwards in every resample, so that an interval would miss the truth where scores are calibrated."""
    rng = np.random.default_rng(0)
    scores = rng.random(400)
    labels = (rng.random(400) < scores).astype(int)
    name = "expected_calibration_error"
    given = labels, (scores > 0.5).astype(int), np.arange(400) % 2
    table = confidence_intervals(*given, metrics=name, criteria=[], scores=scores, n_resamples=50, seed=0)
    assert not table["value"].isna().any()
    assert table[["low", "high"]].isna().all(axis=None)
    assert table["note"].all()
