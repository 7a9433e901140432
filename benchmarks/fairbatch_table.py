"""One table of batch selection against its field: four data sets, five sensitive attributes, three criteria.

Every method trains the same logistic regression (fairlearn's: scikit-learn's) on 60 % of the rows and is measured on
20 %; the other 20 % are for validation. **One rule chooses for all**: of a method's settings, the one with the largest
validation accuracy minus validation gap. Nothing is chosen on test rows. The synthetic data keep the paper's 1,000 test
rows, and split its 2,000 training rows 75 / 25.

A gap is the largest minus the smallest rate of a group: demographic parity, equal opportunity, equalized odds. Each
split has its own seed for rows, initial weights and batches. The *floor* is the gap that chance makes of none: its mean
where both groups have the plain net's overall rates and as many test rows as they have.

"default at the paper's accuracy" is the default with the tolerance whose validation accuracy comes nearest to that of
the published rule's chosen setting.
"""

from __future__ import annotations

import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from _bench import SHARED, arguments, bar, json, mx, pathlib, show, spread

from mxfair import GroupConfusion, Groups, training
from mxfair.criterion import CRITERIA
from mxfair.data import (
    BalancedController,
    DataLoader,
    FairBatchSampler,
    FairDataLoader,
    FairDROController,
    FairGradController,
    GroupDROController,
    NormalizedController,
    PaperController,
    ProbeSet,
    ProportionalController,
    ReweighingController,
)
from mxfair.datasets import fetch_compas, load_adult, load_german_credit
from mxfair.preprocessing import TabularEncoder

NAMES = ("demographic_parity", "equal_opportunity", "equalized_odds")
#: Batch size, learning rate of Adam, epochs.
RECIPES = {
    "synthetic, group": (100, 3e-3, 150),
    "COMPAS, sex": (100, 3e-3, 100),
    "COMPAS, race": (100, 3e-3, 100),
    "German credit, sex": (50, 3e-3, 100),
    "Adult, sex": (500, 3e-3, 60),
}
#: What the FairBatch paper's authors show for the synthetic data: accuracy, distance to the overall rate.
PUBLISHED = {
    "synthetic, group": {
        "demographic_parity": [0.7942, 0.0400],
        "equal_opportunity": [0.8552, 0.0123],
        "equalized_odds": [0.8563, 0.0376],
    }
}
TOLERANCES = (0.0, 0.03, 0.08)
#: By method: its settings. Those that do not look at the criterion are trained once for all three.
SETTINGS: dict[str, list[Any]] = {
    "plain": [None],
    "reweighing": [ReweighingController()],
    "balanced": [BalancedController()],
    "paper": [PaperController(step) for step in (0.005, 0.01, 0.02)],
    "paper, rates": [PaperController(step, compare="rates") for step in (0.005, 0.01, 0.02)],
    "normalized": [NormalizedController(step) for step in (0.005, 0.02)],
    "normalized, rates": [NormalizedController(step, compare="rates") for step in (0.005, 0.02)],
    "fairdro": [FairDROController(rho) for rho in (0.02, 0.1, 0.3)],
    "groupdro": [GroupDROController(step) for step in (0.01, 0.1)],
    "fairgrad": [FairGradController(step) for step in (0.005, 0.02)],
    "default": [ProportionalController(tolerance=tolerance) for tolerance in TOLERANCES],
}
WHATEVER = ("plain", "reweighing", "balanced", "groupdro")


def load(name: str) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray | None]:
    """Return features (a frame or an array), labels, groups, and which rows are for training, where that is given."""
    if name.startswith("synthetic"):
        folder = SHARED / "fairbatch_synthetic"
        parts = {k: [np.load(folder / f"{k}_{part}.npy") for part in ("train", "test")] for k in ("xz", "y", "z")}
        train = np.arange(sum(map(len, parts["y"]))) < len(parts["y"][0])
        return (
            np.concatenate(parts["xz"]).astype(np.float32),
            (np.concatenate(parts["y"]) > 0).astype(np.float32),
            np.concatenate(parts["z"]).astype(int).astype(str),
            train,
        )
    if name.startswith("COMPAS"):
        bunch = fetch_compas(SHARED / "compas")
        kept = bunch.groups["race"].isin(["African-American", "Caucasian"]).to_numpy()
    elif name.startswith("Adult"):
        bunch = load_adult()
        whole = ~bunch.data.isna().any(axis=1) & ~(bunch.data.astype(str) == "?").any(axis=1)
        kept = (whole & bunch.groups["race"].isin(["White", "Black"])).to_numpy()
    else:
        bunch = load_german_credit()
        kept = np.ones(len(bunch.target), dtype=bool)
    frame = bunch.data[kept].reset_index(drop=True)
    groups = bunch.groups[name.split(", ")[1]].astype(str)[kept].to_numpy()
    return frame, bunch.target[kept].to_numpy(np.float32), groups, None


