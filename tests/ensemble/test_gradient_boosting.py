"""Gradient boosting of nets: fits to residuals, steps, early stopping, stages."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LinearRegression
from sklearn.metrics import log_loss, mean_squared_error

import mxfair  # noqa: F401  before mxnet

mx = pytest.importorskip("mxnet")

from mxfair._validation import InputError  # noqa: E402
from mxfair.ensemble import GradientBoostingClassifier, GradientBoostingRegressor  # noqa: E402
from mxfair.ensemble import _gradient_boosting as shared  # noqa: E402
from mxfair.ensemble._objectives import LogLoss, SoftmaxLoss, SquaredError  # noqa: E402
from mxfair.estimator import GluonRegressor  # noqa: E402
from mxfair.preprocessing import Reweighing  # noqa: E402


@pytest.fixture(scope="module")
def rows():
    """Return 300 samples, values that are no linear function, and what two and three classes make of them."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(300, 3)).astype("float32")
    values = X[:, 0] * X[:, 1] + X[:, 2] + rng.normal(0, 0.3, 300)
    return X, values, (values > 0.2).astype(int), np.digitize(values, [-0.6, 0.6])


def small(**options):
    """Return the template of a small net."""
    return GluonRegressor(**{"net": (8,), "epochs": 3, "learning_rate": 0.03, "batch_size": 50, **options})


def linear(n_rows, **options):
    """Return the template of a linear net that is trained alike each time, to near the optimum."""
    net = mx.gluon.nn.Dense(1, in_units=3)
    net.initialize(mx.init.Zero())
    return small(
        **{"net": net, "optimizer": "sgd", "learning_rate": 0.5, "epochs": 40, "batch_size": n_rows, **options}
    )


def losses_of(name):
    """Return a loss of 40 rows, scores and weights."""
    rng = np.random.default_rng(5)
    weight = rng.uniform(0, 2, 40)
    weight /= weight.mean()
    if name == "squared":
        return SquaredError(rng.normal(size=(40, 2))), rng.normal(size=(40, 2)), weight
    if name == "log":
        return LogLoss(rng.integers(0, 2, 40)), rng.normal(size=(40, 1)), weight
    return SoftmaxLoss(rng.integers(0, 3, 40), 3), rng.normal(size=(40, 3)), weight


@pytest.mark.parametrize(("name", "factor"), [("squared", 2.0), ("log", 1.0), ("softmax", 1.0)])
def test_residuals_are_the_negative_gradient(name, factor):
    """Of each row and output, by differences of the loss; half of it for the squared error."""
    loss, scores, _ = losses_of(name)
    residuals, equal = loss.residuals(scores), np.ones(40)
    for row, column in ((0, 0), (7, scores.shape[1] - 1)):
        ends = []
        for step in (1e-5, -1e-5):
            moved = scores.copy()
            moved[row, column] += step
            ends.append(40 * loss.value(moved, equal))
        assert residuals[row, column] * factor == pytest.approx(-(ends[0] - ends[1]) / 2e-5, abs=1e-6)


@pytest.mark.parametrize("name", ["squared", "log", "softmax"])
def test_the_base_score_is_the_best_constant(name):
    """The weighted residuals of the base score have the mean 0."""
    loss, _, weight = losses_of(name)
    residuals = loss.residuals(np.tile(loss.base(weight), (40, 1)))
    np.testing.assert_allclose(weight @ residuals, 0, atol=1e-9)


@pytest.mark.parametrize("name", ["squared", "log", "softmax"])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_step_is_the_best_along_its_direction(name, sign):
    """As SciPy's scalar minimizer finds it, backwards too."""
    loss, scores, weight = losses_of(name)
    direction = sign * loss.residuals(scores) + np.random.default_rng(1).normal(0, 1, scores.shape)
    found = minimize_scalar(lambda step: loss.value(scores + step * direction, weight))
    assert loss.step(scores, direction, weight) == pytest.approx(found.x, abs=1e-4)


def test_a_step_has_a_bound_where_rows_are_separated():
    """A net that tells all rows apart would be followed without end."""
    loss = LogLoss(np.array([0, 1]))
    assert loss.step(np.zeros((2, 1)), np.array([[-1.0], [1.0]]), np.ones(2)) == 16.0
    assert loss.step(np.zeros((2, 1)), np.zeros((2, 1)), np.ones(2)) == 0.0


