"""Signs of confirmation bias: labels and models that repeat what was decided before."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from mxfair._validation import InputError, generator, missing, plural, same_length, to_numpy, vector
from mxfair.diagnosis._signs import Signs, check_learner, groups_of, members, numeric, percent, points, typed
from mxfair.diagnosis._statistics import crossfitted, effect, kappa, paired_difference, quantile
from mxfair.diagnosis.finding import Diagnosis
from mxfair.groups import Groups

__all__ = ["confirmation_signs"]

#: Blocks of rows that the jackknife of agreement leaves out, one at a time.
_BLOCKS = 100
#: Labels of more values than this are numbers, of which there is no kappa and no noise.
_MOST_CLASSES = 20
#: Rows of a class that a model needs to be cross-fitted.
_FEWEST_OF_CLASS = 5
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
    - *label noise*, by group: share of labels that a cross-validated classifier is against, of the rows of which it is
      confident (confident learning), minus that of the rest.
    - *model repeats the prior decision*, by group: how often the model decides as the rule, minus how often the labels
      do: above 0, it is closer to the rule than what it learned from. A model that decides by what is likelier leaves
      the chance in the labels out, and so comes closer to any rule that looks at the same columns.

    Parameters
    ----------
    labels : array of shape (n_samples,), optional
        Two classes or numbers; kappa and noise take up to 20 classes. Labels, `prior` and `preds` are compared by
        name: they have to be called alike.
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
    which groups need not share; the error of the agreement of annotators is a jackknife's.

    References
    ----------
    Robinson, Econometrica 56, 1988; Chernozhukov et al., *Double/debiased machine learning*, Econometrics Journal 21,
    2018. Agresti and Min, Statistics in Medicine 24, 2005: differences of matched pairs. Cohen, Educational and
    Psychological Measurement 20, 1960; Fleiss, Cohen and Everitt, Psychological Bulletin 72, 1969. Northcutt, Jiang and
    Chuang, *Confident learning*, JAIR 70, 2021, section 3.1.

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
    signs, rng, learner = Signs("confirmation", level), generator(seed), check_learner(learner)
    encoded = groups_of(groups)
    labels = None if labels is None else typed(labels, "labels")
    prior = None if prior is None else typed(prior, "prior")
    preds = None if preds is None else typed(preds, "preds")
    same_length(labels=labels, groups=encoded, X=X, prior=prior, annotators=annotators, preds=preds)
    if labels is not None and prior is not None and (annotators is not None or preds is not None):
        _check_classes(labels, prior=prior, preds=preds)
    matrix = None if X is None else signs.matrix(X)[0]
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


def _check_classes(labels: np.ndarray, **others: np.ndarray | None) -> None:
    """Refuse decisions that cannot be compared with the labels since they are called otherwise."""
    for name, values in others.items():
        if values is None:
            continue
        kinds = ["numbers" if array.dtype.kind in "biuf" else "texts" for array in (labels, values)]
        if kinds[0] != kinds[1]:
            raise InputError(f"'labels' and '{name}' must be called alike; got {kinds[0]} and {kinds[1]}. Recode one.")
        levels = [np.unique(array) for array in (labels, values)]
        if max(map(len, levels)) <= 2 and len(np.union1d(*levels)) > 2:
            shown = " and ".join("/".join(map(str, part)) for part in levels)
            raise InputError(f"'labels' and '{name}' must be called alike; got {shown}. Recode one of them.")


def _follows(
    signs: Signs, labels: Any, prior: Any, matrix: np.ndarray, groups: Groups, learner: Any, rng: np.random.Generator
) -> None:
    sign = "label follows the prior decision"
    for name, values in (("Labels", labels), ("Prior decisions", prior)):
        levels = np.unique(values)
        if len(levels) < 2 or (values.dtype.kind not in "biuf" and len(levels) > 2):
            why = "all alike" if len(levels) < 2 else f"of {len(levels)} classes; mark one of them as 1 and 0"
            signs.note(f"{name} are {why}: not measured whether a {sign}.")
            return
    (label, label_is), (rule, rule_is) = numeric(labels, "labels"), numeric(prior, "prior")
    columns = np.column_stack([matrix, np.eye(groups.n_groups)[groups.codes]])
    left = label - crossfitted(label, columns, rng, classes=label_is is not None, learner=learner)
    unit = 1.0 if rule_is is not None else float(rule.std())
    rule = rule / unit
    rest = rule - crossfitted(rule * unit, columns, rng, classes=rule_is is not None, learner=learner) / unit
    step = "the prior score is a standard deviation higher"
    step = step if rule_is is None else f"the prior decision was {rule_is or 'yes'}"
    for name, mask in members(groups):
        value, low, high, p = effect(left[mask], rest[mask], signs.level, before=rule[mask])
        if np.isnan(value) or np.ptp(label[mask]) == 0:
            why = "labels are all alike" if np.ptp(label[mask]) == 0 else "the columns tell the prior decision"
            signs.note(f"In {name} {why}, or nearly: not measured whether a {sign}.")
            continue
        size = f"{value:+.3g}" if label_is is None else f"{points(value)} often {label_is or 'positive'}"
        statement = f"At equal columns, labels of {name} are {size} where {step}."
        signs.add(sign, name, statement, value=value, low=low, high=high, p=p)


def _annotators(signs: Signs, labels: Any, prior: Any, annotators: np.ndarray, groups: Groups) -> None:
    if max(len(np.unique(labels)), len(np.unique(prior))) > _MOST_CLASSES:
        signs.note("Labels or prior decisions are numbers, not classes: annotators are not compared with the rule.")
        return
    absent = missing(annotators)
    if absent.any():
        signs.note(f"Rows without an annotator, left out of the comparison with the rule: {int(absent.sum()):,}.")
    names, found = np.unique(annotators[~absent].astype(str), return_inverse=True)
    codes = np.full(len(annotators), -1)
    codes[~absent] = found.reshape(-1)
    few = 0
    for group, mask in members(groups, ~absent):
        for k, name in enumerate(names):
            own, other = mask & (codes == k), mask & (codes != k)
            if min(own.sum(), other.sum()) < _FEWEST_LABELS:
                few += 1
                continue
            (value, error), (rest, rest_error) = (kappa(labels[rows], prior[rows]) for rows in (own, other))
            if np.isnan(value) or np.isnan(rest):
                signs.note(f"Kappa is undefined where labels and rule are all alike: {group}, {name}.")
                continue
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
        return (float("nan"),) * 3
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
    present = typed(array[~absent], "annotations")
    levels = np.unique(present)
    if not 2 <= len(levels) <= _MOST_CLASSES:
        signs.note(f"Annotations are of {plural(len(levels), 'class', 'classes')}: agreement is not measured.")
        return
    codes = np.full(array.shape, -1)
    codes[~absent] = np.searchsorted(levels, present)
    for contrast in signs.compared(groups, (~absent).sum(axis=1) > 1):
        sides = [_agreed(codes[mask], len(levels), rng) for mask in (contrast.inside, contrast.outside)]
        (own, own_error), (rest, rest_error) = sides
        if not np.isfinite([own, own_error, rest, rest_error]).all():
            signs.note(f"Kappa is undefined where all annotations are alike: {contrast.text}.")
            continue
        value = own - rest
        low, high, p = _normal(value, float(np.hypot(own_error, rest_error)), signs.level)
        statement = (
            f"Annotators agree with a kappa of {own:.2f} on {contrast.name} and of {rest:.2f} on {contrast.other}."
        )
        signs.add("annotator agreement", contrast.text, statement, value=value, low=low, high=high, p=p)


def _agreed(codes: np.ndarray, k: int, rng: np.random.Generator) -> tuple[float, float]:
    """Return the mean kappa of all pairs of annotators and its standard error, by a jackknife of blocks of rows."""
    n_blocks = min(len(codes), _BLOCKS)
    block = rng.permutation(np.arange(len(codes)) % n_blocks)
    pairs = list(combinations(range(codes.shape[1]), 2))
    tables = np.zeros((n_blocks, len(pairs), k * k))
    for place, (first, second) in enumerate(pairs):
        both = (codes[:, first] >= 0) & (codes[:, second] >= 0)
        cell = (block[both] * k + codes[both, first]) * k + codes[both, second]
        tables[:, place] = np.bincount(cell, minlength=n_blocks * k * k).reshape(n_blocks, k * k)
    total = tables.sum(axis=0)
    without = _mean_kappa(total - tables, k)
    error = np.sqrt((n_blocks - 1) / n_blocks * ((without - without.mean()) ** 2).sum())
    return float(_mean_kappa(total, k)), float(error)


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
    codes = codes.reshape(-1)
    if len(classes) > _MOST_CLASSES:
        signs.note("Labels are numbers, not classes: label noise is not measured.")
        return
    if len(classes) < 2 or not matrix.shape[1]:
        signs.note(
            f"{'All labels are alike' if len(classes) < 2 else 'Columns are constant'}: label noise is not measured."
        )
        return
    counts = np.bincount(codes)
    if counts.min() < _FEWEST_OF_CLASS:
        rare = ", ".join(map(str, classes[counts < _FEWEST_OF_CLASS]))
        kept = counts[codes] >= _FEWEST_OF_CLASS
        signs.note(f"Classes with fewer than {_FEWEST_OF_CLASS} labels, left out of label noise: {rare}.")
        return _noise(signs, labels[kept], matrix[kept], groups.take(np.flatnonzero(kept)), learner, rng)
    p = crossfitted(codes.astype(float), matrix, rng, classes=True, learner=learner)
    if p.ndim == 1:
        p = np.column_stack([1 - p, p])
    thresholds = np.array([p[codes == k, k].mean() for k in range(len(classes))])
    confident = np.where(p >= thresholds, p, -1.0)
    counted, against = confident.max(axis=1) >= 0, confident.argmax(axis=1) != codes
    for contrast in signs.compared(groups, counted):
        signs.add_shares(
            "label noise", contrast, against, "Where a classifier is confident, it is against the label of"
        )


def _repeats(signs: Signs, preds: Any, prior: Any, labels: Any, groups: Groups) -> None:
    if max(len(np.unique(values)) for values in (preds, prior, labels)) > _MOST_CLASSES:
        signs.note("Labels, predictions or prior decisions are numbers: model and rule are not compared.")
        return
    model, labelled = preds == prior, labels == prior
    for name, mask in members(groups):
        more, less = int((model & ~labelled & mask).sum()), int((~model & labelled & mask).sum())
        value, low, high, p = paired_difference(more, less, int(mask.sum()), signs.level)
        statement = (
            f"The model decides as the prior decision on {percent(model[mask].mean())} of {name}, the labels do on "
            f"{percent(labelled[mask].mean())}."
        )
        sign = "model repeats the prior decision"
        signs.add(sign, name, statement, value=value, low=low, high=high, p=p)
