"""Adversarial debiasing: the adversary's loss, the reversed gradient, the projected update, and what gaps become."""

from __future__ import annotations

import mxnet as mx
import numpy as np
import pytest
from _ways import WAYS, batches, numeric, train
from mxnet import autograd, gluon
from scipy.special import log_softmax
from sklearn.metrics import roc_auc_score

import mxfair
from mxfair import _step
from mxfair._validation import InputError, InputTypeError
from mxfair.criterion import CRITERIA
from mxfair.loss import (
    AdversarialLoss,
    GapPenalty,
    GroupDROLoss,
    PenalizedLoss,
    ProjectedAdversarialLoss,
    ProjectionStep,
    trained_parameters,
)
from mxfair.loss._base import link_of

BCE = gluon.loss.SigmoidBinaryCrossEntropyLoss
SOFTMAX = gluon.loss.SoftmaxCrossEntropyLoss
L2 = gluon.loss.L2Loss
RNG = np.random.default_rng(2)
PRED, LABEL = RNG.normal(0, 2, (40, 1)), RNG.integers(0, 2, 40)
GROUP = np.r_[np.zeros(20), np.ones(12), np.full(6, 2), -1, 3]


class Linear(gluon.nn.Dense):
    """An adversary whose numbers can be computed by hand."""

    def __init__(self, inputs, outputs, seed=1):
        super().__init__(outputs, in_units=inputs)
        self.initialize()
        rng = np.random.default_rng(seed)
        self.weight.set_data(mx.nd.array(rng.normal(size=(outputs, inputs))))
        self.bias.set_data(mx.nd.array(rng.normal(size=outputs)))

    def of(self, seen):
        """Return its output, by NumPy."""
        return seen @ self.weight.data().asnumpy().T.astype(float) + self.bias.data().asnumpy()


def standard(values, like=None):
    """Return values in units of the standard deviation of others, from their mean."""
    like = values if like is None else like
    return (values - like.mean(axis=0)) / np.sqrt(like.var(axis=0) + 1e-4)


def with_trainer(loss, *blocks):
    """Return a loss whose adversary a trainer holds."""
    gluon.Trainer(trained_parameters(loss, *blocks), "sgd")
    return loss


def gradients(loss, pred, label, group):
    """Return the mean loss and its gradients by outputs and by the adversary's weight."""
    pred = mx.nd.array(pred)
    pred.attach_grad()
    with autograd.record():
        value = loss(pred, mx.nd.array(label), mx.nd.array(group)).mean()
    value.backward()
    return value.asscalar(), pred.grad.asnumpy(), loss.adversary.weight.grad().asnumpy()


def by_hand(adversary, pred, label, group, criterion, like=None):
    """Return the adversary's loss: a mean over sets of labels, over groups, over samples."""
    sets = {"demographic_parity": [(0, 1)], "equal_opportunity": [(1,)], "equalized_odds": [(1,), (0,)]}[criterion]
    seen = standard(pred, like)
    if len(sets) > 1:
        seen = np.c_[seen, label == 1, label == 0]
    log = log_softmax(adversary.of(seen), axis=1)
    terms = []
    for labels in sets:
        inside = [np.isin(label, labels) & (group == g) for g in range(3)]
        means = [-log[rows, g].mean() for g, rows in enumerate(inside) if rows.any()]
        terms.append(np.mean(means) if len(means) > 1 else 0.0)
    return np.mean(terms)


@pytest.mark.parametrize("criterion", ["demographic_parity", "equal_opportunity", "equalized_odds"])
def test_the_loss_is_a_mean_over_labels_groups_and_samples(criterion):
    """The value is the base loss plus the formula's A; codes that are no group do not count in A."""
    adversary = Linear(3 if criterion == "equalized_odds" else 1, 3)
    loss = with_trainer(AdversarialLoss(BCE(), 3, criterion=criterion, adversary=adversary, strength=2.0))
    value, _, _ = gradients(loss, PRED, LABEL, GROUP)
    base = BCE()(mx.nd.array(PRED), mx.nd.array(LABEL)).mean().asscalar()
    assert value == pytest.approx(base + by_hand(adversary, PRED, LABEL, GROUP, criterion), rel=1e-5)


