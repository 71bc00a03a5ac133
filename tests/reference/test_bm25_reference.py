"""BM25 against the libraries bm25s and rank-bm25, formula by formula, on a corpus of many blocks."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from pyrite.data import Corpus, Queries
from pyrite.search import LexicalIndex, LexicalRetriever, Pairs
from pyrite.search.lexical.analysis import Analysis
from pyrite.search.lexical.engines import Bm25sSettings
from pyrite.search.lexical.index import LexicalSettings

PLAIN = Analysis(stemmer=None, stopwords="none")
DOCUMENTS, DEPTH = 20_000, 25
FORMULAS = ("lucene", "robertson", "atire", "bm25l", "bm25+")
TEXTBOOK = {"okapi": "BM25Okapi", "rank-bm25-l": "BM25L", "bm25+": "BM25Plus"}


@cache
def texts() -> tuple[list[str], list[str]]:
    """Documents of words as frequent as Zipf has them, one of them in most documents, and queries with repeats."""
    generator = np.random.default_rng(7)
    frequency = 1 / np.arange(1, 3001)
    chances = frequency / frequency.sum()

    def text(length: int) -> str:
        return " ".join(f"w{word}" for word in generator.choice(len(chances), length, p=chances))

    documents = [text(int(length)) for length in generator.integers(0, 30, DOCUMENTS)]
    return documents, [text(int(length)) for length in generator.integers(1, 12, 16)]


@cache
def index(formula: str) -> LexicalIndex:
    documents, _ = texts()
    corpus = Corpus.from_columns(doc_id=ids(), text=documents, title=[""] * DOCUMENTS)
    engine = Bm25sSettings(formula=formula, k1=1.5, b=0.75, delta=0.5)
    return LexicalRetriever(LexicalSettings(analysis=PLAIN, engine=engine)).build(corpus)


def ids() -> list[str]:
    """Return ids in an order of their own."""
    return [f"d{(i * 7919) % DOCUMENTS:05}" for i in range(DOCUMENTS)]


def queries() -> Queries:
    _, asked = texts()
    empty = [None] * len(asked)
    return Queries.from_columns(
        query_id=[f"q{i}" for i in range(len(asked))], text=asked, origin=["given"] * len(asked), seed_doc_id=empty
    )


@pytest.mark.parametrize("formula", [*FORMULAS, "okapi", "rank-bm25-l"])
def test_what_is_left_out_could_not_enter(formula: str) -> None:
    """Search skips most postings; `score` skips none and must agree to the last bit."""
    run = index(formula).search(queries(), DEPTH).by_query()
    for query_id in queries().ids():
        scores = index(formula).score(queries(), Pairs([query_id] * DOCUMENTS, ids()))
        # Robertson's weight of a word in most documents is 0: such a word finds nothing.
        best = [pair for pair in sorted(zip(scores.tolist(), ids(), strict=True), reverse=True) if pair[0] > 0][:DEPTH]
        assert [(hit.score, hit.doc_id) for hit in run.get(query_id, [])] == best


@pytest.mark.parametrize("formula", TEXTBOOK)
def test_scores_are_those_of_rank_bm25(formula: str) -> None:
    import rank_bm25

    documents, asked = texts()
    textbook = getattr(rank_bm25, TEXTBOOK[formula])([text.split() for text in documents], k1=1.5, b=0.75)
    textbook.delta = 0.5
    for query_id, text in list(zip(queries().ids(), asked, strict=True))[:8]:
        scores = index(formula).score(queries(), Pairs([query_id] * DOCUMENTS, ids()))
        assert np.abs(scores - textbook.get_scores(text.split())).max() < 1e-9


@pytest.mark.parametrize("formula", FORMULAS)
def test_scores_are_those_of_bm25s(formula: str) -> None:
    import bm25s

    documents, asked = texts()
    tokens = [text.split() for text in documents]
    library = bm25s.BM25(k1=1.5, b=0.75, delta=0.5, method=formula)
    library.index(tokens, show_progress=False)
    for query_id, text in zip(queries().ids(), asked, strict=True):
        scores = index(formula).score(queries(), Pairs([query_id] * DOCUMENTS, ids()))
        # The library computes in single precision.
        assert np.allclose(scores, library.get_scores(text.split()), rtol=1e-5, atol=1e-4)
