"""A report's numbers as tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyrite.report.text import MISSING, number, p_value, signed, spread
from pyrite.settings import Json

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["comparisons_table", "metrics_table"]


def metrics_table(summary: Mapping[str, Json]) -> Table:
    """Return systems by metrics, as a table for rich to print.

    Args:
        summary: The content of a `summary.json`. Where a system was trained with several seeds, the standard
            deviation over them stands behind its mean; the chosen system carries a star.

    Example:
        >>> from rich.console import Console
        >>> summary = {
        ...     "metrics": {"bm25": {"map": 0.25}, "dense": {"map": 0.5}},
        ...     "seeds": {"dense": {"map": [0.25, 0.75]}},
        ...     "chosen": "dense",
        ... }
        >>> Console(width=40, color_system=None).print(metrics_table(summary))
        system             map
        ──────────────────────
        bm25             0.250
        dense *  0.500 ± 0.354
    """
    rows: Mapping[str, Mapping[str, float]] = summary.get("metrics", {})
    metrics = list(dict.fromkeys(name for values in rows.values() for name in values))
    table = _table("system", *metrics)
    for system, values in rows.items():
        seeds = summary.get("seeds", {}).get(system, {})
        cells = [_mean(values.get(name), seeds.get(name, ())) for name in metrics]
        table.add_row(f"{system} *" if system == summary.get("chosen") else system, *cells)
    return table


def comparisons_table(summary: Mapping[str, Json]) -> Table:
    """Return the compared pairs, as a table for rich to print.

    Args:
        summary: The content of a `summary.json`.

    Example:
        >>> from rich.console import Console
        >>> row = {"a": "dense", "b": "bm25", "metric": "map", "delta": 0.25, "low": 0.2, "high": 0.3, "p": 0.0001}
        >>> table = comparisons_table({"comparisons": [row]})
        >>> Console(width=80, color_system=None).print(table)
        system  against  metric  change   95 % interval        p
        ────────────────────────────────────────────────────────
        dense   bm25     map     +0.250  +0.200, +0.300  < 0.001
    """
    table = _table("system", "against", "metric", "change", "95 % interval", "p", left=3)
    for row in summary.get("comparisons", ()):
        interval = f"{signed(row['low'])}, {signed(row['high'])}"
        table.add_row(row["a"], row["b"], row["metric"], signed(row["delta"]), interval, p_value(row["p"]))
    return table


def _table(*headings: str, left: int = 1) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="left" if place < left else "right", no_wrap=True)
    return table


def _mean(mean: float | None, seeds: list[float] | tuple[()]) -> str:
    if mean is None:
        return MISSING
    deviation = spread(seeds)
    return number(mean) if deviation is None else f"{number(mean)} ± {number(deviation)}"
