import json
import pathlib

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon

from mxfair import training
from mxfair._validation import InputError, InputTypeError
from mxfair.data import DataLoader, FairDataLoader
from mxfair.training import Callback, History, SamplerHistory, TrainingState, _loop, fit

BCE = gluon.loss.SigmoidBinaryCrossEntropyLoss


class Do(Callback):
    """Runs functions of the state at moments given by name."""

    def __init__(self, **moments):
        self._moments = moments

    def _run(self, moment, state):
        if moment in self._moments:
            self._moments[moment](state)

    def on_train_begin(self, state):
        """Run `begin`."""
        self._run("begin", state)

    def on_epoch_begin(self, state):
        """Run `epoch_begin`."""
        self._run("epoch_begin", state)

    def on_batch_end(self, state):
        """Run `batch_end`."""
        self._run("batch_end", state)

    def on_epoch_end(self, state):
        """Run `epoch_end`."""
        self._run("epoch_end", state)

    def on_train_end(self, state):
        """Run `end`."""
        self._run("end", state)


def at(moment, where, function):
    """Return a callback that runs a function of the state once: at an epoch, or at an (epoch, batch)."""

    def when(state):
        if where in (state.epoch, (state.epoch, state.batch)):
            function(state)

    return Do(**{moment: when})


class Setup:
    """A net, its trainer and a loader over the toy data."""

    def __init__(self, net, toy, optimizer="adam", *, batch_size=20, loss=None, **options):
        self.net, self.loss = net, loss or BCE()
        self.trainer = gluon.Trainer(net.collect_params(), optimizer, {"learning_rate": 0.05, **options})
        self.dataset = gluon.data.ArrayDataset(toy[0], toy[1])
        self.loader = DataLoader(self.dataset, batch_size, shuffle=True, seed=0)

    def fit(self, epochs=3, **kwargs):
        """Run fit, quietly."""
        return fit(self.net, self.loader, self.loss, self.trainer, epochs, progress=False, **kwargs)

    def loop(self, epochs=3):
        """Run a hand-written loop; return the mean loss of each epoch."""
        means = []
        for _ in range(epochs):
            losses = []
            for data, label in self.loader:
                with autograd.record():
                    value = self.loss(self.net(data), label)
                value.backward()
                self.trainer.step(len(data))
                losses.append(value.asnumpy())
            means.append(np.concatenate(losses).mean(dtype=np.float64))
        return means


CHANGES = {
    "another learning rate": lambda state: state.trainer.set_learning_rate(0.5),
    "written weights": lambda state: state.net[0].weight.set_data(state.net[0].weight.data() * 0 + 0.25),
    "a frozen layer": lambda state: state.net[0].collect_params().setattr("grad_req", "null"),
    "a slower layer": lambda state: state.net[0].collect_params().setattr("lr_mult", 0.1),
    "weight decay of one layer": lambda state: state.net[0].collect_params().setattr("wd_mult", 50),
    "new weights": lambda state: (mx.random.seed(3), state.net.initialize(mx.init.Xavier(), force_reinit=True)),
    "clipping": lambda state: setattr(state.trainer.optimizer, "clip_gradient", 0.01),
}
LOADERS = {
    "no label": ([mx.nd.ones((4, 3))], InputError, "got a batch without a label"),
    "one item": ([[mx.nd.ones((4, 3))]], InputError, "got a batch without a label"),
    "no batch": ([], InputError, "must yield at least one batch; got none"),
    "NumPy": (
        [(np.ones((4, 3)), np.ones(4))],
        InputTypeError,
        "as NDArrays; got ndarray. Use mxfair.data.DataLoader",
    ),
    "two inputs": ([([mx.nd.ones((4, 3))] * 2, mx.nd.ones(4))], InputTypeError, "as NDArrays; got list"),
}


@pytest.fixture
def setup(make_net, toy):
    """Return a function that makes equal setups."""
    return lambda *args, **kwargs: Setup(make_net(), toy, *args, **kwargs)


