"""Oversampling by cell: where rows come from, how many, and what they are made of."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from mxfair import Groups
from mxfair._validation import InputError, InputTypeError
from mxfair.preprocessing._smote import NeighbourSpace, majority, neighbours
from mxfair.preprocessing.oversampling import CellSMOTE, oversample_indices


def data(sizes=(60, 25, 30, 12), width=3, seed=0):
    """Return numbers, labels and groups: cells (0, a), (0, b), (1, a), (1, b) far from each other."""
    rng = np.random.default_rng(seed)
    labels, groups = np.repeat([0, 0, 1, 1], sizes), np.repeat(["a", "b", "a", "b"], sizes)
    X = rng.normal(size=(sum(sizes), width)) + 100 * labels[:, None] + 1000 * (groups == "b")[:, None]
    order = rng.permutation(len(X))
    return X[order], labels[order], groups[order]


def counts(labels, groups):
    """Return the table of rows by label and group."""
    return pd.crosstab(np.asarray(labels), np.asarray(groups)).to_numpy()


def resampled(X, labels, groups, **options):
    """Return a fitted CellSMOTE and its output."""
    smote = CellSMOTE(**{"seed": 0, **options})
    return smote, *smote.fit_resample(X, labels, groups)


def test_equal_cells_are_as_large_as_the_largest():
    """Strategy "equal" fills every cell to the largest one."""
    X, labels, groups = data()
    _, _, y, g = resampled(X, labels, groups)
    assert (counts(y, g) == 60).all()


def test_labels_within_groups_have_equal_base_rates():
    """Every group has as many rows of each label as of its largest."""
    X, labels, groups = data()
    _, _, y, g = resampled(X, labels, groups, sampling_strategy="labels within groups")
    assert counts(y, g).tolist() == [[60, 25], [60, 25]]


def test_base_rates_are_those_of_the_whole_data():
    """Strategy "base rates" gives each group the shares of labels of the whole data, with the fewest new rows."""
    labels, groups = np.repeat([0, 0, 1, 1], [60, 30, 20, 40]), np.repeat(["a", "b", "a", "b"], [60, 30, 20, 40])
    rows = oversample_indices(labels, groups, "base rates", seed=0)
    # P(y = 0) = 90 / 150 = .6; group a needs 100 rows for its 60, group b 100 for its 40
    assert counts(labels[rows], groups[rows]).tolist() == [[60, 60], [40, 40]]


def test_a_mapping_fills_the_named_cells_only():
    """Counts by (label, group) are reached exactly; other cells stay."""
    X, labels, groups = data()
    _, _, y, g = resampled(X, labels, groups, sampling_strategy={(1, "b"): 31})
    assert counts(y, g).tolist() == [[60, 25], [30, 31]]


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ({(1, "b"): 5}, "at least the 12 rows"),
        ({(2, "b"): 50}, "must be cells of the data"),
        ({(1, "c"): 50}, "must be cells of the data"),
        ("equal cells", "Did you mean 'equal'"),
    ],
)
def test_impossible_counts_are_refused(strategy, message):
    """A count below what is there, an unknown cell and an unknown word say what is allowed."""
    X, labels, groups = data()
    with pytest.raises(InputError, match=message):
        resampled(X, labels, groups, sampling_strategy=strategy)
    with pytest.raises(InputTypeError, match="pairs"):
        oversample_indices(labels, groups, {"b": 50})


def test_an_empty_cell_is_named():
    """A cell without rows cannot be filled: the error says which."""
    with pytest.raises(InputError, match="label 1 in group 'b'"):
        oversample_indices([0, 1, 0], ["a", "a", "b"])


def test_rows_given_come_first_and_unchanged():
    """The training rows are the first rows, flagged as not synthetic."""
    X, labels, groups = data()
    smote, rows, y, g = resampled(X, labels, groups)
    assert np.array_equal(rows[: len(X)], X)
    assert np.array_equal(y[: len(X)], labels)
    assert np.array_equal(g[: len(X)], groups)
    assert np.array_equal(smote.synthetic_, np.arange(len(rows)) >= len(X))
    assert smote.counts_["after"].sum() == len(rows)


def test_synthetic_rows_lie_on_lines_to_neighbours_of_their_cell():
    """A synthetic row is x + u (x_nn - x), with x_nn among the k nearest other rows of the cell by brute force."""
    X, labels, groups = data()
    smote, rows, y, g = resampled(X, labels, groups, k_neighbors=4)
    assert smote.synthetic_.any()
    factors = []
    for new in np.flatnonzero(smote.synthetic_):
        start = smote.sample_indices_[new]
        cell = np.flatnonzero((labels == labels[start]) & (groups == groups[start]))
        assert (y[new], g[new]) == (labels[start], groups[start])
        distance = ((X[cell] - X[start]) ** 2).sum(axis=1)
        near = X[cell[np.argsort(distance)[1:5]]]
        step, way = rows[new] - X[start], near - X[start]
        factor = (way @ step) / (way**2).sum(axis=1)
        off = np.abs(way * factor[:, None] - step).max(axis=1)
        assert off.min() < 1e-9
        factors.append(factor[off.argmin()])
    assert 0 <= min(factors) <= max(factors) <= 1
    assert np.mean(factors) == pytest.approx(0.5, abs=0.12)


def test_rows_start_as_often_as_any_other_or_once_more():
    """The starts of a cell are spread evenly, as N / 100 per row in the paper."""
    X, labels, groups = data()
    smote, *_ = resampled(X, labels, groups)
    used = np.bincount(smote.sample_indices_[smote.synthetic_], minlength=len(X))
    for cell in ((0, "b"), (1, "a"), (1, "b")):
        inside = used[(labels == cell[0]) & (groups == cell[1])]
        assert inside.max() - inside.min() <= 1
    assert used[(labels == 0) & (groups == "a")].sum() == 0


def test_categories_follow_the_rule_of_section_6_1():
    """Distance: the numbers', plus the squared median of standard deviations for each differing category."""
    rng = np.random.default_rng(1)
    numbers, levels = rng.normal(size=(40, 3)) * [1, 2, 5], rng.integers(0, 3, (40, 2)).astype(np.int32)
    space = NeighbourSpace(numbers, levels, standardize=False)
    members = np.arange(40)
    near, places = neighbours(space, members, members[:10], 6, None, rng)
    median = np.median(numbers.std(axis=0))
    squares = ((numbers[:10, None] - numbers[None]) ** 2).sum(axis=2)
    squares += median**2 * (levels[:10, None] != levels[None]).sum(axis=2)
    squares[np.arange(10), np.arange(10)] = np.inf
    assert np.array_equal(near[places], np.argsort(squares, axis=1)[:, :6])


