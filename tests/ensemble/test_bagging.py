"""BaggingClassifier and BaggingRegressor: members, combinations, out-of-bag figures, and what they refuse."""

from __future__ import annotations

import pickle
import warnings

import mxnet as mx
import numpy as np
import pytest
import sklearn
from scipy.special import expit
from sklearn.base import clone
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score

from mxfair import Groups, metric
from mxfair._validation import InputError, InputTypeError
from mxfair.ensemble import BaggingClassifier, BaggingRegressor
from mxfair.estimator import FairBatch, GluonClassifier, GluonRegressor, gap_scorer
from mxfair.loss import AdversarialLoss
from mxfair.preprocessing import CorrelationRemover

pytestmark = pytest.mark.filterwarnings("ignore:.*used by all members:UserWarning")

RNG = np.random.default_rng(0)
N = 240
X = RNG.normal(size=(N, 5)).astype("float32")
GROUPS = RNG.choice(["a", "b"], N)
SCORE = X[:, 0] + 0.7 * (GROUPS == "a") + 0.5 * RNG.normal(size=N)
Y = np.where(SCORE > 0.3, "yes", "no")
WEIGHT = RNG.uniform(0.5, 2.0, N)


def template(**options):
    """Return a small net's template."""
    return GluonClassifier(**{"net": (6,), "epochs": 2, "batch_size": 32, "learning_rate": 0.01, **options})


def bagging(net=None, **options):
    """Return a small ensemble."""
    return BaggingClassifier(net or template(), **{"n_estimators": 4, "random_state": 0, **options})


def member_outputs(model, data=X):
    """Return what each member says of the columns it sees, shape (K, n, n_outputs)."""
    return np.stack(
        [net(mx.nd.array(data[:, seen])).asnumpy() for net, seen in zip(model.nets_, model.estimators_features_)]
    )


def apart(model):
    """Return a mask of the rows that each member does not use."""
    return np.stack([~np.isin(np.arange(N), rows) for rows in model.estimators_samples_])


# Training.


@pytest.mark.parametrize(
    "mitigation",
    [None, "fairbatch", FairBatch(signal="probe"), "sample_weighting", "reweighing", "cell_smote", "gap_penalty"],
)
def test_members_side_by_side_are_those_one_after_another(mitigation) -> None:
    """Fused training gives the numbers of unfused training, with every kind of mitigation."""
    fused, alone = (
        bagging(template(mitigation=mitigation), fused=fused).fit(X, Y, groups=GROUPS) for fused in (True, False)
    )
    np.testing.assert_allclose(member_outputs(fused), member_outputs(alone), rtol=1e-4, atol=1e-6)
    losses = [[history["loss"] for history in model.histories_] for model in (fused, alone)]
    np.testing.assert_allclose(*losses, rtol=1e-5)


def test_a_member_is_the_template_fitted_on_its_rows() -> None:
    """From given weights and in whole batches, member k is a GluonClassifier of the rows and their weights."""
    net = mx.gluon.nn.Dense(1, in_units=5)
    net.initialize(mx.init.Constant(0.1))
    single = template(net=net, optimizer="sgd", learning_rate=0.5, epochs=5, batch_size=N)
    model = bagging(single).fit(X, Y, groups=GROUPS, sample_weight=WEIGHT)
    for rows, member in zip(model.estimators_samples_, model.nets_):
        alone = clone(single).fit(X[rows], Y[rows], sample_weight=WEIGHT[rows])
        np.testing.assert_allclose(
            member(mx.nd.array(X)).asnumpy()[:, 0], alone.decision_function(X), rtol=1e-4, atol=1e-6
        )


def test_a_member_does_not_depend_on_how_many_there_are() -> None:
    """Member 2 of 3 is member 2 of 5: each has random numbers of its own."""
    few, many = (bagging(n_estimators=count).fit(X, Y) for count in (3, 5))
    assert all(np.array_equal(a, b) for a, b in zip(few.estimators_samples_, many.estimators_samples_))
    np.testing.assert_allclose(member_outputs(few), member_outputs(many)[:3], rtol=1e-5, atol=1e-6)


def test_members_differ() -> None:
    """Members have other rows and other initial weights."""
    model = bagging().fit(X, Y)
    assert len({rows.tobytes() for rows in model.estimators_samples_}) == 4
    assert len({output.tobytes() for output in member_outputs(model)}) == 4


def test_random_subspaces_are_the_columns_that_members_see() -> None:
    """The ensemble gives each member its own columns."""
    model = bagging(max_features=0.6).fit(X, Y)
    assert {len(seen) for seen in model.estimators_features_} == {3}
    assert len({tuple(seen) for seen in model.estimators_features_}) > 1
    np.testing.assert_allclose(model.net_.member_scores(X), member_outputs(model), rtol=1e-5, atol=1e-6)


