"""BM25 by bm25s."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pyrite.data.fingerprint import fingerprint_array
from pyrite.search.lexical.engines import Bm25sSettings
from pyrite.settings import canonical_hash

if TYPE_CHECKING:
    from bm25s import BM25

__all__ = ["Bm25sEngine"]


class Bm25sEngine:
    """A `LexicalEngine` over bm25s' precomputed sparse scores.

    Args:
        index: The bm25s index, built or loaded.
    """

    def __init__(self, index: BM25) -> None:
        self._index = index

    @classmethod
    def build(cls, documents: Sequence[Sequence[str]], settings: Bm25sSettings) -> Bm25sEngine:
        """Index tokenised documents."""
        import bm25s

        vocabulary: dict[str, int] = {}
        ids = [[vocabulary.setdefault(token, len(vocabulary)) for token in document] for document in documents]
        index = bm25s.BM25(k1=settings.k1, b=settings.b, delta=settings.delta, method=settings.formula)
        index.index((ids, vocabulary), show_progress=False)
        return cls(index)

    @classmethod
    def open(cls, folder: Path) -> Bm25sEngine:
        """Open a saved index, memory-mapped."""
        import bm25s

        return cls(bm25s.BM25.load(str(folder), mmap=True))

    def scores(self, tokens: Sequence[str]) -> np.ndarray:
        """Return float64 scores; tokens that no document holds count nothing."""
        known = self._known(tokens)
        if not known:
            return np.zeros(int(self._index.scores["num_docs"]))
        scores: np.ndarray = self._index.get_scores_from_ids(known).astype(np.float64)
        return scores

    def floor(self, tokens: Sequence[str]) -> float:
        """Return the sum of the non-occurrence scores: 0 but for `bm25l` and `bm25+`."""
        absent = self._index.nonoccurrence_array
        known = self._known(tokens)
        return float(absent[known].sum()) if absent is not None and known else 0.0

    def save(self, folder: Path) -> None:
        """Write bm25s' own files."""
        self._index.save(str(folder), show_progress=False)

    def fingerprint(self) -> str:
        """Return a hash of the sparse score matrix and the vocabulary."""
        parts = [fingerprint_array(np.asarray(self._index.scores[name])) for name in ("data", "indices", "indptr")]
        return canonical_hash([*parts, self._index.vocab_dict])

    def _known(self, tokens: Sequence[str]) -> list[int]:
        vocabulary = self._index.vocab_dict
        return [vocabulary[token] for token in tokens if token in vocabulary]
