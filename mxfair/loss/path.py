"""PathPenalty: how a net's mean output changes on the way from one group to another; PathLoss adds it to a loss."""

from __future__ import annotations

from typing import Any

from mxfair._compat import import_mxnet
from mxfair._step import PlainStep
from mxfair._strength import Scheduled
from mxfair._validation import InputError, InputTypeError, one_of, positive_integer
from mxfair.loss._base import LINKS, GroupLoss, base_outputs, check_base, link_of

mx: Any = import_mxnet()

__all__ = ["PathLoss", "PathPenalty"]

_METHODS = ("slope", "variation")


class PathPenalty(Scheduled, mx.gluon.HybridBlock):
    r"""The change of a net's mean output on the mixup path between groups: a wrapper of the net, for pairs of samples.

    With :math:`x_t = t x_0 + (1 - t) x_1` and :math:`\mu(t) = E\, f(x_t)` over the pairs of a stratum, the paper's
    regularizer is the mean slope of the path, :math:`\int_0^1 |\mu'(t)| \, dt`; it is at least the gap
    :math:`|\mu(1) - \mu(0)|`, which is what the integral gives without the absolute value inside. MXNet has no
    gradients of gradients, so that here differences of outputs stand for the derivative.

    ``method="slope"``, as in the paper at one t for each batch, with a central difference over a window of width 2h:

    .. math:: \left| \frac{\mu(t + h) - \mu(t - h)}{2 h} \right|
        = \left| \frac{1}{2h} \int_{t - h}^{t + h} \mu'(s) \, ds \right|

    which is exactly the slope averaged over the window; its difference to :math:`|\mu'(t)|` is of order h². The window
    is moved inside 0 to 1 where it would stand out.

    ``method="variation"``, the total variation of µ over the points k / K, whatever t:

    .. math:: \sum_{k=1}^{K} \left| \mu(k / K) - \mu((k - 1) / K) \right|

    which is the gap for K = 1, grows with K (where the points are kept), and reaches the integral in the limit.

    Strata (labels, and pairs of groups) are summed; a stratum without pairs in a batch contributes 0.

    Parameters
    ----------
    net : gluon.HybridBlock
        The net that is trained. Its parameters are shared, not copied.
    n_strata : int, default=1
        Number of strata, `GroupMixup.n_strata`.
    method : {"slope", "variation"}, default="slope"
        What is computed.
    half_width : float, default=0.05
        The h of "slope", above 0 and at most .5: smaller is nearer to the derivative, and noisier in float32.
    segments : int, default=4
        The K of "variation": the net sees K + 1 times as many samples as there are pairs; with "slope" twice as many.
    strength : float or callable, default=1.0
        Factor of the penalty, or a schedule, as for `Penalty`.
    link : {"sigmoid", "softmax", "exp", "identity"}, optional
        How the net's output becomes f. Default: as the base loss of the `PathLoss` reads it, else "sigmoid".
    n_classes : int, default=2
        Number of outputs where there are several; f is the probability of the last class.
    **kwargs
        ``prefix`` and ``params``, as for any Block.

    Notes
    -----
    In training mode a net with batch normalization sees the mixed samples as batches of their own: they enter its
    running means.

    References
    ----------
    Chuang and Mroueh, "Fair Mixup: Fairness via Interpolation", ICLR 2021: the regularizers of demographic parity (one
    stratum) and of equalized odds (a stratum for each label, summed).

    Examples
    --------
    >>> import mxfair, mxnet as mx
    >>> from mxfair.loss import PathPenalty
    >>> net = mx.gluon.nn.Dense(1, in_units=2)
    >>> net.initialize(mx.init.One())
    >>> penalty = PathPenalty(net, link="identity")
    >>> slope = penalty(mx.nd.array([[1.0, 1.0]]), mx.nd.array([[0.0, 0.5]]), 0.3)  # (1 + 1) - (0 + .5)
    >>> round(float(slope.asscalar()), 3)
    1.5
    """

    def __init__(
        self,
        net: Any,
        n_strata: int = 1,
        *,
        method: str = "slope",
        half_width: float = 0.05,
        segments: int = 4,
        strength: Any = 1.0,
        link: str | None = None,
        n_classes: int = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(net, mx.gluon.HybridBlock):
            raise InputTypeError(f"'net' must be a gluon.HybridBlock; got {type(net).__name__}. Derive it from one.")
        self.n_strata = positive_integer(n_strata, "n_strata")
        self.method = one_of(method, _METHODS, "method")
        if isinstance(half_width, bool) or not isinstance(half_width, (int, float)) or not 0 < half_width <= 0.5:
            raise InputError(f"'half_width' must be above 0 and at most .5; got {half_width!r}. Give 0.05, say.")
        self.half_width, self.segments = float(half_width), positive_integer(segments, "segments")
        self.link = None if link is None else one_of(link, LINKS, "link")
        self.n_classes = positive_integer(n_classes, "n_classes", minimum=2)
        self.net = net
        with self.name_scope():
            self._hold_strength(strength)

    def __call__(self, first: Any, second: Any, t: Any, stratum: Any = None) -> Any:
        """Return the penalty times its strength, shape (1,).

        Parameters
        ----------
        first, second : NDArray of shape (n_pairs, ...)
            Samples of the one group and of the other, `MixupBatch.first` and `second`.
        t : float
            Where on the path, from 0 to 1; not used by "variation".
        stratum : NDArray of shape (n_pairs,), optional
            The stratum of each pair, from 0. Default: all in one.

        Returns
        -------
        NDArray
        """
        if not isinstance(first, mx.nd.NDArray):
            raise InputTypeError(f"'first' must be an NDArray; got {type(first).__name__}. Use mx.nd.array.")
        if first.shape != second.shape:
            raise InputError(f"'first' and 'second' must have the same shape; got {first.shape} and {second.shape}.")
        if stratum is None:
            stratum = mx.nd.zeros(first.shape[0], ctx=first.context)
        if first.context not in self.strength.list_ctx():
            self.strength.reset_ctx([*self.strength.list_ctx(), first.context])
        between = first - second
        rows = mx.nd.concat(*[second + between * point for point in self._points(t)], dim=0)
        return super().__call__(rows, stratum)

    def _points(self, t: Any) -> list[float]:
        """Return where on the path the net is asked."""
        if self.method == "variation":
            return [k / self.segments for k in range(self.segments + 1)]
        place = float(t)
        if not 0 <= place <= 1:
            raise InputError(f"'t' must be a number from 0 to 1; got {t}. Use GroupMixup with one_t=True.")
        middle = min(max(place, self.half_width), 1 - self.half_width)
        return [middle - self.half_width, middle + self.half_width]

    def hybrid_forward(self, F: Any, rows: Any, stratum: Any, strength: Any) -> Any:
        """Return the penalty.

        Parameters
        ----------
        F : module
            mxnet.nd or mxnet.sym.
        rows : NDArray or Symbol of shape (n_points * n_pairs, ...)
            All pairs at the first point, at the second, ...
        stratum : NDArray or Symbol of shape (n_pairs,)
        strength : NDArray or Symbol of shape (1,)

        Returns
        -------
        NDArray or Symbol
        """
        points = self.segments + 1 if self.method == "variation" else 2
        score = F.reshape(self._score(F, self.net(rows)), shape=(points, -1))
        member = F.one_hot(stratum, depth=self.n_strata)
        count = F.maximum(F.sum(member, axis=0, keepdims=True), 1.0)
        mean = F.broadcast_div(F.dot(score, member), count)
        change = F.slice_axis(mean, axis=0, begin=1, end=None) - F.slice_axis(mean, axis=0, begin=0, end=-1)
        width = 1.0 if self.method == "variation" else 2 * self.half_width
        return F.reshape(F.sum(F.abs(change)) / width, shape=(1,)) * strength

    def _score(self, F: Any, pred: Any) -> Any:
        """Return f: the probability of the positive class, or the output."""
        link = self.link or "sigmoid"
        if link in ("sigmoid", "identity"):
            output = F.reshape(pred, shape=(-1,))
            return F.sigmoid(output) if link == "sigmoid" else output
        probability = F.softmax(pred, axis=-1) if link == "softmax" else F.exp(pred)
        last = F.slice_axis(probability, axis=-1, begin=self.n_classes - 1, end=self.n_classes)
        return F.reshape(last, shape=(-1,))


class PathLoss(GroupLoss):
    r"""A base loss and the path penalty of pairs that it draws itself; each sample's loss carries the penalty.

    .. math:: l_i = \mathrm{base}(p_i, y_i) + \lambda \, \Omega(f)

    It draws a batch of pairs each time it is called in training mode, and passes them through the net; in predict mode
    it is the base loss.

    Parameters
    ----------
    base : gluon.loss.Loss
        Of (pred, label), or a `GroupLoss` of (pred, label, group), a `PenalizedLoss` say; one loss per sample.
    penalty : PathPenalty
        Around the net that is trained. Its `link` is set to the base loss's where it is not given.
    pairs : GroupMixup
        Where pairs come from, with ``one_t=True``.
    **kwargs
        ``prefix`` and ``params``, as for any Block.

    Raises
    ------
    InputError, InputTypeError
        If something is no loss or no path penalty, or the strata of `pairs` are not as many as the penalty's.

    Notes
    -----
    ``collect_params()`` of the loss holds the net's parameters too: give a Trainer those of the net. It cannot be
    traced without the pairs, so `mxfair.training.fit` takes plain steps; ``penalty.hybridize()`` makes its own part a
    graph. `GroupMixup.state_dict` keeps where the draws are, `mxfair.training.Snapshot` does not.

    Examples
    --------
    >>> import mxfair, mxnet as mx, numpy as np
    >>> from mxfair.loss import PathLoss, PathPenalty
    >>> from mxfair.preprocessing import GroupMixup
    >>> X, y, z = np.random.default_rng(0).random((60, 2), "float32"), np.tile([0.0, 1.0], 30), np.repeat([0, 1, 1], 20)
    >>> net = mx.gluon.nn.Dense(1, in_units=2)
    >>> net.initialize()
    >>> pairs = GroupMixup(X, y, z, criterion="equalized_odds", batch_size=16, seed=0)
    >>> loss = PathLoss(mx.gluon.loss.SigmoidBinaryCrossEntropyLoss(), PathPenalty(net, pairs.n_strata), pairs)
    >>> with mx.autograd.record():
    ...     l = loss(net(mx.nd.array(X[:8])), mx.nd.array(y[:8]), mx.nd.array(z[:8]))
    >>> l.backward()
    >>> l.shape
    (8,)
    """

    def __init__(self, base: Any, penalty: Any, pairs: Any, **kwargs: Any) -> None:
        super().__init__(None, 0, **kwargs)
        check_base(base)
        if not isinstance(penalty, PathPenalty):
            raise InputTypeError(f"'penalty' must be a PathPenalty; got {penalty!r}. Others go into a PenalizedLoss.")
        if not hasattr(pairs, "draw") or not hasattr(pairs, "n_strata"):
            raise InputTypeError(
                f"'pairs' must be a GroupMixup; got {type(pairs).__name__}. Use mxfair.preprocessing.GroupMixup."
            )
        if pairs.n_strata != penalty.n_strata:
            raise InputError(
                f"'penalty' must have as many strata as 'pairs', {pairs.n_strata}; got {penalty.n_strata}. Give it "
                "pairs.n_strata."
            )
        if penalty.method == "slope" and not getattr(pairs, "one_t", True):
            raise InputError("'pairs' must have one t for each batch; got one for each pair. Pass one_t=True.")
        penalty.link = penalty.link or link_of(base)
        with self.name_scope():
            self.base, self.penalty = base, penalty
        self.pairs = pairs

    @property
    def _from_sigmoid(self) -> bool:
        """Whether the base loss takes probabilities."""
        return bool(getattr(self.base, "_from_sigmoid", False))

    def _states(self) -> list[Any]:
        return self.base._states() if isinstance(self.base, GroupLoss) else []

    def _make_step(self, net: Any, trainer: Any, batch: tuple[Any, ...], *, hybridize: bool) -> tuple[Any, str]:
        return PlainStep(net, self, trainer), "a PathLoss draws pairs for each batch"

    def _outputs(self, pred: Any, label: Any, group: Any) -> list[Any]:
        if not isinstance(pred, mx.nd.NDArray):
            raise InputTypeError("A PathLoss must be called with NDArrays: it draws pairs for each batch.")
        value, *states = base_outputs(self.base, pred, label, group)
        if not mx.autograd.is_training():
            return [value, *states]
        batch, ctx = self.pairs.draw(), pred.context
        first, second, stratum = (mx.nd.array(a, ctx=ctx) for a in (batch.first, batch.second, batch.stratum))
        return [mx.nd.broadcast_add(value, self.penalty(first, second, float(batch.t[0]), stratum)), *states]
