"""SHAP values: exactness, errors, memory, and speed against the shap package on the same net, in turn.

An MLP 20-64-64-2 on random data, 100 background rows. shap's explainers call the same net through a function, and
explain 100 rows a turn; KernelExplainer without selecting features (l1_reg=0, which is faster). Permutations are
compared by the time of an evaluation, since ours knows the empty and the full coalition beforehand. Memory is the
peak of a process of its own, above what it held before. Without shap its figures are left out: pip install
'mxfair[shap]'.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
from _bench import arguments, bar, mx, ratio, show, timed, times

import mxfair
from mxfair import explain

N_FEATURES, N_BACKGROUND, ORDERS = 20, 100, 6
#: Megabytes that a batch may take in the memory runs, and their sizes: rows, background.
CAP = 256.0
MEMORY = {"expected_gradients": (100_000, 20), "permutation_shap": (100_000, 5), "deep_shap": (100_000, 20)}


def data(n_rows: int, n_features: int = N_FEATURES, seed: int = 0) -> np.ndarray:
    """Return random rows."""
    return np.random.default_rng(seed).normal(size=(n_rows, n_features)).astype("float32")


def trained(n_features: int = N_FEATURES, hidden: tuple[int, ...] = (64, 64), epochs: int = 20) -> Any:
    """Return a net that has learned a label that bends and interacts."""
    X = data(4000, n_features, seed=1)
    label = (np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2] + X[:, 3] > 0).astype("float32")
    mx.random.seed(0)
    np.random.seed(0)  # noqa: NPY002  # Gluon's loader shuffles by it
    net = mxfair.net.mlp(n_features, 2, hidden)
    net.initialize(mx.init.Xavier())
    trainer = mx.gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 3e-3})
    loader = mx.gluon.data.DataLoader(mx.gluon.data.ArrayDataset(X, label), 100, shuffle=True)
    mxfair.training.fit(net, loader, mx.gluon.loss.SoftmaxCELoss(), trainer, epochs, progress=False)
    return net


def of_linear_nets() -> float:
    """Return the largest difference of any method from w (x - mean)."""
    net = mx.gluon.nn.Dense(1, in_units=8)
    mx.random.seed(0)
    net.initialize(mx.init.Normal(1))
    X, background = data(200, 8), data(N_BACKGROUND, 8, seed=2)
    wanted = net.weight.data().asnumpy()[0] * (X - background.mean(axis=0))
    methods = (explain.expected_gradients, explain.deep_shap, explain.permutation_shap, explain.exact_shap)
    return max(float(np.abs(method(net, X, background).values - wanted).max()) for method in methods)


def coverage(n_rows: int, seeds: int) -> dict[str, float]:
    """Return how often exact values lie within so many standard errors, with 10 columns and 10 orders."""
    net, X, background = trained(10, (32,), 10), data(n_rows, 10), data(30, 10, seed=2)
    exact = explain.exact_shap(net, X, background).values
    found = [explain.permutation_shap(net, X, background, seed=seed) for seed in range(seeds)]
    z = np.abs(np.stack([(a.values - exact) / a.standard_errors for a in found]))
    return {f"within {k} standard errors": float((z < k).mean()) for k in (1, 2, 3)}


def peak(method: str, quick: bool) -> dict[str, float]:
    """Return megabytes of a run in a process of its own."""
    command = [sys.executable, "-W", "ignore", __file__, "--memory", method, *(["--quick"] if quick else [])]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def resident(name: str) -> float:
    """Return megabytes of this process: now (VmRSS) or at its peak (VmHWM)."""
    text = pathlib.Path("/proc/self/status").read_text(encoding="utf-8")
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith(name))) / 1024


def memory(method: str, quick: bool) -> None:
    """Explain many rows and print how far the peak rises."""
    n_rows, n_background = (2000, 5) if quick else MEMORY[method]
    net, X, background = trained(epochs=1), data(n_rows), data(n_background, seed=2)
    more = {"n_permutations": 2, "seed": 0} if method == "permutation_shap" else {}
    run = getattr(explain, method)
    run(net, X[:10], background, **more)
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before = resident("VmRSS")
    found = run(net, X, background, max_memory=CAP, **more)
    after = resident("VmHWM")
    errors = 0 if found.standard_errors is None else found.standard_errors.nbytes
    results = (found.values.nbytes + errors + found.outputs.nbytes) / 2**20
    sys.stdout.write(json.dumps({"rise": after - before, "results": results, "cap": CAP}))


class Peer:
    """The shap package on the same net; None of it where it is not installed."""

    def __init__(self, net: Any, background: np.ndarray) -> None:
        self.shap: Any = None
        paths = sys.path[:]
        sys.path[:] = [path for path in paths if path != os.path.dirname(os.path.abspath(__file__))]
        with contextlib.suppress(ImportError):  # numba looks for the package coverage, and would find ours
            import shap

            self.shap = shap
        sys.path[:] = paths
        self.background = background

        def function(rows: np.ndarray) -> np.ndarray:
            raw = net(mx.nd.array(rows, dtype="float32")).asnumpy()
            return raw[:, 1] - raw[:, 0]

        self.function = function

    def kernel(self, X: np.ndarray) -> np.ndarray:
        """Return KernelExplainer's values."""
        return self.shap.KernelExplainer(self.function, self.background).shap_values(X, silent=True, l1_reg=0)

    def permutation(self, X: np.ndarray) -> np.ndarray:
        """Return PermutationExplainer's values."""
        masker = self.shap.maskers.Independent(self.background, max_samples=len(self.background))
        evaluations = ORDERS * (2 * N_FEATURES + 1)
        return self.shap.PermutationExplainer(self.function, masker, seed=0)(
            X, max_evals=evaluations, silent=True
        ).values


