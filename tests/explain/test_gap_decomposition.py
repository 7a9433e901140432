"""Gaps as sums over columns: against linear models, formulas by hand, and resampling."""

from __future__ import annotations

import json
import math
import warnings

import numpy as np
import pandas as pd
import pytest

from mxfair import metric
from mxfair._validation import InputError
from mxfair.explain import Attribution, gap_decomposition

WEIGHTS = np.array([1.0, -2.0, 0.5])


def data(n=300, seed=0):
    """Return features, groups, and labels that hang on both."""
    rng = np.random.default_rng(seed)
    groups = np.array(["a", "b", "c"])[rng.integers(0, 3, n)]
    X = rng.normal(size=(n, 3)) + 0.6 * (groups == "a")[:, None] * [1, 0, -1]
    labels = (X[:, 0] + rng.normal(size=n) > 0).astype(int)
    return X.astype("float32"), groups, labels


def linear(X, weights=WEIGHTS, bias=0.3):
    """Return the exact contributions of a linear model against the mean."""
    return Attribution(
        (X - X.mean(axis=0)) * weights, X.mean(axis=0) @ weights + bias, X @ weights + bias, X, "by hand"
    )


def mlp(width=3, seed=0):
    """Return an initialized net with two hidden layers."""
    mx = pytest.importorskip("mxnet")
    import mxfair

    mx.random.seed(seed)
    net = mxfair.net.mlp(width, hidden=(16, 8))
    net.initialize(mx.init.Xavier(magnitude=6))
    net(mx.nd.zeros((1, width)))
    return net


def test_a_linear_nets_gap_is_the_difference_of_means_times_the_weight():
    """For a linear net each column contributes w_j (mean_a - mean_b), whatever the background."""
    mx = pytest.importorskip("mxnet")
    X, groups, _ = data()
    net = mx.gluon.nn.Dense(1, in_units=3)
    net.initialize()
    net.weight.set_data(mx.nd.array(WEIGHTS[None]))
    part = gap_decomposition(net, X, groups, X[:20], pair=("a", "b")).part
    expected = WEIGHTS * (X[groups == "a"].mean(axis=0) - X[groups == "b"].mean(axis=0))
    assert part.values[:3] == pytest.approx(expected, abs=1e-5)
    assert part.remainder == pytest.approx(0, abs=1e-5)


def test_parts_and_remainder_are_the_gap():
    """Contributions and remainder of a net sum to the difference of the mean outputs, to rounding."""
    X, groups, _ = data()
    net = mlp()
    part = gap_decomposition(net, X, groups, X[:50], pair=("a", "b")).part
    mx = pytest.importorskip("mxnet")
    outputs = net(mx.nd.array(X)).asnumpy().ravel().astype(float)
    assert part.gap == pytest.approx(outputs[groups == "a"].mean() - outputs[groups == "b"].mean(), abs=1e-5)
    assert part.values.sum() == pytest.approx(part.gap, abs=1e-9)
    assert 0 < abs(part.remainder) < 0.01 * part.spread


def test_standard_errors_are_those_of_two_means():
    """Each column's error is sqrt(var_a / n_a + var_b / n_b)."""
    X, groups, _ = data()
    known = linear(X)
    part = gap_decomposition(None, X, groups, attribution=known, pair=("a", "b")).part
    for j in range(3):
        parts = [known.values[groups == g, j] for g in ("a", "b")]
        expected = math.sqrt(sum(v.var(ddof=1) / len(v) for v in parts))
        assert part.standard_errors[j] == pytest.approx(expected)


def test_the_sums_error_minds_that_contributions_hang_together():
    """The error of the sum is that of the rows' sums, not the root of the columns' squares."""
    X, groups, _ = data()
    X[:, 1] = X[:, 0] + 0.1 * X[:, 1]  # their contributions cancel
    known = linear(X)
    part = gap_decomposition(None, X, groups, attribution=known, pair=("a", "b")).part
    sums = [known.values[groups == g].sum(axis=1) for g in ("a", "b")]
    expected = math.sqrt(sum(v.var(ddof=1) / len(v) for v in sums))
    assert part.total_error == pytest.approx(expected)
    assert part.gap_error == pytest.approx(expected)
    assert part.total_error < 0.8 * math.sqrt((part.standard_errors**2).sum())


