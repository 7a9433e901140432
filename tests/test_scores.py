"""GroupScores holds what it was given, in any pieces, and its figures are the exact ones up to what it says is lost."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import special

from mxfair import Groups
from mxfair._validation import InputError
from mxfair.metric import calibration, ranking
from mxfair.scores import GroupScores, _figures, _table


def case(seed, n=3000):
    """Return labels, probabilities, groups with a missing one, and weights."""
    rng = np.random.default_rng(seed)
    groups = rng.choice(np.array(["a", "b", "c", None], dtype=object), n)
    truth = rng.normal(size=n)
    labels = (rng.random(n) < special.expit(truth)).astype(int)
    return labels, special.expit(truth + rng.normal(size=n) + (groups == "a")), groups, rng.random(n)


def table_of(seed=0, **options):
    """Return a table of one case."""
    labels, scores, groups, _ = case(seed)
    return GroupScores.of(labels, scores, groups, **options)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_any_split_merges_to_the_same_table(seed, weighted):
    """Pieces in any order, joined by +, sum() or update, give the table of the whole."""
    labels, scores, groups, weight = case(seed, n=500)
    groups, weight = Groups(groups), weight if weighted else None
    whole = GroupScores.of(labels, scores, groups, sample_weight=weight)
    rng = np.random.default_rng(seed)
    streamed, parts = GroupScores(whole.groups, known=whole.known), []
    for rows in np.array_split(rng.permutation(len(labels)), int(rng.integers(1, 9))):
        given = labels[rows], scores[rows], groups.take(rows)
        options = {"sample_weight": None if weight is None else weight[rows]}
        assert streamed.update(*given, **options) is streamed
        parts.append(GroupScores.of(*given, **options))
    for table in (streamed, sum(parts)):
        np.testing.assert_allclose(table.counts, whole.counts, rtol=1e-12)
        np.testing.assert_allclose(table.sums, whole.sums, rtol=1e-12)
        np.testing.assert_allclose(table.squares, whole.squares, rtol=1e-12)
        np.testing.assert_allclose(table.auc().values, whole.auc().values, rtol=1e-12)
        np.testing.assert_allclose(table.abroca().values, whole.abroca().values, atol=1e-12)
        np.testing.assert_allclose(table.calibration_error().values, whole.calibration_error().values, atol=1e-12)
        assert table.known.tolist() == [True, True, True, False]


def test_rows_beyond_one_chunk_are_counted_once(monkeypatch):
    """Pieces of the internal chunk size meet without gap or overlap."""
    labels, scores, groups, weight = case(0, n=25)
    whole = GroupScores.of(labels, scores, groups, sample_weight=weight)
    for size in (1, 4, 24, 25):
        monkeypatch.setattr(_table, "CHUNK", size)
        again = GroupScores.of(labels, scores, groups, sample_weight=weight)
        np.testing.assert_allclose(again.counts, whole.counts)
        np.testing.assert_allclose(again.sums, whole.sums)


def test_counts_and_sums_are_those_of_each_bin():
    """A bin holds its high end; the first one holds its low end too."""
    table = GroupScores.of([0, 0, 1, 1, 1], [0, 0.25, 0.5, 0.51, 1], ["a"] * 5, bins=4, sample_weight=[1, 2, 3, 4, 5])
    assert table.counts.tolist() == [[[3, 0, 0, 0], [0, 3, 4, 5]]]
    np.testing.assert_allclose(table.sums[0], [[0.5, 0, 0, 0], [0, 1.5, 2.04, 5]])
    assert table.edges.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert table.support.tolist() == [15]


@pytest.mark.parametrize("bins", [7, 10, 100, 1000, 1024])
def test_scores_on_an_end_fall_into_the_bin_below(bins):
    """Scores such as 0.07, the high end of a bin, are in that bin, whatever their last bit."""
    table = GroupScores.of(np.ones(bins, dtype=int), np.arange(1, bins + 1) / bins, ["a"] * bins, bins=bins)
    assert table.counts[0, 1].tolist() == [1] * bins


# Figures


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("bins", [20, 1000])
def test_figures_are_exact_up_to_the_bound(bins, weighted):
    """AUC, ABROCA and the distances differ from the exact ones by at most what the class says."""
    labels, scores, groups, weight = case(1)
    weight = weight if weighted else None
    table, given = GroupScores.of(labels, scores, groups, bins=bins, sample_weight=weight), (labels, scores, groups)
    exact, error = ranking.roc_auc(*given, sample_weight=weight), table.auc_error()
    assert (np.abs(table.auc().values - exact.values) <= error.values + 1e-12).all()
    assert abs(table.auc().overall - exact.overall) <= error.overall + 1e-12
    area = ranking.abroca(*given, sample_weight=weight).values
    bound = error.values[:, None] + error.values + 1e-12
    assert (np.abs(table.abroca().values - area) <= bound).all()
    share = table.counts.sum(axis=1) / table.support[:, None]
    ks = ranking.score_ks_distance(*given, sample_weight=weight).values
    assert (np.abs(table.ks().values - ks) <= np.maximum.outer(*2 * (share.max(axis=1),)) + 1e-12).all()
    wasserstein = ranking.score_wasserstein_distance(*given, sample_weight=weight).values
    assert (np.abs(table.wasserstein().values - wasserstein) <= 1 / bins).all()
    xauc = ranking.xauc(*given, sample_weight=weight).values
    np.testing.assert_allclose(table.xauc().values, xauc, atol=0.6 / bins * 2)


def test_scores_on_a_grid_lose_nothing():
    """Where every score has a bin of its own the figures are the exact ones."""
    labels, scores, groups, weight = case(2)
    scores = np.round(scores, 2)
    table = GroupScores.of(labels, scores, groups, bins=100, sample_weight=weight)
    given = (labels, np.ceil(scores * 100 - 1e-9).clip(1) / 100, groups)  # the first bin holds both its ends
    options = {"sample_weight": weight}
    np.testing.assert_allclose(table.auc().values, ranking.roc_auc(*given, **options).values, atol=1e-12)
    np.testing.assert_allclose(table.xauc().values, ranking.xauc(*given, **options).values, atol=1e-12)
    np.testing.assert_allclose(table.abroca().values, ranking.abroca(*given, **options).values, atol=1e-12)
    for label in (None, 0, 1):
        ks = ranking.score_ks_distance(*given, given=label, **options)
        np.testing.assert_allclose(table.ks(given=label).values, ks.values, atol=1e-12)
        wasserstein = ranking.score_wasserstein_distance(*given, given=label, **options)
        np.testing.assert_allclose(table.wasserstein(given=label).values, wasserstein.values, atol=1e-12)


def test_noise_floors_are_those_of_the_exact_figures():
    """Without weights the floors agree with the exact functions'."""
    labels, scores, groups, _ = case(3)
    table = GroupScores.of(labels, scores, groups)
    exact = ranking.score_ks_distance(labels, scores, groups, given=1)
    # bins that many samples share make the distance of the table a little smaller by chance
    np.testing.assert_allclose(table.ks(given=1).to_frame()["noise floor"], exact.to_frame()["noise floor"], rtol=0.05)
    exact = ranking.score_wasserstein_distance(labels, scores, groups)
    # the exact function takes the spread of all groups together, the table that of each two
    floors = table.wasserstein().to_frame()["noise floor"]
    np.testing.assert_allclose(floors, exact.to_frame()["noise floor"], rtol=2e-2)


