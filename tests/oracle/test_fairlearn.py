"""The metric functions equal fairlearn's on more than ten thousand random cases, wherever fairlearn defines the value.

fairlearn puts 0 where a rate is 0 / 0 and where one group is all that is left to compare; ours is NaN there. Such cases
are checked to be NaN, counted, and made up for: each test goes on until it has compared as many cases as it says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from mxfair import Rate, metric

fairlearn = pytest.importorskip("fairlearn.metrics")
sk = pytest.importorskip("sklearn.metrics")

pytestmark = [
    pytest.mark.slow,  # fairlearn needs about 10 ms for one frame
    pytest.mark.filterwarnings("ignore"),  # fairlearn's and scikit-learn's, on undefined values
]

TOLERANCE = 1e-12
#: Cases that each test compares, in parts: 7,200 + 2,560 + 480.
TABLE_PARTS, TABLES_EACH = 12, 600
DISPARITY_PARTS, DISPARITIES_EACH = 8, 320
CONTROL_PARTS, CONTROLS_EACH = 3, 160
#: Cases that share a frame, told apart by a control feature: most of a frame's time is spent once.
SHARED = 10
#: Of the cases that are looked at, at most this share may be undefined.
MAX_UNDEFINED = 0.4

#: By our name: the function of fairlearn or scikit-learn, and whether it is told the positive class.
THEIRS = {
    "selection_rate": (fairlearn.selection_rate, True),
    "true_positive_rate": (fairlearn.true_positive_rate, True),
    "false_negative_rate": (fairlearn.false_negative_rate, True),
    "false_positive_rate": (fairlearn.false_positive_rate, True),
    "true_negative_rate": (fairlearn.true_negative_rate, True),
    "accuracy": (sk.accuracy_score, False),
    "positive_predictive_value": (sk.precision_score, True),
    "f1_score": (sk.f1_score, True),
    "balanced_accuracy": (sk.balanced_accuracy_score, False),
    "error_rate": (sk.zero_one_loss, False),
    "mean_absolute_error": (sk.mean_absolute_error, False),
    "r2_score": (sk.r2_score, False),
}
NUMBERS = ("mean_absolute_error", "r2_score")
#: Kinds of cases, to be added up.
WEIGHTED, TEXT, FIRST, NUMERIC = 1, 2, 4, 8
#: What the samples must hold for a figure to be defined.
NEEDS = {
    "true_positive_rate": ("label",),
    "false_negative_rate": ("label",),
    "false_positive_rate": ("other label",),
    "true_negative_rate": ("other label",),
    "positive_predictive_value": ("pred",),
    "f1_score": ("label or pred",),
    "balanced_accuracy": ("label", "other label"),
    "r2_score": ("spread",),
    "demographic_parity": (),
    "equal_opportunity": ("label",),
    "equalized_odds": ("label", "other label"),
}
METHODS = {"between_groups": "max_min", "to_overall": "to_overall"}
SUMMARIES = [
    ("by_group", {}),
    ("overall", {}),
    ("difference", {"method": "between_groups"}),
    ("difference", {"method": "to_overall"}),
    ("ratio", {"method": "between_groups"}),
    ("ratio", {"method": "to_overall"}),
    ("group_min", {}),
    ("group_max", {}),
]
TABLES = [(name, *summary) for summary in SUMMARIES for name in THEIRS]
DISPARITIES = [
    (name, kind, method, agg)
    for name, aggs in (
        ("demographic_parity", [None]),
        ("equal_opportunity", [None]),
        ("equalized_odds", ["worst_case", "mean"]),
    )
    for kind in ("difference", "ratio")
    for method in METHODS
    for agg in aggs
]
CONTROLLED = [(name, summary) for summary in ("by_group", "overall", "difference", "ratio") for name in THEIRS]


@dataclass
class Case:
    """Random samples; a missing sensitive value is None."""

    labels: np.ndarray
    preds: np.ndarray
    groups: np.ndarray
    weight: np.ndarray | None
    control: np.ndarray
    classes: list | None
    positive: Any

    @property
    def names(self) -> np.ndarray:
        """The name of each sample's group in our tables."""
        return np.array(["unknown" if group is None else str(group) for group in self.groups])

    def known(self) -> list[str]:
        """Return the known groups that occur."""
        return sorted(set(self.names) - {"unknown"})

    def take(self, rows: np.ndarray) -> Case:
        """Return some of the samples."""
        weight = None if self.weight is None else self.weight[rows]
        arrays = (values[rows] for values in (self.labels, self.preds, self.groups))
        return Case(*arrays, weight, self.control[rows], self.classes, self.positive)

    def params(self) -> dict[str, np.ndarray]:
        """Return the weights, as fairlearn takes them."""
        return {} if self.weight is None else {"sample_weight": self.weight}

    def defines(self, name: str) -> bool:
        """Tell whether the samples hold what a figure's denominators need."""
        label, pred = self.labels == self.positive, self.preds == self.positive
        holds = {
            "label": label.any(),
            "other label": (~label).any(),
            "pred": pred.any(),
            "label or pred": (label | pred).any(),
            "spread": len(np.unique(self.labels)) > 1,
        }
        return bool(len(label) and all(holds[need] for need in NEEDS.get(name, ())))

    def defined(self, name: str) -> list[str]:
        """Return the known groups for which a figure is defined."""
        return [group for group in self.known() if self.take(self.names == group).defines(name)]

    def theirs(self, name: str) -> Any:
        """Their function, for the case's positive class."""
        function, told = THEIRS[name]
        return (lambda y, p, **options: function(y, p, pos_label=self.positive, **options)) if told else function

    def frame(self, name: str, *, control: bool = False) -> Any:
        """Return fairlearn's frame of one figure; "unknown" is a group like any other to it."""
        return fairlearn.MetricFrame(
            metrics=self.theirs(name),
            y_true=self.labels,
            y_pred=self.preds,
            sensitive_features=self.names,
            control_features=self.control if control else None,
            sample_params=self.params(),
        )

    def options(self, name: str) -> dict[str, Any]:
        """Arguments of our tables: the classes are named, since a case may lack one."""
        task = {"task": "regression"} if name in NUMBERS else {"positive": self.positive, "classes": self.classes}
        return {"metrics": name, "sample_weight": self.weight, **task}


