"""Groups take what users have, and never invent, merge or lose a group silently."""

from __future__ import annotations

import datetime
import pickle
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from mxfair import Groups
from mxfair._validation import InputError, InputTypeError


class HostArray:
    """Stands for an NDArray: NumPy must get at it through asnumpy() and in no other way."""

    def __init__(self, values):
        self.values = np.asarray(values)

    def asnumpy(self):
        """Return the values on the host."""
        return self.values

    def __len__(self):
        return len(self.values)

    def __array__(self, *args, **kwargs):
        raise AssertionError("numpy.asarray was called on an NDArray")


@pytest.mark.parametrize(
    "values",
    [
        ["m", "f", "m"],
        ("m", "f", "m"),
        np.array(["m", "f", "m"]),
        np.array(["m", "f", "m"], dtype=object),
        np.array([b"m", b"f", b"m"]),
        np.array([["m"], ["f"], ["m"]]),
        pd.Series(["m", "f", "m"]),
        pd.Series(["m", "f", "m"], index=[7, 7, 7]),
        pd.Series(["m", "f", "m"], dtype="string"),
        pd.Series(["m", "f", "m"], dtype="category"),
        pd.Categorical(["m", "f", "m"]),
        pd.CategoricalIndex(["m", "f", "m"]),
        pd.Index(["m", "f", "m"]),
        pd.DataFrame({"sex": ["m", "f", "m"]}),
        {"sex": ["m", "f", "m"]},
    ],
    ids=lambda values: f"{type(values).__name__}-{getattr(values, 'dtype', '')}",
)
def test_every_container_gives_the_same_groups(values):
    """A list, a tuple, an array, a column and a frame of one column are encoded alike."""
    groups = Groups(values)
    assert groups.names == ("f", "m")
    assert groups.codes.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("values", "names", "codes"),
    [
        ([True, False, True], ("False", "True"), [1, 0, 1]),
        ([3, 1, 10], ("1", "3", "10"), [1, 0, 2]),
        ([3.0, 1.0, 10.0], ("1", "3", "10"), [1, 0, 2]),
        ([0.5, 1.5, 0.5], ("0.5", "1.5"), [0, 1, 0]),
        (np.array([-1, 1, -1], dtype=np.int8), ("-1", "1"), [0, 1, 0]),
        (np.array([2, 1], dtype=np.uint64), ("1", "2"), [1, 0]),
        (np.array([0.25, 0.75], dtype=np.float32), ("0.25", "0.75"), [0, 1]),
        ([datetime.date(2020, 2, 1), datetime.date(2020, 1, 1)], ("2020-01-01", "2020-02-01"), [1, 0]),
    ],
)
def test_levels_are_sorted_by_value_and_shown_as_text(values, names, codes):
    """Numbers sort as numbers, whole ones read without a decimal point."""
    groups = Groups(values)
    assert groups.names == names
    assert groups.codes.tolist() == codes


def test_an_ndarray_is_read_through_asnumpy_only():
    """Groups of an NDArray never go through numpy.asarray."""
    assert Groups(HostArray([1.0, 0.0, 1.0])).names == ("0", "1")


def test_a_mapping_of_ndarrays_is_read_through_asnumpy_only():
    """A crossing of NDArrays never goes through numpy.asarray."""
    assert Groups({"a": HostArray([0, 1]), "b": HostArray([1, 1])}).names == ("0 & 1", "1 & 1")


def test_a_list_of_ndarrays_is_read_through_asnumpy_only():
    """A list of NDArray rows never goes through numpy.asarray."""
    assert Groups([HostArray([0, 1]), HostArray([1, 1])]).names == ("0 & 1", "1 & 1")


def test_a_gluon_ndarray_gives_its_groups():
    """A real NDArray of codes works."""
    mx = pytest.importorskip("mxnet")
    assert Groups(mx.nd.array([0, 1, 1], dtype="int32")).codes.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    "values",
    [
        ["a", None, "b"],
        ["a", float("nan"), "b"],
        ["a", np.nan, "b"],
        ["a", pd.NA, "b"],
        ["a", pd.NaT, "b"],
        ["a", "unknown", "b"],
        np.array(["a", None, "b"], dtype=object),
        np.ma.array(["a", "x", "b"], mask=[False, True, False]),
        pd.Series(["a", None, "b"], dtype="string"),
        pd.Series(["a", None, "b"], dtype="category"),
    ],
    ids=repr,
)
def test_a_missing_value_is_the_unknown_group(values):
    """None, NaN, NaT, NA, a mask and the text "unknown" are one group, last and not known."""
    groups = Groups(values)
    assert groups.names == ("a", "b", "unknown")
    assert groups.codes.tolist() == [0, 2, 1]
    assert groups.known.tolist() == [True, True, False]


