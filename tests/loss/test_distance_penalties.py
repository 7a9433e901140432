"""Penalties of the distribution of scores: values by definition, gradients, strata, groups, edge cases, training."""

from __future__ import annotations

import numpy as np
import pytest
from _ways import WAYS, batches, gradient, numeric, train

from mxfair._validation import InputError, InputTypeError
from mxfair.loss import (
    CorrelationPenalty,
    CramerVonMisesPenalty,
    HGRPenalty,
    HSICPenalty,
    MMDPenalty,
    MutualInformationPenalty,
    PenalizedLoss,
    WassersteinPenalty,
)

stats = pytest.importorskip("scipy.stats")
mx = pytest.importorskip("mxnet")

FLOOR = 1e-6


def sigmoid(values):
    """Return probabilities."""
    return 1 / (1 + np.exp(-values))


def standardised(scores):
    """Return scores in units of their deviation."""
    return (scores - scores.mean()) / np.sqrt(scores.var() + FLOOR)


def places(scores, scale_free):
    """Return scores as numbers from 0 to 1."""
    z = standardised(scores)
    return (z / (1 + abs(z)) + 1) / 2 if scale_free else np.clip(scores, 0, 1)


def hats(unit, knots):
    """Return the weights at the knots, (n, knots)."""
    return np.maximum(0, 1 - abs(unit[:, None] * (knots - 1) - np.arange(knots)))


def kernel_of(kernel, length, first, second):
    """Return the kernel of all pairs."""
    apart = abs(first[:, None] - second) / length
    return np.exp(-(apart**2) if kernel == "gaussian" else -apart)


def interpolated(unit, kernel, length, knots):
    """Return the kernel between knots, interpolated at scores, (n, n)."""
    grid = np.linspace(0, 1, knots)
    return hats(unit, knots) @ kernel_of(kernel, length, grid, grid) @ hats(unit, knots).T


def discrepancy(pairs, codes, adjusted=False):
    """Return the mean embedding's distances from the mean of groups, twice their sum."""
    groups = np.unique(codes)
    weights = np.array([(codes == g) / (codes == g).sum() for g in groups])
    apart = weights - weights.mean(axis=0)
    value = 2 * np.einsum("gi,ij,gj->", apart, pairs, apart)
    if adjusted:
        value /= sum((1 - w @ pairs @ w) / (codes == g).sum() for g, w in zip(groups, weights)) + 0.01
    return value


def mmd(scores, codes, kernel="gaussian", scale_free=True, exact=False, adjusted=False):
    """Return the maximum mean discrepancy."""
    if exact:
        z, length = (standardised(scores), 1.0) if scale_free else (scores, 0.1)
        return discrepancy(kernel_of(kernel, length, z, z), codes, adjusted)
    pairs = interpolated(places(scores, scale_free), kernel, 0.25 if scale_free else 0.1, 17)
    return discrepancy(pairs, codes, adjusted)


def wasserstein(scores, codes, order=1, scale_free=True):
    """Return the Wasserstein distance, of order 2 on levels."""
    z = standardised(scores) if scale_free else scores
    groups = np.unique(codes)
    if order == 1:
        edges = np.sort(z)
        below = np.array([[(z[codes == g] <= t).mean() for t in edges[:-1]] for g in groups])
        return (abs(below - below.mean(axis=0)) * np.diff(edges)).sum()
    levels = 16
    quantiles = []
    for g in groups:
        own = np.sort(z[codes == g])
        ends = np.arange(len(own) + 1) / len(own)
        starts = np.arange(levels) / levels
        cover = np.minimum(ends[1:, None], starts + 1 / levels) - np.maximum(ends[:-1, None], starts)
        quantiles.append(own @ np.maximum(cover, 0) * levels)
    return 2 * ((np.array(quantiles) - np.mean(quantiles, axis=0)) ** 2).mean(axis=1).sum()


def cramer_von_mises(scores, codes, scale_free=True):
    """Return 3 times the squared distance."""
    table = hats(places(scores, scale_free), 17)
    mass = table.mean(axis=0)
    below = np.array([np.cumsum(table[codes == g].mean(axis=0))[:-1] for g in np.unique(codes)])
    return 6 * ((below - below.mean(axis=0)) ** 2 @ ((mass[1:] + mass[:-1]) / 2)).sum()


