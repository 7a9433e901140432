"""Contributions from gradients: what they add up to, and what they leave alone."""

from __future__ import annotations

import numpy as np
import pytest

from mxfair._compat import import_mxnet
from mxfair._validation import InputError
from mxfair.explain import expected_gradients, integrated_gradients, saliency

mx = import_mxnet()
nn = mx.gluon.nn


def rows(n, width=5, seed=0):
    """Return random rows."""
    return np.random.default_rng(seed).normal(size=(n, width)).astype("float32")


def ready(net, shape=(1, 5)):
    """Return a net with its parameters set from a fixed seed."""
    mx.random.seed(3)
    net.initialize(mx.init.Xavier(magnitude=4))
    net(mx.nd.zeros(shape))
    return net


def chain(*layers, kind=nn.HybridSequential, shape=(1, 5)):
    """Return a net of layers, initialized."""
    net = kind()
    net.add(*layers)
    return ready(net, shape)


class Plain(mx.gluon.Block):
    """A net that cannot be traced."""

    def __init__(self):
        super().__init__()
        with self.name_scope():
            self.first, self.second = nn.Dense(8, in_units=5), nn.Dense(1, in_units=8)

    def forward(self, x):
        """Return one number per row."""
        return self.second(mx.nd.tanh(self.first(x)))


NETS = {
    "linear": lambda: ready(nn.Dense(1)),
    "mlp": lambda: chain(nn.Dense(8, activation="tanh"), nn.Dense(2)),
    "scaled first": lambda: chain(nn.BatchNorm(), nn.Dense(8, activation="sigmoid"), nn.Dropout(0.5), nn.Dense(1)),
    "without bias": lambda: chain(nn.Dense(8, use_bias=False), nn.Activation("softrelu"), nn.Dense(1)),
    "untraced": lambda: ready(Plain()),
    "sequential": lambda: chain(nn.Dense(8, activation="tanh"), nn.Dense(1), kind=nn.Sequential),
}


def by_loop(net, X, background, alphas):
    """Return expected gradients as their formula says, a point at a time; the number is the logit."""

    def number(point):
        raw = net(point)
        return (raw[:, 1] - raw[:, 0]).sum() if raw.shape[1] == 2 else raw.sum()

    out = np.zeros(X.shape)
    for i, x in enumerate(X):
        for b, places in zip(background, alphas):
            for alpha in places:
                point = mx.nd.array((b + alpha * (x - b))[None])
                point.attach_grad()
                with mx.autograd.record(train_mode=False):
                    value = number(point)
                out[i] += (x - b) * mx.autograd.grad(value, [point], train_mode=False)[0].asnumpy()[0]
    return out / alphas.size


@pytest.mark.parametrize("name", NETS)
def test_expected_gradients_are_their_formula(name):
    """Values are the mean over all origins and points of the change times the gradient."""
    from mxfair.explain.gradients import _alphas

    net, X, background = NETS[name](), rows(3), rows(4, seed=1)
    found = expected_gradients(net, X, background, points=3).values
    np.testing.assert_allclose(found, by_loop(net, X, background, _alphas(4, 3, None)), atol=2e-5)


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("grad_req", ["write", "add"])
@pytest.mark.parametrize("hybridize", [False, True])
@pytest.mark.filterwarnings("ignore:All children of this Sequential")
def test_training_goes_on_where_it_was(name, grad_req, hybridize):
    """Parameters, their gradients and what the net computes when it trains are left alone."""
    net = NETS[name]()
    if hybridize:
        net.hybridize(static_alloc=True)
    active = getattr(net, "_active", None)
    params = [p for p in net.collect_params().values() if p.grad_req != "null"]
    for parameter in params:
        parameter.grad_req = grad_req
    x = mx.nd.array(rows(6))
    with mx.autograd.record():
        loss = net(x).sum()
    loss.backward()
    before = [(p.data().asnumpy(), p.grad().asnumpy(), p.grad_req) for p in params]
    states = [p.data().asnumpy() for p in net.collect_params().values()]
    with mx.autograd.record():
        expected_gradients(net, rows(6), rows(4))
        saliency(net, rows(6))
        assert mx.autograd.is_recording()
        assert mx.autograd.is_training()
    for parameter, (data, grad, request) in zip(params, before):
        np.testing.assert_array_equal(parameter.data().asnumpy(), data)
        np.testing.assert_array_equal(parameter.grad().asnumpy(), grad)
        assert parameter.grad_req == request
    for parameter, state in zip(net.collect_params().values(), states):
        np.testing.assert_array_equal(parameter.data().asnumpy(), state)
    assert getattr(net, "_active", None) is active


def convolutional(pool):
    """Return a small convolutional net whose batch norm has seen data."""
    net = chain(
        nn.Conv2D(4, 3), nn.BatchNorm(), nn.Activation("tanh"), pool, nn.Dropout(0.5), nn.Dense(3), shape=(1, 2, 8, 8)
    )
    with mx.autograd.record():
        net(mx.nd.array(images(20) * 2 + 1))
    return net


def images(n):
    """Return random images of two channels."""
    return np.random.default_rng(2).random((n, 2, 8, 8)).astype("float32")


