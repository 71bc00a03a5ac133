"""Find each query's candidates, once, in a file that selections read block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyrite.compat.files import writing
from pyrite.compat.pairs import Pairs
from pyrite.errors import SearchError
from pyrite.search.dense.embeddings import Embeddings
from pyrite.search.dense.exact import exact_search, pair_scores

__all__ = ["Similarity", "blocks", "open_matrix", "positive_scores", "search", "write_matrix"]

QUERY_BLOCK = 1024
_DOCUMENT_BLOCK = 4096
CANDIDATE = np.dtype([("position", "<i4"), ("score", "<f4")])
"""A document's place and its score; place -1 and score minus infinity where the corpus is smaller than the depth."""


@dataclass(frozen=True, slots=True)
class Similarity:
    """How a model compares vectors.

    Attributes:
        model: Has `similarity` and `similarity_pairwise`.
        is_product: Whether candidates are ranked by the inner product of unit vectors, whatever the model's own is.
        is_product_of_pairs: Whether the model's own is that.
    """

    model: Any
    is_product: bool
    is_product_of_pairs: bool

    @classmethod
    def of(cls, model: Any, use_faiss: bool) -> Similarity:
        """Read what a model says; FAISS ranks by inner product in any case."""
        product = getattr(model, "similarity_fn_name", None) in {"cosine", "dot"}
        return cls(model, product or use_faiss, product)

    def identity(self) -> str:
        """Return what the ranking depends on beside the vectors."""
        return "product" if self.is_product else self._own()

    def identity_of_pairs(self) -> str:
        """Return what the scores of pairs depend on beside the vectors."""
        return "product" if self.is_product_of_pairs else self._own()

    def _own(self) -> str:
        return str(getattr(self.model, "similarity_fn_name", None))


def blocks(count: int, size: int = QUERY_BLOCK) -> Iterator[slice]:
    """Yield consecutive slices that cover `count` rows."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def search(
    queries: Embeddings,
    documents: Embeddings,
    depth: int,
    similarity: Similarity,
    advance: Callable[[int], None],
) -> Iterator[np.ndarray]:
    """Yield the candidates of blocks of queries, best first; equal scores in the order of the corpus.

    Args:
        queries: Their vectors.
        documents: The vectors of the corpus.
        depth: Candidates a query, from 1.
        similarity: Ranks.
        advance: Called with the number of queries done.

    Yields:
        Of type `CANDIDATE`, shape (queries of the block, depth).
    """
    kept = min(depth, len(documents))
    ties = np.arange(len(documents))
    for rows in blocks(len(queries)):
        vectors = queries.rows(np.arange(rows.start, rows.stop))
        found = np.empty((len(vectors), depth), dtype=CANDIDATE)
        found[...] = np.array((-1, -np.inf), dtype=CANDIDATE)
        if similarity.is_product:
            hits = exact_search(vectors, documents, kept, ties)
            positions, scores = np.stack(hits.positions), np.stack(hits.scores)
        else:
            positions, scores = _by_similarity(vectors, documents, kept, similarity.model)
        found["position"][:, :kept], found["score"][:, :kept] = positions, scores
        advance(len(vectors))
        yield found


def _by_similarity(queries: np.ndarray, documents: Embeddings, kept: int, model: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the best by the model's own function, holding the scores of one block of documents."""
    best = np.full((len(queries), 0), -np.inf, dtype=np.float32)
    where = np.zeros((len(queries), 0), dtype=np.int64)
    for first, shard in documents.blocks():
        for rows in blocks(len(shard), _DOCUMENT_BLOCK):
            scores = np.asarray(model.similarity(queries, np.array(shard[rows])).cpu(), dtype=np.float32)
            places = np.broadcast_to(np.arange(rows.start, rows.stop) + first, scores.shape)
            best, where = np.hstack([best, scores]), np.hstack([where, places])
            # Stable, and earlier documents stand first: equal scores keep the order of the corpus.
            order = np.argsort(-best, axis=1, kind="stable")[:, :kept]
            best, where = np.take_along_axis(best, order, axis=1), np.take_along_axis(where, order, axis=1)
    return where, best


def positive_scores(pairs: Pairs, queries: Embeddings, documents: Embeddings, similarity: Similarity) -> np.ndarray:
    """Return the score of each pair of query and positive: float32, shape (pairs,)."""
    scores = np.empty(len(pairs.positives), dtype=np.float32)
    for rows in blocks(len(scores)):
        left, right = queries.rows(pairs.owners[rows]), documents.rows(pairs.positives[rows])
        if similarity.is_product_of_pairs:
            scores[rows] = pair_scores(left, right)
        else:
            scores[rows] = np.asarray(similarity.model.similarity_pairwise(left, right).cpu())
    return scores


def write_matrix(path: Path, shape: tuple[int, ...], dtype: np.dtype, parts: Iterator[np.ndarray]) -> np.ndarray:
    """Write rows as they come into a file in numpy's format, and open it.

    A file that is written, unlike a memory map, says so when the disk is full.

    Raises:
        SearchError: The file cannot be written.
    """
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with writing(path) as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for part in parts:
            stream.write(np.ascontiguousarray(part, dtype=dtype).tobytes())
    return open_matrix(path, shape, dtype)


def open_matrix(path: Path, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Open such a file through a memory map.

    Raises:
        SearchError: It holds something else.
    """
    try:
        matrix: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise SearchError(f"{path}: damaged ({error}); delete it, and it is made again") from error
    if matrix.dtype != dtype or matrix.shape[0] != shape[0] or matrix.shape[1:] < shape[1:]:
        raise SearchError(f"{path}: holds {matrix.dtype} of shape {matrix.shape}; delete it, and it is made again")
    return matrix
