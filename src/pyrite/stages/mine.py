"""Collect candidates: the expensive half of mining."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field

from pyrite.data import Candidates, Qrels, Queries
from pyrite.mining.candidates import collect_candidates
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage
from pyrite.search.lexical.index import LexicalIndex
from pyrite.settings import Settings
from pyrite.stages.artifacts import DenseStore, open_index

__all__ = ["MineInputs", "MineOutputs", "MineSettings", "mine"]


class MineSettings(Settings):
    """How deep to search."""

    depth: int = Field(default=100, ge=1)
    """Documents that each source proposes for a query."""
    grade_threshold: int = Field(default=1, ge=1)
    """The lowest grade that makes a positive."""


@dataclass(frozen=True)
class MineInputs:
    """Queries with their judgements, and the sources by name."""

    queries: Queries
    qrels: Qrels
    indices: Mapping[str, LexicalIndex | DenseStore]


@dataclass(frozen=True)
class MineOutputs:
    """Everything that was proposed, the positives scored by the same scorers."""

    candidates: Candidates


@stage("mine", version=2)
def mine(settings: MineSettings, inputs: MineInputs, context: Context) -> MineOutputs:
    """Collect candidates for each query from several indices, and score the positives by each."""
    indices = {name: open_index(stored, context.resources) for name, stored in inputs.indices.items()}
    with context.progress("mine", _searches(inputs), "queries") as advance:
        candidates = collect_candidates(
            indices,
            inputs.queries,
            inputs.qrels,
            depth=settings.depth,
            grade_threshold=settings.grade_threshold,
            advance=advance,
        )
    return MineOutputs(candidates)


def _searches(inputs: MineInputs) -> int:
    """Return an upper bound: queries without a positive are left alone."""
    return len(inputs.qrels.query_ids()) * len(inputs.indices)
