"""The permutation test is exact: uniform where groups do not matter, and equal to permuting the rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mxfair import Criterion, Groups, metric
from mxfair._validation import InputError
from mxfair.metric import permutation_test
from mxfair.metric.permutation import _condition
from mxfair.rate import RATES, Rate

RNG = np.random.default_rng(0)
N = 120
GROUPS = np.array(["a", "b", "c"])[RNG.integers(0, 3, N)]
LABELS = RNG.integers(0, 2, N)
PREDS = np.where(RNG.random(N) < 0.7, LABELS, 1 - LABELS)


def rows_of(table):
    """Return decisions and groups with the counts [[a0, a1], [b0, b1]]."""
    cells = np.repeat(np.arange(4), np.ravel(table))
    return cells % 2, np.array(["a", "b"])[cells // 2]


@pytest.mark.parametrize("table", [[[3, 1], [1, 3]], [[12, 5], [6, 11]], [[20, 2], [9, 4]], [[0, 9], [7, 2]]])
def test_two_groups_and_decisions_agree_with_fishers_test(table):
    """With groups of one size the p-value of demographic parity is Fisher's two-sided one, or its like by distance."""
    preds, groups = rows_of(table)
    test = permutation_test(preds, preds, groups, "demographic_parity", n_permutations=40_000, seed=0)
    (a0, a1), (b0, b1) = table
    law = stats.hypergeom(a0 + a1 + b0 + b1, a1 + b1, a0 + a1)
    x = np.arange(a0 + a1 + 1)
    distance = np.abs(x / (a0 + a1) - (a1 + b1 - x) / (b0 + b1))
    exact = law.pmf(x[distance >= test.value - 1e-9]).sum()
    if a0 + a1 == b0 + b1:
        assert exact == pytest.approx(stats.fisher_exact(table)[1])
    assert test.p_value == pytest.approx(exact, abs=5 * np.sqrt(exact / 40_000) + 1e-4)


def test_it_agrees_with_scipys_permutation_test():
    """The same statistic under scipy's permutations of the rows has the same p-value."""
    preds, groups = rows_of([[12, 5], [6, 13]])

    def gap(x, y):
        return abs(x.mean() - y.mean())

    theirs = stats.permutation_test(
        (preds[groups == "a"], preds[groups == "b"]), gap, n_resamples=5000, alternative="greater",
        random_state=np.random.default_rng(0),
    ).pvalue  # fmt: skip
    ours = permutation_test(preds, preds, groups, "demographic_parity", n_permutations=20_000, seed=1).p_value
    assert ours == pytest.approx(theirs, abs=5 * np.sqrt(theirs / 5000))


def permuted_rows(name, within, count=2000):
    """Return the gaps of permuted rows, brute force."""
    rng, gaps = np.random.default_rng(1), []
    strata = {"label": LABELS, "pred": PREDS, None: np.zeros(N)}[within]
    for _ in range(count):
        shuffled = GROUPS.copy()
        for value in np.unique(strata):
            rows = np.flatnonzero(strata == value)
            shuffled[rows] = shuffled[rng.permutation(rows)]
        gaps.append(getattr(metric, f"{name}_difference")(LABELS, PREDS, shuffled))
    return np.array(gaps)


@pytest.mark.parametrize(
    ("name", "within"),
    [
        ("demographic_parity", None),
        ("equalized_odds", "label"),
        ("predictive_parity", "pred"),
        ("accuracy_parity", None),
    ],
)
def test_it_equals_permuting_the_rows(name, within):
    """Three groups: p-value, floor and 95 % quantile are those of shuffled rows, within what the rates condition on."""
    test = permutation_test(LABELS, PREDS, GROUPS, name, n_permutations=8000, seed=0)
    gaps = permuted_rows(name, within)
    assert test.within == within
    assert test.value == getattr(metric, f"{name}_difference")(LABELS, PREDS, GROUPS)
    assert test.p_value == pytest.approx((gaps >= test.value - 1e-12).mean(), abs=0.05)
    assert test.floor == pytest.approx(gaps.mean(), abs=5 * gaps.std() / np.sqrt(1600))
    assert test.quantile == pytest.approx(np.quantile(gaps, 0.95), rel=0.1)


@pytest.mark.parametrize("within", [None, "label", "pred"])
def test_a_function_equals_the_criterion(within):
    """A function of one's own, rows permuted, has the p-value that the counts give."""
    name = {None: "demographic_parity", "label": "equalized_odds", "pred": "predictive_parity"}[within]
    function = getattr(metric, f"{name}_difference")
    ours = permutation_test(LABELS, PREDS, GROUPS, function, within=within, n_permutations=800, seed=0)
    theirs = permutation_test(LABELS, PREDS, GROUPS, name, seed=0)
    assert ours.value == theirs.value
    assert ours.p_value == pytest.approx(theirs.p_value, abs=0.1)
    assert ours.floor == pytest.approx(theirs.floor, rel=0.1)


