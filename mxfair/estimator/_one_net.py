"""The estimators of one net: a training, its options, and going on with it."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._inference import PredictGraph
from mxfair._validation import InputError
from mxfair.estimator import _nets
from mxfair.estimator._base import GluonEstimator, rng_of
from mxfair.estimator._job import Job, TrainingData, base_loss, make_job
from mxfair.estimator._plan import Plan
from mxfair.estimator._validation_rows import split, watch
from mxfair.training import History

__all__ = ["OneNet"]


class OneNet(GluonEstimator):
    """One net and its training."""

    loss: Any
    warm_start: bool
    random_state: Any
    _rng: np.random.Generator

    # Training.

    def fit(self, X: Any, y: Any, groups: Any = None, sample_weight: Any = None) -> Any:
        """Train the net.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features), or (n_samples, ...) for a net of your own
            Numbers; float32 inside.
        y : array of shape (n_samples,)
            The target.
        groups : array of shape (n_samples,), column, columns or Groups, optional
            The group of each sample, for mitigations and validation figures that need it. With scikit-learn's metadata
            routing: ``set_fit_request(groups=True)``.
        sample_weight : array of float, shape (n_samples,), optional
            What each sample counts for in the loss; only ratios matter.

        Returns
        -------
        GluonEstimator
            Itself.

        Raises
        ------
        InputError, InputTypeError, ValueError
            If an argument or a parameter cannot be used; before anything is trained.
        FloatingPointError
            If training diverges.
        """
        rng = rng_of(self.random_state)
        plan = Plan(self.mitigation, self.criterion)
        warm = bool(self.warm_start) and hasattr(self, "net_")
        data = self._prepare(X, y, groups, sample_weight, plan, reset=not warm)
        self._train(data, plan, rng, warm=warm)
        return self

    def _train(self, data: TrainingData, plan: Plan, rng: np.random.Generator, *, warm: bool) -> None:
        rows, held = split(self, data, rng)
        trained = self._mitigated(data if rows is None else data.take(rows), plan, rng)
        job = self._job(trained, plan, rng, net=self.net_ if warm else None)
        if held is not None:
            watch(self, job, data.take(held), self._base)
        self._finish(job, job.run())

    def _job(self, data: TrainingData, plan: Plan, rng: np.random.Generator, *, net: Any = None) -> Job:
        """Return the training on data, of a new net or of one that goes on."""
        ctx = self._context()
        if net is None:
            net = _nets.make_net(self.net, int(np.prod(data.X.shape[1:])), self._n_outputs(data))
            _nets.initialize(net, rng, ctx)
        width = _nets.width_of(net, data.X, ctx)
        self._check_width(width, data)
        self._base = base_loss(self.loss, width, data.n_classes)
        return make_job(self, data, net, self._base, plan, rng)

    def _finish(self, job: Job, history: History) -> None:
        """Take over what was trained."""
        self.net_, self.loss_, self.history_, self.callbacks_ = job.net, job.loss, history, job.callbacks
        self.n_iter_ = len(history)
        self._trainer, self._graph = job.trainer, PredictGraph(job.net)

    def partial_fit(self, X: Any, y: Any, groups: Any = None, sample_weight: Any = None, classes: Any = None) -> Any:
        """Train for one more epoch on these samples, with the optimizer's state of the calls before.

        Parameters
        ----------
        X, y, groups, sample_weight
            As for `fit`. Preprocessing steps are fitted by the first call.
        classes : array of shape (n_classes,), optional
            All classes, for the first call of a classifier, where these samples may lack one.

        Returns
        -------
        GluonEstimator
            Itself.

        Raises
        ------
        InputError, InputTypeError, ValueError
            As for `fit`; or if a label is not among the classes.
        """
        rng = rng_of(self.random_state) if not hasattr(self, "_rng") else self._rng
        plan = Plan(self.mitigation, self.criterion)
        first = not hasattr(self, "net_")
        if first:
            self._declare(classes)
        data = self._prepare(X, y, groups, sample_weight, plan, reset=first)
        job = self._job(self._mitigated(data, plan, rng), plan, rng, net=None if first else self.net_)
        job.epochs = 1
        trainer = getattr(self, "_trainer", None)
        if not first and trainer is not None and type(job.loss) is type(self.loss_) and not job.loss.collect_params():
            job.trainer = trainer
        history = job.run()
        if not first:
            history.epochs[:0] = self.history_.epochs
        self._rng = rng
        self._finish(job, history)
        return self

    def _declare(self, classes: Any) -> None:
        """Take over the classes that `partial_fit` was given."""
        if classes is not None:
            raise InputError("'classes' must not be given: the target is a number. Leave it out.")
