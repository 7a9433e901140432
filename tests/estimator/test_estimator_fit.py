"""Fit, against a Gluon loop by hand, and what it says of itself."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from mxnet import gluon, nd
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, r2_score

import mxfair
from mxfair._validation import InputError, InputTypeError
from mxfair.estimator import GluonClassifier, GluonRegressor
from mxfair.training import Callback

OPTIONS = {"epochs": 3, "batch_size": 32, "learning_rate": 0.01, "random_state": 0}


def same(ours, theirs, values):
    """Compare the parameters of two nets."""
    for one, other in zip(values(ours), values(theirs)):
        np.testing.assert_array_equal(one, other)


def test_two_classes_are_trained_as_by_hand(table, by_hand, parameters):
    """The net is that of a hand-written loop with the same initial values and batches, bit for bit."""
    X, y, _ = table
    model = GluonClassifier((8,), **OPTIONS).fit(X, np.where(y, "yes", "no"))
    net = by_hand(X, y.astype("float32"), loss=gluon.loss.SigmoidBinaryCrossEntropyLoss())
    same(model.net_, net, parameters)
    np.testing.assert_allclose(model.decision_function(X), net(nd.array(X)).asnumpy()[:, 0], rtol=1e-5, atol=1e-6)


def test_three_classes_are_trained_as_by_hand(table, by_hand, parameters):
    """The classes are numbered in their order, and the loss is softmax cross-entropy."""
    X, _, _ = table
    y = np.digitize(X[:, 2], [-0.5, 0.5])
    model = GluonClassifier((8,), **OPTIONS).fit(X, np.array([-7, 0, 12])[y])
    net = by_hand(X, y.astype("float32"), outputs=3, loss=gluon.loss.SoftmaxCrossEntropyLoss())
    same(model.net_, net, parameters)


def test_numbers_are_trained_as_by_hand(table, by_hand, parameters):
    """A regressor's loss is half the squared error."""
    X, _, _ = table
    y = (X[:, 0] * X[:, 1]).astype("float32")
    model = GluonRegressor((8,), **OPTIONS).fit(X, y)
    same(model.net_, by_hand(X, y, loss=gluon.loss.L2Loss()), parameters)


def test_weights_of_samples_are_factors_of_the_loss(table, by_hand, parameters):
    """Weights count by their ratios: they are divided by their mean, and multiply the losses of the samples."""
    X, y, _ = table
    weight = np.random.default_rng(0).integers(0, 4, len(y))
    model = GluonClassifier((8,), **OPTIONS).fit(X, y, sample_weight=100 * weight)
    factor = (weight / weight.mean()).astype("float32")
    net = by_hand(X, y.astype("float32"), loss=gluon.loss.SigmoidBinaryCrossEntropyLoss(), weight=factor)
    for one, other in zip(parameters(model.net_), parameters(net)):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_rows_of_weight_zero_do_not_count(table):
    """In one batch, rows of weight 0 give the net that is trained without them."""
    X, y, _ = table
    options = {**OPTIONS, "batch_size": 1000, "epochs": 10}
    weight = (np.arange(len(y)) % 3 > 0).astype(float)
    weighted = GluonClassifier("logistic", **options).fit(X, y, sample_weight=weight)
    without = GluonClassifier("logistic", **options).fit(X[weight > 0], y[weight > 0])
    np.testing.assert_allclose(weighted.decision_function(X), without.decision_function(X), rtol=1e-4, atol=1e-5)


def test_a_logistic_net_finds_the_weights_of_scikit_learn():
    """Trained to its end, the linear net is scikit-learn's logistic regression."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    y = rng.random(400) < 1 / (1 + np.exp(-(X @ [1.0, -0.5, 0.2] + 0.3)))
    model = GluonClassifier("logistic", epochs=300, batch_size=400, learning_rate=0.05, random_state=0).fit(X, y)
    theirs = LogisticRegression(C=np.inf, tol=1e-8).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), theirs.predict_proba(X), atol=2e-3)
    assert model.score(X, y) == accuracy_score(y, model.predict(X))


def test_a_linear_net_finds_the_weights_of_least_squares():
    """Several columns of y at once, as scikit-learn has them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    Y = X @ rng.normal(size=(3, 2)) + rng.normal(0, 0.3, (300, 2))
    model = GluonRegressor("logistic", epochs=200, batch_size=300, learning_rate=0.05, random_state=0).fit(X, Y)
    np.testing.assert_allclose(model.predict(X), LinearRegression().fit(X, Y).predict(X), atol=2e-2)
    assert model.predict(X).shape == (300, 2)
    assert model.score(X, Y) == pytest.approx(r2_score(Y, model.predict(X)))


