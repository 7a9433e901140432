"""evaluate() gives the figures of each group's own samples, for every task; reports are scikit-learn's by group."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk

from mxfair import Groups, Rate, metric
from mxfair._validation import InputError, InputTypeError
from mxfair.metric._inputs import DEFAULTS, SCORES
from mxfair.rate import RATES
from mxfair.residuals._moments import STATISTICS

NAN = math.nan


def binary(seed=0, n=120):
    """Return labels, decisions, scores, groups (some missing) and weights."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    scores = np.round(np.clip(0.3 * labels + 0.7 * rng.random(n), 0, 1), 2)
    groups = rng.choice(np.array(["a", "b", None], dtype=object), n)
    return labels, (scores > 0.5).astype(int), scores, groups, rng.random(n) + 0.1


def rows_of(groups):
    """Return each group's rows by name, and those of all samples as None."""
    names = np.array(["unknown" if group is None else group for group in groups])
    return {**{name: names == name for name in np.unique(names)}, None: np.ones(len(names), dtype=bool)}


def value_of(table, name, group):
    """Return a figure of a group, or over all samples for None."""
    return table.overall[name] if group is None else table.by_group.loc[group, name]


# Figures by name


@pytest.mark.parametrize("name", RATES)
def test_rates_are_those_of_their_functions(name):
    """A name in a table is the function of this name."""
    labels, preds, _, groups, weight = binary()
    table = metric.evaluate(labels, preds, groups, metrics=name, sample_weight=weight)
    single = getattr(metric, name)(labels, preds, groups, sample_weight=weight)
    np.testing.assert_array_equal(table[name].values, single.values)
    assert table[name].undefined == single.undefined


SKLEARN_SCORES = {
    "roc_auc": sk.roc_auc_score,
    "brier_score": lambda y, s, sample_weight=None: sk.brier_score_loss(y, s, sample_weight=sample_weight),
    "log_loss": lambda y, s, sample_weight=None: sk.log_loss(y, s, sample_weight=sample_weight),
    "balance_positive_class": lambda y, s, sample_weight: np.average(s[y == 1], weights=sample_weight[y == 1]),
    "balance_negative_class": lambda y, s, sample_weight: np.average(s[y == 0], weights=sample_weight[y == 0]),
}


@pytest.mark.parametrize("name", SKLEARN_SCORES)
def test_figures_of_scores_equal_scikit_learns(name):
    """Scores of the positive class, weighted, group by group."""
    labels, preds, scores, groups, weight = binary(1)
    scores = np.clip(scores, 0.01, 0.99)
    table = metric.evaluate(labels, preds, groups, metrics=name, scores=scores, sample_weight=weight)
    for group, rows in rows_of(groups).items():
        expected = SKLEARN_SCORES[name](labels[rows], scores[rows], sample_weight=weight[rows])
        assert value_of(table, name, group) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", SCORES)
def test_every_figure_of_scores_has_a_name(name):
    """All of them can be asked for together with rates."""
    labels, preds, scores, groups, _ = binary(2)
    table = metric.evaluate(labels, preds, groups, metrics=["accuracy", name], scores=scores)
    assert 0 <= table.overall[name] < 2
    assert table.by_group.index.name == "group"


@pytest.mark.parametrize("name", ["roc_auc", "brier_score"])
@pytest.mark.parametrize("labels", [[0, 1], ["no", "yes"]])
def test_scores_of_both_classes_are_those_of_the_positive_one(name, labels):
    """Two columns give what the second one alone gives, whatever the first one holds."""
    codes, preds, scores, groups, _ = binary(3)
    named = np.array(labels)
    two = np.column_stack([np.random.default_rng(3).random(len(codes)), scores])
    one, both = (metric.evaluate(named[codes], named[preds], groups, metrics=name, scores=s) for s in (scores, two))
    np.testing.assert_array_equal(one[name].values, both[name].values)


def test_scores_of_several_classes_give_their_mean_auc():
    """ROC AUC of several classes is the mean of each against the rest."""
    rng = np.random.default_rng(4)
    labels, groups, scores = rng.integers(0, 3, 200), rng.integers(0, 2, 200), rng.dirichlet([1, 1, 1], 200)
    table = metric.evaluate(labels, labels, groups, metrics="roc_auc", scores=scores)
    for place, value in enumerate(table["roc_auc"].values):
        rows = groups == place
        expected = sk.roc_auc_score(labels[rows], scores[rows], multi_class="ovr", average="macro")
        assert value == pytest.approx(expected, abs=1e-12)


