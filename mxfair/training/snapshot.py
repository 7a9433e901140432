"""Snapshot: everything that a run of `fit` needs to go on after it was killed."""

from __future__ import annotations

import json
import os
import pathlib
import tempfile
import zipfile
from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._inference import context_of
from mxfair._strength import with_strength
from mxfair._validation import InputError, positive_integer, to_numpy
from mxfair.training.callbacks import TrainingState

mx: Any = import_mxnet()

__all__ = ["Snapshot"]

_FORMAT = 2


class Snapshot:
    """Write the whole state of a training to a file every so often, and go on from it when `fit` is called again.

    Run the same program again after it was killed: where the file exists, `fit` goes on from its last batch and ends
    with the weights and the history of a run that was never stopped, bit by bit (seconds aside). A run that had ended
    is not repeated; with more epochs it is continued.

    Parameters
    ----------
    path : str or Path
        The file. It is replaced as a whole: a process killed while it writes leaves the one before.
    every : int, default=100
        Batches between two writes, each of which waits for the engine; the end of an epoch is written in any case.
    seed : int, optional
        Set the engine's random seed at each write and when going on, from this number, epoch and batch: the engine
        cannot tell its random state, which Dropout draws from. Without it, a net that draws random numbers goes on with
        others.

    Raises
    ------
    InputError
        When training starts: the file is no snapshot, or one of another net, optimizer, loader or loss; the loader
        cannot go on from inside an epoch; the optimizer's states are on a key-value store.

    Notes
    -----
    Stored are the parameters of net and loss (strengths and states of penalties too), the strengths of regularizers,
    the optimizer's states and counts, the loader with its sampler, shares and random numbers, the history, the losses
    of the epoch under way, and the states of the callbacks. The optimizer's rates are among them, and the strengths:
    what the program says otherwise does not count. The file is a NumPy archive without pickles.

    Random transforms of a dataset draw from NumPy's and the engine's global states, which are not stored.

    Examples
    --------
    >>> import mxfair, numpy as np, pathlib, tempfile
    >>> from mxnet import gluon
    >>> X, y = np.eye(8, dtype="float32"), np.tile(np.float32([0, 1]), 4)
    >>> def train(path, epochs):
    ...     net = gluon.nn.Dense(1, in_units=8)
    ...     net.initialize()
    ...     trainer = gluon.Trainer(net.collect_params(), "adam")
    ...     loader = mxfair.data.DataLoader(gluon.data.ArrayDataset(X, y), 4, shuffle=True, seed=0)
    ...     loss = gluon.loss.SigmoidBinaryCrossEntropyLoss()
    ...     snapshot = mxfair.training.Snapshot(path, every=1)
    ...     return mxfair.training.fit(net, loader, loss, trainer, epochs, snapshot=snapshot, progress=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first = train(pathlib.Path(folder) / "run.npz", 2)
    ...     longer = train(pathlib.Path(folder) / "run.npz", 3)
    >>> longer["loss"][:2] == first["loss"], len(longer)
    (True, 3)
    """

    def __init__(self, path: str | os.PathLike[str], *, every: int = 100, seed: int | None = None) -> None:
        self.path = pathlib.Path(path)
        self.every = positive_integer(every, "every")
        self.seed = None if seed is None else positive_integer(seed, "seed", minimum=0)
        if not self.path.parent.is_dir():
            raise InputError(f"'path' must be in an existing folder; got '{self.path}'. Create the folder first.")
        if self.path.is_dir():
            raise InputError(f"'path' must be a file; got the folder '{self.path}'. Name a file in it.")

    def resume(self, state: TrainingState, hooks: list[Any]) -> list[np.ndarray] | None:
        """Put the file's state into a training that is about to start.

        Parameters
        ----------
        state : TrainingState
        hooks : list of Callback

        Returns
        -------
        list of ndarray or None
            The losses of the epoch under way, None where an epoch is to be begun. ``state.epoch`` and ``state.batch``
            say where to go on.
        """
        _infer_shapes(state)
        _prepare(state.trainer)
        _loader_state(state.loader)  # an error now, not when the first file is due
        if not self.path.exists():
            self._reseed(0, 0, 0)
            return None
        stored = self._read(state)
        _load_arrays(_parameters(state), stored["params"])
        for block in (state.loss, *state.regularizers):
            for one in with_strength(block):
                one.read_strength()
        _load_optimizer(state, stored["optimizer"])
        state.loader.load_state_dict(stored["loader"])
        for name, part in _with_state(state, hooks).items():
            if name in stored["parts"]:
                part.load_state_dict(stored["parts"][name])
        state.history.epochs[:] = stored["history"]
        state.epoch, state.batch, state.stop = stored["epoch"], stored["batch"], stored["stop"]
        self._reseed(stored["losses"] is None, state.epoch, state.batch)
        return None if stored["losses"] is None else [np.asarray(stored["losses"], dtype=np.float32)]

    def save(self, state: TrainingState, hooks: list[Any], losses: np.ndarray | None) -> None:
        """Write the file.

        Parameters
        ----------
        state : TrainingState
        hooks : list of Callback
        losses : ndarray or None
            The losses of the epoch under way; None after its end.
        """
        document = {
            "format": _FORMAT,
            "run": _run(state),
            "epoch": state.epoch + (losses is None),
            "batch": state.batch,
            "stop": state.stop,
            "history": state.history.epochs,
            "losses": losses,
            "params": {name: to_numpy(array) for name, array in _parameters(state).items()},
            "optimizer": _optimizer_state(state),
            "loader": _loader_state(state.loader),
            "parts": {name: part.state_dict() for name, part in _with_state(state, hooks).items()},
        }
        _write(self.path, document)
        self._reseed(losses is None, state.epoch + (losses is None), state.batch)

    def _read(self, state: TrainingState) -> dict[str, Any]:
        try:
            stored = _load(self.path)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(
                f"'{self.path}' must be a snapshot; it cannot be read ({error}). Remove it to start anew."
            ) from error
        if stored.get("format") != _FORMAT:
            raise InputError(f"'{self.path}' must be a snapshot of this version of mxfair. Remove it to start anew.")
        own = _run(state)
        differing = [key for key in own if stored["run"].get(key) != own[key]]
        if differing:
            key = differing[0]
            raise InputError(
                f"'{self.path}' must be a snapshot of this training; its {key} is {stored['run'].get(key)!r}, here it "
                f"is {own[key]!r}. Use another file, or remove it to start anew."
            )
        return stored

    def _reseed(self, *place: int) -> None:
        if self.seed is not None:
            entropy = (self.seed, *map(int, place))
            mx.random.seed(int(np.random.SeedSequence(entropy).generate_state(1)[0] >> 1))

    def __repr__(self) -> str:
        return f"Snapshot({str(self.path)!r}, every={self.every}, seed={self.seed})"


