"""fit_together trains each net as fit does."""

import copy

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon

import mxfair
from mxfair._step import PlainStep
from mxfair.data import DataLoader, FairDataLoader, FullPass, SampleWeights
from mxfair.loss import GapPenalty, GroupDROLoss, PenalizedLoss
from mxfair.regularizer import L2
from mxfair.training import fit, fit_together
from mxfair.training.together import _can_fuse

BCE, SOFTMAX = gluon.loss.SigmoidBinaryCrossEntropyLoss, gluon.loss.SoftmaxCrossEntropyLoss
SEEDS = range(3)
EPOCHS = 3


def dataset_of(toy, third=False):
    """Return data and labels, and the groups."""
    data, labels, groups = toy
    return gluon.data.ArrayDataset(data, labels, *([groups.astype("float32")] if third else []))


def loaders_of(dataset, size=25):
    """Return a loader for each net; the last batch is smaller."""
    return [DataLoader(dataset, size, shuffle=True, seed=seed) for seed in SEEDS]


@pytest.fixture
def both(toy, make_net, values_of):
    """Return a function that trains equal nets together and one by one, and compares weights and histories."""

    def compare(*, outputs=1, loss=BCE, third=False, optimizer="adam", options=None, fused=True, rtol=2e-5, **kwargs):
        net_of, reg = kwargs.get("net_of", lambda seed: make_net(outputs, seed=seed)), kwargs.get("regularizers")
        make_loss = kwargs.get("losses", lambda nets: loss())
        make_loaders = kwargs.get("loaders", lambda nets, losses: loaders_of(dataset_of(toy, third)))
        options = {"learning_rate": 0.05, **(options or {})}
        results = []
        for together in (True, False):
            nets = [net_of(seed) for seed in SEEDS]
            start = [values_of(net) for net in nets]
            losses = make_loss(nets)
            loaders = make_loaders(nets, losses)
            added = [reg(net) for net in nets] if reg else []
            if together:
                given = {"optimizer": optimizer, "optimizer_params": options, "regularizers": added}
                assert (_can_fuse(nets, loaders, losses, **given) == "") is fused
                histories = fit_together(nets, loaders, losses, EPOCHS, progress=False, **given)
            else:
                each = losses if isinstance(losses, list) else [losses] * len(nets)
                histories = [
                    fit(
                        net, loader, one, gluon.Trainer(net.collect_params(), optimizer, copy.deepcopy(options)),
                        EPOCHS, progress=False, regularizers=added[k] if added else (),
                    )
                    for k, (net, loader, one) in enumerate(zip(nets, loaders, each))
                ]  # fmt: skip
            values = [values_of(net) for net in nets]
            assert all(abs(a - b).max() > 0.01 for a, b in zip(start, values))  # they have moved
            results.append((np.concatenate(values), histories))
        (ours, mine), (alone, theirs) = results
        np.testing.assert_allclose(ours, alone, rtol=rtol, atol=rtol)
        for a, b in zip(mine, theirs):
            assert set(a[0]) == set(b[0])
            for column in set(a[0]) - {"seconds"}:
                np.testing.assert_allclose(a[column], b[column], rtol=rtol, atol=rtol)

    return compare


@pytest.mark.parametrize(
    ("optimizer", "options"),
    [
        ("adam", {}),
        ("adam", {"wd": 0.05, "clip_gradient": 0.1}),
        ("sgd", {"momentum": 0.9, "wd": 0.01}),
        ("nag", {"momentum": 0.9}),
        ("rmsprop", {"lr_scheduler": mx.lr_scheduler.FactorScheduler(3, 0.9)}),
        ("sgd", {"rescale_grad": 2.0}),
    ],
)
def test_optimizers(both, optimizer, options):
    """Weights and losses are those of nets trained alone, whatever the optimizer's options."""
    both(optimizer=optimizer, options=options)


def test_optimizers_that_look_at_whole_layers(both):
    """An optimizer that does not treat each weight by itself trains the nets step by step."""
    both(optimizer="lars", options={"momentum": 0.9}, fused=False)


@pytest.mark.parametrize(
    ("outputs", "loss"), [(1, gluon.loss.L2Loss), (1, gluon.loss.HuberLoss), (2, SOFTMAX), (4, SOFTMAX)]
)
def test_losses(both, outputs, loss):
    """Losses of numbers and of classes."""
    both(outputs=outputs, loss=loss)


