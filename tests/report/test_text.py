"""Terminal, plain text, Markdown and JSON."""

from __future__ import annotations

import io
import json
import re

import pytest
from rich.console import Console

from mxfair.report import FairnessReport, evaluate_predictions
from mxfair.report._text import escape


def _rendered(report, width):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(report)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_the_terminal_tables_fit_and_keep_every_column(report, width):
    """At 80 columns no line is longer and no column is lost."""
    text = _rendered(report, width)
    assert max(len(line) for line in text.splitlines()) <= width
    for word in ("TPR", "FPR", "PPV", "AUC", "Samples", "Change", "0.812"):
        assert word in text


def test_plain_text_has_no_escape_codes_and_only_ascii_of_its_own(report):
    """str(report) can go to a log or a file."""
    assert str(report).isascii()
    assert "equalized_odds" in str(report)


def test_undefined_rates_print_as_not_available(undefined):
    """NaN prints as n/a or 'not enough data', never as a number or as nan."""
    for text in (str(undefined), undefined.to_markdown(), _rendered(undefined, 100)):
        assert "n/a" in text
        assert "not enough data" in text
        assert not re.search(r"\bnan\b", text, flags=re.IGNORECASE)
    row = next(line for line in str(undefined).splitlines() if line.strip().startswith("b "))
    assert row.split()[4] == "n/a"


def test_markup_in_names_is_shown_not_interpreted_in_the_terminal(hostile):
    """Rich's square brackets are text."""
    assert "[red]rich[/red]" in _rendered(hostile, 200).replace("\n", "")


def test_markdown_tables_keep_their_shape_whatever_the_names(hostile):
    """Pipes and newlines in names do not add cells or rows."""
    lines = hostile.to_markdown().splitlines()
    tables = [line for line in lines if line.startswith("|")]
    rates = [len(re.findall(r"(?<!\\)\|", line)) for line in tables if "1\\|2" not in line]
    header = next(i for i, line in enumerate(tables) if line.startswith("| Group"))
    body = rates[header : header + 2 + 11 * 2]
    assert len(set(body)) == 1


def test_markdown_shows_markup_as_text(hostile):
    """No name becomes HTML, emphasis or code."""
    text = hostile.to_markdown()
    assert "<script>" not in text
    assert "&lt;script&gt;alert('x')&lt;/script&gt;" in text
    assert escape("a|b\n*c* <d>") == "a\\|b \\*c\\* &lt;d&gt;"


def test_json_round_trips(report):
    """What is written is read back equal, and says its format."""
    state = json.loads(report.to_json())
    assert state == report.to_dict()
    assert state["schema"] == "mxfair.report/2"
    assert [model["name"] for model in state["models"]] == ["plain", "FairBatch"]
    assert state["models"][0]["by_group"][0]["rates"]["true_positive_rate"] == 0.75
    assert state["histories"]["FairBatch"][0]["share[0, a]"] == 0.3


def test_json_has_null_where_a_number_is_undefined(undefined):
    """NaN becomes null; strict readers accept the file."""
    text = undefined.to_json()
    state = json.loads(text, parse_constant=pytest.fail)
    by_group = {row["group"]: row["rates"] for row in state["models"][0]["by_group"]}
    assert by_group["b"]["true_positive_rate"] is None
    gap = next(row for row in state["gaps"] if row["criterion"] == "equal_opportunity")
    assert gap["models"][0]["value"] is None


def test_json_keeps_hostile_names(hostile):
    """Names come back as they were."""
    state = json.loads(hostile.to_json())
    assert {row["name"] for row in state["groups"]} == set(hostile.baseline.table.groups)


def test_a_context_of_any_values_can_be_written(plain):
    """Paths, arrays and NaN in the context do not stop the report."""
    import pathlib

    report = FairnessReport(plain.evaluations, context={"file": pathlib.Path("x"), "nan": float("nan"), "s": {1}})
    assert json.loads(report.to_json())["context"] == {"file": "x", "nan": None, "s": "{1}"}


def test_many_classes_stay_readable():
    """Text shows tables for a few classes only; the JSON has all."""
    labels = [i % 40 for i in range(400)]
    report = evaluate_predictions(labels, labels, [i % 3 for i in range(400)])
    assert str(report).count("against the rest") == 6
    assert "true_positive_rate[39]" in report.to_json()
