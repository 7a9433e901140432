"""missingness_report counts what it says, and leaves open what cannot be known."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mxfair._validation import InputError
from mxfair.preprocessing import missingness_report


def survey(n=2000, seed=0):
    """Return a frame whose income lacks more values in group b, and groups of which some are unknown."""
    rng = np.random.default_rng(seed)
    groups = rng.choice(np.array(["a", "b", None], dtype=object), n, p=[0.6, 0.35, 0.05])
    frame = pd.DataFrame({"income": rng.normal(size=n), "job": rng.choice(["x", "y"], n), "age": rng.normal(size=n)})
    frame.loc[rng.random(n) < np.where(groups == "b", 0.4, 0.1), "income"] = np.nan
    frame.loc[rng.random(n) < 0.2, "job"] = None
    labels = (rng.random(n) < np.where(frame["income"].isna(), 0.8, 0.4)).astype(int)
    return frame, groups, labels


def test_counts_and_shares_are_pandas():
    """By column and group, unknown included."""
    frame, groups, _ = survey()
    cells = missingness_report(frame, groups).to_frame().set_index(["column", "group"])
    key = pd.Series(groups).fillna("unknown")
    for column in frame:
        for group, part in frame.groupby(key)[column]:
            assert cells.loc[(column, group)].tolist() == [
                len(part),
                part.isna().sum(),
                pytest.approx(part.isna().mean()),
            ]


def test_gap_and_test_are_of_known_groups():
    """Pearson's chi-square without correction, and Holm over the columns that lack values."""
    frame, groups, _ = survey()
    columns = missingness_report(frame, groups).columns
    assert columns.index.tolist() == ["income", "job", "age"]
    p_values = {}
    for column in ("income", "job"):
        absent = frame[column].isna()
        shares = [absent[groups == g].mean() for g in "ab"]
        assert columns.loc[column, "gap"] == pytest.approx(abs(shares[0] - shares[1]))
        table = [[absent[groups == g].sum(), (~absent[groups == g]).sum()] for g in "ab"]
        p_values[column] = stats.chi2_contingency(table, correction=False)[1]
        assert columns.loc[column, "p_value"] == pytest.approx(p_values[column])
        assert columns.loc[column, "test"] == "chi-square"
    assert columns.loc["income", "adjusted"] == pytest.approx(2 * p_values["income"])
    assert columns.loc["job", "adjusted"] == pytest.approx(p_values["job"])
    assert columns.loc["income", ["lowest", "highest"]].tolist() == ["a", "b"]


def test_few_values_are_tested_exactly():
    """Fisher's test for two groups; for more the chi-square test is called approximate."""
    X = np.array([[1.0], [np.nan], [np.nan], [1.0], [1.0], [1.0], [1.0]])
    two = missingness_report(X, list("abbaaaa")).columns
    assert two.loc["x0", "p_value"] == pytest.approx(stats.fisher_exact([[0, 2], [5, 0]])[1])
    assert two.loc["x0", "test"] == "Fisher"
    three = missingness_report(X, list("abbacca")).columns
    assert three.loc["x0", "test"] == "chi-square of small counts: approximate"


def test_dropping_incomplete_rows_is_dropna():
    """What each group loses, and what it does to its share and base rate."""
    frame, groups, labels = survey()
    table = missingness_report(frame, groups, labels).dropping
    kept = frame.notna().all(axis=1)
    key = pd.Series(groups).fillna("unknown")
    for group in ("a", "b", "unknown"):
        rows = key == group
        row = table.loc[group]
        assert row["samples"] == rows.sum()
        assert row["complete"] == (rows & kept).sum()
        assert row["lost"] == pytest.approx(1 - kept[rows].mean())
        assert row["share_before"] == pytest.approx(rows.mean())
        assert row["share_after"] == pytest.approx(rows[kept].mean())
        assert row["base_rate"] == pytest.approx(labels[rows].mean())
        assert row["base_rate_after"] == pytest.approx(labels[rows & kept].mean())
        assert row["change"] == pytest.approx(labels[rows & kept].mean() - labels[rows].mean())
    assert table.loc["b", "change"] < table.loc["a", "change"] < 0


def test_nothing_to_compare_is_nan():
    """A complete column, an empty one and a single group have no p-value; no row left has no base rate."""
    X = np.array([[1.0, np.nan], [2.0, np.nan], [3.0, np.nan]])
    report = missingness_report(X, list("aab"), [0, 1, 1])
    assert report.columns["p_value"].isna().all()
    assert report.columns["adjusted"].isna().all()
    assert report.columns["gap"].tolist() == [0, 0]
    assert report.columns["missing"].tolist() == [0, 3]
    assert report.dropping["base_rate_after"].isna().all()
    assert report.dropping["share_after"].isna().all()
    alone = missingness_report(X, ["a", "a", None])
    assert alone.columns["gap"].isna().all()
    assert alone.columns["highest"].tolist() == [None, None]


def test_labels_may_be_texts_or_numbers():
    """Of two texts the last is positive; of numbers the mean is taken."""
    X = np.array([[1.0], [np.nan], [1.0], [1.0]])
    texts = missingness_report(X, list("abab"), ["no", "yes", "yes", "no"]).dropping
    assert texts["base_rate"].tolist() == [0.5, 0.5]
    numbers = missingness_report(X, list("abab"), [1.0, 2.0, 3.0, 4.5]).dropping
    assert numbers["base_rate"].tolist() == [2.0, 3.25]
    assert numbers["change"].tolist() == [0.0, 1.25]
    with pytest.raises(InputError, match="got 3 texts"):
        missingness_report(X, list("abab"), ["a", "b", "c", "a"])


def test_it_is_json():
    """to_dict holds plain values, None for what is not known."""
    frame, groups, labels = survey(300)
    state = missingness_report(frame, groups, labels).to_dict()
    assert json.loads(json.dumps(state, allow_nan=False)) == state
    assert set(state) == {"columns", "cells", "dropping"}
    assert next(row for row in state["columns"] if row["column"] == "age")["p_value"] is None


def test_the_text_shows_the_columns_that_lack_values():
    """A page of it, complete columns left out."""
    frame, groups, labels = survey()
    text = repr(missingness_report(frame, groups, labels))
    assert text.startswith("Missing values by group: 2 of 3 columns lack values.")
    assert "income" in text
    assert "age" not in text
    assert "Dropping incomplete rows:" in text


@pytest.mark.parametrize(
    ("X", "groups", "text"),
    [
        (np.ones((2, 0)), ["a", "b"], "at least one row and one column"),
        (np.ones(2), ["a", "b"], "must have shape"),
        (np.ones((2, 1)), ["a"], "same length"),
    ],
)
def test_what_cannot_be_counted_is_refused(X, groups, text):
    """Shapes and lengths."""
    with pytest.raises(InputError, match=text):
        missingness_report(X, groups)