def test_a_stage_fits_what_is_left(rows):
    """With the learning rate 1, predictions are those of nets fitted one by one to residuals of unit size."""
    X, values, _, _ = rows
    template = linear(len(X), epochs=3)  # few: something is left for the second stage
    model = GradientBoostingRegressor(template, n_estimators=3, learning_rate=1.0, random_state=0).fit(X, values)
    target = values.astype("float32").astype(float)
    total = np.full(len(X), target.mean())
    for _ in range(3):
        left = target - total
        fitted = linear(len(X), epochs=3).fit(X, left / np.sqrt((left**2).mean()))
        part = fitted.predict(X)
        total = total + (part @ left) / (part @ part) * part
    np.testing.assert_allclose(model.predict(X), total, atol=1e-4)


def test_linear_nets_add_up_to_least_squares(rows):
    """A sum of linear nets is linear: a few stages find the regression."""
    X, values, _, _ = rows
    model = GradientBoostingRegressor(linear(len(X)), n_estimators=3, learning_rate=1.0, random_state=0).fit(X, values)
    np.testing.assert_allclose(model.predict(X), LinearRegression().fit(X, values).predict(X), atol=1e-3)


@pytest.mark.parametrize("kind", ["values", "two", "three"])
def test_each_stage_lowers_the_loss(rows, kind):
    """The line search takes no step that raises the training loss."""
    X, values, two, three = rows
    model = (GradientBoostingRegressor if kind == "values" else GradientBoostingClassifier)(
        small(), n_estimators=6, learning_rate=1.0, random_state=0
    )
    model.fit(X, {"values": values, "two": two, "three": three}[kind])
    assert (np.diff(model.train_score_) <= 1e-9).all()
    assert model.train_score_[-1] < 0.9 * model.train_score_[0]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_stages_end_with_the_whole(rows, n_classes):
    """There is a stage for each net; the last is what the model says, and their losses are train_score_."""
    X, y = rows[0], np.array(["a", "b", "c"])[rows[n_classes]]
    model = GradientBoostingClassifier(small(), n_estimators=4, learning_rate=0.5, random_state=0).fit(X, y)
    chances = list(model.staged_predict_proba(X))
    np.testing.assert_allclose([log_loss(y, p) for p in chances], model.train_score_, atol=1e-4)
    np.testing.assert_allclose(chances[-1], model.predict_proba(X), atol=1e-5)
    np.testing.assert_array_equal(list(model.staged_predict(X))[-1], model.predict(X))
    np.testing.assert_allclose(list(model.staged_decision_function(X))[-1], model.decision_function(X), atol=1e-4)


def test_stages_of_a_regression(rows):
    """Their errors are train_score_."""
    X, values, _, _ = rows
    model = GradientBoostingRegressor(small(), n_estimators=4, random_state=0).fit(X, values)
    found = [mean_squared_error(values, stage) for stage in model.staged_predict(X)]
    np.testing.assert_allclose(found, model.train_score_, rtol=1e-4)
    np.testing.assert_allclose(list(model.staged_predict(X))[-1], model.predict(X), atol=1e-5)


def test_early_stopping_keeps_the_best_stage(rows):
    """Labels without a pattern: it stops after so many stages without improvement, and keeps up to the best."""
    X = rows[0]
    y = np.random.default_rng(0).integers(0, 2, len(X))
    model = GradientBoostingClassifier(
        small(epochs=8), n_estimators=40, learning_rate=1.0, early_stopping=True, n_iter_no_change=3, random_state=0
    ).fit(X, y)
    losses = model.validation_score_
    assert len(losses) < 40
    assert model.n_estimators_ == losses.argmin() + 1 == len(model.net_.nets)
    assert len(model.train_score_) == len(losses)


def test_held_out_rows_are_of_each_cell(rows, monkeypatch):
    """The same share of each (label, group) cell is held out."""
    X, _, y, _ = rows
    groups = np.where(np.arange(len(y)) % 5 == 0, "few", "many")
    seen = []
    whole = shared.split

    def watched(estimator, data, rng):
        parts = whole(estimator, data, rng)
        seen.extend((data.cells, parts[1]))
        return parts

    monkeypatch.setattr(shared, "split", watched)
    options = {"early_stopping": True, "validation_fraction": 0.2, "random_state": 0}
    GradientBoostingClassifier(small(epochs=1), n_estimators=1, **options).fit(X, y, groups=groups)
    cells, held = seen
    share = np.bincount(cells[held], minlength=4) / np.bincount(cells, minlength=4)
    np.testing.assert_allclose(share, 0.2, atol=0.05)


