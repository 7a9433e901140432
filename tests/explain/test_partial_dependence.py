"""Partial dependence against scikit-learn, loops written by hand, and functions whose dependence is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import inspection
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from mxfair._validation import InputError
from mxfair.explain import partial_dependence
from mxfair.explain import plots as explain_plots
from mxfair.preprocessing import TabularEncoder

N = 300
RNG = np.random.default_rng(8)
X = RNG.normal(size=(N, 3))
X[:, 2] = RNG.integers(0, 4, N)
GROUPS = RNG.choice(["a", "b"], N, p=[0.7, 0.3])
LABELS = (X[:, 0] * X[:, 1] + X[:, 2] > 1).astype(int)
CLASSIFIER = GradientBoostingClassifier(n_estimators=20, random_state=0).fit(X, LABELS)
FOREST = RandomForestRegressor(n_estimators=10, random_state=0).fit(X, X[:, 0] + X[:, 2])
FRAME = pd.DataFrame(
    {
        "age": RNG.integers(20, 70, N).astype(float),
        "job": RNG.choice(["clerk", "cook", "smith"], N),
        "score": RNG.normal(100, 15, N),
    }
)
FRAME.loc[::10, "score"] = np.nan
FRAME.loc[::15, "job"] = None
ENCODER = TabularEncoder().fit(FRAME)
MATRIX = ENCODER.transform(FRAME)


@pytest.mark.parametrize("model", [CLASSIFIER, FOREST], ids=["classifier", "regressor"])
@pytest.mark.parametrize("features", [[0], [2], [0, 1], [1, 2]])
def test_averages_and_curves_are_scikit_learns(model, features):
    """The default grid, the averages and each row's curve are those of sklearn.inspection, for one column and two."""
    theirs = inspection.partial_dependence(model, X, features, grid_resolution=12, kind="both", method="brute")
    ours = partial_dependence(model, X, features, resolution=12, kind="both")
    for points, expected in zip(ours.points, theirs["grid_values"]):
        np.testing.assert_allclose(points, expected)
    np.testing.assert_allclose(ours.average[0], theirs["average"][0], atol=1e-10)
    np.testing.assert_allclose(ours.individual, theirs["individual"][0], atol=1e-10)


def test_a_pipeline_on_a_data_frame_is_scikit_learns():
    """Columns of a frame are set as they are, categories to each level."""
    frame = FRAME.fillna({"score": 100.0, "job": "cook"}).astype({"job": "category"})
    steps = make_column_transformer((OneHotEncoder(), ["job"]), remainder="passthrough")
    model = make_pipeline(steps, GradientBoostingClassifier(n_estimators=10, random_state=0)).fit(frame, LABELS)
    for name, categorical in (("job", True), ("age", False)):
        theirs = inspection.partial_dependence(
            model, frame, [name], categorical_features=["job"], grid_resolution=9, kind="both"
        )
        ours = partial_dependence(model, frame, name, resolution=9, kind="both")
        assert ours.axes[0].kind == ("category" if categorical else "number")
        assert list(ours.points[0]) == list(theirs["grid_values"][0])
        np.testing.assert_allclose(ours.individual, theirs["individual"][0], atol=1e-12)


def test_of_a_sum_of_functions_it_is_the_function():
    """Of f(x) = g(x0) + h(x1) the centred dependence is g, for every row, with an interval of no width."""
    curve = partial_dependence(
        lambda x: np.sin(x[:, 0]) + x[:, 1] ** 2, X, "x0", kind="both", centered=True, grid=np.linspace(-1, 2, 7)
    )
    expected = np.sin(curve.points[0]) - np.sin(-1)
    np.testing.assert_allclose(curve.individual, np.broadcast_to(expected, (N, 7)), atol=1e-12)
    np.testing.assert_allclose(curve.average[0], expected, atol=1e-12)
    np.testing.assert_allclose(curve.high[0] - curve.low[0], 0, atol=1e-6)


def test_groups_have_averages_and_intervals_of_their_own_rows():
    """Each group's line is the mean of its rows' curves, within Student's interval."""
    from scipy.stats import t

    curve = partial_dependence(CLASSIFIER, X, "x0", groups=GROUPS, kind="both", resolution=6)
    assert curve.groups == ["all", "a", "b"]
    for k, rows in enumerate([np.ones(N, dtype=bool), GROUPS == "a", GROUPS == "b"]):
        part = curve.individual[rows]
        low, high = t.interval(0.95, rows.sum() - 1, part.mean(axis=0), part.std(axis=0, ddof=1) / np.sqrt(rows.sum()))
        np.testing.assert_allclose(curve.average[k], part.mean(axis=0))
        np.testing.assert_allclose(curve.low[k], low)
        np.testing.assert_allclose(curve.high[k], high)
        assert curve.support[k].sum() == rows.sum()