def test_the_papers_example_of_distances():
    """Chawla et al., section 6.1: 1 2 3 A B C and 4 6 5 A D E differ in two categories, 3 5 6 A B K in one."""
    numbers = np.array([[1.0, 2, 3], [4, 6, 5], [3, 5, 6]])
    levels = np.array([[0, 0, 0], [0, 1, 1], [0, 0, 2]], dtype=np.int32)
    space = NeighbourSpace(numbers, levels, standardize=False)
    median = 1.7
    matrix = np.c_[space.matrix(np.arange(3)), space.one_hot(np.arange(3), median)]
    square = ((matrix[0] - matrix) ** 2).sum(axis=1)
    assert square[1] == pytest.approx(3**2 + 4**2 + 2**2 + 2 * median**2)
    assert square[2] == pytest.approx(2**2 + 3**2 + 3**2 + median**2)


def test_the_level_of_most_neighbours_wins_and_the_nearest_breaks_ties():
    """The mode of the neighbours, taken from a row that has it."""
    levels = np.array([[0], [1], [1], [2]], dtype=np.int32)
    assert majority(levels, np.array([[0, 1, 2], [3, 0, 1]])).tolist() == [[1], [3]]


def test_data_frames_keep_their_types():
    """Numbers, whole numbers, nullable ones, categories, text and bool come out as they went in."""
    X, labels, groups = data()
    frame = pd.DataFrame(
        {
            "float": X[:, 0].astype(np.float32),
            "whole": (10 * X[:, 1]).astype(np.int16),
            "nullable": pd.array((10 * X[:, 2]).astype(int), dtype="Int64"),
            "text": np.where(groups == "a", "x", "y"),
            "kind": pd.Categorical(np.where(labels, "v", "u"), categories=["w", "v", "u"]),
            "flag": labels == 1,
        },
        index=np.arange(len(X))[::-1],
    )
    _, rows, y, g = resampled(frame, pd.Series(labels, name="y"), pd.Series(groups, dtype="category"))
    assert rows.dtypes.equals(frame.dtypes)
    assert rows.index.equals(pd.RangeIndex(len(rows)))
    assert rows.iloc[: len(X)].reset_index(drop=True).equals(frame.reset_index(drop=True))
    assert isinstance(y, pd.Series)
    assert y.name == "y"
    assert g.dtype == "category"
    # each cell has one level of each category: the synthetic rows have it too
    assert (rows["text"] == np.where(np.asarray(g) == "a", "x", "y")).all()
    assert (rows["flag"] == (y == 1)).all()
    assert (rows["kind"] == np.where(y, "v", "u")).all()


