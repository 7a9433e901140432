"""A run that is stopped at any point and started again ends as if it had not been."""

from __future__ import annotations

import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import mxnet as mx
import numpy as np
import pytest
from _stop import StopAfter, StoppedError
from mxnet import gluon

from mxfair._validation import InputError
from mxfair.data import (
    DataLoader,
    FairDataLoader,
    FairGradController,
    FullPass,
    GroupDROController,
    LowestLoss,
    ProbeSet,
    SampleWeights,
)
from mxfair.training import Callback, Checkpoint, EarlyStopping, EvaluateGaps, Snapshot, fit

BCE = gluon.loss.SigmoidBinaryCrossEntropyLoss
EPOCHS, BATCH = 3, 16


def nets(extra=()):
    """Return an initialized net, the same weights each time."""
    mx.random.seed(0)
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Dense(4, activation="relu", in_units=3), *extra, gluon.nn.Dense(1, in_units=4))
    net.initialize(mx.init.Xavier())
    return net


def plain(toy, net):
    """Return a shuffled loader and a loss."""
    data, labels, _ = toy
    return DataLoader(gluon.data.ArrayDataset(data, labels), BATCH, shuffle=True, seed=1), BCE()


def sequential(toy, net):
    """Return a loader that does not shuffle, and a loss."""
    data, labels, _ = toy
    return DataLoader(gluon.data.ArrayDataset(data, labels), BATCH), BCE()


def fair(**kwargs):
    """Return a function that makes a FairDataLoader and a loss."""

    def make(toy, net):
        options = {key: value(toy, net) if callable(value) else value for key, value in kwargs.items()}
        loss = BCE()
        return FairDataLoader(gluon.data.ArrayDataset(*toy), BATCH, net=net, loss=loss, seed=1, **options), loss

    return make


def probe(toy, net):
    """Return a probe that is drawn anew at each update."""
    data, labels, groups = toy
    return ProbeSet(net, data, labels, groups, loss=BCE(), per_cell=8, redraw=True, seed=2)


def transformed(toy, net):
    """Return a loader of a transformed dataset with two worker processes, updated inside the epoch."""
    data, labels, groups = toy
    dataset = gluon.data.ArrayDataset(data, labels).transform_first(lambda x: x * 2)
    loss = BCE()
    return (
        FairDataLoader(
            dataset,
            BATCH,
            net=net,
            loss=loss,
            labels=labels,
            groups=groups,
            seed=1,
            num_workers=2,
            thread_pool=True,
            update_every=2,
        ),
        loss,
    )


def weighted(toy, net):
    """Return a plain loader and a loss with weights that are updated every four batches."""
    data, labels, groups = toy
    signal = FullPass(net, data, labels, groups)
    weights = SampleWeights(labels, groups, signal=signal, update_every=4)
    dataset = weights.attach(gluon.data.ArrayDataset(data, labels))
    return DataLoader(dataset, BATCH, shuffle=True, seed=1), weights.loss(BCE())


LOADERS = {
    "shuffled": plain,
    "in order": sequential,
    "FairBatch": fair(),
    "FairBatch, updates inside the epoch": fair(update_every=2),
    "FairBatch, redrawn probe": fair(signal=probe, update_every=1),
    "published rule, warm-up": fair(controller="paper", warm_up=1),
    "FairGrad": fair(controller=FairGradController(0.05), update_every=2),
    "GroupDRO": fair(controller=GroupDROController(0.3)),
    "FairDRO": fair(controller="fairdro"),
    "hard samples": fair(within="loss", update_every=4),
    "robust": fair(within=LowestLoss(0.8)),
    "workers": transformed,
    "weights": weighted,
}


def trainer_of(net, optimizer="adam"):
    """Return a trainer; some optimizers come with a schedule."""
    options = {"learning_rate": 0.01}
    if optimizer == "sgd":
        options.update(momentum=0.9, lr_scheduler=mx.lr_scheduler.FactorScheduler(4, 0.9, base_lr=0.05))
    if optimizer == "rmsprop":
        options.update(centered=True)
    return gluon.Trainer(net.collect_params(), optimizer, options)


