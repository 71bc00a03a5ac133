"""Read the project's Markdown pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]


class Block(NamedTuple):
    """A fenced block: its language and flags, the line of its first line of code, and the code."""

    info: str
    line: int
    code: str


def pages() -> list[Path]:
    """Return the pages that are documentation."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for `page` once for each page."""
    if "page" in metafunc.fixturenames:
        found = pages()
        metafunc.parametrize("page", found, ids=[path.relative_to(ROOT).as_posix() for path in found])


@pytest.fixture(scope="session")
def blocks_of() -> Callable[[Path], list[Block]]:
    """Give a function that returns the fenced blocks of a page."""

    def blocks(path: Path) -> list[Block]:
        tokens = MarkdownIt().parse(path.read_text(encoding="utf-8"))
        return [Block(t.info.strip(), t.map[0] + 2, t.content) for t in tokens if t.type == "fence" and t.map]

    return blocks
