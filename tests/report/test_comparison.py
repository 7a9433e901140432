"""Comparisons of two models: paired on the same rows, unpaired otherwise, and the intervals hold."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from mxfair import GroupConfusion, GroupResiduals
from mxfair._validation import InputError
from mxfair.criterion import ALL_CRITERIA
from mxfair.report import Evaluation, RegressionEvaluation, evaluate_predictions
from mxfair.report.comparison import compare


def decisions(n: int, seed: int, *, flip: float = 0.1) -> dict[str, Any]:
    """Return labels, groups, and decisions of two models that mostly agree."""
    rng = np.random.default_rng(seed)
    groups, labels = rng.choice(["a", "b"], n), rng.integers(0, 2, n)
    old = np.where(rng.random(n) < 0.2 + 0.15 * (groups == "a"), 1 - labels, labels)
    new = np.where(rng.random(n) < flip, 1 - old, old)
    return {"labels": labels, "groups": groups, "old": old, "new": new}


def report(data: dict[str, Any], name: str) -> Any:
    """Return the report on one of the models."""
    return evaluate_predictions(data["labels"], data[name], data["groups"], name=name)


def test_changes_are_differences_of_the_gaps() -> None:
    """Each row holds both gaps and their difference; accuracy comes last."""
    data = decisions(500, 0)
    first, second = report(data, "old"), report(data, "new")
    frame = compare(first, second).frame
    for name, row in frame.iterrows():
        if name in ALL_CRITERIA:
            assert row["old"] == first.gaps.loc[name, "old"]
            assert row["new"] == second.gaps.loc[name, "new"]
            assert row["change"] == pytest.approx(row["new"] - row["old"])
    assert frame.loc["overall accuracy", "change"] == pytest.approx(
        (data["new"] == data["labels"]).mean() - (data["old"] == data["labels"]).mean()
    )


def test_the_same_rows_give_narrower_intervals() -> None:
    """Two models that mostly agree share the luck of the sample; counts alone do not know that."""
    data = decisions(2000, 1)
    data["old"] = np.where((data["groups"] == "a") & (np.arange(2000) % 3 == 0), 1, data["old"])  # far from parity
    data["new"] = np.where(np.arange(2000) % 10 == 0, 0, data["old"])
    first, second = report(data, "old"), report(data, "new")
    paired = compare(first, second)
    apart = compare(Evaluation("old", first.baseline.table), Evaluation("new", second.baseline.table))
    assert (paired.paired, apart.paired) == (True, False)
    assert "Unpaired" in apart.note
    widths = [(c.frame["high"] - c.frame["low"])[["demographic_parity", "overall accuracy"]] for c in (paired, apart)]
    assert (widths[0] < 0.8 * widths[1]).all()


def test_joint_counts_pair_evaluations_without_rows() -> None:
    """Counts of pairs of decisions give what the rows give."""
    data = decisions(600, 2)
    first, second = report(data, "old"), report(data, "new")
    joint = np.zeros((2, 2, 2, 2))
    np.add.at(joint, ((data["groups"] == "b").astype(int), data["labels"], data["old"], data["new"]), 1)
    tables = [Evaluation(r.baseline.name, r.baseline.table) for r in (first, second)]
    found = compare(*tables, joint=joint)
    assert found.paired
    assert found.frame.equals(compare(first, second).frame)
    with pytest.raises(InputError, match="add up"):
        compare(*tables[::-1], joint=joint)


def test_models_on_other_rows_groups_and_sizes_are_compared() -> None:
    """Last month's file need not have this month's groups."""
    old, new = decisions(400, 3), decisions(900, 4)
    new["groups"] = np.where(np.arange(900) % 3 == 0, "c", new["groups"])
    found = compare(report(old, "old"), report(new, "new"))
    assert not found.paired
    assert found.frame.notna().all(axis=None)
    assert (found.frame["low"] <= found.frame["change"]).all()
    assert (found.frame["change"] <= found.frame["high"]).all()


def numbers(n: int = 800, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return labels, predictions of two models and groups."""
    rng = np.random.default_rng(seed)
    labels, groups = rng.normal(size=n), rng.choice(["a", "b"], n)
    old = labels + rng.normal(0, 0.5, n) + 0.4 * (groups == "a")
    return labels, old, old + rng.normal(0.1, 0.1, n) - 0.2 * (groups == "a"), groups


