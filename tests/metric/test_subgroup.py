"""Subgroups are counted once and summed, tested against the rest, and never dropped unseen."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mxfair import Rate, confusion
from mxfair._validation import InputError
from mxfair.groups import Groups
from mxfair.metric import subgroup as module
from mxfair.metric._proportions import corrected, difference_interval, difference_test
from mxfair.metric.subgroup import subgroup_fairness, subgroups, worst_subgroup

RATES = {
    "selection_rate": (lambda y, p: p == 1, lambda y, p: y >= 0),
    "true_positive_rate": (lambda y, p: p == 1, lambda y, p: y == 1),
    "false_positive_rate": (lambda y, p: p == 1, lambda y, p: y == 0),
    "positive_predictive_value": (lambda y, p: y == 1, lambda y, p: p == 1),
    "accuracy": (lambda y, p: y == p, lambda y, p: y >= 0),
}


def case(seed=0, n=1500, missing=0.0):
    """Return labels, decisions and three attributes; one crossing is treated worse."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "sex": rng.choice(["f", "m"], n),
            "race": rng.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1]),
            "age": rng.choice(["old", "young"], n),
        }
    ).astype(object)
    harmed = (frame["sex"] == "f") & (frame["race"] == "b")
    labels = rng.integers(0, 2, n)
    preds = (rng.random(n) < np.where(harmed, 0.2, 0.5)).astype(int)
    frame[rng.random(frame.shape) < missing] = None
    return labels, preds, frame


def quotient(numerator, given, rows):
    """Return the share of the rows that count."""
    return numerator[given & rows].mean() if (given & rows).any() else math.nan


@pytest.mark.parametrize("metric", RATES)
@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_every_subgroup_equals_the_rows_picked_out(metric, missing):
    """Value, rest, count and support of all crossings are those of the rows themselves."""
    labels, preds, frame = case(missing=missing)
    numerator, given = (mask(labels, preds) for mask in RATES[metric])
    table = subgroups(labels, preds, frame, metric=metric, max_order=None)
    expected = 0
    for order in (1, 2, 3):
        for chosen in itertools.combinations(frame.columns, order):
            known = frame[list(chosen)].notna().all(axis=1).to_numpy()
            names = frame.loc[known, list(chosen)].drop_duplicates()
            expected += len(names) + (not known.all())
            for levels in names.itertuples(index=False):
                own = (frame[list(chosen)] == list(levels)).all(axis=1).to_numpy()
                name = " & ".join(f"{c}={v}" for c, v in zip(chosen, levels))
                (row,) = [row for row in table.rows if row.name == name]
                assert row.levels == tuple(zip(chosen, levels))
                assert (row.count, row.support) == (own.sum(), (own & given).sum())
                assert row.share == pytest.approx(own.mean())
                assert row.value == pytest.approx(quotient(numerator, given, own), nan_ok=True)
                assert row.rest == pytest.approx(quotient(numerator, given, known & ~own), nan_ok=True)
                assert row.difference == pytest.approx(row.value - row.rest, nan_ok=True)
    assert len(table.rows) == expected
    assert table.overall == pytest.approx(numerator[given].mean())


def test_rows_are_read_once(monkeypatch):
    """All marginals of five attributes come from one count of the samples."""
    calls = []
    original = confusion.GroupConfusion.of.__func__

    def counted(cls, *arguments, **options):
        calls.append(len(arguments[0]))
        return original(cls, *arguments, **options)

    monkeypatch.setattr(module.GroupConfusion, "of", classmethod(counted))
    rng = np.random.default_rng(0)
    table = subgroups([0, 1] * 100, [1, 0] * 100, rng.integers(0, 2, (200, 5)), max_order=5)
    assert calls == [200]
    assert len({row.levels for row in table.rows}) == len(table.rows) > 100


def test_the_missing_are_shown_and_stay_out_of_the_rest():
    """Samples without an attribute are one row for each crossing that needs it, with their rate, untested."""
    labels, preds, frame = case(missing=0.1)
    table = subgroups(labels, preds, frame)
    (row,) = [row for row in table.untested if row.name == "sex x race: unknown"]
    rows = frame[["sex", "race"]].isna().any(axis=1).to_numpy()
    assert (row.count, row.value) == (rows.sum(), pytest.approx(preds[rows].mean()))
    assert row.untested == "an attribute is missing"
    assert not [row for row in table.tested if "unknown" in row.name]


