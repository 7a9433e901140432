"""Signs of availability bias: of whom there is recent, dense and complete data, and from how many sources."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import generator, missing, positive_integer, same_length, to_numpy, vector
from mxfair.diagnosis._signs import FEWEST, Signs, groups_of, moments, percent
from mxfair.diagnosis._statistics import auc, share_difference
from mxfair.diagnosis.finding import Diagnosis
from mxfair.groups import Groups
from mxfair.preprocessing import missingness_report

__all__ = ["availability_signs"]

_RESAMPLES = 999
#: As many times more permutations are drawn where none of the first reaches what was observed.
_MORE = 19
#: Neighbours are searched among this many rows at most.
_MOST_ROWS = 20_000


def availability_signs(
    X: Any = None,
    groups: Any = None,
    *,
    time: Any = None,
    source: Any = None,
    neighbours: int = 10,
    level: float = 0.95,
    seed: int | np.random.Generator | None = 0,
) -> Diagnosis:
    r"""Return signs that the data make some groups easier to see than others.

    - *recency*: probability that a row of the group is older than one of the rest (ties count half); .5 where groups
      are alike.
    - *sparsity*: probability that a row of the group is further from its k-th nearest neighbour, of any group, than a
      row of the rest is; .5 where groups are alike.
    - *incomplete rows*: share of rows that lack a value, minus that of the rest; *missing column*: for columns that
      lack values, the largest difference between groups (`mxfair.preprocessing.missingness_report`).
    - *concentration of sources*: probability that two rows of a group come from one source, minus that for two rows of
      the rest.

    Parameters
    ----------
    X : data frame or array of shape (n_samples, n_features), optional
        Columns; for distances numbers are standardized and text is one-hot encoded.
    groups : array of shape (n_samples,), columns or Groups
        The sensitive attribute.
    time : array of numbers or dates, shape (n_samples,), optional
        When each row was recorded; larger is later.
    source : array of shape (n_samples,), optional
        Where each row came from: a site, a file, a person.
    neighbours : int, default=10
        k.
    level, seed
        As for `selection_signs`.

    Returns
    -------
    Diagnosis

    Raises
    ------
    InputError
        If lengths do not fit.

    Notes
    -----
    Neighbours are searched among 20,000 rows drawn from the data at most. The tests of time and distance are Mann and
    Whitney's, that of sources permutes the groups; the interval of sources resamples rows.

    References
    ----------
    Mann and Whitney, Annals of Mathematical Statistics 18, 1947; DeLong et al., Biometrics 44, 1988. Simpson,
    *Measurement of diversity*, Nature 163, 1949: two rows from one source.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> groups = np.repeat(["a", "b"], [300, 100])
    >>> site = np.where(groups == "a", rng.integers(0, 10, 400), rng.integers(0, 2, 400))
    >>> print(availability_signs(groups=groups, source=site).found[0].statement)
    Two rows of b come from one source with probability 0.495, of a with 0.100.
    """
    signs, rng = Signs("availability", level), generator(seed)
    encoded = groups_of(groups)
    same_length(X=X, groups=encoded, time=time, source=source)
    k = positive_integer(neighbours, "neighbours")
    if time is None:
        signs.lack("recency", "time")
    else:
        _recency(signs, *moments(time, "time"), encoded)
    if X is None:
        signs.lack("sparsity", "X")
        signs.lack("incomplete rows", "X")
    else:
        _sparsity(signs, X, encoded, k, rng)
        _incomplete(signs, X, encoded)
    if source is None:
        signs.lack("concentration of sources", "source")
    else:
        _sources(signs, vector(source, "source"), encoded, rng)
    return signs.diagnosis()


def _recency(signs: Signs, stamps: np.ndarray, absent: np.ndarray, groups: Groups) -> None:
    if absent.any():
        signs.note(f"Rows without a time, left out of recency: {int(absent.sum()):,}.")
    for contrast in signs.compared(groups, ~absent):
        own, rest = stamps[contrast.inside], stamps[contrast.outside]
        value, low, high, p = auc(-own.astype(float), -rest.astype(float), signs.level)
        shown = [_moment(part) for part in (own, rest)]
        statement = (
            f"Half of the rows of {contrast.name} are from before {shown[0]}, of {contrast.other} before {shown[1]}."
        )
        signs.add("recency", contrast.text, statement, value=value, low=low, high=high, p=p, null=0.5)


def _moment(stamps: np.ndarray) -> str:
    if stamps.dtype.kind == "M":
        return str(np.sort(stamps)[len(stamps) // 2].astype("datetime64[D]"))
    return f"{np.median(stamps):.4g}"


def _sparsity(signs: Signs, X: Any, groups: Groups, k: int, rng: np.random.Generator) -> None:
    from sklearn.neighbors import NearestNeighbors

    matrix, _ = signs.matrix(X)
    if not matrix.shape[1]:
        signs.note("All columns are constant: sparsity is not measured.")
        return
    rows = np.arange(len(matrix))
    if len(rows) > _MOST_ROWS:
        rows = np.sort(rng.choice(rows, _MOST_ROWS, replace=False))
        signs.note(f"Neighbours were searched among {_MOST_ROWS:,} rows drawn from {len(matrix):,}.")
    if len(rows) <= k + 1:
        signs.note(f"Fewer than {k + 2} rows: sparsity is not measured.")
        return
    search = NearestNeighbors(n_neighbors=k + 1).fit(matrix[rows])
    distance = np.full(len(matrix), np.nan)
    distance[rows] = search.kneighbors(matrix[rows])[0][:, -1]  # the first neighbour is the row itself
    radius = float(np.median(distance[rows]))
    near = np.full(len(matrix), np.nan)
    near[rows] = _within(search, matrix[rows], radius)
    for contrast in signs.compared(groups, np.isfinite(distance)):
        own, rest = distance[contrast.inside], distance[contrast.outside]
        value, low, high, p = auc(own, rest, signs.level)
        counts = [float(np.median(near[mask])) for mask in (contrast.inside, contrast.outside)]
        statement = (
            f"The median distance to neighbour {k} is {np.median(own):.3g} for {contrast.name} and "
            f"{np.median(rest):.3g} for {contrast.other}; within {radius:.3g} are {counts[0]:.0f} and {counts[1]:.0f}."
        )
        signs.add("sparsity", contrast.text, statement, value=value, low=low, high=high, p=p, null=0.5)


def _within(search: Any, matrix: np.ndarray, radius: float) -> np.ndarray:
    """Return how many other rows lie within a radius, chunk by chunk."""
    parts = [matrix[start : start + 2000] for start in range(0, len(matrix), 2000)]
    found = [search.radius_neighbors_graph(part, radius).getnnz(axis=1) for part in parts]
    return np.concatenate(found) - 1


def _incomplete(signs: Signs, X: Any, groups: Groups) -> None:
    from mxfair.preprocessing.missingness import _absent

    absent, names = _absent(X)
    if not absent.any():
        signs.note("No value of the columns is missing.")
        return
    for contrast in signs.compared(groups):
        signs.add_shares("incomplete rows", contrast, absent.any(axis=1), "A value is missing in")
    large = groups.known & (groups.counts >= FEWEST)
    rows = large[groups.codes]
    if large.sum() < 2:
        return
    report = missingness_report(_kept(X, rows), groups.take(rows))
    some = report.columns[report.columns["missing"] > 0]
    pairs = int(large.sum()) * (int(large.sum()) - 1) // 2
    for column, row in some.iterrows():
        if not np.isfinite(row["p_value"]):
            continue
        mask = absent[:, list(names).index(column)]
        sides = [groups.codes == groups.names.index(row[end]) for end in ("highest", "lowest")]
        x, n, rest_x, rest_n = (float(part.sum()) for side in sides for part in (mask[side], side))
        # of several groups the pair was chosen for its difference: the test is of all, the interval holds for all pairs
        value, low, high, _ = share_difference(x, n, rest_x, rest_n, 1 - (1 - signs.level) / pairs)
        most, least = row["highest"], row["lowest"]
        statement = f"'{column}' is missing in {percent(x / n)} of {most}, and {percent(rest_x / rest_n)} of {least}."
        text = f"{most} against {least}"
        signs.add("missing column", text, statement, value=value, low=low, high=high, p=row["p_value"])


def _kept(X: Any, rows: np.ndarray) -> Any:
    return X.loc[rows] if hasattr(X, "loc") else to_numpy(X)[rows]


def _sources(signs: Signs, source: np.ndarray, groups: Groups, rng: np.random.Generator) -> None:
    absent = missing(source)
    if absent.any():
        signs.note(f"Rows without a source, left out of its concentration: {int(absent.sum()):,}.")
    names, codes = np.unique(source[~absent].astype(str), return_inverse=True)
    place = np.full(len(source), -1)
    place[~absent] = codes.reshape(-1)
    for contrast in signs.compared(groups, ~absent):
        tables = [np.bincount(place[mask], minlength=len(names)) for mask in (contrast.inside, contrast.outside)]
        own, rest = (float(_same(table)) for table in tables)
        total, n = tables[0] + tables[1], int(tables[0].sum())
        exceeded, count = _exceeded(total, n, own - rest, rng), _RESAMPLES
        for _ in range(0 if exceeded else _MORE):  # 1 / 1,000 is too coarse to be corrected for many tests
            exceeded, count = exceeded + _exceeded(total, n, own - rest, rng), count + _RESAMPLES
        p = (1 + exceeded) / (1 + count)
        resampled = [_same(rng.multinomial(table.sum(), table / table.sum(), size=_RESAMPLES)) for table in tables]
        spread = resampled[0] - resampled[1]
        tail = (1 - signs.level) / 2
        shift = own - rest - spread.mean()  # a resample has two rows from one source more often
        low, high = np.quantile(spread, [tail, 1 - tail]) + shift
        statement = (
            f"Two rows of {contrast.name} come from one source with probability {own:.3f}, of {contrast.other} with "
            f"{rest:.3f}."
        )
        signs.add("concentration of sources", contrast.text, statement, value=own - rest, low=low, high=high, p=p)


def _exceeded(total: np.ndarray, n: int, observed: float, rng: np.random.Generator) -> int:
    """Return how many permutations of the groups differ as much as was observed."""
    drawn = rng.multivariate_hypergeometric(total, n, size=_RESAMPLES, method="marginals")
    chance = _same(drawn) - _same(total - drawn)
    return int((np.abs(chance) >= abs(observed) * (1 - 1e-9)).sum())


def _same(counts: np.ndarray) -> np.ndarray:
    """Return the probability that two different rows come from one source, without bias."""
    n = counts.sum(axis=-1)
    return (counts * (counts - 1)).sum(axis=-1) / np.maximum(n * (n - 1), 1)
