"""Several nets as one net: `Ensemble` by weights, `StackedEnsemble` by a net on top."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair import net as _nets
from mxfair._compat import import_mxnet
from mxfair._validation import InputError, InputTypeError, numbers, one_of, plural
from mxfair.ensemble._combine import COMBINE, Graph
from mxfair.ensemble._members import Combination, Given, Members, dtype_of
from mxfair.ensemble._predict import PredictForm

mx: Any = import_mxnet()

__all__ = ["Ensemble", "StackedEnsemble"]


class Ensemble(Combination):
    r"""Several nets as one net, which trains, exports and is evaluated as any net.

    .. math:: \bar p(x) = \frac{\sum_k w_k \, p_k(x)}{\sum_k w_k}

    The output has the members' shape and is scores whatever the way of combining: the log-odds of the mean probability
    with one output per sample, its logarithm with one output per class. Sigmoid or softmax of the output *is* the mean
    probability, so that everything that takes a net takes an ensemble.

    Parameters
    ----------
    nets : sequence of gluon.HybridBlock
        The members. Each returns an array of shape (n_samples, n_outputs), the same n_outputs. They stay the nets that
        they are: training one changes the ensemble.
    weights : array of shape (n_members,), optional
        0 or more, at least one above; their sum need not be 1. With ``combine="sum"`` any sign. Default: 1 each.
    combine : {"probability", "score", "vote", "sum"}, default="probability"
        Weighted mean of the members' probabilities; weighted mean of their outputs as they are (regression: of the
        values); weighted share of the members that decide for a class; weighted sum of outputs plus `bias` (boosting).
    columns : sequence of array of int, optional
        The columns of the data that each member sees, counted from 0. Default: all.
    bias : float or array of shape (n_outputs,), optional
        Added to the sum. Only with ``combine="sum"``.
    probability : bool, default=False
        Whether members return probabilities rather than scores. Only with "probability" and "vote".

    Raises
    ------
    InputError, InputTypeError
        If there are no nets, a weight is not a number or negative, lengths differ, columns are out of range, or members
        return different shapes. Shapes that only a call can tell are checked at the first one, as is whether all
        members are initialized.

    Notes
    -----
    The mean of probabilities is formed by logarithms, so that no digit of a probability near 0 or 1 is lost. A share of
    votes is kept between 1e-7 and 1 - 1e-7: a unanimous vote has log-odds of 16.1 rather than infinity. A tie between
    classes goes to the first, a score of 0 to the negative class, as in a single net. Votes have no gradient.

    Weights and bias are parameters without a gradient: they are saved, exported and cast with the net, and a trainer
    leaves them as they are. Predictions on the CPU take a faster form, which gives the same numbers to rounding.

    Examples
    --------
    >>> import mxfair, numpy as np
    >>> from mxnet import gluon, init
    >>> nets = [gluon.nn.Dense(1, in_units=2) for _ in range(3)]
    >>> for place, net in enumerate(nets):
    ...     net.initialize(init.Constant(place))
    >>> ensemble = Ensemble(nets, weights=[0.5, 0.25, 0.25])
    >>> X = np.array([[1, 0], [-1, 0]], "float32")
    >>> ensemble.member_scores(X)[..., 0]
    array([[ 0.,  0.],
           [ 1., -1.],
           [ 2., -2.]], dtype=float32)
    >>> from mxnet import nd
    >>> ensemble(nd.array(X)).sigmoid().asnumpy().ravel().round(4)
    array([0.653, 0.347], dtype=float32)
    >>> ensemble.set_weights([0, 0, 1])
    >>> ensemble
    Ensemble(3 nets, combine='probability', weights=[0, 0, 1])
    """

    def __init__(
        self,
        nets: Any,
        weights: Any = None,
        *,
        combine: str = "probability",
        columns: Any = None,
        bias: Any = None,
        probability: bool = False,
    ) -> None:
        super().__init__()
        self.combine = one_of(combine, COMBINE, "combine")
        self.probability = bool(probability)
        if probability and combine not in ("probability", "vote"):
            raise InputError(
                f"'probability' must be False with combine={combine!r}, which combines outputs as they are; got True. "
                "Use combine='probability'."
            )
        if bias is not None and combine != "sum":
            raise InputError(f"'bias' must be None with combine={combine!r}; got {bias!r}. Use combine='sum'.")
        self.members = Members(nets, columns)
        values = np.ones(len(self.nets)) if weights is None else self._checked_weights(weights)
        self.weight = self._constant("weight", values)
        if bias is not None:
            self.bias = self._constant("bias", self._checked_bias(bias))
        self._initialize_own()
        self._form: PredictForm | None = None

    def _constant(self, name: str, values: np.ndarray) -> Any:
        options = {"grad_req": "null", "init": Given(values), "differentiable": False}
        return self.params.get(name, shape=values.shape, dtype=dtype_of(self.nets), **options)

    def _initialize_own(self) -> None:
        """Give weights and bias their values where the members are, once these are initialized."""
        own = [parameter for parameter in self._reg_params.values() if parameter._data is None]
        ctx = self.members.initialize_own() if own else None
        for parameter in own if ctx is not None else ():
            parameter.initialize(ctx=ctx)

    @property
    def weights(self) -> np.ndarray:
        """The weight of each member, as the parameter holds it."""
        return self._value(self.weight)

    @staticmethod
    def _value(parameter: Any) -> np.ndarray:
        values = parameter.init.values if parameter._data is None else parameter.data(parameter.list_ctx()[0]).asnumpy()
        return np.array(values, dtype=float)

    def set_weights(self, weights: Any, *, bias: Any = None) -> None:
        """Give the members other weights; graphs that are traced already follow.

        Parameters
        ----------
        weights : array of shape (n_members,)
            As for the class.
        bias : float or array of shape (n_outputs,), optional
            Another bias, for an ensemble that has one. Default: the old one.

        Raises
        ------
        InputError
            If they are not as the class wants them.
        """
        changes = [(self.weight, self._checked_weights(weights))]
        if bias is not None:
            if "bias" not in self._reg_params:
                raise InputError(
                    "'bias' must be None for an ensemble made without one; got a bias. Make it with bias=0."
                )
            values = self._checked_bias(bias)
            if values.shape != self.bias.shape:
                raise InputError(f"'bias' must keep its shape {self.bias.shape}; got {values.shape}.")
            changes.append((self.bias, values))
        for parameter, values in changes:
            parameter.init.values = values
            if parameter._data is not None:
                parameter.set_data(mx.nd.array(values, dtype=parameter.dtype))

    def _checked_weights(self, weights: Any) -> np.ndarray:
        values = numbers(weights, "weights")
        if len(values) != len(self.nets):
            raise InputError(
                f"'weights' must be one for each of the {plural(len(self.nets), 'member')}; got {len(values)}."
            )
        mean = self.combine != "sum"
        bad = ~np.isfinite(values) | ((values < 0) & mean)
        if bad.any():
            place = int(np.flatnonzero(bad)[0])
            rule = "finite and not negative" if mean else "finite"
            raise InputError(f"'weights' must be {rule}; got {values[place]:g} for member {place}.")
        if mean and not values.sum() > 0:
            raise InputError("'weights' must have a sum above 0; got only zeros. Give at least one member a weight.")
        return values

    def _checked_bias(self, bias: Any) -> np.ndarray:
        values = numbers(np.atleast_1d(np.asarray(bias)), "bias")
        if not np.isfinite(values).all():
            raise InputError(f"'bias' must be finite; got {values.tolist()}.")
        known = self.members.n_outputs
        if len(values) != 1 and known is not None and len(values) != known:
            raise InputError(f"'bias' must be one number, or one for each of the {known} outputs; got {len(values)}.")
        return values

    def forward(self, x: Any, *args: Any) -> Any:
        """Return the scores of the ensemble.

        Parameters
        ----------
        x : NDArray or Symbol of shape (n_samples, ...)
            The members' input.
        *args
            None: members take one input.

        Returns
        -------
        NDArray or Symbol of shape (n_samples, n_outputs)
        """
        if isinstance(x, mx.nd.NDArray):
            self.members.check(x)
            self._initialize_own()
            if "bias" in self._reg_params:
                self._checked_bias(self._value(self.bias))
        return super().forward(x, *args)

    def hybrid_forward(self, F: Any, x: Any, weight: Any, bias: Any = None) -> Any:
        """Return the scores of the ensemble.

        Parameters
        ----------
        F : module
            mxnet.nd or mxnet.sym.
        x : NDArray or Symbol of shape (n_samples, ...)
            The members' input.
        weight, bias
            The parameters.

        Returns
        -------
        NDArray or Symbol of shape (n_samples, n_outputs)
        """
        graph = Graph(F, len(self.nets), _known(self.members), probability=self.probability)
        return graph.combined(self.members(x), weight, self.combine, bias)

    def _described(self) -> tuple[Any, ...]:
        """Return what the graph depends on besides the members; see `PredictGraph`."""
        return (self.combine, self.probability, self.members.n_outputs, *self._reg_params.values())

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_form": None}  # a traced graph can be neither copied nor pickled

    def _predict_form(self) -> PredictForm | None:
        """Return what `_inference.forward` calls on the CPU in predict mode, or None: then it calls the block."""
        kind = type(self)
        if kind.forward is not Ensemble.forward or kind.hybrid_forward is not Ensemble.hybrid_forward:
            return None
        if self._form is None:
            self._form = PredictForm(self)
        return self._form if self._form.refresh() else None

    def __repr__(self) -> str:
        shown = ", ".join(f"{value:.4g}" for value in self.weights[:8]) + (", ..." if len(self.nets) > 8 else "")
        return f"Ensemble({plural(len(self.nets), 'net')}, combine={self.combine!r}, weights=[{shown}])"


class StackedEnsemble(Combination):
    """Several nets and a net on top that reads their outputs, as one net.

    Parameters
    ----------
    nets : sequence of gluon.HybridBlock
        The members, as for `Ensemble`.
    meta : gluon.HybridBlock, optional
        Takes the members' outputs side by side, shape (n_samples, n_members * n_outputs), member after member. Default:
        a linear net with as many outputs as a member, not initialized.
    features : {"score", "probability"}, default="score"
        Whether `meta` reads outputs as they are, or the probabilities that they stand for.
    columns : sequence of array of int, optional
        The columns of the data that each member sees, counted from 0. Default: all.

    Raises
    ------
    InputError, InputTypeError
        As for `Ensemble`; and if `meta` takes another number of columns, or is left out where only a call can tell how
        many outputs the members have.

    Notes
    -----
    Fit `meta` on rows that the members were not trained on, or on out-of-fold scores: on their own rows members look
    better than they are, and the one that overfits most gets the largest weight. A trainer of ``meta.collect_params()``
    leaves the members alone.

    References
    ----------
    Wolpert, "Stacked generalization", Neural Networks 5 (1992).

    Examples
    --------
    >>> import mxfair, numpy as np
    >>> from mxnet import gluon, nd
    >>> nets = [mxfair.net.logistic(2) for _ in range(3)]
    >>> ensemble = StackedEnsemble(nets)
    >>> ensemble.initialize()
    >>> ensemble(nd.ones((4, 2))).shape
    (4, 1)
    >>> features = ensemble.meta_features(np.ones((4, 2), "float32"))
    >>> features.shape
    (4, 3)
    >>> trainer = gluon.Trainer(ensemble.meta.collect_params(), "adam")
    """

    def __init__(self, nets: Any, meta: Any = None, *, features: str = "score", columns: Any = None) -> None:
        super().__init__()
        self.features = one_of(features, ("score", "probability"), "features")
        self.members = Members(nets, columns)
        outputs = self.members.n_outputs
        if meta is None:
            if outputs is None:
                raise InputError(
                    "'meta' must be given where only a call can tell how many outputs the members have; got None. "
                    "Pass mxfair.net.logistic(n_members * n_outputs, n_outputs)."
                )
            meta = _nets.logistic(len(self.nets) * outputs, outputs)
        if not isinstance(meta, mx.gluon.HybridBlock):
            raise InputTypeError(f"'meta' must be a gluon.HybridBlock; got {type(meta).__name__}.")
        takes = int(meta.weight.shape[1]) if type(meta) is mx.gluon.nn.Dense else 0
        if takes and outputs and takes != len(self.nets) * outputs:
            raise InputError(
                f"'meta' must take the members' {len(self.nets)} x {outputs} outputs; got a net that takes {takes}."
            )
        self.meta = meta

    def meta_features(self, data: Any, *, chunk: int | None = None) -> np.ndarray:
        """Return what `meta` reads: its training data.

        Parameters
        ----------
        data, chunk
            As for `member_scores`.

        Returns
        -------
        ndarray of shape (n_samples, n_members * n_outputs)
        """
        scores = self.member_scores(data, chunk=chunk)
        table = mx.nd.from_numpy(np.ascontiguousarray(scores.transpose(1, 0, 2).reshape(scores.shape[1], -1)))
        return self._read(mx.nd, table).asnumpy()

    def _read(self, F: Any, scores: Any) -> Any:
        if self.features == "score":
            return scores
        outputs = _known(self.members)
        if outputs == 1:
            return F.sigmoid(scores)
        table = F.reshape(scores, shape=(-1, len(self.nets), outputs))
        return F.reshape(F.softmax(table, axis=-1), shape=(-1, len(self.nets) * outputs))

    def forward(self, x: Any, *args: Any) -> Any:
        """Return the scores of the net on top.

        Parameters
        ----------
        x : NDArray or Symbol of shape (n_samples, ...)
            The members' input.
        *args
            None: members take one input.

        Returns
        -------
        NDArray or Symbol
            What `meta` returns.
        """
        if isinstance(x, mx.nd.NDArray):
            self.members.check(x)
        return super().forward(x, *args)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        """Return the scores of the net on top.

        Parameters
        ----------
        F : module
            mxnet.nd or mxnet.sym.
        x : NDArray or Symbol of shape (n_samples, ...)
            The members' input.

        Returns
        -------
        NDArray or Symbol
            What `meta` returns.
        """
        return self.meta(self._read(F, self.members(x)))

    def _described(self) -> tuple[Any, ...]:
        """Return what the graph depends on besides the members and the net on top; see `PredictGraph`."""
        return (self.features, self.members.n_outputs)

    def __repr__(self) -> str:
        return f"StackedEnsemble({plural(len(self.nets), 'net')}, meta={self.meta}, features={self.features!r})"


def _known(members: Members) -> int:
    if members.n_outputs is None:
        raise InputError(
            "The number of outputs must be known before tracing; got none yet. Call the net on a batch first."
        )
    return members.n_outputs