@pytest.fixture(params=[True, False], ids=["graph", "plain"])
def hybridize(request):
    """Run a test with both steps."""
    return request.param


class TestNumbers:
    """fit gives the numbers of a hand-written loop, also around other work on net and trainer."""

    @pytest.fixture(autouse=True)
    def _values(self, values_of):
        self.same = lambda *nets: np.testing.assert_allclose(*map(values_of, nets), rtol=1e-6, atol=1e-6)

    def test_the_weights_are_a_hand_written_loops(self, setup, hybridize):
        """Three epochs, the last batch of each smaller."""
        one, other = setup(), setup()
        one.fit(hybridize=hybridize)
        other.loop()
        self.same(one.net, other.net)

    def test_the_loss_history_is_the_mean_over_the_samples(self, setup, hybridize):
        """Each epoch's loss is the mean over its samples, a smaller last batch counting for less."""
        np.testing.assert_allclose(setup().fit(hybridize=hybridize)["loss"], setup().loop(), rtol=1e-6)

    def test_more_batches_than_the_queue_are_all_in_the_mean(self, setup, monkeypatch, hybridize):
        """The losses of an epoch longer than the queue are read in pieces, none twice or never."""
        monkeypatch.setattr(_loop, "QUEUE", 4)
        one = setup(batch_size=7)
        np.testing.assert_allclose(one.fit(hybridize=hybridize)["loss"], setup(batch_size=7).loop(), rtol=1e-6)

    @pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
    def test_two_fits_are_one_long_fit(self, setup, optimizer, hybridize):
        """The second fit goes on exactly where the first one ended."""
        one, other = setup(optimizer), setup(optimizer)
        one.fit(2, hybridize=hybridize), one.fit(3, hybridize=hybridize)
        other.fit(5, hybridize=hybridize)
        self.same(one.net, other.net)

    def test_a_schedule_goes_on_in_the_second_fit(self, setup):
        """The learning rate of a schedule depends on all updates, not on those of this fit."""
        make = lambda: setup("sgd", lr_scheduler=mx.lr_scheduler.FactorScheduler(4, 0.7, base_lr=0.3))  # noqa: E731
        one, other = make(), make()
        one.fit(2), one.fit(2)
        other.loop(4)
        self.same(one.net, other.net)
        assert one.trainer.learning_rate == other.trainer.learning_rate < 0.3

    @pytest.mark.parametrize("optimizer", ["adam", "nag", "adadelta"])
    def test_a_hand_written_loop_goes_on_after_fit(self, setup, optimizer):
        """Optimizer states and counts are the trainer's when fit returns."""
        one, other = setup(optimizer), setup(optimizer)
        one.fit(2), one.loop(2), one.fit(1)
        other.loop(5)
        self.same(one.net, other.net)

    def test_a_fit_that_was_interrupted_can_be_gone_on_with(self, setup):
        """After an error in the middle of an epoch the trainer's states are those of the steps that were made."""

        def interrupt(state):
            raise KeyboardInterrupt

        one, other = setup(), setup()
        with pytest.raises(KeyboardInterrupt):
            one.fit(callbacks=[at("batch_end", (1, 2), interrupt)])
        one.loop(1)
        batches = [list(other.loader), list(other.loader)[:3]]
        later = other.loader
        for other.loader in batches:
            other.loop(1)
        other.loader = later
        other.loop(1)
        self.same(one.net, other.net)

    @pytest.mark.parametrize("moment", ["epoch_end", "batch_end"])
    def test_states_saved_by_a_callback_resume_exactly(self, setup, tmp_path, moment, hybridize):
        """Trainer.save_states in a callback, loaded into a new trainer, goes on as the loop would have."""

        def save(state):
            state.net.save_parameters(str(tmp_path / "net"))
            state.trainer.save_states(str(tmp_path / "trainer"))

        one, resumed = setup(), setup()
        one.fit(1, callbacks=[Do(**{moment: save})], hybridize=hybridize)
        resumed.net.load_parameters(str(tmp_path / "net"))
        resumed.trainer.load_states(str(tmp_path / "trainer"))
        for setup_ in (one, resumed):
            setup_.loader = DataLoader(setup_.dataset, 20)
            setup_.loop(2)
        self.same(one.net, resumed.net)

    def test_states_saved_before_fit_are_used_by_it(self, setup, tmp_path, hybridize):
        """States loaded into a new trainer are where fit starts from."""
        one, resumed = setup(), setup()
        one.loop(2)
        one.net.save_parameters(str(tmp_path / "net"))
        one.trainer.save_states(str(tmp_path / "trainer"))
        resumed.net.load_parameters(str(tmp_path / "net"))
        resumed.trainer.load_states(str(tmp_path / "trainer"))
        for setup_ in (one, resumed):
            setup_.loader = DataLoader(setup_.dataset, 20)
        one.loop(2)
        resumed.fit(2, hybridize=hybridize)
        self.same(one.net, resumed.net)

    @pytest.mark.parametrize("change", CHANGES)
    @pytest.mark.parametrize(("moment", "where"), [("epoch_begin", 1), ("epoch_end", 0), ("batch_end", (1, 1))])
    def test_what_a_callback_changes_takes_effect(self, setup, change, moment, where):
        """Between two epochs or two batches, the graph follows the change as the plain step does."""
        setups = [setup(wd=0.01), setup(wd=0.01)]
        for setup_, hybridize in zip(setups, (True, False)):
            setup_.fit(callbacks=[at(moment, where, CHANGES[change])], hybridize=hybridize)
        self.same(*[s.net for s in setups])

    def test_a_layer_may_be_unfrozen_on_the_way(self, make_net, toy):
        """A layer that starts frozen is trained from the epoch in which a callback frees it."""
        nets = []
        for hybridize in (True, False):
            net = make_net()
            net[0].collect_params().setattr("grad_req", "null")
            free = at("epoch_begin", 1, lambda state: state.net[0].collect_params().setattr("grad_req", "write"))
            Setup(net, toy).fit(callbacks=[free], hybridize=hybridize)
            nets.append(net)
        self.same(*nets)
        assert abs(nets[0][0].weight.data() - make_net()[0].weight.data()).asnumpy().max() > 0.01

    def test_states_loaded_by_a_callback_are_used(self, setup, tmp_path):
        """A callback that goes back to a checkpoint, states and weights, is followed."""

        def save(state):
            state.net.save_parameters(str(tmp_path / "net"))
            state.trainer.save_states(str(tmp_path / "trainer"))

        def load(state):
            state.net.load_parameters(str(tmp_path / "net"))
            state.trainer.load_states(str(tmp_path / "trainer"))

        setups = [setup(), setup()]
        for setup_, hybridize in zip(setups, (True, False)):
            back = [at("epoch_end", 0, save), at("epoch_end", 1, load)]
            setup_.fit(3, callbacks=back, hybridize=hybridize)
        self.same(*[s.net for s in setups])

    def test_a_trainer_of_the_users_own_class_steps_in_its_own_way(self, setup, hybridize):
        """A Trainer subclass, which may clip or exchange gradients, is not stepped around."""

        class Still(gluon.Trainer):
            def step(self, batch_size, ignore_stale_grad=False):
                pass

        one, other = setup(), setup()
        one.trainer = Still(one.net.collect_params(), "sgd")
        one.fit(hybridize=hybridize)
        self.same(one.net, other.net)

    def test_a_net_of_python_is_trained_with_a_warning(self, setup):
        """A net that cannot be traced trains plainly, with equal numbers, and says so once."""

        class Scaled(gluon.nn.HybridSequential):
            def hybrid_forward(self, F, x):
                return super().hybrid_forward(F, x) * x.shape[1]

        one, other = setup(), setup()
        for setup_ in (one, other):
            scaled = Scaled()
            scaled.add(*setup_.net)
            setup_.net = scaled
        with pytest.warns(RuntimeWarning, match="plain, slower loop: tracing failed") as caught:
            one.fit()
        assert len(caught) == 1
        other.loop()
        self.same(one.net, other.net)

    def test_global_random_state_is_not_read(self, setup):
        """NumPy's global seed makes no difference."""
        setups = [setup(), setup()]
        for seed, setup_ in enumerate(setups):
            np.random.seed(seed)  # noqa: NPY002
            setup_.fit()
        self.same(*[s.net for s in setups])


