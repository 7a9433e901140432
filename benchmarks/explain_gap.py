"""The gap between men and women on Adult, in the logit, as a sum over columns: how near it comes, how long it takes.

An MLP of 64 and 64 units that does not see the column sex; 4,000 test rows, 100 baselines drawn from the training rows.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from _bench import arguments, bar, show, spread, timed, times

import mxfair
from mxfair.estimator import GluonClassifier
from mxfair.explain import gap_decomposition

N_BACKGROUND = 100


def main() -> None:
    """Decompose the gap of several nets and print JSON."""
    options = arguments(seeds="5")
    n_rows, seeds = (300, 1) if options.quick else (4000, int(options.seeds))
    train, test = mxfair.datasets.load_adult().train_test()
    raw, raw_test = train.data.drop(columns="sex"), test.data.drop(columns="sex")
    encoder = mxfair.preprocessing.TabularEncoder().fit(raw)
    X, X_test = encoder.transform(raw), encoder.transform(raw_test)
    seconds: list[float] = []
    busy: list[float] = []
    errors: list[float] = []
    gaps: list[float] = []
    total: dict[str, list[float]] = {}
    one: dict[str, Any] = {}
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        net = GluonClassifier((64, 64), batch_size=500, epochs=2 if options.quick else 10, random_state=seed)
        net.fit(X, train.target)
        rows = rng.choice(len(X_test), n_rows, replace=False)
        background = X[rng.choice(len(X), N_BACKGROUND, replace=False)]
        groups = test.groups["sex"].to_numpy()[rows]
        gap_decomposition(net, X_test[rows[:100]], groups[:100], background, columns=encoder, pair=("Male", "Female"))
        begin = time.process_time()
        taken, gap = timed(
            lambda net=net, rows=rows, groups=groups, background=background: gap_decomposition(
                net, X_test[rows], groups, background, columns=encoder, pair=("Male", "Female")
            )
        )
        part = gap.part
        busy.append(time.process_time() - begin)
        seconds.append(taken)
        errors.append(part.additivity_error)
        gaps.append(part.gap)
        for name, value in zip(part.columns, part.values):
            total.setdefault(name, []).append(float(value))
        if not seed:
            one = {
                "gap": round(part.gap, 4),
                "sum of columns": round(part.total, 4),
                "standard error of the gap": round(part.gap_error, 4),
                "selection rates": [round(rate, 4) for rate in part.rates],
                "top five": part.to_frame(5).round(4)[["contribution", "standard_error"]].to_dict("index"),
            }
    means = sorted(total.items(), key=lambda item: -abs(np.mean(item[1])))
    show(
        "explain_gap",
        data=f"Adult, official split, {n_rows:,} test rows, {X.shape[1]} features of {len(encoder.columns_)} columns",
        quick=options.quick,
        seeds=seeds,
        baselines=N_BACKGROUND,
        results={
            "seconds": times(seconds),
            "seconds of the processor": times(busy),
            "gap in the logit": spread(gaps),
            "remainder as part of the gap": spread(errors),
            "columns, mean over nets": {name: spread(values) for name, values in means[:5]},
            "first net": one,
        },
        bars=[
            bar("remainder as part of the gap, largest", max(errors), "<=", 0.01),
            bar("seconds, median", float(np.median(seconds)), "<=", 30),
        ],
    )


if __name__ == "__main__":
    main()
