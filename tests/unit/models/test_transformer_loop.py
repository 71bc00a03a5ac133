"""The own loop gives what the library's gives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyrite.models import transformer_loop
from pyrite.models.packed_linear import pack_linear_layers
from pyrite.models.sentence_encoder import SentenceEncoder
from pyrite.models.settings import Prompts
from pyrite.models.transformer_loop import encode_texts
from pyrite.testing.conformance import check_encoder
from pyrite.testing.models import write_transformer_model
from pyrite.testing.tiny import tiny_collection

KNOWN = tiny_collection().corpus.texts()
TEXTS = [*KNOWN, "", "Gold", " ".join(KNOWN), "Gold", "pyrite gold pyrite"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_transformer_model(tmp_path_factory.mktemp("transformer") / "model", KNOWN)


@pytest.fixture
def model(folder: Path) -> Iterator[Any]:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu")


def by_library(model: Any, texts: list[str], prompt: str = "") -> np.ndarray:
    vectors: np.ndarray = model.encode(texts, prompt=prompt or None, normalize_embeddings=True)
    return vectors


def check_equal(model: Any, prompt: str = "") -> None:
    expected = by_library(model, TEXTS, prompt)
    ours = encode_texts(model, TEXTS, prompt, batch_size=2)
    assert ours is not None
    assert ours.dtype == np.float32
    # A text without any token has no largest value.
    assert np.allclose(ours, expected, atol=1e-5, equal_nan=model[1].pooling_mode == "max")


@pytest.mark.parametrize("mode", ["mean", "cls", "max", "lasttoken", "weightedmean"])
@pytest.mark.parametrize("prompt", ["", "gold is "])
def test_every_pooling_equals_the_librarys(model: Any, mode: str, prompt: str) -> None:
    model[1].pooling_mode = mode
    check_equal(model, prompt)


def test_a_prompt_outside_the_pooling_stays_outside(model: Any) -> None:
    texts = ["pyrite", "gold and pyrite"]
    before = encode_texts(model, texts, "gold is ", batch_size=2)
    model[1].include_prompt = False
    check_equal(model, "gold is ")
    assert not np.allclose(encode_texts(model, texts, "gold is ", batch_size=2), before)  # type: ignore[arg-type]


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_is_that_of_the_tokenizer(model: Any, side: str) -> None:
    model.tokenizer.padding_side = side
    expected = model.preprocess(TEXTS)
    tokens, others = transformer_loop._tokenise(model, TEXTS, "") or pytest.fail("takes the library's loop")
    width = int(tokens.lengths.max())
    padded = tokens.padded(np.arange(len(TEXTS)), width, {"input_ids": 0}, left=side == "left")
    assert others == {"modality": "text"}
    assert set(padded) == set(expected) - {"modality"}
    for name, matrix in padded.items():
        assert np.array_equal(matrix, expected[name].numpy())


def test_modules_behind_the_pooling_count(model: Any) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense

    check_equal(SentenceTransformer(modules=[*model, Dense(16, 5)], device="cpu"))


def test_a_vector_depends_on_no_batch(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = encode_texts(model, TEXTS, "", batch_size=64)
    monkeypatch.setattr(transformer_loop, "_TEXTS_AT_ONCE", 3)
    for batch_size in (1, 5):
        assert np.allclose(encode_texts(model, TEXTS, "", batch_size), whole, atol=1e-6)  # type: ignore[arg-type]


def test_protocol(folder: Path) -> None:
    check_encoder(SentenceEncoder.load(folder, device="cpu"), [*KNOWN, "Gold"])


def test_a_loaded_encoder_equals_the_library_in_both_roles(folder: Path, model: Any) -> None:
    encoder = SentenceEncoder.load(folder, device="cpu", prompts=Prompts(query="gold is "))
    assert np.allclose(encoder.encode(TEXTS, "query"), by_library(model, TEXTS, "gold is "), atol=1e-6)
    assert np.allclose(encoder.encode(TEXTS, "document"), by_library(model, TEXTS), atol=1e-6)


def test_each_text_is_encoded_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = SentenceEncoder.load(folder, device="cpu")
    seen: list[str] = []
    real = encoder._model.preprocess

    def preprocess(texts: list[str], **options: Any) -> Any:
        seen.extend(texts)
        return real(texts, **options)

    monkeypatch.setattr(encoder._model, "preprocess", preprocess)
    vectors = encoder.encode(["gold", "pyrite", "gold", "gold"], "document")
    assert seen == ["gold", "pyrite"]
    assert np.array_equal(vectors[[0, 0, 0]], vectors[[0, 2, 3]])


def test_a_model_that_is_no_plain_transformer_takes_the_librarys_loop(folder: Path, model: Any) -> None:
    expected = by_library(model, TEXTS)
    encoder = SentenceEncoder(model, Prompts(), 4, "weights")
    model[0].processing_kwargs = {"text": {"padding": True}}
    assert encode_texts(model, TEXTS, "", 4) is None
    assert np.allclose(encoder.encode(TEXTS, "document"), expected, atol=1e-6)


def test_no_padding_exceeds_the_models_positions(model: Any) -> None:
    long = transformer_loop._tokenise(model, [" ".join(KNOWN)], "")
    assert long is not None
    assert int(long[0].lengths[0]) == model.max_seq_length
    model.max_seq_length = 31
    assert transformer_loop._width(model, 31) == 31


def test_a_users_own_model_is_left_as_it_is(model: Any) -> None:
    SentenceEncoder(model, Prompts(), 4, "weights").encode(TEXTS, "query")
    assert "PackedLinear" not in {type(module).__name__ for module in model.modules()}


def test_packed_layers_give_the_same_products(model: Any) -> None:
    from torch import nn

    expected = by_library(model, TEXTS)
    layers = sum(type(module) is nn.Linear for module in model.modules())
    assert pack_linear_layers(model) == layers > 0
    assert not any(type(module) is nn.Linear for module in model.modules())
    assert np.allclose(by_library(model, TEXTS), expected, atol=1e-5)


def test_real_vectors_equal_the_librarys(minilm: Path) -> None:
    from sentence_transformers import SentenceTransformer

    texts = [*KNOWN[:6], "", "pyrite " * 400]
    expected = by_library(SentenceTransformer(str(minilm), device="cpu"), texts)
    single = SentenceEncoder.load(minilm, device="cpu").encode(texts, "document")
    half = SentenceEncoder.load(minilm, device="cpu", precision="bf16").encode(texts, "document")
    assert (single * expected).sum(axis=1).min() > 0.99999
    assert (half * expected).sum(axis=1).min() > 0.999
    assert np.allclose(np.linalg.norm(half, axis=1), 1, atol=1e-6)
