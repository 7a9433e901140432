"""Rates, gaps and AUC of a report equal hand-computed ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mxfair import Criterion, GroupConfusion, Groups
from mxfair._validation import InputError, InputTypeError
from mxfair.criterion import CRITERIA
from mxfair.report import Evaluation, FairnessReport, evaluate_predictions


def test_rates_by_group_equal_hand_computed_ones(plain):
    """Each rate of each group is its own fraction."""
    expected = {
        "support": 8,
        "base_rate": 4 / 8,
        "selection_rate": 4 / 8,
        "true_positive_rate": 3 / 4,
        "false_positive_rate": 1 / 4,
        "positive_predictive_value": 3 / 4,
        "accuracy": 6 / 8,
        "auc": 13 / 16,
    }
    assert plain.rates.loc[("plain", "a")].to_dict() == pytest.approx(expected)


def test_the_overall_row_covers_all_samples(plain):
    """'overall' is computed from all samples, not as a mean over groups."""
    row = plain.rates.loc[("plain", "overall")]
    assert row["support"] == 12
    assert row["true_positive_rate"] == pytest.approx(4 / 6)
    assert row["accuracy"] == pytest.approx(9 / 12)


def test_the_columns_are_those_promised(plain):
    """A binary report has one column per rate, in reading order."""
    assert list(plain.rates.columns) == [
        "support",
        "base_rate",
        "selection_rate",
        "true_positive_rate",
        "false_positive_rate",
        "positive_predictive_value",
        "accuracy",
        "auc",
    ]


def test_gaps_equal_hand_computed_ones(report):
    """The gap of each model and the change stand side by side."""
    row = report.gaps.loc["equal_opportunity"]
    assert (row["plain"], row["FairBatch"], row["change"]) == (0.25, 0.25, 0.0)
    row = report.gaps.loc["demographic_parity"]
    assert (row["plain"], row["FairBatch"], row["change"]) == (0.25, 0.25, 0.0)


def test_gaps_name_the_rate_and_the_pair_that_sets_them(report):
    """A gap says which rate it comes from and which groups have the largest and the smallest one."""
    row = report.gaps.loc["equal_opportunity"]
    assert (row["rate[plain]"], row["high[plain]"], row["low[plain]"]) == ("true_positive_rate", "a", "b")
    assert (row["high[FairBatch]"], row["low[FairBatch]"]) == ("b", "a")


def test_gaps_have_a_row_per_criterion(report):
    """All criteria are shown by default: choosing one is not left to the tool."""
    assert list(report.gaps.index) == list(CRITERIA)


def test_chosen_criteria_become_the_rows_and_the_first_one_the_headline(labels, groups):
    """criteria= takes names and objects."""
    own = Criterion("precision_gap", "positive_predictive_value")
    report = evaluate_predictions(labels, labels, groups, criteria=[own, "accuracy_parity"])
    assert list(report.gaps.index) == ["precision_gap", "accuracy_parity"]
    assert report.criterion is own


def test_the_summary_has_accuracy_and_auc_per_model(report):
    """A model without scores has an AUC of NaN, not of 0."""
    assert report.summary["accuracy"].tolist() == pytest.approx([9 / 12, 9 / 12])
    assert report.summary.loc["plain", "auc"] == pytest.approx(28 / 36)
    assert np.isnan(report.summary.loc["FairBatch", "auc"])


def test_str_groups_and_groups_objects_give_the_same_tables(labels, groups, plain):
    """Groups may come as text, a Series, a categorical or a Groups."""
    preds = [1, 1, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0]
    for given in (Groups(groups), pd.Series(groups), pd.Categorical(groups), np.array(groups)):
        other = evaluate_predictions(labels, preds, given, name="plain").rates.drop(columns="auc")
        pd.testing.assert_frame_equal(other, plain.rates.drop(columns="auc"))


def test_an_undefined_rate_is_nan(undefined):
    """A rate without samples to compute it from is NaN in the frame."""
    assert np.isnan(undefined.rates.loc[("m", "b"), "true_positive_rate"])


def test_unknown_is_shown_and_left_out_of_gaps(undefined):
    """The unknown group has its row, and no gap counts it."""
    assert undefined.rates.loc[("m", "unknown"), "true_positive_rate"] == 0
    assert np.isnan(undefined.gaps.loc["equal_opportunity", "m"])
    assert undefined.gaps.loc["accuracy_parity", "m"] == 0.5


def test_the_stated_positive_class_sets_rates_gaps_and_auc(labels, groups):
    """positive=0 turns the rates around, AUC and gaps included."""
    preds = [1, 1, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0]
    proba = np.column_stack([1.0 - labels, labels * 1.0])
    report = evaluate_predictions(labels, preds, groups, scores=proba, positive=0)
    assert report.rates.loc[("model", "a"), "true_positive_rate"] == 3 / 4
    assert report.rates.loc[("model", "b"), "true_positive_rate"] == 1
    assert report.rates.loc[("model", "a"), "auc"] == 1
    assert report.gaps.loc["equal_opportunity", "model"] == 0.25


def test_several_classes_have_a_column_per_class():
    """With three classes each rate is given one against the rest, and labels in float32 read as whole numbers."""
    labels, preds = np.array([0, 1, 2, 0, 1, 2], dtype="float32"), np.array([0, 1, 1, 0, 1, 2], dtype="float32")
    report = evaluate_predictions(labels, preds, list("aaabbb"))
    assert report.rates.loc[("model", "a"), "true_positive_rate[2]"] == 0
    assert report.rates.loc[("model", "b"), "true_positive_rate[2]"] == 1
    assert report.rates.loc[("model", "a"), "accuracy"] == pytest.approx(2 / 3)
    assert report.gaps.loc["equal_opportunity", "rate[model]"] == "true_positive_rate[2]"


def test_auc_of_several_classes_is_macro_one_against_the_rest():
    """The AUC of three classes equals scikit-learn's macro average; a group that lacks a class has none."""
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(0)
    labels, scores = random.integers(0, 3, 200), random.dirichlet([1, 1, 1], 200)
    groups = np.where(np.arange(200) < 195, "a", "b")
    labels[195:] = 1
    report = evaluate_predictions(labels, scores.argmax(axis=1), groups, scores=scores)
    assert report.baseline.auc == pytest.approx(roc_auc_score(labels, scores, multi_class="ovr"))
    assert np.isnan(report.rates.loc[("model", "b"), "auc"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"preds": np.full((4, 2), 0.5)}, "'preds' must hold one decision per sample"),
        ({"groups": list("abc")}, "must have the same length"),
        ({"scores": [0.1, 0.2, 0.3]}, "must have the same length"),
        ({"scores": [0.1, 0.2, 0.3, np.nan]}, "'scores' must be finite"),
        ({"scores": np.zeros((4, 3))}, "'scores' must have shape"),
        ({"positive": 7}, "'positive' must be one of"),
        ({"criteria": "equalised_odds"}, "Did you mean 'equalized_odds'"),
    ],
)
def test_wrong_input_is_refused_on_entry(change, message):
    """A wrong argument is named, with what to do."""
    arguments = {"labels": [0, 1, 0, 1], "preds": [0, 1, 1, 1], "groups": list("abab"), **change}
    with pytest.raises(InputError, match=message):
        evaluate_predictions(**arguments)


