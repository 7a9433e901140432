"""GroupResiduals gives scikit-learn's figures, in any pieces and at any offset, and refuses what it cannot sum."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics

from mxfair import Groups
from mxfair._validation import InputError
from mxfair.residuals import GroupResiduals, _histogram, _state

NAMES = (
    "mean_absolute_error",
    "mean_squared_error",
    "root_mean_squared_error",
    "r2_score",
    "mean_error",
    "mean_prediction",
    "mean_label",
    "correlation",
)


def direct(name, labels, preds, weight):
    """Return a figure of one group from its rows."""
    if name == "mean_absolute_error":
        return metrics.mean_absolute_error(labels, preds, sample_weight=weight)
    if name in ("mean_squared_error", "root_mean_squared_error"):
        value = metrics.mean_squared_error(labels, preds, sample_weight=weight)
        return value if name == "mean_squared_error" else np.sqrt(value)
    if name == "r2_score":
        return metrics.r2_score(labels, preds, sample_weight=weight)
    if name == "correlation":
        covariance = np.cov(labels, preds, aweights=weight, ddof=0)
        return covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    column = {"mean_error": preds - labels, "mean_prediction": preds, "mean_label": labels}[name]
    return np.average(column, weights=weight)


def make(seed=0, n=400, offset=0.0):
    """Return (labels, preds, groups, weight) of four groups, one of which is unknown."""
    rng = np.random.default_rng(seed)
    groups = Groups(rng.choice(np.array(["a", "b", "c", None], dtype=object), n, p=[0.5, 0.3, 0.1, 0.1]))
    labels = offset + groups.codes + rng.normal(size=n)
    preds = labels + 0.3 * groups.codes + rng.normal(size=n) * 0.5
    return labels, preds, groups, rng.random(n)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_each_group_equals_its_own_rows(name, weighted):
    """A figure of a group is scikit-learn's or NumPy's of the group's rows, and overall that of all rows."""
    labels, preds, groups, weight = make()
    weight = weight if weighted else None
    figure = GroupResiduals.of(labels, preds, groups, sample_weight=weight).metric(name)
    for i in range(groups.n_groups):
        rows = groups.codes == i
        expected = direct(name, labels[rows], preds[rows], None if weight is None else weight[rows])
        assert figure.values[i] == pytest.approx(expected, rel=1e-11, abs=1e-13)
    assert figure.overall == pytest.approx(direct(name, labels, preds, weight), rel=1e-11)


def test_the_metric_carries_its_groups():
    """Names, the unknown group, support and the attribute's name come along."""
    labels, preds, groups, weight = make()
    figure = GroupResiduals.of(labels, preds, groups, sample_weight=weight).metric("mean_error")
    assert (figure.groups, figure.attribute, figure.known.tolist()) == (groups.names, "group", groups.known.tolist())
    np.testing.assert_allclose(figure.support, np.bincount(groups.codes, weight))


def test_a_large_offset_loses_no_digits():
    """With a mean of a million and a spread of one, R2 keeps nine digits, in pieces too."""
    rng = np.random.default_rng(0)
    labels = 1e6 + rng.normal(size=200_000)
    preds, groups = labels + rng.normal(size=200_000), Groups(rng.integers(0, 2, 200_000))
    state = GroupResiduals(groups.names)
    for rows in np.array_split(np.arange(200_000), 37):
        state.update(labels[rows], preds[rows], groups.take(rows))
    expected = [metrics.r2_score(labels[groups.codes == i], preds[groups.codes == i]) for i in range(2)]
    np.testing.assert_allclose(state.values("r2_score"), expected, rtol=1e-9)


