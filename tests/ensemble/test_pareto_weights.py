"""pareto_weights against grids, random weights and scikit-learn's figures; what it refuses."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, softmax
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error

from mxfair import Criterion, GroupConfusion, Groups, metric
from mxfair._validation import InputError, InputTypeError
from mxfair.ensemble import Ensemble, pareto_weights
from mxfair.ensemble._convex import LogLoss, Problem

SOFT = ("demographic_parity", "equal_opportunity", "equalized_odds", "predictive_equality", "accuracy_parity")


def samples(n=600, members=3, groups=2, seed=0):
    """Return scores of members (K, n), labels and groups: members differ in accuracy and in what groups get."""
    rng = np.random.default_rng(seed)
    labels, codes = rng.integers(0, 2, n), rng.integers(0, groups, n)
    noise = rng.normal(size=(members, n)) * rng.uniform(1.0, 2.0, (members, 1))
    shift = rng.normal(0, 1, (members, groups))[:, codes]
    return (2 * labels - 1) * 1.2 + noise + shift, labels, codes


def soft_gap(weights, scores, labels, codes, criterion):
    """Return the gap of mean probabilities, written out by the soft counts of GroupConfusion."""
    yes = weights @ expit(scores)
    table = GroupConfusion.of(labels, np.column_stack([1 - yes, yes]), codes)
    return Criterion(criterion, metric_rates(criterion)).difference(table)


def metric_rates(criterion):
    """Return the rates of a criterion by name."""
    from mxfair.criterion import ALL_CRITERIA

    return ALL_CRITERIA[criterion].rates


def simplex_grid(members, steps):
    """Return all weights that are multiples of 1 / steps."""
    points = [p for p in itertools.product(range(steps + 1), repeat=members) if sum(p) == steps]
    return np.array(points) / steps


@pytest.mark.parametrize("criterion", SOFT)
@pytest.mark.parametrize(("members", "steps"), [(2, 400), (3, 30)])
def test_no_grid_point_is_better_than_the_convex_solution(criterion, members, steps):
    """Among all weights of a grid within the same soft gap, none has a smaller log loss."""
    scores, labels, codes = samples(members=members, seed=members)
    found = pareto_weights(scores, labels, codes, criterion, n_points=5)
    grid = simplex_grid(members, steps)
    yes = grid @ expit(scores)
    loss = -np.log(np.where(labels == 1, yes, 1 - yes)).mean(axis=1)
    gap = np.array([soft_gap(weights, scores, labels, codes, criterion) for weights in grid])
    convex = [place for place, source in enumerate(found.source) if source == "convex"]
    assert len(convex) >= 3
    for place in convex:
        within = loss[gap <= found.soft_gap[place]]
        assert found.loss[place] <= within.min(initial=np.inf) + 1e-6
        near = np.abs(grid - found.weights[place]).max(axis=1) <= 1.5 / steps
        assert near.any()


@pytest.mark.parametrize("agg", ["max", "mean", "sum"])
def test_random_weights_do_not_dominate_the_convex_solutions(agg):
    """Of 2,000 random weights of five members none has both a smaller soft gap and a smaller loss."""
    scores, labels, codes = samples(members=5, groups=3, seed=4)
    criterion = Criterion("odds", ["true_positive_rate", "false_positive_rate"], agg=agg)
    found = pareto_weights(scores, labels, codes, criterion, n_points=9)
    weights = np.random.default_rng(0).dirichlet(np.full(5, 0.6), 2000)
    yes = weights @ expit(scores)
    loss = -np.log(np.where(labels == 1, yes, 1 - yes)).mean(axis=1)
    rates = np.stack([[yes[:, (codes == g) & (labels == y)].mean(axis=1) for g in range(3)] for y in (1, 0)])
    gaps = rates.max(axis=1) - rates.min(axis=1)
    gap = getattr(gaps, agg)(axis=0)
    convex = np.array([source == "convex" for source in found.source])
    for value, bound in zip(found.loss[convex], found.soft_gap[convex]):
        assert not ((loss < value - 1e-6) & (gap <= bound)).any()


def test_the_convex_solution_is_that_of_scipy():
    """SLSQP, given all pairs of groups as constraints, finds no smaller loss, and not a larger one."""
    scores, labels, codes = samples(members=4, groups=3, seed=1)
    yes = expit(scores)
    chances = np.where(labels == 1, yes, 1 - yes).T
    rates = np.array([[yes[:, codes == g].mean(axis=1) for g in range(3)]])
    problem = Problem(LogLoss(chances), rates, "max")
    least, start = problem.smallest_gap()
    bound = least + 0.02
    pairs = [rates[0, a] - rates[0, b] for a in range(3) for b in range(3) if a != b]
    constraints = [{"type": "ineq", "fun": lambda w, row=row: bound - row @ w} for row in pairs]
    constraints.append({"type": "eq", "fun": lambda w: w.sum() - 1})
    right = minimize(
        lambda w: -np.log(chances @ w).mean(),
        0.9 * start + 0.025,
        bounds=[(0, 1)] * 4,
        constraints=constraints,
        options={"ftol": 1e-12, "maxiter": 500},
    )
    weights = problem.solve(bound, start)
    assert problem.gap(weights) <= bound + 1e-9
    assert problem.loss.value(weights) == pytest.approx(right.fun, abs=2e-6)


@pytest.mark.parametrize("combine", ["probability", "score", "vote"])
@pytest.mark.parametrize("criterion", ["equalized_odds", "predictive_parity"])
def test_figures_are_those_of_the_ensembles_decisions(combine, criterion):
    """Accuracy, loss and gap of each row equal scikit-learn's and GroupConfusion's of the combined decisions."""
    scores, labels, codes = samples(members=3)
    found = pareto_weights(scores, labels, codes, criterion, combine=combine, n_points=4, n_draws=20, random_state=0)
    for place, weights in enumerate(found.weights):
        if combine == "score":
            yes = expit(weights @ scores)
        else:
            yes = weights @ (expit(scores) if combine == "probability" else (scores > 0).astype(float))
        preds = (yes > 0.5).astype(int)
        table = GroupConfusion.of(labels, preds, codes)
        assert found.accuracy[place] == pytest.approx(accuracy_score(labels, preds))
        assert found.gap[place] == pytest.approx(Criterion("c", metric_rates(criterion)).difference(table), abs=1e-12)
        loss = 2 * ((yes - labels) ** 2).mean() if combine == "vote" else log_loss(labels, yes)
        assert found.loss[place] == pytest.approx(loss, rel=1e-9)


def test_several_classes():
    """One score per class: figures of each row are those of the largest mean probability."""
    rng = np.random.default_rng(0)
    labels, codes = rng.integers(0, 3, 500), rng.integers(0, 2, 500)
    scores = 1.5 * np.eye(3)[labels] + rng.normal(size=(4, 500, 3)) + rng.normal(size=(4, 1, 3)) * codes[:, None]
    found = pareto_weights(scores, labels, codes, "equalized_odds", n_points=4)
    assert "convex" in found.source
    for place, weights in enumerate(found.weights):
        mean = np.tensordot(weights, softmax(scores, axis=2), axes=1)
        table = GroupConfusion.of(labels, mean.argmax(axis=1), codes)
        assert found.accuracy[place] == pytest.approx(accuracy_score(labels, mean.argmax(axis=1)))
        assert found.gap[place] == pytest.approx(Criterion("c", metric_rates("equalized_odds")).difference(table))
        assert found.loss[place] == pytest.approx(log_loss(labels, mean))
        soft = Criterion("c", metric_rates("equalized_odds")).difference(GroupConfusion.of(labels, mean, codes))
        assert found.soft_gap[place] == pytest.approx(soft, abs=1e-9)


@pytest.mark.parametrize("criterion", ["mean_prediction", "mean_error", "mean_absolute_error", "mean_squared_error"])
def test_regression(criterion):
    """Squared error and gap of each row are scikit-learn's and the metric function's of the weighted mean."""
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 2, 300)
    labels = 1000 + 50 * rng.normal(size=300) + 20 * codes
    preds = labels + 30 * rng.normal(size=(3, 300)) + np.array([[-25.0], [5.0], [30.0]]) * codes
    found = pareto_weights(preds, labels, codes, criterion, n_points=4, n_draws=50, random_state=0)
    assert ("convex" in found.source) == (criterion in ("mean_prediction", "mean_error"))
    for place, weights in enumerate(found.weights):
        mean = weights @ preds
        assert found.loss[place] == pytest.approx(mean_squared_error(labels, mean))
        right = getattr(metric, criterion)(labels, mean, codes).difference()
        assert found.gap[place] == pytest.approx(right, rel=1e-9, abs=1e-9)
    assert np.isnan(found.accuracy).all()
    assert found.choose() == int(np.nanargmin(found.loss))


def test_regression_reaches_the_least_squares_of_a_grid():
    """Within the gap of each convex row, no weights of a grid have a smaller squared error."""
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 2, 300)
    labels = 1000 + 50 * rng.normal(size=300)
    preds = labels + 30 * rng.normal(size=(3, 300)) + np.array([[-25.0], [5.0], [30.0]]) * codes
    found = pareto_weights(preds, labels, codes, "mean_error", n_points=6)
    grid = simplex_grid(3, 80)
    loss = ((grid @ preds - labels) ** 2).mean(axis=1)
    gap = np.abs(
        (grid @ (preds - labels))[:, codes == 1].mean(axis=1) - (grid @ (preds - labels))[:, codes == 0].mean(1)
    )
    for place in np.flatnonzero([source == "convex" for source in found.source]):
        assert found.loss[place] <= loss[gap <= found.gap[place]].min(initial=np.inf) * (1 + 1e-6)


def test_the_search_finds_what_a_grid_finds():
    """Predictive parity of two members: under the gap of each grid point, an accuracy that is at least as good."""
    scores, labels, codes = samples(n=400, members=2, seed=5)
    found = pareto_weights(scores, labels, codes, "predictive_parity", n_points=15, random_state=0)
    assert {"search"} <= set(found.source) <= {"search", "member", "equal"}
    assert np.isnan(found.soft_gap).all()
    criterion = Criterion("c", "positive_predictive_value")
    for share in np.linspace(0, 1, 101):
        preds = (np.array([share, 1 - share]) @ expit(scores) > 0.5).astype(int)
        gap = criterion.difference(GroupConfusion.of(labels, preds, codes))
        best = found.accuracy[found.gap <= gap + 0.01]
        assert best.max(initial=0.0) >= accuracy_score(labels, preds) - 0.01


def test_a_search_is_repeatable():
    """The same random_state gives the same rows."""
    scores, labels, codes = samples()
    first, second = (
        pareto_weights(scores, labels, codes, "predictive_parity", n_points=3, n_draws=50, random_state=7).weights
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


def test_the_front_is_what_no_row_dominates():
    """Marked are exactly the rows without another one that is at least as good in both figures and better in one."""
    scores, labels, codes = samples(members=4, seed=3)
    found = pareto_weights(scores, labels, codes, n_draws=100, random_state=0)
    for place in range(len(found)):
        no_worse = (found.accuracy >= found.accuracy[place]) & (found.gap <= found.gap[place])
        better = (found.accuracy > found.accuracy[place]) | (found.gap < found.gap[place])
        assert found.front[place] == (not (no_worse & better).any())


def test_a_member_that_is_best_alone_is_on_the_front():
    """A perfect member without a gap among noise: it is a row, on the front, and chosen."""
    scores, labels, codes = samples(members=4)
    scores[2] = 20.0 * (2 * labels - 1)
    found = pareto_weights(scores, labels, codes)
    place = next(p for p in range(len(found)) if found.source[p] == "member" and found.weights[p, 2] == 1)
    assert found.front[place]
    assert found.accuracy[place] == 1
    assert found.gap[place] == 0
    assert found.weights[found.choose(), 2] > 0.5


def test_the_front_is_never_worse_than_each_member_and_their_mean():
    """For each member, and for equal weights, some row of the front is at least as good in both figures."""
    scores, labels, codes = samples(members=5, seed=8)
    found = pareto_weights(scores, labels, codes)
    assert sum(source == "member" for source in found.source) == 5
    for weights in [*np.eye(5), np.full(5, 0.2)]:
        preds = (weights @ expit(scores) > 0.5).astype(int)
        gap = Criterion("c", metric_rates("equalized_odds")).difference(GroupConfusion.of(labels, preds, codes))
        front = found.front & (found.gap <= gap + 1e-12)
        assert found.accuracy[front].max() >= accuracy_score(labels, preds) - 1e-12


def test_weights_are_on_the_simplex():
    """Rows are 0 or more and sum to 1; gaps grow from row to row."""
    scores, labels, codes = samples(members=6)
    found = pareto_weights(scores, labels, codes)
    assert (found.weights >= 0).all()
    np.testing.assert_allclose(found.weights.sum(axis=1), 1)
    assert (np.diff(found.gap) >= 0).all()


@pytest.mark.parametrize("criterion", ["equalized_odds", "predictive_parity"])
def test_one_member_has_one_row(criterion):
    """K = 1: nothing to choose."""
    scores, labels, codes = samples(members=1)
    found = pareto_weights(scores, labels, codes, criterion)
    assert found.weights.tolist() == [[1.0]]
    assert found.front.tolist() == [True]
    assert found.choose() == found.knee() == 0


@pytest.mark.parametrize("criterion", ["equalized_odds", "predictive_parity", "mean_error"])
def test_members_that_are_the_same(criterion):
    """Identical members: every row reaches the same figures."""
    scores, labels, codes = samples(members=1)
    found = pareto_weights(np.repeat(scores, 3, axis=0), labels, codes, criterion, n_draws=20, random_state=0)
    assert found.front.all() or np.ptp(found.gap) < 1e-9
    np.testing.assert_allclose(found.gap, found.gap[0], atol=1e-9)
    np.testing.assert_allclose(found.loss, found.loss[0], rtol=1e-9)


def test_samples_without_a_known_group_count_for_the_accuracy_alone():
    """Of "unknown" samples the loss and the accuracy are measured, the gap leaves them out."""
    scores, labels, codes = samples()
    names = np.array(["a", "b"], dtype=object)[codes]
    names[::5] = None
    found = pareto_weights(scores, labels, names, "demographic_parity", n_points=3)
    known = np.array([name is not None for name in names])
    for place, weights in enumerate(found.weights):
        preds = (weights @ expit(scores) > 0.5).astype(int)
        assert found.accuracy[place] == pytest.approx((preds == labels).mean())
        shares = [preds[known & (names == name)].mean() for name in ("a", "b")]
        assert found.gap[place] == pytest.approx(abs(shares[0] - shares[1]))


def test_weights_do_not_profit_from_a_rate_that_is_undefined():
    """Selecting nobody of a group leaves its precision undefined: the gap of the others is no gap of all."""
    scores, labels, codes = samples(n=300, groups=3)
    scores[0, codes == 2] = -50.0
    found = pareto_weights(scores, labels, codes, "predictive_parity", n_points=4, n_draws=30, random_state=0)
    (alone,) = np.flatnonzero((found.weights[:, 0] == 1) & [source == "member" for source in found.source])
    assert np.isnan(found.gap[alone])
    assert not found.front[alone]


def test_choose_takes_the_best_within_the_bound():
    """The best accuracy among rows within the bound, for bounds along the front."""
    scores, labels, codes = samples(members=4, seed=3)
    found = pareto_weights(scores, labels, codes)
    for bound in (*found.gap, np.inf):
        place = found.choose(bound)
        assert found.gap[place] <= bound
        assert found.accuracy[place] == found.accuracy[found.gap <= bound].max()
        assert found.front[place]


def test_choose_warns_where_no_row_is_within_the_bound():
    """Then it is the smallest gap, and a warning says so."""
    scores, labels, codes = samples()
    found = pareto_weights(scores, labels, codes)
    bound = float(found.gap.min()) / 2
    assert bound > 0
    with pytest.warns(UserWarning, match="No weights reach"):
        assert found.choose(bound) == 0


def test_the_knee_is_the_bend():
    """Of three rows on a front, the one above the line between the ends; of two, the smaller gap."""
    from dataclasses import replace

    scores, labels, codes = samples()
    found = pareto_weights(scores, labels, codes)
    three = replace(
        found,
        weights=np.eye(3),
        accuracy=np.array([0.70, 0.84, 0.85]),
        loss=np.ones(3),
        gap=np.array([0.0, 0.02, 0.2]),
        soft_gap=np.ones(3),
        front=np.array([True, True, True]),
        source=("convex",) * 3,
    )
    assert three.knee() == 1
    assert replace(three, front=np.array([True, False, True])).knee() == 0


def test_the_table_and_the_text():
    """to_frame has a row per point and a column per member; the repr shows the front."""
    scores, labels, codes = samples()
    found = pareto_weights(scores, labels, codes)
    frame = found.to_frame()
    assert list(frame.columns) == [
        *("loss", "accuracy", "gap", "soft_gap", "front", "source"),
        *("weight_0", "weight_1", "weight_2"),
    ]
    np.testing.assert_array_equal(frame[["weight_0", "weight_1", "weight_2"]].to_numpy(), found.weights)
    assert repr(found).count("\n") == 1 + found.front.sum()
    assert "equalized_odds" in repr(found)


def test_an_ensemble_with_the_weights_decides_as_measured(make_net, toy):
    """From member_scores to set_weights: the ensemble's accuracy is the row's."""
    import mxnet as mx

    data, labels, groups = toy
    ensemble = Ensemble([make_net(seed=seed) for seed in range(4)])
    found = pareto_weights(ensemble.member_scores(data), labels, groups)
    for place, weights in enumerate(found.weights):
        ensemble.set_weights(weights)
        preds = ensemble(mx.nd.array(data)).asnumpy().ravel() > 0
        assert found.accuracy[place] == pytest.approx((preds == labels).mean())


def test_probabilities_are_taken_as_they_are():
    """probability=True on the sigmoid of the scores gives the rows of the scores."""
    scores, labels, codes = samples()
    plain = pareto_weights(scores, labels, codes, n_points=4)
    found = pareto_weights(expit(scores), labels, codes, n_points=4, probability=True)
    np.testing.assert_allclose(found.weights, plain.weights, atol=1e-6)


def test_nothing_warns():
    """Extreme scores, a single column per sample, text labels: no warning of NumPy or SciPy."""
    scores, labels, codes = samples()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = pareto_weights(scores[..., None] * 200, np.where(labels, "yes", "no"), codes, n_draws=10)
    assert np.isfinite(found.loss).all()


def absent_group():
    """Return Groups that name a group without samples."""
    return Groups(["a", "b", "c"] * 200).take(np.flatnonzero(np.arange(600) % 3 < 2))


BAD = {
    "shape": (lambda s, y, g: pareto_weights(s[0], y, g), InputError, "shape"),
    "no members": (lambda s, y, g: pareto_weights(s[:0], y, g), InputError, "none of them 0"),
    "text": (lambda s, y, g: pareto_weights(s.astype(str), y, g), InputTypeError, "numbers"),
    "nan": (lambda s, y, g: pareto_weights(np.where(np.arange(600) == 7, np.nan, s), y, g), InputError, "row 7"),
    "length": (lambda s, y, g: pareto_weights(s, y[:-1], g), InputError, "same length"),
    "groups": (lambda s, y, g: pareto_weights(s, y, g[:-1]), InputError, "same length"),
    "one group": (lambda s, y, g: pareto_weights(s, y, g * 0), InputError, "two known groups"),
    "one class": (lambda s, y, g: pareto_weights(s, y * 0, g), InputError, "two classes or more; got only 0"),
    "three classes": (lambda s, y, g: pareto_weights(s, y + g, g), InputError, "one output decides between two"),
    "class codes": (
        lambda s, y, g: pareto_weights(np.stack([s, -s, s], -1), 5 * y, g),
        InputError,
        "needs the labels 0 to 2",
    ),
    "no positives": (lambda s, y, g: pareto_weights(s, y * (1 - g), g), InputError, "group '1' has no samples with"),
    "criterion": (lambda s, y, g: pareto_weights(s, y, g, "equal_odds"), InputError, "Did you mean"),
    "criterion type": (lambda s, y, g: pareto_weights(s, y, g, 3), InputTypeError, "'criterion'"),
    "losses": (lambda s, y, g: pareto_weights(s, y, g, "bounded_group_loss"), InputError, "must be one of"),
    "combine": (lambda s, y, g: pareto_weights(s, y, g, combine="sum"), InputError, "probability, score, vote"),
    "regression": (lambda s, y, g: pareto_weights(s, y, g, "mean_error", combine="vote"), InputError, "regression"),
    "values": (
        lambda s, y, g: pareto_weights(np.stack([s, s], -1), y, g, "mean_error"),
        InputError,
        "one value per sample",
    ),
    "infinite": (lambda s, y, g: pareto_weights(s, np.where(y, np.inf, 0), g, "mean_error"), InputError, "finite"),
    "probability": (lambda s, y, g: pareto_weights(s, y, g, probability=True), InputError, "between 0 and 1"),
    "n_points": (lambda s, y, g: pareto_weights(s, y, g, n_points=1), InputError, "'n_points' must be at least 2"),
    "n_draws": (lambda s, y, g: pareto_weights(s, y, g, n_draws=-1), InputError, "'n_draws'"),
    "seed": (lambda s, y, g: pareto_weights(s, y, g, random_state="a"), InputError, "'seed'"),
    "bound": (lambda s, y, g: pareto_weights(s, y, g).choose(-1), InputError, "'max_gap'"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused(name):
    """Each message says what is wrong, and where."""
    call, kind, message = BAD[name]
    with pytest.raises(kind, match=message):
        call(*samples())


@pytest.mark.parametrize("criterion", ["demographic_parity", "predictive_parity", "mean_error"])
def test_a_group_without_samples_is_named(criterion):
    """Groups that name one that does not occur among these rows: its gap cannot be measured."""
    scores, labels, _ = samples(n=400)
    with pytest.raises(InputError, match="group 'c' has none"):
        pareto_weights(scores, labels, absent_group(), criterion)
