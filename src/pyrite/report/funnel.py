"""From candidates to negatives: how many each gate took out, and what was left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow.compute as pc

from pyrite.data import Removals
from pyrite.report.records import MiningRecord

__all__ = ["Funnel", "Gate", "funnel"]


@dataclass(frozen=True, slots=True)
class Gate:
    """One step of the funnel.

    Attributes:
        name: The gate.
        removed: How many pairs of a query and a document it took out.
        before: The share of the candidates that reached it, in [0, 1].
        after: The share that is left behind it.
    """

    name: str
    removed: int
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Funnel:
    """How one method's candidates became negatives. Counts are of pairs of a query and a document.

    Attributes:
        method: The method's name.
        candidates: How many pairs its sources proposed, known positives among them.
        gates: What each gate took out; the last is "not drawn", what passed them all and was left over.
        negatives: How many were drawn.
        queries: How many queries had candidates.
        served: How many queries have at least one negative.
        unexplained: Candidates that no gate, no negative and no count of what was not drawn accounts for; anything
            but 0 is a fault.
    """

    method: str
    candidates: int
    gates: Sequence[Gate]
    negatives: int
    queries: int
    served: int
    unexplained: int

    @property
    def share(self) -> float:
        """The share of the candidates that became negatives."""
        return self.negatives / self.candidates if self.candidates else 0.0


def funnel(method: str, record: MiningRecord) -> Funnel:
    """Count what one method proposed, removed and kept."""
    # A positive that no source reached is scored, but was never proposed: it has no rank.
    proposed = record.candidates.arrow.filter(pc.field("rank").is_valid())
    candidates = proposed.group_by(["query_id", "doc_id"]).aggregate([]).num_rows
    removed = _ordered(record.removals)
    left = candidates - sum(removed.values()) - len(record.negatives)
    not_drawn = record.removals.metadata.get("audit", {}).get("not_drawn", max(left, 0))
    if not_drawn:
        removed["not drawn"] = not_drawn
    return Funnel(
        method,
        candidates,
        list(_gates(removed, candidates)),
        len(record.negatives),
        pc.count_distinct(proposed.column("query_id")).as_py(),
        pc.count_distinct(record.negatives.column("query_id")).as_py(),
        left - not_drawn,
    )


def _ordered(removals: Removals) -> dict[str, int]:
    counts = removals.counts()
    first = [name for name in removals.metadata.get("gates", ()) if name in counts]
    return {name: counts[name] for name in dict.fromkeys([*first, *counts])}


def _gates(removed: Mapping[str, int], candidates: int) -> Iterator[Gate]:
    left = candidates
    for name, count in removed.items():
        yield Gate(name, count, left / max(candidates, 1), (left - count) / max(candidates, 1))
        left -= count
