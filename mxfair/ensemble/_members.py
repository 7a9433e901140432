"""The members of an ensemble as one block, and what can be said of them before the first call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mxfair import _inference
from mxfair._compat import import_mxnet
from mxfair._validation import InputError, InputTypeError, plural, to_numpy

mx: Any = import_mxnet()

__all__ = ["Combination", "Given", "Members", "dtype_of"]

nn = mx.gluon.nn


class Given(mx.init.Initializer):
    """Initializes a parameter with values that are given."""

    def __init__(self, values: np.ndarray) -> None:
        super().__init__()
        self.values = values

    def _init_weight(self, _: Any, arr: Any) -> None:
        arr[:] = mx.nd.array(self.values, dtype=arr.dtype, ctx=arr.context)


class Members(mx.gluon.HybridBlock):
    """Nets whose outputs, of shape (n_samples, n_outputs) each, stand side by side: (n_samples, K * n_outputs)."""

    def __init__(self, nets: Any, columns: Any = None) -> None:
        super().__init__()
        self.nets = _checked_nets(nets)
        self.columns = None if columns is None else _checked_columns(columns, len(self.nets))
        for net in self.nets:
            self.register_child(net)
        self.n_outputs: int | None = None
        self._called = False
        self._compare_widths()
        for place, chosen in enumerate(self.columns or ()):
            name = f"columns{place}"
            parameter = self.params.get(
                name, shape=chosen.shape, dtype="int32", grad_req="null", init=Given(chosen), differentiable=False
            )
            setattr(self, name, parameter)
        self.initialize_own()

    def initialize_own(self) -> Any:
        """Initialize what the members do not have, where they are; return the context, or None before they are."""
        try:
            ctx, *_ = [_inference.context_of(net) for net in self.nets]
        except InputError:
            return None
        for parameter in self._reg_params.values():
            if parameter._data is None:
                parameter.initialize(ctx=ctx)
        return ctx

    def cast(self, dtype: Any) -> None:
        """Cast the nets; indices of columns stay whole numbers."""
        super().cast(dtype)
        for parameter in self._reg_params.values():
            parameter.cast("int32")

    def forward(self, x: Any, *args: Any) -> Any:
        """Check the first batch, then do as any block does."""
        if isinstance(x, mx.nd.NDArray):
            self.check(x)
        return super().forward(x, *args)

    def hybrid_forward(self, F: Any, x: Any, **columns: Any) -> Any:
        """Return the outputs of all nets, side by side."""
        outputs = [net(self._seen(F, x, place, columns)) for place, net in enumerate(self.nets)]
        return F.concat(*outputs, dim=1)

    def _seen(self, F: Any, x: Any, place: int, columns: dict[str, Any]) -> Any:
        return x if self.columns is None else F.take(x, columns[f"columns{place}"], axis=1)

    def check(self, x: Any) -> None:
        """Check that the data have the columns that members see, and once that all members return the same shape."""
        if self.columns is not None:
            last = max(int(chosen.max()) for chosen in self.columns)
            if x.ndim != 2 or x.shape[1] <= last:
                raise InputError(
                    f"'data' must be a table with the columns that 'columns' names, up to {last}; got shape {x.shape}."
                )
        if self._called:
            return
        if len(x) == 0:
            raise InputError("'data' must hold at least one sample at the first call; got none.")
        if self.initialize_own() is None:
            for net in self.nets:
                _inference.context_of(net)
        own = {name: parameter.data(x.context) for name, parameter in self._reg_params.items()}
        with mx.autograd.pause(train_mode=False):
            shapes = [_shape(net(self._seen(mx.nd, x[:1], i, own)), i) for i, net in enumerate(self.nets)]
        self._set_outputs(dict(enumerate(shapes)))
        self._called = True

    def _compare_widths(self) -> None:
        """Compare what stock nets take and return."""
        widths = {i: _width(net, "out") for i, net in enumerate(self.nets)}
        self._set_outputs({i: width for i, width in widths.items() if width})
        takes = {i: width for i, net in enumerate(self.nets) if (width := _width(net, "in"))}
        for place, width in takes.items():
            expected = takes[min(takes)] if self.columns is None else len(self.columns[place])
            if width != expected:
                rule = "as the others do" if self.columns is None else "as many as its 'columns' name"
                raise InputError(
                    f"Member {place} must take {plural(expected, 'column')}, {rule}; got a net that takes {width}. "
                    "Pass columns= to say what each member sees."
                )

    def _set_outputs(self, widths: dict[int, int]) -> None:
        first = next(iter(widths), None)
        if first is None:
            return
        odd = next((i for i, width in widths.items() if width != widths[first]), None)
        if odd is not None:
            raise InputError(
                f"Members must return the same number of outputs; member {first} returns {widths[first]}, member {odd} "
                f"returns {widths[odd]}. Combine nets of one task only."
            )
        self.n_outputs = widths[first]

    def _described(self) -> tuple[Any, ...]:
        """Return what the graph depends on besides the nets; see `PredictGraph`."""
        return (self.columns is None,)


class Combination(mx.gluon.HybridBlock):
    """Base of nets made of nets: holds the members and returns their outputs one by one."""

    members: Members

    @property
    def nets(self) -> tuple[Any, ...]:
        """The members."""
        return self.members.nets

    @property
    def columns(self) -> tuple[np.ndarray, ...] | None:
        """The columns that each member sees; None: all."""
        return None if self.members.columns is None else tuple(self.members.columns)

    def member_scores(self, data: Any, *, chunk: int | None = None) -> np.ndarray:
        """Return what each member says of each sample: the input of `pareto_weights`.

        Parameters
        ----------
        data : array of shape (n_samples, ...), or gluon.data.Dataset
            The net's input; of a dataset the first item of each sample.
        chunk : int, optional
            Samples per pass. Default: 16,384, fewer for large samples.

        Returns
        -------
        ndarray of shape (n_members, n_samples, n_outputs)
            In the members' own type.

        Raises
        ------
        InputError
            If a member is not initialized, or members return different shapes.
        """
        if hasattr(data, "iloc"):
            raise InputTypeError("'data' must be an array or a dataset; got a data frame. Pass X.to_numpy('float32').")
        graph = _inference.PredictGraph(self.members)
        parts = [to_numpy(part) for part in _inference.forward(self.members, data, chunk=chunk, graph=graph)]
        if not parts:
            raise InputError("'data' must hold at least one sample; got none.")
        table = np.concatenate(parts)
        return np.ascontiguousarray(table.reshape(len(table), len(self.nets), -1).transpose(1, 0, 2))


def dtype_of(nets: Sequence[Any]) -> str:
    """Return the type of the members' parameters."""
    kinds = (np.dtype(p.dtype) for net in nets for p in net.collect_params().values())
    return next((kind.name for kind in kinds if kind.kind == "f"), "float32")


