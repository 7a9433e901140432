"""The correlation remover leaves nothing linear of the sensitive attributes, whatever their kind."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression

from mxfair import Groups
from mxfair._validation import InputError, InputTypeError
from mxfair.preprocessing import CorrelationRemover
from mxfair.preprocessing._base import load_step


def sample(n=2000, seed=0):
    """Return features that depend on a two-level code, an age and a race."""
    rng = np.random.default_rng(seed)
    sex, age = (rng.random(n) < 0.3).astype(float), rng.uniform(18, 80, n)
    race = rng.integers(0, 4, n)
    features = rng.normal(0, 1, (n, 4)) * [1, 10, 0.1, 1] + [0, 1000, 0, -5]
    features += np.outer(sex, [1, 5, 0, 2]) + np.outer(age, [0, 0.3, 0.01, 0]) + np.eye(4)[race]
    return features, sex, age, race


def correlations(features, *attributes):
    """Return the largest absolute correlation of a feature with an attribute."""
    return max(abs(np.corrcoef(x, s)[0, 1]) for x in features.T for s in attributes)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("which", ["sex", "age"])
def test_same_as_fairlearn_for_one_column(alpha, which):
    """A single column of numbers or of two levels gives fairlearn's result, on other rows too."""
    peer = pytest.importorskip("fairlearn.preprocessing").CorrelationRemover
    features, sex, age, _ = sample()
    X = np.column_stack([features[:, :2], sex if which == "sex" else age, features[:, 2:]])
    theirs = peer(sensitive_feature_ids=[2], alpha=alpha).fit(X[:1500])
    ours = CorrelationRemover(sensitive=[2], alpha=alpha).fit(X[:1500])
    np.testing.assert_allclose(ours.transform(X), theirs.transform(X), rtol=1e-9, atol=1e-9)


def test_residuals_of_least_squares():
    """Several attributes at once: the residuals of a regression on them, plus the means."""
    features, sex, age, race = sample()
    design = np.column_stack([sex, age, np.eye(4)[race]])
    expected = features - LinearRegression().fit(design, features).predict(design) + features.mean(axis=0)
    step = CorrelationRemover().fit(features, groups={"sex": sex, "age": age, "race": race})
    assert [column["kind"] for column in step.design_] == ["category", "number", "category"]
    found = step.transform(features, groups={"sex": sex, "age": age, "race": race})
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_nothing_correlated_is_left():
    """Residual correlations are below 1e-10 for several and continuous attributes, and were not before."""
    features, sex, age, race = sample()
    frame = pd.DataFrame({"sex": sex, "age": age, "race": np.array(list("abcd"))[race]})
    found = CorrelationRemover().fit(features, groups=frame).transform(features, groups=frame)
    indicators = list(np.eye(4)[race].T)
    assert correlations(features, sex, age, *indicators) > 0.1
    assert correlations(found, sex, age, *indicators) < 1e-10
    np.testing.assert_allclose(found.mean(axis=0), features.mean(axis=0), rtol=1e-9)


def test_attributes_that_depend_on_each_other():
    """Repeated, constant and nearly equal attributes do no harm."""
    features, sex, age, _ = sample()
    near = age + 1e-4 * np.random.default_rng(1).normal(0, 1, len(age))
    groups = np.column_stack([sex, 1 - sex, age, 2 * age + 3, near, np.full(len(age), 7.0)])
    step = CorrelationRemover(continuous=[f"group {i}" for i in range(6)]).fit(features, groups=groups)
    assert correlations(step.transform(features, groups=groups), sex, age, near) < 1e-10


def test_alpha_interpolates():
    """Half of it is half way."""
    features, sex, *_ = sample()
    results = [
        CorrelationRemover(alpha=a).fit(features, groups=sex).transform(features, groups=sex) for a in (0, 0.5, 1)
    ]
    np.testing.assert_array_equal(results[0], features)
    np.testing.assert_allclose(results[1], (results[0] + results[2]) / 2)


