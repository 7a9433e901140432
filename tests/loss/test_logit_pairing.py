"""Counterfactual logit pairing: pairs of outputs, and the distance of their logits."""

from __future__ import annotations

import mxnet as mx
import numpy as np
import pytest
from _ways import WAYS, batches, numeric, train
from mxnet import autograd, gluon
from scipy.special import logit

import mxfair
from mxfair import _inference, _step
from mxfair._validation import InputError, InputTypeError
from mxfair.loss import AdversarialLoss, GapPenalty, GroupDROLoss, PenalizedLoss, RegularizedLoss
from mxfair.loss._base import link_of
from mxfair.loss.logit_pairing import CounterfactualPair, FlipColumns, LogitPairingLoss
from mxfair.regularizer import L2

BCE = gluon.loss.SigmoidBinaryCrossEntropyLoss
SOFTMAX = gluon.loss.SoftmaxCrossEntropyLoss


class Masked(gluon.HybridBlock):
    """A counterfactual that samples with a positive first column do not have."""

    def hybrid_forward(self, F, data):
        """Return the data with the opposite sign, and who has a counterfactual."""
        return -data, F.slice_axis(data, axis=1, begin=0, end=1) < 0


def pairs(pred, other, *mask):
    """Return outputs as a pair returns them."""
    return [mx.nd.array(pred), mx.nd.array(other), *(mx.nd.array(m) for m in mask)]


def test_columns_change_places_and_values():
    """Swapped columns and mirrored values; twice is nothing."""
    flip = FlipColumns(5, swap=[(0, 4), (1, 2)], values={3: (0.5, 2.0)})
    data = mx.nd.array([[1, 2, 3, 0.5, 5], [6, 7, 8, 2.0, 9]])
    once = flip(data)
    assert once.asnumpy().tolist() == [[5, 3, 2, 2.0, 1], [9, 8, 7, 0.5, 6]]
    np.testing.assert_allclose(flip(once).asnumpy(), data.asnumpy())


def test_a_pair_is_the_plain_net_when_it_predicts(make_net):
    """In predict mode one array comes out, hybridized and traced too; in training mode both outputs."""
    net = make_net()
    pair = CounterfactualPair(net, FlipColumns(3, values={2: (0, 1)}))
    data = mx.nd.array(np.random.default_rng(0).normal(size=(6, 3)))
    for _ in range(2):
        np.testing.assert_allclose(pair(data).asnumpy(), net(data).asnumpy(), rtol=1e-6)
        with autograd.record():
            own, other = pair(data)
        np.testing.assert_allclose(own.asnumpy(), net(data).asnumpy(), rtol=1e-5)
        np.testing.assert_allclose(other.asnumpy(), net(pair.flip(data)).asnumpy(), rtol=1e-5)
        pair.hybridize()
    graph = _inference.PredictGraph(pair)
    assert graph.refresh()
    np.testing.assert_allclose(graph(data).asnumpy(), net(data).asnumpy(), rtol=1e-5)


@pytest.mark.parametrize("norm", ["l1", "squared"])
def test_the_distance_is_that_of_the_formula(norm):
    """One output: base loss plus strength times |z - z'|, or its square."""
    pred, other, label = np.array([[1.0], [-2], [0.5]]), np.array([[0.0], [1], [0.5]]), np.array([1, 0, 1])
    loss = LogitPairingLoss(BCE(), strength=0.7, norm=norm)
    with autograd.train_mode():
        value = loss(pairs(pred, other), mx.nd.array(label), mx.nd.zeros(3)).asnumpy()
    apart = np.abs(pred - other)[:, 0] ** (2 if norm == "squared" else 1)
    base = BCE()(mx.nd.array(pred), mx.nd.array(label)).asnumpy()
    np.testing.assert_allclose(value, base + 0.7 * apart, rtol=1e-5)


def test_two_classes_are_one_logit():
    """Softmax over two classes and its one logit have the same distance; a shift of all logits is none."""
    pred, other = np.array([[0.3, 1.0], [2.0, -1.0]]), np.array([[5.0, 5.2], [2.0, 0.5]])
    label, group = mx.nd.array([0, 1]), mx.nd.zeros(2)
    several, one = LogitPairingLoss(SOFTMAX()), LogitPairingLoss(BCE())
    with autograd.train_mode():
        a = several(pairs(pred, other), label, group).asnumpy()
        b = one(pairs(pred[:, 1] - pred[:, 0], other[:, 1] - other[:, 0]), label, group).asnumpy()
        shifted = several(pairs(pred, pred + 3), label, group).asnumpy()
    np.testing.assert_allclose(a, b, rtol=1e-5)
    np.testing.assert_allclose(shifted, SOFTMAX()(mx.nd.array(pred), label).asnumpy(), rtol=1e-5)


