"""Hashes over content: rows and numbers, never the bytes of a file or how it is chunked."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pyrite.errors import DataError

__all__ = ["fingerprint_array", "fingerprint_arrow", "fingerprint_tensors"]


def fingerprint_arrow(table: pa.Table, head: str = "") -> str:
    """Return the SHA-256, in hexadecimal, of a table's values in order.

    Chunks, slices, unused buffer bytes and encodings do not change it; names and types do.

    Args:
        table: Columns of strings, numbers, booleans or lists of those.
        head: More text to hash first.

    Example:
        >>> one = pa.table({"a": pa.chunked_array([["x"], ["y"]])})
        >>> two = pa.table({"a": ["x", "y"]})
        >>> fingerprint_arrow(one) == fingerprint_arrow(two)
        True
    """
    digest = hashlib.sha256(head.encode())
    for name, column in zip(table.schema.names, table.columns, strict=True):
        digest.update(f"\0{name}:{column.type}\0".encode())
        digest.update(_Column(column).digest())
    return digest.hexdigest()


class _Column:
    """Hash lengths, values and nulls apart, so that no boundary between chunks shows."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        self._parts: dict[str, hashlib._Hash] = {}
        for chunk in column.chunks:
            self._add(chunk, "")

    def _update(self, part: str, array: np.ndarray | memoryview) -> None:
        data = np.ascontiguousarray(array).data if isinstance(array, np.ndarray) else array
        self._parts.setdefault(part, hashlib.sha256()).update(data)

    def _add(self, array: pa.Array, path: str) -> None:
        if len(array) == 0:
            return
        self._update(path + "null", array.is_null().to_numpy(zero_copy_only=False))
        kind = array.type
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            lengths = pc.fill_null(pc.list_value_length(array), 0)
            self._update(path + "length", lengths.to_numpy(zero_copy_only=False).astype("<i8"))
            self._add(array.flatten(), path + "item.")
        elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
            filled = pc.fill_null(array, "")
            lengths = pc.binary_length(filled).to_numpy(zero_copy_only=False)
            self._update(path + "length", lengths.astype("<i8"))
            self._update(path + "value", _string_bytes(filled))
        else:
            filled = pc.fill_null(array, False if pa.types.is_boolean(kind) else 0)
            self._update(path + "value", filled.to_numpy(zero_copy_only=False))

    def digest(self) -> bytes:
        whole = hashlib.sha256()
        for part in sorted(self._parts):
            whole.update(part.encode() + self._parts[part].digest())
        return whole.digest()


def _string_bytes(array: pa.Array) -> memoryview:
    width = np.int64 if pa.types.is_large_string(array.type) else np.int32
    _, offsets, values = array.buffers()
    if values is None:
        return memoryview(b"")
    bounds = np.frombuffer(offsets, dtype=width)
    start, stop = bounds[array.offset], bounds[array.offset + len(array)]
    return memoryview(values)[int(start) : int(stop)]


def fingerprint_array(array: np.ndarray) -> str:
    """Return the SHA-256, in hexadecimal, of an array's shape, type and values."""
    digest = hashlib.sha256(f"{array.shape}:{array.dtype.str}".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def fingerprint_tensors(path: Path) -> str:
    """Return a hash of the tensors in a safetensors file, whatever their order or its header.

    The file is read as bytes: no tensor library is loaded.

    Raises:
        DataError: It is not a safetensors file.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(size))
            header.pop("__metadata__", None)
            for name, tensor in sorted(header.items()):
                start, stop = tensor["data_offsets"]
                digest.update(f"\0{name}:{tensor['shape']}:{tensor['dtype']}\0".encode())
                stream.seek(8 + size + start)
                digest.update(stream.read(stop - start))
    except (ValueError, KeyError, TypeError, OverflowError, MemoryError) as error:
        raise DataError(f"{path}: not a safetensors file ({error})") from error
    return digest.hexdigest()