def test_intervals_cover_the_populations_contributions():
    """Over samples from a population, 95 % intervals of columns and of the gap hold the truth 95 times in 100."""
    rng = np.random.default_rng(1)
    shift, held, turns = np.array([0.5, 0.0, -0.3]), [], 500
    truth = np.r_[WEIGHTS * shift, WEIGHTS @ shift]
    groups = np.repeat(["a", "b"], [25, 60])
    for _ in range(turns):
        X = rng.exponential(size=(85, 3)) + (groups == "a")[:, None] * shift
        gap = gap_decomposition(None, X, groups, attribution=linear(X), pair=("a", "b"), min_support=2)
        frame = gap.part.to_frame().loc[["x0", "x1", "x2", "(gap)"]]
        held.append((frame["low"].to_numpy() <= truth) & (truth <= frame["high"].to_numpy()))
    assert np.mean(held, axis=0) == pytest.approx(np.full(4, 0.95), abs=4 * math.sqrt(0.95 * 0.05 / turns))


@pytest.mark.parametrize("condition", [0, 1])
def test_a_condition_compares_the_samples_of_one_label(condition):
    """A gap given the label is the gap among the samples that have it."""
    X, groups, labels = data()
    known, rows = linear(X), labels == condition
    part = gap_decomposition(
        None, X, groups, attribution=known, labels=labels, condition=condition, pair=("b", "c")
    ).part
    expected = known.values[rows & (groups == "b")].mean(axis=0) - known.values[rows & (groups == "c")].mean(axis=0)
    assert part.values[:3] == pytest.approx(expected)
    assert part.condition == f"label {condition}"


@pytest.mark.parametrize(
    ("criterion", "conditions"),
    [
        ("demographic_parity", ["all"]),
        ("equal_opportunity", ["label 1"]),
        ("predictive_equality", ["label 0"]),
        ("equalized_odds", ["label 1", "label 0"]),
    ],
)
def test_a_criterion_names_its_conditions(criterion, conditions):
    """The criteria are the gaps among all samples, and among those of each label."""
    X, groups, labels = data()
    gap = gap_decomposition(None, X, groups, attribution=linear(X), labels=labels, criterion=criterion)
    assert [part.condition for part in gap.parts] == conditions


def test_the_labels_that_are_not_positive_are_one_condition():
    """Of several classes, those other than the explained one are compared together."""
    X, groups, _ = data()
    labels = np.arange(len(X)) % 3
    gap = gap_decomposition(
        None, X, groups, attribution=linear(X), labels=labels, criterion="predictive_equality", output=2
    )
    assert gap.part.condition == "label not 2"
    assert sum(gap.part.counts) == (labels != 2)[np.isin(groups, [gap.part.group, gap.part.against])].sum()


def test_the_largest_gap_is_chosen():
    """By default the groups of the largest and of the smallest mean are compared."""
    X, groups, _ = data()
    known = linear(X)
    means = pd.Series(known.outputs).groupby(groups).mean()
    part = gap_decomposition(None, X, groups, attribution=known).part
    assert (part.group, part.against) == (means.idxmax(), means.idxmin())


def test_each_group_is_compared_with_the_rest():
    """pair="rest" gives a part per group, against all others that are known."""
    X, groups, _ = data()
    groups = groups.astype(object)
    groups[:10] = None
    known = linear(X)
    gap = gap_decomposition(None, X, groups, attribution=known, pair="rest")
    assert [(part.group, part.against) for part in gap.parts] == [("a", "rest"), ("b", "rest"), ("c", "rest")]
    rest = known.outputs[np.isin(groups.astype(str), ["a", "c"])].mean()
    assert gap.parts[1].gap == pytest.approx(known.outputs[groups == "b"].mean() - rest)


def test_unknown_groups_are_left_out_and_counted():
    """Samples of unknown group change no figure; their number is told."""
    X, groups, _ = data()
    some = groups.astype(object)
    some[:40] = None
    known = linear(X)
    gap = gap_decomposition(None, X, some, attribution=known, pair=("a", "b"))
    expected = known.outputs[40:][groups[40:] == "a"].mean() - known.outputs[40:][groups[40:] == "b"].mean()
    assert gap.part.gap == pytest.approx(expected)
    assert gap.unknown == 40
    assert "40 of unknown group left out" in repr(gap)


