"""ByGroup is one scikit-learn step per group, and one of all rows for the rest."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn import impute as sklearn_impute
from sklearn import preprocessing as sklearn_preprocessing
from sklearn.base import clone

from mxfair import Groups
from mxfair._validation import InputError, InputTypeError
from mxfair.preprocessing import (
    ByGroup,
    CorrelationRemover,
    KNNImputer,
    MinMaxScaler,
    OneHotEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SimpleImputer,
    StandardScaler,
    load_step,
)

PAIRS = [
    (StandardScaler(), sklearn_preprocessing.StandardScaler()),
    (MinMaxScaler(), sklearn_preprocessing.MinMaxScaler()),
    (RobustScaler(), sklearn_preprocessing.RobustScaler()),
    (PowerTransformer(), sklearn_preprocessing.PowerTransformer()),
    (QuantileTransformer(n_quantiles=100), sklearn_preprocessing.QuantileTransformer(n_quantiles=100)),
    (SimpleImputer(), sklearn_impute.SimpleImputer()),
    (SimpleImputer(strategy="median"), sklearn_impute.SimpleImputer(strategy="median")),
    (KNNImputer(), sklearn_impute.KNNImputer()),
]
pairs = pytest.mark.parametrize(("step", "peer"), PAIRS, ids=lambda value: type(value).__name__)


def data(seed=0, n=400):
    """Return features with gaps, and groups: two large, one small, some unknown."""
    rng = np.random.default_rng(seed)
    groups = rng.choice(np.array(["a", "b", "c", None], dtype=object), n, p=[0.55, 0.35, 0.04, 0.06])
    X = rng.normal(5, 2, (n, 3)) + 4.0 * (groups == "b")[:, None]
    X[rng.random((n, 3)) < 0.1] = np.nan
    return X, groups


def fitted(step, **options):
    """Return a step by group and its data; what it warns of is tested below."""
    X, groups = data()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ByGroup(step, min_samples=40, **options).fit(X, groups=groups), X, groups


def quiet(step, *args):
    """Return the transformed rows without the warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return step.transform(*args)


@pairs
def test_each_group_has_scikit_learns_step(step, peer):
    """Fitted on its rows alone; small and unknown groups have that of all rows."""
    by_group, X, groups = fitted(step)
    Z, others = data(1)
    out = quiet(by_group, Z, others)
    for name in ("a", "b"):
        expected = clone(peer).fit(X[groups == name]).transform(Z[others == name])
        np.testing.assert_allclose(out[others == name], expected, rtol=1e-9)
    rest = ~np.isin(others.astype(str), ["a", "b"])
    np.testing.assert_allclose(out[rest], clone(peer).fit(X).transform(Z[rest]), rtol=1e-9)


@pairs
def test_a_file_keeps_all_steps(step, peer, tmp_path):
    """The steps of the groups are in the file of the whole."""
    by_group, X, groups = fitted(step)
    by_group.save(tmp_path / "step.npz")
    assert quiet(load_step(tmp_path / "step.npz"), X, groups).tobytes() == quiet(by_group, X, groups).tobytes()


@pytest.mark.parametrize("step", [s for s, _ in PAIRS if not isinstance(s, KNNImputer)], ids=lambda s: type(s).__name__)
def test_the_block_takes_features_and_codes(step):
    """-1, a code beyond the last group, and a group's own code; imperative and hybridized."""
    mx = pytest.importorskip("mxnet")
    by_group, X, groups = fitted(step)
    X = X.astype(np.float32).astype(np.float64)
    block, expected = by_group.as_block(), quiet(by_group, X, groups)
    codes = by_group.group_codes(groups)
    assert set(codes) == {-1, 0, 1}
    for _ in range(2):
        np.testing.assert_allclose(block(mx.nd.array(X), mx.nd.array(codes)).asnumpy(), expected, rtol=1e-4, atol=1e-4)
        block.hybridize()
    beyond = block(mx.nd.array(X), mx.nd.array(np.full(len(X), 7))).asnumpy()
    np.testing.assert_allclose(beyond, by_group.pooled_.transform(X), rtol=1e-4, atol=1e-4)


def test_indicators_are_those_of_all_rows():
    """A column that lacks values in one group only has an indicator in all of them."""
    X = np.array([[1.0, 1.0], [np.nan, 2.0], [3.0, 3.0], [4.0, 4.0], [5.0, np.nan], [6.0, 6.0]])
    step = ByGroup(SimpleImputer(add_indicator=True), min_samples=2)
    out = step.fit_transform(X, groups=list("aaabbb"))
    assert out.tolist() == [
        [1, 1, 0, 0], [2, 2, 1, 0], [3, 3, 0, 0], [4, 4, 0, 0], [5, 5, 0, 1], [6, 6, 0, 0]
    ]  # fmt: skip
    assert step.get_feature_names_out().tolist() == ["x0", "x1", "missingindicator_x0", "missingindicator_x1"]


def test_filling_by_group_keeps_the_gap_that_pooled_filling_shrinks():
    """What the step is for: the mean of all rows draws both groups' means together."""
    rng = np.random.default_rng(0)
    groups = np.repeat(["a", "b"], 500)
    X = rng.normal(0, 1, (1000, 1)) + 10.0 * (groups == "b")[:, None]
    X[rng.random(1000) < 0.4] = np.nan

    def gap(filled):
        return filled[groups == "b"].mean() - filled[groups == "a"].mean()

    assert gap(SimpleImputer().fit_transform(X)) < 7
    assert gap(ByGroup(SimpleImputer()).fit_transform(X, groups=groups)) == pytest.approx(10, abs=0.2)


