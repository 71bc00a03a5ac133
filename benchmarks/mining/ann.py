"""Approximate engines beside the exact search and beside FAISS alone; documents encoded anew for a corpus that grew.

Run alone: `python -m benchmarks.mining ann`. The vectors lie in clusters and vary in few directions, as those of texts
do: in all directions alike, no index of any kind would help.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.harness import Result, at_most, write_results
from benchmarks.mining.grown import grown_corpus, scifact
from pyrite.data import Corpus, ScoreKind
from pyrite.search import DenseIndex, DenseRetriever, FaissHnsw, FaissIvfFlat, FaissIvfPq
from pyrite.search.dense.approximate import approximate_search, measure_recall
from pyrite.search.dense.embeddings import Embeddings, write_head
from pyrite.search.dense.exact import DenseHits, exact_search
from pyrite.search.topk import descending_id_rank
from pyrite.testing.encoders import HashingEncoder

DOCUMENTS, DIMENSION, QUERIES, DEPTH = 200_000, 384, 1000, 100
SHARD = 4096
REPEATS = 3


def clustered(rows: int, seed: int) -> np.ndarray:
    """Return unit vectors around 500 centres in 32 directions, with a little noise in all: shape (rows, DIMENSION)."""
    shape = np.random.default_rng(99)
    centres = shape.standard_normal((500, 32), dtype=np.float32)
    directions = shape.standard_normal((32, DIMENSION), dtype=np.float32)
    generator = np.random.default_rng(seed)
    inner = centres[generator.integers(0, 500, rows)] + generator.standard_normal((rows, 32), dtype=np.float32)
    vectors = inner @ directions + generator.standard_normal((rows, DIMENSION), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def embeddings(folder: Path, documents: int) -> Embeddings:
    """Write clustered vectors in shards."""
    vectors = clustered(documents, seed=0)
    shards = []
    for start in range(0, documents, SHARD):
        shards.append(folder / f"{start:09d}.npy")
        np.save(shards[-1], vectors[start : start + SHARD])
    ids = pa.chunked_array([pa.array([f"d{row}" for row in range(documents)])])
    return write_head(shards, ids, score_kind=ScoreKind.COSINE, identity="clustered")


def engines(folder: Path, documents: int) -> list[Result]:
    """Search by each engine through Pyrite, and by FAISS alone with the same index and parameters."""
    stored, queries = embeddings(folder, documents), clustered(QUERIES, seed=1)
    ties = descending_id_rank(stored.ids)
    seconds, exact = timed(lambda: exact_search(queries, stored, DEPTH, ties))
    results = [rate("exact", seconds)]
    for engine in (FaissIvfFlat(), FaissIvfPq(), FaissHnsw()):
        started = time.perf_counter()
        index = DenseIndex(stored, None).with_engine(engine, folder / engine.type).approximate
        built = time.perf_counter() - started
        ours, found = timed(partial(approximate_search, queries, stored, index, DEPTH, ties))
        alone, raw = timed(partial(faiss_alone, index._index, queries, index.engine))
        recall, theirs = measure_recall(found, exact), measure_recall(raw, exact)
        results += [
            rate(engine.type, ours, alone),
            Result(f"{engine.type}, recall@{DEPTH}", recall, "", theirs),
            Result(f"{engine.type}, time beside FAISS alone", ours / alone, "times"),
            Result(f"{engine.type}, building and measuring", built, "s"),
        ]
    return results


def faiss_alone(index: Any, queries: np.ndarray, engine: Any) -> DenseHits:
    """Search as one who uses FAISS directly: its scores, its order, DEPTH results."""
    import faiss

    if isinstance(engine, FaissHnsw):
        parameters = faiss.SearchParametersHNSW(efSearch=2 * (DEPTH + 32))
    else:
        parameters = faiss.SearchParametersIVF(nprobe=engine.probes)
    scores, positions = index.search(queries, DEPTH, params=parameters)
    return DenseHits(list(positions), list(scores), {})


def timed(search: Callable[[], DenseHits]) -> tuple[float, DenseHits]:
    """Return the median seconds of a search, and its result."""
    taken = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        hits = search()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken), hits


def rate(name: str, seconds: float, peer: float | None = None) -> Result:
    """Return queries a second."""
    return Result(name, QUERIES / seconds, "queries/s", None if peer is None else QUERIES / peer)


def growth(folder: Path, documents: int) -> list[Result]:
    """Count the texts that are encoded when documents come in at random places, and when the corpus is shuffled."""
    large = grown_corpus(scifact().corpus, documents * 101 // 100)
    generator = np.random.default_rng(0)
    order = generator.permutation(len(large))
    first = Corpus(large.arrow.take(pa.array(np.sort(order[:documents]))))
    encoded = {}
    for name, corpus in {
        "first": first,
        "grown": large,
        "shuffled": Corpus(large.arrow.take(pa.array(order))),
    }.items():
        encoder = HashingEncoder(DIMENSION)
        started = time.perf_counter()
        DenseRetriever(encoder, folder=folder).build(corpus)
        encoded[name] = (encoder.encoded, time.perf_counter() - started)
    share = encoded["grown"][0] / documents
    return [
        at_most("growth by 1 % at random places, encoded anew", 100 * share, "% of the corpus", 2),
        at_most("the grown corpus shuffled, encoded anew", encoded["shuffled"][0], "documents", 0),
        Result("the grown corpus shuffled, seconds", encoded["shuffled"][1], "s", encoded["first"][1]),
    ]


def main(documents: int = DOCUMENTS) -> None:
    """Run both parts."""
    with tempfile.TemporaryDirectory() as folder:
        results = engines(Path(folder), documents)
    with tempfile.TemporaryDirectory() as folder:
        results += growth(Path(folder), documents // 2)
    write_results("mining-ann", results)


if __name__ == "__main__":
    main()
