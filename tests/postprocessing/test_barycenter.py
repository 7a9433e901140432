"""The Wasserstein barycenter: laws of the theory, fixed maps, histograms, several attributes, blocks and files."""

from __future__ import annotations

import warnings
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from mxfair import GroupResiduals, Groups, GroupScores
from mxfair._validation import InputError, InputTypeError
from mxfair.metric import ks_distance, wasserstein_distance
from mxfair.postprocessing import WassersteinBarycenter
from mxfair.preprocessing import load_step

VECTOR = [0.8, 0.9, 0.2, 0.1, 0.7, 0.9, 0.8, 0.6, 0.3, 0.5]
VECTOR_GROUPS = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]


@pytest.fixture(autouse=True)
def _small_groups():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The map of a group of fewer")
        yield


def drawn(n=3000, n_groups=3, seed=0):
    """Return scores whose groups differ in place and width, and the groups."""
    rng = np.random.default_rng(seed)
    codes = rng.choice(n_groups, n, p=np.arange(1, n_groups + 1) / np.arange(1, n_groups + 1).sum())
    return rng.normal(codes, 1 + 0.5 * codes), np.array(list("abcdefgh"))[codes]


def fitted(values, groups, **options):
    """Return a fitted barycenter."""
    return WassersteinBarycenter(**options).fit(values, None, groups)


def largest(metric):
    """Return the largest distance of a pair of groups."""
    return float(np.nanmax(metric.values))


def by_hand(values, groups, scores, group):
    """Return T_a(v) = sum p_b Q_b(F_a(v)) with mid-ranks and linear interpolation, for distinct values."""
    ordered = {g: np.sort(values[groups == g]) for g in np.unique(groups)}
    levels = {g: (np.arange(len(part)) + 0.5) / len(part) for g, part in ordered.items()}
    at = np.interp(scores, ordered[group], levels[group])
    return sum(len(part) / len(values) * np.interp(at, levels[g], part) for g, part in ordered.items())


# The formula


def test_the_published_vector():
    """Ten rows of two groups go where the formula with mid-ranks sends them; W1 and KS fall as they should."""
    repaired = fitted(VECTOR, VECTOR_GROUPS).transform(VECTOR, VECTOR_GROUPS)
    np.testing.assert_allclose(repaired, [0.755, 0.885, 0.425, 0.25, 0.7, 0.9, 0.82, 0.48, 0.22, 0.36], atol=1e-12)
    assert largest(wasserstein_distance(repaired, VECTOR_GROUPS)) == pytest.approx(0.05125, abs=1e-12)
    assert largest(ks_distance(repaired, VECTOR_GROUPS)) == pytest.approx(1 / 6, abs=1e-12)


def test_the_map_is_the_formula_at_any_score():
    """Fitted or not, a score inside its group's range goes to sum p_b Q_b(F_a(v))."""
    values, groups = drawn(300)
    step = fitted(values, groups)
    for group in "abc":
        own = values[groups == group]
        scores = np.linspace(own.min(), own.max(), 501)
        found = step.transform(scores, np.full(501, group))
        np.testing.assert_allclose(found, by_hand(values, groups, scores, group), atol=1e-12)


def test_beyond_the_fitted_range_the_slope_is_one():
    """A score above or below all of its group keeps its distance from the nearest one."""
    values, groups = drawn(300)
    step, own = fitted(values, groups), values[groups == "a"]
    ends = step.transform([own.min(), own.max()], ["a", "a"])
    np.testing.assert_allclose(
        step.transform([own.min() - 2, own.max() + 5], ["a", "a"]), ends + np.array([-2, 5]), atol=1e-12
    )


def test_groups_end_with_one_distribution():
    """At eps 0 KS and W1 of the fitted rows are those of rounding to ranks."""
    values, groups = drawn()
    repaired = fitted(values, groups).transform(values, groups)
    assert largest(ks_distance(values, groups)) > 0.3
    smallest = min(np.unique(groups, return_counts=True)[1])
    assert largest(ks_distance(repaired, groups)) < 1.5 / smallest
    assert largest(wasserstein_distance(repaired, groups)) < 0.01


