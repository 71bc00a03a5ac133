"""What samplers that draw by chance share: one generator a query, and the largest keys of each query."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from pyrite.mining.pool import Pool
from pyrite.seeds import rng

__all__ = ["first_of_each", "query_draws"]


def query_draws(pool: Pool, seed: int, purpose: str) -> Iterator[tuple[np.ndarray, np.random.Generator]]:
    """Yield the rows of each query in the order of the documents' ids, and the query's generator.

    In that order, ranks have no influence on a draw.
    """
    places = pool.names.doc_places[pool.doc]
    for start, stop in pairwise(pool.starts().tolist()):
        query_id = pool.names.queries[int(pool.query[start])].as_py()
        yield start + np.argsort(places[start:stop]), rng(seed, purpose, query_id)


def first_of_each(groups: np.ndarray, keys: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the rows with the smallest keys of each group, ascending.

    Args:
        groups: The group of each row, from 0.
        keys: What to order by; of equals, the earlier row comes first.
        counts: How many rows each group gives.

    Example:
        >>> first_of_each(np.array([0, 1, 0, 0]), np.array([3.0, 1.0, 2.0, 9.0]), np.array([2, 1])).tolist()
        [0, 1, 2]
    """
    order = np.lexsort((keys, groups))
    ordered = groups[order]
    place = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    return np.sort(order[place < counts[ordered]])
