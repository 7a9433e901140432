"""GroupConfusion counts what scikit-learn counts, in any pieces, and refuses what it cannot count."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix

from mxfair import GroupConfusion, Groups, confusion
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


KINDS = ("int", "from_one", "text", "object", "float", "bool", "gaps", "negative")


def random_case(seed):
    """Return (labels, preds, groups, weight) of a random size, number of classes and type of label."""
    rng = np.random.default_rng(seed)
    n, n_classes = int(rng.integers(1, 60)), int(rng.integers(1, 6))
    kind = KINDS[seed % len(KINDS)]
    values = {
        "int": np.arange(n_classes),
        "from_one": np.arange(1, n_classes + 1),
        "text": np.array([f"class {i}" for i in range(n_classes)]),
        "object": np.array([f"class {i}" for i in range(n_classes)], dtype=object),
        "float": np.arange(n_classes).astype(np.float32),
        "bool": np.array([False, True]),
        "gaps": np.array([0, 3, 7, 1000, -4])[:n_classes],
        "negative": np.arange(n_classes) - 2,
    }[kind]
    labels, preds = rng.choice(values, n), rng.choice(values, n)
    groups = rng.choice(np.array(["a", "b", "c", None], dtype=object)[: int(rng.integers(1, 5))], n)
    return labels, preds, groups, (rng.random(n) if seed % 2 else None)


@pytest.mark.filterwarnings("ignore:A single label was found")
@pytest.mark.parametrize("start", range(0, 400, 50))
def test_each_group_equals_scikit_learns_matrix(start):
    """The table of each group is scikit-learn's confusion matrix of its samples."""
    for seed in range(start, start + 50):
        labels, preds, groups, weight = random_case(seed)
        table = GroupConfusion.of(labels, preds, groups, sample_weight=weight)
        names = np.array(["unknown" if g is None else g for g in groups])
        for i, name in enumerate(table.groups):
            rows = names == name
            expected = confusion_matrix(
                labels[rows].tolist(),
                preds[rows].tolist(),
                labels=table.classes.tolist(),
                sample_weight=None if weight is None else weight[rows],
            )
            np.testing.assert_allclose(table.counts[i], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seed", range(60))
def test_any_split_merges_to_the_same_table(seed):
    """Pieces in any order, joined by + or by update, give the counts of the whole."""
    labels, preds, groups, weight = random_case(seed)
    groups = Groups(groups)
    whole = GroupConfusion.of(labels, preds, groups, sample_weight=weight)
    rng = np.random.default_rng(seed)
    pieces = np.array_split(rng.permutation(len(labels)), min(len(labels), int(rng.integers(1, 6))))
    streamed = GroupConfusion(whole.groups, whole.classes, known=whole.known)
    added = GroupConfusion(whole.groups, whole.classes, known=whole.known)
    for rows in pieces:
        part_weight = None if weight is None else weight[rows]
        part = (labels[rows], preds[rows], groups.take(rows))
        streamed.update(*part, sample_weight=part_weight)
        added = added + GroupConfusion.of(*part, classes=whole.classes, sample_weight=part_weight)
    np.testing.assert_allclose(streamed.counts, whole.counts, rtol=1e-12)
    np.testing.assert_allclose(added.counts, whole.counts, rtol=1e-12)
    assert added.known.tolist() == whole.known.tolist()


def test_rows_beyond_one_chunk_are_counted_once(monkeypatch):
    """Pieces of the internal chunk size meet without gap or overlap."""
    rng = np.random.default_rng(0)
    labels, preds, groups, weight = (
        rng.integers(0, 3, 25),
        rng.integers(0, 3, 25),
        rng.integers(0, 2, 25),
        rng.random(25),
    )
    whole = GroupConfusion.of(labels, preds, groups, sample_weight=weight).counts
    for size in (1, 4, 5, 24, 25):
        monkeypatch.setattr(confusion, "CHUNK", size)
        np.testing.assert_allclose(GroupConfusion.of(labels, preds, groups, sample_weight=weight).counts, whole)


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_real_chunk_boundaries(extra):
    """The number of samples at, below and above the chunk size is kept."""
    n = confusion.CHUNK * 2 + extra
    assert GroupConfusion.of(np.arange(n) % 2, np.arange(n) % 3 % 2, np.arange(n) % 5).support.sum() == n


def test_thousand_classes_are_counted():
    """A thousand classes need a table of a million cells per group and no more."""
    labels = np.arange(1000).repeat(2)
    table = GroupConfusion.of(labels, np.roll(labels, 2), np.arange(2000) % 2)
    assert table.counts.shape == (2, 1000, 1000)
    assert table.counts[:, 5, 4].tolist() == [1, 1]


# Classes


@pytest.mark.parametrize("value", [0, 1, 0.0, 1.0, False, True])
def test_one_binary_value_stands_beside_the_other(value):
    """Labels that are all 0 or all 1 still have the two classes 0 and 1."""
    assert GroupConfusion.of([value], [value], ["a"]).classes.tolist() == [0, 1]


def test_classes_found_in_predictions_only_are_counted():
    """A predicted class that no label has gets its place."""
    table = GroupConfusion.of([1, 2], [3, 2], ["a", "a"])
    assert table.classes.tolist() == [1, 2, 3]
    assert table.counts[0, 0, 2] == 1


def test_given_classes_keep_their_place():
    """Classes that the samples lack are rows and columns of zeros."""
    assert GroupConfusion.of([1], [1], ["a"], classes=[0, 1, 2]).counts[0].tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    "labels", [[0, 1, 1], [0.0, 1.0, 1.0], [False, True, True], np.array([0, 1, 1], dtype="uint8")]
)
@pytest.mark.parametrize(
    "preds", [[1, 1, 0], [1.0, 1.0, 0.0], [True, True, False], np.array([1, 1, 0], dtype="uint64")]
)
def test_booleans_and_numbers_mean_the_same_classes(labels, preds):
    """True, 1 and 1.0 are one class, whatever the other side's type."""
    counts = GroupConfusion.of(labels, preds, ["a"] * 3).counts
    assert counts.tolist() == [[[0, 1], [1, 1]]]


