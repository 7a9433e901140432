"""The command line: ``mxfair train``, ``predict``, ``explain``, ``audit`` and ``compare``."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

import mxfair
from mxfair._validation import InputError, InputTypeError
from mxfair.criterion import CRITERIA

__all__ = ["main"]

# Small nets on shared cores run faster and far steadier with one thread; a user's own setting is kept.
os.environ.setdefault("OMP_NUM_THREADS", "1")


#: Commands of which code 1 says that a gate did not pass, and nothing else.
_GATED = ("audit", "compare")


def _explained(command: Callable[..., None]) -> Callable[..., None]:
    """Show what is wrong with the input as one sentence with exit code 2; anything else is a defect of mxfair."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", module="mxnet")
                warnings.showwarning = _note
                command(*args, **kwargs)
        except (InputError, InputTypeError) as error:
            click.echo(f"Error: {_visible(error)}", err=True)
            sys.exit(2)
        except (FloatingPointError, ImportError, OSError) as error:
            click.echo(f"Error: {_visible(error)}", err=True)
            sys.exit(2 if command.__name__ in _GATED else 1)

    return run


def _note(message: Warning | str, *_: Any, **__: Any) -> None:
    """Show a warning as one line."""
    click.echo(f"Note: {_visible(message)}", err=True)


def _visible(text: object) -> str:
    """Return a text without characters that a terminal would obey, which names in a file may hold."""
    return "".join(c if c.isprintable() else "?" for c in str(text))


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(mxfair.__version__)
def main() -> None:
    """Measure and mitigate unfairness in models trained with Apache MXNet Gluon."""


