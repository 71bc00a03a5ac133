"""Search for many queries in blocks, so that progress shows and memory stays bounded."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from pyrite.data import Queries, Run
from pyrite.errors import SearchError
from pyrite.search.passes import joined_passes, with_passes
from pyrite.search.retriever import Index

__all__ = ["query_ranges", "search_in_blocks"]

_BLOCK = 1024


def query_ranges(count: int) -> list[range]:
    """Return the places of queries that are searched for together.

    Queries are put in the order of their ids first: what an encoder sees together then does not depend on the order
    of the rows.

    Example:
        >>> query_ranges(1500)
        [range(0, 1024), range(1024, 1500)]
    """
    return [range(start, min(start + _BLOCK, count)) for start in range(0, count, _BLOCK)]


def search_in_blocks(
    index: Index, queries: Queries, depth: int, advance: Callable[[int], None] = lambda _: None
) -> Run:
    """Return the run of all queries, ordered by query id, searched block by block.

    Args:
        index: What to search.
        queries: At least one.
        depth: Documents a query, from 1.
        advance: Called with the number of queries done.

    Raises:
        SearchError: There are no queries.
    """
    ids = sorted(queries.ids())
    if not ids:
        raise SearchError("there are no queries to search for; does the split have any judgements?")
    runs = []
    for rows in query_ranges(len(ids)):
        runs.append(index.search(queries.select(ids[rows.start : rows.stop]), depth))
        advance(len(rows))
    joined = Run(pa.concat_tables([run.arrow for run in runs]), runs[0].metadata)
    return with_passes(joined, joined_passes([run.metadata.get("passes") for run in runs]))