def run(
    toy, make, snapshot, *, optimizer="adam", extra=tuple, stop_after=None, callbacks=list, epochs=EPOCHS, **kwargs
):
    """Train from the start or from the snapshot; return weights and history."""
    net = nets(extra())
    loader, loss = make(toy, net)
    hooks = [*callbacks(), *([StopAfter(stop_after)] if stop_after else [])]
    trainer = trainer_of(net, optimizer)
    history = fit(net, loader, loss, trainer, epochs, callbacks=hooks, progress=False, snapshot=snapshot, **kwargs)
    weights = [p.data().asnumpy().tolist() for p in net.collect_params().values()]
    entries = [{k: v for k, v in entry.items() if k != "seconds"} for entry in history]
    return weights, entries


def interrupted(toy, make, path, points, every=1, **kwargs):
    """StoppedError a run after each of the points, counted from where it goes on; then let it end."""
    for point in points:
        with pytest.raises(StoppedError):
            run(toy, make, Snapshot(path, every=every, seed=3), stop_after=point, **kwargs)
    return run(toy, make, Snapshot(path, every=every, seed=3), **kwargs)


def uninterrupted(toy, make, path, every=1, **kwargs):
    """Return a run with the same snapshots."""
    return run(toy, make, Snapshot(path, every=every, seed=3), **kwargs)


@pytest.mark.filterwarnings("ignore:The share of")
@pytest.mark.parametrize("name", LOADERS)
def test_every_loader_goes_on(name, toy, tmp_path):
    """Stopped in each epoch and at its end, the run ends with the same weights and history."""
    expected = uninterrupted(toy, LOADERS[name], tmp_path / "whole.npz")
    assert interrupted(toy, LOADERS[name], tmp_path / "run.npz", [2, 4, 1, 3, 5]) == expected


@pytest.mark.parametrize("point", range(1, EPOCHS * 6 + 1))
def test_every_batch_is_a_point_to_stop_at(point, toy, tmp_path):
    """Whatever the batch, with a snapshot every four batches: what was trained since is trained again."""
    make = LOADERS["FairBatch, updates inside the epoch"]
    expected = uninterrupted(toy, make, tmp_path / "whole.npz", every=4)
    assert interrupted(toy, make, tmp_path / "run.npz", [point], every=4) == expected


@pytest.mark.parametrize("hybridize", [True, False])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop", "nadam", "adagrad", "ftrl"])
def test_every_optimizer_goes_on(optimizer, hybridize, toy, tmp_path):
    """States, counts, schedules and numbers of the optimizer's own are restored, in the graph and in the plain loop."""
    options = {"optimizer": optimizer, "hybridize": hybridize}
    expected = uninterrupted(toy, fair(), tmp_path / "whole.npz", **options)
    assert interrupted(toy, fair(), tmp_path / "run.npz", [4, 7], **options) == expected


def test_running_statistics_and_dropout_go_on(toy, tmp_path):
    """Batch normalisation's statistics are stored, and with seed= Dropout draws the same masks."""

    def extra():
        return gluon.nn.BatchNorm(in_channels=4), gluon.nn.Dropout(0.5)

    expected = uninterrupted(toy, fair(), tmp_path / "whole.npz", extra=extra)
    assert interrupted(toy, fair(), tmp_path / "run.npz", [4, 7], extra=extra) == expected


class Slower(Callback):
    """Set a NumPy number as learning rate after the first epoch."""

    def on_epoch_end(self, state):
        """Lower the rate once."""
        if state.epoch == 0:
            state.trainer.set_learning_rate(np.float64(0.002))


def test_rates_that_are_numpy_numbers_go_on(toy, tmp_path):
    """A rate set by a callback is restored, whatever kind of number it is."""
    expected = uninterrupted(toy, fair(), tmp_path / "whole.npz", callbacks=lambda: [Slower()])
    assert interrupted(toy, fair(), tmp_path / "run.npz", [8, 3], callbacks=lambda: [Slower()]) == expected


def test_shapes_may_be_left_to_gluon(toy, tmp_path):
    """A net that infers its shapes at the first batch goes on as well."""
    results = []
    for name, points in (("whole", []), ("run", [4, 5])):
        for point in [*points, None]:
            mx.random.seed(0)
            net = gluon.nn.HybridSequential()
            net.add(gluon.nn.Dense(4, activation="relu"), gluon.nn.Dense(1))
            net.initialize(mx.init.Xavier())
            loader, loss = fair()(toy, net)
            hooks = [StopAfter(point)] if point else []
            snapshot = Snapshot(tmp_path / f"{name}.npz", every=1)
            options = {"callbacks": hooks, "progress": False, "snapshot": snapshot}
            if point:
                with pytest.raises(StoppedError):
                    fit(net, loader, loss, trainer_of(net), 3, **options)
            else:
                fit(net, loader, loss, trainer_of(net), 3, **options)
        results.append([p.data().asnumpy().tolist() for p in net.collect_params().values()])
    assert results[0] == results[1]


