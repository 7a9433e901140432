"""The peer of `fairbatch_speed.py`: FairBatch in PyTorch, an index-list DataLoader loop, written from the paper.

Run by a Python that has torch; prints one JSON object with the seconds, test accuracy and disparity of each run.
A batch is a list of row numbers that the sampler puts together from a list per (label, group) cell, as the paper's
algorithm describes it; the data set is indexed with the whole list, so that nothing is collated row by row.
"""

from __future__ import annotations

import json
import pathlib
import sys
import time
from collections.abc import Iterator

import numpy as np
import torch

torch.set_num_threads(1)
STEP, BATCH = 0.005, 100


class Arrays(torch.utils.data.Dataset):
    """Rows of three arrays."""

    def __init__(self, X: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> None:
        self.X, self.y, self.z = X, y, z

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, rows: list[int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return self.X[rows], self.y[rows], self.z[rows]


class FairBatch(torch.utils.data.Sampler):
    """Lists of rows; the share of group 1 in each label moves by a step at the start of an epoch."""

    def __init__(self, model: torch.nn.Module, data: Arrays, criterion: str, seed: int) -> None:
        self.model, self.data, self.criterion = model, data, criterion
        self.rng = np.random.default_rng(seed)
        y, z = data.y.numpy(), data.z.numpy()
        self.cells = {(a, b): np.flatnonzero((y == a) & (z == b)) for a in (0, 1) for b in (0, 1)}
        self.masks = {cell: torch.from_numpy(rows) for cell, rows in self.cells.items()}
        self.label = {a: len(self.cells[a, 0]) + len(self.cells[a, 1]) for a in (0, 1)}
        self.share = {a: len(self.cells[a, 1]) / self.label[a] for a in (0, 1)}

    def __len__(self) -> int:
        return -(-len(self.data) // BATCH)

    def update(self) -> None:
        """Move a share toward the group with the higher loss."""
        with torch.no_grad():
            output = self.model(self.data.X)[:, 0]
            target = torch.ones_like(self.data.y) if self.criterion == "demographic_parity" else self.data.y
            losses = loss_of(output, target, reduction="none")
            sums = {cell: float(losses[rows].sum()) for cell, rows in self.masks.items()}
        if self.criterion == "demographic_parity":
            size = {b: len(self.cells[0, b]) + len(self.cells[1, b]) for b in (0, 1)}
            value = {cell: total / size[cell[1]] for cell, total in sums.items()}
        else:
            value = {cell: total / len(self.cells[cell]) for cell, total in sums.items()}
        gap = {a: value[a, 1] - value[a, 0] for a in (0, 1)}
        label = 1 if self.criterion == "equal_opportunity" else max((0, 1), key=lambda a: abs(gap[a]))
        sign = np.sign(gap[label]) * (-1 if self.criterion == "demographic_parity" and label == 0 else 1)
        self.share[label] = float(np.clip(self.share[label] + sign * STEP, 0, 1))

    def __iter__(self) -> Iterator[list[int]]:
        self.update()
        queues = {}
        for (a, b), rows in self.cells.items():
            share = self.share[a] if b == 1 else 1 - self.share[a]
            per_batch = BATCH * self.label[a] / len(self.data) * share
            edges = np.round(np.arange(len(self) + 1) * per_batch).astype(int)
            rounds = max(1, -(-int(edges[-1]) // len(rows)))
            queues[a, b] = np.concatenate([self.rng.permutation(rows) for _ in range(rounds)]).tolist(), edges.tolist()
        for i in range(len(self)):
            batch: list[int] = []
            for rows, edges in queues.values():
                batch += rows[edges[i] : edges[i + 1]]
            yield batch


def loss_of(output: torch.Tensor, target: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
    """BCE of (tanh(output) + 1) / 2."""
    return torch.nn.functional.binary_cross_entropy((torch.tanh(output) + 1) / 2, target, reduction=reduction)


def run(data: dict[str, np.ndarray], init: list, criterion: str, epochs: int, seed: int) -> dict[str, float]:
    """Train once; return seconds, accuracy and the largest distance of a group's rate to the overall one."""
    model = torch.nn.Linear(3, 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([init[0]]))
        model.bias.copy_(torch.tensor(init[1]))
    train = Arrays(*(torch.from_numpy(data[f"{name}_train"]) for name in ("xz", "y", "z")))
    sampler = FairBatch(model, train, criterion, seed)
    loader = torch.utils.data.DataLoader(train, sampler=sampler, batch_size=None)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-4)
    begin = time.perf_counter()
    for _ in range(epochs):
        for X, y, _z in loader:
            optimizer.zero_grad()
            loss_of(model(X)[:, 0], y).backward()
            optimizer.step()
    seconds = time.perf_counter() - begin
    with torch.no_grad():
        preds = (model(torch.from_numpy(data["xz_test"]))[:, 0] > 0).numpy()
    y, z = data["y_test"], data["z_test"]
    given = {"equal_opportunity": [y == 1], "equalized_odds": [y == 0, y == 1], "demographic_parity": [y >= 0]}[
        criterion
    ]
    distances = [abs(preds[g & (z == b)].mean() - preds[g].mean()) for g in given for b in (0, 1)]
    return {"seconds": seconds, "accuracy": float((preds == y).mean()), "disparity": float(max(distances))}


def main() -> None:
    """Read a job a line, {"criterion", "epochs", "seed"}, and answer each with a line."""
    folder = pathlib.Path(sys.argv[1])
    parts = [f"{name}_{part}" for name in ("xz", "y", "z") for part in ("train", "test")]
    data = {key: np.load(folder / f"{key}.npy").astype(np.float32) for key in parts}
    for part in ("train", "test"):
        data[f"y_{part}"] = (data[f"y_{part}"] > 0).astype(np.float32)
    inits = json.loads((folder / "inits.json").read_text())
    print(json.dumps({"torch": torch.__version__, "numpy": np.__version__}), flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        result = run(data, inits[job["seed"]], job["criterion"], job["epochs"], job["seed"])
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
