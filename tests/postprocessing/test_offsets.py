"""Class offsets by group against exact thresholds, random search, and what must always hold."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from mxfair import Criterion, GroupConfusion
from mxfair._validation import InputError, InputTypeError
from mxfair.criterion import CRITERIA
from mxfair.postprocessing import ClassOffsets, GroupThresholds, PostProcessed
from mxfair.preprocessing import load_step

pytestmark = pytest.mark.filterwarnings("ignore:Fewer than")


def rows(n=900, k=3, n_groups=2, seed=0):
    """Return probabilities of k classes, of other shares in each group, labels and groups."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, n_groups, n)
    logits = rng.normal(0, 1.5, (n, k)) + groups[:, None] * np.linspace(-0.8, 0.8, k)
    return softmax(logits, axis=1), (logits + rng.gumbel(size=(n, k))).argmax(axis=1), groups


@pytest.mark.parametrize("name", ["demographic_parity", "equal_opportunity", "equalized_odds", "accuracy_parity"])
def test_two_classes_come_near_the_exact_thresholds(name):
    """With two classes the offsets are thresholds, the best of which GroupThresholds finds."""
    for seed in range(3):
        chances, labels, groups = rows(600, 2, 3, seed=seed)
        exact = GroupThresholds(name, max_gap=0.05).fit(chances[:, 1], labels, groups)
        found = ClassOffsets(name, max_gap=0.05).fit(chances, labels, groups)
        assert found.gap_ <= 0.05 + 1e-9
        assert exact.objective_ - 0.01 <= found.objective_ <= exact.objective_ + 1e-9


@pytest.mark.parametrize("name", ["demographic_parity", "equalized_odds"])
def test_no_random_offsets_are_better(name):
    """Of 4,000 random offsets around none, and as many around the result, no one that keeps the gap has more right."""
    chances, labels, groups = rows()
    fit = ClassOffsets(name, max_gap=0.1).fit(chances, labels, groups)
    rng = np.random.default_rng(1)
    criterion, logs, best = CRITERIA[name], np.log(chances), 0.0
    for _ in range(4000):
        for centre in (0.0, fit.offsets_):
            offsets = centre + rng.normal(0, 0.4, (2, 3))
            preds = (logs + offsets[groups]).argmax(axis=1)
            accuracy = (preds == labels).mean()
            if accuracy > best and criterion.difference(GroupConfusion.of(labels, preds, groups)) <= 0.1:
                best = accuracy
    assert fit.objective_ >= best


@pytest.mark.parametrize("objective", ["accuracy", "balanced_accuracy", "costs"])
@pytest.mark.parametrize("max_gap", [0.0, 0.03, 1.0])
def test_it_is_never_worse_than_no_offsets(objective, max_gap):
    """First the gap above the bound, then the objective, are those of no offsets or better; counts are exact."""
    cost = np.array([[0, 1, 4], [1, 0, 1], [2, 1, 0.0]])
    for seed in range(3):
        chances, labels, groups = rows(500, seed=seed)
        fit = ClassOffsets(objective=cost if objective == "costs" else objective, max_gap=max_gap, n_restarts=1)
        with np.errstate(all="raise"), pytest.warns() if max_gap == 0 else np.errstate():
            fit.fit(chances, labels, groups)
        assert fit.gap_ <= max(fit.gap_before_, max_gap)
        if fit.gap_before_ <= max_gap:
            sign = -1 if objective == "costs" else 1
            assert sign * fit.objective_ >= sign * fit.objective_before_
        table = GroupConfusion.of(labels, fit.predict(chances, groups), groups)
        np.testing.assert_array_equal(table.counts, fit.counts_)
        assert CRITERIA["demographic_parity"].difference(table) == pytest.approx(fit.gap_)
        overall = table.counts.sum(axis=0)
        expected = {
            "accuracy": np.trace(overall) / 500,
            "balanced_accuracy": np.mean(np.diag(overall) / overall.sum(axis=1)),
            "costs": (overall * cost).sum() / 500,
        }
        assert fit.objective_ == pytest.approx(expected[objective])


def test_without_a_bound_costs_decide():
    """With costs and no bound the offsets come near the Bayes decisions of calibrated probabilities."""
    chances, labels, _ = rows(4000)
    cost = np.array([[0, 1, 1], [8, 0, 8], [1, 1, 0.0]])
    bayes = (chances @ cost).argmin(axis=1)
    fit = ClassOffsets(objective=cost, max_gap=1).fit(chances, labels, np.zeros(4000))
    assert fit.objective_ <= cost[labels, bayes].mean() + 0.01
    assert np.isnan(fit.gap_)


