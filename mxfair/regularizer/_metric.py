"""How far an optimizer's step moves each weight: what a proximal step must know to shrink by as much."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from mxfair._compat import import_mxnet
from mxfair._validation import InputError, InputTypeError

mx: Any = import_mxnet()


def step_lengths(step: Any, parameters: list[Any], slope: float, *, projects: bool) -> Iterator[tuple[Any, Any]]:
    """Yield weights, and how far a gradient of `slope` that stays moves them in a step: a number, or one for each.

    `projects`: only whether there was a step matters.
    """
    trained = [parameter for parameter in parameters if parameter.grad_req != "null"]
    if not isinstance(step, mx.gluon.Trainer):
        length = _number(step) * slope
        yield from ((weight, length) for parameter in trained if length for weight in parameter.list_data())
        return
    trainer, optimizer = step, step.optimizer
    own = {id(parameter): place for place, parameter in enumerate(trainer._params)}
    check_optimizer(trainer, projects=projects)
    for parameter in trained:
        if id(parameter) not in own:
            continue
        place = own[id(parameter)]
        rate = float(optimizer._get_lr(place)) * slope
        if rate <= 0:
            continue
        for device, weight in enumerate(parameter.list_data()):
            if projects:
                yield weight, 1.0
            elif type(optimizer) in (mx.optimizer.SGD, mx.optimizer.NAG):
                # Steady velocity = gradient / (1 - momentum)
                yield weight, rate / (1.0 - optimizer.momentum)
            elif trainer._updaters[device].states.get(place) is not None:
                yield weight, _scaled(rate, optimizer, place, trainer._updaters[device].states[place])


def check_optimizer(trainer: Any, *, projects: bool) -> None:
    """Raise where it is not known how far the trainer's optimizer moves a weight, or the step would be undone."""
    optimizer = trainer.optimizer
    if optimizer.multi_precision:
        raise InputError(
            "'trainer' must not use multi_precision with a proximal step; its copies of the weights would undo the "
            "step. Use float32, or step='gradient'."
        )
    if trainer._update_on_kvstore:
        raise InputError(
            "'trainer' must update the weights itself for a proximal step; a key-value store does. Pass "
            "update_on_kvstore=False to it."
        )
    known = [getattr(mx.optimizer, name) for name in ("SGD", "NAG", "Adam", "AdaGrad", "RMSProp")]
    if not projects and (type(optimizer) not in known or getattr(optimizer, "centered", False)):
        raise InputError(
            "'trainer' must use SGD, NAG, Adam, AdaGrad or RMSProp (not centered) for a proximal step; got "
            f"{type(optimizer).__name__}. Use step='gradient', or give proximal() the length of the step."
        )


def _scaled(rate: float, optimizer: Any, place: int, state: Any) -> Any:
    """Return what the optimizer multiplies a steady gradient with."""
    if type(optimizer) is mx.optimizer.AdaGrad:
        return rate * mx.nd.rsqrt(state + optimizer.float_stable_eps)
    if type(optimizer) is mx.optimizer.RMSProp:
        return rate * mx.nd.rsqrt(state[0] + optimizer.epsilon)
    count = optimizer._index_update_count[place]
    correction = math.sqrt(1.0 - optimizer.beta2**count) / (1.0 - optimizer.beta1**count)
    return rate * correction / (mx.nd.sqrt(state[1]) + optimizer.epsilon)


def _number(step: Any) -> float:
    try:
        length = float(step)
    except (TypeError, ValueError) as error:
        raise InputTypeError(
            f"'step' must be a number or a gluon.Trainer; got {step!r}. Give the learning rate."
        ) from error
    if not (math.isfinite(length) and length >= 0):
        raise InputError(f"'step' must be finite and not negative; got {length}. Give the learning rate.")
    return length
