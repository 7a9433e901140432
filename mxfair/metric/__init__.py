"""Fairness metrics: plain functions and tables by group, none of which needs mxnet.

- One number: `demographic_parity_difference`, `equalized_odds_ratio` and their like, or `difference` and `ratio` of any
  criterion.
- One figure by group: `selection_rate`, `true_positive_rate`, `roc_auc`, `mean_absolute_error`, ...: a `GroupMetric`.
- One figure for each pair of groups: `abroca`, `ks_distance`, `xauc`, ...: a `PairMetric`.
- Tables: `evaluate`, `evaluate_by`, `classification_report`, `confusion_matrix`.
- Uncertainty: `confidence_intervals`, `permutation_test`.
- Individuals and subgroups: `consistency`, `generalized_entropy_index`, `worst_subgroup`, `differential_fairness`, ...
- In training: `FairnessMetric`, a ``mx.metric.EvalMetric``; it alone loads mxnet, on first use.
"""

from __future__ import annotations

import importlib
from typing import Any

from mxfair.group_metric import Gap, GroupMetric, PairMetric
from mxfair.metric.binned_calibration import calibration_by_bin
from mxfair.metric.calibration import (
    balance_negative_class,
    balance_positive_class,
    brier_score,
    expected_calibration_error,
    log_loss,
    reliability_curve,
)
from mxfair.metric.counterfactual import (
    CounterfactualFlips,
    counterfactual_change,
    counterfactual_flip_rate,
    counterfactual_flips,
)
from mxfair.metric.dependence import Dependence, chi_square_dependence, distance_correlation, hgr
from mxfair.metric.disparity import (
    accuracy_parity_difference,
    accuracy_parity_ratio,
    average_odds_difference,
    average_odds_ratio,
    conditional_acceptance_difference,
    conditional_acceptance_ratio,
    conditional_rejection_difference,
    conditional_rejection_ratio,
    conditional_use_accuracy_difference,
    conditional_use_accuracy_ratio,
    demographic_parity_difference,
    demographic_parity_ratio,
    difference,
    equal_opportunity_difference,
    equal_opportunity_ratio,
    equalized_odds_difference,
    equalized_odds_ratio,
    predictive_equality_difference,
    predictive_equality_ratio,
    predictive_parity_difference,
    predictive_parity_ratio,
    ratio,
    treatment_equality_difference,
    treatment_equality_ratio,
)
from mxfair.metric.distance import cramer_von_mises_distance, ks_distance, statistical_parity_auc, wasserstein_distance
from mxfair.metric.evaluation import classification_report, confusion_matrix, evaluate, evaluate_by, evaluate_counts
from mxfair.metric.individual import consistency, consistency_by_group, lipschitz_violations
from mxfair.metric.inequality import (
    EntropyDecomposition,
    coefficient_of_variation,
    entropy_decomposition,
    generalized_entropy_index,
    theil_index,
)
from mxfair.metric.information import DifferentialFairness, MutualInformation, differential_fairness, mutual_information
from mxfair.metric.intervals import confidence_intervals
from mxfair.metric.multiclass_auc import OneVsRestAUC, roc_auc_ovr
from mxfair.metric.pairwise import pairwise_accuracy
from mxfair.metric.permutation import PermutationTest, permutation_test
from mxfair.metric.quantile import quantile_gap, quantile_prediction
from mxfair.metric.ranking import abroca, roc_auc, score_ks_distance, score_wasserstein_distance, xauc
from mxfair.metric.rates import (
    accuracy,
    balanced_accuracy,
    base_rate,
    conditional_acceptance,
    conditional_rejection,
    error_rate,
    f1_score,
    false_discovery_rate,
    false_negative_rate,
    false_omission_rate,
    false_positive_rate,
    matthews_correlation,
    negative_predictive_value,
    positive_predictive_value,
    rate_by_group,
    selection_rate,
    treatment_equality,
    true_negative_rate,
    true_positive_rate,
)
from mxfair.metric.recalibration import calibration_intercept, calibration_slope
from mxfair.metric.regression import (
    bounded_group_loss,
    correlation,
    jain_index,
    mean_absolute_error,
    mean_error,
    mean_label,
    mean_prediction,
    mean_squared_error,
    r2_score,
    root_mean_squared_error,
)
from mxfair.metric.representation import (
    FourFifths,
    class_imbalance,
    conditional_demographic_disparity,
    four_fifths_rule,
)
from mxfair.metric.subgroup import subgroup_fairness, subgroups, worst_subgroup
from mxfair.metric.subgroup_table import Subgroup, SubgroupTable, SubgroupViolation
from mxfair.metric.table import ConditionalTable, GroupTable

