"""Tiny models and a tiny collection: training takes a fraction of a second, and nothing comes from the network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pyrite.data import Corpus, Document, Queries, Query, TrainingGroup, TrainingSet
from pyrite.train import TrainingTexts

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WORDS = 50


def word_tokenizer(*special: str) -> Tokenizer:
    """Cut at spaces; know the special tokens and w0 to w49."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {word: number for number, word in enumerate([*special, *(f"w{i}" for i in range(WORDS))])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


@pytest.fixture(scope="session")
def static_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A StaticEmbedding of 51 words in 8 dimensions, drawn at random."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    weights = np.random.default_rng(0).normal(size=(WORDS + 1, 8)).astype(np.float32)
    folder = tmp_path_factory.mktemp("static") / "model"
    module = StaticEmbedding(word_tokenizer("[UNK]"), embedding_weights=weights)
    model = SentenceTransformer(modules=[module], device="cpu")
    model.save_pretrained(str(folder), create_model_card=False)
    return folder


@pytest.fixture(scope="session")
def transformer_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of 2 layers and 16 dimensions with random weights and dropout."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    source = tmp_path_factory.mktemp("bert")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=word_tokenizer("[PAD]", "[UNK]"), pad_token="[PAD]", unk_token="[UNK]"
    )
    tokenizer.save_pretrained(source)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=WORDS + 2,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        # With the usual 0.02, a model that was never trained gives all texts nearly the same vector.
        initializer_range=0.3,
    )
    BertModel(config).save_pretrained(source)
    model = SentenceTransformer(modules=[Transformer(str(source)), Pooling(16)], device="cpu")
    model.save_pretrained(str(source / "model"), create_model_card=False)
    return source / "model"


@pytest.fixture(scope="session")
def texts() -> TrainingTexts:
    """40 documents of 8 words, and 40 queries of 4 words of which 3 stand in the document of the same number."""
    draw = np.random.default_rng(1)
    documents, queries = [], []
    for i in range(40):
        words = [f"w{j}" for j in draw.integers(0, WORDS, 8)]
        documents.append(Document(f"d{i}", " ".join(words)))
        queries.append(Query(f"q{i}", " ".join([*words[:3], f"w{draw.integers(0, WORDS)}"])))
    return TrainingTexts(Corpus.from_rows(documents), Queries.from_rows(queries))


@pytest.fixture(scope="session")
def training_set() -> TrainingSet:
    """A group for each query: two mined negatives, one for every third."""
    return TrainingSet.from_rows(
        TrainingGroup(f"q{i}", (f"d{i}",), tuple(f"d{(i + 1 + j) % 40}" for j in range(1 if i % 3 == 0 else 2)))
        for i in range(40)
    )


@pytest.fixture(scope="session")
def weights() -> Callable[[Path], dict[str, np.ndarray]]:
    """Read the tensors of a model folder."""
    from safetensors.numpy import load_file

    return lambda folder: load_file(folder / "model.safetensors")
