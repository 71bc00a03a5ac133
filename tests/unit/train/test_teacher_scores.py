"""A teacher's scores reach the document that they are of, and what it did not score stays without a score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrite.data import Queries, Query, ScoreKind, TrainingGroup, TrainingSet
from pyrite.errors import DataError
from pyrite.search.retriever import Pairs
from pyrite.train.teacher import add_teacher_scores, pairs_to_teach, with_teacher_scores

IDS = [f"d{i}" for i in range(6)]
QUERIES = Queries.from_rows(Query(f"q{i}", f"query {i}") for i in range(4))


def score_of(query_id: str, doc_id: str) -> float:
    return 10.0 * int(query_id[1:]) + int(doc_id[1:])


class Teacher:
    """Scores a pair by its ids, and counts how often it was asked."""

    score_kind = ScoreKind.LOGIT

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def score(self, queries: Queries, pairs: Pairs) -> np.ndarray:
        both = list(zip(pairs.query_ids, pairs.doc_ids, strict=True))
        self.asked += both
        return np.array([score_of(*pair) for pair in both])


@st.composite
def training_sets(draw: st.DrawFn) -> TrainingSet:
    groups = []
    for number in range(draw(st.integers(0, 4))):
        ids = draw(st.lists(st.sampled_from(IDS), min_size=1, max_size=6))
        cut = draw(st.integers(1, len(ids)))
        groups.append(TrainingGroup(f"q{number}", tuple(ids[:cut]), tuple(ids[cut:])))
    return TrainingSet.from_rows(groups)


@given(training_sets(), st.one_of(st.none(), st.integers(0, 3)), st.integers(1, 5))
def test_each_pair_is_scored_once_and_the_rest_has_none(
    groups: TrainingSet, negatives: int | None, at_once: int
) -> None:
    teacher, done = Teacher(), []
    taught = add_teacher_scores(
        groups, QUERIES, teacher, negatives=negatives, pairs_at_once=at_once, advance=done.append
    )
    assert len(set(teacher.asked)) == len(teacher.asked) == sum(done)
    for before, after in zip(groups.rows(), taught.rows(), strict=True):
        asked = {d for q, d in teacher.asked if q == before.query_id}
        assert asked == {*before.positive_ids, *before.negative_ids[:negatives]}
        expected = [score_of(before.query_id, d) if d in asked else None for d in _documents(before)]
        assert list(after.teacher_scores) == expected
        assert (after.positive_ids, after.negative_ids) == (before.positive_ids, before.negative_ids)


def _documents(group: TrainingGroup) -> tuple[str, ...]:
    return group.positive_ids + group.negative_ids


def test_another_teachers_scores_are_replaced_and_all_else_stays() -> None:
    group = TrainingGroup("q1", ("d1",), ("d2", "d3"), (0.5, 1.0), (9.0, None, 9.0), (1.0, 2.0), (("bm25",), ()))
    groups = TrainingSet.from_rows([group], {"conflicts": 1})
    taught = add_teacher_scores(groups, QUERIES, Teacher(), negatives=1)
    (row,) = taught.rows()
    assert row.teacher_scores == (11.0, 12.0, None)
    assert (row.weights, row.margins, row.sources) == (group.weights, group.margins, group.sources)
    assert taught.metadata == {"conflicts": 1, "teacher": {"score_kind": "logit"}}


def test_scores_and_pairs_agree_in_number() -> None:
    groups = TrainingSet.from_rows([TrainingGroup("q1", ("d1",))])
    with pytest.raises(DataError, match="2 scores for 1 pairs"):
        with_teacher_scores(groups, pairs_to_teach(groups), np.zeros(2), {})
