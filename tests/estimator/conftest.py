"""Data and a hand-written loop that the tests of estimators compare with."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def table():
    """Return 200 samples as (X, y, groups), two classes of which group "b" has fewer of the second."""
    rng = np.random.default_rng(3)
    groups = np.where(rng.random(200) < 0.35, "b", "a")
    X = rng.normal(size=(200, 4)).astype("float32")
    X[:, 1] += groups == "b"
    y = (X[:, 0] - 0.8 * (groups == "b") + rng.normal(0, 0.7, 200) > -0.2).astype(int)
    return X, y, groups


@pytest.fixture
def by_hand():
    """Return a function that trains a net as a beginner's Gluon loop does, batch by batch, and returns it."""
    import mxnet as mx
    from mxnet import autograd, gluon

    def train(X, target, *, hidden=(8,), outputs=1, loss, epochs=3, batch_size=32, rate=0.01, seed=0, weight=None):
        rng = np.random.default_rng(seed)
        net = gluon.nn.HybridSequential()
        width = X.shape[1]
        for units in hidden:
            net.add(gluon.nn.Dense(units, in_units=width, activation="relu"))
            width = units
        net.add(gluon.nn.Dense(outputs, in_units=width))
        net.initialize(mx.init.Zero())
        for layer in net:
            bound = np.sqrt(6.0 / sum(layer.weight.shape))
            layer.weight.set_data(mx.nd.array(rng.uniform(-bound, bound, layer.weight.shape)))
        trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": rate})
        for _ in range(epochs):
            order = rng.permutation(len(X))
            for start in range(0, len(X), batch_size):
                rows = order[start : start + batch_size]
                label = mx.nd.array(target[rows])
                with autograd.record():
                    value = loss(net(mx.nd.array(X[rows])), label)
                    if weight is not None:
                        value = value * mx.nd.array(weight[rows])
                value.backward()
                trainer.step(len(rows))
        return net

    return train


@pytest.fixture
def parameters():
    """Return a function from a net to the values of its parameters."""

    def values(net):
        return [parameter.data().asnumpy() for parameter in net.collect_params().values()]

    return values
