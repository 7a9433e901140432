"""`GradientMonitor`: gradients and activations by layer and group while a net trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._inference import arrays_of
from mxfair._validation import (
    InputError,
    InputTypeError,
    generator,
    numeric_labels,
    positive_integer,
    same_length,
    to_numpy,
)
from mxfair.explain._gradient_measure import OVERALL, measure, plain_loss
from mxfair.explain._gradient_words import findings
from mxfair.explain._net import net_input
from mxfair.groups import Groups
from mxfair.training.callbacks import Callback, TrainingState

if TYPE_CHECKING:
    import pandas as pd

mx: Any = import_mxnet()

__all__ = ["GradientMonitor"]


class GradientMonitor(Callback):
    r"""Measure gradients and activations by layer and group before training and when epochs end.

    Each group's mean loss is derived on a fixed probe sample, in predict mode (no dropout, running statistics):

    .. math:: g_{l,a} = \partial_{W_l} \frac{1}{n_a} \sum_{i \in a} \ell(f_W(x_i), y_i)

    `to_frame` has its norm, that norm over the norm of the layer's weights, the root mean square of the layer's
    outputs, and the shares of its units that are dead or saturated; `conflicts` has the cosines between groups'
    gradients. A measurement reads the engine once, works on copies, and leaves weights, gradients, modes, hooks and
    random state alone: the net that is trained is the same with and without it.

    Parameters
    ----------
    data : array of shape (n_samples, ...) or gluon.data.ArrayDataset of (data, label, group)
        Where the probe rows are drawn, as the net takes them: training rows, to see what training sees.
    labels : array of shape (n_samples,), optional
        Labels as the loss takes them (0 and 1, not text), where `data` does not hold them.
    groups : array-like or Groups, optional
        Groups, where `data` does not hold them.
    rows : int, default=256
        Rows drawn of each group, without replacement; an even number is used, all there are at most.
    every : int, default=1
        Epochs from one measurement to the next.
    loss : gluon.loss.Loss, optional
        Of (pred, label). Default: the training's loss; of a `GroupLoss` its base, since a penalty of a gap has no
        gradient of one group alone.
    seed : int, Generator or None, default=0
        Draws the rows.

    Raises
    ------
    InputError
        If the arguments do not fit each other; before the first epoch, if the net cannot be traced.

    Notes
    -----
    What `findings` says, and from where on:

    - *Vanishing gradient*: a layer's longest gradient of a group, over the norm of the layer's weights, is below 1/1000
      of the largest layer's. The comparison is between layers, since in training that goes well all gradients shrink;
      at a thousandth, a layer moves by a percent while another moves ten times its own length. Adam and the like
      rescale gradients and are less affected.
    - *Exploding activations*: the outputs of a layer are 100 times as large as the first layer's, or not finite.
      Initial values made for it keep the scale from layer to layer (Glorot and Bengio 2010).
    - *Exploding gradient*: the gradient of all layers is 100 times as long as at the first measurement.
    - *Dead units* (ReLU, 0 at all probe rows): half of a layer or more, so that it works at half of its width.
      *Saturated units* (sigmoid, tanh, softsign): half of a layer's outputs or more, over units and rows, where the
      slope is below a tenth of the largest. *In one group*: the shares of two groups differ by 25 points.
    - *Groups pull apart*: the cosine of two groups' gradients is below -1/2. At a minimum of the mean loss the groups'
      gradients cancel each other by necessity, and short ones are noise; so this is said only where both are longer
      than a tenth of what they were at the first measurement, and where two halves of each group's rows agree on more
      than three quarters of the squared length (``signal_share``): by chance this happens to two groups at once, with
      opposite signs, in 1 of 20 layers at most.

    All but the explosions must hold at the last measurement. Norms are of float32 sums, scaled against overflow. Memory
    holds two gradients for each group.

    References
    ----------
    Glorot and Bengio, *Understanding the difficulty of training deep feedforward neural networks*, AISTATS 2010.

    Examples
    --------
    >>> import mxfair, numpy as np
    >>> from mxnet import gluon
    >>> X, y, z = np.eye(8, dtype="float32"), np.tile(np.float32([0, 1]), 4), np.repeat(["a", "b"], 4)
    >>> net = gluon.nn.Dense(1); net.initialize()
    >>> trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    >>> loader = mxfair.data.DataLoader(gluon.data.ArrayDataset(X, y), 4, shuffle=True, seed=0)
    >>> monitor = GradientMonitor(X, y, z)
    >>> loss = gluon.loss.SigmoidBinaryCrossEntropyLoss()
    >>> history = mxfair.training.fit(net, loader, loss, trainer, 2, callbacks=[monitor], progress=False)
    >>> monitor.to_frame()[["epoch", "layer", "group", "rows"]].tail(3)
       epoch  layer    group  rows
    6      2  dense        a     4
    7      2  dense        b     4
    8      2  dense  overall     8
    >>> len(monitor.findings())
    0
    """

    def __init__(
        self,
        data: Any,
        labels: Any = None,
        groups: Any = None,
        *,
        rows: int = 256,
        every: int = 1,
        loss: Any = None,
        seed: int | np.random.Generator | None = 0,
    ) -> None:
        positive_integer(rows, "rows", minimum=2)
        self.every = positive_integer(every, "every")
        X, labels, groups = _parts(data, labels, groups)
        labels = numeric_labels(labels)
        self._groups = groups if isinstance(groups, Groups) else Groups(groups)
        same_length(data=X, labels=labels, groups=self._groups)
        if OVERALL in self._groups.names:
            raise InputError(f"'groups' must not be named {OVERALL!r}, as the row of all groups is. Rename it.")
        rng = generator(seed)
        self._drawn: list[tuple[np.ndarray, np.ndarray] | None] = []
        for code, count in enumerate(self._groups.counts):
            size = min(rows, int(count)) // 2 * 2
            places = rng.choice(np.flatnonzero(self._groups.codes == code), size, replace=False)
            self._drawn.append((X[places], labels[places].astype(np.float32)) if size else None)
        if not any(self._drawn_rows):
            raise InputError("'groups' must have a group of two rows or more; got none. Give more rows.")
        self.loss = loss
        self._records: list[dict[str, Any]] = []

    @property
    def _drawn_rows(self) -> list[int]:
        return [0 if drawn is None else len(drawn[1]) for drawn in self._drawn]

    def measure(self, net: Any, loss: Any, epoch: int) -> None:
        """Measure a net now, for a loop of your own.

        Parameters
        ----------
        net : gluon.HybridBlock
            Initialized.
        loss : gluon.loss.Loss
            Used unless the monitor has one of its own.
        epoch : int
            How many epochs the net has been trained for; measured again, it is replaced.
        """
        loss = plain_loss(loss if self.loss is None else self.loss)
        pairs = [None if drawn is None else _halves(net, *drawn) for drawn in self._drawn]
        if any(p._data is None for p in net.collect_params().values()):
            data = next(pair for pair in pairs if pair is not None)[0][0]
            with mx.autograd.pause(train_mode=False):
                net(mx.nd.array(data[:1], ctx=_first_context(net), dtype=data.dtype))  # shapes that Gluon infers
        records = measure(net, loss, pairs, self._groups.counts.astype(np.float64))
        self._records = [record for record in self._records if record["epoch"] != epoch]
        self._records += [{"epoch": epoch, **record} for record in records]

    def to_frame(self) -> pd.DataFrame:
        """Return the figures, a row per epoch, layer and group.

        Returns
        -------
        pandas.DataFrame
            ``epoch`` (0 before training, k after the k-th epoch), ``layer`` (in the order of computation), ``group``
            ("overall": groups weighted by their number of rows; its dead units are dead in all groups), ``rows``,
            ``gradient_norm``, ``weight_norm`` (of the trained parameters), ``relative_gradient`` (their ratio),
            ``signal_share`` (of the squared norm, what two halves of the rows agree on; about 0 for noise),
            ``alignment`` (cosine with the overall gradient: below 0 a step of gradient descent raises this group's
            loss), ``activation_rms``, ``dead`` (share of units), ``saturated`` (share of outputs, over units and rows;
            both NaN where the activation cannot be so).
        """
        import pandas as pd

        counts = self._drawn_rows
        names = [*self._groups.names, OVERALL]
        columns = ("gradient_norm", "signal_share", "alignment", "activation_rms", "dead", "saturated")
        parts = []
        for record in self._records:
            part = pd.DataFrame({"epoch": record["epoch"], "layer": record["layer"], "group": names})
            part["rows"] = [*counts, sum(counts)]
            part = part.assign(**{name: record[name] for name in columns})
            part.insert(5, "weight_norm", record["weight_norm"])
            part.insert(6, "relative_gradient", part["gradient_norm"] / (record["weight_norm"] or np.nan))
            parts.append(part)
        if not parts:
            raise InputError("Nothing has been measured yet. Train with callbacks=[monitor], or call measure.")
        return pd.concat(parts, ignore_index=True)

    def conflicts(self) -> pd.DataFrame:
        """Return the cosine of the gradients of each two known groups, by epoch and layer.

        Returns
        -------
        pandas.DataFrame
            ``epoch``, ``layer``, ``group``, ``other``, ``cosine``: 1 where the same step serves both, below 0 where
            what serves one harms the other.
        """
        import pandas as pd

        known = np.flatnonzero(self._groups.known)
        rows = [
            (record["epoch"], record["layer"], self._groups.names[a], self._groups.names[b], record["cosines"][a, b])
            for record in self._records
            for place, a in enumerate(known)
            for b in known[place + 1 :]
        ]
        return pd.DataFrame(rows, columns=["epoch", "layer", "group", "other", "cosine"])

    def findings(self) -> pd.DataFrame:
        """Return what is wrong, in plain words; no rows where nothing is.

        Returns
        -------
        pandas.DataFrame
            ``sign``, ``layer``, ``groups``, ``value``, ``threshold``, ``epochs`` (a list: where it held), ``sentence``.
        """
        return findings(self.to_frame(), self.conflicts())

    def on_train_begin(self, state: TrainingState) -> None:
        """See `Callback.on_train_begin`.

        Parameters
        ----------
        state : TrainingState
        """
        self._records = []
        self.measure(state.net, state.loss, 0)

    def on_epoch_end(self, state: TrainingState) -> None:
        """See `Callback.on_epoch_end`.

        Parameters
        ----------
        state : TrainingState
        """
        if (state.epoch + 1) % self.every == 0 or state.epoch + 1 == state.epochs or state.stop:
            self.measure(state.net, state.loss, state.epoch + 1)

    def state_dict(self) -> dict[str, Any]:
        """See `Callback.state_dict`.

        Returns
        -------
        dict
        """
        return {"records": [dict(record) for record in self._records]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Callback.load_state_dict`.

        Parameters
        ----------
        state : dict
        """
        self._records = [dict(record) for record in state["records"]]

    def __repr__(self) -> str:
        epochs = len({record["epoch"] for record in self._records})
        rows = ", ".join(f"{name} {count}" for name, count in zip(self._groups.names, self._drawn_rows))
        return f"GradientMonitor({rows} rows; measured {epochs} times)"