def test_small_groups_are_told_when_fitting():
    """With their names and counts; they are counted, unknown rows too."""
    X, groups = data()
    with pytest.warns(UserWarning, match=r"1 group of fewer than 40 values in some column .*: c \(\d+\)"):
        step = ByGroup(StandardScaler(), min_samples=40).fit(X, groups=groups)
    assert step.group_names_ == ("a", "b")
    assert step.pooled_groups_ == ("c",)
    assert sum(step.counts_.values()) == 400
    assert step.counts_["unknown"] == sum(g is None for g in groups)


def test_a_column_without_enough_values_makes_a_group_small():
    """Ten rows of which one has a value would be filled with that one."""
    X = np.full((20, 1), np.nan)
    X[:10, 0] = np.arange(10)
    X[10, 0] = 3
    with pytest.warns(UserWarning, match=r"b \(10\)"):
        step = ByGroup(SimpleImputer(), min_samples=5).fit(X, groups=["a"] * 10 + ["b"] * 10)
    assert step.group_names_ == ("a",)


def test_unknown_and_new_groups_are_told_when_transforming():
    """With their names and counts."""
    step, X, _ = fitted(StandardScaler())
    with pytest.warns(UserWarning, match=r"unknown or new groups .*: z \(3\), unknown \(1\)"):
        step.transform(X[:5], ["a", "z", "z", "z", None])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        step.transform(X[:2], ["a", "c"])


def test_sensitive_columns_leave_the_output():
    """By name in frames, crossed if several."""
    X, groups = data()
    frame = pd.DataFrame(X, columns=["p", "q", "r"]).assign(sex=groups, old=np.arange(len(X)) % 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        step = ByGroup(StandardScaler(), sensitive=["sex", "old"], min_samples=30).fit(frame)
        crossed = ByGroup(StandardScaler(), min_samples=30).fit(X, groups=frame[["sex", "old"]])
    assert step.get_feature_names_out().tolist() == ["p", "q", "r"]
    assert step.group_names_ == ("a & 0", "a & 1", "b & 0", "b & 1")
    np.testing.assert_array_equal(quiet(step, frame), quiet(crossed, X, frame[["sex", "old"]]))


def test_groups_objects_are_taken():
    """Encoded once, used again."""
    step, X, groups = fitted(StandardScaler())
    np.testing.assert_array_equal(quiet(step, X, Groups(groups)), quiet(step, X, groups))


def test_groups_must_be_given_and_as_long_as_the_rows():
    """Nobody is of no group by accident."""
    step, X, groups = fitted(StandardScaler())
    with pytest.raises(InputError, match="must know the sensitive attribute"):
        step.transform(X)
    with pytest.raises(InputError, match="same length"):
        step.transform(X, groups[:-1])
    with pytest.raises(InputError, match="must know the sensitive attribute"):
        ByGroup(StandardScaler()).fit(X)


@pytest.mark.parametrize(
    "step", [sklearn_preprocessing.StandardScaler(), CorrelationRemover(), OneHotEncoder(), StandardScaler, None]
)
def test_only_scalers_and_imputers_go_by_group(step):
    """scikit-learn's own could not be stored."""
    with pytest.raises(InputTypeError, match="'step' must be a scaler or an imputer"):
        ByGroup(step).fit([[1.0]], groups=["a"])


def test_nested_parameters_can_be_set():
    """Grid searches reach the step inside."""
    step = ByGroup(SimpleImputer()).set_params(step__strategy="median", min_samples=3)
    assert step.step.strategy == "median"
    assert clone(step).min_samples == 3


def test_a_number_that_means_missing_is_no_value_of_a_group():
    """A group of missing values only takes the step of all rows, whatever stands for them."""
    X, groups = np.array([[1.0], [2.0], [6.0], [-1.0], [-1.0], [-1.0]]), list("aaabbb")
    step = ByGroup(SimpleImputer(missing_values=-1), min_samples=2)
    with pytest.warns(UserWarning, match="b \\(3\\)"):
        filled = step.fit_transform(X, groups=groups)
    assert filled.ravel().tolist() == [1.0, 2.0, 6.0, 3.0, 3.0, 3.0]
    assert step.pooled_groups_ == ("b",)


@pytest.mark.parametrize("inner", [True, False])
def test_frames_may_come_out_everywhere(inner):
    """Steps that give frames, by their own setting or scikit-learn's, are put together all the same."""
    X = pd.DataFrame({"sex": ["f", "m"] * 20, "x": np.arange(40.0)}, index=range(40, 0, -1))
    expected = ByGroup(StandardScaler(), sensitive=["sex"]).fit_transform(X)
    with sklearn.config_context(transform_output="default" if inner else "pandas"):
        one = StandardScaler().set_output(transform="pandas") if inner else StandardScaler()
        found = ByGroup(one, sensitive=["sex"]).fit_transform(X)
    np.testing.assert_array_equal(np.asarray(found), expected)
    assert inner or (found.index.equals(X.index) and list(found.columns) == ["x"])
