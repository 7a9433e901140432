"""Seven rates by twenty crossed groups: mxfair against fairlearn, cost against rows, memory of the streaming form.

Both sides take the same labels, decisions and two sensitive columns (5 x 4 levels) and return the rates by group, over
all rows and their differences; encoding the columns is part of it. All sides run in turn, in one process with one
thread; ratios are medians of the ratios of each turn. "mended" is fairlearn with its one np.stack over the values of a
column, most of its time, replaced by the column itself: what upstream could do.
"""

from __future__ import annotations

import contextlib
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import fairlearn
import numpy as np
import pandas as pd
from _bench import arguments, bar, ratio, show, timed, times
from fairlearn import metrics as peer
from sklearn.metrics import accuracy_score, precision_score

from mxfair import GroupConfusion, Groups, metric

LEVELS = (5, 4)
#: Our name of each rate, and the peer's function.
RATES: dict[str, Callable[..., float]] = {
    "selection_rate": peer.selection_rate,
    "true_positive_rate": peer.true_positive_rate,
    "false_positive_rate": peer.false_positive_rate,
    "true_negative_rate": peer.true_negative_rate,
    "false_negative_rate": peer.false_negative_rate,
    "accuracy": accuracy_score,
    "positive_predictive_value": precision_score,
}


class Data:
    """Labels, decisions and two sensitive columns in the forms that a table may hold them in."""

    def __init__(self, n_samples: int) -> None:
        rng = np.random.default_rng(0)
        self.labels, self.preds = rng.integers(0, 2, n_samples), rng.integers(0, 2, n_samples)
        codes = [rng.integers(0, size, n_samples) for size in LEVELS]
        self.integers = pd.DataFrame({"first": codes[0], "second": codes[1]})

    def columns(self, kind: str) -> pd.DataFrame:
        """Return the sensitive columns as integers, categoricals or text."""
        return self.integers.astype({"integers": "int64", "categoricals": "category", "text": str}[kind])


def ours(data: Data, groups: Any) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """Return our rates by group, over all rows, and their differences."""
    table = metric.evaluate(data.labels, data.preds, groups, metrics=list(RATES))
    return table.by_group, table.overall, table.difference()


def theirs(data: Data, groups: Any) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """Return fairlearn's."""
    frame = peer.MetricFrame(metrics=RATES, y_true=data.labels, y_pred=data.preds, sensitive_features=groups)
    return frame.by_group, frame.overall, frame.difference()


@contextlib.contextmanager
def mended() -> Iterator[None]:
    """Let fairlearn take a column as it is where stacking its values gives the same."""
    module = peer._annotated_metric_function
    stack = np.stack

    def quick(arrays: Any) -> np.ndarray:
        plain = isinstance(arrays, np.ndarray) and arrays.ndim == 1 and arrays.dtype != object
        return arrays if plain else stack(arrays)

    with mock.patch.object(module, "np", mock.Mock(wraps=np, stack=quick)):
        yield


def largest_difference(data: Data, groups: Any) -> float:
    """Return how far the two sides' rates by group lie apart at most."""
    mine, other = ours(data, groups)[0], theirs(data, groups)[0]
    other.index = [" & ".join(map(str, pair)) for pair in other.index]
    return float(np.abs(mine.to_numpy() - other.loc[mine.index, mine.columns].to_numpy()).max())


def streaming_peak(n_samples: int, chunk: int) -> int:
    """Return the bytes allocated at most while chunks of rows, made one at a time, are counted."""
    rng = np.random.default_rng(0)
    names, table = [str(i) for i in range(20)], None
    tracemalloc.start()
    for _ in range(n_samples // chunk):
        codes, labels, preds = rng.integers(0, 20, chunk), rng.integers(0, 2, chunk), rng.integers(0, 2, chunk)
        table = table or GroupConfusion(names, [0, 1])
        table.update(labels, preds, Groups.from_codes(codes, names))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def main() -> None:
    """Time all sides in turn and print JSON."""
    options = arguments(repeats="3")
    n_samples = 20_000 if options.quick else 1_000_000
    repeats = 1 if options.quick else int(options.repeats)
    data = Data(n_samples)
    forms = {kind: data.columns(kind) for kind in ("integers", "categoricals", "text")}
    seconds: dict[str, list[float]] = {}

    def clock(name: str, work: Callable[[], Any], turns: int = 1) -> None:
        seconds.setdefault(name, []).append(float(np.median([timed(work)[0] for _ in range(turns)])))

    ours(data, forms["integers"])  # loads what is loaded on first use
    for _ in range(repeats):
        for kind, groups in forms.items():
            clock(f"mxfair, {kind}", lambda groups=groups: ours(data, groups), 9)
            clock(f"fairlearn, {kind}", lambda groups=groups: theirs(data, groups))
            with mended():
                clock(f"fairlearn mended, {kind}", lambda groups=groups: theirs(data, groups))
    ratios = {
        name: ratio(seconds[name], seconds["mxfair, " + name.split(", ")[1]])
        for name in seconds
        if "mxfair" not in name
    }

    larger = Data(10 * n_samples)
    for _ in range(3 * repeats):
        clock("rows x 1", lambda: ours(data, forms["integers"]), 5)
        clock("rows x 10", lambda: ours(larger, larger.integers))
    growth = ratio(seconds["rows x 10"], seconds["rows x 1"]) / 10
    chunk = 1_000 if options.quick else 100_000
    peaks = {str(n): streaming_peak(n, chunk) for n in (n_samples, 10 * n_samples)}
    apart = largest_difference(data, forms["integers"])
    show(
        "metrics",
        data=f"{n_samples:,} rows, 7 rates, 5 x 4 = 20 crossed groups, random; seed 0",
        quick=options.quick,
        peer=f"fairlearn {fairlearn.__version__}",
        results={
            "seconds": {name: times(values) for name, values in seconds.items()},
            "ratios": ratios,
            "cost per row, 10 x the rows": growth,
            "streaming peak bytes": peaks,
            "largest difference from fairlearn": apart,
        },
        bars=[
            bar("fairlearn / mxfair, integer columns", ratios["fairlearn, integers"], ">=", 2000),
            bar("fairlearn / mxfair, categorical columns", ratios["fairlearn, categoricals"], ">=", 2000),
            bar("fairlearn mended / mxfair, integer columns", ratios["fairlearn mended, integers"], ">=", 200),
            bar("fairlearn mended / mxfair, categorical columns", ratios["fairlearn mended, categoricals"], ">=", 200),
            bar("fairlearn / mxfair, text columns", ratios["fairlearn, text"], ">=", 60),
            bar("cost per row at 10,000,000 rows / at 1,000,000", growth, "<=", 1.3),
            bar("streaming peak bytes, 10 x the rows", peaks[str(10 * n_samples)] / peaks[str(n_samples)], "<=", 1.05),
            bar("largest difference from fairlearn", apart, "<=", 1e-12),
        ],
    )


if __name__ == "__main__":
    main()
