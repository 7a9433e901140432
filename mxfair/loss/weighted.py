"""A loss in which each (label, group) cell has a weight of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._validation import InputError, InputTypeError, positive_integer
from mxfair.loss._base import GroupLoss

mx: Any = import_mxnet()

__all__ = ["WeightedLoss"]


class WeightedLoss(GroupLoss):
    r"""A Gluon loss in which each (label, group) cell has a weight of its own; `SampleWeights.loss` makes one.

    .. math:: l_i = w_{c(i)} \, \mathrm{base}(p_i, y_i)

    Parameters
    ----------
    base : gluon.loss.Loss
        Returns one loss per sample, shape (batch_size,).
    n_cells : int
        Number of cells.
    source : SampleWeights, optional
        Where the weights come from; `mxfair.training.fit` updates it.
    ctx : mxnet.Context, optional
        Where the weights are: the device of the net. Default: the current one.
    **kwargs
        ``prefix`` and ``params``, as for any Block.

    Notes
    -----
    Called as ``loss(pred, label, cell)`` with the numbers of the cells, the third item of ``weights.attach(dataset)``.
    The weights are a parameter without a gradient: setting them changes a hybridized or traced loss too.

    Examples
    --------
    >>> import mxnet as mx
    >>> loss = WeightedLoss(mx.gluon.loss.L2Loss(), 2)
    >>> loss.set_weights([1.0, 3.0])
    >>> loss(mx.nd.array([[1.0], [1.0]]), mx.nd.zeros((2, 1)), mx.nd.array([0, 1])).asnumpy().tolist()
    [0.5, 1.5]
    """

    def __init__(self, base: Any, n_cells: int, source: Any = None, *, ctx: Any = None, **kwargs: Any) -> None:
        super().__init__(None, 0, **kwargs)
        if not isinstance(base, mx.gluon.Block) or isinstance(base, GroupLoss):
            raise InputTypeError(f"'base' must be a Gluon loss of (pred, label); got {base!r}.")
        positive_integer(n_cells, "n_cells")
        self.source = source
        with self.name_scope():
            self.base = base
            self.cell_weight = self.params.get(
                "cell_weight", shape=(n_cells,), grad_req="null", init=mx.init.One(), differentiable=False
            )
        self.cell_weight.initialize(ctx=ctx)

    @property
    def _from_sigmoid(self) -> bool:
        """Whether the base loss takes probabilities."""
        return bool(getattr(self.base, "_from_sigmoid", False))

    def set_weights(self, weights: Any) -> None:
        """Set the weight of each cell.

        Parameters
        ----------
        weights : array of shape (n_cells,)
        """
        self.cell_weight.set_data(mx.nd.array(weights, dtype="float32").reshape(self.cell_weight.shape))

    def _check(self, pred: Any, label: Any, group: Any) -> None:
        """Check the cells of the first batch: the engine would take the nearest one."""
        cells, size = group.asnumpy().ravel(), self.cell_weight.shape[0]
        if (cells != np.round(cells)).any() or (len(cells) and not 0 <= cells.min() <= cells.max() < size):
            raise InputError(
                f"'cell' must hold the numbers of the cells, 0 to {size - 1}; got {cells.min():g} to {cells.max():g}. "
                "Use weights.attach(dataset)."
            )

    def hybrid_forward(self, F: Any, pred: Any, label: Any, cell: Any, cell_weight: Any) -> Any:
        """Return one loss per sample.

        Parameters
        ----------
        F : module
            mxnet.nd or mxnet.sym.
        pred, label, cell
            As for a call.
        cell_weight : NDArray or Symbol
            The weights.

        Returns
        -------
        NDArray or Symbol
        """
        return self.base(pred, label) * F.take(cell_weight, cell)
