from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from pyrite.data import Corpus, Document, Queries, Query
from pyrite.errors import DataError, SearchError, SettingsError
from pyrite.search import LexicalIndex, LexicalRetriever, Pairs
from pyrite.search.lexical.analysis import Analysis
from pyrite.search.lexical.engines import Bm25sSettings, RankBm25Settings
from pyrite.search.lexical.index import LexicalSettings
from pyrite.testing.conformance import check_retriever
from pyrite.testing.tiny import tiny_collection

PLAIN = Analysis(stemmer=None, stopwords="none")


def corpus(*texts: str) -> Corpus:
    return Corpus.from_rows(Document(f"d{i}", text) for i, text in enumerate(texts))


def ask(text: str) -> Queries:
    return Queries.from_rows([Query("q", text)])


@pytest.mark.parametrize(
    "engine",
    [
        *(Bm25sSettings(), Bm25sSettings(formula="bm25l"), Bm25sSettings(formula="bm25+")),
        *(RankBm25Settings(), RankBm25Settings(formula="l"), RankBm25Settings(formula="plus")),
    ],
    ids=lambda engine: f"{engine.type}-{engine.formula}",
)
def test_engines_keep_the_protocol(engine: Bm25sSettings | RankBm25Settings) -> None:
    check_retriever(LexicalRetriever(LexicalSettings(engine=engine)), reopen=LexicalIndex.open)


def test_lucene_formula_by_hand() -> None:
    index = LexicalRetriever(LexicalSettings(analysis=PLAIN)).build(corpus("gold gold ore", "iron ore", "salt"))
    run = index.search(ask("gold"), depth=3)
    idf = math.log(1 + (3 - 1 + 0.5) / (1 + 0.5))
    # Two occurrences, three tokens, two on average; k1 .9, b .4. Lucene leaves out the factor k1 + 1.
    expected = idf * 2 / (2 + 0.9 * (1 - 0.4 + 0.4 * 3 / 2))
    assert [hit.doc_id for hit in run.by_query()["q"]] == ["d0"]
    assert run.by_query()["q"][0].score == pytest.approx(expected, rel=1e-6)


def test_okapi_formula_by_hand() -> None:
    settings = LexicalSettings(analysis=PLAIN, engine=RankBm25Settings())
    index = LexicalRetriever(settings).build(corpus("gold gold ore", "iron ore", "salt", "tin"))
    idf = math.log(4 - 1 + 0.5) - math.log(1 + 0.5)
    expected = idf * 2 * 2.5 / (2 + 1.5 * (1 - 0.75 + 0.75 * 3 / 1.75))
    assert index.search(ask("gold"), depth=1).by_query()["q"][0].score == pytest.approx(expected)


@pytest.mark.parametrize(("ours", "formula"), [("atire", "okapi"), ("bm25+", "plus")])
def test_bm25s_agrees_with_the_textbook(ours: str, formula: str) -> None:
    """Same formula, constants and analysis; words in few documents, so that no IDF is floored."""
    tiny = tiny_collection()
    fast = Bm25sSettings(formula=ours, k1=1.5, b=0.75, delta=0.5)  # type: ignore[arg-type]
    slow = RankBm25Settings(formula=formula, k1=1.5, b=0.75, delta=0.5)  # type: ignore[arg-type]
    runs = [
        LexicalRetriever(LexicalSettings(engine=engine)).build(tiny.corpus).search(tiny.queries, 5).by_query()
        for engine in (fast, slow)
    ]
    same = [[h.doc_id for h in runs[0][q]] == [h.doc_id for h in runs[1][q]] for q in runs[0]]
    assert runs[0].keys() == runs[1].keys()
    assert sum(same) >= len(same) - 2


def test_documents_without_a_shared_word_are_left_out() -> None:
    for engine in (Bm25sSettings(formula="bm25+"), RankBm25Settings(formula="plus")):
        index = LexicalRetriever(LexicalSettings(analysis=PLAIN, engine=engine)).build(corpus("a b", "b c", "c d"))
        assert [hit.doc_id for hit in index.search(ask("a"), 3).by_query()["q"]] == ["d0"]