def test_scores_of_several_classes_follow_the_positive_one():
    """With a positive class, its column is scored against the rest."""
    rng = np.random.default_rng(5)
    labels, groups, scores = rng.choice(list("xyz"), 200), rng.integers(0, 2, 200), rng.dirichlet([1, 1, 1], 200)
    table = metric.evaluate(labels, labels, groups, metrics=["roc_auc", "brier_score"], scores=scores, positive="y")
    assert table.overall["roc_auc"] == pytest.approx(sk.roc_auc_score(labels == "y", scores[:, 1]))
    assert table.overall["brier_score"] == pytest.approx(np.mean((scores[:, 1] - (labels == "y")) ** 2))


SKLEARN_NUMBERS = {
    "mean_absolute_error": sk.mean_absolute_error,
    "mean_squared_error": sk.mean_squared_error,
    "root_mean_squared_error": lambda y, p, sample_weight: sk.mean_squared_error(y, p, sample_weight=sample_weight)
    ** 0.5,
    "r2_score": sk.r2_score,
    "mean_error": lambda y, p, sample_weight: np.average(p - y, weights=sample_weight),
    "mean_label": lambda y, p, sample_weight: np.average(y, weights=sample_weight),
    "mean_prediction": lambda y, p, sample_weight: np.average(p, weights=sample_weight),
}


@pytest.mark.parametrize("name", SKLEARN_NUMBERS)
def test_figures_of_numbers_equal_scikit_learns(name):
    """Regression figures, weighted, group by group."""
    rng = np.random.default_rng(6)
    labels = rng.normal(50, 10, 150)
    preds, groups, weight = labels + rng.normal(0, 5, 150), rng.choice(["a", "b", "c"], 150), rng.random(150)
    table = metric.evaluate(labels, preds, groups, metrics=name, sample_weight=weight)
    for group, rows in rows_of(groups).items():
        expected = SKLEARN_NUMBERS[name](labels[rows], preds[rows], sample_weight=weight[rows])
        assert value_of(table, name, group) == pytest.approx(expected, rel=1e-11, abs=1e-11)


def test_every_figure_of_numbers_has_a_name():
    """All of them can be asked for at once."""
    labels, preds = np.random.default_rng(0).normal(size=(2, 60))
    table = metric.evaluate(labels, preds, np.arange(60) % 2, metrics=list(STATISTICS))
    assert np.isfinite(table.by_group.to_numpy()).all()


def test_figures_of_numbers_can_be_asked_for_whatever_the_labels():
    """Whole numbers as targets need no task where only figures of numbers are named."""
    labels, preds, groups = [1, 5, 9, 2], [1.5, 5.5, 8.0, 2.0], list("aabb")
    table = metric.evaluate(labels, preds, groups, metrics=["mean_absolute_error", "mean_error"])
    assert table.by_group.to_numpy().tolist() == [[0.5, 0.5], [0.5, -0.5]]


def test_a_metric_that_does_not_fit_numbers_can_stand_beside_rates():
    """Decisions 0 and 1 are numbers too."""
    table = metric.evaluate([1, 0, 1], [1, 1, 1], list("aba"), metrics=["accuracy", "mean_absolute_error"])
    assert table.overall.to_list() == pytest.approx([2 / 3, 1 / 3])


# Tasks and defaults


def test_the_defaults_for_decisions():
    """Without names a table holds the usual rates, and the AUC where there are scores."""
    labels, preds, scores, groups, _ = binary()
    assert tuple(metric.evaluate(labels, preds, groups)) == DEFAULTS["classification"]
    assert tuple(metric.evaluate(labels, preds, groups, scores=scores)) == (*DEFAULTS["classification"], "roc_auc")


def test_the_defaults_for_numbers():
    """Labels of many decimal numbers are a regression's; a few, or whole ones, need to be said to be."""
    many = np.random.default_rng(0).random(40)
    groups = np.arange(40) % 2
    assert tuple(metric.evaluate(many, many, groups)) == DEFAULTS["regression"]
    assert tuple(metric.evaluate(np.arange(40), many, groups, task="regression")) == DEFAULTS["regression"]


@pytest.mark.parametrize("labels", [np.arange(40), np.arange(40) % 3 / 2])
def test_continuous_predictions_of_classes_are_refused(labels):
    """The message tells both ways out: decisions, or regression."""
    preds = np.random.default_rng(0).random(40)
    with pytest.raises(InputError, match=r"must be decisions.*threshold first.*task='regression'"):
        metric.evaluate(labels, preds, np.arange(40) % 2)


