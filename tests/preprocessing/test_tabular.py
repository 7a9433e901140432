"""TabularEncoder gives the matrix that scikit-learn would give, from a file of plain JSON."""

from __future__ import annotations

import io
import json
import time
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mxfair._validation import InputError, InputTypeError
from mxfair.preprocessing import TabularEncoder


def random_frame(seed, n=200):
    """Return numbers, categories and gaps of several types."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 90, n),
            "income": rng.lognormal(10, 1, n),
            "job": rng.choice(["clerk", "nurse", "pilot", 'ünïcode, "quoted"'], n),
            "sex": pd.Categorical(rng.choice(["f", "m"], n)),
            "zip": pd.Categorical(rng.choice([10115, 9, 200], n)),
            "member": rng.random(n) < 0.5,
            "score": rng.normal(size=n),
            "region": rng.choice(["n", "s", "w"], n),
        }
    )
    frame.loc[rng.random(n) < 0.1, "score"] = np.nan
    frame.loc[rng.random(n) < 0.1, "region"] = None
    return frame


def quiet(encoder, frame):
    """Return the matrix; a warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return encoder.transform(frame)


# What scikit-learn gives


@pytest.mark.parametrize("seed", range(5))
def test_numbers_equal_the_standard_scaler(seed):
    """A number column is scikit-learn's StandardScaler, on unseen rows too."""
    train, test = random_frame(seed)[["age", "income"]], random_frame(seed + 100)[["age", "income"]]
    expected = StandardScaler().fit(train).transform(test)
    np.testing.assert_allclose(quiet(TabularEncoder().fit(train), test), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_categories_equal_the_one_hot_encoder(seed):
    """A category column is scikit-learn's OneHotEncoder of its texts."""
    frame = random_frame(seed)[["job", "sex", "member"]].astype(str)
    expected = OneHotEncoder().fit_transform(frame).toarray()
    np.testing.assert_array_equal(quiet(TabularEncoder().fit(frame), frame), expected)


def test_fitted_numbers_have_mean_0_and_deviation_1():
    """The fitted rows are standardised, filled gaps included."""
    frame = random_frame(0)[["age", "income", "score"]]
    encoder = TabularEncoder().fit(frame)
    columns = [i for i, name in enumerate(encoder.get_feature_names_out()) if "missing" not in name]
    matrix = encoder.transform(frame)[:, columns].astype(float)
    np.testing.assert_allclose(matrix.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(matrix.std(axis=0), 1, rtol=1e-5)


def test_the_matrix_is_what_a_net_takes():
    """Single precision, contiguous by rows, without NaN."""
    frame = random_frame(0)
    matrix = TabularEncoder().fit_transform(frame)
    assert matrix.dtype == np.float32
    assert matrix.flags.c_contiguous
    assert np.isfinite(matrix).all()
    assert matrix.shape == (len(frame), len(TabularEncoder().fit(frame).get_feature_names_out()))


def test_columns_are_named_in_the_order_of_the_frame():
    """Numbers keep their name, levels and gaps add theirs."""
    frame = pd.DataFrame({"job": ["b", "a", None], "age": [1.0, None, 3.0], "zip": pd.Categorical([9, 10, 9])})
    names = TabularEncoder().fit(frame).get_feature_names_out().tolist()
    assert names == ["job=a", "job=b", "job missing", "age", "age missing", "zip=10", "zip=9"]


# Missing values


@pytest.mark.parametrize("dtype", ["float64", "float32", "Int64", "Float64"])
def test_a_missing_number_becomes_the_median_and_says_so(dtype):
    """The median is that of the fitted rows, and a column tells where it stands in."""
    frame = pd.DataFrame({"x": pd.Series([1, 2, None, 9], dtype=dtype)})
    matrix = quiet(TabularEncoder().fit(frame), frame)
    filled = np.array([1, 2, 2, 9])
    np.testing.assert_allclose(matrix[:, 0], (filled - filled.mean()) / filled.std(), rtol=1e-6)
    assert matrix[:, 1].tolist() == [0, 0, 1, 0]


@pytest.mark.parametrize("gap", [None, np.nan, pd.NA])
def test_a_missing_category_is_a_level_of_its_own(gap):
    """None, NaN and NA are one level beside the others."""
    frame = pd.DataFrame({"x": pd.Series(["b", gap, "a"], dtype=object)})
    assert quiet(TabularEncoder().fit(frame), frame).tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize("dtype", ["object", "string", "category"])
def test_every_type_of_text_column_is_encoded_alike(dtype):
    """Object, string and categorical columns give the same matrix."""
    frame = pd.DataFrame({"x": pd.Series(["b", None, "a"], dtype=dtype)})
    assert quiet(TabularEncoder().fit(frame), frame).tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0]]


