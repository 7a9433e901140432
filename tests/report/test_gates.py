"""Gates fail on the confidence bound, and never let pass what cannot be judged."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from mxfair import Criterion, GroupConfusion, GroupResiduals, GroupScores, metric
from mxfair._validation import InputError
from mxfair.report import Evaluation, FairnessReport, RegressionEvaluation, evaluate_predictions
from mxfair.report._junit import to_junit
from mxfair.report.gates import Gate, GateResult, check_gates


def table_of(*rates: tuple[int, int]) -> GroupConfusion:
    """Return counts of groups with so many positive decisions of so many, half of them right."""
    counts = [[[(n - k) // 2, k // 2], [n - k - (n - k) // 2, k - k // 2]] for k, n in rates]
    return GroupConfusion([f"g{i}" for i in range(len(rates))], [0, 1], np.array(counts))


def report_of(*rates: tuple[int, int], **settings: Any) -> FairnessReport:
    """Return a report on one model with these selection rates."""
    return FairnessReport(Evaluation("m", table_of(*rates)), **settings)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("equalized_odds_difference>0.1", Gate("equalized_odds", "difference", ">", 0.1)),
        (" demographic_parity_ratio <= .8 ", Gate("demographic_parity", "ratio", "<=", 0.8)),
        ("equalized_odds >= 1e-1", Gate("equalized_odds", "difference", ">=", 0.1)),
        ("accuracy<0.7", Gate("accuracy", "overall", "<", 0.7)),
        ("accuracy_difference>0.7", Gate("accuracy", "difference", ">", 0.7)),
        ("auc_difference>0", Gate("roc_auc", "difference", ">", 0.0)),
        ("a: b: accuracy<1", Gate("accuracy", "overall", "<", 1.0, model="a: b")),
        ("selection_rate[x > 2]_difference>0.2", Gate("selection_rate", "difference", ">", 0.2, label="x > 2")),
        ("treatment_equality>2", Gate("treatment_equality", "overall", ">", 2.0)),
        ("mean_prediction_difference>1000", Gate("mean_prediction", "difference", ">", 1000.0)),
    ],
)
def test_gates_are_read(text: str, expected: Gate) -> None:
    """The grammar covers criteria, rates, figures, models and classes, and a gate's text reads as the same gate."""
    assert Gate.parse(text) == expected
    assert Gate.parse(str(expected)) == expected


@pytest.mark.parametrize("text", ["", "equalized_odds", ">0.1", "accuracy=1", "accuracy>x", "accuracy>0.1 0.2", "1>2"])
def test_what_is_no_gate_is_refused(text: str) -> None:
    """The error shows how a gate reads."""
    with pytest.raises(InputError, match="must read like"):
        Gate.parse(text)


def test_a_wrong_name_gets_the_nearest_one() -> None:
    """A misspelt criterion is named."""
    with pytest.raises(InputError, match="Did you mean 'equalized_odds'"):
        Gate.parse("equalised_odds_difference>0.1")


def test_the_interval_is_that_of_the_report_and_of_the_metrics() -> None:
    """A gate is judged by the interval that the report shows; at another level by one that is computed alike."""
    report = report_of((300, 500), (200, 500))
    (result,) = check_gates(report, "demographic_parity>0.1")
    assert (result.low, result.high) == report.gap_rows["demographic_parity"][0].interval
    (wider,) = check_gates(report, "demographic_parity>0.1", level=0.99)
    assert wider.low < result.low < result.high < wider.high
    row = metric.evaluate_counts(table_of((300, 500), (200, 500)), metrics="selection_rate").confidence_intervals(
        criteria="demographic_parity", seed=3
    )
    low, high = row.loc[("demographic_parity", "difference", ""), ["low", "high"]]
    assert (result.low, result.high) == pytest.approx((low, high), abs=0.01)
    assert result.value == pytest.approx(0.2)


@pytest.mark.parametrize(("bound", "status"), [(0.1, "failed"), (0.18, "passed"), (0.25, "passed"), (0.4, "passed")])
def test_a_gate_fails_on_the_bound_of_the_interval(bound: float, status: str) -> None:
    """A gap of 0.2 +- 0.06 is above 0.1, and neither shown to be above 0.18 nor 0.25."""
    (result,) = check_gates(report_of((300, 500), (200, 500)), f"demographic_parity_difference>{bound}")
    assert result.status == status
    assert ("nor that it is not" in result.reason) is (bound in (0.18, 0.25))


