"""What AdaBoostClassifier and AdaFairClassifier share: rounds of weighted rows, and votes."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._inference import is_probability
from mxfair._validation import InputError
from mxfair.ensemble._rounds import Rounds, check_template, outputs_of, positive_number
from mxfair.ensemble._staged import StagedClassifying, decided
from mxfair.ensemble.block import Ensemble
from mxfair.estimator import GluonClassifier
from mxfair.estimator._job import TrainingData
from mxfair.estimator._plan import Plan, relative
from mxfair.training import History

mx: Any = import_mxnet()

__all__ = ["Boosting", "Run"]

#: A net that decides as the one before it has an error of chance to rounding: its weights were made so.
ROUNDING = 1e-6


@dataclass
class Run:
    """The members so far, and what they say of the training rows."""

    data: TrainingData
    rounds: Rounds
    weight: np.ndarray  # of each row; sum 1
    votes: np.ndarray  # weight of the votes for each class, shape (n_samples, n_classes)
    probability: bool = False
    ended: bool = False  # whether the last member leaves nothing to boost
    nets: list[Any] = field(default_factory=list)
    alphas: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    histories: list[History] = field(default_factory=list)

    @property
    def codes(self) -> np.ndarray:
        """The class of each training row."""
        return self.data.target.astype(np.int64)


class Boosting(StagedClassifying):
    """Base of the two."""

    n_estimators: int
    learning_rate: float

    def _default(self) -> Any:
        return GluonClassifier((16,), epochs=10, learning_rate=0.01)

    def _run(self, template: Any, data: TrainingData, plan: Plan, rng: np.random.Generator) -> Run:
        """Return a run without members."""
        weight = relative(np.ones(len(data)) if data.weight is None else data.weight) / len(data)
        data = replace(data, weight=weight)
        rounds = Rounds(self, template, data, plan, rng=rng)
        return Run(data, rounds, weight, np.zeros((len(data), data.n_classes)))

    def _prepared(self, X: Any, y: Any, groups: Any, sample_weight: Any) -> tuple[Any, Any, Any, Any]:
        """Check what can be checked before the data are, and return what `_begin` does."""
        self._count(self.n_estimators)
        positive_number(self.learning_rate, "learning_rate")
        check_template(self._template())
        plan = Plan(self.mitigation, self.criterion)
        if plan.loss is not None or plan.weighting is not None:
            raise InputError(
                "'estimator' must leave the loss's third item to boosting, which weighs rows; its mitigation is a loss "
                "of groups or SampleWeighting. Use FairBatch, steps or reweighing."
            )
        return self._begin(X, y, groups, sample_weight)

    def _round(self, run: Run) -> tuple[np.ndarray, np.ndarray] | None:
        """Train a member and count its votes; return its decisions and outputs, None where it is not taken."""
        net, history = run.rounds.train(len(run.nets), weight=run.weight)
        n_classes = run.data.n_classes
        run.probability = is_probability(run.rounds.base)
        output = outputs_of(net, run.data.X)
        decisions = decided(output, n_classes, probability=run.probability)
        error = float(run.weight[decisions != run.codes].sum() / run.weight.sum())
        if error >= 1.0 - 1.0 / n_classes - ROUNDING:
            if run.nets:
                return None
            warnings.warn(
                f"The first net's error on the training rows is {error:.3g}, no better than chance among {n_classes} "
                "classes: boosting ends with it alone. Train it longer, with more epochs or a larger learning_rate.",
                UserWarning,
                stacklevel=4,
            )
            run.ended = True
        # Zhu et al., equation (1): alpha = log((1 - err) / err) + log(K - 1)
        run.ended = run.ended or error == 0
        alpha = 1.0
        if not run.ended:
            alpha = float(self.learning_rate * (np.log((1.0 - error) / error) + np.log(n_classes - 1.0)))
        run.votes[np.arange(len(decisions)), decisions] += alpha
        run.nets.append(net)
        run.alphas.append(alpha)
        run.errors.append(error)
        run.histories.append(history)
        return decisions, output

    def _finish(self, run: Run, count: int) -> None:
        """Make the first members the estimator's net."""
        alphas = np.array(run.alphas[:count])
        net = Ensemble(run.nets[:count], alphas, combine="vote", probability=run.probability)
        several = run.data.n_classes > 2
        loss = mx.gluon.loss.SoftmaxCrossEntropyLoss() if several else mx.gluon.loss.SigmoidBinaryCrossEntropyLoss()
        self.n_estimators_ = count
        self.estimator_weights_, self.estimator_errors_ = alphas, np.array(run.errors[:count])
        self._end(net, loss, run.histories[:count])