class TestTheNetAfterwards:
    """What fit leaves behind is an ordinary net."""

    def test_parameters_can_be_saved_and_loaded(self, setup, values_of, tmp_path):
        """A file written after fit gives the same net."""
        one, other = setup(), setup()
        one.fit()
        one.net.save_parameters(str(tmp_path / "net"))
        other.net.load_parameters(str(tmp_path / "net"))
        np.testing.assert_array_equal(values_of(one.net), values_of(other.net))

    def test_parameters_can_be_loaded_into_it(self, setup, values_of, tmp_path):
        """Loading into a net after fit changes the outputs of the net."""
        one, other = setup(), setup()
        other.net.save_parameters(str(tmp_path / "net"))
        one.fit()
        one.net.load_parameters(str(tmp_path / "net"))
        np.testing.assert_array_equal(values_of(one.net), values_of(other.net))

    def test_it_can_be_cast(self, setup, toy):
        """cast("float64") works, and so does training on."""
        one = setup()
        one.fit(1)
        before = one.net(mx.nd.array(toy[0])).asnumpy()
        one.net.cast("float64")
        after = one.net(mx.nd.array(toy[0], dtype="float64")).asnumpy()
        np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-6)

    def test_it_can_be_hybridized_and_exported(self, setup, toy, tmp_path):
        """hybridize(), export() and SymbolBlock.imports() give the net's outputs."""
        one = setup()
        one.fit(1)
        data = mx.nd.array(toy[0])
        expected = one.net(data).asnumpy()
        one.net.hybridize()
        one.net(data)
        one.net.export(str(tmp_path / "net"))
        loaded = gluon.SymbolBlock.imports(
            str(tmp_path / "net-symbol.json"), ["data"], str(tmp_path / "net-0000.params")
        )
        np.testing.assert_allclose(loaded(data).asnumpy(), expected, rtol=1e-6)

    def test_its_gradients_can_be_read(self, setup, toy):
        """After another backward the gradients are there, in each parameter's shape."""
        one = setup()
        one.fit(1)
        with autograd.record():
            value = one.loss(one.net(mx.nd.array(toy[0])), mx.nd.array(toy[1]))
        value.backward()
        assert one.net[0].weight.grad().shape == (4, 3)
        assert abs(one.net[0].weight.grad()).sum().asscalar() > 0

    def test_its_arrays_do_not_overlap(self, setup):
        """Writing one parameter leaves the others alone."""
        one = setup()
        one.fit(1)
        before = one.net[1].weight.data().asnumpy()
        one.net[0].bias.set_data(mx.nd.ones(4) * 9)
        one.net[0].weight.set_data(mx.nd.ones((4, 3)) * 9)
        np.testing.assert_array_equal(one.net[1].weight.data().asnumpy(), before)

    def test_a_copy_of_the_weights_does_not_change_later(self, setup):
        """Weights read before further training keep their values."""
        one = setup()
        one.fit(1)
        kept = one.net[0].weight.data().copy()
        before = kept.asnumpy()
        one.fit(1)
        np.testing.assert_array_equal(kept.asnumpy(), before)

    def test_a_second_trainer_can_take_over(self, setup, values_of):
        """A new optimizer over the same parameters trains the same net."""
        one, other = setup(), setup()
        one.fit(1), other.loop(1)
        for setup_ in (one, other):
            setup_.trainer = gluon.Trainer(setup_.net.collect_params(), "sgd", {"learning_rate": 0.1, "momentum": 0.9})
        one.fit(2), other.loop(2)
        np.testing.assert_allclose(values_of(one.net), values_of(other.net), rtol=1e-6, atol=1e-6)

    def test_weights_can_be_read_during_training(self, setup, hybridize):
        """A callback sees the weights of the moment."""
        seen = []
        one = setup()
        one.fit(
            1,
            callbacks=[Do(batch_end=lambda state: seen.append(state.net[0].weight.data().asnumpy()))],
            hybridize=hybridize,
        )
        assert len(seen) == 5
        assert all(abs(a - b).max() > 0 for a, b in zip(seen, seen[1:]))
        np.testing.assert_array_equal(seen[-1], one.net[0].weight.data().asnumpy())


