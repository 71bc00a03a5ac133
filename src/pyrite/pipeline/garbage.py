"""What the store holds that no run and no pipeline file reaches any more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pyrite.pipeline.files import size_of
from pyrite.pipeline.store import Entry, Store

__all__ = ["Garbage", "collect_garbage", "find_garbage"]


@dataclass(frozen=True)
class Garbage:
    """What would go.

    Attributes:
        entries: Steps with their sizes in bytes.
        work: Keys of what killed steps left behind, with the sizes in bytes.
        shared: Files that steps shared and that none has a link to, with the sizes in bytes.
        curves: Folders in which trackers wrote of steps that are not kept, with the sizes in bytes.
    """

    entries: tuple[tuple[Entry, int], ...]
    work: tuple[tuple[str, int], ...]
    shared: tuple[tuple[Path, int], ...] = ()
    curves: tuple[tuple[Path, int], ...] = ()

    @property
    def size(self) -> int:
        """Return the size of all, in bytes."""
        return sum(size for _, size in (*self.entries, *self.work, *self.shared, *self.curves))


def find_garbage(store: Store, keep: Iterable[str]) -> Garbage:
    """Return what neither a kept step is nor one that it was made from.

    Args:
        store: The store.
        keep: Keys of steps to keep, whether they are in the store yet or not.

    Raises:
        StoreError: The manifest of a kept step is damaged, so that nobody knows what it needs.
    """
    entries = {entry.key: entry for entry in store.entries()}
    kept = _reach(entries, keep)
    unreached = tuple((entry, entry.size()) for key, entry in entries.items() if key not in kept)
    stale = [key for key in store.unfinished() if key not in kept or key in entries]
    work = tuple((key, store.work_size(key)) for key in stale)
    shared, curves = (
        tuple((path, size_of(path)) for path in paths) for paths in (store.unlinked(), store.stale_curves(kept))
    )
    return Garbage(unreached, work, shared, curves)


def collect_garbage(store: Store, garbage: Garbage) -> None:
    """Delete what was found, and shared files that nothing has a link to any more then.

    Raises:
        StoreError: A process is at work on one of the steps; those before it are gone.
    """
    for entry, _ in garbage.entries:
        store.remove(entry)
    for key, _ in garbage.work:
        store.clear_work(key)
    for folder, _ in garbage.curves:
        store.remove_curves(folder)
    for path in store.unlinked():
        path.unlink(missing_ok=True)


def _reach(entries: dict[str, Entry], keep: Iterable[str]) -> set[str]:
    reached: set[str] = set()
    waiting = list(keep)
    while waiting:
        key = waiting.pop()
        if key not in reached:
            reached.add(key)
            waiting += [source.key for source in entries[key].manifest.sources().values()] if key in entries else []
    return reached
