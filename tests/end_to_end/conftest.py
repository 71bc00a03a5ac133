"""The real stages and the real command line, each test in a working folder of its own."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import small

from pyrite.cli import main


class Answer(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Standard output, read as JSON."""
        return json.loads(self.out)

    def executed(self) -> set[str]:
        """Return the ids of the steps that a run did, and did not find."""
        assert self.code == 0, self.err
        return {step["id"] for step in self.data["steps"] if step["status"] == "executed"}


Command = Callable[..., Answer]


@pytest.fixture
def pyrite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command line in the test's own folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYRITE_STORE", raising=False)

    def call(*arguments: str) -> Answer:
        capsys.readouterr()
        code = main(arguments)
        return Answer(code, *capsys.readouterr())

    return call


@pytest.fixture(scope="session")
def small_inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the small pipeline reads, and the pipeline; only to be copied."""
    folder = tmp_path_factory.mktemp("small")
    small.write_inputs(folder)
    shutil.copy(small.PIPELINE, folder)
    return folder


@pytest.fixture
def small_folder(small_inputs: Path, tmp_path: Path) -> Path:
    """The inputs of the small pipeline in the test's own folder."""
    shutil.copytree(small_inputs, tmp_path, dirs_exist_ok=True)
    return tmp_path
