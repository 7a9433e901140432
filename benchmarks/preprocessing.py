"""Transforming a million rows of twenty columns: mxfair's steps against their peers, in turn, in one process.

Both sides are fitted on the same rows, are asked for the same matrix, and run in turn; a ratio is the median of the
ratios of each turn, above 1 where mxfair is faster. Ten columns are normal, five log-normal, five whole numbers. A step
is added by a line in STEPS. The peer is scikit-learn, fairlearn for the correlation remover, and for the repair and the
weights the formula in plain NumPy.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import sklearn
from _bench import arguments, bar, ratio, show, timed, times
from sklearn import impute
from sklearn import preprocessing as peer

from mxfair import preprocessing as ours

FORMS = ("float64", "float32", "frame")


class Data:
    """The features in the forms that users have them in."""

    def __init__(self, n_samples: int) -> None:
        rng = np.random.default_rng(0)
        self.numbers = rng.normal(5, 3, (n_samples, 20))
        self.numbers[:, 10:15] = np.exp(self.numbers[:, 10:15] / 3)
        self.numbers[:, 15:] = np.round(self.numbers[:, 15:])
        self.continuous = self.numbers + rng.normal(0, 1, self.numbers.shape)  # no ties, beside which formulas differ
        self.gaps = np.where(rng.random(self.numbers.shape) < 0.05, np.nan, self.numbers)
        self.categories = pd.DataFrame({f"c{i}": rng.choice(list("abcdefgh"), n_samples) for i in range(5)})
        self.group = rng.integers(0, 2, n_samples)

    def of(self, kind: str, form: str) -> Any:
        """Return the rows of one kind in one form."""
        rows = getattr(self, kind)
        if form == "frame" and not isinstance(rows, pd.DataFrame):
            return pd.DataFrame(rows, columns=[f"c{i}" for i in range(rows.shape[1])])
        return rows.astype(np.float32) if form == "float32" else rows


@dataclasses.dataclass(frozen=True)
class Pair:
    """A step of ours and the peer's; without a peer, only its time is shown.

    `rows` of the matrix named `kind` are transformed; fewer than all make no bar. Where the group is needed, `use` is
    ``use(fitted step, X, group)``; it is called for both sides.
    """

    ours: Callable[[], Any]
    peer: Callable[[], Any] | None = None
    kind: str = "numbers"
    forms: tuple[str, ...] = FORMS
    rows: int | None = None
    fit: Callable[[Any, Any, Any], Any] = lambda step, X, group: step.fit(X)
    use: Callable[[Any, Any, Any], Any] = lambda step, X, group: step.transform(X)
    against: str = "scikit-learn"


class PlainRepair:
    """Geometric repair as the formula reads: the group's distribution function, then the median quantile function."""

    def fit(self, X: np.ndarray, group: np.ndarray) -> PlainRepair:
        """Store 1,001 quantiles of each group and feature."""
        self.levels = np.linspace(0, 1, 1001)
        self.quantiles = np.stack([np.quantile(X[group == g], self.levels, axis=0) for g in np.unique(group)])
        return self

    def transform(self, X: np.ndarray, group: np.ndarray) -> np.ndarray:
        """Return Q_A(F_g(x))."""
        out, common = np.empty_like(X), np.median(self.quantiles, axis=0)
        for g, own in enumerate(self.quantiles):
            rows = group == g
            for column in range(X.shape[1]):
                level = np.interp(X[rows, column], own[:, column], self.levels)
                out[rows, column] = np.interp(level, self.levels, common[:, column])
        return out


