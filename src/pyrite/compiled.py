"""How inner loops are compiled: by numba, without the interpreter's lock, kept on disk for the next process.

Modules that use it load numba when they are imported, so they are imported inside functions only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["Part", "compiled", "fetch", "inlined", "reordered"]

Part = tuple[int, int]
"""The slice of queries, rows or pairs that a call works on, so that threads share one loop: from, to before. No call
touches what another slice touches, and no result depends on how the slices were cut."""

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compile a function as written when it is first called, or load what an earlier process compiled.

    No threading layer of numba's is used, none of which survives a fork: callers run compiled functions in Python's
    own threads, side by side.
    """
    return cast("_Function", numba.njit(nogil=True, cache=True)(function))


def inlined(function: _Function) -> _Function:
    """Compile a function as part of those that call it: no counting of references at each call."""
    return cast("_Function", numba.njit(nogil=True, inline="always")(function))


def reordered(function: _Function) -> _Function:
    """Compile with sums taken in any order, for lengths whose last digits do not matter."""
    return cast("_Function", numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})(function))


# Numba's own, which has no types.
_code: Any = cgutils
_LINE = 64


def _fetch_type(typing: Any, array: Any, row: Any) -> tuple[Any, Any]:
    """Tell the processor that a row of a matrix will be read soon; it changes nothing but the time that takes."""
    return types.void(array, types.intp), _write_fetch


def _write_fetch(context: Any, builder: Any, signature: Any, arguments: tuple[Any, ...]) -> Any:
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    size, byte, word = ir.IntType(64), ir.IntType(8).as_pointer(), ir.IntType(32)
    instruction = _code.get_or_insert_function(
        builder.module, ir.FunctionType(ir.VoidType(), [byte, word, word, word]), "llvm.prefetch.p0i8"
    )
    stride = _code.unpack_tuple(builder, array.strides)[0]
    start = builder.mul(arguments[1], stride)
    with _code.for_range_slice(builder, size(0), stride, size(_LINE), size) as (offset, _):
        place = _code.pointer_add(builder, array.data, builder.add(start, offset), byte)
        builder.call(instruction, [place, word(0), word(3), word(1)])
    return context.get_dummy_value()


fetch: Any = intrinsic(_fetch_type)
