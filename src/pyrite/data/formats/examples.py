"""Training groups with their texts: what training files hold, whatever their layout.

A writer resolves the ids of a `TrainingSet` to `Example`s and lays each out as rows; a reader turns rows
into `Example`s and adds them to a `PartsBuilder`, which finds the groups, ids and texts again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, NamedTuple

import pyarrow.compute as pc

from pyrite.data.formats.lines import Line, raise_problems
from pyrite.data.records import Document, Query, TrainingGroup
from pyrite.data.tables import Corpus, Queries, TrainingSet
from pyrite.errors import DataError, Problem

__all__ = ["Example", "PartsBuilder", "Passage", "TrainingParts", "Written", "examples", "with_negatives"]

# A batch holds the texts of all documents of its groups at once.
_BATCH_GROUPS = 128
Score = float | None


class TrainingParts(NamedTuple):
    """Training groups with the tables that hold their texts."""

    corpus: Corpus
    queries: Queries
    training_set: TrainingSet


@dataclass(frozen=True, slots=True)
class Written:
    """What a writer of training files did.

    Attributes:
        rows: Rows in the file.
        dropped_groups: Groups left out because the layout cannot hold them.
        unused_negatives: Negatives of the other groups beyond the number that was asked for.
        unused_weights: Groups whose weights the file does not hold.
    """

    rows: int
    dropped_groups: int = 0
    unused_negatives: int = 0
    unused_weights: int = 0


@dataclass(frozen=True, slots=True)
class Passage:
    """One text of a group, with what is known of it."""

    text: str
    doc_id: str | None = None
    score: Score = None
    weight: float | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """A query with some of its positives and negatives: a whole group, or one row of a file."""

    query: str
    query_id: str | None
    positives: tuple[Passage, ...]
    negatives: tuple[Passage, ...]


def examples(parts: TrainingParts) -> Iterator[Example]:
    """Return each group as an example, in order; texts are looked up a batch of groups at a time.

    A document's text is its title, a space and its text, as encoders read it.

    Raises:
        DataError: The corpus or the queries lack an id; all of them are listed.
    """
    _check_known(parts)
    return _resolved(parts)


def _check_known(parts: TrainingParts) -> None:
    groups = parts.training_set
    doc_ids: dict[str, None] = {}
    for name in ("positive_ids", "negative_ids"):
        doc_ids.update(dict.fromkeys(pc.unique(pc.list_flatten(groups.column(name))).to_pylist()))
    problems = [
        Problem(table.kind, None, f"there is no {row_id!r}")
        for table, row_ids in ((parts.queries, groups.column("query_id").to_pylist()), (parts.corpus, doc_ids))
        for row_id in row_ids
        if row_id not in table
    ]
    if problems:
        raise DataError("the training set refers to texts that are not there", problems)


def _resolved(parts: TrainingParts) -> Iterator[Example]:
    rows = parts.training_set.rows()
    while groups := list(islice(rows, _BATCH_GROUPS)):
        queries = _texts(parts.queries, [group.query_id for group in groups])
        doc_ids = dict.fromkeys(row_id for group in groups for row_id in group.positive_ids + group.negative_ids)
        documents = _texts(parts.corpus, list(doc_ids))
        for group in groups:
            yield _example(group, queries[group.query_id], documents)


def _texts(table: Corpus | Queries, row_ids: list[str]) -> dict[str, str]:
    return dict(zip(row_ids, table.select(row_ids).texts(), strict=True))


def _example(group: TrainingGroup, query: str, documents: Mapping[str, str]) -> Example:
    doc_ids = group.positive_ids + group.negative_ids
    scores = group.teacher_scores or (None,) * len(doc_ids)
    weights = (None,) * len(group.positive_ids) + (group.weights or (None,) * len(group.negative_ids))
    passages = tuple(
        Passage(documents[doc_id], doc_id, score, weight)
        for doc_id, score, weight in zip(doc_ids, scores, weights, strict=True)
    )
    count = len(group.positive_ids)
    return Example(query, group.query_id, passages[:count], passages[count:])


def with_negatives(group: TrainingGroup, count: int) -> TrainingGroup:
    """Return a group with its first `count` negatives.

    Example:
        >>> with_negatives(TrainingGroup("q", ("p",), ("a", "b"), None, (0.9, 0.4, None)), 1)
        TrainingGroup(query_id='q', positive_ids=('p',), negative_ids=('a',), weights=None, teacher_scores=(0.9, 0.4))
    """
    scored = len(group.positive_ids) + count
    return replace(
        group,
        negative_ids=group.negative_ids[:count],
        weights=group.weights[:count] if group.weights else group.weights,
        teacher_scores=group.teacher_scores[:scored] if group.teacher_scores else group.teacher_scores,
    )


@dataclass(slots=True)
class _Group:
    """What the rows of one query have brought so far."""

    line: Line
    positives: dict[str, Score] = field(default_factory=dict)
    negatives: dict[str, Score] = field(default_factory=dict)
    weights: dict[str, Score] = field(default_factory=dict)

    def finished(self, query_id: str) -> TrainingGroup:
        scores = (*self.positives.values(), *self.negatives.values())
        weights = tuple(self.weights[doc_id] for doc_id in self.negatives)
        return TrainingGroup(
            query_id,
            tuple(self.positives),
            tuple(self.negatives),
            tuple(1.0 if weight is None else weight for weight in weights) if _any(weights) else None,
            scores if _any(scores) else None,
        )


class PartsBuilder:
    """Puts examples together again: rows of one query become one group, equal texts one document.

    A text without an id gets one that follows from the text. Documents, queries and groups keep the order in which they
    first appear, and so do the positives and negatives of a group.
    """

    def __init__(self) -> None:
        self._documents: dict[str, str] = {}
        self._queries: dict[str, str] = {}
        self._groups: dict[str, _Group] = {}

    def add(self, line: Line, example: Example) -> None:
        """Add the example of a line; what contradicts an earlier line is noted."""
        query_id = _identified(line, "query", example.query_id, example.query, self._queries)
        group = self._groups.setdefault(query_id, _Group(line))
        for passage in example.positives:
            doc_id = self._add_document(line, passage)
            _note(line, f"score of the document {doc_id!r}", group.positives, doc_id, passage.score)
        for passage in example.negatives:
            doc_id = self._add_document(line, passage)
            _note(line, f"score of the document {doc_id!r}", group.negatives, doc_id, passage.score)
            _note(line, f"weight of the document {doc_id!r}", group.weights, doc_id, passage.weight)
        for doc_id in sorted(group.positives.keys() & group.negatives.keys()):
            line.fault(f"the document {doc_id!r} is a positive and a negative of the query {query_id!r}")
            del group.negatives[doc_id]

    def _add_document(self, line: Line, passage: Passage) -> str:
        return _identified(line, "document", passage.doc_id, passage.text, self._documents)

    def build(self, problems: list[Problem], where: str, metadata: Mapping[str, Any] | None = None) -> TrainingParts:
        """Return what was added.

        Args:
            problems: All that was noted of the file.
            where: The file.
            metadata: Facts about the training set.

        Raises:
            DataError: There are problems, no examples, or queries without a positive.
        """
        for query_id, group in self._groups.items():
            if not group.positives:
                group.line.fault(f"the query {query_id!r} has no positive in the whole file")
        if not problems and not self._groups:
            problems.append(Problem(where, None, "holds no examples"))
        raise_problems(problems, f"the training file {where}")
        return TrainingParts(
            Corpus.from_rows(Document(doc_id, text) for doc_id, text in self._documents.items()),
            Queries.from_rows(Query(query_id, text) for query_id, text in self._queries.items()),
            TrainingSet.from_rows((group.finished(key) for key, group in self._groups.items()), metadata),
        )


def _identified(line: Line, what: str, row_id: str | None, text: str, known: dict[str, str]) -> str:
    """Return the id of a text, its content's hash where it has none, and remember what it stands for."""
    if not text.strip():
        line.fault(f"a {what} has no text")
    if row_id is None:
        # The kind is part of the id: a query and a document of the same text are not the same thing,
        # and evaluation by BEIR's rule drops a hit whose id is the query's.
        row_id = f"{what[0]}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"
    if known.setdefault(row_id, text) != text:
        line.fault(f"the {what} id {row_id!r} stands for another text in an earlier line")
    return row_id


def _note(line: Line, what: str, known: dict[str, Score], doc_id: str, value: Score) -> None:
    """Remember a value of a document; a known one fills a missing one, and two that differ are noted."""
    before = known.get(doc_id)
    if before is not None and value is not None and before != value:
        line.fault(f"the {what} is {value} and was {before} in an earlier line")
    known[doc_id] = value if before is None else before


def _any(values: tuple[Score, ...]) -> bool:
    return any(value is not None for value in values)