@pytest.mark.parametrize("given", [None, 0, 1])
def test_noise_floors_take_the_effective_number_of_samples(given):
    """With weights they are those of the exact figures, and the same whatever the unit of the weights."""
    labels, scores, groups, weight = case(3)
    table, larger = (GroupScores.of(labels, scores, groups, sample_weight=weight * unit) for unit in (1, 100))
    exact = ranking.score_ks_distance(labels, scores, groups, given=given, sample_weight=weight)
    floor = exact.to_frame()["noise floor"]
    np.testing.assert_allclose(table.ks(given=given).to_frame()["noise floor"], floor, rtol=0.05)
    for name in ("ks", "wasserstein"):
        first, second = (getattr(t, name)(given=given).floor for t in (table, larger))
        np.testing.assert_allclose(first, second, rtol=1e-12)
    exact = ranking.score_wasserstein_distance(labels, scores, groups, given=given, sample_weight=weight)
    floors = table.wasserstein(given=given).to_frame()["noise floor"]
    np.testing.assert_allclose(floors, exact.to_frame()["noise floor"], rtol=5e-2)


def test_the_ks_floor_of_decisions_is_that_of_two_values():
    """Scores of 0 and 1 have one threshold: E|B(F)| = sqrt(2 F (1 - F) / pi)."""
    rng = np.random.default_rng(0)
    scores = (rng.random(4000) < 0.1).astype(float)
    floor = GroupScores.of(scores.astype(int), scores, np.arange(4000) % 2).ks().floor[0, 1]
    share = scores.mean()
    assert floor == pytest.approx(np.sqrt(2 * share * (1 - share) / np.pi * 2 / 2000), rel=0.06)