@pytest.mark.parametrize("pool", [nn.MaxPool2D(2), nn.AvgPool2D(2)], ids=["max", "mean"])
def test_gradients_of_images_are_differences(pool):
    """Through convolutions, batch norm and pooling, saliency is what small changes do to the output in predict mode."""
    net, X = convolutional(pool), images(1)
    found = saliency(net, X, output=1).values[0]
    step, place = 5e-3, np.random.default_rng(0).integers(0, found.size, 20)
    changes = np.zeros((20, found.size), dtype="float32")
    changes[np.arange(20), place] = step
    changes = changes.reshape(20, 2, 8, 8)
    with mx.autograd.predict_mode():
        difference = (net(mx.nd.array(X + changes)) - net(mx.nd.array(X - changes)))[:, 1].asnumpy() / (2 * step)
    np.testing.assert_allclose(found.reshape(-1)[place], difference, atol=2e-3)


def test_contributions_of_images_add_up():
    """Integrated gradients against black, against an image, and expected gradients against a few."""
    net, X = convolutional(nn.MaxPool2D(2)), images(4)
    for found in (
        integrated_gradients(net, X, output=0, points=200),
        integrated_gradients(net, X, X[::-1].mean(axis=0), output=0, points=200),
        integrated_gradients(net, X, X[::-1], output=0, points=200),
        expected_gradients(net, X, images(9)[4:], output=0, points=50),
    ):
        assert found.values.shape == X.shape
        assert np.abs(found.residuals).max() < 0.02
    own = integrated_gradients(net, X, X, output=0)
    np.testing.assert_array_equal(own.values, 0)
    np.testing.assert_allclose(own.base_values, own.outputs, atol=1e-6)


def test_max_pooling_in_a_net_that_cannot_be_traced_is_refused():
    """The engine's gradient is wrong there, and that is said."""
    net = chain(nn.MaxPool2D(2), nn.Dense(1), kind=nn.Sequential, shape=(1, 2, 8, 8))
    with pytest.raises(InputError, match="max pooling"):
        saliency(net, images(2))


@pytest.mark.parametrize("max_memory", [1024, 0.05, 1e-4])
def test_small_batches_change_no_gradient(max_memory):
    """Rows, origins and points are cut into pieces that fit, and the mean is the same."""
    net, X, background = NETS["mlp"](), rows(7), rows(6, seed=1)
    found = expected_gradients(net, X, background, points=4, max_memory=max_memory)
    np.testing.assert_allclose(found.values, expected_gradients(net, X, background, points=4).values, atol=1e-6)


def test_more_points_add_up_better():
    """The error falls with the points, and one point is not yet enough for a bent net."""
    net, X, background = NETS["mlp"](), rows(50), rows(20, seed=1)
    errors = [expected_gradients(net, X, background, points=p).additivity_error for p in (1, 5, 25)]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]
    assert errors[2] < 0.005


def test_random_points_come_from_the_seed():
    """The same seed gives the same values; another gives others close by."""
    net, X, background = NETS["mlp"](), rows(10), rows(20, seed=1)
    first, again, other = (expected_gradients(net, X, background, seed=s).values for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert 0 < np.abs(first - other).max() < 0.2


def test_estimators_are_explained_on_the_chosen_scale():
    """Of an estimator, values add up to the probability of a class, or to its logit."""
    from mxfair.estimator import GluonClassifier

    X = rows(200)
    model = GluonClassifier((8,), epochs=2, random_state=0).fit(X, np.where(X[:, 0] > 0, "yes", "no"))
    found = expected_gradients(model, X[:20], X[20:60], scale="probability", output="no", points=50)
    np.testing.assert_allclose(found.outputs, model.predict_proba(X[:20])[:, 0], atol=1e-6)
    assert np.abs(found.residuals).max() < 0.01
    assert found.output_name == "probability of no"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net: expected_gradients(lambda X: X[:, 0], rows(2), rows(2)), "permutation_shap"),
        (lambda net: expected_gradients(net, rows(2), rows(2)[:, :4]), "background"),
        (lambda net: expected_gradients(net, rows(2), rows(0)), "background"),
        (lambda net: expected_gradients(net, rows(0), rows(2)), "at least one row"),
        (lambda net: integrated_gradients(net, rows(2), np.zeros(4)), "baseline"),
        (lambda net: integrated_gradients(net, rows(2), np.nan), "finite"),
        (lambda net: saliency(net, rows(2), max_memory=0), "max_memory"),
    ],
)
def test_what_cannot_be_explained_is_said(call, message):
    """The message names what to give instead."""
    with pytest.raises(InputError, match=message):
        call(NETS["linear"]())


def test_saliency_times_input_of_a_linear_net_is_weight_times_value():
    """And the gradient is the weight; neither pretends to add up."""
    net, X = NETS["linear"](), rows(3)
    w = net.weight.data().asnumpy()[0]
    np.testing.assert_allclose(saliency(net, X).values, np.tile(w, (3, 1)), atol=1e-6)
    np.testing.assert_allclose(saliency(net, X, times_input=True).values, w * X, atol=1e-6)
    assert np.isnan(saliency(net, X).additivity_error)
