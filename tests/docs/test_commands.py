"""The commands that the documentation shows exist and take the options they are shown with."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from cyclopts import CycloptsError

from pyrite.cli.app import build_app

ROOT = Path(__file__).resolve().parents[2]
TARGETS = set(re.findall(r"^([a-z-]+%?):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def commands(blocks: Sequence[Any], program: str) -> Iterator[list[str]]:
    """Yield the arguments of each call of a program in the shell blocks of a page."""
    for block in blocks:
        if block.info in {"bash", "console"}:
            for line in block.code.replace("\\\n", " ").splitlines():
                words = shlex.split(line.removeprefix("$ "), comments=True)
                if words[:1] == [program]:
                    yield words[1:]


def parses(arguments: list[str]) -> bool:
    """Say whether the command line is one; help and version always are."""
    try:
        build_app(arguments).parse_args(arguments, exit_on_error=False, print_error=False)
    except CycloptsError:
        return False
    return True


def test_pyrite_commands_parse(page: Path, blocks_of: Callable[[Path], Sequence[Any]]) -> None:
    assert [shlex.join(given) for given in commands(blocks_of(page), "pyrite") if not parses(given)] == []


def test_make_targets_exist(page: Path, blocks_of: Callable[[Path], Sequence[Any]]) -> None:
    named = {word for given in commands(blocks_of(page), "make") for word in given if "=" not in word}
    named |= set(re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8")))
    assert {name for name in named if name not in TARGETS and not name.startswith("bench-")} == set()


@pytest.mark.parametrize("arguments", [["run"], ["run", "a.yaml", "--fast"], ["mien"]])
def test_a_command_that_is_none_does_not_parse(arguments: list[str]) -> None:
    assert not parses(arguments)
