"""The first tables of the page: what each system reached, and how the systems differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyrite.data import Comparison, Comparisons
from pyrite.report.plots import interval_plot
from pyrite.report.text import MISSING, number, p_value, signed, spread
from pyrite.settings import Json

__all__ = ["Cell", "ComparisonRow", "SystemRow", "comparison_rows", "lead", "system_rows"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One mean of the headline table.

    Attributes:
        text: The mean, or a dash where the measure was not taken.
        value: The mean, for sorting; -1 where it was not taken.
        spread: The standard deviation over seeds, or "".
        best: Whether no other system reached more.
    """

    text: str
    value: float
    spread: str
    best: bool


@dataclass(frozen=True, slots=True)
class SystemRow:
    """One system of the headline table, with a cell for each metric."""

    system: str
    chosen: bool
    seeds: int
    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """One difference, written out and drawn."""

    a: str
    b: str
    measure: str
    delta: str
    interval: str
    p: str
    queries: int
    direction: str
    plot: str


def system_rows(summary: Mapping[str, Json], metrics: Sequence[str]) -> list[SystemRow]:
    """Return the rows of the headline table from the content of `summary.json`."""
    systems: Mapping[str, Mapping[str, float]] = summary["metrics"]
    best = {name: max(values[name] for values in systems.values() if name in values) for name in metrics}
    rows = []
    for system, values in systems.items():
        seeds: Mapping[str, list[float]] = summary["seeds"].get(system, {})
        cells = [_cell(values.get(name), seeds.get(name, []), best[name]) for name in metrics]
        rows.append(SystemRow(system, system == summary["chosen"], max(map(len, seeds.values()), default=1), cells))
    return rows


def comparison_rows(comparisons: Comparisons) -> list[ComparisonRow]:
    """Return the rows of the table of differences; all intervals are drawn to one scale."""
    rows = list(comparisons.rows())
    reach = max((max(abs(row.low), abs(row.high), abs(row.delta)) for row in rows), default=0.0) or 1.0
    return [_comparison_row(row, reach) for row in rows]


def lead(comparisons: Comparisons, chosen: str | None) -> Comparison | None:
    """Return the comparison that the page opens with: the chosen system's first, or the first of all."""
    rows = list(comparisons.rows())
    return next((row for row in rows if row.a == chosen), rows[0] if rows else None)


def _cell(mean: float | None, seeds: list[float], best: float) -> Cell:
    if mean is None:
        return Cell(MISSING, -1.0, "", False)
    deviation = spread(seeds)
    return Cell(number(mean), mean, "" if deviation is None else number(deviation), mean == best)


def _comparison_row(row: Comparison, reach: float) -> ComparisonRow:
    direction = "gain" if row.low > 0 else "loss" if row.high < 0 else "open"
    return ComparisonRow(
        row.a,
        row.b,
        row.measure,
        signed(row.delta),
        f"{signed(row.low)} to {signed(row.high)}",
        p_value(row.p),
        row.queries,
        direction,
        interval_plot(row.low, row.delta, row.high, reach),
    )
