"""Accuracy and gap of every mitigation of this kind of net: preprocessing, batch selection and losses, on test rows.

Each method has one setting that trades accuracy for a smaller gap. A method's curve is the mean over the splits of its
settings; its chosen point is, on each split, the setting with the largest validation accuracy minus gap. Train,
validation and test rows are 60, 20 and 20 %; what is fitted before training sees training rows only. All nets are
logistic, trained by the same recipe with the same initial weights and batches.

``--figure FILE`` draws the curves; ``--only NAME`` prints one data set.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from _bench import SHARED, arguments, bar, mx, show, spread
from fairbatch_table import figures, floor, load, split

from mxfair import Groups, training
from mxfair.data import DataLoader, FairDataLoader
from mxfair.data.controller import ProportionalController
from mxfair.loss import (
    AdversarialLoss,
    BoundedGroupLoss,
    CorrelationPenalty,
    CramerVonMisesPenalty,
    FocalGroupLoss,
    GapConstraint,
    GapPenalty,
    GroupDROLoss,
    HGRPenalty,
    HSICPenalty,
    MMDPenalty,
    MutualInformationPenalty,
    PenalizedLoss,
    WassersteinPenalty,
    trained_parameters,
)
from mxfair.preprocessing import (
    CellSMOTE,
    CorrelationRemover,
    DisparateImpactRemover,
    FairRepresentation,
    ProxySuppressor,
    Reweighing,
    massage,
    oversample_indices,
)

#: Batch size, Adam's learning rate, epochs.
RECIPES = {
    "COMPAS, sex": (100, 3e-3, 60),
    "COMPAS, race": (100, 3e-3, 60),
    "Adult, sex": (500, 5e-3, 25),
}
CRITERIA = ("equalized_odds", "demographic_parity")
STRENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0)
Parts = dict[str, tuple[np.ndarray, np.ndarray, Groups]]


def cross_entropy() -> Any:
    """Return the base loss."""
    return mx.gluon.loss.SigmoidBinaryCrossEntropyLoss()


class Run:
    """A data set's split, a criterion and a recipe: trains a net on rows that a method has changed, or not."""

    def __init__(self, parts: Parts, criterion: str, recipe: tuple[int, float, int], seed: int) -> None:
        self.parts, self.criterion, self.recipe, self.seed = parts, criterion, recipe, seed
        self.n_groups = parts["train"][2].n_groups
        self.over = "cells" if criterion == "equalized_odds" else "groups"

    def train(
        self,
        loss: Any = None,
        *,
        parts: Parts | None = None,
        weights: np.ndarray | None = None,
        controller: Any = None,
    ) -> dict[str, Any]:
        """Return accuracy and gaps on validation and test rows of a net trained from the same start."""
        used = parts or self.parts
        X, y, groups = used["train"]
        batch, rate, epochs = self.recipe
        mx.random.seed(self.seed)
        net = mx.gluon.nn.Dense(1, in_units=X.shape[1])
        net.initialize(mx.init.Xavier())
        third = groups.codes.astype(np.float32) if weights is None else weights.astype(np.float32)
        dataset = mx.gluon.data.ArrayDataset(np.ascontiguousarray(X, dtype=np.float32), y.astype(np.float32), third)
        loss = loss if loss is not None else cross_entropy()
        loader = DataLoader(dataset, batch, shuffle=True, seed=self.seed)
        if controller is not None:
            loader = FairDataLoader(
                dataset,
                batch,
                net=net,
                loss=loss,
                criterion=self.criterion,
                groups=groups,
                controller=controller,
                seed=self.seed,
            )
        trainer = mx.gluon.Trainer(trained_parameters(net, loss), "adam", {"learning_rate": rate})
        if weights is None:
            training.fit(net, loader, loss, trainer, epochs, progress=False)
        else:  # Gluon's sample_weight is the third argument of its own losses
            self._weighted(net, loader, loss, trainer, epochs)
        found = {}
        for part in ("val", "test"):
            X, y, groups = used[part]
            output = net(mx.nd.array(np.ascontiguousarray(X, dtype=np.float32))).asnumpy().ravel()
            truth = self.parts[part]
            found[part] = figures(truth[1], (output > 0).astype(np.float32), truth[2])
        return found

    @staticmethod
    def _weighted(net: Any, loader: Any, loss: Any, trainer: Any, epochs: int) -> None:
        net.hybridize(static_alloc=True, static_shape=True)
        for _ in range(epochs):
            for data, label, weight in loader:
                with mx.autograd.record():
                    value = loss(net(data), label, weight.reshape((-1, 1)))
                value.backward()
                trainer.step(len(data))
        mx.nd.waitall()

    def penalized(self, penalty: Any, **options: Any) -> dict[str, Any]:
        """Train with a penalty of the criterion."""
        return self.train(PenalizedLoss(cross_entropy(), penalty(self.criterion, self.n_groups, **options)))

    def mapped(self, step: Any, *, with_groups: bool = True) -> dict[str, Any]:
        """Train on features that a step fitted on training rows has changed, all parts by the same step."""
        X, y, groups = self.parts["train"]
        step.fit(X, y, groups=groups)
        changed = {
            part: (
                step.transform(values[0], groups=values[2]) if with_groups else step.transform(values[0]),
                *values[1:],
            )
            for part, values in self.parts.items()
        }
        return self.train(parts=changed)

    def rows(self, X: np.ndarray, y: np.ndarray, groups: Groups) -> dict[str, Any]:
        """Train on other training rows."""
        return self.train(parts={**self.parts, "train": (X, y, groups)})

    def reweighed(self, power: float) -> dict[str, Any]:
        """Train with Kamiran and Calders' weights, to a power."""
        _, y, groups = self.parts["train"]
        return self.train(weights=Reweighing().fit(y, groups).weights(y, groups) ** power)

    def massaged(self, _: float) -> dict[str, Any]:
        """Train on massaged labels."""
        X, y, groups = self.parts["train"]
        return self.rows(X, massage(y, groups, features=X).labels, groups)

    def oversampled(self, strategy: str) -> dict[str, Any]:
        """Train with rows of small cells repeated."""
        X, y, groups = self.parts["train"]
        rows = oversample_indices(y, groups, strategy, seed=self.seed)
        return self.rows(X[rows], y[rows], groups.take(rows))

    def smote(self, strategy: str) -> dict[str, Any]:
        """Train with synthetic rows in small cells."""
        X, y, groups = self.parts["train"]
        more, labels, codes = CellSMOTE(strategy, seed=self.seed).fit_resample(X, y, groups)[:3]
        return self.rows(more, labels, Groups(codes))

    def adversary(self, strength: float) -> dict[str, Any]:
        """Train against an adversary."""
        return self.train(
            AdversarialLoss(cross_entropy(), self.n_groups, criterion=self.criterion, strength=strength, seed=self.seed)
        )

    def controlled(self, tolerance: float) -> dict[str, Any]:
        """Train with FairBatch's default controller."""
        return self.train(controller=ProportionalController(tolerance=tolerance))


