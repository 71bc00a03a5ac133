"""Collect candidates: every source searched, every positive scored by the same scorer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pyrite.data import Candidates, Qrels, Queries, Run, ScoreKind
from pyrite.data.codes import encode, find, positions, row_codes
from pyrite.errors import DataError
from pyrite.search.batched import query_ranges
from pyrite.search.fusion import Fusion, fuse
from pyrite.search.passes import joined_passes
from pyrite.search.retriever import Index, Pairs
from pyrite.search.run_source import RunIndex

__all__ = ["CandidateCollection", "collect_candidates"]


def collect_candidates(
    indices: Mapping[str, Index],
    queries: Queries,
    qrels: Qrels,
    *,
    depth: int,
    grade_threshold: int = 1,
    fusions: Sequence[Fusion] = (),
    advance: Callable[[int], None] = lambda _: None,
) -> Candidates:
    """Search each source for the queries that have a positive, and score the positives by it too.

    Only a positive scored by the same scorer makes a positive-aware filter legal: scores of two
    scorers are never compared.

    Args:
        indices: {source: index}. The source's name is also the name of its scorer.
        queries: The queries; those without a judgement of the threshold are left alone.
        qrels: The judgements.
        depth: How many documents each source proposes, from 1.
        grade_threshold: The lowest grade that makes a positive, from 1.
        fusions: Sources made of the rankings of others; a positive that none of them ranks scores 0.
        advance: Called with the number of queries searched, once for each source.

    Returns:
        The candidates, ordered by query, source and rank; rows of positives that a source did
        not reach have no rank, and no score where the source cannot tell. The metadata count the queries: how many
        were mined for, how many judged ones have no positive or no text, for how many each source has nothing, and
        which share the first pass of a dense source left open.

    Raises:
        DataError: There is no source, two have one name, the depth is below 1, or no query has a positive.
        SearchError: A positive is not in an index, or a fusion names a source that is not there.
    """
    collection = CandidateCollection(
        indices, queries, qrels, depth=depth, grade_threshold=grade_threshold, fusions=fusions
    )
    return collection.join([collection.collect(rows, advance) for rows in collection.blocks])


class CandidateCollection:
    """The same in parts, so that each can be kept before the next one is searched for.

    Args:
        indices: As in `collect_candidates`, and so are the others.
        queries: The queries.
        qrels: The judgements.
        depth: How many documents each source proposes, from 1.
        grade_threshold: The lowest grade that makes a positive, from 1.
        fusions: Sources made of the rankings of others.

    Raises:
        DataError: There is no source, two have one name, the depth is below 1, or no query has a positive.
    """

    def __init__(
        self,
        indices: Mapping[str, Index],
        queries: Queries,
        qrels: Qrels,
        *,
        depth: int,
        grade_threshold: int = 1,
        fusions: Sequence[Fusion] = (),
    ) -> None:
        self._names = [*indices, *(fusion.name for fusion in fusions)]
        if not indices:
            raise DataError("mining wants at least one source")
        if len(set(self._names)) < len(self._names):
            raise DataError(f"names of sources must differ, given: {self._names}")
        if depth < 1:
            raise DataError(f"the depth of mining is at least 1, not {depth}")
        self._indices, self._fusions, self._depth = indices, fusions, depth
        self._asked = _Asked.of(queries, qrels, grade_threshold)
        kinds = {name: str(indices[name].score_kind if name in indices else ScoreKind.UNKNOWN) for name in self._names}
        self._metadata = {"scorers": kinds, "depth": depth, "grade_threshold": grade_threshold}

    @property
    def blocks(self) -> list[range]:
        """The parts: places of queries in the order of their ids, so that the order of the rows changes nothing."""
        return query_ranges(len(self._asked.ids))

    def collect(self, rows: range, advance: Callable[[int], None] = lambda _: None) -> Candidates:
        """Search for the queries of one part; only one is ever in memory twice, unsorted and sorted.

        Raises:
            SearchError: A positive is not in an index, or a fusion names a source that is not there.
            DataError: A source gave a positive a score that is not a number.
        """
        block = self._asked.part(rows)
        runs = _runs(self._indices, self._fusions, block.queries, self._depth, advance)
        nothing = {
            name: len(block.ids) - pc.count_distinct(run.column("query_id")).as_py() for name, run in runs.items()
        }
        parts = [_of_source(name, run, block, _scorer(name, self._indices.get(name))) for name, run in runs.items()]
        passes = {name: run.metadata["passes"] for name, run in runs.items() if "passes" in run.metadata}
        told = {**self._metadata, "without_candidates": nothing, "passes": passes}
        return Candidates(_ordered(parts, block.ids), told)

    def join(self, parts: Sequence[Candidates]) -> Candidates:
        """Return all parts as one table, in their order."""
        nothing = {name: sum(part.metadata["without_candidates"][name] for part in parts) for name in self._names}
        counts = {**self._asked.counts, "without_candidates": nothing}
        told = {**self._metadata, "queries": counts, **self._passes(parts)}
        # No two parts have a query in common.
        return Candidates.of_parts(parts, told)

    def _passes(self, parts: Sequence[Candidates]) -> dict[str, Any]:
        """Return {"passes": ...} of the sources that tell of theirs in every part; nothing where none does."""
        told = {
            name: joined_passes([part.metadata.get("passes", {}).get(name) for part in parts]) for name in self._names
        }
        found = {name: passes for name, passes in told.items() if passes is not None}
        return {"passes": found} if found else {}


def _runs(
    indices: Mapping[str, Index],
    fusions: Sequence[Fusion],
    queries: Queries,
    depth: int,
    advance: Callable[[int], None],
) -> dict[str, Run]:
    found: dict[str, Run] = {}
    for source, index in indices.items():
        found[source] = index.search(queries, depth)
        advance(len(queries))
    return found | {fusion.name: fuse(found, fusion, depth) for fusion in fusions}


@dataclass(frozen=True)
class _Asked:
    """The queries that are mined for, ordered by id, with their positives as pairs of a query's place and an id."""

    ids: pa.Array
    queries: Queries
    query: np.ndarray
    doc_ids: pa.ChunkedArray
    counts: dict[str, int]

    @classmethod
    def of(cls, queries: Queries, qrels: Qrels, threshold: int) -> _Asked:
        positives = qrels.relevant(threshold)
        judged, with_positive = qrels.query_ids(), positives.query_ids()
        wanted = sorted(query_id for query_id in with_positive if query_id in queries)
        if not wanted:
            raise DataError(f"no query has a document of grade {threshold} or more: there is nothing to mine for")
        ids = pa.array(wanted, pa.string())
        query = positions(positives.column("query_id"), ids)
        rows = np.flatnonzero(query >= 0)
        doc_ids = positives.column("doc_id").take(pa.array(rows))
        order = np.lexsort((pc.rank(doc_ids, tiebreaker="dense").to_numpy(), query[rows]))
        counts = {
            "mined": len(wanted),
            "without_positive": len(judged) - len(with_positive),
            "without_text": len(with_positive) - len(wanted),
        }
        return cls(ids, queries.select(wanted), query[rows][order], doc_ids.take(pa.array(order)), counts)

    def part(self, rows: range) -> _Asked:
        """Return the same of some queries."""
        first, last = np.searchsorted(self.query, [rows.start, rows.stop])
        ids, doc_ids = self.ids.slice(rows.start, len(rows)), self.doc_ids.slice(first, last - first)
        return _Asked(ids, self.queries.select(ids.to_pylist()), self.query[first:last] - rows.start, doc_ids, {})


