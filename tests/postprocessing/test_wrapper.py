"""A model and a post-processor as one estimator: what it fits on what, and what scikit-learn does with it."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mxfair import Groups
from mxfair._validation import InputError, InputTypeError
from mxfair.postprocessing import (
    CalibratedCostMixing,
    ClassOffsets,
    EqualizedOddsMixing,
    GroupCalibration,
    GroupThresholds,
    PostProcessed,
    RejectOption,
    WassersteinBarycenter,
)

pytestmark = pytest.mark.filterwarnings("ignore:Fewer than")


def table(n=1500, seed=0):
    """Return features that tell the group, labels with other base rates, and groups as text."""
    rng = np.random.default_rng(seed)
    groups = rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
    shift = np.select([groups == "a", groups == "b"], [0.0, 0.7], -0.5)
    X = rng.normal(size=(n, 4)) + shift[:, None] / 2
    y = (X[:, 0] + shift + rng.normal(size=n) > 0.2).astype(int)
    return X, y, groups


def thresholds(**options):
    """Return thresholds for a small gap of selection rates."""
    return GroupThresholds("demographic_parity", max_gap=0.02, **options)


class Spy(LogisticRegression):
    """A classifier that keeps what it was fitted on."""

    def fit(self, X, y, sample_weight=None):
        """Fit, and keep the rows."""
        self.X_seen_, self.y_seen_, self.weight_seen_ = X, y, sample_weight
        return super().fit(X, y, sample_weight)


def test_the_post_processor_sees_rows_that_the_estimator_did_not():
    """The rows of the estimator and those of the post-processor are all rows, none twice."""
    X, y, groups = table()
    model = PostProcessed(Spy(), thresholds(), validation_fraction=0.25, random_state=0).fit(X, y, groups)
    held = ~np.isin(X[:, 0], model.estimator_.X_seen_[:, 0])
    assert model.postprocessor_.counts_.sum() == held.sum()
    assert held.mean() == pytest.approx(0.25, abs=0.005)
    alone = thresholds().fit(model.estimator_.predict_proba(X[held])[:, 1], y[held], groups[held])
    np.testing.assert_array_equal(alone.thresholds_, model.postprocessor_.thresholds_)


def test_held_out_rows_are_the_same_share_of_each_cell():
    """Every (label, group) cell is split at the fraction, up to half a row."""
    X, y, groups = table()
    model = PostProcessed(Spy(), thresholds(), validation_fraction=0.4, random_state=1).fit(X, y, groups)
    held = ~np.isin(X[:, 0], model.estimator_.X_seen_[:, 0])
    for label in (0, 1):
        for group in "abc":
            cell = (y == label) & (groups == group)
            assert abs(held[cell].sum() - 0.4 * cell.sum()) <= 0.5


def test_predictions_are_those_of_the_two_parts():
    """What predict returns is the post-processor's on the estimator's probabilities."""
    X, y, groups = table()
    model = PostProcessed(LogisticRegression(), thresholds(), random_state=0).fit(X, y, groups)
    chances = model.estimator_.predict_proba(X)[:, 1]
    np.testing.assert_array_equal(model.scores(X), chances)
    np.testing.assert_array_equal(model.predict(X, groups), model.postprocessor_.predict(chances, groups))
    np.testing.assert_array_equal(model.predict_proba(X, groups).argmax(axis=1), model.predict(X, groups))


def test_it_decides_no_worse_than_fairlearn_around_the_same_estimator():
    """Randomized thresholds on the same scores reach fairlearn's accuracy at the same constraint."""
    fairlearn = pytest.importorskip("fairlearn.postprocessing")
    X, y, groups = table(3000)
    fitted = LogisticRegression().fit(X[:1000], y[:1000])
    X, y, groups = X[1000:], y[1000:], groups[1000:]
    ours = PostProcessed(fitted, GroupThresholds("demographic_parity", randomized=True), prefit=True)
    ours.fit(X, y, groups)
    theirs = fairlearn.ThresholdOptimizer(
        estimator=fitted, constraints="demographic_parity", prefit=True, predict_method="predict_proba", grid_size=2000
    ).fit(X, y, sensitive_features=groups)
    accuracy = []
    for chances in (ours.predict_proba(X, groups)[:, 1], theirs._pmf_predict(X, sensitive_features=groups)[:, 1]):
        rates = [chances[groups == name].mean() for name in "abc"]
        assert max(rates) - min(rates) < 1e-6
        accuracy.append(np.where(y == 1, chances, 1 - chances).mean())
    assert accuracy[0] >= accuracy[1] - 1e-4