def test_support_tells_where_a_group_has_no_rows():
    """Points outside a group's range are not supported, whatever the other group does there."""
    rows = np.column_stack([np.where(GROUPS == "a", RNG.uniform(0, 1, N), RNG.uniform(2, 3, N)), X[:, 1]])
    grid = [0.5, 1.5, 2.5, 9.0]
    curve = partial_dependence(lambda x: x[:, 0], rows, "x0", groups=GROUPS, grid=grid)
    assert curve.supported.tolist() == [
        [True, True, True, False],
        [True, False, False, False],
        [False, False, True, False],
    ]
    table = curve.to_frame()
    near = [(np.abs(rows[:, :1] - grid).argmin(axis=1) == k).sum() for k in range(4)]
    assert table.query("group == 'all'")["support"].tolist() == near


def test_an_encoded_number_moves_in_its_own_unit():
    """The axis is in years, the model sees standardised ones, and a value that is set is no longer missing."""
    seen = []
    model = lambda x: seen.append(x) or x[:, 0]  # noqa: E731
    age = partial_dependence(model, MATRIX, "age", columns=ENCODER, grid=[20, 45, 70])
    mean, std = FRAME["age"].mean(), FRAME["age"].std(ddof=0)
    np.testing.assert_allclose(age.average[0], (np.array([20, 45, 70]) - mean) / std, rtol=1e-5)
    seen.clear()
    score = partial_dependence(model, MATRIX, "score", columns=ENCODER, resolution=5)
    missing = list(ENCODER.get_feature_names_out()).index("score missing")
    assert (np.concatenate(seen)[:, missing] == 0).all()
    assert score.support[0].sum() == FRAME["score"].notna().sum()
    assert 60 < score.points[0][0] < 100 < score.points[0][-1] < 140


def test_the_levels_of_an_encoded_category_are_set_together():
    """Its features are one-hot in every row, the levels have the encoder's names, and a row's own does not count."""
    weights = np.arange(MATRIX.shape[1], dtype=float) ** 1.5
    job = partial_dependence(lambda x: x @ weights, MATRIX, "job", columns=ENCODER, kind="individual")
    assert list(job.points[0]) == ["clerk", "cook", "smith", "missing"]
    features = [j for j, name in enumerate(ENCODER.get_feature_names_out()) if name.startswith("job")]
    steps = np.diff(job.individual, axis=1)
    np.testing.assert_allclose(steps, np.broadcast_to(np.diff(weights[features]), steps.shape), rtol=1e-4)
    own = FRAME["job"].map({"clerk": 0, "cook": 1, "smith": 2}).fillna(3).astype(int)
    np.testing.assert_allclose(job.individual[np.arange(N), own], MATRIX @ weights, rtol=1e-5)
    assert job.support[0].tolist() == np.bincount(own).tolist()


def test_a_mapping_makes_one_hot_features_one_column():
    """Without an encoder levels are named after their features, and rows of no level are a level."""
    rows = pd.DataFrame({"job=a": [1, 0, 0.0], "job=b": [0, 1, 0.0], "age": [1, 2, 3.0]})
    columns = {"job": ["job=a", "job=b"]}
    curve = partial_dependence(lambda x: np.asarray(x) @ [1, 2, 10], rows, "job", columns=columns, kind="both")
    assert list(curve.points[0]) == ["a", "b", "(none)"]
    assert curve.individual.tolist() == [[11, 12, 10], [21, 22, 20], [31, 32, 30]]
    with pytest.raises(InputError, match="must be one-hot"):
        partial_dependence(lambda x: x[:, 0], X, "pair", columns={"pair": [0, 1]})


def test_a_net_and_its_estimator_agree():
    """The logit of a net is that of its estimator, and batches of rows and points change nothing."""
    pytest.importorskip("mxnet")
    from mxfair.estimator import GluonClassifier

    rows = X.astype("float32")
    model = GluonClassifier((8,), epochs=2, learning_rate=0.05, random_state=0).fit(rows, LABELS)
    ours = partial_dependence(model.net_, rows, ["x0", "x2"], resolution=5, kind="both")
    estimator = partial_dependence(model, rows, ["x0", "x2"], resolution=5)
    np.testing.assert_allclose(ours.average, estimator.average, atol=1e-6)
    changed = rows.copy()
    changed[:, 0], changed[:, 2] = ours.points[0][3], ours.points[1][1]
    np.testing.assert_allclose(ours.individual[:, 3, 1], model.decision_function(changed), atol=1e-5)


