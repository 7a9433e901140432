"""Selection inside the cells, alone and in the sampler."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon

from mxfair._validation import InputError, InputTypeError
from mxfair.data import (
    ByImportance,
    ByLoss,
    ByRank,
    CellDraw,
    CellSelector,
    FairBatchSampler,
    FairDataLoader,
    FullPass,
    LowestLoss,
    OwnSampler,
    ProbeSet,
    Shuffled,
)

RNG = np.random.default_rng


def cell(values=None, size=10, quota=None, first=100):
    """Return a cell of rows from `first` on."""
    size = size if values is None else len(values)
    values = None if values is None else np.asarray(values, dtype=float)
    return CellDraw(0, np.arange(first, first + size), values, float(size if quota is None else quota))


def uses(rows, size=10, first=100):
    """Return how often each row is drawn."""
    return np.bincount(rows - first, minlength=size)


class TestSelectors:
    """Each by itself."""

    def test_shuffled_goes_on_where_it_stopped(self):
        """Draws of 3, 3 and 4 from a cell of 10 are each sample once."""
        one, selector, rng = cell(), Shuffled(), RNG(0)
        rows = np.concatenate([selector.draw(one, count, rng) for count in (3, 3, 4)])
        assert uses(rows).tolist() == [1] * 10

    def test_loss_draws_in_proportion(self):
        """Expected draws to within one: gamma=1 by losses, gamma=2 by their squares, explore=1 evenly."""
        losses = np.arange(1.0, 11.0)
        for gamma, explore, expected in (
            (1, 0, losses / 55),
            (2, 0, losses**2 / 385),
            (1, 1, np.full(10, 0.1)),
            (1, 0.5, losses / 110 + 0.05),
        ):
            rows = ByLoss(gamma, explore=explore).draw(cell(losses), 1000, RNG(0))
            assert np.abs(uses(rows) - 1000 * expected).max() <= 1

    def test_losses_of_zero_draw_evenly(self):
        """Where no sample has a loss, all are alike."""
        assert uses(ByLoss().draw(cell(np.zeros(10)), 100, RNG(0))).tolist() == [10] * 10

    def test_rank_looks_at_the_order_only(self):
        """Any losses of the same order draw alike; the first is drawn as often as the pressure says."""
        sharp, flat = np.arange(10.0) ** 5, np.arange(10.0)
        drawn = [uses(ByRank(10.0).draw(cell(v), 10_000, RNG(0))) for v in (sharp, flat)]
        assert drawn[0].tolist() == drawn[1].tolist()
        assert drawn[0][9] / drawn[0][0] == pytest.approx(10**0.9, rel=0.01)

    def test_importance_takes_scores_of_the_whole_data(self):
        """Scores are looked up by the rows of the cell."""
        scores = np.zeros(20)
        scores[[12, 15]] = 1, 3
        rows = ByImportance(scores, explore=0).draw(cell(first=10), 100, RNG(0))
        assert uses(rows, first=10)[[2, 5]].tolist() == [25, 75]

    def test_lowest_loss_keeps_a_part(self):
        """Of ten samples the eight with the lowest losses are drawn, each once."""
        losses = np.array([9, 1, 2, 8, 3, 4, 5, 0, 7, 6.0])
        assert uses(LowestLoss(0.8).draw(cell(losses), 8, RNG(0))).tolist() == [0, 1, 1, 0, 1, 1, 1, 1, 1, 1]

    def test_lowest_loss_keeps_all_of_a_cell_that_is_drawn_over(self):
        """Where the shares ask for more than the cell has, nothing is dropped."""
        rows = LowestLoss(0.8).draw(cell(np.arange(10), quota=40), 40, RNG(0))
        assert uses(rows).tolist() == [4] * 10

    def test_selectors_nest(self):
        """Robust selection first, hard samples among what it keeps."""
        losses = np.array([1, 2, 3, 4, 100.0])
        rows = LowestLoss(0.8, within=ByLoss(explore=0)).draw(cell(losses), 100, RNG(0))
        assert np.abs(uses(rows, 5) - [10, 20, 30, 40, 0]).max() <= 1

    def test_a_selector_inside_another_keeps_its_own_stream(self):
        """Robust selection twice, and around a sampler of one's own, which starts anew with a new stream."""
        losses = np.arange(20.0)
        rows = LowestLoss(0.9, within=LowestLoss(0.5)).draw(cell(losses), 10, RNG(0))
        assert rows.max() < 110
        selector = LowestLoss(0.3, within=OwnSampler(gluon.data.SequentialSampler))
        for size in (20, 10):
            assert selector.draw(cell(losses[:size]), 2, RNG(0)).tolist() == [100, 101]

    def test_an_own_sampler_is_started_anew(self):
        """A sampler that ends begins again; a draw goes on where the last one stopped."""
        selector, one = OwnSampler(gluon.data.SequentialSampler), cell(size=3)
        rows = [selector.draw(one, 2, RNG(0)).tolist() for _ in range(3)]
        assert rows == [[100, 101], [102, 100], [101, 102]]

    def test_an_own_sampler_of_other_numbers_is_refused(self):
        """A number that is no place in the cell is an error, and so is a sampler of nothing."""
        with pytest.raises(InputError, match="cell of 3 samples must yield numbers below that"):
            OwnSampler(lambda size: [7]).draw(cell(size=3), 1, RNG(0))
        with pytest.raises(InputError, match="must yield some; got none"):
            OwnSampler(lambda size: []).draw(cell(size=3), 1, RNG(0))

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: ByLoss(-1), "'gamma' must be 0 or more"),
            (lambda: ByLoss(explore=2), "'explore' must be from 0 to 1"),
            (lambda: ByRank(0.5), "'pressure' must be 1 or more"),
            (lambda: LowestLoss(0), "'keep' must be above 0"),
            (lambda: LowestLoss(within=ByImportance()), "must not measure anything but losses"),
            (lambda: ByImportance([1, -1]), "finite and not negative"),
        ],
    )
    def test_settings_are_checked(self, make, message):
        """At construction."""
        with pytest.raises(InputError, match=message):
            make()

    def test_what_is_no_factory_is_refused(self):
        """A sampler belongs to one size of cell."""
        with pytest.raises(InputTypeError, match="must be a function of a cell's size"):
            OwnSampler([0, 1])

    def test_an_own_selector_takes_a_few_lines(self):
        """A subclass with draw is all it takes."""

        class First(CellSelector):
            def draw(self, cell, count, rng):
                return np.repeat(cell.members[:1], count)

        labels, groups = np.tile([0, 0, 1, 1], 10), np.tile([0, 1], 20)
        sampler = FairBatchSampler(labels, groups, 8, signal=lambda: labels, within=First(), seed=0)
        assert set(np.concatenate(list(sampler)).tolist()) == {0, 1, 2, 3}


