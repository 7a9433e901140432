"""Input as it comes from files, corners where nothing can be measured, and tests that must not mislead."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score
from sklearn.svm import LinearSVC

from mxfair._validation import InputError, InputTypeError
from mxfair.diagnosis import _statistics as statistics
from mxfair.diagnosis import anchoring_signs, availability_signs, confirmation_signs, diagnose, selection_signs
from mxfair.diagnosis.confirmation import _agreed

N = 400


@pytest.fixture
def rng():
    """Return a generator of its own for each test."""
    return np.random.default_rng(0)


@pytest.fixture
def people(rng):
    """Return columns, groups and decisions."""
    return rng.normal(size=(N, 3)), rng.choice(["a", "b"], N, p=[0.6, 0.4]), rng.integers(0, 2, N)


def of(diagnosis, sign, group=""):
    """Return the findings of a sign."""
    return [f for f in diagnosis if f.sign == sign and f.groups.startswith(group)]


def test_rows_on_both_sides_are_no_shift(rng):
    """A classifier that knows rows by heart does worse than chance on their doubles, which tells nothing apart."""
    X = rng.normal(size=(1000, 3))
    (found,) = of(selection_signs(X, reference_X=X[rng.permutation(1000)[:600]]), "covariate shift")
    assert found.value < 0.5
    assert found.p_value > 0.5


def test_labels_that_vary_more_in_a_group_are_no_serial_dependence():
    """Independent labels are found dependent at the level, though one group's vary four times as much."""
    hits = 0
    for run in range(80):
        rng = np.random.default_rng(run)
        groups = rng.choice(["a", "b"], 600, p=[0.8, 0.2])
        labels = rng.normal(size=600) * np.where(groups == "b", 4, 1)
        diagnosis = anchoring_signs(groups, labels=labels, order=np.arange(600), session=np.arange(600) // 30, seed=run)
        hits += of(diagnosis, "serial dependence", "b")[0].p_value < 0.05
    assert hits <= binom.ppf(0.999, 80, 0.05)


def test_a_permutation_test_outlasts_the_correction_for_many(rng):
    """Overwhelming evidence has a p-value below that of the number of permutations."""
    groups = rng.choice(["a", "b"], 900)
    labels = np.cumsum(rng.normal(size=900)) + rng.normal(size=900)
    serial = of(anchoring_signs(groups, labels=labels, order=np.arange(900)), "serial dependence")
    source = np.where(groups == "a", 0, rng.integers(0, 30, 900))
    sources = of(availability_signs(groups=groups, source=source), "concentration of sources")
    moved = of(selection_signs(rng.normal(size=(400, 3)) + 1, reference_X=rng.normal(size=(400, 3))), "column shift")
    assert max(f.p_value for f in [*serial, *sources, *moved]) < 1e-4


def test_the_tail_of_a_permutation_test_is_used_only_where_none_exceeds():
    """Counts stay counts; beyond them the normal tail, times the number of columns, if it is smaller."""
    assert statistics.permutation_p(3, 99, 9.0) == pytest.approx(0.04)
    assert statistics.permutation_p(0, 99, 1.0) == pytest.approx(0.01)
    assert statistics.permutation_p(0, 99, 5.0, 7) == pytest.approx(7 * 5.733031e-7, rel=1e-5)


def test_a_column_that_is_constant_on_either_side_is_the_largest_shift(people):
    """It is infinitely many deviations away, and not 0."""
    X, *_ = people
    data, reference = (np.column_stack([X, np.full(N, value)]) for value in (0.0, 1.0))
    (found,) = of(selection_signs(data, reference_X=reference), "column shift")
    assert found.value == -np.inf
    assert "x3 -inf" in found.statement
    assert found.p_value < 1e-6


def test_the_group_among_the_columns_is_noted_and_not_compared(people):
    """Nothing is left at equal columns where these tell the group; the rest of the diagnosis stands."""
    X, groups, selected = people
    diagnosis = selection_signs(np.column_stack([X, groups == "b"]), groups, selected=selected)
    assert not of(diagnosis, "selection at equal columns")
    assert of(diagnosis, "selection rate")
    assert any("leave it out" in note for note in diagnosis.notes)


def test_a_rule_that_the_columns_tell_is_noted(rng):
    """A score computed from the columns varies in no way at equal columns."""
    X, groups = rng.normal(size=(N, 3)), rng.choice(["a", "b"], N)
    labels = (X[:, 0] + rng.normal(size=N) > 0).astype(int)
    diagnosis = confirmation_signs(labels, groups, X=X, prior=X @ [1.0, 2.0, 0.5])
    assert not of(diagnosis, "label follows the prior decision")
    assert any("the columns tell the prior decision" in note for note in diagnosis.notes)


@pytest.mark.parametrize(
    ("dtype", "absent"), [("object", None), ("Int64", pd.NA), ("boolean", pd.NA), ("float", np.nan)]
)
def test_labels_of_any_type_are_compared_with_a_rule_of_whole_numbers(people, rng, dtype, absent):
    """A missing label turns 1 into an object or a nullable number, which is still 1."""
    _, groups, rule = people
    labels = pd.Series(np.where(rng.random(N) < 0.8, rule, 1 - rule)).astype(dtype)
    labels[:20] = absent
    who = rng.choice(["u", "v"], N)
    diagnosis = diagnose(labels=labels, groups=groups, prior=rule, preds=rule, annotators=who)
    found = of(diagnosis, "model repeats the prior decision")
    assert [0.1 < f.value < 0.3 for f in found] == [True, True]
    there = (np.arange(N) >= 20) & (groups == "a") & (who == "u")
    kappa = cohen_kappa_score(labels[there].astype(int), rule[there])
    assert f"a kappa of {kappa:.2f}," in of(diagnosis, "annotator follows the prior decision", "a, u")[0].statement


def test_decisions_that_are_called_otherwise_are_refused(people):
    """'yes' never equals 1, and 2 never 1: that is no disagreement."""
    _, groups, rule = people
    labels = np.where(rule, "yes", "no")
    with pytest.raises(InputError, match="called alike; got texts and numbers"):
        confirmation_signs(labels, groups, prior=rule, preds=rule)
    with pytest.raises(InputError, match="called alike; got 0/1 and 1/2"):
        confirmation_signs(rule, groups, prior=rule + 1, preds=rule)


def test_the_classes_of_texts_are_named(people, rng):
    """'rejected' comes last in order, and is not called positive."""
    X, groups, rule = people
    labels = np.where(rng.random(N) < 0.9, rule, 1 - rule)
    prior = np.where(rule, "yes", "no")
    diagnosis = confirmation_signs(np.where(labels, "accepted", "rejected"), groups, X=X, prior=prior)
    assert "less often 'rejected' where the prior decision was 'yes'." in diagnosis[0].statement


def test_a_score_as_prior_decision_has_no_kappa(people, rng):
    """With many values the table of kappa would be as large as their number squared; it is noted instead."""
    _, groups, labels = people
    scores = rng.normal(size=N)
    who = rng.choice(["u", "v"], N)
    diagnosis = confirmation_signs(
        labels, groups, prior=scores, annotators=who, preds=labels, annotations=rng.normal(size=(N, 2))
    )
    assert len(diagnosis) == 0
    assert sum("numbers" in note for note in diagnosis.notes) == 2
    assert any("800 classes: agreement is not measured" in note for note in diagnosis.notes)


def test_classes_with_few_labels_are_left_out_of_noise(people):
    """A class of three rows cannot be cross-fitted; the others are."""
    X, groups, labels = people
    names = np.array(["x", "y", "z"])[np.where(np.arange(N) < 3, 2, labels)]
    diagnosis = confirmation_signs(names, groups, X=X)
    assert of(diagnosis, "label noise")
    assert any(note.endswith("left out of label noise: z.") for note in diagnosis.notes)


@pytest.mark.parametrize(
    "call",
    [
        lambda X, g, y: confirmation_signs(y, g, X=X, prior=np.ones(N)),
        lambda X, g, y: confirmation_signs(np.ones(N), g, X=X, prior=y),
        lambda X, g, y: confirmation_signs(groups=g, annotations=np.ones((N, 3))),
        lambda X, g, y: selection_signs(X, ["a"] * N, selected=y),
        lambda X, g, y: selection_signs(X, g, selected=np.ones(N)),
        lambda X, g, y: selection_signs(np.ones((N, 1)), g, selected=y),
        lambda X, g, y: selection_signs(np.ones((N, 1)), reference_X=np.ones((N, 1))),
        lambda X, g, y: availability_signs(np.ones((N, 1)), g),
        lambda X, g, y: availability_signs(np.column_stack([X, np.full(N, np.nan)]), g),
        lambda X, g, y: anchoring_signs(g, labels=np.ones(N), order=np.arange(N)),
        lambda X, g, y: anchoring_signs(g, labels=y, order=np.arange(N), session=np.arange(N)),
        lambda X, g, y: anchoring_signs(g, labels=y, order=np.zeros(N)),
        lambda X, g, y: anchoring_signs(g, predictions=np.stack([y, y, 2 * y])),
    ],
)
@pytest.mark.filterwarnings("error")
def test_what_cannot_be_measured_is_noted(people, call):
    """Constants, one group, empty columns, ties and classes: a note instead of a figure, and no warning of NumPy's."""
    diagnosis = call(*people)
    assert diagnosis.notes
    assert not any(np.isnan(f.value) for f in diagnosis)
    assert "nan" not in str(diagnosis)


@pytest.mark.parametrize(
    ("make", "shown"),
    [
        (lambda n: [f"2020-01-{1 + i % 28:02d}" for i in range(n)], "2020-01"),
        (lambda n: pd.Series(2000 + np.arange(n) % 20, dtype=object), "201"),
        (lambda n: pd.Series(2000 + np.arange(n) % 20, dtype="Int64"), "201"),
        (lambda n: pd.Series(pd.date_range("2020", periods=n, tz="Europe/Berlin")), "2020"),
        (lambda n: [str(2000 + i % 20) for i in range(n)], "201"),
    ],
)
def test_times_are_read_as_what_they_are(people, make, shown):
    """Years are no nanoseconds since 1970, and texts are dates or numbers."""
    (found,) = availability_signs(groups=people[1], time=make(N))
    assert f"from before {shown}" in found.statement


def test_an_order_of_texts_is_that_of_their_numbers(people):
    """'10' comes after '9'."""
    _, groups, labels = people
    first = anchoring_signs(groups, labels=labels, order=np.arange(N))
    second = anchoring_signs(groups, labels=labels, order=[str(i) for i in range(N)])
    assert first.to_frame().equals(second.to_frame())


def test_rows_without_an_annotator_are_left_out(people):
    """None is nobody's name."""
    _, groups, labels = people
    who = [None if i % 2 else "uv"[i // 2 % 2] for i in range(N)]
    diagnosis = confirmation_signs(labels, groups, prior=labels[::-1], annotators=who)
    assert {f.groups.split(", ")[1] for f in diagnosis} == {"u", "v"}
    assert any("Rows without an annotator" in note for note in diagnosis.notes)


def test_the_error_of_agreement_is_the_bootstraps(rng):
    """The jackknife of blocks gives the standard deviation over resampled rows."""
    truth = rng.integers(0, 2, 600)
    codes = np.where(rng.random((600, 3)) < 0.2, 1 - truth[:, None], truth[:, None])
    codes[rng.random((600, 3)) < 0.2] = -1
    value, error = _agreed(codes, 2, rng)
    pairs = [(0, 1), (0, 2), (1, 2)]
    both = [(codes[:, i] >= 0) & (codes[:, j] >= 0) for i, j in pairs]
    kappas = [cohen_kappa_score(codes[b, i], codes[b, j]) for b, (i, j) in zip(both, pairs)]
    assert value == pytest.approx(np.average(kappas, weights=[b.sum() for b in both]))
    drawn = [_agreed(codes[rng.integers(0, 600, 600)], 2, rng)[0] for _ in range(300)]
    assert error == pytest.approx(np.std(drawn), rel=0.2)


def test_the_interval_of_pairs_has_a_width_where_none_differs():
    """Agresti and Min's: with 0 and 0 of 20 pairs it is z times the root of 1 / 22, by the root of 22."""
    value, low, high, p = statistics.paired_difference(0, 0, 20, 0.95)
    assert (value, p) == (0, 1)
    assert (low, high) == pytest.approx((-1.959964 / 22, 1.959964 / 22))


def test_a_missing_column_is_compared_between_large_groups_only(rng):
    """A group of three rows, all without a value, is not the group that lacks most."""
    groups = np.repeat(["a", "b", "c", "d"], [200, 200, 200, 3])
    X = np.where(rng.random((603, 1)) < np.where(groups == "a", 0.3, 0.1)[:, None], np.nan, 1.0 + rng.random((603, 1)))
    X[600:] = np.nan
    (found,) = of(availability_signs(X, groups), "missing column")
    assert found.groups.startswith("a against ")
    x, rest_x = (np.isnan(X[groups == name]).sum() for name in found.groups.split(" against "))
    widened = statistics.share_difference(x, 200, rest_x, 200, 1 - 0.05 / 3)
    assert (found.low, found.high) == pytest.approx(widened[1:3])


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda g, y: selection_signs(np.ones((N, 1)), g, selected=y, learner="x"), InputTypeError, "scikit-learn"),
        (
            lambda g, y: selection_signs(np.ones((N, 1)), g, selected=y, learner=LinearSVC()),
            InputError,
            "predict_proba",
        ),
        (lambda g, y: selection_signs(groups=g, learner=LogisticRegression), InputTypeError, "scikit-learn"),
        (lambda g, y: availability_signs(groups=g, time=["x"] * N), InputError, "numbers or dates"),
        (lambda g, y: availability_signs(groups=g, time=np.where(y, np.inf, 1.0)), InputError, "finite"),
        (lambda g, y: anchoring_signs(g, predictions=np.full((3, N), np.nan)), InputError, "must not be missing"),
        (lambda g, y: anchoring_signs(g, predictions=np.stack([y, y]), starts=[0, None]), InputError, "'starts'"),
        (lambda g, y: anchoring_signs(g, predictions=np.stack([y, y]), spread=1), InputError, "both"),
        (lambda g, y: anchoring_signs(g, spread=1), InputTypeError, "SeedSpread"),
        (lambda g, y: anchoring_signs(g, labels=y, order=y, session=[None] * N), InputError, "'session'"),
        (lambda g, y: anchoring_signs(g, labels=y, shown=np.where(y, np.inf, 1.0)), InputError, "'shown'"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence(people, call, error, match):
    """No traceback of another library's, and nothing that is silently left unused."""
    with pytest.raises(error, match=match):
        call(*people[1:])


def test_models_that_differ_on_all_of_a_group_and_nowhere_else_are_found(people):
    """Without any variation ranks are compared, and no NaN is called chance."""
    _, groups, _ = people
    found = of(
        anchoring_signs(groups, predictions=np.stack([np.zeros(N, int), (groups == "b").astype(int)])),
        "spread over seeds",
    )
    assert found[0].value == 1
    assert found[0].p_value < 1e-10


def test_a_diagnosis_does_not_import_mxnet():
    """It starts without the engine, and stays so."""
    code = (
        "import sys, numpy as np; from mxfair.diagnosis import diagnose; "
        "diagnose(np.eye(40), np.arange(40) % 2, ['a', 'b'] * 20, time=np.arange(40)); sys.exit('mxnet' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