def test_callbacks_go_on(toy, tmp_path):
    """Early stopping counts on, and the best epoch's parameters are kept from before the stop."""
    validation = gluon.data.ArrayDataset(*toy)

    def callbacks():
        return [EvaluateGaps(validation), EarlyStopping("loss", patience=2, min_delta=0.01), Checkpoint(restore=True)]

    options = {"callbacks": callbacks, "epochs": 8}
    expected = uninterrupted(toy, fair(), tmp_path / "whole.npz", **options)
    assert interrupted(toy, fair(), tmp_path / "run.npz", [9, 4], **options) == expected


def test_a_run_that_has_ended_is_not_repeated(toy, tmp_path):
    """Calling the program again returns the same history without a batch."""
    path = tmp_path / "run.npz"
    expected = uninterrupted(toy, fair(), path)
    assert run(toy, fair(), Snapshot(path, seed=3), stop_after=1) == expected


def test_more_epochs_continue_a_run_that_has_ended(toy, tmp_path):
    """Three epochs and then two more are five."""
    uninterrupted(toy, fair(), tmp_path / "run.npz")
    longer = uninterrupted(toy, fair(), tmp_path / "run.npz", epochs=5)
    assert longer == uninterrupted(toy, fair(), tmp_path / "whole.npz", epochs=5)


def test_snapshots_change_nothing(toy, tmp_path):
    """A run with snapshots is the run without."""
    assert uninterrupted(toy, fair(), tmp_path / "run.npz") == run(toy, fair(), None)


def test_the_file_has_no_pickle(toy, tmp_path):
    """It opens with allow_pickle=False, and its document is JSON."""
    uninterrupted(toy, fair(), tmp_path / "run.npz")
    with np.load(tmp_path / "run.npz", allow_pickle=False) as archive:
        assert json.loads(str(archive["document"]))["epoch"] == EPOCHS


def test_nothing_else_is_left_behind(toy, tmp_path):
    """The folder holds the file alone."""
    uninterrupted(toy, fair(), tmp_path / "run.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]


class TestErrors:
    """What cannot go on is said before anything is trained."""

    def test_a_snapshot_of_another_net(self, toy, tmp_path):
        """The message says what differs."""
        uninterrupted(toy, fair(), tmp_path / "run.npz")
        with pytest.raises(InputError, match=r"its parameters is.*Use another file, or remove it"):
            run(toy, fair(), Snapshot(tmp_path / "run.npz"), extra=lambda: (gluon.nn.Dense(4, in_units=4),))

    @pytest.mark.parametrize(
        ("change", "what"), [({"optimizer": "sgd"}, "optimizer"), ({"make": fair(controller="paper")}, "sampler")]
    )
    def test_a_snapshot_of_another_training(self, toy, tmp_path, change, what):
        """Optimizer, loss and sampler have to be the same."""
        uninterrupted(toy, fair(), tmp_path / "run.npz")
        with pytest.raises(InputError, match=f"its {what} is"):
            run(toy, snapshot=Snapshot(tmp_path / "run.npz"), **{"make": fair(), **change})

    @pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 broken"])
    def test_a_file_that_is_no_snapshot(self, toy, tmp_path, content):
        """It is not overwritten."""
        path = tmp_path / "run.npz"
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"must be a snapshot.*Remove it to start anew"):
            run(toy, fair(), Snapshot(path))
        assert path.read_bytes() == content

    def test_a_loader_that_cannot_go_on(self, toy, tmp_path):
        """Gluon's own loader has no state."""
        data, labels, _ = toy

        def make(toy, net):
            return gluon.data.DataLoader(gluon.data.ArrayDataset(data, labels), BATCH), BCE()

        with pytest.raises(InputError, match=r"go on from inside an epoch; got DataLoader\. Use mxfair"):
            run(toy, make, Snapshot(tmp_path / "run.npz"))

    def test_a_sampler_that_cannot_go_on(self, toy, tmp_path):
        """A sampler of the user's own in our loader neither."""
        data, labels, _ = toy

        def make(toy, net):
            sampler = gluon.data.RandomSampler(len(data))
            return DataLoader(gluon.data.ArrayDataset(data, labels), BATCH, sampler=sampler), BCE()

        with pytest.raises(InputError, match="must choose its batches itself"):
            run(toy, make, Snapshot(tmp_path / "run.npz"))

    def test_a_folder_that_does_not_exist(self, tmp_path):
        """At construction."""
        with pytest.raises(InputError, match="existing folder"):
            Snapshot(tmp_path / "missing" / "run.npz")

    def test_a_folder_in_the_place_of_a_file(self, tmp_path):
        """At construction."""
        with pytest.raises(InputError, match="must be a file"):
            Snapshot(tmp_path)