def test_columns_with_replacement_are_seen_as_often_as_drawn() -> None:
    """With bootstrap_features a column may come twice."""
    model = bagging(bootstrap_features=True).fit(X, Y)
    assert any(len(set(seen.tolist())) < 5 for seen in model.estimators_features_)
    assert model.predict_proba(X).shape == (N, 2)


@pytest.mark.parametrize("combine", ["probability", "vote", "score"])
def test_the_ways_of_combining(combine) -> None:
    """The ensemble's probability is the mean of probabilities, the share of votes or that of the mean score."""
    model = bagging(combine=combine, n_estimators=5).fit(X, Y)
    outputs = member_outputs(model)[..., 0]
    expected = {
        "probability": expit(outputs).mean(axis=0),
        "vote": np.clip((outputs > 0).mean(axis=0), 1e-7, 1 - 1e-7),
        "score": expit(outputs.mean(axis=0)),
    }[combine]
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], expected, atol=1e-6)


def test_members_that_return_probabilities_are_averaged() -> None:
    """With a loss of probabilities the mean is that of the members' outputs."""

    def net(n_features, n_outputs):
        made = mx.gluon.nn.HybridSequential()
        made.add(mx.gluon.nn.Dense(n_outputs, in_units=n_features), mx.gluon.nn.Activation("sigmoid"))
        return made

    loss = mx.gluon.loss.SigmoidBinaryCrossEntropyLoss(from_sigmoid=True)
    model = bagging(template(net=net, loss=loss)).fit(X, Y)
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], member_outputs(model)[..., 0].mean(axis=0), atol=1e-6)
    with pytest.raises(InputError, match="'combine' must be 'probability' or 'vote'"):
        bagging(template(net=net, loss=loss), combine="score").fit(X, Y)


def test_several_classes_and_columns_of_the_target() -> None:
    """Three classes of text are predicted as such, and a target of two columns has two."""
    y = np.array(["low", "mid", "top"])[np.digitize(SCORE, [-0.2, 0.8])]
    model = bagging(oob_score=True, n_estimators=15).fit(X, y)
    assert model.oob_decision_function_.shape == (N, 3)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0, atol=1e-6)
    assert set(model.predict(X)) <= set(y)
    target = X[:, :2] * 2
    wide = BaggingRegressor(GluonRegressor("logistic", epochs=1), 15, oob_score=True, random_state=0).fit(X, target)
    assert wide.predict(X).shape == wide.oob_prediction_.shape == (N, 2)


def test_preprocessing_steps_come_before_columns() -> None:
    """Steps of the template are fitted once, and members see columns of what comes out."""
    step = CorrelationRemover(sensitive=[0])
    model = bagging(template(mitigation=[step]), max_features=1.0).fit(X, Y)
    assert len(model.steps_) == 1
    assert [len(seen) for seen in model.estimators_features_] == [4] * 4
    assert model.predict(X).shape == (N,)


def test_early_stopping_holds_out_rows_before_any_are_drawn() -> None:
    """No held-out row is among a member's rows, and each member stops by itself."""
    model = bagging(template(early_stopping=True, epochs=4), oob_score=True, n_estimators=12).fit(X, Y, groups=GROUPS)
    assert all("val_loss" in history.epochs[0] for history in model.histories_)
    seen = [set(rows.tolist()) for rows in model.estimators_samples_]
    held_or_seen = ~np.isnan(model.oob_decision_function_[:, 0])
    assert held_or_seen.mean() > 0.9
    assert max(map(len, seen)) < 0.7 * N  # of nine tenths of the rows


def test_warm_start_adds_the_members_that_are_missing() -> None:
    """Growing from 2 to 4 members gives the four of one call, and histories and rows of all."""
    grown = bagging(n_estimators=2, warm_start=True).fit(X, Y)
    grown.set_params(n_estimators=4).fit(X, Y)
    whole = bagging(n_estimators=4).fit(X, Y)
    np.testing.assert_allclose(grown.predict_proba(X), whole.predict_proba(X), atol=1e-6)
    assert len(grown.histories_) == len(grown.estimators_samples_) == 4


