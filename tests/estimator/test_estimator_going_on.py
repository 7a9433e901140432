"""Early stopping, bounds on gaps, warm starts, fine-tuning and partial fits."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from mxnet import gluon, nd

import mxfair
from mxfair._validation import InputError
from mxfair.estimator import FairBatch, GluonClassifier, GluonRegressor
from mxfair.loss import GapPenalty, GroupDROLoss, PenalizedLoss
from mxfair.training import Callback

OPTIONS = {"batch_size": 50, "learning_rate": 0.02, "random_state": 0}


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The share of|Undefined on|No epoch's|The first batch")
        yield


class Losses(Callback):
    """Keeps a copy of the parameters after each epoch."""

    def __init__(self):
        self.kept = []

    def on_epoch_end(self, state):
        """Keep them."""
        self.kept.append([p.data().asnumpy().copy() for p in state.net.collect_params().values()])


# Rows held out


def test_the_best_epoch_is_kept(table, parameters):
    """Training stops when the held-out loss no longer falls; the net is that of the epoch with the smallest."""
    X, y, groups = table
    model = GluonClassifier((32,), epochs=200, early_stopping=True, n_iter_no_change=4, callbacks=[Losses()], **OPTIONS)
    model.set_params(learning_rate=0.1).fit(X, y, groups)
    losses = model.history_["val_loss"]
    best = int(np.argmin(losses))
    assert best < model.n_iter_ - 1 < 199
    for one, other in zip(parameters(model.net_), model.callbacks_[-1].kept[best]):
        np.testing.assert_array_equal(one, other)


def test_the_held_out_loss_is_weighted_and_that_of_held_out_rows(table):
    """val_loss of the last epoch is the mean over the rows that were held out, by their weights."""
    from mxfair.estimator import _one_net

    X, y, groups = table
    weight = np.random.default_rng(0).integers(0, 3, 200).astype(float)
    kept = {}

    def split(estimator, data, rng):
        kept["rows"], kept["held"] = real(estimator, data, rng)
        return kept["rows"], kept["held"]

    real, _one_net.split = _one_net.split, split
    try:
        model = GluonClassifier("logistic", epochs=1, early_stopping=True, validation_fraction=0.25, **OPTIONS)
        model.fit(X, y, groups, sample_weight=weight)
    finally:
        _one_net.split = real
    held = kept["held"]
    assert sorted([*kept["rows"], *held]) == list(range(200))
    assert (weight[held] > 0).all()
    probability = model.predict_proba(X[held])[np.arange(len(held)), y[held]]
    assert model.history_["val_loss"][0] == pytest.approx(np.average(-np.log(probability), weights=weight[held]), 1e-5)


def test_each_cell_gives_its_share(table):
    """Held-out rows have the labels and groups of the data, and each cell keeps a row for training."""
    from mxfair.estimator._job import TrainingData
    from mxfair.estimator._validation_rows import hold_out

    X, y, groups = table
    data = TrainingData(X, y.astype("float32"), mxfair.Groups(groups), None, 2)
    rows, held = hold_out(data, 0.3, np.random.default_rng(0))
    for cell in np.unique(data.cells):
        of = data.cells == cell
        assert abs(of[held].sum() - 0.3 * (of.sum() - 1)) < 1
        assert of[rows].any()


def test_a_bound_on_the_gap_chooses_among_epochs(table):
    """The kept epoch is the most accurate within the bound; the gaps are of the estimator's criterion and positive."""
    X, y, groups = table
    options = {"criterion": "equal_opportunity", "positive": "no", "validation_fraction": 0.4}
    model = GluonClassifier((8,), epochs=15, max_gap=0.2, **options, **OPTIONS)
    model.fit(X, np.where(y, "yes", "no"), groups)
    gaps, accuracy = np.array(model.history_["val_gap"]), np.array(model.history_["val_accuracy"])
    assert "val_equal_opportunity" in model.history_.epochs[0]
    best = model.callbacks_[-1].best
    within = gaps <= 0.2
    assert best["val_accuracy"] == (accuracy[within].max() if within.any() else accuracy[gaps.argmin()])
    assert "partial_fit" not in dir(model) or not hasattr(model, "partial_fit")


