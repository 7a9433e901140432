"""What each sign cannot tell, in one place."""

from __future__ import annotations

CANNOT_KNOW = {
    "share against the reference": "Whether the reference is the population that the decisions are about, and why a "
    "group is too rare.",
    "covariate shift": "Which difference matters for the decision; a classifier that finds none may have missed one.",
    "column shift": "Shifts that leave means alone, and why a column differs.",
    "selection rate": "Whether the difference is earned: who applied, and what the rows were like, is not in it.",
    "selection at equal columns": "What was looked at and is not among the columns; a difference may be due to that.",
    "selection overlap": "Whether weights repair the selection: only if all its reasons are among the columns.",
    "missing labels": "What the missing labels would be.",
    "missing labels at equal columns": "Whether missing labels differ from present ones in what no column says.",
    "label follows the prior decision": "Who is right: a good rule and good labels agree too, through what no "
    "column says.",
    "annotator follows the prior decision": "Whether annotators saw the rule, or judge alike; and whether they "
    "were given alike cases.",
    "annotator agreement": "Whether annotators that agree are right: they may share a mistake.",
    "label noise": "Noise from hardness: rows that the columns predict badly look mislabelled. It takes mistakes to "
    "depend on the class only, and sees none that a model learns.",
    "model repeats the prior decision": "Whether the rule or the labels are right where they differ. A model that "
    "takes the likelier label leaves the chance in the labels out: it comes closer to any rule that looks at the same "
    "columns.",
    "spread over seeds": "What other data, other columns or another model would decide: seeds move the initial "
    "values and the order of rows only.",
    "gap over seeds": "Whether any of the gaps is right; a narrow spread is no sign of a small gap.",
    "gap between starts": "Why starts end elsewhere; seeds within a start take part in the comparison as they are.",
    "serial dependence": "Whether cases came in an order of their own: neighbours that are alike look like anchoring, "
    "unless the columns say so, and a drift within sessions does too.",
    "trend within a session": "Tiredness from a change of cases: what came late may have been different.",
    "label follows the shown value": "Whether the shown value was informed by what the columns do not say; only values "
    "shown at random rule that out.",
    "recency": "Whether what is old is outdated.",
    "sparsity": "Whether distances in these columns, each counted alike, are what makes a case familiar.",
    "incomplete rows": "Why values are missing, and what they would be.",
    "missing column": "Why values are missing, and what they would be.",
    "concentration of sources": "Whether a source is biased, or merely large.",
}
