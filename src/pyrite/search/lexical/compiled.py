"""How inner loops are compiled: by numba, without the interpreter's lock, kept on disk for the next process.

Modules that use it load numba when they are imported, so they are imported inside functions only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

__all__ = ["compiled", "inlined"]

_Function = TypeVar("_Function", bound=Callable)


def compiled(function: _Function) -> _Function:
    """Compile a function when it is first called, or load what an earlier process compiled.

    No threading layer of numba's is used, none of which survives a fork: callers run compiled
    functions in Python's own threads, side by side.
    """
    loop: Any = numba.njit(nogil=True, cache=True)(function)
    return loop  # type: ignore[no-any-return]


def inlined(function: _Function) -> _Function:
    """Compile a function as part of those that call it: no counting of references at each call."""
    loop: Any = numba.njit(nogil=True, inline="always")(function)
    return loop  # type: ignore[no-any-return]
