"""Rank documents for the queries of a split."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from pyrite.data import Qrels, Queries, Run
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage
from pyrite.search.batched import search_in_blocks
from pyrite.search.lexical.index import LexicalIndex
from pyrite.settings import Settings
from pyrite.stages.artifacts import DenseStore, open_index

__all__ = ["SearchInputs", "SearchOutputs", "SearchSettings", "search"]


class SearchSettings(Settings):
    """How deep to search, and what to call the result."""

    depth: int = Field(default=101, ge=1)
    """Documents a query. One more than the largest cut-off measured, since a document with the
    query's own id does not count."""
    system: str = Field(min_length=1)
    """What reports call the system. Runs of one name count as seeds of one system, and are averaged."""


@dataclass(frozen=True)
class SearchInputs:
    """What to search, and for which queries: those that `qrels` judges."""

    index: LexicalIndex | DenseStore
    queries: Queries
    qrels: Qrels


@dataclass(frozen=True)
class SearchOutputs:
    """The rankings."""

    run: Run


@stage("search", version=1)
def search(settings: SearchSettings, inputs: SearchInputs, context: Context) -> SearchOutputs:
    """Rank the documents of an index for each query of a split."""
    index = open_index(inputs.index, context.resources)
    queries = inputs.queries.select(inputs.qrels.query_ids())
    with context.progress("search", len(queries), "queries") as advance:
        run = search_in_blocks(index, queries, settings.depth, advance)
    return SearchOutputs(Run(run.arrow, {**run.metadata, "scorer": settings.system}))
