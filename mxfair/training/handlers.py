"""Handlers for gluon.contrib.estimator: groups for its metrics, and mxfair's callbacks in its loop.

The Estimator looks at each attribute of a handler whose name contains "metric", and takes what it finds for one of its
own metrics: attributes here avoid the word.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from mxfair._compat import import_mxnet
from mxfair._validation import InputError, InputTypeError
from mxfair.metric.eval_metric import GroupEvalMetric
from mxfair.training.callbacks import Callback, TrainingState
from mxfair.training.history import History

mx: Any = import_mxnet()

__all__ = ["CallbackHandler", "FairnessHandler"]

_handlers: Any = mx.gluon.contrib.estimator.event_handler


class FairnessHandler(_handlers.MetricHandler):
    """Update an Estimator's metrics, and give `GroupEvalMetric` the groups, the third item of a batch.

    Gluon's own handler passes labels and predictions only; this one takes its place, and serves all other metrics as
    that one does. The Estimator logs the gaps with its other metrics. A validation loop has handlers of its own: see
    the example. Gluon's EarlyStoppingHandler and CheckpointHandler need ``mode="min"`` for a gap.

    Parameters
    ----------
    metrics : list of EvalMetric
        ``estimator.train_metrics``, or ``estimator.val_metrics`` for a validation loop.
    priority : float, default=-1000
        Order among the handlers; smaller runs earlier.

    Raises
    ------
    InputError
        At the first batch, if it holds no groups.

    Examples
    --------
    >>> import mxfair, mxnet as mx, numpy as np
    >>> from mxnet.gluon.contrib.estimator import Estimator, ValidationHandler
    >>> from mxfair.metric.eval_metric import FairnessMetric
    >>> X, y, z = np.eye(8, dtype="float32"), np.tile(np.float32([0, 1]), 4), np.repeat([0, 1], 4)
    >>> loader = mxfair.data.DataLoader(mx.gluon.data.ArrayDataset(X, y, z), 4)
    >>> net, loss = mx.gluon.nn.Dense(1), mx.gluon.loss.SigmoidBinaryCrossEntropyLoss()
    >>> net.initialize()
    >>> trainer = mx.gluon.Trainer(net.collect_params(), "sgd")
    >>> estimator = Estimator(net, loss, FairnessMetric("equalized_odds"), trainer=trainer, context=mx.cpu())
    >>> estimator.logger.setLevel("WARNING")
    >>> handlers = [
    ...     FairnessHandler(estimator.train_metrics),
    ...     ValidationHandler(loader, estimator.evaluate, event_handlers=[FairnessHandler(estimator.val_metrics)]),
    ... ]
    >>> estimator.fit(loader, epochs=1, event_handlers=handlers)
    >>> [metric.name for metric in estimator.train_metrics][:1]
    ['training equalized_odds']
    """

    def __init__(self, metrics: list[Any], priority: float = -1000) -> None:
        super().__init__(metrics, priority)

    def batch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        """Update the metrics.

        Parameters
        ----------
        estimator : Estimator
        *args, **kwargs
            As the Estimator passes them: ``batch``, ``pred``, ``label`` and ``loss``.
        """
        batch, pred, label, loss = (kwargs[name] for name in ("batch", "pred", "label", "loss"))
        for figure in self.metrics:
            if isinstance(figure, mx.metric.Loss):
                figure.update(0, loss)
            elif isinstance(figure, GroupEvalMetric):
                if not isinstance(batch, (tuple, list)) or len(batch) < 3:
                    raise InputError(
                        f"'{figure.name}' must see batches of (data, label, group); got no third item. "
                        "Put the groups into the dataset."
                    )
                figure.update(label, pred, batch[2])
            else:
                figure.update(label, pred)


class CallbackHandler(
    _handlers.TrainBegin, _handlers.EpochBegin, _handlers.BatchEnd, _handlers.EpochEnd, _handlers.TrainEnd
):
    """Run the callbacks of `fit` in Gluon's Estimator: validation gaps, early stopping, checkpoints.

    What they add to an epoch's entry is logged.

    Parameters
    ----------
    callbacks : sequence of Callback
        Run in this order.
    loader : DataLoader, optional
        The training loader, for callbacks that look at it, such as `SamplerHistory`.
    priority : float, default=0
        Order among the handlers; smaller runs earlier. Gluon's handlers that step and measure come before 0, the one
        that logs comes last.

    Attributes
    ----------
    history : History
        What `fit` would return; ``loss`` is the Estimator's own mean.

    Raises
    ------
    InputTypeError
        If something else than callbacks is given.

    Notes
    -----
    The Estimator does not end its handlers when training fails: then `Callback.on_train_end` does not run.

    Examples
    --------
    >>> import mxfair, mxnet as mx, numpy as np
    >>> from mxnet.gluon.contrib.estimator import Estimator
    >>> from mxfair.training import Checkpoint, EarlyStopping, EvaluateGaps
    >>> X, y, z = np.eye(8, dtype="float32"), np.tile(np.float32([0, 1]), 4), np.repeat([0, 1], 4)
    >>> dataset = mx.gluon.data.ArrayDataset(X, y, z)
    >>> net, loss = mx.gluon.nn.Dense(1), mx.gluon.loss.SigmoidBinaryCrossEntropyLoss()
    >>> net.initialize()
    >>> trainer = mx.gluon.Trainer(net.collect_params(), "sgd")
    >>> estimator = Estimator(net, loss, mx.metric.Loss(), trainer=trainer, context=mx.cpu())
    >>> estimator.logger.setLevel("WARNING")
    >>> handler = CallbackHandler([EvaluateGaps(dataset), EarlyStopping("val_gap", patience=1)])
    >>> estimator.fit(mxfair.data.DataLoader(dataset, 4), epochs=2, event_handlers=[handler])
    >>> len(handler.history["val_gap"]) in (1, 2)
    True
    """

    def __init__(self, callbacks: Sequence[Callback], *, loader: Any = None, priority: float = 0) -> None:
        callbacks = [callbacks] if isinstance(callbacks, Callback) else list(callbacks)
        for callback in callbacks:
            if not isinstance(callback, Callback):
                raise InputTypeError(
                    f"'callbacks' must hold Callback objects; got {callback!r}. Gluon's handlers go to the Estimator."
                )
        self.callbacks, self.loader, self.priority = callbacks, loader, priority
        self._state = TrainingState(None, loader, None, None, 0)
        self._begin = 0.0

    @property
    def history(self) -> History:
        """What happened in each epoch."""
        return self._state.history

    def train_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        """Run `Callback.on_train_begin`.

        Parameters
        ----------
        estimator : Estimator
        *args, **kwargs
            As the Estimator passes them.
        """
        epochs = estimator.max_epoch or 0
        self._state = TrainingState(estimator.net, self.loader, estimator.loss, estimator.trainer, epochs)
        self._state.epoch = -1
        for callback in self.callbacks:
            callback.on_train_begin(self._state)

    def epoch_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        """Run `Callback.on_epoch_begin`.

        Parameters
        ----------
        estimator : Estimator
        *args, **kwargs
            As the Estimator passes them.
        """
        self._state.epoch, self._state.batch = self._state.epoch + 1, -1
        self._begin = time.perf_counter()
        for callback in self.callbacks:
            callback.on_epoch_begin(self._state)

    def batch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> bool:
        """Run `Callback.on_batch_end`.

        Parameters
        ----------
        estimator : Estimator
        *args, **kwargs
            As the Estimator passes them.

        Returns
        -------
        bool
            False: a callback ends training after an epoch, not within it.
        """
        self._state.batch += 1
        for callback in self.callbacks:
            callback.on_batch_end(self._state)
        return False

    def epoch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> bool:
        """Run `Callback.on_epoch_end`.

        Parameters
        ----------
        estimator : Estimator
        *args, **kwargs
            As the Estimator passes them.

        Returns
        -------
        bool
            Whether a callback ended training.
        """
        losses = [m.get()[1] for m in estimator.train_metrics if isinstance(m, mx.metric.Loss)]
        loss = float(losses[0]) if losses else float("nan")
        entry = {"epoch": self._state.epoch, "loss": loss, "seconds": time.perf_counter() - self._begin}
        self._state.history.epochs.append(entry)
        own = list(entry)
        for callback in self.callbacks:
            callback.on_epoch_end(self._state)
        added = ", ".join(f"{name}: {value:.4f}" for name, value in entry.items() if name not in own)
        if added:
            estimator.logger.info("[Epoch %d] %s", self._state.epoch, added)
        return self._state.stop

    def train_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        """Run `Callback.on_train_end`.

        Parameters
        ----------
        estimator : Estimator
        *args, **kwargs
            As the Estimator passes them.
        """
        for callback in self.callbacks:
            callback.on_train_end(self._state)