def penalties() -> dict[str, tuple[str, Callable[[Run, Any], Any], tuple[Any, ...]]]:
    """Return the penalties by name: kind, run, strengths."""
    found = {}
    for penalty in (
        GapPenalty,
        CorrelationPenalty,
        MMDPenalty,
        WassersteinPenalty,
        CramerVonMisesPenalty,
        HSICPenalty,
        HGRPenalty,
        MutualInformationPenalty,
    ):
        found[penalty.__name__] = (
            "loss",
            lambda run, strength, penalty=penalty: run.penalized(penalty, strength=strength),
            STRENGTHS,
        )
    return found


#: Methods by name: kind, how a setting is run, settings. Settings are given here once; none is chosen by test rows.
METHODS: dict[str, tuple[str, Callable[[Run, Any], Any], tuple[Any, ...]]] = {
    "no mitigation": ("none", lambda run, _: run.train(), (0,)),
    "reweighing": ("static reweighing", Run.reweighed, (1.0,)),
    "reweighing to a power": ("preprocessing", Run.reweighed, (0.25, 0.5, 0.75, 1.0)),
    "massaging": ("preprocessing", Run.massaged, (1,)),
    "oversampling": ("preprocessing", Run.oversampled, ("labels within groups", "equal")),
    "CellSMOTE": ("preprocessing", Run.smote, ("labels within groups", "equal")),
    "DisparateImpactRemover": (
        "preprocessing",
        lambda run, level: run.mapped(DisparateImpactRemover(level)),
        (0.25, 0.5, 0.75, 1.0),
    ),
    "CorrelationRemover": (
        "preprocessing",
        lambda run, alpha: run.mapped(CorrelationRemover(alpha=alpha)),
        (0.25, 0.5, 0.75, 1.0),
    ),
    "ProxySuppressor": (
        "preprocessing",
        lambda run, count: run.mapped(ProxySuppressor(n_columns=count, seed=run.seed), with_groups=False),
        (1, 2, 4, 8),
    ),
    "FairRepresentation": (
        "preprocessing",
        lambda run, a_z: run.mapped(FairRepresentation(a_z=a_z, seed=run.seed), with_groups=False),
        (0.1, 1.0, 10.0),
    ),
    "FairBatch": ("batch selection", Run.controlled, (0, 0.02, 0.05, 0.1)),
    **penalties(),
    "GapConstraint": ("loss", lambda run, bound: run.penalized(GapConstraint, bound=bound), (0.01, 0.03, 0.06, 0.1)),
    "AdversarialLoss": ("loss", Run.adversary, STRENGTHS),
    "GroupDROLoss": (
        "loss",
        lambda run, step: run.train(GroupDROLoss(cross_entropy(), run.n_groups, step=step, over=run.over)),
        (0.001, 0.01, 0.1),
    ),
    "BoundedGroupLoss": (
        "loss",
        lambda run, bound: run.train(BoundedGroupLoss(cross_entropy(), run.n_groups, bound=bound, over=run.over)),
        (0.2, 0.3, 0.4, 0.5),
    ),
    "FocalGroupLoss": (
        "loss",
        lambda run, gamma: run.train(FocalGroupLoss(cross_entropy(), run.n_groups, gamma=gamma, over=run.over)),
        (0.5, 1.0, 2.0, 4.0),
    ),
}


