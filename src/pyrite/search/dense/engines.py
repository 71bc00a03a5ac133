"""How to search vectors: exactly, or nearly so and faster, as settings."""

from __future__ import annotations

import math
from typing import Annotated, Literal, get_args

from pydantic import Field

from pyrite.errors import SettingsError
from pyrite.settings import Settings, parse_settings

__all__ = [
    "ApproximateEngine",
    "DenseEngine",
    "ExactEngine",
    "FaissFlat",
    "FaissHnsw",
    "FaissIvfFlat",
    "FaissIvfPq",
    "RecallSettings",
    "parse_engine",
    "read_engine",
    "resolve_engine",
]

# FAISS warns below this number of training vectors for each centroid.
_VECTORS_A_CENTROID = 39


class ExactEngine(Settings):
    """Products block by block: memory for one block, no index, no extra."""

    type: Literal["exact"] = "exact"


class FaissFlat(Settings):
    """FAISS' flat index as the first pass: the results of `exact`, with all vectors in memory."""

    type: Literal["faiss-flat"] = "faiss-flat"


class _Lists(Settings):
    lists: int | None = Field(default=None, ge=1)
    """Into how many lists the vectors are parted. Unset: 4 times the root of the corpus' size, but no more than leaves
    39 vectors for each."""
    probes: int | None = Field(default=None, ge=1)
    """How many lists a search reads. Unset: an eighth of them, at least 8."""
    train_sample: int | None = Field(default=None, ge=1)
    """From how many vectors the centroids are learnt. Unset: 64 for each list, or the whole corpus where it is
    smaller."""
    seed: int = 0
    """Decides which vectors these are, and where the centroids start."""


class FaissIvfFlat(_Lists):
    """Vectors in lists around centroids, of which a search reads the nearest (Sivic and Zisserman, ICCV 2003)."""

    type: Literal["faiss-ivf-flat"] = "faiss-ivf-flat"


class FaissIvfPq(_Lists):
    """Lists as in `faiss-ivf-flat`, vectors compressed by product quantisation (Jégou et al., TPAMI 2011)."""

    type: Literal["faiss-ivf-pq"] = "faiss-ivf-pq"
    subquantizers: int | None = Field(default=None, ge=1)
    """Into how many parts a vector is cut, each one code; divides the dimension. Unset: parts of 4 components, or of
    the next larger number that divides it."""
    bits: int | None = Field(default=None, ge=1, le=12)
    """Bits of a code. Unset: 8, or fewer where the training sample has less than 39 vectors for each of the values."""
    refine: int = Field(default=4, ge=1)
    """How many times the depth is looked at in compressed form; the best are ranked by the vectors themselves."""


class FaissHnsw(Settings):
    """A graph of neighbours, walked towards the query (Malkov and Yashunin, arXiv 1603.09320)."""

    type: Literal["faiss-hnsw"] = "faiss-hnsw"
    links: int = Field(default=32, ge=2)
    """Neighbours of a vector, twice as many in the lowest layer."""
    ef_construction: int = Field(default=200, ge=1)
    """How many candidates are kept while the graph is built."""
    ef_search: int | None = Field(default=None, ge=1)
    """How many candidates a search keeps, at least what it has to give. Unset: twice what it has to give."""


ApproximateEngine = FaissIvfFlat | FaissIvfPq | FaissHnsw
"""Engines that may miss a document; their recall is measured."""

DenseEngine = Annotated[
    ExactEngine | FaissFlat | FaissIvfFlat | FaissIvfPq | FaissHnsw,
    Field(discriminator="type"),
]
"""An engine by its `type`: `exact`, `faiss-flat`, `faiss-ivf-flat`, `faiss-ivf-pq` or `faiss-hnsw`. The first two give
the same result, the others nearly."""

_NAMES: tuple[str, ...] = tuple(engine.model_fields["type"].default for engine in get_args(get_args(DenseEngine)[0]))


class RecallSettings(Settings):
    """How an approximate index is compared with the exact search."""

    queries: int = Field(default=200, ge=1)
    """How many vectors are searched for: given queries, or else documents, drawn by the seed."""
    depth: int = Field(default=100, ge=1)
    """How deep; the share of the exact result that is found is the recall."""
    seed: int = 0
    """Decides which ones are drawn."""


