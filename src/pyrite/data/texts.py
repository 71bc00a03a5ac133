"""The tables of texts: corpus and queries, with the keys of copies beside them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

from pyrite.data.batches import pieces
from pyrite.data.records import Document, Query
from pyrite.data.table import Table
from pyrite.data.text import text_key
from pyrite.errors import DataError

__all__ = ["Corpus", "Queries"]

_ROWS = 4096
_S = pa.string()


class _TextTable(Table[Any]):
    """A table of texts, whose rows are looked up by id.

    `save` writes the keys of copies beside the table, since they take longer to compute than all else that a selection
    of negatives does. With them, a selection asks for no text, and the texts of a saved table stay in their file.
    """

    _positions: dict[str, int] | None = None
    _copy_keys: np.ndarray | None = None

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read the table that `save` wrote; errors as in `Table.open`."""
        table = super().open(folder)
        keys = cls.keys_file(folder)
        if keys.is_file():
            table._copy_keys = _read_keys(keys, len(table))
        return table

    def save(self, folder: Path) -> None:
        """Write the table into a folder as `<kind>.parquet`, and its copy keys."""
        super().save(folder)
        self.save_keys(folder)

    def save_keys(self, folder: Path) -> None:
        """Write the copy keys beside the table, where the folder has it already."""
        np.save(self.keys_file(folder), self.copy_keys())

    def copy_keys(self) -> np.ndarray:
        """Return one number for each row; rows with the same number are copies: uint64, shape (rows,)."""
        if self._copy_keys is None:
            parts = (self.part(self.late, rows) for rows in pieces(len(self), _ROWS))
            keys = (key for part in parts for key in self._keys_of(part))
            self._copy_keys = np.fromiter(keys, dtype=np.uint64, count=len(self))
        return self._copy_keys

    @staticmethod
    def _keys_of(part: pa.Table) -> Iterator[int]:
        return map(text_key, part.column("text").to_pylist())

    def position(self, row_id: str) -> int:
        """Return the row of an id.

        Raises:
            DataError: The id is not in the table.
        """
        if self._positions is None:
            self._positions = {key: i for i, key in enumerate(self.ids())}
        try:
            return self._positions[row_id]
        except KeyError:
            raise DataError(f"{self.kind!r} holds no {self.key[0]} {row_id!r}") from None

    def ids(self) -> list[str]:
        """Return the ids in the order of the rows."""
        values: list[str] = self.column(self.key[0]).to_pylist()
        return values

    def __contains__(self, row_id: str) -> bool:
        if self._positions is None:
            self._positions = {key: i for i, key in enumerate(self.ids())}
        return row_id in self._positions

    def select(self, row_ids: list[str]) -> Self:
        """Return the table of these ids, in this order.

        Raises:
            DataError: An id is not in the table.
        """
        rows = pa.array([self.position(row_id) for row_id in row_ids], pa.int64())
        return type(self)(self.arrow.take(rows), self.metadata)


class Corpus(_TextTable):
    """Documents. A row may lack a title or a text, never both."""

    kind, row, key = "corpus", Document, ("doc_id",)
    late = ("text", "title")
    schema = pa.schema([pa.field(name, _S, nullable=False) for name in ("doc_id", "text", "title")])

    @staticmethod
    def _keys_of(part: pa.Table) -> Iterator[int]:
        # Titles do not count beside a text: a passage with another heading is still the same passage.
        pairs = zip(part.column("text").to_pylist(), part.column("title").to_pylist(), strict=True)
        return (text_key(text) or text_key(title, "title") for text, title in pairs)

    def texts(self, rows: range | None = None) -> list[str]:
        """Return what an encoder or an index reads: the title, a space and the text.

        Args:
            rows: Consecutive rows, so that a large corpus need not be held as text: of a saved one, no more is read.
                None for all.
        """
        some = self.arrow if rows is None else self.part(self.late, rows)
        titles, texts = some.column("title").to_pylist(), some.column("text").to_pylist()
        return [f"{title} {text}".strip() if title else text for title, text in zip(titles, texts, strict=True)]


class Queries(_TextTable):
    """Queries, each with an id and a text."""

    kind, row, key = "queries", Query, ("query_id",)
    late = ("text",)
    schema = pa.schema(
        [
            *(pa.field(name, _S, nullable=False) for name in ("query_id", "text", "origin")),
            pa.field("seed_doc_id", _S),
        ]
    )

    def texts(self) -> list[str]:
        """Return the texts in the order of the rows."""
        values: list[str] = self.column("text").to_pylist()
        return values


def _read_keys(path: Path, count: int) -> np.ndarray:
    try:
        keys = np.load(path)
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{path}: damaged, it cannot be read: {error}") from error
    if keys.dtype != np.uint64 or keys.shape != (count,):
        raise DataError(f"{path}: holds {keys.dtype} of shape {keys.shape}, wants one uint64 for each of {count} rows")
    return np.asarray(keys)
