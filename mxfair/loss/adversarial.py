"""AdversarialLoss: an adversary guesses the group from the net's output, and the net learns to give nothing away."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._strength import Scheduled
from mxfair._validation import InputError, InputTypeError, generator, one_of, positive_integer
from mxfair.loss._base import base_outputs, group_count
from mxfair.loss._grouped import WrappedLoss, check_classes, check_codes, check_label_size, given_link
from mxfair.loss._strata import label_strata

mx: Any = import_mxnet()

__all__ = ["AdversarialLoss", "trained_parameters"]

#: Outputs whose standard deviation over a batch is below the root of this are as good as constant.
ROUND = 1e-4


def trained_parameters(*blocks: Any) -> dict[str, Any]:
    """Return the parameters of net and loss that are trained: what a Trainer is made with.

    States and constants of losses, which have no gradients, are left out.

    Parameters
    ----------
    *blocks : gluon.Block
        The net and the loss.

    Returns
    -------
    dict
        Parameters by name, as ``gluon.Trainer`` takes them.

    Examples
    --------
    >>> from mxnet import gluon
    >>> net = gluon.nn.Dense(1, in_units=2)
    >>> loss = AdversarialLoss(gluon.loss.SigmoidBinaryCrossEntropyLoss(), 2)
    >>> len(trained_parameters(net, loss))  # weight and bias of the net, and of two layers of the adversary
    6
    """
    found: dict[str, Any] = {}
    for block in blocks:
        found.update((name, p) for name, p in block.collect_params().items() if p.grad_req != "null")
    return found


class AdversarialLoss(WrappedLoss, Scheduled):
    r"""A base loss and an adversary's, whose gradient reaches the net with its sign reversed.

    .. math:: l_i = \mathrm{base}(p_i, y_i) + A, \qquad
              A = \frac{1}{S} \sum_s \frac{1}{G_s} \sum_g \frac{1}{n_{sg}} \sum_{i \in s, g} - \log a_g(R(p_i), s)

    where a are the adversary's probabilities of the groups given the net's output, standardised over the batch, and R
    is the gradient reversal: R(p) = p, but its derivative is minus the strength. The adversary minimises A, the net
    the base loss minus strength times A. A is a mean of means, over the sets s of labels inside which the criterion
    asks for independence and over the groups there, so that a small group counts as much as a large one; blind guesses
    give the logarithm of the number of groups.

    Parameters
    ----------
    base : gluon.loss.Loss
        Of (pred, label), or a `GroupLoss` of (pred, label, group); for classes or for numbers.
    n_groups : int, Groups or None
        Number of groups: codes 0 to n_groups - 1. None for a continuous attribute, which the adversary then predicts
        with a squared error, in units of its standard deviation.
    criterion : str or Criterion, default="demographic_parity"
        Demographic parity: the adversary sees the output only. Equalized odds: the label too. Equal opportunity,
        predictive equality: samples of one label only. For numbers as labels: demographic parity, or equalized odds,
        where the adversary sees the label as a number.
    adversary : gluon.HybridBlock, optional
        From (batch_size, n_inputs) to (batch_size, n_groups), raw outputs, or to (batch_size, 1) for a continuous
        attribute; initialized. Default: a layer of 16 rectified units, and a linear one.
    strength : float or callable, default=1.0
        Factor of the reversed gradient, or a schedule: a function of the number of updates.
    link : {"sigmoid", "softmax", "exp", "identity"}, optional
        How the net's output becomes a prediction. Default: as the base loss reads it.
    n_classes : int, default=2
        Number of classes; labels are 0 to n_classes - 1.
    seed : int, Generator or None
        Of the default adversary's first weights.
    ctx : mxnet.Context, optional
        Where the default adversary is: the device of the net. Default: the current one.
    **kwargs
        ``prefix`` and ``params``, as for any Block.

    Raises
    ------
    InputError, InputTypeError
        If an argument cannot be used, the first batch does not fit, or the loss is trained on while no Trainer has the
        adversary's parameters.

    Notes
    -----
    The adversary is trained by the net's Trainer: ``gluon.Trainer(trained_parameters(net, loss), "adam")``. `n_inputs`
    is the number of outputs of the net, plus the number of sets of labels where there are several, plus 1 where the
    adversary sees a number.

    A gap remains where the adversary is too weak or too slow to find it, and a strength that is too large makes the
    game swing instead of settling: compare gaps on validation data over a range of strengths, and let the learning
    rate fall to almost 0 in the end (``mx.lr_scheduler.CosineScheduler``), or the last epoch is a random point of the
    swing. The adversary judges the whole distribution of the output, and a gap of decisions is one consequence of it.

    A group that a batch lacks contributes 0, and a set of labels with one group only does; samples of unknown groups
    (other codes) count in the base loss only. Standardising the output keeps a net from winning by shrinking it.

    References
    ----------
    Ganin and Lempitsky, "Unsupervised Domain Adaptation by Backpropagation", ICML 2015, equations 4 to 10. Zhang,
    Lemoine and Mitchell, "Mitigating Unwanted Biases with Adversarial Learning", AIES 2018, section 3, for what the
    adversary sees; `ProjectedAdversarialLoss` has their update.

    Examples
    --------
    >>> import mxnet as mx
    >>> from mxnet import autograd, gluon
    >>> net = gluon.nn.Dense(1, in_units=2)
    >>> net.initialize()
    >>> loss = AdversarialLoss(gluon.loss.SigmoidBinaryCrossEntropyLoss(), 2, criterion="equalized_odds", seed=0)
    >>> trainer = gluon.Trainer(trained_parameters(net, loss), "adam")
    >>> data, label, group = mx.nd.ones((4, 2)), mx.nd.array([0, 1, 0, 1]), mx.nd.array([0, 0, 1, 1])
    >>> with autograd.record():
    ...     value = loss(net(data), label, group)
    >>> value.backward()
    >>> trainer.step(4)
    >>> value.shape
    (4,)
    """

    def __init__(
        self,
        base: Any,
        n_groups: Any,
        *,
        criterion: Any = "demographic_parity",
        adversary: Any = None,
        strength: Any = 1.0,
        link: str | None = None,
        n_classes: int = 2,
        seed: Any = None,
        ctx: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(base, **kwargs)
        self.n_groups = None if n_groups is None else group_count(n_groups)
        self.n_classes = positive_integer(n_classes, "n_classes", minimum=2)
        self.link = given_link(self, base, link)
        self._numbers = self.link == "identity" and not self._from_sigmoid
        strata, self._sees_number = self._strata(criterion)
        self._n_labels, self._n_strata = strata.shape
        self._n_outputs = self.n_classes if self.link in ("softmax", "exp") else 1
        self.n_inputs = self._n_outputs + (self._n_strata if self._n_strata > 1 else 0) + self._sees_number
        kinds = self.n_groups or 1
        places = np.kron(np.eye(kinds), np.ones((self._n_labels, 1)))  # of cells (group, label) to groups
        with self.name_scope():
            self._hold_strength(strength)
            # What the graph would not use is not registered.
            if self._n_labels > 1:
                self.strata = self._constant("strata", strata)
                self.places = self._constant("places", places)
            if self._n_labels > 1 or n_groups is not None:
                counts = np.arange(kinds + 1)
                part = (counts >= min(2, kinds)) / (np.maximum(counts, 1) * self._n_strata)
                self.part = self._constant("part", part)
            self.adversary = _adversary(self.n_inputs, kinds, seed, ctx) if adversary is None else adversary
        _check_adversary(self.adversary)

    def _constant(self, name: str, values: np.ndarray) -> Any:
        made = self.params.get_constant(name, values.astype(np.float32))
        made.initialize()
        return made

    def _strata(self, criterion: Any) -> tuple[np.ndarray, bool]:
        """Return sets of labels as columns, (n_labels, n_strata), and whether the adversary sees a number."""
        if not self._numbers:
            sets = label_strata(criterion, self.n_classes)
            return (np.ones((1, 1)), False) if len(sets) == 1 and sets.all() else (sets.T, False)
        name = getattr(criterion, "name", criterion)
        one_of(name, ("demographic_parity", "equalized_odds"), "criterion")
        return np.ones((1, 1)), name == "equalized_odds"

    def __call__(self, pred: Any, label: Any, group: Any = None) -> Any:
        """Return one loss per sample, shape (batch_size,).

        Parameters
        ----------
        pred, label : NDArray or Symbol
            As the base loss takes them.
        group : NDArray or Symbol of shape (batch_size,)
            Codes of the groups, or the values of a continuous attribute.

        Returns
        -------
        NDArray or Symbol
        """
        return super().__call__(pred, label, group)

    def _outputs(self, pred: Any, label: Any, group: Any) -> list[Any]:
        if mx.autograd.is_training() and any(p._trainer is None for p in trained_parameters(self).values()):
            raise InputError(
                "The adversary's parameters must be in a Trainer; got none that has them, so that it would not learn. "
                "Use gluon.Trainer(trained_parameters(net, loss), ...)."
            )
        return super()._outputs(pred, label, group)

    def hybrid_forward(self, F: Any, pred: Any, label: Any, group: Any, **params: Any) -> Any:
        """Return one loss per sample, shape (batch_size,), and the new states of the base loss.

        Parameters
        ----------
        F : module
            mxnet.nd or mxnet.sym.
        pred, label, group
            As for a call.
        **params
            Strength and constants.

        Returns
        -------
        list of NDArray or Symbol
        """
        loss, *states = base_outputs(self.base, pred, label, group)
        term = self._term(F, self._score(F, pred), label, group, params, params["strength"])
        return [F.broadcast_add(loss, term), *states]

    def guess(self, pred: Any, label: Any) -> Any:
        """Return what the adversary makes of outputs: to see what it has found.

        Parameters
        ----------
        pred : NDArray
            Outputs of the net, a batch or a data set.
        label : NDArray
            Their labels; used where the adversary sees them.

        Returns
        -------
        NDArray
            Probabilities of the groups, (batch_size, n_groups), or values of a continuous attribute in units of its
            standard deviation from its mean, (batch_size, 1).
        """
        params = {name: p.data(pred.context) for name, p in self._reg_params.items()}
        with mx.autograd.pause(train_mode=False):
            output = self.adversary(self._inputs(mx.nd, self._score(mx.nd, pred), label, params))
            return output if self.n_groups is None else mx.nd.softmax(output, axis=-1)

    def _score(self, F: Any, pred: Any) -> Any:
        """Return what the adversary sees of the output, (batch_size, n_outputs): on an unbounded scale."""
        if self._n_outputs > 1:
            return F.broadcast_minus(pred, F.mean(pred, axis=1, keepdims=True))
        score = F.reshape(pred, shape=(-1, 1))
        if self.link == "identity" and self._from_sigmoid:
            score = F.clip(score, 1e-6, 1 - 1e-6)
            score = F.log(score / (1 - score))
        return score

    def _standard(self, F: Any, values: Any, strength: Any = None) -> Any:
        """Return columns in units of their standard deviation over the batch, from their mean; both are blocked.

        With a strength the gradient is reversed: R(p) = blocked(p) - strength (p - blocked(p)).
        """
        blocked = F.BlockGrad(values)
        apart = F.broadcast_minus(blocked, F.mean(blocked, axis=0, keepdims=True))
        unit = F.rsqrt(F.mean(F.square(apart), axis=0, keepdims=True) + ROUND)
        if strength is None:
            return F.broadcast_mul(apart + (values - blocked), unit)
        return F.broadcast_mul(apart - F.broadcast_mul(values - blocked, F.reshape(strength, shape=(1, 1))), unit)

    def _inputs(self, F: Any, score: Any, label: Any, params: dict[str, Any], strength: Any = None) -> Any:
        """Return what the adversary sees, (batch_size, n_inputs)."""
        seen = [self._standard(F, score, strength)]
        if self._n_strata > 1:
            seen.append(F.dot(F.one_hot(F.reshape(label, shape=(-1,)), depth=self._n_labels), params["strata"]))
        if self._sees_number:
            seen.append(self._standard(F, F.reshape(label, shape=(-1, 1))))
        return F.concat(*seen, dim=1) if len(seen) > 1 else seen[0]

    def _term(self, F: Any, score: Any, label: Any, group: Any, params: dict[str, Any], strength: Any = None) -> Any:
        """Return the adversary's loss, shape (1,); with a strength, its gradient by the score reversed."""
        output = self.adversary(self._inputs(F, score, label, params, strength))
        label, group = F.reshape(label, shape=(-1,)), F.reshape(group, shape=(-1,))
        if self.n_groups is None:
            missed = F.reshape(F.square(output - self._standard(F, F.reshape(group, shape=(-1, 1)))), shape=(-1,))
            if self._n_labels == 1:
                return F.mean(missed, axis=0, keepdims=True)
            cell = label
        else:
            cell = group if self._n_labels == 1 else group * self._n_labels + label
        member = F.one_hot(cell, depth=(self.n_groups or 1) * self._n_labels)
        target = self._target(F, member, params)
        if self.n_groups is None:
            return F.sum(F.reshape(target, shape=(-1,)) * missed)
        return 0 - F.sum(F.log_softmax(output, axis=-1) * target)

    def _target(self, F: Any, member: Any, params: dict[str, Any]) -> Any:
        """Return the weight of each sample in the column of its group, (batch_size, n_groups); their sum is 1."""
        sizes = F.sum(member, axis=0, keepdims=True)
        if self._n_labels > 1:
            sizes = F.dot(F.reshape(sizes, shape=(-1, self._n_labels)), params["strata"])
            number = F.sum(sizes > 0, axis=0, keepdims=True)
        else:
            number = F.sum(sizes > 0, axis=1, keepdims=True)
        # 1 / (S G_s n_sg); with one group there is nothing to tell apart.
        each = F.reshape(F.take(params["part"], number), shape=(1, -1))
        share = F.broadcast_mul((sizes > 0) / F.maximum(sizes, 1.0), each)
        if self._n_labels == 1:
            return F.broadcast_mul(member, share)
        share = F.reshape(F.dot(share, params["strata"], transpose_b=True), shape=(-1, 1))
        return F.dot(member, F.broadcast_mul(params["places"], share))

    def _check(self, pred: Any, label: Any, group: Any) -> None:
        super()._check(pred, label, group)
        n, outputs = pred.shape[0], int(np.prod(pred.shape[1:]))
        if outputs != self._n_outputs:
            raise InputError(
                f"'pred' must have {self._n_outputs} outputs per sample with link={self.link!r}; got {outputs}. Give "
                "n_classes=, or the net as many outputs."
            )
        if self._n_labels > 1:
            check_classes(label, n, self.n_classes)
        if self._sees_number:
            check_label_size(label, n)
        if self.n_groups is not None:
            check_codes(group, n, self.n_groups)
        elif group.size != n or not np.isfinite(group.asnumpy()).all():
            raise InputError(
                f"'group' must hold one finite number per sample ({n}) for a continuous attribute; got "
                f"{group.size}, or some that are missing. Leave such samples out."
            )
        with mx.autograd.pause(train_mode=False):
            shape = self.guess(pred, label).shape
        if shape != (n, self.n_groups or 1):
            raise InputError(
                f"'adversary' must return {self.n_groups or 1} outputs per sample; got shape {shape} for {n} samples. "
                "End it with a Dense layer of as many units."
            )


