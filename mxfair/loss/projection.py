"""ProjectedAdversarialLoss: an adversary against which the net moves without ever helping it."""

from __future__ import annotations

from typing import Any

from mxfair import _step
from mxfair._compat import import_mxnet
from mxfair._graph import as_float
from mxfair._validation import InputError, InputTypeError
from mxfair.loss._base import base_outputs
from mxfair.loss.adversarial import AdversarialLoss, trained_parameters

mx: Any = import_mxnet()

__all__ = ["ProjectedAdversarialLoss", "ProjectionStep"]

#: Keeps the quotient finite where the adversary's gradient vanishes.
TINY = 1e-20


class ProjectedAdversarialLoss(AdversarialLoss):
    r"""An adversary as in `AdversarialLoss`, and an update of the net that never helps it.

    .. math:: \nabla_W L_P - \mathrm{proj}_{\nabla_W L_A} \nabla_W L_P - \alpha \nabla_W L_A

    where L_P is the base loss, L_A the adversary's and W the net's parameters as one vector. The projection takes away
    the part of the base loss's step that would make the adversary better; the last term makes it worse. The adversary's
    own parameters follow the gradient of L_A.

    Parameters
    ----------
    base, n_groups, criterion, adversary, link, n_classes, seed, ctx, **kwargs
        As for `AdversarialLoss`.
    strength : float or callable, default=1.0
        The alpha of the formula, or a schedule.

    Raises
    ------
    InputError, InputTypeError
        As for `AdversarialLoss`, and where it is called inside ``autograd.record()``: a backward of its value is not
        this update.

    Notes
    -----
    `mxfair.training.fit` trains it as it is; a loop of your own calls a `ProjectionStep`. It must be the outermost
    loss. A step makes two backward passes, and takes about twice as long as one of `AdversarialLoss`. With a strength
    of 0 the projection alone does not drive the information out: it keeps more of it from coming in.

    References
    ----------
    Zhang, Lemoine and Mitchell, "Mitigating Unwanted Biases with Adversarial Learning", AIES 2018, equation 1.

    Examples
    --------
    >>> import mxfair, numpy as np
    >>> from mxnet import gluon
    >>> rng = np.random.default_rng(0)
    >>> group = (np.arange(64) % 2).astype("float32")
    >>> X = rng.normal(size=(64, 2)).astype("float32") + group[:, None]
    >>> net = gluon.nn.Dense(1, in_units=2)
    >>> net.initialize()
    >>> loss = ProjectedAdversarialLoss(gluon.loss.L2Loss(), 2, seed=0)
    >>> trainer = gluon.Trainer(trained_parameters(net, loss), "adam", {"learning_rate": 0.05})
    >>> loader = mxfair.data.DataLoader(gluon.data.ArrayDataset(X, X.sum(axis=1), group), 16, shuffle=True, seed=0)
    >>> history = mxfair.training.fit(net, loader, loss, trainer, 10, progress=False)
    >>> len(history)
    10
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
        super().__init__(
            base,
            n_groups,
            criterion=criterion,
            adversary=adversary,
            strength=strength,
            link=link,
            n_classes=n_classes,
            seed=seed,
            ctx=ctx,
            **kwargs,
        )

    def __call__(self, pred: Any, label: Any, group: Any = None) -> Any:
        """Return the base loss plus the adversary's, once per sample, shape (batch_size,): to look at.

        Parameters
        ----------
        pred, label : NDArray
            As the base loss takes them.
        group : NDArray of shape (batch_size,)
            Codes of the groups, or the values of a continuous attribute.

        Returns
        -------
        NDArray
        """
        if mx.autograd.is_recording():
            raise InputError(
                "ProjectedAdversarialLoss must not be called inside autograd.record(), since its update is no backward "
                "of one value; got such a call. Use mxfair.training.fit, or a ProjectionStep in a loop of your own."
            )
        return _whole(super().__call__(pred, label, group), len(pred))

    def hybrid_forward(self, F: Any, pred: Any, label: Any, group: Any, **params: Any) -> Any:
        """Return the base loss per sample and the adversary's as one vector, and the new states of the base loss.

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
        term = self._term(F, self._score(F, pred), label, group, params)
        # The update reads the strength; here it only keeps Gluon from calling it an unused parameter.
        return [F.concat(loss, term + 0 * params["strength"], dim=0), *states]

    def _make_step(self, net: Any, trainer: Any, batch: tuple[Any, ...], *, hybridize: bool) -> tuple[Any, str]:
        """Return a step, and why it is the plain one; see `mxfair._step.make_step`."""
        if not hybridize:
            return ProjectionStep(net, self, trainer), "hybridize=False"
        try:
            return _ProjectionGraphStep(net, self, trainer, batch), ""
        except _step.UnsupportedError as reason:
            return ProjectionStep(net, self, trainer), str(reason)