def test_groups_far_apart_keep_their_digits():
    """Each group has a shift of its own: one at a million does not blur one at zero."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2, 1000)
    labels = codes * 1e8 + rng.normal(size=1000)
    preds = labels + rng.normal(size=1000) * 0.1
    state = GroupResiduals.of(labels, preds, codes)
    for i in range(2):
        assert state.values("r2_score")[i] == pytest.approx(
            metrics.r2_score(labels[codes == i], preds[codes == i]), rel=1e-9
        )


def test_a_first_value_far_from_the_rest_does_no_harm():
    """A row of no weight is never the shift, whatever its value."""
    rng = np.random.default_rng(0)
    labels = 1e6 + rng.normal(size=5000)
    labels[0] = -1e9
    preds = labels + rng.normal(size=5000)
    weight = np.ones(5000)
    weight[0] = 0
    state = GroupResiduals(["a"])
    for rows in np.array_split(np.arange(5000), 50):
        state.update(labels[rows], preds[rows], ["a"] * len(rows), sample_weight=weight[rows])
    assert state.values("r2_score")[0] == pytest.approx(metrics.r2_score(labels[1:], preds[1:]), rel=1e-9)


@pytest.mark.parametrize("offset", [0.0, 1e5])
@pytest.mark.parametrize("seed", range(20))
def test_any_split_merges_to_the_same_figures(seed, offset):
    """Pieces in any order, by update, by + and by sum, give the figures and histograms of the whole."""
    labels, preds, groups, weight = make(seed, n=120, offset=offset)
    form = {"low": offset - 5, "high": offset + 9, "bins": 32}
    whole = GroupResiduals.of(labels, preds, groups, **form, sample_weight=weight)
    rng = np.random.default_rng(seed)
    pieces = np.array_split(rng.permutation(120), int(rng.integers(1, 9)))
    streamed = GroupResiduals(groups.names, **form, known=groups.known)
    parts = []
    for rows in pieces:
        piece = (labels[rows], preds[rows], groups.take(rows))
        streamed.update(*piece, sample_weight=weight[rows])
        parts.append(GroupResiduals.of(*piece, **form, sample_weight=weight[rows]))
    for state in (streamed, sum(parts)):
        for name in NAMES:
            np.testing.assert_allclose(state.values(name), whole.values(name), rtol=1e-10, atol=1e-10)
            assert state.overall(name) == pytest.approx(whole.overall(name), rel=1e-10)
        np.testing.assert_allclose(state.ks_distance().values, whole.ks_distance().values, atol=1e-12)
        np.testing.assert_allclose(state.ks_distance().floor, whole.ks_distance().floor, rtol=1e-12)
        np.testing.assert_allclose(
            state.calibration_by_bin()["calibration"], whole.calibration_by_bin()["calibration"], atol=1e-10
        )


def test_rows_beyond_one_chunk_are_counted_once(monkeypatch):
    """Pieces of the internal chunk size meet without gap or overlap."""
    labels, preds, groups, weight = make(n=25)
    whole = GroupResiduals.of(labels, preds, groups, sample_weight=weight)
    for size in (1, 4, 24, 25):
        monkeypatch.setattr(_state, "CHUNK", size)
        state = GroupResiduals.of(labels, preds, groups, sample_weight=weight)
        np.testing.assert_allclose(state.support, whole.support)
        np.testing.assert_allclose(state.values("mean_error"), whole.values("mean_error"))


def test_a_weight_counts_as_that_many_rows():
    """Whole weights equal repeated rows."""
    labels, preds, groups, _ = make(n=50)
    times = np.random.default_rng(1).integers(0, 4, 50)
    rows = np.repeat(np.arange(50), times)
    weighted = GroupResiduals.of(labels, preds, groups, sample_weight=times, low=-5, high=9)
    repeated = GroupResiduals.of(labels[rows], preds[rows], groups.take(rows), low=-5, high=9)
    for name in NAMES:
        np.testing.assert_allclose(weighted.values(name), repeated.values(name), rtol=1e-10)
    np.testing.assert_allclose(weighted.wasserstein_distance().values, repeated.wasserstein_distance().values)


def test_the_shift_moves_to_the_mean():
    """One row far from the rest that came in a batch of its own costs no digits."""
    rng = np.random.default_rng(0)
    labels = np.concatenate([[1e5], rng.normal(size=50_000)])
    preds = labels + rng.normal(size=50_001) * 1e-3
    state = GroupResiduals(["a"]).update(labels[:1], preds[:1], ["a"])
    for rows in np.array_split(np.arange(1, 50_001), 20):
        state.update(labels[rows], preds[rows], ["a"] * len(rows))
    assert abs(state.shift[0, 0]) < 1e3
    expected = metrics.mean_squared_error(labels, preds) / labels.var()
    assert 1 - state.values("r2_score")[0] == pytest.approx(expected, rel=1e-3)


# Resamples


@pytest.mark.parametrize("name", NAMES)
def test_many_resamples_are_computed_at_once(name):
    """Sums of weighted features give, along leading axes, the figures of the weighted rows."""
    labels, preds, groups, _ = make(n=200, offset=1e4)
    state = GroupResiduals.of(labels, preds, groups)
    draws = np.random.default_rng(0).poisson(1.0, (2, 3, 200))
    features = state.features(labels, preds, groups)
    member = np.eye(groups.n_groups)[groups.codes]
    sums = np.einsum("...i,ig,if->...gf", draws, member, features)
    values, overall = state.values(name, sums), state.overall(name, sums)
    assert values.shape == (2, 3, groups.n_groups)
    assert overall.shape == (2, 3)
    for place in np.ndindex(2, 3):
        direct_state = GroupResiduals.of(labels, preds, groups, sample_weight=draws[place])
        np.testing.assert_allclose(values[place], direct_state.values(name), rtol=1e-9)
        assert overall[place] == pytest.approx(direct_state.overall(name), rel=1e-9)


def test_features_sum_to_the_sums():
    """The features of the rows that were counted add up to the state."""
    labels, preds, groups, _ = make()
    state = GroupResiduals.of(labels, preds, groups)
    features = state.features(labels, preds, groups)
    for i in range(groups.n_groups):
        np.testing.assert_allclose(features[groups.codes == i].sum(axis=0), state.sums[i], atol=1e-9)


# Undefined figures


@pytest.mark.parametrize("value", [0.1, 1e6 + 0.1, -3.0])
@pytest.mark.parametrize("size", [1, 2, 1000])
def test_equal_labels_have_no_r2_and_no_correlation(value, size):
    """Where nothing varies, R2 and correlation are NaN and say why, and the errors are defined."""
    state = GroupResiduals.of([value] * size + [1, 2], [value] * size + [1, 2], ["a"] * size + ["b"] * 2)
    for name, reason in (("r2_score", "all labels"), ("correlation", "labels or predictions")):
        figure = state.metric(name)
        assert np.isnan(figure.values[0])
        assert reason in figure.undefined["a"]
        assert figure.values[1] == pytest.approx(1)
    assert state.metric("mean_absolute_error").values[0] == 0


def test_equal_labels_after_a_row_of_no_weight_have_no_r2():
    """Rounding that is left where the shift was another value is not taken for a spread."""
    state = GroupResiduals(["a"])
    for weight in ([0, 1, 1], [1, 1, 1]):
        state.update([7.3 if weight[0] == 0 else 0.1, 0.1, 0.1], [1, 2, 3], ["a"] * 3, sample_weight=weight)
    assert np.isnan(state.values("r2_score")[0])


def test_a_group_without_samples_is_undefined():
    """NaN with the reason that there are no samples, and left out of gaps."""
    figure = GroupResiduals.of([1, 2], [1, 3], Groups.from_codes([0, 1], ["a", "b", "c"])).metric("mean_error")
    assert np.isnan(figure.values[2])
    assert figure.undefined == {"c": "no samples"}
    assert figure.difference() == 1


def test_an_empty_state_is_undefined_everywhere():
    """A state that has counted nothing has no figure."""
    state = GroupResiduals(["a", "b"], low=0, high=1)
    assert np.isnan(state.overall("mean_error"))
    assert np.isnan(state.values("r2_score")).all()
    assert np.isnan(state.ks_distance().values).all()


def test_equal_labels_in_groups_of_other_shifts_have_no_overall_r2():
    """A resample whose rows all have one label, in groups that vary otherwise, has no spread overall."""
    rng = np.random.default_rng(0)
    labels, preds, codes = rng.normal(size=60) * 1e3, rng.normal(size=60), np.arange(60) % 3
    labels[:30] = 0.1
    state = GroupResiduals.of(labels[::-1], preds[::-1], codes[::-1])
    features = state.features(labels, preds, codes)
    member = np.eye(3)[codes] * (labels == 0.1)[:, None]
    draws = rng.poisson(1.0, (50, 60))
    sums = np.einsum("ri,ig,if->rgf", draws, member, features)
    assert np.isnan(state.values("r2_score", sums)).all()
    assert np.isnan(state.overall("r2_score", sums)).all()


# Distributions


def test_ks_from_the_histogram_is_near_the_exact_distance():
    """At most the exact distance, and less by at most what one bin holds."""
    labels, preds, _, _ = make(n=2000)
    codes = (labels > 1).astype(int)
    state = GroupResiduals.of(labels, preds, codes, bins=200)
    exact = stats.ks_2samp(preds[codes == 0], preds[codes == 1]).statistic
    counts, _ = state._counted().of("predictions")
    bound = (counts / counts.sum(axis=1, keepdims=True)).max()
    assert exact - bound <= state.ks_distance().max() <= exact + 1e-12


@pytest.mark.parametrize("of", ["predictions", "errors"])
def test_wasserstein_from_the_histogram_is_within_a_bin(of):
    """The distance differs from SciPy's by at most one bin's width."""
    labels, preds, _, _ = make(n=2000)
    codes = (labels > 1).astype(int)
    state = GroupResiduals.of(labels, preds, codes, bins=100)
    column = preds if of == "predictions" else preds - labels
    exact = stats.wasserstein_distance(column[codes == 0], column[codes == 1])
    _, width = state._counted().of(of)
    assert abs(state.wasserstein_distance(of=of).max() - exact) <= width


def test_crossing_distribution_functions_are_integrated_exactly():
    """Where the functions cross inside a bin, the area on both sides of the crossing counts, and no more."""
    counts = np.array([[0, 2, 0, 2, 0], [0, 1, 2, 1, 0]], dtype=float)
    edges, at = np.arange(4), np.linspace(0, 3, 300_001)
    gap = np.interp(at, edges, [0, 0.5, 0.5, 1]) - np.interp(at, edges, [0, 0.25, 0.75, 1])
    assert _histogram.wasserstein(counts, 1.0)[0, 1] == pytest.approx(3 * np.abs(gap).mean(), rel=1e-4)


def test_a_resample_of_equal_labels_has_no_r2():
    """Rows of one label drawn many times have no spread, whatever the shift; rounding is not taken for one."""
    labels, preds = np.array([0.1, 7.3, -2.9, 1e5]), np.array([1.0, 2, 3, 4])
    state = GroupResiduals.of(labels, preds, ["a"] * 4)
    features = state.features(labels, preds, ["a"] * 4)
    sums = np.stack([sum([features[[row]]] * times) for row in range(4) for times in (1, 3, 7)])
    assert np.isnan(state.values("r2_score", sums)).all()
    assert np.isnan(state.overall("correlation", sums)).all()


def test_distances_of_many_histograms_are_computed_at_once():
    """Counts with leading axes give a distance for each, as one by one."""
    counts = np.random.default_rng(0).integers(0, 9, (2, 3, 4, 10)).astype(float)
    for function in (_histogram.ks, lambda c: _histogram.wasserstein(c, 0.5)):
        together = function(counts)
        assert together.shape == (2, 3, 4, 4)
        for place in np.ndindex(2, 3):
            np.testing.assert_allclose(together[place], function(counts[place]))


def test_what_lies_outside_is_counted_and_told():
    """Predictions beyond the range go to the bins at its ends, and no sample is lost."""
    state = GroupResiduals(["a"], low=0, high=1, bins=4).update([0] * 5, [-0.1, 0, 0.5, 1, 1.5], ["a"] * 5)
    assert state.outside.tolist() == [[1, 1]]
    counts, _ = state._counted().of("predictions")
    assert counts[0].tolist() == [1, 1, 0, 1, 1, 1]
    assert "2 outside" in repr(state)


def test_predictions_outside_count_in_distances():
    """Two groups that differ only beyond the range are still told apart."""
    state = GroupResiduals(["a", "b"], low=0, high=1, bins=4).update([0, 0], [0.5, 7], ["a", "b"])
    assert state.ks_distance().max() == 1
    assert state.wasserstein_distance().max() == pytest.approx(0.25)  # the middles of the bins, .625 and .875


def test_calibration_is_the_mean_error_of_each_bin():
    """Mean label minus mean prediction of the samples in each bin."""
    labels, preds, groups, _ = make(n=1000)
    table = GroupResiduals.of(labels, preds, groups, low=-4, high=6, bins=100).calibration_by_bin(bins=10)
    for row in table[np.isfinite(table["low"]) & np.isfinite(table["high"])].itertuples():
        rows = (np.array(list(groups)) == row.group) & (preds >= row.low) & (preds < row.high)
        assert row.support == rows.sum()
        if rows.any():
            assert row.calibration == pytest.approx((labels - preds)[rows].mean(), abs=1e-9)
        else:
            assert np.isnan(row.calibration)


def test_the_default_range_covers_all_predictions():
    """Without a range, the data's own is taken, also where all values are equal."""
    assert GroupResiduals.of([1, 2, 9], [0, 5, 4], list("aab")).outside.sum() == 0
    assert GroupResiduals.of([3, 3], [3, 3], list("ab")).outside.sum() == 0


