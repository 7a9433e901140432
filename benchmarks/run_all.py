"""Run every benchmark and write results/NAME.json and docs/benchmarks.md; --quick is passed on."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import _page

HERE = pathlib.Path(__file__).resolve().parent
NAMES = (
    "fairbatch_synthetic",
    "fairbatch_adult",
    "fairbatch_table",
    "fairbatch_signals",
    "fairbatch_selection",
    "fairbatch_overhead",
    "fairbatch_speed",
    "ensembles_speed",
    "loader",
    "metrics",
    "bootstrap",
    "auc",
    "interval_coverage",
    "preprocessing",
    "penalties",
    "strengths",
    "tradeoff",
    "boosting",
    "bagging",
    "regression",
    "thresholds",
    "audit",
    "explain_gap",
    "explain_shap",
)


def main() -> int:
    """Return 1 if a benchmark failed to run; a bar that is not reached is shown, not an error."""
    (HERE / "results").mkdir(exist_ok=True)
    failed = 0
    for name in NAMES:
        command = [sys.executable, "-W", "ignore", str(HERE / f"{name}.py"), *sys.argv[1:]]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=HERE, check=False)
        if done.returncode:
            failed = 1
            print(f"{name}: failed")
            continue
        document = json.loads(done.stdout)
        if not document["quick"]:
            (HERE / "results" / f"{name}.json").write_text(done.stdout, encoding="utf-8")
        print(f"{name}: {document['data']}")
        for bar in document["bars"]:
            print(f"  {'ok  ' if bar['ok'] else 'MISS'} {bar['name']}: {bar['value']} {bar['relation']} {bar['bound']}")
    _page.main()
    return failed


if __name__ == "__main__":
    sys.exit(main())