def test_probabilities_are_compared_by_their_logits():
    """A base loss with from_sigmoid: the distance is that of the logits, and evaluation reads probabilities."""
    loss = LogitPairingLoss(BCE(from_sigmoid=True))
    pred, other = np.array([0.2, 0.9]), np.array([0.5, 0.8])
    label = mx.nd.array([0, 1])
    with autograd.train_mode():
        value = loss(pairs(pred, other), label, mx.nd.zeros(2)).asnumpy()
    base = BCE(from_sigmoid=True)(mx.nd.array(pred), label).asnumpy()
    np.testing.assert_allclose(value, base + np.abs(logit(pred) - logit(other)), rtol=1e-4)
    assert loss._from_sigmoid
    assert link_of(loss) == "identity"


def test_samples_without_a_counterfactual_add_nothing():
    """A mask of 0, a code below 0, and with n_groups a code from it: the base loss alone."""
    pred, other, label = np.ones((4, 1)), np.zeros((4, 1)), mx.nd.ones(4)
    base = BCE()(mx.nd.array(pred), label).asnumpy()
    with autograd.train_mode():
        value = LogitPairingLoss(BCE(), 2)(
            pairs(pred, other, [[1.0], [0.0], [1.0], [1.0]]), label, mx.nd.array([0, 1, -1, 2])
        ).asnumpy()
    np.testing.assert_allclose(value - base, [1, 0, 0, 0], atol=1e-6)


def test_a_flip_may_say_who_has_none(make_net):
    """The mask goes from the flip through the pair to the loss."""
    net = make_net(hidden=0)
    pair, loss = CounterfactualPair(net, Masked()), LogitPairingLoss(BCE())
    data = mx.nd.array([[1.0, 2, 3], [-1, 2, 3]])
    with autograd.train_mode():
        value = loss(pair(data), mx.nd.ones(2), mx.nd.zeros(2)).asnumpy()
    extra = value - BCE()(net(data), mx.nd.ones(2)).asnumpy()
    assert extra[0] == 0
    assert extra[1] == pytest.approx(abs((net(data) - net(-data)).asnumpy()[1, 0]), rel=1e-5)


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_three_ways_agree(make_net, values_of, softmax, masked):
    """Imperative, hybridized and in one graph: the same weights, losses and states of the base loss."""
    found = []
    for way in WAYS:
        flip = Masked() if masked else FlipColumns(3, values={2: (0, 1)})
        pair = CounterfactualPair(make_net(2 if softmax else 1), flip)
        base = PenalizedLoss(SOFTMAX() if softmax else BCE(), GapPenalty("demographic_parity", 2))
        loss = LogitPairingLoss(base)
        values = train(pair, loss, way, batches(), params=lambda net, loss: net.net.collect_params())
        found.append(np.concatenate([values, values_of(pair.net), loss._states()[0].data().asnumpy().ravel()]))
    np.testing.assert_allclose(found[1], found[0], rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(found[2], found[0], rtol=2e-5, atol=1e-6)


def test_both_halves_have_a_gradient():
    """The gradient by the net's weights is that of the formula by finite differences."""
    net = gluon.nn.Dense(1, in_units=2)
    net.initialize(mx.init.Constant(mx.nd.array([[0.4, -0.3]])))
    pair, loss = CounterfactualPair(net, FlipColumns(2, swap=[(0, 1)])), LogitPairingLoss(gluon.loss.L2Loss())
    data, label = np.array([[1.0, 2.0], [0.3, -1.0], [2.0, 0.5]]), np.array([0.5, 1.0, -1.0])
    with autograd.record():
        value = loss(pair(mx.nd.array(data)), mx.nd.array(label), mx.nd.zeros(3)).mean()
    value.backward()

    def formula(w):
        z, other = data @ w[0], data[:, ::-1] @ w[0]
        return np.mean((z - label) ** 2 / 2 + np.abs(z - other))

    np.testing.assert_allclose(net.weight.grad().asnumpy(), numeric(formula, [[0.4, -0.3]]), rtol=1e-3)


def test_equal_outputs_have_a_finite_gradient():
    """Where nothing differs the gradient of the distance is 0."""
    own, other = mx.nd.ones((2, 1)), mx.nd.ones((2, 1))
    for array in (own, other):
        array.attach_grad()
    with autograd.record():
        value = LogitPairingLoss(BCE())([own, other], mx.nd.ones(2), mx.nd.zeros(2))
    value.backward()
    assert other.grad.asnumpy().tolist() == [[0], [0]]


def test_pairing_brings_counterfactuals_together():
    """`fit` on data where the attribute helps: the mean distance of logits falls to a tenth at less than 5 points."""
    rng = np.random.default_rng(0)
    group = rng.integers(0, 2, 1000)
    X = np.c_[rng.normal(size=(1000, 2)), group].astype("float32")
    y = (X[:, 0] + 0.6 * group + rng.normal(0, 0.5, 1000) > 0.3).astype("float32")
    found = {}
    for strength in (0.0, 1.0):
        mx.random.seed(0)
        net = gluon.nn.Dense(1, in_units=3)
        net.initialize()
        pair = CounterfactualPair(net, FlipColumns(3, values={2: (0, 1)}))
        trainer = gluon.Trainer(pair.collect_params(), "adam", {"learning_rate": 0.05})
        dataset = gluon.data.ArrayDataset(X, y, group.astype("float32"))
        loader = mxfair.data.DataLoader(dataset, 100, shuffle=True, seed=0)
        loss = LogitPairingLoss(BCE(), 2, strength=strength)
        mxfair.training.fit(pair, loader, loss, trainer, 20, progress=False)
        out = net(mx.nd.array(X)).asnumpy()[:, 0]
        other = net(pair.flip(mx.nd.array(X))).asnumpy()[:, 0]
        found[strength] = np.abs(out - other).mean(), ((out > 0) == y).mean()
    assert found[1.0][0] < 0.1 * found[0.0][0]
    assert found[1.0][1] > found[0.0][1] - 0.05


def test_a_plain_net_is_refused(make_net):
    """Training without pairs would silently pair nothing: it is an error, in `fit` too."""
    net, loss = make_net(), LogitPairingLoss(BCE())
    data, label, group = batches(count=1)[0]
    with autograd.record(), pytest.raises(InputTypeError, match="CounterfactualPair"):
        loss(net(data), label, group)
    trainer = gluon.Trainer(net.collect_params(), "sgd")
    with pytest.warns(RuntimeWarning), pytest.raises(InputTypeError, match="CounterfactualPair"):
        mxfair.training.fit(net, [(data, label, group)], loss, trainer, 1, progress=False)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: FlipColumns(3), "must name a column"),
        (lambda: FlipColumns(3, swap=[(0, 3)]), "must name columns from 0 to 2"),
        (lambda: FlipColumns(3, swap=[(0, 1)], values={1: (0, 1)}), "each once"),
        (lambda: FlipColumns(3, swap=[(0,)]), "pairs of columns"),
        (lambda: FlipColumns(3, values={0: (1,)}), "a pair of values by column"),
        (lambda: FlipColumns(3, swap=[(0.5, 1)]), "must name columns from 0 to 2"),
        (lambda: FlipColumns(3, values={"sex": (0, 1)}), "must name columns from 0 to 2"),
        (lambda: FlipColumns(3, values={1: (0, 0)}), "two finite and different values"),
        (lambda: CounterfactualPair(gluon.nn.Dense(1), lambda x: x), "'flip' must be a HybridBlock"),
        (lambda: CounterfactualPair(None, FlipColumns(2, swap=[(0, 1)])), "'net' must be a HybridBlock"),
        (lambda: LogitPairingLoss(gluon.loss.CTCLoss()), "must know how the net's output"),
        (lambda: LogitPairingLoss(BCE(), norm="l3"), "'norm' must be one of"),
        (lambda: LogitPairingLoss(BCE(), strength=-1), "'strength' must be finite and not negative"),
        (lambda: LogitPairingLoss(BCE(), 1), "'n_groups' must be at least 2"),
    ],
)
def test_arguments_are_checked_at_construction(make, match):
    """What cannot be used is an error before anything is trained."""
    with pytest.raises((InputError, InputTypeError), match=match):
        make()


