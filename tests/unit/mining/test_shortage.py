"""Queries with too little left: fewer, relaxed or dropped, and every one of them reported."""

from __future__ import annotations

from typing import Any

import pytest

from pyrite.data import Candidate, Candidates, Corpus, Document, Judgment, Qrels, Queries, Query
from pyrite.mining import MarginFilter, RankWindow, ScoreFloor, Selection, ShareFilter, TopSampler, select_negatives
from pyrite.mining.selection import SelectionResult

# q1 keeps nothing below a margin of .1, q2 all. The positive scores .8; d5 stands beyond the window.
SCORES = {"q1": [0.79, 0.75, 0.9, 0.71, 0.6], "q2": [0.5, 0.4, 0.3, 0.2, 0.1]}


def select(judged: dict[tuple[str, str], int] | None = None, **settings: Any) -> SelectionResult:
    rows, judgements = [], []
    for query_id, scores in SCORES.items():
        rows.append(Candidate(query_id, f"p-{query_id}", "dense", 1, "dense", 0.8, True))
        judgements.append(Judgment(query_id, f"p-{query_id}", 1))
        rows += [
            Candidate(query_id, f"d{place}", "dense", place + 1, "dense", score, False)
            for place, score in enumerate(scores, start=1)
        ]
    judgements += [Judgment(query_id, doc_id, grade) for (query_id, doc_id), grade in (judged or {}).items()]
    documents = [Document(doc_id, f"text of {doc_id}") for doc_id in sorted({row.doc_id for row in rows})]
    return select_negatives(
        Candidates.from_rows(rows, {"scorers": {"dense": "cosine"}}),
        Corpus.from_rows(documents),
        Queries.from_rows([Query(query_id, f"ask {query_id}") for query_id in SCORES]),
        Qrels.from_rows(judgements),
        Selection(**{"filters": (MarginFilter(margin=0.1),), "sampler": TopSampler(count=3), **settings}),
    )


def gates(result: SelectionResult, query_id: str = "q1") -> dict[str, str]:
    return {row.doc_id: row.gate for row in result.removals.rows() if row.query_id == query_id}


def test_fewer_is_the_default_and_is_counted() -> None:
    result = select()
    assert result.negatives.by_query() == {"q1": ["d5"], "q2": ["d1", "d2", "d3"]}
    assert (result.audit.short, result.audit.empty, result.audit.relaxed) == (1, 0, {})
    assert result.removals.metadata["shortage"] == "fewer"


def test_relaxed_candidates_come_back_nearest_to_the_threshold_first() -> None:
    """The threshold is .7: d4 is .01 beyond it, d2 .05, d1 .09, d3 .2."""
    result = select(shortage="relax")
    assert result.negatives.by_query() == {"q1": ["d2", "d4", "d5"], "q2": ["d1", "d2", "d3"]}
    assert {row.doc_id: row.relaxed for row in result.negatives.rows() if row.query_id == "q1"} == {
        "d2": "margin",
        "d4": "margin",
        "d5": None,
    }
    audit = result.audit
    assert (audit.relaxed, audit.removed["margin"], audit.short) == ({"margin": 2}, 2, 0)
    assert audit.candidates == sum(audit.removed.values()) + audit.not_drawn + audit.negatives
    assert gates(result) == {"p-q1": "known-positive", "d1": "margin", "d3": "margin"}
    assert {(row.doc_id, row.value) for row in result.removals.rows() if row.gate == "margin"} == {
        ("d1", 0.79),
        ("d3", 0.9),
    }


def test_masks_and_filters_that_do_not_guess_are_never_relaxed() -> None:
    """d4 is judged relevant and d2 partly; d1 is beyond the window, which comes before or after the margin."""
    for filters in (
        (MarginFilter(margin=0.1), RankWindow(first=3)),
        (RankWindow(first=3), MarginFilter(margin=0.1)),
    ):
        result = select({("q1", "d4"): 1}, shortage="relax", filters=filters)
        assert result.negatives.by_query()["q1"] == ["d2", "d3", "d5"]
        assert gates(result)["d4"] == "known-positive"
        assert result.audit.short == 0
        assert gates(result)["d1"] == filters[0].type


