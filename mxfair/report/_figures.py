"""The page's figures, as SVG with a title and a description each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mxfair.report import _score_plots, plots
from mxfair.report._drivers import explanation_title
from mxfair.report._figure_gaps import DISTANCES
from mxfair.report._format import heading, one_line
from mxfair.report._history import share_columns
from mxfair.report._svg import to_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mxfair.report._report import FairnessReport

#: Models with panels of their own in the plots of scores; parts of explanations that are drawn.
_MODELS, MAX_PARTS = 4, 6


def _svg(figure: Figure, title: str, text: str, key: str) -> str:
    return to_svg(figure, title=one_line(title, 120), label=one_line(text, 300), key=key)


def rates(report: FairnessReport) -> list[list[str]]:
    """Return the plots by group, in blocks that begin a row of their own."""
    found = []
    for place, key in enumerate(plots.default_rates(report)):
        figure = plots.plot_rates(report, rates=[key], legend=False)
        text = f"{heading(key)} of each group with {', '.join(report.names)}, and 95 % intervals; see the table."
        found.append(_svg(figure, f"{heading(key)} by group", text, f"rate{place}"))
    return [*_distributions(report), found] if report.task == "regression" else [found]


def _distributions(report: FairnessReport) -> list[list[str]]:
    """Return how predictions and residuals are distributed in each group, and how far apart predictions are."""
    if not all(evaluation.distances for evaluation in report.evaluations):
        return []
    kinds: list[tuple[str, Any, str]] = [
        ("predictions", plots.plot_predictions, "Share of each group that is predicted at most a value, with {}."),
        ("residuals", plots.plot_residuals, "Median, quartiles and middle 90 % of prediction minus label, with {}."),
    ]
    blocks = [
        [
            _svg(
                draw(report, models=[name]),
                f"{kind.capitalize()} by group, {name}",
                text.format(name),
                f"{kind}{place}",
            )
            for place, name in enumerate(report.names)
        ]
        for kind, draw, text in kinds
    ]
    text = "{} between the groups' predictions with each model, and what chance alone gives."
    distances = [
        _svg(plots.plot_distances(report, distances=[d]), heading(d), text.format(heading(d)), d) for d in DISTANCES
    ]
    return [*blocks, distances]


def scores(report: FairnessReport) -> list[list[str]]:
    """Return ROC curves, calibration and score distributions by group, each with the models side by side."""
    kinds: list[tuple[str, Any, str]] = [
        ("ROC", plots.plot_roc, "True against false positive rate of each group with {}, and its AUC."),
        ("Calibration", plots.plot_calibration, "Share of positives against the mean score by group with {}."),
        ("Scores", plots.plot_scores, "Distribution of the scores in each group with {}."),
    ]
    evaluations = _score_plots.scored(report)[:_MODELS]
    blocks: list[list[str]] = []
    for kind, draw, text in kinds if evaluations else []:
        drawn = []
        for place, evaluation in enumerate(evaluations):
            name = evaluation.name
            if kind != "Calibration" or _score_plots.calibrated(evaluation):
                figure = draw(report, models=[name])
                drawn.append(_svg(figure, f"{kind} by group, {name}", text.format(name), f"{kind.lower()}{place}"))
        blocks.append(drawn)
    return [[figure for block in blocks for figure in block]] if len(evaluations) == 1 else blocks


def gaps(report: FairnessReport) -> list[str]:
    """Return the gaps with their intervals."""
    if report.task == "regression":
        return []
    text = "{} gap with its 95 % interval, by model. The table of gaps has the numbers."
    return [
        _svg(plots.plot_gap_intervals(report, criteria=[name]), f"{name}: gap", text.format(name), f"gap{place}")
        for place, name in enumerate(report.gap_rows)
    ]


def changes(report: FairnessReport) -> list[str]:
    """Return what changed in the gaps."""
    if report.task == "regression" or len(report.names) < 2:
        return []
    text = "Change of the {} gap against the baseline with its 95 % interval. The table has the numbers."
    return [
        _svg(plots.plot_changes(report, criteria=[name]), f"{name}: change", text.format(name), f"change{place}")
        for place, name in enumerate(report.gap_rows)
    ]


def front(report: FairnessReport) -> list[str]:
    """Return accuracy against the gap."""
    if report.task == "regression" or (len(report.names) < 2 and not report.front):
        return []
    text = f"Accuracy and {report.criterion.name} gap of each model, with 95 % intervals."
    return [_svg(plots.plot_front(report), "Accuracy and gap", text, "front")]


def explanations(report: FairnessReport) -> list[tuple[dict[str, Any], dict[str, Any], str]]:
    """Return each explanation's parts with their figure."""
    found: list[tuple[dict[str, Any], dict[str, Any], str]] = []
    for place, explanation in enumerate(report.explanations):
        for number, part in enumerate(explanation["parts"]):
            if len(found) < MAX_PARTS:
                title = explanation_title(explanation, part)[0]
                figure = plots.plot_decomposition(explanation, part=number)
                text = f"{title}: what each column contributes, with intervals. The table below has the numbers."
                found.append((explanation, part, _svg(figure, title, text, f"part{place}-{number}")))
    return found


def training(report: FairnessReport) -> list[str]:
    """Return shares, gaps and losses over the epochs."""
    found: list[str] = []
    groups = list(report.baseline.table.groups)
    for place, (name, history) in enumerate(report.histories.items()):
        by_label: dict[str, list[str]] = {}
        for (label, _), column in share_columns(history).items():
            by_label.setdefault(label, []).append(column)
        for label, columns in by_label.items():
            part = history[[c for c in history.columns if c == "epoch" or c in columns]]
            text = f"Share of the batches by group over the epochs, label {label}, model {name}."
            figure = plots.plot_shares(part, groups=groups, columns=1)
            found.append(_svg(figure, f"Share of batches, label {label}", text, f"share{place}-{len(found)}"))
    for column, draw in (("gap", plots.plot_gaps), ("loss", plots.plot_losses)):
        if any(column in history for history in report.histories.values()):
            text = f"{column.capitalize()} over the epochs."
            found.append(_svg(draw(report.histories), f"{column.capitalize()} while training", text, column))
    return found
