"""Bagging against a single net, plain and fair: accuracy, equalized-odds gap, and how far the gap hangs on the seed.

A multi-layer perceptron is trained from several seeds (initial values, batches, and with bagging the rows drawn) on the
same training rows, alone and as the ten members of a `BaggingClassifier`; both without a mitigation, with FairBatch and
with a GapPenalty. All nets have the same recipe. Train and test rows are 60 and 20 %; the rest is not used, since
nothing is chosen: mitigations are as they come, and epochs are what a run of twenty minutes has room for.

*Spread* is the standard deviation of the test rows' gap over the seeds of a split. Test rows are the same for all
seeds, so that chance in drawing them is in no spread. Intervals are Student's over the splits, of differences of the
same split (means over its seeds). The splits share rows: intervals are narrower than those of new data would be.

``--only NAME`` prints one data set.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from _bench import SHARED, arguments, bar, show, spread
from fairbatch_table import figures, load, split
from scipy import stats

from mxfair.ensemble import BaggingClassifier
from mxfair.estimator import FairBatch, GluonClassifier, Penalized

#: Batch size and epochs; Adam's learning rate is 0.003.
RECIPES = {
    "Adult, sex": (500, 8),
    "COMPAS, sex": (100, 15),
    "COMPAS, race": (100, 15),
    "German credit, sex": (50, 20),
}
UNITS = (32,)
MEMBERS = 10
MITIGATIONS: dict[str, Any] = {"plain": None, "FairBatch": FairBatch(), "GapPenalty": Penalized("gap")}
CRITERION = "equalized_odds"


def runs(parts: Any, recipe: tuple[int, int], mitigation: Any, seeds: range, *, members: int) -> dict[str, np.ndarray]:
    """Return accuracy and gap on test rows for each seed, of single nets and of ensembles, shape (n_seeds, 2)."""
    X, y, groups = parts["train"]
    batch_size, epochs = recipe
    options = {"learning_rate": 3e-3, "batch_size": batch_size, "epochs": epochs, "criterion": CRITERION}
    found: dict[str, list[list[float]]] = {"single": [], "bagging": [], "out of bag": []}
    for seed in seeds:
        net = GluonClassifier(UNITS, mitigation=mitigation, random_state=seed, **options)
        bagged = BaggingClassifier(net, members, oob_score=True, random_state=seed)
        for name, model in (("single", net), ("bagging", bagged)):
            model.fit(X, y, groups=groups)
            preds = model.predict(parts["test"][0])
            result = figures(parts["test"][1], preds, parts["test"][2])
            found[name].append([result["accuracy"], result[CRITERION]])
        report = bagged.oob_report(metrics="accuracy", criteria=CRITERION, n_resamples=20, seed=0)
        gap = report.loc[(CRITERION, "difference", ""), "value"]
        found["out of bag"].append([bagged.oob_score_, float(gap)])
    return {name: np.array(values) for name, values in found.items()}


def interval(values: Any) -> dict[str, float]:
    """Return the mean and its 95 % interval over the splits."""
    array = np.asarray(values, dtype=float)
    low = high = float("nan")
    if len(array) > 1:
        low, high = stats.t.interval(0.95, len(array) - 1, array.mean(), stats.sem(array))
    return {"mean": round(float(array.mean()), 5), "low": round(float(low), 5), "high": round(float(high), 5)}


def compared(splits: list[dict[str, np.ndarray]]) -> dict[str, Any]:
    """Return the figures of single nets and ensembles, and their differences, paired over the splits."""
    accuracy, gap = ({k: np.array([s[k][:, i].mean() for s in splits]) for k in splits[0]} for i in (0, 1))
    sd = {k: np.array([s[k][:, 1].std(ddof=1) for s in splits]) for k in splits[0]}
    rows: dict[str, Any] = {
        name: {"accuracy": spread(accuracy[name]), "gap": spread(gap[name]), "spread of gap": spread(sd[name])}
        for name in splits[0]
    }
    rows["bagging - single"] = {
        "accuracy": interval(accuracy["bagging"] - accuracy["single"]),
        "gap": interval(gap["bagging"] - gap["single"]),
        "spread of gap": interval(sd["bagging"] - sd["single"]),
    }
    rows["spread of gap, bagging / single"] = round(float(sd["bagging"].mean() / sd["single"].mean()), 4)
    return rows


def table(name: str, n_splits: int, n_seeds: int, *, quick: bool) -> dict[str, Any]:
    """Return the rows of one data set."""
    data, recipe = load(name), (RECIPES[name][0], 1 if quick else RECIPES[name][1])
    parts = [split(data, number) for number in range(n_splits)]
    found = {
        label: [runs(part, recipe, mitigation, range(n_seeds), members=3 if quick else MEMBERS) for part in parts]
        for label, mitigation in MITIGATIONS.items()
    }
    result: dict[str, Any] = {label: compared(splits) for label, splits in found.items()}
    for label in list(MITIGATIONS)[1:]:
        result[f"bagging of {label} - plain single net"] = {
            figure: interval(
                [
                    fair["bagging"][:, i].mean() - plain["single"][:, i].mean()
                    for fair, plain in zip(found[label], found["plain"])
                ]
            )
            for i, figure in enumerate(("accuracy", "gap"))
        }
    return {"recipe": {"batch": recipe[0], "epochs": recipe[1]}, "rows": len(data[1]), **result}


def bars_of(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what was asked of bagging."""
    bars = []
    for name, result in results.items():
        for label in MITIGATIONS:
            rows = result[label]
            more = rows["bagging - single"]["accuracy"]["mean"]
            bars.append(bar(f"{name}, {label}: accuracy, bagging - single", more, ">=", 0))
            bars.append(
                bar(f"{name}, {label}: spread of gap, by single", rows["spread of gap, bagging / single"], "<=", 1)
            )
    return bars


def main() -> None:
    """Run all data sets, two at a time, and print JSON."""
    options = arguments(splits="5", seeds="5", only="")
    warnings.simplefilter("ignore")
    n_splits, n_seeds = (1, 2) if options.quick else (int(options.splits), int(options.seeds))
    if options.only:
        print(json.dumps(table(options.only, n_splits, n_seeds, quick=options.quick)))
        return
    names = [name for name in RECIPES if not name.startswith("COMPAS") or (SHARED / "compas").is_dir()]
    names = [name for name in names if name.startswith("German")] if options.quick else names
    command = [sys.executable, "-W", "ignore", str(pathlib.Path(__file__)), "--splits", options.splits]
    command += ["--seeds", options.seeds, *(["--quick"] if options.quick else [])]

    def part(name: str) -> Any:
        done = subprocess.run([*command, "--only", name], stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout.splitlines()[-1])

    with ThreadPoolExecutor(2) as pool:
        results = dict(zip(names, pool.map(part, names)))
    show(
        "bagging",
        data="Adult (43,131 rows), COMPAS (5,278 rows), German credit (1,000 rows); 60 % train, 20 % test",
        results=results,
        bars=bars_of(results),
        quick=options.quick,
        net=list(UNITS),
        members=3 if options.quick else MEMBERS,
        splits=n_splits,
        seeds=n_seeds,
        optimizer="adam, learning rate 0.003",
    )


if __name__ == "__main__":
    main()
