"""How often 95 % intervals of gaps hold the truth: the simulation of the tests, with more repetitions.

Samples are drawn from populations whose gap is known; each gives an interval by 1,000 resamples. The percentile
interval of the largest gap is taken from the same resamples.
"""

from __future__ import annotations

import importlib
import pathlib
import sys
from typing import Any

from _bench import arguments, bar, show

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "integration"))
simulation: Any = importlib.import_module("test_coverage")


def main() -> None:
    """Simulate all cases and print JSON."""
    options = arguments(repetitions="2000")
    simulation.REPETITIONS = 20 if options.quick else int(options.repetitions)
    simulation.RESAMPLES = 100 if options.quick else 1000
    kinds = {
        "one clear pair": simulation.CLEAR,
        "parity": simulation.PARITY,
        "several alike": simulation.ALIKE_OR_SMALL,
    }
    results: dict[str, dict[str, dict[str, float]]] = {}
    for kind, cases in kinds.items():
        results[kind] = {}
        for case in simulation.named(cases)[: 2 if options.quick else None]:
            ours, percentile = simulation.coverage(*case.values)
            results[kind][case.id] = {"interval": ours}
            if percentile or kind == "parity":
                results[kind][case.id]["percentile interval"] = percentile
    found = {kind: [case["interval"] for case in cases.values()] for kind, cases in results.items()}
    show(
        "interval_coverage",
        data="samples of known populations (tests/integration/test_coverage.py), seed 0",
        quick=options.quick,
        repetitions=simulation.REPETITIONS,
        resamples=simulation.RESAMPLES,
        standard_error=round((0.95 * 0.05 / simulation.REPETITIONS) ** 0.5, 4),
        results=results,
        bars=[
            bar("lowest coverage, one clear pair", min(found["one clear pair"]), ">=", 0.93),
            bar("highest coverage, one clear pair", max(found["one clear pair"]), "<=", 0.97),
            bar("lowest coverage at parity", min(found["parity"]), ">=", 0.93),
            bar("lowest coverage, several alike", min(found["several alike"]), ">=", 0.93),
        ],
    )


if __name__ == "__main__":
    main()