@pytest.mark.parametrize(
    "labels",
    [
        np.array([0, 1, 1], dtype=object),
        np.array([0.0, 1, True], dtype=object),
        pd.Series([0, 1, 1], dtype="Int64"),
        pd.Series([0, 1, 1], dtype="category"),
        pd.DataFrame({"y": [0, 1, 1]}),
        np.array([[0], [1], [1]]),
        HostArray(np.array([0, 1, 1], dtype=np.float32)),
        (0, 1, 1),
    ],
    ids=lambda values: f"{type(values).__name__}-{getattr(values, 'dtype', '')}",
)
def test_every_container_of_labels_gives_the_same_table(labels):
    """Columns, object arrays, one-column tables and NDArrays are read alike, on both sides."""
    expected = GroupConfusion.of([0, 1, 1], [0, 1, 1], ["a"] * 3)
    table = GroupConfusion.of(labels, labels, ["a"] * 3)
    assert table.classes.tolist() == [0, 1]
    np.testing.assert_array_equal(table.counts, expected.counts)


def test_no_argument_goes_through_numpy_asarray():
    """Labels, predictions, groups, weights and classes may all be NDArrays."""
    table = GroupConfusion.of(
        HostArray([0, 1]),
        HostArray([1, 1]),
        HostArray([0, 1]),
        classes=HostArray([0, 1]),
        sample_weight=HostArray([2.0, 3.0]),
    )
    assert table.counts.tolist() == [[[0, 2], [0, 0]], [[0, 0], [0, 3]]]


def test_gluon_ndarrays_are_counted():
    """Real NDArrays of labels and soft predictions work."""
    mx = pytest.importorskip("mxnet")
    soft = mx.nd.softmax(mx.nd.array([[0, 5], [5, 0]]))
    table = GroupConfusion.of(mx.nd.array([1, 0]), soft, mx.nd.array([0, 1]))
    np.testing.assert_allclose(table.support, [1, 1], rtol=1e-6)


