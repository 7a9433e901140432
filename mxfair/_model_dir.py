"""The folder that `mxfair train` writes and `mxfair predict` reads: nets as .params, everything else as JSON."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import InputError, one_of
from mxfair.preprocessing import TabularEncoder, load_step

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "EXPLANATION",
    "check_target",
    "is_explanation",
    "load_model",
    "places",
    "predictions",
    "read_predictions",
    "read_state",
    "save_model",
    "written_whole",
]

#: The second version also says what the nets were trained on (`source`); the first is still read.
_SCHEMAS = ("mxfair.model/1", "mxfair.model/2")
_FILE = "model.json"
#: The post-processor of the first net's predictions.
_STEP = "barycenter"
#: What `mxfair train` writes; nothing else is ever replaced.
WRITTEN = (_FILE, "report.html", "metrics.json", "predictions.csv", "plain.params", "fairbatch.params", f"{_STEP}.npz")
#: The folder inside it that `mxfair explain` writes, and what may lie there.
EXPLANATION = "explain"
EXPLAINED = (
    "explain.html",
    "explain.json",
    "gap.csv",
    "gap_change.csv",
    "gap_by_label.csv",
    "gap_from_other_group.csv",
    "importance.csv",
    "dependence.csv",
    "contributions_by_group.csv",
    "proxies.csv",
)


def check_target(out: Path, overwrite: bool) -> None:
    """Refuse a folder that must not be replaced, before any work is done."""
    out = out.resolve()
    if out == Path.cwd() or out in Path.cwd().parents:
        raise InputError(f"--out must not be the folder you work in; got '{out}'. Name a new one.")
    if out.exists() and not out.is_dir():
        raise InputError(f"--out must be a folder; '{out}' is a file. Choose another name.")
    if out.is_dir() and any(out.iterdir()):
        if not overwrite:
            raise InputError(
                f"--out must be a new or empty folder; '{out}' has files. Add --overwrite or choose another."
            )
        foreign = sorted(p.name for p in out.iterdir() if p.name not in WRITTEN and not is_explanation(p))
        if foreign or not (out / _FILE).is_file():
            raise InputError(
                f"--overwrite replaces only what mxfair train wrote; '{out}' holds other files. Choose another."
            )
    parent = out.absolute().parent
    if not parent.is_dir() and not _can_make(parent):
        raise InputError(f"--out must be in a folder that can be written; '{parent}' cannot be made. Choose another.")
    if parent.is_dir() and not os.access(parent, os.W_OK):
        raise InputError(f"--out must be in a folder that can be written; '{parent}' is not. Choose another.")


def is_explanation(folder: Path) -> bool:
    """Return whether a folder holds what `mxfair explain` wrote, and nothing else."""
    return folder.is_dir() and all(path.name in EXPLAINED for path in folder.iterdir())


def _can_make(folder: Path) -> bool:
    existing = next(p for p in [folder, *folder.parents] if p.exists())
    return existing.is_dir() and os.access(existing, os.W_OK)


@contextlib.contextmanager
def written_whole(out: Path) -> Iterator[Path]:
    """Yield a temporary folder that takes the place of `out` at the end, and vanishes if anything fails."""
    out = out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        folder.chmod(0o755)
        yield folder
        old = Path(tempfile.mkdtemp(prefix=f".{out.name}.old.", dir=out.parent)) if out.exists() else None
        if old is not None:
            os.replace(out, old)
        try:
            os.replace(folder, out)
        except OSError:
            if old is not None:
                os.replace(old, out)
            raise
        if old is not None:
            shutil.rmtree(old)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def save_model(
    folder: Path, nets: dict[str, Any], encoder: TabularEncoder, description: dict[str, Any], step: Any = None
) -> None:
    """Write nets (one .params file each), how to feed them, and what comes after the first of them."""
    for name, net in nets.items():
        net.save_parameters(str(folder / f"{name}.params"))
    after = []
    if step is not None:
        step.save(folder / f"{_STEP}.npz")
        after = [_STEP]
    state = {"schema": _SCHEMAS[-1], **description, "models": [*nets, *after], "encoder": encoder.to_dict()}
    (folder / _FILE).write_text(json.dumps(state, indent=1, ensure_ascii=False), encoding="utf-8")


def load_model(folder: Path, name: str | None) -> tuple[Any, TabularEncoder, dict[str, Any], Any]:
    """Return a net, its encoder, its description, and its post-processor or None; `name` None means the last model."""
    from mxfair import net as nets
    from mxfair import postprocessing  # noqa: F401  # its steps can be read once it is imported

    state = read_state(folder)
    try:
        encoder = TabularEncoder.from_dict(state["encoder"])
        name = one_of(name or state["models"][-1], state["models"], "--model")
        net = nets.make(state["net"], len(encoder.get_feature_names_out()), state["n_outputs"])
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise _damaged(folder, error) from error
    step = None
    if name == _STEP:
        name, step = state["models"][0], _load_step(folder / f"{_STEP}.npz")
    params = folder / f"{name}.params"
    try:
        net.load_parameters(str(params))
    except Exception as error:  # mxnet raises MXNetError, AssertionError or OSError, depending on the damage
        raise InputError(f"'{params}' is missing or damaged. Train the model again.") from error
    return net, encoder, state, step


def read_state(folder: Path) -> dict[str, Any]:
    """Return what model.json says."""
    if not (folder / _FILE).is_file():
        raise InputError(f"'{folder}' must be a folder that mxfair train wrote; it has no {_FILE}. Check the path.")
    try:
        state: dict[str, Any] = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        if state.get("schema") not in _SCHEMAS:
            raise InputError(f"'{folder / _FILE}' must have the schema {_SCHEMAS[-1]!r}; got {state.get('schema')!r}.")
        _check_state(state)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise _damaged(folder, error) from error
    return state


def _damaged(folder: Path, error: Exception) -> Exception:
    """Return the error to raise: what is wrong by our own checks as it is, anything else as damage."""
    if isinstance(error, InputError):
        return error
    return InputError(f"'{folder / _FILE}' is damaged ({type(error).__name__}). Train the model again.")


def read_predictions(folder: Path) -> pd.DataFrame | None:
    """Return the recorded rows, labels and predictions of the test rows; None where they are gone or damaged."""
    import pandas as pd

    try:
        found = pd.read_csv(folder / "predictions.csv", dtype={"label": str}, keep_default_na=False)
        found["row"] = found["row"].astype(np.int64)
        found["label"]  # it must be there
    except (OSError, ValueError, LookupError):
        return None
    return found


def _check_state(state: dict[str, Any]) -> None:
    """Raise ValueError or LookupError where a description would give predictions in another unit, or none."""
    classes, scale = state["classes"], state.get("scale")
    if not classes:
        mean, deviation = (float(value) for value in scale or ())
        if not (np.isfinite(mean) and np.isfinite(deviation) and deviation > 0):
            raise ValueError("scale")
    elif scale is not None:
        raise ValueError("scale")
    if _STEP in state["models"] and (state["models"][0] == _STEP or not state["group_columns"]):
        raise ValueError("models")


def _load_step(path: Path) -> Any:
    try:
        return load_step(path)
    except (InputError, OSError) as error:
        raise InputError(f"'{path}' is missing or damaged. Train the model again.") from error


def places(scores: np.ndarray) -> np.ndarray:
    """Return the place of the class that each score decides for."""
    return (scores > 0.5).astype(np.int64) if scores.ndim == 1 else scores.argmax(axis=1)


def predictions(scores: np.ndarray, classes: list[Any], prefix: str = "") -> pd.DataFrame:
    """Return scores and decisions as columns; two classes have one score, that of the positive class.

    Without classes the scores are predictions of a regression.
    """
    import pandas as pd

    if not classes:
        return pd.DataFrame({f"{prefix}prediction": scores})
    if scores.ndim == 1:
        columns = {f"{prefix}score": scores}
    else:
        columns = {f"{prefix}score[{c}]": scores[:, i] for i, c in enumerate(classes)}
    return pd.DataFrame({**columns, f"{prefix}prediction": np.array(classes, dtype=object)[places(scores)]})
