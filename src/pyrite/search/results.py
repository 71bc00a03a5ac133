"""Assemble a Run from the rankings of queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pyrite.data import Run, ScoreKind

__all__ = ["Hits", "RunBuilder", "ranked_run"]


@dataclass(frozen=True, slots=True)
class Hits:
    """The rankings of many queries, one after the other, each best first.

    Attributes:
        counts: How many documents each query has, int64, shape (queries,).
        rows: The documents as positions in the index, int64, shape (counts.sum(),).
        scores: Their scores, float64, same shape.
    """

    counts: np.ndarray
    rows: np.ndarray
    scores: np.ndarray

    @classmethod
    def packed(cls, counts: np.ndarray, rows: np.ndarray, scores: np.ndarray) -> Hits:
        """Take the first `counts` entries of each row of two arrays of shape (queries, depth)."""
        if len(counts) and counts.min() == rows.shape[1]:
            return cls(counts, rows.reshape(-1), scores.reshape(-1))
        there = np.arange(rows.shape[1]) < counts[:, None]
        return cls(counts, rows[there], scores[there])

    @classmethod
    def joined(cls, parts: Sequence[Hits]) -> Hits:
        """Return the rankings of several parts, in order."""
        columns = ([getattr(part, name) for part in parts] for name in ("counts", "rows", "scores"))
        types = (np.int64, np.int64, np.float64)
        return cls(*(_joined(column, dtype) for column, dtype in zip(columns, types, strict=True)))


def ranked_run(
    scorer: str, kind: ScoreKind, doc_ids: pa.Array, query_ids: pa.Array | pa.ChunkedArray, hits: Hits
) -> Run:
    """Return rankings as a run.

    Args:
        scorer: The name of the index.
        kind: What its scores mean.
        doc_ids: The documents of the index; `hits.rows` points into it.
        query_ids: One for each ranking, all different.
        hits: The rankings, none with a document twice.
    """
    starts = np.repeat(np.cumsum(hits.counts) - hits.counts, hits.counts)
    queries = np.repeat(np.arange(len(hits.counts)), hits.counts)
    columns = {
        "query_id": query_ids.take(pa.array(queries)),
        "doc_id": doc_ids.take(pa.array(hits.rows)),
        "rank": pa.array(np.arange(len(queries)) - starts + 1, pa.int32()),
        "score": pa.array(hits.scores),
    }
    return Run.of_unique(pa.table(columns), {"scorer": scorer, "score_kind": str(kind)})


class RunBuilder:
    """Collects rankings as positions in a corpus and turns them into a Run at the end.

    Args:
        scorer: The name of the index.
        kind: What its scores mean.
        doc_ids: The corpus' ids, as a list or in Arrow; positions point into it.
    """

    def __init__(self, scorer: str, kind: ScoreKind, doc_ids: list[str] | pa.ChunkedArray) -> None:
        self._scorer = scorer
        self._kind = kind
        self._doc_ids = doc_ids if isinstance(doc_ids, pa.ChunkedArray) else pa.array(doc_ids, pa.string())
        self._query_ids: list[str] = []
        self._positions: list[np.ndarray] = []
        self._scores: list[np.ndarray] = []

    def add(self, query_id: str, positions: np.ndarray, scores: np.ndarray) -> None:
        """Add the ranking of one query, best first."""
        self._query_ids.append(query_id)
        self._positions.append(positions)
        self._scores.append(scores)

    def run(self) -> Run:
        """Return the run."""
        counts = np.array([len(positions) for positions in self._positions], dtype=np.int64)
        hits = Hits(counts, _joined(self._positions, np.int64), _joined(self._scores, np.float64))
        return ranked_run(self._scorer, self._kind, self._doc_ids, pa.array(self._query_ids, pa.string()), hits)


def _joined(parts: list[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate(parts).astype(dtype) if parts else np.zeros(0, dtype=dtype)