def test_a_number_that_was_never_missing_warns_where_it_is():
    """The training median stands in, with the count in the warning."""
    encoder = TabularEncoder().fit(pd.DataFrame({"x": [1.0, 2.0, 6.0]}))
    with pytest.warns(UserWarning, match="Column 'x' has 2 missing values and had none in training"):
        matrix = encoder.transform(pd.DataFrame({"x": [np.nan, 2.0, None]}))
    assert matrix[0, 0] == matrix[1, 0] == matrix[2, 0]


def test_a_category_that_was_never_missing_warns_where_it_is():
    """A gap without a level of its own is none of the levels."""
    encoder = TabularEncoder().fit(pd.DataFrame({"x": ["a", "b"]}))
    with pytest.warns(UserWarning, match="Column 'x' has missing values"):
        assert encoder.transform(pd.DataFrame({"x": [None, "b"]})).tolist() == [[0, 0], [0, 1]]


def test_an_unseen_level_warns_and_is_none_of_the_levels():
    """The warning names the level; it is not taken for a missing value."""
    encoder = TabularEncoder().fit(pd.DataFrame({"x": ["a", None]}))
    with pytest.warns(UserWarning, match=r"levels that training did not see \(c, z\)"):
        assert encoder.transform(pd.DataFrame({"x": ["z", "a", "c", None]})).tolist() == [
            [0, 0],
            [1, 0],
            [0, 0],
            [0, 1],
        ]


def test_fitted_rows_never_warn():
    """Transforming what was fitted is silent."""
    frame = random_frame(0)
    assert len(quiet(TabularEncoder().fit(frame), frame)) == len(frame)


@pytest.mark.parametrize("values", [[np.nan, np.nan], [None, None], pd.Series([None, None], dtype="Int64")])
def test_a_column_without_values_is_refused(values):
    """Nothing can be learned from a column of gaps, whatever its type."""
    with pytest.raises(InputError, match=r"Column 'x' must hold values; all are missing\."):
        TabularEncoder().fit(pd.DataFrame({"x": values, "y": [1, 2]}))


# Types


@pytest.mark.parametrize("value", [0.0, 5, 0.1, 1e-300, 123456.789, 1e15])
@pytest.mark.parametrize("n", [1, 3, 1000])
def test_a_constant_number_is_zero(value, n):
    """A constant is 0, and a new value near it does not explode: rounding gives no deviation of 1e-17."""
    encoder = TabularEncoder().fit(pd.DataFrame({"x": [value] * n}))
    np.testing.assert_allclose(encoder.transform(pd.DataFrame({"x": [value]})), 0, atol=1e-9 * max(1, abs(value)))
    assert abs(encoder.transform(pd.DataFrame({"x": [value + 1]}))[0, 0]) == pytest.approx(1, rel=1e-3)


def test_a_constant_category_is_one():
    """A single level is one column of ones."""
    frame = pd.DataFrame({"x": ["a", "a"]})
    assert TabularEncoder().fit_transform(frame).tolist() == [[1], [1]]


