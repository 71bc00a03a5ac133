"""From candidates to negatives: how many each gate took out, and what was left."""

from __future__ import annotations

from collections.abc import Sequence
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
        candidates: How many pairs its sources proposed, positives included.
        gates: What each gate took out.
        negatives: How many are left.
        queries: How many queries had candidates.
        served: How many queries have at least one negative.
        unexplained: Candidates that are neither negatives nor removed; anything but 0 is a fault.
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
    pairs = record.candidates.arrow.group_by(["query_id", "doc_id"]).aggregate([]).num_rows
    left, gates = pairs, []
    for name, removed in _ordered(record.removals).items():
        gates.append(Gate(name, removed, left / max(pairs, 1), (left - removed) / max(pairs, 1)))
        left -= removed
    return Funnel(
        method,
        pairs,
        gates,
        len(record.negatives),
        pc.count_distinct(record.candidates.column("query_id")).as_py(),
        pc.count_distinct(record.negatives.column("query_id")).as_py(),
        left - len(record.negatives),
    )


def _ordered(removals: Removals) -> dict[str, int]:
    counts = removals.counts()
    first = [name for name in removals.metadata.get("gates", ()) if name in counts]
    return {name: counts[name] for name in dict.fromkeys([*first, *counts])}