def test_small_subgroups_are_listed_with_their_count():
    """Below the minimum support: value and count stay, the test and the worst do without."""
    preds = [1] * 40 + [0] * 40 + [0] * 5
    table = subgroups(preds, preds, ["a"] * 40 + ["b"] * 40 + ["c"] * 5)
    (small,) = table.untested
    assert (small.name, small.count, small.value) == ("group=c", 5, 0)
    assert small.untested == "support 5 is below 30"
    assert math.isnan(small.p_value)
    assert math.isnan(small.corrected_p_value)
    assert len(table.tested) == 2
    assert table.worst().name == "group=b"


def test_support_is_of_the_rate_and_not_of_the_people():
    """A subgroup of many people with few positives is too small for a true positive rate."""
    labels, groups = np.array([1] * 5 + [0] * 95 + [1] * 100), np.repeat(["a", "b"], 100)
    table = subgroups(labels, labels, groups, metric="true_positive_rate")
    assert {row.name: (row.count, row.support) for row in table.untested} == {"group=a": (100, 5)}


def test_one_group_alone_has_nobody_to_compare_with():
    """No rest: NaN, a reason, and no worst subgroup."""
    table = subgroups([0, 1] * 50, [0, 1] * 50, ["a"] * 100)
    assert [row.untested for row in table.rows] == ["nobody else to compare with"]
    assert math.isnan(table.rows[0].difference)
    assert table.worst() is None
    assert worst_subgroup([0, 1] * 50, [0, 1] * 50, ["a"] * 100) is None


@pytest.mark.parametrize("seed", range(5))
def test_p_values_are_pearsons_chi_square(seed):
    """With enough counts the test is scipy's chi-square of the 2 x 2 table without correction."""
    labels, preds, frame = case(seed)
    for row in subgroups(labels, preds, frame, max_order=1).tested:
        name, level = row.levels[0]
        cells = pd.crosstab(frame[name] == level, preds)
        assert row.p_value == pytest.approx(stats.chi2_contingency(cells, correction=False)[1], rel=1e-9)


def test_small_expected_counts_get_fishers_exact_test():
    """A rare outcome is tested exactly, and what has no variance has p-value 1."""
    groups = np.repeat(["a", "b"], [40, 60])
    preds = np.zeros(100, dtype=int)
    preds[:4] = 1
    exact = stats.fisher_exact([[4, 36], [0, 60]])[1]
    assert [row.p_value for row in subgroups(preds, preds, groups).tested] == pytest.approx([exact, exact])
    assert [row.p_value for row in subgroups(preds, preds, groups, metric="accuracy").tested] == [1, 1]


def test_false_alarms_are_as_rare_as_promised():
    """Where nothing differs, the test rejects at about its level (2,000 tables, at 5 %)."""
    rng = np.random.default_rng(0)
    x, rest = rng.binomial(80, 0.3, 2000), rng.binomial(300, 0.3, 2000)
    p_values = difference_test(x, np.full(2000, 80), rest, np.full(2000, 300), exact=True)
    assert 0.035 < (p_values <= 0.05).mean() < 0.065


def test_the_interval_is_newcombes():
    """The published example: 56/70 - 48/80 has the 95 % interval .0524 to .3339 (Newcombe 1998, table II, case a)."""
    lower, upper = difference_interval(np.array([56 / 70]), np.array([70]), np.array([48 / 80]), np.array([80]), 0.95)
    assert (lower[0], upper[0]) == (pytest.approx(0.0524, abs=5e-5), pytest.approx(0.3339, abs=5e-5))


def naive_holm(p_values):
    """Return Holm's adjusted p-values, one comparison at a time."""
    order, result, running = np.argsort(p_values), np.empty(len(p_values)), 0.0
    for i, place in enumerate(order):
        running = max(running, (len(p_values) - i) * p_values[place])
        result[place] = min(running, 1)
    return result


@pytest.mark.parametrize("seed", range(5))
def test_corrections_equal_their_definitions(seed):
    """Holm, Bonferroni, and Benjamini and Hochberg as in scipy."""
    p_values = np.random.default_rng(seed).random(25) ** 3
    np.testing.assert_allclose(corrected(p_values, "holm"), naive_holm(p_values))
    np.testing.assert_allclose(corrected(p_values, "bonferroni"), np.minimum(25 * p_values, 1))
    np.testing.assert_allclose(corrected(p_values, "benjamini_hochberg"), stats.false_discovery_control(p_values))
    np.testing.assert_array_equal(corrected(p_values, None), p_values)


