"""Regularizer: a penalty of chosen parameters, as a value to add to a loss, or as a step after the optimizer's."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._strength import Scheduled
from mxfair._validation import InputError, InputTypeError, one_of
from mxfair.regularizer._metric import step_lengths

mx: Any = import_mxnet()

__all__ = ["Regularizer"]

STEPS = ("gradient", "proximal")
#: Weights of Dense, convolutions, recurrent layers and embeddings; no bias, gamma or beta.
WEIGHTS = ".*weight$"


class Regularizer(Scheduled, mx.gluon.HybridBlock):
    """Base of regularizers: override `value`, and `shrink` where there is a proximal step.

    Parameters
    ----------
    net : gluon.Block
        The net, or a part of it such as ``net[0]``.
    strength : float or callable
        Factor of the penalty, or a schedule: a function of the number of updates such as an ``mx.lr_scheduler``.
    select : str, default=".*weight$"
        Regular expression that names of parameters match, as in ``net.collect_params(select)``; ``".*"`` takes all. By
        default biases, gamma and beta are left alone, as scikit-learn leaves intercepts; Trainer's ``wd`` does not.
    step : {"gradient", "proximal"}, default="gradient"
        What `mxfair.training.fit` does: add the penalty to the loss, or call `proximal` after each batch.
    **kwargs
        ``prefix`` and ``params``, as for any Block.

    Raises
    ------
    InputError, InputTypeError
        If nothing matches, or something cannot be used.

    Notes
    -----
    Only parameters that are trained (``grad_req`` is not "null") when the regularizer is made are taken: running means
    never are. Regularizers are added to the optimizer's own ``wd``.
    """

    #: Whether the proximal step is a projection, the same after whatever step.
    projects = False

    def __init__(
        self, net: Any, strength: Any, *, select: str = WEIGHTS, step: str = "gradient", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.step = one_of(step, STEPS, "step")
        chosen = _chosen(net, select)
        with self.name_scope():
            self._hold_strength(strength)
        self.params.update(chosen)  # a traced graph looks its variables up by name
        self._chosen = list(chosen.values())
        self._dtype = str(np.dtype(self._chosen[0].dtype))
        for parameter in self._chosen:
            self._check(parameter)

    @property
    def parameters(self) -> list[Any]:
        """The parameters that are penalised."""
        return list(self._chosen)

    def __call__(self, ctx: Any = None) -> Any:
        """Return the penalty times its strength, shape (1,), to be added to a loss inside ``autograd.record()``.

        Parameters
        ----------
        ctx : mxnet.Context, optional
            Where: the device of the predictions, for a net on several. Default: the first of the net's.

        Returns
        -------
        NDArray
        """
        if self.step == "proximal" and mx.autograd.is_recording():
            raise InputError(
                f"A proximal {type(self).__name__} must be applied after trainer.step, by proximal(trainer); got a "
                "call that is recorded, whose gradient would come on top. Use step='gradient' in a loss."
            )
        for parameter in self._chosen:
            _known_shape(parameter)
        ctx = ctx or self._chosen[0].list_ctx()[0]
        self._place(ctx)
        return super().__call__(mx.nd.zeros(1, ctx=ctx, dtype=self._dtype))

    def hybrid_forward(self, F: Any, zero: Any, strength: Any) -> Any:
        """Return the penalty times its strength.

        Parameters
        ----------
        F : module
            mxnet.nd or mxnet.sym.
        zero : NDArray or Symbol of shape (1,)
            It says where.
        strength : NDArray or Symbol of shape (1,)

        Returns
        -------
        NDArray or Symbol
        """
        # With a plain + the engine does not know the storage of the gradient of zero, and backward fails.
        return F.broadcast_add(zero, self._total(F, getattr(zero, "context", None), strength))

    def value(self, F: Any, weight: Any, shape: tuple[int, ...]) -> Any:
        """Return the penalty of one parameter without its strength, one number of shape (1,).

        Parameters
        ----------
        F : module
            mxnet.nd or mxnet.sym.
        weight : NDArray or Symbol
        shape : tuple of int
            The weight's.

        Returns
        -------
        NDArray or Symbol
        """
        raise NotImplementedError  # a subclass gives it

    def shrink(self, weight: Any, amount: Any) -> None:
        r"""Replace a weight v by :math:`\arg\min_w \sum_j (w_j - v_j)^2 / (2 a_j) + \Omega(w)`, where it is.

        Parameters
        ----------
        weight : NDArray
        amount : float or NDArray
            a: the length of the step times the strength; above 0.
        """
        raise NotImplementedError  # a subclass gives it

    def proximal(self, step: Any) -> None:
        """Take the proximal step: after ``trainer.step``, in place of the penalty in the loss.

        Parameters
        ----------
        step : float or gluon.Trainer
            The length of the step just taken, a learning rate; or the Trainer, which knows the rate of each parameter,
            and what momentum and Adam make of it. Parameters that it does not train are left alone.

        Raises
        ------
        InputError, InputTypeError
            If the length cannot be used, or is not known for the Trainer's optimizer.

        Notes
        -----
        The step is measured as the optimizer measures its own, so that training ends where loss plus penalty has its
        minimum: for SGD and NAG the Euclidean metric, with the rate over 1 - momentum as length; for Adam, AdaGrad and
        RMSProp the diagonal one of their running squares, in which a weight whose gradient is scaled up is shrunk by as
        much more [1]_. Nothing waits for the engine.

        References
        ----------
        .. [1] J. Yun, A. C. Lozano and E. Yang, "Adaptive Proximal Gradient Methods for Structured Neural Networks",
           NeurIPS 2021.
        """
        strength = float(np.float32(self._strength_now))  # as a graph has it, and a snapshot
        if strength > 0:
            with mx.autograd.pause():
                for weight, amount in step_lengths(step, self._chosen, strength, projects=self.projects):
                    self.shrink(weight, amount)

    def _total(self, F: Any, ctx: Any, strength: Any) -> Any:
        """Return the strength times the sum over the parameters; of symbols where `ctx` is None."""
        total: Any = None
        for parameter in self._chosen:
            weight = parameter.var() if ctx is None else parameter.data(ctx)
            value = self.value(F, weight, _known_shape(parameter))
            total = value if total is None else total + value
        return total * (strength if self._dtype == "float32" else F.cast(strength, dtype=self._dtype))

    def _strength_in(self, F: Any, ctx: Any) -> Any:
        """Return the strength as a variable of a graph, or an array on a device."""
        if ctx is None:
            return self.strength.var()
        self._place(ctx)
        return self.strength.data(ctx)

    def _place(self, ctx: Any) -> None:
        if ctx not in self.strength.list_ctx():
            own = self._chosen[0].list_ctx()
            self.strength.reset_ctx(own if ctx in own else [*own, ctx])

    def _check(self, parameter: Any) -> None:
        """Check one of the parameters."""
        if parameter._stype != "default" or parameter._grad_stype != "default":
            raise InputError(
                f"{type(self).__name__} must have dense parameters; {parameter.name} or its gradient is sparse. Use a "
                "dense one, or leave it out with select=."
            )
        if str(np.dtype(parameter.dtype)) != self._dtype:
            raise InputError(
                f"{type(self).__name__} must have parameters of one type; {self._chosen[0].name} is {self._dtype}, "
                f"{parameter.name} {np.dtype(parameter.dtype)}. Make one regularizer for each, with select=."
            )

    def __repr__(self) -> str:
        how = "scheduled" if self.schedule is not None else f"{self._strength_now:g}"
        return f"{type(self).__name__}(strength={how}, step={self.step!r}, {len(self._chosen)} parameters)"


def _chosen(net: Any, select: Any) -> dict[str, Any]:
    """Return the trained parameters of a net whose names match, by name."""
    if not isinstance(net, mx.gluon.Block):
        raise InputTypeError(f"'net' must be a gluon.Block; got {net!r}. Give the net, or a part of it.")
    trained = {name: p for name, p in net.collect_params().items() if p.grad_req != "null"}
    try:
        pattern = re.compile(select)
    except (TypeError, re.error) as error:
        raise InputError(
            f"'select' must be a regular expression; got {select!r} ({error}). Give '.*weight$'."
        ) from error
    chosen = {name: p for name, p in trained.items() if pattern.match(name)}
    if not chosen:
        names = ", ".join(trained) or "none"
        raise InputError(
            f"'select' must match the name of a trained parameter; got {select!r}. Trained parameters are: {names}."
        )
    return chosen


def _known_shape(parameter: Any) -> tuple[int, ...]:
    shape = parameter.shape
    if shape is None or 0 in shape:
        raise InputError(
            f"{parameter.name} must have a known shape before it is penalised; got {shape}. Call the net on a batch "
            "first, or give in_units= or in_channels=."
        )
    return tuple(shape)
