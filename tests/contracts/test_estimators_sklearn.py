"""What scikit-learn asks of an estimator, of ours in several settings."""

from __future__ import annotations

import pytest

pytest.importorskip("mxnet")

from _estimator_exceptions import EXCEPTIONS, WITH_STEPS, verdict

from mxfair.estimator import GluonClassifier, GluonRegressor
from mxfair.preprocessing import StandardScaler

SETTINGS = {
    "plain": ({"net": (8,), "epochs": 25}, EXCEPTIONS),
    "early stopping": ({"net": (8,), "epochs": 40, "early_stopping": True, "validation_fraction": 0.3}, EXCEPTIONS),
    "steps": ({"net": (8,), "epochs": 25, "mitigation": StandardScaler()}, {**EXCEPTIONS, **WITH_STEPS}),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "setting"),
    [
        (GluonClassifier, "plain"),
        (GluonClassifier, "steps"),
        (GluonRegressor, "plain"),
        (GluonRegressor, "early stopping"),
    ],
    ids=lambda part: part if isinstance(part, str) else part.__name__,
)
def test_estimators_do_what_scikit_learn_asks(kind, setting):
    """All of scikit-learn's checks pass but those of the table, and each of these fails."""
    params, expected = SETTINGS[setting]
    unexpected, mended = verdict(kind(learning_rate=0.03, random_state=0, **params), expected)
    assert unexpected == {}
    assert mended == []
