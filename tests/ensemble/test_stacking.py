"""StackingClassifier and StackingRegressor: a net on top of out-of-fold scores."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from mxnet import gluon, nd
from scipy.special import expit
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict

import mxfair
from mxfair import GroupConfusion
from mxfair._validation import InputError, InputTypeError
from mxfair.criterion import criterion_named
from mxfair.ensemble import StackingClassifier, StackingRegressor
from mxfair.estimator import GluonClassifier, GluonRegressor
from mxfair.preprocessing import StandardScaler

OPTIONS = {"learning_rate": 0.02, "epochs": 3, "batch_size": 32}
TOP = {"learning_rate": 0.05, "epochs": 10, "random_state": 7}


def table(rows=240, classes=2):
    """Return features, labels and groups."""
    rng = np.random.default_rng(5)
    X, groups = rng.normal(size=(rows, 4)), rng.integers(0, 2, rows)
    X[:, 1] += groups
    score = X[:, 0] + 0.8 * groups + 0.5 * rng.normal(size=rows)
    return X, np.digitize(score, [0.4] if classes == 2 else [0.0, 0.8]), groups


def members(**options):
    """Return estimators of different nets."""
    given = {**OPTIONS, **options}
    return [
        ("line", GluonClassifier("logistic", random_state=1, **given)),
        ("net", GluonClassifier((6,), random_state=2, **given)),
    ]


def values_of(net):
    """Return a net's parameters as one vector."""
    return np.concatenate([p.data().asnumpy().ravel() for p in net.collect_params().values()])


@pytest.mark.parametrize("classes", [2, 3])
def test_the_net_on_top_is_trained_on_out_of_fold_scores(classes):
    """It is the final estimator fitted to what scikit-learn's cross_val_predict returns, member after member."""
    X, y, _ = table(classes=classes)
    cv = StratifiedKFold(3, shuffle=True, random_state=0)
    top = GluonClassifier("logistic", **TOP)
    model = StackingClassifier(members(), top, cv=cv).fit(X, y)
    scores = [cross_val_predict(one, X, y, cv=cv, method="decision_function") for _, one in members()]
    by_hand = GluonClassifier("logistic", **TOP).fit(np.column_stack(scores), y)
    np.testing.assert_allclose(values_of(model.final_estimator_.net_), values_of(by_hand.net_), atol=2e-4)
    whole = np.column_stack([one.fit(X, y).decision_function(X) for _, one in members()])
    np.testing.assert_allclose(model.predict_proba(X), by_hand.predict_proba(whole), atol=5e-4)


def test_it_may_read_probabilities():
    """With features='probability' the net on top is fitted to probabilities, in training as in the graph."""
    X, y, _ = table()
    cv = StratifiedKFold(3, shuffle=True, random_state=0)
    model = StackingClassifier(members(), GluonClassifier("logistic", **TOP), cv=cv, features="probability").fit(X, y)
    tables = [cross_val_predict(one, X, y, cv=cv, method="predict_proba")[:, 1] for _, one in members()]
    by_hand = GluonClassifier("logistic", **TOP).fit(np.column_stack(tables), y)
    whole = np.column_stack([one.predict_proba(X)[:, 1] for one in model.estimators_])
    np.testing.assert_allclose(model.predict_proba(X), by_hand.predict_proba(whole), atol=5e-4)


def test_regressors_are_stacked():
    """The regressor's net on top is fitted to out-of-fold predictions."""
    X, _, _ = table()
    y = X[:, 0] - X[:, 1]
    pair = [(str(k), GluonRegressor(net, random_state=k, **OPTIONS)) for k, net in enumerate(("logistic", (5,)))]
    cv = KFold(3, shuffle=True, random_state=0)
    model = StackingRegressor(pair, GluonRegressor("logistic", **TOP), cv=cv).fit(X, y)
    scores = np.column_stack([cross_val_predict(one, X, y, cv=cv) for _, one in pair])
    by_hand = GluonRegressor("logistic", **TOP).fit(scores, y)
    whole = np.column_stack([one.predict(X) for one in model.estimators_])
    np.testing.assert_allclose(model.predict(X), by_hand.predict(whole), atol=5e-4)


