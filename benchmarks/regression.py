"""Regression: parity of predictions and parity of errors on test rows, by the barycenter, losses, batches and steps.

Communities and Crime, 70 / 30 (the first split is ``RandomState(0).permutation``), group = share of Black residents
above 0.06, which is no feature, and the 99 features with or without the share itself; scikit-learn's diabetes by sex;
and synthetic rows whose two groups (80 and 20 %) want other coefficients, the group being no feature.

- parity: `WassersteinBarycenter` after least squares and after a net, fitted on predictions for the training rows;
  beside it on out-of-fold predictions for these, and, of a model of four fifths of them, on those for the fifth.
- errors: FairBatch with ``criterion="bounded_group_loss"``, `GroupDROLoss` and `BoundedGroupLoss` against plain
  training of the same net from the same start for the same epochs. Epochs are plain training's best ones on a fifth of
  the training rows; a method's setting is that with the lowest error of the worst group there. `limit` is ridge
  regression trained on the worst group's rows alone against one on all: what weighing that group more can win.
- trade-off: penalties, the correlation remover and losses on the same net, at every setting: nothing is chosen.

``--only NAME`` prints one data set.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from _bench import arguments, bar, mx, show, spread
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

from mxfair import Groups, metric, training
from mxfair.data import DataLoader, FairDataLoader
from mxfair.data.controller import GroupDROController, ProportionalController
from mxfair.datasets import load_communities_crime, load_diabetes
from mxfair.loss import (
    BoundedGroupLoss,
    CorrelationPenalty,
    CramerVonMisesPenalty,
    GroupDROLoss,
    HGRPenalty,
    MMDPenalty,
    PenalizedLoss,
    WassersteinPenalty,
    trained_parameters,
)
from mxfair.net import logistic, mlp
from mxfair.postprocessing import WassersteinBarycenter
from mxfair.preprocessing import CorrelationRemover

EPS = (0.0, 0.25, 0.5, 0.75)
STRENGTHS = (0.1, 0.3, 1.0, 3.0)
#: Epochs that plain training may stop after; Adam's learning rate and the batch size.
EPOCHS, RATE, BATCH = (1, 2, 3, 5, 8, 12, 20), 3e-3, 100
PENALTIES = (CorrelationPenalty, MMDPenalty, WassersteinPenalty, CramerVonMisesPenalty, HGRPenalty)
#: What equal errors are sought with: a loss or a controller, by setting.
ERRORS: dict[str, list[Callable[[int], Any]]] = {
    "FairBatch": [lambda _, s=s: ProportionalController(s) for s in (0.05, 0.25, 1.0)],
    "FairBatch, groupdro": [lambda _, s=s: GroupDROController(s) for s in (0.1, 1.0)],
    "GroupDROLoss": [lambda n, s=s: GroupDROLoss(l2(), n, step=s) for s in (0.01, 0.03, 0.1, 0.3)],
    "BoundedGroupLoss": [lambda n, b=b: BoundedGroupLoss(l2(), n, bound=b) for b in (0.05, 0.1, 0.2)],
}


def l2() -> Any:
    """Return the base loss: half the squared error."""
    return mx.gluon.loss.L2Loss()


def synthetic(n: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features, labels and groups: one in five rows has other coefficients and a higher mean."""
    rng = np.random.default_rng(0)
    second = rng.random(n) < 0.2
    X = rng.normal(0, 1, (n, 6)) + 0.7 * second[:, None] * np.array([1, 1, 0, 0, 0, 0])
    common, own = X @ np.array([1.0, 0.5, 0.5, 0, 0, 0]), X @ np.array([0, 0, 0, 0.8, -0.8, 0])
    y = common + np.where(second, own, -own) + 0.5 * second + rng.normal(0, 0.5, n)
    return X, y, np.where(second, "second", "first")


