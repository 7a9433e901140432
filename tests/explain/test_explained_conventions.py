"""What an explained number is, and what is refused: columns, outputs, probabilities, decisions and losses."""

import numpy as np
import pandas as pd
import pytest
from mxnet import gluon, init, nd
from mxnet.gluon import nn
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

import mxfair
from mxfair._validation import InputError
from mxfair.estimator import GluonClassifier
from mxfair.explain import (
    deep_shap,
    expected_gradients,
    gap_decomposition,
    integrated_gradients,
    loss_attribution,
    partial_dependence,
    permutation_importance,
    permutation_shap,
    saliency,
)
from mxfair.explain._model import explained_model
from mxfair.postprocessing import GroupThresholds, PostProcessed

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4)).astype("float32")
GROUPS = np.where(X[:, 2] > 0, "a", "b")
LABELS = (X[:, 0] + X[:, 2] > 0).astype(int)
FRAME = pd.DataFrame(X, columns=list("abcd"))


def net(*layers):
    """Return an initialized chain of layers of four features."""
    chain = nn.HybridSequential()
    chain.add(*layers)
    chain.initialize(init.Normal(1))
    chain(nd.zeros((1, 4)))
    return chain


@pytest.fixture(scope="module")
def classifier():
    """Return a net in scikit-learn's form, fitted on a data frame."""
    return GluonClassifier((4,), epochs=2, random_state=0).fit(FRAME, LABELS)


@pytest.mark.parametrize(
    "explain",
    [
        lambda model, rows: expected_gradients(model, rows, X[:10]),
        lambda model, rows: integrated_gradients(model, rows),
        lambda model, rows: permutation_shap(model, rows[:3], X[:10], seed=0),
        lambda model, rows: partial_dependence(model, rows, "a"),
        lambda model, rows: gap_decomposition(model, rows, GROUPS, seed=0),
    ],
)
def test_a_frame_has_the_columns_that_the_estimator_was_fitted_on(classifier, explain):
    """A data frame whose columns stand in another order is not read by place."""
    with pytest.raises(InputError, match="columns that the model was fitted on"):
        explain(classifier, FRAME[list("dcba")])


@pytest.mark.parametrize("explain", [expected_gradients, deep_shap, permutation_shap])
def test_a_background_frame_has_the_columns_of_the_rows(explain):
    """The background of a net is not matched to the rows by place where both have names."""
    with pytest.raises(InputError, match="the columns of 'X'"):
        explain(net(nn.Dense(1)), FRAME[:3], FRAME[list("dcba")][:10])


def test_a_background_of_a_frame_is_a_frame():
    """A model that is given a data frame is not given an array in its place, without names."""
    model = LogisticRegression().fit(FRAME, LABELS)
    with pytest.raises(InputError, match="must be a data frame"):
        permutation_shap(model, FRAME[:3], X[:10], seed=0)


@pytest.mark.parametrize(
    "explain",
    [
        lambda model, rows: expected_gradients(model, rows, rows[:10]),
        lambda model, rows: permutation_shap(model, rows[:3], rows[:10], seed=0),
        lambda model, rows: partial_dependence(model, rows, 0),
        lambda model, rows: permutation_importance(model, rows, LABELS, seed=0),
    ],
)
def test_rows_of_another_width_are_told_of(explain):
    """Rows that a net does not take are an error of ours with their shape, not one of the engine."""
    with pytest.raises(InputError, match=r"rows of shape \(3,\)"):
        explain(net(nn.Dense(5, activation="relu"), nn.Dense(1)), X[:, :3])


@pytest.mark.parametrize("model", [lambda rows: rows[:, 0], net(nn.Dense(1))])
def test_the_choice_of_an_output_is_refused_where_there_is_one(model):
    """output= is not ignored by a model with one number per row."""
    with pytest.raises(InputError, match="must be left out"):
        permutation_shap(model, X[:3], X[:10], output=5, seed=0)