@pytest.mark.parametrize(("features", "classes"), [("score", 2), ("score", 3), ("probability", 2)])
def test_the_net_of_ours_begins_as_the_mean(features, classes, monkeypatch):
    """Without a final estimator training begins at the mean of the members' scores, or of their probabilities."""
    seen = []
    fit = GluonClassifier.fit

    def watched(self, X, y, **given):
        if isinstance(self.net, gluon.nn.Dense):
            seen.append((X, self.net(nd.array(X)).asnumpy()))
        return fit(self, X, y, **given)

    monkeypatch.setattr(GluonClassifier, "fit", watched)
    X, y, _ = table(classes=classes)
    StackingClassifier(members(), cv=2, features=features, random_state=0).fit(X, y)
    ((read, output),) = seen
    outputs = 1 if classes == 2 else classes
    mean = read.reshape(len(X), 2, outputs).mean(axis=1)
    expected = mean if features == "score" else 4 * (mean - 0.5)  # the log-odds near one half
    np.testing.assert_allclose(output, expected, atol=1e-5)


def test_the_mitigation_may_be_on_top():
    """A gap penalty of the final estimator leaves out the member that reads a proxy of the group."""
    X, y, groups = table(600)

    def only(column):
        def make(n_features, n_outputs):
            net = gluon.nn.HybridSequential()
            net.add(gluon.nn.HybridLambda(lambda F, x: F.slice_axis(x, axis=1, begin=column, end=column + 1)))
            net.add(gluon.nn.Dense(n_outputs, in_units=1))
            return net

        return GluonClassifier(make, random_state=0, **{**OPTIONS, "epochs": 8})

    gaps = []
    for mitigation in (None, mxfair.estimator.Penalized("gap", strength=5.0)):
        top = GluonClassifier("logistic", mitigation=mitigation, criterion="demographic_parity", **TOP)
        pair = [("merit", only(0)), ("proxy", only(1))]
        model = StackingClassifier(pair, top, cv=3, random_state=0).fit(X, y, groups)
        confusion = GroupConfusion.of(y, model.predict(X), groups)
        gaps.append(criterion_named("demographic_parity").difference(confusion))
    assert gaps[1] < 0.5 * gaps[0]


def test_steps_of_members_and_of_the_top_are_in_the_net():
    """Scalers of a member and of the final estimator become blocks."""
    X, y, _ = table()
    X = X * [1, 10, 100, 1] + 5
    top = GluonClassifier("logistic", mitigation=StandardScaler(), **TOP)
    model = StackingClassifier(members(mitigation=StandardScaler()), top, cv=2, random_state=0).fit(X, y)
    whole = np.column_stack([one.decision_function(X) for one in model.estimators_])
    np.testing.assert_allclose(model.predict_proba(X), model.final_estimator_.predict_proba(whole), atol=1e-4)


def test_fitted_members_need_no_folds():
    """With prefit the rows of fit are those that the net on top is trained on, and members stay."""
    X, y, _ = table(400)
    fitted = [(name, one.fit(X[:200], y[:200])) for name, one in members()]
    model = StackingClassifier(fitted, GluonClassifier("logistic", **TOP), prefit=True).fit(X[200:], y[200:])
    scores = np.column_stack([one.decision_function(X[200:]) for _, one in fitted])
    by_hand = GluonClassifier("logistic", **TOP).fit(scores, y[200:])
    np.testing.assert_allclose(model.predict_proba(X[200:]), by_hand.predict_proba(scores), atol=1e-4)
    assert model.named_estimators_.line is fitted[0][1]


def test_folds_have_each_cell():
    """The folds are stratified by label and group: each has its share of each cell."""
    X, y, groups = table(300)
    model = StackingClassifier(members(), cv=3, random_state=0)
    data, _, rng = model._begin(X, y, groups, None)
    for rows, held in model._folds(X, data, rng):
        assert len(rows) + len(held) == 300
        for cell in np.unique(data.cells):
            assert (data.cells[held] == cell).sum() == pytest.approx((data.cells == cell).sum() / 3, abs=1)


