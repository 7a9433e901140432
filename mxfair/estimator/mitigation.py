"""What an estimator's ``mitigation=`` takes, beside the steps of mxfair.preprocessing, penalties and group losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklearn.base import BaseEstimator

from mxfair import loss as losses
from mxfair._validation import InputError, one_of
from mxfair.criterion import Criterion, LossCriterion, criterion_named
from mxfair.groups import Groups
from mxfair.loss import PenalizedLoss

__all__ = ["FairBatch", "Massaging", "Mitigation", "Penalized", "SampleWeighting"]

PENALTIES = {
    "gap": losses.GapPenalty,
    "correlation": losses.CorrelationPenalty,
    "mmd": losses.MMDPenalty,
    "wasserstein": losses.WassersteinPenalty,
    "cramer_von_mises": losses.CramerVonMisesPenalty,
    "hsic": losses.HSICPenalty,
    "hgr": losses.HGRPenalty,
    "mutual_information": losses.MutualInformationPenalty,
}
#: Those that compare rates of classes.
OF_DECISIONS = ("gap", "mutual_information")


class Mitigation(BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Base of what `FairBatch` and its like share: options that scikit-learn can clone and search over.

    ``criterion=None`` means the estimator's own criterion.
    """


class FairBatch(Mitigation):
    """Train on batches that `mxfair.data.FairBatchSampler` selects.

    Parameters
    ----------
    criterion : str or Criterion, optional
        What should be equal between the groups. Default: the estimator's criterion.
    controller, within, min_per_batch, label_bins, target, update_every, warm_up
        As for `mxfair.data.FairDataLoader`.
    signal : {"full", "probe"}, default="full"
        As for `mxfair.data.FairDataLoader`.

    References
    ----------
    Roh, Lee, Whang and Suh, "FairBatch: Batch Selection for Model Fairness", ICLR 2021.

    Examples
    --------
    >>> from mxfair.estimator import FairBatch, GluonClassifier
    >>> GluonClassifier(mitigation=FairBatch(controller="paper")).get_params()["mitigation__controller"]
    'paper'
    """

    def __init__(
        self,
        criterion: str | Criterion | None = None,
        *,
        controller: Any = "proportional",
        signal: str = "full",
        within: Any = "shuffled",
        min_per_batch: float | None = None,
        label_bins: Any = None,
        target: Any = None,
        update_every: int | None = None,
        warm_up: int = 0,
    ) -> None:
        self.criterion = criterion
        self.controller = controller
        self.signal = signal
        self.within = within
        self.min_per_batch = min_per_batch
        self.label_bins = label_bins
        self.target = target
        self.update_every = update_every
        self.warm_up = warm_up


class SampleWeighting(Mitigation):
    """Weigh samples as `FairBatch` would draw them; see `mxfair.data.SampleWeights`.

    Parameters
    ----------
    criterion : str or Criterion, optional
        What should be equal between the groups. Default: the estimator's criterion.
    controller, min_weight, label_bins, target, update_every, warm_up
        As for `mxfair.data.SampleWeights`.

    Examples
    --------
    >>> from mxfair.estimator import GluonClassifier, SampleWeighting
    >>> GluonClassifier(mitigation=SampleWeighting("demographic_parity"))
    GluonClassifier(mitigation=SampleWeighting(criterion='demographic_parity'))
    """

    def __init__(
        self,
        criterion: str | Criterion | None = None,
        *,
        controller: Any = "proportional",
        min_weight: float = 0.01,
        label_bins: Any = None,
        target: Any = None,
        update_every: int | None = None,
        warm_up: int = 0,
    ) -> None:
        self.criterion = criterion
        self.controller = controller
        self.min_weight = min_weight
        self.label_bins = label_bins
        self.target = target
        self.update_every = update_every
        self.warm_up = warm_up


class Massaging(Mitigation):
    """Change training labels with `mxfair.preprocessing.massage`: groups then have the same rate of positives.

    Rates are those of rows; weights of samples do not count in them.

    Parameters
    ----------
    ranker : scikit-learn classifier, optional
        Tells which labels are nearest to the boundary. Default: logistic regression.

    Examples
    --------
    >>> from mxfair.estimator import GluonClassifier, Massaging
    >>> GluonClassifier(mitigation=Massaging())
    GluonClassifier(mitigation=Massaging())
    """

    def __init__(self, ranker: Any = None) -> None:
        self.ranker = ranker


class Penalized(Mitigation):
    """Add a penalty of the batch to the loss, `mxfair.loss.PenalizedLoss`, made for the groups of `fit`.

    Parameters
    ----------
    penalty : {"gap", "correlation", "mmd", "wasserstein", "cramer_von_mises", "hsic", "hgr", "mutual_information"}
        Which one, default "gap", the `mxfair.loss.GapPenalty`.
    criterion : str or Criterion, optional
        What it conditions on. Default: the estimator's criterion; demographic parity where that compares losses.
    strength : float or callable, default=1.0
        Factor of the penalty, or a schedule.
    options : dict, optional
        Further arguments of the penalty.

    Examples
    --------
    A strength is searched like any parameter:

    >>> from mxfair.estimator import GluonClassifier, Penalized
    >>> model = GluonClassifier(mitigation=Penalized("mmd")).set_params(mitigation__strength=3.0)
    >>> model.mitigation.strength
    3.0
    """

    def __init__(
        self,
        penalty: str = "gap",
        criterion: str | Criterion | None = None,
        *,
        strength: Any = 1.0,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.penalty = penalty
        self.criterion = criterion
        self.strength = strength
        self.options = options

    def _loss(self, base: Any, groups: Groups, criterion: Any, n_classes: int) -> Any:
        kind = PENALTIES[one_of(self.penalty, PENALTIES, "penalty")]
        if not n_classes and self.penalty in OF_DECISIONS:
            others = ", ".join(name for name in PENALTIES if name not in OF_DECISIONS)
            raise InputError(
                f"'penalty' must be one that a regression can have; got {self.penalty!r}, whose rates are of classes. "
                f"Choose {others}."
            )
        if self.criterion is None and isinstance(criterion_named(criterion, losses=True), LossCriterion):
            criterion = "demographic_parity"  # what a distance of predictions means without labels
        options = {"n_classes": max(2, n_classes), "strength": self.strength, **(self.options or {})}
        return PenalizedLoss(base, kind(criterion, groups, **options))
