"""A net with a post-processor's block behind it. Loaded by `folded` alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._inference import context_of, is_probability
from mxfair._validation import InputError, InputTypeError

mx: Any = import_mxnet()

#: The smallest probability whose logarithm is taken.
_LEAST = 1e-37


@dataclass(frozen=True)
class Link:
    """How a net's outputs become the scores that a post-processor was fitted on.

    Parameters
    ----------
    scores : {"output", "probability", "log_odds"}
    n_outputs : int
    probability : bool
        Whether the net returns probabilities.
    matrix : bool
        Whether the post-processor takes a column for each class.
    positive : bool
        Whether scores speak for the second of two classes.
    """

    scores: str
    n_outputs: int
    probability: bool
    matrix: bool
    positive: bool

    def __call__(self, F: Any, output: Any) -> Any:
        """Return the scores."""
        if self.scores == "output":
            return output
        values = self._probabilities(F, output) if self.scores == "probability" else self._logits(F, output)
        if self.matrix or self.positive:
            return values
        return 1 - values if self.scores == "probability" else -values

    def _probabilities(self, F: Any, output: Any) -> Any:
        if self.n_outputs == 1:
            positive = output if self.probability else F.sigmoid(output)
            if not self.matrix:
                return positive
            positive = F.reshape(positive, shape=(-1, 1))
            return F.concat(1 - positive, positive, dim=1)
        if self.matrix:
            return output if self.probability else F.softmax(output, axis=1)
        first, second = _halves(F, output)
        return second if self.probability else F.sigmoid(second - first)

    def _logits(self, F: Any, output: Any) -> Any:
        if self.n_outputs == 1:
            logit = output
            if self.probability:
                logit = F.log(F.maximum(output, _LEAST)) - F.log(F.maximum(1 - output, _LEAST))
            if not self.matrix:
                return logit
            logit = F.reshape(logit, shape=(-1, 1)) / 2
            return F.concat(-logit, logit, dim=1)
        logits = F.log(F.maximum(output, _LEAST)) if self.probability else output
        if self.matrix:
            return logits
        first, second = _halves(F, logits)
        return second - first


class FoldedBlock(mx.gluon.HybridBlock):  # type: ignore[misc]  # mxnet is untyped
    """A net, the link, and the post-processor; the group is an input, or another net's.

    Parameters
    ----------
    net, post : gluon.HybridBlock
    group_net : gluon.HybridBlock or None
    link : Link
    rule : {"argmax", "expectation"}
    n_groups : int
    """

    def __init__(self, net: Any, post: Any, group_net: Any, *, link: Link, rule: str, n_groups: int) -> None:
        super().__init__()
        for name, one in (("net", net), ("group_net", group_net)):
            if not isinstance(one, mx.gluon.HybridBlock) and not (name == "group_net" and one is None):
                raise InputTypeError(f"'{name}' must be a gluon.HybridBlock; got {type(one).__name__}.")
        self.net, self.post, self.group_net = net, post, group_net
        self._link, self._rule, self._n_groups = link, rule, n_groups
        self._checked, self._single = False, False
        post.collect_params().reset_ctx(context_of(net))

    def forward(self, x: Any, *args: Any) -> Any:
        """Return the post-processed outputs."""
        if len(args) != (self.group_net is None):
            wanted = "rows and group codes" if self.group_net is None else "rows alone: its group_net infers the groups"
            raise InputError(f"The block must get {wanted}; got {len(args) + 1} inputs.")
        if not isinstance(x, mx.sym.Symbol) and not self._checked:
            self._check(x)
        return super().forward(x, *args)

    def hybrid_forward(self, F: Any, x: Any, *args: Any) -> Any:
        """Compute net, scores and post-processing."""
        values = self._link(F, self.net(x))
        if self.group_net is None:
            return self.post(values, args[0])
        groups = self.group_net(x)
        if self._single:
            groups = F.reshape(groups, shape=(-1, 1))
            groups = F.concat(F.zeros_like(groups), groups, dim=1)
        if self._rule == "argmax":
            return self.post(values, F.argmax(groups, axis=1))
        chances = F.softmax(groups, axis=1)
        total = None
        for place in range(self._n_groups):
            chance = F.slice_axis(chances, axis=1, begin=place, end=place + 1)
            result = self.post(values, F.ones_like(F.reshape(chance, shape=(-1,))) * place)
            part = F.broadcast_mul(result, chance) if self._link.matrix else result * F.reshape_like(chance, result)
            total = part if total is None else total + part
        return total

    def _check(self, x: Any) -> None:
        """Look at the shapes that the nets return, once."""
        with mx.autograd.pause(train_mode=False):
            if self.group_net is not None:
                width = self.group_net(x[:1]).size
                if width != self._n_groups and not (self._n_groups == 2 and width == 1):
                    raise InputError(
                        f"'group_net' must return a score for each of {self._n_groups} groups; got {width} outputs."
                    )
                self._single = width == 1
            output = self.net(x[:1])
        if self._link.scores != "output" and output.size != self._link.n_outputs:
            raise InputError(f"'n_outputs' must be what the net returns, {output.size}; got {self._link.n_outputs}.")
        self._checked = True


def parts_of(estimator: Any, n_outputs: int | None) -> tuple[Any, int, bool]:
    """Return the net of an estimator, steps before it included, its number of outputs, and whether they are chances."""
    if isinstance(estimator, mx.gluon.Block):
        return estimator, int(n_outputs or 1), False
    net = getattr(estimator, "net_", None)
    if not isinstance(net, mx.gluon.Block):
        raise InputTypeError(
            f"'estimator' must be a net or have one, to be a block; got {type(estimator).__name__}. Use "
            "GluonClassifier or GluonRegressor."
        )
    from mxfair.preprocessing import ByGroup

    steps = list(getattr(estimator, "steps_", ()))
    if any(isinstance(step, ByGroup) or getattr(step, "sensitive", None) is not None for step in steps):
        raise InputError("'estimator' must not hold a step that takes the group, to be a block; got one.")
    if steps:
        whole = mx.gluon.nn.HybridSequential()
        whole.add(*[step.as_block() for step in steps], net)
        shape = (2, len(getattr(estimator, "feature_names_in_", ())) or estimator.n_features_in_)
        net = whole
    else:
        shape = (2, *getattr(estimator, "_shape_in", [estimator.n_features_in_]))
    with mx.autograd.pause(train_mode=False):
        output = net(mx.nd.zeros(shape, ctx=context_of(net)))
    return net, int(np.prod(output.shape[1:])), is_probability(getattr(estimator, "loss_", None))


def _halves(F: Any, output: Any) -> tuple[Any, Any]:
    return F.slice_axis(output, axis=1, begin=0, end=1), F.slice_axis(output, axis=1, begin=1, end=2)