def test_fits_with_one_random_state_are_equal(table, parameters):
    """A second fit of the same object, and of another, gives the same net; the global state is not read."""
    X, y, groups = table
    model = GluonClassifier((8,), mitigation="fairbatch", **OPTIONS).fit(X, y, groups)
    first = parameters(model.net_)
    np.random.seed(1)  # noqa: NPY002  the global state is what is tested
    mxfair._compat.import_mxnet().random.seed(99)
    again = GluonClassifier((8,), mitigation="fairbatch", **OPTIONS).fit(X, y, groups)
    for values in (parameters(model.fit(X, y, groups).net_), parameters(again.net_)):
        for one, other in zip(first, values):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("state", [np.random.RandomState(0), np.random.default_rng(0), None], ids=str)
def test_every_kind_of_random_state_is_taken(table, state):
    """scikit-learn's RandomState, NumPy's Generator, and fresh entropy."""
    X, y, _ = table
    model = GluonClassifier("logistic", epochs=1, random_state=state)
    one, other = model.fit(X, y).predict_proba(X), model.fit(X, y).predict_proba(X)
    assert not np.array_equal(one, other)


def test_inputs_of_all_kinds_give_one_net(table, parameters):
    """float64, lists, NDArrays and data frames are the same data."""
    X, y, _ = table
    kinds = {
        "float64": (X.astype(float), y),
        "lists": (X.tolist(), y.tolist()),
        "NDArrays": (nd.array(X), nd.array(y)),
        "frames": (pd.DataFrame(X, columns=list("pqrs"), index=range(7, 207)), pd.Series(y)),
    }
    expected = parameters(GluonClassifier((8,), **OPTIONS).fit(X, y).net_)
    for name, (features, labels) in kinds.items():
        model = GluonClassifier((8,), **OPTIONS).fit(features, labels)
        for one, other in zip(expected, parameters(model.net_)):
            np.testing.assert_array_equal(one, other, err_msg=name)
        np.testing.assert_array_equal(model.predict(features), model.predict(features))
    assert list(model.feature_names_in_) == list("pqrs")
    with pytest.raises(ValueError, match="feature names"):
        model.predict(pd.DataFrame(X, columns=list("qprs")))


