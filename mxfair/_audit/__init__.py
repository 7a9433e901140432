"""What `mxfair audit` and `mxfair compare` do, with files of predictions. No deep-learning engine is loaded."""

from __future__ import annotations

from mxfair._audit._compare import CompareOptions, CompareResult, run_compare
from mxfair._audit._options import AuditOptions
from mxfair._audit._run import AuditResult, run_audit
from mxfair._audit._show import show, show_comparison

__all__ = [
    "AuditOptions",
    "AuditResult",
    "CompareOptions",
    "CompareResult",
    "run_audit",
    "run_compare",
    "show",
    "show_comparison",
]
