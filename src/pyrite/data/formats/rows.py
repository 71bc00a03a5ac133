"""Files of rows: JSONL, packed or not, and Parquet, told apart by their name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pyrite.data.formats.lines import Line, json_line, read_objects, write_lines
from pyrite.errors import Problem, SettingsError

__all__ = ["check_name", "read_rows", "write_rows"]

_BATCH_ROWS = 1024


def read_rows(path: Path, problems: list[Problem]) -> Iterator[tuple[Line, dict[str, Any]]]:
    """Yield the objects of a JSONL file, or the rows of a name that ends in `.parquet`, with their lines.

    Faults are noted; the line of a Parquet file is its row, from 1.
    """
    return _parquet_rows(path, problems) if path.suffix == ".parquet" else read_objects(path, problems)


def _parquet_rows(path: Path, problems: list[Problem]) -> Iterator[tuple[Line, dict[str, Any]]]:
    try:
        with pq.ParquetFile(path) as file:
            batches = file.iter_batches(batch_size=_BATCH_ROWS)
            rows = (row for batch in batches for row in batch.to_pylist())
            for number, row in enumerate(rows, start=1):
                yield Line(str(path), number, "", problems), row
    except FileNotFoundError:
        problems.append(Problem(str(path), None, "there is no such file"))
    except (pa.ArrowException, OSError) as error:
        problems.append(Problem(str(path), None, f"cannot be read as Parquet: {error}"))


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    """Write one JSON object a line and return how many; a name that ends in `.gz` is packed."""
    return write_lines(path, map(json_line, rows))


def check_name(path: Path, *ends: str) -> None:
    """Check how the name of a file ends.

    Raises:
        SettingsError: It ends in none of the ends, such as ".jsonl".
    """
    if not path.name.endswith(ends):
        raise SettingsError(f"{path.name}: the name of such a training file ends in {' or '.join(ends)}")
