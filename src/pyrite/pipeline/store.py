"""The store: the outputs of every step that was done, by key; whole or not there.

```
ROOT/<kind>/<key>/manifest.json      what was done
ROOT/<kind>/<key>/<output>/...       each output
ROOT/.work/<key>/work/...            what a step in work keeps across kills
ROOT/.work/<key>/publish/...         a step being published
ROOT/.work/<key>.lock                held by the process at work on the step
ROOT/.shared/<name>/...              files that steps share; see `Context.shared`
ROOT/.curves/<step>/<key>/...        what trackers wrote, by the beginning of the key; see `Context.curves`
```

A folder under `ROOT/<kind>` appears by one rename, with its manifest inside, once everything lies on the disk.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pyrite.errors import MissingExtraError, StoreError
from pyrite.pipeline.artifact import Artifact
from pyrite.pipeline.files import clear, publish, size_of
from pyrite.pipeline.lock import exclusive, is_locked
from pyrite.pipeline.manifest import MANIFEST, Manifest
from pyrite.pipeline.references import StoredOutput
from pyrite.pipeline.text import listing

__all__ = ["Entry", "Store", "Workspace"]

_SHORT = 12


@dataclass(frozen=True)
class Entry:
    """One step in the store.

    Attributes:
        kind: The stage's kind.
        key: The key of the step.
        folder: Where it lies.
    """

    kind: str
    key: str
    folder: Path

    @functools.cached_property
    def manifest(self) -> Manifest:
        """What is known of it, read when it is first asked for."""
        return Manifest.read(self.folder)

    def output(self, name: str) -> Path:
        """Return the folder of an output.

        Raises:
            StoreError: The step has no such output.
        """
        if name not in self.manifest.outputs:
            raise StoreError(
                f"{self.kind}/{self.key[:12]} has no output {name!r}; it has: {listing(self.manifest.outputs)}"
            )
        return self.folder / name

    def size(self) -> int:
        """Return its size on the disk, in bytes."""
        return size_of(self.folder)


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folders of a step in work.

    Attributes:
        key: The key of the step.
        work: What the stage keeps across kills.
        publish: What is about to be published.
    """

    key: str
    work: Path
    publish: Path


