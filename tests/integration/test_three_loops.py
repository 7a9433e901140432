"""One seed, the same weights: a hand-written Trainer loop, training.fit and Gluon's Estimator with FairBatch."""

import logging

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon
from mxnet.gluon.contrib.estimator import Estimator

import mxfair
from mxfair.data import FairDataLoader

EPOCHS = 5


def hand_written(net, loader, loss, trainer):
    """Train as Gluon's tutorials do."""
    for _ in range(EPOCHS):
        for data, label, _ in loader:
            with autograd.record():
                value = loss(net(data), label)
            value.backward()
            trainer.step(len(data))


def hand_written_hybridized(net, loader, loss, trainer):
    """Train as Gluon's tutorials do, the net hybridized."""
    net.hybridize(static_alloc=True, static_shape=True)
    hand_written(net, loader, loss, trainer)


def fitted(net, loader, loss, trainer):
    """Train with fit, as one graph."""
    mxfair.training.fit(net, loader, loss, trainer, EPOCHS, progress=False)


def fitted_plainly(net, loader, loss, trainer):
    """Train with fit, step by step."""
    mxfair.training.fit(net, loader, loss, trainer, EPOCHS, progress=False, hybridize=False)


def estimated(net, loader, loss, trainer):
    """Train with Gluon's Estimator, which ignores the third item of a batch."""
    estimator = Estimator(net, loss, train_metrics=mx.metric.Loss(), trainer=trainer, context=mx.cpu())
    estimator.logger.setLevel(logging.WARNING)
    estimator.fit(loader, epochs=EPOCHS)


@pytest.fixture(params=["proportional", "paper"])
def controller(request):
    """Return each named controller."""
    return request.param


@pytest.fixture
def trained(make_net, values_of, toy, controller):
    """Return a function from a loop to the weights it ends with and the sampler's history."""

    def train(loop, optimizer="adam"):
        data, labels, groups = toy
        net, loss = make_net(hidden=8, extra=[gluon.nn.Dropout(0.2)]), gluon.loss.SigmoidBinaryCrossEntropyLoss()
        trainer = gluon.Trainer(net.collect_params(), optimizer, {"learning_rate": 0.05, "wd": 0.01})
        dataset = gluon.data.ArrayDataset(data, labels, groups)
        loader = FairDataLoader(dataset, 20, net=net, loss=loss, controller=controller, seed=3)
        mx.random.seed(5)
        loop(net, loader, loss, trainer)
        return values_of(net), loader.batch_sampler.history

    return train


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("loop", [hand_written_hybridized, fitted, fitted_plainly, estimated])
def test_every_loop_ends_with_the_weights_of_the_hand_written_one(trained, loop, optimizer):
    """Five epochs with Dropout, weight decay and moving shares end within 1e-6 of the plain loop's weights."""
    np.testing.assert_allclose(trained(loop, optimizer)[0], trained(hand_written, optimizer)[0], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("loop", [fitted_plainly, estimated])
def test_the_plain_steps_are_bit_identical(trained, loop):
    """Both fit with hybridize=False and the Estimator make the very same calls: not a bit differs."""
    np.testing.assert_array_equal(trained(loop)[0], trained(hand_written)[0])


@pytest.mark.parametrize("loop", [fitted, estimated])
def test_every_loop_moves_the_shares_alike(trained, loop):
    """The sampler measures the same net at the same times."""
    one, other = trained(loop)[1], trained(hand_written)[1]
    assert len(one) == len(other) == EPOCHS
    np.testing.assert_allclose([e["shares"] for e in one], [e["shares"] for e in other], rtol=1e-6)


def test_a_loop_is_repeatable(trained):
    """The same loop twice gives the same bits."""
    np.testing.assert_array_equal(trained(fitted)[0], trained(fitted)[0])
