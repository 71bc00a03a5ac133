"""One process at a time: advisory locks on files, released by the system when a process dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pyrite.errors import StoreError

__all__ = ["exclusive", "is_locked"]


@contextmanager
def exclusive(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold a lock; the file of its name lives as long as the lock is held or waited for.

    Args:
        path: The lock file; its folder exists.
        waiting: Called once before the first wait. Without it, a lock that another process holds is an error.

    Raises:
        StoreError: Another process holds the lock, and `waiting` is None.
    """
    descriptor = _acquire(path, waiting)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Return whether another process, or another part of this one, holds a lock now."""
    if not path.exists():
        return False
    try:
        with exclusive(path):
            return False
    except StoreError:
        return True


def _acquire(path: Path, waiting: Callable[[], None] | None) -> int:
    """Lock the file that has the name now: the holder before us removes the one that we may have waited for."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(descriptor, path, waiting)
            if _is_current(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int, path: Path, waiting: Callable[[], None] | None) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if waiting is None:
            raise StoreError(f"{path}: another process is at work here; try again when it has finished") from None
        waiting()
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _is_current(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