@pytest.mark.parametrize("rare", ["class", "group"])
def test_a_fold_without_a_class_or_a_group_is_refused(monkeypatch, rare):
    """A class, or a group, with fewer rows than folds is an error that names it, before training."""
    monkeypatch.setattr(GluonClassifier, "fit", lambda *_, **__: pytest.fail("trained"))
    X, y, groups = table()
    groups = np.array(["a", "b"], dtype=object)[groups]
    if rare == "class":
        y[:2] = 2
    else:
        groups[:2] = "rare"
    with pytest.raises(InputError, match=f"Each fold must hold each {rare}.*2 rows of {rare} ('rare'|2)"):
        StackingClassifier(members(), cv=5).fit(X, y, groups)


def test_a_splitter_that_leaves_rows_out_is_refused():
    """Each row must be held out once; a splitter by sorted rows whose fold has one class is refused."""
    from sklearn.model_selection import ShuffleSplit

    X, y, _ = table()
    with pytest.raises(InputError, match="each row once"):
        StackingClassifier(members(), cv=ShuffleSplit(2, random_state=0)).fit(X, y)
    order = np.argsort(y)
    with pytest.raises(InputError, match="none of the"):
        StackingClassifier(members(), cv=KFold(2)).fit(X[order], y[order])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"cv": 1}, InputError, "'cv' must be at least 2"),
        ({"cv": 1000}, InputError, "at most n_samples=240"),
        ({"cv": "many"}, InputTypeError, "'cv' must be"),
        ({"features": "logit"}, InputError, "'features' must be one of"),
        ({"final_estimator": GluonRegressor()}, InputTypeError, "must be a GluonClassifier"),
        ({"final_estimator": GluonClassifier(mitigation="fairbatch")}, InputError, "'groups' must be given"),
        ({"estimators": []}, InputError, "at least one"),
    ],
)
def test_bad_options_are_refused(options, error, message):
    """What cannot be used is said before training."""
    X, y, _ = table()
    with pytest.raises(error, match=message):
        StackingClassifier(**{"estimators": members(), **options}).fit(X, y)


def test_it_is_one_block_one_file_and_one_pickle(tmp_path):
    """The exported graph, the file and the pickle give the numbers of the fitted stack."""
    X, y, groups = table()
    top = GluonClassifier("logistic", mitigation="fairbatch", **TOP)
    model = StackingClassifier(members(), top, cv=2, features="probability", random_state=0).fit(X, y, groups)
    scores = model.decision_function(X)
    data = nd.array(X.astype("float32"))
    model.net_.hybridize()
    model.net_(data)
    model.net_.export(str(tmp_path / "net"))
    back = gluon.SymbolBlock.imports(str(tmp_path / "net-symbol.json"), ["data"], str(tmp_path / "net-0000.params"))
    np.testing.assert_allclose(back(data).asnumpy()[:, 0], scores, atol=1e-5)
    np.testing.assert_allclose(expit(scores), model.predict_proba(X)[:, 1], atol=1e-6)
    model.save(tmp_path / "model.npz")
    read = StackingClassifier.load(tmp_path / "model.npz")
    for copy in (read, pickle.loads(pickle.dumps(model))):
        np.testing.assert_allclose(copy.decision_function(X), scores, atol=1e-5)
    assert read.get_params()["net__epochs"] == 3
    assert read.final_estimator.mitigation == "fairbatch"


@pytest.mark.parametrize("place", ["member", "top"])
def test_weights_that_a_mitigation_leaves_no_place_for_are_refused_before_anything_is_trained(place, monkeypatch):
    """A loss of groups takes the third item of a batch, in a member and in the final estimator."""
    X, y, groups = table()
    trained = []
    monkeypatch.setattr(StackingClassifier, "_trained", lambda *args, **kwargs: trained.append(args))
    fair = GluonClassifier("logistic", mitigation="gap_penalty", **OPTIONS)
    plain = GluonClassifier("logistic", **OPTIONS)
    model = StackingClassifier([("one", plain), ("two", fair if place == "member" else plain)], fair, cv=2)
    if place == "member":
        model.set_params(final_estimator=None)
    with pytest.raises(InputError, match="'sample_weight' must not be given with the mitigation of"):
        model.fit(X, y, groups, sample_weight=np.ones(len(y)))
    assert not trained