@pytest.mark.parametrize("criterion", ["demographic_parity", "equal_opportunity", "equalized_odds"])
def test_gradients_are_reversed_for_the_net_only(criterion):
    """By finite differences: the net gets minus strength times A's gradient, the adversary A's own."""
    adversary = Linear(3 if criterion == "equalized_odds" else 1, 3)
    loss = with_trainer(AdversarialLoss(BCE(), 3, criterion=criterion, adversary=adversary, strength=2.0))
    _, by_pred, by_weight = gradients(loss, PRED, LABEL, GROUP)
    start = adversary.weight.data().asnumpy().astype(float)

    def task(pred):
        return np.mean(np.log1p(np.exp(pred[:, 0])) - pred[:, 0] * LABEL)

    def against(pred):
        return by_hand(adversary, pred, LABEL, GROUP, criterion, like=PRED)

    expected = numeric(task, PRED) - 2 * numeric(against, PRED)
    np.testing.assert_allclose(by_pred, expected, rtol=2e-3, atol=2e-5)

    class At:
        def __init__(self, weight):
            self.weight = weight

        def of(self, seen):
            return seen @ self.weight.T + adversary.bias.data().asnumpy()

    slope = numeric(lambda w: by_hand(At(w), PRED, LABEL, GROUP, criterion), start)
    np.testing.assert_allclose(by_weight, slope, rtol=2e-3, atol=2e-5)


def test_a_continuous_attribute_is_predicted_in_units_of_its_spread():
    """Without groups A is the mean squared error of the standardised attribute."""
    adversary, attribute = Linear(1, 1), RNG.normal(50, 12, 40)
    loss = with_trainer(AdversarialLoss(L2(), None, adversary=adversary))
    value, _, _ = gradients(loss, PRED, LABEL, attribute)
    missed = np.mean((adversary.of(standard(PRED))[:, 0] - standard(attribute)) ** 2)
    assert value == pytest.approx(np.mean((PRED[:, 0] - LABEL) ** 2) / 2 + missed, rel=1e-4)


def test_numbers_as_labels_are_seen_as_numbers():
    """Equalized odds of a regression: the adversary sees the output and the label, both standardised."""
    adversary, label = Linear(2, 2), RNG.normal(100, 30, 40)
    loss = with_trainer(AdversarialLoss(L2(), 2, criterion="equalized_odds", adversary=adversary))
    group = (GROUP == 1).astype(float)
    value, _, _ = gradients(loss, PRED, label, group)
    log = log_softmax(adversary.of(np.c_[standard(PRED), standard(label)]), axis=1)
    expected = -np.mean([log[group == g, g].mean() for g in (0, 1)])
    assert value == pytest.approx(np.mean((PRED[:, 0] - label) ** 2) / 2 + expected, rel=1e-4)


MAKERS = {
    "parity": (1, lambda: AdversarialLoss(BCE(), 2, seed=0, strength=0.7)),
    "odds": (1, lambda: AdversarialLoss(BCE(), 2, criterion="equalized_odds", seed=0)),
    "opportunity": (1, lambda: AdversarialLoss(BCE(), 2, criterion="equal_opportunity", seed=0)),
    "softmax": (2, lambda: AdversarialLoss(SOFTMAX(), 2, criterion="equalized_odds", seed=0)),
    "continuous": (1, lambda: AdversarialLoss(BCE(), None, criterion="equalized_odds", seed=0)),
    "regression": (1, lambda: AdversarialLoss(L2(), 2, criterion="equalized_odds", seed=0)),
    "on top": (1, lambda: AdversarialLoss(GroupDROLoss(BCE(), 2), 2, seed=0)),
    "projected": (1, lambda: ProjectedAdversarialLoss(BCE(), 2, criterion="equalized_odds", seed=0, strength=0.5)),
    "projected on top": (1, lambda: ProjectedAdversarialLoss(GroupDROLoss(BCE(), 2), 2, seed=0)),
    "projected softmax": (2, lambda: ProjectedAdversarialLoss(SOFTMAX(), 2, seed=0)),
}


