"""Plots as inline SVG: drawn by matplotlib, coloured by the page's style sheet.

matplotlib writes placeholder colours, which become CSS variables here; so one drawing serves the light page, the dark
one and the printed one. Text stays text. Nothing in the output depends on when or where it was drawn.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "LINE_STYLES",
    "SERIES",
    "Point",
    "ScoreGroup",
    "curve_plot",
    "difference_plot",
    "interval_plot",
    "point_plot",
    "score_plot",
]

SERIES = 6
"""How many colours the style sheet has for lines, `--series-0` and up."""
LINE_STYLES = ("solid", "dashed", "dotted")
"""What tells lines of one colour apart."""

_COLOURS = {
    "ink": "#010101",
    "muted": "#020202",
    "rule": "#030303",
    "positive": "#040404",
    "negative": "#050505",
    "candidate": "#060606",
    "gain": "#070707",
    "loss": "#080808",
    **{f"series-{i}": f"#0a0a{i:02x}" for i in range(SERIES)},
}
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "pyrite",
    "font.size": 9.5,
    "text.color": _COLOURS["ink"],
    "axes.edgecolor": _COLOURS["muted"],
    "axes.labelcolor": _COLOURS["muted"],
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "xtick.color": _COLOURS["muted"],
    "ytick.color": _COLOURS["muted"],
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "lines.linewidth": 1.4,
}
_BINS = 12, 48
_POINTS = 240


@dataclass(frozen=True, slots=True)
class ScoreGroup:
    """Scores that are drawn as one shape.

    Attributes:
        role: "positive", "negative" or "candidate": the colour and the way it is drawn.
        values: Scores of one scorer, shape (n,), n at least 1.
    """

    role: str
    values: np.ndarray


@dataclass(frozen=True, slots=True)
class Point:
    """Two numbers of one thing, each with an interval.

    Attributes:
        label: What stands beside the dot.
        x: (lower end, value, upper end).
        y: Likewise.
        marked: Whether it has the colour of the one that counts.
    """

    label: str
    x: tuple[float, float, float]
    y: tuple[float, float, float]
    marked: bool = False


def score_plot(name: str, description: str, groups: Sequence[ScoreGroup], scorer: str) -> str:
    """Draw how the scores of groups are distributed, each group as shares of its own size.

    Args:
        name: Unique on the page; the ids within the SVG start with it.
        description: What a reader who cannot see the plot is told.
        groups: All scored by one scorer; at least one.
        scorer: Its name, for the axis.

    Returns:
        An `<svg>` element.
    """
    values = np.concatenate([group.values for group in groups])
    low, high = float(values.min()), float(values.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    # Rice's rule, within what the eye can tell apart.
    edges = np.linspace(low, high, int(np.clip(2 * np.cbrt(values.size), *_BINS)) + 1)

    def draw(axes: Axes) -> None:
        for group in groups:
            shares = np.histogram(group.values, edges)[0] / group.values.size
            colour = _COLOURS[group.role]
            if group.role == "candidate":
                axes.stairs(shares, edges, color=colour, linestyle="dashed", linewidth=1.0)
            else:
                axes.stairs(shares, edges, color=colour, fill=True, alpha=0.28, linewidth=0)
                axes.stairs(shares, edges, color=colour, linewidth=1.3)
        axes.set_xlabel(scorer)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.margins(x=0.01)
        axes.set_ylim(bottom=0)

    return _svg(name, description, draw)


def curve_plot(
    name: str, description: str, lines: Mapping[int, tuple[np.ndarray, np.ndarray]], *, dots: bool = False
) -> str:
    """Draw numbers against training steps.

    Args:
        name: Unique on the page.
        description: What a reader who cannot see the plot is told.
        lines: {number of the series: (steps, values)}, each of shape (n,). The number gives colour and line style.
            More than 240 points are averaged down to that.
        dots: Mark each point.

    Returns:
        An `<svg>` element.
    """

    def draw(axes: Axes) -> None:
        for series, (steps, values) in lines.items():
            x, y = _thinned(steps), _thinned(np.where(np.isfinite(values), values, np.nan))
            axes.plot(
                x,
                y,
                color=_COLOURS[f"series-{series % SERIES}"],
                linestyle=LINE_STYLES[series // SERIES % len(LINE_STYLES)],
                marker="o" if dots or len(x) == 1 else None,
                markersize=3,
            )
        axes.set_xlabel("step")
        axes.grid(axis="y", color=_COLOURS["rule"], linewidth=0.6)
        axes.set_axisbelow(True)
        axes.locator_params(nbins=5)

    return _svg(name, description, draw)


def difference_plot(name: str, description: str, differences: np.ndarray) -> str:
    """Draw one bar for each query, from the largest gain to the largest loss.

    Args:
        name: Unique on the page.
        description: What a reader who cannot see the plot is told.
        differences: Shape (queries,), at least one.

    Returns:
        An `<svg>` element.
    """
    ordered = _thinned(np.sort(differences)[::-1])
    edges = np.linspace(0, differences.size, ordered.size + 1)

    def draw(axes: Axes) -> None:
        for role, values in (("gain", ordered.clip(min=0)), ("loss", ordered.clip(max=0))):
            axes.stairs(values, edges, color=_COLOURS[role], fill=True, linewidth=0)
        axes.axhline(0, color=_COLOURS["muted"], linewidth=0.6)
        axes.set_xlabel("queries, from the largest gain to the largest loss")
        axes.margins(x=0)
        axes.spines["bottom"].set_visible(False)
        axes.locator_params(axis="y", nbins=5)

    return _svg(name, description, draw, size=(5.6, 2.2))


def point_plot(name: str, description: str, points: Sequence[Point], axes_names: tuple[str, str]) -> str:
    """Draw things by two numbers, with an interval along each axis.

    Args:
        name: Unique on the page.
        description: What a reader who cannot see the plot is told.
        points: At least one.
        axes_names: What stands along the x and the y axis.

    Returns:
        An `<svg>` element.
    """

    def draw(axes: Axes) -> None:
        for point in points:
            colour = _COLOURS["series-1" if point.marked else "series-0"]
            (left, x, right), (bottom, y, top) = point.x, point.y
            axes.plot([left, right], [y, y], color=colour, linewidth=0.8, alpha=0.6)
            axes.plot([x, x], [bottom, top], color=colour, linewidth=0.8, alpha=0.6)
            axes.plot([x], [y], color=colour, marker="o", markersize=4.5, linestyle="none")
            axes.annotate(point.label, (x, y), xytext=(4, 4), textcoords="offset points", color=_COLOURS["ink"])
        axes.set_xlabel(axes_names[0])
        axes.set_ylabel(axes_names[1])
        axes.margins(0.08)
        axes.locator_params(nbins=5)

    return _svg(name, description, draw, size=(5.6, 3.6))


def interval_plot(low: float, value: float, high: float, reach: float) -> str:
    """Draw an interval around a value as a line with a dot, for a table's cell.

    Args:
        low: The lower end.
        value: The value.
        high: The upper end.
        reach: The axis runs from -reach to reach, above 0; 0 is marked.

    Returns:
        An `<svg>` element that is hidden from screen readers, since the cell beside it says the same.
    """
    left, middle, right = (round(60 + 56 * x / reach, 2) for x in (low, value, high))
    return (
        '<svg class="interval" viewBox="0 0 120 16" aria-hidden="true">'
        '<line class="zero" x1="60" y1="0" x2="60" y2="16"/>'
        f'<line class="reach" x1="{left}" y1="8" x2="{right}" y2="8"/>'
        f'<circle cx="{middle}" cy="8" r="3"/></svg>'
    )


def _thinned(values: np.ndarray) -> np.ndarray:
    """Average neighbours until at most 240 points are left."""
    if len(values) <= _POINTS:
        return values
    return np.array([part.mean() for part in np.array_split(values, _POINTS)])


def _svg(name: str, description: str, draw: Callable[[Axes], None], size: tuple[float, float] = (4.4, 2.3)) -> str:
    """Let `draw` draw on new axes, in a figure of this many inches, and return its SVG for the page."""
    from matplotlib import rc_context, rcdefaults, rcParams
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context():
        # A user's matplotlibrc must not change the page.
        rcdefaults()
        rcParams.update(_STYLE)
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.subplots())
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    return _inlined(stream.getvalue(), name, description)


def _inlined(svg: str, name: str, description: str) -> str:
    """Make matplotlib's file an element of a page: unique ids, the page's fonts and colours, no fixed size."""
    body = svg[svg.index("<svg") :]
    box = re.search(r'viewBox="[^"]*"', body).group()  # type: ignore[union-attr]
    body = body[body.index(">") + 1 :]
    body = re.sub(
        r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>|<!--.*?-->", "", body, flags=re.DOTALL
    )
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{name}-", body).replace("xlink:href", "href")
    body = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", body)
    for role, colour in _COLOURS.items():
        body = body.replace(colour, f"var(--{role})")
    body = re.sub(r"(\.\d\d)\d+", r"\1", body)
    body = re.sub(r"\s*\n\s*", "\n", body)
    return f'<svg class="plot" {box} role="img" aria-label="{escape(description)}">{body}'
