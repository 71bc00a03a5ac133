"""What a command answers: a text for people, or JSON for programs, on standard output."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TextIO

from pyrite.settings import Json

__all__ = ["Reply", "say", "table"]


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

    def write(self) -> bool:
        """Write the answer to standard output; return False where that refused it."""
        text = json.dumps(self.data, indent=2) if self.as_json else self.text
        return say(sys.stdout, text + "\n" if text else "")


def say(stream: TextIO | None, text: str) -> bool:
    """Write to a stream of the process, which fails nothing: what was done stays done where nobody listens.

    Letters that the stream's encoding lacks are written as escapes.

    Args:
        stream: Standard output or standard error; None where the process was started without it.
        text: What to write.

    Returns:
        False where the stream refused the text, as on a full disk. Whoever closed a pipe has read enough: True.
    """
    if stream is None:
        return True
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except OSError as error:
        # The interpreter would complain once more when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return isinstance(error, BrokenPipeError)
    return True


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
