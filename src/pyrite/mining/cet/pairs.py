"""Candidates as one row for each query and document, with ranks and scores in columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pyrite.data import Candidates, Qrels
from pyrite.data.codes import decoded, find, positions, row_codes
from pyrite.errors import DataError, Problem

__all__ = ["CandidatePairs"]

_SHOWN = 20


@dataclass(frozen=True)
class CandidatePairs:
    """The P pairs of a query and a document that candidates name, by any source, positives included.

    Attributes:
        candidates: Where they come from.
        query: Codes into `query_ids`: shape (P,).
        doc: Codes into `doc_ids`: shape (P,).
        query_ids: The ids of the queries.
        doc_ids: The ids of the documents.
        place: The pair of each row of the candidates: shape (rows,).
        positive: Whether the pair is a known positive: shape (P,).
    """

    candidates: Candidates
    query: np.ndarray
    doc: np.ndarray
    query_ids: pa.Array
    doc_ids: pa.Array
    place: np.ndarray
    positive: np.ndarray

    @classmethod
    def of(cls, candidates: Candidates) -> CandidatePairs:
        """Group the rows of candidates by pairs."""
        (query, query_ids), (doc, doc_ids) = (candidates.codes(name) for name in ("query_id", "doc_id"))
        joint = row_codes([(query, len(query_ids)), (doc, len(doc_ids))])
        _, first, place = np.unique(joint, return_index=True, return_inverse=True)
        positive = np.zeros(len(first), dtype=bool)
        positive[place[candidates.column("is_positive").to_numpy()]] = True
        return cls(candidates, query[first], doc[first], query_ids, doc_ids, place, positive)

    def __len__(self) -> int:
        return len(self.query)

    def ids(self) -> tuple[np.ndarray, list[str], list[str]]:
        """Return the order of the pairs by query id, then document id, and in it the ids of both."""
        order = np.lexsort((_places(self.doc_ids)[self.doc], _places(self.query_ids)[self.query]))
        query, doc = (
            decoded(ids, codes[order]).to_pylist()
            for ids, codes in ((self.query_ids, self.query), (self.doc_ids, self.doc))
        )
        return order, query, doc

    def ranks(self, source: str) -> np.ndarray:
        """Return the rank that a source gives each pair, 0 where it gives none: int64, shape (P,).

        Raises:
            DataError: There are no candidates from the source.
        """
        rank = pc.fill_null(self.candidates.column("rank"), 0).to_numpy()
        ranks = np.zeros(len(self), dtype=np.int64)
        rows = np.flatnonzero((self._code("source", source) == self.candidates.codes("source")[0]) & (rank > 0))
        ranks[self.place[rows]] = rank[rows]
        return ranks

    def scores(self, scorer: str) -> np.ndarray:
        """Return the score of each pair by a scorer: float64, shape (P,).

        Raises:
            DataError: A pair has no score by it.
        """
        scores = np.full(len(self), np.nan)
        rows = np.flatnonzero(self._code("scorer", scorer) == self.candidates.codes("scorer")[0])
        given = self.candidates.column("score").to_numpy()[rows]
        rows, given = rows[~np.isnan(given)], given[~np.isnan(given)]
        scores[self.place[rows]] = given
        self._check_scored(np.flatnonzero(np.isnan(scores)), scorer)
        return scores

    def grades(self, qrels: Qrels) -> np.ndarray:
        """Return the grade of each pair, -1 where it is not judged: int64, shape (P,)."""
        sizes = (len(self.query_ids), len(self.doc_ids))
        query, doc = (
            positions(qrels.column("query_id"), self.query_ids),
            positions(qrels.column("doc_id"), self.doc_ids),
        )
        there = np.flatnonzero((query >= 0) & (doc >= 0))
        judged = row_codes([(query[there], sizes[0]), (doc[there], sizes[1])])
        found = find(judged, row_codes([(self.query, sizes[0]), (self.doc, sizes[1])]))
        grades = np.full(len(self), -1, dtype=np.int64)
        grades[found >= 0] = qrels.column("grade").to_numpy()[there[found[found >= 0]]]
        return grades

    def with_scores(self, scores: dict[str, tuple[str, np.ndarray]]) -> Candidates:
        """Return the candidates with more scores, one for each pair, beside those that they have.

        Args:
            scores: {name of the scorer: (kind of score, the scores, shape (P,))}.

        Raises:
            DataError: A name is taken.
        """
        kinds: dict[str, str] = self.candidates.metadata.get("scorers", {})
        if taken := sorted(scores.keys() & kinds.keys()):
            raise DataError(f"name: the candidates have scores by {', '.join(taken)} already; give another name")
        source, sources = self.candidates.codes("source")
        _, once = np.unique(row_codes([(self.place, len(self)), (source, len(sources))]), return_index=True)
        table = self.candidates.arrow.take(pa.array(np.sort(once)))
        pair = self.place[np.sort(once)]
        parts = [self.candidates.arrow]
        for name, (_, values) in scores.items():
            columns = {column: table.column(column) for column in table.schema.names}
            columns |= {"scorer": pa.repeat(name, table.num_rows), "score": pa.array(values[pair])}
            parts.append(pa.table(columns).cast(Candidates.schema))
        named = {**kinds, **{name: kind for name, (kind, _) in scores.items()}}
        return Candidates(pa.concat_tables(parts), {**self.candidates.metadata, "scorers": named})

    def _code(self, column: str, name: str) -> int:
        values = self.candidates.codes(column)[1]
        code = int(pc.index(values, name).as_py())
        if code < 0:
            raise DataError(
                f"no candidates with the {column} {name!r}; there are some with {sorted(values.to_pylist())}"
            )
        return code

    def _check_scored(self, lacking: np.ndarray, scorer: str) -> None:
        if len(lacking):
            shown = lacking[:_SHOWN]
            ids = decoded(self.query_ids, self.query[shown]), decoded(self.doc_ids, self.doc[shown])
            raise DataError(
                f"{len(lacking)} candidates have no score by {scorer!r}; rescore all candidates by it first",
                [
                    Problem("candidates", None, f"query {query!r}, document {doc!r}")
                    for query, doc in zip(*(column.to_pylist() for column in ids), strict=True)
                ],
            )


def _places(ids: pa.Array) -> np.ndarray:
    """Return the place of each id among all in their order."""
    places = np.empty(len(ids), dtype=np.int64)
    places[pc.sort_indices(ids).to_numpy()] = np.arange(len(ids))
    return places
