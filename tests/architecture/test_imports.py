"""What importing costs: nobody waits for torch who only asks for help."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "bm25s", "datasets", "datasketch", "faiss", "ir_measures", "matplotlib", "numba", "openai", "scipy",
    "sentence_transformers", "sklearn", "torch", "transformers", "wordllama",
}  # fmt: skip
ONLY_WITH_DATA = {"numpy", "pandas", "pyarrow"}
REPORT = "import sys, json; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
SECONDS = "import time; start = time.perf_counter(); import pyrite; print(time.perf_counter() - start)"


def loaded_by(statement: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", f"{statement}\n{REPORT}"], check=True, capture_output=True, text=True)
    return set(json.loads(done.stdout))


def test_the_package_loads_nothing_heavy() -> None:
    assert loaded_by("import pyrite") & (HEAVY | ONLY_WITH_DATA) == set()


def test_the_package_imports_in_under_a_fifth_of_a_second() -> None:
    runs = [
        float(subprocess.run([sys.executable, "-c", SECONDS], check=True, capture_output=True, text=True).stdout)
        for _ in range(3)
    ]
    assert min(runs) < 0.2


def test_the_command_line_loads_nothing_heavy() -> None:
    assert loaded_by("import pyrite.cli") & (HEAVY | ONLY_WITH_DATA) == set()


@pytest.mark.parametrize(
    "package", ["data", "metrics", "models", "search", "mining", "train", "eval", "report", "compat"]
)
def test_a_library_package_loads_no_heavy_library(package: str) -> None:
    assert loaded_by(f"import pyrite.{package}") & HEAVY == set()


def test_no_stage_loads_a_heavy_library() -> None:
    assert loaded_by("from pyrite.stages import CATALOG\nfor kind in CATALOG: CATALOG[kind]") & HEAVY == set()
