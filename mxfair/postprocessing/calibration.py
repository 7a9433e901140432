"""Calibration by group: a score of 0.7 then means the same in every group."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit, log_expit, softmax

from mxfair._validation import InputError, labels_vector, one_of, positive_integer
from mxfair.groups import Groups
from mxfair.metric.calibration import expected_calibration_error
from mxfair.postprocessing import _calibrators as c
from mxfair.postprocessing import _distribution
from mxfair.postprocessing._base import (
    PostProcessor,
    check_probabilities,
    checked_matrix,
    checked_rows,
    checked_scores,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GroupCalibration"]

#: Ways to calibrate.
METHODS = ("platt", "isotonic", "temperature", "beta")


class GroupCalibration(PostProcessor):
    r"""Calibrate scores within each group, so that they mean the same in all of them.

    .. math:: s' = \sigma(a_g z + c_g), \quad \sigma(z / T_g), \quad
        \sigma(a_g \ln s - b_g \ln(1 - s) + c_g), \quad \text{or isotonic in } s

    with the score s as a probability, and z its log-odds.

    Parameters
    ----------
    method : {"platt", "isotonic", "temperature", "beta"}, default="platt"
        A sigmoid with slope and intercept; any increasing map (needs some thousand rows); one temperature, which
        leaves a score of 1/2 as it is, for several classes too; a sigmoid with a slope for either side.
    scores : {"probability", "log_odds"}, default="probability"
        What is given: probabilities, or log-odds of two classes and logits of more.
    min_samples : int, default=100
        A group with fewer rows, or without rows of both labels, is calibrated as all rows together are.
    positive : label, optional
        The class that the scores of two classes speak for. Default: the last.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    pooled_ : ndarray of bool, shape (n_groups,)
        Groups that have the map of all rows.
    coefficients_ : ndarray of shape (n_groups, 3)
        a, b and c of the formula with two classes; a = b for "platt", and 1 / T for "temperature". 1 / T in the first
        column with more classes. Empty for "isotonic".
    knots_, values_ : ndarray of shape (n_groups, n_knots)
        Probabilities and what they become, linear in between; filled up with the last. Empty but for "isotonic".
    errors_ : ndarray of shape (n_groups, 2)
        Expected calibration error of the fitted rows before and after, in 10 bins. It is too small after: see
        `calibration_error` for other rows.

    Warns
    -----
    UserWarning
        In `fit`, of groups that are calibrated with all rows.

    Notes
    -----
    Platt's targets, (N+ + 1) / (N+ + 2) and 1 / (N- + 2), keep the sigmoids finite where scores separate the labels.
    Scores of calibrated groups with different base rates cannot have equal error rates too, but in trivial cases.
    Probabilities are taken for no closer to 0 and 1 than 1e-7; of several classes, to 0 than 1e-30.

    References
    ----------
    Platt, "Probabilistic Outputs for Support Vector Machines", 1999; Zadrozny and Elkan, "Transforming Classifier
    Scores into Accurate Multiclass Probability Estimates", KDD 2002; Guo, Pleiss, Sun and Weinberger, "On Calibration
    of Modern Neural Networks", ICML 2017; Kull, Silva Filho and Flach, "Beta calibration", AISTATS 2017; by group:
    Pleiss, Raghavan, Wu, Kleinberg and Weinberger, "On Fairness and Calibration", NeurIPS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.postprocessing import GroupCalibration
    >>> rng = np.random.default_rng(0)
    >>> groups, truth = rng.choice(["a", "b"], 5000), rng.random(5000)
    >>> labels = (rng.random(5000) < truth).astype(int)
    >>> scores = np.where(groups == "a", truth, truth**3)  # too low in group b
    >>> calibration = GroupCalibration().fit(scores, labels, groups)
    >>> calibration.errors_.round(2).tolist()
    [[0.02, 0.01], [0.23, 0.02]]
    """

    classes_: np.ndarray
    positive_place_: int
    pooled_: np.ndarray
    coefficients_: np.ndarray
    knots_: np.ndarray
    values_: np.ndarray
    errors_: np.ndarray

    def __init__(
        self, method: str = "platt", *, scores: str = "probability", min_samples: int = 100, positive: Any = None
    ) -> None:
        self.method = method
        self.scores = scores
        self.min_samples = min_samples
        self.positive = positive

    def fit(self, scores: Any, labels: Any, groups: Any, sample_weight: Any = None) -> GroupCalibration:
        """Fit a map for each group on held-out rows.

        Parameters
        ----------
        scores : array of shape (n_samples,) or (n_samples, n_classes)
            Of the positive class, or with "temperature" of every class, in the order of the sorted labels.
        labels : array of shape (n_samples,)
        groups : array of shape (n_samples,), column, columns or Groups
            Rows of unknown group are left out.
        sample_weight : array of shape (n_samples,), optional

        Returns
        -------
        GroupCalibration
            Itself.

        Raises
        ------
        InputError
            If an option is out of range, scores are not what `scores` says, lengths differ, values are missing, or all
            labels are the same.
        """
        self._check_options()
        self._forget()
        given = labels_vector(labels)
        classes, places = np.unique(given, return_inverse=True)
        places = places.reshape(-1)
        self._learn_classes(classes)
        values = self._checked(scores)
        weight = checked_rows(values, groups, given, sample_weight)
        _, codes = self._learn_groups(groups)
        weight = np.ones(len(values)) if weight is None else weight
        kept = (codes >= 0) & (weight > 0)
        values, places, codes, weight = values[kept], places[kept], codes[kept], weight[kept]
        if len(np.unique(places)) < len(classes):
            raise InputError("'labels' must hold each class in rows of known group and with weight. Give more rows.")
        self._learn_pooled(codes, places, int(self.min_samples))
        self._learn_maps(values, places, codes, weight)
        names = Groups.from_codes(codes, list(self.group_names_), name=self.attributes_)
        self.errors_ = self._errors(values, places, names, weight, bins=10)
        return self

    def transform(self, scores: Any, groups: Any) -> np.ndarray:
        """Return calibrated probabilities.

        Parameters
        ----------
        scores : array of shape (n_samples,) or (n_samples, n_classes)
            As in `fit`.
        groups : array of shape (n_samples,), column, columns or Groups
            Fitted groups only.

        Returns
        -------
        ndarray of float64, of the scores' shape

        Raises
        ------
        InputError
            If it is not fitted, scores are not what was fitted, or a group was not fitted.
        """
        codes, values = self.group_codes(groups), self._checked(scores)
        checked_rows(values, codes)
        return self._mapped(values, codes)

    def predict_proba(self, scores: Any, groups: Any) -> np.ndarray:
        """Return the calibrated probability of each class.

        Parameters
        ----------
        scores, groups
            As for `transform`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        result = self.transform(scores, groups)
        if result.ndim == 2:
            return result
        pair = [1 - result, result] if self.positive_place_ else [result, 1 - result]
        return np.stack(pair, axis=1)

    def predict(self, scores: Any, groups: Any) -> np.ndarray:
        """Return the likeliest class; the positive one of two above 1/2.

        Parameters
        ----------
        scores, groups
            As for `transform`.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        result = self.transform(scores, groups)
        if result.ndim == 2:
            return np.asarray(self.classes_[result.argmax(axis=1)])
        return np.asarray(self.classes_[np.where(result > 0.5, self.positive_place_, 1 - self.positive_place_)])

    def calibration_error(self, scores: Any, labels: Any, groups: Any, *, bins: int = 10) -> pd.DataFrame:
        """Return the expected calibration error before and after, of rows that it was not fitted on.

        Parameters
        ----------
        scores, groups
            As for `transform`.
        labels : array of shape (n_samples,)
            Of fitted classes.
        bins : int, default=10
            As in `mxfair.metric.expected_calibration_error`. With more than two classes it is the error of the
            likeliest class's probability as the chance that it is right.

        Returns
        -------
        pandas.DataFrame
            A row per fitted group, columns "before" and "after"; NaN where a group has no rows.

        Raises
        ------
        InputError
            As `transform`; or if a label was not fitted.
        """
        import pandas as pd

        codes, values, given = self.group_codes(groups), self._checked(scores), labels_vector(labels)
        checked_rows(values, codes, given)
        known = np.isin(given, self.classes_)
        if not known.all():
            raise InputError(f"'labels' must be fitted classes; got {given[~known][0]!r}.")
        names = Groups.from_codes(codes, list(self.group_names_), name=self.attributes_)
        errors = self._errors(values, np.searchsorted(self.classes_, given), names, None, bins=bins)
        return pd.DataFrame(errors, index=pd.Index(self.group_names_, name=self.attributes_), columns=_COLUMNS)

    def as_block(self) -> Any:
        """Return a Gluon block of (scores, group codes), hybridizable; see `group_codes`.

        Returns
        -------
        gluon.HybridBlock
            Returns probabilities in the scores' shape, in single precision; NaN for a code that was not fitted.

        Raises
        ------
        InputError
            If it is not fitted.
        """
        self._check_fitted()
        from mxfair.postprocessing import _calibration_block as blocks

        probability = self.scores == "probability"
        if len(self.classes_) > 2:
            inverse = self.coefficients_[:, 0]
            return blocks.TemperatureBlock(inverse, len(self.classes_), probability=probability)
        if self.method == "isotonic":
            return blocks.IsotonicBlock(self.knots_, self.values_, probability=probability)
        return blocks.SigmoidBlock(self.coefficients_, probability=probability)

    @property
    def _method(self) -> str:  # type: ignore[override]
        return "predict_proba" if self.scores == "probability" else "decision_function"

    def _takes_matrix(self, n_classes: int) -> bool:
        return n_classes > 2 and self.method == "temperature"

    def _check_options(self) -> None:
        one_of(self.method, METHODS, "method")
        one_of(self.scores, ("probability", "log_odds"), "scores")
        positive_integer(self.min_samples, "min_samples")

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "errors_")

    def _learn_classes(self, classes: np.ndarray) -> None:
        if len(classes) < 2 or (len(classes) > 2 and self.method != "temperature"):
            raise InputError(
                f"'labels' must have two classes{', or more' if self.method == 'temperature' else ''}; got "
                f"{len(classes)} ({classes[:10].tolist()}). For more than two use method='temperature'."
            )
        values = classes.tolist()
        if self.positive is not None and self.positive not in values:
            raise InputError(f"'positive' must be one of the labels {values[:10]}; got {self.positive!r}.")
        self.classes_ = classes
        self.positive_place_ = len(values) - 1 if self.positive is None else values.index(self.positive)

    def _checked(self, scores: Any) -> np.ndarray:
        probability = self.scores == "probability"
        if len(self.classes_) > 2:
            matrix = checked_matrix(scores, probability=probability)
            if matrix.shape[1] != len(self.classes_):
                raise InputError(
                    f"'scores' must have a column for each of {len(self.classes_)} classes; got {matrix.shape[1]}."
                )
            return matrix
        values = checked_scores(scores)
        if probability:
            check_probabilities(values)
        return values

    def _learn_pooled(self, codes: np.ndarray, places: np.ndarray, least: int) -> None:
        """Find the groups that are too small for a map of their own."""
        n_groups, n_classes = len(self.group_names_), len(self.classes_)
        cells = np.bincount(codes * n_classes + places, minlength=n_groups * n_classes).reshape(n_groups, -1)
        lacking = (cells == 0).any(axis=1) if n_classes == 2 else np.zeros(n_groups, dtype=bool)
        self.pooled_ = (cells.sum(axis=1) < least) | lacking
        few = [f"'{name}' ({rows})" for name, rows in zip(self.group_names_[self.pooled_], cells[self.pooled_].sum(1))]
        if few:
            more = f" and {len(few) - 5} more" if len(few) > 5 else ""
            warnings.warn(
                f"Groups of fewer than {least} rows, or without both labels, are calibrated as all rows together are: "
                f"{', '.join(few[:5])}{more}. Give more rows, or merge groups.",
                stacklevel=3,
            )

    def _learn_maps(self, values: np.ndarray, places: np.ndarray, codes: np.ndarray, weight: np.ndarray) -> None:
        everyone = np.ones(len(codes), dtype=bool)
        pooled = self._map(values, places, weight) if self.pooled_.any() else None
        maps: list[Any] = []
        for place, shared in enumerate(self.pooled_):
            rows = everyone if shared else codes == place
            maps.append(pooled if shared else self._map(values[rows], places[rows], weight[rows]))
        self.coefficients_ = np.empty((0, 3))
        self.knots_ = self.values_ = np.empty((0, 0))
        if self.method == "isotonic":
            self.knots_, self.values_ = _distribution.padded(maps)
        else:
            self.coefficients_ = np.array(maps)

    def _map(self, values: np.ndarray, places: np.ndarray, weight: np.ndarray) -> Any:
        probability = self.scores == "probability"
        if len(self.classes_) > 2:
            inverse = c.inverse_temperature(self._logits(values), places, weight)
            return np.array([inverse, inverse, 0.0])
        hits = places == self.positive_place_
        if self.method == "isotonic":
            return c.isotonic(values if probability else expit(values), hits, weight)
        return c.FITS[self.method](self._logits(values), hits, weight)

    def _logits(self, values: np.ndarray) -> np.ndarray:
        if self.scores == "log_odds":
            return values
        return np.log(np.clip(values, c.LEAST, 1)) if values.ndim == 2 else c.log_odds(values)

    def _mapped(self, values: np.ndarray, codes: np.ndarray) -> np.ndarray:
        if self.method == "isotonic":
            values = values if self.scores == "probability" else expit(values)
            result = np.empty(len(values))
            for place in np.unique(codes):
                rows = codes == place
                result[rows] = np.interp(values[rows], self.knots_[place], self.values_[place])
            return result
        z, (a, b, shift) = self._logits(values), self.coefficients_[codes].T
        if values.ndim == 2:
            return np.asarray(softmax(a[:, None] * z, axis=1))
        return np.asarray(expit(a * log_expit(z) - b * log_expit(-z) + shift))

    def _errors(
        self, values: np.ndarray, places: np.ndarray, groups: Groups, weight: np.ndarray | None, *, bins: int
    ) -> np.ndarray:
        """Return the calibration errors before and after, by group."""
        before = values
        if self.scores == "log_odds":
            before = softmax(values, axis=1) if values.ndim == 2 else expit(values)
        found = []
        for chances in (before, self._mapped(values, groups.codes)):
            hits = places == (chances.argmax(axis=1) if chances.ndim == 2 else self.positive_place_)
            top = np.clip(chances.max(axis=1) if chances.ndim == 2 else chances, 0, 1)
            metric = expected_calibration_error(
                hits.astype(int), top, groups, bins=bins, positive=1, sample_weight=weight
            )
            found.append(metric.values)
        return np.stack(found, axis=1)


_COLUMNS = ["before", "after"]
