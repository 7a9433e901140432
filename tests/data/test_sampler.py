import json
import random

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon

import mxfair
from mxfair._validation import InputError
from mxfair.criterion import CRITERIA
from mxfair.data import CellStats, Controller, FairBatchSampler, FairDataLoader, FullPass


class Fixed(Controller):
    """Gives the same shares always."""

    def __init__(self, shares):
        self._shares = np.array(shares, dtype=float)

    def update(self, shares, stats):
        """Return them."""
        return self._shares


def cells(counts):
    """Return labels and groups with these counts of each (label, group) cell."""
    counts = np.asarray(counts)
    label, group = np.indices(counts.shape)
    return np.repeat(label.ravel(), counts.ravel()), np.repeat(group.ravel(), counts.ravel())


def sampler_of(counts, batch_size, shares=None, **kwargs):
    """Return a sampler over cells of these sizes, its shares fixed if given."""
    labels, groups = cells(counts)
    if shares is not None:
        kwargs["controller"] = Fixed(shares)
    kwargs.setdefault("seed", 0)
    return FairBatchSampler(labels, groups, batch_size, signal=lambda: labels, **kwargs)


def cell_counts(rows, counts):
    """Return how many rows fall into each cell."""
    labels, groups = cells(counts)
    flat = np.bincount(labels[rows] * np.asarray(counts).shape[1] + groups[rows], minlength=np.asarray(counts).size)
    return flat.reshape(np.asarray(counts).shape)


#: Seed, labels, groups, batch size.
SWEEP = [
    (0, 2, 2, 4),
    (1, 2, 2, 33),
    (2, 2, 3, 100),
    (3, 2, 6, 13),
    (4, 3, 2, 7),
    (5, 3, 4, 32),
    (6, 4, 3, 50),
    (7, 5, 2, 11),
    (8, 5, 6, 30),
    (9, 5, 6, 97),
    (10, 2, 2, 100),
    (11, 4, 6, 64),
]


def swept(seed, n_labels, n_groups, batch_size):
    """Return counts and a sampler at random shares, some of them nearly 0 or 1."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 200, (n_labels, n_groups))
    shares = rng.dirichlet(np.full(n_groups, 0.2), n_labels)
    return counts, sampler_of(counts, batch_size, shares, min_per_batch=[0, 1, 0.3][seed % 3], seed=seed)


@pytest.mark.parametrize("case", SWEEP)
def test_every_batch_holds_exactly_batch_size_samples(case):
    """Whatever labels, groups and shares, no batch is a sample too large or too small."""
    _, sampler = swept(*case)
    assert {len(batch) for _ in range(3) for batch in sampler} == {case[-1]}


@pytest.mark.parametrize("case", SWEEP)
def test_a_cell_gets_its_exact_quota_over_an_epoch(case):
    """Fractions of a row are made up for by later batches: an epoch's totals are within a row of the quota."""
    counts, sampler = swept(*case)
    for _ in range(3):
        totals = cell_counts(np.concatenate(list(sampler)), counts)
        share_of_label = counts.sum(axis=1, keepdims=True) / counts.sum()
        exact = len(sampler) * case[-1] * share_of_label * sampler.shares
        assert np.abs(totals - exact).max() < 1 + 1e-6


@pytest.mark.parametrize("case", SWEEP)
def test_a_cell_is_within_a_row_of_its_quota_in_every_batch(case):
    """A batch holds the whole part of each cell's quota, and at most one row more."""
    counts, sampler = swept(*case)
    for batch in sampler:
        exact = case[-1] * counts.sum(axis=1, keepdims=True) / counts.sum() * sampler.shares
        assert np.abs(cell_counts(batch, counts) - exact).max() < 1 + 1e-6


@pytest.mark.parametrize("case", SWEEP)
def test_the_mix_of_labels_never_changes(case):
    """Shares move groups inside a label only: each label keeps its rows in every batch, to within one."""
    counts, sampler = swept(*case)
    expected = case[-1] * counts.sum(axis=1) / counts.sum()
    for batch in sampler:
        assert np.abs(cell_counts(batch, counts).sum(axis=1) - expected).max() < 1 + 1e-6