def test_pieces_change_nothing(monkeypatch):
    """However few rows a model is given at once, averages, intervals and curves are the same."""
    from mxfair.explain import _predictions

    whole = partial_dependence(CLASSIFIER, X, ["x0", "x1"], groups=GROUPS, kind="both", resolution=4)
    monkeypatch.setattr(_predictions, "PIECE_ROWS", 50)
    sizes = []
    model = lambda x: sizes.append(len(x)) or CLASSIFIER.predict_proba(x)[:, 1]  # noqa: E731
    parts = partial_dependence(model, X, ["x0", "x1"], groups=GROUPS, kind="both", resolution=4)
    assert max(sizes) <= 50
    np.testing.assert_allclose(parts.individual, whole.individual)
    np.testing.assert_allclose(parts.low, whole.low, atol=1e-9)


def test_curves_are_kept_of_rows_drawn_at_random():
    """max_individual curves are kept, the same ones for the same seed, and each is its row's."""
    options = {"kind": "both", "max_individual": 20, "resolution": 5}
    curve = partial_dependence(CLASSIFIER, X, "x0", seed=1, **options)
    assert curve.individual.shape == (20, 5)
    whole = partial_dependence(CLASSIFIER, X, "x0", kind="both", resolution=5)
    np.testing.assert_allclose(curve.individual, whole.individual[curve.rows])
    assert curve.rows.tolist() == partial_dependence(CLASSIFIER, X, "x0", seed=1, **options).rows.tolist()
    assert curve.to_frame(individual=True).shape == (100, 3)
    with pytest.raises(InputError, match="kind='both'"):
        partial_dependence(CLASSIFIER, X, "x0", resolution=5).to_frame(individual=True)


def test_the_rows_that_are_given_stay_as_they_are():
    """Neither an array nor a frame is written to."""
    rows, frame = X.copy(), FRAME.copy()
    partial_dependence(CLASSIFIER, rows, ["x0", "x2"], resolution=4)
    partial_dependence(lambda x: x["age"], frame, ["age", "job"], resolution=4)
    np.testing.assert_array_equal(rows, X)
    pd.testing.assert_frame_equal(frame, FRAME)


def test_what_cannot_be_set_is_refused():
    """Unknown columns, three of them, one twice, points out of order, levels that do not exist."""
    for features, options, message in [
        ("x9", {}, "'features' must be one of"),
        (["x0", "x1", "x2"], {}, "one column or two"),
        (["x0", "x0"], {}, "two different columns"),
        ("x0", {"grid": [1, 0]}, "increasing numbers"),
        ("x0", {"grid": {"x1": [0, 1]}}, "none of them"),
        (["x0", "x1"], {"grid": [0, 1]}, "mapping of column"),
        ("x0", {"percentiles": (0.9, 0.1)}, "two increasing shares"),
        ("x0", {"kind": "ice"}, "'kind' must be one of"),
        ("x0", {"groups": GROUPS[1:]}, "same length"),
    ]:
        with pytest.raises(InputError, match=message):
            partial_dependence(CLASSIFIER, X, features, **options)
    with pytest.raises(InputError, match="grid of job"):
        partial_dependence(lambda x: x[:, 0], MATRIX, "job", columns=ENCODER, grid=["king"])


def test_the_plot_has_lines_bands_points_and_heat_maps():
    """A panel of lines by group with single rows behind, one of levels, and one heat map for each group."""
    options = {"groups": GROUPS, "columns": ENCODER, "resolution": 6}
    age = partial_dependence(lambda x: x[:, 0] * x[:, 1], MATRIX, "age", kind="both", **options)
    job = partial_dependence(lambda x: x[:, 0], MATRIX, "job", **options)
    both = partial_dependence(lambda x: x[:, 0], MATRIX, ["age", "job"], **options)
    figure = explain_plots.partial_dependence([age, job, both])
    lines, levels, first, second = figure.axes[:4]
    assert [len(group.get_segments()) for group in lines.collections if hasattr(group, "get_segments")] == [
        int((GROUPS[age.rows[np.unique(np.linspace(0, N - 1, 120).astype(int))]] == name).sum()) for name in "ab"
    ]
    drawn = [line for line in lines.lines if line.get_linestyle() == "-" and line.get_linewidth() == 2.4]
    assert [np.allclose(line.get_ydata(), age.average[k]) for line, k in zip(drawn, (1, 2))] == [True, True]
    assert [text.get_text() for text in levels.get_yticklabels()] == list(
        job.points[0][np.argsort(-job.average[0], kind="stable")]
    )
    assert [axes.get_title(loc="right") for axes in (first, second)] == ["a", "b"]
    with pytest.raises(InputError, match="'groups' must be one of"):
        age.plot(groups=["c"])
