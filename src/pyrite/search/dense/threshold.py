"""The first pass of exact search on a processor: every document whose rough score reaches a threshold.

Blocks of documents are multiplied in bfloat16 or float32. Each rough score comes with a bound on its error, and so
with two numbers between which the exact score lies. A document is dropped once its upper bound is below the lower
bounds of `depth` others: what is left holds the exact result, without a gap to be checked afterwards.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from pyrite.errors import SearchError
from pyrite.processor import FastProduct, multiplies_in
from pyrite.search.dense.embeddings import Embeddings
from pyrite.threads import Team

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

    from pyrite.compiled import Part
    from pyrite.search.dense.panel_kernels import Panels
    from pyrite.search.dense.rounding_kernels import Prepared
    from pyrite.search.dense.scan_kernels import ErrorBound, Survivors

__all__ = ["RoughPrecision", "capacity", "precisions", "threshold_pass", "undefined_document"]

RoughPrecision = Literal["int8", "bf16", "fp32"]
"""What the first pass multiplies in."""
_Search = Callable[["Prepared", int, "Survivors", int, "Part"], None]
_Multiply = Callable[[np.ndarray, "Part", np.ndarray], None]
"""Writes the products of a part of the queries and these rows to these rows of a matrix."""

# Documents whose products are looked at together; a multiple of the documents of a panel.
_DOCUMENT_BLOCK = 4096
# Documents rounded at once where their products need no room of their own: threads wait for one another less often.
_ROUNDED_BLOCK = 4 * _DOCUMENT_BLOCK
# torch computes products of very few rows by other code, whose order of rounding is not known.
_LEAST_ROWS = 64
_CENTRE_SAMPLE = 4096
# Beyond these lengths a product can leave the range of float32.
_LARGEST = 2.0**60
_SMALLEST_NORMAL = 2.0**-126
_ROUNDOFF_32 = 2.0**-24
_ROUNDOFF_64 = 2.0**-53
# A score is rounded to nine digits: documents closer than this can be equal after it.
_STEP = 1.1e-9
# A score in bfloat16 is off by at most 2^-8 of what it was before, which is a little more of itself.
_OUTPUT_ERROR = 2.0**-8 * (1 + 2.0**-7)


def capacity(depth: int) -> int:
    """Return how many documents a query may hold at once before it counts as crowded."""
    return 8 * depth + 1024


def precisions() -> list[RoughPrecision]:
    """Return what the processor multiplies in, the fastest first; float32 is always among them."""
    fast: tuple[FastProduct, ...] = ("int8", "bf16")
    return [*(kind for kind in fast if multiplies_in(kind)), "fp32"]


def threshold_pass(
    queries: np.ndarray, embeddings: Embeddings, depth: int, precision: RoughPrecision, team: Team
) -> list[np.ndarray | None]:
    """Return for each query the rows of all documents that can be among its `depth` best.

    Args:
        queries: float32, shape (n, dimension), finite.
        embeddings: The documents, more than `capacity(depth)`.
        depth: From 1.
        precision: What to multiply in.
        team: The threads.

    Returns:
        int64 arrays; None for a query with more near ties than there is room for.

    Raises:
        SearchError: A document's vector has an infinite or undefined component.
    """
    from pyrite.search.dense import scan_kernels

    side = _SIDES[precision](queries, _sampled_centre(embeddings))
    kept = _no_survivors(len(queries), capacity(depth))
    kept.crowded[:] = ~(side.lengths < _LARGEST)
    for first, prepared in _prepared_blocks(embeddings, side, team):
        if not prepared.norms.max() < _LARGEST:
            kept.crowded[:] = True
        if kept.crowded.all():
            break
        search = partial(side.search, prepared, first, kept, depth)
        team.share(len(queries), search, least=_LEAST_ROWS, whole=side.tile)
    team.share(len(queries), partial(scan_kernels.compact_all, kept, depth))
    return [
        None if crowded else rows[:count].copy()
        for crowded, rows, count in zip(kept.crowded, kept.rows, kept.counts, strict=True)
    ]


@dataclass(frozen=True)
class _Side:
    """The queries' side of a product, and how documents are made to fit it.

    Attributes:
        search: Multiplies some queries by a block, from a row of the corpus, and keeps what reaches their floors. One
            thread does both, so that it finds the products where it left them.
        prepare: Rounds documents.
        dtype: What to.
        centre: What is taken off them before, float64.
        lengths: Of the queries less the centre, float64.
        block: How many documents are rounded at once.
        tile: How many queries are multiplied at once: each part starts at a multiple of it.
    """

    search: _Search
    prepare: Callable[[np.ndarray, np.ndarray, Prepared, int, tuple[int, int]], None]
    dtype: type
    centre: np.ndarray
    lengths: np.ndarray
    block: int
    tile: int = 1


def _int8_side(queries: np.ndarray, centre: np.ndarray) -> _Side:
    from pyrite.search.dense import panel_kernels, rounding_kernels

    block = _empty_block(len(queries), queries.shape[1], np.int8)
    rounding_kernels.quantise_rows(queries, centre, block, 0, (0, len(queries)))
    exact, bound = _closer(
        queries, centre, _error_bound(queries, block.residuals, block.scales * _lengths(block.rows), centre, 0.0)
    )
    if panel_kernels.offered():
        panels = panel_kernels.empty_panels(block.rows, _ROUNDED_BLOCK)
        search, tile = _panel_search(panels, block.scales, exact, bound), panel_kernels.QUERY_TILE
        prepare = partial(panel_kernels.quantise_panels, panels)
        return _Side(search, prepare, np.int8, centre, block.norms, _ROUNDED_BLOCK, tile)
    search = _scanned(_int8_multiply(block.rows), _Room(len(queries), np.int32), block.scales, exact, bound)
    return _Side(search, rounding_kernels.quantise_rows, np.int8, centre, block.norms, _DOCUMENT_BLOCK)


def _closer(queries: np.ndarray, centre: np.ndarray, bound: ErrorBound) -> tuple[np.ndarray, ErrorBound]:
    """Return the queries less the centre, in float32, and the bound with the error of scores by them as well."""
    from pyrite.search.dense import rounding_kernels

    exact = queries.astype(np.float64) - centre
    single = np.clip(exact, -_LARGEST, _LARGEST).astype(np.float32)
    summation = 2 * (queries.shape[1] + 8) * _ROUNDOFF_32
    close = _error_bound(queries, _lengths(exact - single), _lengths(single), centre, summation)
    constant = np.maximum(bound.constant, close.constant)
    offset = rounding_kernels.offset_error(centre)
    return single, bound._replace(
        per_norm=bound.per_norm + offset,
        close_per_norm=close.per_norm + offset,
        close_per_residual=close.per_residual,
        constant=constant,
    )


def _panel_search(panels: Panels, scales: np.ndarray, queries: np.ndarray, bound: ErrorBound) -> _Search:
    from pyrite.search.dense import panel_kernels, scan_kernels

    own = _OwnRoom(panels)

    def search(documents: Prepared, first: int, kept: Survivors, depth: int, part: Part) -> None:
        for start in range(0, len(documents.norms), _DOCUMENT_BLOCK):
            some = type(documents)(*(column[start : start + _DOCUMENT_BLOCK] for column in documents))
            here = panels._replace(documents=panels.documents[start // panel_kernels.PANEL :])
            rough = scan_kernels.RoughScores(own.products, scales, some, first + start, queries)
            scan_kernels.scan_panels(here, rough, bound, kept, depth, part)

    return search


class _OwnRoom(threading.local):
    """Memory of each thread for the products of a tile and a block; small enough for its cache.

    Args:
        panels: Whose products.
    """

    def __init__(self, panels: Panels) -> None:
        self.products: np.ndarray = np.empty((panels.queries.shape[2], _DOCUMENT_BLOCK), np.int32)


def _int8_multiply(rounded: np.ndarray) -> _Multiply:
    import torch

    steps = torch.from_numpy(rounded)

    def multiply(rows: np.ndarray, part: Part, out: np.ndarray) -> None:
        with _one_thread():
            torch._int_mm(steps[slice(*part)], torch.from_numpy(rows).T, out=torch.from_numpy(out[slice(*part)]))

    return multiply


def _bf16_side(queries: np.ndarray, centre: np.ndarray) -> _Side:
    import torch

    from pyrite.search.dense import rounding_kernels

    exact = queries.astype(np.float64) - centre
    padded = np.zeros((max(len(queries), _LEAST_ROWS), queries.shape[1]), dtype=np.float32)
    padded[: len(queries)] = np.clip(exact, -_LARGEST, _LARGEST)
    halves = torch.from_numpy(padded).to(torch.bfloat16)

    def multiply(rows: np.ndarray, part: Part, out: np.ndarray) -> None:
        some = slice(part[0], max(part[1], _LEAST_ROWS))
        with _one_thread():
            product = torch.from_numpy(out[some]).view(torch.bfloat16)
            torch.mm(halves[some], torch.from_numpy(rows).view(torch.bfloat16).T, out=product)

    rounded = halves[: len(queries)].double().numpy()
    # Twice the steps of a plain sum in float32: what an instruction does inside itself is not specified everywhere.
    summation = 2 * (queries.shape[1] + 8) * _ROUNDOFF_32
    bound = _error_bound(queries, _lengths(exact - rounded), _lengths(rounded), centre, summation)
    ones = np.ones(len(queries), dtype=np.float32)
    search = _scanned(
        multiply, _Room(len(padded), np.uint16), ones, queries[:0], bound._replace(relative=_OUTPUT_ERROR)
    )
    return _Side(search, rounding_kernels.halve_rows, np.uint16, centre, _lengths(exact), _DOCUMENT_BLOCK)


def _fp32_side(queries: np.ndarray, centre: np.ndarray) -> _Side:
    from pyrite.search.dense import rounding_kernels

    def multiply(rows: np.ndarray, part: Part, out: np.ndarray) -> None:
        # By numpy, since torch can be told to compute products of float32 in less. Queries too long for float32 have
        # been given up.
        with np.errstate(over="ignore", invalid="ignore"):
            np.matmul(queries[slice(*part)], rows.T, out=out[slice(*part)])

    centre = np.zeros_like(centre)
    share = queries.shape[1] * _ROUNDOFF_32
    lengths = _lengths(queries)
    bound = _error_bound(queries, np.zeros_like(lengths), lengths, centre, share / (1 - share))
    ones = np.ones(len(queries), dtype=np.float32)
    search = _scanned(multiply, _Room(len(queries), np.float32), ones, queries[:0], bound)
    return _Side(search, rounding_kernels.copy_rows, np.float32, centre, lengths, _DOCUMENT_BLOCK)


def _scanned(multiply: _Multiply, products: _Room, scales: np.ndarray, exact: np.ndarray, bound: ErrorBound) -> _Search:
    """Return a search that writes all products of a part of the queries before it looks at them."""
    from pyrite.search.dense import scan_kernels

    def search(documents: Prepared, first: int, kept: Survivors, depth: int, part: Part) -> None:
        out = products(len(documents.rows))
        multiply(documents.rows, part, out)
        scan_kernels.scan(scan_kernels.RoughScores(out, scales, documents, first, exact), bound, kept, depth, part)

    return search


class _Room:
    """Memory for the products of all queries and a block of documents, used again for each block.

    Args:
        queries: How many.
        dtype: Of a product.
    """

    def __init__(self, queries: int, dtype: type) -> None:
        self._queries = queries
        self._flat: np.ndarray = np.empty(queries * _DOCUMENT_BLOCK, dtype)

    def __call__(self, documents: int) -> np.ndarray:
        """Return it as a matrix: shape (queries, documents)."""
        return self._flat[: self._queries * documents].reshape(self._queries, documents)


def _one_thread() -> AbstractContextManager[object]:
    """Keep torch from starting threads of its own in the calling thread, which is one of a team already.

    They would go on spinning after each product, on the processors that the team needs then.
    """
    import torch

    # A thread's first question sets its number of threads, which must not happen inside.
    torch.get_num_threads()
    limited: AbstractContextManager[object] = _thread_pools().limit(limits=1, user_api="openmp")
    return limited


@cache
def _thread_pools() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


_SIDES: dict[RoughPrecision, Callable[[np.ndarray, np.ndarray], _Side]] = {
    "int8": _int8_side,
    "bf16": _bf16_side,
    "fp32": _fp32_side,
}


def _error_bound(
    queries: np.ndarray, lost: np.ndarray, length: np.ndarray, centre: np.ndarray, summation: float
) -> ErrorBound:
    """Bound the error of scores, from the lengths of what rounding took off the queries and of what it left.

    With q' = q - c, x' = x - c, their rounded b(q') and b(x'): |q'.x' - b(q').b(x')| is at most
    |q' - b(q')| |x'| + |b(q')| |x' - b(x')|, and the sum of products in float32 loses at most `summation` |b(q')|
    |b(x')|. What is added for float64 and for numbers too small for float32 is far below that, unless vectors are
    very long, very short or nearly equal to the centre.
    """
    from pyrite.search.dense import scan_kernels

    dimension = queries.shape[1]
    in_float64 = 4 * dimension * _ROUNDOFF_64 * (_lengths(queries) + np.linalg.norm(centre))
    flushed = np.sqrt(dimension) * _SMALLEST_NORMAL
    summed = length * (summation + scan_kernels.OFFSET_ERROR)
    constant = in_float64 * np.linalg.norm(centre) + flushed * length + 2 * (dimension + 1) * _SMALLEST_NORMAL
    per_norm, per_residual = lost + summed + in_float64 + flushed, length + summed + flushed
    return scan_kernels.ErrorBound(per_norm, per_residual, constant + _STEP, 0.0, per_norm, per_residual)


def _prepared_blocks(embeddings: Embeddings, side: _Side, team: Team) -> Iterator[tuple[int, Prepared]]:
    """Yield (first row, documents) in blocks that do not depend on the shards; each replaces the one before."""
    block = _empty_block(side.block, embeddings.dimension, side.dtype)
    filled = 0
    for start, shard in embeddings.blocks():
        at = 0
        while at < len(shard):
            taken = min(len(shard) - at, side.block - filled)
            team.share(taken, partial(side.prepare, np.asarray(shard[at : at + taken]), side.centre, block, filled))
            at, filled = at + taken, filled + taken
            if filled == side.block:
                yield _cut(block, filled, start + at - filled)
                filled = 0
    if filled:
        yield _cut(block, filled, len(embeddings) - filled)


def _empty_block(rows: int, dimension: int, dtype: type) -> Prepared:
    from pyrite.search.dense import rounding_kernels

    each = np.zeros(rows)
    ones = np.ones(rows, dtype=np.float32)
    return rounding_kernels.Prepared(
        np.zeros((rows, dimension), dtype), ones, each, each.copy(), each.astype(np.float32)
    )


def _cut(block: Prepared, filled: int, first: int) -> tuple[int, Prepared]:
    norms = block.norms[:filled]
    if not np.isfinite(norms).all():
        row = first + int(np.flatnonzero(~np.isfinite(norms))[0])
        raise undefined_document(row)
    # Rows left over from the block before pad a short one; nobody reads their scores.
    return first, type(block)(block.rows[: max(filled, _LEAST_ROWS)], *(column[:filled] for column in block[1:]))


def undefined_document(row: int) -> SearchError:
    """Return the error for a document whose vector holds no numbers."""
    return SearchError(
        f"the vector of document row {row} (from 0) has an infinite or undefined component; encode the corpus again"
    )


def _sampled_centre(embeddings: Embeddings) -> np.ndarray:
    """Return the mean of a sample, float64: any point serves, one amid the documents serves best."""
    count = len(embeddings)
    rows = np.unique(np.linspace(0, count - 1, min(count, _CENTRE_SAMPLE)).astype(np.int64))
    centre: np.ndarray = embeddings.rows(rows).mean(axis=0, dtype=np.float64)
    # A document that is no vector is reported by its row, when its block comes.
    # As float32, so that what is left of a document is known to the last digit but one without float64.
    return np.where(np.isfinite(centre), centre, 0.0).astype(np.float32).astype(np.float64)


def _no_survivors(queries: int, room: int) -> Survivors:
    from pyrite.search.dense import scan_kernels

    bounds, none = np.empty((queries, room)), np.zeros(queries, dtype=np.int64)
    rows = np.empty((queries, room), dtype=np.int64)
    floor = np.full(queries, -np.inf)
    return scan_kernels.Survivors(bounds, bounds.copy(), rows, none, none.copy(), floor, np.zeros(queries, dtype=bool))


def _lengths(vectors: np.ndarray) -> np.ndarray:
    # Unlike `np.linalg.norm` it makes no copies, each of which is memory that the system has to give anew.
    lengths: np.ndarray = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    return lengths
