"""Files that a command writes where its user wants them."""

from __future__ import annotations

from pathlib import Path

from pyrite.errors import SettingsError

__all__ = ["check_page", "write_page"]


def check_page(path: Path | None, option: str = "--report") -> None:
    """Refuse a file that cannot be written before the work that it would waste.

    Raises:
        SettingsError: Its folder is not there.
    """
    if path is not None and not path.parent.is_dir():
        raise SettingsError(f"{option}: no such folder: {path.parent}; make it first")


def write_page(path: Path, page: str) -> None:
    """Write a file whole or not at all: a disk that is full leaves an older one as it was."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.write_text(page, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
