"""Plots as SVG files that depend on nothing but the numbers, for a page of the documentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["interval_chart", "scatter_chart"]

_STYLE: Any = {
    **{"svg.fonttype": "none", "svg.hashsalt": "pyrite", "font.size": 9.0, "axes.linewidth": 0.6},
    **{"axes.spines.top": False, "axes.spines.right": False, "lines.linewidth": 1.2},
}
_MARKS = "os^vDP*X<>"


def scatter_chart(
    file: Path, predicted: np.ndarray, reached: np.ndarray, families: Sequence[str], axes: tuple[str, str]
) -> None:
    """Draw a point for each set, a mark and colour for each family.

    Args:
        file: Written.
        predicted: Of each set, across.
        reached: Of each set, up.
        families: Of each set.
        axes: What is told across and up.
    """
    groups = np.array(families)

    def draw(plot: Axes) -> None:
        for place, family in enumerate(dict.fromkeys(families)):
            here = groups == family
            plot.scatter(predicted[here], reached[here], s=18, marker=_MARKS[place % len(_MARKS)], label=family)
        plot.set_xlabel(axes[0])
        plot.set_ylabel(axes[1])
        plot.legend(fontsize=7, frameon=False)

    _write(file, draw, (4.6, 3.2))


def interval_chart(file: Path, rows: Mapping[str, tuple[float, float, float]], label: str, marked: float) -> None:
    """Draw a value with its interval for each name, the first one on top, and a line that none can be expected above.

    Args:
        file: Written.
        rows: {name: (low, value, high)}.
        label: What the values are.
        marked: Where the line stands; nan for none.
    """

    def draw(plot: Axes) -> None:
        for place, (low, value, high) in enumerate(rows.values()):
            plot.plot([low, high], [-place, -place], color="#557")
            plot.plot([value], [-place], "o", color="#223", markersize=4)
        plot.set_yticks([-place for place in range(len(rows))], list(rows), fontsize=7)
        plot.axvline(0, color="#999", linewidth=0.6)
        if np.isfinite(marked):
            plot.axvline(marked, color="#a33", linewidth=0.8, linestyle="dashed")
        plot.set_xlabel(label)

    _write(file, draw, (6.0, 0.6 + 0.2 * len(rows)))


def _write(file: Path, draw: Callable[[Axes], None], size: tuple[float, float]) -> None:
    from matplotlib import rc_context, rcdefaults, rcParams
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context():
        rcdefaults()
        rcParams.update(_STYLE)
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.subplots())
        figure.savefig(file, format="svg", metadata={"Date": None})
