"""Encoders give what scikit-learn's give, and never pass over an unknown level in silence."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn import preprocessing as peer

from mxfair._validation import InputError, InputTypeError
from mxfair.preprocessing import OneHotEncoder, OrdinalEncoder


def frame(seed=0, n=120):
    """Return text, whole numbers, and numbers with gaps."""
    rng = np.random.default_rng(seed)
    gaps = np.where(rng.random(n) < 0.2, np.nan, rng.integers(0, 3, n))
    return pd.DataFrame({"job": rng.choice(["pilot", "clerk", "é"], n), "zip": rng.integers(0, 12, n), "kids": gaps})


def test_codes_are_scikit_learns():
    """Sorted levels, numbers by their size, a missing value last."""
    X = frame()
    expected = peer.OrdinalEncoder(encoded_missing_value=3).fit_transform(X)
    np.testing.assert_array_equal(OrdinalEncoder().fit_transform(X), expected)


def test_columns_are_scikit_learns():
    """A column per level, a missing value's among them."""
    X = frame()
    step = OneHotEncoder().fit(X)
    other = peer.OneHotEncoder(sparse_output=False).fit(X)
    np.testing.assert_array_equal(step.transform(X), other.transform(X))
    texts = "\n".join(other.get_feature_names_out()).replace(".0", "").replace("nan", "missing")
    assert "\n".join(step.get_feature_names_out()) == texts


def test_rare_levels_are_scikit_learns():
    """min_frequency puts the same levels together."""
    X = frame()[["job", "zip"]]
    step = OneHotEncoder(min_frequency=10).fit(X)
    other = peer.OneHotEncoder(sparse_output=False, min_frequency=10).fit(X)
    np.testing.assert_array_equal(step.transform(X), other.transform(X))
    assert step.get_feature_names_out()[-1] == "zip_other"


@pytest.mark.parametrize("options", [{}, {"min_frequency": 10}, {"handle_unknown": "column"}])
def test_every_known_row_has_one_1_per_column(options):
    """Levels part the rows."""
    X = frame()
    out = OneHotEncoder(**options).fit_transform(X)
    assert (out.sum(axis=1) == 3).all()


def test_unknown_levels_are_told_and_0_everywhere():
    """The warning names column and level."""
    step = OneHotEncoder().fit(frame())
    row = pd.DataFrame({"job": ["poet"], "zip": [3], "kids": [np.nan]})
    with pytest.warns(UserWarning, match=r"none of the fitted levels: 'job' \(poet\)"):
        out = step.transform(row)
    assert out[0, :3].tolist() == [0, 0, 0]
    assert out.sum() == 2
    with pytest.warns(UserWarning, match=r"encoded as -1: 'job' \(poet\)"):
        assert OrdinalEncoder().fit(frame()).transform(row)[0].tolist() == [-1, 3, 3]


