from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pyrite.data import Queries, Run, ScoreKind
from pyrite.search import LexicalRetriever, Pairs
from pyrite.search.reranking import rerank
from pyrite.testing.tiny import tiny_collection

TINY = tiny_collection()
INDEX = LexicalRetriever().build(TINY.corpus)
RUN = INDEX.search(TINY.queries, 8)


class Scorer:
    """Scores a document by its place in the corpus, and remembers what it was asked."""

    score_kind = ScoreKind.LOGIT

    def __init__(self, scores: dict[str, float]) -> None:
        self.scores, self.asked = scores, 0

    def score(self, queries: Queries, pairs: Pairs) -> np.ndarray:
        self.asked += len(pairs)
        return np.array([self.scores[doc_id] for doc_id in pairs.doc_ids])


@given(st.lists(st.integers(-2, 2), min_size=len(TINY.corpus), max_size=len(TINY.corpus)), st.integers(1, 9))
def test_the_first_ranks_are_ordered_by_score_then_id(values: list[int], depth: int) -> None:
    scorer = Scorer(dict(zip(TINY.corpus.ids(), map(float, values), strict=True)))
    new = rerank(RUN, TINY.queries, scorer, name="cross", depth=depth)
    assert (new.scorer, new.score_kind, scorer.asked) == ("cross", ScoreKind.LOGIT, len(new))
    for query_id, hits in RUN.by_query().items():
        first = [hit.doc_id for hit in hits[:depth]]
        found = new.by_query()[query_id]
        assert [hit.doc_id for hit in found] == sorted(first, key=lambda d: (scorer.scores[d], d), reverse=True)
        assert [hit.rank for hit in found] == list(range(1, len(first) + 1))
        assert [hit.score for hit in found] == [scorer.scores[hit.doc_id] for hit in found]


def test_the_source_itself_keeps_its_order() -> None:
    assert (
        rerank(RUN, TINY.queries, INDEX, name="bm25", depth=8)
        .arrow.sort_by("query_id")
        .equals(RUN.arrow.sort_by([("query_id", "ascending"), ("rank", "ascending")]))
    )


def test_an_empty_ranking_stays_empty() -> None:
    empty = Run(RUN.arrow.slice(0, 0), RUN.metadata)
    assert len(rerank(empty, TINY.queries, Scorer({}), name="cross")) == 0