@pytest.mark.parametrize("case", SWEEP)
def test_every_sample_is_used_once_before_any_is_used_again(case):
    """Inside a cell and an epoch no sample is more than one use ahead of another."""
    counts, sampler = swept(*case)
    used = np.bincount(np.concatenate(list(sampler)), minlength=counts.sum())
    for part in np.split(used, np.cumsum(counts.ravel())[:-1]):
        assert part.max() - part.min() <= 1


def test_a_quota_larger_than_its_cell_repeats_whole_rounds():
    """A quota of 30 from a cell of 10 gives each sample three times, in batches of one size."""
    sampler = sampler_of([[10, 50], [30, 30]], 60, [[0.999, 0.001], [0.5, 0.5]], min_per_batch=0)
    batches = list(sampler)
    assert [len(batch) for batch in batches] == [60, 60]
    assert np.bincount(np.concatenate(batches), minlength=120)[:10].tolist() == [6] * 10


def test_length_counts_batches():
    """len() is the number of batches, the last one full too, as a DataLoader reports it."""
    sampler = sampler_of([[10, 15], [20, 8]], 10)
    assert len(sampler) == len(list(sampler)) == 6


@pytest.mark.parametrize("values", [(-1, 1), (0, 1), (3, 7), (0.0, 1.0), (1.5, 2.5), (False, True)])
def test_labels_are_any_two_numbers(values):
    """Labels are not tied to -1 and 1."""
    labels = np.array(values)[np.tile([0, 1], 20)]
    sampler = FairBatchSampler(labels, np.repeat(["f", "m"], 20), 8, signal=lambda: labels, seed=0)
    assert [len(batch) for batch in sampler] == [8] * 5


def test_groups_are_any_names():
    """Groups are not tied to 0 and 1: text, three of them, in the order of their names."""
    labels, groups = cells([[5, 6, 7], [8, 9, 10]])
    sampler = FairBatchSampler(labels, np.array(["z", "x", "y"])[groups], 9, signal=lambda: labels, seed=0)
    assert sampler.groups.names == ("x", "y", "z")
    assert sampler.counts.tolist() == [[6, 7, 5], [9, 10, 8]]


def test_a_cell_of_one_member_is_drawn():
    """One sample is enough for a cell: it is in every batch that its share asks for."""
    sampler = sampler_of([[1, 50], [30, 30]], 20, [[0.5, 0.5], [0.5, 0.5]])
    assert all(batch.count(0) >= 4 for batch in sampler)


def test_global_random_state_is_left_alone(make_net, toy):
    """Building, measuring and drawing neither read nor change the states of NumPy, random and mxnet."""
    data, labels, groups = toy
    net = make_net(extra=[gluon.nn.Dropout(0.5)])
    np.random.seed(3)  # noqa: NPY002
    random.seed(3)
    mx.random.seed(3)
    expected = (np.random.random(), random.random(), mx.nd.random.uniform().asscalar())  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    random.seed(3)
    mx.random.seed(3)
    loss = gluon.loss.SigmoidBinaryCrossEntropyLoss()
    loader = FairDataLoader(gluon.data.ArrayDataset(data, labels, groups), 16, net=net, loss=loss, seed=1)
    assert len(list(loader)) == 6
    assert (np.random.random(), random.random(), mx.nd.random.uniform().asscalar()) == expected  # noqa: NPY002


def test_the_same_seed_gives_the_same_batches():
    """A seed decides all batches of all epochs, whatever NumPy's global state."""
    runs = []
    for state in (1, 2):
        np.random.seed(state)  # noqa: NPY002
        sampler = sampler_of([[10, 15], [20, 8]], 10, seed=5)
        runs.append([list(sampler) for _ in range(3)])
    assert runs[0] == runs[1]


def test_different_seeds_give_different_batches():
    """Two seeds do not draw the same epoch."""
    assert list(sampler_of([[10, 15], [20, 8]], 10, seed=5)) != list(sampler_of([[10, 15], [20, 8]], 10, seed=6))