@pytest.mark.parametrize("correction", ["holm", "bonferroni", "benjamini_hochberg", None])
def test_the_correction_is_over_the_tested_only(correction):
    """Corrected p-values are those of the tested rows among themselves, and `significant` reads them."""
    labels, preds, frame = case(n=400)
    table = subgroups(labels, preds, frame, max_order=3, correction=correction, level=0.9)
    assert table.untested
    p_values = np.array([row.p_value for row in table.tested])
    corrected_values = [row.corrected_p_value for row in table.tested]
    np.testing.assert_allclose(corrected_values, corrected(p_values, correction))
    assert len(table.significant) == sum(p <= 0.1 for p in corrected_values)


def test_the_harmed_crossing_is_found():
    """The worst subgroup is the crossing that is treated worse, and the difference is no noise."""
    labels, preds, frame = case(n=3000)
    worst = worst_subgroup(labels, preds, frame)
    assert worst.name == "sex=f & race=b"
    assert worst.difference < -0.2
    assert worst.upper < 0
    assert worst.p_value < worst.corrected_p_value < 1e-6


def test_worst_has_a_side():
    """Low is worst for selection, high for error rates, and either can be asked for."""
    preds = np.repeat([1, 0, 1, 0, 1, 0], [10, 90, 50, 50, 60, 40])
    groups = np.repeat(["low", "middle", "high"], 100)
    assert worst_subgroup(preds, preds, groups).name == "group=low"
    assert worst_subgroup(preds, preds, groups, direction="highest").name == "group=high"
    assert worst_subgroup(preds, preds, groups, direction="furthest").name == "group=low"
    assert worst_subgroup(0 * preds, preds, groups, metric="false_positive_rate", positive=1).name == "group=high"


def test_weights_give_weighted_rates_on_effective_sizes():
    """Equal weights change nothing but counts; unequal ones shrink the support to (sum w)^2 / sum w^2."""
    labels, preds, frame = case()
    plain = subgroups(labels, preds, frame)
    equal = subgroups(labels, preds, frame, sample_weight=np.full(len(labels), 0.25))
    for a, b in zip(plain.rows, equal.rows):
        assert (b.value, b.support, b.count) == pytest.approx((a.value, a.support, a.count / 4))
        if min(a.value, 1 - a.value) * a.support > 10:  # where the exact test does not stand in
            assert b.p_value == pytest.approx(a.p_value)
    weight = np.random.default_rng(1).random(len(labels))
    row = subgroups(labels, preds, frame, sample_weight=weight).rows[0]
    own = (frame["sex"] == "f").to_numpy()
    assert row.value == pytest.approx(np.average(preds[own], weights=weight[own]))
    assert row.support == pytest.approx(weight[own].sum() ** 2 / (weight[own] ** 2).sum())


def test_a_crossing_is_a_group_metric():
    """The pair of subgroups that sets the maximum is its gap; the small and unknown are left out with a reason."""
    labels, preds, frame = case(n=600, missing=0.02)
    table = subgroups(labels, preds, frame)
    figure = table.crossing("race", "sex")
    assert figure.attribute == "sex x race"
    gap = figure.gap()
    values = [row.value for row in table.tested if len(row.levels) == 2 and row.levels[1][0] == "race"]
    assert gap.value == pytest.approx(max(values) - min(values))
    assert gap.low == "sex=f & race=b"
    assert not figure.known[list(figure.groups).index("sex x race: unknown")]
    small = [row.name for row in table.rows if len(row.levels) == 2 and row.untested]
    assert {name for name in figure.undefined if "race" in name and "sex" in name} == {
        name for name in small if "race" in name and "sex" in name
    }


def test_a_frame_has_a_row_for_each_subgroup():
    """Names are the index; the rate's name is the column of its values."""
    labels, preds, frame = case()
    table = subgroups(labels, preds, frame, metric="accuracy")
    assert table.to_frame().index.tolist() == [row.name for row in table.rows]
    assert table.to_frame()["accuracy"].tolist() == [row.value for row in table.rows]
    assert "worst" in repr(table)


def test_the_weighted_gap_is_the_largest_of_share_times_distance():
    """Gamma is the maximum over all conjunctions, by brute force."""
    labels, preds, frame = case()
    given = labels == 0
    best = (0.0, None)
    for order in (1, 2, 3):
        for chosen in itertools.combinations(frame.columns, order):
            for levels, part in frame[given].groupby(list(chosen)):
                rows = part.index.to_numpy()
                gap = len(rows) / len(labels) * abs(preds[rows].mean() - preds[given].mean())
                name = " & ".join(f"{c}={v}" for c, v in zip(chosen, levels))
                best = max(best, (gap, name), key=lambda pair: pair[0])
    found = subgroup_fairness(labels, preds, frame, metric="false_positive_rate")
    assert found.value == pytest.approx(best[0])
    assert found.subgroup == best[1]
    assert found.value == pytest.approx(found.share * abs(found.rate - found.overall))


