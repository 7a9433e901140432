"""Learned fair representations keep the label, lose the group, and are a Gluon block."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from mxfair._validation import InputError, InputTypeError
from mxfair.preprocessing import FairRepresentation, TabularEncoder
from mxfair.preprocessing._base import load_step

mx = pytest.importorskip("mxnet")


def sample(n=900, groups=2, seed=0):
    """Return features of which one gives the group away and helps with the label."""
    rng = np.random.default_rng(seed)
    z = rng.integers(0, groups, n)
    X = rng.normal(0, 1, (n, 4)) * [1, 5, 1, 1] + [0, 100, 0, 0]
    X[:, 2] += 2.0 * z
    y = (X[:, 0] + 0.5 * z + rng.normal(0, 0.5, n) > 0.3).astype(int)
    return X, y, z


def in_numpy(step, X, y, z, a):
    """Return the paper's objective, written out."""
    xs, v = (X - step.mean_) / step.scale_, (step.prototypes_ - step.mean_) / step.scale_
    distance = (((xs[:, None] - v[None]) ** 2) * step.feature_weights_).sum(axis=2)
    m = np.exp(-distance) / np.exp(-distance).sum(axis=1, keepdims=True)
    l_x = ((xs - m @ v) ** 2).mean()
    l_y = -np.log((m @ step.prototype_labels_)[np.arange(len(y)), y]).mean()
    means = [m[z == g].mean(axis=0) for g in np.unique(z[z >= 0])]
    pairs = [np.abs(p - q).sum() for i, p in enumerate(means) for q in means[:i]]
    return m, a[0] * l_x + a[1] * l_y + a[2] * (np.mean(pairs) if pairs else 0.0)


@pytest.mark.parametrize("groups", [2, 3])
@pytest.mark.parametrize("hybridize", [False, True])
def test_published_objective(groups, hybridize):
    """Memberships and objective are the paper's formulas; unknown and absent groups are left out."""
    X, y, z = sample(200, groups)
    step = FairRepresentation(5, a_x=0.3, a_y=0.7, a_z=2.0, epochs=2, batch_size=50, seed=0).fit(X, y, groups=z)
    net, loss = step.net(), step.loss()
    if hybridize:
        net.hybridize()
        loss.hybridize()
    partly = np.where(np.arange(200) < 20, -1, z)
    for places in (z, partly, np.where(z == 1, -1, z), np.full(200, -1), np.zeros(200)):
        found = loss(net(mx.nd.array(X)), mx.nd.array(y), mx.nd.array(places)).asnumpy()
        memberships, expected = in_numpy(step, X, y, places, (0.3, 0.7, 2.0))
        assert found.shape == (200,)
        assert found.mean() == pytest.approx(expected, rel=1e-4)
        np.testing.assert_allclose(step.transform(X), memberships, atol=1e-9)
    assert step.losses_.shape == (3, 3)
    assert step.losses_[-1] @ [0.3, 0.7, 2.0] == pytest.approx(in_numpy(step, X, y, z, (0.3, 0.7, 2.0))[1], rel=1e-4)


def test_gradients_are_those_of_the_objective():
    """Automatic gradients agree with finite differences, for every trained parameter."""
    X, y, z = sample(60)
    step = FairRepresentation(3, a_x=0.5, a_y=1.0, a_z=1.0, epochs=0, seed=0).fit(X, y, groups=z)
    net, loss = step.net(), step.loss()
    data, label, group = mx.nd.array(X), mx.nd.array(y), mx.nd.array(z)
    with mx.autograd.record():
        value = loss(net(data), label, group).mean()
    value.backward()
    for name in ("prototype", "log_weight", "score"):
        parameter = getattr(net, name)
        gradient, start = parameter.grad().asnumpy(), parameter.data().asnumpy()
        for place in [(0, 0), (start.shape[0] - 1, start.shape[1] - 1)]:
            ends = []
            for step_size in (1e-2, -1e-2):
                moved = start.copy()
                moved[place] += step_size
                parameter.set_data(mx.nd.array(moved))
                ends.append(loss(net(data), label, group).mean().asscalar())
            parameter.set_data(mx.nd.array(start))
            assert gradient[place] == pytest.approx((ends[0] - ends[1]) / 2e-2, rel=0.05, abs=2e-4)


