import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon

from mxfair._validation import InputError
from mxfair.data import FullPass, Signal
from mxfair.data._cells import Cells
from mxfair.data._stats import cell_losses
from mxfair.groups import Groups

BCE = gluon.loss.SigmoidBinaryCrossEntropyLoss


def identity(outputs=1):
    """Return a net that gives back its input."""
    net = gluon.nn.Dense(outputs, use_bias=False, in_units=outputs)
    net.initialize(mx.init.One() if outputs == 1 else mx.init.Constant(mx.nd.array(np.eye(outputs))))
    return net


LOGITS = np.array([[2.0], [-1.0], [3.0], [-2.0], [0.5], [-0.5]], "float32")
LABELS = np.array([1, 0, 0, 1, 1, 0])
GROUPS = list("aabbab")


def bce(logits, labels):
    """Return the binary cross-entropy by its definition."""
    p = 1 / (1 + np.exp(-logits.astype(float)))
    return -(labels * np.log(p) + (1 - labels) * np.log(1 - p))


def by_cell(values, groups=GROUPS):
    """Return the mean of the values in each (label, group) cell."""
    groups = np.array(groups)
    return [[values[(groups == g) & (y == LABELS)].mean() for g in "ab"] for y in (0, 1)]


def test_decisions_are_counted_by_group():
    """The rates come from the net's decisions on all samples."""
    rates = FullPass(identity(), LOGITS, LABELS, GROUPS).measure("rates").rates
    assert rates.counts.tolist() == [[[1, 0], [0, 2]], [[1, 1], [1, 0]]]


def test_losses_are_means_of_cells():
    """The loss of a cell is the mean of the training loss over its samples."""
    stats = FullPass(identity(), LOGITS, LABELS, GROUPS, loss=BCE()).measure("loss")
    np.testing.assert_allclose(stats.loss, by_cell(bce(LOGITS[:, 0], LABELS)), rtol=1e-6)


def test_positive_losses_are_sums_by_the_size_of_the_group():
    """Against an all-positive label, a cell's losses are summed and divided by its group's size (3 and 3 here)."""
    stats = FullPass(identity(), LOGITS, LABELS, GROUPS, loss=BCE()).measure("positive_loss")
    loss, groups = bce(LOGITS[:, 0], np.ones(6)), np.array(GROUPS)
    expected = [[loss[(groups == g) & (y == LABELS)].sum() / 3 for g in "ab"] for y in (0, 1)]
    np.testing.assert_allclose(stats.positive_loss, expected, rtol=1e-6)


@pytest.mark.parametrize("need", ["rates", "loss", "positive_loss"])
def test_only_what_was_asked_for_is_measured(need):
    """The other parts of the CellStats are None."""
    stats = FullPass(identity(), LOGITS, LABELS, GROUPS, loss=BCE()).measure(need)
    assert [name for name in ("rates", "loss", "positive_loss") if getattr(stats, name) is not None] == [need]


def test_pieces_do_not_change_the_losses():
    """Chunks of any size give the same cell losses: labels stay aligned with the outputs."""
    whole = FullPass(identity(), LOGITS, LABELS, GROUPS, loss=BCE()).measure("loss").loss
    pieces = FullPass(identity(), LOGITS, LABELS, GROUPS, loss=BCE(), chunk=3).measure("loss").loss
    np.testing.assert_allclose(pieces, whole, rtol=1e-12)


def test_the_net_sees_a_chunk_at_a_time():
    """The whole data never go through the net at once."""
    rows, net = [], identity()
    net.register_forward_hook(lambda block, inputs, output: rows.append(output.shape[0]))
    FullPass(net, LOGITS, LABELS, GROUPS, chunk=4).measure("rates")
    assert rows == [4, 2]


def test_probabilities_are_read_as_such():
    """With a loss of from_sigmoid=True .4 is a negative decision, though above 0."""
    data = np.array([[0.4], [0.6], [0.4], [0.6]], "float32")
    signal = FullPass(identity(), data, [0, 1, 0, 1], list("aabb"), loss=BCE(from_sigmoid=True))
    assert signal.measure("rates").rates.counts.tolist() == [[[1, 0], [0, 1]], [[1, 0], [0, 1]]]


def test_a_flat_output_is_read_like_a_column():
    """A net that returns shape (n,) gives the rates and losses of one that returns (n, 1)."""
    flat = gluon.nn.HybridLambda(lambda F, x: x.reshape((-1,)))
    for need in ("rates", "loss"):
        one = FullPass(flat, LOGITS, LABELS, GROUPS, loss=BCE()).measure(need)
        two = FullPass(identity(), LOGITS, LABELS, GROUPS, loss=BCE()).measure(need)
        np.testing.assert_allclose(*[s.rates.counts if need == "rates" else s.loss for s in (one, two)], rtol=1e-6)