def _checked_nets(nets: Any) -> tuple[Any, ...]:
    if isinstance(nets, mx.gluon.Block) and not isinstance(nets, mx.gluon.nn.HybridSequential):
        raise InputTypeError(f"'nets' must be a list of nets; got one {type(nets).__name__}. Put it into a list.")
    if isinstance(nets, mx.gluon.Block):
        raise InputTypeError("'nets' must be a list of nets; got one HybridSequential. Pass [net], or list(nets).")
    try:
        nets = tuple(nets)
    except TypeError:
        raise InputTypeError(f"'nets' must be a list of nets; got {type(nets).__name__}.") from None
    if not nets:
        raise InputError("'nets' must hold at least one net; got none. Train a member first.")
    owners: dict[str, tuple[int, Any]] = {}
    for place, net in enumerate(nets):
        if not isinstance(net, mx.gluon.HybridBlock):
            raise InputTypeError(
                f"Member {place} must be a gluon.HybridBlock, so that the ensemble is one; got {type(net).__name__}."
            )
        if any(net is other for other in nets[:place]):
            raise InputError(f"Each net must be a member once; member {place} is one again. Raise its weight instead.")
        for name, parameter in net.collect_params().items():
            other, owner = owners.setdefault(name, (place, parameter))
            if owner is not parameter:
                raise InputError(
                    f"Parameters of different members must have different names; members {other} and {place} both have "
                    f"{name!r}. Make each net by a call of its own rather than by copying, or give it a prefix=."
                )
    return nets


def _checked_columns(columns: Any, n_members: int) -> list[np.ndarray]:
    columns = list(columns)
    if len(columns) != n_members:
        raise InputError(
            f"'columns' must have one array for each of the {plural(n_members, 'member')}; got {len(columns)}."
        )
    checked = []
    for place, chosen in enumerate(columns):
        array = to_numpy(chosen)
        if array.ndim != 1 or array.dtype.kind not in "iu" or len(array) == 0:
            raise InputError(
                f"'columns' of member {place} must be a vector of whole numbers, at least one; got {array.dtype} of "
                f"shape {array.shape}. For a mask pass numpy.flatnonzero(mask)."
            )
        if array.min() < 0 or array.max() > np.iinfo(np.int32).max:
            raise InputError(f"'columns' of member {place} must be 0 or more; got {array.min()}. Count from the left.")
        checked.append(array.astype(np.int32))
    return checked


def _shape(output: Any, place: int) -> int:
    """Return the number of outputs of a member for one sample."""
    if not isinstance(output, mx.nd.NDArray):
        raise InputError(f"Member {place} must return one array; got {type(output).__name__}. Wrap it.")
    if output.ndim != 2 or output.shape[0] != 1:
        raise InputError(
            f"Member {place} must return an array of shape (n_samples, n_outputs); got {output.shape} for one sample. "
            "End it in a Dense layer."
        )
    return int(output.shape[1])


def _width(net: Any, side: str) -> int | None:
    """Return how many columns a stock net takes or returns; None where it cannot be told or is not known yet."""
    if type(net) is nn.Dense:
        return (int(net._units) if side == "out" else int(net.weight.shape[1])) or None
    if type(net) is not nn.HybridSequential:
        return None
    layers = list(net._children.values())
    for layer in layers if side == "in" else reversed(layers):
        if type(layer) not in (nn.Activation, nn.Dropout):
            return _width(layer, side) if side == "out" or type(layer) is not nn.Dense or layer._flatten else None
    return None
