"""Words for messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["count", "did_you_mean", "human_size", "listing"]


def did_you_mean(given: str, allowed: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the nearest allowed one, then all.

    Example:
        >>> did_you_mean("serch", ["search", "mine"])
        "; did you mean 'search'? Allowed: mine, search"
        >>> did_you_mean("xyz", ["search", "mine"])
        '; allowed: mine, search'
        >>> did_you_mean("xyz", [])
        '; none is allowed here'
    """
    names = sorted(set(allowed))
    if not names:
        return "; none is allowed here"
    near = difflib.get_close_matches(given, names, n=1)
    start = f"; did you mean {near[0]!r}? Allowed: " if near else "; allowed: "
    return start + listing(names)


def listing(names: Iterable[str]) -> str:
    """Return names joined by commas, or "none".

    Example:
        >>> listing([])
        'none'
    """
    return ", ".join(names) or "none"


def count(number: int, noun: str) -> str:
    """Return a number with its noun.

    Example:
        >>> count(1, "step"), count(2, "step")
        ('1 step', '2 steps')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def human_size(size: int) -> str:
    """Return a number of bytes as people read it.

    Example:
        >>> human_size(999), human_size(1_500_000)
        ('999 B', '1.5 MB')
    """
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