def _parts(data: Any, labels: Any, groups: Any) -> tuple[np.ndarray, Any, Any]:
    """Return rows, labels and groups, which a dataset may hold."""
    if isinstance(data, mx.gluon.data.Dataset):
        arrays = arrays_of(data)
        if arrays is None:
            raise InputTypeError(
                "'data' must be an array or an ArrayDataset of arrays; got another dataset. Read a few hundred rows of "
                "each group from it, and pass them."
            )
        labels = arrays[1] if labels is None else labels
        groups = arrays[2] if groups is None and len(arrays) > 2 else groups
        data = arrays[0]
    for name, value in (("labels", labels), ("groups", groups)):
        if value is None:
            raise InputError(f"'{name}' must be given where 'data' does not hold them; got None. Pass one per sample.")
    return to_numpy(data), labels, to_numpy(groups) if hasattr(groups, "asnumpy") else groups


def _halves(net: Any, X: np.ndarray, labels: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    X = net_input(net, X)
    labels = labels.astype(X.dtype)
    return [(X[half], labels[half]) for half in (slice(None, len(X) // 2), slice(len(X) // 2, None))]


def _first_context(net: Any) -> Any:
    """Return the device that a net is to be initialized on."""
    return next(iter(net.collect_params().values())).list_ctx()[0]
