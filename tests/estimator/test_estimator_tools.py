"""scikit-learn's tools around the estimators: selection, routing, inspection, calibration, meta-estimators."""

from __future__ import annotations

import contextlib
import warnings

import numpy as np
import pytest
import sklearn
from mxnet import gluon
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV, calibration_curve
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.inspection import PartialDependenceDisplay, partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import mxfair
from mxfair._validation import InputError
from mxfair.estimator import FairBatch, GluonClassifier, GluonRegressor, Penalized, gap_scorer
from mxfair.loss import GapPenalty

VERSION = tuple(map(int, sklearn.__version__.split(".")[:2]))
OPTIONS = {"epochs": 3, "batch_size": 50, "learning_rate": 0.02, "random_state": 0}
#: The name of the argument that goes to fit, without routing.
PARAMS = "params" if VERSION >= (1, 4) else "fit_params"
routing = pytest.mark.skipif(VERSION < (1, 4), reason="metadata routing of cross-validation came with scikit-learn 1.4")


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The share of|Undefined on|.*cells? .* empty|The first batch")
        yield


@contextlib.contextmanager
def seen_groups(kept):
    """Write down the groups that each fit gets."""
    real = GluonClassifier.fit

    def fit(self, X, y, groups=None, sample_weight=None):
        kept.append(None if groups is None else list(groups))
        return real(self, X, y, groups, sample_weight)

    GluonClassifier.fit = fit
    try:
        yield
    finally:
        GluonClassifier.fit = real


# Clones and parameters


def test_clones_have_copies_of_objects(table):
    """Nets, losses, callbacks and mitigations are copied, hybridized and called ones too; nothing fitted is."""
    X, y, groups = table
    net = gluon.nn.Dense(1)
    net.initialize()
    net.hybridize()
    net(mxfair._compat.import_mxnet().nd.zeros((2, 4)))
    loss = gluon.loss.SigmoidBinaryCrossEntropyLoss()
    model = GluonClassifier(net, loss=loss, mitigation=GapPenalty("demographic_parity", 2), **OPTIONS)
    model.fit(X, y, groups)
    other = clone(model)
    assert other.net is not net
    assert other.loss is not loss
    assert not hasattr(other, "net_")
    np.testing.assert_array_equal(other.net.weight.data().asnumpy(), net.weight.data().asnumpy())
    np.testing.assert_array_equal(other.fit(X, y, groups).predict_proba(X), model.predict_proba(X))
    assert is_classifier(model)
    assert is_regressor(GluonRegressor())


def test_parameters_of_mitigations_are_parameters(table):
    """mitigation__strength and its like are read, set and searched."""
    model = GluonClassifier(mitigation=Penalized("mmd"))
    assert model.get_params()["mitigation__penalty"] == "mmd"
    model.set_params(mitigation__strength=7.0, mitigation__criterion="demographic_parity", epochs=2)
    assert (model.mitigation.strength, model.epochs) == (7.0, 2)
    assert "FairBatch" in repr(GluonClassifier(mitigation=[FairBatch(), "gap_penalty"]))
    with pytest.raises(ValueError, match="Invalid parameter"):
        model.set_params(mitigation__colour=1)


@pytest.mark.parametrize("n_jobs", [None, pytest.param(2, marks=pytest.mark.slow)])
def test_grids_are_searched(table, n_jobs):
    """Over strengths, and over mitigations and lists of them, in processes too; groups reach each fit by its name."""
    X, y, groups = table
    model = GluonClassifier("logistic", mitigation=Penalized("gap"), **OPTIONS)
    name = "gluonclassifier__mitigation"
    grid = [
        {f"{name}__strength": [0.0, 5.0]},
        {name: [None, "fairbatch", ["reweighing", mxfair.preprocessing.StandardScaler()]]},
    ]
    search = GridSearchCV(make_pipeline(StandardScaler(), model), grid, cv=2, n_jobs=n_jobs, error_score="raise")
    search.fit(X, y, gluonclassifier__groups=groups)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert hasattr(search.best_estimator_[-1], "net_")
    assert model.mitigation.strength == 1.0
    with pytest.raises(InputError, match="'groups' must be given"):
        GridSearchCV(model, {"mitigation__strength": [0.0]}, cv=2, error_score="raise").fit(X, y, groups=groups)


# Groups of ours and of splitters


