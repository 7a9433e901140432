"""Augmentation of images by cell: which items are augmented, and that workers, epochs and seeds agree."""

from __future__ import annotations

import copy
import io
import multiprocessing
import pickle

import numpy as np
import pytest

import mxfair
from mxfair._compat import import_mxnet
from mxfair._validation import InputError, InputTypeError
from mxfair.data import FairDataLoader, ProbeSet
from mxfair.preprocessing.image_augmentation import CellAugmentedDataset, SeededTransform
from mxfair.preprocessing.oversampling import oversample_indices

mx = import_mxnet()  # a spawned process imports this module without the fixtures
gluon, transforms = mx.gluon, mx.gluon.data.vision.transforms

LABELS = np.repeat([0, 0, 1, 1], [12, 5, 9, 3]).astype("float32")
GROUPS = np.repeat([0, 1, 0, 1], [12, 5, 9, 3])
CELLS = 2 * LABELS.astype(int) + GROUPS


def noise(image, rng):
    """Return the image with a random number added, at least 1."""
    return image + np.float32(1 + rng.random())


def shifted(image, rng):
    """Return the image with 100 added."""
    return image + np.float32(100)


def pictures():
    """Return small images of a number each, NumPy's: 10 times their place."""
    return (10 * np.arange(len(LABELS), dtype="float32"))[:, None, None, None] * np.ones((1, 4, 4, 3), "float32")


def samples():
    """Return a dataset of (image, label, group)."""
    return gluon.data.ArrayDataset(pictures(), LABELS, GROUPS)


def augmented(transform=None, dataset=None, **options):
    """Return the dataset with seed 0."""
    transform = SeededTransform(noise) if transform is None else transform
    return CellAugmentedDataset(samples() if dataset is None else dataset, transform, **{"seed": 0, **options})


def added(dataset):
    """Return what the transform added to each item."""
    return np.array([float(dataset[i][0].mean()) for i in range(len(dataset))]) - 10.0 * dataset.indices


def test_small_cells_are_filled_with_repeats():
    """Every cell has as many items as the largest; labels and groups are those of the items."""
    dataset = augmented()
    assert len(dataset) == 48
    assert np.bincount(2 * dataset.labels.astype(int) + dataset.groups.codes).tolist() == [12] * 4
    assert np.array_equal(dataset.labels, LABELS[dataset.indices])
    assert np.array_equal(dataset.groups.codes, GROUPS[dataset.indices])
    assert np.array_equal(dataset.indices[: len(LABELS)], np.arange(len(LABELS)))
    assert [tuple(dataset[i][1:]) for i in (0, 40)] == [(dataset.labels[i], dataset.groups.codes[i]) for i in (0, 40)]
    same = np.bincount(dataset.indices) == np.bincount(oversample_indices(LABELS, GROUPS, seed=0))
    assert same.all()


def test_only_repeats_are_augmented_by_default():
    """The samples themselves are as they were; every repeat is changed, each in its own way."""
    dataset = augmented()
    change = added(dataset)
    assert (change[~dataset.repeats] == 0).all()
    assert (change[dataset.repeats] >= 1).all()
    assert len(np.unique(change[dataset.repeats].round(4))) == dataset.repeats.sum()


@pytest.mark.parametrize(
    ("augment", "cells"), [("filled", {1, 2, 3}), ("all", {0, 1, 2, 3}), ({(1, "1"): 1.0, (0, 0): 0.0}, {3})]
)
def test_what_is_augmented_can_be_chosen(augment, cells):
    """All rows of the filled cells, everything, or the cells of a mapping."""
    dataset = augmented(augment=augment)
    assert np.array_equal(added(dataset) > 0, np.isin(CELLS[dataset.indices], list(cells)))


