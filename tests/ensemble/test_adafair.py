"""AdaFairClassifier: costs, weights, and the number of members."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score

import mxfair  # noqa: F401  before mxnet

mx = pytest.importorskip("mxnet")

from mxfair import Criterion, GroupConfusion  # noqa: E402
from mxfair._validation import InputError  # noqa: E402
from mxfair.criterion import CRITERIA, LossCriterion  # noqa: E402
from mxfair.ensemble import AdaBoostClassifier, AdaFairClassifier  # noqa: E402
from mxfair.ensemble._fairness_cost import fairness_costs  # noqa: E402
from mxfair.estimator import GluonClassifier  # noqa: E402

EO = CRITERIA["equalized_odds"]


@pytest.fixture(scope="module")
def rows():
    """Return 600 samples, labels and groups; the features tell one group's labels apart better."""
    rng = np.random.default_rng(1)
    groups = rng.choice(["a", "b"], 600, p=[0.7, 0.3])
    X = rng.normal(size=(600, 3))
    y = (X[:, 0] + 0.8 * (groups == "a") + rng.normal(0, 0.6, 600) > 0.5).astype(int)
    return np.column_stack([X, groups == "a"]).astype("float32"), y, groups


def member(**options):
    """Return the template of a small member."""
    return GluonClassifier((4,), **{"epochs": 3, "learning_rate": 0.03, "batch_size": 50, **options})


def table_of(counts, known=None):
    """Return a table of counts by group, label and decision."""
    counts = np.asarray(counts, dtype=float)
    names = [f"g{place}" for place in range(len(counts))]
    return GroupConfusion(names, np.arange(counts.shape[1]), counts, known=known)


@pytest.mark.parametrize("seed", range(4))
def test_costs_of_equalized_odds_are_the_papers(seed):
    """A positive of the group with the lower TPR costs the difference, a negative of that with the higher FPR too."""
    counts = np.random.default_rng(seed).integers(1, 50, (2, 2, 2))
    tpr, fpr = counts[:, 1, 1] / counts[:, 1].sum(axis=1), counts[:, 0, 1] / counts[:, 0].sum(axis=1)
    expected = np.zeros((2, 2, 2))
    expected[tpr.argmin(), 1, 0] = abs(tpr[0] - tpr[1])
    expected[fpr.argmax(), 0, 1] = abs(fpr[0] - fpr[1])
    np.testing.assert_allclose(fairness_costs(table_of(counts), EO), expected)


def test_each_of_several_groups_costs_its_distance_to_the_best():
    """With TPR .9, .5 and .4, missed positives cost 0, .4 and .5; a group that is unknown costs nothing."""
    counts = [[[5, 5], [1, 9]], [[5, 5], [5, 5]], [[5, 5], [6, 4]], [[5, 5], [9, 1]]]
    costs = fairness_costs(table_of(counts, known=[True, True, True, False]), EO)
    np.testing.assert_allclose(costs[:, 1, 0], [0, 0.4, 0.5, 0])
    np.testing.assert_allclose(costs[:, 0, 1], 0)


def test_costs_within_the_tolerance_are_nothing():
    """The paper's epsilon."""
    counts = [[[5, 5], [1, 9]], [[5, 5], [5, 5]], [[5, 5], [6, 4]]]
    np.testing.assert_allclose(fairness_costs(table_of(counts), EO, 0.45)[:, 1, 0], [0, 0, 0.5])


def test_costs_of_demographic_parity_move_selection_rates():
    """Missed positives of the group that is selected least cost, and false ones of the group that is selected most."""
    costs = fairness_costs(table_of([[[5, 5], [0, 10]], [[8, 2], [5, 5]]]), CRITERIA["demographic_parity"])
    np.testing.assert_allclose(costs[:, 1, 0], [0, 0.4])
    np.testing.assert_allclose(costs[:, 0, 1], [0.4, 0])


def test_costs_of_several_classes_ask_for_the_right_one():
    """With three classes each label has its true positive rate, and a right decision costs nothing."""
    counts = np.random.default_rng(0).integers(1, 20, (2, 3, 3))
    costs = fairness_costs(table_of(counts), CRITERIA["equal_opportunity"])
    assert (costs[:, np.arange(3), np.arange(3)] == 0).all()
    recall = np.diagonal(counts, axis1=1, axis2=2) / counts.sum(axis=2)
    lacks = recall.max(axis=0) - recall
    np.testing.assert_allclose(costs[:, 0, 1], lacks[:, 0])
    np.testing.assert_allclose(costs[:, 2, 1], lacks[:, 2])


def test_a_rate_that_a_group_lacks_costs_nothing():
    """A group without positives has no true positive rate: it costs nothing, and sets no standard."""
    costs = fairness_costs(table_of([[[5, 5], [0, 0]], [[5, 5], [5, 5]], [[5, 5], [2, 8]]]), EO)
    np.testing.assert_allclose(costs[:, 1, 0], [0, 0.3, 0])