@pytest.mark.parametrize("classes", [[1, 0], ["good", "bad"], [0, 0, 1], [0, 2, 1], [], [np.nan, 1.0]])
def test_classes_that_are_not_sorted_are_refused(classes):
    """The place of a class is found by search, so unsorted or repeated classes are an error."""
    with pytest.raises(InputError, match="'classes' must be sorted"):
        GroupConfusion(["a"], classes)


def test_a_few_fractions_may_be_labels():
    """Grades such as 0, 0.5 and 1 are classes."""
    table = GroupConfusion.of([0, 0.5, 1], [0, 1, 0.5], ["a"] * 3)
    assert table.classes.tolist() == [0, 0.5, 1]
    assert table.counts[0, 1, 2] == 1


# Soft predictions


@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("weighted", [False, True])
def test_soft_counts_sum_the_probabilities(n_classes, weighted):
    """Each cell is the weighted sum of the probabilities of its group and label."""
    rng = np.random.default_rng(n_classes)
    labels, groups = rng.integers(0, n_classes, 80), rng.integers(0, 3, 80)
    soft = rng.dirichlet(np.ones(n_classes), 80)
    weight = rng.random(80) if weighted else None
    table = GroupConfusion.of(labels, soft, groups, classes=np.arange(n_classes), sample_weight=weight)
    for g in range(3):
        for y in range(n_classes):
            rows = (groups == g) & (labels == y)
            expected = (soft[rows] * (1 if weight is None else weight[rows, None])).sum(axis=0)
            np.testing.assert_allclose(table.counts[g, y], expected)


def test_one_hot_probabilities_equal_decisions():
    """Certain probabilities give the hard table."""
    rng = np.random.default_rng(0)
    labels, preds, groups = rng.integers(0, 3, 50), rng.integers(0, 3, 50), rng.integers(0, 2, 50)
    hard = GroupConfusion.of(labels, preds, groups)
    np.testing.assert_array_equal(GroupConfusion.of(labels, np.eye(3)[preds], groups).counts, hard.counts)


def test_soft_predictions_follow_sorted_text_classes():
    """The columns of probabilities are in the order of the sorted classes."""
    table = GroupConfusion.of(["yes", "no"], [[0.25, 0.75], [0.5, 0.5]], ["a", "a"])
    assert table.classes.tolist() == ["no", "yes"]
    assert table.counts[0].tolist() == [[0.5, 0.5], [0.25, 0.75]]


def test_float32_probabilities_of_many_classes_are_accepted():
    """Rounding of a thousand float32 probabilities is no error."""
    logits = np.random.default_rng(0).normal(size=(20, 1000)).astype(np.float32)
    soft = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert GroupConfusion.of(np.arange(20), soft, ["a"] * 20).support == pytest.approx([20], rel=1e-5)


@pytest.mark.parametrize(
    "soft",
    [[[0.5, 0.6], [0.5, 0.5]], [[1.5, -0.5], [0.5, 0.5]], [[np.nan, 0.5], [0.5, 0.5]], [[2.0, 3.0], [-1.0, 4.0]]],
)
def test_what_are_no_probabilities_is_refused(soft):
    """Rows that do not sum to 1, negative values, NaN and logits are errors."""
    with pytest.raises(InputError, match="probabilities that sum to 1"):
        GroupConfusion.of([0, 1], soft, ["a", "b"])


def test_a_wrong_number_of_columns_is_refused():
    """Probabilities need one column per class."""
    with pytest.raises(InputError, match=r"one column per class \(3\); got 2"):
        GroupConfusion.of([0, 1], [[0.5, 0.5], [0.5, 0.5]], ["a", "b"], classes=[0, 1, 2])


def test_soft_predictions_with_a_class_missing_need_the_classes():
    """Which column belongs to text labels of which one is absent cannot be known."""
    with pytest.raises(InputError, match="'labels' must be among the classes"):
        GroupConfusion.of(["yes", "yes"], [[0.5, 0.5], [0.5, 0.5]], ["a", "b"])