class TestCallbacks:
    """When callbacks run, what they see and what they can do."""

    def test_their_order(self, setup):
        """Moments come in order, and at each the callbacks run as listed."""
        log = []

        def noting(name):
            moments = ("begin", "epoch_begin", "epoch_end", "end")
            return Do(**{moment: lambda state, moment=moment: log.append((moment, name)) for moment in moments})

        setup().fit(2, callbacks=[noting("a"), noting("b")])
        epoch = [("epoch_begin", "a"), ("epoch_begin", "b"), ("epoch_end", "a"), ("epoch_end", "b")]
        assert log == [("begin", "a"), ("begin", "b"), *epoch, *epoch, ("end", "a"), ("end", "b")]

    def test_they_run_after_every_batch(self, setup):
        """on_batch_end sees the numbers of epoch and batch."""
        seen = []
        setup().fit(2, callbacks=[Do(batch_end=lambda state: seen.append((state.epoch, state.batch)))])
        assert seen == [(epoch, batch) for epoch in range(2) for batch in range(5)]

    def test_they_see_the_arguments_of_fit(self, setup):
        """The state holds net, loader, loss, trainer and epochs."""
        seen, one = [], setup()
        one.fit(1, callbacks=[Do(begin=seen.append)])
        (state,) = seen
        assert isinstance(state, TrainingState)
        assert (state.net, state.loader, state.loss, state.trainer) == (one.net, one.loader, one.loss, one.trainer)
        assert state.epochs == 1

    def test_the_epochs_entry_is_there_when_it_ends(self, setup):
        """on_epoch_end may read the loss and add to the entry."""
        history = setup().fit(
            2,
            callbacks=[
                Do(epoch_end=lambda state: state.history.epochs[-1].update(twice=2 * state.history["loss"][-1]))
            ],
        )
        assert history["twice"] == [2 * loss for loss in history["loss"]]

    def test_stop_ends_training_after_the_epoch(self, setup):
        """The epoch in which stop is set is finished, the next one not begun."""
        history = setup().fit(9, callbacks=[at("batch_end", (1, 0), lambda state: setattr(state, "stop", True))])
        assert len(history) == 2

    def test_they_run_before_a_fair_sampler_measures(self, make_net, toy):
        """What on_epoch_begin does to the net is in the measurement of that epoch."""
        net, loss, log = make_net(), BCE(), []
        dataset = gluon.data.ArrayDataset(*toy)
        loader = FairDataLoader(dataset, 16, net=net, loss=loss, signal=lambda: log.append("signal") or toy[1])
        trainer = gluon.Trainer(net.collect_params(), "sgd")
        fit(net, loader, loss, trainer, 2, callbacks=[Do(epoch_begin=lambda _: log.append("callback"))], progress=False)
        assert log == ["callback", "signal"] * 2

    @pytest.mark.parametrize("moment", ["epoch_begin", "batch_end", "epoch_end"])
    def test_the_end_runs_after_an_error(self, setup, moment):
        """on_train_end is called, and the error comes through."""
        ended = []

        def fail(state):
            raise RuntimeError("mine")

        with pytest.raises(RuntimeError, match="mine"):
            setup().fit(callbacks=[Do(**{moment: fail}), Do(end=ended.append)])
        assert len(ended) == 1

    def test_every_end_runs_even_if_one_fails(self, setup):
        """A callback that fails at the end does not keep the next one from ending."""
        ended = []

        def fail(state):
            raise RuntimeError("mine")

        with pytest.raises(RuntimeError, match="mine"):
            setup().fit(1, callbacks=[Do(end=fail), Do(end=ended.append)])
        assert len(ended) == 1

    def test_an_iterator_of_callbacks_is_enough(self, setup):
        """callbacks= may be read only once."""
        seen = []
        setup().fit(1, callbacks=iter([Do(end=seen.append)]))
        assert len(seen) == 1

    @pytest.mark.parametrize(
        ("callbacks", "message"),
        [
            ([print], "'callbacks' must hold Callback objects; got <built-in function print>"),
            ([Callback], "'callbacks' must hold Callback objects; got <class"),
            (Callback(), "'callbacks' must be a list of Callback objects; got <mxfair"),
        ],
    )
    def test_what_is_no_callback_is_refused(self, setup, callbacks, message):
        """Functions, classes and a single callback are named in the error, before training."""
        with pytest.raises(InputTypeError, match=message):
            setup().fit(callbacks=callbacks)


