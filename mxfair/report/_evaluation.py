"""`Evaluation`: what one model decided about one set of samples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import InputError, InputTypeError, labels_vector, to_numpy
from mxfair.confusion import GroupConfusion, _predictions
from mxfair.criterion import Criterion
from mxfair.groups import Groups
from mxfair.metric._inputs import task_of
from mxfair.rate import RATES, class_index
from mxfair.report._auc import RankCounts, auc_by_group, check_scores, check_state, score_state
from mxfair.report._crossed import attributes_of, check_attributes, check_strata, strata_by_level
from mxfair.report._regression import RegressionEvaluation
from mxfair.scores import GroupScores

if TYPE_CHECKING:
    import pandas as pd

    from mxfair.report._report import FairnessReport

__all__ = ["Evaluation", "evaluate_predictions"]

#: Rates of the report, per positive class; accuracy and AUC come beside them.
RATE_NAMES = (
    "base_rate",
    "selection_rate",
    "true_positive_rate",
    "false_positive_rate",
    "positive_predictive_value",
)


class Evaluation:
    """What one model decided about one set of samples.

    Everything comes from states that add, so that an evaluation can be built chunk by chunk from a file that is larger
    than memory. Decisions are a `GroupConfusion`, from which rates, gaps and their intervals are exact. Scores are a
    `GroupScores`, from which ROC curves, calibration and score distributions by group come, in its bins; so does the
    AUC, unless an exact one is given beside it, as `evaluate_predictions` does.

    Parameters
    ----------
    name : str
        Name of the model, for tables and plots.
    table : GroupConfusion
        Its counts[group, label, prediction].
    positive : optional
        The class that counts as positive. Default: the last of two classes; each class in turn for more than two.
    auc : float, default=nan
        Area under the ROC curve over all samples. Default: that of `scores`; NaN, which means unknown, without them.
    auc_by_group : array of float, shape (n_groups,), optional
        The same by group.
    scores : GroupScores, optional
        Scores of the positive class by group and label, of the same groups, classes and samples as `table`. With more
        than two classes it needs a stated `positive`.

    strata : mapping of str to GroupConfusion, optional
        The same counts within each level of a control attribute; they add up to `table`.
    control : str, default="control"
        Name of the control attribute.
    attributes : mapping of str to sequence of str, optional
        Where the groups are crossings: by attribute, the level that each group has, in the groups' order. From them
        the report knows the subgroups of each attribute alone.

    Raises
    ------
    InputError
        If there are fewer than two classes, or if `scores`, `strata` or `attributes` are of other groups, classes or
        samples than `table`.

    Examples
    --------
    >>> from mxfair import GroupConfusion
    >>> table = GroupConfusion.of([1, 1, 0], [1, 0, 0], ["a", "a", "b"])
    >>> Evaluation("plain", table).rates[["support", "true_positive_rate"]]
             support  true_positive_rate
    group
    overall        3                 0.5
    a              2                 0.5
    b              1                 NaN
    >>> from mxfair import GroupScores
    >>> scores = GroupScores.of([1, 1, 0], [0.9, 0.4, 0.4], ["a", "a", "b"])
    >>> Evaluation("plain", table, scores=scores).auc
    0.75
    """

    task = "classification"

    def __init__(
        self,
        name: str,
        table: GroupConfusion,
        *,
        positive: Any | None = None,
        auc: float = float("nan"),
        auc_by_group: Any | None = None,
        scores: GroupScores | None = None,
        strata: Mapping[str, GroupConfusion] | None = None,
        control: str = "control",
        attributes: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        if not isinstance(table, GroupConfusion):
            raise InputTypeError(f"'table' must be a GroupConfusion; got {table!r}. Use evaluate_predictions.")
        if len(table.classes) < 2:
            raise InputError(
                f"'classes' must name at least two classes; got {table.classes.tolist()}. Name those the samples lack."
            )
        self.name = str(name)
        self.table = table
        if positive is not None or len(table.classes) == 2:
            positive = table.classes[class_index(table.classes, positive)]
        self.positive = positive
        self.scores = scores
        if scores is not None:
            check_state(scores, table, positive)
            found = scores.auc()
            auc = found.overall if math.isnan(auc) else auc
            auc_by_group = found.values if auc_by_group is None else auc_by_group
        self.strata = check_strata(strata, table)
        self.control = str(control)
        self.attributes = check_attributes(attributes, table)
        self._rows: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None  # codes of group, label and decision
        self._ranks: RankCounts | None = None
        self.auc = float(auc)
        self.auc_by_group = (
            np.full(len(table.groups), np.nan) if auc_by_group is None else np.asarray(auc_by_group, dtype=float)
        )
        if self.auc_by_group.shape != (len(table.groups),):
            raise InputError(
                f"'auc_by_group' must hold one number per group ({len(table.groups)}); got {self.auc_by_group.shape}."
            )

    @property
    def places(self) -> list[int]:
        """Indices of the classes that count as positive, one after the other."""
        if self.positive is None:
            return list(range(len(self.table.classes)))
        return [class_index(self.table.classes, self.positive)]

    @property
    def support(self) -> np.ndarray:
        """Number of samples of each group, shape (n_groups,)."""
        return self.table.support

    @property
    def n_samples(self) -> float:
        """Number of samples."""
        return float(self.support.sum())

    @property
    def accuracy(self) -> float:
        """Share of correct decisions over all samples."""
        return float(self.columns["accuracy"][0][0])

    @cached_property
    def columns(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Each rate's values and denominators, over all samples and then by group, shape (1 + n_groups,) each."""
        several = len(self.places) > 1
        columns = {}
        for place in self.places:
            for name in RATE_NAMES:
                key = f"{name}[{self.table.classes[place]}]" if several else name
                columns[key] = self._column(name, place)
        columns["accuracy"] = self._column("accuracy", 0)
        inside = self.table.counts.sum(axis=2)[:, self.places]
        sides = np.minimum(inside, self.support[:, None] - inside)
        overall = np.minimum(inside.sum(axis=0), self.n_samples - inside.sum(axis=0))
        columns["auc"] = (np.append(self.auc, self.auc_by_group), np.append(overall.min(), sides.min(axis=1)))
        return columns

    def _column(self, name: str, place: int) -> tuple[np.ndarray, np.ndarray]:
        rate = RATES[name](self.table, positive=place)
        return np.append(rate.overall, rate.values), np.append(rate.denominator.sum(), rate.denominator)

    @property
    def rates(self) -> pd.DataFrame:
        """Support and rates: a row 'overall' and one per group; NaN where a rate is undefined."""
        import pandas as pd

        support = np.append(self.n_samples, self.support)
        if (support == np.round(support)).all():
            support = support.astype(np.int64)
        frame = pd.DataFrame({"support": support, **{key: values for key, (values, _) in self.columns.items()}})
        frame.index = pd.Index(["overall", *self.table.groups], name="group")
        return frame

    def digits(self, key: str) -> int:
        """Return how many decimals a rate is shown with: three.

        Parameters
        ----------
        key : str
            Name of the rate.

        Returns
        -------
        int
        """
        return 3

    def adapt(self, criterion: Criterion) -> Criterion:
        """Return a criterion for this evaluation's positive class.

        Parameters
        ----------
        criterion : Criterion

        Returns
        -------
        Criterion
        """
        stated = criterion.positive is not None or self.positive is None
        return criterion if stated else criterion.with_positive(self.positive)

    def __repr__(self) -> str:
        return f"Evaluation({self.name}: {self.n_samples:,g} samples, {len(self.table.groups)} groups)"