def test_without_costs_and_confidence_it_is_adaboost(rows):
    """Members and weights are then those of AdaBoost with half the step."""
    X, y, groups = rows
    options = {"n_estimators": 4, "random_state": 2}
    model = AdaFairClassifier(member(), strength=0, confidence=False, validation_fraction=None, **options)
    model.fit(X, y, groups=groups)
    plain = AdaBoostClassifier(member(), learning_rate=0.5, **options).fit(X, y)
    count = model.n_estimators_
    np.testing.assert_array_equal(model.estimator_weights_, plain.estimator_weights_[:count])
    np.testing.assert_array_equal(model.predict(X), list(plain.staged_predict(X))[count - 1])


def test_weights_follow_the_paper(rows):
    """The error of the second member is by w exp(alpha h) (1 + s u), computed by hand."""
    X, y, groups = rows
    model = AdaFairClassifier(
        member(), n_estimators=2, strength=3.0, validation_fraction=None, balance=0.0, random_state=0
    )
    model._chosen = lambda: 2  # both count
    model.fit(X, y, groups=groups)
    first, second = (net(mx.nd.array(X)).asnumpy()[:, 0] for net in model.net_.nets)
    wrong = (first > 0) != y
    error = wrong.mean()
    alpha = 0.5 * np.log((1 - error) / error)
    costs = fairness_costs(GroupConfusion.of(y, (first > 0).astype(int), groups), EO)
    places = (groups == "b").astype(int)
    sure = 1 / (1 + np.exp(-np.abs(first)))
    weight = np.exp(alpha * sure * wrong) * (1 + 3.0 * costs[places, y, 1 - y] * wrong)
    assert model.estimator_weights_[0] == pytest.approx(alpha)
    assert model.estimator_errors_[1] == pytest.approx(np.average((second > 0) != y, weights=weight))
    np.testing.assert_allclose(model.fairness_costs_[0], costs)


def test_costs_are_of_the_ensemble_so_far(rows):
    """The cost after each round is that of the votes of all members until then."""
    X, y, groups = rows
    model = AdaFairClassifier(member(), n_estimators=4, validation_fraction=None, balance=0.0, random_state=0)
    model._chosen = lambda: 4
    model.fit(X, y, groups=groups)
    for stage, costs in zip(model.staged_predict(X), model.fairness_costs_):
        np.testing.assert_allclose(costs, fairness_costs(GroupConfusion.of(y, stage, groups), EO))


@pytest.mark.parametrize("balance", [0.0, 0.3, 1.0])
def test_the_number_of_members_minimises_errors_and_gap(rows, balance):
    """What is minimised is c BER + (1 - c) ER + gap on the training rows; the first smallest value counts."""
    X, y, groups = rows
    model = AdaFairClassifier(member(), n_estimators=4, validation_fraction=None, balance=balance, random_state=0)
    model.fit(X, y, groups=groups)
    assert model.n_estimators_ == model.objectives_.argmin() + 1
    for stage, objective, gap in zip(model.staged_predict(X), model.objectives_, model.gaps_):
        assert gap == pytest.approx(EO.difference(GroupConfusion.of(y, stage, groups)))
        error, balanced = 1 - accuracy_score(y, stage), 1 - balanced_accuracy_score(y, stage)
        assert objective == pytest.approx(balance * balanced + (1 - balance) * error + gap)


def test_members_are_chosen_by_rows_that_are_held_out(rows):
    """A fifth of each cell is not trained on: other rows, other objectives, and fewer rows in the first training."""
    X, y, groups = rows
    model = AdaFairClassifier(member(), n_estimators=3, random_state=0).fit(X, y, groups=groups)
    assert len(model.objectives_) == len(model.fairness_costs_)
    assert model.n_estimators_ == model.objectives_.argmin() + 1
    whole = AdaFairClassifier(member(), n_estimators=3, validation_fraction=None, random_state=0)
    assert not np.array_equal(model.objectives_, whole.fit(X, y, groups=groups).objectives_)


def test_it_lowers_the_gap_of_plain_boosting(rows):
    """On data whose groups differ in base rate, equalized odds fall and accuracy stays within three points."""
    X, y, groups = rows
    options = {"n_estimators": 15, "random_state": 0}
    fair = AdaFairClassifier(member(), balance=0.0, validation_fraction=None, **options).fit(X, y, groups=groups)
    plain = AdaBoostClassifier(member(), **options).fit(X, y)
    gaps = [EO.difference(GroupConfusion.of(y, model.predict(X), groups)) for model in (fair, plain)]
    assert gaps[0] < gaps[1] - 0.05
    assert fair.score(X, y) > plain.score(X, y) - 0.03


def test_labels_may_be_text_with_a_stated_positive_class(rows):
    """The costs of equal opportunity are of the class that counts as positive."""
    X, y, groups = rows
    labels = np.where(y == 1, "a bad end", "good")
    model = AdaFairClassifier(
        member(positive="a bad end"),
        n_estimators=2,
        criterion="equal_opportunity",
        validation_fraction=None,
        random_state=0,
    ).fit(X, labels, groups=groups)
    assert model.fairness_costs_[0][:, 0, 1].any()
    assert not model.fairness_costs_[0][:, 1, 0].any()