def test_a_missing_category_is_a_level():
    """Missing text neither fails nor becomes text."""
    X, labels, groups = data()
    frame = pd.DataFrame({"a": X[:, 0], "b": np.where(labels, "x", None)})
    _, rows, y, _ = resampled(frame, labels, groups)
    assert (rows["b"].isna() == (y == 0)).all()


@pytest.mark.parametrize("kind", [np.float32, np.int64])
def test_arrays_keep_their_type(kind):
    """float32 stays float32, whole numbers are rounded."""
    X, labels, groups = data()
    _, rows, *_ = resampled((10 * X).astype(kind), labels, groups)
    assert rows.dtype == kind


def test_categorical_columns_of_an_array_are_named_by_place():
    """A column given as categorical holds no value that was not there."""
    X, labels, groups = data()
    X[:, 2] = np.random.default_rng(0).integers(0, 4, len(X)) * 7
    _, rows, *_ = resampled(X, labels, groups, categorical_features=[2])
    assert set(np.unique(rows[:, 2])) == {0, 7, 14, 21}
    _, mixed, *_ = resampled(X.astype(object), labels, groups, categorical_features=[2])
    assert np.array_equal(mixed.astype(float), rows)
    with pytest.raises(InputError, match="among the columns"):
        resampled(X, labels, groups, categorical_features=["age"])


def test_small_cells_use_fewer_neighbours_and_say_so():
    """A cell of three rows has two neighbours; one of a single row is repeated."""
    X, labels, groups = data((20, 3, 20, 1))
    with pytest.warns(UserWarning, match="cell") as caught:
        _, rows, y, g = resampled(X, labels, groups)
    said = " ".join(str(w.message) for w in caught)
    assert "1 cell of one row, repeated as it is: label 1 in group 'b'" in said
    assert "1 cell with fewer than 6 rows, whose neighbours are all its other rows: label 0 in group 'b'" in said
    lone = rows[(y == 1) & (g == "b")]
    assert len(lone) == 20
    assert (lone == lone[0]).all()


def test_rows_of_unknown_group_are_left_as_they_are():
    """A missing attribute is no cell: its rows stay, none is added, and a warning says so."""
    X, labels, groups = data()
    groups = groups.astype(object)
    groups[:7] = None
    with pytest.warns(UserWarning, match="7 rows is missing: kept as they are"):
        smote, _, _, g = resampled(X, labels, groups)
    assert pd.isna(g).sum() == 7
    assert not pd.isna(g[smote.synthetic_]).any()


def test_the_unknown_group_is_no_cell_to_fill():
    """Counts cannot be asked for samples whose attribute is missing."""
    with pytest.warns(UserWarning, match="1 row is missing"), pytest.raises(InputError, match="must be cells"):
        oversample_indices([0, 1, 0, 1], ["a", None, "b", "b"], {(1, "unknown"): 5})


def test_cells_that_are_full_get_nothing():
    """Where all cells have as many rows as wanted, the data come out as they went in."""
    X, labels, groups = data((10, 10, 10, 10))
    frame = pd.DataFrame(X.round()).astype({0: "Int64", 1: "float32"}).rename(columns=str).assign(kind=groups)
    smote, rows, *_ = resampled(frame, labels, groups)
    assert not smote.synthetic_.any()
    assert rows.equals(frame)


def test_only_the_cell_itself_is_seen():
    """What other cells hold does not change a cell's synthetic rows."""
    X, labels, groups = data()
    first = resampled(X, labels, groups)
    other = X.copy()
    outside = ~((labels == 1) & (groups == "b"))
    other[outside] = np.random.default_rng(5).normal(size=(outside.sum(), X.shape[1]))
    second = resampled(other, labels, groups)
    mine = first[0].synthetic_ & (first[2] == 1) & (first[3] == "b")
    assert mine.sum() > 10
    assert np.array_equal(first[1][mine], second[1][mine])


def test_the_seed_decides():
    """Equal seeds give equal rows, others others; NumPy's global state is not touched."""
    X, labels, groups = data()
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    one, two, three = (resampled(X, labels, groups, seed=seed)[1] for seed in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, three)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_equal_rows_are_each_others_neighbours():
    """In a cell of equal rows a row is no neighbour of itself, and nothing fails."""
    X, labels, groups = data()
    X[labels == 1] = 3.0
    _, rows, y, _ = resampled(X, labels, groups)
    assert (rows[y == 1] == 3.0).all()
    space = NeighbourSpace(np.zeros((9, 1)), np.empty((9, 0), dtype=np.int32), standardize=False)
    near, places = neighbours(space, np.arange(9), np.arange(9), 5, None, np.random.default_rng(0))
    assert (near[places] != np.arange(9)[:, None]).all()


