"""The rounds of boosting: one member after the other, on the same rows with other weights or targets."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np

from mxfair._inference import PredictGraph, forward
from mxfair._validation import InputError, to_numpy
from mxfair.ensemble._estimator import EnsembleEstimator, distinct, renamed
from mxfair.estimator import _nets
from mxfair.estimator._job import Job, TrainingData
from mxfair.estimator._plan import Plan, relative
from mxfair.training import History

__all__ = ["Rounds", "check_template", "fraction", "outputs_of", "positive_number"]


class Rounds:
    """The trainings of one run of boosting.

    They share rows, loader and loss: a round writes its weights or targets into the arrays that the loader gathers
    batches from. Making a loader costs as much as training a small member for some epochs. Members whose mitigation
    measures the net while it learns have a loader each.
    """

    def __init__(
        self, ensemble: EnsembleEstimator, template: Any, data: TrainingData, plan: Plan, *, rng: np.random.Generator
    ) -> None:
        self._ensemble, self._template, self._plan, self._rng = ensemble, template, plan, rng
        self.data = data
        self._first: Job | None = None
        self._taken: set[str] = set()
        self._alone = plan.sampler is not None or plan.weighting is not None

    @property
    def base(self) -> Any:
        """The members' loss, once one was trained."""
        return self._template._base

    def train(self, number: int, **changed: np.ndarray) -> tuple[Any, History]:
        """Train a new net on the data with another `X`, `target` or `weight`, each as long as before."""
        self.data = replace(self.data, **changed)  # type: ignore[arg-type]  # the names of arrays
        if self._first is None:
            job = self._ensemble._member(self._template, self.data, self._plan, self._rng, number)
            self._first = None if self._alone else job
        else:
            job = self._again(self._first, number, changed)
        distinct(job.net, self._taken, f"member{number}_")
        return job.net, job.run()

    def _again(self, first: Job, number: int, changed: dict[str, np.ndarray]) -> Job:
        """Return the first training with a new net and other values in its arrays."""
        arrays = dict(zip(("X", "target", "weight"), first.loader._arrays))
        for name, values in changed.items():
            arrays[name][:] = relative(values) if name == "weight" else values
        template, ctx = self._template, self._template._context()
        net = _nets.make_net(template.net, int(np.prod(self.data.X.shape[1:])), template._n_outputs(self.data))
        _nets.initialize(net, self._rng, ctx)
        _nets.width_of(net, self.data.X, ctx)
        if isinstance(template.net, _nets.mx.gluon.Block):
            renamed(net, f"member{number}_")
        fresh = {name: [copy.deepcopy(one) for one in getattr(template, name) or ()] for name in _STATEFUL}
        further = copy.deepcopy(dict(template.optimizer_params or {}))  # a scheduler of the rate has a state
        params = {**first.optimizer_params, **further}
        return replace(first, net=net, trainer=None, optimizer_params=params, **fresh)  # type: ignore[arg-type]  # by name


#: What of a template a training has for itself, beside the optimizer's arguments.
_STATEFUL = ("callbacks", "regularizers")


def outputs_of(net: Any, X: np.ndarray) -> np.ndarray:
    """Return a net's outputs, shape (n_samples, n_outputs)."""
    output = np.concatenate([to_numpy(part) for part in forward(net, X, graph=PredictGraph(net))])
    return output.reshape(len(output), -1)


def check_template(template: Any) -> None:
    """Raise where the template asks for what members do not do."""
    for name in ("early_stopping", "warm_start"):
        if getattr(template, name):
            raise InputError(
                f"'estimator' must have {name}=False: members are trained anew, for all their epochs; got True. "
                "Choose their number with n_estimators."
            )
    if getattr(template, "max_gap", None) is not None:
        raise InputError(
            f"'estimator' must have max_gap=None: members are trained for all their epochs; got {template.max_gap!r}. "
            "AdaFairClassifier chooses the number of members by a gap."
        )


def positive_number(value: Any, name: str) -> float:
    """Return a finite number above 0."""
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float, np.number))
        or not np.isfinite(value)
        or value <= 0
    ):
        raise InputError(f"'{name}' must be a number above 0; got {value!r}.")
    return float(value)


def fraction(value: Any, name: str, *, zero: bool = False) -> float:
    """Return a number above 0 and up to 1, or from 0."""
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not (0 <= value <= 1) or (value == 0 and not zero):
        raise InputError(f"'{name}' must be a number {'from 0' if zero else 'above 0'} to 1; got {value!r}.")
    return float(value)
