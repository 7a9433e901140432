import json
import math
import warnings

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon

from mxfair import GroupConfusion, Groups
from mxfair._validation import InputError, InputTypeError
from mxfair.criterion import CRITERIA
from mxfair.data import DataLoader, FairDataLoader
from mxfair.training import Callback, EarlyStopping, EvaluateGaps, TrainingState, fit

BCE = gluon.loss.SigmoidBinaryCrossEntropyLoss


@pytest.fixture
def setup(make_net, toy):
    """Return a function that makes a net and trains it on 64 samples; 32 are for validation."""
    data, labels, _ = toy
    train = gluon.data.ArrayDataset(data[:64], labels[:64])

    def run(callbacks, epochs=4, *, extra=()):
        net = make_net(extra=extra)
        mx.random.seed(1)
        trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.05})
        loader = DataLoader(train, 16, shuffle=True, seed=0)
        return net, fit(net, loader, BCE(), trainer, epochs, callbacks=callbacks, progress=False)

    return run


@pytest.fixture
def validation(toy):
    """Return the last 32 samples as a dataset of (data, label, group)."""
    return gluon.data.ArrayDataset(*[array[64:] for array in toy])


def decided(net, toy):
    """Return the net's decisions on the validation samples."""
    return (net(mx.nd.array(toy[0][64:])).asnumpy()[:, 0] > 0).astype(int)