def test_integer_labels(both, toy):
    """Labels may be whole numbers, and those of a softmax a column."""
    data, labels, _ = toy
    for shape in ((-1,), (-1, 1)):
        dataset = gluon.data.ArrayDataset(data, labels.astype("int32").reshape(shape))
        both(outputs=2, loss=SOFTMAX, loaders=lambda nets, losses, d=dataset: loaders_of(d))


def test_labels_that_no_output_stands_for(both, toy):
    """A softmax takes them as the nearest class there is, together as alone."""
    data, labels, _ = toy
    dataset = gluon.data.ArrayDataset(data, (3 * labels - 1).astype("float32"))
    both(outputs=2, loss=SOFTMAX, loaders=lambda nets, losses: loaders_of(dataset))


def test_a_loss_that_mixes_rows(both):
    """A loss of the whole batch sees each net's own batch only."""

    class Centred(gluon.loss.Loss):
        def __init__(self):
            super().__init__(None, 0)

        def hybrid_forward(self, F, pred, label):
            apart = pred.reshape((-1,)) - label
            return F.square(F.broadcast_sub(apart, F.mean(apart, keepdims=True)))

    both(loss=Centred)


@pytest.mark.parametrize(
    "make",
    [
        lambda: PenalizedLoss(BCE(), GapPenalty("equalized_odds", 2, strength=0.5)),
        lambda: GroupDROLoss(BCE(), 2, step=0.1),
    ],
)
def test_losses_with_states(both, make_net, make):
    """Running rates and weights of groups are kept for each net, and are found in its loss afterwards."""
    made = []

    def net_of(seed):
        net = make_net(seed=seed)
        net[-1].weight.data()[:, ::2] = 0  # outputs of exactly 0, as behind dead units, have a derivative of their own
        return net

    def losses(nets):
        made.append([make() for _ in nets])
        return made[-1]

    both(third=True, losses=losses, net_of=net_of)
    for ours, alone in zip(*made):
        for a, b in zip(ours._states(), alone._states()):
            np.testing.assert_allclose(a.data().asnumpy(), b.data().asnumpy(), rtol=1e-4, atol=1e-5)
            assert a.data().asnumpy().any()


def test_losses_that_combine_gradients(both):
    """A loss with a step of its own trains the nets step by step."""

    class OwnStep(BCE):
        def _make_step(self, net, trainer, batch, *, hybridize):
            return PlainStep(net, self, trainer), ""

    both(loss=OwnStep, fused=False)


def test_weights_of_cells(both, toy):
    """Each net's own weights are measured when an epoch begins; with one loss given ones do."""
    data, labels, groups = toy

    def losses(nets):
        sources = [
            SampleWeights(labels, groups, "equalized_odds", signal=FullPass(net, data, labels, groups)) for net in nets
        ]
        both.dataset = sources[0].attach(dataset_of(toy))
        return [source.loss(BCE()) for source in sources]

    both(losses=losses, loaders=lambda nets, losses: loaders_of(both.dataset))
    both(losses=lambda nets: _fixed(), loaders=lambda nets, losses: loaders_of(dataset_of(toy, third=True)))


def _fixed():
    loss = mxfair.loss.WeightedLoss(BCE(), 2)
    loss.set_weights([0.5, 3.0])
    return loss


@pytest.mark.parametrize("update_every", [None, 2])
def test_fair_loaders(both, toy, update_every):
    """Each FairDataLoader measures its own net as it is then, inside epochs too."""
    data, labels, groups = toy

    def loaders(nets, losses):
        return [
            FairDataLoader(
                gluon.data.ArrayDataset(data, labels, groups), 24, net=net, loss=losses, seed=seed,
                update_every=update_every,
            )
            for seed, net in zip(SEEDS, nets)
        ]  # fmt: skip

    both(loaders=loaders)


@pytest.mark.parametrize(("step", "fused"), [("gradient", True), ("proximal", False)])
def test_regularizers(both, step, fused):
    """Penalties of weights are part of the graph; proximal steps come after each batch."""
    both(optimizer="sgd", regularizers=lambda net: [L2(net, 0.1, step=step)], fused=fused)