def test_given_classes_may_be_fractions():
    """A predicted class that no label has is a decision where the classes say so."""
    table = metric.evaluate([0, 1.0, 1.0], [0.5, 1.0, 0], list("aab"), metrics="accuracy", classes=[0, 0.5, 1.0])
    assert table["accuracy"].values.tolist() == [0.5, 0.0]


def test_several_classes_have_a_column_each():
    """Without a positive class each rate appears once per class, and accuracy once."""
    labels, preds, groups = list("xyzxyz"), list("xyyxzz"), list("aaabbb")
    table = metric.evaluate(labels, preds, groups, metrics=["accuracy", "true_positive_rate"])
    rates = [f"true_positive_rate[{label}]" for label in "xyz"]
    assert list(table) == ["accuracy", *rates]
    assert table.by_group.loc["a", rates].tolist() == [1, 1, 0]
    stated = metric.evaluate(labels, preds, groups, metrics="true_positive_rate", positive="z")
    assert stated["true_positive_rate"].values.tolist() == [0, 1]


def test_soft_predictions_give_soft_rates():
    """Probabilities are summed and not cut."""
    soft = np.array([[0.25, 0.75], [0.5, 0.5], [0.9, 0.1], [0.2, 0.8]])
    table = metric.evaluate([1, 0, 1, 0], soft, list("aabb"), metrics=["selection_rate", "true_positive_rate"])
    np.testing.assert_allclose(table.by_group.to_numpy(), [[0.625, 0.75], [0.45, 0.1]])


@pytest.mark.parametrize("classes", [None, ["no", "yes"]])
def test_one_class_only(classes):
    """Accuracy is defined where one class occurs; rates of a positive class need the classes."""
    labels, groups = ["yes"] * 4, list("aabb")
    assert metric.evaluate(labels, labels, groups, metrics="accuracy", classes=classes).overall["accuracy"] == 1
    if classes is None:
        with pytest.raises(InputError, match="Pass classes="):
            metric.evaluate(labels, labels, groups)
    else:
        assert metric.evaluate(labels, labels, groups, classes=classes).overall["selection_rate"] == 1


def test_scores_of_one_class_only():
    """With the classes given, a figure of scores is undefined or defined as its label allows, and no error."""
    labels, groups, scores = ["yes"] * 4, list("aabb"), [0.5, 0.5, 1.0, 1.0]
    table = metric.evaluate(
        labels, labels, groups, metrics=["roc_auc", "brier_score"], scores=scores, classes=["no", "yes"]
    )
    assert table["roc_auc"].undefined == {"a": "no negative samples", "b": "no negative samples"}
    assert table["brier_score"].values.tolist() == [0.25, 0.0]


# Functions and mappings


def test_functions_see_each_groups_samples():
    """scikit-learn's functions are called with each group's labels, predictions and weights, in their order."""
    labels, preds, _, groups, weight = binary(7)
    functions = [sk.accuracy_score, sk.cohen_kappa_score]
    table = metric.evaluate(labels, preds, groups, metrics=functions, sample_weight=weight)
    for function in functions:
        for group, rows in rows_of(groups).items():
            expected = function(labels[rows], preds[rows], sample_weight=weight[rows])
            assert value_of(table, function.__name__, group) == expected


def test_functions_get_one_dimensional_typed_samples():
    """A column of shape (n, 1) or of Python objects reaches a function as a plain vector."""
    seen = []

    def spy(labels, preds):
        seen.append((labels.shape, preds.shape, labels.dtype.kind, preds.dtype.kind))
        return 0

    column = np.array([1, 0, 1], dtype=object).reshape(-1, 1)
    metric.evaluate(column, column, list("aaa"), metrics=spy)
    assert set(seen) == {((3,), (3,), "i", "i")}


def test_functions_may_compare_anything_with_numbers():
    """A function of continuous predictions needs no task, since nothing is counted."""
    labels, preds = [1, 0, 1, 0], np.array([0.75, 0.25, 0.5, 0.5])
    table = metric.evaluate(labels, preds, list("aabb"), metrics=sk.mean_absolute_error)
    assert table["mean_absolute_error"].values.tolist() == [0.25, 0.5]


