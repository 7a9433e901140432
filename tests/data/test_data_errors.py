"""Every bad argument of the sampler and the loader: what the message says and which cure it names."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon

from mxfair._validation import InputError, InputTypeError
from mxfair.data import CellStats, Controller, DataLoader, FairBatchSampler, FairDataLoader, FullPass

LABELS = np.tile([0.0, 1.0], 20).astype("float32")
GROUPS = np.repeat(["f", "m"], 20)
DATA = np.random.default_rng(0).normal(0, 1, (40, 2)).astype("float32")
BCE = gluon.loss.SigmoidBinaryCrossEntropyLoss()


def sampler(labels=LABELS, groups=GROUPS, batch_size=8, criterion="equalized_odds", **kwargs):
    """Return a sampler; every argument has a good default."""
    kwargs.setdefault("signal", lambda: labels)
    return FairBatchSampler(labels, groups, batch_size, criterion, **kwargs)


def net_of(outputs=1):
    """Return an initialized net."""
    net = gluon.nn.Dense(outputs, in_units=2)
    net.initialize()
    return net


def loader(dataset=None, batch_size=8, **kwargs):
    """Return a loader; every argument has a good default."""
    if dataset is None:
        dataset = gluon.data.ArrayDataset(DATA, LABELS, (GROUPS == "m").astype("float32"))
    kwargs.setdefault("net", net_of())
    kwargs.setdefault("loss", BCE)
    return FairDataLoader(dataset, batch_size, **kwargs)


class Gives(Controller):
    """Returns what it was made with."""

    def __init__(self, shares):
        self._shares = shares

    def update(self, shares, stats):
        """Return it."""
        return np.array(self._shares)


class Measures:
    """A signal that returns what it was made with."""

    def __init__(self, value):
        self._value = value

    def measure(self, need):
        """Return it."""
        return self._value


with_nan = LABELS.copy()
with_nan[3] = np.nan
empty_cell = np.where(GROUPS == "f", 0.0, LABELS)

#: What is wrong, the arguments, and what the message must say: the fault, the value, the cure.
AT_CONSTRUCTION = {
    "lengths differ": (
        {"groups": GROUPS[:38]},
        r"'labels' and 'groups' .*same length; got 40 and 38. Pass one of each",
    ),
    "NaN labels": ({"labels": with_nan}, r"'labels' must not be missing; got 1 .*row 3. Remove these samples"),
    "one group": ({"groups": ["f"] * 40}, r"'groups' must hold at least two groups; got 1 \(f\). Check the column"),
    "one known group": ({"groups": ["f"] * 20 + [None] * 20}, r"two groups; got 1 \(f, unknown\)"),
    "one label": ({"labels": np.ones(40)}, "'labels' must hold at least two classes; got only 1. Check"),
    "empty cell": (
        {"labels": empty_cell},
        r"must have samples; got none with label 1 in group 'f'. Merge small groups",
    ),
    "text labels": ({"labels": ["no", "yes"] * 20}, r"'labels' must be numbers.*got 'no', 'yes'. Encode them"),
    "no samples": ({"labels": [], "groups": []}, "at least one sample; got none"),
    "labels of two columns": ({"labels": np.zeros((40, 2))}, r"'labels' must be one-dimensional; got shape \(40, 2\)"),
    "continuous labels": (
        {"labels": np.linspace(0, 1, 40)},
        "must be classes; got 40 different.*Pass criterion='bounded",
    ),
    "continuous groups": ({"groups": np.linspace(0, 1, 40)}, r"must hold categories; got 40 .*Groups\.binned"),
    "batch size of 0": ({"batch_size": 0}, "'batch_size' must be at least 1; got 0"),
    "unknown criterion": ({"criterion": "equalised_odds"}, "got 'equalised_odds'. Did you mean 'equalized_odds'"),
    "unknown controller": ({"controller": "proportionate"}, "got 'proportionate'. Did you mean 'proportional'"),
    "unknown positive class": ({"positive": 2}, r"'positive' must be one of the classes \[0.0, 1.0\]; got 2"),
    "unsteerable criterion": ({"controller": "paper", "criterion": "accuracy_parity"}, "Use controller='proportional'"),
    "negative floor": ({"min_per_batch": -1}, "'min_per_batch' must be from 0 to below the batch size; got -1"),
    "floor of a batch": ({"min_per_batch": 8}, "below the batch size; got 8"),
    "NaN floor": ({"min_per_batch": float("nan")}, "below the batch size; got nan"),
    "negative seed": ({"seed": -1}, "'seed' must be None, a whole number >= 0 or a numpy Generator; got -1"),
}
AT_CONSTRUCTION_TYPES = {
    "batch size of text": ({"batch_size": "8"}, "'batch_size' must be a whole number; got '8'"),
    "batch size of a fraction": ({"batch_size": 8.5}, "'batch_size' must be a whole number; got 8.5"),
    "controller class": ({"controller": Gives}, "'controller' must be a name or a Controller object; got <class"),
    "criterion of a number": ({"criterion": 3}, "'criterion' must be a name or a Criterion; got 3"),
    "no signal": ({"signal": None}, "'signal' must be a Signal or a function.*got None. Pass signal=.*FairDataLoader"),
    "signal of decisions": ({"signal": LABELS}, "'signal' must be a Signal or a function"),
    "floor of text": ({"min_per_batch": "one"}, "'min_per_batch' must be a number; got 'one'"),
    "groups as text": ({"groups": "sex"}, "'groups' must hold one group per sample; got the text 'sex'"),
}
AT_THE_EPOCH = {
    "short signal": ({"signal": lambda: LABELS[:5]}, r"one decision per training sample \(40\); got 5"),
    "short losses": (
        {"signal": lambda: LABELS[:5], "controller": "paper"},
        r"one loss per training sample \(40\); got 5",
    ),
    "scores as decisions": (
        {"signal": lambda: LABELS + 0.1},
        r"'preds' must be among the classes 0.0, 1.0.*Pass decisions",
    ),
    "NaN losses": ({"signal": lambda: with_nan, "controller": "paper"}, "is not finite: training has diverged. Lower"),
    "NaN decisions": ({"signal": lambda: with_nan}, "'preds' must not be missing; got NaN"),
    "signal of nothing": ({"signal": Measures(None)}, "'signal' must measure 'rates'.*got None. Return a CellStats"),
    "stats without rates": ({"signal": Measures(CellStats())}, "'signal' must measure 'rates'"),
    "losses of other cells": (
        {"signal": Measures(CellStats(loss=np.ones((2, 3)))), "controller": "paper"},
        "'signal' must measure 'loss' for 2 labels and 2 groups",
    ),
    "NaN shares": (
        {"controller": Gives([[np.nan, 1], [0.5, 0.5]])},
        r"must return finite shares of shape \(2, 2\); got",
    ),
    "infinite shares": ({"controller": Gives([[np.inf, 1], [0.5, 0.5]])}, "must return finite shares"),
    "shares of another shape": (
        {"controller": Gives([0.5, 0.5])},
        r"finite shares of shape \(2, 2\); got \[0.5, 0.5\]",
    ),
}


@pytest.mark.parametrize("case", AT_CONSTRUCTION)
def test_a_value_that_cannot_be_used_is_refused_at_construction(case):
    """The sampler raises InputError before any training, and names fault and cure."""
    arguments, message = AT_CONSTRUCTION[case]
    with pytest.raises(InputError, match=message):
        sampler(**arguments)


@pytest.mark.parametrize("case", AT_CONSTRUCTION_TYPES)
def test_a_type_that_cannot_be_used_is_refused_at_construction(case):
    """The sampler raises InputTypeError, a TypeError, and names what it got."""
    arguments, message = AT_CONSTRUCTION_TYPES[case]
    with pytest.raises(InputTypeError, match=message):
        sampler(**arguments)


@pytest.mark.parametrize("case", AT_THE_EPOCH)
def test_a_measurement_that_cannot_be_used_is_refused_when_the_epoch_starts(case):
    """What only a measurement can show raises before the epoch's first batch."""
    arguments, message = AT_THE_EPOCH[case]
    batches = iter(sampler(**arguments))
    with pytest.raises(InputError, match=message):
        next(batches)


