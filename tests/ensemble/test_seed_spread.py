"""seed_spread and SeedSpread: figures of members on the same rows, and what their spread is due to."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, mean_absolute_error, r2_score

from mxfair import Criterion, GroupConfusion
from mxfair._validation import InputError, InputTypeError
from mxfair.ensemble import SeedEnsembleClassifier, SeedEnsembleRegressor, SeedSpread, StackedEnsemble, seed_spread
from mxfair.estimator import GluonClassifier, GluonRegressor
from mxfair.metric import confidence_intervals


def members(count=4, rows=600, classes=2, seed=0):
    """Return decisions of several members, labels and groups; the members err independently."""
    rng = np.random.default_rng(seed)
    groups, labels = rng.integers(0, 3, rows), rng.integers(0, classes, rows)
    wrong = rng.random((count, rows)) < 0.15 + 0.1 * (groups == 2)
    preds = np.where(wrong, rng.integers(0, classes, (count, rows)), labels)
    return preds, labels, np.array(["a", "b", "c"])[groups]


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("criterion", ["demographic_parity", "equalized_odds", Criterion("x", "accuracy", agg="mean")])
def test_figures_of_members_are_those_of_their_tables(criterion, classes):
    """Accuracy is scikit-learn's, and the gap that of the criterion, for each member and for the ensemble."""
    from mxfair.criterion import criterion_named

    preds, labels, groups = members(classes=classes)
    spread = SeedSpread.of(preds, labels, groups, criterion, combined=preds[1], n_resamples=20, random_state=0)
    gap = [criterion_named(criterion).difference(GroupConfusion.of(labels, one, groups)) for one in preds]
    np.testing.assert_allclose(spread.gap, gap)
    np.testing.assert_allclose(spread.score, [accuracy_score(labels, one) for one in preds])
    np.testing.assert_allclose(spread.combined[:2], [spread.score[1], spread.gap[1]])


def test_the_spread_is_that_of_the_gaps():
    """Mean, standard deviation, range and quantiles are NumPy's, in properties and in the summary."""
    preds, labels, groups = members(6)
    spread = SeedSpread.of(preds, labels, groups, n_resamples=20, random_state=0)
    assert spread.mean == pytest.approx(spread.gap.mean())
    assert spread.sd == pytest.approx(spread.gap.std(ddof=1))
    assert spread.range == (spread.gap.min(), spread.gap.max())
    np.testing.assert_allclose(spread.quantiles([0.1, 0.5]), np.quantile(spread.gap, [0.1, 0.5]))
    summary = spread.summary()
    assert summary.loc["gap", "sd"] == pytest.approx(spread.sd)
    assert summary.loc["accuracy", "0.95"] == pytest.approx(np.quantile(spread.score, 0.95))


def test_a_standard_error_is_that_of_resampled_rows():
    """Draws of patterns give the standard errors and the rows' part that resampling row by row gives."""
    preds, labels, groups = members(3, 300)
    spread = SeedSpread.of(preds, labels, groups, "demographic_parity", n_resamples=4000, random_state=0)
    rng, gaps = np.random.default_rng(1), []
    codes = np.unique(groups, return_inverse=True)[1]
    for _ in range(4000):
        rows = rng.integers(300, size=300)
        counts = np.bincount(codes[rows], minlength=3)
        rates = [np.bincount(codes[rows], weights=one[rows], minlength=3) / counts for one in preds]
        gaps.append([rate.max() - rate.min() for rate in rates])
    gaps = np.array(gaps)
    np.testing.assert_allclose(spread.standard_error, gaps.std(axis=0, ddof=1), rtol=0.06)
    errors = gaps - gaps.mean(axis=0)
    assert spread.rows_sd["gap"] == pytest.approx(np.sqrt(errors.var(axis=1, ddof=1).mean()), rel=0.06)