def hsic_of(pairs, others):
    """Return tr(K H L H) / n^2."""
    n = len(pairs)
    centre = np.eye(n) - 1 / n
    return np.trace(pairs @ centre @ others @ centre) / n**2


def hsic(scores, codes, kernel="gaussian", scale_free=True, normalized=True, continuous=False):
    """Return the independence criterion of interpolated kernels."""
    pairs = interpolated(places(scores, scale_free), kernel, 0.25 if scale_free else 0.1, 17)
    others = codes[:, None] == codes
    if continuous:
        others = interpolated(places(codes, True), kernel, 0.25, 17)
    return hsic_of(pairs, others) / (np.sqrt(hsic_of(others, others)) if normalized else 1)


def hgr(scores, codes, scale_free=True, normalized=True, continuous=False):
    """Return the chi-square divergence of the soft table."""
    columns = hats(places(scores, scale_free), 9)
    rows = hats(places(codes, True), 9) if continuous else (codes[:, None] == np.unique(codes)).astype(float)
    table = rows.T @ columns
    expected = table.sum(axis=0) * table.sum(axis=1, keepdims=True) / table.sum()
    chi2 = np.divide(table**2, expected, out=np.zeros_like(table), where=expected > 0).sum() / table.sum() - 1
    return chi2 / (8 if continuous else len(np.unique(codes)) - 1) if normalized else chi2


def information(scores, codes, normalized=True):
    """Return the prejudice index."""
    both = np.stack([1 - scores, scores], axis=1)
    value, entropy = 0.0, 0.0
    for row, code in zip(both, codes):  # the sum over samples, as in the paper
        value += (row * np.log(both[codes == code].mean(axis=0) / both.mean(axis=0))).sum() / len(codes)
        entropy -= np.log((codes == code).mean()) / len(codes)
    return value / entropy if normalized else value


def correlation(scores, codes, scale_free=True, continuous=False):
    """Return the squared correlation, or covariance."""
    if continuous:
        codes = (codes - codes.mean()) / codes.std() if scale_free else codes
        if scale_free:
            return np.mean(scores * codes - scores.mean() * codes) ** 2 / (scores.var() + FLOOR)
        return np.cov(scores, codes, ddof=0)[0, 1] ** 2
    member = codes[:, None] == np.unique(codes)
    share, own = member.mean(axis=0), (member * scores[:, None]).sum(axis=0) / member.sum(axis=0)
    if scale_free:
        return (share * (own - scores.mean()) ** 2).sum() / (scores.var() + FLOOR)
    return 0.5 * ((share * (own - scores.mean())) ** 2).sum()


#: A penalty, its options, and its value by definition; those of a continuous attribute apart.
CASES = [
    (CorrelationPenalty, {}, correlation),
    (CorrelationPenalty, {"scale_free": False}, correlation),
    (MMDPenalty, {}, mmd),
    (MMDPenalty, {"kernel": "laplace"}, mmd),
    (MMDPenalty, {"scale_free": False}, mmd),
    (MMDPenalty, {"adjusted": True}, mmd),
    (MMDPenalty, {"exact": True}, mmd),
    (MMDPenalty, {"exact": True, "kernel": "laplace"}, mmd),
    (MMDPenalty, {"exact": True, "scale_free": False, "adjusted": True}, mmd),
    (WassersteinPenalty, {}, wasserstein),
    (WassersteinPenalty, {"scale_free": False}, wasserstein),
    (WassersteinPenalty, {"order": 2}, wasserstein),
    (WassersteinPenalty, {"order": 2, "scale_free": False}, wasserstein),
    (CramerVonMisesPenalty, {}, cramer_von_mises),
    (CramerVonMisesPenalty, {"scale_free": False}, cramer_von_mises),
    (HSICPenalty, {}, hsic),
    (HSICPenalty, {"kernel": "laplace", "normalized": False}, hsic),
    (HSICPenalty, {"scale_free": False}, hsic),
    (HGRPenalty, {}, hgr),
    (HGRPenalty, {"normalized": False}, hgr),
    (HGRPenalty, {"scale_free": False}, hgr),
    (MutualInformationPenalty, {}, information),
    (MutualInformationPenalty, {"normalized": False}, information),
]
CONTINUOUS = [
    (CorrelationPenalty, {}, correlation),
    (CorrelationPenalty, {"scale_free": False}, correlation),
    (HSICPenalty, {}, hsic),
    (HSICPenalty, {"kernel": "laplace", "normalized": False}, hsic),
    (HGRPenalty, {}, hgr),
    (HGRPenalty, {"normalized": False, "scale_free": False}, hgr),
]
CLASSES = sorted({case[0] for case in CASES}, key=lambda kind: kind.__name__)
STRATA = {"demographic_parity": [(0, 1)], "equal_opportunity": [(1,)], "equalized_odds": [(0,), (1,)]}