def test_what_is_relaxed_says_which_filter_had_dropped_it() -> None:
    result = select(
        shortage="relax", filters=(MarginFilter(margin=0.06), ShareFilter(share=0.85), ScoreFloor(floor=0.65))
    )
    relaxed = {row.doc_id: row.relaxed for row in result.negatives.rows() if row.query_id == "q1"}
    assert relaxed == {"d1": "margin", "d2": "margin", "d4": "share"}
    assert gates(result)["d5"] == "floor"


def test_a_query_that_stays_short_is_counted() -> None:
    result = select(shortage="relax", sampler=TopSampler(count=9))
    assert {query: len(ids) for query, ids in result.negatives.by_query().items()} == {"q1": 5, "q2": 5}
    assert result.audit.short == 2


def test_a_dropped_query_leaves_removals() -> None:
    result = select(shortage="drop")
    assert result.negatives.by_query() == {"q2": ["d1", "d2", "d3"]}
    row = next(row for row in result.removals.rows() if row.gate == "shortage")
    assert (row.query_id, row.doc_id, row.value, row.threshold) == ("q1", "d5", 1.0, 3.0)
    assert (result.audit.short, result.audit.empty, result.audit.removed["shortage"]) == (1, 1, 1)
    assert result.removals.metadata["shortage"] == "drop"


def test_scores_of_two_scorers_are_compared_by_their_spread() -> None:
    """Within q the bm25 scores spread over 40, the cosines over .4: 3 beyond in bm25 is nearer than .1 in cosine."""
    rows = [
        Candidate("q", "p", "bm25", None, "bm25", 60.0, True),
        Candidate("q", "p", "dense", None, "dense", 0.6, True),
        Candidate("q", "a", "bm25", 1, "bm25", 63.0, False),
        Candidate("q", "b", "dense", 1, "dense", 0.7, False),
        Candidate("q", "c", "bm25", 2, "bm25", 103.0, False),
        Candidate("q", "d", "dense", 2, "dense", 1.1, False),
    ]
    result = select_negatives(
        Candidates.from_rows(rows, {"scorers": {"dense": "cosine", "bm25": "bm25"}}),
        Corpus.from_rows([Document(doc_id, doc_id) for doc_id in "abcdp"]),
        Queries.from_rows([Query("q", "ask")]),
        Qrels.from_rows([Judgment("q", "p", 1)]),
        Selection(filters=(MarginFilter(margin=0.0),), sampler=TopSampler(count=1), shortage="relax"),
    )
    assert result.negatives.by_query() == {"q": ["a"]}


def test_a_query_without_any_proposal_is_counted() -> None:
    rows = [
        Candidate("q1", "p", "bm25", None, "bm25", 0.0, True),
        Candidate("q2", "p", "bm25", 1, "bm25", 1.0, True),
    ]
    result = select_negatives(
        Candidates.from_rows(rows, {"scorers": {"bm25": "bm25"}}),
        Corpus.from_rows([Document("p", "p")]),
        Queries.from_rows([Query("q1", "ask"), Query("q2", "ask")]),
        Qrels.from_rows([Judgment("q1", "p", 1), Judgment("q2", "p", 1)]),
        Selection(),
    )
    assert (result.audit.queries, result.audit.unproposed, result.audit.empty) == (1, 1, 1)


@pytest.mark.parametrize("policy", ["fewer", "relax", "drop"])
def test_nothing_is_left_unreported(policy: str) -> None:
    result = select(shortage=policy, filters=(MarginFilter(margin=0.1), RankWindow(first=3, last=5)))
    audit = result.audit
    assert audit.candidates == len(result.removals) + audit.not_drawn + len(result.negatives)
    assert result.removals.metadata["audit"] == audit.as_dict()