def load(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features, labels and groups."""
    if name == "synthetic":
        return synthetic()
    crime = name.startswith("communities_crime")
    bunch = load_communities_crime() if crime else load_diabetes()
    frame, column = bunch.data, "race" if crime else "sex"
    left_out = ["sex", *(["racepctblack"] if name.endswith("without the share") else [])]
    kept = ~frame.columns.str.startswith("state_") & ~frame.columns.isin(left_out)
    return frame.loc[:, kept].to_numpy(float), bunch.target.to_numpy(float), bunch.groups[column].astype(str).to_numpy()


class Split:
    """Training and test rows, standardised on the training rows, and nets trained on some of them."""

    def __init__(self, data: tuple[np.ndarray, ...], seed: int, epochs: tuple[int, ...]) -> None:
        X, self.y, names = data
        self.seed, self.marks, self.groups = seed, epochs, Groups(names)
        order = np.random.RandomState(seed).permutation(len(self.y))
        self.train, self.test = np.split(order, [round(0.7 * len(order))])
        self.fitted, self.val = np.split(self.train, [round(0.8 * len(self.train))])
        self.X = StandardScaler().fit(X[self.train]).transform(X)
        self.centre, self.unit = self.y[self.train].mean(), self.y[self.train].std()

    def net(self, rows: np.ndarray, epochs: int, kind: str = "mlp", **options: Any) -> np.ndarray:
        """Return predictions for all rows of a net trained on some."""
        return next(self.course(rows, (epochs,), kind, **options))

    def course(
        self,
        rows: np.ndarray,
        marks: tuple[int, ...],
        kind: str,
        *,
        loss: Any = None,
        controller: Any = None,
        X: Any = None,
    ) -> Iterator[np.ndarray]:
        """Yield predictions after so many epochs of one training, from the same start whatever the loss."""
        data = np.ascontiguousarray(self.X if X is None else X, dtype=np.float32)
        label, groups = ((self.y - self.centre) / self.unit).astype(np.float32), self.groups.take(rows)
        mx.random.seed(self.seed)
        net = mlp(data.shape[1], hidden=(32,)) if kind == "mlp" else logistic(data.shape[1])
        net.initialize(mx.init.Xavier(magnitude=1))
        dataset = mx.gluon.data.ArrayDataset(data[rows], label[rows], groups.codes.astype(np.float32))
        loss = l2() if loss is None else loss
        if controller is None:
            loader = DataLoader(dataset, BATCH, shuffle=True, seed=self.seed)
        else:
            options = {"criterion": "bounded_group_loss", "groups": groups, "controller": controller}
            loader = FairDataLoader(dataset, BATCH, net=net, loss=loss, seed=self.seed, **options)
        trainer = mx.gluon.Trainer(trained_parameters(net, loss), "adam", {"learning_rate": RATE})
        done = 0
        for epochs in marks:
            training.fit(net, loader, loss, trainer, epochs - done, progress=False)
            done = epochs
            yield net(mx.nd.array(data)).asnumpy().ravel().astype(float) * self.unit + self.centre

    def by_group(self, preds: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the root mean squared error of each group."""
        return metric.root_mean_squared_error(self.y[rows], preds[rows], self.groups.take(rows)).values

    def error(self, preds: np.ndarray, rows: np.ndarray) -> float:
        """Return the root mean squared error."""
        return float(np.sqrt(np.mean((preds[rows] - self.y[rows]) ** 2)))

    def best_epochs(self, kind: str = "mlp") -> int:
        """Return the epochs after which plain training is best on the validation rows."""
        errors = [self.error(preds, self.val) for preds in self.course(self.fitted, self.marks, kind)]
        return self.marks[int(np.argmin(errors))]

    def figures(self, preds: np.ndarray) -> dict[str, float]:
        """Return what is reported of predictions on the test rows."""
        rows, groups = self.test, self.groups.take(self.test)
        means = metric.mean_prediction(self.y[rows], preds[rows], groups).values
        distance = metric.ks_distance(preds[rows], groups)
        found = {"rmse": self.error(preds, rows), "ks": float(distance.values.max()), "mean_gap": float(np.ptp(means))}
        found["r2"] = float(1 - found["rmse"] ** 2 / self.y[rows].var())
        found["w1_over_sd"] = float(metric.wasserstein_distance(preds[rows], groups).values.max() / preds[rows].std())
        return found | {f"rmse {name}": float(v) for name, v in zip(self.groups.names, self.by_group(preds, rows))}

    def out_of_fold(self, predict: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Return predictions for the training rows by models trained on the other folds."""
        result = np.empty(len(self.train))
        for rest, fold in KFold(5, shuffle=True, random_state=self.seed).split(self.train):
            result[fold] = predict(self.train[rest])[self.train[fold]]
        return result


def repaired(
    split: Split, base: np.ndarray, eps: float, rows: np.ndarray, known: np.ndarray | None = None
) -> np.ndarray:
    """Return all predictions after the barycenter of some rows' predictions, or of others known for these rows."""
    step = WassersteinBarycenter(eps).fit(base[rows] if known is None else known, None, split.groups.take(rows))
    return step.transform(base, split.groups)


def proportional(split: Split, known: np.ndarray) -> float:
    """Return the largest error of W1 between groups of the fitted rows as eps times that before, relative."""
    groups = split.groups.take(split.train)
    before = metric.wasserstein_distance(known, groups).values.max()
    step = WassersteinBarycenter().fit(known, None, groups)
    found = []
    for eps in EPS[1:]:
        after = step.set_params(eps=eps).transform(known, groups)
        found.append(metric.wasserstein_distance(after, groups).values.max() / (eps * before) - 1)
    return float(np.abs(found).max())


def parity(split: Split, epochs: int) -> dict[str, Any]:
    """Return figures of least squares and of the net before and after the barycenter."""

    def least_squares(rows: np.ndarray) -> np.ndarray:
        return LinearRegression().fit(split.X[rows], split.y[rows]).predict(split.X)

    def net(rows: np.ndarray) -> np.ndarray:
        return split.net(rows, epochs)

    found: dict[str, Any] = {}
    for name, predict in (("least squares", least_squares), ("net", net)):
        base, part = predict(split.train), predict(split.fitted)
        found[name] = split.figures(base)
        for eps in EPS:
            found[f"{name}, barycenter {eps:g}"] = split.figures(repaired(split, base, eps, split.train))
        others = split.out_of_fold(predict)
        found[f"{name}, barycenter 0, out of fold"] = split.figures(repaired(split, base, 0.0, split.train, others))
        found[f"{name}, four fifths"] = split.figures(part)
        found[f"{name}, four fifths, barycenter 0, held out"] = split.figures(repaired(split, part, 0.0, split.val))
        found[f"{name}, W1 off eps W1 by"] = {"relative": proportional(split, base[split.train])}
    return found


def equal_errors(split: Split, kind: str) -> dict[str, dict[str, float]]:
    """Return test errors of the worst and the other group, by method, at the epochs of plain training."""
    epochs, n = split.best_epochs(kind), split.groups.n_groups

    def result(preds: np.ndarray) -> dict[str, float]:
        errors = split.by_group(preds, split.test)
        return {"worst": float(errors.max()), "best": float(errors.min()), "rmse": split.error(preds, split.test)}

    plain = split.net(split.fitted, epochs, kind)
    found = {"plain": {**result(plain), "epochs": epochs}}
    for name, settings in ERRORS.items():
        argument = "controller" if name.startswith("FairBatch") else "loss"
        runs = [split.net(split.fitted, epochs, kind, **{argument: make(n)}) for make in settings]
        found[name] = result(min(runs, key=lambda preds: split.by_group(preds, split.val).max()))
    worst = split.groups.codes == int(split.by_group(plain, split.val).argmax())
    own, grid = split.fitted[worst[split.fitted]], np.logspace(-1, 4, 30)
    everybody = RidgeCV(grid).fit(split.X[split.fitted], split.y[split.fitted]).predict(split.X)
    alone = RidgeCV(grid).fit(split.X[own], split.y[own]).predict(split.X)
    at = split.test[worst[split.test]]
    found["limit"] = {"worst": split.error(alone, at), "of": split.error(everybody, at)}
    for one in found.values():
        base = one.get("of", found["plain"]["worst"])
        one["change of the worst"] = one["worst"] / base - 1
    return found


def trade_off(split: Split, epochs: int, strengths: tuple[float, ...]) -> dict[str, dict[str, float]]:
    """Return figures of the net with each penalty and step at each setting."""
    n, found = split.groups.n_groups, {}
    for penalty in PENALTIES:
        for strength in strengths:
            loss = PenalizedLoss(l2(), penalty("demographic_parity", n, strength=strength))
            found[f"{penalty.__name__} {strength:g}"] = split.figures(split.net(split.train, epochs, loss=loss))
    for alpha in (0.5, 1.0):
        step = CorrelationRemover(alpha=alpha).fit(split.X[split.train], groups=split.groups.take(split.train))
        X = step.transform(split.X, groups=split.groups)
        found[f"CorrelationRemover {alpha:g}"] = split.figures(split.net(split.train, epochs, X=X))
    loss = GroupDROLoss(l2(), n, step=0.1)
    found["GroupDROLoss 0.1"] = split.figures(split.net(split.train, epochs, loss=loss))
    controller = ProportionalController()
    found["FairBatch, bounded group loss"] = split.figures(split.net(split.train, epochs, controller=controller))
    return found


def means(runs: list[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Return the spread over the splits of each method's figures."""
    return {name: {key: spread([run[name][key] for run in runs]) for key in runs[0][name]} for name in runs[0]}


def one(name: str, seeds: range, *, quick: bool) -> dict[str, Any]:
    """Return all results of one data set."""
    data = load(name)
    splits = [Split(data, seed, EPOCHS[:1] if quick else EPOCHS) for seed in seeds]
    epochs = [split.best_epochs() for split in splits]
    runs = [parity(split, n) for split, n in zip(splits, epochs)]
    groups = splits[0].groups.take(splits[0].test)
    found: dict[str, Any] = {"rows": len(data[1]), "epochs of the net": epochs}
    found["KS by chance"] = float(metric.ks_distance(np.arange(len(groups)), groups).floor.max())
    found["parity, first split"] = {k: {m: round(v, 5) for m, v in one.items()} for k, one in runs[0].items()}
    found["parity"] = means(runs)
    if name.endswith("without the share"):
        return found
    strengths = STRENGTHS[:1] if quick else STRENGTHS
    found["trade-off"] = means([trade_off(split, n, strengths) for split, n in zip(splits, epochs)])
    for kind in ("linear",) if quick else ("linear", "mlp"):
        found[f"errors, {kind} net"] = means([equal_errors(split, kind) for split in splits])
    return found


def asked(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what was asked for."""
    bars = []
    for name in [name for name in results if name.startswith("communities_crime")]:
        found = results[name]["parity, first split"]
        for model in ("least squares", "net"):
            full, off = found[f"{model}, barycenter 0"], found[f"{model}, W1 off eps W1 by"]
            bars.append(bar(f"{name}, {model}: KS after the barycenter", full["ks"], "<=", 0.13))
            bars.append(bar(f"{name}, {model}: RMSE after the barycenter", full["rmse"], "<=", 0.187))
            bars.append(bar(f"{name}, {model}: W1 off eps W1, fitted rows", off["relative"], "<=", 0.02))
    for name in ("communities_crime", "synthetic"):
        for kind in ("linear", "mlp"):
            found = results[name][f"errors, {kind} net"]
            for method in ("FairBatch", "GroupDROLoss"):
                change = found[method]["change of the worst"]["mean"]
                bars.append(bar(f"{name}, {kind} net: worst group's RMSE by {method}", change, "<=", -0.05))
    return bars


def main() -> None:
    """Run all data sets, two at a time, and print JSON."""
    options = arguments(splits="5", only="")
    warnings.simplefilter("ignore")
    seeds = range(1 if options.quick else int(options.splits))
    if options.only:
        print(json.dumps(one(options.only, seeds, quick=options.quick)))
        return
    names = ["communities_crime", "synthetic", "communities_crime, without the share", "diabetes"]
    names = names[:1] if options.quick else names
    command = [sys.executable, "-W", "ignore", str(pathlib.Path(__file__)), "--splits", options.splits]
    command += ["--quick"] if options.quick else []

    def part(name: str) -> Any:
        done = subprocess.run([*command, "--only", name], stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout.splitlines()[-1])

    with ThreadPoolExecutor(2) as pool:
        results = dict(zip(names, pool.map(part, names)))
    show(
        "regression",
        data="communities_crime (1,993 rows), synthetic (4,000 rows), diabetes (442 rows); 70 / 30",
        results=results,
        bars=[] if options.quick else asked(results),
        quick=options.quick,
        splits=len(seeds),
        net=f"99-32-1, Adam {RATE}, batch {BATCH}; epochs by plain training's validation error",
    )


if __name__ == "__main__":
    main()
