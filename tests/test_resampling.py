"""Resampled tables have the moments of what they stand for, and come in parts of bounded size."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mxfair import resampling
from mxfair._validation import InputError
from mxfair.resampling import multinomial_resamples, permuted_tables, poisson_resamples

COUNTS = np.array([[[30.0, 5], [0, 15]], [[20, 10], [8, 12]], [[0, 0], [0, 0]]])


def drawn_multinomial(n=20_000, seed=0):
    """Return many resampled tables."""
    return np.concatenate(list(multinomial_resamples(COUNTS, n, np.random.default_rng(seed))))


def test_multinomial_resamples_have_the_multinomials_moments():
    """Means n p and covariances n (diag p - p p') within 5 standard errors."""
    drawn, n = drawn_multinomial().reshape(20_000, -1), COUNTS.sum()
    p = COUNTS.ravel() / n
    np.testing.assert_allclose(drawn.mean(axis=0), COUNTS.ravel(), atol=5 * np.sqrt(n * 0.25 / 20_000))
    np.testing.assert_allclose(np.cov(drawn.T), n * (np.diag(p) - np.outer(p, p)), atol=5 * n * 0.25 / np.sqrt(10_000))


def test_multinomial_resamples_keep_the_number_of_samples_and_the_empty_cells():
    """Every table holds as many samples as the data, and none where the data hold none."""
    drawn = drawn_multinomial(500)
    assert (drawn.sum(axis=(1, 2, 3)) == COUNTS.sum()).all()
    assert (drawn[:, COUNTS == 0] == 0).all()


def test_multinomial_resamples_are_a_bootstrap_over_rows():
    """A group's share among resampled rows has the same distribution: means, deviations, Kolmogorov and Smirnov."""
    rng = np.random.default_rng(1)
    cells = np.repeat(np.arange(COUNTS.size), COUNTS.ravel().astype(int))
    rows = np.stack([np.bincount(rng.choice(cells, len(cells)), minlength=COUNTS.size) for _ in range(4000)])
    rows, ours = rows.reshape(-1, *COUNTS.shape), drawn_multinomial(4000)
    share = [table[:, 0, :, 1].sum(axis=1) / table[:, 0].sum(axis=(1, 2)) for table in (rows, ours)]
    assert abs(share[0].mean() - share[1].mean()) < 5 * share[0].std() / np.sqrt(2000)
    assert share[1].std() == pytest.approx(share[0].std(), rel=0.06)
    assert stats.ks_2samp(*share).pvalue > 1e-3


def test_weighted_counts_are_no_multinomial():
    """Counts that are not whole numbers are refused, and the message says what to do."""
    with pytest.raises(InputError, match=r"'counts' must be whole numbers.*sample_weight"):
        list(multinomial_resamples(np.array([0.5, 1]), 2, np.random.default_rng(0)))


def test_an_empty_table_stays_empty():
    """Without samples every resample is 0."""
    (part,) = multinomial_resamples(np.zeros((2, 2)), 3, np.random.default_rng(0))
    assert part.shape == (3, 2, 2)
    assert not part.any()


PLACES = np.array([2, 0, 0, 2, 2, 0])
FEATURES = np.array([[1.0, 0.5], [1, 2], [1, 2], [1, -1], [1, 0.5], [1, 2]])


def test_poisson_resamples_have_compound_poisson_moments():
    """The mean is the sum of the features and the covariance the sum of their squares and products."""
    drawn = np.concatenate(list(poisson_resamples(PLACES, FEATURES, 4, 40_000, np.random.default_rng(0))))
    for cell in range(4):
        rows = FEATURES[cell == PLACES]
        np.testing.assert_allclose(drawn[:, cell].mean(axis=0), rows.sum(axis=0), atol=0.1)
        np.testing.assert_allclose(np.cov(drawn[:, cell].T), rows.T @ rows, atol=0.5)
    assert not drawn[:, [1, 3]].any()


def test_poisson_cells_are_independent():
    """Sums of different cells do not go together."""
    drawn = np.concatenate(list(poisson_resamples(PLACES, FEATURES, 3, 20_000, np.random.default_rng(0))))
    assert abs(np.corrcoef(drawn[:, 0, 0], drawn[:, 2, 0])[0, 1]) < 0.03


def test_like_rows_are_drawn_together_as_if_each_were_drawn():
    """Three equal rows are one Poisson(3): the distribution of the sum of three Poisson(1)."""
    (drawn,) = poisson_resamples(np.zeros(3, dtype=int), np.ones((3, 1)), 1, 20_000, np.random.default_rng(0))
    observed = np.bincount(drawn[:, 0, 0].astype(int), minlength=11)[:11]
    expected = stats.poisson.pmf(np.arange(11), 3) * 20_000
    assert stats.chisquare(observed, expected * observed.sum() / expected.sum()).pvalue > 1e-3


def test_poisson_resamples_are_a_bootstrap_over_weighted_rows():
    """A weighted mean has the mean and deviation of one over resampled rows."""
    rng = np.random.default_rng(2)
    weight, x = rng.exponential(size=300), rng.normal(size=300)
    (drawn,) = poisson_resamples(np.zeros(300, dtype=int), np.column_stack([weight, weight * x]), 1, 4000, rng)
    ours = drawn[:, 0, 1] / drawn[:, 0, 0]
    places = rng.integers(0, 300, (4000, 300))
    rows = (weight[places] * x[places]).sum(axis=1) / weight[places].sum(axis=1)
    assert abs(ours.mean() - rows.mean()) < 5 * rows.std() / np.sqrt(2000)
    assert ours.std() == pytest.approx(rows.std(), rel=0.06)
    assert stats.ks_2samp(ours, rows).pvalue > 1e-3


def test_without_rows_poisson_sums_are_0():
    """An empty set of rows has sums of 0 in every cell."""
    (drawn,) = poisson_resamples(np.zeros(0, dtype=int), np.zeros((0, 2)), 3, 5, np.random.default_rng(0))
    assert drawn.shape == (5, 3, 2)
    assert not drawn.any()


SEVERAL = np.array(
    [[[4, 1, 0], [2, 6, 1], [0, 3, 2]], [[7, 0, 2], [1, 5, 5], [1, 1, 9]], [[0, 2, 3], [3, 3, 0], [0, 0, 8]]]
)


@pytest.mark.parametrize(("within", "axes"), [("label", (3,)), ("pred", (2,)), (None, (2, 3))])
def test_a_permutation_keeps_the_groups_sizes_where_it_exchanges(within, axes):
    """Within each label (prediction), groups keep their sizes, and cells keep their samples over all groups."""
    (drawn,) = permuted_tables(SEVERAL, 200, np.random.default_rng(0), within=within)
    assert (drawn >= 0).all()
    assert (drawn.sum(axis=1) == SEVERAL.sum(axis=0)).all()
    assert (drawn.sum(axis=axes) == SEVERAL.sum(axis=tuple(axis - 1 for axis in axes))).all()
    assert (drawn != drawn[0]).any()


@pytest.mark.parametrize(("within", "axis"), [("label", 2), ("pred", 1)])
def test_permuted_cells_have_the_hypergeometric_mean_and_variance(within, axis):
    """A cell is hypergeometric: of n samples of a stratum, m of them in the cell's column, a group draws its size."""
    (drawn,) = permuted_tables(SEVERAL, 20_000, np.random.default_rng(0), within=within)
    size = SEVERAL.sum(axis=axis, keepdims=True)
    law = stats.hypergeom(size.sum(axis=0), SEVERAL.sum(axis=0), size)
    deviation = np.sqrt(law.var())
    assert (np.abs(drawn.mean(axis=0) - law.mean()) <= 5 * deviation / np.sqrt(20_000) + 1e-12).all()
    np.testing.assert_allclose(drawn.std(axis=0), deviation, rtol=0.05, atol=1e-12)


def test_permuted_tables_are_those_of_permuted_rows():
    """Counting rows whose groups were shuffled gives the same distribution of a cell."""
    rng = np.random.default_rng(3)
    cells = np.repeat(np.arange(27), SEVERAL.ravel())
    groups, cell = cells // 9, cells % 9
    rows = np.array([np.bincount(rng.permutation(groups)[cell == 4], minlength=3)[0] for _ in range(5000)])
    (drawn,) = permuted_tables(SEVERAL, 5000, rng)
    assert stats.ks_2samp(rows, drawn[:, 0, 1, 1]).pvalue > 1e-3


def test_a_permutation_needs_whole_counts():
    """Weighted or soft counts are refused."""
    with pytest.raises(InputError, match=r"'counts' must be whole numbers for a permutation test"):
        list(permuted_tables(SEVERAL / 2, 5, np.random.default_rng(0)))


def test_empty_groups_stay_empty():
    """A group without samples draws none, wherever it stands."""
    counts = np.concatenate([np.zeros((1, 3, 3)), SEVERAL, np.zeros((1, 3, 3))])
    (drawn,) = permuted_tables(counts, 50, np.random.default_rng(0), within="label")
    assert not drawn[:, [0, -1]].any()
    assert (drawn.sum(axis=1) == SEVERAL.sum(axis=0)).all()


@pytest.mark.parametrize("kind", ["multinomial", "poisson", "permuted"])
def test_parts_are_bounded_and_add_up(monkeypatch, kind):
    """Past a size the resamples come in parts, as many as were asked for in all."""
    monkeypatch.setattr(resampling, "PART", 60)
    rng = np.random.default_rng(0)
    parts = list(
        {
            "multinomial": lambda: multinomial_resamples(COUNTS, 23, rng),
            "poisson": lambda: poisson_resamples(PLACES, FEATURES, 4, 23, rng),
            "permuted": lambda: permuted_tables(SEVERAL, 23, rng),
        }[kind]()
    )
    assert len(parts) > 1
    assert sum(map(len, parts)) == 23
    assert all(part.size <= 60 * 3 for part in parts)
