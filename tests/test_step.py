"""GraphStep computes what PlainStep computes, and steps aside where it would not."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon

import mxfair
from mxfair._step import GraphStep, PlainStep, make_step

BCE = gluon.loss.SigmoidBinaryCrossEntropyLoss
SOFTMAX = gluon.loss.SoftmaxCrossEntropyLoss
STEPS = 12


def table(outputs=1, inputs=3, n=20, seed=0):
    """Return data and labels: 0 or 1 for one output, classes for several."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, max(2, outputs), n).astype("float32")
    return mx.nd.array(rng.normal(0, 1, (n, inputs)) + labels[:, None]), mx.nd.array(labels)


def run(net, hybridize, *, loss=None, optimizer="sgd", options=None, batches=None, params=None, steps=STEPS):
    """Take some steps; return the losses, the step and the trainer."""
    loss = loss or BCE()
    options = {"learning_rate": 0.05, **(options or {})}
    trainer = gluon.Trainer(params or net.collect_params(), optimizer, options)
    batches = batches or [table(seed=seed) for seed in range(3)]
    mx.random.seed(11)
    step, _ = make_step(net, loss, trainer, batches[0], hybridize=hybridize)
    losses = []
    for i in range(steps):
        data, label = batches[i % len(batches)]
        losses.append(step((data, label), len(data)))
    return np.concatenate([value.asnumpy() for value in losses]), step, trainer


