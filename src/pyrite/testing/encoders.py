"""Encoders whose vectors can be computed by hand, for tests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from pyrite.data import ScoreKind
from pyrite.models.protocols import Role
from pyrite.settings import Json

__all__ = ["HashingEncoder", "TableEncoder"]


class TableEncoder:
    """An encoder that looks vectors up, with the inner product as the score.

    Args:
        vectors: {text: components}, all of the same length.
    """

    def __init__(self, vectors: Mapping[str, Sequence[float]]) -> None:
        self._vectors = {text: np.asarray(vector, dtype=np.float32) for text, vector in vectors.items()}
        self.dimension = len(next(iter(self._vectors.values())))
        self.score_kind = ScoreKind.DOT

    def encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        """Return the vectors of known texts."""
        return np.array([self._vectors[text] for text in texts], dtype=np.float32).reshape(-1, self.dimension)

    def identity(self) -> Json:
        """Return the table."""
        return {text: vector.tolist() for text, vector in sorted(self._vectors.items())}


class HashingEncoder:
    """An encoder that counts words in hashed buckets, so that texts that share words are near.

    Args:
        dimension: The number of buckets.
    """

    def __init__(self, dimension: int = 64) -> None:
        self.dimension = dimension
        self.score_kind = ScoreKind.COSINE
        self.encoded = 0
        """How many texts it has encoded."""

    def encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        """Return unit vectors, or zeros for a text without words."""
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                digest = hashlib.blake2b(word.encode(), digest_size=4).digest()
                vectors[row, int.from_bytes(digest, "little") % self.dimension] += 1
        self.encoded += len(texts)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: np.ndarray = vectors / np.maximum(lengths, 1e-12)
        return unit

    def identity(self) -> Json:
        """Return the number of buckets."""
        return {"hashing": self.dimension}
