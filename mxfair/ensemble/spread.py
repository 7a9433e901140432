"""The spread of accuracy and fairness over members of one kind: over initial values above all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mxfair._validation import generator, positive_integer
from mxfair.criterion import Criterion
from mxfair.ensemble._asked import member_predictions
from mxfair.ensemble._judge import Judge
from mxfair.group_metric import GroupMetric
from mxfair.uncertainty import check_level

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SeedSpread", "seed_spread"]


@dataclass(frozen=True, eq=False)
class SeedSpread:
    r"""How far accuracy and gap differ between members that differ in their random numbers only.

    All members are judged on the same rows. What they have in common of these rows' luck is no spread; what is left of
    it, :math:`s^2_{rows}`, is estimated by resamples of the rows that all members share, and the rest is the seeds':

    .. math:: s^2 = \frac{1}{K - 1} \sum_k (\Delta_k - \bar\Delta)^2, \qquad
        s^2_{rows} = E^* \Bigl[ \frac{1}{K - 1} \sum_k (e^*_k - \bar e^*)^2 \Bigr], \qquad
        s^2_{seeds} = \max(0, s^2 - s^2_{rows})

    with :math:`e^*_k = \Delta^*_k - E^*[\Delta^*_k]`.

    Parameters
    ----------
    score : ndarray of shape (n_members,)
        Each member's accuracy; R2 in a regression.
    gap : ndarray of shape (n_members,)
        Each member's gap: 0 is parity. NaN where a rate is undefined for a group.
    low, high : ndarray of shape (n_members,)
        Confidence interval of each gap as an estimate for other rows, `mxfair.metric.confidence_intervals`.
    standard_error : ndarray of shape (n_members,)
        Standard error of each gap, by the bootstrap.
    rows_sd : dict of str to float
        :math:`s_{rows}` of "score" and "gap".
    largest : tuple of str, length n_members
        Which rate has the largest gap in each member, and between which groups.
    undefined : dict of str to str
        Groups that a gap leaves out, since they have no samples for a rate, and the first such rate.
    ambiguity : GroupMetric or None
        Share of samples on which a member decides otherwise than the baseline; with ``epsilon=None`` that is the share
        on which not all members agree, whatever the baseline. None in a regression, as is the next.
    discrepancy : GroupMetric or None
        The largest share of samples on which one member decides otherwise than the baseline.
    disagreement : GroupMetric
        Probability that two members, drawn at random, decide otherwise on a sample; in a regression the mean standard
        deviation of a sample's predictions.
    combined : tuple of float or None
        Score, gap and interval (low, high) of the ensemble of all members, where there is one.
    criterion : str
        Name of what is compared between groups.
    score_name : str
        "accuracy" or "r2_score".
    baseline : int
        The member that ambiguity and discrepancy compare with.
    n_samples : int
        Number of rows.
    level : float
        Confidence level of the intervals.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.ensemble import SeedSpread
    >>> rng = np.random.default_rng(0)
    >>> groups, labels = np.arange(2000) % 2, rng.integers(0, 2, 2000)
    >>> preds = [np.where(rng.random(2000) < 0.8, labels, groups) for _ in range(5)]
    >>> spread = SeedSpread.of(preds, labels, groups, "demographic_parity", random_state=0)
    >>> spread
    SeedSpread(demographic_parity of 5 members on 2,000 rows
      accuracy: mean 0.8980, sd 0.0072, 0.8870 to 0.9070
      gap: mean 0.2150, sd 0.0144, 0.1970 to 0.2370
      sd of the gap: 0.0127 from these rows, 0.0068 from the seeds; one gap has a standard error of 0.0216
      ambiguity: 0.335 of all; 0 0.352, 1 0.317)
    """

    score: np.ndarray
    gap: np.ndarray
    low: np.ndarray
    high: np.ndarray
    standard_error: np.ndarray
    rows_sd: dict[str, float]
    largest: tuple[str, ...]
    undefined: dict[str, str]
    ambiguity: GroupMetric | None
    discrepancy: GroupMetric | None
    disagreement: GroupMetric
    combined: tuple[float, float, float, float] | None
    criterion: str
    score_name: str
    baseline: int
    n_samples: int
    level: float

    @classmethod
    def of(
        cls,
        preds: Any,
        labels: Any,
        groups: Any,
        criterion: str | Criterion = "equalized_odds",
        *,
        positive: Any = None,
        combined: Any = None,
        baseline: int | None = None,
        epsilon: float | None = None,
        level: float = 0.95,
        n_resamples: int = 1000,
        random_state: Any = None,
    ) -> SeedSpread:
        """Return the spread of predictions that are there already.

        Parameters
        ----------
        preds : array of shape (n_members, n_samples)
            Decisions of each member, in the values of the labels; predicted numbers, where the criterion is of these.
        labels : array of shape (n_samples,)
        groups : array of shape (n_samples,), column, columns or Groups
        combined : array of shape (n_samples,), optional
            Decisions of the ensemble.
        criterion, positive, baseline, epsilon, level, n_resamples, random_state
            As for `seed_spread`.

        Returns
        -------
        SeedSpread

        Raises
        ------
        InputError
            If an argument cannot be used.
        """
        rng, count = generator(random_state), positive_integer(n_resamples, "n_resamples", minimum=20)
        judge = Judge(preds, labels, groups, criterion, positive=positive, combined=combined)
        members = slice(judge.n_members)
        best = int(judge.score[members].argmax()) if baseline is None else judge.member(baseline)
        ambiguity, discrepancy, disagreement = judge.multiplicity(best, epsilon)
        errors, rows_sd, ends = judge.resampled(count, rng, check_level(level))
        low, high = np.array(ends[members]).T
        return cls(
            score=judge.score[members],
            gap=judge.gap[members],
            low=low,
            high=high,
            standard_error=errors,
            rows_sd=rows_sd,
            largest=judge.state.largest()[members],
            undefined=judge.state.undefined(),
            ambiguity=ambiguity,
            discrepancy=discrepancy,
            disagreement=disagreement,
            combined=None if combined is None else (float(judge.score[-1]), float(judge.gap[-1]), *ends[-1]),
            criterion=judge.name,
            score_name=judge.state.score_name,
            baseline=best,
            n_samples=len(judge.labels),
            level=level,
        )

    @property
    def mean(self) -> float:
        """Mean gap of the members."""
        return float(self.gap.mean())

    @property
    def sd(self) -> float:
        """Standard deviation of the gap over the members; NaN for one member."""
        return _sd(self.gap)

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest gap of a member."""
        return float(self.gap.min()), float(self.gap.max())

    @property
    def seeds_sd(self) -> float:
        """What of `sd` is left without the luck of these rows: the spread over seeds on many rows."""
        return _left(self.sd, self.rows_sd["gap"])

    @property
    def rows_share(self) -> float:
        """Share of the variance of the gap that these rows account for, between 0 and 1; NaN where there is none."""
        return _share(self.rows_sd["gap"], self.sd)

    def quantiles(self, q: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95)) -> np.ndarray:
        """Return quantiles of the gap over the members.

        Parameters
        ----------
        q : sequence of float, default=(0.05, 0.25, 0.5, 0.75, 0.95)

        Returns
        -------
        ndarray of shape (len(q),)
        """
        return np.asarray(np.quantile(self.gap, q))

    def to_frame(self) -> pd.DataFrame:
        """Return a table with a row for each member: score, gap, its interval and standard error, what is largest.

        Returns
        -------
        pandas.DataFrame
        """
        import pandas as pd

        columns = {name: getattr(self, name) for name in ("gap", "low", "high", "standard_error")}
        index = pd.RangeIndex(len(self.gap), name="member")
        return pd.DataFrame({self.score_name: self.score, **columns, "largest": list(self.largest)}, index=index)

    def summary(self, quantiles: Sequence[float] = (0.05, 0.5, 0.95)) -> pd.DataFrame:
        """Return a table with a row for the score and one for the gap: mean, spread, and what the spread is due to.

        Parameters
        ----------
        quantiles : sequence of float, default=(0.05, 0.5, 0.95)

        Returns
        -------
        pandas.DataFrame
            Columns mean, sd, min, the quantiles, max, rows_sd, seeds_sd and rows_share.
        """
        import pandas as pd

        rows = {}
        for name, key, values in ((self.score_name, "score", self.score), ("gap", "gap", self.gap)):
            sd, rows_sd = _sd(values), self.rows_sd[key]
            rows[name] = {
                "mean": values.mean(),
                "sd": sd,
                "min": values.min(),
                **{f"{q:g}": np.quantile(values, q) for q in quantiles},
                "max": values.max(),
                "rows_sd": rows_sd,
                "seeds_sd": _left(sd, rows_sd),
                "rows_share": _share(rows_sd, sd),
            }
        return pd.DataFrame.from_dict(rows, orient="index")

    def by_group(self) -> pd.DataFrame:
        """Return a table of what members disagree on, with a row for each group and one for all.

        Returns
        -------
        pandas.DataFrame
        """
        import pandas as pd

        found = [one for one in (self.ambiguity, self.discrepancy, self.disagreement) if one is not None]
        table = pd.DataFrame({"samples": found[0].support, **{one.name: one.values for one in found}})
        table.index = pd.Index(found[0].groups, name=found[0].attribute)
        table.loc["all"] = [self.n_samples, *(one.overall for one in found)]
        return table

    def __repr__(self) -> str:
        lines = [f"SeedSpread({self.criterion} of {len(self.gap)} members on {self.n_samples:,} rows"]
        for name, values in ((self.score_name, self.score), ("gap", self.gap)):
            spread = f"sd {_sd(values):.4f}, {values.min():.4f} to {values.max():.4f}"
            lines.append(f"  {name}: mean {values.mean():.4f}, {spread}")
        error = float(np.mean(self.standard_error))
        lines.append(
            f"  sd of the gap: {self.rows_sd['gap']:.4f} from these rows, {self.seeds_sd:.4f} from the seeds; "
            f"one gap has a standard error of {error:.4f}"
        )
        if self.combined is not None:
            score, gap, low, high = self.combined
            lines.append(f"  ensemble: {self.score_name} {score:.4f}, gap {gap:.4f} ({low:.4f} to {high:.4f})")
        if self.undefined:
            lines.append("  not compared: " + ", ".join(f"{one} ({rate})" for one, rate in self.undefined.items()))
        shown = self.disagreement if self.ambiguity is None else self.ambiguity
        named = list(zip(shown.groups, shown.values))
        parts = [f"{group} {value:.3g}" for group, value in named[:6]] + ["..."] * (len(named) > 6)
        lines.append(f"  {shown.name}: {shown.overall:.3g} of all; {', '.join(parts)}")
        return "\n".join(lines) + ")"


