"""Shapley values of any model: by permutations, and exactly by enumeration for few columns."""

from __future__ import annotations

from collections.abc import Iterator
from math import factorial
from typing import Any

import numpy as np

from mxfair._validation import InputError, generator, positive_integer
from mxfair.explain._columns import Columns, columns_of
from mxfair.explain._game import Game, game_of
from mxfair.explain._memory import megabytes
from mxfair.explain._model import explained_model
from mxfair.explain._progress import track
from mxfair.explain._raw_data import raw_data
from mxfair.explain.attribution import Attribution

__all__ = ["exact_shap", "permutation_shap"]

#: Players whose coalitions are enumerated at most: 2 ** 14 of them for each row.
MAX_PLAYERS = 14


def permutation_shap(
    model: Any,
    X: Any,
    background: Any,
    *,
    n_permutations: int = 10,
    output: Any = None,
    scale: str | None = None,
    columns: Any = None,
    feature_names: Any = None,
    max_memory: float = 1024.0,
    progress: bool = False,
    seed: Any = None,
) -> Attribution:
    r"""Return the Shapley values of any model's output for each row, from random orders of the columns.

    ``phi_j = mean over orders of v(columns before j, and j) - v(columns before j)``, where v(S) is the mean output over
    a background whose columns outside S are its own. Each order is also run backwards, which cancels much of the error.
    Rows have orders of their own; rows, orders and background are evaluated together. Contributions add up exactly.

    Parameters
    ----------
    model : gluon.Block, scikit-learn estimator, or callable
        What `mxfair.explain` takes: a callable gets rows as an array (or data frame) and returns a number for each.
    X : array or data frame, shape (n_samples, n_features)
        The rows to be explained.
    background : array or data frame, shape (n_background, n_features)
        What "on average" means: a hundred rows of the training data, or of another group. All are used.
    n_permutations : int, default=10
        Orders of each row, at least 2. With the backward runs a row costs ``2 * n_permutations * (n_columns - 1)``
        times n_background evaluations.
    output : optional
        Which of several outputs: a class of an estimator, else an index.
    scale : {"logit", "probability"}, optional
        What of a classifier is explained. Default: the logit of nets, the probability of other classifiers.
    columns : TabularEncoder or mapping of column to features, optional
        Raw columns: the features of one are known or unknown together, and get one value. Default: each feature is one.
    feature_names : sequence of str, optional
        Default: those of the data frame or the encoder, else x0, x1, ...
    max_memory : float, default=1024
        Megabytes that a batch of evaluated rows may take, with what a net makes of it.
    progress : bool, default=False
        Show a progress bar.
    seed : int or numpy Generator, optional
        Of the orders. Default: fresh ones.

    Returns
    -------
    Attribution
        Of raw columns if `columns` is given, with ``standard_errors``: the standard deviation between a row's orders
        over the root of their number.

    Raises
    ------
    InputError
        If rows and background do not fit, or fewer than two orders are asked for.

    References
    ----------
    Strumbelj, Kononenko, *Explaining prediction models and individual predictions with feature contributions*, 2014.
    Antithetic orders: Mitchell, Cooper, Frank, Holmes, *Sampling permutations for Shapley value estimation*, 2022,
    section 3.2.

    Examples
    --------
    >>> found = permutation_shap(lambda X: X[:, 0] * X[:, 1], [[1.0, 1.0]], [[0.0, 0.0]], seed=0)
    >>> found.values
    array([[0.5, 0.5]])
    """
    n_orders = positive_integer(n_permutations, "n_permutations", minimum=2, hint="Errors are told from two or more")
    rng = generator(seed)
    named, game = _game(model, X, background, output, scale, columns, feature_names, max_memory)
    found = _by_orders(game, n_orders, rng)
    parts = list(track(found, game.n_rows, "permutation SHAP", progress))
    values, errors = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    return _attribution(game, named, X, values, errors, "permutation SHAP")


