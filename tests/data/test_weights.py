"""SampleWeights and the loss that takes them."""

import json

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon

import mxfair
from mxfair._validation import InputError, InputTypeError
from mxfair.criterion import CRITERIA
from mxfair.data import DataLoader, FullPass, SampleWeights
from mxfair.loss import GroupLoss, WeightedLoss

BCE = gluon.loss.SigmoidBinaryCrossEntropyLoss


def parts(n=1200):
    """Return data whose groups have different base rates, the group among the features."""
    rng = np.random.default_rng(0)
    z = (rng.random(n) < 0.35).astype("int64")
    y = (rng.random(n) < 0.35 + 0.3 * z).astype("float32")
    X = np.c_[rng.normal(0, 1, n) + 1.6 * y, rng.normal(0, 1, n), z].astype("float32")
    return X, y, z


def logistic(seed=0):
    """Return a logistic regression."""
    mx.random.seed(seed)
    net = gluon.nn.Dense(1, in_units=3)
    net.initialize(mx.init.Xavier())
    return net


def trained(criterion="equal_opportunity", epochs=40, fit=True, update_every=None, hybridize=True):
    """Return the table on the training data, the weights and the history; plain training without a criterion."""
    X, y, z = parts()
    net = logistic()
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.02})
    dataset, loss, weights = gluon.data.ArrayDataset(X, y), BCE(), None
    if criterion is not None:
        weights = SampleWeights(y, z, criterion, signal=FullPass(net, X, y, z), update_every=update_every)
        dataset, loss = weights.attach(dataset), weights.loss(loss)
    loader = DataLoader(dataset, 100, shuffle=True, seed=0)
    history = None
    if fit:
        history = mxfair.training.fit(net, loader, loss, trainer, epochs, progress=False, hybridize=hybridize)
    else:
        for _ in range(epochs):
            weights.update()
            for data, label, cell in loader:
                with autograd.record():
                    value = loss(net(data), label, cell)
                value.backward()
                trainer.step(len(data))
    decisions = (net(mx.nd.array(X)).asnumpy()[:, 0] > 0).astype(int)
    return mxfair.GroupConfusion.of(y.astype(int), decisions, z), weights, history, net


def update(weights, times):
    """Update some weights some times."""
    for _ in range(times):
        weights.update()


@pytest.mark.parametrize("criterion", ["equal_opportunity", "equalized_odds", "demographic_parity"])
def test_weights_close_the_gap(criterion):
    """The gap on the training data falls below a third, as with the sampler."""
    fair, plain = trained(criterion)[0], trained(None)[0]
    assert CRITERIA[criterion].difference(fair) < CRITERIA[criterion].difference(plain) / 3


def test_fit_does_what_a_hand_written_loop_does():
    """In the graph, in the plain loop and by hand: the same weights, bit by bit."""
    nets = [trained(epochs=5, **kwargs)[3] for kwargs in ({}, {"hybridize": False}, {"fit": False})]
    values = [net.weight.data().asnumpy().tolist() for net in nets]
    assert values[0] == values[1] == values[2]


def test_the_history_has_gap_and_shares():
    """As with the sampler."""
    _, weights, history, _ = trained(epochs=3)
    assert len(history["gap"]) == 3
    assert history["share[1, 0]"][-1] == weights.shares[1, 0]


def test_updates_inside_an_epoch_are_counted():
    """Twelve batches with an update every five: at 0, 5 and 10."""
    _, weights, _, _ = trained(epochs=2, update_every=5)
    assert [entry["batch"] for entry in weights.history] == [0, 5, 10] * 2
    assert [entry["epoch"] for entry in weights.history] == [0] * 3 + [1] * 3


def test_a_weight_scales_its_cell_alone():
    """The loss of a sample is the base's times the weight of its cell."""
    loss, pred, label = WeightedLoss(BCE(), 4), mx.nd.array([[0.3], [-1.0], [2.0]]), mx.nd.array([1, 0, 1])
    loss.set_weights([1, 2, 3, 4])
    weighted = loss(pred, label, mx.nd.array([3, 0, 2])).asnumpy()
    np.testing.assert_allclose(weighted, BCE()(pred, label).asnumpy() * [4, 1, 3], rtol=1e-6)


def test_a_hybridized_loss_follows_new_weights():
    """Setting weights changes a cached graph too."""
    loss, pred, label, cell = WeightedLoss(BCE(), 2), mx.nd.ones((2, 1)), mx.nd.zeros(2), mx.nd.array([0, 1])
    loss.hybridize()
    before = loss(pred, label, cell).asnumpy()
    loss.set_weights([1, 5])
    np.testing.assert_allclose(loss(pred, label, cell).asnumpy(), before * [1, 5], rtol=1e-6)


def test_weights_have_no_gradient():
    """A Trainer over net and loss leaves them alone."""
    loss = WeightedLoss(BCE(), 2)
    assert [p.grad_req for p in loss.collect_params().values()] == ["null"]