@pytest.mark.parametrize("name", ["demographic_parity", "equalized_odds", "predictive_parity"])
def test_p_values_are_uniform_where_groups_do_not_matter(name):
    """Under the null hypothesis a p-value of at most q is found in a share q of samples: Kolmogorov and Smirnov."""
    rng, p_values = np.random.default_rng(5), []
    for _ in range(400):
        labels, groups = rng.integers(0, 2, 300), rng.choice(["a", "b", "c"], 300, p=[0.5, 0.3, 0.2])
        preds = np.where(rng.random(300) < 0.8, labels, 1 - labels)
        p_values.append(permutation_test(labels, preds, groups, name, n_permutations=199, seed=rng).p_value)
    assert stats.kstest(p_values, "uniform").pvalue > 1e-3
    assert abs(np.mean(np.array(p_values) <= 0.05) - 0.05) < 0.033  # three standard errors


def base_rates_apart(rng):
    """Return samples of one classifier and two groups, 5 and 95 % of which are positive."""
    codes = rng.integers(0, 2, 400)
    labels = (rng.random(400) < np.array([0.05, 0.95])[codes]).astype(int)
    return labels, np.where(rng.random(400) < 0.8, labels, 1 - labels), codes


def test_base_rates_that_differ_do_not_count_against_equalized_odds():
    """Parity is rejected, and odds are no more often than chance: an exchange among all would reject most of them."""
    rng, rejected = np.random.default_rng(6), np.zeros(2)
    for _ in range(200):
        labels, preds, codes = base_rates_apart(rng)
        for place, name in enumerate(["demographic_parity", "equalized_odds"]):
            test = permutation_test(labels, preds, codes, name, n_permutations=99, seed=rng)
            rejected[place] += test.p_value <= 0.05
    assert rejected[0] == 200
    assert rejected[1] <= 20  # 10 expected, standard deviation 3.1


@pytest.mark.parametrize(("name", "within"), [("equalized_odds", "label"), ("predictive_parity", "pred")])
def test_a_function_is_exchanged_within_what_was_named(name, within):
    """Where groups and labels go together, the floor is that of the counts, and not that of an exchange among all."""
    data = base_rates_apart(np.random.default_rng(7))
    function = getattr(metric, f"{name}_difference")
    floors = [
        permutation_test(*data, function, within=inside, n_permutations=150, seed=0).floor for inside in (within, None)
    ]
    exact = permutation_test(*data, name, seed=0).floor
    assert floors[0] == pytest.approx(exact, rel=0.15)
    assert floors[1] < 0.82 * exact


def test_a_p_value_is_never_0():
    """The data are one of their own permutations."""
    test = permutation_test([1, 0] * 50, [1, 0] * 50, ["a", "b"] * 50, "demographic_parity", n_permutations=99, seed=0)
    assert test.p_value == 1 / 100
    assert test.value == 1


def test_a_gap_of_0_has_a_p_value_of_1():
    """No permutation has a smaller gap."""
    test = permutation_test([1, 0] * 20, [1, 0] * 20, np.repeat(["a", "b"], 20), "demographic_parity", seed=0)
    assert (test.value, test.p_value) == (0, 1)


@pytest.mark.parametrize("criterion", ["equalized_odds", metric.roc_auc], ids=["criterion", "function"])
def test_the_same_seed_gives_the_same_p_value(criterion):
    """A number and a generator alike."""
    first = permutation_test(LABELS, PREDS, GROUPS, criterion, n_permutations=50, seed=4)
    assert permutation_test(LABELS, PREDS, GROUPS, criterion, n_permutations=50, seed=np.random.default_rng(4)) == first


def test_unknown_groups_take_no_part():
    """Samples without a group are neither counted nor exchanged."""
    groups = np.concatenate([GROUPS.astype(object), [None] * 50])
    labels, preds = np.concatenate([LABELS, np.ones(50, int)]), np.concatenate([PREDS, np.ones(50, int)])
    for criterion in ("equalized_odds", metric.equalized_odds_difference):
        with_unknown = permutation_test(labels, preds, groups, criterion, n_permutations=60, seed=0)
        assert with_unknown == permutation_test(LABELS, PREDS, GROUPS, criterion, n_permutations=60, seed=0)


def test_empty_groups_do_not_matter():
    """A group without samples changes nothing."""
    groups = Groups(GROUPS)
    wider = Groups.from_codes(groups.codes + 1, ["none", *groups.names])
    first = permutation_test(LABELS, PREDS, wider, "equalized_odds", n_permutations=60, seed=0)
    assert first == permutation_test(LABELS, PREDS, GROUPS, "equalized_odds", n_permutations=60, seed=0)


def test_one_group_has_no_test():
    """A gap that is undefined has no p-value."""
    test = permutation_test(LABELS, PREDS, ["all"] * N, "demographic_parity", seed=0)
    assert np.isnan([test.value, test.p_value, test.floor, test.quantile]).all()


