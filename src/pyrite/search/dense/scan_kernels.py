"""Loops that drop the documents of a block that cannot be among the best, compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pyrite.compiled import Part, compiled, fetch, reordered
from pyrite.search.dense.panel_kernels import QUERY_TILE, Panels, multiply_panels
from pyrite.search.dense.rounding_kernels import Prepared

__all__ = ["OFFSET_ERROR", "ErrorBound", "RoughScores", "Survivors", "compact_all", "scan", "scan_panels"]

# What float32 can lose of the numbers that are compared with a threshold: less than eight roundings of them.
OFFSET_ERROR = 2.0**-21
_WORD = 8
# The floor is raised anew once there are so many times as many survivors.
_GROWTH = 1.5
# At most: a few find a floor that hardly more than the wanted reach, unless scores lie many magnitudes apart.
_BISECTIONS = 40
_HALF_BYTES = 2
# Documents between asking for one and reading it.
_AHEAD = 4


class ErrorBound(NamedTuple):
    """By how much a rough score can be off.

    For query q and a document with norm n, residual r, offset o and rough score s, the bound is
    `per_norm[q] n + per_residual[q] r + constant[q] + relative |s| + OFFSET_ERROR |o|`.

    Attributes:
        per_norm: float64, shape (queries,).
        per_residual: float64, shape (queries,).
        constant: float64, shape (queries,).
        relative: Rounding of the rough score itself, from 0.
        close_per_norm: As `per_norm`, of scores by `RoughScores.queries`.
        close_per_residual: Likewise.
    """

    per_norm: np.ndarray
    per_residual: np.ndarray
    constant: np.ndarray
    relative: float
    close_per_norm: np.ndarray
    close_per_residual: np.ndarray


class RoughScores(NamedTuple):
    """Scores of a block of documents.

    Attributes:
        products: int32, bfloat16 as uint16, or float32: shape (queries, at least n).
        query_scales: As `Prepared.scales`, of the queries.
        documents: The documents, n of them.
        first: The row of the first one in the corpus.
        queries: The queries less the centre as float32, by which those documents are scored again that reach the bar
            by `products`; shape (0, dimension) where that brings nothing.
    """

    products: np.ndarray
    query_scales: np.ndarray
    documents: Prepared
    first: int
    queries: np.ndarray


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


class _Room(NamedTuple):
    """What the scan of a block needs for each query anew, and what it knows of the block.

    Attributes:
        values: Scores less their offsets, float32, shape (n,).
        reach: One byte for each score, read eight at a time: hardly any word is not 0.
        places: Where scores reach the bar, int32.
        norm: The largest of the documents.
        residual: Likewise.
        offset: Likewise, without its sign.
    """

    values: np.ndarray
    reach: np.ndarray
    places: np.ndarray
    norm: float
    residual: float
    offset: float


@compiled
def scan(scores: RoughScores, bound: ErrorBound, kept: Survivors, depth: int, part: Part) -> None:
    """Add to the survivors what a block of documents has.

    Args:
        scores: The rough scores of all queries.
        bound: Their error.
        kept: The survivors so far.
        depth: How many documents are wanted.
        part: The first query, and the one after the last.
    """
    room = _room(scores.documents)
    for query in range(part[0], part[1]):
        _scan_query(query, scores.products[query], scores, bound, kept, depth, room)


@compiled
def scan_panels(
    panels: Panels, scores: RoughScores, bound: ErrorBound, kept: Survivors, depth: int, part: Part
) -> None:
    """Do as `scan`, and multiply a few queries at a time before, so that their products are still in the cache.

    Args:
        panels: The queries and the block.
        scores: As in `scan`; `products` is room for those of `QUERY_TILE` queries and whole panels.
        bound: As in `scan`.
        kept: Likewise.
        depth: Likewise.
        part: Likewise; the first query is the first of a tile.
    """
    room = _room(scores.documents)
    for start in range(part[0], part[1], QUERY_TILE):
        multiply_panels(panels, start // QUERY_TILE, len(room.values), scores.products)
        for query in range(start, min(start + QUERY_TILE, part[1])):
            _scan_query(query, scores.products[query - start], scores, bound, kept, depth, room)


@compiled
def _room(documents: Prepared) -> _Room:
    count = len(documents.norms)
    reach = np.zeros((count + _WORD - 1) // _WORD * _WORD, np.bool_)
    places = np.empty(count + _WORD, np.int32)
    norm, residual, offset = documents.norms.max(), documents.residuals.max(), np.abs(documents.offsets).max()
    return _Room(np.empty(count, np.float32), reach, places, norm, residual, np.float64(offset))


@compiled
def _scan_query(
    query: int, row: np.ndarray, scores: RoughScores, bound: ErrorBound, kept: Survivors, depth: int, room: _Room
) -> None:
    """Add to the survivors of a query; `row` holds its products."""
    if kept.crowded[query]:
        return
    documents, values, reach = scores.documents, room.values, room.reach
    relative, halved = np.float32(bound.relative), scores.products.itemsize == _HALF_BYTES
    scale = scores.query_scales[query]
    margin = bound.per_norm[query] * room.norm + bound.per_residual[query] * room.residual
    margin += bound.constant[query] + OFFSET_ERROR * room.offset
    first = kept.floor[query] == -np.inf and len(values) > depth
    if halved:
        _widen(row, values)
    elif first:
        _scale(row, documents.scales, scale, values)
    if first:
        kept.floor[query] = _first_floor(values, documents.offsets, relative, depth) - margin
    elif kept.counts[query] > max(_GROWTH * kept.settled[query], 2 * depth):
        _compact(kept, query, depth)
    bar = np.float32(kept.floor[query] - margin)
    if halved:
        _mark(values, documents.offsets, relative, bar, reach)
    else:
        _mark_scaled(row, documents.scales, scale, documents.offsets, bar, reach)
    found = room.places[: _places(reach, room.places)]
    if len(scores.queries) > 0:
        _score_closer(found, scores.queries, query, documents, values)
    elif not halved:
        _scale_at(found, row, documents.scales, scale, values)
    kept.crowded[query] = not _keep_those(found, values, scores, bound, kept, depth, query)


@compiled
def _widen(row: np.ndarray, values: np.ndarray) -> None:
    """Turn bfloat16 into float32."""
    bits = values.view(np.uint32)
    for i in range(len(values)):
        bits[i] = np.uint32(row[i]) << np.uint32(16)


@compiled
def _scale(row: np.ndarray, scales: np.ndarray, scale: np.float32, values: np.ndarray) -> None:
    for i in range(len(values)):
        values[i] = np.float32(row[i]) * (scales[i] * scale)


@compiled
def _scale_at(places: np.ndarray, row: np.ndarray, scales: np.ndarray, scale: np.float32, values: np.ndarray) -> None:
    for i in places:
        values[i] = np.float32(row[i]) * (scales[i] * scale)


@reordered
def _score_closer(places: np.ndarray, queries: np.ndarray, query: int, documents: Prepared, values: np.ndarray) -> None:
    """Score some documents by the query as it is: what rounding took off the documents alone is lost then."""
    rows = documents.rows
    for place in range(len(places)):
        fetch(rows, places[min(place + _AHEAD, len(places) - 1)])
        i = places[place]
        total = np.float32(0)
        for j in range(queries.shape[1]):
            total += queries[query, j] * np.float32(rows[i, j])
        values[i] = total * documents.scales[i]


@compiled
def _mark(values: np.ndarray, offsets: np.ndarray, relative: np.float32, bar: np.float32, reach: np.ndarray) -> None:
    """Say which scores reach a bar, their own rounding granted."""
    for i in range(len(values)):
        reach[i] = values[i] + relative * abs(values[i]) + offsets[i] >= bar


@compiled
def _mark_scaled(
    row: np.ndarray, scales: np.ndarray, scale: np.float32, offsets: np.ndarray, bar: np.float32, reach: np.ndarray
) -> None:
    """Say which scores reach a bar, without writing them down."""
    for i in range(len(scales)):
        reach[i] = np.float32(row[i]) * (scales[i] * scale) + offsets[i] >= bar


@compiled
def _first_floor(values: np.ndarray, offsets: np.ndarray, relative: np.float32, depth: int) -> float:
    """Return a floor for the scores of the first block, so that it need not be kept whole."""
    lowest = np.empty_like(values)
    for i in range(len(values)):
        lowest[i] = values[i] - relative * abs(values[i]) + offsets[i]
    return _floor(lowest, lowest.min(), depth)


@compiled
def _floor(values: np.ndarray, low: float, depth: int) -> float:
    """Return a number that at least `depth` of the values reach, little below the highest such number.

    They do reach `low`. By bisection: counting what reaches a number takes no branches, which makes it faster than a
    partial sort.
    """
    half = values.dtype.type(0.5)
    low, high = values.dtype.type(low), values.max()
    for _ in range(_BISECTIONS):
        middle = low + (high - low) * half
        reached = 0
        for i in range(len(values)):
            reached += values[i] >= middle
        if reached >= depth:
            low = middle
        else:
            high = middle
        if depth <= reached <= depth + depth // 16:
            break
    return low


@compiled
def _keep_those(
    places: np.ndarray,
    values: np.ndarray,
    scores: RoughScores,
    bound: ErrorBound,
    kept: Survivors,
    depth: int,
    query: int,
) -> bool:
    """Keep the documents at these places; say whether there was room for all."""
    documents = scores.documents
    lower, upper, rows = kept.lower[query], kept.upper[query], kept.rows[query]
    count, floor = kept.counts[query], kept.floor[query]
    per_norm, per_residual, constant = (
        bound.close_per_norm[query],
        bound.close_per_residual[query],
        bound.constant[query],
    )
    for i in places:
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


@compiled
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


@compiled
def compact_all(kept: Survivors, depth: int, part: Part) -> None:
    """Compact the survivors of each query from `part[0]` to before `part[1]`."""
    for query in range(part[0], part[1]):
        if not kept.crowded[query]:
            _compact(kept, query, depth)


@compiled
def _compact(kept: Survivors, query: int, depth: int) -> None:
    """Raise a query's floor to about its `depth`-th highest lower bound, and drop what is surely below."""
    count = kept.counts[query]
    if count <= depth:
        return
    lower, upper, rows = kept.lower[query], kept.upper[query], kept.rows[query]
    floor = _floor(lower[:count], max(kept.floor[query], lower[:count].min()), depth)
    kept.floor[query] = floor
    place = 0
    for i in range(count):
        lower[place], upper[place], rows[place] = lower[i], upper[i], rows[i]
        place += upper[place] >= floor
    kept.counts[query] = kept.settled[query] = place
