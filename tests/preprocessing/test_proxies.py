"""The proxy report finds what reveals the group and shows chance; the suppressor leaves it out and says so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats.contingency import association as scipy_association
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, mutual_info_score, roc_auc_score
from sklearn.pipeline import make_pipeline

from mxfair._validation import InputError, InputTypeError
from mxfair.preprocessing import ProxySuppressor, TabularEncoder, load_step, proxy_report
from mxfair.preprocessing._association import cramers_v, judged

QUIET = pytest.mark.filterwarnings("ignore:Left out as proxies")


def sample(n=1500, groups=2, seed=0):
    """Return a frame with proxies of several kinds, columns of noise, and the groups."""
    rng = np.random.default_rng(seed)
    z = rng.integers(0, groups, n)
    frame = pd.DataFrame(
        {
            "noise": rng.normal(0, 1, n),
            "place": rng.normal(1.5 * z, 1),
            "width": rng.normal(0, 1 + 3 * z, n),  # no difference in means
            "job": np.array(list("abcdef"))[np.minimum(z * 2 + rng.integers(0, 3, n), 5)],
            "letter": rng.choice(list("uvwxyz"), n),
            "number": np.arange(n),
        }
    )
    frame["number"] = rng.permutation(frame["number"]).astype(str)  # an identifier
    return frame, np.array([f"g{code}" for code in z])


@pytest.mark.parametrize("groups", [2, 3])
def test_planted_proxies_are_found(groups):
    """Differences of place, of width and of categories are found; noise and identifiers are not."""
    frame, z = sample(groups=groups)
    report = proxy_report(frame, z)
    assert set(report.proxies) >= {"place", "width", "job"}
    assert set(report.columns.index[:3]) == {"place", "width", "job"}
    for name in ("noise", "letter", "number"):
        row = report.columns.loc[name]
        assert row["cramers_v"] < 0.1
        assert abs(row["auc"] - 0.5) < 0.06
    assert (report.columns.loc[["place", "width", "job"], "p_value"] == 1 / 200).all()
    assert report.overall["auc"] > report.columns["auc"].max()
    assert report.columns.loc["job", "kind"] == "category"
    assert report.columns.loc["place", "kind"] == "number"


def test_chance_exceeds_the_floors_once_in_twenty_times():
    """Columns of noise lie above their floors about as often as promised, in each measure."""
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({f"x{i}": rng.normal(0, 1, 300) if i % 2 else rng.integers(0, 4, 300) for i in range(120)})
    columns = proxy_report(frame, rng.integers(0, 2, 300), cv=3).columns
    for name in ("cramers_v", "auc", "balanced_accuracy"):
        assert 0 <= (columns[name] > columns[f"{name}_floor"]).mean() < 0.12
    assert (columns["cramers_v"] > columns["cramers_v_floor"]).mean() > 0.01
    assert abs((columns["p_value"] <= 0.1).mean() - 0.1) < 0.08


def test_formulas_of_association():
    """Cramer's V is scipy's but for the published correction; information is scikit-learn's over the entropy."""
    table = np.array([[30, 10], [20, 20], [5, 40]])
    n, (r, c) = table.sum(), table.shape
    phi = scipy_association(table, method="cramer") ** 2 * (min(r, c) - 1)
    corrected = phi - (r - 1) * (c - 1) / (n - 1)
    sides = [k - (k - 1) ** 2 / (n - 1) for k in (r, c)]
    assert cramers_v(table) == pytest.approx(np.sqrt(corrected / (min(sides) - 1)))
    assert cramers_v(np.array([[50, 50]])) == 0
    assert cramers_v(np.diag([1000, 1000])) == pytest.approx(1, abs=1e-3)
    column = np.repeat(list("abc"), table.sum(axis=1))
    group = np.concatenate([np.repeat([0, 1], row) for row in table])
    found = proxy_report(pd.DataFrame({"x": column}), group, cv=None).columns.loc["x"]
    shares = np.bincount(group) / n
    assert found["mutual_information"] == pytest.approx(
        mutual_info_score(column, group) / -(shares * np.log(shares)).sum()
    )
    assert found["cramers_v"] == pytest.approx(float(cramers_v(table)))


