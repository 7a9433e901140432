"""What post-processors that end in thresholds by group share: decisions, probabilities, margins, the block."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from mxfair._validation import InputError, generator, labels_vector, one_of, plural, same_length
from mxfair.confusion import _are_bits, _classes
from mxfair.postprocessing._base import PostProcessor, checked_rows, checked_scores
from mxfair.postprocessing._choice import Choice

#: A group with fewer samples of a label than this is warned of.
FEW = 20


class _TwoClasses(PostProcessor):
    """Fitted on rows of two classes."""

    classes_: np.ndarray
    positive_place_: int
    positive: Any

    def _pair(self, positive: np.ndarray) -> np.ndarray:
        """Return the probabilities of both classes, in the order of `classes_`."""
        return np.stack([1 - positive, positive] if self.positive_place_ else [positive, 1 - positive], axis=1)

    def _labels(self, positive: np.ndarray) -> np.ndarray:
        """Return decisions in the values of the labels."""
        return np.asarray(self.classes_[np.where(positive, self.positive_place_, 1 - self.positive_place_)])

    def _rows(
        self, scores: Any, labels: Any, groups: Any, sample_weight: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
        """Return scores, whether labels are positive, group codes and weights of the rows that count."""
        values, given = checked_scores(scores), labels_vector(labels)
        weight = checked_rows(values, groups, given, sample_weight)
        classes = np.array([0, 1]) if _are_bits(given) else _classes(given, given)
        self._learn_classes(classes)
        positive = given == classes[self.positive_place_]
        _, codes = self._learn_groups(groups)
        kept = (codes >= 0) if weight is None else (codes >= 0) & (weight > 0)
        if not kept.all():
            values, positive, codes = values[kept], positive[kept], codes[kept]
            weight = None if weight is None else weight[kept]
            occurring = np.bincount(codes, minlength=len(self.group_names_)) > 0
            if not occurring.all():
                lost = self.group_names_[~occurring][0]
                raise InputError(f"Every known group must have samples with weight; group '{lost}' has none.")
        self._warn_of_few(codes, positive)
        return values, positive, codes, weight

    def _learn_classes(self, classes: np.ndarray) -> None:
        if len(classes) != 2:
            raise InputError(
                f"'labels' must have two classes; got {len(classes)} ({classes[:10].tolist()}). Thresholds decide "
                "between two; for one label, pass rows of both."
            )
        values = classes.tolist()
        if self.positive is not None and self.positive not in values:
            raise InputError(f"'positive' must be one of the labels {values}; got {self.positive!r}.")
        self.classes_ = classes
        self.positive_place_ = 1 if self.positive is None else values.index(self.positive)

    def _warn_of_few(self, codes: np.ndarray, positive: np.ndarray) -> None:
        sizes = np.bincount(2 * codes + positive, minlength=2 * len(self.group_names_)).reshape(-1, 2)
        few = [
            f"'{name}' ({pair[1]} positive, {pair[0]} negative)"
            for name, pair in zip(self.group_names_, sizes.tolist())
            if min(pair) < FEW
        ]
        if few:
            more = f" and {plural(len(few) - 5, 'more group')}" if len(few) > 5 else ""
            warnings.warn(
                f"Fewer than {FEW} samples of a label in {', '.join(few[:5])}{more}: what holds on these rows may not "
                "hold on others. Merge small groups, or fit on more rows.",
                stacklevel=4,
            )


class _GroupDecisions(_TwoClasses):
    """Thresholds by group, each applied with its share."""

    thresholds_: np.ndarray
    shares_: np.ndarray
    counts_: np.ndarray
    objective_: float
    gap_: float

    def predict(self, scores: Any, groups: Any, *, random_state: Any = None) -> np.ndarray:
        """Return decisions in the values of the labels.

        Parameters
        ----------
        scores : array of float, shape (n_samples,)
        groups : array of shape (n_samples,), column, columns or Groups
            Fitted groups only.
        random_state : int or numpy Generator, optional
            For randomized thresholds: which of them a row meets. Default: another draw in each call.

        Returns
        -------
        ndarray of shape (n_samples,)

        Raises
        ------
        InputError
            If it is not fitted, a score is not finite, or a group was not fitted.
        """
        values, codes = self._given(scores, groups)
        if self.thresholds_.shape[1] == 1:
            positive = values > self.thresholds_[codes, 0]
        else:
            positive = generator(random_state).random(len(values)) < self._chances(values, codes)
        return self._labels(positive)

    def predict_proba(self, scores: Any, groups: Any) -> np.ndarray:
        """Return the probability of each decision: 0 or 1 where nothing is randomized.

        Parameters
        ----------
        scores, groups
            As for `predict`.

        Returns
        -------
        ndarray of shape (n_samples, 2)
            In the order of `classes_`.
        """
        return self._pair(self._chances(*self._given(scores, groups)))

    def transform(self, scores: Any, groups: Any) -> np.ndarray:
        """Return what decides: the score less its group's threshold, or the chance of a positive decision.

        Parameters
        ----------
        scores, groups
            As for `predict`.

        Returns
        -------
        ndarray of float64, shape (n_samples,)
            Above 0 where the decision is positive; with randomized thresholds, a probability.
        """
        values, codes = self._given(scores, groups)
        if self.thresholds_.shape[1] > 1:
            return self._chances(values, codes)
        return np.asarray(values - self.thresholds_[codes, 0])

    def as_block(self, *, output: str = "auto") -> Any:
        """Return a Gluon block of (scores, group codes), hybridizable; see `group_codes`.

        Parameters
        ----------
        output : {"auto", "margin", "log_odds", "probability"}, default="auto"
            The score less the threshold; the difference of their log-odds, for scores that are probabilities; the
            chance of a positive decision. By default the margin, or with randomized thresholds the probability. A
            margin or log-odds above 0 is a positive decision. A code that was not fitted gives NaN.

        Returns
        -------
        gluon.HybridBlock
            Computes in single precision: a score may be decided otherwise where its double precision matters.

        Raises
        ------
        InputError
            If it is not fitted, or randomized thresholds are to be a margin.
        """
        self._check_fitted()
        from mxfair.postprocessing._threshold_block import ThresholdBlock

        mixed = self.thresholds_.shape[1] > 1
        one_of(output, ("auto", "margin", "log_odds", "probability"), "output")
        output = ("probability" if mixed else "margin") if output == "auto" else output
        if mixed and output != "probability":
            raise InputError(f"'output' must be 'probability' for randomized thresholds; got {output!r}.")
        if output == "log_odds":
            inner = self.thresholds_[np.isfinite(self.thresholds_)]
            if ((inner < 0) | (inner > 1)).any():
                raise InputError("'output' must be 'margin' where scores are no probabilities; got 'log_odds'.")
        return ThresholdBlock(self.thresholds_, self.shares_, output)

    def _given(self, scores: Any, groups: Any) -> tuple[np.ndarray, np.ndarray]:
        codes, values = self.group_codes(groups), checked_scores(scores)
        same_length(scores=values, groups=codes)
        return values, codes

    def _chances(self, values: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Return the probability of a positive decision."""
        ladder = np.cumsum(self.shares_, axis=1)
        ladder = np.concatenate([np.zeros((len(ladder), 1)), ladder / ladder[:, -1:]], axis=1)
        passed = np.zeros(len(values), dtype=np.int64)
        for column in self.thresholds_.T:  # thresholds rise: what passes one passes those before it
            passed += values > column[codes]
        return np.asarray(ladder[codes, passed])

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "gap_")

    def _take(self, choice: Choice) -> None:
        self.thresholds_, self.shares_ = choice.thresholds, choice.shares
        self.counts_ = choice.counts if self.positive_place_ else choice.counts[:, ::-1, ::-1]
        self.objective_, self.gap_ = float(choice.objective), float(choice.gap)
