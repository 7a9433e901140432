"""Errors and means by group are scikit-learn's of each group's rows, and the published example comes out exactly."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from mxfair._validation import InputError
from mxfair.group_metric import GroupMetric
from mxfair.metric import regression

#: The exact test vector: group, prediction, label.
GROUP = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
PRED = [0.8, 0.9, 0.2, 0.1, 0.7, 0.9, 0.8, 0.6, 0.3, 0.5]
LABEL = [1, 0.7, 0.3, 0.2, 0.6, 0.9, 0.5, 0.8, 0.2, 0.4]

NAMES = [name for name in regression.__all__ if name != "jain_index"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mean_error", [0.0666666667, -0.05]),
        ("r2_score", [0.52, 0.7560975610]),
        ("mean_prediction", [0.6333333333, 0.5]),
    ],
)
def test_the_exact_example_by_group(name, expected):
    """Bias, R2 and mean prediction of groups 0 and 1."""
    np.testing.assert_allclose(getattr(regression, name)(LABEL, PRED, GROUP).values, expected, rtol=1e-9)


def test_the_exact_example_between_groups():
    """Mean difference and ratio, error ratios, correlation difference and bounded group loss."""
    mean = regression.mean_prediction(LABEL, PRED, GROUP)
    assert mean.difference(compare="to_reference", reference="0", signed=True) == pytest.approx(-0.1333333333)
    assert mean.ratio(compare="to_reference", reference="0", signed=True) == pytest.approx(0.789474, abs=5e-7)
    rmse, mae = (f(LABEL, PRED, GROUP) for f in (regression.root_mean_squared_error, regression.mean_absolute_error))
    assert rmse.ratio() == pytest.approx(0.968246, abs=5e-7)
    assert mae.ratio(compare="to_reference", reference="0", signed=True) == pytest.approx(1.125)
    assert regression.correlation(LABEL, PRED, GROUP).difference() == pytest.approx(0.128640, abs=5e-7)
    assert regression.bounded_group_loss(LABEL, PRED, GROUP).group_max() == pytest.approx(0.0266666667)


@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("mean_absolute_error", metrics.mean_absolute_error),
        ("mean_squared_error", metrics.mean_squared_error),
        ("r2_score", metrics.r2_score),
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_each_group_equals_scikit_learn(name, oracle, weighted):
    """The value of a group is scikit-learn's of its rows, with weights too; overall is that of all rows."""
    rng = np.random.default_rng(0)
    labels = rng.normal(size=300)
    preds, codes = labels + rng.normal(size=300), rng.integers(0, 4, 300)
    weight = rng.random(300) if weighted else None
    figure = getattr(regression, name)(labels, preds, codes, sample_weight=weight)
    for i in range(4):
        rows = codes == i
        expected = oracle(labels[rows], preds[rows], sample_weight=weight[rows] if weighted else None)
        assert figure.values[i] == pytest.approx(expected, rel=1e-12)
    assert figure.overall == pytest.approx(oracle(labels, preds, sample_weight=weight), rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_has_one_type_and_its_own_name(name):
    """The result is a GroupMetric that carries the function's and the attribute's name; unknown stays out of gaps."""
    figure = getattr(regression, name)(
        [1.0, 2, 3, 4, 9], [1.0, 3, 3, 5, 0], pd.Series(["f", "f", "m", "m", None], name="sex")
    )
    assert isinstance(figure, GroupMetric)
    assert (figure.name, figure.attribute, figure.groups) == (name, "sex", ("f", "m", "unknown"))
    assert figure.difference() == pytest.approx(abs(figure.values[0] - figure.values[1]))


def test_a_groups_own_r2_can_be_negative():
    """A model that only tells the groups apart explains much overall and nothing inside a group."""
    figure = regression.r2_score([0, 2, 10, 12], [1.5, 1.5, 11, 11], list("aabb"))
    assert figure.overall > 0.9
    assert figure.values[0] < 0


def test_labels_are_not_needed_for_predictions():
    """Mean label and mean prediction take None for the side they do not use."""
    assert regression.mean_prediction(None, [1, 2], ["a", "b"]).values.tolist() == [1, 2]
    assert regression.mean_label([1, 2], None, ["a", "b"]).values.tolist() == [1, 2]


def test_bounded_group_loss_takes_any_loss():
    """Named losses and functions of labels and predictions."""
    labels, preds, groups = [1, 2, 3], [1, 4, 0], list("aab")
    assert regression.bounded_group_loss(labels, preds, groups, loss="absolute").values.tolist() == [1, 3]
    cubic = regression.bounded_group_loss(labels, preds, groups, loss=lambda y, p: np.abs(p - y) ** 3)
    assert cubic.values.tolist() == [4, 27]
    assert cubic.overall == pytest.approx(35 / 3)
    weighted = regression.bounded_group_loss(labels, preds, groups, sample_weight=[3, 1, 2])
    assert weighted.values.tolist() == [1, 9]
    assert weighted.support.tolist() == [4, 2]


def test_a_loss_that_is_averaged_is_refused():
    """One loss per sample."""
    with pytest.raises(InputError, match=r"'loss' must return one loss per sample; got 1 for 3"):
        regression.bounded_group_loss([1, 2, 3], [1, 4, 0], list("aab"), loss=lambda y, p: [np.mean(p - y)])
    with pytest.raises(InputError, match="must be one of squared, absolute; got 'square'"):
        regression.bounded_group_loss([1, 2], [1, 4], list("ab"), loss="square")


@pytest.mark.parametrize("name", NAMES)
def test_missing_values_and_lengths_are_refused(name):
    """NaN and arrays of other lengths are errors in every figure."""
    function = getattr(regression, name)
    with pytest.raises(InputError, match="must be finite numbers"):
        function([np.nan, 1], [np.nan, 1], ["a", "b"])
    with pytest.raises(InputError, match="must have the same length"):
        function([1, 2, 3], [1, 2, 3], ["a", "b"])
    with pytest.raises(InputError, match="not negative"):
        function([1, 2], [1, 2], ["a", "b"], sample_weight=[1, -1])


@pytest.mark.parametrize(
    ("values", "expected"), [([2, 2, 2], 1), ([1, 0, 0, 0], 0.25), ([1, 3], 0.8), ([1e200, 3e200], 0.8)]
)
def test_jain_index(values, expected):
    """1 where all have the same, 1/n where one has all."""
    assert regression.jain_index(values) == pytest.approx(expected)


def test_jain_index_of_nothing_is_undefined():
    """Where all have 0 it is NaN, and what is negative cannot be shared out."""
    assert np.isnan(regression.jain_index([0, 0]))
    with pytest.raises(InputError, match="must not be negative; got -1"):
        regression.jain_index([1, -1])
