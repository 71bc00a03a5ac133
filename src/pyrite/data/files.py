"""Files shared without copying, where that is safe."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

__all__ = ["link_file", "link_tree"]


def link_tree(source: Path, target: Path) -> None:
    """Give a folder's files a second name under `target`; copy where hard links cannot be had.

    Only for files that are never changed in place: both names show the same bytes for ever.

    Args:
        source: An existing folder.
        target: Created where missing; files of the same name are replaced.
    """
    shutil.copytree(source, target, copy_function=_link, dirs_exist_ok=True)


def link_file(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where hard links cannot be had; as `link_tree`."""
    target.unlink(missing_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


def _link(source: str, target: str) -> str:
    link_file(Path(source), Path(target))
    return target