def test_numbers_are_compared_with_and_without_rows() -> None:
    """From the rows the intervals are narrower; without them each model's own intervals are put together."""
    labels, old, new, groups = numbers()
    rows = [RegressionEvaluation(name, labels, preds, groups) for name, preds in (("old", old), ("new", new))]
    states = [
        RegressionEvaluation.of_state(name, GroupResiduals.of(labels, preds, groups, low=-9, high=9))
        for name, preds in (("old", old), ("new", new))
    ]
    paired, apart = compare(*rows), compare(*states)
    assert (paired.paired, apart.paired) == (True, False)
    first, second = (f.frame.loc["mean_error", ["change", "low", "high"]] for f in (paired, apart))
    assert first["change"] == pytest.approx(second["change"])
    assert second["low"] < first["low"] < first["high"] < second["high"]
    a, b = (e.interval("mean_error") for e in states)
    gaps = [e.table.metric("mean_error").gap().value for e in states]
    change = gaps[1] - gaps[0]
    assert second["low"] == pytest.approx(change - np.hypot(gaps[1] - b[0], a[1] - gaps[0]))
    assert np.isnan(apart.frame.loc["ks_distance", "low"])


def test_gates_are_on_the_change() -> None:
    """A gap that has grown beyond the bound fails, one that shrank does not, and no interval is not judged."""
    labels, old, new, groups = numbers(1500)
    found = compare(*(RegressionEvaluation(n, labels, p, groups) for n, p in (("old", old), ("new", new))))
    results = found.check(["mean_error_difference<-0.1", "mean_error_difference>0", "ks_distance>0.5"])
    assert [r.status for r in results] == ["failed", "passed", "not judged"]
    (result,) = compare(*(report(decisions(3000, 1), n) for n in ("old", "new"))).check("accuracy<-0.01")
    assert result.status == "failed"
    for gate in ("accuracy_ratio<1", "old: equalized_odds>1", "roc_auc>1"):
        with pytest.raises(InputError, match="change of"):
            found.check(gate)


def test_what_cannot_be_compared_is_refused() -> None:
    """Tasks, positive classes and reports of several models."""
    data = decisions(100, 0)
    first, second = report(data, "old"), report(data, "new")
    labels, old, _, groups = numbers(100)
    with pytest.raises(InputError, match="one task"):
        compare(first, RegressionEvaluation("m", labels, old, groups))
    with pytest.raises(InputError, match="one positive class"):
        compare(first, evaluate_predictions(data["labels"], data["new"], data["groups"], positive=0))
    with pytest.raises(InputError, match="must hold one model"):
        compare(first.beside(second), second)
    with pytest.raises(TypeError, match="report or an evaluation"):
        compare(first, "second")  # type: ignore[arg-type]  # the mistake


def test_a_comparison_is_plain_values() -> None:
    """JSON holds it, with null where there is no interval; models of one name are told apart."""
    data = decisions(100, 0)
    found = compare(report(data, "old"), report(data, "old"))
    state = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert (state["first"], state["second"]) == ("old (first)", "old (second)")
    assert state["rows"][0]["change"] == 0
    few = GroupConfusion(["a", "b"], [0, 1], np.array([[[5, 5], [0, 0]], [[5, 5], [0, 0]]]))
    state = compare(Evaluation("x", few), Evaluation("y", few)).to_dict()
    (row,) = [row for row in state["rows"] if row["figure"] == "equal_opportunity"]
    assert row["low"] is None


@pytest.mark.slow
@pytest.mark.parametrize("paired", [True, False])
def test_intervals_of_changes_hold_the_truth(paired: bool) -> None:
    """The true change lies in about 95 of 100 intervals or more."""
    rates = {"old": (0.6, 0.45), "new": (0.55, 0.5)}
    truth = 0.05 - 0.15
    inside = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        groups = np.repeat(["a", "b"], 300)
        draw = rng.random(600)
        data: dict[str, Any] = {"labels": rng.integers(0, 2, 600), "groups": groups}
        for name, pair in rates.items():
            draw = draw if paired else rng.random(600)
            data[name] = (draw < np.where(groups == "a", *pair)).astype(int)
        sides = [report(data, name) for name in rates]
        if not paired:
            sides = [Evaluation(s.baseline.name, s.baseline.table) for s in sides]
        row = compare(*sides, criteria="demographic_parity").frame.loc["demographic_parity"]
        inside += row["low"] <= truth <= row["high"]
    assert inside >= 34  # 38 expected, less three standard deviations
