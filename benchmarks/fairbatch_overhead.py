"""What FairBatch adds to an epoch: full pass and probe against a plain epoch of the same loader.

A 64-64 MLP, batch 256, 20 features, one thread, `training.fit`. Each turn runs every loader for two epochs, in turn, in
one process; ratios are medians of the ratios of each turn. The cost of a row is that of what FairBatch does beside
training: measuring, drawing. Memory is the peak of what drawing an epoch allocates, per row.
"""

from __future__ import annotations

import tracemalloc
import warnings
from typing import Any

import numpy as np
from _bench import arguments, bar, mx, ratio, show, timed, times

import mxfair
from mxfair.data import DataLoader, FairDataLoader

BATCH, WIDTH = 256, 20


def data(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features, labels and groups; the second group is smaller and has a higher base rate."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, WIDTH)).astype(np.float32)
    z = (rng.random(n) < 0.3).astype(np.float32)
    return X, (X[:, 0] + 0.4 * z + rng.normal(size=n) > 0).astype(np.float32), z


def job(arrays: Any, **kwargs: Any) -> tuple[Any, Any, Any, Any]:
    """Return net, loader, loss and trainer."""
    mx.random.seed(0)
    net = mxfair.net.mlp(WIDTH)
    net.initialize(mx.init.Xavier())
    loss = mx.gluon.loss.SigmoidBinaryCrossEntropyLoss()
    dataset = mx.gluon.data.ArrayDataset(*arrays)
    if kwargs:
        loader = FairDataLoader(dataset, BATCH, net=net, loss=loss, criterion="equalized_odds", seed=0, **kwargs)
    else:
        loader = DataLoader(dataset, BATCH, shuffle=True, seed=0)
    return net, loader, loss, mx.gluon.Trainer(net.collect_params(), "adam")


def epochs(arrays: Any, turns: int) -> dict[str, list[float]]:
    """Return the seconds of an epoch of each loader, by turn."""
    jobs = {
        "plain": job(arrays),
        "full pass": job(arrays, signal="full"),
        "probe": job(arrays, signal="probe"),
        "probe, update every 100 batches": job(arrays, signal="probe", update_every=100),
    }
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(turns + 1):  # the first one compiles and allocates
        for name, (net, loader, loss, trainer) in jobs.items():
            took, _ = timed(
                lambda n=net, ld=loader, ls=loss, t=trainer: mxfair.training.fit(n, ld, ls, t, 2, progress=False)
            )
            if turn:
                seconds[name].append(took / 2)
    return seconds


def cost_per_row(n: int, turns: int) -> dict[str, Any]:
    """Return the microseconds a row that measuring and drawing an epoch take, and the bytes a row of drawing it."""
    arrays = data(n)
    _, loader, _, _ = job(arrays, signal="full")
    sampler = loader.batch_sampler
    rounds = max(2, turns * 200_000 // n) if n < 200_000 else turns
    list(sampler.blocks())
    measured = [timed(lambda: sampler.signal.measure("rates"))[0] for _ in range(rounds)]
    drawn = []
    for _ in range(rounds):
        epoch = sampler._begin()
        drawn.append(timed(lambda e=epoch: sampler._draw(e, len(sampler)))[0])
    epoch = sampler._begin()
    tracemalloc.start()
    sampler._draw(epoch, len(sampler))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    own = sum(a.nbytes for a in (sampler._cells.codes, sampler._cells.members))
    return {
        "measure, us a row": times(np.array(measured) / n * 1e6),
        "draw, us a row": times(np.array(drawn) / n * 1e6),
        "draw, peak bytes a row": peak / n,
        "kept, bytes a row": own / n,
    }


def main() -> None:
    """Time and print JSON."""
    options = arguments(turns="9")
    warnings.simplefilter("ignore")
    turns = 1 if options.quick else int(options.turns)
    seconds = epochs(data(4_000 if options.quick else 200_000), turns)
    sizes = (2_000, 8_000) if options.quick else (20_000, 200_000, 2_000_000)
    rows = {n: cost_per_row(n, turns) for n in sizes}
    total = {n: sum(r[k]["median"] for k in ("measure, us a row", "draw, us a row")) for n, r in rows.items()}
    ratios = {name: ratio(values, seconds["plain"]) for name, values in seconds.items()}
    bars = [
        bar("full pass / plain epoch", ratios["full pass"], "<=", 1.15),
        bar("probe / plain epoch", ratios["probe"], "<=", 1.05),
        bar("cost a row, largest / smallest data", total[sizes[-1]] / total[sizes[0]], "<=", 1.25),
        bar("drawing: bytes a row, 2,000,000 rows", rows[sizes[-1]]["draw, peak bytes a row"], "<=", 64),
    ]
    show(
        "fairbatch_overhead",
        data=f"normal features, {len(data(10)[0][0])} columns; epochs of {4_000 if options.quick else 200_000:,} rows",
        results={"seconds an epoch": {k: times(v) for k, v in seconds.items()}, "cost a row": rows},
        ratios=ratios,
        bars=bars,
        quick=options.quick,
        setting="MLP 64-64, batch 256, Adam, one thread",
    )


if __name__ == "__main__":
    main()