def test_images_are_taken_by_nets_of_ones_own():
    """X of four dimensions goes into a convolutional net, and into none by name."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 1, 6, 6)).astype("float32")
    y = (X[:, 0, :3].mean(axis=(1, 2)) > 0).astype(int)

    def net(n_features, n_outputs):
        assert n_features == 36
        made = gluon.nn.HybridSequential()
        made.add(gluon.nn.Conv2D(3, 3, activation="relu"), gluon.nn.BatchNorm(), gluon.nn.Dense(n_outputs))
        return made

    model = GluonClassifier(net, epochs=40, batch_size=20, learning_rate=0.02, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.8
    assert model.predict_proba(X[:1]).shape == (1, 2)
    smote = GluonClassifier(net, epochs=1, mitigation="cell_smote", random_state=0)
    assert smote.fit(X, y, np.arange(40) % 3 == 0).predict(X).shape == (40,)
    with pytest.raises(ValueError, match="dim 4"):
        GluonClassifier("logistic").fit(X, y)


def test_a_row_is_predicted_alone_as_among_others(table):
    """Subsets and orders of rows change no bit of a prediction."""
    X, y, _ = table
    model = GluonClassifier((16, 8), epochs=1, random_state=0).fit(X, y)
    whole = model.decision_function(X)
    np.testing.assert_array_equal([model.decision_function(row[None])[0] for row in X[:40]], whole[:40])
    order = np.random.default_rng(0).permutation(len(X))[:77]
    np.testing.assert_array_equal(model.decision_function(X[order]), whole[order])


def test_predictions_agree_with_one_another():
    """Classes, probabilities, their logarithms and decisions tell one story, for iris as for two of its classes."""
    X, y = load_iris(return_X_y=True)
    for few in (slice(None), slice(0, 100)):
        model = GluonClassifier((8,), epochs=20, learning_rate=0.02, random_state=0).fit(X[few], y[few])
        probability, decision = model.predict_proba(X), model.decision_function(X)
        np.testing.assert_allclose(probability.sum(axis=1), 1)
        np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), probability, rtol=1e-6)
        places = decision.argmax(axis=1) if decision.ndim == 2 else (decision > 0).astype(int)
        np.testing.assert_array_equal(model.predict(X), model.classes_[places])
        np.testing.assert_array_equal(model.predict(X), model.classes_[probability.argmax(axis=1)])


def test_logarithms_of_small_probabilities_are_finite():
    """Where a probability is 0 in float64 its logarithm is still known."""
    X, y = np.array([[0.0], [1.0]] * 10), np.arange(20) % 2
    model = GluonClassifier("logistic", epochs=5, random_state=0).fit(X, y)
    model.net_.weight.set_data(nd.array([[2000.0]]))
    assert np.isfinite(model.predict_log_proba(X)).all()


def test_history_callbacks_and_progress(table, capsys):
    """The history has each epoch, callbacks run as copies, and verbose shows a bar."""

    class Counts(Callback):
        seen = 0

        def on_epoch_end(self, state):
            self.seen += 1
            state.stop = self.seen == 2

    X, y, _ = table
    callback = Counts()
    model = GluonClassifier("logistic", epochs=5, callbacks=[callback], verbose=True, random_state=0).fit(X, y)
    assert model.n_iter_ == len(model.history_["loss"]) == 2
    assert callback.seen == 0
    assert model.callbacks_[-1].seen == 2
    assert "training" in "".join(capsys.readouterr())
    GluonClassifier("logistic", epochs=1, random_state=0).fit(X, y)
    assert "".join(capsys.readouterr()) == ""


def test_fit_changes_no_parameter(table):
    """Objects that are given stay as they are: nets, losses, optimizer arguments with a state, mitigations."""
    from mxnet.lr_scheduler import FactorScheduler

    X, y, groups = table
    net = gluon.nn.Dense(1)
    scheduler = FactorScheduler(2, 0.5, base_lr=0.25)
    mitigation = mxfair.estimator.FairBatch(controller=mxfair.data.ProportionalController())
    before = repr(vars(mitigation.controller))
    model = GluonClassifier(
        net, optimizer_params={"lr_scheduler": scheduler}, mitigation=mitigation, **{**OPTIONS, "learning_rate": 0.25}
    )
    params = model.get_params(deep=False)
    model.fit(X, y, groups)
    assert all(value is model.get_params(deep=False)[name] for name, value in params.items())
    assert net.weight._data is None
    assert (scheduler.base_lr, scheduler.count) == (0.25, 0)
    assert repr(vars(mitigation.controller)) == before


def test_a_failed_fit_leaves_the_estimator_as_it_was(table):
    """Classes, columns and the net of the last good fit are there after an error, predictions included."""
    X, y, _ = table
    model = GluonClassifier("logistic", epochs=2, random_state=0).fit(X, y)
    before = model.predict(X)
    with pytest.raises(InputError, match="one class"):
        model.fit(X[:, :2], np.full(len(y), "x"))
    with pytest.raises(FloatingPointError):
        model.set_params(learning_rate=1e30, optimizer="sgd").fit(X * 1e10, np.where(y, "a", "b"))
    np.testing.assert_array_equal(model.predict(X), before)
    unfitted = GluonClassifier("logistic")
    with pytest.raises(InputError):
        unfitted.fit(X, np.zeros(len(y)))
    assert not hasattr(unfitted, "n_features_in_")
    with pytest.raises(NotFittedError):
        unfitted.predict(X)


def test_a_second_fit_forgets_the_first(table):
    """Steps, weights, classes and names of an earlier fit do not reach a later one."""
    X, y, groups = table
    frame = pd.DataFrame(X * 50 + 7, columns=list("pqrs"))
    model = GluonClassifier("logistic", mitigation=[mxfair.preprocessing.StandardScaler(), "reweighing"], **OPTIONS)
    model.fit(frame, y, groups)
    model.set_params(mitigation=None).fit(X, np.where(y, "one", "zero"))
    fresh = GluonClassifier("logistic", **OPTIONS).fit(X, np.where(y, "one", "zero"))
    np.testing.assert_array_equal(model.predict_proba(X), fresh.predict_proba(X))
    assert set(vars(model)) == set(vars(fresh))


WRONG = {
    "epochs": ({"epochs": 0}, "'epochs' must"),
    "batch": ({"batch_size": 2.5}, "'batch_size' must"),
    "rate": ({"learning_rate": -1}, "'learning_rate' must"),
    "optimizer": ({"optimizer": "adma"}, "'optimizer' must be one of"),
    "optimizer object": ({"optimizer": gluon}, "'optimizer' must be the name"),
    "optimizer argument": ({"optimizer_params": {"beta3": 1}}, "'optimizer_params' must be arguments"),
    "two rates": ({"optimizer_params": {"learning_rate": 1}}, "learning_rate="),
    "callbacks": ({"callbacks": [print]}, "'callbacks' must"),
    "regularizers": ({"regularizers": 3}, "'regularizers' must"),
    "net": ({"net": 3.5}, "'net' must be"),
    "net name": ({"net": "mpl"}, "Did you mean 'mlp'"),
    "net of nothing": ({"net": lambda n, k: None}, "returns a gluon.Block"),
    "net of three": ({"net": gluon.nn.Dense(3)}, "one output per class"),
    "net of other columns": ({"net": gluon.nn.Dense(1, in_units=9)}, "'net' must take data"),
    "net of images": ({"net": lambda n, k: gluon.nn.HybridLambda("expand_dims")}, "'net' must"),
    "loss": ({"loss": "bce"}, "'loss' must be a Gluon loss"),
    "hinge": ({"loss": gluon.loss.HingeLoss()}, "labels from 0"),
    "signed": ({"loss": gluon.loss.LogisticLoss()}, "labels from 0"),
    "ctx": ({"ctx": "tpu"}, "'ctx' must"),
    "no such GPU": ({"ctx": "gpu"}, "'ctx' must be a device"),
    "positive": ({"positive": "yes"}, "'positive' must be one of the classes 0, 1"),
    "fraction": ({"early_stopping": True, "validation_fraction": 1.5}, "'validation_fraction' must"),
    "gap without groups": ({"max_gap": 0.1}, "'groups' must be given for max_gap"),
    "group loss without groups": ({"loss": lambda: _penalized()}, "'groups' must be given"),
    "mitigation": ({"mitigation": 3}, "'mitigation' must hold"),
    "seed": ({"random_state": "x"}, "'seed' must"),
}


def _penalized():
    from mxfair.loss import GapPenalty, PenalizedLoss

    return PenalizedLoss(gluon.loss.SigmoidBinaryCrossEntropyLoss(), GapPenalty("demographic_parity", 2))


@pytest.mark.parametrize("case", WRONG)
def test_wrong_parameters_are_said_in_words(table, case):
    """Each is an error of ours that names the parameter."""
    X, y, _ = table
    params, match = WRONG[case]
    with pytest.raises((InputError, InputTypeError), match=match):
        GluonClassifier(**{"net": "logistic", "epochs": 1, **params}).fit(X, y)


def test_data_that_do_not_fit_are_refused(table):
    """Lengths, NaN, weights of zero, targets that are none."""
    X, y, groups = table
    model = GluonClassifier("logistic", epochs=1)
    with pytest.raises(InputError, match="same length"):
        model.fit(X, y, groups[:-1])
    with pytest.raises(InputError, match="same length"):
        model.fit(X, y, sample_weight=[1.0])
    with pytest.raises(InputError, match="zero for all"):
        model.fit(X, y, sample_weight=np.zeros(len(y)))
    with pytest.raises(InputError, match="not negative"):
        model.fit(X, y, sample_weight=-np.ones(len(y)))
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.where(X > 2, np.nan, X), y)
    with pytest.raises(ValueError, match="requires y"):
        model.fit(X, None)
    with pytest.raises(InputError, match="'y' must be numbers"):
        GluonRegressor("logistic").fit(X, np.where(y, "a", "b"))
    with pytest.raises(InputError, match="finite"):
        GluonRegressor("logistic").fit(X, np.where(y, 1e300, 0.0))


LABELS = {
    "text": np.array(["no", "yes"]),
    "objects": np.array(["no", "yes"], dtype=object),
    "negative": np.array([-3, 5]),
    "bools": np.array([False, True]),
    "floats": np.array([0.0, 2.0]),
    "four": np.array(["d", "a", "c", "b"]),
    "many": np.array([-1, 7, 100, -50]),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_any_type_come_out_as_they_went_in(table, kind):
    """Classes keep their values and type, sorted; predictions are among them."""
    X, _, groups = table
    values = LABELS[kind]
    labels = values[np.digitize(X[:, 0], np.quantile(X[:, 0], np.arange(1, len(values)) / len(values)))]
    model = GluonClassifier((8,), epochs=25, learning_rate=0.03, mitigation="fairbatch", random_state=0)
    model.fit(X, labels, groups)
    np.testing.assert_array_equal(model.classes_, np.unique(values))
    preds = model.predict(X)
    assert preds.dtype == labels.dtype
    assert (preds == labels).mean() > 0.7
    assert model.score(X, labels) == (preds == labels).mean()


def test_the_regressor_says_that_it_takes_several_columns():
    """The tag that meta-estimators read is set, whatever the version of scikit-learn."""
    model = GluonRegressor()
    tags = getattr(model, "__sklearn_tags__", None)
    try:
        assert tags().target_tags.multi_output
    except (AttributeError, TypeError):
        assert model._get_tags()["multioutput"]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("kind", ["float32", "float64", "frame", "list"])
def test_predictions_of_what_is_no_number_are_refused(table, bad, kind):
    """NaN, infinity and what is too large for float32, whatever holds them; other columns as well."""
    X, y, _ = table
    model = GluonClassifier("logistic", epochs=1).fit(X, y)
    with np.errstate(over="ignore"):
        rows = X.astype("float64" if kind == "float64" else "float32")
        rows[5, 1] = bad
    rows = pd.DataFrame(rows) if kind == "frame" else rows.tolist() if kind == "list" else rows
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        model.predict(rows)
    with pytest.raises(ValueError, match="features"):
        model.predict(X[:, :3])
    with pytest.raises(ValueError, match="0 sample"):
        model.predict(X[:0])
