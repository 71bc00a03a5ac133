"""Dense search: an encoder, the embeddings of a corpus, and an engine over them."""

from __future__ import annotations

import json
import shutil
import tempfile
import weakref
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa

from pyrite.data import Corpus, Queries, Run, ScoreKind
from pyrite.data.fingerprint import fingerprint_array, fingerprint_arrow
from pyrite.errors import SearchError, SettingsError
from pyrite.models.protocols import Encoder
from pyrite.search.dense.checked import checked_vectors
from pyrite.search.dense.embeddings import Embeddings, encode_corpus
from pyrite.search.dense.exact import exact_search, pair_scores
from pyrite.search.dense.faiss_index import faiss_first_pass
from pyrite.search.documents import IndexedDocuments
from pyrite.search.results import RunBuilder
from pyrite.search.retriever import Pairs
from pyrite.search.topk import check_depth
from pyrite.settings import Json, canonical_hash

__all__ = ["DenseEngine", "DenseIndex", "DenseRetriever"]

DenseEngine = Literal["exact", "faiss-flat"]
"""`exact`: blockwise products, memory for one block; `faiss-flat`: FAISS, vectors in memory.
Both give the same result."""

_PAIR_BLOCK = 65_536


class DenseRetriever:
    """A `Retriever` by embeddings.

    Args:
        encoder: Encodes documents and queries.
        engine: How to search.
        name: The name that runs and candidates carry.
        folder: Where embeddings are kept, so that an interrupted `build` goes on and a corpus that grew is encoded
            only where it is new; a temporary folder that lives as long as the index where None.
        shard_size: Documents encoded between two writes, from 1.

    Raises:
        SettingsError: The engine is unknown, or the shard size is below 1.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        engine: DenseEngine = "exact",
        name: str = "dense",
        folder: Path | None = None,
        shard_size: int = 4096,
    ) -> None:
        if engine not in get_args(DenseEngine):
            raise SettingsError(f"engine: {engine!r}; allowed: {', '.join(get_args(DenseEngine))}")
        if shard_size < 1:
            raise SettingsError(f"shard_size: {shard_size}; wants a number from 1 up")
        self.encoder = encoder
        self.engine: DenseEngine = engine
        self.name = name
        self.folder = folder
        self.shard_size = shard_size

    def build(self, corpus: Corpus) -> DenseIndex:
        """Encode a corpus.

        Raises:
            SearchError: The corpus is empty, or the encoder gave something else than vectors.
        """
        if len(corpus) == 0:
            raise SearchError("a dense index wants a corpus with at least one document")
        folder = Path(tempfile.mkdtemp(prefix="pyrite-")) if self.folder is None else self._folder_of(corpus)
        shared = None if self.folder is None else self.folder / "vectors"
        embeddings = encode_corpus(self.encoder, corpus, folder, shared=shared, shard_size=self.shard_size)
        index = DenseIndex(embeddings, self.encoder, engine=self.engine, name=self.name)
        if self.folder is None:
            weakref.finalize(index, shutil.rmtree, folder, ignore_errors=True)
        return index

    def identity(self) -> Json:
        """Return the encoder's identity; engines that give the same result share it."""
        return self.encoder.identity()

    def _folder_of(self, corpus: Corpus) -> Path:
        """Name the folder by what its vectors depend on, so that nothing stale is found there."""
        assert self.folder is not None
        return self.folder / canonical_hash([self.encoder.identity(), corpus.fingerprint()])[:32]