def test_a_need_that_no_signal_knows_is_refused():
    """A controller's need is checked at construction."""

    class Odd(Gives):
        need = "lossess"

    with pytest.raises(InputError, match=r"'controller.need' must be one of rates, loss, .*Did you mean 'loss'"):
        sampler(controller=Odd([[0.5, 0.5]] * 2))


@pytest.mark.parametrize("argument", ["shuffle", "sampler", "batch_sampler", "last_batch", "auto_reload"])
def test_arguments_that_choose_samples_are_refused(argument):
    """FairBatch selects: the loader refuses what would select too, by name."""
    value = {"sampler": [0, 1], "batch_sampler": [[0, 1]], "last_batch": "keep"}.get(argument, True)
    with pytest.raises(InputError, match=f"'{argument}' must not be given: FairBatch selects.*Leave it out"):
        loader(**{argument: value})


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_refused_loader_leaves_no_noise_behind():
    """A loader whose construction failed is collected without a second error."""
    import gc

    with pytest.raises(InputError):
        loader(last_batch="keep")
    gc.collect()


@pytest.mark.parametrize(("arrays", "missing"), [((DATA, LABELS), "groups"), ((DATA,), "labels")])
def test_a_dataset_without_labels_or_groups_is_refused(arrays, missing):
    """The message names what is missing and the argument that takes it."""
    with pytest.raises(InputError, match=f"'{missing}' must be given.*Pass {missing}=array"):
        loader(gluon.data.ArrayDataset(*arrays))


