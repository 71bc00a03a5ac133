"""How a dense search came to be exact: which share of the queries its first pass left open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pyrite.data import Run

__all__ = ["joined_passes", "left_open", "with_passes"]


def left_open(decided_by: Mapping[str, int], first: str) -> dict[str, Any]:
    """Return what metadata and manifests tell of the passes.

    Args:
        decided_by: {pass: how many queries it was certain of}.
        first: The pass that every query went through.

    Returns:
        {"queries": all of them, "left_open": how many needed more than the first pass, "share": of all, in [0, 1],
        "decided_by": {pass: count}}. Which passes there are follows from the machine; what is found does not.

    Example:
        >>> left_open({"int8": 3, "fp64": 1}, "int8")
        {'queries': 4, 'left_open': 1, 'share': 0.25, 'decided_by': {'int8': 3, 'fp64': 1}}
    """
    queries = sum(decided_by.values())
    return _told(queries, queries - decided_by.get(first, 0), decided_by)


def joined_passes(parts: Sequence[Mapping[str, Any] | None]) -> dict[str, Any] | None:
    """Return what several searches tell, as of one; None where one of them does not tell.

    Example:
        >>> one = left_open({"int8": 3, "fp64": 1}, "int8")
        >>> joined_passes([one, left_open({"bf16": 4}, "bf16")])["share"]
        0.125
    """
    told = [part for part in parts if part is not None]
    if not told or len(told) < len(parts):
        return None
    counts: Counter[str] = Counter()
    for part in told:
        counts.update(part["decided_by"])
    return _told(sum(part["queries"] for part in told), sum(part["left_open"] for part in told), counts)


def with_passes(run: Run, passes: Mapping[str, Any] | None) -> Run:
    """Note in a run's metadata what a search tells, if it does."""
    if passes is not None:
        run.metadata["passes"] = dict(passes)
    return run


def _told(queries: int, still_open: int, decided_by: Mapping[str, int]) -> dict[str, Any]:
    share = round(still_open / queries, 6) if queries else 0.0
    return {"queries": queries, "left_open": still_open, "share": share, "decided_by": dict(decided_by)}