def _scorer(source: str, index: Index | None) -> Callable[[Queries, Pairs], np.ndarray]:
    """Return what scores the positives that a source did not reach: for a fusion a sum over nothing, which is 0."""

    def score(queries: Queries, pairs: Pairs) -> np.ndarray:
        scores = np.zeros(len(pairs)) if index is None else np.asarray(index.score(queries, pairs), dtype=np.float64)
        if np.isnan(scores).any() and not isinstance(index, RunIndex):
            raise DataError(f"the source {source!r} gave a positive a score that is not a number")
        return scores

    return score


def _of_source(
    source: str, run: Run, asked: _Asked, score: Callable[[Queries, Pairs], np.ndarray]
) -> tuple[np.ndarray, pa.Table]:
    """Return the place of each row's query, and the rows: what was found, then the positives that were not."""
    query = positions(run.column("query_id"), asked.ids)
    doc, docs = encode(run.column("doc_id"))
    known = positions(asked.doc_ids, docs)
    sizes = (len(asked.ids), len(docs) + 1)
    rows = find(
        row_codes([(query, sizes[0]), (doc, sizes[1])]),
        row_codes([(asked.query, sizes[0]), (np.where(known < 0, len(docs), known), sizes[1])]),
    )
    is_positive = np.zeros(len(run), dtype=bool)
    is_positive[rows[rows >= 0]] = True
    unreached = np.flatnonzero(rows < 0)
    query_ids = asked.ids.take(pa.array(asked.query[unreached]))
    doc_ids = asked.doc_ids.take(pa.array(unreached)).combine_chunks()
    scores = score(asked.queries, Pairs(query_ids.to_pylist(), doc_ids.to_pylist()))
    found = _rows(source, run.arrow, pa.array(is_positive))
    more = pa.table({"query_id": query_ids, "doc_id": doc_ids, "rank": pa.nulls(len(unreached), pa.int32())})
    more = more.append_column("score", pa.array(scores, mask=np.isnan(scores)))
    missed = _rows(source, more, pa.array(np.ones(len(unreached), dtype=bool)))
    return np.concatenate([query, asked.query[unreached]]), pa.concat_tables([found, missed])


def _rows(source: str, table: pa.Table, is_positive: pa.Array) -> pa.Table:
    named = pa.repeat(source, table.num_rows)
    columns = {name: table.column(name) for name in ("query_id", "doc_id")}
    scored = {"scorer": named, "score": table.column("score"), "is_positive": is_positive}
    return pa.table({**columns, "source": named, "rank": table.column("rank"), **scored})


def _ordered(parts: list[tuple[np.ndarray, pa.Table]], ids: pa.Array) -> pa.Table:
    """Join the rows of all sources, ordered by query, source and rank; the unranked last, by document."""
    joint = pa.concat_tables([table for _, table in parts])
    names = sorted(table.column("source")[0].as_py() for _, table in parts if table.num_rows)
    source = positions(joint.column("source"), pa.array(names))
    rank = pc.fill_null(joint.column("rank"), np.iinfo(np.int32).max).to_numpy()
    query = np.concatenate([places for places, _ in parts])
    # Stable: where ranks are equal, the order that each source gave its rows in stays.
    return joint.take(pa.array(np.lexsort((rank, row_codes([(query, len(ids)), (source, len(names))])))))
