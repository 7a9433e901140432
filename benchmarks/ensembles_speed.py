"""Ten nets of one architecture: trained one after another, by hand, and side by side; and predicting as one.

Ten members 50-64-64-2 on 30,000 rows, batches of 256, Adam, softmax cross-entropy. Sides take turns in one process, all
with one thread for each operator:

* by hand: a Gluon loop as a beginner writes it for each net, with Gluon's DataLoader over NumPy arrays, the loss of
  each step read; with nets as they are, and hybridized;
* one after another: `mxfair.training.fit` for each net;
* together: `mxfair.training.fit_together`, each net with a loader of its own (other rows for each), with one loader for
  all, and that with the counts of a bootstrap sample as weights; computed by one thread, and by two.

Loaders are made beforehand. The engine has a thread for operators beside Python's in all of them; two workers are one
more, which nets trained one after another have no use for.
"""

from __future__ import annotations

import gc
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from _bench import arguments, bar, mx, ratio, show, timed, times
from _ensemble_prediction import prediction

from mxfair import net, training
from mxfair.data import DataLoader

BATCH = 256
SIZES = (50, 2, (64, 64))


class Setting:
    """Data, and nets with the same start for every side."""

    def __init__(self, n_rows: int, n_nets: int, epochs: int) -> None:
        rng = np.random.default_rng(0)
        self.X = rng.normal(0, 1, (n_rows, SIZES[0])).astype(np.float32)
        self.y = (self.X[:, :5].sum(axis=1) + rng.normal(0, 1, n_rows) > 0).astype(np.float32)
        self.counts = rng.multinomial(n_rows, np.full(n_rows, 1 / n_rows), n_nets).T
        self.dataset = mx.gluon.data.ArrayDataset(self.X, self.y)
        self.n_nets, self.epochs = n_nets, epochs
        self.loss = mx.gluon.loss.SoftmaxCrossEntropyLoss()

    def nets(self) -> list[Any]:
        """Return initialized nets."""
        mx.random.seed(0)
        made = [net.mlp(*SIZES) for _ in range(self.n_nets)]
        for one in made:
            one.initialize(mx.init.Xavier())
        mx.nd.waitall()
        return made

    def loaders(self) -> list[Any]:
        """Return a loader for each net."""
        return [DataLoader(self.dataset, BATCH, shuffle=True, seed=k) for k in range(self.n_nets)]


def by_hand(setting: Setting, *, hybrid: bool) -> Callable[[], Any]:
    """Return the work of a beginner's loops."""
    nets = setting.nets()
    loader = mx.gluon.data.DataLoader(setting.dataset, BATCH, shuffle=True)

    def work() -> Any:
        for one in nets:
            if hybrid:
                one.hybridize()
            trainer = mx.gluon.Trainer(one.collect_params(), "adam")
            for _ in range(setting.epochs):
                for data, label in loader:
                    with mx.autograd.record():
                        value = setting.loss(one(data), label)
                    value.backward()
                    trainer.step(len(data))
                    value.mean().asscalar()
        return nets

    return work


def one_by_one(setting: Setting) -> Callable[[], Any]:
    """Return the work of `fit` for each net."""
    nets, loaders = setting.nets(), setting.loaders()

    def work() -> Any:
        for one, loader in zip(nets, loaders):
            trainer = mx.gluon.Trainer(one.collect_params(), "adam")
            training.fit(one, loader, setting.loss, trainer, setting.epochs, progress=False)
        return nets

    return work


def together(setting: Setting, *, workers: int, shared: bool = False, weighted: bool = False) -> Callable[[], Any]:
    """Return the work of `fit_together`."""
    nets = setting.nets()
    loaders: Any = DataLoader(setting.dataset, BATCH, shuffle=True, seed=0) if shared else setting.loaders()
    weight = setting.counts if weighted else None

    def work() -> Any:
        training.fit_together(
            nets, loaders, setting.loss, setting.epochs, sample_weight=weight, workers=workers, progress=False
        )
        return nets

    return work


