"""Loops that score in float64 and keep the best, compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pyrite.compiled import Part, compiled, fetch

__all__ = ["Ranking", "offer_all", "pair_products", "rank_pairs"]

_ROW_TILE = 64
_LANES = 8
# Pairs between asking for a document and reading it.
_AHEAD = 4
# Scores are given to nine digits.
_SCALE = 1e9


class Ranking(NamedTuple):
    """For each query a heap of its best documents, the worst of them first.

    Attributes:
        scores: float64, shape (queries, depth).
        ties: Place among equal scores, int64, likewise.
        rows: Rows in the corpus, int64, likewise.
        counts: How many there are, int64, shape (queries,).
    """

    scores: np.ndarray
    ties: np.ndarray
    rows: np.ndarray
    counts: np.ndarray


@compiled
def _product(x: np.ndarray, y: np.ndarray) -> float:
    """Return the inner product in float64, rounded to nine digits.

    The order of the sum is written out, so that a score depends on its two vectors alone: not on the processor, and
    not on what the compiler makes of the loop around it.
    """
    a = b = c = d = e = f = g = h = 0.0
    whole = len(x) - len(x) % _LANES
    for i in range(0, whole, _LANES):
        a += np.float64(x[i]) * np.float64(y[i])
        b += np.float64(x[i + 1]) * np.float64(y[i + 1])
        c += np.float64(x[i + 2]) * np.float64(y[i + 2])
        d += np.float64(x[i + 3]) * np.float64(y[i + 3])
        e += np.float64(x[i + 4]) * np.float64(y[i + 4])
        f += np.float64(x[i + 5]) * np.float64(y[i + 5])
        g += np.float64(x[i + 6]) * np.float64(y[i + 6])
        h += np.float64(x[i + 7]) * np.float64(y[i + 7])
    for i in range(whole, len(x)):
        a += np.float64(x[i]) * np.float64(y[i])
    rounded: float = np.rint((((a + b) + (c + d)) + ((e + f) + (g + h))) * _SCALE) / _SCALE
    return rounded


@compiled
def pair_products(
    queries: np.ndarray, documents: np.ndarray, pairs: tuple[np.ndarray, np.ndarray], out: np.ndarray, part: Part
) -> None:
    """Score pairs: float64 into `out`, rounded to nine digits.

    Args:
        queries: Shape (any, dimension).
        documents: Shape (any, dimension).
        pairs: Rows in `queries`, and rows in `documents`.
        out: One score for each pair.
        part: The first pair, and the one after the last.
    """
    query_rows, document_rows = pairs
    for i in range(part[0], part[1]):
        fetch(documents, document_rows[min(i + _AHEAD, part[1] - 1)])
        out[i] = _product(queries[query_rows[i]], documents[document_rows[i]])


@compiled
def offer_all(
    queries: np.ndarray, documents: np.ndarray, ties: np.ndarray, first: int, best: Ranking, part: Part
) -> None:
    """Score every document of a block exactly and keep each query's best.

    Args:
        queries: Shape (queries, dimension).
        documents: float32, shape (n, dimension).
        ties: Place of each document among equal scores, int64, shape (n,).
        first: The row of the first document in the corpus.
        best: What was found so far.
        part: The first query, and the one after the last.
    """
    for start in range(0, len(documents), _ROW_TILE):
        stop = min(start + _ROW_TILE, len(documents))
        for query in range(part[0], part[1]):
            for i in range(start, stop):
                _offer(best, query, _product(queries[query], documents[i]), ties[i], first + i)


@compiled
def _offer(best: Ranking, query: int, score: float, tie: int, row: int) -> None:
    """Put a document on the heap of a query, in place of the worst one where it is full."""
    scores, ties, rows = best.scores[query], best.ties[query], best.rows[query]
    place = best.counts[query]
    if place < len(scores):
        best.counts[query] += 1
        while place > 0 and _worse(score, tie, scores[(place - 1) // 2], ties[(place - 1) // 2]):
            above = (place - 1) // 2
            scores[place], ties[place], rows[place] = scores[above], ties[above], rows[above]
            place = above
    elif _worse(scores[0], ties[0], score, tie):
        place = _hollow(scores, ties, rows, (score, tie))
    else:
        return
    scores[place], ties[place], rows[place] = score, tie, row


@compiled
def _hollow(scores: np.ndarray, ties: np.ndarray, rows: np.ndarray, new: tuple[float, int]) -> int:
    """Take the worst off a heap; return where the new one belongs then."""
    place = 0
    while 2 * place + 1 < len(scores):
        below = 2 * place + 1
        if below + 1 < len(scores) and _worse(scores[below + 1], ties[below + 1], scores[below], ties[below]):
            below += 1
        if not _worse(scores[below], ties[below], new[0], new[1]):
            break
        scores[place], ties[place], rows[place] = scores[below], ties[below], rows[below]
        place = below
    return place


@compiled
def rank_pairs(
    scores: np.ndarray, ties: np.ndarray, rows: np.ndarray, stops: np.ndarray, best: Ranking, first: int
) -> None:
    """Rank the pairs of some queries: `best` holds them in order then, best first, and is no heap any more.

    Args:
        scores: Of the pairs, those of one query side by side, float64.
        ties: Place of each document among equal scores, int64.
        rows: Rows in the corpus, int64.
        stops: Where the pairs of each query end, int64.
        best: What is empty so far.
        first: The place in `best` of the first of these queries.
    """
    pair = 0
    for i in range(len(stops)):
        while pair < stops[i]:
            _offer(best, first + i, scores[pair], ties[pair], rows[pair])
            pair += 1
        _sort(best, first + i)


@compiled
def _sort(best: Ranking, query: int) -> None:
    scores, ties, rows = best.scores[query], best.ties[query], best.rows[query]
    for last in range(best.counts[query] - 1, 0, -1):
        score, tie, row = scores[last], ties[last], rows[last]
        worst = scores[0], ties[0], rows[0]
        place = _hollow(scores[:last], ties[:last], rows[:last], (score, tie))
        scores[place], ties[place], rows[place] = score, tie, row
        scores[last], ties[last], rows[last] = worst


@compiled
def _worse(score: float, tie: int, other_score: float, other_tie: int) -> bool:
    return score < other_score or (score == other_score and tie > other_tie)
