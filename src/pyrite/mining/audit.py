"""Where candidates went: a count for each gate."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pyrite.mining.gates import Gates
from pyrite.mining.pool import Pool

__all__ = ["Audit", "audit"]


@dataclass(frozen=True, slots=True)
class Audit:
    """The counts of one selection. `candidates` = all of `removed` + `not_drawn` + `negatives`.

    Attributes:
        queries: Queries with candidates.
        candidates: Pairs of query and document that the sources proposed, known positives among them.
        removed: {gate: pairs dropped}, in the order of the gates.
        not_drawn: Pairs that passed every gate and were not drawn.
        negatives: Pairs drawn.
        by_source: {source: negatives that it ranked best}.
        short: Queries that got fewer negatives than the sampler wants.
        empty: Queries that got none.
        relaxed: {gate: negatives that it had dropped, and that queries with too few got back}.
        unproposed: Queries with positives for which the sources proposed nothing at all.
    """

    queries: int
    candidates: int
    removed: dict[str, int]
    not_drawn: int
    negatives: int
    by_source: dict[str, int]
    short: int
    empty: int
    relaxed: dict[str, int]
    unproposed: int

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as JSON values."""
        return asdict(self)


def audit(proposed: Pool, gates: Gates, drawn: Pool, wanted: int) -> Audit:
    """Count one selection.

    Args:
        proposed: Every candidate.
        gates: Where each was dropped.
        drawn: What was drawn.
        wanted: Negatives a query that the sampler wants.
    """
    queries = len(proposed.starts()) - 1
    sizes = np.diff(drawn.starts())
    counts = np.bincount(drawn.source, minlength=len(drawn.names.sources)).tolist()
    by_source = {name: number for name, number in zip(drawn.names.sources.to_pylist(), counts, strict=True) if number}
    return Audit(
        queries=queries,
        candidates=len(proposed),
        removed=gates.counts(),
        not_drawn=len(gates.kept()) - len(drawn),
        negatives=len(drawn),
        by_source=dict(sorted(by_source.items())),
        short=queries - int(np.count_nonzero(sizes >= wanted)),
        empty=queries - len(sizes),
        relaxed=gates.readmissions(),
        unproposed=len(proposed.names.queries) - queries,
    )
