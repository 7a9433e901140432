"""What losses that weigh groups share: means by group, weights of samples from weights of groups."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._validation import InputError, InputTypeError, one_of, positive_integer
from mxfair.loss._base import LINKS, GroupLoss, base_outputs, check_base, flat, group_count, link_of
from mxfair.loss._steered import steered_base
from mxfair.loss.weighted import WeightedLoss

mx: Any = import_mxnet()

OVER = ("groups", "cells")


def check_group_base(base: Any) -> Any:
    """Return a base loss of (pred, label), or of (pred, label, group) where the third item is the group."""
    check_base(base)
    if isinstance(base, WeightedLoss):
        raise InputTypeError(
            "'base' must take the group as its third item; got a WeightedLoss, which takes the cell. Draw batches "
            "with FairDataLoader instead, or use the loss inside it."
        )
    return base


def check_number(value: Any, name: str, *, above: float = -np.inf, least: float = -np.inf) -> float:
    """Return a finite number above one bound and not below another."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise InputTypeError(f"'{name}' must be a number; got {value!r}. Give 1.0, say.")
    rule = f"above {above:g}" if np.isfinite(above) else f"at least {least:g}" if np.isfinite(least) else "finite"
    if not np.isfinite(value) or value <= above or value < least:
        raise InputError(f"'{name}' must be {rule}; got {value}. Give a finite number, {rule}.")
    return float(value)


def given_link(owner: Any, base: Any, link: str | None) -> str:
    """Return how outputs become predictions: as given, or as the base loss reads them."""
    found = link_of(base) if link is None else one_of(link, LINKS, "link")
    if found is None:
        raise InputError(
            f"{type(owner).__name__} must know how the net's output becomes a prediction; {type(base).__name__} does "
            "not say. Pass link='sigmoid', 'softmax' or 'identity'."
        )
    return found


def check_codes(group: Any, n_samples: int, n_groups: int) -> None:
    """Check that the third item of a batch holds codes of groups, some of them known."""
    codes = group.asnumpy().ravel()
    if len(codes) != n_samples:
        raise InputError(f"'group' must hold one code per sample ({n_samples}); got {len(codes)}. Give one each.")
    if (codes != np.round(codes)).any():
        raise InputError(
            "'group' must hold whole numbers from 0, the codes of Groups; got others. Cut a continuous attribute into "
            "bins with Groups.binned."
        )
    if not ((codes >= 0) & (codes < n_groups)).any():
        raise InputError(
            f"'group' must hold codes from 0 to {n_groups - 1}; got {codes.min():g} to {codes.max():g} only. Give the "
            "codes of mxfair.Groups."
        )


def check_label_size(label: Any, n_samples: int) -> None:
    """Check that a batch has one label for each sample."""
    if label.size != n_samples:
        raise InputError(
            f"'label' must hold one label per sample ({n_samples}); got shape {label.shape}. Give the numbers of the "
            "classes, not their indicators."
        )


def check_classes(label: Any, n_samples: int, n_classes: int) -> None:
    """Check that the labels of a batch are the numbers of classes."""
    check_label_size(label, n_samples)
    values = np.unique(label.asnumpy())
    if (values != np.round(values)).any() or not 0 <= values.min() <= values.max() < n_classes:
        raise InputError(
            f"'label' must hold the numbers of the classes, 0 to {n_classes - 1}; got "
            f"{', '.join(f'{v:g}' for v in values[:5])}. Encode the labels, or give n_classes=."
        )


class WrappedLoss(GroupLoss):
    """Base of losses around a base loss: outputs are read as the base loss reads them."""

    def __init__(self, base: Any, **kwargs: Any) -> None:
        super().__init__(None, 0, **kwargs)
        with self.name_scope():
            self.base = check_group_base(base)

    @property
    def _from_sigmoid(self) -> bool:
        """Whether the base loss takes probabilities."""
        return bool(getattr(self.base, "_from_sigmoid", False))

    def _own_states(self) -> list[Any]:
        """Return the states besides those of the base loss."""
        return []

    def _states(self) -> list[Any]:
        inner = self.base._states() if isinstance(self.base, GroupLoss) else []
        return [*inner, *self._own_states()]

    def _state(self, name: str, values: np.ndarray) -> Any:
        """Register a state; called inside the constructor."""
        start = mx.nd.array(values, dtype="float32")
        with self.name_scope():
            made = self.params.get(
                name, shape=start.shape, grad_req="null", init=mx.init.Constant(start), differentiable=False
            )
        made.initialize()
        return made


