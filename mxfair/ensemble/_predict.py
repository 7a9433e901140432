"""Prediction of an ensemble on the CPU: all members in one graph, and their combination by NumPy.

The block itself combines by a dozen operators of the engine, each of which costs as much as a small member's layer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair import _inference
from mxfair._compat import import_mxnet
from mxfair.ensemble._combine import combined
from mxfair.ensemble._dense import DenseMembers

mx: Any = import_mxnet()

__all__ = ["PredictForm"]


class PredictForm:
    """What an `Ensemble` computes in predict mode: a call per piece of data, and an end that may come later.

    The end runs while the engine computes the next piece.
    """

    def __init__(self, ensemble: Any) -> None:
        self._ensemble = ensemble
        self._graph = _inference.PredictGraph(ensemble.members)
        self._described: Any = None
        self._dense: DenseMembers | None = None

    def refresh(self) -> bool:
        """Tell whether the form can be called: members are initialized, have no hooks and can be traced."""
        self._ensemble._initialize_own()
        if self._ensemble.weight._data is None or _inference.has_hooks(self._ensemble):
            return False
        if not self._graph.refresh():
            return False
        described = self._graph._described  # a new list where anything has changed
        if described is None or described is not self._described:
            members = self._ensemble.members
            self._dense = DenseMembers.of(members.nets) if described and members.columns is None else None
            self._described = described
        return True

    def call(self, data: Any) -> Any:
        """Return the members' outputs: an array of NumPy, or one that the engine may still be computing."""
        self._ensemble.members.check(data)
        outputs = None if self._dense is None else self._dense(data)
        return self._graph(data) if outputs is None else outputs

    def finish(self, outputs: Any) -> Any:
        """Return the ensemble's scores from the members' outputs."""
        ensemble = self._ensemble
        if isinstance(outputs, np.ndarray):
            scores = outputs
        else:
            raw = outputs.asnumpy()
            shape = (len(ensemble.nets), ensemble.members.n_outputs, len(raw))
            scores = np.ascontiguousarray(raw.T.reshape(shape).transpose(1, 0, 2))
        values = {name: parameter._data[0].asnumpy() for name, parameter in ensemble._reg_params.items()}
        result = combined(
            scores,
            values["weight"],
            ensemble.combine,
            bias=values.get("bias"),
            probability=ensemble.probability,
        )
        return mx.nd.from_numpy(np.ascontiguousarray(result, dtype=scores.dtype))
