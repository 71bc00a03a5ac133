"""What the documentation shows runs, and gives what it shows.

The blocks of a page run in order, in one empty folder: ```python as a script, ```pycon as a session whose output is
compared, both in one namespace. A note before a block (see `conftest.Block`) says more.
"""

from __future__ import annotations

import doctest
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def run_script(block: Any, page: Path, names: dict[str, Any]) -> None:
    # Blank lines in front make the line numbers of a traceback those of the page.
    compiled = compile("\n" * (block.line - 1) + block.code, str(page), "exec")
    if block.note != "compile only":
        exec(compiled, names)


def run_session(block: Any, page: Path, names: dict[str, Any]) -> None:
    session = doctest.DocTestParser().get_doctest(block.code, names, page.name, str(page), block.line - 1)
    output: list[str] = []
    failed = doctest.DocTestRunner(optionflags=FLAGS).run(session, out=output.append, clear_globs=False).failed
    names.update(session.globs)
    assert failed == 0, "".join(output)


def run_shell(code: str) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = ["bash", "-euo", "pipefail", "-c", code]
    done = subprocess.run(command, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def run_block(block: Any, page: Path, names: dict[str, Any]) -> None:
    if block.note.startswith("file: "):
        file = Path(block.note.removeprefix("file: "))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.code, encoding="utf-8")
    elif block.info == "python":
        run_script(block, page, names)
    elif block.info == "pycon":
        run_session(block, page, names)
    elif block.note == "run":
        run_shell(block.code)


def run_page(page: Path, blocks: Sequence[Any]) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks:
        run_block(block, page, names)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYRITE_STORE", raising=False)


def test_the_blocks_of_a_page_run(page: Path, blocks_of: Callable[[Path], Sequence[Any]]) -> None:
    run_page(page, blocks_of(page))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("```python\nassert 1 == 2\n```\n", AssertionError),
        ("<!-- compile only -->\n```python\n1 +\n```\n", SyntaxError),
        ("```pycon\n>>> 1\n2\n```\n", AssertionError),
        ("<!-- run -->\n```bash\nfalse\ntrue\n```\n", AssertionError),
        ("```python\nname = 1\n```\n\n```pycon\n>>> name\n2\n```\n", AssertionError),
        (
            "<!-- file: a/b.txt -->\n```text\nhere\n```\n\n<!-- run -->\n```bash\ngrep there a/b.txt\n```\n",
            AssertionError,
        ),
    ],
)
def test_a_block_that_fails_is_found(
    text: str, error: type[Exception], blocks_of: Callable[[Path], Sequence[Any]], tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Title\n\n{text}")
    with pytest.raises(error):
        run_page(page, blocks_of(page))


def test_a_block_knows_its_note_and_its_line(blocks_of: Callable[[Path], Sequence[Any]], tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n<!-- run -->\n\n```bash\nls\n```\n\nText.\n\n```python\nvalue = 1\n```\n")
    assert [tuple(block) for block in blocks_of(page)] == [
        ("bash", "run", 6, "ls\n"),
        ("python", "", 12, "value = 1\n"),
    ]


def test_every_note_means_something(page: Path, blocks_of: Callable[[Path], Sequence[Any]]) -> None:
    known = {"run", "compile only"}
    notes = [block.note for block in blocks_of(page) if block.note]
    assert [note for note in notes if note not in known and not note.startswith(("file: ", "settings of "))] == []
