"""An explanation as tables and plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair.explain.attribution import Attribution
from mxfair.explain.gap import gap_decomposition
from mxfair.report._spreadsheet import cell

if TYPE_CHECKING:
    import pandas as pd

    from mxfair.explain.comparison import GapComparison
    from mxfair.explain.decomposition import GapDecomposition
    from mxfair.explain.dependence import PartialDependence
    from mxfair.report._explanation import ExplanationReport, ModelExplanation

#: Tables that are of all models together.
SHARED = ("gap_change", "proxies")


def with_columns_of(first: ModelExplanation, other: ModelExplanation) -> GapDecomposition:
    """Return the first model's gap with what a later step adds to the columns, which is nothing for the first model."""
    own, more = first.gap, other.gap
    if own.columns == more.columns:
        return own
    one, two = first.attribution.grouped(), other.attribution.grouped()
    places = [one.feature_names.index(name) if name in one.feature_names else -1 for name in two.feature_names]
    values = np.where(np.array(places) >= 0, one.values[:, places], 0.0)
    padded = Attribution(
        values,
        one.base_values,
        one.outputs,
        two.data,
        one.method,
        output_name=one.output_name,
        feature_names=two.feature_names,
    )
    part = own.part
    return gap_decomposition(None, two.data, own.groups, attribution=padded, pair=(part.group, part.against))


def model_values(model: ModelExplanation) -> dict[str, Any]:
    """Return one model as values that `plain` knows."""
    decompositions = {"gap": model.gap, "gap_by_label": model.conditional, "gap_from_other_group": model.seen}
    return {
        "name": model.name,
        "additivity_error": model.attribution.additivity_error,
        **{key: None if found is None else found.to_dict() for key, found in decompositions.items()},
        "importance": model.importance.to_frame().reset_index().to_dict("records"),
        "dependence": [_curve(curve).to_dict("records") for curve in model.dependence],
    }


def _curve(curve: PartialDependence) -> pd.DataFrame:
    """Return a curve with the column's name beside its values."""
    frame = curve.to_frame().rename(columns={curve.features[0]: "value"})
    frame.insert(0, "column", curve.features[0])
    return frame


def tables(report: ExplanationReport) -> dict[str, Any]:
    """Return all figures by name; None for what was not measured."""
    models, groups = report.models, report.groups
    later = report.names[1:]
    changes = {name: _neutral(found) for name, found in zip(later, report.comparisons)}
    curves = {model.name: [_curve(one) for one in model.dependence] for model in models}
    by_group = {
        model.name: model.attribution.by_group(groups).rename_axis(["group", "column"]).reset_index()
        for model in models
    }
    proxies = None if report.proxies is None else report.proxies.reset_index().rename(columns={"index": "column"})
    return {
        "gap": _stacked({model.name: model.gap.to_frame() for model in models}),
        "gap_change": _stacked(changes),
        "gap_by_label": _stacked({m.name: m.conditional.to_frame() for m in models if m.conditional is not None}),
        "gap_from_other_group": _stacked({m.name: m.seen.to_frame() for m in models if m.seen is not None}),
        "importance": _stacked({model.name: model.importance.to_frame().reset_index() for model in models}),
        "dependence": _stacked({name: _joined(found) for name, found in curves.items() if found}),
        "contributions_by_group": _stacked(by_group),
        "proxies": proxies,
    }


def _joined(frames: list[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat([frame.astype({"value": object}) for frame in frames], ignore_index=True)


def _neutral(comparison: GapComparison) -> pd.DataFrame:
    """Return a comparison's table with the same columns whatever the models are called."""
    before, after = comparison.names
    renamed = {before: "before", f"{before}_error": "before_error", after: "after", f"{after}_error": "after_error"}
    return comparison.to_frame().rename(columns=renamed)


def _stacked(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame | None:
    """Return tables of models as one, with the model's name in front."""
    import pandas as pd

    if not frames:
        return None
    return pd.concat([frame.assign(model=name) for name, frame in frames.items()], ignore_index=True)[
        ["model", *next(iter(frames.values())).columns]
    ]


def to_csv(table: pd.DataFrame) -> str:
    """Return CSV text in which no name is a formula."""
    safe = table.copy()
    for name in safe.select_dtypes(object).columns:
        safe[name] = [cell(value) if isinstance(value, str) else value for value in safe[name]]
    return str(safe.to_csv(index=False))
