"""Regularizers: values, gradients, proximal steps, and what they reach, against scikit-learn and finite differences."""

from __future__ import annotations

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon
from sklearn import linear_model

from mxfair._step import GraphStep, make_step
from mxfair._validation import InputError, InputTypeError
from mxfair.loss import GapPenalty, GroupDROLoss, GroupLoss, PenalizedLoss, RegularizedLoss
from mxfair.regularizer import L1, L2, ElasticNet, GroupLasso, MaxNorm

BCE = gluon.loss.SigmoidBinaryCrossEntropyLoss
STRENGTH = 0.3


def roots(weight, groups):
    """Return the norms of the groups of a weight, in float64."""
    axes = {"row": tuple(range(1, weight.ndim)), "column": (0, *range(2, weight.ndim)), "tensor": None}[groups]
    return np.sqrt((weight**2).sum(axis=axes))


def lasso_value(groups):
    """Return the published group lasso as a function of a weight."""

    def value(weight):
        norms = roots(weight, groups)
        return np.sqrt(weight.size / norms.size) * norms.sum()

    return value


#: Each penalty and its formula in float64.
CASES = {
    "L1": (L1, {}, lambda w: np.abs(w).sum()),
    "L2": (L2, {}, lambda w: (w**2).sum() / 2),
    "ElasticNet": (ElasticNet, {"l1_ratio": 0.3}, lambda w: 0.3 * np.abs(w).sum() + 0.7 * (w**2).sum() / 2),
    "rows": (GroupLasso, {"groups": "row"}, lasso_value("row")),
    "columns": (GroupLasso, {"groups": "column"}, lasso_value("column")),
    "tensors": (GroupLasso, {"groups": "tensor"}, lasso_value("tensor")),
}
for _groups in ("row", "column", "tensor"):
    CASES[f"MaxNorm {_groups}"] = (
        lambda net, strength, **options: MaxNorm(net, 0.8, strength=strength, **options),
        {"groups": _groups, "step": "gradient"},
        lambda w, groups=_groups: (np.maximum(roots(w, groups) - 0.8, 0) ** 2).sum() / 2,
    )
each = pytest.mark.parametrize("name", CASES)


def made(name, net, strength=STRENGTH, **options):
    """Return one of the penalties above."""
    kind, own, _ = CASES[name]
    return kind(net, strength, **{**own, **options})


def conv_net():
    """Return a net with a convolution and a Dense layer."""
    mx.random.seed(3)
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Conv2D(3, 2, in_channels=2), gluon.nn.Flatten(), gluon.nn.Dense(1, in_units=27))
    net.initialize(mx.init.Normal(0.5))
    return net


def weights_of(net):
    """Return the weights in float64, without biases."""
    return [p.data().asnumpy().astype(np.float64) for p in net.collect_params(".*weight$").values()]


def numeric(formula, weight, step=1e-6):
    """Return central differences of a formula in float64."""
    slope = np.zeros_like(weight)
    for place in np.ndindex(weight.shape):
        up, down = weight.copy(), weight.copy()
        up[place] += step
        down[place] -= step
        slope[place] = (formula(up) - formula(down)) / (2 * step)
    return slope


def slopes(net, record):
    """Return the gradients of the weights after a backward pass of what `record` returns."""
    with autograd.record():
        value = record()
    value.backward()
    return [p.grad().asnumpy() for p in net.collect_params(".*weight$").values()]


@each
@pytest.mark.parametrize("hybrid", [False, True])
def test_value_is_the_formula(name, hybrid):
    """The value has shape (1,) and is the published formula, hybridized or not."""
    net = conv_net()
    regularizer = made(name, net)
    if hybrid:
        regularizer.hybridize()
    value = regularizer()
    assert value.shape == (1,)
    expected = STRENGTH * sum(CASES[name][2](w) for w in weights_of(net))
    np.testing.assert_allclose(value.asscalar(), expected, rtol=1e-5)