@pytest.mark.parametrize("name", MAKERS)
def test_three_ways_agree(make_net, values_of, name):
    """Imperative, hybridized and in one graph: the same weights of net and adversary, losses and states."""
    found = []
    for way in WAYS:
        outputs, make = MAKERS[name]
        net, loss = make_net(outputs), make()
        values = train(net, loss, way, batches(), params=trained_parameters)
        assert np.abs(loss.adversary[0].weight.grad().asnumpy()).max() > 0
        found.append(np.concatenate([values, values_of(net), values_of(loss)]))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(found[2], found[0], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("way", WAYS)
def test_the_projected_update_is_that_of_the_formula(make_net, way):
    """Plain SGD moves the net along g_P - proj g_P - alpha g_A, and the adversary along its own gradient."""
    batch, rate = batches(count=1)[0], 0.1
    net, loss = make_net(hidden=0), ProjectedAdversarialLoss(BCE(), 2, seed=0, strength=0.3)
    trainer = gluon.Trainer(trained_parameters(net, loss), "sgd", {"learning_rate": rate})
    params = [net[0].weight, net[0].bias]
    plain = AdversarialLoss(BCE(), 2, adversary=loss.adversary, strength=1.0)
    slopes = []
    for strength in (0.0, 1.0):  # g_P, then g_P - g_A
        plain.set_strength(strength)
        with autograd.record():
            value = plain(net(batch[0]), *batch[1:]).mean()
        value.backward()
        slopes.append(np.concatenate([p.grad().asnumpy().ravel() for p in params]))
    task, against = slopes[0], slopes[0] - slopes[1]
    adversary = loss.adversary[1].weight
    own = adversary.grad().asnumpy().copy()
    expected = task - (task @ against) / (against @ against) * against - 0.3 * against
    before = np.concatenate([p.data().asnumpy().ravel() for p in params]), adversary.data().asnumpy()
    if way == "hybrid":
        net.hybridize()
        loss.hybridize()
    step, why = _step.make_step(net, loss, trainer, batch, hybridize=way == "graph")
    assert isinstance(step, ProjectionStep) == (way != "graph"), why
    step(batch, 32)
    after = np.concatenate([p.data().asnumpy().ravel() for p in params]), adversary.data().asnumpy()
    np.testing.assert_allclose((before[0] - after[0]) / rate, expected, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose((before[1] - after[1]) / rate, own, rtol=1e-3, atol=1e-5)


def test_convolutions_are_projected_in_the_plain_step():
    """A net whose weights cannot be views of a flat array trains too, in the plain step."""
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Conv2D(2, 3, in_channels=1), gluon.nn.Dense(1))
    net.initialize()
    loss = ProjectedAdversarialLoss(BCE(), 2, seed=0)
    data = mx.nd.array(RNG.normal(size=(8, 1, 5, 5)))
    net(data)
    trainer = gluon.Trainer(trained_parameters(net, loss), "adam")
    batch = (data, mx.nd.array([0, 1] * 4), mx.nd.array([0, 0, 1, 1] * 2))
    step, why = _step.make_step(net, loss, trainer, batch, hybridize=True)
    assert isinstance(step, ProjectionStep)
    assert "layout" in why
    assert np.isfinite(step(batch, 8).asnumpy()).all()


EDGES = {
    "one group": ([0, 1, 0, 1], [1, 1, 1, 1]),
    "one class": ([1, 1, 1, 1], [0, 1, 0, 1]),
    "one known": ([0, 1, 0, 1], [0, 0, -1, 5]),
}


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("criterion", ["demographic_parity", "equalized_odds"])
@pytest.mark.parametrize("pred", [[[0.5], [-80.0], [80.0], [0.0]], [[1.0]] * 4])
def test_lone_groups_and_classes_have_finite_gradients(name, criterion, pred):
    """Extreme and constant outputs too; a set of labels with one group adds nothing."""
    label, group = EDGES[name]
    loss = with_trainer(AdversarialLoss(BCE(), 2, criterion=criterion, adversary=Linear(_inputs(criterion), 2)))
    value, by_pred, by_weight = gradients(loss, pred, label, group)
    assert np.isfinite([value, *by_pred.ravel(), *by_weight.ravel()]).all()
    if name != "one class":
        base = BCE()(mx.nd.array(pred), mx.nd.array(label)).mean().asscalar()
        assert value == pytest.approx(base, rel=1e-5)
        assert np.abs(by_weight).max() == 0


def _inputs(criterion):
    return 3 if criterion == "equalized_odds" else 1


def test_states_and_constants_are_not_trained(make_net):
    """What a trainer gets is the net's and the adversary's weights; a trainer of everything trains no more."""
    net, loss = make_net(), AdversarialLoss(GroupDROLoss(BCE(), 2), 2, criterion="equalized_odds", seed=0)
    own = trained_parameters(net, loss)
    assert set(own.values()) == set(net.collect_params().values()) | set(loss.adversary.collect_params().values())
    strata = loss.strata.data().asnumpy().copy()
    everything = {**net.collect_params(), **loss.collect_params()}
    trainer = gluon.Trainer(everything, "adam", {"learning_rate": 0.5})
    step, why = _step.make_step(net, loss, trainer, batches(count=1)[0], hybridize=True)
    assert not why
    step(batches(count=1)[0], 32)
    np.testing.assert_allclose(loss.strata.data().asnumpy(), strata)
    assert loss.strength.data().asscalar() == 1


def leaky(n, seed):
    """Return (X, y, group): a column says the group, which goes with the label; another one mixes both."""
    rng = np.random.default_rng(seed)
    group = rng.random(n) < 0.3
    y = rng.random(n) < np.where(group, 0.35, 0.6)
    noise = rng.normal(size=(n, 3))
    X = noise + np.c_[1.6 * y, 1.5 * group, 0.8 * y - 0.8 * group]
    return X.astype("float32"), y.astype("float32"), group.astype("float32")


def outcome(make, seed, epochs=20):
    """Train by `fit` on 4,000 rows; return accuracy, gap of the odds, and the AUC of the group inside the labels."""
    mx.random.seed(seed)
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Dense(16, activation="relu", in_units=3), gluon.nn.Dense(1, in_units=16))
    net.initialize(mx.init.Xavier())
    loss = make(seed)
    trainer = gluon.Trainer(trained_parameters(net, loss), "adam", {"learning_rate": 0.01})
    loader = mxfair.data.DataLoader(gluon.data.ArrayDataset(*leaky(4000, seed)), 100, shuffle=True, seed=seed)
    mxfair.training.fit(net, loader, loss, trainer, epochs, progress=False)
    X, y, group = leaky(4000, seed + 1000)
    pred = net(mx.nd.array(X))
    made = (pred.asnumpy()[:, 0] > 0).astype("float32")
    table = mxfair.GroupConfusion.of(y, made, mxfair.Groups(group.astype(int)), classes=np.array([0.0, 1.0]))
    guess = loss.guess(pred, mx.nd.array(y)).asnumpy()[:, 1]
    auc = np.mean([roc_auc_score(group[y == label], guess[y == label]) for label in (0, 1)])
    return (made == y).mean(), CRITERIA["equalized_odds"].difference(table), auc