def random_case(seed: int, kind: int) -> Case:
    """Return 6 to 79 samples of 2 to 6 groups; small groups lack labels and decisions.

    `kind` chooses what cases that share a frame must share: the labels' type (0 and 1, text, numbers), the positive
    class and whether samples have weights.
    """
    rng = np.random.default_rng(seed)
    n, n_groups = int(rng.integers(6, 80)), int(rng.integers(2, 7))
    names = np.arange(n_groups) if rng.random() < 0.3 else np.array(list("fmxyzw")[:n_groups])
    groups = names[rng.integers(0, n_groups, n)].astype(object)
    if rng.random() < 0.4:
        groups[rng.random(n) < 0.3] = None
    groups[:2] = names[:2]  # at least two groups: of one, fairlearn's difference is 0
    weight = np.round(rng.random(n) + 0.1, 3) if kind & WEIGHTED else None
    control = rng.choice(["u", "v"], n)
    if kind & NUMERIC:
        labels = rng.integers(-20, 20, n) / 4
        return Case(labels, labels + rng.integers(-8, 9, n) / 4, groups, weight, control, None, None)
    values = np.array(["no", "yes"]) if kind & TEXT else np.array([0, 1])
    labels, preds = values[rng.integers(0, 2, n)], values[(rng.random(n) < rng.uniform(0.1, 0.9)).astype(int)]
    return Case(labels, preds, groups, weight, control, values.tolist(), values.tolist()[0 if kind & FIRST else 1])


def assert_same(ours: float, theirs: float, *what: Any) -> None:
    """Fail where two figures differ, NaN included."""
    assert abs(float(ours) - float(theirs)) <= TOLERANCE * max(1.0, abs(float(theirs))), (ours, theirs, *what)


def compare_until(count: int, first_seed: int, check: Any) -> None:
    """Run a check of one seed, which tells how many cases it looked at and compared, until enough are compared."""
    compared = looked_at = 0
    while compared < count:
        found = check(first_seed)
        looked_at, compared, first_seed = looked_at + found[0], compared + found[1], first_seed + 1
        assert looked_at - compared <= MAX_UNDEFINED * (looked_at + 10 * SHARED), "too few cases are defined"


def test_the_plan_compares_ten_thousand_cases():
    """The tests below compare at least ten thousand cases, every figure and summary many times."""
    tables, disparities = TABLE_PARTS * TABLES_EACH, DISPARITY_PARTS * DISPARITIES_EACH
    total = tables + disparities + CONTROL_PARTS * CONTROLS_EACH
    assert total >= 10_000
    assert min(tables / len(TABLES), disparities / len(DISPARITIES)) >= 50


# Tables: one summary of one figure in each case


