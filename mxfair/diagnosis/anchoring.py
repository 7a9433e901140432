"""Signs of anchoring: results that hang on where they started."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import InputError, generator, numbers, plural, same_length
from mxfair.diagnosis._seeds import of_spread, seeds
from mxfair.diagnosis._signs import Signs, check_learner, groups_of, members, moments, numeric, points, typed
from mxfair.diagnosis._statistics import crossfitted, effect, permutation_p, quantile
from mxfair.diagnosis.finding import Diagnosis
from mxfair.groups import Groups

__all__ = ["anchoring_signs"]

_PERMUTATIONS = 499
#: With as many sessions, a trend is judged by how much it differs between them.
_SESSIONS = 10
_CHANGE = "Labels of {group} change by {value:+.3g} from the first to the last row of a session."


def anchoring_signs(
    groups: Any = None,
    *,
    predictions: Any = None,
    starts: Any = None,
    spread: Any = None,
    labels: Any = None,
    order: Any = None,
    session: Any = None,
    shown: Any = None,
    X: Any = None,
    learner: Any = None,
    level: float = 0.95,
    seed: int | np.random.Generator | None = 0,
) -> Diagnosis:
    r"""Return signs that a model hangs on its initial values, or human labels on what was seen before.

    Of a model trained several times:

    - *spread over seeds*: probability that two of the trained models decide otherwise on a row (of scores: their
      standard deviation), for a group minus the rest.
    - *gap over seeds*: standard deviation, over the models, of the difference of mean decisions between groups.
    - *gap between starts*: whether this difference hangs on the kind of start (random, pretrained), by analysis of
      variance; value is the largest mean minus the smallest.

    Of human labels in the order they were given:

    - *serial dependence*, by group: correlation of a label with the one before it in the session, beyond what columns
      and group predict and beyond the session's own level.
    - *trend within a session*, by group: change of the label from the first to the last row of a session.
    - *label follows the shown value*, by group: slope of the label on a value shown to the annotator, in its standard
      deviations, at equal columns.

    Parameters
    ----------
    groups : array of shape (n_samples,), columns or Groups, optional
        The sensitive attribute; needed for all but `spread`.
    predictions : array of shape (n_models, n_samples), optional
        Decisions or scores of models that differ in seed or start, on the same rows.
    starts : array of shape (n_models,), optional
        Kind of start of each model.
    spread : SeedSpread, optional
        `mxfair.ensemble.seed_spread`'s result, in the place of `predictions`.
    labels : array of shape (n_samples,), optional
        Two classes, or numbers.
    order : array of shape (n_samples,), optional
        Time or number by which labels were given.
    session : array of shape (n_samples,), optional
        Annotator or sitting; rows of different ones are not compared. Default: one.
    shown : array of float, shape (n_samples,), optional
        The value that was shown before labelling: a suggestion, a score, a previous price.
    X : data frame or array of shape (n_samples, n_features), optional
        Columns; without them, cases are taken to come, and values to be shown, regardless of the case.
    learner, level, seed
        As for `selection_signs`.

    Returns
    -------
    Diagnosis

    Raises
    ------
    InputError
        If shapes do not fit, or there are fewer than two models.

    Notes
    -----
    Serial dependence is tested by permuting what is left of the labels within each session and group: severe and mild
    annotators are no sign, nor are groups whose labels vary more. Its value is freed of what permutations give in the
    mean; its interval is the value and the spread of the permutations, which is right near 0. So is a trend where there
    are fewer than 10 sessions; of more, its error comes from the differences between sessions, so that rows of one may
    hang together (White, 1984). Seeds are taken as they are: the test of the spread is over rows.

    References
    ----------
    Tversky and Kahneman, *Judgment under uncertainty*, Science 185, 1974. Chen, Moskowitz and Shue, *Decision making
    under the gambler's fallacy*, Quarterly Journal of Economics 131, 2016: serial dependence of decisions. Welch,
    Biometrika 34, 1947. White, *Asymptotic theory for econometricians*, 1984, chapter 6: errors by cluster.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> groups, shown = rng.choice(["a", "b"], 800), rng.normal(size=800)  # shown at random
    >>> labels = rng.normal(size=800) + 0.5 * shown * (groups == "b")
    >>> [(f.sign, f.groups) for f in anchoring_signs(groups, labels=labels, shown=shown).found]
    [('label follows the shown value', 'b')]
    """
    signs, rng, learner = Signs("anchoring", level), generator(seed), check_learner(learner)
    encoded = None if groups is None else groups_of(groups)
    if predictions is not None and spread is not None:
        raise InputError(
            "'predictions' and 'spread' must not both be given; they are about the same models. Leave one out."
        )
    if predictions is not None:
        seeds(signs, predictions, starts, groups_of(encoded))
    elif spread is not None:
        of_spread(signs, spread)
    else:
        signs.lack("spread over seeds", "predictions of several seeds, or spread")
    if predictions is None or starts is None:
        signs.lack("gap between starts", "predictions and starts")
    if labels is None or order is None:
        signs.lack("serial dependence", "labels and order")
    if labels is None or shown is None:
        signs.lack("label follows the shown value", "labels and shown")
    if labels is None or (order is None and shown is None):
        return signs.diagnosis()
    encoded = groups_of(encoded)
    same_length(labels=labels, groups=encoded, order=order, session=session, shown=shown, X=X)
    label, label_is = numeric(labels, "labels")
    if np.ptp(label) == 0:
        signs.note("All labels are alike: whether they hang on their order or on shown values is not measured.")
        return signs.diagnosis()
    plain = label
    columns = np.eye(encoded.n_groups)[encoded.codes]
    if X is not None:
        columns = np.column_stack([signs.matrix(X)[0], columns])
        label = label - crossfitted(label, columns, rng, classes=label_is is not None, learner=learner)
    else:
        label = _without_group_means(label, encoded)
    if order is not None:
        _order(signs, label, moments(order, "order"), session, encoded, rng)
    if shown is not None:
        told = [name for name, mask in members(encoded) if np.ptp(plain[mask]) > 0]
        _shown(signs, label, numbers(shown, "shown"), columns, encoded, X is not None, told, label_is, learner, rng)
    return signs.diagnosis()


def _without_group_means(values: np.ndarray, groups: Groups) -> np.ndarray:
    sums = np.bincount(groups.codes, weights=values, minlength=groups.n_groups)
    return values - (sums / np.maximum(groups.counts, 1))[groups.codes]


def _order(
    signs: Signs,
    label: np.ndarray,
    order: tuple[np.ndarray, np.ndarray],
    session: Any,
    groups: Groups,
    rng: np.random.Generator,
) -> None:
    moment, absent = order
    if absent.any():
        raise InputError("'order' must not be missing. Leave out rows whose order is not known.")
    sessions = np.zeros(len(label), dtype=int)
    if session is not None:
        sessions = np.unique(typed(session, "session"), return_inverse=True)[1].reshape(-1)
    sequence = np.lexsort((moment, sessions))
    moment, label, sessions, codes = moment[sequence], label[sequence], sessions[sequence], groups.codes[sequence]
    follows = np.flatnonzero(sessions[1:] == sessions[:-1]) + 1
    tied = int((moment[follows] == moment[follows - 1]).sum())
    if tied:
        signs.note(f"{plural(tied, 'row')} have the order of the row before: they are taken as they stand in the data.")
    if not len(follows):
        signs.note("Each session has one row: whether labels hang on their order is not measured.")
        return
    place = _places(sessions)
    level = np.bincount(sessions, weights=label) / np.bincount(sessions)
    label = label - level[sessions]
    values, scale = _alike(label, codes, groups.n_groups)
    told = [name for name, _ in members(groups)]
    observed, drawn = _in_any_order(values, sessions, codes, place, groups.n_groups, rng)
    for k, name in enumerate(groups.names):
        if name not in told:
            continue
        _permuted(signs, "serial dependence", name, observed[0, k], drawn[:, 0, k])
        own = codes == k
        if len(np.unique(sessions[own])) >= _SESSIONS:
            _trend(signs, name, label[own], place[own], sessions[own])
        else:
            _permuted(signs, "trend within a session", name, scale[k] * observed[1, k], scale[k] * drawn[:, 1, k])


def _places(sessions: np.ndarray) -> np.ndarray:
    """Return the place of each row in its session, from -1/2 to 1/2; 0 where it is alone."""
    starts = np.flatnonzero(np.diff(sessions, prepend=-1))
    lengths = np.diff(starts, append=len(sessions))
    place = np.arange(len(sessions)) - np.repeat(starts, lengths)
    length = np.repeat(lengths, lengths)
    return np.where(length > 1, place / np.maximum(length - 1, 1) - 0.5, 0.0)


def _alike(label: np.ndarray, codes: np.ndarray, n_groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels by the standard deviation of their group, and the deviations."""
    counts = np.bincount(codes, minlength=n_groups)
    scale = np.sqrt(np.bincount(codes, weights=label**2, minlength=n_groups) / np.maximum(counts, 1))
    return label / np.where(scale > 0, scale, 1.0)[codes], scale


