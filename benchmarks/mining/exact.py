"""Exact dense search beside FAISS' flat index: 200,000 documents, 1,000 queries, the 100 best, two threads.

The vectors are on disk for ours and in memory for FAISS; an index is built, and each system searches once, outside the
time. Peer: `faiss.IndexFlatIP`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np

from benchmarks.harness import Call, Result, at_least, at_most, interleave, measure, median, write_results
from benchmarks.mining.vectors import DIMENSION, VectorKind, query_vectors, write_vectors
from pyrite.search.dense.embeddings import Embeddings
from pyrite.search.dense.exact import exact_search
from pyrite.search.topk import descending_id_rank

DOCUMENTS = 200_000
QUERIES = 1_000
DEPTH = 100
REPEATS = 5
WARM_UP = 128

Search = Callable[[], list[np.ndarray]]


def main() -> None:
    """Compare on each kind of vectors, and hold both against float64."""
    results: list[Result] = []
    for kind in get_args(VectorKind):
        with tempfile.TemporaryDirectory() as folder:
            write_vectors(Path(folder), kind, DOCUMENTS)
            results += compare(kind, {"folder": folder, "kind": kind})
    write_results("mining-exact", results)


def compare(kind: VectorKind, args: dict[str, Any]) -> list[Result]:
    """Return what one kind of vectors has to tell."""
    calls = {
        name: Call("benchmarks.mining.exact:search", args, f"benchmarks.mining.exact:{name}")
        for name in ("ours", "faiss_flat")
    }
    measured = interleave(calls, REPEATS)
    seconds = {name: median(runs) for name, runs in measured.items()}
    memory = {name: median(runs, "peak_anonymous_mb") for name, runs in measured.items()}
    wrong = measure(Call("benchmarks.mining.exact:disagreement", args)).value
    rate = {name: QUERIES / value for name, value in seconds.items()}
    return [
        at_least(f"{kind}: times FAISS", seconds["faiss_flat"] / seconds["ours"], "x", target=2.0),
        Result(f"{kind}: queries a second", rate["ours"], "1/s", rate["faiss_flat"]),
        Result(f"{kind}: anonymous memory", memory["ours"], "MB", memory["faiss_flat"]),
        at_most(f"{kind}: largest difference to float64", wrong["difference"], "score", 1e-6, wrong["faiss_flat"]),
        Result(f"{kind}: queries that the first pass left open", wrong["uncertified"], "queries"),
    ]


def ours(folder: str, kind: VectorKind) -> Search:
    """Open the vectors and search once, which loads what numba compiled."""
    embeddings = Embeddings.open(Path(folder))
    ties = descending_id_rank(embeddings.ids)
    queries = query_vectors(kind, QUERIES)
    exact_search(queries[:WARM_UP], embeddings, DEPTH, ties)
    return lambda: exact_search(queries, embeddings, DEPTH, ties).positions


def faiss_flat(folder: str, kind: VectorKind) -> Search:
    """Add the vectors to FAISS' index and search once."""
    import faiss

    faiss.omp_set_num_threads(2)
    index = faiss.IndexFlatIP(DIMENSION)
    for _, shard in Embeddings.open(Path(folder)).blocks():
        index.add(np.ascontiguousarray(shard))
    queries = query_vectors(kind, QUERIES)
    index.search(queries[:WARM_UP], DEPTH)
    return lambda: list(index.search(queries, DEPTH)[1])


def search(run: Search) -> int:
    """Search; what is measured."""
    return len(run())


def disagreement(folder: str, kind: VectorKind) -> dict[str, float]:
    """Return by how much, at any rank, the score of what was found is off that of a search in float64."""
    embeddings = Embeddings.open(Path(folder))
    queries = query_vectors(kind, QUERIES)
    best = _best_scores(queries, embeddings)
    hits = exact_search(queries, embeddings, DEPTH, descending_id_rank(embeddings.ids))
    peer = faiss_flat(folder, kind)()
    return {
        "difference": _largest_difference(queries, embeddings, hits.positions, best),
        "faiss_flat": _largest_difference(queries, embeddings, peer, best),
        "uncertified": hits.uncertified,
    }


def _best_scores(queries: np.ndarray, embeddings: Embeddings) -> np.ndarray:
    """Return the scores of the best documents by float64 throughout, best first."""
    best = np.full((len(queries), DEPTH), -np.inf)
    for _, shard in embeddings.blocks():
        for start in range(0, len(shard), 10_000):
            scores = queries.astype(np.float64) @ shard[start : start + 10_000].astype(np.float64).T
            best = -np.partition(-np.hstack([best, scores]), DEPTH - 1, axis=1)[:, :DEPTH]
    return -np.sort(-best, axis=1)


def _largest_difference(
    queries: np.ndarray, embeddings: Embeddings, found: list[np.ndarray], best: np.ndarray
) -> float:
    largest = 0.0
    for query, rows, wanted in zip(queries.astype(np.float64), found, best, strict=True):
        scores = embeddings.rows(rows).astype(np.float64) @ query
        largest = max(largest, float(np.abs(scores - wanted).max()))
    return largest


if __name__ == "__main__":
    main()
