"""Signs of anchoring: results that hang on where they started."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import InputError, generator, missing, numbers, same_length, to_numpy, vector
from mxfair.diagnosis._signs import Signs, groups_of, matrix_of, members, numeric
from mxfair.diagnosis._statistics import crossfitted, effect
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
    Serial dependence is tested by permuting what is left of the labels within each session: severe and mild annotators
    are no sign. Its value is freed of what permutations give in the mean; its interval is the value and the spread of
    the permutations, which is right near 0. So is a trend where there are fewer than 10 sessions; of more, its error
    comes from the differences between sessions, so that rows of a session may hang together (White, 1984). Seeds are
    taken as they are: the test of the spread is over rows.

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
    signs, rng = Signs("anchoring", level), generator(seed)
    encoded = None if groups is None else groups_of(groups)
    if predictions is not None:
        _seeds(signs, predictions, starts, groups_of(encoded))
    elif spread is not None:
        _spread(signs, spread)
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
    label, classes = numeric(labels, "labels")
    columns = np.eye(encoded.n_groups)[encoded.codes]
    if X is not None:
        columns = np.column_stack([matrix_of(X)[0], columns])
        label = label - crossfitted(label, columns, rng, classes=classes, learner=learner)
    else:
        label = _without_group_means(label, encoded)
    if order is not None:
        _order(signs, label, vector(order, "order"), session, encoded, rng)
    if shown is not None:
        _shown(signs, label, numbers(shown, "shown"), columns, encoded, X is not None, learner, rng)
    return signs.diagnosis()


def _without_group_means(values: np.ndarray, groups: Groups) -> np.ndarray:
    sums = np.bincount(groups.codes, weights=values, minlength=groups.n_groups)
    return values - (sums / np.maximum(groups.counts, 1))[groups.codes]


def _seeds(signs: Signs, predictions: Any, starts: Any, groups: Groups) -> None:
    from scipy.stats import f_oneway, ttest_ind

    array = to_numpy(predictions)
    if array.ndim != 2 or len(array) < 2 or array.shape[1] != len(groups):
        raise InputError(
            f"'predictions' must have a row for each of two models or more and a column for each of the {len(groups)} "
            f"samples; got shape {array.shape}. Stack the predictions of the seeds."
        )
    values = np.unique(array)
    decisions = array.dtype.kind not in "f" or set(values.tolist()) <= {0.0, 1.0}
    k = len(array)
    if decisions:
        shares = np.stack([(array == value).mean(axis=0) for value in values])
        apart = (1 - (shares**2).sum(axis=0)) * k / (k - 1)
        mean = (array == values[-1]).astype(float)
        what = "Two models decide otherwise on"
    else:
        apart, mean, what = array.std(axis=0, ddof=1), array.astype(float), "The models' scores have a deviation of"
    for contrast in signs.compared(groups):
        own, rest = apart[contrast.inside], apart[contrast.outside]
        test = ttest_ind(own, rest, equal_var=False)
        interval = test.confidence_interval(signs.level)
        shown = [f"{100 * v:.1f} %" if decisions else f"{v:.3g}" for v in (own.mean(), rest.mean())]
        verb = "of the rows of" if decisions else "on"
        statement = f"{what} {shown[0]} {verb} {contrast.name}, and {shown[1]} {verb} {contrast.other}."
        value, p = own.mean() - rest.mean(), test.pvalue if np.isfinite(test.pvalue) else 1.0
        signs.add("spread over seeds", contrast.text, statement, value=value, low=interval.low, high=interval.high, p=p)
        gaps = mean[:, contrast.inside].mean(axis=1) - mean[:, contrast.outside].mean(axis=1)
        _gap(signs, gaps, contrast.text)
        if starts is not None:
            kinds = vector(starts, "starts").astype(str)
            same_length(predictions=array, starts=kinds)
            parts = [gaps[kinds == kind] for kind in np.unique(kinds)]
            if len(parts) < 2 or min(map(len, parts)) < 2:
                raise InputError(
                    "'starts' must hold two kinds or more, with two models or more each. Train more models."
                )
            means = [float(part.mean()) for part in parts]
            listed = ", ".join(f"{kind} {m:+.3f}" for kind, m in zip(np.unique(kinds), means))
            statement = f"The gap of {contrast.text} by start: {listed}."
            value = max(means) - min(means)
            signs.add("gap between starts", contrast.text, statement, value=value, p=f_oneway(*parts).pvalue)


def _gap(signs: Signs, gaps: np.ndarray, text: str) -> None:
    """Add the spread of a gap over seeds, with the interval of a standard deviation of normal values."""
    from scipy.stats import chi2

    k, sd = len(gaps), float(np.std(gaps, ddof=1))
    tail = (1 - signs.level) / 2
    low, high = (sd * np.sqrt((k - 1) / chi2.ppf(q, k - 1)) for q in (1 - tail, tail))
    statement = f"Over {k} models the gap of {text} is {gaps.min():+.3f} to {gaps.max():+.3f}, deviation {sd:.3f}."
    signs.add("gap over seeds", text, statement, value=sd, low=low, high=high)


def _spread(signs: Signs, spread: Any) -> None:
    gaps = np.asarray(spread.gap, dtype=float)
    gaps = gaps[np.isfinite(gaps)]
    if len(gaps) < 2:
        raise InputError("'spread' must hold the gaps of two members or more. Train more members.")
    _gap(signs, gaps, spread.criterion)
    by_group = spread.disagreement.by_group if hasattr(spread.disagreement, "by_group") else {}
    for name, value in dict(by_group).items():
        statement = f"Two members decide otherwise on {100 * value:.1f} % of the rows of {name}."
        signs.add("spread over seeds", str(name), statement, value=value)


def _order(
    signs: Signs, label: np.ndarray, order: np.ndarray, session: Any, groups: Groups, rng: np.random.Generator
) -> None:
    if missing(order).any():
        raise InputError("'order' must not be missing. Leave out rows whose order is not known.")
    sessions = np.zeros(len(label), dtype=int)
    if session is not None:
        sessions = np.unique(vector(session, "session").astype(str), return_inverse=True)[1].reshape(-1)
    sequence = np.lexsort((order, sessions))
    label, sessions, codes = label[sequence], sessions[sequence], groups.codes[sequence]
    follows = np.flatnonzero(sessions[1:] == sessions[:-1]) + 1
    starts = np.flatnonzero(np.diff(sessions, prepend=-1))
    lengths = np.diff(starts, append=len(sessions))
    place = (np.arange(len(sessions)) - np.repeat(starts, lengths)) / np.repeat(np.maximum(lengths - 1, 1), lengths)
    place = np.where(np.repeat(lengths, lengths) > 1, place - 0.5, 0.0)
    n_groups = groups.n_groups
    steepness = np.bincount(codes, weights=place**2, minlength=n_groups)
    squares = np.bincount(codes[follows], weights=label[follows] ** 2, minlength=n_groups)

    def measured(values: np.ndarray) -> np.ndarray:
        serial = np.bincount(codes[follows], weights=values[follows] * values[follows - 1], minlength=n_groups)
        trend = np.bincount(codes, weights=values * place, minlength=n_groups)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.stack([serial / squares, trend / steepness])

    observed = measured(label)
    drawn = np.stack([measured(label[np.lexsort((rng.random(len(label)), sessions))]) for _ in range(_PERMUTATIONS)])
    told = [name for name, _ in members(groups)]
    for k, name in enumerate(groups.names):
        if name not in told:
            continue
        _permuted(signs, "serial dependence", name, observed[0, k], drawn[:, 0, k])
        own = codes == k
        if len(np.unique(sessions[own])) >= _SESSIONS:
            level = np.bincount(sessions, weights=label) / np.bincount(sessions)
            _trend(signs, name, (label - level[sessions])[own], place[own], sessions[own])
        else:
            _permuted(signs, "trend within a session", name, observed[1, k], drawn[:, 1, k])


def _trend(signs: Signs, group: str, label: np.ndarray, place: np.ndarray, sessions: np.ndarray) -> None:
    """Add the slope over the place in the session, with an error that takes the rows of a session for dependent."""
    from scipy.stats import t

    size = (place**2).sum()
    slope = float((label * place).sum() / size)
    by_session = np.bincount(sessions, weights=place * (label - slope * place))
    count = len(np.unique(sessions))
    error = float(np.sqrt((by_session**2).sum() * count / (count - 1)) / size)
    width = float(t.ppf(0.5 + signs.level / 2, count - 1)) * error
    p = float(2 * t.sf(abs(slope) / error, count - 1)) if error > 0 else float(slope == 0)
    sign, statement = "trend within a session", _CHANGE.format(group=group, value=slope)
    signs.add(sign, group, statement, value=slope, low=slope - width, high=slope + width, p=p)


def _permuted(signs: Signs, sign: str, group: str, value: float, chance: np.ndarray) -> None:
    from mxfair.diagnosis._statistics import quantile

    if not np.isfinite(value) or not np.isfinite(chance).all():
        return
    middle = chance.mean()
    p = (1 + (np.abs(chance - middle) >= abs(value - middle) * (1 - 1e-9)).sum()) / (1 + len(chance))
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
    learner, rng = tools
    if np.isnan(shown).any():
        raise InputError("'shown' must not be missing. Leave out rows for which nothing was shown.")
    unit = float(shown.std())
    if unit == 0:
        signs.note("All shown values are alike: whether labels follow them is not measured.")
        return
    if given:
        shown = shown - crossfitted(shown, columns, rng, classes=False, learner=learner)
    else:
        shown = _without_group_means(shown, groups)
    for name, mask in members(groups):
        value, low, high, p = effect(label[mask], shown[mask] / unit, signs.level)
        statement = f"Labels of {name} are {value:+.3g} where the shown value is a standard deviation higher."
        signs.add("label follows the shown value", name, statement, value=value, low=low, high=high, p=p)
