"""FocalLoss by its published formula; FocalGroupLoss with the same factor by group."""

from __future__ import annotations

import mxnet as mx
import numpy as np
import pytest
from _ways import WAYS, batches, gradient, numeric, train
from mxnet import gluon
from scipy.special import expit, log_softmax

from mxfair._validation import InputError, InputTypeError
from mxfair.loss import FocalGroupLoss, FocalLoss, GapPenalty, PenalizedLoss
from mxfair.loss._base import link_of

BCE = gluon.loss.SigmoidBinaryCrossEntropyLoss
SOFTMAX = gluon.loss.SoftmaxCrossEntropyLoss
RNG = np.random.default_rng(5)
PRED, LABEL, GROUP = RNG.normal(0, 2, (12, 1)), RNG.integers(0, 2, 12), np.repeat([0, 1, 1], 4)


def focal(pred, label, gamma, alpha=None):
    """Return equation 5 of the paper, for one output."""
    p = np.where(label == 1, expit(pred), expit(-pred))
    weight = 1.0 if alpha is None else np.where(label == 1, alpha, 1 - alpha)
    return -weight * (1 - p) ** gamma * np.log(p)


def trained(loss, pred, label, group):
    """Call a loss in training mode."""
    with mx.autograd.train_mode():
        return loss(mx.nd.array(pred), mx.nd.array(label), mx.nd.array(group)).asnumpy()


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
@pytest.mark.parametrize("alpha", [None, 0.25])
def test_values_are_the_published_ones(gamma, alpha):
    """One output: the equation, to rounding."""
    value = FocalLoss(gamma, alpha)(mx.nd.array(PRED), mx.nd.array(LABEL)).asnumpy()
    np.testing.assert_allclose(value, focal(PRED[:, 0], LABEL, gamma, alpha), rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_several_classes_have_one_output_each(gamma):
    """Softmax: the same equation with the probability of the true class."""
    pred, label = RNG.normal(0, 2, (9, 3)), RNG.integers(0, 3, 9)
    log_p = log_softmax(pred, axis=1)[np.arange(9), label]
    value = FocalLoss(gamma, link="softmax")(mx.nd.array(pred), mx.nd.array(label)).asnumpy()
    np.testing.assert_allclose(value, -((1 - np.exp(log_p)) ** gamma) * log_p, rtol=1e-4, atol=1e-6)


def test_gamma_zero_is_the_cross_entropy():
    """Without focusing nothing differs from Gluon's loss, sample weights included."""
    weight = mx.nd.array(RNG.random((12, 1)))
    ours = FocalLoss(0.0, weight=2.0)(mx.nd.array(PRED), mx.nd.array(LABEL), weight).asnumpy()
    gluons = BCE(weight=2.0)(mx.nd.array(PRED), mx.nd.array(LABEL), weight).asnumpy()
    np.testing.assert_allclose(ours, gluons, rtol=1e-5)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_its_gradient_goes_through_the_factor(gamma):
    """The gradient is that of the formula by finite differences."""
    pred = mx.nd.array(PRED)
    pred.attach_grad()
    with mx.autograd.record():
        value = FocalLoss(gamma)(pred, mx.nd.array(LABEL)).sum()
    value.backward()
    slope = numeric(lambda p: focal(p[:, 0], LABEL, gamma).sum(), PRED)
    np.testing.assert_allclose(pred.grad.asnumpy(), slope, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
@pytest.mark.parametrize("link", ["sigmoid", "softmax"])
def test_sure_outputs_have_finite_gradients(gamma, link):
    """An output of 100 is neither infinity nor NaN."""
    pred = mx.nd.array([[100.0], [-100.0]] if link == "sigmoid" else [[100.0, 0], [0, 100.0]])
    pred.attach_grad()
    for label in ([0, 0], [1, 1]):
        with mx.autograd.record():
            value = FocalLoss(gamma, link=link)(pred, mx.nd.array(label))
        value.backward()
        assert np.isfinite(value.asnumpy()).all()
        assert np.isfinite(pred.grad.asnumpy()).all()


def test_weights_are_those_of_the_formula():
    """Three batches with memory: running confidences, weights with mean 1."""
    loss, kept = FocalGroupLoss(BCE(), 2, gamma=1.5, memory=0.6), np.zeros(2)
    for shift in (0.0, 1.0, -1.0):
        pred = PRED + shift
        p = np.exp(-focal(pred[:, 0], LABEL, 0.0))
        kept = 0.6 * kept + 0.4 * np.array([p[g == GROUP].mean() for g in (0, 1)])
        raw = ((1 - kept) ** 1.5)[GROUP]
        expected = raw / raw.mean() * -np.log(p)
        np.testing.assert_allclose(trained(loss, pred, LABEL, GROUP), expected, rtol=1e-4)
        np.testing.assert_allclose(loss.confidences, kept, rtol=1e-5)


def test_no_gradient_goes_through_the_weights():
    """The gradient is the weight times the base loss's."""
    loss = FocalGroupLoss(BCE(), 2, memory=0.0)
    slope = gradient(loss, PRED, LABEL, GROUP)
    p = np.exp(-focal(PRED[:, 0], LABEL, 0.0))
    raw = np.array([(1 - p[g == GROUP].mean()) ** 2 for g in (0, 1)])[GROUP]
    expected = raw / raw.mean() / 12 * (expit(PRED[:, 0]) - LABEL)
    np.testing.assert_allclose(slope[:, 0], expected, rtol=1e-4)


def test_group_gamma_zero_is_the_base_loss():
    """Without focusing all weights are 1."""
    value = trained(FocalGroupLoss(BCE(), 2, gamma=0.0), PRED, LABEL, GROUP)
    np.testing.assert_allclose(value, focal(PRED[:, 0], LABEL, 0.0), rtol=1e-5)


@pytest.mark.parametrize("over", ["groups", "cells"])
@pytest.mark.parametrize("softmax", [False, True])
def test_three_ways_agree(make_net, values_of, over, softmax):
    """Imperative, hybridized and in one graph: the same weights, losses and states."""
    found = []
    for way in WAYS:
        net, loss = make_net(2 if softmax else 1), FocalGroupLoss(SOFTMAX() if softmax else BCE(), 2, over=over)
        values = train(net, loss, way, batches())
        found.append(np.concatenate([values, values_of(net), loss.confidences]))
    np.testing.assert_allclose(found[1], found[0], rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(found[2], found[0], rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize(("label", "group"), [([1, 1, 1, 1], [0, 1, 0, 1]), ([0, 1, 0, 1], [1, 1, 1, 1])])
def test_batches_of_one_class_or_group_have_finite_gradients(label, group):
    """A group that is absent keeps its confidence; one that is alone has weight 1."""
    pred = [[0.5], [-80.0], [80.0], [0.0]]
    for over in ("groups", "cells"):
        loss = FocalGroupLoss(BCE(), 2, over=over, memory=0.0)
        assert np.isfinite(gradient(loss, pred, label, group)).all()
        value = trained(loss, pred, label, group)
        if over == "groups" and set(group) == {1}:
            base = BCE()(mx.nd.array(pred), mx.nd.array(label)).asnumpy()
            np.testing.assert_allclose(value, base, rtol=1e-5)
            assert loss.confidences[0] == 0


def test_certain_groups_do_not_divide_by_zero():
    """All samples right and sure: weights stay finite."""
    value = trained(FocalGroupLoss(BCE(), 2, memory=0.0), [[200.0], [200.0]], [1, 1], [0, 1])
    assert np.isfinite(value).all()


def test_unknown_groups_have_weight_one():
    """Codes below 0 or from n_groups keep the base loss and do not count in the others' weights."""
    value = trained(
        FocalGroupLoss(BCE(), 2), np.r_[PRED, PRED[:2]], np.r_[LABEL, LABEL[:2]], np.r_[GROUP, -1, 2].astype(float)
    )
    np.testing.assert_allclose(value[12:], focal(PRED[:2, 0], LABEL[:2], 0.0), rtol=1e-5)
    np.testing.assert_allclose(value[:12], trained(FocalGroupLoss(BCE(), 2), PRED, LABEL, GROUP), rtol=1e-5)


def test_outputs_are_read_as_the_base_loss_reads_them():
    """A penalty finds the link through both losses; probabilities stay probabilities."""
    assert link_of(FocalLoss()) == "sigmoid"
    assert link_of(FocalGroupLoss(FocalLoss(link="softmax"), 2)) == "softmax"
    assert PenalizedLoss(FocalLoss(), GapPenalty("demographic_parity", 2)).penalties[0].link == "sigmoid"
    assert FocalGroupLoss(BCE(from_sigmoid=True), 2)._from_sigmoid


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: FocalLoss(-1.0), "'gamma' must be at least 0"),
        (lambda: FocalLoss(2.0, 1.5), "'alpha' must lie between 0 and 1"),
        (lambda: FocalLoss(2.0, 0.5, link="softmax"), "'alpha' must lie between"),
        (lambda: FocalLoss(link="probit"), "'link' must be one of"),
        (lambda: FocalGroupLoss(BCE(), 2, gamma=None), "'gamma' must be a number"),
        (lambda: FocalGroupLoss(BCE(), 2, memory=1.0), "'memory' must be at least 0 and below 1"),
    ],
)
def test_arguments_are_checked_at_construction(make, match):
    """What cannot be used is an error before anything is trained."""
    with pytest.raises((InputError, InputTypeError), match=match):
        make()