def name(case):
    """Return the name of a case."""
    return "-".join([case[0].__name__, *(f"{key}={value}" for key, value in case[1].items())])


def sample(groups=2, n=60, seed=0):
    """Return outputs, labels and codes, some of them of no group; outputs depend on both."""
    rng = np.random.default_rng(seed)
    code, label = rng.integers(-1, groups + 1, n), rng.integers(0, 2, n)
    pred = rng.normal(size=n) + label + 0.7 * code
    return pred.astype(np.float32).astype(float), label.astype(float), code.astype(float)


def value(penalty, pred, label, group):
    """Return the penalty of a batch."""
    return float(penalty(mx.nd.array(pred), mx.nd.array(label), mx.nd.array(group)).mean().asscalar())


def by_stratum(function, pred, label, code, groups, criterion, options):
    """Return the sum over strata of a value by definition; no function standardises more than its own stratum."""
    known = (code >= 0) & (code < groups)
    rows = [known & np.isin(label, labels) for labels in STRATA[criterion]]
    return sum(function(sigmoid(pred[row]), code[row], **options) for row in rows)


@pytest.mark.parametrize("groups", [2, 3])
@pytest.mark.parametrize("criterion", ["demographic_parity", "equal_opportunity"])
@pytest.mark.parametrize("case", CASES, ids=name)
def test_values_are_those_of_the_definitions(case, criterion, groups):
    """Samples of unknown groups and of labels outside the stratum count for none."""
    kind, options, function = case
    pred, label, code = sample(groups)
    penalty = kind(criterion, groups, link="sigmoid", **options)
    expected = by_stratum(function, pred, label, code, groups, criterion, options)
    assert value(penalty, pred, label, code) == pytest.approx(expected, rel=2e-4, abs=2e-6)


@pytest.mark.parametrize(
    "case", [c for c in CASES if not c[1].get("scale_free", c[0] is not CorrelationPenalty)], ids=name
)
def test_equalized_odds_adds_the_strata(case):
    """Without a common deviation of scores the value is the sum of the labels' own."""
    kind, options, function = case
    pred, label, code = sample()
    expected = by_stratum(function, pred, label, code, 2, "equalized_odds", options)
    assert value(kind("equalized_odds", 2, link="sigmoid", **options), pred, label, code) == pytest.approx(
        expected, rel=2e-4
    )


@pytest.mark.parametrize("groups", [2, 3])
@pytest.mark.parametrize("case", [c for c in CASES if "adjusted" not in c[1]], ids=name)
def test_gradients_are_those_of_the_definitions(case, groups):
    """By finite differences in float64; the adjusted form holds its divisor fixed and is tested elsewhere."""
    kind, options, function = case
    pred, label, code = sample(groups, n=40, seed=1)
    found = gradient(kind("demographic_parity", groups, link="sigmoid", **options), pred, label, code)
    expected = numeric(
        lambda at: by_stratum(function, at, label, code, groups, "demographic_parity", options), pred, 1e-6
    )
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-4 * abs(expected).max())
    assert (found[(code < 0) | (code >= groups)] == 0).all()


@pytest.mark.parametrize("case", CONTINUOUS, ids=name)
def test_continuous_attributes_by_definition(case):
    """Values and gradients with an attribute for groups; NaN counts for none."""
    kind, options, function = case
    pred, label, _ = sample(n=40)
    attribute = 3 * pred + 20 * np.random.default_rng(2).normal(size=40)
    attribute[[3, 7]] = np.nan
    there = ~np.isnan(attribute)
    penalty = kind("demographic_parity", None, link="sigmoid", **options)

    def expected(at):
        return function(sigmoid(at[there]), attribute[there], continuous=True, **options)

    assert value(penalty, pred, label, attribute) == pytest.approx(expected(pred), rel=3e-4)
    slope = numeric(expected, pred, 1e-6)
    found = gradient(penalty, pred, label, attribute)
    np.testing.assert_allclose(found, slope, rtol=2e-3, atol=5e-4 * abs(slope).max())


