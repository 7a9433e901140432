"""Regularizers and schedules in fit: both steps, snapshots, Gluon's Estimator."""

from __future__ import annotations

import logging

import mxnet as mx
import numpy as np
import pytest
from _stop import StopAfter, StoppedError
from mxnet import autograd, gluon

from mxfair import _step
from mxfair._validation import InputError, InputTypeError
from mxfair.data import DataLoader, SampleWeights
from mxfair.loss import GapPenalty, PenalizedLoss, RegularizedLoss
from mxfair.regularizer import L1, L2, ElasticNet, GroupLasso, MaxNorm
from mxfair.training import (
    Callback,
    CallbackHandler,
    ProximalSteps,
    Snapshot,
    UpdateStrengths,
    fit,
)

BCE = gluon.loss.SigmoidBinaryCrossEntropyLoss
both = pytest.mark.parametrize("hybridize", [True, False])
RATE = 0.05


class Record(Callback):
    """Keep something of each batch."""

    def __init__(self, look):
        self.look, self.seen = look, []

    def on_batch_end(self, state):
        """Look."""
        self.seen.append(self.look(state))


@pytest.fixture
def steps(monkeypatch):
    """Return the list of steps that fit makes, with the reason where it is the plain one."""
    made, make = [], _step.make_step

    def spy(*args, **kwargs):
        made.append(make(*args, **kwargs))
        return made[-1]

    monkeypatch.setattr(_step, "make_step", spy)
    return made


def loader_of(toy, *, groups=False):
    """Return a shuffled loader of (data, label), or of (data, label, group)."""
    parts = [part.astype("float32") for part in toy[: 3 if groups else 2]]
    return DataLoader(gluon.data.ArrayDataset(*parts), 16, shuffle=True, seed=1)


def trainer_of(net, optimizer="sgd", **options):
    """Return a trainer."""
    return gluon.Trainer(net.collect_params(), optimizer, {"learning_rate": RATE, **options})


def zeros_of(net):
    """Return the number of weights of the first layer that are exactly 0."""
    return int((net[0].weight.data().asnumpy() == 0).sum())


REGULARIZERS = {
    "L1": lambda net: L1(net, 0.05),
    "L2": lambda net: L2(net, 0.1),
    "elastic net": lambda net: ElasticNet(net, 0.05),
    "group lasso": lambda net: GroupLasso(net, 0.05, groups="column"),
    "max-norm": lambda net: MaxNorm(net, 0.5, step="gradient"),
    "L1 steps": lambda net: L1(net, 0.2, step="proximal"),
    "L2 steps": lambda net: L2(net, 0.1, step="proximal"),
    "elastic net steps": lambda net: ElasticNet(net, 0.2, step="proximal"),
    "group lasso steps": lambda net: GroupLasso(net, 0.1, groups="column", step="proximal"),
    "max-norm steps": lambda net: MaxNorm(net, 0.3),
    "scheduled": lambda net: L2(net, lambda done: 0.01 * done),
    "scheduled steps": lambda net: L1(net, lambda done: 0.02 * done, step="proximal"),
}


def by_hand(toy, net, regularizer, trainer, epochs):
    """Train as the documentation of the regularizers says a loop of one's own does."""
    for _ in range(epochs):
        for data, label in loader_again(toy, _):
            regularizer.update_strength(trainer.optimizer.num_update)
            with autograd.record():
                value = BCE()(net(data), label)
                if regularizer.step == "gradient":
                    value = value + regularizer()
            value.backward()
            trainer.step(len(data))
            if regularizer.step == "proximal":
                regularizer.proximal(trainer)


def loader_again(toy, epoch):
    """Return the batches of an epoch of `loader_of`."""
    loader = loader_of(toy)
    for _ in range(epoch):
        list(loader)
    return loader