@each
@pytest.mark.parametrize("hybrid", [False, True])
def test_gradient_is_that_of_finite_differences(name, hybrid):
    """The gradient is the central difference of the formula in float64, hybridized or not."""
    net = conv_net()
    regularizer = made(name, net)
    if hybrid:
        regularizer.hybridize()
    for found, weight in zip(slopes(net, regularizer), weights_of(net)):
        np.testing.assert_allclose(found, STRENGTH * numeric(CASES[name][2], weight), rtol=2e-4, atol=2e-6)


@each
def test_gradient_at_zero_is_zero(name):
    """A weight, group or tensor of zeros has gradient 0, not NaN."""
    net = conv_net()
    net[0].weight.set_data(mx.nd.zeros(net[0].weight.shape))
    net[2].weight.data()[0, :3] = 0
    conv, dense = slopes(net, made(name, net))
    assert (conv == 0).all()
    assert (dense[0, :3] == 0).all()
    assert np.isfinite(dense).all()


@each
@pytest.mark.parametrize("hybrid", [False, True])
def test_a_loss_carries_the_penalty_once_per_sample(name, hybrid, make_net, toy):
    """RegularizedLoss is base + regularizer in values and in gradients, hybridized or not."""
    net = make_net()
    data, label = mx.nd.array(toy[0][:16]), mx.nd.array(toy[1][:16])
    regularizer = made(name, net)
    by_hand = slopes(net, lambda: BCE()(net(data), label) + regularizer())
    loss = RegularizedLoss(BCE(), regularizer)
    if hybrid:
        loss.hybridize()
    for found, expected in zip(slopes(net, lambda: loss(net(data), label)), by_hand):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    expected = BCE()(net(data), label) + regularizer()
    np.testing.assert_allclose(loss(net(data), label).asnumpy(), expected.asnumpy(), rtol=1e-6)


@each
def test_graph_step_computes_the_plain_step(name, make_net, toy, values_of):
    """A regularized loss is traced with the net; weights after some steps are those of the plain loop."""
    data, label = mx.nd.array(toy[0][:16]), mx.nd.array(toy[1][:16])
    ends = []
    for hybridize in (True, False):
        net = make_net()
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1, "momentum": 0.9})
        loss = RegularizedLoss(BCE(), made(name, net, 0.05))
        step, reason = make_step(net, loss, trainer, (data, label), hybridize=hybridize)
        assert isinstance(step, GraphStep) == hybridize, reason
        for _ in range(8):
            value = step((data, label), len(data))
        ends.append(np.concatenate([values_of(net), value.asnumpy()]))
    np.testing.assert_allclose(*ends, rtol=1e-5, atol=1e-6)