def test_functions_are_not_called_for_empty_groups():
    """A group without samples is undefined, and not an error inside the function."""
    groups = Groups(["a", "b", "c"]).take([0, 1])
    table = metric.evaluate([1, 0], [1, 1], groups, metrics=sk.accuracy_score)
    assert table["accuracy_score"].undefined == {"c": "no samples"}


def test_a_mapping_names_the_columns():
    """Names, rates and functions may be renamed, and mixed."""
    own = Rate("own", lambda y, p, c: y == p, given=lambda y, p, c: True)
    metrics = {"hits": "accuracy", "own": own, "theirs": sk.accuracy_score}
    table = metric.evaluate([1, 0, 1], [1, 1, 1], list("aba"), metrics=metrics)
    assert list(table) == ["hits", "own", "theirs"]
    assert [figure.name for figure in table.values()] == ["hits", "own", "theirs"]
    assert len(set(table.overall)) == 1


# Inputs


@pytest.mark.parametrize(
    "wrap",
    [list, lambda v: pd.Series(v, index=np.arange(len(v))[::-1] * 3), lambda v: pd.DataFrame({"v": v}, index=[5] * 6)],
)
def test_an_index_means_nothing(wrap):
    """Samples are matched by their order, whatever index a column has."""
    labels, preds, groups, scores = (
        [1, 0, 1, 1, 0, 0],
        [1, 1, 0, 1, 0, 0],
        list("aaabbb"),
        [0.9, 0.2, 0.4, 0.6, 0.8, 0.1],
    )
    plain = metric.evaluate(labels, preds, groups, scores=scores, sample_weight=[1, 2, 3, 4, 5, 6])
    wrapped = metric.evaluate(
        wrap(labels), wrap(preds), wrap(groups), scores=wrap(scores), sample_weight=wrap([1, 2, 3, 4, 5, 6])
    )
    np.testing.assert_array_equal(plain.by_group.to_numpy(), wrapped.by_group.to_numpy())


