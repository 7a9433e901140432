"""Shapley values by permutations and by enumeration, against their definition, linear models and each other."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from mxfair import explain
from mxfair._compat import import_mxnet
from mxfair._validation import InputError, InputTypeError
from mxfair.explain import Attribution, exact_shap, permutation_shap
from mxfair.explain._model import explained_model

mx = import_mxnet()


def rows(n, width=5, seed=0):
    """Return random rows."""
    return np.random.default_rng(seed).normal(size=(n, width)).astype("float32")


def bent(X):
    """Return a number of each row that is far from additive."""
    return X[:, 0] * X[:, 1] + np.sin(3 * X[:, 2]) * X[:, 3] + np.maximum(X[:, 0], X[:, -1])


def mlp(width=5):
    """Return a small net with one output."""
    mx.random.seed(5)
    net = mx.gluon.nn.HybridSequential()
    net.add(mx.gluon.nn.Dense(16, activation="relu"), mx.gluon.nn.Dense(1))
    net.initialize(mx.init.Xavier(magnitude=8))
    net(mx.nd.zeros((1, width)))
    return net


def by_definition(f, X, background, players):
    """Return Shapley values as the mean over all orders of players, a coalition at a time."""
    out = np.zeros((len(X), len(players)))
    orders = list(permutations(range(len(players))))
    for i, x in enumerate(X):
        for order in orders:
            mixed = background.copy()
            last = f(mixed).mean()
            for player in order:
                mixed[:, players[player]] = x[players[player]]
                value = f(mixed).mean()
                out[i, player] += value - last
                last = value
    return out / len(orders)


def test_exact_values_are_the_mean_over_all_orders():
    """Enumeration of coalitions gives what the definition says."""
    X, background = rows(4).astype(float), rows(7, seed=1).astype(float)
    wanted = by_definition(bent, X, background, [[j] for j in range(5)])
    np.testing.assert_allclose(exact_shap(bent, X, background).values, wanted, atol=1e-12)


def test_raw_columns_are_players():
    """The features of one column are known or unknown together, and get one value."""
    X, background = rows(3, 6).astype(float), rows(5, 6, seed=1).astype(float)
    columns = {"a": [0, 3], "b": [1, 2]}
    found = exact_shap(bent, X, background, columns=columns)
    assert found.feature_names == ["a", "b", "x4", "x5"]
    wanted = by_definition(bent, X, background, [[0, 3], [1, 2], [4], [5]])
    np.testing.assert_allclose(found.values, wanted, atol=1e-12)


@pytest.mark.parametrize("max_memory", [1024, 0.02, 1e-4])
@pytest.mark.parametrize("kind", ["net", "function"])
def test_memory_changes_nothing(kind, max_memory):
    """However small batches are, the same seed gives the same values."""
    net = mlp()
    model = net if kind == "net" else lambda X: net(mx.nd.array(X)).asnumpy()[:, 0]
    X, background = rows(3), rows(4, seed=1)
    found = permutation_shap(model, X, background, max_memory=max_memory, seed=0)
    wanted = permutation_shap(lambda X: net(mx.nd.array(X)).asnumpy()[:, 0], X, background, seed=0)
    np.testing.assert_allclose(found.values, wanted.values, atol=1e-5)
    np.testing.assert_allclose(found.standard_errors, wanted.standard_errors, atol=1e-5)


@pytest.mark.parametrize("method", ["permutation_shap", "exact_shap", "expected_gradients", "deep_shap"])
def test_of_a_linear_net_all_are_weight_times_distance(method):
    """W (x - mean of the background), to 1e-5."""
    net = mx.gluon.nn.Dense(1, in_units=5)
    net.initialize(mx.init.Normal(1))
    X, background = rows(30), rows(40, seed=1)
    wanted = net.weight.data().asnumpy()[0] * (X - background.mean(axis=0))
    found = getattr(explain, method)(net, X, background)
    np.testing.assert_allclose(found.values, wanted, atol=1e-5)
    assert found.additivity_error < 1e-5


def test_standard_errors_cover():
    """Exact values lie within three standard errors of at least nine values in ten, and errors are not far too wide."""
    net, X, background = mlp(8), rows(60, 8), rows(20, 8, seed=1)
    exact = exact_shap(net, X, background).values
    found = permutation_shap(net, X, background, n_permutations=12, seed=0)
    z = (found.values - exact) / found.standard_errors
    assert (np.abs(z) < 3).mean() > 0.95
    assert 0.8 < np.sqrt((z**2).mean()) < 1.5
    shorter = permutation_shap(net, X, background, n_permutations=3, seed=0)
    assert np.abs(found.values - exact).mean() < 0.7 * np.abs(shorter.values - exact).mean()


def test_values_add_up_whatever_the_orders():
    """Contributions and the background's mean make each row's output."""
    X, background = rows(20), rows(11, seed=1)
    found = permutation_shap(bent, X, background, n_permutations=2, seed=0)
    np.testing.assert_allclose(found.values.sum(axis=1) + bent(background).mean(), bent(X), atol=1e-6)
    assert found.additivity_error < 1e-6


def test_data_frames_reach_functions_with_their_types():
    """A function of a data frame sees the columns' own types, categories included."""
    frame = pd.DataFrame({"job": pd.Categorical(["a", "b", "a"]), "age": [1, 2, 3], "name": ["x", "y", "z"]})

    def model(part):
        assert part["job"].dtype == frame["job"].dtype
        assert part["age"].dtype == frame["age"].dtype
        return (part["job"] == "a") * part["age"] + (part["name"] == "z")

    found = exact_shap(model, frame, frame.iloc[1:])
    codes = np.column_stack([frame["job"] == "a", frame["age"], frame["name"] == "z"]).astype(float)
    wanted = exact_shap(lambda X: X[:, 0] * X[:, 1] + X[:, 2], codes, codes[1:])
    np.testing.assert_allclose(found.values, wanted.values, atol=1e-12)
    pd.testing.assert_frame_equal(found.data, frame)


