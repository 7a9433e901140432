"""One training step: the plain Gluon one, and the same in one graph with one update of all parameters.

A step of a small net costs far more in calls than in arithmetic. `GraphStep` records net and loss as one cached graph
and lays all parameters, gradients and optimizer states out as views of flat arrays, so that an update is one call. It
computes what `PlainStep` computes. It leans on private attributes of mxnet 1.9.1, the engine's last release; where
anything is not as it expects, `make_step` returns the plain step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._graph import UnsupportedError, graph_of

mx: Any = import_mxnet()

__all__ = ["GraphStep", "PlainStep", "UnsupportedError", "make_step"]

#: Optimizers whose update treats every weight by itself, so that many parameters can be updated as one.
_ELEMENTWISE = {"SGD", "NAG", "Adam", "AdaGrad", "AdaDelta", "RMSProp"}


#: Operators whose weights oneDNN may lay out anew in predict mode.
_REORDERING = {"Convolution", "Deconvolution", "RNN"}


def make_step(net: Any, loss: Any, trainer: Any, batch: tuple[Any, ...], *, hybridize: bool) -> tuple[Any, str]:
    """Return a step, and why it is the plain one (empty where it is not).

    A batch is the data, the label, and whatever else the loss takes.
    """
    if hasattr(loss, "_make_step"):  # one that combines gradients in its own way
        return loss._make_step(net, trainer, batch, hybridize=hybridize)
    if not hybridize:
        return PlainStep(net, loss, trainer), "hybridize=False"
    try:
        return GraphStep(net, loss, trainer, batch), ""
    except UnsupportedError as reason:
        return PlainStep(net, loss, trainer), str(reason)


class PlainStep:
    """Forward, backward and Trainer.step, as anyone writes them."""

    def __init__(self, net: Any, loss: Any, trainer: Any) -> None:
        self.net, self.loss, self.trainer = net, loss, trainer

    def __call__(self, batch: tuple[Any, ...], batch_size: int) -> Any:
        with mx.autograd.record():
            value = self.loss(self.net(batch[0]), *batch[1:])
        value.backward()
        self.trainer.step(batch_size)
        return value

    def current(self, *, retrace: bool = False) -> bool:
        """Tell that the step reads net and trainer anew each time."""
        return True


class GraphStep:
    """The same step as one cached graph and one update."""

    def __init__(self, net: Any, loss: Any, trainer: Any, batch: tuple[Any, ...]) -> None:
        _check_blocks(net, loss)
        with mx.autograd.pause(train_mode=False):
            net(batch[0])  # shapes that Gluon infers at the first call
        self.trainer = trainer
        self._params = _trained_parameters(net, loss, trainer)
        self._graph = graph_of(net, loss, len(batch))
        parts = self._graph.parts
        used = {source.name for part in parts for source in part.sources}
        if any(parameter.name not in used for parameter in self._params):
            raise UnsupportedError("the trainer holds parameters that the loss does not use")
        reordered = any(_REORDERING & part.operators for part in parts)
        self._flat: Any = (_Apart if reordered else _Flat)(self._params, trainer)
        for part in parts:
            part.feed()

    def __call__(self, batch: tuple[Any, ...], batch_size: int) -> Any:
        value = self._graph(batch, batch_size)
        self._flat.update(batch_size)
        return value

    def current(self, *, retrace: bool = False) -> bool:
        """Tell whether parameters, optimizer and what is trained are still those the graph was made for.

        With `retrace`, also whether net and loss still compute the same: a callback may anneal an attribute of theirs.
        """
        if retrace and not self._graph.retraced():
            return False
        return (
            self.trainer.optimizer is self._flat.optimizer
            and all(part.current() for part in self._graph.parts)
            and [p for p in self.trainer._params if p.grad_req != "null"] == self._params
            and _updated_alike(self._params)
        )


class _Apart:
    """Parameters, gradients and states where the trainer has them; the trainer updates one after the other.

    In predict mode oneDNN changes the memory layout of the weights of a convolution where they are. Views of a flat
    array cannot follow: the process would crash at the next prediction.
    """

    def __init__(self, params: list[Any], trainer: Any) -> None:
        self._trainer, self.optimizer = trainer, trainer.optimizer

    def update(self, batch_size: int) -> None:
        self._trainer.step(batch_size)


class _Flat:
    """All parameters, gradients and optimizer states of a trainer as views of flat arrays."""

    def __init__(self, params: list[Any], trainer: Any) -> None:
        self._trainer, self.optimizer = trainer, trainer.optimizer
        self._places = [trainer._param2idx[parameter.name] for parameter in params]
        ctx = params[0].list_ctx()[0]
        self._shapes = [parameter.shape for parameter in params]
        self._sizes = [parameter.data().size for parameter in params]
        total = sum(self._sizes)
        states = trainer._updaters[0].states
        old = [states.get(place) for place in self._places]
        self._weight, self._grad = mx.nd.zeros(total, ctx=ctx), mx.nd.zeros(total, ctx=ctx)
        self._state = self.optimizer.create_state_multi_precision(self._places[0], self._weight)
        if any(state is not None for state in old):
            _copy_states(self._cut_state(), old, self.optimizer, self._places, params)
        for parameter, weight, grad in zip(params, self._cut(self._weight), self._cut(self._grad)):
            weight[:] = parameter.data()
            parameter._data, parameter._grad = [weight], [grad]
            mx.autograd.mark_variables([weight], [grad], parameter.grad_req)
        for place, state in zip(self._places, self._cut_state()):
            states[place] = state
            trainer._updaters[0].states_synced[place] = True

    def update(self, batch_size: int) -> None:
        self.optimizer.rescale_grad = self._trainer._scale / batch_size
        self.optimizer.update_multi_precision(self._places[0], self._weight, self._grad, self._state)
        counts = self.optimizer._index_update_count  # the trainer counts every parameter's updates
        counts.update(dict.fromkeys(self._places, counts[self._places[0]]))

    def _cut(self, flat: Any) -> list[Any]:
        views, start = [], 0
        for size, shape in zip(self._sizes, self._shapes):
            views.append(flat[start : start + size].reshape(shape))
            start += size
        return views

    def _cut_state(self) -> list[Any]:
        if self._state is None:
            return [None] * len(self._sizes)
        if isinstance(self._state, (tuple, list)):
            return [tuple(parts) for parts in zip(*(self._cut(part) for part in self._state))]
        return self._cut(self._state)


def _check_blocks(net: Any, loss: Any) -> None:
    for block, name in ((net, "the net"), (loss, "the loss")):
        if not isinstance(block, mx.gluon.HybridBlock):
            raise UnsupportedError(f"{name} is not a HybridBlock")
    pending = [net, loss]
    while pending:
        block = pending.pop()
        if block._forward_hooks or block._forward_pre_hooks:
            raise UnsupportedError("a block has hooks")
        pending.extend(block._children.values())


def _trained_parameters(net: Any, loss: Any, trainer: Any) -> list[Any]:
    """Return the parameters to update, after checking that one flat update is the same as the trainer's."""
    if type(trainer) is not mx.gluon.Trainer:
        raise UnsupportedError(f"{type(trainer).__name__} may update in its own way")
    params = [parameter for parameter in trainer._params if parameter.grad_req != "null"]
    own = {**net.collect_params(), **loss.collect_params()}
    if not params or any(p.name not in own or own[p.name] is not p for p in params):
        raise UnsupportedError("the trainer holds parameters that are neither the net's nor the loss's")
    if any(p.grad_req != "write" or np.dtype(p.dtype) != np.float32 or p._stype != "default" for p in params):
        raise UnsupportedError("a parameter is sparse, not float32, or accumulates its gradient")
    if any(p._grad_stype != "default" for p in params) or len(trainer._contexts) != 1:
        raise UnsupportedError("a gradient is sparse, or there are several devices")
    if not trainer._kv_initialized:
        trainer._init_kvstore()
    if trainer._params_to_init:
        trainer._init_params()
    if trainer._kvstore is not None or hasattr(trainer, "_amp_loss_scaler"):
        raise UnsupportedError("the trainer uses a key-value store or mixed precision")
    optimizer = trainer.optimizer
    if type(optimizer) not in [getattr(mx.optimizer, name) for name in _ELEMENTWISE] or optimizer.multi_precision:
        raise UnsupportedError(f"{type(optimizer).__name__} does not treat every weight by itself")
    if not _updated_alike(params) or optimizer.lr_mult or optimizer.wd_mult:
        raise UnsupportedError("parameters have different lr_mult or wd_mult")
    optimizer._set_current_context(trainer._contexts[0].device_id)  # updates are counted by device
    counts = {optimizer._index_update_count.get(trainer._param2idx[p.name]) for p in params}
    if len(counts) > 1:
        raise UnsupportedError("parameters have been updated a different number of times")
    return params


def _updated_alike(params: list[Any]) -> bool:
    return len({(p.grad_req, p.lr_mult, p.wd_mult) for p in params}) == 1


def _copy_states(new: list[Any], old: list[Any], optimizer: Any, places: list[int], params: list[Any]) -> None:
    """Copy an optimizer's states from earlier steps into the flat ones."""
    for target, source, place, parameter in zip(new, old, places, params):
        if source is None:
            source = optimizer.create_state_multi_precision(place, parameter.data())
        if target is None or source is None:
            continue
        pairs = zip(target, source) if isinstance(target, tuple) else [(target, source)]
        for to, value in pairs:
            to[:] = value