OPTIMIZERS = {
    "sgd": ("sgd", {"learning_rate": 0.1}),
    "momentum": ("sgd", {"learning_rate": 0.1, "momentum": 0.9}),
    "adam": ("adam", {"learning_rate": 0.01}),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("batch_size", [16, 5])
def test_l2_is_the_trainers_weight_decay(optimizer, batch_size, make_net, toy, values_of):
    """L2(strength=wd) over all parameters takes the steps of Trainer's wd, to rounding, for every batch size."""
    data, label = mx.nd.array(toy[0][:batch_size]), mx.nd.array(toy[1][:batch_size])
    name, options = OPTIMIZERS[optimizer]
    ends = []
    for decay, strength in ((0.2, 0), (0, 0.2), (0, 0)):
        net = make_net()
        trainer = gluon.Trainer(net.collect_params(), name, {**options, "wd": decay})
        regularizer = L2(net, strength, select=".*")
        for _ in range(20):
            with autograd.record():
                value = BCE()(net(data), label) + regularizer()
            value.backward()
            trainer.step(batch_size)
        ends.append(values_of(net))
    np.testing.assert_allclose(ends[1], ends[0], rtol=1e-4, atol=2e-6)
    assert np.abs(ends[2] - ends[0]).max() > 0.01


def proximal_oracle(name, weight, amount):
    """Return the proximal step in float64."""
    if name == "L1":
        return np.sign(weight) * np.maximum(np.abs(weight) - amount, 0)
    if name == "L2":
        return weight / (1 + amount)
    if name == "ElasticNet":
        return np.sign(weight) * np.maximum(np.abs(weight) - 0.3 * amount, 0) / (1 + 0.7 * amount)
    groups = {"rows": "row", "columns": "column", "tensors": "tensor"}.get(name, name.split()[-1])
    norms = roots(weight, groups)
    if name.startswith("MaxNorm"):
        factor = np.minimum(1, 0.8 / norms)
    else:
        factor = np.maximum(0, 1 - amount * np.sqrt(weight.size / norms.size) / norms)
    shape = [1] * weight.ndim
    if groups != "tensor":
        shape[groups == "column"] = -1
    return weight * factor.reshape(shape)


@each
def test_proximal_step_is_the_formula(name):
    """The step is the closed form; zeros are exactly where it has them."""
    net = conv_net()
    before = weights_of(net)
    made(name, net).proximal(0.7)
    for weight, after in zip(before, weights_of(net)):
        expected = proximal_oracle(name, weight, 0.7 * STRENGTH)
        np.testing.assert_allclose(after, expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(after == 0, expected == 0)


@each
def test_proximal_step_minimises_its_definition(name):
    """No nearby weight is better in 1/2 |w - v|^2 + a penalty(w); for max-norm, none that keeps the bound."""
    net = conv_net()
    before = weights_of(net)[1]
    made(name, net, 1.0).proximal(0.2)
    after = weights_of(net)[1]
    formula = CASES[name][2]
    bound = name.startswith("MaxNorm")

    def objective(weight):
        if bound:
            return ((weight - before) ** 2).sum() / 2 + (1e9 if formula(weight) > 1e-10 else 0)
        return ((weight - before) ** 2).sum() / 2 + 0.2 * formula(weight)

    rng, best = np.random.default_rng(0), objective(after)
    for scale in (1e-1, 1e-2, 1e-3):
        for _ in range(100):
            assert objective(after + rng.normal(0, scale, after.shape)) >= best - 1e-5


def test_no_step_at_strength_zero():
    """Strength 0 switches the step off, max-norm's projection too; another strength switches it on again."""
    net = conv_net()
    before = weights_of(net)
    for regularizer in (L1(net, 0), MaxNorm(net, 0.1, strength=0)):
        regularizer.proximal(0.1)
        assert all((a == b).all() for a, b in zip(before, weights_of(net)))
    regularizer.set_strength(1.0)
    regularizer.proximal(0.1)
    assert roots(weights_of(net)[0], "row").max() < 0.1 + 1e-6


def linear_data():
    """Return a regression whose features 3 to 7 say nothing."""
    rng = np.random.default_rng(5)
    X = rng.normal(0, 1, (200, 8))
    y = X[:, :3] @ [1.5, -2.0, 0.6] + 0.5 + rng.normal(0, 0.5, 200)
    return X.astype(np.float32), y.astype(np.float32)


#: Optimizers whose steps do not shrink with the gradient: the rate has to.
DECAYING = ("adam", "rmsprop")


def descend(regularizer_of, optimizer, options, steps=600, proximal=True):
    """Train a linear model on all rows; return its weights and the net."""
    X, y = (mx.nd.array(part) for part in linear_data())
    net = gluon.nn.Dense(1, in_units=8)
    net.initialize(mx.init.Zero())
    regularizer = regularizer_of(net)
    trainer = gluon.Trainer(net.collect_params(), optimizer, options)
    loss = gluon.loss.L2Loss()
    for number in range(steps):
        if optimizer in DECAYING:
            trainer.set_learning_rate(options["learning_rate"] * (1 - number / steps))
        with autograd.record():
            value = loss(net(X), y)
            if not proximal:
                value = value + regularizer()
        value.backward()
        trainer.step(len(X))
        if proximal:
            regularizer.proximal(trainer)
    return net.weight.data().asnumpy().ravel(), float(net.bias.data().asscalar())


SOLVERS = {
    "sgd": ("sgd", {"learning_rate": 0.1}),
    "momentum": ("sgd", {"learning_rate": 0.02, "momentum": 0.8}),
    "nag": ("nag", {"learning_rate": 0.02, "momentum": 0.8}),
    "adam": ("adam", {"learning_rate": 0.05}),
    "adagrad": ("adagrad", {"learning_rate": 0.5}),
    "rmsprop": ("rmsprop", {"learning_rate": 0.05}),
}


@pytest.mark.parametrize("solver", SOLVERS)
def test_lasso_is_scikit_learns(solver):
    """SGD and the proximal step reach Lasso's weights, its exact zeros and its intercept, with momentum too."""
    weights, bias = descend(lambda net: L1(net, 0.2), *SOLVERS[solver])
    expected = linear_model.Lasso(alpha=0.2, tol=1e-8).fit(*map(np.float64, linear_data()))
    np.testing.assert_allclose(weights, expected.coef_, atol=1e-4)
    np.testing.assert_array_equal(weights == 0, expected.coef_ == 0)
    assert (weights == 0).sum() >= 3
    assert bias == pytest.approx(expected.intercept_, abs=1e-4)


@pytest.mark.parametrize("solver", SOLVERS)
def test_elastic_net_is_scikit_learns(solver):
    """The same for ElasticNet, strength and l1_ratio being its alpha and l1_ratio."""
    weights, _ = descend(lambda net: ElasticNet(net, 0.4, l1_ratio=0.5), *SOLVERS[solver])
    expected = linear_model.ElasticNet(alpha=0.4, l1_ratio=0.5, tol=1e-8).fit(*map(np.float64, linear_data()))
    np.testing.assert_allclose(weights, expected.coef_, atol=1e-4)
    np.testing.assert_array_equal(weights == 0, expected.coef_ == 0)


@pytest.mark.parametrize("proximal", [True, False])
def test_l2_is_scikit_learns_ridge(proximal):
    """L2 reaches Ridge's weights for alpha = strength times the number of samples, by gradient and by step."""
    weights, _ = descend(lambda net: L2(net, 0.3), "sgd", {"learning_rate": 0.1}, proximal=proximal)
    expected = linear_model.Ridge(alpha=0.3 * 200).fit(*map(np.float64, linear_data()))
    np.testing.assert_allclose(weights, expected.coef_, atol=1e-4)


def test_without_the_proximal_step_nothing_is_zero():
    """The gradient of L1 leaves small weights where the step leaves zeros."""
    weights, _ = descend(lambda net: L1(net, 0.2), "sgd", {"learning_rate": 0.1}, proximal=False)
    assert (weights != 0).all()
    assert np.abs(weights[4:]).max() < 0.05


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_group_lasso_meets_the_optimality_conditions(solver):
    """Groups that are off have a gradient of at most s sqrt(p); those that are on have that, with SGD along w."""
    X, _ = linear_data()
    rng = np.random.default_rng(0)
    Y = X[:, :3] @ rng.normal(0, 1, (3, 4)).astype(np.float32) + rng.normal(0, 0.3, (200, 4)).astype(np.float32)
    net = gluon.nn.Dense(4, in_units=8, use_bias=False)
    net.initialize(mx.init.Normal(0.1))
    lasso = GroupLasso(net, 0.1, groups="column")
    options = {"learning_rate": 0.3} if solver == "sgd" else SOLVERS[solver][1]
    trainer = gluon.Trainer(net.collect_params(), solver, options)
    data, target, loss = mx.nd.array(X), mx.nd.array(Y), gluon.loss.L2Loss()
    for number in range(600):
        if solver in DECAYING:
            trainer.set_learning_rate(options["learning_rate"] * (1 - number / 600))
        with autograd.record():
            value = loss(net(data), target)
        value.backward()
        trainer.step(200)
        lasso.proximal(trainer)
    W = net.weight.data().asnumpy().astype(float)
    slope = (X @ W.T - Y).T @ X / 200 / 4  # L2Loss takes the mean over the 4 targets
    limit = 0.1 * np.sqrt(4)
    off = (W == 0).all(axis=0)
    assert 0 < off.sum() < 8
    assert (np.linalg.norm(slope[:, off], axis=0) <= limit + 1e-5).all()
    np.testing.assert_allclose(np.linalg.norm(slope[:, ~off], axis=0), limit, rtol=1e-2)
    if solver == "sgd":
        np.testing.assert_allclose(slope[:, ~off], -limit * W[:, ~off] / np.linalg.norm(W[:, ~off], axis=0), atol=1e-4)


def test_what_is_not_known_of_an_optimizer():
    """A step whose length is not known is refused, a projection is not; nor is a step that would be undone kept."""
    net = conv_net()
    trainer = gluon.Trainer(net.collect_params(), "signum", {"learning_rate": 0.1})
    with pytest.raises(InputError, match="got Signum"):
        L1(net, 0.1).proximal(trainer)
    MaxNorm(net, 0.1).proximal(trainer)
    assert roots(weights_of(net)[0], "row").max() < 0.1 + 1e-6
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1, "multi_precision": True})
    with pytest.raises(InputError, match="multi_precision"):
        MaxNorm(net, 0.1).proximal(trainer)