def test_epochs_differ():
    """The second epoch is a new draw."""
    sampler = sampler_of([[10, 15], [20, 8]], 10)
    assert list(sampler) != list(sampler)


def test_cells_are_mixed_inside_a_batch():
    """A batch cut in two halves by position, as for two devices, has every cell in both halves."""
    counts = [[100, 100], [100, 100]]
    batch = next(iter(sampler_of(counts, 200)))
    for half in (batch[:100], batch[100:]):
        assert (cell_counts(half, counts) > 10).all()


def test_the_floor_keeps_every_group_in_every_batch():
    """With the default floor a share of 0 still gives one row a batch."""
    counts = [[60, 60], [60, 60]]
    sampler = sampler_of(counts, 40, [[1.0, 0.0], [0.0, 1.0]])
    assert all((cell_counts(batch, counts) >= 1).all() for batch in sampler)


def test_a_higher_floor_keeps_more_rows():
    """min_per_batch=3 keeps three rows of each cell in every batch."""
    counts = [[60, 60], [60, 60]]
    sampler = sampler_of(counts, 40, [[1.0, 0.0], [0.0, 1.0]], min_per_batch=3)
    assert {int(cell_counts(batch, counts).min()) for batch in sampler} == {3}


def test_without_a_floor_a_group_may_vanish():
    """min_per_batch=0 follows the published rule to its end: a share of 0 draws nobody."""
    counts = [[60, 60], [60, 60]]
    sampler = sampler_of(counts, 40, [[1.0, 0.0], [0.0, 1.0]], min_per_batch=0)
    totals = cell_counts(np.concatenate(list(sampler)), counts)
    assert totals[0, 1] == totals[1, 0] == 0


def test_the_floor_of_a_small_cell_is_half_its_rate_in_the_data():
    """A cell with less than a row a batch in the data may lose half of its rate, and no more."""
    sampler = sampler_of([[2, 998], [500, 500]], 20, [[0.0, 1.0], [0.5, 0.5]])
    list(sampler)
    np.testing.assert_allclose(sampler.shares[0], [0.001, 0.999])


def test_cells_at_the_floor_are_in_the_history():
    """The history names the (label, group) cells that only the floor keeps."""
    sampler = sampler_of([[60, 60], [60, 60]], 40, [[1.0, 0.0], [0.5, 0.5]])
    list(sampler)
    assert sampler.history[0]["at_floor"] == [[0, 1]]


def test_shares_that_do_not_sum_to_one_are_scaled():
    """A controller's rows are made to sum to 1."""
    sampler = sampler_of([[60, 60], [60, 60]], 40, [[3.0, 1.0], [2.0, 2.0]], min_per_batch=0)
    list(sampler)
    np.testing.assert_allclose(sampler.shares, [[0.75, 0.25], [0.5, 0.5]])


def test_negative_shares_become_the_floor():
    """A share below 0 is lifted to the floor and the others make room."""
    sampler = sampler_of([[60, 60], [60, 60]], 40, [[1.2, -0.2], [0.5, 0.5]], min_per_batch=2)
    list(sampler)
    np.testing.assert_allclose(sampler.shares[0], [0.9, 0.1])


def unknown_sampler(shares):
    """Return a sampler whose third group is unknown: .2 of label 0, .1 of label 1."""
    labels, groups = cells([[40, 40, 20], [30, 60, 10]])
    names = np.array(["a", "b", None], dtype=object)[groups]
    return FairBatchSampler(labels, names, 50, signal=lambda: labels, controller=Fixed(shares), seed=0)


def test_samples_of_unknown_group_are_drawn_at_their_own_rate():
    """The group "unknown" keeps its share of each label while the known ones move."""
    sampler = unknown_sampler([[0.9, 0.1], [0.2, 0.8]])
    list(sampler)
    np.testing.assert_allclose(sampler.shares, [[0.72, 0.08, 0.2], [0.18, 0.72, 0.1]])