def test_large_cells_may_be_searched_in_part():
    """With max_candidates the neighbours come from a random part of the cell."""
    X, labels, groups = data((300, 100, 300, 300))
    smote, *_ = resampled(X, labels, groups, max_candidates=20, sampling_strategy={(0, "b"): 300})
    assert smote.synthetic_.sum() == 200
    space = NeighbourSpace(X, np.empty((len(X), 0), dtype=np.int32), standardize=False)
    members = np.flatnonzero((labels == 0) & (groups == "b"))
    near, _ = neighbours(space, members, members, 5, 20, np.random.default_rng(0))
    assert near.shape == (100, 5)
    assert len(np.unique(near)) <= 20
    assert np.isin(near, members).all()


def test_one_large_column_is_said():
    """A column in large units decides the distances: a warning, which standardize=True does away with."""
    X, labels, groups = data(width=5)
    X = np.random.default_rng(0).normal(size=X.shape)
    X[:, 1] *= 1e5
    with pytest.warns(UserWarning, match="column 1"):
        resampled(X, labels, groups)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        standard = resampled(X, labels, groups, standardize=True)[1]
        unit = resampled(X / X.std(axis=0), labels, groups)[1]
    assert np.allclose(standard / X.std(axis=0), unit)


def test_columns_of_zero_and_one_are_said():
    """Interpolated indicators lie between 0 and 1: a warning names them."""
    X, labels, groups = data()
    X[:, 2] = np.arange(len(X)) % 2
    with pytest.warns(UserWarning, match=r"column 2.*categorical_features"):
        resampled(X, labels, groups)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_missing_numbers_are_refused(value):
    """Neighbours of a missing number are not known."""
    X, labels, groups = data()
    X[3, 1] = value
    with pytest.raises(InputError, match="must be finite"):
        resampled(X, labels, groups)


def test_wrong_input_is_refused():
    """Lengths, categories only, a regression target and a k of 0 are errors."""
    X, labels, groups = data()
    with pytest.raises(InputError, match="same length"):
        resampled(X[:-1], labels, groups)
    with pytest.raises(InputError, match="at least one numeric column"):
        resampled(pd.DataFrame({"a": groups}), labels, groups)
    with pytest.raises(InputError, match="regression target"):
        resampled(X, X[:, 0], groups)
    with pytest.raises(InputError, match="k_neighbors"):
        resampled(X, labels, groups, k_neighbors=0)


def test_parameters_are_scikit_learns():
    """Functions clone and get_params work, and the repr shows what was changed."""
    smote = clone(CellSMOTE({(1, "b"): 50}, k_neighbors=3))
    assert smote.get_params()["k_neighbors"] == 3
    assert "k_neighbors=3" in repr(smote)


def test_text_labels_and_columns_of_groups():
    """Labels may be text, groups several columns; both come out in the type they had."""
    X, labels, groups = data()
    frame = pd.DataFrame({"sex": groups, "age": np.where(np.arange(len(X)) % 2, "old", "young")})
    text = np.where(labels, "yes", "no")
    smote, _, y, g = resampled(X, text, frame)
    assert list(g.columns) == ["sex", "age"]
    assert set(y) == {"yes", "no"}
    assert len(set(counts(y, [f"{s} {a}" for s, a in g.to_numpy()]).ravel().tolist())) == 1
    assert ("yes", "a & old") in smote.counts_.index
    _, _, _, known = resampled(X, text, Groups(frame))
    assert isinstance(known, Groups)


def test_indices_repeat_rows_evenly():
    """Plain oversampling keeps every row and repeats a cell's rows as often as each other, or once more."""
    _, labels, groups = data()
    rows = oversample_indices(labels, groups, seed=3)
    assert np.array_equal(rows[: len(labels)], np.arange(len(labels)))
    assert (counts(labels[rows], groups[rows]) == 60).all()
    used = np.bincount(rows)
    for label, group in ((0, "a"), (0, "b"), (1, "a"), (1, "b")):
        inside = used[(labels == label) & (groups == group)]
        assert inside.max() - inside.min() <= 1
    assert np.array_equal(rows, oversample_indices(labels, groups, seed=3))
    assert not np.array_equal(rows, oversample_indices(labels, groups, seed=4))


def test_a_column_of_lists_is_refused():
    """Two lists are no levels that could be counted."""
    X = pd.DataFrame({"a": [[1], [2]] * 20, "b": np.arange(40.0)})
    with pytest.raises(InputError, match="Column 'a' must hold texts or numbers"):
        CellSMOTE().fit_resample(X, [0, 1] * 20, ["a", "a", "b", "b"] * 10)