def main() -> None:
    """Measure all and print JSON."""
    options = arguments(memory="", turns="10")
    if options.memory:
        memory(options.memory, options.quick)
        return
    turns, per_turn = (1, 5) if options.quick else (int(options.turns), 100)
    warnings.simplefilter("ignore")
    net, X, background = trained(epochs=2 if options.quick else 20), data(turns * per_turn), data(N_BACKGROUND, seed=2)
    peer = Peer(net, background)
    work = {
        "expected gradients, all rows": lambda part: explain.expected_gradients(net, X, background).values,
        "DeepSHAP, all rows": lambda part: explain.deep_shap(net, X, background).values,
        "permutation SHAP": lambda part: explain.permutation_shap(
            net, part, background, n_permutations=ORDERS, seed=0
        ).values,
    }
    if peer.shap is not None:
        work |= {"shap KernelExplainer": peer.kernel, "shap PermutationExplainer": peer.permutation}
    seconds: dict[str, list[float]] = {name: [] for name in work}
    values: dict[str, list[np.ndarray]] = {name: [] for name in work}
    for call in work.values():
        call(X[:2])
    for turn in range(turns):
        part = X[turn * per_turn : (turn + 1) * per_turn]
        for name, call in work.items():
            taken, found = timed(lambda call=call, part=part: call(part))
            seconds[name].append(taken * (1 if "all rows" in name else turns))
            values[name].append(found)
    exact = explain.permutation_shap(net, X[:per_turn], background, n_permutations=4 if options.quick else 100, seed=1)
    errors = {name: float(np.abs(found[0][:per_turn] - exact.values).mean()) for name, found in values.items()}
    gradients = explain.expected_gradients(net, X, background)
    missed = gradients.additivity_error
    covered = coverage(5 if options.quick else 100, 2 if options.quick else 10)
    peaks = {name: peak(name, options.quick) for name in MEMORY}
    linear = of_linear_nets()
    bars = [
        bar("linear net, largest difference from w (x - mean), any method", linear, "<=", 1e-5),
        bar("exact values within 3 standard errors", covered["within 3 standard errors"], ">=", 0.9),
        bar("additivity error of expected gradients, 100 baselines x 5 points", missed, "<=", 0.015),
    ]
    bars += [bar(f"peak memory, {n}, 100,000 rows, MB", p["rise"], "<=", CAP + p["results"]) for n, p in peaks.items()]
    ratios: dict[str, float] = {}
    if peer.shap is not None:
        ours, theirs = 2 * ORDERS * (N_FEATURES - 1), ORDERS * 2 * N_FEATURES + 1
        ratios["KernelExplainer / expected gradients"] = ratio(
            seconds["shap KernelExplainer"], seconds["expected gradients, all rows"]
        )
        ratios["PermutationExplainer / permutation SHAP, per evaluation"] = (
            ratio(seconds["shap PermutationExplainer"], seconds["permutation SHAP"]) * ours / theirs
        )
        bars += [bar(name, value, ">=", 50 if "Kernel" in name else 3) for name, value in ratios.items()]
    correlation = np.corrcoef(gradients.values[:per_turn].ravel(), exact.values.ravel())[0, 1]
    show(
        "explain_shap",
        data=f"{turns * per_turn:,} random rows, {N_FEATURES} features, MLP 20-64-64-2, {N_BACKGROUND} background rows",
        quick=options.quick,
        peer="shap, not installed" if peer.shap is None else f"shap {peer.shap.__version__}",
        results={
            "seconds for all rows": {name: times(taken) for name, taken in seconds.items()},
            "ratios": ratios,
            "mean absolute difference from 100 x 2 orders": errors,
            "standard deviation of these values": float(exact.values.std()),
            "correlation of expected gradients with them": float(correlation),
            "additivity error by points": {
                str(p): explain.expected_gradients(net, X, background, points=p).additivity_error for p in (1, 5, 20)
            },
            "coverage": covered,
            "memory, MB": peaks,
        },
        bars=bars,
    )


if __name__ == "__main__":
    main()
