"""Thresholds by group against all thresholds, fairlearn, and what must always hold."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mxfair import Criterion, GroupConfusion, GroupScores, Rate
from mxfair._validation import InputError, InputTypeError
from mxfair.criterion import ALL_CRITERIA
from mxfair.postprocessing import GroupThresholds, _choice, _windows
from mxfair.preprocessing import load_step
from mxfair.rate import RATES

pytestmark = pytest.mark.filterwarnings("ignore:Fewer than", "ignore:With these thresholds")


def rows(n, n_groups=2, *, seed=0, levels=None):
    """Return scores, labels and groups that differ in base rates and in how well the scores tell."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, n_groups, n)
    labels = (rng.random(n) < 0.3 + 0.3 * groups / n_groups).astype(int)
    scores = labels * (1 + 0.5 * groups) + 0.7 * groups + rng.normal(size=n)
    if levels:
        scores = np.round(scores * levels) / levels
    return scores, labels, groups


def all_decisions(scores, labels, groups, weight=None):
    """Yield the table of each choice of a threshold in each group."""
    weight = np.ones(len(scores)) if weight is None else weight
    names = np.unique(groups)
    options = []
    for name in names:
        own = groups == name
        cuts = [np.inf, *np.unique(scores[own])[::-1]]
        options.append([(own, own & (scores >= cut)) for cut in cuts])
    for choice in itertools.product(*options):
        preds = np.any([chosen for _, chosen in choice], axis=0).astype(int)
        yield GroupConfusion.of(labels, preds, groups, classes=[0, 1], sample_weight=weight)


def best_of_all(criterion, objective, max_gap, data, weight=None):
    """Return the best objective over all thresholds whose gap is small enough, every group's rates being defined."""
    found = []
    for table in all_decisions(*data, weight):
        rates = [metric.values for metric in criterion.tables(table).values()]
        if np.isnan(rates).any() or criterion.difference(table) > max_gap + 1e-12:
            continue
        found.append(float(RATES[objective].values(table.overall, 1)))
    found = [value for value in found if not np.isnan(value)]
    pick = min if RATES[objective].larger_is_worse else max
    return pick(found) if found else None


@pytest.mark.parametrize("name", ALL_CRITERIA)
@pytest.mark.parametrize("max_gap", [0.0, 0.07, 0.3])
def test_fixed_thresholds_are_the_best_of_all(name, max_gap):
    """No choice of one threshold per group with that gap has a better accuracy."""
    for seed in range(3):
        data = rows(36, 2, seed=seed, levels=4)
        best = best_of_all(ALL_CRITERIA[name], "accuracy", max_gap, data)
        fit = GroupThresholds(name, max_gap=max_gap)
        if best is None:
            with pytest.raises(InputError, match="max_gap"):
                fit.fit(*data)
            continue
        fit.fit(*data)
        assert fit.objective_ == pytest.approx(best, abs=1e-9)
        assert fit.gap_ <= max_gap + 1e-9


@pytest.mark.parametrize(
    "objective",
    [
        "balanced_accuracy",
        "f1_score",
        "positive_predictive_value",
        "error_rate",
        "false_discovery_rate",
        "selection_rate",
        "true_positive_rate",
    ],
)
def test_any_rate_can_be_the_objective(objective):
    """Quotients of counts are optimised over all thresholds, larger or smaller as the rate is meant."""
    data = rows(40, 2, seed=3, levels=4)
    fit = GroupThresholds("demographic_parity", objective, max_gap=0.1).fit(*data)
    assert fit.objective_ == pytest.approx(best_of_all(ALL_CRITERIA["demographic_parity"], objective, 0.1, data))


def test_three_groups_and_two_rates_are_searched_exactly():
    """Equalized odds over three groups has the best accuracy of all thresholds."""
    data = rows(45, 3, seed=1, levels=2)
    fit = GroupThresholds("equalized_odds", max_gap=0.2).fit(*data)
    assert fit.objective_ == pytest.approx(best_of_all(ALL_CRITERIA["equalized_odds"], "accuracy", 0.2, data))


