"""Thresholds by group: mxfair's randomized ones against fairlearn's ThresholdOptimizer, on the same scores, in turn.

Both choose mixtures of thresholds for accuracy under a criterion, so that expected rates agree; objective and gap of
both are computed here, from the chances of a positive decision that each gives to the fitted rows. Ratios are medians
of the ratios of each turn. Fixed thresholds (gap at most 0.01), which fairlearn lacks, are timed beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fairlearn
import numpy as np
from _bench import arguments, bar, ratio, show, timed, times
from fairlearn.postprocessing import ThresholdOptimizer
from sklearn.base import BaseEstimator

from mxfair import Criterion, GroupConfusion
from mxfair.criterion import ALL_CRITERIA
from mxfair.postprocessing import GroupThresholds

N_GROUPS = 5
#: Our name of each criterion, and the peer's.
CRITERIA = {
    "demographic_parity": "demographic_parity",
    "equalized_odds": "equalized_odds",
    "equal_opportunity": "true_positive_rate_parity",
}


class Scores(BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """An estimator whose predictions are the one column that it is given."""

    def fit(self, X: Any, y: Any) -> Scores:
        """Learn nothing."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, X: Any) -> np.ndarray:
        """Return the column."""
        return np.asarray(X)[:, 0]


class Data:
    """Scores, labels and groups that differ in base rates and in how well the scores tell."""

    def __init__(self, n_samples: int) -> None:
        rng = np.random.default_rng(0)
        self.groups = rng.integers(0, N_GROUPS, n_samples)
        signal = rng.normal(size=n_samples)
        logits = signal * (0.8 + 0.2 * self.groups) + 0.3 * self.groups - 1
        self.labels = (rng.random(n_samples) < 1 / (1 + np.exp(-logits))).astype(np.int64)
        self.scores = 1 / (1 + np.exp(-(1.2 * signal + 0.2 * self.groups - 0.8)))


def theirs(data: Data, constraint: str) -> ThresholdOptimizer:
    """Return fairlearn's, fitted."""
    peer = ThresholdOptimizer(estimator=Scores(), constraints=constraint, prefit=True, predict_method="predict")
    return peer.fit(data.scores.reshape(-1, 1), data.labels, sensitive_features=data.groups)


def quality(data: Data, chances: np.ndarray, criterion: Criterion) -> dict[str, float]:
    """Return expected accuracy and the gap of expected rates."""
    table = GroupConfusion.of(data.labels, np.stack([1 - chances, chances], axis=1), data.groups)
    accuracy = table.overall.trace() / table.overall.sum()
    return {"accuracy": float(accuracy), "gap": criterion.difference(table)}


def main() -> None:
    """Time all sides in turn and print JSON."""
    options = arguments(repeats="3")
    n_samples = 20_000 if options.quick else 1_000_000
    data, seconds = Data(n_samples), {}
    results: dict[str, Any] = {}
    X = data.scores.reshape(-1, 1)

    def clock(name: str, work: Callable[[], Any], turns: int = 1) -> Any:
        runs = [timed(work) for _ in range(turns)]
        seconds.setdefault(name, []).append(float(np.median([time for time, _ in runs])))
        return runs[-1][1]

    GroupThresholds(randomized=True).fit(data.scores[:5000], data.labels[:5000], data.groups[:5000])  # loads all
    for _ in range(1 if options.quick else int(options.repeats)):
        for name, constraint in CRITERIA.items():
            ours = GroupThresholds(name, randomized=True)
            clock(f"fit, mxfair, {name}", lambda m=ours: m.fit(data.scores, data.labels, data.groups), 5)
            peer = clock(f"fit, fairlearn, {name}", lambda c=constraint: theirs(data, c))
            clock(f"predict, mxfair, {name}", lambda m=ours: m.predict(data.scores, data.groups, random_state=0), 5)
            clock(
                f"predict, fairlearn, {name}",
                lambda m=peer: m.predict(X, sensitive_features=data.groups, random_state=0),
            )
            fixed = GroupThresholds(name, max_gap=0.01)
            clock(f"fit fixed, mxfair, {name}", lambda m=fixed: m.fit(data.scores, data.labels, data.groups))
            criterion = ALL_CRITERIA[name]
            results[name] = {
                "mxfair": quality(data, ours.predict_proba(data.scores, data.groups)[:, 1], criterion),
                "fairlearn": quality(data, peer._pmf_predict(X, sensitive_features=data.groups)[:, 1], criterion),
                "mxfair fixed": {"accuracy": fixed.objective_, "gap": fixed.gap_},
            }
    bars = []
    for name in CRITERIA:
        for what in ("fit", "predict"):
            found = ratio(seconds[f"{what}, fairlearn, {name}"], seconds[f"{what}, mxfair, {name}"])
            results[name][f"{what}: fairlearn / mxfair"] = found
            if what == "fit":
                bars.append(bar(f"fit, fairlearn / mxfair, {name}", found, ">=", 40))
        lost = results[name]["fairlearn"]["accuracy"] - results[name]["mxfair"]["accuracy"]
        bars.append(bar(f"accuracy that fairlearn has more, {name}", lost, "<=", 1e-4))
        bars.append(bar(f"gap of expected rates, {name}", results[name]["mxfair"]["gap"], "<=", 1e-9))
    show(
        "thresholds",
        data=f"{n_samples:,} scores, {N_GROUPS} groups, random; seed 0",
        quick=options.quick,
        peer=f"fairlearn {fairlearn.__version__}",
        results={"seconds": {name: times(values) for name, values in seconds.items()}, **results},
        bars=bars,
    )


if __name__ == "__main__":
    main()
