"""What a penalty's strength does: sweeps of GapPenalty's norms and memory, one scale of strengths for every criterion.

A logistic net on the FairBatch paper's kind of data (`mxfair.datasets.make_zafar`, 2,000 rows to train and 2,000 new
ones), batches of 100, Adam. Given are, on new rows, accuracy, the gap of decisions and that of probabilities, and
the standard deviation of the net's outputs: a net that gives everybody the same output has collapsed.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from _bench import arguments, bar, mx, show, spread

from mxfair import GroupConfusion, Groups, datasets, training
from mxfair.criterion import CRITERIA
from mxfair.data import DataLoader
from mxfair.loss import GapPenalty, PenalizedLoss

NAMES = ("demographic_parity", "equal_opportunity", "predictive_equality", "equalized_odds")
STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0)
VARIANTS: dict[str, dict[str, Any]] = {
    "l2, memory .9 (the default)": {},
    "l2, no memory": {"memory": 0},
    "squared, no memory": {"norm": "squared", "memory": 0},
    "squared, memory .9": {"norm": "squared"},
    "l1, memory .9": {"norm": "l1"},
    "max, memory .9": {"norm": "max"},
}


def rows(seed: int) -> tuple[np.ndarray, np.ndarray, Groups]:
    """Return features, labels and groups."""
    bunch = datasets.make_zafar(2000, seed=seed)
    return bunch.data.to_numpy(np.float32), bunch.target.to_numpy(np.float32), Groups(bunch.groups)


def run(loss: Any, seed: int, epochs: int) -> dict[str, Any]:
    """Train on rows of a seed and measure on others."""
    X, y, groups = rows(seed)
    mx.random.seed(seed)
    net = mx.gluon.nn.Dense(1, in_units=X.shape[1])
    net.initialize(mx.init.Xavier())
    dataset = mx.gluon.data.ArrayDataset(X, y, groups.codes.astype(np.float32))
    trainer = mx.gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.005})
    training.fit(net, DataLoader(dataset, 100, shuffle=True, seed=seed), loss, trainer, epochs, progress=False)
    X, y, groups = rows(1000 + seed)
    output = net(mx.nd.array(X)).asnumpy().ravel().astype(float)
    p = 1 / (1 + np.exp(-output))
    hard = GroupConfusion.of(y, (output > 0).astype(np.float32), groups, classes=[0.0, 1.0])
    soft = GroupConfusion.of(y, np.stack([1 - p, p], axis=1), groups, classes=[0.0, 1.0])
    return {
        "accuracy": float(((output > 0) == y).mean()),
        "spread of outputs": float(output.std()),
        "gap": {name: CRITERIA[name].difference(hard) for name in NAMES},
        "soft gap": {name: CRITERIA[name].difference(soft) for name in NAMES},
    }


def summary(runs: list[dict[str, Any]], criterion: str) -> dict[str, Any]:
    """Return the figures of one criterion over the seeds."""
    return {
        "accuracy": spread([r["accuracy"] for r in runs]),
        "gap": spread([r["gap"][criterion] for r in runs]),
        "soft gap": spread([r["soft gap"][criterion] for r in runs]),
        "spread of outputs": spread([r["spread of outputs"] for r in runs]),
    }


def main() -> None:
    """Sweep and print JSON."""
    options = arguments(seeds="3")
    warnings.simplefilter("ignore")
    seeds, epochs = range(1 if options.quick else int(options.seeds)), 1 if options.quick else 80
    base = mx.gluon.loss.SigmoidBinaryCrossEntropyLoss
    plain = [run(base(), seed, epochs) for seed in seeds]
    results: dict[str, Any] = {}
    for name in NAMES[:1] if options.quick else NAMES:
        results[name] = {"no penalty": summary(plain, name)}
        for variant, given in list(VARIANTS.items())[: 1 if options.quick else None]:
            results[name][variant] = {
                str(strength): summary(
                    [
                        run(PenalizedLoss(base(), GapPenalty(name, 2, strength=strength, **given)), seed, epochs)
                        for seed in seeds
                    ],
                    name,
                )
                for strength in (STRENGTHS[2:3] if options.quick else STRENGTHS)
            }
    default = next(iter(VARIANTS))
    bars = []
    if not options.quick:
        for name in NAMES:
            before, after = results[name]["no penalty"], results[name][default]["1.0"]
            cut = after["soft gap"]["mean"] / before["soft gap"]["mean"]
            bars.append(bar(f"{name}: soft gap at strength 1 / without", cut, "<=", 0.5))
            bars.append(
                bar(
                    f"{name}: spread of outputs at strength 10 / without",
                    results[name][default]["10.0"]["spread of outputs"]["mean"] / before["spread of outputs"]["mean"],
                    ">=",
                    0.25,
                )
            )
    show(
        "strengths",
        data="make_zafar, 2,000 rows to train and 2,000 new ones for each seed",
        results=results,
        bars=bars,
        quick=options.quick,
        seeds=len(seeds),
        epochs=epochs,
    )


if __name__ == "__main__":
    main()
