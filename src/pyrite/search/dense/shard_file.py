"""One file of vectors with the keys of their texts and a hash, so that another corpus can take rows from it.

Three arrays in numpy's format, one after the other: the vectors (float32, shape (rows, dimension)), the keys (uint8,
shape (rows, 16)) and a hash of both (uint8, shape (16,)). `numpy.load` gives the vectors, memory-mapped where asked.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyrite.data.keys import KEY_BYTES
from pyrite.errors import SearchError

__all__ = ["ShardFile", "open_shard", "write_shard_file"]


@dataclass(frozen=True)
class ShardFile:
    """What a file of vectors holds.

    Attributes:
        vectors: float32, shape (rows, dimension), memory-mapped.
        keys: The key of each row's text: uint8, shape (rows, 16).
        digest: What the hash of both was when they were written: uint8, shape (16,).
    """

    vectors: np.ndarray
    keys: np.ndarray
    digest: np.ndarray

    def is_sound(self) -> bool:
        """Read everything and say whether it is what was written."""
        return bool(np.array_equal(self.digest, _digest(self.vectors, self.keys)))


def write_shard_file(path: Path, vectors: np.ndarray, keys: np.ndarray) -> None:
    """Write vectors and the keys of their texts.

    Raises:
        SearchError: The disk is full, or the file cannot be written for another reason; none is left behind.
    """
    try:
        with path.open("wb") as stream:
            for array in (vectors, keys, _digest(vectors, keys)):
                np.save(stream, np.ascontiguousarray(array))
    except OSError as error:
        path.unlink(missing_ok=True)
        raise SearchError(
            f"{path}: vectors cannot be written ({error.strerror or error}); make room or choose another place, and "
            "run again: what was finished is kept"
        ) from error


def open_shard(path: Path) -> ShardFile | None:
    """Open a file of vectors; None where none is there, or where it was cut off or is none.

    Flipped bytes show in `ShardFile.is_sound`, which reads the whole.
    """
    try:
        vectors = np.load(path, mmap_mode="r")
        with path.open("rb") as stream:
            stream.seek(vectors.offset + vectors.nbytes)
            keys, digest = np.load(stream), np.load(stream)
    except (OSError, ValueError, EOFError, AttributeError):
        return None
    whole = vectors.dtype == np.float32 and vectors.ndim == 2 and keys.shape == (len(vectors), KEY_BYTES)
    return ShardFile(vectors, keys, digest) if whole else None


def _digest(vectors: np.ndarray, keys: np.ndarray) -> np.ndarray:
    digest = hashlib.blake2b(digest_size=KEY_BYTES)
    for array in (vectors, keys):
        digest.update(np.ascontiguousarray(array).data)
    return np.frombuffer(digest.digest(), dtype=np.uint8)
