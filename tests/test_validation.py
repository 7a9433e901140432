"""Input is converted in one place, and every refusal says what, why and what to do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mxfair import _validation as validation
from mxfair._validation import InputError, InputTypeError


class HostArray:
    """Stands for an NDArray: NumPy must get at it through asnumpy() and in no other way."""

    def asnumpy(self):
        """Return the values on the host."""
        return np.array([1.0, 2.0], dtype=np.float32)

    def __array__(self, *args, **kwargs):
        raise AssertionError("numpy.asarray was called on an NDArray")


def test_errors_are_the_standard_ones():
    """Users catch ValueError and TypeError; the command line tells them from defects."""
    assert issubclass(InputError, ValueError)
    assert issubclass(InputTypeError, TypeError)


# to_numpy


def test_an_ndarray_is_copied_through_asnumpy():
    """The type of the NDArray stays."""
    assert validation.to_numpy(HostArray()).dtype == np.float32


def test_a_list_of_ndarrays_is_stacked():
    """Outputs collected batch by batch become one table."""
    assert validation.to_numpy([HostArray(), HostArray()]).tolist() == [[1, 2], [1, 2]]


def test_an_array_is_not_copied():
    """A NumPy array passes through."""
    array = np.arange(3)
    assert validation.to_numpy(array) is array


@pytest.mark.parametrize("values", [["a", 1], ["a", None], ["a", float("nan")], [["a", 1], ["b", 2]]])
def test_a_list_with_text_keeps_its_types(values):
    """NumPy alone would make text of everything, NaN included."""
    array = validation.to_numpy(values)
    assert array.dtype == object
    assert type(array.ravel()[1]) is type(np.array(values, dtype=object).ravel()[1])


def test_a_list_of_text_only_is_text():
    """A plain list of names stays compact."""
    assert validation.to_numpy(["a", "b"]).dtype.kind == "U"


def test_masked_values_are_missing():
    """A mask is not dropped silently."""
    array = validation.to_numpy(np.ma.array([1.0, 2.0], mask=[False, True]))
    assert array.tolist() == [1.0, None]


def test_an_empty_mask_changes_nothing():
    """A masked array without masked values stays numeric."""
    assert validation.to_numpy(np.ma.array([1.0, 2.0])).dtype == float


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "1.24.0", reason="NumPy makes an object array of it")
def test_rows_of_several_lengths_are_refused():
    """A ragged list is an error in our words."""
    with pytest.raises(InputError, match="one per sample; got rows of several lengths"):
        validation.to_numpy([[1, 2], [3]])


# vector, numbers, labels


@pytest.mark.parametrize("values", [[1, 2], [[1], [2]], pd.Series([1, 2]), pd.DataFrame({"x": [1, 2]}), (1, 2)])
def test_one_column_is_a_vector(values):
    """A column of shape (n, 1) counts as a vector."""
    assert validation.vector(values, "x").tolist() == [1, 2]


@pytest.mark.parametrize("values", [3, "abc", [[1, 2]], np.zeros((2, 0)), np.zeros((1, 1, 1))])
def test_another_shape_is_refused_with_its_shape(values):
    """The message gives the shape and the hint."""
    with pytest.raises(
        InputError, match=r"^'x' must be one-dimensional; got shape \(.*\)\. Pass one value per sample\.$"
    ):
        validation.vector(values, "x")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([1.0, np.nan]), [False, True]),
        (np.array([1, 2]), [False, False]),
        (np.array(["a", ""]), [False, False]),
        (np.array(["a", None, np.nan, pd.NA, pd.NaT], dtype=object), [False, True, True, True, True]),
        (np.array(["2020-01-01", "NaT"], dtype="datetime64[D]"), [False, True]),
        (np.array([1 + 0j, complex("nan")]), [False, True]),
        (np.array([True, False]), [False, False]),
    ],
)
def test_missing_values_of_every_type(values, expected):
    """None, NaN, NA and NaT are missing; an empty text and False are not."""
    assert validation.missing(values).tolist() == expected


@pytest.mark.parametrize("values", [[1, None], [1.0, float("nan")], pd.Series([1, None], dtype="Int64"), [1, pd.NA]])
def test_numbers_are_floats_with_nan(values):
    """Whatever marks a missing number becomes NaN."""
    np.testing.assert_array_equal(validation.numbers(values, "x"), [1, np.nan])


@pytest.mark.parametrize("values", [["a"], [object()], np.array(["2020-01-01"], dtype="datetime64[D]"), [1j]])
def test_what_are_no_numbers_is_refused(values):
    """Text, objects, dates and complex numbers are errors, not warnings."""
    with pytest.raises(InputError, match="'x' must be numbers"):
        validation.numbers(values, "x")


@pytest.mark.parametrize(
    ("values", "kind"),
    [([0, 1], "i"), ([0.5, 1], "f"), ([True, False], "b"), ([True, 2], "i"), (["a", "b"], "U"), ([1, 0.5], "f")],
)
def test_object_labels_get_their_common_type(values, kind):
    """A column of a mixed data frame is as good as a typed one."""
    labels = validation.labels_vector(np.array(values, dtype=object))
    assert labels.dtype.kind == kind
    assert labels.tolist() == values


def test_numeric_labels_accept_an_object_column():
    """Numbers in an object array are numbers."""
    assert validation.numeric_labels(np.array([0, 1], dtype=object)).dtype.kind == "i"


def test_numeric_labels_refuse_text_with_its_values():
    """The message shows some of the values and how to encode them."""
    with pytest.raises(InputError, match=r"got 'yes', 'no'\. Encode them first"):
        validation.numeric_labels(["yes", "no", "yes"])


# Lengths, numbers, names, seeds


def test_the_same_length_is_returned():
    """None stands for an array that was not given."""
    assert validation.same_length(labels=[1, 2], groups=None, preds=np.zeros((2, 3))) == 2


def test_different_lengths_are_named_in_order():
    """The message gives each name with its length."""
    with pytest.raises(InputError) as caught:
        validation.same_length(labels=[1, 2], groups=[1], preds=None)
    assert str(caught.value) == (
        "'labels' and 'groups' must have the same length; got 2 and 1. Pass one of each per sample."
    )


@pytest.mark.parametrize("value", [1, np.int8(1), np.uint64(1)])
def test_whole_numbers_become_int(value):
    """NumPy's integers are whole numbers."""
    assert type(validation.positive_integer(value, "x")) is int


