"""Reciprocal rank fusion against plain Python."""

from __future__ import annotations

from fractions import Fraction

import hypothesis.strategies as st
import pytest
from hypothesis import given

from pyrite.data import Run, ScoreKind
from pyrite.errors import SearchError
from pyrite.search import Fusion, fuse

RANKINGS = st.dictionaries(
    st.sampled_from(["q1", "q2"]), st.lists(st.sampled_from("abcde"), unique=True, min_size=1), min_size=1
)


def run(rankings: dict[str, list[str]]) -> Run:
    rows = [(query, doc, rank) for query, docs in rankings.items() for rank, doc in enumerate(docs, start=1)]
    query, doc, rank = zip(*rows, strict=True)
    return Run.build("s", ScoreKind.BM25, query_id=query, doc_id=doc, rank=rank, score=[-float(r) for r in rank])


def slow(
    rankings: dict[str, dict[str, list[str]]], k: int, weights: dict[str, int], depth: int
) -> dict[str, list[str]]:
    joint: dict[str, dict[str, Fraction]] = {}
    for source, queries in rankings.items():
        for query, docs in queries.items():
            for rank, doc in enumerate(docs, start=1):
                scores = joint.setdefault(query, {})
                scores[doc] = scores.get(doc, Fraction(0)) + Fraction(weights.get(source, 1), k + rank)
    return {
        query: sorted(sorted(scores, reverse=True), key=lambda doc, s=scores: -s[doc])[:depth]
        for query, scores in joint.items()
    }


@given(st.dictionaries(st.sampled_from("xyz"), RANKINGS, min_size=1), st.sampled_from([0, 1, 60]), st.integers(1, 6))
def test_the_joint_ranking_is_that_of_exact_sums(rankings: dict[str, dict[str, list[str]]], k: int, depth: int) -> None:
    weights = {"x": 2} if "x" in rankings else {}
    fusion = Fusion(k=k, weights=weights)
    joint = fuse({source: run(queries) for source, queries in rankings.items()}, fusion, depth)
    assert {query: [row.doc_id for row in rows] for query, rows in joint.by_query().items()} == slow(
        rankings, k, weights, depth
    )
    turned = fuse({source: run(rankings[source]) for source in reversed(rankings)}, fusion, depth)
    assert turned.fingerprint() == joint.fingerprint()


def test_by_hand() -> None:
    joint = fuse({"x": run({"q": ["a", "b"]}), "y": run({"q": ["c", "a"]})}, Fusion(), 3)
    (first, second, third) = joint.by_query()["q"]
    assert (first.doc_id, second.doc_id, third.doc_id) == ("a", "c", "b")
    assert first.score == pytest.approx(1 / 61 + 1 / 62)
    assert [row.rank for row in (first, second, third)] == [1, 2, 3]
    assert (joint.scorer, joint.score_kind) == ("hybrid", ScoreKind.UNKNOWN)


def test_only_the_sources_named_are_joined() -> None:
    runs = {"x": run({"q": ["a"]}), "y": run({"q": ["b"]})}
    assert [row.doc_id for row in fuse(runs, Fusion(of=("y",)), 9).by_query()["q"]] == ["b"]
    for fusion, message in (
        (Fusion(of=("z",)), "names z; there are x, y"),
        (Fusion(of=("x",), weights={"y": 2}), "has weights for y, which it does not join"),
        (Fusion(of=("x", "y", "x")), "names a source twice: x, y, x; give it a weight"),
        (Fusion(), "names no source; there are none"),
    ):
        with pytest.raises(SearchError, match=message):
            fuse(runs if fusion.of else {}, fusion, 9)