def test_distances_need_a_range():
    """A state without histograms says what to give."""
    with pytest.raises(InputError, match="must have a range"):
        GroupResiduals(["a"]).ks_distance()


# Merging and files


def test_states_of_another_form_do_not_add():
    """Other groups, another range and other bins are errors."""
    state = GroupResiduals(["a"], low=0, high=1)
    for other in (
        GroupResiduals(["b"], low=0, high=1),
        GroupResiduals(["a"], low=0, high=2),
        GroupResiduals(["a"], low=0, high=1, bins=8),
        GroupResiduals(["a"]),
    ):
        with pytest.raises(InputError, match="must have the same groups, range and bins"):
            state + other
    with pytest.raises(TypeError):
        state + 1


def test_adding_leaves_both_states_alone():
    """The sum is a new state."""
    first, second = (GroupResiduals.of([v], [v], ["a"], low=0, high=5) for v in (1.0, 2.0))
    (first + second).update([3], [3], ["a"])
    assert (first.support.tolist(), second.support.tolist()) == ([1], [1])
    assert first.outside.sum() == 0
    assert first.values("mean_label").tolist() == [1]


def test_an_empty_state_adds_nothing():
    """A worker that saw no sample of a group changes no figure."""
    labels, preds, groups, _ = make(offset=1e6)
    state = GroupResiduals.of(labels, preds, groups, low=0, high=1)
    empty = GroupResiduals(groups.names, low=0, high=1)
    for total in (state + empty, empty + state):
        for name in NAMES:
            np.testing.assert_array_equal(total.values(name), state.values(name))


