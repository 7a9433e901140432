"""Prediction of an ensemble on the CPU: all members in one graph, and their combination by NumPy.

The block itself combines by a dozen operators of the engine, each of which costs as much as a small member's layer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair import _inference
from mxfair._compat import import_mxnet
from mxfair.ensemble._combine import combined

mx: Any = import_mxnet()

__all__ = ["PredictForm"]


class PredictForm:
    """What an `Ensemble` computes in predict mode: a call per piece of data, and an end that may come later.

    The end runs while the engine computes the next piece.
    """

    def __init__(self, ensemble: Any) -> None:
        self._ensemble = ensemble
        self._graph = _inference.PredictGraph(ensemble.members)

    def refresh(self) -> bool:
        """Tell whether the form can be called: members are initialized, have no hooks and can be traced."""
        self._ensemble._initialize_own()
        if self._ensemble.weight._data is None or _inference.has_hooks(self._ensemble):
            return False
        return self._graph.refresh()

    def call(self, data: Any) -> Any:
        """Return the members' outputs, which the engine may still be computing."""
        self._ensemble.members.check(data)
        return self._graph(data)

    def finish(self, outputs: Any) -> Any:
        """Return the ensemble's scores from the members' outputs."""
        ensemble = self._ensemble
        raw = outputs.asnumpy()
        shape = (len(ensemble.nets), ensemble.members.n_outputs, len(raw))
        scores = np.ascontiguousarray(raw.T.reshape(shape).transpose(1, 0, 2))
        values = {name: parameter.data(outputs.context).asnumpy() for name, parameter in ensemble._reg_params.items()}
        result = combined(
            scores,
            values["weight"],
            ensemble.combine,
            bias=values.get("bias"),
            probability=ensemble.probability,
        )
        return mx.nd.from_numpy(np.ascontiguousarray(result, dtype=raw.dtype))