def test_early_stopping_with_losses_of_groups(table):
    """A penalised loss is watched by its base; one that has no base is refused before training."""
    X, y, groups = table
    base = gluon.loss.SigmoidBinaryCrossEntropyLoss()
    loss = PenalizedLoss(base, GapPenalty("demographic_parity", 2))
    model = GluonClassifier((8,), loss=loss, epochs=3, early_stopping=True, **OPTIONS).fit(X, y, groups)
    assert len(model.history_["val_loss"]) == 3
    dro = GluonClassifier((8,), mitigation="group_dro", epochs=3, early_stopping=True, **OPTIONS).fit(X, y, groups)
    assert len(dro.history_["val_loss"]) == 3

    class Own(mxfair.loss.GroupLoss):
        def hybrid_forward(self, F, pred, label, group):
            return F.square(F.reshape(pred, (-1,)) - label) * (1 + group)

    with pytest.raises(InputError, match="'early_stopping' must be False with Own"):
        GluonClassifier("logistic", loss=Own, early_stopping=True).fit(X, y, groups)


def test_a_criterion_of_losses_does_not_stop_early_stopping(table):
    """It says nothing of decisions, and no gap is measured; a bound on the gap is refused."""
    X, y, groups = table
    model = GluonClassifier("logistic", epochs=2, criterion="bounded_group_loss", early_stopping=True, **OPTIONS)
    assert "val_gap" not in model.fit(X, y, groups).history_.epochs[0]
    with pytest.raises(InputError):
        model.set_params(max_gap=0.1).fit(X, y, groups)


def test_a_regressor_stops_early(table):
    """Rows are held out whatever the target."""
    X, _, _ = table
    model = GluonRegressor((8,), epochs=100, early_stopping=True, n_iter_no_change=3, **OPTIONS)
    assert model.fit(X, X[:, 0] ** 2).n_iter_ < 100
    with pytest.raises(InputError, match="1 sample"):
        model.fit(X[:1], X[:1, 0])


# Going on


def test_a_warm_start_goes_on_from_the_net(table, by_hand, parameters):
    """fit(a) and a warm fit are two trainings of one net, the second with a new optimizer and new batches."""
    X, y, _ = table
    model = GluonClassifier((8,), epochs=2, warm_start=True, **OPTIONS).fit(X, y)
    net, before = model.net_, parameters(model.net_)
    model.fit(X, y)
    assert model.net_ is net
    assert len(model.history_) == 2
    loss, rng = gluon.loss.SigmoidBinaryCrossEntropyLoss(), np.random.default_rng(0)
    other = mxfair.net.mlp(4, 1, (8,))
    other.initialize()
    for parameter, value in zip(other.collect_params().values(), before):
        parameter.set_data(nd.array(value))
    trainer = gluon.Trainer(other.collect_params(), "adam", {"learning_rate": 0.02})
    loader = mxfair.data.DataLoader(gluon.data.ArrayDataset(X, y.astype("float32")), 50, shuffle=True, seed=rng)
    mxfair.training.fit(other, loader, loss, trainer, 2, progress=False)
    for one, two in zip(parameters(net), parameters(other)):
        np.testing.assert_array_equal(one, two)


def test_a_warm_start_keeps_classes_columns_and_steps(table):
    """Other classes or columns are refused; steps are those of the first fit."""
    X, y, _ = table
    step = mxfair.preprocessing.StandardScaler()
    model = GluonClassifier("logistic", epochs=1, mitigation=step, warm_start=True, **OPTIONS).fit(X, y)
    mean = model.steps_[0].mean_
    model.fit(X + 5, y)
    np.testing.assert_array_equal(model.steps_[0].mean_, mean)
    with pytest.raises(InputError, match="fitted classes 0, 1; got 2"):
        model.fit(X, y + 1)
    with pytest.raises(ValueError, match="features"):
        model.fit(X[:, :2], y)
    with pytest.raises(InputError, match="steps of the first fit"):
        model.set_params(mitigation=None).fit(X, y)
    with pytest.raises(InputError, match="steps of the first fit"):
        GluonClassifier("logistic", epochs=1, warm_start=True).fit(X, y).set_params(mitigation=step).fit(X, y)