@pytest.mark.parametrize("name", ["demographic_parity", "equalized_odds", "average_odds"])
def test_dropping_points_first_changes_nothing(name, monkeypatch):
    """Points near which another group has none are in no solution."""
    data = rows(300, 3, seed=17)
    fit = GroupThresholds(name, max_gap=0.02).fit(*data)
    monkeypatch.setattr(_windows, "_FEW", 0.0)
    assert GroupThresholds(name, max_gap=0.02).fit(*data).objective_ == pytest.approx(fit.objective_, abs=1e-9)


def test_a_search_that_is_cut_short_says_what_it_may_have_missed(monkeypatch):
    """The bound that is left is in the warning, and the thresholds still keep the gap."""
    monkeypatch.setattr(_choice, "MAX_NODES", 3)
    with pytest.warns(UserWarning, match="others may be better by up to 0"):
        fit = GroupThresholds("demographic_parity", max_gap=0.02).fit(*rows(3000, 3, seed=17))
    assert fit.gap_ <= 0.02 + 1e-9


def test_weights_count():
    """Weighted rows give the best weighted objective."""
    data = rows(36, 2, seed=2, levels=4)
    weight = np.random.default_rng(0).uniform(0, 3, 36) * (np.arange(36) % 7 > 0)
    fit = GroupThresholds("equal_opportunity", max_gap=0.15).fit(*data, sample_weight=weight)
    assert fit.objective_ == pytest.approx(
        best_of_all(ALL_CRITERIA["equal_opportunity"], "accuracy", 0.15, data, weight)
    )


def test_whole_weights_are_repetitions():
    """A row of weight 3 is three rows."""
    scores, labels, groups = rows(60, 2, seed=5)
    weight = np.random.default_rng(1).integers(1, 4, 60)
    many = [np.repeat(part, weight) for part in (scores, labels, groups)]
    for randomized in (False, True):
        fit = GroupThresholds(max_gap=0.1, randomized=randomized)
        weighted = fit.fit(scores, labels, groups, sample_weight=weight).objective_
        assert weighted == pytest.approx(fit.fit(*many).objective_, abs=1e-9)


def test_costs_are_made_small():
    """The mean cost of labels and decisions is the smallest of all thresholds."""
    data = rows(40, 2, seed=4, levels=4)
    costs = np.array([[0, 1], [5, -0.5]])
    fit = GroupThresholds("demographic_parity", costs, max_gap=0.1).fit(*data)
    criterion = ALL_CRITERIA["demographic_parity"]
    best = min((t.overall * costs).sum() / 40 for t in all_decisions(*data) if criterion.difference(t) <= 0.1 + 1e-12)
    assert fit.objective_ == pytest.approx(best)
    assert fit.objective_ == pytest.approx((fit.counts_.sum(axis=0) * costs).sum() / 40)


def test_a_criterion_of_ones_own_is_met():
    """Rates of a user's own bound the thresholds like any other."""
    specificity = Rate("own", lambda y, p, c: p != c, given=lambda y, p, c: y != c)
    own = Criterion("own", [specificity, "matthews_correlation"])
    data = rows(36, 2, seed=6, levels=4)
    fit = GroupThresholds(own, max_gap=0.25).fit(*data)
    assert fit.objective_ == pytest.approx(best_of_all(own, "accuracy", 0.25, data))


@pytest.mark.parametrize("name", [name for name in ALL_CRITERIA if not name.startswith("condition")])
def test_randomized_thresholds_meet_the_criterion_exactly(name):
    """Expected counts have equal rates, and no worse an objective than any fixed thresholds that do."""
    data = rows(300, 3, seed=7)
    mixed = GroupThresholds(name, randomized=True).fit(*data)
    table = GroupConfusion(["0", "1", "2"], [0, 1], mixed.counts_)
    assert ALL_CRITERIA[name].difference(table) == pytest.approx(0, abs=1e-9)
    try:
        fixed = GroupThresholds(name).fit(*data).objective_
    except InputError:
        fixed = 0
    assert mixed.objective_ >= fixed - 1e-9


