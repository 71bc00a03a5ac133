"""Training queries with their positives and the negatives that each method mined, side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow.compute as pc

from pyrite.report.passages import Passage, Passages
from pyrite.report.records import MiningRecord
from pyrite.report.text import Excerpt, number
from pyrite.seeds import derive_seed

__all__ = ["Example", "Mined", "MinedNegative", "examples", "mined"]

_QUERIES, _POSITIVES, _NEGATIVES = 3, 3, 4


@dataclass(frozen=True, slots=True)
class MinedNegative:
    """One negative, and why it counts as hard: where it stood and what it scored."""

    passage: Passage
    found: str
    score: str


@dataclass(frozen=True, slots=True)
class Mined:
    """The negatives of one method for one query, at most 4 of them."""

    method: str
    negatives: Sequence[MinedNegative]
    more: int


@dataclass(frozen=True, slots=True)
class Example:
    """A training query with its positives and what each method mined for it."""

    query: Excerpt
    positives: Sequence[Passage]
    methods: Sequence[Mined]


def examples(mining: Mapping[str, MiningRecord], passages: Passages) -> list[Example]:
    """Choose up to 3 training queries, first those that most methods mined for, then by a fixed draw."""
    counts = Counter(
        query_id
        for record in mining.values()
        for query_id in pc.unique(record.negatives.column("query_id")).to_pylist()
    )
    chosen = sorted(counts, key=lambda query_id: (-counts[query_id], derive_seed(0, "report example", query_id)))
    return [
        Example(passages.query(query_id), _positives(mining, query_id, passages), mined(mining, query_id, passages))
        for query_id in chosen[:_QUERIES]
    ]


def mined(mining: Mapping[str, MiningRecord], query_id: str, passages: Passages) -> list[Mined]:
    """Return what each method mined for a query; methods without a negative for it are left out."""
    return [
        Mined(method, [_negative(row, passages) for row in rows[:_NEGATIVES]], max(0, len(rows) - _NEGATIVES))
        for method, record in mining.items()
        if (rows := record.negatives.arrow.filter(pc.field("query_id") == query_id).to_pylist())
    ]


def _positives(mining: Mapping[str, MiningRecord], query_id: str, passages: Passages) -> list[Passage]:
    wanted = (pc.field("query_id") == query_id) & pc.field("is_positive")
    found = {
        doc_id
        for record in mining.values()
        for doc_id in record.candidates.arrow.filter(wanted).column("doc_id").to_pylist()
    }
    return [passages.document(doc_id) for doc_id in sorted(found)[:_POSITIVES]]


def _negative(row: Mapping[str, object], passages: Passages) -> MinedNegative:
    score, positive = number(float(str(row["score"]))), row["positive_score"]
    best = "without a score" if positive is None else number(float(str(positive)))
    found = f"{row['source']}, rank {row['rank']}"
    return MinedNegative(passages.document(str(row["doc_id"])), found, f"{score}, best positive {best}")
