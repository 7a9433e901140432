"""fairlearn's reductions and post-processing around a GluonClassifier."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

pytest.importorskip("mxnet")
reductions = pytest.importorskip("fairlearn.reductions")
metrics = pytest.importorskip("fairlearn.metrics")
postprocessing = pytest.importorskip("fairlearn.postprocessing")
estimator = pytest.importorskip("mxfair.estimator")
GluonClassifier, GluonRegressor = estimator.GluonClassifier, estimator.GluonRegressor
gap_of = metrics.demographic_parity_difference

OPTIONS = {"epochs": 8, "batch_size": 200, "learning_rate": 0.05, "random_state": 0}


@pytest.fixture
def skewed():
    """Return 500 samples as (X, y, groups) of which one group has far fewer positives."""
    rng = np.random.default_rng(0)
    groups = np.where(rng.random(500) < 0.4, "b", "a")
    X = rng.normal(size=(500, 3))
    X[:, 1] = groups == "b"
    y = (X[:, 0] - 1.2 * X[:, 1] + rng.normal(0, 0.6, 500) > -0.2).astype(int)
    return X, y, groups


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


@pytest.mark.parametrize("net", ["logistic", (8,)], ids=str)
def test_exponentiated_gradient_bounds_the_gap(skewed, net):
    """The mixture of nets has a small demographic parity difference where the plain net has a large one."""
    X, y, groups = skewed
    plain = GluonClassifier(net, **OPTIONS).fit(X, y)
    before = gap_of(y, plain.predict(X), sensitive_features=groups)
    model = reductions.ExponentiatedGradient(
        GluonClassifier(net, **OPTIONS), reductions.DemographicParity(difference_bound=0.02), max_iter=7
    )
    model.fit(X, y, sensitive_features=groups)
    preds = model.predict(X, random_state=0)
    after = gap_of(y, preds, sensitive_features=groups)
    assert before > 0.2
    assert after < 0.5 * before
    assert len(model.predictors_) > 1


def test_exponentiated_gradient_agrees_with_that_around_scikit_learn(skewed):
    """Around a linear net it finds a mixture as accurate and as fair as around logistic regression."""
    from sklearn.linear_model import LogisticRegression

    X, y, groups = skewed
    rates = []
    for estimator in (GluonClassifier("logistic", **{**OPTIONS, "epochs": 20}), LogisticRegression()):
        model = reductions.ExponentiatedGradient(estimator, reductions.DemographicParity(), eps=0.02, max_iter=7)
        model.fit(X, y, sensitive_features=groups)
        share = model._pmf_predict(X)[:, 1]
        gap = abs(share[groups == "a"].mean() - share[groups == "b"].mean())
        rates.append((np.where(y == 1, share, 1 - share).mean(), gap))
    assert rates[0][0] == pytest.approx(rates[1][0], abs=0.03)
    assert rates[0][1] == pytest.approx(rates[1][1], abs=0.04)


def test_grid_search_finds_a_fairer_net(skewed):
    """Of the nets on the grid, one has a smaller gap than the plain one."""
    X, y, groups = skewed
    model = reductions.GridSearch(
        GluonClassifier("logistic", **OPTIONS),
        reductions.DemographicParity(),
        grid_size=7,
        selection_rule="tradeoff_optimization",
    )
    model.fit(X, y, sensitive_features=groups)
    plain = GluonClassifier("logistic", **OPTIONS).fit(X, y)
    before = gap_of(y, plain.predict(X), sensitive_features=groups)
    gaps = [gap_of(y, one.predict(X), sensitive_features=groups) for one in model.predictors_]
    assert min(gaps) < 0.6 * before
    assert model.predict(X).shape == y.shape


def test_regression_reductions_take_the_regressor(skewed):
    """BoundedGroupLoss around a GluonRegressor gives predictions for every sample."""
    X, y, groups = skewed
    model = reductions.GridSearch(
        GluonRegressor("logistic", **OPTIONS),
        reductions.BoundedGroupLoss(reductions.SquareLoss(0, 1), upper_bound=0.1),
        grid_size=3,
    )
    model.fit(X, y, sensitive_features=groups)
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize("prefit", [False, True])
def test_thresholds_are_optimized_around_it(skewed, prefit):
    """With its probabilities, the decisions of ThresholdOptimizer have equal rates."""
    X, y, groups = skewed
    net = GluonClassifier("logistic", **OPTIONS)
    plain = net.fit(X, y)
    model = postprocessing.ThresholdOptimizer(
        estimator=net, constraints="demographic_parity", prefit=prefit, predict_method="predict_proba"
    )
    model.fit(X, y, sensitive_features=groups)
    preds = model.predict(X, sensitive_features=groups, random_state=0)
    after = gap_of(y, preds, sensitive_features=groups)
    before = gap_of(y, plain.predict(X), sensitive_features=groups)
    assert after < 0.05 < before