def test_sensitive_columns_leave_and_names_stay():
    """Columns named in X leave the output, in frames and arrays alike, pandas out where wanted."""
    features, sex, age, _ = sample()
    frame = pd.DataFrame(features, columns=list("abcd"))
    frame.insert(1, "sex", np.array(["f", "m"])[sex.astype(int)])
    frame["age"] = age
    step = CorrelationRemover(sensitive=["sex", "age"]).set_output(transform="pandas").fit(frame)
    found = step.transform(frame)
    assert list(found.columns) == list("abcd")
    array = np.column_stack([features[:, 0], sex, features[:, 1:], age])
    other = CorrelationRemover(sensitive=[1, 5]).fit(array)
    assert list(other.get_feature_names_out()) == ["x0", "x2", "x3", "x4"]
    np.testing.assert_allclose(other.transform(array), found.to_numpy(), atol=1e-9)
    by_groups = CorrelationRemover().fit(features, groups=frame[["sex", "age"]])
    np.testing.assert_allclose(by_groups.transform(features, frame[["sex", "age"]]), found.to_numpy(), atol=1e-9)


def test_one_row_at_a_time():
    """The map is the training map: a row alone becomes what it becomes among others."""
    features, sex, age, race = sample()
    X = np.column_stack([features, sex, age, race])
    step = CorrelationRemover(sensitive=[4, 5, 6]).fit(X[:1000])
    alone = np.vstack([step.transform(X[i : i + 1]) for i in range(1000, 1020)])
    np.testing.assert_allclose(alone, step.transform(X)[1000:1020], atol=1e-10)


def test_missing_and_new_levels_change_nothing_and_are_told():
    """Samples without an attribute are left as they are, and count for nothing."""
    features, _, _, race = sample(500)
    levels = np.array([*"abcd", None], dtype=object)
    full = CorrelationRemover().fit(features, groups=levels[race])
    more = np.vstack([features, features[:30] + 100])
    groups = np.concatenate([levels[race], levels[[4] * 30]])
    with pytest.warns(UserWarning, match="30 samples have no value of 'group'"):
        step = CorrelationRemover().fit(more, groups=groups)
    np.testing.assert_allclose(step.beta_, full.beta_, atol=1e-9)
    with pytest.warns(UserWarning, match="1 sample"):
        np.testing.assert_array_equal(step.transform(features[:1], groups=["new"]), features[:1])
    age = np.arange(500.0)
    age[0] = np.nan
    with pytest.warns(UserWarning, match="1 sample"):
        step = CorrelationRemover().fit(features, groups=age)
    with pytest.warns(UserWarning, match="1 sample"):
        np.testing.assert_array_equal(step.transform(features, groups=age)[0], features[0])


def test_codes_are_categories_unless_continuous_says_otherwise():
    """A code of four levels is no number: what is linear in it would leave the levels apart."""
    features, _, _, race = sample()
    as_levels = CorrelationRemover().fit(features, groups=race)
    as_number = CorrelationRemover(continuous=["group"]).fit(features, groups=race)
    means = lambda step: np.array([step.transform(features, race)[race == r].mean(axis=0) for r in range(4)])  # noqa: E731
    assert np.ptp(means(as_levels), axis=0).max() < 1e-9
    assert np.ptp(means(as_number), axis=0).max() > 0.1
    assert CorrelationRemover().fit(features, groups=np.arange(len(features))).design_[0]["kind"] == "number"
    assert CorrelationRemover().fit(features, groups=Groups(race)).design_[0]["kind"] == "category"
    X = np.column_stack([features, race, race])
    step = CorrelationRemover(sensitive=[4, 5], continuous=[5]).fit(X)
    assert [(column["name"], column["kind"]) for column in step.design_] == [("x4", "category"), ("x5", "number")]
    by_name = CorrelationRemover(sensitive=["r"], continuous=["r"]).fit(pd.DataFrame(X[:, :5], columns=list("abcdr")))
    np.testing.assert_allclose(by_name.beta_, as_number.beta_)
    np.testing.assert_allclose(CorrelationRemover(continuous=[0]).fit(features, groups=race).beta_, as_number.beta_)