def test_randomized_decisions_are_repeatable():
    """With a seed each call draws the same; another seed draws otherwise."""
    X, y, groups = table()
    post = GroupThresholds("equalized_odds", randomized=True)
    model = PostProcessed(LogisticRegression(), post, random_state=0).fit(X, y, groups)
    first = model.predict(X, groups)
    np.testing.assert_array_equal(first, model.predict(X, groups))
    assert (first != model.set_params(random_state=5).predict(X, groups)).any()


def test_out_of_fold_scores_fit_the_post_processor():
    """With cv the scores are cross_val_predict's of the same folds, and the estimator is fitted on all rows."""
    X, y, groups = table()
    folds = StratifiedKFold(4)
    model = PostProcessed(LogisticRegression(), thresholds(), cv=folds).fit(X, y, groups)
    scores = cross_val_predict(LogisticRegression(), X, y, cv=folds, method="predict_proba")[:, 1]
    np.testing.assert_array_equal(model.postprocessor_.thresholds_, thresholds().fit(scores, y, groups).thresholds_)
    np.testing.assert_array_equal(model.estimator_.coef_, LogisticRegression().fit(X, y).coef_)
    assert PostProcessed(LogisticRegression(), thresholds(), cv=3, random_state=0).fit(X, y, groups).score(
        X, y, groups=groups
    ) == pytest.approx(model.score(X, y, groups=groups), abs=0.05)


def test_regressors_are_repaired():
    """A barycenter around a regressor evens out the groups' predictions; it is a regressor."""
    X, _, groups = table(4000)
    y = X[:, 0] + (groups == "a") + np.random.default_rng(0).normal(size=4000)
    X = np.column_stack([X, groups == "a"])
    model = PostProcessed(LinearRegression(), WassersteinBarycenter(), random_state=0).fit(X, y, groups=groups)
    assert is_regressor(model)
    assert not is_classifier(model)
    assert not hasattr(model, "predict_proba")
    for predictions, far in ((model.estimator_.predict(X), True), (model.predict(X, groups=groups), False)):
        means = [predictions[groups == name].mean() for name in "abc"]
        assert (max(means) - min(means) > 0.3) == far
        assert far or max(means) - min(means) < 0.12


def test_a_classifier_with_moved_scores_decides_at_one_half():
    """A barycenter around a classifier moves probabilities, which stay between 0 and 1 and decide."""
    X, y, groups = table()
    y = np.where(y == 1, "yes", "no")
    model = PostProcessed(LogisticRegression(), WassersteinBarycenter(), random_state=0).fit(X, y, groups)
    chances = model.predict_proba(X, groups)
    assert is_classifier(model)
    assert 0 <= chances.min() <= chances.max() <= 1
    np.testing.assert_array_equal(model.predict(X, groups), np.where(chances[:, 1] > 0.5, "yes", "no"))


def test_estimators_without_probabilities_give_their_decision_function():
    """Scores are the decision function where there is no predict_proba, and 0 the boundary of moved ones."""
    X, y, groups = table()
    model = PostProcessed(RidgeClassifier(), WassersteinBarycenter(), random_state=0).fit(X, y, groups)
    scores = model.estimator_.decision_function(X)
    np.testing.assert_array_equal(model.scores(X), scores)
    moved = model.postprocessor_.transform(scores, groups)
    np.testing.assert_array_equal(model.predict(X, groups), (moved > 0).astype(int))
    assert not hasattr(model, "predict_proba")


def test_the_positive_class_may_be_the_first():
    """Scores speak for the post-processor's positive class."""
    X, y, groups = table()
    model = PostProcessed(LogisticRegression(), thresholds(positive=0), random_state=0).fit(X, y, groups)
    np.testing.assert_array_equal(model.scores(X), model.estimator_.predict_proba(X)[:, 0])
    assert model.score(X, y, groups=groups) > 0.6