# Groups


def test_update_with_some_groups_finds_their_places():
    """A batch that lacks groups is counted under the table's names, whatever its own codes."""
    table = GroupConfusion(["a", "b", "c"], [0, 1])
    table.update([1, 0], [1, 1], ["c", "a"])
    assert table.support.tolist() == [1, 0, 1]
    assert table.counts[2].tolist() == [[0, 0], [0, 1]]


def test_update_in_another_order_of_names_finds_their_places():
    """Groups whose names are ordered differently are matched by name."""
    table = GroupConfusion(["b", "a"], [0, 1])
    table.update([1], [1], Groups.from_codes([1], ["a", "b"]))
    assert table.support.tolist() == [1, 0]


def test_update_with_missing_groups_counts_them_as_unknown():
    """Samples without a group go to the table's unknown group."""
    table = GroupConfusion.of([1, 1], [1, 1], ["a", None])
    table.update([0], [0], [None])
    assert table.support.tolist() == [1, 2]


def test_absent_names_of_a_batch_do_not_matter():
    """A batch may name groups that the table lacks, as long as none of its samples is in one."""
    table = GroupConfusion(["a"], [0, 1])
    assert table.update([1], [1], Groups(["a", "z"]).take([0])).support.tolist() == [1]


@pytest.mark.parametrize("group", ["z", None])
def test_a_group_that_the_table_lacks_is_refused(group):
    """A sample of an unnamed group is an error, a missing group included, and nothing is counted."""
    table = GroupConfusion(["a", "b"], [0, 1])
    with pytest.raises(InputError, match=f"among a, b; got '{group or 'unknown'}'"):
        table.update([1, 1], [1, 1], ["a", group])
    assert table.support.sum() == 0


def test_repeated_group_names_are_refused():
    """Two groups of one name could not be told apart."""
    with pytest.raises(InputError, match="each group once"):
        GroupConfusion(["a", "a"], [0, 1])


def test_update_returns_the_table_itself():
    """Calls can be chained."""
    table = GroupConfusion(["a"], [0, 1])
    assert table.update([1], [1], ["a"]) is table


def test_adding_leaves_both_tables_alone():
    """The sum is a new table."""
    first, second = GroupConfusion.of([1], [1], ["a"]), GroupConfusion.of([0], [1], ["a"])
    total = first + second
    total.update([1], [1], ["a"])
    assert (first.counts.sum(), second.counts.sum(), total.counts.sum()) == (1, 1, 3)


@pytest.mark.parametrize(
    "other",
    [
        GroupConfusion(["a", "c"], [0, 1]),
        GroupConfusion(["b", "a"], [0, 1]),
        GroupConfusion(["a"], [0, 1]),
        GroupConfusion(["a", "b"], [0, 1, 2]),
        GroupConfusion(["a", "b"], ["0", "1"]),
    ],
    ids=repr,
)
def test_tables_of_other_groups_or_classes_do_not_add(other):
    """Adding tables whose cells mean different things is an error."""
    with pytest.raises(InputError, match="must have the same groups and classes"):
        GroupConfusion(["a", "b"], [0, 1]) + other


def test_a_number_does_not_add_to_a_table():
    """Only tables add."""
    with pytest.raises(TypeError):
        GroupConfusion(["a"], [0, 1]) + 1


def test_counts_of_a_wrong_shape_are_refused():
    """Counts to start from must fit the groups and classes."""
    with pytest.raises(InputError, match=r"\(1, 2, 2\); got \(2, 2\)"):
        GroupConfusion(["a"], [0, 1], np.zeros((2, 2)))


def test_counts_to_start_from_are_copied():
    """The table does not write into the caller's array."""
    counts = np.zeros((1, 2, 2))
    GroupConfusion(["a"], [0, 1], counts).update([1], [1], ["a"])
    assert counts.sum() == 0


