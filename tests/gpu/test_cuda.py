"""A CUDA device gives what the processor gives, up to rounding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyrite.data.groups import training_groups
from pyrite.models.sentence_encoder import SentenceEncoder
from pyrite.search import DenseRetriever
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
