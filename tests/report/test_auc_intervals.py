"""Intervals of the AUC, and gates on it, wherever the scores lie."""

from __future__ import annotations

import numpy as np
import pytest

from mxfair import GroupConfusion, GroupScores
from mxfair.report import Evaluation, FairnessReport, evaluate_predictions
from mxfair.report.gates import check_gates

GATES = ("roc_auc>0.5", "roc_auc_difference>0")


def _data():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 4000)
    groups = np.where(rng.random(4000) < 0.5, "a", "b")
    return labels, groups, np.where(groups == "a", labels / 2, 0) + rng.random(4000)


def test_intervals_do_not_depend_on_the_scale_of_scores():
    """Scores below 0.001, all in one bin from 0 to 1, have the intervals of the same scores times 1,000."""
    labels, groups, scores = _data()
    decisions = (scores > 0.5).astype(int)
    large, small = (evaluate_predictions(labels, decisions, groups, scores=scores * c) for c in (0.5, 0.0005))
    assert small.baseline.scores.auc().overall < small.baseline.auc - 0.05
    for place in range(3):
        low, high = small.certainties[0].rates["auc", place]
        assert (low, high) == pytest.approx(large.certainties[0].rates["auc", place], abs=1e-9)
        assert low < small.baseline.columns["auc"][0][place] < high
    for one, other in zip(check_gates(large, GATES), check_gates(small, GATES)):
        assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), abs=1e-9)
        assert one.low < one.value < one.high


def test_interval_is_that_of_delong():
    """Half the width is 1.96 standard errors of DeLong's formula, from each row's placement among the other label's."""
    labels, groups, scores = _data()
    report = evaluate_predictions(labels, (scores > 0.5).astype(int), groups, scores=scores)
    low, high = report.certainties[0].rates["auc", 0]
    inside, outside = scores[labels == 1], scores[labels == 0]
    wins = inside[:, None] > outside
    error = np.sqrt(wins.mean(axis=1).var(ddof=1) / len(inside) + wins.mean(axis=0).var(ddof=1) / len(outside))
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.01)


def test_without_rows_what_bins_lose_widens_the_interval():
    """The AUC of the scores themselves lies inside the interval from ten bins, and no gate fails for what bins lose."""
    labels, groups, scores = _data()
    decisions = (scores > 0.5).astype(int)
    true = evaluate_predictions(labels, decisions, groups, scores=scores).baseline.auc
    table = GroupConfusion.of(labels, decisions, groups)
    state = GroupScores.of(labels, scores / 8, groups, bins=10)
    report = FairnessReport(Evaluation("model", table, scores=state))
    low, high = report.certainties[0].rates["auc", 0]
    assert low < true < high
    assert report.baseline.auc < true - 0.02
    found = check_gates(report, f"roc_auc<{true - 0.01}")[0]
    assert found.passed
    assert found.low < true < found.high
