from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyrite.errors import ModelError
from pyrite.models.sentence_encoder import SentenceEncoder
from pyrite.models.settings import Prompts
from pyrite.models.static_encoder import StaticEncoder
from pyrite.testing.conformance import check_encoder
from pyrite.testing.models import write_static_model
from pyrite.testing.tiny import tiny_collection


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A static model that knows the words of the tiny corpus."""
    return write_static_model(tmp_path_factory.mktemp("static"), tiny_collection().corpus.texts())


@pytest.mark.parametrize("prompts", [Prompts(), Prompts(query="Gold is ", document="Pyrite is ")])
def test_both_fast_paths_equal_the_library(folder: Path, prompts: Prompts) -> None:
    from sentence_transformers import SentenceTransformer

    texts = [*tiny_collection().corpus.texts(), "", "Gold"]
    model = SentenceTransformer(str(folder), device="cpu")
    for role, prompt in (("query", prompts.query), ("document", prompts.document)):
        expected = model.encode(texts, prompt=prompt or None, normalize_embeddings=True)
        for encoder in (StaticEncoder(folder, prompts=prompts), SentenceEncoder.load(folder, prompts=prompts)):
            assert np.array_equal(encoder.encode(texts, role), expected)  # type: ignore[arg-type]


def test_protocol(folder: Path) -> None:
    check_encoder(StaticEncoder(folder))
    check_encoder(SentenceEncoder.load(folder))


def test_a_cache_serves_the_next_checkpoint_and_only_the_same_texts(folder: Path) -> None:
    first = StaticEncoder(folder)
    before = first.encode(["Gold", "Pyrite"], "document")
    second = StaticEncoder(folder, first.cache)
    assert np.array_equal(second.encode(["Gold", "Pyrite"], "document"), before)
    assert not np.array_equal(second.encode(["Pyrite", "Gold"], "document"), before)


def test_another_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no static embedding alone"):
        StaticEncoder(tmp_path)
