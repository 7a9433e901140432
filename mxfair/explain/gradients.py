"""Contributions from gradients: expected gradients, integrated gradients and saliency, of tables and of images."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import InputError, generator, positive_integer, to_numpy
from mxfair.explain._columns import naming
from mxfair.explain._memory import megabytes
from mxfair.explain._model import Explained
from mxfair.explain._progress import track
from mxfair.explain._rows import net_background, net_rows
from mxfair.explain.attribution import Attribution

__all__ = ["expected_gradients", "integrated_gradients", "saliency"]

GOLDEN = (5**0.5 - 1) / 2


def expected_gradients(
    model: Any,
    X: Any,
    background: Any,
    *,
    points: int = 5,
    output: Any = None,
    scale: str | None = None,
    columns: Any = None,
    feature_names: Any = None,
    max_memory: float = 1024.0,
    progress: bool = False,
    seed: Any = None,
) -> Attribution:
    r"""Return each feature's contribution to a net's output, against a background, from the net's gradient.

    ``phi_j(x) = mean over b and alpha of (x_j - b_j) dF/dx_j(b + alpha (x - b))``

    for all rows b of the background, and `points` values of alpha from each b, one in each of as many equal parts of
    0 to 1. Where in its part a value lies differs from b to b and is spread evenly, so that all b together see the
    whole way. Contributions add up to ``F(x) - mean F(b)`` but for the error of the points, which
    `Attribution.additivity_error` reports.

    Parameters
    ----------
    model : gluon.Block, or estimator of mxfair around one
        In predict mode; its parameters, their gradients and its modes are left as they are.
    X : array, shape (n_samples, n_features) or (n_samples, channels, height, width)
        The rows to be explained, as the net takes them.
    background : array of rows like those of `X`, shape (n_background, ...)
        What "on average" means: a hundred rows of the training data, or of another group. All are used.
    points : int, default=5
        Points on the way from each row of the background. More cost time in proportion.
    output : optional
        Which of several outputs: a class of an estimator, else an index. Default: the only one; the second of two.
    scale : {"logit", "probability"}, default="logit"
        What of a classifier is explained.
    columns : TabularEncoder or mapping of column to features, optional
        Raw columns, for `Attribution.grouped`.
    feature_names : sequence of str, optional
        Default: those of the data frame or the encoder, else x0, x1, ...
    max_memory : float, default=1024
        Megabytes that a batch of points may take, with what the net makes of it.
    progress : bool, default=False
        Show a progress bar.
    seed : int or numpy Generator, optional
        Draw where in its part each point lies. Default: evenly spread, nothing random.

    Returns
    -------
    Attribution

    Raises
    ------
    InputError
        If the model is no net, or rows and background do not fit.

    Notes
    -----
    With a smooth model this is the Aumann-Shapley value against each b, on average; it is another quantity than the
    Shapley value and correlates with it closely. For a linear net both are ``w_j (x_j - mean b_j)``.

    References
    ----------
    Erion, Janizek, Sturmfels, Lundberg, Lee, *Improving performance of deep learning models with axiomatic attribution
    priors and expected gradients*, Nature Machine Intelligence 2021, equation 3.

    Examples
    --------
    >>> import mxfair, numpy as np
    >>> from mxnet import gluon, init
    >>> net = gluon.nn.Dense(1, in_units=2)
    >>> net.initialize(init.One())
    >>> expected_gradients(net, [[1.0, 2.0]], [[0.0, 0.0], [0.0, 2.0]]).values
    array([[1., 1.]])
    """
    explained, rows = net_rows(model, X, output, scale)
    origins = net_background(explained, X, background, rows)
    alphas = _alphas(len(origins), positive_integer(points, "points"), seed)
    values = _along(explained, rows, origins, alphas, (max_memory, "expected gradients", progress))
    return Attribution(
        values.reshape(rows.shape),
        explained(origins).mean(),
        explained(rows),
        rows,
        "expected gradients",
        output_name=explained.name,
        **naming(X, columns, feature_names),
    )


def integrated_gradients(
    model: Any,
    X: Any,
    baseline: Any = 0.0,
    *,
    points: int = 50,
    output: Any = None,
    scale: str | None = None,
    columns: Any = None,
    feature_names: Any = None,
    max_memory: float = 1024.0,
    progress: bool = False,
) -> Attribution:
    """Return each feature's contribution to a net's output against one baseline, from gradients on the way to it.

    ``phi_j(x) = (x_j - b_j) mean over alpha of dF/dx_j(b + alpha (x - b))``, with alpha at the middles of `points`
    equal parts of 0 to 1.

    Parameters
    ----------
    model : gluon.Block, or estimator of mxfair around one
        See `expected_gradients`.
    X : array, shape (n_samples, n_features) or (n_samples, channels, height, width)
        The rows to be explained, as the net takes them.
    baseline : float, or array of the shape of one row or of `X`, default=0
        Where the way begins: a number for all features (0 is the mean of standardised data, and black in an image),
        a row, or one for each row.
    points : int, default=50
        Points on the way.
    output, scale, columns, feature_names, max_memory, progress
        See `expected_gradients`.

    Returns
    -------
    Attribution
        ``base_values`` are the outputs at the baseline.

    Raises
    ------
    InputError
        If the model is no net, or the baseline does not fit.

    References
    ----------
    Sundararajan, Taly, Yan, *Axiomatic attribution for deep networks*, ICML 2017, equation 3.

    Examples
    --------
    >>> import mxfair
    >>> from mxnet import gluon, init
    >>> net = gluon.nn.Dense(1, in_units=2)
    >>> net.initialize(init.One())
    >>> integrated_gradients(net, [[1.0, 2.0]]).values
    array([[1., 2.]])
    """
    explained, rows = net_rows(model, X, output, scale)
    n_points = positive_integer(points, "points")
    starts, own = _starts(rows, baseline)
    values = _along(
        explained,
        rows,
        starts[:, None] if own else starts,
        ((np.arange(n_points) + 0.5) / n_points)[None],
        (max_memory, "integrated gradients", progress),
    )
    return Attribution(
        values.reshape(rows.shape),
        explained(starts) if own else explained(starts)[0],
        explained(rows),
        rows,
        "integrated gradients",
        output_name=explained.name,
        **naming(X, columns, feature_names),
    )


def saliency(
    model: Any,
    X: Any,
    *,
    times_input: bool = False,
    output: Any = None,
    scale: str | None = None,
    columns: Any = None,
    feature_names: Any = None,
    max_memory: float = 1024.0,
) -> Attribution:
    """Return the gradient of a net's output by each feature, at the rows themselves.

    It says what a small change would do, not what the output is made of: values do not add up to the output, and
    ``base_values`` and `Attribution.additivity_error` are NaN. Where a net is saturated, gradients are small though the
    feature matters; `integrated_gradients` sees that.

    Parameters
    ----------
    model : gluon.Block, or estimator of mxfair around one
        See `expected_gradients`.
    X : array, shape (n_samples, n_features) or (n_samples, channels, height, width)
        The rows to be explained, as the net takes them.
    times_input : bool, default=False
        Multiply each gradient by the feature's value.
    output, scale, columns, feature_names, max_memory
        See `expected_gradients`.

    Returns
    -------
    Attribution

    Raises
    ------
    InputError
        If the model is no net.

    References
    ----------
    Simonyan, Vedaldi, Zisserman, *Deep inside convolutional networks: visualising image classification models and
    saliency maps*, 2013, section 3. Times input: Shrikumar, Greenside, Shcherbina, Kundaje, *Not just a black box*,
    2016.

    Examples
    --------
    >>> import mxfair
    >>> from mxnet import gluon, init
    >>> net = gluon.nn.Dense(1, in_units=2)
    >>> net.initialize(init.One())
    >>> saliency(net, [[1.0, 2.0]], times_input=True).values
    array([[1., 2.]])
    """
    from mxfair.explain._gradient import NetGradient
    from mxfair.explain._paths import slopes

    explained, rows = net_rows(model, X, output, scale)
    found = list(slopes(NetGradient(explained, rows.shape[1:]), rows, megabytes(max_memory)))
    values = np.concatenate([slope for _, slope in found]).astype(np.float64).reshape(rows.shape)
    return Attribution(
        values * rows if times_input else values,
        np.nan,
        np.concatenate([value for value, _ in found]),
        rows,
        "gradient times input" if times_input else "saliency",
        output_name=explained.name,
        **naming(X, columns, feature_names),
    )


def _starts(rows: np.ndarray, baseline: Any) -> tuple[np.ndarray, bool]:
    """Return where ways begin, and whether each row has a beginning of its own."""
    given = np.asarray(to_numpy(baseline), dtype=rows.dtype)
    own = given.ndim == rows.ndim
    wanted = rows.shape if own else (1, *rows.shape[1:])
    if given.ndim and given.shape != (rows.shape if own else rows.shape[1:]):
        raise InputError(
            f"'baseline' must be a number, a row of shape {rows.shape[1:]} or one for each row; got shape "
            f"{given.shape}. Use 0 for standardised data."
        )
    if not np.isfinite(given).all():
        raise InputError("'baseline' must be finite; got NaN or infinity. Use 0 for standardised data.")
    return np.ascontiguousarray(np.broadcast_to(given, wanted)), own


def _alphas(n_origins: int, points: int, seed: Any) -> np.ndarray:
    """Return where on the ways points lie: in each of equal parts one, shape (n_origins, points).

    The places within the parts spread over their middle halves, evenly over the origins by the golden ratio, and are
    mirrored in every other part. With five points or more the error is as small as with the very middles, with one or
    two it is half as large: the same middles for all have errors of the same sign.
    """
    if seed is None:
        spread = (np.arange(n_origins) + 0.5) * GOLDEN % 1.0 if n_origins > 1 else np.full(1, 0.5)
        place = 0.25 + spread[:, None] / 2
        place = np.where(np.arange(points) % 2 == 0, place, 1 - place)
    else:
        place = generator(seed).random((n_origins, points))
    return (np.arange(points) + place) / points


def _along(
    explained: Explained, rows: np.ndarray, origins: np.ndarray, alphas: np.ndarray, options: tuple[float, str, bool]
) -> np.ndarray:
    """Return mean contributions along the ways from origins to rows, shape (n_samples, n_features) as float64."""
    from mxfair.explain._gradient import NetGradient
    from mxfair.explain._paths import path_means

    max_memory, text, progress = options
    gradient = NetGradient(explained, rows.shape[1:])
    found = path_means(gradient, rows, origins, alphas, megabytes(max_memory))
    parts = track(((len(part), part) for part in found), len(rows), text, progress)
    return np.concatenate(list(parts)).astype(np.float64)
