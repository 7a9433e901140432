"""Prototypes as a Gluon block, and their objective. Loaded by `FairRepresentation` alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._validation import InputError, InputTypeError
from mxfair.loss import GroupLoss
from mxfair.preprocessing._blocks import _array

mx: Any = import_mxnet()

__all__ = ["OUTPUTS", "RepresentationLoss", "RepresentationNet", "context_named"]

#: What a net may return; "training" is what the objective takes.
OUTPUTS = ("memberships", "reconstruction", "prediction", "training")


class RepresentationNet(mx.gluon.HybridBlock):  # type: ignore[misc]  # mxnet is untyped
    r"""Soft memberships in prototypes, and what can be read from them.

    .. math:: M_{nk} = \mathrm{softmax}_k \Big( -\sum_i \alpha_i (x_{ni} - v_{ki})^2 \Big), \qquad
        \hat x_n = \sum_k M_{nk} v_k, \qquad \hat y_n = \sum_k M_{nk} w_k

    Parameters
    ----------
    values : dict of str to array
        ``prototype`` (n_prototypes, n_features) and ``log_weight`` (1, n_features) in standardised units, ``score``
        (n_prototypes, n_classes): its softmax is w; ``mean`` and ``scale`` (1, n_features), which are not trained.
    output : {"memberships", "reconstruction", "prediction", "training"}
        What comes out; "training" is memberships, prediction and error of reconstruction, side by side.
    ctx : mxnet.Context, optional
        Where the parameters are. Default: the current one.
    """

    def __init__(self, values: dict[str, np.ndarray], output: str, ctx: Any = None) -> None:
        super().__init__()
        self._output = output
        with self.name_scope():
            for name, value in values.items():
                if name == "score" and output not in ("prediction", "training"):
                    continue  # the engine warns of parameters that nothing uses
                fixed = name in ("mean", "scale")
                parameter = self.params.get(
                    name,
                    shape=value.shape,
                    init=mx.init.Zero(),
                    grad_req="null" if fixed else "write",
                    differentiable=not fixed,
                )
                parameter.initialize(ctx=ctx)
                parameter.set_data(mx.nd.array(value, dtype="float32"))
                setattr(self, name, parameter)

    def values(self) -> dict[str, np.ndarray]:
        """Return the parameters that the output needs by name, as they were given to the constructor."""
        return {name: p.data().asnumpy().astype(np.float64) for name, p in self._reg_params.items()}

    def forward(self, x: Any, *args: Any) -> Any:
        """Return the output; a single row is taken too."""
        if isinstance(x, mx.sym.Symbol):
            return super().forward(x, *args)
        x = _array(x)
        if x.ndim == 1:
            return super().forward(x.expand_dims(0))[0]
        if x.ndim != 2 or x.shape[1] != self.mean.shape[1]:
            raise InputError(f"The block must get {self.mean.shape[1]} features a row; got shape {x.shape}.")
        return super().forward(x)

    def hybrid_forward(
        self, F: Any, x: Any, prototype: Any, log_weight: Any, mean: Any, scale: Any, score: Any = None
    ) -> Any:
        """Compute the outputs."""
        x = F.broadcast_div(F.broadcast_sub(x, mean), scale)
        weight = F.exp(log_weight)
        weighted = F.broadcast_mul(prototype, weight)
        # the distance without sum_i alpha_i x_i^2, which the softmax cancels
        near = 2 * F.dot(x, weighted, transpose_b=True)
        far = F.sum(weighted * prototype, axis=1).expand_dims(0)
        memberships = F.softmax(F.broadcast_sub(near, far), axis=1)
        if self._output == "memberships":
            return memberships
        rebuilt = F.dot(memberships, prototype)
        if self._output == "reconstruction":
            return F.broadcast_add(F.broadcast_mul(rebuilt, scale), mean)
        prediction = F.dot(memberships, F.softmax(score, axis=1))
        if self._output == "prediction":
            return prediction
        error = F.mean(F.square(x - rebuilt), axis=1, keepdims=True)
        return F.concat(memberships, prediction, error, dim=1)


class RepresentationLoss(GroupLoss):
    r"""The objective of learned fair representations, one number per sample.

    .. math:: A_x L_x + A_y L_y + A_z L_z, \qquad L_z = \mathrm{mean}_{a < b} \sum_k |\bar M_k^a - \bar M_k^b|

    Called as ``loss(net(x), label, group)`` with a net that returns "training", places of labels, and places of groups;
    a group of -1 is unknown and left out of L_z, as is a group that a batch lacks.

    Parameters
    ----------
    n_prototypes : int
        Number of prototypes.
    n_groups : int
        Number of groups.
    weights : tuple of float
        A_x, A_y and A_z.
    """

    def __init__(self, n_prototypes: int, n_groups: int, weights: tuple[float, float, float]) -> None:
        super().__init__(None, 0)
        self._n_prototypes, self._n_groups, self._weights = n_prototypes, n_groups, weights

    def hybrid_forward(self, F: Any, pred: Any, label: Any, group: Any) -> Any:
        """Return one loss per sample; the gap is the same for all."""
        memberships = F.slice_axis(pred, axis=1, begin=0, end=self._n_prototypes)
        prediction = F.slice_axis(pred, axis=1, begin=self._n_prototypes, end=-1)
        error = F.slice_axis(pred, axis=1, begin=-1, end=None).reshape((-1,))
        a_x, a_y, a_z = self._weights
        likelihood = F.pick(prediction, label.reshape((-1,)), axis=1)
        gap = self._gap(F, memberships, group.reshape((-1,)))
        return F.broadcast_add(a_x * error - a_y * F.log(likelihood + 1e-7), a_z * gap)

    def _gap(self, F: Any, memberships: Any, group: Any) -> Any:
        one_hot = F.one_hot(group, depth=self._n_groups)
        counts = F.sum(one_hot, axis=0).expand_dims(1)
        means = F.broadcast_div(F.dot(one_hot, memberships, transpose_a=True), F.maximum(counts, F.ones_like(counts)))
        present = counts > 0
        pairs = F.dot(present, present, transpose_b=True)
        apart = F.sum(F.abs(F.broadcast_sub(means.expand_dims(1), means.expand_dims(0))), axis=2)
        count = F.sum(pairs) - F.sum(present)  # each pair twice
        return F.sum(apart * pairs) / F.maximum(count, F.ones_like(count))


def context_named(ctx: Any) -> Any:
    """Return a context from itself, from None (the current one) or from its name, "gpu(0)" say."""
    if ctx is None:
        return mx.current_context()
    if isinstance(ctx, mx.Context):
        return ctx
    kind, _, place = str(ctx).rstrip(")").partition("(")
    if isinstance(ctx, str) and kind in ("cpu", "gpu") and (place or "0").isdigit():
        return mx.Context(kind, int(place or 0))
    raise InputTypeError(f"'ctx' must be an mxnet.Context or its name, 'gpu(0)' say; got {ctx!r}.")