@main.command()
@click.option(
    "--data",
    required=True,
    metavar="NAME|FILE",
    help="adult, german_credit, compas, zafar; communities_crime, diabetes (regressions); or a .csv or .parquet file.",
)
@click.option("--label", metavar="COLUMN", help="The column to predict (files only).")
@click.option(
    "--positive", metavar="VALUE", help="The label value that counts as positive (files with two text labels)."
)
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="COLUMN",
    help="A sensitive column, or a column of numbers cut in two, as in 'income>50000'; repeat it to cross several.",
)
@click.option(
    "--task",
    metavar="NAME",
    help="classification or regression (files only). Default: regression where the label has fractions or more than "
    "100 different numbers.",
)
@click.option("--exclude", multiple=True, metavar="COLUMN", help="A column not to train on; repeatable.")
@click.option(
    "--criterion",
    metavar="NAME",
    help=f"What should be equal: {', '.join(CRITERIA)} (default: equalized_odds); of a regression bounded_group_loss "
    "(errors, the default) or demographic_parity (predictions).",
)
@click.option(
    "--controller",
    default="proportional",
    show_default=True,
    metavar="NAME",
    help="How FairBatch moves shares: proportional, paper (the published rule), normalized, fairdro, groupdro, "
    "fairgrad, reweighing or balanced.",
)
@click.option("--signal", default="full", show_default=True, metavar="NAME", help="full or probe: what is measured.")
@click.option("--update-every", type=click.IntRange(min=1), help="Batches between updates. Default: once an epoch.")
@click.option(
    "--postprocess",
    metavar="NAME",
    help="barycenter: also move the plain net's predictions so that all groups share their distribution (regression).",
)
@click.option("--eps", type=click.FloatRange(0, 1), help="How much of a distance barycenter leaves: 0 (default) to 1.")
@click.option("--net", "net_name", default="logistic", show_default=True, metavar="NAME", help="logistic or mlp.")
@click.option("--epochs", default=30, show_default=True, type=click.IntRange(min=1))
@click.option("--batch-size", type=click.IntRange(min=1), help="Default: 256, or all training rows if there are fewer.")
@click.option("--learning-rate", default=0.001, show_default=True, type=click.FloatRange(min=0, min_open=True))
@click.option("--test-size", default=0.3, show_default=True, type=float, help="Where no split was published.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0, max=2**31 - 1))
@click.option(
    "--out", required=True, metavar="DIR", type=click.Path(path_type=Path), help="Folder for report and nets."
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier result in DIR.")
@_explained
def train(**options: Any) -> None:
    """Train a plain and a fair net, and report what changed.

    Both start from the same weights; the second one selects its batches with FairBatch. The label may be a class or,
    for a regression, a number.

    DIR then holds report.html, metrics.json, predictions.csv (test rows), the two nets and model.json, from which
    `mxfair predict` works.
    """
    from mxfair import _main_job

    _main_job.run(_main_job.Options(**options))


@main.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("file", metavar="FILE")
@click.option("--model", metavar="NAME", help="plain, fairbatch or barycenter. Default: the last one in the report.")
@click.option("--out", metavar="FILE", type=click.Path(path_type=Path), help="Write there instead of to the terminal.")
@click.option("--overwrite", is_flag=True, help="Replace the file that --out names.")
@_explained
def predict(folder: Path, file: str, model: str | None, out: Path | None, overwrite: bool) -> None:
    """Score a file's rows with a trained net.

    FILE is a .csv or .parquet file with the columns of training; DIR is what `mxfair train` wrote.
    """
    from mxfair import _main_job

    if out is not None and (out.is_dir() or not out.absolute().parent.is_dir()):
        raise InputError(f"--out must be a file in an existing folder; got '{out}'. Choose another path.")
    if out is not None and out.exists() and (not overwrite or out.samefile(file)):
        raise InputError(f"--out must be a new file; '{out}' exists. Choose another name or add --overwrite.")
    text = _main_job.predict(folder, file, model)
    if out is None:
        click.echo(text, nl=False)
    else:
        from mxfair.report._files import write_text

        write_text(out, text)


@main.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--data", metavar="NAME|FILE", help="Explain all rows of these data instead of the test rows.")
@click.option("--model", "models", multiple=True, metavar="NAME", help="plain, fairbatch or barycenter; repeatable.")
@click.option("--output", metavar="CLASS", help="Which of more than two classes is explained.")
@click.option("--scale", default="logit", show_default=True, metavar="NAME", help="logit or probability, of classes.")
@click.option(
    "--method",
    metavar="NAME",
    help="expected_gradients (default), deep_shap or permutation_shap: how contributions are measured.",
)
@click.option("--rows", default=4000, show_default=True, type=click.IntRange(min=2), help="Rows that are explained.")
@click.option(
    "--background", default=100, show_default=True, type=click.IntRange(min=1), help="Rows they are compared with."
)
@click.option(
    "--top", default=4, show_default=True, type=click.IntRange(min=1), help="Columns that curves are drawn of."
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0, max=2**31 - 1))
@click.option(
    "--out",
    metavar="DIR|FILE",
    type=click.Path(path_type=Path),
    help="A folder for page, JSON and tables, or a file .html or .json. Default: the folder explain in DIR.",
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier explanation there.")
@_explained
def explain(**options: Any) -> None:
    """Say what drives the gap of the nets in a folder.

    DIR is what `mxfair train` wrote. Its test rows are explained, plain and fair net side by side: which columns the
    gap comes from, which stand for the group, what accuracy and gap owe to each, and how the output moves with them.
    """
    from mxfair import _explain_job

    _explain_job.run(_explain_job.ExplainOptions(**options))


@main.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--label", required=True, metavar="COLUMN", help="The column of true classes or values.")
@click.option(
    "--prediction",
    "--pred",
    "predictions",
    multiple=True,
    metavar="COLUMN",
    help="A column of predictions; repeatable.",
)
@click.option(
    "--score",
    "scores",
    multiple=True,
    metavar="COLUMN",
    help="Scores of the positive class, for each --prediction.",
)
@click.option(
    "--threshold", type=float, metavar="NUMBER", help="Instead of --prediction: each --score from here on is positive."
)
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="COLUMN",
    help="A sensitive column, or a column of numbers cut in two, as in 'income>50000'; repeat it to cross several.",
)
@click.option(
    "--control",
    multiple=True,
    metavar="COLUMN",
    help="A legitimate attribute: the gap of --criterion is also shown within each of its levels.",
)
@click.option("--positive", metavar="VALUE", help="The label value that counts as positive (two text labels).")
@click.option(
    "--task",
    metavar="NAME",
    help="classification or regression. Default: regression where the label has fractions or more than 100 different "
    "numbers.",
)
@click.option("--criterion", metavar="NAME", help="The gap that the first sentence names.")
@click.option("--reference", metavar="GROUP", help="Take gaps between each group and this one; gates do so too.")
@click.option(
    "--compat",
    metavar="TOOLKIT",
    help="Take gaps as fairlearn, aif360, clarify, oxonfair, holisticai or fairbatch does; gates do so too.",
)
@click.option(
    "--min-support",
    type=click.FloatRange(min=0),
    default=0,
    metavar="N",
    help="Leave groups with fewer samples behind a rate out of its gap. Default: none; gates on fewer than 10 are not "
    "judged.",
)
@click.option(
    "--fail-if",
    multiple=True,
    metavar="GATE",
    help="Exit with code 1 if the data show this, as in 'equalized_odds_difference>0.1', or if they are too few to "
    "say; repeatable.",
)
@click.option(
    "--out",
    metavar="DIR|FILE",
    type=click.Path(path_type=Path),
    help="Write the report there too: a folder for all formats, or a file .html, .json, .md, .csv or .xml (JUnit).",
)
@click.option("--overwrite", is_flag=True, help="Replace what --out names.")
@_explained
def audit(**options: Any) -> None:
    """Report who gets which predictions, from files of predictions of any model.

    FILE is a .csv, .tsv or .parquet file with columns of labels, predictions and groups; several files, patterns and
    folders of Parquet files are one table. Files may be larger than memory. No model is run.

    The exit code is 0, or 1 if a --fail-if does not let a model pass, or 2 if the input cannot be used.
    """
    from mxfair import _audit

    result = _audit.run_audit(_audit.AuditOptions(**options))
    _audit.show(result, options["out"])
    if not result.passed:
        sys.exit(1)


@main.command()
@click.argument("files", metavar="A [B]", nargs=-1, required=True)
@click.option("--model", "models", multiple=True, metavar="NAME", help="The model of each audit, where it has several.")
@click.option("--label", metavar="COLUMN", help="The column of true classes or values (files of predictions).")
@click.option(
    "--prediction",
    "--pred",
    "predictions",
    multiple=True,
    metavar="COLUMN",
    help="The column of predictions of each file, or two columns of one file.",
)
@click.option("--group", "groups", multiple=True, metavar="COLUMN", help="As for mxfair audit.")
@click.option("--id", metavar="COLUMN", help="Join two files by this column: same rows have narrower intervals.")
@click.option("--positive", metavar="VALUE", help="The label value that counts as positive (two text labels).")
@click.option("--task", metavar="NAME", help="classification or regression, as for mxfair audit.")
@click.option("--criterion", multiple=True, metavar="NAME", help="A gap to compare; repeatable. Default: all.")
@click.option("--reference", metavar="GROUP", help="Take gaps between each group and this one.")
@click.option("--compat", metavar="TOOLKIT", help="Take gaps as another toolkit does, as for mxfair audit.")
@click.option(
    "--min-support", type=click.FloatRange(min=0), default=0, metavar="N", help="Leave out groups with fewer samples."
)
@click.option(
    "--fail-if",
    multiple=True,
    metavar="GATE",
    help="Exit with code 1 if the data show that a gap has changed so, as in 'equalized_odds_difference>0.02', or if "
    "they are too few to say; repeatable.",
)
@click.option(
    "--out", metavar="FILE", type=click.Path(path_type=Path), help="Write the comparison too: .json, or .xml (JUnit)."
)
@click.option("--overwrite", is_flag=True, help="Replace the file that --out names.")
@_explained
def compare(**options: Any) -> None:
    """Show how the gaps of B differ from those of A, with intervals.

    A and B are what mxfair audit wrote (metrics.json, or its folder), or files of predictions; or A alone is a file
    with two columns of predictions. The last, and two files with --id, are compared row by row.

    The exit code is 0, or 1 if a --fail-if does not let the change pass, or 2 if the input cannot be used.
    """
    from mxfair import _audit

    result = _audit.run_compare(_audit.CompareOptions(**options))
    _audit.show_comparison(result, options["out"])
    if not result.passed:
        sys.exit(1)
