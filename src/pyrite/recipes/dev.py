"""Measure a model folder on development queries, for the choice of an epoch or a round."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from pyrite.data import Corpus, Qrels, Queries, Run
from pyrite.errors import DataError
from pyrite.eval import evaluate, evaluate_index
from pyrite.models.folder import ModelFolder
from pyrite.models.prompts import read_prompts
from pyrite.models.protocols import Encoder, PairScorer
from pyrite.models.stored import open_encoder
from pyrite.search.dense.index import DenseRetriever
from pyrite.search.reranking import rerank
from pyrite.search.rescoring import TextPairScorer
from pyrite.settings import Settings

__all__ = ["DevCandidates", "DevQueries", "DevSettings", "EncoderLoader", "encoder_loader"]

EncoderLoader = Callable[[Path], Encoder]
"""Loads a model folder."""


class DevSettings(Settings):
    """What the best state of a training is chosen by."""

    dev_measure: str = "nDCG@10"
    """What the best epoch is chosen by, where there are dev judgements."""
    dev_depth: int = Field(default=10, ge=1)
    """How deep dev is searched; at least the measure's cut-off."""

    @model_validator(mode="after")
    def _deep_enough(self) -> Self:
        cutoff = re.search(r"@(\d+)$", self.dev_measure)
        if cutoff and int(cutoff[1]) > self.dev_depth:
            raise ValueError(f"dev_depth ({self.dev_depth}) is below the cut-off of dev_measure ({self.dev_measure})")
        return self


@dataclass(frozen=True, slots=True)
class DevQueries:
    """What a model is measured on while it trains.

    Attributes:
        corpus: The documents to search.
        queries: Holds the judged queries.
        qrels: Their judgements.
        measure: In ir-measures' notation.
        depth: How deep to search; at least the measure's cut-off.
    """

    corpus: Corpus
    queries: Queries
    qrels: Qrels
    measure: str = "nDCG@10"
    depth: int = 10

    def value(self, encoder: Encoder) -> float:
        """Encode the corpus, search for every query, and return the mean of the measure."""
        index = DenseRetriever(encoder).build(self.corpus)
        _, scores = evaluate_index(index, self.queries, self.qrels, [self.measure], depth=self.depth)
        return next(iter(scores.means().values()))


def encoder_loader(start: Path, *, static: bool, device: str = "auto", batch_size: int = 64) -> EncoderLoader:
    """Return what loads the checkpoints of a model.

    Args:
        start: The folder of the untrained model, whose prompts and tokenizer all checkpoints share.
        static: Whether it is a static encoder; its texts are then tokenised at their first use alone.
        device: Where a transformer encodes.
        batch_size: Texts that a transformer encodes at once.
    """
    if static:
        from pyrite.models.static_encoder import StaticEncoder

        first = StaticEncoder(start, prompts=read_prompts(start))
        return lambda folder: StaticEncoder(folder, first.cache, first.prompts)
    return lambda folder: open_encoder(ModelFolder(folder), device=device, batch_size=batch_size)


@dataclass(frozen=True, slots=True)
class DevCandidates:
    """What a reranker is measured on while it trains: the first documents of a ranking, in its order.

    Attributes:
        corpus: Holds the documents.
        queries: Holds the judged queries.
        qrels: Their judgements.
        candidates: A ranking for them; what it did not find, no reranker can bring back.
        measure: In ir-measures' notation.
        depth: Ranks that are ordered anew.
    """

    corpus: Corpus
    queries: Queries
    qrels: Qrels
    candidates: Run
    measure: str = "nDCG@10"
    depth: int = 50

    def value(self, scorer: PairScorer) -> float:
        """Order the candidates of the judged queries by a scorer, and return the mean of the measure.

        Raises:
            DataError: Not one judged query has candidates.
        """
        judged = pc.is_in(self.candidates.column("query_id"), value_set=pa.array(self.qrels.query_ids()))
        run = Run(self.candidates.arrow.filter(judged), self.candidates.metadata)
        if len(run) == 0:
            raise DataError(
                "dev: the ranking has candidates for not one of the judged queries: every epoch would be worth 0; give "
                "the ranking of a search for these queries"
            )
        scored = rerank(run, self.queries, TextPairScorer(scorer, self.corpus), name="reranker", depth=self.depth)
        return next(iter(evaluate(scored, self.qrels, [self.measure]).means().values()))
