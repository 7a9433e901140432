"""The mitigations of an estimator, by the place where they act."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from mxfair import loss as losses
from mxfair._validation import InputError, InputTypeError, one_of
from mxfair.estimator.mitigation import PENALTIES, FairBatch, Massaging, Penalized, SampleWeighting
from mxfair.groups import Groups
from mxfair.loss import GroupLoss, PenalizedLoss, Penalty

__all__ = ["Plan", "RowWeightedLoss", "relative"]

NAMED: dict[str, Any] = {
    "fairbatch": FairBatch,
    "sample_weighting": SampleWeighting,
    "massaging": Massaging,
    **{f"{name}_penalty": (lambda name=name: Penalized(name)) for name in PENALTIES},
    "group_dro": lambda: losses.GroupDROLoss,
}


class Plan:
    """An estimator's mitigations, sorted by the place where they act."""

    def __init__(self, mitigation: Any, criterion: Any) -> None:
        from mxfair.preprocessing import CellSMOTE, Reweighing
        from mxfair.preprocessing._base import Step

        self.criterion = criterion
        self.steps: list[Any] = []
        self.massaging: Any = None
        self.oversampler: Any = None
        self.reweighing: Any = None
        self.sampler: Any = None
        self.weighting: Any = None
        self.loss: Any = None
        several = mitigation if isinstance(mitigation, (list, tuple)) else [] if mitigation is None else [mitigation]
        for one in several:
            if isinstance(one, str):
                names = {**NAMED, "reweighing": Reweighing, "cell_smote": CellSMOTE}
                one = names[one_of(one, names, "mitigation")]()
            if isinstance(one, type) and issubclass(one, (BaseEstimator, Penalty)):
                raise InputTypeError(
                    f"'mitigation' must hold objects; got the class {one.__name__}. Write {one.__name__}(...), or "
                    "Penalized('gap') and its like for a penalty."
                )
            if isinstance(one, Step):
                self.steps.append(one)
            elif isinstance(one, (Penalized, Penalty)) or (callable(one) and not isinstance(one, BaseEstimator)):
                self._set("loss", one)
            else:
                places = {
                    Massaging: "massaging",
                    CellSMOTE: "oversampler",
                    Reweighing: "reweighing",
                    FairBatch: "sampler",
                    SampleWeighting: "weighting",
                }
                place = next((name for kind, name in places.items() if isinstance(one, kind)), None)
                if place is None:
                    raise InputTypeError(
                        f"'mitigation' must hold names, steps of mxfair.preprocessing, penalties, group losses or "
                        f"objects of mxfair.estimator such as FairBatch(); got {one!r}."
                    )
                self._set(place, one)
        self._check_combination()

    def _set(self, place: str, value: Any) -> None:
        if getattr(self, place) is not None:
            raise InputError(
                f"'mitigation' must hold one of a kind; got {getattr(self, place)!r} and {value!r}. Leave one out; "
                "several penalties go into one PenalizedLoss, through a function of (base, groups)."
            )
        setattr(self, place, value)

    def _check_combination(self) -> None:
        if self.sampler is not None and self.weighting is not None:
            raise InputError(
                "'mitigation' must not hold FairBatch and SampleWeighting: both steer the mix of cells. Leave one out."
            )
        for name in ("weighting", "reweighing"):
            if getattr(self, name) is not None and self.loss is not None:
                raise InputError(
                    f"'mitigation' must not hold weights of samples ({name}) and a loss of groups: a batch has one "
                    "third item. Use FairBatch(controller='reweighing') in the place of weights."
                )
        if self.weighting is not None and self.reweighing is not None:
            raise InputError("'mitigation' must not hold reweighing and SampleWeighting: leave one out.")

    @property
    def needs_groups(self) -> bool:
        """Whether `fit` must be given groups; steps say so themselves."""
        parts = (self.massaging, self.oversampler, self.reweighing, self.sampler, self.weighting, self.loss)
        return any(part is not None for part in parts)

    def criterion_of(self, part: Any, estimator: Any) -> Any:
        """Return the part's criterion, or the estimator's; its positive class is a number as in the target."""
        own = getattr(part, "criterion", None)
        return estimator._coded(self.criterion if own is None else own)

    def group_loss(self, base: Any, groups: Groups, n_classes: int, estimator: Any) -> Any:
        """Return the loss of (pred, label, group) that the mitigation makes of a base loss."""
        part = self.loss
        if int(groups.known.sum()) < 2:
            raise InputError(
                f"'groups' must hold two known groups or more for mitigation={part!r}; got {', '.join(groups.names)}. "
                "Pass the sensitive attribute of all rows."
            )
        if isinstance(part, Penalized):
            return part._loss(base, groups, self.criterion_of(part, estimator), n_classes)
        if isinstance(part, Penalty):
            known = int(groups.known.sum())
            if part.n_groups is not None and part.n_groups != known:
                raise InputError(
                    f"'mitigation' must be a penalty for the groups of fit; got one for {part.n_groups} groups, and "
                    f"{known} groups. Use Penalized(...), which is made for those of fit."
                )
            return PenalizedLoss(base, copy.deepcopy(part))
        made = part(base, groups)
        if isinstance(made, Penalty):
            made = PenalizedLoss(base, made)
        if not isinstance(made, GroupLoss):
            raise InputTypeError(
                f"'mitigation' must be a function of (base, groups) that returns a GroupLoss; got one that returns "
                f"{type(made).__name__}. See mxfair.loss."
            )
        return made


class RowWeightedLoss(GroupLoss):
    """A loss whose third item is the weight of each sample."""

    def __init__(self, base: Any, **kwargs: Any) -> None:
        super().__init__(None, 0, **kwargs)
        with self.name_scope():
            self.base = base

    @property
    def _from_sigmoid(self) -> bool:
        return bool(getattr(self.base, "_from_sigmoid", False))

    def hybrid_forward(self, F: Any, pred: Any, label: Any, weight: Any) -> Any:
        return self.base(pred, label) * weight


def relative(weight: np.ndarray) -> np.ndarray:
    """Return weights with mean 1: only their ratios count."""
    total = weight.sum()
    if not total > 0:
        raise InputError("'sample_weight' must not be zero for all samples. Give at least one a weight.")
    return weight * (len(weight) / total)