@pytest.mark.slow
@pytest.mark.parametrize("kind", [AdversarialLoss, ProjectedAdversarialLoss])
def test_the_gap_falls_and_so_does_the_adversarys_auc(kind):
    """Three seeds, strength 10: the mean gap of the odds is halved for at most 3 points of accuracy on average.

    An adversary without influence (strength 0) finds the group inside the labels; against a net that hides it, it does
    not.
    """

    def runs(made, strength):
        options = {"criterion": "equalized_odds", "strength": strength}
        return np.array([outcome(lambda seed: made(BCE(), 2, seed=seed, **options), seed) for seed in range(3)])

    plain, ours = runs(AdversarialLoss, 0.0), runs(kind, 10.0)
    assert plain[:, 1].mean() > 0.12
    assert ours[:, 1].mean() < plain[:, 1].mean() / 2
    assert ours[:, 0].mean() > plain[:, 0].mean() - 0.03
    assert (plain[:, 2] > 0.59).all()
    assert ours[:, 2].mean() < 0.56


def test_nothing_waits_for_the_engine(make_net, monkeypatch):
    """After the first batch no step reads an array, in a graph or not, with either update."""
    data = batches()
    for name in ("odds", "projected"):
        for hybridize in (True, False):
            net, loss = make_net(), MAKERS[name][1]()
            trainer = gluon.Trainer(trained_parameters(net, loss), "adam")
            step, _ = _step.make_step(net, loss, trainer, data[0], hybridize=hybridize)
            step(data[0], 32)
            with monkeypatch.context() as patch:
                patch.setattr(mx.nd.NDArray, "asnumpy", lambda self: pytest.fail("read"))
                step(data[1], 32)


