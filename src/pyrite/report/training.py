"""The training curves: one plot for each number noted, one line for each system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow.compute as pc

from pyrite.data import TrainingLog
from pyrite.report.plots import LINE_STYLES, SERIES, curve_plot
from pyrite.report.text import number

__all__ = ["Curves", "Key", "curves", "keys"]


@dataclass(frozen=True, slots=True)
class Key:
    """What a line stands for: a system, its colour (a number) and its line style."""

    system: str
    colour: int
    style: str


@dataclass(frozen=True, slots=True)
class Curves:
    """One plot.

    Attributes:
        name: What was noted, such as "loss".
        plot: An `<svg>` element.
        note: The last value of each system.
    """

    name: str
    plot: str
    note: str


def keys(logs: Mapping[str, TrainingLog]) -> list[Key]:
    """Return what each line stands for, in the order of the logs."""
    return [Key(name, i % SERIES, LINE_STYLES[i // SERIES % len(LINE_STYLES)]) for i, name in enumerate(logs)]


def curves(logs: Mapping[str, TrainingLog]) -> list[Curves]:
    """Draw every number that was noted, in the order in which the numbers first appear."""
    names = dict.fromkeys(name for log in logs.values() for name in pc.unique(log.column("name")).to_pylist())
    return [_curves(name, logs, f"curve-{place}") for place, name in enumerate(names)]


def _curves(name: str, logs: Mapping[str, TrainingLog], prefix: str) -> Curves:
    lines, last = {}, []
    for series, (system, log) in enumerate(logs.items()):
        rows = log.arrow.filter(pc.field("name") == name)
        if rows.num_rows:
            steps, values = rows.column("step").to_numpy(), rows.column("value").to_numpy()
            lines[series] = (steps.astype(float), values)
            last.append(f"{system} {number(float(values[-1]))}")
    note = f"Last value: {', '.join(last)}."
    few = all(len(steps) <= 30 for steps, _ in lines.values())
    return Curves(name, curve_plot(prefix, f"Training curve of {name}. {note}", lines, dots=few), note)
