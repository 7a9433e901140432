"""Weights, or a sample of rows, under which label and group are independent."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from mxfair._validation import InputError, generator, numbers, one_of, plural, same_length, weights
from mxfair.groups import Groups
from mxfair.preprocessing import _state
from mxfair.preprocessing._base import Step, check_attributes, known_codes
from mxfair.preprocessing._labels import by_running_total, classes_of, places_in

__all__ = ["Reweighing"]

#: So many empty cells are named in a warning.
_SHOWN = 4


class Reweighing(BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    r"""Weigh samples so that label and group are independent; features and labels stay as they are.

    .. math:: w_{yz} = \frac{P(y) \, P(z)}{P(y, z)}

    Attributes
    ----------
    classes_ : ndarray of shape (n_labels,)
        The labels, sorted.
    attributes_ : str
        Names of the sensitive attributes, joined by " x ".
    group_names_ : ndarray of str, shape (n_groups,)
        The known groups; several attributes are crossed, as `Groups` does.
    counts_ : ndarray of shape (n_labels, n_groups)
        Number, or weight, of the fitted samples in each cell.
    cell_weights_ : ndarray of shape (n_labels, n_groups)
        The weight of a sample of each cell, NaN for a cell without samples.

    Warns
    -----
    UserWarning
        In `fit` where a cell is empty, since independence is then out of reach; in `weights` and `resample` where
        samples have no weight of their own and get 1.

    Notes
    -----
    The mean weight over the fitted rows is 1, the mix of labels and that of groups stay. A sample of unknown group has
    weight 1, in `fit` it counts for nothing. Later samples of a group or of a cell that was not fitted have weight 1
    too, with a warning; a label that was not fitted is an error.

    Weights go to scikit-learn's ``sample_weight=`` and to the third argument of Gluon's own losses. Where the weights
    are to follow the net in training, see `mxfair.data.SampleWeights`; where batches are to have the mix instead,
    ``FairDataLoader(..., controller="reweighing")``.

    References
    ----------
    Kamiran and Calders, "Data preprocessing techniques for classification without discrimination", Knowledge and
    Information Systems 33 (2012), sections 4.3 (reweighing) and 4.4 (sampling).

    Examples
    --------
    >>> import mxfair, numpy as np
    >>> from mxfair.preprocessing import Reweighing
    >>> labels, groups = [1, 1, 1, 0, 1, 0, 0, 0], list("aaaabbbb")
    >>> step = Reweighing().fit(labels, groups)
    >>> step.cell_weights_.round(3)
    array([[2.   , 0.667],
           [0.667, 2.   ]])
    >>> step.weights(labels, groups).round(3).tolist()
    [0.667, 0.667, 0.667, 2.0, 2.0, 0.667, 0.667, 0.667]

    With scikit-learn:

    >>> from sklearn.linear_model import LogisticRegression
    >>> X = np.arange(16.0).reshape(8, 2)
    >>> model = LogisticRegression().fit(X, labels, sample_weight=step.weights(labels, groups))

    With Gluon, as the third item of a batch, which is the third argument of a loss:

    >>> from mxnet import autograd, gluon
    >>> weight = step.weights(labels, groups).astype("float32")[:, None]  # one column, as the net's output
    >>> dataset = gluon.data.ArrayDataset(X.astype("float32"), np.array(labels, "float32"), weight)
    >>> net, loss = gluon.nn.Dense(1), gluon.loss.SigmoidBinaryCrossEntropyLoss()
    >>> net.initialize()
    >>> trainer = gluon.Trainer(net.collect_params(), "adam")
    >>> for data, label, weight in gluon.data.DataLoader(dataset, 4, shuffle=True):
    ...     with autograd.record():
    ...         l = loss(net(data), label, weight)
    ...     l.backward()
    ...     trainer.step(len(data))
    """

    def fit(self, labels: Any, groups: Any, sample_weight: Any = None) -> Reweighing:
        """Count the cells.

        Parameters
        ----------
        labels : array of shape (n_samples,)
            Classes, two or more.
        groups : array, data frame, mapping or Groups
            The group of each sample.
        sample_weight : array of float, shape (n_samples,), optional
            What a sample counts for, survey weights say; multiply the result of `weights` by them.

        Returns
        -------
        Reweighing
            Itself.

        Raises
        ------
        InputError
            If lengths differ, a label is missing, or there are not two classes and two known groups.
        """
        given = groups if isinstance(groups, Groups) else Groups(groups)
        classes, places = classes_of(labels)
        weight = weights(sample_weight)
        same_length(labels=places, groups=given, sample_weight=weight)
        cells = np.bincount(
            places * given.n_groups + given.codes, weights=weight, minlength=len(classes) * given.n_groups
        ).reshape(len(classes), given.n_groups)
        known = given.known & (cells.sum(axis=0) > 0)
        if known.sum() < 2 or (cells[:, known].sum(axis=1) > 0).sum() < 2:
            raise InputError(
                f"'labels' and 'groups' must hold two classes and two known groups; got {len(classes)} and "
                f"{int(known.sum())}. Without them there is nothing to make independent."
            )
        self.classes_, self.attributes_ = classes, given.name
        self.group_names_ = np.array([name for name, kept in zip(given.names, known) if kept], dtype=object)
        self.counts_ = cells[:, known]
        self.cell_weights_ = _cell_weights(self.counts_)
        self._warn_of_empty_cells()
        return self

    def _warn_of_empty_cells(self) -> None:
        empty = np.argwhere(self.counts_ == 0)
        if len(empty):
            shown = "; ".join(
                f"label {self.classes_[y]} in group '{self.group_names_[z]}'" for y, z in empty[:_SHOWN].tolist()
            )
            more = f"; and {len(empty) - _SHOWN} more" if len(empty) > _SHOWN else ""
            warnings.warn(
                f"{len(empty)} of {self.counts_.size} (label, group) cells are empty: {shown}{more}. No weight makes "
                "label and group independent there. Merge small groups.",
                stacklevel=3,
            )

    def weights(self, labels: Any, groups: Any) -> np.ndarray:
        """Return the weight of each sample.

        Parameters
        ----------
        labels : array of shape (n_samples,)
            Among the fitted classes.
        groups : array, data frame, mapping or Groups
            The group of each sample.

        Returns
        -------
        ndarray of float64, shape (n_samples,)

        Raises
        ------
        InputError
            If lengths differ or a label was not fitted.
        """
        cells = self._cells(labels, groups)
        return self._table()[cells]

    def resample(
        self, labels: Any, groups: Any, *, seed: Any, method: str = "uniform", scores: Any = None
    ) -> np.ndarray:
        """Return rows to train on, so that each cell has as many as its weights sum to: some repeat, some are left out.

        Parameters
        ----------
        labels : array of shape (n_samples,)
            Among the fitted classes.
        groups : array, data frame, mapping or Groups
            The group of each sample.
        seed : int, Generator or None
            Where the choice among the rows of a cell comes from; for "preferential", among equal scores.
        method : {"uniform", "preferential"}, default="uniform"
            Which rows of a cell repeat or are left out: any of them, or those nearest to the decision boundary.
        scores : array of float, shape (n_samples,), optional
            For "preferential": how positive a classifier takes each sample to be, the larger the more.

        Returns
        -------
        ndarray of int64, shape (n_samples,)
            Row numbers in ascending order: ``X[rows]``, or ``gluon.data.SubsetSampler`` and the like; shuffle in the
            loader.

        Raises
        ------
        InputError
            As `weights`; if there are no scores, or not two classes, for "preferential".
        """
        one_of(method, ("uniform", "preferential"), "method")
        rng, cells = generator(seed), self._cells(labels, groups)
        table = self._table()
        nearness = rng.random(len(cells))
        order = np.lexsort((nearness, self._distance(cells, scores), cells) if method == "preferential" else
                           (nearness, cells))  # fmt: skip
        counts = np.bincount(cells, minlength=len(table))
        mass = table * counts
        sizes = by_running_total(mass / mass.sum() * len(cells))  # label by label: each label keeps its share
        # each row floor(size / count) times, and the first rows of the cell's order once more
        whole, more = np.divmod(sizes, np.maximum(counts, 1))
        rank = np.arange(len(cells)) - np.repeat(np.cumsum(counts) - counts, counts)
        sorted_cells = cells[order]
        # a row that is left out is the one nearest to the boundary: a cell that shrinks is read from its other end
        rank = np.where(whole[sorted_cells] == 0, counts[sorted_cells] - 1 - rank, rank)
        times = np.empty(len(cells), dtype=np.int64)
        times[order] = whole[sorted_cells] + (rank < more[sorted_cells])
        return np.repeat(np.arange(len(cells)), times)

    def _distance(self, cells: np.ndarray, scores: Any) -> np.ndarray:
        """Return the order of nearness to the boundary: low scores of positives, high scores of negatives."""
        if scores is None or len(self.classes_) != 2:
            raise InputError(
                f"Preferential sampling must have scores and two classes; got {len(self.classes_)} classes and "
                f"{'no' if scores is None else 'some'} scores. Pass scores= of a classifier, or method='uniform'."
            )
        values = numbers(scores, "scores")
        same_length(labels=cells, scores=values)
        if not np.isfinite(values).all():
            raise InputError("'scores' must be finite; got NaN or infinity. Score every sample.")
        return np.where(cells // (len(self.group_names_) + 1) == 1, values, -values)

    def _table(self) -> np.ndarray:
        """Return the weights of all cells, flat, the unknown group first in each row; 1 where there is none."""
        padded = np.pad(self.cell_weights_, ((0, 0), (1, 0)), constant_values=np.nan)
        return np.where(np.isnan(padded), 1.0, padded).ravel()

    def _cells(self, labels: Any, groups: Any) -> np.ndarray:
        """Return the cell of each sample, after saying which have no weight of their own."""
        self._check_fitted()
        given = groups if isinstance(groups, Groups) else Groups(groups)
        check_attributes(given.name, self.attributes_)
        places, codes = places_in(labels, self.classes_), known_codes(given, list(self.group_names_))
        same_length(labels=places, groups=codes)
        width = len(self.group_names_) + 1
        cells = places * width
        cells += codes
        cells += 1  # -1 is unknown
        counts = np.bincount(cells, minlength=len(self.classes_) * width).reshape(-1, width)
        unfitted = int(counts[:, 1:][self.counts_ == 0].sum())
        if counts[:, 0].any() or unfitted:
            warnings.warn(
                f"{plural(int(counts[:, 0].sum()), 'sample')} of unknown or new group and {unfitted} of cells that "
                "were empty have no weight of their own; they get 1.",
                stacklevel=3,
            )
        return cells

    save = Step.save
    _fitted, _set_fitted, _check_fitted = Step._fitted, Step._set_fitted, Step._check_fitted
    __sklearn_is_fitted__ = Step.__sklearn_is_fitted__


def _cell_weights(counts: np.ndarray) -> np.ndarray:
    """Return P(y) P(z) / P(y, z) of a table of counts, NaN where it is empty."""
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    return np.divide(expected, counts, out=np.full(counts.shape, np.nan), where=counts > 0)


_state.STEPS["Reweighing"] = Reweighing  # load_step may return it
