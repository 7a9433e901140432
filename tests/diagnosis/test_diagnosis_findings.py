"""Statistics against oracles, the table that holds findings, what is not checked, and wrong input."""

from __future__ import annotations

import io
import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score, roc_auc_score

import mxfair
from mxfair._validation import InputError
from mxfair.diagnosis import (
    Diagnosis,
    Finding,
    anchoring_signs,
    availability_signs,
    confirmation_signs,
    diagnose,
    selection_signs,
)
from mxfair.diagnosis import _statistics as statistics
from mxfair.diagnosis._limits import CANNOT_KNOW
from mxfair.preprocessing import compare_with_reference


@pytest.fixture
def rng():
    """Return a generator of its own for each test."""
    return np.random.default_rng(0)


def finding(p, sign="share", **changes):
    """Return a finding with a p-value."""
    values = {"value": 0.1, "low": 0.0, "high": 0.2, "statement": "It is so.", "cannot_know": "Why."}
    return Finding("selection", sign, "a", p_value=p, **{**values, **changes})


def only(diagnosis, sign, group=""):
    """Return the one finding of a sign."""
    (found,) = [f for f in diagnosis if f.sign == sign and f.groups.startswith(group)]
    return found


def test_auc_is_scikit_learns_and_its_interval_the_bootstraps(rng):
    """With ties, the value is roc_auc_score's; DeLong's interval is as wide as resampled rows say."""
    first, second = np.round(rng.normal(0.5, 1, 200), 1), np.round(rng.normal(size=300), 1)
    value, low, high, p = statistics.auc(first, second, 0.95)
    truth = np.repeat([1, 0], [200, 300])
    assert value == pytest.approx(roc_auc_score(truth, np.concatenate([first, second])))
    drawn = [statistics.auc(rng.choice(first, 200), rng.choice(second, 300), 0.95)[0] for _ in range(400)]
    assert high - low == pytest.approx(np.diff(np.quantile(drawn, [0.025, 0.975]))[0], rel=0.15)
    assert p < 1e-4


def test_auc_of_separate_samples_is_one():
    """Where nothing overlaps the interval is that of five hits of five, and the test is exact."""
    value, low, high, p = statistics.auc(np.arange(10, 15.0), np.arange(5.0), 0.95)
    assert (value, high) == (1, 1)
    assert low == pytest.approx(binomtest(5, 5).proportion_ci(method="wilson").low)
    assert p == pytest.approx(2 / 252)


def test_kappa_is_scikit_learns_and_its_error_the_bootstraps(rng):
    """Of three classes, value and standard error agree with cohen_kappa_score and with resampled rows."""
    first = rng.integers(0, 3, 400)
    second = np.where(rng.random(400) < 0.6, first, rng.integers(0, 3, 400))
    value, error = statistics.kappa(first, second)
    assert value == pytest.approx(cohen_kappa_score(first, second))
    rows = rng.integers(0, 400, (400, 400))
    assert error == pytest.approx(np.std([cohen_kappa_score(first[r], second[r]) for r in rows]), rel=0.12)


def test_kappa_of_a_constant_is_undefined():
    """Two annotators that always say the same one thing have no kappa."""
    assert np.isnan(statistics.kappa(np.zeros(9), np.zeros(9))[0])


def test_the_effect_is_least_squares_with_robust_errors(rng):
    """The slope is that of a regression through 0, its error White's."""
    cause = rng.normal(size=300)
    outcome = 0.3 * cause + rng.normal(size=300) * np.abs(cause)
    slope, low, high, _ = statistics.effect(outcome, cause, 0.95)
    expected = np.linalg.lstsq(cause[:, None], outcome, rcond=None)[0][0]
    assert slope == pytest.approx(expected)
    error = np.sqrt((cause**2 * (outcome - expected * cause) ** 2).sum()) / (cause**2).sum()
    assert (high - low) / 2 == pytest.approx(1.959964 * error)


def test_shares_are_those_of_the_comparison_with_a_reference():
    """Value and interval are compare_with_reference's, minus the reference's share."""
    groups = ["a"] * 30 + ["b"] * 60 + ["c"] * 110 + [None] * 7
    reference = {"a": 0.25, "b": 0.25, "c": 0.5}
    diagnosis = selection_signs(groups=groups, reference=reference)
    part = compare_with_reference(groups, reference)["group"]
    assert [f.value for f in diagnosis] == pytest.approx(part.differences)
    assert [f.low for f in diagnosis] == pytest.approx(part.low - part.reference_shares)


