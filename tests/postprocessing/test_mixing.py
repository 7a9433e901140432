"""Decisions reversed at random, and scores withheld, against linear programs and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from mxfair import GroupConfusion
from mxfair._validation import InputError, InputTypeError
from mxfair.criterion import CRITERIA
from mxfair.metric import expected_calibration_error
from mxfair.postprocessing import CalibratedCostMixing, EqualizedOddsMixing, PostProcessed
from mxfair.preprocessing import load_step

pytestmark = pytest.mark.filterwarnings("ignore:Fewer than")


def decided(n=2000, n_groups=3, seed=0):
    """Return decisions that are right by other shares in each group, labels and groups."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, n_groups, n)
    labels = (rng.random(n) < 0.3 + 0.1 * groups).astype(int)
    right = rng.random(n) < np.where(labels == 1, 0.8 - 0.15 * groups, 0.7 + 0.1 * groups)
    return np.where(right, labels, 1 - labels), labels, groups


def rates_by_group(preds, labels, groups):
    """Return true and false positive rates, and shares of positives and of rows, by group."""
    found = []
    for name in np.unique(groups):
        own, p, y = groups == name, preds[groups == name], labels[groups == name]
        found.append((p[y == 1].mean(), p[y == 0].mean(), (y == 1).mean(), own.mean()))
    return np.array(found).T


@pytest.mark.parametrize("max_gap", [0.0, 0.05])
def test_the_chances_are_the_best_of_a_linear_program(max_gap):
    """Hardt's program, written out with a pair of chances for each group, has the same accuracy."""
    preds, labels, groups = decided()
    true, false, share, size = rates_by_group(preds, labels, groups)
    # p = (p1 of each group, p0 of each): TPR' = p1 TPR + p0 (1 - TPR), FPR' = p1 FPR + p0 (1 - FPR)
    new = [np.hstack([np.diag(rate), np.diag(1 - rate)]) for rate in (true, false)]
    gain = (size * share) @ new[0] - (size * (1 - share)) @ new[1]
    rows = [one[a] - one[b] for one in new for a in range(3) for b in range(3) if a != b]
    best = linprog(-gain, A_ub=np.array(rows), b_ub=np.full(len(rows), max_gap), bounds=[(0, 1)] * 6)
    fit = EqualizedOddsMixing(max_gap=max_gap).fit(preds, labels, groups)
    assert fit.objective_ == pytest.approx(-best.fun + size @ (1 - share), abs=1e-7)
    assert fit.gap_ <= max_gap + 1e-7
    expected = np.stack([one @ np.r_[fit.chances_[:, 1], fit.chances_[:, 0]] for one in new])
    assert np.ptp(expected, axis=1).max() <= max_gap + 1e-6


def test_reversing_is_used_where_a_group_is_decided_the_wrong_way_round():
    """Decisions that are mostly wrong in one group are reversed there."""
    preds, labels, groups = decided(n_groups=2)
    preds = np.where(groups == 0, 1 - preds, preds)
    fit = EqualizedOddsMixing().fit(preds, labels, groups)
    assert fit.chances_[0, 0] > fit.chances_[0, 1]
    assert fit.objective_ > 0.6


@pytest.mark.parametrize("name", CRITERIA)
def test_any_criterion_can_be_met(name):
    """The criterion of expected counts is met; counts are those of the chances."""
    preds, labels, groups = decided()
    fit = EqualizedOddsMixing(name, max_gap=0.02).fit(preds, labels, groups)
    assert fit.gap_ <= 0.02 + 1e-6
    chance = fit.transform(preds, groups)
    for place in range(3):
        own = groups == place
        expected = [[(1 - chance)[own & (labels == y)].sum(), chance[own & (labels == y)].sum()] for y in (0, 1)]
        np.testing.assert_allclose(fit.counts_[place], expected, atol=1e-6)


def test_drawn_decisions_have_the_expected_rates_and_are_seeded():
    """Rates of many drawn decisions agree; the same seed draws the same."""
    preds, labels, groups = (np.tile(values, 50) for values in decided())
    fit = EqualizedOddsMixing().fit(preds, labels, groups)
    drawn = fit.predict(preds, groups, random_state=0)
    table = GroupConfusion.of(labels, drawn, groups)
    assert CRITERIA["equalized_odds"].difference(table) < 0.02
    np.testing.assert_array_equal(drawn, fit.predict(preds, groups, random_state=0))
    assert (drawn != fit.predict(preds, groups, random_state=1)).any()


