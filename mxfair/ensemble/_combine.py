r"""How scores of members become one score, as operators of a graph and as NumPy arrays.

With probabilities p_k of member k and weights w_k, the mean is :math:`\bar p = \sum_k w_k p_k / \sum_k w_k`. It is
computed by logarithms, :math:`\log \sum_k \exp(\log w_k + \log p_k)`: no digit is lost near 0 or 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["COMBINE", "LEAST", "SHARE", "combined", "log_probabilities"]

COMBINE = ("probability", "score", "vote", "sum")
#: The smallest probability of a member that returns probabilities: its logarithm is a number.
LEAST = 1e-30
#: The smallest share of votes, and 1 less the largest: a unanimous vote has a finite score.
SHARE = 1e-7


class Graph:
    """The formulas with the operators of F (mxnet.nd or mxnet.sym), on scores of shape (n_samples, K * n_outputs)."""

    def __init__(self, F: Any, n_members: int, n_outputs: int, *, probability: bool) -> None:
        self.F, self.shape, self.probability = F, (-1, n_members, n_outputs), probability

    def combined(self, scores: Any, weight: Any, how: str, bias: Any = None) -> Any:
        """Return the scores of the ensemble, shape (n_samples, n_outputs)."""
        F = self.F
        weight = F.reshape(weight, shape=(1, -1, 1))
        scores = F.reshape(scores, shape=self.shape)
        if how == "sum":
            total = F.sum(F.broadcast_mul(scores, weight), axis=1)
            return total if bias is None else F.broadcast_add(total, F.reshape(bias, shape=(1, -1)))
        if how == "score":
            return F.sum(F.broadcast_mul(scores, self._shares(weight)), axis=1)
        if how == "vote":
            return self._votes(scores, self._shares(weight))
        chances = self.log_probabilities(scores)
        weight = F.log(self._shares(weight))
        means = [self._log_sum(F.broadcast_add(chance, weight)) for chance in chances]
        return means[0] - means[1] if len(means) == 2 else means[0]

    def log_probabilities(self, scores: Any) -> list[Any]:
        """Return log p, and with one output log(1 - p) too."""
        F = self.F
        if self.probability:
            sides = [scores, 1 - scores] if self.shape[2] == 1 else [scores]
            return [F.log(F.maximum(side, LEAST)) for side in sides]
        if self.shape[2] == 1:  # log sigmoid(s) = -log(1 + exp(-s))
            return [-F.Activation(side, act_type="softrelu") for side in (-scores, scores)]
        # the engine's log_softmax is off by 2e-6
        shifted = F.broadcast_sub(scores, F.BlockGrad(F.max(scores, axis=2, keepdims=True)))
        return [F.broadcast_sub(shifted, F.log(F.sum(F.exp(shifted), axis=2, keepdims=True)))]

    def _shares(self, weight: Any) -> Any:
        return self.F.broadcast_div(weight, self.F.sum(weight, axis=1, keepdims=True))

    def _log_sum(self, values: Any) -> Any:
        """Return the logarithm of the sum of exponentials over the members."""
        F = self.F
        top = F.BlockGrad(F.max(values, axis=1, keepdims=True))
        total = F.log(F.sum(F.exp(F.broadcast_sub(values, top)), axis=1))
        return total + F.reshape(top, shape=(-1, self.shape[2]))

    def _votes(self, scores: Any, shares: Any) -> Any:
        F, outputs = self.F, self.shape[2]
        if outputs == 1:
            above = scores > (0.5 if self.probability else 0.0)
            yes = F.sum(F.broadcast_mul(above, shares), axis=1)
            no = F.sum(F.broadcast_mul(1 - above, shares), axis=1)
            result = F.log(F.maximum(yes, SHARE)) - F.log(F.maximum(no, SHARE))
        else:
            won = F.one_hot(F.argmax(scores, axis=2), depth=outputs)
            result = F.log(F.maximum(F.sum(F.broadcast_mul(won, shares), axis=1), SHARE))
        return result + F.sum(scores * 0, axis=1)  # NaN is no vote: it stays NaN


def combined(
    scores: np.ndarray, weight: np.ndarray, how: str, *, bias: np.ndarray | None = None, probability: bool = False
) -> np.ndarray:
    """Return the scores of the ensemble, shape (n_samples, n_outputs), as the graph does.

    Parameters
    ----------
    scores : ndarray of shape (n_outputs, K, n_samples)
        In this order each operation runs along the samples.
    weight : ndarray of shape (K,) or (K, n_samples)
        The same for all samples, or for each its own.
    """
    if how == "sum":
        total = _weighted_sum(scores, weight).T
        return total if bias is None else total + bias
    shares = weight / weight.sum(axis=0)
    if how == "score":
        return _weighted_sum(scores, shares).T
    if how == "vote":
        return _votes(scores, shares, probability).T
    with np.errstate(divide="ignore"):
        logs = np.log(shares.reshape(len(shares), -1))
    means = [_log_sum(chance + logs) for chance in log_probabilities(scores, probability=probability)]
    return (means[0] - means[1] if len(means) == 2 else means[0]).T


def log_probabilities(scores: np.ndarray, *, probability: bool = False) -> list[np.ndarray]:
    """Return log p, and with one output log(1 - p) too, in the shape of the scores (n_outputs, K, n_samples)."""
    if probability:
        sides = [scores, 1 - scores] if len(scores) == 1 else [scores]
        return [np.log(np.maximum(side, scores.dtype.type(LEAST))) for side in sides]
    if len(scores) == 1:
        tail = np.log1p(np.exp(-np.abs(scores)))
        return [np.minimum(scores, 0) - tail, -np.maximum(scores, 0) - tail]
    shifted = scores - scores.max(axis=0)
    return [shifted - np.log(np.exp(shifted).sum(axis=0))]


def _weighted_sum(values: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return weighted sums over the members, added in the same order whatever the number of samples."""
    return (values * shares.reshape(len(shares), -1)).sum(axis=1)


def _log_sum(values: np.ndarray) -> np.ndarray:
    top = values.max(axis=1, keepdims=True)
    return np.log(np.exp(values - top).sum(axis=1)) + top[:, 0]


def _votes(scores: np.ndarray, shares: np.ndarray, probability: bool) -> np.ndarray:
    least = scores.dtype.type(SHARE)
    if len(scores) == 1:
        above = scores > (0.5 if probability else 0.0)
        won = np.stack([above[0], ~above[0]]).astype(scores.dtype)
    else:
        won = (scores.argmax(axis=0) == np.arange(len(scores))[:, None, None]).astype(scores.dtype)
    logs = np.log(np.maximum(_weighted_sum(won, shares), least))
    return (logs[:1] - logs[1:] if len(scores) == 1 else logs) + (scores * 0).sum(axis=1)
