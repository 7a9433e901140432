"""`DatasetBunch`: what every loader returns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from mxfair._validation import InputError, one_of, positive_integer, same_length

_ROW_KEYS = ("data", "target", "groups", "split", "sample_weight", "meta")  # one row, or one value, per sample


def random_split(n: int, test_size: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of a training and a test part; see `DatasetBunch.train_test`."""
    n_train = round((1 - test_size) * n) if 0 < test_size < 1 else 0
    if not 0 < n_train < n:
        raise InputError(
            f"'test_size' must leave samples on both sides of the split; got {test_size} for {n} samples. "
            "Choose a share between 0 and 1, for instance 0.3."
        )
    if positive_integer(seed, "seed", minimum=0) >= 2**32:
        raise InputError(f"'seed' must be below 2**32; got {seed}. Choose a smaller number.")
    order = np.random.RandomState(seed).permutation(n)
    return order[:n_train], order[n_train:]


class DatasetBunch(Bunch):
    """A data set with its groups: scikit-learn's Bunch (a dict whose keys are attributes too), always with these keys.

    Parameters
    ----------
    name : str
        The name that `mxfair.datasets.load` knows.
    task : {'binary', 'regression'}
        What is predicted.
    data : pandas.DataFrame of shape (n, n_features)
        The features. Sensitive columns are among them, as ordinary columns: drop them if the model must not see them.
    target : pandas.Series of shape (n,)
        int64 0/1 for a binary task, float64 for regression.
    groups : pandas.DataFrame of shape (n, n_sensitive)
        The sensitive columns, with readable category names (a continuous one stays a number).
    target_names : list of str
        The meaning of 0 and of 1, or the name of the regression target.
    positive : str
        What target 1 (or a high target) means, and to whom it is favourable.
    licence, source, DESCR : str
        The terms of the data, where they come from, and the caveats.
    split : numpy.ndarray of str, shape (n,), optional
        'train' or 'test' where the publisher fixed a split, else None.
    sample_weight : pandas.Series of shape (n,), optional
        Sampling weights of a survey: how many people a row stands for; else None.
    meta : pandas.DataFrame of shape (n, n_meta), optional
        Columns of the source that are neither features nor target (identifiers, leaks of the target); else None.

    Raises
    ------
    InputError
        If the task is unknown or the columns differ in length.

    Examples
    --------
    >>> from mxfair.datasets import load_german_credit
    >>> german = load_german_credit()
    >>> german
    DatasetBunch('german_credit': 1,000 samples, 20 features, binary; groups: sex, age_group; no published split)
    >>> german.groups["sex"].value_counts().to_dict()
    {'Male': 690, 'Female': 310}
    """

    name: str
    task: str
    data: Any
    target: Any
    groups: Any
    target_names: list[str]
    positive: str
    licence: str
    source: str
    DESCR: str
    split: np.ndarray | None
    sample_weight: Any
    meta: Any

    def __init__(
        self,
        *,
        name: str,
        task: str,
        data: pd.DataFrame,
        target: pd.Series,
        groups: pd.DataFrame,
        target_names: list[str],
        positive: str,
        licence: str,
        source: str,
        DESCR: str,
        split: np.ndarray | None = None,
        sample_weight: pd.Series | None = None,
        meta: pd.DataFrame | None = None,
    ) -> None:
        one_of(task, ("binary", "regression"), "task")
        same_length(data=data, target=target, groups=groups, split=split, sample_weight=sample_weight, meta=meta)
        super().__init__(
            name=name,
            task=task,
            data=data,
            target=target,
            groups=groups,
            target_names=target_names,
            positive=positive,
            licence=licence,
            source=source,
            DESCR=DESCR,
            split=split,
            sample_weight=sample_weight,
            meta=meta,
        )

    def train_test(self, *, test_size: float = 0.3, seed: int = 0) -> tuple[DatasetBunch, DatasetBunch]:
        """Return a training and a test part: the published split if there is one, else a random one.

        The random split is ``p = numpy.random.RandomState(seed).permutation(n)`` with the first
        ``round((1 - test_size) * n)`` rows of `p` as the training part: the recipe of the benchmarks.

        Parameters
        ----------
        test_size : float, default 0.3
            Share of the test part, strictly between 0 and 1. Not used where there is a published split.
        seed : int, default 0
            Seed of the random split. Not used where there is a published split.

        Returns
        -------
        train, test : DatasetBunch
            With indices that start at 0, and without a split of their own: splitting a part again is random.

        Raises
        ------
        InputError, InputTypeError
            If `test_size` leaves one part empty, or `seed` is not a whole number from 0 to 2**32 - 1.

        Examples
        --------
        >>> from mxfair.datasets import load_communities_crime
        >>> train, test = load_communities_crime().train_test()
        >>> len(train.data), len(test.data)
        (1395, 598)
        """
        if self.split is not None:
            train, test = np.flatnonzero(self.split == "train"), np.flatnonzero(self.split == "test")
        else:
            train, test = random_split(len(self.target), test_size, seed)
        return self._take(train), self._take(test)

    def _take(self, rows: np.ndarray) -> DatasetBunch:
        part: dict[str, Any] = {**self, "split": None}
        for key in _ROW_KEYS:
            if part[key] is not None:
                part[key] = part[key].iloc[rows].reset_index(drop=True)
        return DatasetBunch(**part)

    def __repr__(self) -> str:
        n, n_features = self.data.shape
        if self.split is None:
            split = "no published split"
        else:
            parts, counts = np.unique(self.split, return_counts=True)
            sizes = ", ".join(f"{part} {count:,}" for part, count in zip(parts[::-1], counts[::-1]))
            split = f"split: {sizes}"
        groups = ", ".join(map(str, self.groups.columns))
        return (
            f"DatasetBunch({self.name!r}: {n:,} samples, {n_features} features, {self.task}; groups: {groups}; {split})"
        )
