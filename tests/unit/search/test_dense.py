from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyrite.data import Corpus, Document, Queries, Query
from pyrite.errors import SearchError
from pyrite.search import DenseIndex, DenseRetriever
from pyrite.search.dense.embeddings import Embeddings, encode_corpus
from pyrite.search.dense.exact import exact_search
from pyrite.search.dense.faiss_index import faiss_first_pass, limited_first_pass
from pyrite.search.topk import descending_id_rank
from pyrite.testing.conformance import check_encoder, check_retriever
from pyrite.testing.encoders import HashingEncoder, TableEncoder
from pyrite.testing.tiny import tiny_collection


class Lookup:
    """Gives rows of a matrix for texts that are numbers, to plant exact vectors."""

    def __init__(self, matrix: np.ndarray) -> None:
        self.encoder = TableEncoder({str(row): vector for row, vector in enumerate(matrix)})
        self.corpus = Corpus.from_rows(Document(f"d{row:05d}", str(row)) for row in range(len(matrix)))


def embed(matrix: np.ndarray, folder: Path, shard_size: int = 100) -> Embeddings:
    planted = Lookup(matrix)
    return encode_corpus(planted.encoder, planted.corpus, folder, shard_size=shard_size)


def brute_force(queries: np.ndarray, documents: np.ndarray, ids: list[str], depth: int) -> list[list[int]]:
    scores = np.round(queries.astype(np.float64) @ documents.astype(np.float64).T, 9)
    return [sorted(range(len(ids)), key=lambda i: (row[i], ids[i]), reverse=True)[:depth] for row in scores]


@pytest.mark.parametrize("engine", ["exact", "faiss-flat"])
def test_engines_keep_the_protocol(engine: str) -> None:
    def reopen(folder: Path) -> DenseIndex:
        index = DenseIndex.open(folder)
        index.attach(HashingEncoder())
        return index

    check_retriever(DenseRetriever(HashingEncoder(), engine=engine, shard_size=7), reopen)  # type: ignore[arg-type]


def test_the_testing_encoders_keep_theirs() -> None:
    check_encoder(HashingEncoder())


@pytest.mark.parametrize("engine", ["exact", "faiss-flat"])
@pytest.mark.parametrize("shard_size", [37, 400])
def test_search_equals_brute_force(tmp_path: Path, engine: str, shard_size: int) -> None:
    generator = np.random.default_rng(0)
    documents = generator.standard_normal((400, 16)).astype(np.float32)
    documents[100:140] = documents[0]  # forty copies, more than the slack: only ids decide
    queries = np.vstack([documents[:3], generator.standard_normal((20, 16))]).astype(np.float32)
    embeddings = embed(documents, tmp_path, shard_size)
    ties = descending_id_rank(embeddings.doc_ids)
    first_pass = faiss_first_pass(embeddings) if engine == "faiss-flat" else None
    hits = exact_search(queries, embeddings, 10, ties, first_pass=first_pass)
    assert [found.tolist() for found in hits.positions] == brute_force(queries, documents, embeddings.doc_ids, 10)


def test_a_wrong_first_pass_is_caught_by_the_certificate(tmp_path: Path) -> None:
    """The rough scores say that what was left out is better: the search is done again."""
    documents = np.eye(100, dtype=np.float32)
    embeddings = embed(documents, tmp_path)

    def lying(queries: np.ndarray, kept: int) -> tuple[np.ndarray, np.ndarray]:
        wrong = np.tile(np.arange(1, kept + 1), (len(queries), 1))
        return np.full(wrong.shape, 1.0, dtype=np.float32), wrong

    hits = exact_search(documents[:1], embeddings, 1, np.arange(100), first_pass=lying)
    assert (hits.uncertified, hits.positions[0].tolist()) == (1, [0])