def evaluate_predictions(
    labels: Any,
    preds: Any,
    groups: Any,
    *,
    scores: Any | None = None,
    name: str = "model",
    positive: Any | None = None,
    classes: Sequence[Any] | None = None,
    criteria: Any | None = None,
    task: str | None = None,
    control: Any | None = None,
    **settings: Any,
) -> FairnessReport:
    """Report the rates by group of a model's decisions, or the figures by group of its predicted numbers.

    Parameters
    ----------
    labels : array of shape (n_samples,)
        True classes, numbers or text; or true values.
    preds : array of shape (n_samples,)
        Decisions, in the values of `labels`; or predicted values, in the unit of `labels`.
    groups : array-like or Groups
        Sensitive attribute of each sample; several columns are crossed.
    scores : array of shape (n_samples,) or (n_samples, n_classes), optional
        Score of the positive class, or of every class in sorted order: for the AUC, and with one positive class for
        ROC curves, calibration and score distributions. Not for regression, no more than `positive` and `classes`.
    name : str, default="model"
        Name of the model.
    positive : optional
        The class that counts as positive. Default: the last of two classes; each class in turn for more than two.
    classes : sequence, optional
        All classes in sorted order, where the samples may lack some. Default: those found in `labels` and `preds`.
    criteria : str, Criterion or list of these, optional
        Rows of the table of gaps; the first one is named in the report's first sentence. Default: all criteria, and
        equalized odds first. For regression the rows are "ks_distance", "wasserstein_distance", "bounded_group_loss"
        (the largest RMSE of a group), and differences of "mean_prediction", "root_mean_squared_error",
        "mean_absolute_error", "mean_error" and "r2_score".
    task : {"classification", "regression"}, optional
        Default: regression where `labels` hold more than 20 different decimal numbers.
    control : array-like or Groups, optional
        A legitimate attribute to condition on: gaps are also taken within each of its levels. Not for regression.
    **settings
        Passed on to `FairnessReport`: `reference`, `compat`, `min_support`, `explanations`, `title`, `context` and
        others.

    Returns
    -------
    FairnessReport

    Raises
    ------
    InputError
        If lengths differ, values are missing, or a value is not among `classes`.

    Examples
    --------
    >>> report = evaluate_predictions([1, 1, 0, 0], [1, 0, 0, 1], ["f", "m", "f", "m"], name="plain")
    >>> report.gaps.loc["accuracy_parity", "plain"]
    1.0
    >>> report = evaluate_predictions([1.0, 2.0, 3.0], [1.0, 3.0, 3.0], ["a", "a", "b"], task="regression")
    >>> report.gaps.loc["mean_absolute_error", "model"]
    0.5
    """
    from mxfair.report._report import FairnessReport

    if task_of(labels, task, classes) == "regression":
        if scores is not None or positive is not None or classes is not None or control is not None:
            raise InputError(
                "'scores', 'positive', 'classes' and 'control' must be left out for regression; the labels are "
                "numbers. Pass task='classification' if they stand for classes."
            )
        return FairnessReport(RegressionEvaluation(name, labels, preds, groups), criteria=criteria, **settings)
    options = {"scores": scores, "positive": positive, "classes": classes, "control": control}
    return FairnessReport(_of_decisions(name, labels, preds, groups, **options), criteria=criteria, **settings)


