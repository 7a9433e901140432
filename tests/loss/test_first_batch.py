"""What a loss does with the first batch of a training: devices, types of labels, checks."""

from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon
from mxnet.gluon import nn

import mxfair
from mxfair._validation import InputError
from mxfair.data import DataLoader
from mxfair.loss import (
    AdversarialLoss,
    BoundedGroupLoss,
    CounterfactualPair,
    FlipColumns,
    GapConstraint,
    GapPenalty,
    GroupDROLoss,
    LogitPairingLoss,
    MMDPenalty,
    MutualInformationPenalty,
    PenalizedLoss,
    ProjectedAdversarialLoss,
    RegularizedLoss,
    trained_parameters,
)
from mxfair.regularizer import L2
from mxfair.training import Snapshot, fit

BASE = gluon.loss.SigmoidBinaryCrossEntropyLoss
OTHER = mx.cpu(1)
LOSSES = {
    "gap": lambda net, ctx: PenalizedLoss(BASE(), GapPenalty("equalized_odds", 2)),
    "constraint": lambda net, ctx: PenalizedLoss(BASE(), GapConstraint("equalized_odds", 2, bound=0.05)),
    "mmd": lambda net, ctx: PenalizedLoss(BASE(), MMDPenalty("equal_opportunity", 2)),
    "dro": lambda net, ctx: GroupDROLoss(BASE(), 2, step=0.5),
    "nested": lambda net, ctx: RegularizedLoss(
        PenalizedLoss(GroupDROLoss(BASE(), 2, step=0.5), GapPenalty("demographic_parity", 2)), L2(net, 0.1)
    ),
    "adversary": lambda net, ctx: AdversarialLoss(BASE(), 2, criterion="equalized_odds", seed=0, ctx=ctx),
    "projected": lambda net, ctx: ProjectedAdversarialLoss(BASE(), 2, seed=0, ctx=ctx),
}


def samples(dtype="float32"):
    """Return a table, labels and groups that depend on it."""
    rng = np.random.default_rng(0)
    group = rng.integers(0, 2, 53)
    X = rng.normal(size=(53, 4)).astype("float32")
    X[:, 1] += group
    return X, (X[:, 0] + 0.8 * group > 0.4).astype(dtype), group.astype(dtype)


def trained(make, ctx=None, dtype="float32", **options):
    """Return the losses of epochs, the net's weights and the loss after a training on a device."""
    mx.random.seed(0)
    net = nn.Dense(1, in_units=4)
    net.initialize(mx.init.Xavier(), ctx=ctx)
    loss = make(net, ctx)
    trainer = gluon.Trainer(trained_parameters(net, loss), "adam", {"learning_rate": 0.05})
    loader = DataLoader(gluon.data.ArrayDataset(*samples(dtype)), 16)
    history = fit(net, loader, loss, trainer, 3, progress=False, **options)
    return history["loss"], net.weight.data(net.weight.list_ctx()[0]).asnumpy(), loss


@pytest.mark.parametrize("hybridize", [True, False])
@pytest.mark.parametrize("name", list(LOSSES))
def test_training_on_another_device_gives_the_same_numbers(name, hybridize):
    """States and constants follow the net to its device, and only that device has them."""
    expected = trained(LOSSES[name], hybridize=hybridize)
    found = trained(LOSSES[name], OTHER, hybridize=hybridize)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-6)
    for one, other in zip(found[2]._states(), expected[2]._states()):
        assert one.list_ctx() == [OTHER]
        np.testing.assert_allclose(one.data(OTHER).asnumpy(), other.data().asnumpy(), atol=1e-6)


@pytest.mark.parametrize("name", ["gap", "dro"])
def test_a_snapshot_holds_the_states_of_the_device_that_was_trained_on(name, tmp_path):
    """A net on another device than the first goes on with its states, not with those it started from."""
    whole = trained(LOSSES[name], OTHER)

    class Killed(mxfair.training.Callback):
        def on_batch_end(self, state):
            if (state.epoch, state.batch) == (1, 2):
                raise KeyboardInterrupt

    path = tmp_path / "run.npz"
    with pytest.raises(KeyboardInterrupt):
        trained(LOSSES[name], OTHER, snapshot=Snapshot(path, every=2), callbacks=[Killed()])
    resumed = trained(LOSSES[name], OTHER, snapshot=Snapshot(path, every=2), callbacks=[mxfair.training.Callback()])
    np.testing.assert_array_equal(resumed[1], whole[1])
    for one, other in zip(resumed[2]._states(), whole[2]._states()):
        np.testing.assert_array_equal(one.data(OTHER).asnumpy(), other.data(OTHER).asnumpy())


def test_states_saved_after_a_loop_on_another_device_are_those_of_that_device(tmp_path):
    """No copy on the device of before, which no batch updated, enters the file."""
    loss = GroupDROLoss(gluon.loss.L1Loss(), 2, step=1.0)
    items = [mx.nd.array(values, ctx=OTHER) for values in ([1, 1, 1, 3], [0, 0, 0, 0], [0, 0, 0, 1])]
    with autograd.train_mode():
        loss(*items)
    loss.save_parameters(str(tmp_path / "loss.params"))
    other = GroupDROLoss(gluon.loss.L1Loss(), 2, step=1.0)
    other.load_parameters(str(tmp_path / "loss.params"))
    np.testing.assert_allclose(other.q, loss.q, rtol=1e-6)
    np.testing.assert_allclose(loss.q, [1 / (1 + np.e**2), 1 / (1 + np.e**-2)], rtol=1e-5)


