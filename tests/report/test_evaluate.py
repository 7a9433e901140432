"""A report of a net on a dataset."""

from __future__ import annotations

import numpy as np
import pytest

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
