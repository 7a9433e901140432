"""Dependence on a continuous attribute: equal to the definitions, beside what independence gives."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mxfair._validation import InputError
from mxfair.metric import dependence
from mxfair.metric.dependence import chi_square_dependence, distance_correlation, hgr

MEASURES = {
    "hgr bins": hgr,
    "hgr kde": lambda *a, **k: hgr(*a, method="kde", **k),
    "chi square": chi_square_dependence,
    "distance correlation": distance_correlation,
}
everyone = pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)


def from_matrices(x, z):
    """Return the distance correlation from its definition."""

    def centred(values):
        distances = np.abs(values[:, None] - values)
        return distances - distances.mean(0) - distances.mean(1)[:, None] + distances.mean()

    a, b = centred(x), centred(z)
    return np.sqrt((a * b).mean() / np.sqrt((a * a).mean() * (b * b).mean()))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n", [2, 3, 5, 17, 64, 201])
def test_distance_correlation_equals_its_definition(n, ties):
    """The value is that of the two matrices of distances, with ties on both sides too."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x = np.concatenate([[0, 1], rng.integers(0, 4, n - 2)]) if ties else 1e4 + rng.normal(size=n)
        z = np.concatenate([[1, 0], rng.integers(0, 3, n - 2)]) if ties else x**2 + rng.normal(size=n)
        found = distance_correlation(x, z, permutations=0).value
        assert found == pytest.approx(from_matrices(x.astype(float), z.astype(float)), rel=1e-8, abs=1e-7)


def test_distance_correlation_sees_what_correlation_does_not():
    """A parabola is uncorrelated with its argument, and depends on it."""
    z = np.linspace(-1, 1, 301)
    found = distance_correlation(z**2, z)
    assert abs(np.corrcoef(z**2, z)[0, 1]) < 1e-10
    assert found.value > 0.4
    assert found.p_value == 1 / 200


def test_distance_correlation_is_1_for_a_line():
    """Of a linear function, whatever unit and sign."""
    z = np.random.default_rng(0).normal(size=100)
    assert distance_correlation(3 - 2e5 * z, z, permutations=0).value == pytest.approx(1)


def test_the_unbiased_sums_give_the_published_test():
    """The formula's p-value is the chi-square test on the unbiased estimate, computed from the matrices."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=40)
    z = 0.4 * x + rng.normal(size=40)
    n = 40

    def centred(values):
        d = np.abs(values[:, None] - values)
        u = d - d.sum(0) / (n - 2) - d.sum(1)[:, None] / (n - 2) + d.sum() / ((n - 1) * (n - 2))
        np.fill_diagonal(u, 0)
        return u

    a, b = centred(x), centred(z)
    unbiased = (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())
    expected = stats.chi2.sf(n * unbiased + 1, 1)
    assert distance_correlation(x, z, permutations=0).p_value == pytest.approx(expected, rel=1e-9)


def test_hgr_by_bins_is_the_second_singular_value():
    """With as many bins as values, HGR of a 2 x 2 table is its phi coefficient."""
    preds, z = np.repeat([0, 0, 1, 1], [30, 10, 20, 40]), np.repeat([0, 1, 0, 1], [30, 10, 20, 40])
    found = hgr(preds, z, permutations=0)
    assert found.value == pytest.approx(np.corrcoef(preds, z)[0, 1])
    assert chi_square_dependence(preds, z, permutations=0).value == pytest.approx(found.value**2)


def test_the_contingency_bounds_hgr():
    """The mean square contingency is at least the square of HGR, on the same bins."""
    rng = np.random.default_rng(0)
    for rho in (0, 0.3, 0.9):
        z = rng.normal(size=500)
        preds = rho * z + np.sqrt(1 - rho**2) * rng.normal(size=500)
        bound = chi_square_dependence(preds, z, permutations=0).value
        assert bound >= hgr(preds, z, permutations=0).value ** 2


def test_the_contingency_equals_scipy():
    """The value times n is Pearson's chi-square, and the p-value by formula is SciPy's."""
    rng = np.random.default_rng(0)
    preds, z = rng.integers(0, 4, 300), rng.integers(0, 3, 300)
    found = chi_square_dependence(preds, z, permutations=0)
    table = np.histogram2d(preds, z, bins=[4, 3])[0]
    expected = stats.chi2_contingency(table, correction=False)
    assert 300 * found.value == pytest.approx(expected.statistic)
    assert found.p_value == pytest.approx(expected.pvalue)


@pytest.mark.parametrize("method", ["bins", "kde"])
def test_hgr_of_normal_variables_is_their_correlation(method):
    """Of a bivariate normal distribution HGR is |rho|, within what bins and kernels cost."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=20_000)
    for rho in (0.3, -0.67, 0.9):
        preds = rho * z + np.sqrt(1 - rho**2) * rng.normal(size=20_000)
        assert hgr(preds, z, method=method, permutations=0).value == pytest.approx(abs(rho), abs=0.04)