@both
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("name", REGULARIZERS)
def test_fit_is_the_loop_by_hand(name, optimizer, hybridize, toy, make_net, values_of, steps):
    """Weights are those of a hand-written loop, in the graph and in the plain one; the graph is made once."""
    ends = []
    for fitted in (True, False):
        net = make_net()
        regularizer, trainer = REGULARIZERS[name](net), trainer_of(net, optimizer)
        if fitted:
            options = {"regularizers": [regularizer], "hybridize": hybridize, "progress": False}
            fit(net, loader_of(toy), BCE(), trainer, 2, **options)
        else:
            by_hand(toy, net, regularizer, trainer, 2)
        ends.append(values_of(net))
    np.testing.assert_allclose(*ends, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(ends[0] == 0, ends[1] == 0)
    assert [type(step) for step, _ in steps] == [_step.GraphStep if hybridize else _step.PlainStep]


@both
def test_proximal_steps_leave_exact_zeros(hybridize, toy, make_net):
    """L1 steps leave zeros, the gradient does not; group lasso switches whole features off."""
    counts = {}
    for name, make in {
        "step": lambda net: L1(net, 0.1, step="proximal"),
        "gradient": lambda net: L1(net, 0.1),
        "features": lambda net: GroupLasso(net[0], 0.12, groups="column", step="proximal"),
    }.items():
        net = make_net()
        fit(
            net,
            loader_of(toy),
            BCE(),
            gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.2}),
            30,
            regularizers=[make(net)],
            hybridize=hybridize,
        )
        counts[name] = zeros_of(net)
    assert counts["step"] > 0
    assert counts["gradient"] == 0
    off = (net[0].weight.data().asnumpy() == 0).all(axis=0)
    assert off[1:].any()
    assert not off[0], "the feature that matters"


@both
def test_max_norm_holds_after_every_batch(hybridize, toy, make_net):
    """Callbacks see weights within the bound after each batch."""
    net = make_net()
    norms = Record(lambda state: np.linalg.norm(net[0].weight.data().asnumpy(), axis=1).max())
    options = {"regularizers": [MaxNorm(net, 0.2)], "callbacks": [norms], "hybridize": hybridize}
    fit(net, loader_of(toy), BCE(), trainer_of(net), 2, **options)
    assert len(norms.seen) == 12
    assert max(norms.seen) < 0.2 + 1e-6


def test_convolutions_are_regularized_where_they_are(toy):
    """A net whose parameters are no views of one array takes both kinds of steps in the graph."""
    data = np.random.default_rng(0).normal(0, 1, (32, 1, 5, 5)).astype("float32")
    mx.random.seed(0)
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Conv2D(4, 3, in_channels=1), gluon.nn.Dense(1, in_units=36))
    net.initialize()
    loader = DataLoader(gluon.data.ArrayDataset(data, toy[1][:32]), 16)
    regularizers = [L2(net, 0.01), GroupLasso(net[0], 0.3, step="proximal")]
    fit(net, loader, BCE(), trainer_of(net), 20, regularizers=regularizers)
    assert (net[0].weight.data().asnumpy() == 0).all(axis=(1, 2, 3)).any()


def test_the_history_counts_penalties_that_are_part_of_the_loss(toy, make_net):
    """The column loss is base plus penalty; a proximal step's penalty is not in it."""
    losses = []
    for regularizers in (lambda net: [], lambda net: [L2(net, 2.0)], lambda net: [L2(net, 2.0, step="proximal")]):
        net = make_net()
        before = L2(net, 2.0)().asscalar()
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 1e-9})
        losses.append(fit(net, loader_of(toy), BCE(), trainer, 1, regularizers=regularizers(net))["loss"][0])
    assert losses[1] == pytest.approx(losses[0] + before, rel=1e-4)
    assert losses[2] == pytest.approx(losses[0], rel=1e-4)


@both
def test_schedules_are_followed_without_another_graph(hybridize, toy, make_net, steps):
    """A scheduled penalty of the loss and a scheduled L2 are set from the optimizer's updates; the graph stays."""
    net, epochs = make_net(), 3
    penalty = GapPenalty("demographic_parity", 2, strength=lambda done: 0.1 * done)
    regularizer = L2(net, mx.lr_scheduler.FactorScheduler(4, 0.5, base_lr=0.2))
    seen = Record(
        lambda state: (
            state.trainer.optimizer.num_update,
            float(penalty.strength.data().asscalar()),
            float(regularizer.strength.data().asscalar()),
        )
    )
    loss = PenalizedLoss(BCE(), penalty)
    options = {"regularizers": [regularizer], "callbacks": [seen], "hybridize": hybridize}
    fit(net, loader_of(toy, groups=True), loss, trainer_of(net), epochs, **options)
    expected = mx.lr_scheduler.FactorScheduler(4, 0.5, base_lr=0.2)
    rows = [(done, 0.1 * done, expected(done)) for done in range(1, 6 * epochs + 1)]
    np.testing.assert_allclose(seen.seen, rows, rtol=1e-6)
    assert len(steps) == 1
    assert isinstance(steps[0][0], _step.GraphStep) == hybridize


