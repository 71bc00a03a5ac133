"""The candidate store of a collection: each source searched once, every candidate scored by every encoder."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pyrite.data import Candidates, Corpus, Queries, ScoreKind
from pyrite.data.table import Table
from pyrite.mining.candidates import collect_candidates
from pyrite.models.protocols import PairScorer
from pyrite.search import DenseIndex, DenseRetriever, Index, LexicalRetriever, Pairs, RandomRetriever
from pyrite.search.lexical.index import LexicalSettings
from pyrite.search.rescoring import TextPairScorer, read_scores, rescore, write_scores
from pyrite.settings import canonical_hash
from studies.eci.tasks import Encoders, Plan, Task

__all__ = ["CROSS", "SOURCES", "Store", "kept_table"]

SOURCES = ("bm25", "dense", "minilm", "random")
CROSS = "cross"
_SHARD = 256
_LOG = logging.getLogger("eci")
_T = TypeVar("_T", bound=Table[Any])


def kept_table(kind: type[_T], folder: Path, compute: Callable[[], _T]) -> _T:
    """Return a table that lies in a folder, or compute it and put it there, whole or not at all."""
    if not folder.is_dir():
        partial = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        compute().save(partial)
        partial.rename(folder)
    return kind.open(folder)


class Store:
    """Candidates, vectors and indices of a task.

    Args:
        task: The collection.
        plan: Depth and lengths.
        encoders: The static encoder and MiniLM.
        folder: The task's own; keeps candidates, vectors and a cross-encoder's scores.
        cross: A cross-encoder whose scores are probabilities; None for a store without the source "cross".
    """

    def __init__(
        self, task: Task, plan: Plan, encoders: Encoders, folder: Path, cross: PairScorer | None = None
    ) -> None:
        self.task = task
        self.folder = folder
        self.cross = cross
        self.cross_key = "none" if cross is None else canonical_hash(cross.identity())[:8]
        self._plan = plan
        retrievers = {
            "dense": DenseRetriever(encoders.dense, name="dense", folder=folder / "vectors"),
            "minilm": DenseRetriever(encoders.judge, name="minilm", folder=folder / "vectors", shard_size=_SHARD),
        }
        self.indices: dict[str, DenseIndex] = {name: one.build(task.corpus) for name, one in retrievers.items()}

    @property
    def sources(self) -> tuple[str, ...]:
        """What proposes candidates."""
        return SOURCES if self.cross is None else (*SOURCES, CROSS)

    @property
    def queries(self) -> Queries:
        """The training queries."""
        return self.task.queries.select(self.task.train_ids)

    def candidates(self) -> Candidates:
        """Return all candidates, with scores by "dense" and "minilm", and "cross" where that is the source."""
        return kept_table(Candidates, self.folder / f"candidates-{self.cross_key}", self._mined)

    def _mined(self) -> Candidates:
        lexical = LexicalRetriever(LexicalSettings(analysis=self.task.analysis), name="bm25")
        indices: dict[str, Index] = {
            "bm25": lexical.build(self.task.corpus),
            **self.indices,
            "random": RandomRetriever().build(self.task.corpus),
        }
        found = collect_candidates(indices, self.queries, self.task.train, depth=self._plan.depth)
        if self.cross is not None:
            found = found.with_rows(self._by_cross(found, self.cross))
        for scorer, index in self.indices.items():
            found = rescore(found, self.queries, scorer, index)
        return found

    def _by_cross(self, found: Candidates, cross: PairScorer) -> Candidates:
        """Return the first candidates of the searched sources, and the positives, in a cross-encoder's order."""
        table = found.arrow.filter(pc.not_equal(found.column("source"), "random"))
        first = pc.fill_null(pc.less_equal(table.column("rank"), self._plan.cross_depth), False)
        table = table.filter(pc.or_(first, table.column("is_positive")))
        # A positive that is among the first of one source is so of all.
        read = table.group_by(["query_id", "doc_id"]).aggregate([("is_positive", "max")])
        read = read.sort_by([("query_id", "ascending"), ("doc_id", "ascending")])
        pairs = Pairs(read.column("query_id").to_pylist(), read.column("doc_id").to_pylist())
        return _as_source(read, self.cross_scores(pairs, self.task.corpus))

    def cross_scores(self, pairs: Pairs, corpus: Corpus) -> np.ndarray:
        """Return the cross-encoder's probability of each pair; kept in shards, so that a kill loses one of them.

        Args:
            pairs: Training queries and documents.
            corpus: Holds the documents, planted ones among them.
        """
        assert self.cross is not None
        scorer, home = TextPairScorer(self.cross, corpus), self.folder / "cross-scores"
        home.mkdir(parents=True, exist_ok=True)
        parts = [np.zeros(0)]
        for start in range(0, len(pairs), _SHARD):
            shard = pairs.part(range(start, min(start + _SHARD, len(pairs))))
            path = home / f"{canonical_hash(scorer.identity(self.task.queries, shard))}.npy"
            if not path.exists():
                write_scores(path.with_suffix(".partial"), scorer.score(self.task.queries, shard))
                path.with_suffix(".partial").rename(path)
                _LOG.info("%s: the cross-encoder read %d of %d pairs", self.task.name, start + len(shard), len(pairs))
            parts.append(read_scores(path))
        return np.concatenate(parts)


def _as_source(read: pa.Table, scores: np.ndarray) -> Candidates:
    """Return scored pairs as the ranking of the source "cross"; of equal scores, the first document id goes first.

    Args:
        read: Columns query_id, doc_id and is_positive_max, ordered by the first two.
        scores: One for each row.
    """
    query = read.column("query_id").combine_chunks().dictionary_encode().indices.to_numpy()
    order = np.lexsort((-scores, query))
    ranks = np.empty(len(order), dtype=np.int32)
    ranks[order] = np.arange(len(order)) - np.searchsorted(query, query) + 1
    named = pa.array([CROSS] * len(order), pa.string())
    columns = {
        **{name: read.column(name) for name in ("query_id", "doc_id")},
        **{"source": named, "rank": ranks, "scorer": named, "score": scores},
        "is_positive": read.column("is_positive_max"),
    }
    return Candidates(pa.table(columns), {"scorers": {CROSS: str(ScoreKind.PROBABILITY)}})