def test_groups_reach_fit_without_routing(table):
    """Sliced to the training rows, as an array, Groups or a data frame of two attributes."""
    import pandas as pd

    X, y, groups = table
    frame = pd.DataFrame({"sex": groups, "old": X[:, 3] > 0})
    for given in (groups, frame, mxfair.Groups(groups)):
        model = GluonClassifier("logistic", mitigation="fairbatch", **OPTIONS)
        scores = cross_val_score(model, X, y, cv=3, error_score="raise", **{PARAMS: {"groups": given}})
        assert len(scores) == 3
    kept = []
    with seen_groups(kept):
        cross_val_score(
            GluonClassifier("logistic", mitigation="fairbatch", **OPTIONS),
            X,
            y,
            cv=StratifiedKFold(3),
            error_score="raise",
            **{PARAMS: {"groups": groups}},
        )
    rows = [train for train, _ in StratifiedKFold(3).split(X, y)]
    assert kept == [list(groups[train]) for train in rows]


def test_groups_of_a_splitter_are_not_ours(table):
    """Without routing, groups= of cross_val_score goes to GroupKFold alone, and a mitigation says what it lacks."""
    X, y, groups = table
    household = np.arange(200) // 10
    model = GluonClassifier("logistic", mitigation="fairbatch", **OPTIONS)
    with pytest.raises(InputError, match="'groups' must be given"):
        cross_val_score(model, X, y, groups=household, cv=GroupKFold(2), error_score="raise")
    kept = []
    with seen_groups(kept):
        cross_val_score(
            model, X, y, groups=household, cv=GroupKFold(2), error_score="raise", **{PARAMS: {"groups": groups}}
        )
    assert kept == [list(groups[train]) for train, _ in GroupKFold(2).split(X, y, household)]


@routing
def test_groups_are_routed(table):
    """Under another name than the splitter's, through a pipeline; scores of gaps get the groups of the test rows."""
    X, y, groups = table
    household = np.arange(200) // 10
    kept = []
    with sklearn.config_context(enable_metadata_routing=True), seen_groups(kept):
        model = GluonClassifier("logistic", mitigation="fairbatch", **OPTIONS).set_fit_request(groups="sensitive")
        scorer = gap_scorer("demographic_parity").set_score_request(groups="sensitive")
        done = cross_validate(
            make_pipeline(StandardScaler(), model),
            X,
            y,
            cv=GroupKFold(2),
            scoring={"gap": scorer},
            params={"groups": household, "sensitive": groups},
            return_estimator=True,
            error_score="raise",
        )
    folds = list(GroupKFold(2).split(X, y, household))
    assert kept == [list(groups[train]) for train, _ in folds]
    criterion = mxfair.criterion.CRITERIA["demographic_parity"]
    for (_, test), fitted, gap in zip(folds, done["estimator"], done["test_gap"]):
        table_ = mxfair.GroupConfusion.of(y[test], fitted.predict(X[test]), groups[test])
        assert gap == pytest.approx(-criterion.difference(table_))


@routing
def test_what_was_not_asked_for_is_refused(table):
    """With routing, groups that no request names are an error, and weights and groups are routed together."""
    X, y, groups = table
    with sklearn.config_context(enable_metadata_routing=True):
        model = GluonClassifier("logistic", mitigation="fairbatch", **OPTIONS)
        with pytest.raises(ValueError, match="groups"):
            cross_val_score(model, X, y, params={"groups": groups}, cv=2, error_score="raise")
        model.set_fit_request(groups=True, sample_weight=True).set_score_request(sample_weight=True)
        search = GridSearchCV(model, {"mitigation__warm_up": [0, 1]}, cv=2, error_score="raise")
        search.estimator.set_params(mitigation=FairBatch())
        search.fit(X, y, groups=groups, sample_weight=np.linspace(0, 1, 200))
        assert hasattr(search.best_estimator_, "net_")


def test_a_scorer_without_groups_says_so(table):
    """It is an error, never a gap of 0."""
    X, y, _ = table
    model = GluonClassifier("logistic", **OPTIONS).fit(X, y)
    with pytest.raises(InputError, match="'groups' must reach the scorer"):
        gap_scorer()(model, X, y)


# Inspection and calibration


def test_permutation_importance_finds_what_matters(table):
    """The first feature makes the label."""
    X, _, _ = table
    model = GluonClassifier("logistic", **{**OPTIONS, "epochs": 30}).fit(X, (X[:, 0] > 0).astype(int))
    found = permutation_importance(model, X, (X[:, 0] > 0).astype(int), n_repeats=3, random_state=0)
    assert found.importances_mean.argmax() == 0