def test_warm_start_says_what_it_cannot_do() -> None:
    """Fewer members, the same number, and out-of-bag figures are refused or told."""
    model = bagging(warm_start=True).fit(X, Y)
    with pytest.warns(UserWarning, match="adds no member"):
        model.fit(X, Y)
    with pytest.raises(InputError, match="at least the 4 members that warm_start keeps; got 3"):
        model.set_params(n_estimators=3).fit(X, Y)
    with pytest.raises(InputError, match="'oob_score' must be False with warm_start"):
        model.set_params(n_estimators=6, oob_score=True).fit(X, Y)


# Out of bag.


def test_out_of_bag_decisions_are_those_of_the_members_without_the_row() -> None:
    """The mean over members whose rows lack a row is its out-of-bag probability, and the score their accuracy."""
    model = bagging(n_estimators=6, oob_score=True).fit(X, Y, groups=GROUPS, sample_weight=WEIGHT)
    others, chances = apart(model), expit(member_outputs(model)[..., 0])
    some = others.any(axis=0)
    expected = (chances * others).sum(axis=0)[some] / others.sum(axis=0)[some]
    np.testing.assert_allclose(model.oob_decision_function_[some, 1], expected, atol=1e-6)
    assert np.isnan(model.oob_decision_function_[~some]).all()
    assert np.array_equal(model.oob_prediction_, np.where(expected > 0.5, "yes", "no"))
    assert model.oob_score_ == accuracy_score(Y[some], model.oob_prediction_, sample_weight=WEIGHT[some])
    assert np.array_equal(model.oob_rows_, np.flatnonzero(some))


@pytest.mark.parametrize("combine", ["vote", "score"])
def test_out_of_bag_decisions_are_combined_as_asked(combine) -> None:
    """Votes and scores of the members without a row are combined as the ensemble combines all."""
    model = bagging(combine=combine, n_estimators=6, oob_score=True).fit(X, Y)
    others, outputs = apart(model), member_outputs(model)[..., 0]
    with np.errstate(invalid="ignore"):  # of a row that all members use
        share = np.where(others, outputs > 0 if combine == "vote" else outputs, 0.0).sum(axis=0) / others.sum(axis=0)
    expected = np.clip(share, 1e-7, 1 - 1e-7) if combine == "vote" else expit(share)
    np.testing.assert_allclose(model.oob_decision_function_[:, 1], expected, atol=1e-6)


def test_out_of_bag_predictions_of_a_regression() -> None:
    """They are means over the members without the row, NaN where all have it, and the score is their R^2."""
    net = GluonRegressor("logistic", epochs=20, learning_rate=0.05)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = BaggingRegressor(net, 4, oob_score=True, random_state=0).fit(X, SCORE, groups=GROUPS)
    others, outputs = apart(model), member_outputs(model)[..., 0]
    some = others.any(axis=0)
    expected = np.where(others, outputs, 0).sum(axis=0)[some] / others.sum(axis=0)[some]
    np.testing.assert_allclose(model.oob_prediction_[some], expected, rtol=1e-5, atol=1e-6)
    assert model.n_oob_missing_ == int((~some).sum()) == int(np.isnan(model.oob_prediction_).sum()) > 0
    assert model.oob_score_ == pytest.approx(r2_score(np.float32(SCORE)[some], expected), abs=1e-6)
    report = model.oob_report(metrics="mean_absolute_error", seed=0)
    own = np.abs(np.float32(SCORE)[some] - expected)[GROUPS[some] == "a"].mean()
    assert report.loc[("mean_absolute_error", "group", "a"), "value"] == pytest.approx(own, abs=1e-6)


def test_the_report_is_that_of_the_out_of_bag_rows() -> None:
    """Gaps and intervals are those of mxfair.metric on the rows that have a member, with their weights."""
    model = bagging(n_estimators=6, oob_score=True).fit(X, Y, groups=GROUPS, sample_weight=WEIGHT)
    rows = model.oob_rows_
    expected = metric.confidence_intervals(
        Y[rows], model.oob_prediction_, GROUPS[rows], sample_weight=WEIGHT[rows], criteria="equalized_odds", seed=1
    )
    assert model.oob_report(seed=1).equals(expected)
    assert ("equalized_odds", "difference", "") in expected.index


def test_the_report_takes_other_groups_and_options() -> None:
    """Groups that fit did not have are those of all rows; options are passed on."""
    model = bagging(n_estimators=6, oob_score=True).fit(X, Y)
    other = np.where(X[:, 1] > 0, "up", "down")
    report = model.oob_report(other, metrics="accuracy", criteria=[], seed=0, level=0.5)
    rows = model.oob_rows_
    up = other[rows] == "up"
    accuracy = (model.oob_prediction_ == Y[rows])[up].mean()
    assert report.loc[("accuracy", "group", "up"), "value"] == pytest.approx(accuracy)
    assert report.equals(model.oob_report(Groups(other), metrics="accuracy", criteria=[], seed=0, level=0.5))
    with pytest.raises(InputError, match="'groups' must be given; got none"):
        model.oob_report()
    with pytest.raises(InputError, match=f"those of all {N} training rows; got 3"):
        model.oob_report(other[:3])


