"""VotingClassifier and VotingRegressor: averages and votes of estimators, and weights chosen for fairness."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import sklearn
from mxnet import gluon, nd
from sklearn import ensemble as peers
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.preprocessing import LabelEncoder

from mxfair import GroupConfusion
from mxfair._validation import InputError, InputTypeError
from mxfair.criterion import criterion_named
from mxfair.ensemble import SeedEnsembleClassifier, VotingClassifier, VotingRegressor, pareto_weights, seed_spread
from mxfair.estimator import GluonClassifier, GluonRegressor, gap_scorer
from mxfair.preprocessing import ByGroup, StandardScaler

OPTIONS = {"learning_rate": 0.02, "epochs": 3, "batch_size": 32}


def table(rows=160, classes=2):
    """Return features, text labels and groups."""
    rng = np.random.default_rng(5)
    X, groups = rng.normal(size=(rows, 4)), rng.integers(0, 2, rows)
    X[:, 1] += groups
    score = X[:, 0] + 0.8 * groups + 0.5 * rng.normal(size=rows)
    return X, np.array(["no", "yes", "zz"])[np.digitize(score, [0.4] if classes == 2 else [0.0, 0.8])], groups


def members(classes=2):
    """Return estimators of different nets."""
    return [
        ("line", GluonClassifier("logistic", random_state=1, **OPTIONS)),
        ("net", GluonClassifier((6,), random_state=2, **OPTIONS)),
        ("wide", GluonClassifier((12,), random_state=3, loss=gluon.loss.SoftmaxCELoss() if classes > 2 else None)),
    ]


def peer(fitted, weights, voting):
    """Return scikit-learn's ensemble of the same fitted estimators."""
    other = peers.VotingClassifier([(str(k), one) for k, one in enumerate(fitted)], voting=voting, weights=weights)
    other.estimators_, other.le_ = fitted, LabelEncoder().fit(fitted[0].classes_)
    if voting == "hard":  # it votes with numbers of classes

        class Coded:
            def __init__(self, one):
                self.one = one

            def predict(self, X):
                return other.le_.transform(self.one.predict(X))

        other.estimators_ = [Coded(one) for one in fitted]
    other.classes_ = other.le_.classes_
    return other


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("voting", ["soft", "hard"])
@pytest.mark.parametrize("weights", [None, [2.0, 1.0, 0.5]])
def test_it_predicts_as_scikit_learn_does(voting, weights, classes):
    """Classes, and probabilities of soft votes, are those of scikit-learn's VotingClassifier."""
    X, y, _ = table(classes=classes)
    model = VotingClassifier(members(classes), voting=voting, weights=weights).fit(X, y)
    other = peer([one.fit(X, y) for _, one in members(classes)], weights, voting)
    assert (model.predict(X) == other.predict(X)).all()
    if voting == "soft":
        np.testing.assert_allclose(model.predict_proba(X), other.predict_proba(X), atol=1e-5)


def test_probabilities_of_hard_votes_are_shares():
    """A vote's probability is the weighted share of the members that decide so."""
    X, y, _ = table()
    model = VotingClassifier(members(), voting="hard", weights=[1, 2, 1]).fit(X, y)
    votes = np.array([one.predict(X) == "yes" for one in model.estimators_])
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], np.average(votes, axis=0, weights=[1, 2, 1]), atol=1e-6)


def test_regressors_are_averaged():
    """The weighted mean of separate fits, for several columns too."""
    X, _, _ = table()
    y = np.column_stack([X[:, 0], X[:, 1]])
    pair = [(str(k), GluonRegressor(net, random_state=k, **OPTIONS)) for k, net in enumerate(("logistic", (5,)))]
    model = VotingRegressor(pair, weights=[3, 1]).fit(X, y)
    alone = [one.fit(X, y).predict(X) for _, one in pair]
    np.testing.assert_allclose(model.predict(X), (3 * alone[0] + alone[1]) / 4, atol=1e-5)


