"""With compat, a figure is the number that the named toolkit gives, from its own code, papers or published values."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from mxfair import Criterion, metric
from mxfair._validation import InputError
from mxfair.metric._convention import COMPAT

# The twelve people of the tests that Clarify publishes; F is the facet at a disadvantage.
LABELS = [0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0]
PREDS = [1, 1, 1, 0, 0, 0, 1, 1, 0, 1, 0, 0]
GENDER = list("MFFMFMFFMMFF")


def random_case(seed, groups=("p", "u")):
    """Return labels, preds and groups, with all four cells in each group."""
    rng = np.random.default_rng(seed)
    cells = np.array(list(itertools.product([0, 1], [0, 1], groups)), dtype=object)
    rows = np.concatenate([np.arange(len(cells)), rng.integers(0, len(cells), 60)])
    labels, preds, names = cells[rows].T
    return labels.astype(int), preds.astype(int), names.astype(str)


def rates(labels, preds, groups):
    """Return each group's rates by short name, from its four cells."""
    found = {}
    for group in np.unique(groups):
        y, p = labels[groups == group], preds[groups == group]
        tp, fp, fn, tn = (np.sum((y == a) & (p == b)) for a, b in ((1, 1), (0, 1), (1, 0), (0, 0)))
        found[group] = {
            "sr": (tp + fp) / len(y),
            "tpr": tp / (tp + fn),
            "fpr": fp / (fp + tn),
            "fnr": fn / (tp + fn),
            "ppv": tp / (tp + fp),
            "npv": tn / (tn + fn),
            "acc": (tp + tn) / len(y),
            "err": fp / fn,
        }
    return found


# Clarify


@pytest.mark.parametrize(
    ("criterion", "value"),
    [
        ("conditional_acceptance", 1 / 4),
        ("conditional_rejection", 1 / 3),
        (Criterion("recall", "true_positive_rate"), -2 / 3),
        ("equal_opportunity", -2 / 3),
        (Criterion("specificity", "true_negative_rate"), 1 / 6),
        ("predictive_parity", -1 / 2),  # acceptance rates
        (Criterion("rejection_rates", "negative_predictive_value"), 1 / 3),
        ("accuracy_parity", -13 / 35),
        ("treatment_equality", -1 / 2),
        ("demographic_parity", 2 / 5 - 4 / 7),  # proportions of positive predictions, advantaged minus disadvantaged
    ],
    ids=str,
)
def test_clarifys_published_differences(criterion, value):
    """The differences that Clarify publishes for its twelve people, with their sign."""
    ours = metric.difference(criterion, LABELS, PREDS, GENDER, compat="clarify", reference="M")
    assert ours == pytest.approx(value, abs=1e-12)


def test_clarifys_published_disparate_impact():
    """The disadvantaged facet is above the line, so that the ratio may exceed 1."""
    ours = metric.demographic_parity_ratio(LABELS, PREDS, GENDER, compat="clarify", reference="M")
    assert ours == pytest.approx(10 / 7)


# AIF360: the unprivileged group minus, or by, the privileged one


@pytest.mark.parametrize("seed", range(10))
def test_aif360s_figures(seed):
    """Differences and ratios keep their sign and side; average odds is a signed mean."""
    case = random_case(seed)
    u, p = rates(*case)["u"], rates(*case)["p"]
    expected = {
        "demographic_parity_difference": u["sr"] - p["sr"],
        "demographic_parity_ratio": u["sr"] / p["sr"],
        "equal_opportunity_difference": u["tpr"] - p["tpr"],
        "average_odds_difference": 0.5 * ((u["fpr"] - p["fpr"]) + (u["tpr"] - p["tpr"])),
        "predictive_equality_difference": u["fpr"] - p["fpr"],
        "predictive_equality_ratio": u["fpr"] / p["fpr"],
    }
    for name, value in expected.items():
        assert getattr(metric, name)(*case, compat="aif360", reference="p") == pytest.approx(value, abs=1e-12), name


def test_aif360s_average_odds_lets_errors_cancel():
    """A gap of one half up and one of one half down is 0 there, and one half in ours."""
    labels, preds, groups = [1, 1, 0, 0] * 2, [1, 0, 1, 0, 1, 1, 0, 0], list("ppppuuuu")
    assert metric.average_odds_difference(labels, preds, groups, compat="aif360", reference="p") == 0
    assert metric.average_odds_difference(labels, preds, groups) == 0.5


# holisticai: group a minus, or by, group b


