import logging

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon
from mxnet.gluon.contrib.estimator import CheckpointHandler, EarlyStoppingHandler, Estimator, ValidationHandler

from mxfair import GroupConfusion
from mxfair._validation import InputError, InputTypeError
from mxfair.criterion import CRITERIA
from mxfair.data import DataLoader
from mxfair.metric.eval_metric import FairnessMetric, WorstGroupMetric
from mxfair.training import (
    Callback,
    CallbackHandler,
    Checkpoint,
    EarlyStopping,
    EvaluateGaps,
    FairnessHandler,
    fit,
)

BCE = gluon.loss.SigmoidBinaryCrossEntropyLoss
ODDS = CRITERIA["equalized_odds"]


class Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        """Keep a line."""
        self.lines.append(record.getMessage())


@pytest.fixture
def setup(make_net, toy):
    """Return a function that makes an Estimator over 64 samples, with loaders for them and for 32 others."""

    def make(metrics, *, learning_rate=0.05, context=None):
        net = make_net()
        if context:
            net.collect_params().reset_ctx(context)
        trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": learning_rate})
        estimator = Estimator(net, BCE(), metrics, trainer=trainer, context=context or mx.cpu())
        estimator.logger.handlers[:] = [Lines()]
        loaders = [
            DataLoader(gluon.data.ArrayDataset(*[a[part] for a in toy]), 16) for part in (slice(64), slice(64, None))
        ]
        return estimator, *loaders

    return make


def both(estimator, validation):
    """Return the handlers for training and validation."""
    inner = [FairnessHandler(estimator.val_metrics)]
    return [
        FairnessHandler(estimator.train_metrics),
        ValidationHandler(validation, estimator.evaluate, event_handlers=inner),
    ]


def table_of(net, toy, part):
    """Return the net's decisions on some of the toy data, counted."""
    preds = (net(mx.nd.array(toy[0][part])).asnumpy()[:, 0] > 0).astype(int)
    return GroupConfusion.of(toy[1][part], preds, toy[2][part])


class TestFairnessHandler:
    """Groups reach the metrics of an Estimator."""

    def test_training_and_validation_gaps(self, setup, toy):
        """Each is the gap of the decisions that were made, as GroupConfusion and Criterion have it."""
        estimator, train, validation = setup([FairnessMetric(), WorstGroupMetric()], learning_rate=0.0)
        estimator.fit(train, epochs=2, event_handlers=both(estimator, validation))
        for metrics, part in ((estimator.train_metrics, slice(64)), (estimator.val_metrics, slice(64, None))):
            table = table_of(estimator.net, toy, part)
            assert metrics[0].get()[1] == ODDS.difference(table)
            worst = min(np.trace(counts) / counts.sum() for counts in table.counts)
            assert metrics[1].get()[1] == pytest.approx(worst)

    def test_a_hand_written_loop_has_the_same_gap(self, setup, make_net, toy):
        """The metric updated batch by batch while the net trains says the same as in the Estimator."""
        estimator, train, validation = setup(FairnessMetric())
        estimator.fit(train, epochs=1, event_handlers=both(estimator, validation))
        net, loss, metric = make_net(), BCE(), FairnessMetric()
        trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.05})
        for data, label, group in train:
            with mx.autograd.record():
                pred = net(data)
                value = loss(pred, label)
            value.backward()
            trainer.step(len(data))
            metric.update(label, pred, group)
        assert metric.get()[1] == estimator.train_metrics[0].get()[1]
        np.testing.assert_array_equal(metric.table.counts, estimator.train_metrics[0].table.counts)

    def test_other_metrics_are_served_as_before(self, setup, toy):
        """Accuracy and the loss have the figures of Gluon's own handler."""
        figures = []
        for with_gap in (True, False):
            metrics = [mx.metric.RMSE(), *([FairnessMetric()] if with_gap else [])]
            estimator, train, _ = setup(metrics)
            handlers = [FairnessHandler(estimator.train_metrics)] if with_gap else []
            estimator.fit(train, epochs=2, event_handlers=handlers)
            figures.append([m.get()[1] for m in estimator.train_metrics if not isinstance(m, FairnessMetric)])
        assert figures[0] == figures[1]

    def test_gaps_are_logged_each_epoch(self, setup):
        """The Estimator's own log has both gaps, two epochs."""
        estimator, train, validation = setup(FairnessMetric())
        estimator.fit(train, epochs=2, event_handlers=both(estimator, validation))
        lines = [line for line in estimator.logger.handlers[0].lines if "Finished in" in line]
        for name in ("training equalized_odds", "validation equalized_odds"):
            gap = [line for line in lines if f"{name}: 0." in line]
            assert len(gap) == 2

    def test_several_devices(self, setup, toy):
        """Predictions and labels come in one piece per device; groups are cut alike."""
        estimator, train, _ = setup(FairnessMetric(), learning_rate=0.0, context=[mx.cpu(0), mx.cpu(1)])
        estimator.fit(train, epochs=1, event_handlers=[FairnessHandler(estimator.train_metrics)])
        expected = table_of(estimator.net, toy, slice(64))
        np.testing.assert_array_equal(estimator.train_metrics[0].table.counts, expected.counts)

    def test_gluons_early_stopping_reads_the_gap(self, setup):
        """With mode="min" and a gap that cannot get smaller, training ends."""
        estimator, train, validation = setup(FairnessMetric(), learning_rate=0.0)
        stop = EarlyStoppingHandler(estimator.val_metrics[0], mode="min", patience=2)
        handlers = [*both(estimator, validation), stop]
        estimator.fit(train, epochs=20, event_handlers=handlers)
        assert stop.current_epoch == 3

    def test_gluons_checkpoints_read_the_gap(self, setup, tmp_path):
        """With mode="min" and save_best, the file of the smallest gap is written."""
        estimator, train, validation = setup(FairnessMetric())
        keep = CheckpointHandler(str(tmp_path), monitor=estimator.val_metrics[0], save_best=True, mode="min")
        estimator.fit(train, epochs=2, event_handlers=[*both(estimator, validation), keep])
        assert (tmp_path / "model-best.params").exists()

    def test_a_batch_without_groups_is_refused(self, setup, toy):
        """The message says where groups belong."""
        estimator, _, _ = setup(FairnessMetric())
        loader = gluon.data.DataLoader(gluon.data.ArrayDataset(toy[0], toy[1]), 16)
        with pytest.raises(InputError, match=r"must see batches of \(data, label, group\); got no third item"):
            estimator.fit(loader, epochs=1, event_handlers=[FairnessHandler(estimator.train_metrics)])

    def test_without_the_handler_the_metric_says_so(self, setup):
        """Gluon's own handler passes no groups: an error, not a gap of 0."""
        estimator, train, _ = setup(FairnessMetric())
        with pytest.raises(InputTypeError, match="FairnessHandler"):
            estimator.fit(train, epochs=1)