def test_group_is_lost_and_label_is_kept_on_adult():
    """Held out: the group's AUC falls by .2 or more, the gap below half, accuracy by at most .03."""
    from mxfair.datasets import load_adult

    adult = load_adult()
    rows = np.random.default_rng(0).permutation(len(adult.data))[:6000]
    train, test = rows[:4000], rows[4000:]
    data = adult.data.drop(columns=["sex", "race"], errors="ignore")
    encoder = TabularEncoder().fit(data.iloc[train])
    y, z = adult.target.to_numpy(), (adult.groups["sex"] == "Male").to_numpy().astype(int)
    before = [encoder.transform(data.iloc[part]) for part in (train, test)]
    step = FairRepresentation(10, a_z=0.2, epochs=60, seed=0).fit(before[0], y[train], groups=z[train])
    figures = []
    for fit_on, read in (before, [step.transform(part) for part in before]):
        group = LogisticRegression(max_iter=2000).fit(fit_on, z[train]).predict_proba(read)[:, 1]
        decision = LogisticRegression(max_iter=2000).fit(fit_on, y[train]).predict(read)
        gap = decision[z[test] == 1].mean() - decision[z[test] == 0].mean()
        figures.append((roc_auc_score(z[test], group), (decision == y[test]).mean(), abs(gap)))
    (auc, accuracy, gap), (auc_after, accuracy_after, gap_after) = figures
    assert auc_after < auc - 0.2
    assert accuracy_after > accuracy - 0.03
    assert gap_after < gap / 2


def test_the_gap_falls_with_its_weight():
    """Without a_z the memberships of the groups go apart, with it they come together; several groups work."""
    X, y, z = sample(900, 3)
    free, held = (
        FairRepresentation(6, a_z=a, epochs=40, batch_size=300, seed=0).fit(X, y, groups=z).losses_[-1] for a in (0, 2)
    )
    assert held[2] < free[2] / 4
    assert free[1] < held[1]


@pytest.mark.parametrize("output", ["memberships", "reconstruction"])
def test_block_agrees_with_transform(output):
    """For a matrix and for a row, hybridized too, and inside a dataset."""
    X, y, z = sample(200)
    step = FairRepresentation(4, output=output, epochs=3, seed=0).fit(X, y, groups=z)
    block = step.as_block()
    for _ in range(2):
        np.testing.assert_allclose(block(mx.nd.array(X)).asnumpy(), step.transform(X), rtol=1e-4, atol=1e-4)
        block.hybridize()
    dataset = mx.gluon.data.ArrayDataset(X.astype("float32"), y).transform_first(step.as_block())
    np.testing.assert_allclose(dataset[5][0].asnumpy(), step.transform(X[5:6])[0], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(step.net(output)(mx.nd.array(X)).asnumpy(), step.transform(X), rtol=1e-4, atol=1e-4)
    prediction = step.net("prediction")(mx.nd.array(X)).asnumpy()
    assert prediction.shape == (200, 2)
    np.testing.assert_allclose(prediction.sum(axis=1), 1, atol=1e-5)


def test_names_and_shapes():
    """Memberships are prototypes, reconstructions keep the features' names; frames come out where wanted."""
    X, y, z = sample(200)
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame.insert(2, "sex", np.array(["f", "m"])[z])
    step = FairRepresentation(3, sensitive=["sex"], epochs=1, seed=0).set_output(transform="pandas").fit(frame, y)
    assert list(step.transform(frame).columns) == ["prototype0", "prototype1", "prototype2"]
    by_groups = FairRepresentation(3, epochs=1, seed=0).fit(X, y, groups=z)
    np.testing.assert_allclose(step.transform(frame).to_numpy(), by_groups.transform(X))
    step.set_params(output="reconstruction")
    assert list(step.transform(frame).columns) == list("abcd")
    assert np.abs(step.transform(frame)["b"].mean() - 100) < 5


def test_one_seed_gives_one_representation():
    """Fits with the same seed agree to the bit, and the engine's random state is left alone."""
    X, y, z = sample(300)
    mx.random.seed(1)
    expected = mx.nd.random.uniform(shape=3).asnumpy()
    mx.random.seed(1)
    first, second, third = (
        FairRepresentation(4, epochs=3, batch_size=100, seed=s).fit(X, y, groups=z).transform(X) for s in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - third).max() > 0.01
    np.testing.assert_array_equal(mx.nd.random.uniform(shape=3).asnumpy(), expected)


def test_a_loop_of_ones_own():
    """A net placed by epochs=0 is trained by any loop, and the step takes it over."""
    X, y, z = sample(400)
    step = FairRepresentation(4, a_z=1.0, epochs=0, seed=0).fit(X, y, groups=z)
    assert step.losses_.shape == (1, 3)
    net, loss = step.net(), step.loss()
    before = loss(net(mx.nd.array(X)), mx.nd.array(y), mx.nd.array(z)).mean().asscalar()
    trainer = mx.gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.02})
    for _ in range(40):
        with mx.autograd.record():
            value = loss(net(mx.nd.array(X)), mx.nd.array(y), mx.nd.array(z))
        value.backward()
        trainer.step(400)
    assert value.mean().asscalar() < before - 0.1
    old = step.transform(X)
    assert np.abs(step.take(net).transform(X) - old).max() > 0.01
    np.testing.assert_allclose(step.as_block()(mx.nd.array(X)).asnumpy(), step.transform(X), atol=1e-5)
    np.testing.assert_array_equal(net.mean.data().asnumpy()[0], step.mean_.astype("float32"))


