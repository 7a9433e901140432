"""Tasks: many classes and groups, crossings, missing groups, regression, continuous attributes, target ratios."""

import warnings

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon

import mxfair
from mxfair._validation import InputError
from mxfair.data import FairBatchSampler, FairDataLoader, FullPass, GroupDROController, SampleWeights, correlation_shift
from mxfair.data._cells import Cells
from mxfair.data.controller import CONTROLLERS


def totals(sampler, labels, groups):
    """Return the rows of each cell in one epoch."""
    drawn = np.concatenate(list(sampler))
    counts = np.zeros((int(labels.max()) + 1, int(groups.max()) + 1), int)
    np.add.at(counts, (labels[drawn].astype(int), groups[drawn]), 1)
    return counts


class TestManyCells:
    """K classes x G groups."""

    @pytest.mark.parametrize(("n_labels", "n_groups"), [(28, 2), (10, 12)])
    @pytest.mark.parametrize(
        "controller", ["proportional", "fairdro", "groupdro", "fairgrad", "normalized", "reweighing"]
    )
    def test_large_tables_are_steered(self, n_labels, n_groups, controller):
        """28 x 2 and 10 x 12 cells, batches smaller than the number of cells: each cell is drawn at its share."""
        rng = np.random.default_rng(0)
        labels, groups = rng.integers(0, n_labels, 6000), rng.integers(0, n_groups, 6000)
        decisions = np.where(rng.random(6000) < 0.3 + 0.04 * groups, labels, rng.integers(0, n_labels, 6000))
        values = decisions if CONTROLLERS[controller].need == "rates" else rng.random(6000) + groups / 20
        if controller == "fairgrad":  # made for steps of a batch: its rates are of few samples here
            controller = mxfair.data.FairGradController(step=1e-2)
        sampler = FairBatchSampler(
            labels, groups, 64, "equal_opportunity", signal=lambda: values, controller=controller, seed=0
        )
        drawn = totals(sampler, labels, groups)
        assert sampler.counts.shape == (n_labels, n_groups)
        assert np.abs(drawn - sampler.mix * len(sampler) * 64).max() <= 1 + 1e-6
        assert (drawn > 0).all()
        assert np.abs(sampler.mix - sampler.counts / 6000).max() > 1e-4

    def test_the_group_behind_gains_in_each_class(self):
        """With 28 classes, group 0 is recognised less often in each of them: its share rises in each."""
        labels, groups = np.repeat(np.arange(28), 40), np.tile([0, 1], 560)
        right = (np.arange(1120) // 2 % 2 == 0) | (groups == 1)
        decisions = np.where(right, labels, (labels + 1) % 28)
        sampler = FairBatchSampler(labels, groups, 56, "equal_opportunity", signal=lambda: decisions, seed=0)
        list(sampler)
        assert (sampler.shares[:, 0] > sampler.data_shares[:, 0]).all()

    def test_an_empty_cell_is_said_and_not_drawn(self):
        """Crossings leave cells empty: a warning names them, and the rest is steered."""
        labels, groups = np.repeat([0, 1, 2], [60, 60, 30]), np.tile(["a", "b", "c"], 50)
        kept = ~((labels == 2) & (groups == "c"))
        labels, groups = labels[kept], groups[kept]
        with pytest.warns(UserWarning, match=r"1 of 9 .* empty: label 2 in group 'c'.*cannot be drawn"):
            sampler = FairBatchSampler(labels, groups, 20, "equal_opportunity", signal=lambda: labels, seed=0)
        list(sampler)
        assert sampler.mix[2, 2] == 0
        assert sampler.mix.sum() == pytest.approx(1)

    def test_a_label_of_one_group_is_an_error(self):
        """Such a label has nobody to compare with."""
        labels, groups = np.repeat([0, 1, 2], 20), np.array(["a", "b"] * 20 + ["a"] * 20)
        with pytest.raises(InputError, match=r"two groups or more; got none with label 2 in group 'b'"):
            FairBatchSampler(labels, groups, 20, signal=lambda: labels)

    def test_crossings_are_groups(self):
        """Two columns make four groups, each with a share of its own."""
        rng = np.random.default_rng(0)
        columns = {"sex": rng.choice(["f", "m"], 400), "age": rng.choice(["old", "young"], 400)}
        labels = rng.integers(0, 2, 400)
        sampler = FairBatchSampler(labels, columns, 40, signal=lambda: labels, seed=0)
        assert sampler.groups.names == ("f & old", "f & young", "m & old", "m & young")
        assert sampler.shares.shape == (2, 4)

    def test_a_continuous_attribute_is_binned(self):
        """Groups.binned cuts age into quarters, which are steered like any groups."""
        rng = np.random.default_rng(0)
        age, labels = rng.normal(40, 12, 400), rng.integers(0, 2, 400)
        groups = mxfair.Groups.binned(age, 4, name="age")
        sampler = FairBatchSampler(labels, groups, 40, "equal_opportunity", signal=lambda: (age > 40) * 1, seed=0)
        list(sampler)
        assert sampler.shares[1, 0] > sampler.data_shares[1, 0]
        assert sampler.shares[1, 3] < sampler.data_shares[1, 3]


@pytest.mark.parametrize("name", [n for n in CONTROLLERS if n != "paper"])
class TestUnknown:
    """Missing groups."""

    def parts(self):
        """Return labels, groups with gaps, and values that tell the groups apart."""
        rng = np.random.default_rng(0)
        labels, codes = rng.integers(0, 2, 900), rng.choice(3, 900, p=[0.5, 0.3, 0.2])
        return labels, np.array(["a", "b", None], dtype=object)[codes], codes

    def test_unknown_samples_are_drawn_at_their_own_rate(self, name):
        """Whatever a controller does to the known groups, the unknown ones keep their cells' rates."""
        labels, groups, codes = self.parts()
        values = np.where(codes == 0, 1, 0) if CONTROLLERS[name].need == "rates" else 0.1 + codes
        sampler = FairBatchSampler(labels, groups, 90, signal=lambda: values, controller=name, seed=0)
        for _ in range(3):
            list(sampler)
        np.testing.assert_allclose(sampler.mix[:, 2], sampler.counts[:, 2] / 900)
        assert not np.allclose(sampler.mix[:, :2], sampler.counts[:, :2] / 900)

    def test_unknown_samples_do_not_steer(self, name):
        """Other values of the unknown samples change no share."""
        labels, groups, codes = self.parts()
        values = np.where(codes == 0, 1, 0) if CONTROLLERS[name].need == "rates" else 0.1 + codes
        shares = []
        for of_unknown in (0, 1):
            seen = np.where(codes == 2, of_unknown, values)
            sampler = FairBatchSampler(labels, groups, 90, signal=lambda seen=seen: seen, controller=name, seed=0)
            list(sampler)
            shares.append(sampler.shares)
        np.testing.assert_array_equal(*shares)


def houses(n=1500):
    """Return a regression whose groups differ in level and in noise: group 1 is smaller, higher and noisier."""
    rng = np.random.default_rng(0)
    groups = (rng.random(n) < 0.3).astype(int)
    X = np.c_[rng.normal(0, 1, (n, 2)), groups + rng.normal(0, 0.5, n)].astype("float32")
    y = X[:, 0] + np.where(groups == 1, -X[:, 1], X[:, 1]) + 0.8 * groups + rng.normal(0, 0.2, n)
    return X, y.astype("float32"), groups


def regressed(criterion, controller="proportional", epochs=40, **kwargs):
    """Return predictions of a linear net trained with FairBatch, or without where there is no criterion."""
    X, y, groups = houses()
    mx.random.seed(0)
    net = gluon.nn.Dense(1, in_units=3)
    net.initialize(mx.init.Xavier())
    loss, dataset = gluon.loss.L2Loss(), gluon.data.ArrayDataset(X, y, groups.astype("float32"))
    if criterion is None:
        loader = mxfair.data.DataLoader(dataset, 100, shuffle=True, seed=0)
    else:
        loader = FairDataLoader(
            dataset, 100, net=net, loss=loss, criterion=criterion, controller=controller, seed=0, **kwargs
        )
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.02})
    history = mxfair.training.fit(net, loader, loss, trainer, epochs, progress=False)
    preds = net(mx.nd.array(X)).asnumpy()[:, 0]
    errors = [float(((preds - y)[groups == g] ** 2).mean()) for g in (0, 1)]
    below = np.sort(preds[groups == 0]), np.sort(preds[groups == 1])
    at = np.sort(preds)
    apart = np.abs(np.subtract(*(np.searchsorted(b, at, side="right") / len(b) for b in below))).max()
    return errors, float(apart), history, loader


