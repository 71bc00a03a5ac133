"""The pipelines of the examples and of the documentation are valid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pyrite.pipeline.definition import read_pipeline
from pyrite.stages import CATALOG

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.yaml"))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_an_example_is_valid(file: Path) -> None:
    assert read_pipeline(file, CATALOG).steps


def test_there_are_examples() -> None:
    assert {"demo.yaml", "scifact.yaml"} <= {file.name for file in EXAMPLES}


def test_pipelines_of_a_page_are_valid(page: Path, blocks_of: Callable[[Path], Sequence[Any]], tmp_path: Path) -> None:
    for block in blocks_of(page):
        if block.info == "yaml" and block.code.startswith("name:"):
            file = tmp_path / f"{page.stem}-{block.line}.yaml"
            file.write_text(block.code, encoding="utf-8")
            assert read_pipeline(file, CATALOG).steps
