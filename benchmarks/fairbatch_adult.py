"""FairBatch on Adult: official split, groups by sex, logistic regression, the defaults of `mxfair train`.

Step and pull of the default controller were compared on validation parts of the training rows (75 / 25, two seeds),
never on the test rows: ``--select yes`` prints that comparison. Step .25 is the one whose equal opportunity and
demographic parity settle within the epochs; the pull made little difference. Epochs and learning rate were not tuned.
Gaps are largest minus smallest rate on the test rows.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from _bench import arguments, bar, mx, show, spread

from mxfair import GroupConfusion, Groups, training
from mxfair.criterion import CRITERIA
from mxfair.data import DataLoader, FairDataLoader, ProportionalController
from mxfair.datasets import load_adult
from mxfair.preprocessing import TabularEncoder

#: Gap at most, accuracy at least.
BOUNDS = {"equal_opportunity": (0.03, 0.842), "equalized_odds": (0.06, 0.842), "demographic_parity": (0.015, 0.822)}


def run(parts: dict[str, Any], criterion: str | None, controller: Any, seed: int, epochs: int) -> dict[str, float]:
    """Train once and measure on the test rows."""
    X, y, groups = parts["train"]
    mx.random.seed(seed)
    net = mx.gluon.nn.Dense(1, in_units=X.shape[1])
    net.initialize(mx.init.Xavier())
    loss = mx.gluon.loss.SigmoidBinaryCrossEntropyLoss()
    dataset = mx.gluon.data.ArrayDataset(X, y, groups.codes.astype(np.float32))
    if criterion is None:
        loader = DataLoader(dataset, 256, shuffle=True, seed=seed)
    else:
        loader = FairDataLoader(dataset, 256, net=net, loss=loss, criterion=criterion, controller=controller, seed=seed)
    trainer = mx.gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 1e-3})
    training.fit(net, loader, loss, trainer, epochs, progress=False)
    X, y, groups = parts["test"]
    preds = (net(mx.nd.array(X)).asnumpy().ravel() > 0).astype(np.float32)
    table = GroupConfusion.of(y, preds, groups)
    return {"accuracy": float((preds == y).mean()), **{c: CRITERIA[c].difference(table) for c in BOUNDS}}


def encode(train: Any, test: Any) -> dict[str, Any]:
    """Return features, labels and groups of both parts; the encoder is fitted on the first."""
    encoder = TabularEncoder().fit(train.data)
    return {
        name: (encoder.transform(p.data), p.target.to_numpy(np.float32), Groups(p.groups["sex"]))
        for name, p in (("train", train), ("test", test))
    }


def select(train: Any) -> None:
    """Print gap and accuracy on validation parts of the training rows, by step and pull."""
    results: dict[str, Any] = {}
    for split in (1, 2):
        parts = encode(*train.train_test(test_size=0.25, seed=split))
        for step, pull in itertools.product((0.05, 0.1, 0.25), (0.02, 0.05, 0.1)):
            for criterion in BOUNDS if pull == 0.05 else ("equalized_odds",):  # the pull is for several rates
                found = run(parts, criterion, ProportionalController(step, pull), 0, 30)
                figures = [round(found[criterion], 4), round(found["accuracy"], 4)]
                results.setdefault(f"{criterion}, step {step}, pull {pull}", []).append(figures)
    show(
        "fairbatch_adult, selection",
        data="parts of Adult's training rows: [gap, accuracy] for seeds 1 and 2",
        results=results,
        bars=[],
        quick=False,
    )


def main() -> None:
    """Run plain, default and published rule and print JSON."""
    options = arguments(seeds="5", select="")
    train, test = load_adult().train_test()
    if options.select:
        select(train)
        return
    parts = encode(train, test)
    seeds = range(1 if options.quick else int(options.seeds))
    epochs = 1 if options.quick else 30
    rows = [("plain", None, "")]
    rows += [
        (f"{kind}, {c}", c, name) for c in BOUNDS for kind, name in (("default", "proportional"), ("paper", "paper"))
    ]
    results, bars = {}, []
    for title, criterion, controller in rows:
        runs = [run(parts, criterion, controller, seed, epochs) for seed in seeds]
        results[title] = {key: spread([r[key] for r in runs]) for key in runs[0]}
        if title.startswith("default") and criterion is not None:
            gap, accuracy = BOUNDS[criterion]
            bars.append(bar(f"{criterion}: gap", results[title][criterion]["mean"], "<=", gap))
            bars.append(bar(f"{criterion}: accuracy", results[title]["accuracy"]["mean"], ">=", accuracy))
    show(
        "fairbatch_adult",
        data="UCI Adult, official split 32,561 / 16,281, groups by sex",
        results=results,
        bars=bars,
        quick=options.quick,
        setting="logistic regression, 107 features, batch 256, Adam 1e-3, 30 epochs",
    )


if __name__ == "__main__":
    main()