def test_different_datasets(both, toy):
    """Nets may see different data, such as folds."""
    data, labels, _ = toy
    folds = [gluon.data.ArrayDataset(data[k : k + 60], labels[k : k + 60]) for k in (0, 12, 30)]
    both(loaders=lambda nets, losses: [DataLoader(d, 25, shuffle=True, seed=k) for k, d in enumerate(folds)])


def test_data_that_is_not_in_memory(both, toy):
    """Any other dataset is read through its loader, step by step."""
    dataset = dataset_of(toy).transform_first(lambda row: row * 2)
    both(loaders=lambda nets, losses: loaders_of(dataset), fused=False)


def test_batch_norm_and_equal_names(both, make_net, values_of):
    """Running statistics are those of each net, and parameters of several nets may have the same names."""

    def net_of(seed):
        mx.random.seed(seed)
        net = gluon.nn.HybridSequential(prefix="net_")
        with net.name_scope():
            net.add(gluon.nn.Dense(5, activation="tanh"), gluon.nn.BatchNorm(), gluon.nn.Dense(1))
        net.initialize(mx.init.Xavier())
        net(mx.nd.zeros((2, 3)))
        return net

    both(net_of=net_of, rtol=1e-4)


def test_columns_of_a_net(both):
    """A net that takes some columns of the data is a net."""

    class Columns(gluon.HybridBlock):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def hybrid_forward(self, F, x):
            return self.net(F.concat(F.slice_axis(x, axis=1, begin=0, end=1), F.slice_axis(x, axis=1, begin=2, end=3)))

    def net_of(seed):
        mx.random.seed(seed)
        net = Columns(gluon.nn.Dense(1, in_units=2))
        net.initialize(mx.init.Xavier())
        return net

    both(net_of=net_of)


