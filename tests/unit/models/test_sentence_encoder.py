from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyrite.errors import ModelError
from pyrite.models.sentence_encoder import SentenceEncoder
from pyrite.testing.models import write_static_model
from pyrite.testing.tiny import tiny_collection

TEXTS = tiny_collection().corpus.texts()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A static model that knows the words of the tiny corpus."""
    return write_static_model(tmp_path / "static", TEXTS)


def test_what_stands_behind_a_static_embedding_counts(folder: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense

    static = SentenceTransformer(str(folder), device="cpu")
    model = SentenceTransformer(modules=[static[0], Dense(12, 12)], device="cpu")
    model.save_pretrained(str(tmp_path / "dense"), create_model_card=False)
    ours = SentenceEncoder.load(tmp_path / "dense").encode(TEXTS, "document")
    assert np.allclose(ours, model.encode(TEXTS, normalize_embeddings=True), atol=1e-6)


def test_a_static_embedding_has_no_maximum_length(folder: Path) -> None:
    with pytest.raises(ModelError, match="a static embedding reads every token of a text"):
        SentenceEncoder.load(folder, max_length=8)


def test_a_home_folder_is_meant_by_its_sign(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder.parent))
    assert SentenceEncoder.load("~/static").dimension == 12
