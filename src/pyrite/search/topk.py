"""The best of many scores, with one rule for ties everywhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pyrite.errors import SearchError

__all__ = ["check_depth", "descending_id_rank", "top_indices"]


def check_depth(depth: int) -> None:
    """Check how many documents a search is asked for.

    Raises:
        SearchError: It is below 1.
    """
    if depth < 1:
        raise SearchError(f"the depth of a search is at least 1, not {depth}")


def descending_id_rank(doc_ids: Sequence[str] | pa.ChunkedArray) -> np.ndarray:
    """Return each id's place when ids are sorted in descending order, as trec_eval breaks ties.

    Args:
        doc_ids: Strings, as a sequence or in Arrow.

    Returns:
        int64, shape (len(doc_ids),); 0 for the largest id.

    Example:
        >>> descending_id_rank(["a", "c", "b"]).tolist()
        [2, 0, 1]
    """
    ids = doc_ids if isinstance(doc_ids, pa.ChunkedArray) else pa.array(doc_ids, pa.string())
    # Arrow compares bytes of UTF-8, whose order is that of the code points.
    order = pc.array_sort_indices(ids, order="descending").to_numpy()
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(len(order))
    return ranks


def top_indices(scores: np.ndarray, depth: int, tie_rank: np.ndarray) -> np.ndarray:
    """Return the indices of the best scores, best first; equal scores by `tie_rank`, ascending.

    Args:
        scores: Shape (n,).
        depth: How many are wanted, from 1; fewer come back where n is smaller.
        tie_rank: Distinct integers, shape (n,).

    Example:
        >>> top_indices(np.array([1.0, 3.0, 1.0, 2.0]), 3, np.array([3, 2, 0, 1])).tolist()
        [1, 3, 2]
    """
    if depth < len(scores):
        cut = np.partition(scores, len(scores) - depth)[len(scores) - depth]
        # All that tie with the last place stay in until ties are broken.
        kept = np.flatnonzero(scores >= cut)
    else:
        kept = np.arange(len(scores))
    order = np.lexsort((tie_rank[kept], -scores[kept]))
    return kept[order[:depth]]
