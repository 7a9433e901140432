"""Counterfactual flips change one attribute and nothing else."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from mxfair._validation import InputError, InputTypeError
from mxfair.metric.counterfactual import counterfactual_change, counterfactual_flip_rate, counterfactual_flips


def people(n=40):
    """Return a frame whose columns have four types."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "sex": pd.Categorical(rng.choice(["f", "m"], n)),
            "race": rng.choice(["a", "b", "c"], n),
            "points": rng.integers(0, 10, n),
            "score": rng.random(n),
        }
    )


def by_sex(X):
    """Return a decision that gives men three points more."""
    return np.where(X["points"] + 3 * (X["sex"] == "m") > 5, "yes", "no")


def test_flips_are_those_whom_the_bonus_moves_over_the_line():
    """A decision with a bonus for men changes exactly for 3 to 5 points."""
    X = people()
    flips = counterfactual_flips(by_sex, X, "sex")
    np.testing.assert_array_equal(flips.flipped, X["points"].between(3, 5))
    by_group = X["points"].between(3, 5).groupby(X["sex"], observed=True).mean()
    assert flips.flip_rate().by_group.to_dict() == by_group.to_dict()


def test_a_model_that_ignores_the_attribute_never_flips():
    """No sample changes, in any group."""
    flips = counterfactual_flips(lambda X: X["points"] > 5, people(), "sex")
    assert flips.flip_rate().overall == 0


def test_a_sample_set_to_its_own_value_keeps_its_prediction():
    """The diagonal of the table is 0, and the model sees the types it was given."""
    seen = []

    def predict(X):
        seen.append(X.dtypes.to_dict())
        return (X["score"] + (X["race"] == "b") > 0.9).astype(int)

    X = people()
    table = counterfactual_flips(predict, X, "race").to_frame()
    np.testing.assert_array_equal(np.diag(table.to_numpy()), 0)
    assert table.loc["a", "b"] > 0
    assert table.loc["a", "c"] == 0
    assert all(kinds == X.dtypes.to_dict() for kinds in seen)


def test_the_samples_are_left_as_they_are():
    """Neither a frame, nor a slice of one, nor an array is changed, and pandas does not warn."""
    X = people()
    part, array = X[X["points"] > 2], np.arange(12.0).reshape(6, 2)
    before, before_array = part.copy(), array.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        counterfactual_flips(by_sex, part, "sex")
        counterfactual_flips(lambda A: A[:, 0] > 3, array, 0, values=[0.0, 9.0])
    pd.testing.assert_frame_equal(part, before)
    np.testing.assert_array_equal(array, before_array)


def test_several_columns_change_together():
    """A one-hot attribute takes a row of values, and no sample gets a code that does not exist."""
    rng = np.random.default_rng(1)
    X = np.column_stack([np.eye(3)[rng.integers(0, 3, 30)], rng.random(30)])

    def predict(A):
        np.testing.assert_array_equal(A[:, :3].sum(axis=1), 1)
        return A[:, 3] + 0.5 * A[:, 2] > 0.6

    flips = counterfactual_flips(predict, X, [0, 1, 2])
    assert set(flips.values) == {(1, 0, 0), (0, 1, 0), (0, 0, 1)}
    np.testing.assert_array_equal(flips.flipped, (X[:, 3] > 0.1) & (X[:, 3] <= 0.6))


def test_scores_give_their_largest_change():
    """The change of a score is the largest over the values, averaged by the attribute as it was."""
    bonus = {"a": 0.0, "b": 0.25, "c": 1.0}
    X = people()
    flips = counterfactual_flips(lambda X: X["race"].map(bonus).to_numpy(float), X, "race")
    np.testing.assert_allclose(flips.mean_change().by_group[["a", "b", "c"]], [1, 0.75, 1])
    assert "race to a, b, c" in repr(flips)


def test_flip_rate_counts_any_of_several_values():
    """A sample flips where one of the columns differs; weights and groups are kept."""
    figure = counterfactual_flip_rate(
        ["y", "n", "y", "y"],
        [["y", "n"], ["n", "n"], ["y", "y"], ["n", "y"]],
        ["f", "f", "m", None],
        sample_weight=[1, 3, 1, 5],
    )
    np.testing.assert_allclose(figure.values, [0.25, 0, 1])
    assert figure.overall == pytest.approx(0.6)
    assert figure.groups == ("f", "m", "unknown")


def test_without_groups_everyone_is_one():
    """The result is of the same type, with the group "all"."""
    figure = counterfactual_flip_rate([1, 0], [0, 0])
    assert (figure.groups, figure.values.tolist(), figure.overall) == (("all",), [0.5], 0.5)


def test_changes_of_decisions_and_of_scores_agree_for_bits():
    """For decisions 0 and 1, the mean absolute change is the flip rate."""
    rng = np.random.default_rng(2)
    preds, others = rng.integers(0, 2, 50), rng.integers(0, 2, (50, 3))
    assert counterfactual_change(preds, others).overall == counterfactual_flip_rate(preds, others).overall


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: counterfactual_flip_rate([0.3, 1], [0, 1]), "decisions"),
        (lambda: counterfactual_flip_rate([0, 1], [0.5, 1]), "decisions"),
        (lambda: counterfactual_flip_rate([0, 1], [0, 1, 1]), "same length"),
        (lambda: counterfactual_flip_rate([0, 1], ["0", "1"]), "text and numbers"),
        (lambda: counterfactual_flip_rate([0, 1], np.zeros((2, 2, 2))), "shape"),
        (lambda: counterfactual_change([0.1, np.nan], [0.1, 0.2]), "finite"),
        (lambda: counterfactual_flips(by_sex, people(), "gender"), "sex"),
        (lambda: counterfactual_flips(by_sex, people(), "sex", values=["x"]), "categories"),
        (lambda: counterfactual_flips(by_sex, people(), "points", values=["many"]), "fit the type"),
        (lambda: counterfactual_flips(by_sex, people(), "sex", values=[]), "at least one"),
        (lambda: counterfactual_flips(len, np.zeros((3, 2)), 2), "place of a column"),
        (lambda: counterfactual_flips(lambda A: A[:, 0], np.zeros((3, 2), dtype=int), 0, values=[0.5]), "fit the type"),
        (lambda: counterfactual_flips(lambda A: A, np.zeros((3, 2)), 0), "one-dimensional"),
        (lambda: counterfactual_flips(lambda A: A[:2, 0], np.zeros((3, 2)), 0), "same length"),
        (lambda: counterfactual_flips(by_sex, people(), "sex").flip_rate_to("x"), "must be one of"),
    ],
)
def test_what_does_not_fit_is_an_error(call, text):
    """Scores for decisions, wrong shapes, absent columns and values of another type say what is wrong."""
    with pytest.raises(InputError, match=text):
        call()


def test_predict_must_be_a_function():
    """Predictions in the place of the function are told."""
    with pytest.raises(InputTypeError, match="predict"):
        counterfactual_flips([0, 1], people(), "sex")
