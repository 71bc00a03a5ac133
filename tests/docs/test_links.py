"""Every link from one page to another, and to a heading, arrives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token

DOCS = Path(__file__).resolve().parents[2] / "docs"


def walk(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from walk(token.children or [])


def targets(text: str) -> list[str]:
    """Return what a page's links and images point at."""
    found = (token.attrs.get("href") or token.attrs.get("src") for token in walk(MarkdownIt().parse(text)))
    return [str(target) for target in found if target]


def anchors(text: str) -> set[str]:
    """Return the anchors that MkDocs makes of a page's headings."""
    tokens = MarkdownIt().parse(text)
    titles = [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]
    slugs = (re.sub(r"[^\w\s-]", "", title).strip().lower() for title in titles)
    return {re.sub(r"[\s-]+", "-", slug) for slug in slugs}


def test_links_resolve(page: Path) -> None:
    broken = []
    for target in targets(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        file = page if not path else (page.parent / path)
        if not file.exists() or (anchor and anchor not in anchors(file.read_text(encoding="utf-8"))):
            broken.append(target)
    assert broken == []


def test_pages_of_the_site_link_to_pages_of_the_site(page: Path) -> None:
    if not page.is_relative_to(DOCS):
        return
    local = [target for target in targets(page.read_text(encoding="utf-8")) if not re.match(r"[a-z]+:|#", target)]
    outside = [t for t in local if not (page.parent / t.partition("#")[0]).resolve().is_relative_to(DOCS)]
    assert outside == []


def test_a_broken_link_would_be_found(tmp_path: Path) -> None:
    text = "# One heading\n\n[here](#one-heading) [gone](gone.md) ![plot](plot.svg)\n"
    assert targets(text) == ["#one-heading", "gone.md", "plot.svg"]
    assert anchors(text) == {"one-heading"}