@pytest.mark.parametrize("form", [{}, {"low": -5.0, "high": 9.0, "bins": 16}])
def test_a_state_survives_json(form):
    """A restored state has the same figures to the last bit, and goes on counting."""
    labels, preds, groups, weight = make(offset=1e5)
    state = GroupResiduals(groups.names, **form, known=groups.known, name="sex")
    state.update(labels, preds, groups, sample_weight=weight)
    back = GroupResiduals.from_dict(json.loads(json.dumps(state.to_dict(), allow_nan=False)))
    for name in NAMES:
        np.testing.assert_array_equal(back.values(name), state.values(name))
    assert (back.groups, back.name, back.known.tolist()) == (state.groups, "sex", state.known.tolist())
    assert repr(back) == repr(state)
    total = back.update(labels, preds, groups) + state
    np.testing.assert_allclose(total.support, 2 * state.support + groups.counts)


def test_updates_find_groups_by_name():
    """A batch that names groups in another order is counted in the right places."""
    state = GroupResiduals(["b", "a"])
    assert state.update([1], [2], Groups.from_codes([1], ["a", "b"])) is state
    assert state.support.tolist() == [1, 0]


@pytest.mark.parametrize("group", ["z", None])
def test_a_group_that_the_state_lacks_is_refused(group):
    """A sample of an unnamed group is an error, and nothing is counted."""
    state = GroupResiduals(["a", "b"])
    with pytest.raises(InputError, match=f"among a, b; got '{group or 'unknown'}'"):
        state.update([1, 1], [1, 1], ["a", group])
    assert state.support.sum() == 0


