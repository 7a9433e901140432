"""Every mitigation as an argument: what it is equal to, and what it does not do."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from mxnet import gluon
from sklearn.base import clone

import mxfair
from mxfair import loss as losses
from mxfair import preprocessing
from mxfair._validation import InputError, InputTypeError
from mxfair.criterion import CRITERIA
from mxfair.data import FairDataLoader
from mxfair.estimator import FairBatch, GluonClassifier, GluonRegressor, Massaging, Penalized, SampleWeighting
from mxfair.estimator import _nets as nets
from mxfair.estimator.mitigation import PENALTIES

OPTIONS = {"epochs": 4, "batch_size": 50, "learning_rate": 0.02, "random_state": 0}

#: Every way to say a mitigation of a classifier.
MITIGATIONS = {
    "fairbatch": lambda: "fairbatch",
    "sample_weighting": lambda: "sample_weighting",
    "reweighing": lambda: "reweighing",
    "massaging": lambda: "massaging",
    "cell_smote": lambda: "cell_smote",
    "group_dro": lambda: "group_dro",
    **{f"{name}_penalty": (lambda name=name: f"{name}_penalty") for name in PENALTIES},
    "FairBatch": lambda: FairBatch("demographic_parity", controller="fairgrad", signal="probe"),
    "SampleWeighting": lambda: SampleWeighting("demographic_parity", min_weight=0.1),
    "Massaging": lambda: Massaging(),
    "Penalized": lambda: Penalized("gap", "demographic_parity", strength=3.0),
    "Reweighing": preprocessing.Reweighing,
    "CellSMOTE": lambda: preprocessing.CellSMOTE("labels within groups", seed=1),
    "step": preprocessing.StandardScaler,
    "penalty": lambda: losses.GapPenalty("demographic_parity", 2, strength=2.0),
    "class of losses": lambda: losses.GroupDROLoss,
    "function": lambda: lambda base, groups: losses.PenalizedLoss(
        base, losses.MMDPenalty("demographic_parity", groups)
    ),
    "list": lambda: [preprocessing.StandardScaler(), "massaging", "reweighing", "fairbatch"],
    "list with a loss": lambda: ["fairbatch", "gap_penalty", "cell_smote"],
}


#: Those that are about one positive class, or were made by hand for two.
OF_TWO = ("massaging", "Massaging", "list", "penalty", "function")


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The share of|.*cells? with fewer|.*cells? .* empty|The first batch")
        yield


def fitted(mitigation, data, **options):
    """Return a classifier that was trained with a mitigation."""
    X, y, groups = data
    return GluonClassifier((8,), mitigation=mitigation, **{**OPTIONS, **options}).fit(X, y, groups)


@pytest.mark.parametrize("name", MITIGATIONS)
def test_every_mitigation_changes_the_training(table, parameters, name):
    """The net is another one than without it, and one of its own again with the same random state."""
    model = fitted(MITIGATIONS[name](), table)
    first, plain = parameters(model.net_), parameters(fitted(None, table).net_)
    assert not all(np.array_equal(one, other) for one, other in zip(first, plain))
    again = parameters(clone(model).fit(*table).net_)
    for one, other in zip(first, again):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", [name for name in MITIGATIONS if name != "step"])
def test_every_mitigation_asks_for_groups(table, name):
    """Without groups nothing is trained, and the error says how to pass them."""
    X, y, _ = table
    with pytest.raises(InputError, match=r"'groups' must be given.*fit\(X, y, groups=...\)"):
        GluonClassifier((8,), mitigation=MITIGATIONS[name]()).fit(X, y)


@pytest.mark.parametrize("name", [name for name in MITIGATIONS if name != "penalty"])
def test_every_mitigation_takes_three_groups_and_unknown_ones(table, name):
    """Three groups, and rows of which the group is missing."""
    X, y, groups = table
    three = np.where(X[:, 3] > 0.3, "c", groups).astype(object)
    three[::17] = None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*unknown")
        model = fitted(MITIGATIONS[name](), (X, y, three), epochs=2)
    assert np.isfinite(model.predict_proba(X)).all()


@pytest.mark.parametrize("name", MITIGATIONS)
def test_every_mitigation_knows_what_probabilities_are(table, name):
    """With a net that ends in a sigmoid, what comes out is a probability already."""

    def net(n_features, n_outputs):
        made = gluon.nn.HybridSequential()
        made.add(gluon.nn.Dense(n_outputs, in_units=n_features, activation="sigmoid"))
        return made

    X, y, groups = table
    model = GluonClassifier(
        net, loss=gluon.loss.SigmoidBinaryCrossEntropyLoss(from_sigmoid=True), mitigation=MITIGATIONS[name](), **OPTIONS
    )
    model.fit(X, y, groups)
    probability = model.predict_proba(X)[:, 1]
    features = model.steps_[0].transform(X) if name in ("step", "list") else X
    output = model.net_(mxfair._compat.import_mxnet().nd.array(features)).asnumpy()[:, 0]
    np.testing.assert_allclose(probability, output, rtol=1e-5)
    assert np.isfinite(model.decision_function(X)).all()


@pytest.mark.parametrize("name", [n for n in MITIGATIONS if n not in OF_TWO])
def test_every_mitigation_takes_three_classes(table, name):
    """But for massaging, which moves one positive class, and what was made for two."""
    X, _, groups = table
    y = np.digitize(X[:, 2], [-0.5, 0.5])
    criterion = {"criterion": "demographic_parity"}
    model = GluonClassifier((8,), mitigation=MITIGATIONS[name](), **{**OPTIONS, **criterion}).fit(X, y, groups)
    assert model.predict_proba(X).shape == (200, 3)


def test_fairbatch_is_a_fair_data_loader(table, parameters):
    """The same batches and the same net as a FairDataLoader made by hand, bit for bit."""
    X, y, groups = table
    model = fitted("fairbatch", table)
    rng = np.random.default_rng(0)
    net = nets.make_net((8,), 4, 1)
    mx = mxfair._compat.import_mxnet()
    nets.initialize(net, rng, mx.cpu())
    nets.width_of(net, X, mx.cpu())
    loss = gluon.loss.SigmoidBinaryCrossEntropyLoss()
    dataset = gluon.data.ArrayDataset(X, y.astype("float32"))
    loader = FairDataLoader(dataset, 50, net=net, loss=loss, criterion="equalized_odds", groups=groups, seed=rng)
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.02})
    history = mxfair.training.fit(net, loader, loss, trainer, 4, progress=False)
    for one, other in zip(parameters(model.net_), parameters(net)):
        np.testing.assert_array_equal(one, other)
    assert model.history_["loss"] == history["loss"]


def test_a_penalty_is_a_penalized_loss(table, parameters):
    """As PenalizedLoss of GapPenalty by hand, given as the loss."""
    X, y, groups = table
    model = fitted(Penalized("gap", "demographic_parity", strength=2.0), table)
    base = gluon.loss.SigmoidBinaryCrossEntropyLoss()
    by_hand = losses.PenalizedLoss(base, losses.GapPenalty("demographic_parity", mxfair.Groups(groups), strength=2.0))
    other = GluonClassifier((8,), loss=by_hand, **OPTIONS).fit(X, y, groups)
    for one, two in zip(parameters(model.net_), parameters(other.net_)):
        np.testing.assert_array_equal(one, two)


def test_reweighing_is_weights_of_samples(table, parameters):
    """As its weights given as sample_weight; with weights of the user's, their product."""
    X, y, groups = table
    model = fitted("reweighing", table)
    step = preprocessing.Reweighing().fit(y, groups)
    by_hand = GluonClassifier((8,), **OPTIONS).fit(X, y, sample_weight=step.weights(y, groups))
    for one, two in zip(parameters(model.net_), parameters(by_hand.net_)):
        np.testing.assert_allclose(one, two, rtol=1e-6)
    own = np.random.default_rng(0).random(200)
    both = GluonClassifier((8,), mitigation="reweighing", **OPTIONS).fit(X, y, groups, sample_weight=own)
    weights = preprocessing.Reweighing().fit(y, groups, sample_weight=own).weights(y, groups) * own
    product = GluonClassifier((8,), **OPTIONS).fit(X, y, sample_weight=weights)
    for one, two in zip(parameters(both.net_), parameters(product.net_)):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-7)


