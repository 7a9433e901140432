"""Intervals agree with scipy's, reach parity where they should, and are NaN where nothing can be said."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mxfair._validation import InputError
from mxfair.uncertainty import (
    _distances,
    bias_corrected_interval,
    gap_interval,
    mean_gap_interval,
    percentile_interval,
    wilson_interval,
)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.999])
def test_wilson_equals_scipys_interval(level):
    """Every count among 0 to 37 has scipy's Wilson interval."""
    counts = np.arange(38)
    low, high = wilson_interval(counts, 37, level=level)
    theirs = [stats.binomtest(int(k), 37).proportion_ci(level, "wilson") for k in counts]
    np.testing.assert_allclose(low, [interval.low for interval in theirs], atol=1e-12)
    np.testing.assert_allclose(high, [interval.high for interval in theirs], atol=1e-12)


def test_wilson_is_undefined_without_trials():
    """0 of 0 has no interval, and its neighbours keep theirs."""
    low, high = wilson_interval([0, 1], [0, 2])
    assert np.isnan([low[0], high[0]]).all()
    assert low[1] < 0.5 < high[1]


@pytest.mark.parametrize(("count", "bound", "value"), [(0, 0, 0.0), (9, 1, 1.0)])
def test_wilson_ends_at_the_edge_exactly(count, bound, value):
    """None of 9 has the lower bound 0 and all of 9 the upper bound 1, without rounding."""
    assert wilson_interval(count, 9)[bound] == value


@pytest.mark.parametrize("n", [40, 200, 1000])
def test_wilson_covers_at_the_level(n):
    """Summed over the binomial distribution, coverage is 93 to 97 % wherever 10 of either kind are expected."""
    counts, shares = np.arange(n + 1), np.linspace(10 / n, 1 - 10 / n, 201)
    low, high = wilson_interval(counts, n)
    held = (low <= shares[:, None]) & (shares[:, None] <= high)
    coverage = (stats.binom.pmf(counts, n, shares[:, None]) * held).sum(axis=1)
    assert 0.945 < coverage.mean() < 0.955
    assert coverage.min() > 0.925
    assert coverage.max() < 0.975


@pytest.mark.parametrize("level", [0, 1, 95, -0.1, True, "0.95", float("nan"), None])
@pytest.mark.parametrize(
    "interval",
    [
        lambda level: wilson_interval(1, 2, level=level),
        lambda level: percentile_interval(np.zeros((3, 1)), level=level),
        lambda level: bias_corrected_interval(np.zeros((3, 1)), np.zeros(1), level=level),
        lambda level: gap_interval(np.zeros((3, 1, 2)), np.zeros((1, 2)), level=level),
        lambda level: mean_gap_interval(np.zeros((3, 1, 2)), np.zeros((1, 2)), level=level),
    ],
    ids=["wilson", "percentile", "bias-corrected", "gap", "mean-gap"],
)
def test_a_level_lies_between_0_and_1(interval, level):
    """A percentage or a truth value is refused."""
    with pytest.raises(InputError, match="'level' must lie between 0 and 1"):
        interval(level)


def test_percentiles_are_numpys():
    """The bounds are NumPy's quantiles, figure by figure, NaN left out."""
    drawn = np.random.default_rng(0).normal(size=(501, 3))
    drawn[:60, 1] = np.nan
    low, high = percentile_interval(drawn, level=0.9)
    np.testing.assert_allclose(low, np.nanquantile(drawn, 0.05, axis=0))
    np.testing.assert_allclose(high, np.nanquantile(drawn, 0.95, axis=0))


def test_a_figure_that_is_never_defined_has_no_interval():
    """All NaN gives NaN, by either method."""
    nothing = np.full((10, 1), np.nan)
    assert np.isnan(percentile_interval(nothing)).all()
    assert np.isnan(bias_corrected_interval(nothing, np.zeros(1))).all()


def test_bias_correction_of_an_undefined_estimate_is_undefined():
    """Where the data leave a figure undefined, resamples that define it do not make up an interval."""
    assert np.isnan(bias_corrected_interval(np.arange(10.0)[:, None], np.array([np.nan]))).all()


def test_infinite_figures_have_infinite_bounds():
    """Interpolation between two infinite figures is no NaN."""
    assert percentile_interval(np.full((10, 1), np.inf))[1][0] == np.inf


def test_bias_correction_equals_scipys():
    """Without acceleration scipy's BCa interval is this one: the jackknife of a symmetric sample has none."""
    sample = np.concatenate([np.arange(1.0, 31), -np.arange(1.0, 31)])
    theirs = stats.bootstrap((sample,), np.mean, n_resamples=4999, method="BCa", random_state=np.random.default_rng(0))
    low, high = bias_corrected_interval(theirs.bootstrap_distribution[:, None], sample.mean()[None])
    np.testing.assert_allclose([low[0], high[0]], theirs.confidence_interval, rtol=1e-3)