def test_few_samples_are_not_chosen():
    """The largest gap is looked for among groups that have samples enough."""
    X, groups, _ = data()
    groups, X[:5] = np.where(np.arange(300) < 5, "tiny", groups), 100
    part = gap_decomposition(None, X, groups, attribution=linear(X)).part
    assert "tiny" not in (part.group, part.against)


def test_few_samples_are_warned_of_where_they_are_asked_for():
    """A named group of one sample has a difference, no error, and a warning."""
    X, groups, _ = data()
    groups = np.where(np.arange(300) == 0, "one", groups)
    with pytest.warns(UserWarning, match="'one' has 1 samples"):
        part = gap_decomposition(None, X, groups, attribution=linear(X), pair=("one", "b")).part
    assert np.isfinite(part.gap)
    assert np.isnan(part.standard_errors).all()
    assert part.to_frame()["low"].isna().all()


def test_a_named_group_without_samples_has_no_gap():
    """Where a condition leaves a group without samples, everything is NaN and the reader is warned."""
    X, groups, labels = data()
    labels[groups == "a"] = 0
    with pytest.warns(UserWarning, match="'a' has 0 samples"):
        part = gap_decomposition(
            None, X, groups, attribution=linear(X), labels=labels, condition=1, pair=("a", "b")
        ).part
    assert math.isnan(part.gap)
    assert np.isnan(part.values).all()


def test_raw_columns_are_sums_of_their_features():
    """Features of one column are one row, with the error of their sum."""
    X, groups, _ = data()
    known = linear(X)
    part = gap_decomposition(None, X, groups, attribution=known, columns={"both": ["x0", "x2"]}, pair=("a", "b")).part
    both = known.values[:, [0, 2]].sum(axis=1)
    sides = both[groups == "a"], both[groups == "b"]
    assert part.columns == ("both", "x1")
    assert part.values[0] == pytest.approx(sides[0].mean() - sides[1].mean())
    assert part.standard_errors[0] == pytest.approx(math.sqrt(sum(v.var(ddof=1) / len(v) for v in sides)))


def test_selection_rates_stand_beside_the_gap():
    """The gap of decisions is that of the metric module."""
    X, groups, labels = data()
    preds = (linear(X).outputs > 0).astype(int)
    part = gap_decomposition(None, X, groups, attribution=linear(X), preds=preds).part
    rates = metric.evaluate(labels, preds, groups, metrics=["selection_rate"]).by_group["selection_rate"]
    assert part.rate_gap == pytest.approx(rates[part.group] - rates[part.against])


def test_decisions_are_the_estimators():
    """A classifier decides by itself; of a class named by output=, or of the second of two."""
    from sklearn.linear_model import LogisticRegression

    X, groups, labels = data()
    model = LogisticRegression().fit(X, np.where(labels, "yes", "no"))

    def method(model, X, background, **keywords):
        return linear(X)

    chosen = model.predict(X) == "yes"
    for output, of_class in ((None, chosen), ("no", ~chosen)):
        gap = gap_decomposition(model, X, groups, method=method, output=output, pair=("a", "b"), seed=0)
        assert gap.part.rate_gap == pytest.approx(of_class[groups == "a"].mean() - of_class[groups == "b"].mean())


def test_a_group_is_the_background():
    """Against all rows of a group, that group's own contributions sum to 0."""
    X, groups, _ = data()
    keep = np.flatnonzero((groups != "b") | (np.cumsum(groups == "b") <= 90))
    X, groups = X[keep], groups[keep]
    gap = gap_decomposition(mlp(), X, groups, "b", pair=("a", "b"), points=20)
    own = gap.contributions[groups == "b", :3].sum(axis=1)
    assert own.mean() == pytest.approx(0, abs=0.02 * gap.part.spread)


def test_a_missed_part_is_warned_of():
    """Contributions that do not add up to the gap are not passed off as all of it."""
    X, groups, _ = data()
    known = linear(X)
    short = Attribution(known.values * 0.5, known.base_values, known.outputs, X, "half")
    with pytest.warns(UserWarning, match="miss 50% of the gap"):
        gap_decomposition(None, X, groups, attribution=short, pair=("a", "b"))


