"""A net and a post-processor as one block: the numbers of both, exported too."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("mxnet")

import mxfair.net
from mxfair import GroupScores
from mxfair._compat import import_mxnet
from mxfair._inference import forward
from mxfair._validation import InputError, InputTypeError
from mxfair.estimator import GluonClassifier, GluonRegressor
from mxfair.postprocessing import (
    GroupCalibration,
    GroupThresholds,
    PostProcessed,
    RejectOption,
    WassersteinBarycenter,
    folded,
)
from mxfair.preprocessing import StandardScaler

mx = import_mxnet()

pytestmark = pytest.mark.filterwarnings("ignore:Fewer than")


def table(n=600, seed=0):
    """Return features, labels and groups; the last column tells the group."""
    rng = np.random.default_rng(seed)
    groups = rng.choice(["a", "b"], n)
    X = np.column_stack([rng.normal(size=(n, 2)) + 0.4 * (groups == "a")[:, None], np.where(groups == "b", 1, -1)])
    y = (X[:, 0] + 0.5 * (groups == "a") + rng.normal(size=n) > 0.3).astype(int)
    return X.astype(np.float32), y, groups


def sure(net, sign=1.0):
    """Return a net that tells the group by the last column."""
    net.initialize()
    weight = np.zeros(net.weight.shape, "float32")
    weight[-1, -1], weight[0, -1] = 50 * sign, (-50 if len(weight) > 1 else 50) * sign
    net.weight.set_data(weight)
    return net


def run(block, *arrays):
    """Return a block's result as a vector."""
    return block(*[mx.nd.array(a) for a in arrays]).asnumpy().ravel()


def imported(block, arrays, folder):
    """Return the block that was exported and read back."""
    block.hybridize()
    block(*[mx.nd.array(a) for a in arrays])
    block.export(str(folder / "fair"))
    names = [f"data{i}" for i in range(len(arrays))] if len(arrays) > 1 else ["data"]
    return mx.gluon.SymbolBlock.imports(str(folder / "fair-symbol.json"), names, str(folder / "fair-0000.params"))


POSTS = {
    "fixed": (GroupThresholds("demographic_parity", max_gap=0.03), {}),
    "log-odds": (GroupThresholds("demographic_parity", max_gap=0.03), {"output": "log_odds"}),
    "positive first": (GroupThresholds("demographic_parity", max_gap=0.03, positive=0), {}),
    "randomized": (GroupThresholds("equalized_odds", randomized=True), {}),
    "band": (RejectOption(max_gap=0.1), {}),
    "moved": (WassersteinBarycenter(0.2), {}),
}


@pytest.mark.parametrize("name", POSTS)
@pytest.mark.parametrize("outputs", [1, 2])
def test_a_classifier_is_one_block_with_the_same_results(name, outputs, tmp_path):
    """The imported block decides as the wrapped estimator does, at other batch sizes too."""
    X, y, groups = table()
    post, options = POSTS[name]
    net = GluonClassifier(mxfair.net.logistic(3, outputs), epochs=6, batch_size=32, learning_rate=0.05, random_state=0)
    model = PostProcessed(net, post, random_state=0).fit(X, y, groups)
    codes = model.postprocessor_.group_codes(groups).astype("float32")
    block = imported(model.as_block(**options), (X, codes), tmp_path)
    for rows in (slice(None), slice(0, 1), slice(3, 40)):
        got = run(block, X[rows], codes[rows])
        expected = model.postprocessor_.transform(model.scores(X[rows]), groups[rows])
        if "output" not in options:
            np.testing.assert_allclose(got, expected, atol=1e-4 if name == "moved" else 2e-6)  # steep pieces
        clear = np.abs(expected) > 1e-6
        np.testing.assert_array_equal((got > 0)[clear], (expected > 0)[clear])


