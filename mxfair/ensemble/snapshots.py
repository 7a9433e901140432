"""Snapshot ensembles: several nets from a single training whose learning rate rises and falls."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mxfair._validation import InputError, positive_integer
from mxfair.ensemble._averaged import averaged
from mxfair.ensemble._estimator import EnsembleClassifying, EnsembleRegressing, renamed
from mxfair.estimator import _nets
from mxfair.estimator._base import PastLoss
from mxfair.estimator._job import Job
from mxfair.training import Callback, TrainingState

__all__ = ["SnapshotEnsembleClassifier", "SnapshotEnsembleRegressor"]


class _Cycles(Callback):
    """Set the learning rate before each batch, and copy the parameters when a cycle ends; nothing waits for either."""

    def __init__(self, n_cycles: int, n_kept: int, rate: float, n_batches: int) -> None:
        self._rate, self._n_kept = rate, n_kept
        #: The batch that each cycle begins with; the last of them ends.
        self._starts = np.linspace(0, n_batches, n_cycles + 1).round().astype(int)
        self._ends, self._done = set(self._starts[1:].tolist()), 0
        self.copies: list[dict[str, Any]] = []

    def rate_at(self, batch: int) -> float:
        """Return the learning rate of a batch, counted from the first of training."""
        cycle = min(int(np.searchsorted(self._starts, batch, side="right")) - 1, len(self._starts) - 2)
        begin, end = self._starts[cycle], self._starts[cycle + 1]
        return self._rate / 2 * (math.cos(math.pi * (batch - begin) / (end - begin)) + 1)

    def on_train_begin(self, state: TrainingState) -> None:
        """See `Callback.on_train_begin`."""
        state.trainer.set_learning_rate(self.rate_at(0))

    def on_batch_end(self, state: TrainingState) -> None:
        """See `Callback.on_batch_end`."""
        self._done += 1
        if self._done in self._ends:
            self.copies.append({name: p.data().copy() for name, p in state.net.collect_params().items()})
            del self.copies[: -self._n_kept]
        if self._done < self._starts[-1]:
            state.trainer.set_learning_rate(self.rate_at(self._done))

    def on_epoch_end(self, state: TrainingState) -> None:
        """See `Callback.on_epoch_end`."""
        state.history.epochs[-1]["learning_rate"] = float(state.trainer.learning_rate)


class _SnapshotEnsemble:
    """Training of both."""

    estimator: Any
    n_estimators: int
    n_last: int | None
    random_state: Any

    def fit(self: Any, X: Any, y: Any, groups: Any = None, sample_weight: Any = None) -> Any:
        """Train one net, and keep what it is at the end of each cycle.

        Parameters
        ----------
        X, y, groups, sample_weight
            As for `GluonClassifier.fit`.

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
        count = self._count(self.n_estimators)
        kept = count if self.n_last is None else positive_integer(self.n_last, "n_last")
        if kept > count:
            raise InputError(f"'n_last' must be at most the {count} cycles; got {kept}. Leave it out to keep all.")
        with self._anew():
            given, plan, rng, template = self._begin(X, y, groups, sample_weight)
            data = self._mitigated(given, plan, rng)
            if template.early_stopping or getattr(template, "max_gap", None) is not None:
                raise InputError(
                    "'estimator' must not stop early or choose an epoch; got early_stopping or max_gap. Leave them "
                    "out: each cycle ends where its rate is 0."
                )
            job = template._job(data, plan, rng)
            cycles = self._cycles(job, count, kept)
            job.callbacks = [cycles, *job.callbacks]
            history = job.run()
            nets = [self._snapshot(job.net, values, number) for number, values in enumerate(cycles.copies)]
            self._end(averaged(nets, job.loss, classification=bool(data.n_classes)), PastLoss(False), [history])
        return self

    @staticmethod
    def _cycles(job: Job, count: int, kept: int) -> _Cycles:
        if "lr_scheduler" in job.optimizer_params:
            raise InputError("'optimizer_params' must not hold lr_scheduler: the cycles set the rate. Leave it out.")
        batches = job.epochs * len(job.loader)
        if batches < count:
            raise InputError(
                f"'n_estimators' must be at most the {batches} batches of the training ({job.epochs} epochs); got "
                f"{count}. Train for more epochs."
            )
        return _Cycles(count, kept, float(job.optimizer_params["learning_rate"]), batches)

    @staticmethod
    def _snapshot(net: Any, values: dict[str, Any], number: int) -> Any:
        """Return the net as it was."""
        made = _nets.copied(net)
        for name, parameter in made.collect_params().items():
            parameter.set_data(values[name])
        return renamed(made, f"snapshot{number}_")


