"""The diabetes data of scikit-learn."""

from __future__ import annotations

import pytest

from mxfair.datasets import load_diabetes


@pytest.fixture(scope="module")
def diabetes():
    """Return the data set."""
    return load_diabetes()


def test_shape(diabetes):
    """442 patients and ten features."""
    assert diabetes.data.shape == (442, 10)


def test_unscaled(diabetes):
    """Ages are years, not standardised numbers."""
    assert diabetes.data["age"].between(19, 79).all()


def test_target(diabetes):
    """The target runs from 25 to 346."""
    assert (diabetes.target.min(), diabetes.target.max()) == (25, 346)


def test_sex_codes_are_not_interpreted(diabetes):
    """The undocumented codes of sex stay '1' and '2'."""
    assert diabetes.groups["sex"].value_counts().to_dict() == {"1": 235, "2": 207}


def test_caveat_on_size(diabetes):
    """The description says that 442 rows cannot show parity of distributions."""
    assert "442 patients cannot show parity" in diabetes.DESCR
