"""What newcomers type: other spellings, own functions, tables of counts, awkward names."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mxfair import Criterion, GroupConfusion, GroupResiduals, Groups, GroupScores, metric
from mxfair._validation import InputError, InputTypeError
from mxfair.rate import RATES

LABELS, PREDS, GROUPS = [1, 1, 1, 0, 0, 0], [1, 0, 1, 0, 1, 0], list("aabbcc")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("recall", "true_positive_rate"), ("precision", "positive_predictive_value"), ("auc", "roc_auc")],
)
def test_other_names_of_a_rate_lead_to_ours(typed, meant):
    """A synonym is refused with the name that is used here."""
    with pytest.raises(InputError, match=f"Did you mean '{meant}'"):
        metric.evaluate(LABELS, PREDS, GROUPS, metrics=typed)


def test_other_names_of_a_criterion_lead_to_ours():
    """So is that of a criterion."""
    with pytest.raises(InputError, match="Did you mean 'demographic_parity'"):
        metric.difference("statistical_parity", LABELS, PREDS, GROUPS)


def test_the_nearest_spelling_does_not_look_at_capitals():
    """Otherwise 'male' would be taken for 'Female'."""
    with pytest.raises(InputError, match="Did you mean 'Male'"):
        metric.accuracy([1, 1], [1, 0], ["Male", "Female"]).difference(reference="male")


def test_a_metric_function_among_the_metrics_is_its_figure():
    """A function of the package stands for its name, and one with another result is refused."""
    table = metric.evaluate(LABELS, PREDS, GROUPS, metrics=[metric.accuracy, "base_rate"])
    assert list(table) == ["accuracy", "base_rate"]
    with pytest.raises(InputTypeError, match="Call it on its own"):
        metric.evaluate(LABELS, PREDS, GROUPS, metrics=metric.abroca)


def test_a_table_of_counts_gives_the_figures_and_intervals_of_the_samples():
    """Counts from JSON are as good as the rows."""
    rng = np.random.default_rng(0)
    labels, preds, groups = rng.integers(0, 2, 300), rng.integers(0, 2, 300), rng.integers(0, 3, 300)
    counted = GroupConfusion.from_dict(GroupConfusion.of(labels, preds, groups).to_dict())
    table, rows = metric.evaluate_counts(counted), metric.evaluate(labels, preds, groups)
    pd.testing.assert_frame_equal(table.by_group, rows.by_group)
    pd.testing.assert_frame_equal(table.confidence_intervals(seed=1), rows.confidence_intervals(seed=1))


def test_counts_hold_no_scores():
    """What needs more than counts is refused, and so is an array."""
    counted = GroupConfusion.of(LABELS, PREDS, GROUPS)
    with pytest.raises(InputError, match="roc_auc"):
        metric.evaluate_counts(counted, metrics="roc_auc")
    with pytest.raises(InputTypeError, match="evaluate\\(\\)"):
        metric.evaluate_counts(np.zeros((2, 2, 2)))


def test_weighted_counts_have_no_intervals():
    """The rows behind weights are not known."""
    counted = GroupConfusion.of(LABELS, PREDS, GROUPS, sample_weight=[0.5] * 5 + [1.0])
    with pytest.raises(InputError, match="weighted"):
        metric.evaluate_counts(counted).confidence_intervals()


def test_many_different_numbers_may_be_classes_or_values():
    """The caller says which: a thousand columns of rates help nobody."""
    labels = np.arange(300.0)
    with pytest.raises(InputError, match="task='regression'"):
        metric.evaluate(labels, labels, np.arange(300) % 2)
    assert "r2_score" in metric.evaluate(labels, labels, np.arange(300) % 2, task="regression")
    assert len(metric.evaluate(labels, labels, np.arange(300) % 2, task="classification", metrics="accuracy")) == 1


def test_a_group_called_overall_keeps_its_row():
    """The row of all samples then has another name."""
    labels, preds, groups = [1, 0, 1, 0], [1, 0, 0, 0], ["overall", "overall", "x", "x"]
    table = metric.evaluate(labels, preds, groups, metrics="accuracy")
    assert table.to_frame()["accuracy"].to_dict() == {"overall": 1.0, "x": 0.5, "all samples": 0.75}
    assert metric.confusion_matrix(labels, preds, groups).loc["all samples"].to_numpy().sum() == 4


def test_the_control_attribute_keeps_its_name():
    """The levels' index is named like the column."""
    table = metric.evaluate_by(LABELS, PREDS, GROUPS, pd.Series(list("xxyyyx"), name="job"), metrics="accuracy")
    assert table.by_group.index.names[0] == "job"


def test_a_wide_table_is_shown_standing():
    """Where the figures do not fit beside each other in the width that pandas prints in, each has a row."""
    table = metric.evaluate(LABELS, PREDS, GROUPS)
    with pd.option_context("display.width", 60):
        assert repr(table).splitlines()[1].startswith("accuracy")
    with pd.option_context("display.width", 400):
        assert "accuracy" in repr(table).splitlines()[0]


