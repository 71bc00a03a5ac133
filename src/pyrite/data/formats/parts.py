"""Examples of a training file put together again: rows of one query become one group, equal texts one document."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

from pyrite.data.formats.examples import Example, Passage, Score, TrainingParts, full_text
from pyrite.data.formats.lines import Line, raise_problems
from pyrite.data.records import Document, Query, TrainingGroup
from pyrite.data.tables import Corpus, Queries, TrainingSet
from pyrite.errors import Problem

__all__ = ["Conflicts", "KnownTexts", "PartsBuilder", "parts_of"]

Conflicts = Literal["error", "drop"]
"""What becomes of a negative that is a positive of its query as well: a fault, or left out and counted."""

_BATCH_ROWS = 65_536

# The same pair, scored in two batches of another padding, differs in the last digits.
_SAME_MARGIN = 1e-3


@dataclass(frozen=True, slots=True)
class KnownTexts:
    """What a file's ids stand for, where the file does not say it: the texts that lie beside it or were given.

    Attributes:
        corpus: The documents, or None.
        queries: The queries, or None.
    """

    corpus: Corpus | None = None
    queries: Queries | None = None


@dataclass(slots=True)
class _Group:
    """What the rows of one query have brought so far."""

    line: Line
    positives: dict[str, Score] = field(default_factory=dict)
    negatives: dict[str, Score] = field(default_factory=dict)
    weights: dict[str, Score] = field(default_factory=dict)
    sources: dict[str, dict[str, None]] = field(default_factory=dict)
    margins: dict[tuple[str, str], Score] = field(default_factory=dict)
    weight: dict[str, Score] = field(default_factory=dict)

    def finished(self, query_id: str) -> TrainingGroup:
        scores = (*self.positives.values(), *self.negatives.values())
        weights = tuple(self.weights[doc_id] for doc_id in self.negatives)
        margins = tuple(self.margins.get((p, n)) for p in self.positives for n in self.negatives)
        sources = tuple(tuple(self.sources.get(doc_id, ())) for doc_id in self.negatives)
        return TrainingGroup(
            query_id,
            tuple(self.positives),
            tuple(self.negatives),
            tuple(1.0 if weight is None else weight for weight in weights) if _any(weights) else None,
            scores if _any(scores) else None,
            margins if _any(margins) else None,
            sources if any(sources) else None,
            self.weight.get(query_id),
        )


class PartsBuilder:
    """Puts the examples of one file together.

    A text without an id gets that of the same text among those known, else one that follows from the text. Documents,
    queries and groups keep the order in which they first appear, and so do the positives and negatives of a group.
    Each text is held once, in Arrow batches.

    Args:
        known: What ids stand for where the file gives no texts.
        conflicts: What becomes of negatives that are positives.
    """

    def __init__(self, known: KnownTexts | None = None, conflicts: Conflicts = "error") -> None:
        known = known or KnownTexts()
        self._conflicts = conflicts
        self._dropped: set[tuple[str, str]] = set()
        self._documents = _Texts("document", Corpus, known.corpus)
        self._queries = _Texts("query", Queries, known.queries)
        self._groups: dict[str, _Group] = {}
        self._repeated = 0

    def add(self, line: Line, example: Example) -> None:
        """Add the example of a line; what contradicts an earlier line is noted."""
        query_id = self._queries.identify(line, example.query_id, "", example.query)
        group = self._groups.setdefault(query_id, _Group(line))
        _note(line, f"weight of the query {query_id!r}", group.weight, query_id, example.weight)
        positives = [self._identify(line, passage) for passage in example.positives]
        negatives = [self._identify(line, passage) for passage in example.negatives]
        for doc_id, passage in zip(positives, example.positives, strict=True):
            _note(line, f"score of the document {doc_id!r}", group.positives, doc_id, passage.score)
        for doc_id, passage in zip(negatives, example.negatives, strict=True):
            _note(line, f"score of the document {doc_id!r}", group.negatives, doc_id, passage.score)
            _note(line, f"weight of the document {doc_id!r}", group.weights, doc_id, passage.weight)
            group.sources.setdefault(doc_id, {}).update(dict.fromkeys(passage.sources))
        self._add_margins(line, group, [(p, n) for p in positives for n in negatives], example.margins or ())
        for doc_id in sorted(group.positives.keys() & group.negatives.keys()):
            if self._conflicts == "error":
                line.fault(f"the document {doc_id!r} is a positive and a negative of the query {query_id!r}")
            self._dropped.add((query_id, doc_id))
            del group.negatives[doc_id]

    def _identify(self, line: Line, passage: Passage) -> str:
        return self._documents.identify(line, passage.doc_id, passage.title, passage.text)

    def _add_margins(self, line: Line, group: _Group, pairs: list[tuple[str, str]], margins: Iterable[Score]) -> None:
        for pair, margin in zip(pairs, margins, strict=False):
            before = group.margins.get(pair)
            if before is None or margin is None:
                group.margins[pair] = margin if before is None else before
            elif abs(before - margin) <= _SAME_MARGIN * max(1.0, abs(before)):
                self._repeated += 1
            else:
                line.fault(
                    f"the margin of {pair[0]!r} over {pair[1]!r} is {margin} and was {before} in an earlier line"
                )

    def build(self, problems: list[Problem], where: str, metadata: Mapping[str, Any] | None = None) -> TrainingParts:
        """Return what was added.

        Args:
            problems: All that was noted of the file.
            where: The file.
            metadata: Facts about the training set. `repeated_margins` is added where pairs came again, with the same
                margin up to a thousandth: the first one is kept; `dropped_conflicts` where negatives were left out.

        Raises:
            DataError: There are problems, no examples, or queries without a positive.
        """
        for query_id, group in self._groups.items():
            if not group.positives:
                group.line.fault(f"the query {query_id!r} has no positive in the whole file")
        if not problems and not self._groups:
            problems.append(Problem(where, None, "holds no examples"))
        raise_problems(problems, f"the training file {where}")
        counted = {"repeated_margins": self._repeated, "dropped_conflicts": len(self._dropped)}
        facts = dict(metadata or {}) | {name: number for name, number in counted.items() if number}
        return TrainingParts(
            self._documents.table(),
            self._queries.table(),
            TrainingSet.from_rows((group.finished(key) for key, group in self._groups.items()), facts),
        )


def parts_of(
    found: Iterable[tuple[Line, Example]],
    problems: list[Problem],
    where: str,
    facts: Mapping[str, Any] | None = None,
    builder: PartsBuilder | None = None,
) -> TrainingParts:
    """Put the examples of a file together.

    Args:
        found: Each line with its example.
        problems: All that is noted of the file, while `found` is read.
        where: The file.
        facts: Facts about the training set, complete once `found` is read.
        builder: What puts them together; by default one that knows no texts.

    Raises:
        DataError: As in `PartsBuilder.build`.
    """
    builder = builder or PartsBuilder()
    for line, example in found:
        builder.add(line, example)
    return builder.build(problems, where, facts)


class _Texts:
    """The texts of a file by id, and those that were known before for ids that come without one.

    Args:
        what: What to call one.
        table: The class of the table.
        known: Texts that were known before, or None.
    """

    def __init__(self, what: str, table: type[Corpus | Queries], known: Corpus | Queries | None) -> None:
        self._what, self._table, self._known = what, table, known
        self._digests: dict[str, bytes | None] = {}
        self._rows: list[Document | Query] = []
        self._batches: list[pa.Table] = []
        self._by_text: dict[str, str] | None = None

    def identify(self, line: Line, row_id: str | None, title: str, text: str | None) -> str:
        """Return the id of a text, found or made where the file gives none, and remember what it stands for."""
        if text is None:
            return self._refer(line, row_id or "")
        full = full_text(title, text)
        if not full.strip():
            line.fault(f"a {self._what} has no text")
        if row_id is None:
            # The kind is part of the id: a query and a document of the same text are not the same thing,
            # and evaluation by BEIR's rule drops a hit whose id is the query's.
            row_id = self._id_of(full) or f"{self._what[0]}-{hashlib.sha256(full.encode()).hexdigest()[:24]}"
        self._remember(line, row_id, title, text)
        return row_id

    def _refer(self, line: Line, row_id: str) -> str:
        if row_id not in self._digests:
            self._digests[row_id] = None
            if self._known is not None and row_id not in self._known:
                line.fault(f"there is no {self._what} {row_id!r} among the texts given")
        return row_id

    def _id_of(self, full: str) -> str | None:
        if self._known is None:
            return None
        if self._by_text is None:
            # Of several with the same text, the first one.
            self._by_text = dict(zip(reversed(self._known.texts()), reversed(self._known.ids()), strict=True))
        return self._by_text.get(full)

    def _remember(self, line: Line, row_id: str, title: str, text: str) -> None:
        digest = hashlib.blake2b(f"{len(title)} {title}{text}".encode(), digest_size=16).digest()
        before = self._digests.get(row_id)
        if before is None:
            self._digests[row_id] = digest
            self._rows.append(Document(row_id, text, title) if self._table is Corpus else Query(row_id, text))
            if len(self._rows) == _BATCH_ROWS:
                self._flush()
        elif before != digest:
            line.fault(f"the {self._what} id {row_id!r} stands for another text in an earlier line")

    def _flush(self) -> None:
        self._batches.append(self._table.from_rows(self._rows).arrow)
        self._rows.clear()

    def table(self) -> Any:
        """Return the texts in the order in which the file first names them; none where none are at hand."""
        self._flush()
        own = self._table(pa.concat_tables(self._batches))
        referred = [row_id for row_id, digest in self._digests.items() if digest is None]
        if self._known is None or not referred:
            return own
        known = self._known.select(referred)
        return self._table(pa.concat_tables([known.arrow, own.arrow])).select(list(self._digests))


def _note(line: Line, what: str, known: dict[str, Score], row_id: str, value: Score) -> None:
    """Remember a value of a document or query; a known one fills a missing one, and two that differ are noted."""
    before = known.get(row_id)
    if before is not None and value is not None and before != value:
        line.fault(f"the {what} is {value} and was {before} in an earlier line")
    known[row_id] = value if before is None else before


def _any(values: tuple[Score, ...]) -> bool:
    return any(value is not None for value in values)