class ProjectionStep:
    """One training step with a `ProjectedAdversarialLoss`, for a loop of your own: what `fit` does in one graph.

    Parameters
    ----------
    net : gluon.Block
        The net, hybridized or not.
    loss : ProjectedAdversarialLoss
    trainer : gluon.Trainer
        Of ``trained_parameters(net, loss)``.

    Raises
    ------
    InputError, InputTypeError
        If the loss is another one, or the trainer lacks the adversary's parameters.

    Examples
    --------
    >>> import mxnet as mx
    >>> from mxnet import gluon
    >>> net = gluon.nn.Dense(1, in_units=2)
    >>> net.initialize()
    >>> loss = ProjectedAdversarialLoss(gluon.loss.SigmoidBinaryCrossEntropyLoss(), 2, seed=0)
    >>> trainer = gluon.Trainer(trained_parameters(net, loss), "adam")
    >>> step = ProjectionStep(net, loss, trainer)
    >>> for _ in range(3):
    ...     value = step((mx.nd.ones((4, 2)), mx.nd.array([0, 1, 0, 1]), mx.nd.array([0, 0, 1, 1])), 4)
    >>> value.shape
    (4,)
    """

    def __init__(self, net: Any, loss: Any, trainer: Any) -> None:
        if not isinstance(loss, ProjectedAdversarialLoss):
            raise InputTypeError(
                f"'loss' must be a ProjectedAdversarialLoss; got {type(loss).__name__}. Other losses need no such step."
            )
        held = {id(p) for p in trainer._params}
        if not {id(p) for p in trained_parameters(loss).values()} <= held:
            raise InputError(
                "'trainer' must hold the adversary's parameters; got one without them. Use "
                "gluon.Trainer(trained_parameters(net, loss), ...)."
            )
        if any(p.grad_req == "add" for p in trainer._params):
            raise InputError("'trainer' must hold parameters with grad_req='write'; got 'add'. Set grad_req back.")
        self.net, self.loss, self.trainer = net, loss, trainer

    def __call__(self, batch: tuple[Any, ...], batch_size: int) -> Any:
        """Take a step.

        Parameters
        ----------
        batch : tuple of NDArray
            Data, label, group.
        batch_size : int
            Number of samples, as ``trainer.step`` takes it.

        Returns
        -------
        NDArray
            The base loss plus the adversary's, once per sample, shape (batch_size,).
        """
        with mx.autograd.record():
            both = self.loss._call(self.net(batch[0]), *batch[1:])
        first, second = _heads(both, len(batch[0]))
        own = self.net.collect_params()
        grads = [p.grad() for p in self.trainer._params if p.grad_req != "null" and p.name in own]
        both.backward(first, retain_graph=True)
        task = [grad.copy() for grad in grads]
        both.backward(second)
        factor = _factor(
            sum((g * a).sum() for g, a in zip(task, grads)), sum((a * a).sum() for a in grads), self._alpha(both)
        )
        for grad, of_task in zip(grads, task):
            grad[:] = of_task - mx.nd.broadcast_mul(grad, factor.reshape((1,) * grad.ndim))
        self.trainer.step(batch_size)
        return _whole(both.detach(), len(batch[0]))

    def _alpha(self, value: Any) -> Any:
        return self.loss.strength.data(value.context)

    def current(self, *, retrace: bool = False) -> bool:
        """Tell that the step reads net and trainer anew each time.

        Parameters
        ----------
        retrace : bool
            Ignored.

        Returns
        -------
        bool
        """
        return True


class _ProjectionGraphStep(_step.GraphStep):
    """The same step as one cached graph, two backward passes and one update of all parameters."""

    def __init__(self, net: Any, loss: Any, trainer: Any, batch: tuple[Any, ...]) -> None:
        super().__init__(net, loss, trainer, batch)
        if not hasattr(self._flat, "_grad"):
            raise _step.UnsupportedError("the net has operators whose weights change their layout")
        own = net.collect_params()
        parts = [mx.nd.full(p.data().size, p.name in own, ctx=p.list_ctx()[0]) for p in self._params]
        self._of_net, self._alpha = mx.nd.concat(*parts, dim=0), loss.strength
        self._heads: dict[int, Any] = {}
        self._combine = _combination()

    def __call__(self, batch: tuple[Any, ...], batch_size: int) -> Any:
        traced, grad = self._graph.parts[0], self._flat._grad
        with mx.autograd.record():
            output = traced(as_float(batch))
        if batch_size not in self._heads:
            self._heads[batch_size] = _heads(output, batch_size)
        first, second = self._heads[batch_size]
        mx.autograd.backward([output], [first], retain_graph=True)
        task = grad.copy()
        mx.autograd.backward([output], [second])
        with mx.autograd.pause():
            self._combine(task, grad, self._of_net, self._alpha.data(output.context)).copyto(grad)
            output = output.detach()
            traced.keep(output, batch_size + 1)
            value = _whole(output, batch_size)
        self._flat.update(batch_size)
        return value


def _heads(output: Any, size: int) -> tuple[Any, Any]:
    """Return head gradients for the base loss, and for the adversary's times the batch size, which steps divide by."""
    place = mx.nd.arange(len(output), ctx=output.context)
    return place < size, (place == size) * size


def _factor(dot: Any, square: Any, alpha: Any) -> Any:
    """Return what multiple of the adversary's gradient is taken away: the projection's, and alpha."""
    return dot / (square + TINY) + alpha


def _combination() -> Any:
    """Return a graph of both losses' gradients, a mask of the net's part, and alpha: the update of all parameters."""
    sym = mx.sym
    task, grad, of_net, alpha = (sym.var(name) for name in ("task", "grad", "of_net", "alpha"))
    task, against = task * of_net, grad * of_net
    factor = _factor(sym.sum(task * against), sym.sum(sym.square(against)), alpha)
    graph = task + (grad - against) - sym.broadcast_mul(against, factor)
    names = graph.list_inputs()
    call = mx.nd.CachedOp(
        graph, [("data_indices", list(range(4))), ("param_indices", []), ("static_alloc", True), ("static_shape", True)]
    )
    return lambda *arrays: call(*(arrays[("task", "grad", "of_net", "alpha").index(name)] for name in names))


def _whole(both: Any, size: int) -> Any:
    """Return the base loss plus the adversary's of a vector of both."""
    return mx.nd.broadcast_add(both._slice(0, size), both._slice(size, size + 1))
