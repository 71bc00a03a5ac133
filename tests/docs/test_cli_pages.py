"""The generated pages of the command line are those that `make docs` would write."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    specification = importlib.util.spec_from_file_location("generate_cli", DOCS / "generate_cli.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_pages_are_up_to_date(generator: ModuleType) -> None:
    stale = [
        name
        for name, content in generator.pages().items()
        if not (DOCS / "cli" / name).is_file() or (DOCS / "cli" / name).read_text(encoding="utf-8") != content
    ]
    assert stale == [], "run `make docs`"


def test_every_command_has_its_section(generator: ModuleType) -> None:
    listed = {
        line.strip().partition(":")[0]
        for paragraph in generator.help_of([])
        if paragraph.startswith(("Pipelines:", "Training files:", "Housekeeping:", "Single stages:"))
        for line in paragraph.splitlines()[1:]
    }
    sections = "\n".join(generator.pages().values())
    assert listed
    assert [name for name in listed if f"## pyrite {name}\n" not in sections] == []