def test_the_weighted_gap_of_nobody_is_undefined():
    """Without positives there is no true positive rate, and no 0 is given."""
    found = subgroup_fairness([0, 0, 0], [0, 1, 0], ["a", "b", "b"], metric="true_positive_rate")
    assert math.isnan(found.value)
    assert found.subgroup is None


@pytest.mark.filterwarnings("error")
def test_weights_of_zero_leave_nobody():
    """No weight at all: NaN and reasons, without a warning."""
    table = subgroups([0, 1], [0, 1], ["a", "b"], sample_weight=[0, 0])
    assert {row.untested for row in table.rows} == {"no samples"}
    assert math.isnan(table.overall)
    assert math.isnan(subgroup_fairness([0, 1], [0, 1], ["a", "b"], sample_weight=[0, 0]).value)


def test_text_several_classes_and_own_rates():
    """Classes may be text; the positive one is named; a Rate of one's own works."""
    rng = np.random.default_rng(2)
    labels, preds = rng.choice(["x", "y", "z"], 300), rng.choice(["x", "y", "z"], 300)
    groups = Groups(rng.choice(["a", "b"], 300), name="sex")
    table = subgroups(labels, preds, groups, positive="x")
    assert table.overall == pytest.approx((preds == "x").mean())
    mine = Rate("mine", lambda y, p, c: p == c, given=lambda y, p, c: y == c)
    figure = subgroups(labels, preds, groups, metric=mine, positive="y")
    assert figure.overall == pytest.approx((preds[labels == "y"] == "y").mean())
    assert figure.rows[0].name == "sex=a"


def test_many_levels_cost_memory_of_the_samples_and_not_of_the_product():
    """Six attributes of 40 levels have 4 billion combinations, of which at most 500 occur."""
    rng = np.random.default_rng(3)
    attributes = rng.integers(0, 40, (500, 6))
    table = subgroups(rng.integers(0, 2, 500), rng.integers(0, 2, 500), attributes, max_order=6, min_support=5)
    whole = [row for row in table.rows if len(row.levels) == 6]
    assert sum(row.count for row in whole) == 500


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"preds": [0.5, 1, 0]}, "decisions"),
        ({"attributes": ["a", "b"]}, "same length"),
        ({"attributes": {"x": ["a", "b", "a"], "y": ["a", "b"]}}, "same length"),
        ({"metric": "treatment_equality"}, "share"),
        ({"metric": "balanced_accuracy"}, "share"),
        ({"metric": "selection"}, "selection_rate"),
        ({"correction": "hochberg"}, "benjamini_hochberg"),
        ({"level": 95}, "level"),
        ({"max_order": 0}, "max_order"),
        ({"positive": 7}, "7"),
        ({"sample_weight": [1, 1, -1]}, "not negative"),
    ],
)
def test_what_cannot_be_counted_is_an_error(options, text):
    """Scores, unknown names and wrong lengths say what is wrong."""
    arguments = {"labels": [0, 1, 1], "preds": [0, 0, 1], "attributes": ["a", "b", "b"], **options}
    with pytest.raises(InputError, match=text):
        subgroups(**arguments)


@pytest.mark.parametrize("chosen", [("race",), ("sex", "race", "age")])
def test_a_crossing_that_was_not_counted_is_an_error(chosen):
    """Unknown attributes, and more of them than max_order, say what to do."""
    labels, preds, frame = case(n=100)
    table = subgroups(labels, preds, frame.drop(columns="race") if len(chosen) == 1 else frame)
    with pytest.raises(InputError, match=r"among sex, age|max_order"):
        table.crossing(*chosen)


def test_no_side_named_wrongly():
    """A side that does not exist is told."""
    labels, preds, frame = case(n=100)
    with pytest.raises(InputError, match="lowest"):
        worst_subgroup(labels, preds, frame, direction="low")


def test_several_classes_need_the_positive_one():
    """Of three classes none is positive by itself."""
    labels, preds = np.arange(90) % 3, np.arange(90) % 3
    with pytest.raises(InputError, match="'positive' must be given"):
        worst_subgroup(labels, preds, {"x": np.arange(90) % 2})
    table = subgroups(labels, preds, {"x": np.arange(90) % 2}, positive=1, metric="true_positive_rate", min_support=5)
    assert [row.value for row in table.rows] == [1, 1]
