"""What an audit found in a mined set: as data, as a table for the terminal, and as one HTML page."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pyrite.report.rendering import render_page
from pyrite.report.text import Excerpt, count, excerpt, number, percent
from pyrite.settings import Json

__all__ = ["AuditReport", "Finding", "Instance", "Severity", "audit_text", "render_audit"]

Severity = Literal["error", "warning", "note", "fine", "unchecked"]
"""How much a finding matters: `error`, training on it teaches or measures something false; `warning`, it costs quality;
`note`, good to know; `fine`, looked for and not found; `unchecked`, something was missing to look for it."""

_ORDER: Sequence[Severity] = ("error", "warning", "note", "fine", "unchecked")


@dataclass(frozen=True, slots=True)
class Instance:
    """One example of a finding.

    Attributes:
        line: Where it stands in the file.
        query: The query's text, or its id.
        passages: What is shown beside it: (what it is, such as "negative n7", its text).
        note: What was measured, or "".
    """

    line: int
    query: str
    passages: tuple[tuple[str, str], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for.

    Attributes:
        name: Its name for programs, such as "positives-among-negatives".
        title: Its name for people.
        severity: How much it matters.
        number: How many were found; None where it was not looked for, or where it is no count.
        of: How many were looked at.
        unit: What was counted.
        meaning: What it does to training or to measurements.
        remedy: What to do about it, or, unchecked, how to have it looked for.
        values: Further numbers by name; whole ones are counts.
        instances: The first few, in the order of the file.
    """

    name: str
    title: str
    severity: Severity
    number: int | None
    of: int
    unit: str
    meaning: str
    remedy: str
    values: Mapping[str, float] = field(default_factory=dict)
    instances: tuple[Instance, ...] = ()

    @property
    def share(self) -> float | None:
        """The share found, in [0, 1]; None where there is none."""
        return None if self.number is None or not self.of else self.number / self.of


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What an audit looked at and found.

    Attributes:
        source: The file.
        file_format: Its format.
        counts: {what: how many}: rows, queries, positives, negatives, documents.
        findings: Everything that was looked for.
        given: What the audit was given beside the file: {"scorer" | "splits" | ...: what}.
    """

    source: str
    file_format: str
    counts: Mapping[str, int]
    findings: tuple[Finding, ...]
    given: Mapping[str, Json] = field(default_factory=dict)

    def finding(self, name: str) -> Finding:
        """Return a finding by its name.

        Raises:
            KeyError: The audit has none of that name.
        """
        return {finding.name: finding for finding in self.findings}[name]

    def by_severity(self) -> list[Finding]:
        """Return the findings, the worst first, each kind in the order in which it was looked for."""
        return sorted(self.findings, key=lambda finding: _ORDER.index(finding.severity))

    def severities(self) -> dict[Severity, int]:
        """Return {severity: findings}, the worst first; none that are not there."""
        found = Counter(finding.severity for finding in self.findings)
        return {severity: found[severity] for severity in _ORDER if found[severity]}

    def as_dict(self) -> dict[str, Json]:
        """Return everything as JSON values."""
        return {
            "source": self.source,
            "format": self.file_format,
            "counts": dict(self.counts),
            "given": dict(self.given),
            "severities": dict(self.severities()),
            "findings": [_finding_dict(finding) for finding in self.findings],
        }


def _finding_dict(finding: Finding) -> dict[str, Json]:
    return {
        "name": finding.name,
        "title": finding.title,
        "severity": finding.severity,
        "number": finding.number,
        "of": finding.of,
        "unit": finding.unit,
        "share": finding.share,
        "values": {name: None if math.isnan(value) else value for name, value in finding.values.items()},
        "meaning": finding.meaning,
        "remedy": finding.remedy,
        "instances": [
            {"line": one.line, "query": one.query, "passages": [list(pair) for pair in one.passages], "note": one.note}
            for one in finding.instances
        ],
    }


def audit_text(report: AuditReport) -> str:
    """Return what the terminal shows: one line a finding, the worst first, and what to do about the bad ones."""
    rows = [["severity", "what", "found", "of", "share", "more"]]
    rows += [_cells(finding) for finding in report.by_severity()]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = [_aligned(row, widths) for row in rows]
    advice = [
        f"{finding.title}\n  {finding.meaning}\n  {finding.remedy}"
        for finding in report.by_severity()
        if finding.severity in {"error", "warning"}
    ]
    counts = ", ".join(f"{count(value)} {name}" for name, value in report.counts.items())
    return "\n\n".join([f"{report.source} ({report.file_format}): {counts}", "\n".join(lines), *advice])


def _cells(finding: Finding) -> list[str]:
    share = finding.share
    values = ", ".join(f"{name} {_figure(value)}" for name, value in finding.values.items())
    return [
        finding.severity,
        finding.title,
        "" if finding.number is None else count(finding.number),
        f"{count(finding.of)} {finding.unit}" if finding.number is not None else "",
        "" if share is None or not finding.number else percent(share),
        values,
    ]


def _figure(value: float) -> str:
    return count(value) if isinstance(value, int) else number(value)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        cell.rjust(width) if place in {2, 4} else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def render_audit(report: AuditReport, title: str | None = None) -> str:
    """Return the page: self-contained, the same bytes for the same report.

    Args:
        report: What was found.
        title: The heading; by default it names the file.
    """
    return render_page(
        "audit.html.j2",
        title=title or f"Audit of {report.source}",
        report=report,
        findings=report.by_severity(),
        figures={
            finding.name: {name: _figure(value) for name, value in finding.values.items()}
            for finding in report.findings
        },
        instances={finding.name: [_shown(one) for one in finding.instances] for finding in report.findings},
    )


def _shown(instance: Instance) -> tuple[Instance, Excerpt, list[tuple[str, Excerpt]]]:
    return instance, excerpt(instance.query), [(label, excerpt(text)) for label, text in instance.passages]