def _of_decisions(
    name: str, labels: Any, preds: Any, groups: Any, *, scores: Any, positive: Any, classes: Any, control: Any
) -> Evaluation:
    """Return the evaluation of decisions in arrays."""
    labels, preds = labels_vector(labels), to_numpy(preds)
    if preds.ndim == 2 and preds.shape[1] > 1:
        raise InputError(
            f"'preds' must hold one decision per sample; got shape {preds.shape}. Pass probabilities as 'scores'."
        )
    crossed = groups if isinstance(groups, Groups) else Groups(groups)
    preds = preds.reshape(-1)
    table = GroupConfusion.of(labels, preds, crossed, classes=None if classes is None else np.asarray(classes))
    table.classes = _whole(table.classes)
    options: dict[str, Any] = {"positive": positive, "attributes": attributes_of(groups, crossed)}
    if control is not None:
        options.update(strata_by_level(labels, preds, crossed, control, table))
    evaluation = Evaluation(name, table, **options)
    if scores is not None:
        places = evaluation.places
        columns = check_scores(scores, labels, table.classes, places)
        overall, by_group = auc_by_group(labels, columns, crossed, table.classes, places)
        state = score_state(labels, columns[:, 0], crossed, table, evaluation.positive) if len(places) == 1 else None
        evaluation = Evaluation(name, table, auc=overall, auc_by_group=by_group, scores=state, **options)
        if state is not None:
            evaluation._ranks = RankCounts.of(labels == evaluation.positive, columns[:, 0], crossed)
    evaluation._rows = crossed.codes, table._index(labels, "labels"), table._index(_predictions(preds), "preds")
    return evaluation


def _whole(classes: np.ndarray) -> np.ndarray:
    """Return classes as whole numbers where they are: Gluon's labels are float32, and '2' reads better than '2.0'."""
    if classes.dtype.kind == "f" and np.array_equal(classes, np.round(classes)):
        return classes.astype(np.int64)
    return classes
