"""FocalLoss: hard samples count more; FocalGroupLoss: groups of hard samples do."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._validation import InputError, one_of
from mxfair.loss._grouped import CellLoss, check_number

mx: Any = import_mxnet()

__all__ = ["FocalGroupLoss", "FocalLoss"]


class FocalLoss(mx.gluon.loss.Loss):
    r"""Cross-entropy in which a sample counts the less, the surer the net is of its true class.

    .. math:: l_i = - \alpha_{y_i} (1 - p_i)^{\gamma} \log p_i

    where p_i is the probability of the true class. It knows no groups; `FocalGroupLoss` does.

    Parameters
    ----------
    gamma : float, default=2.0
        The focusing parameter; 0 is the cross-entropy.
    alpha : float, optional
        Weight of class 1, 1 - alpha that of class 0, for two classes and one output. Default: both 1.
    link : {"sigmoid", "softmax"}, default="sigmoid"
        How the net's raw output becomes a probability: one output, or one for each class.
    weight : float, optional
        Factor of the whole loss.
    batch_axis : int, default=0
        The axis of the samples.
    **kwargs
        ``prefix`` and ``params``, as for any Block.

    Raises
    ------
    InputError, InputTypeError
        If an argument cannot be used.

    References
    ----------
    Lin, Goyal, Girshick, He and Dollar, "Focal Loss for Dense Object Detection", ICCV 2017, equations 4 and 5.

    Examples
    --------
    >>> import mxnet as mx
    >>> pred, label = mx.nd.array([[0.0], [4.0]]), mx.nd.array([1, 1])
    >>> FocalLoss()(pred, label).asnumpy().round(5).tolist()  # log(2) / 4 for the first
    [0.17328999936580658, 9.999999747378752e-06]
    """

    def __init__(
        self,
        gamma: float = 2.0,
        alpha: float | None = None,
        *,
        link: str = "sigmoid",
        weight: float | None = None,
        batch_axis: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self.gamma = check_number(gamma, "gamma", least=0)
        self.link = one_of(link, ("sigmoid", "softmax"), "link")
        if alpha is not None and (self.link == "softmax" or not 0 < check_number(alpha, "alpha") < 1):
            raise InputError(
                f"'alpha' must lie between 0 and 1, with one output; got {alpha} with link={link!r}. Leave it out, or "
                "weigh classes by drawing batches."
            )
        self.alpha = alpha

    def hybrid_forward(self, F: Any, pred: Any, label: Any, sample_weight: Any = None) -> Any:
        """Return one loss per sample, shape (batch_size,).

        Parameters
        ----------
        F : module
            mxnet.nd or mxnet.sym.
        pred : NDArray or Symbol of shape (batch_size,), (batch_size, 1) or (batch_size, n_classes)
            Raw outputs of the net.
        label : NDArray or Symbol of shape (batch_size,) or (batch_size, 1)
            Numbers of the classes.
        sample_weight : NDArray or Symbol of shape (batch_size,), optional
            Factors of the samples, as in Gluon's losses.

        Returns
        -------
        NDArray or Symbol
        """
        label = F.reshape(label, shape=(-1,))
        if self.link == "sigmoid":
            margin = F.reshape(pred, shape=(-1,)) * (2 * label - 1)
            surprise = F.Activation(-margin, act_type="softrelu")  # -log p
            # (1 - p)^gamma = e^(-gamma softplus(margin)), which neither over- nor underflows to NaN
            factor = F.exp(-self.gamma * F.Activation(margin, act_type="softrelu"))
            if self.alpha is not None:
                factor = factor * (self.alpha * label + (1 - self.alpha) * (1 - label))
        else:
            surprise = -F.pick(F.log_softmax(pred, axis=-1), label, axis=-1)
            factor = F.clip(1 - F.exp(-surprise), 1e-12, 1.0) ** self.gamma
        loss = factor * surprise
        if self._weight is not None:
            loss = loss * self._weight
        return loss if sample_weight is None else loss * F.reshape(sample_weight, shape=(-1,))


class FocalGroupLoss(CellLoss):
    r"""Focal reweighting of groups: a group counts the less, the surer the net is of its true labels.

    .. math:: w_g = (1 - c_g)^{\gamma} \, n \Big/ \textstyle\sum_h n_h (1 - c_h)^{\gamma}, \qquad
              c_g \leftarrow m \, c_g + (1 - m) \, \frac{1}{n_g} \sum_{i \in g} e^{-l_i}, \qquad
              l_i' = w_{g(i)} \, l_i

    where l is the base loss: with a cross-entropy, e to the minus l is the probability of the true class, so that the
    weight is the focal loss's factor with a running mean over a group in the place of one sample's confidence.

    Parameters
    ----------
    base : gluon.loss.Loss
        Of (pred, label), or a `GroupLoss` of (pred, label, group), without a weight of its own. With a squared error,
        e to the minus l is an unnormalised Gaussian likelihood: scale the labels to about unit variance.
    n_groups : int or Groups
        Number of groups: codes 0 to n_groups - 1.
    gamma : float, default=2.0
        The focusing parameter; 0 is the base loss.
    memory : float, default=0.9
        The m of the formula: what part of the running mean stays when a batch comes.
    over : {"groups", "cells"}, default="groups"
        What has a weight: groups, or (label, group) cells; choose cells for equalized odds.
    n_classes : int, default=2
        Number of classes, for cells: labels are 0 to n_classes - 1.
    **kwargs
        ``prefix`` and ``params``, as for any Block.

    Raises
    ------
    InputError, InputTypeError
        If an argument cannot be used, or the first batch holds no known group, or codes that are no whole numbers.

    Notes
    -----
    The paper weighs samples; the step to groups is this library's, in the spirit of q-FFL, which weighs a group by a
    power of its loss. The mean weight of a batch's samples is 1. No gradient goes through the weights. It reweighs by
    difficulty: it narrows gaps of losses, and gaps of rates only as far as they come from them; as in `GroupDROLoss`,
    a group whose labels are noise gains weight, but within bounds: at most (1 - c)^gamma against the others.

    A group that a batch lacks keeps its running mean and contributes nothing. Samples of unknown groups (other codes)
    have weight 1.

    References
    ----------
    Lin, Goyal, Girshick, He and Dollar, "Focal Loss for Dense Object Detection", ICCV 2017, equation 4. Li, Sanjabi,
    Beirami and Smith, "Fair Resource Allocation in Federated Learning", ICLR 2020, equation 2.

    Examples
    --------
    >>> import mxnet as mx
    >>> loss = FocalGroupLoss(mx.gluon.loss.SigmoidBCELoss(), 2, gamma=1.0, memory=0.0)
    >>> pred, label = mx.nd.log(mx.nd.array([[9.0], [9.0], [1.0], [1.0]])), mx.nd.ones(4)
    >>> with mx.autograd.train_mode():  # confidences .9 and .5: five times the weight
    ...     weighed = loss(pred, label, mx.nd.array([0, 0, 1, 1]))
    >>> plain = mx.gluon.loss.SigmoidBCELoss()(pred, label)
    >>> (weighed / plain).asnumpy().round(3).tolist()
    [0.3330000042915344, 0.3330000042915344, 1.6670000553131104, 1.6670000553131104]
    """

    def __init__(
        self,
        base: Any,
        n_groups: Any,
        *,
        gamma: float = 2.0,
        memory: float = 0.9,
        over: str = "groups",
        n_classes: int = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(base, n_groups, over=over, n_classes=n_classes, **kwargs)
        self.gamma = check_number(gamma, "gamma", least=0)
        self.memory = check_number(memory, "memory", least=0)
        if self.memory >= 1:
            raise InputError(f"'memory' must be at least 0 and below 1; got {memory}. Give 0 to forget each batch.")
        self.confidence = self._state("confidence", np.zeros(self._n_cells))

    @property
    def confidences(self) -> np.ndarray:
        """The running mean confidence in the true labels, by group; reading them waits for the engine."""
        return self.confidence.data(self.confidence.list_ctx()[-1]).asnumpy()

    def _own_states(self) -> list[Any]:
        return [self.confidence]

    def _seen(self, F: Any, loss: Any) -> Any:
        return F.exp(-loss)

    def _weights(self, F: Any, mean: Any, counts: Any, below: Any, params: dict[str, Any]) -> list[Any]:
        confidence = params["confidence"]
        new = confidence + (1 - self.memory) * (counts > 0) * (mean - confidence)
        raw = F.clip(1 - new, 1e-6, 1.0) ** self.gamma
        total = F.sum(counts * raw, keepdims=True)
        known = F.sum(counts, keepdims=True)
        return [F.broadcast_mul(raw, known / F.maximum(total, 1e-30)) - 1, new]
