"""How the loops of exact search are compiled: by numba, which takes a while to load.

What imports this module is itself imported where it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

__all__ = ["Part", "compiled", "reordered"]

Part = tuple[int, int]
"""The slice of queries, rows or pairs that a call works on, so that threads share one loop: from, to before. No call
touches what another slice touches, and no result depends on how the slices were cut."""

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile as written, without Python's lock."""
    return cast("F", numba.njit(nogil=True, cache=True)(function))


def reordered(function: F) -> F:
    """Compile with sums taken in any order, for lengths whose last digits do not matter."""
    return cast("F", numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})(function))