def test_missing_groups_cost_nothing(rows):
    """Samples of unknown group are trained on; their cost is 0."""
    X, y, groups = rows
    some = groups.astype(object)
    some[::5] = None
    model = AdaFairClassifier(member(), n_estimators=2, random_state=0).fit(X, y, groups=some)
    place = list(model.group_names_).index("unknown")
    assert not model.fairness_costs_[:, place].any()
    assert model.fairness_costs_.any()


def test_a_gap_that_is_never_defined_is_warned_of():
    """Nothing is chosen by a gap that is NaN."""
    model = AdaFairClassifier()
    model.objectives_ = np.full(3, np.nan)
    with pytest.warns(UserWarning, match="undefined whatever the number"):
        assert model._chosen() == 3


def test_a_file_predicts_alike(rows, tmp_path):
    """What save wrote predicts as before, and keeps what happened."""
    X, y, groups = rows
    model = AdaFairClassifier(member(), n_estimators=2, random_state=0).fit(X, y, groups=groups)
    model.save(tmp_path / "model.npz")
    read = AdaFairClassifier.load(tmp_path / "model.npz")
    np.testing.assert_allclose(read.predict_proba(X), model.predict_proba(X), atol=1e-6)
    np.testing.assert_array_equal(read.fairness_costs_, model.fairness_costs_)
    assert len(read.histories_) == len(model.histories_)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_estimators": 0}, "'n_estimators' must be at least 1"),
        ({"strength": -1}, "'strength' must be a number, 0 or more"),
        ({"strength": float("nan")}, "'strength' must be a number, 0 or more"),
        ({"tolerance": float("inf")}, "'tolerance' must be a number, 0 or more"),
        ({"balance": 1.5}, "'balance' must be a number from 0 to 1"),
        ({"validation_fraction": 1.0}, "'validation_fraction' must lie between 0 and 1"),
        ({"criterion": "treatment_equality"}, "'criterion' must compare rates between 0 and 1"),
        ({"criterion": LossCriterion()}, "must compare rates of decisions"),
        ({"criterion": "bounded_group_loss"}, "must compare rates of decisions"),
        ({"criterion": Criterion("odds", "true_positive_rate", agg="signed")}, "must not let gaps cancel"),
        ({"criterion": "equal_odds"}, "'criterion' must be one of"),
    ],
)
def test_options_that_cannot_be_used(rows, options, words):
    """What is wrong is said before anything is trained."""
    X, y, groups = rows
    with pytest.raises(InputError, match=words):
        AdaFairClassifier(member(), **options).fit(X, y, groups=groups)


def test_groups_that_cannot_be_compared(rows):
    """No groups, one group, and a group whose cells are not among the held-out rows are errors."""
    X, y, groups = rows
    with pytest.raises(InputError, match="'groups' must be given"):
        AdaFairClassifier(member()).fit(X, y)
    with pytest.raises(InputError, match=r"two groups or more.*one group"):
        AdaFairClassifier(member()).fit(X, y, groups=np.zeros(len(y)))
    few = groups.astype(object)
    few[:4] = "c"
    labels = y.copy()
    labels[:4] = [0, 0, 1, 1]
    with pytest.raises(InputError, match=r"'validation_fraction' must hold out.*of group c"):
        AdaFairClassifier(member(), validation_fraction=0.05).fit(X, labels, groups=few)
    model = AdaFairClassifier(member(), n_estimators=1, validation_fraction=None).fit(X, labels, groups=few)
    assert model.n_estimators_ == 1


def test_a_criterion_of_ones_own_is_taken(rows):
    """The paper's sum of the two gaps is a criterion with another way of adding up."""
    X, y, groups = rows
    summed = Criterion("equalized_odds", ["true_positive_rate", "false_positive_rate"], agg="sum")
    model = AdaFairClassifier(member(), n_estimators=2, criterion=summed, validation_fraction=None, random_state=0)
    model.fit(X, y, groups=groups)
    table = GroupConfusion.of(y, next(model.staged_predict(X)), groups)
    assert model.gaps_[0] == pytest.approx(sum(gap.value for gap in EO.gaps(table)))


@pytest.mark.parametrize("mitigation", ["massaging", "cell_smote", "reweighing"])
def test_rows_that_choose_members_are_as_they_were_given(rows, mitigation, monkeypatch):
    """Mitigations change labels, number and weights of the rows that are trained on, not of those held out."""
    X, y, groups = rows
    seen, plain = [], AdaFairClassifier._rounds
    monkeypatch.setattr(
        AdaFairClassifier, "_rounds", lambda self, run, *rest: seen.append((run, *rest)) or plain(self, run, *rest)
    )
    AdaFairClassifier(member(mitigation=mitigation), n_estimators=2, random_state=0).fit(X, y, groups=groups)
    run, _, held = seen[0]
    places = {row.tobytes(): place for place, row in enumerate(X)}
    given = [places[row.tobytes()] for row in held.X]
    np.testing.assert_array_equal(held.target, y[given])
    assert held.weight is None
    rest = np.delete(np.arange(len(y)), given)
    assert len(run.data) > len(rest) or (run.data.target != y[rest]).any() or np.ptp(run.weight) > 0
