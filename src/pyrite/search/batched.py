"""Search for many queries in blocks, so that progress shows and memory stays bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa

from pyrite.data import Queries, Run
from pyrite.errors import SearchError
from pyrite.search.retriever import Index

__all__ = ["query_blocks", "search_in_blocks"]

_BLOCK = 1024


def query_blocks(queries: Queries) -> Iterator[Queries]:
    """Yield the queries in the order of their ids, some at a time.

    What an encoder sees together then does not depend on the order of the queries.

    Args:
        queries: At least one.

    Raises:
        SearchError: There are no queries.
    """
    ids = sorted(queries.ids())
    if not ids:
        raise SearchError("there are no queries to search for; does the split have any judgements?")
    for start in range(0, len(ids), _BLOCK):
        yield queries.select(ids[start : start + _BLOCK])


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
    runs = []
    for block in query_blocks(queries):
        runs.append(index.search(block, depth))
        advance(len(block))
    return Run(pa.concat_tables([run.arrow for run in runs]), runs[0].metadata)