def test_an_adversary_that_nobody_trains_is_an_error(make_net):
    """A trainer of the net alone would leave the adversary blind: both losses say so, in `fit` too."""
    data = batches(count=1)
    net, loss = make_net(), AdversarialLoss(BCE(), 2)
    trainer = gluon.Trainer(net.collect_params(), "sgd")
    with autograd.record(), pytest.raises(InputError, match="must be in a Trainer"):
        loss(net(data[0][0]), *data[0][1:])
    with pytest.warns(RuntimeWarning), pytest.raises(InputError, match="must be in a Trainer"):
        mxfair.training.fit(net, data, loss, trainer, 1, progress=False)
    with pytest.raises(InputError, match="'trainer' must hold the adversary's"):
        ProjectionStep(net, ProjectedAdversarialLoss(BCE(), 2), trainer)


def test_the_projected_loss_is_no_value_to_differentiate(make_net):
    """Inside record() it is an error, and so is it inside another loss; outside it is base loss plus A."""
    net, loss = make_net(), with_trainer(ProjectedAdversarialLoss(BCE(), 2, seed=0))
    batch = batches(count=1)[0]
    with autograd.record(), pytest.raises(InputError, match="ProjectionStep"):
        loss(net(batch[0]), *batch[1:])
    for wrap in (lambda: GroupDROLoss(loss, 2), lambda: PenalizedLoss(loss, GapPenalty("demographic_parity", 2))):
        with pytest.raises(InputTypeError, match="outermost"):
            wrap()
    plain = AdversarialLoss(BCE(), 2, adversary=loss.adversary)
    value = loss(net(batch[0]), *batch[1:]).asnumpy()
    np.testing.assert_allclose(value, plain(net(batch[0]), *batch[1:]).asnumpy(), rtol=1e-5)
    with pytest.raises(InputTypeError, match="must be a ProjectedAdversarialLoss"):
        ProjectionStep(net, plain, gluon.Trainer(trained_parameters(net, plain), "sgd"))


def test_first_weights_come_from_the_seed():
    """The same seed gives the same adversary, another one another, and global random state is left alone."""

    def weight(seed):
        return AdversarialLoss(BCE(), 2, seed=seed).adversary[0].weight.data().asnumpy()

    mx.random.seed(3)
    first = mx.nd.random.normal(shape=3).asnumpy()
    mx.random.seed(3)
    assert (weight(0) == weight(0)).all()
    assert (weight(0) != weight(1)).any()
    assert (mx.nd.random.normal(shape=3).asnumpy() == first).all()


