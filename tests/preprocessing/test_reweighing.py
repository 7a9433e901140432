"""Reweighing makes label and group independent, and says where it cannot."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from mxfair import Groups
from mxfair._validation import InputError
from mxfair.preprocessing import Reweighing
from mxfair.preprocessing._base import load_step


def sample(n=3000, classes=2, groups=2, seed=0):
    """Return dependent labels and groups."""
    rng = np.random.default_rng(seed)
    z = rng.integers(0, groups, n)
    y = (rng.random(n) * classes * (0.7 + 0.3 * (z + 1) / groups)).astype(int)
    return y, z


def joint(y, z, weight):
    """Return the weighted joint distribution."""
    table = np.zeros((y.max() + 1, z.max() + 1))
    np.add.at(table, (y, z), weight)
    return table / table.sum()


@pytest.mark.parametrize(("classes", "groups"), [(2, 2), (3, 4)])
def test_weighted_label_and_group_are_independent(classes, groups):
    """The weighted joint distribution is the product of the old margins, which stay."""
    y, z = sample(classes=classes, groups=groups)
    weight = Reweighing().fit(y, z).weights(y, z)
    before, after = joint(y, z, np.ones(len(y))), joint(y, z, weight)
    np.testing.assert_allclose(after, np.outer(before.sum(1), before.sum(0)), atol=1e-12)
    assert np.abs(before - after).max() > 0.01
    assert weight.mean() == pytest.approx(1)


def test_published_example():
    """The paper's ten applicants: .75 and 2 for men, 1.5 and .67 for women."""
    sex = list("mmmmmfffff")
    label = ["+", "+", "+", "+", "-", "+", "+", "-", "-", "-"]
    step = Reweighing().fit(label, sex)
    by_cell = {
        (str(y), z): step.cell_weights_[i, j]
        for i, y in enumerate(step.classes_)
        for j, z in enumerate(step.group_names_)
    }
    expected = {("+", "m"): 0.75, ("-", "m"): 2.0, ("+", "f"): 1.5, ("-", "f"): 2 / 3}
    assert by_cell == pytest.approx(expected)


def test_same_as_the_controller_of_the_sampler():
    """Shares of ReweighingController over shares of the data are the weights."""
    pytest.importorskip("mxnet")
    from mxfair.data import SampleWeights

    y, z = sample(classes=3, groups=3)
    static = SampleWeights(y, z, "equalized_odds", controller="reweighing")
    static.update()
    np.testing.assert_allclose(Reweighing().fit(y, z).cell_weights_, static.weights, rtol=1e-9)


def test_survey_weights_count():
    """A sample of weight 3 is three samples."""
    y, z = sample(200)
    weight = np.arange(200) % 4
    rows = np.repeat(np.arange(200), weight)
    one = Reweighing().fit(y, z, sample_weight=weight)
    np.testing.assert_allclose(one.cell_weights_, Reweighing().fit(y[rows], z[rows]).cell_weights_)


def test_several_attributes_are_crossed():
    """Each combination is a group."""
    y, z = sample(400)
    other = np.arange(400) % 2
    step = Reweighing().fit(y, {"sex": z, "old": other})
    assert list(step.group_names_) == ["0 & 0", "0 & 1", "1 & 0", "1 & 1"]
    weight = step.weights(y, pd.DataFrame({"sex": z, "old": other}))
    after = joint(y, z * 2 + other, weight)
    np.testing.assert_allclose(after, np.outer(after.sum(1), after.sum(0)), atol=1e-12)


def test_unknown_groups_weigh_one_and_are_told():
    """Missing groups have weight 1, change no other weight, and are counted in a warning."""
    y, z = sample(500)
    known = Reweighing().fit(y, z)
    groups = np.array(["01"[v] for v in z] + [None] * 40, dtype=object)
    labels = np.concatenate([y, np.ones(40, int)])
    step = Reweighing().fit(labels, groups)
    np.testing.assert_array_equal(step.cell_weights_, known.cell_weights_)
    with pytest.warns(UserWarning, match="40 samples of unknown"):
        weight = step.weights(labels, groups)
    assert (weight[500:] == 1).all()
    with pytest.warns(UserWarning, match="1 sample of unknown or new group"):
        assert step.weights([1], ["new"]).tolist() == [1.0]


def test_an_empty_cell_is_told():
    """No weight can fill it; later samples of it have weight 1 and a warning."""
    with pytest.warns(UserWarning, match="label 1 in group 'b'"):
        step = Reweighing().fit([0, 1, 0, 0], list("aabb"))
    assert np.isnan(step.cell_weights_[1, 1])
    with pytest.warns(UserWarning, match="1 of cells that were empty"):
        assert step.weights([1, 1], ["b", "a"]).tolist() == [1.0, step.cell_weights_[1, 0]]


@pytest.mark.parametrize("kind", ["int64", "int8", "float32", "bool", "text", "object"])
def test_labels_of_any_type(kind):
    """Types of labels make no difference."""
    y, z = sample(300)
    as_kind = np.array(["no", "yes"])[y] if kind == "text" else np.array([2, 5], object)[y] if kind == "object" else y
    as_kind = as_kind.astype(kind) if kind not in ("text", "object") else as_kind
    np.testing.assert_allclose(Reweighing().fit(as_kind, z).weights(as_kind, z), Reweighing().fit(y, z).weights(y, z))