@pytest.mark.parametrize("randomized", [False, True])
@pytest.mark.parametrize("name", ["demographic_parity", "equalized_odds", "predictive_parity", "average_odds"])
def test_the_objective_rises_with_the_gap_allowed(name, randomized):
    """A wider bound never costs, and without one each group has its own best threshold."""
    data = rows(200, 2, seed=8)
    gaps = (0.05, 1e3) if randomized else (0.05, 0.1, 0.3, 1e3)
    fits = [GroupThresholds(name, max_gap=gap, randomized=randomized).fit(*data) for gap in gaps]
    values = [fit.objective_ for fit in fits]
    assert (np.diff(values) >= -1e-9).all()
    scores, labels, groups = data
    free = sum(
        max(((scores[groups == g] >= cut) == labels[groups == g]).sum() for cut in [np.inf, *scores])
        for g in np.unique(groups)
    )
    assert values[-1] == pytest.approx(free / 200)


def balanced_rows(n_groups=3):
    """Return rows whose groups have the same size and base rate, 1,000 rows each."""
    rng = np.random.default_rng(11)
    labels = np.tile(np.repeat([0, 1], 500), n_groups)
    groups = np.repeat(np.arange(n_groups), 1000)
    return labels * (0.5 + 0.5 * groups) + 0.4 * groups + rng.normal(size=len(labels)), labels, groups


CONSTRAINTS = {
    "demographic_parity": "demographic_parity",
    "equal_opportunity": "true_positive_rate_parity",
    "predictive_equality": "false_positive_rate_parity",
    "equalized_odds": "equalized_odds",
}
OBJECTIVES = {
    "accuracy": "accuracy_score",
    "balanced_accuracy": "balanced_accuracy_score",
    "selection_rate": "selection_rate",
    "true_positive_rate": "true_positive_rate",
    "true_negative_rate": "true_negative_rate",
}


def fairlearn_optimum(criterion, objective, data):
    """Return the objective of fairlearn's thresholds, as its fit has it."""
    from fairlearn.postprocessing import ThresholdOptimizer
    from sklearn.base import BaseEstimator

    class Scores(BaseEstimator):
        def __sklearn_is_fitted__(self):
            return True

        def fit(self, X, y):
            return self

        def predict(self, X):
            return np.asarray(X)[:, 0]

    peer = ThresholdOptimizer(estimator=Scores(), constraints=CONSTRAINTS[criterion], objective=OBJECTIVES[objective],
                              prefit=True, predict_method="predict", grid_size=20_000)  # fmt: skip
    peer.fit(data[0].reshape(-1, 1), data[1], sensitive_features=data[2])
    if criterion != "equalized_odds":
        return float(peer._y_best)
    positives = data[1].mean()
    tpr, fpr = peer._y_best, peer._x_best
    found = {"accuracy": positives * tpr + (1 - positives) * (1 - fpr), "balanced_accuracy": (tpr + 1 - fpr) / 2}
    return float(found[objective])


@pytest.mark.parametrize("criterion", CONSTRAINTS)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_randomized_objectives_are_those_of_fairlearn(criterion, objective):
    """The optimum of fairlearn on a grid that holds the groups' rates is ours: sizes and base rates are equal there."""
    pytest.importorskip("fairlearn")
    if criterion == "equalized_odds" and objective not in ("accuracy", "balanced_accuracy"):
        pytest.skip("fairlearn has no such combination")
    data = balanced_rows()
    ours = GroupThresholds(criterion, objective, randomized=True).fit(*data).objective_
    theirs = fairlearn_optimum(criterion, objective, data)
    assert ours >= theirs - 1e-9
    assert ours == pytest.approx(theirs, abs=1e-4 if criterion == "equalized_odds" else 1e-6)


@pytest.mark.parametrize("limit", [0.05, 0.13, 0.21, 0.34, 0.4])
@pytest.mark.parametrize("weighted", [False, True])
def test_fixed_thresholds_keep_any_selection_rate(limit, weighted):
    """The selected share, by weight, is within each limit, and the objective near what a mixture can reach there."""
    scores, labels, groups = rows(400, 2, seed=9)
    weight = np.random.default_rng(0).integers(1, 4, 400).astype(float) if weighted else None
    fixed, mixed = (
        GroupThresholds(
            "demographic_parity", "true_positive_rate", max_gap=0.05, randomized=randomized, selection_rate=limit
        ).fit(scores, labels, groups, sample_weight=weight)
        for randomized in (False, True)
    )
    assert np.average(fixed.predict(scores, groups), weights=weight) <= limit + 1e-12
    assert mixed.objective_ - 0.05 <= fixed.objective_ <= mixed.objective_ + 1e-9