SIDES: dict[str, Callable[[Setting], Callable[[], Any]]] = {
    "by hand": lambda s: by_hand(s, hybrid=False),
    "by hand, hybridized": lambda s: by_hand(s, hybrid=True),
    "one after another": one_by_one,
    "together, 1 worker": lambda s: together(s, workers=1),
    "together, 2 workers": lambda s: together(s, workers=2),
    "together, one loader, 1 worker": lambda s: together(s, workers=1, shared=True),
    "together, one loader, 2 workers": lambda s: together(s, workers=2, shared=True),
    "together, one loader and bootstrap counts, 2 workers": lambda s: together(
        s, workers=2, shared=True, weighted=True
    ),
}


def values(nets: list[Any]) -> np.ndarray:
    """Return all weights as one vector."""
    return np.concatenate([p.data().asnumpy().ravel() for one in nets for p in one.collect_params().values()])


def train(quick: bool) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    """Return seconds an epoch of all nets, ratios, and bars."""
    setting = Setting(1000 if quick else 30_000, 3 if quick else 10, 1)
    turns = 1 if quick else 5
    seconds: dict[str, list[float]] = {name: [] for name in SIDES}
    processor: dict[str, list[float]] = {name: [] for name in SIDES}  # of all threads: what other programs disturb less
    for turn in range(turns + 1):
        weights = {}
        for name, side in SIDES.items():
            work, before = side(setting), time.process_time()
            took, nets = timed(work)
            processor[name].append((time.process_time() - before) / setting.epochs)
            weights[name] = values(nets)
            if turn or quick:  # the first turn loads and compiles
                seconds[name].append(took / setting.epochs)
    alone, own = weights["one after another"], weights["together, 2 workers"]
    apart = float(np.abs(alone - own).max())
    base = seconds["one after another"]
    ratios = {
        f"one after another / {name}": ratio(base, value) for name, value in seconds.items() if "together" in name
    }
    best = "together, 2 workers"
    for name in ("by hand", "by hand, hybridized"):
        ratios[f"{name} / {best}"] = ratio(seconds[name], seconds[best])
        ratios[f"{name} / together, 1 worker"] = ratio(seconds[name], seconds["together, 1 worker"])
    rows = {name: times(value) for name, value in seconds.items()}
    results = {"seconds an epoch of all nets": rows, "largest difference of a weight from training alone": apart}
    same = bool((weights["together, 1 worker"] == own).all())
    results["processor seconds an epoch of all nets"] = {name: times(value) for name, value in processor.items()}
    results["weights with 1 and 2 workers are the same bits"] = same
    bars = [
        bar("training: one after another / together", ratios[f"one after another / {best}"], ">=", 2.5),
        bar("training: by hand / together", ratios[f"by hand / {best}"], ">=", 5),
        bar("training: largest difference of a weight", apart, "<=", 1e-5),
    ]
    return results, ratios, bars


#: What is measured, each a function of `quick` that returns results, ratios and bars.
PARTS: dict[str, Callable[[bool], tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]]] = {
    "training": train,
    "prediction": prediction,
}


def main() -> None:
    """Measure all parts and print JSON."""
    options = arguments()
    warnings.simplefilter("ignore")
    gc.collect()
    gc.freeze()  # each Gluon DataLoader that is made collects garbage
    results: dict[str, Any] = {}
    ratios: dict[str, Any] = {}
    bars: list[dict[str, Any]] = []
    for name, part in PARTS.items():
        results[name], ratios[name], more = part(options.quick)
        bars += more
    show(
        "ensembles_speed",
        data="10 nets 50-64-64-2, 30,000 random rows, batches of 256, Adam; 1 epoch, turns taken in one process",
        results=results,
        ratios=ratios,
        bars=bars,
        quick=options.quick,
    )


if __name__ == "__main__":
    main()
