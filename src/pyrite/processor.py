"""In which small types the processor multiplies faster than in float32."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

__all__ = ["FastProduct", "multiplies_in"]

FastProduct = Literal["int8", "bf16"]

# Without one of these the same product takes longer than in a wider type, and in int8 it can overflow.
_INSTRUCTIONS: dict[FastProduct, set[str]] = {
    "int8": {"avx512_vnni", "avx_vnni", "amx_int8"},
    "bf16": {"avx512_bf16", "amx_bf16"},
}


def multiplies_in(kind: FastProduct) -> bool:
    """Say whether the processor has instructions for such products. It is asked through Linux; elsewhere it has none.

    Example:
        >>> multiplies_in("int8") in {True, False}
        True
    """
    return not _INSTRUCTIONS[kind].isdisjoint(_flags())


@cache
def _flags() -> frozenset[str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    return next((frozenset(line.split()) for line in text.splitlines() if line.startswith("flags")), frozenset())
