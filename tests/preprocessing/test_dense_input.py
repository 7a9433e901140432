"""Sparse matrices, and sensitive columns that are all there is, are refused in words that help."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from mxfair._validation import InputError
from mxfair.preprocessing import (
    ByGroup,
    CellSMOTE,
    CorrelationRemover,
    DisparateImpactRemover,
    FairRepresentation,
    GroupMixup,
    OneHotEncoder,
    OrdinalEncoder,
    ProxySuppressor,
    StandardScaler,
    missingness_report,
    proxy_report,
)

X, Y, GROUPS = np.eye(6), [0, 1, 0, 1, 0, 1], list("aabbab")
STEPS = [
    ByGroup(StandardScaler(), sensitive=[0]),
    CorrelationRemover([0]),
    DisparateImpactRemover(sensitive=[0]),
    FairRepresentation(2, sensitive=[0]),
    ProxySuppressor(0.5, sensitive=[0]),
]
USES = {
    **{
        type(step).__name__: lambda X, step=step: step.fit(X, Y) for step in [*STEPS, OneHotEncoder(), OrdinalEncoder()]
    },
    "CellSMOTE": lambda X: CellSMOTE().fit_resample(X, Y, GROUPS),
    "GroupMixup": lambda X: GroupMixup(X, Y, GROUPS, batch_size=4),
    "missingness_report": lambda X: missingness_report(X, GROUPS),
    "proxy_report": lambda X: proxy_report(X, GROUPS),
}


@pytest.mark.parametrize("name", USES)
@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_array])
def test_a_sparse_matrix_is_refused_and_the_cure_told(name, kind):
    """It is never taken for an array without rows."""
    with pytest.raises(InputError, match="must be dense; got a sparse"):
        USES[name](kind(X))


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_a_feature_must_be_left(step):
    """A step of sensitive columns only has nothing to do."""
    with pytest.raises(InputError, match="must leave a feature"):
        type(step)(**{**step.get_params(deep=False), "sensitive": [0, 1]}).fit(X[:, :2], Y)
