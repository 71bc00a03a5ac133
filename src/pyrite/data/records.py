"""The rows that everything shares. Text lives in the corpus once; the rest refers to it by id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "Candidate",
    "Comparison",
    "Document",
    "Judgment",
    "LogEntry",
    "Negative",
    "Query",
    "QueryScore",
    "Removal",
    "ScoredDoc",
    "SetRank",
    "SetScore",
    "TrainingGroup",
    "Verdict",
]


@dataclass(frozen=True, slots=True)
class Document:
    """A passage of the corpus.

    Attributes:
        doc_id: Unique in the corpus.
        text: The body; empty only where the title is not.
        title: May be empty.
    """

    doc_id: str
    text: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """A question, claim or keyword search.

    Attributes:
        query_id: Unique among the queries.
        text: Never empty.
        origin: "given", or "generated" where a model wrote it.
        seed_doc_id: The document that a generated query was written from, or None.
    """

    query_id: str
    text: str
    origin: Literal["given", "generated"] = "given"
    seed_doc_id: str | None = None


@dataclass(frozen=True, slots=True)
class Judgment:
    """Somebody's word on how well a document answers a query.

    Attributes:
        query_id: The query.
        doc_id: The document.
        grade: Relevance from 0 (judged, not relevant) up. A pair without a row is unjudged.
        source: Who judged: "human", "llm", or "seed" (the query was written from the document).
    """

    query_id: str
    doc_id: str
    grade: int
    source: Literal["human", "llm", "seed"] = "human"


@dataclass(frozen=True, slots=True)
class ScoredDoc:
    """One line of a ranking.

    Attributes:
        doc_id: The document.
        score: Larger is better; only comparable with scores of the same scorer.
        rank: From 1.
    """

    doc_id: str
    score: float
    rank: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A document that a source proposed for a query, with the score of one scorer.

    Long form: a document that two sources found and three scorers scored has six rows.

    Attributes:
        query_id: The query.
        doc_id: The document.
        source: What proposed it, such as "bm25" or "dense".
        rank: Its rank from 1 in that source; None for a positive that the source did not reach.
        scorer: What gave the score.
        score: The score; None for a positive that a ranking made elsewhere does not hold.
        is_positive: Whether it is a known positive of the query.
    """

    query_id: str
    doc_id: str
    source: str
    rank: int | None
    scorer: str
    score: float | None
    is_positive: bool


@dataclass(frozen=True, slots=True)
class Negative:
    """A document chosen to be trained against.

    Attributes:
        query_id: The query.
        doc_id: The document.
        source: The source that ranked it best.
        rank: Its rank from 1 in that source.
        score: Its score by `scorer`.
        positive_score: The score of the query's positives by the same scorer (the highest); None where one of
            them has none.
        scorer: What gave both scores.
        weight: Weight of the example in training, from 0 up; 1 where nothing else is said.
        relaxed: The filter that had dropped it, where its query had too few negatives and got it back; else None.
    """

    query_id: str
    doc_id: str
    source: str
    rank: int
    score: float
    positive_score: float | None
    scorer: str
    weight: float = 1.0
    relaxed: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judge's answer to "does this document answer this query".

    Attributes:
        query_id: The query.
        doc_id: The document.
        relevant: The decision.
        probability: The judge's probability of relevance, in [0, 1].
        judge: The judging model.
        prompt_version: The version of the prompt it was asked with.
    """

    query_id: str
    doc_id: str
    relevant: bool
    probability: float
    judge: str
    prompt_version: str


@dataclass(frozen=True, slots=True)
class Removal:
    """Why a candidate is not a negative. No filter drops silently.

    Attributes:
        query_id: The query.
        doc_id: The document.
        gate: The first rule that took it out, such as "known-positive" or "margin".
        value: The number that the rule looked at, or None.
        threshold: What it was compared with, or None.
    """

    query_id: str
    doc_id: str
    gate: str
    value: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class TrainingGroup:
    """What a trainer sees of one query.

    Attributes:
        query_id: The query.
        positive_ids: At least one document.
        negative_ids: May be empty: then only the batch gives negatives.
        weights: One for each negative, or None for 1 everywhere.
        teacher_scores: One for each positive, then one for each negative; None inside for a
            document that the teacher did not score (never 0), None for no teacher at all.
        margins: What a teacher gave a positive more than a negative, for each positive in turn one for each
            negative; None inside for a pair without one, None for no margins at all. A file of margins
            does not say the two scores behind each, and they cannot be had from it.
        sources: For each negative, what proposed it, such as ("bm25", "dense"), in any order; () where that is not
            known, None where it is known of none.
        example_weight: How often the query counts, finite and from 0 up; None for once.
    """

    query_id: str
    positive_ids: tuple[str, ...]
    negative_ids: tuple[str, ...] = ()
    weights: tuple[float, ...] | None = None
    teacher_scores: tuple[float | None, ...] | None = None
    margins: tuple[float | None, ...] | None = None
    sources: tuple[tuple[str, ...], ...] | None = None
    example_weight: float | None = None


@dataclass(frozen=True, slots=True)
class QueryScore:
    """What one system reached on one query by one measure.

    Attributes:
        query_id: The query.
        measure: The measure in ir-measures' notation, such as "nDCG@10".
        value: Its value; 0 where the system returned nothing for the query.
    """

    query_id: str
    measure: str
    value: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two systems on the same queries.

    Attributes:
        a: The system compared.
        b: The baseline.
        measure: The measure.
        delta: Mean of a minus mean of b.
        low: Lower end of the bootstrap interval of delta.
        high: Upper end.
        p: Two-sided p of the paired randomisation test, in (0, 1].
        queries: How many queries both were measured on.
    """

    a: str
    b: str
    measure: str
    delta: float
    low: float
    high: float
    p: float
    queries: int


@dataclass(frozen=True, slots=True)
class SetScore:
    """What one set of negatives has for one query by one measure.

    Attributes:
        set_name: The set.
        query_id: The query.
        measure: The measure, such as "eci_sem" or "hardness".
        value: Its value.
    """

    set_name: str
    query_id: str
    measure: str
    value: float


@dataclass(frozen=True, slots=True)
class SetRank:
    """One set of negatives among others by one measure, on the queries that all of them have.

    Attributes:
        set_name: The set.
        measure: The measure.
        rank: From 1, the highest value first; None where the set has no value.
        value: The mean over the queries; None where none has a value.
        low: Lower end of its bootstrap interval.
        high: Upper end.
        behind: The first set's value minus this one's.
        behind_low: Lower end of the paired bootstrap interval of that.
        behind_high: Upper end.
        queries: How many queries have a value.
    """

    set_name: str
    measure: str
    rank: int | None
    value: float | None
    low: float | None
    high: float | None
    behind: float | None
    behind_low: float | None
    behind_high: float | None
    queries: int


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One number noted while training.

    Attributes:
        step: Optimiser steps done by then.
        epoch: Passes over the training set done by then.
        name: What it is, such as "loss" or "dev".
        value: The number.
    """

    step: int
    epoch: float
    name: str
    value: float
