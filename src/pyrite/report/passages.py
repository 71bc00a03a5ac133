"""Queries and documents as the page quotes them."""

from __future__ import annotations

from dataclasses import dataclass

from pyrite.data import Corpus, Queries
from pyrite.report.text import Excerpt, excerpt

__all__ = ["Passage", "Passages"]


@dataclass(frozen=True, slots=True)
class Passage:
    """A document as the page quotes it; `text` is None where the corpus does not hold it."""

    doc_id: str
    title: str
    text: Excerpt | None


class Passages:
    """Looks up what the page quotes, and makes do with ids where the texts are not given.

    Args:
        corpus: The documents, or None.
        queries: The queries, or None.
    """

    def __init__(self, corpus: Corpus | None, queries: Queries | None) -> None:
        self._corpus = corpus
        self._queries = queries

    def document(self, doc_id: str) -> Passage:
        """Return a document's title and the beginning of its text."""
        if self._corpus is None or doc_id not in self._corpus:
            return Passage(doc_id, "", None)
        row = self._corpus.position(doc_id)
        title, text = (self._corpus.column(name)[row].as_py() for name in ("title", "text"))
        return Passage(doc_id, title, excerpt(text))

    def query(self, query_id: str) -> Excerpt:
        """Return the beginning of a query's text, or its id where the text is not given."""
        if self._queries is None or query_id not in self._queries:
            return Excerpt(query_id)
        return excerpt(self._queries.column("text")[self._queries.position(query_id)].as_py())
