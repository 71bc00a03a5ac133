"""Typed Arrow tables: a fixed, versioned schema, checked on construction, Parquet on disk."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pyrite.data.batches import BATCH_ROWS, as_array, frozen, pieces, record_batches
from pyrite.data.codes import encode, row_codes
from pyrite.data.fingerprint import fingerprint_arrow
from pyrite.data.saved import SavedColumns
from pyrite.errors import DataError, Problem

__all__ = ["Table", "TableWriter"]

Row = TypeVar("Row")
_CODED_ROWS = 1 << 20
_LATE_ROWS = 4096
_DICTIONARY_BYTES = 1 << 24
_META = b"pyrite"


class Table(Generic[Row]):
    """A table of one kind of record.

    A subclass gives `kind`, `version`, `row` (the record class), `schema` and, where rows must be
    unique, `key`. `metadata` holds what belongs to the whole table (a Run's scorer, for instance).
    A large table whose columns repeat the same ids names them in `repeated`: they are held as codes into a
    list of the ids until somebody asks for the strings. Columns named in `late` stay in the file of a saved
    table until somebody asks for one of them, or for some rows of it. `incidental` names metadata that tell how the
    table came about on this machine: they are kept and shown, and enter no fingerprint.

    Args:
        arrow: The columns of the schema, in any order; types are cast where that is safe.
        metadata: Facts about the whole table, as JSON values.

    Raises:
        DataError: A column is missing, unknown or of another type; a value is null where the
            schema forbids it; two rows have the same key.
    """

    kind: ClassVar[str]
    version: ClassVar[int] = 1
    row: ClassVar[type]
    schema: ClassVar[pa.Schema]
    key: ClassVar[tuple[str, ...]] = ()
    repeated: ClassVar[tuple[str, ...]] = ()
    late: ClassVar[tuple[str, ...]] = ()
    incidental: ClassVar[tuple[str, ...]] = ()

    def __init__(self, arrow: pa.Table, metadata: Mapping[str, Any] | None = None) -> None:
        self._set(self._with_codes(self._conform(arrow, self.schema)), metadata)
        self._check_unique()
        self.check()

    def _set(self, columns: pa.Table, metadata: Mapping[str, Any] | None, saved: SavedColumns | None = None) -> None:
        self._held = columns
        self._saved = saved
        self._decoded: pa.Table | None = None
        self._codes: dict[str, tuple[np.ndarray, pa.Array]] = {}
        self.metadata: dict[str, Any] = dict(metadata or {})

    @classmethod
    def of_unique(cls, arrow: pa.Table, metadata: Mapping[str, Any] | None = None) -> Self:
        """Build a table of rows that are known to have different keys: they are not compared again.

        Raises:
            DataError: As in `Table`, equal keys apart.
        """
        table = cls.__new__(cls)
        table._set(cls._conform(arrow, cls._coded_schema()), metadata)
        table.check()
        return table

    @classmethod
    def of_parts(cls, parts: Sequence[Self], metadata: Mapping[str, Any] | None = None) -> Self:
        """Join at least one table whose rows are known to have different keys, also across tables.

        Raises:
            DataError: As in `Table`, equal keys apart.
        """
        joint = pa.concat_tables([part._columns for part in parts])
        return cls.of_unique(joint.unify_dictionaries().combine_chunks(), metadata)

    @property
    def arrow(self) -> pa.Table:
        """The columns, with the types of the schema."""
        if self._decoded is None:
            self._decoded = self._columns.cast(self.schema)
        return self._decoded

    @property
    def _columns(self) -> pa.Table:
        """All columns; those that are still in the file are read."""
        saved = self._saved
        if saved is not None:
            joint = self._held
            late = self._from_file(saved, self.late)
            for field in late.schema:
                joint = joint.append_column(field, late.column(field.name))
            self._held, self._saved = joint.select(self.schema.names), None
        return self._held

    def _column(self, name: str) -> pa.ChunkedArray:
        """One column as it is held, codes where it repeats ids."""
        return (self._columns if name in self.late else self._held).column(name)

    def check(self) -> None:
        """Check what the schema cannot say; subclasses raise DataError."""

    @classmethod
    def from_rows(cls, rows: Iterable[Row], metadata: Mapping[str, Any] | None = None) -> Self:
        """Build a table from records.

        Raises:
            DataError: A row is no record of the table's class, a value does not fit its column, or as in `Table`.
        """
        batches = list(record_batches(cls.kind, cls.row, cls.schema, rows))
        return cls(pa.Table.from_batches(batches, cls.schema), metadata)

    @classmethod
    def from_columns(cls, metadata: Mapping[str, Any] | None = None, **columns: Any) -> Self:
        """Build a table from one sequence or array for each column; one left out that may be empty is empty.

        Raises:
            DataError: A value does not fit its column, the columns differ in length, or as in `Table`.
        """
        arrays = {name: as_array(values, cls.schema, name) for name, values in columns.items()}
        lengths = {name: len(array) for name, array in arrays.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(f"the columns of a table of kind {cls.kind!r} differ in length: {lengths}")
        rows = next(iter(lengths.values()), 0)
        left_out = [field for field in cls.schema if field.nullable and field.name not in arrays]
        return cls(pa.table({**arrays, **{field.name: pa.nulls(rows, field.type) for field in left_out}}), metadata)

    @classmethod
    def empty(cls, metadata: Mapping[str, Any] | None = None) -> Self:
        """Build a table without rows."""
        return cls(cls.schema.empty_table(), metadata)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read the table that `save` wrote.

        Raises:
            DataError: There is none, it is damaged, or it is of another kind or version.
        """
        saved = SavedColumns(cls._file(folder), cls.repeated)
        head = cls._read_head(saved.schema, saved.path)
        cls._check_names(saved.schema.names, cls.schema.names)
        early = [name for name in cls.schema.names if name not in cls.late]
        table = cls.__new__(cls)
        table._set(cls._from_file(saved, early), head["metadata"], saved if cls.late else None)
        if not head.get("unique"):
            table._check_unique()
        table.check()
        return table

    @classmethod
    def _from_file(cls, saved: SavedColumns, names: Sequence[str], rows: range | None = None) -> pa.Table:
        schema = pa.schema([cls._coded_schema().field(name) for name in names])
        read = saved.read(names) if rows is None else saved.read_rows(names, rows)
        return cls._conform(read, schema)

    @classmethod
    def stream(cls, folder: Path, batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """Read a saved table in record batches, holding one in memory at a time.

        Raises:
            DataError: As in `open`.
        """
        saved = SavedColumns(cls._file(folder), cls.repeated)
        cls._read_head(saved.schema, saved.path)
        yield from saved.batches(batch_rows)

    def save(self, folder: Path) -> None:
        """Write the table into a folder as `<kind>.parquet`."""
        folder.mkdir(parents=True, exist_ok=True)
        with TableWriter(type(self), folder, self.metadata, unique=True) as writer:
            for rows in pieces(len(self), writer.group_rows):
                writer.write_arrow(self.part(self.schema.names, rows))

    def part(self, names: Sequence[str], rows: range) -> pa.Table:
        """Return some columns of consecutive rows.

        What is still in the file of a saved table is read for these rows alone.
        """
        if self._saved is None or self._held.schema.names == list(names):
            held = self._held.select(names).slice(rows.start, len(rows))
            return held.cast(pa.schema([self.schema.field(name) for name in names]))
        return self._from_file(self._saved, names, rows)

    def rows(self) -> Iterator[Row]:
        """Yield the records in order."""
        names = self.schema.names
        for batch in self.arrow.to_batches(max_chunksize=BATCH_ROWS):
            columns = [batch.column(name).to_pylist() for name in names]
            for values in zip(*columns, strict=True):
                yield self.row(*map(frozen, values))

    def column(self, name: str) -> pa.ChunkedArray:
        """Return one column."""
        return self._column(name).cast(self.schema.field(name).type)

    def codes(self, name: str) -> tuple[np.ndarray, pa.Array]:
        """Return one integer for each row of a column of ids, and the distinct ids that they point into.

        Returns:
            int32, shape (rows,), and the ids, in no order that means anything.
        """
        if name not in self._codes:
            self._codes[name] = encode(self._column(name))
        return self._codes[name]

    def fingerprint(self) -> str:
        """Return a hash of the rows in order and of the metadata but the incidental, not of the file's bytes."""
        metadata = {name: value for name, value in self.metadata.items() if name not in self.incidental}
        head = json.dumps([self.kind, self.version, metadata], sort_keys=True)
        return fingerprint_arrow(self.arrow, head)

    def summary(self) -> dict[str, Any]:
        """Return what a manifest says of the table: rows and metadata."""
        return {"rows": len(self), **self.metadata}

    def __len__(self) -> int:
        return int(self._held.num_rows)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} rows{self._describe_metadata()})"

    def _describe_metadata(self) -> str:
        return "".join(f", {name}={value!r}" for name, value in self.metadata.items())

    @classmethod
    def _file(cls, folder: Path) -> Path:
        return Path(folder) / f"{cls.kind}.parquet"

    @classmethod
    def keys_file(cls, folder: Path) -> Path:
        """Return where a table of texts keeps the keys of copies, beside its rows."""
        return Path(folder) / f"{cls.kind}.keys.npy"

    @classmethod
    def _read_head(cls, schema: pa.Schema, path: Path) -> dict[str, Any]:
        head: dict[str, Any] = json.loads((schema.metadata or {}).get(_META, b"{}"))
        if (head.get("kind"), head.get("version")) != (cls.kind, cls.version):
            raise DataError(
                f"{path}: wants a table of kind {cls.kind!r}, version {cls.version}; "
                f"this is {head.get('kind')!r}, version {head.get('version')}"
            )
        return head

    @classmethod
    def _coded_schema(cls) -> pa.Schema:
        """The schema with the repeated columns as codes."""
        coded = pa.dictionary(pa.int32(), pa.string())
        return pa.schema([field.with_type(coded) if field.name in cls.repeated else field for field in cls.schema])

    @classmethod
    def _with_codes(cls, columns: pa.Table) -> pa.Table:
        for name in cls.repeated:
            place = columns.schema.get_field_index(name)
            field = cls._coded_schema().field(name)
            columns = columns.set_column(place, field, columns.column(name).dictionary_encode())
        return columns

    @classmethod
    def _conform(cls, arrow: pa.Table, schema: pa.Schema) -> pa.Table:
        cls._check_names(arrow.schema.names, schema.names)
        problems = [
            Problem(cls.kind, None, f"column {field.name!r} holds {nulls} empty values and allows none")
            for field in schema
            if not field.nullable and (nulls := arrow.column(field.name).null_count)
        ]
        if problems:
            raise DataError(f"a table of kind {cls.kind!r} is not valid", problems)
        try:
            return arrow.select(schema.names).cast(schema)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
            raise DataError(f"a table of kind {cls.kind!r}: {error}") from error

    @classmethod
    def _check_names(cls, given: Sequence[str], wanted: Sequence[str]) -> None:
        if set(given) != set(wanted):
            raise DataError(
                f"a table of kind {cls.kind!r} has the columns {', '.join(wanted)}; "
                f"missing: {sorted(set(wanted) - set(given)) or 'none'}, "
                f"unknown: {sorted(set(given) - set(wanted)) or 'none'}"
            )

    def _check_unique(self) -> None:
        if not self.key or len(self) == 0:
            return
        columns = [self.codes(name) for name in self.key]
        joint = row_codes([(codes, len(values)) for codes, values in columns])
        ordered = np.sort(joint)
        if not np.any(ordered[1:] == ordered[:-1]):
            return
        _, first, counts = np.unique(joint, return_index=True, return_counts=True)
        repeated = np.sort(first[counts > 1])
        times = dict(zip(first.tolist(), counts.tolist(), strict=True))
        rows = self.arrow.select(self.key).take(pa.array(repeated[:20])).to_pylist()
        problems = [
            Problem(self.kind, None, f"{', '.join(f'{k}={row[k]!r}' for k in self.key)} stands {times[place]} times")
            for place, row in zip(repeated.tolist(), rows, strict=False)
        ]
        raise DataError(f"{len(repeated)} values of {' + '.join(self.key)} are not unique in {self.kind!r}", problems)