@pytest.mark.parametrize("groups", [2, 3])
def test_formulas_of_prediction(groups):
    """AUC and balanced accuracy are scikit-learn's."""
    rng = np.random.default_rng(0)
    z = rng.integers(0, groups, 400)
    scores = rng.dirichlet(np.ones(groups), 400) + 0.3 * np.eye(groups)[z]
    scores = (scores / scores.sum(axis=1, keepdims=True)).round(2)
    scores[:, -1] += 1 - scores.sum(axis=1)
    found = judged(scores, z, 0, rng)
    binary = groups == 2
    expected = roc_auc_score(z, scores[:, 1] if binary else scores, multi_class="ovr")
    assert found["auc"] == pytest.approx(expected, abs=2e-3)
    decision = (scores / np.bincount(z)).argmax(axis=1)
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(z, decision))
    assert np.isnan(found["auc_floor"])


def test_proxies_of_sex_in_adult():
    """Relationship and marital status reveal it most; all columns together do so nearly always."""
    from mxfair.datasets import load_adult

    adult = load_adult()
    data = adult.data.drop(columns=["sex", "race"], errors="ignore").iloc[:6000]
    report = proxy_report(data, adult.groups["sex"].iloc[:6000], permutations=50, cv=3)
    assert report.columns.index[0] == "relationship"
    assert set(report.columns.index[:3]) >= {"relationship", "marital_status"}
    assert report.overall["auc"] > 0.9


def test_unknown_groups_are_left_out_and_counted():
    """They change nothing but the count."""
    frame, z = sample(600)
    more = pd.concat([frame, frame.iloc[:50]])
    report = proxy_report(more, [*z, *[None] * 50], cv=None)
    pd.testing.assert_frame_equal(report.columns, proxy_report(frame, z, cv=None).columns)
    assert report.unknown == 50
    assert "50 of unknown group left out" in repr(report)


def test_missing_values_are_a_level():
    """A column that is missing for one group reveals it."""
    frame, z = sample(600)
    frame["gap"] = np.where((z == "g1") & (np.arange(600) % 2 == 0), np.nan, frame["noise"])
    frame["text"] = frame["letter"].where(~frame["gap"].isna(), None)
    report = proxy_report(frame[["gap", "text", "noise"]], z)
    assert report.proxies[:2] == ["gap", "text"] or report.proxies[:2] == ["text", "gap"]


def test_arrays_own_classifiers_and_drawn_rows():
    """Arrays of numbers or objects, a linear classifier, and a part of the rows work; one seed gives one report."""
    frame, z = sample(1000)
    numbers = frame[["noise", "place"]].to_numpy()
    report = proxy_report(numbers, z, classifier=LogisticRegression(), max_rows=500)
    assert report.proxies[0] == "x1"
    assert report.columns.loc["x0", "auc"] < 0.58
    again = proxy_report(numbers, z, classifier=LogisticRegression(), max_rows=500)
    pd.testing.assert_frame_equal(report.columns, again.columns)
    objects = proxy_report(frame[["place", "job"]].to_numpy(), z, cv=None).columns
    assert objects["kind"].to_dict() == {"x0": "number", "x1": "category"}
    quick = proxy_report(numbers, z, cv=None, permutations=0)
    assert "auc" not in quick.columns
    assert quick.overall == {}


@pytest.mark.parametrize(
    ("groups", "options", "message"),
    [
        (["a"] * 60, {}, "two known groups"),
        (["a", "b"] * 20, {}, "same length"),
        (["a"] * 57 + ["b"] * 3, {}, "5 samples or more"),
        (["a", "b"] * 30, {"cv": 1}, "at least 2"),
    ],
)
def test_bad_input_is_refused(groups, options, message):
    """Each mistake has its sentence."""
    with pytest.raises(InputError, match=message):
        proxy_report(np.arange(120.0).reshape(60, 2), groups, **options)


# The suppressor