def test_a_criterion_of_one_class():
    """A stated positive class is the only one whose rates are compared."""
    chances, labels, groups = rows()
    names = np.array(["low", "mid", "top"])[labels]
    fit = ClassOffsets(Criterion("top", "selection_rate", positive="top"), max_gap=0.01).fit(chances, names, groups)
    preds = fit.predict(chances, groups)
    shares = [[(preds[groups == g] == name).mean() for g in (0, 1)] for name in ("top", "low")]
    assert abs(np.diff(shares[0])[0]) <= 0.01 < abs(np.diff(shares[1])[0])


def test_weights_and_seeds():
    """Weights are repeated rows; the same seed finds the same."""
    chances, labels, groups = rows(400)
    weight = np.random.default_rng(5).integers(1, 4, 400)
    again = np.repeat(np.arange(400), weight)
    one = ClassOffsets().fit(chances, labels, groups, sample_weight=weight)
    other = ClassOffsets().fit(chances[again], labels[again], groups[again])
    assert one.objective_ == pytest.approx(other.objective_)
    np.testing.assert_array_equal(one.offsets_, ClassOffsets().fit(chances, labels, groups, weight).offsets_)


def test_files_and_blocks_give_it_back(tmp_path):
    """A file keeps the offsets; the block adds them in the graph, to logits and to probabilities."""
    chances, labels, groups = rows()
    for kind, given in (("probability", chances), ("log_odds", np.log(chances) + 3)):
        fit = ClassOffsets(scores=kind, n_restarts=0).fit(given, labels, groups)
        np.testing.assert_allclose(fit.transform(given, groups), log_softmax(np.log(chances), 1) + fit.offsets_[groups])
        fit.save(tmp_path / "o.npz")
        np.testing.assert_array_equal(load_step(tmp_path / "o.npz").predict(given, groups), fit.predict(given, groups))
        pytest.importorskip("mxnet")
        block = fit.as_block()
        block.hybridize()
        np.testing.assert_allclose(block(given, groups).asnumpy(), fit.transform(given, groups), atol=1e-5)
        assert np.isnan(block(given[:1], [2]).asnumpy()).all()


def test_wrapped_models_of_several_classes(tmp_path):
    """A scikit-learn classifier and a net of three classes are wrapped; the net's block, exported, decides the same."""
    chances, labels, groups = rows()
    X = np.log(chances).astype(np.float32)
    model = PostProcessed(LogisticRegression(), ClassOffsets(n_restarts=0), random_state=0).fit(X, labels, groups)
    assert model.score(X, labels, groups=groups) > 0.5
    pytest.importorskip("mxnet")
    from mxnet import gluon, nd

    from mxfair.estimator import GluonClassifier

    net = GluonClassifier("logistic", epochs=5, learning_rate=0.05, random_state=0)
    model = PostProcessed(net, ClassOffsets(n_restarts=0), random_state=0).fit(X, labels, groups)
    block = model.as_block()
    block.hybridize()
    block(nd.array(X), nd.array(groups))
    block.export(str(tmp_path / "fair"))
    read = gluon.SymbolBlock.imports(
        str(tmp_path / "fair-symbol.json"), ["data0", "data1"], str(tmp_path / "fair-0000.params")
    )
    scores = read(nd.array(X), nd.array(groups)).asnumpy()
    np.testing.assert_array_equal(scores.argmax(axis=1), model.predict(X, groups))


def test_bad_input_is_refused():
    """Options out of range, scores of another shape, labels that lack a class, and undefined rates."""
    chances, labels, groups = rows(300)
    for options, error in (
        ({"max_gap": -0.1}, InputError),
        ({"max_gap": None}, InputTypeError),
        ({"scores": "logits"}, InputError),
        ({"n_restarts": -1}, InputError),
        ({"objective": "f1_score"}, InputError),
        ({"objective": np.eye(2)}, InputError),
        ({"objective": {}}, InputTypeError),
        ({"criterion": "parity"}, InputError),
        ({"criterion": Criterion("x", "accuracy", agg="signed")}, InputError),
        ({"criterion": Criterion("x", "selection_rate", positive=9)}, InputError),
        ({"seed": -1}, InputError),
    ):
        with pytest.raises(error):
            ClassOffsets(**options).fit(chances, labels, groups)
    with pytest.raises(InputError, match="class for each"):
        ClassOffsets().fit(chances, labels % 2, groups)
    keep = ~((groups == 0) & (labels == 1))
    with pytest.raises(InputError, match="has none of"):
        ClassOffsets("equal_opportunity").fit(chances[keep], labels[keep], groups[keep])
    with pytest.raises(InputError, match="sum to 1"):
        ClassOffsets().fit(chances / 2, labels, groups)
    with pytest.raises(InputError, match="fitted first"):
        ClassOffsets().predict(chances, groups)
    fit = ClassOffsets(n_restarts=0).fit(chances, labels, groups)
    with pytest.raises(InputError, match="columns"):
        fit.predict(chances[:, :2] / chances[:, :2].sum(axis=1, keepdims=True), groups)
    with pytest.raises(InputError, match="fitted groups"):
        fit.predict(chances, groups + 5)
