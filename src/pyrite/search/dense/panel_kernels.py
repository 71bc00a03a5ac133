"""Products of int8 by the processor's own instruction for them, compiled.

Documents lie in panels: what an instruction takes of 32 documents lies side by side. The products of a few queries and
a panel stay in registers until they are whole, and those of a few queries and a block in the processor's cache until
they are looked at.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from pyrite.compiled import Part, compiled
from pyrite.search.dense.rounding_kernels import Prepared, quantise_rows

__all__ = ["PANEL", "QUERY_TILE", "Panels", "empty_panels", "multiply_panels", "offered", "quantise_panels"]

PANEL = 32
"""Documents of a panel: two registers of them."""
QUERY_TILE = 12
"""Queries multiplied at once. With two registers of documents each they take 24 of 32 registers."""

_LANES = 16
# Components that one instruction multiplies and adds up.
_GROUP = 4
# Numba's own, which has no types.
_code: Any = cgutils
# The instruction takes documents without a sign: their steps are moved by 128, and the products made up for it.
_SIGNS = np.uint32(0x80808080)
_MOVED = 128


class Panels(NamedTuple):
    """Both sides of the products; four components each in a uint32, and 0 beyond a vector's components.

    Attributes:
        queries: Shape (tiles, groups of four, `QUERY_TILE`).
        starts: What the sums of a query's products start from, int32, shape (tiles times `QUERY_TILE`,).
        documents: Moved by 128: shape (panels, groups of four, `PANEL`).
    """

    queries: np.ndarray
    starts: np.ndarray
    documents: np.ndarray


def offered() -> bool:
    """Say whether numba compiles for a processor with AVX512-VNNI and without AMX, by which torch multiplies faster."""
    features = set(cpu_target.target_context.codegen().magic_tuple()[2].split(","))
    return "+avx512vnni" in features and "+amx-int8" not in features


def empty_panels(steps: np.ndarray, documents: int) -> Panels:
    """Return panels for these queries and room for so many documents.

    Args:
        steps: int8, shape (queries, dimension).
        documents: At most.
    """
    groups = -(-steps.shape[1] // _GROUP)
    tiles = -(-len(steps) // QUERY_TILE)
    padded = np.zeros((tiles * QUERY_TILE, groups * _GROUP), np.int8)
    padded[: len(steps), : steps.shape[1]] = steps
    starts = -_MOVED * padded.sum(axis=1, dtype=np.int32)
    queries = np.ascontiguousarray(padded.view(np.uint32).reshape(tiles, QUERY_TILE, groups).transpose(0, 2, 1))
    return Panels(queries, starts, np.full((-(-documents // PANEL), groups, PANEL), _SIGNS))


@compiled
def quantise_panels(
    panels: Panels, documents: np.ndarray, centre: np.ndarray, prepared: Prepared, at: int, part: Part
) -> None:
    """Round documents as `quantise_rows` does, and put them into their panels as well."""
    quantise_rows(documents, centre, prepared, at, part)
    dimension = len(centre)
    padded = np.zeros(panels.documents.shape[1] * _GROUP, np.int8)
    groups = padded.view(np.uint32)
    for i in range(at + part[0], at + part[1]):
        panel, lane, row = panels.documents[i // PANEL], i % PANEL, prepared.rows[i]
        # Written out, since an assignment of slices goes byte by byte.
        for j in range(dimension):
            padded[j] = row[j]
        for group in range(len(groups)):
            panel[group, lane] = groups[group] ^ _SIGNS


def _multiply_type(
    typing: Any, queries: Any, starts: Any, tile: Any, documents: Any, panel: Any, out: Any
) -> tuple[Any, Any]:
    """Multiply a tile of queries by a panel of documents, into the panel's columns of `out`."""
    return types.void(queries, starts, types.intp, documents, types.intp, out), _write_multiply


