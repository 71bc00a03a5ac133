"""Scores of sets of negatives: as a table for the terminal, and as one HTML page with signal against safety."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

from pyrite.data import SetRanking
from pyrite.data.records import SetRank
from pyrite.report.page import ReportPage
from pyrite.report.plots import Point, point_plot
from pyrite.report.rendering import render_page
from pyrite.report.text import MISSING, count, number, percent
from pyrite.settings import Json

__all__ = ["RECONSTRUCTION", "ScorePage", "ScoreReport", "render_score", "score_text"]

RECONSTRUCTION = (
    "eci_v1 and eci_sem are reconstructions of Effective Contrastive Information (arXiv 2603.20990, versions 1 and 3), "
    "which gives no formula: every choice is a setting."
)
_SHORT = ("eci_v1", "eci_sem", "hardness", "eci_v1.safety", "unsafe", "judged_hardness", "judge.false_negatives")
_SHARES = {"unsafe", "false_negatives", "judge.false_negatives", "lexical_overlap"}
_SIGNAL, _SAFETY, _FALSE = "hardness", "eci_v1.safety", "judge.false_negatives"


@dataclass(frozen=True)
class ScoreReport:
    """What is told of sets of negatives.

    Attributes:
        title: The heading.
        ranking: Each set and measure; the metadata name `rank_by`, the encoder, the judge and the number of queries.
        facts: {set: {"queries", "without_negatives", "pairs", "sources", "overlap"}}.
        measures: {measure: what it is}.
    """

    title: str
    ranking: SetRanking
    facts: Mapping[str, Json]
    measures: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def ranks(self) -> dict[str, dict[str, SetRank]]:
        """{measure: {set: its rank}}, sets in the order of their ranks."""
        found: dict[str, dict[str, SetRank]] = {}
        for row in self.ranking.rows():
            found.setdefault(row.measure, {})[row.set_name] = row
        return found

    @property
    def rank_by(self) -> str:
        """The measure that orders the sets."""
        return str(self.ranking.metadata["rank_by"])

    @property
    def order(self) -> list[str]:
        """The sets, the best first."""
        return list(self.ranks[self.rank_by])

    @property
    def scored_by(self) -> str:
        """Who scored, as a sentence."""
        told = self.ranking.metadata
        judge = f", judged by {told['judge']}" if told["judge"] else ""
        return f"Scored by {told['encoder']}{judge}, on the {count(told['queries'])} queries that all sets have."


class ScorePage(ReportPage):
    """The page of a ranking of sets of negatives."""

    kind: ClassVar[str] = "score_page"
    files: ClassVar[tuple[str, str]] = ("scores.html", "scores.json")

    def summary(self) -> dict[str, Json]:
        """Return what a manifest says of the page: the order, and by what."""
        return {"rank_by": self.content.get("rank_by"), "sets": [row["set_name"] for row in self.content["ranking"]]}


def score_text(report: ScoreReport) -> str:
    """Return what the terminal shows: the ranking with intervals, and the main components."""
    shown = [name for name in _SHORT if name in report.ranks and name != report.rank_by]
    header = ["", "set", report.rank_by, "95 % interval", "behind", "95 % interval", *shown]
    rows = [header]
    for row in report.ranks[report.rank_by].values():
        ends = [_ends(report.rank_by, row.low, row.high), _figure(report.rank_by, row.behind)]
        others = [_figure(name, report.ranks[name][row.set_name].value) for name in shown]
        rank = MISSING if row.rank is None else str(row.rank)
        behind = _ends(report.rank_by, row.behind_low, row.behind_high)
        rows.append([rank, row.set_name, _figure(report.rank_by, row.value), *ends, behind, *others])
    widths = [max(len(row[place]) for row in rows) for place in range(len(header))]
    lines = [
        "  ".join(
            cell.ljust(width) if place == 1 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n\n".join([report.scored_by, "\n".join(lines), RECONSTRUCTION])


def render_score(report: ScoreReport) -> ScorePage:
    """Return the page and its numbers; the same bytes for the same report."""
    measures = list(report.ranks)
    content: dict[str, Json] = {
        "title": report.title,
        "rank_by": report.rank_by,
        "scored_by": dict(report.ranking.metadata),
        "measures": {name: {m: report.ranks[m][name].value for m in measures} for name in report.order},
        "ranking": [_as_dict(row) for row in report.ranks[report.rank_by].values()],
        "sets": {name: report.facts.get(name, {}) for name in report.order},
    }
    html = render_page(
        "score.html.j2",
        report=report,
        reconstruction=RECONSTRUCTION,
        missing=MISSING,
        rows=[_cells(report, row) for row in report.ranks[report.rank_by].values()],
        plot=_plot(report),
        plot_note=_plot_note(report),
        components=[
            (name, [_figure(name, report.ranks[name][one].value) for one in report.order]) for name in measures
        ],
        facts=[(name, *_told(report.facts.get(name, {}))) for name in report.order],
    )
    return ScorePage(html, content)


def _as_dict(row: SetRank) -> dict[str, Json]:
    names = ("rank", "set_name", "value", "low", "high", "behind", "behind_low", "behind_high", "queries")
    return {name: getattr(row, name) for name in names}


def _cells(report: ScoreReport, row: SetRank) -> list[str]:
    name = report.rank_by
    return [
        MISSING if row.rank is None else str(row.rank),
        row.set_name,
        _figure(name, row.value),
        _ends(name, row.low, row.high),
        _figure(name, row.behind),
        _ends(name, row.behind_low, row.behind_high),
        count(row.queries),
    ]


def _told(facts: Mapping[str, Json]) -> tuple[str, str, str, str, str]:
    sources = ", ".join(f"{name} {percent(share)}" for name, share in facts.get("sources", {}).items())
    overlap = facts.get("overlap")
    return (
        count(facts.get("queries", 0)),
        count(facts.get("without_negatives", 0)),
        count(facts.get("pairs", 0)),
        sources or MISSING,
        MISSING if overlap is None or math.isnan(overlap) else percent(overlap),
    )


def _figure(measure: str, value: float | None) -> str:
    if value is None:
        return MISSING
    if measure in _SHARES:
        return percent(value)
    # eci_sem of unit vectors lies in the third digit.
    return f"{value:.5f}" if "eci_sem" in measure and abs(value) < 0.1 else number(value)


def _ends(measure: str, low: float | None, high: float | None) -> str:
    return MISSING if low is None or high is None else f"{_figure(measure, low)} to {_figure(measure, high)}"


def _plot(report: ScoreReport) -> str | None:
    points = []
    for label, name in enumerate(report.order, 1):
        x = _triple(report.ranks[_SIGNAL][name])
        y = _triple(report.ranks[_FALSE if _FALSE in report.ranks else _SAFETY][name])
        if x is not None and y is not None:
            points.append(Point(str(label), x, _safe(y) if _FALSE in report.ranks else y, marked=label == 1))
    return point_plot("signal-safety", _plot_note(report), points, _axes(report)) if points else None


def _axes(report: ScoreReport) -> tuple[str, str]:
    judge = report.ranking.metadata["judge"]
    safety = f"share that {judge} finds safe" if _FALSE in report.ranks else "safety: gap to the hardest"
    return f"signal: hardness by {report.ranking.metadata['encoder']}", safety


def _plot_note(report: ScoreReport) -> str:
    x, y = _axes(report)
    return f"Each set by its {x}, and its {y}; lines are 95 % intervals, numbers ranks."


def _triple(row: SetRank) -> tuple[float, float, float] | None:
    if row.value is None or row.low is None or row.high is None:
        return None
    return row.low, row.value, row.high


def _safe(shares: tuple[float, float, float]) -> tuple[float, float, float]:
    low, value, high = shares
    return 1 - high, 1 - value, 1 - low
