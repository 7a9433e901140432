"""GluonRegressor: a Gluon net as a scikit-learn regressor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mxfair.criterion import Criterion
from mxfair.estimator._kinds import Regressing
from mxfair.estimator._one_net import OneNet

__all__ = ["GluonRegressor"]


class GluonRegressor(Regressing, OneNet):
    """A Gluon net and its Trainer loop as a scikit-learn regressor.

    Parameters
    ----------
    net, optimizer, learning_rate, optimizer_params, epochs, batch_size, regularizers, callbacks
        As for `GluonClassifier`; the net has one output for each column of y.
    loss : gluon.loss.Loss or callable, optional
        Of (pred, label), or a `GroupLoss`; or a function that makes one. Default: half the squared error, ``L2Loss``.
    mitigation : str, object or list, optional
        As for `GluonClassifier`, for those that know regression targets: batches and weights (over bins of the target),
        ``"group_dro"``, steps, and penalties of distances between predictions, such as ``"hsic_penalty"`` (not those of
        gaps and of mutual information, which are of classes).
    criterion : str or Criterion, default="bounded_group_loss"
        What should be equal between groups, for mitigations that do not say so. Penalties, which compare no losses,
        then take demographic parity.
    early_stopping, validation_fraction, n_iter_no_change, tol, warm_start, ctx, verbose, random_state
        As for `GluonClassifier`.

    Attributes
    ----------
    net_, loss_, history_, callbacks_, n_iter_, steps_, n_features_in_, feature_names_in_
        As for `GluonClassifier`.

    Notes
    -----
    Neither features nor the target are scaled: use a pipeline with a ``StandardScaler``, and
    ``sklearn.compose.TransformedTargetRegressor`` for a target that is far from the size of 1.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.estimator import GluonRegressor
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> model = GluonRegressor("logistic", epochs=50, learning_rate=0.05, random_state=0).fit(X, X @ [1.0, -2.0])
    >>> model.score(X, X @ [1.0, -2.0]) > 0.99
    True
    """

    def __init__(
        self,
        net: Any = "mlp",
        *,
        loss: Any = None,
        optimizer: str = "adam",
        learning_rate: float = 0.001,
        optimizer_params: Mapping[str, Any] | None = None,
        epochs: int = 20,
        batch_size: int = 128,
        mitigation: Any = None,
        criterion: str | Criterion = "bounded_group_loss",
        regularizers: Sequence[Any] | None = None,
        callbacks: Sequence[Any] | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        warm_start: bool = False,
        ctx: Any = None,
        verbose: bool = False,
        random_state: Any = None,
    ) -> None:
        self.net = net
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.optimizer_params = optimizer_params
        self.epochs = epochs
        self.batch_size = batch_size
        self.mitigation = mitigation
        self.criterion = criterion
        self.regularizers = regularizers
        self.callbacks = callbacks
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.ctx = ctx
        self.verbose = verbose
        self.random_state = random_state
