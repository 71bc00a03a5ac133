"""Checkpoints that are either whole or not there."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyrite.errors import ModelError

__all__ = ["Checkpoints", "write_once"]

_MANIFEST = "manifest.json"
_PARTIAL = ".partial"


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The checkpoints of one training, as folders `step-N`.

    A checkpoint is filled under another name. When it is whole, a manifest with the hash of each file is written
    last, everything is flushed to the disk, and one rename puts it in place. A kill in between leaves a folder that
    no one takes for a checkpoint; a file lost or changed afterwards is found by its hash.

    Attributes:
        folder: Holds the checkpoints; made where missing.
        identity: A hash of all that the training depends on.
    """

    folder: Path
    identity: str

    def newest(self) -> Path | None:
        """Return the newest whole checkpoint, and delete what is not whole.

        Raises:
            ModelError: The folder holds checkpoints of another training.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for leftover in self.folder.glob(f"*{_PARTIAL}"):
            shutil.rmtree(leftover)
        for step in sorted(self._steps(), reverse=True):
            manifest = _read_manifest(self.path(step))
            if manifest is None:
                shutil.rmtree(self.path(step))
            elif manifest["identity"] != self.identity:
                raise ModelError(
                    f"{self.folder}: holds checkpoints of another training (other settings, model, prompts or data); "
                    "give another working folder, or delete this one to start anew"
                )
            else:
                return self.path(step)
        return None

    @contextmanager
    def writing(self, step: int) -> Iterator[Path]:
        """Yield an empty folder that becomes the checkpoint of a step when the block ends without an error."""
        partial = self.folder / f"step-{step}{_PARTIAL}"
        partial.mkdir(parents=True)
        yield partial
        self.publish(partial, step)

    def publish(self, filled: Path, step: int) -> None:
        """Make a filled folder of the same file system the checkpoint of a step."""
        files = sorted(file for file in filled.rglob("*") if file.is_file())
        hashes = {file.relative_to(filled).as_posix(): _flush_and_hash(file) for file in files}
        manifest = filled / _MANIFEST
        manifest.write_text(json.dumps({"identity": self.identity, "step": step, "files": hashes}, indent=1))
        _flush_and_hash(manifest)
        _flush_folder(filled)
        filled.rename(self.path(step))
        _flush_folder(self.folder)

    def path(self, step: int) -> Path:
        """Return where the checkpoint of a step lies, or would lie."""
        return self.folder / f"step-{step}"

    def is_whole(self, step: int) -> bool:
        """Say whether the checkpoint of a step is there as it was written."""
        return _read_manifest(self.path(step)) is not None

    def whole(self, step: int) -> Path:
        """Return where the checkpoint of a step lies.

        Raises:
            ModelError: It is lost or damaged.
        """
        if not self.is_whole(step):
            raise ModelError(
                f"{self.path(step)}: the checkpoint of the best epoch was lost or changed while the training went on; "
                "start the same training again: it goes on from an earlier checkpoint, or anew"
            )
        return self.path(step)

    def prune(self, best: int, keep: int = 2) -> None:
        """Delete all checkpoints but the newest ones and the best epoch's.

        Args:
            best: The step of the best epoch's end; 0 where that is the untrained model.
            keep: How many of the newest stay.
        """
        for step in sorted(self._steps(), reverse=True)[keep:]:
            if step != best:
                shutil.rmtree(self.path(step))

    def _steps(self) -> list[int]:
        names = (entry.name.removeprefix("step-") for entry in self.folder.glob("step-*") if entry.is_dir())
        return [int(name) for name in names if name.isdigit()]


def write_once(folder: Path, identity: str, save: Callable[[Path], None]) -> None:
    """Fill a folder, whole or not at all; where it is there and was filled for the same training, leave it.

    Args:
        folder: What to fill; what another training left there is deleted.
        identity: A hash of all that the training depends on.
        save: Fills a folder that is not there yet.
    """
    partial, mark = (folder.with_name(f"{folder.name}{ending}") for ending in (_PARTIAL, ".identity"))
    if folder.is_dir() and mark.is_file() and mark.read_text() == identity:
        return
    mark.unlink(missing_ok=True)
    for old in (folder, partial):
        shutil.rmtree(old, ignore_errors=True)
    save(partial)
    partial.rename(folder)
    # Last, so that a kill before it leaves a folder that is filled again.
    mark.write_text(identity)


def _read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return the manifest of a whole checkpoint, or None where anything is missing or changed."""
    try:
        manifest: dict[str, Any] = json.loads((folder / _MANIFEST).read_text())
        whole = all(_hash(folder / name) == value for name, value in manifest["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return manifest if whole else None


def _hash(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _flush_and_hash(file: Path) -> str:
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
