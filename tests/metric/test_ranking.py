"""Ranking figures are those of scikit-learn, of SciPy and of counting pairs, by group and between groups."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score, roc_curve

from mxfair import Groups
from mxfair._validation import InputError
from mxfair.metric._mann_whitney import MannWhitney
from mxfair.metric.ranking import abroca, roc_auc, score_ks_distance, score_wasserstein_distance, xauc


def case(seed, n=200, n_groups=3):
    """Return labels, scores with ties on odd seeds, groups, and weights on seeds that leave 2 or 3 over 4."""
    rng = np.random.default_rng(seed)
    labels, groups = rng.integers(0, 2, n), rng.integers(0, n_groups, n)
    scores = rng.normal(labels + groups / 4, 1)
    scores = np.round(scores, 1) if seed % 2 else scores
    return labels, scores, groups, (rng.random(n) if seed % 4 >= 2 else None)


def part(weight, rows):
    """Return some of the weights."""
    return None if weight is None else weight[rows]


def pairs_won(first, second, first_weight=None, second_weight=None):
    """Return P(first > second) + P(first = second) / 2 by counting all pairs."""
    won = (first[:, None] > second) + 0.5 * (first[:, None] == second)
    weight = np.outer(
        np.ones(len(first)) if first_weight is None else first_weight,
        np.ones(len(second)) if second_weight is None else second_weight,
    )
    return (won * weight).sum() / weight.sum()


# AUC


@pytest.mark.parametrize("seed", range(12))
def test_auc_by_group_equals_scikit_learn(seed):
    """Each group's AUC, and the overall one, are scikit-learn's, ties and weights included."""
    labels, scores, groups, weight = case(seed)
    figure = roc_auc(labels, scores, groups, sample_weight=weight)
    for i in range(3):
        rows = groups == i
        expected = roc_auc_score(labels[rows], scores[rows], sample_weight=part(weight, rows))
        assert figure.values[i] == pytest.approx(expected, abs=1e-12)
    assert figure.overall == pytest.approx(roc_auc_score(labels, scores, sample_weight=weight), abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
@pytest.mark.parametrize("spread", ["logits", "probabilities", "offset", "constant", "huge", "tiny", "zeros"])
def test_rare_positives_are_found_by_bins(dtype, spread):
    """Where few samples are positive, bins narrow the column, and the AUC is still exact."""
    rng = np.random.default_rng(0)
    normal = rng.normal(size=3000)
    values = {
        "logits": normal,
        "probabilities": np.exp(normal * 4 - 10),
        "offset": 1000 + normal,
        "constant": np.zeros(3000),
        "huge": np.sign(normal) * np.finfo(np.float32 if dtype == np.float32 else np.float64).max,
        "tiny": normal * 1e-44,
        "zeros": np.where(normal < 0, -0.0, 0.0),
    }[spread]
    with np.errstate(all="ignore"):
        scores = np.nan_to_num(values.astype(dtype)) if dtype != np.int64 else np.clip(values, -9e9, 9e9).astype(dtype)
    if dtype == np.float16:
        scores = np.clip(scores, -6e4, 6e4)
    labels = np.zeros(3000, dtype=int)
    labels[rng.choice(3000, 20, replace=False)] = 1
    groups = np.arange(3000) % 2
    figure = roc_auc(labels, scores, groups)
    wide = scores.astype(float)
    assert figure.overall == pytest.approx(pairs_won(wide[labels == 1], wide[labels == 0]), abs=1e-12)
    for g in range(2):
        rows = groups == g
        expected = pairs_won(wide[(labels == 1) & rows], wide[(labels == 0) & rows])
        assert figure.values[g] == pytest.approx(expected, abs=1e-12)


def test_columns_that_share_buffers_do_not_mix():
    """The buffers that one column left behind do not change the next one, whatever its type."""
    rng = np.random.default_rng(1)
    rank, codes = MannWhitney(2000, np.arange(2000) % 3, 3), np.arange(2000) % 3
    for dtype in (np.float32, np.float64, np.float32):
        column, positives = rng.normal(size=2000).astype(dtype), rng.choice(2000, 15, replace=False)
        again = MannWhitney(2000, codes, 3)(column, positives).u(3)
        np.testing.assert_array_equal(rank(column, positives).u(3), again)


def test_the_placements_of_positives_and_negatives_are_delongs():
    """S10 and S01 are the variances of the placements, counted pair by pair."""
    rng = np.random.default_rng(2)
    scores, hits = rng.normal(size=60), np.arange(60) < 20
    s10, s01 = MannWhitney(60)(scores, np.flatnonzero(hits)).components(40)
    won = scores[hits][:, None] > scores[~hits]
    assert s10 == pytest.approx(won.mean(axis=1).var(ddof=1))
    assert s01 == pytest.approx(won.mean(axis=0).var())


def test_a_group_without_a_label_has_no_auc_and_says_why():
    """NaN, with which label is absent; the gap covers the other groups."""
    figure = roc_auc([0, 1, 1, 1, 0], [0.1, 0.2, 0.3, 0.4, 0.5], ["a", "a", "b", "b", "c"])
    assert figure.by_group["a"] == 1
    assert figure.undefined == {"b": "no negative samples", "c": "no positive samples"}


def test_an_absent_group_has_no_samples():
    """A group that kept its name but lost its samples is undefined for that reason."""
    figure = roc_auc([0, 1], [0.1, 0.2], Groups(["a", "a", "b"]).take([0, 1]))
    assert figure.undefined == {"b": "no samples"}


def test_unknown_groups_are_shown_and_left_out_of_gaps():
    """Samples without a group count overall and have a value of their own, which no gap compares."""
    figure = roc_auc([0, 1, 0, 1, 0, 1], [1, 2, 1, 2, 2, 1], ["a", "a", "b", "b", None, None])
    assert figure.by_group["unknown"] == 0
    assert figure.difference() == 0
    assert figure.overall < 1


@pytest.mark.parametrize(
    ("labels", "positive"),
    [(["no", "yes", "no", "yes"], None), (["yes", "no", "yes", "no"], "no"), ([2, 1, 3, 1], 1), ([0.0, 1.0, 0, 1], 1)],
)
def test_the_positive_label_may_be_any(labels, positive):
    """Text, the first label, or one of several against the rest."""
    assert roc_auc(labels, [0.1, 0.9, 0.2, 0.8], ["a"] * 4, positive=positive).overall == 1


def test_labels_of_one_kind_are_undefined_not_refused():
    """Data of one label have no AUC; which label it is is told, or is 0 or 1."""
    assert roc_auc([1, 1], [0.1, 0.2], ["a", "b"]).undefined == dict.fromkeys("ab", "no negative samples")
    assert roc_auc(["no"], [0.1], ["a"], positive="yes").undefined == {"a": "no positive samples"}


def test_every_container_gives_the_same_auc():
    """Lists, columns and one-column tables are read alike."""
    labels, scores, groups, _ = case(0)
    expected = roc_auc(labels, scores, groups).values
    frame = pd.DataFrame({"y": labels, "s": scores, "g": groups})
    for given in (
        (frame.y, frame.s, frame.g),
        (labels.tolist(), scores.tolist(), groups),
        (labels, frame[["s"]], groups),
    ):
        np.testing.assert_array_equal(roc_auc(*given).values, expected)


@pytest.mark.parametrize(
    ("labels", "scores", "options", "message"),
    [
        ([0, 1], [0.1, np.nan], {}, "finite"),
        ([0, 1], [0.1, np.inf], {}, "finite"),
        ([0, 1], [0.1], {}, "same length"),
        ([0, 1], [[0.1, 0.9], [0.2, 0.8]], {}, "positive class's score"),
        ([0, 1, 2], [1, 2, 3], {}, "'positive' must be given"),
        (["x", "x"], [1, 2], {}, "'positive' must be given"),
        ([0, 1], [1, 2], {"positive": 7}, "must be one of the classes"),
        ([0, 1], [1, 2], {"sample_weight": [1, -1]}, "not negative"),
        ([0, None], [1, 2], {}, "must not be missing"),
        ([0, 1], ["x", "y"], {}, "must be numbers"),
    ],
)
def test_what_cannot_be_ranked_is_refused(labels, scores, options, message):
    """Bad scores, lengths, labels and weights are errors that say what to do."""
    with pytest.raises(InputError, match=message):
        roc_auc(labels, scores, ["a"] * len(labels), **options)


# Between groups


@pytest.mark.parametrize("seed", range(8))
def test_xauc_counts_pairs_across_groups(seed):
    """Positives of a against negatives of b, ties half, weights multiplied; the diagonal is each group's AUC."""
    labels, scores, groups, weight = case(seed)
    figure = xauc(labels, scores, groups, sample_weight=weight)
    for a in range(3):
        for b in range(3):
            first, second = (groups == a) & (labels == 1), (groups == b) & (labels == 0)
            expected = pairs_won(scores[first], scores[second], part(weight, first), part(weight, second))
            assert figure.values[a, b] == pytest.approx(expected, abs=1e-12)
    assert not figure.symmetric