class TableWriter:
    """Write a table in pieces that need not fit in memory together.

    The file appears under its final name when the writer closes without an error.

    Args:
        table: The table class.
        folder: An existing folder.
        metadata: Facts about the whole table.
        unique: Whether the keys of all rows are known to differ, so that who opens the table need not compare them.
    """

    def __init__(
        self,
        table: type[Table[Any]],
        folder: Path,
        metadata: Mapping[str, Any] | None = None,
        *,
        unique: bool = False,
    ) -> None:
        self._table = table
        self._path = table._file(folder)
        self._partial = self._path.with_suffix(".parquet.partial")
        head = {"kind": table.kind, "version": table.version, "metadata": dict(metadata or {})}
        head |= {"unique": True} if unique else {}
        schema = table.schema.with_metadata({_META: json.dumps(head, sort_keys=True).encode()})
        self._schema = schema
        # One list of ids for many rows, so that reading need not join a thousand short ones; of texts, few at once.
        self.group_rows = _CODED_ROWS if table.repeated else _LATE_ROWS if table.late else BATCH_ROWS
        """Rows that lie together in the file, and are read together."""
        # Scores hardly repeat: to list the distinct ones of a million takes more memory and room than all of them.
        listed = [field.name for field in schema if not pa.types.is_floating(field.type)] if table.repeated else True
        self._writer = pq.ParquetWriter(
            self._partial,
            schema,
            compression="zstd",
            use_dictionary=listed,
            dictionary_pagesize_limit=_DICTIONARY_BYTES,
        )

    def write_rows(self, rows: Iterable[Any]) -> None:
        """Append records.

        Raises:
            DataError: A row is no record of the table's class, or a value does not fit its column.
        """
        table = self._table
        for batch in record_batches(table.kind, table.row, table.schema, rows):
            self.write_arrow(pa.Table.from_batches([batch]))

    def write_arrow(self, arrow: pa.Table) -> None:
        """Append an Arrow table with the columns of the schema.

        Raises:
            DataError: As in `Table`, its key and its own checks apart, which need the whole.
        """
        conformed = self._table._conform(arrow, self._table.schema)
        self._writer.write_table(conformed.replace_schema_metadata(self._schema.metadata), self.group_rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._writer.close()
            if kind is None:
                # Keys that an older table of this name left would be taken for the new one's.
                self._table.keys_file(self._path.parent).unlink(missing_ok=True)
                self._partial.replace(self._path)
        finally:
            # Also where the disk has no room for the end of the file.
            self._partial.unlink(missing_ok=True)
