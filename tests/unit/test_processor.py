"""What the processor multiplies in, read from Linux' flags."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrite import processor


@pytest.fixture(autouse=True)
def _asked_anew() -> Iterator[None]:
    processor._flags.cache_clear()
    yield
    processor._flags.cache_clear()


@pytest.mark.parametrize(
    ("flags", "int8", "bf16"),
    [
        ("flags : fpu avx512_vnni avx512_bf16\nflags : fpu", True, True),
        ("processor : 0\nflags\t\t: fpu amx_int8", True, False),
        ("flags : fpu avx2 avx512f", False, False),
        ("Features : asimd", False, False),
    ],
)
def test_the_first_line_of_flags_decides(flags: str, int8: bool, bf16: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: flags)
    assert (processor.multiplies_in("int8"), processor.multiplies_in("bf16")) == (int8, bf16)


def test_where_nobody_can_be_asked_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: object, **__: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", nowhere)
    assert not processor.multiplies_in("int8")
