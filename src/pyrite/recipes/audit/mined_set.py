"""Somebody's mined set as it stands, row by row: nothing is merged, so that what is double can be counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pyrite.data import Corpus, Queries
from pyrite.data.formats.examples import Example, Passage, full_text
from pyrite.data.formats.lines import Line
from pyrite.data.formats.parts import KnownTexts
from pyrite.data.text import text_key
from pyrite.report.audit import Instance

__all__ = ["Key", "MinedDocument", "MinedQuery", "MinedRow", "MinedSet"]

Key = int | str
"""The key of a normalised text, or an id where the text is not at hand."""


@dataclass(frozen=True, slots=True)
class MinedQuery:
    """A query of the set.

    Attributes:
        query_id: Its id, or None where the file gives none.
        text: Its text, or None where it is not at hand.
        key: The same for queries of the same normalised text; the id where there is no text.
    """

    query_id: str | None
    text: str | None
    key: Key


@dataclass(frozen=True, slots=True)
class MinedDocument:
    """A document of the set: one for each id and text that stand together somewhere.

    Attributes:
        doc_id: Its id, or None where the file gives none.
        text: Its text without the title, or None where it is not at hand.
        title: Its title, "" where there is none or it is not apart.
        key: The same for documents of the same normalised text; the id where there is no text.
    """

    doc_id: str | None
    text: str | None
    title: str
    key: Key

    @property
    def full(self) -> str:
        """The title, a space and the text; "" where the text is not at hand."""
        return full_text(self.title, self.text or "")


@dataclass(frozen=True, slots=True)
class MinedRow:
    """One row of the file, with positions in the queries and documents of the set."""

    line: int
    query: int
    positives: tuple[int, ...]
    negatives: tuple[int, ...]


@dataclass(slots=True)
class MinedSet:
    """The rows of a file, each query and document once.

    Attributes:
        queries: The queries.
        documents: The documents.
        rows: The rows, in the order of the file.
        same: For each document, the first one with the same key.
        lines: For each query, the line where it first stands.
        sources: {what proposed negatives: its pairs of a query and a document, copies as the first of them}.
    """

    queries: list[MinedQuery] = field(default_factory=list)
    documents: list[MinedDocument] = field(default_factory=list)
    rows: list[MinedRow] = field(default_factory=list)
    same: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    sources: dict[str, set[tuple[int, int]]] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Iterable[tuple[Line, Example]], known: KnownTexts) -> MinedSet:
        """Read rows.

        Args:
            found: Lines with their examples.
            known: What ids stand for where a row gives no text.
        """
        return _Reader(known).read(found)

    def positives(self) -> list[dict[int, int]]:
        """Return, for each query, {positive: the line where it first stands}, copies as the first of them."""
        return self._sides("positives")

    def negatives(self) -> list[dict[int, int]]:
        """Return, for each query, {negative: the line where it first stands}, copies as the first of them."""
        return self._sides("negatives")

    def _sides(self, side: str) -> list[dict[int, int]]:
        found: list[dict[int, int]] = [{} for _ in self.queries]
        for row in self.rows:
            for document in getattr(row, side):
                found[row.query].setdefault(self.same[document], row.line)
        return found

    def pairs(self) -> Iterator[tuple[int, int, int]]:
        """Yield query, negative and line of each different pair, copies as the first of them."""
        for query, negatives in enumerate(self.negatives()):
            for document, line in negatives.items():
                yield query, document, line

    def instance(self, line: int, query: int, documents: Sequence[tuple[str, int]], note: str = "") -> Instance:
        """Return an example to show: a query beside documents, each with what it is."""
        return Instance(line, self.query_name(query), tuple(self._shown(*pair) for pair in documents), note)

    def query_name(self, query: int) -> str:
        """Return a query's text, or its id where the text is not at hand."""
        found = self.queries[query]
        return found.text or found.query_id or ""

    def _shown(self, label: str, document: int) -> tuple[str, str]:
        found = self.documents[document]
        return f"{label} {found.doc_id}" if found.doc_id else label, found.full or "(its text is not at hand)"


class _Reader:
    """Numbers the queries and documents of rows."""

    def __init__(self, known: KnownTexts) -> None:
        self._known = known
        self._set = MinedSet()
        self._query_numbers: dict[tuple[str | None, Key], int] = {}
        self._document_numbers: dict[tuple[str | None, Key, str], int] = {}
        self._first: dict[Key, int] = {}

    def read(self, found: Iterable[tuple[Line, Example]]) -> MinedSet:
        for line, example in found:
            query = self._query(line.number, example)
            positives, negatives = (
                tuple(self._document(passage) for passage in side) for side in (example.positives, example.negatives)
            )
            self._set.rows.append(MinedRow(line.number, query, positives, negatives))
            for document, passage in zip(negatives, example.negatives, strict=True):
                for source in passage.sources:
                    self._set.sources.setdefault(source, set()).add((query, self._set.same[document]))
        return self._set

    def _query(self, line: int, example: Example) -> int:
        text = example.query
        if text is None:
            text = _text_of(self._known.queries, example.query_id)
        key: Key = text_key(text or "") or f"id:{example.query_id}"
        # By id where there is one, as the readers group rows; a text may stand under several ids.
        number = self._query_numbers.setdefault(
            (example.query_id, "" if example.query_id else key), len(self._set.queries)
        )
        if number == len(self._set.queries):
            self._set.queries.append(MinedQuery(example.query_id, text, key))
            self._set.lines.append(line)
        return number

    def _document(self, passage: Passage) -> int:
        text, title = passage.text, passage.title
        if text is None:
            text, title = _document_of(self._known.corpus, passage.doc_id)
        key: Key = text_key(text or title) or f"id:{passage.doc_id}"
        number = self._document_numbers.setdefault((passage.doc_id, key, title), len(self._set.documents))
        if number == len(self._set.documents):
            self._set.documents.append(MinedDocument(passage.doc_id, text, title, key))
            self._set.same.append(self._first.setdefault(key, number))
        return number


def _text_of(queries: Queries | None, query_id: str | None) -> str | None:
    if queries is None or query_id is None or query_id not in queries:
        return None
    text: str = queries.column("text")[queries.position(query_id)].as_py()
    return text


def _document_of(corpus: Corpus | None, doc_id: str | None) -> tuple[str | None, str]:
    if corpus is None or doc_id is None or doc_id not in corpus:
        return None, ""
    row = corpus.position(doc_id)
    return corpus.column("text")[row].as_py(), corpus.column("title")[row].as_py()