@pytest.mark.parametrize("eps", [0.1, 0.25, 0.5, 0.75, 0.9])
def test_relaxed_distances_are_proportional(eps):
    """W1 of each pair after relaxation is eps times W1 before, within 2 %."""
    values, groups = drawn(6000)
    before = wasserstein_distance(values, groups).values
    after = wasserstein_distance(fitted(values, groups, eps=eps).transform(values, groups), groups).values
    pairs = ~np.eye(3, dtype=bool)
    np.testing.assert_allclose(after[pairs], eps * before[pairs], rtol=0.02)


def test_the_order_inside_a_group_is_kept():
    """Larger scores of a group stay larger, fitted or not."""
    values, groups = drawn(500)
    step = fitted(values, groups)
    for group in "abc":
        assert (np.diff(step.transform(np.linspace(-9, 12, 5000), np.full(5000, group))) > 0).all()


@pytest.mark.parametrize("rounded", [False, True])
def test_one_group_is_left_as_it_is(rounded):
    """Of one group the map is the identity, between values and beyond them too, with ties and few knots too."""
    values = drawn(2000)[0]
    values = values.round(1) if rounded else values
    step = fitted(values, np.zeros(2000), n_quantiles=50)
    scores = np.linspace(-9, 12, 1001)
    np.testing.assert_allclose(step.transform(scores, np.zeros(1001)), scores, atol=1e-9)


def test_the_overall_mean_is_kept():
    """The mean over all fitted rows stays, and each group's mean becomes it, within 1 / (smallest group) of a width."""
    values, groups = drawn(900)
    repaired = fitted(values, groups).transform(values, groups)
    smallest = min(np.unique(groups, return_counts=True)[1])
    assert repaired.mean() == pytest.approx(values.mean(), abs=np.std(values) / smallest)
    means = [repaired[groups == group].mean() for group in "abc"]
    np.testing.assert_allclose(means, values.mean(), atol=2 * np.std(values) / smallest)


def test_the_excess_error_is_the_transport_cost():
    """Of the best predictor, E[y | x, group], the squared error grows by the mean squared change."""
    values, groups = drawn(20000)
    labels = values + np.random.default_rng(1).normal(0, 1, len(values))
    for eps in (0.0, 0.5):
        step = fitted(values, groups, eps=eps)
        moved = step.transform(values, groups)
        excess = np.mean((moved - labels) ** 2) - np.mean((values - labels) ** 2)
        assert excess == pytest.approx((1 - eps) ** 2 * step.cost_, rel=0.05)


def test_the_barycenter_costs_least():
    """The transport cost to the barycenter of two Gaussians is p q times their squared W2 distance."""
    rng = np.random.default_rng(3)
    values = np.r_[rng.normal(0, 1, 20000), rng.normal(2, 1.5, 10000)]
    step = fitted(values, np.repeat(["a", "b"], [20000, 10000]))
    assert step.cost_ == pytest.approx(2 / 9 * (2**2 + 0.5**2), rel=0.03)


def test_no_other_shares_cost_less():
    """Moving both groups to one of them costs more than moving them to the barycenter."""
    values, groups = drawn(2000, 2)
    costs = [fitted(values, groups, weights={"a": p, "b": 1 - p}).cost_ for p in (0, 0.5, 1)]
    assert fitted(values, groups).cost_ < min(costs)


# One map, whatever the batch


def test_rows_are_mapped_one_by_one_as_all_at_once():
    """A single row and a batch of one group get what they get among others."""
    values, groups = drawn(200)
    step = fitted(values, groups)
    whole = step.transform(values, groups)
    assert [step.transform([v], [g])[0] for v, g in zip(values, groups)] == whole.tolist()
    only = groups == "b"
    np.testing.assert_array_equal(step.transform(values[only], groups[only]), whole[only])