def test_contributions_that_add_up_are_not_warned_of():
    """There is no warning where nothing is wrong."""
    X, groups, _ = data()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gap_decomposition(None, X, groups, attribution=linear(X))


def test_the_dictionary_is_json():
    """Numbers are kept, and NaN is null."""
    X, groups, labels = data()
    gap = gap_decomposition(None, X, groups, attribution=linear(X), labels=labels, criterion="equalized_odds")
    read = json.loads(json.dumps(gap.to_dict(), allow_nan=False))
    assert read["schema"] == "mxfair.gap_decomposition/1"
    assert read["parts"][0]["rate_gap"] is None
    assert read["parts"][1]["gap"] == gap.parts[1].gap
    assert [row["column"] for row in read["parts"][0]["rows"]][-2:] == ["(remainder)", "(gap)"]


def test_the_table_ends_with_the_gap():
    """Columns come by size; the others together, the remainder and the gap last, which is their sum."""
    X, groups, _ = data()
    part = gap_decomposition(None, X, groups, attribution=linear(X)).part
    frame = part.to_frame(1)
    assert list(frame.index) == [*part.top(1), "(2 other columns)", "(remainder)", "(gap)"]
    assert frame["contribution"].iloc[:-1].sum() == pytest.approx(frame["contribution"].iloc[-1])
    others = part.to_frame().loc[part.top(3)[1:], "contribution"].sum()
    assert frame.loc["(2 other columns)", "contribution"] == pytest.approx(others)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"criterion": "equal_opportunity"}, "'labels' must be given"),
        ({"criterion": "accuracy_parity"}, "'criterion' must be one of"),
        ({"pair": ("a", "z")}, "'pair' must be one of a, b, c; got 'z'"),
        ({"pair": ("a", "a")}, "'pair' must be 'rest' or two names"),
        ({"labels": np.zeros(300), "condition": 1}, "'condition' must be a label that occurs"),
        ({"labels": np.zeros(300), "condition": 0, "criterion": "equal_opportunity"}, "must not both be given"),
        ({"labels": np.arange(300) % 3, "criterion": "equal_opportunity"}, "'output' must say which class is positive"),
        ({"labels": np.zeros(7), "condition": 0}, "'X' and 'labels' must have the same length"),
        ({"level": 95}, "'level' must lie between 0 and 1"),
    ],
)
def test_what_cannot_be_asked_is_told(keywords, message):
    """Each mistake has its sentence."""
    X, groups, _ = data()
    with pytest.raises(InputError, match=message):
        gap_decomposition(None, X, groups, attribution=linear(X), **keywords)


def test_two_groups_are_needed():
    """One known group has no gap."""
    X, _, _ = data()
    with pytest.raises(InputError, match="Two known groups must have samples"):
        gap_decomposition(None, X, ["a"] * 300, attribution=linear(X))


def test_what_has_no_gradient_is_explained_by_permutations():
    """A classifier on a data frame: raw columns are put together, and the contributions add up without a remainder."""
    from sklearn.linear_model import LogisticRegression

    X, groups, labels = data(60)
    model = LogisticRegression().fit(X, labels)
    found = gap_decomposition(
        model, X, groups, X[:10], columns={"both": [0, 2]}, pair=("a", "b"), min_support=2, seed=0, n_permutations=3
    )
    assert found.columns == ("both", "x1")
    assert found.method.startswith("permutation")
    p = model.predict_proba(X)[:, 1]
    assert found.part.gap == pytest.approx(p[groups == "a"].mean() - p[groups == "b"].mean())
    assert found.part.remainder == pytest.approx(0, abs=1e-9)


def test_contributions_of_raw_columns_are_taken_as_they_are():
    """An attribution that is one of raw columns already is not grouped once more."""
    X, groups, _ = data()
    mapping = {"both": ["x0", "x2"], "other": ["x1"]}
    known = linear(X)
    raw = Attribution(known.values, known.base_values, known.outputs, X, "by hand", columns=mapping).grouped()
    one = gap_decomposition(None, X, groups, attribution=raw, columns=mapping, pair=("a", "b"))
    two = gap_decomposition(None, X, groups, attribution=known, columns=mapping, pair=("a", "b"))
    assert one.part.values == pytest.approx(two.part.values)
