"""GradientMonitor: figures against formulas and a loop, signs on nets that are made to show them, nothing disturbed."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import mxfair
from mxfair._compat import import_mxnet
from mxfair.explain import GradientMonitor
from mxfair.explain.plots import gradients

mx = import_mxnet()
gluon, nn = mx.gluon, mx.gluon.nn
LOSS = gluon.loss.SigmoidBinaryCrossEntropyLoss()


@pytest.fixture(scope="module")
def people():
    """Return data, labels and groups, where what predicts the label of one group says the opposite of the other."""
    rng = np.random.default_rng(0)
    X, z = rng.normal(size=(1200, 6)).astype("float32"), rng.integers(0, 2, 1200)
    score = np.where(z == 0, X[:, 0], -X[:, 0]) + X[:, 1]
    return X, (score > 0).astype("float32"), np.array(["a", "b"])[z]


def mlp(activation, depth=2, width=16):
    """Return an uninitialized perceptron."""
    net = nn.HybridSequential()
    for _ in range(depth):
        net.add(nn.Dense(width, activation=activation))
    net.add(nn.Dense(1))
    return net


def trained(net, people, callbacks, *, init=None, rate=0.1, epochs=2, optimizer="sgd", **kwargs):
    """Train a net from a fixed seed."""
    mx.random.seed(7)
    net.initialize(init or mx.init.Xavier(), force_reinit=True)
    trainer = gluon.Trainer(net.collect_params(), optimizer, {"learning_rate": rate})
    loader = mxfair.data.DataLoader(gluon.data.ArrayDataset(*people[:2]), 100, shuffle=True, seed=1)
    return mxfair.training.fit(net, loader, LOSS, trainer, epochs, callbacks=callbacks, progress=False, **kwargs)


def signs(monitor):
    """Return what was found."""
    return set(monitor.findings()["sign"])


def test_gradient_of_a_linear_net_is_the_formula(people):
    """Norms, angles and weights of logistic regression are those of X'(p - y) / n."""
    X, y, groups = people
    net = nn.Dense(1, in_units=6)
    net.initialize(mx.init.Normal(0.5))
    monitor = GradientMonitor(X, y, groups, rows=10_000)
    monitor.measure(net, LOSS, 0)
    w, b = net.weight.data().asnumpy()[0], net.bias.data().asnumpy()
    by_group, sizes = {}, {}
    for name in "ab":
        mine = groups == name
        drawn, labels = monitor._drawn["ab".index(name)]
        error = 1 / (1 + np.exp(-(drawn @ w + b))) - labels
        by_group[name] = np.append(drawn.T @ error, error.sum()) / len(labels)
        sizes[name] = mine.sum()
    frame = monitor.to_frame().set_index("group")
    for name, gradient in by_group.items():
        assert frame.loc[name, "gradient_norm"] == pytest.approx(np.linalg.norm(gradient), rel=1e-4)
    a, b_ = by_group["a"], by_group["b"]
    cosine = a @ b_ / np.linalg.norm(a) / np.linalg.norm(b_)
    assert monitor.conflicts()["cosine"].item() == pytest.approx(cosine, abs=1e-4)
    overall = (sizes["a"] * a + sizes["b"] * b_) / len(y)
    assert frame.loc["overall", "gradient_norm"] == pytest.approx(np.linalg.norm(overall), rel=1e-4)
    alignment = a @ overall / np.linalg.norm(a) / np.linalg.norm(overall)
    assert frame.loc["a", "alignment"] == pytest.approx(alignment, abs=1e-4)
    weight = np.sqrt((w**2).sum() + (b**2).sum())
    assert frame.loc["a", "weight_norm"] == pytest.approx(weight, rel=1e-5)
    assert frame.loc["a", "relative_gradient"] == pytest.approx(np.linalg.norm(a) / weight, rel=1e-4)


