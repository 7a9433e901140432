"""Permutation importance against loops written by hand, scikit-learn, and resamples counted row by row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import inspection, metrics
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import mxfair
from mxfair import metric
from mxfair._validation import InputError, InputTypeError
from mxfair.explain import importance as module
from mxfair.explain import permutation_importance
from mxfair.explain import plots as explain_plots
from mxfair.explain._permuting import permutations

N = 400
RNG = np.random.default_rng(5)
GROUPS = RNG.choice(["a", "b", "c"], N, p=[0.5, 0.3, 0.2])
X = RNG.normal(size=(N, 4))
X[:, 1] += GROUPS == "a"
SCORE = X @ [1.0, 1.0, 0.5, 0.0] - 0.5
LABELS = (SCORE + RNG.logistic(size=N) > 0).astype(int)
TARGET = SCORE + RNG.normal(size=N)
LOGISTIC = LogisticRegression().fit(X, LABELS)
LINEAR = LinearRegression().fit(X, TARGET)


def shuffles(n, n_repeats, seed):
    """Return the rows that scikit-learn takes a column's values from, repeat after repeat."""
    state = np.random.RandomState(seed)
    seed = state.randint(np.iinfo(np.int32).max + 1)
    state, places, out, now = np.random.RandomState(seed), np.arange(n), [], np.arange(n)
    for _ in range(n_repeats):
        state.shuffle(places)
        now = now[places]  # it shuffles what it has shuffled before
        out.append(now)
    return np.array(out)


def by_hand(function, features, taken, model=LOGISTIC):
    """Return the figure as it is minus the figure with features permuted, of each repeat."""
    out = []
    for rows in taken:
        permuted = X.copy()
        permuted[:, features] = X[rows][:, features]
        out.append(function(model.predict(X)) - function(model.predict(permuted)))
    return np.array(out)


def given_rows(monkeypatch, taken):
    """Let the permutations be these."""
    monkeypatch.setattr(module, "permutations", lambda *args: taken)


def test_scores_agree_with_scikit_learn_given_its_permutations(monkeypatch):
    """The importances of every repeat are those of sklearn.inspection.permutation_importance."""
    theirs = inspection.permutation_importance(LOGISTIC, X, LABELS, scoring="accuracy", n_repeats=4, random_state=3)
    given_rows(monkeypatch, shuffles(N, 4, 3))
    ours = permutation_importance(LOGISTIC, X, LABELS, n_repeats=4, n_bootstrap=0)
    np.testing.assert_allclose(ours.repeats["accuracy"][0], theirs.importances, atol=1e-12)
    np.testing.assert_allclose(ours.to_frame("accuracy", sort=False)["importance"], theirs.importances_mean, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "scoring", "model", "labels"),
    [
        ("log_loss", "neg_log_loss", LOGISTIC, LABELS),
        ("roc_auc", "roc_auc", LOGISTIC, LABELS),
        ("brier_score", "neg_brier_score", LOGISTIC, LABELS),
        ("balanced_accuracy", "balanced_accuracy", LOGISTIC, LABELS),
        ("mean_squared_error", "neg_mean_squared_error", LINEAR, TARGET),
        ("r2_score", "r2", LINEAR, TARGET),
        ("mean_absolute_error", "neg_mean_absolute_error", LINEAR, TARGET),
    ],
)
def test_losses_and_scores_agree_with_scikit_learn(monkeypatch, name, scoring, model, labels):
    """A loss counts by what it rises by, a score by what it falls by: scikit-learn's greater is better."""
    theirs = inspection.permutation_importance(model, X, labels, scoring=scoring, n_repeats=3, random_state=1)
    given_rows(monkeypatch, shuffles(N, 3, 1))
    ours = permutation_importance(model, X, labels, metric=name, n_repeats=3, n_bootstrap=0)
    np.testing.assert_allclose(ours.repeats[name][0], theirs.importances, atol=1e-9)


@pytest.mark.parametrize("name", ["demographic_parity", "equalized_odds", "predictive_parity", "treatment_equality"])
def test_a_gap_counts_by_what_it_falls_by(name):
    """The importance of a criterion is its difference as it is minus that of the permuted rows."""
    ours = permutation_importance(LOGISTIC, X, LABELS, GROUPS, metric=name, n_repeats=3, n_bootstrap=0, seed=2)
    taken = permutations(N, 3, np.random.default_rng(2))
    for column in range(4):
        expected = by_hand(lambda preds: metric.difference(name, LABELS, preds, GROUPS), [column], taken)
        np.testing.assert_allclose(ours.repeats[name][0, column], expected, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "figure"),
    [
        ("ks_distance", lambda preds: metric.ks_distance(preds, GROUPS).max()),
        ("wasserstein_distance", lambda preds: metric.wasserstein_distance(preds, GROUPS).max()),
        ("mean_prediction_difference", lambda preds: metric.mean_prediction(TARGET, preds, GROUPS).difference()),
        ("bounded_group_loss", lambda preds: metric.mean_squared_error(TARGET, preds, GROUPS).difference()),
    ],
)
def test_gaps_of_a_regression(name, figure):
    """Distances of predictions, and differences of figures between groups, are gaps too."""
    ours = permutation_importance(LINEAR, X, TARGET, GROUPS, metric=name, n_repeats=3, n_bootstrap=0, seed=2)
    expected = by_hand(figure, [1], permutations(N, 3, np.random.default_rng(2)), LINEAR)
    np.testing.assert_allclose(ours.repeats[name][0, 1], expected, atol=1e-12)