def _in_any_order(
    values: np.ndarray,
    sessions: np.ndarray,
    codes: np.ndarray,
    place: np.ndarray,
    n_groups: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return serial correlations and trends by group, as they are and of permutations within session and group."""
    follows = np.flatnonzero(sessions[1:] == sessions[:-1]) + 1
    steepness = np.bincount(codes, weights=place**2, minlength=n_groups)
    squares = np.bincount(codes[follows], weights=values[follows] ** 2, minlength=n_groups)

    def measured(row: np.ndarray) -> np.ndarray:
        serial = np.bincount(codes[follows], weights=row[follows] * row[follows - 1], minlength=n_groups)
        trend = np.bincount(codes, weights=row * place, minlength=n_groups)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.stack([serial / squares, trend / steepness])

    cells = sessions * n_groups + codes
    by_cell, moved, drawn = np.argsort(cells, kind="stable"), np.empty_like(values), []
    for _ in range(_PERMUTATIONS):
        moved[by_cell] = values[np.argsort(cells + rng.random(len(values)))]
        drawn.append(measured(moved))
    return measured(values), np.stack(drawn)


def _trend(signs: Signs, group: str, label: np.ndarray, place: np.ndarray, sessions: np.ndarray) -> None:
    """Add the slope over the place in the session, with an error that takes the rows of a session for dependent."""
    from scipy.stats import t

    size = (place**2).sum()
    if not size > 0:
        signs.note(f"All rows of {group} are alone in their session or in its middle, not measured: a trend.")
        return
    slope = float((label * place).sum() / size)
    by_session = np.bincount(sessions, weights=place * (label - slope * place))
    count = len(np.unique(sessions))
    error = float(np.sqrt((by_session**2).sum() * count / (count - 1)) / size)
    width = float(t.ppf(0.5 + signs.level / 2, count - 1)) * error
    p = float(2 * t.sf(abs(slope) / error, count - 1)) if error > 0 else float(slope == 0)
    sign, statement = "trend within a session", _CHANGE.format(group=group, value=slope)
    signs.add(sign, group, statement, value=slope, low=slope - width, high=slope + width, p=p)


def _permuted(signs: Signs, sign: str, group: str, value: float, chance: np.ndarray) -> None:
    if not np.isfinite(value) or not np.isfinite(chance).all() or not chance.std() > 0:
        signs.note(f"Too few rows of {group} follow others, or their labels are all alike, not measured: {sign}.")
        return
    middle = chance.mean()
    exceeded = int((np.abs(chance - middle) >= abs(value - middle) * (1 - 1e-9)).sum())
    p = permutation_p(exceeded, len(chance), (value - middle) / chance.std(ddof=1))
    width = quantile(signs.level) * chance.std(ddof=1)
    value = float(value - middle)
    if sign == "serial dependence":
        statement = f"Labels of {group} correlate by {value:+.3f} with the label before them in the session."
    else:
        statement = _CHANGE.format(group=group, value=value)
    signs.add(sign, group, statement, value=value, low=value - width, high=value + width, p=p)


def _shown(
    signs: Signs, label: np.ndarray, shown: np.ndarray, columns: np.ndarray, groups: Groups, given: bool, *tools: Any
) -> None:
    told, label_is, learner, rng = tools
    if not np.isfinite(shown).all():
        raise InputError("'shown' must be finite and not missing. Leave out rows for which nothing was shown.")
    unit = float(shown.std())
    if unit == 0:
        signs.note("All shown values are alike: whether labels follow them is not measured.")
        return
    if given:
        left = shown - crossfitted(shown, columns, rng, classes=False, learner=learner)
    else:
        left = _without_group_means(shown, groups)
    for name, mask in members(groups):
        value, low, high, p = effect(label[mask], left[mask] / unit, signs.level, before=shown[mask] / unit)
        if np.isnan(value) or name not in told:
            why = "the columns tell the shown value" if name in told else "labels are all alike"
            signs.note(f"In {name} {why}, or nearly: not measured whether labels follow the shown value.")
            continue
        size = f"{value:+.3g}" if label_is is None else f"{points(value)} often {label_is or 'positive'}"
        statement = f"Labels of {name} are {size} where the shown value is a standard deviation higher."
        signs.add("label follows the shown value", name, statement, value=value, low=low, high=high, p=p)
