"""The paper's whole synthetic experiment (3 criteria, 10 seeds, published rule) against a PyTorch loop, same run.

The peer, `peers/fairbatch_torch.py`, is FairBatch in PyTorch with an index-list DataLoader, written from the paper. It
runs in a Python of its own that has torch: ``--torch /path/to/python`` (``make bench-env`` makes one). Jobs take turns,
peer, ours, peer, ours; both sides have one thread and the authors' ten initial weights.

Ours is measured in two ways: one seed after the other with `mxfair.training.fit`, and the ten seeds of a criterion side
by side with `mxfair.training.fit_together`, each with a loader of its own that measures its own net.
"""

from __future__ import annotations

import subprocess
import sys
import warnings
from typing import Any

import numpy as np
from _bench import SHARED, arguments, bar, json, mx, pathlib, ratio, show, spread, timed, times
from fairbatch_synthetic import BOUNDS, EPOCHS, DoubledLogit, load

from mxfair import GroupConfusion, training
from mxfair.criterion import CRITERIA
from mxfair.data import FairDataLoader

HERE = pathlib.Path(__file__).resolve().parent
BATCH = 100


def net_of(init: Any) -> Any:
    """Return a logistic regression with the authors' initial weights."""
    net = mx.gluon.nn.Dense(1, in_units=3)
    net.initialize()
    net.weight.set_data(mx.nd.array([init[0]]))
    net.bias.set_data(mx.nd.array(init[1]))
    return net


def alone(data: dict[str, Any], criterion: str, seed: int, epochs: int) -> Any:
    """Train one seed."""
    net, loss = net_of(data["inits"][seed]), DoubledLogit()
    dataset = mx.gluon.data.ArrayDataset(data["xz_train"], data["y_train"], data["z_train"])
    options = {"criterion": criterion, "controller": "paper", "seed": seed}
    loader = FairDataLoader(dataset, BATCH, net=net, loss=loss, **options)
    trainer = mx.gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 5e-4})
    training.fit(net, loader, loss, trainer, epochs, progress=False)
    return net


def together(data: dict[str, Any], criterion: str, seeds: range, epochs: int) -> list[Any]:
    """Train all seeds side by side."""
    nets, loss = [net_of(data["inits"][seed]) for seed in seeds], DoubledLogit()
    dataset = mx.gluon.data.ArrayDataset(data["xz_train"], data["y_train"], data["z_train"])
    options = {"criterion": criterion, "controller": "paper"}
    loaders = [FairDataLoader(dataset, BATCH, net=net, loss=loss, seed=s, **options) for net, s in zip(nets, seeds)]
    training.fit_together(nets, loaders, loss, epochs, optimizer_params={"learning_rate": 5e-4}, progress=False)
    return nets


def figures(data: dict[str, Any], criterion: str, net: Any) -> tuple[float, float]:
    """Return test accuracy, and the largest distance of a group's rate to the overall one."""
    preds = (net(mx.nd.array(data["xz_test"])).asnumpy().ravel() > 0).astype(np.float32)
    table = GroupConfusion.of(data["y_test"], preds, data["z_test"])
    return float((preds == data["y_test"]).mean()), CRITERIA[criterion].difference(table, compare="to_overall")


class Peer:
    """The PyTorch process."""

    def __init__(self, python: str, folder: pathlib.Path) -> None:
        command = [python, str(HERE / "peers" / "fairbatch_torch.py"), str(folder)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.versions = self._read()

    def _read(self) -> Any:
        line = self.process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            raise RuntimeError("the peer ended; its own message is above")
        return json.loads(line)

    def run(self, **job: Any) -> Any:
        """Run one job."""
        self.process.stdin.write(json.dumps(job) + "\n")  # type: ignore[union-attr]
        self.process.stdin.flush()  # type: ignore[union-attr]
        return self._read()


def one_criterion(data: Any, criterion: str, epochs: int, seeds: range, peer: Peer | None) -> dict[str, Any]:
    """Return seconds and figures of each side."""
    seconds: dict[str, list[float]] = {"torch": [], "one by one": []}
    found: dict[str, list[Any]] = {"torch": [], "one by one": []}
    for seed in seeds:
        if peer is not None:
            result = peer.run(criterion=criterion, epochs=epochs, seed=seed)
            seconds["torch"].append(result["seconds"])
            found["torch"].append((result["accuracy"], result["disparity"]))
        took, net = timed(lambda s=seed: alone(data, criterion, s, epochs))
        seconds["one by one"].append(took)
        found["one by one"].append(figures(data, criterion, net))
    took, nets = timed(lambda: together(data, criterion, seeds, epochs))
    found["side by side"] = [figures(data, criterion, net) for net in nets]
    rows = {
        side: {"accuracy": spread([v[0] for v in values]), "disparity": spread([v[1] for v in values])}
        for side, values in found.items()
        if values
    }
    for side, values in seconds.items():
        if values:
            rows[side]["seconds"] = times(values)
    rows["side by side"]["seconds for all seeds"] = took
    return {"epochs": epochs, "rows": rows, "seconds": {**seconds, "side by side": [took]}}


def main() -> None:
    """Run all criteria and print JSON."""
    options = arguments(data=str(SHARED / "fairbatch_synthetic"), seeds="10", torch="")
    warnings.simplefilter("ignore")
    folder = pathlib.Path(options.data)
    if not (folder / "inits.json").is_file():
        show("fairbatch_speed", data=f"not found: {folder.name}", results={}, bars=[], quick=True)
        sys.exit(0)
    data = load(folder)
    made = HERE.parent / ".venv-bench" / "bin" / "python"
    python = options.torch or (str(made) if made.is_file() else "")
    peer = Peer(python, folder) if python else None
    seeds = range(2 if options.quick else int(options.seeds))
    alone(data, "equal_opportunity", 0, 2)  # the first epochs load and compile
    results = {c: one_criterion(data, c, 3 if options.quick else e, seeds, peer) for c, e in EPOCHS.items()}
    total = {
        side: sum(sum(r["seconds"][side]) for r in results.values()) for side in results["equalized_odds"]["seconds"]
    }
    bars, ratios = [], {}
    if peer is not None:
        pairs = [(r["seconds"]["torch"], r["seconds"]["one by one"]) for r in results.values()]
        ratios = {
            "torch / one by one, median of the pairs": ratio(*(np.concatenate(side) for side in zip(*pairs))),
            "torch / one by one, whole experiment": total["torch"] / total["one by one"],
            "torch / side by side, whole experiment": total["torch"] / total["side by side"],
        }
        best = max(ratios["torch / one by one, whole experiment"], ratios["torch / side by side, whole experiment"])
        bars.append(bar("torch / ours, whole experiment", best, ">=", 1.8))
    for criterion, (accuracy, disparity) in BOUNDS.items():
        for side in ("one by one", "side by side"):
            row = results[criterion]["rows"][side]
            bars.append(bar(f"{criterion}, {side}: accuracy", row["accuracy"]["mean"], ">=", accuracy))
            bars.append(bar(f"{criterion}, {side}: disparity", row["disparity"]["mean"], "<=", disparity))
    show(
        "fairbatch_speed",
        data="FairBatch synthetic, 2,000 / 1,000 rows, the authors' ten initial weights, published rule",
        results={c: {k: v for k, v in r.items() if k != "seconds"} for c, r in results.items()},
        total_seconds=total,
        ratios=ratios,
        peer=peer.versions if peer else "not run: pass --torch, or make bench-env",
        bars=bars,
        quick=options.quick,
    )


if __name__ == "__main__":
    main()