def test_the_features_of_a_raw_column_are_permuted_together():
    """A column of several features is one row of the table, and its features come from one other row."""
    columns = {"pair": [0, 1]}
    ours = permutation_importance(LOGISTIC, X, LABELS, columns=columns, n_repeats=3, n_bootstrap=0, seed=4)
    assert ours.columns == ["pair", "x2", "x3"]
    taken = permutations(N, 3, np.random.default_rng(4))
    expected = by_hand(lambda preds: (preds == LABELS).mean(), [0, 1], taken)
    np.testing.assert_allclose(ours.repeats["accuracy"][0, 0], expected, atol=1e-12)


def test_groups_have_the_figures_of_their_own_rows():
    """by_group gives for each group what a mask over the same predictions gives."""
    ours = permutation_importance(LOGISTIC, X, LABELS, GROUPS, by_group=True, n_repeats=3, n_bootstrap=0, seed=2)
    assert ours.groups == ["all", "a", "b", "c"]
    taken = permutations(N, 3, np.random.default_rng(2))
    rows = GROUPS == "b"
    expected = by_hand(lambda preds: (preds == LABELS)[rows].mean(), [1], taken).mean()
    assert ours.to_frame("accuracy", group="b").loc["x1", "importance"] == pytest.approx(expected)
    assert list(ours.table.xs("demographic_parity").index.unique("group")) == ["all"]


def test_strata_keep_their_values():
    """Within strata a value goes to a row of the same stratum, and every row gives its value once."""
    strata = RNG.integers(0, 5, N)
    taken = permutations(N, 6, np.random.default_rng(0), strata)
    assert (strata[taken] == strata).all()
    assert (np.sort(taken, axis=1) == np.arange(N)).all()
    assert (taken != np.arange(N)).mean() > 0.9


def test_a_column_that_only_tells_the_group_has_no_importance_within_groups():
    """Permuted within groups the group's own code stays as it is; among all rows it carries the gap."""
    rows = np.column_stack([GROUPS == "a", X[:, 0]]).astype(float)
    options = {"metric": "demographic_parity", "returns": "logit", "n_repeats": 2, "n_bootstrap": 0, "seed": 0}
    model = lambda rows: rows @ [2.0, 1.0] - 1  # noqa: E731
    within = permutation_importance(model, rows, LABELS, GROUPS, within="groups", **options)
    assert (within.repeats["demographic_parity"][0, 0] == 0).all()
    assert permutation_importance(model, rows, LABELS, GROUPS, **options)["demographic_parity"].index[0] == "x0"


def test_within_labels_and_strata_of_ones_own():
    """Labels are strata, and so is any column or Groups."""
    options = {"n_repeats": 2, "n_bootstrap": 0, "seed": 0}
    named = permutation_importance(LOGISTIC, X, LABELS, within="labels", **options)
    own = permutation_importance(LOGISTIC, X, LABELS, within=mxfair.Groups(LABELS), **options)
    pd.testing.assert_frame_equal(named.table, own.table)
    with pytest.raises(InputError, match=r"Groups\.binned"):
        permutation_importance(LINEAR, X, TARGET, within="labels")
    with pytest.raises(InputError, match="'groups' must be given"):
        permutation_importance(LOGISTIC, X, LABELS, within="groups")


