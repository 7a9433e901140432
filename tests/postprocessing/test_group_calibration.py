"""Calibration by group against scikit-learn's calibration of each group alone, and in the graph."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, logit, softmax
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from mxfair._validation import InputError, InputTypeError
from mxfair.metric import expected_calibration_error
from mxfair.postprocessing import GroupCalibration, PostProcessed
from mxfair.preprocessing import load_step

METHODS = ("platt", "isotonic", "temperature", "beta")


def rows(n=3000, seed=0):
    """Return probabilities that are off by group, labels and groups."""
    rng = np.random.default_rng(seed)
    groups = rng.choice(["a", "b"], n, p=[0.7, 0.3])
    z = rng.normal(0, 2, n)
    labels = (rng.random(n) < expit(z)).astype(int)
    return expit(np.where(groups == "a", 1.7 * z + 0.5, 0.5 * z - 0.4)), labels, groups


def classes_of(n=3000, seed=0):
    """Return logits of three classes that are too large in one group, labels and groups."""
    rng = np.random.default_rng(seed)
    groups = rng.choice(["a", "b"], n)
    z = rng.normal(0, 1.5, (n, 3))
    labels = (softmax(z, axis=1).cumsum(axis=1) < rng.random(n)[:, None]).sum(axis=1)
    return z * np.where(groups == "a", 3.0, 0.8)[:, None], labels, groups


def of_scikit_learn(model, method, X, y):
    """Return the probabilities of scikit-learn's calibration of a fitted model on some rows."""
    frozen = pytest.importorskip("sklearn.frozen").FrozenEstimator(model)
    return CalibratedClassifierCV(frozen, method=method, ensemble=False, cv=3).fit(X, y).predict_proba(X)


@pytest.mark.parametrize(("method", "theirs"), [("platt", "sigmoid"), ("isotonic", "isotonic")])
def test_each_group_is_calibrated_as_scikit_learn_does_it_alone(method, theirs):
    """The map of a group is CalibratedClassifierCV's on the rows of the group."""
    rng = np.random.default_rng(0)
    X, groups = rng.normal(size=(2000, 3)), rng.choice(["a", "b"], 2000)
    y = (X[:, 0] + (groups == "a") + rng.normal(size=2000) > 0.5).astype(int)
    model = (LogisticRegression() if method == "platt" else GaussianNB()).fit(X[:500], y[:500])
    scores = "log_odds" if method == "platt" else "probability"
    given = model.decision_function(X) if method == "platt" else model.predict_proba(X)[:, 1]
    ours = GroupCalibration(method, scores=scores).fit(given, y, groups).predict_proba(given, groups)
    for name in "ab":
        own = groups == name
        np.testing.assert_allclose(ours[own], of_scikit_learn(model, theirs, X[own], y[own]), atol=1e-5)


def test_temperatures_of_several_classes_are_the_best():
    """No other temperature of a group has a larger likelihood."""
    z, labels, groups = classes_of()
    fit = GroupCalibration("temperature", scores="log_odds").fit(z, labels, groups)
    for place, name in enumerate("ab"):
        own = groups == name

        def loss(b, own=own):
            return -log_softmax(b * z[own], axis=1)[np.arange(own.sum()), labels[own]].mean()

        best = minimize(loss, 1.0, tol=1e-12).x[0]
        assert fit.coefficients_[place, 0] == pytest.approx(best, rel=1e-5)
    assert fit.coefficients_[:, 0] == pytest.approx([1 / 3, 1.25], rel=0.1)
    assert (fit.errors_[:, 1] < fit.errors_[:, 0] / 2).all()
    same = GroupCalibration("temperature").fit(softmax(z, axis=1), labels, groups)
    np.testing.assert_allclose(same.predict_proba(softmax(z, axis=1), groups), fit.predict_proba(z, groups), atol=1e-4)


@pytest.mark.parametrize("method", ["platt", "temperature", "beta"])
def test_sigmoids_find_the_map_that_made_the_scores(method):
    """Scores that were bent by a map of the family come back to within chance."""
    scores, labels, groups = rows(60_000)
    if method == "temperature":
        z = logit(scores)
        scores = expit(np.where(groups == "a", (z - 0.5) / 1.7 * 2, (z + 0.4) / 0.5 * 0.6))
        expected = [[0.5, 0.5, 0.0], [1 / 0.6, 1 / 0.6, 0.0]]
    else:
        expected = [[1 / 1.7, 1 / 1.7, -0.5 / 1.7], [2.0, 2.0, 0.8]]
    fit = GroupCalibration(method).fit(scores, labels, groups)
    if method == "beta":  # whose coefficients make up for one another
        truth = expit(np.where(groups == "a", (logit(scores) - 0.5) / 1.7, (logit(scores) + 0.4) / 0.5))
        np.testing.assert_allclose(fit.transform(scores, groups), truth, atol=0.03)
    else:
        np.testing.assert_allclose(fit.coefficients_, expected, atol=0.12)