def test_rows_that_all_members_use_are_counted_and_told() -> None:
    """They are left out of the figures, with a warning that says how many."""
    with pytest.warns(UserWarning, match=rf"\d+ rows of {N} were used by all members and left out"):
        model = bagging(n_estimators=2, oob_score=True).fit(X, Y, groups=GROUPS)
    missing = (~apart(model).any(axis=0)).sum()
    assert model.n_oob_missing_ == missing > 0
    assert len(model.oob_prediction_) == N - missing
    assert model.oob_report(seed=0).loc[("accuracy", "overall", ""), "support"] == N - missing


def test_out_of_bag_labels_are_those_of_the_data() -> None:
    """Massaged labels are trained on, and figures are of the labels as given."""
    model = bagging(template(mitigation="massaging"), n_estimators=12, oob_score=True).fit(X, Y, groups=GROUPS)
    rows = model.oob_rows_
    base = model.oob_report(metrics="base_rate", seed=0).loc[("base_rate", "overall", ""), "value"]
    assert base == pytest.approx((Y[rows] == "yes").mean())


def test_without_any_out_of_bag_row_oob_score_is_refused() -> None:
    """All rows without replacement leave none; half of them do."""
    with pytest.raises(InputError, match="'oob_score' must be False where every member is trained on every row"):
        bagging(bootstrap=False, oob_score=True).fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert bagging(bootstrap=False, max_samples=0.5, oob_score=True).fit(X, Y).oob_score_ > 0


# As scikit-learn's.


def test_copies_and_files_predict_alike(tmp_path) -> None:
    """A pickle, also of a model that has predicted, and a file give the predictions and fitted attributes back."""
    model = bagging(template(mitigation="fairbatch"), max_features=3, n_estimators=8, oob_score=True)
    model.fit(X, Y, groups=GROUPS)
    expected = model.predict_proba(X)
    copied = pickle.loads(pickle.dumps(model))
    np.testing.assert_allclose(copied.predict_proba(X), expected, atol=1e-6)
    assert copied.oob_report(seed=0).equals(model.oob_report(seed=0))
    model.save(tmp_path / "bagging.npz")
    read = BaggingClassifier.load(tmp_path / "bagging.npz")
    np.testing.assert_allclose(read.predict_proba(X), expected, atol=1e-6)
    assert np.array_equal(read.predict(X), model.predict(X))
    assert len(read.histories_) == 8
    assert read.oob_score_ == model.oob_score_
    with pytest.raises(InputError, match="'oob_score' must be True in fit"):
        read.oob_report()
    with pytest.raises(InputError, match="'warm_start' must be False for an estimator from a file"):
        read.set_params(warm_start=True).fit(X, Y)


def test_a_copy_grows() -> None:
    """What was pickled goes on with warm_start as the original does."""
    model = bagging(n_estimators=2, warm_start=True).fit(X, Y)
    copied = pickle.loads(pickle.dumps(model)).set_params(n_estimators=4).fit(X, Y)
    np.testing.assert_allclose(
        copied.predict_proba(X), model.set_params(n_estimators=4).fit(X, Y).predict_proba(X), atol=1e-6
    )


def test_the_template_is_searched_and_not_changed() -> None:
    """GridSearchCV sets options of the template; fit leaves the template as it was."""
    net = template()
    search = GridSearchCV(bagging(net, n_estimators=2), {"estimator__learning_rate": [0.001, 0.1]}, cv=2).fit(X, Y)
    assert search.best_params_ == {"estimator__learning_rate": 0.1}
    assert not any(name.endswith("_") and not name.endswith("__") for name in vars(net))


def test_groups_are_routed() -> None:
    """Cross-validation hands groups to fit with scikit-learn's metadata routing."""
    with sklearn.config_context(enable_metadata_routing=True):
        model = bagging(template(mitigation="fairbatch"), n_estimators=2).set_fit_request(groups=True)
        gaps = cross_val_score(model, X, Y, scoring=gap_scorer(), cv=2, params={"groups": GROUPS})
    assert ((gaps <= 0) & (gaps >= -1)).all()


