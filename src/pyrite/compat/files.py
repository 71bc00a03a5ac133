"""Files that appear whole or not at all."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pyrite.errors import SearchError

__all__ = ["writing"]


@contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that gets its name when the block ends well, and is gone when it does not.

    Each writer has a file of its own until then, so that two processes never mix: the second to finish replaces the
    first one's file by an equal one.

    Raises:
        SearchError: The file cannot be written, as when the disk is full.
    """
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
    try:
        with partial.open("xb") as stream:
            yield stream
        partial.replace(path)
    except OSError as error:
        raise SearchError(
            f"{path}: cannot be written ({error}); make room, or give another cache_folder. What was finished is kept"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
