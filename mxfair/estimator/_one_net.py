"""The estimators of one net: a training, its options, and going on with it."""

from __future__ import annotations

import contextlib
import operator
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils.metaestimators import available_if

from mxfair._inference import PredictGraph
from mxfair._validation import InputError
from mxfair.estimator import _nets
from mxfair.estimator._base import GluonEstimator, rng_of
from mxfair.estimator._job import Job, TrainingData, base_loss, check_options, make_job
from mxfair.estimator._plan import Plan
from mxfair.estimator._validation_rows import split, watch
from mxfair.groups import Groups
from mxfair.training import History

__all__ = ["OneNet"]


def _goes_on(estimator: Any) -> bool:
    """Tell whether an estimator has `partial_fit`."""
    if estimator.early_stopping or getattr(estimator, "max_gap", None) is not None:
        raise AttributeError("'early_stopping' and 'max_gap' must be off for partial_fit, which holds no rows out.")
    return True


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
            routing: ``set_fit_request(groups=True)``. Without it `GridSearchCV` keeps ``groups=`` for its splitter:
            put the estimator into a pipeline, and pass ``gluonclassifier__groups=``.
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
        check_options(self)
        plan = Plan(self.mitigation, self.criterion)
        warm = bool(self.warm_start) and hasattr(self, "net_")
        with contextlib.nullcontext() if warm else self._anew():
            rng = rng_of(self.random_state)
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
        else:
            _nets.initialize(net, rng, ctx)  # on the device
        width = _nets.width_of(net, data.X, ctx)
        self._check_width(width, data)
        self._base = base_loss(self.loss, width, data.n_classes)
        return make_job(self, data, net, self._base, plan, rng)

    def _finish(self, job: Job, history: History) -> None:
        """Take over what was trained."""
        self.net_, self.loss_, self.history_, self.callbacks_ = job.net, job.loss, history, job.callbacks
        self.n_iter_ = len(history)
        self._trainer, self._graph = job.trainer, PredictGraph(job.net)
        self._made_of, self._steering = self._ingredients(), _steering_of(job)

    def _ingredients(self) -> list[Any]:
        """Return what loss and optimizer were made of: they go on as long as it is the same."""
        return [self.loss, self.mitigation, self.criterion, self.optimizer, self.optimizer_params]

    @available_if(_goes_on)
    def partial_fit(self, X: Any, y: Any, groups: Any = None, sample_weight: Any = None, classes: Any = None) -> Any:
        """Train for one more epoch on these samples, and go on from the calls before.

        The optimizer's states, those of a loss of groups and the shares of `FairBatch` and `SampleWeighting` go on, as
        long as the parameters stay; a copy, or an estimator that was read from a file, starts them anew. Samples are
        held out by `fit` only.

        Parameters
        ----------
        X, y, groups, sample_weight
            As for `fit`. Preprocessing steps are fitted by the first call, which must see all groups where a mitigation
            needs them.
        classes : array of shape (n_classes,), optional
            All classes, for the first call of a classifier, where these samples may lack one.

        Returns
        -------
        GluonEstimator
            Itself.

        Raises
        ------
        InputError, InputTypeError, ValueError
            As for `fit`; if a label is not among the classes, or a group not among those of the first call.
        AttributeError
            With `early_stopping` or `max_gap`: it holds no rows out.
        """
        check_options(self)
        plan = Plan(self.mitigation, self.criterion)
        first = not hasattr(self, "net_")
        with self._anew() if first else contextlib.nullcontext():
            rng = self._rng if hasattr(self, "_rng") else rng_of(self.random_state)
            known = self._declare(classes, first=first)
            data = self._prepare(X, y, groups, sample_weight, plan, reset=first, known=known)
            if plan.needs_groups:
                data = self._with_groups_of_first_call(data)
            job = self._job(self._mitigated(data, plan, rng), plan, rng, net=None if first else self.net_)
            job.epochs = 1
            if not first:
                self._go_on(job)
            history = job.run()
            if not first:
                history.epochs[:] = [*self.history_.epochs, *history.epochs]
                for place, entry in enumerate(history.epochs):
                    entry["epoch"] = place
            self._rng = rng
            self._finish(job, history)
        return self

    def _with_groups_of_first_call(self, data: TrainingData) -> TrainingData:
        """Return data whose groups have the codes of the first call: states of losses and shares are by code."""
        groups: Any = data.groups
        if not hasattr(self, "group_names_"):
            self.group_names_ = np.array(groups.names, dtype=object)
            self._all_known = bool(groups.known.all())
            return data
        names = self.group_names_.tolist()
        codes = groups.codes_in(names)
        return replace(data, groups=Groups.from_codes(codes, names, unknown=not self._all_known, name=groups.name))

    def _go_on(self, job: Job) -> None:
        """Let a training go on with the optimizer, the loss and the shares of the last one."""
        trainer: Any = getattr(self, "_trainer", None)
        same = trainer is not None and all(map(operator.is_, self._made_of, self._ingredients()))
        if not same or type(job.loss) is not type(self.loss_):
            return
        if trainer.learning_rate != job.optimizer_params["learning_rate"] and trainer.optimizer.lr_scheduler is None:
            trainer.set_learning_rate(job.optimizer_params["learning_rate"])
        steered, state = _steered(job), self._steering
        if steered is not None and state is not None:
            steered._steering.load_state_dict(state)
        if getattr(job.loss, "source", None) is None:
            job.loss = self.loss_
        elif steered is not None:
            steered._set()
        job.trainer = trainer

    def _declare(self, classes: Any, *, first: bool) -> bool:
        """Take over the classes that `partial_fit` was given; tell whether they are known now."""
        if classes is not None:
            raise InputError("'classes' must not be given: the target is a number. Leave it out.")
        return not first


def _steered(job: Job) -> Any:
    """Return what steers the mix of cells, sampler or weights."""
    sampler = getattr(job.loader, "_batch_sampler", None)
    return sampler if hasattr(sampler, "_steering") else getattr(job.loss, "source", None)


def _steering_of(job: Job) -> dict[str, Any] | None:
    """Return the shares of cells as they are, without what belongs to these rows."""
    steered = _steered(job)
    if steered is None:
        return None
    return {name: value for name, value in steered._steering.state_dict().items() if name != "signal"}