def test_a_ratio_fails_on_its_upper_bound() -> None:
    """A ratio of 2/3 fails below 0.8, and does not below 0.7, which its interval reaches."""
    report = report_of((300, 500), (200, 500))
    results = check_gates(report, ["demographic_parity_ratio<0.8", "demographic_parity_ratio<0.7"])
    assert [r.status for r in results] == ["failed", "passed"]
    assert results[0].high < 0.8


@pytest.mark.parametrize("rates", [[(1, 5), (5, 5)], [(0, 3), (0, 1000)], [(10, 1000)], [(1, 9), (500, 1000)]])
def test_too_few_samples_are_not_judged(rates: list[tuple[int, int]]) -> None:
    """Small groups, absent rates and a single group never pass, whatever the bound."""
    (result,) = check_gates(report_of(*rates), "demographic_parity_difference>0.99")
    assert result.status == "not judged"
    assert not result.passed
    assert "not enough data" in result.reason


def test_a_rate_that_a_group_does_not_have_is_not_judged() -> None:
    """A gap that silently leaves out a group with no positive label does not pass."""
    table = GroupConfusion(["a", "b", "c"], [0, 1], np.array([[[50, 50], [50, 50]]] * 2 + [[[50, 50], [0, 0]]]))
    (result,) = check_gates(FairnessReport(Evaluation("m", table)), "equal_opportunity>0.5")
    assert result.status == "not judged"
    assert "c has 0 behind its true_positive_rate" in result.reason
    (result,) = check_gates(FairnessReport(Evaluation("m", table), min_support=10), "equal_opportunity>0.5")
    assert result.passed
    assert "left out with fewer than 10 samples: c" in result.reason


def test_unknown_groups_neither_count_nor_block() -> None:
    """A few samples of unknown group do not keep a gate from being judged."""
    table = GroupConfusion(["a", "b", "unknown"], [0, 1], np.array([[[50, 50], [50, 50]]] * 2 + [[[1, 0], [0, 1]]]))
    (result,) = check_gates(FairnessReport(Evaluation("m", table)), "demographic_parity>0.5")
    assert result.passed
    assert result.value == 0


def test_a_gate_may_be_for_one_model() -> None:
    """The other models are not judged by it; an unknown one is refused."""
    both = [Evaluation("a", table_of((300, 500), (200, 500))), Evaluation("b", table_of((250, 500), (250, 500)))]
    report = FairnessReport(both)
    results = check_gates(report, ["b: demographic_parity>0.1", "demographic_parity>0.1"])
    assert [(r.model, r.status) for r in results] == [("b", "passed"), ("a", "failed"), ("b", "passed")]
    with pytest.raises(InputError, match="model of a gate"):
        check_gates(report, "c: demographic_parity>0.1")


def test_an_overall_rate_has_wilsons_interval() -> None:
    """600 of 1,000 are selected: 0.569 to 0.630."""
    (result,) = check_gates(report_of((300, 500), (300, 500)), "selection_rate<0.65")
    assert (result.low, result.high) == pytest.approx((0.5693, 0.6299), abs=1e-3)
    assert result.status == "failed"


def test_several_classes_need_a_class_for_a_rate() -> None:
    """A rate over all samples is of one class; the largest gap of any class needs none."""
    rng = np.random.default_rng(0)
    labels, groups = rng.integers(0, 3, 900), rng.integers(0, 2, 900)
    report = evaluate_predictions(labels, (labels + (groups & (labels > 0))) % 3, groups)
    with pytest.raises(InputError, match="must name a class"):
        check_gates(report, "selection_rate>0.1")
    first, second = check_gates(report, ["selection_rate[2]>0.1", "selection_rate_difference>0.1"])
    assert first.value == pytest.approx((report.baseline.table.overall[:, 2]).sum() / 900)
    assert second.value == pytest.approx(Criterion("x", "selection_rate").difference(report.baseline.table))


def test_other_conventions_are_those_of_the_metrics() -> None:
    """With `compat` a signed difference is judged with its sign."""
    labels, groups = np.tile([0, 1], 500), np.repeat(["a", "b"], 500)
    preds = (np.arange(1000) % 10 < np.where(groups == "a", 3, 6)).astype(int)
    options = {"reference": "b", "compat": "aif360"}
    report = evaluate_predictions(labels, preds, groups, **options)
    result, other = check_gates(report, ["demographic_parity<-0.1", "demographic_parity>0.1"])
    assert result.value == pytest.approx(metric.demographic_parity_difference(labels, preds, groups, **options))
    assert result.low < result.value < result.high < -0.1
    assert (result.status, other.status) == ("failed", "passed")