def test_bias_correction_moves_an_interval_against_the_bias():
    """Where most resamples lie above the estimate, the interval lies below the percentile interval."""
    drawn = np.random.default_rng(0).normal(0.5, 1, size=(2000, 1))
    assert bias_corrected_interval(drawn, np.zeros(1))[1] < percentile_interval(drawn)[1] - 0.5


def normal_draws(values, spread=0.02, n_resamples=2000, seed=0):
    """Return values, shape (n_rates, n_groups), and normal resamples around them."""
    values = np.atleast_2d(np.asarray(values, dtype=float))
    noise = np.random.default_rng(seed).normal(size=(n_resamples, *values.shape))
    return values + spread * noise, values


def test_the_interval_of_a_clear_pair_is_its_percentile_interval():
    """With one contender both bounds are quantiles of that pair's resampled distance."""
    drawn, values = normal_draws([[0.2, 0.5, 0.9]])
    distance = drawn[:, 0, 2] - drawn[:, 0, 0]
    np.testing.assert_allclose(gap_interval(drawn, values), np.quantile(distance, [0.025, 0.975]))


def test_the_ratio_of_a_clear_pair_has_its_percentile_interval():
    """The same for ratios: quantiles do not mind the logarithm."""
    drawn, values = normal_draws([[0.2, 0.5, 0.9]])
    expected = np.quantile(drawn[:, 0, 0] / drawn[:, 0, 2], [0.025, 0.975])
    np.testing.assert_allclose(gap_interval(drawn, values, ratio=True), expected, rtol=1e-3)


def brute_force(drawn, values, level=0.95):
    """Return the interval of the largest difference, pair by pair as the equation says."""
    tail = (1 - level) / 2
    pairs = [
        (values[r, a] - values[r, b], drawn[:, r, a] - drawn[:, r, b])
        for r in range(values.shape[0])
        for a in range(values.shape[1])
        for b in range(values.shape[1])
        if a != b
    ]
    top, top_drawn = max(pairs, key=lambda pair: pair[0])
    errors = [(d, e - d) for d, e in pairs if top - d <= 2 * np.std(top_drawn - top - (e - d))]
    low = top - np.quantile(np.max([-e for _, e in errors], axis=0), 1 - tail)
    return max(0, low), max(d + np.quantile(e, 1 - tail) for d, e in errors)


@pytest.mark.parametrize("seed", range(8))
def test_contenders_are_those_of_the_equation(seed):
    """With many pairs, some alike, the interval is that of a plain loop over pairs."""
    rng = np.random.default_rng(seed)
    drawn, values = normal_draws(rng.uniform(0.3, 0.45, (2, 5)), spread=0.03, n_resamples=301, seed=seed)
    np.testing.assert_allclose(gap_interval(drawn, values), brute_force(drawn, values))


def test_the_contenders_of_many_groups_are_taken_together(monkeypatch):
    """Past a number of contenders the lower bound is that of all pairs between their groups: never higher."""
    drawn, values = normal_draws(np.full((1, 12), 0.5) + np.linspace(0, 0.1, 12), n_resamples=400)
    exact = gap_interval(drawn, values)
    monkeypatch.setattr(_distances, "MAX_CONTENDERS", 3)
    low, high = gap_interval(drawn, values)
    assert 0 < low <= exact[0]
    assert high == exact[1]


def test_chunks_do_not_change_the_interval(monkeypatch):
    """Contenders and pairs that are taken a few at a time give the same bounds."""
    drawn, values = normal_draws(np.linspace(0.4, 0.45, 9)[None], n_resamples=200)
    whole = gap_interval(drawn, values), mean_gap_interval(drawn, values, pairwise=True)
    monkeypatch.setattr(_distances, "CHUNK", 1000)
    np.testing.assert_allclose((gap_interval(drawn, values), mean_gap_interval(drawn, values, pairwise=True)), whole)


def test_a_group_that_is_not_compared_does_not_matter():
    """NaN among the values leaves a group out, whatever its resamples say."""
    drawn, values = normal_draws([[0.2, 0.5, 0.9]])
    left_out = np.array([[0.2, 0.5, np.nan]])
    assert gap_interval(drawn, left_out) == gap_interval(drawn[..., :2], values[:, :2])
    assert mean_gap_interval(drawn, left_out, pairwise=True) == mean_gap_interval(
        drawn[..., :2], values[:, :2], pairwise=True
    )


def test_resamples_that_lack_a_compared_group_are_left_out():
    """A resample in which a compared group is undefined says nothing."""
    drawn, values = normal_draws([[0.2, 0.9]])
    holes = drawn.copy()
    holes[::10, 0, 1] = np.nan
    assert gap_interval(holes, values) == gap_interval(np.delete(drawn, np.s_[::10], axis=0), values)