def test_new_rows_agree_up_to_chance():
    """The map of 2,000 rows brings other rows near one distribution."""
    step = fitted(*drawn(2000))
    values, groups = drawn(2000, seed=1)
    found = ks_distance(step.transform(values, groups), groups)
    assert largest(found) < 3 * np.nanmax(found.floor)


def test_a_group_that_was_not_fitted_is_refused():
    """New and unknown groups are errors that name them."""
    step = fitted(*drawn(100))
    with pytest.raises(InputError, match="'z'"):
        step.transform([1.0], ["z"])
    with pytest.raises(InputError, match="unknown"):
        step.transform([1.0, 2.0], ["a", None])


def test_rows_of_unknown_group_are_left_out_of_the_fit():
    """They change nothing."""
    values, groups = drawn(200)
    more = fitted(np.r_[values, 100.0], [*groups, None])
    np.testing.assert_array_equal(more.transform(values, groups), fitted(values, groups).transform(values, groups))


# Weights, ties, few knots


def test_weights_count_as_rows():
    """Rows of double weight are rows that occur twice, up to the rank of one row; a scale changes nothing."""
    values, groups = drawn(2000)
    weight = np.random.default_rng(0).integers(0, 3, len(values)).astype(float)
    weighed = WassersteinBarycenter().fit(values, None, groups, sample_weight=weight)
    scaled = WassersteinBarycenter().fit(values, None, groups, sample_weight=7 * weight)
    repeated = fitted(np.repeat(values, weight.astype(int)), np.repeat(groups, weight.astype(int)))
    result = weighed.transform(values, groups)
    change = np.abs(result - repeated.transform(values, groups))
    assert np.median(change) < 1e-3
    assert np.quantile(change, 0.95) < 0.02
    np.testing.assert_allclose(scaled.transform(values, groups), result, atol=1e-9)
    np.testing.assert_allclose(weighed.support_, [weight[groups == g].sum() for g in "abc"])


def test_rows_without_weight_are_rows_left_out():
    """A weight of 0 is as if the row were not there."""
    values, groups = drawn(300)
    weight = (np.arange(300) % 3 > 0).astype(float)
    weighed = WassersteinBarycenter().fit(values, None, groups, sample_weight=weight)
    kept = weight > 0
    expected = fitted(values[kept], groups[kept]).transform(values, groups)
    np.testing.assert_allclose(weighed.transform(values, groups), expected, atol=1e-12)


def test_the_shares_may_be_given():
    """With all weight on one group the others go to its distribution, and it stays."""
    values, groups = drawn(1000, 2)
    step = fitted(values, groups, weights={"a": 1.0, "b": 0.0})
    repaired = step.transform(values, groups)
    np.testing.assert_allclose(repaired[groups == "a"], values[groups == "a"], atol=1e-12)
    np.testing.assert_allclose(fitted(values, groups, weights="equal").weights_, [0.5, 0.5])


def test_equal_scores_stay_equal_and_the_mean_is_kept():
    """Rounded scores of a group move together, to the mean of what they cover."""
    values, groups = drawn(3000)
    values = values.round()
    repaired = fitted(values, groups).transform(values, groups)
    assert repaired.mean() == pytest.approx(values.mean(), abs=0.01)
    for group in "abc":
        mine = groups == group
        assert len(np.unique(repaired[mine])) == len(np.unique(values[mine]))


def test_random_ties_repair_discrete_scores():
    """Scores of six values end with one distribution where each row takes a level of its own."""
    rng = np.random.default_rng(0)
    groups = rng.choice(["a", "b"], 6000)
    values = rng.binomial(5, np.where(groups == "a", 0.3, 0.5)).astype(float)
    step = fitted(values, groups)
    together = largest(ks_distance(step.transform(values, groups), groups))
    apart = step.set_params(ties="random").transform(values, groups)
    assert largest(ks_distance(apart, groups)) < 0.04 < 0.2 < together
    assert apart.mean() == pytest.approx(values.mean(), abs=0.03)
    np.testing.assert_array_equal(apart, step.transform(values, groups))