def test_the_mean_weight_is_one():
    """After any updates, over the data."""
    _, weights, _, _ = trained(epochs=10)
    assert weights.sample_weight.mean() == pytest.approx(1)


def test_a_weight_never_falls_below_its_floor():
    """min_weight keeps every cell in training."""
    labels, groups = np.tile([0, 0, 1, 1], 50), np.tile([0, 1], 100)
    weights = SampleWeights(labels, groups, "equal_opportunity", signal=lambda: groups, min_weight=0.2)
    with pytest.warns(UserWarning, match="floor"):
        update(weights, 20)
    assert weights.weights.min() == pytest.approx(0.2)


def test_a_dataset_of_pictures_gets_its_cells():
    """A dataset that is no ArrayDataset is zipped with the cells, groups in it replaced."""
    labels, groups = np.tile([0, 1], 10), np.repeat([0, 1], 10)
    weights = SampleWeights(labels, groups, controller="balanced")
    dataset = gluon.data.ArrayDataset(np.zeros((20, 2), "float32"), labels, groups).transform_first(lambda x: x + 1)
    attached = weights.attach(dataset)
    assert [float(attached[i][2]) for i in (0, 1, 10, 11)] == [0, 2, 1, 3]
    assert len(attached[0]) == 3


def test_the_state_passes_through_json():
    """Loaded weights are the same, in the loss too."""
    labels, groups = np.tile([0, 0, 1, 1], 50), np.tile([0, 1], 100)
    first, second = (SampleWeights(labels, groups, signal=lambda: groups) for _ in range(2))
    loss = second.loss(BCE())
    first.update()
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert second.weights.tolist() == first.weights.tolist()
    np.testing.assert_allclose(loss.cell_weight.data().asnumpy(), first.weights.ravel(), rtol=1e-6)


class TestErrors:
    """What would weigh the wrong thing is refused."""

    def test_a_dataset_of_another_length(self):
        """Cells belong to samples."""
        weights = SampleWeights(np.tile([0, 1], 10), np.repeat([0, 1], 10), controller="balanced")
        with pytest.raises(InputError, match="must have the same length; got 4 and 20"):
            weights.attach(gluon.data.ArrayDataset(np.zeros((4, 1)), np.zeros(4)))

    def test_a_loss_without_the_third_item(self):
        """A call of two arguments is an error, not a loss without weights."""
        with pytest.raises(InputTypeError, match="must be called with the batch's third item"):
            WeightedLoss(BCE(), 2)(mx.nd.ones((2, 1)), mx.nd.ones(2))

    def test_a_batch_without_a_third_item(self):
        """Fit says that the dataset lacks it."""
        X, y, z = parts(100)
        net = logistic()
        weights = SampleWeights(y, z, controller="balanced")
        trainer = gluon.Trainer(net.collect_params(), "sgd")
        loader = DataLoader(gluon.data.ArrayDataset(X, y), 50)
        with pytest.raises(InputError, match=r"without a third item.*weights\.attach"):
            mxfair.training.fit(net, loader, weights.loss(BCE()), trainer, 1, progress=False)

    @pytest.mark.parametrize("base", [None, lambda p, y: p, WeightedLoss(BCE(), 2)])
    def test_what_is_no_loss_of_two(self, base):
        """The base is a Gluon loss of pred and label."""
        with pytest.raises(InputTypeError, match="'base' must be a Gluon loss"):
            WeightedLoss(base, 2)

    @pytest.mark.parametrize("bad", [-0.1, 1.0, float("nan")])
    def test_the_floor_is_below_one(self, bad):
        """A floor of 1 would leave nothing to move."""
        with pytest.raises(InputError, match="'min_weight' must be from 0 to below 1"):
            SampleWeights(np.tile([0, 1], 10), np.repeat([0, 1], 10), controller="balanced", min_weight=bad)

    def test_gluons_losses_are_not_given_the_group(self):
        """Fit hands the third item to a GroupLoss only: a group would be taken for a weight."""
        X, y, _ = parts(100)
        tables = []
        for arrays in ((X, y), (X, y, np.zeros(100, "float32"))):
            net = logistic()
            trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
            loader = DataLoader(gluon.data.ArrayDataset(*arrays), 50)
            mxfair.training.fit(net, loader, BCE(), trainer, 1, progress=False)
            tables.append(net.weight.data().asnumpy().tolist())
        assert tables[0] == tables[1]
        assert issubclass(WeightedLoss, GroupLoss)


@pytest.mark.parametrize("cells", [[0, 5], [-3, 1], [0.5, 1]])
def test_cells_that_do_not_exist_are_refused(cells):
    """The engine would take the weight of the nearest cell, silently."""
    loss = WeightedLoss(BCE(), 2)
    with pytest.raises(InputError, match="numbers of the cells"):
        loss(mx.nd.ones((2, 1)), mx.nd.ones(2), mx.nd.array(cells))


def test_the_number_of_cells_is_checked():
    """At construction."""
    with pytest.raises(InputError, match="n_cells"):
        WeightedLoss(BCE(), 0)
