"""Signs of confirmation bias: labels and models that repeat what was decided before."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import InputError, generator, missing, same_length, to_numpy, vector
from mxfair.diagnosis._signs import Signs, groups_of, matrix_of, members, numeric, percent, points
from mxfair.diagnosis._statistics import crossfitted, effect, kappa, quantile
from mxfair.diagnosis.finding import Diagnosis
from mxfair.groups import Groups

__all__ = ["confirmation_signs"]

_RESAMPLES = 400
#: Labels of one annotator in one group that kappa is taken of.
_FEWEST_LABELS = 30


def confirmation_signs(
    labels: Any = None,
    groups: Any = None,
    *,
    X: Any = None,
    prior: Any = None,
    annotators: Any = None,
    annotations: Any = None,
    preds: Any = None,
    learner: Any = None,
    level: float = 0.95,
    seed: int | np.random.Generator | None = 0,
) -> Diagnosis:
    r"""Return signs that labels, or a model, confirm an earlier decision instead of judging anew.

    - *label follows the prior decision*, by group: the slope of the label on the prior decision, both freed by
      cross-fitting of what columns and group predict: by how much more often a label is positive where the old rule
      said yes, at equal columns. 0 where the rule adds nothing to the columns.
    - *annotator follows the prior decision*, by annotator and group: Cohen's kappa of the annotator's labels with the
      rule, minus that of the other annotators in the group.
    - *annotator agreement*, by group: mean kappa of pairs of annotators on rows that both labelled, minus that of the
      rest: below 0, labels of this group are noisier.
    - *label noise*, by group: share of rows whose label a cross-validated classifier is confidently against (confident
      learning), minus that of the rest.
    - *model repeats the prior decision*, by group: how often the model decides as the rule, minus how often the labels
      do: above 0, it is closer to the rule than what it learned from.

    Parameters
    ----------
    labels : array of shape (n_samples,), optional
        Two classes or numbers; kappa and noise take any classes.
    groups : array of shape (n_samples,), columns or Groups
        The sensitive attribute.
    X : data frame or array of shape (n_samples, n_features), optional
        What whoever labels, or a model, may look at; not the prior decision.
    prior : array of shape (n_samples,), optional
        The earlier decision or score: an old rule's, a predecessor's.
    annotators : array of shape (n_samples,), optional
        Who labelled each row.
    annotations : array of shape (n_samples, n_annotators), optional
        Labels by each annotator; missing where there is none.
    preds : array of shape (n_samples,), optional
        Decisions of the model, on rows it was not trained on.
    learner, level, seed
        As for `selection_signs`.

    Returns
    -------
    Diagnosis

    Raises
    ------
    InputError
        If lengths do not fit, labels are missing, or classes are many where two are needed.

    Notes
    -----
    Confident learning assumes that mistakes depend on the true class only, and that the classifier is good enough: it
    counts hard rows as noise. In a group that the columns describe badly it finds more. Kappa depends on the base rate,
    which groups need not share.

    References
    ----------
    Robinson, Econometrica 56, 1988; Chernozhukov et al., *Double/debiased machine learning*, Econometrics Journal 21,
    2018. Cohen, Educational and Psychological Measurement 20, 1960; Fleiss, Cohen and Everitt, Psychological Bulletin
    72, 1969. Northcutt, Jiang and Chuang, *Confident learning*, JAIR 70, 2021, section 3.1.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X, groups = rng.normal(size=(2000, 2)), rng.choice(["a", "b"], 2000)
    >>> prior = (X[:, 0] + rng.normal(size=2000) > 0).astype(int)
    >>> judged = (X[:, 0] + rng.normal(size=2000) > 0).astype(int)
    >>> labels = np.where((groups == "b") & (rng.random(2000) < 0.5), prior, judged)  # half of b's are copied
    >>> [(f.groups, round(f.value, 1)) for f in confirmation_signs(labels, groups, X=X, prior=prior).found[:1]]
    [('b', 0.5)]
    """
    signs, rng = Signs("confirmation", level), generator(seed)
    encoded = groups_of(groups)
    labels = None if labels is None else _present(labels, "labels")
    prior = None if prior is None else _present(prior, "prior")
    preds = None if preds is None else _present(preds, "preds")
    same_length(labels=labels, groups=encoded, X=X, prior=prior, annotators=annotators, preds=preds)
    matrix = None if X is None else matrix_of(X)[0]
    if labels is None or prior is None or matrix is None:
        signs.lack("label follows the prior decision", "labels, prior and X")
    else:
        _follows(signs, labels, prior, matrix, encoded, learner, rng)
    if labels is None or prior is None or annotators is None:
        signs.lack("annotator follows the prior decision", "labels, prior and annotators")
    else:
        _annotators(signs, labels, prior, vector(annotators, "annotators"), encoded)
    if annotations is None:
        signs.lack("annotator agreement", "annotations")
    else:
        _agreement(signs, annotations, encoded, rng)
    if labels is None or matrix is None:
        signs.lack("label noise", "labels and X")
    else:
        _noise(signs, labels, matrix, encoded, learner, rng)
    if labels is None or prior is None or preds is None:
        signs.lack("model repeats the prior decision", "labels, prior and preds")
    else:
        _repeats(signs, preds, prior, labels, encoded)
    return signs.diagnosis()


def _present(values: Any, name: str) -> np.ndarray:
    array = vector(values, name)
    if missing(array).any():
        raise InputError(
            f"'{name}' must not be missing; got {int(missing(array).sum())} missing values. Leave them out."
        )
    return array.astype(str) if array.dtype.kind == "O" else array


def _follows(
    signs: Signs, labels: Any, prior: Any, matrix: np.ndarray, groups: Groups, learner: Any, rng: np.random.Generator
) -> None:
    (label, label_classes), (rule, rule_classes) = numeric(labels, "labels"), numeric(prior, "prior")
    columns = np.column_stack([matrix, np.eye(groups.n_groups)[groups.codes]])
    label = label - crossfitted(label, columns, rng, classes=label_classes, learner=learner)
    unit = 1.0 if rule_classes else float(rule.std()) or 1.0
    rule = (rule - crossfitted(rule, columns, rng, classes=rule_classes, learner=learner)) / unit
    for name, mask in members(groups):
        value, low, high, p = effect(label[mask], rule[mask], signs.level)
        step = "the prior decision was yes" if rule_classes else "the prior score is a standard deviation higher"
        size = f"{points(value)} often positive" if label_classes else f"{value:+.3g}"
        statement = f"At equal columns, labels of {name} are {size} where {step}."
        signs.add("label follows the prior decision", name, statement, value=value, low=low, high=high, p=p)


def _annotators(signs: Signs, labels: Any, prior: Any, annotators: np.ndarray, groups: Groups) -> None:
    names, codes = np.unique(annotators.astype(str), return_inverse=True)
    few = 0
    for group, mask in members(groups):
        for k, name in enumerate(names):
            own, other = mask & (codes == k), mask & (codes != k)
            if min(own.sum(), other.sum()) < _FEWEST_LABELS:
                few += 1
                continue
            (value, error), (rest, rest_error) = (kappa(labels[rows], prior[rows]) for rows in (own, other))
            difference, width = value - rest, float(np.hypot(error, rest_error))
            low, high, p = _normal(difference, width, signs.level)
            statement = (
                f"Labels of {group} by {name} agree with the prior decision with a kappa of {value:.2f}, those of the "
                f"other annotators with {rest:.2f}."
            )
            text = f"{group}, {name}"
            signs.add(
                "annotator follows the prior decision", text, statement, value=difference, low=low, high=high, p=p
            )
    if few:
        signs.note(f"Fewer than {_FEWEST_LABELS} labels, not compared: {few} pairs of annotator and group.")


def _normal(value: float, error: float, level: float) -> tuple[float, float, float]:
    """Return an interval and the p-value of 0."""
    from scipy.special import ndtr

    if not error > 0:
        return value, value, float("nan")
    z = quantile(level)
    return value - z * error, value + z * error, float(2 * ndtr(-abs(value) / error))


def _agreement(signs: Signs, annotations: Any, groups: Groups, rng: np.random.Generator) -> None:
    array = to_numpy(annotations)
    same_length(annotations=array, groups=groups)
    if array.ndim != 2 or array.shape[1] < 2:
        raise InputError(
            f"'annotations' must have a column for each of two annotators or more; got shape {array.shape}."
        )
    absent = missing(array)
    present = array[~absent]
    levels = np.unique(present.astype(str) if array.dtype.kind == "O" else present)
    codes = np.full(array.shape, -1)
    codes[~absent] = np.searchsorted(levels, present.astype(levels.dtype))
    tables = _pair_tables(codes, len(levels))  # by row: what each pair of annotators said, flat
    for contrast in signs.compared(groups, (~absent).sum(axis=1) > 1):
        values, spreads = [], []
        for mask in (contrast.inside, contrast.outside):
            rows = tables[mask]
            values.append(float(_mean_kappa(rows.sum(axis=0), len(levels))))
            counts = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=_RESAMPLES)
            drawn = (counts @ rows.reshape(len(rows), -1)).reshape(_RESAMPLES, *rows.shape[1:])
            spreads.append(float(np.nanstd(_mean_kappa(drawn, len(levels)), ddof=1)))
        value = values[0] - values[1]
        low, high, p = _normal(value, float(np.hypot(spreads[0], spreads[1])), signs.level)
        statement = (
            f"Annotators agree with a kappa of {values[0]:.2f} on {contrast.name} and of {values[1]:.2f} on "
            f"{contrast.other}."
        )
        signs.add("annotator agreement", contrast.text, statement, value=value, low=low, high=high, p=p)


def _pair_tables(codes: np.ndarray, k: int) -> np.ndarray:
    """Return, by row and pair of annotators, a table with a 1 where both labelled it; shape (n, n_pairs, k * k)."""
    first, second = np.triu_indices(codes.shape[1], 1)
    a, b = codes[:, first], codes[:, second]
    tables = np.zeros((len(codes), len(first), k * k), dtype=np.float32)
    row, pair = np.nonzero((a >= 0) & (b >= 0))
    tables[row, pair, a[row, pair] * k + b[row, pair]] = 1
    return tables


def _mean_kappa(tables: np.ndarray, k: int) -> np.ndarray:
    """Return kappa of tables of shape (..., n_pairs, k * k), averaged over pairs by their number of rows."""
    tables = tables.reshape(*tables.shape[:-1], k, k).astype(float)
    n = tables.sum(axis=(-2, -1))
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = tables / n[..., None, None]
        observed = np.trace(shares, axis1=-2, axis2=-1)
        expected = (shares.sum(axis=-1) * shares.sum(axis=-2)).sum(axis=-1)
        values = (observed - expected) / (1 - expected)
    there = np.isfinite(values)
    weight = np.where(there, n, 0)
    with np.errstate(invalid="ignore"):
        return (np.where(there, values, 0) * weight).sum(axis=-1) / weight.sum(axis=-1)


def _noise(
    signs: Signs, labels: Any, matrix: np.ndarray, groups: Groups, learner: Any, rng: np.random.Generator
) -> None:
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) > max(20, len(codes) // 20):
        signs.note("Labels are numbers, not classes: label noise is not measured.")
        return
    if len(classes) < 2:
        signs.note("All labels are alike: label noise is not measured.")
        return
    p = crossfitted(codes.astype(float), matrix, rng, classes=True, learner=learner)
    if p.ndim == 1:
        p = np.column_stack([1 - p, p])
    thresholds = np.array([p[codes == k, k].mean() for k in range(len(classes))])
    confident = np.where(p >= thresholds, p, -1.0)
    counted, against = confident.max(axis=1) >= 0, confident.argmax(axis=1) != codes
    for contrast in signs.compared(groups, counted):
        signs.add_shares("label noise", contrast, against, "A classifier is confidently against the label of")


def _repeats(signs: Signs, preds: Any, prior: Any, labels: Any, groups: Groups) -> None:
    from scipy.stats import binomtest

    model, labelled = preds == prior, labels == prior
    for name, mask in members(groups):
        more, less = int((model & ~labelled & mask).sum()), int((~model & labelled & mask).sum())
        n = int(mask.sum())
        value = (more - less) / n
        error = np.sqrt(max((more + less) / n - value**2, 0) / n)
        width = quantile(signs.level) * error
        p = binomtest(more, more + less).pvalue if more + less else 1.0
        statement = (
            f"The model decides as the prior decision on {percent(model[mask].mean())} of {name}, the labels do on "
            f"{percent(labelled[mask].mean())}."
        )
        sign = "model repeats the prior decision"
        signs.add(sign, name, statement, value=value, low=value - width, high=value + width, p=p)
