"""The disparate-impact remover makes groups agree, with the map of the training rows."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp
from sklearn.base import clone

from mxfair._validation import InputError
from mxfair.preprocessing import DisparateImpactRemover
from mxfair.preprocessing._base import load_step


def sample(n=3000, groups=2, seed=0):
    """Return features whose distributions differ in place, width and shape."""
    rng = np.random.default_rng(seed)
    z = rng.choice(groups, n, p=np.arange(1, groups + 1) / np.arange(1, groups + 1).sum())
    X = np.column_stack([rng.normal(2 * z, 1 + z), rng.gamma(2 + z), rng.normal(0, 1, n)])
    return X, z


@pytest.mark.parametrize("groups", [2, 3])
@pytest.mark.parametrize("target", ["median", "barycenter"])
def test_published_formula(groups, target):
    """A training value of rank i of n becomes the median (or weighted mean) of the groups' quantiles i / (n - 1)."""
    X, z = sample(400, groups)
    found = DisparateImpactRemover(target=target).fit(X, groups=z).transform(X, groups=z)
    shares = np.bincount(z) / len(z)
    for g in range(groups):
        for column in range(3):
            own = X[z == g, column]
            level = np.argsort(np.argsort(own)) / (len(own) - 1)
            quantiles = np.array([np.quantile(X[z == other, column], level) for other in range(groups)])
            expected = np.median(quantiles, axis=0) if target == "median" else shares @ quantiles
            np.testing.assert_allclose(found[z == g, column], expected, atol=1e-10)


def test_full_repair_makes_distributions_agree():
    """At repair_level 1 no test tells the groups apart, on held-out rows either; before, all do."""
    X, z = sample(6000)
    train, test = slice(0, 4000), slice(4000, None)
    step = DisparateImpactRemover().fit(X[train], groups=z[train])
    for part, least in ((train, 0.9), (test, 0.01)):
        repaired = step.transform(X[part], groups=z[part])
        for column in range(2):
            assert ks_2samp(X[part][z[part] == 0, column], X[part][z[part] == 1, column]).pvalue < 1e-6
            assert ks_2samp(repaired[z[part] == 0, column], repaired[z[part] == 1, column]).pvalue > least


def test_no_repair_is_the_identity():
    """At repair_level 0 nothing changes, not even by rounding."""
    X, z = sample()
    np.testing.assert_array_equal(DisparateImpactRemover(0.0).fit(X, groups=z).transform(X, groups=z), X)


def test_level_interpolates_and_may_change_after_fit():
    """Half a repair is half way, and needs no new fit."""
    X, z = sample()
    step = DisparateImpactRemover().fit(X, groups=z)
    full = step.transform(X, groups=z)
    half = step.set_params(repair_level=0.5).transform(X, groups=z)
    np.testing.assert_allclose(half, (X + full) / 2, atol=1e-12)


@pytest.mark.parametrize("level", [0.3, 1.0])
def test_order_inside_a_group_is_kept(level):
    """Larger values stay larger, on new rows and beyond the fitted range too."""
    X, z = sample()
    step = DisparateImpactRemover(level).fit(X, groups=z)
    grid = np.sort(np.random.default_rng(1).uniform(-30, 30, 5000))[:, None].repeat(3, axis=1)
    for g in (0, 1):
        assert np.diff(step.transform(grid, groups=np.full(5000, g)), axis=0).min() > -1e-12


def test_one_row_at_a_time():
    """A row alone becomes what it becomes among others."""
    X, z = sample()
    step = DisparateImpactRemover().fit(X[:2000], groups=z[:2000])
    alone = np.vstack([step.transform(X[i : i + 1], groups=z[i : i + 1]) for i in range(2000, 2050)])
    np.testing.assert_array_equal(alone, step.transform(X, groups=z)[2000:2050])


def test_beyond_the_fitted_range_values_shift_as_the_end_does():
    """There is no wall: a value far out moves as far as the largest fitted one."""
    X, z = np.array([[0.0], [1.0], [10.0], [13.0]]), [0, 0, 1, 1]
    step = DisparateImpactRemover().fit(X, groups=z)
    assert step.transform([[1.0], [2.0], [-5.0]], groups=[0, 0, 0]).ravel().tolist() == [7.0, 8.0, 0.0]