def test_query_of_unknown_or_no_words_finds_nothing() -> None:
    index = LexicalRetriever().build(corpus("gold", "iron"))
    queries = Queries.from_rows([Query("q1", "zinc"), Query("q2", "?!"), Query("q3", "gold")])
    assert index.search(queries, 2).by_query().keys() == {"q3"}


def test_ties_go_to_the_larger_id() -> None:
    index = LexicalRetriever().build(corpus("gold", "gold", "gold", "iron"))
    assert [hit.doc_id for hit in index.search(ask("gold"), 2).by_query()["q"]] == ["d2", "d1"]


def test_score_gives_what_search_gives_also_below_the_depth() -> None:
    tiny = tiny_collection()
    index = LexicalRetriever().build(tiny.corpus)
    run = index.search(tiny.queries, 30)
    pairs = Pairs(run.column("query_id").to_pylist(), run.column("doc_id").to_pylist())
    assert np.array_equal(index.score(tiny.queries, pairs), run.column("score").to_numpy())


@pytest.mark.parametrize("best_first", [True, False], ids=["guess too high", "guess holds"])
def test_search_of_many_documents_gives_the_best_by_score(best_first: bool) -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 6, (17_000, 3)) * (rng.random((17_000, 3)) < [0.02, 0.1, 0.5])
    if best_first:
        # The index starts from the last ids: its first documents are unlike the rest, and lead on.
        counts[:, 0] = 0
        counts[-60:, 0], counts[:300, 1] = 5, 3
    texts = [" ".join(np.repeat(["gold", "ore", "rock"], row)) + " end" for row in counts]
    ids = [f"d{row:05}" for row in range(len(texts))]
    index = LexicalRetriever(LexicalSettings(analysis=PLAIN)).build(Corpus.from_rows(map(Document, ids, texts)))
    queries = Queries.from_rows([Query("q", "gold ore rock"), Query("p", "gold")])
    for query_id, found in index.search(queries, depth=100).by_query().items():
        scores = index.score(queries, Pairs([query_id] * len(ids), ids))
        order = [row for row in np.lexsort((-np.arange(len(ids)), -scores))[:100] if scores[row] > 0]
        assert [(hit.doc_id, hit.score) for hit in found] == [(ids[row], scores[row]) for row in order]


def test_analysis_of_identifiers_and_languages() -> None:
    code = Analysis(stemmer=None, stopwords="none", split_identifiers=True)
    assert code.tokens("parseHTTPResponse2 read_into") == [
        *("parsehttpresponse2", "parse", "http", "response", "2"),
        *("read_into", "read", "into"),
    ]
    assert Analysis(stemmer="german", stopwords="none").tokens("Häuser") == Analysis(
        stemmer="german", stopwords="none"
    ).tokens("häuser")
    assert Analysis().tokens("The miner's don't") == ["miner", "don't"]


def test_bad_settings_and_inputs() -> None:
    with pytest.raises(SettingsError, match=r"no Snowball stemmer 'klingon'; allowed: .*english"):
        Analysis(stemmer="klingon").tokens("gold")
    with pytest.raises(DataError, match="at least one word"):
        LexicalRetriever().build(corpus("...", "!"))
    with pytest.raises(SearchError, match="holds no document 'x'"):
        LexicalRetriever().build(corpus("gold")).score(ask("gold"), Pairs(["q"], ["x"]))


def test_open_without_an_index_says_so(tmp_path: Path) -> None:
    with pytest.raises(SearchError, match="holds no lexical index"):
        LexicalIndex.open(tmp_path)


def test_fingerprint_follows_the_content(tmp_path: Path) -> None:
    one, same, other = (
        LexicalRetriever().build(corpus(*texts)) for texts in (("a1", "b1"), ("a1", "b1"), ("a1", "c1"))
    )
    one.save(tmp_path)
    assert one.fingerprint() == same.fingerprint() == LexicalIndex.open(tmp_path).fingerprint()
    assert one.fingerprint() != other.fingerprint()
