"""The import contracts bite: an import that breaks the picture is found."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINTER = Path(sys.executable).with_name("lint-imports")


def lint(source: Path) -> subprocess.CompletedProcess[str]:
    command = [LINTER, "--config", ROOT / "pyproject.toml", "--no-cache", "--no-logo"]
    environment = os.environ | {"PYTHONPATH": str(source)}
    return subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "src"


def test_the_package_keeps_its_contracts(source: Path) -> None:
    done = lint(source)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "imported", "contract"),
    [
        ("data/text.py", "pyrite.search.topk", "Imports point down"),
        ("mining/audit.py", "pyrite.eval.compare", "siblings never import each other"),
        ("pipeline/key.py", "pyrite.data.records", "Imports point down"),
        ("pipeline/key.py", "pyrite.seeds", "settings and errors alone"),
        ("search/topk.py", "pyrite.testing.tiny", "Imports point down"),
        ("report/text.py", "pyrite.pipeline.key", "Only stages and the command line"),
        ("data/records.py", "pyrite.data.tables", "in a circle"),
    ],
)
def test_an_import_that_breaks_a_contract_is_found(source: Path, module: str, imported: str, contract: str) -> None:
    with (source / "pyrite" / module).open("a", encoding="utf-8") as file:
        file.write(f"\n\ndef _shortcut() -> None:\n    import {imported}\n")
    done = lint(source)
    assert done.returncode != 0
    broken = [line for line in done.stdout.splitlines() if line.endswith("BROKEN")]
    assert any(contract in line for line in broken), done.stdout


def test_a_new_package_wants_its_place(source: Path) -> None:
    (source / "pyrite" / "novelty.py").write_text('"""New."""\n', encoding="utf-8")
    done = lint(source)
    assert done.returncode != 0
    assert "novelty" in done.stdout + done.stderr
