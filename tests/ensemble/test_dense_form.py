"""The product of NumPy that predicts few rows by members that are alike."""

from __future__ import annotations

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon, nd

import mxfair
from mxfair import _inference
from mxfair.ensemble import Ensemble
from mxfair.ensemble._dense import MAX_ROWS, DenseMembers

nn = gluon.nn


def chain(*layers):
    """Return an initialized net of layers."""
    net = nn.HybridSequential()
    net.add(*layers)
    net.initialize(mx.init.Normal(0.7), force_reinit=True)
    return net


def separate():
    """Return a net whose activation is a layer of its own, with dropout."""
    return chain(nn.Dense(5, in_units=3), nn.Activation("relu"), nn.Dropout(0.5), nn.Dense(2, in_units=5))


ALIKE = {
    "mlp": lambda: chain(nn.Dense(5, "relu", in_units=3), nn.Dense(4, "tanh", in_units=5), nn.Dense(3, in_units=4)),
    "one output": lambda: chain(nn.Dense(5, "relu", in_units=3), nn.Dense(1, in_units=5)),
    "no bias": lambda: chain(nn.Dense(5, "relu", in_units=3, use_bias=False), nn.Dense(2, in_units=5, use_bias=False)),
    "one layer": lambda: chain(nn.Dense(2, in_units=3)),
    "ends in tanh": lambda: chain(nn.Dense(2, "tanh", in_units=3)),
    "separate": separate,
    "nested": lambda: chain(chain(nn.Dense(4, "tanh", in_units=3)), nn.Dense(2, in_units=4)),
}


def rows(count):
    """Return data."""
    return np.random.default_rng(1).normal(size=(count, 3)).astype("float32")


def predicted(ensemble, data):
    """Return the outputs of a pass in predict mode."""
    return np.concatenate([part.asnumpy() for part in _inference.forward(ensemble, data)])


@pytest.mark.parametrize("count", [1, 2, MAX_ROWS, MAX_ROWS + 1])
@pytest.mark.parametrize("name", ALIKE)
def test_outputs_are_those_of_the_members(name, count):
    """For one row, two, the most that it takes and one more, which the engine computes."""
    nets, data = [ALIKE[name]() for _ in range(3)], rows(count)
    right = np.stack([net(nd.array(data)).asnumpy() for net in nets])
    form = DenseMembers.of(tuple(nets))
    found = form(nd.array(data))
    assert (found is None) == (count > MAX_ROWS)
    if found is not None:
        np.testing.assert_allclose(found.transpose(1, 2, 0), right, rtol=1e-5, atol=1e-6)
    ensemble = Ensemble(nets, [1, 2, 3], combine="score")
    mean = np.average(right, axis=0, weights=[1, 2, 3])
    np.testing.assert_allclose(predicted(ensemble, data), mean, rtol=1e-5, atol=1e-6)
    assert ensemble._form._dense is not None


UNLIKE = {
    "units": lambda: [ALIKE["mlp"](), ALIKE["one layer"]()],
    "activations": lambda: [chain(nn.Dense(2, "relu", in_units=3)), chain(nn.Dense(2, "tanh", in_units=3))],
    "biases": lambda: [chain(nn.Dense(2, in_units=3)), chain(nn.Dense(2, in_units=3, use_bias=False))],
    "sigmoid": lambda: [chain(nn.Dense(2, "sigmoid", in_units=3)) for _ in range(2)],
    "normalisation": lambda: [chain(nn.BatchNorm(in_channels=3), nn.Dense(2, in_units=3)) for _ in range(2)],
    "two activations": lambda: [chain(nn.Dense(2, "relu", in_units=3), nn.Activation("tanh")) for _ in range(2)],
}


@pytest.mark.parametrize("name", UNLIKE)
def test_other_members_are_left_to_the_engine(name):
    """Nets that differ, or have other layers, have no such form; predictions are those of the block."""
    nets, data = UNLIKE[name](), rows(9)
    assert DenseMembers.of(tuple(nets)) is None
    if name != "units":
        ensemble = Ensemble(nets)
        right = ensemble(nd.array(data)).asnumpy()
        np.testing.assert_allclose(predicted(ensemble, data), right, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("hybridize", [True, False])
def test_it_follows_training(toy, make_net, hybridize):
    """After steps of a trainer, which may lay parameters out anew, the next prediction is that of the new weights."""
    data, labels, groups = toy
    ensemble = Ensemble([make_net(seed=seed) for seed in range(3)])
    trainer = gluon.Trainer(ensemble.collect_params(), "adam", {"learning_rate": 0.05})
    loader = mxfair.data.DataLoader(gluon.data.ArrayDataset(data, labels, groups), 32, shuffle=True, seed=0)
    loss = gluon.loss.SigmoidBinaryCrossEntropyLoss()
    before = predicted(ensemble, data)
    for _ in range(2):
        mxfair.training.fit(ensemble, loader, loss, trainer, 2, progress=False, hybridize=hybridize)
        after = predicted(ensemble, data)
        np.testing.assert_allclose(after, ensemble(nd.array(data)).asnumpy(), rtol=1e-5, atol=1e-5)
        assert np.abs(after - before).max() > 1e-3
        before = after
    assert ensemble._form._dense is not None


@pytest.mark.parametrize("change", ["cast", "reinitialize", "context"])
def test_it_follows_parameters_that_are_replaced(change):
    """Arrays of another type, at another place or on another device are found."""
    ensemble, data = Ensemble([ALIKE["mlp"]() for _ in range(3)]), rows(9)
    predicted(ensemble, data)
    dtype, ctx = "float32", mx.cpu()
    if change == "cast":
        ensemble.cast("float64")
        dtype = "float64"
    elif change == "context":
        ctx = mx.cpu(1)
        ensemble.collect_params().reset_ctx(ctx)
    else:
        ensemble.nets[1].initialize(mx.init.Normal(2.0), force_reinit=True)
    right = ensemble(nd.array(data, dtype=dtype, ctx=ctx)).asnumpy()
    np.testing.assert_allclose(predicted(ensemble, data.astype(dtype)), right, rtol=1e-5, atol=1e-5)


def test_nan_stays_nan():
    """A member that has diverged is seen in the prediction."""
    net = ALIKE["mlp"]()
    net[0].weight.set_data(net[0].weight.data() * float("nan"))
    assert np.isnan(predicted(Ensemble([net, ALIKE["mlp"]()]), rows(3))).all()


def test_the_callers_data_stay_as_they_are():
    """A pass writes neither to the data nor to the weights."""
    net, data = ALIKE["ends in tanh"](), rows(5)
    ensemble, before, weight = Ensemble([net]), data.copy(), net[0].weight.data().asnumpy()
    predicted(ensemble, data)
    np.testing.assert_array_equal(data, before)
    np.testing.assert_array_equal(net[0].weight.data().asnumpy(), weight)
    data[0] = 1.0