def test_cells_are_augmented_as_often_as_asked():
    """Probabilities by cell, or one for all, are kept over the epochs."""
    dataset = augmented(augment={(0, 0): 0.2, (1, 1): 0.7}, sampling_strategy=None)
    assert len(dataset) == len(LABELS)
    often = np.zeros(len(dataset))
    for epoch in range(150):
        dataset.set_epoch(epoch)
        often += added(dataset) > 0
    assert often[CELLS == 0].mean() / 150 == pytest.approx(0.2, abs=0.05)
    assert often[CELLS == 3].mean() / 150 == pytest.approx(0.7, abs=0.1)
    assert often[(CELLS == 1) | (CELLS == 2)].sum() == 0
    half = augmented(probability=0.5)
    assert 0 < (added(half) > 0).sum() < half.repeats.sum()


def test_one_of_several_transforms_is_drawn():
    """Each item gets one of a list."""
    change = added(augmented([SeededTransform(noise), SeededTransform(shifted)], augment="all"))
    assert {*np.unique(change > 50)} == {False, True}
    assert (change >= 1).all()


def test_items_depend_on_seed_epoch_and_index_only():
    """Equal seeds and epochs give equal items in any order; others give others."""
    first, again, other = augmented(), augmented(), augmented(seed=1)
    forward = [first[i][0] for i in range(len(first))]
    backward = [again[i][0] for i in reversed(range(len(again)))][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(forward, backward))
    assert not np.array_equal(added(first)[first.repeats], added(other)[other.repeats])
    again.set_epoch(1)
    assert not np.array_equal(added(first), added(again))
    again.set_epoch(0)
    assert np.array_equal(added(first), added(again))


def test_workers_see_what_this_process_sees_and_follow_the_epoch():
    """Processes that were forked before set_epoch yield the items of the new epoch."""
    dataset = augmented(augment="all")
    loader = gluon.data.DataLoader(dataset, 5, num_workers=2)
    seen = []
    for epoch in range(2):
        dataset.set_epoch(epoch)
        batches = np.concatenate([data.asnumpy() for data, _, _ in loader])
        own = np.stack([dataset[i][0] for i in range(len(dataset))])
        assert np.array_equal(batches, own)
        seen.append(batches)
    assert not np.array_equal(*seen)


def item_of(dataset, index, queue):
    """Put an item into a queue: runs in a new process."""
    queue.put(np.asarray(dataset[index][0]))


def test_it_can_be_pickled_for_spawned_workers():
    """A copy, pickled or deep, has the epoch and yields the same items."""
    dataset = augmented()
    dataset.set_epoch(3)
    file = io.BytesIO()
    pickle.dump(dataset, file)
    for twin in (pickle.loads(file.getvalue()), copy.deepcopy(dataset)):
        assert twin.epoch == 3
        assert np.array_equal(added(dataset), added(twin))
        twin.set_epoch(4)
        assert dataset.epoch == 3


@pytest.mark.slow
def test_spawned_workers_share_the_epoch():
    """A process that is spawned, not forked, gets the item of the epoch."""
    context = multiprocessing.get_context("spawn")
    dataset = augmented()
    dataset.set_epoch(2)
    queue = context.Queue()
    process = context.Process(target=item_of, args=(dataset, 40, queue))
    process.start()
    item = queue.get(timeout=60)
    process.join()
    assert np.array_equal(item, dataset[40][0])


def test_gluon_transforms_take_numpy_images():
    """Where a transform is a block, all items are NDArrays, so that they make a batch; ToTensor comes after."""
    images = (np.random.default_rng(0).random((len(LABELS), 8, 8, 3)) * 255).astype("uint8")
    joint = transforms.Compose([transforms.RandomFlipLeftRight(), transforms.RandomBrightness(0.3)])
    dataset = augmented(joint, gluon.data.ArrayDataset(images, LABELS, GROUPS))
    assert {type(dataset[i][0]) for i in range(len(dataset))} == {mx.nd.NDArray}
    assert {dataset[i][0].dtype for i in range(len(dataset))} == {np.uint8}
    changed = [not np.array_equal(dataset[i][0].asnumpy(), images[dataset.indices[i]]) for i in range(len(dataset))]
    assert not any(np.array(changed)[~dataset.repeats])
    assert np.mean(np.array(changed)[dataset.repeats]) > 0.9
    for data, label, group in gluon.data.DataLoader(dataset.transform_first(transforms.ToTensor()), 16):
        assert data.shape == (16, 3, 8, 8)
        assert label.shape == group.shape == (16,)


