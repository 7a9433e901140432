"""The data beside a reference population: which groups are too few, and by how much."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._validation import InputError, same_length, weights
from mxfair.preprocessing._comparison import GroupComparison, NumberComparison, ReferenceComparison
from mxfair.preprocessing._reference import Reference, Shares, is_columns, read_columns, read_single
from mxfair.uncertainty import check_level, wilson_interval

__all__ = ["GroupComparison", "NumberComparison", "ReferenceComparison", "compare_with_reference"]


def compare_with_reference(
    groups: Any,
    reference: Any,
    *,
    sample_weight: Any = None,
    reference_is_sample: bool | None = None,
    level: float = 0.95,
) -> ReferenceComparison:
    r"""Compare the groups of the data with a reference population, a census say.

    .. math:: \chi^2 = \sum_g \frac{(n_g - n q_g)^2}{n q_g}, \qquad w = \sqrt{\sum_g \frac{(p_g - q_g)^2}{q_g}}

    Parameters
    ----------
    groups : array-like, Groups, data frame or mapping of columns
        The data: one attribute, or several columns.
    reference : mapping, array-like, Groups or data frame
        Of one attribute: a mapping of groups to shares or counts (keys of a crossing: tuples), or the column of another
        data set. Of several: a mapping of columns to such mappings or columns, or a data frame with these columns; each
        column is compared by itself. With a mapping of groups to shares, several columns of data are crossed. A column
        of numbers is compared by its mean and standard deviation: with another data set, or with
        ``{"mean": 38.6, "std": 13.6}``.
    sample_weight : array of shape (n_samples,), optional
        Weight of each row, `ReferenceWeights.weights` say. Tests and intervals then use Kish's effective number of
        rows.
    reference_is_sample : bool, optional
        Whether the reference is a sample, whose shares vary by chance too. Default: another data set is one, a mapping
        of shares or counts is a population.
    level : float, default=0.95
        Confidence level of the intervals of the shares.

    Returns
    -------
    ReferenceComparison
        With one entry by column ("group", or the name of the attribute, for a single one).

    Raises
    ------
    InputError
        If shares do not sum to 1, a column is missing, or nothing is known of any row.

    Notes
    -----
    Shares that sum to within .005 of 1 are taken as rounded. Rows whose group is missing are counted and are in no
    share. The test takes the rows for a simple random sample: in large data it finds differences that do not matter,
    for which there is Cohen's w. A numeric column with more than 20 different values is compared by mean and standard
    deviation, other columns by their levels.

    References
    ----------
    Pearson, Philosophical Magazine 50, 1900. Cohen, "Statistical Power Analysis for the Behavioral Sciences", 1988,
    section 7.2. Austin, "Balance diagnostics for comparing the distribution of baseline covariates", Statistics in
    Medicine 28, 2009: standardised differences. Kish, "Survey Sampling", 1965: effective sample size.

    Examples
    --------
    >>> found = compare_with_reference(["f"] * 30 + ["m"] * 70, {"f": 0.5, "m": 0.5})
    >>> found
           count  share    low   high  reference  difference  ratio  standardized
    group
    f         30    0.3 0.2189 0.3958        0.5        -0.2    0.6        -0.417
    m         70    0.7 0.6042 0.7811        0.5         0.2    1.4         0.417
    chi-square 16 (goodness of fit), 1 degrees of freedom, p 6.33e-05, Cohen's w 0.4
    """
    check_level(level)
    weight = weights(sample_weight)
    single = not is_columns(groups, reference)
    read = [read_single(groups, reference)] if single else read_columns(groups, reference)
    parts: dict[str, GroupComparison | NumberComparison] = {}
    for column in read:
        same_length(groups=column.data, sample_weight=weight)
        if column.shares is None:
            parts[column.name] = _compare_numbers(column, weight)
        else:
            parts[column.name] = _compare_groups(column.shares, weight, sample=reference_is_sample, level=level)
    return ReferenceComparison(parts)


def _compare_groups(given: Shares, weight: np.ndarray | None, *, sample: bool | None, level: float) -> GroupComparison:
    if sample and given.total is None:
        raise InputError(
            f"'reference_is_sample' must not be True where '{given.name}' has given shares; their number of rows is "
            "not known. Give the other data set."
        )
    size = len(given.names)
    known = given.codes >= 0
    own = np.ones(len(known)) if weight is None else weight
    counts = np.bincount(given.codes[known], own[known], minlength=size)
    total = counts.sum()
    if total <= 0:
        raise InputError(f"'{given.name}' must be known for some rows; got only missing values, or weights of 0.")
    shares = counts / total
    effective = total**2 / (own[known] ** 2).sum()
    low, high = wilson_interval(shares * effective, np.full(size, effective), level=level)
    reference_size = None if sample is False else given.total
    q = given.reference
    if reference_size is None:
        expected = q * effective
    else:
        expected = (shares * effective + q * reference_size) * effective / (effective + reference_size)
    return GroupComparison(
        given.name,
        given.names,
        counts,
        shares,
        q,
        low,
        high,
        expected,
        float(own[~known].sum()),
        float(effective),
        reference_size,
        level,
    )


def _compare_numbers(column: Reference, weight: np.ndarray | None) -> NumberComparison:
    values = np.asarray(column.values)
    there = ~np.isnan(values)
    own = np.ones(len(values)) if weight is None else weight
    if not own[there].sum() > 0:
        raise InputError(f"'{column.name}' must be known for some rows; got only missing values, or weights of 0.")
    mean = float(np.average(values[there], weights=own[there]))
    std = float(np.sqrt(np.average((values[there] - mean) ** 2, weights=own[there])))
    missing = int((~there).sum())
    return NumberComparison(column.name, mean, std, column.reference_mean, column.reference_std, missing)
