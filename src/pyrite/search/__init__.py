"""Search a corpus: lexical engines, dense indices, and scoring of given pairs, one protocol for all."""

from pyrite.search.dense.index import DenseIndex, DenseRetriever
from pyrite.search.lexical.index import LexicalIndex, LexicalRetriever
from pyrite.search.retriever import Index, Pairs, Retriever

__all__ = ["DenseIndex", "DenseRetriever", "Index", "LexicalIndex", "LexicalRetriever", "Pairs", "Retriever"]
