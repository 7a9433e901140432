"""The trainings of a bagging's members: side by side where that computes the same, else one after another."""

from __future__ import annotations

from typing import Any

from mxfair import training
from mxfair._validation import InputError
from mxfair.estimator._job import Job
from mxfair.loss import trained_parameters
from mxfair.training.together import _can_fuse

__all__ = ["check_fused", "run_jobs"]


def check_fused(fused: Any) -> None:
    """Raise where `fused` is nothing that is known."""
    if not isinstance(fused, bool) and not (isinstance(fused, str) and fused == "auto"):
        raise InputError(f"'fused' must be 'auto', True or False; got {fused!r}. Leave it out for 'auto'.")


def run_jobs(jobs: list[Job], fused: bool | str) -> list[training.History]:
    """Train the members and return their histories.

    With "auto" they are trained side by side where they may be; with True it is an error where they cannot be.
    """
    if fused is False or (len(jobs) == 1 and not jobs[0].callbacks):
        return [job.run() for job in jobs]
    reason = _apart(jobs)
    if fused is True and not reason:
        reason = _can_fuse(*_common(jobs), **_options(jobs))
    if fused is True and reason:
        raise InputError(f"'fused' must be 'auto' or False here; got True. The members cannot be one graph: {reason}.")
    if reason:
        return [job.run() for job in jobs]
    return training.fit_together(*_common(jobs), jobs[0].epochs, **_options(jobs), progress=jobs[0].progress)


def _apart(jobs: list[Job]) -> str:
    """Return why the trainings must be one after another; empty where they need not be."""
    for job in jobs:
        if job.callbacks:
            return "callbacks, early stopping and max_gap look at one net at a time"
        trained, own = trained_parameters(job.net, job.loss), job.net.collect_params()
        if any(name not in own for name in trained):
            return f"{type(job.loss).__name__} has parameters of its own that are trained"
        if not trained:
            return "a net has nothing that is trained"
    if len({(len(job.loader._dataset), len(job.loader)) for job in jobs}) > 1:
        return "they do not have equally many rows"
    if len(jobs[0].loader._dataset) < 2:
        return "there is one row"
    return ""


def _common(jobs: list[Job]) -> tuple[list[Any], list[Any], list[Any]]:
    return [job.net for job in jobs], [job.loader for job in jobs], [job.loss for job in jobs]


def _options(jobs: list[Job]) -> dict[str, Any]:
    first = jobs[0]
    return {
        "optimizer": first.optimizer,
        "optimizer_params": dict(first.optimizer_params),
        "regularizers": [job.regularizers for job in jobs],
    }
