"""AdaBoostClassifier: SAMME's weights, where it ends, what it says after each round."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest

import mxfair  # noqa: F401  before mxnet

mx = pytest.importorskip("mxnet")

from mxfair._validation import InputError, InputTypeError  # noqa: E402
from mxfair.ensemble import AdaBoostClassifier, BaggingClassifier, SeedEnsembleClassifier, _rounds  # noqa: E402
from mxfair.estimator import GluonClassifier  # noqa: E402


@pytest.fixture(scope="module")
def rows():
    """Return 240 samples that no linear net separates, with labels of two and of three classes."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(240, 3)).astype("float32")
    signal = X[:, 0] * X[:, 1] + X[:, 2] + rng.normal(0, 0.5, 240)
    return X, (signal > 0.2).astype(int), np.digitize(signal, [-0.6, 0.6])


def weak(**options):
    """Return the template of a weak member."""
    return GluonClassifier(**{"net": "logistic", "epochs": 3, "learning_rate": 0.05, "batch_size": 32, **options})


def fixed_net(n_outputs=1, bias=0.0):
    """Return an initialized net, so that each member starts from the same weights."""
    net = mx.gluon.nn.Dense(n_outputs, in_units=3)
    net.initialize(mx.init.Zero())
    net.bias.set_data(mx.nd.full((n_outputs,), bias))
    return net


def decisions_of(net, X):
    """Return what a net decides for, by hand."""
    scores = net(mx.nd.array(X)).asnumpy()
    return (scores[:, 0] > 0).astype(int) if scores.shape[1] == 1 else scores.argmax(axis=1)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_weights_of_members_are_samme(rows, n_classes):
    """Errors and weights of the members follow equation (1) and step 2d of the paper, from weights that are given."""
    X, y = rows[0], rows[n_classes - 1]
    start = np.random.default_rng(0).uniform(0, 2, len(X))
    model = AdaBoostClassifier(weak(), n_estimators=4, learning_rate=0.7, random_state=0)
    model.fit(X, y, sample_weight=start)
    weight = start / start.sum()
    for net, alpha, error in zip(model.net_.nets, model.estimator_weights_, model.estimator_errors_):
        wrong = decisions_of(net, X) != y
        assert error == pytest.approx(weight[wrong].sum())
        assert alpha == pytest.approx(0.7 * (np.log((1 - error) / error) + np.log(n_classes - 1)))
        weight = weight * np.exp(alpha * wrong)
        weight /= weight.sum()
    assert model.n_estimators_ == len(model.net_.nets) > 1


