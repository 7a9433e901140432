"""The path penalty: differences of outputs against the analytic slope of a small net, and what it does in training."""

from __future__ import annotations

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon

import mxfair
from mxfair._validation import InputError, InputTypeError
from mxfair.data import DataLoader
from mxfair.loss import PathLoss, PathPenalty
from mxfair.preprocessing.mixup import GroupMixup

RNG = np.random.default_rng(3)
FIRST, SECOND = (RNG.normal(size=(40, 3)) + shift for shift in (0.8, -0.5))
STRATA = np.arange(40) % 2
BCE = gluon.loss.SigmoidBinaryCrossEntropyLoss


def small_net(seed=0):
    """Return sigmoid(w tanh(V x + b) + c) as a net, and its weights."""
    rng = np.random.default_rng(seed)
    V, b, w, c = rng.normal(size=(5, 3)), rng.normal(size=5), rng.normal(size=(1, 5)), rng.normal(size=1)
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Dense(5, activation="tanh", in_units=3), gluon.nn.Dense(1, in_units=5))
    net.initialize()
    for parameter, value in zip(net.collect_params().values(), (V, b, w, c)):
        parameter.set_data(mx.nd.array(value))
    return net, (V, b, w, c)


def output(x, weights):
    """Return f(x) of rows."""
    V, b, w, c = weights
    return 1 / (1 + np.exp(-(np.tanh(x @ V.T + b) @ w[0] + c[0])))


def slope(t, weights, rows=...):
    """Return the mean over pairs of grad f(x_t) . (x_0 - x_1): the analytic derivative of mu."""
    V, b, w, _ = weights
    x = t * FIRST[rows] + (1 - t) * SECOND[rows]
    f, hidden = output(x, weights), np.tanh(x @ V.T + b)
    gradient = (f * (1 - f))[:, None] * ((w[0] * (1 - hidden**2)) @ V)
    return (gradient * (FIRST[rows] - SECOND[rows])).sum(axis=1).mean()


def value(penalty, t, stratum=None):
    """Return the penalty of the pairs."""
    stratum = None if stratum is None else mx.nd.array(stratum)
    return float(penalty(mx.nd.array(FIRST), mx.nd.array(SECOND), t, stratum).asscalar())


@pytest.mark.parametrize("t", [0.1, 0.35, 0.5, 0.9])
def test_a_small_window_gives_the_analytic_slope(t):
    """The central difference is near the derivative of the mean output along the path."""
    net, weights = small_net()
    assert value(PathPenalty(net, half_width=0.01), t) == pytest.approx(abs(slope(t, weights)), rel=2e-3)


@pytest.mark.parametrize("half_width", [0.05, 0.2])
def test_the_difference_is_the_slope_averaged_over_the_window(half_width):
    """What is computed is the mean of the analytic slope from t - h to t + h, exactly."""
    net, weights = small_net()
    grid = 0.4 + half_width * (2 * (np.arange(400) + 0.5) / 400 - 1)
    mean = np.mean([slope(t, weights) for t in grid])
    assert value(PathPenalty(net, half_width=half_width), 0.4) == pytest.approx(abs(mean), rel=1e-4)


def test_the_window_stays_between_the_groups():
    """At the ends the window is moved inside, so that the net is asked between the two samples only."""
    net, weights = small_net()
    ends = output(FIRST, weights).mean(), output(0.8 * FIRST + 0.2 * SECOND, weights).mean()
    assert value(PathPenalty(net, half_width=0.1), 1.0) == pytest.approx(abs(ends[0] - ends[1]) / 0.2, rel=1e-4)


def test_one_segment_is_the_gap():
    """The telescoped form with one segment is the gap of mean outputs, and so is half_width=.5."""
    net, weights = small_net()
    gap = abs(output(FIRST, weights).mean() - output(SECOND, weights).mean())
    assert value(PathPenalty(net, method="variation", segments=1), 0.3) == pytest.approx(gap, rel=1e-4)
    assert value(PathPenalty(net, half_width=0.5), 0.3) == pytest.approx(gap, rel=1e-4)