# What is refused.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_estimators": 0}, "'n_estimators' must be at least 1; got 0"),
        ({"combine": "mean"}, "'combine' must be one of probability, vote, score"),
        ({"fused": "yes"}, "'fused' must be 'auto', True or False"),
        ({"max_samples": 0}, "'max_samples' must be between 1 and 240"),
        ({"max_features": 6}, "'max_features' must be between 1 and 5"),
    ],
)
def test_wrong_options_are_refused(options, message) -> None:
    """Each says what it must be, before anything is trained."""
    model = bagging(**options)
    with pytest.raises(InputError, match=message):
        model.fit(X, Y)
    assert not hasattr(model, "net_")


def test_wrong_types_are_refused() -> None:
    """A number of members is whole, and a template is an estimator of nets of the kind."""
    with pytest.raises(InputTypeError, match="'n_estimators' must be a whole number"):
        bagging(n_estimators=2.5).fit(X, Y)
    with pytest.raises(InputTypeError, match="'estimator' must be a GluonClassifier; got GluonRegressor"):
        BaggingClassifier(GluonRegressor()).fit(X, Y)


def test_bad_data_are_refused() -> None:
    """NaN, groups that a mitigation needs and are not there, and other lengths are errors."""
    with pytest.raises(ValueError, match="NaN"):
        bagging().fit(np.where(X > 2, np.nan, X), Y)
    with pytest.raises(InputError, match="'groups' must be given for mitigation='fairbatch'"):
        bagging(template(mitigation="fairbatch")).fit(X, Y)
    with pytest.raises(InputError, match="must have the same length"):
        bagging().fit(X, Y, groups=GROUPS[:5])


def test_fused_training_that_cannot_be_says_why() -> None:
    """With fused=True early stopping and an adversary are errors; with "auto" they train one after another."""
    with pytest.raises(InputError, match="one graph: callbacks, early stopping and max_gap look at one net"):
        bagging(template(early_stopping=True), fused=True).fit(X, Y)

    def adversary(base, groups):
        return AdversarialLoss(base, groups)

    with pytest.raises(InputError, match="AdversarialLoss has parameters of its own"):
        bagging(template(mitigation=adversary), fused=True).fit(X, Y, groups=GROUPS)
    assert bagging(template(mitigation=adversary)).fit(X, Y, groups=GROUPS).predict(X).shape == (N,)


def test_members_that_cannot_be_one_net_are_refused_before_training() -> None:
    """Nets of different outputs, and nets that cannot be traced, are errors while nothing is trained."""
    widths = iter([1, 2, 1, 2])
    trained = []

    class Watched(mx.gluon.nn.Dense):
        def hybrid_forward(self, F, x, **params):
            trained.append(mx.autograd.is_training())
            return super().hybrid_forward(F, x, **params)

    with pytest.raises(InputError, match="same number of outputs"):
        bagging(template(net=lambda n, _: Watched(next(widths), in_units=n))).fit(X, Y)
    assert not any(trained)

    class Plain(mx.gluon.Block):
        def __init__(self):
            super().__init__()
            self.layer = mx.gluon.nn.Dense(1, in_units=5)

        def forward(self, x):
            return self.layer(x)

    with pytest.raises(InputTypeError, match=r"must be a gluon\.HybridBlock"):
        bagging(template(net=lambda *_: Plain())).fit(X, Y)


def test_a_fit_that_fails_leaves_the_ensemble_as_it_was() -> None:
    """After an error, also one in the middle of a training, the model predicts as before."""
    model = bagging(oob_score=True, n_estimators=6).fit(X, Y, groups=GROUPS)
    expected = model.predict_proba(X)
    model.estimator.set_params(learning_rate=1e30)
    with pytest.raises(FloatingPointError):
        model.fit(X[:, :3], np.where(Y == "yes", "a", "b"))
    assert np.array_equal(model.predict_proba(X), expected)
    assert set(model.predict(X)) == {"yes", "no"}
    assert not model.oob_report(seed=0).empty


def test_a_warm_start_forgets_the_out_of_bag_figures_of_fewer_members():
    """They are not those of the ensemble that is there then."""
    model = bagging(oob_score=True).fit(X, Y, groups=GROUPS)
    model.set_params(n_estimators=6, warm_start=True, oob_score=False).fit(X, Y, groups=GROUPS)
    assert not [name for name in vars(model) if "oob_" in name and name != "oob_score"]
    with pytest.raises(InputError, match="'oob_score' must be True"):
        model.oob_report()


def test_a_member_whose_rows_have_no_weight_is_named():
    """Rows are drawn without weights: few that count may all be left out."""
    with pytest.raises(InputError, match="'sample_weight' above 0; those of member"):
        bagging(n_estimators=20, max_samples=0.1).fit(X, Y, sample_weight=np.arange(N) < 3)
