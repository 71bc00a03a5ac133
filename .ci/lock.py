"""Write requirements.lock: exact versions of all that demo, tests, checks and docs need.

pip resolves without installing (`--dry-run --report`), so that its own indexes, links and
constraints hold; see docs/decisions/0002-lock-file.md. Local versions ("+cpu") are left out,
because they name a build that one index has and another has not.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
EXTRAS = ("cpu", "demo", "dev", "llm", "lora")
PINNED = ("torch==2.13.0",)
"""Held back to a version whose CPU build every index used here has."""
HEAD = """\
# Written by `make lock` from pyproject.toml, extras {extras}, on Python {python}. Do not edit.
# torch: the Linux wheels on PyPI carry CUDA, gigabytes of it. For the CPU build, before `make`:
#   export PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
"""


def requirements() -> list[str]:
    """Return what pyproject.toml asks for: the base dependencies and those of the extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    return [*project["dependencies"], *(line for extra in EXTRAS for line in extras[extra]), *PINNED]


def resolve(wanted: list[str]) -> dict[str, str]:
    """Return {name: version} of these packages and everything that they need."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-"]
    report = json.loads(subprocess.run([*command, *wanted], check=True, stdout=subprocess.PIPE, text=True).stdout)
    found = [item["metadata"] for item in report["install"]]
    versions = {item["name"]: item["version"].split("+")[0] for item in found}
    if cuda := [name for name in versions if name.startswith("nvidia-")]:
        sys.exit(f"pip chose a CUDA build of torch ({len(cuda)} nvidia packages); see the head of {LOCK.name}")
    return versions


def main() -> None:
    """Write the lock."""
    versions = resolve(requirements())
    lines = [f"{name}=={versions[name]}\n" for name in sorted(versions, key=str.lower)]
    python = ".".join(map(str, sys.version_info[:2]))
    LOCK.write_text(HEAD.format(extras=", ".join(EXTRAS), python=python) + "".join(lines), encoding="utf-8")
    print(f"{LOCK.name}: {len(lines)} packages")


if __name__ == "__main__":
    main()
