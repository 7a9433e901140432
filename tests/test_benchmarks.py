"""Benchmarks run and print what they promise."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parents[1] / "benchmarks"
SCRIPTS = sorted(p.name for p in HERE.glob("*.py") if not p.name.startswith("_") and p.name != "run_all.py")


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_quick_run_prints_one_json_object(script: str) -> None:
    """`--quick` prints one JSON object with data, versions, results and bars."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(HERE / script), "--quick"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert {"benchmark", "data", "versions", "results", "bars"} <= set(document)
    if document["data"].startswith("not found"):
        pytest.skip(f"{document['data']}: the paper's files are not beside the checkout")
    assert document["results"]


def test_every_benchmark_is_run_by_make_bench() -> None:
    """run_all.py names every script."""
    text = (HERE / "run_all.py").read_text(encoding="utf-8")
    assert all(f'"{script[:-3]}"' in text for script in SCRIPTS)
