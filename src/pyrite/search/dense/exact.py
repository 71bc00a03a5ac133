"""Exact search by inner product: blockwise in float32, decided in float64.

The first pass keeps more documents than wanted by their float32 scores. Those are scored again in
float64, one pair at a time, so that a score depends on its two vectors alone and not on how the
corpus was cut into blocks. The result is exact where the gap between the last document wanted and
the best one left out exceeds the rounding error of the first pass; a query without that
certificate is searched again in float64 throughout.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pyrite.search.dense.embeddings import Embeddings
from pyrite.search.topk import top_indices

__all__ = ["DenseHits", "exact_search", "pair_scores"]

# Documents kept beyond the depth by the first pass. Neighbours in a ranking usually lie further
# apart than the rounding error, so that a few are enough to certify nearly every query.
SLACK = 32
_QUERY_BLOCK = 256
_DOCUMENT_BLOCK = 8_192
_UNIT_ROUNDOFF = 2.0**-24
# Scores are given to nine digits: what is left after that is rounding in float64.
_DIGITS = 9


@dataclass(frozen=True, slots=True)
class DenseHits:
    """The best documents of each query.

    Attributes:
        positions: Rows in the embeddings, best first: a list of int64 arrays.
        scores: Inner products, float64, likewise.
        uncertified: How many queries needed the second search.
    """

    positions: list[np.ndarray]
    scores: list[np.ndarray]
    uncertified: int


def pair_scores(queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
    """Return the inner product of each row pair: float64, rounded to nine digits.

    Args:
        queries: float32, shape (n, dimension).
        documents: float32, shape (n, dimension).
    """
    products: np.ndarray = np.einsum("ij,ij->i", queries, documents, dtype=np.float64)
    return np.round(products, _DIGITS)


def exact_search(
    queries: np.ndarray,
    embeddings: Embeddings,
    depth: int,
    tie_rank: np.ndarray,
    *,
    first_pass: Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]] | None = None,
) -> DenseHits:
    """Return the `depth` best documents of each query.

    Args:
        queries: float32, shape (n, dimension).
        embeddings: The documents.
        depth: From 1.
        tie_rank: Order of documents with equal scores, shape (documents,).
        first_pass: Gives (scores, positions), each (queries, k), best first, as FAISS does; the
            default multiplies block by block.
    """
    kept = min(depth + SLACK, len(embeddings.doc_ids))
    search = first_pass or (lambda block, k: _blockwise(block, embeddings, k))
    positions: list[np.ndarray] = []
    scores: list[np.ndarray] = []
    uncertified = 0
    for start in range(0, len(queries), _QUERY_BLOCK):
        block = queries[start : start + _QUERY_BLOCK]
        rough, found = search(block, kept)
        for row, vector in enumerate(block):
            exact = _score_all(vector, embeddings.rows(found[row]))
            order = top_indices(exact, depth, tie_rank[found[row]])
            best, values = found[row][order], exact[order]
            if not _certified(vector, values, rough[row], embeddings, depth):
                best, values = _search_float64(vector, embeddings, depth, tie_rank)
                uncertified += 1
            positions.append(best)
            scores.append(values)
    return DenseHits(positions, scores, uncertified)


def _certified(vector: np.ndarray, exact: np.ndarray, rough: np.ndarray, embeddings: Embeddings, depth: int) -> bool:
    """Say whether no document that the first pass left out can belong to the result.

    The bound |fl(x.y) - x.y| <= n u / (1 - n u) |x| |y| holds for any order of summation
    (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1).
    """
    if len(rough) == len(embeddings.doc_ids):
        return True
    share = len(vector) * _UNIT_ROUNDOFF
    error = share / (1 - share) * float(np.linalg.norm(vector.astype(np.float64))) * embeddings.largest_norm
    return bool(exact[depth - 1] > float(rough[-1]) + error + 10.0**-_DIGITS)


def _score_all(vector: np.ndarray, documents: np.ndarray) -> np.ndarray:
    return pair_scores(np.broadcast_to(vector, documents.shape), documents)


def _blockwise(queries: np.ndarray, embeddings: Embeddings, kept: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the `kept` best by float32 scores, holding one block of scores in memory."""
    best = np.full((len(queries), 0), -np.inf, dtype=np.float32)
    where = np.zeros((len(queries), 0), dtype=np.int64)
    for first, shard in embeddings.blocks():
        for start in range(0, len(shard), _DOCUMENT_BLOCK):
            scores, columns = _keep_best(queries @ shard[start : start + _DOCUMENT_BLOCK].T, kept)
            best, chosen = _keep_best(np.hstack([best, scores]), kept)
            where = np.take_along_axis(np.hstack([where, columns + first + start]), chosen, axis=1)
    order = np.argsort(-best, axis=1, kind="stable")
    return np.take_along_axis(best, order, axis=1), np.take_along_axis(where, order, axis=1)


def _keep_best(scores: np.ndarray, kept: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the `kept` largest of each row, in no order, and their columns; all where there are fewer."""
    if scores.shape[1] <= kept:
        return scores, np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    columns = np.argpartition(scores, scores.shape[1] - kept, axis=1)[:, -kept:]
    return np.take_along_axis(scores, columns, axis=1), columns


def _search_float64(
    vector: np.ndarray, embeddings: Embeddings, depth: int, tie_rank: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    scores = np.concatenate([_score_all(vector, shard) for _, shard in embeddings.blocks()])
    best = top_indices(scores, depth, tie_rank)
    return best, scores[best]