def curve_area(labels, scores, groups, weight, points=200_001):
    """Return the area between two groups' ROC curves from heights in the middle of many thin slices."""
    middle = (np.arange(points) + 0.5) / points
    heights = []
    for g in range(2):
        rows = groups == g
        fpr, tpr, _ = roc_curve(labels[rows], scores[rows], sample_weight=part(weight, rows), drop_intermediate=False)
        heights.append(np.interp(middle, fpr, tpr))
    return np.abs(heights[0] - heights[1]).mean()


@pytest.mark.parametrize("seed", range(12))
def test_abroca_equals_the_area_from_a_fine_grid(seed):
    """Scikit-learn's ROC curves on 200,000 slices differ by the same area."""
    labels, scores, groups, weight = case(seed, n=60, n_groups=2)
    figure = abroca(labels, scores, groups, sample_weight=weight)
    assert figure.max() == pytest.approx(curve_area(labels, scores, groups, weight), abs=2e-4)


def test_abroca_of_crossing_curves_by_hand():
    """One group's curve is the diagonal, the other's (0,0)-(0,1/2)-(1,1/2)-(1,1): two triangles of area 1/8."""
    labels = [0, 1, 1, 0, 1]
    scores = [5, 5, 9, 7, 1]
    figure = abroca(labels, scores, ["a", "a", "b", "b", "b"])
    assert figure.max() == pytest.approx(1 / 4, abs=1e-15)
    auc = roc_auc(labels, scores, ["a", "a", "b", "b", "b"])
    assert auc.difference() == 0


