"""Collect candidates: every source searched, every positive scored by the same scorer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from pyrite.data import Candidates, Qrels, Queries, Run
from pyrite.data.codes import pair_keys
from pyrite.errors import DataError
from pyrite.search.batched import query_blocks
from pyrite.search.retriever import Index, Pairs

__all__ = ["collect_candidates"]

_ORDER = ("query_id", "source", "rank", "doc_id")


def collect_candidates(
    indices: Mapping[str, Index],
    queries: Queries,
    qrels: Qrels,
    *,
    depth: int,
    grade_threshold: int = 1,
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
        advance: Called with the number of queries searched, once for each source.

    Returns:
        The candidates, ordered by query, source and rank; rows of positives that a source did
        not reach have no rank.

    Raises:
        DataError: There is no source, the depth is below 1, or no query has a positive.
        SearchError: A positive is not in an index.
    """
    if not indices:
        raise DataError("mining wants at least one source")
    if depth < 1:
        raise DataError(f"the depth of mining is at least 1, not {depth}")
    positives = qrels.relevant(grade_threshold)
    wanted = sorted(query_id for query_id in positives.query_ids() if query_id in queries)
    if not wanted:
        raise DataError(f"no query has a document of grade {grade_threshold} or more: there is nothing to mine for")
    asked = queries.select(wanted)
    pairs = positives.arrow.select(["query_id", "doc_id"])
    pairs = pairs.filter(pc.is_in(pairs.column("query_id"), pa.array(wanted)))
    # Block by block, in the order of the ids, so that only one block is ever there twice: unsorted and sorted.
    merged = pa.concat_tables([_of_block(indices, block, pairs, depth, advance) for block in query_blocks(asked)])
    kinds = {source: str(index.score_kind) for source, index in indices.items()}
    return Candidates(merged, {"scorers": kinds, "depth": depth, "grade_threshold": grade_threshold})


def _of_block(
    indices: Mapping[str, Index], queries: Queries, positives: pa.Table, depth: int, advance: Callable[[int], None]
) -> pa.Table:
    of_block = positives.filter(pc.is_in(positives.column("query_id"), queries.column("query_id").combine_chunks()))
    tables = []
    for source, index in indices.items():
        tables.append(_of_source(source, index, queries, of_block, index.search(queries, depth)))
        advance(len(queries))
    return pa.concat_tables(tables).sort_by([(name, "ascending") for name in _ORDER])


def _of_source(source: str, index: Index, queries: Queries, positives: pa.Table, run: Run) -> pa.Table:
    found, wanted = pair_keys(run.arrow), pair_keys(positives)
    unreached = positives.filter(pc.invert(pc.is_in(wanted, value_set=found)))
    unreached = unreached.sort_by([("query_id", "ascending"), ("doc_id", "ascending")])
    scores = index.score(queries, Pairs(*(unreached.column(name).to_pylist() for name in ("query_id", "doc_id"))))
    return pa.concat_tables(
        [
            _rows(source, run.arrow, run.column("score"), pc.is_in(found, value_set=wanted)),
            _rows(source, unreached, pa.array(scores), pa.array([True] * unreached.num_rows, pa.bool_())),
        ]
    )


def _rows(source: str, table: pa.Table, scores: pa.ChunkedArray, is_positive: pa.ChunkedArray) -> pa.Table:
    count = table.num_rows
    named = pa.array([source] * count, pa.string())
    rank = table.column("rank") if "rank" in table.schema.names else pa.nulls(count, pa.int32())
    return pa.table(
        {
            "query_id": table.column("query_id"),
            "doc_id": table.column("doc_id"),
            "source": named,
            "rank": rank,
            "scorer": named,
            "score": scores,
            "is_positive": is_positive,
        }
    )