@pytest.fixture
def both(values_of):
    """Return a function that trains two equal nets, one by each step, and compares weights and losses."""

    def compare(make, **kwargs):
        results = []
        for hybridize in (True, False):
            net = make()
            losses, step, _ = run(
                net,
                hybridize,
                params=kwargs.get("params", lambda net: None)(net),
                **{k: v() if callable(v) else v for k, v in kwargs.items() if k != "params"},
            )
            assert type(step) is (GraphStep if hybridize else PlainStep)
            results.append((values_of(net), losses))
        (graph, graph_losses), (plain, plain_losses) = results
        np.testing.assert_allclose(graph, plain, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(graph_losses, plain_losses, rtol=1e-6, atol=1e-7)

    return compare


OPTIMIZERS = {
    "sgd": ("sgd", {}),
    "momentum": ("sgd", {"momentum": 0.9}),
    "nag": ("nag", {"momentum": 0.9}),
    "adam": ("adam", {}),
    "rmsprop": ("rmsprop", {}),
    "centered rmsprop": ("rmsprop", {"centered": True, "clip_weights": 0.8}),
    "adagrad": ("adagrad", {}),
    "adadelta": ("adadelta", {}),
}
EXTRAS = {
    "alone": dict,
    "weight decay": lambda: {"wd": 0.1},
    "clipped gradients": lambda: {"clip_gradient": 0.01},
    "schedule": lambda: {"lr_scheduler": mx.lr_scheduler.FactorScheduler(step=3, factor=0.5, base_lr=0.05)},
    "rescaled": lambda: {"rescale_grad": 0.5},
}


@pytest.mark.parametrize("extra", EXTRAS)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_elementwise_optimizer_gives_equal_weights(both, make_net, name, extra):
    """One flat update is the update of every parameter by itself."""
    optimizer, options = OPTIMIZERS[name]
    both(make_net, optimizer=optimizer, options=lambda: {**options, **EXTRAS[extra]()})


NETS = {
    "one layer": lambda make: make(hidden=0),
    "dropout": lambda make: make(hidden=8, extra=[gluon.nn.Dropout(0.5)]),
    "batch normalisation": lambda make: make(hidden=8, extra=[gluon.nn.BatchNorm(in_channels=8)]),
    "layer normalisation": lambda make: make(hidden=8, extra=[gluon.nn.LayerNorm(in_channels=8)]),
    "deep": lambda make: make(hidden=8, extra=[gluon.nn.Dense(8, activation="tanh", in_units=8) for _ in range(4)]),
}


@pytest.mark.parametrize("name", NETS)
def test_every_net_gives_equal_weights(both, make_net, name):
    """Layers that behave differently in training, and draw random numbers in it, are trained alike."""
    both(lambda: NETS[name](make_net), optimizer="adam")


def test_running_statistics_are_equal(make_net):
    """Batch normalisation's running mean and variance, which the optimizer does not touch, move alike."""
    statistics = []
    for hybridize in (True, False):
        norm = gluon.nn.BatchNorm(in_channels=4)
        run(make_net(extra=[norm]), hybridize)
        statistics.append(np.concatenate([p.data().asnumpy() for p in (norm.running_mean, norm.running_var)]))
    np.testing.assert_allclose(*statistics, rtol=1e-6)
    assert abs(statistics[0][:4]).max() > 0


def test_softmax_over_classes_gives_equal_weights(both, make_net):
    """Several outputs with SoftmaxCrossEntropyLoss."""
    both(lambda: make_net(4), loss=SOFTMAX, batches=lambda: [table(4)])


def test_integer_labels_are_taken_by_softmax(both, make_net):
    """SoftmaxCrossEntropyLoss takes int labels in both steps."""
    data, label = table(4)
    both(lambda: make_net(4), loss=SOFTMAX, batches=lambda: [(data, label.astype("int32"))])


def test_a_convolutional_net_gives_equal_weights(both):
    """Convolution, pooling and batch normalisation on images."""

    def make():
        mx.random.seed(0)
        net = gluon.nn.HybridSequential()
        net.add(gluon.nn.Conv2D(4, 3, activation="relu"), gluon.nn.BatchNorm(), gluon.nn.MaxPool2D(), gluon.nn.Dense(3))
        net.initialize(mx.init.Xavier())
        return net

    rng = np.random.default_rng(0)
    batch = (mx.nd.array(rng.random((8, 2, 8, 8))), mx.nd.array(rng.integers(0, 3, 8)))
    both(make, loss=SOFTMAX, batches=lambda: [batch], steps=5)


def test_deferred_shapes_give_equal_weights(both):
    """Parameters whose shape the first batch decides are initialized alike."""

    def make():
        mx.random.seed(0)
        net = gluon.nn.HybridSequential()
        net.add(gluon.nn.Dense(4, activation="relu"), gluon.nn.Dense(1))
        net.initialize(mx.init.Xavier())
        return net

    both(make)


def test_batches_of_changing_size_give_equal_weights(both, make_net):
    """Each batch is divided by its own size."""
    both(make_net, optimizer="adam", batches=lambda: [table(n=n) for n in (20, 7, 20, 1, 33)])


def test_shared_parameters_give_equal_weights(both):
    """A layer used twice gets the gradients of both uses."""

    def make():
        mx.random.seed(0)
        net = gluon.nn.HybridSequential()
        first = gluon.nn.Dense(3, in_units=3, activation="tanh")
        net.add(first, gluon.nn.Dense(3, in_units=3, params=first.params), gluon.nn.Dense(1, in_units=3))
        net.initialize(mx.init.Xavier())
        return net

    both(make, optimizer="adam")


def test_frozen_parameters_stay_and_the_others_are_equal(both, make_net):
    """Parameters with grad_req "null" keep their values."""

    def make():
        net = make_net()
        net[0].collect_params().setattr("grad_req", "null")
        return net

    both(make, optimizer="adam")
    net = make()
    before = net[0].weight.data().asnumpy()
    run(net, True)
    np.testing.assert_array_equal(net[0].weight.data().asnumpy(), before)


def test_a_trainer_of_some_parameters_updates_only_those(both, make_net):
    """A trainer over the last layer leaves the first one alone."""
    both(make_net, params=lambda net: net[1].collect_params(), optimizer="adam")
    net = make_net()
    before = net[0].weight.data().asnumpy()
    run(net, True, params=net[1].collect_params())
    np.testing.assert_array_equal(net[0].weight.data().asnumpy(), before)


def test_equal_multipliers_give_equal_weights(both, make_net):
    """An lr_mult and wd_mult that all parameters share are applied."""

    def make():
        net = make_net()
        net.collect_params().setattr("lr_mult", 0.5)
        net.collect_params().setattr("wd_mult", 3.0)
        return net

    both(make, options={"wd": 0.1})


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_graph_steps_after_plain_ones_continue(make_net, values_of, name):
    """Momentum and the like, and the counts of updates, pass from the trainer into the graph step and back."""
    optimizer, options = OPTIMIZERS[name]
    results = []
    for order in ((True, False, True), (False, False, False)):
        net, loss = make_net(), BCE()
        trainer = gluon.Trainer(net.collect_params(), optimizer, {"learning_rate": 0.05, **options})
        for hybridize in order:
            batch = table()
            step, _ = make_step(net, loss, trainer, batch, hybridize=hybridize)
            for _ in range(4):
                step(batch, 20)
        results.append(values_of(net))
    np.testing.assert_allclose(*results, rtol=1e-6, atol=1e-7)


def test_updates_are_counted_for_every_parameter(make_net):
    """After each graph step the optimizer's counts are those of a Trainer: saved states can go on anywhere."""
    counts = [dict(run(make_net(), h, optimizer="adam")[2].optimizer._index_update_count) for h in (True, False)]
    assert counts[0] == counts[1] == dict.fromkeys(range(4), STEPS)


def test_updates_are_counted_by_device(make_net, values_of):
    """On a second device, plain steps go on from the graph step's counts."""
    results = []
    for order in ((True, False), (False, False)):
        net, loss = make_net(), BCE()
        net.collect_params().reset_ctx(mx.cpu(1))
        trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.05})
        data, label = (array.as_in_context(mx.cpu(1)) for array in table())
        for hybridize in order:
            step, _ = make_step(net, loss, trainer, (data, label), hybridize=hybridize)
            assert type(step) is (GraphStep if hybridize else PlainStep)
            for _ in range(4):
                step((data, label), 20)
        results.append(values_of(net))
    np.testing.assert_allclose(*results, rtol=1e-6, atol=1e-7)


