"""The pipelines of the examples, the studies and the documentation are valid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from pyrite.pipeline.definition import read_pipeline
from pyrite.settings import parse_settings
from pyrite.stages import CATALOG

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted([*ROOT.glob("examples/*.yaml"), *ROOT.glob("studies/**/*.yaml")])


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_an_example_is_valid(file: Path) -> None:
    assert read_pipeline(file, CATALOG).steps


def test_there_are_examples() -> None:
    assert {"demo.yaml", "scifact.yaml"} <= {file.name for file in EXAMPLES}


def test_the_yaml_of_a_page_is_valid(page: Path, blocks_of: Callable[[Path], Sequence[Any]], tmp_path: Path) -> None:
    """Each block is a whole pipeline, or the settings of the stage that the note before it names."""
    for block in blocks_of(page):
        if block.info != "yaml":
            continue
        where = f"{page.name}:{block.line}"
        kind = block.note.removeprefix("settings of ")
        if kind != block.note:
            parse_settings(CATALOG[kind].settings, yaml.safe_load(block.code), where)
        else:
            file = tmp_path / f"{page.stem}-{block.line}.yaml"
            file.write_text(block.code, encoding="utf-8")
            assert read_pipeline(file, CATALOG).steps, where