def test_gates_on_the_auc_use_the_histograms() -> None:
    """The difference is that of the report; scores are needed."""
    rng = np.random.default_rng(0)
    groups, labels = np.repeat([0, 1], 1000), rng.integers(0, 2, 2000)
    scores = np.clip(rng.normal(0.4 + 0.2 * labels * (groups == 0), 0.15), 0, 1)
    report = evaluate_predictions(labels, (scores > 0.5).astype(int), groups, scores=scores)
    difference, overall = check_gates(report, ["roc_auc_difference>0.2", "roc_auc<0.9"])
    exact = metric.roc_auc(labels, scores, groups)
    assert difference.value == pytest.approx(exact.difference())
    assert overall.value == pytest.approx(exact.overall)
    assert (difference.status, overall.status) == ("failed", "failed")
    assert difference.low < exact.difference() < difference.high
    with pytest.raises(InputError, match="must have scores"):
        check_gates(report_of((1, 20), (2, 20)), "roc_auc<0.9")


def regression(n: int = 2000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels, predictions that are 1 higher and worse in one group, and groups."""
    rng = np.random.default_rng(0)
    groups, labels = np.repeat(["a", "b"], n // 2), rng.normal(size=n)
    return labels, labels + rng.normal(0.5, 0.5, n) * (1 + (groups == "b")), groups


@pytest.mark.parametrize("rows", [True, False])
def test_gates_on_numbers(rows: bool) -> None:
    """Differences, the worst error and distances are judged from rows and from states alike."""
    labels, preds, groups = regression()
    evaluation = RegressionEvaluation("m", labels, preds, groups)
    if not rows:
        evaluation = RegressionEvaluation.of_state("m", GroupResiduals.of(labels, preds, groups, low=-9, high=9))
    report = FairnessReport(evaluation)
    gates = ["mean_error_difference>0.3", "bounded_group_loss>1", "ks_distance>0.02", "mean_absolute_error>0.4"]
    results = check_gates(report, gates)
    assert [r.status for r in results] == ["failed"] * 4, [r.reason for r in results]
    errors = preds - labels
    worst = max(np.sqrt((errors[groups == g] ** 2).mean()) for g in "ab")
    assert results[0].value == pytest.approx(errors[groups == "b"].mean() - errors[groups == "a"].mean())
    assert results[1].value == pytest.approx(worst)
    assert results[3].value == pytest.approx(np.abs(errors).mean())
    assert all(r.low <= r.value <= r.high for r in results)


def test_the_bound_of_a_distance_is_massarts() -> None:
    """With n samples in both groups the KS distance is known to 2 sqrt(log(2 * 2 / 0.025) / 2n)."""
    labels, preds, groups = regression()
    (result,) = check_gates(FairnessReport(RegressionEvaluation("m", labels, preds, groups)), "ks_distance>0.5")
    reach = 2 * np.sqrt(np.log(2 * 2 / 0.025) / (2 * 1000))
    assert result.high == pytest.approx(result.value + reach)


@pytest.mark.slow
def test_a_gate_at_parity_fails_as_rarely_as_intervals_of_gaps_say() -> None:
    """Intervals of gaps cover parity in 94 % of samples or more: with equal rates few audits find a gap above 0."""
    rng = np.random.default_rng(0)
    failed = 0
    for _ in range(150):
        drawn = rng.binomial(400, 0.5, size=3)
        (result,) = check_gates(report_of(*((int(k), 400) for k in drawn)), "demographic_parity>0")
        failed += result.status == "failed"
    assert failed / 150 < 0.06 + 2 * np.sqrt(0.06 * 0.94 / 150)


def test_gates_of_another_task_are_refused() -> None:
    """Decisions have no RMSE, numbers no equalized odds."""
    with pytest.raises(InputError, match="must be for a regression"):
        check_gates(report_of((1, 20), (2, 20)), "root_mean_squared_error>1")
    with pytest.raises(InputError, match="must be for classes"):
        check_gates(FairnessReport(RegressionEvaluation("m", *regression(40))), "equalized_odds>1")


def test_results_are_plain_values() -> None:
    """JSON holds them; what is undefined is null."""
    results = check_gates(report_of((10, 1000)), "demographic_parity>0.5")
    (state,) = json.loads(json.dumps([r.to_dict() for r in results], allow_nan=False))
    assert state["status"] == "not judged"
    assert state["value"] is None


def result_of(status: str, model: str = "m", reason: str = "why") -> GateResult:
    """Return a result."""
    return GateResult(Gate.parse("accuracy<0.5"), model, status, 0.4, 0.3, 0.45, 0.95, reason)


def test_junit_counts_failures_and_errors() -> None:
    """A gate that fails is a failure, one that is not judged an error."""
    text = to_junit([result_of("failed"), result_of("not judged"), result_of("passed")], name="audit")
    root = ElementTree.fromstring(text)
    (suite,) = root
    assert {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "3", "failures": "1", "errors": "1", "skipped": "0"
    }  # fmt: skip
    assert [[child.tag for child in case] for case in suite] == [["failure"], ["error"], ["system-out"]]
    assert suite[0][0].get("message") == "why"


def test_junit_without_gates_is_skipped_not_passed() -> None:
    """Nothing was checked, and nothing reads as if it had been."""
    (suite,) = ElementTree.fromstring(to_junit([]))
    assert suite.get("skipped") == "1"
    assert suite[0][0].tag == "skipped"


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>", "]]>", "a\"b'c&", "\x00\x01\x1b[31m", "\ud800", "\uffff", "é 😀 \u202e", "x" * 9999],
)
def test_junit_holds_any_name(name: str) -> None:
    """What XML 1.0 cannot hold is replaced, everything else escaped."""
    root = ElementTree.fromstring(to_junit([result_of("failed", name, name)], name=name).encode("utf-8"))
    found = root[0][0].get("classname")
    assert found is not None
    assert len(found) <= 1000
    if name.isprintable() and len(name) < 1000:
        assert found == name
        assert root[0][0][0].text == name


#: Attributes and children of each element in the schema that Jenkins publishes for JUnit's format.
SCHEMA = {
    "testsuites": ({"name", "time", "tests", "failures", "disabled", "errors"}, {"testsuite"}),
    "testsuite": ({"name", "tests", "failures", "errors", "time", "disabled", "skipped", "timestamp"}, {"testcase"}),
    "testcase": ({"name", "classname", "time", "status"}, {"skipped", "error", "failure", "system-out"}),
    "failure": ({"message", "type"}, set()),
    "error": ({"message", "type"}, set()),
    "skipped": ({"message"}, set()),
    "system-out": (set(), set()),
}


@pytest.mark.parametrize("statuses", [[], ["passed", "failed", "not judged"]])
def test_junit_keeps_to_the_usual_schema(statuses: list[str]) -> None:
    """Every element has a name and numbers where they are required, and nothing that the schema does not know."""
    root = ElementTree.fromstring(to_junit([result_of(status) for status in statuses]))
    for element in root.iter():
        attributes, children = SCHEMA[element.tag]
        assert set(element.attrib) <= attributes
        assert {child.tag for child in element} <= children
        if element.tag in ("testsuite", "testcase"):
            assert element.get("name")
    assert root[0].get("tests") == str(len(root[0]))


def test_a_report_with_scores_in_states_is_judged() -> None:
    """Nothing but states is needed."""
    table = table_of((300, 500), (200, 500))
    counts = np.zeros((2, 2, 10))
    counts[:, 0, 2] = table.counts[:, 0].sum(axis=1)
    counts[:, 1, 7] = table.counts[:, 1].sum(axis=1)
    scores = GroupScores(table.groups, [0, 1], bins=10, counts=counts, sums=counts * 0.5)
    (result,) = check_gates(FairnessReport(Evaluation("m", table, scores=scores)), "roc_auc_difference>0.1")
    assert result.value == 0


@pytest.mark.parametrize(
    "text", ["equalized_odds_difference>10", "accuracy>80", "roc_auc_difference>5", "mean_error>1e999"]
)
def test_a_bound_that_nothing_reaches_is_refused(text):
    """A gate in per cent would pass whatever the data hold."""
    with pytest.raises(InputError, match="The bound of a gate on"):
        Gate.parse(text)


def test_bounds_that_may_be_reached():
    """Figures with a unit, sums and ratios to a reference may exceed 1."""
    assert Gate.parse("mean_error_difference>20").bound == 20
    assert Gate.parse("demographic_parity_ratio>1.25").bound == 1.25


def test_the_worst_groups_error_has_the_interval_of_the_report():
    """Of many equal groups one stands out by luck: the gate's interval is that of the largest, not of that group."""
    rng = np.random.default_rng(0)
    labels, groups = rng.normal(size=2000), np.arange(2000) % 40
    report = evaluate_predictions(labels, labels + rng.normal(size=2000), groups, task="regression")
    found = check_gates(report, "bounded_group_loss>1")[0]
    assert (found.low, found.high) == report.gap_rows["bounded_group_loss"][0].interval
    ends = [
        report.baseline.interval("root_mean_squared_error", kind="group", group=g) for g in report.baseline.table.groups
    ]
    assert found.low < max(low for low, _ in ends)