class TestEvaluateGaps:
    """Accuracy and gaps on a validation split."""

    def test_the_last_epoch_is_the_nets(self, setup, toy, validation):
        """Columns are accuracy and gaps of the net's decisions, as GroupConfusion and Criterion have them."""
        net, history = setup([EvaluateGaps(validation, list(CRITERIA))])
        preds = decided(net, toy)
        table = GroupConfusion.of(toy[1][64:], preds, toy[2][64:])
        last = history.epochs[-1]
        assert last["val_accuracy"] == np.mean(preds == toy[1][64:])
        assert last["val_gap"] == last["val_demographic_parity"]
        for name, criterion in CRITERIA.items():
            assert last[f"val_{name}"] == criterion.difference(table)

    def test_each_epoch_has_a_figure_of_its_own(self, setup, validation, make_net, toy):
        """Epoch k's figures are those of a training of k epochs."""
        _, history = setup([EvaluateGaps(validation)], epochs=3)
        for epochs in (1, 2):
            net, _ = setup([], epochs=epochs)
            assert EvaluateGaps(validation).evaluate(net)["val_accuracy"] == history["val_accuracy"][epochs - 1]

    def test_a_hand_written_loop_has_the_same_figures(self, setup, validation, make_net, toy):
        """evaluate() after each epoch of a loop of one's own gives the columns of fit."""
        _, history = setup([EvaluateGaps(validation)], epochs=3)
        net, loss, gaps, rows = make_net(), BCE(), EvaluateGaps(validation), []
        trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.05})
        loader = DataLoader(gluon.data.ArrayDataset(toy[0][:64], toy[1][:64]), 16, shuffle=True, seed=0)
        for _ in range(3):
            for data, label in loader:
                with autograd.record():
                    value = loss(net(data), label)
                value.backward()
                trainer.step(len(data))
            rows.append(gaps.evaluate(net))
        assert rows == [{k: e[k] for k in rows[0]} for e in history.epochs]

    def test_training_does_not_notice(self, setup, validation, values_of):
        """With Dropout, the weights are the same with and without evaluation."""
        nets = [setup(c, extra=[gluon.nn.Dropout(0.3)])[0] for c in ([], [EvaluateGaps(validation)])]
        np.testing.assert_array_equal(*map(values_of, nets))

    def test_the_pass_is_in_predict_mode_and_leaves_the_mode(self, make_net, validation):
        """Within record() and train mode too; afterwards the mode is as it was."""
        modes = []

        class Spy(gluon.nn.HybridSequential):
            def forward(self, x):
                modes.append((autograd.is_training(), autograd.is_recording()))
                return super().forward(x)

        net = Spy()
        net.add(make_net())
        with autograd.record():
            EvaluateGaps(validation).evaluate(net)
            assert (autograd.is_training(), autograd.is_recording()) == (True, True)
        assert modes == [(False, False)]

    def test_labels_and_groups_beside_the_data(self, setup, toy):
        """Where the dataset holds only (data, label), groups= names them; text is fine."""
        names = np.where(toy[2][64:] == 1, "m", "f")
        dataset = gluon.data.ArrayDataset(toy[0][64:], toy[1][64:])
        gaps = EvaluateGaps(dataset, compare="to_reference", reference="m", groups=names)
        net, history = setup([gaps])
        assert gaps.table(net).groups == ("f", "m")
        table = GroupConfusion.of(toy[1][64:], decided(net, toy), names)
        expected = CRITERIA["equalized_odds"].difference(table, compare="to_reference", reference="m")
        assert history["val_gap"][-1] == expected

    def test_a_net_that_returns_probabilities(self, make_net, validation, toy):
        """A loss with from_sigmoid says so, or probability=."""
        net = gluon.nn.HybridSequential()
        net.add(make_net(), gluon.nn.Activation("sigmoid"))
        expected = EvaluateGaps(validation).evaluate(net[0])
        assert EvaluateGaps(validation).evaluate(net, loss=BCE(from_sigmoid=True)) == expected
        assert EvaluateGaps(validation, probability=True).evaluate(net) == expected

    def test_several_classes(self, make_net, toy):
        """One output per class."""
        rng = np.random.default_rng(0)
        labels = rng.integers(0, 3, 32)
        net = make_net(3)
        columns = EvaluateGaps(gluon.data.ArrayDataset(toy[0][64:], labels, toy[2][64:])).evaluate(net)
        preds = net(mx.nd.array(toy[0][64:])).asnumpy().argmax(axis=1)
        assert columns["val_accuracy"] == np.mean(preds == labels)

    def test_the_fair_samplers_column_stays(self, make_net, toy, validation):
        """Column "gap" is the sampler's, on the training data; "val_gap" is the validation split's."""
        data, labels, groups = (array[:64] for array in toy)
        net, loss = make_net(), BCE()
        loader = FairDataLoader(gluon.data.ArrayDataset(data, labels, groups), 16, net=net, loss=loss, seed=0)
        trainer = gluon.Trainer(net.collect_params(), "sgd")
        history = fit(net, loader, loss, trainer, 2, callbacks=[EvaluateGaps(validation)], progress=False)
        assert history["gap"] == [entry["gap"] for entry in loader.batch_sampler.history]
        assert None not in history["val_gap"]

    def test_it_fits_in_json(self, setup, validation):
        """All values are plain numbers."""
        _, history = setup([EvaluateGaps(validation)], epochs=1)
        assert json.loads(json.dumps(history.epochs)) == history.epochs

    def test_mistakes_show_before_the_first_epoch(self, setup, toy):
        """Groups of another length are an error before a step was made."""
        begun = []

        class Begun(Callback):
            def on_epoch_begin(self, state):
                begun.append(state.epoch)

        gaps = EvaluateGaps(gluon.data.ArrayDataset(toy[0][64:], toy[1][64:]), groups=toy[2])
        with pytest.raises(InputError, match="must have the same length"):
            setup([Begun(), gaps])
        assert begun == []

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ((7,), InputTypeError, "'validation' must be a gluon.data.Dataset; got int"),
            ((np.eye(3), "fairness"), InputError, "'criterion' must be one of"),
            ((np.eye(3), []), InputError, "'criteria' must name at least one"),
        ],
    )
    def test_errors_at_construction(self, arguments, error, message):
        """What can be known is told when it is made."""
        with pytest.raises(error, match=message):
            EvaluateGaps(*arguments)

    @pytest.fixture
    def lacking(self, toy):
        """Return a validation split whose group c has no sample with label 1, and one sample without a group."""
        data, labels, groups = (array[64:] for array in toy)
        names = np.where(groups == 1, "b", "a").astype(object)
        names[:6], names[6] = "c", None
        labels = np.where(names == "c", 0, labels).astype("float32")
        return EvaluateGaps(
            gluon.data.ArrayDataset(data, labels), ["equalized_odds", "equal_opportunity"], groups=names
        )

    def test_a_group_without_a_rate_is_told_once(self, setup, lacking):
        """The rate and the group are named, the pass before the first epoch and later epochs are silent."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            _, history = setup([lacking], epochs=3)
        told = [str(w.message) for w in caught if "Undefined on the validation split" in str(w.message)]
        assert len(told) == 1
        assert "true_positive_rate of c (no samples with label 1). " in told[0]
        assert len(history) == 3

    def test_a_warning_leaves_the_figures_as_they_are(self, make_net, lacking):
        """The gap is that of the other groups."""
        net = make_net()
        with pytest.warns(UserWarning, match="leave the group out: true_positive_rate of c"):
            columns = lacking.evaluate(net)
        rates = CRITERIA["equal_opportunity"].tables(lacking.table(net))["true_positive_rate"]
        assert columns["val_equal_opportunity"] == abs(rates["a"] - rates["b"])

    @pytest.mark.filterwarnings("error::UserWarning")
    def test_where_all_rates_are_defined_nothing_is_said(self, make_net, toy):
        """Samples without a group are no group."""
        data, labels, groups = (array[64:] for array in toy)
        names = [None, *groups[1:].tolist()]
        EvaluateGaps(gluon.data.ArrayDataset(data, labels), groups=names).evaluate(make_net())

    def test_many_groups_without_a_rate_are_not_all_listed(self, make_net, toy):
        """The warning stays readable."""
        names = [f"g{place:02d}" for place in range(96)]
        dataset = gluon.data.ArrayDataset(toy[0], np.zeros(96, "float32"))
        with pytest.warns(UserWarning, match=r"g05 \(no samples with label 1\), and 90 more\. They say nothing"):
            EvaluateGaps(dataset, "equal_opportunity", groups=names).evaluate(make_net())

    @pytest.mark.parametrize("kind", [np.array, list, lambda z: np.array(z, object), lambda z: np.array(z, "S")])
    def test_text_in_the_dataset(self, toy, kind):
        """Gluon cannot batch it: an error when it is made, also beside groups=, says where text goes."""
        names = np.where(toy[2] == 1, "m", "f").tolist()
        dataset = gluon.data.ArrayDataset(toy[0], toy[1], kind(names))
        for options in ({}, {"groups": names}):
            with pytest.raises(InputError, match=r"'validation' must hold numbers.*as item 2 of a sample.*groups="):
                EvaluateGaps(dataset, **options)

    def test_its_repr(self, validation):
        """It names the columns' prefix and the criteria."""
        gaps = EvaluateGaps(validation, ["equalized_odds", "accuracy_parity"], name="dev")
        assert repr(gaps) == "EvaluateGaps(dev: equalized_odds, accuracy_parity)"

    def test_groups_are_encoded_once(self, make_net, toy, monkeypatch):
        """Later epochs use the codes of the first."""
        gaps = EvaluateGaps(gluon.data.ArrayDataset(*[array[64:] for array in toy]))
        net = make_net()
        gaps.evaluate(net)
        made = []
        init = Groups.__init__
        monkeypatch.setattr(Groups, "__init__", lambda self, *a, **k: made.append(1) or init(self, *a, **k))
        gaps.evaluate(net)
        assert made == []