def test_a_selection_rate_is_kept():
    """No more are selected than allowed, and randomized thresholds use all that is allowed."""
    data = rows(400, 2, seed=9)
    for randomized in (False, True):
        fit = GroupThresholds(
            "demographic_parity", "true_positive_rate", max_gap=0.02, randomized=randomized, selection_rate=0.2
        ).fit(*data)
        share = fit.counts_[:, :, 1].sum() / 400
        assert 0.17 <= share <= 0.2 + 1e-9
        assert fit.gap_ <= 0.02 + 1e-9
    assert share == pytest.approx(0.2)


def test_all_pareto_points_are_found():
    """The points are those of all thresholds that no others beat in objective and gap."""
    data = rows(30, 2, seed=10, levels=3)
    criterion = ALL_CRITERIA["equal_opportunity"]
    pairs = sorted({(round(criterion.difference(t), 9), -float(t.overall.trace()) / 30) for t in all_decisions(*data)})
    front, best = [], np.inf
    for gap, loss in pairs:
        if loss < best - 1e-9:
            front.append((gap, -loss))
            best = loss
    found = GroupThresholds("equal_opportunity", n_pareto=100).fit(*data).pareto_
    assert np.allclose(found["gap"], [gap for gap, _ in front])
    assert np.allclose(found["objective"], [value for _, value in front])


@pytest.mark.parametrize("randomized", [False, True])
def test_pareto_points_rise_in_both(randomized):
    """Where there are more points than asked for, gaps are evenly spaced, and no point beats another."""
    found = GroupThresholds("equalized_odds", max_gap=0.1, randomized=randomized, n_pareto=6).fit(*rows(300)).pareto_
    assert 2 <= len(found["gap"]) <= 8
    assert (np.diff(found["gap"]) > 0).all()
    assert (np.diff(found["objective"]) > 0).all()
    assert np.allclose(found["shares"].sum(axis=2), 1)


def test_decisions_are_those_that_were_counted():
    """The fitted rows, decided, have the counts, the objective and the gap that the fit says."""
    scores, labels, groups = rows(500, 3, seed=12)
    fit = GroupThresholds("accuracy_parity", max_gap=0.05).fit(scores, labels, groups)
    table = GroupConfusion.of(labels, fit.predict(scores, groups), groups)
    assert np.array_equal(table.counts, fit.counts_)
    assert fit.gap_ == pytest.approx(ALL_CRITERIA["accuracy_parity"].difference(table))
    assert np.array_equal(fit.transform(scores, groups) > 0, fit.predict(scores, groups) == 1)


def test_expected_decisions_are_those_that_were_counted():
    """The probabilities of the fitted rows sum to the expected counts, and draws come near them."""
    scores, labels, groups = rows(3000, 3, seed=13)
    fit = GroupThresholds("equalized_odds", randomized=True).fit(scores, labels, groups)
    chances = fit.predict_proba(scores, groups)
    assert np.allclose(GroupConfusion.of(labels, chances, groups).counts, fit.counts_)
    draws = [fit.predict(scores, groups, random_state=seed) for seed in range(50)]
    assert abs(np.mean(draws) - chances[:, 1].mean()) < 0.005
    assert np.array_equal(fit.transform(scores, groups), chances[:, 1])


def test_draws_are_repeated_by_their_seed():
    """The same number gives the same decisions, another number others."""
    scores, labels, groups = rows(3000, 3, seed=13)
    fit = GroupThresholds(randomized=True).fit(scores, labels, groups)
    first = fit.predict(scores, groups, random_state=1)
    assert np.array_equal(first, fit.predict(scores, groups, random_state=1))
    assert not np.array_equal(first, fit.predict(scores, groups, random_state=2))


