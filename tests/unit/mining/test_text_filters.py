"""Filters that look at texts, verdicts and evaluation splits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pyrite.data import Candidate, Candidates, Corpus, Document, Judgment, Qrels, Queries, Query, Verdict, Verdicts
from pyrite.errors import DataError
from pyrite.mining import (
    JudgedFilter,
    LeakageFilter,
    LeakingQuery,
    Masking,
    NearDuplicateFilter,
    ScoreFloor,
    Selection,
    TopSampler,
    leaking_queries,
    select_negatives,
)
from pyrite.mining.pool import build_pool
from pyrite.mining.selection import SelectionResult

SENTENCE = "pyrite leaves a greenish black streak on a plate of unglazed porcelain while gold leaves a yellow one there"
OTHER = "talc is so soft that a finger nail scratches it and its streak on the same plate is white or hardly seen"
DOCUMENTS = [
    Document("positive", SENTENCE, "Streaks"),
    Document("title-moved", f"Streaks: {SENTENCE}"),
    Document("edited", SENTENCE.replace("yellow", "golden"), "Streaks"),
    Document("punctuated", SENTENCE.replace(" while", "; while").upper(), "Streaks!"),
    Document("other-a", OTHER),
    Document("other-b", OTHER.replace("white", "pale")),
    Document("half", " ".join(SENTENCE.split()[:9] + OTHER.split()[:9])),
    Document("far", "quartz scratches glass and leaves no streak since it is harder than the plate itself is"),
]
QUERIES = Queries.from_rows(
    [
        Query("q", "which mineral leaves a black streak on a plate"),
        Query("e1", "Which mineral leaves a BLACK streak, on a plate?"),
        Query("e2", "hardness of quartz"),
    ]
)


def candidates() -> Candidates:
    rows = [
        Candidate("q", document.doc_id, "bm25", rank, "bm25", 10.0 - rank, document.doc_id == "positive")
        for rank, document in enumerate(DOCUMENTS, start=1)
    ]
    return Candidates.from_rows(rows, {"scorers": {"bm25": "bm25"}})


def select(
    chosen: Any, judged: Mapping[str, int] | None = None, masking: Masking | None = None, **inputs: Any
) -> SelectionResult:
    grades = {"positive": 1, **(judged or {})}
    return select_negatives(
        candidates(),
        Corpus.from_rows(DOCUMENTS),
        QUERIES,
        Qrels.from_rows([Judgment("q", doc_id, grade) for doc_id, grade in grades.items()]),
        Selection(filters=(chosen,), sampler=TopSampler(count=20), masking=masking or Masking()),
        **inputs,
    )


def removed(result: SelectionResult, gate: str) -> set[str]:
    return {row.doc_id for row in result.removals.rows() if row.gate == gate}


def test_near_duplicates_of_positives_and_of_better_candidates_are_dropped() -> None:
    result = select(NearDuplicateFilter(threshold=0.6))
    assert removed(result, "near-duplicate") == {"title-moved", "edited", "punctuated", "other-b"}
    assert result.negatives.by_query() == {"q": ["other-a", "half", "far"]}
    values = {row.doc_id: row.value for row in result.removals.rows() if row.gate == "near-duplicate"}
    assert values["title-moved"] == 1.0
    assert all(value >= 0.6 for value in values.values())
    assert values["edited"] < 1


def test_either_comparison_can_be_left_out() -> None:
    positives = select(NearDuplicateFilter(threshold=0.6, of_each_other=False))
    assert removed(positives, "near-duplicate") == {"title-moved", "edited", "punctuated"}
    each_other = select(NearDuplicateFilter(threshold=0.6, of_positives=False))
    assert removed(each_other, "near-duplicate") == {"edited", "punctuated", "other-b"}


def test_of_a_chain_only_what_resembles_one_that_stays_goes() -> None:
    """b resembles a and goes; c resembles b alone, which is gone, and stays."""
    words = [f"w{i}" for i in range(30)]
    texts = {"a": words, "b": [*words[:27], "x", "y", "z"], "c": [*words[6:27], "x", "y", "z", "r", "s", "t"]}
    rows = [Candidate("q", doc_id, "s", rank, "s", 1.0, False) for rank, doc_id in enumerate("abc", start=1)]
    result = select_negatives(
        Candidates.from_rows(rows, {"scorers": {"s": "unknown"}}),
        Corpus.from_rows([Document(doc_id, " ".join(text)) for doc_id, text in texts.items()]),
        QUERIES,
        Qrels.empty(),
        Selection(filters=(NearDuplicateFilter(threshold=0.58),)),
    )
    assert result.negatives.by_query() == {"q": ["a", "c"]}


def test_a_document_that_people_judged_is_not_compared_with_positives() -> None:
    chosen = NearDuplicateFilter(threshold=0.6, of_each_other=False)
    assert "edited" not in removed(select(chosen, {"edited": 0}), "near-duplicate")
    assert "edited" in removed(select(chosen, {"edited": 0}, Masking(trust_judged=False)), "near-duplicate")


def test_a_floor_takes_out_the_easy_ones() -> None:
    result = select(ScoreFloor(floor=4.0))
    assert removed(result, "floor") == {"half", "far"}
    assert {(row.value, row.threshold) for row in result.removals.rows() if row.gate == "floor"} == {
        (3.0, 4.0),
        (2.0, 4.0),
    }


VERDICTS = Verdicts.from_rows(
    [
        Verdict("q", "edited", True, 0.9, "large", "1"),
        Verdict("q", "half", False, 0.4, "large", "1"),
        Verdict("q", "half", True, 0.6, "small", "1"),
        Verdict("q", "other-a", False, 0.1, "large", "1"),
        Verdict("q", "title-moved", True, 0.8, "large", "1"),
        Verdict("e1", "far", True, 0.9, "large", "1"),
        Verdict("q", "unknown", True, 0.9, "large", "1"),
    ]
)


def test_what_one_judge_finds_relevant_is_dropped() -> None:
    result = select(JudgedFilter(), {"title-moved": 0}, verdicts=VERDICTS)
    assert removed(result, "judged") == {"edited", "half"}
    assert removed(select(JudgedFilter(judges=("large",)), verdicts=VERDICTS), "judged") == {"edited", "title-moved"}


def test_a_probability_can_decide_and_the_unjudged_can_go() -> None:
    result = select(JudgedFilter(threshold=0.35, judges=("large",)), verdicts=VERDICTS)
    values = {row.doc_id: (row.value, row.threshold) for row in result.removals.rows() if row.gate == "judged"}
    assert values == {"edited": (0.9, 0.35), "half": (0.4, 0.35), "title-moved": (0.8, 0.35)}
    strict = select(JudgedFilter(unjudged="drop"), verdicts=VERDICTS)
    assert strict.negatives.by_query() == {"q": ["other-a"]}


def test_a_judged_filter_without_verdicts_says_so() -> None:
    with pytest.raises(DataError, match="the filter 'judged' wants verdicts"):
        select(JudgedFilter())
    with pytest.raises(DataError, match="judges: no verdicts by medium"):
        select(JudgedFilter(judges=("large", "medium")), verdicts=VERDICTS)


EVALUATION = {
    "test": Qrels.from_rows([Judgment("e1", "other-a", 1), Judgment("e1", "half", 0), Judgment("e2", "gone", 1)]),
    "dev": Qrels.from_rows([Judgment("q", "positive", 1)]),
}


def test_documents_of_evaluation_splits_are_kept_away() -> None:
    result = select(LeakageFilter(threshold=0.6), evaluation=EVALUATION)
    assert removed(result, "leakage") == {"other-a", "other-b", "title-moved", "edited", "punctuated"}
    plain = select(LeakageFilter(near=False), evaluation={"test": EVALUATION["test"]})
    assert removed(plain, "leakage") == {"other-a"}
    assert [row.value for row in plain.removals.rows() if row.gate == "leakage"] == [1.0]
    with pytest.raises(DataError, match="the filter 'leakage' wants the judgements of the evaluation splits"):
        select(LeakageFilter())


def test_queries_that_a_split_asks_as_well_are_reported() -> None:
    result = select(LeakageFilter(), evaluation=EVALUATION)
    assert result.removals.metadata["leaking_queries"] == [
        {"query_id": "q", "split": "dev", "evaluation_id": "q", "resemblance": 1.0},
        {"query_id": "q", "split": "test", "evaluation_id": "e1", "resemblance": 1.0},
    ]
    assert leaking_queries(QUERIES, ["e2"], EVALUATION) == [LeakingQuery("e2", "test", "e2", 1.0)]


@pytest.mark.parametrize("chosen", [NearDuplicateFilter(), LeakageFilter()])
def test_a_bare_pool_has_no_texts(chosen: NearDuplicateFilter | LeakageFilter) -> None:
    with pytest.raises(DataError, match="compares texts, and this pool comes without any"):
        chosen.apply(build_pool(candidates(), ("bm25",), None))
