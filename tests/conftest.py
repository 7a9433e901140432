"""What the tests of nets and training share. The engine is imported inside the fixtures: most tests do without it."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import mxfair  # noqa: F401  before any test module imports mxnet


@pytest.fixture(scope="session", autouse=True)
def _small_heap():
    """Leave what is imported out of garbage collections: each Gluon DataLoader makes one."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def toy():
    """Return 96 samples as (data, labels, groups): every (label, group) cell has a size of its own."""
    rng = np.random.default_rng(7)
    data = rng.normal(0, 1, (96, 3)).astype("float32")
    groups = (rng.random(96) < 0.35).astype("int64")
    labels = (data[:, 0] + 0.7 * groups + rng.normal(0, 0.6, 96) > 0.2).astype("float32")
    return data, labels, groups


@pytest.fixture
def make_net():
    """Return a function that makes an initialized net, the same weights for the same seed."""
    import mxnet as mx
    from mxnet import gluon

    def make(outputs=1, *, hidden=4, inputs=3, seed=0, extra=()):
        mx.random.seed(seed)
        net = gluon.nn.HybridSequential()
        if hidden:
            net.add(gluon.nn.Dense(hidden, activation="relu", in_units=inputs), *extra)
        net.add(gluon.nn.Dense(outputs, in_units=hidden or inputs))
        net.initialize(mx.init.Xavier())
        return net

    return make


@pytest.fixture
def values_of():
    """Return a function from a net to all its parameters as one vector."""

    def values(net):
        return np.concatenate([p.data().asnumpy().ravel() for p in net.collect_params().values()])

    return values
