"""One-vs-rest AUC of a thousand classes against scikit-learn's, with and without groups.

Both sides take the same 50,000 x 1,000 matrix of probabilities in turn, in one process with one thread. The ratio of
times is the median of the ratios of each turn; the values are compared class by class, in float32 and, on fewer
classes, in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from _bench import arguments, bar, ratio, show, timed, times
from sklearn.metrics import roc_auc_score

from mxfair import Groups
from mxfair.metric.multiclass_auc import roc_auc_ovr

#: Classes of the comparison in float64.
CLASSES_64 = 100


def data(n_samples: int, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and float32 probabilities of a net that has learnt something."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(n_samples) % n_classes)
    scores = rng.normal(size=(n_samples, n_classes)).astype(np.float32)
    scores[np.arange(n_samples), labels] += 2
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    return labels, scores


def theirs(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return scikit-learn's AUC of each class."""
    return roc_auc_score(labels, scores, multi_class="ovr", average=None)


def difference_64(labels: np.ndarray, scores: np.ndarray) -> float:
    """Return the largest difference of values in float64, on the samples of some classes."""
    rows = labels < CLASSES_64
    part = scores[rows, :CLASSES_64].astype(float)
    part /= part.sum(axis=1, keepdims=True)
    return float(np.abs(roc_auc_ovr(labels[rows], part).values - theirs(labels[rows], part)).max())


def main() -> None:
    """Time all sides in turn and print JSON."""
    options = arguments(repeats="3")
    n_samples, n_classes = (2000, 120) if options.quick else (50_000, 1_000)
    labels, scores = data(n_samples, n_classes)
    groups = Groups(np.random.default_rng(1).integers(0, 2, n_samples))
    work: dict[str, Callable[[], Any]] = {
        "mxfair": lambda: roc_auc_ovr(labels, scores),
        "mxfair, two groups": lambda: roc_auc_ovr(labels, scores, groups),
        "scikit-learn": lambda: theirs(labels, scores),
    }
    roc_auc_ovr(labels, scores)  # loads what is loaded on first use
    seconds: dict[str, list[float]] = {name: [] for name in work}
    found: dict[str, Any] = {}
    for _ in range(1 if options.quick else int(options.repeats)):
        for name, step in work.items():
            spent, found[name] = timed(step)
            seconds[name].append(spent)

    def against(slow: str, fast: str) -> float:
        return ratio(seconds[slow], seconds[fast])

    difference = float(np.abs(found["mxfair"].values - found["scikit-learn"]).max())
    wide, by_group = difference_64(labels, scores), found["mxfair, two groups"]
    bars = [
        bar("scikit-learn's time against ours", against("scikit-learn", "mxfair"), ">=", 10),
        bar("scikit-learn's time against ours by group", against("scikit-learn", "mxfair, two groups"), ">=", 10),
        bar("largest difference of a class's AUC, float32", difference, "<=", 1e-6),
        bar("largest difference of a class's AUC, float64", wide, "<=", 1e-12),
        bar("time by group against time overall", against("mxfair, two groups", "mxfair"), "<=", 2),
    ]
    show(
        "auc",
        data=f"{n_samples:,} samples x {n_classes:,} classes, float32 probabilities, {n_samples // n_classes} a class",
        results={name: times(values) for name, values in seconds.items()},
        difference={"float32": difference, "float64": wide},
        random_groups={"mean_gap": float(by_group.gaps.mean()), "noise_floor": float(by_group.floor.mean())},
        bars=bars,
        quick=options.quick,
    )


if __name__ == "__main__":
    main()
