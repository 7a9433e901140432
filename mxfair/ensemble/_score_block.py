"""A fitted estimator as a block that takes its features and returns scores, with parameter names of its own."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._inference import context_of, is_probability
from mxfair._validation import InputError
from mxfair.ensemble._combine import LEAST
from mxfair.ensemble._estimator import renamed
from mxfair.estimator import _nets
from mxfair.estimator._plan import Plan
from mxfair.preprocessing import ByGroup
from mxfair.preprocessing._base import Step

mx: Any = import_mxnet()

__all__ = ["check_steps", "score_block"]


class ScoreBlock(mx.gluon.HybridBlock):
    """Preprocessing steps, a net, and its outputs as scores: log-odds of two classes, else one number per output."""

    def __init__(self, net: Any, steps: list[Any], *, n_outputs: int, width: int, probability: bool) -> None:
        super().__init__()
        self.net, self.steps = net, steps
        for step in steps:
            self.register_child(step)
        self._pair, self._probability, self._single = width == 2 and n_outputs == 1, probability, width == 1

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        """Return the scores."""
        for step in self.steps:
            x = step(x)
        output = self.net(x)
        if self._probability and self._single:
            return F.log(F.maximum(output, LEAST)) - F.log(F.maximum(1 - output, LEAST))
        if self._probability:
            output = F.log(F.maximum(output, LEAST))
        if self._pair:
            output = F.slice_axis(output, axis=1, begin=1, end=2) - F.slice_axis(output, axis=1, begin=0, end=1)
        return output


def check_steps(estimator: Any, what: str) -> None:
    """Raise where preprocessing cannot be part of a net."""
    for step in Plan(estimator.mitigation, estimator.criterion).steps:
        no_block = type(step).as_block is Step.as_block and type(step)._formula is Step._formula
        if no_block or isinstance(step, ByGroup) or getattr(step, "sensitive", None) is not None:
            raise InputError(
                f"{what} must not hold a step that is no function of a sample's numbers alone; got {step!r}. Apply it "
                "before the ensemble, in a pipeline."
            )


def score_block(estimator: Any, prefix: str, rows: np.ndarray, *, n_outputs: int, classes: int) -> Any:
    """Return a copy of a fitted estimator's net, steps included, returning scores of shape (n_samples, n_outputs)."""
    given = estimator.net_
    if not isinstance(given, mx.gluon.HybridBlock):
        raise InputError(
            f"'net' of a member must be a HybridBlock, so that the ensemble is one; got {type(given).__name__}."
        )
    net = _graph_copy(given, prefix) if _holds_graph(given) else renamed(_nets.copied(given), prefix)
    steps = [step.as_block() for step in getattr(estimator, "steps_", ())]
    ctx = context_of(net)
    x = mx.nd.array(rows, dtype=rows.dtype, ctx=ctx)
    for step in steps:
        x = step(x)
    width = _nets.width_of(net, x.asnumpy(), ctx)
    probability = bool(classes) and is_probability(estimator.loss_)
    if not steps and not probability and width == n_outputs:
        return net
    return ScoreBlock(net, steps, n_outputs=n_outputs, width=width, probability=probability)


def _holds_graph(block: Any) -> bool:
    return isinstance(block, mx.gluon.SymbolBlock) or any(map(_holds_graph, block._children.values()))


def _graph_copy(net: Any, prefix: str) -> Any:
    """Return a copy of a net that was read from a file, whose graph names its parameters."""
    text, values, frozen = _nets.graph_and_arrays(net)
    graph = json.loads(text)
    for node in graph["nodes"]:
        if node["op"] != "null" or node["name"] in values:
            node["name"] = prefix + node["name"]
    values = {prefix + name: value for name, value in values.items()}
    return _nets.net_of_graph(json.dumps(graph), values, [prefix + name for name in frozen], context_of(net))