def test_a_value_is_found_by_the_groups_name():
    """A GroupMetric is indexed by group."""
    assert metric.accuracy(LABELS, PREDS, GROUPS)["a"] == 0.5
    with pytest.raises(InputError, match="must be one of a, b, c"):
        metric.accuracy(LABELS, PREDS, GROUPS)["d"]


@pytest.mark.parametrize("reference", ["b", "c"])
def test_a_reference_alone_is_compared_with(reference):
    """`reference` implies ``compare="to_reference"`` everywhere."""
    figure = metric.selection_rate(LABELS, PREDS, GROUPS)
    expected = figure.difference(compare="to_reference", reference=reference)
    table = metric.evaluate(LABELS, PREDS, GROUPS, metrics="selection_rate")
    assert figure.difference(reference=reference) == expected
    assert table.difference(reference=reference)["selection_rate"] == expected
    assert metric.demographic_parity_difference(LABELS, PREDS, GROUPS, reference=reference) == expected


def test_the_gap_names_the_groups_that_set_it():
    """Towards a reference or the overall value, the base is one of the two."""
    labels, groups = [1] * 30, ["a"] * 10 + ["b"] * 10 + ["c"] * 10
    figure = metric.selection_rate(
        labels, [1] * 9 + [0] * 1 + [1] * 6 + [0] * 4 + [1] * 5 + [0] * 5, groups, positive=1
    )
    assert (figure.gap().high, figure.gap().low) == ("a", "c")
    gap = figure.gap(reference="b")
    assert (gap.high, gap.low) == ("a", "b")
    gap = figure.gap(compare="to_overall")
    assert (gap.high, gap.low) == ("a", "overall")
    assert figure.gap(compare="pairwise_mean").high is None


@pytest.mark.parametrize("scale", [1, 100, 0.01])
def test_min_support_counts_samples_and_not_weights(scale):
    """Five samples stay five, whatever their weights are measured in."""
    rng = np.random.default_rng(0)
    labels, preds, groups = rng.integers(0, 2, 105), rng.integers(0, 2, 105), ["a"] * 50 + ["c"] * 50 + ["b"] * 5
    table = metric.confidence_intervals(
        labels,
        preds,
        groups,
        metrics="selection_rate",
        sample_weight=[scale] * 105,
        min_support=30,
        seed=0,
        n_resamples=50,
    )
    notes = table.xs("group", level="kind")["note"]
    assert notes.tolist() == ["", "fewer than 30 samples", ""]


def test_streaming_leaves_unknown_groups_out_of_gaps():
    """A state that names "unknown" beforehand takes it for missing values, as `of` does."""
    labels, preds = [1] * 9, [1, 1, 1, 1, 0, 0, 0, 0, 0]
    groups = ["a"] * 3 + ["b"] * 3 + [None] * 3
    names = ["a", "b", "unknown"]
    parity = Criterion("parity", "selection_rate")
    streamed = GroupConfusion(names, [0, 1])
    for part in (slice(0, 4), slice(4, 9)):
        streamed.update(labels[part], preds[part], groups[part])
    assert parity.difference(streamed) == parity.difference(GroupConfusion.of(labels, preds, groups))
    for state in (streamed, GroupScores(names), GroupResiduals(names)):
        assert state.known.tolist() == [True, True, False]


def test_rates_of_errors_know_that_larger_is_worse():
    """The worst group or class of an error rate is the largest one."""
    assert RATES["false_positive_rate"].larger_is_worse
    assert not RATES["accuracy"].larger_is_worse


@pytest.mark.parametrize("name", sorted(RATES))
@pytest.mark.parametrize("weighted", [False, True])
def test_all_classes_at_once_are_each_class_by_itself(name, weighted):
    """Tables of one class against the rest are read off the margins; what is empty stays undefined."""
    rng = np.random.default_rng(3)
    labels, preds = rng.integers(0, 5, 60), rng.integers(0, 5, 60)
    groups = Groups.from_codes(rng.integers(0, 12, 60), [str(i) for i in range(12)])
    weight = rng.random(60) if weighted else None
    counts = GroupConfusion.of(labels, preds, groups, classes=range(5), sample_weight=weight).counts
    rate = RATES[name]
    for place in range(5):
        hit = (np.arange(5) == place).astype(int)
        small = np.array([[[g[hit == i][:, hit == j].sum() for j in (0, 1)] for i in (0, 1)] for g in counts])
        expected = rate.values(small, 1) if rate.per_class else rate.values(counts, place)
        np.testing.assert_allclose(rate.each(counts)[:, place], expected, atol=1e-12)
        np.testing.assert_allclose(rate.values(counts, place), expected, atol=1e-12)
