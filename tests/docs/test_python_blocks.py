"""The Python of the documentation runs, and gives what it shows.

The blocks of a page run in order and share their names: ```python as a script, ```pycon as a session whose
output is compared. A block marked `no-run` needs a model or a network: it is compiled only.
"""

from __future__ import annotations

import doctest
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def run_script(code: str, line: int, page: Path, names: dict[str, Any], *, compile_only: bool = False) -> None:
    # Blank lines in front make the line numbers of a traceback those of the page.
    compiled = compile("\n" * (line - 1) + code, str(page), "exec")
    if not compile_only:
        exec(compiled, names)


def run_session(code: str, line: int, page: Path, names: dict[str, Any]) -> None:
    session = doctest.DocTestParser().get_doctest(code, names, page.name, str(page), line - 1)
    output: list[str] = []
    failed = doctest.DocTestRunner(optionflags=FLAGS).run(session, out=output.append, clear_globs=False).failed
    names.update(session.globs)
    assert failed == 0, "".join(output)


def test_python_blocks_run(
    page: Path, blocks_of: Callable[[Path], Sequence[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks_of(page):
        language, *flags = block.info.split() or [""]
        if language == "python":
            run_script(block.code, block.line, page, names, compile_only="no-run" in flags)
        elif language == "pycon":
            run_session(block.code, block.line, page, names)


def test_a_session_that_shows_something_else_fails(tmp_path: Path) -> None:
    names: dict[str, Any] = {}
    run_session(">>> value = 1\n>>> value\n1\n", 1, tmp_path, names)
    assert names["value"] == 1
    with pytest.raises(AssertionError, match="Expected:"):
        run_session(">>> value\n2\n", 1, tmp_path, names)


def test_a_block_that_fails_would_be_found(blocks_of: Callable[[Path], Sequence[Any]], tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n```python\nvalue = 1\nassert value == 2\n```\n")
    (block,) = blocks_of(page)
    assert (block.info, block.line, block.code) == ("python", 4, "value = 1\nassert value == 2\n")