#: Loaded on first use, and no part of `__all__`: they need mxnet.
_EVAL_METRICS = ("FairnessMetric", "GroupEvalMetric", "WorstGroupMetric")

__all__ = [
    "ConditionalTable",
    "CounterfactualFlips",
    "Dependence",
    "DifferentialFairness",
    "EntropyDecomposition",
    "FourFifths",
    "Gap",
    "GroupMetric",
    "GroupTable",
    "MutualInformation",
    "OneVsRestAUC",
    "PairMetric",
    "PermutationTest",
    "Subgroup",
    "SubgroupTable",
    "SubgroupViolation",
    "abroca",
    "accuracy",
    "accuracy_parity_difference",
    "accuracy_parity_ratio",
    "average_odds_difference",
    "average_odds_ratio",
    "balance_negative_class",
    "balance_positive_class",
    "balanced_accuracy",
    "base_rate",
    "bounded_group_loss",
    "brier_score",
    "calibration_by_bin",
    "calibration_intercept",
    "calibration_slope",
    "chi_square_dependence",
    "class_imbalance",
    "classification_report",
    "coefficient_of_variation",
    "conditional_acceptance",
    "conditional_acceptance_difference",
    "conditional_acceptance_ratio",
    "conditional_demographic_disparity",
    "conditional_rejection",
    "conditional_rejection_difference",
    "conditional_rejection_ratio",
    "conditional_use_accuracy_difference",
    "conditional_use_accuracy_ratio",
    "confidence_intervals",
    "confusion_matrix",
    "consistency",
    "consistency_by_group",
    "correlation",
    "counterfactual_change",
    "counterfactual_flip_rate",
    "counterfactual_flips",
    "cramer_von_mises_distance",
    "demographic_parity_difference",
    "demographic_parity_ratio",
    "difference",
    "differential_fairness",
    "distance_correlation",
    "entropy_decomposition",
    "equal_opportunity_difference",
    "equal_opportunity_ratio",
    "equalized_odds_difference",
    "equalized_odds_ratio",
    "error_rate",
    "evaluate",
    "evaluate_by",
    "evaluate_counts",
    "expected_calibration_error",
    "f1_score",
    "false_discovery_rate",
    "false_negative_rate",
    "false_omission_rate",
    "false_positive_rate",
    "four_fifths_rule",
    "generalized_entropy_index",
    "hgr",
    "jain_index",
    "ks_distance",
    "lipschitz_violations",
    "log_loss",
    "matthews_correlation",
    "mean_absolute_error",
    "mean_error",
    "mean_label",
    "mean_prediction",
    "mean_squared_error",
    "mutual_information",
    "negative_predictive_value",
    "pairwise_accuracy",
    "permutation_test",
    "positive_predictive_value",
    "predictive_equality_difference",
    "predictive_equality_ratio",
    "predictive_parity_difference",
    "predictive_parity_ratio",
    "quantile_gap",
    "quantile_prediction",
    "r2_score",
    "rate_by_group",
    "ratio",
    "reliability_curve",
    "roc_auc",
    "roc_auc_ovr",
    "root_mean_squared_error",
    "score_ks_distance",
    "score_wasserstein_distance",
    "selection_rate",
    "statistical_parity_auc",
    "subgroup_fairness",
    "subgroups",
    "theil_index",
    "treatment_equality",
    "treatment_equality_difference",
    "treatment_equality_ratio",
    "true_negative_rate",
    "true_positive_rate",
    "wasserstein_distance",
    "worst_subgroup",
    "xauc",
]


def __getattr__(name: str) -> Any:
    if name in _EVAL_METRICS:
        return getattr(importlib.import_module("mxfair.metric.eval_metric"), name)
    raise AttributeError(f"module 'mxfair.metric' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_EVAL_METRICS])
