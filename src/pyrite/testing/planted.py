"""A collection with a trap for each way in which a positive can come back as a negative."""

from __future__ import annotations

from pyrite.data.collection import Collection
from pyrite.data.records import Document, Judgment, Query
from pyrite.data.tables import Corpus, Qrels, Queries

__all__ = ["NEVER_NEGATIVE", "planted_collection"]

_DOCUMENTS = (
    Document("p1", "Pyrite leaves a black streak on porcelain", "Streak"),
    Document("copy-case", "PYRITE leaves a BLACK streak on porcelain", "Another title"),
    Document("copy-space", "  Pyrite leaves\ta black\n\nstreak on porcelain "),
    Document("copy-nfkc", "Pyrite leaves a black\u00a0streak on porcelain"),
    Document("p2", "The streak of pyrite is black, of gold yellow"),
    Document("judged-zero", "Haematite leaves a red streak on porcelain"),
    Document("q1", "Streak plates are made of porcelain"),
    Document("q-text", "what colour is the streak of pyrite?"),
    Document("twin-a", "Magnetite leaves a black streak too", "A"),
    Document("twin-b", "Magnetite leaves a BLACK streak too", "B"),
    Document("unicode", "La pyrite laisse une trace noire \u2014 \u9ec4\u9244\u9271 \U0001f48e streak"),
    Document("no-title", "Streak colour of talc is white", ""),
    Document("long", "streak " * 14_286),
    Document("title-only", "", "Streak of pyrite"),
    *(Document(f"other-{i}", f"Mineral number {i} has a streak of colour {i}") for i in range(20)),
)
_QUERIES = (
    Query("q1", "What colour is the streak of pyrite?"),
    Query("q2", "streak of talc"),
    Query("q3", "unjudged"),
)
_JUDGEMENTS = (
    Judgment("q1", "p1", 1),
    Judgment("q1", "p2", 2),
    Judgment("q1", "judged-zero", 0),
    Judgment("q2", "no-title", 1),
)

NEVER_NEGATIVE = {
    "q1": frozenset({"p1", "p2", "copy-case", "copy-space", "copy-nfkc", "q1", "q-text"}),
    "q2": frozenset({"no-title"}),
}
"""The documents that can be no negative of a query: its positives, their copies, itself."""


def planted_collection() -> Collection:
    """Return the planted collection: 34 documents, 3 queries, the split train.

    `q1` has two positives; copies of one in other case, white space and Unicode form; a document judged 0, the only
    trusted negative; a document with its own id, and one with its own text. Among the others are two copies of each
    other, a text of 100,000 characters, one without a title and one that is a title alone. `q3` is not judged.

    Example:
        >>> planted = planted_collection()
        >>> len(planted.corpus), planted.splits["train"].by_query()["q1"]
        (34, {'p1': 1, 'p2': 2, 'judged-zero': 0})
    """
    return Collection(
        name="planted",
        corpus=Corpus.from_rows(_DOCUMENTS),
        queries=Queries.from_rows(_QUERIES),
        splits={"train": Qrels.from_rows(_JUDGEMENTS)},
    )