class TestRegression:
    """A continuous target."""

    def test_bounded_group_loss_equalises_the_losses_of_groups(self):
        """The gap of the groups' squared errors falls below a third, and the worst group is better off."""
        plain, _, _, _ = regressed(None)
        fair, _, history, loader = regressed("bounded_group_loss")
        assert abs(fair[0] - fair[1]) < abs(plain[0] - plain[1]) / 3
        assert max(fair) < max(plain)
        assert loader.batch_sampler.counts.shape == (1, 2)
        assert history["gap"][-1] < history["gap"][0]

    def test_group_dro_helps_the_worst_group(self):
        """The larger of the two errors falls."""
        plain, _, _, _ = regressed(None)
        fair, _, _, _ = regressed("bounded_group_loss", GroupDROController(0.5))
        assert max(fair) < max(plain)

    def test_demographic_parity_draws_distributions_together(self):
        """With label bins, the Kolmogorov-Smirnov distance of the predictions falls by a third or more."""
        _, plain, _, _ = regressed(None)
        _, fair, _, loader = regressed("demographic_parity", label_bins=4)
        assert fair < plain * 2 / 3
        assert loader.batch_sampler.counts.shape == (4, 2)

    def test_bins_are_named_by_their_ranges(self):
        """The history's columns say which part of the target a share is of."""
        _, _, history, _ = regressed("demographic_parity", epochs=1, label_bins=[0.0, 1.0])
        columns = [c for c in history.to_frame().columns if c.startswith("share")]
        assert columns[::2] == ["share[<= 0, 0]", "share[0 to 1, 0]", "share[> 1, 0]"]

    def test_the_gap_is_the_largest_over_the_cut_points(self):
        """P(prediction above a cut) is compared at each cut: .5 at the first, 1 at the second."""
        labels, groups = np.tile([0.0, 1.0, 2.0, 3.0], 10), np.repeat([0, 1], 20)
        preds = np.where(groups == 0, np.tile([0.2, 1.2], 20), 2.5)
        sampler = FairBatchSampler(
            labels, groups, 8, "demographic_parity", signal=lambda: preds, label_bins=[0.5, 1.5], seed=0
        )
        list(sampler)
        assert sampler.history[0]["gap"] == 1.0
        assert sampler.shares[2, 0] > 0.5 > sampler.shares[0, 0]

    def test_a_value_at_a_cut_belongs_to_the_bin_below(self):
        """As for Groups.binned."""
        cells = Cells(np.array([0.0, 1.0, 1.5, 2.0]), [0, 1, 0, 1], bins=[1.0])
        assert cells.codes.tolist() == [0, 1, 2, 3]

    @pytest.mark.parametrize(
        ("kwargs", "message"),
        [
            (
                {"criterion": "equalized_odds", "label_bins": 4},
                "demographic_parity or bounded_group_loss.*got equalized",
            ),
            ({"criterion": "demographic_parity", "label_bins": 1}, "two bins or more"),
            ({"criterion": "demographic_parity", "label_bins": [3, 1]}, "increasing cut points"),
            ({"criterion": "demographic_parity", "label_bins": [99.0]}, "must lie among the labels"),
            ({"criterion": "demographic_parity", "label_bins": 3, "positive": 1}, "'positive' must not be given"),
            ({"criterion": "demographic_parity", "label_bins": 3, "controller": "normalized"}, "must compare rates"),
            ({"criterion": "demographic_parity"}, "look like a regression target.*label_bins=4"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, kwargs, message):
        """At construction, with what to do."""
        labels = np.linspace(0, 1, 40)
        with pytest.raises(InputError, match=message):
            FairBatchSampler(labels, np.tile([0, 1], 20), 8, signal=lambda: labels, **kwargs)

    def test_a_net_of_two_outputs_is_refused(self):
        """A regression has one number a sample."""
        net = gluon.nn.Dense(2, in_units=1)
        net.initialize()
        labels = np.linspace(0, 1, 40)
        signal = FullPass(net, labels[:, None].astype("float32"), labels, np.tile([0, 1], 20), label_bins=2)
        with pytest.raises(InputError, match=r"one number a sample; got shape \(40, 2\)"):
            signal.measure("rates")

    def test_a_held_out_set_needs_the_same_cuts(self):
        """Quantiles of two sets differ, so that cut points have to be given."""
        net = gluon.nn.Dense(1, in_units=1)
        net.initialize()
        labels, groups = np.linspace(0, 1, 40), np.tile([0, 1], 20)
        other = FullPass(net, np.zeros((40, 1), "float32"), labels * 2, groups, label_bins=2)
        with pytest.raises(InputError, match=r"label_bins= as cut points to both"):
            FairBatchSampler(labels, groups, 8, "demographic_parity", signal=other, label_bins=2)


class TestTarget:
    """Ratios of the data that the model will be used on."""

    LABELS, GROUPS = np.repeat([0, 0, 1, 1], [30, 10, 10, 50]), np.repeat([0, 1, 0, 1], [30, 10, 10, 50])

    def test_training_starts_from_the_target(self):
        """The batches have the target's cells, its mix of labels included."""
        target = np.array([[0.1, 0.2], [0.3, 0.4]])
        sampler = FairBatchSampler(self.LABELS, self.GROUPS, 50, signal=lambda: self.LABELS, target=target, seed=0)
        assert np.abs(totals(sampler, self.LABELS, self.GROUPS) - 100 * target).max() <= 1

    def test_rates_are_those_of_the_target(self):
        """A selection rate of 1 for label 1 alone is each group's base rate in the target, not in the data."""
        target = np.array([[0.3, 0.1], [0.2, 0.4]])
        sampler = FairBatchSampler(
            self.LABELS, self.GROUPS, 50, "demographic_parity", signal=lambda: self.LABELS, target=target, seed=0
        )
        shares = []
        update = sampler.controller.update
        sampler.controller.update = lambda s, stats: shares.append(stats.rates) or update(s, stats)
        list(sampler)
        table = shares[0]
        np.testing.assert_allclose(table.counts[:, 1, 1] / table.support, [0.4, 0.8])

    def test_losses_are_those_of_the_target_too(self):
        """The loss against the positive label, summed over a group, is its mean in the target's mix of labels."""
        target = np.array([[0.3, 0.1], [0.2, 0.4]])
        losses = np.where(self.LABELS == 1, 1.0, 0.25)
        seen = []
        sampler = FairBatchSampler(
            self.LABELS, self.GROUPS, 50, "demographic_parity", signal=lambda: losses, controller="paper", target=target
        )
        update = sampler.controller.update
        sampler.controller.update = lambda s, stats: seen.append(stats.positive_loss) or update(s, stats)
        list(sampler)
        np.testing.assert_allclose(seen[0].sum(axis=0), [0.25 * 0.6 + 0.4, 0.25 * 0.2 + 0.8])

    @pytest.mark.parametrize("name", ["proportional", "fairdro", "fairgrad", "groupdro"])
    def test_a_target_may_leave_out_a_label(self, name):
        """Its cells are not drawn, and the other label is steered."""
        labels, groups = np.repeat([0, 1, 2], 40), np.tile([0, 1], 60)
        values = labels if CONTROLLERS[name].need == "rates" else labels + 0.5
        target = np.array([[1, 2], [2, 1], [0, 0]])
        sampler = FairBatchSampler(
            labels, groups, 12, signal=lambda: values, controller=name, target=target, criterion="equal_opportunity"
        )
        drawn = totals(sampler, labels, groups)
        assert drawn[:2].min() > 0
        assert drawn[2].sum() == 0 or name == "groupdro"

    def test_a_shift_keeps_the_rates_of_labels_and_groups(self):
        """Only the dependence changes: strength .5 halves the correlation."""
        before, after = (correlation_shift(self.LABELS, self.GROUPS, t) for t in (1.0, 0.5))
        for axis in (0, 1):
            np.testing.assert_allclose(before.sum(axis=axis), after.sum(axis=axis))

        def correlation(mix):
            p, q = mix[1].sum(), mix[:, 1].sum()
            return (mix[1, 1] - p * q) / np.sqrt(p * (1 - p) * q * (1 - q))

        assert correlation(after) == pytest.approx(correlation(before) / 2)

    def test_a_shift_too_far_is_refused(self):
        """A negative ratio is an error that names the largest strength."""
        with pytest.raises(InputError, match=r"'strength' must be at most 1\.71"):
            correlation_shift(self.LABELS, self.GROUPS, 3.0)

    @pytest.mark.parametrize(
        ("target", "message"),
        [
            ([1, 2, 3], "of shape"),
            ([[1], [1], [1], [1]], "of shape"),
            ([1, 1, 1, 1], "of shape"),
            ([[1, -1], [1, 1]], "0 or more"),
            ([[0, 0], [0, 0]], "of shape"),
        ],
    )
    def test_what_is_no_table_of_ratios_is_refused(self, target, message):
        """Shape and sign are checked when the sampler is made."""
        with pytest.raises(InputError, match=message):
            FairBatchSampler(self.LABELS, self.GROUPS, 50, signal=lambda: self.LABELS, target=np.array(target))

    def test_a_target_may_leave_out_the_unknown_group(self):
        """With a column for the known groups only, unknown samples keep their rate in the data."""
        groups = np.array(["a", "b"], dtype=object)[self.GROUPS]
        groups[::10] = None
        sampler = FairBatchSampler(
            self.LABELS, groups, 50, signal=lambda: self.LABELS, target=np.array([[1, 1], [1, 1]]), seed=0
        )
        np.testing.assert_allclose(sampler.mix[:, 2], sampler.counts[:, 2] / 100)
        np.testing.assert_allclose(sampler.mix[:, :2], 0.9 / 4)


def test_weights_and_sampler_agree():
    """From the same controller and signal, a cell's weight is its part of the batches by its part of the data."""
    rng = np.random.default_rng(0)
    labels, groups = rng.integers(0, 2, 600), rng.integers(0, 3, 600)
    decisions = ((rng.random(600) + 0.2 * groups) > 0.7).astype(int)
    weights = SampleWeights(labels, groups, signal=lambda: decisions)
    sampler = FairBatchSampler(labels, groups, 600, signal=lambda: decisions, seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(3):
            weights.update()
            list(sampler)
    np.testing.assert_allclose(weights.weights, sampler.mix / (sampler.counts / 600), rtol=1e-6)
    assert weights.sample_weight.mean() == pytest.approx(1)
