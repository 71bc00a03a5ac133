"""A real language model of 135 million parameters as an embedder: made, trained with adapters, exported both ways."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from pyrite.data.groups import training_groups
from pyrite.models.folder import ModelFolder
from pyrite.models.prompts import read_prompts
from pyrite.models.settings import CausalLMSettings
from pyrite.models.stored import bring_encoder, open_encoder
from pyrite.testing import tiny_collection
from pyrite.train import LoraSettings, TrainingJob, TrainingTexts, TransformerTrainer, train

pytestmark = pytest.mark.slow

TINY = tiny_collection()
TEXTS = TINY.corpus.texts()


@pytest.fixture(scope="module")
def encoder(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("smollm2") / "model"
    return bring_encoder(CausalLMSettings(model=str(smollm2), precision="bf16", max_length=64), folder).path


def plain(folder: Path) -> SentenceTransformer:
    return SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": "float32"})


def test_a_batch_gives_the_vectors_of_texts_alone(encoder: Path) -> None:
    model = plain(encoder)
    alone = np.concatenate([model.encode([text]) for text in TEXTS])
    for side in ("right", "left"):
        model.tokenizer.padding_side = side
        assert np.allclose(model.encode(TEXTS), alone, rtol=0, atol=1e-5)
    own = open_encoder(ModelFolder.open(encoder), device="cpu").encode(TEXTS, "document")
    assert np.allclose(own, alone, rtol=0, atol=1e-5)


def test_both_exports_give_the_same_vectors_and_the_loss_falls(encoder: Path, tmp_path: Path) -> None:
    found, losses = {}, {}
    texts = TrainingTexts(TINY.corpus, TINY.queries)
    for export in ("merged", "adapter"):
        settings = TransformerTrainer(
            batch_size=4,
            epochs=3,
            learning_rate=1e-3,
            gradient_checkpointing=export == "merged",
            lora=LoraSettings(rank=4, export=export),
        )
        result = train(
            encoder,
            training_groups(TINY.split("train")),
            texts,
            settings,
            prompts=read_prompts(encoder).model_dump(),
            job=TrainingJob(tmp_path / export, device="cpu"),
        )
        found[export] = plain(result.folder).encode(TEXTS)
        losses[export] = [entry.value for entry in result.log.rows() if entry.name == "epoch-loss"]
    assert np.allclose(found["merged"], found["adapter"], rtol=0, atol=1e-5)
    assert np.abs(found["merged"] - plain(encoder).encode(TEXTS)).max() > 0.01
    assert losses["merged"] == losses["adapter"]
    assert losses["merged"][-1] < losses["merged"][0]