class CellLoss(WrappedLoss):
    """Base of losses in which each group, or (label, group) cell, has a weight that follows its mean loss.

    Samples of unknown groups keep the weight 1 of the base loss.
    """

    #: Whether the first batch had one output per sample.
    _one_output = False

    def __init__(self, base: Any, n_groups: Any, *, over: str, n_classes: int, **kwargs: Any) -> None:
        super().__init__(base, **kwargs)
        self.n_groups = group_count(n_groups)
        self.over = one_of(over, OVER, "over")
        self.n_classes = positive_integer(n_classes, "n_classes", minimum=2)
        self._n_cells = self.n_groups * (self.n_classes if over == "cells" else 1)

    def hybrid_forward(self, F: Any, pred: Any, label: Any, group: Any, **params: Any) -> Any:
        """Return one loss per sample, shape (batch_size,), and the new states.

        Parameters
        ----------
        F : module
            mxnet.nd or mxnet.sym.
        pred, label, group
            As for a call.
        **params
            The states.

        Returns
        -------
        list of NDArray or Symbol
        """
        loss, *states = base_outputs(self.base, pred, label, group)
        weight, *new = self._by_sample(F, F.BlockGrad(loss), label, group, params)
        return [self._weighed(F, loss, F.BlockGrad(weight)), *states, *new]

    @property
    def steered(self) -> bool:
        """Whether a base loss of one output gives its own derivative; the graph of a step is then a shorter one."""
        several = isinstance(self.base, mx.gluon.loss.SoftmaxCrossEntropyLoss)
        return self._one_output and not several and steered_base(self.base) is not None

    def _steered_outputs(self, F: Any, pred: Any, label: Any, group: Any) -> list[Any]:
        """Return the loss per sample, batch_size times its mean's derivative by the flat outputs, and the states."""
        base = steered_base(self.base)
        loss, slope = base(F, pred, label)  # type: ignore[misc]  # not None: asked by `steered` before
        params = {name: parameter.var() for name, parameter in self._reg_params.items()}
        weight, *new = self._by_sample(F, loss, label, group, params)
        return [self._weighed(F, loss, weight), slope * (1 + weight), *new]

    def _by_sample(self, F: Any, loss: Any, label: Any, group: Any, params: dict[str, Any]) -> list[Any]:
        """Return what each sample's cell gives to it, 0 for samples in none, and the new states."""
        cell = flat(F, group)
        if self.over == "cells":
            cell = cell * self.n_classes + flat(F, label)
        member = F.one_hot(cell, depth=self._n_cells)
        counts = F.sum(member, axis=0)
        below = F.maximum(counts, 1.0)
        mean = F.dot(member, self._seen(F, loss), transpose_a=True) / below
        weight, *new = self._weights(F, mean, counts, below, params)
        return [F.dot(member, weight), *new]

    def _seen(self, F: Any, loss: Any) -> Any:
        """Return what is averaged by cell."""
        return loss

    def _weights(self, F: Any, mean: Any, counts: Any, below: Any, params: dict[str, Any]) -> list[Any]:
        """Return by cell what is given to its samples, and the new states; `mean` is 0 for an absent cell."""
        raise NotImplementedError  # a subclass gives it

    def _weighed(self, F: Any, loss: Any, weight: Any) -> Any:
        """Return the loss of each sample; `weight` is 0 for samples in no cell."""
        return loss * (1 + weight)

    def _check(self, pred: Any, label: Any, group: Any) -> None:
        super()._check(pred, label, group)
        self._one_output = pred.size == pred.shape[0]
        check_codes(group, pred.shape[0], self.n_groups)
        if self.over == "cells":
            check_classes(label, pred.shape[0], self.n_classes)