def test_draws_may_be_given():
    """With a row's own random number its result does not depend on the batch, and grows with the number."""
    values, groups = np.repeat([0.0, 1.0, 1.0, 2.0], 25), np.tile(["a", "b"], 50)
    step = fitted(values, groups, ties="random")
    draws = np.linspace(0, 1, 100)
    whole = step.transform(values, groups, draws=draws)
    assert step.transform(values[60:61], groups[60:61], draws=draws[60:61])[0] == whole[60]
    assert (np.diff(step.transform(np.ones(50), np.repeat("a", 50), draws=np.linspace(0, 1, 50))) >= 0).all()


def test_few_knots_are_enough():
    """A hundred stored values of 20,000 rows give nearly the exact map, and heavy values keep theirs."""
    values, groups = drawn(20000)
    values[np.arange(20000) % 4 == 0] = 0.25
    exact, short = fitted(values, groups, n_quantiles=10**6), fitted(values, groups, n_quantiles=100)
    assert short.knots_.shape[1] < 500 < exact.knots_.shape[1]
    change = np.abs(short.transform(values, groups) - exact.transform(values, groups))
    assert np.quantile(change, 0.99) < 0.05
    heavy = values == 0.25
    np.testing.assert_allclose(
        short.transform(values, groups)[heavy], exact.transform(values, groups)[heavy], atol=2e-3
    )


def test_a_group_of_one_row_is_shifted_and_warned_of():
    """It goes to the median of the barycenter, its other scores as far."""
    values, groups = np.r_[np.arange(21.0), 50.0], [*["a"] * 21, "b"]
    with pytest.warns(UserWarning, match=r"b \(1\)"):
        step = fitted(values, groups)
    middle = 21 / 22 * 10 + 1 / 22 * 50
    np.testing.assert_allclose(step.transform([50.0, 53.0], ["b", "b"]), [middle, middle + 3])


def test_scores_of_a_classifier_are_selected_alike():
    """Any threshold selects all groups at about the same rate, and scores stay within their bounds."""
    rng = np.random.default_rng(2)
    groups = rng.choice(["a", "b"], 8000)
    scores = rng.beta(np.where(groups == "a", 2, 4), 3)
    step = fitted(scores, groups, bounds=(0, 1))
    repaired = step.transform(scores, groups)
    for threshold in (0.2, 0.4, 0.5, 0.7):
        rates = [(repaired[groups == g] > threshold).mean() for g in "ab"]
        assert abs(rates[0] - rates[1]) < 2e-3
    assert step.transform([1.5, -0.5], ["b", "a"]).tolist() == [1.0, 0.0]


# Several attributes


