"""Search a corpus: lexical engines, dense indices, and scoring of given pairs, one protocol for all."""

from pyrite.search.dense.engines import ExactEngine, FaissFlat, FaissHnsw, FaissIvfFlat, FaissIvfPq
from pyrite.search.dense.index import DenseIndex, DenseRetriever
from pyrite.search.fusion import Fusion, fuse
from pyrite.search.lexical.index import LexicalIndex, LexicalRetriever
from pyrite.search.random_source import RandomIndex, RandomRetriever
from pyrite.search.retriever import Index, Pairs, Retriever
from pyrite.search.run_source import RunIndex, RunSource

__all__ = [
    "DenseIndex",
    "DenseRetriever",
    "ExactEngine",
    "FaissFlat",
    "FaissHnsw",
    "FaissIvfFlat",
    "FaissIvfPq",
    "Fusion",
    "Index",
    "LexicalIndex",
    "LexicalRetriever",
    "Pairs",
    "RandomIndex",
    "RandomRetriever",
    "Retriever",
    "RunIndex",
    "RunSource",
    "fuse",
]
