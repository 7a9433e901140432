"""What `mxfair audit` and `mxfair compare` do, with files of predictions. No deep-learning engine is loaded."""

from __future__ import annotations

from mxfair._audit._options import AuditOptions
from mxfair._audit._run import AuditResult, run_audit
from mxfair._audit._show import show

__all__ = ["AuditOptions", "AuditResult", "run_audit", "show"]
