"""Signs of selection bias: who is in the data, and who has a label."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import generator, missing, same_length, vector
from mxfair.diagnosis._signs import Signs, binary, check_learner, groups_of, members, percent, points
from mxfair.diagnosis._statistics import auc, crossfitted, effect, learner_for, permutation_p, share_difference
from mxfair.diagnosis.finding import Diagnosis
from mxfair.groups import Groups
from mxfair.preprocessing import compare_with_reference

__all__ = ["selection_signs"]

_PERMUTATIONS = 499
#: Permuted rows that are held at once.
_CELLS = 8_000_000
#: Fewer rows of a group on either side than this, and no classifier is trained to tell them apart.
_FEWEST_ROWS = 40
#: With fewer selected rows, or missing labels, nothing is compared at equal columns.
_FEWEST_EVENTS = 5


def selection_signs(
    X: Any = None,
    groups: Any = None,
    *,
    reference: Any = None,
    reference_X: Any = None,
    reference_groups: Any = None,
    selected: Any = None,
    labels: Any = None,
    learner: Any = None,
    level: float = 0.95,
    seed: int | np.random.Generator | None = 0,
) -> Diagnosis:
    r"""Return signs that the data are not a fair draw of whom the decisions are about.

    What is checked hangs on what is given:

    - *share against the reference*: share of each group minus that in the reference, by
      `mxfair.preprocessing.compare_with_reference`; `reweight_to` there repairs it.
    - *covariate shift*: can a classifier tell the data from the reference (or training from test rows), overall and
      within each group? It is trained on half of the rows; value is its AUC on the other half, .5 where it cannot.
    - *column shift*: the largest standardized difference of means of a column, by group; its test permutes all columns
      at once, so that the largest of many columns is no sign by itself, and its interval is as much wider.
    - *selection rate* and *selection at equal columns*: share of a group that was selected minus that of the rest, as
      it is and at equal columns: the slope of selection on the group, both freed by cross-fitting of what the columns
      predict. *selection overlap*: what is left of the selected rows' number when each is weighed by the inverse
      probability of its selection.
    - *missing labels*, and the same at equal columns: as for selection, of labels that are missing.

    Parameters
    ----------
    X : data frame or array of shape (n_samples, n_features), optional
        Columns. Text is one-hot encoded, missing numbers become the median and an indicator.
    groups : array of shape (n_samples,), columns or Groups, optional
        The sensitive attribute; rows of unknown group are in no comparison.
    reference : mapping or array-like, optional
        Shares of the groups in the population, or another data set's groups: see `compare_with_reference`. Default:
        `reference_groups`.
    reference_X : data frame or array of shape (n_reference, n_features), optional
        The same columns of a reference sample, or of the test rows.
    reference_groups : array of shape (n_reference,), optional
        Its groups.
    selected : array of 0 and 1, shape (n_samples,), optional
        Which of the rows were selected (accepted, surveyed, labelled); then the rows are all candidates.
    labels : array of shape (n_samples,), optional
        With missing values: NaN, None.
    learner : scikit-learn classifier or regressor, optional
        Predicts two classes, or numbers, from the columns; for the other kind, and by default, gradient boosting
        does, and a linear model below 500 rows.
    level : float, default=0.95
        Confidence level of intervals and tests.
    seed : int, Generator or None, default=0
        Splits and permutations.

    Returns
    -------
    Diagnosis

    Raises
    ------
    InputError
        If lengths or columns do not fit.

    Notes
    -----
    Two groups are compared once, the smaller with the larger; of several each with the rest. Groups with fewer than 10
    rows are not compared.

    References
    ----------
    Lopez-Paz and Oquab, *Revisiting classifier two-sample tests*, ICLR 2017. Austin, Statistics in Medicine 28, 2009:
    standardized differences. Westfall and Young, *Resampling-based multiple testing*, 1993: the largest of many.
    Shah and Peters, *The hardness of conditional independence testing*, Annals of Statistics 48, 2020. Robinson,
    Econometrica 56, 1988. Kish, *Survey sampling*, 1965: effective sample size.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> groups, X = rng.choice(["f", "m"], 1000), rng.normal(size=(1000, 2))
    >>> selected = rng.random(1000) < np.where(groups == "f", 0.3, 0.5)
    >>> [(f.sign, bool(f.value < -0.15)) for f in selection_signs(X, groups, selected=selected).found]
    [('selection at equal columns', True), ('selection rate', True)]
    """
    signs, rng, learner = Signs("selection", level), generator(seed), check_learner(learner)
    encoded = None if groups is None else groups_of(groups)
    same_length(X=X, groups=encoded, selected=selected, labels=labels)
    same_length(reference_X=reference_X, reference_groups=reference_groups)
    reference = reference_groups if reference is None else reference
    if encoded is None or reference is None:
        signs.lack("share against the reference", "groups and reference")
    else:
        _shares(signs, encoded, reference)
    if X is None or reference_X is None:
        signs.lack("covariate shift", "X and reference_X")
    else:
        _shift(signs, X, reference_X, (encoded, reference_groups), learner, rng)
    if encoded is None or selected is None:
        signs.lack("selection rate", "groups and selected")
    else:
        mask = binary(selected, "selected")
        _propensity(signs, mask, X, encoded, ("selection rate", "Selected were"), learner, rng)
    if encoded is None or labels is None:
        signs.lack("missing labels", "groups and labels, missing ones included")
    else:
        absent = missing(vector(labels, "labels"))
        _propensity(signs, absent, X, encoded, ("missing labels", "A label is missing for"), learner, rng)
    return signs.diagnosis()


def _shares(signs: Signs, groups: Groups, reference: Any) -> None:
    known = groups.known[groups.codes]
    names = np.array(groups.names, dtype=object)[groups.codes]
    names[~known] = None
    compared = compare_with_reference(names, reference, level=signs.level)
    part = next(iter(compared.groups.values()))
    places = list(range(len(part.groups)))
    if len(places) == 2:  # the other's difference is the same, upside down
        places = [int(np.argmin(part.differences))]
    for k in places:
        p, q, n = float(part.shares[k]), float(part.reference_shares[k]), part.effective_size
        if part.reference_size is None:
            from scipy.stats import binomtest

            low, high = part.low[k] - q, part.high[k] - q
            p_value = binomtest(round(float(part.counts[k])), round(n), q).pvalue
        else:
            m = part.reference_size
            _, low, high, p_value = share_difference(p * n, n, q * m, m, signs.level)
        statement = f"{part.groups[k]} are {percent(p)} of the data and {percent(q)} of the reference."
        signs.add("share against the reference", part.groups[k], statement, value=p - q, low=low, high=high, p=p_value)


def _shift(
    signs: Signs, X: Any, reference_X: Any, groups: tuple[Groups | None, Any], learner: Any, rng: np.random.Generator
) -> None:
    matrix, names = signs.matrix(X, reference_X)
    if not matrix.shape[1]:
        signs.note("All columns are constant, in the data and the reference: no shift is measured.")
        return
    n = len(X)
    side = np.arange(len(matrix)) < n
    parts = [("all rows", np.ones(len(matrix), dtype=bool))]
    own, other = groups
    if own is not None and other is not None:
        theirs = groups_of(other)
        label = np.concatenate([np.array(g.names, dtype=object)[g.codes] for g in (own, theirs)])
        parts += [(name, label == name) for k, name in enumerate(own.names) if own.known[k]]
    for name, mask in parts:
        fewest = min((mask & side).sum(), (mask & ~side).sum())
        if fewest < _FEWEST_ROWS:
            signs.note(f"Fewer than {_FEWEST_ROWS} rows in the data or the reference, no shift measured: {name}.")
            continue
        value, low, high, p = _told_apart(matrix[mask], side[mask], learner, signs.level, rng)
        statement = (
            f"A classifier tells the data from the reference with an AUC of {value:.3f} ({name}; 0.5 is chance)."
        )
        signs.add("covariate shift", name, statement, value=value, low=low, high=high, p=p, null=0.5)
        _largest_column(signs, name, matrix[mask], side[mask], names, rng)


def _told_apart(
    matrix: np.ndarray, side: np.ndarray, learner: Any, level: float, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    from sklearn.model_selection import train_test_split
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # comes with scikit-learn

    split = int(rng.integers(2**31))
    fit, judge = train_test_split(np.arange(len(side)), test_size=0.5, stratify=side, random_state=split)
    model = learner_for(len(fit), True, learner)
    with threadpool_limits(limits=1, user_api="openmp"):
        scores = model.fit(matrix[fit], side[fit]).predict_proba(matrix[judge])[:, 1]
    # one-sided: rows that are on both sides are told apart worse than by chance, which is no shift
    return auc(scores[side[judge]], scores[~side[judge]], level, greater=True)


def _largest_column(
    signs: Signs, name: str, matrix: np.ndarray, side: np.ndarray, names: Any, rng: np.random.Generator
) -> None:
    n, m = int(side.sum()), int((~side).sum())
    first, second = matrix[side], matrix[~side]
    spread = np.sqrt((first.var(axis=0) + second.var(axis=0)) / 2)
    apart = first.mean(axis=0) - second.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):  # constant on either side: infinitely far, or the same
        difference = np.where((spread == 0) & (np.abs(apart) < 1e-6), 0.0, apart / spread)
    centred = (matrix - matrix.mean(axis=0)) / np.where(matrix.std(axis=0) > 0, matrix.std(axis=0), np.inf)
    chance, observed = _permuted_largest(side, centred, rng), np.abs(side @ centred).max()
    scale = np.sqrt(n * m / (n + m - 1))
    p = permutation_p(int((chance >= observed * (1 - 1e-9)).sum()), len(chance), observed / scale, len(names))
    order = np.argsort(-np.abs(difference))
    value = float(difference[order[0]])
    # as wide as the largest of the columns asks for, whichever it is
    z = float(np.quantile(chance, signs.level)) / scale
    width = z * np.sqrt(1 / n + 1 / m + value**2 / (2 * (n + m))) if np.isfinite(value) else np.nan
    listed = ", ".join(f"{names[j]} {difference[j]:+.2f}" for j in order[:3])
    statement = f"Largest standardized differences from the reference ({name}): {listed}."
    signs.add("column shift", name, statement, value=value, low=value - width, high=value + width, p=p)


def _permuted_largest(side: np.ndarray, centred: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the largest absolute sum of a column over rows drawn at random, for each permutation."""
    at_once = max(1, _CELLS // len(side))
    parts = []
    for start in range(0, _PERMUTATIONS, at_once):
        count = min(at_once, _PERMUTATIONS - start)
        drawn = np.stack([rng.permutation(side) for _ in range(count)]).astype(float)
        parts.append(np.abs(drawn @ centred).max(axis=1))
    return np.concatenate(parts)


def _propensity(
    signs: Signs, mask: np.ndarray, X: Any, groups: Groups, words: tuple[str, str], learner: Any, rng: Any
) -> None:
    """Compare how often something holds in the groups, as it is and at equal columns."""
    sign, what = words
    if mask.all() or not mask.any():
        signs.note(f"Of all rows the same holds, not compared: {sign}.")
        return
    equal = f"{sign.replace(' rate', '')} at equal columns"
    compared = signs.compared(groups)
    for contrast in compared:
        signs.add_shares(sign, contrast, mask, what)
    if X is None:
        signs.lack(equal, "X")
        return
    matrix, _ = signs.matrix(X)
    if min(mask.sum(), (~mask).sum()) < _FEWEST_EVENTS or not matrix.shape[1]:
        why = f"fewer than {_FEWEST_EVENTS} rows of a kind" if matrix.shape[1] else "constant columns"
        signs.note(f"Not measured with {why}: {equal}.")
        return
    chance = crossfitted(mask.astype(float), matrix, rng, classes=True, learner=learner)
    for contrast in compared:
        rows = contrast.inside | contrast.outside
        member = contrast.inside[rows].astype(float)
        expected = crossfitted(member, matrix[rows], rng, classes=True, learner=learner)
        value, low, high, p = effect(mask[rows] - chance[rows], member - expected, signs.level, before=member)
        if np.isnan(value):
            signs.note(
                f"The columns tell {contrast.name} from {contrast.other} nearly without error: no rows are left to "
                f"compare at equal columns. If X holds the group itself, leave it out."
            )
            continue
        verb = "are selected" if sign == "selection rate" else "lack a label"
        statement = f"At equal columns, {contrast.name} {verb} {points(value)} often than {contrast.other}."
        signs.add(equal, contrast.text, statement, value=value, low=low, high=high, p=p)
    if sign == "selection rate":
        _overlap(signs, mask, chance, groups)


def _overlap(signs: Signs, mask: np.ndarray, chance: np.ndarray, groups: Groups) -> None:
    for name, rows in members(groups, mask):
        weight = 1 / np.clip(chance[rows], 1e-6, None)
        left = float(weight.sum() ** 2 / (weight**2).sum() / rows.sum())
        statement = (
            f"Weighed by inverse probabilities of selection, the {rows.sum():,} selected rows of {name} are worth "
            f"{percent(left)} of their number; the smallest probability is {chance[rows].min():.3f}."
        )
        signs.add("selection overlap", name, statement, value=left, null=1.0)
