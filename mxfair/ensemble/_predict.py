"""Prediction of an ensemble on the CPU: all members in one graph that is traced once, and their combination by NumPy.

Tracing a net takes far longer than a small batch takes to pass. Of nets of stock layers it is known what they compute
without tracing them; others are traced at each call, as by `PredictGraph`.
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
        self._signature: Any = None

    def refresh(self) -> bool:
        """Tell whether the form can be called: members are initialized, can be traced and have been called once."""
        members = self._ensemble.members
        if not members._called or _inference.has_hooks(self._ensemble):
            return False
        signature = members.signature()
        if signature is None or signature != self._signature:
            if self._signature is not None:  # other parameters may have the names of the old ones
                self._graph = _inference.PredictGraph(members)
            self._signature = signature if self._graph.refresh() else None
            return self._graph._call is not None
        return True

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
