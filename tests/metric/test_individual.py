"""Consistency compares each sample with its neighbours, itself left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mxfair._validation import InputError
from mxfair.metric.individual import consistency, consistency_by_group, lipschitz_violations


def brute_force(X, preds, k):
    """Return 1 - mean |pred - mean of the k nearest others| by sorting all distances."""
    X, preds = np.asarray(X, dtype=float), np.asarray(preds, dtype=float)
    distances = np.sqrt(((X[:, None] - X[None]) ** 2).sum(axis=-1))
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return 1 - np.abs(preds - preds[nearest].mean(axis=1))


def case(seed, n=60):
    """Return features and continuous predictions without ties in distance."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)), rng.random(n)


@pytest.mark.parametrize("k", [1, 3, 7])
@pytest.mark.parametrize("kind", ["decisions", "probabilities", "amounts"])
def test_consistency_equals_the_sum_over_all_distances(k, kind):
    """Decisions, probabilities and predicted amounts agree with brute force."""
    X, scores = case(k)
    preds = {"decisions": (scores > 0.5).astype(int), "probabilities": scores, "amounts": 50 * scores}[kind]
    assert consistency(X, preds, n_neighbors=k) == pytest.approx(brute_force(X, preds, k).mean(), abs=1e-12)


def test_a_sample_is_not_its_own_neighbour():
    """With one neighbour, alternating decisions on a line never agree."""
    assert consistency([[0.0], [1.0], [2.1], [3.3]], [0, 1, 0, 1], n_neighbors=1) == 0


@pytest.mark.parametrize("n_features", [1, 40])
def test_a_sample_among_duplicates_is_left_out_and_its_duplicates_are_not(n_features):
    """Three copies with decisions 1, 0, 0: the first has two other neighbours, the others one of each."""
    # 40 features are searched by brute force, 1 by a tree
    X = np.repeat([[0.0], [9.0]], 3, axis=0) * np.ones(n_features)
    # copies of 0: terms 1, 1/2, 1/2; copies of 9: all alike
    assert consistency(X, [1, 0, 0, 1, 1, 1], n_neighbors=2) == pytest.approx(1 - 2 / 6)


def test_more_duplicates_than_neighbours_still_leave_the_sample_out():
    """Of 30 copies, one decides otherwise: it disagrees with whichever neighbours it gets."""
    preds = np.zeros(30, dtype=int)
    preds[17] = 1
    by_sample = consistency_by_group(np.zeros((30, 2)), preds, np.arange(30) == 17, n_neighbors=3)
    assert by_sample.by_group["True"] == 0


def test_text_decisions_count_as_same_or_different():
    """Text gives what its codes give."""
    X, scores = case(3)
    coded = (scores > 0.4).astype(int)
    assert consistency(X, np.array(["no", "yes"])[coded]) == consistency(X, coded)


def test_numbers_of_classes_are_no_amounts():
    """Decisions coded -1 and 1, or 0 and 9, give the share of neighbours that differ."""
    X, scores = case(4)
    coded = (scores > 0.4).astype(int)
    expected = consistency(X, coded)
    assert consistency(X, 2 * coded - 1) == pytest.approx(expected)
    assert consistency(X, 9.0 * coded) == pytest.approx(expected)


def test_whole_amounts_can_be_told_from_classes():
    """decisions=False compares 0 and 9 by their distance."""
    X = [[0.0], [1.0], [9.0], [10.0]]
    assert consistency(X, [0, 9, 5, 5], n_neighbors=1, decisions=False) == pytest.approx(1 - 18 / 4)
    assert consistency(X, [0, 9, 5, 5], n_neighbors=1) == pytest.approx(0.5)


def test_scale_divides_amounts():
    """With the range as the scale, other units of the target give the same figure."""
    X, scores = case(5)
    assert consistency(X, 1000 * scores, scale=1000) == pytest.approx(consistency(X, scores))


def test_groups_average_over_their_own_samples():
    """The figure of each group is the mean of its samples' terms, and overall that of all."""
    X, preds = case(6)
    groups = np.array(["a", "b", None], dtype=object)[np.arange(60) % 3]
    terms = brute_force(X, preds, 5)
    figure = consistency_by_group(X, preds, groups)
    np.testing.assert_allclose(figure.values, [terms[0::3].mean(), terms[1::3].mean(), terms[2::3].mean()])
    assert figure.groups[-1] == "unknown"
    assert not figure.known[-1]
    assert figure.overall == pytest.approx(consistency(X, preds))


def test_weights_weigh_samples_and_not_neighbours():
    """A weight of 2 counts a sample's term twice."""
    X, preds = case(7)
    weight = np.arange(60) % 3
    expected = np.average(brute_force(X, preds, 5), weights=weight)
    assert consistency(X, preds, sample_weight=weight) == pytest.approx(expected)


def test_a_frame_of_mixed_columns_is_taken():
    """A data frame with bool and float columns gives what its array gives."""
    X, preds = case(8)
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1] > 0})
    assert consistency(frame, preds) == consistency(frame.to_numpy(dtype=float), preds)


def test_lipschitz_violations_by_brute_force():
    """A pair counts where scores differ by more than L times the distance."""
    X, scores = case(9)
    distances = np.sqrt(((X[:, None] - X[None]) ** 2).sum(axis=-1))
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, axis=1)[:, :4]
    apart = np.abs(scores[:, None] - scores[nearest])
    expected = (apart > 0.3 * np.take_along_axis(distances, nearest, axis=1)).mean(axis=1)
    groups = np.arange(60) % 2
    figure = lipschitz_violations(X, scores, groups, lipschitz=0.3, n_neighbors=4)
    np.testing.assert_allclose(figure.values, [expected[groups == 0].mean(), expected[groups == 1].mean()])
    assert 0 < figure.overall < 1


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"X": [[1.0], [np.nan], [2.0]]}, "missing"),
        ({"X": [1.0, 2.0, 3.0]}, "shape"),
        ({"X": [["a"], ["b"], ["c"]]}, "numbers"),
        ({"X": [[1.0], [2.0]]}, "same length"),
        ({"n_neighbors": 3}, "less than the number"),
        ({"n_neighbors": 0}, "at least 1"),
        ({"scale": 0}, "above 0"),
        ({"preds": [0.1, 0.2, np.inf]}, "finite"),
        ({"sample_weight": [1, -1, 1]}, "not negative"),
        ({"sample_weight": [1, 1]}, "same length"),
    ],
)
def test_what_cannot_be_compared_is_an_error(change, text):
    """Missing features, wrong shapes, too few samples and bad options say what is wrong."""
    arguments = {"X": [[1.0], [2.0], [3.0]], "preds": [0, 1, 1], "n_neighbors": 1, **change}
    with pytest.raises(InputError, match=text):
        consistency(**arguments)
