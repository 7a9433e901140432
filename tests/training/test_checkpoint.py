import json
import math
import os

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon

from mxfair._validation import InputError
from mxfair.data import DataLoader
from mxfair.training import Callback, Checkpoint, EarlyStopping, EvaluateGaps, fit, pareto_epochs

BCE = gluon.loss.SigmoidBinaryCrossEntropyLoss
#: (accuracy, gap) by epoch: the front is 0, 2 and 3.
SCRIPT = [(0.6, 0.01), (0.7, 0.3), (0.8, 0.2), (0.7, 0.05), (0.65, 0.06)]


class Script(Callback):
    """Writes given accuracies and gaps, and keeps each epoch's weights."""

    def __init__(self, values, values_of):
        self.values, self.values_of, self.weights = values, values_of, []

    def on_epoch_end(self, state):
        """Write this epoch's."""
        accuracy, gap = self.values[state.epoch]
        state.history.epochs[-1].update(val_accuracy=accuracy, val_gap=gap)
        self.weights.append(self.values_of(state.net))


@pytest.fixture
def train(make_net, toy, values_of):
    """Return a function that trains with scripted figures; it returns net, history and each epoch's weights."""

    def run(checkpoint, values=SCRIPT, *, more=(), hybridize=True, net=None):
        net = net or make_net(extra=[gluon.nn.BatchNorm(in_channels=4)])
        script = Script(values, values_of)
        trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.05})
        loader = DataLoader(gluon.data.ArrayDataset(toy[0], toy[1]), 16, shuffle=True, seed=0)
        callbacks = [script, checkpoint, *more]
        options = {"progress": False, "hybridize": hybridize}
        history = fit(net, loader, BCE(), trainer, len(values), callbacks=callbacks, **options)
        return net, history, script.weights

    return run


