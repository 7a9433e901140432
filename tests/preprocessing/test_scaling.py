"""Scalers and transforms give what scikit-learn's give, in files and blocks too."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn.utils
from scipy.special import ndtri
from sklearn import preprocessing as peer

from mxfair import preprocessing as ours
from mxfair._validation import InputError
from mxfair.preprocessing import load_step

#: Every step with several settings; the same are given to scikit-learn.
SETTINGS = [
    ("StandardScaler", {}),
    ("StandardScaler", {"with_mean": False}),
    ("StandardScaler", {"with_std": False}),
    ("StandardScaler", {"with_mean": False, "with_std": False}),
    ("MinMaxScaler", {}),
    ("MinMaxScaler", {"feature_range": (-2, 3), "clip": True}),
    ("MaxAbsScaler", {}),
    ("RobustScaler", {}),
    ("RobustScaler", {"quantile_range": (10.0, 80.0), "unit_variance": True}),
    ("RobustScaler", {"with_centering": False, "with_scaling": False}),
    ("Normalizer", {}),
    ("Normalizer", {"norm": "l1"}),
    ("Normalizer", {"norm": "max"}),
    ("PowerTransformer", {}),
    ("PowerTransformer", {"standardize": False}),
    ("PowerTransformer", {"method": "box-cox"}),
    ("QuantileTransformer", {"n_quantiles": 60, "random_state": 0}),
    ("QuantileTransformer", {"n_quantiles": 60, "output_distribution": "normal", "random_state": 0}),
    ("QuantileTransformer", {"n_quantiles": 20, "subsample": 100, "random_state": 3}),
]
settings = pytest.mark.parametrize(("name", "options"), SETTINGS)


def table(seed, *, name="", n=400):
    """Return normal, skewed, discrete and constant columns, with gaps where the step takes them."""
    rng = np.random.default_rng(seed)
    columns = [rng.normal(1000, 3, n), rng.lognormal(0, 1, n), rng.integers(1, 6, n), np.full(n, 2.5)]
    array = np.stack(columns, axis=1).astype(np.float64)
    if name == "PowerTransformer":  # scikit-learn's versions part at constant columns; ours are tested below
        array = array[:, :3]
    if name != "Normalizer":
        array[:, :3][rng.random((n, 3)) < 0.1] = np.nan
    return array


def pair(name, options, X):
    """Return our step and scikit-learn's, fitted."""
    return getattr(ours, name)(**options).fit(X), getattr(peer, name)(**options).fit(X)


@settings
def test_results_are_scikit_learns(name, options):
    """Training and further rows, and the way back."""
    X, Z = table(0, name=name), table(1, name=name) * 1.3
    step, other = pair(name, options, X)
    for rows in (X, Z):
        np.testing.assert_allclose(step.transform(rows), other.transform(rows), rtol=1e-10, atol=1e-12)
    if name != "Normalizer":
        there = other.transform(X)
        np.testing.assert_allclose(step.inverse_transform(there), other.inverse_transform(there), rtol=1e-10)


@settings
def test_single_precision_stays_single(name, options):
    """A float32 array gives a float32 array, as with scikit-learn."""
    X = table(0, name=name).astype(np.float32)
    step, other = pair(name, options, X)
    assert step.transform(X).dtype == np.float32
    near = 1e-3 if name == "PowerTransformer" else 2e-5  # which has a column of mean 1000 and deviation 3
    np.testing.assert_allclose(step.transform(X), other.transform(X), rtol=near, atol=near)


@settings
def test_names_and_fitted_attributes_are_scikit_learns(name, options):
    """Whoever reads mean_, scale_, lambdas_ or quantiles_ finds them."""
    X = pd.DataFrame(table(0, name=name)).rename(columns="c{}".format)
    step, other = pair(name, options, X)
    assert list(step.get_feature_names_out()) == list(other.get_feature_names_out())
    assert list(step.feature_names_in_) == list(other.feature_names_in_)
    for key in [key for key in vars(other) if key.endswith("_") and key != "feature_names_in_"]:
        own, expected = getattr(step, key), getattr(other, key)  # None where an operation is left out
        assert own is expected or np.allclose(own, expected, rtol=1e-9, atol=0)