@pytest.mark.parametrize(
    ("names", "model", "labels"),
    [
        (["accuracy", "demographic_parity", "log_loss", "roc_auc", "f1_score", "bounded_group_loss"], LOGISTIC, LABELS),
        (["ks_distance", "wasserstein_distance", "r2_score", "mean_prediction_difference"], LINEAR, TARGET),
    ],
)
def test_resamples_are_those_of_the_rows(monkeypatch, names, model, labels):
    """What is drawn equals the figure of the rows, repeated as often as the resample says, for each repeat."""
    seen = {}

    def kept(every, base, permuted, place, sign, level):
        seen.setdefault(len(seen), base.drawn[:, place] - permuted.drawn[:, place])
        return [0.0] * 8

    draws = []
    original = module.RowDraws
    monkeypatch.setattr(module, "RowDraws", lambda *args: draws.append(original(*args)) or draws[0])
    monkeypatch.setattr(module, "_row", kept)
    permutation_importance(model, X, labels, GROUPS, metric=names, n_repeats=2, n_bootstrap=20, seed=3)
    taken = permutations(N, 2, np.random.default_rng(3))
    rows = np.repeat(np.arange(N), draws[0].counts[:, 7])
    assert len(rows) == N
    for place, name in enumerate(names):
        found = []
        for source in taken:
            permuted = X.copy()
            permuted[:, 1] = X[source, 1]
            values = []
            for part in (X, permuted):
                options = {"metric": name, "n_repeats": 1, "n_bootstrap": 0}
                monkeypatch.undo()
                one = permutation_importance(model, part[rows], labels[rows], GROUPS[rows], **options)
                values.append(one.table["baseline"].iloc[0])
            found.append(values[0] - values[1])
        assert seen[place * 4 + 1][7] == pytest.approx(np.mean(found), abs=1e-6), name


def test_the_interval_over_rows_is_about_as_wide_as_the_spread_between_samples():
    """Importances of fresh samples of the same population spread as one sample's interval says."""

    def sample(seed, **options):
        rng = np.random.default_rng(seed)
        rows = rng.normal(size=(500, 2))
        labels = (rows[:, 0] + rng.normal(size=500) > 0).astype(int)
        return permutation_importance(
            lambda x: x[:, 0], rows, labels, returns="logit", n_repeats=3, seed=rng, **options
        )

    fresh = [sample(k, n_bootstrap=0)["accuracy"].loc["x0", "importance"] for k in range(150)]
    widths = [np.ptp(sample(k)["accuracy"].loc["x0", ["low", "high"]]) for k in range(10)]
    assert np.mean(widths) / (2 * 1.96 * np.std(fresh)) == pytest.approx(1, abs=0.2)


def test_a_pipeline_on_a_data_frame():
    """Columns of a frame are permuted as they are, categories too, and the pipeline sees its own columns."""
    frame = pd.DataFrame({"age": X[:, 0], "job": pd.Categorical(np.where(X[:, 1] > 0, "x", "y")), "none": "z"})
    frame.index = np.arange(N) + 7
    steps = make_column_transformer((StandardScaler(), ["age"]), (OneHotEncoder(), ["job", "none"]))
    model = make_pipeline(steps, LogisticRegression()).fit(frame, LABELS)
    before = frame.copy()
    ours = permutation_importance(model, frame, LABELS, n_repeats=30, n_bootstrap=0, seed=0)
    theirs = inspection.permutation_importance(model, frame, LABELS, n_repeats=30, random_state=0)
    table = ours.to_frame("accuracy", sort=False)
    np.testing.assert_allclose(table["importance"], theirs.importances_mean, atol=0.015)
    assert table.loc["none", "importance"] == 0
    pd.testing.assert_frame_equal(frame, before)


def test_text_labels_and_several_classes():
    """Labels may be text, and classes more than two: accuracy and log loss are scikit-learn's."""
    labels = np.array(["low", "mid", "top"])[np.digitize(SCORE, [-1, 1])]
    model = LogisticRegression().fit(X, labels)
    names = ["accuracy", "log_loss", "demographic_parity"]
    ours = permutation_importance(model, X, labels, GROUPS, metric=names, n_repeats=1, seed=0)
    base = ours.table["baseline"].groupby("metric").first()
    assert base["accuracy"] == pytest.approx(model.score(X, labels))
    assert base["log_loss"] == pytest.approx(metrics.log_loss(labels, model.predict_proba(X)))
    assert base["demographic_parity"] == pytest.approx(
        metric.demographic_parity_difference(labels, model.predict(X), GROUPS)
    )


def test_functions_are_given_what_their_parameters_are_named_after():
    """A function of scores equals the figure by name, one of groups is a gap, and both lack intervals over rows."""
    functions = [metrics.roc_auc_score, metric.equalized_odds_difference]
    own = permutation_importance(LOGISTIC, X, LABELS, GROUPS, metric=functions, n_repeats=3, seed=0)
    names = ["roc_auc", "equalized_odds"]
    ours = permutation_importance(LOGISTIC, X, LABELS, GROUPS, metric=names, n_repeats=3, seed=0)
    for function, name in zip(functions, names):
        np.testing.assert_allclose(own.repeats[function.__name__], ours.repeats[name], atol=1e-12)
    assert own.table["low"].isna().all()
    assert ours.table["low"].notna().all()
    with pytest.raises(InputError, match="must be named"):
        permutation_importance(LOGISTIC, X, LABELS, metric=lambda first, second: 0)


