"""Selections of k rows against all subsets, and FA*IR against its algorithm written as a loop."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import binom

from mxfair._validation import InputError, InputTypeError
from mxfair.postprocessing import RankedTopK, TopK
from mxfair.postprocessing._prefix_test import corrected, minima, rejected


def rows(n=200, n_groups=3, seed=0, levels=0):
    """Return scores that are higher in some groups, and groups."""
    rng = np.random.default_rng(seed)
    groups = rng.choice(list("abcd"[:n_groups]), n)
    scores = rng.random(n) * (1 - 0.3 * (groups == "b"))
    return (np.round(scores * levels) / levels if levels else scores), groups


@pytest.mark.parametrize("seed", range(6))
def test_bounds_give_the_largest_sum_of_all_subsets(seed):
    """No other subset within the bounds has a larger sum of scores."""
    scores, groups = rows(11, seed=seed, levels=6)
    low, high, k = {"b": 0.34}, {"a": 0.5, "c": 0.67}, 5
    sums = []
    for subset in itertools.combinations(range(11), k):
        counts = {name: (groups[list(subset)] == name).sum() for name in "abc"}
        if counts["b"] >= 0.34 * k and counts["a"] <= 0.5 * k and counts["c"] <= 0.67 * k:
            sums.append(scores[list(subset)].sum())
    selection = TopK(k, rule="bounds", lower=low, upper=high)
    if not sums:
        with pytest.raises(InputError):
            selection.select(scores, groups)
        return
    chosen = selection.rank(scores, groups)
    assert len(chosen) == k
    assert scores[chosen].sum() == pytest.approx(max(sums))
    assert (np.diff(scores[chosen]) <= 0).all()
    assert (groups[chosen] == "a").sum() <= 2
    assert (groups[chosen] == "b").sum() >= 2


def test_without_bounds_the_best_are_taken():
    """No bounds, or a quota that all meet, give the k best."""
    scores, groups = rows()
    np.testing.assert_array_equal(TopK(20, rule="bounds").rank(scores, groups), np.argsort(-scores)[:20])
    assert TopK(0.1).select(scores, groups).sum() == 20


@pytest.mark.parametrize(
    ("shares", "expected"),
    [("population", [4, 4, 2]), ("equal", [4, 3, 3]), ({"a": 0.1, "b": 0.25, "c": 0.65}, [1, 3, 6])],
)
def test_shares_are_seats_by_largest_remainders(shares, expected):
    """Ten seats go to the groups by their shares, each taken by its best rows."""
    groups = np.repeat(list("abc"), [40, 38, 22])
    scores = np.random.default_rng(0).random(100)
    chosen = TopK(10, shares=shares).select(scores, groups)
    for name, seats in zip("abc", expected):
        own = groups == name
        assert chosen[own].sum() == seats
        assert scores[own & chosen].min() > scores[own & ~chosen].max()


def test_expected_recall_is_as_even_as_it_can_be():
    """With calibrated scores the recall of the groups agrees to within a row, and that of drawn labels too."""
    scores, groups = rows(20_000)
    chosen = TopK(4000, rule="equal_opportunity").select(scores, groups)
    labels = np.random.default_rng(1).random(20_000) < scores
    expected = [scores[chosen & (groups == g)].sum() / scores[groups == g].sum() for g in "abc"]
    assert np.ptp(expected) < 1e-3
    assert np.ptp([chosen[labels & (groups == g)].mean() for g in "abc"]) < 0.03
    plain = TopK(4000, rule="bounds").select(scores, groups)
    assert np.ptp([plain[labels & (groups == g)].mean() for g in "abc"]) > 0.1


def test_equal_recall_is_the_loop_that_always_helps_the_group_behind():
    """The rows are those of a loop that takes the best row of the group with the smallest recall so far."""
    scores, groups = rows(60)
    left = {g: list(np.flatnonzero(groups == g)[np.argsort(-scores[groups == g])]) for g in "abc"}
    taken, recall = [], dict.fromkeys("abc", 0.0)
    for _ in range(25):
        behind = min((g for g in "abc" if left[g]), key=lambda g: recall[g])
        taken.append(left[behind].pop(0))
        recall[behind] += scores[taken[-1]] / scores[groups == behind].sum()
    np.testing.assert_array_equal(np.sort(TopK(25, rule="equal_opportunity").rank(scores, groups)), np.sort(taken))


def test_ties_go_to_the_earlier_row():
    """Equal scores are taken in the order of the rows."""
    assert TopK(3, rule="bounds").rank(np.ones(9), list("abcabcabc")).tolist() == [0, 1, 2]
    assert RankedTopK(4, protected="b", share=0.5).rank(np.ones(8), list("aaaabbbb")).tolist()[:3] == [0, 1, 2]


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.3, [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2]),
        (0.5, [0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 4]),
        (0.7, [0, 1, 1, 2, 2, 3, 3, 4, 5, 5, 6, 6]),
    ],
)
def test_minima_are_those_of_the_paper(share, expected):
    """The numbers of protected rows at alpha 0.1 are those of the paper's table, and pass the test that less fail."""
    least = RankedTopK(12, protected="x", share=share, corrected=False).minima(100)
    assert least.tolist() == expected
    for size, number in enumerate(least.tolist(), start=1):
        assert binom.cdf(number, size, share) > 0.1
        assert number == 0 or binom.cdf(number - 1, size, share) <= 0.1


