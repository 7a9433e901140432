"""GradientBoostingClassifier and GradientBoostingRegressor: nets one after another, each fitted to what is left."""

from __future__ import annotations

from typing import Any

from mxfair.ensemble._gradient_boosting import GradientBoosting
from mxfair.ensemble._staged import StagedClassifying, StagedRegressing

__all__ = ["GradientBoostingClassifier", "GradientBoostingRegressor"]


class GradientBoostingClassifier(GradientBoosting, StagedClassifying):
    r"""Gradient boosting of nets: each is fitted to the gradient of the log loss, and added after a line search.

    From the base rates' scores F on, each stage fits a net h by squared error to the negative gradient, label minus
    probability, and takes

    .. math:: \rho = \arg\min_\rho \sum_i w_i L(y_i, F(x_i) + \rho \, h(x_i)), \qquad F \leftarrow F + \nu \rho \, h

    with the learning rate :math:`\nu`. Two classes have one score, more have one each, of one net with as many outputs.

    Parameters
    ----------
    estimator : GluonRegressor, optional
        What nets are made like. Its `random_state` is not used. Of mitigations it may have preprocessing steps,
        reweighing, massaging and CellSMOTE. Default: one hidden layer of 16 units, 10 epochs, learning rate .01.
    n_estimators : int, default=50
        Largest number of stages.
    learning_rate : float, default=0.1
        Factor of each step.
    subsample : float, default=1.0
        Share of the training rows that a stage is fitted to, drawn anew without replacement from those with a weight.
    early_stopping : bool, default=False
        Hold out rows, the same share of each (label, group) cell; stop when their loss has not fallen by `tol` for
        `n_iter_no_change` stages, and keep the stages up to its smallest value.
    validation_fraction : float, default=0.1
        Share of the rows that are held out.
    n_iter_no_change : int, default=5
        Stages without improvement.
    tol : float, default=1e-4
        What counts as an improvement of the loss.
    random_state : int, RandomState, Generator or None, default=None
        Seeds all nets, what is drawn and what is held out.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    net_ : Ensemble
        The nets as one: weighted sum plus the base score.
    steps_ : list of Step
        The fitted preprocessing steps, where the template's mitigation holds some: `net_` expects what they return.
    n_estimators_ : int
        Number of stages.
    estimator_weights_ : ndarray of float, shape (n_members,)
        :math:`\nu \rho` of each stage.
    train_score_ : ndarray of float, shape (n_stages,)
        Mean log loss of the training rows after each stage that ran, in nats: smaller is better.
    validation_score_ : ndarray of float, shape (n_stages,)
        That of the held-out rows, with ``early_stopping=True``.
    histories_ : list of History
        What happened in each stage's training.

    Notes
    -----
    The gradient is plain, and one step serves all rows: algorithm 1 of the paper. (Its steps for each leaf of a tree
    have no counterpart in a net; Newton's residuals, divided by p (1 - p), are large where the ensemble is sure and
    wrong, and a net fitted to them chases single rows.) Residuals are divided by their root mean square before a net is
    fitted: the line search gives their size back, and the nets' learning rate suits every stage. On log-odds a step
    is at most 16 times a net's output, since rows that a net separates have no best one.

    References
    ----------
    Friedman, "Greedy function approximation: a gradient boosting machine", Annals of Statistics 29 (2001), algorithm 1.
    Friedman, "Stochastic gradient boosting", Computational Statistics and Data Analysis 38 (2002), for `subsample`.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.ensemble import GradientBoostingClassifier
    >>> X = np.random.default_rng(0).normal(size=(300, 2))
    >>> y = (X ** 2).sum(axis=1) > 2
    >>> model = GradientBoostingClassifier(n_estimators=5, learning_rate=0.5, random_state=0).fit(X, y)
    >>> bool(model.train_score_[-1] < model.train_score_[0]), len(list(model.staged_predict(X)))
    (True, 5)
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_estimators: int = 50,
        learning_rate: float = 0.1,
        subsample: float = 1.0,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        tol: float = 1e-4,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.subsample = subsample
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.random_state = random_state


class GradientBoostingRegressor(GradientBoosting, StagedRegressing):
    """Gradient boosting of nets for squared error: each is fitted to the residuals of those before it.

    Parameters
    ----------
    estimator, n_estimators, learning_rate, subsample, early_stopping, validation_fraction
        As for `GradientBoostingClassifier`. Held-out rows are the same share of each group.
    n_iter_no_change, tol, random_state
        As for `GradientBoostingClassifier`.

    Attributes
    ----------
    net_, steps_, n_estimators_, estimator_weights_, histories_
        As for `GradientBoostingClassifier`.
    train_score_, validation_score_ : ndarray of float, shape (n_stages,)
        Mean squared error, summed over the columns of y.

    Notes
    -----
    Since residuals are divided by their size, y may have any unit. Several columns of y share nets and steps: give them
    units in which they count alike.

    References
    ----------
    As for `GradientBoostingClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.ensemble import GradientBoostingRegressor
    >>> X = np.random.default_rng(0).normal(size=(300, 2))
    >>> y = 1000 * X[:, 0] ** 2
    >>> model = GradientBoostingRegressor(n_estimators=20, learning_rate=0.5, random_state=0).fit(X, y)
    >>> bool(model.score(X, y) > 0.8)
    True
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_estimators: int = 50,
        learning_rate: float = 0.1,
        subsample: float = 1.0,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        tol: float = 1e-4,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.subsample = subsample
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.random_state = random_state