def test_the_step_from_a_trainer_is_the_parameters_own():
    """lr_mult counts; what the trainer does not hold, and what is frozen, is left alone."""
    net = conv_net()
    net[0].weight.lr_mult = 2.0
    trainer = gluon.Trainer(net[0].collect_params(), "sgd", {"learning_rate": 0.1})
    before = weights_of(net)
    lasso = L1(net, 0.3)
    lasso.proximal(trainer)
    after = weights_of(net)
    np.testing.assert_allclose(after[0], proximal_oracle("L1", before[0], 0.3 * 0.2), rtol=1e-5, atol=1e-7)
    assert (after[1] == before[1]).all()
    net.collect_params().setattr("grad_req", "null")
    lasso.proximal(0.1)
    assert all((a == b).all() for a, b in zip(after, weights_of(net)))


def test_a_scheduled_learning_rate_is_that_of_the_step_just_taken():
    """The step's length follows the trainer's own schedule."""
    net = conv_net()
    scheduler = mx.lr_scheduler.PolyScheduler(max_update=10, base_lr=0.1, pwr=1)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"lr_scheduler": scheduler})
    data = mx.nd.ones((2, 2, 4, 4))
    for _ in range(5):
        with autograd.record():
            value = net(data)
        value.backward()
        trainer.step(2)
    before = weights_of(net)
    L1(net, 1.0).proximal(trainer)
    np.testing.assert_allclose(weights_of(net)[0], proximal_oracle("L1", before[0], 0.05), rtol=1e-4, atol=1e-6)


