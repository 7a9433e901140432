"""Accuracy and equalized odds of boosted nets on test rows: plain, with fairness costs, and with members of FairBatch.

All members are made alike: one hidden layer of 8 units, 3 epochs of Adam; 20 of them. Train, validation and test rows
are 60, 20 and 20 %. AdaFair runs with the paper's strength of costs, members chosen on its training rows by error rate
and gap (accuracy is what is compared); once with 20 % of the training rows held out for that; and once with the
strength that has the largest validation accuracy minus gap. Nothing is chosen on test rows. Differences are paired: the
same rows and seed; intervals are Student's, 95 %, over the splits.

``--only NAME`` runs one data set.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
from _bench import SHARED, arguments, bar, show, spread
from fairbatch_table import figures, floor, load, split
from scipy.stats import t as student

from mxfair.ensemble import AdaBoostClassifier, AdaFairClassifier, GradientBoostingClassifier
from mxfair.estimator import GluonClassifier, GluonRegressor

#: Batch size.
DATA = {"Adult, sex": 500, "COMPAS, sex": 100, "COMPAS, race": 100, "German credit, sex": 50}
STRENGTHS = (0.5, 1.0, 2.0)
PLAIN, FAIR = "AdaBoost", "AdaFair"
CRITERION = "equalized_odds"


def methods(batch: int, seed: int, *, quick: bool) -> dict[str, list[Any]]:
    """Return estimators by method, one for each setting."""
    options: dict[str, Any] = {"epochs": 1 if quick else 3, "batch_size": batch, "learning_rate": 0.01}
    count = 2 if quick else 20
    member = GluonClassifier((8,), **options)
    same: dict[str, Any] = {"n_estimators": count, "random_state": seed}
    fair: dict[str, Any] = {**same, "balance": 0.0, "validation_fraction": None}
    return {
        PLAIN: [AdaBoostClassifier(member, **same)],
        "gradient boosting": [
            GradientBoostingClassifier(
                GluonRegressor((8,), **options),
                learning_rate=0.3,
                early_stopping=True,
                **{**same, "n_estimators": count if quick else 30},
            )
        ],
        FAIR: [AdaFairClassifier(member, **fair)],
        "AdaFair, members by held-out rows": [AdaFairClassifier(member, **{**fair, "validation_fraction": 0.2})],
        "AdaFair, strength by validation rows": [AdaFairClassifier(member, strength=s, **fair) for s in STRENGTHS],
        "AdaBoost of FairBatch members": [
            AdaBoostClassifier(GluonClassifier((8,), mitigation="fairbatch", **options), **same)
        ],
    }


def measured(model: Any, parts: Any) -> dict[str, Any]:
    """Fit a model and return its figures on validation and test rows."""
    X, y, groups = parts["train"]
    begin = time.perf_counter()
    model.fit(X, y, groups=groups)
    found: dict[str, Any] = {"seconds": time.perf_counter() - begin, "members": model.n_estimators_}
    for part in ("val", "test"):
        X, y, groups = parts[part]
        found[part] = figures(y, model.predict(X).astype(np.float32), groups)
    return found


def one_split(data: Any, batch: int, seed: int, *, quick: bool) -> dict[str, Any]:
    """Return each method's run, of several settings the one with the largest validation accuracy minus gap."""
    parts = split(data, seed)
    row = {}
    for name, models in methods(batch, seed, quick=quick).items():
        runs = [measured(model, parts) for model in models]
        row[name] = max(runs, key=lambda r: r["val"]["accuracy"] - np.nan_to_num(r["val"][CRITERION], nan=1.0))
    _, y, groups = parts["test"]
    row["floor"] = floor(y, (np.arange(len(y)) % 2).astype(np.float32), groups)[CRITERION]
    return row


def interval(differences: Any) -> dict[str, Any]:
    """Return the mean of paired differences and Student's interval."""
    values = np.asarray(differences, dtype=float)
    found: dict[str, Any] = {"mean": round(float(values.mean()), 5), "n": len(values)}
    if len(values) > 1:
        half = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
        found.update(low=round(float(values.mean() - half), 5), high=round(float(values.mean() + half), 5))
    return found


def table(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return each method's figures over the splits, and its differences to plain boosting and to gradient boosting."""
    result: dict[str, Any] = {"chance alone makes a gap of": spread([row["floor"] for row in rows])}
    for name in [name for name in rows[0] if name != "floor"]:
        runs = [row[name] for row in rows]
        entry: dict[str, Any] = {
            "accuracy": spread([run["test"]["accuracy"] for run in runs]),
            "gap": spread([run["test"][CRITERION] for run in runs]),
            "members": [run["members"] for run in runs],
            "seconds": round(float(np.median([run["seconds"] for run in runs])), 2),
        }
        for other in (PLAIN, "gradient boosting"):
            if name != other:
                pairs = [(run["test"], row[other]["test"]) for run, row in zip(runs, rows)]
                entry[f"against {other}"] = {
                    "accuracy": interval([a["accuracy"] - b["accuracy"] for a, b in pairs]),
                    "gap": interval([a[CRITERION] - b[CRITERION] for a, b in pairs]),
                }
        result[name] = entry
    return result


def main() -> None:
    """Run all data sets and print JSON."""
    options = arguments(splits="5", only="")
    warnings.simplefilter("ignore")
    names = [name for name in DATA if not name.startswith("COMPAS") or (SHARED / "compas").is_dir()]
    names = [options.only] if options.only else names[-1:] if options.quick else names
    seeds = range(1 if options.quick else int(options.splits))
    results, bars = {}, []
    for name in names:
        data = load(name)
        rows = [one_split(data, DATA[name], seed, quick=options.quick) for seed in seeds]
        results[name] = found = table(rows)
        against = found[FAIR][f"against {PLAIN}"]
        bars += [
            bar(f"{name}: equalized odds of {FAIR} minus that of {PLAIN}", against["gap"]["mean"], "<=", 0.0),
            bar(f"{name}: accuracy of {FAIR} minus that of {PLAIN}", against["accuracy"]["mean"], ">=", -0.01),
        ]
    show(
        "boosting",
        data="Adult (43,131 rows), COMPAS (5,278 rows), German credit (1,000 rows); 60 / 20 / 20",
        results=results,
        bars=bars,
        quick=options.quick,
        splits=len(seeds),
        member="one hidden layer of 8 units, 3 epochs, Adam at .01; 20 members, 30 stages of gradient boosting at .3",
    )


if __name__ == "__main__":
    main()