class DenseIndex:
    """A corpus searchable by embeddings.

    Args:
        embeddings: The documents' vectors.
        encoder: Encodes queries; None for an index that was opened and not yet given one.
        engine: How to search.
        name: The name that runs carry.
    """

    kind = "dense_index"

    def __init__(
        self,
        embeddings: Embeddings,
        encoder: Encoder | None,
        *,
        engine: DenseEngine = "exact",
        name: str = "dense",
    ) -> None:
        self.embeddings = embeddings
        self.engine: DenseEngine = engine
        self.name = name
        self._encoder = encoder
        self._documents = IndexedDocuments(name, embeddings.ids)

    @property
    def score_kind(self) -> ScoreKind:
        """COSINE where the vectors have unit length, else DOT."""
        return self.embeddings.score_kind

    @property
    def doc_ids(self) -> list[str]:
        """The documents, in the order of the embeddings."""
        return self.embeddings.doc_ids

    def attach(self, encoder: Encoder) -> None:
        """Give an opened index its encoder.

        Raises:
            SearchError: The documents were encoded by another one.
        """
        if encoder.identity() != self.embeddings.identity:
            raise SearchError(
                f"the index {self.name!r} was built with another encoder (weights, prompts, length or precision): "
                f"built with {self.embeddings.identity}, given {encoder.identity()}"
            )
        self._encoder = encoder

    def search(self, queries: Queries, depth: int) -> Run:
        """Return the best `depth` documents of each query.

        Raises:
            SearchError: The depth is below 1, or the encoder gave something else than vectors.
        """
        check_depth(depth)
        hits = exact_search(
            self._encode(queries),
            self.embeddings,
            min(depth, len(self.embeddings)),
            self._documents.tie_rank,
            first_pass=self._first_pass,
        )
        builder = RunBuilder(self.name, self.score_kind, self.embeddings.ids)
        for query_id, positions, scores in zip(queries.ids(), hits.positions, hits.scores, strict=True):
            builder.add(query_id, positions, scores)
        return builder.run()

    def score(self, queries: Queries, pairs: Pairs) -> np.ndarray:
        """Return the inner product of each pair, float64."""
        documents = self._documents.positions(pairs.doc_ids)
        asked = list(dict.fromkeys(pairs.query_ids))
        vectors = self._encode(queries.select(asked))
        rows = {query_id: row for row, query_id in enumerate(asked)}
        query_rows = np.array([rows[query_id] for query_id in pairs.query_ids], dtype=np.int64)
        scores = np.empty(len(pairs))
        for start in range(0, len(pairs), _PAIR_BLOCK):
            here = slice(start, start + _PAIR_BLOCK)
            scores[here] = pair_scores(vectors[query_rows[here]], self.embeddings.rows(documents[here]))
        return scores

    def save(self, folder: Path) -> None:
        """Write the index; the encoder is not part of it, only its identity."""
        self.embeddings.save(folder)
        (folder / "index.json").write_text(json.dumps({"name": self.name, "engine": self.engine}), encoding="utf-8")

    @classmethod
    def open(cls, folder: Path) -> DenseIndex:
        """Open a saved index; `attach` gives it the encoder before it can search."""
        embeddings = Embeddings.open(folder)
        head = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        return cls(embeddings, None, engine=head["engine"], name=head["name"])

    def fingerprint(self) -> str:
        """Return a hash of the encoder's identity, the ids and the vectors, however sharded."""
        every = np.arange(len(self.embeddings))
        blocks = (self.embeddings.rows(every[start : start + 4096]) for start in range(0, len(every), 4096))
        ids = fingerprint_arrow(pa.table({"doc_id": self.embeddings.ids}))
        return canonical_hash([self.embeddings.identity, ids, [fingerprint_array(b) for b in blocks]])

    def summary(self) -> dict[str, Any]:
        """Return documents, dimension and engine."""
        return {**self.embeddings.summary(), "engine": self.engine}

    @cached_property
    def _first_pass(self) -> Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]] | None:
        return faiss_first_pass(self.embeddings) if self.engine == "faiss-flat" else None

    def _encode(self, queries: Queries) -> np.ndarray:
        """Encode in the order of the ids, so that batches do not depend on the order of the rows."""
        if self._encoder is None:
            raise SearchError(f"the index {self.name!r} was opened without its encoder; call attach(encoder)")
        ids, texts = queries.ids(), queries.texts()
        order = np.argsort(np.array(ids, dtype=object), kind="stable")
        vectors = np.empty((len(texts), self._encoder.dimension), dtype=np.float32)
        vectors[order] = checked_vectors(
            self._encoder, [texts[row] for row in order], "query", [ids[row] for row in order]
        )
        return vectors