def test_a_controller_sees_the_known_groups_only():
    """The shares given to a controller leave the group "unknown" out and sum to 1."""
    seen = []
    sampler = unknown_sampler([[0.5, 0.5], [0.5, 0.5]])
    sampler.controller.update = lambda shares, stats: seen.append(shares) or shares
    list(sampler)
    np.testing.assert_allclose(seen[0], [[0.5, 0.5], [1 / 3, 2 / 3]])


def test_losses_of_unknown_samples_do_not_reach_the_controller():
    """Cell losses handed to a controller have one column per known group."""
    labels, groups = cells([[40, 40, 20], [30, 60, 10]])
    names = np.array(["a", "b", None], dtype=object)[groups]
    seen = []
    sampler = FairBatchSampler(
        labels, names, 50, signal=lambda: np.where(groups == 2, 9.0, 1.0), controller="paper", seed=0
    )
    update = sampler.controller.update
    sampler.controller.update = lambda shares, stats: seen.append(stats.loss) or update(shares, stats)
    list(sampler)
    assert seen[0].tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_a_resumed_sampler_continues_with_identical_batches():
    """state_dict passes through JSON, and the loaded sampler draws what the first one would have drawn."""
    decisions = np.array(cells([[10, 15], [20, 8]])[1])
    labels, groups = cells([[10, 15], [20, 8]])

    def make(seed):
        return FairBatchSampler(labels, groups, 10, signal=lambda: decisions, seed=seed)

    first = make(0)
    list(first)
    state = json.loads(json.dumps(first.state_dict()))
    expected = [list(first), list(first)]
    second = make(99)
    second.load_state_dict(state)
    assert [list(second), list(second)] == expected
    assert second.history == first.history


@pytest.mark.parametrize("used", [1, 3, 6])
def test_a_state_taken_inside_an_epoch_goes_on_with_the_rest_of_it(used):
    """The resumed sampler draws the batches that were still to come, then the epochs after them."""
    first, second = sampler_of([[10, 15], [20, 8]], 10), sampler_of([[10, 15], [20, 8]], 10, seed=9)
    running = iter(first)
    for _ in range(used):
        next(running)
    second.load_state_dict(first.state_dict())
    assert [list(second), list(second)] == [list(running), list(first)]
    assert second.history == first.history


@pytest.mark.parametrize("kind", ["MT19937", "Philox", "SFC64", "PCG64"])
def test_the_state_of_any_bit_generator_fits_in_json(kind):
    """A generator that keeps arrays in its state resumes too."""
    make = getattr(np.random, kind)
    first = sampler_of([[10, 15], [20, 8]], 10, seed=np.random.Generator(make(3)))
    list(first)
    second = sampler_of([[10, 15], [20, 8]], 10, seed=np.random.Generator(make(4)))
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert list(second) == list(first)


def test_a_state_of_other_cells_is_refused():
    """A state from data with other labels or groups is an error, not silent nonsense."""
    with pytest.raises(InputError, match=r"\(2, 2\) cells; got \(2, 3\)"):
        sampler_of([[10, 15], [20, 8]], 10).load_state_dict(sampler_of([[9, 9, 9], [9, 9, 9]], 10).state_dict())


def test_a_state_is_not_changed_by_later_epochs():
    """state_dict is a snapshot."""
    sampler = sampler_of([[10, 15], [20, 8]], 10)
    list(sampler)
    state = sampler.state_dict()
    before = json.dumps(state)
    list(sampler)
    assert json.dumps(state) == before


def test_an_own_controller_takes_a_few_lines():
    """A Controller subclass with an update method is all it takes; here, equal groups inside each label."""

    class Balanced(Controller):
        def update(self, shares, stats):
            return np.full_like(shares, 1 / shares.shape[1])

    labels, groups = cells([[10, 30], [30, 10]])
    sampler = FairBatchSampler(labels, groups, 20, signal=lambda: labels, controller=Balanced(), seed=0)
    list(sampler)
    np.testing.assert_allclose(sampler.shares, 0.5)


