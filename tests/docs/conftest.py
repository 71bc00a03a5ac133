"""Read the project's Markdown pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
NOTE = re.compile(r"<!-- (.+?) -->\s*")


class Block(NamedTuple):
    """A fenced block.

    `note` is the comment right before it, which says what to do with it (MkDocs would take words behind the language
    for text): "file: NAME" to write it where the page's later blocks find it, "run" to run shell commands, "compile
    only" for Python that needs a network, "settings of STAGE" for YAML that is not a whole pipeline.
    """

    info: str
    note: str
    line: int
    code: str


def pages() -> list[Path]:
    """Return the pages that are documentation."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def blocks(path: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page with the line of their first line of code."""
    note = ""
    for token in MarkdownIt().parse(path.read_text(encoding="utf-8")):
        if token.type == "fence" and token.map:
            yield Block(token.info.strip(), note, token.map[0] + 2, token.content)
        found = NOTE.fullmatch(token.content) if token.type == "html_block" else None
        note = found[1] if found else ""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for `page` once for each page."""
    if "page" in metafunc.fixturenames:
        found = pages()
        metafunc.parametrize("page", found, ids=[path.relative_to(ROOT).as_posix() for path in found])


@pytest.fixture(scope="session")
def blocks_of() -> Callable[[Path], list[Block]]:
    """Give a function that returns the fenced blocks of a page."""
    return lambda path: list(blocks(path))
