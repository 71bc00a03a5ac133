"""Approximate engines name candidates; scores, ties and depths are those of the exact search."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pyrite.data import Corpus
from pyrite.errors import SearchError, SettingsError
from pyrite.search import DenseIndex, DenseRetriever, FaissHnsw, FaissIvfFlat, FaissIvfPq, Pairs
from pyrite.search.dense import approximate
from pyrite.search.dense.approximate import ApproximateIndex, approximate_search, build_approximate, measure_recall
from pyrite.search.dense.embeddings import Embeddings, encode_corpus
from pyrite.search.dense.engines import ApproximateEngine, RecallSettings
from pyrite.search.dense.exact import DenseHits, exact_search
from pyrite.search.topk import descending_id_rank
from pyrite.settings import canonical_hash
from pyrite.testing.conformance import check_retriever
from pyrite.testing.encoders import HashingEncoder, TableEncoder
from pyrite.testing.tiny import tiny_collection

ENGINES: list[ApproximateEngine] = [FaissIvfFlat(), FaissIvfPq(), FaissHnsw()]
TINY = tiny_collection()
DOCUMENTS, DIMENSION = 1500, 16


def clustered(rows: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((60, DIMENSION))
    vectors = centres[generator.integers(0, 60, rows)] + 0.5 * generator.standard_normal((rows, DIMENSION))
    unit: np.ndarray = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def embed(matrix: np.ndarray, folder: Path) -> Embeddings:
    encoder = TableEncoder({str(row): vector for row, vector in enumerate(matrix)})
    texts = [str(row) for row in range(len(matrix))]
    corpus = Corpus.from_columns(doc_id=[f"d{row}" for row in texts], text=texts, title=[""] * len(texts))
    return encode_corpus(encoder, corpus, folder, shard_size=700)


@pytest.fixture(scope="module")
def embeddings(tmp_path_factory: pytest.TempPathFactory) -> Embeddings:
    return embed(clustered(DOCUMENTS), tmp_path_factory.mktemp("vectors"))


@pytest.fixture(scope="module")
def built(embeddings: Embeddings, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., ApproximateIndex]:
    """Build an index of the clustered vectors, once for each engine."""
    root = tmp_path_factory.mktemp("indices")

    def build(engine: ApproximateEngine) -> ApproximateIndex:
        folder = root / canonical_hash(engine)
        if not (folder / "approximate.json").exists():
            build_approximate(engine, embeddings, folder).save(folder)
        return ApproximateIndex.open(folder)

    return build


@pytest.mark.parametrize("engine", ENGINES)
def test_engines_keep_the_protocol(engine: ApproximateEngine) -> None:
    def reopen(folder: Path) -> DenseIndex:
        index = DenseIndex.open(folder)
        index.attach(HashingEncoder())
        return index

    check_retriever(DenseRetriever(HashingEncoder(), engine=engine, shard_size=7), reopen)


@pytest.mark.parametrize(
    "engine",
    [
        *ENGINES,
        FaissIvfFlat(lists=20, probes=20),
        FaissIvfPq(lists=20, probes=20, subquantizers=16, refine=10),
        FaissHnsw(ef_search=1000),
    ],
)
def test_what_is_found_is_ranked_as_the_exact_search_ranks(
    embeddings: Embeddings, built: Callable[..., ApproximateIndex], engine: ApproximateEngine
) -> None:
    queries = clustered(20, seed=1)
    ties = descending_id_rank(embeddings.ids)
    whole = exact_search(queries, embeddings, DOCUMENTS, ties)
    found = approximate_search(queries, embeddings, built(engine), 10, ties)
    for row in range(len(queries)):
        place = {position: place for place, position in enumerate(whole.positions[row].tolist())}
        places = [place[position] for position in found.positions[row].tolist()]
        assert places == sorted(places)
        assert found.scores[row].tolist() == whole.scores[row][places].tolist()
    recall = measure_recall(found, exact_search(queries, embeddings, 10, ties))
    # The last three look at all lists, or at a third of the graph.
    assert recall >= (0.9 if engine in ENGINES else 0.99)


def test_all_lists_and_no_compression_give_the_exact_result(
    embeddings: Embeddings, built: Callable[..., ApproximateIndex]
) -> None:
    queries, ties = clustered(40, seed=2), descending_id_rank(embeddings.ids)
    found = approximate_search(queries, embeddings, built(FaissIvfFlat(lists=20, probes=20)), 25, ties)
    right = exact_search(queries, embeddings, 25, ties)
    assert [row.tolist() for row in found.positions] == [row.tolist() for row in right.positions]
    assert [row.tolist() for row in found.scores] == [row.tolist() for row in right.scores]


def test_a_query_for_which_too_little_is_found_is_searched_exactly(
    embeddings: Embeddings, built: Callable[..., ApproximateIndex]
) -> None:
    """One list of a hundred holds some fifteen documents; 500 are wanted."""
    queries, ties = clustered(5, seed=3), descending_id_rank(embeddings.ids)
    hits = approximate_search(queries, embeddings, built(FaissIvfFlat(lists=100, probes=1)), 500, ties)
    right = exact_search(queries, embeddings, 500, ties)
    assert hits.decided_by == {"faiss-ivf-flat": 0, "exact": 5}
    assert [row.tolist() for row in hits.positions] == [row.tolist() for row in right.positions]


def test_copies_and_zero_vectors_are_found_and_ordered(tmp_path: Path) -> None:
    vectors = clustered(400)
    vectors[10:30] = vectors[0]
    vectors[30:40] = 0
    embeddings = embed(vectors, tmp_path)
    ties = descending_id_rank(embeddings.ids)
    queries = np.vstack([vectors[:1], np.zeros((1, DIMENSION), dtype=np.float32)])
    for engine in (FaissIvfFlat(), FaissIvfPq(), FaissHnsw()):
        index = build_approximate(engine, embeddings, tmp_path / engine.type)
        hits = approximate_search(queries, embeddings, index, 400, ties)
        right = exact_search(queries, embeddings, 400, ties)
        assert [row.tolist() for row in hits.positions] == [row.tolist() for row in right.positions]
    # By cosines of 1 and ids, descending.
    assert embeddings.doc_ids[hits.positions[0][0]] == "d29"


def test_training_follows_from_the_seed(embeddings: Embeddings, tmp_path: Path) -> None:
    def digest(seed: int, folder: str) -> str:
        engine = FaissIvfPq(lists=20, train_sample=1000, bits=4, seed=seed)
        return build_approximate(engine, embeddings, tmp_path / folder).digest

    assert digest(0, "a") == digest(0, "b")
    assert digest(0, "a") != digest(1, "c")


def retriever(engine: ApproximateEngine | str, folder: Path | None = None) -> DenseRetriever:
    return DenseRetriever(HashingEncoder(), engine=engine, folder=folder)


def test_scores_agree_with_search() -> None:
    index = retriever("faiss-hnsw").build(TINY.corpus)
    run = index.search(TINY.queries, 5)
    pairs = Pairs(run.column("query_id").to_pylist(), run.column("doc_id").to_pylist())
    assert index.score(TINY.queries, pairs).tolist() == run.column("score").to_pylist()


def test_the_summary_tells_settings_and_recall() -> None:
    summary = retriever(FaissIvfFlat(lists=2, probes=2)).build(TINY.corpus).summary()
    assert summary == {
        "documents": 30,
        "dimension": 64,
        "engine": "faiss-ivf-flat",
        "settings": {"lists": 2, "probes": 2, "train_sample": 30, "seed": 0},
        "recall": 1.0,
        "recall_depth": 30,
        "recall_queries": 30,
    }


def test_a_low_recall_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    vectors = np.random.default_rng(0).standard_normal((1000, DIMENSION)).astype(np.float32)
    index = DenseIndex(embed(vectors, tmp_path), None)
    poor = FaissIvfFlat(lists=20, probes=1)
    found = index.with_engine(poor, tmp_path / "poor", RecallSettings(queries=20, depth=10)).summary()
    assert found["recall"] < 0.9
    assert (found["recall_depth"], found["recall_queries"]) == (10, 20)
    assert f"faiss-ivf-flat finds {found['recall']:.3f} of the exact result (depth 10, 20 documents as" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        index.with_engine(FaissIvfFlat(lists=20, probes=20), tmp_path / "good")
    assert caplog.text == ""


def test_recall_is_the_share_of_the_exact_result() -> None:
    def hits(*rows: list[int]) -> DenseHits:
        return DenseHits([np.array(row) for row in rows], [np.zeros(len(row)) for row in rows], {})

    assert measure_recall(hits([1, 2, 9, 8], [5, 6, 7, 4]), hits([1, 2, 3, 4], [4, 5, 6, 7])) == 0.75


def test_recall_by_given_queries_wants_the_encoder(tmp_path: Path) -> None:
    index = retriever("exact").build(TINY.corpus)
    sample = RecallSettings(queries=5, depth=3)
    measured = index.with_engine("faiss-ivf-flat", tmp_path / "a", sample, TINY.queries).summary()
    assert (measured["recall_queries"], measured["recall"]) == (5, 1.0)
    with pytest.raises(SearchError, match="opened without its encoder"):
        DenseIndex(index.embeddings, None).with_engine("faiss-ivf-flat", tmp_path / "b", sample, TINY.queries)


def test_an_engine_built_before_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = retriever("faiss-hnsw", tmp_path).build(TINY.corpus)
    monkeypatch.setattr("pyrite.search.dense.index.build_approximate", None)
    again = retriever("faiss-hnsw", tmp_path).build(TINY.corpus)
    assert again.summary() == first.summary()
    assert again.search(TINY.queries, 4).by_query() == first.search(TINY.queries, 4).by_query()


def test_engines_have_identities_and_fingerprints_of_their_own() -> None:
    retrievers = [retriever(engine) for engine in ("exact", "faiss-flat", *ENGINES, FaissHnsw(links=8))]
    assert len({canonical_hash(one.identity()) for one in retrievers}) == 5
    assert len({one.build(TINY.corpus).fingerprint() for one in retrievers}) == 5


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("size", [0, 60, -10])
def test_a_damaged_file_is_told(tmp_path: Path, engine: ApproximateEngine, size: int) -> None:
    retriever(engine).build(TINY.corpus).save(tmp_path)
    file = tmp_path / "approximate.faiss"
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content[:size])
    index = DenseIndex.open(tmp_path)
    with pytest.raises(SearchError, match=r"approximate.faiss: has changed since it was written; build"):
        index.fingerprint()
    index.attach(HashingEncoder())
    with pytest.raises(SearchError, match=r"approximate.faiss: is damaged or no index .*; build the index again"):
        index.search(TINY.queries, 3)


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(index: object, path: str) -> None:
        Path(path).write_bytes(b"half")
        raise RuntimeError("Error in write: 4 != 100 (No space left on device)")

    monkeypatch.setattr("faiss.write_index", full)
    with pytest.raises(SearchError, match=r"the index cannot be written .*No space left on device.*; make room or"):
        retriever("faiss-hnsw", tmp_path).build(TINY.corpus)
    monkeypatch.undo()
    assert list(tmp_path.rglob("*.partial")) == []
    assert retriever("faiss-hnsw", tmp_path).build(TINY.corpus).summary()["recall"] == 1.0


def test_a_corpus_too_small_is_told() -> None:
    with pytest.raises(SettingsError, match="lists: 31 wants as many vectors"):
        retriever(FaissIvfFlat(lists=31)).build(TINY.corpus)


def test_blocks_change_nothing(
    embeddings: Embeddings, built: Callable[..., ApproximateIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    queries, ties = clustered(20, seed=4), descending_id_rank(embeddings.ids)
    index = built(FaissHnsw())
    whole = approximate_search(queries, embeddings, index, 7, ties)
    monkeypatch.setattr(approximate, "_QUERY_BLOCK", 3)
    pieces = approximate_search(queries, embeddings, index, 7, ties)
    assert [row.tolist() for row in whole.positions] == [row.tolist() for row in pieces.positions]
    assert [row.tolist() for row in whole.scores] == [row.tolist() for row in pieces.scores]


def test_a_device_without_gpus_searches_on_the_processor(caplog: pytest.LogCaptureFixture) -> None:
    index = DenseRetriever(HashingEncoder(), engine=FaissIvfFlat(), device="cuda").build(TINY.corpus)
    assert index.search(TINY.queries, 3).by_query() == (
        retriever(FaissIvfFlat()).build(TINY.corpus).search(TINY.queries, 3).by_query()
    )
    assert "this FAISS sees no GPU and searches on the processor" in caplog.text
