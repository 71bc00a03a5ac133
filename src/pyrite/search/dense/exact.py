"""Exact search by inner product: rough scores by blocks, decided in float64.

A first pass finds documents by rough scores. Those are scored again in float64, one pair at a time, so that a score
depends on its two vectors alone and not on how the corpus was cut into blocks. Each pass says for which queries it is
certain to have found all that belong to the result; the others go to the next one, and the last, in float64
throughout, is certain of all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pyrite.errors import SearchError
from pyrite.search.dense.embeddings import Embeddings
from pyrite.search.dense.threshold import RoughPrecision, capacity, precisions, threshold_pass, undefined_document
from pyrite.search.topk import check_depth
from pyrite.threads import Team

if TYPE_CHECKING:
    from pyrite.compiled import Part
    from pyrite.search.dense.exact_kernels import Ranking

__all__ = ["DenseHits", "FirstPass", "exact_search", "pair_scores"]

FirstPass = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]
"""Gives (scores in float32, rows), each (queries, k), best first, of queries and k, as FAISS does; -1 for no row."""

# Documents kept beyond the depth by a first pass that gives a fixed number. Neighbours in a ranking usually lie
# further apart than the rounding error, so that a few are enough to certify nearly every query.
SLACK = 32
_QUERY_BLOCK = 1024
# What the candidates of one block of queries may take.
_CANDIDATE_BYTES = 2**28
# With fewer queries, rounding the documents costs more than multiplying them faster brings.
_LEAST_TO_ROUND = 64
_UNIT_ROUNDOFF = 2.0**-24
_DIGITS = 9

_LOG = logging.getLogger(__name__)

Hit = tuple[np.ndarray, np.ndarray]
"""Rows and scores of one query, best first."""
_Pass = Callable[[np.ndarray], list[Hit | None]]


@dataclass(frozen=True, slots=True)
class DenseHits:
    """The best documents of each query.

    Attributes:
        positions: Rows in the embeddings, best first: a list of int64 arrays.
        scores: Inner products, float64, likewise.
        decided_by: How many queries each pass was certain of, in the order of the passes: {"given", "int8", "bf16",
            "fp32" or "fp64": count}.
    """

    positions: list[np.ndarray]
    scores: list[np.ndarray]
    decided_by: dict[str, int]

    @property
    def uncertified(self) -> int:
        """How many queries needed more than the first pass."""
        return sum(list(self.decided_by.values())[1:])


def pair_scores(queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
    """Return the inner product of each row pair: float64, rounded to nine digits.

    Args:
        queries: float32, shape (n, dimension).
        documents: float32, shape (n, dimension).
    """
    from pyrite.search.dense import exact_kernels

    each = np.arange(len(queries))
    scores = np.empty(len(queries))
    with Team() as team:
        team.share(len(each), partial(exact_kernels.pair_products, queries, documents, (each, each), scores))
    return scores


def exact_search(
    queries: np.ndarray,
    embeddings: Embeddings,
    depth: int,
    tie_rank: np.ndarray,
    *,
    first_pass: FirstPass | None = None,
) -> DenseHits:
    """Return the `depth` best documents of each query, or all where there are fewer.

    Args:
        queries: Shape (n, dimension); computed with as float32.
        embeddings: The documents.
        depth: From 1.
        tie_rank: Order of documents with equal scores: distinct integers, shape (documents,).
        first_pass: Goes before the passes by blocks.

    Raises:
        SearchError: The depth is below 1, queries and documents have another dimension, or a component of a vector is
            infinite or undefined.
    """
    check_depth(depth)
    queries = _checked(queries, embeddings)
    depth = min(depth, len(embeddings))
    # Parts of one size, so that no small rest goes another way than the others.
    parts = np.array_split(queries, -(-len(queries) // _query_block(depth)) or 1)
    found: list[Hit] = []
    with Team() as team:
        passes = _passes(_Search(embeddings, depth, tie_rank, team), first_pass, len(parts[-1]))
        decided_by = dict.fromkeys(passes, 0)
        for part in parts:
            found += _decided(part, passes, decided_by)
    hits = DenseHits([rows for rows, _ in found], [scores for _, scores in found], decided_by)
    if hits.uncertified:
        _LOG.info("%d of %d queries needed more than the first pass: %s", hits.uncertified, len(queries), decided_by)
    return hits


def _checked(queries: np.ndarray, embeddings: Embeddings) -> np.ndarray:
    if queries.ndim != 2 or queries.shape[1] != embeddings.dimension:
        raise SearchError(
            f"the queries' vectors have shape {queries.shape} where the documents have {embeddings.dimension} "
            "components; encode both with one encoder"
        )
    with np.errstate(over="ignore"):
        queries = np.ascontiguousarray(queries, dtype=np.float32)
    bad = np.flatnonzero(~np.isfinite(queries).all(axis=1))
    if len(bad):
        raise SearchError(f"the vector of query row {bad[0]} (from 0) has an infinite or undefined component")
    return queries


def _query_block(depth: int) -> int:
    """Return how many queries are searched at once: each block reads all documents anew."""
    return max(1, min(_QUERY_BLOCK, _CANDIDATE_BYTES // (24 * capacity(depth))))


def _passes(search: _Search, first_pass: FirstPass | None, queries: int) -> dict[str, _Pass]:
    """Return the passes to try, cheapest first; the last decides all."""
    passes: dict[str, _Pass] = {}
    if first_pass is not None:
        passes["given"] = lambda block: search.by_gap(block, first_pass)
    # Where nearly all documents would be kept, keeping some is no help.
    if len(search.embeddings) > capacity(search.depth):
        for precision in precisions() if queries >= _LEAST_TO_ROUND else precisions()[-1:]:
            passes[precision] = partial(search.by_threshold, precision)
    passes["fp64"] = lambda block: list(search.in_float64(block))
    return passes


def _decided(queries: np.ndarray, passes: dict[str, _Pass], decided_by: dict[str, int]) -> list[Hit]:
    hits: list[Hit | None] = [None] * len(queries)
    for name, run in passes.items():
        open_rows = [row for row, hit in enumerate(hits) if hit is None]
        if not open_rows:
            break
        for row, hit in zip(open_rows, run(queries[open_rows]), strict=True):
            hits[row] = hit
            decided_by[name] += hit is not None
    return [hit for hit in hits if hit is not None]


@dataclass(frozen=True)
class _Search:
    """What every pass needs beside the queries."""

    embeddings: Embeddings
    depth: int
    tie_rank: np.ndarray
    team: Team

    def by_threshold(self, precision: RoughPrecision, queries: np.ndarray) -> list[Hit | None]:
        if precision != "fp32" and len(queries) < _LEAST_TO_ROUND:
            return [None] * len(queries)
        survivors = threshold_pass(queries, self.embeddings, self.depth, precision, self.team)
        ranked = iter(self._ranked(queries, [np.zeros(0, np.int64) if rows is None else rows for rows in survivors]))
        return [None if rows is None else hit for rows, hit in zip(survivors, ranked, strict=True)]

    def by_gap(self, queries: np.ndarray, first_pass: FirstPass) -> list[Hit | None]:
        rough, found = first_pass(queries, min(self.depth + SLACK, len(self.embeddings)))
        hits = self._ranked(queries, [rows[rows >= 0] for rows in found.astype(np.int64)])
        errors = _error_in_float32(queries, self.embeddings.largest_norm)
        certain = [self._certified(hit, *given) for hit, *given in zip(hits, rough, found, errors, strict=True)]
        return [hit if sure else None for hit, sure in zip(hits, certain, strict=True)]

    def _certified(self, hit: Hit, rough: np.ndarray, found: np.ndarray, error: float) -> bool:
        """Say whether no document that the first pass left out can belong to the result."""
        if found.min() < 0:
            return False
        if len(rough) == len(self.embeddings):
            return True
        return bool(hit[1][-1] > float(rough[-1]) + error + 10.0**-_DIGITS)

    def in_float64(self, queries: np.ndarray) -> Iterator[Hit]:
        """Score everything; memory for the result alone."""
        from pyrite.search.dense import exact_kernels

        best = _empty_ranking(len(queries), self.depth)
        exact = queries.astype(np.float64)
        for start, shard in self.embeddings.blocks():
            _check_finite(shard, start)
            ties = self.tie_rank[start : start + len(shard)]
            self.team.share(len(queries), partial(exact_kernels.offer_all, exact, np.asarray(shard), ties, start, best))
        for scores, ties, rows in zip(best.scores, best.ties, best.rows, strict=True):
            order = np.lexsort((ties, -scores))
            yield rows[order], scores[order]

    def _ranked(self, queries: np.ndarray, candidates: list[np.ndarray]) -> list[Hit]:
        """Score the candidates of each query and keep the best; each thread sees to some of the queries."""
        best = _empty_ranking(len(queries), self.depth)
        self.team.share(len(queries), partial(self._rank, queries, candidates, best))
        found = zip(best.rows, best.scores, best.counts.tolist(), strict=True)
        return [(rows[:count], scores[:count]) for rows, scores, count in found]

    def _rank(self, queries: np.ndarray, candidates: list[np.ndarray], best: Ranking, part: Part) -> None:
        from pyrite.search.dense import exact_kernels

        some = candidates[part[0] : part[1]]
        counts = np.array([len(rows) for rows in some], dtype=np.int64)
        rows = np.concatenate([np.zeros(0, np.int64), *some])
        scores = self._scores(queries[part[0] : part[1]], np.repeat(np.arange(len(some)), counts), rows)
        exact_kernels.rank_pairs(scores, self.tie_rank[rows], rows, np.cumsum(counts), best, part[0])

    def _scores(self, queries: np.ndarray, query_rows: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Score pairs in the order of the documents, so that shards are read from front to back."""
        from pyrite.search.dense import exact_kernels

        exact = queries.astype(np.float64)
        order = np.argsort(rows)
        query_rows, rows = query_rows[order], rows[order]
        in_order = np.empty(len(rows))
        for start, shard in self.embeddings.blocks():
            first, last = np.searchsorted(rows, [start, start + len(shard)])
            pairs = (query_rows[first:last], rows[first:last] - start)
            out = in_order[first:last]
            exact_kernels.pair_products(exact, np.asarray(shard), pairs, out, (0, len(out)))
        if not np.isfinite(in_order).all():
            raise undefined_document(int(rows[~np.isfinite(in_order)][0]))
        scores = np.empty(len(rows))
        scores[order] = in_order
        return scores


def _empty_ranking(queries: int, depth: int) -> Ranking:
    from pyrite.search.dense import exact_kernels

    ties, rows = (np.empty((queries, depth), np.int64) for _ in range(2))
    return exact_kernels.Ranking(np.empty((queries, depth)), ties, rows, np.zeros(queries, np.int64))


def _check_finite(shard: np.ndarray, start: int) -> None:
    bad = np.flatnonzero(~np.isfinite(shard).all(axis=1))
    if len(bad):
        raise undefined_document(start + int(bad[0]))


def _error_in_float32(queries: np.ndarray, largest_norm: float) -> np.ndarray:
    """Bound what a first pass in float32 loses.

    |fl(x.y) - x.y| <= n u / (1 - n u) |x| |y| holds for any order of summation (Higham, Accuracy and Stability of
    Numerical Algorithms, section 3.1).
    """
    share = queries.shape[1] * _UNIT_ROUNDOFF
    errors: np.ndarray = share / (1 - share) * np.linalg.norm(queries.astype(np.float64), axis=1) * largest_norm
    return errors