def test_beside_joins_models_of_the_same_samples(plain, fair):
    """The joined report has both models, the first one as the baseline."""
    joined = plain.beside(fair)
    assert joined.names == ["plain", "FairBatch"]
    assert joined.title.startswith("What changed for whom")


def test_beside_refuses_other_samples(plain, labels, groups):
    """Different numbers of samples by group and label are an error, even where the totals agree."""
    other = evaluate_predictions(1 - labels, labels, ["b"] * 8 + ["a"] * 4, name="other")
    with pytest.raises(InputError, match="same samples"):
        plain.beside(other)


def test_beside_refuses_other_groups(plain, labels):
    """Groups with other names are an error."""
    with pytest.raises(InputError, match="same groups and classes"):
        plain.beside(evaluate_predictions(labels, labels, ["x"] * 8 + ["y"] * 4, name="other"))


def test_beside_refuses_two_models_of_one_name(plain):
    """Two models of one name could not be told apart."""
    with pytest.raises(InputError, match="different names"):
        plain.beside(plain)


def test_beside_keeps_both_contexts(plain, fair):
    """What the contexts say differently is kept for both."""
    first = FairnessReport(plain.evaluations, context={"seed": 0, "data": "x"})
    second = FairnessReport(fair.evaluations, context={"seed": 1, "data": "x"})
    assert first.beside(second).context == {"seed": 0, "data": "x", "seed (FairBatch)": 1}


def test_an_evaluation_can_come_from_a_table():
    """A weighted table gives rates without arrays at hand."""
    table = GroupConfusion.of([1, 1], [1, 0], ["a", "a"], sample_weight=[1.5, 0.5])
    report = FairnessReport(Evaluation("m", table))
    assert report.rates.loc[("m", "a"), "true_positive_rate"] == 0.75
    assert report.rates.loc[("m", "a"), "support"] == 2


def test_a_report_needs_evaluations():
    """An empty list or something else is refused."""
    with pytest.raises(InputTypeError, match="at least one Evaluation"):
        FairnessReport([])


def test_histories_must_belong_to_a_model(plain, history):
    """A history under another name is refused rather than left out silently."""
    with pytest.raises(InputError, match="'histories' must be keyed by the models"):
        FairnessReport(plain.evaluations, histories={"typo": history})