def split(data: Any, seed: int) -> dict[str, Any]:
    """Return (X, y, groups) of the training, validation and test rows."""
    X, y, groups, train = data
    rng = np.random.RandomState(seed)
    if train is None:
        order = rng.permutation(len(y))
        cut = round(0.6 * len(y)), round(0.8 * len(y))
        rows = {"train": order[: cut[0]], "val": order[cut[0] : cut[1]], "test": order[cut[1] :]}
    else:
        order = rng.permutation(np.flatnonzero(train))
        cut = (round(0.75 * len(order)),)
        rows = {"train": order[: cut[0]], "val": order[cut[0] :], "test": np.flatnonzero(~train)}
    if not isinstance(X, np.ndarray):
        encoder = TabularEncoder().fit(X.iloc[rows["train"]])
        X = encoder.transform(X)
    known = Groups(groups)
    return {part: (np.ascontiguousarray(X[r]), y[r], known.take(r)) for part, r in rows.items()}


def figures(y: np.ndarray, preds: np.ndarray, groups: Groups) -> dict[str, float]:
    """Accuracy and gaps."""
    table = GroupConfusion.of(y, preds, groups, classes=np.array([0.0, 1.0]))
    return {"accuracy": float((preds == y).mean()), **{c: CRITERIA[c].difference(table) for c in NAMES}}


def floor(y: np.ndarray, preds: np.ndarray, groups: Groups, draws: int = 2000) -> dict[str, float]:
    """Return the mean gap of test rows of these groups and labels whose decisions do not depend on the group."""
    rng = np.random.default_rng(0)

    def gap_of(kept: np.ndarray) -> np.ndarray:
        sizes, rate = np.bincount(groups.codes[kept], minlength=groups.n_groups), preds[kept].mean()
        rates = rng.binomial(sizes, rate, (draws, len(sizes))) / sizes
        return rates.max(axis=1) - rates.min(axis=1)

    positive, negative = gap_of(y == 1), gap_of(y == 0)
    values = (gap_of(y >= 0), positive, np.maximum(positive, negative))
    return dict(zip(NAMES, (float(v.mean()) for v in values)))


