"""Columns become integer codes and sorted names, whatever type and container they come in."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mxfair import _encoding
from mxfair._validation import InputError, InputTypeError


class HostArray:
    """Stands for an NDArray: NumPy must get at it through asnumpy() and in no other way."""

    def __init__(self, values):
        self.values = np.asarray(values)

    def asnumpy(self):
        """Return the values on the host."""
        return self.values

    def __array__(self, *args, **kwargs):
        raise AssertionError("numpy.asarray was called on an NDArray")


def decoded(codes, names):
    """Return each sample's name, None where it is missing."""
    return [names[code] if code >= 0 else None for code in codes]


# Columns


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["a", "b"], ["group"]),
        (np.array([["a", "x"], ["b", "y"]]), ["group 0", "group 1"]),
        (np.array([["a"], ["b"]]), ["group"]),
        (pd.Series(["a", "b"]), ["group"]),
        (pd.Series(["a", "b"], name="sex"), ["sex"]),
        (pd.DataFrame({"sex": ["a", "b"], "age": [1, 2]}), ["sex", "age"]),
        (pd.Categorical(["a", "b"]), ["group"]),
        ({"sex": ["a", "b"], 3: [1, 2]}, ["sex", 3]),
        (HostArray(["a", "b"]), ["group"]),
        (HostArray([[1, 2], [3, 4]]), ["group 0", "group 1"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_columns_keep_their_names(values, names):
    """Named columns keep their names; the others are called group, and counted where there are several."""
    assert list(_encoding.columns_of(values)) == names


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ("abab", InputTypeError, "one group per sample; got the text 'abab'"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), InputError, "columns of different names"),
        ({}, InputError, "at least one column"),
        (pd.DataFrame(index=[0, 1]), InputError, "at least one column"),
        (np.zeros((2, 2, 2)), InputError, "must be one-dimensional"),
        ((group for group in "ab"), InputError, r"must be one-dimensional; got shape \(\)"),
        (3, InputError, "must be one-dimensional"),
    ],
    ids=["text", "repeated", "nothing", "no columns", "three axes", "generator", "number"],
)
def test_what_is_no_column_is_refused(values, error, message):
    """The message says what a column is."""
    with pytest.raises(error, match=message):
        _encoding.columns_of(values)


# One column


@pytest.mark.parametrize(
    ("column", "samples", "names"),
    [
        (["b", "a", "b"], ["b", "a", "b"], ["a", "b"]),
        ([10, 9, 10], ["10", "9", "10"], ["9", "10"]),
        ([-1, 1, -1, 0], ["-1", "1", "-1", "0"], ["-1", "0", "1"]),
        ([-1000, 1, -1000], ["-1000", "1", "-1000"], ["-1000", "1"]),
        ([10**12, 5], [str(10**12), "5"], ["5", str(10**12)]),
        (np.array([2**63 + 1, 2**63], dtype=np.uint64), [str(2**63 + 1), str(2**63)], [str(2**63), str(2**63 + 1)]),
        (np.array([-128, 127], dtype=np.int8), ["-128", "127"], ["-128", "127"]),
        ([1.0, 0.5, np.nan], ["1", "0.5", None], ["0.5", "1"]),
        ([True, False], ["True", "False"], ["False", "True"]),
        (["a", None, np.nan, pd.NaT, "unknown"], ["a", None, None, None, None], ["a"]),
        (["b", 1, "a"], ["b", "1", "a"], ["1", "a", "b"]),
        ([1, "1", 2], ["1", "1", "2"], ["1", "2"]),
        ([b"yes", b"no"], ["yes", "no"], ["no", "yes"]),
        (pd.Series([1, None, 2], dtype="Int64"), ["1", None, "2"], ["1", "2"]),
        (pd.Series(["x", None], dtype="string"), ["x", None], ["x"]),
        (pd.Series(["x", "y"], index=[7, 3]), ["x", "y"], ["x", "y"]),
        (HostArray(np.array([1.0, 0.0], dtype=np.float32)), ["1", "0"], ["0", "1"]),
        (["unknown", None], [None, None], []),
    ],
)
def test_every_type_of_level_has_a_code_and_a_name(column, samples, names):
    """Each sample keeps its value as text, and the names are in the order of the values, not of their texts."""
    codes, levels = _encoding.encode(column, "group")
    assert decoded(codes, levels) == samples
    assert levels == names