def test_ties_stay_equal_and_are_told():
    """Equal values get the mean of the quantiles that they cover, with a warning."""
    X = np.array([[0.0], [0.0], [1.0], [4.0], [5.0], [6.0]])
    with pytest.warns(UserWarning, match=r"x0 \(67%\)"):
        step = DisparateImpactRemover().fit(X, groups=list("aaabbb"))
    np.testing.assert_allclose(step.transform(X, groups=list("aaabbb")).ravel(), [2.25, 2.25, 3.5, 2, 2.5, 3.5])
    with pytest.warns(UserWarning, match="same value"):
        step = DisparateImpactRemover().fit([[3.0], [3.0], [5.0], [5.0]], groups=list("aabb"))
    assert step.transform([[3.0], [5.0], [3.5]], groups=list("aba")).ravel().tolist() == [4.0, 4.0, 4.5]


def test_a_group_of_one_row():
    """It moves to the middle of the others' distribution."""
    step = DisparateImpactRemover(target="barycenter").fit([[0.0], [1.0], [2.0], [9.0]], groups=list("aaab"))
    assert step.transform([[9.0]], groups=["b"])[0, 0] == pytest.approx(0.75 * 1 + 0.25 * 9)


def test_barycenter_keeps_the_mean_and_moves_least():
    """The overall mean of the fitted rows stays, and the squared movement is below the median target's."""
    rng = np.random.default_rng(3)
    z = np.repeat([0, 1, 2], [100, 300, 600])
    X = rng.normal(z, 1 + z)[:, None]
    moved = {}
    for target in ("median", "barycenter"):
        found = DisparateImpactRemover(target=target).fit(X, groups=z).transform(X, groups=z)
        moved[target] = ((found - X) ** 2).mean()
        if target == "barycenter":
            assert found.mean() == pytest.approx(X.mean(), abs=0.01)
    assert moved["barycenter"] < moved["median"]


def test_few_stored_quantiles_are_close():
    """With 101 quantiles of 6,000 rows the repair is nearly the exact one."""
    X, z = sample(6000)
    exact = DisparateImpactRemover(n_quantiles=6000).fit(X, groups=z).transform(X, groups=z)
    step = DisparateImpactRemover(n_quantiles=101).fit(X, groups=z)
    assert step.knots_.shape == (3, 3, 101)
    assert np.abs(step.transform(X, groups=z) - exact).mean() < 0.02


def test_unknown_groups_take_the_map_of_all_rows():
    """They are told, mapped with the distribution of everybody, and count for nothing in fit."""
    X, z = sample(1000)
    names = np.array(["a", "b", None], dtype=object)
    with_unknown = np.concatenate([z, [2] * 50])
    rows = np.vstack([X, X[:50] + 1000])
    step = DisparateImpactRemover().fit(rows, groups=names[with_unknown])
    np.testing.assert_array_equal(step.knots_, DisparateImpactRemover().fit(X, groups=names[z]).knots_)
    with pytest.warns(UserWarning, match="2 samples of unknown or new group"):
        found = step.transform(np.tile(np.median(X, axis=0), (2, 1)), groups=["new", None])
    middle = np.median([np.median(X[z == g], axis=0) for g in (0, 1)], axis=0)
    np.testing.assert_allclose(found[0], middle, atol=0.01)


def test_sensitive_columns_and_chosen_columns():
    """Sensitive columns of X make the groups and leave; columns= chooses what is repaired."""
    X, z = sample()
    frame = pd.DataFrame(X, columns=list("abc"))
    frame.insert(1, "sex", np.array(["f", "m"])[z])
    step = DisparateImpactRemover(sensitive=["sex"], columns=["b"]).set_output(transform="pandas").fit(frame)
    found = step.transform(frame)
    full = DisparateImpactRemover().fit(X, groups=z).transform(X, groups=z)
    assert list(found.columns) == ["a", "b", "c"]
    np.testing.assert_array_equal(found["a"], X[:, 0])
    np.testing.assert_allclose(found["b"], full[:, 1])
    array = np.column_stack([X[:, :1], z, X[:, 1:]])
    by_place = DisparateImpactRemover(sensitive=[1], columns=[2]).fit(array)
    np.testing.assert_allclose(by_place.transform(array), found.to_numpy())
    with pytest.raises(InputError, match="not sensitive"):
        DisparateImpactRemover(sensitive=[1], columns=[1]).fit(array)


