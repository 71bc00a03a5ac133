"""Training groups with their texts: what training files hold, whatever their layout.

A writer resolves the ids of a `TrainingSet` to `Example`s and lays each out as rows; a reader turns rows
into `Example`s, which `PartsBuilder` puts together again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

import pyarrow.compute as pc

from pyrite.data.records import TrainingGroup
from pyrite.data.tables import Corpus, Queries, TrainingSet
from pyrite.errors import DataError, Problem

__all__ = [
    "Example",
    "Passage",
    "Score",
    "TrainingParts",
    "example_of",
    "examples",
    "full_text",
    "known_margins",
    "used_documents",
    "with_negatives",
]

# A batch holds the texts of all documents of its groups at once.
_BATCH_GROUPS = 128
Score = float | None


class TrainingParts(NamedTuple):
    """Training groups with the tables that hold their texts.

    A table without rows says that the texts are not at hand: a file of ids can be read and written without them.
    """

    corpus: Corpus
    queries: Queries
    training_set: TrainingSet


@dataclass(frozen=True, slots=True)
class Passage:
    """One document of a group, with what is known of it there.

    Attributes:
        text: The text; with the title in front where a file does not keep the two apart; None where a file gives
            an id alone.
        doc_id: The id, or None.
        score: The teacher's, or None.
        weight: A negative's, or None.
        title: Kept apart from the text; "" where there is none.
        sources: What proposed a negative; () where that is not known.
    """

    text: str | None
    doc_id: str | None = None
    score: Score = None
    weight: float | None = None
    title: str = ""
    sources: tuple[str, ...] = ()

    @property
    def full(self) -> str:
        """The title, a space and the text, as encoders read a document; "" where the text is not at hand."""
        return full_text(self.title, self.text or "")


def full_text(title: str, text: str) -> str:
    """Return the title, a space and the text, as `Corpus.texts` has it.

    Example:
        >>> full_text("On mines", "Deep."), full_text("", " Deep.")
        ('On mines Deep.', ' Deep.')
    """
    return f"{title} {text}".strip() if title else text


@dataclass(frozen=True, slots=True)
class Example:
    """A query with some of its positives and negatives: a whole group, or one row of a file.

    Attributes:
        query: The query's text; None where a file gives an id alone.
        query_id: The id, or None.
        positives: Known answers.
        negatives: Documents to train against.
        margins: The teacher's, as in `TrainingGroup`, or None.
        weight: How often the query counts, or None.
    """

    query: str | None
    query_id: str | None
    positives: tuple[Passage, ...]
    negatives: tuple[Passage, ...]
    margins: tuple[Score, ...] | None = None
    weight: float | None = None


def examples(parts: TrainingParts, queries: bool = True, documents: bool = True) -> Iterator[Example]:
    """Return each group as an example, in order; texts are looked up a batch of groups at a time.

    Args:
        parts: The groups, and the tables that hold their texts.
        queries: Whether texts of queries are wanted; without them they are None.
        documents: Whether texts of documents are wanted; without them they are None.

    Raises:
        DataError: The corpus or the queries lack an id whose text is wanted; all of them are listed.
    """
    _check_known(parts, queries, documents)
    return _resolved(parts, queries, documents)


def used_documents(training_set: TrainingSet) -> list[str]:
    """Return the ids of all documents that groups refer to: positives first, each once."""
    doc_ids: dict[str, None] = {}
    for name in ("positive_ids", "negative_ids"):
        doc_ids.update(dict.fromkeys(pc.unique(pc.list_flatten(training_set.column(name))).to_pylist()))
    return list(doc_ids)


def _check_known(parts: TrainingParts, queries: bool, documents: bool) -> None:
    groups = parts.training_set
    wanted: list[tuple[Corpus | Queries, list[str]]] = []
    if queries:
        wanted.append((parts.queries, groups.column("query_id").to_pylist()))
    if documents:
        wanted.append((parts.corpus, used_documents(groups)))
    problems = [
        Problem(table.kind, None, f"there is no {row_id!r}")
        for table, row_ids in wanted
        for row_id in row_ids
        if row_id not in table
    ]
    if problems:
        raise DataError("the training set refers to texts that are not there", problems)


def _resolved(parts: TrainingParts, queries: bool, documents: bool) -> Iterator[Example]:
    rows = parts.training_set.rows()
    while groups := list(islice(rows, _BATCH_GROUPS)):
        query_ids = [group.query_id for group in groups]
        query_texts: Mapping[str, str] = {}
        if queries:
            query_texts = dict(zip(query_ids, parts.queries.select(query_ids).texts(), strict=True))
        doc_ids = list(dict.fromkeys(key for group in groups for key in group.positive_ids + group.negative_ids))
        found = {row.doc_id: (row.text, row.title) for row in parts.corpus.select(doc_ids).rows()} if documents else {}
        for group in groups:
            yield example_of(group, query_texts.get(group.query_id), found)


def example_of(group: TrainingGroup, query: str | None, documents: Mapping[str, tuple[str, str]]) -> Example:
    """Return a group as an example.

    Args:
        group: The group.
        query: The text of its query, or None.
        documents: {doc_id: (text, title)}; a document that is not in it has the text None.
    """
    count = len(group.positive_ids)
    doc_ids = group.positive_ids + group.negative_ids
    scores = group.teacher_scores or (None,) * len(doc_ids)
    weights = (None,) * count + (group.weights or (None,) * len(group.negative_ids))
    sources = ((),) * count + (group.sources or ((),) * len(group.negative_ids))
    passages = []
    for doc_id, score, weight, proposed in zip(doc_ids, scores, weights, sources, strict=True):
        text, title = documents.get(doc_id, (None, ""))
        passages.append(Passage(text, doc_id, score, weight, title, proposed))
    positives, negatives = tuple(passages[:count]), tuple(passages[count:])
    return Example(query, group.query_id, positives, negatives, group.margins, group.example_weight)


def known_margins(
    positives: Sequence[Score], negatives: Sequence[Score], margins: Sequence[Score] | None
) -> list[Score]:
    """Return the margin of each positive over each negative, as in `TrainingGroup`.

    Args:
        positives: The teacher's score of each positive, or None.
        negatives: The teacher's score of each negative, or None.
        margins: The teacher's margins, where it gave some. They come first; where there is none, the difference of two
            scores is the margin, and where one of those is missing it stays None.

    Example:
        >>> known_margins([0.5], [0.25, None, 0.1], [None, None, 0.3])
        [0.25, None, 0.3]
    """
    given = iter(margins or (None,) * (len(positives) * len(negatives)))
    found: list[Score] = []
    for positive in positives:
        for negative in negatives:
            margin = next(given)
            if margin is None and positive is not None and negative is not None:
                margin = positive - negative
            found.append(margin)
    return found


def with_negatives(group: TrainingGroup, count: int) -> TrainingGroup:
    """Return a group with its first `count` negatives.

    Example:
        >>> group = TrainingGroup("q", ("p",), ("a", "b"), teacher_scores=(0.9, 0.4, None), margins=(0.5, None))
        >>> less = with_negatives(group, 1)
        >>> less.negative_ids, less.teacher_scores, less.margins
        (('a',), (0.9, 0.4), (0.5,))
    """
    before, scored = len(group.negative_ids), len(group.positive_ids) + count
    margins = group.margins
    if margins:
        starts = range(0, len(margins), before)
        margins = tuple(margin for start in starts for margin in margins[start : start + min(count, before)])
    return replace(
        group,
        negative_ids=group.negative_ids[:count],
        weights=group.weights[:count] if group.weights else group.weights,
        teacher_scores=group.teacher_scores[:scored] if group.teacher_scores else group.teacher_scores,
        margins=margins,
        sources=group.sources[:count] if group.sources else group.sources,
    )
