"""Mistakes that a newcomer makes are refused in words, and a regression gets the penalties that it can have."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mxfair
from mxfair.ensemble import Ensemble, VotingClassifier, seed_spread
from mxfair.estimator import GluonClassifier, GluonRegressor, Penalized
from mxfair.estimator._plan import NAMED

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3)).astype("float32")
GROUPS = RNG.integers(0, 2, 200)
VALUES = X[:, 0] + GROUPS
LABELS = (VALUES > 0.5).astype(int)
OPTIONS = {"epochs": 2, "random_state": 0}


def net(**options):
    """Return a small classifier."""
    return GluonClassifier("logistic", **OPTIONS, **options)


@pytest.mark.parametrize("name", [name for name in NAMED if name.endswith("_penalty")])
def test_a_regression_takes_penalties_of_distances_and_refuses_those_of_decisions(name):
    """With the default criterion each distance trains another net than none; rates of classes are refused."""
    model = GluonRegressor("logistic", mitigation=name, **OPTIONS)
    if name in ("gap_penalty", "mutual_information_penalty"):
        with pytest.raises(ValueError, match="one that a regression can have"):
            model.fit(X, VALUES, groups=GROUPS)
    else:
        plain = GluonRegressor("logistic", **OPTIONS).fit(X, VALUES)
        assert not np.allclose(model.fit(X, VALUES, groups=GROUPS).predict(X), plain.predict(X), atol=1e-6)


def test_a_penalty_of_a_regression_without_a_criterion_means_demographic_parity():
    """The default equals the criterion by name."""
    default, named = (
        GluonRegressor("logistic", mitigation=part, **OPTIONS).fit(X, VALUES, groups=GROUPS).predict(X)
        for part in (Penalized("mmd"), Penalized("mmd", "demographic_parity"))
    )
    assert np.array_equal(default, named)


@pytest.mark.parametrize("mitigation", ["gap_penalty", "group_dro", "mmd_penalty"])
def test_a_loss_of_groups_needs_two(mitigation):
    """One group has no gap: training would pass in silence."""
    with pytest.raises(ValueError, match="two known groups or more"):
        net(mitigation=mitigation).fit(X, LABELS, groups=np.zeros(200, dtype=int))


def test_groups_at_prediction_have_the_length_of_the_rows():
    """Groups that nothing needs are still one per row."""
    model = net().fit(X, LABELS)
    assert len(model.predict(X, groups=GROUPS)) == 200
    with pytest.raises(ValueError, match="must have the same length"):
        model.predict(X, groups=GROUPS[:10])


def test_a_report_of_an_estimator_is_that_of_its_net():
    """report.evaluate takes an estimator as it takes the net in it."""
    from mxnet import gluon

    model = net().fit(X, LABELS)
    dataset = gluon.data.ArrayDataset(X, LABELS, GROUPS)
    of_net = mxfair.report.evaluate(model.net_, dataset, groups=GROUPS, name="model")
    of_model = mxfair.report.evaluate(model, X, LABELS, groups=GROUPS, name="model")
    pd.testing.assert_frame_equal(of_model.rates.drop(columns="auc"), of_net.rates.drop(columns="auc"))


def test_scores_of_members_of_a_frame_are_refused_in_words():
    """A data frame is no array of samples."""
    model = net().fit(X, LABELS)
    with pytest.raises(TypeError, match="got a data frame"):
        Ensemble([model.net_]).member_scores(pd.DataFrame(X))


def test_models_of_other_classes_have_no_spread():
    """Labels by name and by number cannot be compared."""
    models = [net().fit(X, LABELS), net().fit(X, np.where(LABELS, "yes", "no"))]
    with pytest.raises(ValueError, match="the same classes"):
        seed_spread(models, X, LABELS, GROUPS)


def test_a_bound_on_the_gap_needs_weights_that_are_chosen():
    """VotingClassifier(max_gap=) without weights="pareto" would bound nothing."""
    with pytest.raises(ValueError, match="unless weights='pareto'"):
        VotingClassifier([("one", net())], max_gap=0.1).fit(X, LABELS, groups=GROUPS)
