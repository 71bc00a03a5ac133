"""How inner loops are compiled: by numba, without the interpreter's lock, kept on disk for the next process.

Modules that use it load numba when they are imported, so they are imported inside functions only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

__all__ = ["Part", "compiled", "inlined", "reordered"]

Part = tuple[int, int]
"""The slice of queries, rows or pairs that a call works on, so that threads share one loop: from, to before. No call
touches what another slice touches, and no result depends on how the slices were cut."""

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compile a function as written when it is first called, or load what an earlier process compiled.

    No threading layer of numba's is used, none of which survives a fork: callers run compiled functions in Python's
    own threads, side by side.
    """
    return cast("_Function", numba.njit(nogil=True, cache=True)(function))


def inlined(function: _Function) -> _Function:
    """Compile a function as part of those that call it: no counting of references at each call."""
    return cast("_Function", numba.njit(nogil=True, inline="always")(function))


def reordered(function: _Function) -> _Function:
    """Compile with sums taken in any order, for lengths whose last digits do not matter."""
    return cast("_Function", numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})(function))
