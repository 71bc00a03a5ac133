"""BM25 by rank-bm25, the textbook reference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pyrite.data.fingerprint import fingerprint_arrow
from pyrite.search.lexical.analysis import Analysis
from pyrite.search.lexical.engines import RankBm25Settings
from pyrite.search.results import Hits
from pyrite.search.topk import top_indices

__all__ = ["RankBm25Engine"]

_TOKENS = "tokens.parquet"
# Scores nearer to the floor than this are rounding, not a shared term.
_ROUNDING = 1e-9


class RankBm25Engine:
    """A `LexicalEngine` over rank-bm25, kept as the tokens that it is rebuilt from.

    Args:
        documents: Tokenised documents, in the order of the rows.
        analysis: How queries become tokens.
        settings: Formula and constants.
    """

    def __init__(self, documents: Sequence[Sequence[str]], analysis: Analysis, settings: RankBm25Settings) -> None:
        self._documents = documents
        self._analysis = analysis
        self._settings = settings
        self._index = _build(documents, settings)

    @classmethod
    def open(cls, folder: Path, analysis: Analysis, settings: RankBm25Settings) -> RankBm25Engine:
        """Rebuild a saved index."""
        return cls(pq.read_table(folder / _TOKENS).column("tokens").to_pylist(), analysis, settings)

    def search(self, queries: list[str], depth: int) -> Hits:
        """Return the best documents of each query."""
        rows, scores = [], []
        for query in queries:
            tokens = self._analysis.tokens(query)
            every = self._scores(tokens)
            found = np.flatnonzero(every > self._floor(tokens) + _ROUNDING)
            rows.append(found[top_indices(every[found], depth, found)])
            scores.append(every[rows[-1]])
        counts = np.array([len(found) for found in rows], dtype=np.int64)
        return Hits(counts, np.concatenate([*rows, np.zeros(0, np.int64)]), np.concatenate([*scores, np.zeros(0)]))

    def score(self, queries: list[str], rows: np.ndarray, documents: np.ndarray) -> np.ndarray:
        """Return the score of each pair, float64."""
        result = np.empty(len(rows))
        for row in np.unique(rows):
            chosen = rows == row
            result[chosen] = self._scores(self._analysis.tokens(queries[row]))[documents[chosen]]
        return result

    def save(self, folder: Path) -> None:
        """Write the tokens."""
        pq.write_table(self._table(), folder / _TOKENS)

    def fingerprint(self) -> str:
        """Return a hash of the tokens."""
        return fingerprint_arrow(self._table())

    def _scores(self, tokens: Sequence[str]) -> np.ndarray:
        return np.asarray(self._index.get_scores(tokens), dtype=np.float64)

    def _floor(self, tokens: Sequence[str]) -> float:
        """Return the score at term frequency 0: above 0 in BM25Plus alone, which no length changes."""
        if self._settings.formula != "plus":
            return 0.0
        return self._settings.delta * sum(self._index.idf.get(token) or 0.0 for token in tokens)

    def _table(self) -> pa.Table:
        return pa.table({"tokens": pa.array(self._documents, pa.list_(pa.string()))})


def _build(documents: Sequence[Sequence[str]], settings: RankBm25Settings) -> Any:
    import rank_bm25

    if settings.formula == "okapi":
        return rank_bm25.BM25Okapi(documents, k1=settings.k1, b=settings.b, epsilon=settings.epsilon)
    variant = rank_bm25.BM25L if settings.formula == "l" else rank_bm25.BM25Plus
    return variant(documents, k1=settings.k1, b=settings.b, delta=settings.delta)