PROGRAM = """
import sys, warnings
warnings.simplefilter("ignore")
import mxfair, numpy as np
import mxnet as mx
from mxnet import gluon
path, result = sys.argv[1:]
rng = np.random.default_rng(0)
X = rng.normal(0, 1, (3000, 8)).astype("float32")
z = (rng.random(3000) < 0.3).astype("int64")
y = (X[:, 0] + 0.6 * z + rng.normal(0, 0.7, 3000) > 0).astype("float32")
mx.random.seed(0)
net = gluon.nn.HybridSequential()
net.add(gluon.nn.Dense(16, activation="relu", in_units=8), gluon.nn.Dropout(0.2), gluon.nn.Dense(1, in_units=16))
net.initialize(mx.init.Xavier())
loss = gluon.loss.SigmoidBinaryCrossEntropyLoss()
loader = mxfair.data.FairDataLoader(
    gluon.data.ArrayDataset(X, y, z), 64, net=net, loss=loss, criterion="equalized_odds", update_every=10, seed=1
)
trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.01})
snapshot = mxfair.training.Snapshot(path, every=5, seed=2)
print("training", flush=True)
history = mxfair.training.fit(net, loader, loss, trainer, 60, snapshot=snapshot, progress=False)
entries = [{k: v for k, v in e.items() if k != "seconds"} for e in history]
weights = [p.data().asnumpy().tolist() for p in net.collect_params().values()]
with open(result, "w") as file:
    file.write(repr((weights, entries, loader.batch_sampler.history)))
"""


def start(folder, name):
    """Start the program, and wait until it trains."""
    command = [sys.executable, "-c", PROGRAM, str(folder / f"{name}.npz"), str(folder / f"{name}.txt")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert process.stdout.readline().strip() == "training"
    return process


@pytest.mark.slow
def test_a_process_that_is_killed_twenty_times_ends_as_if_it_had_not_been(tmp_path: pathlib.Path) -> None:
    """SIGKILL at random moments, inside writes too; the last start ends with the same weights and history."""
    whole = start(tmp_path, "whole")
    begin = time.perf_counter()
    whole.wait(timeout=300)
    seconds = time.perf_counter() - begin
    moments = random.Random(0)
    kills, restarts = 0, 0
    while kills < 20:
        process = start(tmp_path, "run")
        restarts += 1
        time.sleep(moments.uniform(0, 0.08) * seconds)  # 20 of them together are less than the whole run
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += process.wait() == -signal.SIGKILL
        else:
            break  # it ended before it could be killed: the assertions below say so
    assert kills == 20
    assert (tmp_path / "run.npz").is_file()
    assert start(tmp_path, "run").wait(timeout=300) == 0
    assert (tmp_path / "run.txt").read_text() == (tmp_path / "whole.txt").read_text()
    assert restarts == 20


def test_states_go_to_their_layers_whatever_the_counters_of_names_say(tmp_path, toy, values_of):
    """A trainer orders parameters by name, and dense10 comes before dense9: momentum must not change its layer."""
    data, labels, _ = toy

    def run(first, second, epochs, path=None):
        mx.random.seed(0)
        net = gluon.nn.HybridSequential()
        net.add(
            gluon.nn.Dense(3, in_units=3, use_bias=False, prefix=first),
            gluon.nn.Dense(3, in_units=3, use_bias=False, prefix=second),
            gluon.nn.Dense(1, in_units=3, prefix="last_"),
        )
        net.initialize(mx.init.Xavier())
        trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.05})
        loader = DataLoader(gluon.data.ArrayDataset(data, labels), BATCH, shuffle=True, seed=1)
        snapshot = None if path is None else Snapshot(path)
        fit(net, loader, BCE(), trainer, epochs, progress=False, snapshot=snapshot)
        return values_of(net)

    whole = run("dense9_", "dense10_", 4)
    run("dense9_", "dense10_", 2, tmp_path / "run.npz")
    np.testing.assert_array_equal(run("dense10_", "dense11_", 4, tmp_path / "run.npz"), whole)
