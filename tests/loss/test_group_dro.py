"""GroupDROLoss and BoundedGroupLoss: weights of groups that follow their losses."""

from __future__ import annotations

import mxnet as mx
import numpy as np
import pytest
from _ways import WAYS, batches, gradient, train
from mxnet import gluon

import mxfair
from mxfair._validation import InputError, InputTypeError
from mxfair.loss import BoundedGroupLoss, GapPenalty, GroupDROLoss, PenalizedLoss

BCE = gluon.loss.SigmoidBinaryCrossEntropyLoss
L1 = gluon.loss.L1Loss


def called(loss, pred, label, group):
    """Call a loss in training mode."""
    with mx.autograd.train_mode():
        return loss(mx.nd.array(pred), mx.nd.array(label), mx.nd.array(group)).asnumpy()


MAKERS = {
    "dro": lambda base: GroupDROLoss(base, 2, step=0.3),
    "dro cells": lambda base: GroupDROLoss(base, 2, step=0.3, over="cells", adjustment=0.5, sizes=[9, 1, 4, 2]),
    "bounded": lambda base: BoundedGroupLoss(base, 2, bound=0.3, step=0.5),
    "bounded cells": lambda base: BoundedGroupLoss(base, 2, bound=0.3, step=0.5, over="cells"),
}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("softmax", [False, True])
def test_three_ways_agree(make_net, values_of, name, softmax):
    """Imperative, hybridized and in one graph: the same weights, losses and states."""
    found = []
    for way in WAYS:
        net = make_net(2 if softmax else 1)
        loss = MAKERS[name](gluon.loss.SoftmaxCrossEntropyLoss() if softmax else BCE())
        values = train(net, loss, way, batches())
        found.append(np.concatenate([values, values_of(net), *(s.data().asnumpy() for s in loss._states())]))
    np.testing.assert_allclose(found[1], found[0], rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(found[2], found[0], rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("base", [BCE, gluon.loss.L2Loss])
@pytest.mark.parametrize("name", ["dro", "bounded"])
def test_three_ways_agree_on_several_outputs(make_net, values_of, name, base):
    """Several labels of a sample, or targets: its loss is their mean, in one graph too."""
    found = []
    for way in WAYS:
        net, loss = make_net(3), MAKERS[name](base())
        items = [(data, mx.nd.stack(label, 1 - label, label, axis=1), group) for data, label, group in batches()]
        values = train(net, loss, way, items)
        found.append(np.concatenate([values, values_of(net), *(s.data().asnumpy() for s in loss._states())]))
    np.testing.assert_allclose(found[1], found[0], rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(found[2], found[0], rtol=2e-5, atol=1e-6)


def test_q_follow_the_published_rule():
    """After three batches q is what algorithm 1 gives, and the mean loss is the sum of q times the groups' losses."""
    loss, q = GroupDROLoss(L1(), 3, step=0.7), np.full(3, 1 / 3)
    rng = np.random.default_rng(0)
    for _ in range(3):
        pred, group = rng.normal(size=60), rng.integers(0, 3, 60)
        value = called(loss, pred, np.zeros(60), group)
        means = np.array([np.abs(pred[group == g]).mean() for g in range(3)])
        q = q * np.exp(0.7 * means)
        q /= q.sum()
        np.testing.assert_allclose(loss.q, q, rtol=1e-5)
        assert value.mean() == pytest.approx((q * means).sum(), rel=1e-5)


def test_a_small_group_is_raised_by_its_size():
    """The adjustment adds C / sqrt(n_g) to what q grows by, not to the loss."""
    loss = GroupDROLoss(L1(), 2, step=1.0, adjustment=2.0, sizes=[100, 4])
    value = called(loss, [1.0, 1.0], [0.0, 0.0], [0, 1])
    raised = np.exp([1 + 0.2, 1 + 1.0])
    np.testing.assert_allclose(loss.q, raised / raised.sum(), rtol=1e-5)
    assert value.mean() == pytest.approx(1.0)


def test_groups_know_their_sizes():
    """Groups of the training samples give the sizes, those of unknown groups left out."""
    groups = mxfair.Groups(np.array(["a"] * 3 + ["b"] * 5 + [None], dtype=object))
    loss = GroupDROLoss(L1(), groups, adjustment=1.0)
    np.testing.assert_allclose(loss.raised.data().asnumpy(), 1 / np.sqrt([3, 5]), rtol=1e-6)


def test_an_absent_group_keeps_its_q():
    """Where only one group is there, the others keep their q but for the normalisation, and gradients are finite."""
    loss = GroupDROLoss(L1(), 3, step=0.5)
    value = called(loss, [2.0, 2.0], [0.0, 0.0], [1, 1])
    q = np.array([1, np.exp(1.0), 1])
    np.testing.assert_allclose(loss.q, q / q.sum(), rtol=1e-5)
    assert value.mean() == pytest.approx(2 * loss.q[1], rel=1e-5)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(("label", "group"), [([1, 1, 1, 1], [0, 1, 0, 1]), ([0, 1, 0, 1], [1, 1, 1, 1])])
def test_batches_of_one_class_or_group_have_finite_gradients(name, label, group):
    """Nothing is divided by the size of an absent group."""
    loss = MAKERS[name](BCE())
    assert np.isfinite(gradient(loss, [[0.5], [-80.0], [80.0], [0.0]], label, group)).all()
    assert np.isfinite(called(loss, [[0.5], [-80.0], [80.0], [0.0]], label, group)).all()
    assert all(np.isfinite(state.data().asnumpy()).all() for state in loss._states())


@pytest.mark.parametrize("over", ["groups", "cells"])
def test_unknown_groups_keep_the_base_loss(over):
    """A sample of a code below 0 or from n_groups has its base loss, and the others their weights without it."""
    pred, label, group = np.array([[1.0], [2], [-1], [3], [5]]), np.array([0, 1, 0, 1, 1]), np.array([0, 1, 1, -1, 2])
    base = BCE()(mx.nd.array(pred), mx.nd.array(label)).asnumpy()
    for make in (
        lambda: GroupDROLoss(BCE(), 2, step=0.9, over=over),
        lambda: BoundedGroupLoss(BCE(), 2, bound=0.1, over=over),
    ):
        value = called(make(), pred, label, group)
        np.testing.assert_allclose(value[3:], base[3:], rtol=1e-6)
        without = called(make(), pred[:3], label[:3], group[:3])
        np.testing.assert_allclose(value[:3], without, rtol=1e-5)


def test_multipliers_are_projected_gradient_ascent():
    """They grow by step times the excess over the bound, from 0 to the limit; the mean is the Lagrangian."""
    loss, multiplier = BoundedGroupLoss(L1(), 2, bound=1.0, step=0.5, limit=1.2), np.zeros(2)
    for means in ([0.5, 3.0], [0.9, 2.0], [1.8, 0.2]):
        value = called(loss, means, [0.0, 0.0], [0, 1])
        multiplier = np.clip(multiplier + 0.5 * (np.array(means) - 1), 0, 1.2)
        np.testing.assert_allclose(loss.multipliers, multiplier, rtol=1e-5)
        expected = np.mean(means) + (multiplier * (np.array(means) - 1)).sum()
        assert value.mean() == pytest.approx(expected, rel=1e-5)


def test_gradients_are_those_of_the_weighted_means():
    """The gradient is q (or share + multiplier) times the mean gradient of the group: weights are no function."""
    rng = np.random.default_rng(3)
    pred, label, group = rng.normal(size=12), rng.normal(size=12), np.repeat([0, 1, 2], 4)
    dro = GroupDROLoss(gluon.loss.L2Loss(), 3, step=0.5)
    slope = gradient(dro, pred, label, group)
    called(dro, pred, label, group)
    np.testing.assert_allclose(slope, dro.q[group] / 4 * (pred - label), rtol=1e-4)
    bounded = BoundedGroupLoss(gluon.loss.L2Loss(), 3, bound=0.1)
    slope = gradient(bounded, pred, label, group)
    called(bounded, pred, label, group)
    np.testing.assert_allclose(slope, (1 / 12 + bounded.multipliers[group] / 4) * (pred - label), rtol=1e-4)


def hard_group(n=2000, seed=0):
    """Return (X, y, group): one line for both groups would fit the large one, whose slope is the other's opposite."""
    rng = np.random.default_rng(seed)
    x, group = rng.normal(size=(n, 1)).astype("float32"), (rng.random(n) < 0.15).astype("float32")
    y = x[:, 0] * np.where(group == 1, 0.2, 1.0) + rng.normal(0, 0.1, n)
    return x, y.astype("float32"), group


@pytest.mark.parametrize(
    "make", [lambda: GroupDROLoss(gluon.loss.L2Loss(), 2), lambda: BoundedGroupLoss(gluon.loss.L2Loss(), 2, bound=0.1)]
)
def test_the_worst_groups_loss_falls(make):
    """On a regression whose groups want different lines, `fit` lowers the worst group's error by a third."""
    X, y, group = hard_group()
    worst = {}
    for name, loss in (("plain", gluon.loss.L2Loss()), ("ours", make())):
        mx.random.seed(0)
        net = gluon.nn.Dense(1, in_units=1)
        net.initialize()
        trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.02})
        loader = mxfair.data.DataLoader(gluon.data.ArrayDataset(X, y, group), 100, shuffle=True, seed=0)
        mxfair.training.fit(net, loader, loss, trainer, 15, progress=False)
        error = (net(mx.nd.array(X)).asnumpy()[:, 0] - y) ** 2
        worst[name] = max(error[group == g].mean() for g in (0, 1))
    assert worst["ours"] < worst["plain"] * 2 / 3


def test_states_stand_still_in_predict_mode():
    """Measuring a loss does not train its weights."""
    loss = GroupDROLoss(L1(), 2, step=1.0)
    loss(mx.nd.array([1.0, 5.0]), mx.nd.zeros(2), mx.nd.array([0, 1]))
    np.testing.assert_allclose(loss.q, [0.5, 0.5], rtol=1e-6)


def test_they_combine_with_penalties():
    """A penalized base, or being one: states of both are updated, and outputs are read as the innermost says."""
    inner = PenalizedLoss(GroupDROLoss(BCE(from_sigmoid=True), 2), GapPenalty("demographic_parity", 2))
    outer = GroupDROLoss(PenalizedLoss(BCE(), GapPenalty("demographic_parity", 2)), 2)
    for loss in (inner, outer):
        called(loss, [[0.3], [0.9]], [0, 1], [0, 1])
        assert len(loss._states()) >= 2
        assert not np.allclose(loss._states()[0].data().asnumpy(), 0)
    assert inner.penalties[0].link == "identity"
    assert inner._from_sigmoid
    assert not outer._from_sigmoid


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: GroupDROLoss(L1(), 1), "'n_groups' must be at least 2"),
        (lambda: GroupDROLoss(lambda p, y: p, 2), "'base' must be a Gluon loss"),
        (lambda: GroupDROLoss(mxfair.loss.WeightedLoss(L1(), 4), 2), "got a WeightedLoss"),
        (lambda: GroupDROLoss(L1(), 2, step=0), "'step' must be above 0"),
        (lambda: GroupDROLoss(L1(), 2, over="labels"), "'over' must be one of"),
        (lambda: GroupDROLoss(L1(), 2, adjustment=1.0), "'sizes' must be given"),
        (lambda: GroupDROLoss(L1(), 2, adjustment=1.0, sizes=[1, 0]), "'sizes' must hold 2 numbers above 0"),
        (lambda: GroupDROLoss(L1(), 2, adjustment=-1.0), "'adjustment' must be at least 0"),
        (lambda: BoundedGroupLoss(L1(), 2, bound=float("nan")), "'bound' must be finite"),
        (lambda: BoundedGroupLoss(L1(), 2, bound=1.0, limit=0), "'limit' must be above 0"),
        (lambda: BoundedGroupLoss(L1(), 2, bound="low"), "'bound' must be a number"),
    ],
)
def test_arguments_are_checked_at_construction(make, match):
    """What cannot be used is an error before anything is trained."""
    with pytest.raises((InputError, InputTypeError), match=match):
        make()


@pytest.mark.parametrize(
    ("label", "group", "over", "match"),
    [
        ([0, 1], [0.5, 1], "groups", "'group' must hold whole numbers"),
        ([0, 1], [5, 7], "groups", "'group' must hold codes from 0 to 1"),
        ([0, 1], [0], "groups", "'group' must hold one code per sample"),
        ([0, 2], [0, 1], "cells", "'label' must hold the numbers of the classes"),
    ],
)
def test_the_first_batch_is_checked(label, group, over, match):
    """Codes that are none are an error, not a group."""
    loss = GroupDROLoss(L1(), 2, over=over)
    with pytest.raises(InputError, match=match):
        loss(mx.nd.zeros((2,)), mx.nd.array(label), mx.nd.array(group))
