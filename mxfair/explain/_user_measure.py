"""A user's function of labels, predictions, scores or groups as a figure."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from mxfair._validation import InputError, InputTypeError
from mxfair.explain._measures import Measure, Samples
from mxfair.explain._predictions import Predictions

__all__ = ["OfFunction", "arguments_of"]


class OfFunction(Measure):
    """A user's function; its parameters' names say what it is given. It is not computed in resamples.

    Parameters
    ----------
    function : callable
        Of labels, and of decisions, scores or groups.
    """

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self._given = arguments_of(name, function)
        super().__init__(name, gap="groups" in self._given.values())
        self._function, self.needs_scores = function, "scores" in self._given.values()

    def values(self, samples: Samples, predictions: Predictions) -> np.ndarray:
        """Return the function of each repeat, of each group's rows and of all rows."""
        scores = predictions.scores
        if scores is not None and scores.ndim == 2 and samples.table is not None:
            scores = samples.score_of(scores, samples.positive)
        rows = np.argsort(samples.groups.codes, kind="stable")
        by_group = [] if self.gap else np.split(rows, np.cumsum(samples.groups.counts)[:-1])
        out = []
        for repeat, preds in enumerate(predictions.preds):
            given = {"labels": samples.labels, "preds": preds, "groups": samples.groups}
            given["scores"] = None if scores is None else scores[repeat]
            out.append([self._call(given, part) for part in by_group] + [self._call(given, None)])
        return np.array(out, dtype=float)

    def _call(self, given: dict[str, Any], rows: np.ndarray | None) -> float:
        if rows is not None and not len(rows):
            return float("nan")
        arguments = {
            name: given[what] if rows is None or what == "groups" else given[what][rows]
            for name, what in self._given.items()
        }
        value = self._function(**arguments)
        if hasattr(value, "difference"):
            value = value.difference()
        elif hasattr(value, "pair"):
            value = value.max()
        try:
            return float(value)
        except (TypeError, ValueError) as error:
            raise InputTypeError(
                f"{self.name} must return one number; got {type(value).__name__}. Wrap it in a function that does."
            ) from error


#: What a function's parameter of a name is given.
_ARGUMENTS = {
    **dict.fromkeys(("labels", "y_true", "y", "true"), "labels"),
    **dict.fromkeys(("preds", "y_pred", "pred", "predictions", "decisions"), "preds"),
    **dict.fromkeys(("scores", "y_score", "y_prob", "y_proba", "proba", "probabilities"), "scores"),
    **dict.fromkeys(("groups", "sensitive_features", "group"), "groups"),
}


def arguments_of(name: str, function: Callable[..., Any]) -> dict[str, str]:
    """Return which of labels, preds, scores and groups each parameter of a function is given."""
    found = {}
    for place, parameter in enumerate(inspect.signature(function).parameters.values()):
        what = _ARGUMENTS.get(parameter.name)
        if what is not None:
            found[parameter.name] = what
        elif parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        ):
            raise InputError(
                f"The parameters of {name} must be named labels (y_true), preds (y_pred), scores (y_score) or groups, "
                f"so that it is clear what they are given; got {parameter.name!r} in place {place + 1}. Wrap it."
            )
    if not set(found.values()) & {"preds", "scores"}:
        raise InputError(f"{name} must take preds (y_pred) or scores (y_score); got {', '.join(found) or 'neither'}.")
    return found