class TestErrors:
    """What cannot be trained on is said early and clearly."""

    @pytest.mark.parametrize("epochs", [0, -1])
    def test_epochs_are_at_least_one(self, setup, epochs):
        """No epoch is no training."""
        with pytest.raises(InputError, match="'epochs' must be at least 1"):
            setup().fit(epochs)

    def test_an_uninitialized_net_is_refused(self, setup):
        """The message says to call net.initialize()."""
        one = setup()
        with pytest.raises(InputError, match=r"'net' must be initialized.*net\.initialize\(\)"):
            fit(gluon.nn.Dense(1), one.loader, one.loss, one.trainer, 1, progress=False)

    @pytest.mark.parametrize("case", LOADERS)
    def test_a_loader_of_something_else_is_refused(self, setup, case, hybridize):
        """The message says what a batch must be."""
        one = setup()
        one.loader, error, message = LOADERS[case]
        with pytest.raises(error, match=message):
            one.fit(hybridize=hybridize)

    def test_a_loader_that_is_used_up_is_refused(self, setup):
        """A generator has nothing left for the second epoch: no silent epoch without training."""
        one = setup()
        one.loader = iter(list(one.loader))
        with pytest.raises(InputError, match="at least one batch; got none"):
            one.fit(2)

    def test_a_loss_that_averages_over_the_batch_is_refused_before_a_step(self, setup, values_of, hybridize):
        """The message says not to average, and no weight has changed."""

        class Mean(BCE):
            def hybrid_forward(self, F, pred, label):
                return super().hybrid_forward(F, pred, label).mean()

        one = setup(loss=Mean())
        before = values_of(one.net)
        with pytest.raises(InputError, match=r"one value per sample, shape \(20,\); got \(1,\). Do not average"):
            one.fit(hybridize=hybridize)
        np.testing.assert_array_equal(values_of(one.net), before)

    def test_divergence_is_an_error(self, setup, hybridize):
        """A loss that is not finite ends training with epoch, cause and cure."""
        one = setup("sgd", learning_rate=1e30)
        with pytest.raises(FloatingPointError, match=r"loss of epoch 0 is .*diverged. Lower the learning rate"):
            one.fit(hybridize=hybridize)

    def test_missing_features_are_an_error(self, setup, hybridize):
        """NaN that relu turns into 0 leaves the loss finite, but not the weights: the message has it as a cause."""
        one = setup()
        one.dataset._data[0][3, 1] = np.nan
        with pytest.raises(FloatingPointError, match=r"Parameter .*weight of epoch 0 is nan.*missing or unscaled"):
            one.fit(1, hybridize=hybridize)

    def test_an_error_inside_the_engine_ends_the_epoch(self, setup, hybridize):
        """A label of another length is the engine's error, not a silent epoch."""
        one = setup()
        one.loader = [(mx.nd.ones((4, 3)), mx.nd.ones(4)), (mx.nd.ones((4, 3)), mx.nd.ones(5))]
        with pytest.raises(mx.MXNetError):
            one.fit(1, hybridize=hybridize)


