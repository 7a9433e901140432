"""Which rows and columns members of a bagging get."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare

from mxfair import Groups
from mxfair._validation import InputError, InputTypeError
from mxfair.ensemble import BaggingClassifier, BaggingRegressor
from mxfair.ensemble._bootstrap import Strata, _shares, amount, draw_columns, draw_rows
from mxfair.estimator import GluonClassifier, GluonRegressor
from mxfair.estimator._job import TrainingData

FEW = GluonClassifier("logistic", epochs=1)


def samples(n=200, seed=0):
    """Return features, labels and groups; the cell (1, "c") holds one row."""
    rng = np.random.default_rng(seed)
    X, groups = rng.normal(size=(n, 4)).astype("float32"), rng.choice(["a", "b"], n)
    y = (rng.random(n) < np.where(groups == "a", 0.6, 0.2)).astype(int)
    y[-2:], groups[-2:] = [0, 1], "c"
    return X, y, groups


def strata(y, groups=None, stratify="cells", n_classes=2):
    """Return the strata of labels and groups."""
    known = None if groups is None else Groups(groups)
    return Strata(TrainingData(np.zeros((len(y), 1)), np.float32(y), known, None, n_classes), stratify)


def test_each_member_has_as_many_rows_of_each_cell_as_the_data() -> None:
    """A stratified bootstrap of all rows keeps the sizes of the (label, group) cells."""
    X, y, groups = samples()
    model = BaggingClassifier(FEW, 5, random_state=0).fit(X, y, groups=groups)
    cells = np.char.add(y.astype(str), groups)
    for rows in model.estimators_samples_:
        assert len(np.unique(rows)) < len(rows)
        assert np.array_equal(np.unique(cells[rows], return_counts=True), np.unique(cells, return_counts=True))


def test_a_cell_of_one_row_is_in_each_member() -> None:
    """Every member has the only row of a cell, whatever max_samples."""
    X, y, groups = samples()
    model = BaggingClassifier(FEW, 5, max_samples=20, random_state=0).fit(X, y, groups=groups)
    assert all(199 in rows and len(rows) == 20 for rows in model.estimators_samples_)


def test_labels_or_nothing_are_strata_too() -> None:
    """With stratify="label" the labels keep their numbers of rows and cells need not; with None neither."""
    X, y, groups = samples()
    for stratify, kept in (("label", True), (None, False)):
        model = BaggingClassifier(FEW, 5, stratify=stratify, random_state=0).fit(X, y, groups=groups)
        counts = {int(y[rows].sum()) for rows in model.estimators_samples_}
        assert (counts == {int(y.sum())}) == kept


def test_without_replacement_no_row_is_twice_in_a_member() -> None:
    """With bootstrap=False rows differ, in the shares of the cells."""
    _, y, groups = samples(300)
    cells = strata(y, groups)
    rows = draw_rows(np.arange(300), cells, 150, np.random.default_rng(0), replace=False)
    assert len(np.unique(rows)) == 150
    counts, drawn = np.bincount(cells.codes), np.bincount(cells.codes[rows])
    assert (np.abs(drawn - np.maximum(counts / 2, 1)) <= 1).all()


@pytest.mark.parametrize("replace", [True, False])
def test_rows_of_a_stratum_are_equally_likely(replace) -> None:
    """Over many draws the rows of a cell are drawn equally often."""
    cells, rng = strata(np.repeat([0, 1], [40, 10])), np.random.default_rng(1)
    pool = np.arange(50)
    drawn = np.concatenate([draw_rows(pool, cells, 25, rng, replace=replace) for _ in range(400)])
    counts = np.bincount(drawn, minlength=50)
    assert counts[:40].sum() == 400 * 20
    assert min(chisquare(counts[:40]).pvalue, chisquare(counts[40:]).pvalue) > 0.001


def test_rows_come_from_the_pool_only() -> None:
    """What is held out is never drawn."""
    pool = np.arange(1, 100, 2)
    rows = draw_rows(pool, strata(np.arange(100) % 3, n_classes=3), 50, np.random.default_rng(0), replace=True)
    assert np.isin(rows, pool).all()


def test_shares_add_up_and_are_within_one_of_what_is_due() -> None:
    """Strata get at least one row, the total is met, and where none is tiny each is within one of its share."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        counts = rng.integers(0, 50, size=rng.integers(1, 8))
        there = int((counts > 0).sum())
        if not there:
            continue
        total = int(rng.integers(there, counts.sum() + 1))
        sizes, exact = _shares(counts, total, "cell"), counts * total / counts.sum()
        assert sizes.sum() == total
        assert ((sizes >= 1) == (counts > 0)).all()
        assert (sizes <= counts).all()
        if exact[counts > 0].min() >= 1:
            assert (np.abs(sizes - exact) < 1).all()