class Store:
    """Steps by key in a folder, which is made when something is first put in.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root).expanduser()
        self._work = self.root / ".work"
        self.shared = self.root / ".shared"
        """Where steps share files."""
        self._curves = self.root / ".curves"

    def find(self, kind: str, key: str) -> Entry | None:
        """Return a step that was done, or None; nothing but the presence of its manifest is looked at."""
        folder = self.root / kind / key
        return Entry(kind, key, folder) if (folder / MANIFEST).is_file() else None

    def entries(self) -> Iterator[Entry]:
        """Yield every step in the store, by kind and key."""
        for path in sorted(self.root.glob(f"*/*/{MANIFEST}")):
            folder = path.parent
            if not folder.parent.name.startswith("."):
                yield Entry(folder.parent.name, folder.name, folder)

    def resolve(self, text: str) -> Entry:
        """Return the step that "KIND/KEY" or "KEY" names, where KEY may be the beginning of a key.

        Raises:
            StoreError: There is none, or more than one.
        """
        kind, _, key = text.rpartition("/")
        found = [entry for entry in self.entries() if entry.key.startswith(key) and kind in ("", entry.kind)]
        if len(found) == 1:
            return found[0]
        if not found:
            raise StoreError(
                f"{self.root}: holds nothing named {text!r}; wants KIND/KEY or KEY, or the beginning of one"
            )
        shown = listing(f"{entry.kind}/{entry.key[: len(key) + 8]}" for entry in found[:8])
        raise StoreError(f"{self.root}: {text!r} names {len(found)} steps; give more of the key: {shown}")

    def open_output(self, source: StoredOutput, types: Sequence[type[Artifact]]) -> Artifact:
        """Open an output, by the one of the classes whose kind its manifest names.

        Raises:
            StoreError: It is not there, of another kind, or damaged.
            MissingExtraError: An optional package is needed to open it.
        """
        entry = self.find(source.kind, source.key)
        if entry is None:
            raise StoreError(f"{self.root}: {source} is not in the store")
        folder = entry.output(source.output)
        kind = entry.manifest.outputs[source.output].kind
        for artifact in types:
            if artifact.kind == kind:
                return _open(artifact, folder, entry)
        raise StoreError(f"{source} is of the kind {kind!r}; wants: {listing(artifact.kind for artifact in types)}")

    @contextmanager
    def workspace(self, key: str, waiting: Callable[[], None]) -> Iterator[Workspace]:
        """Hold the folders of a step; no other process holds those of the same key meanwhile.

        Args:
            key: The key of the step.
            waiting: Called once where another process is at work on the step.

        Raises:
            StoreError: The store cannot be written to.
        """
        try:
            self._work.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{self.root}: cannot be written to ({error.strerror}); choose another store") from error
        with exclusive(self._lock_file(key), waiting):
            yield Workspace(key, self._work / key / "work", self._work / key / "publish")

    def publish(self, place: Workspace, manifest: Manifest) -> Entry:
        """Put what lies in `place.publish` into the store: the manifest last, then one rename.

        What the step kept while it was in work stays until `clear_work`.
        """
        manifest.write(place.publish)
        folder = self.root / manifest.kind / manifest.key
        folder.parent.mkdir(exist_ok=True)
        clear(folder)
        publish(place.publish, folder)
        return Entry(manifest.kind, manifest.key, folder)

    def clear_work(self, key: str) -> None:
        """Remove what a step kept while it was in work."""
        shutil.rmtree(self._work / key, ignore_errors=True)

    def tidy(self, key: str) -> None:
        """Remove what a process killed after publishing a step left behind, unless another is at work on it."""
        if self._lock_file(key).exists() or (self._work / key).exists():
            with suppress(StoreError), exclusive(self._lock_file(key)):
                self.clear_work(key)

    def unfinished(self) -> list[str]:
        """Return the keys of steps that left something in work and that no process is at work on."""
        if not self._work.is_dir():
            return []
        keys = sorted({path.name.removesuffix(".lock") for path in self._work.iterdir()})
        return [key for key in keys if not is_locked(self._lock_file(key)) and (self._work / key).is_dir()]

    def work_size(self, key: str) -> int:
        """Return the size on the disk, in bytes, of what a step kept while it was in work."""
        return size_of(self._work / key)

    def unlinked(self) -> list[Path]:
        """Return the files that steps share and that no step has a link to."""
        found = sorted(path for path in self.shared.rglob("*") if path.is_file())
        return [path for path in found if path.stat().st_nlink == 1]

    def curves(self, step: str, key: str) -> Path:
        """Return the folder in which trackers write of a step; its names are short, since people read them.

        Args:
            step: The step's id.
            key: The step's key.
        """
        return self._curves / step / key[:_SHORT]

    def stale_curves(self, kept: Iterable[str]) -> list[Path]:
        """Return the folders of curves of steps that are not among the kept keys and that no process is at work on."""
        working = [path.stem for path in self._work.glob("*.lock") if is_locked(path)]
        needed = {key[:_SHORT] for key in (*kept, *working)}
        return sorted(folder for folder in self._curves.glob("*/*") if folder.is_dir() and folder.name not in needed)

    def remove_curves(self, folder: Path) -> None:
        """Delete a folder of curves, and the one around it once it is empty."""
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            folder.parent.rmdir()

    def remove(self, entry: Entry) -> None:
        """Take a step out: in one stroke, then file by file.

        Raises:
            StoreError: A process is at work on it.
        """
        self._work.mkdir(exist_ok=True)
        with exclusive(self._lock_file(entry.key)):
            doomed = self._work / entry.key / "removed"
            doomed.parent.mkdir(exist_ok=True)
            clear(doomed)
            entry.folder.rename(doomed)
            self.clear_work(entry.key)

    def _lock_file(self, key: str) -> Path:
        return self._work / f"{key}.lock"


def _open(artifact: type[Artifact], folder: Path, entry: Entry) -> Artifact:
    try:
        return artifact.open(folder)
    except MissingExtraError:
        raise
    except Exception as error:  # a damaged file may fail in any way, in any library
        raise StoreError(
            f"{folder}: is damaged, it cannot be opened ({type(error).__name__}: {error}); remove the folder "
            f"{entry.folder} to have the step done again"
        ) from error