def test_abroca_is_at_least_the_difference_of_aucs():
    """The area between the curves is no smaller than the difference of the areas below them."""
    for seed in range(20):
        labels, scores, groups, weight = case(seed, n=50, n_groups=2)
        area = abroca(labels, scores, groups, sample_weight=weight).max()
        assert area >= roc_auc(labels, scores, groups, sample_weight=weight).difference() - 1e-12


def test_a_group_without_a_label_has_no_curve():
    """Pairs with it are NaN; its own place too."""
    values = abroca([0, 1, 1, 0, 1], [1, 2, 3, 1, 2], ["a", "a", "b", "c", "c"]).values
    assert np.isnan(values[1]).all()
    assert np.isnan(values[:, 1]).all()
    assert values[0, 2] == 0


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("given", [None, 0, 1])
def test_distances_equal_scipy(seed, given):
    """Kolmogorov-Smirnov and Wasserstein distances are SciPy's, over all samples or those of one label."""
    labels, scores, groups, weight = case(seed)
    ks = score_ks_distance(labels, scores, groups, given=given)
    wasserstein = score_wasserstein_distance(labels, scores, groups, given=given, sample_weight=weight)
    for a in range(3):
        for b in range(a):
            first, second = (
                rows & (np.full(len(labels), True) if given is None else labels == given)
                for rows in (groups == a, groups == b)
            )
            expected = stats.ks_2samp(scores[first], scores[second]).statistic
            assert ks.values[a, b] == pytest.approx(expected, abs=1e-12)
            weights = [part(weight, first), part(weight, second)]
            expected = stats.wasserstein_distance(scores[first], scores[second], *weights)
            assert wasserstein.values[a, b] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("figure", [score_ks_distance, score_wasserstein_distance])
def test_whole_weights_are_repeated_samples(figure):
    """A weight of 3 is three samples; a weight of 0 is none."""
    labels, scores, groups, _ = case(1)
    count = np.random.default_rng(0).integers(0, 4, len(labels))
    again = np.repeat(np.arange(len(labels)), count)
    weighted = figure(labels, scores, groups, given=1, sample_weight=count)
    repeated = figure(labels[again], scores[again], groups[again], given=1)
    np.testing.assert_allclose(weighted.values, repeated.values, atol=1e-12)


@pytest.mark.parametrize("figure", [score_ks_distance, score_wasserstein_distance])
def test_the_noise_floor_is_the_mean_distance_of_random_groups(figure):
    """Groups drawn at random are on average as far apart as the floor says."""
    rng = np.random.default_rng(0)
    scores, values, floors = rng.beta(2, 5, 900), [], []
    for _ in range(150):
        result = figure(None, scores, (rng.random(900) < 0.3).astype(int))
        values.append(result.values[0, 1])
        floors.append(result.floor[0, 1])
    assert np.mean(values) == pytest.approx(np.mean(floors), rel=0.08)


def test_given_must_be_a_label():
    """A label that does not occur is refused."""
    with pytest.raises(InputError, match="'given' must be one of the labels"):
        score_ks_distance([0, 1], [0.1, 0.2], ["a", "b"], given="yes")


def test_a_label_that_a_group_lacks_leaves_no_distance():
    """Without samples of the label there is nothing to compare."""
    figure = score_wasserstein_distance([0, 1, 1], [0.1, 0.2, 0.3], ["a", "b", "b"], given=1)
    assert np.isnan(figure.max())
    assert np.isnan(score_ks_distance([0, 1, 1], [0.1, 0.2, 0.3], ["a", "b", "b"], given=1).max())