def test_a_function_may_return_decisions():
    """For a controller of rates, a function's values are decisions: group 1, never selected, gains positives."""
    labels, groups = cells([[20, 20], [20, 20]])
    sampler = FairBatchSampler(labels, groups, 20, "equal_opportunity", signal=lambda: 1 - groups, seed=0)
    list(sampler)
    assert sampler.history[0]["gap"] == 1.0
    np.testing.assert_allclose(sampler.shares, [[0.5, 0.5], [0.25, 0.75]])


def test_a_function_may_return_losses():
    """For a controller of losses, a function's values are losses: the share moves by one step to the higher."""
    labels, groups = cells([[20, 20], [20, 20]])
    sampler = FairBatchSampler(
        labels, groups, 20, "equal_opportunity", signal=lambda: 0.1 + groups, controller="paper", seed=0
    )
    list(sampler)
    assert sampler.history[0]["gap"] is None
    np.testing.assert_allclose(sampler.shares, [[0.5, 0.5], [0.495, 0.505]])


def test_a_function_may_return_an_ndarray():
    """Losses or decisions may come straight from the net, as an NDArray with one column."""
    labels, groups = cells([[20, 20], [20, 20]])
    sampler = FairBatchSampler(
        labels, groups, 20, "equal_opportunity", signal=lambda: mx.nd.array(1 - groups).reshape(-1, 1), seed=0
    )
    list(sampler)
    assert sampler.history[0]["gap"] == 1.0


def test_a_function_may_return_cell_stats():
    """A function that has aggregated its losses already returns CellStats."""
    labels, groups = cells([[20, 20], [20, 20]])
    stats = CellStats(loss=np.array([[0.0, 0.0], [1.0, 0.0]]))
    sampler = FairBatchSampler(
        labels, groups, 20, "equal_opportunity", signal=lambda: stats, controller="paper", seed=0
    )
    list(sampler)
    np.testing.assert_allclose(sampler.shares[1], [0.505, 0.495])


def test_the_signal_is_measured_once_an_epoch():
    """One measurement when an epoch starts, none inside it or at construction."""
    calls = []
    labels, groups = cells([[20, 20], [20, 20]])
    sampler = FairBatchSampler(labels, groups, 20, signal=lambda: calls.append(1) or labels, seed=0)
    assert calls == []
    list(sampler), list(sampler)
    assert len(calls) == 2


def test_the_history_has_an_entry_for_each_epoch():
    """Entries count epochs and hold the gap of the criterion before the epoch and the shares of the epoch."""
    labels, groups = cells([[20, 20], [20, 20]])
    decisions = [labels, 1 - groups]
    sampler = FairBatchSampler(labels, groups, 20, signal=lambda: decisions[sampler.epoch], seed=0)
    list(sampler), list(sampler)
    assert [entry["epoch"] for entry in sampler.history] == [0, 1]
    assert [entry["gap"] for entry in sampler.history] == [0.0, 1.0]
    assert sampler.history[1]["shares"] == sampler.shares.tolist()


def test_the_first_epoch_already_follows_the_net():
    """A trained net's gap moves the shares before the first batch, not after the first epoch."""
    labels, groups = cells([[20, 20], [20, 20]])
    sampler = FairBatchSampler(labels, groups, 20, "equal_opportunity", signal=lambda: 1 - groups, seed=0)
    next(iter(sampler))
    assert sampler.shares[1, 1] > sampler.data_shares[1, 1]


def test_a_stated_positive_class_is_steered():
    """positive=0 moves the shares of label 0 for equal opportunity."""
    labels, groups = cells([[20, 20], [20, 20]])
    sampler = FairBatchSampler(labels, groups, 20, "equal_opportunity", signal=lambda: 1 - groups, positive=0, seed=0)
    list(sampler)
    assert sampler.shares[1].tolist() == [0.5, 0.5]
    assert sampler.shares[0, 0] > 0.5


def test_a_criterion_object_is_taken():
    """An own Criterion steers like a named one."""
    labels, groups = cells([[20, 20], [20, 20]])
    own = mxfair.Criterion("own", "true_positive_rate")
    shares = []
    for criterion in (own, "equal_opportunity"):
        sampler = FairBatchSampler(labels, groups, 20, criterion, signal=lambda: 1 - groups, seed=0)
        list(sampler)
        shares.append(sampler.shares.tolist())
    assert shares[0] == shares[1]