class TestBest:
    """The parameters of the best epoch within the bound."""

    @pytest.mark.parametrize(("bound", "epoch"), [(0.02, 0), (0.05, 3), (0.1, 3), (0.25, 2), (math.inf, 2)])
    def test_which_epoch(self, train, bound, epoch):
        """The most accurate whose gap is at most the bound."""
        checkpoint = Checkpoint(bound)
        train(checkpoint)
        assert checkpoint.best["epoch"] == epoch
        assert checkpoint.epochs == [epoch]

    def test_its_repr(self, train):
        """It says what is kept: by which rule, and which epoch."""
        checkpoint = Checkpoint(0.1)
        assert repr(checkpoint) == "Checkpoint(max val_accuracy, val_gap <= 0.1: no epoch yet)"
        train(checkpoint)
        assert (
            repr(checkpoint) == "Checkpoint(max val_accuracy, val_gap <= 0.1: epoch 3, val_accuracy 0.7, val_gap 0.05)"
        )
        assert repr(Checkpoint()) == "Checkpoint(max val_accuracy: no epoch yet)"

    @pytest.mark.parametrize("hybridize", [True, False])
    def test_restore_puts_back_every_bit(self, train, values_of, hybridize):
        """After training the net has the best epoch's parameters, running means of BatchNorm included."""
        net, _, weights = train(Checkpoint(0.1, restore=True), hybridize=hybridize)
        np.testing.assert_array_equal(values_of(net), weights[3])
        assert abs(weights[3] - weights[4]).max() > 0

    def test_without_restore_the_last_epoch_stays(self, train, values_of):
        """The net is only changed if asked; load() does it later."""
        checkpoint = Checkpoint(0.1)
        net, _, weights = train(checkpoint)
        np.testing.assert_array_equal(values_of(net), weights[-1])
        checkpoint.load(net)
        np.testing.assert_array_equal(values_of(net), weights[3])

    def test_another_net_of_the_same_structure_can_be_loaded(self, train, make_net, values_of):
        """Names of blocks do not matter, their structure does."""
        checkpoint = Checkpoint(0.1)
        _, _, weights = train(checkpoint)
        other = make_net(seed=5, extra=[gluon.nn.BatchNorm(in_channels=4)])
        checkpoint.load(other)
        np.testing.assert_array_equal(values_of(other), weights[3])
        with pytest.raises(InputError, match="'net' must have the parameters of the net that was trained"):
            checkpoint.load(make_net(hidden=7))

    def test_training_can_go_on_after_restore(self, train, values_of):
        """A second fit starts from what was put back."""
        net, _, weights = train(Checkpoint(0.1, restore=True))
        seen = []

        class First(Callback):
            def on_train_begin(self, state):
                seen.append(values_of(state.net))

        train(Checkpoint(), net=net, more=[First()])
        np.testing.assert_array_equal(seen[0], weights[3])

    def test_no_epoch_within_the_bound_is_never_silent(self, train, values_of):
        """A warning says so, and the smallest gap is kept and put back."""
        checkpoint = Checkpoint(0.001, restore=True)
        with pytest.warns(UserWarning, match="No epoch's 'val_gap' is at most 0.001: epoch 0 is kept, whose 0.01"):
            net, _, weights = train(checkpoint)
        np.testing.assert_array_equal(values_of(net), weights[0])

    def test_a_gap_that_could_not_be_measured_is_not_within_any_bound(self, train):
        """NaN loses against every number, also without a bound."""
        checkpoint = Checkpoint()
        train(checkpoint, [(0.9, math.nan), (0.6, 0.9), (0.95, math.nan)])
        assert checkpoint.best["epoch"] == 1

    def test_only_nan_warns(self, train):
        """Where no gap could be measured, that is said too."""
        checkpoint = Checkpoint()
        with pytest.warns(UserWarning, match="could be measured: epoch 1"):
            train(checkpoint, [(0.6, math.nan), (0.9, math.nan)])
        assert checkpoint.epochs == [1]

    def test_it_works_with_validation_and_early_stopping(self, make_net, toy, values_of):
        """All three in a row: the restored net has the recorded accuracy and gap of the best epoch."""
        validation = gluon.data.ArrayDataset(*[array[64:] for array in toy])
        net = make_net()
        trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.1})
        loader = DataLoader(gluon.data.ArrayDataset(toy[0][:64], toy[1][:64]), 16, shuffle=True, seed=0)
        gaps, checkpoint = EvaluateGaps(validation, "demographic_parity"), Checkpoint(1.0, restore=True)
        callbacks = [gaps, EarlyStopping("val_gap", patience=3), checkpoint]
        history = fit(net, loader, BCE(), trainer, 30, callbacks=callbacks, progress=False)
        assert len(history) < 30
        assert checkpoint.best["val_accuracy"] == max(history["val_accuracy"])
        assert gaps.evaluate(net)["val_gap"] == checkpoint.best["val_gap"]


class TestPareto:
    """keep="pareto" keeps every epoch on the front."""

    def test_the_front_is_kept(self, train, values_of):
        """Each epoch that nothing dominates can be loaded, the others are dropped."""
        checkpoint = Checkpoint(0.1, keep="pareto")
        net, history, weights = train(checkpoint)
        assert checkpoint.epochs == pareto_epochs(history) == [0, 2, 3]
        for epoch in checkpoint.epochs:
            checkpoint.load(net, epoch)
            np.testing.assert_array_equal(values_of(net), weights[epoch])
        with pytest.raises(InputError, match=r"'epoch' must be one that is kept; got 1. Kept are: \[0, 2, 3\]"):
            checkpoint.load(net, 1)

    def test_the_front_of_random_figures(self, train):
        """What is kept step by step is the front of the whole history, ties included."""
        rng = np.random.default_rng(1)
        for _ in range(5):
            checkpoint = Checkpoint(0.5, keep="pareto")
            _, history, _ = train(checkpoint, [*(rng.integers(0, 4, (8, 2)) / 4).tolist(), [1.0, 0.5]])
            assert checkpoint.epochs == pareto_epochs(history)