def test_layers_of_a_convolutional_net_agree_with_autograd():
    """By layer, gradient norms and outputs are those that a recorded pass and the blocks themselves give."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(8, 2, 6, 6)).astype("float32")
    y = np.tile([0.0, 1.0], 4).astype("float32")
    net = nn.HybridSequential()
    net.add(nn.Conv2D(3, 3), nn.BatchNorm(), nn.Activation("relu"), nn.Flatten(), nn.Dense(1))
    net.initialize(mx.init.Xavier())
    monitor = GradientMonitor(X, y, ["a"] * 8)
    monitor.measure(net, LOSS, 0)
    drawn, labels = (mx.nd.array(part) for part in monitor._drawn[0])
    with mx.autograd.record(train_mode=False):
        LOSS(net(drawn), labels).mean().backward(train_mode=False)  # by default it goes back as in training
    frame = monitor.to_frame().query("group == 'a'").set_index("layer")
    assert list(frame.index) == ["0 convolution", "1 batch norm", "4 dense"]
    own = [[net[0].weight, net[0].bias], [net[1].gamma, net[1].beta], [net[4].weight, net[4].bias]]
    norms = [np.sqrt(sum((p.grad().asnumpy() ** 2).sum() for p in params)) for params in own]
    np.testing.assert_allclose(frame["gradient_norm"], norms, rtol=1e-4)
    units = net[2](net[1](net[0](drawn))).asnumpy()
    assert frame.loc["1 batch norm", "activation_rms"] == pytest.approx(np.sqrt((units**2).mean()), rel=1e-4)
    assert frame.loc["1 batch norm", "dead"] == (units.max(axis=(0, 2, 3)) == 0).mean()


@pytest.mark.parametrize("kwargs", [{}, {"hybridize": False}, {"optimizer": "adam", "rate": 0.01}])
def test_training_is_bit_identical_with_the_monitor(people, kwargs):
    """Weights after training are equal to the last bit, graph or plain loop."""
    nets = []
    for callbacks in ([], [GradientMonitor(*people, rows=64)]):
        net = nn.HybridSequential()
        net.add(nn.Dense(8, activation="relu"), nn.BatchNorm(), nn.Dropout(0.3), nn.Dense(1))
        trained(net, people, callbacks, **kwargs)
        nets.append([p.data().asnumpy() for p in net.collect_params().values()])
    assert all(np.array_equal(plain, watched) for plain, watched in zip(*nets))


def test_a_measurement_leaves_the_net_as_it_is(people):
    """Gradients, grad_req, hooks, running statistics and hybridization stay; the user's hook does not run."""
    net = nn.HybridSequential()
    net.add(nn.Dense(4, activation="relu"), nn.BatchNorm(), nn.Dense(1))
    net.initialize()
    net[0].weight.grad_req = "add"
    net[2].bias.grad_req = "null"
    net.hybridize()
    with mx.autograd.record():
        LOSS(net(mx.nd.array(people[0][:10])), mx.nd.array(people[1][:10])).backward()
    calls = []
    handle = net[0].register_forward_hook(lambda *_: calls.append(1))
    params = net.collect_params().values()

    def look():
        arrays = [p.data().asnumpy() for p in params]
        return arrays + [p.grad().asnumpy() for p in params if p.grad_req != "null"], [p.grad_req for p in params]

    before, graph, hooks = look(), net._cached_op, dict(net[0]._forward_hooks)
    monitor = GradientMonitor(*people)
    monitor.measure(net, LOSS, 0)
    after = look()
    assert all(np.array_equal(x, y) for x, y in zip(before[0], after[0]))
    assert before[1] == after[1]
    assert net._cached_op is graph
    assert dict(net[0]._forward_hooks) == hooks
    assert calls == []
    handle.detach()


def test_a_frozen_layer_has_no_gradient(people):
    """Where nothing is trained the gradient is NaN, and the layer's outputs are measured still."""
    net = mlp("relu")
    net[0].collect_params().setattr("grad_req", "null")
    monitor = GradientMonitor(*people)
    trained(net, people, [monitor])
    frame = monitor.to_frame().query("layer == '0 dense'")
    assert frame["gradient_norm"].isna().all()
    assert (frame["activation_rms"] > 0).all()


def test_a_deep_sigmoid_net_vanishes_and_a_relu_net_does_not(people):
    """The first layers of eight sigmoid layers are named, the last is not; ReLU layers are fine."""
    deep, plain = GradientMonitor(*people), GradientMonitor(*people)
    trained(mlp("sigmoid", 8), people, [deep])
    trained(mlp("relu", 2), people, [plain])
    found = deep.findings().query("sign == 'vanishing gradient'")
    assert "0 dense" in set(found["layer"])
    assert "8 dense" not in set(found["layer"])
    assert found["epochs"].iloc[0] == [0, 1, 2]
    assert not signs(plain) & {"vanishing gradient", "exploding activations", "dead units", "exploding gradient"}


def test_huge_initial_values_explode(people):
    """Activations of a net with initial values 20 times too large are said to explode."""
    monitor = GradientMonitor(*people)
    trained(mlp("relu", 4), people, [monitor], init=mx.init.Normal(5), rate=1e-9)
    assert "exploding activations" in signs(monitor)


def test_a_gradient_that_grows_a_hundredfold_explodes(people):
    """The length of the gradient is compared with the first measurement."""
    net, monitor = nn.Dense(1, in_units=6), GradientMonitor(*people)
    net.initialize(mx.init.Zero())
    squared = gluon.loss.L2Loss()
    monitor.measure(net, squared, 0)
    net.weight.set_data(mx.nd.ones((1, 6)) * 1000)
    monitor.measure(net, squared, 1)
    found = monitor.findings().query("sign == 'exploding gradient'")
    assert found["epochs"].item() == [1]