def test_a_known_effect_of_the_group_on_selection_is_measured(rng):
    """At equal columns the difference is the one that was planted, though columns hide it in the plain rates."""
    n = 4000
    group = rng.integers(0, 2, n)
    X = (rng.random((n, 1)) < 0.2 + 0.6 * group[:, None]).astype(float)
    selected = rng.random(n) < 0.2 + 0.4 * X[:, 0] - 0.2 * group
    diagnosis = selection_signs(X, np.array(["a", "b"])[group], selected=selected)
    at_equal = only(diagnosis, "selection at equal columns")
    sign = 1 if at_equal.groups.startswith("b") else -1
    assert sign * at_equal.value == pytest.approx(-0.2, abs=0.05)
    assert abs(only(diagnosis, "selection rate").value) < 0.06


def test_overlap_is_one_where_everyone_is_selected_alike_and_less_where_not(rng):
    """Inverse probabilities cost rows only where probabilities differ."""
    X, groups = rng.normal(size=(2000, 1)), rng.choice(["a", "b"], 2000)
    left = []
    for slope in (0.0, 3.0):
        selected = rng.random(2000) < 1 / (1 + np.exp(-slope * X[:, 0]))
        left.append(only(selection_signs(X, groups, selected=selected), "selection overlap", "a").value)
    assert left[0] > 0.9
    assert left[1] < 0.6


def test_model_and_rule_are_compared_by_pairs():
    """The value is the difference of both agreements, the test McNemar's exact one."""
    prior, groups = np.array([1] * 40), ["a"] * 40
    labels, preds = np.array([1] * 20 + [0] * 20), np.array([1] * 32 + [0] * 8)
    found = only(confirmation_signs(labels, groups, prior=prior, preds=preds), "model repeats the prior decision")
    assert found.value == pytest.approx(12 / 40)
    assert found.p_value == pytest.approx(2 * 0.5**12)


def test_disagreement_of_seeds_is_that_of_all_pairs(rng):
    """The value is the mean over pairs of models, a group minus the other."""
    groups, preds = np.repeat(["a", "b"], [30, 20]), rng.integers(0, 2, (4, 50))
    pairs = [(preds[i] != preds[j]) for i in range(4) for j in range(i)]
    apart = np.mean(pairs, axis=0)
    found = only(anchoring_signs(groups, predictions=preds), "spread over seeds")
    assert found.groups == "b against a"
    assert found.value == pytest.approx(apart[30:].mean() - apart[:30].mean())


def test_a_seed_spread_stands_in_for_predictions(rng):
    """The gaps of mxfair.ensemble's result are read as they are."""
    groups, labels = np.arange(400) % 2, rng.integers(0, 2, 400)
    preds = [np.where(rng.random(400) < 0.8, labels, groups) for _ in range(5)]
    spread = mxfair.ensemble.SeedSpread.of(preds, labels, groups, "demographic_parity", random_state=0)
    diagnosis = anchoring_signs(spread=spread)
    assert only(diagnosis, "gap over seeds").value == pytest.approx(np.std(spread.gap, ddof=1))
    assert len([f for f in diagnosis if f.sign == "spread over seeds"]) == 2


def test_sources_are_two_rows_drawn_without_replacement():
    """The value is the share of pairs of different rows that have one source."""
    groups, source = ["a"] * 20 + ["b"] * 20, ["x"] * 15 + ["y"] * 5 + ["x"] * 10 + ["y"] * 10
    found = only(availability_signs(groups=groups, source=source), "concentration of sources")

    def same(names):
        pairs = [(i, j) for i in range(20) for j in range(i)]
        return np.mean([names[i] == names[j] for i, j in pairs])

    assert abs(found.value) == pytest.approx(same(source[:20]) - same(source[20:]))


def test_dates_and_frames_with_text_are_taken(rng):
    """Days, categories and missing values come as a data frame has them."""
    n = 200
    frame = pd.DataFrame({"age": rng.normal(size=n), "job": rng.choice(["x", "y", None], n)})
    days = pd.date_range("2020-01-01", periods=n).to_numpy()
    groups = np.where(np.arange(n) < 80, "old", "new")
    diagnosis = availability_signs(frame, groups, time=days)
    assert "2020-02-10" in only(diagnosis, "recency").statement
    assert only(diagnosis, "recency").value == 1
    assert only(diagnosis, "missing column").statement.startswith("'job' is missing in")


def test_p_values_are_corrected_together():
    """Holm's method runs over all tests; a sum of diagnoses corrects anew, and what is not tested counts for none."""
    first = Diagnosis([finding(0.01), finding(0.04), finding(np.nan)])
    assert [f.adjusted_p_value for f in first][:2] == pytest.approx([0.02, 0.04])
    assert [f.found for f in first] == [True, True, None]
    both = first + Diagnosis([finding(0.03), finding(0.5)], {"x": "y"})
    assert [f.adjusted_p_value for f in both][:2] == pytest.approx([0.04, 0.09])
    assert [f.p_value for f in both.found] == [0.01]
    assert both.not_checked == {"x": "y"}


