"""Gaps of soft rates as a penalty and as a constraint: values, gradients, memory, missing cells, training."""

from __future__ import annotations

import numpy as np
import pytest

import mxfair
from mxfair import _graph, _step
from mxfair._validation import InputError, InputTypeError
from mxfair.criterion import ALL_CRITERIA, CRITERIA
from mxfair.data import DataLoader
from mxfair.loss import GapConstraint, GapPenalty, PenalizedLoss
from mxfair.loss._steered import steered_base
from mxfair.loss.gap import NORMS

mx = pytest.importorskip("mxnet")
nd, gluon, autograd = mx.nd, mx.gluon, mx.autograd

QUOTIENTS = sorted(ALL_CRITERIA)


def batch(n=40, classes=2, groups=2, seed=0):
    """Return outputs of a net, labels and groups in which every cell occurs."""
    rng = np.random.default_rng(seed)
    outputs = rng.normal(size=(n, 1 if classes == 2 else classes))
    cells = np.arange(n) % (classes * groups)
    return outputs.astype("float32"), (cells % classes).astype("float32"), (cells // classes).astype("float32")


def arrays(*values):
    """Return NDArrays."""
    return [nd.array(value) for value in values]


def probabilities(outputs, link):
    """Return probabilities of the classes, float64."""
    outputs = outputs.astype(float)
    if link == "softmax":
        weight = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return weight / weight.sum(axis=1, keepdims=True)
    p = 1 / (1 + np.exp(-outputs)) if link == "sigmoid" else outputs
    return np.concatenate([1 - p, p], axis=1)


def expected(criterion, norm, prob, label, group, n_groups):
    """Return the norm by its definition, from sums over samples in float64."""
    rates = []
    for rate, place in ALL_CRITERIA[criterion].rate_classes(np.arange(prob.shape[1])):
        above, below = rate.masks(prob.shape[1], place)
        values = []
        for g in range(n_groups):
            counts = np.array([prob[(group == g) & (label == k)].sum(axis=0) for k in range(prob.shape[1])])
            a, b = (counts * above).sum(), (counts * below).sum()
            values.append(a / (b if rate.share else a + b))
        rates.append(values)
    d = np.array(rates) - np.mean(rates, axis=1, keepdims=True)
    size = np.sqrt(d**2 + 1e-4)
    return {
        "squared": 2 * (d**2).sum(),
        "l2": np.sqrt(2 * (d**2).sum() + 1e-4) - 0.01,
        "l1": (size - 0.01).sum(),
        "max": 2 * (size.max() - 0.01),
    }[norm]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("criterion", QUOTIENTS)
def test_value_is_the_norm_of_the_soft_rates(criterion, norm):
    """Every criterion of quotients and every norm, three groups: as by the definition."""
    outputs, label, group = batch(60, groups=3)
    penalty = GapPenalty(criterion, 3, norm=norm, memory=0, link="sigmoid")
    value = penalty(*arrays(outputs, label, group)).asnumpy()
    want = expected(criterion, norm, probabilities(outputs, "sigmoid"), label, group, 3)
    np.testing.assert_allclose(value, np.full(60, want), rtol=2e-5, atol=2e-6)


def test_one_rate_of_two_groups_is_the_gap_of_the_metric():
    """Decisions in the place of probabilities give what the metric reports, to the rounding at parity."""
    label, group = np.float32([1, 1, 0, 0, 1, 0, 1, 0]), np.float32([0, 0, 0, 0, 1, 1, 1, 1])
    decisions = np.float32([1, 1, 1, 0, 1, 0, 0, 0])
    table = mxfair.GroupConfusion.of(label, decisions, group, classes=[0.0, 1.0])
    for name in ("demographic_parity", "equal_opportunity", "predictive_equality", "predictive_parity"):
        value = GapPenalty(name, 2, memory=0, link="identity")(*arrays(decisions[:, None], label, group))
        assert value.asnumpy()[0] == pytest.approx(CRITERIA[name].difference(table), abs=0.011)


@pytest.mark.parametrize(("link", "classes"), [("sigmoid", 2), ("identity", 2), ("softmax", 2), ("softmax", 3)])
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("criterion", ["demographic_parity", "equalized_odds", "predictive_parity", "accuracy_parity"])
def test_gradient_is_that_of_the_value(criterion, norm, link, classes):
    """The slope given by hand agrees with differences of the value in float64."""
    outputs, label, group = batch(36, classes, groups=3, seed=3)
    if link == "identity":
        outputs = np.clip(0.5 + 0.15 * outputs, 0.05, 0.95).astype("float32")
    if link == "softmax" and classes == 2:
        outputs = np.concatenate([outputs, np.sin(3 * outputs)], axis=1)
    penalty = GapPenalty(criterion, 3, norm=norm, memory=0, link=link, n_classes=classes)
    pred, *rest = arrays(outputs, label, group)
    pred.attach_grad()
    with autograd.record():
        value = penalty(pred, *rest).mean()
    value.backward()
    numeric = np.zeros(outputs.shape)
    for place in np.ndindex(outputs.shape):
        step = np.zeros(outputs.shape)
        step[place] = 1e-5
        up, down = (
            expected(criterion, norm, probabilities(outputs.astype(float) + s * step, link), label, group, 3)
            for s in (1, -1)
        )
        numeric[place] = (up - down) / 2e-5
    np.testing.assert_allclose(pred.grad.asnumpy(), numeric, rtol=2e-3, atol=2e-6)


def losses():
    """Return penalised losses and the items of a batch that they take."""
    binary = gluon.loss.SigmoidBinaryCrossEntropyLoss
    return {
        "penalty": PenalizedLoss(binary(), GapPenalty("equalized_odds", 2, strength=0.7)),
        "no memory": PenalizedLoss(binary(), GapPenalty("predictive_parity", 2, memory=0, norm="max")),
        "constraint": PenalizedLoss(binary(), GapConstraint("equalized_odds", 2, bound=0.02, step=0.1)),
        "two": PenalizedLoss(
            binary(), GapPenalty("demographic_parity", 2), GapConstraint("equal_opportunity", 2, bound=0.02)
        ),
        "weighted base": PenalizedLoss(binary(weight=0.5), GapPenalty("equalized_odds", 2)),
    }


@pytest.mark.parametrize("name", ["penalty", "no memory", "constraint", "two", "weighted base"])
def test_imperative_hybrid_and_graph_train_alike(name, toy, make_net, values_of):
    """Plain calls, a hybridized loss and the cached graphs of fit lead to the same weights, and the same states."""
    data, label, group = toy
    found = {}
    for way in ("plain", "hybrid", "graph"):
        loss, net = losses()[name], make_net(seed=1)
        trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.05})
        if way == "hybrid":
            loss.hybridize()
        rows = [slice(i, i + 32) for i in (0, 32, 64)] * 3
        batches = [arrays(data[r], label[r], group[r].astype("float32")) for r in rows]
        loss(net(batches[0][0]), *batches[0][1:])  # predict mode: no state moves
        step, reason = _step.make_step(net, loss, trainer, tuple(batches[0]), hybridize=way == "graph")
        assert (reason == "") == (way == "graph")
        values = [step(tuple(items), 32).asnumpy() for items in batches]
        states = [state.data().asnumpy() for state in loss._states()]
        found[way] = (values_of(net), np.concatenate(values), np.concatenate([[0], *states]))
    for way in ("hybrid", "graph"):
        for mine, plain in zip(found[way], found["plain"]):
            np.testing.assert_allclose(mine, plain, rtol=2e-4, atol=2e-6)
    assert name == "no memory" or found["plain"][2].any()