def test_correlation_takes_several_attributes():
    """The mean over columns of squared correlations, each by numpy.corrcoef."""
    pred, label, _ = sample()
    columns = np.random.default_rng(0).normal(size=(60, 3)) * [1, 10, 100] + pred[:, None] * [1, 0, 30] + 50
    penalty = CorrelationPenalty("demographic_parity", None, n_attributes=3, link="identity")
    expected = np.mean([np.corrcoef(pred, column)[0, 1] ** 2 for column in columns.T])
    assert value(penalty, pred, label, columns) == pytest.approx(expected, rel=1e-4)
    found = gradient(penalty, pred, label, columns)
    slope = numeric(lambda at: np.mean([np.corrcoef(at, c)[0, 1] ** 2 for c in columns.T]), pred, 1e-5)
    np.testing.assert_allclose(found, slope, rtol=1e-3, atol=1e-6)


def test_known_distances_of_two_groups():
    """Against scipy and numpy: the Wasserstein distance, the correlation, chi-square, and the grid's W2."""
    pred = [0.8, 0.9, 0.2, 0.1, 0.7, 0.9, 0.8, 0.6, 0.3, 0.5]
    code = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    plain = {"link": "identity", "scale_free": False}
    assert value(WassersteinPenalty("demographic_parity", 2, **plain), pred, code, code) == pytest.approx(
        0.183333, abs=1e-6
    )
    second = value(WassersteinPenalty("demographic_parity", 2, order=2, levels=24, **plain), pred, code, code)
    assert second == pytest.approx(0.0566667, abs=1e-6)  # steps of 1/4 and 1/6 are whole levels of 24: no error
    squared = value(CorrelationPenalty("demographic_parity", 2, link="identity"), pred, code, code)
    assert squared == pytest.approx(np.corrcoef(pred, code)[0, 1] ** 2, rel=1e-4)
    pred, _, code = sample()
    known = (code >= 0) & (code < 2)
    distance = stats.wasserstein_distance(pred[known & (code == 0)], pred[known & (code == 1)])
    found = value(WassersteinPenalty("demographic_parity", 2, **plain), pred, code, code)
    assert found == pytest.approx(distance, rel=1e-5)


def test_chi_square_is_the_statistic_of_the_table():
    """Scores on the knots make a table; its chi-square over n is scipy's, the normalized form Cramer's V squared."""
    code = np.random.default_rng(0).integers(0, 3, 200)
    scores = np.random.default_rng(1).integers(0, 5, 200) // (1 + code) / 4
    table = np.array([[((code == g) & (scores == s)).sum() for s in np.unique(scores)] for g in range(3)])
    chi2 = stats.chi2_contingency(table, correction=False).statistic / 200
    plain = {"link": "identity", "scale_free": False, "knots": 5}
    raw = value(HGRPenalty("demographic_parity", 3, normalized=False, **plain), scores, code, code)
    assert raw == pytest.approx(chi2, rel=1e-4)
    assert value(HGRPenalty("demographic_parity", 3, **plain), scores, code, code) == pytest.approx(chi2 / 2, rel=1e-4)


def test_mutual_information_of_hard_predictions_is_that_of_the_table():
    """With probabilities 0 and 1, scikit-learn's mutual information in nats."""
    metrics = pytest.importorskip("sklearn.metrics")
    code = np.random.default_rng(0).integers(0, 2, 100)
    hard = (np.random.default_rng(1).random(100) < 0.3 + 0.4 * code).astype(float)
    penalty = MutualInformationPenalty("demographic_parity", 2, link="identity", normalized=False)
    assert value(penalty, hard, code, code) == pytest.approx(metrics.mutual_info_score(hard, code), abs=1e-5)


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("criterion", STRATA)
def test_parity_is_zero(kind, criterion):
    """Groups with the same scores for each label have penalty 0 and gradient 0, whatever their sizes."""
    pred, label, _ = sample(n=30)
    copies = [np.tile(pred, 3), np.tile(label, 3), np.repeat([0, 1, 1], 30)]
    penalty = kind(criterion, 2, link="sigmoid")
    assert value(penalty, *copies) == pytest.approx(0, abs=2e-5)
    if kind is not WassersteinPenalty:  # whose derivative jumps at parity
        assert abs(gradient(penalty, *copies)).max() < 1e-5