def test_sensitive_columns_are_taken_out_of_the_features():
    """Groups in columns of X are the same as groups beside it."""
    import pandas as pd

    X, y, groups = table()
    frame = pd.DataFrame(X, columns=list("pqrs")).assign(group=groups)
    inside = PostProcessed(LogisticRegression(), thresholds(), sensitive=["group"], random_state=0).fit(frame, y)
    beside = PostProcessed(LogisticRegression(), thresholds(), random_state=0).fit(X, y, groups)
    assert inside.estimator_.n_features_in_ == 4
    np.testing.assert_array_equal(inside.predict(frame), beside.predict(X, groups))


def test_grid_search_over_both_parts():
    """GridSearchCV sets parameters of estimator and post-processor; groups are a column."""
    X, y, groups = table(900)
    X = np.column_stack([X, np.unique(groups, return_inverse=True)[1]])
    grid = {"estimator__C": [0.1, 1.0], "postprocessor__max_gap": [0.02, 1.0]}
    search = GridSearchCV(
        PostProcessed(LogisticRegression(), thresholds(), sensitive=[4], random_state=0),
        grid,
        cv=3,
        scoring="balanced_accuracy",
    ).fit(X, y)
    assert search.best_params_["postprocessor__max_gap"] == 1.0
    assert search.best_params_["estimator__C"] == search.best_estimator_.estimator_.C


@pytest.mark.skipif(sklearn.__version__ < "1.4", reason="cross_val_score routes from 1.4 on")
def test_groups_are_routed():
    """With metadata routing groups reach fit and score, through a pipeline too."""
    X, y, groups = table()
    with sklearn.config_context(enable_metadata_routing=True):
        model = PostProcessed(LogisticRegression(), thresholds(), random_state=0)
        model = model.set_fit_request(groups=True).set_score_request(groups=True).set_predict_request(groups=True)
        pipeline = make_pipeline(StandardScaler(), model)
        # before 1.7 a pipeline that is scored by its own score is not asked what it wants
        scored = pipeline if sklearn.__version__ >= "1.7" else model
        scores = cross_val_score(scored, X, y, cv=3, params={"groups": groups})
        fitted = pipeline.fit(X, y, groups=groups)
        assert fitted.predict(X, groups=groups).shape == y.shape
    assert (scores > 0.6).all()


def test_copies_and_pickles_are_the_same():
    """A clone is unfitted with the same parameters; a pickle predicts the same."""
    X, y, groups = table()
    model = PostProcessed(LogisticRegression(C=0.3), thresholds(), random_state=0).fit(X, y, groups)
    copy = clone(model)
    assert copy.estimator.C == 0.3
    assert copy.estimator is not model.estimator
    assert not hasattr(copy, "estimator_")
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X, groups), model.predict(X, groups))


@pytest.mark.skipif(sklearn.__version__ < "1.3", reason="clone asks the estimator from 1.3 on")
def test_a_clone_keeps_what_is_fitted_already():
    """A clone, and so GridSearchCV, leaves an estimator that is prefit as it is."""
    X, y, _ = table()
    fitted = LogisticRegression().fit(X, y)
    assert clone(PostProcessed(fitted, thresholds(), prefit=True)).estimator is fitted


def test_weights_reach_both_parts():
    """Weights are split with the rows; a weight of 0 takes a row out of both fits."""
    X, y, groups = table()
    weight = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
    model = PostProcessed(Spy(), thresholds(), random_state=0).fit(X, y, groups, sample_weight=weight)
    seen = np.isin(X[:, 0], model.estimator_.X_seen_[:, 0])
    np.testing.assert_array_equal(model.estimator_.weight_seen_, weight[seen])
    assert model.postprocessor_.counts_.sum() == weight[~seen].sum()


def test_other_arguments_of_fit_are_split_as_the_rows():
    """What goes to a step of a pipeline by name is cut to the rows of the estimator."""
    X, y, groups = table()
    weight = np.arange(len(y), dtype=float)
    pipeline = make_pipeline(StandardScaler(), Spy())
    model = PostProcessed(pipeline, thresholds(), random_state=0).fit(X, y, groups, spy__sample_weight=weight)
    seen = model.estimator_[-1].weight_seen_.astype(int)
    np.testing.assert_array_equal(y[seen], model.estimator_[-1].y_seen_)
    assert len(seen) < len(y)


