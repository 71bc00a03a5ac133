"""Approximate search: FAISS names candidates, the vectors themselves rank them.

Scores are those of the exact search, to the last digit, and ties follow the same rule; what may be missing is a
document that FAISS did not look at. How many are is measured when an index is built.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pyrite.data.files import link_file
from pyrite.errors import SearchError
from pyrite.extras import require
from pyrite.search.dense.embeddings import Embeddings
from pyrite.search.dense.engines import (
    ApproximateEngine,
    FaissHnsw,
    FaissIvfFlat,
    FaissIvfPq,
    read_engine,
    resolve_engine,
)
from pyrite.search.dense.exact import DenseHits, exact_search, pair_scores
from pyrite.search.dense.faiss_device import GPU_MOST_RESULTS, chosen_gpus, on_gpus
from pyrite.search.topk import top_indices
from pyrite.seeds import derive_seed, rng

__all__ = ["ApproximateIndex", "approximate_search", "build_approximate", "measure_recall"]

_LOG = logging.getLogger(__name__)
_FILE, _HEAD = "approximate.faiss", "approximate.json"
# Candidates beyond the depth, so that ties and rounding at the last place are decided here and not by FAISS.
_SLACK = 32
_QUERY_BLOCK = 64


@dataclass(frozen=True)
class ApproximateIndex:
    """A FAISS index in a folder, memory-mapped as far as FAISS can.

    Attributes:
        folder: Holds `approximate.faiss` and `approximate.json`.
        engine: Its settings, nothing of which is unset but `ef_search`.
        digest: SHA-256 of the file, in hexadecimal.
        recall: What was measured: the recall, at what depth and by how many queries; nothing yet where empty.
    """

    folder: Path
    engine: ApproximateEngine
    digest: str
    recall: dict[str, float]

    @classmethod
    def find(cls, folder: Path, engine: ApproximateEngine, embeddings: Embeddings) -> ApproximateIndex | None:
        """Return the index of these settings that a folder holds, or None."""
        if not (folder / _HEAD).exists():
            return None
        found = cls.open(folder)
        wanted = resolve_engine(engine, len(embeddings), embeddings.dimension)
        return found if found.engine == wanted and (folder / _FILE).exists() else None

    @classmethod
    def open(cls, folder: Path) -> ApproximateIndex:
        """Open what `save` wrote."""
        head = json.loads((folder / _HEAD).read_text(encoding="utf-8"))
        engine = read_engine(head["engine"], str(folder / _HEAD))
        assert isinstance(engine, ApproximateEngine)
        return cls(folder, engine, head["digest"], head["recall"])

    def save(self, folder: Path) -> None:
        """Give its files a second name in another folder."""
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / _FILE).exists() or not (folder / _FILE).samefile(self.folder / _FILE):
            link_file(self.folder / _FILE, folder / _FILE)
        head = {"engine": self.engine.identity(), "digest": self.digest, "recall": self.recall}
        partial = folder / f"{_HEAD}.{os.getpid()}.partial"
        partial.write_text(json.dumps(head), encoding="utf-8")
        partial.replace(folder / _HEAD)

    def check(self) -> None:
        """Read the file and compare it with its hash.

        Raises:
            SearchError: It has changed.
        """
        if _sha256(self.folder / _FILE) != self.digest:
            raise SearchError(f"{self.folder / _FILE}: has changed since it was written; build the index again")

    def candidates(self, queries: np.ndarray, depth: int, device: str = "cpu") -> np.ndarray:
        """Return the rows that FAISS finds, at least `depth` for each query where it finds so many.

        Args:
            queries: float32, shape (n, dimension).
            depth: How many are wanted.
            device: "cpu", "auto", "cuda" or "cuda:1". A GPU is for lists alone, and for up to 2048 candidates and
                lists a query; beyond, the processor searches.

        Returns:
            int64, shape (n, candidates); -1 where there were no more.

        Raises:
            SearchError: The file is damaged, or there is no such GPU.
        """
        faiss = require("faiss", "cpu")
        queries = np.ascontiguousarray(queries)
        wanted = depth * (self.engine.refine if isinstance(self.engine, FaissIvfPq) else 1) + _SLACK
        wanted = min(wanted, self._index.ntotal)
        if isinstance(self.engine, FaissHnsw):
            effort = max(wanted, self.engine.ef_search or 2 * wanted)
            parameters = faiss.SearchParametersHNSW(efSearch=effort)
        else:
            probes = self.engine.probes or 1
            gpu = self._on_gpu(device) if max(wanted, probes) <= GPU_MOST_RESULTS else None
            if gpu is not None:
                faiss.GpuParameterSpace().set_index_parameter(gpu, "nprobe", probes)
                return _positions(gpu.search(queries, wanted))
            parameters = faiss.SearchParametersIVF(nprobe=probes)
        return _positions(self._index.search(queries, wanted, params=parameters))

    @cached_property
    def _index(self) -> Any:
        return _read(self.folder / _FILE, isinstance(self.engine, FaissHnsw))

    @cached_property
    def _copies(self) -> dict[tuple[int, ...], Any]:
        return {}

    def _on_gpu(self, device: str) -> Any:
        """Return a copy on the GPUs of a device, or None for the processor."""
        faiss = require("faiss", "cpu")
        gpus = tuple(chosen_gpus(faiss, device))
        if not gpus:
            return None
        if gpus not in self._copies:
            try:
                self._copies[gpus] = on_gpus(faiss, self._index, gpus)
            except RuntimeError as error:
                _LOG.warning("%s cannot be searched on a GPU and stays on the processor: %s", self.engine.type, error)
                self._copies[gpus] = None
        return self._copies[gpus]

    def summary(self) -> dict[str, Any]:
        """Return the settings and the recall that was measured."""
        return {"settings": self.engine.model_dump(mode="json", exclude={"type"}), **self.recall}


def build_approximate(engine: ApproximateEngine, embeddings: Embeddings, folder: Path) -> ApproximateIndex:
    """Train and fill a FAISS index, and write it into a folder.

    Vectors, or their codes, are in memory once while it is built.

    Args:
        engine: Which, and its settings; what is unset follows from the corpus' size.
        embeddings: The documents.
        folder: Created where missing.

    Raises:
        SettingsError: The corpus is too small for the settings, or they do not fit the dimension.
        SearchError: The file cannot be written.
        MissingExtraError: FAISS is not installed.
    """
    faiss = require("faiss", "cpu")
    engine = resolve_engine(engine, len(embeddings), embeddings.dimension)
    index = _hnsw(faiss, engine, embeddings) if isinstance(engine, FaissHnsw) else _lists(faiss, engine, embeddings)
    for _, shard in embeddings.blocks():
        index.add(np.ascontiguousarray(shard))
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{_FILE}.{os.getpid()}.partial"
    try:
        faiss.write_index(index, str(partial))
        partial.replace(folder / _FILE)
    except (OSError, RuntimeError) as error:
        partial.unlink(missing_ok=True)
        raise SearchError(
            f"{partial}: the index cannot be written ({error}); make room or choose another place, and run again"
        ) from error
    return ApproximateIndex(folder, engine, _sha256(folder / _FILE), {})


def approximate_search(
    queries: np.ndarray,
    embeddings: Embeddings,
    index: ApproximateIndex,
    depth: int,
    tie_rank: np.ndarray,
    device: str = "cpu",
) -> DenseHits:
    """Return the `depth` best documents of each query among those that the index finds.

    A query for which it finds fewer is searched exactly.

    Args:
        queries: float32, shape (n, dimension).
        embeddings: The documents.
        index: Gives the candidates.
        depth: From 1 to the number of documents.
        tie_rank: Order of documents with equal scores, shape (documents,).
        device: As in `ApproximateIndex.candidates`.
    """
    positions: list[np.ndarray] = []
    scores: list[np.ndarray] = []
    found = index.candidates(queries, depth, device)
    for start in range(0, len(queries), _QUERY_BLOCK):
        block = slice(start, start + _QUERY_BLOCK)
        for rows, values in _scored(queries[block], found[block], embeddings):
            best = top_indices(values, depth, tie_rank[rows])
            positions.append(rows[best])
            scores.append(values[best])
    short = [row for row, hits in enumerate(positions) if len(hits) < depth]
    if short:
        _LOG.info(
            "%s found too little for %d of %d queries, searched exactly", index.engine.type, len(short), len(found)
        )
        exact = exact_search(queries[short], embeddings, depth, tie_rank)
        for row, rows, values in zip(short, exact.positions, exact.scores, strict=True):
            positions[row], scores[row] = rows, values
    return DenseHits(positions, scores, {index.engine.type: len(found) - len(short), "exact": len(short)})


def measure_recall(found: DenseHits, exact: DenseHits) -> float:
    """Return which share of the exact result an approximate search finds, in the mean over queries.

    Args:
        found: The approximate result of at least one query.
        exact: The exact one of the same queries, at the same depth.
    """
    pairs = zip(found.positions, exact.positions, strict=True)
    return float(np.mean([np.isin(right, given).mean() for given, right in pairs]))


def _scored(queries: np.ndarray, found: np.ndarray, embeddings: Embeddings) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the rows found for each query with their scores, all vectors of a block read at once."""
    rows, places = np.nonzero(found >= 0)
    positions = found[rows, places]
    scores = pair_scores(queries[rows], embeddings.rows(positions))
    cuts = np.searchsorted(rows, np.arange(1, len(queries)))
    return list(zip(np.split(positions, cuts), np.split(scores, cuts), strict=True))


