"""What GradientBoostingClassifier and GradientBoostingRegressor share: fits to what is left, steps, early stopping."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._validation import InputError, positive_integer
from mxfair.ensemble._estimator import EnsembleEstimator
from mxfair.ensemble._objectives import objective_for
from mxfair.ensemble._rounds import Rounds, check_template, fraction, outputs_of, positive_number
from mxfair.ensemble.block import Ensemble
from mxfair.estimator import GluonRegressor
from mxfair.estimator._job import TrainingData
from mxfair.estimator._plan import Plan, relative
from mxfair.estimator._validation_rows import split
from mxfair.training import History

mx: Any = import_mxnet()

__all__ = ["GradientBoosting"]


class _Part:
    """Rows, and the ensemble's scores for them."""

    def __init__(self, data: TrainingData) -> None:
        self.X, self.given = data.X, data.weight
        self.loss = objective_for(data.target, data.n_classes)
        self.weight = relative(np.ones(len(data)) if data.weight is None else data.weight)
        self.scores = np.zeros((len(data), 1))

    def __len__(self) -> int:
        return len(self.X)

    def value(self) -> float:
        """Return the mean loss."""
        return float(self.loss.value(self.scores, self.weight))


class _Fits:
    """Nets fitted to the residuals of the training rows, of all or of some that are drawn."""

    def __init__(
        self, ensemble: EnsembleEstimator, template: Any, part: _Part, *, share: float, rng: np.random.Generator
    ) -> None:
        self._part, self._rng = part, rng
        self._pool = np.flatnonzero(part.weight > 0)  # a draw of rows without weight would be nothing to fit
        self._size = len(part) if share == 1 else max(1, round(share * len(self._pool)))
        empty = TrainingData(part.X, np.zeros(len(part), np.float32), None, part.given)
        self._rounds = Rounds(ensemble, template, empty, Plan(None, None), rng=rng)

    def one(self, number: int, residuals: np.ndarray, size: float) -> tuple[Any, History, np.ndarray, float]:
        """Return a net fitted to the residuals over their size, its history, its outputs and the best step along it."""
        part = self._part
        changed: dict[str, np.ndarray] = {}
        rows: Any = slice(None)
        if self._size < len(part):
            rows = np.sort(self._rng.choice(self._pool, self._size, replace=False))
            changed["X"] = part.X[rows]
            if part.given is not None:
                changed["weight"] = part.given[rows]
        target = (residuals[rows] / size).astype(np.float32)
        changed["target"] = target[:, 0] if target.shape[1] == 1 else target
        net, history = self._rounds.train(number, **changed)
        direction = outputs_of(net, part.X).astype(np.float64)
        step = part.loss.take(rows).step(part.scores[rows], direction[rows], part.weight[rows])
        return net, history, direction, step


@dataclass
class _Stages:
    """What boosting has so far."""

    base: np.ndarray
    nets: list[Any] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    train: list[float] = field(default_factory=list)
    held: list[float] = field(default_factory=list)
    histories: list[History] = field(default_factory=list)