class TestMemory:
    """Nothing piles up over an epoch."""

    def test_the_loop_waits_for_an_early_batch(self, setup, monkeypatch):
        """Once the queue is full, each batch waits for the one a queue's length before it."""
        monkeypatch.setattr(_loop, "QUEUE", 3)
        waits = []
        monkeypatch.setattr(mx.nd.NDArray, "wait_to_read", lambda self: waits.append(self.shape))
        setup(batch_size=8).fit(1)
        assert waits == [(8,)] * 9

    @pytest.mark.parametrize("optimizer", ["sgd", "adam"])
    def test_memory_does_not_grow_with_the_batches(self, make_net, optimizer, hybridize, monkeypatch):
        """300 batches of a megabyte do not stay in memory."""
        monkeypatch.setattr(_loop, "QUEUE", 8)  # memory also holds what waits in the queue: up to 256 MB by default
        statm = pathlib.Path("/proc/self/statm")
        if not statm.exists():
            pytest.skip("needs /proc to read the memory in use")

        def megabytes():
            return int(statm.read_text().split()[1]) * 4096 / 2**20

        sizes = []

        def batches():
            for number in range(600):
                if number in (300, 599):
                    mx.nd.waitall()
                    sizes.append(megabytes())
                yield mx.nd.ones((256, 1000)), mx.nd.ones(256)

        net = make_net(inputs=1000)
        trainer = gluon.Trainer(net.collect_params(), optimizer)
        fit(net, batches(), BCE(), trainer, 1, progress=False, hybridize=hybridize)
        assert sizes[1] - sizes[0] < 50