def test_weights_and_the_positive_class():
    """A row of weight 2 is two rows; the criterion of the first class is that of labels exchanged."""
    preds, labels, groups = decided(600)
    weight = np.random.default_rng(9).integers(0, 3, 600)
    again = np.repeat(np.arange(600), weight)
    one = EqualizedOddsMixing().fit(preds, labels, groups, sample_weight=weight)
    np.testing.assert_allclose(
        one.chances_, EqualizedOddsMixing().fit(preds[again], labels[again], groups[again]).chances_, atol=1e-6
    )
    first = EqualizedOddsMixing("equal_opportunity", positive=0).fit(preds, labels, groups)
    other = EqualizedOddsMixing("equal_opportunity").fit(1 - preds, 1 - labels, groups)
    np.testing.assert_allclose(first.chances_, other.chances_, atol=1e-6)


def test_files_and_blocks_give_it_back(tmp_path):
    """A saved mixing has the same chances, and its block gives them for scores."""
    preds, labels, groups = decided()
    fit = EqualizedOddsMixing().fit(preds, labels, groups)
    fit.save(tmp_path / "m.npz")
    np.testing.assert_array_equal(load_step(tmp_path / "m.npz").transform(preds, groups), fit.transform(preds, groups))
    pytest.importorskip("mxnet")
    block = fit.as_block(boundary=0.5)
    block.hybridize()
    np.testing.assert_allclose(block(preds, groups).asnumpy(), fit.transform(preds, groups), atol=1e-6)
    assert np.isnan(block([1.0], [3]).asnumpy()).all()


def test_wrapped_models_give_their_decisions():
    """A scikit-learn classifier's and a net's decisions are mixed, and the net's block gives the chances."""
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 2, 1500)
    X = rng.normal(size=(1500, 2)).astype(np.float32)
    y = (X[:, 0] + groups + rng.normal(size=1500) > 0.5).astype(int)
    model = PostProcessed(LogisticRegression(), EqualizedOddsMixing(), random_state=0).fit(X, y, groups)
    np.testing.assert_array_equal(model.scores(X), model.estimator_.predict(X))
    np.testing.assert_array_equal(model.predict(X, groups), model.predict(X, groups))
    pytest.importorskip("mxnet")
    from mxnet import nd

    from mxfair.net import logistic

    for outputs in (1, 2):
        net = logistic(2, outputs)
        net.initialize()
        net.weight.set_data(nd.array([[1.0, 0]] if outputs == 1 else [[-1.0, 0], [1.0, 0]]))
        wrapped = PostProcessed(net, EqualizedOddsMixing()).fit(X, y, groups)
        np.testing.assert_array_equal(wrapped.scores(X), (X[:, 0] > 0).astype(int))
        got = wrapped.as_block()(nd.array(X), nd.array(groups)).asnumpy().ravel()
        np.testing.assert_allclose(got, wrapped.predict_proba(X, groups)[:, 1], atol=1e-6)


def scored(n=20_000, seed=0):
    """Return calibrated scores that tell more in some groups, labels and groups."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 3, n)
    scores = expit((2 - groups / 2) * rng.normal(size=n) + 0.3 * groups - 0.3)
    return scores, (rng.random(n) < scores).astype(int), groups


@pytest.mark.parametrize("cost", [(0, 1), (1, 1), (3, 1)])
def test_costs_agree_and_calibration_stays(cost):
    """Generalised costs of drawn scores agree with the highest; calibration errors hardly change."""
    scores, labels, groups = scored()
    mixing = CalibratedCostMixing(cost).fit(scores, labels, groups)
    assert np.ptp(mixing.costs_[:, 1]) < 1e-12
    assert mixing.costs_[0, 1] == mixing.costs_[:, 0].max()
    many = [np.tile(values, 10) for values in (scores, labels, groups)]
    new = mixing.transform(many[0], many[2], random_state=0)
    for place in range(3):
        own = many[2] == place
        false = new[own & (many[1] == 0)].mean()
        missed = (1 - new)[own & (many[1] == 1)].mean()
        assert cost[0] * false + cost[1] * missed == pytest.approx(mixing.costs_[place, 1], abs=0.01)
    assert (expected_calibration_error(many[1], new, many[2]).values < 0.03).all()


def test_costs_that_cannot_agree_are_warned_of():
    """Where even a base rate costs less than another group's scores, the gap that stays is said."""
    rng = np.random.default_rng(0)
    groups = np.repeat([0, 1], 2000)
    base = np.where(groups == 0, 0.9, 0.1) + rng.uniform(-0.09, 0.09, 4000)
    labels = (rng.random(4000) < base).astype(int)
    with pytest.warns(UserWarning, match="cannot agree"):
        mixing = CalibratedCostMixing().fit(base, labels, groups)
    assert mixing.alphas_.max() == 1
    assert np.ptp(mixing.costs_[:, 1]) > 0.5


