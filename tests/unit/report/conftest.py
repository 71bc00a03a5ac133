"""A report small enough that each of its numbers can be worked out by hand."""

from __future__ import annotations

import pytest

from pyrite.data import (
    Candidate,
    Candidates,
    Comparison,
    Comparisons,
    Corpus,
    Document,
    Judgment,
    LogEntry,
    Negative,
    Negatives,
    Qrels,
    Queries,
    Query,
    QueryScore,
    QueryScores,
    Removal,
    Removals,
    Run,
    ScoreKind,
    TrainingLog,
)
from pyrite.report import Contrast, MiningRecord, ReportData


def scores(system: str, values: dict[str, float], **metadata: object) -> QueryScores:
    rows = [QueryScore(q, "nDCG@10", value) for q, value in values.items()]
    return QueryScores.from_rows(rows, {"system": system, **metadata})


def run(name: str, rankings: dict[str, list[str]]) -> Run:
    rows = [(q, d, rank) for q, docs in rankings.items() for rank, d in enumerate(docs, start=1)]
    return Run.build(
        name,
        ScoreKind.COSINE,
        query_id=[row[0] for row in rows],
        doc_id=[row[1] for row in rows],
        rank=[row[2] for row in rows],
        score=[1 / row[2] for row in rows],
    )


@pytest.fixture
def record() -> MiningRecord:
    """Two queries; eight pairs of a query and a document, proposed in ten rows; two negatives, one pair not drawn.

    d8 is a positive that no source reached: scored, never proposed.
    """
    rows = [
        Candidate("t1", "d1", "bm25", 1, "bm25", 9.0, True),
        Candidate("t1", "d2", "bm25", 2, "bm25", 8.0, False),
        Candidate("t1", "d3", "bm25", 3, "bm25", 7.0, False),
        Candidate("t1", "d4", "dense", 1, "dense", 0.5, False),
        Candidate("t1", "d1", "dense", 2, "dense", 0.4, True),
        Candidate("t1", "d2", "dense", 3, "dense", 0.3, False),
        Candidate("t1", "d5", "dense", 4, "dense", 0.2, False),
        Candidate("t2", "d1", "bm25", 1, "bm25", 3.0, True),
        Candidate("t2", "d6", "bm25", 2, "bm25", 2.0, False),
        Candidate("t2", "d7", "bm25", 3, "bm25", 1.0, False),
        Candidate("t2", "d8", "bm25", None, "bm25", 0.5, True),
    ]
    return MiningRecord(
        Candidates.from_rows(rows, {"scorers": {"bm25": "bm25", "dense": "cosine"}, "depth": 4}),
        Negatives.from_rows(
            [
                Negative("t1", "d4", "dense", 1, 0.5, 0.4, "dense"),
                Negative("t1", "d5", "dense", 4, 0.2, 0.4, "dense"),
            ]
        ),
        Removals.from_rows(
            [
                Removal("t1", "d1", "known-positive"),
                Removal("t2", "d1", "known-positive"),
                Removal("t1", "d2", "margin", 8.0, 7.5),
                Removal("t1", "d3", "margin", 7.0, 6.5),
                Removal("t2", "d6", "margin", 2.0, 1.5),
            ]
        ),
    )


@pytest.fixture
def contrast() -> Contrast:
    """q1 gains, q2 loses, q3 stays."""
    qrels = [Judgment("q1", "d1", 2), Judgment("q1", "d2", 0), Judgment("q2", "d1", 1), Judgment("q3", "d1", 1)]
    return Contrast(
        "before",
        "after",
        run("before", {"q1": ["q1", "d2", "d1"], "q2": ["d1", "d3"]}),
        run("after", {"q1": ["d1", "d3"], "q2": ["d3"], "q3": ["d1"]}),
        Qrels.from_rows(qrels),
    )


@pytest.fixture
def data(record: MiningRecord, contrast: Contrast) -> ReportData:
    seeds = {"seeds": 2, "means": [{"nDCG@10": 0.25}, {"nDCG@10": 0.75}]}
    entries = [LogEntry(step, step / 2, "loss", 1 / step) for step in (1, 2)] + [LogEntry(2, 1.0, "dev", 0.5)]
    return ReportData(
        title="A small report",
        dataset="tiny test",
        scores=[
            scores("before", {"q1": 0.25, "q2": 0.75, "q3": 0.25}),
            scores("after", {"q1": 1.0, "q2": 0.25, "q3": 0.25}, **seeds),
        ],
        comparisons=Comparisons.from_rows(
            [Comparison("after", "before", "nDCG@10", 0.0833, -0.5, 0.75, 0.5, 3)],
        ),
        chosen="after",
        mining={"hybrid": record},
        logs={"after": TrainingLog.from_rows(entries)},
        contrast=contrast,
        corpus=Corpus.from_rows([Document(f"d{i}", f"text of {i}", f"title {i}") for i in range(1, 8)]),
        queries=Queries.from_rows([Query(q, f"question {q}") for q in ("q1", "q2", "q3", "t1", "t2")]),
        manifests={
            "before": {
                "key": "k0",
                "kind": "evaluate",
                "version": 1,
                "seconds": 2.0,
                "inputs": {"run": "search/k9.run"},
            },
            "after": {
                "key": "k1",
                "settings": {"margin": 0.05},
                "inputs": {"scores": {"before": "evaluate/k0.scores"}},
            },
        },
    )