def test_many_rows_have_a_sigmoid_fit():
    """Where the likelihood's rounding hides the last steps, the gradient at the fit is nothing all the same."""
    scores, labels, groups = rows(500_000)
    fit = GroupCalibration().fit(scores, labels, groups)
    for place, name in enumerate("ab"):
        own = groups == name
        z, y = logit(scores[own]), labels[own]
        y = np.where(y == 1, (y.sum() + 1) / (y.sum() + 2), 1 / ((1 - y).sum() + 2))
        off = y - expit(fit.coefficients_[place, 0] * z + fit.coefficients_[place, 2])
        assert abs(off.mean()) < 1e-9
        assert abs((off * z).mean()) < 1e-9


@pytest.mark.parametrize("method", METHODS)
def test_errors_fall_on_other_rows(method):
    """The calibration error by group, mxfair.metric's, is smaller on rows that were not fitted."""
    calibration = GroupCalibration(method).fit(*rows())
    scores, labels, groups = rows(seed=1)
    errors = calibration.calibration_error(scores, labels, groups)
    for column, values in (("before", scores), ("after", calibration.transform(scores, groups))):
        expected = expected_calibration_error(labels, values, groups).values
        np.testing.assert_allclose(errors[column], expected)
    if method != "temperature":  # which has no intercept
        assert (errors["after"] < 0.5 * errors["before"]).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["probability", "log_odds"])
def test_the_block_gives_the_same_numbers(method, kind):
    """The block, hybridized, gives the probabilities in single precision; NaN for a group that was not fitted."""
    pytest.importorskip("mxnet")
    scores, labels, groups = rows()
    scores = scores if kind == "probability" else logit(scores)
    scores = scores.astype(np.float32).astype(float)
    calibration = GroupCalibration(method, scores=kind).fit(scores, labels, groups)
    block = calibration.as_block()
    codes = calibration.group_codes(groups)
    for _ in range(2):
        tolerance = 2e-3 if (method, kind) == ("isotonic", "log_odds") else 1e-5  # steps between neighbours
        got = block(scores, codes).asnumpy()
        np.testing.assert_allclose(got, calibration.transform(scores, groups), atol=tolerance)
        assert np.isnan(block(scores[:2, None], [2, -1]).asnumpy()).all()
        block.hybridize()


def test_the_block_of_several_classes_gives_the_same_numbers():
    """The block of a temperature takes a row of logits or probabilities a sample."""
    pytest.importorskip("mxnet")
    z, labels, groups = classes_of()
    for kind, given in (("log_odds", z), ("probability", softmax(z, axis=1))):
        calibration = GroupCalibration("temperature", scores=kind).fit(given, labels, groups)
        block = calibration.as_block()
        block.hybridize()
        got = block(given, calibration.group_codes(groups)).asnumpy()
        np.testing.assert_allclose(got, calibration.transform(given, groups), atol=1e-5)
        with pytest.raises(InputError, match="3 scores"):
            block(given[:, :2], np.zeros(len(given)))


def test_small_groups_have_the_map_of_all_rows():
    """A group below min_samples, or with one label, is calibrated with all rows, and a warning names it."""
    scores, labels, groups = rows()
    groups = np.where(np.arange(3000) < 40, "few", groups).astype("<U5")
    groups[(np.arange(3000) < 900) & (labels == 1) & (groups != "few")] = "one"
    with pytest.warns(UserWarning, match=r"'few' \(40\), 'one'"):
        fit = GroupCalibration(min_samples=50).fit(scores, labels, groups)
    assert fit.pooled_.tolist() == [False, False, True, True]
    alone = GroupCalibration().fit(scores, labels, np.full(3000, "all"))
    np.testing.assert_allclose(fit.coefficients_[2], alone.coefficients_[0], rtol=1e-6)


def test_weights_are_repeated_rows():
    """A row of weight 2 is two rows, one of weight 0 none."""
    scores, labels, groups = rows(600)
    weight = np.random.default_rng(0).integers(0, 3, 600)
    again = np.repeat(np.arange(600), weight)
    for method in METHODS:
        one = GroupCalibration(method, min_samples=1).fit(scores, labels, groups, sample_weight=weight)
        other = GroupCalibration(method, min_samples=1).fit(scores[again], labels[again], groups[again])
        np.testing.assert_allclose(one.transform(scores, groups), other.transform(scores, groups), atol=1e-5)


def test_scores_that_separate_the_labels_have_a_finite_map():
    """Platt's targets keep slopes finite."""
    scores = np.r_[np.full(200, 0.2), np.full(200, 0.8)] + np.tile(np.linspace(-0.1, 0.1, 200), 2)
    for method in METHODS:
        fit = GroupCalibration(method).fit(scores, (scores > 0.5).astype(int), np.zeros(400))
        assert np.isfinite(fit.transform(scores, np.zeros(400))).all()
        assert (fit.predict(scores, np.zeros(400)) == (scores > 0.5)).all()