def test_rows_of_unknown_group_train_the_estimator_alone():
    """A missing group is no group of the post-processor's, none of its rows is held out, and predicting refuses it."""
    X, y, groups = table()
    groups = groups.astype(object)
    groups[:100] = None
    model = PostProcessed(Spy(), thresholds(), random_state=0).fit(X, y, groups)
    assert model.postprocessor_.group_names_.tolist() == ["a", "b", "c"]
    assert np.isin(X[:100, 0], model.estimator_.X_seen_[:, 0]).all()
    assert len(model.estimator_.X_seen_) + model.postprocessor_.counts_.sum() == len(X)
    with pytest.raises(InputError, match="fitted groups"):
        model.predict(X, groups)


def test_gluon_estimators_are_wrapped():
    """A GluonClassifier with a mitigation gets the groups, and its post-processed decisions keep the gap."""
    pytest.importorskip("mxnet")
    from mxfair.estimator import GluonClassifier

    X, y, groups = table(800)
    net = GluonClassifier("logistic", epochs=5, learning_rate=0.02, mitigation="fairbatch", random_state=0)
    model = PostProcessed(net, thresholds(), random_state=0).fit(X, y, groups)
    assert model.postprocessor_.gap_ <= 0.02
    assert model.estimator_.history_ is not None
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X, Groups(groups)), model.predict(X, groups))
    assert clone(model).estimator.get_params()["epochs"] == 5


def test_bare_nets_are_wrapped():
    """A trained net's probabilities are post-processed; it is copied neither by fit nor by clone."""
    pytest.importorskip("mxnet")
    from mxfair.net import logistic

    X, y, groups = table(600)
    for outputs in (1, 2):
        net = logistic(4, outputs)
        net.initialize()
        weight = np.array([[1.0, 0, 0, 0]]) if outputs == 1 else np.array([[-0.5, 0, 0, 0], [0.5, 0, 0, 0]])
        net.weight.set_data(weight)
        model = PostProcessed(net, RejectOption(max_gap=0.3)).fit(X, y, groups)
        assert is_classifier(model)
        assert model.estimator_ is net
        np.testing.assert_allclose(model.scores(X), 1 / (1 + np.exp(-X[:, 0])), rtol=1e-5)
        assert model.score(X, y, groups=groups) > 0.6
        net.hybridize()
        model.predict(X, groups)
        again = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(again.predict(X, groups), model.predict(X, groups))


@pytest.mark.parametrize("post", [EqualizedOddsMixing(), thresholds()])
def test_outputs_of_a_net_that_are_no_numbers_are_refused(post):
    """NaN is no decision and no score."""
    pytest.importorskip("mxnet")
    from mxfair.net import logistic

    X, y, groups = table(200)
    net = logistic(4)
    net.initialize()
    X[7] = np.nan
    with pytest.raises(InputError, match="finite"):
        PostProcessed(net, post).fit(X, y, groups)


class Folded(LogisticRegression):
    """A classifier that calls something else groups, as searches of scikit-learn did."""

    def fit(self, X, y, groups=None):
        """Refuse groups."""
        if groups is not None:
            raise ValueError("not for us")
        return super().fit(X, y)


def test_groups_go_to_estimators_that_mean_the_same_by_them():
    """Another library's argument of the name is left alone."""
    X, y, groups = table()
    model = PostProcessed(Folded(), thresholds(), random_state=0).fit(X, y, groups)
    assert model.score(X, y, groups=groups) > 0.6


