"""A report of a net on a dataset."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.svm import LinearSVC

import mxfair
import mxfair.ensemble
from mxfair import _compat
from mxfair._validation import InputError
from mxfair.report import evaluate, evaluate_predictions

mx = _compat.import_mxnet()
X = np.array([[2.0], [-1.0], [3.0], [-2.0], [1.0], [-3.0]], dtype="float32")
LABELS = np.array([1, 1, 1, 0, 0, 0], dtype="float32")
GROUPS = np.array([0, 0, 1, 1, 0, 1], dtype="int32")


def _net(weights):
    net = mx.gluon.nn.Dense(len(weights), in_units=1)
    net.initialize()
    net.weight.set_data(mx.nd.array(weights).reshape((-1, 1)))
    return net


def test_a_net_gives_the_report_of_its_decisions():
    """A net's report equals that of its decisions and scores as arrays."""
    dataset = mx.gluon.data.ArrayDataset(X, LABELS, GROUPS)
    expected = evaluate_predictions(LABELS, X[:, 0] > 0, GROUPS, scores=X[:, 0])
    assert evaluate(_net([1.0]), dataset).rates.equals(expected.rates)


def test_a_net_that_has_columns_is_no_data_frame():
    """An ensemble says by `columns` which features its members see, and is evaluated as the net it is."""
    dataset = mx.gluon.data.ArrayDataset(X, LABELS, GROUPS)
    ensemble = mxfair.ensemble.Ensemble([_net([1.0]), _net([1.0])])
    assert evaluate(ensemble, dataset).gaps.equals(evaluate(_net([1.0]), dataset).gaps)


def test_groups_may_stand_beside_the_dataset():
    """A dataset of (data, label) takes its groups as an argument, with their names."""
    dataset = mx.gluon.data.ArrayDataset(X, LABELS)
    report = evaluate(_net([1.0]), dataset, groups=mxfair.Groups(list("ffmmfm"), name="sex"))
    assert report.attribute == "sex"
    with pytest.raises(InputError, match="'groups' must be given"):
        evaluate(_net([1.0]), dataset)


def test_the_auc_follows_the_positive_class():
    """With the first class as the positive one the scores turn around: the AUC stays."""
    dataset = mx.gluon.data.ArrayDataset(X, LABELS, GROUPS)
    last, first = evaluate(_net([1.0]), dataset), evaluate(_net([1.0]), dataset, positive=0)
    assert first.baseline.auc == pytest.approx(last.baseline.auc)
    assert first.baseline.auc > 0.5


def test_the_samples_may_lack_a_class_of_the_net():
    """A net with three outputs is reported on samples with two labels."""
    report = evaluate(_net([1.0, 0.0, -1.0]), mx.gluon.data.ArrayDataset(X, LABELS, GROUPS))
    assert report.rates["base_rate[2]"].tolist() == [0, 0, 0]
    assert np.isnan(report.baseline.auc)


FRAME = {"hired": [1, 1, 0, 0, 1, 0], "model": [1, 0, 0, 1, 1, 0], "sex": list("fmfmfm"), "region": list("nnssnn")}


def test_columns_of_a_frame_and_of_files_give_the_report_of_arrays(tmp_path):
    """Names of columns, of a frame, a CSV or a Parquet file, say what arrays would."""
    frame = pd.DataFrame(FRAME)
    expected = evaluate_predictions(frame["hired"], frame["model"], frame[["sex", "region"]], name="model")
    frame.to_csv(tmp_path / "p.csv", index=False)
    frame.to_parquet(tmp_path / "p.parquet")
    for given in (frame, tmp_path / "p.csv", str(tmp_path / "p.parquet")):
        report = evaluate(given, label="hired", prediction="model", group=["sex", "region"])
        assert report.to_dict() == expected.to_dict()
    arrays = evaluate(frame["hired"], frame["model"], groups=frame[["sex", "region"]])
    assert arrays.to_dict() == expected.to_dict()


def test_any_estimator_is_evaluated_with_its_scores():
    """Predict and predict_proba of scikit-learn's estimators are what the report is about."""
    random = np.random.default_rng(0)
    X, groups = random.normal(size=(300, 3)), random.choice(["a", "b"], 300)
    y = np.where(X[:, 0] + random.normal(size=300) > 0, "yes", "no")
    for model in (LogisticRegression().fit(X, y), LinearSVC().fit(X, y)):
        report = evaluate(model, X, y, groups=groups, positive="yes", name="m")
        assert report.baseline.accuracy == model.score(X, y)
        assert report.baseline.auc == pytest.approx(roc_auc_score(y == "yes", model.decision_function(X)))
    values = random.normal(size=300)
    report = evaluate(LinearRegression().fit(X, values), X, values, groups=groups)
    assert report.task == "regression"


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((FRAME["hired"], FRAME["model"]), {}, "'model' must be a net, an estimator"),
        ((FRAME["hired"],), {"label": "hired"}, "'label' must name a column of a data frame"),
        (("missing.csv",), {"label": "a"}, "there is none at this path"),
        (("frame",), {"label": "hird", "prediction": "model", "group": "sex"}, "Did you mean 'hired'"),
        (("frame",), {"label": "hired", "group": "sex"}, "'prediction' must name a column"),
        (("frame",), {"label": "hired", "prediction": "model"}, "'group' must name columns"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(arguments, options, message):
    """What is missing is named, with what to do."""
    arguments = tuple(pd.DataFrame(FRAME) if isinstance(a, str) and a == "frame" else a for a in arguments)
    with pytest.raises((ValueError, TypeError), match=message):
        evaluate(*arguments, **options)