@pytest.mark.parametrize(
    "values",
    [
        [1.0, np.nan, 2.0],
        [1, None, 2],
        pd.Series([1, None, 2], dtype="Int64"),
        pd.Series([1, None, 2], dtype="Float64"),
        pd.Series([1, None, 2]),
    ],
    ids=lambda values: f"{type(values).__name__}-{getattr(values, 'dtype', '')}",
)
def test_a_missing_number_is_the_unknown_group(values):
    """A number column with a gap keeps its whole numbers and adds the unknown group."""
    assert Groups(values).names == ("1", "2", "unknown")


def test_a_missing_date_is_the_unknown_group():
    """NaT of a datetime array is missing."""
    groups = Groups(np.array(["2020-01-01", "NaT"], dtype="datetime64[D]"))
    assert groups.counts.tolist() == [1, 1]
    assert groups.names[1] == "unknown"


def test_a_missing_boolean_is_the_unknown_group():
    """The nullable boolean type keeps its two values."""
    assert Groups(pd.Series([True, None, False], dtype="boolean")).names == ("False", "True", "unknown")


def test_only_missing_values_are_one_unknown_group():
    """A column without any value has no known group."""
    groups = Groups([None, np.nan])
    assert groups.names == ("unknown",)
    assert groups.known.tolist() == [False]


def test_a_level_named_unknown_joins_the_missing_values():
    """A file that writes "unknown" and leaves cells empty has one unknown group, not two of the same name."""
    groups = Groups(["unknown", None, "a"])
    assert groups.names == ("a", "unknown")
    assert groups.counts.tolist() == [1, 2]


def test_a_category_named_unknown_is_missing():
    """The level "unknown" of a categorical is not compared either, wherever it stands."""
    groups = Groups(pd.Categorical(["unknown", "z", None], categories=["unknown", "z"]))
    assert groups.names == ("z", "unknown")
    assert groups.codes.tolist() == [1, 0, 1]


def test_names_read_back_give_equal_groups():
    """Groups written to a file as text and read again are equal, unknown ones included."""
    groups = Groups(["b", None, "a", "b"])
    assert Groups(list(groups)) == groups


def test_a_number_and_its_text_are_one_group():
    """1, 1.0 and "1" in one column of mixed types read alike, so they are one group."""
    groups = Groups([1, "1", 1.0, 2])
    assert groups.names == ("1", "2")
    assert groups.codes.tolist() == [0, 0, 0, 1]


def test_a_categorical_whose_levels_read_alike_has_one_group():
    """Categories 1 and "1" are one group."""
    assert Groups(pd.Categorical([1, "1", 2], categories=[2, 1, "1"])).names == ("2", "1")


def test_values_of_several_types_are_sorted_as_text():
    """Types without a common order (dates beside text) still give groups."""
    groups = Groups([datetime.date(2020, 1, 1), "a", None, 3])
    assert groups.names == ("2020-01-01", "3", "a", "unknown")
    assert groups.codes.tolist() == [0, 2, 3, 1]


def test_a_categorical_keeps_its_order():
    """Ordered levels stay in their order and not in the alphabet's."""
    groups = Groups(pd.Categorical(["high", "low", "mid"], categories=["low", "mid", "high"], ordered=True))
    assert groups.names == ("low", "mid", "high")
    assert groups.codes.tolist() == [2, 0, 1]


def test_a_categorical_drops_levels_that_do_not_occur():
    """A level without samples is no group, and the codes close up."""
    groups = Groups(pd.Series(pd.Categorical(["c", "a", None], categories=["c", "b", "a"])))
    assert groups.names == ("c", "a", "unknown")
    assert groups.codes.tolist() == [0, 1, 2]


