"""What `fit_together` is given, checked: a loop for each net, the batches, and what speaks against one graph."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from mxfair import _step
from mxfair._compat import import_mxnet
from mxfair._graph import UnsupportedError
from mxfair._inference import context_of
from mxfair._validation import InputError, InputTypeError, to_numpy
from mxfair.data import DataLoader
from mxfair.loss import GroupLoss
from mxfair.training._batches import Gathered, Iterated
from mxfair.training._fused import Weighed
from mxfair.training._loop import Loop
from mxfair.training._regularizers import check_regularizers, hooks_for
from mxfair.training.callbacks import Callback, SamplerHistory, TrainingState, UpdateWeights

mx: Any = import_mxnet()


class Plan:
    """The arguments of `fit_together`.

    Attributes
    ----------
    nets, loaders, trainers : list
    loops : list of Loop
        The loop of each net.
    batches : Gathered or Iterated
    reason : str
        Why the nets cannot be one graph; empty where tracing will tell.
    """

    def __init__(
        self,
        nets: Any,
        loaders: Any,
        loss: Any,
        optimizer: Any,
        optimizer_params: Any,
        regularizers: Any,
        sample_weight: Any,
        epochs: int = 1,
    ) -> None:
        self.nets = _nets(nets)
        n = len(self.nets)
        self.loaders = _loaders(loaders, n)
        losses = _losses(loss, n)
        weight = None if sample_weight is None else _weights(sample_weight, self.loaders, losses, n)
        given = _regularizers(regularizers, n)
        if weight is not None:
            wrapped = {id(one): Weighed(one) for one in losses}
            losses = [wrapped[id(one)] for one in losses]
        self.trainers = [
            mx.gluon.Trainer(net.collect_params(), copy.deepcopy(optimizer), copy.deepcopy(optimizer_params))
            for net in self.nets
        ]
        every = self.loaders * n if len(self.loaders) < n else self.loaders
        self.loops = [
            _loop_of(TrainingState(net, loader, one, trainer, epochs), chosen)
            for net, loader, one, trainer, chosen in zip(self.nets, every, losses, self.trainers, given)
        ]
        items = max(loop.n_items for loop in self.loops) - (weight is not None)
        in_memory = all(map(_in_memory, self.loaders))
        if in_memory:
            softmax = any(type(one) is mx.gluon.loss.SoftmaxCrossEntropyLoss for one in losses)
            as_float = softmax or any(hasattr(loop.loss, "_outputs") for loop in self.loops)
            self.batches: Any = Gathered(self.loaders, n, items, weights=weight, as_float=as_float)
        elif weight is not None:
            raise InputError(
                "'sample_weight' must go with loaders of arrays in memory, whose rows are known; got others. Use "
                "mxfair.data.DataLoader(gluon.data.ArrayDataset(X, y), batch_size)."
            )
        else:
            self.batches = Iterated(self.loaders, n)
        self.reason = self._reason() if in_memory else "a loader's data are not arrays in memory"

    def _reason(self) -> str:
        """Return what speaks against one graph, as far as can be seen before the first batch."""
        for loop in self.loops:
            if any(hasattr(one, "_make_step") for one in (loop.loss, getattr(loop.loss, "base", None))):
                return f"{type(loop.loss).__name__} combines gradients in its own way"
            if loop.per_batch:
                return "something changes after each batch: a strength by schedule, weights of cells, a proximal step"
        if len({context_of(net) for net in self.nets}) > 1:
            return "the nets are on several devices"
        own = [id(p) for net in self.nets for p in net.collect_params().values() if p.grad_req != "null"]
        return "the nets share parameters" if len(set(own)) < len(own) else ""

    def trained(self) -> list[list[Any]]:
        """Return what is trained of each net, after checking that one update of all is the same."""
        found = []
        rows = self.batches.first_rows()
        for place, loop in enumerate(self.loops):
            _step._check_blocks(loop.state.net, loop.loss)
            with mx.autograd.pause(train_mode=False):
                loop.state.net(rows.of(place)[0])  # shapes that Gluon infers at the first call
            found.append(_step._trained_parameters(loop.state.net, loop.loss, loop.state.trainer))
        rates = {(p.lr_mult, p.wd_mult) for params in found for p in params}
        if len(rates) > 1:
            raise UnsupportedError("parameters have different lr_mult or wd_mult")
        return found


def _loop_of(state: TrainingState, regularizers: Any) -> Loop:
    state.regularizers = check_regularizers(regularizers, state.net, state.trainer)
    signal = getattr(getattr(state.loader, "_batch_sampler", None), "signal", None)
    if getattr(signal, "net", state.net) is not state.net:
        warnings.warn(
            "A loader measures another net than the one that it trains, so that one net's gaps choose the other's "
            "batches. Make a FairDataLoader with each net.",
            UserWarning,
            stacklevel=5,
        )
    hooks: list[Callback] = [*hooks_for(state.loss, state.regularizers), SamplerHistory()]
    source = getattr(state.loss, "source", None)
    if source is not None:
        hooks.insert(0, UpdateWeights())
    loop = Loop(state, hooks, True, None)
    changing = source is not None and source.update_every
    loop.per_batch = [hook for hook in loop.per_batch if changing or not isinstance(hook, UpdateWeights)]
    return loop


def _nets(nets: Any) -> list[Any]:
    if not isinstance(nets, Sequence):
        raise InputTypeError(f"'nets' must be a list of nets; got {type(nets).__name__}. Give at least one.")
    found = list(nets)
    if not found:
        raise InputError("'nets' must hold at least one net; got none. Give the members of an ensemble, say.")
    for net in found:
        if not isinstance(net, mx.gluon.Block):
            raise InputTypeError(f"'nets' must be Gluon Blocks; got {net!r}. Give initialized nets.")
        context_of(net)
    if len(set(map(id, found))) < len(found):
        raise InputError("'nets' must be different objects; one is there twice. Make another net of the same sizes.")
    return found


def _loaders(loaders: Any, n_nets: int) -> list[Any]:
    found = list(loaders) if isinstance(loaders, (list, tuple)) else [loaders]
    if isinstance(loaders, (list, tuple)) and len(found) != n_nets:
        raise InputError(
            f"'loaders' must hold one loader for each of the {n_nets} nets; got {len(found)}. For the same batches for "
            "all give one loader, not a list."
        )
    if len(set(map(id, found))) < len(found):
        raise InputError(
            "'loaders' must be different objects; one is there twice. For the same batches for all give one loader, "
            "not a list."
        )
    lengths = {len(loader) for loader in found if hasattr(loader, "__len__")}
    if len(lengths) > 1:
        raise InputError(
            f"'loaders' must have equal numbers of batches; got {sorted(lengths)}. Give all the same number of samples "
            "and the same batch_size."
        )
    return found


def _losses(loss: Any, n_nets: int) -> list[Any]:
    several = isinstance(loss, (list, tuple))
    found = list(loss) if several else [loss] * n_nets
    if len(found) != n_nets:
        raise InputError(f"'loss' must be one loss, or one for each of the {n_nets} nets; got {len(found)}. Give one.")
    if len({isinstance(one, GroupLoss) for one in found}) > 1:
        raise InputError("'loss' must hold losses of the same items; some take a group, others none. Give one kind.")
    for one in found:
        shared = sum(other is one for other in found) > 1
        if shared and getattr(one, "source", None) is not None:
            raise InputError(
                "'loss' must hold one loss for each net where weights are measured on a net; got one for several. Make "
                "SampleWeights with each net."
            )
        if shared and hasattr(one, "_states") and one._states():
            raise InputError(
                f"'loss' must hold one loss for each net where it keeps states; got one {type(one).__name__} for "
                "several. Make as many."
            )
    return found


def _weights(sample_weight: Any, loaders: list[Any], losses: list[Any], n_nets: int) -> np.ndarray:
    """Return weights by net, shape (n_nets, n_samples)."""
    if isinstance(losses[0], GroupLoss):
        raise InputError(
            f"'sample_weight' must go with a loss of (pred, label); got a {type(losses[0]).__name__}, which takes a "
            "third item. Use its base loss, or loaders that draw rows more often."
        )
    found = to_numpy(sample_weight)
    lengths = {len(loader._dataset) for loader in loaders if hasattr(loader, "_dataset")}
    if found.dtype.kind not in "biuf" or found.ndim != 2 or {found.shape[0]} != lengths or found.shape[1] != n_nets:
        raise InputError(
            f"'sample_weight' must hold a number for each row and net, shape ({'/'.join(map(str, sorted(lengths)))}, "
            f"{n_nets}); got {found.dtype} of shape {found.shape}. Give columns of counts, say."
        )
    if not np.isfinite(found).all() or (found < 0).any():
        raise InputError("'sample_weight' must be finite and not negative; got others. Give 0 to leave a row out.")
    return np.ascontiguousarray(found.T, dtype=np.float32)


def _regularizers(regularizers: Any, n_nets: int) -> list[Any]:
    found = list(regularizers)
    if found and (len(found) != n_nets or not all(isinstance(one, (list, tuple)) for one in found)):
        raise InputError(
            f"'regularizers' must hold a list for each of the {n_nets} nets; got {len(found)} entries. A regularizer "
            "is made for one net."
        )
    return found or [()] * n_nets


def _in_memory(loader: Any) -> bool:
    return (
        isinstance(loader, DataLoader) and loader._arrays is not None and type(loader).__iter__ is DataLoader.__iter__
    )
