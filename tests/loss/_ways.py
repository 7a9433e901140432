"""Three ways to train with a loss: imperative, hybridized, and as one graph; gradients by finite differences."""

from __future__ import annotations

import mxnet as mx
import numpy as np
from mxnet import gluon

from mxfair import _step

WAYS = ("imperative", "hybrid", "graph")


def batches(n=32, groups=2, classes=2, count=4, outputs=1, seed=0, regression=False):
    """Return batches of (data, label, group) in which the group shows in the data."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        group = rng.integers(0, groups, n)
        label = rng.normal(size=n) if regression else rng.integers(0, classes, n)
        data = rng.normal(size=(n, 3)) + label[:, None] * [1, 0.5, 0] + group[:, None] * [0, 0.5, 1]
        made.append(tuple(mx.nd.array(a, dtype="float32") for a in (data, label, group)))
    return made


def train(net, loss, way, data, *, steps=8, optimizer="adam", params=None, options=None):
    """Train a net for some steps; return the losses of all of them."""
    list(net.collect_params().values())[-1].data()[:] += 0.1  # Gluon's cross-entropy has no derivative at exactly 0
    if way == "hybrid":
        net.hybridize()
        loss.hybridize()
    params = net.collect_params() if params is None else params(net, loss)
    trainer = gluon.Trainer(params, optimizer, options or {"learning_rate": 0.05})
    step, why = _step.make_step(net, loss, trainer, data[0], hybridize=way == "graph")
    assert way != "graph" or not why, why
    values = []
    for i in range(steps):
        batch = data[i % len(data)]
        with mx.autograd.pause(train_mode=False):
            assert loss(net(batch[0]), *batch[1:]).shape == (len(batch[0]),)
        values.append(step(batch, len(batch[0])).asnumpy())
    return np.concatenate(values)


def gradient(loss, pred, label, group):
    """Return the gradient of a loss's mean by the predictions; states are put back."""
    before = [state.data().copy() for state in loss._states()]
    pred = mx.nd.array(pred)
    pred.attach_grad()
    with mx.autograd.record():
        value = loss(pred, mx.nd.array(label), mx.nd.array(group)).mean()
    value.backward()
    for state, old in zip(loss._states(), before):
        state.set_data(old)
    return pred.grad.asnumpy()


def numeric(function, at, by=1e-3):
    """Return the derivative of a function of a float64 array by central differences."""
    at = np.asarray(at, dtype=np.float64)
    slope = np.zeros_like(at)
    for place in np.ndindex(*at.shape):
        change = np.zeros_like(at)
        change[place] = by
        slope[place] = (function(at + change) - function(at - change)) / (2 * by)
    return slope
