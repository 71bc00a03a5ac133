"""What stages hand to each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

__all__ = ["Artifact", "is_artifact_class"]

_METHODS = ("open", "save", "fingerprint", "summary")


@runtime_checkable
class Artifact(Protocol):
    """A value that a folder can hold: a table, an index, a model, a report.

    Any class with these members is one; nothing needs to inherit.
    """

    kind: ClassVar[str]

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        ...

    def save(self, folder: Path) -> None:
        """Write everything into an existing, empty folder."""
        ...

    def fingerprint(self) -> str:
        """Return a hash of the content (rows, tensors), which no file's time or layout changes."""
        ...

    def summary(self) -> dict[str, Any]:
        """Return what a manifest says of it, such as the number of rows, as JSON values."""
        ...


def is_artifact_class(value: object) -> bool:
    """Return whether a value is a class whose instances are artifacts.

    Example:
        >>> is_artifact_class(dict)
        False
    """
    return (
        isinstance(value, type)
        and isinstance(getattr(value, "kind", None), str)
        and all(callable(getattr(value, name, None)) for name in _METHODS)
    )
