"""The documents of an index: where each id stands, and who comes first among equals."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa

from pyrite.data.keys import KeyTable, text_keys
from pyrite.errors import SearchError
from pyrite.search.topk import descending_id_rank

__all__ = ["IndexedDocuments"]


class IndexedDocuments:
    """The ids of an index, in the order of its rows.

    Args:
        index_name: What errors call the index.
        ids: The ids: strings, as a sequence or in Arrow.

    Example:
        >>> documents = IndexedDocuments("bm25", ["a", "b"])
        >>> documents.positions(["b", "a"]).tolist()
        [1, 0]
    """

    def __init__(self, index_name: str, ids: Sequence[str] | pa.ChunkedArray) -> None:
        self._index_name = index_name
        self.ids = ids if isinstance(ids, pa.ChunkedArray) else pa.chunked_array([pa.array(ids, pa.string())])

    @cached_property
    def tie_rank(self) -> np.ndarray:
        """The place of each document among others of the same score: int64, shape (documents,)."""
        return descending_id_rank(self.ids)

    def positions(self, doc_ids: Sequence[str]) -> np.ndarray:
        """Return the row of each id: int64, shape (len(doc_ids),).

        Raises:
            SearchError: The index does not hold one of them.
        """
        asked = pa.array(doc_ids, pa.string()).dictionary_encode()
        distinct = asked.dictionary.to_pylist()
        rows = self._rows.find(text_keys(distinct))
        if (rows < 0).any():
            raise SearchError(f"the index {self._index_name!r} holds no document {distinct[rows.argmin()]!r}")
        where: np.ndarray = rows[asked.indices.to_numpy()]
        return where

    @cached_property
    def _rows(self) -> KeyTable:
        return KeyTable(np.concatenate([text_keys(chunk.to_pylist()) for chunk in self.ids.chunks]))