def _adversary(inputs: int, outputs: int, seed: Any, ctx: Any, hidden: int = 16) -> Any:
    """Return a small net with weights from a generator of its own."""
    nn, rng = mx.gluon.nn, generator(seed)
    net = nn.HybridSequential(prefix="adversary_")
    with net.name_scope():
        net.add(nn.Dense(hidden, activation="relu", in_units=inputs), nn.Dense(outputs, in_units=hidden))
    net.initialize(mx.init.Zero(), ctx=ctx)
    for layer in (net[0], net[1]):
        size = layer.weight.shape
        layer.weight.set_data(mx.nd.array(rng.uniform(-1, 1, size) * np.sqrt(6 / sum(size)), dtype="float32"))
    net[0].bias.set_data(mx.nd.array(rng.uniform(-1, 1, hidden), dtype="float32"))  # kinks apart from each other
    return net


def _check_adversary(adversary: Any) -> None:
    if not isinstance(adversary, mx.gluon.HybridBlock):
        raise InputTypeError(f"'adversary' must be a HybridBlock; got {adversary!r}. Leave it out for a small one.")
    params = adversary.collect_params().values()
    if any(p._data is None and p._deferred_init == () for p in params):
        raise InputError("'adversary' must be initialized; got one without weights. Call adversary.initialize() first.")
    if not params:
        raise InputError("'adversary' must have parameters to train; got none. Leave it out for a small one.")