def test_the_frame_text_and_json_say_the_same():
    """Each finding is in all three; what is not finite is None in JSON, and sentences end in a verdict."""
    diagnosis = Diagnosis(
        [finding(0.0001), finding(0.2), finding(np.nan, low=np.nan)], {"selection: x": "y"}, ["Note."]
    )
    text = str(diagnosis)
    assert "! selection: It is so. Chance does not explain this (p < 0.001)." in text
    assert "Chance may explain this (p = 0.2)." in text
    assert "share: Why." in text
    assert "selection: x: needs y" in text
    assert text.endswith("Note: Note.")
    stored = json.loads(json.dumps(diagnosis.to_dict(), allow_nan=False))
    assert [row["found"] for row in stored["findings"]] == [True, False, None]
    assert stored["findings"][2]["low"] is None
    assert list(diagnosis.to_frame()["sentence"]) == [row["sentence"] for row in stored["findings"]]


def test_the_table_in_a_terminal_shows_names_as_they_are():
    """A group named like markup is text."""
    from rich.console import Console

    console = Console(width=150, record=True, file=io.StringIO())
    console.print(Diagnosis([finding(0.01, sign="share [bold]x[/bold]")]))
    assert "share [bold]x[/bold]" in console.export_text()


def test_everything_lists_what_was_not_checked(rng):
    """Without input nothing is measured, and each sign says what it needs."""
    diagnosis = diagnose(groups=rng.choice(["a", "b"], 50))
    assert len(diagnosis) == 0
    assert diagnosis.not_checked["confirmation: label noise"] == "labels and X"
    assert len(diagnosis.not_checked) >= 12


def test_everything_measures_all_that_its_parts_do(rng):
    """With all inputs each bias has findings, each with its limit, and the result is the same for the same seed."""
    n = 300
    X, groups = rng.normal(size=(n, 2)), rng.choice(["a", "b"], n)
    labels, prior = rng.integers(0, 2, n).astype(float), rng.integers(0, 2, n)
    labels[:30] = np.nan
    inputs = {
        "reference": {"a": 0.5, "b": 0.5}, "reference_X": rng.normal(size=(200, 2)), "selected": prior,
        "prior": prior, "annotators": rng.choice(["x", "y"], n), "annotations": rng.integers(0, 2, (n, 2)),
        "preds": rng.integers(0, 2, n), "predictions": rng.integers(0, 2, (3, n)), "order": np.arange(n),
        "shown": rng.normal(size=n), "time": np.arange(n), "source": rng.integers(0, 5, n),
    }  # fmt: skip
    first, second = (diagnose(X, labels, groups, **inputs, seed=3) for _ in range(2))
    assert {f.bias for f in first} == {"selection", "confirmation", "anchoring", "availability"}
    assert set(first.not_checked) == {"anchoring: gap between starts"}
    assert all(f.cannot_know for f in first)
    assert first.to_frame().equals(second.to_frame())


def test_every_limit_belongs_to_a_sign_that_is_measured():
    """No sentence of what cannot be known is left of a sign that is gone."""
    import pathlib

    folder = pathlib.Path(mxfair.diagnosis.__file__).parent
    source = "".join(path.read_text() for path in folder.glob("*.py") if path.name != "_limits.py")
    made = {"selection at equal columns", "missing labels at equal columns"}
    assert [sign for sign in CANNOT_KNOW if f'"{sign}"' not in source and sign not in made] == []


def test_unknown_and_small_groups_are_noted(rng):
    """Rows of unknown group are in no comparison, and a group of nine rows is not compared; both are said."""
    groups = ["a"] * 40 + ["b"] * 40 + ["c"] * 9 + [None] * 5
    diagnosis = availability_signs(groups=groups, time=rng.normal(size=94))
    assert {f.groups for f in diagnosis} == {"a against the rest", "b against the rest"}
    assert diagnosis.notes == (
        "5 rows of unknown group are in no comparison.",
        "Fewer than 10 rows, not compared: c.",
    )


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: diagnose(np.ones((3, 1))), "'groups' must be given"),
        (lambda: availability_signs(groups=["a", "b"], time=[1.0]), "same length"),
        (lambda: selection_signs(groups=["a", "b"], selected=[1, 2]), "0 and 1"),
        (lambda: confirmation_signs([1, None], ["a", "b"]), "must not be missing"),
        (lambda: confirmation_signs(groups=["a", "b"], annotations=[[1], [0]]), "two annotators"),
        (lambda: anchoring_signs(["a", "b"], predictions=[[1, 0]]), "two models"),
        (lambda: anchoring_signs(["a", "b", "c"], labels=["x", "y", "z"], order=[1, 2, 3]), "two classes"),
        (lambda: selection_signs(np.ones((5, 1)), reference_X=pd.DataFrame({"y": [1.0]})), "same columns"),
        (lambda: availability_signs(groups=["a", "b"], level=2), "level"),
    ],
)
def test_wrong_input_is_refused(call, match):
    """Each is named before anything is measured."""
    with pytest.raises(InputError, match=match):
        call()