@pytest.mark.parametrize("level", [0.4, 1.0])
def test_block_agrees_with_transform(level):
    """Within, between and beyond the stored quantiles, hybridized too, for unknown groups and single rows."""
    mx = pytest.importorskip("mxnet")
    X, z = sample(1500, 3)
    X[:200, 1] = 2.5  # a tie
    step = DisparateImpactRemover(level, columns=[0, 1], n_quantiles=300)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        step.fit(X, groups=z)
        rows = np.vstack([X, np.random.default_rng(1).uniform(-20, 40, (200, 3))])
        groups = np.concatenate([z, np.arange(200) % 4])
        expected = step.transform(rows, groups=groups)
    block = step.as_block()
    for _ in range(2):
        found = block(mx.nd.array(rows), mx.nd.array(groups)).asnumpy()
        np.testing.assert_allclose(found, expected, atol=2e-4)
        block.hybridize()
    dataset = mx.gluon.data.ArrayDataset(rows[:1500].astype("float32"), z.astype("float32"), z.astype("float32"))
    dataset = dataset.transform(lambda data, label, group: (block(data, group), label, group))
    np.testing.assert_allclose(dataset[7][0].asnumpy(), expected[7], atol=2e-4)
    np.testing.assert_array_equal(
        block(mx.nd.array(rows[-4:]), mx.nd.array([-1] * 4)).asnumpy(),
        block(mx.nd.array(rows[-4:]), mx.nd.array([3] * 4)).asnumpy(),
    )


def test_saved_and_cloned(tmp_path):
    """The file holds the whole step; a clone is unfitted."""
    X, z = sample()
    step = DisparateImpactRemover(0.7, target="barycenter").fit(X, groups=z)
    step.save(tmp_path / "step.npz")
    np.testing.assert_array_equal(load_step(tmp_path / "step.npz").transform(X, groups=z), step.transform(X, groups=z))
    with pytest.raises(InputError, match="fitted first"):
        clone(step).transform(X, groups=z)


@pytest.mark.parametrize(
    ("options", "fit", "message"),
    [
        ({"repair_level": 1.5}, {"groups": [0, 1, 0]}, "between 0 and 1"),
        ({"target": "mean"}, {"groups": [0, 1, 0]}, "one of median, barycenter"),
        ({"n_quantiles": 1}, {"groups": [0, 1, 0]}, "at least 2"),
        ({}, {}, "sensitive attribute"),
        ({}, {"groups": [0, 0, 0]}, "two known groups"),
        ({}, {"groups": [0, 1]}, "same length"),
        ({"columns": [5]}, {"groups": [0, 1, 0]}, "name columns of X"),
    ],
)
def test_bad_input_is_refused(options, fit, message):
    """Each mistake has its sentence."""
    with pytest.raises(InputError, match=message):
        DisparateImpactRemover(**options).fit(np.arange(6.0).reshape(3, 2), **fit)


def test_quiet_where_nothing_is_tied():
    """Continuous features of known groups give no warning."""
    X, z = sample(300)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DisparateImpactRemover().fit(X, groups=z).transform(X, groups=z)


def test_one_column_may_be_named_by_a_numpy_integer():
    """A place that comes from an array is a place."""
    X = np.arange(12.0).reshape(6, 2)
    step = DisparateImpactRemover(columns=np.int64(1)).fit(X, groups=list("aabbab"))
    assert step.columns_ == [1]


def test_the_warning_of_unknown_groups_points_at_the_caller():
    """Not at scikit-learn, which wraps transform."""
    X = np.arange(12.0).reshape(6, 2)
    step = DisparateImpactRemover().fit(X, groups=list("aabbab"))
    with pytest.warns(UserWarning, match="unknown or new group") as found:
        step.transform(X, groups=list("aabbac"))
    assert found[0].filename == __file__


def test_the_block_takes_the_codes_of_the_step():
    """`group_codes` numbers groups as the block wants them; a new group is none of them."""
    X, groups = np.array([[1.0], [2.0], [3.0], [5.0], [6.0], [7.0]]), list("bbbaaa")
    step = DisparateImpactRemover().fit(X, groups=groups)
    assert step.group_codes(["b", "a", "c", None]).tolist() == [1, 0, -1, -1]
    mx = pytest.importorskip("mxnet")
    block = step.as_block()(mx.nd.array(X), mx.nd.array(step.group_codes(groups)))
    np.testing.assert_allclose(block.asnumpy(), step.transform(X, groups=groups), rtol=1e-6)