class GradientBoosting(EnsembleEstimator):
    """Base of the two; see `GradientBoostingClassifier`."""

    n_estimators: int
    learning_rate: float
    subsample: float
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int
    tol: float
    _template_type = GluonRegressor

    def _default(self) -> Any:
        return GluonRegressor((16,), epochs=10, learning_rate=0.01)

    def fit(self, X: Any, y: Any, groups: Any = None, sample_weight: Any = None) -> Any:
        """Fit nets to what is left, until there are enough or held-out rows have no more of it.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            Numbers; float32 inside.
        y : array of shape (n_samples,)
            The target.
        groups : array of shape (n_samples,), column, columns or Groups, optional
            The group of each sample, for mitigations that need it, and for the rows that early stopping holds out: the
            same share of each (label, group) cell.
        sample_weight : array of float, shape (n_samples,), optional
            What each sample counts for; only ratios matter.

        Returns
        -------
        GradientBoostingClassifier or GradientBoostingRegressor
            Itself.

        Raises
        ------
        InputError, InputTypeError, ValueError
            If an argument or a parameter cannot be used; before anything is trained.
        FloatingPointError
            If the training of a net diverges.
        """
        with self._anew():
            share = self._check_options()
            data, plan, rng, template = self._begin(X, y, groups, sample_weight)
            rows, kept = split(self, data, rng)
            train = _Part(self._mitigated(data if rows is None else data.take(rows), plan, rng))
            held = None if kept is None else _Part(data.take(kept))
            fits = _Fits(self, template, train, share=share, rng=rng)
            self._conclude(self._fit_stages(train, held, fits), data.n_classes)
        return self

    def _fit_stages(self, train: _Part, held: _Part | None, fits: _Fits) -> _Stages:
        """Fit nets and add them up."""
        stages = _Stages(train.loss.base(train.weight))
        for part in (train, held):
            if part is not None:
                part.scores = np.tile(stages.base, (len(part), 1))
        for number in range(self.n_estimators):
            residuals = train.loss.residuals(train.scores)
            size = float(np.sqrt(np.average((residuals**2).mean(axis=1), weights=train.weight)))
            if size == 0 and stages.nets:
                break
            net, history, direction, step = fits.one(number, residuals, size or 1.0)
            weight = float(self.learning_rate * step)
            stages.nets.append(net)
            stages.histories.append(history)
            stages.weights.append(weight)
            train.scores += weight * direction
            stages.train.append(train.value())
            if held is not None:
                held.scores += weight * outputs_of(net, held.X)
                stages.held.append(held.value())
                if self._stalled(stages.held):
                    break
        return stages

    def _check_options(self) -> float:
        """Check parameters; return the share of rows that a net is fitted to."""
        self._count(self.n_estimators)
        positive_number(self.learning_rate, "learning_rate")
        if self.early_stopping:
            positive_integer(self.n_iter_no_change, "n_iter_no_change")
            if isinstance(self.tol, bool) or not isinstance(self.tol, (int, float, np.number)) or not self.tol >= 0:
                raise InputError(f"'tol' must be a number, 0 or more; got {self.tol!r}.")
        check_template(self._template())
        plan = Plan(self.mitigation, self.criterion)
        if plan.loss is not None or plan.sampler is not None or plan.weighting is not None:
            raise InputError(
                "'estimator' must not have a mitigation of batches or of the loss: its nets are fitted to residuals, "
                "and would even out their errors rather than those of the ensemble. Use steps, reweighing, massaging "
                "or CellSMOTE, or AdaFairClassifier."
            )
        return fraction(self.subsample, "subsample")

    def _stalled(self, losses: list[float]) -> bool:
        """Tell whether the loss has not fallen by `tol` for so many stages."""
        best, since = np.inf, 0
        for value in losses:
            best, since = (value, 0) if value < best - self.tol else (best, since + 1)
        return since >= self.n_iter_no_change

    def _conclude(self, stages: _Stages, n_classes: int) -> None:
        """Make the nets one net: all, or those up to the smallest loss of held-out rows."""
        count = int(np.argmin(stages.held)) + 1 if stages.held else len(stages.nets)
        weights = np.array(stages.weights[:count])
        losses = mx.gluon.loss
        usual = {0: losses.L2Loss, 2: losses.SigmoidBinaryCrossEntropyLoss}
        loss = usual.get(n_classes, losses.SoftmaxCrossEntropyLoss)()
        self.n_estimators_, self.estimator_weights_ = count, weights
        self.train_score_ = np.array(stages.train)
        if stages.held:
            self.validation_score_ = np.array(stages.held)
        net = Ensemble(stages.nets[:count], weights, combine="sum", bias=stages.base)
        self._end(net, loss, stages.histories[:count])
