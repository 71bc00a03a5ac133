"""Five million documents on disk, 1,000 queries, the 100 best, in little memory; FAISS' flat index holds them all.

Both are run once. The vectors take 7.7 GB in a temporary folder; where there is no room for them, nothing is measured.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil
from rich.console import Console

from benchmarks.harness import Call, Measurement, Result, at_most, measure, write_results
from benchmarks.mining.vectors import DIMENSION, query_vectors, write_vectors
from pyrite.data import Queries, Query, ScoreKind
from pyrite.models.protocols import Role
from pyrite.search import DenseIndex
from pyrite.search.dense.embeddings import Embeddings
from pyrite.settings import Json

DOCUMENTS = 5_000_000
QUERIES = 1_000
DEPTH = 100
CEILING_MB = 3 * 2**30 / 1e6
VECTORS_GB = DOCUMENTS * DIMENSION * 4 / 1e9


def main() -> None:
    """Measure seconds and anonymous memory of both."""
    folder = Path(tempfile.mkdtemp(prefix="pyrite-large-"))
    try:
        free = shutil.disk_usage(folder).free / 1e9
        if free < 1.2 * VECTORS_GB:
            Console().print(f"skipped: {folder} has {free:.1f} GB free, and the vectors take {VECTORS_GB:.1f} GB")
            return
        write_vectors(folder, "random", DOCUMENTS)
        write_results("mining-large", _results(folder))
    finally:
        shutil.rmtree(folder)


def _results(folder: Path) -> list[Result]:
    ours = measure(Call("benchmarks.mining.large:search_index", {"folder": str(folder)}))
    peer = _peer(folder)
    seconds, memory = (peer.seconds, peer.peak_anonymous_mb) if peer else (None, None)
    return [
        at_most("anonymous memory, from opening to hits", ours.peak_anonymous_mb, "MB", CEILING_MB, memory),
        Result("resident memory, mapped files included", ours.peak_resident_mb, "MB"),
        Result("opening and searching", ours.seconds, "s", seconds),
    ]


def _peer(folder: Path) -> Measurement | None:
    available = psutil.virtual_memory().available / 1e9
    if available < 1.3 * VECTORS_GB:
        Console().print(f"FAISS is not measured: {available:.1f} GB of memory, and its index takes {VECTORS_GB:.1f} GB")
        return None
    return measure(Call("benchmarks.mining.large:search_flat", {"folder": str(folder)}))


class GivenVectors:
    """An encoder of queries whose texts are numbers of rows."""

    dimension = DIMENSION
    score_kind = ScoreKind.COSINE

    def encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        """Return the vectors of these rows."""
        return query_vectors("random", QUERIES)[[int(text) for text in texts]]

    def identity(self) -> Json:
        """Return what the documents' vectors carry."""
        return {"kind": "random"}


def search_index(folder: str) -> int:
    """Search through the index, as a miner does."""
    index = DenseIndex(Embeddings.open(Path(folder)), GivenVectors())
    run = index.search(Queries.from_rows(Query(f"q{row}", str(row)) for row in range(QUERIES)), DEPTH)
    return len(run)


def search_flat(folder: str) -> int:
    """Add the vectors to FAISS' index and search."""
    import faiss

    faiss.omp_set_num_threads(2)
    index = faiss.IndexFlatIP(DIMENSION)
    for _, shard in Embeddings.open(Path(folder)).blocks():
        index.add(np.ascontiguousarray(shard))
    return int(index.search(query_vectors("random", QUERIES), DEPTH)[1].size)


if __name__ == "__main__":
    main()