def test_block_of_a_whole_row():
    """The block with sensitive columns inside the row agrees with transform, hybridized too."""
    mx = pytest.importorskip("mxnet")
    features, sex, age, race = sample()
    X = np.column_stack([race, features, age, sex])
    step = CorrelationRemover(sensitive=[0, 5, 6], alpha=0.8).fit(X)
    block = step.as_block()
    for _ in range(2):
        np.testing.assert_allclose(block(mx.nd.array(X)).asnumpy(), step.transform(X), rtol=1e-5, atol=1e-4)
        block.hybridize()
    data = mx.gluon.data.ArrayDataset(X[:8].astype("float32"), np.zeros(8)).transform_first(step.as_block())
    np.testing.assert_allclose(data[3][0].asnumpy(), step.transform(X[3:4])[0], rtol=1e-5, atol=1e-4)
    odd = X[:1].copy()
    odd[0, 0] = 9  # a level that was not fitted
    with pytest.warns(UserWarning, match="1 sample"):
        np.testing.assert_allclose(step.as_block()(mx.nd.array(odd)).asnumpy(), step.transform(odd), rtol=1e-5)


def test_block_of_row_and_group():
    """With groups= the block takes the group's place; a group that was not fitted changes nothing."""
    mx = pytest.importorskip("mxnet")
    features, _, _, race = sample()
    step = CorrelationRemover().fit(features, groups=race)
    found = step.as_block()(mx.nd.array(features), mx.nd.array(race)).asnumpy()
    np.testing.assert_allclose(found, step.transform(features, groups=race), rtol=1e-5, atol=1e-4)
    same = step.as_block()(mx.nd.array(features[:1]), mx.nd.array([-1])).asnumpy()
    np.testing.assert_allclose(same, features[:1], rtol=1e-6)
    with pytest.raises(InputTypeError, match="columns of X"):
        CorrelationRemover().fit(features, groups={"a": race, "b": race % 2}).as_block()


def test_saved_cloned_and_refitted(tmp_path):
    """The file holds the whole step; a clone is unfitted."""
    features, sex, age, race = sample()
    X = np.column_stack([features, sex, age, race])
    step = CorrelationRemover(sensitive=[4, 5, 6], alpha=0.5).fit(X)
    step.save(tmp_path / "step.npz")
    again = load_step(tmp_path / "step.npz")
    np.testing.assert_array_equal(again.transform(X), step.transform(X))
    with pytest.raises(InputError, match="fitted first"):
        clone(step).transform(X)


@pytest.mark.parametrize(
    ("options", "fit", "message"),
    [
        ({"alpha": 1.5}, {"groups": [0, 1, 0]}, "between 0 and 1"),
        ({}, {}, "sensitive attribute"),
        ({}, {"groups": [0, 1]}, "same length"),
        ({"sensitive": [7]}, {}, "below 2"),
        ({"sensitive": [0]}, {"groups": [0, 1, 0]}, "must not be given"),
        ({"continuous": ["age"]}, {"groups": [0, 1, 0]}, "'continuous' must name"),
    ],
)
def test_bad_input_is_refused(options, fit, message):
    """Each mistake has its sentence."""
    with pytest.raises(InputError, match=message):
        CorrelationRemover(**options).fit(np.arange(6.0).reshape(3, 2), **fit)


def test_quiet_where_all_is_known():
    """The usual case gives no warning."""
    features, sex, *_ = sample(200)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        CorrelationRemover().fit(features, groups=sex).transform(features, groups=sex)


@pytest.mark.parametrize("continuous", [[], [0]])
def test_the_block_leaves_rows_of_missing_attributes_as_transform_does(continuous):
    """Nothing is taken out of a row whose attribute is NaN; the block gave NaN."""
    X = np.array([[0.0, 1.0], [0.0, 3.0], [1.0, 5.0], [1.0, 7.0]])
    step = CorrelationRemover([0], continuous=continuous).fit(X)
    rows = np.array([[np.nan, 1.0], [1.0, 6.0]])
    with pytest.warns(UserWarning, match="nothing is taken out"):
        expected = step.transform(rows)
    np.testing.assert_allclose(step.as_block()(rows).asnumpy(), expected, rtol=1e-6)


def test_the_block_centres_large_numbers_exactly():
    """The mean of times of birth has digits that single precision lacks; those are taken off too."""
    rng = np.random.default_rng(0)
    time = 1.6e9 + np.round(rng.normal(0, 1000, 500) / 128) * 128  # exact in single precision
    X = np.column_stack([time, rng.normal(0, 1, 500) + (time - 1.6e9) / 500])
    step = CorrelationRemover([0], continuous=[0]).fit(X)
    np.testing.assert_allclose(step.as_block()(X).asnumpy(), step.transform(X), atol=1e-5)