def test_the_graph_is_split_where_the_loss_gives_its_derivative(toy, make_net):
    """The shorter graph is used for the common base losses, the whole one for others."""
    kinds = {}
    for name in ("penalty", "weighted base"):
        loss, net = losses()[name], make_net()
        data, label, group = arrays(*(part.astype("float32") for part in toy))
        loss(net(data), label, group)
        kinds[name] = type(_graph.graph_of(net, loss, 3))
    assert kinds == {"penalty": _graph.SplitGraph, "weighted base": _graph.WholeGraph}


@pytest.mark.parametrize(
    ("base", "outputs"),
    [
        (gluon.loss.SigmoidBinaryCrossEntropyLoss(), 1),
        (gluon.loss.SoftmaxCrossEntropyLoss(), 4),
        (gluon.loss.L2Loss(), 1),
    ],
)
def test_steered_bases_are_gluons_losses(base, outputs):
    """Value and derivative agree with what Gluon computes and records, large outputs included."""
    rng = np.random.default_rng(0)
    pred = nd.array(rng.normal(0, 20, size=(50, outputs)))
    label = nd.array(rng.integers(0, max(2, outputs), 50))
    pred.attach_grad()
    with autograd.record():
        value = base(pred, label)
    value.backward()
    mine, slope = steered_base(base)(nd, pred, label)
    np.testing.assert_allclose(mine.asnumpy(), value.asnumpy(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(slope.asnumpy().reshape(pred.shape), pred.grad.asnumpy(), rtol=1e-5, atol=1e-5)


def test_an_output_of_exactly_zero_has_the_derivative_of_the_loss():
    """Dead units give such outputs: sigmoid(0) - y is one half off from what Gluon records, which is no derivative."""
    pred, label = nd.zeros((2, 1)), nd.array([0, 1])
    value, slope = steered_base(gluon.loss.SigmoidBinaryCrossEntropyLoss())(nd, pred, label)
    assert slope.asnumpy().tolist() == [0.5, -0.5]
    np.testing.assert_allclose(value.asnumpy(), np.log(2), rtol=1e-6)


def test_a_batch_seen_again_and_again_gives_the_gradient_of_the_batch():
    """Memory of the same batch changes neither value nor gradient, from the first call on."""
    pred, label, group = arrays(*batch(40))
    pred.attach_grad()
    fresh, kept = (GapPenalty("equalized_odds", 2, memory=m, link="sigmoid") for m in (0, 0.9))
    grads = []
    for penalty in (fresh, kept, kept, kept):
        with autograd.record():
            value = penalty(pred, label, group)
        value.backward()
        grads.append((value.asnumpy()[0], pred.grad.asnumpy()))
    for value, grad in grads[1:]:
        assert value == pytest.approx(grads[0][0], rel=1e-5)
        np.testing.assert_allclose(grad, grads[0][1], rtol=1e-4, atol=1e-8)


def test_memory_sees_through_the_noise_of_small_batches():
    """At parity, small batches differ from 0 by chance; the memory's value is much nearer to it."""
    rng = np.random.default_rng(0)
    fresh, kept = (GapPenalty("equalized_odds", 2, memory=m, link="sigmoid") for m in (0, 0.98))
    seen = []
    for _ in range(200):
        items = arrays(rng.normal(0, 3, (16, 1)), rng.integers(0, 2, 16), rng.integers(0, 2, 16))
        with autograd.record():
            seen.append((fresh(*items).asnumpy()[0], kept(*items).asnumpy()[0]))
    alone, together = np.mean(seen[100:], axis=0)
    assert alone > 0.3
    assert together < alone / 4


def test_states_move_in_training_mode_only():
    """Measuring a loss does not change it."""
    loss = PenalizedLoss(gluon.loss.SigmoidBinaryCrossEntropyLoss(), GapConstraint("demographic_parity", 2, bound=0.01))
    items = arrays(*batch())
    loss(*items)
    assert not any(state.data().asnumpy().any() for state in loss._states())
    with autograd.record():
        loss(*items)
    assert all(state.data().asnumpy().any() for state in loss._states())


@pytest.mark.parametrize("hybridize", [False, True])
def test_labels_and_groups_of_whole_numbers_are_taken(hybridize, toy, make_net, values_of):
    """Loaders give int64 codes where a dataset holds them; the numbers are the same, in fit and in a loop."""
    data, label, group = toy
    found = []
    for kind in ("float32", "int64", "int32"):
        net, loss = make_net(), losses()["penalty"]
        dataset = gluon.data.ArrayDataset(data, label.astype(kind), group.astype(kind))
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
        loader = DataLoader(dataset, 16, shuffle=True, seed=0)
        mxfair.training.fit(net, loader, loss, trainer, 2, progress=False, hybridize=hybridize)
        found.append(values_of(net))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


@pytest.mark.parametrize("memory", [0, 0.9])
@pytest.mark.parametrize("criterion", QUOTIENTS)
@pytest.mark.parametrize("lost", ["group", "label", "both", "extreme"])
def test_missing_cells_count_for_nothing(criterion, lost, memory):
    """A batch with one group has gap 0 and gradient 0; one label, or outputs of 1e4, give finite ones."""
    outputs, label, group = batch()
    if lost in ("group", "both"):
        group[:] = 1
    if lost in ("label", "both"):
        label[:] = 1
    if lost == "extreme":
        outputs *= 1e4
    pred, label, group = arrays(outputs, label, group)
    pred.attach_grad()
    penalty = GapPenalty(criterion, 2, memory=memory, link="sigmoid")
    with autograd.record():
        value = penalty(pred, label, group)
    value.backward()
    assert np.isfinite(value.asnumpy()).all()
    assert np.isfinite(pred.grad.asnumpy()).all()
    if lost in ("group", "both"):
        np.testing.assert_allclose(value.asnumpy(), 0, atol=1e-6)
        np.testing.assert_allclose(pred.grad.asnumpy(), 0, atol=1e-6)


@pytest.mark.parametrize("code", [-1, 2, 7])
def test_samples_of_no_group_count_for_none(code):
    """Codes outside the groups get no gradient, and leave the value that of the others."""
    outputs, label, group = batch()
    group[::5] = code
    known = group < 2 if code > 0 else group >= 0
    penalty = GapPenalty("equalized_odds", 2, memory=0, link="sigmoid")
    pred, *rest = arrays(outputs, label, group)
    pred.attach_grad()
    with autograd.record():
        value = penalty(pred, *rest).mean()
    value.backward()
    alone = penalty(*arrays(outputs[known], label[known], group[known])).asnumpy()[0]
    assert value.asscalar() == pytest.approx(alone, rel=1e-5)
    assert not pred.grad.asnumpy()[~known].any()
    assert pred.grad.asnumpy()[known].all()


def test_groups_give_their_number_without_the_unknown():
    """The group of missing values is none of those compared."""
    groups = mxfair.Groups(["a", "b", None, "a"])
    assert GapPenalty("equalized_odds", groups).n_groups == 2


def test_a_constraint_that_holds_costs_nothing(toy, make_net, values_of):
    """With a bound that no gap reaches, training is that of the base loss."""
    data, label, group = toy
    weights = []
    base = gluon.loss.SigmoidBinaryCrossEntropyLoss()
    for loss in (base, PenalizedLoss(base, GapConstraint("equalized_odds", 2, bound=0.99))):
        net = make_net(hidden=0)
        dataset = gluon.data.ArrayDataset(data, label, group.astype("float32"))
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
        mxfair.training.fit(net, DataLoader(dataset, 16, shuffle=True, seed=0), loss, trainer, 3, progress=False)
        weights.append(values_of(net))
    np.testing.assert_allclose(weights[0], weights[1], rtol=1e-5, atol=1e-7)


def test_the_gradient_of_a_constraint_is_that_of_its_value():
    """The augmented Lagrangian's slope agrees with differences, some constraints active and some not."""
    outputs, label, group = batch(30, groups=3)
    penalty = GapConstraint("equalized_odds", 3, bound=0.1, memory=0, link="sigmoid", rho=2.0)
    penalty.multipliers.set_data(nd.array(np.linspace(0, 0.3, 12)))
    rest = arrays(label, group)

    def value_of(values):
        return penalty(nd.array(values), *rest).asnumpy()[0].astype(float)

    pred = nd.array(outputs)
    pred.attach_grad()
    with autograd.record():
        value = penalty(pred, *rest).mean()
    penalty.multipliers.set_data(nd.array(np.linspace(0, 0.3, 12)))  # the call raised them
    value.backward()
    for i in range(0, 30, 7):
        step = np.zeros_like(outputs)
        step[i] = 0.02
        numeric = (value_of(outputs + step) - value_of(outputs - step)) / 0.04
        assert pred.grad.asnumpy()[i, 0] == pytest.approx(numeric, rel=0.02, abs=2e-5)


def trained(loss, epochs=60):
    """Return the gap and the accuracy of a logistic regression on the FairBatch paper's kind of data."""
    bunch = mxfair.datasets.make_zafar(3000, seed=1)
    X = bunch.data.to_numpy("float32")
    groups, y = mxfair.Groups(bunch.groups), bunch.target.to_numpy("float32")
    mx.random.seed(0)
    net = gluon.nn.Dense(1, in_units=X.shape[1])
    net.initialize(mx.init.Xavier())
    dataset = gluon.data.ArrayDataset(X, y, groups.codes.astype("float32"))
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.01})
    mxfair.training.fit(net, DataLoader(dataset, 100, shuffle=True, seed=0), loss, trainer, epochs, progress=False)
    p = 1 / (1 + np.exp(-net(nd.array(X)).asnumpy().ravel().astype(float)))
    soft = mxfair.GroupConfusion.of(y, np.stack([1 - p, p], axis=1), groups, classes=[0.0, 1.0])
    return {name: CRITERIA[name].difference(soft) for name in CRITERIA}, float(((p > 0.5) == y).mean())