def test_weights_of_withheld_scores_count_as_rows():
    """A row of weight two is two rows."""
    scores, labels, groups = scored(500)
    weight = np.random.default_rng(7).integers(1, 4, 500)  # of another seed than the groups
    weighted = CalibratedCostMixing((1, 2)).fit(scores, labels, groups, sample_weight=weight.astype(float))
    repeated = CalibratedCostMixing((1, 2)).fit(*(np.repeat(part, weight) for part in (scores, labels, groups)))
    for name in ("alphas_", "base_rates_", "costs_"):
        np.testing.assert_allclose(getattr(weighted, name), getattr(repeated, name), atol=1e-12)


def test_scores_stay_where_a_base_rate_costs_less():
    """Withholding scores that are worse than their base rate would widen the gap: none is withheld."""
    labels, groups = np.tile([0, 1], 1000), np.repeat(["bad", "worse"], 1000)
    scores = np.where(groups == "bad", np.where(labels == 1, 0.45, 0.55), np.where(labels == 1, 0.2, 0.8))
    with pytest.warns(UserWarning, match="'bad' stays at 1.1, below the highest, 1.6"):
        mixing = CalibratedCostMixing((1, 1)).fit(scores, labels, groups)
    np.testing.assert_array_equal(mixing.alphas_, 0)
    np.testing.assert_allclose(mixing.costs_, [[1.1, 1.1], [1.6, 1.6]])


def test_withheld_scores_are_seeded_and_stored(tmp_path):
    """The same seed withholds the same scores; a file keeps the chances; a block is refused."""
    scores, labels, groups = scored(2000)
    mixing = CalibratedCostMixing().fit(scores, labels, groups)
    first = mixing.transform(scores, groups, random_state=3)
    mixing.save(tmp_path / "c.npz")
    np.testing.assert_array_equal(load_step(tmp_path / "c.npz").transform(scores, groups, random_state=3), first)
    assert 0.05 < (first != scores).mean() < 0.95
    np.testing.assert_array_equal(mixing.predict(scores, groups, random_state=3), (first > 0.5).astype(int))
    with pytest.raises(InputError, match="block"):
        mixing.as_block()


def test_bad_input_is_refused():
    """Options out of range, decisions of other classes, scores that are none, and groups that were not fitted."""
    preds, labels, groups = decided(300)
    for options, error in (
        ({"max_gap": -1}, InputError),
        ({"max_gap": "no"}, InputTypeError),
        ({"positive": 5}, InputError),
    ):
        with pytest.raises(error):
            EqualizedOddsMixing(**options).fit(preds, labels, groups)
    with pytest.raises(InputError, match="preds"):
        EqualizedOddsMixing().fit(preds + 0.5, labels, groups)
    with pytest.raises(InputError, match="same length"):
        EqualizedOddsMixing().fit(preds[1:], labels, groups)
    with pytest.raises(InputError, match="fitted first"):
        EqualizedOddsMixing().predict(preds, groups)
    with pytest.raises(InputError, match="fitted groups"):
        EqualizedOddsMixing().fit(preds, labels, groups).predict(preds, groups + 7)
    with pytest.raises(InputError, match="define"):
        EqualizedOddsMixing().fit(preds, np.where(groups == 0, 1, labels), groups)
    for cost, error in (((0, 0), InputError), ((1,), InputError), ("fnr", InputTypeError), ((-1, 1), InputError)):
        with pytest.raises(error, match="cost"):
            CalibratedCostMixing(cost).fit(preds * 0.5, labels, groups)
    with pytest.raises(InputError, match="probabilities"):
        CalibratedCostMixing().fit(preds * 2.0, labels, groups)
    with pytest.raises(InputError, match="both labels"):
        CalibratedCostMixing().fit(preds * 0.5, np.where(groups == 0, 1, labels), groups)
    with pytest.raises(InputError, match="predict_method"):
        PostProcessed(LogisticRegression(), EqualizedOddsMixing(), predict_method="predict_proba").fit(
            preds[:, None], labels, groups
        )