def test_massaging_and_smote_are_rows_by_hand(table, parameters):
    """As training on labels massaged, and on rows resampled, beforehand."""
    X, y, groups = table
    massaged = preprocessing.massage(y, groups, features=X).labels
    assert (massaged != y).any()
    by_hand = GluonClassifier((8,), **OPTIONS).fit(X, massaged)
    for one, two in zip(parameters(fitted("massaging", table).net_), parameters(by_hand.net_)):
        np.testing.assert_array_equal(one, two)
    more, labels, _ = preprocessing.CellSMOTE(seed=1).fit_resample(X, y, groups)
    by_hand = GluonClassifier((8,), **OPTIONS).fit(more, labels)
    for one, two in zip(parameters(fitted(preprocessing.CellSMOTE(seed=1), table).net_), parameters(by_hand.net_)):
        np.testing.assert_array_equal(one, two)


def test_steps_are_a_pipeline(table):
    """As scikit-learn's pipeline of the step and the plain net; predict puts rows through them."""
    from sklearn.pipeline import make_pipeline

    X, y, _ = table
    model = fitted(preprocessing.StandardScaler(), table)
    pipeline = make_pipeline(preprocessing.StandardScaler(), GluonClassifier((8,), **OPTIONS)).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), pipeline.predict_proba(X))
    weight = np.random.default_rng(0).random(200)
    weighted = GluonClassifier("logistic", mitigation=preprocessing.StandardScaler(), **OPTIONS)
    weighted.fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(weighted.steps_[0].mean_, np.average(X, axis=0, weights=weight), rtol=1e-6)


