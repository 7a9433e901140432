"""Augmentation of images by cell: rows of small (label, group) cells are repeated, each repeat augmented anew."""

from __future__ import annotations

import multiprocessing
import multiprocessing.context
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._validation import InputError, InputTypeError, generator, one_of, positive_integer, same_length, to_numpy
from mxfair.preprocessing._label_cells import LabelCells, take_rows
from mxfair.preprocessing.oversampling import oversample_indices

mx: Any = import_mxnet()

__all__ = ["CellAugmentedDataset", "SeededTransform"]

_AUGMENTED = ("repeats", "filled", "all")


class SeededTransform:
    """A transform of (image, generator): its random numbers are its own, the same for the same seed, epoch and index.

    Gluon's random transforms draw from global state instead, see `CellAugmentedDataset`.

    Parameters
    ----------
    function : callable
        Takes the image and a ``numpy.random.Generator``, returns an image of the same type. A function at the top of a
        module where workers are spawned.

    Examples
    --------
    >>> flip = SeededTransform(lambda image, rng: image[:, ::-1] if rng.random() < 0.5 else image)
    """

    def __init__(self, function: Callable[[Any, np.random.Generator], Any]) -> None:
        if not callable(function):
            raise InputTypeError(f"'function' must be callable as function(image, generator); got {function!r}.")
        self.function = function

    def __call__(self, image: Any, rng: np.random.Generator) -> Any:
        """Return the transformed image.

        Parameters
        ----------
        image : NDArray or ndarray
        rng : numpy.random.Generator

        Returns
        -------
        NDArray or ndarray
        """
        return self.function(image, rng)


