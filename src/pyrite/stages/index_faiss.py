"""Search embeddings through FAISS."""

from __future__ import annotations

from dataclasses import dataclass

from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage
from pyrite.settings import Settings
from pyrite.stages.artifacts import DenseStore

__all__ = ["IndexFaissInputs", "IndexFaissOutputs", "IndexFaissSettings", "index_faiss"]


class IndexFaissSettings(Settings):
    """None: the flat index has no parameters, and gives the result of the exact search."""


@dataclass(frozen=True)
class IndexFaissInputs:
    """The embeddings."""

    index: DenseStore


@dataclass(frozen=True)
class IndexFaissOutputs:
    """The same embeddings, searched by FAISS."""

    index: DenseStore


@stage("index-faiss", version=1)
def index_faiss(settings: IndexFaissSettings, inputs: IndexFaissInputs, context: Context) -> IndexFaissOutputs:
    """Search the vectors of a corpus through FAISS' flat index; nothing is encoded again."""
    return IndexFaissOutputs(inputs.index.with_engine("faiss-flat"))