def test_saved_and_loaded(tmp_path):
    """The file holds the whole step; a clone is unfitted."""
    X, y, z = sample(200)
    step = FairRepresentation(4, epochs=2, seed=0).fit(X, y, groups=z)
    step.save(tmp_path / "step.npz")
    again = load_step(tmp_path / "step.npz")
    np.testing.assert_array_equal(again.transform(X), step.transform(X))
    np.testing.assert_allclose(again.as_block()(mx.nd.array(X)).asnumpy(), step.transform(X), atol=1e-5)
    with pytest.raises(InputError, match="fitted first"):
        clone(step).transform(X)


def test_constant_features_and_fewer_rows_than_a_batch():
    """A constant column does no harm, nor does a small training set."""
    X, y, z = sample(40)
    X = np.column_stack([X, np.full(40, 0.1)])
    step = FairRepresentation(60, epochs=2, seed=0, ctx="cpu(0)").fit(X, y, groups=z)
    assert np.isfinite(step.transform(X)).all()
    assert np.isfinite(step.losses_).all()


@pytest.mark.parametrize(
    ("options", "labels", "groups", "error", "message"),
    [
        ({"output": "all"}, [0, 1], [0, 1], InputError, "one of memberships, reconstruction"),
        ({"n_prototypes": 0}, [0, 1], [0, 1], InputError, "at least 1"),
        ({"a_z": -1}, [0, 1], [0, 1], InputError, "not negative"),
        ({"a_y": "much"}, [0, 1], [0, 1], InputTypeError, "a number"),
        ({"ctx": "tpu"}, [0, 1], [0, 1], InputTypeError, "mxnet.Context"),
        ({}, None, [0, 1], InputError, "labels"),
        ({}, [0, 0], [0, 1], InputError, "two classes"),
        ({}, [0, 1], [1, 1], InputError, "two known groups"),
        ({}, [0, 1], None, InputError, "sensitive attribute"),
        ({}, [0, 1, 1], [0, 1], InputError, "same length"),
    ],
)
def test_bad_input_is_refused(options, labels, groups, error, message):
    """Each mistake has its sentence."""
    with pytest.raises(error, match=message):
        FairRepresentation(**options).fit([[0.0, 1.0], [1.0, 0.0]], labels, groups=groups)


def test_another_block_is_refused():
    """Only blocks of net() are taken over."""
    X, y, z = sample(40)
    step = FairRepresentation(3, epochs=0, seed=0).fit(X, y, groups=z)
    with pytest.raises(InputTypeError, match="of net"):
        step.take(mx.gluon.nn.Dense(2))
    with pytest.raises(InputError, match="4 features a row"):
        step.as_block()(mx.nd.zeros((2, 3)))


@pytest.mark.parametrize(("size", "rate"), [(1e-100, 0.01), (1e39, 0.01), (1.0, 1e30)])
def test_training_that_is_lost_is_an_error(size, rate):
    """Numbers beyond single precision, or too large a step, gave a representation of NaN without a word."""
    rng = np.random.default_rng(0)
    X, y, group = rng.normal(0, size, (80, 2)), np.arange(80) % 2, rng.integers(0, 2, 80)
    step = FairRepresentation(3, epochs=3, learning_rate=rate, seed=0)
    with np.errstate(all="ignore"), pytest.raises(InputError, match="losses must stay finite"):
        step.fit(X, y, groups=group)
    with pytest.raises(InputError, match="fitted first"):
        step.transform(X)