def test_a_strength_is_set_before_the_first_batch(toy, make_net, values_of):
    """Batches are trained with the strength of the updates before them: 0 at first, from the trainer's count on."""
    ends = []
    for schedule in (lambda done: 5.0 * (done == 0), 5.0, 0.0):
        net = make_net()
        regularizer = L2(net, schedule)
        regularizer.set_strength(0.0 if callable(schedule) else schedule)
        loader = DataLoader(gluon.data.ArrayDataset(*(part[:16] for part in toy[:2])), 16)
        fit(net, loader, BCE(), trainer_of(net), 1, regularizers=[regularizer])
        ends.append(values_of(net))
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-6)
    assert np.abs(ends[0] - ends[2]).max() > 0.01


def test_nothing_is_added_where_nothing_is_scheduled(toy, make_net):
    """Without schedules and proximal steps no callback runs after batches."""
    net, hooks = make_net(), []

    class Look(Callback):
        def on_train_begin(self, state):
            hooks.extend(state.regularizers)

    regularizer = L2(net, 0.1)
    fit(net, loader_of(toy), BCE(), trainer_of(net), 1, callbacks=[Look()], regularizers=[regularizer])
    assert hooks == [regularizer]
    assert not regularizer._forward_hooks


def test_a_function_as_loss(toy, make_net, values_of):
    """A plain function is regularized as well, in the plain loop."""
    ends = []
    for loss in (BCE(), lambda pred, label: BCE()(pred, label)):
        net = make_net()
        fit(net, loader_of(toy), loss, trainer_of(net), 1, regularizers=[L2(net, 0.3)])
        ends.append(values_of(net))
    np.testing.assert_allclose(*ends, rtol=1e-5, atol=1e-6)


def test_weights_of_cells_are_updated_through_a_regularized_loss(toy, make_net):
    """A WeightedLoss keeps its source, as regularized loss of one's own and with regularizers=."""
    shares = []
    for wrapped in (True, False):
        net = make_net()
        weights = weights_of(toy, net)
        dataset = weights.attach(gluon.data.ArrayDataset(*toy[:2]))
        loss, regularizers = weights.loss(BCE()), [L2(net, 0.1)]
        if wrapped:
            loss, regularizers = RegularizedLoss(loss, *regularizers), []
        history = fit(net, DataLoader(dataset, 16), loss, trainer_of(net), 3, regularizers=regularizers)
        shares.append([{k: v for k, v in entry.items() if k.startswith("share")} for entry in history])
    assert shares[0] == shares[1]
    assert len(shares[0][0]) == 4


def weights_of(toy, net):
    """Return weights that are updated by the net's gaps."""
    from mxfair.data import FullPass

    data, labels, groups = toy
    return SampleWeights(labels, groups, signal=FullPass(net, data, labels, groups))


RUNS = {
    "regularizers": lambda net: (BCE(), [L2(net, 0.1), L1(net, 0.05, step="proximal"), MaxNorm(net, 0.7)]),
    "scheduled": lambda net: (
        PenalizedLoss(BCE(), GapPenalty("demographic_parity", 2, strength=lambda done: 0.1 * done, memory=0)),
        [L1(net, mx.lr_scheduler.PolyScheduler(20, base_lr=0.1, pwr=1), step="proximal"), L2(net, lambda n: 0.01 * n)],
    ),
    "memory": lambda net: (PenalizedLoss(BCE(), GapPenalty("equalized_odds", 2, memory=0.9)), []),
    "memory, regularized": lambda net: (
        PenalizedLoss(BCE(), GapPenalty("equalized_odds", 2, memory=0.9)),
        [L2(net, 0.1), GroupLasso(net, 0.02, groups="column", step="proximal")],
    ),
    "a loss of one's own": lambda net: (
        RegularizedLoss(
            PenalizedLoss(BCE(), GapPenalty("equalized_odds", 2, memory=0.9)), L2(net, lambda n: 0.1 / (n + 1))
        ),
        [],
    ),
}