@pytest.mark.parametrize("dtype", [bool, "boolean", object])
def test_booleans_are_categories(dtype):
    """True and False are two levels, whatever the column's type."""
    frame = pd.DataFrame({"x": pd.Series([True, False], dtype=dtype)})
    encoder = TabularEncoder().fit(frame)
    assert encoder.get_feature_names_out().tolist() == ["x=False", "x=True"]
    assert encoder.transform(frame).tolist() == [[0, 1], [1, 0]]


def test_categories_of_whole_numbers_read_alike_as_numbers():
    """Categories 9 and 10 fitted from a categorical are found in a column of ints, of floats and of texts."""
    encoder = TabularEncoder().fit(pd.DataFrame({"x": pd.Categorical([9, 10, 9])}))
    for values in ([9, 10], [9.0, 10.0], ["9", "10"], pd.Categorical([9, 10])):
        assert quiet(encoder, pd.DataFrame({"x": values})).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_numbers_are_refused(value):
    """Infinity is an error when fitting and when transforming."""
    bad, good = pd.DataFrame({"x": [1.0, value]}), pd.DataFrame({"x": [1.0, 2.0]})
    with pytest.raises(InputError, match=r"Column 'x' must be finite"):
        TabularEncoder().fit(bad)
    with pytest.raises(InputError, match=r"Column 'x' must be finite"):
        TabularEncoder().fit(good).transform(bad)


@pytest.mark.parametrize(
    "values",
    [
        pd.to_datetime(["2020-01-01", "2021-01-01"]),
        pd.to_datetime(["2020-01-01", "2021-01-01"], utc=True),
        pd.to_timedelta([1, 2], unit="D"),
        pd.period_range("2020", periods=2),
    ],
    ids=["date", "zoned", "span", "period"],
)
def test_dates_are_refused(values):
    """Points and spans of time are an error when fitting, and when given where numbers were fitted."""
    frame = pd.DataFrame({"x": values})
    with pytest.raises(InputError, match=r"Column 'x' must be a number or a category; got dates"):
        TabularEncoder().fit(frame)
    with pytest.raises(InputError, match=r"Column 'x' must hold numbers, as in training; got"):
        TabularEncoder().fit(pd.DataFrame({"x": [1, 2]})).transform(frame)


def test_text_where_numbers_were_fitted_is_refused():
    """The message shows the text."""
    encoder = TabularEncoder().fit(pd.DataFrame({"x": [1, 2]}))
    with pytest.raises(InputError, match=r"Column 'x' must hold numbers.*n/a"):
        encoder.transform(pd.DataFrame({"x": ["1", "n/a"]}))


def test_numbers_written_as_text_are_read():
    """A column that a file gave as text still holds numbers."""
    encoder = TabularEncoder().fit(pd.DataFrame({"x": [1, 2]}))
    assert quiet(encoder, pd.DataFrame({"x": ["1", "2.0"]})).tolist() == [[-1], [1]]


@pytest.mark.parametrize(("levels", "refused"), [(3, False), (4, True)])
def test_a_text_with_too_many_levels_is_refused(levels, refused):
    """Identifiers are no category; the limit itself is allowed."""
    frame = pd.DataFrame({"x": [f"id {i}" for i in range(levels)]})
    encoder = TabularEncoder(max_levels=3)
    if refused:
        with pytest.raises(InputError, match=r"Column 'x' must be a category; got 4 different texts, more than 3"):
            encoder.fit(frame)
    else:
        assert encoder.fit_transform(frame).shape == (3, 3)


# Frames


@pytest.mark.parametrize("columns", [["a", "a"], [1, "1"]])
def test_repeated_names_are_refused(columns):
    """Two columns of one name, or of names that read alike, are an error."""
    with pytest.raises(InputError, match=r"Column names must be unique; got '[a1]' more than once"):
        TabularEncoder().fit(pd.DataFrame([[1, 2], [3, 4]], columns=columns))


