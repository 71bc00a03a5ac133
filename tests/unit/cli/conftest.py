"""The command line on stages that add numbers, in a working directory of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pyrite.cli import main
from pyrite.stages import CATALOG

STAGES = Path(__file__).resolve().parents[2] / "pipeline"
sys.path.insert(0, str(STAGES))

import number_stages as ns  # noqa: E402


class Answer(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Return standard output, read as JSON."""
        return json.loads(self.out)


@pytest.fixture
def pyrite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Answer]:
    """Run a command line in an empty folder that holds `numbers.yaml`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYRITE_STORE", raising=False)
    monkeypatch.setenv("NUMBERS_LOG", str(tmp_path / "log.txt"))
    monkeypatch.setattr(CATALOG, "_places", ns.PLACES)
    monkeypatch.setattr(CATALOG, "_summaries", {})
    monkeypatch.setattr(CATALOG, "_loaded", {})
    (tmp_path / "numbers.yaml").write_text(ns.PIPELINE)

    def call(*arguments: str) -> Answer:
        capsys.readouterr()
        code = main(arguments)
        return Answer(code, *capsys.readouterr())

    return call