@pytest.mark.parametrize(
    "case", [c for c in CASES if c[1].get("scale_free", c[0] is not MutualInformationPenalty)], ids=name
)
def test_shrinking_all_scores_gains_nothing(case):
    """Scale-free values do not move with the scores' scale, and the gradient has no part along it."""
    kind, options, _ = case
    pred, label, code = sample(n=50)
    penalty = kind("demographic_parity", 2, link="identity", **options)
    assert value(penalty, pred / 10 + 3, label, code) == pytest.approx(value(penalty, pred, label, code), rel=2e-3)
    slope = gradient(penalty, pred, label, code)
    known = (code >= 0) & (code < 2)
    along = (pred - pred[known].mean()) @ slope
    assert abs(along) < 1e-4 * np.linalg.norm(slope) * np.linalg.norm(pred)


@pytest.mark.parametrize("case", [*CASES, *((k, {**o, "n_groups": None}, f) for k, o, f in CONTINUOUS)], ids=name)
@pytest.mark.parametrize("criterion", STRATA)
def test_poor_batches_have_finite_gradients(case, criterion):
    """One group, one label, constant scores, one member of a group, one sample, nobody known: finite, 0 if absent."""
    kind, options = case[0], dict(case[1])
    continuous = "n_groups" in options
    penalty = kind(criterion, options.pop("n_groups", 3), link="sigmoid", **options)
    pred, label, _ = sample(n=12)
    value(penalty, pred, label, np.arange(12) % 3)  # the first batch is checked: it has groups
    poor = {
        "one group": (pred, label, np.zeros(12)),
        "one label": (pred, np.zeros(12), np.arange(12) % 2),
        "constant": (np.full(12, 0.3), label, np.arange(12) % 2),
        "extreme": (np.where(np.arange(12) % 2, 80.0, -80.0), label, np.arange(12) % 2),
        "one member": (pred, label, np.arange(12) == 4),
        "one sample": (pred[:1], label[:1], np.ones(1)),
        "unknown": (pred, label, np.full(12, np.nan if continuous else -1.0)),
    }
    for situation, batch in poor.items():
        slope = gradient(penalty, *batch)
        assert np.isfinite(slope).all(), situation
        assert np.isfinite(value(penalty, *batch)), situation
        if situation in ("one sample", "unknown") or (situation == "one group" and not continuous):
            assert value(penalty, *batch) == pytest.approx(0, abs=1e-6), situation
            assert abs(slope).max() < 1e-5, situation


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("criterion", STRATA)
def test_scores_that_are_all_alike_are_left_alone(kind, criterion):
    """A net whose last layer starts at 0 is at parity: no gradient, whatever the unit of the scores."""
    penalty, pred = kind(criterion, 2, link="sigmoid"), mx.nd.full(12, 0.3)
    pred.attach_grad()
    with mx.autograd.record():
        penalty(pred, mx.nd.array(np.arange(12) // 3 % 2), mx.nd.array(np.arange(12) % 2)).mean().backward()
    np.testing.assert_allclose(pred.grad.asnumpy(), 0, atol=1e-4)


@pytest.mark.parametrize("kind", CLASSES)
def test_an_absent_group_changes_nothing(kind):
    """A third group that the batch lacks leaves values and gradients as they are, but for normalizers."""
    pred, label, code = sample()
    two, three = (kind("equalized_odds", n, link="sigmoid") for n in (2, 3))
    code[code == 2] = -1
    factor = 2 if kind is HGRPenalty else 1  # Cramer's V divides by the number of groups less 1
    assert factor * value(three, pred, label, code) == pytest.approx(value(two, pred, label, code), rel=1e-5)
    slopes = [gradient(one, pred, label, code) for one in (two, three)]
    np.testing.assert_allclose(factor * slopes[1], slopes[0], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("criterion", STRATA)
def test_two_classes_by_softmax_are_as_by_sigmoid(kind, criterion):
    """Outputs (0, x) of a softmax are x of a sigmoid, in value and gradient."""
    pred, label, code = sample()
    both = np.stack([np.zeros_like(pred), pred], axis=1)
    one, two = (kind(criterion, 2, link=link) for link in ("sigmoid", "softmax"))
    assert value(two, both, label, code) == pytest.approx(value(one, pred, label, code), rel=1e-4)
    slope = gradient(one, pred, label, code)
    found = gradient(two, both, label, code)
    np.testing.assert_allclose(found, np.stack([-slope, slope], axis=1), rtol=2e-3, atol=1e-3 * abs(slope).max())


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("criterion", STRATA)
def test_several_classes_by_finite_differences(kind, criterion):
    """With three classes the gradient is the value's own, along a random direction."""
    rng = np.random.default_rng(3)
    label, code = rng.integers(0, 3, 90).astype(float), rng.integers(0, 2, 90).astype(float)
    pred = rng.normal(size=(90, 3)) + 0.8 * code[:, None] * [0, 1, 2]
    penalty = kind(criterion, 2, link="softmax", n_classes=3)
    slope = gradient(penalty, pred, label, code)
    step = 2e-3 * slope / np.linalg.norm(slope)
    rise = value(penalty, pred + step, label, code) - value(penalty, pred - step, label, code)
    assert rise == pytest.approx(2 * (slope * step).sum(), rel=0.05)


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("criterion", ["demographic_parity", "equalized_odds"])
@pytest.mark.parametrize("outputs", [1, 2])
def test_all_ways_to_train_agree(kind, criterion, outputs):
    """Imperative, hybridized, and as one graph: the same losses."""
    base = mx.gluon.loss.SigmoidBinaryCrossEntropyLoss if outputs == 1 else mx.gluon.loss.SoftmaxCrossEntropyLoss
    losses = []
    for way in WAYS:
        mx.random.seed(0)
        net = mx.gluon.nn.Dense(outputs, in_units=3)
        net.initialize(mx.init.Xavier())
        loss = PenalizedLoss(base(), kind(criterion, 2, strength=0.5))
        losses.append(train(net, loss, way, batches(n=64)))
    np.testing.assert_allclose(losses[1], losses[0], rtol=2e-4, atol=1e-5)
    np.testing.assert_allclose(losses[2], losses[0], rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "columns"), [(CorrelationPenalty, 1), (CorrelationPenalty, 3), (HSICPenalty, 1), (HGRPenalty, 1)]
)
def test_all_ways_agree_with_attributes(kind, columns):
    """With continuous attributes as the third item, one column or several, some not known."""
    rng = np.random.default_rng(0)
    options = {"n_attributes": columns} if columns > 1 else {}
    data = []
    for x, y, _ in batches(n=64):
        third = rng.normal(size=(64, columns)) + x.asnumpy()[:, 1:2]
        third[5, 0] = np.nan
        data.append((x, y, mx.nd.array(third if columns > 1 else third[:, 0])))
    losses = []
    for way in WAYS:
        mx.random.seed(0)
        net = mx.gluon.nn.Dense(1, in_units=3)
        net.initialize(mx.init.Xavier())
        penalty = kind("equalized_odds", None, strength=0.5, **options)
        losses.append(train(net, PenalizedLoss(mx.gluon.loss.SigmoidBinaryCrossEntropyLoss(), penalty), way, data))
    assert np.isfinite(losses[0]).all()
    np.testing.assert_allclose(losses[1], losses[0], rtol=2e-4, atol=1e-5)
    np.testing.assert_allclose(losses[2], losses[0], rtol=2e-4, atol=1e-5)


def test_more_levels_approach_the_exact_distance():
    """The squared distance of order 2 rises with the levels to the integral of squared quantile differences."""
    rng = np.random.default_rng(0)
    code = np.arange(90) % 3 > 0
    pred = rng.normal(size=90) + code
    low, high = np.sort(pred[~code]), np.sort(pred[code])  # 30 and 60: levels of 1 / 60 are exact
    exact = ((np.repeat(low, 2) - high) ** 2).mean()
    found = [
        value(
            WassersteinPenalty("demographic_parity", 2, order=2, levels=levels, scale_free=False, link="identity"),
            *(pred, code, code),
        )
        for levels in (5, 15, 30, 60)
    ]
    assert found == sorted(found)
    assert found[-1] == pytest.approx(exact, rel=1e-4)
    assert found[1] > 0.9 * exact


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if kind is not MutualInformationPenalty])
def test_regression_takes_demographic_parity_only(kind):
    """Training lowers the penalty of a linear regression; equalized odds has a message of its own."""
    net = mx.gluon.nn.Dense(1, in_units=3)
    net.initialize(mx.init.Xavier())
    data = batches(n=128, regression=True)
    penalty = kind("demographic_parity", 2, strength=20.0)
    loss = PenalizedLoss(mx.gluon.loss.L2Loss(), penalty)
    penalty.link = "identity"
    train(
        net, PenalizedLoss(mx.gluon.loss.L2Loss(), kind("demographic_parity", 2, strength=0.0)), "graph", data, steps=60
    )
    before = np.mean(
        [value(penalty, net(x), y, g) for x, y, g in ((d[0], d[1].asnumpy(), d[2].asnumpy()) for d in data)]
    )
    train(net, loss, "graph", data, steps=60)
    after = np.mean(
        [value(penalty, net(x), y, g) for x, y, g in ((d[0], d[1].asnumpy(), d[2].asnumpy()) for d in data)]
    )
    assert after < 0.7 * before
    with pytest.raises(InputError, match="demographic_parity for a regression"):
        value(kind("equalized_odds", 2, link="identity"), *(a.asnumpy() for a in (net(data[0][0]), *data[0][1:])))


