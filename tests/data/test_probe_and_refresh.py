"""Probes, soft rates, held-out sets, updates inside an epoch, warm-up."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon

import mxfair
from mxfair._inference import PredictGraph, forward
from mxfair._validation import InputError
from mxfair.data import CellStats, FairBatchSampler, FairDataLoader, FullPass, ProbeSet

BCE = gluon.loss.SigmoidBinaryCrossEntropyLoss


def data(n=4000, groups=2):
    """Return features, labels and groups of cells of very different sizes."""
    rng = np.random.default_rng(0)
    z = rng.choice(groups, n, p=np.arange(groups, 0, -1) ** 2 / (np.arange(groups, 0, -1) ** 2).sum())
    y = (rng.random(n) < 0.2 + 0.2 * z).astype("float32")
    X = (rng.normal(0, 1, (n, 3)) + y[:, None] * 1.2 - 0.4 * z[:, None]).astype("float32")
    return X, y, z


def made(extra=(), inputs=3):
    """Return a small net."""
    mx.random.seed(0)
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Dense(8, activation="relu", in_units=inputs), *extra, gluon.nn.Dense(1, in_units=8))
    net.initialize(mx.init.Xavier())
    return net


class TestProbe:
    """A stratified part of the samples."""

    def test_it_holds_as_many_of_each_cell(self):
        """All of a cell that is smaller."""
        X, y, z = data()
        small = (y == 1) & (z == 1)
        keep = ~small | (np.cumsum(small) <= 30)
        X, y, z = X[keep], y[keep], z[keep]
        probe = ProbeSet(made(), X, y, z, per_cell=100, seed=0)
        assert np.bincount((2 * y + z).astype(int)[probe.rows]).tolist() == [100, 100, 100, 30]
        assert len(set(probe.rows.tolist())) == 330

    def test_figures_stand_for_the_whole(self):
        """Every rate and loss is within sampling error of the full pass's, those over several cells too."""
        X, y, z = data(40_000)
        net = made()
        full, probe = FullPass(net, X, y, z, loss=BCE()), ProbeSet(net, X, y, z, loss=BCE(), per_cell=2000, seed=0)
        whole, part = (s.measure("rates", "loss", "positive_loss") for s in (full, probe))
        np.testing.assert_allclose(part.rates.support, whole.rates.support)
        for name in ("selection_rate", "true_positive_rate", "false_positive_rate", "accuracy"):
            values = [mxfair.rate.RATES[name](s.rates).values for s in (whole, part)]
            assert np.abs(np.subtract(*values)).max() < 0.04
        np.testing.assert_allclose(part.loss, whole.loss, rtol=0.1)
        np.testing.assert_allclose(part.positive_loss, whole.positive_loss, rtol=0.1)

    def test_a_probe_of_everything_is_the_full_pass(self):
        """With per_cell as large as the cells nothing is estimated."""
        X, y, z = data(500)
        net = made()
        whole = FullPass(net, X, y, z, loss=BCE()).measure("rates", "loss", "positive_loss")
        part = ProbeSet(net, X, y, z, loss=BCE(), per_cell=500).measure("rates", "loss", "positive_loss")
        assert part.rates.counts.tolist() == whole.rates.counts.tolist()
        np.testing.assert_allclose(part.loss, whole.loss, rtol=1e-6)
        np.testing.assert_allclose(part.positive_loss, whole.positive_loss, rtol=1e-6)

    def test_redrawing_changes_the_samples(self):
        """With redraw=True each measurement is of others, without it of the same."""
        X, y, z = data()
        for redraw in (True, False):
            probe = ProbeSet(made(), X, y, z, per_cell=50, redraw=redraw, seed=0)
            first = probe.rows.tolist()
            probe.measure("rates")
            assert (probe.rows.tolist() == first) is not redraw

    @pytest.mark.parametrize("kind", ["array", "NDArray", "dataset"])
    def test_any_source_gives_the_same_figures(self, kind):
        """Arrays of both kinds and datasets."""
        X, y, z = data()
        source = {
            "array": X,
            "NDArray": mx.nd.array(X),
            "dataset": gluon.data.ArrayDataset(X, y).transform_first(lambda x: x),
        }[kind]
        probe = ProbeSet(made(), source, y, z, per_cell=50, seed=0)
        expected = ProbeSet(made(), X, y, z, per_cell=50, seed=0).measure("rates").rates.counts
        assert probe.measure("rates").rates.counts.tolist() == expected.tolist()

    def test_the_loader_makes_one(self):
        """signal="probe"; its random numbers come from the loader's seed."""
        X, y, z = data()
        rows = []
        for _ in range(2):
            dataset = gluon.data.ArrayDataset(X, y, z)
            loader = FairDataLoader(dataset, 100, net=made(), loss=BCE(), signal="probe", seed=3)
            list(loader)
            rows.append(loader.batch_sampler.signal.rows.tolist())
        assert rows[0] == rows[1]
        assert len(rows[0]) == 4 * 256

    def test_an_unknown_name_is_refused(self):
        """With the two that there are."""
        X, y, z = data(200)
        with pytest.raises(InputError, match="'signal' must be one of full, probe"):
            FairDataLoader(gluon.data.ArrayDataset(X, y, z), 50, net=made(), loss=BCE(), signal="half")