def test_gradients_beyond_the_squares_of_float32_are_measured(people):
    """A gradient of 1e-25 and outputs of 1e25 are neither 0 nor infinite."""
    net, monitor = nn.Dense(1, in_units=6), GradientMonitor(*people)
    net.initialize(mx.init.Constant(1e25))
    monitor.measure(net, gluon.loss.L1Loss(weight=1e-25), 0)
    frame = monitor.to_frame()
    assert frame["gradient_norm"].between(1e-27, 1e-23).all()
    assert frame["activation_rms"].between(1e24, 1e27).all()


def test_dead_and_saturated_units_are_said(people):
    """Biases far below 0 kill ReLUs; large weights saturate tanh."""
    dead, flat = mlp("relu", 1), mlp("tanh", 1)
    for net in (dead, flat):
        net.initialize(mx.init.Xavier())
        net(mx.nd.array(people[0][:1]))
    bias = np.zeros(16, dtype="float32")
    bias[:12] = -100
    dead[0].bias.set_data(mx.nd.array(bias))
    flat[0].weight.set_data(flat[0].weight.data() * 100)
    found = []
    for net in (dead, flat):
        monitor = GradientMonitor(*people)
        monitor.measure(net, LOSS, 0)
        found.append(monitor.findings().set_index("sign"))
    assert found[0].loc["dead units", "value"] == 0.75
    assert "75% of the units of layer '0 dense' are dead" in found[0].loc["dead units", "sentence"]
    assert found[1].loc["saturated units", "value"] > 0.9


def test_units_dead_for_one_group_are_said(people):
    """Where a unit works for one group only, the layer is narrower for the other."""
    X, y, groups = people
    X = np.column_stack([X, groups == "a"]).astype("float32")
    net = mlp("relu", 1)
    net.initialize()
    net(mx.nd.array(X[:1]))
    weight = np.zeros((16, 7), dtype="float32")
    weight[:8, 6], weight[8:, 1] = 1, 1
    net[0].weight.set_data(mx.nd.array(weight))
    monitor = GradientMonitor(X, y, groups)
    monitor.measure(net, LOSS, 0)
    found = monitor.findings().set_index("sign")
    assert found.loc["dead units in one group", "groups"] == "b, a"
    assert found.loc["dead units in one group", "value"] == 0.5


def test_opposed_groups_pull_apart_and_like_groups_do_not(people):
    """A linear net cannot serve groups with opposite effects; groups drawn at random it can, though both converge."""
    X, y, groups = people
    X = X[:, :1]
    mixed = np.random.default_rng(5).permutation(groups)
    found = []
    for names, labels in ((groups, y), (mixed, (X[:, 0] + X[::-1, 0] > 0).astype("float32"))):
        monitor = GradientMonitor(X, labels, names)
        trained(nn.Dense(1), (X, labels), [monitor], epochs=20)
        found.append("groups pull apart" in signs(monitor))
    assert found == [True, False]


def test_one_of_every_few_epochs_and_the_last_are_measured(people):
    """With every=2, five epochs are measured before training and after epochs 2, 4 and 5."""
    monitor = GradientMonitor(*people, every=2)
    trained(nn.Dense(1), people, [monitor], epochs=5)
    assert list(monitor.to_frame()["epoch"].unique()) == [0, 2, 4, 5]


def test_rows_are_drawn_by_group_from_the_seed(people):
    """A small group gives all its rows, an even number; the same seed draws the same rows."""
    X, y, _ = people
    groups = np.array(["a"] * 1193 + ["b"] * 7)
    first, second, other = (GradientMonitor(X, y, groups, rows=50, seed=s) for s in (1, 1, 2))
    assert [len(drawn[1]) for drawn in first._drawn] == [50, 6]
    assert np.array_equal(first._drawn[0][0], second._drawn[0][0])
    assert not np.array_equal(first._drawn[0][0], other._drawn[0][0])


def test_a_group_of_one_row_is_shown_without_figures(people):
    """Nothing is measured on one row, and the group stays in the frame."""
    X, y, _ = people
    monitor = GradientMonitor(X, y, np.array(["a"] * 1199 + ["b"]))
    net = nn.Dense(1)
    net.initialize()
    monitor.measure(net, LOSS, 0)
    row = monitor.to_frame().set_index("group").loc["b"]
    assert row["rows"] == 0
    assert np.isnan(row["gradient_norm"])


