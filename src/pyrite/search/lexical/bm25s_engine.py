"""BM25 over precomputed parts of scores: the fast engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pyrite.search.lexical.analysis import Analysis
from pyrite.search.lexical.engines import Bm25sSettings
from pyrite.search.lexical.postings import Postings
from pyrite.search.lexical.tokens import Tokens, tokenise
from pyrite.search.results import Hits

__all__ = ["Bm25sEngine"]


class Bm25sEngine:
    """A `LexicalEngine` that searches `Postings`.

    Args:
        postings: Built or opened.
        analysis: How queries become tokens.
    """

    def __init__(self, postings: Postings, analysis: Analysis) -> None:
        self._postings = postings
        self._analysis = analysis

    @classmethod
    def build(cls, documents: Tokens, order: np.ndarray, analysis: Analysis, settings: Bm25sSettings) -> Bm25sEngine:
        """Index tokenised documents; row r of the engine is document order[r]."""
        return cls(Postings.build(documents, order, settings), analysis)

    @classmethod
    def open(cls, folder: Path, documents: int, analysis: Analysis) -> Bm25sEngine:
        """Open a saved index, memory-mapped."""
        return cls(Postings.open(folder, documents), analysis)

    def search(self, queries: list[str], depth: int) -> Hits:
        """Return the best documents of each query."""
        return self._postings.search(tokenise(self._analysis, queries), depth)

    def score(self, queries: list[str], rows: np.ndarray, documents: np.ndarray) -> np.ndarray:
        """Return the score of each pair, float64, to the last bit what `search` gives."""
        return self._postings.score(tokenise(self._analysis, queries), (rows, documents))

    def save(self, folder: Path) -> None:
        """Write the postings."""
        self._postings.save(folder)

    def fingerprint(self) -> str:
        """Return a hash of the postings."""
        return self._postings.fingerprint()