class TestSoft:
    """Probabilities in the place of decisions."""

    def test_binary_probabilities_are_summed(self):
        """A cell's counts are the sums of the sigmoid, and of what it lacks to 1."""
        X, y, z = data(300)
        net = made()
        table = FullPass(net, X, y, z, soft=True).measure("rates").rates
        p = 1 / (1 + np.exp(-net(mx.nd.array(X)).asnumpy()[:, 0].astype(float)))
        chosen = (y == 1) & (z == 0)
        np.testing.assert_allclose(table.counts[0, 1], [(1 - p)[chosen].sum(), p[chosen].sum()], rtol=1e-5)

    def test_probabilities_of_classes_are_summed(self):
        """The softmax of several outputs."""
        X, _, z = data(300)
        y = np.arange(300) % 3
        mx.random.seed(0)
        net = gluon.nn.Dense(3, in_units=3)
        net.initialize(mx.init.Xavier())
        table = FullPass(net, X, y, z, soft=True).measure("rates").rates
        p = mx.nd.softmax(net(mx.nd.array(X))).asnumpy()
        np.testing.assert_allclose(table.counts[1, 2], p[(y == 2) & (z == 1)].sum(axis=0), rtol=1e-5)

    def test_a_regression_has_none(self):
        """Its predictions are no probabilities."""
        X, _, z = data(300)
        with pytest.raises(InputError, match="'soft' must be False"):
            FullPass(made(), X, X[:, 0], z, soft=True, label_bins=3)


class TestPass:
    """The pass itself."""

    def test_several_needs_are_measured_at_once(self):
        """One pass gives what several give."""
        X, y, z = data(500)
        signal = FullPass(made(), X, y, z, loss=BCE())
        needs = ("rates", "loss", "positive_loss", "sample_loss", "sample_gradient")
        together = signal.measure(*needs)
        for need in needs:
            alone = getattr(signal.measure(need), need)
            both = [getattr(v, "counts", v) for v in (alone, getattr(together, need))]
            np.testing.assert_allclose(*both, rtol=1e-6)

    def test_the_positive_class_may_be_the_smaller_one(self):
        """The loss against the positive label is of the class that was said."""
        X, y, z = data(500)
        net = made()
        other = FullPass(net, X, y, z, loss=BCE(), positive=0).measure("positive_loss").positive_loss
        flipped = FullPass(net, X, y, z, loss=BCE()).measure("positive_loss").positive_loss
        assert not np.allclose(other, flipped)
        with pytest.raises(InputError, match=r"same positive class, 0"):
            FairBatchSampler(
                y,
                z,
                50,
                "demographic_parity",
                signal=FullPass(net, X, y, z, loss=BCE()),
                controller="paper",
                positive=0,
            )

    @pytest.mark.parametrize("extra", [(), (gluon.nn.BatchNorm(in_channels=8), gluon.nn.Dropout(0.5))])
    def test_the_graph_computes_what_the_net_does(self, extra):
        """Dense nets, whose layers are fused, and others: equal to a call of the net, in pieces and after training."""
        X, y, _ = data(1000)
        net = made(extra)
        graph = PredictGraph(net)
        trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.05})
        loader = mxfair.data.DataLoader(gluon.data.ArrayDataset(X, y), 100)
        for _ in range(3):
            pieces = [o.asnumpy() for o in forward(net, X, chunk=300, graph=graph)]
            np.testing.assert_allclose(np.concatenate(pieces), net(mx.nd.array(X)).asnumpy(), rtol=1e-5, atol=1e-6)
            mxfair.training.fit(net, loader, BCE(), trainer, 1, progress=False)
        assert graph.refresh()

    def test_a_net_that_changes_is_traced_again(self):
        """A layer more is seen at the next pass."""
        X, _, _ = data(100)
        net = made()
        graph = PredictGraph(net)
        list(forward(net, X, graph=graph))
        net.add(gluon.nn.HybridLambda(lambda F, x: x * 100))
        (output,) = forward(net, X, graph=graph)
        np.testing.assert_allclose(output.asnumpy(), net(mx.nd.array(X)).asnumpy(), rtol=1e-5)

    def test_a_net_that_cannot_be_traced_is_called(self):
        """A plain Block has no graph."""

        class Plain(gluon.Block):
            def forward(self, x):
                return x.sum(axis=1, keepdims=True)

        X, _, _ = data(50)
        net = Plain()
        assert not PredictGraph(net).refresh()
        (output,) = forward(net, X, graph=PredictGraph(net))
        np.testing.assert_allclose(output.asnumpy()[:, 0], X.sum(axis=1), rtol=1e-5)

    def test_doubles_are_refused_with_the_cure(self):
        """NumPy's default type is not the net's: the message says what to do."""
        X, y, z = data(100)
        with pytest.raises(InputError, match=r"must be float32.*got float64.*astype"):
            FullPass(made(), X.astype("float64"), y, z).measure("rates")

    def test_the_users_array_stays_writable(self):
        """The pass looks at the array without a copy, and leaves it as it was."""
        X, y, z = data(100)
        FullPass(made(), X, y, z).measure("rates")
        X[0, 0] = 5.0
        assert X.flags.writeable