def test_cut_columns_are_groups_in_their_order():
    """What pandas.cut returns is a categorical of intervals and keeps their order."""
    assert Groups(pd.cut(pd.Series([5, 50, 15]), [0, 10, 20, 100])).names == ("(0, 10]", "(10, 20]", "(20, 100]")


def test_a_frame_is_crossed():
    """Each combination that occurs is a group; the name joins the columns' names."""
    groups = Groups(pd.DataFrame({"sex": ["f", "m", "f", "m"], "old": [True, True, False, True]}))
    assert groups.names == ("f & False", "f & True", "m & True")
    assert groups.codes.tolist() == [1, 2, 0, 2]
    assert groups.name == "sex x old"


def test_a_two_dimensional_array_is_crossed():
    """Each column of a matrix is an attribute."""
    groups = Groups(np.array([[0, 1], [1, 1], [0, 0]]))
    assert groups.names == ("0 & 0", "0 & 1", "1 & 1")
    assert groups.name == "group 0 x group 1"


def test_rows_of_several_types_are_crossed_without_losing_missing_values():
    """A list of rows keeps None and NaN beside text."""
    assert Groups([["f", 30], [float("nan"), 40], ["m", None]]).names == ("f & 30", "unknown")


def test_a_crossing_equals_the_pairs():
    """The group of each sample in a crossing of three columns is its own combination."""
    rng = np.random.default_rng(0)
    columns = {name: rng.integers(0, 4, 300) for name in "abc"}
    expected = [f"{a} & {b} & {c}" for a, b, c in zip(*columns.values())]
    assert list(Groups(columns)) == expected
    assert Groups(columns).names == tuple(sorted(set(expected)))


def test_a_sample_missing_one_attribute_is_unknown_in_a_crossing():
    """One missing attribute makes the combination unknown."""
    groups = Groups({"a": ["x", None, "y", "x"], "b": ["u", "u", None, "v"]})
    assert groups.names == ("x & u", "x & v", "unknown")
    assert groups.codes.tolist() == [0, 2, 2, 1]


def test_a_crossing_in_which_every_sample_lacks_something_is_all_unknown():
    """No complete sample leaves only the unknown group."""
    assert Groups({"a": ["x", None], "b": [None, "v"]}).names == ("unknown",)


def test_groups_can_be_crossed():
    """Groups are accepted as columns of a crossing, their unknown samples included."""
    groups = Groups({"a": Groups(["x", None, "y"]), "b": Groups.binned([1, 9, 9], [5])})
    assert groups.names == ("x & <= 5", "y & > 5", "unknown")


def test_a_crossing_of_many_attributes_does_not_overflow():
    """Twelve attributes of a hundred levels have more combinations than an integer can count."""
    rng = np.random.default_rng(0)
    columns = {f"c{i}": rng.integers(0, 100, 500) for i in range(12)}
    groups = Groups(columns)
    assert groups.n_groups == 500
    assert groups.names[groups.codes[3]] == " & ".join(str(column[3]) for column in columns.values())


def test_combinations_that_read_alike_are_refused():
    """Two different combinations are never counted as one because their names join to the same text."""
    with pytest.raises(InputError, match="must differ"):
        Groups({"x": ["a & b", "a"], "y": ["c", "b & c"]})


def test_few_different_decimal_numbers_are_groups():
    """Twenty different floats are categories."""
    assert Groups(np.repeat(np.arange(20) + 0.5, 3)).n_groups == 20


@pytest.mark.parametrize(
    "values",
    [
        np.arange(21) + 0.5,
        (np.arange(21) + 0.5).astype(object),
        pd.Series([*(np.arange(21) + 0.5), None], dtype="Float64"),
        {"sex": ["f"] * 21, "income": np.arange(21) + 0.5},
    ],
    ids=["float", "object", "Float64", "column"],
)
def test_a_continuous_column_is_refused(values):
    """More than twenty different floats are a continuous attribute; the message shows how to cut it."""
    with pytest.raises(InputError, match=r"21 different decimal numbers.*Groups\.binned"):
        Groups(values)


def test_very_many_groups_keep_their_codes():
    """A hundred thousand whole numbers are as many groups."""
    values = np.random.default_rng(0).permutation(100_000)
    groups = Groups(values)
    assert groups.n_groups == 100_000
    np.testing.assert_array_equal(groups.codes, values)