def test_a_net_an_estimator_and_a_function_agree():
    """What is permuted and measured does not depend on the way the model is given."""
    pytest.importorskip("mxnet")
    from mxfair.estimator import GluonClassifier

    model = GluonClassifier("logistic", epochs=3, learning_rate=0.05, random_state=0).fit(X.astype("float32"), LABELS)
    rows = X.astype("float32")
    options = {"metric": ["accuracy", "log_loss", "demographic_parity"], "n_repeats": 3, "n_bootstrap": 0, "seed": 0}
    tables = [
        permutation_importance(model, rows, LABELS, GROUPS, **options).table,
        permutation_importance(model.net_, rows, LABELS, GROUPS, **options).table,
        permutation_importance(
            lambda x: model.predict_proba(x)[:, 1], rows, LABELS, GROUPS, returns="probability", **options
        ).table,
    ]
    for other in tables[1:]:
        pd.testing.assert_frame_equal(tables[0], other, atol=1e-5)


def test_models_that_decide_by_group_keep_each_rows_group():
    """A post-processed model is given the groups of the rows, piece by piece."""
    from mxfair.postprocessing import GroupThresholds, PostProcessed

    model = PostProcessed(LOGISTIC, GroupThresholds("demographic_parity", max_gap=0.05), prefit=True).fit(
        X, LABELS, groups=GROUPS
    )
    ours = permutation_importance(model, X, LABELS, GROUPS, metric="demographic_parity", n_repeats=1, seed=0)
    decided = model.predict(X, groups=GROUPS)
    expected = metric.demographic_parity_difference(LABELS, decided, GROUPS)
    assert ours.table["baseline"].iloc[0] == pytest.approx(expected)


def test_pieces_change_nothing(monkeypatch):
    """However few rows a model is given at once, the importances are the same."""
    from mxfair.explain import _predictions

    whole = permutation_importance(LOGISTIC, X, LABELS, n_repeats=3, seed=0).table
    monkeypatch.setattr(_predictions, "PIECE_ROWS", 37)
    sizes = []
    model = lambda rows: sizes.append(len(rows)) or LOGISTIC.decision_function(rows)  # noqa: E731
    parts = permutation_importance(model, X, LABELS, returns="logit", n_repeats=3, seed=0).table
    assert max(sizes) == 37
    pd.testing.assert_frame_equal(whole, parts)


def test_the_table_and_its_order():
    """Tables are sorted by importance unless asked otherwise, and a metric's own is an item."""
    ours = permutation_importance(LOGISTIC, X, LABELS, GROUPS, n_repeats=2, seed=0)
    assert ours["accuracy"]["importance"].is_monotonic_decreasing
    assert ours.to_frame("accuracy", sort=False).index.tolist() == ["x0", "x1", "x2", "x3"]
    every = ours.to_frame()
    assert every.loc["demographic_parity"]["importance"].is_monotonic_decreasing
    assert len(every) == 8
    assert repr(ours).startswith("Importance(accuracy 0.")
    with pytest.raises(InputError, match="'metric' must be one of"):
        ours["precision"]


def test_what_is_not_clear_is_refused():
    """Unknown figures, gaps without groups, functions that do not say what they return, decisions for a loss."""
    with pytest.raises(InputError, match=r"Did you mean 'demographic_parity'"):
        permutation_importance(LOGISTIC, X, LABELS, GROUPS, metric="statistical_parity")
    with pytest.raises(InputError, match="'groups' must be given"):
        permutation_importance(LOGISTIC, X, LABELS, metric="equalized_odds")
    with pytest.raises(InputError, match="'returns' must say"):
        permutation_importance(LOGISTIC.predict, X, LABELS)
    with pytest.raises(InputError, match="must give probabilities"):
        permutation_importance(LOGISTIC.predict, X, LABELS, metric="log_loss", returns="decisions")
    with pytest.raises(InputError, match="in the values of the labels"):
        permutation_importance(LOGISTIC.decision_function, X, LABELS, returns="decisions")
    with pytest.raises(InputError, match="figure of a regression"):
        permutation_importance(LINEAR, X, TARGET, metric="accuracy")
    with pytest.raises(InputError, match="same length"):
        permutation_importance(LOGISTIC, X, LABELS[:-1])
    with pytest.raises(InputTypeError, match="'model' must be"):
        permutation_importance(3, X, LABELS)


def test_the_plot_has_a_panel_for_each_metric_and_a_bar_for_each_column_and_group():
    """Scores have a bar for each group, gaps one for all rows."""
    ours = permutation_importance(LOGISTIC, X, LABELS, GROUPS, by_group=True, n_repeats=2, seed=0)
    figure = ours.plot(top=3)
    assert [len(axes.patches) for axes in figure.axes] == [9, 3]
    assert [text.get_text() for text in figure.axes[1].get_yticklabels()] == list(ours["demographic_parity"].index[:3])
    with pytest.raises(InputError, match="'metrics' must be one of"):
        explain_plots.importance(ours, metrics=["precision"])