@pytest.mark.parametrize("n_classes", [2, 3])
def test_scikit_learn_boosts_alike(rows, n_classes):
    """With a member that is trained alike each time, scikit-learn's AdaBoost finds the same errors and decisions."""
    from sklearn.ensemble import AdaBoostClassifier as Reference

    X, y = rows[0], rows[n_classes - 1]
    net = fixed_net(1 if n_classes == 2 else 3)
    member = weak(net=net, batch_size=len(X), epochs=15)
    options = {"algorithm": "SAMME"} if "algorithm" in inspect.signature(Reference).parameters else {}
    reference = Reference(member, n_estimators=3, random_state=0, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        reference.fit(X, y)
    model = AdaBoostClassifier(member, n_estimators=3, random_state=0).fit(X, y)
    count = len(reference.estimators_)
    assert model.n_estimators_ == count
    np.testing.assert_allclose(model.estimator_errors_, reference.estimator_errors_[:count], atol=0.01)
    assert (model.predict(X) == reference.predict(X)).mean() > 0.98


def test_a_member_without_error_is_the_last():
    """Boosting ends with a net that makes no error; its weight is 1."""
    X = np.array([[-2, 0, 0], [-1, 0, 0], [1, 0, 0], [2, 0, 0]], "float32")
    model = AdaBoostClassifier(weak(net=fixed_net(), learning_rate=1.0), n_estimators=5).fit(X, [0, 0, 1, 1])
    assert model.estimator_errors_.tolist() == [0.0]
    assert model.estimator_weights_.tolist() == [1.0]


def test_a_member_no_better_than_chance_is_left_out(rows):
    """A net that decides as the first did has an error of one half by the weights that the first one left."""
    X, y, _ = rows
    few = np.where(np.arange(len(y)) % 4 == 0, 0, 1)
    still = weak(net=fixed_net(bias=1.0), learning_rate=1e-9)
    assert AdaBoostClassifier(still, n_estimators=5).fit(X, few).n_estimators_ == 1


def test_a_first_member_no_better_than_chance_stays_with_a_warning(rows):
    """There is nothing else to predict with."""
    X, _, _ = rows
    few = np.where(np.arange(len(X)) % 4 == 0, 1, 0)
    still = weak(net=fixed_net(bias=1.0), learning_rate=1e-9)
    with pytest.warns(UserWarning, match="no better than chance"):
        model = AdaBoostClassifier(still, n_estimators=5).fit(X, few)
    assert model.n_estimators_ == 1
    assert set(model.predict(X)) == {1}


def test_members_that_share_a_loader_are_those_with_loaders_of_their_own(rows, monkeypatch):
    """Writing weights into the arrays of one loader trains the nets that new loaders would."""
    X, _, y = rows
    shared = AdaBoostClassifier(weak(), n_estimators=4, random_state=5).fit(X, y)
    begin = _rounds.Rounds.__init__

    def alone(self, *args, **kwargs):
        begin(self, *args, **kwargs)
        self._alone = True

    monkeypatch.setattr(_rounds.Rounds, "__init__", alone)
    own = AdaBoostClassifier(weak(), n_estimators=4, random_state=5).fit(X, y)
    np.testing.assert_array_equal(shared.estimator_weights_, own.estimator_weights_)
    np.testing.assert_array_equal(shared.predict_proba(X), own.predict_proba(X))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_stages_end_with_the_whole(rows, n_classes):
    """The last stage is what the estimator says; the first is what the first net decides."""
    X, y = rows[0], np.array(["a", "b", "c"])[rows[n_classes - 1]]
    model = AdaBoostClassifier(weak(), n_estimators=4, random_state=0).fit(X, y)
    stages = list(model.staged_predict(X))
    assert len(stages) == model.n_estimators_
    np.testing.assert_array_equal(stages[0], model.classes_[decisions_of(model.net_.nets[0], X)])
    np.testing.assert_array_equal(stages[-1], model.predict(X))
    np.testing.assert_allclose(list(model.staged_predict_proba(X))[-1], model.predict_proba(X), atol=1e-5)
    np.testing.assert_allclose(list(model.staged_decision_function(X))[-1], model.decision_function(X), atol=1e-4)


def test_votes_are_counted(rows):
    """The probability of a class is the share of the weights of the nets that decide for it."""
    X, _, y = rows
    model = AdaBoostClassifier(weak(), n_estimators=3, random_state=1).fit(X, y)
    votes = np.zeros((len(X), 3))
    for net, alpha in zip(model.net_.nets, model.estimator_weights_):
        votes[np.arange(len(X)), decisions_of(net, X)] += alpha
    np.testing.assert_allclose(model.predict_proba(X), votes / votes.sum(axis=1, keepdims=True), atol=1e-5)


def test_members_may_end_in_a_sigmoid(rows):
    """A net that returns probabilities votes by one half."""
    X, y, _ = rows

    def net(n_features, n_outputs):
        made = mx.gluon.nn.HybridSequential()
        made.add(mx.gluon.nn.Dense(n_outputs, in_units=n_features, activation="sigmoid"))
        return made

    loss = mx.gluon.loss.SigmoidBinaryCrossEntropyLoss(from_sigmoid=True)
    model = AdaBoostClassifier(weak(net=net, loss=loss), n_estimators=3, random_state=0).fit(X, y)
    votes = np.zeros(len(X))
    for one, alpha in zip(model.net_.nets, model.estimator_weights_):
        votes += alpha * (one(mx.nd.array(X)).asnumpy()[:, 0] > 0.5)
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], votes / model.estimator_weights_.sum(), atol=1e-5)


def test_a_seed_repeats_a_run(rows):
    """The same seed gives the same members, another one others."""
    X, y, _ = rows
    fits = [AdaBoostClassifier(weak(), n_estimators=2, random_state=seed).fit(X, y) for seed in (1, 1, 2)]
    values = [fit.net_.nets[1].weight.data().asnumpy() for fit in fits]
    assert (values[0] == values[1]).all()
    assert (values[0] != values[2]).any()


