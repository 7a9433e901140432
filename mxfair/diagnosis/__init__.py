"""Measurable signs of four biases in data, labels and models: selection, confirmation, anchoring, availability."""

from __future__ import annotations

from mxfair.diagnosis.anchoring import anchoring_signs
from mxfair.diagnosis.availability import availability_signs
from mxfair.diagnosis.confirmation import confirmation_signs
from mxfair.diagnosis.everything import diagnose
from mxfair.diagnosis.finding import Diagnosis, Finding
from mxfair.diagnosis.selection import selection_signs

__all__ = [
    "Diagnosis",
    "Finding",
    "anchoring_signs",
    "availability_signs",
    "confirmation_signs",
    "diagnose",
    "selection_signs",
]
