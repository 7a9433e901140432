"""SeedEnsembleClassifier and SeedEnsembleRegressor: what members are, and what they make together."""

from __future__ import annotations

import pickle

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon, nd
from sklearn.base import clone

import mxfair
from mxfair._validation import InputError, InputTypeError
from mxfair.ensemble import SeedEnsembleClassifier, SeedEnsembleRegressor
from mxfair.estimator import GluonClassifier, GluonRegressor

OPTIONS = {"learning_rate": 0.02, "epochs": 3, "batch_size": 32}


def table(rows=240, classes=2):
    """Return features, labels and groups."""
    rng = np.random.default_rng(5)
    X, groups = rng.normal(size=(rows, 4)).astype("float32"), rng.integers(0, 2, rows)
    score = X[:, 0] + 0.5 * groups + 0.5 * rng.normal(size=rows)
    return X, np.digitize(score, np.linspace(-0.5, 0.8, classes - 1) if classes > 2 else [0.25]), groups


@pytest.mark.parametrize("mitigation", [None, "fairbatch", "reweighing", "gap_penalty"])
def test_members_are_the_template_with_other_seeds(mitigation):
    """Each member computes what the template fitted with the member's seed computes, mitigation included."""
    X, y, groups = table()
    template = GluonClassifier((6,), mitigation=mitigation, criterion="demographic_parity", **OPTIONS)
    model = SeedEnsembleClassifier(template, n_estimators=3, random_state=0).fit(X, y, groups)
    alone = [clone(template).set_params(random_state=int(seed)).fit(X, y, groups) for seed in model.seeds_[:, 0]]
    expected = np.stack([one.decision_function(X) for one in alone])
    np.testing.assert_allclose(model.net_.member_scores(X)[..., 0], expected, atol=2e-5)
    assert not np.allclose(expected[0], expected[1])


def test_probabilities_are_the_mean_of_the_members():
    """The ensemble's probabilities of text labels of three classes are the mean over separate fits."""
    X, y, _ = table(classes=3)
    y = np.array(["low", "mid", "high"])[y]
    template = GluonClassifier((6,), **OPTIONS)
    model = SeedEnsembleClassifier(template, n_estimators=3, random_state=1).fit(X, y)
    alone = [clone(template).set_params(random_state=int(seed)).fit(X, y) for seed in model.seeds_[:, 0]]
    mean = np.mean([one.predict_proba(X) for one in alone], axis=0)
    np.testing.assert_allclose(model.predict_proba(X), mean, atol=1e-5)
    assert (model.predict(X) == model.classes_[mean.argmax(axis=1)]).mean() > 0.99


def test_predictions_are_the_mean_of_the_members():
    """The regressor's predictions, of two columns, are the mean over separate fits."""
    X, _, _ = table()
    y = np.column_stack([X[:, 0], X[:, 1] - X[:, 2]])
    template = GluonRegressor((6,), **OPTIONS)
    model = SeedEnsembleRegressor(template, n_estimators=3, random_state=1).fit(X, y)
    alone = [clone(template).set_params(random_state=int(seed)).fit(X, y) for seed in model.seeds_[:, 0]]
    np.testing.assert_allclose(model.predict(X), np.mean([one.predict(X) for one in alone], axis=0), atol=1e-5)


def test_members_that_stop_early_hold_out_rows_of_their_own():
    """With early stopping each member is the template fitted with its seed, held-out rows included."""
    X, y, groups = table()
    template = GluonClassifier((6,), early_stopping=True, n_iter_no_change=1, **{**OPTIONS, "epochs": 8})
    model = SeedEnsembleClassifier(template, n_estimators=2, random_state=0).fit(X, y, groups)
    alone = [clone(template).set_params(random_state=int(seed)).fit(X, y, groups) for seed in model.seeds_[:, 0]]
    expected = np.stack([one.decision_function(X) for one in alone])
    np.testing.assert_allclose(model.net_.member_scores(X)[..., 0], expected, atol=1e-6)
    assert [len(history) for history in model.histories_] == [one.n_iter_ for one in alone]


