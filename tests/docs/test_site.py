"""The site builds without a warning, and holds what the pages say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_no_page_shows_markup_as_text(site: Path) -> None:
    pages = list(site.rglob("index.html"))
    assert len(pages) > 15
    raw = {}
    for page in pages:
        shown = re.sub(r"<(script|pre|code)\b.*?</\1>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        if found := re.findall(r"```|~~~|^\||&lt;!--|\]\([a-z./-]+\.md", shown, re.MULTILINE):
            raw[page.parent.name] = found
    assert raw == {}


def test_every_page_is_in_the_navigation(site: Path) -> None:
    home = (site / "index.html").read_text(encoding="utf-8")
    pages = [page.parent.relative_to(site).as_posix() for page in site.rglob("index.html") if page.parent != site]
    assert [page for page in pages if f'href="{page}/"' not in home] == []
