import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon

from mxfair import _inference
from mxfair._inference import context_of, decisions, forward, rows_per_chunk, scores
from mxfair._validation import InputError


class Spy(gluon.Block):
    """Passes data through and notes the rows and the scope of every call."""

    def __init__(self):
        super().__init__()
        self.rows, self.scopes = [], []

    def forward(self, x):
        """Return x."""
        self.rows.append(x.shape[0])
        self.scopes.append((autograd.is_training(), autograd.is_recording()))
        return x


class Counted(gluon.data.Dataset):
    """Yields row i as i, alone or with a label."""

    def __init__(self, n, labelled):
        self._n, self._labelled = n, labelled

    def __len__(self):
        return self._n

    def __getitem__(self, i):
        return (np.float32([i]), np.float32(-1)) if self._labelled else np.float32([i])


def all_of(parts):
    """Return the pieces as one array."""
    return np.concatenate([part.asnumpy() for part in parts])


def test_data_pass_in_pieces():
    """No more than `chunk` rows go through the net at once, and none is lost."""
    spy, data = Spy(), np.arange(10, dtype="float32").reshape(10, 1)
    np.testing.assert_array_equal(all_of(forward(spy, data, chunk=4)), data)
    assert spy.rows == [4, 4, 2]


def test_pieces_of_wide_samples_are_smaller():
    """The default piece bounds the values, not only the rows: images go through in fewer rows than tables."""
    assert rows_per_chunk((10**6, 20)) == 16_384
    assert rows_per_chunk((10**6, 3, 224, 224)) == 27
    assert rows_per_chunk((10, 10**8)) == 1


@pytest.mark.parametrize("scope", [autograd.record, autograd.train_mode, autograd.pause])
def test_the_pass_is_in_predict_mode_whatever_the_scope(scope):
    """Inside record(), train_mode() or none, the net neither trains nor records."""
    spy = Spy()
    with scope():
        list(forward(spy, np.zeros((3, 1), "float32")))
    assert spy.scopes == [(False, False)]


def test_the_scope_is_restored_between_pieces():
    """Whoever reads the pieces one by one is in the scope they were in, also between two of them."""
    with autograd.record():
        for _ in forward(Spy(), np.zeros((4, 1), "float32"), chunk=2):
            assert autograd.is_training()
            assert autograd.is_recording()


def test_dropout_is_off():
    """A pass inside record() drops nothing."""
    data = np.ones((50, 4), "float32")
    with autograd.record():
        np.testing.assert_array_equal(all_of(forward(gluon.nn.Dropout(0.5), data)), data)


def test_batch_normalisation_keeps_its_running_statistics():
    """A pass inside record() does not move the running mean."""
    net = gluon.nn.BatchNorm(in_channels=2)
    net.initialize()
    with autograd.record():
        list(forward(net, np.ones((50, 2), "float32")))
    assert net.running_mean.data().asnumpy().tolist() == [0, 0]


def test_no_gradients_are_recorded(make_net):
    """An output of a pass inside record() belongs to no graph: backward fails."""
    with autograd.record():
        (output,) = forward(make_net(), np.ones((2, 3), "float32"))
    with pytest.raises(mx.MXNetError):
        output.backward()


@pytest.mark.parametrize("labelled", [True, False])
def test_a_dataset_passes_in_order(labelled):
    """A dataset of samples, or of tuples that begin with them, passes in pieces and in order."""
    spy = Spy()
    outputs = all_of(forward(spy, Counted(600, labelled), chunk=256))
    assert outputs[:, 0].tolist() == list(range(600))
    assert spy.rows == [256, 256, 88]


def test_an_ndarray_passes_like_an_array():
    """NDArrays are cut without a copy to the host; the outputs are those of the NumPy array."""
    data = np.random.default_rng(0).random((10, 2), "float32")
    np.testing.assert_array_equal(all_of(forward(Spy(), mx.nd.array(data), chunk=3)), data)


@pytest.mark.parametrize("dtype", ["float64", "int32", "uint8", "float16"])
def test_the_type_of_the_data_is_kept(dtype):
    """The net gets the type that a DataLoader would give it."""
    (output,) = forward(Spy(), np.ones((2, 2), dtype))
    assert output.dtype == np.dtype(dtype)


def test_an_uninitialized_net_is_named():
    """The message says that the net has no values yet and how to give it some."""
    with pytest.raises(InputError, match=r"'net' must be initialized.*net\.initialize\(\)"):
        context_of(gluon.nn.Dense(1))