def test_members_may_have_one_output_or_two_scores_or_probabilities():
    """Nets of one output, of two, and of a loss of probabilities are averaged by what they mean."""
    X, y, _ = table()

    def ends_in_sigmoid(n_features, n_outputs):
        net = gluon.nn.HybridSequential()
        net.add(gluon.nn.Dense(n_outputs, in_units=n_features), gluon.nn.Activation("sigmoid"))
        return net

    def two(n_features, n_outputs):
        return gluon.nn.Dense(2, in_units=n_features)

    loss = gluon.loss.SigmoidBinaryCrossEntropyLoss(from_sigmoid=True)
    mixed = [
        ("one", GluonClassifier("logistic", random_state=0)),
        ("two", GluonClassifier(two, random_state=0)),
        ("chance", GluonClassifier(ends_in_sigmoid, loss=loss, random_state=0)),
    ]
    model = VotingClassifier(mixed).fit(X, y)
    mean = np.mean([one.fit(X, y).predict_proba(X) for _, one in mixed], axis=0)
    np.testing.assert_allclose(model.predict_proba(X), mean, atol=1e-5)


def test_preprocessing_steps_become_part_of_the_net():
    """A member with a scaler predicts in the ensemble as alone, and the graph takes raw features."""
    X, y, _ = table()
    X = X * [1, 10, 100, 1] + 5
    scaled = [("scaled", GluonClassifier((6,), mitigation=StandardScaler(), random_state=0, **OPTIONS))]
    model = VotingClassifier(scaled).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), scaled[0][1].fit(X, y).predict_proba(X), atol=1e-5)


def test_steps_that_need_a_group_are_refused():
    """A step that is no function of a sample's numbers alone is refused before training, by the member's name."""
    X, y, groups = table()
    member = GluonClassifier((6,), mitigation=ByGroup(StandardScaler()))
    with pytest.raises(InputError, match=r"Member 'a'.*pipeline"):
        VotingClassifier([("a", member)]).fit(X, y, groups)


def test_fitted_members_are_used_as_they_are():
    """With prefit nothing is trained, and the members' own nets stay apart from the ensemble's."""
    X, y, _ = table()
    fitted = [(name, one.fit(X, y)) for name, one in members()]
    before = [one.decision_function(X) for _, one in fitted]
    model = VotingClassifier(fitted, prefit=True).fit(X, y)
    assert model.named_estimators_.net is fitted[1][1]
    scores = model.decision_function(X)
    for parameter in model.net_.nets[0].collect_params().values():
        parameter.set_data(parameter.data() * 0)
    assert not np.allclose(model.decision_function(X), scores)
    np.testing.assert_array_equal(before, [one.decision_function(X) for _, one in fitted])


def test_ensembles_and_estimators_from_files_are_members(tmp_path):
    """A seed ensemble, and nets that were read from files and have the same names, are combined."""
    X, y, _ = table()
    seeds = SeedEnsembleClassifier(GluonClassifier((4,), **OPTIONS), n_estimators=2, random_state=0).fit(X, y)
    seeds.save(tmp_path / "a.npz")
    read = [SeedEnsembleClassifier.load(tmp_path / "a.npz") for _ in range(2)]
    model = VotingClassifier([("a", read[0]), ("b", read[1]), ("c", seeds)], prefit=True).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), seeds.predict_proba(X), atol=1e-5)
    again = VotingClassifier([("c", seeds), ("d", members()[0][1])], random_state=0).fit(X, y)
    assert again.estimators_[0] is not seeds