def test_too_few_rows_for_the_strata_are_refused() -> None:
    """max_samples below the number of cells is an error that says how many there are."""
    X, y, groups = samples()
    with pytest.raises(InputError, match="each label x group, of which there are 6; got 5 rows"):
        BaggingClassifier(FEW, max_samples=5).fit(X, y, groups=groups)


def test_a_member_without_a_class_is_refused_before_training() -> None:
    """An unstratified sample that lacks a class is an error, and nothing is fitted."""
    X, y = np.ones((100, 2), dtype="float32"), np.repeat(["no", "yes"], [99, 1])
    model = BaggingClassifier(FEW, stratify=None, random_state=0)
    with pytest.raises(InputError, match=r"must hold class 'yes'; those of member \d do not. Use stratify='cells'"):
        model.fit(X, y)
    assert not hasattr(model, "net_")


def test_a_member_without_a_cell_is_refused_where_the_mitigation_needs_it() -> None:
    """Strata of labels that lose a (label, group) cell are an error with FairBatch and none without."""
    X, y, groups = samples()
    fair = GluonClassifier("logistic", epochs=1, mitigation="fairbatch")
    with pytest.raises(InputError, match=r"must hold class . of group 'c'"):
        BaggingClassifier(fair, stratify="label", random_state=0).fit(X, y, groups=groups)
    BaggingClassifier(FEW, stratify="label", random_state=0).fit(X, y, groups=groups)


def test_regression_is_stratified_by_group() -> None:
    """A regressor's members have as many rows of each group as the data."""
    X, _, groups = samples()
    model = BaggingRegressor(GluonRegressor("logistic", epochs=1), 4, random_state=0).fit(X, X[:, 0], groups=groups)
    for rows in model.estimators_samples_:
        assert np.array_equal(np.unique(groups[rows], return_counts=True), np.unique(groups, return_counts=True))


def test_a_regressor_without_a_group_is_refused_where_the_mitigation_needs_it() -> None:
    """Without strata a member that lacks a group is an error with FairBatch."""
    X, _, groups = samples()
    net = GluonRegressor("logistic", epochs=1, mitigation="fairbatch")
    with pytest.raises(InputError, match="must hold group 'c'"):
        BaggingRegressor(net, stratify=None, random_state=0).fit(X, X[:, 0], groups=groups)


def test_columns_are_drawn_without_or_with_replacement() -> None:
    """All columns come in order; fewer are distinct; with replacement some come twice."""
    rng = np.random.default_rng(0)
    assert draw_columns(5, 5, rng, replace=False).tolist() == [0, 1, 2, 3, 4]
    assert len(set(draw_columns(50, 25, rng, replace=False).tolist())) == 25
    assert len(set(draw_columns(50, 50, rng, replace=True).tolist())) < 50


def test_amounts_are_numbers_or_shares() -> None:
    """A whole number is itself and a share is rounded down, at least 1, as in scikit-learn."""
    assert [amount(value, 10, "n") for value in (3, 1.0, 0.55, 0.01, np.int64(10), np.float32(0.5))] == [
        3, 10, 5, 1, 10, 5,
    ]  # fmt: skip


@pytest.mark.parametrize("value", [0, 11, -1, 0.0, 1.5, float("nan")])
def test_amounts_out_of_range_are_refused(value) -> None:
    """Neither none nor more than there are."""
    with pytest.raises(InputError, match="'max_features' must be"):
        amount(value, 10, "max_features")


@pytest.mark.parametrize("value", [True, "all", None])
def test_amounts_of_other_types_are_refused(value) -> None:
    """A boolean or a text is no amount."""
    with pytest.raises(InputTypeError, match="'max_samples' must be a whole number or a share"):
        amount(value, 10, "max_samples")


def test_strata_are_named_and_checked() -> None:
    """An unknown stratify is refused with what there is, and labels of a regression are."""
    X, y, _ = samples()
    with pytest.raises(InputError, match="'stratify' must be one of cells, label"):
        BaggingClassifier(FEW, stratify="group").fit(X, y)
    with pytest.raises(InputError, match=r"'stratify' must be 'cells' \(groups\) or None for a regression"):
        BaggingRegressor(GluonRegressor("logistic", epochs=1), stratify="label").fit(X, X[:, 0])