def test_steps_that_need_groups_get_them(table):
    """In fit, predict and score; without them the step says what it needs."""
    X, y, groups = table
    model = fitted(preprocessing.ByGroup(preprocessing.StandardScaler()), table)
    assert model.score(X, y, groups=groups) == (model.predict(X, groups) == y).mean()
    with pytest.raises(InputError, match="must know the sensitive attribute"):
        model.predict(X)
    with pytest.raises(InputError, match="must know the sensitive attribute"):
        GluonClassifier("logistic", mitigation=preprocessing.ByGroup(preprocessing.StandardScaler())).fit(X, y)


def test_text_goes_through_steps():
    """A data frame with text is encoded by the step, which then learns from it."""
    import pandas as pd

    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"job": rng.choice(["a", "b", "c"], 150), "age": rng.integers(20, 60, 150)})
    y = (frame["job"] == "a").astype(int)
    model = GluonClassifier("logistic", epochs=60, learning_rate=0.05, mitigation=preprocessing.TabularEncoder())
    assert model.set_params(random_state=0).fit(frame, y).score(frame, y) > 0.95
    assert list(model.feature_names_in_) == ["job", "age"]
    assert model.n_features_in_ == 2
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["age", "job"]])


CLASHES = {
    "two samplers of the mix": (["fairbatch", "sample_weighting"], "both steer"),
    "weights and a loss": (["reweighing", "gap_penalty"], "third item"),
    "steered weights and a loss": (["sample_weighting", "group_dro"], "third item"),
    "two weights": (["reweighing", "sample_weighting"], "leave one out"),
    "two losses": (["gap_penalty", "mmd_penalty"], "one of a kind"),
    "a name": ("fairbach", "Did you mean 'fairbatch'"),
    "a class": (FairBatch, r"FairBatch\(...\)"),
    "a class of steps": (preprocessing.StandardScaler, "must hold objects"),
    "a class of penalties": (losses.GapPenalty, "Penalized"),
    "a scaler of scikit-learn": (__import__("sklearn.preprocessing").preprocessing.StandardScaler(), "must hold names"),
    "a function of something else": (lambda base, groups: 3, "returns a GroupLoss"),
    "a penalty of other groups": (losses.GapPenalty("demographic_parity", 3), "3 groups, and 2 groups"),
    "an unknown penalty": (Penalized("gpa"), "Did you mean 'gap'"),
    "a criterion": (FairBatch("equal_odds"), "'criterion' must be one of"),
}


@pytest.mark.parametrize("case", CLASHES)
def test_what_does_not_go_together_is_refused(table, case):
    """Each is an error of ours that says what to do."""
    mitigation, match = CLASHES[case]
    with pytest.raises((InputError, InputTypeError), match=match):
        fitted(mitigation, table)


@pytest.mark.parametrize("name", ["gap_penalty", "group_dro", "sample_weighting", "cell_smote"])
def test_weights_of_samples_that_would_be_dropped_are_refused(table, name):
    """Where a batch has no room for them, sample weights are an error."""
    X, y, groups = table
    with pytest.raises(InputError, match="'sample_weight' must not be given"):
        GluonClassifier((8,), mitigation=name, **OPTIONS).fit(X, y, groups, sample_weight=np.ones(200))