@pytest.mark.parametrize("X", [np.zeros((2, 2)), [[1, 2]], pd.Series([1, 2]), {"a": [1]}, None])
def test_only_data_frames_are_taken(X):
    """Column names and types come from a frame."""
    with pytest.raises(InputTypeError, match="must be a pandas DataFrame"):
        TabularEncoder().fit(X)


def test_no_rows_are_refused_when_fitting():
    """Nothing can be learned from an empty frame."""
    with pytest.raises(InputError, match="at least one row"):
        TabularEncoder().fit(pd.DataFrame({"x": []}))


def test_no_columns_are_refused_when_fitting():
    """A frame without columns has no features."""
    with pytest.raises(InputError, match="at least one feature column"):
        TabularEncoder().fit(pd.DataFrame(index=[0, 1]))


def test_no_rows_are_transformed_to_no_rows():
    """An empty batch keeps its columns."""
    encoder = TabularEncoder().fit(random_frame(0))
    empty = random_frame(1).iloc[:0]
    assert quiet(encoder, empty).shape == (0, len(encoder.get_feature_names_out()))


def test_a_missing_column_is_refused_by_name():
    """The message names all missing columns and those that are there."""
    encoder = TabularEncoder().fit(pd.DataFrame({"a": [1, 2], "b": [1, 2], "c": [1, 2]}))
    with pytest.raises(InputError, match=r"must have the columns 'a', 'c'; got 'b', 'd'"):
        encoder.transform(pd.DataFrame({"b": [1], "d": [2]}))


def test_order_and_further_columns_do_not_matter():
    """Columns are found by name."""
    frame = random_frame(0)
    encoder = TabularEncoder().fit(frame)
    other = frame[frame.columns[::-1]].assign(extra="x")
    np.testing.assert_array_equal(quiet(encoder, other), encoder.transform(frame))


def test_the_index_does_not_matter():
    """Rows are taken by their place."""
    frame = random_frame(0)
    shuffled = frame.set_axis(np.zeros(len(frame), dtype=int))
    np.testing.assert_array_equal(TabularEncoder().fit_transform(shuffled), TabularEncoder().fit_transform(frame))


