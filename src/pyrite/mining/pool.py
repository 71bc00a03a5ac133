"""The candidates of one selection as arrays: one row for each query and document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pyrite.data import Candidates
from pyrite.errors import DataError, Problem

__all__ = ["Pool", "build_pool"]


@dataclass(frozen=True, slots=True)
class Pool:
    """Candidates ordered by query id, then by best rank, source and document id.

    All arrays have shape (rows,). Known positives are among the rows until they are masked.

    Attributes:
        query_ids: Strings.
        doc_ids: Strings.
        sources: The source that ranked the document best; of equals, the first one named.
        ranks: The rank there, from 1.
        scorers: What gave the scores of the row.
        scores: The document's score.
        lowest: The lowest score of the query's positives by the same scorer.
        highest: The highest.
        mean: The mean.
        trusted: Whether somebody judged the document not relevant, so that no score is needed.
    """

    query_ids: np.ndarray
    doc_ids: np.ndarray
    sources: np.ndarray
    ranks: np.ndarray
    scorers: np.ndarray
    scores: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray
    mean: np.ndarray
    trusted: np.ndarray

    def __len__(self) -> int:
        return len(self.query_ids)

    def take(self, rows: np.ndarray) -> Pool:
        """Return the pool of these rows: a mask or positions."""
        return Pool(*(getattr(self, name)[rows] for name in Pool.__slots__))

    def starts(self) -> np.ndarray:
        """Return where each query's rows begin, and the number of rows at the end."""
        if len(self) == 0:
            return np.zeros(1, dtype=np.int64)
        new = np.flatnonzero(self.query_ids[1:] != self.query_ids[:-1]) + 1
        return np.concatenate([[0], new, [len(self)]])


def build_pool(candidates: Candidates, sources: Sequence[str], scorer: str | None) -> Pool:
    """Arrange the candidates of some sources for a selection.

    Args:
        candidates: What was mined.
        sources: The sources to use; their order decides between equal ranks.
        scorer: Whose scores to use; None for the scorer of the source that ranked best.

    Raises:
        DataError: A source or scorer is unknown, or some candidates lack a score by it.
    """
    table = candidates.arrow
    _check_names(table, sources, scorer)
    proposed = _best_proposals(table, sources)
    proposed = proposed.append_column(
        "scorer", proposed.column("source") if scorer is None else pa.array([scorer] * proposed.num_rows, pa.string())
    )
    scores = table.group_by(["query_id", "doc_id", "scorer"]).aggregate([("score", "max"), ("is_positive", "max")])
    positives = scores.filter(scores.column("is_positive_max")).group_by(["query_id", "scorer"])
    spread = positives.aggregate([("score_max", "min"), ("score_max", "max"), ("score_max", "mean")])
    joined = proposed.join(scores, keys=["query_id", "doc_id", "scorer"], join_type="left outer")
    joined = joined.join(spread, keys=["query_id", "scorer"], join_type="left outer")
    _check_scored(joined, scorer)
    order = [("query_id", "ascending"), ("rank", "ascending"), ("priority", "ascending"), ("doc_id", "ascending")]
    return _arrays(joined.sort_by(order))


def _best_proposals(table: pa.Table, sources: Sequence[str]) -> pa.Table:
    """Return one row for each (query, document): its best rank, and the first source with it."""
    ranked = table.filter(
        pc.and_(pc.is_in(table.column("source"), pa.array(sources)), pc.is_valid(table.column("rank")))
    )
    keyed = ranked.group_by(["query_id", "doc_id", "source"]).aggregate([("rank", "min")])
    priority = pc.index_in(keyed.column("source"), pa.array(sources))
    # Rank and priority in one number, so that one minimum finds both.
    joint = pc.add(
        pc.multiply(pc.cast(keyed.column("rank_min"), pa.int64()), len(sources)), pc.cast(priority, pa.int64())
    )
    best = keyed.append_column("joint", joint).group_by(["query_id", "doc_id"]).aggregate([("joint", "min")])
    joint_values = best.column("joint_min").to_numpy()
    places = joint_values % len(sources)
    return pa.table(
        {
            "query_id": best.column("query_id"),
            "doc_id": best.column("doc_id"),
            "source": pa.array(sources, pa.string()).take(pa.array(places)),
            "rank": pa.array(joint_values // len(sources), pa.int32()),
            "priority": pa.array(places),
        }
    )


def _check_names(table: pa.Table, sources: Sequence[str], scorer: str | None) -> None:
    known = pc.unique(table.column("source")).to_pylist()
    unknown = [source for source in sources if source not in known]
    if unknown or not sources:
        raise DataError(f"sources: no candidates from {unknown or 'no source'}; there are some from {sorted(known)}")
    scorers = pc.unique(table.column("scorer")).to_pylist()
    if scorer is not None and scorer not in scorers:
        raise DataError(f"scorer: no scores by {scorer!r}; there are some by {sorted(scorers)}")


def _check_scored(joined: pa.Table, scorer: str | None) -> None:
    lacking = joined.filter(pc.or_(pc.is_null(joined.column("score_max")), pc.is_null(joined.column("score_max_min"))))
    if lacking.num_rows:
        first = [
            Problem("candidates", None, f"query {row['query_id']!r}, document {row['doc_id']!r}")
            for row in lacking.slice(0, 20).select(["query_id", "doc_id"]).to_pylist()
        ]
        raise DataError(
            f"{lacking.num_rows} candidates or their positives have no score by {scorer or 'their own source'!r}; "
            "rescore all candidates by it first",
            first,
        )


def _arrays(joined: pa.Table) -> Pool:
    def strings(name: str) -> np.ndarray:
        # One string object for each distinct value, not for each row.
        encoded = joined.column(name).combine_chunks().dictionary_encode()
        values = np.array(encoded.dictionary.to_pylist(), dtype=object)
        shared: np.ndarray = values[encoded.indices.to_numpy()]
        return shared

    def numbers(name: str) -> np.ndarray:
        values: np.ndarray = joined.column(name).to_numpy().astype(np.float64)
        return values

    return Pool(
        query_ids=strings("query_id"),
        doc_ids=strings("doc_id"),
        sources=strings("source"),
        ranks=joined.column("rank").to_numpy().astype(np.int64),
        scorers=strings("scorer"),
        scores=numbers("score_max"),
        lowest=numbers("score_max_min"),
        highest=numbers("score_max_max"),
        mean=numbers("score_max_mean"),
        trusted=np.zeros(joined.num_rows, dtype=bool),
    )