def chosen(runs: list[dict[str, Any]], criterion: str) -> dict[str, Any]:
    """Return the run that the rule chooses."""
    return max(runs, key=lambda run: run["val"]["accuracy"] - np.nan_to_num(run["val"][criterion], nan=1.0))


def one_split(data: Any, recipe: Any, seed: int, criterion: str, methods: list[str]) -> dict[str, Any]:
    """Return all runs of each method on one split, one for each setting, and the floor of the gap."""
    parts = split(data, seed)
    run = Run(parts, criterion, recipe, seed)
    found: dict[str, Any] = {}
    for name in methods:
        _, work, settings = METHODS[name]
        found[name] = [work(run, setting) for setting in settings]
    _, y, groups = parts["test"]
    found["floor"] = floor(y, (np.arange(len(y)) % 2).astype(np.float32), groups)[criterion]
    return found


def curves(name: str, seeds: range, *, quick: bool, methods: list[str]) -> dict[str, Any]:
    """Return the curve and the chosen point of each method, for each criterion, on one data set."""
    data, recipe = load(name), RECIPES[name]
    recipe = (*recipe[:2], 1) if quick else recipe
    result: dict[str, Any] = {"recipe": dict(zip(("batch", "learning_rate", "epochs"), recipe)), "rows": len(data[1])}
    for criterion in CRITERIA[:1] if quick else CRITERIA:
        splits = [one_split(data, recipe, seed, criterion, methods) for seed in seeds]
        rows: dict[str, Any] = {"chance alone makes": spread([s["floor"] for s in splits])}
        for method in methods:
            kind, _, settings = METHODS[method]
            points = [
                {
                    "setting": setting,
                    "accuracy": spread([s[method][i]["test"]["accuracy"] for s in splits]),
                    "gap": spread([s[method][i]["test"][criterion] for s in splits]),
                }
                for i, setting in enumerate(settings)
            ]
            picks = [chosen(s[method], criterion) for s in splits]
            base = [chosen(s["reweighing"], criterion) for s in splits]
            rows[method] = {
                "kind": kind,
                "curve": points,
                "chosen": {
                    "accuracy": spread([pick["test"]["accuracy"] for pick in picks]),
                    "gap": spread([pick["test"][criterion] for pick in picks]),
                    "accuracy against reweighing": spread(
                        [a["test"]["accuracy"] - b["test"]["accuracy"] for a, b in zip(picks, base)]
                    ),
                    "gap against reweighing": spread(
                        [a["test"][criterion] - b["test"][criterion] for a, b in zip(picks, base)]
                    ),
                },
            }
        result[criterion] = rows
    return result


def dominating(rows: dict[str, Any], *, kind: str = "loss") -> list[str]:
    """Return the methods of a kind whose chosen point has at least reweighing's accuracy and at most its gap."""
    found = []
    for name, row in rows.items():
        if row.get("kind") == kind:
            point = row["chosen"]
            if point["accuracy against reweighing"]["mean"] >= 0 and point["gap against reweighing"]["mean"] <= 0:
                found.append(name)
    return found


