"""One-vs-rest AUC of many classes is scikit-learn's, and gaps between random groups are what the floor says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from mxfair import Groups
from mxfair._validation import InputError
from mxfair.metric._columns import BLOCK, expected_range
from mxfair.metric.multiclass_auc import roc_auc_ovr
from mxfair.metric.ranking import roc_auc


def case(n=3000, n_classes=40, seed=0, dtype=np.float64):
    """Return labels and probabilities of many classes."""
    rng = np.random.default_rng(seed)
    labels, logits = rng.integers(0, n_classes, n), rng.normal(size=(n, n_classes))
    logits[np.arange(n), labels] += 1.5
    scores = np.exp(logits)
    return labels, (scores / scores.sum(axis=1, keepdims=True)).astype(dtype), rng


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-6)])
@pytest.mark.parametrize("weighted", [False, True])
def test_each_class_equals_scikit_learn(dtype, tolerance, weighted):
    """Values, macro and weighted means are scikit-learn's."""
    labels, scores, rng = case(dtype=dtype)
    weight = rng.random(len(labels)) if weighted else None
    result = roc_auc_ovr(labels, scores, sample_weight=weight)
    options = {"multi_class": "ovr", "sample_weight": weight}
    np.testing.assert_allclose(result.values, roc_auc_score(labels, scores, average=None, **options), atol=tolerance)
    assert result.macro == pytest.approx(roc_auc_score(labels, scores, average="macro", **options), abs=tolerance)
    if not weighted:  # scikit-learn's prevalence ignores the weights
        assert result.weighted == pytest.approx(
            roc_auc_score(labels, scores, average="weighted", **options), abs=tolerance
        )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_classes", [3, 40])
def test_each_group_and_class_equals_the_binary_auc(n_classes, weighted):
    """The table by group and class is what each column alone gives, few positives or many."""
    labels, scores, rng = case(n_classes=n_classes)
    groups, weight = rng.choice(["a", "b", "c"], len(labels)), rng.random(len(labels)) if weighted else None
    result = roc_auc_ovr(labels, scores, groups, sample_weight=weight)
    for k in range(n_classes):
        column = roc_auc(labels, scores[:, k], groups, positive=k, sample_weight=weight)
        np.testing.assert_allclose(result.by_group[:, k], column.values, atol=1e-12)


@pytest.mark.parametrize("n_classes", [2, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK])
@pytest.mark.parametrize("order", ["C", "F"])
def test_columns_meet_at_the_ends_of_blocks(n_classes, order):
    """Any number of columns, in either order of memory."""
    labels, scores, _ = case(n=400, n_classes=n_classes)
    result = roc_auc_ovr(labels, np.array(scores, order=order))
    expected = [roc_auc_score(labels == k, scores[:, k]) for k in range(n_classes)]
    np.testing.assert_allclose(result.values, expected, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int32, np.uint8, bool])
def test_scores_of_any_numeric_type(dtype):
    """Half precision, whole numbers and truth values rank like their exact values."""
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 3, 300), (rng.random((300, 3)) * 9).astype(dtype)
    np.testing.assert_allclose(
        roc_auc_ovr(labels, scores).values, roc_auc_ovr(labels, scores.astype(float)).values, atol=1e-12
    )


def test_text_labels_follow_the_sorted_classes():
    """The columns are in the order of the sorted labels."""
    result = roc_auc_ovr(["no", "yes", "maybe", "no"], [[0, 3, 1], [0, 1, 3], [5, 1, 1], [1, 2, 0]])
    assert result.classes.tolist() == ["maybe", "no", "yes"]
    assert result.macro == 1


def test_a_class_without_samples_is_undefined_and_counted():
    """NaN with a count of 0 and a reason; the means are over the others."""
    result = roc_auc_ovr([0, 1, 1, 0], [[3, 1, 0], [1, 3, 0], [1, 2, 0], [2, 0, 0]])
    assert np.isnan(result.values).tolist() == [False, False, True]
    assert result.positives.tolist() == [2, 2, 0]
    assert result.undefined == {2: "no positive samples"}
    assert (result.macro, result.weighted) == (1, 1)
    assert "1 undefined" in repr(result)


def test_data_of_one_class_have_no_auc():
    """Every class is undefined, and so are the means."""
    result = roc_auc_ovr([1, 1], [[1, 2], [3, 4]])
    assert result.undefined == {0: "no positive samples", 1: "no negative samples"}
    assert np.isnan([result.macro, result.weighted]).all()
    assert result.worst is None


def test_the_worst_class_has_the_smallest_auc():
    """Its value and its own label are returned."""
    result = roc_auc_ovr([5, 6, 7, 7], [[3, 1, 0], [0, 2, 1], [0, 1, 2], [1, 3, 2]])
    assert result.worst == (6, pytest.approx(2 / 3))


def test_macro_by_group_compares_the_same_classes():
    """A class that one group lacks is left out of every group's mean."""
    labels, groups = np.array([0, 1, 2, 0, 1, 0, 1]), list("aaabbbb")
    scores = np.random.default_rng(0).random((7, 3))
    result = roc_auc_ovr(labels, scores, groups)
    assert result.comparable.tolist() == [True, True, False]
    macro = result.macro_by_group()
    np.testing.assert_allclose(macro.values, result.by_group[:, :2].mean(axis=1))
    assert macro.overall == pytest.approx(result.values[:2].mean())


