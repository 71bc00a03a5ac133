"""Score all candidates on one scale."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field

from pyrite.data import Candidates, Corpus, Queries
from pyrite.errors import StageError
from pyrite.pipeline.context import Context
from pyrite.pipeline.shards import shard_ranges
from pyrite.pipeline.stage import stage
from pyrite.search.lexical.index import LexicalIndex
from pyrite.search.rescoring import IdScorer, TextPairScorer, pairs_to_score, read_scores, with_scores, write_scores
from pyrite.settings import Settings
from pyrite.stages.artifacts import DenseStore, open_index
from pyrite.stages.scorers import ScorerStore

__all__ = ["RescoreInputs", "RescoreOutputs", "RescoreSettings", "rescore"]


class RescoreSettings(Settings):
    """What to call the scorer."""

    scorer: str = Field(min_length=1)
    """The scorer's name in the candidates. One that is there already is filled up, not repeated:
    give a source's own name only with that source's index."""


@dataclass(frozen=True)
class RescoreInputs:
    """The candidates, their queries, and what scores: an index, or a model together with the texts that it reads."""

    candidates: Candidates
    queries: Queries
    index: LexicalIndex | DenseStore | None = None
    model: ScorerStore | None = None
    corpus: Corpus | None = None


@dataclass(frozen=True)
class RescoreOutputs:
    """The candidates, each with a score by the scorer."""

    candidates: Candidates


@stage("rescore", version=2)
def rescore(settings: RescoreSettings, inputs: RescoreInputs, context: Context) -> RescoreOutputs:
    """Score all candidates and positives by one index or model, so that filters can compare them."""
    scorer = _scorer(inputs, context)
    pairs = pairs_to_score(inputs.candidates, settings.scorer, scorer.score_kind)
    with context.progress("rescore", len(pairs), "pairs") as advance:

        def score(rows: range, path: Path) -> None:
            write_scores(path, scorer.score(inputs.queries, pairs.part(rows)))

        ranges = shard_ranges(len(pairs), context.resources.shard_size)
        shards = context.map_shards("scores", ranges, score, advance)
    scores = np.concatenate([np.zeros(0), *(read_scores(shard) for shard in shards)])
    return RescoreOutputs(with_scores(inputs.candidates, settings.scorer, scorer.score_kind, pairs, scores))


def _scorer(inputs: RescoreInputs, context: Context) -> IdScorer:
    if (inputs.index is None) == (inputs.model is None):
        raise StageError("rescore wants either `index` or `model` among its inputs: what is to score?")
    if inputs.index is not None:
        return open_index(inputs.index, context.resources)
    if inputs.model is None or inputs.corpus is None:
        raise StageError("rescore: a model reads texts, so give `corpus` among the inputs")
    return TextPairScorer(inputs.model.ready(context.resources), inputs.corpus)
