"""Shares of groups: published values, brute force, and nothing passed on too little data."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from mxfair._validation import InputError
from mxfair.metric.representation import (
    _demographic_disparity,
    class_imbalance,
    conditional_demographic_disparity,
    four_fifths_rule,
)

# Amazon SageMaker Clarify tests its metrics on these twelve people.
SEX = list("MFFMFMFFMMFF")
PREDS = [1, 1, 1, 0, 0, 0, 1, 1, 0, 1, 0, 0]


def test_clarifys_published_class_imbalance():
    """Seven women and five men: -1/6 for women as the disadvantaged facet."""
    figure = class_imbalance(SEX)
    assert figure.by_group["F"] == pytest.approx(-1 / 6)
    assert figure.by_group["M"] == pytest.approx(1 / 6)


def test_class_imbalance_leaves_the_unknown_out():
    """Samples without the attribute change nothing and get no figure of their own, but their count."""
    figure = class_imbalance([*SEX, None, None])
    np.testing.assert_allclose(figure.values[:2], [-1 / 6, 1 / 6])
    assert math.isnan(figure.values[2])
    assert figure.support[2] == 2
    assert figure.undefined == {"unknown": "the sensitive attribute is missing"}
    assert math.isnan(figure.overall)


def test_class_imbalance_of_weights():
    """Weights count samples."""
    assert class_imbalance(["a", "b"], sample_weight=[1, 3]).by_group["a"] == 0.5


def shares(preds, own):
    """Return the share among the rejected minus the share among the accepted, or None."""
    if preds.all() or not preds.any():
        return None
    return own[~preds].mean() - own[preds].mean()


@pytest.mark.parametrize("seed", range(4))
def test_conditional_disparity_is_the_mean_over_strata(seed):
    """Each stratum's difference of shares, weighted by its samples, for every group."""
    rng = np.random.default_rng(seed)
    groups, strata = rng.choice(["a", "b", "c"], 200), rng.integers(0, 4, 200)
    preds = rng.random(200) < 0.2 + 0.15 * strata
    figure = conditional_demographic_disparity(preds, groups, strata)
    for i, group in enumerate("abc"):
        inside = [(shares(preds[strata == s], groups[strata == s] == group), (strata == s).sum()) for s in range(4)]
        values, sizes = zip(*[pair for pair in inside if pair[0] is not None])
        assert figure.values[i] == pytest.approx(np.average(values, weights=sizes))
    assert figure.values.sum() == pytest.approx(0)


def test_simpsons_paradox_disappears_given_the_department():
    """Women apply where few are accepted: disparity overall, none in either department."""
    department = np.repeat(["hard", "hard", "easy", "easy"], [80, 20, 20, 80])
    sex = np.repeat(["f", "m", "f", "m"], [80, 20, 20, 80])
    preds = np.concatenate(
        [np.arange(80) % 4 == 0, np.arange(20) % 4 == 0, np.arange(20) % 4 > 0, np.arange(80) % 4 > 0]
    )
    plain = conditional_demographic_disparity(preds, sex)
    assert plain.by_group["f"] == pytest.approx(0.3)
    given = conditional_demographic_disparity(preds, sex, department)
    assert given.by_group["f"] == pytest.approx(0)


def test_a_stratum_where_all_decisions_are_alike_is_left_out():
    """Nobody accepted in it: its samples change nothing, and leave the support."""
    preds, groups = np.array([1, 0, 1, 0, 0]), np.array(["a", "a", "b", "b", "a"])
    alone = conditional_demographic_disparity(preds, groups)
    control = ["x"] * 5 + ["nobody"] * 3
    with pytest.warns(UserWarning, match=r"nobody; 37.5%"):
        more = conditional_demographic_disparity([*preds, 0, 0, 0], [*groups, "a", "a", "b"], control)
    np.testing.assert_allclose(more.values, alone.values)
    np.testing.assert_array_equal(more.support, [3, 2])


def test_no_stratum_with_both_decisions_is_undefined():
    """All accepted: NaN with a reason, never 0."""
    figure = conditional_demographic_disparity([1, 1, 1], ["a", "b", "b"])
    assert np.isnan(figure.values).all()
    assert "some accepted and some rejected" in figure.undefined["a"]


def test_unknown_groups_are_no_part_of_the_shares():
    """Samples without the attribute change no other group's figure."""
    preds, groups = [1, 0, 0, 1], ["f", "f", "f", "m"]
    plain = conditional_demographic_disparity(preds, groups)
    more = conditional_demographic_disparity([*preds, 1, 0], [*groups, None, None])
    np.testing.assert_allclose(more.values[:2], plain.values)
    assert math.isnan(more.values[2])


