"""What a penalty, a group loss or a regularizer adds to a training step: a 64-64 MLP, 20 features, batches of 256.

Both sides are measured in turns in one process: the step of `training.fit` (net and loss as cached graphs, one update),
and the loop that a Gluon user writes, net and loss hybridized. Each ratio is to the same step with the base loss alone.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from _bench import arguments, bar, mx, show, times

from mxfair import _step
from mxfair.loss import (
    AdversarialLoss,
    BoundedGroupLoss,
    CorrelationPenalty,
    CramerVonMisesPenalty,
    FocalGroupLoss,
    GapConstraint,
    GapPenalty,
    GroupDROLoss,
    GroupLoss,
    HGRPenalty,
    HSICPenalty,
    MMDPenalty,
    MutualInformationPenalty,
    PenalizedLoss,
    RegularizedLoss,
    WassersteinPenalty,
    trained_parameters,
)
from mxfair.regularizer import L1, L2

BATCH, FEATURES = 256, 20


def base() -> Any:
    """Return the base loss."""
    return mx.gluon.loss.SigmoidBinaryCrossEntropyLoss()


def penalized(penalty: Any, *given: Any, **options: Any) -> Callable[[Any], Any]:
    """Return a maker of the base loss with a penalty."""
    return lambda net: PenalizedLoss(base(), penalty(*given, **options))


LOSSES: dict[str, Callable[[Any], Any]] = {
    "base loss alone": lambda net: base(),
    "GapPenalty, demographic parity": penalized(GapPenalty, "demographic_parity", 2),
    "GapPenalty, equalized odds": penalized(GapPenalty, "equalized_odds", 2),
    "GapPenalty, equalized odds, no memory": penalized(GapPenalty, "equalized_odds", 2, memory=0),
    "GapConstraint, equalized odds": penalized(GapConstraint, "equalized_odds", 2, bound=0.05),
    "CorrelationPenalty": penalized(CorrelationPenalty, "equalized_odds", 2),
    "MMDPenalty": penalized(MMDPenalty, "equalized_odds", 2),
    "WassersteinPenalty": penalized(WassersteinPenalty, "equalized_odds", 2),
    "CramerVonMisesPenalty": penalized(CramerVonMisesPenalty, "equalized_odds", 2),
    "HSICPenalty": penalized(HSICPenalty, "equalized_odds", 2),
    "HGRPenalty": penalized(HGRPenalty, "equalized_odds", 2),
    "MutualInformationPenalty": penalized(MutualInformationPenalty, "equalized_odds", 2),
    "GroupDROLoss": lambda net: GroupDROLoss(base(), 2),
    "BoundedGroupLoss": lambda net: BoundedGroupLoss(base(), 2, bound=0.1),
    "FocalGroupLoss": lambda net: FocalGroupLoss(base(), 2),
    "AdversarialLoss": lambda net: AdversarialLoss(base(), 2, criterion="equalized_odds"),
    "L2": lambda net: RegularizedLoss(base(), L2(net, 1e-4)),
    "L1": lambda net: RegularizedLoss(base(), L1(net, 1e-4)),
}
#: Those that are no penalty: another loss in the place of the base, or a net more to train.
OTHERS = ("GroupDROLoss", "BoundedGroupLoss", "FocalGroupLoss", "AdversarialLoss", "L2", "L1")


def mlp(units: int) -> Any:
    """Return the net, the same weights each time."""
    nn = mx.gluon.nn
    net = nn.HybridSequential()
    net.add(nn.Dense(units, activation="relu", in_units=FEATURES))
    net.add(nn.Dense(units, activation="relu", in_units=units), nn.Dense(1, in_units=units))
    mx.random.seed(0)
    net.initialize(mx.init.Xavier())
    return net


def steps(make: Callable[[Any], Any], batch: list[Any], units: int) -> dict[str, Callable[[], Any]]:
    """Return a step of fit and a step of a hand-written loop."""
    made: dict[str, Callable[[], Any]] = {}
    for way in ("fit", "loop"):
        net = mlp(units)
        loss = make(net)
        grouped = isinstance(loss, GroupLoss)
        items = tuple(batch if grouped else batch[:2])
        loss(net(items[0]), *items[1:])
        trainer = mx.gluon.Trainer(trained_parameters(net, loss) if grouped else net.collect_params(), "adam")
        if way == "fit":
            step, reason = _step.make_step(net, loss, trainer, items, hybridize=True)
            if reason:
                warnings.warn(f"plain step: {reason}", RuntimeWarning, stacklevel=1)
        else:
            net.hybridize(static_alloc=True, static_shape=True)
            loss.hybridize()
            step = _step.PlainStep(net, loss, trainer)
        made[way] = lambda step=step, items=items: step(items, BATCH)
    return made


def measured(
    losses: dict[str, Callable[[Any], Any]], batch: list[Any], units: int, turns: int, count: int
) -> dict[str, Any]:
    """Return the seconds of each step, and their ratios to those of the base loss alone."""
    work = {name: steps(make, batch, units) for name, make in losses.items()}
    seconds: dict[str, dict[str, list[float]]] = {name: {"fit": [], "loop": []} for name in work}
    for turn in range(turns + 1):
        for name, ways in work.items():
            for way, step in ways.items():
                mx.nd.waitall()
                begin = time.perf_counter()
                for _ in range(count):
                    step()
                mx.nd.waitall()
                if turn:  # the first one warms up
                    seconds[name][way].append((time.perf_counter() - begin) / count)
    plain = seconds["base loss alone"]
    return {
        name: {
            way: {
                "seconds a step": times(values),
                "ratio to the base loss alone": round(min(values) / min(plain[way]), 4),
                "median of the turns' ratios": round(float(np.median(np.array(values) / plain[way])), 4),
            }
            for way, values in ways.items()
        }
        for name, ways in seconds.items()
    }


def main() -> None:
    """Measure in turns and print JSON."""
    options = arguments(turns="30")
    turns, count = (2, 5) if options.quick else (int(options.turns), 40)
    rng = np.random.default_rng(0)
    batch = [mx.nd.array(rng.normal(size=(BATCH, FEATURES)))] + [mx.nd.array(rng.integers(0, 2, BATCH)) for _ in "yz"]
    results = measured(LOSSES, batch, 64, turns, count)
    some = {name: LOSSES[name] for name in ("base loss alone", "GapPenalty, equalized odds", "MMDPenalty")}
    larger = measured(some, batch, 256, turns, count)
    bars = [
        bar(f"{name}, in fit: step with / without", result["fit"]["ratio to the base loss alone"], "<=", 1.25)
        for name, result in results.items()
        if name not in (*OTHERS, "base loss alone")
    ]
    show(
        "penalties",
        data=f"random, batches of {BATCH} x {FEATURES}, two groups, two classes",
        results={"64-64": results, "256-256": larger},
        bars=bars,
        quick=options.quick,
        turns=turns,
        steps=count,
        rule="fastest of the turns by fastest of the turns of the base loss alone",
    )


if __name__ == "__main__":
    main()