@pytest.fixture
def net():
    """Return a net that gives back its input."""
    net = gluon.nn.Dense(1, use_bias=False, in_units=1)
    net.initialize(mx.init.One())
    return net


def noisy(n=400):
    """Return scores, labels of which a tenth is wrong, groups and which are wrong."""
    rng = RNG(0)
    groups, clean = (rng.random(n) < 0.4).astype(int), rng.integers(0, 2, n)
    scores = (np.where(clean == 1, 2.0, -2.0) + rng.normal(0, 0.3, n))[:, None].astype("float32")
    wrong = rng.random(n) < 0.1
    return scores, np.where(wrong, 1 - clean, clean).astype("float32"), groups, wrong


class TestInTheSampler:
    """FairBatch says how many, the selector which."""

    @pytest.mark.parametrize("within", ["shuffled", "loss", "rank", "importance", LowestLoss(0.8)])
    def test_the_number_of_each_cell_is_the_same(self, net, within):
        """Whatever the selector, a batch holds as many rows of each cell."""
        X, y, z, _ = noisy()
        loss = gluon.loss.SigmoidBinaryCrossEntropyLoss()
        counts = []
        for selector in ("shuffled", within):
            signal = FullPass(net, X, y, z, loss=loss)
            sampler = FairBatchSampler(y, z, 40, signal=signal, within=selector, seed=0)
            counts.append([np.bincount((2 * y + z)[batch].astype(int), minlength=4).tolist() for batch in sampler])
        assert np.abs(np.subtract(*counts)).max() <= 1
        assert {len(batch) for batch in sampler} == {40}

    def test_hard_samples_are_drawn_more(self, net):
        """By loss and by importance, wrong labels are drawn many times as often as right ones."""
        X, y, z, wrong = noisy()
        loss = gluon.loss.SigmoidBinaryCrossEntropyLoss()
        for within in ("loss", "rank", "importance"):
            sampler = FairBatchSampler(y, z, 40, signal=FullPass(net, X, y, z, loss=loss), within=within, seed=0)
            drawn = np.bincount(np.concatenate(list(sampler)), minlength=len(y))
            assert drawn[wrong].mean() > 2 * drawn[~wrong].mean()

    def test_robust_selection_drops_wrong_labels(self, net):
        """Keeping .8 of the data, nine in ten of the wrong labels are not drawn, and nine in ten of the others are."""
        X, y, z, wrong = noisy()
        signal = FullPass(net, X, y, z, loss=gluon.loss.SigmoidBinaryCrossEntropyLoss())
        sampler = FairBatchSampler(y, z, 40, signal=signal, within=LowestLoss(0.8), controller="reweighing", seed=0)
        drawn = np.bincount(np.concatenate(list(sampler)), minlength=len(y))
        assert (drawn[wrong] == 0).mean() > 0.9
        assert (drawn[~wrong] > 0).mean() > 0.9

    def test_importance_is_the_gradient_at_the_output(self, net):
        """For cross-entropy it is the distance of the probability from the label."""
        X, y, z, _ = noisy()
        signal = FullPass(net, X, y, z, loss=gluon.loss.SigmoidBinaryCrossEntropyLoss())
        expected = np.abs(1 / (1 + np.exp(-X[:, 0])) - y)
        np.testing.assert_allclose(signal.measure("sample_gradient").sample_gradient, expected, rtol=1e-4)

    def test_losses_and_rates_come_from_one_pass(self, net):
        """The signal is asked once for both."""
        X, y, z, _ = noisy()
        signal = FullPass(net, X, y, z, loss=gluon.loss.SigmoidBinaryCrossEntropyLoss())
        asked, measure = [], signal.measure
        signal.measure = lambda *needs: asked.append(needs) or measure(*needs)
        list(FairBatchSampler(y, z, 40, signal=signal, within="loss", seed=0))
        assert asked == [("rates", "sample_loss")]

    def test_an_own_gluon_sampler_is_composed(self, net):
        """Each cell is drawn by a sampler of the user's."""
        X, y, z, _ = noisy()
        within = OwnSampler(gluon.data.SequentialSampler)
        loss = gluon.loss.SigmoidBinaryCrossEntropyLoss()
        dataset = gluon.data.ArrayDataset(X, y, z)
        loader = FairDataLoader(dataset, 40, net=net, loss=loss, within=within, controller="reweighing", seed=0)
        first = [np.flatnonzero((y == a) & (z == b))[0] for a in (0, 1) for b in (0, 1)]
        drawn = np.concatenate(list(loader.batch_sampler))
        assert all((drawn == row).sum() >= 1 for row in first)

    def test_a_probe_cannot_tell_every_sample(self, net):
        """Selection by loss needs the loss of every sample: a probe says so when the epoch starts."""
        X, y, z, _ = noisy()
        probe = ProbeSet(net, X, y, z, loss=gluon.loss.SigmoidBinaryCrossEntropyLoss(), seed=0)
        with pytest.raises(InputError, match="use a FullPass"):
            list(FairBatchSampler(y, z, 40, signal=probe, within="loss", seed=0))

    def test_a_held_out_set_cannot_tell_every_sample(self, net):
        """The losses have to be those of the training samples."""
        X, y, z, _ = noisy()
        held_out = FullPass(net, X[:200], y[:200], z[:200], loss=gluon.loss.SigmoidBinaryCrossEntropyLoss())
        with pytest.raises(InputError, match=r"all 400 training samples.*got 200"):
            list(FairBatchSampler(y, z, 40, signal=held_out, within="loss", seed=0))

    @pytest.mark.parametrize("rows", [200, 20])
    def test_a_warm_up_does_not_hide_it(self, net, rows):
        """Epochs before the first update choose inside the cells too, and check what they choose by."""
        X, y, z, _ = noisy()
        part = slice(None, rows)
        held_out = FullPass(net, X[part], y[part], z[part], loss=gluon.loss.SigmoidBinaryCrossEntropyLoss())
        with pytest.raises(InputError, match=f"all 400 training samples.*got {rows}"):
            list(FairBatchSampler(y, z, 40, signal=held_out, within="loss", warm_up=1, seed=0))

    def test_static_shares_with_selection_need_a_signal(self):
        """Nothing measures the losses: an error at construction."""
        _, y, z, _ = noisy()
        with pytest.raises(InputError, match=r"'signal' must be given: ByLoss"):
            FairBatchSampler(y, z, 40, controller="balanced", within="loss")

    def test_scores_of_another_length_are_refused(self):
        """At construction."""
        _, y, z, _ = noisy()
        with pytest.raises(InputError, match="one number per sample, 400; got 3"):
            FairBatchSampler(y, z, 40, signal=lambda: y, within=ByImportance([1, 2, 3]))

    def test_two_samplers_do_not_share_a_selector(self, net):
        """Each works on a copy."""
        _, y, z, _ = noisy()
        within = OwnSampler(gluon.data.SequentialSampler)
        samplers = [FairBatchSampler(y, z, 40, signal=lambda: y, within=within, seed=0) for _ in range(2)]
        pairs = list(zip(*samplers))
        assert all(sorted(a) == sorted(b) for a, b in pairs)