def parse_engine(engine: DenseEngine | str) -> DenseEngine:
    """Return the settings of an engine; its name alone stands for the defaults.

    Raises:
        SettingsError: There is no engine of that name.

    Example:
        >>> parse_engine("faiss-hnsw").links
        32
    """
    if isinstance(engine, Settings):
        return engine
    if engine not in _NAMES:
        raise SettingsError(f"engine: {engine!r}; allowed: {', '.join(_NAMES)}, or the settings of one")
    return read_engine({"type": engine}, "engine")


def resolve_engine(engine: ApproximateEngine, documents: int, dimension: int) -> ApproximateEngine:
    """Put numbers in the place of what is unset, by the rules that the settings name.

    `FaissHnsw.ef_search` stays as it is, since it follows the depth of each search.

    Args:
        engine: The engine.
        documents: The size of the corpus, from 1.
        dimension: Of the vectors.

    Raises:
        SettingsError: The corpus is too small for the numbers given, or they do not fit the dimension.

    Example:
        >>> resolve_engine(FaissIvfFlat(), 200_000, 384).model_dump(exclude={"type", "seed"})
        {'lists': 1789, 'probes': 224, 'train_sample': 114496}
    """
    if isinstance(engine, FaissHnsw):
        return engine
    lists = engine.lists or max(1, min(round(4 * math.sqrt(documents)), documents // _VECTORS_A_CENTROID))
    probes = engine.probes or min(lists, max(8, math.ceil(lists / 8)))
    sample = min(documents, engine.train_sample or 64 * lists)
    given: dict[str, int] = {"lists": lists, "probes": probes, "train_sample": sample}
    if isinstance(engine, FaissIvfPq):
        # A code book wants its own number of vectors, however few lists there are.
        sample = given["train_sample"] = min(documents, engine.train_sample or max(sample, 64 * 2**8))
        given["bits"] = engine.bits or max(1, min(8, int(math.log2(max(2, sample / _VECTORS_A_CENTROID)))))
        given["subquantizers"] = engine.subquantizers or _parts(dimension)
    resolved = engine.model_copy(update=given)
    _check(resolved, documents, dimension)
    return resolved


def _parts(dimension: int) -> int:
    """Return how many parts a vector has where each holds 4 components, or the next larger number that divides it."""
    return next(dimension // size for size in range(min(4, dimension), dimension + 1) if dimension % size == 0)


def _check(engine: FaissIvfFlat | FaissIvfPq, documents: int, dimension: int) -> None:
    lists, sample = engine.lists or 1, engine.train_sample or 1
    trained = f"the sample that it learns from has {sample} (train_sample; the corpus has {documents} documents)"
    other = "or take the engine exact or faiss-hnsw, which learn nothing"
    if lists > sample:
        _refuse(engine, f"lists: {lists} wants as many vectors, and {trained}; allowed: 1 to {sample}, {other}")
    if (engine.probes or 1) > lists:
        _refuse(engine, f"probes: {engine.probes} is more than there are lists; allowed: 1 to {lists}")
    if isinstance(engine, FaissIvfPq):
        if 2 ** (engine.bits or 1) > sample:
            most = int(math.log2(sample))
            _refuse(
                engine,
                f"bits: {engine.bits} wants {2 ** (engine.bits or 1)} vectors, and {trained}; "
                f"{f'allowed: 1 to {most}, ' if most else ''}{other}",
            )
        if dimension % (engine.subquantizers or 1):
            divisors = ", ".join(str(n) for n in range(1, dimension + 1) if dimension % n == 0)
            _refuse(
                engine,
                f"subquantizers: {engine.subquantizers} does not divide the dimension {dimension}; allowed: {divisors}",
            )


def _refuse(engine: FaissIvfFlat | FaissIvfPq, what: str) -> None:
    raise SettingsError(f"engine {engine.type}: {what}")


def read_engine(data: object, where: str) -> DenseEngine:
    """Return the engine that `canonical` or a file gave.

    Raises:
        SettingsError: As `parse_settings`.
    """
    return parse_settings(_OneEngine, {"engine": data}, where).engine


class _OneEngine(Settings):
    engine: DenseEngine
    """The engine by its `type`."""