def test_a_shared_loader_shows_all_nets_the_same_batches(toy, make_net, values_of):
    """Nets that share a loader are trained as with loaders of the same order."""
    for loss, outputs in ((SOFTMAX(), 2), (BCE(), 1)):
        ours, alone = ([make_net(outputs, seed=seed) for seed in SEEDS] for _ in range(2))
        fit_together(ours, DataLoader(dataset_of(toy), 25, shuffle=True, seed=5), loss, EPOCHS, progress=False)
        for net in alone:
            loader = DataLoader(dataset_of(toy), 25, shuffle=True, seed=5)
            fit(net, loader, loss, gluon.Trainer(net.collect_params(), "adam"), EPOCHS, progress=False)
        for a, b in zip(ours, alone):
            np.testing.assert_allclose(values_of(a), values_of(b), rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("optimizer", ["adam", "lars"])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("outputs", [2, 3])
def test_sample_weights(toy, make_net, values_of, optimizer, shared, outputs):
    """Weights of rows give what a loss times these weights does, in one graph and step by step."""
    data = toy[0]
    weight = np.random.default_rng(0).poisson(1, (len(data), len(SEEDS)))
    ours, alone = ([make_net(outputs, seed=seed) for seed in SEEDS] for _ in range(2))
    make = [DataLoader(dataset_of(toy), 25, shuffle=True, seed=0 if shared else seed) for seed in SEEDS]
    loaders = make[0] if shared else make
    assert (_can_fuse(ours, loaders, SOFTMAX(), optimizer=optimizer, sample_weight=weight) == "") is (
        optimizer == "adam"
    )
    fit_together(ours, loaders, SOFTMAX(), EPOCHS, optimizer=optimizer, sample_weight=weight, progress=False)
    for k, net in enumerate(alone):
        loader = DataLoader(dataset_of(toy), 25, shuffle=True, seed=0 if shared else k)
        trainer = gluon.Trainer(net.collect_params(), optimizer)
        rows = {tuple(row): w for row, w in zip(data.tolist(), weight[:, k])}
        for _ in range(EPOCHS):
            for x, y in loader:
                w = mx.nd.array([rows[tuple(row)] for row in x.asnumpy().tolist()])
                with mx.autograd.record():
                    value = SOFTMAX()(net(x), y) * w
                value.backward()
                trainer.step(len(x))
        np.testing.assert_allclose(values_of(ours[k]), values_of(net), rtol=2e-5, atol=2e-5)


def test_the_number_of_threads_changes_nothing(toy, make_net, values_of):
    """Weights are the same bit for bit with one thread, two and three."""
    found = []
    for workers in (1, 2, 3):
        nets = [make_net(2, seed=seed) for seed in SEEDS]
        fit_together(nets, loaders_of(dataset_of(toy)), SOFTMAX(), EPOCHS, workers=workers, progress=False)
        found.append(np.concatenate([values_of(net) for net in nets]))
        assert {p.list_ctx()[0] for net in nets for p in net.collect_params().values()} == {mx.cpu(0)}
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_the_net_that_diverged_is_named(toy, make_net):
    """Where one net diverges, the error says which."""
    nets = [make_net(seed=seed) for seed in SEEDS]
    nets[1][-1].bias.set_data(mx.nd.array([np.nan]))
    with pytest.raises(FloatingPointError, match=r"Net 1 of 3 .* epoch 0"):
        fit_together(nets, loaders_of(dataset_of(toy)), BCE(), EPOCHS, progress=False)
    nets = [make_net(seed=seed) for seed in SEEDS]
    nets[2][0].weight.set_data(mx.nd.full((4, 3), np.nan))  # relu makes 0 of it: the loss looks well
    with pytest.raises(FloatingPointError, match=r"Net 2 of 3 .*parameter"):
        fit_together(nets, loaders_of(dataset_of(toy)), BCE(), EPOCHS, progress=False)


def test_dropout_trains(toy, make_net, values_of):
    """A net with Dropout is trained, by random numbers of its own."""
    nets = [make_net(seed=seed, extra=(gluon.nn.Dropout(0.5),)) for seed in SEEDS]
    loader = DataLoader(dataset_of(toy), 25)
    histories = fit_together(nets, loader, BCE(), 8, optimizer_params={"learning_rate": 0.05}, progress=False)
    assert all(history["loss"][-1] < history["loss"][0] for history in histories)


@pytest.mark.parametrize("case", ["none", "twice", "no net", "loaders", "lengths", "same loader", "losses", "states",
                                  "weights", "negative", "group", "regularizers", "epochs"])  # fmt: skip
def test_bad_arguments(toy, make_net, case):
    """What cannot be used is said before anything is trained."""
    nets = [make_net(seed=seed) for seed in SEEDS]
    dataset, loss, weight, more = dataset_of(toy, third=True), BCE(), None, {}
    loaders, epochs = loaders_of(dataset), 1
    penalized = PenalizedLoss(BCE(), GapPenalty("equalized_odds", 2))
    if case == "none":
        nets = []
    elif case == "twice":
        nets = [nets[0], nets[0], nets[1]]
    elif case == "no net":
        nets = [nets[0], nets[1], "net"]
    elif case == "loaders":
        loaders = loaders[:2]
    elif case == "lengths":
        loaders = [*loaders[:2], DataLoader(dataset, 30)]
    elif case == "same loader":
        loaders = [loaders[0]] * 3
    elif case == "losses":
        loss = [BCE()]
    elif case == "states":
        loss = penalized
    elif case == "weights":
        weight = np.ones(96)
    elif case == "negative":
        weight = -np.ones((96, 3))
    elif case == "group":
        weight, loss = np.ones((96, 3)), [PenalizedLoss(BCE(), GapPenalty("equalized_odds", 2)) for _ in SEEDS]
    elif case == "regularizers":
        more = {"regularizers": [L2(nets[0], 0.1)]}
    else:
        epochs = 0
    with pytest.raises((ValueError, TypeError), match=r"must .*\.$"):
        fit_together(nets, loaders, loss, epochs, sample_weight=weight, progress=False, **more)


def test_batches_of_different_sizes(toy, make_net):
    """Loaders with as many batches of other sizes are refused before the first update of such a batch."""
    loaders = [DataLoader(dataset_of(toy), 48), DataLoader(dataset_of(toy), 50), DataLoader(dataset_of(toy), 48)]
    with pytest.raises(ValueError, match="equal batch sizes"):
        fit_together([make_net(seed=seed) for seed in SEEDS], loaders, BCE(), 1, progress=False)


def test_another_nets_loader_is_warned_about(toy, make_net):
    """A loader that measures another net is told."""
    nets = [make_net(seed=seed) for seed in SEEDS]
    dataset = gluon.data.ArrayDataset(*toy)
    loaders = [FairDataLoader(dataset, 24, net=nets[0], loss=BCE(), seed=seed) for seed in SEEDS]
    with pytest.warns(UserWarning, match="measures another net"):
        fit_together(nets, loaders, BCE(), 1, progress=False)
