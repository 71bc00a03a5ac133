"""Search embeddings through FAISS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from pyrite.data import Queries
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage
from pyrite.search.dense.engines import FaissFlat, FaissHnsw, FaissIvfFlat, FaissIvfPq, RecallSettings
from pyrite.settings import Settings
from pyrite.stages.artifacts import DenseStore

__all__ = ["IndexFaissInputs", "IndexFaissOutputs", "IndexFaissSettings", "index_faiss"]


class IndexFaissSettings(Settings):
    """Which of FAISS' indices, with its parameters, and how it is compared with the exact search."""

    engine: Annotated[FaissFlat | FaissIvfFlat | FaissIvfPq | FaissHnsw, Field(discriminator="type")] = FaissFlat()
    """The engine by its `type`: `faiss-flat`, which gives the result of the exact search, or, approximate,
    `faiss-ivf-flat`, `faiss-ivf-pq` or `faiss-hnsw`."""
    recall: RecallSettings = RecallSettings()
    """How the recall of an approximate engine is measured."""


@dataclass(frozen=True)
class IndexFaissInputs:
    """The embeddings, and queries to measure the recall by; by documents, where there are none."""

    index: DenseStore
    queries: Queries | None = None


@dataclass(frozen=True)
class IndexFaissOutputs:
    """The same embeddings, searched by FAISS; the summary of an approximate index has its recall."""

    index: DenseStore


@stage("index-faiss", version=3)
def index_faiss(settings: IndexFaissSettings, inputs: IndexFaissInputs, context: Context) -> IndexFaissOutputs:
    """Search the vectors of a corpus through FAISS, exactly or nearly so; nothing is encoded again."""
    stored = inputs.index
    exact = isinstance(settings.engine, FaissFlat)
    index = stored.index if exact or inputs.queries is None else stored.ready(context.resources)
    folder = context.workdir / "approximate"
    built = index.with_engine(settings.engine, folder, settings.recall, inputs.queries)
    return IndexFaissOutputs(stored.with_index(built))
