"""MMD and correlation penalties against the values and gradients that TensorFlow Model Remediation publishes.

They stand in tensorflow_model_remediation/min_diff/losses: mmd_loss_test.py, adjusted_mmd_loss_test.py and
absolute_correlation_loss_test.py (Copyright 2020 and 2022 Google LLC, Apache License 2.0). There kernels have length
.1, and are of sigmoid(predictions).
"""

from __future__ import annotations

import mxnet as mx
import numpy as np
import pytest

from mxfair.loss import CorrelationPenalty, MMDPenalty

GROUP = [1, 0, 1, 0, 1]
ALONG, AGAINST = [0.3, 0.1, 0.86, 0.06, 0.75], [0.12, 0.7, 0.2, 0.86, 0.32]
MMD = [
    ("gaussian", False, ALONG, 1.083264),
    ("gaussian", False, AGAINST, 1.464054),
    ("gaussian", True, ALONG, 8.627618),
    ("gaussian", True, AGAINST, 23.2143),
    ("laplace", False, ALONG, 0.970659),
    ("laplace", False, AGAINST, 1.119343),
    ("laplace", True, ALONG, 6.4339886),
    ("laplace", True, AGAINST, 7.7721),
]
#: Five weighted samples; a weight that is a multiple of .1 is as many copies of the sample.
WEIGHTS = [1.0, 2.0, 2.5, 1.2, 0.9]
WEIGHTED = [
    ("gaussian", ALONG, 1.293555),
    ("gaussian", AGAINST, 1.481506),
    ("laplace", ALONG, 1.122741),
    ("laplace", AGAINST, 1.159840),
]
GRADIENTS = {
    "gaussian": [-0.85786223, -1.8886726, 1.1220325, 0.5379708, -0.02113436],
    "laplace": [-0.40014654, -0.7467264, 0.39164954, 0.10974818, 0.08942482],
}


def value_and_gradient(penalty, pred, group):
    """Return the penalty of a batch and its derivative by the outputs."""
    pred = mx.nd.array(pred)
    pred.attach_grad()
    with mx.autograd.record():
        out = penalty(pred, mx.nd.zeros(len(pred)), mx.nd.array(group)).mean()
    out.backward()
    return float(out.asscalar()), pred.grad.asnumpy()


def repeated(values):
    """Return each of five values as often as its weight says."""
    return np.repeat(values, np.round(np.multiply(WEIGHTS, 10)).astype(int))


def mindiff(kernel, *, adjusted=False, **options):
    """Return the penalty with MinDiff's settings."""
    options = {"exact": True, **options}
    return MMDPenalty(
        "demographic_parity", 2, kernel=kernel, adjusted=adjusted, scale_free=False, link="sigmoid", **options
    )


@pytest.mark.parametrize(("kernel", "adjusted", "pred", "published"), MMD)
def test_discrepancies_are_those_published(kernel, adjusted, pred, published):
    """Exact discrepancies, adjusted or not, are MMDLoss's and AdjustedMMDLoss's."""
    value, _ = value_and_gradient(mindiff(kernel, adjusted=adjusted), pred, GROUP)
    assert value == pytest.approx(published, rel=1e-5)


@pytest.mark.parametrize(("kernel", "pred", "published"), WEIGHTED)
def test_weighted_discrepancies_are_those_of_repeated_samples(kernel, pred, published):
    """A weight is a number of copies: MMDLoss with weights is the penalty of the copies."""
    value, _ = value_and_gradient(mindiff(kernel), repeated(pred), repeated(GROUP))
    assert value == pytest.approx(published, rel=1e-5)


@pytest.mark.parametrize("kernel", GRADIENTS)
def test_gradients_are_those_published(kernel):
    """The gradient by v of the discrepancy of sigmoid(3 v) is MMDLoss's, summed over copies of weighted samples."""
    pred = 3 * np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    _, gradient = value_and_gradient(mindiff(kernel), repeated(pred), repeated(GROUP))
    which = repeated(np.arange(5))
    summed = 3 * np.bincount(which, weights=gradient)
    np.testing.assert_allclose(summed, GRADIENTS[kernel], rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize(("kernel", "adjusted", "pred", "published"), MMD)
def test_interpolated_kernels_approach_the_exact_one(kernel, adjusted, pred, published):
    """With 257 knots the discrepancy is within 2 % of the published; adjusted, with its small divisor, within 10 %."""
    value, _ = value_and_gradient(mindiff(kernel, adjusted=adjusted, exact=False, knots=257), pred, GROUP)
    assert value == pytest.approx(published, rel=0.1 if adjusted else 0.02)


@pytest.mark.parametrize(("pred", "published"), [(ALONG, 0.823209), (AGAINST, 0.959671)])
def test_the_correlation_is_the_square_of_the_published_one(pred, published):
    """The root of the penalty is AbsoluteCorrelationLoss."""
    value, _ = value_and_gradient(CorrelationPenalty("demographic_parity", 2, link="identity"), pred, GROUP)
    assert value**0.5 == pytest.approx(published, rel=1e-4)


@pytest.mark.parametrize(("pred", "published"), [(ALONG, 0.872562), (AGAINST, 0.967827)])
def test_weighted_correlations_are_those_of_repeated_samples(pred, published):
    """A weight is a number of copies, for AbsoluteCorrelationLoss too."""
    penalty = CorrelationPenalty("demographic_parity", 2, link="identity")
    value, _ = value_and_gradient(penalty, repeated(pred), repeated(GROUP))
    assert value**0.5 == pytest.approx(published, rel=1e-4)