def _run(state: TrainingState) -> dict[str, Any]:
    """Return what must be the same in the run that goes on."""
    sampler = getattr(state.loader, "_batch_sampler", None)
    return {
        "parameters": {name: list(array.shape) for name, array in _parameters(state).items()},
        "optimizer": type(state.trainer.optimizer).__name__,
        "loss": type(state.loss).__name__,
        "sampler": repr(sampler) if type(sampler).__repr__ is not object.__repr__ else type(sampler).__name__,
        "batches": len(state.loader),
        **({"regularizers": [type(one).__name__ for one in state.regularizers]} if state.regularizers else {}),
    }


def _parameters(state: TrainingState) -> dict[str, Any]:
    """Return the arrays of net, loss and regularizers, running statistics and strengths included."""
    return {name: parameter.data(parameter.list_ctx()[0]) for name, parameter in _named(state).items()}


def _named(state: TrainingState) -> dict[str, Any]:
    """Return the parameters by their places in net, loss and regularizers, which names of Gluon's counters are not."""
    named = [(f"regularizer {place}", block) for place, block in enumerate(state.regularizers)]
    return {
        f"{kind}.{name}": parameter
        for kind, block in [("net", state.net), ("loss", state.loss), *named]
        if isinstance(block, mx.gluon.Block)  # a loss may be a function
        for name, parameter in block._collect_params_with_prefix().items()
    }


def _trained(state: TrainingState) -> dict[int, str]:
    """Return a name for each of the trainer's parameters; it numbers them in the order of Gluon's own names.

    That order is another one when the counters in these names have more digits: dense10 comes before dense9.
    """
    names = {id(parameter): name for name, parameter in reversed(_named(state).items())}
    return {place: names.get(id(p), f"trainer.{place}") for place, p in enumerate(state.trainer._params)}


def _load_arrays(arrays: dict[str, Any], stored: dict[str, Any]) -> None:
    for name, array in arrays.items():
        array[:] = mx.nd.array(stored[name], dtype=array.dtype, ctx=array.context)


def _with_state(state: TrainingState, hooks: list[Any]) -> dict[str, Any]:
    """Return the parts besides the loader that have a state: callbacks by place and class, and the loss's weights."""
    parts: dict[str, Any] = {f"{place} {type(hook).__name__}": hook for place, hook in enumerate(hooks)}
    source = getattr(state.loss, "source", None)
    if source is not None:
        parts["weights"] = source
    return parts


def _loader_state(loader: Any) -> dict[str, Any]:
    if not hasattr(loader, "state_dict"):
        raise InputError(
            f"'loader' must be able to go on from inside an epoch; got {type(loader).__name__}. Use "
            "mxfair.data.DataLoader or FairDataLoader."
        )
    return loader.state_dict()