def seed_spread(
    model: Any,
    X: Any,
    y: Any,
    groups: Any,
    criterion: str | Criterion = "equalized_odds",
    *,
    positive: Any = None,
    baseline: int | None = None,
    epsilon: float | None = None,
    level: float = 0.95,
    n_resamples: int = 1000,
    random_state: Any = None,
) -> SeedSpread:
    """Return how far accuracy and gap differ between members, on rows that none was trained on.

    A gap that is reported for one training hangs on its initial values. This says by how much, and compares it with
    what the gap hangs on anyway, the choice of the rows.

    Parameters
    ----------
    model : estimator or sequence of estimators
        A fitted ensemble with members of its own (seeds, snapshots, bagging, voting), or fitted estimators, those of a
        loop over ``random_state`` say.
    X : array or data frame of shape (n_samples, n_features)
        Held-out rows.
    y : array of shape (n_samples,)
        Their labels or values.
    groups : array of shape (n_samples,), column, columns or Groups
        Their groups.
    criterion : str or Criterion, default="equalized_odds"
        What is compared between groups. In a regression "mean_absolute_error", "mean_squared_error", "mean_error" or
        "mean_prediction".
    positive : label, optional
        The class that counts as positive. Default: that of the ensemble; else the larger of two, each in turn for more.
    baseline : int, optional
        The member that ambiguity and discrepancy compare with. Default: the best on these rows.
    epsilon : float, optional
        Compare only with members whose score is at most this much below the baseline's. Default: with all.
    level : float, default=0.95
        Confidence level of the intervals.
    n_resamples : int, default=1000
        Bootstrap resamples of the rows.
    random_state : int, Generator or None, default=None
        Seed of the resamples.

    Returns
    -------
    SeedSpread

    Raises
    ------
    InputError, InputTypeError
        If an argument cannot be used, or a file's ensemble has no members to ask.

    Notes
    -----
    A standard deviation of K members is known to about ``1 / sqrt(2 (K - 1))`` of itself: 35 % with 5, 16 % with 20.
    Gaps are distances, so that noise moves them away from parity: the mean gap of poor members on few rows is too
    large. Members that disagree on a sample decide about it by the luck of their seeds, and its group tells for whom
    that is so; their gaps may be equal nevertheless.

    Whatever differs between the members is called the seeds' here. That is so of `SeedEnsembleClassifier` and of a loop
    over ``random_state``; in bagging members differ in their rows as well, in voting and boosting in what they are.

    References
    ----------
    Marx, Calmon and Ustun, "Predictive Multiplicity in Classification", ICML 2020, definitions 2 and 3.

    Examples
    --------
    >>> import numpy as np
    >>> from mxfair.ensemble import seed_spread
    >>> from mxfair.estimator import GluonClassifier
    >>> rng = np.random.default_rng(0)
    >>> X, groups = rng.normal(size=(600, 4)), rng.integers(0, 2, 600)
    >>> y = (X[:, 0] + 0.5 * groups + rng.normal(size=600) > 0.25).astype(int)
    >>> nets = [GluonClassifier((8,), random_state=seed).fit(X[:300], y[:300]) for seed in range(3)]
    >>> spread = seed_spread(nets, X[300:], y[300:], groups[300:], random_state=0)
    >>> spread.by_group().columns.tolist()
    ['samples', 'ambiguity', 'discrepancy', 'disagreement']
    """
    preds, combined, of_model = member_predictions(model, X, groups)
    return SeedSpread.of(
        preds,
        y,
        groups,
        criterion,
        positive=of_model if positive is None else positive,
        combined=combined,
        baseline=baseline,
        epsilon=epsilon,
        level=level,
        n_resamples=n_resamples,
        random_state=random_state,
    )


def _sd(values: np.ndarray) -> float:
    if len(values) < 2:
        return float("nan")
    return float(values.std(ddof=1)) if np.ptp(values) != 0 else 0.0  # of equal values it may be 1e-18


def _left(sd: float, rows_sd: float) -> float:
    return float(np.sqrt(max(sd**2 - rows_sd**2, 0.0))) if np.isfinite(sd + rows_sd) else float("nan")


def _share(rows_sd: float, sd: float) -> float:
    return min(1.0, (rows_sd / sd) ** 2) if sd > 0 else float("nan")