@pytest.mark.parametrize(
    ("measure", "threshold"),
    [("cramers_v", 0.3), ("mutual_information", 0.14), ("auc", 0.6), ("balanced_accuracy", 0.6)],
)
def test_columns_above_the_threshold_go_and_are_told(measure, threshold):
    """By every measure: the proxies leave, with a warning that names them."""
    frame, z = sample()
    frame = frame.drop(columns="number")
    with pytest.warns(UserWarning, match=f"Left out as proxies, by {measure}: .*place \\(0"):
        step = ProxySuppressor(threshold, measure=measure).fit(frame, groups=z)
    assert set(step.dropped_) == {"place", "width", "job"}
    assert list(step.get_feature_names_out()) == ["noise", "letter"]
    assert [step.scores_[name] for name in step.dropped_] == sorted(step.scores_.values(), reverse=True)[:3]
    assert step.transform(frame).shape == (1500, 2)


@QUIET
def test_the_strongest_columns_go():
    """n_columns= leaves out so many, and 0 none."""
    frame, z = sample()
    full = proxy_report(frame, z, cv=None).columns["cramers_v"]
    step = ProxySuppressor(n_columns=2).fit(frame, groups=z)
    assert step.dropped_ == list(full.index[:2])
    assert ProxySuppressor(n_columns=0).fit(frame, groups=z).dropped_ == []


@QUIET
def test_the_group_is_harder_to_tell_afterwards():
    """What is left reveals less of the group, on all columns together."""
    frame, z = sample()
    before = proxy_report(frame.drop(columns="number"), z).overall["auc"]
    left = ProxySuppressor(0.3).set_output(transform="pandas").fit(frame.drop(columns="number"), groups=z)
    after = proxy_report(left.transform(frame.drop(columns="number")), z).overall
    assert before > 0.9
    assert after["auc"] < 0.56


@QUIET
def test_frames_keep_their_types_in_pipelines(tmp_path):
    """Sensitive columns leave too; a later encoder sees numbers as numbers; files keep it all."""
    frame, z = sample()
    frame = frame.drop(columns="number").assign(sex=z)
    step = ProxySuppressor(0.3, sensitive=["sex"]).set_output(transform="pandas").fit(frame)
    assert step.transform(frame).dtypes.to_dict() == frame[["noise", "letter"]].dtypes.to_dict()
    model = make_pipeline(clone(step), TabularEncoder(), LogisticRegression()).fit(frame, frame["noise"] > 0)
    assert model.score(frame, frame["noise"] > 0) > 0.95
    step.save(tmp_path / "step.npz")
    again = load_step(tmp_path / "step.npz")
    assert again.dropped_ == step.dropped_
    pd.testing.assert_frame_equal(again.transform(frame), step.transform(frame))


@QUIET
def test_block_takes_the_columns_that_are_left():
    """The block takes whole rows, as transform does."""
    mx = pytest.importorskip("mxnet")
    frame, z = sample()
    X = np.column_stack([frame["place"], z == "g1", frame["noise"]]).astype("float32")
    step = ProxySuppressor(0.3, sensitive=[1]).fit(X)
    np.testing.assert_array_equal(step.as_block()(mx.nd.array(X)).asnumpy(), X[:, [2]])
    assert step.dropped_ == ["x0"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, InputError, "both or neither"),
        ({"threshold": 0.1, "n_columns": 1}, InputError, "both or neither"),
        ({"threshold": 2}, InputError, "between 0 and 1"),
        ({"threshold": "high"}, InputTypeError, "a number"),
        ({"n_columns": 6}, InputError, "A column must be left"),
        ({"threshold": 0.1, "measure": "correlation"}, InputError, "one of cramers_v"),
    ],
)
def test_bad_options_are_refused(options, error, message):
    """A threshold has no default, and something must be left."""
    frame, z = sample(300)
    with pytest.raises(error, match=message):
        ProxySuppressor(**options).fit(frame, groups=z)


@pytest.mark.parametrize("kind", ["dates", "durations", "complex numbers", "lists"])
def test_columns_that_cannot_be_judged_are_refused(kind):
    """Dates that tell the group perfectly were levels of one row each, and no proxy."""
    days = pd.Series(pd.date_range("2020", periods=40))
    columns = {
        "dates": days,
        "durations": days - days[0],
        "complex numbers": np.ones(40) * 1j,
        "lists": [[1], [2]] * 20,
    }
    with pytest.raises(InputError, match="Column 'a' must hold"):
        proxy_report(pd.DataFrame({"a": columns[kind]}), ["a"] * 20 + ["b"] * 20)
