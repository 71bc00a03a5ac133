"""Score the union of all candidates by one more scorer, positives included."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pyrite.data import Candidates, Corpus, Queries, ScoreKind
from pyrite.data.codes import pair_keys
from pyrite.errors import DataError, SearchError
from pyrite.models.protocols import PairScorer
from pyrite.search.retriever import Pairs
from pyrite.settings import Json, canonical_hash

__all__ = ["IdScorer", "TextPairScorer", "pairs_to_score", "read_scores", "rescore", "with_scores", "write_scores"]

_ROW = ["query_id", "doc_id", "source"]
_PAIR = ["query_id", "doc_id"]


@runtime_checkable
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
            DataError: A query is not among the queries, or a document not in the corpus.
            SearchError: The scorer gave something else than one finite number for each pair.
        """
        texts = self._texts(queries, pairs)
        scores = np.asarray(self._scorer.score(texts))
        if scores.shape != (len(texts),) or scores.dtype.kind not in "fiu" or not np.isfinite(scores).all():
            raise SearchError(
                f"the scorer gave scores of shape {scores.shape} and type {scores.dtype} for {len(texts)} pairs; "
                "wants one finite number for each"
            )
        return scores.astype(np.float64)

    def identity(self, queries: Queries, pairs: Pairs) -> Json:
        """Return all that the scores of some pairs depend on: the scorer and the texts."""
        return [self._scorer.identity(), [list(pair) for pair in self._texts(queries, pairs)]]

    def _texts(self, queries: Queries, pairs: Pairs) -> list[tuple[str, str]]:
        asked, wanted = (list(dict.fromkeys(ids)) for ids in (pairs.query_ids, pairs.doc_ids))
        query_texts = dict(zip(asked, queries.select(asked).texts(), strict=True))
        doc_texts = dict(zip(wanted, self._corpus.select(wanted).texts(), strict=True))
        return [(query_texts[q], doc_texts[d]) for q, d in zip(pairs.query_ids, pairs.doc_ids, strict=True)]


def rescore(
    candidates: Candidates,
    queries: Queries,
    name: str,
    scorer: IdScorer,
    *,
    folder: Path | None = None,
    shard_size: int = 4096,
    advance: Callable[[int], None] = lambda _: None,
) -> Candidates:
    """Give every candidate and positive a score by one scorer; each pair is scored once, whatever its sources.

    Args:
        candidates: What sources proposed.
        queries: Their queries.
        name: The scorer's name in the table. Rows that carry it with a score already stay as they are.
        scorer: Gives the scores.
        folder: Where scores are kept shard by shard, so that a call that was cut off goes on where it was. A shard
            is found again only for the same texts and scorer; many scorers and collections can share a folder. Wants a
            scorer of texts.
        shard_size: Pairs scored together, from 1; the most that a kill can cost.
        advance: Called with the number of pairs done.

    Returns:
        The candidates with one more row for each (query, document, source) that lacked the score.

    Raises:
        DataError: Scores of another kind carry the name already, or `folder` is given with an index.
    """
    pairs = pairs_to_score(candidates, name, scorer.score_kind)
    if folder is not None and not isinstance(scorer, TextPairScorer):
        raise DataError("folder: keeps the scores of models that read texts; an index needs none")
    parts = [np.zeros(0, dtype=np.float64)]
    for start in range(0, len(pairs), shard_size):
        shard = pairs.part(range(start, min(start + shard_size, len(pairs))))
        if folder is None or not isinstance(scorer, TextPairScorer):
            parts.append(scorer.score(queries, shard))
        else:
            parts.append(_kept(folder, queries, shard, scorer))
        advance(len(shard))
    return with_scores(candidates, name, scorer.score_kind, pairs, np.concatenate(parts))


def pairs_to_score(candidates: Candidates, name: str, kind: ScoreKind) -> Pairs:
    """Return each (query, document) that lacks a score by a scorer, once, ordered by query id, then document id.

    Args:
        candidates: What sources proposed.
        name: The scorer's name.
        kind: What its scores mean.

    Raises:
        DataError: Scores of another kind carry the name already.
    """
    kinds: dict[str, str] = candidates.metadata.get("scorers", {})
    if kinds.get(name, str(kind)) != str(kind):
        raise DataError(
            f"scorer: the candidates have scores by {name!r} already, of the kind {kinds[name]!r}, and these are of "
            f"the kind {str(kind)!r}; give the index that {name!r} stands for, or another name"
        )
    missing = _missing(candidates, name).group_by(_PAIR).aggregate([])
    missing = missing.sort_by([(column, "ascending") for column in _PAIR])
    return Pairs(*(missing.column(column).to_pylist() for column in _PAIR))


def with_scores(candidates: Candidates, name: str, kind: ScoreKind, pairs: Pairs, scores: np.ndarray) -> Candidates:
    """Return the candidates with the scores of pairs beside those that they have.

    Args:
        candidates: What `pairs_to_score` was asked about.
        name: The scorer's name.
        kind: What its scores mean.
        pairs: What `pairs_to_score` gave.
        scores: One for each pair.
    """
    missing = _missing(candidates, name)
    if missing.num_rows == 0:
        return candidates
    table = candidates.arrow
    known = pa.table(
        {column: pa.array(ids) for column, ids in zip(_PAIR, (pairs.query_ids, pairs.doc_ids), strict=True)}
    )
    place = pc.index_in(pair_keys(missing), value_set=pair_keys(known))
    rows = pa.table(
        {
            **{column: missing.column(column) for column in _ROW},
            "rank": missing.column("rank_min"),
            "scorer": pa.array([name] * missing.num_rows, pa.string()),
            "score": pa.array(scores).take(place),
            "is_positive": missing.column("is_positive_max"),
        }
    )
    kinds: dict[str, str] = candidates.metadata.get("scorers", {})
    metadata = {**candidates.metadata, "scorers": {**kinds, name: str(kind)}}
    kept = table.filter(pc.or_(pc.not_equal(table.column("scorer"), name), table.column("score").is_valid()))
    return Candidates(pa.concat_tables([kept, rows.select(table.schema.names).cast(table.schema)]), metadata)


def write_scores(path: Path, scores: np.ndarray) -> None:
    """Write the scores of one shard."""
    with path.open("wb") as stream:
        np.save(stream, scores)


def read_scores(path: Path) -> np.ndarray:
    """Read what `write_scores` wrote: float64."""
    scores: np.ndarray = np.load(path, allow_pickle=False)
    return scores


def _missing(candidates: Candidates, name: str) -> pa.Table:
    """Return the (query, document, source) without a score by a scorer; a row whose score is empty has none."""
    table = candidates.arrow
    every = table.group_by(_ROW).aggregate([("rank", "min"), ("is_positive", "max")])
    has = pc.and_(pc.equal(table.column("scorer"), name), table.column("score").is_valid())
    missing = every.join(table.filter(has).select(_ROW), keys=_ROW, join_type="left anti")
    return missing.sort_by([(column, "ascending") for column in _ROW])


def _kept(folder: Path, queries: Queries, pairs: Pairs, scorer: TextPairScorer) -> np.ndarray:
    """Read the scores of a shard, or make and keep them; a kill leaves a whole shard or none."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{canonical_hash(scorer.identity(queries, pairs))}.npy"
    if path.exists():
        return read_scores(path)
    scores = scorer.score(queries, pairs)
    partial = path.with_suffix(".partial")
    write_scores(partial, scores)
    partial.replace(path)
    return scores