def test_unknown_levels_have_a_column_where_it_is_asked_for():
    """Then nothing is to be warned of."""
    step = OneHotEncoder(handle_unknown="column").fit([["a"], ["b"]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert step.transform([["z"], ["b"]]).tolist() == [[0, 0, 1], [0, 1, 0]]


def test_unknown_levels_join_the_rare_ones():
    """With a column of rare levels, unknown ones are there, and told."""
    step = OneHotEncoder(min_frequency=2).fit([["a"], ["a"], ["b"]])
    with pytest.warns(UserWarning, match="'x0'"):
        assert step.transform([["z"], ["b"], ["a"]]).tolist() == [[0, 1], [0, 1], [1, 0]]


@pytest.mark.parametrize("make", [OneHotEncoder, OrdinalEncoder])
def test_unknown_levels_can_be_errors(make):
    """handle_unknown="error" refuses them."""
    step = make(handle_unknown="error").fit([["a"], ["b"]])
    with pytest.raises(InputError, match=r"got others in 'x0' \(z\)"):
        step.transform([["z"]])
    with pytest.raises(InputError, match="handle_unknown"):
        make(handle_unknown="ignore").fit([["a"]])


@pytest.mark.parametrize("make", [OneHotEncoder, OrdinalEncoder])
def test_a_missing_value_that_was_not_fitted_is_unknown(make):
    """It has no level of its own then."""
    step = make().fit([["a"], ["b"]])
    with pytest.warns(UserWarning, match="missing"):
        step.transform(np.array([["a"], [None]], dtype=object))


def test_levels_read_alike_after_a_file():
    """1 and 1.0, as a gap makes of whole numbers, are one level."""
    step = OrdinalEncoder().fit(pd.DataFrame({"x": [1, 2]}))
    assert step.transform(pd.DataFrame({"x": [2.0, 1.0]})).ravel().tolist() == [1, 0]


def test_levels_called_like_our_columns_keep_names_apart():
    """A level "other" or "missing" is not the column of the others."""
    values = np.array([["other"], ["missing"], [None], ["b"]], dtype=object)
    step = OneHotEncoder(handle_unknown="column").fit(values)
    names = step.get_feature_names_out().tolist()
    assert len(set(names)) == 5
    assert step.transform([["other"]])[0].tolist() == [float(name == "x0_other") for name in names]


@pytest.mark.parametrize("options", [{}, {"min_frequency": 30}, {"handle_unknown": "column"}])
def test_blocks_take_codes_and_nan(options):
    """Codes of text columns become one-hot inside a net; new codes and NaN as in transform."""
    pytest.importorskip("mxnet")
    codes = OrdinalEncoder().fit_transform(frame())
    codes[::9, 0] = np.nan
    step = OneHotEncoder(**options).fit(codes)
    rows = np.vstack([codes, [[99, np.nan, 2], [1, 7, 55]]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = step.transform(rows)
    block = step.as_block()
    np.testing.assert_array_equal(block(rows).asnumpy(), expected)
    block.hybridize()
    np.testing.assert_array_equal(block(rows).asnumpy(), expected)


def test_text_has_no_block():
    """The error says which step comes before."""
    with pytest.raises(InputTypeError, match=r"'job'\. Apply OrdinalEncoder before training"):
        OneHotEncoder().fit(frame()).as_block()


def test_identifiers_and_dates_are_refused():
    """A category has few levels."""
    with pytest.raises(InputError, match="got 30 levels, more than 20"):
        OneHotEncoder(max_levels=20).fit(pd.DataFrame({"id": map(str, range(30))}))
    with pytest.raises(InputError, match="got dates"):
        OrdinalEncoder().fit(pd.DataFrame({"day": pd.to_datetime(["2020-01-01"])}))


@pytest.mark.parametrize("encoder", [OneHotEncoder, OrdinalEncoder])
def test_levels_that_are_one_in_single_precision_have_no_block(encoder):
    """A block of long codes took two levels for one."""
    step = encoder().fit([[16777215], [16777216], [16777217]])
    with pytest.raises(InputTypeError, match="got 16777216 and 16777217"):
        step.as_block()
    assert encoder().fit([[16777215], [16777216]]).as_block()([[16777216.0]]).shape[0] == 1


def test_a_rare_missing_value_beside_levels_of_those_names():
    """Each column has a name of its own, also where levels are called "missing" and "other"."""
    X = pd.DataFrame({"a": ["other", "other", "missing", "missing", None, "z"]})
    names = OneHotEncoder(min_frequency=2).fit(X).get_feature_names_out().tolist()
    assert names == ["a_missing", "a_other", "a_other (not the level)"]


@pytest.mark.parametrize("encoder", [OneHotEncoder, OrdinalEncoder])
@pytest.mark.parametrize("value", [{}, [1], 1j])
def test_what_is_no_level_is_an_input_error(encoder, value):
    """When fitting and when transforming."""
    X = pd.DataFrame({"a": [value, value]})
    with pytest.raises(InputError, match="must hold texts or numbers"):
        encoder().fit(X)
    with pytest.raises(InputError, match="must hold texts or numbers"):
        encoder().fit(pd.DataFrame({"a": ["x"]})).transform(X)
