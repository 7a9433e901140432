"""Estimators made of other estimators: what voting and stacking share."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import Bunch, _safe_indexing
from sklearn.utils.metaestimators import _BaseComposition
from sklearn.utils.validation import check_is_fitted

from mxfair._inference import PredictGraph
from mxfair._validation import InputError, InputTypeError
from mxfair.ensemble._score_block import check_steps, score_block
from mxfair.estimator import _nets
from mxfair.estimator._base import GluonEstimator, PastLoss, names_of, on_host, rng_of
from mxfair.estimator._job import TrainingData
from mxfair.estimator._kinds import Classifying
from mxfair.estimator._plan import Plan
from mxfair.training import History

__all__ = ["Combining", "as_given", "check_given"]


class Combining(GluonEstimator, _BaseComposition):  # type: ignore[misc]  # scikit-learn is untyped
    """Several estimators as one; `net_` is one HybridBlock."""

    estimators: Any
    prefit: bool
    random_state: Any
    classes_: np.ndarray
    estimators_: list[Any]
    #: What members must be.
    _kind: type[Any]

    # What the base reads of one net's options: mitigations are the members' own.
    mitigation = None
    ctx = property(lambda self: next((getattr(one, "ctx", None) for _, one in self._listed()), None))

    @property
    def net(self) -> Any:
        """Whether the members' nets take tables only."""
        nets = [getattr(one, "net", None) for _, one in self._listed()]
        return "mlp" if all(map(_nets.is_named, nets)) else None

    @property
    def named_estimators_(self) -> Bunch:
        """The fitted members by their names."""
        return Bunch(**dict(zip((name for name, _ in self._listed()), self.estimators_)))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, with `deep` those of the members too, as ``name__parameter``.

        Parameters
        ----------
        deep : bool, default=True

        Returns
        -------
        dict of str to object
        """
        return dict(self._get_params("estimators", deep=deep))

    def set_params(self, **params: Any) -> Any:
        """Set parameters, a member by its name, or those of a member as ``name__parameter``.

        Parameters
        ----------
        **params

        Returns
        -------
        GluonEstimator
            Itself.
        """
        self._set_params("estimators", **params)
        return self

    def _listed(self) -> list[tuple[str, Any]]:
        """Return names and members without those that are dropped."""
        given = self.estimators if isinstance(self.estimators, (list, tuple)) else []
        return [(one[0], one[1]) for one in given if len(one) == 2 and not isinstance(one[1], str)]

    def _checked_members(self) -> list[tuple[str, Any]]:
        """Return the members, or say what is wrong with them."""
        given = self.estimators
        pairs = isinstance(given, (list, tuple)) and all(isinstance(one, tuple) and len(one) == 2 for one in given)
        if not pairs or any(not isinstance(name, str) for name, _ in given):
            raise InputTypeError(f"'estimators' must be a list of (name, estimator); got {given!r}.")
        members = [(name, one) for name, one in given if not (isinstance(one, str) and one == "drop")]
        if not members:
            raise InputError("'estimators' must hold at least one estimator; got none. An ensemble has a member.")
        try:
            self._validate_names([name for name, _ in given])
        except ValueError as error:
            raise InputError(f"'estimators' must have names of their own, without '__': {error}.") from error
        for name, one in members:
            self._check_member(name, one)
        return members

    def _check_member(self, name: str, one: Any) -> None:
        if not isinstance(one, GluonEstimator):
            raise InputTypeError(
                f"Member {name!r} must be an estimator of mxfair.estimator or mxfair.ensemble; got "
                f"{type(one).__name__}. Put scalers and the like before the ensemble, in one pipeline."
            )
        if not isinstance(one, self._kind):
            other = "regressor" if self._kind is Classifying else "classifier"
            raise InputError(
                f"Member {name!r} must predict what the ensemble predicts; got a {other}, {type(one).__name__}."
            )
        check_steps(one, f"Member {name!r}")

    # Training.

    def _begin(
        self, X: Any, y: Any, groups: Any, sample_weight: Any
    ) -> tuple[TrainingData, list[tuple[str, Any]], np.random.Generator]:
        """Return the checked data, the members, and random numbers; members that are fitted already are compared."""
        members = self._checked_members()
        rng = rng_of(self.random_state)
        data = self._prepare(X, y, groups, sample_weight, Plan(None, None), reset=True)
        if self.prefit:
            for name, one in members:
                check_is_fitted(one, "net_")
                self._compare(name, one, data)
        else:
            for name, one in members:
                check_given(one, f"member {name!r}", groups, sample_weight)
        return data, members, rng

    def _compare(self, name: str, one: Any, data: TrainingData) -> None:
        """Raise where a fitted member has other columns, classes or outputs."""
        if one.n_features_in_ != self.n_features_in_:
            raise InputError(
                f"Member {name!r} must take {self.n_features_in_} features; it takes {one.n_features_in_}."
            )
        if data.n_classes and not np.array_equal(one.classes_, self.classes_):
            raise InputError(
                f"Member {name!r} must have the classes of y, {names_of(self.classes_)}; got {names_of(one.classes_)}."
            )
        if not data.n_classes and one._columns != self._columns:
            raise InputError(f"Member {name!r} must predict as many columns as y has; got {one._columns or 1}.")

    def _trained(self, one: Any, seed: int, X: Any, y: Any, data: TrainingData, rows: np.ndarray | None = None) -> Any:
        """Return a copy of an estimator, fitted to all rows or to some."""
        made = clone(one)
        if made.get_params(deep=False).get("random_state", 0) is None:
            made.set_params(random_state=seed)
        groups, weight = data.groups, data.weight
        if rows is not None:
            X, y = _safe_indexing(X, rows), _safe_indexing(y, rows)
            groups = None if groups is None else groups.take(rows)
            weight = None if weight is None else weight[rows]
        return made.fit(X, y, groups=groups, sample_weight=weight)

    def _block(self, one: Any, prefix: str, data: TrainingData) -> Any:
        """Return a fitted estimator as a net of its own whose outputs are scores."""
        return score_block(one, prefix, data.X[:2], n_outputs=self._n_outputs(data), classes=data.n_classes)

    def _end(self, net: Any, data: TrainingData, history: History) -> None:
        """Take over the net that all members are, and how to read its outputs."""
        width = _nets.width_of(net, data.X, self._context())  # members are looked at once
        self._check_width(width, data)
        self.net_, self.loss_, self.history_ = net, PastLoss(False), history
        self.histories_ = [one.history_ for one in self.estimators_]
        self.callbacks_: list[Any] = []
        self._graph = PredictGraph(net)


def check_given(one: Any, what: str, groups: Any, sample_weight: Any) -> None:
    """Raise where an estimator's mitigation needs groups, or leaves no place for weights: before any is trained."""
    plan = Plan(one.mitigation, one.criterion)
    if groups is None and plan.needs_groups:
        raise InputError(f"'groups' must be given for the mitigation of {what}. Pass groups=.")
    if sample_weight is not None and (plan.loss is not None or plan.weighting is not None):
        raise InputError(
            f"'sample_weight' must not be given with the mitigation of {what}, which takes the place of weights in a "
            "batch. Use FairBatch, or leave the weights out."
        )


def as_given(X: Any, y: Any, data: TrainingData) -> tuple[Any, np.ndarray]:
    """Return features and target as members are given them: data frames as they came, all else as it was checked."""
    return (X if hasattr(X, "iloc") else data.X), np.asarray(on_host(y))