def test_estimators_are_explained_by_their_probability():
    """An estimator's values add up to the probability of the class that was asked for."""
    from sklearn.linear_model import LogisticRegression

    X = rows(50)
    model = LogisticRegression().fit(X, np.where(X[:, 0] > 0, "yes", "no"))
    found = permutation_shap(model, X, X[:20], output="no", seed=0)
    np.testing.assert_allclose(found.values.sum(axis=1) + found.base_values, model.predict_proba(X)[:, 0], atol=1e-9)


def test_a_single_column_gets_all():
    """With one column there is nothing to share."""
    found = permutation_shap(lambda X: X[:, 0] ** 2, [[3.0]], [[1.0], [2.0]])
    np.testing.assert_allclose(found.values, [[6.5]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_permutations": 1}, "n_permutations"),
        ({"background": rows(3, 4)}, "same features"),
        ({"background": rows(0)}, "same features"),
        ({"max_memory": 0}, "max_memory"),
        ({"X": np.zeros((2, 3, 4))}, "integrated_gradients"),
    ],
)
def test_what_cannot_be_computed_is_said(arguments, message):
    """Arguments are checked before the model runs long."""
    with pytest.raises(InputError, match=message):
        permutation_shap(bent, **{"X": rows(2), "background": rows(3), **arguments})


def test_too_many_columns_are_not_enumerated():
    """2 to the power of 15 coalitions are too many, and what to use instead is said."""
    with pytest.raises(InputError, match="permutation_shap"):
        exact_shap(bent, rows(2, 15), rows(2, 15))


def by_hand():
    """Return an attribution of an encoded job and an age."""
    names = ["job=a", "job=b", "job missing", "age"]
    data = [[1, 0, 0, 0.5], [0, 1, 0, -1.0], [0, 0, 1, 2.0]]
    values = [[1.0, 2, 0, 4], [-1, -2, 0, 5], [0, 0, 3, -6]]
    return Attribution(
        values, 0.0, np.sum(values, axis=1), data, "by hand", columns={"job": [0, 1, 2]}, feature_names=names
    )


def test_grouped_columns_show_their_levels():
    """One-hot features become the level's name, a missing one None; single features stay."""
    found = by_hand().grouped()
    np.testing.assert_array_equal(found.values, [[3, 4], [-3, 5], [3, -6]])
    assert found.data["job"].tolist() == ["a", "b", None]
    assert found.data["age"].tolist() == [0.5, -1.0, 2.0]
    shown = by_hand().grouped(pd.DataFrame({"age": [30, 40, 50], "job": list("xyz"), "more": 0}))
    assert shown.data.columns.tolist() == ["job", "age"]
    assert shown.data["age"].tolist() == [30, 40, 50]
    with pytest.raises(InputError, match="'age' is missing"):
        by_hand().grouped(pd.DataFrame({"job": list("xyz")}))