@pytest.mark.parametrize(
    ("value", "error"),
    [(0, InputError), (-1, InputError), (1.0, InputTypeError), ("1", InputTypeError), (True, InputTypeError)],
)
def test_what_is_no_positive_integer_is_refused(value, error):
    """Values get a ValueError and types a TypeError."""
    with pytest.raises(error, match="'x' must be"):
        validation.positive_integer(value, "x")


@pytest.mark.parametrize(
    ("value", "cure"),
    [("alfa", "Did you mean 'alpha'?"), ("zzz", "Choose one of these."), (None, "Choose one of these.")],
)
def test_a_wrong_choice_gives_the_nearest(value, cure):
    """A misspelt name gets a suggestion, anything else the choice."""
    with pytest.raises(InputError) as caught:
        validation.one_of(value, ["alpha", "beta"], "x")
    assert str(caught.value) == f"'x' must be one of alpha, beta; got {value!r}. {cure}"


def test_equal_seeds_give_equal_numbers():
    """A seed makes a generator of its own."""
    assert validation.generator(3).random() == validation.generator(3).random()


def test_a_generator_passes_through():
    """A Generator is used as it is, so that its stream goes on."""
    own = np.random.default_rng(0)
    assert validation.generator(own) is own


def test_global_random_state_is_not_touched():
    """Making and using a generator leaves numpy.random alone."""
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    validation.generator(0).random(10)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("seed", [-1, 1.5, True, "1", np.random.RandomState(0)])
def test_what_is_no_seed_is_refused(seed):
    """Negative numbers, fractions, booleans and legacy generators are errors."""
    with pytest.raises(InputError, match="'seed' must be"):
        validation.generator(seed)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [((1, "sample"), "1 sample"), ((1200, "sample"), "1,200 samples"), ((0, "class", "classes"), "0 classes")],
)
def test_counted_nouns(arguments, text):
    """One is singular."""
    assert validation.plural(*arguments) == text
