"""Which signal to use: gap, accuracy, how steady the shares are, and what an epoch costs.

The default controller with its default settings, equalized odds, logistic regression. Adult (official split, batch 256,
30 epochs) and COMPAS (60 / 20 / 20, batch 100, 60 epochs, by race); 5 seeds. Gaps are on test rows. "Unrest" is the
mean absolute move of a share between the epochs of the second half of training: what the signal's noise does to the
shares.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from _bench import SHARED, arguments, mx, show, spread, timed, times
from fairbatch_adult import encode
from fairbatch_table import figures, load, split

import mxfair
from mxfair.data import DataLoader, FairDataLoader, FullPass, ProbeSet, ProportionalController
from mxfair.datasets import load_adult

CRITERION = "equalized_odds"
Signal = Callable[[Any, Any, Any, int], dict[str, Any]]


def full(net: Any, parts: Any, loss: Any, seed: int) -> dict[str, Any]:
    """Return the default."""
    return {}


def soft(net: Any, parts: Any, loss: Any, seed: int) -> dict[str, Any]:
    """Return probabilities in the place of decisions."""
    return {"signal": FullPass(net, *parts["train"], loss=loss, soft=True)}


def losses(net: Any, parts: Any, loss: Any, seed: int) -> dict[str, Any]:
    """Return losses in the place of rates."""
    return {"controller": ProportionalController(compare="losses")}


def held_out(net: Any, parts: Any, loss: Any, seed: int) -> dict[str, Any]:
    """Return a fifth of the training rows, which are then not trained on."""
    return {"signal": FullPass(net, *parts["held out"], loss=loss)}


def probe(per_cell: int, **more: Any) -> Signal:
    """Return a probe of some samples a cell."""

    def make(net: Any, parts: Any, loss: Any, seed: int) -> dict[str, Any]:
        options = {k: more[k] for k in ("redraw",) if k in more}
        rest = {k: v for k, v in more.items() if k not in options}
        return {"signal": ProbeSet(net, *parts["train"], loss=loss, per_cell=per_cell, seed=seed, **options), **rest}

    return make


def stepped(every: int, **more: Any) -> Signal:
    """Return a full pass every so many batches, with a step that is smaller accordingly."""

    def make(net: Any, parts: Any, loss: Any, seed: int) -> dict[str, Any]:
        return {"update_every": every, "controller": ProportionalController(0.05, 0.01), **more}

    return make


SIGNALS: dict[str, Signal] = {
    "full pass": full,
    "full pass, soft rates": soft,
    "full pass, losses": losses,
    "held-out fifth": held_out,
    "probe, 64 a cell": probe(64),
    "probe, 256 a cell": probe(256),
    "probe, 1,024 a cell": probe(1024),
    "probe, 256 a cell, redrawn": probe(256, redraw=True),
    "probe, 64 a cell, redrawn, every 10 batches, step .05": probe(
        64, redraw=True, update_every=10, controller=ProportionalController(0.05, 0.01)
    ),
    "full pass, every 20 batches, step .05": stepped(20),
    "full pass, warm-up of a fifth": lambda net, parts, loss, seed: {"warm_up": parts["warm-up"]},
}


def run(parts: Any, make: Signal | None, recipe: Any, seed: int) -> dict[str, Any]:
    """Train once."""
    batch, rate, epochs = recipe
    key = "rest" if make is held_out else "train"
    X, y, groups = parts[key]
    mx.random.seed(seed)
    net = mx.gluon.nn.Dense(1, in_units=X.shape[1])
    net.initialize(mx.init.Xavier())
    loss = mx.gluon.loss.SigmoidBinaryCrossEntropyLoss()
    dataset = mx.gluon.data.ArrayDataset(X, y, groups.codes.astype(np.float32))
    if make is None:
        loader = DataLoader(dataset, batch, shuffle=True, seed=seed)
    else:
        options = make(net, parts, loss, seed)
        loader = FairDataLoader(
            dataset, batch, net=net, loss=loss, criterion=CRITERION, groups=groups, seed=seed, **options
        )
    trainer = mx.gluon.Trainer(net.collect_params(), "adam", {"learning_rate": rate})
    seconds, _ = timed(lambda: mxfair.training.fit(net, loader, loss, trainer, epochs, progress=False))
    X, y, groups = parts["test"]
    found: dict[str, Any] = figures(y, (net(mx.nd.array(X)).asnumpy().ravel() > 0).astype(np.float32), groups)
    unrest = 0.0
    if make is not None:
        history = loader.batch_sampler.history
        shares = np.array([entry["shares"] for entry in history if entry["batch"] == 0])
        unrest = float(np.abs(np.diff(shares[len(shares) // 2 :], axis=0)).mean()) if len(shares) > 3 else 0.0
    return {"gap": found[CRITERION], "accuracy": found["accuracy"], "unrest": unrest, "seconds": seconds / epochs}


def table(make_parts: Callable[[int], Any], recipe: Any, seeds: range) -> dict[str, Any]:
    """Return the rows of one data set."""
    runs: dict[str, list[Any]] = {}
    for seed in seeds:
        parts = make_parts(seed)
        X, y, groups = parts["train"]
        order = np.random.RandomState(seed).permutation(len(y))
        cut = len(y) // 5
        for key, rows in (("held out", order[:cut]), ("rest", order[cut:])):
            parts[key] = (X[rows], y[rows], groups.take(rows))
        parts["warm-up"] = recipe[2] // 5
        for name, make in {"plain": None, **SIGNALS}.items():
            runs.setdefault(name, []).append(run(parts, make, recipe, seed))
    plain = np.array([r["seconds"] for r in runs["plain"]])
    return {
        name: {
            **{key: spread([r[key] for r in several]) for key in ("gap", "accuracy", "unrest")},
            "epoch / plain epoch": times([r["seconds"] / p for r, p in zip(several, plain)]),
        }
        for name, several in runs.items()
    }


def main() -> None:
    """Run and print JSON."""
    options = arguments(seeds="5")
    warnings.simplefilter("ignore")
    seeds = range(1 if options.quick else int(options.seeds))
    train, test = load_adult().train_test()
    adult = encode(train, test)
    results = {"Adult, sex": table(lambda seed: dict(adult), (256, 1e-3, 2 if options.quick else 30), seeds)}
    if (SHARED / "compas").is_dir():
        compas = load("COMPAS, race")
        recipe = (100, 2e-3, 2 if options.quick else 60)
        results["COMPAS, race"] = table(lambda seed: split(compas, seed), recipe, seeds)
    show(
        "fairbatch_signals",
        data="UCI Adult, official split; COMPAS (5,278 rows) where it is beside the checkout",
        results=results,
        bars=[],
        quick=options.quick,
        setting=f"default controller, {CRITERION}, logistic regression",
    )


if __name__ == "__main__":
    main()
