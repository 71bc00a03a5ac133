"""The documents of an index: where each id stands, and who comes first among equals."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from pyrite.errors import SearchError
from pyrite.search.topk import descending_id_rank

__all__ = ["IndexedDocuments"]


class IndexedDocuments:
    """The ids of an index, in the order of its rows.

    Args:
        index_name: What errors call the index.
        ids: The ids.

    Example:
        >>> documents = IndexedDocuments("bm25", ["a", "b"])
        >>> documents.positions(["b", "a"]).tolist()
        [1, 0]
    """

    def __init__(self, index_name: str, ids: Sequence[str]) -> None:
        self._index_name = index_name
        self._ids = ids

    @cached_property
    def tie_rank(self) -> np.ndarray:
        """The place of each document among others of the same score: int64, shape (documents,)."""
        return descending_id_rank(self._ids)

    def positions(self, doc_ids: Sequence[str]) -> np.ndarray:
        """Return the row of each id: int64, shape (len(doc_ids),).

        Raises:
            SearchError: The index does not hold one of them.
        """
        try:
            return np.array([self._rows[doc_id] for doc_id in doc_ids], dtype=np.int64)
        except KeyError as error:
            raise SearchError(f"the index {self._index_name!r} holds no document {error.args[0]!r}") from None

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {doc_id: row for row, doc_id in enumerate(self._ids)}
