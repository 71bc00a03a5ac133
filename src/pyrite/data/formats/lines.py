"""Files read line by line, every fault noted at its line before anything is raised.

A reader makes a list of problems, hands it to the functions here, notes more through
`Line.fault`, and calls `raise_problems` when the last file is read.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, cast

from pyrite.errors import DataError, Problem

__all__ = ["Line", "describe", "json_line", "raise_problems", "read_lines", "read_objects", "write_lines"]

_JSON_NAMES = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}


@dataclass(slots=True)
class Line:
    """One line of a text file, or one row of a table file.

    Attributes:
        where: The file.
        number: From 1; blank lines count.
        text: The line without its end; empty for a row of a table file.
        problems: Where its faults are noted.
        valid: Whether it has had none so far.
    """

    where: str
    number: int
    text: str = field(repr=False)
    problems: list[Problem] = field(repr=False)
    valid: bool = True

    def fault(self, what: str) -> None:
        """Note a fault of this line."""
        self.problems.append(Problem(self.where, self.number, what))
        self.valid = False


def read_lines(path: Path, problems: list[Problem]) -> Iterator[Line]:
    r"""Yield the lines of a UTF-8 file that are not blank, holding one in memory at a time.

    A name that ends in `.gz` is unpacked. A byte-order mark and Windows line ends are taken off. Only `\n`
    ends a line: texts may hold the other separators of Unicode. A line that is not UTF-8 is
    noted and left out, and so is the rest of a file that cannot be read to its end.
    """
    number = 0
    try:
        with _open(path) as stream:
            for number, data in enumerate(stream, start=1):
                line = Line(str(path), number, "", problems)
                _decode(line, data)
                if line.valid and line.text.strip():
                    yield line
    except FileNotFoundError:
        problems.append(Problem(str(path), None, "there is no such file"))
    except (OSError, EOFError, zlib.error) as error:
        problems.append(Problem(str(path), None, f"cannot be read beyond line {number}: {error}"))


def _open(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast("BinaryIO", gzip.open(path, "rb"))
    return path.open("rb")


def _decode(line: Line, data: bytes) -> None:
    try:
        text = data.decode("utf-8-sig" if line.number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        line.fault(f"not UTF-8: byte 0x{data[error.start]:02x} in position {error.start + 1} of the line")
    else:
        line.text = text.removesuffix("\n").removesuffix("\r")


def read_objects(path: Path, problems: list[Problem]) -> Iterator[tuple[Line, dict[str, Any]]]:
    """Yield the JSON objects of a JSONL file with their lines; what is no object is noted and left out."""
    for line in read_lines(path, problems):
        value = _parse(line)
        if isinstance(value, dict):
            yield line, value
        elif line.valid:
            line.fault(f"{describe(value)}, wants a JSON object")


def _parse(line: Line) -> Any:
    try:
        value = json.loads(line.text, parse_constant=_refuse_constant)
        # Only an escape can smuggle half a surrogate pair into a UTF-8 file, and no table can hold it.
        if "\\ud" in line.text.lower():
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        line.fault(f"broken JSON: {error.msg} in column {error.colno}")
    except UnicodeEncodeError:
        line.fault("broken JSON: an escape stands for half a surrogate pair")
    except RecursionError:
        line.fault("broken JSON: nested too deeply")
    except ValueError as error:
        line.fault(f"broken JSON: {error}")
    else:
        return value
    return None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def describe(value: object) -> str:
    """Return what JSON calls a value.

    Example:
        >>> describe([1]), describe(None)
        ('a list', 'null')
    """
    return _JSON_NAMES.get(type(value), f"a {type(value).__name__}")


def raise_problems(problems: Sequence[Problem], what: str) -> None:
    """Raise one DataError for all problems of an input, or return where there are none.

    Args:
        problems: Everything that was found.
        what: What to call the input, such as "the run r.trec".

    Raises:
        DataError: There is at least one problem.
    """
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise DataError(f"{count} in {what}", problems)


def write_lines(path: Path, lines: Iterable[str]) -> int:
    r"""Write lines as UTF-8, each ended by `\n` on every system, and return how many.

    A name that ends in `.gz` is packed; the same lines give the same bytes, without a name or a time inside.
    """
    count = 0
    with path.open("wb") as stream:
        packed = gzip.GzipFile(filename="", fileobj=stream, mode="wb", mtime=0) if path.suffix == ".gz" else None
        with packed or nullcontext(stream) as target:
            for line in lines:
                target.write(f"{line}\n".encode())
                count += 1
    return count


def json_line(record: dict[str, Any]) -> str:
    """Return a record as one line of a JSONL file, its keys in their order and its letters unescaped."""
    return json.dumps(record, ensure_ascii=False, allow_nan=False)