def test_the_positive_class_may_be_the_first():
    """Scores of the first class give the same map as scores of the second, the other way round."""
    scores, labels, groups = rows()
    second = GroupCalibration().fit(scores, labels, groups).predict_proba(scores, groups)
    first = GroupCalibration(positive=0).fit(1 - scores, labels, groups).predict_proba(1 - scores, groups)
    np.testing.assert_allclose(first, second, atol=1e-8)


def test_a_file_gives_it_back(tmp_path):
    """What is saved maps the same when it is read."""
    scores, labels, groups = rows()
    for method in METHODS:
        fit = GroupCalibration(method).fit(scores, labels, groups)
        fit.save(tmp_path / "c.npz")
        np.testing.assert_array_equal(
            load_step(tmp_path / "c.npz").transform(scores, groups), fit.transform(scores, groups)
        )


def test_a_wrapped_classifier_is_calibrated():
    """PostProcessed gives probabilities of the classes asked for: the scores of the kind the calibration takes."""
    rng = np.random.default_rng(0)
    X, groups = rng.normal(size=(1500, 3)), rng.choice(["a", "b"], 1500)
    y = np.digitize(X[:, 0] + (groups == "a") + rng.normal(size=1500), [-0.5, 0.5])
    for kind in ("probability", "log_odds"):
        model = PostProcessed(LogisticRegression(), GroupCalibration("temperature", scores=kind), random_state=0)
        chances = model.fit(X, y, groups).predict_proba(X, groups)
        assert chances.shape == (1500, 3)
        np.testing.assert_array_equal(model.predict(X, groups), chances.argmax(axis=1))
    binary = PostProcessed(LogisticRegression(), GroupCalibration(scores="log_odds"), random_state=0)
    binary.fit(X, (y > 0).astype(int), groups)
    np.testing.assert_array_equal(binary.scores(X), binary.estimator_.decision_function(X))


def test_a_calibrated_net_is_one_block():
    """A net of three classes, calibrated by group, is a block of rows and group codes."""
    pytest.importorskip("mxnet")
    from mxfair.estimator import GluonClassifier

    z, labels, groups = classes_of(900)
    for kind in ("probability", "log_odds"):
        net = GluonClassifier("logistic", epochs=3, learning_rate=0.05, random_state=0)
        model = PostProcessed(net, GroupCalibration("temperature", scores=kind), random_state=0)
        model.fit(z.astype(np.float32), labels, groups)
        block = model.as_block()
        block.hybridize()
        got = block(*map(_nd, (z, model.postprocessor_.group_codes(groups)))).asnumpy()
        np.testing.assert_allclose(got, model.predict_proba(z.astype(np.float32), groups), atol=1e-5)


def _nd(values):
    from mxnet import nd

    return nd.array(values)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"method": "sigmoid"}, InputError, "method"),
        ({"scores": "logits"}, InputError, "scores"),
        ({"min_samples": 0}, InputError, "min_samples"),
        ({"min_samples": 2.5}, InputTypeError, "min_samples"),
        ({"positive": 7}, InputError, "positive"),
    ],
)
def test_bad_options_are_refused(options, error, match):
    """An option that cannot be used is an error that names it."""
    with pytest.raises(error, match=match):
        GroupCalibration(**options).fit(*rows(400))


def test_bad_data_is_refused():
    """Scores must be of their kind, labels of two classes, groups fitted."""
    scores, labels, groups = rows(400)
    for bad, match in ((scores * 2, "probabilities"), (np.where(scores > 0.5, np.nan, scores), "finite")):
        with pytest.raises(InputError, match=match):
            GroupCalibration().fit(bad, labels, groups)
    with pytest.raises(InputError, match="two classes"):
        GroupCalibration().fit(scores, np.zeros(400), groups)
    with pytest.raises(InputError, match="temperature"):
        GroupCalibration().fit(scores, np.arange(400) % 3, groups)
    with pytest.raises(InputError, match="column per class"):
        GroupCalibration("temperature").fit(scores, np.arange(400) % 3, groups)
    with pytest.raises(InputError, match="sum to 1"):
        GroupCalibration("temperature").fit(np.full((400, 3), 0.5), np.arange(400) % 3, groups)
    with pytest.raises(InputError, match="same length"):
        GroupCalibration().fit(scores, labels[:-1], groups)
    with pytest.raises(InputError, match="fitted first"):
        GroupCalibration().transform(scores, groups)
    fit = GroupCalibration().fit(scores, labels, groups)
    with pytest.raises(InputError, match="fitted groups"):
        fit.transform(scores, np.full(400, "z"))
    with pytest.raises(InputError, match="fitted classes"):
        fit.calibration_error(scores, labels + 5, groups)
