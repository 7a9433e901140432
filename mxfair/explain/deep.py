"""DeepSHAP: contributions by the rescale rule, exact for chains of dense layers and functions of single units."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair.explain._columns import naming
from mxfair.explain._memory import megabytes
from mxfair.explain._progress import track
from mxfair.explain._rows import net_background, net_rows
from mxfair.explain.attribution import Attribution

__all__ = ["deep_shap"]


def deep_shap(
    model: Any,
    X: Any,
    background: Any,
    *,
    output: Any = None,
    scale: str | None = None,
    columns: Any = None,
    feature_names: Any = None,
    max_memory: float = 1024.0,
    progress: bool = False,
) -> Attribution:
    r"""Return each feature's contribution to a dense net's output by the rescale rule, which adds up exactly.

    From a row b of the background to x, a unit's input changes by dz and its output by df: its multiplier is df / dz.
    Multipliers of layers are chained, ``m = W' (df / dz) m_next``, and ``phi_j = mean over b of m_j (x_j - b_j)``. One
    pass replaces the points of `expected_gradients`.

    Parameters
    ----------
    model : gluon.Block, or estimator of mxfair around one
        A chain of dense layers, batch norms, dropout and activations of single units (relu, sigmoid, tanh, softrelu,
        softsign, leaky, elu, selu, gelu), in predict mode.
    X : array, shape (n_samples, n_features)
        The rows to be explained, as the net takes them.
    background : array, shape (n_background, n_features)
        What "on average" means: a hundred rows of the training data, or of another group. All are used.
    output, scale, columns, feature_names, max_memory, progress
        See `expected_gradients`. A probability or the log-odds of one of more than two classes are refused, since their
        rule would not add up: explain ``model.net_``, whose raw outputs are taken.

    Returns
    -------
    Attribution

    Raises
    ------
    InputError
        If the net is no such chain; the message names the layer.

    Notes
    -----
    Neither the Shapley value nor expected gradients: a third quantity, close to both. Computed in float64.

    References
    ----------
    Shrikumar, Greenside, Kundaje, *Learning important features through propagating activation differences*, ICML 2017,
    section 3.5.1; Lundberg, Lee, *A unified approach to interpreting model predictions*, NeurIPS 2017, section 4.2.

    Examples
    --------
    >>> import mxfair
    >>> from mxnet import gluon, init
    >>> net = gluon.nn.Dense(1, activation="relu", in_units=2)
    >>> net.initialize(init.One())
    >>> deep_shap(net, [[1.0, 1.0]], [[-1.0, -1.0]]).values
    array([[1., 1.]])
    """
    explained, rows = net_rows(model, X, output, scale)
    origins = net_background(explained, X, background, rows)
    limit = megabytes(max_memory)
    names = naming(X, columns, feature_names)
    from mxfair.explain._rescale import rescaled

    found = rescaled(explained, rows, origins, limit)
    return Attribution(
        np.concatenate(list(track(found, len(rows), "DeepSHAP", progress))),
        explained(origins).mean(),
        explained(rows),
        rows,
        "DeepSHAP",
        output_name=explained.name,
        **names,
    )