def test_an_initialized_net_is_fine_tuned_from_a_copy(table, parameters):
    """Training starts from its weights; the net that was given keeps them, and frozen layers stay frozen."""
    X, y, _ = table
    net = mxfair.net.mlp(4, 1, (8,))
    net.initialize()
    net[0].collect_params().setattr("grad_req", "null")
    before = parameters(net)
    model = GluonClassifier(net, epochs=3, **OPTIONS).fit(X, y)
    for one, other in zip(before, parameters(net)):
        np.testing.assert_array_equal(one, other)
    tuned = parameters(model.net_)
    np.testing.assert_array_equal(tuned[0], before[0])
    assert not np.array_equal(tuned[2], before[2])
    net.collect_params().setattr("grad_req", "null")
    with pytest.raises(InputError, match="parameter that is trained"):
        GluonClassifier(net, epochs=1).fit(X, y)


def test_partial_fits_are_epochs_of_one_training(table, parameters):
    """Two calls with the same rows are two epochs of fit, the optimizer's states and the order of rows included."""
    X, y, groups = table
    for mitigation in (None, "gap_penalty", "group_dro", "fairbatch", "sample_weighting"):
        options = {"mitigation": mitigation, **OPTIONS}
        whole = GluonClassifier((8,), epochs=3, **options).fit(X, y, groups)
        parts = GluonClassifier((8,), **options)
        for _ in range(3):
            parts.partial_fit(X, y, groups)
        for one, other in zip(parameters(whole.net_), parameters(parts.net_)):
            np.testing.assert_array_equal(one, other, err_msg=str(mitigation))
        assert parts.n_iter_ == 3
        assert parts.history_["epoch"] == [0, 1, 2]


def test_classes_may_be_declared(table):
    """The first call may lack a class; later ones must not name others, and fit forgets them."""
    X, y, _ = table
    model = GluonClassifier("logistic", **OPTIONS)
    model.partial_fit(X[y == 1], np.full((y == 1).sum(), "b"), classes=["a", "b", "c"])
    model.partial_fit(X, np.where(y, "a", "c"), classes=["c", "b", "a"])
    assert model.predict_proba(X).shape == (200, 3)
    with pytest.raises(InputError, match="'classes' must be those of the first call, a, b, c"):
        model.partial_fit(X, np.where(y, "a", "c"), classes=["a", "c"])
    with pytest.raises(InputError, match="fitted classes"):
        model.partial_fit(X, np.where(y, "a", "z"))
    model.fit(X, y)
    assert list(model.classes_) == [0, 1]
    with pytest.raises(InputError, match="two classes"):
        GluonClassifier("logistic").partial_fit(X, y, classes=[1])
    with pytest.raises(InputError, match="'classes' must not"):
        GluonRegressor("logistic").partial_fit(X, y, classes=[0, 1])


def test_groups_of_partial_fits_are_those_of_the_first(table, parameters):
    """Codes are by name: a call that lacks a group trains as if it knew it, and a new group is refused."""
    X, y, groups = table
    model = GluonClassifier((8,), mitigation=GroupDROLoss, **OPTIONS)
    model.partial_fit(X, y, groups)
    only = groups == "b"
    model.partial_fit(X[only], y[only], groups[only])
    state = model.loss_.collect_params()
    assert any(p.data().asnumpy().ravel()[-1] != p.data().asnumpy().ravel()[0] for p in state.values())
    with pytest.raises(InputError, match="'z'"):
        model.partial_fit(X, y, np.where(groups == "a", "z", "b"))


def test_a_changed_rate_counts_and_other_parameters_start_anew(table, parameters):
    """set_params between calls is not ignored."""
    X, y, groups = table
    model = GluonClassifier((8,), **OPTIONS).partial_fit(X, y, groups)
    model.set_params(learning_rate=1e-9).partial_fit(X, y, groups)
    assert model._trainer.learning_rate == 1e-9
    model.set_params(optimizer="sgd").partial_fit(X, y, groups)
    assert type(model._trainer.optimizer).__name__ == "SGD"
    trainer = model._trainer
    model.set_params(mitigation=FairBatch()).partial_fit(X, y, groups)
    assert model._trainer is not trainer


def test_a_fit_after_partial_fits_is_a_fit(table, parameters):
    """Random numbers and states of earlier calls do not reach it."""
    X, y, _ = table
    model = GluonClassifier((8,), epochs=2, **OPTIONS).partial_fit(X, y).partial_fit(X, y)
    for one, other in zip(
        parameters(model.fit(X, y).net_), parameters(GluonClassifier((8,), epochs=2, **OPTIONS).fit(X, y).net_)
    ):
        np.testing.assert_array_equal(one, other)