def test_variation_grows_to_the_integral_of_the_slope():
    """Total variation over more points grows, and reaches the integral of |mu'(t)|; the gap is below it."""
    # a net whose mean output goes up and down on the way
    nets = [small_net(seed) for seed in range(12)]
    slopes = [np.array([slope((i + 0.5) / 300, weights) for i in range(300)]) for _, weights in nets]
    bent = int(np.argmax([np.abs(s).mean() - abs(s.mean()) for s in slopes]))
    net, integral = nets[bent][0], np.abs(slopes[bent]).mean()
    found = [value(PathPenalty(net, method="variation", segments=k), 0.0) for k in (1, 2, 8, 64)]
    assert found == sorted(found)
    assert found[-1] == pytest.approx(integral, rel=1e-2)
    assert found[0] < 0.95 * integral


def test_strata_are_summed():
    """For equalized odds the slopes of the labels are taken apart; an absent stratum contributes nothing."""
    net, weights = small_net()
    apart = [abs(slope(0.5, weights, k == STRATA)) for k in (0, 1)]
    assert value(PathPenalty(net, 2, half_width=0.01), 0.5, STRATA) == pytest.approx(sum(apart), rel=2e-3)
    assert value(PathPenalty(net, 5, half_width=0.01), 0.5, STRATA) == pytest.approx(sum(apart), rel=2e-3)


@pytest.mark.parametrize("options", [{}, {"method": "variation"}, {"half_width": 0.3}])
def test_gradients_agree_with_finite_differences(options):
    """The gradient by every weight of the net is that of the penalty."""
    net, weights = small_net()
    penalty = PathPenalty(net, 2, **options)
    first, second, stratum = map(mx.nd.array, (FIRST, SECOND, STRATA))
    with autograd.record():
        result = penalty(first, second, 0.4, stratum)
    result.backward()
    gradients = [p.grad().asnumpy() for p in net.collect_params().values()]

    points = (
        [k / 4 for k in range(5)] if options.get("method") else [0.4 - penalty.half_width, 0.4 + penalty.half_width]
    )
    width = 1 if options.get("method") else 2 * penalty.half_width

    def exact(values):
        mu = np.array([[output(t * FIRST[k == STRATA] + (1 - t) * SECOND[k == STRATA], values).mean() for k in (0, 1)]
                       for t in points])  # fmt: skip
        return np.abs(np.diff(mu, axis=0)).sum() / width

    for place, gradient in enumerate(gradients):
        for index in np.ndindex(gradient.shape):
            ends = []
            for sign in (1, -1):
                moved = [v.copy() for v in weights]
                moved[place][index] += sign * 1e-5
                ends.append(exact(moved))
            assert gradient[index] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=2e-3, abs=2e-5)


@pytest.mark.parametrize("method", ["slope", "variation"])
def test_hybridized_and_imperative_agree(method):
    """Value and gradients are alike."""
    results = []
    for hybrid in (False, True):
        net, _ = small_net()
        penalty = PathPenalty(net, 2, method=method, strength=3.0)
        if hybrid:
            penalty.hybridize()
        with autograd.record():
            result = penalty(mx.nd.array(FIRST), mx.nd.array(SECOND), 0.4, mx.nd.array(STRATA))
        result.backward()
        results.append([result.asnumpy(), *(p.grad().asnumpy() for p in net.collect_params().values())])
    for a, b in zip(*results):
        assert a == pytest.approx(b, rel=1e-4, abs=1e-6)


def test_strength_and_link():
    """The strength is a factor, also of a hybridized penalty; links read the output."""
    net, _ = small_net()
    penalty = PathPenalty(net)
    penalty.hybridize()
    one = value(penalty, 0.5)
    penalty.set_strength(2.5)
    assert value(penalty, 0.5) == pytest.approx(2.5 * one)
    two = gluon.nn.Dense(2, in_units=3)
    two.initialize(mx.init.Normal(1))
    soft = two(mx.nd.array(0.55 * FIRST + 0.45 * SECOND)).softmax().asnumpy()[:, 1].mean()
    soft -= two(mx.nd.array(0.45 * FIRST + 0.55 * SECOND)).softmax().asnumpy()[:, 1].mean()
    assert value(PathPenalty(two, link="softmax"), 0.5) == pytest.approx(abs(soft) / 0.1, rel=1e-3)


def test_images_are_taken():
    """Samples may have any shape."""
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Conv2D(2, 3), gluon.nn.Dense(1))
    net.initialize()
    images = mx.nd.random.uniform(shape=(2, 6, 1, 8, 8))
    assert PathPenalty(net)(images[0], images[1], 0.5).shape == (1,)


