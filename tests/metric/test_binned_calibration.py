"""Calibration by bin compares mean label and mean prediction of the samples in it."""

from __future__ import annotations

import numpy as np
import pytest

from mxfair._validation import InputError
from mxfair.metric.binned_calibration import calibration_by_bin


def make(n=500):
    """Return (labels, preds, groups, weight)."""
    rng = np.random.default_rng(0)
    groups = rng.choice(["a", "b"], n)
    preds = rng.normal(size=n)
    return preds + (groups == "b") + rng.normal(size=n), preds, groups, rng.random(n)


@pytest.mark.parametrize("strategy", ["quantile", "uniform"])
def test_each_row_is_of_its_samples(strategy):
    """Means, support and standard error are those of the group's samples above `low` and up to `high`."""
    labels, preds, groups, _ = make()
    table = calibration_by_bin(labels, preds, groups, bins=5, strategy=strategy)
    assert len(table) == 10
    for row in table.itertuples():
        rows = (groups == row.group) & (preds > row.low) & (preds <= row.high)
        if row.low == preds.min():
            rows |= (groups == row.group) & (preds == row.low)
        assert row.support == rows.sum()
        gaps = (labels - preds)[rows]
        assert row.calibration == pytest.approx(gaps.mean())
        assert row.calibration == pytest.approx(row.mean_label - row.mean_prediction)
        assert row.standard_error == pytest.approx(gaps.std(ddof=1) / np.sqrt(len(gaps)))


def test_no_sample_is_lost():
    """Supports add up to the weight of all samples, the smallest and largest prediction included."""
    labels, preds, groups, weight = make()
    for strategy in ("quantile", "uniform"):
        table = calibration_by_bin(labels, preds, groups, strategy=strategy, sample_weight=weight)
        assert table["support"].sum() == pytest.approx(weight.sum())


def test_whole_weights_equal_repeated_rows():
    """A weight of 2 is a row that occurs twice."""
    labels, preds, groups, _ = make(60)
    times = np.random.default_rng(0).integers(1, 4, 60)
    rows = np.repeat(np.arange(60), times)
    weighted = calibration_by_bin(labels, preds, groups, strategy="uniform", sample_weight=times)
    repeated = calibration_by_bin(labels[rows], preds[rows], groups[rows], strategy="uniform")
    np.testing.assert_allclose(weighted["calibration"], repeated["calibration"])


def test_a_shift_of_one_group_is_seen():
    """The group whose labels lie 1 above the predictions has calibration 1."""
    table = calibration_by_bin(*make(20_000)[:3]).groupby("group")["calibration"]
    assert table.mean()["b"] == pytest.approx(1, abs=0.1)
    assert table.mean()["a"] == pytest.approx(0, abs=0.1)


def test_an_empty_bin_is_undefined():
    """A bin where a group has no sample has support 0 and NaN, and one sample has no standard error."""
    table = calibration_by_bin([1, 2, 3], [0, 0, 1], list("aab"), bins=2, strategy="uniform")
    assert table["support"].tolist() == [2, 0, 0, 1]
    assert np.isnan(table["calibration"]).tolist() == [False, True, True, False]
    assert np.isnan(table["standard_error"]).tolist() == [False, True, True, True]


def test_equal_predictions_make_one_bin():
    """A constant prediction has a single bin."""
    assert len(calibration_by_bin([1, 2, 3], [5, 5, 5], list("aab"))) == 2


def test_unknown_strategies_are_refused():
    """The message lists what there is."""
    with pytest.raises(InputError, match="'strategy' must be one of quantile, uniform"):
        calibration_by_bin([1, 2], [1, 2], list("ab"), strategy="kmeans")
