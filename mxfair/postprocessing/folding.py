"""A net and a fitted post-processor as one net: what is exported is then the post-processed model."""

from __future__ import annotations

from typing import Any

from mxfair._validation import InputError, InputTypeError, one_of, positive_integer
from mxfair.postprocessing._base import PostProcessor

__all__ = ["folded"]

#: What of the net's outputs the post-processor was fitted on.
SCORES = ("output", "probability", "log_odds")
#: How the group is taken from a net's scores of the groups.
RULES = ("argmax", "expectation")


def folded(
    net: Any,
    postprocessor: Any,
    *,
    group_net: Any = None,
    group_rule: str = "argmax",
    scores: str = "output",
    n_outputs: int = 1,
    probability: bool = False,
    **options: Any,
) -> Any:
    r"""Return a net and a fitted post-processor as one Gluon block of the net's input and group codes.

    Parameters
    ----------
    net : gluon.HybridBlock
        Of one input. It is part of the block, not copied.
    postprocessor : PostProcessor
        Fitted on the net's scores.
    group_net : gluon.HybridBlock, optional
        A net of the same input that returns a score for each group, shape (n_samples, n_groups), in the order of
        `group_names_` (for two groups also one output, above 0 for the second): an auxiliary head that infers the
        group. The block then takes no group codes.
    group_rule : {"argmax", "expectation"}, default="argmax"
        With a `group_net`: take the likeliest group, or the mean over the groups of what the post-processor makes of
        the score, weighted by the softmax of the group scores.
    scores : {"output", "probability", "log_odds"}, default="output"
        What the post-processor was fitted on: the outputs as they are, probabilities made of them, or log-odds.
    n_outputs : int, default=1
        Outputs of the net per sample, where `scores` is not "output".
    probability : bool, default=False
        Whether the net returns probabilities, not raw scores.
    **options
        For the post-processor's `as_block`, such as ``output="log_odds"`` of thresholds.

    Returns
    -------
    gluon.HybridBlock
        ``block(x, codes)``, or ``block(x)`` with a `group_net`. Codes come from ``postprocessor.group_codes``; one that
        was not fitted gives NaN. Hybridize it, call it once and ``export`` it.

    Raises
    ------
    InputError, InputTypeError
        If something is no net, the post-processor is not fitted, an option cannot be used, or the mean over groups is
        asked of margins, whose sign no longer decides.

    Notes
    -----
    An inferred group is wrong for some samples: gaps measured with true groups grow with the share of wrong ones.
    Measure them with the block's own outputs.

    Examples
    --------
    >>> import mxfair, numpy as np
    >>> from mxnet import nd
    >>> from mxfair.net import logistic
    >>> from mxfair.postprocessing import WassersteinBarycenter, folded
    >>> net = logistic(1)
    >>> net.initialize("ones")
    >>> net.bias.data()[:] = 0
    >>> fair = WassersteinBarycenter().fit(np.r_[0:10.0, 4:14.0], None, ["a"] * 10 + ["b"] * 10)
    >>> block = folded(net, fair)
    >>> block.hybridize()
    >>> block(nd.array([[3.0], [5.5]]), nd.array([0, 1])).asnumpy().ravel().tolist()
    [5.0, 3.5]
    """
    if not isinstance(postprocessor, PostProcessor):
        raise InputTypeError(f"'postprocessor' must be a PostProcessor; got {postprocessor!r}.")
    one_of(scores, SCORES, "scores")
    one_of(group_rule, RULES, "group_rule")
    positive_integer(n_outputs, "n_outputs")
    postprocessor._check_fitted()
    matrix = postprocessor._takes_matrix(n_outputs)
    if scores != "output" and not matrix and n_outputs > 2:
        raise InputError(
            f"'n_outputs' must be 1 or 2 for {type(postprocessor).__name__}; got {n_outputs}. It takes one score a row."
        )
    from mxfair.postprocessing._folded_block import FoldedBlock, Link

    block = postprocessor.as_block(**options)
    if group_net is not None and group_rule == "expectation" and getattr(block, "decides", False):
        raise InputError(
            "'group_rule' must be 'argmax' for margins, whose mean decides nothing; got 'expectation'. Or pass "
            "output='probability'."
        )
    place = getattr(postprocessor, "positive_place_", 1)
    link = Link(scores, n_outputs, probability=bool(probability), matrix=matrix, positive=place != 0)
    return FoldedBlock(net, block, group_net, link=link, rule=group_rule, n_groups=len(postprocessor.group_names_))