@pytest.mark.parametrize("last", [nn.Dense(1, activation="sigmoid"), nn.Dense(2)])
def test_a_net_that_ends_in_probabilities_is_read_as_such(last):
    """Of a sigmoid or a softmax the probability is the output itself, and the loss is its logarithm."""
    layers = [last] if last.act is not None else [last, nn.HybridLambda("softmax")]
    model = net(nn.Dense(3, activation="tanh"), *layers)
    raw = model(nd.array(X)).asnumpy()
    probability = raw[:, -1].astype(float)
    chosen = {"output": None if raw.shape[1] == 1 else 1}
    assert np.allclose(explained_model(model, scale="probability", **chosen)(X), probability, atol=1e-6)
    logit = explained_model(model, scale="logit", **chosen)(X)
    assert np.allclose(logit, np.log(probability) - np.log1p(-probability), atol=1e-4)
    why = loss_attribution(model, X, LABELS, X[:10], loss="log")
    assert np.allclose(why.outputs, -np.log(np.where(LABELS == 1, probability, 1 - probability)), atol=1e-5)


def test_a_saturated_probability_has_the_logit_of_the_decision_function():
    """The logit of an estimator whose net ends in a sigmoid is finite where the probability is rounded to 0 or 1."""

    def sigmoid(n_features, n_outputs):
        return nn.Dense(n_outputs, activation="sigmoid", weight_initializer=init.Constant(3.0))

    loss = gluon.loss.SigmoidBinaryCrossEntropyLoss(from_sigmoid=True)
    model = GluonClassifier(sigmoid, epochs=1, random_state=0, loss=loss).fit(X, LABELS)
    far = np.float32([[100, 100, 100, 100], [-100, -100, -100, -100], [0.1, 0, 0, 0]])
    assert model.predict_proba(far)[0, 1] == 1
    assert np.allclose(expected_gradients(model, far, X[:10]).outputs, model.decision_function(far), rtol=1e-5)


def test_infinite_outputs_are_refused():
    """An infinite output has no contributions, which would be NaN."""
    with pytest.raises(InputError, match="finite numbers"):
        permutation_shap(lambda rows: np.where(rows[:, 0] > 0, np.inf, 0.0), X[:3], X[:10], seed=0)


@pytest.mark.parametrize("labels", [LABELS, np.where(LABELS == 1, "x", "y")])
def test_a_classifier_without_probabilities_is_explained_by_its_decision_function(labels):
    """What is explained of a LinearSVC is its score of a class, with its sign, not its decisions."""
    model = LinearSVC().fit(X, labels)
    assert np.allclose(explained_model(model)(X), model.decision_function(X))
    assert np.allclose(explained_model(model, output=model.classes_[0])(X), -model.decision_function(X))
    with pytest.raises(InputError, match="without predict_proba"):
        explained_model(model, scale="probability")


def test_a_classifier_that_only_decides_is_explained_by_its_decisions():
    """Where a classifier has neither probabilities nor scores, 1 is its decision for the class."""
    model = PostProcessed(LinearSVC(), GroupThresholds("demographic_parity"), sensitive=["s"], random_state=0)
    frame = FRAME.assign(s=GROUPS)
    labels = np.where(LABELS == 1, "yes", "no")
    model.fit(frame, labels)
    assert not hasattr(model, "decision_function")
    found = permutation_shap(model, frame[:5], frame[5:15], seed=0)
    assert found.outputs.tolist() == (model.predict(frame[:5]) == "yes").astype(float).tolist()


def test_a_model_that_decides_by_groups_apart_from_the_data_says_what_to_explain():
    """A PostProcessed without sensitive columns is refused, and the scores behind it can be explained."""
    model = PostProcessed(LogisticRegression(), GroupThresholds("demographic_parity"), random_state=0)
    model.fit(X, LABELS, groups=GROUPS)
    with pytest.raises(InputError, match="needs groups"):
        gap_decomposition(model, X, GROUPS, seed=0)
    preds = model.predict(X, groups=GROUPS)
    gap = gap_decomposition(model.scores, X, GROUPS, X[:10], preds=preds, pair=("a", "b"), n_permutations=2, seed=0)
    rates = [preds[name == GROUPS].mean() for name in "ab"]
    assert np.allclose(gap.part.rates, rates)
    assert gap.part.gap == pytest.approx(np.subtract(*[model.scores(X)[name == GROUPS].mean() for name in "ab"]))


def test_an_unfitted_classifier_is_told_of():
    """What was not fitted is an error with what to do."""
    for model in (GluonClassifier(), LogisticRegression()):
        with pytest.raises(InputError, match="must be fitted"):
            permutation_shap(model, X[:3], X[:10], seed=0)