def test_losses_that_are_kept_do_not_change(make_net):
    """The graph's static memory is not the memory of the losses: those of early steps are still there at the end."""
    net, batch = make_net(), table()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5})
    step, _ = make_step(net, BCE(), trainer, batch, hybridize=True)
    kept, read = [], []
    for _ in range(20):
        value = step(batch, 20)
        kept.append(value)
        read.append(value.asnumpy().copy())
    np.testing.assert_array_equal([value.asnumpy() for value in kept], read)
    assert read[0].mean() > read[-1].mean()


def test_values_written_between_steps_are_used(both, make_net, values_of):
    """set_data on a parameter is seen by the next step, and by the optimizer's own arithmetic."""
    results = []
    for hybridize in (True, False):
        net, batch = make_net(), table()
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.05, "momentum": 0.9})
        step, _ = make_step(net, BCE(), trainer, batch, hybridize=hybridize)
        for i in range(6):
            step(batch, 20)
            if i == 2:
                net[0].weight.set_data(net[0].weight.data() * 0 + 0.25)
        results.append(values_of(net))
    np.testing.assert_allclose(*results, rtol=1e-6, atol=1e-7)


class Doubled(gluon.Trainer):
    """Steps as for half the batch."""

    def step(self, batch_size, ignore_stale_grad=False):
        """Step."""
        super().step(batch_size / 2, ignore_stale_grad)


class PlainBlock(gluon.Block):
    """A net that cannot be hybridized."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        """Return the inner net's output."""
        return self.inner(x)


class Python(gluon.nn.HybridSequential):
    """A net that computes with shapes, which symbols do not have."""

    def hybrid_forward(self, F, x):
        """Return the output times the number of columns."""
        return super().hybrid_forward(F, x) * x.shape[1]


class WithTemperature(gluon.loss.SigmoidBCELoss):
    """A loss with a parameter of its own."""

    def __init__(self):
        super().__init__()
        self.temperature = self.params.get("temperature", shape=(1,), init="ones")

    def hybrid_forward(self, F, pred, label, temperature):
        """Return the loss of scaled scores."""
        return super().hybrid_forward(F, F.broadcast_mul(pred, temperature), label)


class SGD(mx.optimizer.SGD):
    """An optimizer of the user's that bears the name of one of mxnet's."""

    def update(self, index, weight, grad, state):
        """Step by the sign of the mean: not elementwise."""
        for w, g in zip(weight, grad) if isinstance(weight, (list, tuple)) else [(weight, grad)]:
            w -= 0.01 * g.mean().sign()


def hooked(net):
    """Return the net with a forward hook on its first layer."""
    net[0].register_forward_hook(lambda *_: None)
    return net


def with_mult(net):
    """Return the net with a slower first layer."""
    net[0].collect_params().setattr("lr_mult", 0.1)
    return net


