"""Lexical search: the fast path equals the slow one, whatever the texts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrite.data import Corpus, Document, Queries, Query
from pyrite.search import LexicalRetriever, Pairs
from pyrite.search.lexical.analysis import Analysis
from pyrite.search.lexical.engines import Bm25sSettings, RankBm25Settings
from pyrite.search.lexical.index import LexicalSettings
from pyrite.search.lexical.tokens import TokenWriter, tokenise

ANALYSES = [
    Analysis(),
    Analysis(stemmer=None, stopwords="none", split_identifiers=True, min_length=2),
    Analysis(stemmer="german", stopwords="german", words="whitespace"),
    Analysis(stemmer=None, stopwords=("a", "b"), cjk_bigrams=True),
]
TEXTS = st.lists(
    st.text(alphabet=st.one_of(st.sampled_from("ab'\u2019_ .-Zé黄鉄鉱2ß"), st.characters(codec="utf-8")), max_size=40)
)

words = st.lists(st.sampled_from("abcdefgh"), max_size=8).map(" ".join)
corpora = st.lists(words, min_size=1, max_size=30).filter(any)
queries = st.lists(words, min_size=1, max_size=4)
PLAIN = Analysis(stemmer=None, stopwords="none")


@pytest.mark.parametrize("analysis", ANALYSES, ids=lambda analysis: f"{analysis.words}-{analysis.stopwords}")
@given(texts=TEXTS)
def test_tokens_of_many_texts_are_those_of_each(analysis: Analysis, texts: list[str]) -> None:
    assert list(tokenise(analysis, texts).lists()) == [analysis.tokens(text) for text in texts]


@given(one=TEXTS, two=TEXTS)
def test_parts_do_not_change_the_tokens(one: list[str], two: list[str]) -> None:
    import pyarrow as pa

    writer = TokenWriter(Analysis())
    for part in (one, two):
        writer.add(pa.array(part, pa.string()))
    assert list(writer.tokens().lists()) == list(tokenise(Analysis(), [*one, *two]).lists())


@pytest.mark.parametrize(("fast", "slow"), [("okapi", "okapi"), ("rank-bm25-l", "l"), ("bm25+", "plus")])
@given(texts=corpora, asked=queries, depth=st.integers(1, 40), b=st.floats(0, 1), k1=st.floats(0.1, 3))
def test_the_fast_engine_ranks_as_rank_bm25(
    fast: str, slow: str, texts: list[str], asked: list[str], depth: int, b: float, k1: float
) -> None:
    corpus = Corpus.from_rows(Document(f"d{i}", text, title="h") for i, text in enumerate(texts))
    asking = Queries.from_rows(Query(f"q{i}", text) for i, text in enumerate(asked))
    engines = (Bm25sSettings(formula=fast, b=b, k1=k1), RankBm25Settings(formula=slow, b=b, k1=k1))
    ours, theirs = (
        LexicalRetriever(LexicalSettings(analysis=PLAIN, engine=engine)).build(corpus).search(asking, depth).by_query()
        for engine in engines
    )
    assert ours.keys() == theirs.keys()
    for query_id, hits in ours.items():
        assert len(hits) == len(theirs[query_id])
        # The same scores rank by rank: documents may change places among scores that rounding alone tells apart.
        assert np.allclose([h.score for h in hits], [h.score for h in theirs[query_id]], rtol=1e-9, atol=1e-9)


@given(texts=corpora, asked=queries, depth=st.integers(1, 40), formula=st.sampled_from(["lucene", "okapi", "bm25l"]))
def test_search_is_score_sorted(texts: list[str], asked: list[str], depth: int, formula: str) -> None:
    corpus = Corpus.from_rows(Document(f"d{i}", text, title="h") for i, text in enumerate(texts))
    asking = Queries.from_rows(Query(f"q{i}", text) for i, text in enumerate(asked))
    settings = LexicalSettings(analysis=PLAIN, title_weight=0, engine=Bm25sSettings(formula=formula))
    index = LexicalRetriever(settings).build(corpus)
    run = index.search(asking, depth).by_query()
    for query_id, text in zip(asking.ids(), asked, strict=True):
        scores = index.score(asking, Pairs([query_id] * len(corpus), corpus.ids()))
        floor = scores.min() if formula == "bm25l" else 0.0
        shares = [not set(text.split()).isdisjoint(document.split()) for document in texts]
        ranked = sorted(zip(scores.tolist(), corpus.ids(), shares, strict=True), reverse=True)
        wanted = [
            (doc_id, score) for score, doc_id, shared in ranked if shared and (score > floor or formula == "bm25l")
        ]
        assert [(hit.doc_id, hit.score) for hit in run.get(query_id, [])] == wanted[:depth]