@pytest.mark.slow
def test_one_scale_of_strengths_serves_every_criterion():
    """Strength 1 cuts the soft gap of each criterion to less than half and leaves the net useful."""
    base = gluon.loss.SigmoidBinaryCrossEntropyLoss
    plain, accuracy = trained(base())
    for name in ("demographic_parity", "equal_opportunity", "predictive_equality", "equalized_odds"):
        gaps, kept = trained(PenalizedLoss(base(), GapPenalty(name, 2, strength=1.0)))
        assert gaps[name] < plain[name] / 2, name
        assert kept > accuracy - 0.08, name


@pytest.mark.slow
def test_a_constraint_brings_the_soft_gap_to_its_bound():
    """Not far above the bound, and not needlessly far below it."""
    for name, bound in (("demographic_parity", 0.15), ("equalized_odds", 0.04)):
        loss = PenalizedLoss(gluon.loss.SigmoidBinaryCrossEntropyLoss(), GapConstraint(name, 2, bound=bound))
        gap = trained(loss)[0][name]
        assert bound * 0.6 < gap < bound * 1.25 + 0.01


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: GapPenalty("bounded_group_loss", 2), InputError, "criterion"),
        (lambda: GapPenalty("demografic_parity", 2), InputError, "Did you mean"),
        (lambda: GapPenalty(mxfair.Criterion("b", "balanced_accuracy"), 2), InputError, "balanced_accuracy"),
        (lambda: GapPenalty(mxfair.Criterion("s", "accuracy", agg="signed"), 2), InputError, "signed"),
        (lambda: GapPenalty("equalized_odds", 1), InputError, "at least 2"),
        (lambda: GapPenalty("equalized_odds", None), InputError, "n_groups"),
        (lambda: GapPenalty("equalized_odds", "two"), InputTypeError, "n_groups"),
        (lambda: GapPenalty("equalized_odds", 2, norm="l3"), InputError, "norm"),
        (lambda: GapPenalty("equalized_odds", 2, memory=1), InputError, "memory"),
        (lambda: GapPenalty("equalized_odds", 2, strength=-1), InputError, "strength"),
        (lambda: GapPenalty("equalized_odds", 2, strength="much"), InputTypeError, "strength"),
        (lambda: GapPenalty("equalized_odds", 2, link="tanh"), InputError, "link"),
        (lambda: GapConstraint("equalized_odds", 2, bound=1.5), InputError, "bound"),
        (lambda: GapConstraint("equalized_odds", 2, bound=0.1, step=0), InputError, "step"),
        (lambda: GapConstraint("equalized_odds", 2, bound=0.1, strength=2), InputError, "strength"),
        (lambda: PenalizedLoss(gluon.loss.L2Loss()), InputError, "at least one"),
        (lambda: PenalizedLoss("bce", GapPenalty("equalized_odds", 2)), InputTypeError, "base"),
        (lambda: PenalizedLoss(gluon.loss.L2Loss(), gluon.loss.L2Loss()), InputTypeError, "penalties"),
        (
            lambda: PenalizedLoss(mxfair.loss.WeightedLoss(gluon.loss.L2Loss(), 2), GapPenalty("equalized_odds", 2)),
            InputTypeError,
            "WeightedLoss",
        ),
        (lambda: PenalizedLoss(gluon.loss.HingeLoss(), GapPenalty("equalized_odds", 2)), InputError, "link"),
    ],
)
def test_errors_at_construction(make, error, words):
    """What cannot be trained with is said when it is made."""
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ((np.zeros((4, 2)), [0, 1, 0, 1], [0, 0, 1, 1]), "outputs per sample"),
        ((np.zeros((4, 1)), [0, 1, 0, 2], [0, 0, 1, 1]), "numbers of the classes"),
        ((np.zeros((4, 1)), [0, -1, 0, 1], [0, 0, 1, 1]), "numbers of the classes"),
        ((np.zeros((4, 1)), [0, 1, 0, 1], [0, 0.5, 1, 1]), "whole numbers"),
        ((np.zeros((4, 1)), [0, 1, 0, 1], [3, 3, 3, 3]), "codes from 0 to 1"),
        ((np.zeros((4, 1)), [0, 1, 0, 1], [0, 0, 1]), "one code per sample"),
    ],
)
def test_the_first_batch_is_checked(items, words):
    """Shapes, classes and codes are checked before anything is trained."""
    loss = PenalizedLoss(gluon.loss.SigmoidBinaryCrossEntropyLoss(), GapPenalty("equalized_odds", 2))
    with pytest.raises(InputError, match=words):
        loss(*arrays(*items))