def test_outputs_are_read_as_the_base_loss_reads_them():
    """Links and probabilities pass through, and penalties combine."""
    loss = AdversarialLoss(PenalizedLoss(BCE(from_sigmoid=True), GapPenalty("demographic_parity", 2)), 2)
    assert loss._from_sigmoid
    assert not loss._numbers
    assert link_of(loss) == "identity"
    assert PenalizedLoss(AdversarialLoss(BCE(), 2), GapPenalty("demographic_parity", 2)).penalties[0].link == "sigmoid"


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: AdversarialLoss(BCE(), 1), "'n_groups' must be at least 2"),
        (lambda: AdversarialLoss(BCE(), 2, criterion="predictive_parity"), "must compare scores inside sets of labels"),
        (lambda: AdversarialLoss(L2(), 2, criterion="equal_opportunity"), "'criterion' must be one of"),
        (lambda: AdversarialLoss(gluon.loss.CTCLoss(), 2), "must know how the net's output"),
        (lambda: AdversarialLoss(BCE(), 2, adversary=lambda x: x), "'adversary' must be a HybridBlock"),
        (lambda: AdversarialLoss(BCE(), 2, adversary=gluon.nn.Dense(2, in_units=1)), "'adversary' must be initialized"),
        (lambda: AdversarialLoss(BCE(), 2, adversary=gluon.nn.Activation("relu")), "must have parameters to train"),
        (lambda: AdversarialLoss(BCE(), 2, strength=float("inf")), "'strength' must be finite"),
        (lambda: AdversarialLoss(BCE(), 2, seed=-1), "'seed' must be"),
        (lambda: ProjectedAdversarialLoss(BCE(), 2, link="probit"), "'link' must be one of"),
    ],
)
def test_arguments_are_checked_at_construction(make, match):
    """What cannot be used is an error before anything is trained."""
    with pytest.raises((InputError, InputTypeError), match=match):
        make()


@pytest.mark.parametrize(
    ("make", "pred", "label", "group", "match"),
    [
        (lambda: AdversarialLoss(BCE(), 2), [[0.0, 1]] * 2, [0, 1], [0, 1], "'pred' must have 1 outputs"),
        (lambda: AdversarialLoss(BCE(), 2), [[0.0]] * 2, [0, 1], [7, 8], "'group' must hold codes from 0 to 1"),
        (lambda: AdversarialLoss(BCE(), 2), [[0.0]] * 2, [0, 1], [0.5, 1], "'group' must hold whole numbers"),
        (
            lambda: AdversarialLoss(BCE(), 2, criterion="equalized_odds"),
            [[0.0]] * 2,
            [0, 3],
            [0, 1],
            "'label' must hold the numbers",
        ),
        (lambda: AdversarialLoss(BCE(), None), [[0.0]] * 2, [0, 1], [0, np.nan], "one finite number per sample"),
        (
            lambda: AdversarialLoss(BCE(), 3, adversary=Linear(1, 2)),
            [[0.0]] * 2,
            [0, 1],
            [0, 1],
            "'adversary' must return 3 outputs",
        ),
    ],
)
def test_the_first_batch_is_checked(make, pred, label, group, match):
    """What does not fit is an error before anything is trained."""
    with pytest.raises(InputError, match=match):
        make()(mx.nd.array(pred), mx.nd.array(label), mx.nd.array(group))


@pytest.mark.parametrize("kind", [AdversarialLoss, ProjectedAdversarialLoss])
def test_a_stopped_run_goes_on_with_its_adversary(make_net, values_of, tmp_path, kind):
    """A snapshot holds the adversary and its optimizer's states: the weights are those of an unbroken run."""

    def run(epochs, path):
        net, loss = make_net(), kind(GroupDROLoss(BCE(), 2), 2, seed=0)
        trainer = gluon.Trainer(trained_parameters(net, loss), "adam", {"learning_rate": 0.05})
        data = [array.asnumpy() for array in batches(count=1, n=64)[0]]
        loader = mxfair.data.DataLoader(gluon.data.ArrayDataset(*data), 16, shuffle=True, seed=0)
        snapshot = mxfair.training.Snapshot(path)
        mxfair.training.fit(net, loader, loss, trainer, epochs, snapshot=snapshot, progress=False)
        return np.concatenate([values_of(net), values_of(loss)])

    whole = run(4, tmp_path / "whole")
    run(2, tmp_path / "parts")
    np.testing.assert_allclose(run(4, tmp_path / "parts"), whole, rtol=1e-6)
