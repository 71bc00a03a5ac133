"""FAISS flat search, as the first pass of the exact search."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pyrite.extras import require
from pyrite.search.dense.embeddings import Embeddings

__all__ = ["faiss_first_pass"]


def faiss_first_pass(embeddings: Embeddings) -> Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]:
    """Return a first pass for `exact_search` by FAISS' flat inner-product index.

    The vectors are copied into memory once.

    Raises:
        MissingExtraError: Neither faiss-cpu (extra `cpu`) nor faiss-gpu (extra `gpu`) is there.
    """
    faiss = require("faiss", "cpu")
    index = faiss.IndexFlatIP(embeddings.dimension)
    for _, shard in embeddings.blocks():
        index.add(np.ascontiguousarray(shard))

    def search(queries: np.ndarray, kept: int) -> tuple[np.ndarray, np.ndarray]:
        scores, positions = index.search(np.ascontiguousarray(queries), kept)
        return scores, positions

    return search