@pytest.mark.parametrize("make", [GapPenalty, lambda *args, **options: GapConstraint(*args, bound=0.0, **options)])
def test_several_classes_take_the_link_of_the_base_loss(make):
    """Without a link given a penalty of three classes is the one with link="softmax"."""
    base, items = gluon.loss.SoftmaxCrossEntropyLoss(), arrays(*batch(classes=3))
    found, given = (
        PenalizedLoss(base, make("equalized_odds", 2, n_classes=3, **link))(*items).asnumpy()
        for link in ({}, {"link": "softmax"})
    )
    np.testing.assert_array_equal(found, given)
    with pytest.raises(InputError, match="'n_classes' must be 2 with link='sigmoid'"):
        make("equalized_odds", 2, n_classes=3, link="sigmoid")
    with pytest.raises(InputError, match="'n_classes' must be 2 with link='sigmoid'"):
        PenalizedLoss(gluon.loss.SigmoidBinaryCrossEntropyLoss(), make("equalized_odds", 2, n_classes=3))


def test_a_penalty_keeps_no_link_of_another_loss():
    """In a regression's loss it would take the sigmoid of numbers, since its first loss did."""
    penalty, given = GapPenalty("equalized_odds", 2), GapPenalty("equalized_odds", 2, link="sigmoid")
    base = gluon.loss.SigmoidBinaryCrossEntropyLoss()
    for _ in range(2):
        PenalizedLoss(base, penalty, given)
    PenalizedLoss(gluon.loss.L2Loss(), given)
    with pytest.raises(InputError, match="reads outputs in another way"):
        PenalizedLoss(gluon.loss.L2Loss(), penalty)