def test_a_transformed_dataset_needs_labels_and_groups_beside_it():
    """Arrays are not read out of a dataset that computes its samples."""
    dataset = gluon.data.ArrayDataset(DATA, LABELS).transform_first(lambda x: x)
    with pytest.raises(InputError, match="'labels' must be given"):
        loader(dataset)


def test_samples_without_a_label_are_refused():
    """A dataset of bare samples is not cut up into data and label."""
    with pytest.raises(InputError, match=r"'dataset' must yield \(data, label\); got one ndarray.*Zip them"):
        loader(gluon.data.SimpleDataset(list(DATA)), labels=LABELS, groups=GROUPS)


@pytest.mark.parametrize("arguments", [{"labels": LABELS[:9]}, {"groups": GROUPS[:9]}])
def test_arrays_beside_a_dataset_must_have_its_length(arguments):
    """One label and one group per sample."""
    with pytest.raises(InputError, match=r"must have the same length; got .*9"):
        loader(**arguments)


def test_an_uninitialized_net_is_refused_when_the_epoch_starts():
    """A loader may be made before net.initialize(), but not used."""
    batches = iter(loader(net=gluon.nn.Dense(1)))
    with pytest.raises(InputError, match=r"'net' must be initialized.*Call net.initialize\(\)"):
        next(batches)


def test_a_loss_that_averages_over_the_batch_is_refused():
    """One value per batch cannot be told apart by cell; the message says not to average."""
    batches = iter(loader(loss=lambda pred, label: BCE(pred, label).mean(), controller="paper"))
    with pytest.raises(InputError, match=r"one value per sample, shape \(40,\); got \(1,\). Do not average"):
        next(batches)


def test_several_outputs_for_two_classes_must_be_two():
    """A prediction that is no label's value is an error that names both."""
    net = net_of(3)
    net.bias.set_data(mx.nd.array([0, 0, 9]))
    batches = iter(loader(net=net, loss=gluon.loss.SoftmaxCrossEntropyLoss()))
    with pytest.raises(InputError, match=r"must be among the classes 0.0, 1.0; got .*2"):
        next(batches)


def test_one_output_for_three_classes_is_refused():
    """A net with one output cannot decide between three labels."""
    labels = np.tile([0.0, 1.0, 2.0, 1.0], 10).astype("float32")
    batches = iter(loader(labels=labels))
    with pytest.raises(InputError, match=r"the labels have 3. Give the net one output per class"):
        next(batches)


def test_a_diverged_net_is_refused():
    """NaN weights are an error when the next epoch starts, not a gap of 0."""
    net = net_of()
    net.bias.set_data(mx.nd.array([np.nan]))
    with pytest.raises(InputError, match="got NaN: training has diverged"):
        next(iter(loader(net=net)))


def test_a_full_pass_checks_lengths():
    """data, labels and groups of a FullPass must be as many."""
    with pytest.raises(InputError, match="'data', 'labels' and 'groups' must have the same length; got 40, 40 and 39"):
        FullPass(net_of(), DATA, LABELS, GROUPS[:39])


@pytest.mark.parametrize("row", [0, 17, 39])
@pytest.mark.parametrize("kind", [np.array, mx.nd.array])
def test_missing_features_are_refused(kind, row):
    """NaN in the data, first, last or in between, is an error before a net can turn it into a score."""
    data = DATA.copy()
    data[row, 1] = np.nan
    with pytest.raises(InputError, match=r"'data' must not hold NaN.*Impute or drop"):
        loader(gluon.data.ArrayDataset(kind(data), LABELS, (GROUPS == "m").astype("float32")))


def test_an_empty_dataset_is_refused():
    """A loader over no samples is an error at construction."""
    from mxfair.data import DataLoader

    with pytest.raises(InputError, match="'dataset' must hold at least one sample; got none"):
        DataLoader(gluon.data.SimpleDataset([]), 4)


@pytest.mark.parametrize("groups", [list("ab") * 4, np.array(list("ab") * 4), np.array(["a", None] * 4, dtype=object)])
def test_text_in_a_dataset_is_refused_at_construction(groups):
    """Gluon's loader ends with KeyError: numpy.str_ in the first batch."""
    dataset = gluon.data.ArrayDataset(np.zeros((8, 2), "float32"), np.zeros(8, "float32"), groups)
    with pytest.raises(InputTypeError, match="codes of a group"):
        DataLoader(dataset, 4)