def test_support_and_overall_sum_the_counts():
    """Support is per group, overall is over all groups."""
    table = GroupConfusion.of([0, 1, 1], [1, 1, 0], ["a", "b", None], sample_weight=[1, 2, 4])
    assert table.support.tolist() == [1, 2, 4]
    assert table.overall.tolist() == [[0, 1], [4, 2]]


# Files


@pytest.mark.parametrize(
    "table",
    [
        GroupConfusion.of([0, 1], [1, 1], ["a", None]),
        GroupConfusion.of(["no", "yes"], ["yes", "yes"], pd.Series(["f", "m"], name="sex")),
        GroupConfusion.of([True, False], [True, True], [1, 2]),
        GroupConfusion.of([0.5, 1.5], [0.5, 0.5], ["a", "b"], sample_weight=[0.1, 0.2]),
        GroupConfusion.of([0, 1], [[0.1, 0.9], [1 / 3, 2 / 3]], ["a", "b"]),
        GroupConfusion(["ü & ß", "女"], ["ä", "ö"]),
    ],
    ids=repr,
)
def test_a_table_survives_json(table):
    """Counts are the same to the last bit, and names, classes and known groups return."""
    back = GroupConfusion.from_dict(json.loads(json.dumps(table.to_dict())))
    np.testing.assert_array_equal(back.counts, table.counts)
    assert back.classes.tolist() == table.classes.tolist()
    assert (back.groups, back.name, back.known.tolist()) == (table.groups, table.name, table.known.tolist())


def test_a_table_from_json_goes_on_counting():
    """A restored table takes updates and adds to its origin."""
    table = GroupConfusion.of(["no", "yes"], ["yes", "yes"], ["a", None])
    back = GroupConfusion.from_dict(json.loads(json.dumps(table.to_dict())))
    assert (back.update(["no"], ["no"], ["a"]) + table).support.tolist() == [3, 2]


def test_repr_shows_groups_and_classes():
    """The text form names groups with their support, and the classes."""
    assert repr(GroupConfusion.of([0, 1], [1, 1], ["a", "b"])) == "GroupConfusion(group: a 1, b 1; classes 0, 1)"


# Errors


@pytest.mark.parametrize(
    ("labels", "preds", "groups", "weight"),
    [
        ([0, 1], [1], ["a", "b"], None),
        ([0], [1, 1], ["a", "b"], None),
        ([0, 1], [1, 1], ["a"], None),
        ([0, 1], [1, 1], ["a", "b"], [1.0]),
        ([0, 1, 1], [[0.5, 0.5], [0.5, 0.5]], ["a", "b", "b"], None),
    ],
)
def test_different_lengths_are_refused(labels, preds, groups, weight):
    """One value per sample, in every argument."""
    with pytest.raises(InputError, match="must have the same length"):
        GroupConfusion.of(labels, preds, groups, sample_weight=weight)


@pytest.mark.parametrize("gap", [np.nan, None, pd.NA])
@pytest.mark.parametrize("present", [1, "yes"])
@pytest.mark.parametrize("side", ["labels", "preds"])
def test_missing_values_are_refused(gap, present, side):
    """A missing label or prediction is an error beside numbers and beside text."""
    arguments = {"labels": [present, present], "preds": [present, present], side: [present, gap]}
    with pytest.raises(InputError, match=f"'{side}' must not be missing"):
        GroupConfusion.of(arguments["labels"], arguments["preds"], ["a", "b"])


def test_the_row_of_the_first_missing_label_is_named():
    """The message helps to find it."""
    with pytest.raises(InputError, match="2 missing values, the first at row 1"):
        GroupConfusion.of([0, np.nan, np.nan], [0, 0, 0], ["a"] * 3)


@pytest.mark.parametrize("preds", [[0.3, 0.7], np.array([0.3, 1.0], dtype=np.float32), [[0.3], [0.7]], [1, 0.5]])
@pytest.mark.parametrize("labels", [[0, 1], [0.0, 1.0], [False, True]])
@pytest.mark.parametrize("classes", [None, [0, 1]])
def test_scores_are_no_decisions(labels, preds, classes):
    """Continuous predictions are an error and never classes of their own."""
    with pytest.raises(InputError, match="decisions"):
        GroupConfusion.of(labels, preds, ["a", "b"], classes=classes)