@both
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("name", RUNS)
def test_a_stopped_run_goes_on_bit_by_bit(name, optimizer, hybridize, toy, make_net, tmp_path):
    """Stopped inside epochs and at their ends, the run ends with the same weights, states and history."""

    def run(path, stop=None):
        net = make_net()
        loss, regularizers = RUNS[name](net)
        momentum = {"momentum": 0.9} if optimizer == "sgd" else {}
        groups = isinstance(loss, (PenalizedLoss, RegularizedLoss))
        history = fit(
            net,
            loader_of(toy, groups=groups),
            loss,
            trainer_of(net, optimizer, **momentum),
            3,
            callbacks=[StopAfter(stop)] if stop else [],
            regularizers=regularizers,
            progress=False,
            hybridize=hybridize,
            snapshot=Snapshot(path, every=2),
        )
        own = [*net.collect_params().values(), *(loss._states() if groups else [])]
        own += [regularizer.strength for regularizer in regularizers]
        return [p.data().asnumpy().tolist() for p in own], history["loss"]

    expected = run(tmp_path / "whole.npz")
    for point in (3, 4, 1, 7):
        with pytest.raises(StoppedError):
            run(tmp_path / "run.npz", point)
    assert run(tmp_path / "run.npz") == expected


def test_a_strength_set_by_a_callback_goes_on(toy, make_net, tmp_path):
    """A strength without a schedule is restored, and can be set to what the program began with."""
    net = make_net()
    regularizer = L2(net, 1.0)

    class Set(Callback):
        def on_epoch_end(self, state):
            regularizer.set_strength(0.25)

    options = {"regularizers": [regularizer], "snapshot": Snapshot(tmp_path / "run.npz")}
    fit(net, loader_of(toy), BCE(), trainer_of(net), 2, callbacks=[Set()], **options)
    net = make_net()
    regularizer = options["regularizers"][0] = L2(net, 1.0)
    fit(net, loader_of(toy), BCE(), trainer_of(net), 2, callbacks=[Set()], **options)
    assert regularizer.strength.data().asscalar() == 0.25
    regularizer.set_strength(1.0)
    assert regularizer.strength.data().asscalar() == 1.0


def test_a_snapshot_of_other_regularizers_is_refused(toy, make_net, tmp_path):
    """The file of a run with L2 does not continue one with L1, or with none."""
    for regularizers, refused in ((L2, False), (L1, True), (None, True)):
        net = make_net()
        options = {
            "regularizers": [regularizers(net, 0.1)] if regularizers else [],
            "snapshot": Snapshot(tmp_path / "run.npz"),
        }
        if refused:
            with pytest.raises(InputError, match="must be a snapshot of this training"):
                fit(net, loader_of(toy), BCE(), trainer_of(net), 1, **options)
        else:
            fit(net, loader_of(toy), BCE(), trainer_of(net), 1, **options)


def test_the_callbacks_run_in_gluons_estimator(toy, make_net):
    """ProximalSteps and UpdateStrengths do in an Estimator what they do in fit."""
    net = make_net()
    lasso = L1(net, lambda done: 0.2 * (done >= 3))
    estimator = gluon.contrib.estimator.Estimator(net, BCE(), trainer=trainer_of(net), context=mx.cpu())
    estimator.logger.setLevel(logging.WARNING)
    loader = gluon.data.DataLoader(gluon.data.ArrayDataset(*toy[:2]), 16)
    handlers = [CallbackHandler([ProximalSteps(lasso), UpdateStrengths(lasso)])]
    estimator.fit(loader, epochs=20, event_handlers=handlers)
    assert lasso.strength.data().asscalar() == pytest.approx(0.2)
    assert zeros_of(net) > 0


def test_what_fit_refuses(toy, make_net):
    """Something else, another net's, what is not trained, and unknown optimizers are errors before training."""
    net, other = make_net(), make_net()
    fresh = L1(net, 0.1, step="proximal")
    cases = [
        (fresh, "sgd", None, InputTypeError, "list of Regularizer"),
        ([BCE()], "sgd", None, InputTypeError, "hold Regularizer"),
        ([L2(other, 0.1)], "sgd", None, InputError, "of another"),
        ([L2(net[0], 0.1)], "sgd", net[1], InputError, "trainer holds"),
        ([fresh], "signum", None, InputError, "got Signum"),
    ]
    for regularizers, optimizer, part, kind, match in cases:
        trainer = trainer_of(part or net, optimizer)
        with pytest.raises(kind, match=match):
            fit(net, loader_of(toy), BCE(), trainer, 1, regularizers=regularizers)
