"""The built wheel, installed away from the source tree, holds all that it needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import pyrite

ROOT = Path(__file__).resolve().parents[2]


def checked(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    checked(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into a new environment that sees this one's packages, Pyrite apart.

    A path file adds a folder but not the path files inside it, so that the editable
    installation of this environment stays invisible.
    """
    folder = tmp_path_factory.mktemp("fresh")
    checked(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    (site,) = folder.glob("lib/python3*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    interpreter = folder / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", interpreter, "install", "--quiet", "--no-deps", "--no-index"]
    checked(*command, "--force-reinstall", wheel, cwd=folder)
    return interpreter


def test_the_wheel_holds_the_package_and_its_data(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    source = ROOT / "src"
    wanted = {
        path.relative_to(source).as_posix()
        for path in (source / "pyrite").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }
    assert wanted <= inside
    assert {"pyrite/py.typed", "pyrite/examples/demo.yaml"} <= inside
    assert any(name.startswith("pyrite/report/templates/") for name in inside)


def test_the_wheel_holds_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"pyrite", f"pyrite-{pyrite.__version__}.dist-info"}
    assert [name for name in names if "__pycache__" in name] == []
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_packaged_demo_is_the_example(wheel: Path) -> None:
    packaged = zipfile.ZipFile(wheel).read("pyrite/examples/demo.yaml")
    assert packaged == (ROOT / "examples" / "demo.yaml").read_bytes()


def test_the_installed_package_is_the_wheel(python: Path, tmp_path: Path) -> None:
    where = checked(python, "-c", "import pyrite; print(pyrite.__file__)", cwd=tmp_path).stdout.strip()
    assert Path(where).is_relative_to(python.parents[1])


def test_the_command_works_in_any_folder(python: Path, tmp_path: Path) -> None:
    command = python.parent / "pyrite"
    assert pyrite.__version__ in checked(command, "--version", cwd=tmp_path).stdout
    stages = json.loads(checked(command, "stages", "--json", cwd=tmp_path).stdout)
    assert {"load", "mine", "train", "report"} <= set(stages)
    demo = python.parents[1].glob("lib/python3*/site-packages/pyrite/examples/demo.yaml")
    checked(command, "validate", next(demo), cwd=tmp_path)