# Numba knows no registers of several numbers, so the loop over groups of components is written in LLVM's language.
_WORD = ir.IntType(32)
_SIZE = ir.IntType(64)
_REGISTER = ir.VectorType(_WORD, _LANES)
_WORD_BYTES = 4
# (query, register of documents), one sum for each.
_SUMS = [(i, j) for i in range(QUERY_TILE) for j in range(PANEL // _LANES)]


def _write_multiply(context: Any, builder: Any, signature: Any, arguments: tuple[Any, ...]) -> Any:
    queries, starts, documents, out = (
        context.make_array(signature.args[place])(context, builder, arguments[place]) for place in (0, 1, 3, 5)
    )
    tile, panel = arguments[2], arguments[4]
    first = _at(builder, starts.data, builder.mul(tile, _SIZE(QUERY_TILE * _WORD_BYTES)), _WORD)
    begin = [_spread(builder, first, i) for i in range(QUERY_TILE)]
    steps = _at(builder, queries.data, builder.mul(tile, _stride(builder, queries)), _WORD)
    rows = _at(builder, documents.data, builder.mul(panel, _stride(builder, documents)), _WORD)
    groups = _code.unpack_tuple(builder, documents.shape)[1]
    sums = _write_loop(builder, groups, begin, (steps, rows))
    columns = builder.mul(panel, _SIZE(PANEL * _WORD_BYTES))
    for i, j in _SUMS:
        row = _at(builder, out.data, builder.mul(_SIZE(i), _stride(builder, out)), _WORD)
        here = builder.add(columns, _SIZE(j * _LANES * _WORD_BYTES))
        builder.store(sums[i, j], _at(builder, row, here, _REGISTER), align=_WORD_BYTES)
    return context.get_dummy_value()


def _write_loop(builder: Any, groups: Any, begin: list[Any], sides: tuple[Any, Any]) -> dict[tuple[int, int], Any]:
    """Write the loop; return the sums after it."""
    before = builder.basic_block
    body, after = builder.append_basic_block("group"), builder.append_basic_block("whole")
    builder.branch(body)
    builder.position_at_end(body)
    group = builder.phi(_SIZE)
    sums = {pair: builder.phi(_REGISTER) for pair in _SUMS}
    more = _write_sums(builder, group, sums, sides)
    following = builder.add(group, _SIZE(1))
    builder.cbranch(builder.icmp_signed("<", following, groups), body, after)
    group.add_incoming(_SIZE(0), before)
    group.add_incoming(following, body)
    for pair, value in sums.items():
        value.add_incoming(begin[pair[0]], before)
        value.add_incoming(more[pair], body)
    builder.position_at_end(after)
    return more


def _write_sums(
    builder: Any, group: Any, sums: dict[tuple[int, int], Any], sides: tuple[Any, Any]
) -> dict[tuple[int, int], Any]:
    """Write what adds one group of components to the sums."""
    instruction = _code.get_or_insert_function(
        builder.module, ir.FunctionType(_REGISTER, [_REGISTER] * 3), "llvm.x86.avx512.vpdpbusd.512"
    )
    steps = _at(builder, sides[0], builder.mul(group, _SIZE(QUERY_TILE * _WORD_BYTES)), _WORD)
    rows = _at(builder, sides[1], builder.mul(group, _SIZE(PANEL * _WORD_BYTES)), _WORD)
    places = [_at(builder, rows, _SIZE(j * _LANES * _WORD_BYTES), _REGISTER) for j in range(PANEL // _LANES)]
    registers = [builder.load(place, align=_WORD_BYTES) for place in places]
    spread = [_spread(builder, steps, i) for i in range(QUERY_TILE)]
    return {(i, j): builder.call(instruction, [sums[i, j], registers[j], spread[i]]) for i, j in _SUMS}


def _at(builder: Any, base: Any, offset: Any, kind: Any) -> Any:
    return _code.pointer_add(builder, base, offset, kind.as_pointer())


def _stride(builder: Any, array: Any) -> Any:
    return _code.unpack_tuple(builder, array.strides)[0]


def _spread(builder: Any, words: Any, place: int) -> Any:
    """Load a word into all lanes of a register."""
    none = ir.Constant(_REGISTER, ir.Undefined)
    word = builder.load(_at(builder, words, _SIZE(place * _WORD_BYTES), _WORD), align=_WORD_BYTES)
    one = builder.insert_element(none, word, ir.Constant(_WORD, 0))
    return builder.shuffle_vector(one, none, ir.Constant(_REGISTER, [0] * _LANES))


_multiply: Any = intrinsic(_multiply_type)


@compiled
def multiply_panels(panels: Panels, tile: int, count: int, out: np.ndarray) -> None:
    """Multiply a tile of queries by documents.

    Args:
        panels: Both sides.
        tile: Of `QUERY_TILE` queries.
        count: How many documents, from the first.
        out: int32, shape (`QUERY_TILE`, at least `count` in whole panels).
    """
    for panel in range((count + PANEL - 1) // PANEL):
        _multiply(panels.queries, panels.starts, tile, panels.documents, panel, out)
