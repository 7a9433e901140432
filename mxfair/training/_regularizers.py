"""What `fit` does with its regularizers: a loss with their penalties, callbacks for their steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mxfair._compat import import_mxnet
from mxfair._strength import scheduled
from mxfair._validation import InputError, InputTypeError
from mxfair.loss import RegularizedLoss
from mxfair.regularizer import Regularizer
from mxfair.regularizer._metric import check_optimizer
from mxfair.training.callbacks import Callback
from mxfair.training.regularization import ProximalSteps, UpdateStrengths

mx: Any = import_mxnet()


def check_regularizers(regularizers: Any, net: Any, trainer: Any) -> list[Any]:
    """Return regularizers as a list, after checking that training moves what they penalise."""
    if not isinstance(regularizers, Iterable):
        raise InputTypeError(f"'regularizers' must be a list of Regularizer objects; got {regularizers!r}.")
    regularizers = list(regularizers)
    if not regularizers:
        return []
    own = {id(parameter) for parameter in net.collect_params().values()}
    trained = {id(parameter) for parameter in trainer._params}
    for regularizer in regularizers:
        if not isinstance(regularizer, Regularizer):
            raise InputTypeError(f"'regularizers' must hold Regularizer objects; got {regularizer!r}. Give an L2.")
        chosen = set(map(id, regularizer.parameters))
        if not chosen <= own:
            raise InputError(
                f"'regularizers' must be those of the net being trained; got {regularizer!r} of another. Make it with "
                "this net."
            )
        if not chosen & trained:
            raise InputError(
                f"'regularizers' must have parameters that the trainer holds; {regularizer!r} has none. Choose others "
                "with select=, or give them to the trainer."
            )
        if regularizer.step == "proximal":
            check_optimizer(trainer, projects=regularizer.projects)
    return regularizers


def regularized(loss: Any, regularizers: list[Any]) -> Any:
    """Return a loss with the penalties of those regularizers that are part of a loss."""
    penalties = [regularizer for regularizer in regularizers if regularizer.step == "gradient"]
    if not penalties:
        return loss
    if isinstance(loss, mx.gluon.HybridBlock):
        return RegularizedLoss(loss, *penalties)

    def penalized(*items: Any) -> Any:
        value = loss(*items)
        for penalty in penalties:
            value = value + penalty(value.context)
        return value

    return penalized


def hooks_for(loss: Any, regularizers: list[Any]) -> list[Callback]:
    """Return the callbacks that regularizers and schedules need; none where there is nothing to do."""
    hooks: list[Callback] = []
    proximal = [regularizer for regularizer in regularizers if regularizer.step == "proximal"]
    if proximal:
        hooks.append(ProximalSteps(*proximal))
    if any(scheduled(block) for block in (loss, *regularizers)):
        hooks.append(UpdateStrengths(*regularizers))
    return hooks
