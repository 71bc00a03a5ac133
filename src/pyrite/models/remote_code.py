"""Code that comes with a model: it runs only where someone asked for it, and only as it was then."""

from __future__ import annotations

import json
from pathlib import Path

from pyrite.errors import ModelError
from pyrite.settings import content_hash

__all__ = ["allow_code", "check_pinned", "code_allowed"]

_MARK = "allowed_code.json"


def check_pinned(model: str, revision: str | None, *, trust: bool, local: bool) -> None:
    """Check that code from the hub is pinned.

    Args:
        model: The name on the hub, or the folder.
        revision: The commit.
        trust: Whether code that comes with the model may run.
        local: Whether the model is a folder.

    Raises:
        ModelError: Code may run, and no revision says which.
    """
    if trust and not local and revision is None:
        raise ModelError(f"{model}: trust_remote_code wants a revision (a commit): code may change under a name")


def allow_code(folder: Path) -> None:
    """Note beside the code of a model folder that it may run, with its hashes; nothing where there is none.

    Only the folder of a model whose settings asked for it gets the note: `code_allowed` takes it as a permission.
    """
    if found := _hashes(folder):
        (folder / _MARK).write_text(json.dumps(found, indent=1))


def code_allowed(folder: Path) -> bool:
    """Say whether `allow_code` was called on a folder, and its code is what it was then."""
    try:
        noted = json.loads((folder / _MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(noted) and noted == _hashes(folder)


def _hashes(folder: Path) -> dict[str, str]:
    return {file.relative_to(folder).as_posix(): content_hash(file) for file in sorted(folder.rglob("*.py"))}