def test_intervals_are_those_of_the_metrics():
    """A member's interval is that of confidence_intervals, up to the random numbers."""
    preds, labels, groups = members(2)
    spread = SeedSpread.of(preds, labels, groups, "demographic_parity", n_resamples=3000, random_state=0)
    table = confidence_intervals(labels, preds[1], groups, criteria="demographic_parity", n_resamples=3000, seed=1)
    row = table.xs(("demographic_parity", "difference"), level=(0, 1)).iloc[0]
    assert (spread.low[1], spread.high[1]) == pytest.approx((row["low"], row["high"]), abs=0.015)


def simulated(rates, rng, rows=800):
    """Return decisions with given selection rates of two groups, on uniforms that members share in part."""
    groups = np.repeat([0, 1], rows // 2)
    shared, own = rng.random(rows), rng.random((len(rates), rows))
    uniform = np.where(rng.random(rows) < 0.5, shared, own)  # members' errors are correlated
    return (uniform < np.asarray(rates)[:, groups]).astype(int), rng.integers(0, 2, rows), groups


@pytest.mark.slow
@pytest.mark.parametrize("gaps", [[0.2] * 4, [0.1, 0.16, 0.22, 0.28]])
def test_the_seeds_part_is_the_spread_of_the_true_gaps(gaps):
    """Over many samples of rows, the variance less the rows' part is the variance of the true gaps, 0 where equal."""
    rng, parts = np.random.default_rng(0), []
    for _ in range(30):
        preds, labels, groups = simulated([(0.3, 0.3 + gap) for gap in gaps], rng)
        spread = SeedSpread.of(preds, labels, groups, "demographic_parity", n_resamples=50, random_state=rng)
        parts.append((spread.sd**2, spread.rows_sd["gap"] ** 2))
    total, rows = np.mean(parts, axis=0)
    truth = np.var(gaps, ddof=1)
    error = np.std([a - b for a, b in parts], ddof=1) / np.sqrt(len(parts))
    assert abs(total - rows - truth) < 3 * error
    assert truth or rows > 3 * error  # there is something to take off


def test_what_members_share_is_no_spread():
    """Members that decide alike have no spread, whatever the standard error of their gap."""
    preds, labels, groups = members(1)
    spread = SeedSpread.of(np.repeat(preds, 3, axis=0), labels, groups, n_resamples=50, random_state=0)
    assert spread.sd == spread.seeds_sd == 0
    assert spread.rows_sd["gap"] < 1e-12
    assert np.isnan(spread.rows_share)
    assert (spread.standard_error > 0).all()
    assert spread.ambiguity.overall == spread.discrepancy.overall == spread.disagreement.overall == 0


@pytest.mark.parametrize("epsilon", [None, 0.02])
def test_multiplicity_is_that_of_the_paper(epsilon):
    """Ambiguity and discrepancy follow their definitions, by group and over all, for the members within epsilon."""
    preds, labels, groups = members(5, classes=3)
    accuracy = (preds == labels).mean(axis=1)
    base = int(accuracy.argmax())
    near = [k for k in range(5) if epsilon is None or accuracy[k] >= accuracy[base] - epsilon]
    spread = SeedSpread.of(preds, labels, groups, epsilon=epsilon, n_resamples=20, random_state=0)
    assert spread.baseline == base
    assert 1 < len(near) <= 5
    for rows, place in [(groups == "b", 1), (np.full(len(groups), True), None)]:
        conflicts = np.array([preds[k, rows] != preds[base, rows] for k in near])
        pairs = [np.mean(preds[j, rows] != preds[k, rows]) for j in near for k in near if j < k]
        for metric, value in [
            (spread.ambiguity, conflicts.any(axis=0).mean()),
            (spread.discrepancy, conflicts.mean(axis=1).max()),
            (spread.disagreement, np.mean(pairs)),
        ]:
            assert (metric.overall if place is None else metric.values[place]) == pytest.approx(value)


def test_the_baseline_may_be_chosen():
    """With all members compared, ambiguity does not hang on the baseline, and discrepancy does."""
    preds, labels, groups = members(4)
    spreads = [SeedSpread.of(preds, labels, groups, baseline=k, n_resamples=20, random_state=0) for k in range(4)]
    assert len({spread.ambiguity.overall for spread in spreads}) == 1
    assert len({spread.discrepancy.overall for spread in spreads}) > 1


def test_a_group_without_a_rate_is_left_out_and_named():
    """Where a group has no positive label its true positive rate is in no gap, and the repr says so."""
    preds, labels, groups = members(3)
    labels[groups == "c"] = 0
    spread = SeedSpread.of(preds, labels, groups, n_resamples=20, random_state=0)
    assert spread.undefined == {"c": "true_positive_rate"}
    assert "not compared: c (true_positive_rate)" in repr(spread)


def test_what_cannot_be_measured_is_nan():
    """Where fewer than two groups have a rate, gaps and their spread are NaN; multiplicity is there."""
    preds, labels, groups = members(3)
    labels[groups != "c"] = 0
    spread = SeedSpread.of(preds, labels, groups, "equal_opportunity", n_resamples=20, random_state=0)
    assert np.isnan(spread.gap).all()
    assert np.isnan([spread.sd, spread.seeds_sd, spread.rows_share, *spread.standard_error]).all()
    assert spread.ambiguity.overall > 0
    assert "nan" in repr(spread)


def test_samples_of_unknown_group_are_left_out_of_gaps():
    """Rows without a group count for accuracy and multiplicity, and not for the gap."""
    preds, labels, groups = members(3)
    missing = groups.astype(object)
    missing[groups == "c"] = None
    spread = SeedSpread.of(preds, labels, missing, "demographic_parity", n_resamples=20, random_state=0)
    kept = groups != "c"
    without = SeedSpread.of(preds[:, kept], labels[kept], groups[kept], "demographic_parity", n_resamples=20)
    np.testing.assert_allclose(spread.gap, without.gap)
    assert spread.n_samples == len(labels)


def test_tables_have_a_row_for_each_member_and_each_group():
    """The frame names what is largest in each member, and the table by group ends with all samples."""
    preds, labels, groups = members(3)
    spread = SeedSpread.of(preds, labels, groups, "demographic_parity", n_resamples=20, random_state=0)
    frame, by_group = spread.to_frame(), spread.by_group()
    table = GroupConfusion.of(labels, preds[0], groups)
    (gap,) = Criterion("p", "selection_rate").gaps(table)
    assert frame.loc[0, "largest"] == f"selection_rate: {gap.high} > {gap.low}"
    assert by_group.index.tolist() == ["a", "b", "c", "all"]
    assert by_group.loc["all", "samples"] == len(labels)
    assert f"{spread.gap.mean():.4f}" in repr(spread)


@pytest.fixture(scope="module")
def fitted():
    """Return a fitted seed ensemble and held-out rows."""
    rng = np.random.default_rng(0)
    X, groups = rng.normal(size=(500, 4)), rng.integers(0, 2, 500)
    y = np.array(["no", "yes"])[(X[:, 0] + 0.5 * groups + rng.normal(size=500) > 0.25).astype(int)]
    template = GluonClassifier((6,), learning_rate=0.02, epochs=4, criterion="demographic_parity")
    model = SeedEnsembleClassifier(template, n_estimators=4, random_state=0).fit(X[:250], y[:250])
    return model, X[250:], y[250:], groups[250:]


def test_the_members_of_an_ensemble_are_those_of_a_loop(fitted):
    """The method, the function, and a list of separate fits give the same figures; the ensemble has its own."""
    model, X, y, groups = fitted
    spread = model.seed_spread(X, y, groups, n_resamples=20, random_state=0)
    rng = np.random.default_rng(0)
    train = rng.normal(size=(500, 4))
    sex = rng.integers(0, 2, 500)
    labels = np.array(["no", "yes"])[(train[:, 0] + 0.5 * sex + rng.normal(size=500) > 0.25).astype(int)]
    loop = [
        GluonClassifier((6,), learning_rate=0.02, epochs=4, random_state=int(seed)).fit(train[:250], labels[:250])
        for seed in model.seeds_[:, 0]
    ]
    other = seed_spread(loop, X, y, groups, "demographic_parity", n_resamples=20, random_state=0)
    np.testing.assert_allclose(spread.score, other.score)
    np.testing.assert_allclose(spread.gap, other.gap)
    assert spread.criterion == "demographic_parity"
    assert spread.combined[0] == pytest.approx(model.score(X, y))
    assert other.combined is None


def test_any_fitted_classifiers_can_be_compared():
    """A list may hold estimators of scikit-learn."""
    preds, labels, groups = members(1)
    X = np.column_stack([preds[0], groups == "a"])
    models = [LogisticRegression(C=c).fit(X[:300], labels[:300]) for c in (0.001, 1.0)]
    spread = seed_spread(models, X[300:], labels[300:], groups[300:], "demographic_parity", n_resamples=20)
    np.testing.assert_allclose(spread.score, [one.score(X[300:], labels[300:]) for one in models])


@pytest.mark.parametrize("criterion", ["mean_absolute_error", "mean_prediction", "mean_error", "mean_squared_error"])
def test_regressors_have_gaps_of_means(criterion):
    """Scores are scikit-learn's R2, gaps those of the metric of the same name."""
    from mxfair import metric

    rng = np.random.default_rng(0)
    groups, labels = rng.integers(0, 3, 400), rng.normal(size=400)
    preds = labels + rng.normal(size=(3, 400)) * (0.2 + 0.1 * groups)
    spread = SeedSpread.of(preds, labels, groups, criterion, n_resamples=200, random_state=0)
    figure = getattr(metric.regression, criterion)
    np.testing.assert_allclose(spread.score, [r2_score(labels, one) for one in preds])
    np.testing.assert_allclose(spread.gap, [figure(labels, one, groups).difference() for one in preds])
    assert spread.disagreement.overall == pytest.approx(preds.std(axis=0, ddof=1).mean())
    assert spread.ambiguity is None
    table = confidence_intervals(labels, preds[0], groups, metrics=criterion, n_resamples=1000, seed=0)
    row = table.xs("difference", level="kind").iloc[0]
    assert (spread.low[0], spread.high[0]) == pytest.approx((row["low"], row["high"]), abs=0.05)


def test_a_seed_ensemble_of_regressors_is_asked_for_values():
    """The method's gap is the difference of mean absolute errors of each member."""
    rng = np.random.default_rng(0)
    X, groups = rng.normal(size=(300, 3)), rng.integers(0, 2, 300)
    y = X[:, 0] + 0.3 * groups
    model = SeedEnsembleRegressor(GluonRegressor((4,), epochs=2), n_estimators=3, random_state=0).fit(X, y)
    spread = model.seed_spread(X, y, groups, n_resamples=20, random_state=0)
    scores = model.net_.member_scores(X.astype("float32"))[..., 0]
    errors = [[mean_absolute_error(y[groups == g], one[groups == g]) for g in (0, 1)] for one in scores]
    np.testing.assert_allclose(spread.gap, [abs(a - b) for a, b in errors], rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"preds": []}, "at least|must hold a row"),
        ({"labels": [0, 1]}, "same length"),
        ({"baseline": 7}, "'baseline'"),
        ({"epsilon": -1}, "'epsilon'"),
        ({"level": 2}, "level"),
        ({"criterion": "fairness"}, "must be one of"),
        ({"combined": [1, 0]}, "same length"),
    ],
)
def test_bad_input_is_refused(change, message):
    """Lengths, names and numbers that cannot be used are errors in words."""
    preds, labels, groups = members(2)
    given = {"preds": preds, "labels": labels, "groups": groups, **change}
    with pytest.raises(InputError, match=message):
        SeedSpread.of(**given)


def test_a_file_has_no_members_to_ask(fitted, tmp_path):
    """An ensemble that was read from a file is one graph; the error says what to do."""
    model, X, y, groups = fitted
    model.save(tmp_path / "model.npz")
    with pytest.raises(InputError, match="pickle the ensemble"):
        seed_spread(SeedEnsembleClassifier.load(tmp_path / "model.npz"), X, y, groups)
    with pytest.raises(InputTypeError, match="'model'"):
        seed_spread(StackedEnsemble, X, y, groups)
