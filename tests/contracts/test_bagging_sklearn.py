"""What scikit-learn asks of an estimator, of bagging."""

from __future__ import annotations

import pytest

pytest.importorskip("mxnet")

from _estimator_exceptions import EXCEPTIONS, verdict

from mxfair.ensemble import BaggingClassifier, BaggingRegressor
from mxfair.estimator import GluonClassifier, GluonRegressor

OPTIONS = {"epochs": 20, "learning_rate": 0.1, "batch_size": 16}
#: Rounding of float32, by the number of rows that pass together: whether it is seen hangs on the data.
ROUNDING = {
    "check_methods_subset_invariance": "one row and many are other sums: to 1e-6, the check asks for 1e-7",
    "check_methods_sample_order_invariance": "as above",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_bagging_does_what_scikit_learn_asks(kind):
    """All of scikit-learn's checks pass but those of the table and the two that rounding decides."""
    if kind == "classifier":
        model = BaggingClassifier(GluonClassifier("logistic", **OPTIONS), 2, random_state=0)
    else:
        model = BaggingRegressor(GluonRegressor("logistic", **OPTIONS), 2, random_state=0)
    unexpected, mended = verdict(model, {**EXCEPTIONS, **ROUNDING})
    assert unexpected == {}
    assert set(mended) <= set(ROUNDING)