def test_biases_and_running_means_are_left_alone_by_default():
    """Weights only, as in scikit-learn; '.*' adds what else is trained, never a running mean."""
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Dense(2, in_units=2), gluon.nn.BatchNorm(in_channels=2))
    net.initialize()
    assert [p.name.split("_")[-1] for p in L1(net, 1.0).parameters] == ["weight"]
    everything = [p.name.split("_")[-1] for p in L1(net, 1.0, select=".*").parameters]
    assert everything == ["weight", "bias", "gamma", "beta"]


def test_a_part_of_the_net_and_a_pattern_choose():
    """A block of the net, and a pattern of names, choose the same parameters."""
    net = conv_net()
    pattern = net[2].weight.name
    assert L1(net[2], 1.0).parameters == L1(net, 1.0, select=pattern).parameters == [net[2].weight]


def test_shapes_that_are_not_known_yet():
    """Before the first batch an error says what to do; after it the penalty is there."""
    net = gluon.nn.Dense(2)
    net.initialize()
    regularizer = GroupLasso(net, 1.0, groups="column")
    with pytest.raises(InputError, match="Call the net"):
        regularizer()
    net(mx.nd.ones((1, 3)))
    assert regularizer().asscalar() > 0


def test_float64_nets():
    """A net in float64 is penalised in float64."""
    net = gluon.nn.Dense(1, in_units=3)
    net.cast("float64")
    net.initialize(mx.init.One())
    loss = RegularizedLoss(gluon.loss.L2Loss(), L2(net, 0.1))
    assert L1(net, 0.1)().dtype == np.float64
    value = loss(net(mx.nd.ones((2, 3), dtype="float64")), mx.nd.ones((2, 1), dtype="float64"))
    assert value.dtype == np.float64


