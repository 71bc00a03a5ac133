"""From an index to its scores."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np

from pyrite.data import Judgment, Qrels, Queries, Query, Run, ScoreKind
from pyrite.eval import evaluate, evaluate_index
from pyrite.search.retriever import Pairs


class FixedIndex:
    """An index that returns the same documents, best first, for every query and notes what it was asked."""

    name = "fixed"
    score_kind = ScoreKind.UNKNOWN

    def __init__(self, doc_ids: list[str]) -> None:
        self.doc_ids = doc_ids
        self.asked: list[tuple[list[str], int]] = []

    def search(self, queries: Queries, depth: int) -> Run:
        self.asked.append((queries.ids(), depth))
        rows = [(q, d, rank) for q in queries.ids() for rank, d in enumerate(self.doc_ids[:depth], start=1)]
        return Run.build(
            self.name,
            self.score_kind,
            query_id=[row[0] for row in rows],
            doc_id=[row[1] for row in rows],
            rank=[row[2] for row in rows],
            score=[-row[2] for row in rows],
        )

    def score(self, queries: Queries, pairs: Pairs) -> np.ndarray:
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        raise NotImplementedError

    @classmethod
    def open(cls, folder: Path) -> Self:
        raise NotImplementedError


def test_only_judged_queries_are_searched_one_document_deeper() -> None:
    index = FixedIndex(["q1", "d1", "d2"])
    queries = Queries.from_rows([Query("q1", "one"), Query("q2", "two"), Query("q3", "three")])
    qrels = Qrels.from_rows([Judgment("q1", "d1", 1), Judgment("q3", "d1", 1)])
    run, scores = evaluate_index(index, queries, qrels, ["recall@1"], depth=1)
    assert index.asked == [(["q1", "q3"], 2)]
    assert len(run) == 4
    assert scores.system == "fixed"
    assert scores.of("R@1") == {"q1": 1.0, "q3": 0.0}


def test_a_run_is_measured_under_a_name() -> None:
    run = FixedIndex(["d1", "d2"]).search(Queries.from_rows([Query("q", "text")]), 2)
    scores = evaluate(run, Qrels.from_rows([Judgment("q", "d2", 1)]), ["mrr@10"], system="after")
    assert (scores.system, scores.means()) == ("after", {"RR@10": 0.5})