def test_a_continuous_target_is_no_class():
    """A regression target is an error instead of a table of billions of cells."""
    target = np.random.default_rng(0).normal(size=100)
    with pytest.raises(InputError, match="'labels' must be classes; got 100 different"):
        GroupConfusion.of(target, target, ["a"] * 100)


@pytest.mark.parametrize("value", [2, -1, 10**18, 0.5])
@pytest.mark.parametrize("side", ["labels", "preds"])
def test_a_value_that_is_no_class_is_refused(value, side):
    """The message shows the value and the classes."""
    arguments = {"labels": [0, 1], "preds": [0, 1], side: [0, value]}
    with pytest.raises(InputError, match=rf"'{side}' must be among the classes 0, 1; got {value}"):
        GroupConfusion.of(arguments["labels"], arguments["preds"], ["a", "b"], classes=[0, 1])


@pytest.mark.parametrize("value", ["maybe", "a", "zz"])
def test_a_text_that_is_no_class_is_refused(value):
    """Texts before, between and after the classes are all found out."""
    with pytest.raises(InputError, match=rf"'preds' must be among the classes 'no', 'yes'; got '{value}'"):
        GroupConfusion.of(["no", "yes"], ["no", value], ["a", "b"], classes=["no", "yes"])


@pytest.mark.parametrize(("labels", "preds"), [([0, 1], ["0", "1"]), (["0", "1"], [0, 1]), (["0", "1"], [0.0, 1.0])])
@pytest.mark.parametrize("classes", [None, [0, 1], ["0", "1"]])
def test_text_and_numbers_are_different_classes(labels, preds, classes):
    """A file read as text on one side is an error, not a table of zeros."""
    with pytest.raises(InputError, match="must"):
        GroupConfusion.of(labels, preds, ["a", "b"], classes=classes)


def test_labels_of_several_types_are_refused():
    """Numbers and text in one column are an error that names both types."""
    with pytest.raises(InputTypeError, match="'labels' must be of one type; got int and str"):
        GroupConfusion.of([1, "a"], [1, "a"], ["a", "b"])


@pytest.mark.parametrize("weight", [[1, -1], [np.nan, 1], [np.inf, 1], [None, 1]])
def test_weights_that_are_negative_or_not_finite_are_refused(weight):
    """Weights are finite and at least 0."""
    with pytest.raises(InputError, match="'sample_weight' must be finite and not negative"):
        GroupConfusion.of([0, 1], [1, 1], ["a", "b"], sample_weight=weight)


def test_weights_that_are_text_are_refused():
    """Weights are numbers."""
    with pytest.raises(InputError, match="'sample_weight' must be numbers"):
        GroupConfusion.of([0, 1], [1, 1], ["a", "b"], sample_weight=["x", "y"])


def test_weights_of_zero_leave_samples_out():
    """A weight of 0 is allowed."""
    assert GroupConfusion.of([0, 1], [1, 1], ["a", "b"], sample_weight=[0, 2]).support.tolist() == [0, 2]


@pytest.mark.parametrize("preds", [3, np.zeros((2, 2, 2)), "ab"])
def test_predictions_without_one_value_per_sample_are_refused(preds):
    """A scalar, a text and a third dimension are errors."""
    with pytest.raises(InputError, match="'preds' must be one-dimensional"):
        GroupConfusion(["a", "b"], [0, 1]).update([0, 1], preds, ["a", "b"])


def test_no_samples_are_refused():
    """A table of nothing is made by the constructor, not from empty arrays."""
    with pytest.raises(InputError, match="at least one sample"):
        GroupConfusion.of([], [], [])


def test_an_error_leaves_the_table_as_it_was():
    """A refused update counts nothing."""
    table = GroupConfusion.of([0, 1], [1, 1], ["a", "b"])
    with pytest.raises(InputError):
        table.update([0, 1], [1, 2], ["a", "b"])
    assert table.counts.sum() == 2