class CellAugmentedDataset(mx.gluon.data.Dataset):
    """A dataset of images in which small (label, group) cells are filled with augmented repeats.

    It is a Gluon dataset like any other: ``transform_first`` what all images need (``ToTensor``, ``Normalize``) after
    it, and give it to ``gluon.data.DataLoader``, workers included, or to `FairDataLoader` with its `labels` and
    `groups`.

    Parameters
    ----------
    dataset : gluon.data.Dataset
        Training samples (image, label) or (image, label, group), as Gluon's transforms take images: height x width x
        channel. NumPy images become NDArrays where a transform is a Gluon block.
    transform : callable, SeededTransform or list of them
        What augments an image: one of Gluon's vision transforms (``Compose`` joins several), any function of an image,
        or a `SeededTransform`. Of a list, one is drawn for each item. It must keep the type of the image's numbers.
    labels, groups : array of shape (n_samples,), optional
        Labels and sensitive attribute, in the order of the dataset. Default: those of an ``ArrayDataset``.
    sampling_strategy : str, mapping or None, default="equal"
        How many rows the cells shall have, as for `CellSMOTE`; None repeats none.
    augment : {"repeats", "filled", "all"} or mapping, default="repeats"
        What is augmented: the repeats only, all rows of the cells that were filled, or everything. A mapping of (label,
        group) to a probability augments the rows of these cells, repeated or not, so often.
    probability : float, default=1.0
        How often what is to be augmented is, where `augment` is no mapping.
    seed : int or numpy.random.Generator, optional
        Seed of the choices.

    Attributes
    ----------
    labels : ndarray of shape (n_items,)
        The label of each item.
    groups : Groups
        The group of each item.
    indices : ndarray of int64, shape (n_items,)
        The sample of `dataset` that each item is made from: first all samples in their order, then the repeats.
    repeats : ndarray of bool, shape (n_items,)
        Which items are repeats.

    Raises
    ------
    InputError
        If labels or groups are not given and cannot be seen, lengths differ, or a cell that is to be filled is empty.

    Notes
    -----
    Whether an item is augmented, which of several transforms it gets, and what a `SeededTransform` draws, depend on the
    seed, the epoch and the item's index only, with any number of workers. Call `set_epoch` before each epoch: without
    it these choices are the same in every epoch. For `mxfair.training.fit`, a ``Callback`` calls it in
    ``on_epoch_begin(self, state)`` with ``state.epoch``.

    Gluon's own random transforms draw from global state, the engine's (``mxnet.random.seed``), some from NumPy's
    (``RandomRotation``) or Python's (``RandomResizedCrop``, ``RandomApply``): no seed given here reaches them, and
    worker *processes* start as copies of one state, so that each of them draws the same numbers in the same order. Use
    `SeededTransform`, ``thread_pool=True`` or no workers where that matters.

    A net can learn to see the augmentation itself: where only one label's images are ever brightened, brightness tells
    the label. Use transforms whose results are images that could have been taken, or ``augment="all"``: small cells are
    then still repeated, and every image augmented.

    Give training samples only, and measure the net (``ProbeSet``, validation) on the plain dataset.

    Examples
    --------
    >>> import mxfair, mxnet as mx, numpy as np
    >>> from mxnet import gluon
    >>> from mxnet.gluon.data.vision import transforms
    >>> images = mx.nd.zeros((6, 4, 4, 3), dtype="uint8")
    >>> samples = gluon.data.ArrayDataset(images, np.array([0, 0, 0, 1, 1, 0]), np.array([0, 0, 0, 0, 1, 1]))
    >>> augmented = CellAugmentedDataset(samples, transforms.RandomFlipLeftRight(), seed=0)
    >>> len(augmented), augmented.indices.tolist()[:6], int(augmented.repeats.sum())
    (12, [0, 1, 2, 3, 4, 5], 6)
    >>> loader = gluon.data.DataLoader(augmented.transform_first(transforms.ToTensor()), 4, shuffle=True)
    >>> for epoch in range(2):
    ...     augmented.set_epoch(epoch)
    ...     shapes = [data.shape for data, label, group in loader]
    >>> shapes
    [(4, 3, 4, 4), (4, 3, 4, 4), (4, 3, 4, 4)]
    """

    def __init__(
        self,
        dataset: Any,
        transform: Any,
        labels: Any = None,
        groups: Any = None,
        *,
        sampling_strategy: Any = "equal",
        augment: Any = "repeats",
        probability: float = 1.0,
        seed: int | np.random.Generator | None = None,
    ) -> None:
        self._dataset, self._transforms = dataset, _transforms(transform)
        labels = _column(dataset, 1, "labels") if labels is None else labels
        groups = _column(dataset, 2, "groups") if groups is None else groups
        cells = LabelCells(labels, groups)
        same_length(dataset=dataset, labels=cells.codes)
        rng = generator(seed)
        self.indices = np.arange(cells.n)
        if sampling_strategy is not None:
            self.indices = oversample_indices(labels, cells.groups, sampling_strategy, seed=rng)
        self.repeats = np.arange(len(self.indices)) >= cells.n
        self.labels, self.groups = to_numpy(take_rows(labels, self.indices)), cells.groups.take(self.indices)
        if sampling_strategy is None and augment in ("repeats", "filled"):
            raise InputError(
                f"'augment' must be 'all' or a mapping where no row is repeated (sampling_strategy=None); got "
                f"{augment!r}."
            )
        self._chance = _chances(cells, augment, probability, self.indices, self.repeats)
        self._to_ndarray = any(isinstance(one, mx.gluon.Block) for one in self._transforms)
        self._key = int(rng.integers(2**63))
        self._epoch = multiprocessing.RawValue("q", 0)  # one memory for this process and forked workers

    @property
    def epoch(self) -> int:
        """The epoch that items are drawn for."""
        return int(self._epoch.value)

    def set_epoch(self, epoch: int) -> None:
        """Draw anew: which items are augmented, by which transform, and what a `SeededTransform` draws.

        Parameters
        ----------
        epoch : int
            Number of the epoch that comes next. Workers that run already follow; call it before iterating the loader.
        """
        self._epoch.value = positive_integer(epoch, "epoch", minimum=0)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        place = int(index)
        place = place + len(self) if place < 0 else place
        if not 0 <= place < len(self):
            raise IndexError(f"The index must be below {len(self)}; got {index}.")
        sample = self._dataset[int(self.indices[place])]
        if not isinstance(sample, (tuple, list)) or len(sample) < 2:
            raise InputError(
                f"'dataset' must yield (image, label); got one {type(sample).__name__} per sample. Zip them: "
                "gluon.data.ArrayDataset(dataset, labels)."
            )
        image = sample[0]
        if self._to_ndarray and isinstance(image, np.ndarray):
            image = mx.nd.array(image, dtype=image.dtype)
        return (self._augmented(image, place), *sample[1:])

    def _augmented(self, image: Any, place: int) -> Any:
        chance = self._chance[place]
        if chance == 0:
            return image
        rng = np.random.default_rng([self._key, self.epoch, place])
        if rng.random() >= chance:
            return image
        transform = self._transforms[int(rng.integers(len(self._transforms)))]
        result = transform(image, rng) if isinstance(transform, SeededTransform) else transform(image)
        if np.dtype(result.dtype) != np.dtype(image.dtype) or len(result.shape) != len(image.shape):
            raise InputError(
                f"'transform' must keep the image's type, {np.dtype(image.dtype)} of {len(image.shape)} axes, since "
                f"other items are left as they are; got {np.dtype(result.dtype)} of {len(result.shape)}. Put ToTensor, "
                "Cast and Normalize after it: dataset.transform_first(...)."
            )
        return result

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        if multiprocessing.context.get_spawning_popen() is None:  # shared memory goes to new processes only
            state["_epoch"] = self.epoch
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if isinstance(state["_epoch"], int):
            self._epoch = multiprocessing.RawValue("q", state["_epoch"])

    def __repr__(self) -> str:
        repeats, often = int(self.repeats.sum()), int((self._chance > 0).sum())
        return f"CellAugmentedDataset({len(self):,} items, {repeats:,} repeats, {often:,} to be augmented)"