def test_counts_without_squares_have_floors_if_whole():
    """Whole counts are taken for samples; of others the number of samples is not known, and stays so in a sum."""
    table = table_of(0, bins=50)
    again = GroupScores(table.groups, counts=table.counts, sums=table.sums, bins=50)
    np.testing.assert_array_equal(again.ks().floor, table.ks().floor)
    halved = GroupScores(table.groups, counts=table.counts / 2, sums=table.sums / 2, bins=50)
    for unclear in (halved, halved + again, GroupScores.from_dict(json.loads(json.dumps(halved.to_dict())))):
        assert np.isnan(unclear.ks().floor).all()
        assert np.isnan(unclear.wasserstein().floor).all()
        assert unclear.ks().max() == pytest.approx(table.ks().max())


@pytest.mark.parametrize("weighted", [False, True])
def test_means_and_calibration_are_exact(weighted):
    """Mean scores, calibration errors and reliability tables are those of the arrays."""
    labels, scores, groups, weight = case(4)
    weight = weight if weighted else None
    table, given = GroupScores.of(labels, scores, groups, sample_weight=weight), (labels, scores, groups)
    exact = calibration.expected_calibration_error(*given, bins=20, sample_weight=weight)
    np.testing.assert_allclose(table.calibration_error(bins=20).values, exact.values, atol=1e-12)
    assert table.calibration_error(bins=20).overall == pytest.approx(exact.overall, abs=1e-12)
    curve = calibration.reliability_curve(*given, sample_weight=weight)
    for column, values in table.reliability_curve().items():
        if column == "group":
            assert values.tolist() == curve[column].tolist()
        else:
            np.testing.assert_allclose(values, curve[column], atol=1e-12)
    for label, figure in ((0, calibration.balance_negative_class), (1, calibration.balance_positive_class)):
        np.testing.assert_allclose(
            table.mean_score(given=label).values, figure(*given, sample_weight=weight).values, atol=1e-12
        )


def test_a_group_without_a_label_has_no_auc_and_says_why():
    """NaN with the reason; pairs with it are NaN too."""
    table = GroupScores.of([0, 1, 1], [0.1, 0.9, 0.8], ["a", "a", "b"])
    assert table.auc().undefined == {"b": "no negative samples"}
    assert np.isnan(table.abroca().max())
    assert np.isnan(table.xauc().values[0, 1])
    assert table.xauc().values[1, 0] == 1


def test_an_empty_table_has_no_figures():
    """Before anything is counted every figure is NaN, and nothing fails."""
    table = GroupScores(["a", "b"])
    assert table.auc().undefined == {"a": "no samples", "b": "no samples"}
    for figure in (table.xauc(), table.abroca(), table.ks(), table.wasserstein()):
        assert np.isnan(figure.max())
    assert np.isnan([table.mean_score().overall, table.calibration_error().overall]).all()
    assert len(table.reliability_curve()) == 0


def test_figures_take_resamples_at_once():
    """Leading axes of counts give what each table alone gives."""
    counts = np.random.default_rng(0).poisson(3, size=(5, 3, 2, 12)).astype(float)
    counts[0, 0, 1] = 0  # no positives
    one = [counts[i] for i in range(5)]
    for figure in (_figures.auc_by_group, _figures.auc_error, _figures.xauc):
        np.testing.assert_allclose(figure(counts), [figure(table) for table in one])
    pairs = [_figures.abroca(table[0], table[1]) for table in one]
    np.testing.assert_allclose(_figures.abroca(counts[:, 0], counts[:, 1]), pairs)
    assert np.isnan(pairs).tolist() == [True, False, False, False, False]
    both = counts.sum(axis=-2)
    np.testing.assert_allclose(
        _figures.wasserstein(both[:, 0], both[:, 2], 0.1), [_figures.wasserstein(t[0], t[2], 0.1) for t in both]
    )
    np.testing.assert_allclose(_figures.ks(both[:, 0], both[:, 2]), [_figures.ks(t[0], t[2]) for t in both])


# Labels, ranges, state