@settings
def test_the_way_back_survives_a_file(name, options, tmp_path):
    """inverse_transform of the stored step is that of the step, to the last bit."""
    if name == "Normalizer":
        pytest.skip("has no way back")
    X = table(0, name=name)
    step = getattr(ours, name)(**options).fit(X)
    step.save(tmp_path / "step.npz")
    there = step.transform(X)
    back = load_step(tmp_path / "step.npz").inverse_transform(there)
    np.testing.assert_array_equal(back, step.inverse_transform(there))


@settings
def test_blocks_of_all_settings_equal_transform(name, options):
    """To single precision, outside the range of the training rows too."""
    pytest.importorskip("mxnet")
    X = table(0, name=name).astype(np.float32).astype(np.float64)
    Z = np.concatenate([X, (table(1, name=name) * 1.3).astype(np.float32)])
    step = getattr(ours, name)(**options).fit(X)
    block, expected = step.as_block(), step.transform(Z)
    np.testing.assert_allclose(block(Z).asnumpy(), expected, rtol=2e-4, atol=2e-4)
    block.hybridize()
    np.testing.assert_allclose(block(Z).asnumpy(), expected, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("name", ["StandardScaler", "MinMaxScaler", "MaxAbsScaler"])
def test_fitting_in_chunks_is_scikit_learns(name):
    """partial_fit over chunks of a frame gives scikit-learn's figures, and checks the columns of each."""
    X = pd.DataFrame(table(0)).rename(columns="c{}".format)
    step, other = getattr(ours, name)(), getattr(peer, name)()
    for part in (X[:150], X[150:]):
        step.partial_fit(part)
        other.partial_fit(part)
    np.testing.assert_allclose(step.transform(X), other.transform(X), rtol=1e-9, atol=1e-9)
    with pytest.raises(InputError, match="columns"):
        step.partial_fit(X.rename(columns={"c0": "z"}))


def test_weights_count():
    """StandardScaler takes sample_weight as scikit-learn's does."""
    X, weight = table(0), np.random.default_rng(3).random(400)
    step = ours.StandardScaler().fit(X, sample_weight=weight)
    other = peer.StandardScaler().fit(X, sample_weight=weight)
    np.testing.assert_array_equal(step.transform(X), other.transform(X))


def test_max_abs_clips():
    """Values beyond those of the training rows are cut, whatever scikit-learn's version."""
    step = ours.MaxAbsScaler(clip=True).fit([[-2.0], [1.0]])
    assert step.transform([[4.0], [-9.0], [1.0]]).ravel().tolist() == [1, -1, 0.5]


@pytest.mark.parametrize("name", ["StandardScaler", "MinMaxScaler", "RobustScaler"])
def test_a_block_keeps_digits_of_large_numbers(name):
    """Years, prices and the like: a mean that single precision cannot hold costs no digits."""
    pytest.importorskip("mxnet")
    X = 1_000_000 + np.random.default_rng(0).integers(0, 16, (300, 1)) / 16.0
    step = getattr(ours, name)().fit(X)
    np.testing.assert_allclose(step.as_block()(X).asnumpy(), step.transform(X), rtol=1e-5, atol=1e-6)


def test_a_column_without_values_is_refused():
    """scikit-learn's scalers give NaN for it, and a warning."""
    with pytest.raises(InputError, match="Column 'b' must hold values; all 3 are missing"):
        ours.StandardScaler().fit(pd.DataFrame({"a": [1.0, 2, 3], "b": [np.nan] * 3}))


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (ours.MinMaxScaler((3, 1)), "feature range"),
        (ours.PowerTransformer("cube"), "method"),
        (ours.QuantileTransformer(n_quantiles=0), "n_quantiles"),
    ],
)
def test_bad_parameters_are_input_errors(step, text):
    """scikit-learn's complaints are errors of ours, so that the command line can tell them from defects."""
    with pytest.raises(InputError, match=text):
        step.fit(table(0))


def test_box_cox_needs_numbers_above_zero():
    """The column is named when fitting and transforming; the block gives NaN."""
    X = pd.DataFrame({"a": [1.0, 2, 5], "b": [1.0, 3, 4]})
    step = ours.PowerTransformer(method="box-cox").fit(X)
    with pytest.raises(InputError, match="Column 'b' must be above 0"):
        step.transform(X.assign(b=[1.0, 0, 2]))
    with pytest.raises(InputError, match="positive"):
        ours.PowerTransformer(method="box-cox").fit(X - 1)