def test_the_strength_can_change_in_a_graph(make_net):
    """A traced step sees a new strength."""
    pair, loss = CounterfactualPair(make_net(hidden=0), FlipColumns(3, values={2: (0, 1)})), LogitPairingLoss(BCE())
    data = batches(count=1)
    trainer = gluon.Trainer(pair.collect_params(), "sgd", {"learning_rate": 0.0})
    step, why = _step.make_step(pair, loss, trainer, data[0], hybridize=True)
    assert not why
    values = []
    for strength in (0.0, 1.0, 3.0):
        loss.set_strength(strength)
        values.append(step(data[0], 32).asnumpy())
    np.testing.assert_allclose(values[2] - values[0], 3 * (values[1] - values[0]), rtol=1e-3, atol=1e-5)
    assert np.abs(values[1] - values[0]).max() > 0.01


def test_penalties_of_weights_go_around_it(make_net, values_of):
    """With regularizers fit trains the same in one graph, step by step and hybridized; states of the base move too."""
    found = []
    for way in WAYS:
        net = make_net()
        pair = CounterfactualPair(net, FlipColumns(3, values={2: (0, 1)}))
        group_loss = GroupDROLoss(BCE(), 2, step=0.3)
        loss = RegularizedLoss(LogitPairingLoss(group_loss, 2), L2(net, 0.1))
        values = train(pair, loss, way, batches())
        found.append(np.concatenate([values, values_of(net), group_loss.q]))
    np.testing.assert_allclose(found[1], found[0], rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(found[2], found[0], rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda inner: GroupDROLoss(inner, 2),
        lambda inner: PenalizedLoss(inner, GapPenalty("demographic_parity", 2)),
        lambda inner: AdversarialLoss(inner, 2),
        lambda inner: LogitPairingLoss(inner),
    ],
)
def test_other_losses_go_inside_it(make, make_net):
    """A loss that would take the pair's list of outputs for one output is refused when it is made."""
    net = make_net()
    for inner in (LogitPairingLoss(BCE()), RegularizedLoss(LogitPairingLoss(BCE()), L2(net, 0.1))):
        with pytest.raises(InputTypeError, match="Put this loss inside it"):
            make(inner)