@pytest.mark.parametrize(
    ("name", "value"), [("demographic_parity_difference", 0.4166666666666667), ("demographic_parity_ratio", 2.25)]
)
def test_holisticais_published_success_rates(name, value):
    """The examples of its documentation."""
    preds, groups = [1, 1, 1, 0, 1, 1, 0, 0, 0, 0], list("aaaabbbbbb")
    assert getattr(metric, name)(preds, preds, groups, compat="holisticai", reference="b") == pytest.approx(value)


@pytest.mark.parametrize(
    ("name", "value"), [("equal_opportunity_difference", 1 / 3), ("predictive_equality_difference", -1.0)]
)
def test_holisticais_published_error_rates(name, value):
    """The examples of its documentation."""
    preds, groups = [1, 1, 0, 0, 1, 1, 0, 1, 1, 1], list("aaaabbbbbb")
    labels = [1, 1, 0, 0, 1, 0, 1, 0, 0, 1]
    assert getattr(metric, name)(labels, preds, groups, compat="holisticai", reference="b") == pytest.approx(value)


@pytest.mark.parametrize("seed", range(5))
def test_holisticais_average_odds(seed):
    """Half the sum of the signed differences of both rates."""
    case = random_case(seed)
    u, p = rates(*case)["u"], rates(*case)["p"]
    expected = 0.5 * ((u["fpr"] - p["fpr"]) + (u["tpr"] - p["tpr"]))
    ours = metric.average_odds_difference(*case, compat="holisticai", reference="p")
    assert ours == pytest.approx(expected, abs=1e-12)


# Aequitas: each group's rate by the reference group's


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("demographic_parity", "sr"),
        ("equal_opportunity", "tpr"),
        ("predictive_equality", "fpr"),
        ("predictive_parity", "ppv"),
    ],
)
def test_aequitass_disparities(name, rate, seed):
    """Of several groups, the ratio to the reference that is furthest from 1 on either side."""
    case = random_case(seed, groups=("p", "u", "v"))
    by_group = rates(*case)
    ratios = [by_group[group][rate] / by_group["p"][rate] for group in ("u", "v")]
    expected = min(ratios, key=lambda ratio: min(ratio, 1 / ratio))
    ours = metric.ratio(name, *case, compat="aequitas", reference="p")
    assert ours == pytest.approx(expected, abs=1e-12)


def test_aequitass_stand_in_for_a_division_by_zero_is_not_copied():
    """A quotient by 0, for which it puts 10, stays undefined."""
    labels, preds, groups = [0] * 4, [0, 0, 1, 0], list("ppuu")
    ours = metric.demographic_parity_ratio(labels, preds, groups, classes=[0, 1], compat="aequitas", reference="p")
    assert math.isnan(ours)


# OxonFair: the mean over all pairs of groups


@pytest.mark.parametrize("seed", range(10))
def test_oxonfairs_figures(seed):
    """Differences and ratios are means over pairs, and two rates are averaged."""
    case = random_case(seed, groups=("u", "v", "w"))
    by_group = rates(*case)

    def gap(rate):
        return np.mean([abs(a[rate] - b[rate]) for a, b in itertools.combinations(by_group.values(), 2)])

    def ratio(rate):
        pairs = itertools.combinations([group[rate] for group in by_group.values()], 2)
        return np.mean([min(a, b) / max(a, b) for a, b in pairs])

    expected = {
        "demographic_parity_difference": gap("sr"),
        "demographic_parity_ratio": ratio("sr"),
        "equal_opportunity_difference": gap("tpr"),
        "predictive_parity_difference": gap("ppv"),
        "accuracy_parity_difference": gap("acc"),
        "equalized_odds_difference": (gap("tpr") + gap("fpr")) / 2,
        "conditional_use_accuracy_difference": (gap("ppv") + gap("npv")) / 2,
        "predictive_equality_difference": gap("fnr"),  # of this name, but of false negatives
        "treatment_equality_difference": gap("err"),  # of this name, but FP / FN
    }
    for name, value in expected.items():
        assert getattr(metric, name)(*case, compat="oxonfair") == pytest.approx(value, abs=1e-12), name


# FairBatch: the distance to the rate over all samples


@pytest.mark.parametrize("seed", range(5))
def test_fairbatchs_disparities(seed):
    """The largest distance of a group's rate to the rate over all, the worse label for equalized odds."""
    labels, preds, groups = random_case(seed, groups=("u", "v", "w"))
    by_group = rates(labels, preds, groups)
    overall = rates(labels, preds, np.full(len(labels), "all"))["all"]

    def gap(rate):
        return max(abs(group[rate] - overall[rate]) for group in by_group.values())

    expected = {
        "demographic_parity": gap("sr"),
        "equal_opportunity": gap("tpr"),
        "equalized_odds": max(gap("tpr"), gap("fpr")),
    }
    for name, value in expected.items():
        ours = metric.difference(name, labels, preds, groups, compat="fairbatch")
        assert ours == pytest.approx(value, abs=1e-12), name