@pytest.mark.parametrize("kind", CLASSES)
def test_strength_scales_value_and_gradient(kind):
    """Twice the strength, twice the value and the gradient."""
    pred, label, code = sample()
    one, two = (kind("equalized_odds", 2, link="sigmoid", strength=s) for s in (1.0, 2.0))
    assert value(two, pred, label, code) == pytest.approx(2 * value(one, pred, label, code), rel=1e-5)
    np.testing.assert_allclose(
        gradient(two, pred, label, code), 2 * gradient(one, pred, label, code), rtol=1e-4, atol=1e-8
    )


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: MMDPenalty("demographic_parity", None), InputTypeError, "HSICPenalty"),
        (lambda: WassersteinPenalty("demographic_parity", None), InputTypeError, "HGRPenalty"),
        (lambda: MMDPenalty("demographic_parity", 2, kernel="linear"), InputError, "gaussian, laplace"),
        (lambda: MMDPenalty("demographic_parity", 2, length=0), InputError, "above 0"),
        (lambda: MMDPenalty("demographic_parity", 2, exact="yes"), InputTypeError, "True or False"),
        (lambda: MMDPenalty("demographic_parity", 2, knots=2), InputError, "at least 3"),
        (lambda: WassersteinPenalty("demographic_parity", 2, order=3), InputError, "1 or 2"),
        (lambda: HGRPenalty("demographic_parity", 2, scale_free=None), InputTypeError, "True or False"),
        (lambda: CorrelationPenalty("demographic_parity", 2, n_attributes=2), InputError, "n_groups=None"),
        (lambda: CorrelationPenalty("predictive_parity", 2), InputError, "inside sets of labels"),
    ],
)
def test_bad_arguments_are_refused(build, error, message):
    """At construction, with a message that says what to do."""
    with pytest.raises(error, match=message):
        build()


def test_bad_first_batches_are_refused():
    """Scores outside 0 to 1 where these are needed, and attributes of another number of columns."""
    pred, label, code = [-1.0, 2.0], [0, 1], [0, 1]
    with pytest.raises(InputError, match="scale_free"):
        value(MMDPenalty("demographic_parity", 2, scale_free=False, link="identity"), pred, label, code)
    with pytest.raises(InputError, match="probabilities"):
        value(MutualInformationPenalty("demographic_parity", 2, link="identity"), pred, label, code)
    with pytest.raises(InputError, match="n_attributes"):
        value(CorrelationPenalty("demographic_parity", None, link="identity"), pred, label, np.ones((2, 2)))
