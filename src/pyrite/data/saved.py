"""The Parquet file of a saved table: read whole, in batches, or some columns now and others later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

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
