"""Tables of figures are mappings of GroupMetrics whose summaries are pandas objects of one type."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from mxfair import Groups, metric
from mxfair._validation import InputError
from mxfair.group_metric import GroupMetric
from mxfair.metric._strata import weighted_mean
from mxfair.metric.table import ConditionalTable, GroupTable

NAN = math.nan


def table(**options):
    """Return accuracy and recall of groups a, b and unknown; b has no positive label."""
    labels, preds = [1, 1, 0, 0, 0, 1], [1, 0, 0, 0, 1, 0]
    groups = Groups(["a", "a", "a", "b", "b", None], name="sex")
    return metric.evaluate(labels, preds, groups, metrics=["accuracy", "true_positive_rate"], **options)


TASKS = {
    "two classes": lambda: table(),
    "several classes": lambda: metric.evaluate(list("xyzx"), list("xyxx"), list("abab"), metrics="selection_rate"),
    "soft": lambda: metric.evaluate([1, 0, 1, 0], [[0.5, 0.5]] * 4, list("abab"), metrics="accuracy"),
    "regression": lambda: metric.evaluate([1.5, 2, 3, 4], [1, 2, 3.5, 4], list("abab"), task="regression"),
    "functions": lambda: metric.evaluate([1, 0, 1, 0], [1, 1, 1, 0], list("abab"), metrics=lambda y, p: len(y)),
    "one group": lambda: metric.evaluate([1, 0], [1, 1], list("aa")),
}


@pytest.mark.parametrize("task", TASKS)
def test_summaries_have_one_type_for_every_task(task):
    """Whatever is evaluated, a summary is always the same kind of pandas object of floats."""
    found = TASKS[task]()
    assert isinstance(found, GroupTable)
    for frame in (found.by_group, found.support, found.to_frame()):
        assert type(frame) is pd.DataFrame
        assert frame.columns.tolist() == list(found)
        assert set(frame.dtypes) == {np.dtype(float)}
    summaries = (found.overall, found.difference(), found.ratio(), found.group_min(), found.group_max())
    for series in summaries:
        assert type(series) is pd.Series
        assert series.dtype == float
        assert series.index.tolist() == list(found)
    assert type(found.gaps()) is pd.DataFrame
    assert type(found.undefined) is pd.DataFrame
    assert all(type(value) is GroupMetric for value in found.values())


def test_a_table_is_a_mapping():
    """Figures are found by name, in the order that they were asked for."""
    found = table()
    assert isinstance(found, Mapping)
    assert list(found) == ["accuracy", "true_positive_rate"]
    assert len(found) == 2
    assert "accuracy" in found
    assert found["accuracy"].overall == 0.5
    with pytest.raises(KeyError):
        found["recall"]


def test_by_group_has_a_row_for_each_group():
    """The unknown group is shown last, under the attribute's name."""
    expected = pd.DataFrame(
        {"accuracy": [2 / 3, 0.5, 0.0], "true_positive_rate": [0.5, NAN, 0.0]},
        index=pd.Index(["a", "b", "unknown"], name="sex"),
    )
    pd.testing.assert_frame_equal(table().by_group, expected)


def test_summaries_are_those_of_each_figure():
    """A column's summary is its GroupMetric's, with the same arguments."""
    found = table()
    options = {"compare": "to_reference", "reference": "a", "signed": True}
    for name, figure in found.items():
        for method in ("difference", "ratio"):
            for chosen in ({}, {"compare": "to_overall"}, options):
                ours, single = getattr(found, method)(**chosen)[name], getattr(figure, method)(**chosen)
                np.testing.assert_equal(ours, single)
        assert found.group_min()[name] == figure.group_min()
        assert found.group_max()[name] == figure.group_max()
        assert found.overall[name] == figure.overall


def test_support_is_what_each_figure_was_computed_from():
    """Accuracy counts samples, recall those with a positive label."""
    assert table().support.loc["a"].tolist() == [3, 2]
    assert table(sample_weight=[2] * 6).support.loc["b"].tolist() == [4, 0]


def test_undefined_figures_are_listed_with_their_reasons():
    """A row for each NaN says which figure, which group and why."""
    assert table().undefined.to_numpy().tolist() == [["true_positive_rate", "b", "no samples with label 1"]]


def test_a_table_without_undefined_figures_lists_none():
    """The list keeps its columns when it is empty."""
    found = metric.evaluate([1, 0], [1, 1], ["a", "b"], metrics="accuracy").undefined
    assert found.columns.tolist() == ["metric", "group", "reason"]
    assert len(found) == 0


def test_gaps_name_the_extreme_groups():
    """Difference and ratio stand beside the groups with the highest and lowest value, and those without one."""
    gaps = table().gaps()
    assert gaps.loc["accuracy"].tolist() == [pytest.approx(1 / 6), pytest.approx(0.75), "a", "b", ""]
    row = gaps.loc["true_positive_rate"]
    assert math.isnan(row["difference"])
    assert row["undefined"] == "b"


def test_the_frame_ends_with_the_overall_row():
    """The figures over all samples stand below the groups."""
    frame = table().to_frame()
    assert frame.index.tolist() == ["a", "b", "unknown", "overall"]
    assert frame.index.name == "sex"
    assert frame.loc["overall"].tolist() == [0.5, 1 / 3]


@pytest.mark.parametrize("form", [repr, GroupTable._repr_html_])
def test_undefined_figures_read_as_undefined(form):
    """A reader sees the word, and figures with three digits."""
    text = form(table())
    assert "undefined" in text
    assert "0.667" in text
    assert "nan" not in text.lower()


