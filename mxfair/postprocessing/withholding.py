"""Calibrated scores that are withheld for some rows, so that a cost of errors agrees between groups."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from mxfair._validation import InputError, InputTypeError, generator, same_length
from mxfair.postprocessing._base import check_probabilities, checked_scores
from mxfair.postprocessing._decisions import _TwoClasses

__all__ = ["CalibratedCostMixing"]


class CalibratedCostMixing(_TwoClasses):
    r"""Withhold the score of some rows of the better-off groups, so that a cost agrees and calibration stays.

    .. math:: s' = \mu_g \text{ with chance } \alpha_g, \text{ else } s, \qquad
        c_g = a \, E[s \mid y = 0, g] + b \, E[1 - s \mid y = 1, g]

    A group's scores are replaced by its base rate so often that its cost rises to that of the group with the highest,
    or as far as that raises it.

    Parameters
    ----------
    cost : tuple of two floats, default=(0, 1)
        a and b: the weights of false positives and of false negatives. (1, 0) and (0, 1) make the generalised false
        positive or false negative rates agree.
    positive : label, optional
        The class that the scores speak for. Default: the last of the two.

    Attributes
    ----------
    alphas_ : ndarray of shape (n_groups,)
        How often a score is withheld.
    base_rates_ : ndarray of shape (n_groups,)
    costs_ : ndarray of shape (n_groups, 2)
        The cost of each group before and after, the latter expected.

    Warns
    -----
    UserWarning
        In `fit`, if a group's cost stays below the highest even where all its scores are withheld.

    Notes
    -----
    Scores should be calibrated within groups: use `GroupCalibration` before. Only one cost can agree; calibrated scores
    with equal error rates of both kinds do not exist but in trivial cases (theorem 2 of the paper). The paper has two
    groups; here each group is raised to the one with the highest cost. Which rows lose their score is chance.

    References
    ----------
    Pleiss, Raghavan, Wu, Kleinberg and Weinberger, "On Fairness and Calibration", NeurIPS 2017, algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.postprocessing import CalibratedCostMixing
    >>> rng = np.random.default_rng(0)
    >>> groups = rng.choice(["a", "b"], 4000)
    >>> scores = np.where(groups == "a", rng.beta(1, 1, 4000), rng.beta(4, 4, 4000))
    >>> labels = (rng.random(4000) < scores).astype(int)
    >>> mixing = CalibratedCostMixing().fit(scores, labels, groups)
    >>> mixing.costs_.round(2).tolist(), mixing.alphas_.round(2).tolist()
    ([[0.34, 0.44], [0.44, 0.44]], [0.62, 0.0])
    """

    alphas_: np.ndarray
    base_rates_: np.ndarray
    costs_: np.ndarray

    def __init__(self, cost: tuple[float, float] = (0.0, 1.0), *, positive: Any = None) -> None:
        self.cost = cost
        self.positive = positive

    def fit(self, scores: Any, labels: Any, groups: Any, sample_weight: Any = None) -> CalibratedCostMixing:
        """Find how often scores are withheld, on held-out rows.

        Parameters
        ----------
        scores : array of shape (n_samples,)
            Probabilities of the positive class.
        labels : array of shape (n_samples,)
            Two classes.
        groups : array of shape (n_samples,), column, columns or Groups
            Rows of unknown group are left out.
        sample_weight : array of shape (n_samples,), optional

        Returns
        -------
        CalibratedCostMixing
            Itself.

        Raises
        ------
        InputError
            If the cost is no two numbers, scores are no probabilities, lengths differ, or a group lacks a label.
        """
        cost = self._cost()
        self._forget()
        check_probabilities(checked_scores(scores))
        values, positive, codes, weight = self._rows(scores, labels, groups, sample_weight)
        n_groups, mass = len(self.group_names_), np.ones(len(values)) if weight is None else weight
        sizes = np.bincount(2 * codes + positive, mass, minlength=2 * n_groups).reshape(-1, 2)
        if (sizes == 0).any():
            lost = self.group_names_[(sizes == 0).any(axis=1)][0]
            raise InputError(f"Every group must have rows of both labels; group '{lost}' has not. Leave it out.")
        errors = np.where(positive, 1 - values, values)
        means = np.bincount(2 * codes + positive, mass * errors, minlength=2 * n_groups).reshape(-1, 2) / sizes
        self.base_rates_ = sizes[:, 1] / sizes.sum(axis=1)
        before = means @ cost
        trivial = np.stack([self.base_rates_, 1 - self.base_rates_], axis=1) @ cost
        room = trivial - before
        need = before.max() - before
        # where its base rate costs a group less than its scores, withholding these widens the gap
        self.alphas_ = np.clip(np.divide(need, room, out=np.zeros_like(need), where=room > 0), 0, 1)
        after = before + self.alphas_ * room
        self.costs_ = np.stack([before, after], axis=1)
        short = after < before.max() - 1e-9
        if short.any():
            warnings.warn(
                f"The cost of group '{self.group_names_[short][0]}' stays at {after[short][0]:.3g}, below the highest, "
                f"{before.max():.3g}, however many of its scores are withheld: the costs cannot agree. Choose another "
                "cost.",
                stacklevel=2,
            )
        return self

    def transform(self, scores: Any, groups: Any, *, random_state: Any = None) -> np.ndarray:
        """Return the scores, some of them replaced by the group's base rate.

        Parameters
        ----------
        scores : array of shape (n_samples,)
            Probabilities.
        groups : array of shape (n_samples,), column, columns or Groups
            Fitted groups only.
        random_state : int or numpy Generator, optional
            Default: another draw in each call.

        Returns
        -------
        ndarray of float64, shape (n_samples,)

        Raises
        ------
        InputError
            If it is not fitted, a score is no probability, or a group was not fitted.
        """
        codes, values = self.group_codes(groups), checked_scores(scores)
        same_length(scores=values, groups=codes)
        check_probabilities(values)
        withheld = generator(random_state).random(len(values)) < self.alphas_[codes]
        return np.where(withheld, self.base_rates_[codes], values)

    def predict(self, scores: Any, groups: Any, *, random_state: Any = None) -> np.ndarray:
        """Return the decisions at a score of 1/2.

        Parameters
        ----------
        scores, groups, random_state
            As for `transform`.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        positive = self.transform(scores, groups, random_state=random_state) > 0.5
        return self._labels(positive)

    def predict_proba(self, scores: Any, groups: Any, *, random_state: Any = None) -> np.ndarray:
        """Return the scores of both classes, some withheld.

        Parameters
        ----------
        scores, groups, random_state
            As for `transform`.

        Returns
        -------
        ndarray of shape (n_samples, 2)
        """
        return self._pair(self.transform(scores, groups, random_state=random_state))

    def as_block(self) -> Any:
        """Raise: a block draws no numbers.

        Returns
        -------
        gluon.HybridBlock
            Never.
        """
        raise InputError("CalibratedCostMixing must be applied to arrays: a block draws no numbers. Use transform.")

    #: Calibrated scores are probabilities.
    _method = "predict_proba"

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "costs_")

    def _check_options(self) -> None:
        self._cost()

    def _cost(self) -> np.ndarray:
        try:
            cost = np.array(self.cost, dtype=float)
        except (TypeError, ValueError) as error:
            raise InputTypeError(f"'cost' must be two numbers; got {self.cost!r}.") from error
        if cost.shape != (2,) or not np.isfinite(cost).all() or (cost < 0).any() or not cost.sum() > 0:
            raise InputError(
                f"'cost' must be two numbers, not negative and not both 0; got {self.cost!r}. (0, 1) is for false "
                "negatives."
            )
        return cost
