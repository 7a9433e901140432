"""Ensemble and StackedEnsemble: what they compute, what they refuse, and what they are as blocks."""

from __future__ import annotations

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon, nd
from scipy.special import expit, log_softmax, logsumexp, softmax

import mxfair
from mxfair import _inference
from mxfair._validation import InputError, InputTypeError
from mxfair.ensemble import Ensemble, StackedEnsemble, _combine

WEIGHTS = np.array([0.5, 0.0, 2.0, 0.25])


def batch(rows=40, columns=3, dtype="float32"):
    """Return data."""
    return np.random.default_rng(3).normal(size=(rows, columns)).astype(dtype)


@pytest.fixture
def make_nets(make_net):
    """Return a function that makes members of different weights."""

    def make(outputs=1, count=4, **options):
        return [make_net(outputs, seed=seed, **options) for seed in range(count)]

    return make


def expected(scores, weights, combine, bias=0.0):
    """Return what an ensemble should return, in float64, from scores (K, n, outputs)."""
    scores, outputs = np.asarray(scores, dtype=float), scores.shape[2]
    shares = (weights / weights.sum())[:, None, None]
    if combine == "sum":
        return (weights[:, None, None] * scores).sum(axis=0) + bias
    if combine == "score":
        return (shares * scores).sum(axis=0)
    if combine == "vote":
        if outputs == 1:
            yes = (shares * (scores > 0)).sum(axis=0).clip(1e-7, 1 - 1e-7)
            return np.log(yes / (1 - yes))
        return np.log((shares * np.eye(outputs)[scores.argmax(axis=2)]).sum(axis=0).clip(1e-7, None))
    if outputs == 1:
        yes = logsumexp(-np.logaddexp(0, -scores), axis=0, b=shares)
        return yes - logsumexp(-np.logaddexp(0, scores), axis=0, b=shares)
    return logsumexp(log_softmax(scores, axis=2), axis=0, b=shares)


@pytest.mark.parametrize("outputs", [1, 2, 3])
@pytest.mark.parametrize("combine", ["probability", "score", "vote", "sum"])
def test_each_way_of_combining_is_its_formula(make_nets, combine, outputs):
    """The block, the hybridized block and the prediction form all give the formula's numbers."""
    nets, data = make_nets(outputs), batch()
    ensemble = Ensemble(nets, WEIGHTS, combine=combine)
    right = expected(np.stack([net(nd.array(data)).asnumpy() for net in nets]), WEIGHTS, combine)
    plain = ensemble(nd.array(data)).asnumpy()
    np.testing.assert_allclose(plain, right, rtol=2e-6, atol=2e-6)
    assert ensemble._predict_form() is not None
    predicted = np.concatenate([part.asnumpy() for part in _inference.forward(ensemble, data, chunk=17)])
    np.testing.assert_allclose(predicted, right, rtol=2e-6, atol=2e-6)
    ensemble.hybridize(static_alloc=True)
    np.testing.assert_allclose(ensemble(nd.array(data)).asnumpy(), right, rtol=2e-6, atol=2e-6)


def test_sigmoid_of_the_output_is_the_mean_probability(make_nets):
    """Soft voting: with one output per sample."""
    nets, data = make_nets(), nd.array(batch())
    mean = np.mean([expit(net(data).asnumpy()) for net in nets], axis=0)
    np.testing.assert_allclose(expit(Ensemble(nets)(data).asnumpy()), mean, rtol=1e-5)


def test_softmax_of_the_output_is_the_mean_probability(make_nets):
    """Soft voting: with one output per class."""
    nets, data = make_nets(3), nd.array(batch())
    mean = np.mean([softmax(net(data).asnumpy(), axis=1) for net in nets], axis=0)
    np.testing.assert_allclose(softmax(Ensemble(nets)(data).asnumpy(), axis=1), mean, rtol=1e-5)


def linear(weight):
    """Return a net of one column and one output that multiplies."""
    net = gluon.nn.Dense(1, in_units=1, use_bias=False)
    net.initialize(mx.init.Constant(weight))
    return net


