"""Trainings that differ in their initial values and the order of their batches alone."""

from __future__ import annotations

from typing import Any

from mxfair import training
from mxfair._inference import is_probability
from mxfair.ensemble.block import Ensemble
from mxfair.estimator._job import Job
from mxfair.loss import trained_parameters
from mxfair.training import History

__all__ = ["averaged", "run_all"]


def run_all(jobs: list[Job]) -> list[History]:
    """Train side by side where that computes the same, else one after another."""
    if len(jobs) == 1 or any(job.callbacks or _trains_more(job) for job in jobs):
        return [job.run() for job in jobs]
    first = jobs[0]
    return training.fit_together(
        [job.net for job in jobs],
        [job.loader for job in jobs],
        [job.loss for job in jobs],
        first.epochs,
        optimizer=first.optimizer,
        optimizer_params=dict(first.optimizer_params),
        regularizers=[job.regularizers for job in jobs],
        progress=first.progress,
    )


def _trains_more(job: Job) -> bool:
    """Tell whether a loss has parameters that are trained, as an adversary's, or the net has none."""
    trained, own = trained_parameters(job.net, job.loss), job.net.collect_params()
    return not trained or any(name not in own for name in trained)


def averaged(nets: list[Any], loss: Any, *, classification: bool) -> Ensemble:
    """Return the mean of the nets: of probabilities, or of values."""
    if not classification:
        return Ensemble(nets, combine="score")
    return Ensemble(nets, probability=is_probability(loss))