def test_a_table_can_be_put_together_by_hand():
    """Figures of the same groups form a table, without samples to resample."""
    labels, preds, groups = [1, 0, 1], [1, 1, 0], list("aba")
    found = GroupTable({"mine": metric.accuracy(labels, preds, groups)})
    assert found.difference()["mine"] == 0.5
    with pytest.raises(InputError, match="must come from evaluate"):
        found.confidence_intervals()


def test_a_table_gives_intervals_of_its_figures():
    """The intervals are of the figures that the table holds."""
    intervals = table().confidence_intervals(n_resamples=20, seed=0, criteria=[])
    assert set(intervals.index.get_level_values("metric")) == {"accuracy", "true_positive_rate"}


def test_figures_of_other_groups_make_no_table():
    """Rows must mean the same groups."""
    first, second = (metric.accuracy([1, 0], [1, 1], groups) for groups in (["a", "b"], ["a", "c"]))
    with pytest.raises(InputError, match="of the same groups"):
        GroupTable({"first": first, "second": second})


def test_an_empty_table_is_refused():
    """A table holds at least one figure."""
    with pytest.raises(InputError, match="at least one figure"):
        GroupTable({})


# Within the levels of a control attribute

LABELS = [1, 0, 1, 0, 1, 0, 1, 0]
PREDS = [1, 1, 0, 1, 1, 0, 0, 0]
GROUPS = list("fmfmffmf")
CONTROL = list("xxxxyyyz")


def conditional(**options):
    """Return figures within x (2 f, 2 m), y (2 f, 1 m) and z (1 f)."""
    options = {"metrics": ["selection_rate", "accuracy"], **options}
    return metric.evaluate_by(LABELS, PREDS, GROUPS, CONTROL, **options)


def test_each_level_is_a_table_of_its_samples():
    """A level's table is that of evaluate() on its samples, with every group in its place."""
    found = conditional()
    assert list(found.strata) == ["x", "y", "z"]
    rows = [place for place, level in enumerate(CONTROL) if level == "y"]
    alone = metric.evaluate(
        *([values[i] for i in rows] for values in (LABELS, PREDS, GROUPS)), metrics=["selection_rate", "accuracy"]
    )
    pd.testing.assert_frame_equal(found.strata["y"].by_group, alone.by_group)
    assert found.strata["z"].by_group.index.tolist() == ["f", "m"]


def test_groups_that_a_level_lacks_are_undefined_there():
    """They are NaN with a reason, and not left out."""
    assert conditional().strata["z"]["accuracy"].undefined == {"m": "no samples"}


def test_by_group_has_a_row_for_each_level_and_group():
    """Levels and groups are the rows."""
    frame = conditional().by_group
    assert frame.index.names == ["control", "group"]
    assert frame.loc[("x", "m"), "selection_rate"] == 1.0
    assert len(frame) == 6


@pytest.mark.parametrize("name", ["difference", "ratio"])
def test_gaps_have_a_row_for_each_level(name):
    """A level of one group has no gap."""
    frame = getattr(conditional(), name)()
    assert frame.shape == (3, 2)
    assert set(frame.dtypes) == {np.dtype(float)}
    assert frame.loc["x", "selection_rate"] == 0.5
    assert frame.loc["z"].isna().all()


def test_overall_has_a_row_for_each_level():
    """The figures over all samples of a level."""
    assert conditional().overall["selection_rate"].tolist() == [0.75, 1 / 3, 0.0]


def test_the_mean_difference_weighs_levels_by_their_samples():
    """Levels without a gap are left out, and the warning points to the caller."""
    with pytest.warns(UserWarning, match=r"(selection_rate|accuracy) .* 1 of 3 strata \(z; 12\.5%") as caught:
        mean = conditional().mean_difference()
    assert type(mean) is pd.Series
    assert mean["selection_rate"] == pytest.approx((4 * 0.5 + 3 * 0.5) / 7)
    assert mean["accuracy"] == pytest.approx((4 * 0.5 + 3 * 1.0) / 7)
    assert caught[0].filename == __file__


@pytest.mark.filterwarnings("ignore:.*cannot be compared")
def test_the_mean_difference_is_the_functions():
    """A table's mean and the function with control= agree, weights and ways to compare included."""
    weight = np.arange(1.0, 9.0)
    mean = conditional(sample_weight=weight).mean_difference(compare="to_overall")["selection_rate"]
    single = metric.demographic_parity_difference(
        LABELS, PREDS, GROUPS, control=CONTROL, sample_weight=weight, compare="to_overall"
    )
    assert mean == pytest.approx(single, abs=1e-14)


@pytest.mark.parametrize("form", [repr, ConditionalTable._repr_html_])
def test_conditional_tables_show_what_is_undefined(form):
    """A reader sees the word."""
    assert "undefined" in form(conditional())


def test_a_mean_over_no_defined_level_is_undefined():
    """Nothing to average is NaN, without a warning that would say the same."""
    assert math.isnan(weighted_mean(np.array([NAN, NAN]), np.array([1.0, 2.0]), ("x", "y"), what="it"))


@pytest.mark.filterwarnings("error")
def test_an_empty_level_gives_no_warning():
    """A level without weight takes no part in a mean."""
    assert weighted_mean(np.array([0.5, NAN]), np.array([1.0, 0.0]), ("x", "y"), what="it") == 0.5
