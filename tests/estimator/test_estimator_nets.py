"""Nets and losses of one's own."""

from __future__ import annotations

import numpy as np
import pytest
from mxnet import gluon, nd

import mxfair
from mxfair._validation import InputError
from mxfair.estimator import GluonClassifier, GluonRegressor

OPTIONS = {"epochs": 15, "batch_size": 50, "learning_rate": 0.03, "random_state": 0}


class Plain(gluon.Block):
    """A net that is no HybridBlock."""

    def __init__(self, units=1):
        super().__init__()
        with self.name_scope():
            self.layer = gluon.nn.Dense(units)

    def forward(self, x):
        """Return twice the layer's output."""
        return self.layer(x) * 2


def test_two_outputs_are_two_classes(table):
    """Their difference is the decision, and softmax makes probabilities of them."""
    X, y, groups = table
    model = GluonClassifier(gluon.nn.Dense(2), mitigation="fairbatch", **OPTIONS).fit(X, y, groups)
    raw = model.net_(nd.array(X)).asnumpy()
    np.testing.assert_allclose(model.decision_function(X), raw[:, 1] - raw[:, 0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.predict_proba(X), nd.softmax(nd.array(raw)).asnumpy(), rtol=1e-4, atol=1e-6)
    assert type(model.loss_.__class__) is type
    assert model.score(X, y) > 0.7


def test_a_plain_block_is_trained(table):
    """Without a graph, by the plain loop; what needs a graph says so."""
    X, y, groups = table
    model = GluonClassifier(Plain(), mitigation="gap_penalty", **OPTIONS).fit(X, y, groups)
    assert model.score(X, y) > 0.7
    with pytest.raises(InputError, match="'net' must be a HybridBlock to be stored"):
        model.save("never.npz")


def test_dropout_and_batch_norm_know_the_mode(table):
    """Dropout works while training only, and predictions use the running statistics."""
    X, y, _ = table

    def net(n_features, n_outputs):
        made = gluon.nn.HybridSequential()
        made.add(gluon.nn.Dense(16), gluon.nn.BatchNorm(), gluon.nn.Dropout(0.5), gluon.nn.Dense(n_outputs))
        return made

    model = GluonClassifier(net, **OPTIONS).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(X))
    np.testing.assert_allclose(model.decision_function(X[:3]), model.decision_function(X)[:3], rtol=1e-5)
    running = [p for name, p in model.net_.collect_params().items() if name.endswith("running_mean")]
    assert np.abs(running[0].data().asnumpy()).max() > 0


def test_outputs_that_are_probabilities_are_read_as_such(table):
    """from_sigmoid and from_logits."""
    X, y, _ = table
    sigmoid = gluon.nn.Dense(1, activation="sigmoid")
    loss = gluon.loss.SigmoidBinaryCrossEntropyLoss(from_sigmoid=True)
    model = GluonClassifier(sigmoid, loss=loss, **OPTIONS).fit(X, y)
    output = model.net_(nd.array(X)).asnumpy()[:, 0]
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], output, rtol=1e-6)
    np.testing.assert_array_equal(model.predict(X), (output > 0.5).astype(int))

    def logarithms(n_features, n_outputs):
        made = gluon.nn.HybridSequential()
        made.add(gluon.nn.Dense(3), gluon.nn.HybridLambda("log_softmax"))
        return made

    three = np.digitize(X[:, 0], [-0.4, 0.4])
    loss = gluon.loss.SoftmaxCrossEntropyLoss(from_logits=True)
    model = GluonClassifier(logarithms, loss=loss, **OPTIONS).fit(X, three)
    np.testing.assert_allclose(model.predict_proba(X), np.exp(model.net_(nd.array(X)).asnumpy()), rtol=1e-5, atol=1e-6)


def test_a_saturated_probability_has_a_finite_decision():
    """Calibration fits on decisions: 0 and 1 in float32 are not infinity."""
    X, y = np.array([[-1.0], [1.0]] * 10), np.arange(20) % 2
    loss = gluon.loss.SigmoidBinaryCrossEntropyLoss(from_sigmoid=True)
    model = GluonClassifier(gluon.nn.Dense(1, activation="sigmoid"), loss=loss, epochs=1, random_state=0).fit(X, y)
    model.net_.weight.set_data(nd.array([[500.0]]))
    decision = model.decision_function(X)
    assert np.isfinite(decision).all()
    np.testing.assert_array_equal(decision > 0, y == 1)