def accumulating(net):
    """Return the net with gradients that add up."""
    net.collect_params().setattr("grad_req", "add")
    return net


def doubled(net):
    """Return the net in float64."""
    net.cast("float64")
    return net


FALLBACKS = {
    "net that is a Block": (lambda net: PlainBlock(net), {}),
    "loss that is a function": (lambda net: net, {"loss": lambda pred, label: BCE()(pred, label)}),
    "hooks": (hooked, {}),
    "different multipliers": (with_mult, {}),
    "gradients that add up": (accumulating, {}),
    "float64": (doubled, {"dtype": "float64"}),
    "optimizer over whole layers": (lambda net: net, {"optimizer": "lamb"}),
    "optimizer with random numbers": (lambda net: net, {"optimizer": "sgld"}),
    "optimizer of the user": (lambda net: net, {"optimizer": lambda: SGD(learning_rate=0.05)}),
    "trainer of the user": (lambda net: net, {"trainer": Doubled}),
    "key-value store": (lambda net: net, {"kvstore": lambda: mx.kv.create("local")}),
    "loss that ignores its label": (lambda net: net, {"loss": lambda: None}),
}


@pytest.mark.parametrize("case", [name for name in FALLBACKS if "ignores" not in name])
def test_whatever_the_graph_does_not_cover_is_trained_plainly(make_net, values_of, case):
    """make_step returns the plain step with a reason, and the weights are those of hybridize=False."""
    change, options = FALLBACKS[case]
    results = []
    for hybridize in (True, False):
        net = change(make_net())
        optimizer = options.get("optimizer", "sgd")
        trainer = options.get("trainer", gluon.Trainer)(
            net.collect_params(),
            optimizer if isinstance(optimizer, str) else optimizer(),
            {"learning_rate": 0.05} if isinstance(optimizer, str) else None,
            kvstore=options["kvstore"]() if "kvstore" in options else "device",
        )
        batch = tuple(array.astype(options.get("dtype", "float32")) for array in table())
        step, reason = make_step(net, options.get("loss", BCE()), trainer, batch, hybridize=hybridize)
        assert type(step) is PlainStep
        assert reason
        mx.random.seed(1)
        for _ in range(4):
            step(batch, 20)
        results.append(values_of(net))
    np.testing.assert_array_equal(*results)


def test_a_net_of_python_is_trained_plainly():
    """Where tracing fails the reason says so, with the error's text."""
    net = Python()
    net.add(gluon.nn.Dense(1, in_units=3))
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "sgd")
    step, reason = make_step(net, BCE(), trainer, table(), hybridize=True)
    assert type(step) is PlainStep
    assert reason.startswith("tracing failed (")


def test_a_loss_with_parameters_in_the_trainer_is_a_graph(make_net, values_of):
    """A trainer that also holds the loss's parameters updates both, as the plain step does."""
    found = []
    for hybridize in (True, False):
        net, loss = make_net(), WithTemperature()
        loss.initialize()
        params = {**net.collect_params(), **loss.collect_params()}
        trainer = gluon.Trainer(params, "adam", {"learning_rate": 0.05})
        step, _ = make_step(net, loss, trainer, table(), hybridize=hybridize)
        assert type(step) is (GraphStep if hybridize else PlainStep)
        for _ in range(STEPS):
            step(table(), 20)
        found.append(np.append(values_of(net), loss.temperature.data().asscalar()))
    assert found[0][-1] != 1
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5, atol=1e-6)


def test_a_loss_with_parameters_outside_the_trainer_is_a_graph(both, make_net):
    """Parameters of the loss that nobody trains are constants of the graph."""

    def loss():
        made = WithTemperature()
        made.initialize()
        made.temperature.set_data(mx.nd.array([3.0]))
        return made

    both(make_net, loss=loss)


def test_a_loss_that_ignores_its_label_is_trained_plainly(make_net):
    """A graph needs both inputs."""

    class NoLabel(gluon.loss.Loss):
        def hybrid_forward(self, F, pred, label):
            return F.mean(pred**2, axis=1)

    net = make_net()
    trainer = gluon.Trainer(net.collect_params(), "sgd")
    assert type(make_step(net, NoLabel(1.0, 0), trainer, table(), hybridize=True)[0]) is PlainStep


