"""Random documents: the protocol, and that they are random."""

from __future__ import annotations

from collections import Counter
from math import sqrt
from pathlib import Path

import pytest

from pyrite.data import Corpus, Document, Queries, Query
from pyrite.errors import DataError
from pyrite.search import RandomIndex, RandomRetriever
from pyrite.testing.conformance import check_retriever

CORPUS = Corpus.from_rows(Document(f"d{i:02}", "text") for i in range(20))


def proposed(seed: int, depth: int = 5, query_id: str = "q", corpus: Corpus = CORPUS) -> list[str]:
    queries = Queries.from_rows([Query(query_id, "ask")])
    return [row.doc_id for row in RandomRetriever(seed=seed).build(corpus).search(queries, depth).by_query()[query_id]]


def test_it_keeps_the_protocol() -> None:
    check_retriever(RandomRetriever(), reopen=RandomIndex.open)


def test_every_document_is_as_likely_as_any_other() -> None:
    seeds = 2000
    counts = Counter(doc_id for seed in range(seeds) for doc_id in proposed(seed))
    assert len(counts) == 20
    assert all(abs(count / seeds - 0.25) < 4.5 * sqrt(0.1875 / seeds) for count in counts.values())


def test_queries_and_seeds_draw_differently_and_a_deeper_draw_begins_alike() -> None:
    assert proposed(0) != proposed(1)
    assert proposed(0) != proposed(0, query_id="other")
    assert proposed(0, depth=12)[:5] == proposed(0)
    assert sorted(proposed(0, depth=99)) == CORPUS.ids()


def test_other_documents_do_not_change_the_order_of_these() -> None:
    half = Corpus(CORPUS.arrow.slice(0, 10))
    assert [doc_id for doc_id in proposed(0, depth=20) if doc_id in half] == proposed(0, depth=10, corpus=half)


def test_a_folder_without_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no random index"):
        RandomIndex.open(tmp_path)