def test_members_may_use_fairbatch(rows):
    """Weights of boosting and batches of FairBatch go together."""
    X, y, _ = rows
    groups = np.where(X[:, 0] > 0, "a", "b")
    model = AdaBoostClassifier(weak(mitigation="fairbatch"), n_estimators=2, random_state=0).fit(X, y, groups=groups)
    assert model.n_estimators_ == 2


def test_a_file_predicts_alike_and_says_that_it_has_no_stages(rows, tmp_path):
    """What save wrote predicts as before; members are one graph in it."""
    X, y, _ = rows
    model = AdaBoostClassifier(weak(), n_estimators=3, random_state=0).fit(X, y)
    model.save(tmp_path / "model.npz")
    read = AdaBoostClassifier.load(tmp_path / "model.npz")
    np.testing.assert_allclose(read.predict_proba(X), model.predict_proba(X), atol=1e-6)
    np.testing.assert_array_equal(read.estimator_weights_, model.estimator_weights_)
    with pytest.raises(InputError, match="The members must be known"):
        next(read.staged_predict(X))


def test_the_net_is_exported(rows, tmp_path):
    """The ensemble leaves as one graph that Gluon reads."""
    X, y, _ = rows
    model = AdaBoostClassifier(weak(), n_estimators=3, random_state=0).fit(X, y)
    model.net_.hybridize()
    expected = model.net_(mx.nd.array(X)).asnumpy()
    model.net_.export(str(tmp_path / "net"))
    net = mx.gluon.SymbolBlock.imports(str(tmp_path / "net-symbol.json"), ["data"], str(tmp_path / "net-0000.params"))
    np.testing.assert_allclose(net(mx.nd.array(X)).asnumpy(), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"n_estimators": 0}, InputError, "'n_estimators' must be at least 1"),
        ({"n_estimators": 2.5}, InputTypeError, "'n_estimators' must be a whole number"),
        ({"learning_rate": 0}, InputError, "'learning_rate' must be a number above 0"),
        ({"learning_rate": float("nan")}, InputError, "'learning_rate' must be a number above 0"),
        ({"estimator": weak(early_stopping=True)}, InputError, "must have early_stopping=False"),
        ({"estimator": weak(max_gap=0.1)}, InputError, "must have max_gap=None"),
        ({"estimator": weak(mitigation="gap_penalty")}, InputError, "loss's third item"),
        ({"estimator": 3}, InputTypeError, "'estimator' must be a GluonClassifier"),
    ],
)
def test_options_that_cannot_be_used(rows, options, error, words):
    """What is wrong is said before anything is trained."""
    X, y, _ = rows
    with pytest.raises(error, match=words):
        AdaBoostClassifier(**options).fit(X, y, groups=np.arange(len(y)) % 2)


def test_data_that_cannot_be_used(rows):
    """NaN in X, and one class, are errors."""
    X, y, _ = rows
    with pytest.raises(ValueError, match="NaN"):
        AdaBoostClassifier(weak()).fit(np.where(X > 2, np.nan, X), y)
    with pytest.raises(InputError, match="two classes or more"):
        AdaBoostClassifier(weak()).fit(X, np.zeros(len(y)))


def test_each_member_begins_with_the_whole_rate(rows, monkeypatch):
    """A scheduler of the learning rate has a state, which is each training's own."""
    X, y, _ = rows
    found, run = [], _rounds.Job.run
    monkeypatch.setattr(_rounds.Job, "run", lambda job: (run(job), found.append(job.trainer.learning_rate))[0])
    schedule = mx.lr_scheduler.FactorScheduler(15, 0.5)
    net = weak(optimizer_params={"lr_scheduler": schedule})
    AdaBoostClassifier(net, n_estimators=3, random_state=0).fit(X, y)
    assert len(found) > 1
    assert len(set(found)) == 1
    assert found[0] < net.learning_rate


def test_nets_of_a_function_may_have_the_same_names(rows):
    """Members are given names of their own before they are trained, also where a function gives one prefix to all."""
    X, y, _ = rows
    net = weak(net=lambda n_in, n_out: mx.gluon.nn.Dense(n_out, in_units=n_in, prefix="one_"))
    for kind in (AdaBoostClassifier, BaggingClassifier, SeedEnsembleClassifier):
        assert len(kind(net, n_estimators=3, random_state=0).fit(X, y).net_.nets) > 1
