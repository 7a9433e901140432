"""AdaBoostClassifier: nets one after another, each on the rows that those before it got wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair.ensemble._boosting import Boosting

__all__ = ["AdaBoostClassifier"]


class AdaBoostClassifier(Boosting):
    r"""AdaBoost of nets: each is trained on rows weighed by the errors of those before it, and they vote.

    With K classes, err the weighted share of rows that a net gets wrong and :math:`\nu` the learning rate,

    .. math:: \alpha = \nu \left( \log \frac{1 - err}{err} + \log (K - 1) \right), \qquad
        w_i \leftarrow w_i \exp(\alpha \, 1[h(x_i) \ne y_i])

    and the ensemble decides for the class with the largest sum of :math:`\alpha`. Boosting ends early where a net makes
    no error (its :math:`\alpha` is then 1, as in scikit-learn) or is no better than chance, err >= 1 - 1 / K: that net
    is left out, unless it is the first.

    Parameters
    ----------
    estimator : GluonClassifier, optional
        What members are made like. Its `random_state` is not used. A mitigation acts in each member's training, on
        weighted rows; one that is a loss of groups, or ``"sample_weighting"``, has no place beside the weights.
        Default: one hidden layer of 16 units, 10 epochs, learning rate .01.
    n_estimators : int, default=20
        Largest number of members.
    learning_rate : float, default=1.0
        Factor of each :math:`\alpha`.
    random_state : int, RandomState, Generator or None, default=None
        Seeds all members.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    net_ : Ensemble
        The members, as one net that votes.
    steps_ : list of Step
        The fitted preprocessing steps, where the template's mitigation holds some: `net_` expects what they return.
    n_estimators_ : int
        Number of members.
    estimator_weights_ : ndarray of float, shape (n_members,)
        The :math:`\alpha` of each.
    estimator_errors_ : ndarray of float, shape (n_members,)
        Its weighted error on the training rows.
    histories_ : list of History
        What happened in each training.

    Notes
    -----
    ``predict_proba`` is the share of votes, weighted by :math:`\alpha`, within 1e-7 of 0 and 1. It ranks; it is not
    calibrated.

    Rows are weighed in the loss rather than drawn by weight. Members that learn the training rows by heart leave
    nothing to boost: take small nets and few epochs.

    References
    ----------
    Zhu, Zou, Rosset and Hastie, "Multi-class AdaBoost", Statistics and Its Interface 2 (2009), algorithm 2 (SAMME).

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.ensemble import AdaBoostClassifier
    >>> X = np.random.default_rng(0).uniform(-1, 1, size=(300, 2))
    >>> y = np.where(X[:, 0] * X[:, 1] > 0, "same", "other")
    >>> model = AdaBoostClassifier(n_estimators=5, random_state=0).fit(X, y)
    >>> model.predict(X[:3]).shape
    (3,)
    >>> [round(float((stage == y).mean()), 1) >= 0.5 for stage in model.staged_predict(X)]
    [True, True, True, True, True]
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_estimators: int = 20,
        learning_rate: float = 1.0,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: Any = None, sample_weight: Any = None) -> AdaBoostClassifier:
        """Train members until there are enough, or one makes no error or is no better than chance.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            Numbers; float32 inside.
        y : array of shape (n_samples,)
            The target.
        groups : array of shape (n_samples,), column, columns or Groups, optional
            The group of each sample, for members with a mitigation that needs it.
        sample_weight : array of float, shape (n_samples,), optional
            The weights that boosting starts from; only ratios matter.

        Returns
        -------
        AdaBoostClassifier
            Itself.

        Raises
        ------
        InputError, InputTypeError, ValueError
            If an argument or a parameter cannot be used; before anything is trained.
        FloatingPointError
            If a member's training diverges.

        Warns
        -----
        UserWarning
            If the first member is no better than chance: then it is the only one.
        """
        with self._anew():
            data, plan, rng, template = self._prepared(X, y, groups, sample_weight)
            run = self._run(template, self._mitigated(data, plan, rng), plan, rng)
            for _ in range(self.n_estimators):
                taken = self._round(run)
                if taken is None or run.ended:
                    break
                decisions, _ = taken
                weight = run.weight * np.exp(run.alphas[-1] * (decisions != run.codes))
                run.weight = weight / weight.sum()
            self._finish(run, len(run.nets))
        return self