class TestFiles:
    """directory= writes the same to disk."""

    def test_the_best_epoch_is_on_disk(self, train, tmp_path, make_net, values_of):
        """net.load_parameters reads it back, bit by bit; only the kept epoch's file is there."""
        _, _, weights = train(Checkpoint(0.1, directory=tmp_path / "run"))
        assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["checkpoint.json", "epoch-0003.params"]
        other = make_net(seed=5, extra=[gluon.nn.BatchNorm(in_channels=4)])
        other.load_parameters(str(tmp_path / "run" / "epoch-0003.params"))
        np.testing.assert_array_equal(values_of(other), weights[3])

    def test_the_index_names_what_is_kept(self, train, tmp_path):
        """checkpoint.json is plain JSON with the figures of each kept epoch."""
        train(Checkpoint(0.1, keep="pareto", directory=str(tmp_path)))
        index = json.loads((tmp_path / "checkpoint.json").read_text())
        assert (index["best"], index["within"], index["max_gap"]) == ("epoch-0003.params", True, 0.1)
        assert [(e["file"], e["val_gap"]) for e in index["epochs"]] == [
            ("epoch-0000.params", 0.01),
            ("epoch-0002.params", 0.2),
            ("epoch-0003.params", 0.05),
        ]

    def test_the_index_has_no_nan(self, train, tmp_path):
        """A gap that could not be measured is null, and the bound counts as unmet."""
        with pytest.warns(UserWarning, match="could be measured"):
            train(Checkpoint(directory=tmp_path), [(0.5, math.nan)])
        index = json.loads((tmp_path / "checkpoint.json").read_text())
        assert (index["within"], index["max_gap"], index["epochs"][0]["val_gap"]) == (False, None, None)

    def test_a_file_that_cannot_be_written_leaves_the_old_one(self, train, tmp_path, monkeypatch):
        """A write that fails half-way changes neither the file nor the index, and leaves no part behind."""
        train(Checkpoint(directory=tmp_path), [(0.5, 0.1)])
        before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

        def fail(self, filename, deduplicate=False):
            with open(filename, "wb") as file:
                file.write(b"half")
            raise OSError("disk full")

        monkeypatch.setattr(gluon.nn.HybridSequential, "save_parameters", fail)
        with pytest.raises(OSError, match="disk full"):
            train(Checkpoint(directory=tmp_path), [(0.5, 0.1)])
        assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before

    def test_files_are_moved_into_place(self, train, tmp_path, monkeypatch):
        """Until the last moment a new file stands beside the old one, never in its place."""
        train(Checkpoint(directory=tmp_path), [(0.5, 0.1)])
        before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

        def fail(source, target):
            assert {p.name: p.read_bytes() for p in tmp_path.iterdir() if not p.name.startswith(".")} == before
            raise OSError("killed")

        monkeypatch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="killed"):
            train(Checkpoint(directory=tmp_path), [(0.5, 0.1)])


class TestErrors:
    """What cannot work is said."""

    def test_a_column_that_is_missing(self, train):
        """The message says which column, and to list its writer before."""
        with pytest.raises(InputError, match=r"Checkpoint must find the column 'val_f1'.*EvaluateGaps"):
            train(Checkpoint(x="val_f1"))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"max_gap": -1}, "'max_gap' must be a number, 0 or more"),
            ({"keep": "all"}, "'keep' must be one of best, pareto"),
            ({"mode": "auto"}, "'mode' must be one of max, min"),
        ],
    )
    def test_arguments(self, options, message):
        """They are checked when it is made."""
        with pytest.raises(InputError, match=message):
            Checkpoint(**options)

    def test_nothing_is_kept_before_training(self, make_net):
        """load() says so."""
        with pytest.raises(InputError, match=r"'epoch' must be one that is kept; got None. Kept are: \[\]"):
            Checkpoint().load(make_net())

    def test_an_error_before_the_first_epoch_is_not_hidden(self, train):
        """on_train_end has nothing to say then."""

        class Fail(Callback):
            def on_batch_end(self, state):
                raise RuntimeError("mine")

        with pytest.raises(RuntimeError, match="mine"):
            train(Checkpoint(0.001, restore=True), more=[Fail()])


def test_weights_on_the_device_are_copies(train, values_of):
    """What is kept does not change with the net."""
    checkpoint = Checkpoint(0.1)
    net, _, weights = train(checkpoint)
    net[0].weight.set_data(mx.nd.zeros((4, 3)))
    checkpoint.load(net)
    np.testing.assert_array_equal(values_of(net), weights[3])
