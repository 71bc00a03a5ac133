"""Collect candidates: the expensive half of mining."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field

from pyrite.data import Candidates, Corpus, Qrels, Queries, Run
from pyrite.errors import DataError
from pyrite.mining.candidates import CandidateCollection
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage
from pyrite.search.fusion import Fusion
from pyrite.search.lexical.index import LexicalIndex
from pyrite.search.random_source import RandomIndex
from pyrite.search.retriever import Index
from pyrite.search.run_source import RunSource
from pyrite.settings import Settings
from pyrite.stages.artifacts import DenseStore, open_index

__all__ = ["MineInputs", "MineOutputs", "MineSettings", "mine"]


class MineSettings(Settings):
    """How deep to search."""

    depth: int = Field(default=100, ge=1)
    """Documents that each source proposes for a query."""
    grade_threshold: int = Field(default=1, ge=1)
    """The lowest grade that makes a positive."""
    fusions: tuple[Fusion, ...] = ()
    """Sources made of the rankings of others by reciprocal ranks, such as {name: hybrid, of: [bm25, dense]}."""


@dataclass(frozen=True)
class MineInputs:
    """Queries with their judgements, and the sources by name: indices, and runs that other systems made.

    Runs want the corpus, which says whether they are rankings of it.
    """

    queries: Queries
    qrels: Qrels
    indices: Mapping[str, LexicalIndex | DenseStore | RandomIndex] | None = None
    runs: Mapping[str, Run] | None = None
    corpus: Corpus | None = None


@dataclass(frozen=True)
class MineOutputs:
    """Everything that was proposed, the positives scored by the same scorers."""

    candidates: Candidates


@stage("mine", version=3)
def mine(settings: MineSettings, inputs: MineInputs, context: Context) -> MineOutputs:
    """Collect candidates for each query from several indices and runs, and score the positives by each."""
    sources = _sources(inputs, context)
    collection = CandidateCollection(
        sources,
        inputs.queries,
        inputs.qrels,
        depth=settings.depth,
        grade_threshold=settings.grade_threshold,
        fusions=settings.fusions,
    )
    # The blocks are no resource: what an encoder sees together shows in the last bits of its vectors.
    blocks = collection.blocks
    with context.progress("mine", blocks[-1].stop, "queries") as advance:
        parts = context.map_shards(
            "candidates", blocks, lambda rows, path: collection.collect(rows).save(path), advance
        )
    return MineOutputs(collection.join([Candidates.open(path) for path in parts]))


def _sources(inputs: MineInputs, context: Context) -> dict[str, Index]:
    indices, runs = inputs.indices or {}, inputs.runs or {}
    if twice := sorted(set(indices) & set(runs)):
        raise DataError(f"indices and runs share the names {', '.join(twice)}; rename the runs")
    if runs and inputs.corpus is None:
        raise DataError("runs want the input `corpus`, to say whether they are rankings of it")
    sources: dict[str, Index] = {
        name: stored if isinstance(stored, RandomIndex) else open_index(stored, context.resources)
        for name, stored in indices.items()
    }
    for name, run in runs.items():
        assert inputs.corpus is not None
        sources[name] = RunSource(run, name).build(inputs.corpus)
    return sources