def test_the_frame_is_left_alone():
    """Fitting and transforming change nothing in the caller's frame."""
    frame = random_frame(0).rename(columns={"age": 7})
    before = frame.copy(deep=True)
    TabularEncoder().fit_transform(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_columns_named_by_numbers_work():
    """Names that are no text are read as text."""
    frame = pd.DataFrame(np.arange(6.0).reshape(3, 2))
    assert TabularEncoder().fit(frame).get_feature_names_out().tolist() == ["0", "1"]


# Files


@pytest.mark.parametrize("seed", range(5))
def test_json_gives_the_same_matrix_to_the_last_bit(seed):
    """An encoder written to JSON and read again is the same encoder."""
    encoder = TabularEncoder(max_levels=50).fit(random_frame(seed))
    back = TabularEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    test = random_frame(seed + 50)
    assert back.transform(test).tobytes() == encoder.transform(test).tobytes()
    assert back.get_feature_names_out().tolist() == encoder.get_feature_names_out().tolist()
    assert back.max_levels == 50


@pytest.mark.parametrize("seed", range(5))
def test_a_csv_file_gives_the_same_matrix(seed):
    """A frame written to CSV and read again, its types lost, is encoded alike by the encoder of the original."""
    frame = random_frame(seed)
    encoder = TabularEncoder().fit(frame)
    read = pd.read_csv(io.StringIO(frame.to_csv(index=False)), float_precision="round_trip")
    assert quiet(encoder, read).tobytes() == encoder.transform(frame).tobytes()


def test_booleans_with_gaps_survive_a_csv_file():
    """True, False and a gap read from a file are the same levels."""
    frame = pd.DataFrame({"x": [True, None, False]})
    encoder = TabularEncoder().fit(frame)
    read = pd.read_csv(io.StringIO(frame.to_csv(index=False)), skip_blank_lines=False)
    np.testing.assert_array_equal(quiet(encoder, read), encoder.transform(frame))


@pytest.mark.parametrize("state", [{}, {"schema": "mxfair.tabular_encoder/999", "columns": []}])
def test_a_file_of_another_kind_is_refused(state):
    """The schema must be ours."""
    with pytest.raises(InputError, match=r"schema must be 'mxfair\.tabular_encoder/1'"):
        TabularEncoder.from_dict(state)


@pytest.mark.parametrize(
    "use", [lambda e: e.transform(random_frame(0)), lambda e: e.to_dict(), lambda e: e.get_feature_names_out()]
)
def test_an_encoder_must_be_fitted_first(use):
    """Every use before fit() says so."""
    with pytest.raises(InputError, match="must be fitted before it is used"):
        use(TabularEncoder())


# scikit-learn


def test_parameters_are_scikit_learns():
    """get_params and set_params see max_levels, and the text form shows it."""
    encoder = TabularEncoder(max_levels=7)
    assert encoder.get_params() == {"max_levels": 7}
    assert encoder.set_params(max_levels=8).max_levels == 8
    assert repr(encoder) == "TabularEncoder(max_levels=8)"


def test_a_clone_is_not_fitted():
    """sklearn.clone keeps the parameters and nothing that was learned."""
    copy = clone(TabularEncoder(max_levels=7).fit(random_frame(0)))
    assert copy.max_levels == 7
    assert not hasattr(copy, "columns_")


def test_an_encoder_works_in_a_pipeline():
    """Frame in, decisions out, with the names of the features on the way."""
    frame = random_frame(0)
    model = make_pipeline(TabularEncoder(), LogisticRegression(max_iter=500)).fit(frame, frame["income"] > 20000)
    assert model.predict(frame).shape == (len(frame),)
    assert list(model[:-1].get_feature_names_out()) == list(model[0].get_feature_names_out())


@pytest.mark.skipif(tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 2), reason="set_output came with 1.2")
def test_set_output_gives_a_named_frame():
    """scikit-learn's set_output names the columns and keeps the index."""
    frame = pd.DataFrame({"x": [1.0, 2.0]}, index=[5, 6])
    out = TabularEncoder().set_output(transform="pandas").fit_transform(frame)
    assert out.columns.tolist() == ["x"]
    assert out.index.tolist() == [5, 6]


def test_fitting_again_forgets():
    """A second fit() replaces the first."""
    encoder = TabularEncoder().fit(pd.DataFrame({"a": [1, 2]})).fit(pd.DataFrame({"b": ["x", "y"]}))
    assert encoder.get_feature_names_out().tolist() == ["b=x", "b=y"]


# Speed


def test_a_million_rows_take_seconds():
    """Fitting and transforming a million rows of six columns never walks them in Python."""
    n, rng = 1_000_000, np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "a": rng.normal(size=n),
            "b": rng.integers(0, 90, n),
            "c": np.array(["x", "y", None], dtype=object)[rng.integers(0, 3, n)],
            "d": pd.Categorical(rng.integers(0, 9, n)),
            "e": rng.random(n) < 0.5,
            "f": np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)),
        }
    )
    start = time.process_time()
    TabularEncoder().fit(frame).transform(frame)
    assert time.process_time() - start < 6


def test_thousands_of_columns_take_seconds():
    """The time grows with the number of columns and not with its square."""
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(3, 3000)))
    start = time.process_time()
    TabularEncoder().fit(frame).transform(frame)
    assert time.process_time() - start < 6


def test_tiny_numbers_do_not_become_infinite():
    """Where the squares of a column underflow, its deviation is lost, not its column."""
    X = pd.DataFrame({"a": [1e-200, 2e-200, 3e-200]})
    assert np.isfinite(np.asarray(TabularEncoder().fit_transform(X))).all()