class TestHistory:
    """The numbers of each epoch."""

    def test_a_column_is_a_list(self, setup):
        """history["loss"] has one value an epoch; an unknown column None."""
        history = setup().fit(3)
        assert len(history) == len(history["loss"]) == 3
        assert history["epoch"] == [0, 1, 2]
        assert history["gap"] == [None] * 3

    def test_it_is_a_sequence_of_epochs(self, setup):
        """Iteration ends, and a number is an epoch."""
        history = setup().fit(2)
        assert [entry["epoch"] for entry in history] == [0, 1]
        assert history[-1] is history.epochs[1]

    def test_it_becomes_a_data_frame(self, setup):
        """to_frame has a row per epoch."""
        frame = setup().fit(2).to_frame()
        assert list(frame.columns) == ["epoch", "loss", "seconds"]
        assert len(frame) == 2

    def test_it_says_how_it_went(self, setup):
        """The repr has the number of epochs and the last loss."""
        history = setup().fit(2)
        assert repr(history) == f"History(2 epochs, loss {history['loss'][-1]:.4f})"
        assert repr(History()) == "History(0 epochs)"

    @pytest.mark.parametrize("kind", ["FairDataLoader", "batch_sampler"])
    @pytest.mark.parametrize("dtype", ["float32", "int64", "bool"])
    def test_a_fair_samplers_gap_and_shares_are_in_it(self, make_net, toy, kind, dtype):
        """Each epoch has the gap before it and its shares, also with Gluon's own loader around the sampler."""
        data, labels, groups = toy
        net, loss = make_net(), BCE()
        names = np.where(groups == 1, "m", "f")
        dataset = gluon.data.ArrayDataset(data, labels)
        fair = FairDataLoader(dataset, 16, net=net, loss=loss, labels=labels.astype(dtype), groups=names, seed=0)
        loader = fair if kind == "FairDataLoader" else gluon.data.DataLoader(dataset, batch_sampler=fair.batch_sampler)
        history = fit(net, loader, loss, gluon.Trainer(net.collect_params(), "sgd"), 2, progress=False)
        sampler = fair.batch_sampler
        assert history["gap"] == [entry["gap"] for entry in sampler.history]
        assert history["share[1, m]"] == [entry["shares"][1][1] for entry in sampler.history]
        assert {"share[0, f]", "share[0, m]", "share[1, f]"} <= set(history.epochs[0])

    def test_it_fits_in_json(self, make_net, toy):
        """All values are plain numbers."""
        net, loss = make_net(), BCE()
        loader = FairDataLoader(gluon.data.ArrayDataset(*toy), 16, net=net, loss=loss, seed=0)
        history = fit(net, loader, loss, gluon.Trainer(net.collect_params(), "sgd"), 1, progress=False)
        assert json.loads(json.dumps(history.epochs)) == history.epochs

    def test_a_controller_of_losses_has_no_gap(self, make_net, toy):
        """Where the sampler measures losses the column is left out."""
        net, loss = make_net(), BCE()
        loader = FairDataLoader(gluon.data.ArrayDataset(*toy), 16, net=net, loss=loss, controller="paper", seed=0)
        history = fit(net, loader, loss, gluon.Trainer(net.collect_params(), "sgd"), 1, progress=False)
        assert "gap" not in history.epochs[0]

    def test_a_plain_loader_adds_no_columns(self, setup):
        """SamplerHistory does nothing without a fair sampler."""
        one = setup()
        history = History()
        history.epochs.append({"epoch": 0})
        SamplerHistory().on_epoch_end(TrainingState(one.net, one.loader, one.loss, one.trainer, 1, history))
        assert history.epochs == [{"epoch": 0}]


