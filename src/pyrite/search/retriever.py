"""One concept for every way to search: a Retriever builds an Index of a corpus."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

import numpy as np

from pyrite.data import Corpus, Queries, Run, ScoreKind
from pyrite.settings import Json

__all__ = ["Index", "Pairs", "Retriever", "rank_order"]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Queries and documents to be scored together.

    Attributes:
        query_ids: One id for each pair.
        doc_ids: One id for each pair.
    """

    query_ids: list[str]
    doc_ids: list[str]

    def __len__(self) -> int:
        return len(self.query_ids)

    def part(self, rows: range) -> Pairs:
        """Return some of the pairs that follow each other."""
        return Pairs(self.query_ids[rows.start : rows.stop], self.doc_ids[rows.start : rows.stop])


@runtime_checkable
class Index(Protocol):
    """A corpus made searchable."""

    @property
    def name(self) -> str:
        """The name that runs and candidates carry, such as "bm25"."""
        ...

    @property
    def score_kind(self) -> ScoreKind:
        """What its scores mean."""
        ...

    def search(self, queries: Queries, depth: int) -> Run:
        """Return the best `depth` documents of each query, or all where the corpus is smaller.

        Ties are ordered by document id, descending, as trec_eval does. The result does not depend
        on the order of the queries. A lexical index leaves out documents that share no term.
        """
        ...

    def score(self, queries: Queries, pairs: Pairs) -> np.ndarray:
        """Return the score of each pair, float64, as `search` would give it at any depth.

        Raises:
            SearchError: A document is not in the index.
            DataError: A query is not among the queries.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write the index into a folder."""
        ...

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the index that `save` wrote."""
        ...


@runtime_checkable
class Retriever(Protocol):
    """A way to search, not yet bound to a corpus."""

    @property
    def name(self) -> str:
        """The name that runs and candidates carry."""
        ...

    def build(self, corpus: Corpus) -> Index:
        """Make a corpus searchable."""
        ...

    def identity(self) -> Json:
        """Return all that the rankings depend on, the corpus apart."""
        ...


def rank_order(scores: np.ndarray, doc_ids: np.ndarray) -> np.ndarray:
    """Return the order from best to worst: scores descending, then ids descending.

    Args:
        scores: Shape (n,).
        doc_ids: Strings, shape (n,).

    Example:
        >>> rank_order(np.array([1.0, 2.0, 1.0]), np.array(["a", "b", "c"])).tolist()
        [1, 2, 0]
    """
    return np.lexsort((doc_ids, scores))[::-1]