def test_ensembles_and_arrays_of_the_engine():
    """An ensemble of nets is wrapped and a block; NDArrays are taken as arrays are."""
    pytest.importorskip("mxnet")
    from mxnet import nd

    from mxfair.ensemble import BaggingClassifier
    from mxfair.estimator import GluonClassifier

    X, y, groups = table(400)
    X = X.astype(np.float32)
    member = GluonClassifier("logistic", epochs=2, batch_size=32, learning_rate=0.05)
    bagging = BaggingClassifier(member, n_estimators=2, random_state=0)
    model = PostProcessed(bagging, thresholds(), random_state=0).fit(nd.array(X), y, groups)
    expected = model.postprocessor_.transform(model.scores(X), groups)
    np.testing.assert_array_equal(model.predict(nd.array(X), groups), (expected > 0).astype(int))
    codes = model.postprocessor_.group_codes(groups)
    got = model.as_block()(nd.array(X), nd.array(codes)).asnumpy().ravel()
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"validation_fraction": 1.0}, InputError, "validation_fraction"),
        ({"validation_fraction": "half"}, InputTypeError, "validation_fraction"),
        ({"predict_method": "transform"}, InputError, "predict_method"),
        ({"prefit": "yes"}, InputTypeError, "prefit"),
        ({"prefit": True, "cv": 3}, InputError, "cv"),
        ({"cv": 1}, InputError, "cv"),
        ({"cv": "five"}, InputTypeError, "cv"),
        ({"cv": 10**6}, InputError, "cv"),
        ({"sensitive": [9]}, InputError, "sensitive"),
        ({"postprocessor": StandardScaler()}, InputTypeError, "postprocessor"),
        ({"estimator": StandardScaler()}, InputTypeError, "estimator"),
        ({"estimator": RidgeClassifier(), "predict_method": "predict_proba"}, InputTypeError, "predict_proba"),
        ({"postprocessor": GroupThresholds(positive="maybe")}, InputError, "positive"),
    ],
)
def test_bad_options_are_refused(options, error, match):
    """An option that cannot be used is an error that names it."""
    X, y, groups = table(300)
    params = {"estimator": LogisticRegression(), "postprocessor": thresholds(), "random_state": 0, **options}
    with pytest.raises(error, match=match):
        PostProcessed(**params).fit(X, y, None if "sensitive" in options else groups)


@pytest.mark.parametrize(
    ("post", "change"),
    [
        (GroupThresholds(max_gap=-1), None),
        (RejectOption(boundary=np.nan), None),
        (EqualizedOddsMixing(max_gap=-1), None),
        (ClassOffsets(max_gap=-1), None),
        (GroupCalibration("none"), None),
        (CalibratedCostMixing((0, 0)), None),
        (WassersteinBarycenter(2), None),
        (GroupThresholds(positive=7), None),
        (GroupThresholds(), "classes"),
        (GroupThresholds(), "groups"),
    ],
)
@pytest.mark.parametrize("cv", [None, 3])
def test_nothing_is_trained_for_a_post_processor_that_cannot_be_fitted(post, change, cv):
    """Options out of range, classes and missing groups are refused before the estimator is fitted."""

    class Never(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            raise AssertionError("it was fitted")

    X, y, groups = table(300)
    y = np.arange(300) % 3 if change == "classes" else y
    groups = np.full(300, None) if change == "groups" else groups
    with pytest.raises(InputError):
        PostProcessed(Never(), post, cv=cv).fit(X, y, groups)


@pytest.mark.parametrize("post", [thresholds(), ClassOffsets(n_restarts=0)])
def test_labels_of_a_fitted_estimator_are_its_own(post):
    """Labels that are coded otherwise than the estimator's classes are refused: its scores are of those."""
    X, y, groups = table(300)
    fitted = LogisticRegression().fit(X, y)
    with pytest.raises(InputError, match="classes that the estimator was fitted with"):
        PostProcessed(fitted, post, prefit=True).fit(X, y + 1, groups)


def test_bad_data_is_refused():
    """Groups must be given, lengths agree, classes be two for thresholds, and columns be those of fit."""
    X, y, groups = table(300)
    model = PostProcessed(LogisticRegression(), thresholds(), random_state=0)
    with pytest.raises(InputError, match="groups"):
        model.fit(X, y)
    with pytest.raises(InputError, match="same length"):
        model.fit(X, y, groups[:-1])
    with pytest.raises(InputError, match="two classes"):
        model.fit(X, np.arange(300) % 3, groups)
    with pytest.raises(InputError, match="sample_weight"):
        PostProcessed(make_pipeline(Spy()), thresholds()).fit(X, y, groups, sample_weight=np.ones(300))
    with pytest.raises(sklearn.exceptions.NotFittedError):
        model.predict(X, groups)
    model.fit(X, y, groups)
    with pytest.raises(InputError, match="groups"):
        model.predict(X)
    with pytest.raises(InputError, match="fitted groups"):
        model.predict(X, np.full(300, "z"))
    with pytest.raises(InputError, match="columns"):
        model.predict(X[:, :2], groups)
    with pytest.raises(InputTypeError, match="net"):
        model.as_block()
    with pytest.raises(sklearn.exceptions.NotFittedError):
        PostProcessed(LogisticRegression(), thresholds(), prefit=True).fit(X, y, groups)
