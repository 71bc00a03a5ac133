"""The Parquet file of a saved table: read whole, in batches, or some columns now and others later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pyrite.errors import DataError

__all__ = ["SavedColumns"]


class SavedColumns:
    """The columns of a file, which stays open: also where it is replaced or deleted, what is read later fits.

    Args:
        path: The file.
        coded: Columns to read as codes into a list of their values.

    Raises:
        DataError: There is no such file, or it is damaged.
    """

    def __init__(self, path: Path, coded: Sequence[str] = ()) -> None:
        self.path = path
        if not path.is_file():
            raise DataError(f"{path.parent}: holds no table of the kind {path.stem!r} ({path.name})")
        with self._readable():
            self._file = pq.ParquetFile(path, read_dictionary=list(coded))
            groups = self._file.metadata
            sizes = [groups.row_group(number).num_rows for number in range(groups.num_row_groups)]
        self._stops = np.cumsum(sizes, dtype=np.int64)
        self._last: tuple[object, pa.Table] | None = None

    @property
    def schema(self) -> pa.Schema:
        """The columns' names and types, and the file's metadata."""
        return self._file.schema_arrow

    def read(self, names: Sequence[str]) -> pa.Table:
        """Read some columns.

        Raises:
            DataError: They are damaged.
        """
        with self._readable():
            return self._file.read(list(names))

    def read_rows(self, names: Sequence[str], rows: range) -> pa.Table:
        """Read some columns of consecutive rows.

        The groups of rows that they lie in are decoded whole, and kept until others are: rows are best read in order.

        Raises:
            DataError: They are damaged.
        """
        first = int(np.searchsorted(self._stops, rows.start, side="right"))
        stop = int(np.searchsorted(self._stops, rows.stop, side="left")) + 1
        groups = list(range(first, min(stop, len(self._stops))))
        wanted = (tuple(names), tuple(groups))
        last, self._last = self._last, None
        if last is None or last[0] != wanted:
            # Let go of before others are read, so that both are not in memory.
            last = None
            with self._readable():
                last = (wanted, self._file.read_row_groups(groups, list(names), use_threads=False))
        self._last = last
        before = int(self._stops[first - 1]) if first else 0
        return last[1].slice(rows.start - before, len(rows))

    def batches(self, rows: int) -> Iterator[pa.RecordBatch]:
        """Read all columns, some rows at a time.

        Raises:
            DataError: They are damaged.
        """
        with self._readable():
            yield from self._file.iter_batches(batch_size=rows)

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, OSError) as error:
            raise DataError(f"{self.path}: damaged, it cannot be read as Parquet: {error}") from error