def run(stopping, values, name="val_gap"):
    """Give a callback a column, epoch by epoch, until it stops; return the number of epochs."""
    state = TrainingState(None, None, None, None, len(values))
    stopping.on_train_begin(state)
    for state.epoch, value in enumerate(values):
        state.history.epochs.append({"epoch": state.epoch, name: value})
        stopping.on_epoch_end(state)
        if state.stop:
            break
    return len(state.history)


class TestEarlyStopping:
    """Training ends when a column no longer gets better."""

    @pytest.mark.parametrize(
        ("options", "values", "epochs"),
        [
            ({"patience": 1}, [0.5, 0.4, 0.4, 0.1], 3),
            ({"patience": 2}, [0.5, 0.4, 0.45, 0.3, 0.3, 0.3, 0.1], 6),
            ({"patience": 2, "mode": "max"}, [0.5, 0.6, 0.5, 0.5, 0.9], 4),
            ({"patience": 1, "min_delta": 0.1}, [0.5, 0.3, 0.25, 0.1], 3),
            ({"patience": 2}, [0.5, math.nan, math.nan, 0.1], 3),
            ({"patience": 2}, [math.nan, 0.5, 0.4, 0.3, 0.2], 5),
            ({"patience": 9}, [0.5, 0.6, 0.7], 3),
        ],
    )
    def test_when_it_stops(self, options, values, epochs):
        """After `patience` epochs without an improvement of more than `min_delta`; NaN is none."""
        stopping = EarlyStopping(**options)
        assert run(stopping, values) == epochs
        assert stopping.stopped_epoch == (epochs - 1 if epochs < len(values) else None)

    def test_its_repr(self):
        """It says what it waits for, and when it stopped."""
        stopping = EarlyStopping(patience=1)
        assert repr(stopping) == "EarlyStopping(min val_gap, patience 1: best nan)"
        run(stopping, [0.125, 0.25])
        assert repr(stopping) == "EarlyStopping(min val_gap, patience 1: best 0.125, stopped after epoch 1)"

    def test_a_second_training_starts_anew(self):
        """What the first training saw is forgotten."""
        stopping = EarlyStopping(patience=1)
        assert run(stopping, [0.1, 0.2, 0.3]) == 2
        assert run(stopping, [0.5, 0.4, 0.3]) == 3

    def test_fit_ends(self, setup, validation):
        """No epoch follows the one in which it stopped; on_train_end still runs."""
        ended = []

        class Worse(Callback):
            def on_epoch_end(self, state):
                state.history.epochs[-1]["val_gap"] = float(state.epoch)

            def on_train_end(self, state):
                ended.append(state.epoch)

        stopping = EarlyStopping(patience=2)
        _, history = setup([EvaluateGaps(validation), Worse(), stopping], epochs=9)
        assert (len(history), stopping.stopped_epoch, ended) == (3, 2, [2])

    def test_order_matters_and_is_said(self, setup, validation):
        """Listed before the callback that writes the column, it says what is missing and where to list it."""
        with pytest.raises(InputError, match=r"EarlyStopping must find the column 'val_gap'.*got epoch, loss.*before"):
            setup([EarlyStopping(), EvaluateGaps(validation)])

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"mode": "auto"}, InputError, "'mode' must be one of min, max"),
            ({"patience": 0}, InputError, "'patience' must be at least 1"),
            ({"min_delta": -1}, InputError, "'min_delta' must be 0 or more"),
            ({"min_delta": "a"}, InputTypeError, "'min_delta' must be a number"),
        ],
    )
    def test_errors(self, options, error, message):
        """Arguments are checked when it is made."""
        with pytest.raises(error, match=message):
            EarlyStopping(**options)