@pytest.mark.parametrize("kind", ["text", "mixed", "dates"])
def test_a_million_rows_are_encoded_in_well_under_a_second(kind):
    """Object columns, those of mixed types too, are not walked in Python."""
    levels = {
        "text": ["f", "m", None],
        "mixed": [1, "m", None, 2.5],
        "dates": [datetime.date(2020, 1, 1), "a", None, 3],
    }[kind]
    values = np.array(levels, dtype=object)[np.random.default_rng(0).integers(0, len(levels), 1_000_000)]
    Groups(values[:10])  # imports pandas
    start = time.process_time()
    Groups(values)
    assert time.process_time() - start < 0.6


def test_counts_name_every_group():
    """Counts are in the order of the names and sum to the samples."""
    groups = Groups(["b", "a", "b", None])
    assert dict(zip(groups.names, groups.counts)) == {"a": 1, "b": 2, "unknown": 1}
    assert len(groups) == groups.counts.sum() == 4


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (["a", "b"], "group"),
        (pd.Series(["a", "b"], name="sex"), "sex"),
        (pd.Series(["a", "b"]), "group"),
        (pd.Series(["a", "b"], name=0), "0"),
        (pd.DataFrame({"x": [1, 2], "y": [1, 2]}), "x x y"),
        ({"sex": ["a", "b"]}, "sex"),
    ],
)
def test_the_name_comes_from_the_column(values, name):
    """A column's name is the attribute's."""
    assert Groups(values).name == name


def test_a_given_name_wins():
    """The argument overrides the column's name, for Groups too."""
    assert Groups(Groups(pd.Series(["a"], name="x")), name="y").name == "y"


def test_groups_of_groups_are_equal():
    """Encoding twice changes nothing."""
    groups = Groups(["b", None])
    assert Groups(groups) == groups


def test_repr_shows_the_counts():
    """The text form names each group with its count."""
    assert repr(Groups(["f"] * 1200 + [None], name="sex")) == "Groups(sex: f 1,200, unknown 1)"


def test_codes_are_read_only():
    """The codes cannot be changed behind the names' back."""
    with pytest.raises(ValueError, match="read-only"):
        Groups(["a", "b"]).codes[0] = 1


def test_groups_survive_pickling():
    """Worker processes get the same groups."""
    groups = Groups(["b", None, "a"])
    assert pickle.loads(pickle.dumps(groups)) == groups


# Equality


@pytest.mark.parametrize(
    "other",
    [
        Groups(["a", "a"]),
        Groups(["a", "c"]),
        Groups(["a", None]),
        Groups(["a", "b", "b"]),
        Groups.from_codes([0, 1], ["a", "b", "c"]),
        ["a", "b"],
        None,
    ],
    ids=repr,
)
def test_other_groups_are_not_equal(other):
    """Other codes, names, length or kind make a difference."""
    assert Groups(["a", "b"]) != other


def test_unknown_and_a_group_of_that_name_are_not_equal():
    """Equality looks at which groups are known."""
    assert Groups(["a", None]) != Groups.from_codes([0, 1], ["a", "unknown"])


def test_groups_cannot_be_hashed():
    """What compares by content is no dictionary key."""
    with pytest.raises(TypeError, match="unhashable"):
        hash(Groups(["a"]))


# take


def test_take_keeps_names_of_absent_groups():
    """A subset has the groups of the whole, with count 0."""
    part = Groups(["a", "b", None], name="sex").take([1, 1])
    assert part.names == ("a", "b", "unknown")
    assert part.counts.tolist() == [0, 2, 0]
    assert part.known.tolist() == [True, True, False]
    assert part.name == "sex"


@pytest.mark.parametrize(
    ("indices", "expected"),
    [
        ([2, 0], ["b", "a"]),
        ([-1], ["b"]),
        ([True, False, True], ["a", "b"]),
        (np.array([False, True, False]), ["b"]),
        (pd.Series([True, False, False], index=[9, 8, 7]), ["a"]),
        (HostArray(np.array([0.0, 2.0], dtype=np.float32)), ["a", "b"]),
        ([], []),
    ],
    ids=["places", "negative", "mask", "array", "series", "host array", "none"],
)
def test_take_accepts_places_and_masks(indices, expected):
    """Integers, masks, columns, NDArrays and an empty list select samples."""
    assert list(Groups(["a", "b", "b"]).take(indices)) == expected