def test_groups_without_a_class_in_common_have_no_macro():
    """NaN, with the reason."""
    macro = roc_auc_ovr([0, 0, 1, 1], np.eye(4)[:, :2], list("aabb")).macro_by_group()
    assert macro.undefined == dict.fromkeys("ab", "no class has an AUC in every group")


def test_gaps_leave_out_unknown_groups():
    """The gap of a class is the largest distance between known groups."""
    labels, scores, rng = case(n_classes=4)
    groups = rng.choice(np.array(["a", "b", "c", None], dtype=object), len(labels))
    result = roc_auc_ovr(labels, scores, groups)
    assert result.groups == ("a", "b", "c", "unknown")
    np.testing.assert_allclose(result.gaps, np.ptp(result.by_group[:3], axis=0))


def test_the_frame_holds_everything():
    """A row per class with its AUC, count, AUC by group, gap and floor."""
    labels, scores, rng = case(n_classes=4)
    frame = roc_auc_ovr(labels, scores, rng.choice(["a", "b"], len(labels))).to_frame()
    assert list(frame.columns) == ["roc_auc", "positives", "roc_auc a", "roc_auc b", "gap", "noise floor"]
    assert frame["positives"].sum() == len(labels)


@pytest.mark.parametrize("n_groups", [2, 4])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_noise_floor_is_the_mean_gap_of_random_groups(n_groups, weighted):
    """With groups drawn at random the mean gap over the classes is the mean floor."""
    labels, scores, rng = case(n=20_000, n_classes=200)
    weight = rng.random(len(labels)) ** 2 if weighted else None
    result = roc_auc_ovr(labels, scores, rng.integers(0, n_groups, len(labels)), sample_weight=weight)
    assert result.gaps.mean() == pytest.approx(result.floor.mean(), rel=0.1)


def test_the_floor_of_scores_without_information_is_mann_and_whitneys():
    """At an AUC of 1/2 and 25 positives a cell the expected gap is sqrt(2/pi) sqrt(2/12/25)."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(200), 50)
    floor = roc_auc_ovr(labels, rng.random((10_000, 200)), np.arange(10_000) % 2).floor
    assert floor.mean() == pytest.approx(np.sqrt(2 / np.pi * 2 / 12 / 25), rel=0.02)


def test_the_expected_range_is_that_of_normal_samples():
    """Of equal variances it is the tabled range d2 of 3 and 5; of others that of a simulation."""
    np.testing.assert_allclose(expected_range(np.ones((3, 1))), 1.692569, rtol=1e-5)
    np.testing.assert_allclose(expected_range(np.full((5, 1), 4.0)), 2 * 2.325929, rtol=1e-5)
    deviation = np.array([0.1, 1, 3, 0])
    draws = stats.norm.rvs(size=(200_000, 4), random_state=0) * deviation
    np.testing.assert_allclose(expected_range(deviation[:, None] ** 2), np.ptp(draws, axis=1).mean(), rtol=0.02)


def test_the_expected_range_needs_two_groups():
    """One group has no gap; what is NaN takes no part."""
    variance = np.array([[1, 1, np.nan], [np.nan, 1, np.nan], [np.nan, np.nan, np.nan]])
    found = expected_range(variance)
    assert np.isnan(found).tolist() == [True, False, True]
    assert found[1] == pytest.approx(2 / np.sqrt(np.pi), rel=1e-5)


@pytest.mark.parametrize(
    ("labels", "scores", "options", "message"),
    [
        ([0, 1, 5], np.ones((3, 2)), {"classes": [0, 1]}, "among the classes"),
        ([0, 1, 5], np.ones((3, 4)), {}, "among the classes"),
        ([0, 1, 1], np.ones((2, 2)), {}, "same length"),
        ([0, 1, 1], np.ones(3), {}, "one column per class"),
        ([0, 1, 1], np.ones((3, 2)), {"classes": [0, 1, 2]}, r"one column per class \(3\); got 2"),
        ([0, 1, 1], np.ones((3, 2)), {"sample_weight": [1, 2, -3]}, "not negative"),
        ([0, 1, 1], np.array([["x", "y"]] * 3), {}, "must be numbers"),
    ],
)
def test_what_does_not_fit_is_refused(labels, scores, options, message):
    """Unseen labels, other shapes, lengths and weights are errors."""
    with pytest.raises(InputError, match=message):
        roc_auc_ovr(labels, scores, **options)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("order", ["C", "F"])
def test_one_score_that_is_not_finite_is_found(value, order):
    """Wherever it stands, before any ranking."""
    scores = np.ones((2000, 30), dtype=np.float32, order=order)
    scores[1999, 29] = value
    with pytest.raises(InputError, match="finite"):
        roc_auc_ovr(np.arange(2000) % 30, scores)


def test_absent_groups_keep_their_place():
    """A group without samples has NaN everywhere and does not disturb the others."""
    groups = Groups(["a", "b", "c"] * 10).take(np.arange(30) % 3 != 1)
    labels, scores, _ = case(n=20, n_classes=2)
    result = roc_auc_ovr(labels, scores, groups)
    assert np.isnan(result.by_group[1]).all()
    assert np.isfinite(result.gaps).all()
