"""Decisions that are drawn anew for some rows, so that errors agree between groups."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import InputError, InputTypeError, generator, labels_vector, same_length
from mxfair.criterion import Criterion, criterion_named
from mxfair.postprocessing._choice import Chooser
from mxfair.postprocessing._curves import Curve
from mxfair.postprocessing._decisions import _TwoClasses
from mxfair.postprocessing._goals import Objective, Rates

__all__ = ["EqualizedOddsMixing"]


class _Corners(Curve):
    """What can be made of decisions: nobody is selected, they are kept, they are reversed, everybody is selected."""

    def hull(self) -> np.ndarray:
        return np.arange(4)


class EqualizedOddsMixing(_TwoClasses):
    r"""Reverse some decisions at random, by group, so that a criterion's rates agree at the best objective.

    .. math:: P(\hat y' = 1 \mid \hat y, g) = p_{g \hat y}

    It needs decisions alone, where `GroupThresholds` needs scores, with which more can be reached.

    Parameters
    ----------
    criterion : str or Criterion, default="equalized_odds"
        The rates that should agree, as in `GroupThresholds`.
    objective : str, Rate or array of shape (2, 2), default="accuracy"
        What is optimised, as in `GroupThresholds`.
    max_gap : float, default=0
        The largest gap allowed of expected rates.
    positive : label, optional
        The class that counts as positive. Default: the last of the two.

    Attributes
    ----------
    chances_ : ndarray of shape (n_groups, 2)
        The chance of a positive decision where the given one is negative, and where it is positive.
    classes_, counts_, objective_, gap_
        As in `GroupThresholds`.

    Notes
    -----
    A linear program with four corners for each group, for any number of groups. Decisions whose rates lie on the
    diagonal in one group (which tell nothing there) leave only decisions at random for all.

    References
    ----------
    Hardt, Price and Srebro, "Equality of Opportunity in Supervised Learning", NeurIPS 2016, section 4.1.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.postprocessing import EqualizedOddsMixing
    >>> labels, groups = np.tile([0, 1], 200), np.repeat(["a", "b"], 200)
    >>> preds = np.where(np.arange(400) % 10 < 2, 1 - labels, labels)
    >>> preds[::8] = 1
    >>> preds[200::6] = 0
    >>> mixing = EqualizedOddsMixing().fit(preds, labels, groups)
    >>> bool(mixing.gap_ < 1e-6)
    True
    >>> mixing.predict(preds, groups, random_state=0).shape
    (400,)
    """

    chances_: np.ndarray
    counts_: np.ndarray
    objective_: float
    gap_: float

    def __init__(
        self,
        criterion: str | Criterion = "equalized_odds",
        objective: Any = "accuracy",
        *,
        max_gap: float = 0.0,
        positive: Any = None,
    ) -> None:
        self.criterion = criterion
        self.objective = objective
        self.max_gap = max_gap
        self.positive = positive

    def fit(self, preds: Any, labels: Any, groups: Any, sample_weight: Any = None) -> EqualizedOddsMixing:
        """Choose the chances on held-out rows.

        Parameters
        ----------
        preds, labels : array of shape (n_samples,)
            Decisions and true labels, of the same two classes.
        groups : array of shape (n_samples,), column, columns or Groups
            Rows of unknown group are left out.
        sample_weight : array of shape (n_samples,), optional

        Returns
        -------
        EqualizedOddsMixing
            Itself.

        Raises
        ------
        InputError
            If an option is out of range, lengths differ, values are missing, or a group lacks what a rate needs.
        """
        criterion = self._checked()
        self._forget()
        given, truth = labels_vector(preds, "preds"), labels_vector(labels)
        same_length(preds=given, labels=truth)
        self._learn_classes(np.unique(truth))
        decided = self._decided(given)
        values, positive, codes, weight = self._rows(decided.astype(float), labels, groups, sample_weight)
        names, mass = self.group_names_.tolist(), np.ones(len(values)) if weight is None else weight
        cells = np.bincount(codes * 4 + positive * 2 + (values > 0), mass, minlength=4 * len(names)).reshape(-1, 2, 2)
        rates = Rates(criterion, self.positive_place_)
        curves: list[Curve] = [_corners(table) for table in cells]
        if len(names) > 1:
            rates.check_defined(curves, names, self.classes_[self.positive_place_])
        chooser = Chooser(
            Objective(self.objective, rates.place), rates, curves, names=names, randomized=True, selection_rate=None
        )
        choice = chooser.choose(float(self.max_gap))
        corner = np.where(choice.shares > 0, choice.thresholds, 0).astype(int)
        self.chances_ = np.stack([(choice.shares * (corner // 2)).sum(1), (choice.shares * (corner % 2)).sum(1)], 1)
        self.chances_ = np.clip(self.chances_ / choice.shares.sum(axis=1, keepdims=True), 0, 1)
        self.counts_ = choice.counts if self.positive_place_ else choice.counts[:, ::-1, ::-1]
        self.objective_, self.gap_ = float(choice.objective), float(choice.gap)
        return self

    def predict(self, preds: Any, groups: Any, *, random_state: Any = None) -> np.ndarray:
        """Return decisions, some of them drawn anew.

        Parameters
        ----------
        preds : array of shape (n_samples,)
            Decisions, of the fitted classes.
        groups : array of shape (n_samples,), column, columns or Groups
            Fitted groups only.
        random_state : int or numpy Generator, optional
            Default: another draw in each call.

        Returns
        -------
        ndarray of shape (n_samples,)

        Raises
        ------
        InputError
            If it is not fitted, a decision is of another class, or a group was not fitted.
        """
        chances = self.transform(preds, groups)
        drawn = generator(random_state).random(len(chances)) < chances
        return self._labels(drawn)

    def predict_proba(self, preds: Any, groups: Any) -> np.ndarray:
        """Return the probability of each decision.

        Parameters
        ----------
        preds, groups
            As for `predict`.

        Returns
        -------
        ndarray of shape (n_samples, 2)
            In the order of `classes_`.
        """
        return self._pair(self.transform(preds, groups))

    def transform(self, preds: Any, groups: Any) -> np.ndarray:
        """Return the chance of a positive decision.

        Parameters
        ----------
        preds, groups
            As for `predict`.

        Returns
        -------
        ndarray of float64, shape (n_samples,)
        """
        decided, codes = self._given(preds, groups)
        return np.asarray(self.chances_[codes, decided])

    def as_block(self, *, boundary: float = 0.0) -> Any:
        """Return a Gluon block of (scores, group codes) that gives the chance of a positive decision.

        Parameters
        ----------
        boundary : float, default=0
            The score above which the decision is positive: 0 for log-odds, 0.5 for probabilities.

        Returns
        -------
        gluon.HybridBlock
            NaN for a code that was not fitted.

        Raises
        ------
        InputError
            If it is not fitted.
        """
        self._check_fitted()
        from mxfair.postprocessing._calibration_block import FlipBlock

        return FlipBlock(self.chances_, float(boundary))

    #: Decisions are asked for, and log-odds in a block.
    _method = "predict"

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "gap_")

    def _check_options(self) -> None:
        self._checked()

    def _checked(self) -> Criterion:
        criterion = criterion_named(self.criterion)
        _share(self.max_gap, "max_gap", np.inf)
        Rates(criterion, 1), Objective(self.objective, 1)  # they check
        return criterion

    def _decided(self, preds: np.ndarray) -> np.ndarray:
        known = np.isin(preds, self.classes_)
        if not known.all():
            raise InputError(
                f"'preds' must be of the classes {self.classes_.tolist()}; got {preds[~known][0]!r}. Give decisions, "
                "or scores to GroupThresholds."
            )
        return np.asarray(preds == self.classes_[self.positive_place_])

    def _given(self, preds: Any, groups: Any) -> tuple[np.ndarray, np.ndarray]:
        codes = self.group_codes(groups)
        decided = self._decided(labels_vector(preds, "preds"))
        same_length(preds=decided, groups=codes)
        return decided.astype(int), codes


def _corners(table: np.ndarray) -> _Corners:
    """Return the corners of a group's table by label and decision: 2 p0 + p1 is the number of one."""
    (neither, false), (missed, hits) = table
    return _Corners(
        np.arange(4.0),
        np.array([0.0, hits, missed, hits + missed]),
        np.array([0.0, false, neither, false + neither]),
    )


def _share(value: Any, name: str, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise InputTypeError(f"'{name}' must be a number; got {value!r}.")
    if not 0 <= value <= most:
        raise InputError(f"'{name}' must be between 0 and {most:g}; got {value}.")