def test_the_chance_of_a_rejection_is_that_of_all_sequences():
    """Counting all sequences of ten rows gives the same chance, and the corrected level keeps it."""
    least, total = minima(10, 0.4, 0.1), 0.0
    for sequence in itertools.product([0, 1], repeat=10):
        if (np.cumsum(sequence) < least).any():
            total += 0.4 ** sum(sequence) * 0.6 ** (10 - sum(sequence))
    assert rejected(least, 0.4) == pytest.approx(total, abs=1e-12)
    assert total > 0.1
    level = corrected(10, 0.4, 0.1)
    assert rejected(minima(10, 0.4, level), 0.4) <= 0.1 < rejected(minima(10, 0.4, level * 1.0001 + 1e-9), 0.4)


def by_loop(scores, protected, least):
    """Rank as algorithm 2 of the paper does: row after row."""
    order = np.argsort(-scores, kind="stable")
    queues = [[i for i in order if not protected[i]], [i for i in order if protected[i]]]
    rank = {row: place for place, row in enumerate(order)}
    taken, count = [], 0
    for number in least:
        best = min((q for q in queues if q), key=lambda q: rank[q[0]])
        source = queues[1] if count < number else best
        count += source is queues[1]
        taken.append(source.pop(0))
    return taken


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, None])
def test_rankings_are_those_of_the_algorithm(seed, share):
    """The ranking without a loop is that of the paper's algorithm, ties and all."""
    scores, groups = rows(150, 2, seed=seed, levels=20 if seed % 2 else 0)
    scores = scores * np.where(groups == "b", 0.3, 1.0)
    for multiple in (False, True):
        ranking = RankedTopK(40, protected="b", share=share, corrected=multiple)
        least = ranking.minima(150, share=(groups == "b").mean() if share is None else None)
        chosen = ranking.rank(scores, groups)
        assert chosen.tolist() == by_loop(scores, groups == "b", least)
        assert (np.cumsum(groups[chosen] == "b") >= least).all()


def test_several_protected_groups_are_one_set():
    """Groups given together are protected together."""
    scores, groups = rows()
    one = RankedTopK(30, protected=["b", "c"]).rank(scores, groups)
    np.testing.assert_array_equal(one, RankedTopK(30, protected="x").rank(scores, np.where(groups == "a", "a", "x")))


def test_bad_options_are_refused():
    """Options that cannot be used, groups that do not occur, and selections that cannot be made."""
    scores, groups = rows()
    for options, error, match in (
        ({"k": 0}, InputError, "'k'"),
        ({"k": 2.5}, InputError, "'k'"),
        ({"k": 201}, InputError, "'k'"),
        ({"k": "ten"}, InputTypeError, "'k'"),
        ({"rule": "quota"}, InputError, "rule"),
        ({"shares": "even"}, InputError, "shares"),
        ({"shares": {"a": 0.5, "b": 0.5}}, InputError, "shares"),
        ({"shares": [0.5, 0.5]}, InputTypeError, "shares"),
        ({"lower": {"a": 0.5}}, InputError, "lower"),
        ({"rule": "bounds", "shares": "equal"}, InputError, "shares"),
        ({"rule": "bounds", "lower": {"z": 0.5}}, InputError, "lower"),
        ({"rule": "bounds", "lower": {"a": 1.5}}, InputError, "lower"),
        ({"rule": "bounds", "lower": {"a": np.nan}}, InputError, "lower"),
        ({"rule": "bounds", "upper": {"a": "half"}}, InputTypeError, "upper"),
        ({"k": np.nan}, InputError, "'k'"),
        ({"k": np.inf}, InputError, "'k'"),
        ({"rule": "bounds", "lower": {"a": 0.6, "b": 0.6}}, InputError, "lower"),
        ({"rule": "bounds", "upper": dict.fromkeys("abc", 0.2)}, InputError, "upper"),
        ({"k": 200, "shares": {"a": 1, "b": 0, "c": 0}}, InputError, "must have the rows"),
    ):
        with pytest.raises(error, match=match):
            TopK(**{"k": 10, **options}).rank(scores, groups)
    for options, error, match in (
        ({"protected": "z"}, InputError, "protected"),
        ({"protected": list("abc")}, InputError, "protected"),
        ({"share": 1.0}, InputError, "share"),
        ({"share": "half"}, InputTypeError, "share"),
        ({"alpha": 0}, InputError, "alpha"),
        ({"k": 150, "share": 0.9}, InputError, "protected groups"),
    ):
        with pytest.raises(error, match=match):
            RankedTopK(**{"k": 10, "protected": "b", **options}).rank(scores, groups)
    with pytest.raises(InputError, match="share"):
        RankedTopK(10, protected="b").minima(100)
    with pytest.raises(InputError, match="same length"):
        TopK(10).rank(scores[1:], groups)
    with pytest.raises(InputError, match="known"):
        TopK(10).rank(scores, [None, *groups[1:]])
    with pytest.raises(InputError, match="probabilities"):
        TopK(10, rule="equal_opportunity").rank(scores * 3, groups)


def test_a_prefix_that_chance_has_at_the_very_level_is_rejected():
    """The test asks for more than its level: of one row at 1/2, none protected has a chance of 1/2 exactly."""
    np.testing.assert_array_equal(minima(3, 0.5, 0.5), [1, 1, 2])
    np.testing.assert_array_equal(minima(3, 0.5, 0.5 - 1e-9), [0, 1, 1])
