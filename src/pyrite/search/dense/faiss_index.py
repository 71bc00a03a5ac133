"""FAISS flat search, as the first pass of the exact search."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pyrite.extras import require
from pyrite.search.dense.embeddings import Embeddings
from pyrite.search.dense.faiss_device import GPU_MOST_RESULTS, chosen_gpus, on_gpus

__all__ = ["faiss_first_pass", "limited_first_pass"]

FirstPass = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]


def faiss_first_pass(embeddings: Embeddings, device: str = "cpu") -> FirstPass:
    """Return a first pass for `exact_search` by FAISS' flat inner-product index.

    The vectors are copied once, into memory or to the GPUs.

    Args:
        embeddings: The documents.
        device: "cpu", "auto", "cuda" or "cuda:1"; see `chosen_gpus`.

    Raises:
        MissingExtraError: Neither faiss-cpu (extra `cpu`) nor faiss-gpu (extra `gpu`) is there.
        SearchError: There is no such GPU.
    """
    faiss = require("faiss", "cpu")
    gpus = chosen_gpus(faiss, device)

    def build(part: int, parts: int) -> Any:
        index = faiss.IndexFlatIP(embeddings.dimension)
        for start, shard in embeddings.blocks():
            index.add(np.ascontiguousarray(shard[(part - start) % parts :: parts]))
        return on_gpus(faiss, index, gpus) if gpus else index

    return limited_first_pass(build, len(embeddings), GPU_MOST_RESULTS if gpus else None)


def limited_first_pass(build: Callable[[int, int], Any], documents: int, limit: int | None) -> FirstPass:
    """Return a first pass over indices that give at most `limit` results a query.

    Where more are wanted, the documents are dealt out to so many parts that an equal share of the results is half the
    limit. A part that holds more of them than it may give cuts some off: so the last score that is returned is never
    below that of the last result of such a part, a bound on all that was left out, and `exact_search` sees that the
    query is not certain.

    Args:
        build: Gets a part's number and the number of parts p; returns an index of every p-th document from there on,
            with FAISS' method `search`.
        documents: How many there are.
        limit: The most results, or None.
    """
    built: dict[int, list[Any]] = {}

    def search(queries: np.ndarray, kept: int) -> tuple[np.ndarray, np.ndarray]:
        parts = 1 if limit is None or kept <= limit else min(documents, math.ceil(2 * kept / limit))
        if parts not in built:
            built.clear()
            built[parts] = [build(part, parts) for part in range(parts)]
        sizes = [len(range(part, documents, parts)) for part in range(parts)]
        most = [min(kept, size, limit or kept) for size in sizes]
        queries = np.ascontiguousarray(queries)
        found = [index.search(queries, count) for index, count in zip(built[parts], most, strict=True)]
        scores = np.hstack([part_scores for part_scores, _ in found])
        positions = np.hstack([rows * parts + part for part, (_, rows) in enumerate(found)])
        order = np.argsort(-scores, axis=1, kind="stable")[:, :kept]
        scores, positions = np.take_along_axis(scores, order, axis=1), np.take_along_axis(positions, order, axis=1)
        cut = [found[part][0][:, -1:] for part in range(parts) if most[part] < min(sizes[part], kept)]
        if cut:
            scores[:, -1] = np.maximum(scores[:, -1], np.hstack(cut).max(axis=1))
        return scores, positions

    return search
