"""Contributions from gradients: what they add up to, and what they leave alone."""

from __future__ import annotations

import numpy as np
import pytest

from mxfair._compat import import_mxnet
from mxfair.explain import expected_gradients, saliency

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