def test_group_order_of_later_rows_does_not_matter():
    """Later rows are looked up by the groups' names."""
    step = Reweighing().fit([1, 1, 0, 1, 0, 0], list("aaabbb"))
    later = step.weights([1, 1], Groups(["b", "b"]))
    assert later.tolist() == [step.cell_weights_[1, 1]] * 2


@pytest.mark.parametrize("method", ["uniform", "preferential"])
def test_resampled_label_and_group_are_independent(method):
    """Cells of the chosen rows have the weighted sizes, rounded; the number of rows stays."""
    y, z = sample(2000, groups=3)
    step = Reweighing().fit(y, z)
    rows = step.resample(y, z, seed=0, method=method, scores=np.random.default_rng(1).random(2000))
    assert len(rows) == 2000
    assert (np.diff(rows) >= 0).all()
    assert rows.dtype == np.int64
    chosen = np.zeros((2, 3))
    np.add.at(chosen, (y[rows], z[rows]), 1)
    assert np.abs(chosen - step.counts_ * step.cell_weights_).max() < 1


def test_uniform_sampling_is_even_within_a_cell():
    """A row is kept as often as its weight says, one more or less."""
    y, z = sample(1000)
    step = Reweighing().fit(y, z)
    times = np.bincount(step.resample(y, z, seed=3), minlength=1000)
    assert np.abs(times - step.weights(y, z)).max() < 1
    total = sum(np.bincount(step.resample(y, z, seed=s), minlength=1000) for s in range(200)) / 200
    assert np.abs(total - step.weights(y, z)).max() < 0.2


def test_preferential_sampling_moves_the_boundary():
    """Cells that shrink lose the rows nearest to the boundary, cells that grow repeat them."""
    y = np.array([1, 1, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0])
    z = np.array(list("aaaaaabbbbbb"))
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.8, 0.6, 0.4, 0.3, 0.2, 0.1])
    rows = Reweighing().fit(y, z).resample(y, z, seed=0, method="preferential", scores=scores)
    times = np.bincount(rows, minlength=12)
    assert times.tolist() == [1, 1, 1, 0, 2, 1, 1, 2, 0, 1, 1, 1]


def test_the_same_seed_draws_the_same_rows():
    """A draw is fixed by its seed."""
    y, z = sample(500)
    step = Reweighing().fit(y, z)
    first, second, third = (step.resample(y, z, seed=s) for s in (0, 0, 1))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, third)


def test_saved_and_loaded(tmp_path):
    """The file holds everything; a clone holds nothing that was fitted."""
    y, z = sample(300)
    step = Reweighing().fit(y, z)
    step.save(tmp_path / "step.npz")
    again = load_step(tmp_path / "step.npz")
    np.testing.assert_array_equal(again.weights(y, z), step.weights(y, z))
    assert not hasattr(clone(step), "cell_weights_")


@pytest.mark.parametrize(
    ("labels", "groups", "message"),
    [
        ([1, 1], ["a", "b"], "two classes"),
        ([0, 1], ["a", "a"], "two known groups"),
        ([0, 1], ["a", None], "two known groups"),
        ([0, 1, 1], ["a", "b"], "same length"),
        ([0, np.nan], ["a", "b"], "not be missing"),
        (np.linspace(0, 1, 50), ["a", "b"] * 25, "regression"),
    ],
)
def test_what_cannot_be_weighed_is_refused(labels, groups, message):
    """Nothing to compare is an error, not a weight of 1."""
    with pytest.raises(InputError, match=message):
        Reweighing().fit(labels, groups)


def test_use_before_fit_and_new_labels_are_refused():
    """A weight of a label that was not fitted is not invented."""
    with pytest.raises(InputError, match="fitted first"):
        Reweighing().weights([0], ["a"])
    step = Reweighing().fit([0, 1, 0, 1], list("aabb"))
    with pytest.raises(InputError, match="among the fitted classes, 0, 1; got 2"):
        step.weights([2], ["a"])
    with pytest.raises(InputError, match="scores"):
        step.resample([0, 1], ["a", "b"], seed=0, method="preferential")


def test_no_warning_where_all_is_known():
    """The usual case is quiet."""
    y, z = sample(300)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Reweighing().fit(y, z).weights(y, z)


def test_labels_keep_their_share_in_many_small_groups():
    """With a hundred groups of three all cells are rounded; the label that comes first is not favoured."""
    z = np.repeat(np.arange(100), 3)
    y = np.tile([0, 0, 1, 0, 1, 1], 50)
    rows = Reweighing().fit(y, z).resample(y, z, seed=0)
    assert len(rows) == 300
    assert abs(y[rows].mean() - 0.5) < 0.01
    wanted = Reweighing().fit(y, z).weights(y, z)
    for label in (0, 1):
        chosen, target = (np.bincount(z, (y == label) * w) for w in (np.bincount(rows, minlength=300), wanted))
        assert np.abs(chosen - target).max() < 1