def test_several_devices():
    """The penalty is computed where the predictions are, and the step taken on every device."""
    ctx = [mx.cpu(0), mx.cpu(1)]
    net = gluon.nn.Dense(1, in_units=3)
    net.initialize(mx.init.One(), ctx=ctx)
    regularizer = L1(net, 0.1)
    assert regularizer(mx.cpu(1)).context == mx.cpu(1)
    loss = RegularizedLoss(gluon.loss.L2Loss(), regularizer)
    for one in ctx:
        assert loss(net(mx.nd.ones((2, 3), ctx=one)), mx.nd.ones((2, 1), ctx=one)).context == one
    regularizer.proximal(1.0)
    assert [float(w.asnumpy().min()) for w in net.weight.list_data()] == pytest.approx([0.9, 0.9])


def test_a_schedule_is_followed_by_hand_and_by_graphs():
    """update_strength sets what the schedule gives, in values, graphs and steps."""
    net = conv_net()
    regularizer = L1(net, lambda done: 0.1 * done)
    regularizer.hybridize()
    assert regularizer().asscalar() == 0
    regularizer.update_strength(2)
    expected = 0.2 * sum(np.abs(w).sum() for w in weights_of(net))
    assert regularizer().asscalar() == pytest.approx(expected, rel=1e-5)
    before = weights_of(net)
    regularizer.proximal(0.5)
    np.testing.assert_allclose(weights_of(net)[0], proximal_oracle("L1", before[0], 0.1), rtol=1e-5, atol=1e-7)


def test_a_regularized_group_loss_is_a_group_loss(make_net):
    """With a GroupLoss inside it takes (pred, label, group); with another loss it does not."""
    net = make_net()
    pred, label, group = mx.nd.zeros((4, 1)), mx.nd.array([0, 1, 0, 1]), mx.nd.array([0, 0, 1, 1])
    penalized = PenalizedLoss(BCE(), GapPenalty("demographic_parity", 2))
    grouped, plain = RegularizedLoss(penalized, L2(net, 0.1)), RegularizedLoss(BCE(), L2(net, 0.1))
    assert isinstance(grouped, GroupLoss)
    assert isinstance(grouped, RegularizedLoss)
    assert not isinstance(plain, GroupLoss)
    expected = penalized(pred, label, group) + L2(net, 0.1)()
    np.testing.assert_allclose(grouped(pred, label, group).asnumpy(), expected.asnumpy(), rtol=1e-6)
    with pytest.raises(InputTypeError, match="third item"):
        grouped(pred, label)
    with pytest.raises(InputTypeError, match="third item"):
        plain(pred, label, group)


NESTED = {
    "penalties of a regularized base": lambda net: PenalizedLoss(RegularizedLoss(BCE(), L2(net, 0.1)), gap()),
    "regularized penalties": lambda net: RegularizedLoss(PenalizedLoss(BCE(), gap()), L2(net, 0.1)),
    "regularized twice": lambda net: RegularizedLoss(
        RegularizedLoss(GroupDROLoss(BCE(), 2), L1(net, 0.1)), L2(net, 0.1)
    ),
}


def gap():
    """Return a penalty with a state."""
    return GapPenalty("equalized_odds", 2, memory=0.9)


@pytest.mark.parametrize("name", NESTED)
def test_losses_nest(name, make_net, toy, values_of):
    """States of whatever is inside are carried, in the graph as in the plain loop."""
    batch = tuple(mx.nd.array(part[:32].astype("float32")) for part in toy)
    ends = []
    for hybridize in (True, False):
        net = make_net()
        loss = NESTED[name](net)
        loss(net(batch[0]), *batch[1:])
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
        step, reason = make_step(net, loss, trainer, batch, hybridize=hybridize)
        assert isinstance(step, GraphStep) == hybridize, reason
        for _ in range(6):
            step(batch, 32)
        states = [state.data().asnumpy().ravel() for state in loss._states()]
        assert states
        assert np.abs(states[0]).max() > 0
        ends.append(np.concatenate([values_of(net), *states]))
    np.testing.assert_allclose(*ends, rtol=1e-5, atol=1e-6)