def check_tables(seed: int) -> tuple[int, int]:
    """Compare one summary of one figure of several cases with a MetricFrame of all of them."""
    name, summary, options = TABLES[seed % len(TABLES)]
    kind = NUMERIC + seed // len(TABLES) % 2 if name in NUMBERS else seed // len(TABLES) % NUMERIC
    cases = [random_case(SHARED * seed + place, kind) for place in range(SHARED)]
    figures = [metric.evaluate(case.labels, case.preds, case.groups, **case.options(name))[name] for case in cases]
    if summary == "by_group":
        return SHARED, check_by_group(cases, figures, name)
    needed = {"overall": 0, "difference": 2, "ratio": 2}.get(summary, 1)
    parts = []
    for place, (case, figure) in enumerate(zip(cases, figures)):
        defined = case.defined(name)
        if len(defined) < needed or (summary == "overall" and not case.defines(name)):
            assert np.isnan(summarised(figure, summary, options)), (name, summary, seed, place)
        else:
            rows = np.isin(case.names, defined) | (summary == "overall")
            parts.append((case, figure, marked(case.take(rows), place)))
    if not parts:
        return SHARED, 0
    frame = joined([part for _, _, part in parts]).frame(name, control=True)
    theirs = getattr(frame, summary) if summary == "overall" else getattr(frame, summary)(**options)
    compared = 0
    for case, figure, part in parts:
        level = part.control[0]
        expected = theirs[level]
        if options.get("method") == "to_overall" and len(part.labels) < len(case.labels):
            overall = case.theirs(name)(case.labels, case.preds, **case.params())  # ours counts everyone
            expected = by_overall(frame.by_group[level].to_numpy(dtype=float), overall, summary)
        if summary == "ratio" and not has_ratio(figure, options):
            continue
        assert_same(summarised(figure, summary, options), expected, name, summary, options, seed, level)
        compared += 1
    return SHARED, compared


def summarised(figure: Any, summary: str, options: dict[str, str]) -> float:
    """Return our summary of a figure."""
    if summary == "overall":
        return figure.overall
    return getattr(figure, summary)(**({"compare": METHODS[options["method"]]} if options else {}))


def has_ratio(figure: Any, options: dict[str, str]) -> bool:
    """Tell whether a ratio is neither 0 / 0 nor one of negative figures, which ours treats in another way."""
    values = figure.values[figure.defined]
    if options["method"] == "between_groups":
        return values.min() >= 0 and values.max() > 0
    return values.min() >= 0 and figure.overall > 0


def marked(case: Case, place: int) -> Case:
    """Return a case whose place among others is its control feature."""
    return replace(case, control=np.full(len(case.labels), f"case {place}"))


def joined(cases: list[Case]) -> Case:
    """Return the samples of several cases as one."""
    weight = None if cases[0].weight is None else np.concatenate([case.weight for case in cases])
    columns = (np.concatenate([getattr(case, name) for case in cases]) for name in ("labels", "preds", "groups"))
    control = np.concatenate([case.control for case in cases])
    return Case(*columns, weight, control, cases[0].classes, cases[0].positive)


def check_by_group(cases: list[Case], figures: list[Any], name: str) -> int:
    """Compare each group's value, the unknown group's included; what is not defined must be NaN."""
    theirs = joined([marked(case, place) for place, case in enumerate(cases)]).frame(name, control=True).by_group
    compared = 0
    for place, (case, figure) in enumerate(zip(cases, figures)):
        assert set(figure.groups) == set(case.names)
        defined = {group for group in figure.groups if case.take(case.names == group).defines(name)}
        for group, value in zip(figure.groups, figure.values):
            if group in defined:
                assert_same(value, theirs[(f"case {place}", group)], name, group)
            else:
                assert np.isnan(value), (name, group)
        compared += bool(defined)
    return compared


def by_overall(values: np.ndarray, overall: float, summary: str) -> float:
    """Return the distance of groups to a value over more samples than theirs."""
    if summary == "difference":
        return float(np.nanmax(np.abs(values - overall)))  # NaN where the case lacks another case's group
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = values / overall
        return float(np.nanmin(np.where(ratios > 1, 1 / ratios, ratios)))


@pytest.mark.parametrize("part", range(TABLE_PARTS))
def test_tables_equal_the_metric_frame(part):
    """Values by group and overall, differences, ratios and extremes are the MetricFrame's."""
    compare_until(TABLES_EACH, part * 1_000, check_tables)


# Disparities


