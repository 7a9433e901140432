"""Prediction of ten nets 50-64-64-2: one ensemble against ten predictions, by batch size.

Ten predictions: each net's own pass as an estimator makes it (its graph, and softmax of the outputs), and each net
called as a user writes it, ``net(nd.array(X)).asnumpy()``. The ensemble's pass ends in the mean probability. All sides
take turns; ratios are medians of the ratios of each turn. `gflops` is the arithmetic of the dense layers by the time of
the ensemble's pass: where it nears that of one matrix product on this core (`gflops_product`), nothing but fewer
operations could be faster.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from _bench import bar, mx, ratio, timed, times

from mxfair import net as nets
from mxfair._inference import PredictGraph, forward, scores
from mxfair._validation import to_numpy
from mxfair.ensemble import Ensemble

MEMBERS, FEATURES, OUTPUTS = 10, 50, 2
ROWS = (1, 32, 256, 1024, 4096, 30_000)


def prediction(quick: bool) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    """Return times and ratios by batch size, and what was asked for."""
    mx.random.seed(0)
    members = [nets.mlp(FEATURES, OUTPUTS) for _ in range(MEMBERS)]
    for member in members:
        member.initialize(mx.init.Xavier())
    graphs, ensemble = [PredictGraph(member) for member in members], Ensemble(members)
    results: dict[str, Any] = {"gflops_product": _product()}
    quotients: dict[str, Any] = {}
    bars = []
    for rows in ROWS[:2] if quick else ROWS:
        data = np.random.default_rng(0).normal(size=(rows, FEATURES)).astype("float32")
        sides: dict[str, Callable[[], Any]] = {
            "ten, own pass": lambda data=data: [_probabilities(m, data, g) for m, g in zip(members, graphs)],
            "ten, net(nd.array(X))": lambda data=data: [m(mx.nd.array(data)).asnumpy() for m in members],
            "ensemble": lambda data=data: _probabilities(ensemble, data, None),
        }
        mean = np.mean(sides["ten, own pass"](), axis=0)
        error = float(np.abs(mean - sides["ensemble"]()).max())
        taken = _turns(sides, 3 if quick else max(15, min(101, 30_000 // rows)))
        name, found = f"{rows} rows", {side: times(seconds) for side, seconds in taken.items()}
        ratios = {f"{side} / ensemble": ratio(taken[side], taken["ensemble"]) for side in list(taken)[:2]}
        speed = rows * _flops() / found["ensemble"]["median"] / 1e9
        results[name] = {"seconds": found, "gflops": speed, "largest_difference": error}
        quotients[name] = ratios
        bars += [bar(f"prediction, {name}: {sides}", value, ">=", 3) for sides, value in ratios.items()]
    return results, quotients, bars


def _probabilities(net: Any, data: np.ndarray, graph: Any) -> np.ndarray:
    return scores(np.concatenate([to_numpy(part) for part in forward(net, data, graph=graph)]))


def _turns(sides: dict[str, Callable[[], Any]], count: int) -> dict[str, list[float]]:
    for work in sides.values():
        work()
    taken: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(count):
        for side, work in sides.items():
            taken[side].append(timed(work)[0])
    return taken


def _flops() -> int:
    return 2 * MEMBERS * (FEATURES * 64 + 64 * 64 + 64 * OUTPUTS)


def _product() -> float:
    """Return what one core reaches in a product of the size of a member's layer over 4,096 rows."""
    data, weight = mx.nd.ones((4096, 64)), mx.nd.ones((64, 64))
    seconds = []
    for _ in range(50):
        taken, _ = timed(lambda: mx.nd.FullyConnected(data, weight, no_bias=True, num_hidden=64).wait_to_read())
        seconds.append(taken)
    return 2 * 4096 * 64 * 64 / float(np.median(seconds)) / 1e9
