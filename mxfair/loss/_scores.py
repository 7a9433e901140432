"""What penalties of the distribution of scores share: strata, cells, standardised scores, soft histograms."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxfair._compat import import_mxnet
from mxfair._validation import InputError, InputTypeError, positive_integer
from mxfair.loss._base import flat
from mxfair.loss._steered import Steered
from mxfair.loss._strata import label_strata
from mxfair.loss.penalty import Penalty

mx: Any = import_mxnet()

#: Added to the variance of the scores: constant scores have a finite gradient.
FLOOR = 1e-6
#: The stratum of a label that counts in none: its cell is below 0 whatever the group.
NOWHERE = -1e6


class ScorePenalty(Penalty):
    """Base of what compares the scores of groups inside strata, the sets of labels that a criterion conditions on.

    Cells are numbered ``group * n_strata + stratum``. With more than two classes each class's probability is a score
    of its own: a sample is one of each class, and classes are strata too.
    """

    steered = True
    n_attributes = 1

    def __init__(self, criterion: Any, n_groups: Any, *, scale_free: bool = True, **options: Any) -> None:
        super().__init__(n_groups, **options)
        if not isinstance(scale_free, bool):
            raise InputTypeError(f"'scale_free' must be True or False; got {scale_free!r}. Leave it out for True.")
        self.scale_free = scale_free
        strata = _smallest(label_strata(criterion, self.n_classes))
        if (strata.sum(axis=0) > 1).any():
            raise InputError(
                f"'criterion' must not compare a label in two sets of labels; got {criterion}. Add a penalty for each."
            )
        self._label_sets = len(strata)
        self._needs_labels = not bool((strata == 1).all())
        self._by_label = bool(strata.shape == (self.n_classes,) * 2 and (strata == np.eye(self.n_classes)).all())
        with self.name_scope():
            if self._needs_labels and not self._by_label:
                places = np.where(strata.any(axis=0), strata.argmax(axis=0), NOWHERE)
                self._constant("strata", places)

    def _constant(self, name: str, values: Any) -> None:
        """Register a constant; called in the name scope."""
        setattr(self, name, self.params.get_constant(name, np.asarray(values, dtype=np.float32)))
        getattr(self, name).initialize()

    @property
    def _n_scores(self) -> int:
        """Scores of a sample: one with two classes or one output, else one for each class."""
        return self.n_classes if self.link in ("softmax", "exp") and self.n_classes > 2 else 1

    @property
    def _n_strata(self) -> int:
        return self._label_sets * self._n_scores

    @property
    def _n_cells(self) -> int:
        return (self.n_groups or 1) * self._n_strata

    def _stratum(self, F: Any, label: Any, strata: Any) -> Any:
        """Return the stratum of each label, None where there is one only."""
        if not self._needs_labels:
            return None
        label = flat(F, label)
        return label if self._by_label else F.take(strata, label)

    def _cell(self, F: Any, label: Any, group: Any, strata: Any) -> Any:
        """Return the cells of the samples; with a continuous attribute their strata."""
        stratum = self._stratum(F, label, strata)
        if self.n_groups is None:
            return F.zeros_like(flat(F, label)) if stratum is None else stratum
        cell = flat(F, group)
        cell = cell * self._n_strata if self._n_strata > 1 else cell
        return cell if stratum is None else cell + stratum

    def _read(self, F: Any, pred: Any, label: Any, group: Any, strata: Any) -> tuple[Any, Any, Any, Any]:
        """Return predictions, and flat: scores, cells, and which samples count."""
        cell = self._cell(F, label, group, strata)
        if self._columns == 1:
            prob = scores = self._score(F, pred)
        else:
            prob = self._probabilities(F, pred)
            scores = prob if self._n_scores > 1 else F.slice_axis(prob, axis=1, begin=1, end=2)
            scores = F.reshape(scores, shape=(-1,))
        if self._n_scores > 1:
            column = F.reshape(F.contrib.arange_like(prob, axis=1), shape=(1, -1)) * self._label_sets
            cell = F.reshape(F.broadcast_add(F.reshape(cell, shape=(-1, 1)), column), shape=(-1,))
        return prob, scores, cell, (cell > -0.5) * (cell < self._n_cells - 0.5)

    def _steered(self, F: Any, value: Any, slope: Any, prob: Any, strength: Any) -> Steered:
        """Return the penalty, with several classes half of the sum over them: with two it is that of one.

        `slope` is by the scores and holds the strength.
        """
        if self._columns > 1:
            if self._n_scores == 1:
                slope = F.stack(F.zeros_like(slope), slope, axis=1)
            else:
                value, slope = 0.5 * value, 0.5 * F.reshape(slope, shape=(-1, self.n_classes))
        return Steered(value * strength, self._by_output(F, slope, prob))

    def _scale(self, F: Any, label: Any, strength: Any) -> Any:
        """Return the batch size times the strength."""
        ones = F.ones_like(flat(F, label))
        return F.dot(ones, ones) * strength

    def _check(self, pred: Any, label: Any, group: Any) -> None:
        super()._check(pred, label, group)
        if self._needs_labels:
            values = label.asnumpy().ravel()
            if self.link == "identity" and (values != np.round(values)).any():
                raise InputError(
                    "'criterion' must be demographic_parity for a regression; got one that compares scores inside "
                    "classes, and labels that are no classes. Use 'demographic_parity'."
                )
            self._check_labels(label)
        if self.n_groups is None and group.size != len(pred) * self.n_attributes:
            raise InputError(
                f"'group' must hold {self.n_attributes} attributes per sample ({len(pred)}); got {group.size} values. "
                "Give n_attributes= of CorrelationPenalty, or a penalty for each column."
            )


def _smallest(strata: np.ndarray) -> np.ndarray:
    """Return the sets that are no unions of others: of {0}, {1}, {2} and {1, 2} the first three."""
    inside = (strata[:, None] <= strata).all(axis=2) & (strata.sum(axis=1)[:, None] < strata.sum(axis=1))
    unions = np.array([(strata[inside[:, k]].sum(axis=0) > 0).sum() == strata[k].sum() for k in range(len(strata))])
    return strata[~unions]


def standard(F: Any, values: Any, known: Any) -> tuple[Any, Any, Any]:
    """Return values less their mean in units of their standard deviation, 0 where not known; that; the known ones."""
    count = F.dot(known, known)
    count = count + (count < 0.5)
    centred = F.broadcast_minus(values, F.dot(known, values) / count) * known
    spread = F.sqrt(F.dot(centred, centred) / count + FLOOR)
    return F.broadcast_div(centred, spread), spread, count


def unstandard(F: Any, slope: Any, z: Any, known: Any, count: Any, unit: Any) -> Any:
    """Return the derivative by values, given that by z; `unit` is the spread over any factor.

    dz_j / dv_i = (1_ij - 1/N - z_i z_j / N) / spread.
    """
    shift = F.broadcast_mul(known, F.dot(slope, known) / count)
    turn = F.broadcast_mul(z, F.dot(slope, z) / count)
    return F.broadcast_div(slope - shift - turn, unit)


class HistogramPenalty(ScorePenalty):
    """Base of what is a function of soft histograms: each score gives its weight to the two knots around it.

    Knots divide the unit interval. Scores are mapped into it by z / (1 + |z|), with z the score less its mean in units
    of its standard deviation, or are probabilities as they are. Subclasses give the function and its derivative. The
    rows of the histograms are cells; a continuous attribute is spread over knots of its own, which are its rows.
    """

    def __init__(self, criterion: Any, n_groups: Any, *, knots: int, **options: Any) -> None:
        super().__init__(criterion, n_groups, **options)
        self.knots = positive_integer(knots, "knots", minimum=3, hint="Give 9 or 17, say")

    @property
    def _n_rows(self) -> int:
        """Rows of the histograms: cells, or knots of the attribute by stratum."""
        return (self.n_groups or self.knots) * self._n_strata

    def _statistic(self, *args: Any, **params: Any) -> tuple[Any, Any]:
        """Return a number of shape (1,) and its derivative by the table, (n_rows, knots).

        Arguments are F, the table, the members of rows where they are an attribute's knots, and constants.
        """
        raise NotImplementedError  # a subclass gives it

    def penalty(
        self, F: Any, pred: Any, label: Any, group: Any, strength: Any = None, strata: Any = None, **params: Any
    ) -> Steered:
        """Return the penalty with its slope; see `Penalty.penalty`.

        Parameters
        ----------
        F, pred, label, group
            As for `Penalty.penalty`.
        strength, strata : NDArray or Symbol
            The strength, and the stratum of each label.
        **params
            Constants of the subclass.

        Returns
        -------
        Steered
        """
        prob, scores, cell, known = self._read(F, pred, label, group, strata)
        if self.n_groups is None:
            attribute, known = self._attribute(F, group, known)
        place, back = self._positions(F, scores, known)
        lower = F.clip(F.floor(place), 0, self.knots - 2)
        share = place - lower
        if self.n_groups is None:
            value, by_place = self._with_attribute(F, attribute, cell, known, lower, share, params)
        else:
            at = cell * self.knots + lower
            ends = F.one_hot(at, depth=self._n_cells * self.knots)
            upper = F.dot(share, ends)
            last, others = F.slice_axis(upper, axis=0, begin=-1, end=None), F.slice_axis(upper, axis=0, begin=0, end=-1)
            table = F.dot(1 - share, ends) + F.concat(last, others, dim=0)  # the last knot is no lower one: 0
            value, by_table = self._statistic(F, F.reshape(table, shape=(-1, self.knots)), None, **params)
            by_table = F.reshape(by_table, shape=(-1,))
            rise = F.slice_axis(by_table, axis=0, begin=1, end=None) - F.slice_axis(by_table, axis=0, begin=0, end=-1)
            by_place = F.take(rise, at) * known
        return self._steered(F, value, back(by_place, self._scale(F, label, strength)), prob, strength)

    def _positions(self, F: Any, scores: Any, known: Any) -> tuple[Any, Any]:
        """Return the scores' positions among the knots, and what turns slopes by them into slopes by scores."""
        last = self.knots - 1
        if not self.scale_free:
            return F.clip(scores, 0, 1) * last, lambda by_place, scale: F.broadcast_mul(by_place, scale * last)
        z, spread, count = standard(F, scores, known)
        squashed = F.softsign(z)
        by_z = F.square(1 - F.abs(squashed)) * (last / 2)

        def back(by_place: Any, scale: Any) -> Any:
            return unstandard(F, by_place * by_z, z, known, count, spread / scale)

        return squashed * (last / 2) + last / 2, back

    def _attribute(self, F: Any, group: Any, known: Any) -> tuple[Any, Any]:
        """Return the attribute, 0 where it is not known, and which samples count."""
        attribute = flat(F, group)
        if self._n_scores > 1:
            attribute = F.repeat(attribute, repeats=self._n_scores, axis=0)
        there = attribute == attribute  # NaN is unknown
        return F.where(there, attribute, F.zeros_like(attribute)), known * there

    def _with_attribute(
        self, F: Any, attribute: Any, stratum: Any, known: Any, lower: Any, share: Any, params: dict[str, Any]
    ) -> tuple[Any, Any]:
        """Return the statistic and its derivative by position for an attribute spread over knots as scores are."""
        last = self.knots - 1
        place = F.softsign(standard(F, attribute, known)[0]) * (last / 2) + last / 2
        at = F.clip(F.floor(place), 0, self.knots - 2)
        part = place - at
        row = at * self._n_strata + stratum
        members = F.broadcast_mul(
            F.one_hot(row, depth=self._n_rows), F.reshape((1 - part) * known, shape=(-1, 1))
        ) + F.broadcast_mul(F.one_hot(row + self._n_strata, depth=self._n_rows), F.reshape(part * known, shape=(-1, 1)))
        low, high = F.one_hot(lower, depth=self.knots), F.one_hot(lower + 1, depth=self.knots)
        rise = high - low
        spread = low + F.broadcast_mul(rise, F.reshape(share, shape=(-1, 1)))
        value, by_table = self._statistic(F, F.dot(members, spread, transpose_a=True), members, **params)
        by_hat = F.dot(members, F.reshape(by_table, shape=(-1, self.knots)))
        return value, F.sum(by_hat * rise, axis=1)

    def _check(self, pred: Any, label: Any, group: Any) -> None:
        super()._check(pred, label, group)
        low, high = float(pred.min().asscalar()), float(pred.max().asscalar())
        if not self.scale_free and self.link == "identity" and not 0 <= low <= high <= 1:
            raise InputError(
                f"'scale_free' must be True for scores outside [0, 1]; got {low:g} to {high:g}. Leave it out."
            )


def deviations(F: Any, means: Any, present: Any) -> Any:
    """Return each group's row less the mean of the groups' that a stratum has; (n_groups, n_strata, columns)."""
    centre = F.broadcast_div(F.sum(means, axis=0, keepdims=True), F.sum(present, axis=0, keepdims=True) + 1e-12)
    return F.broadcast_mul(F.broadcast_minus(means, centre), present)


def group_means(F: Any, table: Any, n_groups: Any, n_strata: int) -> tuple[Any, Any, Any]:
    """Return a histogram's shares, counts, 1 where there are none, and which groups a stratum has."""
    table = F.reshape(table, shape=(n_groups, n_strata, -1))
    count = F.sum(table, axis=2, keepdims=True)
    present = count > 0.5
    count = count + (1 - present)
    return F.broadcast_div(table, count), count, present
