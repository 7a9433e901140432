"""Massaging changes the published number of labels, those nearest to the boundary."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.naive_bayes import GaussianNB

from mxfair._validation import InputError, InputTypeError
from mxfair.preprocessing import massage


def sample(n=2000, groups=2, seed=0):
    """Return features, labels and groups with a gap."""
    rng = np.random.default_rng(seed)
    z = rng.integers(0, groups, n)
    x = rng.normal(0, 1, (n, 3))
    y = (x[:, 0] + 0.8 * z + rng.normal(0, 1, n) > 0.5).astype(int)
    return x, y, z


def test_published_number_of_changes():
    """Two groups: n1 n2 (p1 - p2) / n promotions and as many demotions."""
    x, y, z = sample()
    done = massage(y, z, scores=x[:, 0])
    n0, n1 = (z == 0).sum(), (z == 1).sum()
    number = n0 * n1 * (y[z == 1].mean() - y[z == 0].mean()) / len(y)
    assert len(done.promoted) == len(done.demoted)
    assert abs(len(done.promoted) - number) <= 0.5 + 1e-9
    assert number > 50


def test_published_example():
    """The paper's ten applicants, with scores of ours: a woman is promoted, a man demoted, and both end at .6."""
    label = ["+", "+", "+", "+", "-", "+", "+", "-", "-", "-"]
    scores = [0.98, 0.93, 0.76, 0.69, 0.4, 0.9, 0.64, 0.5, 0.1, 0.02]
    done = massage(label, list("mmmmmfffff"), scores=scores, positive="+")
    assert done.promoted.tolist() == [7]
    assert done.demoted.tolist() == [3]
    assert done.rates_after == {"f": 0.6, "m": 0.6}
    assert done.labels.dtype == np.array(label).dtype


@pytest.mark.parametrize("groups", [2, 3, 5])
def test_groups_end_at_the_overall_rate(groups):
    """The rates of all groups agree to one sample, and the number of positives stays."""
    x, y, z = sample(groups=groups)
    done = massage(y, z, scores=x[:, 0])
    smallest = np.bincount(z).min()
    assert np.ptp(list(done.rates_before.values())) > 0.1
    assert max(abs(rate - y.mean()) for rate in done.rates_after.values()) < 1 / smallest
    assert done.labels.sum() == y.sum()
    assert done.rates_after == {str(g): done.labels[z == g].mean() for g in range(groups)}


def test_only_rows_nearest_to_the_boundary_change():
    """Of the negatives of a group the highest scores are promoted, of the positives the lowest demoted."""
    x, y, z = sample()
    done = massage(y, z, scores=x[:, 0])
    assert np.array_equal(np.flatnonzero(done.labels != y), done.changed)
    left = np.setdiff1d(np.flatnonzero((z == 0) & (y == 0)), done.promoted)
    assert x[done.promoted, 0].min() >= x[left, 0].max()
    left = np.setdiff1d(np.flatnonzero((z == 1) & (y == 1)), done.demoted)
    assert x[done.demoted, 0].max() <= x[left, 0].min()


@pytest.mark.parametrize("ranker", [None, GaussianNB()])
def test_a_ranker_in_the_place_of_scores(ranker):
    """A classifier is fitted on features and labels; data frames work, and the ranker stays unfitted."""
    x, y, z = sample()
    done = massage(y, z, features=pd.DataFrame(x, columns=list("abc")), ranker=ranker)
    assert np.ptp(list(done.rates_after.values())) < 0.002
    assert x[done.promoted, 0].mean() > x[(y == 0) & (z == 0), 0].mean() + 0.5
    assert ranker is None or not hasattr(ranker, "classes_")


def test_the_smaller_class_can_be_the_favourable_one():
    """With positive=0 the scores speak for label 0."""
    x, y, z = sample()
    done, mirrored = massage(y, z, scores=x[:, 0]), massage(1 - y, z, scores=x[:, 0], positive=0)
    np.testing.assert_array_equal(mirrored.labels, 1 - done.labels)


def test_labels_of_unknown_group_stay():
    """They are told, do not change, and do not move the overall rate."""
    x, y, z = sample(1000)
    groups = np.array(["a", "b"], dtype=object)[z]
    groups[:100] = None
    with pytest.warns(UserWarning, match="100 samples"):
        done = massage(y, groups, scores=x[:, 0])
    assert done.changed.min() >= 100
    assert max(abs(rate - y[100:].mean()) for rate in done.rates_after.values()) < 1 / 400


def test_equal_rates_change_nothing():
    """Without a gap no label changes."""
    done = massage([1, 0, 1, 0], list("aabb"), scores=[4, 3, 2, 1])
    assert done.labels.tolist() == [1, 0, 1, 0]
    assert len(done.changed) == 0


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ([0, 1, 2], {"scores": [1, 2, 3]}, "two classes"),
        ([0, 1, 1], {}, "both or neither"),
        ([0, 1, 1], {"scores": [1, 2, 3], "features": [[1], [2], [3]]}, "both or neither"),
        ([0, 1, 1], {"scores": [1, 2]}, "same length"),
        ([0, 1, 1], {"scores": [1, 2, np.nan]}, "finite"),
        ([0, 1, 1], {"scores": [1, 2, 3], "positive": 7}, "one of the labels"),
    ],
)
def test_bad_input_is_refused(labels, options, message):
    """Each mistake has its sentence."""
    with pytest.raises(InputError, match=message):
        massage(labels, ["a", "b", "b"], **options)


def test_one_group_and_a_ranker_without_scores_are_refused():
    """There must be something to equalise, and something to rank by."""
    with pytest.raises(InputError, match="two known groups"):
        massage([0, 1], ["a", "a"], scores=[1, 2])
    x, y, z = sample(50)
    with pytest.raises(InputTypeError, match="probabilities"):
        massage(y, z, features=x, ranker=object())


@pytest.mark.parametrize("value", ["text", np.nan])
def test_features_that_the_ranker_cannot_take_are_an_input_error(value):
    """The default ranker takes finite numbers."""
    with pytest.raises(InputError, match=r"\.$"):
        massage([1, 1, 1, 0, 1, 0, 0, 0], list("aaaabbbb"), features=[[value]] * 8)