class TestCallbackHandler:
    """fit's callbacks in an Estimator."""

    def test_the_history_is_that_of_fit(self, setup, make_net, toy):
        """Epochs, losses and validation figures of the same training."""
        estimator, train, validation = setup(mx.metric.Loss())
        handler = CallbackHandler([EvaluateGaps(validation._dataset)])
        estimator.fit(train, epochs=3, event_handlers=[handler])
        net = make_net()
        trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.05})
        callbacks = [EvaluateGaps(validation._dataset)]
        history = fit(net, train, BCE(), trainer, 3, callbacks=callbacks, progress=False, hybridize=False)
        for name in ("epoch", "val_accuracy", "val_gap"):
            assert handler.history[name] == history[name]
        np.testing.assert_allclose(handler.history["loss"], history["loss"], rtol=1e-6)

    def test_their_order(self, setup):
        """Moments come as in fit, and at each the callbacks run as listed."""
        log = []

        class Noting(Callback):
            def __init__(self, name):
                self.name = name

            def on_train_begin(self, state):
                log.append(("begin", self.name))

            def on_epoch_begin(self, state):
                log.append(("epoch_begin", self.name))

            def on_batch_end(self, state):
                log.append((state.epoch, state.batch))

            def on_epoch_end(self, state):
                log.append(("epoch_end", self.name))

            def on_train_end(self, state):
                log.append(("end", self.name))

        estimator, train, _ = setup(mx.metric.Loss())
        estimator.fit(train, epochs=1, event_handlers=[CallbackHandler([Noting("a"), Noting("b")])])
        batches = [(0, batch) for batch in range(4) for _ in "ab"]
        moments = [[(moment, name) for name in "ab"] for moment in ("begin", "epoch_begin", "epoch_end", "end")]
        assert log == [*moments[0], *moments[1], *batches, *moments[2], *moments[3]]

    def test_early_stopping_ends_the_estimator(self, setup):
        """No epoch follows."""
        estimator, train, validation = setup(mx.metric.Loss(), learning_rate=0.0)
        handler = CallbackHandler([EvaluateGaps(validation._dataset), EarlyStopping(patience=2)])
        estimator.fit(train, epochs=20, event_handlers=[handler])
        assert len(handler.history) == 3

    def test_checkpoints_are_restored(self, setup, values_of):
        """The Estimator's net ends with the best epoch's accuracy and gap."""
        estimator, train, validation = setup(mx.metric.Loss(), learning_rate=0.2)
        gaps, checkpoint = EvaluateGaps(validation._dataset, "demographic_parity"), Checkpoint(1.0, restore=True)
        estimator.fit(train, epochs=6, event_handlers=[CallbackHandler([gaps, checkpoint])])
        figures = gaps.evaluate(estimator.net)
        assert figures["val_accuracy"] == checkpoint.best["val_accuracy"]
        assert figures["val_gap"] == checkpoint.best["val_gap"]

    def test_what_callbacks_add_is_logged(self, setup):
        """A line an epoch with the validation figures."""
        estimator, train, validation = setup(mx.metric.Loss())
        estimator.fit(train, epochs=2, event_handlers=[CallbackHandler([EvaluateGaps(validation._dataset)])])
        lines = [line for line in estimator.logger.handlers[0].lines if "val_gap: " in line]
        assert [line[:9] for line in lines] == ["[Epoch 0]", "[Epoch 1]"]

    def test_both_handlers_together(self, setup):
        """The Estimator's check of handlers' attributes accepts them side by side."""
        estimator, train, validation = setup(FairnessMetric())
        handler = CallbackHandler([EvaluateGaps(validation._dataset)])
        estimator.fit(train, epochs=2, event_handlers=[*both(estimator, validation), handler])
        assert handler.history["val_gap"][-1] == estimator.val_metrics[0].get()[1]

    def test_a_second_fit_starts_a_new_history(self, setup):
        """Epochs are counted from 0 again."""
        estimator, train, _ = setup(mx.metric.Loss())
        handler = CallbackHandler([])
        estimator.fit(train, epochs=2, event_handlers=[handler])
        estimator.fit(train, epochs=1, event_handlers=[handler])
        assert handler.history["epoch"] == [0]

    def test_what_is_no_callback_is_refused(self):
        """Gluon's handlers and functions are named in the error."""
        with pytest.raises(InputTypeError, match="'callbacks' must hold Callback objects"):
            CallbackHandler([print])
