"""Memory that was freed and that allocators still hold."""

from __future__ import annotations

import ctypes
import sys

import pyarrow as pa

__all__ = ["give_back"]


def give_back() -> None:
    """Give freed memory back to the system, so that what comes next does not add to what was at its peak before.

    Worth its milliseconds between two parts of the work that need much memory, each for other things.
    """
    pa.default_memory_pool().release_unused()
    # Other C libraries than glibc lack it, and keep less.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