def test_losses_are_objects_classes_or_functions(table):
    """Each is used as a copy; LogisticLoss of binary labels too."""
    X, y, _ = table
    expected = GluonClassifier((4,), **OPTIONS).fit(X, y).decision_function(X)
    bce = gluon.loss.SigmoidBinaryCrossEntropyLoss
    for loss in (bce, bce(), lambda: bce()):
        model = GluonClassifier((4,), loss=loss, **OPTIONS).fit(X, y)
        assert model.loss_ is not loss
        np.testing.assert_array_equal(model.decision_function(X), expected)
    logistic = GluonClassifier((4,), loss=gluon.loss.LogisticLoss(label_format="binary"), **OPTIONS).fit(X, y)
    np.testing.assert_allclose(logistic.decision_function(X), expected, rtol=1e-3, atol=1e-4)
    with pytest.raises(InputError, match="one value per sample"):
        GluonClassifier((4,), loss=lambda: gluon.nn.HybridLambda(lambda F, pred, label: F.mean(pred)), **OPTIONS).fit(
            X, y
        )


def test_a_group_loss_is_a_loss(table):
    """It gets the codes of the groups as its third item."""
    from mxfair.loss import GapPenalty, PenalizedLoss

    X, _, groups = table
    y = (X[:, 1] > 0.5).astype(int)  # of which group "b" has more
    base = gluon.loss.SigmoidBinaryCrossEntropyLoss()
    loss = PenalizedLoss(base, GapPenalty("demographic_parity", 2, strength=50.0))
    options = {**OPTIONS, "epochs": 40, "batch_size": 200}
    plain = GluonClassifier("logistic", **options).fit(X, y, groups)
    model = GluonClassifier("logistic", loss=loss, **options).fit(X, y, groups)
    rates = [[m.predict_proba(X[groups == g])[:, 1].mean() for g in "ab"] for m in (plain, model)]
    assert abs(np.diff(rates[1])[0]) < 0.5 * abs(np.diff(rates[0])[0])


def test_regression_losses(table):
    """Huber and L1, and a quantile by a function of one's own."""
    X, _, _ = table
    y = X[:, 0] * 2
    for loss in (gluon.loss.HuberLoss(), gluon.loss.L1Loss()):
        model = GluonRegressor("logistic", loss=loss, **{**OPTIONS, "epochs": 60, "learning_rate": 0.1}).fit(X, y)
        assert model.score(X, y) > 0.95
    with pytest.raises(InputError, match="one output per column of y"):
        GluonRegressor(gluon.nn.Dense(2)).fit(X, y)


def test_a_net_that_changed_is_traced_again(table):
    """Predictions follow the net: its values, its layers, its hooks."""
    X, y, _ = table
    model = GluonClassifier((8,), **OPTIONS).fit(X, y)
    before = model.decision_function(X)
    model.net_[0].act._act_type = "tanh"
    after = model.decision_function(X)
    np.testing.assert_allclose(after, model.net_(nd.array(X)).asnumpy()[:, 0], rtol=1e-4, atol=1e-5)
    assert not np.array_equal(before, after)
    model.net_[1].weight.set_data(model.net_[1].weight.data() * 0)
    assert np.ptp(model.decision_function(X)) == 0
    handle = model.net_.register_forward_hook(lambda block, given, output: seen.append(1))
    seen = []
    model.decision_function(X)
    assert seen
    handle.detach()
    model.net_.add(gluon.nn.HybridLambda(lambda F, x: x + 100))
    assert model.decision_function(X).min() > 50


def test_sizes_and_names_make_nets(table):
    """The names logistic and mlp, sizes as tuple, list, int or NumPy's."""
    X, y, _ = table
    shapes = {}
    for name, net in {"logistic": "logistic", "mlp": "mlp", "tuple": (5, 3), "int": 6, "numpy": np.int64(6)}.items():
        model = GluonClassifier(net, epochs=1).fit(X, y)
        shapes[name] = [p.shape for p in model.net_.collect_params().values() if len(p.shape) == 2]
    assert shapes["logistic"] == [(1, 4)]
    assert shapes["mlp"] == [(64, 4), (64, 64), (1, 64)]
    assert shapes["tuple"] == [(5, 4), (3, 5), (1, 3)]
    assert shapes["int"] == shapes["numpy"] == [(6, 4), (1, 6)]
    assert mxfair.estimator.GluonEstimator is not None
