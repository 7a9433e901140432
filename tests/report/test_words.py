"""Sentences and notes are computed, neutral and honest."""

from __future__ import annotations

import numpy as np
import pytest

from mxfair.report import FairnessReport, evaluate_predictions


def _two(labels, before, after, groups, **context):
    reports = [evaluate_predictions(labels, p, groups, name=n) for p, n in ((before, "plain"), (after, "FairBatch"))]
    return FairnessReport([e for r in reports for e in r.evaluations], context=context)


LABELS, GROUPS = [1, 1, 0, 0, 1, 1, 0, 0], list("aaaabbbb")
LARGE, NONE = [1, 1, 0, 0, 0, 1, 0, 0], [0, 1, 0, 0, 0, 1, 0, 0]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (LARGE, NONE, "fell from 0.500 to 0.000; accuracy went from 87.5% to 75.0% on 400 test samples."),
        (NONE, LARGE, "rose from 0.000 to 0.500; accuracy went from 75.0% to 87.5% on 400 test samples."),
        (LARGE, LARGE, "stayed at 0.500; accuracy stayed at 87.5% on 400 test samples."),
    ],
)
def test_the_sentence_says_what_happened(before, after, words):
    """It says fell, rose or stayed as the numbers do."""
    report = _two(*(50 * values for values in (LABELS, before, after, GROUPS)), split="test")
    assert report.sentence == f"With FairBatch the equalized_odds gap between groups {words}"


def test_the_sentence_calls_no_change_what_may_be_chance():
    """Where the change's interval holds 0 the gap went from one number to the other, and the interval stands beside."""
    report = _two(LABELS, LARGE, NONE, GROUPS)
    assert "gap between groups went from 0.500 to 0.000 (no change shown: its 95 % interval, -" in report.sentence


def test_the_sentence_of_one_model_names_the_pair():
    """A single model's gap comes with its rate and groups."""
    report = evaluate_predictions(LABELS, LARGE, GROUPS)
    assert "is 0.500 (true positive rate: a 1.000, b 0.500); accuracy is 87.5% on 8 samples." in report.sentence


def test_the_sentence_states_a_gap_that_could_not_be_measured(undefined):
    """A NaN gap reads 'not enough data', never a number."""
    assert "cannot be stated (not enough data)" in undefined.sentence
    report = _two([0, 0], [0, 1], [0, 0], ["a", "b"])
    assert "cannot be compared (not enough data)" in report.sentence


def test_nothing_in_the_report_is_a_verdict(report, page):
    """No text calls a model or a gap fair, passed or failed."""
    for text in (str(report), report.to_markdown(), page, report.to_json()):
        for verdict in ("unfair", "passed", "failed", "is fair", "fairer", "✓", "✔"):
            assert verdict not in text.lower()


def test_what_is_not_known_names_unknown_undefined_and_small_groups(undefined):
    """Each missing piece is named with its number of samples."""
    notes = "\n".join(undefined.not_known)
    assert "Unknown group: 1 sample (20.0%) without a recorded group" in notes
    assert "true positive rate of b (2 samples)" in notes
    assert (
        "Too few samples to trust any rate (fewer than 30): a (2 samples), b (2 samples) and unknown (1 sample)"
        in notes
    )
    assert "Seeds: one run per model" in notes


def test_groups_of_thirty_are_not_marked():
    """The mark begins below 30 samples in the denominator."""
    labels = np.tile([0, 1], 60)
    marked = evaluate_predictions(labels, labels, np.repeat(["a", "b"], [60, 60]))
    assert "too few" not in str(marked)
    marked = evaluate_predictions(labels, labels, np.repeat(["a", "b"], [62, 58]))
    assert "1.000*" in str(marked)
    assert "too few samples to trust" in str(marked)


def test_the_sentence_says_that_a_gap_turned_round():
    """Where the favoured group is now the other one, the two sizes alone would not tell."""
    turned = [int(v) for v in np.array([0, 1, 0, 0, 1, 1, 0, 0])]
    assert "turned round: the lowest is now a" in _two(*(50 * v for v in (LABELS, LARGE, turned, GROUPS))).sentence
    assert "turned round" not in _two(*(50 * v for v in (LABELS, LARGE, NONE, GROUPS))).sentence


def test_the_printed_report_names_the_positive_class():
    """Rates of 'no' would read like rates of 'hired'."""
    report = evaluate_predictions(["no", "hired", "no"], ["no", "no", "hired"], ["a", "b", "b"], positive="hired")
    assert "Positive is the class hired." in str(report)
    assert "Positive is the class hired" in report.to_markdown()
