"""Checks of scikit-learn that estimators are known to fail, with the reason: one table for nets and ensembles.

A check that no longer fails must leave the table; `verdict` tells of both.
"""

from __future__ import annotations

import warnings
from typing import Any

from sklearn.exceptions import SkipTestWarning
from sklearn.utils import estimator_checks

#: Of every estimator.
EXCEPTIONS = {
    "check_sample_weight_equivalence_on_dense_data": (
        "sums of float32: a row of weight 2 in one batch is two rows to 1e-6, the check asks for 1e-7; with several "
        "batches, or rows held out, the rows of a batch are others"
    ),
    "check_sample_weights_invariance": "the same check under the name of scikit-learn before 1.5",
}
#: What fails in some settings only.
SOMETIMES = {"check_sample_weights_invariance"}
#: Of estimators with preprocessing steps.
WITH_STEPS = {
    "check_dtype_object": "what an object column may hold the steps say, and some take text",
}


#: Checks of what an estimator says itself, where another one of its family passes all: their code is shared.
OWN = {
    "check_no_attributes_set_in_init",
    "check_do_not_raise_errors_in_init_or_set_param",
    "check_parameters_default_constructible",
    "check_estimator_cloneable",
    "check_dict_unchanged",
    "check_dont_overwrite_attributes",
    "check_fit_check_is_fitted",
    "check_n_features_in",
    "check_estimators_dtypes",
    "check_estimators_nan_inf",
    "check_sample_weights_not_overwritten",
    "check_classifiers_one_label",
    "check_classifiers_classes",
    "check_regressors_int",
}


def verdict(estimator: Any, expected: dict[str, str], only: set[str] | None = None) -> tuple[dict[str, str], list[str]]:
    """Return the checks that fail and should not, with their errors, and those that should fail and do not.

    `only` names those that are run; all by default.
    """
    failed: dict[str, str] = {}
    ran = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, error in _results(estimator, only):
            ran.add(name)
            if error is not None:
                failed[name] = f"{type(error).__name__}: {error}"
    unexpected = {name: text for name, text in failed.items() if name not in expected}
    return unexpected, sorted((set(expected) & ran) - set(failed) - SOMETIMES)


def _results(estimator: Any, only: set[str] | None) -> Any:
    """Yield each check's name and what it raised."""
    newer = hasattr(estimator_checks, "estimator_checks_generator")  # scikit-learn 1.6
    if newer and only is None:
        for result in estimator_checks.check_estimator(estimator, on_fail=None, on_skip=None):
            yield result["check_name"], result["exception"] if result["status"] == "failed" else None
        return
    from unittest import SkipTest

    if newer:
        checks = estimator_checks.estimator_checks_generator(estimator)
    else:
        checks = estimator_checks.check_estimator(estimator, generate_only=True)
    for one, check in checks:
        if only is not None and check.func.__name__ not in only:
            continue
        error: BaseException | None = None
        try:
            check(one)
        except (SkipTest, SkipTestWarning):
            pass
        except Exception as raised:  # whatever a check finds
            error = raised
        yield check.func.__name__, error