@pytest.mark.parametrize("name", ["demographic_parity", "equalized_odds", "accuracy_parity"])
@pytest.mark.parametrize("weighted", [False, True])
def test_bins_first_gives_what_sorting_gives(name, weighted):
    """Sorting only where a better threshold may lie ends in the same objective and in thresholds that give it."""
    scores, labels, groups = rows(20_000, 4, seed=14)
    weight = np.random.default_rng(0).uniform(0.5, 2, 20_000) if weighted else None
    for values in (scores, np.round(scores, 2), np.exp(5 * scores)):
        fits = [
            GroupThresholds(name, randomized=True, bins=bins).fit(values, labels, groups, weight)
            for bins in (None, 300, 8)
        ]
        for fit in fits[1:]:
            assert fit.objective_ == pytest.approx(fits[0].objective_, abs=2e-9)
            table = GroupConfusion.of(labels, fit.predict_proba(values, groups), groups, sample_weight=weight)
            assert np.allclose(table.counts, fit.counts_)
            assert fit.gap_ < 1e-9


def test_tables_of_scores_give_thresholds_at_their_edges():
    """A table counted in passing gives nearly the thresholds of the rows, and its counts are those of the rows."""
    scores, labels, groups = rows(5000, 3, seed=15)
    chances = 1 / (1 + np.exp(-scores))
    table = GroupScores(["0", "1", "2"], bins=1000)
    for part in np.array_split(np.arange(5000), 7):
        table.update(labels[part], chances[part], groups[part])
    for randomized in (False, True):
        fit = GroupThresholds("demographic_parity", max_gap=0.02, randomized=randomized)
        exact = fit.fit(chances, labels, groups).objective_
        fit.fit_table(table)
        assert exact - 0.003 <= fit.objective_ <= exact + 1e-9
        counts = GroupConfusion.of(labels, fit.predict_proba(chances, groups), groups).counts
        assert np.allclose(counts, fit.counts_)


@pytest.mark.parametrize("positive", [0, 1])
def test_either_class_can_be_the_positive_one(positive):
    """Scores that speak for the first class select it, and rates are meant for it."""
    scores, labels, groups = rows(200, 2, seed=16)
    given = labels if positive else 1 - labels
    fit = GroupThresholds("equal_opportunity", max_gap=0.05, positive=positive).fit(scores, given, groups)
    same = GroupThresholds("equal_opportunity", max_gap=0.05).fit(scores, labels, groups)
    assert fit.objective_ == same.objective_
    assert np.array_equal(fit.predict(scores, groups) == positive, same.predict(scores, groups) == 1)
    preds = fit.predict(scores, groups)
    table = GroupConfusion.of(given, preds, groups)
    assert np.array_equal(table.counts, fit.counts_)
    assert fit.gap_ == pytest.approx(ALL_CRITERIA["equal_opportunity"].with_positive(positive).difference(table))


def test_labels_may_be_text():
    """Decisions come in the values of the labels."""
    scores, labels, groups = rows(100, 2)
    text = np.where(labels == 1, "yes", "no")
    fit = GroupThresholds("demographic_parity", max_gap=0.1).fit(scores, text, groups)
    assert set(fit.predict(scores, groups)) == {"yes", "no"}


def test_one_group_has_its_best_threshold():
    """With nothing to compare, the threshold is the most accurate one, and the gap is NaN."""
    scores, labels, _ = rows(80)
    fit = GroupThresholds().fit(scores, labels, ["a"] * 80)
    assert fit.objective_ == pytest.approx(max(((scores >= cut) == labels).mean() for cut in [np.inf, *scores]))
    assert np.isnan(fit.gap_)
    assert GroupThresholds(randomized=True).fit(scores, labels, ["a"] * 80).objective_ == pytest.approx(fit.objective_)


def test_constant_scores_select_nobody_or_everybody():
    """One score leaves two thresholds; randomized ones mix them."""
    labels, groups = np.array([0, 0, 1, 1, 0, 1]), list("aaabbb")
    fit = GroupThresholds("demographic_parity").fit(np.ones(6), labels, groups)
    assert np.isinf(fit.thresholds_).all()
    limited = GroupThresholds("demographic_parity", "true_positive_rate", randomized=True, selection_rate=0.5)
    assert np.allclose(limited.fit(np.ones(6), labels, groups).predict_proba([1.0], ["a"]), 0.5)


