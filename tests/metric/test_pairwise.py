"""Pairwise accuracy counts every pair of different labels, by the groups of the two."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from mxfair import Groups
from mxfair._validation import InputError
from mxfair.metric.pairwise import pairwise_accuracy

GROUP = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
PRED = [0.8, 0.9, 0.2, 0.1, 0.7, 0.9, 0.8, 0.6, 0.3, 0.5]
LABEL = [1, 0.7, 0.3, 0.2, 0.6, 0.9, 0.5, 0.8, 0.2, 0.4]


def by_hand(labels, preds, codes, weight, n_groups):
    """Return the matrix from all pairs."""
    result = np.full((n_groups, n_groups), np.nan)
    for a in range(n_groups):
        for b in range(n_groups):
            i, j = np.flatnonzero(codes == a)[:, None], np.flatnonzero(codes == b)
            pairs = (labels[i] > labels[j]) * weight[i] * weight[j]
            right = (preds[i] > preds[j]) + 0.5 * (preds[i] == preds[j])
            if pairs.sum() > 0:
                result[a, b] = (pairs * right).sum() / pairs.sum()
    return result


def test_the_exact_example():
    """The larger label in group 0, then in group 1."""
    found = pairwise_accuracy(LABEL, PRED, GROUP)
    assert found.values[0, 1] == pytest.approx(0.875)
    assert found.values[1, 0] == pytest.approx(0.772727, abs=5e-7)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("grain", [1, 5, 1000])
@pytest.mark.parametrize("n", [1, 2, 3, 8, 65, 150])
def test_all_pairs_are_counted_once(n, grain, weighted):
    """Equal to counting them one by one, with ties among labels, predictions and both, at any number of samples."""
    rng = np.random.default_rng(n + grain)
    codes = rng.integers(0, 3, n)
    labels = rng.integers(0, grain + 1, n).astype(float)
    preds = np.round(labels + rng.normal(size=n) * grain)
    weight = rng.random(n) if weighted else np.ones(n)
    groups = Groups.from_codes(codes, ["a", "b", "c"])
    found = pairwise_accuracy(labels, preds, groups, sample_weight=weight if weighted else None)
    np.testing.assert_allclose(found.values, by_hand(labels, preds, codes, weight, 3), rtol=1e-12, atol=1e-14)


def test_two_labels_make_it_the_auc():
    """With labels 0 and 1 in one group, the diagonal is scikit-learn's area under the ROC curve."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    scores = np.round(labels + rng.normal(size=200), 1)
    assert pairwise_accuracy(labels, scores, ["a"] * 200).values[0, 0] == pytest.approx(roc_auc_score(labels, scores))


def test_without_ties_it_is_kendalls_tau():
    """In one group, 2 A - 1 is SciPy's tau."""
    rng = np.random.default_rng(0)
    labels = rng.normal(size=5000)
    preds = labels + rng.normal(size=5000)
    found = pairwise_accuracy(labels, preds, ["a"] * 5000).values[0, 0]
    assert 2 * found - 1 == pytest.approx(stats.kendalltau(labels, preds).statistic)


def test_equal_predictions_are_right_half_the_time():
    """A constant prediction has accuracy 1/2 everywhere."""
    np.testing.assert_array_equal(pairwise_accuracy([1, 4, 2, 3], [7] * 4, list("aabb")).values, 0.5)


def test_pairs_that_do_not_exist_are_undefined():
    """NaN where no sample of a has a larger label than one of b, and summaries take the others."""
    found = pairwise_accuracy([1, 2, 3, 4], [1, 2, 3, 4], list("aabb"))
    assert np.isnan(found.values).tolist() == [[False, True], [False, False]]
    assert (found.symmetric, found.pair(), found.min()) == (False, ("b", "a"), 1)


def test_the_unknown_group_is_left_out_of_summaries():
    """Its rows and columns are shown only."""
    found = pairwise_accuracy([1, 2, 3, 4], [2, 1, 3, 0], ["a", "b", "b", None])
    assert found.groups == ("a", "b", "unknown")
    assert found.min() == pytest.approx(0.5)
    assert found.values[2, 0] == 0


def test_bad_input_is_refused():
    """Missing values and other lengths are errors."""
    with pytest.raises(InputError, match="'labels' must be finite numbers"):
        pairwise_accuracy([np.nan, 1], [1, 2], ["a", "b"])
    with pytest.raises(InputError, match="must have the same length"):
        pairwise_accuracy([1, 2], [1, 2], ["a"])
