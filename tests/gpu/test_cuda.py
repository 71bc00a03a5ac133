"""A CUDA device gives what the processor gives, up to rounding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyrite.data import Corpus
from pyrite.data.groups import training_groups
from pyrite.models.sentence_encoder import SentenceEncoder
from pyrite.search import DenseRetriever, FaissHnsw, FaissIvfFlat, FaissIvfPq
from pyrite.search.dense.approximate import approximate_search, build_approximate, measure_recall
from pyrite.search.dense.embeddings import Embeddings, encode_corpus
from pyrite.search.dense.engines import ApproximateEngine
from pyrite.search.dense.exact import exact_search
from pyrite.search.dense.faiss_index import faiss_first_pass
from pyrite.search.dense.torch_pass import torch_first_pass
from pyrite.search.topk import descending_id_rank
from pyrite.testing.encoders import TableEncoder
from pyrite.testing.models import write_static_model, write_transformer_model
from pyrite.testing.tiny import tiny_collection
from pyrite.train import StaticTrainer, TrainingJob, TrainingTexts, TransformerTrainer, train

pytestmark = pytest.mark.gpu

TINY = tiny_collection()
TEXTS = [*TINY.corpus.texts(), *TINY.queries.texts()]
TRAINERS = {
    "static": StaticTrainer(batch_size=4, epochs=1, learning_rate=0.05),
    "transformer": TransformerTrainer(batch_size=4, epochs=1, learning_rate=1e-3),
}


@pytest.fixture(scope="module", params=sorted(TRAINERS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def model(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(kind) / "model"
    if kind == "static":
        return write_static_model(folder, TEXTS)
    # The two devices draw dropout from different streams.
    return write_transformer_model(folder, TEXTS, dropout=0.0)


def test_vectors_and_rankings_are_those_of_the_processor(model: Path) -> None:
    encoders = {device: SentenceEncoder.load(model, device=device) for device in ("cpu", "cuda")}
    vectors = {device: encoder.encode(TEXTS, "document") for device, encoder in encoders.items()}
    assert np.abs(vectors["cpu"] - vectors["cuda"]).max() < 1e-5
    runs = {
        device: DenseRetriever(encoder).build(TINY.corpus).search(TINY.queries, 5).by_query()
        for device, encoder in encoders.items()
    }
    for query_id, hits in runs["cpu"].items():
        others = runs["cuda"][query_id]
        assert [hit.doc_id for hit in hits] == [hit.doc_id for hit in others]
        assert [hit.score for hit in hits] == pytest.approx([hit.score for hit in others], abs=1e-5)


def test_an_epoch_of_training_gives_the_vectors_of_the_processor(kind: str, model: Path, tmp_path: Path) -> None:
    training_set, texts = training_groups(TINY.splits["train"]), TrainingTexts(TINY.corpus, TINY.queries)
    vectors = {"before": encode(model)}
    for device in ("cpu", "cuda"):
        job = TrainingJob(tmp_path / device, device=device)
        vectors[device] = encode(train(model, training_set, texts, TRAINERS[kind], prompts={}, job=job).folder)
    # Not the weights: Adam takes full steps along gradients that are 0 but for rounding, and no vector shows them.
    moved = np.abs(vectors["cpu"] - vectors["before"]).max()
    assert moved > 1e-3
    assert np.abs(vectors["cpu"] - vectors["cuda"]).max() < moved / 20


def encode(model: Path) -> np.ndarray:
    return SentenceEncoder.load(model, device="cpu").encode(TEXTS, "document")


def faiss_on_gpus() -> int:
    faiss = pytest.importorskip("faiss")
    return int(faiss.get_num_gpus()) if hasattr(faiss, "StandardGpuResources") else 0


def vectors_of(rows: int, folder: Path) -> Embeddings:
    matrix = np.random.default_rng(0).standard_normal((rows, 32)).astype(np.float32)
    encoder = TableEncoder({str(row): vector for row, vector in enumerate(matrix)})
    texts = [str(row) for row in range(rows)]
    corpus = Corpus.from_columns(doc_id=[f"d{row}" for row in texts], text=texts, title=[""] * rows)
    return encode_corpus(encoder, corpus, folder)


@pytest.mark.parametrize("depth", [10, 2000, 3000])
@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_faiss_gives_the_ranking_of_the_processor_beyond_its_limit_too(tmp_path: Path, depth: int, device: str) -> None:
    if not faiss_on_gpus():
        pytest.skip("this FAISS sees no GPU")
    embeddings = vectors_of(9000, tmp_path)
    queries = np.random.default_rng(1).standard_normal((20, 32)).astype(np.float32)
    ties = descending_id_rank(embeddings.ids)
    plain = exact_search(queries, embeddings, depth, ties)
    hits = exact_search(queries, embeddings, depth, ties, first_pass=faiss_first_pass(embeddings, device))
    assert [row.tolist() for row in hits.positions] == [row.tolist() for row in plain.positions]
    assert [row.tolist() for row in hits.scores] == [row.tolist() for row in plain.scores]


@pytest.mark.parametrize("depth", [10, 3000, 9000])
def test_torch_gives_the_ranking_of_the_processor(tmp_path: Path, depth: int) -> None:
    embeddings = vectors_of(9000, tmp_path)
    queries = np.random.default_rng(1).standard_normal((20, 32)).astype(np.float32)
    ties = descending_id_rank(embeddings.ids)
    plain = exact_search(queries, embeddings, depth, ties)
    hits = exact_search(queries, embeddings, depth, ties, first_pass=torch_first_pass(embeddings, "cuda"))
    assert [row.tolist() for row in hits.positions] == [row.tolist() for row in plain.positions]
    assert [row.tolist() for row in hits.scores] == [row.tolist() for row in plain.scores]


@pytest.mark.parametrize("engine", [FaissIvfFlat(), FaissIvfPq(), FaissHnsw()])
@pytest.mark.parametrize("depth", [10, 3000])
def test_approximate_engines_find_as_much_on_a_gpu(tmp_path: Path, engine: ApproximateEngine, depth: int) -> None:
    if not faiss_on_gpus():
        pytest.skip("this FAISS sees no GPU")
    embeddings = vectors_of(9000, tmp_path)
    queries = np.random.default_rng(1).standard_normal((50, 32)).astype(np.float32)
    ties = descending_id_rank(embeddings.ids)
    index = build_approximate(engine, embeddings, tmp_path / "index")
    exact = exact_search(queries, embeddings, depth, ties)
    recall = {
        device: measure_recall(approximate_search(queries, embeddings, index, depth, ties, device), exact)
        for device in ("cpu", "cuda")
    }
    assert recall["cuda"] == pytest.approx(recall["cpu"], abs=0.05)