def test_a_missing_stratum_is_a_stratum():
    """No sample is dropped for want of the control attribute."""
    rng = np.random.default_rng(0)
    preds, groups, strata = rng.integers(0, 2, 60), rng.choice(["a", "b"], 60), rng.integers(0, 3, 60)
    text = np.array(["x", "y", None], dtype=object)[strata]
    figure = conditional_demographic_disparity(preds, groups, text)
    np.testing.assert_allclose(figure.values, conditional_demographic_disparity(preds, groups, strata).values)


def test_disparity_of_resamples_goes_through_at_once():
    """Leading axes are resamples."""
    counts = np.random.default_rng(0).integers(0, 9, (20, 4, 3, 2)).astype(float)
    together = _demographic_disparity(counts)[0]
    for one, part in zip(together, counts):
        np.testing.assert_allclose(one, _demographic_disparity(part)[0])


def groups_of(*sizes):
    """Return decisions and groups from pairs (selected, rejected)."""
    preds = np.concatenate([np.repeat([1, 0], pair) for pair in sizes])
    return preds, np.repeat(list("abcdef")[: len(sizes)], [sum(pair) for pair in sizes])


@pytest.mark.parametrize(
    ("sizes", "verdict", "ratio"),
    [
        ([(40, 60), (50, 50)], "passed", 0.8),
        ([(39, 61), (50, 50)], "failed", 0.78),
        ([(24, 6), (30, 0)], "passed", 0.8),
        ([(20, 10), (25, 5)], "passed", 0.8),  # as floats, a rounding below
        ([(0, 50), (25, 25)], "failed", 0.0),
        ([(40, 60), (45, 55), (50, 50)], "passed", 0.8),
        ([(40, 60), (20, 80), (50, 50)], "failed", 0.4),
    ],
)
def test_four_fifths(sizes, verdict, ratio):
    """The smallest rate is compared with the largest; exactly four fifths pass."""
    found = four_fifths_rule(*groups_of(*sizes))
    assert (found.verdict, found.ratio) == (verdict, pytest.approx(ratio))
    assert found.passed == (verdict == "passed")


@pytest.mark.parametrize(
    ("sizes", "reason"),
    [
        ([(10, 10), (50, 50)], "of a"),
        ([(45, 55), (50, 50), (5, 5)], "of c"),
        ([(50, 50)], "two groups"),
    ],
)
def test_too_little_data_is_not_passed(sizes, reason):
    """A small group, or one group alone, is no evidence of parity."""
    found = four_fifths_rule(*groups_of(*sizes))
    assert found.verdict == "not enough data"
    assert reason in found.reason
    assert not found.passed


def test_a_failure_among_large_groups_stands_beside_a_small_one():
    """What the data do show is not hidden by what they do not."""
    assert four_fifths_rule(*groups_of((10, 90), (50, 50), (5, 5))).verdict == "failed"


def test_nobody_selected_is_not_passed():
    """0 / 0 is undefined."""
    found = four_fifths_rule([0] * 100, ["a", "b"] * 50)
    assert (found.verdict, found.reason) == ("not enough data", "nobody is selected")
    assert math.isnan(found.ratio)


def test_the_unknown_are_shown_and_not_compared():
    """Samples without the attribute have a rate in the table and no part in the ratio."""
    preds, groups = groups_of((40, 60), (50, 50))
    found = four_fifths_rule([*preds, *[0] * 50], [*groups, *[None] * 50])
    assert found.passed
    assert found.rates.by_group["unknown"] == 0


def test_effective_size_counts_with_weights():
    """A thousand samples of which one has all the weight are not a thousand."""
    preds, groups = groups_of((500, 500), (500, 500))
    weight = np.full(2000, 1e-6)
    weight[0] = 1
    assert "of a" in four_fifths_rule(preds, groups, sample_weight=weight).reason
    assert four_fifths_rule(preds, groups, sample_weight=np.full(2000, 0.1)).passed


def test_text_decisions_name_the_favourable_one():
    """Text of two values takes the larger, or the one that is named."""
    preds, groups = groups_of((40, 60), (80, 20))
    text = pd.Series(np.where(preds == 1, "granted", "denied"))
    assert four_fifths_rule(text, groups).ratio == pytest.approx(0.5)
    assert four_fifths_rule(text, groups, positive="denied").ratio == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"preds": ["denied"] * 4}, "positive"),
        ({"preds": [0, 1, 2, 1]}, "positive"),
        ({"preds": [0.3, 1, 1, 0]}, "decisions"),
        ({"preds": [0, 1, 1, 0], "positive": "yes"}, "yes"),
        ({"groups": ["a", "b"]}, "same length"),
        ({"threshold": 80}, "threshold"),
        ({"preds": [[0.2, 0.8]] * 4}, "one-dimensional"),
    ],
)
def test_unclear_decisions_are_an_error(options, text):
    """One value of text alone could be either; scores and wrong lengths are told as well."""
    arguments = {"preds": [0, 1, 1, 0], "groups": ["a", "b", "a", "b"], **options}
    with pytest.raises(InputError, match=text):
        four_fifths_rule(**arguments)