def test_gluon_ndarrays_are_read():
    """Labels, predictions, groups, scores and weights may be NDArrays."""
    mx = pytest.importorskip("mxnet")
    labels, preds, groups, scores = [1, 0, 1, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0.75, 0.25, 0.5, 0.125]
    plain = metric.evaluate(labels, preds, groups, scores=scores)
    arrays = (mx.nd.array(values) for values in (labels, preds, groups))
    read = metric.evaluate(*arrays, scores=mx.nd.array(scores), sample_weight=mx.nd.ones(4))
    pd.testing.assert_frame_equal(plain.by_group, read.by_group)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"metrics": "acuracy"}, InputError, "Did you mean 'accuracy'"),
        ({"metrics": []}, InputError, "at least one figure"),
        ({"metrics": ["accuracy", "accuracy"]}, InputError, "different names; got 'accuracy' twice"),
        ({"metrics": [3]}, InputTypeError, "names, rates or functions; got 3"),
        ({"metrics": "roc_auc"}, InputError, "'scores' must be given for roc_auc"),
        ({"metrics": "roc_auc", "scores": [[0.1] * 3] * 4}, InputError, r"one column per class \(2\); got 3"),
        ({"metrics": "roc_auc", "scores": [0.1] * 4, "positive": 7}, InputError, r"one of the classes \[0, 1\]; got 7"),
        ({"metrics": "brier_score", "scores": [2.0] * 4}, InputError, "between 0 and 1; got 2"),
        ({"scores": [0.1] * 3}, InputError, "same length"),
        ({"sample_weight": [1] * 3}, InputError, "same length"),
        ({"sample_weight": [NAN] * 4}, InputError, "finite and not negative"),
        ({"task": "ranking"}, InputError, "classification, regression; got 'ranking'"),
        (
            {"task": "regression", "metrics": "accuracy"},
            InputError,
            "must be one of mean_absolute_error.*got 'accuracy'",
        ),
        ({"metrics": lambda y, p: y}, InputTypeError, "one number for each group; got ndarray"),
        ({"metrics": lambda y, p: 1, "sample_weight": [1] * 4}, InputError, "must take 'sample_weight'"),
        ({"positive": 2}, InputError, r"one of the classes \[0, 1\]; got 2"),
        ({"classes": [0, 2]}, InputError, "among the classes 0, 2; got 1"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(options, error, message):
    """Errors name the argument, its value and the way out."""
    with pytest.raises(error, match=message):
        metric.evaluate([1, 0, 1, 0], [1, 1, 0, 0], list("aabb"), **options)


@pytest.mark.parametrize("name", ["brier_score", "log_loss"])
def test_scores_of_several_classes_need_a_positive_one(name):
    """Only AUC has a mean over classes here."""
    with pytest.raises(InputError, match=f"'positive' must name a class for {name} of 3 classes"):
        metric.evaluate(list("xyz"), list("xyz"), list("aab"), metrics=name, scores=np.eye(3))


@pytest.mark.parametrize("missing", ["labels", "preds"])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_missing_values_are_refused(missing, task):
    """NaN among labels or predictions is an error in every task."""
    columns = {"labels": [1.0, 0.0, 1.0], "preds": [1.0, 0.0, 1.0]}
    columns[missing][1] = NAN
    with pytest.raises(InputError, match=f"'{missing}' must"):
        metric.evaluate(columns["labels"], columns["preds"], list("aba"), task=task)


# Within the levels of a control attribute


def test_every_figure_can_be_conditioned():
    """Rates, scores, numbers and functions of a level are those of its samples."""
    labels, preds, scores, groups, weight = binary(8, 300)
    control = np.random.default_rng(80).choice(["x", "y"], 300)
    metrics = ["accuracy", "roc_auc", "mean_error", sk.accuracy_score]
    table = metric.evaluate_by(labels, preds, groups, control, metrics=metrics, scores=scores, sample_weight=weight)
    for level in ("x", "y"):
        rows = control == level
        alone = metric.evaluate(
            *(values[rows] for values in (labels, preds, groups)),
            metrics=metrics,
            scores=scores[rows],
            sample_weight=weight[rows],
        )
        pd.testing.assert_frame_equal(table.strata[level].by_group, alone.by_group, rtol=1e-12)


@pytest.mark.parametrize("positive", [None, "no"])
def test_a_level_may_lack_a_class(positive):
    """Classes and the positive one are those of all samples, so that a level of one label is no error."""
    labels, groups, control = ["yes", "yes", "no", "no"] * 2, list("abababab"), ["x", "x", "y", "y"] * 2
    table = metric.evaluate_by(
        labels,
        labels,
        groups,
        control,
        metrics=["selection_rate", "roc_auc", "brier_score"],
        scores=[0.5] * 8,
        positive=positive,
    )
    selected = [0.0, 1.0] if positive == "no" else [1.0, 0.0]
    assert table.overall["selection_rate"].tolist() == selected
    assert table.overall["brier_score"].tolist() == [0.25, 0.25]
    assert table.overall["roc_auc"].isna().all()


def test_a_level_may_lack_the_positive_of_several_classes():
    """The class that scores speak for may be absent from a level that holds two others."""
    labels = list("xyxyzzxz")
    table = metric.evaluate_by(
        labels, labels, list("abababab"), ["u"] * 4 + ["v"] * 4, metrics="brier_score", scores=[0.5] * 8, positive="z"
    )
    assert table.overall["brier_score"].tolist() == [0.25, 0.25]


def test_intervals_of_a_level_may_draw_one_class_only():
    """Resamples of a small level lack classes, and are no error."""
    labels = ["yes", "no", "yes", "no"] * 3
    table = metric.evaluate_by(
        labels, labels, list("ababab") * 2, list("xxxy") * 3, metrics="expected_calibration_error", scores=[0.5] * 12
    )
    intervals = table.strata["y"].confidence_intervals(n_resamples=30, seed=0, criteria=[])
    assert len(intervals) > 0


def test_continuous_targets_can_be_conditioned():
    """A regression, or a function of numbers, is evaluated within levels."""
    rng = np.random.default_rng(9)
    labels, preds = rng.integers(0, 9, 80), rng.random(80)
    table = metric.evaluate_by(
        labels, preds, rng.choice(["a", "b"], 80), rng.choice(["x", "y"], 80), metrics=["mean_error", sk.max_error]
    )
    assert np.isfinite(table.difference().to_numpy()).all()


@pytest.mark.parametrize("size", [3, 5])
def test_one_control_value_per_sample(size):
    """A control attribute of another length is refused and never cut."""
    with pytest.raises(InputError, match=f"'groups' and 'control' must have the same length; got 4 and {size}"):
        metric.evaluate_by([1, 0, 1, 0], [1, 1, 0, 0], list("aabb"), ["x"] * size)


def test_levels_without_samples_are_no_rows():
    """Only levels that occur have a table."""
    control = Groups(["x", "y", "z"]).take([0, 1, 0, 1])
    table = metric.evaluate_by([1, 0, 1, 0], [1, 1, 0, 0], list("aabb"), control, metrics="accuracy")
    assert list(table.strata) == ["x", "y"]


# Reports


def report_case(seed):
    """Return labels and decisions of three classes, all of which every group has and is given, and groups."""
    rng = np.random.default_rng(seed)
    cells = np.array([(y, p, g) for y in "xyz" for p in "xyz" for g in "ab"])
    rows = np.concatenate([np.arange(len(cells)), rng.integers(0, len(cells), 100)])
    return (*cells[rows].T, rng.random(len(rows)))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("weighted", [False, True])
def test_reports_equal_scikit_learns(seed, weighted):
    """Precision, recall, F1, support, accuracy and averages of each group and of all are scikit-learn's."""
    labels, preds, groups, weight = report_case(seed)
    weight = weight if weighted else None
    report = metric.classification_report(labels, preds, groups, sample_weight=weight)
    for group, rows in rows_of(groups).items():
        expected = sk.classification_report(
            labels[rows], preds[rows], sample_weight=None if weight is None else weight[rows], output_dict=True
        )
        ours = report.loc["overall" if group is None else group]
        assert ours.loc["accuracy", "f1_score"] == pytest.approx(expected.pop("accuracy"), abs=1e-12)
        for row, figures in expected.items():
            values = [figures[name] for name in ("precision", "recall", "f1-score", "support")]
            np.testing.assert_allclose(ours.loc[row].to_numpy(dtype=float), values, rtol=1e-12)


def test_reports_show_what_is_undefined():
    """Where scikit-learn puts 0 for a class that a group lacks, ours is NaN; its support is 0."""
    report = metric.classification_report([1, 0, 0], [1, 0, 0], list("aab"))
    row = report.loc[("b", 1)]
    assert row[["precision", "recall", "f1_score"]].isna().all()
    assert row["support"] == 0
    assert np.isnan(report.loc[("b", "macro avg"), "recall"])
    assert report.loc[("b", "weighted avg"), "recall"] == 1


def test_reports_show_the_unknown_group():
    """Groups are in their order after "overall", under the attribute's name."""
    report = metric.classification_report([1, 0, 1], [1, 0, 0], pd.Series(["b", None, "a"], name="sex"))
    assert report.index.names == ["sex", "class"]
    assert list(dict.fromkeys(report.index.get_level_values("sex"))) == ["overall", "a", "b", "unknown"]


@pytest.mark.parametrize("normalize", [None, "true", "pred", "all"])
@pytest.mark.parametrize("seed", range(3))
def test_matrices_equal_scikit_learns(normalize, seed):
    """Counts and shares of each group and of all are scikit-learn's, weights included."""
    labels, preds, groups, weight = report_case(seed)
    matrix = metric.confusion_matrix(labels, preds, groups, sample_weight=weight, normalize=normalize)
    for group, rows in rows_of(groups).items():
        expected = sk.confusion_matrix(labels[rows], preds[rows], sample_weight=weight[rows], normalize=normalize)
        np.testing.assert_allclose(matrix.loc["overall" if group is None else group].to_numpy(), expected, rtol=1e-12)


def test_matrices_name_labels_and_predictions():
    """Rows are labels, columns predictions, both in the classes' own values."""
    matrix = metric.confusion_matrix([1, 0, 1], [1, 0, 0], Groups(list("aab"), name="sex"))
    assert matrix.index.names == ["sex", "label"]
    assert matrix.columns.name == "pred"
    assert matrix.loc[("b", 1), 0] == 1
    assert matrix.loc[("a", 1), 1] == 1


def test_shares_of_nothing_are_undefined():
    """A label that a group lacks has no shares, where scikit-learn puts 0."""
    matrix = metric.confusion_matrix([1, 0, 0], [1, 0, 0], list("aab"), normalize="true")
    assert matrix.loc[("b", 1)].isna().all()
    assert matrix.loc[("b", 0)].tolist() == [1, 0]


@pytest.mark.parametrize("function", [metric.classification_report, metric.confusion_matrix])
def test_reports_refuse_scores(function):
    """A report is of decisions."""
    with pytest.raises(InputError, match="must be decisions"):
        function([1, 0], [0.7, 0.2], ["a", "b"])


def test_a_misspelt_normalization_is_refused():
    """The nearest word is given."""
    with pytest.raises(InputError, match="Did you mean 'true'"):
        metric.confusion_matrix([1, 0], [1, 0], ["a", "b"], normalize="tru")