@pytest.mark.parametrize("memory", ["0.9", None, True, float("nan"), 1.0])
def test_a_memory_that_is_no_share_is_refused(memory):
    """Text and other things that are no numbers too, with the library's own error."""
    with pytest.raises(InputError, match="'memory' must be at least 0 and below 1"):
        GapPenalty("equalized_odds", 2, memory=memory)


def test_a_penalty_alone_needs_its_link():
    """Without a base loss nothing says whether outputs are logits."""
    with pytest.raises(InputError, match="link="):
        GapPenalty("equalized_odds", 2)(*arrays(*batch()))


def test_a_loss_without_the_group_says_so():
    """The group is never taken for something else."""
    loss = PenalizedLoss(gluon.loss.SigmoidBinaryCrossEntropyLoss(), GapPenalty("equalized_odds", 2))
    pred, label, _ = arrays(*batch())
    with pytest.raises(InputTypeError, match="third item"):
        loss(pred, label)


@pytest.mark.parametrize(
    ("use", "error", "words"),
    [
        (lambda p, b: p(b[0], b[1]), InputTypeError, "wrap it: PenalizedLoss"),
        (lambda p, b: p(b[0], b[1], b[2].asnumpy()), InputTypeError, "NDArrays of numbers"),
        (lambda p, b: p(b[0], b[1], list("ab") * 20), InputTypeError, "NDArrays of numbers"),
        (lambda p, b: GapPenalty("equalized_odds", 2, strenght=0.3), InputTypeError, "strenght"),
        (lambda p, b: GapPenalty("equalized_odds", 2, strength="0.3"), InputTypeError, "'strength'"),
        (lambda p, b: GapPenalty("equalized_odds", 2, strength=True), InputTypeError, "'strength'"),
        (lambda p, b: GapPenalty("equalized_odds", ["a", "b"]), InputTypeError, "mxfair.Groups"),
    ],
)
def test_what_a_newcomer_does_is_explained(use, error, words):
    """The penalty as the loss, groups as text, a misspelt option: the message says what to do."""
    with pytest.raises(error, match=words):
        use(GapPenalty("equalized_odds", 2, link="sigmoid"), arrays(*batch()))