@pytest.mark.parametrize("wrap", [pd.Categorical, pd.Series])
def test_categories_keep_their_order_and_their_absent_levels(wrap):
    """An order that somebody chose is not replaced by the alphabet."""
    values = pd.Categorical(["high", None, "low", "unknown"], categories=["low", "unknown", "mid", "high"])
    codes, levels = _encoding.encode(wrap(values), "income")
    assert levels == ["low", "mid", "high"]
    assert decoded(codes, levels) == ["high", None, "low", None]


def test_categories_of_numbers_read_as_numbers():
    """1.0 is named 1, as in a plain column."""
    assert _encoding.encode(pd.Categorical([1.0, 2.5]), "group")[1] == ["1", "2.5"]


@pytest.mark.parametrize("count", [20, 21])
def test_a_column_of_many_decimals_is_continuous(count):
    """Up to twenty decimal numbers are levels; more are refused with the way to bin them."""
    column = np.arange(count) + 0.5
    if count == 20:
        assert len(_encoding.encode(column, "age")[1]) == 20
    else:
        with pytest.raises(InputError, match=r"'age' must hold categories; got 21.*Groups\.binned"):
            _encoding.encode(column, "age")


def test_many_whole_numbers_are_levels():
    """Whole numbers are categories, however many."""
    column = np.random.default_rng(0).permutation(5000) * 7919
    codes, levels = _encoding.encode(column, "zip")
    assert [int(level) for level in levels] == sorted(column.tolist())
    assert [int(levels[code]) for code in codes] == column.tolist()


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int64", "uint64"])
@pytest.mark.parametrize("low", [0, 1, 100])
def test_counted_and_sorted_levels_agree(dtype, low, monkeypatch):
    """The two ways to encode whole numbers give each sample the same name."""
    column = (np.random.default_rng(low).integers(0, 20, 100) + low).astype(dtype)
    counted = _encoding.encode(column, "group")
    monkeypatch.setattr(_encoding, "MAX_TABLE", 1)
    assert decoded(*counted) == decoded(*_encoding.encode(column, "group")) == [str(value) for value in column]


# Several columns


def crossed(columns):
    """Return each sample's combination by a loop, None where one part is missing."""
    rows = zip(*(decoded(codes, names) for codes, names in columns))
    return [None if None in row else " & ".join(row) for row in rows]


def random_columns(seed):
    """Return one to four encoded columns of 60 samples; some levels do not occur, some values are missing."""
    rng = np.random.default_rng(seed)
    columns = []
    for _ in range(rng.integers(1, 5)):
        names = [f"level {i}" for i in range(rng.integers(1, 6))]
        codes = rng.integers(0, len(names), 60)
        codes[rng.random(60) < rng.choice([0, 0.2])] = -1
        columns.append((codes, names))
    return columns


@pytest.mark.parametrize("table", [1, 7, _encoding.MAX_TABLE])
def test_crossings_are_the_combinations_that_occur(table, monkeypatch):
    """Each sample is in the group of its combination, in the columns' order; a missing part makes it the last code."""
    monkeypatch.setattr(_encoding, "MAX_TABLE", table)  # which also cuts the product into parts
    for seed in range(40):
        columns = random_columns(seed)
        expected = crossed(columns)
        codes, names, has_unknown = _encoding.cross(columns)
        assert [names[code] if code < len(names) else None for code in codes] == expected
        assert has_unknown == (None in expected)
        assert set(names) == set(expected) - {None}
        assert names == sorted(names)
        assert codes.min() >= 0


def test_names_of_a_crossing_follow_the_columns_order():
    """The first column varies slowest, each in its own order of levels."""
    columns = [(np.array([0, 1, 1, 0]), ["young", "old"]), (np.array([1, 0, 1, 0]), ["m", "f"])]
    assert _encoding.cross(columns)[1] == ["young & m", "young & f", "old & m", "old & f"]


def test_many_columns_of_many_levels_do_not_overflow():
    """The number of possible combinations may exceed every integer."""
    rng = np.random.default_rng(0)
    columns = [(rng.integers(0, 10_000, 500), [str(i) for i in range(10_000)]) for _ in range(8)]
    codes, names, _ = _encoding.cross(columns)
    assert [names[code] for code in codes] == crossed(columns)


@pytest.mark.parametrize("samples", [[0, 2, -1], [0, 2, 1]])
def test_the_callers_codes_are_left_alone(samples):
    """Encoding neither changes the array that it is given nor hands it back."""
    codes = np.array(samples)
    result = _encoding.cross([(codes, ["a", "b", "c"])])[0]
    result[:] = 9
    assert codes.tolist() == samples
