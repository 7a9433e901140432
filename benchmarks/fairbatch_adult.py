"""FairBatch on Adult: official split, groups by sex, logistic regression, the defaults of `mxfair train`.

Step and pull of the default controller, epochs and learning rate were chosen on validation parts of the training rows
(75 / 25, two seeds), never on the test rows. Gaps are largest minus smallest rate on the test rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _bench import arguments, bar, mx, show, spread

from mxfair import GroupConfusion, Groups, training
from mxfair.criterion import CRITERIA
from mxfair.data import DataLoader, FairDataLoader
from mxfair.datasets import load_adult
from mxfair.preprocessing import TabularEncoder

#: Gap at most, accuracy at least.
BOUNDS = {"equal_opportunity": (0.03, 0.842), "equalized_odds": (0.06, 0.842), "demographic_parity": (0.015, 0.822)}


def run(parts: dict[str, Any], criterion: str | None, controller: str, seed: int, epochs: int) -> dict[str, float]:
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


def main() -> None:
    """Run plain, default and published rule and print JSON."""
    options = arguments(seeds="5")
    train, test = load_adult().train_test()
    encoder = TabularEncoder().fit(train.data)
    parts = {
        name: (encoder.transform(p.data), p.target.to_numpy(np.float32), Groups(p.groups["sex"]))
        for name, p in (("train", train), ("test", test))
    }
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
