"""What the ensemble estimators share: a template of the members, and an Ensemble block as their net."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone

from mxfair._inference import PredictGraph
from mxfair._validation import InputError, InputTypeError, positive_integer
from mxfair.estimator import GluonClassifier, GluonRegressor, _nets
from mxfair.estimator._base import GluonEstimator, rng_of
from mxfair.estimator._job import Job, TrainingData
from mxfair.estimator._kinds import Classifying, Regressing
from mxfair.estimator._one_net import OneNet
from mxfair.estimator._plan import Plan
from mxfair.training import History

__all__ = ["EnsembleClassifying", "EnsembleEstimator", "EnsembleRegressing", "distinct", "renamed"]


class EnsembleEstimator(GluonEstimator):
    """Many nets as one estimator; `net_` is one HybridBlock."""

    estimator: Any
    random_state: Any
    _template_type: type[OneNet]

    def _default(self) -> Any:
        """Return the template where none is given."""
        return self._template_type()

    def _template(self) -> Any:
        """Return the estimator that members are made with: a copy that knows the classes."""
        given = self.estimator
        if given is None:
            return self._default()
        if not isinstance(given, self._template_type):
            raise InputTypeError(
                f"'estimator' must be a {self._template_type.__name__}; got {type(given).__name__}. Members are nets."
            )
        made = clone(given)
        for name in ("classes_", "_columns"):
            if hasattr(self, name):
                setattr(made, name, getattr(self, name))
        return made

    def _option(self, name: str) -> Any:
        given = self.estimator
        default = self._default() if given is None else given
        return getattr(default, name, None)

    # What the base reads of one net's options is the template's.
    net = property(lambda self: self._option("net"))
    ctx = property(lambda self: self._option("ctx"))
    mitigation = property(lambda self: self._option("mitigation"))
    criterion = property(lambda self: self._option("criterion"))
    positive = property(lambda self: self._option("positive"))

    def _begin(
        self, X: Any, y: Any, groups: Any, sample_weight: Any
    ) -> tuple[TrainingData, Plan, np.random.Generator, Any]:
        """Return the checked data, the plan, random numbers and the template.

        Mitigations of rows are for those that are trained on: see `_mitigated`.
        """
        self._template()  # its errors come first
        rng = rng_of(self.random_state)
        plan = Plan(self.mitigation, self.criterion)
        data = self._prepare(X, y, groups, sample_weight, plan, reset=True)
        return data, plan, rng, self._template()

    def _member(
        self, template: Any, data: TrainingData, plan: Plan, rng: np.random.Generator, number: int, net: Any = None
    ) -> Job:
        """Return the training of one member: of a new net with names of its own, or of one that is given."""
        job = template._job(data, plan, rng, net=net)
        if net is None and isinstance(template.net, _nets.mx.gluon.Block):
            renamed(job.net, f"member{number}_")
        return job

    def _end(self, net: Any, loss: Any, histories: list[History]) -> None:
        """Take over the ensemble's net, and how to read its outputs."""
        self.net_, self.loss_, self.histories_ = net, loss, histories
        self.history_ = histories[-1] if histories else History()
        self.callbacks_: list[Any] = []
        self._graph = PredictGraph(net)

    @staticmethod
    def _count(value: Any, name: str = "n_estimators") -> int:
        return positive_integer(value, name, hint="An ensemble has at least one member")


class EnsembleClassifying(Classifying, EnsembleEstimator):
    """Base of ensembles of classifiers."""

    _template_type = GluonClassifier


class EnsembleRegressing(Regressing, EnsembleEstimator):
    """Base of ensembles of regressors."""

    _template_type = GluonRegressor


def distinct(net: Any, taken: set[str], prefix: str) -> None:
    """Rename a net's parameters where other members have their names; add the names to those that are taken."""
    if taken.intersection(net.collect_params()):  # a function that gives each net one prefix, or nets of a pickle
        renamed(net, prefix)
    taken.update(net.collect_params())


def renamed(net: Any, prefix: str) -> Any:
    """Put a prefix before the names of a net's parameters: copies of one net can then be members of another."""
    _nets.drop_graphs(net)
    done: set[int] = set()
    pending = [net]
    while pending:
        block = pending.pop()
        owned = block._params
        if id(owned) not in done:
            done.add(id(owned))
            block._prefix = owned._prefix = prefix + block._prefix
            for parameter in owned._params.values():
                if id(parameter) not in done:
                    done.add(id(parameter))
                    parameter.name, parameter._var = prefix + parameter.name, None
            owned._params = type(owned._params)((p.name, p) for p in owned._params.values())
        pending.extend(block._children.values())
    if any(not name.startswith(prefix) for name in net.collect_params()):
        raise InputError("'net' must be a Block whose parameters can be renamed. Pass a function that makes it.")
    return net