def draw(results: dict[str, Any], path: str) -> None:
    """Draw the curves of equalized odds and demographic parity, one row for each data set."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    styles = {"preprocessing": "--", "loss": "-", "batch selection": "-."}
    figure, axes = plt.subplots(len(results), len(CRITERIA), figsize=(13, 4.4 * len(results)), squeeze=False)
    methods = [k for k, v in next(iter(results.values()))[CRITERIA[0]].items() if v.get("kind") in styles]
    colours = dict(zip(methods, plt.get_cmap("tab20")(np.arange(len(methods)) % 20)))
    markers = dict(zip(methods, "osD^v<>PX*hpd8" * 2))
    for row, (name, result) in zip(axes, results.items()):
        for axis, criterion in zip(row, [c for c in CRITERIA if c in result]):
            rows = result[criterion]
            for method in methods:  # in the order of the settings
                curve = np.array([(p["gap"]["mean"], p["accuracy"]["mean"]) for p in rows[method]["curve"]])
                style = {"ls": styles[rows[method]["kind"]], "marker": markers[method], "color": colours[method]}
                axis.plot(*curve.T, ms=4, lw=1, label=method, **style)
            for method, marker in (("no mitigation", "*"), ("reweighing", "X")):
                point = rows[method]["chosen"]
                where = (point["gap"]["mean"], point["accuracy"]["mean"])
                label = method if axis is axes[0][0] else None
                axis.scatter(*where, s=140, c="black", marker=marker, zorder=5, label=label)
            chance = result[criterion]["chance alone makes"]["mean"]
            axis.axvline(chance, color="grey", lw=1, ls=":")
            axis.set(title=f"{name}: {criterion.replace('_', ' ')}", xlabel="gap on test rows", ylabel="accuracy")
            best = max(p["accuracy"]["mean"] for m in methods for p in rows[m]["curve"])
            axis.set_ylim(best - 0.045, best + 0.005)
            known = [rows[method]["chosen"]["gap"]["mean"] for method in ("no mitigation", "reweighing")]
            axis.set_xlim(0, 1.15 * max(known))
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.suptitle(
        "Means of the splits, a point for each setting. Dashed: preprocessing. Dotted: what chance makes of a gap of 0",
        fontsize=10,
    )
    figure.tight_layout(rect=(0, 0.36 / len(results), 1, 0.985))
    figure.legend(handles, labels, loc="lower center", ncol=5, fontsize=9, frameon=False)
    figure.savefig(path, dpi=100)


def main() -> None:
    """Run all data sets, two at a time, and print JSON."""
    options = arguments(splits="5", only="", figure="", methods="")
    warnings.simplefilter("ignore")
    seeds = range(1 if options.quick else int(options.splits))
    methods = options.methods.split(",") if options.methods else list(METHODS)
    if options.quick:
        methods = ["no mitigation", "reweighing", "CorrelationRemover", "GapPenalty"]
    if options.only:
        print(json.dumps(curves(options.only, seeds, quick=options.quick, methods=methods)))
        return
    names = [name for name in RECIPES if not name.startswith("COMPAS") or (SHARED / "compas").is_dir()]
    names = names[-1:] if options.quick else names
    command = [sys.executable, "-W", "ignore", str(pathlib.Path(__file__)), "--splits", options.splits]
    command += ["--methods", ",".join(methods), *(["--quick"] if options.quick else [])]

    def part(name: str) -> Any:
        done = subprocess.run([*command, "--only", name], stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout.splitlines()[-1])

    with ThreadPoolExecutor(2) as pool:
        results = dict(zip(names, pool.map(part, names)))
    if options.figure:
        draw(results, options.figure)
    wins = {name: {c: dominating(result[c]) for c in CRITERIA if c in result} for name, result in results.items()}
    bars = [
        bar(f"{name}: losses that dominate reweighing on equalized odds", len(won["equalized_odds"]), ">=", 2)
        for name, won in wins.items()
    ]
    show(
        "tradeoff",
        data="Adult (43,131 rows), COMPAS (5,278 rows); 60 / 20 / 20",
        results=results,
        dominate_reweighing=wins,
        bars=bars,
        quick=options.quick,
        splits=len(seeds),
        rule="largest validation accuracy minus validation gap; same for all methods",
    )


if __name__ == "__main__":
    main()