class Counting:
    """A signal that counts its measurements."""

    def __init__(self, labels, groups):
        self.labels, self.groups, self.calls = labels, mxfair.Groups(groups), 0

    def measure(self, *needs):
        """Return perfect rates."""
        self.calls += 1
        return CellStats(rates=mxfair.GroupConfusion.of(self.labels, self.labels, self.groups))


def refreshing(**kwargs):
    """Return a sampler of 10 batches, and its signal."""
    labels, groups = np.tile([0, 0, 1, 1], 25), np.tile([0, 1], 50)
    signal = Counting(labels, groups)
    return FairBatchSampler(labels, groups, 10, signal=signal, seed=0, **kwargs), signal


class TestRefresh:
    """When the shares are updated."""

    @pytest.mark.parametrize(("every", "calls"), [(None, 1), (1, 10), (3, 4), (5, 2), (99, 1)])
    def test_updates_inside_an_epoch_are_counted(self, every, calls):
        """Every k batches, the first one when the epoch starts."""
        sampler, signal = refreshing(update_every=every)
        assert [len(batch) for batch in sampler] == [10] * 10
        assert signal.calls == calls
        assert [entry["batch"] for entry in sampler.history] == list(range(0, 10, every or 10))
        assert {entry["epoch"] for entry in sampler.history} == {0}

    def test_an_update_waits_for_the_batches_before_it(self):
        """The net is measured when the next batch is asked for, not ahead of time."""
        sampler, signal = refreshing(update_every=2)
        batches = iter(sampler)
        seen = []
        for _ in range(5):
            next(batches)
            seen.append(signal.calls)
        assert seen == [1, 1, 2, 2, 3]

    @pytest.mark.parametrize("kwargs", [{}, {"num_workers": 2}, {"num_workers": 2, "thread_pool": True}])
    def test_workers_do_not_run_ahead_of_an_update(self, kwargs):
        """With worker processes or threads, an update still sees the net after the batch before it."""
        labels, groups = np.tile([0, 0, 1, 1], 25), np.tile([0, 1], 50)
        signal = Counting(labels, groups)
        dataset = gluon.data.ArrayDataset(np.zeros((100, 2), "float32"), labels.astype("float32"), groups)
        loader = FairDataLoader(
            dataset, 10, net=made(inputs=2), loss=BCE(), signal=signal, update_every=2, seed=0, **kwargs
        )
        seen = [signal.calls for _ in loader]
        assert seen == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]

    def test_every_sample_is_used_once_before_any_again_across_updates(self):
        """Streams go on from block to block inside an epoch."""
        sampler, _ = refreshing(update_every=3)
        assert np.bincount(np.concatenate(list(sampler)), minlength=100).tolist() == [1] * 100

    def test_warm_up_waits(self):
        """Two epochs on the data's shares, then updates; the history has no gap for them."""
        sampler, signal = refreshing(warm_up=2)
        for _ in range(3):
            list(sampler)
        assert signal.calls == 1
        assert [entry["gap"] for entry in sampler.history] == [None, None, 0.0]
        assert sampler.history[1]["shares"] == sampler.data_shares.tolist()

    @pytest.mark.parametrize("bad", [{"update_every": 0}, {"warm_up": -1}])
    def test_numbers_are_checked(self, bad):
        """At construction."""
        with pytest.raises(InputError, match="must be at least"):
            refreshing(**bad)

    def test_a_held_out_set_steers(self):
        """A FullPass over other samples with the same labels and groups."""
        X, y, z = data(600)
        net = made()
        held_out = FullPass(net, X[400:], y[400:], z[400:])
        sampler = FairBatchSampler(y[:400], z[:400], 50, signal=held_out, seed=0)
        list(sampler)
        expected = mxfair.criterion.CRITERIA["equalized_odds"].difference(held_out.measure("rates").rates)
        assert sampler.history[0]["gap"] == expected

    def test_a_held_out_set_needs_every_label(self):
        """A set without one of the labels cannot tell its gaps."""
        X, y, z = data(600)
        held_out = FullPass(made(), X[y == 1], y[y == 1], z[y == 1])
        with pytest.raises(InputError, match="needs samples of every label"):
            FairBatchSampler(y, z, 50, signal=held_out)
