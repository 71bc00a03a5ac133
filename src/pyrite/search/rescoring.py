"""Score the union of all candidates by one more scorer, positives included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pyrite.data import Candidates, Corpus, Queries, ScoreKind
from pyrite.errors import DataError, SearchError
from pyrite.models.protocols import PairScorer
from pyrite.search.retriever import Pairs

__all__ = ["IdScorer", "TextPairScorer", "rescore"]

_KEY = ("query_id", "doc_id", "source")


class IdScorer(Protocol):
    """Scores pairs given by their ids; every `Index` is one."""

    @property
    def score_kind(self) -> ScoreKind:
        """What a score means."""
        ...

    def score(self, queries: Queries, pairs: Pairs) -> np.ndarray:
        """Return one score for each pair, float64."""
        ...


class TextPairScorer:
    """Makes an `IdScorer` of a `PairScorer`, such as a cross-encoder, and a corpus."""

    def __init__(self, scorer: PairScorer, corpus: Corpus) -> None:
        self._scorer = scorer
        self._corpus = corpus

    @property
    def score_kind(self) -> ScoreKind:
        """What a score means."""
        return self._scorer.score_kind

    def score(self, queries: Queries, pairs: Pairs) -> np.ndarray:
        """Return one score for each pair, float64.

        Raises:
            SearchError: The scorer gave something else than one finite number for each pair.
        """
        query_texts = dict(zip(queries.ids(), queries.texts(), strict=True))
        wanted = list(dict.fromkeys(pairs.doc_ids))
        doc_texts = dict(zip(wanted, self._corpus.select(wanted).texts(), strict=True))
        texts = [(query_texts[q], doc_texts[d]) for q, d in zip(pairs.query_ids, pairs.doc_ids, strict=True)]
        scores = np.asarray(self._scorer.score(texts))
        if scores.shape != (len(texts),) or scores.dtype.kind not in "fiu" or not np.isfinite(scores).all():
            raise SearchError(
                f"the scorer gave scores of shape {scores.shape} and type {scores.dtype} for {len(texts)} pairs; "
                "wants one finite number for each"
            )
        return scores.astype(np.float64)


def rescore(candidates: Candidates, queries: Queries, name: str, scorer: IdScorer) -> Candidates:
    """Give every candidate and positive a score by one scorer; each pair is scored once.

    Args:
        candidates: What sources proposed.
        queries: Their queries.
        name: The scorer's name in the table. Rows that carry it already stay as they are.
        scorer: Gives the scores.

    Returns:
        The candidates with one more row for each (query, document, source) that lacked the score.

    Raises:
        DataError: Scores of another kind carry the name already.
    """
    table = candidates.arrow
    kinds: dict[str, str] = candidates.metadata.get("scorers", {})
    if kinds.get(name, str(scorer.score_kind)) != str(scorer.score_kind):
        raise DataError(
            f"scorer: the candidates have scores by {name!r} already, of the kind {kinds[name]!r}, and these are of "
            f"the kind {str(scorer.score_kind)!r}; give the index that {name!r} stands for, or another name"
        )
    every = table.group_by([*_KEY]).aggregate([("rank", "min"), ("is_positive", "max")])
    done = table.filter(pc.equal(table.column("scorer"), name)).select(_KEY)
    missing = every.join(done, keys=list(_KEY), join_type="left anti").sort_by([(k, "ascending") for k in _KEY])
    if missing.num_rows == 0:
        return candidates
    scores = _score_unique(missing, queries, scorer)
    rows = pa.table(
        {
            **{key: missing.column(key) for key in _KEY},
            "rank": missing.column("rank_min"),
            "scorer": pa.array([name] * missing.num_rows, pa.string()),
            "score": pa.array(scores),
            "is_positive": missing.column("is_positive_max"),
        }
    )
    metadata = {**candidates.metadata, "scorers": {**kinds, name: str(scorer.score_kind)}}
    return Candidates(pa.concat_tables([table, rows.select(table.schema.names).cast(table.schema)]), metadata)


def _score_unique(missing: pa.Table, queries: Queries, scorer: IdScorer) -> np.ndarray:
    """Score each (query, document) once, whatever number of sources proposed it."""
    pairs = list(zip(*(missing.column(key).to_pylist() for key in ("query_id", "doc_id")), strict=True))
    unique: Sequence[tuple[str, str]] = list(dict.fromkeys(pairs))
    scores = scorer.score(queries, Pairs([q for q, _ in unique], [d for _, d in unique]))
    place = {pair: row for row, pair in enumerate(unique)}
    chosen: np.ndarray = scores[np.array([place[pair] for pair in pairs], dtype=np.int64)]
    return chosen