def test_equal_scores_are_decided_alike():
    """A threshold never cuts through rows of the same score."""
    scores, labels, groups = rows(300, 2, levels=1)
    fit = GroupThresholds("demographic_parity", max_gap=0.2).fit(scores, labels, groups)
    assert not np.isin(fit.thresholds_, scores).any()


def test_thresholds_hold_between_neighbouring_numbers():
    """Where no number lies between two scores, the lower one is the threshold."""
    low = 0.1
    high = np.nextafter(low, 1)
    fit = GroupThresholds().fit([low, high], [0, 1], ["a", "a"])
    assert fit.predict([low, high], ["a", "a"]).tolist() == [0, 1]


def test_fixed_thresholds_of_equal_rates_warn_when_they_are_none():
    """Selecting nobody, since nothing else has equal rates, is said."""
    with pytest.warns(UserWarning, match="fixed thresholds can seldom make rates equal"):
        GroupThresholds("equalized_odds").fit(*rows(101))


def test_small_groups_are_named():
    """A group with few samples of a label is warned of, with the numbers."""
    scores, labels, groups = rows(400)
    groups[:30], labels[:3], labels[3:30] = 7, 1, 0
    with pytest.warns(UserWarning, match=r"'7' \(3 positive, 27 negative\)"):
        GroupThresholds("demographic_parity", max_gap=0.1).fit(scores, labels, groups)


@pytest.mark.parametrize("randomized", [False, True])
def test_a_group_without_positives_is_refused_where_the_rate_needs_them(randomized):
    """Equal opportunity is undefined in such a group; demographic parity is not."""
    scores, labels, groups = rows(200)
    labels[groups == 1] = 0
    with pytest.raises(InputError, match="group '1' has no samples with label 1"):
        GroupThresholds("equal_opportunity", max_gap=0.1, randomized=randomized).fit(scores, labels, groups)
    fit = GroupThresholds("demographic_parity", max_gap=0.1, randomized=randomized).fit(scores, labels, groups)
    assert fit.gap_ <= 0.1 + 1e-9


def test_rows_of_unknown_group_are_left_out():
    """They change no threshold when fitted, and are refused when decided."""
    scores, labels, groups = rows(200)
    named = groups.astype(str).astype(object)
    fit = GroupThresholds(max_gap=0.1).fit([*scores, 0.5], [*labels, 1], [*named, None])
    assert np.array_equal(fit.thresholds_, GroupThresholds(max_gap=0.1).fit(scores, labels, named).thresholds_)
    with pytest.raises(InputError, match="unknown"):
        fit.predict([0.5], [None])
    with pytest.raises(InputError, match="'2'"):
        fit.predict([0.5], ["2"])


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"max_gap": -0.1}, InputError, "max_gap"),
        ({"max_gap": "a"}, InputTypeError, "max_gap"),
        ({"selection_rate": 1.5}, InputError, "selection_rate"),
        ({"randomized": 1}, InputTypeError, "randomized"),
        ({"bins": 1}, InputError, "bins"),
        ({"n_pareto": -1}, InputError, "n_pareto"),
        ({"criterion": "fair"}, InputError, "criterion"),
        ({"criterion": Criterion("x", "accuracy", agg="signed")}, InputError, "signed"),
        ({"objective": "matthews_correlation"}, InputError, "objective"),
        ({"objective": [[0, 1]]}, InputError, "costs"),
        ({"objective": [[0, np.inf], [1, 0]]}, InputError, "costs"),
        ({"positive": 5}, InputError, "positive"),
        ({"criterion": Criterion("x", "matthews_correlation"), "randomized": True}, InputError, "randomized=False"),
        ({"criterion": "conditional_use_accuracy", "randomized": True, "max_gap": 0}, None, ""),
    ],
)
def test_options_out_of_range_are_refused(options, error, text):
    """Each option is checked before anything is computed; what is in range is not refused."""
    data = rows(100)
    if error is None:
        GroupThresholds(**options).fit(*data)
        return
    with pytest.raises(error, match=text):
        GroupThresholds(**options).fit(*data)


