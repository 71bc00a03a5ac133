"""Assemble a Run from the searches of single queries."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pyrite.data import Run, ScoreKind

__all__ = ["RunBuilder"]


class RunBuilder:
    """Collects rankings as positions in a corpus and turns them into a Run at the end.

    Args:
        scorer: The name of the index.
        kind: What its scores mean.
        doc_ids: The corpus' ids, as a list or in Arrow; positions point into it.
    """

    def __init__(self, scorer: str, kind: ScoreKind, doc_ids: list[str] | pa.ChunkedArray) -> None:
        self._scorer = scorer
        self._kind = kind
        self._doc_ids = doc_ids if isinstance(doc_ids, pa.ChunkedArray) else pa.array(doc_ids, pa.string())
        self._query_ids: list[str] = []
        self._positions: list[np.ndarray] = []
        self._scores: list[np.ndarray] = []

    def add(self, query_id: str, positions: np.ndarray, scores: np.ndarray) -> None:
        """Add the ranking of one query, best first."""
        self._query_ids.append(query_id)
        self._positions.append(positions)
        self._scores.append(scores)

    def run(self) -> Run:
        """Return the run."""
        lengths = np.array([len(positions) for positions in self._positions], dtype=np.int64)
        starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
        rows = np.repeat(np.arange(len(lengths)), lengths)
        return Run.build(
            self._scorer,
            self._kind,
            query_id=pa.array(self._query_ids, pa.string()).take(pa.array(rows)),
            doc_id=self._doc_ids.take(pa.array(_joined(self._positions, np.int64))),
            rank=pa.array(np.arange(len(rows)) - starts + 1, pa.int32()),
            score=pa.array(_joined(self._scores, np.float64)),
        )


def _joined(parts: list[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate(parts).astype(dtype) if parts else np.zeros(0, dtype=dtype)