@pytest.mark.parametrize("size", [-90.0, -30.0, 30.0, 90.0])
def test_probabilities_near_0_and_1_lose_no_digit(size):
    """Members with scores of 90 have probabilities that float32 cannot hold; their mean's log-odds are exact."""
    ensemble = Ensemble([linear(1.0), linear(0.9)], [1, 3])
    right = expected(np.array([[[size]], [[0.9 * size]]]), np.array([1.0, 3.0]), "probability")
    np.testing.assert_allclose(ensemble(nd.array([[size]])).asnumpy(), right, rtol=1e-6)
    (predicted,) = _inference.forward(ensemble, np.array([[size]], "float32"))
    np.testing.assert_allclose(predicted.asnumpy(), right, rtol=1e-6)


def test_one_member_is_itself(make_nets):
    """K = 1: the output is the member's."""
    (net,) = make_nets(count=1)
    data = nd.array(batch())
    np.testing.assert_allclose(Ensemble([net])(data).asnumpy(), net(data).asnumpy(), rtol=1e-5, atol=1e-6)


def test_a_unanimous_vote_is_finite():
    """All members on one side have log-odds of log(1e7), which the docstring gives as 16.1."""
    output = Ensemble([linear(1.0), linear(2.0)], combine="vote")(nd.array([[1.0], [-1.0]])).asnumpy().ravel()
    np.testing.assert_allclose(output, [np.log(1e7), -np.log(1e7)], rtol=1e-6)


def test_a_vote_of_nan_is_nan():
    """A member that has diverged does not vote for the negative class."""
    nets = [linear(1.0), linear(float("nan"))]
    ensemble = Ensemble(nets, combine="vote")
    assert np.isnan(ensemble(nd.ones((2, 1))).asnumpy()).all()
    (predicted,) = _inference.forward(ensemble, np.ones((2, 1), "float32"))
    assert np.isnan(predicted.asnumpy()).all()


