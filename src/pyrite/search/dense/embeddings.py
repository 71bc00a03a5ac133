"""Document vectors in shards on disk: written one by one, read through memory maps."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pyrite.data import Corpus, ScoreKind
from pyrite.data.files import link_file
from pyrite.errors import SearchError
from pyrite.models.protocols import Encoder, Role
from pyrite.settings import Json

__all__ = ["Embeddings", "checked_vectors", "encode_corpus", "join_shards", "shard_ranges", "write_shard"]

_HEAD = "embeddings.json"
# What is left of unit length in half precision.
_LENGTH_TOLERANCE = 0.02


@dataclass(frozen=True)
class Embeddings:
    """The vectors of a corpus, float32, in a folder of shards.

    Attributes:
        folder: Holds `embeddings.json` and one file in numpy's format for each shard.
        doc_ids: The documents, in the order of the rows.
        shards: The files, in order.
        score_kind: COSINE where the vectors have unit length, else DOT.
        identity: The identity of the encoder that made them.
    """

    folder: Path
    doc_ids: list[str]
    shards: list[str]
    score_kind: ScoreKind
    identity: Json

    @classmethod
    def open(cls, folder: Path) -> Embeddings:
        """Open the shards of a folder.

        Raises:
            SearchError: It holds no embeddings.
        """
        try:
            head = json.loads((folder / _HEAD).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise SearchError(f"{folder}: holds no embeddings ({_HEAD})") from None
        return cls(folder, head["doc_ids"], head["shards"], ScoreKind(head["score_kind"]), head["identity"])

    def save(self, folder: Path) -> None:
        """Give the shards a second name in another folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in (_HEAD, *self.shards):
            link_file(self.folder / name, folder / name)

    def blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (first row, rows) of each shard, memory-mapped."""
        start = 0
        for shard in self._maps:
            yield start, shard
            start += len(shard)

    def rows(self, positions: np.ndarray) -> np.ndarray:
        """Return the vectors at these positions: float32, shape (len(positions), dimension)."""
        vectors = np.empty((len(positions), self.dimension), dtype=np.float32)
        for start, shard in self.blocks():
            here = np.flatnonzero((positions >= start) & (positions < start + len(shard)))
            vectors[here] = shard[positions[here] - start]
        return vectors

    @property
    def dimension(self) -> int:
        """The number of components of a vector."""
        return int(self._maps[0].shape[1])

    @cached_property
    def largest_norm(self) -> float:
        """The largest length of a vector, float64."""
        return max(float(np.sqrt(np.einsum("ij,ij->i", s, s, dtype=np.float64).max())) for _, s in self.blocks())

    @cached_property
    def _maps(self) -> list[np.ndarray]:
        try:
            return [np.load(self.folder / name, mmap_mode="r") for name in self.shards]
        except (OSError, ValueError) as error:
            raise SearchError(
                f"{self.folder}: its embeddings are damaged ({error}); encode the corpus again"
            ) from error

    def summary(self) -> dict[str, Any]:
        """Return documents and dimension; not the shards, which say nothing of the content."""
        return {"documents": len(self.doc_ids), "dimension": self.dimension}


def shard_ranges(rows: int, shard_size: int) -> list[range]:
    """Return the rows of each shard.

    Example:
        >>> shard_ranges(5, 2)
        [range(0, 2), range(2, 4), range(4, 5)]
    """
    return [range(start, min(start + shard_size, rows)) for start in range(0, rows, shard_size)]


def write_shard(encoder: Encoder, texts: Sequence[str], path: Path) -> None:
    """Encode the texts of one shard into a file in numpy's format.

    Raises:
        SearchError: As `checked_vectors`.
    """
    vectors = checked_vectors(encoder, texts, "document")
    with path.open("wb") as stream:
        np.save(stream, vectors)


def checked_vectors(encoder: Encoder, texts: Sequence[str], role: Role) -> np.ndarray:
    """Encode texts and check what comes back, since a ranking would not show that it is wrong.

    Returns:
        float32, shape (len(texts), dimension).

    Raises:
        SearchError: The encoder gave another shape than it says, a number that is none, or, with cosines as its
            scores, a vector that has neither unit length nor length 0.
    """
    wanted = (len(texts), encoder.dimension)
    if not texts:
        return np.zeros(wanted, dtype=np.float32)
    given = np.asarray(encoder.encode(texts, role))
    if given.shape != wanted or given.dtype.kind not in "fiu":
        raise SearchError(
            f"the encoder gave vectors of shape {given.shape} and type {given.dtype} where it promised numbers of "
            f"shape {wanted}"
        )
    with np.errstate(over="ignore"):
        vectors = given.astype(np.float32, copy=False)
    if not np.isfinite(vectors).all():
        raise SearchError("the encoder gave a vector with an infinite or undefined component")
    if encoder.score_kind == ScoreKind.COSINE:
        _check_unit_length(vectors)
    return vectors


def _check_unit_length(vectors: np.ndarray) -> None:
    lengths = np.linalg.norm(vectors, axis=1)
    # The vector of a text without a known word is 0.
    off = np.where(lengths > 0, np.abs(lengths - 1), 0)
    if off.max() > _LENGTH_TOLERANCE:
        raise SearchError(
            f"the encoder says that its scores are cosines and gave a vector of length {lengths[off.argmax()]:.4g}; "
            "scale its vectors to unit length, or let its score_kind be DOT"
        )


def encode_corpus(
    encoder: Encoder,
    corpus: Corpus,
    folder: Path,
    *,
    shard_size: int = 4096,
    advance: Callable[[int], None] = lambda _: None,
) -> Embeddings:
    """Encode a corpus into a folder; shards that are there from an interrupted call are kept.

    The caller gives each encoder and corpus a folder of its own: finished shards are recognised
    by their rows alone.

    Args:
        encoder: Gives the vectors.
        corpus: The documents.
        folder: Created where missing.
        shard_size: Rows of a shard: what an interruption can lose.
        advance: Called with the rows of each finished shard.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shards = []
    for rows in shard_ranges(len(corpus), shard_size):
        # The name holds the rows, so that two layouts never mix.
        path = folder / f"{rows.start:010d}-{rows.stop:010d}.npy"
        if not path.exists():
            partial = path.with_suffix(".partial")
            write_shard(encoder, corpus.texts(rows), partial)
            partial.replace(path)
        shards.append(path)
        advance(len(rows))
    return join_shards(encoder, corpus, shards)


def join_shards(encoder: Encoder, corpus: Corpus, shards: Sequence[Path]) -> Embeddings:
    """Write the head of shards that are all there, in one folder and in order, and open them."""
    folder = shards[0].parent
    head = {
        "doc_ids": corpus.ids(),
        "shards": [path.name for path in shards],
        "score_kind": str(encoder.score_kind),
        "identity": encoder.identity(),
    }
    partial = folder / (_HEAD + ".partial")
    partial.write_text(json.dumps(head), encoding="utf-8")
    partial.replace(folder / _HEAD)
    return Embeddings.open(folder)