def test_a_trained_parameter_that_the_loss_does_not_use_is_gluons_error(make_net):
    """Trainer's own warning about stale gradients is raised, as in a hand-written loop."""
    net = make_net()
    spare = gluon.nn.Dense(1, in_units=2)
    spare.initialize()
    net.register_child(spare)
    net.hybrid_forward = lambda F, x: net[1](net[0](x))
    trainer = gluon.Trainer(net.collect_params(), "sgd")
    batch = table()
    step, _ = make_step(net, BCE(), trainer, batch, hybridize=True)
    with pytest.raises(UserWarning, match="has not been updated by backward"):
        step(batch, 20)


CHANGES = {
    "a frozen parameter": lambda net, trainer: net[0].collect_params().setattr("grad_req", "null"),
    "a new multiplier": lambda net, trainer: net[0].collect_params().setattr("lr_mult", 0.1),
    "new arrays": lambda net, trainer: net.initialize(mx.init.One(), force_reinit=True),
    "a moved net": lambda net, trainer: net.collect_params().reset_ctx(mx.cpu(0)),
    "loaded states": lambda net, trainer: reload(trainer),
}


def reload(trainer, folder=[]):  # noqa: B006  one folder for the module
    """Save and load the trainer's states."""
    import tempfile

    if not folder:
        folder.append(tempfile.TemporaryDirectory())
    trainer.save_states(folder[0].name + "/states")
    trainer.load_states(folder[0].name + "/states")


@pytest.mark.parametrize("change", CHANGES)
def test_a_graph_that_is_out_of_date_says_so(make_net, change):
    """Freezing, reinitializing, moving or reloading between two steps is noticed."""
    net = make_net()
    _, step, trainer = run(net, True, optimizer="adam")
    assert step.current()
    CHANGES[change](net, trainer)
    assert not step.current()


@pytest.mark.parametrize("change", [lambda net: net[0].weight.set_data(mx.nd.ones((4, 3))), lambda net: None])
def test_a_graph_stays_current_when_values_change(make_net, change):
    """Writing values, or nothing, is no reason to trace again."""
    net = make_net()
    _, step, _ = run(net, True)
    change(net)
    assert step.current()


@pytest.mark.parametrize("active", [True, False])
def test_the_nets_own_hybridization_is_left_alone(make_net, active):
    """A hybridized net stays so, another is not made so."""
    net = make_net()
    net.hybridize(active)
    run(net, True)
    assert net._active is active
    assert (net._cached_graph != ()) is active


def test_a_static_net_of_the_user_follows_the_weights(make_net):
    """A net hybridized with static memory before training gives, after it, the trained weights' outputs."""
    net = make_net()
    net.hybridize(static_alloc=True, static_shape=True)
    data, _ = table()
    before = net(data).asnumpy()
    run(net, True)
    after = net(data).asnumpy()
    net.hybridize(False)
    np.testing.assert_allclose(after, net(data).asnumpy(), rtol=1e-6)
    assert abs(after - before).max() > 1e-3


@pytest.mark.parametrize("layer", [gluon.nn.Conv2D, gluon.nn.Conv2DTranspose])
def test_convolutions_are_trained_and_measured_in_turn(layer):
    """Predict mode lays the weights of a convolution out anew: training, predicting and training again work."""
    rng = np.random.default_rng(0)
    X, y = rng.random((64, 3, 8, 8), "float32"), (rng.random(64) > 0.5).astype("float32")
    weights = []
    for hybridize in (True, False):
        mx.random.seed(0)
        net = gluon.nn.HybridSequential()
        net.add(layer(16, 3, in_channels=3), gluon.nn.BatchNorm(in_channels=16), layer(16, 3, in_channels=16))
        net.add(gluon.nn.GlobalAvgPool2D(), gluon.nn.Dense(1, in_units=16))
        net.initialize(mx.init.Xavier())
        trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.01})
        loader = mxfair.data.DataLoader(gluon.data.ArrayDataset(X, y), 16)
        for _ in range(3):
            mxfair.training.fit(net, loader, BCE(), trainer, 1, progress=False, hybridize=hybridize)
            assert np.isfinite(net(mx.nd.array(X)).asnumpy()).all()
        weights.append(np.concatenate([p.data().asnumpy().ravel() for p in net.collect_params().values()]))
    np.testing.assert_allclose(*weights, rtol=2e-3, atol=2e-4)