def test_the_sum_has_a_bias(make_nets):
    """Boosting: base score per output plus rate times output."""
    nets, data = make_nets(2), nd.array(batch())
    ensemble = Ensemble(nets, [0.1, -0.2, 0.3, 0.0], combine="sum", bias=[1.0, -1.0])
    scores = np.stack([net(data).asnumpy() for net in nets])
    right = expected(scores, np.array([0.1, -0.2, 0.3, 0.0]), "sum", np.array([1.0, -1.0]))
    np.testing.assert_allclose(ensemble(data).asnumpy(), right, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(next(iter(_inference.forward(ensemble, data))).asnumpy(), right, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("combine", ["probability", "vote"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_members_may_return_probabilities(make_nets, combine, outputs):
    """With probability=True members that end in a sigmoid or softmax give what their scores would give."""
    nets, data = make_nets(outputs), batch()
    ended = []
    for net in nets:
        whole = gluon.nn.HybridSequential()
        whole.add(net, gluon.nn.HybridLambda("sigmoid" if outputs == 1 else "softmax"))
        ended.append(whole)
    from_scores = Ensemble(nets, WEIGHTS, combine=combine)(nd.array(data)).asnumpy()
    ensemble = Ensemble(ended, WEIGHTS, combine=combine, probability=True)
    np.testing.assert_allclose(ensemble(nd.array(data)).asnumpy(), from_scores, rtol=1e-4, atol=1e-5)
    (predicted,) = _inference.forward(ensemble, data)
    np.testing.assert_allclose(predicted.asnumpy(), from_scores, rtol=1e-4, atol=1e-5)


def test_probabilities_of_0_and_1_are_finite():
    """A member's probability of 1 leaves 1e-30 for the other class: numbers, and the same decision."""
    net = gluon.nn.HybridLambda(lambda F, x: F.sign(x))
    output = Ensemble([net], probability=True)(nd.array([[1.0], [0.0]])).asnumpy().ravel()
    assert np.isfinite(output).all()
    assert (output > 0).tolist() == [True, False]


@pytest.mark.parametrize("traced", [False, True])
def test_each_member_sees_its_columns(make_net, traced):
    """Random subspaces: member k is called with its own columns, in its own order."""
    columns = [[4, 0], [1, 2], [3, 3]]
    nets = [make_net(inputs=2, seed=seed) for seed in range(3)]
    data = batch(columns=5)
    ensemble = Ensemble(nets, columns=columns, combine="score")
    right = np.mean([net(nd.array(data[:, chosen])).asnumpy() for net, chosen in zip(nets, columns)], axis=0)
    if traced:
        ensemble.hybridize()
    np.testing.assert_allclose(ensemble(nd.array(data)).asnumpy(), right, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(next(iter(_inference.forward(ensemble, data))).asnumpy(), right, rtol=1e-5, atol=1e-6)


def test_member_scores_are_the_members_outputs(make_nets):
    """Shape (n_members, n_samples, n_outputs), in pieces as in one."""
    nets, data = make_nets(3), batch(100)
    right = np.stack([net(nd.array(data)).asnumpy() for net in nets])
    np.testing.assert_allclose(Ensemble(nets).member_scores(data, chunk=33), right, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("combine", ["probability", "score", "vote", "sum"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_an_export_gives_the_same_numbers(make_net, tmp_path, combine, outputs):
    """Through export and SymbolBlock.imports: columns, weights and bias included."""
    nets = [make_net(outputs, inputs=2, seed=seed) for seed in range(4)]
    bias = {"bias": 0.5} if combine == "sum" else {}
    ensemble = Ensemble(nets, WEIGHTS, combine=combine, columns=[[0, 1], [2, 1], [3, 0], [1, 3]], **bias)
    ensemble.hybridize()
    data = nd.array(batch(columns=4))
    right = ensemble(data).asnumpy()
    ensemble.export(str(tmp_path / "net"))
    loaded = gluon.SymbolBlock.imports(str(tmp_path / "net-symbol.json"), ["data"], str(tmp_path / "net-0000.params"))
    np.testing.assert_array_equal(loaded(data).asnumpy(), right)


def test_parameters_are_saved_with_the_weights(make_nets, tmp_path):
    """load_parameters brings the members and their weights back."""
    saved = Ensemble(make_nets(), WEIGHTS)
    data = nd.array(batch())
    right = saved(data).asnumpy()
    saved.save_parameters(str(tmp_path / "net.params"))
    other = Ensemble([mxfair.net.mlp(3, hidden=(4,)) for _ in range(4)])
    other.load_parameters(str(tmp_path / "net.params"))
    np.testing.assert_array_equal(other(data).asnumpy(), right)
    np.testing.assert_array_equal(other.weights, WEIGHTS)


@pytest.mark.parametrize("hybridize", [False, True])
def test_a_traced_graph_follows_new_weights(make_nets, hybridize):
    """set_weights changes what the block and the prediction form return, without tracing anew."""
    nets, data = make_nets(), batch()
    ensemble = Ensemble(nets)
    if hybridize:
        ensemble.hybridize(static_alloc=True, static_shape=True)
    ensemble(nd.array(data)), list(_inference.forward(ensemble, data))
    ensemble.set_weights([0, 0, 1, 0])
    right = nets[2](nd.array(data)).asnumpy()
    np.testing.assert_allclose(ensemble(nd.array(data)).asnumpy(), right, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(next(iter(_inference.forward(ensemble, data))).asnumpy(), right, rtol=1e-5, atol=1e-5)


def test_a_new_bias_is_followed(make_nets):
    """set_weights with a bias shifts the sum."""
    ensemble = Ensemble(make_nets(), combine="sum", bias=0)
    data = nd.array(batch())
    before = ensemble(data).asnumpy()
    ensemble.set_weights(np.ones(4), bias=2.0)
    np.testing.assert_allclose(ensemble(data).asnumpy(), before + 2.0, rtol=1e-6)


@pytest.mark.parametrize("change", ["set_data", "load", "layer", "hook", "activation"])
def test_predictions_follow_changed_members(make_nets, tmp_path, change):
    """Whatever of a member changes after a prediction, the next one is that of the block."""
    nets, data = make_nets(), batch()
    ensemble = Ensemble(nets, combine="score")
    list(_inference.forward(ensemble, data))
    list(_inference.forward(ensemble, data))
    before = ensemble(nd.array(data)).asnumpy()
    if change == "set_data":
        nets[1][0].weight.set_data(nets[1][0].weight.data() * 3)
    elif change == "load":
        nets[0].save_parameters(str(tmp_path / "net.params"))
        nets[1].load_parameters(str(tmp_path / "net.params"))
    elif change == "layer":
        nets[1].add(linear(5.0))
    elif change == "activation":
        nets[1][0].act._act_type = "tanh"
    else:
        nets[1].register_forward_hook(lambda block, inputs, output: None)
    after = ensemble(nd.array(data)).asnumpy()
    assert (change == "hook") == np.array_equal(before, after)
    assert (ensemble._predict_form() is None) == (change == "hook")
    predicted = np.concatenate([part.asnumpy() for part in _inference.forward(ensemble, data)])
    np.testing.assert_allclose(predicted, after, rtol=1e-5, atol=1e-6)


def test_a_subclass_predicts_what_it_computes(make_nets):
    """The prediction form is that of Ensemble; a class with a forward of its own is called."""

    class Doubled(Ensemble):
        def hybrid_forward(self, F, x, weight, bias=None):
            return 2 * super().hybrid_forward(F, x, weight, bias)

    nets, data = make_nets(), batch()
    (predicted,) = _inference.forward(Doubled(nets), data)
    np.testing.assert_allclose(predicted.asnumpy(), 2 * Ensemble(nets)(nd.array(data)).asnumpy(), rtol=1e-6)


def test_members_that_cannot_be_traced_are_called(make_nets):
    """A member that looks at its data has no graph; predictions are still those of the block."""

    class Looks(gluon.HybridBlock):
        def hybrid_forward(self, F, x):
            return x[:, :1] if float(x.sum().asscalar()) > 0 else x[:, 1:2]

    ensemble = Ensemble([*make_nets(), Looks()])
    data = batch()
    right = ensemble(nd.array(data)).asnumpy()
    (predicted,) = _inference.forward(ensemble, data)
    np.testing.assert_array_equal(predicted.asnumpy(), right)


def test_the_form_in_float64(make_nets):
    """A cast ensemble predicts in its own type."""
    ensemble = Ensemble(make_nets(), WEIGHTS, columns=[[0, 1, 2]] * 4)
    ensemble.cast("float64")
    data = batch(dtype="float64")
    plain = ensemble(nd.array(data, dtype="float64"))
    (predicted,) = _inference.forward(ensemble, data)
    assert predicted.dtype == plain.dtype == np.float64
    np.testing.assert_allclose(predicted.asnumpy(), plain.asnumpy(), rtol=1e-9, atol=1e-9)


def test_data_of_the_wrong_type_are_named(make_nets):
    """float64 data do not meet float32 members inside the engine."""
    with pytest.raises(InputError, match="float32"):
        list(_inference.forward(Ensemble(make_nets()), batch(dtype="float64")))


@pytest.mark.parametrize("outputs", [1, 3])
def test_gradients_are_those_of_the_mean_probability(make_nets, outputs):
    """Fine-tuning: the gradient by a member's bias equals a difference quotient."""
    nets, data = make_nets(outputs), nd.array(batch())
    ensemble = Ensemble(nets, WEIGHTS)
    bias = nets[2][-1].bias

    def value():
        output = ensemble(data)
        return (nd.sigmoid(output)[:, 0] if outputs == 1 else nd.softmax(output)[:, 0]).sum()

    with autograd.record():
        total = value()
    total.backward()
    gradient, start = bias.grad().asnumpy()[0], bias.data().copy()
    ends = []
    for step in (0.05, -0.05):
        bias.set_data(start + nd.array([step] + [0] * (outputs - 1)))
        ends.append(value().asscalar())
    np.testing.assert_allclose(gradient, (ends[0] - ends[1]) / 0.1, rtol=2e-2)


def test_training_moves_members_and_leaves_weights(make_nets, toy):
    """training.fit takes an ensemble as any net; a trainer of all parameters leaves the weights."""
    data, labels, groups = toy
    nets = make_nets()
    ensemble = Ensemble(nets, WEIGHTS)
    before = nets[0][0].weight.data().asnumpy()
    trainer = gluon.Trainer(ensemble.collect_params(), "adam", {"learning_rate": 0.05})
    loader = mxfair.data.DataLoader(gluon.data.ArrayDataset(data, labels, groups), 32, shuffle=True, seed=0)
    loss = gluon.loss.SigmoidBinaryCrossEntropyLoss()
    history = mxfair.training.fit(ensemble, loader, loss, trainer, 5, progress=False)
    losses = [entry["loss"] for entry in history.epochs]
    assert losses[-1] < losses[0]
    assert not np.array_equal(nets[0][0].weight.data().asnumpy(), before)
    np.testing.assert_array_equal(ensemble.weights, WEIGHTS)


def test_a_report_takes_an_ensemble(make_nets, toy):
    """report.evaluate gives the accuracy of the ensemble's decisions."""
    data, labels, groups = toy
    ensemble = Ensemble(make_nets())
    report = mxfair.report.evaluate(ensemble, gluon.data.ArrayDataset(data, labels, groups))
    right = float(((ensemble(nd.array(data)).asnumpy().ravel() > 0) == labels).mean())
    assert report.summary["accuracy"].iloc[0] == pytest.approx(right)


def test_members_may_be_initialized_later():
    """initialize() of the ensemble, or of each net by itself; the weights are those that were given."""
    data = nd.array(batch())
    ensemble = Ensemble([mxfair.net.logistic(3) for _ in range(2)], [1, 3])
    np.testing.assert_array_equal(ensemble.weights, [1, 3])
    ensemble.initialize()
    assert ensemble(data).shape == (40, 1)
    np.testing.assert_array_equal(ensemble.weights, [1, 3])
    nets = [gluon.nn.Dense(2) for _ in range(2)]  # their widths are not known before the first call
    ensemble = Ensemble(nets, [1, 3])
    for net in nets:
        net.initialize()
    assert ensemble(data).shape == (40, 2)
    np.testing.assert_array_equal(ensemble.weights, [1, 3])


def test_a_context_moves_all(make_nets):
    """reset_ctx takes members, weights and columns along."""
    ensemble = Ensemble(make_nets(), columns=[[0, 1, 2]] * 4)
    ensemble.collect_params().reset_ctx(mx.cpu(1))
    data = nd.array(batch(), ctx=mx.cpu(1))
    assert ensemble(data).context == mx.cpu(1)
    assert next(iter(_inference.forward(ensemble, batch()))).shape == (40, 1)


def test_an_ensemble_may_be_a_member(make_nets):
    """An ensemble of ensembles exports and predicts like one."""
    nets, data = make_nets(), batch()
    whole = Ensemble([Ensemble(nets[:2], combine="score"), Ensemble(nets[2:], combine="score")], combine="score")
    right = np.mean([net(nd.array(data)).asnumpy() for net in nets], axis=0)
    np.testing.assert_allclose(whole(nd.array(data)).asnumpy(), right, rtol=1e-5, atol=1e-6)
    (predicted,) = _inference.forward(whole, data)
    np.testing.assert_allclose(predicted.asnumpy(), right, rtol=1e-5, atol=1e-6)


def test_numpy_and_graph_formulas_are_one(make_nets):
    """Both forms of a share of votes break ties alike: the first class, the negative one."""
    nets = [linear(1.0), linear(-1.0)]
    ensemble = Ensemble(nets, combine="vote")
    data = np.array([[1.0], [0.0]], "float32")
    plain = ensemble(nd.array(data)).asnumpy().ravel()
    (predicted,) = _inference.forward(ensemble, data)
    np.testing.assert_allclose(predicted.asnumpy().ravel(), plain, atol=1e-6)
    assert plain[0] == 0
    assert plain[1] == pytest.approx(-np.log(1 / _combine.SHARE), rel=1e-6)


BAD = {
    "no nets": (lambda nets: Ensemble([]), InputError, "at least one net"),
    "a net": (lambda nets: Ensemble(nets[0]), InputTypeError, "list of nets"),
    "a dense": (lambda nets: Ensemble(gluon.nn.Dense(1)), InputTypeError, "list of nets"),
    "a number": (lambda nets: Ensemble(3), InputTypeError, "list of nets"),
    "no block": (lambda nets: Ensemble([nets[0], "net"]), InputTypeError, "Member 1"),
    "plain block": (lambda nets: Ensemble([gluon.nn.Sequential()]), InputTypeError, "HybridBlock"),
    "twice": (lambda nets: Ensemble([nets[0], nets[1], nets[0]]), InputError, "member 2"),
    "outputs": (
        lambda nets: Ensemble([nets[0], mxfair.net.logistic(3, 2)]),
        InputError,
        "member 0 returns 1, member 1",
    ),
    "inputs": (lambda nets: Ensemble([nets[0], mxfair.net.logistic(5)]), InputError, "Member 1 must take 3 columns"),
    "few weights": (lambda nets: Ensemble(nets, [1, 2]), InputError, "each of the 4 members; got 2"),
    "nan weight": (lambda nets: Ensemble(nets, [1, 2, np.nan, 1]), InputError, "nan for member 2"),
    "negative": (lambda nets: Ensemble(nets, [1, -2, 1, 1]), InputError, "-2 for member 1"),
    "infinite": (lambda nets: Ensemble(nets, [1, np.inf, 1, 1], combine="sum"), InputError, "finite"),
    "zeros": (lambda nets: Ensemble(nets, np.zeros(4)), InputError, "above 0"),
    "text": (lambda nets: Ensemble(nets, ["a", "b", "c", "d"]), InputError, "numbers"),
    "combine": (lambda nets: Ensemble(nets, combine="votes"), InputError, "Did you mean 'vote'"),
    "bias": (lambda nets: Ensemble(nets, bias=1.0), InputError, "combine='sum'"),
    "bias length": (lambda nets: Ensemble(nets, combine="sum", bias=[1, 2]), InputError, "1 outputs; got 2"),
    "nan bias": (lambda nets: Ensemble(nets, combine="sum", bias=np.nan), InputError, "finite"),
    "no bias": (lambda nets: Ensemble(nets, combine="sum").set_weights([1] * 4, bias=1), InputError, "bias=0"),
    "probability": (lambda nets: Ensemble(nets, combine="score", probability=True), InputError, "as they are"),
    "columns count": (lambda nets: Ensemble(nets, columns=[[0, 1, 2]]), InputError, "each of the 4 members"),
    "columns width": (lambda nets: Ensemble(nets, columns=[[0, 1]] * 4), InputError, "must take 2 columns"),
    "negative column": (lambda nets: Ensemble(nets, columns=[[0, 1, -1]] * 4), InputError, "0 or more; got -1"),
    "mask": (lambda nets: Ensemble(nets, columns=[[True, False, True]] * 4), InputError, "flatnonzero"),
    "no column": (lambda nets: Ensemble(nets, columns=[[]] * 4), InputError, "at least one"),
    "stacked none": (lambda nets: StackedEnsemble([]), InputError, "at least one net"),
    "meta": (lambda nets: StackedEnsemble(nets, "linear"), InputTypeError, "'meta'"),
    "meta width": (lambda nets: StackedEnsemble(nets, mxfair.net.logistic(3)), InputError, "4 x 1 outputs"),
    "features": (lambda nets: StackedEnsemble(nets, features="logit"), InputError, "features"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_when_it_is_made(make_nets, name):
    """What can be known before the first call is said then, with the member's place."""
    make, kind, message = BAD[name]
    with pytest.raises(kind, match=message):
        make(make_nets())


def test_members_of_one_name_are_refused(make_net):
    """Copies have the parameter names of their original: a graph could not tell them apart."""
    prefix = [gluon.nn.Dense(1, in_units=3, prefix="same_") for _ in range(2)]
    with pytest.raises(InputError, match="'same_weight'"):
        Ensemble(prefix)


@pytest.mark.parametrize("hybridize", [False, True])
def test_different_outputs_are_found_at_the_first_call(make_net, hybridize):
    """Where layers do not tell what a member returns, the first call does, before anything is combined."""
    members = [gluon.nn.HybridLambda(lambda F, x: x), gluon.nn.HybridLambda(lambda F, x: F.concat(x, x, dim=1))]
    ensemble = Ensemble(members)
    if hybridize:
        ensemble.hybridize()
    with pytest.raises(InputError, match="member 0 returns 3, member 1 returns 6"):
        ensemble(nd.array(batch()))


def test_other_shapes_are_refused_at_the_first_call():
    """A member that returns (n_samples,), or two arrays, is named."""
    with pytest.raises(InputError, match="Member 0 must return an array of shape"):
        Ensemble([gluon.nn.HybridLambda(lambda F, x: F.sum(x, axis=1))])(nd.array(batch()))
    with pytest.raises(InputError, match="Member 0 must return one array"):
        Ensemble([gluon.nn.HybridLambda(lambda F, x: [x, x])])(nd.array(batch()))


def test_a_member_without_values_is_named():
    """A net that was not initialized is no member yet: the error says what to call."""
    nets = [mxfair.net.logistic(3) for _ in range(2)]
    nets[0].initialize()
    with pytest.raises(InputError, match="initialize"):
        Ensemble(nets)(nd.array(batch()))
    with pytest.raises(InputError, match="initialize"):
        Ensemble(nets).member_scores(batch())


def test_columns_that_the_data_lack_are_named(make_nets):
    """The engine would clip an index out of range and use the last column."""
    ensemble = Ensemble(make_nets(), columns=[[0, 1, 7]] * 4)
    with pytest.raises(InputError, match="up to 7"):
        ensemble(nd.array(batch(columns=5)))
    ensemble(nd.array(batch(columns=8)))
    with pytest.raises(InputError, match="up to 7"):
        list(_inference.forward(ensemble, batch(columns=5)))


def test_no_samples_are_refused(make_nets):
    """An empty batch would poison a later operator of the engine."""
    with pytest.raises(InputError, match="at least one sample"):
        Ensemble(make_nets())(nd.from_numpy(np.zeros((0, 3), "float32")))
    with pytest.raises(InputError, match="at least one sample"):
        Ensemble(make_nets()).member_scores(np.zeros((0, 3), "float32"))


def test_the_text_says_what_it_is(make_nets):
    """The repr has the number of nets, how they are combined, and the first weights."""
    assert repr(Ensemble(make_nets(), WEIGHTS)) == "Ensemble(4 nets, combine='probability', weights=[0.5, 0, 2, 0.25])"
    many = Ensemble([mxfair.net.logistic(2) for _ in range(12)], combine="vote")
    assert repr(many) == "Ensemble(12 nets, combine='vote', weights=[1, 1, 1, 1, 1, 1, 1, 1, ...])"
    assert repr(StackedEnsemble(make_nets())).startswith("StackedEnsemble(4 nets, meta=Dense(4 -> 1, linear)")


@pytest.mark.parametrize("features", ["score", "probability"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_stacking_is_a_net_on_the_members_outputs(make_nets, tmp_path, features, outputs):
    """The meta net reads members' outputs side by side; an export gives the same numbers."""
    nets, data = make_nets(outputs), nd.array(batch())
    ensemble = StackedEnsemble(nets, features=features)
    ensemble.meta.initialize(mx.init.Normal(1.0))
    scores = [net(data).asnumpy() for net in nets]
    if features == "probability":
        scores = [expit(part) if outputs == 1 else softmax(part, axis=1) for part in scores]
    table = np.concatenate(scores, axis=1)
    np.testing.assert_allclose(ensemble.meta_features(batch()), table, rtol=1e-5, atol=1e-6)
    right = table @ ensemble.meta.weight.data().asnumpy().T + ensemble.meta.bias.data().asnumpy()
    np.testing.assert_allclose(ensemble(data).asnumpy(), right, rtol=1e-4, atol=1e-5)
    ensemble.hybridize()
    ensemble(data)
    ensemble.export(str(tmp_path / "net"))
    loaded = gluon.SymbolBlock.imports(str(tmp_path / "net-symbol.json"), ["data"], str(tmp_path / "net-0000.params"))
    np.testing.assert_allclose(loaded(data).asnumpy(), right, rtol=1e-4, atol=1e-5)


def test_stacking_needs_the_number_of_outputs():
    """Where only a call can tell, the meta net must be given."""
    with pytest.raises(InputError, match="'meta' must be given"):
        StackedEnsemble([gluon.nn.HybridLambda(lambda F, x: x)])