class SnapshotEnsembleClassifier(_SnapshotEnsemble, EnsembleClassifying):
    r"""What one net was at the end of each cycle of its learning rate, averaged: K members for one training.

    .. math:: \alpha(t) = \frac{\alpha_0}{2} \left( \cos \frac{\pi \, \mathrm{mod}(t - 1, \lceil T / K \rceil)}
        {\lceil T / K \rceil} + 1 \right)

    is the rate of batch t of T: each cycle begins with the full rate, which leaves the minimum of the cycle before, and
    ends near 0, in a minimum of its own.

    Parameters
    ----------
    estimator : GluonClassifier, optional
        The net and its training. Its `epochs` are those of all cycles together, its `learning_rate` is the one that
        cycles begin with. Default: ``GluonClassifier()``. Its `random_state` is not used.
    n_estimators : int, default=5
        Number of cycles.
    n_last : int, optional
        Keep the snapshots of so many last cycles. Default: all.
    random_state : int, RandomState, Generator or None, default=None
        Seeds initial values and order of rows.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    net_ : Ensemble
        The ensemble as one net; ``net_.nets`` are the snapshots.
    steps_ : list of Step
        The fitted preprocessing steps, where the template's mitigation holds some: `net_` expects what they return.
    history_ : History
        What happened in each epoch; `learning_rate` is that of the next batch.

    Notes
    -----
    The rate is set before each batch. Where K does not divide T, cycles differ by a batch, so that the last one ends
    too. The paper starts from a large rate (0.1, with SGD) and cycles of 40 epochs and more: with a small rate the net
    does not leave its minimum, and the members are alike. Snapshots share their initial values and say little about
    the spread over these: that is what `SeedEnsembleClassifier` is for.

    References
    ----------
    Huang, Li, Pleiss, Liu, Hopcroft and Weinberger, "Snapshot Ensembles: Train 1, Get M for Free", ICLR 2017,
    equation 2.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.ensemble import SnapshotEnsembleClassifier
    >>> from mxfair.estimator import GluonClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(400, 4))
    >>> y = (X[:, 0] + 0.5 * rng.normal(size=400) > 0).astype(int)
    >>> model = SnapshotEnsembleClassifier(GluonClassifier((8,), learning_rate=0.05), n_estimators=4, random_state=0)
    >>> model.fit(X, y).net_
    Ensemble(4 nets, combine='probability', weights=[1, 1, 1, 1])
    """

    def __init__(
        self, estimator: Any = None, *, n_estimators: int = 5, n_last: int | None = None, random_state: Any = None
    ) -> None:
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.n_last = n_last
        self.random_state = random_state


class SnapshotEnsembleRegressor(_SnapshotEnsemble, EnsembleRegressing):
    """What one net was at the end of each of several cycles of its learning rate, averaged.

    Parameters
    ----------
    estimator : GluonRegressor, optional
        The net and its training. Default: ``GluonRegressor()``.
    n_estimators, n_last, random_state
        As for `SnapshotEnsembleClassifier`.

    Attributes
    ----------
    net_, steps_, history_
        As for `SnapshotEnsembleClassifier`.

    References
    ----------
    Huang, Li, Pleiss, Liu, Hopcroft and Weinberger, "Snapshot Ensembles: Train 1, Get M for Free", ICLR 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.ensemble import SnapshotEnsembleRegressor
    >>> X = np.random.default_rng(0).normal(size=(100, 3))
    >>> SnapshotEnsembleRegressor(n_estimators=6, n_last=2, random_state=0).fit(X, X[:, 0]).net_
    Ensemble(2 nets, combine='score', weights=[1, 1])
    """

    def __init__(
        self, estimator: Any = None, *, n_estimators: int = 5, n_last: int | None = None, random_state: Any = None
    ) -> None:
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.n_last = n_last
        self.random_state = random_state