@pytest.mark.parametrize("preds", [np.where(LABELS == 1, "yes", "no"), LABELS + 1, LABELS - 1])
def test_decisions_that_select_must_be_known(preds):
    """Decisions in other values than 0 and 1 are not counted as if nobody, or those of the first, were selected."""
    with pytest.raises(InputError, match="which decision selects"):
        gap_decomposition(net(nn.Dense(1)), X, GROUPS, preds=preds, seed=0)


def test_groups_of_equal_means_are_two_groups():
    """A gap of 0 compares two groups, not one with itself."""
    part = gap_decomposition(lambda rows: np.zeros(len(rows)), X, GROUPS, X[:5], n_permutations=2, seed=0).part
    assert {part.group, part.against} == {"a", "b"}
    assert part.gap == 0


@pytest.mark.parametrize("names", [["no", "yes"], [1, 2]])
def test_the_squared_error_of_a_classifier_is_its_brier_score(names):
    """Probabilities, not logits, are compared with 1 for the second class, whatever the classes are called."""
    labels = np.array(names)[LABELS]
    for model in (GluonClassifier((4,), epochs=2, random_state=0), LogisticRegression()):
        model.fit(X, labels)
        why = loss_attribution(model, X[:20], labels[:20], X[20:30], loss="squared", seed=0)
        expected = (model.predict_proba(X[:20])[:, 1] - LABELS[:20]) ** 2
        assert np.allclose(why.outputs, expected, atol=1e-6)
        assert why.base_values[LABELS[:20] == 1][0] == pytest.approx(
            ((model.predict_proba(X[20:30])[:, 1] - 1) ** 2).mean(), abs=1e-6
        )


def test_a_squared_error_of_three_classes_is_refused():
    """One probability of three has no squared error of its own."""
    labels = np.digitize(X[:, 0], [-0.5, 0.5])
    with pytest.raises(InputError, match="3 classes"):
        loss_attribution(LogisticRegression().fit(X, labels), X, labels, loss="squared")


def test_rows_may_be_lists():
    """Lists of numbers are explained as arrays are."""
    model = net(nn.Dense(1))
    one, two = (gap_decomposition(model, rows, GROUPS, seed=0).part.gap for rows in (X, X.tolist()))
    assert one == two
    losses = [loss_attribution(model, rows, LABELS, loss="log", seed=0).values for rows in (X, X.tolist())]
    assert np.array_equal(*losses)


def test_the_rescale_rule_sees_a_bend_between_points_of_equal_slope():
    """A sigmoid is as steep at -1 as at 1, and no straight line between them."""
    model = nn.Dense(1, in_units=1)
    model.initialize(init.One())
    found = deep_shap(model, [[1.0], [-1.0]], [[-1.0], [1.0]], scale="probability")
    assert np.allclose(found.residuals, 0, atol=1e-6)
    assert found.values[0, 0] == pytest.approx(np.tanh(0.5) / 2, abs=1e-6)


@pytest.mark.parametrize("features", [[0.7, 1], None, True])
def test_features_of_a_column_are_names_or_places(features):
    """Nothing is rounded to the place of a feature."""
    with pytest.raises(InputError, match="must name features"):
        expected_gradients(net(nn.Dense(1)), X, X[:10], columns={"job": features})


def test_text_in_an_array_is_told_of():
    """The dependence on a column of an array needs numbers."""
    rows = np.array([["a", 1], ["b", 2]], dtype=object)
    with pytest.raises(InputError, match="'x0' must hold numbers"):
        partial_dependence(lambda rows: np.zeros(len(rows)), rows, 0)


def test_an_ensemble_of_classifiers_is_read_by_its_scores():
    """The net of an ensemble gives log-odds, whose sigmoid is the mean probability of the members."""
    member = GluonClassifier((4,), epochs=2, random_state=0)
    model = mxfair.ensemble.BaggingClassifier(member, n_estimators=2, random_state=0).fit(X, LABELS)
    assert np.allclose(explained_model(model)(X), model.decision_function(X), atol=1e-5)
    chances = explained_model(model, scale="probability", output=0)(X)
    assert np.allclose(chances, model.predict_proba(X)[:, 0], atol=1e-6)