@pytest.mark.parametrize("interval", [gap_interval, mean_gap_interval])
@pytest.mark.parametrize(
    ("values", "ratio"),
    [([[0.5]], False), ([[0.5, np.nan]], False), ([[0.0, 0.5]], True), ([[-0.5, -0.2]], True)],
    ids=["one-group", "one-defined", "zero", "negative"],
)
def test_what_cannot_be_compared_has_no_interval(interval, values, ratio):
    """Fewer than two groups, and ratios of what is not positive, give NaN."""
    drawn, values = normal_draws(values)
    assert np.isnan(interval(drawn, values, ratio=ratio)).all()


def test_a_base_takes_the_place_of_the_other_groups():
    """Compared with a base, the largest distance to it counts, and the base's own errors with it."""
    drawn, values = normal_draws([[0.2, 0.5, 0.9]])
    base, drawn_base = np.array([0.6]), 0.6 + (drawn[:, :, 0] - 0.2) / 2
    expected = np.quantile(drawn_base[:, 0] - drawn[:, 0, 0], [0.025, 0.975])
    np.testing.assert_allclose(gap_interval(drawn, values, drawn_base, base), expected)
    assert np.isnan(gap_interval(drawn, values, drawn_base, np.array([np.nan]))).all()


@pytest.mark.parametrize("ratio", [False, True])
def test_an_interval_holds_the_gap_it_is_of(ratio):
    """The observed gap lies inside, for differences and ratios, means and largest ones."""
    for seed in range(5):
        drawn, values = normal_draws(np.random.default_rng(seed).uniform(0.2, 0.8, (2, 4)), seed=seed)
        low, high = values.min(axis=1), values.max(axis=1)
        gap = (low / high).min() if ratio else (high - low).max()
        bounds = gap_interval(drawn, values, ratio=ratio)
        assert bounds[0] < gap < bounds[1]
        mean = (low / high).mean() if ratio else (high - low).mean()
        bounds = mean_gap_interval(drawn, values, ratio=ratio)
        assert bounds[0] < mean < bounds[1]


@pytest.mark.parametrize("pairwise", [False, True])
def test_a_mean_of_clear_gaps_has_its_percentile_interval(pairwise):
    """With every sign clear, the bounds are quantiles of the resampled mean."""
    drawn, values = normal_draws([[0.1, 0.5, 0.9], [0.2, 0.5, 0.8]])
    means = (drawn[..., 2] - drawn[..., 0]).mean(axis=1) * (2 / 3 if pairwise else 1)  # v_3 - v_1 is two steps of three
    np.testing.assert_allclose(
        mean_gap_interval(drawn, values, pairwise=pairwise), np.quantile(means, [0.025, 0.975]), atol=1e-12
    )


def test_a_sum_of_gaps_is_the_mean_times_their_number():
    """agg="sum" scales both bounds."""
    drawn, values = normal_draws([[0.2, 0.9], [0.4, 0.7]])
    total, mean = mean_gap_interval(drawn, values, agg="sum"), mean_gap_interval(drawn, values)
    np.testing.assert_allclose(total, 2 * np.array(mean))


def test_the_largest_of_several_means_of_pairs_is_that_of_the_rate_that_stands_out():
    """agg="max" with pairwise means: a rate far behind changes nothing."""
    drawn, values = normal_draws([[0.1, 0.5, 0.9], [0.5, 0.5, 0.5]])
    both = mean_gap_interval(drawn, values, pairwise=True, agg="max")
    assert both == mean_gap_interval(drawn[:, :1], values[:1], pairwise=True)


@pytest.mark.parametrize("options", [{}, {"pairwise": True}, {"ratio": True}, {"pairwise": True, "ratio": True}])
def test_a_mean_gap_reaches_parity(options):
    """At parity the bound on parity's side is parity itself."""
    drawn, values = normal_draws(np.full((2, 4), 0.5))
    low, high = mean_gap_interval(drawn, values, **options)
    assert (high == 1 and low < 1) if options.get("ratio") else (low == 0 and high > 0)


def test_means_of_pairs_whose_signs_are_open_reach_parity_where_percentiles_do_not():
    """Of groups that differ by noise only the mean over pairs mostly has the lower bound 0; percentiles never do."""
    reached, first, second = 0, *np.triu_indices(5, 1)
    for seed in range(20):
        noise = 0.5 + 0.02 * np.random.default_rng(100 + seed).normal(size=(1, 5))
        drawn, values = normal_draws(noise, n_resamples=500, seed=seed)
        reached += mean_gap_interval(drawn, values, pairwise=True)[0] == 0
        means = np.abs(drawn[:, 0, first] - drawn[:, 0, second]).mean(axis=1)
        assert np.quantile(means, 0.025) > 0.005
    assert reached >= 17


def test_a_resampled_zero_makes_a_ratio_wide_and_not_undefined():
    """A rate that is 0 in some resamples gives a lower bound of about 0."""
    drawn, values = normal_draws([[0.5, 0.5]])
    drawn[:200, 0, 1] = 0
    low, high = gap_interval(drawn, values, ratio=True)
    assert low < 1e-6
    assert high == 1