def test_one_output_per_class_is_read_as_scores():
    """With softmax cross-entropy the largest of K outputs is the decision."""
    data = np.eye(3, dtype="float32")[[0, 1, 2, 0, 1, 1]] * 4
    net = gluon.nn.HybridLambda(lambda F, x: x * 1)
    signal = FullPass(net, data, [0, 1, 2, 0, 1, 2], list("aaabbb"), loss=gluon.loss.SoftmaxCrossEntropyLoss())
    assert signal.measure("rates").rates.counts[1].tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 0]]
    np.testing.assert_allclose(signal.measure("loss").loss[2], [0.036, 4.036], atol=1e-3)


def test_integer_labels_are_enough_for_the_loss():
    """Labels of any numeric type are handed to the loss as float32, which it can compute with."""
    losses = [
        FullPass(identity(), LOGITS, LABELS.astype(dtype), GROUPS, loss=BCE()).measure("loss").loss
        for dtype in ("int64", "float64", "bool", "uint8")
    ]
    assert all(np.array_equal(losses[0], other) for other in losses)


def test_the_pass_follows_the_net():
    """Each measurement is of the net as it is then."""
    net = identity()
    signal = FullPass(net, LOGITS, LABELS, GROUPS)
    before = signal.measure("rates").rates.counts
    net.weight.set_data(-net.weight.data())
    assert signal.measure("rates").rates.counts.tolist() != before.tolist()


def test_a_hybridized_net_is_measured_alike_and_stays_hybridized():
    """static_alloc and static_shape change neither the losses nor are they changed."""
    net = identity()
    plain = FullPass(net, LOGITS, LABELS, GROUPS, loss=BCE(), chunk=4).measure("loss").loss
    net.hybridize(static_alloc=True, static_shape=True)
    static = FullPass(net, LOGITS, LABELS, GROUPS, loss=BCE(), chunk=4).measure("loss").loss
    np.testing.assert_allclose(static, plain, rtol=1e-6)
    assert net._active


def test_a_loss_with_dropout_like_scope_is_in_predict_mode():
    """The loss too is computed outside training and recording."""
    scopes = []

    class Noted(BCE):
        def hybrid_forward(self, F, pred, label):
            scopes.append((autograd.is_training(), autograd.is_recording()))
            return super().hybrid_forward(F, pred, label)

    with autograd.record():
        FullPass(identity(), LOGITS, LABELS, GROUPS, loss=Noted()).measure("loss")
    assert scopes == [(False, False)]


def test_a_dataset_is_measured_like_its_array():
    """A dataset of (data, label) gives the rates of the array of its data."""
    dataset = gluon.data.ArrayDataset(LOGITS, LABELS).transform_first(lambda x: x)
    array, passed = (FullPass(identity(), d, LABELS, GROUPS).measure("rates").rates for d in (LOGITS, dataset))
    assert array.counts.tolist() == passed.counts.tolist()


def test_an_empty_cell_has_no_loss():
    """A cell without samples has a loss of NaN, not of 0, which would look like the best."""
    cells = Cells(np.array([0, 1, 1]), Groups.from_codes([0, 0, 1], ["a", "b"]))
    stats = cell_losses(np.array([1.0, 2.0, 3.0]), cells, "loss")
    np.testing.assert_array_equal(stats.loss, [[1.0, np.nan], [2.0, 3.0]])


def test_a_full_pass_is_a_signal():
    """FullPass satisfies the protocol that the sampler asks for."""
    assert isinstance(FullPass(identity(), LOGITS, LABELS, GROUPS), Signal)


def test_a_loss_that_is_not_finite_is_an_error():
    """A diverged net stops training with a cure instead of steering by NaN."""
    net = identity()
    net.weight.set_data(mx.nd.array([[np.nan]]))
    with pytest.raises(InputError, match=r"not finite: training has diverged. Lower the learning rate"):
        FullPass(net, LOGITS, LABELS, GROUPS, loss=BCE()).measure("loss")


def test_a_controller_of_losses_needs_the_loss():
    """Without loss= the message says to pass it."""
    with pytest.raises(InputError, match="compares losses: pass loss="):
        FullPass(identity(), LOGITS, LABELS, GROUPS).measure("loss")