def test_training_mode_and_recording_survive_a_measurement(make_net, toy):
    """Drawing inside autograd.record() measures in predict mode and leaves both flags as they were."""
    data, labels, groups = toy
    seen = []
    net = make_net()
    net.register_forward_hook(lambda *_: seen.append((autograd.is_training(), autograd.is_recording())))
    signal = FullPass(net, data, labels, groups)
    sampler = FairBatchSampler(labels, groups, 16, signal=signal, seed=0)
    with autograd.record():
        next(iter(sampler))
        assert autograd.is_training()
        assert autograd.is_recording()
    assert seen == [(False, False)]


def test_gluons_own_loader_takes_the_sampler(toy):
    """The sampler works as batch_sampler of gluon.data.DataLoader."""
    data, labels, groups = toy
    sampler = FairBatchSampler(labels, groups, 16, signal=lambda: labels, seed=0)
    loader = gluon.data.DataLoader(gluon.data.ArrayDataset(data, labels), batch_sampler=sampler)
    assert [batch[0].shape for batch in loader] == [(16, 3)] * len(loader)


def test_two_epochs_may_be_drawn_at_once():
    """Two iterators alive at the same time are two full epochs."""
    sampler = sampler_of([[10, 15], [20, 8]], 10)
    pairs = list(zip(sampler, sampler))
    assert len(pairs) == 6
    assert len(sampler.history) == 2


@pytest.mark.parametrize("name", list(CRITERIA))
def test_every_named_criterion_can_be_steered(name):
    """The default controller covers all named criteria."""
    assert len(list(sampler_of([[10, 15], [20, 8]], 10, criterion=name))) == 6


class TestSharedObjects:
    """Objects that are used twice do not disturb each other."""

    def test_two_samplers_may_be_given_one_controller(self):
        """Each sampler works on a copy: the second one's criterion does not change the first one's moves."""
        labels, groups = np.tile([0, 0, 1, 1], 25), np.tile(["a", "b"], 50)
        decisions = np.where(groups == "a", 1, 0)
        rule = mxfair.data.ProportionalController()
        samplers = [
            mxfair.data.FairBatchSampler(labels, groups, 20, c, signal=lambda: decisions, controller=rule, seed=0)
            for c in ("equal_opportunity", "predictive_equality")
        ]
        moved = []
        for sampler in samplers:
            list(sampler)
            moved.append(np.abs(sampler.shares - sampler.data_shares).sum(axis=1) > 0)
        assert [m.tolist() for m in moved] == [[False, True], [True, False]]

    def test_a_signal_with_groups_in_another_order_is_refused(self):
        """Groups encoded in another order would steer the wrong group, so they are refused at construction."""
        labels, groups = np.tile([0, 0, 1, 1], 25), np.tile(["m", "f"], 50)
        net = gluon.nn.Dense(1)
        net.initialize()
        signal = mxfair.data.FullPass(net, np.zeros((100, 2), "float32"), labels, groups)
        other = mxfair.Groups.from_codes((groups == "f").astype(int), ["m", "f"])
        with pytest.raises(InputError, match="in their order"):
            mxfair.data.FairBatchSampler(labels, other, 20, signal=signal)

    def test_the_published_rule_has_no_floor_unless_one_is_given(self):
        """With controller="paper" a share may reach 0, as published; min_per_batch keeps it above."""
        labels, groups = np.tile([0, 0, 1, 1], 25), np.tile(["a", "b"], 50)
        losses = np.where(groups == "a", 1.0, 0.0)
        for floor, least in ((None, 0.0), (1, 0.1)):
            rule = mxfair.data.PaperController(step=0.3)
            sampler = mxfair.data.FairBatchSampler(
                labels, groups, 20, "equal_opportunity", signal=lambda: losses, controller=rule, min_per_batch=floor
            )
            for _ in range(4):
                list(sampler)
            assert sampler.shares[1].tolist() == pytest.approx([1 - least, least])
