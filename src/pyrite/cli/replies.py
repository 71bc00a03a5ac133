"""What a command answers: a text for people, or JSON for programs, on standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pyrite.settings import Json

__all__ = ["Reply", "table"]


@dataclass(frozen=True)
class Reply:
    """The answer of a command.

    Attributes:
        text: For people.
        data: The same for programs.
        as_json: Which of the two is wanted.
        code: The exit code of the process.
    """

    text: str
    data: Json
    as_json: bool
    code: int = 0

    def write(self) -> None:
        """Write the answer to standard output."""
        text = json.dumps(self.data, indent=2, ensure_ascii=False) if self.as_json else self.text
        sys.stdout.write(text + "\n" if text else "")
        sys.stdout.flush()


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table with aligned columns.

    Example:
        >>> print(table(["step", "key"], [["data", "3f9a"]]))
        step  key
        data  3f9a
    """
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
