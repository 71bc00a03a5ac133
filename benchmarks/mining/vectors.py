"""Vectors of three kinds, on disk as a corpus' embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

from pyrite.data import ScoreKind
from pyrite.search.dense.embeddings import Embeddings, write_head

__all__ = ["DIMENSION", "VectorKind", "query_vectors", "write_vectors"]

VectorKind = Literal["random", "clusters", "cone"]
"""`random`: on the whole sphere; `clusters`: 500 of them; `cone`: cosines of about .9 between any two."""

DIMENSION = 384
_SHARD = 50_000
_CLUSTERS = 500
_QUERIES_SEED = 2**32


def write_vectors(folder: Path, kind: VectorKind, rows: int) -> Embeddings:
    """Write unit vectors in shards; the same for the same kind and number."""
    folder.mkdir(parents=True, exist_ok=True)
    shards = []
    for start in range(0, rows, _SHARD):
        shards.append(folder / f"{start:09d}.npy")
        np.save(shards[-1], _vectors(kind, min(_SHARD, rows - start), start))
    ids = pa.chunked_array(list(_ids(rows)))
    return write_head(shards, ids, score_kind=ScoreKind.COSINE, identity={"kind": kind})


def query_vectors(kind: VectorKind, rows: int) -> np.ndarray:
    """Return unit vectors from where the documents are, float32, shape (rows, DIMENSION)."""
    return _vectors(kind, rows, _QUERIES_SEED)


def _vectors(kind: VectorKind, rows: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    noise = _unit(generator.standard_normal((rows, DIMENSION), dtype=np.float32))
    if kind == "random":
        return noise
    centres = _unit(np.random.default_rng(1).standard_normal((_CLUSTERS, DIMENSION), dtype=np.float32))
    if kind == "clusters":
        return _unit(centres[generator.integers(_CLUSTERS, size=rows)] + np.float32(0.8) * noise)
    return _unit(centres[0] + np.float32(0.33) * noise)


def _unit(vectors: np.ndarray) -> np.ndarray:
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def _ids(rows: int) -> Iterator[pa.Array]:
    for start in range(0, rows, _SHARD):
        yield pa.array([f"d{row:07d}" for row in range(start, min(start + _SHARD, rows))], pa.string())
