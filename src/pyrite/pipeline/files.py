"""Files that appear whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from pyrite.settings import Json

__all__ = ["clear", "publish", "replace_symlink", "size_of", "sync_tree", "write_json", "write_text"]


def clear(path: Path) -> None:
    """Remove a file or a folder where there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def publish(source: Path, target: Path) -> None:
    """Give a finished file or folder its final name; after a power cut it is there whole or not at all."""
    sync_tree(source)
    source.rename(target)
    _sync(target.parent)


def sync_tree(path: Path) -> None:
    """Wait until a file, or everything in a folder, lies on the disk."""
    if path.is_dir():
        for child in path.iterdir():
            sync_tree(child)
    _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write a text file in one stroke: a reader sees the old one or the new one."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_text(text, encoding="utf-8")
    publish(partial, path)


def write_json(path: Path, value: Json) -> None:
    """Write a JSON file in one stroke."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def replace_symlink(link: Path, target: str) -> None:
    """Point a symbolic link at a target in one stroke; it never points nowhere in between."""
    partial = link.with_name(f".{link.name}.{os.getpid()}.partial")
    clear(partial)
    partial.symlink_to(target)
    partial.rename(link)


def size_of(path: Path) -> int:
    """Return how many bytes a file, or all files of a folder, hold; 0 where nothing is."""
    if path.is_dir() and not path.is_symlink():
        return sum(size_of(child) for child in path.iterdir())
    return path.lstat().st_size if path.exists() else 0
