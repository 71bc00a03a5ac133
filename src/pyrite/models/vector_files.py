"""Read vectors that were made elsewhere, with the ids of their texts, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyrite.errors import DataError
from pyrite.models.settings import VectorFiles

__all__ = ["VectorBlock", "read_vectors"]

_ROWS = 16_384


@dataclass(frozen=True, slots=True)
class VectorBlock:
    """Some rows of a file.

    Attributes:
        start: The number of the first row, from 0.
        ids: The id of each row.
        vectors: float32, shape (rows, dimension).
    """

    start: int
    ids: list[str]
    vectors: np.ndarray


def read_vectors(files: VectorFiles) -> Iterator[VectorBlock]:
    """Yield the rows of vector files, a block at a time: numpy's file through a memory map, Parquet as a stream.

    Raises:
        DataError: A file is missing, is of another kind than its name says, or its ids and vectors do not go together.
    """
    if not files.vectors.is_file():
        raise DataError(f"{files.vectors}: no such file; wants vectors as .npy or .parquet")
    if files.vectors.suffix == ".npy":
        yield from _read_npy(files.vectors, files.ids)
    elif files.vectors.suffix == ".parquet":
        if files.ids is not None:
            raise DataError(f"{files.ids}: a Parquet file holds its ids itself (id_column); leave ids out")
        yield from _read_parquet(files)
    else:
        raise DataError(f"{files.vectors}: wants a name that ends in .npy or .parquet")


def _read_npy(path: Path, ids_path: Path | None) -> Iterator[VectorBlock]:
    if ids_path is None:
        raise DataError(f"{path}: wants a file of ids beside it (ids), one a line in the order of the rows")
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{path}: not a file in numpy's format ({error})") from error
    if rows.ndim != 2 or rows.dtype.kind != "f":
        raise DataError(f"{path}: holds {rows.dtype} of shape {rows.shape}; wants floats of shape (texts, dimension)")
    try:
        ids = ids_path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{ids_path}: cannot be read as UTF-8 text ({error})") from error
    if len(ids) != len(rows):
        raise DataError(f"{ids_path}: holds {len(ids)} ids; {path} holds {len(rows)} vectors")
    for start in range(0, len(rows), _ROWS):
        stop = start + _ROWS
        with np.errstate(over="ignore"):
            yield VectorBlock(start, ids[start:stop], np.asarray(rows[start:stop], dtype=np.float32))


def _read_parquet(files: VectorFiles) -> Iterator[VectorBlock]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [files.id_column, files.vector_column]
    try:
        source = pq.ParquetFile(files.vectors)
        missing = [name for name in columns if name not in source.schema_arrow.names]
        if missing:
            raise DataError(f"{files.vectors}: lacks the column {missing[0]!r}; it has: {source.schema_arrow.names}")
        start = 0
        for batch in source.iter_batches(_ROWS, columns=columns):
            ids, vectors = (batch.column(name) for name in columns)
            yield VectorBlock(start, ids.cast(pa.string()).to_pylist(), _matrix(vectors, f"{files.vectors}", start))
            start += len(batch)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{files.vectors}: cannot be read as ids and vectors ({error})") from error


def _matrix(column: Any, where: str, start: int) -> np.ndarray:
    """Return a column of lists as float32, shape (rows, dimension)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not (
        pa.types.is_list(column.type) or pa.types.is_large_list(column.type) or pa.types.is_fixed_size_list(column.type)
    ):
        raise DataError(f"{where}: the column of vectors holds {column.type}; wants lists of numbers")
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    if len(lengths) == 0:
        return np.zeros((0, 0), dtype=np.float32)
    odd = np.flatnonzero((lengths != lengths[0]) | (lengths == 0))
    if len(odd):
        row = odd[0]
        raise DataError(f"{where}: row {start + row}: {lengths[row]} components, where row {start} has {lengths[0]}")
    values = pc.cast(column.flatten(), pa.float32(), safe=False).to_numpy(zero_copy_only=False)
    return np.asarray(values, dtype=np.float32).reshape(len(column), -1)
