"""What every benchmark shares: one thread, versions, statistics, bars and the one JSON object that is printed."""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before NumPy and mxnet are imported

import argparse
import json
import pathlib
import platform
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import mxfair
from mxfair._compat import import_mxnet

mx: Any = import_mxnet()

#: Data without a licence to ship: beside the checkout, or where --data says.
SHARED = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data"


def arguments(**extra: Any) -> argparse.Namespace:
    """Parse --quick and further options given as name=default."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a smoke run: few epochs, few seeds, no bars")
    for name, default in extra.items():
        parser.add_argument(f"--{name}", default=default)
    return parser.parse_args()


def spread(values: Any) -> dict[str, float]:
    """Mean, standard deviation and range of a figure over seeds."""
    array = np.asarray(values, dtype=float)
    keys = {"mean": array.mean(), "sd": array.std(ddof=1) if len(array) > 1 else 0.0, "min": array.min()}
    return {**{k: round(float(v), 5) for k, v in keys.items()}, "max": round(float(array.max()), 5), "n": len(array)}


def times(values: Any) -> dict[str, float]:
    """Median and range of a time in seconds."""
    array = np.asarray(values, dtype=float)
    return {"median": float(np.median(array)), "min": float(array.min()), "max": float(array.max()), "n": len(array)}


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that the work takes, and its result."""
    begin = time.perf_counter()
    result = work()
    return time.perf_counter() - begin, result


def ratio(slow: Any, fast: Any) -> float:
    """Return the median of the ratios of each turn."""
    return float(np.median(np.asarray(slow, dtype=float) / np.asarray(fast, dtype=float)))


def bar(name: str, value: float, relation: str, bound: float) -> dict[str, Any]:
    """Return a figure that was asked for, and whether it is reached."""
    ok = value >= bound if relation == ">=" else value <= bound
    return {
        "name": name,
        "value": float(f"{value:.5g}"),
        "relation": relation,
        "bound": float(f"{bound:.5g}"),
        "ok": bool(ok),
    }


def show(name: str, *, data: str, results: Any, bars: list[dict[str, Any]], quick: bool, **context: Any) -> None:
    """Print the benchmark's JSON object."""
    versions = {
        "mxfair": mxfair.__version__,
        "mxnet": mx.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
    document = {"benchmark": name, "quick": quick, "data": data, "versions": versions, **context}
    print(json.dumps({**document, "results": results, "bars": [] if quick else bars}, indent=1))
