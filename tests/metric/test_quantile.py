"""Quantiles by group are the inverted distribution function; their gaps come with a noise floor."""

from __future__ import annotations

import numpy as np
import pytest

from mxfair import Groups
from mxfair._validation import InputError
from mxfair.metric.quantile import quantile_gap, quantile_prediction


def make(n=200):
    """Return (preds, codes) of three groups."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, n)
    return rng.normal(size=n) * (1 + codes), codes


def inverted_cdf(values, q):
    """Return the smallest value that a share q does not exceed (NumPy has it as a method since 1.22)."""
    places = np.ceil(np.asarray(q) * len(values) - 1e-9).astype(int) - 1
    return np.sort(values)[np.maximum(places, 0)]


@pytest.mark.parametrize("q", [0, 0.05, 0.3, 0.5, 0.7, 0.9, 1])
def test_each_group_has_its_own_quantile(q):
    """The quantile of a group is that of its rows, and overall that of all."""
    preds, codes = make()
    figure = quantile_prediction(None, preds, codes, q=q)
    expected = [inverted_cdf(preds[codes == i], q) for i in range(3)]
    np.testing.assert_array_equal(figure.values, expected)
    assert figure.overall == inverted_cdf(preds, q)


def test_whole_weights_equal_repeated_rows():
    """A weight of k is a row that occurs k times, 0 included."""
    preds, codes = make()
    times = np.random.default_rng(1).integers(0, 4, 200)
    rows = np.repeat(np.arange(200), times)
    for q in (0.1, 0.25, 0.5, 0.75):
        weighted = quantile_prediction(None, preds, codes, q=q, sample_weight=times)
        np.testing.assert_array_equal(weighted.values, quantile_prediction(None, preds[rows], codes[rows], q=q).values)


def test_shares_summed_from_fractions_reach_their_level():
    """Ten equal weights hold the quantiles of ten rows, whatever the rounding of their sum."""
    for k in range(1, 11):
        figure = quantile_prediction(None, np.arange(1, 11), ["a"] * 10, q=k / 10, sample_weight=[0.7] * 10)
        assert figure.values[0] == k


def test_the_gap_is_the_largest_over_the_grid():
    """Between two groups: the largest distance of their quantiles."""
    preds, codes = make()
    grid = [0.1, 0.5, 0.9]
    gap = quantile_gap(preds, codes, q=grid)
    quantiles = np.array([inverted_cdf(preds[codes == i], grid) for i in range(3)])
    for a in range(3):
        for b in range(3):
            assert gap.values[a, b] == np.abs(quantiles[a] - quantiles[b]).max()


def test_the_gap_in_standard_deviations_does_not_change_with_the_unit():
    """Scaled predictions have the same gap and the same floor."""
    preds, codes = make()
    first, second = (quantile_gap(p, codes, scale="sd") for p in (preds, 5 + 100 * preds))
    np.testing.assert_allclose(first.values, second.values)
    np.testing.assert_allclose(first.floor, second.floor)


@pytest.mark.parametrize("shape", ["normal", "exponential"])
def test_the_floor_is_the_mean_under_equality(shape):
    """Over random groups of one distribution, gaps are on average what the floor says."""
    rng = np.random.default_rng(0)
    groups = Groups([0] * 150 + [1] * 350)
    draws = [quantile_gap(getattr(rng, shape)(size=500), groups) for _ in range(80)]
    mean = np.mean([gap.max() for gap in draws])
    assert np.mean([gap.floor[0, 1] for gap in draws]) == pytest.approx(mean, rel=0.2)


def test_a_group_without_samples_is_undefined():
    """Its quantile and its gaps are NaN, and the others have theirs."""
    groups = Groups.from_codes([0, 1, 1], ["a", "b", "c"])
    assert np.isnan(quantile_prediction(None, [1, 2, 3], groups).values).tolist() == [False, False, True]
    gap = quantile_gap([1, 2, 3], groups, q=0.5)
    assert gap.max() == 1
    assert np.isnan(gap.values[2]).all()


@pytest.mark.parametrize("q", [-0.1, 1.1, np.nan, [], [0.5, 2]])
def test_shares_outside_0_to_1_are_refused(q):
    """A quantile is a share."""
    with pytest.raises(InputError, match="'q' must be shares from 0 to 1"):
        quantile_gap([1, 2], ["a", "b"], q=q)