def test_what_a_loss_refuses(make_net):
    """No regularizer, something else, and one with a proximal step are errors at construction."""
    net = make_net()
    with pytest.raises(InputError, match="got none"):
        RegularizedLoss(BCE())
    with pytest.raises(InputTypeError, match="Regularizer objects"):
        RegularizedLoss(BCE(), BCE())
    with pytest.raises(InputError, match="step='gradient'"):
        RegularizedLoss(BCE(), L1(net, 0.1, step="proximal"))
    with pytest.raises(InputTypeError, match="'base'"):
        RegularizedLoss(len, L2(net, 0.1))
    base = BCE()
    base._make_step = None
    with pytest.raises(InputError, match="combines gradients"):
        RegularizedLoss(base, L2(net, 0.1))


BAD = {
    "no match": (lambda net: L1(net, 0.1, select="nothing"), InputError, "dense0_weight"),
    "no pattern": (lambda net: L1(net, 0.1, select="("), InputError, "regular expression"),
    "pattern of another type": (lambda net: L1(net, 0.1, select=3), InputError, "regular expression"),
    "no net": (lambda net: L1([], 0.1), InputTypeError, "gluon.Block"),
    "negative strength": (lambda net: L2(net, -0.1), InputError, "strength"),
    "NaN": (lambda net: L2(net, float("nan")), InputError, "strength"),
    "text": (lambda net: L2(net, "much"), InputTypeError, "strength"),
    "step": (lambda net: L2(net, 0.1, step="proximate"), InputError, "proximal"),
    "ratio": (lambda net: ElasticNet(net, 0.1, l1_ratio=1.1), InputError, "l1_ratio"),
    "ratio of another type": (lambda net: ElasticNet(net, 0.1, l1_ratio="1"), InputTypeError, "l1_ratio"),
    "groups": (lambda net: GroupLasso(net, 0.1, groups="columns"), InputError, "column"),
    "columns of a bias": (lambda net: GroupLasso(net, 0.1, groups="column", select=".*"), InputError, "bias"),
    "bound": (lambda net: MaxNorm(net, 0.0), InputError, "bound"),
    "bound of another type": (lambda net: MaxNorm(net, None), InputTypeError, "bound"),
    "length": (lambda net: L1(net, 0.1).proximal(float("inf")), InputError, "finite"),
    "negative length": (lambda net: L1(net, 0.1).proximal(-1.0), InputError, "negative"),
    "length of another type": (lambda net: L1(net, 0.1).proximal(None), InputTypeError, "Trainer"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_an_error(name):
    """Each error names the argument, or the parameters that are there."""
    net = gluon.nn.HybridSequential(prefix="")
    with net.name_scope():
        net.add(gluon.nn.Dense(2, in_units=2, prefix="dense0_"))
    net.initialize()
    make, kind, match = BAD[name]
    with pytest.raises(kind, match=match):
        make(net)


def test_sparse_parameters_are_refused():
    """A sparse gradient cannot take a dense penalty."""
    net = gluon.nn.Embedding(5, 2, sparse_grad=True)
    net.initialize()
    with pytest.raises(InputError, match="sparse"):
        L2(net, 0.1)


def test_two_types_are_refused():
    """Parameters of two types need two regularizers."""
    net = conv_net()
    net[2].cast("float64")
    with pytest.raises(InputError, match="one type"):
        L2(net, 0.1)


def test_a_proximal_step_is_no_term_of_a_loss(make_net):
    """Its gradient would never give zeros, and come on top of the step."""
    regularizer = L1(make_net(), 0.1, step="proximal")
    assert regularizer().shape == (1,)
    with mx.autograd.record(), pytest.raises(InputError, match="after trainer"):
        regularizer()