def test_a_net_with_deferred_shapes_is_fine():
    """Shapes that Gluon infers at the first call need no earlier one."""
    net = gluon.nn.Dense(1)
    net.initialize()
    (output,) = forward(net, np.ones((2, 5), "float32"))
    assert output.shape == (2, 1)


def test_a_net_without_parameters_runs_on_the_current_context():
    """A net that only computes has no context of its own."""
    assert context_of(Spy()) == mx.current_context()


def test_a_net_of_several_outputs_is_refused():
    """A net must return one array."""

    class Two(gluon.Block):
        def forward(self, x):
            return x, x

    with pytest.raises(InputError, match="'net' must return one array; got tuple"):
        list(forward(Two(), np.ones((2, 2), "float32")))


@pytest.mark.parametrize("shape", [(3,), (3, 1), (3, 1, 1)])
def test_one_output_is_a_binary_score(shape):
    """Above 0 is the last class, 0 and below the first, as (n,) and as a column."""
    output = np.array([-1.0, 0.0, 0.5]).reshape(shape)
    assert decisions(output, np.array([-1, 7])).tolist() == [-1, -1, 7]


def test_a_probability_is_cut_at_one_half():
    """Outputs of a net trained with from_sigmoid=True are compared with .5."""
    assert decisions(np.array([0.4, 0.5, 0.6]), np.array([0, 1]), probability=True).tolist() == [0, 0, 1]


def test_several_outputs_are_one_score_per_class():
    """The largest score wins."""
    assert decisions(np.array([[1, 5, 2], [3, 0, 1]]), np.arange(3)).tolist() == [1, 0]


def test_one_output_cannot_decide_between_three_classes():
    """The message says to give the net one output per class."""
    with pytest.raises(InputError, match=r"between two classes; the labels have 3.*one output per class"):
        decisions(np.zeros((4, 1)), np.arange(3))


def test_outputs_with_more_axes_are_refused():
    """An output per pixel is not a decision per sample."""
    with pytest.raises(InputError, match=r"one score per sample or per class; got shape \(2, 3, 4\)"):
        decisions(np.zeros((2, 3, 4)), np.arange(3))


@pytest.mark.parametrize("shape", [(4, 1), (2, 2)])
def test_nan_is_not_a_decision(shape):
    """A diverged net is an error, not a constant predictor that looks fair."""
    with pytest.raises(InputError, match="got NaN: training has diverged"):
        decisions(np.full(shape, np.nan), np.array([0, 1]))


def test_an_infinite_score_is_a_decision():
    """Log-probabilities may be -inf; that is an answer."""
    assert decisions(np.array([-np.inf, np.inf]), np.array([0, 1])).tolist() == [0, 1]


def test_scores_are_probabilities_without_overflow():
    """One output passes the sigmoid, however large."""
    np.testing.assert_allclose(scores(np.array([-1e4, 0.0, 1e4], "float32")), [0, 0.5, 1])


def test_scores_of_classes_sum_to_one():
    """Several outputs pass the softmax."""
    np.testing.assert_allclose(scores(np.array([[0.0, np.log(3)]])), [[0.25, 0.75]])


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (gluon.loss.SigmoidBinaryCrossEntropyLoss(from_sigmoid=True), True),
        (gluon.loss.SigmoidBinaryCrossEntropyLoss(), False),
        (gluon.loss.SoftmaxCrossEntropyLoss(), False),
        (None, False),
    ],
)
def test_the_loss_says_whether_outputs_are_probabilities(loss, expected):
    """Only from_sigmoid=True makes the net's output a probability."""
    assert _inference.is_probability(loss) is expected


class TestLabelsAndOutputs:
    """What a net's outputs stand for must be certain."""

    @pytest.mark.parametrize("labels", [[1, 2, 3], [0, 1, 5], [-1, 0, 1], [0.5, 1.0, 2.0]])
    def test_labels_beyond_the_outputs_are_refused(self, labels):
        """A net with three outputs needs labels among 0, 1 and 2, as Gluon's softmax losses do."""
        with pytest.raises(InputError, match="labels 0 to 2"):
            _inference.decisions(np.eye(3), np.array(labels))

    def test_outputs_that_could_be_probabilities_must_be_named(self):
        """A net that ends in a sigmoid is not read as one that returns raw scores."""
        net = gluon.nn.Dense(1, activation="sigmoid")
        net.initialize()
        data = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
        dataset = gluon.data.ArrayDataset(data, np.tile(np.float32([0, 1]), 10), np.repeat(np.float32([0, 1]), 10))
        with pytest.raises(InputError, match="probability=True"):
            _inference.score(net, dataset)
        scored = _inference.score(net, dataset, probability=True)
        assert ((scored.scores > 0.5) == (scored.preds == 1)).all()