def test_contributions_of_raw_columns_are_not_grouped_again():
    """columns= names features of X, whether an attribution is one of features or of raw columns already."""

    def model(rows):
        return rows[:, 0] + 2 * rows[:, 1] + 4 * rows[:, 2]

    columns = {"job": [0, 1]}
    by_feature = permutation_shap(model, X, X[:10], n_permutations=2, seed=0)
    by_column = permutation_shap(model, X, X[:10], columns=columns, n_permutations=2, seed=0)
    one, two = (
        gap_decomposition(None, X, GROUPS, attribution=a, columns=columns).part for a in (by_feature, by_column)
    )
    assert one.columns == two.columns == ("job", "x2", "x3")
    assert np.allclose(one.values, two.values)


def test_a_column_may_have_the_name_of_its_first_feature():
    """An attribution of features is grouped though the raw column is called as a feature is."""
    known = permutation_shap(lambda rows: rows.sum(axis=1), X, X[:10], n_permutations=2, seed=0)
    gap = gap_decomposition(None, X, GROUPS, attribution=known, columns={"x0": [0, 1]})
    assert gap.columns == ("x0", "x2", "x3")


def test_contributions_that_do_not_add_up_are_no_gap():
    """Gradients alone are not taken for the parts of a gap."""
    model = net(nn.Dense(1))
    with pytest.raises(InputError, match="must add up"):
        gap_decomposition(model, X, GROUPS, attribution=saliency(model, X))


def test_no_column_is_named_as_a_row_of_the_table():
    """A column called (gap) would be lost behind the gap."""
    with pytest.raises(InputError, match="must not be named"):
        gap_decomposition(net(nn.Dense(1)), X, GROUPS, feature_names=["(gap)", "b", "c", "d"], seed=0)


def test_a_frame_has_the_features_of_the_encoder_in_its_order():
    """Names of an encoder are not put on the columns of a data frame by place."""
    people = pd.DataFrame({"age": X[:, 0], "job": np.where(X[:, 1] > 0, "u", "v")})
    encoder = mxfair.preprocessing.TabularEncoder().fit(people)
    rows = pd.DataFrame(encoder.transform(people), columns=encoder.get_feature_names_out()).iloc[:, ::-1]
    with pytest.raises(InputError, match="in their order"):
        permutation_importance(lambda frame: frame["age"], rows, LABELS, columns=encoder, returns="logit", seed=0)


def test_a_background_has_the_categories_of_the_rows():
    """Columns of categories do not become plain objects on their way into the model."""
    frame = FRAME.assign(k=pd.Categorical(GROUPS, categories=["a", "b", "z"]))
    other = FRAME.assign(k=pd.Categorical(GROUPS, categories=["a", "b"]))
    with pytest.raises(InputError, match="categories of 'X'"):
        permutation_shap(lambda rows: rows["k"].cat.codes.to_numpy(), frame[:3], other[:10], seed=0)


def test_plots_are_there_without_an_import_of_their_own():
    """explain.plots is found from the package, as the page on explanations writes it."""
    assert "gap" in mxfair.explain.plots.__all__
    assert "plots" in dir(mxfair.explain)


def test_the_logit_among_three_classes_is_that_of_the_probability():
    """Log-odds of a class do not change with a shift of all scores, and are those of scikit-learn's classifiers."""
    labels = np.digitize(X[:, 0], [-0.5, 0.5])
    model = GluonClassifier((4,), epochs=2, random_state=0).fit(X, labels)
    probability = model.predict_proba(X)[:, 2]
    expected = np.log(probability / (1 - probability))
    assert np.allclose(explained_model(model, output=2)(X), expected, atol=1e-5)
    assert np.allclose(explained_model(model.net_, output=2, scale="logit")(X), expected, atol=1e-5)
    assert np.allclose(explained_model(model.net_, output=2)(X), model.decision_function(X)[:, 2], atol=1e-5)
    assert expected_gradients(model, X, X[:10], output=2, points=50).additivity_error < 0.01
    with pytest.raises(InputError, match=r"model\.net_"):
        deep_shap(model, X[:3], X[:10], output=2)
    assert deep_shap(model.net_, X[:3], X[:10], output=2).additivity_error < 1e-5
