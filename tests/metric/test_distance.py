"""Distances between distributions are SciPy's, on all points, and their floors are what chance gives."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from mxfair import Groups
from mxfair._validation import InputError
from mxfair.metric import distance
from mxfair.metric.distance import (
    cramer_von_mises_distance,
    ks_distance,
    statistical_parity_auc,
    wasserstein_distance,
)

ALL = [getattr(distance, name) for name in distance.__all__]
everyone = pytest.mark.parametrize("function", ALL, ids=distance.__all__)
GROUP = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
PRED = [0.8, 0.9, 0.2, 0.1, 0.7, 0.9, 0.8, 0.6, 0.3, 0.5]


def make(seed=0, n=300, ties=False):
    """Return (preds, codes, weight) of three groups of different shape."""
    rng = np.random.default_rng(seed)
    codes = rng.choice(3, n, p=[0.6, 0.3, 0.1])
    preds = rng.normal(size=n) * (1 + codes) + 0.3 * codes
    return np.round(preds) if ties else preds, codes, rng.random(n)


def by_hand(function, a, b):
    """Return a distance from the distribution functions, point by point."""
    both = np.concatenate([a, b])
    if function is ks_distance:
        return stats.ks_2samp(a, b).statistic
    if function is wasserstein_distance:
        return stats.wasserstein_distance(a, b)
    if function is cramer_von_mises_distance:
        return np.mean([((a <= v).mean() - (b <= v).mean()) ** 2 for v in both])
    return np.mean([abs((a >= v).mean() - (b >= v).mean()) for v in both])


def test_the_exact_example():
    """KS, Wasserstein of both orders on the ten published rows."""
    assert ks_distance(PRED, GROUP).max() == 0.5
    assert wasserstein_distance(PRED, GROUP).max() == pytest.approx(0.183333, abs=5e-7)
    assert wasserstein_distance(PRED, GROUP, order=2).max() ** 2 == pytest.approx(0.0566667, abs=5e-8)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(10))
@everyone
def test_every_pair_equals_its_own_two_samples(function, seed, ties):
    """A pair's distance is that of the two groups alone, with ties too."""
    preds, codes, _ = make(seed, ties=ties)
    found = function(preds, codes)
    for a in range(3):
        for b in range(3):
            expected = by_hand(function, preds[codes == a], preds[codes == b])
            assert found.values[a, b] == pytest.approx(expected, rel=1e-12, abs=1e-14)


def test_cramer_von_mises_is_scipys_statistic():
    """n_a n_b / (n_a + n_b) times the distance is SciPy's T."""
    preds, codes, _ = make()
    a, b = preds[codes == 0], preds[codes == 1]
    scale = len(a) * len(b) / (len(a) + len(b))
    statistic = stats.cramervonmises_2samp(a, b).statistic
    assert scale * cramer_von_mises_distance(preds, codes).values[0, 1] == pytest.approx(statistic)


@everyone
def test_whole_weights_equal_repeated_rows(function):
    """A weight of k is a row that occurs k times, 0 included."""
    preds, codes, _ = make()
    times = np.random.default_rng(0).integers(0, 4, len(preds))
    rows = np.repeat(np.arange(len(preds)), times)
    weighted = function(preds, codes, sample_weight=times)
    np.testing.assert_allclose(weighted.values, function(preds[rows], codes[rows]).values, rtol=1e-10, atol=1e-14)


def test_weighted_wasserstein_equals_scipy():
    """Fractional weights, against SciPy."""
    preds, codes, weight = make()
    a, b = codes == 0, codes == 1
    expected = stats.wasserstein_distance(preds[a], preds[b], weight[a], weight[b])
    assert wasserstein_distance(preds, codes, sample_weight=weight).values[0, 1] == pytest.approx(expected, rel=1e-12)


def test_order_two_of_normal_distributions():
    """Between N(0, 1) and N(1, 4) the squared distance is 1 + (2 - 1)^2."""
    grid = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    found = wasserstein_distance(np.concatenate([grid, 1 + 2 * grid]), np.repeat([0, 1], 20_000), order=2)
    assert found.max() ** 2 == pytest.approx(2, rel=1e-3)