def test_importance_is_the_mean_size_of_raw_columns():
    """Sizes are those of summed features, sorted, with the standard error of their mean."""
    found = by_hand().importance()
    assert found.index.tolist() == ["age", "job"]
    assert found["mean_absolute"].tolist() == [5, 3]
    assert found.loc["age", "standard_error"] == pytest.approx(np.std([4, 5, 6], ddof=1) / np.sqrt(3))
    assert found["mean"].tolist() == [1, 1]


def test_by_group_is_the_importance_of_each_groups_rows():
    """Each group has the figures of its own rows; a group of one row has no standard error."""
    found = by_hand().by_group(pd.Series(["f", None, "f"], name="sex"))
    part = by_hand().take([0, 2]).importance()
    np.testing.assert_allclose(found.loc["f", "mean_absolute"], part["mean_absolute"].reindex(["job", "age"]))
    np.testing.assert_allclose(
        found.loc["f", "mean_absolute_standard_error"], part["standard_error"].reindex(["job", "age"])
    )
    assert found.index.names == ["sex", "column"]
    assert found.loc["unknown", "mean"].tolist() == [-3, 5]
    assert found.loc["unknown", "mean_standard_error"].isna().all()
    with pytest.raises(InputError, match="same length"):
        by_hand().by_group(["f", "m"])


def test_rows_can_be_taken():
    """Whatever belongs to a row goes with it."""
    whole = permutation_shap(bent, rows(5), rows(4, seed=1), seed=0)
    part = whole.take(np.array([False, True, False, True, False]))
    assert len(part) == 2
    np.testing.assert_array_equal(part.values, whole.values[[1, 3]])
    np.testing.assert_array_equal(part.standard_errors, whole.standard_errors[[1, 3]])
    np.testing.assert_array_equal(part.data, whole.data[[1, 3]])
    np.testing.assert_array_equal(part.outputs, whole.outputs[[1, 3]])
    assert repr(part).startswith("Attribution(permutation SHAP of the output: 2 x 5, additivity error")


def test_shap_takes_an_attribution():
    """The shap package gets values, base values, data and names as they are."""
    shap = pytest.importorskip("shap")
    found = by_hand().to_shap()
    assert isinstance(found, shap.Explanation)
    np.testing.assert_array_equal(found.values, by_hand().values)
    np.testing.assert_array_equal(found.data, by_hand().data)
    assert list(found.feature_names) == by_hand().feature_names


def test_without_shap_it_is_said_what_to_install(monkeypatch):
    """The package is an optional extra."""
    monkeypatch.setitem(__import__("sys").modules, "shap", None)
    with pytest.raises(InputError, match=r"pip install 'mxfair\[shap\]'"):
        by_hand().to_shap()


@pytest.mark.slow
def test_shaps_exact_explainer_agrees():
    """The peer's enumeration gives the same values against the same background."""
    shap = pytest.importorskip("shap")
    X, background = rows(3).astype(float), rows(8, seed=1).astype(float)
    peer = shap.ExactExplainer(bent, shap.maskers.Independent(background, max_samples=8))(X)
    np.testing.assert_allclose(exact_shap(bent, X, background).values, peer.values, atol=1e-6)


def test_something_else_is_no_model():
    """A number is not explained."""
    with pytest.raises(InputTypeError, match="'model'"):
        permutation_shap(3, rows(2), rows(2))


@pytest.mark.parametrize(("outputs", "options"), [(2, {}), (2, {"scale": "probability"}), (3, {"output": 2})])
@pytest.mark.parametrize("hidden", [0, 8])
def test_nets_and_functions_of_nets_agree(outputs, options, hidden):
    """Whatever is computed ahead for nets, values are those of the net as a function of rows."""
    mx.random.seed(7)
    net = mx.gluon.nn.HybridSequential()
    if hidden:
        net.add(mx.gluon.nn.Dense(hidden, activation="tanh"))
    net.add(mx.gluon.nn.Dense(outputs))
    net.initialize(mx.init.Xavier(magnitude=6))
    X, background = rows(8), rows(6, seed=1)
    explained = explained_model(net, **options)
    columns = {"a": [0, 3]}
    found = permutation_shap(net, X, background, columns=columns, seed=0, **options)
    wanted = permutation_shap(lambda part: explained(part), X, background, columns=columns, seed=0)
    np.testing.assert_allclose(found.values, wanted.values, atol=2e-6)
