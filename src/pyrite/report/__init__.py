"""One HTML page, and one JSON file, that say what a run reached and why."""

from pyrite.report.page import ReportPage, render_report, write_report
from pyrite.report.records import Contrast, MiningRecord, ReportData
from pyrite.report.tables import comparisons_table, metrics_table

__all__ = [
    "Contrast",
    "MiningRecord",
    "ReportData",
    "ReportPage",
    "comparisons_table",
    "metrics_table",
    "render_report",
    "write_report",
]