def test_the_base_score_counts_weights(rows):
    """Rows of weight 0 do not count."""
    X, values, y, _ = rows
    weight = (np.arange(len(X)) % 3 > 0).astype(float)
    model = GradientBoostingRegressor(small(epochs=1), n_estimators=1, random_state=0)
    model.fit(X, values, sample_weight=weight)
    assert model.net_.bias.data().asscalar() == pytest.approx(values[weight > 0].mean(), abs=1e-5)
    model = GradientBoostingClassifier(small(epochs=1), n_estimators=1, random_state=0).fit(X, y, sample_weight=weight)
    rate = y[weight > 0].mean()
    assert model.net_.bias.data().asscalar() == pytest.approx(np.log(rate / (1 - rate)), abs=1e-5)


def test_the_unit_of_the_target_does_not_matter(rows):
    """A target in other units gives predictions in these."""
    X, values, _, _ = rows
    fits = [
        GradientBoostingRegressor(small(), n_estimators=3, random_state=0).fit(X, scale * values) for scale in (1, 1024)
    ]
    np.testing.assert_allclose(fits[1].predict(X), 1024 * fits[0].predict(X), rtol=1e-2, atol=2)


def test_a_constant_target_is_predicted(rows):
    """Nothing is left after the mean."""
    model = GradientBoostingRegressor(small(), n_estimators=3, random_state=0).fit(rows[0], np.full(300, 7.0))
    np.testing.assert_allclose(model.predict(rows[0]), 7.0, atol=1e-5)
    assert model.n_estimators_ == 1


def test_several_columns_share_nets(rows):
    """A target of two columns is predicted by nets with two outputs."""
    X, values, _, _ = rows
    target = np.column_stack([values, X[:, 0]])
    model = GradientBoostingRegressor(small(), n_estimators=8, learning_rate=0.5, random_state=0).fit(X, target)
    assert model.predict(X).shape == (300, 2)
    assert model.score(X, target) > 0.6


def test_subsamples_are_drawn_anew(rows, monkeypatch):
    """A stage is fitted to its share of the rows, others each time, with their weights."""
    X, _, y, _ = rows
    seen = []
    train = shared.Rounds.train

    def watched(self, number, **changed):
        seen.append(changed)
        return train(self, number, **changed)

    monkeypatch.setattr(shared.Rounds, "train", watched)
    weight = 1.0 + np.arange(len(X)) / len(X)
    options = {"n_estimators": 3, "subsample": 0.4, "random_state": 0}
    model = GradientBoostingClassifier(small(epochs=1), **options).fit(X, y, sample_weight=weight)
    assert [len(one["X"]) for one in seen] == [120, 120, 120]
    assert not np.array_equal(seen[0]["X"], seen[1]["X"])
    places = [np.flatnonzero((row == X).all(axis=1))[0] for row in seen[1]["X"]]
    np.testing.assert_array_equal(seen[1]["weight"], weight[places])
    again = GradientBoostingClassifier(small(epochs=1), **options).fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(model.predict_proba(X), again.predict_proba(X))


def test_reweighing_is_of_labels_and_groups(rows):
    """A mitigation of rows acts before boosting: on the labels, not on residuals."""
    X, _, y, _ = rows
    groups = np.where(X[:, 0] > 0, "a", "b")
    model = GradientBoostingClassifier(small(mitigation="reweighing", epochs=1), n_estimators=2, random_state=0)
    model.fit(X, y, groups=groups)
    weight = Reweighing().fit(y, groups).weights(y, groups)
    plain = GradientBoostingClassifier(small(epochs=1), n_estimators=2, random_state=0)
    plain.fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(model.predict_proba(X), plain.predict_proba(X), atol=1e-6)


def test_a_file_predicts_alike(rows, tmp_path):
    """What save wrote predicts as before; members are one graph in it."""
    X, values, _, y = rows
    for model, target in ((GradientBoostingClassifier(), y), (GradientBoostingRegressor(), values)):
        model.set_params(estimator=small(), n_estimators=2, random_state=0).fit(X, target)
        model.save(tmp_path / "model.npz")
        read = type(model).load(tmp_path / "model.npz")
        np.testing.assert_array_equal(read.predict(X), model.predict(X))
        with pytest.raises(InputError, match="The members must be known"):
            next(read.staged_predict(X))