def test_take_refuses_a_place_that_does_not_exist():
    """An index past the end is an error and not the last sample."""
    with pytest.raises(IndexError):
        Groups(["a", "b"]).take([2])


# from_codes


def test_from_codes_keeps_the_order_and_the_absent_groups():
    """Names stay as given."""
    groups = Groups.from_codes([2, 0], ["z", "y", "x"], name="n")
    assert list(groups) == ["x", "z"]
    assert groups.counts.tolist() == [1, 0, 1]
    assert groups.known.all()


def test_from_codes_can_mark_the_last_name_as_unknown():
    """With unknown=True the last group is left out of gaps."""
    groups = Groups.from_codes([0, 2], ["a", "b", "unknown"], unknown=True)
    assert groups == Groups.from_codes(groups.codes, groups.names, unknown=True)
    assert groups.known.tolist() == [True, True, False]


def test_from_codes_leaves_the_callers_array_alone():
    """The caller's codes stay writeable, and changing them changes no groups."""
    codes = np.array([0, 1], dtype=np.int64)
    groups = Groups.from_codes(codes, ["a", "b"])
    codes[0] = 1
    assert groups.codes.tolist() == [0, 1]


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int32, np.uint64])
def test_from_codes_takes_every_whole_number_type(dtype):
    """Booleans and unsigned numbers are codes."""
    assert list(Groups.from_codes(np.array([0, 1], dtype=dtype), ["a", "b"])) == ["a", "b"]


@pytest.mark.parametrize("codes", [[0, 2], [-1, 0], [0.5, 1], ["a", "b"], [None, 0]])
def test_from_codes_refuses_what_is_no_code(codes):
    """Codes outside the names, fractions and text are errors."""
    with pytest.raises(InputError, match="'codes' must be whole numbers from 0 to 1"):
        Groups.from_codes(codes, ["a", "b"])


def test_from_codes_refuses_a_repeated_name():
    """Two groups of one name could not be told apart in a table."""
    with pytest.raises(InputError, match="'a' more than once"):
        Groups.from_codes([0, 1], ["a", "a"])


# binned


@pytest.mark.parametrize("value", [25, 25.0, np.float32(25)])
def test_a_value_equal_to_a_cut_belongs_below_it(value):
    """Edges are closed on the right."""
    assert list(Groups.binned([value, 25.0001], bins=[25])) == ["<= 25", "> 25"]


def test_bins_without_samples_keep_their_place():
    """Given cut points make the groups, whatever the data."""
    groups = Groups.binned([1, 2], bins=[10, 20], name="age")
    assert groups.names == ("<= 10", "10 to 20", "> 20")
    assert groups.counts.tolist() == [2, 0, 0]
    assert groups.name == "age"


@pytest.mark.parametrize("bins", [2, 3, 4, 7])
def test_quantile_bins_have_about_equal_counts(bins):
    """A number of bins cuts at quantiles."""
    groups = Groups.binned(np.random.default_rng(0).normal(size=1000), bins)
    assert groups.n_groups == bins
    assert np.ptp(groups.counts) <= 1


@pytest.mark.parametrize("values", [[0] * 10 + [1] * 90, [0] * 90 + [1] * 10, [0] * 50 + [1] * 50])
def test_quantile_bins_of_repeated_values_are_fewer_and_never_empty(values):
    """Ties make fewer bins; two values are always told apart."""
    groups = Groups.binned(values, 4)
    assert groups.names == ("<= 0", "> 0")
    assert groups.counts.tolist() == [values.count(0), values.count(1)]


def test_bins_of_close_large_numbers_have_different_names():
    """Cut points are written with as many digits as it takes to tell them apart."""
    groups = Groups.binned([1_000_001, 1_000_002, 1_000_003], bins=[1_000_001, 1_000_002])
    assert groups.names == ("<= 1000001", "1000001 to 1000002", "> 1000002")


