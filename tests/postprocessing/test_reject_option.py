"""The reject option against all widths, its own rule row by row, and its edges."""

from __future__ import annotations

import numpy as np
import pytest

from mxfair import GroupConfusion
from mxfair._validation import InputError, InputTypeError
from mxfair.criterion import ALL_CRITERIA
from mxfair.postprocessing import RejectOption
from mxfair.preprocessing import load_step
from mxfair.rate import RATES

pytestmark = pytest.mark.filterwarnings("ignore:Fewer than", "ignore:No band")


def rows(n=60, n_groups=2, *, seed=0, digits=None):
    """Return probabilities, labels and groups of which the later ones have larger probabilities."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, n_groups, n)
    scores = np.clip(rng.normal(0.35 + 0.25 * groups / (n_groups - 1), 0.2, n), 0, 1)
    labels = (rng.random(n) < scores).astype(int)
    return (scores if digits is None else np.round(scores, digits)), labels, groups


def decided(scores, groups, unfavoured, width, boundary=0.5):
    """Return decisions by the paper's rule, row by row."""
    preds = []
    for score, group in zip(scores, groups):
        inside = abs(score - boundary) < width
        preds.append(group in unfavoured if inside else score > boundary)
    return np.array(preds).astype(int)


@pytest.mark.parametrize("name", ["demographic_parity", "equalized_odds", "predictive_parity"])
@pytest.mark.parametrize("objective", ["accuracy", "f1_score", "error_rate"])
@pytest.mark.parametrize("digits", [None, 1])
def test_the_width_is_the_best_of_all(name, objective, digits):
    """No other width of the paper's rule has a better objective with so small a gap."""
    criterion, sign = ALL_CRITERIA[name], -1 if RATES[objective].larger_is_worse else 1
    for seed in range(3):
        scores, labels, groups = rows(seed=seed, digits=digits)
        found = []
        for width in [0, *(np.unique(np.abs(scores - 0.5)) + 1e-9)]:
            table = GroupConfusion.of(labels, decided(scores, groups, {0}, width), groups, classes=[0, 1])
            if not np.isnan([metric.values for metric in criterion.tables(table).values()]).any():
                value = float(RATES[objective].values(table.overall, 1))
                found.append((criterion.difference(table), sign * value))
        allowed = np.median([gap for gap, _ in found])
        fit = RejectOption(name, objective, max_gap=allowed, unfavoured=[0]).fit(scores, labels, groups)
        assert sign * fit.objective_ == pytest.approx(max(value for gap, value in found if gap <= allowed + 1e-12))
        strict = RejectOption(name, objective, max_gap=0, unfavoured=[0]).fit(scores, labels, groups)
        assert strict.gap_ == pytest.approx(min(gap for gap, _ in found))


def test_decisions_follow_the_rule():
    """New rows are decided inside the band by their group, outside by their score."""
    fit = RejectOption(max_gap=0.05).fit(*rows(800, 3))
    scores, _, groups = rows(500, 3, seed=1)
    unfavoured = {int(name) for name in fit.unfavoured_}
    assert fit.width_ > 0
    assert np.array_equal(fit.predict(scores, groups), decided(scores, groups, unfavoured, fit.width_))


def test_the_fitted_rows_have_the_counts_that_are_said():
    """Counts, objective and gap are those of the decisions, with weights too."""
    scores, labels, groups = rows(800, 3)
    weight = np.random.default_rng(0).uniform(0, 2, 800)
    fit = RejectOption(max_gap=0.1).fit(scores, labels, groups, sample_weight=weight)
    table = GroupConfusion.of(labels, fit.predict(scores, groups), groups, sample_weight=weight)
    assert np.allclose(table.counts, fit.counts_)
    assert fit.gap_ == pytest.approx(ALL_CRITERIA["demographic_parity"].difference(table))
    assert fit.objective_ == pytest.approx(table.overall.trace() / table.overall.sum())


