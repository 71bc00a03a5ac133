"""Kernels that release Python's lock, run on several threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise
from types import TracebackType

__all__ = ["Team"]

# Below so many rows a thread costs more than it brings.
_LEAST = 32


class Team:
    """As many threads as OMP_NUM_THREADS says, or as there are processors.

    Example:
        >>> done = []
        >>> with Team() as team:
        ...     team.share(3, done.append)
        >>> done
        [(0, 3)]
    """

    def __init__(self) -> None:
        given = os.environ.get("OMP_NUM_THREADS", "")
        self.size = int(given) if given.isdecimal() and int(given) > 0 else _processors()
        self._pool = ThreadPoolExecutor(self.size)

    def __enter__(self) -> Team:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def share(self, count: int, run: Callable[[tuple[int, int]], None], least: int = _LEAST, whole: int = 1) -> None:
        """Call `run` with (start, stop) of disjoint parts that make up `range(count)`; return when all are done.

        Args:
            count: How much there is to do, from 0.
            run: Does a part of it.
            least: No part is smaller, where there are more than one and `whole` allows it.
            whole: Each part starts at a multiple of it.
        """
        parts = max(1, min(self.size, count // least))
        cuts = [*(count * part // parts // whole * whole for part in range(parts)), count]
        if parts == 1:
            run((0, count))
        else:
            # The caller does a part itself: a thread fewer to wake, and to wait for.
            *others, own = pairwise(cuts)
            begun = [self._pool.submit(run, part) for part in others]
            try:
                run(own)
            finally:
                wait(begun)
            for other in begun:
                other.result()


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