@pytest.mark.parametrize("mitigation", ["fairbatch", "gap_penalty", "sample_weighting"])
def test_the_positive_class_is_a_label(table, parameters, mitigation):
    """Of the estimator or of a Criterion, with labels that are no codes; it matters, and both ways are one."""
    X, y, groups = table
    labels = np.where(y, 2, 1)  # the code of 1 is 0, the code of 2 is 1
    criterion = CRITERIA["equal_opportunity"]
    options = {"mitigation": mitigation, **OPTIONS}
    by_name = GluonClassifier((8,), criterion="equal_opportunity", positive=1, **options).fit(X, labels, groups)
    by_object = GluonClassifier((8,), criterion=criterion.with_positive(1), **options).fit(X, labels, groups)
    other = GluonClassifier((8,), criterion=criterion.with_positive(2), **options).fit(X, labels, groups)
    default = GluonClassifier((8,), criterion=criterion, **options).fit(X, labels, groups)
    for one, two, three, four in zip(*(parameters(m.net_) for m in (by_name, by_object, other, default))):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(three, four)
    assert not np.array_equal(by_name.predict_proba(X), other.predict_proba(X))
    with pytest.raises(InputError, match="'positive' must be one of the classes 1, 2"):
        GluonClassifier((8,), criterion=criterion.with_positive(0), **options).fit(X, labels, groups)


@pytest.mark.parametrize("name", ["cell_smote", "massaging"])
def test_held_out_rows_are_as_observed(table, name):
    """Validation rows are rows of X with their own labels, and no row of training is made from one."""
    from mxfair.estimator import _one_net

    X, y, _ = table
    seen = {}

    def watch(estimator, job, held, base):
        seen.update(X=held.X, target=held.target, trained=job.loader._dataset)
        return real(estimator, job, held, base)

    real, _one_net.watch = _one_net.watch, watch
    try:
        fitted(name, table, early_stopping=True, validation_fraction=0.3)
    finally:
        _one_net.watch = real
    places = {row.tobytes(): place for place, row in enumerate(X)}
    rows = [places[row.tobytes()] for row in seen["X"]]
    assert 50 < len(rows) < 70
    np.testing.assert_array_equal(seen["target"], y[rows])
    trained = {row.tobytes() for row in seen["trained"]._data[0]}
    assert not trained & {X[row].tobytes() for row in rows}


REGRESSION = {
    "fairbatch": lambda: "fairbatch",
    "sample_weighting": lambda: "sample_weighting",
    "group_dro": lambda: "group_dro",
    "bins": lambda: FairBatch(label_bins=2, controller="proportional"),
    "Penalized": lambda: Penalized("mmd", "demographic_parity"),
    "correlation": lambda: Penalized("correlation", "demographic_parity"),
    "step": preprocessing.StandardScaler,
}


@pytest.mark.parametrize("name", REGRESSION)
def test_mitigations_of_regression(table, parameters, name):
    """What acts on numbers as targets changes the training."""
    X, _, groups = table
    y = X[:, 0] + (groups == "b") * X[:, 1]
    model = GluonRegressor((8,), mitigation=REGRESSION[name](), **OPTIONS).fit(X, y, groups)
    plain = GluonRegressor((8,), **OPTIONS).fit(X, y)
    assert not np.array_equal(model.predict(X), plain.predict(X))


@pytest.mark.parametrize("name", ["reweighing", "massaging", "cell_smote", "gap_penalty"])
def test_mitigations_of_classes_are_refused_for_numbers(table, name):
    """They are about shares of labels, or rates of decisions."""
    X, _, groups = table
    with pytest.raises((InputError, InputTypeError)):
        GluonRegressor((8,), mitigation=name, **OPTIONS).fit(X, X[:, 0], groups)


def test_fairbatch_narrows_the_gap():
    """On data with a gap, the gap on the training rows is smaller with mitigation than without."""
    rng = np.random.default_rng(0)
    groups = rng.random(2000) < 0.3
    X = np.column_stack([rng.normal(size=2000) + groups, groups, rng.normal(size=2000)]).astype("float32")
    y = (X[:, 0] - 1.5 * groups + rng.normal(0, 1.0, 2000) > 0).astype(int)
    gap = CRITERIA["equalized_odds"]
    gaps = {}
    for name in (None, "fairbatch", "sample_weighting"):
        model = GluonClassifier("logistic", epochs=25, learning_rate=0.02, mitigation=name, random_state=0)
        preds = model.fit(X, y, groups).predict(X)
        gaps[str(name)] = gap.difference(mxfair.GroupConfusion.of(y, preds, groups))
    assert max(value for name, value in gaps.items() if name != "None") < 0.6 * gaps["None"], gaps