def run(parts: Any, recipe: Any, method: str, controller: Any, criterion: str, seed: int) -> dict[str, Any]:
    """Train once and measure on validation and test rows."""
    X, y, groups = parts["train"]
    batch, rate, epochs = recipe
    mx.random.seed(seed)
    net = mx.gluon.nn.Dense(1, in_units=X.shape[1])
    net.initialize(mx.init.Xavier())
    loss = mx.gluon.loss.SigmoidBinaryCrossEntropyLoss()
    dataset = mx.gluon.data.ArrayDataset(X, y, groups.codes.astype(np.float32))
    sampler: FairBatchSampler | None = None
    if controller is None:
        loader = DataLoader(dataset, batch, shuffle=True, seed=seed)
    else:
        options: dict[str, Any] = {}
        if method == "fairgrad":  # made for rates of batches: a probe of about a batch, drawn anew at each update
            probe = ProbeSet(net, X, y, groups, loss=loss, per_cell=max(25, batch // 4), redraw=True, seed=seed)
            options = {"signal": probe, "update_every": 5}
        loader = FairDataLoader(
            dataset,
            batch,
            net=net,
            loss=loss,
            criterion=criterion,
            groups=groups,
            controller=controller,
            seed=seed,
            **options,
        )
        sampler = loader.batch_sampler
    trainer = mx.gluon.Trainer(net.collect_params(), "adam", {"learning_rate": rate})
    training.fit(net, loader, loss, trainer, epochs, progress=False)
    found: dict[str, Any] = {}
    for part in ("val", "test"):
        X, y, groups = parts[part]
        preds = (net(mx.nd.array(X)).asnumpy().ravel() > 0).astype(np.float32)
        found[part] = figures(y, preds, groups)
    if controller is None:
        found["floor"] = floor(y, preds, groups)
    found["saturated"] = bool(sampler is not None and sampler.history[-1]["at_floor"])
    found["findings"] = [] if sampler is None else [finding.kind for finding in sampler.findings]
    return found


def fairlearn_runs(parts: Any, criterion: str, seed: int) -> dict[str, list[dict[str, Any]]]:
    """ExponentiatedGradient and ThresholdOptimizer around scikit-learn's logistic regression."""
    from fairlearn.postprocessing import ThresholdOptimizer
    from fairlearn.reductions import DemographicParity, EqualizedOdds, ExponentiatedGradient, TruePositiveRateParity
    from sklearn.linear_model import LogisticRegression

    X, y, groups = parts["train"]
    moment = dict(zip(NAMES, (DemographicParity, TruePositiveRateParity, EqualizedOdds)))[criterion]
    constraint = dict(zip(NAMES, ("demographic_parity", "true_positive_rate_parity", "equalized_odds")))[criterion]
    model = LogisticRegression(max_iter=300)
    found: dict[str, list[dict[str, Any]]] = {"fairlearn EG": [], "fairlearn threshold": []}

    def measured(decide: Any) -> dict[str, Any]:
        return {
            part: figures(parts[part][1], np.asarray(decide(*parts[part])).astype(np.float32), parts[part][2])
            for part in ("val", "test")
        }

    for bound in (0.01, 0.03, 0.08):
        mitigator = ExponentiatedGradient(model, moment(difference_bound=bound), max_iter=30)
        mitigator.fit(X, y.astype(int), sensitive_features=groups.codes)
        found["fairlearn EG"].append(measured(lambda X, y, z, m=mitigator: m.predict(X, random_state=seed)))
    optimizer = ThresholdOptimizer(
        estimator=model.fit(X, y.astype(int)), constraints=constraint, prefit=True, predict_method="predict_proba"
    )
    optimizer.fit(X, y.astype(int), sensitive_features=groups.codes)
    decide = partial(_thresholded, optimizer, seed)
    found["fairlearn threshold"].append(measured(decide))
    return found


def _thresholded(optimizer: Any, seed: int, X: Any, y: Any, groups: Groups) -> Any:
    return optimizer.predict(X, sensitive_features=groups.codes, random_state=seed)


def chosen(runs: list[dict[str, Any]], criterion: str) -> dict[str, Any]:
    """Return the run that the rule chooses: the largest validation accuracy minus gap."""
    return max(runs, key=lambda r: r["val"]["accuracy"] - np.nan_to_num(r["val"][criterion], nan=1.0))


def one_split(data: Any, recipe: Any, seed: int) -> dict[str, dict[str, Any]]:
    """Return each method's chosen run by criterion."""
    parts, rows, shared = split(data, seed), {}, {}
    for criterion in NAMES:
        rows[criterion] = row = {}
        trained: dict[str, list[Any]] = {}
        for method, settings in SETTINGS.items():
            if method == "fairdro" and criterion == "demographic_parity":
                continue
            key = (method, "" if method in WHATEVER else criterion)
            if key not in shared:
                shared[key] = [run(parts, recipe, method, c, criterion, seed) for c in settings]
            trained[method] = shared[key]
            row[method] = chosen(shared[key], criterion)
        for method, runs in fairlearn_runs(parts, criterion, seed).items():
            row[method] = chosen(runs, criterion)
        aim = row["paper"]["val"]["accuracy"]
        row["default at the paper's accuracy"] = min(
            trained["default"], key=lambda r: (abs(r["val"]["accuracy"] - aim), r["val"][criterion])
        )
        row["default, as it is"] = trained["default"][0]
        row["paper, as published"] = trained["paper"][0]
    return rows


def table(name: str, seeds: range, *, quick: bool) -> dict[str, Any]:
    """Return the rows of one data set."""
    data, recipe = load(name), RECIPES[name]
    if quick:
        recipe = (*recipe[:2], 2)
    splits = [one_split(data, recipe, seed) for seed in seeds]
    result: dict[str, Any] = {"recipe": dict(zip(("batch", "learning_rate", "epochs"), recipe)), "rows": len(data[1])}
    for criterion in NAMES:
        result[criterion] = {}
        for method in splits[0][criterion]:
            runs = [s[criterion][method] for s in splits]
            plain = [s[criterion]["plain"] for s in splits]
            more = [r["test"][criterion] - p["test"][criterion] for r, p in zip(runs, plain)]
            result[criterion][method] = {
                "accuracy": spread([r["test"]["accuracy"] for r in runs]),
                "gap": spread([r["test"][criterion] for r in runs]),
                "gap against plain": spread(more),
                "saturated": sum(bool(r.get("saturated")) for r in runs),
                "findings": sorted({kind for r in runs for kind in r.get("findings", [])}),
            }
        result[criterion]["floor"] = spread([s[criterion]["plain"]["floor"][criterion] for s in splits])
        if criterion in PUBLISHED.get(name, {}):
            result[criterion]["authors' notebook [accuracy, distance to overall]"] = PUBLISHED[name][criterion]
    return result


def against(results: dict[str, Any], ours: str, theirs: str) -> dict[str, Any]:
    """Return gaps of one row by those of another, over all data sets and criteria, and the difference in accuracy."""
    pairs = [(r[c][ours], r[c][theirs]) for r in results.values() for c in NAMES]
    gaps = np.array([[row["gap"]["mean"] for row in pair] for pair in pairs])
    points = 100 * np.array([a["accuracy"]["mean"] - b["accuracy"]["mean"] for a, b in pairs])
    by_data = {
        name: round(float(gaps[3 * i : 3 * i + 3, 0].sum() / gaps[3 * i : 3 * i + 3, 1].sum()), 3)
        for i, name in enumerate(results)
    }
    return {
        "mean gap / mean gap": round(float(gaps[:, 0].sum() / gaps[:, 1].sum()), 4),
        "by data set": by_data,
        "mean accuracy difference, points": round(float(points.mean()), 3),
    }


def floors(results: dict[str, Any]) -> dict[str, float]:
    """Return what part of the default's gaps chance alone makes, by data set."""
    return {
        name: round(sum(r[c]["floor"]["mean"] for c in NAMES) / sum(r[c]["default"]["gap"]["mean"] for c in NAMES), 3)
        for name, r in results.items()
    }


def bars_of(results: dict[str, Any], compared: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what was asked of the default."""
    worse, saturated = [], 0
    for result in results.values():
        for criterion in NAMES:
            rows = result[criterion]
            beyond = rows["default"]["gap against plain"]
            worse.append(beyond["mean"] - beyond["sd"])
            saturated += sum(rows[k]["saturated"] for k in ("default", "default, as it is"))
    published, tuned = compared["default / paper, as published"], compared["default / paper, step chosen"]
    return [
        bar("default against plain: largest gap beyond the spread", max(worse), "<=", 0),
        bar("default / published rule: mean gap", published["mean gap / mean gap"], "<=", 0.6),
        bar("default / published rule, step chosen: mean gap", tuned["mean gap / mean gap"], "<=", 0.6),
        bar("default - published rule: accuracy, points", published["mean accuracy difference, points"], ">=", -0.5),
        bar("default: runs that end saturated", saturated, "<=", 0),
    ]


def main() -> None:
    """Run all data sets, two at a time, and print JSON."""
    options = arguments(splits="5", only="")
    warnings.simplefilter("ignore")
    if not (SHARED / "fairbatch_synthetic" / "inits.json").is_file() or not (SHARED / "compas").is_dir():
        show("fairbatch_table", data="not found: the data without a licence", results={}, bars=[], quick=True)
        return
    seeds = range(1 if options.quick else int(options.splits))
    if options.only:
        print(json.dumps(table(options.only, seeds, quick=options.quick)))
        return
    names = ["German credit, sex"] if options.quick else list(RECIPES)
    command = [sys.executable, "-W", "ignore", str(pathlib.Path(__file__)), "--splits", options.splits]

    def part(name: str) -> Any:
        flags = ["--quick"] if options.quick else []
        done = subprocess.run([*command, *flags, "--only", name], stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout.splitlines()[-1])

    with ThreadPoolExecutor(2) as pool:
        results = dict(zip(names, pool.map(part, names)))
    compared = {
        "default / paper, as published": against(results, "default", "paper, as published"),
        "default / paper, step chosen": against(results, "default", "paper"),
        "default at the paper's accuracy / paper": against(results, "default at the paper's accuracy", "paper"),
        "default, as it is / paper, as published": against(results, "default, as it is", "paper, as published"),
        "floor / default": floors(results),
    }
    show(
        "fairbatch_table",
        data="FairBatch synthetic, COMPAS (5,278 rows), German credit, Adult (43,131 rows); 60 / 20 / 20",
        results=results,
        compared=compared,
        bars=[] if options.quick else bars_of(results, compared),
        quick=options.quick,
        splits=len(seeds),
        rule="largest validation accuracy minus validation gap; same for all methods",
    )


if __name__ == "__main__":
    main()
