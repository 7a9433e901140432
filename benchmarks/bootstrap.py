"""A thousand bootstrap resamples: what they cost beside the figures themselves, and against fairlearn's n_boot.

The figures are seven rates by twenty groups, the gaps of each, and six criteria with equalized odds among them, as
differences and ratios. Both sides run in turn, in one process with one thread; ratios are medians of each turn's.
"""

from __future__ import annotations

from typing import Any

import fairlearn
import numpy as np
import pandas as pd
from _bench import arguments, bar, ratio, show, timed, times
from fairlearn import metrics as peer
from metrics import RATES, Data, ours

from mxfair import metric
from mxfair.criterion import CRITERIA

RESAMPLES = 1000


def intervals(data: Data, n_resamples: int) -> pd.DataFrame:
    """Return our intervals, the figures themselves included."""
    return metric.confidence_intervals(
        data.labels,
        data.preds,
        data.integers,
        metrics=list(RATES),
        criteria=list(CRITERIA),
        n_resamples=n_resamples,
        seed=0,
    )


def theirs(data: Data, n_resamples: int) -> Any:
    """Return fairlearn's intervals of the rates and of their differences; it has none for equalized odds."""
    frame = peer.MetricFrame(
        metrics=RATES,
        y_true=data.labels,
        y_pred=data.preds,
        sensitive_features=data.integers,
        n_boot=n_resamples,
        ci_quantiles=[0.025, 0.975],
        random_state=0,
    )
    return frame.by_group_ci, frame.difference_ci()


def main() -> None:
    """Time all sides in turn and print JSON."""
    options = arguments(repeats="5", resamples="20")
    large, small = (Data(20_000), Data(1_000)) if options.quick else (Data(1_000_000), Data(10_000))
    repeats, few = (1, 2) if options.quick else (int(options.repeats), int(options.resamples))
    seconds: dict[str, list[float]] = {}

    def clock(name: str, work: Any) -> None:
        seconds.setdefault(name, []).append(timed(work)[0])

    intervals(small, 20)  # loads what is loaded on first use
    for _ in range(repeats):
        clock("figures", lambda: ours(large, large.integers))
        clock("figures and 1,000 resamples", lambda: intervals(large, RESAMPLES))
    for _ in range(min(repeats, 2)):
        clock("mxfair, 10,000 rows, 1,000 resamples", lambda: intervals(small, RESAMPLES))
        clock(f"fairlearn, 10,000 rows, {few} resamples", lambda: theirs(small, few))
    point = np.array(seconds["figures"])
    beyond = float(np.median(np.array(seconds["figures and 1,000 resamples"]) - 3 * point))
    their_time = np.array(seconds[f"fairlearn, 10,000 rows, {few} resamples"]) * RESAMPLES / few
    quicker = ratio(their_time, seconds["mxfair, 10,000 rows, 1,000 resamples"])
    show(
        "bootstrap",
        data="1,000,000 and 10,000 rows, 7 rates, 20 crossed groups, random; seed 0",
        quick=options.quick,
        peer=f"fairlearn {fairlearn.__version__}, timed with {few} resamples and scaled to {RESAMPLES}",
        results={
            "seconds": {name: times(values) for name, values in seconds.items()},
            "fairlearn / mxfair": quicker,
        },
        bars=[
            bar("seconds beyond 3 x the point estimates, 1,000,000 rows", beyond, "<=", 0.1),
            bar("fairlearn n_boot / mxfair, 10,000 rows", quicker, ">=", 1000),
        ],
    )


if __name__ == "__main__":
    main()
