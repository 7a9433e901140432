"""Rates and disparities equal fairlearn's wherever fairlearn defines them (it returns 0 where we return NaN)."""

from __future__ import annotations

import numpy as np
import pytest

from mxfair import Criterion, GroupConfusion, Rate
from mxfair.criterion import CRITERIA
from mxfair.rate import RATES

fairlearn = pytest.importorskip("fairlearn.metrics")
metrics = pytest.importorskip("sklearn.metrics")

pytestmark = [
    pytest.mark.slow,  # fairlearn needs some 20 ms for one disparity
    pytest.mark.filterwarnings("ignore"),  # fairlearn's and scikit-learn's, on undefined values
]

CASES = 600
#: Each disparity is compared on every tenth case, beginning at a place of its own, so that each case is compared.
STRIDE = 10
THEIRS = {
    "selection_rate": fairlearn.selection_rate,
    "true_positive_rate": fairlearn.true_positive_rate,
    "false_negative_rate": fairlearn.false_negative_rate,
    "false_positive_rate": fairlearn.false_positive_rate,
    "true_negative_rate": fairlearn.true_negative_rate,
    "positive_predictive_value": metrics.precision_score,
    "accuracy": metrics.accuracy_score,
}


def random_case(seed):
    """Return labels, preds, groups and weights; small groups lack labels and decisions at times."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(6, 80))
    labels, preds = rng.integers(0, 2, n), (rng.random(n) < rng.random()).astype(int)
    groups = np.arange(n) % int(rng.integers(2, 6))  # at least two groups: of one, fairlearn's difference is 0
    return labels, preds, rng.permutation(groups), (rng.random(n) + 0.1 if rng.random() < 0.5 else None)


@pytest.fixture(scope="module")
def cases():
    """Return all cases with their tables, made once."""
    made = []
    for seed in range(CASES):
        labels, preds, groups, weight = random_case(seed)
        made.append((labels, preds, groups, weight, GroupConfusion.of(labels, preds, groups, sample_weight=weight)))
    return made


@pytest.mark.parametrize("name", THEIRS)
def test_rates_by_group_equal_fairlearns(name, cases):
    """Every rate of every group with a defined rate is fairlearn's or scikit-learn's."""
    compared = 0
    for labels, preds, groups, weight, table in cases[list(THEIRS).index(name) % 4 :: 4]:
        for place, group in enumerate(table.groups):
            value = RATES[name](table).values[place]
            if np.isnan(value):
                continue
            rows = groups == int(group)
            options = {} if weight is None else {"sample_weight": weight[rows]}
            if name.startswith(("true", "false")):
                options["pos_label"] = 1
            assert value == pytest.approx(THEIRS[name](labels[rows], preds[rows], **options), abs=1e-12)
            compared += 1
    assert compared > CASES // 2


def one_weight(weight):
    """Return the weights as fairlearn's disparities take them."""
    return {} if weight is None else {"sample_weight": weight}


COMPARE = {"between_groups": "max_min", "to_overall": "to_overall"}
DISPARITIES = [
    (name, method, agg)
    for method in ("between_groups", "to_overall")
    for name, agg in (
        ("demographic_parity", "max"),
        ("equal_opportunity", "max"),
        ("equalized_odds", "max"),
        ("equalized_odds", "mean"),
    )
]


@pytest.mark.parametrize(("name", "method", "agg"), DISPARITIES)
def test_differences_equal_fairlearns(name, method, agg, cases):
    """Differences are fairlearn's where all groups' rates are defined."""
    theirs = getattr(fairlearn, f"{name}_difference", None)
    if theirs is None:
        pytest.skip("this fairlearn does not have it")
    criterion, compared = Criterion(name, CRITERIA[name].rates, agg=agg), 0
    for labels, preds, groups, weight, table in cases[DISPARITIES.index((name, method, agg)) % STRIDE :: STRIDE]:
        if not all(rates.defined.all() for rates in criterion.tables(table).values()):
            continue
        options = {"agg": {"max": "worst_case", "mean": "mean"}[agg]} if name == "equalized_odds" else {}
        expected = theirs(labels, preds, sensitive_features=groups, method=method, **options, **one_weight(weight))
        assert criterion.difference(table, compare=COMPARE[method]) == pytest.approx(expected, abs=1e-12)
        compared += 1
    assert compared > CASES // STRIDE // 2


@pytest.mark.parametrize("name", ["demographic_parity", "equalized_odds", "equal_opportunity"])
def test_ratios_equal_fairlearns(name, cases):
    """Ratios are fairlearn's where all groups' rates are defined and not all 0."""
    theirs = getattr(fairlearn, f"{name}_ratio", None)
    if theirs is None:
        pytest.skip("this fairlearn does not have it")
    criterion, compared = CRITERIA[name], 0
    for labels, preds, groups, weight, table in cases[::STRIDE]:
        ratio = criterion.ratio(table)
        if np.isnan(ratio) or not all(rates.defined.all() for rates in criterion.tables(table).values()):
            continue
        assert ratio == pytest.approx(theirs(labels, preds, sensitive_features=groups, **one_weight(weight)), abs=1e-12)
        compared += 1
    assert compared > CASES // STRIDE // 2


@pytest.mark.parametrize("name", ["predictive_equality", "predictive_parity", "accuracy_parity"])
def test_other_criteria_equal_the_metric_frame(name, cases):
    """Criteria that fairlearn has no function for are its MetricFrame's difference."""
    criterion, compared = CRITERIA[name], 0
    metric = THEIRS[criterion.rates[0].name]
    for labels, preds, groups, weight, table in cases[1:200:STRIDE]:
        if not criterion.tables(table)[criterion.rates[0].name].defined.all():
            continue
        frame = fairlearn.MetricFrame(
            metrics=metric,
            y_true=labels,
            y_pred=preds,
            sensitive_features=groups,
            sample_params={} if weight is None else {"sample_weight": weight},
        )
        assert criterion.difference(table) == pytest.approx(frame.difference(), abs=1e-12)
        compared += 1
    assert compared > 10


def test_a_users_rate_equals_a_metric_frame_of_a_function(cases):
    """A rate of a user's own is what fairlearn computes from a function."""
    error = Rate("error", lambda y, p, c: y != p, given=lambda y, p, c: True)
    for labels, preds, groups, _, _ in cases[:50]:
        frame = fairlearn.MetricFrame(
            metrics=metrics.zero_one_loss, y_true=labels, y_pred=preds, sensitive_features=groups
        )
        ours = error(GroupConfusion.of(labels, preds, groups)).values
        np.testing.assert_allclose(ours, frame.by_group.to_numpy(), atol=1e-12)