class TestProgress:
    """The bar."""

    def test_it_shows_text_and_loss(self, setup, capsys):
        """progress="..." shows the text, the epochs and the last loss."""
        one = setup()
        history = fit(one.net, one.loader, one.loss, one.trainer, 2, progress="toy data")
        shown = "".join(capsys.readouterr())
        assert "toy data" in shown
        assert "2/2" in shown
        assert f"loss {history['loss'][-1]:.4f}" in shown

    def test_it_is_silent_where_nobody_watches(self, setup, capsys):
        """By default nothing is printed outside a terminal."""
        one = setup()
        fit(one.net, one.loader, one.loss, one.trainer, 1)
        assert "".join(capsys.readouterr()) == ""


class TestAnnealedAttributes:
    """Net and loss may be changed by a callback between epochs."""

    def test_a_changed_attribute_takes_effect_at_the_next_epoch(self):
        """A callback that switches the loss off gives a loss of 0 from the next epoch on, hybridized or not."""

        class SwitchOff(training.Callback):
            def on_epoch_end(self, state):
                state.loss._weight = 0.0

        X, y = np.eye(8, dtype="float32"), np.tile(np.float32([0, 1]), 4)
        for hybridize in (True, False):
            net = gluon.nn.Dense(1, in_units=8)
            net.initialize()
            loss = gluon.loss.SigmoidBinaryCrossEntropyLoss(weight=1.0)
            trainer = gluon.Trainer(net.collect_params(), "sgd")
            loader = DataLoader(gluon.data.ArrayDataset(X, y), 4)
            history = training.fit(
                net, loader, loss, trainer, 3, callbacks=[SwitchOff()], progress=False, hybridize=hybridize
            )
            assert history["loss"][0] > 0.5
            assert history["loss"][1:] == [0.0, 0.0]


def test_a_loader_that_measures_another_net_is_noticed():
    """Training one net on batches chosen for another warns."""
    X, y = np.eye(8, dtype="float32"), np.tile(np.float32([0, 1]), 4)
    nets = [gluon.nn.Dense(1, in_units=8) for _ in range(2)]
    for net in nets:
        net.initialize()
    loss = gluon.loss.SigmoidBinaryCrossEntropyLoss()
    dataset = gluon.data.ArrayDataset(X, y, np.repeat(np.float32([0, 1]), 4))
    loader = FairDataLoader(dataset, 4, net=nets[0], loss=loss)
    trainer = gluon.Trainer(nets[1].collect_params(), "sgd")
    with pytest.warns(UserWarning, match="another net"):
        fit(nets[1], loader, loss, trainer, 1, progress=False)