def test_a_group_loss_is_measured_by_its_base(people):
    """With a penalty of a gap, a group's gradient is that of the loss it is added to."""
    penalty = mxfair.loss.GapPenalty("demographic_parity", mxfair.Groups(people[2]))
    penalized = mxfair.loss.PenalizedLoss(LOSS, penalty)
    net = nn.Dense(1)
    net.initialize()
    monitors = [GradientMonitor(*people) for _ in range(2)]
    for monitor, loss in zip(monitors, (LOSS, penalized)):
        monitor.measure(net, loss, 0)
    assert monitors[0].to_frame().equals(monitors[1].to_frame())


def test_an_estimator_runs_it(people):
    """It is copied for a fit, and found in callbacks_."""
    X, y, groups = people
    model = mxfair.estimator.GluonClassifier((4,), epochs=2, callbacks=[GradientMonitor(X, y, groups)], random_state=0)
    frame = model.fit(X, y).callbacks_[-1].to_frame()
    assert list(frame["epoch"].unique()) == [0, 1, 2]
    assert len(frame["layer"].unique()) == 2


def test_a_snapshot_keeps_what_was_measured(people, tmp_path):
    """A run that goes on from a file has the figures of the epochs before."""
    frames = []
    for epochs in (2, 4):
        monitor = GradientMonitor(*people)
        snapshot = mxfair.training.Snapshot(tmp_path / "run.npz")
        trained(nn.Dense(1, in_units=6), people, [monitor], epochs=epochs, snapshot=snapshot)
        frames.append(monitor.to_frame())
    assert list(frames[1]["epoch"].unique()) == [0, 1, 2, 3, 4]
    assert frames[1].query("epoch <= 2").equals(frames[0])


def test_softmax_losses_and_int_images_are_measured():
    """Several classes and uint8 data work as the net takes them."""
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 255, (40, 5)).astype("uint8"), rng.integers(0, 3, 40)
    net = mlp("relu", 1)
    net.add(nn.Dense(3))
    net.initialize()
    monitor = GradientMonitor(gluon.data.ArrayDataset(X, y, np.repeat([0, 1], 20)))
    monitor.measure(net, gluon.loss.SoftmaxCrossEntropyLoss(), 0)
    assert (monitor.to_frame()["gradient_norm"] > 0).all()


@pytest.mark.parametrize(
    ("net", "match"),
    [
        (type("Plain", (gluon.Block,), {"forward": lambda self, x: x})(), "HybridBlock"),
        (type("Odd", (gluon.HybridBlock,), {"hybrid_forward": lambda self, F, x: x[x.shape[0]]})(), "tracing"),
    ],
)
def test_nets_that_cannot_be_traced_are_refused(people, net, match):
    """The reason is said before training begins."""
    with pytest.raises(mxfair._validation.InputError, match=match):
        GradientMonitor(*people).measure(net, LOSS, 0)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"groups": None}, "'groups' must be given"),
        ({"labels": ["yes"] * 1200}, "must be numbers"),
        ({"groups": ["a"] * 3}, "same length"),
        ({"groups": ["overall"] * 1200}, "must not be named"),
        ({"groups": np.arange(1200).astype(str)}, "two rows or more"),
        ({"rows": 1}, "at least 2"),
    ],
)
def test_wrong_arguments_are_refused(people, change, match):
    """Each is named when the monitor is made."""
    with pytest.raises(mxfair._validation.InputError, match=match):
        GradientMonitor(**{**dict(zip(("data", "labels", "groups"), people)), **change})


def test_nothing_measured_is_an_error(people):
    """A monitor that never ran says what to do."""
    with pytest.raises(mxfair._validation.InputError, match="Nothing has been measured"):
        GradientMonitor(*people).to_frame()


def test_the_plot_has_a_panel_per_layer_and_a_line_per_group(people):
    """Lines hold the frame's values; the sign stands beside the layer's name."""
    monitor = GradientMonitor(*people)
    trained(mlp("sigmoid", 8), people, [monitor])
    figure = gradients(monitor)
    assert len(figure.axes) == 9
    lines = figure.axes[0].get_lines()
    frame = monitor.to_frame().query("layer == '0 dense' and group == 'b'")
    assert np.array_equal(lines[1].get_ydata(), frame["relative_gradient"])
    assert len(lines) == 3
    assert figure.axes[0].get_title(loc="right") == "vanishing gradient"
    assert len(gradients(monitor, "saturated").axes) == 8
    assert len(gradients(monitor, layers=["8 dense"]).axes) == 1
    with pytest.raises(mxfair._validation.InputError, match="no layer has 'dead'"):
        gradients(monitor, "dead")


def test_a_copy_is_independent(people):
    """Estimators copy callbacks for each training."""
    monitor = GradientMonitor(*people)
    other = copy.deepcopy(monitor)
    trained(nn.Dense(1), people, [other])
    assert "measured 0 times" in repr(monitor)
    assert "measured 3 times" in repr(other)
