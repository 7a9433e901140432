"""SnapshotEnsembleClassifier and SnapshotEnsembleRegressor: cycles of the rate, and the nets they leave."""

from __future__ import annotations

import pickle

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon, nd

import mxfair
from mxfair._validation import InputError
from mxfair.ensemble import SnapshotEnsembleClassifier, SnapshotEnsembleRegressor
from mxfair.estimator import GluonClassifier, GluonRegressor
from mxfair.training import Callback


class Rates(Callback):
    """Write down the rate that the next batch will have."""

    def __init__(self):
        self.rates = []

    def on_batch_end(self, state):
        """See `Callback.on_batch_end`."""
        self.rates.append(state.trainer.learning_rate)


def table(rows=96):
    """Return features, labels and groups."""
    rng = np.random.default_rng(5)
    X, groups = rng.normal(size=(rows, 3)).astype("float32"), rng.integers(0, 2, rows)
    return X, (X[:, 0] + 0.5 * groups > 0.25).astype(int), groups


def paper(batch, total, cycles, rate):
    """Return the rate of a batch, counted from 1: equation 2 of the paper."""
    length = int(np.ceil(total / cycles))
    return rate / 2 * (np.cos(np.pi * ((batch - 1) % length) / length) + 1)


def test_rates_follow_the_paper():
    """The rate of each of 4 x 6 batches in three cycles is that of equation 2."""
    X, y, _ = table()
    seen = []

    class Seen(Rates):
        def on_train_end(self, state):
            seen.extend(self.rates)

    template = GluonClassifier("logistic", epochs=6, batch_size=24, learning_rate=0.3, callbacks=[Seen()])
    SnapshotEnsembleClassifier(template, n_estimators=3, random_state=0).fit(X, y)
    np.testing.assert_allclose(seen[:-1], [paper(batch, 24, 3, 0.3) for batch in range(2, 25)])


@pytest.mark.parametrize(("optimizer", "hidden"), [("sgd", 0), ("adam", 4)])
def test_snapshots_are_those_of_a_loop_by_hand(make_net, optimizer, hidden):
    """Each member computes what a hand-written loop has at the end of its cycle, all rows in one batch."""
    X, y, _ = table()
    net = make_net(hidden=hidden)
    template = GluonClassifier(net, epochs=9, batch_size=96, learning_rate=0.1, optimizer=optimizer)
    model = SnapshotEnsembleClassifier(template, n_estimators=3, random_state=0).fit(X, y)
    loss = gluon.loss.SigmoidBinaryCrossEntropyLoss()
    trainer = gluon.Trainer(net.collect_params(), optimizer, {"learning_rate": 0.1})
    expected = []
    for batch in range(1, 10):
        trainer.set_learning_rate(paper(batch, 9, 3, 0.1))
        with autograd.record():
            value = loss(net(nd.array(X)), nd.array(y))
        value.backward()
        trainer.step(96)
        if batch % 3 == 0:
            expected.append(net(nd.array(X)).asnumpy())
    np.testing.assert_allclose(model.net_.member_scores(X), expected, atol=2e-5)
    probability = 1 / (1 + np.exp(-np.array(expected)[..., 0]))
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], probability.mean(axis=0), atol=1e-5)


def test_the_last_snapshots_are_kept():
    """With n_last members are the last ones of those without it."""
    X, y, _ = table()
    template = GluonClassifier((4,), epochs=8, batch_size=24, learning_rate=0.1)
    models = [
        SnapshotEnsembleClassifier(template, n_estimators=4, n_last=last, random_state=0).fit(X, y)
        for last in (None, 2)
    ]
    every, last = (model.net_.member_scores(X) for model in models)
    assert every.shape[0] == 4
    np.testing.assert_allclose(last, every[2:], atol=1e-6)


def test_cycles_that_do_not_divide_the_batches_all_end():
    """Of 4 batches in 3 cycles each ends, and the last snapshot is the last net."""
    X, y, _ = table()
    template = GluonClassifier("logistic", epochs=1, batch_size=24, learning_rate=0.1)
    model = SnapshotEnsembleClassifier(template, n_estimators=3, random_state=0).fit(X, y)
    assert len(model.net_.nets) == 3
    assert len(model.history_) == 1


def test_the_layers_statistics_are_part_of_a_snapshot():
    """Running means of BatchNorm differ between snapshots, and a mitigation works as ever."""
    X, y, groups = table()
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Dense(4), gluon.nn.BatchNorm(), gluon.nn.Dense(1))
    template = GluonClassifier(net, epochs=4, batch_size=24, learning_rate=0.05, mitigation="fairbatch")
    model = SnapshotEnsembleClassifier(template, n_estimators=2, random_state=0).fit(X, y, groups)
    first, second = (
        next(p.data().asnumpy() for name, p in one.collect_params().items() if name.endswith("running_mean"))
        for one in model.net_.nets
    )
    assert not np.allclose(first, second)


def test_regression_takes_the_mean():
    """The regressor's predictions are the mean of its snapshots'."""
    X, _, _ = table()
    template = GluonRegressor((4,), epochs=4, batch_size=24, learning_rate=0.05)
    model = SnapshotEnsembleRegressor(template, n_estimators=2, random_state=0).fit(X, X[:, 0])
    np.testing.assert_allclose(model.predict(X), model.net_.member_scores(X).mean(axis=0)[:, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("template", "options", "message"),
    [
        ({"early_stopping": True}, {}, "must not stop early"),
        ({"optimizer_params": {"lr_scheduler": mx.lr_scheduler.FactorScheduler(10)}}, {}, "lr_scheduler"),
        ({"epochs": 1, "batch_size": 96}, {"n_estimators": 2}, "at most the 1 batches"),
        ({}, {"n_estimators": 3, "n_last": 4}, "'n_last'"),
        ({}, {"n_estimators": 0}, "at least 1"),
    ],
)
def test_what_cannot_be_cycles_is_refused(template, options, message):
    """Schedules, early stopping and more cycles than batches are errors before training."""
    X, y, _ = table()
    model = SnapshotEnsembleClassifier(GluonClassifier(**template), **options)
    with pytest.raises(InputError, match=message):
        model.fit(X, y)
    assert not hasattr(model, "net_")


def test_it_is_one_block_and_one_pickle(tmp_path):
    """The exported graph, the file and the pickle give the numbers of the fitted ensemble."""
    X, y, _ = table()
    template = GluonClassifier((4,), epochs=4, batch_size=24, learning_rate=0.05)
    model = SnapshotEnsembleClassifier(template, n_estimators=2, random_state=0).fit(X, y)
    scores = model.decision_function(X)
    model.net_.hybridize()
    model.net_(nd.array(X))
    model.net_.export(str(tmp_path / "net"))
    back = gluon.SymbolBlock.imports(str(tmp_path / "net-symbol.json"), ["data"], str(tmp_path / "net-0000.params"))
    np.testing.assert_allclose(back(nd.array(X)).asnumpy()[:, 0], scores, atol=1e-5)
    model.save(tmp_path / "model.npz")
    read = mxfair.estimator.GluonEstimator.load(tmp_path / "model.npz")
    for copy in (read, pickle.loads(pickle.dumps(model))):
        np.testing.assert_allclose(copy.decision_function(X), scores, atol=1e-5)