def _transforms(transform: Any) -> list[Any]:
    found = list(transform) if isinstance(transform, (list, tuple)) else [transform]
    if not found or not all(callable(one) for one in found):
        raise InputTypeError(
            f"'transform' must be a transform of an image, or a list of them; got {transform!r}. Use one of "
            "mxnet.gluon.data.vision.transforms, say."
        )
    return found


def _column(dataset: Any, place: int, name: str) -> np.ndarray:
    """Return the labels or groups of an ArrayDataset."""
    arrays = dataset._data if type(dataset) is mx.gluon.data.ArrayDataset else ()
    if len(arrays) <= place:
        raise InputError(
            f"'{name}' must be given: only an ArrayDataset(images, labels, groups) shows them without reading every "
            f"image. Pass {name}=array, one per sample and in the order of the dataset."
        )
    return to_numpy(arrays[place])


def _chances(
    cells: LabelCells, augment: Any, probability: float, indices: np.ndarray, repeats: np.ndarray
) -> np.ndarray:
    """Return how often each item is augmented."""
    own = cells.codes[indices]
    if isinstance(augment, Mapping):
        table = np.zeros(cells.counts.size)
        for key, value in augment.items():
            table[cells.cell_of(key)] = _chance(value, f"probability of {key!r}")
        return table[own]
    which = one_of(augment, _AUGMENTED, "augment")
    filled = np.zeros(cells.counts.size, dtype=bool)
    filled[own[repeats]] = True
    chosen = {"repeats": repeats, "filled": filled[own], "all": np.ones(len(own), dtype=bool)}[which]
    return chosen * _chance(probability, "probability")


def _chance(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not 0 <= value <= 1:
        raise InputError(f"'{name}' must be a number from 0 to 1; got {value!r}.")
    return float(value)