def exact_shap(
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
    r"""Return the exact Shapley values of any model's output, from all coalitions of at most 14 columns.

    ``phi_j = sum over S without j of |S|! (m - |S| - 1)! / m! (v(S and j) - v(S))``, with v as in `permutation_shap`.

    Parameters
    ----------
    model, X, background, output, scale, columns, feature_names, max_memory, progress
        See `permutation_shap`. A row costs 2 to the power of the number of columns, times n_background evaluations.

    Returns
    -------
    Attribution
        Of raw columns if `columns` is given.

    Raises
    ------
    InputError
        If there are more than 14 columns, or rows and background do not fit.

    References
    ----------
    Lundberg, Lee, *A unified approach to interpreting model predictions*, NeurIPS 2017, equation 4.

    Examples
    --------
    >>> exact_shap(lambda X: X[:, 0] * X[:, 1], [[1.0, 1.0]], [[0.0, 0.0]]).values
    array([[0.5, 0.5]])
    """
    named, game = _game(model, X, background, output, scale, columns, feature_names, max_memory)
    if game.n_players > MAX_PLAYERS:
        raise InputError(
            f"'X' must have at most {MAX_PLAYERS} columns for exact values; got {game.n_players}. Use "
            "permutation_shap, or name raw columns with columns=."
        )
    values = np.concatenate(list(track(_by_enumeration(game), game.n_rows, "exact SHAP", progress)))
    return _attribution(game, named, X, values, None, "exact SHAP")


def _game(
    model: Any, X: Any, background: Any, output: Any, scale: Any, columns: Any, feature_names: Any, max_memory: Any
) -> tuple[tuple[Columns, str], Game]:
    explained = explained_model(model, output=output, scale=scale)
    limit = megabytes(max_memory)
    X = X if hasattr(X, "columns") else np.asarray(X) if isinstance(X, (list, tuple)) else X
    if np.ndim(X) != 2:
        raise InputError(f"'X' must be a table; got shape {np.shape(X)}. Use integrated_gradients for images.")
    players = columns_of(X, columns, feature_names)
    return (players, explained.name), game_of(explained, X, background, players, limit)


def _attribution(
    game: Game, named: tuple[Columns, str], X: Any, values: np.ndarray, errors: np.ndarray | None, method: str
) -> Attribution:
    players, output_name = named
    data = raw_data(X, players) if players.grouped else X if hasattr(X, "columns") else game.rows
    return Attribution(
        values,
        game.empty,
        game.full,
        data,
        method,
        output_name=output_name,
        feature_names=players.names,
        standard_errors=errors,
    )


def _by_orders(game: Game, n_orders: int, rng: np.random.Generator) -> Iterator[tuple[int, Any]]:
    """Yield how many rows, and their values and standard errors, (n, n_players) each."""
    m = game.n_players
    inner = np.arange(1, m)  # the empty and the full coalition are known
    size = game.rows_at_once(max(1, 2 * len(inner) * n_orders))
    for start in range(0, game.n_rows, size):
        n = min(size, game.n_rows - start)
        order = np.broadcast_to(np.arange(m), (n, n_orders, m))
        rank = rng.permuted(order, axis=2)  # the place of each column in an order
        ahead = rank[:, :, None, :] < inner[:, None]
        coalitions = np.concatenate([ahead, ~ahead], axis=2).reshape(n, -1, m)
        inside = (
            game.values(start, coalitions).reshape(n, n_orders, 2, m - 1) if m > 1 else np.empty((n, n_orders, 2, 0))
        )
        empty = np.full((n, n_orders, 1), game.empty)
        full = np.broadcast_to(game.full[start : start + n, None, None], empty.shape)
        forward = np.diff(np.concatenate([empty, inside[:, :, 0], full], axis=2), axis=2)
        backward = -np.diff(np.concatenate([full, inside[:, :, 1], empty], axis=2), axis=2)
        each = np.take_along_axis((forward + backward) / 2, rank, axis=2)
        yield n, (each.mean(axis=1), each.std(axis=1, ddof=1) / np.sqrt(n_orders))


def _by_enumeration(game: Game) -> Iterator[tuple[int, np.ndarray]]:
    """Yield how many rows, and their values, (n, n_players)."""
    m = game.n_players
    coalitions = (np.arange(2**m)[:, None] >> np.arange(m)) & 1 == 1
    sizes = coalitions.sum(axis=1, keepdims=True)
    share = np.array([factorial(s) * factorial(m - s - 1) / factorial(m) for s in range(m)])
    weights = np.where(coalitions, share[np.maximum(sizes - 1, 0)], -share[np.minimum(sizes, m - 1)])
    size = game.rows_at_once(2**m)
    for start in range(0, game.n_rows, size):
        n = min(size, game.n_rows - start)
        yield n, game.values(start, np.broadcast_to(coalitions, (n, *coalitions.shape))) @ weights
