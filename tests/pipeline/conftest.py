"""Fixtures of the engine's tests; their stages lie beside them, where killed processes import them too."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import number_stages as ns
from workbench import Bench

from pyrite.errors import PlanError
from pyrite.pipeline.definition import read_pipeline


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench(tmp_path)
    monkeypatch.setenv("NUMBERS_LOG", str(made.log))
    return made


@pytest.fixture
def faults(tmp_path: Path) -> Callable[[str], list[str]]:
    """Return the faults of a pipeline file, one line each, without the file's folder."""

    def collect(text: str) -> list[str]:
        path = tmp_path / "p.yaml"
        path.write_text(text)
        with pytest.raises(PlanError) as raised:
            read_pipeline(path, ns.CATALOG)
        return [line.strip().removeprefix(f"{tmp_path}/") for line in str(raised.value).splitlines()]

    return collect
