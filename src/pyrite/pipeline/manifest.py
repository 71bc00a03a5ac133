"""What the store notes of each step: enough to explain, to repeat and to verify it."""

from __future__ import annotations

import functools
import os
import platform
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from pyrite.errors import StoreError
from pyrite.pipeline.context import Resources
from pyrite.pipeline.files import write_json
from pyrite.pipeline.key import flat_sources, parse_sources
from pyrite.pipeline.references import StoredOutput
from pyrite.settings import Json

__all__ = ["MANIFEST", "Manifest", "OutputRecord", "describe_environment"]

MANIFEST = "manifest.json"
_FORMAT = 1
_PACKAGES = (
    "pyrite",
    "torch",
    "transformers",
    "sentence-transformers",
    "numpy",
    "pyarrow",
    "bm25s",
    "rank-bm25",
    "PyStemmer",
    "faiss-cpu",
    "faiss-gpu",
    "ir-measures",
    "pydantic",
    "wordllama",
)


@dataclass(frozen=True)
class OutputRecord:
    """What is known of one output.

    Attributes:
        kind: The artifact's kind.
        fingerprint: The hash of its content.
        summary: Numbers of rows and the like.
    """

    kind: str
    fingerprint: str
    summary: dict[str, Any]


@dataclass(frozen=True)
class Manifest:
    """What is known of one step that was done.

    Attributes:
        key: The key of the step.
        step: The id that it had in the pipeline that did it.
        pipeline: The name of that pipeline.
        kind: The stage's kind.
        version: The stage's version.
        settings: The settings as a file would give them, defaults included.
        identity: What the settings mean; this is what entered the key.
        inputs: Where each input came from, as "KIND/KEY.OUTPUT"; a mapping for an input of many.
        outputs: The outputs by name.
        environment: Python, platform, package versions and resources. None of it enters the key.
        seconds: How long the try that finished took.
        created: When it was published: UTC, ISO 8601.
        format: The version of this record.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    key: str
    step: str
    pipeline: str
    kind: str
    version: int
    settings: dict[str, Any]
    identity: Any
    inputs: dict[str, str | dict[str, str]]
    outputs: dict[str, OutputRecord]
    environment: dict[str, Any]
    seconds: float
    created: str
    format: int = _FORMAT

    def write(self, folder: Path) -> None:
        """Write `manifest.json` into a folder."""
        write_json(folder / MANIFEST, self.as_json())

    def as_json(self) -> Json:
        """Return everything, as JSON values."""
        return _adapter().dump_python(self, mode="json")

    def sources(self) -> dict[str, StoredOutput]:
        """Return where each input came from, "INPUT.NAME" for one of many.

        Raises:
            PlanError: The manifest names an input that cannot be.
        """
        return flat_sources(parse_sources(self.inputs))

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the `manifest.json` of a folder.

        Raises:
            StoreError: There is none, or it is damaged or of another format.
        """
        path = folder / MANIFEST
        try:
            manifest = _adapter().validate_json(path.read_bytes())
        except OSError as error:
            raise StoreError(f"{path}: cannot be read ({error.strerror})") from error
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in fault["loc"]) or "the file"
            raise StoreError(
                f"{path}: is damaged or from another version of Pyrite ({place}: {fault['msg']}); "
                f"remove the folder {folder} to have the step done again"
            ) from error
        if manifest.format != _FORMAT:
            raise StoreError(
                f"{path}: has the format {manifest.format}, wants {_FORMAT}; remove the folder {folder} to have the "
                "step done again"
            )
        return manifest


@functools.cache
def _adapter() -> TypeAdapter[Manifest]:
    return TypeAdapter(Manifest)


def describe_environment(resources: Resources) -> dict[str, Any]:
    """Return what a step ran on: interpreter, platform, versions of installed packages, resources."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "device": resources.device,
        "resources": resources.model_dump(mode="json"),
        "packages": dict(_installed()),
    }


@functools.cache
def _installed() -> tuple[tuple[str, str], ...]:
    found = []
    for name in _PACKAGES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return tuple(found)