def _lists(faiss: Any, engine: FaissIvfFlat | FaissIvfPq, embeddings: Embeddings) -> Any:
    """Train an index of lists. Centroids have unit length, since one longer than others would draw all vectors."""
    dimension, metric = embeddings.dimension, faiss.METRIC_INNER_PRODUCT
    centroids = faiss.IndexFlatIP(dimension)
    if isinstance(engine, FaissIvfPq):
        index = faiss.IndexIVFPQ(centroids, dimension, engine.lists, engine.subquantizers, engine.bits, metric)
        _seed(index.pq.cp, engine.seed)
        # No more than FAISS takes by itself: a code book does not gain from it.
        index.pq.cp.max_points_per_centroid = 256
    else:
        index = faiss.IndexIVFFlat(centroids, dimension, engine.lists, metric)
    _seed(index.cp, engine.seed)
    index.cp.spherical = True
    sample = rng(engine.seed, "faiss-train").choice(len(embeddings), engine.train_sample, replace=False)
    index.train(embeddings.rows(np.sort(sample)))
    return index


def _seed(clustering: Any, seed: int) -> None:
    clustering.seed = derive_seed(seed, "faiss-centroids") % 2**31
    # The sample is ours, and so is the word about its size.
    clustering.min_points_per_centroid = 1
    clustering.max_points_per_centroid = 2**30


def _hnsw(faiss: Any, engine: FaissHnsw, embeddings: Embeddings) -> Any:
    index = faiss.IndexHNSWFlat(embeddings.dimension, engine.links, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = engine.ef_construction
    return index


def _read(path: Path, graph: bool) -> Any:
    faiss = require("faiss", "cpu")
    # Older versions read a graph into memory.
    flag = getattr(faiss, "IO_FLAG_MMAP_IFC", 0) if graph else faiss.IO_FLAG_MMAP
    try:
        return faiss.read_index(str(path), flag | faiss.IO_FLAG_READ_ONLY)
    except RuntimeError as error:
        raise SearchError(f"{path}: is damaged or no index ({error}); build the index again") from error


def _positions(answer: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    return answer[1]


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
