"""Document vectors in shards on disk: written one by one, read through memory maps."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pyrite.data import Corpus, ScoreKind
from pyrite.data.files import link_file
from pyrite.errors import SearchError
from pyrite.models.protocols import Encoder
from pyrite.search.dense.vector_folder import VectorFolder
from pyrite.settings import Json

__all__ = ["Embeddings", "encode_corpus", "join_shards", "shard_ranges", "write_head"]

_HEAD = "embeddings.json"
_IDS = "documents.parquet"


@dataclass(frozen=True)
class Embeddings:
    """The vectors of a corpus, float32, in a folder of shards.

    Attributes:
        folder: Holds `embeddings.json`, `documents.parquet` and one file in numpy's format for each shard.
        ids: The documents, in the order of the rows: strings, in Arrow.
        shards: The files, in order.
        score_kind: COSINE where the vectors have unit length, else DOT.
        identity: The identity of the encoder that made them.
    """

    folder: Path
    ids: pa.ChunkedArray
    shards: list[str]
    score_kind: ScoreKind
    identity: Json

    @classmethod
    def open(cls, folder: Path) -> Embeddings:
        """Open the shards of a folder.

        Raises:
            SearchError: It holds no embeddings, or its list of documents is damaged.
        """
        try:
            head = json.loads((folder / _HEAD).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise SearchError(f"{folder}: holds no embeddings ({_HEAD})") from None
        try:
            ids = pq.read_table(folder / _IDS, memory_map=True).column("doc_id")
        except (OSError, ValueError, KeyError) as error:
            raise _damaged(folder, error) from error
        return cls(folder, ids, head["shards"], ScoreKind(head["score_kind"]), head["identity"])

    def save(self, folder: Path) -> None:
        """Give the shards a second name in another folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in (_HEAD, _IDS, *self.shards):
            link_file(self.folder / name, folder / name)

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def doc_ids(self) -> list[str]:
        """The documents as a list, in the order of the rows."""
        ids: list[str] = self.ids.to_pylist()
        return ids

    def blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (first row, rows) of each shard, memory-mapped."""
        yield from zip(self._starts.tolist(), self._maps, strict=False)

    def rows(self, positions: np.ndarray) -> np.ndarray:
        """Return the vectors at these positions: float32, shape (len(positions), dimension)."""
        vectors = np.empty((len(positions), self.dimension), dtype=np.float32)
        shards = np.searchsorted(self._starts, positions, side="right") - 1
        for shard in np.unique(shards).tolist():
            here = np.flatnonzero(shards == shard)
            vectors[here] = self._maps[shard][positions[here] - self._starts[shard]]
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
    def _starts(self) -> np.ndarray:
        """The first row of each shard."""
        return np.cumsum([0, *(len(shard) for shard in self._maps[:-1])])

    @cached_property
    def _maps(self) -> list[np.ndarray]:
        try:
            maps = [np.load(self.folder / name, mmap_mode="r") for name in self.shards]
        except (OSError, ValueError) as error:
            raise _damaged(self.folder, error) from error
        rows = sum(len(shard) for shard in maps)
        if rows != len(self) or len({shard.shape[1:] for shard in maps}) != 1:
            raise _damaged(self.folder, f"{rows} vectors for {len(self)} documents, or of several dimensions")
        return maps

    def summary(self) -> dict[str, Any]:
        """Return documents and dimension; not the shards, which say nothing of the content."""
        return {"documents": len(self), "dimension": self.dimension}


def _damaged(folder: Path, what: object) -> SearchError:
    return SearchError(f"{folder}: its embeddings are damaged ({what}); encode the corpus again")


def shard_ranges(rows: int, shard_size: int) -> list[range]:
    """Return the rows of each shard.

    Example:
        >>> shard_ranges(5, 2)
        [range(0, 2), range(2, 4), range(4, 5)]
    """
    return [range(start, min(start + shard_size, rows)) for start in range(0, rows, shard_size)]


def encode_corpus(
    encoder: Encoder,
    corpus: Corpus,
    folder: Path,
    *,
    shared: Path | None = None,
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
        shared: Where corpora share vectors, so that a text that lies there is not encoded; a folder inside `folder`
            where None.
        shard_size: Rows of a shard: what an interruption can lose.
        advance: Called with the rows of each finished shard.

    Raises:
        SearchError: The corpus is empty, the encoder gave something else than vectors, or they cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    vectors = VectorFolder(encoder, corpus, shared or folder / "shared")
    shards = []
    for rows in shard_ranges(len(corpus), shard_size):
        # The name holds the rows, so that two layouts never mix.
        path = folder / f"{rows.start:010d}-{rows.stop:010d}.npy"
        if not path.exists():
            partial = _partial(path)
            partial.unlink(missing_ok=True)
            vectors.write(rows, partial)
            partial.replace(path)
            # Where another process was faster, both names may be one file, and a rename then leaves them as they are.
            partial.unlink(missing_ok=True)
        shards.append(path)
        advance(len(rows))
    return join_shards(encoder, corpus, shards)


def join_shards(encoder: Encoder, corpus: Corpus, shards: Sequence[Path]) -> Embeddings:
    """Write the head of shards that are all there, in one folder and in order, and open them.

    Raises:
        SearchError: The corpus is empty.
    """
    if not shards:
        raise SearchError("a dense index wants a corpus with at least one document")
    ids = corpus.column("doc_id")
    return write_head(shards, ids, score_kind=encoder.score_kind, identity=encoder.identity())


def write_head(shards: Sequence[Path], ids: pa.ChunkedArray, *, score_kind: ScoreKind, identity: Json) -> Embeddings:
    """Write the head of shards that are all there, and open them.

    Args:
        shards: Files in numpy's format, float32, in one folder and in the order of the rows; at least one.
        ids: The document of each row: strings.
        score_kind: COSINE where the vectors have unit length, else DOT.
        identity: The identity of the encoder that made them.
    """
    folder = shards[0].parent
    head = {"shards": [path.name for path in shards], "score_kind": str(score_kind), "identity": identity}
    table = pa.table({"doc_id": ids})
    pq.write_table(table, _partial(folder / _IDS), compression="zstd")
    _partial(folder / _HEAD).write_text(json.dumps(head), encoding="utf-8")
    for name in (_IDS, _HEAD):
        _partial(folder / name).replace(folder / name)
    return Embeddings.open(folder)


def _partial(path: Path) -> Path:
    """Name a file that this process is writing."""
    return path.with_name(f"{path.name}.{os.getpid()}.partial")