@pytest.mark.parametrize("powers", [[0.0, 2.0, 1.0], [0.5, 0.0, 3.0]])
def test_powers_of_0_and_2_are_logarithms(powers):
    """The two exceptions of Yeo and Johnson, equation 2.1, on both sides of 0."""
    pytest.importorskip("mxnet")
    x = np.linspace(-3, 3, 30).reshape(10, 3)
    step = ours.PowerTransformer(standardize=False).fit(x)
    step.lambdas_ = np.array(powers)
    expected = np.empty_like(x)
    for place, power in enumerate(powers):
        for row, v in enumerate(x[:, place]):
            if v >= 0:
                expected[row, place] = np.log(v + 1) if power == 0 else ((v + 1) ** power - 1) / power
            else:
                expected[row, place] = -np.log(1 - v) if power == 2 else -((1 - v) ** (2 - power) - 1) / (2 - power)
    np.testing.assert_allclose(step.transform(x), expected, rtol=1e-12)
    np.testing.assert_allclose(step.as_block()(x).asnumpy(), expected, rtol=1e-5, atol=1e-6)


def test_a_constant_column_stays_constant():
    """It becomes 0, with gaps in it too, where scikit-learn finds an arbitrary power."""
    pytest.importorskip("mxnet")
    X = np.array([[2.5, 1.0], [np.nan, 2.0], [2.5, 4.0], [2.5, np.nan]])
    step = ours.PowerTransformer().fit(X)
    expected = [[0, 0, np.nan, 0], [0.5, 0.5, 0.5, 0.5]]
    for column, rows in zip(expected, (X[[0, 2, 1, 3]], np.tile([3.0, 1.0], (4, 1)))):
        np.testing.assert_allclose(step.transform(rows)[:, 0], column, atol=1e-12)
        np.testing.assert_allclose(step.as_block()(rows).asnumpy()[:, 0], column, atol=1e-6)


def test_normal_quantiles_of_the_block_are_right_in_the_tails():
    """From 1e-7 to 1 - 1e-7, where a share near 1 has no digits left in single precision."""
    mx = pytest.importorskip("mxnet")
    from mxfair.preprocessing._distribution_formulas import normal_quantile

    low = np.concatenate([np.logspace(-6.99, -0.31, 200), 1 - np.logspace(-6.99, -0.31, 200)])
    got = normal_quantile(mx.nd, mx.nd.array(low), mx.nd.array(1 - low, dtype="float64").astype("float32")).asnumpy()
    np.testing.assert_allclose(got, ndtri(low), rtol=3e-5, atol=3e-6)


def test_a_draw_of_rows_leaves_global_random_state_alone():
    """random_state=None draws afresh, and not from numpy.random."""
    X = np.random.default_rng(0).normal(size=(500, 1))
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    step = ours.QuantileTransformer(n_quantiles=10, subsample=50).fit(X)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    assert step.random_state is None
    assert step.get_params()["random_state"] is None


def test_a_normalizer_needs_no_fit():
    """Nothing is learnt; a row of 0 stays, and its gradient is finite."""
    mx = pytest.importorskip("mxnet")
    assert ours.Normalizer().transform([[3.0, 4.0], [0.0, 0.0]]).tolist() == [[0.6, 0.8], [0.0, 0.0]]
    for norm in ("l1", "l2", "max"):
        x = mx.nd.array([[0.0, 0.0], [3.0, 4.0]])
        x.attach_grad()
        with mx.autograd.record():
            out = ours.Normalizer(norm).as_block()(x)
        out.backward()
        assert np.isfinite(x.grad.asnumpy()).all()
    with pytest.raises(InputError, match="inverted"):
        ours.Normalizer().inverse_transform([[1.0]])


