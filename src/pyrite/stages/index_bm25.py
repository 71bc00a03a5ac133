"""Index a corpus for lexical search."""

from __future__ import annotations

from dataclasses import dataclass

from pyrite.data import Corpus
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage
from pyrite.search.lexical.index import LexicalIndex, LexicalRetriever, LexicalSettings

__all__ = ["IndexBm25Inputs", "IndexBm25Outputs", "index_bm25"]


@dataclass(frozen=True)
class IndexBm25Inputs:
    """The documents."""

    corpus: Corpus


@dataclass(frozen=True)
class IndexBm25Outputs:
    """The index."""

    index: LexicalIndex


@stage("index-bm25", version=2)
def index_bm25(settings: LexicalSettings, inputs: IndexBm25Inputs, context: Context) -> IndexBm25Outputs:
    """Build a BM25 index of a corpus."""
    return IndexBm25Outputs(LexicalRetriever(settings).build(inputs.corpus))