@pytest.mark.parametrize("method", ["bins", "kde"])
def test_hgr_does_not_change_with_the_scale_of_a_side(method):
    """Any increasing transformation of a side leaves it as it is."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=400)
    preds = z + rng.normal(size=400)
    first = hgr(preds, z, method=method, permutations=0).value
    assert hgr(np.exp(preds), z**3, method=method, permutations=0).value == pytest.approx(first, rel=1e-9)


@everyone
def test_independence_is_not_taken_for_dependence(measure):
    """Over independent pairs, the value is on average the floor, and p-values below .1 are about a tenth."""
    rng = np.random.default_rng(0)
    found = [measure(rng.normal(size=80), rng.normal(size=80), permutations=39) for _ in range(60)]
    assert np.mean([f.value for f in found]) == pytest.approx(np.mean([f.floor for f in found]), rel=0.1)
    assert 0.0 < np.mean([f.p_value <= 0.1 for f in found]) < 0.25


@pytest.mark.parametrize("measure", [chi_square_dependence, distance_correlation])
def test_the_floor_by_formula_is_that_of_pairings(measure):
    """Without permutations, the floor is near the mean of random pairings, and is said to come from none."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=400)
    preds = z + 3 * rng.normal(size=400)
    formula, drawn = measure(preds, z, permutations=0), measure(preds, z)
    assert (formula.permutations, drawn.permutations) == (0, 199)
    assert formula.floor == pytest.approx(drawn.floor, rel=0.1)
    assert formula.value == drawn.value


@everyone
def test_pairings_come_from_the_seed(measure):
    """The same seed gives the same floor, another one another, and global state plays no part."""
    rng = np.random.default_rng(0)
    preds, z = rng.normal(size=(2, 60))
    first = measure(preds, z, permutations=9, seed=1)
    assert measure(preds, z, permutations=9, seed=np.random.default_rng(1)) == first
    assert measure(preds, z, permutations=9, seed=2).floor != first.floor


@everyone
def test_missing_attributes_are_left_out_and_counted(measure):
    """Rows without an attribute change nothing but their count."""
    rng = np.random.default_rng(0)
    preds, z = rng.normal(size=(2, 50))
    with_gaps = np.concatenate([z, [np.nan] * 3])
    found = measure(np.concatenate([preds, [9, 9, 9]]), with_gaps, permutations=9)
    assert (found.missing, found.n_samples) == (3, 50)
    assert found.value == measure(preds, z, permutations=9).value


@everyone
@pytest.mark.parametrize("sides", [([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [0.1] * 3), ([1], [1]), ([1, 2], [np.nan] * 2)])
def test_a_constant_side_is_undefined(measure, sides):
    """NaN where one side does not vary or no sample is left, p-value included."""
    found = measure(*sides)
    assert np.isnan([found.value, found.floor, found.p_value]).all()


@everyone
def test_bad_input_is_refused(measure):
    """Missing predictions, infinite attributes and other lengths are errors."""
    with pytest.raises(InputError, match="'preds' must be finite numbers"):
        measure([np.nan, 1], [1, 2])
    with pytest.raises(InputError, match="'attribute' must be finite"):
        measure([1, 2], [np.inf, 2])
    with pytest.raises(InputError, match="must have the same length"):
        measure([1, 2, 3], [1, 2])
    with pytest.raises(InputError, match="'permutations' must be at least 0"):
        measure([1, 2], [1, 2], permutations=-1)


def test_unknown_methods_and_too_few_bins_are_refused():
    """Bins or kernels, and at least two bins."""
    with pytest.raises(InputError, match="'method' must be one of bins, kde"):
        hgr([1, 2], [1, 2], method="knn")
    with pytest.raises(InputError, match="'bins' must be at least 2"):
        hgr([1, 2], [1, 2], bins=1)


def test_every_public_name_is_tested_here():
    """The table above covers the module."""
    assert set(dependence.__all__) == {"Dependence", "chi_square_dependence", "distance_correlation", "hgr"}
