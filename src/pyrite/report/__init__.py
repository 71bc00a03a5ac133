"""One HTML page, and one JSON file, that say what a run reached and why."""

from pyrite.report.audit import AuditReport, Finding, Instance, audit_text, render_audit
from pyrite.report.page import ReportPage, render_report, write_report
from pyrite.report.records import Contrast, MiningRecord, ReportData
from pyrite.report.tables import comparisons_table, metrics_table

__all__ = [
    "AuditReport",
    "Contrast",
    "Finding",
    "Instance",
    "MiningRecord",
    "ReportData",
    "ReportPage",
    "audit_text",
    "comparisons_table",
    "metrics_table",
    "render_audit",
    "render_report",
    "write_report",
]