def test_interrupted_encoding_goes_on(tmp_path: Path) -> None:
    tiny = tiny_collection()

    class Failing(HashingEncoder):
        def encode(self, texts: object, role: object) -> np.ndarray:  # type: ignore[override]
            if self.encoded >= 20:
                raise KeyboardInterrupt
            return super().encode(texts, role)  # type: ignore[arg-type]

    with pytest.raises(KeyboardInterrupt):
        DenseRetriever(Failing(), folder=tmp_path, shard_size=10).build(tiny.corpus)
    encoder = HashingEncoder()
    index = DenseRetriever(encoder, folder=tmp_path, shard_size=10).build(tiny.corpus)
    assert encoder.encoded == 10
    assert index.fingerprint() == DenseRetriever(HashingEncoder()).build(tiny.corpus).fingerprint()


def test_another_corpus_in_the_same_folder_is_encoded_anew(tmp_path: Path) -> None:
    for texts in (["gold", "iron"], ["tin", "lead"]):
        corpus = Corpus.from_rows(Document(f"d{i}", text) for i, text in enumerate(texts))
        index = DenseRetriever(HashingEncoder(), folder=tmp_path).build(corpus)
        run = index.search(Queries.from_rows([Query("q", texts[1])]), 1)
        assert run.by_query()["q"][0].doc_id == "d1"


def test_an_index_wants_the_encoder_that_made_it(tmp_path: Path) -> None:
    tiny = tiny_collection()
    DenseRetriever(HashingEncoder(32)).build(tiny.corpus).save(tmp_path)
    index = DenseIndex.open(tmp_path)
    with pytest.raises(SearchError, match="opened without its encoder"):
        index.search(tiny.queries, 1)
    with pytest.raises(SearchError, match="built with another encoder"):
        index.attach(HashingEncoder(64))
    index.attach(HashingEncoder(32))
    assert len(index.search(tiny.queries, 1)) == 12


def test_vectors_that_are_no_numbers_are_refused() -> None:
    encoder = TableEncoder({"a": [float("nan"), 0.0]})
    with pytest.raises(SearchError, match="infinite or undefined"):
        DenseRetriever(encoder).build(Corpus.from_rows([Document("d", "a")]))
    with pytest.raises(SearchError, match="at least one document"):
        DenseRetriever(encoder).build(Corpus.empty())


@pytest.mark.parametrize("depth", [10, 50, 150, 300])
@pytest.mark.parametrize("limit", [20, 64])
def test_an_engine_that_gives_few_results_serves_any_depth(tmp_path: Path, depth: int, limit: int) -> None:
    """As FAISS on a GPU, whose 2048 results a query are 20 here; every other document is near the first query."""
    generator = np.random.default_rng(2)
    documents = generator.standard_normal((300, 8)).astype(np.float32)
    documents[::16] += 5
    queries = np.vstack([np.ones((1, 8)), generator.standard_normal((5, 8))]).astype(np.float32)
    embeddings = embed(documents, tmp_path)
    asked = []

    class Limited:
        def __init__(self, part: int, parts: int) -> None:
            self.rows = documents[part::parts]

        def search(self, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
            asked.append(count)
            assert count <= min(limit, len(self.rows))
            scores = queries @ self.rows.T
            order = np.argsort(-scores, axis=1)[:, :count]
            return np.take_along_axis(scores, order, axis=1), order

    first_pass = limited_first_pass(Limited, 300, limit)
    ties = descending_id_rank(embeddings.doc_ids)
    hits = exact_search(queries, embeddings, depth, ties, first_pass=first_pass)
    assert [found.tolist() for found in hits.positions] == brute_force(queries, documents, embeddings.doc_ids, depth)
    assert asked
    if depth == 10:
        assert hits.uncertified == 0


def test_what_a_part_cuts_off_bounds_the_last_score() -> None:
    """Of two parts that give two results each, the first has three of the best four."""
    scores = np.array([[9.0, 1, 8, 0, 7, 2]], dtype=np.float32)

    class Part:
        def __init__(self, part: int, parts: int) -> None:
            assert parts == 4
            self.scores = scores[:, part::parts]

        def search(self, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
            order = np.argsort(-self.scores, axis=1)[:, :count]
            return np.take_along_axis(self.scores, order, axis=1), order

    found, positions = limited_first_pass(Part, 6, 2)(np.zeros((1, 1), dtype=np.float32), 4)
    assert positions.tolist() == [[0, 2, 4, 5]]
    assert found.tolist() == [[9.0, 8.0, 7.0, 2.0]]