def test_a_regressor_is_one_block_with_the_same_results(tmp_path):
    """Preprocessing steps are part of the block."""
    X, _, groups = table()
    y = X[:, 0] * 3 + (groups == "a")
    net = GluonRegressor("logistic", epochs=5, learning_rate=0.05, mitigation=StandardScaler(), random_state=0)
    model = PostProcessed(net, WassersteinBarycenter(), random_state=0).fit(X, y, groups)
    codes = model.postprocessor_.group_codes(groups).astype("float32")
    block = imported(model.as_block(), (X, codes), tmp_path)
    np.testing.assert_allclose(run(block, X, codes), model.predict(X, groups), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_head_infers_the_group(outputs, tmp_path):
    """With a head that is always right, the block without codes gives what codes give."""
    X, y, groups = table()
    model = PostProcessed(GluonClassifier("logistic", epochs=2, random_state=0), *POSTS["fixed"][:1], random_state=0)
    model.fit(X, y, groups)
    codes = model.postprocessor_.group_codes(groups).astype("float32")
    expected = run(model.as_block(), X, codes)
    block = imported(model.as_block(group_net=sure(mxfair.net.logistic(3, outputs))), (X,), tmp_path)
    np.testing.assert_allclose(run(block, X), expected, atol=1e-6)
    wrong = model.as_block(group_net=sure(mxfair.net.logistic(3, outputs), -1.0))
    np.testing.assert_allclose(run(wrong, X), run(model.as_block(), X, 1 - codes), atol=1e-6)


def test_a_head_that_is_not_sure_gives_the_mean_over_the_groups(tmp_path):
    """The expectation is the sum of the groups' maps, weighted by the softmax of the head."""
    X, _, groups = table()
    net, head = mxfair.net.logistic(3), mxfair.net.logistic(3, 2)
    for one in (net, head):
        one.initialize(mx.init.Normal(1.0))
    scores = np.concatenate([o.asnumpy() for o in forward(net, X)]).ravel()
    fair = WassersteinBarycenter().fit(scores, None, groups)
    chances = mx.nd.softmax(head(mx.nd.array(X))).asnumpy()
    expected = sum(chances[:, i] * fair.transform(scores, np.full(len(X), name)) for i, name in enumerate("ab"))
    block = imported(folded(net, fair, group_net=head, group_rule="expectation"), (X,), tmp_path)
    np.testing.assert_allclose(run(block, X), expected, atol=1e-5)


def test_a_net_of_probabilities_is_read_as_such():
    """Log-odds of probabilities are those of the raw scores."""
    X, y, groups = table()
    raw = mxfair.net.logistic(3)
    raw.initialize(mx.init.Constant(0.3))  # near 0 and 1 single precision loses log-odds
    ended = mx.gluon.nn.HybridSequential()
    ended.add(raw, mx.gluon.nn.Activation("sigmoid"))
    scores = np.concatenate([o.asnumpy() for o in forward(raw, X)]).ravel()
    fair = GroupThresholds("demographic_parity", max_gap=0.05).fit(scores, y, groups)
    codes = fair.group_codes(groups)
    plain = run(folded(raw, fair), X, codes)
    np.testing.assert_allclose(
        run(folded(ended, fair, scores="log_odds", probability=True), X, codes), plain, atol=1e-5
    )


@pytest.mark.parametrize(
    "post",
    [
        GroupThresholds("demographic_parity", max_gap=0.5),
        GroupThresholds("demographic_parity", randomized=True),
        GroupCalibration("platt", min_samples=2),
        GroupCalibration("isotonic", min_samples=2),
        WassersteinBarycenter(),
    ],
    ids=["margin", "probability", "sigmoid", "isotonic", "map"],
)
@pytest.mark.parametrize("hybrid", [False, True])
def test_blocks_give_nan_for_codes_that_are_no_group(post, hybrid):
    """A chance of a group, or a number beyond the last one, is no code: nothing is decided."""
    rng = np.random.default_rng(0)
    labels, groups = rng.integers(0, 2, 80), np.array(["a", "b"] * 40)
    scores = np.clip(0.3 * labels + 0.7 * rng.random(80), 0, 1)
    block = post.fit(scores, labels, groups).as_block()
    block.hybridize(hybrid)
    values = block(np.full(8, 0.4), np.array([0, 1, 0.5, 1.5, -0.5, -1, 2, np.nan])).asnumpy()
    np.testing.assert_allclose(values[:2], post.transform([0.4, 0.4], ["a", "b"]), atol=1e-6)
    assert np.isnan(values[2:]).all()


def test_a_group_that_was_not_fitted_gives_nan():
    """Nothing is decided about an unknown code."""
    net = mxfair.net.logistic(1)
    net.initialize()
    fair = WassersteinBarycenter().fit(np.arange(40.0), None, ["a", "b"] * 20)
    assert np.isnan(run(folded(net, fair), [[1.0], [1.0]], [2, -1])).all()


def test_bad_arguments_are_refused():
    """Nets must be nets, post-processors fitted, margins not averaged, and outputs as said."""
    X, y, groups = table(200)
    net = mxfair.net.logistic(3)
    net.initialize()
    thresholds = GroupThresholds("demographic_parity", max_gap=0.1)
    with pytest.raises(InputError, match="fitted"):
        folded(net, thresholds)
    thresholds.fit(X[:, 0], y, groups)
    with pytest.raises(InputTypeError, match="'net'"):
        folded(np.mean, thresholds)
    with pytest.raises(InputTypeError, match="'group_net'"):
        folded(net, thresholds, group_net=np.mean)
    with pytest.raises(InputTypeError, match="postprocessor"):
        folded(net, GroupScores)
    with pytest.raises(InputError, match="scores"):
        folded(net, thresholds, scores="odds")
    with pytest.raises(InputError, match="group_rule"):
        folded(net, thresholds, group_net=net, group_rule="expectation")
    with pytest.raises(InputError, match="n_outputs"):
        folded(net, thresholds, scores="probability", n_outputs=3)
    with pytest.raises(InputError, match="n_outputs"):
        folded(net, thresholds, scores="probability", n_outputs=2)(mx.nd.array(X), mx.nd.zeros(200))
    with pytest.raises(InputError, match="group codes"):
        folded(net, thresholds)(mx.nd.array(X))
    three = mxfair.net.logistic(3, 3)
    three.initialize()
    with pytest.raises(InputError, match="group_net"):
        folded(net, thresholds, group_net=three)(mx.nd.array(X))
