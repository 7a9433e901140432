"""The synthetic data of Zafar et al."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from mxfair._validation import InputError, InputTypeError
from mxfair.datasets import make_zafar


@pytest.fixture(scope="module")
def large():
    """Return enough samples for moments."""
    return make_zafar(60_000, seed=1)


def test_default_sizes():
    """2,000 train and 1,000 test, as in the paper."""
    assert [len(part.data) for part in make_zafar().train_test()] == [2000, 1000]


@pytest.mark.parametrize(("n", "positives"), [(3000, 1500), (7, 4)])
def test_classes_are_balanced(n, positives):
    """Half of the samples are positive; an odd one is positive too."""
    assert int(make_zafar(n).target.sum()) == positives


def test_classes_are_shuffled():
    """Both parts hold both classes in about equal shares."""
    for part in make_zafar().train_test():
        assert part.target.mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("label", "mean", "covariance"), [(1, [2, 2], [[5, 1], [1, 5]]), (0, [-2, -2], [[10, 1], [1, 3]])]
)
def test_moments(large, label, mean, covariance):
    """Each class has the mean and the covariance of the paper."""
    x = large.data.loc[large.target == label, ["x1", "x2"]].to_numpy()
    np.testing.assert_allclose(x.mean(axis=0), mean, atol=0.08)
    np.testing.assert_allclose(np.cov(x.T), covariance, atol=0.25)


def test_group_follows_the_density_ratio(large):
    """P(z = 1) is the posterior of the positive class at the rotated point."""
    x = large.data[["x1", "x2"]].to_numpy()
    c = math.cos(math.pi / 4)
    rotated = x @ np.array([[c, -c], [c, c]])

    def density(mean, covariance):
        d = rotated - mean
        return np.exp(-0.5 * (d @ np.linalg.inv(covariance) * d).sum(axis=1)) / math.sqrt(np.linalg.det(covariance))

    positive = density([2, 2], np.array([[5, 1], [1, 5]]))
    negative = density([-2, -2], np.array([[10, 1], [1, 3]]))
    posterior = positive / (positive + negative)
    for low in np.arange(0, 1, 0.2):
        bin_ = (posterior >= low) & (posterior < low + 0.2)
        assert large.data["z"][bin_].mean() == pytest.approx(posterior[bin_].mean(), abs=0.03)


def test_smaller_angle_ties_group_to_label():
    """Without rotation the group depends more on the label than at the default angle."""

    def gap(bunch):
        return bunch.data["z"][bunch.target == 1].mean() - bunch.data["z"][bunch.target == 0].mean()

    assert gap(make_zafar(angle=0.0)) > gap(make_zafar()) + 0.2


def test_group_is_a_feature():
    """The group z is the third feature and the sensitive column."""
    bunch = make_zafar()
    assert bunch.data.columns.tolist() == ["x1", "x2", "z"]
    assert (bunch.data["z"].astype(str) == bunch.groups["z"].astype(str)).all()


def test_seed_decides():
    """The same seed gives the same data, another seed other data."""
    pd.testing.assert_frame_equal(make_zafar(50, seed=4).data, make_zafar(50, seed=4).data)
    assert not make_zafar(50, seed=4).data.equals(make_zafar(50, seed=5).data)


def test_generator_as_seed():
    """A Generator is drawn from, so that the next call differs."""
    random = np.random.default_rng(0)
    first, second = make_zafar(50, seed=random), make_zafar(50, seed=random)
    assert first.data.equals(make_zafar(50, seed=0).data)
    assert not first.data.equals(second.data)


@pytest.mark.parametrize("test_size", [0, 1, -1, 0.0001])
def test_a_part_must_not_be_empty(test_size):
    """A share that leaves a part empty is refused."""
    with pytest.raises(InputError, match="'test_size' must leave samples on both sides"):
        make_zafar(100, test_size=test_size)


@pytest.mark.parametrize(("n", "error"), [(3, InputError), (10.0, InputTypeError), (True, InputTypeError)])
def test_size_must_be_a_number_of_samples(n, error):
    """Four samples are the least, and a float is not a number of samples."""
    with pytest.raises(error, match="'n_samples' must be"):
        make_zafar(n)


def test_angle_must_be_finite():
    """An angle that is no number is refused."""
    with pytest.raises(InputError, match="'angle' must be a finite number"):
        make_zafar(angle=math.nan)


def test_marginals_of_the_published_files(shared_data, large):
    """Means by class and shares of the group agree with the paper's own draw of 3,000 samples."""
    folder = shared_data("fairbatch_synthetic")
    xz = np.vstack([np.load(folder / "xz_train.npy"), np.load(folder / "xz_test.npy")])
    y = np.concatenate([np.load(folder / "y_train.npy"), np.load(folder / "y_test.npy")])
    for label, published in ((1, 1), (0, -1)):
        ours = large.data[large.target == label].mean().to_numpy()
        theirs = xz[y == published].mean(axis=0)
        np.testing.assert_allclose(ours[:2], theirs[:2], atol=0.3)
        assert ours[2] == pytest.approx(theirs[2], abs=0.04)
