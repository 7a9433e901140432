"""Mixup between groups: which samples are paired, and what lies between them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mxfair._validation import InputError
from mxfair.preprocessing.mixup import GroupMixup

N = 400
LABELS = np.tile([0, 1, 1, 0, 1], N // 5)
GROUPS = np.array(["a", "b"])[(np.arange(N) % 7 < 2).astype(int)]
X = np.stack([np.arange(N), LABELS, GROUPS == "b"], axis=1).astype("float64")


def mixup(X=X, labels=LABELS, groups=GROUPS, **options):
    """Return a mixup with seed 0."""
    return GroupMixup(X, labels, groups, **{"seed": 0, "batch_size": 32, **options})


def test_pairs_are_of_two_groups_and_one_label():
    """For equalized odds both samples have the same label, the first group is first, strata are even."""
    batch = mixup().draw()
    assert (batch.first[:, 2] == 0).all()
    assert (batch.second[:, 2] == 1).all()
    assert np.array_equal(batch.first[:, 1], batch.second[:, 1])
    assert np.array_equal(batch.label, batch.first[:, 1])
    assert np.bincount(batch.stratum).tolist() == [16, 16]
    assert np.array_equal(X[batch.rows[:, 0]], batch.first)
    assert np.array_equal(X[batch.rows[:, 1]], batch.second)


def test_demographic_parity_pairs_any_two_and_mixes_labels():
    """Pairs are of all labels, in their own proportions; the label is mixed as the samples are."""
    source = mixup(criterion="demographic_parity", batch_size=2000)
    batch = source.draw()
    assert source.strata == [(None, "a", "b")]
    assert batch.first[:, 1].mean() == pytest.approx(LABELS[GROUPS == "a"].mean(), abs=0.05)
    assert batch.second[:, 1].mean() == pytest.approx(LABELS[GROUPS == "b"].mean(), abs=0.05)
    t = batch.t[0]
    assert batch.label == pytest.approx(t * batch.first[:, 1] + (1 - t) * batch.second[:, 1])
    assert mixup(labels=None, criterion="demographic_parity").draw().label is None


def test_equal_opportunity_pairs_the_positive_label():
    """Only samples of the positive label are paired."""
    batch = mixup(criterion="equal_opportunity").draw()
    assert (batch.label == 1).all()
    zero = mixup(criterion="equal_opportunity", positive=0)
    assert zero.strata == [(0, "a", "b")]
    with pytest.raises(InputError, match="must be one of the labels"):
        mixup(criterion="equal_opportunity", positive=2)


def test_mixed_samples_lie_between():
    """x_t = t x_0 + (1 - t) x_1 with one t by batch, or one by pair; images too."""
    batch = mixup().draw()
    assert batch.t.shape == (1,)
    assert batch.mixed == pytest.approx(batch.t * batch.first + (1 - batch.t) * batch.second)
    images = np.random.default_rng(0).integers(0, 255, (N, 4, 4, 3)).astype("uint8")
    own = mixup(images, one_t=False).draw()
    assert own.t.shape == (32,)
    assert own.mixed.shape == (32, 4, 4, 3)
    assert own.mixed.dtype == np.float32
    between = own.t[5] * images[own.rows[5, 0]] + (1 - own.t[5]) * images[own.rows[5, 1]]
    assert own.mixed[5] == pytest.approx(between, rel=1e-4)


@pytest.mark.parametrize("alpha", [0.4, 1.0, 3.0])
def test_t_has_the_beta_distribution(alpha):
    """A Kolmogorov-Smirnov test of 3,000 draws does not refuse Beta(alpha, alpha)."""
    t = mixup(alpha=alpha, batch_size=3000, one_t=False).draw().t
    assert stats.kstest(t, stats.beta(alpha, alpha).cdf).pvalue > 0.01


def test_samples_are_drawn_alike_within_a_stratum():
    """Every sample of a cell is drawn as often as the others, within chance."""
    rows = np.concatenate([batch.rows[:, 1] for _ in range(20) for batch in mixup(seed=None)])
    cell = (LABELS == 1) & (GROUPS == "b")
    counts = np.bincount(rows, minlength=N)[cell]
    assert stats.chisquare(counts).pvalue > 1e-4


def test_several_groups_are_paired_each_with_each():
    """Three groups make three pairs for each label; a label that one lacks is left out with a warning."""
    groups = np.array(["a", "b", "c"])[np.arange(N) % 3]
    assert len(mixup(groups=groups).strata) == 6
    labels = np.where(groups == "c", 0, LABELS)
    with pytest.warns(UserWarning, match="No samples of label 1 in group 'c'"):
        source = mixup(labels=labels, groups=groups)
    assert (1, "a", "b") in source.strata
    assert len(source.strata) == 4


def test_unknown_groups_are_in_no_pair():
    """Samples whose attribute is missing are never drawn."""
    groups = GROUPS.astype(object)
    groups[:50] = None
    source = mixup(groups=groups)
    rows = np.concatenate([batch.rows.ravel() for batch in source])
    assert rows.min() >= 50
    assert len(source) == -(-350 // 32)


def test_the_seed_decides_and_the_state_goes_on():
    """Equal seeds give equal batches; a state is plain and continues where it was taken."""
    one, two = mixup(), mixup()
    assert np.array_equal(one.draw().mixed, two.draw().mixed)
    state = json.loads(json.dumps(one.state_dict()))
    later = one.draw().mixed
    fresh = mixup(seed=9)
    fresh.load_state_dict(state)
    assert np.array_equal(fresh.draw().mixed, later)


def test_an_epoch_has_as_many_pairs_as_samples():
    """Iterating ends; drawing does not."""
    assert len(list(mixup())) == len(mixup()) == 13


def test_data_frames_and_text_labels_are_taken():
    """Frames of numbers, and labels as text where they are not mixed."""
    batch = mixup(pd.DataFrame(X), labels=np.where(LABELS, "yes", "no")).draw()
    assert set(batch.label) == {"yes", "no"}


def test_wrong_input_is_refused():
    """Text features, one group, no labels, a small batch and a bad alpha are errors."""
    with pytest.raises(InputError, match="'X' must be numbers"):
        mixup(pd.DataFrame({"a": GROUPS, "b": GROUPS}))
    with pytest.raises(InputError, match="two known groups"):
        mixup(groups=np.repeat("a", N))
    with pytest.raises(InputError, match="without any"):
        mixup(labels=(GROUPS == "a").astype(int))
    with pytest.raises(InputError, match="'labels' must be given"):
        mixup(labels=None)
    with pytest.raises(InputError, match="batch_size"):
        mixup(batch_size=1)
    with pytest.raises(InputError, match="alpha"):
        mixup(alpha=0)
    with pytest.raises(InputError, match="to be mixed"):
        mixup(labels=np.where(LABELS, "yes", "no"), criterion="demographic_parity")
    with pytest.raises(InputError, match="finite"):
        mixup(np.where(X == 7, np.nan, X))
    with pytest.raises(InputError, match="same length"):
        mixup(X[:-1])


def test_samples_beyond_single_precision_are_refused():
    """They came out as infinite numbers."""
    with pytest.raises(InputError, match="single precision"):
        GroupMixup(np.full((8, 2), -1e300), [0, 1] * 4, list("aabbaabb"), batch_size=4)
