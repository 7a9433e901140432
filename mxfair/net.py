"""Small nets by name, for tables of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mxfair._compat import import_mxnet
from mxfair._validation import one_of, positive_integer

mx: Any = import_mxnet()

__all__ = ["NETS", "logistic", "make", "mlp"]

NETS = ("logistic", "mlp")


def logistic(n_features: int, n_outputs: int = 1) -> Any:
    """Return a linear net: logistic regression with one output, multinomial regression with several.

    Parameters
    ----------
    n_features : int
        Columns of the input.
    n_outputs : int, default=1
        1 for two classes, else the number of classes.

    Returns
    -------
    gluon.nn.Dense
        Not initialized.

    Examples
    --------
    >>> net = logistic(3)
    >>> net.initialize()
    >>> net.weight.shape
    (1, 3)
    """
    return mx.gluon.nn.Dense(
        positive_integer(n_outputs, "n_outputs"), in_units=positive_integer(n_features, "n_features")
    )


def mlp(n_features: int, n_outputs: int = 1, hidden: Sequence[int] = (64, 64)) -> Any:
    """Return a multi-layer perceptron with rectified linear units.

    Parameters
    ----------
    n_features : int
        Columns of the input.
    n_outputs : int, default=1
        1 for two classes, else the number of classes.
    hidden : sequence of int, default=(64, 64)
        Units of each hidden layer.

    Returns
    -------
    gluon.nn.HybridSequential
        Not initialized.

    Examples
    --------
    >>> len(mlp(3, hidden=(8,)))
    2
    """
    net = mx.gluon.nn.HybridSequential()
    width = positive_integer(n_features, "n_features")
    for units in hidden:
        net.add(mx.gluon.nn.Dense(positive_integer(units, "hidden"), in_units=width, activation="relu"))
        width = units
    net.add(logistic(width, n_outputs))
    return net


def make(name: str, n_features: int, n_outputs: int = 1) -> Any:
    """Return a net by name.

    Parameters
    ----------
    name : {"logistic", "mlp"}
    n_features, n_outputs : int
        As for `logistic`.

    Returns
    -------
    gluon.HybridBlock
        Not initialized.
    """
    return {"logistic": logistic, "mlp": mlp}[one_of(name, NETS, "net")](n_features, n_outputs)