def test_conventions_of_comparison_are_used():
    """The gap is that of the difference with the same `compare` and `reference`."""
    options = {"compare": "to_reference", "reference": "b"}
    test = permutation_test(LABELS, PREDS, GROUPS, "equalized_odds", seed=0, n_permutations=20, **options)
    assert test.value == metric.equalized_odds_difference(LABELS, PREDS, GROUPS, **options)


def test_figures_of_pairs_are_tested_by_their_largest():
    """A function that gives a PairMetric is tested by its largest value, scores in place of decisions."""
    scores = RNG.random(N)
    test = permutation_test(LABELS, scores, GROUPS, metric.score_ks_distance, n_permutations=20, seed=0)
    assert test.value == metric.score_ks_distance(LABELS, scores, GROUPS).max()


def test_several_classes_are_exchanged_within_each_label():
    """Text labels of three classes: the worst class counts, groups keep their labels."""
    names = np.array(["low", "mid", "top"])
    labels, preds = names[RNG.integers(0, 3, N)], names[RNG.integers(0, 3, N)]
    test = permutation_test(labels, preds, GROUPS, "equal_opportunity", n_permutations=500, seed=0)
    assert test.within == "label"
    assert 0 < test.p_value <= 1
    one = permutation_test(labels, preds, GROUPS, "equal_opportunity", positive="mid", n_permutations=500, seed=0)
    assert one.value <= test.value


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        ("demographic_parity", None),
        ("equal_opportunity", "label"),
        ("predictive_equality", "label"),
        ("average_odds", "label"),
        ("predictive_parity", "pred"),
        ("conditional_use_accuracy", "pred"),
        ("accuracy_parity", None),
        ("treatment_equality", None),
    ],
)
def test_rates_say_what_to_exchange_within(criterion, expected):
    """Rates among one label are tested within labels, rates among one prediction within predictions."""
    assert permutation_test(LABELS, PREDS, GROUPS, criterion, n_permutations=9, seed=0).within == expected


def test_a_rate_of_part_of_the_plane_is_exchanged_among_all():
    """A condition on label and prediction together is none that an exchange could keep."""
    corner = Rate("corner", lambda y, p, c: p == c, lambda y, p, c: (y == c) | (p == c))
    assert _condition(Criterion("mine", [corner]), 2) is None


def test_rates_that_condition_on_different_things_are_refused():
    """No exchange leaves both the labels and the predictions of groups alone."""
    criterion = Criterion("both", ["true_positive_rate", "positive_predictive_value"])
    with pytest.raises(InputError, match="condition on one thing"):
        permutation_test(LABELS, PREDS, GROUPS, criterion)


def test_many_permutations_come_in_parts(monkeypatch):
    """Past a size the permutations are drawn a part at a time; there are as many in all."""
    monkeypatch.setattr("mxfair.resampling.PART", 200)
    test = permutation_test(LABELS, PREDS, GROUPS, "equalized_odds", n_permutations=400, seed=0)
    monkeypatch.undo()
    whole = permutation_test(LABELS, PREDS, GROUPS, "equalized_odds", n_permutations=400, seed=1)
    assert test.n_permutations == 400
    assert test.p_value == pytest.approx(whole.p_value, abs=0.15)
    assert test.floor == pytest.approx(whole.floor, rel=0.1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"within": "label"}, "'within' must be left out for a criterion"),
        (
            {"preds": np.column_stack([1 - PREDS / 2, PREDS / 2])},
            "'counts' must be whole numbers for a permutation test",
        ),
        ({"preds": RNG.random(N)}, "decisions"),
        ({"criterion": "fairness"}, "'criterion' must be one of"),
        ({"n_permutations": 0}, "'n_permutations'"),
        ({"seed": "x"}, "'seed'"),
        ({"criterion": metric.roc_auc, "within": "group"}, "'within' must be one of"),
        (
            {"criterion": lambda y, p, g: 0.0, "within": "pred", "preds": np.zeros((N, 2))},
            "'within' must be 'label' unless",
        ),
        ({"criterion": lambda y, p, g: 0.0, "labels": LABELS[:-1]}, "must have the same length"),
    ],
)
def test_what_cannot_be_tested_is_refused(changes, message):
    """The error names the argument and what to do."""
    given = {
        "labels": LABELS,
        "preds": PREDS,
        "groups": GROUPS,
        "criterion": "demographic_parity",
        "seed": 0,
        **changes,
    }
    with pytest.raises(InputError, match=message):
        permutation_test(given.pop("labels"), given.pop("preds"), given.pop("groups"), given.pop("criterion"), **given)


def test_a_test_says_what_it_found():
    """The text holds the gap, the p-value and what chance would make."""
    text = repr(permutation_test(LABELS, PREDS, GROUPS, "equalized_odds", n_permutations=99, seed=0))
    assert text.startswith("PermutationTest(equalized_odds ")
    assert "p = " in text


def test_rates_of_every_kind_can_be_tested():
    """Each rate by itself makes a criterion with a p-value."""
    for name in RATES:
        test = permutation_test(LABELS, PREDS, GROUPS, Criterion(name, name), n_permutations=30, seed=0)
        assert 0 < test.p_value <= 1, name