def test_order_two_of_groups_of_different_size():
    """The quantile functions are integrated exactly where their steps differ."""
    preds, codes, _ = make(n=50)
    a, b = np.sort(preds[codes == 0]), np.sort(preds[codes == 1])
    common = np.lcm(len(a), len(b))  # both repeated to one size: sorted points pair up
    expected = np.sqrt(np.mean((np.repeat(a, common // len(a)) - np.repeat(b, common // len(b))) ** 2))
    assert wasserstein_distance(preds, codes, order=2).values[0, 1] == pytest.approx(expected)


@pytest.mark.parametrize("function", [ks_distance, cramer_von_mises_distance, statistical_parity_auc])
def test_scale_free_distances_do_not_change_with_the_unit(function):
    """Any increasing transformation leaves them as they are."""
    preds, codes, _ = make()
    np.testing.assert_array_equal(function(preds, codes).values, function(np.exp(preds), codes).values)


@pytest.mark.parametrize("order", [1, 2])
def test_wasserstein_in_standard_deviations(order):
    """With scale="sd" it is the raw one divided by the predictions' standard deviation, floor included."""
    preds, codes, weight = make()
    raw = wasserstein_distance(preds, codes, order=order, sample_weight=weight)
    free = wasserstein_distance(preds * 7 + 1e6, codes, order=order, sample_weight=weight, scale="sd")
    sd = np.sqrt(np.cov(preds, aweights=weight, ddof=0))
    np.testing.assert_allclose(free.values, raw.values / sd, rtol=1e-7)
    np.testing.assert_allclose(free.floor, raw.floor / sd, rtol=1e-7)


def test_constant_predictions_have_no_scale():
    """The distance is 0 in their unit, and undefined in standard deviations that are 0."""
    assert wasserstein_distance([3, 3], ["a", "b"]).max() == 0
    assert np.isnan(wasserstein_distance([3, 3], ["a", "b"], scale="sd").max())


@everyone
def test_identical_groups_have_no_distance(function):
    """0 between equal samples and on the diagonal, and the matrix is symmetric."""
    preds = np.random.default_rng(0).normal(size=40)
    assert function(np.tile(preds, 2), np.repeat(["a", "b"], 40)).max() == 0
    values = function(*make()[:2]).values
    np.testing.assert_array_equal(np.diag(values), 0)
    np.testing.assert_array_equal(values, values.T)


@pytest.mark.parametrize("shape", ["normal", "exponential", "random"])
@pytest.mark.parametrize("function", [*ALL, "order 2"], ids=[*distance.__all__, "order 2"])
def test_the_floor_is_the_mean_under_equality(function, shape):
    """Over random groups of one distribution, distances are on average what the floor says (root mean square at 2)."""
    rng = np.random.default_rng(0)
    groups = Groups([0] * 150 + [1] * 350)
    measure = function
    if function == "order 2":
        measure = lambda p, g: wasserstein_distance(p, g, order=2)  # noqa: E731  - one of two spellings
    found = [measure(getattr(rng, shape)(size=500), groups) for _ in range(150)]
    values, floors = np.array([d.max() for d in found]), np.array([d.floor[0, 1] for d in found])
    expected = np.sqrt((values**2).mean()) if function == "order 2" else values.mean()
    assert floors.mean() == pytest.approx(expected, rel=0.15)


SHAPES = {
    "rare 1": lambda rng, n: rng.random(n) < 0.05,
    "0/1": lambda rng, n: rng.random(n) < 0.4,
    "rounded": lambda rng, n: np.round(rng.random(n), 1),
    "skewed": lambda rng, n: rng.poisson(2, n),
    "half are 0": lambda rng, n: np.maximum(rng.normal(size=n), 0),
    "80 values": lambda rng, n: rng.integers(0, 80, n),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("function", [ks_distance, statistical_parity_auc])
def test_the_floor_holds_for_ties(function, shape, weighted):
    """Decisions, rounded predictions, counts and mixtures: the floor is the mean under equality, weights or not."""
    rng = np.random.default_rng(0)
    groups = Groups([0] * 300 + [1] * 700)
    found = []
    for _ in range(120):
        weight = rng.integers(1, 5, 1000) if weighted else None
        found.append(function(SHAPES[shape](rng, 1000), groups, sample_weight=weight))
    floor = np.mean([d.floor[0, 1] for d in found])
    assert floor == pytest.approx(np.mean([d.max() for d in found]), rel=0.15)


def test_the_cramer_von_mises_floor_is_exact_for_ties():
    """It is the mean over all ways to split the pooled sample."""
    preds = np.array([0, 0, 1, 1, 1, 2, 5])
    splits = [np.isin(np.arange(7), list(rows)).astype(int) for rows in combinations(range(7), 3)]
    found = [cramer_von_mises_distance(preds, codes) for codes in splits]
    assert np.mean([d.max() for d in found]) == pytest.approx(found[0].floor[0, 1])


@everyone
def test_equal_predictions_have_a_floor_of_zero(function):
    """One value leaves nothing to chance."""
    np.testing.assert_array_equal(function([3.0] * 9, list("abc") * 3).floor, 0)


def test_the_ks_floor_joins_up_where_ties_are_few():
    """A single tie, and values that few share, leave the floor of continuous predictions within 5 %."""
    groups = np.arange(4000) % 2
    continuous = ks_distance(np.arange(4000), groups).floor[0, 1]
    for distinct in (3999, 1000, 500, 400):
        preds = np.minimum(np.arange(4000) * distinct // 3999, distinct)
        assert ks_distance(preds, groups).floor[0, 1] == pytest.approx(continuous, rel=0.05)


def test_the_floor_of_order_two_holds_for_ties():
    """Between samples of a coin's two values too."""
    rng = np.random.default_rng(0)
    groups = Groups([0] * 150 + [1] * 350)
    found = [wasserstein_distance(rng.random(500) < 0.3, groups, order=2) for _ in range(300)]
    expected = np.sqrt(np.mean([d.max() ** 2 for d in found]))
    assert np.mean([d.floor[0, 1] for d in found]) == pytest.approx(expected, rel=0.15)


def test_the_ks_floor_by_size():
    """.8687 sqrt(1/n_a + 1/n_b), with the effective number where weights differ."""
    floor = ks_distance(np.arange(100), np.repeat([0, 1], [20, 80])).floor
    assert floor[0, 1] == pytest.approx(0.8687 * np.sqrt(1 / 20 + 1 / 80), rel=1e-4)
    assert floor[0, 0] == 0
    weight = np.repeat([1.0, 3.0], 50)  # of each group: (25 + 75)^2 / (25 + 225) = 40
    floor = ks_distance(np.arange(100), np.tile([0, 1], 50), sample_weight=weight).floor
    assert floor[0, 1] == pytest.approx(0.8687 * np.sqrt(2 / 40), rel=1e-4)


@everyone
def test_groups_without_samples_are_undefined(function):
    """An absent group, and one whose weights are all 0, are NaN and change nothing for the others."""
    preds, codes, _ = make()
    full = function(preds, codes)
    names = ["a", "b", "b2", "c"]
    absent = function(preds, Groups.from_codes(np.array([0, 1, 3])[codes], names))
    kept = np.ix_([0, 1, 3], [0, 1, 3])
    np.testing.assert_allclose(absent.values[kept], full.values)
    assert np.isnan(absent.values[2]).all()
    assert np.isnan(absent.values[:, 2]).all()
    assert np.isnan(absent.floor[2]).all()
    weightless = function(preds, codes, sample_weight=np.where(codes == 1, 0, 1))
    assert np.isnan(weightless.values[1]).all()
    assert weightless.values[0, 2] == pytest.approx(full.values[0, 2])


@everyone
def test_the_unknown_group_is_shown_and_left_out(function):
    """Its distances stand in the matrix, and no summary takes them."""
    found = function([0.0, 1, 2, 100], ["a", "b", "b", None])
    assert not np.isnan(found.values[2]).any()
    assert found.pair() == ("a", "b")
    assert found.max() == found.values[0, 1]
    assert len(found.to_frame()) == 1


@everyone
def test_bad_input_is_refused(function):
    """Missing values, other lengths and negative weights are errors."""
    with pytest.raises(InputError, match="'preds' must be finite numbers; got nan at row 1"):
        function([1, np.nan], ["a", "b"])
    with pytest.raises(InputError, match="must have the same length"):
        function([1, 2, 3], ["a", "b"])
    with pytest.raises(InputError, match="not negative"):
        function([1, 2], ["a", "b"], sample_weight=[1, -1])


def test_other_orders_and_scales_are_refused():
    """Orders 1 and 2, and one scale."""
    for order in (0, 3, 1.5, True):
        with pytest.raises(InputError, match="'order' must be 1 or 2"):
            wasserstein_distance([1, 2], ["a", "b"], order=order)
    with pytest.raises(InputError, match="'scale' must be one of sd"):
        wasserstein_distance([1, 2], ["a", "b"], scale="std")


@pytest.mark.slow
def test_many_groups_need_no_sort_for_each_pair():
    """All 190 pairs of 20 groups of 200,000 rows equal SciPy's on a few."""
    rng = np.random.default_rng(0)
    codes, preds = rng.integers(0, 20, 200_000), rng.normal(size=200_000)
    found = ks_distance(preds, codes)
    names = [int(name) for name in found.groups]
    for a, b in [(0, 1), (3, 17), (18, 19)]:
        expected = stats.ks_2samp(preds[codes == names[a]], preds[codes == names[b]]).statistic
        assert found.values[a, b] == pytest.approx(expected, rel=1e-12)
