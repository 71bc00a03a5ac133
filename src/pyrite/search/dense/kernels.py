"""The loops of exact search, compiled by numba; imported where they run, since numba takes a while to load.

Each takes the slice of queries, rows or pairs that it works on, so that threads share one call. None touches what
another slice touches, and none depends on how the slices were cut.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numba
import numpy as np

__all__ = [
    "OFFSET_ERROR", "ErrorBound", "Prepared", "Ranking", "RoughScores", "Survivors", "compact_all", "copy_rows",
    "halve_rows", "offer_all", "pair_products", "quantise_rows",
    "scan",
]  # fmt: skip

# What float32 can lose of the numbers that are compared with a threshold: less than eight roundings of them.
OFFSET_ERROR = 2.0**-21
_WORD = 8
# The floor is raised anew once there are so many times as many survivors.
_GROWTH = 1.5
# Leave a floor within 2^-16 of the range of the values.
_BISECTIONS = 16
_HALF_BYTES = 2
_LEAST_SCALE = 2.0**-100
_ROW_TILE = 64
_LANES = 8
# Scores are given to nine digits.
_SCALE = 1e9

F = TypeVar("F", bound=Callable[..., Any])
Part = tuple[int, int]


class Prepared(NamedTuple):
    """A block of documents as the first pass multiplies them.

    Attributes:
        rows: int8, bfloat16 as uint16, or float32: shape (n, dimension).
        scales: What a row is multiplied by to be the document again, as far as rounding left it: float32, shape (n,).
        norms: Length of what was rounded (the document less the centre), float64, shape (n,).
        residuals: Length of what rounding took off, float64, shape (n,).
        offsets: Inner product of the centre and the document less the centre, float32, shape (n,).
    """

    rows: np.ndarray
    scales: np.ndarray
    norms: np.ndarray
    residuals: np.ndarray
    offsets: np.ndarray


class ErrorBound(NamedTuple):
    """By how much a rough score can be off.

    For query q and a document with norm n, residual r, offset o and rough score s, the bound is
    `per_norm[q] n + per_residual[q] r + constant[q] + relative |s| + OFFSET_ERROR |o|`.

    Attributes:
        per_norm: float64, shape (queries,).
        per_residual: float64, shape (queries,).
        constant: float64, shape (queries,).
        relative: Rounding of the rough score itself, from 0.
    """

    per_norm: np.ndarray
    per_residual: np.ndarray
    constant: np.ndarray
    relative: float


class RoughScores(NamedTuple):
    """Scores of a block of documents.

    Attributes:
        products: int32, bfloat16 as uint16, or float32: shape (queries, at least n).
        query_scales: As `Prepared.scales`, of the queries.
        documents: The documents, n of them.
        first: The row of the first one in the corpus.
    """

    products: np.ndarray
    query_scales: np.ndarray
    documents: Prepared
    first: int


class Survivors(NamedTuple):
    """For each query the documents that can still be among its best.

    Attributes:
        lower: The exact score, the share of the centre in the query apart, is not below this: float64, shape
            (queries, capacity).
        upper: Nor above this.
        rows: Rows in the corpus, int64, likewise.
        counts: How many there are, int64, shape (queries,).
        settled: How many there were when the floor was last raised, likewise.
        floor: What is surely below this is not among the best, float64, shape (queries,).
        crowded: More documents lie within the error bound than there is room for, bool, shape (queries,).
    """

    lower: np.ndarray
    upper: np.ndarray
    rows: np.ndarray
    counts: np.ndarray
    settled: np.ndarray
    floor: np.ndarray
    crowded: np.ndarray


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


def _compiled(function: F) -> F:
    return cast("F", numba.njit(nogil=True, cache=True)(function))


def _reordered(function: F) -> F:
    """Compile with sums taken in any order, for lengths whose last digits do not matter."""
    return cast("F", numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})(function))


@_compiled
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


@_compiled
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
        out[i] = _product(queries[query_rows[i]], documents[document_rows[i]])


@_reordered
def halve_rows(documents: np.ndarray, centre: np.ndarray, prepared: Prepared, at: int, part: Part) -> None:
    """Take the centre off documents and round them to bfloat16, to nearest, ties to even.

    Args:
        documents: float32, shape (any, dimension).
        centre: float64, shape (dimension,).
        prepared: Where to; `rows` as uint16.
        at: The row in `prepared` of the first document.
        part: The first document, and the one after the last.
    """
    rounded = np.empty(len(centre), np.float32)
    bits = rounded.view(np.uint32)
    for i in range(part[0], part[1]):
        row, target = documents[i], prepared.rows[at + i]
        for j in range(len(centre)):
            rounded[j] = np.float32(np.float64(row[j]) - centre[j])
        for j in range(len(centre)):
            nearest = bits[j] + np.uint32(0x7FFF) + ((bits[j] >> np.uint32(16)) & np.uint32(1))
            target[j] = np.uint16(nearest >> np.uint32(16))
            bits[j] = nearest & np.uint32(0xFFFF0000)
        _measure(row, centre, rounded, prepared, at + i)


@_reordered
def quantise_rows(documents: np.ndarray, centre: np.ndarray, prepared: Prepared, at: int, part: Part) -> None:
    """Take the centre off documents and round them to 127 steps on each side of 0; arguments as in `halve_rows`."""
    rounded = np.empty(len(centre), np.float32)
    for i in range(part[0], part[1]):
        row, target = documents[i], prepared.rows[at + i]
        largest = np.float32(0)
        for j in range(len(centre)):
            rounded[j] = np.float32(np.float64(row[j]) - centre[j])
            largest = max(largest, abs(rounded[j]))
        scale = np.float32(largest / np.float32(127))
        # A step too small for float32 makes every component 0, and what was lost is measured like any other loss.
        steps = np.float32(1 / scale) if scale > _LEAST_SCALE else np.float32(0)
        prepared.scales[at + i] = scale
        for j in range(len(centre)):
            whole = np.rint(rounded[j] * steps)
            target[j] = np.int8(whole)
            rounded[j] = whole * scale
        _measure(row, centre, rounded, prepared, at + i)


@_reordered
def copy_rows(documents: np.ndarray, centre: np.ndarray, prepared: Prepared, at: int, part: Part) -> None:
    """Copy documents as they are, whatever the centre, and measure their lengths; arguments as in `halve_rows`."""
    for i in range(part[0], part[1]):
        norm = 0.0
        for j in range(len(centre)):
            prepared.rows[at + i, j] = documents[i, j]
            norm += np.float64(documents[i, j]) * np.float64(documents[i, j])
        prepared.norms[at + i] = np.sqrt(norm)


@_reordered
def _measure(row: np.ndarray, centre: np.ndarray, rounded: np.ndarray, prepared: Prepared, at: int) -> None:
    """Write down the lengths and the offset of a document; `rounded` is what is left of it, float32."""
    norm = residual = offset = 0.0
    for j in range(len(centre)):
        exact = np.float64(row[j]) - centre[j]
        norm += exact * exact
        residual += (exact - rounded[j]) * (exact - rounded[j])
        offset += exact * centre[j]
    prepared.norms[at] = np.sqrt(norm)
    prepared.residuals[at] = np.sqrt(residual)
    prepared.offsets[at] = offset


@_compiled
def scan(scores: RoughScores, bound: ErrorBound, kept: Survivors, depth: int, part: Part) -> None:
    """Add to the survivors what a block of documents has.

    Args:
        scores: The rough scores of all queries.
        bound: Their error.
        kept: The survivors so far.
        depth: How many documents are wanted.
        part: The first query, and the one after the last.
    """
    documents = scores.documents
    values = np.empty(len(documents.norms), np.float32)
    # One byte for each value, read eight at a time: hardly any word is not 0.
    reach = np.zeros((len(values) + _WORD - 1) // _WORD * _WORD, np.bool_)
    norm, residual, offset = documents.norms.max(), documents.residuals.max(), np.abs(documents.offsets).max()
    for query in range(part[0], part[1]):
        if kept.crowded[query]:
            continue
        _read(scores, query, values)
        margin = bound.per_norm[query] * norm + bound.per_residual[query] * residual
        margin += bound.constant[query] + OFFSET_ERROR * offset
        relative = np.float32(bound.relative)
        if kept.floor[query] == -np.inf and len(values) > depth:
            kept.floor[query] = _first_floor(values, documents.offsets, relative, depth) - margin
        elif kept.counts[query] > max(_GROWTH * kept.settled[query], 2 * depth):
            _compact(kept, query, depth)
        bar = np.float32(kept.floor[query] - margin)
        for i in range(len(values)):
            reach[i] = values[i] + relative * abs(values[i]) + documents.offsets[i] >= bar
        kept.crowded[query] = not _keep_those(reach, values, scores, bound, kept, depth, query)


@_compiled
def _read(scores: RoughScores, query: int, values: np.ndarray) -> None:
    """Give the scores of one query as float32."""
    row, scales, scale = scores.products[query], scores.documents.scales, scores.query_scales[query]
    if row.itemsize == _HALF_BYTES:
        bits = values.view(np.uint32)
        for i in range(len(values)):
            bits[i] = np.uint32(row[i]) << np.uint32(16)
    else:
        for i in range(len(values)):
            values[i] = np.float32(row[i]) * (scales[i] * scale)


@_compiled
def _first_floor(values: np.ndarray, offsets: np.ndarray, relative: np.float32, depth: int) -> float:
    """Return a floor for the scores of the first block, so that it need not be kept whole."""
    lowest = np.empty_like(values)
    for i in range(len(values)):
        lowest[i] = values[i] - relative * abs(values[i]) + offsets[i]
    return _floor(lowest, depth)


@_compiled
def _floor(values: np.ndarray, depth: int) -> float:
    """Return a number that at least `depth` of the values reach, little below the highest such number.

    By bisection: counting what reaches a number takes no branches, which makes it faster than a partial sort.
    """
    low, high = np.float64(values.min()), np.float64(values.max())
    for _ in range(_BISECTIONS):
        middle = low + (high - low) / 2
        reached = 0
        for i in range(len(values)):
            reached += values[i] >= middle
        if reached >= depth:
            low = middle
        else:
            high = middle
    return low


@_compiled
def _keep_those(
    reach: np.ndarray,
    values: np.ndarray,
    scores: RoughScores,
    bound: ErrorBound,
    kept: Survivors,
    depth: int,
    query: int,
) -> bool:
    """Keep the documents that reach the threshold; say whether there was room for all."""
    documents = scores.documents
    lower, upper, rows = kept.lower[query], kept.upper[query], kept.rows[query]
    count, floor = kept.counts[query], kept.floor[query]
    per_norm, per_residual, constant = bound.per_norm[query], bound.per_residual[query], bound.constant[query]
    reached = np.empty(len(values) + _WORD, np.int32)
    for place in range(_places(reach, reached)):
        i = reached[place]
        offset = np.float64(documents.offsets[i])
        error = per_norm * documents.norms[i] + per_residual * documents.residuals[i] + constant
        error += bound.relative * abs(np.float64(values[i])) + OFFSET_ERROR * abs(offset)
        middle = np.float64(values[i]) + offset
        if count == len(rows):
            kept.counts[query] = count
            _compact(kept, query, depth)
            count, floor = kept.counts[query], kept.floor[query]
            # With less room a query with many near ties would be compacted for every document.
            if count > len(rows) * 3 // 4:
                return False
        # Written in any case and counted where it is to stay: no branch that a processor would guess wrong.
        lower[count], upper[count], rows[count] = middle - error, middle + error, scores.first + i
        count += middle + error >= floor
    kept.counts[query] = count
    return True


@_compiled
def _places(reach: np.ndarray, places: np.ndarray) -> int:
    """Write down where `reach` is true; return how often."""
    words = reach.view(np.uint64)
    count = 0
    for word in range(len(words)):
        if words[word] == 0:
            continue
        for i in range(word * _WORD, word * _WORD + _WORD):
            places[count] = i
            count += reach[i]
    return count


@_compiled
def compact_all(kept: Survivors, depth: int, part: Part) -> None:
    """Compact the survivors of each query from `part[0]` to before `part[1]`."""
    for query in range(part[0], part[1]):
        if not kept.crowded[query]:
            _compact(kept, query, depth)


@_compiled
def _compact(kept: Survivors, query: int, depth: int) -> None:
    """Raise a query's floor to about its `depth`-th highest lower bound, and drop what is surely below."""
    count = kept.counts[query]
    if count <= depth:
        return
    kept.floor[query] = max(_floor(kept.lower[query, :count], depth), kept.floor[query])
    lower, upper, rows, floor = kept.lower[query], kept.upper[query], kept.rows[query], kept.floor[query]
    place = 0
    for i in range(count):
        lower[place], upper[place], rows[place] = lower[i], upper[i], rows[i]
        place += upper[place] >= floor
    kept.counts[query] = kept.settled[query] = place


@_compiled
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


@_compiled
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
        place = 0
        while 2 * place + 1 < len(scores):
            below = 2 * place + 1
            if below + 1 < len(scores) and _worse(scores[below + 1], ties[below + 1], scores[below], ties[below]):
                below += 1
            if not _worse(scores[below], ties[below], score, tie):
                break
            scores[place], ties[place], rows[place] = scores[below], ties[below], rows[below]
            place = below
    else:
        return
    scores[place], ties[place], rows[place] = score, tie, row


@_compiled
def _worse(score: float, tie: int, other_score: float, other_tie: int) -> bool:
    return score < other_score or (score == other_score and tie > other_tie)