def check_disparity(seed: int) -> tuple[int, int]:
    """Compare one disparity function with fairlearn's of the same name, on the groups that fairlearn defines."""
    name, kind, method, agg = DISPARITIES[seed % len(DISPARITIES)]
    case = random_case(seed, seed // len(DISPARITIES) % 2)
    ours = getattr(metric, f"{name}_{kind}")
    chosen = {"compare": METHODS[method], "agg": {"worst_case": "max"}.get(agg, agg), "classes": [0, 1]}
    part = case.take(np.isin(case.names, case.defined(name)))
    if len(part.known()) < 2:
        if name != "equalized_odds":  # whose rates may each be defined for two other groups
            assert np.isnan(ours(case.labels, case.preds, case.groups, sample_weight=case.weight, **chosen)), seed
        return 1, 0
    if method == "between_groups" and name != "equalized_odds":  # ours itself leaves out what is not defined
        value = ours(case.labels, case.preds, case.groups, sample_weight=case.weight, **chosen)
    else:
        value = ours(part.labels, part.preds, part.groups, sample_weight=part.weight, **chosen)
    theirs = getattr(fairlearn, f"{name}_{kind}")(
        part.labels,
        part.preds,
        sensitive_features=part.names,
        method=method,
        **part.params(),
        **({} if agg is None else {"agg": agg}),
    )
    if kind == "ratio" and np.isnan(value):
        assert zero_overall(part), (name, method, agg, seed)  # a rate that is 0 in every group is 0 / 0
        return 1, 0
    assert_same(value, theirs, name, kind, method, agg, seed)
    return 1, 1


def zero_overall(case: Case) -> bool:
    """Tell whether a rate of positive decisions is 0 in every group, among the samples of a label."""
    return any(not (case.preds[case.labels == label] == 1).any() for label in (0, 1))


@pytest.mark.parametrize("part", range(DISPARITY_PARTS))
def test_disparities_equal_the_functions_of_that_name(part):
    """Demographic parity, equal opportunity and equalized odds are fairlearn's, in both methods and aggregations."""
    compare_until(DISPARITIES_EACH, 100_000_000 + part * 1_000, check_disparity)


# Control features


def check_controlled(seed: int) -> tuple[int, int]:
    """Compare figures within the levels of a control attribute with a MetricFrame's of control features."""
    name, summary = CONTROLLED[seed % len(CONTROLLED)]
    kind = NUMERIC + seed % 2 if name in NUMBERS else seed // len(CONTROLLED) % NUMERIC
    whole = random_case(seed, kind)
    case = whole.take(whole.names != "unknown")
    table = metric.evaluate_by(case.labels, case.preds, case.groups, case.control, **case.options(name))
    frame = case.frame(name, control=True)
    ours, theirs = (
        getattr(found, summary) if summary in ("by_group", "overall") else getattr(found, summary)()
        for found in (table, frame)
    )
    compared = 0
    for level in table.strata:
        part = case.take(case.control == level)
        defined = part.defined(name)
        if summary == "by_group":
            for group in case.known():
                value = ours.loc[(level, group), name]
                if group in defined:
                    assert_same(value, theirs[(level, group)], name, level, group, seed)
                else:
                    assert np.isnan(value), (name, level, group, seed)
            compared += bool(defined)
        elif not (part.defines(name) if summary == "overall" else len(defined) >= 2):
            assert np.isnan(ours.loc[level, name]), (name, summary, level, seed)
        elif summary == "overall" or defined == part.known():
            if summary == "ratio" and not has_ratio(table.strata[level][name], {"method": "between_groups"}):
                continue
            assert_same(ours.loc[level, name], theirs[level], name, summary, level, seed)
            compared += 1
    return len(table.strata), compared


@pytest.mark.parametrize("part", range(CONTROL_PARTS))
def test_conditional_tables_equal_frames_with_control_features(part):
    """Within each level of a control attribute, values and gaps are those of the frame."""
    compare_until(CONTROLS_EACH, 200_000_000 + part * 1_000, check_controlled)


def test_conditional_disparities_are_means_over_control_features():
    """A disparity with control= is the mean of the frame's differences, weighted by the levels' samples."""
    compared = 0
    for seed in range(300_000_000, 300_000_060):
        case = random_case(seed, seed % 2)
        known = case.take(case.names != "unknown")
        levels, counts = np.unique(case.control, return_counts=True)
        if min(len(known.take(known.control == level).known()) for level in levels) < 2:
            continue
        differences = known.frame("selection_rate", control=True).difference()
        weight = counts if case.weight is None else [case.weight[case.control == level].sum() for level in levels]
        ours = metric.demographic_parity_difference(
            case.labels, case.preds, case.groups, control=case.control, sample_weight=case.weight, classes=[0, 1]
        )
        assert_same(ours, np.average([differences[level] for level in levels], weights=weight), seed)
        compared += 1
    assert compared >= 40


def test_a_users_rate_equals_a_metric_frame_of_a_function():
    """A rate of a user's own is what fairlearn computes from a function."""
    error = Rate("error", lambda y, p, c: y != p, given=lambda y, p, c: True)
    for seed in range(400_000_000, 400_000_050):
        case = random_case(seed, seed % NUMERIC)
        ours = metric.rate_by_group(error, case.labels, case.preds, case.groups, sample_weight=case.weight).by_group
        theirs = case.frame("error_rate").by_group
        np.testing.assert_allclose(ours[theirs.index], theirs, rtol=0, atol=TOLERANCE)
