"""`mxfair audit` of Parquet files against fairlearn's MetricFrame: time in turns, and peak memory of a large file.

The file has two text attributes (2 x 4 levels), labels, decisions and scores. Ours reads it chunk by chunk and makes
the report: rates by group, gaps and the AUC. The peer gives five of these rates and their differences, and no AUC; it
starts from the loaded frame, and once more with pandas' reading of the needed columns counted. "mended" is fairlearn
with its one np.stack over the values of a column, most of its time, replaced by the column itself. All run in turn,
with one thread; ratios are medians of the ratios of each turn. The command itself runs in a process of its own,
start-up included, which tells its peak memory.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import tempfile
from typing import Any

import fairlearn
import numpy as np
import pandas as pd
import pyarrow as pa
from _bench import arguments, bar, ratio, show, timed, times
from fairlearn import metrics as peer
from metrics import RATES, mended
from pyarrow import parquet

from mxfair._audit import AuditOptions, run_audit

LEVELS = {"sex": ["Female", "Male"], "region": ["east", "north", "south", "west"]}
NEEDED = [*LEVELS, "label", "pred"]
PEER = {name: RATES[name] for name in list(RATES)[:3] + list(RATES)[-2:]}
PART = 1_000_000
#: Runs the command and prints its peak memory, in kB, after the report. What getrusage tells begins with the memory of
#: the process that started this one, so the start goes through a small one.
COMMAND = (
    "import resource, sys\n"
    "from mxfair.cli import main\n"
    "main(sys.argv[1:], standalone_mode=False)\n"
    "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
)
START = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)"


def write(path: pathlib.Path, n_rows: int) -> None:
    """Write a file part by part."""
    rng, writer = np.random.default_rng(0), None
    for start in range(0, n_rows, PART):
        size = min(PART, n_rows - start)
        codes = {name: rng.integers(0, len(levels), size) for name, levels in LEVELS.items()}
        scores = 1 / (1 + np.exp(-rng.normal(0.4 * codes["sex"] - 0.2, 1)))
        labels = (rng.random(size) < scores).astype(np.int64)
        columns = {name: np.array(levels, dtype=object)[codes[name]] for name, levels in LEVELS.items()}
        table = pa.table({**columns, "label": labels, "pred": (scores > 0.5).astype(np.int64), "score": scores})
        writer = writer or parquet.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def options_for(path: pathlib.Path) -> AuditOptions:
    """Return what both forms of our side are asked."""
    return AuditOptions((str(path),), "label", ("pred",), tuple(LEVELS), scores=("score",))


def ours(path: pathlib.Path) -> pd.DataFrame:
    """Return our rates by group, from the file; the gaps and their table are made too."""
    report = run_audit(options_for(path)).report
    _ = report.gaps
    return report.rates


def theirs(frame: pd.DataFrame) -> pd.DataFrame:
    """Return fairlearn's rates by group, with their differences made too."""
    made = peer.MetricFrame(
        metrics=PEER, y_true=frame["label"], y_pred=frame["pred"], sensitive_features=frame[list(LEVELS)]
    )
    _ = made.difference(), made.overall
    return made.by_group


def command(path: pathlib.Path, out: pathlib.Path, *, small: bool = False) -> tuple[float, float]:
    """Return the seconds of the whole command, and its peak memory in bytes, which is right if it starts `small`."""
    asked = ["audit", str(path), "--label", "label", "--prediction", "pred", "--score", "score", "--out", str(out)]
    asked += [part for name in LEVELS for part in ("--group", name)]
    run = [sys.executable, "-W", "ignore", "-c", COMMAND, *asked]
    if small:
        run = [sys.executable, "-c", START, *run]
    seconds, done = timed(lambda: subprocess.run(run, capture_output=True, text=True, check=True))
    return seconds, float(done.stdout.split()[-1]) * 1024


def largest_difference(mine: pd.DataFrame, other: pd.DataFrame) -> float:
    """Return how far the two sides' rates by group lie apart at most."""
    names = [" & ".join(pair) for pair in other.index]
    inner = mine.xs("pred", level="model").loc[names, list(PEER)].to_numpy()
    return float(np.abs(inner - other.to_numpy(dtype=float)).max())


def compared(folder: pathlib.Path, n_rows: int, turns: int) -> dict[str, Any]:
    """Return the times of all sides for one size."""
    path, seconds = folder / f"{n_rows}.parquet", {}
    write(path, n_rows)
    apart = 0.0
    for turn in range(turns):
        each = {}
        each["mxfair, file to report"], mine = timed(lambda: ours(path))
        reading, frame = timed(lambda: pd.read_parquet(path, columns=NEEDED))
        each["fairlearn, loaded frame"], other = timed(lambda frame=frame: theirs(frame))
        each["fairlearn, reading and frame"] = reading + each["fairlearn, loaded frame"]
        with mended():
            each["fairlearn mended, loaded frame"], _ = timed(lambda frame=frame: theirs(frame))
        each["mxfair, command"], _ = command(path, folder / f"{n_rows}-{turn}.json")
        apart = max(apart, largest_difference(mine, other))
        for name, value in each.items():
            seconds.setdefault(name, []).append(value)
    path.unlink()
    fast, whole = seconds["mxfair, file to report"], seconds["mxfair, command"]
    ratios = {name: ratio(values, fast) for name, values in seconds.items() if name.startswith("fairlearn")}
    ratios["fairlearn, reading and frame / mxfair, command"] = ratio(seconds["fairlearn, reading and frame"], whole)
    result = {"seconds": {name: times(values) for name, values in seconds.items()}, "ratios": ratios}
    return {**result, "largest difference of rates": apart}


def main() -> None:
    """Time both sides, audit the large file, and print JSON."""
    options = arguments(turns="3")
    sizes = {20_000: 1} if options.quick else {100_000: int(options.turns), 1_000_000: max(int(options.turns) - 1, 1)}
    large = 300_000 if options.quick else 10_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        ours_first = folder / "first.parquet"
        write(ours_first, 1000)
        ours(ours_first)  # loads all
        results: dict[str, Any] = {f"{n:,} rows": compared(folder, n, turns) for n, turns in sizes.items()}
        write(folder / "large.parquet", large)
        seconds, memory = command(folder / "large.parquet", folder / "large.json", small=True)
        size = (folder / "large.parquet").stat().st_size
        found = json.loads((folder / "large.json").read_text(encoding="utf-8"))
        results[f"{large:,} rows, command"] = {
            "seconds": seconds,
            "peak memory, MB": round(memory / 1e6, 1),
            "file, MB": round(size / 1e6, 1),
            "rows in the report": sum(group["support"] for group in found["groups"]),
            "scores": found["context"].get("scores", "exact"),
        }
    last = results[f"{max(sizes):,} rows"]
    bars = [
        bar(f"peak memory of {large:,} rows, GB", memory / 1e9, "<=", 1),
        bar("fairlearn, loaded frame / mxfair, file to report", last["ratios"]["fairlearn, loaded frame"], ">=", 20),
        bar(
            "largest difference of rates",
            max(results[f"{n:,} rows"]["largest difference of rates"] for n in sizes),
            "<=",
            1e-12,
        ),
    ]
    show(
        "audit",
        data=f"Parquet, {max(sizes):,} and {large:,} rows, 2 x 4 groups of text, decisions and scores; seed 0",
        quick=options.quick,
        peer=f"fairlearn {fairlearn.__version__}",
        results=results,
        bars=bars,
    )


if __name__ == "__main__":
    main()