def test_scores_of_any_range():
    """Logits are counted between the ends that are stated."""
    labels, scores, groups, _ = case(5)
    logits = special.logit(scores).clip(-8, 8)
    table = GroupScores.of(labels, logits, groups, low=-8, high=8)
    exact = ranking.roc_auc(labels, logits, groups).values
    np.testing.assert_allclose(table.auc().values, exact, atol=2e-3)
    with pytest.raises(InputError, match="Calibration must have probabilities"):
        table.calibration_error()


def test_text_labels_and_one_class_against_the_rest():
    """The positive class may be any of several; the others are negatives."""
    table = GroupScores.of(["x", "y", "z", "x"], [0.9, 0.1, 0.2, 0.8], ["a"] * 4, positive="x")
    assert table.auc().overall == 1
    assert table.counts.sum(axis=2).tolist() == [[2, 2]]
    with pytest.raises(InputError, match="'given' must be the positive class"):
        table.ks(given="y")


def test_batches_may_lack_a_class_or_a_group():
    """A table that knows its classes and groups takes any batch of them."""
    table = GroupScores(["a", "b"], ["bad", "good"])
    table.update(["bad"], [0.2], ["b"]).update(["good"], [0.7], ["b"])
    assert table.auc().by_group["b"] == 1
    assert table.support.tolist() == [0, 2]


def test_tables_survive_json():
    """The state goes through JSON and back."""
    table = table_of(bins=50)
    again = GroupScores.from_dict(json.loads(json.dumps(table.to_dict())))
    np.testing.assert_array_equal(again.counts, table.counts)
    np.testing.assert_array_equal(again.sums, table.sums)
    np.testing.assert_array_equal(again.squares, table.squares)
    assert again.to_dict() == table.to_dict()
    assert repr(again) == repr(table)


def test_adding_leaves_both_tables_alone():
    """The sum is a new table."""
    first, second = table_of(0), table_of(1)
    total = first + second
    total.update([1], [0.5], ["a"])
    sum([first]).update([1], [0.5], ["a"])
    assert (first.support.sum(), second.support.sum(), total.support.sum()) == (3000, 3000, 6001)


@pytest.mark.parametrize(
    "other",
    [
        GroupScores(["a", "c"]),
        GroupScores(["a", "b"], bins=10),
        GroupScores(["a", "b"], low=-1),
        GroupScores(["a", "b"], [1, 2]),
        GroupScores(["a", "b"], positive=0),
    ],
    ids=repr,
)
def test_tables_of_other_meaning_do_not_add(other):
    """Other groups, classes, bins or ranges are an error."""
    with pytest.raises(InputError, match="must have the same groups, classes and bins"):
        GroupScores(["a", "b"]) + other


def test_a_number_does_not_add_to_a_table():
    """Only tables add, and the 0 that sum() starts from."""
    with pytest.raises(TypeError):
        GroupScores(["a"]) + 1
    with pytest.raises(TypeError):
        1 + GroupScores(["a"])


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([0, 1], [0.5, 1.5], "between 0 and 1; got 1.5"),
        ([0, 1], [-0.5, 0.5], "between 0 and 1; got -0.5"),
        ([0, 1], [0.5, np.nan], "finite"),
        ([0, 1], [0.5], "same length"),
        ([0, 2], [0.5, 0.5], "among the classes"),
    ],
)
def test_what_cannot_be_counted_is_refused_and_nothing_is_counted(labels, scores, message):
    """Scores out of range, other labels and lengths are errors that leave the table alone."""
    table = GroupScores(["a"])
    with pytest.raises(InputError, match=message):
        table.update(labels, scores, ["a"] * len(labels))
    assert table.support.sum() == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bins": 1}, "'bins'"),
        ({"low": 1.0}, "'low' must be below"),
        ({"high": np.inf}, "'low' must be below"),
        ({"counts": np.zeros((1, 2, 3))}, "'counts' must have shape"),
        ({"squares": np.zeros(2)}, "'squares' must have shape"),
        ({"classes": [0, 1, 2]}, "'positive' must be given"),
        ({"positive": 5}, "must be one of the classes"),
    ],
)
def test_tables_that_make_no_sense_are_refused(options, message):
    """Bins, range, shapes and the positive class are checked when the table is made."""
    with pytest.raises(InputError, match=message):
        GroupScores(["a"], **options)


@pytest.mark.parametrize("bins", [7, 0, 3000])
def test_calibration_bins_must_divide_the_tables(bins):
    """A calibration bin is a union of the table's bins."""
    with pytest.raises(InputError, match="'bins' must"):
        table_of().reliability_curve(bins=bins)