@pytest.mark.parametrize(("vary", "alike"), [("order", True), ("initialization", False), ("all", False)])
def test_vary_says_what_differs(vary, alike):
    """Where one batch holds all rows their order does nothing, so that members of vary='order' are alike."""
    X, y, _ = table()
    template = GluonClassifier((6,), **{**OPTIONS, "batch_size": len(X)})
    model = SeedEnsembleClassifier(template, n_estimators=2, vary=vary, random_state=0).fit(X, y)
    first, second = model.net_.member_scores(X)
    assert np.allclose(first, second, atol=1e-5) == alike


def test_the_same_order_of_rows_is_kept():
    """With vary='initialization' members that start alike, too, would be alike: the order is one."""
    X, y, _ = table()
    net = gluon.nn.Dense(1)
    net.initialize(mx.init.Zero())  # deferred: the values come with the first batch, and are 0 in each copy
    template = GluonClassifier(net, **OPTIONS)
    by = {
        vary: SeedEnsembleClassifier(template, n_estimators=2, vary=vary, random_state=0).fit(X, y)
        for vary in ("initialization", "order")
    }
    same, other = (by[vary].net_.member_scores(X) for vary in ("initialization", "order"))
    np.testing.assert_allclose(same[0], same[1], atol=1e-6)
    assert not np.allclose(other[0], other[1], atol=1e-4)


def test_a_block_is_the_template_of_each_member():
    """Members made of one Block have parameters of their own."""
    X, y, _ = table()
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Dense(5, activation="relu"), gluon.nn.Dense(2))
    model = SeedEnsembleClassifier(GluonClassifier(net, **OPTIONS), n_estimators=3, random_state=0).fit(X, y)
    assert len(model.net_.collect_params().keys()) == 3 * 4 + 1  # and the ensemble's weights
    scores = model.net_.member_scores(X)
    assert scores.shape == (3, len(X), 2)
    assert not np.allclose(scores[0], scores[1])


def test_a_net_with_values_has_no_other_initial_values():
    """Fine-tuning is refused unless the order of rows is what varies."""
    X, y, _ = table()
    net = mxfair.net.logistic(4)
    net.initialize()
    model = SeedEnsembleClassifier(GluonClassifier(net, **OPTIONS), n_estimators=2)
    with pytest.raises(InputError, match="vary='order'"):
        model.fit(X, y)
    assert len(model.set_params(vary="order").fit(X, y).net_.nets) == 2


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_estimators": 0}, InputError, "at least 1"),
        ({"n_estimators": 2.0}, InputTypeError, "whole number"),
        ({"vary": "seed"}, InputError, "'vary' must be one of"),
        ({"fused": "yes"}, InputError, "'fused'"),
        ({"estimator": GluonRegressor()}, InputTypeError, "must be a GluonClassifier"),
    ],
)
def test_bad_parameters_are_refused(options, error, message):
    """No members, kinds and names that do not exist are errors in words."""
    X, y, _ = table()
    with pytest.raises(error, match=message):
        SeedEnsembleClassifier(**options).fit(X, y)


def test_nan_is_refused_before_training():
    """NaN in the features is an error, and nothing is fitted."""
    X, y, _ = table()
    X[3, 1] = np.nan
    model = SeedEnsembleClassifier(n_estimators=2)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(X, y)
    assert not hasattr(model, "net_")


def test_it_is_one_block_one_file_and_one_pickle(tmp_path):
    """The exported graph, the file and the pickle give the numbers of the fitted ensemble."""
    X, y, groups = table()
    template = GluonClassifier((6,), mitigation="fairbatch", **OPTIONS)
    model = SeedEnsembleClassifier(template, n_estimators=3, random_state=0).fit(X, y, groups)
    scores = model.decision_function(X)
    model.net_.hybridize()
    model.net_(nd.array(X))
    model.net_.export(str(tmp_path / "net"))
    back = gluon.SymbolBlock.imports(str(tmp_path / "net-symbol.json"), ["data"], str(tmp_path / "net-0000.params"))
    np.testing.assert_allclose(back(nd.array(X)).asnumpy()[:, 0], scores, atol=1e-5)
    model.save(tmp_path / "model.npz")
    for copy in (SeedEnsembleClassifier.load(tmp_path / "model.npz"), pickle.loads(pickle.dumps(model))):
        np.testing.assert_allclose(copy.decision_function(X), scores, atol=1e-5)
        assert copy.seeds_.tolist() == model.seeds_.tolist()
    assert not hasattr(clone(model), "net_")
