"""A trained net is made fairer in a few epochs; images come through Gluon's own datasets, transforms and workers."""

from __future__ import annotations

import warnings

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon
from mxnet.gluon.data.vision import transforms

import mxfair
from mxfair.criterion import CRITERIA
from mxfair.data import DataLoader, FairDataLoader, ProbeSet, ProportionalController

BCE = gluon.loss.SigmoidBinaryCrossEntropyLoss
TO_TENSOR = transforms.Compose([transforms.ToTensor(), transforms.Normalize(0.2, 0.3)])
AUGMENTED = transforms.Compose(
    [transforms.RandomBrightness(0.2), transforms.ToTensor(), transforms.Normalize(0.2, 0.3)]
)


def pictures():
    """Return scikit-learn's digits at 32 x 32 in two colours, whether a digit is 5 or more (15 % wrong), the colour."""
    digits = pytest.importorskip("sklearn.datasets").load_digits()
    rng = np.random.default_rng(0)
    labels = (digits.target >= 5) ^ (rng.random(len(digits.target)) < 0.15)
    groups = (rng.random(len(labels)) < np.where(labels, 0.75, 0.25)).astype(int)
    pens = np.array([[0.25, 0.25, 1.0], [1.0, 0.25, 0.25]])[groups]
    grey = np.kron(digits.images / 16, np.ones((4, 4)))
    images = (255 * grey[..., None] * pens[:, None, None, :]).astype("uint8")
    return images, labels.astype("float32"), groups


def gap(net, dataset, labels, groups):
    """Return accuracy and the equalized odds gap."""
    report = mxfair.report.evaluate(net, dataset, labels=labels, groups=groups, probability=False)
    return float(report.summary["accuracy"].iloc[0]), float(report.gaps.loc["equalized_odds"].iloc[0])


@pytest.mark.slow
@pytest.mark.parametrize("frozen", [True, False])
def test_a_residual_net_of_the_model_zoo_is_fine_tuned(frozen):
    """ResNet-18 on pictures, features frozen or not: the gap of the pictures tuned with halves or better.

    With frozen features so does that of other pictures; a whole ResNet learns the few hundred by heart.
    """
    images, labels, groups = pictures()
    order = np.random.RandomState(2).permutation(len(labels))
    first, second, test = order[:700], order[700:1250], order[1250:]

    def dataset(rows, transform):
        pixels = mx.nd.array(images[rows], dtype="uint8")
        return gluon.data.ArrayDataset(pixels, labels[rows]).transform_first(transform)

    mx.random.seed(2)
    net = gluon.model_zoo.vision.resnet18_v1(classes=1)
    net.initialize(mx.init.Xavier())
    loss = BCE()
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 1e-3})
    mxfair.training.fit(net, DataLoader(dataset(first, TO_TENSOR), 64, True, seed=2), loss, trainer, 4, progress=False)
    before = [gap(net, dataset(rows, TO_TENSOR), labels[rows], groups[rows]) for rows in (second, test)]

    if frozen:
        net.features.collect_params().setattr("grad_req", "null")
    weights = {name: p.data().asnumpy() for name, p in net.features.collect_params().items() if "running" not in name}
    beside = {"labels": labels[second], "groups": groups[second]}
    # The probe is without augmentation.
    probe = ProbeSet(net, dataset(second, TO_TENSOR), loss=loss, per_cell=100, seed=0, **beside)
    loader = FairDataLoader(
        dataset(second, AUGMENTED),
        64,
        net=net,
        loss=loss,
        criterion="equalized_odds",
        signal=probe,
        controller=ProportionalController(0.05, 0.01),
        update_every=2,
        num_workers=2,
        seed=0,
        **beside,
    )
    params = net.output.collect_params() if frozen else net.collect_params()
    trainer = gluon.Trainer(params, "adam", {"learning_rate": 2e-3 if frozen else 1e-4})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        history = mxfair.training.fit(net, loader, loss, trainer, 6, progress=False)
    after = [gap(net, dataset(rows, TO_TENSOR), labels[rows], groups[rows]) for rows in (second, test)]

    assert min(before)[1] > 0.3
    assert after[0][1] < before[0][1] / 2
    assert after[1][0] > 0.68
    assert len(history["gap"]) == 6
    same = [np.array_equal(net.features.collect_params()[name].data().asnumpy(), w) for name, w in weights.items()]
    assert all(same) if frozen else not any(same)
    if frozen:
        assert after[1][1] < before[1][1] / 2


def test_any_trained_net_is_fine_tuned():
    """A plain multi-layer perceptron, trained without FairBatch, in five epochs with updates inside them."""
    rng = np.random.default_rng(0)
    z = (rng.random(3000) < 0.3).astype(int)
    y = (rng.random(3000) < 0.3 + 0.35 * z).astype("float32")
    X = np.c_[rng.normal(0, 1, 3000) + 1.5 * y, z].astype("float32")
    mx.random.seed(0)
    net = mxfair.net.mlp(2, hidden=(16,))
    net.initialize(mx.init.Xavier())
    dataset = gluon.data.ArrayDataset(X, y, z)
    loss = BCE()

    def train(loader, epochs):
        trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 5e-3})
        mxfair.training.fit(net, loader, loss, trainer, epochs, progress=False)
        decisions = (net(mx.nd.array(X)).asnumpy()[:, 0] > 0).astype(int)
        return CRITERIA["equal_opportunity"].difference(mxfair.GroupConfusion.of(y.astype(int), decisions, z))

    before = train(DataLoader(dataset, 100, shuffle=True, seed=0), 20)
    loader = FairDataLoader(
        dataset, 100, net=net, loss=loss, criterion="equal_opportunity", update_every=10, signal="probe", seed=0
    )
    after = train(loader, 5)
    assert before > 0.2
    assert after < before / 4
