"""Speed on Adult: training.fit with our loader against the beginner's loop, FairBatch against plain, loader alone.

The beginner's loop: an imperative net and loss, ``gluon.data.DataLoader(shuffle=True)`` over the same ArrayDataset,
record / backward / Trainer.step. It is timed over a dataset of NDArrays, which is what Gluon's data tutorial builds,
and over one of NumPy arrays. Times are per epoch. All sides run in turn, in one process with one thread; ratios are
medians of the ratios of each turn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from _bench import arguments, bar, mx, show, timed, times

from mxfair import Groups, training
from mxfair.data import DataLoader, FairDataLoader
from mxfair.datasets import load_adult
from mxfair.preprocessing import TabularEncoder

BATCH = 256
#: Epochs of one call of fit, whose tracing of the graph counts; its time is divided by them.
EPOCHS = 5

PAIRS = (
    ("beginner, NDArray", "fit, NDArray"),
    ("beginner, NumPy", "fit, NumPy"),
    ("fit, FairBatch, NumPy", "fit, NumPy"),
    ("gluon loader, NDArray", "loader, NDArray"),
    ("gluon loader, NumPy", "loader, NumPy"),
)


class Run:
    """A net with its loss and trainer, from fixed initial weights."""

    def __init__(self, width: int) -> None:
        mx.random.seed(0)
        self.net = mx.gluon.nn.Dense(1, in_units=width)
        self.net.initialize(mx.init.Xavier())
        self.loss = mx.gluon.loss.SigmoidBinaryCrossEntropyLoss()
        self.trainer = mx.gluon.Trainer(self.net.collect_params(), "adam", {"learning_rate": 1e-3})

    def fit(self, loader: Any, epochs: int = 1) -> Run:
        """Train with training.fit."""
        training.fit(self.net, loader, self.loss, self.trainer, epochs, progress=False)
        return self

    def beginner(self, loader: Any) -> Run:
        """Train one epoch as a beginner writes it."""
        for data, label, _ in loader:
            with mx.autograd.record():
                value = self.loss(self.net(data), label)
            value.backward()
            self.trainer.step(data.shape[0])
        mx.nd.waitall()
        return self

    def weights(self) -> np.ndarray:
        """Return all weights."""
        return np.concatenate([p.data().asnumpy().ravel() for p in self.net.collect_params().values()])


def walk(loader: Any) -> None:
    """Draw an epoch of batches and wait for them."""
    for _ in loader:
        pass
    mx.nd.waitall()


def same_weights(arrays: tuple[np.ndarray, ...]) -> float:
    """Return the largest difference of weights between the two loops over the same batches."""
    dataset = mx.gluon.data.ArrayDataset(*arrays)
    width = arrays[0].shape[1]

    def batches() -> Any:
        np.random.seed(1)  # Gluon's RandomSampler reads NumPy's global state  # noqa: NPY002
        return mx.gluon.data.BatchSampler(mx.gluon.data.RandomSampler(len(dataset)), BATCH, "keep")

    ours = batches()
    fast = Run(width).fit(DataLoader(dataset, batch_sampler=ours)).weights()
    theirs = batches()
    slow = Run(width).beginner(mx.gluon.data.DataLoader(dataset, batch_sampler=theirs)).weights()
    return float(np.abs(fast - slow).max())


def main() -> None:
    """Time all sides in turn and print JSON."""
    options = arguments(repeats="7")
    train, _ = load_adult().train_test()
    X = TabularEncoder().fit(train.data).transform(train.data)
    arrays = (X, train.target.to_numpy(np.float32), Groups(train.groups["sex"]).codes.astype(np.float32))
    if options.quick:
        arrays = tuple(array[:2000] for array in arrays)
    width = X.shape[1]
    dataset = mx.gluon.data.ArrayDataset(*arrays)
    nd_dataset = mx.gluon.data.ArrayDataset(*(mx.nd.array(array) for array in arrays))
    gluon_numpy = mx.gluon.data.DataLoader(dataset, BATCH, shuffle=True)
    gluon_nd = mx.gluon.data.DataLoader(nd_dataset, BATCH, shuffle=True)
    plain, plain_nd = (DataLoader(d, BATCH, shuffle=True, seed=0) for d in (dataset, nd_dataset))
    runs = {name: Run(width) for name in ("plain", "plain_nd", "fair", "beginner", "beginner_nd")}
    fair = FairDataLoader(dataset, BATCH, net=runs["fair"].net, loss=runs["fair"].loss, seed=0)
    work: dict[str, Callable[[], Any]] = {
        "fit, NumPy": lambda: runs["plain"].fit(plain, EPOCHS),
        "fit, FairBatch, NumPy": lambda: runs["fair"].fit(fair, EPOCHS),
        "fit, NDArray": lambda: runs["plain_nd"].fit(plain_nd, EPOCHS),
        "beginner, NumPy": lambda: runs["beginner"].beginner(gluon_numpy),
        "beginner, NDArray": lambda: runs["beginner_nd"].beginner(gluon_nd),
        "loader, NumPy": lambda: walk(plain),
        "loader, NDArray": lambda: walk(plain_nd),
        "gluon loader, NumPy": lambda: walk(gluon_numpy),
        "gluon loader, NDArray": lambda: walk(gluon_nd),
    }
    for step in work.values():  # the first epoch compiles and allocates
        step()
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(1 if options.quick else int(options.repeats)):
        for name, step in work.items():
            seconds[name].append(timed(step)[0] / (EPOCHS if name.startswith("fit") else 1))
    results = {name: times(values) for name, values in seconds.items()}
    difference = same_weights(arrays)
    ratios = {
        f"{one} / {other}": float(np.median(np.array(seconds[one]) / np.array(seconds[other]))) for one, other in PAIRS
    }
    bars = [
        bar("an epoch against the beginner's, NDArray dataset", ratios["beginner, NDArray / fit, NDArray"], ">=", 8),
        bar("an epoch against the beginner's, NumPy dataset", ratios["beginner, NumPy / fit, NumPy"], ">=", 8),
        bar("largest difference of weights", difference, "<=", 1e-5),
        bar("a FairBatch epoch against a plain one", ratios["fit, FairBatch, NumPy / fit, NumPy"], "<=", 1.15),
        bar("the loader against Gluon's, NDArray dataset", ratios["gluon loader, NDArray / loader, NDArray"], ">=", 20),
        bar("the loader against Gluon's, NumPy dataset", ratios["gluon loader, NumPy / loader, NumPy"], ">=", 20),
    ]
    show(
        "loader",
        data=f"UCI Adult, {len(arrays[0]):,} training rows, {width} features, batch {BATCH}",
        results=results,
        ratios=ratios,
        largest_weight_difference=difference,
        bars=bars,
        quick=options.quick,
    )


if __name__ == "__main__":
    main()
