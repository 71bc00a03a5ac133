"""A test collection: documents, queries and who is relevant to whom, split by split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyrite.data.tables import Corpus, Qrels, Queries
from pyrite.errors import DataError

__all__ = ["Collection"]


@dataclass(frozen=True)
class Collection:
    """Documents and queries, with the judgements of each split.

    The queries of all splits lie in one table; a split's own are those that its judgements name.

    Attributes:
        name: What reports call it, such as "scifact".
        corpus: The documents.
        queries: The queries of all splits.
        splits: {"train" | "dev" | "test" | ...: judgements}, as many as there are.

    Example:
        >>> qrels = Qrels.from_columns(query_id=["q"], doc_id=["d"], grade=[1], source=["human"])
        >>> tiny = Collection("tiny", Corpus.empty(), Queries.empty(), {"test": qrels})
        >>> tiny.split("dev")
        Traceback (most recent call last):
        pyrite.errors.DataError: the collection 'tiny' has no split 'dev'; it has: test
    """

    name: str
    corpus: Corpus
    queries: Queries
    splits: Mapping[str, Qrels]

    def split(self, name: str) -> Qrels:
        """Return the judgements of one split.

        Raises:
            DataError: There is no such split; the message lists those there are.
        """
        try:
            return self.splits[name]
        except KeyError:
            there = ", ".join(self.splits) or "none"
            raise DataError(f"the collection {self.name!r} has no split {name!r}; it has: {there}") from None

    def queries_of(self, name: str) -> Queries:
        """Return the queries that a split judges, in the order of its judgements.

        Raises:
            DataError: There is no such split, or it judges a query that the collection lacks.
        """
        return self.queries.select(self.split(name).query_ids())
