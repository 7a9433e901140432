"""DeepSHAP: the rescale rule adds up exactly, and is its formula; other nets are refused by the layer's name."""

from __future__ import annotations

import numpy as np
import pytest

from mxfair._compat import import_mxnet
from mxfair._validation import InputError
from mxfair.explain import deep_shap, expected_gradients

mx = import_mxnet()
nn = mx.gluon.nn


def rows(n, seed=0):
    """Return random rows."""
    return np.random.default_rng(seed).normal(size=(n, 5)).astype("float32")


def chain(*layers):
    """Return a net of layers, initialized, whose batch norms have seen data."""
    mx.random.seed(3)
    net = nn.HybridSequential()
    net.add(*layers)
    net.initialize(mx.init.Xavier(magnitude=4))
    with mx.autograd.record():
        net(mx.nd.array(rows(50, seed=9) * 2 + 1))
    return net


ACTIVATIONS = {
    **{name: lambda name=name: nn.Activation(name) for name in ("relu", "sigmoid", "tanh", "softrelu", "softsign")},
    "leaky": lambda: nn.LeakyReLU(0.1),
    "elu": lambda: nn.ELU(0.7),
    "selu": nn.SELU,
    "gelu": nn.GELU,
}


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("scale", ["logit", "probability"])
@pytest.mark.parametrize("outputs", [1, 2])
def test_contributions_add_up_exactly(name, scale, outputs):
    """Whatever the activation and the scale, values make the output but for the net's rounding."""
    make = ACTIVATIONS[name]
    net = chain(nn.BatchNorm(), nn.Dense(8), make(), nn.Dropout(0.5), nn.Dense(8), make(), nn.Dense(outputs))
    found = deep_shap(net, rows(20), rows(10, seed=1), scale=scale)
    assert np.abs(found.residuals).max() < 2e-6


def test_a_layer_of_relus_is_its_formula():
    """With one hidden layer multipliers are w2 (relu(z) - relu(z_b)) / (z - z_b)."""
    net = chain(nn.Dense(8, activation="relu"), nn.Dense(1))
    W, c, w = (p.data().asnumpy() for p in list(net.collect_params().values())[:3])
    X, background = rows(4), rows(3, seed=1)
    wanted = np.zeros((4, 5))
    for i, x in enumerate(X):
        for b in background:
            z, z_b = W @ x + c, W @ b + c
            wanted[i] += (w[0] * (np.maximum(z, 0) - np.maximum(z_b, 0)) / (z - z_b)) @ W * (x - b) / 3
    np.testing.assert_allclose(deep_shap(net, X, background).values, wanted, atol=1e-5)


def test_a_row_of_the_background_gets_nothing_from_itself():
    """Where nothing changes, nothing contributes and nothing is divided by 0."""
    net = chain(nn.Dense(8, activation="tanh"), nn.Dense(1))
    np.testing.assert_array_equal(deep_shap(net, rows(1), rows(1)).values, np.zeros((1, 5)))


def test_small_batches_change_nothing():
    """Rows are independent of each other."""
    net = chain(nn.Dense(8, activation="tanh"), nn.Dense(3))
    whole = deep_shap(net, rows(20), rows(10, seed=1), output=2)
    parts = deep_shap(net, rows(20), rows(10, seed=1), output=2, max_memory=1e-3)
    np.testing.assert_allclose(whole.values, parts.values, atol=1e-12)
    assert np.abs(whole.residuals).max() < 2e-6


def test_it_is_close_to_expected_gradients():
    """Both share out the same output: for a gently bent net nearly alike."""
    net = chain(nn.Dense(8, activation="softrelu"), nn.Dense(1))
    X, background = rows(50), rows(30, seed=1)
    found = [f(net, X, background).values.ravel() for f in (deep_shap, expected_gradients)]
    assert np.corrcoef(*found)[0, 1] > 0.99


class Skips(mx.gluon.HybridBlock):
    """A net whose input skips a layer."""

    def __init__(self):
        super().__init__()
        with self.name_scope():
            self.inner, self.outer = nn.Dense(5, in_units=5), nn.Dense(1, in_units=5)

    def hybrid_forward(self, F, x):
        """Return one number per row."""
        return self.outer(x + F.tanh(self.inner(x)))


def test_other_nets_are_refused_by_the_layers_name():
    """A skip connection, a softmax and a net that cannot be traced are said, with what to use instead."""
    net = Skips()
    net.initialize()
    with pytest.raises(InputError, match=r"elemwise_add.*expected_gradients"):
        deep_shap(net, rows(2), rows(2))
    with pytest.raises(InputError, match="softmax"):
        deep_shap(chain(nn.Dense(3), nn.HybridLambda("softmax")), rows(2), rows(2), output=0)
    plain = nn.Sequential()
    plain.add(nn.Dense(1, in_units=5))
    plain.initialize()
    with pytest.raises(InputError, match="HybridBlock"):
        deep_shap(plain, rows(2), rows(2))


def test_a_probability_among_three_classes_is_refused():
    """Softmax is no function of one unit."""
    with pytest.raises(InputError, match="raw output"):
        deep_shap(chain(nn.Dense(3)), rows(2), rows(2), output=0, scale="probability")
