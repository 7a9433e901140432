"""Imputers give what scikit-learn's give, and say what it keeps to itself."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn import impute as peer

from mxfair import preprocessing as ours
from mxfair._validation import InputError, InputTypeError
from mxfair.preprocessing import load_step

SETTINGS = [
    ("SimpleImputer", {}),
    ("SimpleImputer", {"strategy": "median", "add_indicator": True}),
    ("SimpleImputer", {"strategy": "most_frequent", "add_indicator": True}),
    ("SimpleImputer", {"strategy": "constant", "fill_value": -3.0}),
    ("SimpleImputer", {"missing_values": 4, "add_indicator": True}),
    ("KNNImputer", {}),
    ("KNNImputer", {"n_neighbors": 2, "weights": "distance", "add_indicator": True}),
    ("KNNImputer", {"missing_values": 4}),
]
settings = pytest.mark.parametrize(("name", "options"), SETTINGS)


def table(seed, options):
    """Return whole numbers of which some are missing in two of four columns."""
    rng = np.random.default_rng(seed)
    array = rng.integers(0, 9, (150, 4)).astype(float)
    absent = options.get("missing_values", np.nan)
    array[array == absent] = 5
    array[rng.random(150) < 0.2, 1] = absent
    array[rng.random(150) < 0.3, 3] = absent
    return array


@settings
def test_results_are_scikit_learns(name, options):
    """Values, indicators and names; training and further rows."""
    X, Z = table(0, options), table(1, options)
    step, other = getattr(ours, name)(**options).fit(X), getattr(peer, name)(**options).fit(X)
    for rows in (X, Z):
        np.testing.assert_allclose(step.transform(rows), other.transform(rows), rtol=1e-12)
    assert list(step.get_feature_names_out()) == list(other.get_feature_names_out())


@settings
def test_files_keep_them(name, options, tmp_path):
    """Also the training rows of the nearest neighbours."""
    X, Z = table(0, options), table(1, options)
    step = getattr(ours, name)(**options).fit(X)
    step.save(tmp_path / "step.npz")
    assert load_step(tmp_path / "step.npz").transform(Z).tobytes() == step.transform(Z).tobytes()


@pytest.mark.parametrize(("name", "options"), [s for s in SETTINGS if s[0] == "SimpleImputer"])
def test_blocks_equal_transform_and_have_finite_gradients(name, options):
    """A filled value has gradient 0, a present one 1; nothing is NaN."""
    mx = pytest.importorskip("mxnet")
    X = table(0, options)
    step = getattr(ours, name)(**options).fit(X)
    block = step.as_block()
    x = mx.nd.array(X)
    x.attach_grad()
    for _ in range(2):
        with mx.autograd.record():
            out = block(x)
            total = out[:, :4].sum()
        total.backward()
        np.testing.assert_allclose(out.asnumpy(), step.transform(X), rtol=1e-6)
        absent = np.isin(X, options["missing_values"]) if "missing_values" in options else np.isnan(X)
        np.testing.assert_array_equal(x.grad.asnumpy(), 1 - absent)
        block.hybridize()


def test_an_empty_column_is_refused():
    """scikit-learn drops it with a warning; the columns would no longer be those of the model."""
    X = pd.DataFrame({"a": [1.0, 2.0], "b": [np.nan, np.nan]})
    with pytest.raises(InputError, match="Column 'b' must hold values; all 2 are missing"):
        ours.SimpleImputer().fit(X)
    kept = ours.SimpleImputer(keep_empty_features=True).fit(X)
    assert kept.transform(X)[:, 1].tolist() == [0, 0]
    knn = ours.KNNImputer(keep_empty_features=True).fit(X)
    assert knn.transform(X)[:, 1].tolist() == [0, 0]


@pytest.mark.parametrize("make", [ours.SimpleImputer, ours.KNNImputer])
def test_gaps_that_training_had_not_are_told(make):
    """They are filled, and a warning names the columns and counts."""
    step = make(add_indicator=True).fit(pd.DataFrame({"a": [1.0, np.nan, 3.0], "b": [1.0, 2.0, 3.0]}))
    with pytest.warns(UserWarning, match=r"'b' \(2\); they get no indicator"):
        out = step.transform(pd.DataFrame({"a": [1.0, 1.0], "b": [np.nan, np.nan]}))
    assert out.shape == (2, 3)
    assert np.isfinite(out).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        step.transform(pd.DataFrame({"a": [np.nan], "b": [1.0]}))


def test_the_way_back_has_the_gaps_again():
    """inverse_transform reads the indicators, as scikit-learn's."""
    X = table(0, {})
    step = ours.SimpleImputer(add_indicator=True).fit(X)
    np.testing.assert_array_equal(step.inverse_transform(step.transform(X)), X)
    with pytest.raises(InputError, match="must have indicators"):
        ours.SimpleImputer().fit(X).inverse_transform(X)
    with pytest.raises(InputError, match="must have 6 columns"):
        step.inverse_transform(np.nan_to_num(X))


def test_single_precision_stays_single():
    """float32 in, float32 out."""
    X = table(0, {}).astype(np.float32)
    assert ours.SimpleImputer().fit(X).transform(X).dtype == np.float32


@pytest.mark.parametrize("value", [None, "?", True])
def test_what_counts_as_missing_is_a_number(value):
    """None and NA are NaN already; texts are no numbers."""
    with pytest.raises(InputError, match="'missing_values' must be a number or NaN"):
        ours.SimpleImputer(missing_values=value).fit([[1.0]])


def test_nan_beside_another_sentinel_is_refused():
    """With missing_values=-1, NaN is an error, not a value."""
    with pytest.raises(InputError, match="must be finite"):
        ours.SimpleImputer(missing_values=-1).fit([[1.0], [np.nan]])


def test_a_step_with_a_function_cannot_be_stored(tmp_path):
    """Functions are code, and files hold none."""
    step = ours.KNNImputer(weights=lambda d: 1 / (1 + d)).fit([[1.0], [2.0]])
    with pytest.raises(InputTypeError, match="numbers, texts and arrays"):
        step.save(tmp_path / "step.npz")
    assert not (tmp_path / "step.npz").exists()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_the_constant_must_be_a_number(value):
    """NaN in the place of NaN is not filled."""
    with pytest.raises(InputError, match="'fill_value' must be finite"):
        ours.SimpleImputer(strategy="constant", fill_value=value).fit([[1.0], [np.nan]])


@pytest.mark.filterwarnings("ignore:Values are missing in columns")
@pytest.mark.parametrize("imputer", [ours.SimpleImputer, ours.KNNImputer])
def test_what_is_there_is_never_replaced(imputer):
    """Not in a column without any value in training either, where scikit-learn's k-nearest puts 0 over it."""
    step = imputer(keep_empty_features=True).fit([[np.nan, 1.0], [np.nan, 2.0]])
    assert step.transform([[np.nan, np.nan], [5.0, 1.0]]).tolist() == [[0.0, 1.5], [5.0, 1.0]]