def test_a_transform_that_changes_the_type_is_refused():
    """ToTensor on some items only would make batches of two kinds."""
    images = mx.nd.zeros((len(LABELS), 4, 4, 3), dtype="uint8")
    dataset = augmented(transforms.ToTensor(), gluon.data.ArrayDataset(images, LABELS, GROUPS))
    with pytest.raises(InputError, match=r"transform_first"):
        dataset[len(dataset) - 1]


def test_global_random_state_is_not_touched():
    """What is ours draws from generators of its own."""
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    added(augmented())
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_labels_and_groups_beside_a_dataset():
    """A dataset of (image, label), transformed too, takes labels and groups as arrays, text included."""
    plain = gluon.data.ArrayDataset(mx.nd.array(pictures()), LABELS).transform_first(lambda image: image / 2)
    names = np.array(["light", "dark"])[GROUPS]
    dataset = augmented(dataset=plain, labels=LABELS, groups=names)
    assert len(dataset[0]) == 2
    assert set(dataset.groups.names) == {"light", "dark"}
    with pytest.raises(InputError, match="'labels' must be given"):
        augmented(dataset=plain)
    with pytest.raises(InputError, match="'groups' must be given"):
        augmented(dataset=gluon.data.ArrayDataset(pictures(), LABELS))
    with pytest.raises(InputError, match="same length"):
        augmented(dataset=plain, labels=LABELS[1:], groups=names[1:])


def test_wrong_options_are_refused():
    """Words, probabilities, cells and transforms are checked at construction; indices as those of a list."""
    with pytest.raises(InputError, match="Did you mean 'repeats'"):
        augmented(augment="repeat")
    with pytest.raises(InputError, match="no row is repeated"):
        augmented(sampling_strategy=None)
    with pytest.raises(InputError, match="from 0 to 1"):
        augmented(probability=1.5)
    with pytest.raises(InputError, match="cells of the data"):
        augmented(augment={(5, 0): 1.0})
    with pytest.raises(InputTypeError, match="transform of an image"):
        augmented([3])
    with pytest.raises(InputTypeError, match="callable"):
        SeededTransform(3)
    with pytest.raises(InputError, match="epoch"):
        augmented().set_epoch(-1)
    dataset = augmented()
    assert np.array_equal(dataset[-1][0], dataset[len(dataset) - 1][0])
    with pytest.raises(IndexError):
        dataset[len(dataset)]
    assert "48 items, 19 repeats, 19 to be augmented" in repr(dataset)


@pytest.mark.parametrize("workers", [0, 2])
def test_fair_data_loader_takes_it(workers):
    """FairBatch draws from the filled cells, measures the plain samples, and trains."""
    mx.random.seed(0)
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Flatten(), gluon.nn.Dense(1, in_units=48))
    net.initialize()
    loss = gluon.loss.SigmoidBinaryCrossEntropyLoss()
    dataset = augmented()
    probe = ProbeSet(net, pictures(), LABELS, GROUPS, loss=loss, per_cell=3, seed=0)
    loader = FairDataLoader(
        dataset, 12, net=net, loss=loss, labels=dataset.labels, groups=dataset.groups, signal=probe,
        num_workers=workers, seed=0,
    )  # fmt: skip
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 1e-3})
    history = mxfair.training.fit(net, loader, loss, trainer, 2, progress=False)
    assert len(history["loss"]) == 2
    assert np.isfinite(history["loss"]).all()