def biased(n=2000):
    """Return samples whose label depends on the group, through a feature that shows it."""
    rng = np.random.default_rng(0)
    z = (rng.random(n) < 0.4).astype(int)
    y = (rng.random(n) < 0.3 + 0.4 * z).astype("float32")
    X = np.stack([rng.normal(size=n) + y, rng.normal(size=n) + 1.5 * z, rng.normal(size=n)], axis=1)
    return X.astype("float32"), y, z


def trained(strength, epochs=8, criterion="demographic_parity"):
    """Return the gap of mean scores after `fit` with a PathLoss, and the accuracy."""
    X, y, z = biased()
    mx.random.seed(0)
    net = mxfair.net.mlp(3, hidden=(16,))
    net.initialize(mx.init.Xavier())
    pairs = GroupMixup(X, y, z, criterion=criterion, batch_size=128, seed=0)
    penalty = PathPenalty(net, pairs.n_strata, strength=strength)
    loss = PathLoss(BCE(), penalty, pairs)
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 1e-2})
    loader = DataLoader(gluon.data.ArrayDataset(X, y, z.astype("float32")), 100, shuffle=True, seed=0)
    mxfair.training.fit(net, loader, loss, trainer, epochs, progress=False)
    score = net(mx.nd.array(X)).sigmoid().asnumpy()[:, 0]
    return abs(score[z == 1].mean() - score[z == 0].mean()), ((score > 0.5) == y).mean()


@pytest.mark.filterwarnings("error:fit runs the plain:RuntimeWarning")
def test_training_with_it_narrows_the_gap():
    """In `fit`, the mean scores of the groups come together, and the net still learns: accuracy .70, .68, .64."""
    plain, some, much = (trained(strength) for strength in (0.0, 0.5, 2.0))
    assert plain[0] > 0.15
    assert some[0] < 0.5 * plain[0]
    assert much[0] < 0.3 * plain[0]
    assert min(some[1], much[1]) > 0.6


def test_the_loss_is_the_base_loss_in_predict_mode():
    """Validation shows the base loss; in training mode every sample carries the same penalty."""
    X, y, z = biased(60)
    net, _ = small_net()
    pairs = GroupMixup(X, y, z, batch_size=16, seed=0)
    loss = PathLoss(BCE(), PathPenalty(net, pairs.n_strata), pairs)
    data, label, group = mx.nd.array(X), mx.nd.array(y), mx.nd.array(z)
    base = BCE()(net(data), label).asnumpy()
    assert loss(net(data), label, group).asnumpy() == pytest.approx(base)
    with autograd.record():
        more = loss(net(data), label, group).asnumpy() - base
    assert more == pytest.approx(np.full(60, more[0]), abs=1e-5)
    assert more[0] > 0
    with pytest.raises(InputTypeError, match="third item"):
        loss(net(data), label)


def test_wrong_arguments_are_refused():
    """Nets, numbers, shapes and strata are checked, at construction where they can be."""
    net, _ = small_net()
    X, y, z = biased(60)
    pairs = GroupMixup(X, y, z, batch_size=16)
    for message, call in {
        "HybridBlock": lambda: PathPenalty(print),
        "half_width": lambda: PathPenalty(net, half_width=0.6),
        "Did you mean 'slope'": lambda: PathPenalty(net, method="slopes"),
        "same shape": lambda: PathPenalty(net)(mx.nd.zeros((2, 3)), mx.nd.zeros((3, 3)), 0.5),
        "NDArray": lambda: PathPenalty(net)(FIRST, SECOND, 0.5),
        "from 0 to 1": lambda: value(PathPenalty(net), 1.5),
        "PathPenalty": lambda: PathLoss(BCE(), net, pairs),
        "GroupMixup": lambda: PathLoss(BCE(), PathPenalty(net, 2), [1]),
        "as many strata": lambda: PathLoss(BCE(), PathPenalty(net, 1), pairs),
        "one_t=True": lambda: PathLoss(BCE(), PathPenalty(net, 2), GroupMixup(X, y, z, batch_size=16, one_t=False)),
    }.items():
        with pytest.raises((InputError, InputTypeError), match=message):
            call()


def test_a_half_width_that_is_no_number_is_refused():
    """With the library's own error."""
    with pytest.raises(InputError, match="'half_width' must be above 0"):
        PathPenalty(mx.gluon.nn.Dense(1, in_units=2), half_width="wide")