class PlainReweighing:
    """P(y) P(z) / P(y, z) as it is usually written: a mask for each cell."""

    def fit(self, labels: np.ndarray, groups: np.ndarray) -> PlainReweighing:
        """Count the cells."""
        self.cells = {
            (y, z): (labels == y).mean() * (groups == z).mean() / ((labels == y) & (groups == z)).mean()
            for y in np.unique(labels)
            for z in np.unique(groups)
        }
        return self

    def weights(self, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """Return a weight for each sample."""
        out = np.empty(len(labels))
        for (y, z), weight in self.cells.items():
            out[(labels == y) & (groups == z)] = weight
        return out


def _fairlearn() -> Callable[[], Any] | None:
    """Return fairlearn's remover where fairlearn is installed."""
    with contextlib.suppress(ImportError):
        from fairlearn.preprocessing import CorrelationRemover

        return lambda: CorrelationRemover(sensitive_feature_ids=[19])
    return None


ONE_FORM = ("float64",)
STEPS = {
    "StandardScaler": Pair(ours.StandardScaler, peer.StandardScaler),
    "MinMaxScaler": Pair(ours.MinMaxScaler, peer.MinMaxScaler),
    "MaxAbsScaler": Pair(ours.MaxAbsScaler, peer.MaxAbsScaler),
    "RobustScaler": Pair(ours.RobustScaler, peer.RobustScaler),
    "Normalizer": Pair(ours.Normalizer, peer.Normalizer),
    "PowerTransformer": Pair(ours.PowerTransformer, peer.PowerTransformer),
    "QuantileTransformer": Pair(
        lambda: ours.QuantileTransformer(random_state=0),
        lambda: peer.QuantileTransformer(random_state=0),
        forms=ONE_FORM,
    ),
    "QuantileTransformer, normal": Pair(
        lambda: ours.QuantileTransformer(output_distribution="normal", random_state=0),
        lambda: peer.QuantileTransformer(output_distribution="normal", random_state=0),
        forms=ONE_FORM,
    ),
    "SimpleImputer": Pair(ours.SimpleImputer, impute.SimpleImputer, "gaps"),
    "SimpleImputer, indicators": Pair(
        lambda: ours.SimpleImputer(add_indicator=True), lambda: impute.SimpleImputer(add_indicator=True), "gaps"
    ),
    "KNNImputer": Pair(ours.KNNImputer, impute.KNNImputer, "gaps", ONE_FORM, rows=2_000),
    "OneHotEncoder": Pair(
        ours.OneHotEncoder, lambda: peer.OneHotEncoder(sparse_output=False), "categories", ("frame",)
    ),
    "OrdinalEncoder": Pair(ours.OrdinalEncoder, peer.OrdinalEncoder, "categories", ("frame",)),
    "ByGroup(StandardScaler)": Pair(
        lambda: ours.ByGroup(ours.StandardScaler()),
        forms=ONE_FORM,
        fit=lambda step, X, group: step.fit(X, groups=group),
        use=lambda step, X, group: step.transform(X, groups=group),
    ),
    "CorrelationRemover": Pair(
        lambda: ours.CorrelationRemover(sensitive=[19], continuous=[19]),
        _fairlearn(),
        forms=ONE_FORM,
        against="fairlearn",
    ),
    "CorrelationRemover, fit and transform": Pair(
        lambda: ours.CorrelationRemover(sensitive=[19], continuous=[19]),
        _fairlearn(),
        forms=ONE_FORM,
        use=lambda step, X, group: step.fit(X).transform(X),
        against="fairlearn",
    ),
    # the formula clamps values beyond the fitted ones, ours shifts them: hence the largest difference
    "DisparateImpactRemover": Pair(
        ours.DisparateImpactRemover,
        PlainRepair,
        "continuous",
        ONE_FORM,
        fit=lambda step, X, group: step.fit(X, group) if isinstance(step, PlainRepair) else step.fit(X, groups=group),
        use=lambda step, X, group: step.transform(X, group),
        against="the formula in NumPy",
    ),
    "Reweighing": Pair(
        ours.Reweighing,
        PlainReweighing,
        forms=ONE_FORM,
        fit=lambda step, X, group: step,
        use=lambda step, X, group: step.fit(X[:, 0] > 5, group).weights(X[:, 0] > 5, group),
        against="the formula in NumPy",
    ),
}


def compare(pair: Pair, data: Data, form: str, repeats: int) -> dict[str, Any]:
    """Return the seconds of both sides, the median ratio and the largest difference of their results."""
    X, group = data.of(pair.kind, form), data.group
    X, group = (X[: pair.rows], group[: pair.rows]) if pair.rows else (X, group)
    fitted = X[:100_000]  # of the transform only the time is asked for
    sides = {
        name: pair.fit(make(), fitted, group[:100_000])
        for name, make in (("mxfair", pair.ours), (pair.against, pair.peer))
        if make is not None
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(repeats + 1):
        out = {}
        for name, step in sides.items():
            took, out[name] = timed(lambda step=step: pair.use(step, X, group))
            if turn:  # the first warms up
                seconds[name].append(took)
    found: dict[str, Any] = {"seconds": {name: times(values) for name, values in seconds.items()}}
    if pair.peer is not None:
        difference = np.abs(np.asarray(out["mxfair"]) - np.asarray(out[pair.against]))
        found["ratio"] = ratio(seconds[pair.against], seconds["mxfair"])
        found["largest difference"] = float(np.nanmax(difference))
    return found


def main() -> None:
    """Time all steps and print JSON."""
    options = arguments(repeats="5", only="")
    n_samples = 5_000 if options.quick else 1_000_000
    repeats = 1 if options.quick else int(options.repeats)
    data = Data(n_samples)
    chosen = {name: pair for name, pair in STEPS.items() if options.only in name}
    results = {name: {form: compare(pair, data, form, repeats) for form in pair.forms} for name, pair in chosen.items()}
    show(
        "preprocessing",
        data=f"{n_samples:,} rows x 20 columns (5 of text for encoders), random; seed 0; KNNImputer: 2,000 rows",
        quick=options.quick,
        peer=f"scikit-learn {sklearn.__version__}",
        results=results,
        bars=[
            bar(f"{STEPS[name].against} / mxfair, {name}, {form}", found["ratio"], ">=", 1.0)
            for name, forms in results.items()
            for form, found in forms.items()
            if "ratio" in found and STEPS[name].rows is None
        ],
    )


if __name__ == "__main__":
    main()