@pytest.mark.parametrize("name", ["StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "PowerTransformer"])
def test_copy_false_does_not_write_to_the_input(name):
    """The parameter is scikit-learn's; ours never write."""
    X = table(0)
    kept = X.copy()
    getattr(ours, name)(copy=False).fit(X).transform(X)
    np.testing.assert_array_equal(X, kept)


def test_sparse_complex_and_dates_are_refused():
    """What NumPy would turn into numbers without a word."""
    from scipy.sparse import csr_matrix

    with pytest.raises(InputError, match=r"dense; got a sparse csr_matrix. Use X.toarray\(\)"):
        ours.StandardScaler().fit(csr_matrix(np.eye(3)))
    for bad in (np.eye(3, dtype=complex), np.array([["2020-01-01"]], dtype="datetime64[D]"), [["1"]], [[1.0, "2"]]):
        with pytest.raises(InputError, match="must hold numbers"):
            ours.StandardScaler().fit(bad)


def test_nullable_columns_and_ndarrays_are_taken():
    """Int64 of pandas with NA, booleans, objects with None, and NDArrays are numbers."""
    mx = pytest.importorskip("mxnet")
    frame = pd.DataFrame({"a": pd.array([1, None, 3], dtype="Int64"), "b": [True, False, True]})
    expected = peer.StandardScaler().fit_transform([[1, 1], [np.nan, 0], [3, 1]])
    np.testing.assert_allclose(ours.StandardScaler().fit_transform(frame), expected)
    np.testing.assert_allclose(ours.StandardScaler().fit_transform(np.array([[1, 1], [None, 0], [3, 1]])), expected)
    assert ours.MaxAbsScaler().fit(mx.nd.array([[2.0], [4.0]])).transform(mx.nd.array([[1.0]])).tolist() == [[0.25]]


def test_a_block_says_what_it_takes():
    """Another width is an error of ours, not the engine's."""
    pytest.importorskip("mxnet")
    block = ours.StandardScaler().fit(np.eye(3)).as_block()
    with pytest.raises(InputError, match="must get 3 features"):
        block(np.eye(2))


def test_a_block_follows_its_net_to_half_precision():
    """net.cast changes what comes out; the step itself stays in single precision."""
    mx = pytest.importorskip("mxnet")
    net = mx.gluon.nn.HybridSequential()
    net.add(ours.StandardScaler().fit(np.eye(3) * 1000).as_block())
    net.cast("float16")
    out = net(mx.nd.array(np.eye(3) * 1000, dtype="float16"))
    assert out.dtype == np.float16
    np.testing.assert_allclose(out.asnumpy(), peer.StandardScaler().fit_transform(np.eye(3) * 1000), rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("StandardScaler", [1e39, 3e39]),
        ("StandardScaler", [0.0, 1e-39]),
        ("MinMaxScaler", [-1e39, 1e39]),
        ("QuantileTransformer", [0.0, 1e-300, 1.0]),
    ],
)
def test_a_block_beyond_single_precision_is_refused(name, column):
    """Constants that would be infinite are an error; the block gave NaN where transform gave numbers."""
    options = {"n_quantiles": 3} if name == "QuantileTransformer" else {}
    X = np.array(column)[:, None]
    step = getattr(ours, name)(**options).fit(X)
    assert np.isfinite(step.transform(X)).all()
    with pytest.raises(InputError, match="single precision"):
        step.as_block()


@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
@pytest.mark.parametrize("size", [1e-12, 1.0, 1e20, 1e30])
def test_norms_of_large_rows_are_finite_in_a_block(norm, size):
    """The square of 1e20 is not in single precision, its norm is; the gradient stays right."""
    import mxnet as mx

    step = ours.Normalizer(norm)
    X = np.array([[3.0, 4.0, -1.0], [0.0, 0.0, 2.0]]) * size
    block, x = step.as_block(), mx.nd.array(X)
    x.attach_grad()
    with mx.autograd.record():
        out = block(x)[:, 0]
    out.backward()
    np.testing.assert_allclose(block(x).asnumpy(), step.transform(X), rtol=1e-6)
    if norm == "l2":
        a, b, c = X[0] / size
        expected = np.array([b * b + c * c, -a * b, -a * c]) / 26**1.5
        np.testing.assert_allclose(x.grad.asnumpy()[0] * size, expected, rtol=1e-5)


def test_negative_weights_are_refused():
    """scikit-learn takes them, and gives a variance that is none."""
    with pytest.raises(InputError, match="'sample_weight' must be finite and not negative"):
        ours.StandardScaler().fit([[1.0], [2.0], [5.0]], sample_weight=[1, -2, 0.5])


@pytest.mark.parametrize("name", sorted({name for name, _ in SETTINGS}))
def test_the_tags_say_that_sparse_matrices_are_refused(name):
    """scikit-learn's own steps take some."""
    if not hasattr(sklearn.utils, "get_tags"):
        pytest.skip("scikit-learn has no such tags before 1.6")
    assert not sklearn.utils.get_tags(getattr(ours, name)()).input_tags.sparse