def attributes(n=4000, seed=0):
    """Return scores that depend on two attributes, and these."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"sex": rng.choice(["f", "m"], n), "age": rng.choice(["old", "mid", "young"], n)})
    return rng.normal(frame["sex"].eq("m") + frame["age"].map({"old": 0, "mid": 0.5, "young": 1}), 1), frame


def test_combinations_at_once():
    """Crossed columns are groups like any: each combination, and so each attribute, is evened out."""
    values, frame = attributes()
    repaired = fitted(values, frame).transform(values, frame)
    for groups in (frame, frame["sex"], frame["age"]):
        assert largest(ks_distance(repaired, groups)) < 0.01


def test_one_attribute_after_the_other():
    """It is two post-processors in a row, mapped as one, and nearly evens out each attribute."""
    values, frame = attributes()
    step = fitted(values, frame, sequential=True)
    first = fitted(values, frame["sex"])
    once = first.transform(values, frame["sex"])
    twice = fitted(once, frame["age"]).transform(once, frame["age"])
    np.testing.assert_allclose(step.transform(values, frame), twice, atol=1e-9)
    for column in frame:
        assert largest(ks_distance(twice, frame[column])) < 0.05 < largest(ks_distance(values, frame[column]))


def test_combinations_cost_no_more_than_turns():
    """At once is at least as fair to the combinations as one after the other."""
    values, frame = attributes()
    values = values * (1 + frame["sex"].eq("m") * frame["age"].eq("old"))
    distances = [
        largest(ks_distance(fitted(values, frame, sequential=way).transform(values, frame), frame))
        for way in (False, True)
    ]
    assert distances[0] < distances[1]


def test_each_attribute_has_its_relaxation():
    """An eps of 1 leaves the first attribute as it is."""
    values, frame = attributes()
    step = fitted(values, frame, eps=[1.0, 0.0], sequential=True)
    only = fitted(values, frame["age"]).transform(values, frame["age"])
    np.testing.assert_allclose(step.transform(values, frame), only, atol=1e-9)


def test_in_turn_a_new_combination_has_a_map():
    """Two fitted levels that never met are mapped all the same; at once they are refused."""
    values, frame = attributes()
    met = ~(frame["sex"].eq("m") & frame["age"].eq("old"))
    new = {"sex": ["m"], "age": ["old"]}
    step = fitted(values[met], frame[met], sequential=True)
    assert np.isfinite(step.transform([1.0], new)).all()
    assert step.support_[list(step.group_names_).index("m & old")] == 0
    with pytest.raises(InputError, match="m & old"):
        fitted(values[met], frame[met]).transform([1.0], new)


# Counts instead of rows


def test_a_histogram_of_predictions_is_enough():
    """Counts of two batches give the map of their rows, up to about the width of a bin where there are rows."""
    values, groups = drawn(4000)
    names = Groups(groups)
    parts = [
        GroupResiduals.of(values[p], values[p], names.take(p), low=-10, high=15, bins=2500)
        for p in (np.arange(1500), np.arange(1500, 4000))
    ]
    step = WassersteinBarycenter.of(parts[0] + parts[1], eps=0.2)
    assert list(step.group_names_) == ["a", "b", "c"]
    exact = fitted(values, groups, eps=0.2)
    change = np.abs(step.transform(values, groups) - exact.transform(values, groups))
    assert np.quantile(change, 0.95) < 0.01
    assert step.cost_ == pytest.approx(exact.cost_, rel=0.01)
    repaired = step.set_params(eps=0.0).transform(values, groups)
    assert largest(ks_distance(repaired, groups)) < 0.02


def test_a_table_of_scores_is_enough():
    """Both labels of GroupScores are counted together."""
    rng = np.random.default_rng(2)
    groups = rng.choice(["a", "b"], 4000)
    scores = rng.beta(np.where(groups == "a", 2, 4), 3)
    table = GroupScores.of(rng.integers(0, 2, 4000), scores, groups, bins=1000)
    found = WassersteinBarycenter.of(table).transform(scores, groups)
    np.testing.assert_allclose(found, fitted(scores, groups).transform(scores, groups), atol=0.01)


def test_a_histogram_of_one_group_is_left_as_it_is():
    """Empty bins do not flatten the map."""
    values = np.r_[np.linspace(0, 1, 50), np.linspace(4, 5, 50)]
    step = WassersteinBarycenter.of(GroupResiduals.of(values, values, np.zeros(100), bins=64))
    scores = np.linspace(-1, 6, 300)
    np.testing.assert_allclose(step.transform(scores, np.zeros(300)), scores, atol=1e-12)


def test_predictions_outside_the_range_of_a_histogram_are_refused():
    """Where they lie was not counted."""
    state = GroupResiduals.of([0.5, 2.0], [0.5, 2.0], ["a", "a"], low=0, high=1)
    with pytest.raises(InputError, match="outside"):
        WassersteinBarycenter.of(state)


# In the graph and in files


@pytest.mark.parametrize("options", [{}, {"eps": 0.4}, {"bounds": (0.0, 1.5)}, {"n_quantiles": 20}])
def test_the_block_gives_the_same_numbers(options):
    """In single precision, fitted rows and others, inside and beyond the range."""
    import mxnet as mx

    values, groups = drawn(800)
    step = fitted(values, groups, **options)
    scores, codes = np.r_[values, np.linspace(-12, 15, 300)], np.r_[step.group_codes(groups), np.arange(300) % 3]
    expected = step.transform(scores, step.group_names_[codes])
    block = step.as_block()
    for _ in range(2):
        found = block(mx.nd.array(scores), mx.nd.array(codes)).asnumpy()
        np.testing.assert_allclose(found, expected, atol=2e-5)
        block.hybridize()


def test_an_exported_net_predicts_repaired_scores(tmp_path):
    """A net and its map, written as one graph and read back, are predict and transform."""
    import mxnet as mx

    values, frame = attributes(500)
    step = fitted(values, frame, sequential=True, eps=[0.2, 0.0])

    class Fair(mx.gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            with self.name_scope():
                self.net, self.map = mx.gluon.nn.Dense(1, in_units=3), step.as_block()

        def hybrid_forward(self, F, x, group):
            return self.map(self.net(x), group)

    fair = Fair()
    fair.net.initialize(mx.init.Normal(1))
    x, codes = mx.nd.random.normal(shape=(64, 3)), step.group_codes(frame[:64])
    scores = fair.net(x).asnumpy()
    fair.hybridize()
    fair(x, mx.nd.array(codes))
    fair.export(str(tmp_path / "fair"))
    read = mx.gluon.SymbolBlock.imports(
        str(tmp_path / "fair-symbol.json"), ["data0", "data1"], str(tmp_path / "fair-0000.params")
    )
    found = read(x, mx.nd.array(codes))
    assert found.shape == (64, 1)
    np.testing.assert_allclose(found.asnumpy()[:, 0], step.transform(scores[:, 0], frame[:64]), atol=1e-5)


def test_the_block_says_nan_of_groups_that_were_not_fitted():
    """A graph cannot raise: what it cannot map is no number."""
    import mxnet as mx

    block = fitted(*drawn(100), bounds=(-1, 1)).as_block()
    found = block(mx.nd.array([1.0, 1.0, 1.0, 1.0]), mx.nd.array([0, 2, 3, -1])).asnumpy()
    assert np.isnan(found).tolist() == [False, False, True, True]
    with pytest.raises(InputError, match="group code"):
        block(mx.nd.array([1.0, 2.0]), mx.nd.array([0]))


@pytest.mark.parametrize("sequential", [False, True])
def test_a_file_gives_the_same_map(tmp_path, sequential):
    """What was saved and loaded maps alike, without pickles."""
    values, frame = attributes(400)
    step = fitted(values, frame, sequential=sequential)
    step.save(tmp_path / "map.npz")
    read = load_step(tmp_path / "map.npz")
    assert repr(read) == repr(step)
    np.testing.assert_array_equal(read.transform(values, frame), step.transform(values, frame))


def test_a_clone_is_not_fitted():
    """Parameters go, what was fitted stays behind."""
    copy = clone(fitted(*drawn(100), eps=0.3))
    assert copy.eps == 0.3
    for use in (lambda: copy.transform([1.0], ["a"]), copy.as_block, lambda: copy.save("no file")):
        with pytest.raises(InputError, match="fitted first"):
            use()


# EquiPy


def test_equipy_agrees_where_it_is_right():
    """A batch with all groups gets what EquiPy gives it, up to the rank of a row; one without is not shrunk."""
    equipy = pytest.importorskip("equipy.fairness")
    values, groups = drawn(4000)
    frame = pd.DataFrame({"group": groups})
    theirs = equipy.FairWasserstein(sigma=1e-9)
    theirs.fit(values, frame)
    ours = fitted(values, groups)
    for eps in (0.0, 0.3):
        expected = theirs.transform(values, frame, epsilon=eps)
        change = np.abs(ours.set_params(eps=eps).transform(values, groups) - expected)
        assert np.median(change) < 2e-3
        assert np.quantile(change, 0.99) < 0.05
    only = groups == "a"
    whole = ours.set_params(eps=0.0).transform(values, groups)[only]
    np.testing.assert_array_equal(ours.transform(values[only], groups[only]), whole)
    shrunk = theirs.transform(values[only], frame[only])
    assert np.std(shrunk) < 0.5 * np.std(whole)


# Bad input


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"eps": 1.5}, "'eps'"),
        ({"eps": np.nan}, "'eps'"),
        ({"eps": [0.0, 0.1]}, "one number"),
        ({"ties": "mean"}, "'ties'"),
        ({"weights": "share"}, "Did you mean 'shares'"),
        ({"weights": {"a": 1.0}}, "name the fitted groups"),
        ({"weights": {"a": -1.0, "b": 1.0}}, "not negative"),
        ({"n_quantiles": 1}, "'n_quantiles'"),
        ({"bounds": (1, 0)}, "'bounds'"),
    ],
)
def test_bad_options_are_refused(options, words):
    """Before anything is learned."""
    with pytest.raises(InputError, match=words):
        fitted(*drawn(100, 2), **options)


def test_bad_rows_are_refused():
    """Scores that are not finite, lengths that differ, groups that are missing or without weight."""
    values, groups = drawn(100)
    with pytest.raises(InputError, match="finite"):
        fitted(np.r_[values[1:], np.nan], groups)
    with pytest.raises(InputError, match="same length"):
        fitted(values[1:], groups)
    with pytest.raises(InputError, match="'groups' must be given"):
        WassersteinBarycenter().fit(values)
    with pytest.raises(InputError, match="positive weight"):
        WassersteinBarycenter().fit(values, None, groups, sample_weight=(groups != "a").astype(float))
    with pytest.raises(InputError, match="same length"):
        fitted(values, groups).transform(values[1:], groups)


def test_a_fit_that_fails_leaves_nothing_fitted():
    """The groups of one fit never meet the map of another."""
    step = fitted(*drawn(100, 2))
    with pytest.raises(InputError, match="name the fitted groups"):
        step.set_params(weights={"a": 1.0}).fit(*drawn(100, 3)[:1], None, drawn(100, 3)[1])
    with pytest.raises(InputError, match="fitted first"):
        step.transform([1.0], ["a"])


def test_in_turn_needs_columns():
    """Crossed groups cannot be taken apart, and one eps per attribute must be one per attribute."""
    values, frame = attributes(100)
    with pytest.raises(InputTypeError, match="columns"):
        fitted(values, Groups(frame), sequential=True)
    with pytest.raises(InputError, match="'eps'"):
        fitted(values, frame, sequential=True, eps=[0.0, 0.1, 0.2])
    with pytest.raises(InputError, match="random"):
        fitted(values, frame, sequential=True, ties="random")


def test_columns_in_another_order_are_refused():
    """'f & old' is not 'old & f'."""
    values, frame = attributes(100)
    with pytest.raises(InputError, match="order"):
        fitted(values, frame).transform(values, frame[["age", "sex"]])


def test_options_that_can_have_no_effect_after_a_fit_are_refused():
    """With `sequential` the fitted shifts hold eps: another one would be ignored; without it eps may change."""
    rng = np.random.default_rng(0)
    columns = {"s": rng.choice(["f", "m"], 200), "r": rng.choice(["x", "y"], 200)}
    scores = rng.normal(size=200) + (columns["s"] == "m")
    in_turn = WassersteinBarycenter([0.1, 0.2], sequential=True).fit(scores, None, columns)
    for options in ({"eps": 0.5}, {"eps": [0.2, 0.1]}, {"eps": [0.1, 0.2, 0.1]}, {"sequential": False, "eps": 0.1}):
        with pytest.raises(InputError, match="in fit"):
            deepcopy(in_turn).set_params(**options).transform(scores, columns)
    once = WassersteinBarycenter().fit(scores, None, columns["s"])
    with pytest.raises(InputError, match="in fit"):
        deepcopy(once).set_params(sequential=True).transform(scores, columns["s"])
    np.testing.assert_array_equal(deepcopy(once).set_params(eps=1.0).transform(scores, columns["s"]), scores)
