"""How numbers and texts are written on the page and in the terminal."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["MINUS", "MISSING", "Excerpt", "count", "excerpt", "number", "p_value", "percent", "signed", "spread"]

MINUS = "\N{MINUS SIGN}"
MISSING = "\N{EN DASH}"
"""What stands where a number was not taken."""

_SHORT, _SHORT_LINES, _FULL = 240, 6, 4_000


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The beginning of a text, and more of it where it is long.

    Attributes:
        short: At most 240 characters and 6 lines.
        full: Up to 4,000 characters; None where `short` is the whole text.
        left_out: How many characters `full` leaves out.
    """

    short: str
    full: str | None = None
    left_out: int = 0


def excerpt(text: str) -> Excerpt:
    """Cut a text at a word's end.

    Example:
        >>> excerpt("short").full is None
        True
        >>> excerpt("word " * 100).short[-6:]
        'word …'
    """
    text = text.strip()
    short = "\n".join(text[: _SHORT + 1].split("\n")[:_SHORT_LINES])
    if len(short) > _SHORT:
        at_word = short.rsplit(None, 1)[0]
        short = at_word if _SHORT // 2 < len(at_word) <= _SHORT else short[:_SHORT]
    if len(short) == len(text):
        return Excerpt(text)
    return Excerpt(short.rstrip() + " …", text[:_FULL], max(0, len(text) - _FULL))


def number(value: float) -> str:
    """Write a measure's value.

    Example:
        >>> number(0.67891), number(12.5), number(-0.00001)
        ('0.679', '12.500', '0.000')
    """
    return f"{value:z.3f}".replace("-", MINUS)


def signed(value: float) -> str:
    """Write a difference.

    Example:
        >>> signed(0.0412), signed(-0.0412) == MINUS + "0.041", signed(-0.0001)
        ('+0.041', True, '0.000')
    """
    written = number(value)
    return written if written.startswith(MINUS) or not float(written) else f"+{written}"


def p_value(value: float) -> str:
    """Write a p.

    Example:
        >>> p_value(0.0312), p_value(0.0001)
        ('0.031', '< 0.001')
    """
    return "< 0.001" if value < 0.001 else number(value)


def percent(share: float) -> str:
    """Write a share.

    Example:
        >>> percent(0.0349)
        '3.5 %'
    """
    return f"{100 * share:.1f} %"


def count(value: int) -> str:
    """Write a whole number.

    Example:
        >>> count(12345)
        '12,345'
    """
    return f"{value:,}"


def spread(values: Sequence[float]) -> float | None:
    """Return the standard deviation over seeds (of the sample, n - 1), or None for fewer than two.

    Example:
        >>> spread([0.25, 0.5, 0.75])
        0.25
    """
    return statistics.stdev(values) if len(values) > 1 else None