def test_groups_selected_more_seldom_are_unfavoured():
    """By default they are those below the selection rate of all rows at the boundary."""
    scores, labels, groups = rows(2000, 4)
    fit = RejectOption().fit(scores, labels, groups)
    rates = np.array([(scores[groups == g] > 0.5).mean() for g in range(4)])
    assert fit.unfavoured_.tolist() == [str(g) for g in np.flatnonzero(rates < (scores > 0.5).mean())]


def test_nothing_changes_where_the_gap_is_kept_anyway():
    """A gap that is allowed from the start leaves the best width, whose accuracy is no lower than the boundary's."""
    scores, labels, groups = rows(500)
    fit = RejectOption(max_gap=1.0).fit(scores, labels, groups)
    assert fit.objective_ >= ((scores > 0.5) == labels).mean()


def test_pareto_points_rise_in_both():
    """No width on the list beats another, and the chosen one is on it."""
    fit = RejectOption(max_gap=0.05).fit(*rows(500))
    assert (np.diff(fit.pareto_["gap"]) > 0).all()
    assert (np.diff(fit.pareto_["objective"]) > 0).all()
    assert fit.objective_ in fit.pareto_["objective"]


def test_log_odds_have_their_boundary_at_zero():
    """Scores of any scale are decided around the boundary that is given."""
    scores, labels, groups = rows(400)
    odds = 10 * (scores - 0.5)
    here, there = RejectOption(), RejectOption(boundary=0)
    here.fit(scores, labels, groups)
    there.fit(odds, labels, groups)
    assert there.objective_ == here.objective_
    assert there.width_ == pytest.approx(10 * here.width_, rel=0.05)


def test_the_smallest_gap_is_taken_where_none_is_small_enough():
    """It is said, with the gap."""
    with pytest.warns(UserWarning, match="smallest gap"):
        RejectOption(max_gap=0).fit(*rows(61, 3))


def test_files_and_blocks_decide_alike(tmp_path):
    """A file and a block give the decisions of what they came from."""
    mx = pytest.importorskip("mxnet")
    scores, labels, groups = rows(400)
    scores = scores.astype(np.float32)
    fit = RejectOption(unfavoured=[0]).fit(scores, labels, groups)
    fit.save(tmp_path / "band.npz")
    same = load_step(tmp_path / "band.npz")
    assert same.width_ == fit.width_
    assert np.array_equal(same.predict(scores, groups), fit.predict(scores, groups))
    out = fit.as_block()(mx.nd.array(scores), mx.nd.array(fit.group_codes(groups))).asnumpy()
    assert np.array_equal(out > 0, fit.predict(scores, groups) == 1)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"max_gap": -1}, InputError, "max_gap"),
        ({"max_gap": None}, InputTypeError, "max_gap"),
        ({"boundary": np.inf}, InputError, "boundary"),
        ({"unfavoured": "0"}, InputTypeError, "unfavoured"),
        ({"unfavoured": []}, InputError, "unfavoured"),
        ({"unfavoured": [0, 1]}, InputError, "unfavoured"),
        ({"unfavoured": [7]}, InputError, "unfavoured"),
        ({"objective": "matthews_correlation"}, InputError, "objective"),
    ],
)
def test_options_out_of_range_are_refused(options, error, text):
    """Each option is checked."""
    with pytest.raises(error, match=text):
        RejectOption(**options).fit(*rows())


def test_one_group_is_refused():
    """There is nobody to favour."""
    scores, labels, _ = rows()
    with pytest.raises(InputError, match="two known groups"):
        RejectOption().fit(scores, labels, ["a"] * 60)


def test_a_criterion_that_is_nowhere_defined_is_refused():
    """Without positives in a group equal opportunity says nothing."""
    scores, labels, groups = rows()
    labels[groups == 0] = 0
    with pytest.raises(InputError, match="equal_opportunity"):
        RejectOption("equal_opportunity").fit(scores, labels, groups)
