"""Dense search: an encoder, the embeddings of a corpus, and an engine over them."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import weakref
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pyrite.data import Corpus, Queries, Run, ScoreKind
from pyrite.data.fingerprint import fingerprint_array, fingerprint_arrow
from pyrite.errors import SearchError, SettingsError
from pyrite.models.protocols import Encoder
from pyrite.search.dense.approximate import (
    ApproximateIndex,
    approximate_search,
    build_approximate,
    measure_recall,
)
from pyrite.search.dense.checked import checked_vectors
from pyrite.search.dense.embeddings import Embeddings, encode_corpus
from pyrite.search.dense.engines import (
    ApproximateEngine,
    DenseEngine,
    ExactEngine,
    FaissFlat,
    RecallSettings,
    parse_engine,
    read_engine,
)
from pyrite.search.dense.exact import DenseHits, exact_search, pair_scores
from pyrite.search.dense.faiss_index import faiss_first_pass
from pyrite.search.dense.torch_pass import resolve_device, torch_first_pass
from pyrite.search.documents import IndexedDocuments
from pyrite.search.passes import left_open, with_passes
from pyrite.search.results import RunBuilder
from pyrite.search.retriever import Pairs
from pyrite.search.topk import check_depth
from pyrite.seeds import rng
from pyrite.settings import Json, canonical_hash

__all__ = ["DenseIndex", "DenseRetriever"]

_LOG = logging.getLogger(__name__)
_LOW_RECALL = 0.9
_PAIR_BLOCK = 65_536
_EXACT = ExactEngine()


class DenseRetriever:
    """A `Retriever` by embeddings.

    Args:
        encoder: Encodes documents and queries.
        engine: How to search: settings, such as `FaissHnsw()`, or the name of an engine, for its defaults.
        name: The name that runs and candidates carry.
        folder: Where embeddings are kept, so that an interrupted `build` goes on and a corpus that grew is encoded
            only where it is new; a temporary folder that lives as long as the index where None.
        shard_size: Documents encoded between two writes, from 1.
        device: Where the search computes: "cpu"; "auto" or "cuda" for GPUs where there are any (FAISS takes all
            that it sees, the exact engine the first); "cuda:1" for one of them. It changes no exact result.

    Raises:
        SettingsError: The engine is unknown, or the shard size is below 1.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        engine: DenseEngine | str = "exact",
        name: str = "dense",
        folder: Path | None = None,
        shard_size: int = 4096,
        device: str = "auto",
    ) -> None:
        if shard_size < 1:
            raise SettingsError(f"shard_size: {shard_size}; wants a number from 1 up")
        self.encoder = encoder
        self.engine = parse_engine(engine)
        self.name = name
        self.folder = folder
        self.shard_size = shard_size
        self.device = device

    def build(self, corpus: Corpus, advance: Callable[[int], None] = lambda _: None) -> DenseIndex:
        """Encode a corpus, and build what an approximate engine needs.

        Args:
            corpus: The documents.
            advance: Called with the number of documents of each shard that is encoded.

        Raises:
            SearchError: The corpus is empty, or the encoder gave something else than vectors.
            SettingsError: The corpus is too small for an approximate engine's settings.
        """
        if len(corpus) == 0:
            raise SearchError("a dense index wants a corpus with at least one document")
        folder = Path(tempfile.mkdtemp(prefix="pyrite-")) if self.folder is None else self._folder_of(corpus)
        shared = None if self.folder is None else self.folder / "vectors"
        embeddings = encode_corpus(
            self.encoder, corpus, folder, shared=shared, shard_size=self.shard_size, advance=advance
        )
        index = DenseIndex(embeddings, self.encoder, name=self.name, device=self.device)
        if self.engine != index.engine:
            index = index.with_engine(self.engine, folder / canonical_hash(self.engine)[:32])
        if self.folder is None:
            weakref.finalize(index, shutil.rmtree, folder, ignore_errors=True)
        return index

    def identity(self) -> Json:
        """Return the encoder's identity, and an approximate engine's; exact ones give the same result."""
        if isinstance(self.engine, ApproximateEngine):
            return {"encoder": self.encoder.identity(), "engine": self.engine.identity()}
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
        engine: How to search: `ExactEngine()`, `FaissFlat()`, or an approximate index of these embeddings, as
            `with_engine` builds it.
        name: The name that runs carry.
        device: Where the search computes; see `DenseRetriever`.
    """

    kind = "dense_index"

    def __init__(
        self,
        embeddings: Embeddings,
        encoder: Encoder | None,
        *,
        engine: ExactEngine | FaissFlat | ApproximateIndex = _EXACT,
        name: str = "dense",
        device: str = "auto",
    ) -> None:
        self.embeddings = embeddings
        self.approximate = engine if isinstance(engine, ApproximateIndex) else None
        self.engine: DenseEngine = engine.engine if isinstance(engine, ApproximateIndex) else engine
        self.name = name
        self.device = device
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

    @property
    def encoder(self) -> Encoder:
        """What encodes queries.

        Raises:
            SearchError: The index was opened and not yet given one.
        """
        if self._encoder is None:
            raise SearchError(f"the index {self.name!r} was opened without its encoder; call attach(encoder)")
        return self._encoder

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

    def with_engine(
        self,
        engine: DenseEngine | str,
        folder: Path,
        recall: RecallSettings | None = None,
        queries: Queries | None = None,
    ) -> DenseIndex:
        """Return the same embeddings searched by another engine; nothing is encoded again.

        An approximate index is built, compared with the exact search, and written; or opened, where the same engine
        was built in the same folder before.

        Args:
            engine: Its settings, or its name.
            folder: Where an approximate index is kept; for these embeddings alone.
            recall: How it is compared.
            queries: What it is asked then; documents where None.

        Raises:
            SettingsError: The corpus is too small for the settings, or there is no engine of that name.
            SearchError: The index cannot be written, or there are queries and no encoder.
        """
        engine = parse_engine(engine)
        if isinstance(engine, ExactEngine | FaissFlat):
            return DenseIndex(self.embeddings, self._encoder, engine=engine, name=self.name, device=self.device)
        built = ApproximateIndex.find(folder, engine, self.embeddings)
        if built is None:
            built = build_approximate(engine, self.embeddings, folder)
            built = self._measured(built, recall or RecallSettings(), queries)
            built.save(folder)
        return DenseIndex(self.embeddings, self._encoder, engine=built, name=self.name, device=self.device)

    def _measured(self, built: ApproximateIndex, settings: RecallSettings, queries: Queries | None) -> ApproximateIndex:
        """Compare an index with the exact search; a warning tells of one that misses much."""
        total = len(self.embeddings) if queries is None else len(queries)
        generator = rng(settings.seed, "recall")
        chosen = np.sort(generator.choice(total, min(settings.queries, total), replace=False))
        vectors = self.embeddings.rows(chosen) if queries is None else self._encode(queries)[chosen]
        depth = min(settings.depth, len(self.embeddings))
        ties = self._documents.tie_rank
        share = measure_recall(
            approximate_search(vectors, self.embeddings, built, depth, ties, self.device),
            exact_search(vectors, self.embeddings, depth, ties),
        )
        if share < _LOW_RECALL:
            _LOG.warning(
                "%s finds %.3f of the exact result (depth %d, %d %s); more probes, ef_search or refine find more",
                built.engine.type,
                share,
                depth,
                len(chosen),
                "documents as queries" if queries is None else "queries",
            )
        measured = {"recall": round(share, 4), "recall_depth": depth, "recall_queries": len(chosen)}
        return replace(built, recall=measured)

    def search(self, queries: Queries, depth: int) -> Run:
        """Return the best `depth` documents of each query; the metadata tell which share the first pass left open.

        Raises:
            SearchError: The depth is below 1, or the encoder gave something else than vectors.
        """
        check_depth(depth)
        hits = self._hits(self._encode(queries), min(depth, len(self.embeddings)))
        builder = RunBuilder(self.name, self.score_kind, self.embeddings.ids)
        for query_id, positions, scores in zip(queries.ids(), hits.positions, hits.scores, strict=True):
            builder.add(query_id, positions, scores)
        return with_passes(builder.run(), left_open(hits.decided_by, next(iter(hits.decided_by), "")))

    def _hits(self, vectors: np.ndarray, depth: int) -> DenseHits:
        ties = self._documents.tie_rank
        if self.approximate is not None:
            return approximate_search(vectors, self.embeddings, self.approximate, depth, ties, self.device)
        return exact_search(vectors, self.embeddings, depth, ties, first_pass=self._first_pass)

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
        if self.approximate is not None:
            self.approximate.save(folder)
        head = {"name": self.name, "engine": self.engine.identity()}
        (folder / "index.json").write_text(json.dumps(head), encoding="utf-8")

    @classmethod
    def open(cls, folder: Path) -> DenseIndex:
        """Open a saved index; `attach` gives it the encoder before it can search."""
        embeddings = Embeddings.open(folder)
        head = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        engine = read_engine(head["engine"], str(folder / "index.json"))
        built = ApproximateIndex.open(folder) if isinstance(engine, ApproximateEngine) else engine
        return cls(embeddings, None, engine=built, name=head["name"])

    def fingerprint(self) -> str:
        """Return a hash of the encoder's identity, the ids and the vectors, however sharded.

        An approximate index counts by its settings, since its bytes may follow from the number of threads.

        Raises:
            SearchError: The file of an approximate index has changed.
        """
        every = np.arange(len(self.embeddings))
        blocks = (self.embeddings.rows(every[start : start + 4096]) for start in range(0, len(every), 4096))
        ids = fingerprint_arrow(pa.table({"doc_id": self.embeddings.ids}))
        parts = [self.embeddings.identity, ids, [fingerprint_array(b) for b in blocks]]
        if self.approximate is not None:
            self.approximate.check()
            parts.append(self.engine.identity())
        return canonical_hash(parts)

    def summary(self) -> dict[str, Any]:
        """Return documents, dimension and engine; of an approximate one also the settings and the recall measured."""
        found = {**self.embeddings.summary(), "engine": self.engine.type}
        return found if self.approximate is None else {**found, **self.approximate.summary()}

    @cached_property
    def _first_pass(self) -> Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]] | None:
        if isinstance(self.engine, FaissFlat):
            return faiss_first_pass(self.embeddings, self.device)
        device = resolve_device(self.device)
        return None if device == "cpu" else torch_first_pass(self.embeddings, device)

    def _encode(self, queries: Queries) -> np.ndarray:
        """Encode in the order of the ids, so that batches do not depend on the order of the rows."""
        encoder = self.encoder
        ids, texts = queries.ids(), queries.texts()
        order = np.argsort(np.array(ids, dtype=object), kind="stable")
        vectors = np.empty((len(texts), encoder.dimension), dtype=np.float32)
        vectors[order] = checked_vectors(encoder, [texts[row] for row in order], "query", [ids[row] for row in order])
        return vectors
