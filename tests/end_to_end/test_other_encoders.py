"""An endpoint and precomputed vectors serve every step that a model folder serves, and give what it gives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyrite.data import Candidates, Run
from pyrite.models.sentence_encoder import SentenceEncoder
from pyrite.pipeline.store import Store
from pyrite.testing.embedding_server import EmbeddingServer, serve_embeddings
from pyrite.testing.tiny import tiny_collection

PIPELINE = """
name: encoders
resources: {{device: cpu, shard_size: 8}}
steps:
  data:
    stage: load
    settings: {{source: {{type: beir, folder: tiny}}}}
  model:
    stage: model
    settings: {{encoder: {encoder}}}
    inputs: {{{inputs}}}
  embed:
    stage: embed
    inputs: {{corpus: data.corpus, model: model.model}}
  faiss:
    stage: index-faiss
    inputs: {{index: embed.index}}
  search:
    stage: search
    settings: {{system: dense, depth: 20}}
    inputs: {{index: faiss.index, queries: data.queries, qrels: data.test}}
  mine:
    stage: mine
    settings: {{depth: 12}}
    inputs: {{queries: data.queries, qrels: data.train, indices: {{dense: embed.index}}}}
  rescore:
    stage: rescore
    settings: {{scorer: again}}
    inputs: {{candidates: mine.candidates, queries: data.queries, index: embed.index}}
"""
TRAIN = """
  assemble:
    stage: assemble
    inputs: {qrels: data.train}
  train:
    stage: train
    settings: {trainer: {type: static, epochs: 1}}
    inputs: {model: model.model, training_set: assemble.training_set, corpus: data.corpus, queries: data.queries}
"""
FOLDER = "{type: sentence-transformers, model: words}"
FILES = (
    "{type: precomputed, documents: {vectors: d.npy, ids: d.txt}, queries: {vectors: q.parquet}, "
    "missing: keep, extra: drop}"
)


@pytest.fixture
def words(small_folder: Path) -> SentenceEncoder:
    return SentenceEncoder.load(small_folder / "words", device="cpu")


@pytest.fixture
def server(words: SentenceEncoder) -> Iterator[EmbeddingServer]:
    pytest.importorskip("openai", reason="needs the package openai (extra llm)")
    with serve_embeddings(lambda texts: words.encode(texts, "document")) as server:
        yield server


def write(folder: Path, encoder: str, inputs: str = "", more: str = "") -> str:
    (folder / "pipeline.yaml").write_text(PIPELINE.format(encoder=encoder, inputs=inputs) + more)
    return "pipeline.yaml"


def endpoint(server: EmbeddingServer) -> str:
    return f"{{type: openai, model: words, base_url: '{server.url}', batch_size: 5, retries: 0, concurrency: 1}}"


def write_vectors(folder: Path, words: SentenceEncoder) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    tiny = tiny_collection()
    ids = tiny.corpus.ids()[::-1]
    np.save(folder / "d.npy", words.encode(tiny.corpus.texts()[::-1], "document"))
    (folder / "d.txt").write_text("\n".join(ids))
    queries = list(words.encode(tiny.queries.texts(), "query"))
    pq.write_table(pa.table({"id": tiny.queries.ids(), "vector": queries}), folder / "q.parquet")


def outcome(folder: Path) -> tuple[list[Any], np.ndarray]:
    """Return what was found in the latest run, in order, and its scores."""
    record = json.loads((folder / "runs" / "latest" / "run.json").read_text())
    store = Store(folder / ".pyrite" / "store")
    found = {step["id"]: store.find(step["kind"], step["key"]) for step in record["steps"]}
    run = Run.open(found["search"].output("run"))  # type: ignore[union-attr]
    candidates = Candidates.open(found["rescore"].output("candidates"))  # type: ignore[union-attr]
    hits = [((name, hit.doc_id), hit.score) for name, ranked in run.by_query().items() for hit in ranked]
    hits += [((row.query_id, row.doc_id, row.scorer), row.score) for row in candidates.rows()]
    return [name for name, _ in hits], np.array([score for _, score in hits])


def test_every_encoder_gives_the_same(pyrite: Any, small_folder: Path, words: Any, server: EmbeddingServer) -> None:
    write_vectors(small_folder, words)
    texts = "corpus: data.corpus, queries: data.queries"
    outcomes: list[tuple[list[Any], np.ndarray]] = []
    for encoder, inputs in ((FOLDER, ""), (endpoint(server), ""), (FILES, texts)):
        answer = pyrite("run", write(small_folder, encoder, inputs))
        assert answer.code == 0, answer.err
        outcomes.append(outcome(small_folder))
    for names, scores in outcomes[1:]:
        assert names == outcomes[0][0]
        assert np.allclose(scores, outcomes[0][1], atol=1e-5)


def test_what_was_paid_is_not_paid_again(pyrite: Any, small_folder: Path, server: EmbeddingServer) -> None:
    down = lambda _: (500, {}, {"error": {"message": "down"}})  # noqa: E731
    # The probe at bringing and at embedding, two requests of the first shard, one of the second.
    server.faults = [None, None, None, None, None, down]
    file = write(small_folder, endpoint(server))
    answer = pyrite("run", file)
    assert answer.code != 0
    assert "down" in answer.err
    corpus = set(tiny_collection().corpus.texts())
    first = [text for text in server.texts()[:-5] if text in corpus]
    server.requests.clear()
    assert pyrite("run", file).code == 0
    sent = [text for text in server.texts() if text in corpus]
    assert len(first) >= 8
    assert not set(first[:8]) & set(sent)
    assert len(sent) == len(set(sent))


def test_training_wants_weights(pyrite: Any, small_folder: Path, server: EmbeddingServer) -> None:
    answer = pyrite("run", write(small_folder, endpoint(server), more=TRAIN))
    assert answer.code != 0
    assert "an encoder of type 'openai' has no weights to train" in answer.err


def test_precomputed_vectors_want_their_texts(pyrite: Any, small_folder: Path, words: Any) -> None:
    write_vectors(small_folder, words)
    answer = pyrite("run", write(small_folder, FILES))
    assert "wants the corpus and the queries that its ids belong to" in answer.err
    answer = pyrite("run", write(small_folder, FOLDER, "corpus: data.corpus"))
    assert "takes neither corpus nor queries" in answer.err


def test_an_endpoint_as_a_command(pyrite: Any, small_folder: Path, server: EmbeddingServer) -> None:
    assignments = {"type": "openai", "model": "words", "base_url": server.url}
    sets = [part for name, value in assignments.items() for part in ("--set", f"encoder.{name}={value}")]
    answer = pyrite("model", *sets, "--json")
    assert answer.code == 0, answer.err
    assert answer.data["outputs"]["model"]["kind"] == "model"


def test_precision_is_a_transformers(pyrite: Any, small_folder: Path, server: EmbeddingServer) -> None:
    file = write(small_folder, endpoint(server))
    text = (
        (small_folder / file).read_text().replace("stage: embed\n", "stage: embed\n    settings: {precision: bf16}\n")
    )
    (small_folder / file).write_text(text)
    assert "only a transformer can be told how to compute" in pyrite("run", file).err