def test_the_net_is_exported(rows, tmp_path):
    """The ensemble leaves as one graph that Gluon reads, base score included."""
    X, values, _, _ = rows
    model = GradientBoostingRegressor(small(), n_estimators=2, random_state=0).fit(X, values)
    model.net_.hybridize()
    model.net_(mx.nd.array(X))
    model.net_.export(str(tmp_path / "net"))
    net = mx.gluon.SymbolBlock.imports(str(tmp_path / "net-symbol.json"), ["data"], str(tmp_path / "net-0000.params"))
    np.testing.assert_allclose(net(mx.nd.array(X)).asnumpy()[:, 0], model.predict(X), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_estimators": 0}, "'n_estimators' must be at least 1"),
        ({"learning_rate": -1}, "'learning_rate' must be a number above 0"),
        ({"subsample": 0}, "'subsample' must be a number above 0 to 1"),
        ({"subsample": 1.5}, "'subsample' must be a number above 0 to 1"),
        ({"early_stopping": True, "n_iter_no_change": 0}, "'n_iter_no_change' must be at least 1"),
        ({"early_stopping": True, "tol": float("nan")}, "'tol' must be a number, 0 or more"),
        ({"early_stopping": True, "validation_fraction": 0}, "'validation_fraction' must lie between 0 and 1"),
        ({"estimator": small(mitigation="fairbatch")}, "must not have a mitigation of batches"),
        ({"estimator": small(early_stopping=True)}, "must have early_stopping=False"),
    ],
)
def test_options_that_cannot_be_used(rows, options, words):
    """What is wrong is said before anything is trained."""
    X, _, y, _ = rows
    with pytest.raises(InputError, match=words):
        GradientBoostingClassifier(**options).fit(X, y, groups=np.arange(len(y)) % 2)


def test_data_that_cannot_be_used(rows):
    """NaN in X or y, one class, and weights of 0 are errors."""
    X, values, y, _ = rows
    with pytest.raises(ValueError, match="NaN"):
        GradientBoostingRegressor(small()).fit(np.where(X > 2, np.nan, X), values)
    with pytest.raises(ValueError, match="NaN"):
        GradientBoostingRegressor(small()).fit(X, np.where(values > 2, np.nan, values))
    with pytest.raises(InputError, match="two classes or more"):
        GradientBoostingClassifier(small()).fit(X, np.zeros(len(y)))
    with pytest.raises(InputError, match="must not be zero for all"):
        GradientBoostingClassifier(small()).fit(X, y, sample_weight=np.zeros(len(y)))


@pytest.mark.parametrize("mitigation", ["massaging", "cell_smote"])
def test_rows_that_stop_early_are_as_they_were_given(rows, mitigation, monkeypatch):
    """Mitigations change labels and numbers of the rows that are trained on, not of those held out."""
    X, _, y, _ = rows
    groups = (np.random.default_rng(0).random(300) < 0.3 + 0.4 * y).astype(int)
    parts, kind = [], shared._Part
    monkeypatch.setattr(shared, "_Part", lambda data: parts.append((data, kind(data))) or parts[-1][1])
    model = GradientBoostingClassifier(
        small(mitigation=mitigation), n_estimators=2, early_stopping=True, validation_fraction=0.3, random_state=0
    )
    model.fit(X, y, groups=groups)
    (train, _), (held, _) = parts
    places = {row.tobytes(): place for place, row in enumerate(X)}
    given = [places[row.tobytes()] for row in held.X]
    np.testing.assert_array_equal(held.target, y[given])
    rest = np.delete(np.arange(300), given)
    assert len(train) > len(rest) or (train.target != y[rest]).any()


def test_rows_without_weight_are_not_drawn(rows, monkeypatch):
    """With a share of the rows, nets are fitted to a share of those that count."""
    X, values, _, _ = rows
    weight = np.where(np.arange(300) < 12, 1.0, 0.0)
    seen, train = [], shared.Rounds.train
    monkeypatch.setattr(
        shared.Rounds, "train", lambda self, number, **new: seen.append(new["X"]) or train(self, number, **new)
    )
    model = GradientBoostingRegressor(small(), n_estimators=4, subsample=0.25, random_state=0)
    model.fit(X, values, sample_weight=weight)
    count = {row.tobytes() for row in X[:12]}
    assert [len(part) for part in seen] == [3] * 4
    assert all(row.tobytes() in count for part in seen for row in part)