def _infer_shapes(state: TrainingState) -> None:
    """Give parameters the shapes that Gluon would infer at the first batch: values are read and written before it."""
    params = list(state.net.collect_params().values())
    if all(parameter._data is not None for parameter in params):
        return
    ctx = context_of(state.net)
    try:
        item = state.loader._dataset[0][0]
        array = item if isinstance(item, mx.nd.NDArray) else mx.nd.array(item, dtype=np.asarray(item).dtype)
        with mx.autograd.pause(train_mode=False):
            state.net(array.expand_dims(0).as_in_context(ctx))
    except Exception as error:  # whatever a user's dataset or net raises
        raise InputError(
            f"'net' must know its shapes before a snapshot; they cannot be inferred from the first sample ({error}). "
            "Give in_units= or in_channels=, or call the net once."
        ) from error


def _prepare(trainer: Any) -> None:
    """Let the trainer set up its store, which it does at its first step, and see that it keeps the states itself."""
    if not trainer._kv_initialized:
        trainer._init_kvstore()
    if trainer._params_to_init:
        trainer._init_params()
    if trainer._update_on_kvstore or len(trainer._updaters) != 1:
        raise InputError(
            "'trainer' must keep the optimizer's states itself, on one device, to be written. Pass "
            "update_on_kvstore=False, and one context."
        )


def _optimizer_state(state: TrainingState) -> dict[str, Any]:
    optimizer, names = state.trainer.optimizer, _trained(state)
    arrays: dict[str, Any] = {}
    for place, value in state.trainer._updaters[0].states.items():
        _flatten(names[place], value, arrays)
    scheduler = optimizer.lr_scheduler
    counts = {names[place]: int(count) for place, count in optimizer._index_update_count.items()}
    return {
        "states": arrays,
        "counts": counts,
        "scalars": _scalars(optimizer),
        "scheduler": None if scheduler is None else _scalars(scheduler),
    }


def _load_optimizer(state: TrainingState, stored: dict[str, Any]) -> None:
    trainer, names = state.trainer, _trained(state)
    optimizer, updater = trainer.optimizer, trainer._updaters[0]
    for place, parameter in enumerate(trainer._params):
        if parameter.grad_req == "null" or not any(k.split("/")[0] == names[place] for k in stored["states"]):
            continue
        value = optimizer.create_state_multi_precision(place, parameter.data(parameter.list_ctx()[0]))
        arrays: dict[str, Any] = {}
        _flatten(names[place], value, arrays, live=True)
        _load_arrays(arrays, stored["states"])
        updater.states[place], updater.states_synced[place] = value, True
    optimizer._set_current_context(trainer._contexts[0].device_id)
    optimizer._index_update_count.clear()
    places = {name: place for place, name in names.items()}
    optimizer._index_update_count.update({places[name]: count for name, count in stored["counts"].items()})
    for target, values in ((optimizer, stored["scalars"]), (optimizer.lr_scheduler, stored["scheduler"])):
        for name, value in (values or {}).items():
            setattr(target, name, value)


def _flatten(name: str, value: Any, into: dict[str, Any], *, live: bool = False) -> None:
    """Collect the arrays of an optimizer's state, which may be one, several or none."""
    if isinstance(value, (tuple, list)):
        for place, part in enumerate(value):
            _flatten(f"{name}/{place}", part, into, live=live)
    elif value is not None:
        into[name] = value if live else to_numpy(value)


def _scalars(thing: Any) -> dict[str, Any]:
    """Return the plain numbers among an object's attributes: rates, counts, decays, of whatever optimizer."""
    return {k: v for k, v in vars(thing).items() if isinstance(v, (bool, int, float, np.generic))}


def _write(path: pathlib.Path, document: dict[str, Any]) -> None:
    """Write the document beside its place and move it there whole."""
    arrays: dict[str, np.ndarray] = {}
    text = json.dumps(_extract(document, arrays))
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, document=np.array(text), **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        pathlib.Path(name).unlink(missing_ok=True)
        raise


def _load(path: pathlib.Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as archive:
        document = json.loads(str(archive["document"]))
        return _restore(document, archive)


def _extract(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Return a value for JSON; arrays go into the archive."""
    if isinstance(value, np.ndarray):
        key = f"a{len(arrays)}"
        arrays[key] = value
        return {"__array__": key}
    if isinstance(value, dict):
        return {str(key): _extract(part, arrays) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_extract(part, arrays) for part in value]
    return value.item() if isinstance(value, np.generic) else value


def _restore(value: Any, archive: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"__array__"}:
            return archive[value["__array__"]]
        return {key: _restore(part, archive) for key, part in value.items()}
    return [_restore(part, archive) for part in value] if isinstance(value, list) else value