# Input


@pytest.mark.parametrize("bad", [np.nan, np.inf, None, pd.NA])
@pytest.mark.parametrize("side", ["labels", "preds"])
def test_values_that_are_not_finite_are_refused(side, bad):
    """The message names the argument and the row."""
    arguments = {"labels": [1.0, 2.0], "preds": [1.0, 2.0], side: [1.0, bad]}
    with pytest.raises(InputError, match=f"'{side}' must be finite numbers; got .* at row 1"):
        GroupResiduals.of(arguments["labels"], arguments["preds"], ["a", "b"])


def test_text_is_refused():
    """Labels of regression are numbers."""
    with pytest.raises(InputError, match="'labels' must be numbers"):
        GroupResiduals.of(["x", "y"], [1, 2], ["a", "b"])


@pytest.mark.parametrize(
    ("labels", "preds", "groups"), [([1], [1, 2], "ab"), ([1, 2], [1], "ab"), ([1, 2], [1, 2], "a")]
)
def test_different_lengths_are_refused(labels, preds, groups):
    """One value per sample, in every argument."""
    with pytest.raises(InputError, match="must have the same length"):
        GroupResiduals.of(labels, preds, list(groups))


@pytest.mark.parametrize("weight", [[1, -1], [1, np.nan]])
def test_bad_weights_are_refused(weight):
    """Weights are finite and at least 0."""
    with pytest.raises(InputError, match="'sample_weight' must be finite and not negative"):
        GroupResiduals.of([1, 2], [1, 2], ["a", "b"], sample_weight=weight)


@pytest.mark.parametrize("limits", [{"low": 0}, {"high": 1}, {"low": 1, "high": 1}, {"low": 0, "high": np.inf}])
def test_a_range_that_is_none_is_refused(limits):
    """Both ends, finite, low below high."""
    with pytest.raises(InputError, match="'low' and 'high' must"):
        GroupResiduals(["a"], **limits)


@pytest.mark.parametrize("kind", [list, pd.Series, np.float32, "column"])
def test_many_kinds_of_arrays_are_taken(kind):
    """Lists, series, other types and columns of shape (n, 1) give the same figure."""
    labels, preds = np.array([1.0, 2.0, 4.0]), np.array([1.5, 2.0, 3.0])
    if kind == "column":
        labels, preds = labels[:, None], preds[:, None]
    else:
        labels, preds = (v.astype(kind) if kind is np.float32 else kind(v) for v in (labels, preds))
    assert GroupResiduals.of(labels, preds, list("aab")).values("mean_error").tolist() == [0.25, -1]
