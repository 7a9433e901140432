"""BaggingClassifier and BaggingRegressor: nets on bootstrap samples of the rows, as one estimator."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, r2_score

from mxfair._validation import one_of
from mxfair.criterion import Criterion, criterion_named
from mxfair.ensemble._bagging import Bagging
from mxfair.ensemble._estimator import EnsembleClassifying, EnsembleRegressing
from mxfair.estimator._job import TrainingData

__all__ = ["BaggingClassifier", "BaggingRegressor"]


class BaggingClassifier(EnsembleClassifying, Bagging):
    r"""Nets trained on bootstrap samples of the rows, and the mean of their probabilities.

    .. math:: \bar p(x) = \frac{1}{K} \sum_{k=1}^K p_k(x)

    The members are what a `GluonClassifier` is, its mitigation included: fair bagging is a template with a mitigation.
    Each sees its own bootstrap sample, in which every (label, group) cell has as many rows as in the data: no member
    is without one, however small.

    Parameters
    ----------
    estimator : GluonClassifier, optional
        The template of the members. Its `random_state` and `warm_start` are not used. Default: ``GluonClassifier()``.
    n_estimators : int, default=10
        Members.
    max_samples : int or float, default=1.0
        Rows of each member, as a number or as a share of all.
    max_features : int or float, default=1.0
        Columns of each member, as a number or as a share of all; below 1.0 these are random subspaces.
    bootstrap : bool, default=True
        Whether rows are drawn with replacement.
    bootstrap_features : bool, default=False
        Whether columns are.
    stratify : {"cells", "label"} or None, default="cells"
        Draw from each (label, group) cell, or from each label, its share of the rows and at least one; None: from all
        rows at once. Without groups cells are labels.
    oob_score : bool, default=False
        Whether to predict each row by the members that were not trained on it; see `oob_report`.
    combine : {"probability", "vote", "score"}, default="probability"
        The mean of the members' probabilities, the share of their decisions, or the mean of their outputs.
    fused : "auto" or bool, default="auto"
        Train the members side by side in one graph (`mxfair.training.fit_together`): several times as fast, equal to
        rounding. "auto" does where the template allows it, True insists on it.
    warm_start : bool, default=False
        Whether `fit` keeps the members that are there and adds those that are missing from `n_estimators`.
    random_state : int, RandomState, Generator or None, default=None
        Seeds all rows, columns, initial weights and batches. Each member has random numbers of its own: member 3 of ten
        is member 3 of twenty.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    net_ : Ensemble
        All members as one net.
    nets_ : tuple of gluon.HybridBlock
        The members.
    estimators_samples_ : list of ndarray
        The rows that each member was trained on, in order, repeated where they are.
    estimators_features_ : list of ndarray
        The columns that each member sees, after preprocessing steps.
    histories_ : list of History
        What happened in each member's epochs.
    oob_score_ : float
        Accuracy over the out-of-bag rows, weighted with `sample_weight`.
    oob_decision_function_ : ndarray of shape (n_samples, n_classes)
        Probabilities of each row by the members that were not trained on it, NaN where there is none.
    oob_prediction_ : ndarray of shape (n_samples without the missing ones,)
        The classes that follow, of the rows that have a member.
    oob_rows_ : ndarray of int
        These rows.
    n_oob_missing_ : int
        How many rows have none: they are in no out-of-bag figure.
    steps_ : list of Step
        The fitted preprocessing steps, where the template's mitigation holds some.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str
        Names of the features, where `fit` was given a data frame.

    See Also
    --------
    mxfair.ensemble.Ensemble : What `net_` is.

    Notes
    -----
    Preprocessing steps are fitted once, on all rows; all other mitigations are applied to each member's own rows, so
    that out-of-bag rows are in none of them. `net_` expects what `steps_` return. With early stopping a member's
    held-out rows are set aside before its rows are drawn, and are not out-of-bag for it.

    Members with callbacks, early stopping, `max_gap` or an adversary are trained one after another. Memory holds the
    rows of all members at once.

    References
    ----------
    Breiman, "Bagging predictors", Machine Learning 24 (1996). Ho, "The random subspace method for constructing decision
    forests", IEEE TPAMI 20 (1998).

    Examples
    --------
    >>> import mxfair
    >>> from mxfair.ensemble import BaggingClassifier
    >>> from mxfair.estimator import GluonClassifier
    >>> from sklearn.preprocessing import StandardScaler
    >>> data = mxfair.datasets.load_german_credit()
    >>> X = StandardScaler().fit_transform(data.data.select_dtypes("number"))
    >>> net = GluonClassifier("logistic", epochs=10, learning_rate=0.01, mitigation="fairbatch")
    >>> model = BaggingClassifier(net, n_estimators=20, oob_score=True, random_state=0)
    >>> model = model.fit(X, data.target, groups=data.groups["sex"])
    >>> model.predict_proba(X).shape, model.n_oob_missing_
    ((1000, 2), 0)
    >>> report = model.oob_report(seed=0)
    >>> report.loc[("equalized_odds", "difference", ""), ["value", "low", "high"]].between(0, 1).all()
    True
    """

    def __init__(
        self,
        estimator: Any = None,
        n_estimators: int = 10,
        *,
        max_samples: float = 1.0,
        max_features: float = 1.0,
        bootstrap: bool = True,
        bootstrap_features: bool = False,
        stratify: str | None = "cells",
        oob_score: bool = False,
        combine: str = "probability",
        fused: bool | str = "auto",
        warm_start: bool = False,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.max_samples = max_samples
        self.max_features = max_features
        self.bootstrap = bootstrap
        self.bootstrap_features = bootstrap_features
        self.stratify = stratify
        self.oob_score = oob_score
        self.combine = combine
        self.fused = fused
        self.warm_start = warm_start
        self.random_state = random_state

    def _combine(self) -> str:
        return one_of(self.combine, ("probability", "vote", "score"), "combine")

    def _oob_criteria(self) -> Any:
        return self.criterion if isinstance(criterion_named(self.criterion, losses=True), Criterion) else None

    def _oob_options(self) -> dict[str, Any]:
        return {"classes": self.classes_, "positive": self.positive, "task": "classification"}

    def _take_oob(self, output: np.ndarray, rows: np.ndarray, data: TrainingData) -> tuple[np.ndarray, np.ndarray]:
        table = np.full((len(data), len(self.classes_)), np.nan)
        table[rows] = self._probabilities_of(output)
        labels = self.classes_[data.target[rows].astype(int)]
        preds = self._labels_of(self._decision_of(output))
        self.oob_decision_function_, self.oob_prediction_, self.oob_rows_ = table, preds, rows
        weight = None if data.weight is None else data.weight[rows]
        self.oob_score_ = float(accuracy_score(labels, preds, sample_weight=weight))
        return labels, preds


class BaggingRegressor(EnsembleRegressing, Bagging):
    """Nets trained on bootstrap samples of the rows, and the mean of their predictions.

    Parameters
    ----------
    estimator : GluonRegressor, optional
        The template of the members. Its `random_state` and `warm_start` are not used. Default: ``GluonRegressor()``.
    n_estimators, max_samples, max_features, bootstrap, bootstrap_features, oob_score, fused, warm_start, random_state
        As for `BaggingClassifier`.
    stratify : {"cells"} or None, default="cells"
        Draw from each group its share of the rows and at least one; None: from all rows at once.

    Attributes
    ----------
    oob_score_ : float
        R^2 over the out-of-bag rows, weighted with `sample_weight`.
    oob_prediction_ : ndarray of shape (n_samples,) or (n_samples, n_columns)
        Prediction of each row by the members that were not trained on it, NaN where there is none.
    net_, nets_, estimators_samples_, estimators_features_, histories_, oob_rows_, n_oob_missing_, steps_
        As for `BaggingClassifier`, as are `n_features_in_` and `feature_names_in_`.

    References
    ----------
    Breiman, "Bagging predictors", Machine Learning 24 (1996).

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.ensemble import BaggingRegressor
    >>> from mxfair.estimator import GluonRegressor
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> net = GluonRegressor("logistic", epochs=50, learning_rate=0.05)
    >>> model = BaggingRegressor(net, n_estimators=20, oob_score=True, random_state=0).fit(X, X @ [1.0, -2.0])
    >>> model.oob_score_ > 0.99
    True
    """

    def __init__(
        self,
        estimator: Any = None,
        n_estimators: int = 10,
        *,
        max_samples: float = 1.0,
        max_features: float = 1.0,
        bootstrap: bool = True,
        bootstrap_features: bool = False,
        stratify: str | None = "cells",
        oob_score: bool = False,
        fused: bool | str = "auto",
        warm_start: bool = False,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.max_samples = max_samples
        self.max_features = max_features
        self.bootstrap = bootstrap
        self.bootstrap_features = bootstrap_features
        self.stratify = stratify
        self.oob_score = oob_score
        self.fused = fused
        self.warm_start = warm_start
        self.random_state = random_state

    def _combine(self) -> str:
        return "score"

    def _oob_options(self) -> dict[str, Any]:
        return {"task": "regression"}

    def _take_oob(self, output: np.ndarray, rows: np.ndarray, data: TrainingData) -> tuple[np.ndarray, np.ndarray]:
        preds = self._values_of(output)
        self.oob_prediction_ = np.full((len(data), *preds.shape[1:]), np.nan)
        self.oob_prediction_[rows], self.oob_rows_ = preds, rows
        labels = data.target[rows].astype(np.float64)
        weight = None if data.weight is None else data.weight[rows]
        self.oob_score_ = float(r2_score(labels, preds, sample_weight=weight))
        return labels, preds
