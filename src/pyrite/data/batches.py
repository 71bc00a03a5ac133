"""Records and Python values as Arrow columns, and rows in pieces."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from pyrite.errors import DataError

__all__ = ["BATCH_ROWS", "as_array", "frozen", "pieces", "record_batches"]

BATCH_ROWS = 65_536


def pieces(rows: int, size: int) -> Iterator[range]:
    """Yield ranges that cover all rows in order; one that is empty where there are none.

    Example:
        >>> list(pieces(5, 3))
        [range(0, 3), range(3, 5)]
    """
    for start in range(0, max(rows, 1), size):
        yield range(start, min(start + size, rows))


def frozen(value: Any) -> Any:
    """Return lists as tuples, those inside of them too."""
    return tuple(map(frozen, value)) if isinstance(value, list) else value


def as_array(values: Any, schema: pa.Schema, name: str) -> pa.Array | pa.ChunkedArray:
    """Return values as the column of that name; arrays, and columns that the schema lacks, stay as they are.

    Raises:
        DataError: A value does not fit the column.
    """
    if isinstance(values, pa.Array | pa.ChunkedArray) or name not in schema.names:
        return values
    wanted = schema.field(name).type
    try:
        # Given an integer type, Arrow cuts fractions off in silence; a cast refuses them.
        return pa.array(values).cast(wanted) if pa.types.is_integer(wanted) else pa.array(values, type=wanted)
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise DataError(f"column {name!r}: {error}") from error


def record_batches(kind: str, record: type, schema: pa.Schema, rows: Iterable[Any]) -> Iterator[pa.RecordBatch]:
    """Yield records as batches.

    Args:
        kind: What errors call the table.
        record: The class of the records, a dataclass.
        schema: A column for each of its fields, in order.
        rows: The records.

    Raises:
        DataError: A row is no such record, or a value does not fit its column.
    """
    names = [field.name for field in dataclasses.fields(record)]
    columns: list[list[Any]] = [[] for _ in schema]
    for row in rows:
        if not isinstance(row, record):
            raise DataError(f"a row of a table of kind {kind!r} is a {record.__name__}, not {row!r:.80}")
        for column, name in zip(columns, names, strict=True):
            column.append(getattr(row, name))
        if len(columns[0]) == BATCH_ROWS:
            yield _batch(schema, columns)
            columns = [[] for _ in schema]
    if columns[0]:
        yield _batch(schema, columns)


def _batch(schema: pa.Schema, columns: list[list[Any]]) -> pa.RecordBatch:
    arrays = [as_array(values, schema, field.name) for values, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