def test_partial_dependence_of_classifiers_and_regressors(table):
    """The values are means of predictions with a column set; the display draws them."""
    import matplotlib

    matplotlib.use("Agg")
    X, y, _ = table
    classifier = GluonClassifier((8,), **OPTIONS).fit(X, y)
    found = partial_dependence(classifier, X, [0], grid_resolution=5)
    grid = found["grid_values"][0] if "grid_values" in found else found["values"][0]
    for value, mean in zip(grid, found["average"][0]):
        moved = X.copy()
        moved[:, 0] = value
        assert mean == pytest.approx(classifier.predict_proba(moved)[:, 1].mean(), abs=1e-6)
    regressor = GluonRegressor((8,), **OPTIONS).fit(X, X[:, 0])
    display = PartialDependenceDisplay.from_estimator(regressor, X, [0, (0, 1)], grid_resolution=4)
    assert len(display.pd_results) == 2
    three = GluonClassifier((8,), **OPTIONS).fit(X, np.digitize(X[:, 0], [-0.5, 0.5]))
    PartialDependenceDisplay.from_estimator(three, X, [0], target=2, grid_resolution=4)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration_around_an_estimator(table, method):
    """In folds, and of a fitted one; probabilities come closer to the shares of labels."""
    X, y, _ = table
    model = GluonClassifier("logistic", **{**OPTIONS, "epochs": 20})
    inside = CalibratedClassifierCV(model, method=method, cv=3).fit(X, y)
    assert np.isfinite(inside.predict_proba(X)).all()
    fitted = model.fit(X[:100], y[:100])
    fitted.net_.weight.set_data(fitted.net_.weight.data() * 20)  # far too sure
    if VERSION >= (1, 6):
        from sklearn.frozen import FrozenEstimator

        outside = CalibratedClassifierCV(FrozenEstimator(fitted), method=method)
    else:
        outside = CalibratedClassifierCV(fitted, method=method, cv="prefit")
    outside.fit(X[100:], y[100:])
    errors = []
    for one in (fitted, outside):
        share, mean = calibration_curve(y[100:], one.predict_proba(X[100:])[:, 1], n_bins=4)
        errors.append(np.abs(share - mean).mean())
    assert errors[1] < 0.7 * errors[0]


# Meta-estimators


def test_a_target_is_transformed():
    """A target far from 1 is learnt through TransformedTargetRegressor."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    y = 1e5 + 3e4 * X[:, 0]
    model = GluonRegressor("logistic", epochs=60, batch_size=50, learning_rate=0.05, random_state=0)
    assert TransformedTargetRegressor(model, transformer=StandardScaler()).fit(X, y).score(X, y) > 0.99
    assert model.fit(X, y).score(X, y) < 0


@pytest.mark.parametrize("how", ["bagging", "stacking", "voting", "one against the rest"])
def test_ensembles_of_scikit_learn_take_the_estimators(table, how):
    """As one member among others, or as every member."""
    X, _, _ = table
    y = np.array(["x", "y", "z"])[np.digitize(X[:, 0], [-0.5, 0.5])]
    model = GluonClassifier("logistic", epochs=25, batch_size=50, learning_rate=0.05, random_state=0)
    first = "estimator" if VERSION >= (1, 2) else "base_estimator"
    made = {
        "bagging": BaggingClassifier(**{first: model}, n_estimators=3, random_state=0),
        "stacking": StackingClassifier([("net", model), ("linear", LogisticRegression())], cv=3),
        "voting": VotingClassifier([("net", model), ("linear", LogisticRegression())], voting="soft"),
        "one against the rest": OneVsRestClassifier(model),
    }[how].fit(X, y)
    assert made.score(X, y) > 0.7
    assert made.predict_proba(X).shape == (200, 3)


def test_predictions_and_curves_of_cross_validation(table):
    """cross_val_predict of every method, and learning_curve."""
    X, y, _ = table
    model = GluonClassifier("logistic", **OPTIONS)
    for method, shape in {"predict": (200,), "predict_proba": (200, 2), "decision_function": (200,)}.items():
        assert cross_val_predict(model, X, y, cv=2, method=method).shape == shape
    sizes, train, test = learning_curve(model, X, y, cv=2, train_sizes=[0.3, 1.0], error_score="raise")
    assert train.shape == test.shape == (2, 2)
    assert len(sizes) == 2
    _, incremental, _ = learning_curve(
        model, X, y, cv=2, train_sizes=[0.3, 1.0], exploit_incremental_learning=True, error_score="raise"
    )
    assert np.isfinite(incremental).all()
