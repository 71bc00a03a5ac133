"""The tables for the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from pyrite.report import ReportData, comparisons_table, metrics_table, render_report


def shown(table: Table) -> list[list[str]]:
    console = Console(width=120, color_system=None)
    with console.capture() as capture:
        console.print(table)
    return [line.split() for line in capture.get().splitlines() if line.strip()]


def test_metrics(data: ReportData) -> None:
    heading, _, before, after = shown(metrics_table(render_report(data).content))
    assert heading == ["system", "ndcg@10"]
    assert before == ["before", "0.417"]
    assert after == ["after", "*", "0.500", "±", "0.354"]


def test_a_metric_that_was_not_taken() -> None:
    rows = shown(metrics_table({"metrics": {"a": {"map": 0.5}, "b": {"p@10": 0.25}}}))
    assert rows[2:] == [["a", "0.500", "\N{EN DASH}"], ["b", "\N{EN DASH}", "0.250"]]


def test_comparisons(data: ReportData) -> None:
    row = shown(comparisons_table(render_report(data).content))[-1]
    assert row == ["after", "before", "ndcg@10", "+0.083", "\N{MINUS SIGN}0.500,", "+0.750", "0.500"]


def test_nothing_to_show() -> None:
    assert shown(metrics_table({})) == [["system"], ["──────"]]
    assert len(shown(comparisons_table({}))) == 2
