"""Order a ranking anew."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field

from pyrite.data import Corpus, Queries, Run
from pyrite.pipeline.context import Context
from pyrite.pipeline.shards import shard_ranges
from pyrite.pipeline.stage import stage
from pyrite.search.reranking import first_ranks, reordered, run_pairs
from pyrite.search.rescoring import TextPairScorer, read_scores, write_scores
from pyrite.settings import Settings
from pyrite.stages.scorers import ScorerStore

__all__ = ["RerankInputs", "RerankOutputs", "RerankSettings", "rerank"]


class RerankSettings(Settings):
    """How far down to look, and what to call the result."""

    system: str = Field(min_length=1)
    """What reports call the system. Runs of one name count as seeds of one system, and are averaged."""
    depth: int = Field(default=50, ge=1)
    """Ranks that are ordered anew; the documents behind them are left out."""


@dataclass(frozen=True)
class RerankInputs:
    """The ranking, the model that orders it anew, and the texts that it reads."""

    run: Run
    model: ScorerStore
    corpus: Corpus
    queries: Queries


@dataclass(frozen=True)
class RerankOutputs:
    """The first documents of each query in the model's order."""

    run: Run


@stage("rerank", version=1)
def rerank(settings: RerankSettings, inputs: RerankInputs, context: Context) -> RerankOutputs:
    """Order the first documents of a ranking anew by a model that scores pairs."""
    scorer = TextPairScorer(inputs.model.ready(context.resources), inputs.corpus)
    first = first_ranks(inputs.run, settings.depth)
    pairs = run_pairs(first)
    with context.progress("rerank", len(pairs), "pairs") as advance:

        def score(rows: range, path: Path) -> None:
            write_scores(path, scorer.score(inputs.queries, pairs.part(rows)))

        ranges = shard_ranges(len(pairs), context.resources.shard_size)
        shards = context.map_shards("scores", ranges, score, advance)
    scores = np.concatenate([np.zeros(0), *(read_scores(shard) for shard in shards)])
    return RerankOutputs(reordered(first, scores, name=settings.system, kind=scorer.score_kind))