def test_pareto_chooses_weights_on_the_rows_of_fit_with_prefit():
    """The weights are those of pareto_weights for the members' scores, and the gap is within the bound."""
    X, y, groups = table(600)
    half = slice(300), slice(300, None)
    pair = [
        ("plain", GluonClassifier((6,), random_state=0, **{**OPTIONS, "epochs": 10})),
        ("other", GluonClassifier("logistic", random_state=0, mitigation="gap_penalty", **OPTIONS)),
    ]
    fitted = [(name, one.fit(X[half[0]], y[half[0]], groups[half[0]])) for name, one in pair]
    options = {"weights": "pareto", "criterion": "demographic_parity", "prefit": True, "positive": "yes"}
    model = VotingClassifier(fitted, max_gap=0.3, random_state=0, **options).fit(
        X[half[1]], y[half[1]], groups[half[1]]
    )
    scores = np.stack([one.decision_function(X[half[1]]) for _, one in fitted])
    found = pareto_weights(scores, (y[half[1]] == "yes").astype(int), groups[half[1]], "demographic_parity")
    np.testing.assert_allclose(model.weights_, found.weights[found.choose(0.3)], atol=1e-3)
    table_ = GroupConfusion.of(y[half[1]], model.predict(X[half[1]]), groups[half[1]])
    gap = criterion_named("demographic_parity").difference(table_)
    assert gap == pytest.approx(model.pareto_.gap[model.pareto_.choose(0.3)])
    assert gap <= 0.3


def test_pareto_holds_rows_out_of_training(monkeypatch):
    """Members are trained on the rows that do not choose the weights, with their own groups and weights."""
    X, y, groups = table(300)
    X[:, 3] = np.arange(300)
    seen = []
    fit = GluonClassifier.fit

    def watched(self, X, y, groups=None, sample_weight=None):
        seen.append((X[:, 3].astype(int), y, groups, sample_weight))
        return fit(self, X * [1, 1, 1, 0.001], y, groups, sample_weight)

    monkeypatch.setattr(GluonClassifier, "fit", watched)
    weight = np.arange(300) + 1.0
    model = VotingClassifier(members()[:2], weights="pareto", validation_fraction=0.25, random_state=0)
    model.fit(X, y, groups, sample_weight=weight)
    for rows, labels, codes, its in seen:
        assert len(rows) == pytest.approx(225, abs=4)
        assert (labels == y[rows]).all()
        assert (codes.codes == groups[rows]).all()
        assert (its == weight[rows]).all()
    assert (seen[0][0] == seen[1][0]).all()


def test_parameters_of_members_are_set_by_name():
    """Nested parameters, a member as a whole, dropping one, and a grid search over them."""
    X, y, _ = table()
    model = VotingClassifier(members(), random_state=0)
    assert model.get_params()["net__epochs"] == 3
    model.set_params(net__epochs=1, wide="drop", line=GluonClassifier((3,), epochs=1))
    assert len(model.fit(X, y).net_.nets) == 2
    assert [len(history) for history in model.histories_] == [1, 1]
    search = GridSearchCV(clone(model), {"net__epochs": [1, 2]}, cv=2).fit(X, y)
    assert search.best_params_["net__epochs"] in (1, 2)


def test_seeds_of_members_come_from_the_ensemble():
    """Members without a random_state get one: two fits are equal, and members are not."""
    X, y, _ = table()
    pair = [(name, GluonClassifier((4,), **OPTIONS)) for name in ("a", "b")]
    one, other = (VotingClassifier(pair, random_state=3).fit(X, y) for _ in range(2))
    np.testing.assert_array_equal(one.decision_function(X), other.decision_function(X))
    first, second = one.net_.member_scores(X.astype("float32"))
    assert not np.allclose(first, second)
    assert pair[0][1].random_state is None


def test_groups_are_routed():
    """With metadata routing cross_val_score passes groups on to members' mitigations and to the scorer."""
    X, y, groups = table()
    fair = [("fair", GluonClassifier("logistic", mitigation="fairbatch", **OPTIONS))]
    with sklearn.config_context(enable_metadata_routing=True):
        model = VotingClassifier(fair, random_state=0).set_fit_request(groups=True)
        scores = cross_val_score(model, X, y, scoring=gap_scorer(), cv=2, params={"groups": groups})
    assert (scores <= 0).all()


def test_the_spread_of_members_can_be_asked_for():
    """seed_spread knows the members of a vote."""
    X, y, groups = table()
    model = VotingClassifier(members(), random_state=0).fit(X, y)
    spread = seed_spread(model, X, y, groups, n_resamples=20, random_state=0)
    np.testing.assert_allclose(spread.score, [one.score(X, y) for one in model.estimators_])


