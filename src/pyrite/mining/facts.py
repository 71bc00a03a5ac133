"""What is known of queries and documents beside ranks and scores: judgements and texts, looked up by code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pyrite.data import Corpus, Qrels, Queries, Verdicts
from pyrite.data.codes import positions, row_codes
from pyrite.errors import DataError

__all__ = ["Facts", "Names", "Pairs"]


@dataclass(frozen=True)
class Names:
    """The ids that codes stand for: code 0 is the first.

    Attributes:
        queries: Query ids, strings.
        docs: Document ids, strings.
        sources: Sources, strings.
        scorers: Scorers, strings.
    """

    queries: pa.Array
    docs: pa.Array
    sources: pa.Array
    scorers: pa.Array

    @cached_property
    def query_places(self) -> np.ndarray:
        """The place of each query among all in the order of their ids: int32, shape (queries,)."""
        return _places(self.queries)

    @cached_property
    def doc_places(self) -> np.ndarray:
        """The place of each document among all in the order of their ids: int32, shape (documents,)."""
        return _places(self.docs)

    @cached_property
    def own_docs(self) -> np.ndarray:
        """The document that has each query's own id, -1 where there is none: int64, shape (queries,)."""
        return positions(self.queries, self.docs)

    def pairs(self, query: np.ndarray, doc: np.ndarray) -> np.ndarray:
        """Return one number for each pair of codes: int64, shape (rows,)."""
        return row_codes([(query, len(self.queries)), (doc, len(self.docs))])


def _places(ids: pa.Array) -> np.ndarray:
    places = np.empty(len(ids), dtype=np.int32)
    places[pc.sort_indices(ids).to_numpy()] = np.arange(len(ids), dtype=np.int32)
    return places


@dataclass(frozen=True)
class Pairs:
    """Judged pairs of the queries in question.

    Attributes:
        query: Codes of queries, shape (pairs,).
        doc: Codes of documents, -1 where nobody proposed the document.
        row: Rows of the corpus, -1 where it lacks the document.
        grade: The grades.
    """

    query: np.ndarray
    doc: np.ndarray
    row: np.ndarray
    grade: np.ndarray

    def take(self, rows: np.ndarray) -> Pairs:
        """Return some of the pairs."""
        return Pairs(self.query[rows], self.doc[rows], self.row[rows], self.grade[rows])


@dataclass(frozen=True)
class Facts:
    """Judgements and texts of one collection. Everything is looked up when it is first asked for.

    Attributes:
        names: What the codes stand for.
        corpus: The documents.
        queries: The queries.
        qrels: The judgements.
        threshold: The lowest grade that makes a positive.
        verdicts: What judges said, or None.
        evaluation: {split: its judgements} of evaluation splits, to keep away from, or None.
    """

    names: Names
    corpus: Corpus
    queries: Queries
    qrels: Qrels
    threshold: int
    verdicts: Verdicts | None = None
    evaluation: Mapping[str, Qrels] | None = None

    @cached_property
    def doc_rows(self) -> np.ndarray:
        """The row of each document in the corpus, -1 where it lacks it: int64, shape (documents,)."""
        return positions(self.names.docs, self.corpus.column("doc_id"))

    @cached_property
    def query_rows(self) -> np.ndarray:
        """The row of each query among the queries, -1 where they lack it: int64, shape (queries,)."""
        return positions(self.names.queries, self.queries.column("query_id"))

    @cached_property
    def doc_keys(self) -> np.ndarray:
        """The key that copies of each document share: uint64, shape (documents,); of a lacking one, anything."""
        keys: np.ndarray = self.corpus.copy_keys()[self.doc_rows]
        return keys

    @cached_property
    def query_keys(self) -> np.ndarray:
        """The key that copies of each query's text share: uint64, shape (queries,)."""
        keys: np.ndarray = self.queries.copy_keys()[self.query_rows]
        return keys

    @cached_property
    def judged(self) -> Pairs:
        """All judgements of the queries."""
        query = positions(self.qrels.column("query_id"), self.names.queries)
        rows = np.flatnonzero(query >= 0)
        doc_ids = self.qrels.column("doc_id").take(pa.array(rows))
        return Pairs(
            query[rows],
            positions(doc_ids, self.names.docs),
            positions(doc_ids, self.corpus.column("doc_id")),
            self.qrels.column("grade").to_numpy()[rows],
        )

    @cached_property
    def positives(self) -> Pairs:
        """The judgements that make positives."""
        return self.judged.take(self.judged.grade >= self.threshold)

    @cached_property
    def evaluation_rows(self) -> np.ndarray:
        """The rows of the documents that are relevant in evaluation splits: int64, ascending.

        Raises:
            DataError: There are no evaluation splits.
        """
        if self.evaluation is None:
            raise DataError(
                "the filter 'leakage' wants the judgements of the evaluation splits: give them, or leave the filter out"
            )
        relevant = [split.relevant(self.threshold).column("doc_id") for split in self.evaluation.values()]
        doc_ids = pa.chunked_array([chunk for column in relevant for chunk in column.chunks], pa.string())
        rows = np.unique(positions(doc_ids, self.corpus.column("doc_id")))
        return rows[rows >= 0]

    def texts(self, rows: np.ndarray) -> list[str]:
        """Return the texts of some rows of the corpus, titles included."""
        return Corpus.of_unique(self.corpus.arrow.take(pa.array(rows))).texts()

    def check(self, query: np.ndarray, doc: np.ndarray) -> None:
        """Check that the corpus holds these documents and the queries hold these queries, all given as codes.

        Raises:
            DataError: One is lacking.
        """
        if (name := _lacking(doc, self.doc_rows, self.names.docs)) is not None:
            raise DataError(f"the candidates name a document that the corpus lacks: {name!r}")
        if (name := _lacking(query, self.query_rows, self.names.queries)) is not None:
            raise DataError(f"the candidates name a query that the queries lack: {name!r}")


def _lacking(codes: np.ndarray, rows: np.ndarray, ids: pa.Array) -> str | None:
    """Return the first id among codes that has no row, or None; ids that no code stands for do not count."""
    if (rows >= 0).all():
        return None
    lacking = np.flatnonzero(rows[codes] < 0)
    return str(ids[int(codes[lacking[0]])]) if len(lacking) else None