@pytest.mark.parametrize(
    "values",
    [[1.0, np.nan, 9.0], [1, None, 9], pd.Series([1, None, 9], dtype="Int64"), HostArray([1.0, np.nan, 9.0])],
    ids=["float", "object", "Int64", "NDArray"],
)
def test_a_missing_value_is_in_no_bin(values):
    """NaN, None and NA become unknown."""
    groups = Groups.binned(values, [5])
    assert groups.names == ("<= 5", "> 5", "unknown")
    assert groups.codes.tolist() == [0, 2, 1]


def test_infinite_values_are_in_the_outer_bins():
    """Infinities do not disturb the quantiles of the others."""
    assert list(Groups.binned([-np.inf, 1, 2, np.inf], 2)) == ["<= 1", "<= 1", "> 1", "> 1"]


@pytest.mark.parametrize("bins", [[], [3, 3], [3, 1], [np.nan], [1, np.nan], [1, np.inf]])
def test_cut_points_that_are_none_or_unsorted_are_refused(bins):
    """Cut points must increase and be finite."""
    with pytest.raises(InputError, match="increasing cut points"):
        Groups.binned([1, 2, 3], bins)


@pytest.mark.parametrize("values", [[5, 5, 5], [np.nan, np.nan], []])
def test_quantiles_of_a_constant_attribute_are_refused(values):
    """An attribute with fewer than two values has no bins."""
    with pytest.raises(InputError, match="increasing cut points"):
        Groups.binned(values, 4)


@pytest.mark.parametrize("values", [["a", "b"], np.array(["2020-01-01"], dtype="datetime64[D]")])
def test_only_numbers_are_binned(values):
    """Text and dates are no continuous attribute."""
    with pytest.raises(InputError, match="'age' must be numbers"):
        Groups.binned(values, 4, name="age")


@pytest.mark.parametrize(("bins", "error"), [(1, InputError), (0, InputError), (True, InputTypeError)])
def test_fewer_than_two_bins_are_refused(bins, error):
    """One bin compares nothing."""
    with pytest.raises(error, match="'bins'"):
        Groups.binned([1, 2, 3], bins)


# Errors


@pytest.mark.parametrize(
    "values", [[], np.array([]), pd.Series([], dtype=object), {"a": [], "b": []}, np.zeros((0, 2))]
)
def test_no_samples_are_refused(values):
    """Groups of nothing are an error."""
    with pytest.raises(InputError, match="at least one sample"):
        Groups(values)


@pytest.mark.parametrize("values", [{}, pd.DataFrame(index=[0, 1])])
def test_no_columns_are_refused(values):
    """A frame without columns is an error."""
    with pytest.raises(InputError, match="at least one column"):
        Groups(values)


def test_columns_of_different_lengths_are_refused():
    """The message names the columns and their lengths."""
    with pytest.raises(InputError, match="'sex' and 'age' must have the same length; got 2 and 3"):
        Groups({"sex": ["f", "m"], "age": [1, 2, 3]})


@pytest.mark.parametrize("values", ["male", b"male"])
def test_a_bare_text_is_refused(values):
    """A text is not one group per character."""
    with pytest.raises(InputTypeError, match="one group per sample"):
        Groups(values)


@pytest.mark.parametrize("values", [3, None, np.zeros((2, 2, 2)), {"a", "b"}, (g for g in "ab")])
def test_what_has_no_samples_is_refused(values):
    """A scalar, a set, a generator and a three-dimensional array are no column."""
    with pytest.raises(InputError, match="one-dimensional"):
        Groups(values)


@pytest.mark.parametrize("column", [3, "fm", None, np.zeros((2, 2))])
def test_a_column_without_samples_is_refused_by_name(column):
    """The message names the column of a mapping."""
    with pytest.raises(InputError, match="'sex' must be one-dimensional"):
        Groups({"sex": column})


def test_columns_of_one_name_are_refused():
    """A frame with a repeated name does not lose a column silently."""
    with pytest.raises(InputError, match="different names"):
        Groups(pd.DataFrame([[1, 2], [3, 2]], columns=["a", "a"]))


def test_groups_do_not_import_the_engine():
    """Encoding groups needs no mxnet."""
    code = "import sys, mxfair; mxfair.Groups(['a', None]); sys.exit('mxnet' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
