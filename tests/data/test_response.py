"""The shares that a controller moves close the gap of a net that is trained on them."""

import functools

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon

import mxfair
from mxfair.criterion import CRITERIA
from mxfair.data import Controller, FairDataLoader, PaperController


class KeepData(Controller):
    """Leaves the shares as they are in the data: plain training, in batches of the same make."""

    def update(self, shares, stats):
        """Return the data's shares."""
        return self.data_shares


def seen_groups(n=1200):
    """Return data whose groups have different base rates, the group among the features (after Zafar et al. 2017)."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, n)
    points = np.where(
        labels[:, None] == 1,
        rng.multivariate_normal([2, 2], [[5, 1], [1, 5]], n),
        rng.multivariate_normal([-2, -2], [[10, 1], [1, 3]], n),
    )
    groups = (rng.random(n) < 1 / (1 + np.exp(-0.9 * points[:, 1]))).astype(int)
    return np.c_[points / 3, groups].astype("float32"), labels.astype("float32"), groups


def unseen_groups(n=1200):
    """Return data in which each group's labels follow a feature of its own, the group not among the features."""
    rng = np.random.default_rng(0)
    groups = (rng.random(n) < 0.25).astype(int)
    points = rng.normal(0, 1, (n, 2))
    angle = 1.2 * groups
    score = points[:, 0] * np.cos(angle) + points[:, 1] * np.sin(angle) + rng.normal(0, 0.4, n)
    return points.astype("float32"), (score > 0).astype("float32"), groups


def rates_after(make_data, criterion, controller, epochs=40):
    """Return the GroupConfusion on the training data of a logistic regression trained with the controller."""
    data, labels, groups = make_data()
    mx.random.seed(0)
    net = gluon.nn.Dense(1)
    net.initialize(mx.init.Xavier())
    loss = gluon.loss.SigmoidBinaryCrossEntropyLoss()
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.03})
    dataset = gluon.data.ArrayDataset(data, labels, groups)
    loader = FairDataLoader(dataset, 100, net=net, loss=loss, criterion=criterion, controller=controller, seed=0)
    mxfair.training.fit(net, loader, loss, trainer, epochs, progress=False)
    decisions = (net(mx.nd.array(data)).asnumpy()[:, 0] > 0).astype(int)
    return mxfair.GroupConfusion.of(labels.astype(int), decisions, groups)


def gaps(make_data, criterion, controller):
    """Return the criterion's gap with the controller, and that of plain training."""
    tables = rates_after(make_data, criterion, controller), rates_of_plain_training(make_data)
    return [CRITERIA[criterion].difference(table) for table in tables]


@functools.lru_cache
def rates_of_plain_training(make_data):
    """Return the GroupConfusion after training on the data's own shares."""
    return rates_after(make_data, "demographic_parity", KeepData())


@pytest.mark.parametrize(
    "criterion",
    ["demographic_parity", "equal_opportunity", "predictive_equality", "equalized_odds", "predictive_parity"],
)
def test_the_proportional_rule_closes_the_gap(criterion):
    """The criterion's gap falls below a third of plain training's where the net sees the group."""
    steered, plain = gaps(seen_groups, criterion, "proportional")
    assert steered < plain / 3


@pytest.mark.parametrize("criterion", ["equal_opportunity", "predictive_equality", "equalized_odds", "accuracy_parity"])
def test_the_proportional_rule_closes_the_gap_of_a_net_that_does_not_see_the_group(criterion):
    """The gap falls below half where only the features tell the groups apart, each with a pattern of its own."""
    steered, plain = gaps(unseen_groups, criterion, "proportional")
    assert steered < plain / 2


@pytest.mark.parametrize(
    "criterion", ["demographic_parity", "equal_opportunity", "predictive_equality", "equalized_odds"]
)
def test_the_published_rule_narrows_the_gap(criterion):
    """With a step of .02 the published rule too ends below the gap of plain training."""
    steered, plain = gaps(seen_groups, criterion, PaperController(step=0.02))
    assert steered < 0.8 * plain