# fairlearn: ours, and its mean for average odds


@pytest.mark.parametrize("seed", range(5))
def test_fairlearns_figures(seed):
    """The functions of fairlearn, run here, give the same."""
    fairlearn = pytest.importorskip("fairlearn.metrics")
    labels, preds, groups = case = random_case(seed, groups=("u", "v", "w"))
    for name in ("demographic_parity", "equal_opportunity", "equalized_odds"):
        for kind in ("difference", "ratio"):
            theirs = getattr(fairlearn, f"{name}_{kind}")(labels, preds, sensitive_features=groups)
            ours = getattr(metric, f"{name}_{kind}")(*case, compat="fairlearn")
            assert ours == pytest.approx(theirs, abs=1e-12)
    for kind in ("difference", "ratio"):
        theirs = getattr(fairlearn, f"equalized_odds_{kind}")(labels, preds, sensitive_features=groups, agg="mean")
        ours = getattr(metric, f"average_odds_{kind}")(*case, compat="fairlearn")
        assert ours == pytest.approx(theirs, abs=1e-12)


# Rules for all


@pytest.mark.parametrize("compat", COMPAT)
def test_undefined_values_stay_undefined(compat):
    """No toolkit's stand-in for an undefined value is taken over: one group without positives gives NaN."""
    convention = COMPAT[compat]
    options = {"compat": compat, "reference": "p" if convention.compare == "to_reference" else None}
    measure = metric.difference if convention.difference else metric.ratio
    assert math.isnan(measure("equal_opportunity", [1, 0, 0, 0], [1, 0, 1, 0], list("ppuu"), **options))


@pytest.mark.parametrize("compat", [name for name, c in COMPAT.items() if c.compare != "to_overall"])
def test_samples_without_a_group_are_left_out(compat):
    """In every convention that has no rate over all samples, only samples of known groups count."""
    labels, preds, groups = random_case(0)
    missing = np.where(np.arange(len(groups)) % 5 == 0, None, groups.astype(object))
    known = np.arange(len(groups)) % 5 != 0
    convention = COMPAT[compat]
    options = {"compat": compat, "reference": "p" if convention.compare == "to_reference" else None}
    measure = metric.difference if convention.difference else metric.ratio
    everyone = measure("demographic_parity", labels, preds, missing, **options)
    assert everyone == measure("demographic_parity", labels[known], preds[known], groups[known], **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"compat": "aif36"}, "Did you mean 'aif360'"),
        ({"compat": "aif360"}, "'reference' must name the group that aif360 compares with"),
        ({"compat": "aif360", "reference": "z"}, "'reference' must be one of p, u; got 'z'"),
        ({"compat": "aequitas", "reference": "p"}, "toolkit that has the difference; got 'aequitas'. Use the ratio"),
        ({"compat": "fairlearn", "reference": "p"}, "'reference' must be left out, since fairlearn has none"),
        ({"compat": "fairlearn", "agg": "mean"}, "stand alone; got 'agg' beside 'fairlearn'"),
        ({"compat": "fairlearn", "compare": "to_overall"}, "stand alone; got 'compare' beside 'fairlearn'"),
    ],
)
def test_what_a_toolkit_does_not_have_is_refused(options, message):
    """The message says what to leave out or to give."""
    with pytest.raises(InputError, match=message):
        metric.demographic_parity_difference(*random_case(0), **options)


def test_fairbatch_has_no_ratio():
    """The paper has differences only."""
    with pytest.raises(InputError, match="toolkit that has the ratio; got 'fairbatch'"):
        metric.demographic_parity_ratio(*random_case(0), compat="fairbatch")


def test_a_toolkits_way_holds_within_levels_of_a_control_attribute():
    """A convention and a control attribute go together."""
    labels, preds, groups = random_case(1)
    control = np.arange(len(labels)) % 2
    parts = [
        metric.demographic_parity_difference(
            labels[control == level], preds[control == level], groups[control == level], compat="aif360", reference="p"
        )
        for level in (0, 1)
    ]
    expected = np.average(parts, weights=[np.mean(control == 0), np.mean(control == 1)])
    ours = metric.demographic_parity_difference(labels, preds, groups, control=control, compat="aif360", reference="p")
    assert ours == pytest.approx(expected, abs=1e-12)