@pytest.mark.parametrize(
    ("estimators", "options", "error", "message"),
    [
        ([], {}, InputError, "at least one"),
        (None, {}, InputTypeError, "list of"),
        ([GluonClassifier()], {}, InputTypeError, "list of"),
        ([("a", LogisticRegression())], {}, InputTypeError, "Member 'a' must be an estimator of mxfair"),
        ([("a", GluonRegressor())], {}, InputError, "got a regressor"),
        ([("a", GluonClassifier()), ("a", GluonClassifier())], {}, InputError, "names"),
        ([("a__b", GluonClassifier())], {}, InputError, "names"),
        (members(), {"weights": [1, 2]}, InputError, "3 members"),
        (members(), {"weights": [1, -1, 0]}, InputError, "0 or more"),
        (members(), {"weights": "best"}, InputError, "'weights' must be one of"),
        (members(), {"weights": "pareto"}, InputError, "'groups' must be given"),
        (members(), {"voting": "loud"}, InputError, "'voting' must be one of"),
        ([("a", GluonClassifier(mitigation="fairbatch"))], {}, InputError, "'groups' must be given"),
    ],
)
def test_bad_members_and_options_are_refused(monkeypatch, estimators, options, error, message):
    """What cannot be combined is said before anything is trained."""
    X, y, _ = table()
    monkeypatch.setattr(GluonClassifier, "fit", lambda *_: pytest.fail("trained"))
    with pytest.raises(error, match=message):
        VotingClassifier(estimators, **options).fit(X, y)


def test_fitted_members_must_fit_together():
    """Other classes and other columns of fitted members are errors."""
    X, y, _ = table()
    good = members()[0][1].fit(X, y)
    classes = GluonClassifier("logistic", epochs=1).fit(X, y == "yes")
    columns = GluonClassifier("logistic", epochs=1).fit(X[:, :2], y)
    for bad, message in ((classes, "classes of y"), (columns, "4 features")):
        with pytest.raises(InputError, match=f"Member 'b' must .*{message}"):
            VotingClassifier([("a", good), ("b", bad)], prefit=True).fit(X, y)


def test_it_is_one_block_one_file_and_one_pickle(tmp_path):
    """The exported graph, the file and the pickle give the numbers of the fitted ensemble."""
    X, y, groups = table()
    model = VotingClassifier(members(), weights="pareto", max_gap=0.2, random_state=0).fit(X, y, groups)
    scores = model.decision_function(X)
    data = nd.array(X.astype("float32"))
    model.net_.hybridize()
    model.net_(data)
    model.net_.export(str(tmp_path / "net"))
    back = gluon.SymbolBlock.imports(str(tmp_path / "net-symbol.json"), ["data"], str(tmp_path / "net-0000.params"))
    np.testing.assert_allclose(back(data).asnumpy()[:, 0], scores, atol=1e-5)
    model.save(tmp_path / "model.npz")
    read = VotingClassifier.load(tmp_path / "model.npz")
    for copy in (read, pickle.loads(pickle.dumps(model))):
        np.testing.assert_allclose(copy.decision_function(X), scores, atol=1e-5)
        np.testing.assert_allclose(copy.weights_, model.weights_)
    assert [name for name, _ in read.estimators] == ["line", "net", "wide"]
    assert read.estimators[0][1].epochs == 3


def test_rows_that_cannot_choose_are_refused_before_anything_is_trained(monkeypatch):
    """A group that has no held-out rows, or a criterion of another label."""
    X, y, groups = table()
    rare = np.where(np.arange(len(y)) < 2, "rare", groups.astype(str))
    other = criterion_named("equalized_odds").with_positive("maybe")
    trained = []
    monkeypatch.setattr(VotingClassifier, "_trained", lambda *args, **kwargs: trained.append(args))
    for given, criterion, words in ((rare, "equalized_odds", "'rare' has none"), (groups, other, "'positive' must")):
        model = VotingClassifier(members(), weights="pareto", criterion=criterion, random_state=0)
        with pytest.raises(InputError, match=words):
            model.fit(X, y, groups=given)
    assert not trained
