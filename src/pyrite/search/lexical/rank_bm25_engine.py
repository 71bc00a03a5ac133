"""BM25 by rank-bm25, the textbook reference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pyrite.data.fingerprint import fingerprint_arrow
from pyrite.search.lexical.engines import RankBm25Settings

__all__ = ["RankBm25Engine"]

_TOKENS = "tokens.parquet"


class RankBm25Engine:
    """A `LexicalEngine` over rank-bm25, kept as the tokens that it is rebuilt from.

    Args:
        documents: Tokenised documents.
        settings: Formula and constants.
    """

    def __init__(self, documents: Sequence[Sequence[str]], settings: RankBm25Settings) -> None:
        self._documents = documents
        self._settings = settings
        self._index = _build(documents, settings)

    @classmethod
    def open(cls, folder: Path, settings: RankBm25Settings) -> RankBm25Engine:
        """Rebuild a saved index."""
        return cls(pq.read_table(folder / _TOKENS).column("tokens").to_pylist(), settings)

    def scores(self, tokens: Sequence[str]) -> np.ndarray:
        """Return float64 scores."""
        scores: np.ndarray = self._index.get_scores(tokens)
        return np.asarray(scores, dtype=np.float64)

    def floor(self, tokens: Sequence[str]) -> float:
        """Return the score at term frequency 0: above 0 in BM25Plus alone, which no length changes."""
        if self._settings.formula != "plus":
            return 0.0
        return self._settings.delta * sum(self._index.idf.get(token) or 0.0 for token in tokens)

    def save(self, folder: Path) -> None:
        """Write the tokens."""
        pq.write_table(self._table(), folder / _TOKENS)

    def fingerprint(self) -> str:
        """Return a hash of the tokens."""
        return fingerprint_arrow(self._table())

    def _table(self) -> pa.Table:
        return pa.table({"tokens": pa.array(self._documents, pa.list_(pa.string()))})


def _build(documents: Sequence[Sequence[str]], settings: RankBm25Settings) -> Any:
    import rank_bm25

    if settings.formula == "okapi":
        return rank_bm25.BM25Okapi(documents, k1=settings.k1, b=settings.b, epsilon=settings.epsilon)
    variant = rank_bm25.BM25L if settings.formula == "l" else rank_bm25.BM25Plus
    return variant(documents, k1=settings.k1, b=settings.b, delta=settings.delta)