def test_rows_that_cannot_be_used_are_refused():
    """NaN among scores, three classes, one class and lengths that differ are errors."""
    scores, labels, groups = rows(50)
    fit = GroupThresholds()
    with pytest.raises(InputError, match="finite"):
        fit.fit(np.where(np.arange(50) == 3, np.nan, scores), labels, groups)
    with pytest.raises(InputError, match="two classes"):
        fit.fit(scores, np.arange(50) % 3, groups)
    with pytest.raises(InputError, match="length"):
        fit.fit(scores[1:], labels, groups)
    with pytest.raises(InputError, match="fitted first"):
        GroupThresholds().predict(scores, groups)


@pytest.mark.parametrize("randomized", [False, True])
def test_files_keep_what_was_fitted(tmp_path, randomized):
    """What is read from a file decides as what was written, and has its Pareto points."""
    scores, labels, groups = rows(300)
    fit = GroupThresholds(max_gap=0.05, randomized=randomized, n_pareto=3, objective=np.eye(2)).fit(
        scores, labels, groups
    )
    fit.save(tmp_path / "thresholds.npz")
    same = load_step(tmp_path / "thresholds.npz")
    assert np.array_equal(same.predict_proba(scores, groups), fit.predict_proba(scores, groups))
    assert np.array_equal(same.pareto_["gap"], fit.pareto_["gap"])
    assert same.gap_ == fit.gap_


def test_the_block_can_be_exported(tmp_path):
    """The graph that is written gives the probabilities after it is read."""
    mx = pytest.importorskip("mxnet")
    scores, labels, groups = rows(500, 3)
    fit = GroupThresholds(randomized=True).fit(scores.astype(np.float32), labels, groups)
    block = fit.as_block()
    block.hybridize()
    inputs = mx.nd.array(scores), mx.nd.array(fit.group_codes(groups))
    wanted = block(*inputs).asnumpy()
    block.export(str(tmp_path / "thresholds"))
    files = str(tmp_path / "thresholds-symbol.json"), ["data0", "data1"], str(tmp_path / "thresholds-0000.params")
    assert np.array_equal(mx.gluon.SymbolBlock.imports(*files)(*inputs).asnumpy(), wanted)


def test_the_block_decides_as_the_thresholds():
    """Margins, log-odds and probabilities of the block agree with predict, hybridized and in the scores' shape."""
    mx = pytest.importorskip("mxnet")
    scores, labels, groups = rows(3000, 3)
    chances = (1 / (1 + np.exp(-scores))).astype(np.float32)
    fixed = GroupThresholds("demographic_parity", max_gap=0.02).fit(chances, labels, groups)
    mixed = GroupThresholds(randomized=True).fit(chances, labels, groups)
    codes = fixed.group_codes(groups)
    for shape in ((-1,), (-1, 1)):
        for output in ("margin", "log_odds"):
            block = fixed.as_block(output=output)
            block.hybridize()
            out = block(mx.nd.array(chances.reshape(shape)), mx.nd.array(codes))
            assert out.shape == chances.reshape(shape).shape
            assert np.array_equal(out.asnumpy().ravel() > 0, fixed.predict(chances, groups) == 1)
        out = mixed.as_block()(mx.nd.array(chances.reshape(shape)), mx.nd.array(codes))
        assert np.allclose(out.asnumpy().ravel(), mixed.predict_proba(chances, groups)[:, 1], atol=1e-6)
    for block in (fixed.as_block(), mixed.as_block()):
        assert np.isnan(block(mx.nd.array([0.5, 0.5]), mx.nd.array([-1, 3])).asnumpy()).all()
    with pytest.raises(InputError, match="probability"):
        mixed.as_block(output="margin")
    with pytest.raises(InputError, match="code"):
        fixed.as_block()(mx.nd.array([0.5, 0.5]), mx.nd.array([1]))
    logits = GroupThresholds("demographic_parity", max_gap=0.02).fit(20 * scores - 60, labels, groups)
    with pytest.raises(InputError, match="margin"):
        logits.as_block(output="log_odds")
