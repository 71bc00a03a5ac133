"""Memory that is given back."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import pytest

from pyrite.memory import give_back


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_lies_free_below_something_in_use_is_given_back() -> None:
    # Pieces small enough for the heap, 64 MB of them; the last one stays and keeps the heap from shrinking by itself.
    blocks = [bytearray(64_000) for _ in range(1000)]
    last = blocks[-1]
    blocks.clear()
    gc.collect()
    before = _held()
    give_back()
    assert _held() <= before
    assert len(last) == 64_000


def _held() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon:"))