def test_two_devices_in_one_loop_have_states_of_their_own():
    """A loop over devices goes on as before: the second device does not take the states from the first."""
    loss = BoundedGroupLoss(gluon.loss.L1Loss(), 2, bound=2.0, step=0.5)
    for _ in range(2):
        for ctx in (mx.cpu(0), OTHER):
            items = [mx.nd.array(values, ctx=ctx) for values in ([1, 3], [0, 0], [0, 1])]
            with autograd.train_mode():
                loss(*items)
    # The first batch on the second device starts from what the first device had learned.
    assert [loss.multiplier.data(ctx).asnumpy().tolist() for ctx in (mx.cpu(0), OTHER)] == [[0, 1], [0, 1.5]]


@pytest.mark.parametrize("hybridize", [True, False])
@pytest.mark.parametrize("name", list(LOSSES))
def test_whole_numbers_as_labels_give_the_same(name, hybridize):
    """Labels and groups of type int64 train as those of type float32 do."""
    expected, found = trained(LOSSES[name]), trained(LOSSES[name], dtype="int64", hybridize=hybridize)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-6)


def test_whole_numbers_as_labels_of_pairs():
    """A LogitPairingLoss called on the outputs of a CounterfactualPair takes labels of type int64."""
    net = nn.Dense(1, in_units=4)
    net.initialize()
    pair = CounterfactualPair(net, FlipColumns(4, values={0: (0, 1)}))
    X, y, z = samples()
    values = []
    for dtype in ("float32", "int64"):
        with autograd.record():
            loss = LogitPairingLoss(BASE())(pair(mx.nd.array(X)), *(mx.nd.array(a, dtype=dtype) for a in (y, z)))
        values.append(loss.asnumpy())
    np.testing.assert_array_equal(*values)


def test_a_loss_that_is_used_again_checks_its_first_batch_again():
    """A second training with codes of no group is refused, though the first one had groups."""
    net = nn.Dense(1, in_units=4)
    net.initialize()
    loss = PenalizedLoss(BASE(), GapPenalty("demographic_parity", 2))
    X, y, z = samples()
    for codes, raises in ((z, False), (z + 7, True)):
        trainer = gluon.Trainer(net.collect_params(), "sgd")
        loader = DataLoader(gluon.data.ArrayDataset(X, y, codes), 16)
        if raises:
            with pytest.raises(InputError, match="codes from 0 to 1; got 7 to 8"):
                fit(net, loader, loss, trainer, 1, progress=False)
        else:
            fit(net, loader, loss, trainer, 1, progress=False)


@pytest.mark.parametrize(
    "make",
    [
        lambda base: PenalizedLoss(base, MMDPenalty("demographic_parity", 2)),
        lambda base: PenalizedLoss(base, GapPenalty("equalized_odds", 2)),
        lambda base: GroupDROLoss(base, 2, over="cells"),
        lambda base: AdversarialLoss(base, 2, criterion="equalized_odds"),
    ],
)
def test_labels_as_indicators_are_refused(make):
    """Two columns of indicators would count as twice as many samples: the penalty's gradient would be twice as long."""
    loss = make(gluon.loss.SoftmaxCrossEntropyLoss(sparse_label=False))
    pred, label, group = mx.nd.ones((4, 2)), mx.nd.array([[1, 0], [0, 1]] * 2), mx.nd.array([0, 0, 1, 1])
    with pytest.raises(InputError, match=r"one label per sample \(4\); got shape \(4, 2\)"):
        loss(pred, label, group)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the memory of the process from /proc")
def test_an_epoch_keeps_losses_and_no_outputs():
    """With many classes the losses kept until the epoch ends are small: 100 MB of outputs are not kept with them."""
    net = nn.Dense(1000, in_units=4)
    net.initialize()
    rng, n = np.random.default_rng(0), 256 * 100
    table = [rng.normal(size=(n, 4)), rng.integers(0, 1000, n), rng.integers(0, 2, n)]
    pages = []

    class Watch(mxfair.training.Callback):
        def on_batch_end(self, state):
            if state.batch in (10, 99):
                mx.nd.waitall()
                pages.append(int(Path("/proc/self/statm").read_text().split()[1]))

    loss = PenalizedLoss(
        gluon.loss.SoftmaxCrossEntropyLoss(), MutualInformationPenalty("demographic_parity", 2, n_classes=1000)
    )
    loader = DataLoader(gluon.data.ArrayDataset(*(array.astype("float32") for array in table)), 256)
    fit(net, loader, loss, gluon.Trainer(net.collect_params(), "sgd"), 1, callbacks=[Watch()], progress=False)
    assert (pages[1] - pages[0]) * 4096 < 40e6


def test_fit_says_what_a_projected_loss_takes_instead_of_a_penalty_of_weights():
    """The error speaks of the regularizer that was given, not of a base loss that the user never named."""
    net = nn.Dense(1, in_units=4)
    net.initialize()
    loss = ProjectedAdversarialLoss(BASE(), 2)
    trainer = gluon.Trainer(trained_parameters(net, loss), "sgd")
    loader = DataLoader(gluon.data.ArrayDataset(*samples()), 16)
    with pytest.raises(InputError, match="Use step='proximal', or Trainer's wd"):
        fit(net, loader, loss, trainer, 1, progress=False, regularizers=[L2(net, 0.1)])