def test_codes_that_start_at_one_are_noticed():
    """Groups 1 and 2 of two: the second counts as unknown, and no gap is left to lower."""
    outputs, label, group = batch()
    with pytest.warns(UserWarning, match="one of the groups"):
        GapPenalty("equalized_odds", 2, link="sigmoid")(*arrays(outputs, label, group + 1))


def test_a_penalty_says_what_it_is():
    """For printing a loss."""
    penalty = GapPenalty("equalized_odds", 2, strength=0.3)
    assert repr(penalty) == "GapPenalty(equalized_odds, 2 groups, strength 0.3)"
    loss = PenalizedLoss(gluon.loss.L2Loss(), penalty)
    assert repr(loss) == f"PenalizedLoss(L2Loss, {penalty!r})"


def test_a_group_that_nobody_of_is_selected_has_no_precision():
    """Its soft denominator is next to nothing: it counts for nothing, and does not move the others' mean."""
    outputs = np.float32([2, 1, 0.5, 1, -1, 0.3, -17, -18, -17.5])[:, None]
    label, group = np.float32([1, 0, 1, 0, 1, 0, 1, 0, 1]), np.repeat(np.float32([0, 1, 2]), 3)
    pred, *rest = arrays(outputs, label, group)
    pred.attach_grad()
    with autograd.record():
        value = GapPenalty("predictive_parity", 3, memory=0, link="sigmoid")(pred, *rest).mean()
    value.backward()
    alone = GapPenalty("predictive_parity", 2, memory=0, link="sigmoid")
    assert value.asscalar() == pytest.approx(alone(*arrays(outputs[:6], label[:6], group[:6])).asnumpy()[0], rel=1e-5)
    assert not pred.grad.asnumpy()[6:].any()


def test_outputs_of_float64_are_refused():
    """The engine would speak of attributes of nodes."""
    outputs, label, group = batch()
    with pytest.raises(InputTypeError, match="float32"):
        GapPenalty("equalized_odds", 2, link="sigmoid")(nd.array(outputs, dtype="float64"), *arrays(label, group))
